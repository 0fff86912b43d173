//! SIP messages (RFC 3261 §7): values, typed readers, printing, and the front-end that makes them from bytes.
//!
//! rsip is the model underneath: its header list, its printing, its typed Via, From, To and CSeq. Input
//! never passes through its parsers, which refuse valid messages and accept broken ones.
//!
//! | file | what |
//! |---|---|
//! | `parse/` | the front-end: bytes to a message, or RFC 4475's verdict |
//! | `headers` | the ordered fields, on rsip's list |
//! | `method`, `uri`, `via`, `name_addr` | values and their readers |
//! | `status` | reason phrases, which rsip prints as the names of its variants |
//! | `typed` | the same values as rsip's typed headers, which print them |
//! | `scan` | tokens, quoted strings, parameters |

mod headers;
mod method;
mod name_addr;
pub mod parse;
pub(crate) mod scan;
mod status;
mod typed;
mod uri;
mod via;

pub use headers::Headers;
pub use method::Method;
pub use name_addr::{NameAddr, NameAddrError};
pub use parse::{Fault, Framing, MAX_MESSAGE, Malformed, parse};
pub use status::reason_phrase;
pub use uri::{Host, MAX_URI, SipUri, Uri, UriError, host_port};
pub use via::{MAGIC_COOKIE, Via, ViaError};

use bytes::Bytes;

use super::fault::Unheard;

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
    /// Set where no peer said this: the response was made here because none came.
    pub unheard: Option<Box<Unheard>>,
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
    /// Reads `4711 INVITE`; `None` beyond 2³¹ - 1 (RFC 3261 §8.1.1.5).
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split([' ', '\t']).filter(|w| !w.is_empty());
        let (seq, method) = (words.next()?, words.next()?);
        let valid = words.next().is_none() && seq.bytes().all(|b| b.is_ascii_digit()) && scan::is_token(method);
        let seq = seq.parse::<u32>().ok().filter(|seq| valid && *seq < 1 << 31)?;
        Some(Self { seq, method: Method::from_token(method) })
    }
}

impl std::fmt::Display for CSeq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.to_rsip() {
            Some(typed) => typed.fmt(f),
            None => write!(f, "{} {}", self.seq, self.method),
        }
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

            /// Seconds in Expires; `None` where it is missing or no number that means something, so that the default holds
            /// (RFC 4475 §3.1.2.4).
            pub fn expires(&self) -> Option<u32> {
                self.headers.get("Expires").and_then(scan::delta_seconds)
            }

            /// Content-Type without its parameters, in lower case.
            pub fn content_type(&self) -> Option<String> {
                self.headers.get("Content-Type").map(|v| v.split(';').next().map_or("", scan::trim).to_ascii_lowercase())
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
        Response { status, reason: reason_phrase(status).to_owned(), headers, body: Bytes::new(), unheard: None }
    }

    /// Max-Forwards; `None` where it is missing or beyond 255, which counts as missing (RFC 4475 §3.1.2.4).
    pub fn max_forwards(&self) -> Option<u8> {
        self.headers.get("Max-Forwards").and_then(|v| v.parse().ok())
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

fn print(start: std::fmt::Arguments<'_>, headers: &Headers, body: &Bytes) -> Bytes {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(1024 + body.len());
    // Writing to a String cannot fail.
    let _ = write!(text, "{start}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_prints_its_fields_in_order_and_the_length_of_its_body() {
        let uri: Uri = "sip:bob@[::1];transport=tcp".parse().expect("uri");
        let mut headers = Headers::new();
        headers.push("X-Odd", "a\r\nVia: forged");
        headers.push("Content-Length", "999");
        headers.push("call-id", "1@h");
        let request = Request { method: Method::Message, uri, headers, body: Bytes::new() }.with_body("text/plain", "hi");
        assert_eq!(
            request.to_bytes(),
            "MESSAGE sip:bob@[::1];transport=tcp SIP/2.0\r\nX-Odd: a  Via: forged\r\nCall-ID: 1@h\r\nContent-Type: text/plain\r\n\
             Content-Length: 2\r\n\r\nhi"
        );
    }

    #[test]
    fn sequence_numbers_end_below_2_to_the_31() {
        assert_eq!(CSeq::parse("0009   INVITE"), Some(CSeq { seq: 9, method: Method::Invite }));
        assert!(CSeq::parse("2147483647 OPTIONS").is_some());
        for text in ["2147483648 OPTIONS", "36893488147419103232 REGISTER", "-1 BYE", "+1 BYE", "1", "BYE", "1 BYE x", "1 B:E", ""] {
            assert_eq!(CSeq::parse(text), None, "{text}");
        }
    }
}
