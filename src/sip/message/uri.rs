//! SIP and SIPS URIs (RFC 3261 §19.1, §25.1), and any other scheme kept as text.
//!
//! Escapes are kept as they came, so that what is forwarded is what was received; comparison and look-up decode them.
//! Out of scope: `tel:` numbers are carried (RFC 3966) but not interpreted.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use super::scan;

/// Longest URI accepted, in bytes. RFC 4475 §3.1.1.7 shows valid ones of about 500.
pub const MAX_URI: usize = 4096;

/// Why a text is not a URI. The peer's fault, or the user's who typed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// No `scheme:` in front.
    #[error("a URI needs a scheme such as sip:")]
    NoScheme,
    /// The host is empty or has characters that a host cannot have.
    #[error("the host of the URI is malformed")]
    Host,
    /// The port is not a number from 0 to 65535.
    #[error("the port of the URI is not a number from 0 to 65535")]
    Port,
    /// A character that must be escaped, or an escape that is not `%` and two hex digits.
    #[error("the URI holds a character that must be escaped")]
    Character,
    /// A parameter without a name or with an empty value, twice the same, or more of them than anybody needs.
    #[error("a parameter of the URI is malformed")]
    Param,
    /// Longer than [`MAX_URI`].
    #[error("the URI is longer than {MAX_URI} bytes")]
    TooLong,
}

/// A URI of any scheme.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Uri {
    /// `sip:` or `sips:`.
    Sip(SipUri),
    /// Any other scheme, in lower case, and what follows its colon.
    Other {
        /// Scheme without the colon, in lower case.
        scheme: String,
        /// Everything behind the colon, as received.
        rest: String,
    },
}

/// A SIP or SIPS URI.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SipUri {
    /// True for `sips:`.
    pub secure: bool,
    /// User part, escaped as received, without a password.
    pub user: Option<String>,
    /// Password part (deprecated), as received.
    pub password: Option<String>,
    /// Host.
    pub host: Host,
    /// Port, when written.
    pub port: Option<u16>,
    /// Parameters in order, names in lower case, both sides escaped as received.
    pub params: Vec<(String, Option<String>)>,
    /// The text behind `?`, as received.
    pub headers: Option<String>,
}

/// A host: a name or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A domain name in lower case.
    Name(String),
    /// An IPv4 or IPv6 address.
    Ip(IpAddr),
}

impl Uri {
    /// The SIP or SIPS URI, if it is one.
    pub fn sip(&self) -> Option<&SipUri> {
        match self {
            Self::Sip(uri) => Some(uri),
            Self::Other { .. } => None,
        }
    }

    /// The decoded user part of a SIP URI.
    pub fn user(&self) -> Option<String> {
        self.sip().and_then(SipUri::decoded_user)
    }
}

impl SipUri {
    /// `sip:user@host:port`, with what a user part cannot hold escaped.
    pub fn new(user: Option<&str>, host: Host, port: Option<u16>) -> Self {
        Self {
            secure: false,
            user: user.map(|user| escape(user, b"&=+$,;?/")),
            password: None,
            host,
            port,
            params: Vec::new(),
            headers: None,
        }
    }

    /// `sip:user@address:port` for a socket address.
    pub fn at(user: Option<&str>, addr: SocketAddr) -> Self {
        Self::new(user, Host::Ip(addr.ip()), Some(addr.port()))
    }

