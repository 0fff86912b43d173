use bytes::Bytes;

use super::*;
use crate::sip::{Address, FlowId};

fn hop(text: &str) -> Hop {
    Hop::new(Transport::Udp, text.parse().expect("address"))
}

fn request(method: Method, extra: &[(&str, &str)]) -> Request {
    let mut headers = Headers::new();
    for (name, value) in [
        ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
        ("From", "Alice <sip:alice@atlanta.example>;tag=a1"),
        ("To", "<sip:bob@biloxi.example>"),
        ("Call-ID", "c1"),
        ("Contact", "<sip:alice@192.0.2.1:5070>"),
    ]
    .iter()
    .chain(extra)
    {
        headers.push(name, *value);
    }
    headers.push("CSeq", format!("7 {method}"));
    Request { method, uri: "sip:bob@biloxi.example".parse().expect("uri"), headers, body: Bytes::new() }
}

fn with_routes(routes: &[&str]) -> Dialog {
    let invite = request(Method::Invite, &[]);
    let mut response = invite.response(200, "b1").with_header("Contact", "<sip:bob@192.0.2.9>");
    for route in routes {
        response = response.with_header("Record-Route", *route);
    }
    Dialog::caller(&invite, &response, &hop("192.0.2.4:5060")).expect("dialog")
}

#[test]
fn both_ends_name_the_same_dialog() {
    let invite = request(Method::Invite, &[]);
    let ours: NameAddr = "<sip:bob@192.0.2.9>".parse().expect("contact");
    let mut callee = Dialog::callee(&invite, "b1", ours, &hop("192.0.2.1:5070")).expect("callee");
    let mut caller = with_routes(&[]);
    let (bye, other) = (caller.request(Method::Bye), callee.request(Method::Bye));
    assert_eq!(DialogId::of_request(&bye).as_ref(), Some(callee.id()));
    assert_eq!(DialogId::of_request(&other).as_ref(), Some(caller.id()));
    assert_eq!(bye.cseq().map(|c| c.seq), Some(8), "the caller goes on from its INVITE");
    assert_eq!(other.cseq().map(|c| c.seq), Some(1), "the callee has its own numbers");
    assert_eq!(bye.uri.to_string(), "sip:bob@192.0.2.9");
    assert_eq!(other.uri.to_string(), "sip:alice@192.0.2.1:5070");
}

#[test]
fn loose_routes_are_listed_and_the_first_is_the_next_hop() {
    // §16.12.1.1: the caller reverses the Record-Routes.
    let mut dialog = with_routes(&["<sip:p2.example.com;lr>", "<sip:192.0.2.7;lr>"]);
    let bye = dialog.request(Method::Bye);
    assert_eq!(bye.uri.to_string(), "sip:bob@192.0.2.9");
    assert_eq!(bye.headers.all("Route").collect::<Vec<_>>(), ["<sip:192.0.2.7;lr>", "<sip:p2.example.com;lr>"]);
    assert_eq!(dialog.hop(false), hop("192.0.2.7:5060"));
}

#[test]
fn a_strict_router_takes_the_request_uri() {
    // §12.2.1.1: the target travels as the last Route; what a Request-URI cannot hold is dropped.
    let mut dialog = with_routes(&["<sip:p2.example.com;lr>", "<sip:192.0.2.7;method=INVITE;x=1?Subject=no>"]);
    let bye = dialog.request(Method::Bye);
    assert_eq!(bye.uri.to_string(), "sip:192.0.2.7;x=1");
    assert_eq!(bye.headers.all("Route").collect::<Vec<_>>(), ["<sip:p2.example.com;lr>", "<sip:bob@192.0.2.9>"]);
    assert_eq!(dialog.hop(false), hop("192.0.2.7:5060"));
}

#[test]
fn lower_numbers_are_out_of_order_and_gaps_are_not() {
    let mut dialog =
        Dialog::callee(&request(Method::Invite, &[]), "b1", "<sip:b@x>".parse().expect("contact"), &hop("192.0.2.1:5070")).expect("dialog");
    assert!(dialog.in_order(9));
    assert!(!dialog.in_order(8));
    assert!(dialog.in_order(9), "an ACK or CANCEL has the number of its INVITE");
}

