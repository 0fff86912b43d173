//! Settings of the application server, checked before it is made.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use super::Gateways;
use crate::{
    account::BackoffLimits,
    conference::focus::FocusConfig,
    sip::{
        digest,
        endpoint::EndpointConfig,
        message::{Host, Uri},
        registrar::Limits,
    },
};

/// Settings of an [`ApplicationServer`](super::ApplicationServer).
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Which URIs are ours.
    pub ours: OurHosts,
    /// The focus.
    pub focus: FocusConfig,
    /// The user agent; methods, packages and bodies of the AS are added to it.
    pub endpoint: EndpointConfig,
    /// The registrar.
    pub registrar: Limits,
    /// Gateways, and the way out to what is not ours.
    pub gateways: Gateways,
    /// Hashes that digest authentication offers, best first.
    pub algorithms: Vec<digest::Algorithm>,
    /// How long a nonce can be used.
    pub nonce_life: Duration,
    /// How much guessing of passwords is borne.
    pub backoff: BackoffLimits,
    /// Content types of messages that go only to contacts which registered with a feature tag (RFC 3840), and the tag.
    pub features: Vec<(String, String)>,
    /// Where else things are, by purpose, for the answer to `OPTIONS sip:control@as`.
    pub services: Vec<(String, String)>,
    /// The certificate authority to trust, in PEM, for the same answer.
    pub ca: Option<String>,
}

/// The hosts of URIs that are ours: a From with one of them is challenged, a user of one is looked up here.
#[derive(Debug, Clone, Default)]
pub struct OurHosts {
    /// Domain names in lower case, whatever port stands behind them.
    pub names: BTreeSet<String>,
    /// Where we listen: an address without a port, or with ours, is ours. A neighbour on the same host is not.
    pub addresses: BTreeSet<SocketAddr>,
}

impl OurHosts {
    /// True when a SIP URI's host is ours.
    pub fn has(&self, uri: &Uri) -> bool {
        let Some(uri) = uri.sip() else { return false };
        match &uri.host {
            // A name with a dot behind it is the same name, written in full (RFC 1034 §3.1).
            Host::Name(name) => self.names.contains(name.strip_suffix('.').unwrap_or(name)),
            Host::Ip(ip) => self.addresses.iter().any(|a| same_host(a.ip(), *ip) && uri.port.is_none_or(|p| p == a.port())),
        }
    }
}

/// A wildcard address listens on every address of its family.
fn same_host(listening: IpAddr, ip: IpAddr) -> bool {
    listening == ip || (listening.is_unspecified() && listening.is_ipv4() == ip.is_ipv4())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_on_the_same_host_is_not_ours() {
        let ours = OurHosts { names: ["conf.example".to_owned()].into(), addresses: ["127.0.0.1:5060".parse().unwrap()].into() };
        for (uri, is) in [
            ("sip:alice@conf.example", true),
            ("sip:alice@CONF.example:5070", true),
            ("sip:alice@conf.example.", true),
            ("sip:alice@127.0.0.1", true),
            ("sip:alice@127.0.0.1:5060", true),
            ("sip:sipp@127.0.0.1:5170", false),
            ("sip:bob@other.example", false),
            ("tel:+123", false),
        ] {
            assert_eq!(ours.has(&uri.parse().unwrap()), is, "{uri}");
        }
    }
}
