//! Where a request goes (RFC 3261 §8.1.2, §12.2.1.1; RFC 3263 §4 as far as it needs no DNS, which transports ask).

use std::net::SocketAddr;

use crate::sip::{
    Address, Hop, Transport,
    message::{Host, NameAddr, Request, Uri},
};

/// Writes a route set into a request whose Request-URI is the remote target (§12.2.1.1). A first route without `lr` is a
/// strict router: it becomes the Request-URI, and the target the last Route.
pub fn route(request: &mut Request, route_set: &[NameAddr]) {
    let Some((first, rest)) = route_set.split_first() else { return };
    if first.uri.sip().is_none_or(|uri| uri.param("lr").is_some()) {
        for route in route_set {
            request.headers.push("Route", route.to_string());
        }
        return;
    }
    let target = std::mem::replace(&mut request.uri, for_request_uri(&first.uri));
    for route in rest {
        request.headers.push("Route", route.to_string());
    }
    request.headers.push("Route", NameAddr::new(target).to_string());
}

/// What of a URI may not stand in a Request-URI is taken away (§19.1.1, table 1).
fn for_request_uri(uri: &Uri) -> Uri {
    match uri {
        Uri::Sip(uri) => {
            let mut uri = uri.clone();
            uri.headers = None;
            uri.params.retain(|(name, _)| name != "method");
            Uri::Sip(uri)
        }
        Uri::Other { .. } => uri.clone(),
    }
}

/// The hop that a URI names. `last` is the way the peer's messages came.
///
/// A stream connection that is there is used again (RFC 5923 in spirit). Names under `.invalid`, which nobody can look up,
/// mean `last`: our roles inside one process, and clients that cannot know their address. A URI without a transport that
/// names the host we are talking with stays on the transport in use; any other goes by UDP, or TLS for `sips:`.
pub fn hop_of(uri: &Uri, last: &Hop, secure: bool) -> Hop {
    let Uri::Sip(sip) = uri else { return last.clone() };
    let host = sip.param("maddr").and_then(|maddr| maddr.parse().ok()).unwrap_or_else(|| sip.host.clone());
    if matches!(&host, Host::Name(name) if name.trim_end_matches('.').ends_with(".invalid")) {
        return last.clone();
    }
    let same_host = match (&host, &last.address) {
        (Host::Ip(ip), Address::Socket(addr)) => ip.to_canonical() == addr.ip().to_canonical(),
        (Host::Name(name), Address::Name { host, .. }) => name.eq_ignore_ascii_case(host),
        (Host::Ip(_), Address::Name { .. }) | (Host::Name(_), Address::Socket(_)) => false,
    };
    let transport = match sip.param("transport").map(str::to_ascii_lowercase).as_deref() {
        _ if secure || sip.secure => Transport::Tls,
        Some("tls") => Transport::Tls,
        Some("tcp") => Transport::Tcp,
        Some("udp") => Transport::Udp,
        _ if same_host => last.transport,
        _ => Transport::Udp,
    };
    let port = sip.port.unwrap_or(transport.default_port());
    let address = match host {
        Host::Ip(ip) => Address::Socket(SocketAddr::new(ip, port)),
        Host::Name(host) => Address::Name { host, port },
    };
    let flow = last.flow.filter(|_| transport.reliable() && transport == last.transport);
    Hop { transport, address, flow }
}
