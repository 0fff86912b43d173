use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;

use super::*;
use crate::{
    clock,
    sip::{
        Transport,
        message::{Framing, Message, parse},
    },
};

const SECOND: Duration = Duration::from_secs(1);

/// A registrar, a clock, and one user agent of alice.
struct Desk {
    registrar: Registrar,
    now: Instant,
    cseq: u32,
}

impl Desk {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        Self { registrar: Registrar::new(limits), now: clock::now(), cseq: 0 }
    }

    fn wait(&mut self, seconds: u64) -> &mut Self {
        self.now += SECOND * u32::try_from(seconds).expect("a small number");
        self
    }

    /// Sends a REGISTER with the next CSeq and these lines.
    fn register(&mut self, lines: &[&str]) -> Outcome {
        self.cseq += 1;
        self.send("ua-1", self.cseq, lines)
    }

    fn send(&mut self, call_id: &str, cseq: u32, lines: &[&str]) -> Outcome {
        let request = request("<sip:alice@conf.example>", call_id, cseq, lines);
        self.registrar.register(self.now, &request, &hop())
    }

    fn contacts(&self) -> Vec<String> {
        self.registrar.lookup(self.now, &alice()).into_iter().map(|b| b.contact.to_string()).collect()
    }
}

fn request(to: &str, call_id: &str, cseq: u32, lines: &[&str]) -> Request {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let text = format!(
        "REGISTER sip:conf.example SIP/2.0\r\nVia: SIP/2.0/UDP h.example;branch=z9hG4bK1\r\nFrom: <sip:alice@conf.example>;tag=1\r\n\
         To: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n{lines}\r\n"
    );
    match parse(&Bytes::from(text.clone()), Framing::Datagram) {
        Ok(Message::Request(request)) => request,
        other => panic!("{text}\n{other:?}"),
    }
}

fn hop() -> Hop {
    Hop::new(Transport::Udp, "192.0.2.9:5062".parse().expect("address"))
}

fn alice() -> Aor {
    "alice@conf.example".parse().expect("an address of record")
}

fn contacts(outcome: &Outcome) -> Vec<&str> {
    outcome.headers.iter().filter(|(name, _)| name == "Contact").map(|(_, value)| value.as_str()).collect()
}

#[test]
fn a_contact_is_kept_until_its_time_is_over() {
    let mut desk = Desk::new();
    let outcome = desk.register(&["Contact: \"A\" <sip:a@192.0.2.1;x=y>;expires=100;q=0.25;foo"]);
    assert_eq!((outcome.status, outcome.changed.clone()), (200, Some(alice())));
    assert_eq!(contacts(&outcome), ["\"A\" <sip:a@192.0.2.1;x=y>;foo;q=0.25;expires=100"]);
    assert_eq!(desk.registrar.next_timeout(), Some(desk.now + SECOND * 100));
    desk.wait(99);
    assert_eq!(contacts(&desk.register(&[])), ["\"A\" <sip:a@192.0.2.1;x=y>;foo;q=0.25;expires=1"]);
    desk.wait(1);
    assert_eq!(desk.contacts(), Vec::<String>::new(), "even before the timer has run");
    assert_eq!(desk.registrar.handle_timeout(desk.now), [alice()]);
    assert_eq!(desk.registrar.next_timeout(), None);
}

#[test]
fn time_is_asked_for_by_contact_then_by_expires_then_by_nobody() {
    let limits = Limits { max_expires: 4000, ..Limits::default() };
    for (lines, seconds) in [
        (&["Contact: <sip:a@h.example>;expires=300", "Expires: 200"][..], 300),
        (&["Contact: <sip:a@h.example>", "Expires: 200"], 200),
        (&["Contact: <sip:a@h.example>"], 3600),
        (&["Contact: <sip:a@h.example>;expires=280297596632815"], 3600),
        (&["Contact: <sip:a@h.example>", "Expires: soon"], 3600),
        (&["Contact: <sip:a@h.example>;expires=5000"], 4000),
    ] {
        let outcome = Desk::with(limits).register(lines);
        assert_eq!(contacts(&outcome), [format!("<sip:a@h.example>;q=1;expires={seconds}")], "{lines:?}");
    }
}

