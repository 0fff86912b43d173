//! SIP messages (RFC 3261 §7): values, typed readers, printing, and the front-end that makes them from bytes.
//!
//! rsip is the model underneath: its header list, its status phrases and its printing. What its types cannot hold —
//! Request-URIs and hosts with IPv6, unknown methods, Contact — is read by the files beside this one.

mod headers;
mod method;
mod name_addr;
pub mod parse;
pub(crate) mod scan;
mod uri;
mod via;

pub use headers::Headers;
pub use method::Method;
pub use name_addr::{NameAddr, NameAddrError};
pub use parse::{Fault, Framing, MAX_MESSAGE, Malformed, parse};
pub use uri::{Host, MAX_URI, SipUri, Uri, UriError, host_port};
pub use via::{MAGIC_COOKIE, Via, ViaError};

use bytes::Bytes;

/// A request or a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Request-URI.
    pub uri: Uri,
    /// Header fields.
    pub headers: Headers,
    /// Body; Content-Length is made from it when printing.
    pub body: Bytes,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code, 100 to 699.
    pub status: u16,
    /// Reason phrase.
    pub reason: String,
    /// Header fields.
    pub headers: Headers,
    /// Body; Content-Length is made from it when printing.
    pub body: Bytes,
}

/// CSeq: sequence number and method.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// Sequence number, below 2³¹.
    pub seq: u32,
    /// Method.
    pub method: Method,
}

impl CSeq {
    /// Reads `4711 INVITE`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let (seq, method) = (words.next()?, words.next()?);
        let valid = words.next().is_none() && seq.bytes().all(|b| b.is_ascii_digit()) && scan::is_token(method);
        let seq = seq.parse::<u32>().ok().filter(|seq| valid && *seq < 1 << 31)?;
        Some(Self { seq, method: Method::from_token(method) })
    }
}

impl std::fmt::Display for CSeq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.seq, self.method)
    }
}

/// Readers that requests and responses share.
macro_rules! typed_readers {
    ($type:ty) => {
        impl $type {
            /// The topmost Via.
            pub fn via(&self) -> Option<Via> {
                self.headers.get("Via").and_then(|v| v.parse().ok())
            }

            /// From.
            pub fn from(&self) -> Option<NameAddr> {
                self.headers.get("From").and_then(|v| v.parse().ok())
            }

            /// To.
            pub fn to(&self) -> Option<NameAddr> {
                self.headers.get("To").and_then(|v| v.parse().ok())
            }

            /// CSeq.
            pub fn cseq(&self) -> Option<CSeq> {
                self.headers.get("CSeq").and_then(CSeq::parse)
            }

            /// Call-ID.
            pub fn call_id(&self) -> Option<&str> {
                self.headers.get("Call-ID")
            }

            /// The Contacts that are well formed, in order; `*` is not one.
            pub fn contacts(&self) -> impl Iterator<Item = NameAddr> {
                self.headers.all("Contact").filter_map(|v| v.parse().ok())
            }

            /// Content-Type without its parameters, in lower case.
            pub fn content_type(&self) -> Option<String> {
                self.headers.get("Content-Type").map(|v| v.split(';').next().unwrap_or("").trim().to_ascii_lowercase())
            }

            /// Sets body and Content-Type.
            #[must_use]
            pub fn with_body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
                self.headers.set("Content-Type", content_type);
                self.body = body.into();
                self
            }

            /// Adds a header field.
            #[must_use]
            pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
                self.headers.push(name, value);
                self
            }
        }
    };
}

typed_readers!(Request);
typed_readers!(Response);

impl Request {
    /// The response to this request: Via, From, To, Call-ID, CSeq and Timestamp copied (RFC 3261 §8.2.6.2). `to_tag`
    /// is added to a To without one, except in a 100.
    pub fn response(&self, status: u16, to_tag: &str) -> Response {
        let mut headers = Headers::new();
        for (name, value) in self.headers.iter() {
            match name {
                "To" if status > 100 && !to_tag.is_empty() && self.to().is_some_and(|to| to.tag().is_none()) => {
                    headers.push(name, format!("{value};tag={to_tag}"));
                }
                "Via" | "From" | "To" | "Call-ID" | "CSeq" => headers.push(name, value),
                "Timestamp" if status == 100 => headers.push(name, value),
                _ => {}
            }
        }
        Response { status, reason: reason_phrase(status), headers, body: Bytes::new() }
    }

    /// The bytes of the request, with Content-Length made from the body.
    pub fn to_bytes(&self) -> Bytes {
        print(format_args!("{} {} SIP/2.0", self.method, self.uri), &self.headers, &self.body)
    }
}

impl Response {
    /// The bytes of the response, with Content-Length made from the body.
    pub fn to_bytes(&self) -> Bytes {
        print(format_args!("SIP/2.0 {} {}", self.status, self.reason), &self.headers, &self.body)
    }
}

impl Message {
    /// The bytes of the message.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(r) => r.to_bytes(),
            Self::Response(r) => r.to_bytes(),
        }
    }

    /// The header fields.
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(r) => &r.headers,
            Self::Response(r) => &r.headers,
        }
    }
}

/// The reason phrase that goes with a status.
pub fn reason_phrase(status: u16) -> String {
    match status {
        422 => "Session Interval Too Small".into(),
        469 => "Bad Info Package".into(),
        489 => "Bad Event".into(),
        other => match rsip::StatusCode::from(other) {
            rsip::StatusCode::Other(..) => "Unspecified".into(),
            known => known.to_string().split_once(' ').map_or_else(String::new, |(_, phrase)| phrase.to_owned()),
        },
    }
}

fn print(start: std::fmt::Arguments<'_>, headers: &Headers, body: &Bytes) -> Bytes {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(512 + body.len());
    let _ = write!(text, "{start}\r\n");
    for (name, value) in headers.iter().filter(|(n, _)| *n != "Content-Length") {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    let _ = write!(text, "Content-Length: {}\r\n\r\n", body.len());
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes.into()
}
