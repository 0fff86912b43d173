//! Why nothing came back: what the transport says of a message, and what a transaction says of a request.

use std::fmt;

/// Why a message did not leave, or left in vain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendFault {
    /// The peer's host says that nobody listens there (TCP reset, ICMP port unreachable).
    #[error("nobody listens there")]
    Refused,
    /// No way to the peer.
    #[error("the host cannot be reached")]
    Unreachable,
    /// Connecting, the handshake or a write took too long.
    #[error("the peer did not take it in time")]
    TimedOut,
    /// The name is unknown, or the look-up failed or took too long.
    #[error("the name cannot be resolved")]
    NoSuchHost,
    /// No role of that name in this process.
    #[error("no such role runs in this process")]
    NoSuchRole,
    /// The peer's certificate is not one we trust. `presented` are the SHA-256 fingerprints of what it showed, its own first.
    #[error("the peer's certificate is not trusted: {why}")]
    Untrusted {
        /// What was wrong with it.
        why: String,
        /// Fingerprints of the certificates shown, the peer's own first; a client may pin one.
        presented: Vec<[u8; 32]>,
    },
    /// The TLS handshake failed for another reason.
    #[error("the TLS handshake failed: {0}")]
    Handshake(String),
    /// The connection was closed before the message, or before the answer to it.
    #[error("the connection was closed")]
    Closed,
    /// We hold as many look-ups or queued messages as we may: there may be room in a moment.
    #[error("too much is under way already")]
    Full,
    /// We hold as many connections as we may.
    #[error("too many connections are open already")]
    Crowded,
    /// Larger than this transport carries.
    #[error("the message is too large for the transport")]
    TooLarge,
    /// We have no socket of that transport or address family, or no certificates for TLS.
    #[error("this transport is not set up here")]
    NoTransport,
    /// Another error of the operating system.
    #[error("{0}")]
    Io(String),
}

impl From<&std::io::Error> for SendFault {
    fn from(error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        match error.kind() {
            Kind::ConnectionRefused => Self::Refused,
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => Self::Unreachable,
            Kind::TimedOut => Self::TimedOut,
            Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe | Kind::UnexpectedEof | Kind::NotConnected => Self::Closed,
            _ => Self::Io(error.to_string()),
        }
    }
}

/// Why a final response was made here: none came from the peer (RFC 3261 §8.1.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unheard {
    /// Nothing came in time (timers B and F): a 408.
    TimedOut,
    /// The request did not get there: a 503.
    Failed(SendFault),
}

impl fmt::Display for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no answer"),
            Self::Failed(fault) => fault.fmt(f),
        }
    }
}