    /// The same URI with a parameter more, what its value cannot hold escaped. `name` in lower case.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params.retain(|(n, _)| n != name);
        self.params.push((name.to_owned(), value.map(|v| escape(v, b"[]/:&+$"))));
        self
    }

    /// A parameter's value as received: `Some("")` when it stands without one. `name` in lower case; a name that came with
    /// escapes is found as well (RFC 4475 §3.1.1.3).
    pub fn param(&self, name: &str) -> Option<&str> {
        let is = |n: &str| n == name || (n.contains('%') && decode(n).eq_ignore_ascii_case(name));
        self.params.iter().find(|(n, _)| is(n)).map(|(_, v)| v.as_deref().unwrap_or(""))
    }

    /// The user part with its escapes decoded; bytes that are not UTF-8 are replaced.
    pub fn decoded_user(&self) -> Option<String> {
        self.user.as_deref().map(decode)
    }

    /// RFC 3261 §19.1.4 equality: escapes decoded, hosts without case, parameters by their rules.
    pub fn equivalent(&self, other: &Self) -> bool {
        const MUST_MATCH: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];
        let decoded = |v: &Option<String>| v.as_deref().map(decode);
        let value = |uri: &Self, name: &str| uri.param(name).map(|v| decode(v).to_ascii_lowercase());
        let common = |(name, _): &(String, Option<String>)| {
            let name = decode(name).to_ascii_lowercase();
            value(other, &name).is_none_or(|v| Some(v) == value(self, &name))
        };
        self.secure == other.secure
            && decoded(&self.user) == decoded(&other.user)
            && decoded(&self.password) == decoded(&other.password)
            && self.host == other.host
            && self.port == other.port
            && self.headers == other.headers
            && MUST_MATCH.iter().all(|name| value(self, name) == value(other, name))
            && self.params.iter().all(common)
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        if text.len() > MAX_URI {
            return Err(UriError::TooLong);
        }
        let (scheme, rest) = text.split_once(':').ok_or(UriError::NoScheme)?;
        let mut letters = scheme.bytes();
        if !letters.next().is_some_and(|b| b.is_ascii_alphabetic()) || !letters.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) {
            return Err(UriError::NoScheme);
        }
        if !rest.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"".contains(&b)) {
            return Err(UriError::Character);
        }
        check_escapes(rest)?;
        let scheme = scheme.to_ascii_lowercase();
        match scheme.as_str() {
            "sip" | "sips" => sip(scheme == "sips", rest).map(Self::Sip),
            _ if rest.is_empty() => Err(UriError::Host),
            _ => Ok(Self::Other { scheme, rest: rest.to_owned() }),
        }
    }
}

impl FromStr for SipUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        match text.parse()? {
            Uri::Sip(uri) => Ok(uri),
            Uri::Other { .. } => Err(UriError::NoScheme),
        }
    }
}

fn sip(secure: bool, rest: &str) -> Result<SipUri, UriError> {
    // `;` and `?` may stand in a user part, so the user part is cut off first; an unescaped `@` can stand nowhere else.
    let (userinfo, rest) = match rest.split_once('@') {
        Some((userinfo, rest)) => (Some(userinfo), rest),
        None => (None, rest),
    };
    if rest.contains('@') || userinfo == Some("") {
        return Err(UriError::Character);
    }
    let (user, password) = match userinfo.map(|u| u.split_once(':').map_or((u, None), |(u, p)| (u, Some(p)))) {
        Some((user, password)) => {
            let allowed = |text: &str, extra: &[u8]| {
                text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.!~*'()%&=+$,".contains(&b) || extra.contains(&b))
            };
            // `#` should be escaped, but the service codes of telephones hold it as it is.
            if user.is_empty() || !allowed(user, b";?/#") || !password.is_none_or(|p| allowed(p, b"")) {
                return Err(UriError::Character);
            }
            (Some(user.to_owned()), password.map(str::to_owned))
        }
        None => (None, None),
    };
    let (rest, headers) = match rest.split_once('?') {
        Some((rest, headers)) => (rest, Some(headers.to_owned())),
        None => (rest, None),
    };
    let (hostport, params) = match rest.split_once(';') {
        Some((hostport, params)) => (hostport, Some(params)),
        None => (rest, None),
    };
    let (host, port) = host_port(hostport)?;
    let params = params.map_or_else(|| Ok(Vec::new()), uri_params)?;
    Ok(SipUri { secure, user, password, host, port, params, headers })
}

