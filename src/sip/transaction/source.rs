//! Where a request came from, and where its responses go (RFC 3261 §18.2, RFC 3581 §4).

use crate::sip::{
    hop::{Address, Hop, Transport},
    message::{Host, Request, Via},
};

/// Writes into the top Via where the request came from: `received` when sent-by does not say so itself or `rport` asks for it, and the
/// value of `rport` when it asks for it (§18.2.1, RFC 3581 §4). A `received` that the sender wrote itself is replaced or taken away.
pub fn stamp_source(request: &mut Request, from: &Hop) {
    unimplemented!("{request:?} {from}")
}

/// Where a response goes, by the top Via of request or response and where the request came from (§18.2.2, RFC 3581 §4).
///
/// Streams: back by the same connection. UDP: to the address the request came from; to the very port when `rport` stands in the Via, else
/// to the port of sent-by. `maddr` is not followed: it would let a stranger point our responses at a third party.
pub fn response_hop(via: &Via, from: &Hop) -> Hop {
    match (from.transport, &from.address) {
        (Transport::Udp, Address::Socket(addr)) if via.param("rport").is_none() => {
            Hop::new(Transport::Udp, (addr.ip(), via.port_or_default()).into())
        }
        (Transport::Udp | Transport::Tcp | Transport::Tls | Transport::Local, _) => from.clone(),
    }
}

/// Where a response goes when the connection that brought the request is gone: a new connection to the same address, at the port of
/// sent-by (§18.2.2). `None` for UDP, and inside this process, where there is nothing else to try.
pub(super) fn fallback_hop(via: &Via, from: &Hop) -> Option<Hop> {
    match (from.transport, &from.address) {
        (Transport::Tcp | Transport::Tls, Address::Socket(addr)) => {
            Some(Hop::new(from.transport, (addr.ip(), via.port.unwrap_or(from.transport.default_port())).into()))
        }
        (Transport::Udp | Transport::Tcp | Transport::Tls | Transport::Local, _) => None,
    }
}

fn names(host: &Host, addr: std::net::IpAddr) -> bool {
    host.ip().is_some_and(|ip| ip.to_canonical() == addr.to_canonical())
}
