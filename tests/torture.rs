//! Every torture message gets its verdict: as a datagram, on a stream, and in other words.
//!
//! The messages in `tests/torture/` were written for this project, with the faults of RFC 4475 and RFC 5118. The RFCs' own messages are tried
//! as well when `CONFKIT_TORTURE_DIR` names a folder that has them. `cargo test --test torture -- --nocapture` prints what each got.

use std::fmt::Write as _;

use bytes::Bytes;
use confkit::{
    clock,
    sip::{
        Hop, Transport,
        endpoint::{Endpoint, EndpointConfig, Event},
        framing::{Frame, Framer, MAX_PIECE},
        message::{Fault, Framing, Message, Method, parse},
    },
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;

#[path = "torture/set.rs"]
mod set;
#[path = "torture/variants.rs"]
mod variants;

use set::Case;

/// Variants of each message.
const VARIANTS: u64 = 150;

fn verdict(parsed: Result<Message, Fault>) -> String {
    match parsed {
        Ok(_) => "accept".into(),
        Err(Fault::Drop(_)) => "drop".into(),
        Err(Fault::Answer { response, .. }) => response.status.to_string(),
    }
}

fn as_datagram(bytes: &[u8]) -> String {
    verdict(parse(&Bytes::copy_from_slice(bytes), Framing::Datagram))
}

fn on_stream(bytes: &[u8], piece: usize) -> String {
    let (mut framer, now) = (Framer::new(), clock::now());
    for piece in bytes.chunks(piece) {
        framer.push(now, piece);
        loop {
            match framer.next() {
                Ok(Some(Frame::Message(bytes))) => return verdict(parse(&bytes, Framing::Stream)),
                Ok(Some(Frame::Ping | Frame::Pong)) => {}
                Ok(None) => break,
                Err(error) => return error.response.map_or("close".into(), |r| format!("{}+close", r.status)),
            }
        }
    }
    "wait".into()
}

/// Tries all cases and their variants: a table of what each got, and which got something else.
fn judge(cases: &[Case]) -> (String, String) {
    let (mut table, mut wrong) = (String::new(), String::new());
    for case in cases {
        let got = (as_datagram(&case.bytes), on_stream(&case.bytes, MAX_PIECE));
        let expected = (case.datagram.clone(), case.stream.clone());
        let mark = if got == expected { "" } else { "  <-- wrong" };
        let _ =
            writeln!(table, "{:<30} expected {expected:?} got {got:?} a server answers {}{mark} {}", case.name, case.agent, case.section);
        if got != expected {
            let _ = writeln!(wrong, "{}: expected {expected:?}, got {got:?}", case.name);
        }
        for seed in 0..VARIANTS {
            let variant = variants::vary(&case.bytes, &mut ChaCha12Rng::seed_from_u64(seed));
            let got = (as_datagram(&variant), on_stream(&variant, 1 + usize::try_from(seed).expect("small") * 7));
            if got != expected {
                let text = String::from_utf8_lossy(&variant);
                let _ = writeln!(wrong, "{} variant {seed}: expected {expected:?}, got {got:?}\n{text}", case.name);
                break;
            }
        }
    }
    (table, wrong)
}

#[test]
fn the_messages_of_this_project_get_their_verdicts_in_whatever_words() {
    let (table, wrong) = judge(&set::own());
    println!("{table}");
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn the_messages_of_the_rfcs_get_their_verdicts_where_they_are_present() {
    assert_eq!((set::names("rfc4475.txt").len(), set::names("rfc5118.txt").len()), (49, 12));
    match set::of_the_rfcs() {
        Some(cases) => {
            println!("{} messages of RFC 4475 and RFC 5118", cases.len());
            assert!(!cases.is_empty(), "CONFKIT_TORTURE_DIR holds none of the messages");
            let (table, wrong) = judge(&cases);
            println!("{table}");
            assert!(wrong.is_empty(), "\n{wrong}");
        }
        None => println!("CONFKIT_TORTURE_DIR is not set: only the messages of this project were tried"),
    }
}

#[test]
fn a_renumbered_message_is_the_same_but_for_branch_and_call_id() {
    let lines = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect::<Vec<_>>();
    for case in set::own() {
        let (before, after) = (lines(&case.bytes), lines(&variants::renumber(&case.bytes, b"x9")));
        let changed = before.iter().zip(&after).filter(|(b, a)| b != a);
        let allowed = |line: &str| ["call-id", "via", "i", "v", " ", "\t"].iter().any(|name| line.to_lowercase().starts_with(name));
        assert_eq!(before.len(), after.len(), "{}", case.name);
        assert!(changed.clone().all(|(b, a)| allowed(b) && a.contains("x9")), "{}: {:?}", case.name, changed.collect::<Vec<_>>());
    }
}

#[test]
fn variants_differ_from_their_message_and_from_each_other() {
    for case in set::own().iter().filter(|case| case.datagram == "accept") {
        let variants: std::collections::BTreeSet<_> =
            (0..20).map(|seed| variants::vary(&case.bytes, &mut ChaCha12Rng::seed_from_u64(seed))).collect();
        assert_eq!(variants.len(), 20, "{}", case.name);
        assert!(!variants.contains(&case.bytes), "{}", case.name);
    }
}

/// What a user agent makes of a datagram by itself: the status of its final answer, `up` when it asks its owner, nothing otherwise.
fn as_user_agent(bytes: &[u8]) -> Option<String> {
    let mut config = EndpointConfig::default().at(Transport::Udp, "as.rooms.example".parse().expect("a host"), None);
    config.allow.push(Method::Register);
    let (mut endpoint, now) = (Endpoint::new(config, [3; 32]), clock::now());
    let from = Hop::new(Transport::Udp, "192.0.2.77:5071".parse().expect("an address"));
    endpoint.handle_bytes(now, Bytes::copy_from_slice(bytes), from);
    while let Some(event) = endpoint.poll_event() {
        if matches!(event, Event::Invite { .. } | Event::Request { .. }) {
            return Some("up".into());
        }
    }
    let mut answers = std::iter::from_fn(|| endpoint.poll_transmit()).map(|transmit| {
        assert_eq!(transmit.hop.socket().map(|a| a.ip().to_string()).as_deref(), Some("192.0.2.77"), "back to where it came from");
        match parse(&transmit.bytes, Framing::Datagram) {
            Ok(Message::Response(response)) => response.status.to_string(),
            // An answer that repeats what is malformed is no message to us.
            _ => String::from_utf8_lossy(&transmit.bytes).split(' ').nth(1).unwrap_or_default().to_owned(),
        }
    });
    answers.find(|status| !status.starts_with('1'))
}

#[test]
fn a_user_agent_answers_each_message_as_it_must_or_asks_its_owner() {
    let mut wrong = String::new();
    for case in set::own().into_iter().chain(set::of_the_rfcs().unwrap_or_default()) {
        let got = as_user_agent(&case.bytes);
        let right = match (case.agent.as_str(), got.as_deref()) {
            ("silent" | "drop", got) => got.is_none(),
            // These are its own to decide; the others are decided by what stands above it.
            ("400" | "414" | "416" | "416|404" | "420" | "481" | "501|405" | "505", got) => got.is_some_and(|g| case.agent.contains(g)),
            (_, got) => got == Some("up"),
        };
        if !right {
            let _ = writeln!(wrong, "{}: must be {}, is {got:?}", case.name, case.agent);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn an_answer_goes_to_the_call_that_it_belongs_to() {
    for case in set::own() {
        let text = String::from_utf8_lossy(&case.bytes).into_owned();
        let Err(Fault::Answer { response, .. }) = parse(&Bytes::from(case.bytes), Framing::Datagram) else { continue };
        let printed = response.to_bytes();
        let head = String::from_utf8_lossy(&printed).into_owned();
        assert!(head.split("\r\n").all(|line| !line.contains(['\r', '\n'])), "{}: {head}", case.name);
        assert!(response.headers.get("Via").is_some(), "{}", case.name);
        for (name, value) in response.headers.iter().filter(|(name, _)| ["Call-ID", "CSeq"].contains(name)) {
            assert!(text.contains(value), "{}: {name} is not the request's: {value}", case.name);
        }
        if text.contains("Call-ID:") {
            assert!(response.headers.get("Call-ID").is_some(), "{}", case.name);
        }
    }
}
