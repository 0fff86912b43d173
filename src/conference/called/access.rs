//! Who may use a server that is called: its application server, and nobody else (RFC 4240 §5; everybody else is answered 403).
//!
//! The transport vouches for the role in this process and for the certificate of a connection. Peers without either are
//! admitted by address, on loopback only: there no router lets anybody pretend.

use std::{
    hash::{Hash as _, Hasher as _},
    net::{IpAddr, SocketAddr},
};

use bytes::Bytes;

use crate::sip::{
    Hop,
    hop::Transmit,
    message::{Framing, Message, Method, parse},
    node::PeerIdentity,
};

/// Who is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Roles of this deployment, in this process or proved by certificate (`<role>.invalid`): `as`.
    pub roles: Vec<String>,
    /// Certificate names of application servers elsewhere.
    pub names: Vec<String>,
    /// Addresses on loopback; port 0 stands for any. An address elsewhere admits nobody.
    pub loopback: Vec<SocketAddr>,
}

impl Default for Access {
    /// The role `as` only.
    fn default() -> Self {
        Self { roles: vec!["as".to_owned()], names: Vec::new(), loopback: Vec::new() }
    }
}

impl Access {
    /// Whether a message of this peer is taken.
    pub fn admits(&self, from: &Hop, peer: &PeerIdentity) -> bool {
        self.roles.iter().any(|role| peer.is_role(role))
            || self.names.iter().any(|name| peer.is_host(name))
            || from.socket().is_some_and(|from| is_loopback(from.ip()) && self.loopback.iter().any(|known| same(*known, from)))
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

fn same(known: SocketAddr, from: SocketAddr) -> bool {
    known.ip().to_canonical() == from.ip().to_canonical() && (known.port() == 0 || known.port() == from.port())
}

/// The answer to a message of somebody who is not let in: 403 to a request, sent without state; nothing to the rest.
pub fn refuse(bytes: &Bytes, from: Hop) -> Option<Transmit> {
    let framing = if from.transport.reliable() { Framing::Stream } else { Framing::Datagram };
    let Ok(Message::Request(mut request)) = parse(bytes, framing) else { return None };
    if request.method == Method::Ack {
        return None;
    }
    if let (Some(mut via), Some(source)) = (request.via(), from.socket()) {
        via.note_source(source);
        // The topmost Via stands first, one value to a field.
        let others: Vec<String> = request.headers.all("Via").skip(1).map(str::to_owned).collect();
        request.headers.remove("Via");
        for other in others.iter().rev() {
            request.headers.push_front("Via", other.as_str());
        }
        request.headers.push_front("Via", via.to_string());
    }
    // A stateless answer must be the same each time (RFC 3261 §8.2.7), its tag included.
    let mut hasher = std::hash::DefaultHasher::new();
    (request.call_id(), request.via().and_then(|v| v.branch().map(str::to_owned))).hash(&mut hasher);
    let response = request.response(403, &format!("{:016x}", hasher.finish()));
    Some(Transmit { bytes: response.to_bytes(), hop: from })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Transport;

    fn from(address: &str) -> Hop {
        Hop::new(Transport::Udp, address.parse().expect("an address"))
    }

    #[test]
    fn only_the_application_server_is_let_in() {
        let access =
            Access { names: vec!["as.example".into()], loopback: vec!["127.0.0.1:5070".parse().expect("an address")], ..Access::default() };
        let local = |role: &str| PeerIdentity::Local { role: role.into() };
        let certificate = |name: &str| PeerIdentity::Certificate { names: vec![name.into()] };
        assert!(access.admits(&Hop::local("as"), &local("as")));
        assert!(!access.admits(&Hop::local("fs"), &local("fs")));
        assert!(access.admits(&from("192.0.2.1:5061"), &certificate("as.invalid")));
        assert!(access.admits(&from("192.0.2.1:5061"), &certificate("as.example")));
        assert!(!access.admits(&from("192.0.2.1:5061"), &certificate("ms.invalid")));
        assert!(access.admits(&from("127.0.0.1:5070"), &PeerIdentity::Anonymous));
        assert!(!access.admits(&from("127.0.0.1:5071"), &PeerIdentity::Anonymous));
    }

    #[test]
    fn an_address_elsewhere_admits_nobody() {
        let access = Access {
            loopback: vec!["192.0.2.1:0".parse().expect("an address"), "[::1]:0".parse().expect("an address")],
            ..Access::default()
        };
        assert!(!access.admits(&from("192.0.2.1:5060"), &PeerIdentity::Anonymous));
        assert!(access.admits(&from("[::1]:9"), &PeerIdentity::Anonymous));
    }

    #[test]
    fn strangers_get_403_always_the_same_and_their_acks_nothing() {
        let text = |method: &str| {
            format!(
                "{method} sip:conf=x@ms SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1;rport\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK0\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:e@x>;tag=1\r\nTo: <sip:conf=x@ms>\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\n\r\n"
            )
        };
        let answer = |method: &str| refuse(&Bytes::from(text(method)), from("192.0.2.7:40000")).map(|t| t.bytes);
        let first = String::from_utf8(answer("INVITE").expect("an answer").to_vec()).expect("text");
        assert!(first.starts_with("SIP/2.0 403 Forbidden\r\n"), "{first}");
        assert!(first.contains("received=192.0.2.7") && first.contains("rport=40000"), "{first}");
        assert!(first.find("z9hG4bK1") < first.find("z9hG4bK0"), "Vias stay in order: {first}");
        assert_eq!(answer("INVITE").as_deref(), Some(first.as_bytes()));
        assert_eq!(answer("ACK"), None);
        assert_eq!(refuse(&Bytes::from("garbage"), from("192.0.2.7:40000")), None);
    }
}
