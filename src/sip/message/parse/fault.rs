//! What the front-end says of bytes that are no message.

use aws_lc_rs::digest;
use bytes::Bytes;

use super::super::{Headers, Method, NameAddr, Response, UriError, reason_phrase, scan};

/// The verdict on bytes that are no acceptable message. The peer's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Say nothing: a response, an ACK, or bytes without even a Via to answer to.
    #[error("message dropped: {0}")]
    Drop(Malformed),
    /// Send this response, statelessly, to where the bytes came from (RFC 4475 §3.2.1). It holds what could be read of Via,
    /// From, To, Call-ID and CSeq; `received` and `rport` are the sender's to add ([`super::super::Via::note_source`]).
    #[error("message answered {}: {why}", response.status)]
    Answer {
        /// The response: 400, 414, 505 or 513.
        response: Box<Response>,
        /// What was wrong.
        why: Malformed,
    },
}

impl Fault {
    /// What was wrong.
    pub fn why(&self) -> Malformed {
        match self {
            Self::Drop(why) | Self::Answer { why, .. } => *why,
        }
    }
}

/// What is wrong with a message. The text is fit for a Warning or a log: it holds nothing of the message but field names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Longer than [`super::MAX_MESSAGE`].
    #[error("the message is longer than {} bytes", super::MAX_MESSAGE)]
    TooLarge,
    /// Nothing but line ends.
    #[error("there is nothing but line ends")]
    Empty,
    /// The first line is neither a request's nor a response's, or has white space where none may be.
    #[error("the start line is malformed")]
    StartLine,
    /// A SIP version that is not 2.0.
    #[error("the SIP version is not 2.0")]
    Version,
    /// The Request-URI.
    #[error("the Request-URI is malformed: {0}")]
    RequestUri(UriError),
    /// A Request-URI may hold no headers (RFC 3261 §19.1.1, table 1).
    #[error("the Request-URI holds headers")]
    UriHeaders,
    /// A status code outside 100 to 699.
    #[error("the status code is not between 100 and 699")]
    Status,
    /// No empty line behind the header.
    #[error("the header does not end in an empty line")]
    NoEmptyLine,
    /// A CR or LF that is no line end.
    #[error("a line holds a CR or LF that does not end it")]
    LineEnd,
    /// A line that is no `name: value`, or a continuation of nothing.
    #[error("a header line has no name and colon")]
    HeaderLine,
    /// More header fields than [`super::MAX_FIELDS`].
    #[error("there are more than {} header fields", super::MAX_FIELDS)]
    TooManyFields,
    /// A required field is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field that stands once stands more often.
    #[error("{0} stands more than once")]
    Repeated(&'static str),
    /// A field is malformed.
    #[error("{0} is malformed")]
    Field(&'static str),
    /// A field holds a control character, or text that is not UTF-8 where it matters.
    #[error("a header field holds a character that may not stand there")]
    Character,
    /// The method in CSeq is another than the request's.
    #[error("the method in CSeq is not that of the request")]
    CSeqMethod,
    /// The branch is the magic cookie and nothing more (RFC 4475 §3.2.1).
    #[error("the branch of the topmost Via is empty")]
    Branch,
    /// Content-Length is no number, or stands twice.
    #[error("Content-Length is not one number")]
    ContentLength,
    /// Content-Length is missing on a stream.
    #[error("Content-Length is missing, and the transport is a stream")]
    NoContentLength,
    /// Content-Length promises more than there is, or on a stream other than there is.
    #[error("the body is not as long as Content-Length says")]
    BodyLength,
}

impl Malformed {
    /// The status that a request with this fault is answered with.
    pub fn status(self) -> u16 {
        match self {
            Self::Version => 505,
            Self::TooLarge => 513,
            Self::RequestUri(UriError::TooLong) => 414,
            _ => 400,
        }
    }
}

/// The verdict on a message with this fault: an answer where its first line was a request's and it has a Via to answer to.
/// `method` is the first word of the start line, `None` in a response or in noise.
pub(super) fn verdict(why: Malformed, method: Option<&Method>, fields: &Headers) -> Fault {
    let answer = method.filter(|m| **m != Method::Ack).and_then(|_| answer(why, fields));
    match answer {
        Some(response) => Fault::Answer { response: Box::new(response), why },
        None => Fault::Drop(why),
    }
}

fn answer(why: Malformed, fields: &Headers) -> Option<Response> {
    let mut headers = Headers::new();
    for via in fields.all("Via").filter_map(salvage) {
        headers.push("Via", via);
    }
    if headers.is_empty() {
        return None;
    }
    for name in ["From", "To", "Call-ID", "CSeq"] {
        let Some(value) = fields.get(name) else { continue };
        match value.parse::<NameAddr>() {
            Ok(to) if name == "To" && to.tag().is_none() => headers.push(name, format!("{value};tag={}", tag(fields))),
            _ => headers.push(name, value),
        }
    }
    headers.push("Warning", format!("399 confkit {}", scan::quote(&why.to_string())));
    Some(Response { status: why.status(), reason: reason_phrase(why.status()).to_owned(), headers, body: Bytes::new(), unheard: None })
}

/// What can be sent back of a Via, which may be malformed or of another version: stray separators at its end are left out,
/// and what is no Via at all is left out whole.
fn salvage(via: &str) -> Option<&str> {
    let via = via.trim_end_matches([';', ',', ' ', '\t']);
    let sip = via.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("SIP"));
    (sip && via.contains('/')).then_some(via)
}

/// A To tag that a retransmission of the same request gets as well (RFC 3261 §8.2.7).
fn tag(fields: &Headers) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    for name in ["Via", "From", "Call-ID", "CSeq"] {
        hash.update(fields.get(name).unwrap_or("").as_bytes());
        hash.update(b"\n");
    }
    hash.finish().as_ref().iter().take(8).fold(String::new(), |mut tag, byte| {
        use std::fmt::Write as _;
        let _ = write!(tag, "{byte:02x}");
        tag
    })
}
