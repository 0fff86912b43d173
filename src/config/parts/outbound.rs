//! Gateways, and the way out to addresses that are not ours.

use std::path::PathBuf;

use crate::{
    conference::server::{Network, Pattern},
    config::{schema::item, value::Text},
    sip::message::SipUri,
};

item! {
    /// A gateway or peer that calls come from and go to.
    pub struct Trunk {
        /// What routes call it.
        name: Text,
        /// Where calls go: sip:gateway.example;transport=tcp.
        uri: SipUri,
        /// Addresses that calls are admitted from without a password.
        addresses: Vec<Network> = Vec::new(),
        /// User name that we give when the gateway asks.
        username: Option<Text> = None,
        /// File that holds the password for it, in its first line.
        password_file: Option<PathBuf> = None,
    }
}

item! {
    /// A way out. The first route whose pattern fits is taken.
    pub struct Route {
        /// What is called: numbers (`+49*`), or `user@domain` with `*` for any text (`*@example.org`, `*@*`).
        pattern: Pattern,
        /// The trunk that takes the call, or `direct` for the host that the URI names.
        trunk: Text,
    }
}

/// The trunk of a route that goes where the URI says.
pub const DIRECT: &str = "direct";

impl Route {
    /// The route that takes every URI to its own host.
    pub fn direct() -> Self {
        Self { pattern: "*@*".parse().expect("the constant is a pattern"), trunk: Text(DIRECT.to_owned()) }
    }
}
