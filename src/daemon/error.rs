//! Why the daemon did not start, and whose fault that is.

use std::{io, net::SocketAddr, path::PathBuf};

use super::data_dir::Holder;
use crate::{
    account::{CredentialsError, SealError},
    config::ConfigError,
    id::UserName,
    sip::transport::{BindError, TlsError},
    store::StoreError,
};

/// What a program does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Wrong usage or configuration: the user mends it.
    Usage,
    /// Something of this name exists, or somebody else holds what we need.
    Conflict,
    /// There is nothing of this name.
    Missing,
    /// It may not be done.
    Denied,
    /// It failed.
    Failed,
}

/// Why the daemon did not start, or a command on its data was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is nowhere to keep data.
    #[error("there is no data directory: name one with --data-dir (neither data_dir, $STATE_DIRECTORY nor $HOME is set)")]
    NoDataDir,
    /// A file or directory of ours.
    #[error("failed to {what} {}: {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Others may enter the data directory.
    #[error("the data directory {} can be entered by others (mode {mode:03o}): chmod 700 {}", path.display(), path.display())]
    ExposedDir {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A secret file may be read by others.
    #[error("{} can be read by others (mode {mode:03o}): chmod 600 {}", path.display(), path.display())]
    ExposedFile {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another process uses the data directory.
    #[error("another relayd{} uses the data directory {}: stop it, or choose another with --data-dir", holder.map(|(_, pid)| format!(" (process {pid})")).unwrap_or_default(), path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The other process, if it told: what it is, and its number.
        holder: Option<(Holder, i32)>,
    },
    /// The key file is gone, but what it sealed is there.
    #[error("the key file {} is missing, and the accounts of this data directory cannot be opened without it: restore it from a backup", path.display())]
    KeyMissing {
        /// The file.
        path: PathBuf,
    },
    /// The key file is not one.
    #[error("the key file {} does not hold 64 hexadecimal digits", path.display())]
    KeyForm {
        /// The file.
        path: PathBuf,
    },
    /// The sealed secrets do not open.
    #[error("the accounts in the data directory do not open with its key file: {0}")]
    Seal(#[from] SealError),
    /// The configured realm is not that of the first start.
    #[error(
        "the realm was fixed as \"{settled}\" at the first start, and the passwords hold for it only: set realm: \"{settled}\", or begin with another data directory (configured is \"{configured}\")"
    )]
    Realm {
        /// The one that holds.
        settled: String,
        /// The one that is configured.
        configured: String,
    },
    /// Listening wide with the password that the first start made up.
    #[error(
        "listening on {address} lets others in, and {user} still has the password of the first start: change it first (relayd user passwd {user})"
    )]
    InitialPassword {
        /// The listener.
        address: SocketAddr,
        /// The account.
        user: UserName,
    },
    /// A role of an account is damaged.
    #[error("the stored account {user} has the role \"{role}\", which this version does not know")]
    Role {
        /// The account.
        user: UserName,
        /// What is stored.
        role: String,
    },
    /// The last administrator.
    #[error("{user} is the last administrator: make another first (relayd user add NAME --role admin)")]
    LastAdmin {
        /// The account.
        user: UserName,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The credentials file.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// Certificates.
    #[error("{what}: {source}")]
    Tls {
        /// Which.
        what: String,
        /// Why not.
        source: TlsError,
    },
    /// A SIP listener.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A listener for something else than SIP.
    #[error("{what} on {address}: {}", cannot_listen(source, *address, what))]
    Listen {
        /// What for, as under `listen`: `http`, `relay`.
        what: &'static str,
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A role did not start, or ended by itself.
    #[error("the role {role} {what}")]
    RoleFailed {
        /// Which.
        role: &'static str,
        /// What happened to it.
        what: String,
    },
}

impl DaemonError {
    /// What a program does about it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Config(_)
            | Self::NoDataDir
            | Self::ExposedDir { .. }
            | Self::ExposedFile { .. }
            | Self::KeyForm { .. }
            | Self::Realm { .. }
            | Self::InitialPassword { .. }
            | Self::Credentials(_)
            | Self::Tls { .. }
            | Self::Bind(BindError::NotOurs { .. } | BindError::NoCertificate { .. }) => Kind::Usage,
            Self::InUse { .. } | Self::Bind(BindError::InUse { .. } | BindError::RoleTaken { .. }) | Self::LastAdmin { .. } => {
                Kind::Conflict
            }
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => Kind::Conflict,
            Self::Store(StoreError::Exists { .. }) => Kind::Conflict,
            Self::Store(StoreError::Missing { .. }) => Kind::Missing,
            Self::File { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Kind::Denied,
            Self::Bind(BindError::Forbidden { .. }) => Kind::Denied,
            Self::Listen { .. }
            | Self::File { .. }
            | Self::KeyMissing { .. }
            | Self::Seal(_)
            | Self::Role { .. }
            | Self::Store(_)
            | Self::Bind(_)
            | Self::RoleFailed { .. } => Kind::Failed,
        }
    }

    /// A failure of something done to a file.
    pub(super) fn file(what: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { what, path, source }
    }
}

fn cannot_listen(error: &io::Error, address: SocketAddr, what: &str) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("port {} is in use by another program; choose another under listen.{what}, or stop it", address.port())
        }
        io::ErrorKind::AddrNotAvailable => format!("no interface of this machine has the address {}; see `ip address`", address.ip()),
        io::ErrorKind::PermissionDenied => {
            format!("port {} may not be opened by this user; choose one above 1023, or grant CAP_NET_BIND_SERVICE", address.port())
        }
        _ => error.to_string(),
    }
}
