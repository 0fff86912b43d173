//! Where a request came from, and where its responses go (RFC 3261 §18.2, RFC 3581 §4).

use std::net::{IpAddr, SocketAddr};

use crate::sip::{
    hop::{Address, Hop, Transport},
    message::{Host, Request, Via},
};

/// Writes into the top Via where the request came from: `received` where sent-by does not say so itself or `rport` asks for it, and the
/// value of `rport` where that stands (§18.2.1, RFC 3581 §4). What the sender wrote into these two itself is overwritten.
/// A request of this process has no address to write.
pub fn stamp_source(request: &mut Request, from: &Hop) {
    let (Some(addr), Some(mut via)) = (from.socket(), request.via()) else { return };
    let wants_port = via.param("rport").is_some();
    if wants_port {
        via.set_param("rport", Some(addr.port().to_string()));
    }
    if wants_port || via.param("received").is_some() || !names(&via.host, addr) {
        via.set_param("received", Some(addr.ip().to_canonical().to_string()));
    } else {
        return;
    }
    request.headers.set_first("Via", via.to_string());
}

/// Where a response goes, by the top Via of request or response and where the request came from (§18.2.2, RFC 3581 §4).
///
/// Streams: back by the same connection. UDP: to the address that the request came from; to the very port when `rport` stands in the Via,
/// else to the port of sent-by. `maddr` is not followed: it would let a stranger point our responses at a third party.
pub fn response_hop(via: &Via, from: &Hop) -> Hop {
    match (from.transport, &from.address) {
        (Transport::Udp, Address::Socket(addr)) if via.param("rport").is_none() => {
            Hop::new(Transport::Udp, at_port(*addr, via.port.unwrap_or(Transport::Udp.default_port())))
        }
        (Transport::Udp | Transport::Tcp | Transport::Tls | Transport::Local, _) => from.clone(),
    }
}

/// Where a response goes when the connection that brought the request is gone: a new connection to the same address, at the port of
/// sent-by (§18.2.2). `None` for UDP, and inside this process, where there is nothing else to try.
pub(super) fn fallback_hop(via: &Via, from: &Hop) -> Option<Hop> {
    match (from.transport, &from.address) {
        (Transport::Tcp | Transport::Tls, Address::Socket(addr)) => {
            Some(Hop::new(from.transport, at_port(*addr, via.port.unwrap_or(from.transport.default_port()))))
        }
        (Transport::Udp | Transport::Tcp | Transport::Tls | Transport::Local, _) => None,
    }
}

fn names(host: &Host, addr: SocketAddr) -> bool {
    host.ip().is_some_and(|ip: IpAddr| ip.to_canonical() == addr.ip().to_canonical())
}

/// The same address with another port; an IPv6 scope stays.
fn at_port(mut addr: SocketAddr, port: u16) -> SocketAddr {
    addr.set_port(port);
    addr
}
