//! Who we are, where the server is, and what its refusals mean.

use crate::{
    conference::{
        policy::TOO_MANY_WRONG,
        wire::control::{ErrorCode, Failure},
    },
    sip::{
        Address, Hop, SendFault, Transport, Unheard,
        digest::Credentials,
        endpoint::warned,
        message::{Host, NameAddr, Response, SipUri, Uri},
    },
};

/// Who a client is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// From, and the address of record that is registered.
    pub address: NameAddr,
    /// What answers a challenge.
    pub credentials: Option<Credentials>,
}

/// Where a server is: `sip:host:port;transport=tcp`, or `sips:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// As written, without a user.
    pub uri: SipUri,
}

/// A call or request that the other side refused, or that did not reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Status; 408 and 503 may be made here, for a timeout and a transport failure.
    pub status: u16,
    /// Reason phrase, or the text of a Warning, which says more.
    pub text: String,
    /// Whom we asked: its address, without a user.
    pub server: String,
    /// Set where nobody said this: why nothing was heard.
    pub unheard: Option<Unheard>,
    /// Seconds after which it may be tried again, where the other side says so.
    pub retry_after: Option<u32>,
}

impl Identity {
    /// An account of a server.
    pub fn user(name: &str, credentials: Option<Credentials>, server: &ServerAddress) -> Self {
        let uri = SipUri { user: SipUri::new(Some(name), server.uri.host.clone(), None).user, ..server.bare() };
        Self { address: NameAddr::new(uri), credentials }
    }

    /// Somebody without an account, under an address of its own: a guest.
    pub fn guest(display: Option<&str>, host: Host, port: Option<u16>) -> Self {
        let address = NameAddr::new(SipUri::new(Some("guest"), host, port));
        Self { address: display.map_or(address.clone(), |d| address.named(d)), credentials: None }
    }
}

impl ServerAddress {
    /// The server of a URI.
    pub fn new(mut uri: SipUri) -> Self {
        uri.user = None;
        uri.password = None;
        uri.headers = None;
        Self { uri }
    }

    /// `sip:<user>@<server>`.
    pub fn at(&self, user: &str) -> Uri {
        SipUri { user: SipUri::new(Some(user), self.uri.host.clone(), None).user, ..self.bare() }.into()
    }

    /// The transport: as the URI says, TLS for `sips:`, else UDP.
    pub fn transport(&self) -> Transport {
        match self.uri.param("transport").map(str::to_ascii_lowercase).as_deref() {
            _ if self.uri.secure => Transport::Tls,
            Some("tcp") => Transport::Tcp,
            Some("tls") => Transport::Tls,
            _ => Transport::Udp,
        }
    }

    /// The next hop.
    pub fn hop(&self) -> Hop {
        let transport = self.transport();
        let port = self.uri.port.unwrap_or(transport.default_port());
        let address = match &self.uri.host {
            Host::Ip(ip) => Address::Socket((*ip, port).into()),
            Host::Name(host) => Address::Name { host: host.clone(), port },
        };
        Hop { transport, address, flow: None }
    }

    /// True when a URI's host is this server: the same name or address, and the same port where both say one.
    pub fn is_host_of(&self, uri: &SipUri) -> bool {
        let default = |uri: &SipUri| Self::new(uri.clone()).transport().default_port();
        let port = |uri: &SipUri| uri.port.unwrap_or_else(|| default(uri));
        self.uri.host == uri.host && (self.uri.port == uri.port || port(&self.uri) == port(uri))
    }

    /// Host and port alone: what stands in addresses, where the transport has no place.
    fn bare(&self) -> SipUri {
        SipUri { params: Vec::new(), ..self.uri.clone() }
    }
}

impl Refusal {
    /// What a response says that came from a server, or should have.
    pub fn of(response: &Response, server: &ServerAddress) -> Self {
        let seconds = |value: &str| value.split([';', '(']).next().and_then(|digits| digits.trim().parse().ok());
        Self {
            status: response.status,
            text: warned(&response.headers).unwrap_or_else(|| response.reason.clone()),
            server: server.uri.to_string(),
            unheard: response.unheard.as_deref().cloned(),
            retry_after: response.headers.get("Retry-After").and_then(seconds),
        }
    }

