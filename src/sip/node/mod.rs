//! A node: one role's signalling (an application server, a media server, a terminal) as a machine, and the one loop that
//! joins it to the network.
//!
//! Out of scope: what a node does. [`drive()`] runs it over real transports; a simulation hands the same [`Node`] the same
//! [`Arrival`]s on virtual time.

mod backlog;
mod drive;
#[cfg(test)]
mod tests;

use std::time::Instant;

use bytes::Bytes;

use super::hop::{Address, FlowId, Hop, Transmit};

pub use super::fault::SendFault;
pub use drive::{BATCH, drive};

/// One role's signalling as a machine. It names no socket, task or clock; what it wants to say to the rest of the process
/// goes by the ends of bounded queues that it was built with, or is polled from it by whoever wraps it.
pub trait Node {
    /// What the rest of the process asks of it.
    type Command;

    /// Something came from the network.
    fn handle_arrival(&mut self, now: Instant, arrival: Arrival);

    /// The rest of the process asks for something.
    fn handle_command(&mut self, now: Instant, command: Self::Command);

    /// The time of [`Self::next_timeout`] has come. Afterwards that must lie later, or be `None`.
    fn handle_timeout(&mut self, now: Instant);

    /// When [`Self::handle_timeout`] is wanted.
    fn next_timeout(&self) -> Option<Instant>;

    /// The next message to send. Asked until `None` after each `handle_*`.
    fn poll_transmit(&mut self) -> Option<Transmit>;

    /// True when the node has nothing more to do; the loop then ends. A server never has.
    fn finished(&self) -> bool {
        false
    }
}

/// What a transport hands up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// One message, whole as its transport framed it; [`super::message::parse()`] judges it.
    Message {
        /// The message.
        bytes: Bytes,
        /// Where it came from; on streams `flow` is set. An answer sent to this very hop takes the way back.
        from: Hop,
        /// Who sent it, as far as the transport knows.
        peer: PeerIdentity,
        /// Where it arrived: the local address, or the name of our role in this process.
        to: Address,
    },
    /// A message could not be sent, or a connection died with a request on it that can get no answer by it any more. `hop` is
    /// the one it was sent to, unchanged. Told once for each hop, not for each message.
    Failed {
        /// The hop as it was given to the transport.
        hop: Hop,
        /// Why.
        why: SendFault,
    },
    /// Nothing more will arrive by this connection.
    Closed {
        /// The connection.
        flow: FlowId,
        /// Its other end.
        peer: Address,
    },
}

/// Who sent a message, as far as the transport can vouch for it. Users are another matter: digest tells those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerIdentity {
    /// Nobody vouches.
    Anonymous,
    /// The other end of the TLS connection proved these names by a certificate that our roots verify.
    Certificate {
        /// DNS, URI and IP names of the certificate, in lower case, sorted.
        names: Vec<String>,
    },
    /// A role in this process.
    Local {
        /// `as`, `ms`, `fs`, …
        role: String,
    },
}

impl PeerIdentity {
    /// True when the transport vouches that the peer is the role `role` of this deployment: it is in this process, or its
    /// certificate holds the DNS name `<role>.invalid`, which no public authority issues.
    pub fn is_role(&self, role: &str) -> bool {
        match self {
            Self::Anonymous => false,
            Self::Certificate { names } => names.iter().any(|name| name.strip_suffix(".invalid") == Some(role)),
            Self::Local { role: local } => local == role,
        }
    }

    /// True when the transport vouches for this host name or address.
    pub fn is_host(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        match self {
            Self::Anonymous => false,
            Self::Certificate { names } => names.binary_search(&host).is_ok(),
            Self::Local { role } => host.strip_suffix(".invalid") == Some(role),
        }
    }
}
