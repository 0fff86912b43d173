//! Where the daemon listens.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::config::{
    schema::{item, section},
    value::{Advertised, SipTransport},
};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

item! {
    /// One address that SIP is listened for on.
    pub struct SipListener {
        /// How.
        transport: SipTransport,
        /// Where. Port 0 lets the system choose; udp and tcp on the same address with port 0 get the same port.
        address: SocketAddr,
        /// Required for udp and tcp on an address that others than this machine can reach: what is said there can be read and changed on
        /// the way. Most telephones speak nothing else.
        allow_plain: bool = false,
        /// What peers are told to reach this listener by, where that is not its address; required where that is 0.0.0.0 or ::. Of several
        /// listeners of one transport peers are told the first that has this, else the first that is not on loopback.
        advertise: Option<Advertised> = None,
    }
}

item! {
    /// One address that HTTP is listened for on.
    pub struct HttpListener {
        /// Where. Port 0 lets the system choose.
        address: SocketAddr,
        /// TLS, with the certificate of the section tls.
        tls: bool = false,
        /// Required without tls on an address that others than this machine can reach.
        allow_plain: bool = false,
    }
}

item! {
    /// One address that relay channels are listened for on.
    pub struct RelayListener {
        /// Where. Port 0 lets the system choose.
        address: SocketAddr,
        /// TLS, with the certificate of the section tls: terminals name the relay tls://HOST:PORT. Data connections come to the same port without it: what they carry is sealed from end to end.
        tls: bool = false,
        /// Required without tls on an address that others than this machine can reach: what is sent through a channel is sealed from end to end, but who applies,
        /// and the keys that admit to channels, can be read on the way.
        allow_plain: bool = false,
    }
}

section! {
    /// Where the daemon listens. An address that others than this machine can reach needs TLS or allow_plain, and a password of the
    /// administrator that has been changed since the first start.
    pub struct Listen {
        /// SIP.
        sip: Vec<SipListener> = vec![
            SipListener::at(SipTransport::Udp, SocketAddr::new(LOCALHOST, 5060)),
            SipListener::at(SipTransport::Tcp, SocketAddr::new(LOCALHOST, 5060)),
            SipListener::at(SipTransport::Tls, SocketAddr::new(LOCALHOST, 5061)),
        ],
        /// Health, metrics and what clients learn of the server (/.well-known/confkit).
        http: Vec<HttpListener> = vec![HttpListener::at(SocketAddr::new(LOCALHOST, 8080))],
        /// Relay channels, for the role relay.
        relay: Vec<RelayListener> = vec![RelayListener::at(SocketAddr::new(LOCALHOST, 7420))],
    }
}

impl SipListener {
    /// A listener without further settings.
    pub fn at(transport: SipTransport, address: SocketAddr) -> Self {
        Self { transport, address, allow_plain: false, advertise: None }
    }

    /// True if what is said here can be read on the way.
    pub fn is_plain(&self) -> bool {
        self.transport != SipTransport::Tls
    }
}

impl HttpListener {
    /// A listener without further settings.
    pub fn at(address: SocketAddr) -> Self {
        Self { address, tls: false, allow_plain: false }
    }
}

impl RelayListener {
    /// A listener without further settings.
    pub fn at(address: SocketAddr) -> Self {
        Self { address, tls: false, allow_plain: false }
    }
}

impl Listen {
    /// The listeners of a process that lets the system choose its ports.
    pub fn ephemeral() -> Self {
        let mut listen = Self::default();
        listen.move_to(LOCALHOST, Some(0));
        for http in &mut listen.http {
            http.address.set_port(0);
        }
        for relay in &mut listen.relay {
            relay.address.set_port(0);
        }
        listen
    }

    /// Moves every listener to an address; with a port, SIP moves to it, and TLS to the next (or to one that the system chooses, for 0; that of relay channels, too).
    pub fn move_to(&mut self, address: IpAddr, port: Option<u16>) {
        for sip in &mut self.sip {
            sip.address.set_ip(address);
            if let Some(port) = port {
                let tls = sip.transport == SipTransport::Tls && port != 0;
                sip.address.set_port(if tls { port.saturating_add(1) } else { port });
            }
        }
        for http in &mut self.http {
            http.address.set_ip(address);
        }
        for relay in &mut self.relay {
            relay.address.set_ip(address);
            if port == Some(0) {
                relay.address.set_port(0);
            }
        }
    }

    /// Every address listened on.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let web = self.http.iter().map(|http| http.address);
        self.sip.iter().map(|sip| sip.address).chain(web).chain(self.relay.iter().map(|relay| relay.address))
    }

    /// True if nobody but this machine can reach any listener.
    pub fn is_loopback_only(&self) -> bool {
        self.addresses().all(is_loopback)
    }
}

/// True if nobody but this machine can reach an address.
pub fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