#[test]
fn too_short_a_time_is_answered_423_and_changes_nothing() {
    let mut desk = Desk::new();
    let outcome = desk.register(&["Contact: <sip:a@h.example>", "Contact: <sip:b@h.example>;expires=59"]);
    assert_eq!((outcome.status, outcome.headers, outcome.changed), (423, vec![("Min-Expires".into(), "60".into())], None));
    assert_eq!(desk.contacts(), Vec::<String>::new());
}

#[test]
fn contacts_are_found_by_preference_and_age() {
    let mut desk = Desk::new();
    desk.register(&["Contact: <sip:old@h.example>, <sip:low@h.example>;q=0.1, <sip:half@h.example>;q=0.5"]);
    desk.wait(1).register(&["Contact: <sip:new@h.example>;q=1.000"]);
    assert_eq!(desk.contacts(), ["<sip:new@h.example>", "<sip:old@h.example>", "<sip:half@h.example>", "<sip:low@h.example>"]);
    for q in ["1.001", "2", "0.1234", "-1", ".5", "x"] {
        assert_eq!(desk.register(&[&format!("Contact: <sip:a@h.example>;q={q}")]).status, 400, "{q}");
    }
}

#[test]
fn the_same_uri_is_one_contact_however_it_is_written() {
    let mut desk = Desk::new();
    desk.register(&["Contact: <sip:%61@H.example;transport=TCP>"]);
    desk.register(&["Contact: <sip:a@h.EXAMPLE;Transport=tcp>"]);
    assert_eq!(desk.contacts(), ["<sip:a@h.example;transport=tcp>"]);
    desk.register(&["Contact: <sip:a@h.example;transport=tcp>;expires=0"]);
    assert_eq!(desk.contacts(), Vec::<String>::new());
}

#[test]
fn an_instance_keeps_its_binding_when_its_address_changes() {
    let mut desk = Desk::new();
    desk.register(&["Contact: <sip:a@192.0.2.1>;+sip.instance=\"<urn:uuid:1>\""]);
    desk.register(&["Contact: <sip:a@192.0.2.2>;+sip.instance=\"<urn:uuid:1>\""]);
    desk.register(&["Contact: <sip:a@192.0.2.3>;+sip.instance=\"<urn:uuid:2>\""]);
    let expected = ["<sip:a@192.0.2.2>;+sip.instance=\"<urn:uuid:1>\"", "<sip:a@192.0.2.3>;+sip.instance=\"<urn:uuid:2>\""];
    assert_eq!(desk.contacts(), expected);
    desk.register(&["Contact: <sip:a@192.0.2.3>;+sip.instance=\"<urn:uuid:2>\";reg-id=2"]);
    desk.register(&["Contact: <sip:a@192.0.2.4>;+sip.instance=\"<urn:uuid:2>\";reg-id=1"]);
    assert_eq!(desk.contacts().len(), 3, "another flow of the same instance is another binding");
}

#[test]
fn a_star_takes_all_away_and_only_with_expires_0() {
    let mut desk = Desk::new();
    desk.register(&["Contact: <sip:a@h.example>, <sip:b@h.example>"]);
    for lines in [&["Contact: *"][..], &["Contact: *", "Expires: 60"]] {
        assert_eq!(desk.register(lines).status, 400);
    }
    assert_eq!(desk.contacts().len(), 2);
    let outcome = desk.register(&["Contact: *", "Expires: 0"]);
    assert_eq!((outcome.status, contacts(&outcome), outcome.changed.is_some()), (200, vec![], true));
    assert_eq!(desk.registrar.next_timeout(), None);
}

