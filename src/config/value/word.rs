//! Values that are one of a few words.

use serde_yaml::Value;

use super::Text;
use crate::{
    account::Preset,
    channel::relay::Anonymous,
    config::{Faults, Kind, Node, Setting},
};

/// A part of the daemon that can run in a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Application server: registrar, focus, event notification.
    As,
    /// Media server.
    Ms,
    /// File server.
    Fs,
    /// Relay of channels.
    Relay,
}

impl Role {
    /// Every role of this version.
    pub const ALL: [Self; 4] = [Self::As, Self::Ms, Self::Fs, Self::Relay];

    /// Its name, as on the command line and in `<role>.invalid`.
    pub fn name(self) -> &'static str {
        match self {
            Self::As => "as",
            Self::Ms => "ms",
            Self::Fs => "fs",
            Self::Relay => "relay",
        }
    }
}

/// The roles that run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles(Vec<Role>);

impl Roles {
    /// Every role.
    pub fn all() -> Self {
        Self(Role::ALL.to_vec())
    }

    /// True if a role runs.
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// The roles that run.
    pub fn iter(&self) -> impl Iterator<Item = Role> {
        self.0.iter().copied()
    }
}

/// Roles that the specification names and this version has not.
const LATER_ROLES: [&str; 3] = ["library", "swarm", "board"];

impl Setting for Roles {
    fn kind() -> Kind {
        Kind::value("all, or a list of as, ms, fs and relay")
    }

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let names = Vec::<Text>::read(node, faults)?;
        let mut roles = Vec::new();
        let mut whole = true;
        for name in &names {
            match Role::ALL.into_iter().find(|role| role.name() == name.0) {
                Some(role) => roles.push(role),
                None if name.0 == "all" && names.len() == 1 => return Some(Self::all()),
                None => {
                    let known = Role::ALL.map(Role::name).join(", ");
                    let why = if LATER_ROLES.contains(&name.0.as_str()) { "comes with a later version" } else { "is no role" };
                    faults.add(&node.at, format!("\"{}\" {why}; there are {known}, and all", name.0.escape_debug()));
                    whole = false;
                }
            }
        }
        roles.sort_unstable();
        roles.dedup();
        if whole && roles.is_empty() {
            faults.add(&node.at, "names no role");
            return None;
        }
        whole.then_some(Self(roles))
    }

    fn show(&self) -> Value {
        if self.0 == Role::ALL { Value::String("all".into()) } else { Value::Sequence(self.iter().map(|r| r.name().into()).collect()) }
    }
}

/// How a SIP listener or peer is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SipTransport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS.
    Tls,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people on a terminal, JSON otherwise.
    Auto,
    /// One readable line an event.
    Human,
    /// One JSON object a line.
    Json,
}

/// A hash of digest authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestAlgorithm {
    /// SHA-256.
    Sha256,
    /// MD5.
    Md5,
}

/// Makes a [`Setting`] of an enum whose values are words.
macro_rules! word_setting {
    ($($ty:ident: $form:literal { $($word:literal = $value:ident),* }),* $(,)?) => { $(
        impl Setting for $ty {
            fn kind() -> Kind {
                Kind::value($form)
            }

            fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
                match node.scalar($form, faults)?.as_str() {
                    $( $word => Some(Self::$value), )*
                    other => {
                        faults.add(&node.at, format!("\"{}\" is not {}", other.escape_debug(), $form));
                        None
                    }
                }
            }

            fn show(&self) -> Value {
                Value::String(match self { $( Self::$value => $word ),* }.to_owned())
            }
        }
    )* };
}

word_setting! {
    SipTransport: "udp, tcp or tls" { "udp" = Udp, "tcp" = Tcp, "tls" = Tls },
    LogFormat: "auto, human or json" { "auto" = Auto, "human" = Human, "json" = Json },
    Preset: "all, chair or named" { "all" = All, "chair" = Chair, "named" = Named },
    Anonymous: "loopback, everybody or nobody" { "loopback" = Loopback, "everybody" = Everybody, "nobody" = Nobody },
    DigestAlgorithm: "sha-256 or md5" { "sha-256" = Sha256, "md5" = Md5 },
}
