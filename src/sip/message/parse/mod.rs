//! The front-end: bytes off the wire to a [`Message`], or the verdict that RFC 3261 and RFC 4475 have for them.

mod fault;

pub use fault::{Fault, Malformed};

use bytes::Bytes;

use super::Message;

/// Longest message accepted, in bytes; a longer one is answered 513.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// How the bytes were cut out of the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// One datagram: Content-Length may be missing, octets behind the body are ignored (RFC 3261 §18.3).
    Datagram,
    /// Cut from a stream by its Content-Length, which must be there.
    Stream,
}

/// Reads one message.
///
/// # Errors
/// [`Fault`] says whether to answer and what, or to drop the bytes silently. What is wrong on a higher floor (an unknown
/// method or scheme, a Require that nobody knows, Max-Forwards 0, …) is no fault: the message is handed up.
pub fn parse(bytes: &Bytes, framing: Framing) -> Result<Message, Fault> {
    let _ = (bytes, framing);
    unimplemented!()
}