/// URI parameters: names in lower case, each at most once (RFC 3261 §19.1.1), empty ones passed over.
fn uri_params(text: &str) -> Result<Vec<(String, Option<String>)>, UriError> {
    let mut params: Vec<(String, Option<String>)> = Vec::new();
    for part in text.split(';').filter(|p| !p.is_empty()) {
        let (name, value) = part.split_once('=').map_or((part, None), |(n, v)| (n, Some(v)));
        let name = name.to_ascii_lowercase();
        let known = params.iter().any(|(n, _)| *n == name);
        if name.is_empty() || value == Some("") || known || part.contains([',', '@']) || params.len() == scan::MAX_PARAMS {
            return Err(UriError::Param);
        }
        params.push((name, value.map(str::to_owned)));
    }
    Ok(params)
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`.
pub fn host_port(text: &str) -> Result<(Host, Option<u16>), UriError> {
    let (host, port) = if text.starts_with('[') {
        let end = text.find(']').ok_or(UriError::Host)?;
        let (host, rest) = text.split_at(end + 1);
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(UriError::Host),
        }
    } else {
        text.split_once(':').map_or((text, None), |(h, p)| (h, Some(p)))
    };
    let port = match port {
        Some(p) if p.is_empty() || !p.bytes().all(|b| b.is_ascii_digit()) => return Err(UriError::Port),
        Some(p) => Some(p.parse().map_err(|_| UriError::Port)?),
        None => None,
    };
    Ok((host.parse()?, port))
}

impl Host {
    /// The address, when the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Name(_) => None,
        }
    }
}

impl FromStr for Host {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            // RFC 3261's grammar allows a third colon in front of an IPv4 part (RFC 5118 §4.10).
            let inner = inner.replacen(":::", "::", 1);
            return inner.parse::<Ipv6Addr>().map(|ip| Self::Ip(ip.into())).map_err(|_| UriError::Host);
        }
        if let Ok(ip) = text.parse::<std::net::Ipv4Addr>() {
            return Ok(Self::Ip(ip.into()));
        }
        // Labels as RFC 3261's hostname has them, with the underscore that real networks use.
        let label = |l: &str| {
            !l.is_empty() && !l.starts_with('-') && !l.ends_with('-') && l.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        let labels = text.strip_suffix('.').unwrap_or(text);
        // An all-numeric last label is an IPv4 address gone wrong, not a name.
        let numeric = labels.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
        if text.len() > 253 || numeric || !labels.split('.').all(label) {
            return Err(UriError::Host);
        }
        Ok(Self::Name(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "sips:" } else { "sip:" })?;
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if let Some(password) = &self.password {
                write!(f, ":{password}")?;
            }
            f.write_str("@")?;
        }
        self.host.fmt(f)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        for (name, value) in &self.params {
            match value {
                Some(value) => write!(f, ";{name}={value}")?,
                None => write!(f, ";{name}")?,
            }
        }
        if let Some(headers) = &self.headers {
            write!(f, "?{headers}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sip(uri) => uri.fmt(f),
            Self::Other { scheme, rest } => write!(f, "{scheme}:{rest}"),
        }
    }
}

impl From<SipUri> for Uri {
    fn from(uri: SipUri) -> Self {
        Self::Sip(uri)
    }
}

fn check_escapes(text: &str) -> Result<(), UriError> {
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        if b == b'%' && !(bytes.next().is_some_and(|b| b.is_ascii_hexdigit()) && bytes.next().is_some_and(|b| b.is_ascii_hexdigit())) {
            return Err(UriError::Character);
        }
    }
    Ok(())
}

fn decode(text: &str) -> String {
    let (mut out, mut bytes) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, rest @ ..] = bytes {
        match (first, rest) {
            (b'%', [a, b, rest @ ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                let hex = |d: u8| (d as char).to_digit(16).unwrap_or(0) as u8;
                out.push(hex(*a) << 4 | hex(*b));
                bytes = rest;
            }
            _ => {
                out.push(*first);
                bytes = rest;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Escapes what is neither unreserved (RFC 3261 §25.1) nor one of `also`.
fn escape(text: &str, also: &[u8]) -> String {
    use fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, b| {
        if b.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&b) || also.contains(&b) {
            out.push(b as char);
        } else {
            let _ = write!(out, "%{b:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_print_as_they_were_read() {
        for text in [
            "sip:vivekg@chair-dnrc.example.com;unknownparam",
            "sip:user;par=u%40example.net@example.com",
            "sip:[2001:db8::10]:5070;transport=tcp",
            "sips:alice:secret@example.com?subject=x",
            "sip:a@b.example;gr=urn:uuid:f81d4fae",
            "tel:+1-201-555-0123",
        ] {
            assert_eq!(text.parse::<Uri>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_uri_says_why() {
        for (text, why) in [
            ("bob", UriError::NoScheme),
            ("sip:", UriError::Host),
            ("sip:user@", UriError::Host),
            ("sip:user@host:99999", UriError::Port),
            ("sip:2001:db8::10", UriError::Port),
            ("sip:user@example.com; lr", UriError::Character),
            ("sip:us%er@example.com", UriError::Character),
            ("sip:a b@example.com", UriError::Character),
            ("sip:a@b@example.com", UriError::Character),
            ("sip:@example.com", UriError::Character),
            ("sip:user@300.0.2.1", UriError::Host),
            ("sip:user@-a.example", UriError::Host),
            ("sip:user@[2001:db8:::1:::2]", UriError::Host),
            ("sip:user@example.com;lr;LR", UriError::Param),
            ("sip:user@example.com;=x", UriError::Param),
        ] {
            assert_eq!(text.parse::<Uri>(), Err(why), "{text}");
        }
    }

    #[test]
    fn a_third_colon_is_forgiven_in_front_of_an_ipv4_part() {
        let (odd, right) = ("sip:user@[2001:db8:::192.0.2.1]", "sip:user@[2001:db8::192.0.2.1]");
        assert_eq!(odd.parse::<Uri>().expect(odd), right.parse().expect(right));
    }

    #[test]
    fn escapes_in_the_name_of_a_parameter_are_seen_through() {
        let uri: SipUri = "sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31".parse().expect("RFC 4475 esc01");
        assert_eq!((uri.param("lr"), uri.decoded_user().as_deref()), (Some(""), Some("caller")));
        assert!(uri.equivalent(&"sip:caller@HOST5.example.net;name=value%2541;lr".parse().expect("uri")));
        assert!(!uri.equivalent(&"sip:caller@host5.example.net;name=valueA;lr".parse().expect("uri")), "never decoded twice");
    }

    #[test]
    fn what_we_put_into_a_uri_is_escaped() {
        let uri = SipUri::new(Some("a b@c:d/\u{e9}"), Host::Name("h.example".into()), None).with_param("x", Some("1;lr=2\""));
        assert_eq!(uri.to_string(), "sip:a%20b%40c%3Ad/%C3%A9@h.example;x=1%3Blr%3D2%22");
        assert_eq!(uri.decoded_user().as_deref(), Some("a b@c:d/\u{e9}"));
    }

    #[test]
    fn equality_follows_rfc3261_19_1_4() {
        let same = |a: &str, b: &str| a.parse::<SipUri>().expect(a).equivalent(&b.parse().expect(b));
        assert!(same("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"));
        assert!(same("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"));
        assert!(!same("SIP:ALICE@AtLanTa.CoM", "sip:alice@atlanta.com"));
        assert!(!same("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"));
        assert!(!same("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"));
        assert!(!same("sip:carol@chicago.com;newparam=6", "sip:carol@chicago.com;newparam=5"));
    }
}
