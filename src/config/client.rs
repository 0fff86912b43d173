//! The configuration of `confctl` and `fshare`: where the server is, who we are, whom we trust. Flags win over the environment, that over
//! `client.yaml`.

use std::path::PathBuf;

use super::{
    ConfigError, Layers, Origin, Path,
    schema::{item, section},
    value::{MaxSize, RelayAddress, Span},
};
use crate::{channel::client::ProxyUrl, id::UserName, sip::message::SipUri};

item! {
    /// A user whose offers `fshare recv --from` accepts without asking, once that user's identity is known. With `--verify` it asks all the same, and at a terminal also where a file is there already.
    pub struct Accept {
        /// A user of our server.
        from: UserName,
        /// Largest offer that is accepted so, a text counting as 64 KiB; one of unknown size (standard input) is only accepted without a limit.
        max_size: MaxSize = MaxSize(None),
    }
}

section! {
    /// The configuration of the client programs.
    pub struct ClientConfig {
        /// The server: sip:conf.example, sip:127.0.0.1:5060;transport=tcp. Without it: this machine.
        server: Option<SipUri> = None,
        /// Who we are, unless `--as` says otherwise.
        user: Option<UserName> = None,
        /// File that maps users to their passwords; nobody else may read it.
        credentials: Option<PathBuf> = None,
        /// Authorities, in PEM, that the certificates of the server, and of relays that are spoken to by TLS, must lead to. Without it no certificate is trusted.
        ca: Option<PathBuf> = None,
        /// Relays for files from terminal to terminal, host or host:port, or tls://host:port where requests to it go by TLS; the first that answers is taken. Without any: this machine's.
        relays: Vec<RelayAddress> = Vec::new(),
        /// Proxy that relays are reached by: socks5h:// or http://, then USER:PASSWORD@ where it wants that, then HOST:PORT. Without it: that of HTTPS_PROXY or ALL_PROXY. NO_PROXY names relays that are reached without one.
        proxy: Option<ProxyUrl> = None,
        /// Whose offers `fshare recv --from` accepts without asking.
        accept: Vec<Accept> = Vec::new(),
        /// How long an answer is waited for, unless `--timeout` says otherwise.
        timeout: Span<100, 86_400_000> = Span::of_millis(10_000),
        /// How long what is left of an upload or a download that was broken off is kept, from the last time that it moved: its record, and its partial files.
        keep_transfers: Span<3_600_000, 31_557_600_000> = Span::of_millis(30 * 86_400_000),
    }
}

/// The environment of the client programs, and the keys that it gives values to.
pub const CLIENT_VARIABLES: [(&str, &str); 4] =
    [("CONFKIT_SERVER", "server"), ("CONFKIT_USER", "user"), ("CONFKIT_CREDENTIALS", "credentials"), ("CONFKIT_CA", "ca")];

/// Flags of the client programs that give keys values.
#[derive(Debug, Clone, Default)]
pub struct ClientFlags {
    /// `--server`.
    pub server: Option<String>,
    /// `--as`.
    pub user: Option<String>,
    /// `--credentials`.
    pub credentials: Option<String>,
    /// `--ca`.
    pub ca: Option<String>,
    /// `--timeout`.
    pub timeout: Option<String>,
}

/// Where a client's configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct ClientSources {
    /// The file of `--config` or `CONFKIT_CONFIG`, which must be there. Without it the user's own file is read if it is there.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// Flags.
    pub flags: ClientFlags,
}

impl ClientConfig {
    /// Reads the configuration.
    ///
    /// # Errors
    /// A file that cannot be read, or every problem that was found.
    pub fn load(sources: &ClientSources) -> Result<Self, ConfigError> {
        let mut layers = Layers::default();
        let variable = |name: &str| sources.environment.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, value)| value);
        let named = sources.file.clone().or_else(|| variable("CONFKIT_CONFIG").map(PathBuf::from));
        match (named, Self::default_file(&sources.environment)) {
            (Some(file), _) => layers.file(&file)?,
            (None, Some(file)) if file.is_file() => layers.file(&file)?,
            (None, _) => {}
        }
        for (name, key) in CLIENT_VARIABLES {
            if let Some(value) = variable(name) {
                layers.set(&Path::of_keys(key), value.as_str().into(), Origin::Environment(name.to_owned()));
            }
        }
        let ClientFlags { server, user, credentials, ca, timeout } = &sources.flags;
        for (flag, key, value) in [
            ("--server", "server", server),
            ("--as", "user", user),
            ("--credentials", "credentials", credentials),
            ("--ca", "ca", ca),
            ("--timeout", "timeout", timeout),
        ] {
            if let Some(value) = value {
                layers.set(&Path::of_keys(key), value.as_str().into(), Origin::Flag(flag.to_owned()));
            }
        }
        layers.read()
    }

    /// The user's own file: `$XDG_CONFIG_HOME/confkit/client.yaml`, else `~/.config/confkit/client.yaml`.
    pub fn default_file(environment: &[(String, String)]) -> Option<PathBuf> {
        let variable = |name: &str| environment.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, value)| PathBuf::from(value));
        let directory = variable("XDG_CONFIG_HOME").or_else(|| variable("HOME").map(|home| home.join(".config")))?;
        Some(directory.join("confkit/client.yaml"))
    }
}