#[test]
fn only_target_refreshes_move_the_target() {
    let mut dialog = with_routes(&[]);
    let moved = request(Method::Invite, &[]);
    dialog.refresh(&Method::Info, &moved.headers, &hop("192.0.2.4:5060"));
    assert_eq!(dialog.target().to_string(), "sip:bob@192.0.2.9");
    dialog.refresh(&Method::Invite, &moved.headers, &hop("192.0.2.4:5060"));
    assert_eq!(dialog.target().to_string(), "sip:alice@192.0.2.1:5070");
}

#[test]
fn a_request_without_contact_makes_no_dialog_but_a_response_may_leave_it_out() {
    let invite = request(Method::Invite, &[]);
    let from = hop("192.0.2.4:5060");
    let early = Dialog::caller(&invite, &invite.response(180, "b1"), &from).expect("early dialog");
    assert_eq!(early.target(), &invite.uri);
    let mut bare = invite;
    bare.headers.remove("Contact");
    assert_eq!(Dialog::callee(&bare, "b1", NameAddr::new(bare.uri.clone()), &from), Err(DialogError("Contact")));
}

#[test]
fn behind_a_translator_requests_go_to_where_messages_come_from() {
    let dialog = with_routes(&[]);
    assert_eq!(dialog.hop(false), hop("192.0.2.9:5060"));
    assert_eq!(dialog.hop(true), hop("192.0.2.4:5060"));
    let routed = with_routes(&["<sip:192.0.2.7;lr>"]);
    assert_eq!(routed.hop(true), hop("192.0.2.7:5060"), "a recorded route is not second-guessed");
}

#[test]
fn a_peer_whose_connection_is_gone_is_connected_to_where_it_said_that_it_listens() {
    let from = |flow| Hop {
        transport: Transport::Tcp,
        address: Address::Socket("192.0.2.9:40000".parse().expect("address")),
        flow: Some(FlowId(flow)),
    };
    let dialog = |contact: &str| {
        let mut invite = request(Method::Invite, &[]);
        invite.headers.set("Contact", contact);
        Dialog::callee(&invite, "b1", NameAddr::new(invite.uri.clone()), &from(4)).expect("a dialog")
    };
    let mut listens = dialog("<sip:alice@192.0.2.9:5070;transport=tcp>");
    listens.lose_flow(FlowId(6), true);
    assert_eq!(listens.hop(true).flow, Some(FlowId(4)), "another connection is gone");
    listens.lose_flow(FlowId(4), true);
    assert_eq!(listens.hop(true), Hop::new(Transport::Tcp, "192.0.2.9:5070".parse().expect("address")));
    // Nobody listens where an accepted connection came from, so no stranger there gets our requests.
    let mut hidden = dialog("<sip:alice@df7jal23ls0d.invalid;transport=tcp>");
    hidden.lose_flow(FlowId(4), true);
    assert_eq!(hidden.hop(true), from(4));
}

#[test]
fn hops_follow_uri_transport_and_flow() {
    let stream =
        Hop { transport: Transport::Tcp, address: Address::Socket("192.0.2.1:40000".parse().expect("address")), flow: Some(FlowId(3)) };
    let to = |uri: &str, last: &Hop| hop_of(&uri.parse().expect("uri"), last, false);
    assert_eq!(to("sip:a@192.0.2.1:5070;transport=tcp", &stream).to_string(), "tcp:192.0.2.1:5070");
    assert_eq!(to("sip:a@192.0.2.1:5070;transport=tcp", &stream).flow, Some(FlowId(3)), "the connection is used again");
    assert_eq!(to("sip:a@192.0.2.1:5070", &stream).transport, Transport::Tcp, "the same host stays on its transport");
    assert_eq!(to("sip:a@192.0.2.8", &stream).to_string(), "udp:192.0.2.8:5060");
    assert_eq!(to("sips:a@proxy.example", &stream).to_string(), "tls:proxy.example:5061");
    assert_eq!(to("sip:a@df7jal23ls0d.invalid;transport=ws", &stream), stream, "an address that nobody can look up");
    assert_eq!(to("sip:conf=1@ms.invalid;transport=tcp", &Hop::local("ms")), Hop::local("ms"));
}