#[test]
fn a_request_that_was_overtaken_fails_as_a_whole() {
    let mut desk = Desk::new();
    assert_eq!(desk.send("ua-1", 5, &["Contact: <sip:a@h.example>"]).status, 200);
    for cseq in [4, 5] {
        let outcome = desk.send("ua-1", cseq, &["Contact: <sip:new@h.example>, <sip:a@h.example>;expires=0"]);
        assert_eq!((outcome.status, outcome.changed), (500, None));
        assert_eq!(desk.send("ua-1", cseq, &["Contact: *", "Expires: 0"]).status, 500);
    }
    assert_eq!(desk.contacts(), ["<sip:a@h.example>"], "nothing of it is done");
    assert_eq!(desk.send("ua-2", 1, &["Contact: <sip:a@h.example>;expires=0"]).status, 200, "another user agent counts anew");
    assert_eq!(desk.contacts(), Vec::<String>::new());
}

#[test]
fn one_request_may_name_a_contact_twice() {
    let mut desk = Desk::new();
    assert_eq!(desk.register(&["Contact: <sip:a@h.example>;q=0.1, <sip:a@h.example>;q=0.2"]).status, 200);
    assert_eq!(desk.registrar.lookup(desk.now, &alice()).iter().map(|b| b.q).collect::<Vec<_>>(), [200]);
}

#[test]
fn parameters_stay_on_their_side_of_the_bracket() {
    // RFC 4475 §3.3.12, §3.3.13, §3.3.14.
    for (contact, kept) in [
        ("sip:+19725552222@gw.example;odd", "<sip:+19725552222@gw.example>;odd"),
        ("<sip:+19725552222@gw.example;odd>", "<sip:+19725552222@gw.example;odd>"),
        ("<sip:user@h.example?Route=%3Csip:p.example%3E>", "<sip:user@h.example?Route=%3Csip:p.example%3E>"),
    ] {
        let mut desk = Desk::new();
        desk.register(&[&format!("Contact: {contact}")]);
        assert_eq!(desk.contacts(), [kept]);
    }
}

#[test]
fn escaped_nulls_name_a_user_and_two_contacts() {
    // RFC 4475 §3.1.1.4.
    let mut registrar = Registrar::new(Limits::default());
    let request = request("sip:null-%00-null@conf.example", "1", 1, &["Contact: <sip:%00@h.example>", "Contact: <sip:%00%00@h.example>"]);
    let outcome = registrar.register(clock::now(), &request, &hop());
    assert_eq!(outcome.changed.as_ref().map(Aor::user), Some("null-\0-null"));
    assert_eq!(contacts(&outcome).len(), 2);
}

#[test]
fn an_address_of_record_is_a_sip_uri_with_a_user() {
    let of = |to: &str| Aor::of_request(&request(to, "1", 1, &[]));
    assert_eq!(of("sips:%61lice:pw@CONF.example:5061;user=phone").as_ref(), Ok(&alice()));
    assert_eq!(of("isbn:2983792873"), Err(AorError::NotSip));
    assert_eq!(of("<sip:conf.example>"), Err(AorError::NoUser));
    let mut registrar = Registrar::new(Limits::default());
    assert_eq!(registrar.register(clock::now(), &request("isbn:2983792873", "1", 1, &[]), &hop()).status, 400);
    assert_eq!(Desk::new().register(&["Contact: <name:John_Smith>"]).status, 400);
}

