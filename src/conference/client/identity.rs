//! Who we are, where the server is, and what its refusals mean.

use crate::{
    conference::wire::control::{ErrorCode, Failure},
    sip::{
        Address, Hop, Transport,
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
    /// What a response says.
    pub fn of(response: &Response) -> Self {
        Self { status: response.status, text: warned(&response.headers).unwrap_or_else(|| response.reason.clone()) }
    }

    /// The kind of failure, which decides an exit code.
    pub fn code(&self) -> ErrorCode {
        match self.status {
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
        let text = match self.status {
            401 | 407 => "the server refused the account or its password".to_owned(),
            408 => "the server does not answer".to_owned(),
            status => format!("{} ({status})", self.text),
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
}
