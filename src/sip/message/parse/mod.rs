//! The front-end: bytes off the wire to a [`Message`], or the verdict that RFC 3261 and RFC 4475 have for them.
//!
//! 1. the size; line ends in front of the start line are passed over (RFC 3261 §7.5)
//! 2. `lines`: the header is cut into fields: unfolded, long names, no space before the colon, one entry per member of
//!    Via, Route, Record-Route, Contact and Path
//! 3. `start`: the start line, exact
//! 4. `rules`: required fields, fields that stand once, the values that routing and dialogs rest on
//! 5. the body: Content-Length, which then leaves the fields, because [`Message::to_bytes`] makes it anew
//!
//! The first fault found decides the verdict; reading goes on behind it, so that the answer holds what can be read.
//! Everything is one pass over at most 64 KiB; no byte sequence panics (`fuzz/`).
//!
//! What is wrong on a higher floor is no fault here: an unknown method (even if CSeq names another, RFC 4475 §3.1.2.18),
//! an unknown scheme, Require, Max-Forwards 0, an unknown body type. Dates and expiry times that make no sense are as if
//! missing.

mod fault;
mod lines;
mod rules;
mod start;
#[cfg(test)]
mod tests;

pub use fault::{Fault, Malformed};
pub(crate) use lines::content_length;

use bytes::Bytes;

use super::{Message, Method, Request, Response};

/// Longest message accepted, in bytes; a longer one is answered 513.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// Most header fields in a message, counted after lists are split; with more it is answered 400.
pub const MAX_FIELDS: usize = 256;

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
/// [`Fault`] says whether to answer and what, or to drop the bytes silently.
pub fn parse(bytes: &Bytes, framing: Framing) -> Result<Message, Fault> {
    let too_large = (bytes.len() > MAX_MESSAGE).then_some(Malformed::TooLarge);
    let bytes = bytes.slice(..bytes.len().min(MAX_MESSAGE));
    let bytes = bytes.slice(leading_line_ends(&bytes)..);
    if bytes.is_empty() {
        return Err(Fault::Drop(Malformed::Empty));
    }
    let (head, body) = split(&bytes);
    let lines = lines::read(head);
    let start = start::read(lines.start);
    let fault = too_large
        .or(start.fault())
        .or(lines.fault)
        .or_else(|| body.is_none().then_some(Malformed::NoEmptyLine))
        .or_else(|| rules::check(&start, &lines.fields));
    let body = body.unwrap_or_default();
    let (fault, body) = match (fault, lines::body_length(&lines.fields, &body, framing)) {
        (None, Ok(length)) => (None, body.slice(..length)),
        (fault, Err(length)) => (fault.or(Some(length)), body),
        (fault, Ok(_)) => (fault, body),
    };
    let mut headers = lines.fields;
    match (fault, start) {
        (None, start::Start::Request { method, uri: Ok(uri), .. }) => {
            headers.remove("Content-Length");
            Ok(Message::Request(Request { method, uri, headers, body }))
        }
        (None, start::Start::Response(Ok((status, reason)))) => {
            headers.remove("Content-Length");
            Ok(Message::Response(Response { status, reason, headers, body, unheard: None }))
        }
        (fault, start) => Err(fault::verdict(fault.unwrap_or(Malformed::StartLine), start.method(), &headers)),
    }
}

/// The answer to a request of which only the head came, for whoever cannot read on: a stream that lost its framing.
pub(crate) fn refuse(head: &Bytes, why: Malformed) -> Option<Box<Response>> {
    let (head, _) = split(head);
    let lines = lines::read(head);
    match fault::verdict(why, start::read(lines.start).method(), &lines.fields) {
        Fault::Answer { response, .. } => Some(response),
        Fault::Drop(_) => None,
    }
}

/// How many bytes of line ends stand in front.
pub(crate) fn leading_line_ends(bytes: &[u8]) -> usize {
    bytes.chunks_exact(2).take_while(|pair| *pair == b"\r\n").count() * 2
}

/// The position behind the empty line that ends a header, searched from `from` on.
pub(crate) fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    bytes.get(from..)?.windows(4).position(|w| w == b"\r\n\r\n").map(|at| from + at + 4)
}

/// Header without its last line end and empty line, and body; no body when the empty line is missing.
fn split(bytes: &Bytes) -> (&[u8], Option<Bytes>) {
    match end_of_head(bytes, 0) {
        Some(end) => (bytes.get(..end - 4).unwrap_or_default(), Some(bytes.slice(end..))),
        None => (bytes.strip_suffix(b"\r\n").unwrap_or(bytes), None),
    }
}

impl start::Start {
    /// The method of what is meant as a request.
    fn method(&self) -> Option<&Method> {
        match self {
            Self::Request { method, .. } => Some(method),
            Self::Response(_) | Self::Noise => None,
        }
    }
}
