//! What a transport is given, and what may go wrong at the start.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use super::{LocalHub, TlsStore, Trace};
use crate::sip::{Transport, framing::MESSAGE_TIME};

/// What to listen on. Lists may be empty: a client without TCP listener still opens TCP connections.
#[derive(Debug, Clone, Default)]
pub struct TransportConfig {
    /// UDP addresses. Sending by UDP needs one of the peer's address family. Port 0 lets the system choose; when `tcp` holds
    /// the same address with port 0, both get the same port (RFC 3261 §18.2.1).
    pub udp: Vec<SocketAddr>,
    /// TCP addresses.
    pub tcp: Vec<SocketAddr>,
    /// TLS addresses; need `tls_store` with a certificate.
    pub tls: Vec<SocketAddr>,
    /// Certificates and roots; without it there is no TLS, in or out.
    pub tls_store: Option<Arc<TlsStore>>,
    /// The in-process transport and our role in it (`as`, `ms`, …).
    pub local: Option<(LocalHub, String)>,
    /// Where messages are written down.
    pub trace: Option<Trace>,
    /// What this end is called in the trace, instead of its addresses: `as`, `alice`.
    pub label: Option<String>,
    /// Bounds.
    pub limits: TransportLimits,
}

/// Bounds of a transport. What happens at each is said beside it.
#[derive(Debug, Clone)]
pub struct TransportLimits {
    /// Connections in all, in and out. One more from outside is closed at once; one more of ours fails as
    /// [`SendFault::Crowded`](crate::sip::node::SendFault::Crowded).
    pub connections: usize,
    /// Connections accepted from one address (IPv4 address, or IPv6 /64). One more is closed at once.
    pub connections_per_address: usize,
    /// Arrivals waiting for the node. Then streams stop being read and datagrams wait, and are lost, in the kernel.
    pub arrivals: usize,
    /// Datagrams waiting for a full socket buffer. One more is dropped and counted.
    pub datagrams: usize,
    /// Messages waiting on one connection. One more fails as `Full`.
    pub flow_messages: usize,
    /// Bytes waiting on one connection. What would exceed it fails as `Full`.
    pub flow_bytes: usize,
    /// Messages waiting on one connection between roles of this process: one message for each participant of a large
    /// conference. One more fails as `Full`.
    pub local_messages: usize,
    /// Bytes waiting on such a connection. What would exceed it fails as `Full`.
    pub local_bytes: usize,
    /// Name look-ups at once; others wait their turn.
    pub lookups: usize,
    /// Messages that wait for look-ups. One more fails as `Full`.
    pub waiting_for_names: usize,
    /// Time for one look-up.
    pub lookup: Duration,
    /// Time to connect, to each address of a name.
    pub connect: Duration,
    /// Time for a TLS handshake, and for the first byte on an accepted connection; then it is closed.
    pub first_byte: Duration,
    /// Time for a message on a connection, from its first byte to its last; then the connection is closed.
    pub message: Duration,
    /// Time without a byte in either direction; then the connection is closed. Longer than a session interval of 1,800 s,
    /// so that session refreshes keep a call's connection.
    pub idle: Duration,
    /// Time for the peer to take any byte of what we write; then the connection is closed.
    pub write: Duration,
    /// How long a connection whose other end has stopped sending is kept for the answers that we still owe (64·T1).
    pub linger: Duration,
    /// How long a shutdown waits for queued messages to leave.
    pub flush: Duration,
}

impl Default for TransportLimits {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_address: 1024,
            arrivals: 1024,
            datagrams: 1024,
            flow_messages: 2048,
            flow_bytes: 2 * 1024 * 1024,
            local_messages: 16_384,
            local_bytes: 16 * 1024 * 1024,
            lookups: 16,
            waiting_for_names: 256,
            lookup: Duration::from_secs(5),
            connect: Duration::from_secs(8),
            first_byte: Duration::from_secs(15),
            message: MESSAGE_TIME,
            idle: Duration::from_secs(2000),
            write: Duration::from_secs(20),
            linger: Duration::from_secs(32),
            flush: Duration::from_secs(2),
        }
    }
}

/// Why a transport could not be set up. The caller's fault, mostly: each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else has the port.
    #[error("port {} ({} at {}) is in use by another program; choose another with --listen or stop it", .address.port(), word(*.transport), .address.ip())]
    InUse {
        /// Transport.
        transport: Transport,
        /// The address asked for.
        address: SocketAddr,
    },
    /// No interface of this machine has the address.
    #[error("no interface of this machine has the address {}; see `ip address` and choose one with --listen", .address.ip())]
    NotOurs {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Ports below 1024 need a right that this process has not.
    #[error("port {} ({}) may not be opened by this user; choose one above 1023, or grant CAP_NET_BIND_SERVICE", .address.port(), word(*.transport))]
    Forbidden {
        /// Transport.
        transport: Transport,
        /// The address asked for.
        address: SocketAddr,
    },
    /// A TLS address without certificate.
    #[error("TLS at {address} needs a certificate and its key")]
    NoCertificate {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The role is registered in this process already.
    #[error("the role {role} runs in this process already")]
    RoleTaken {
        /// The role.
        role: String,
    },
    /// Another error of the operating system.
    #[error("{} at {address} cannot be opened: {source}", word(*.transport))]
    Io {
        /// Transport.
        transport: Transport,
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

impl BindError {
    pub(super) fn new(transport: Transport, address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { transport, address },
            io::ErrorKind::AddrNotAvailable => Self::NotOurs { address },
            io::ErrorKind::PermissionDenied => Self::Forbidden { transport, address },
            _ => Self::Io { transport, address, source },
        }
    }
}

fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
        Transport::Tls => "TLS",
        Transport::Local => "in-process",
    }
}