#[test]
fn bounds_hold_for_one_user_and_for_all() {
    let mut desk = Desk::with(Limits { per_aor: 2, total: 3, ..Limits::default() });
    assert_eq!(desk.register(&["Contact: <sip:a@h.example>, <sip:b@h.example>, <sip:c@h.example>"]).status, 403);
    assert_eq!(desk.register(&["Contact: <sip:a@h.example>, <sip:b@h.example>"]).status, 200);
    assert_eq!(desk.register(&["Contact: <sip:c@h.example>"]).status, 403);
    let bob = request("<sip:bob@conf.example>", "b", 1, &["Contact: <sip:d@h.example>, <sip:e@h.example>"]);
    let full = desk.registrar.register(desk.now, &bob, &hop());
    assert_eq!((full.status, full.headers), (503, vec![("Retry-After".into(), "60".into())]));
    assert_eq!(desk.register(&["Contact: <sip:a@h.example>"]).status, 200, "a refresh needs no room");
    desk.register(&["Contact: *", "Expires: 0"]);
    assert_eq!(desk.registrar.register(desk.now, &bob, &hop()).status, 200);
    assert_eq!(desk.registrar.users(desk.now).map(|(aor, n)| (aor.to_string(), n)).collect::<Vec<_>>(), [("bob@conf.example".into(), 2)]);
}

#[test]
fn the_way_back_is_remembered_until_its_connection_closes() {
    let mut desk = Desk::new();
    desk.register(&["Contact: <sip:udp@10.0.0.1>"]);
    let flow = Hop { transport: Transport::Tls, flow: Some(FlowId(7)), ..hop() };
    let lines = ["Contact: <sip:tls@10.0.0.2>;q=0.5", "Path: <sip:p1.example;lr>,<sip:p2.example;lr>", "Supported: path"];
    let outcome = desk.registrar.register(desk.now, &request("<sip:alice@conf.example>", "tls", 1, &lines), &flow);
    assert_eq!(outcome.headers.iter().filter(|(name, _)| name == "Path").count(), 2);
    let ways = |desk: &Desk| desk.registrar.lookup(desk.now, &alice()).iter().map(|b| b.hop.clone()).collect::<Vec<_>>();
    assert_eq!(ways(&desk), [Some(hop()), Some(flow)]);
    assert_eq!(desk.registrar.lookup(desk.now, &alice())[1].path.len(), 2);
    desk.registrar.handle_flow_closed(FlowId(7));
    assert_eq!(ways(&desk), [Some(hop()), None]);
}

#[test]
fn a_store_gives_back_what_it_took() {
    let mut desk = Desk::new();
    desk.register(&[
        "Contact: <sip:a@192.0.2.1>;expires=100;+sip.instance=\"<urn:uuid:1>\"",
        "Contact: <sip:b@h.example>;expires=500;q=0.5",
    ]);
    let wall = UNIX_EPOCH + SECOND * 1_000_000;
    let saved = desk.registrar.export(desk.now, wall, None);
    assert_eq!(saved, desk.registrar.export(desk.now, wall, Some(&alice())));
    assert_eq!((saved.len(), saved[0].expires, saved[0].hop.as_str()), (2, wall + SECOND * 100, "udp:192.0.2.9:5062"));
    let mut again = Desk::new();
    let mut broken = saved[1].clone();
    broken.contact = "nonsense".into();
    let later = wall + SECOND * 99;
    assert_eq!(again.registrar.import(again.now, later, [saved[0].clone(), saved[1].clone(), broken]), 2);
    assert_eq!(again.contacts(), desk.contacts());
    assert_eq!(again.registrar.lookup(again.now, &alice())[0].hop, Some(hop()));
    assert_eq!(again.registrar.next_timeout(), Some(again.now + SECOND));
    assert_eq!(again.send("ua-1", 1, &["Contact: <sip:b@h.example>;expires=0"]).status, 500, "the order survives as well");
    let mut late = Desk::new();
    assert_eq!(late.registrar.import(late.now, wall + SECOND * 100, saved), 1, "what has expired meanwhile stays away");
}

#[test]
fn an_account_that_is_gone_takes_its_contacts_along() {
    let mut desk = Desk::new();
    desk.register(&["Contact: <sip:a@h.example>"]);
    assert!(desk.registrar.remove(&alice()));
    assert!(!desk.registrar.remove(&alice()));
    assert_eq!(desk.registrar.next_timeout(), None);
}
