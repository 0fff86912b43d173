//! `name-addr` and `addr-spec` with header parameters (RFC 3261 §20.10, §25.1): From, To, Contact, Route, Record-Route, Refer-To.

use std::{fmt, str::FromStr};

use super::{Uri, UriError, scan};

/// Why a header value is no `name-addr`. The peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameAddrError {
    /// A quotation mark or an angle bracket is not closed, or something stands where nothing may.
    #[error("the address is not of the form \"name\" <uri>;params")]
    Form,
    /// The URI inside is malformed.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// A parameter's name is not a token, or its value is malformed.
    #[error("a parameter of the address is malformed")]
    Param,
}

/// An address in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// Display name with quotes and escapes resolved.
    pub display: Option<String>,
    /// The address.
    pub uri: Uri,
    /// Header parameters (behind the `>`), names in lower case.
    pub params: Vec<(String, Option<String>)>,
}

impl NameAddr {
    /// An address without a name or parameters.
    pub fn new(uri: impl Into<Uri>) -> Self {
        Self { display: None, uri: uri.into(), params: Vec::new() }
    }

    /// The same address with a display name.
    #[must_use]
    pub fn named(mut self, display: &str) -> Self {
        self.display = Some(display.to_owned());
        self
    }

    /// The same address with a header parameter set.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params.retain(|(n, _)| n != name);
        self.params.push((name.to_owned(), value.map(str::to_owned)));
        self
    }

    /// A header parameter's value: `Some("")` when it stands without one. `name` in lower case.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_deref().unwrap_or(""))
    }

    /// The `tag` parameter.
    pub fn tag(&self) -> Option<&str> {
        self.param("tag")
    }
}

impl FromStr for NameAddr {
    type Err = NameAddrError;

    fn from_str(text: &str) -> Result<Self, NameAddrError> {
        let text = scan::trim(text);
        let (display, rest) = if text.starts_with('"') {
            let end = closing_quote(text).ok_or(NameAddrError::Form)?;
            let (quoted, rest) = text.split_at(end + 1);
            (Some(scan::unquote(quoted).ok_or(NameAddrError::Form)?), scan::trim(rest))
        } else {
            // A colon or a quotation mark in front of the bracket cannot be part of a name: there, the bracket stands in a
            // parameter of an address without brackets.
            let Some(at) = text.find('<').filter(|at| !text[..*at].contains([':', '"'])) else {
                return addr_spec(text);
            };
            let (words, rest) = text.split_at(at);
            let words = scan::trim(words);
            if words.bytes().any(|b| b",;@>".contains(&b) || (b.is_ascii_control() && b != b'\t')) {
                return Err(NameAddrError::Form);
            }
            ((!words.is_empty()).then(|| words.to_owned()), rest)
        };
        let inner = rest.strip_prefix('<').ok_or(NameAddrError::Form)?;
        let (uri, params) = inner.split_once('>').ok_or(NameAddrError::Form)?;
        Ok(Self { display, uri: uri.parse()?, params: header_params(params)? })
    }
}

/// An address without brackets: what follows a semicolon belongs to the header, not to the URI (RFC 3261 §20.10). A
/// question mark or a comma would need the brackets.
fn addr_spec(text: &str) -> Result<NameAddr, NameAddrError> {
    let (uri, params) = text.split_at(text.find(';').unwrap_or(text.len()));
    let uri = scan::trim(uri);
    if uri.contains(['?', ',']) {
        return Err(NameAddrError::Form);
    }
    Ok(NameAddr { display: None, uri: uri.parse()?, params: header_params(params)? })
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(typed) = self.to_rsip() {
            return typed.fmt(f);
        }
        if let Some(display) = &self.display {
            write!(f, "{} ", scan::quote(display))?;
        }
        write!(f, "<{}>", self.uri)?;
        scan::write_params(f, &self.params)
    }
}

fn header_params(text: &str) -> Result<Vec<(String, Option<String>)>, NameAddrError> {
    let text = scan::trim(text);
    if text.is_empty() { Ok(Vec::new()) } else { scan::params(text).ok_or(NameAddrError::Param) }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().enumerate().skip(1).find_map(|(at, b)| match b {
        _ if escaped => {
            escaped = false;
            None
        }
        b'\\' => {
            escaped = true;
            None
        }
        b'"' => Some(at),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_quotes_and_parameters_are_told_apart() {
        let a: NameAddr = "\"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com> ; tag = 98asjd8".parse().expect("RFC 4475 wsinv");
        assert_eq!(a.display.as_deref(), Some("J Rosenberg \\\""));
        assert_eq!(a.tag(), Some("98asjd8"));
        let b: NameAddr = "sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n".parse().expect("addr-spec");
        assert_eq!((b.tag(), b.uri.sip().map(|u| u.params.len())), (Some("1918181833n"), Some(0)));
        let c: NameAddr = "<sip:127.0.0.1:5090;transport=udp>;+sip.instance=\"<urn:uuid:x>\"".parse().expect("linphone's Contact");
        assert_eq!(c.param("+sip.instance"), Some("<urn:uuid:x>"));
        let d: NameAddr = "sip:a@b.example;+sip.instance=\"<urn:uuid:x>\"".parse().expect("a bracket in a parameter");
        assert_eq!((d.display.as_deref(), d.param("+sip.instance")), (None, Some("<urn:uuid:x>")));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "Bell, Alexander <sip:bell@x.example>",
            "\"Mr. J. User <sip:j.user@example.com>",
            "\"Watson\" < sip:t.watson@example.org >",
            "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
            "\"Joe\" <sip:joe@example.org>;;;;",
            "<sip:joe@example.org>;tag=1;tag=2",
            "<sip:joe@example.org> x",
            "<sip:joe@example.org",
            "*",
            "",
        ] {
            assert!(text.parse::<NameAddr>().is_err(), "{text}");
        }
    }

    #[test]
    fn printing_and_reading_agree() {
        for text in [
            "\"a \\\"b\\\"\" <sip:x@y.example;lr;transport=udp>;tag=1",
            "<sip:x@[::1]:5060>;q=0.5",
            "<sips:a;b=c:pw@h.example:1;x>",
            "\"\" <sip:x@y.example?subject=z>;+sip.instance=\"<urn:uuid:x>\"",
            "<tel:+1>",
        ] {
            assert_eq!(text.parse::<NameAddr>().expect(text).to_string(), text);
        }
    }
}
