//! The Reason header (RFC 3326): why a request was sent, such as a BYE; and the Warning (RFC 3261 §20.43): why one was refused.

use std::{fmt, str::FromStr};

use crate::sip::message::{Headers, scan};

/// One Reason value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// `SIP`, `Q.850`, or another protocol's token.
    pub protocol: String,
    /// A status of that protocol.
    pub cause: Option<u16>,
    /// Text for people.
    pub text: Option<String>,
}

/// A Reason value that is malformed: the peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Reason is malformed")]
pub struct ReasonError;

impl Reason {
    /// A reason of protocol SIP: a status and a text.
    pub fn sip(cause: u16, text: &str) -> Self {
        Self { protocol: "SIP".to_owned(), cause: Some(cause), text: Some(text.to_owned()) }
    }

    /// Whether a server ends the call because it stops: what it did may be gone on with when it is there again.
    pub fn is_of_stopping(&self) -> bool {
        self.protocol.eq_ignore_ascii_case("SIP") && self.cause == Some(503)
    }

    /// The first well-formed Reason of a message.
    pub fn of(headers: &Headers) -> Option<Self> {
        headers.all("Reason").flat_map(|line| scan::split_outside_quotes(line, b',')).find_map(|value| value.parse().ok())
    }
}

impl FromStr for Reason {
    type Err = ReasonError;

    fn from_str(text: &str) -> Result<Self, ReasonError> {
        let (protocol, params) = text.split_at(text.find(';').unwrap_or(text.len()));
        let protocol = protocol.trim();
        if !scan::is_token(protocol) {
            return Err(ReasonError);
        }
        let params = if params.is_empty() { Vec::new() } else { scan::params(params).ok_or(ReasonError)? };
        let param = |name: &str| params.iter().find(|(n, _)| n == name).and_then(|(_, v)| v.clone());
        Ok(Self {
            protocol: protocol.to_owned(),
            cause: param("cause").map(|c| c.parse().map_err(|_| ReasonError)).transpose()?,
            text: param("text"),
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protocol)?;
        if let Some(cause) = self.cause {
            write!(f, ";cause={cause}")?;
        }
        if let Some(text) = &self.text {
            write!(f, ";text={}", scan::quote(text))?;
        }
        Ok(())
    }
}

/// A Warning of no particular kind, for whoever reads the refusal or the trace.
pub fn warning(text: &str) -> (String, String) {
    ("Warning".to_owned(), format!("399 confkit {}", scan::quote(text)))
}

/// The text of the first Warning of a message.
pub fn warned(headers: &Headers) -> Option<String> {
    let warning = headers.get("Warning")?;
    scan::unquote(warning.get(warning.find('"')?..)?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_print_as_they_were_read() {
        for text in ["SIP;cause=200;text=\"Call completed elsewhere\"", "Q.850;cause=16;text=\"Terminated\"", "preemption"] {
            assert_eq!(text.parse::<Reason>().expect(text).to_string(), text);
        }
        assert!("SIP;cause=many".parse::<Reason>().is_err());
        assert!("no token;cause=1".parse::<Reason>().is_err());
    }

    #[test]
    fn a_warning_is_read_as_it_was_written() {
        let mut headers = Headers::new();
        assert_eq!(warned(&headers), None);
        headers.push("Warning", warning("the \"XML\" is\nnone").1);
        assert_eq!(warned(&headers).as_deref(), Some("the \"XML\" is none"));
    }

    #[test]
    fn the_first_good_one_of_several_counts() {
        let mut headers = Headers::new();
        headers.push("Reason", "a b;cause=1, Q.850;cause=16;text=\"one, two\"");
        assert_eq!(Reason::of(&headers).and_then(|r| r.text).as_deref(), Some("one, two"));
    }
}
