//! Header fields: an ordered list on [`rsip::Headers`], looked up by name without case.
//!
//! What comes off the wire has passed the front-end: long names, no folding, one list member per entry where the header
//! is one of Via, Route, Record-Route, Contact. rsip holds the values as text and prints them; the typed readers of this
//! folder take them apart.

use rsip::headers::UntypedHeader as _;

/// Ordered header fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(rsip::Headers);

macro_rules! known_headers {
    ($($variant:ident = $name:literal,)*) => {
        fn header(name: &str, value: String) -> rsip::Header {
            let value = if value.contains(['\r', '\n']) { value.replace(['\r', '\n'], " ") } else { value };
            $(if name.eq_ignore_ascii_case($name) {
                return rsip::headers::$variant::new(value).into();
            })*
            rsip::Header::Other(name.to_owned(), value)
        }

        #[cfg(test)]
        const KNOWN: &[&str] = &[$($name),*];

        fn parts(header: &rsip::Header) -> (&str, &str) {
            match header {
                $(rsip::Header::$variant(h) => ($name, h.value()),)*
                rsip::Header::Other(name, value) => (name, value),
            }
        }
    };
}

known_headers! {
    Accept = "Accept",
    AcceptEncoding = "Accept-Encoding",
    AcceptLanguage = "Accept-Language",
    AlertInfo = "Alert-Info",
    Allow = "Allow",
    AuthenticationInfo = "Authentication-Info",
    Authorization = "Authorization",
    CSeq = "CSeq",
    CallId = "Call-ID",
    CallInfo = "Call-Info",
    Contact = "Contact",
    ContentDisposition = "Content-Disposition",
    ContentEncoding = "Content-Encoding",
    ContentLanguage = "Content-Language",
    ContentLength = "Content-Length",
    ContentType = "Content-Type",
    Date = "Date",
    ErrorInfo = "Error-Info",
    Event = "Event",
    Expires = "Expires",
    From = "From",
    InReplyTo = "In-Reply-To",
    MaxForwards = "Max-Forwards",
    MimeVersion = "Mime-Version",
    MinExpires = "Min-Expires",
    Organization = "Organization",
    Priority = "Priority",
    ProxyAuthenticate = "Proxy-Authenticate",
    ProxyAuthorization = "Proxy-Authorization",
    ProxyRequire = "Proxy-Require",
    RecordRoute = "Record-Route",
    ReplyTo = "Reply-To",
    Require = "Require",
    RetryAfter = "Retry-After",
    Route = "Route",
    Server = "Server",
    Subject = "Subject",
    SubscriptionState = "Subscription-State",
    Supported = "Supported",
    Timestamp = "Timestamp",
    To = "To",
    Unsupported = "Unsupported",
    UserAgent = "User-Agent",
    Via = "Via",
    Warning = "Warning",
    WwwAuthenticate = "WWW-Authenticate",
}

impl Headers {
    /// No fields yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a field, in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// Every field in order, as name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(parts)
    }

    /// Adds a field at the end. A line break in the value becomes a space, here and in the methods below, so that a value
    /// never ends its line.
    pub fn push(&mut self, name: &str, value: impl Into<String>) {
        self.0.push(header(name, value.into()));
    }

    /// Adds a field in front of all others, as Via and Route want.
    pub fn push_front(&mut self, name: &str, value: impl Into<String>) {
        let mut all: Vec<rsip::Header> = std::mem::take(&mut self.0).into();
        all.insert(0, header(name, value.into()));
        self.0 = all.into();
    }

    /// Puts one value in place of all values of a field; where the field was missing, at the end.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let mut value = Some(value.into());
        let mut kept = Vec::new();
        for old in std::mem::take(&mut self.0) {
            if parts(&old).0.eq_ignore_ascii_case(name) {
                if let Some(value) = value.take() {
                    kept.push(header(name, value));
                }
            } else {
                kept.push(old);
            }
        }
        if let Some(value) = value {
            kept.push(header(name, value));
        }
        self.0 = kept.into();
    }

    /// Puts a value in place of the first value of a field, and leaves the others; where the field was missing, at the end.
    pub fn set_first(&mut self, name: &str, value: impl Into<String>) {
        let new = header(name, value.into());
        let mut all: Vec<rsip::Header> = std::mem::take(&mut self.0).into();
        match all.iter_mut().find(|old| parts(old).0.eq_ignore_ascii_case(name)) {
            Some(old) => *old = new,
            None => all.push(new),
        }
        self.0 = all.into();
    }

    /// Takes all values of a field away.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|h| !parts(h).0.eq_ignore_ascii_case(name));
    }

    /// True when a comma-separated field (Require, Supported, Allow, Accept, …) names `token`, without case.
    pub fn lists(&self, name: &str, token: &str) -> bool {
        self.tokens(name).any(|t| t.eq_ignore_ascii_case(token))
    }

    /// The members of a comma-separated field of tokens, over all its lines.
    pub fn tokens(&self, name: &str) -> impl Iterator<Item = &str> {
        self.all(name).flat_map(|v| v.split(',')).map(super::scan::trim).filter(|t| !t.is_empty())
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.0.iter().count()
    }

    /// True without any field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Every field on its line, as rsip prints it, without Content-Length: that one is made from the body.
impl std::fmt::Display for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().filter(|h| !matches!(h, rsip::Header::ContentLength(_))).try_for_each(|h| write!(f, "{h}\r\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_without_case_and_printed_as_the_rfc_writes_them() {
        let mut headers = Headers::new();
        for (name, value) in [("cseq", "1 BYE"), ("MIME-version", "1.0"), ("www-authenticate", "Digest"), ("x-MINE", "y"), ("CALL-ID", "z")]
        {
            headers.push(name, value);
        }
        assert_eq!(headers.get("X-Mine"), Some("y"));
        let printed = headers.to_string();
        for (name, _) in headers.iter() {
            assert!(printed.contains(&format!("{name}: ")), "rsip prints {name} otherwise: {printed}");
        }
    }

    #[test]
    fn every_name_that_we_know_is_printed_the_same_by_rsip() {
        for name in KNOWN {
            assert_eq!(header(name, "v".into()).to_string(), format!("{name}: v"));
        }
    }

    #[test]
    fn set_keeps_the_place_and_push_front_goes_before_all() {
        let mut headers = Headers::new();
        for (name, value) in [("Via", "1"), ("To", "a"), ("Via", "2")] {
            headers.push(name, value);
        }
        headers.set("via", "3");
        headers.push_front("Via", "0");
        headers.set("Subject", "s");
        headers.remove("TO");
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("Via", "0"), ("Via", "3"), ("Subject", "s")]);
    }
}
