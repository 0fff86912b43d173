//! Where a scenario plays.

use serde_yaml::Value;

use crate::{
    config::{Faults, Kind, Node, Roles, Setting, schema::section},
    sip::message::SipUri,
};

/// The server of a scenario.
#[derive(Debug, Clone, PartialEq)]
pub enum Server {
    /// Started for the scenario, ended with it.
    Ephemeral(Ephemeral),
    /// One that runs.
    At(SipUri),
}

section! {
    /// A server that lives as long as the scenario.
    pub struct Ephemeral {
        /// Roles, each in a process of its own; those that are not named do not run. Without it one process runs all.
        roles: Option<Roles> = None,
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::Ephemeral(Ephemeral::default())
    }
}

section! {
    /// `{ephemeral: …}`.
    pub struct Written {
        /// See [`Ephemeral`].
        ephemeral: Ephemeral = Ephemeral::default(),
    }
}

impl Setting for Server {
    fn kind() -> Kind {
        Kind::value("a SIP URI, or ephemeral")
    }

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        if node.value.is_mapping() {
            return Written::read(node, faults).map(|written| Self::Ephemeral(written.ephemeral));
        }
        match node.scalar("a SIP URI, or ephemeral", faults)?.as_str() {
            "ephemeral" => Some(Self::default()),
            _ => node.parse("a SIP URI such as sip:127.0.0.1:5060, or ephemeral", faults).map(Self::At),
        }
    }

    fn show(&self) -> Value {
        match self {
            Self::Ephemeral(ephemeral) if *ephemeral == Ephemeral::default() => "ephemeral".into(),
            Self::Ephemeral(ephemeral) => Written { ephemeral: ephemeral.clone() }.show(),
            Self::At(uri) => uri.to_string().into(),
        }
    }
}