    /// What was decided here, without asking anybody.
    pub fn here(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), server: String::new(), unheard: None, retry_after: None }
    }

    /// The server bars this address, or the account, for a while: too many passwords or PINs were wrong.
    pub fn is_lockout(&self) -> bool {
        self.unheard.is_none() && self.status == 503 && self.retry_after.is_some() && self.text.starts_with(TOO_MANY_WRONG)
    }

    /// The kind of failure, which decides an exit code.
    pub fn code(&self) -> ErrorCode {
        match self.status {
            _ if self.is_lockout() => ErrorCode::Forbidden,
            403 if self.text.contains("locked") => ErrorCode::Conflict,
            401 | 403 | 407 => ErrorCode::Forbidden,
            404 | 410 | 416 | 484 | 604 => ErrorCode::NotFound,
            486 => ErrorCode::Conflict,
            408 | 480 | 500..=599 => ErrorCode::Unreachable,
            600..=603 | 606 => ErrorCode::Declined,
            _ => ErrorCode::Failed,
        }
    }

    /// The same as a failure of a command.
    pub fn failure(&self) -> Failure {
        let text = match (&self.unheard, self.status) {
            (Some(Unheard::TimedOut), _) => format!("nobody answers at {}", self.server),
            (Some(Unheard::Failed(SendFault::Refused)), _) => format!("nobody answers at {}: connection refused", self.server),
            (Some(Unheard::Failed(SendFault::Untrusted { why, .. })), _) => {
                let host = self.server.parse::<SipUri>().map_or_else(|_| self.server.clone(), |uri| uri.host.to_string());
                format!("the certificate of {host} is not trusted: {why}")
            }
            (Some(Unheard::Failed(fault)), _) => format!("nobody answers at {}: {fault}", self.server),
            (None, 401 | 407) => "the server refused the account or its password".to_owned(),
            (None, 408) => "the server does not answer".to_owned(),
            (None, _) if self.is_lockout() => {
                format!("{} from here; try again in {} s", self.text, self.retry_after.unwrap_or_default())
            }
            (None, status) => format!("{} ({status})", self.text),
        };
        Failure::new(self.code(), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_knows_the_uris_that_it_serves() {
        let server = |text: &str| ServerAddress::new(text.parse().expect("server"));
        let is = |text: &str, uri: &str| server(text).is_host_of(&uri.parse().expect("uri"));
        for uri in ["sip:room@conf.example", "sip:room@CONF.example:5060;transport=tcp", "sips:room@conf.example"] {
            assert!(is("sip:conf.example", uri), "{uri}");
        }
        for uri in ["sip:room@evil.example", "sip:room@conf.example:5070", "sip:room@conf.example.evil.example"] {
            assert!(!is("sip:conf.example", uri), "{uri}");
        }
        assert!(is("sip:127.0.0.1:5070", "sip:room@127.0.0.1:5070") && !is("sip:127.0.0.1:5070", "sip:room@127.0.0.1"));
    }

    fn response(status: u16) -> Response {
        let request = crate::sip::message::Request {
            method: crate::sip::message::Method::Invite,
            uri: "sip:control@192.0.2.1".parse().expect("uri"),
            headers: crate::sip::message::Headers::new(),
            body: bytes::Bytes::new(),
        };
        request.response(status, "")
    }

    #[test]
    fn silence_is_told_apart_from_what_a_server_says() {
        let server = ServerAddress::new("sip:192.0.2.1:5070".parse().expect("server"));
        let told = |response: Response| {
            let failure = Refusal::of(&response, &server).failure();
            (failure.code, failure.text)
        };
        let silent = |why| Response { unheard: Some(Box::new(why)), ..response(503) };
        let refused = silent(Unheard::Failed(SendFault::Refused));
        assert_eq!(told(refused), (ErrorCode::Unreachable, "nobody answers at sip:192.0.2.1:5070: connection refused".to_owned()));
        assert_eq!(told(silent(Unheard::TimedOut)).1, "nobody answers at sip:192.0.2.1:5070");
        assert_eq!(told(response(503)), (ErrorCode::Unreachable, "Service Unavailable (503)".to_owned()));
    }

    #[test]
    fn who_is_barred_for_a_while_is_told_how_long() {
        let server = ServerAddress::new("sip:192.0.2.1".parse().expect("server"));
        let (name, warning) = crate::sip::endpoint::warning("too many wrong passwords");
        let barred = response(503).with_header("Retry-After", "7").with_header(&name, warning);
        let failure = Refusal::of(&barred, &server).failure();
        assert_eq!((failure.code, failure.text.as_str()), (ErrorCode::Forbidden, "too many wrong passwords from here; try again in 7 s"));
    }
}
