//! Domains, realms, networks.

use std::{fmt, net::SocketAddr, str::FromStr};

use super::{ValueError, wrong};
use crate::{
    channel::wire::address::{TLS, split},
    sip::message::{Host, host_port},
};

/// A domain of addresses of record, or an address, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain(pub Host);

impl FromStr for Domain {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.to_ascii_lowercase().parse().map(Self).or_else(|why| wrong(format!("{why}")))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A realm of digest authentication: it stands in quotes in a header, and in every stored H(A1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realm(String);

impl Realm {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Realm {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let sound = text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') && !text.contains(['"', '\\', ':']);
        if text.is_empty() || text.len() > 128 || !sound {
            return wrong("it has 1 to 128 printable ASCII characters without \" \\ and :");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What peers are told to reach us by, instead of the address listened on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertised {
    /// Host.
    pub host: Host,
    /// Port; that of the listener if there is none.
    pub port: Option<u16>,
}

impl FromStr for Advertised {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if let Some((scheme, rest)) = text.split_once("://") {
            let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
            return wrong(format!("it is a URL, and a host is wanted here, or a host and a port: leave out {scheme}://, as in {place}"));
        }
        host_port(text).map(|(host, port)| Self { host, port }).or_else(|why| wrong(format!("{why}: a host, or HOST:PORT")))
    }
}

impl fmt::Display for Advertised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

/// Where a relay is: a host, or a host and a port, behind `tls://` where requests to it go by TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayAddress {
    /// Requests go by TLS.
    pub tls: bool,
    /// Where.
    pub place: Advertised,
}

impl RelayAddress {
    /// As terminals are told it, with a port where it has none.
    pub fn with_port(&self, port: u16) -> String {
        let Advertised { host, port: own } = &self.place;
        format!("{}{host}:{}", if self.tls { TLS } else { "" }, own.unwrap_or(port))
    }
}

impl FromStr for RelayAddress {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (tls, place) = split(text);
        place.parse().map(|place| Self { tls, place })
    }
}

impl fmt::Display for RelayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.tls { TLS } else { "" }, self.place)
    }
}

/// Who may control a media server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Controller {
    /// Whoever calls from here; on loopback only, port 0 for any port.
    Address(SocketAddr),
    /// Whoever shows a certificate of this name.
    Certificate(String),
}

impl FromStr for Controller {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let address = text.parse::<SocketAddr>().ok().or_else(|| text.parse().ok().map(|ip| SocketAddr::new(ip, 0)));
        match (address, text.to_ascii_lowercase().parse()) {
            (Some(address), _) if address.ip().to_canonical().is_loopback() => Ok(Self::Address(address)),
            (Some(_), _) => wrong("it is not on this machine; name its certificate instead"),
            (None, Ok(Host::Name(name))) => Ok(Self::Certificate(name)),
            (None, Ok(Host::Ip(_)) | Err(_)) => wrong("it is neither an address nor a name"),
        }
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) if address.port() == 0 => address.ip().fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Certificate(name) => f.pad(name),
        }
    }
}
