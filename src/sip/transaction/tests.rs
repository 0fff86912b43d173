//! What ladders do not show: keys, hops, late wake-ups, absurd configurations. The timers and transitions are in
//! `tests/ladders/`, the behaviour on bad networks in `tests/simulation/`.

use std::time::{Duration, Instant};

use super::*;
use crate::sip::{
    hop::{FlowId, Transport},
    message::{CSeq, Headers, Method},
};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn layer() -> (TransactionLayer, Instant) {
    (TransactionLayer::new(Timers::default(), Limits::default()), crate::clock::now())
}

fn peer(transport: Transport) -> Hop {
    Hop::new(transport, ([192, 0, 2, 2], 5060).into())
}

fn request(method: Method, via: &str) -> Request {
    let mut headers = Headers::new();
    headers.push("Via", via);
    headers.push("From", "<sip:a@192.0.2.2>;tag=a");
    headers.push("To", "<sip:b@192.0.2.1>");
    headers.push("Call-ID", "call");
    headers.push("CSeq", CSeq { seq: 1, method: method.clone() }.to_string());
    Request { method, uri: "sip:b@192.0.2.1".parse().expect("a URI"), headers, body: bytes::Bytes::new() }
}

fn transmits(layer: &mut TransactionLayer) -> Vec<Transmit> {
    std::iter::from_fn(|| layer.poll_transmit()).collect()
}

fn events(layer: &mut TransactionLayer) -> Vec<TransactionEvent> {
    std::iter::from_fn(|| layer.poll_event()).collect()
}

/// Takes a request and returns the key to answer it with, and the request as the user sees it.
fn received(layer: &mut TransactionLayer, now: Instant, request: Request, from: Hop) -> (ServerKey, Request) {
    layer.receive(now, Message::Request(request), from);
    match events(layer).pop() {
        Some(TransactionEvent::Request { key, request, .. }) => (key, request),
        other => panic!("a request was expected, not {other:?}"),
    }
}

#[test]
fn a_late_wake_up_sends_one_copy_and_not_all_that_were_missed() {
    let (mut layer, now) = layer();
    layer.send(now, request(Method::Options, "SIP/2.0/UDP h;branch=z9hG4bK1"), peer(Transport::Udp)).expect("room");
    transmits(&mut layer);
    layer.handle_timeout(now + MS(9_000));
    assert_eq!(transmits(&mut layer).len(), 1);
    assert_eq!(layer.next_timeout(), Some(now + MS(10_000)), "the next interval of 1 s begins when the copy goes out");
    layer.handle_timeout(now + MS(100_000));
    assert!(transmits(&mut layer).is_empty(), "after timer F nothing is repeated");
    assert!(matches!(events(&mut layer)[..], [TransactionEvent::TimedOut { .. }, TransactionEvent::ClientEnded { .. }]));
}

#[test]
fn intervals_of_zero_do_not_become_a_storm() {
    let now = crate::clock::now();
    let timers = Timers { t2: Duration::ZERO, ..Timers::default() };
    let mut layer = TransactionLayer::new(timers, Limits::default());
    layer.send(now, request(Method::Options, "SIP/2.0/UDP h;branch=z9hG4bK1"), peer(Transport::Udp)).expect("room");
    layer.handle_timeout(now + MS(500));
    assert_eq!(transmits(&mut layer).len(), 2);
    assert_eq!(layer.next_timeout(), Some(now + MS(501)));
    let mut layer = TransactionLayer::new(Timers { t1: Duration::ZERO, ..Timers::default() }, Limits::default());
    layer.send(now, request(Method::Options, "SIP/2.0/UDP h;branch=z9hG4bK1"), peer(Transport::Udp)).expect("room");
    layer.handle_timeout(now);
    assert_eq!((transmits(&mut layer).len(), layer.clients()), (1, 0), "with T1 zero it gives up at once");
}

#[test]
fn a_lost_connection_concerns_only_what_goes_by_it() {
    let (mut layer, now) = layer();
    let by = |flow| Hop { flow: Some(FlowId(flow)), ..peer(Transport::Tcp) };
    for flow in [1, 2] {
        layer.send(now, request(Method::Options, &format!("SIP/2.0/TCP h;branch=z9hG4bK{flow}")), by(flow)).expect("room");
    }
    layer.send(now, request(Method::Options, "SIP/2.0/TCP h;branch=z9hG4bK3"), peer(Transport::Tcp)).expect("room");
    let (key, _) = received(&mut layer, now, request(Method::Info, "SIP/2.0/TCP 192.0.2.2;branch=z9hG4bKin"), by(1));
    layer.handle_transport_error(now, &by(1));
    assert!(matches!(events(&mut layer)[..], [TransactionEvent::TransportFailed { .. }, TransactionEvent::ClientEnded { .. }]));
    assert_eq!(layer.clients(), 2);
    transmits(&mut layer);
    layer.respond(now, &key, request(Method::Info, "SIP/2.0/TCP 192.0.2.2;branch=z9hG4bKin").response(200, "t"));
    let hops: Vec<_> = transmits(&mut layer).into_iter().map(|t| t.hop).collect();
    assert_eq!(hops, [peer(Transport::Tcp)], "the answer tries a new connection to the place of sent-by");
    layer.handle_transport_error(now, &peer(Transport::Tcp));
    assert_eq!(layer.clients(), 1, "an error of the address leaves what goes by a connection alone");
}

