//! Where a message came from, and where one goes.

use std::{fmt, net::SocketAddr};

use bytes::Bytes;

/// A transport (RFC 3261 §18), and the in-process one that carries the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// UDP: one message a datagram, retransmitted by transactions.
    Udp,
    /// TCP: framed by Content-Length.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// A byte stream inside this process, framed like TCP; its Via says `SIP/2.0/TCP <role>.invalid`.
    Local,
}

impl Transport {
    /// True where the transport itself retransmits, so that transactions do not.
    pub fn reliable(self) -> bool {
        self != Self::Udp
    }

    /// The word that stands in a Via.
    pub fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp | Self::Local => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// The `transport` parameter of a URI.
    pub fn uri_param(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp | Self::Local => "tcp",
            Self::Tls => "tls",
        }
    }

    /// Default port: 5061 for TLS, else 5060.
    pub fn default_port(self) -> u16 {
        if self == Self::Tls { 5061 } else { 5060 }
    }
}

/// One connection of a stream transport, numbered by the transport shell; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub u64);

/// An address that a transport can reach.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// A socket address.
    Socket(SocketAddr),
    /// A name: looked up by the transport shell, or `<role>.invalid` of the in-process transport.
    Name {
        /// Host name in lower case.
        host: String,
        /// Port.
        port: u16,
    },
}

/// A peer one hop away.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hop {
    /// Transport.
    pub transport: Transport,
    /// Address.
    pub address: Address,
    /// The connection that the message came by, or must leave by while it lives; `None` picks or opens one.
    pub flow: Option<FlowId>,
}

impl Hop {
    /// A socket address by a transport.
    pub fn new(transport: Transport, address: SocketAddr) -> Self {
        Self { transport, address: Address::Socket(address), flow: None }
    }

    /// A role in this process.
    pub fn local(role: &str) -> Self {
        Self { transport: Transport::Local, address: Address::Name { host: format!("{role}.invalid"), port: 5060 }, flow: None }
    }

    /// The socket address, where it is one.
    pub fn socket(&self) -> Option<SocketAddr> {
        match &self.address {
            Address::Socket(addr) => Some(*addr),
            Address::Name { .. } => None,
        }
    }
}

/// A message ready to leave: what every machine's `poll_transmit` yields and a transport takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// The whole message.
    pub bytes: Bytes,
    /// Where to.
    pub hop: Hop,
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = if self.transport == Transport::Local { "local" } else { self.transport.uri_param() };
        match &self.address {
            Address::Socket(addr) => write!(f, "{transport}:{addr}"),
            Address::Name { host, port } => write!(f, "{transport}:{host}:{port}"),
        }
    }
}
