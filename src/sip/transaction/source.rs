//! Where a request came from, and where its responses go (RFC 3261 §18.2, RFC 3581 §4).

use std::net::SocketAddr;

use crate::sip::{
    hop::{Address, Hop, Transport},
    message::{Request, Via},
};

/// Writes into the top Via where the request came from (§18.2.1, RFC 3581 §4). A request of this process has no address to write.
pub fn stamp_source(request: &mut Request, from: &Hop) {
    let (Some(addr), Some(via)) = (from.socket(), request.via()) else { return };
    let mut stamped = via.clone();
    stamped.note_source(addr);
    if stamped != via {
        request.headers.set_first("Via", stamped.to_string());
    }
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

/// The same address with another port; an IPv6 scope stays.
fn at_port(mut addr: SocketAddr, port: u16) -> SocketAddr {
    addr.set_port(port);
    addr
}