#[test]
fn what_comes_from_this_process_goes_back_as_it_came() {
    let (mut layer, now) = layer();
    let from = Hop { flow: Some(FlowId(4)), ..Hop::local("as") };
    let (key, seen) = received(&mut layer, now, request(Method::Info, "SIP/2.0/TCP as.invalid;rport;branch=z9hG4bK1"), from.clone());
    assert_eq!(seen.headers.get("Via"), Some("SIP/2.0/TCP as.invalid;rport;branch=z9hG4bK1"), "there is no address to write");
    layer.respond(now, &key, seen.response(200, "t"));
    assert_eq!(transmits(&mut layer).pop().map(|t| t.hop), Some(from.clone()));
    let (key, _) = received(&mut layer, now, request(Method::Info, "SIP/2.0/TCP as.invalid;branch=z9hG4bK2"), from.clone());
    layer.handle_transport_error(now, &from);
    assert_eq!(events(&mut layer), [TransactionEvent::ResponseFailed { key }], "and there is no other way");
}

#[test]
fn addresses_of_ipv6_are_answered_with_their_scope_and_named_without_brackets() {
    let (mut layer, now) = layer();
    let mut addr: std::net::SocketAddrV6 = "[fe80::1]:9999".parse().expect("an address");
    addr.set_scope_id(3);
    let from = Hop::new(Transport::Udp, addr.into());
    let (key, seen) = received(&mut layer, now, request(Method::Info, "SIP/2.0/UDP [2001:db8::9]:5070;branch=z9hG4bK1"), from);
    assert_eq!(seen.headers.get("Via"), Some("SIP/2.0/UDP [2001:db8::9]:5070;branch=z9hG4bK1;received=fe80::1"));
    layer.respond(now, &key, seen.response(200, "t"));
    addr.set_port(5070);
    assert_eq!(transmits(&mut layer).pop().map(|t| t.hop), Some(Hop::new(Transport::Udp, addr.into())));
    let mapped = Hop::new(Transport::Udp, "[::ffff:192.0.2.2]:5060".parse().expect("an address"));
    let (_, seen) = received(&mut layer, now, request(Method::Info, "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK2"), mapped);
    assert_eq!(seen.headers.get("Via"), Some("SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK2"), "a mapped address is the IPv4 address that it maps");
}

#[test]
fn the_bare_cookie_names_no_transaction() {
    let (mut layer, now) = layer();
    let by_bare_cookie = |method| request(method, "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK");
    received(&mut layer, now, by_bare_cookie(Method::Info), peer(Transport::Udp));
    let mut other_call = by_bare_cookie(Method::Info);
    other_call.headers.set("Call-ID", "other call");
    received(&mut layer, now, other_call, peer(Transport::Udp));
    layer.receive(now, Message::Request(by_bare_cookie(Method::Info)), peer(Transport::Udp));
    assert_eq!((layer.servers(), events(&mut layer)), (2, Vec::new()), "a copy is told by everything else (RFC 4475 §3.2.1)");
}

#[test]
fn messages_without_what_matching_needs_are_dropped() {
    let (mut layer, now) = layer();
    let mut without_via = request(Method::Info, "SIP/2.0/UDP h;branch=z9hG4bK1");
    without_via.headers.remove("Via");
    let mut without_cseq = request(Method::Info, "SIP/2.0/UDP h").response(200, "t");
    without_cseq.headers.remove("CSeq");
    for message in [
        Message::Request(without_via.clone()),
        Message::Request(Request { method: Method::Ack, ..without_via }),
        Message::Response(without_cseq),
        Message::Response(request(Method::Invite, "SIP/2.0/UDP h").response(200, "t")),
    ] {
        layer.receive(now, message, peer(Transport::Udp));
    }
    assert_eq!((events(&mut layer), transmits(&mut layer)), (Vec::new(), Vec::new()));
}

#[test]
fn thousands_of_transactions_leave_empty_tables_when_they_are_over() {
    let (mut layer, now) = layer();
    for n in 0..5_000_u32 {
        let hop = Hop::new(Transport::Udp, (std::net::Ipv4Addr::from(n), 5060).into());
        let method = if n % 2 == 0 { Method::Invite } else { Method::Options };
        layer.send(now + MS(u64::from(n)), request(method, &format!("SIP/2.0/UDP h;branch=z9hG4bK{n}")), hop).expect("room");
    }
    let mut fired = 0;
    while let Some(at) = layer.next_timeout() {
        layer.handle_timeout(at);
        transmits(&mut layer);
        events(&mut layer);
        fired += 1;
    }
    assert!(fired > 5_000, "deadlines come one after the other");
    assert_eq!(layer.clients(), 0);
    assert!(format!("{layer:?}").contains("rows: {}, deadlines: {}, ways: {}"), "no index keeps what its table has lost");
}
