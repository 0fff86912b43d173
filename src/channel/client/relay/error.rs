//! Why a relay is of no use.

use std::io;

use super::{SILENT, secure::Distrust};
use crate::channel::{
    client::proxy::ProxyError,
    wire::{FrameError, Message, RefusalCode, Refused},
};

/// Why the relay is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// Nobody listens, or nothing gets there.
    #[error("the relay {address} cannot be reached: {why}")]
    Unreachable {
        /// Where.
        address: String,
        /// Why.
        why: String,
    },
    /// Something is there that is no relay, or does not say that it is one.
    #[error("no relay answers at {address}: {what}")]
    NoRelay {
        /// Where.
        address: String,
        /// What does.
        what: String,
    },
    /// It speaks no TLS where it was to be spoken to by TLS.
    #[error("the relay {address} speaks no TLS there")]
    NoTls {
        /// Where.
        address: String,
    },
    /// It may be somebody else.
    #[error("the certificate of the relay {address} is not trusted: {why}")]
    Untrusted {
        /// Where.
        address: String,
        /// What is wrong with its certificate.
        why: Distrust,
    },
    /// No TLS came about for another reason.
    #[error("there is no TLS connection to the relay {address}: {why}")]
    Handshake {
        /// Where.
        address: String,
        /// Why.
        why: String,
    },
    /// The proxy before it is of no use.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// None of several does.
    #[error("none of the relays can be reached: {0}")]
    NoneReachable(String),
    /// The connection broke.
    #[error("the connection to the relay broke: {0}")]
    Broken(io::Error),
    /// It was closed without a word.
    #[error("the relay closed the connection")]
    Closed,
    /// It gave no sign of life.
    #[error("the relay has not answered for {} s", SILENT.as_secs())]
    Silent,
    /// It said no.
    #[error("the relay refuses: {}", .0.text)]
    Refused(Refused),
    /// What it says is none of its protocol. Its fault.
    #[error("the relay broke the protocol: {0}")]
    Protocol(#[from] FrameError),
}

impl RelayError {
    /// Another relay may do what this one does not, or cannot.
    pub(in crate::channel::client) fn leads_elsewhere(&self) -> bool {
        matches!(self, Self::Refused(Refused { code: RefusalCode::Draining | RefusalCode::NoCapacity, .. }))
    }

    /// It knows no such place.
    pub(in crate::channel::client) fn is_no_such_place(&self) -> bool {
        matches!(self, Self::Refused(Refused { code: RefusalCode::NoSuchPlace, .. }))
    }

    /// What it says has its turn at another time, or at the other side.
    pub(in crate::channel::client) fn unexpected(message: &Message) -> Self {
        Self::Protocol(FrameError::Unexpected(message.kind().name()))
    }
}

/// Why nobody has greeted us as a relay does.
pub(super) enum Ungreeted {
    /// It speaks as this does.
    Stranger(&'static str),
    Relay(RelayError),
}

impl From<RelayError> for Ungreeted {
    fn from(error: RelayError) -> Self {
        Self::Relay(error)
    }
}

/// Somebody is there who does not want us.
pub(super) const WORDLESS: &str = "what is there closes the connection without a word";

/// Who begins like this.
pub(super) fn stranger(said: &[u8]) -> &'static str {
    let begins: [(&[u8], &str); 6] = [
        (b"HTTP/", "a web server"),
        (b"SIP/", "a SIP server"),
        (b"SSH-", "an SSH server"),
        (b"220", "a mail or FTP server"),
        (b"\x15\x03", "something that wants TLS"),
        (b"<", "something that speaks XML or HTML"),
    ];
    begins.iter().find(|(begin, _)| said.starts_with(begin)).map_or("something else", |(_, who)| who)
}

/// Why none of several relays is of use: what one of them said goes before what nobody said. Where one may be back in a moment, another that
/// cannot be trusted ends nothing.
pub(super) fn none_of(mut failed: Vec<(String, RelayError)>) -> RelayError {
    let absent = |error: &RelayError| matches!(error, RelayError::Unreachable { .. } | RelayError::NoRelay { .. });
    let waits = failed.iter().any(|(_, error)| absent(error));
    let untrusted =
        |error: &RelayError| matches!(error, RelayError::NoTls { .. } | RelayError::Untrusted { .. } | RelayError::Handshake { .. });
    let nobody = |error: &RelayError| absent(error) || (waits && untrusted(error));
    if let Some(at) = failed.iter().position(|(_, error)| !nobody(error)) {
        return failed.swap_remove(at).1;
    }
    if failed.len() < 2 {
        return failed.pop().map_or(RelayError::Closed, |(_, error)| error);
    }
    let each = failed.iter().map(|(relay, error)| match error {
        RelayError::Unreachable { why, .. } | RelayError::NoRelay { what: why, .. } => format!("{relay} ({why})"),
        other => format!("{relay} ({other})"),
    });
    RelayError::NoneReachable(each.collect::<Vec<_>>().join(", "))
}
