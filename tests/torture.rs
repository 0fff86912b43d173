//! Every torture message gets its verdict: as a datagram, on a stream, and in other words.
//!
//! The messages in `tests/torture/` were written for this project, with the faults of RFC 4475 and RFC 5118. The RFCs' own messages are tried
//! as well when `CONFKIT_TORTURE_DIR` names a folder that has them. `cargo test --test torture -- --nocapture` prints what each got.

use std::fmt::Write as _;

use bytes::Bytes;
use confkit::{
    clock,
    sip::{
        framing::{Frame, Framer, MAX_PIECE},
        message::{Fault, Framing, Message, parse},
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

/// Tries all cases and their variants, and tells which got something else.
fn judge(cases: &[Case]) {
    let (mut table, mut wrong) = (String::new(), String::new());
    for case in cases {
        let got = (as_datagram(&case.bytes), on_stream(&case.bytes, MAX_PIECE));
        let expected = (case.datagram.clone(), case.stream.clone());
        let mark = if got == expected { "" } else { "  <-- wrong" };
        let _ = writeln!(table, "{:<30} expected {:?} got {:?}{mark}", case.name, expected, got);
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
    println!("{table}");
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn the_messages_of_this_project_get_their_verdicts_in_whatever_words() {
    judge(&set::own());
}

#[test]
fn the_messages_of_the_rfcs_get_their_verdicts_where_they_are_present() {
    assert_eq!((set::names("rfc4475.txt").len(), set::names("rfc5118.txt").len()), (49, 12));
    match set::of_the_rfcs() {
        Some(cases) => {
            println!("{} messages of RFC 4475 and RFC 5118", cases.len());
            assert!(!cases.is_empty(), "CONFKIT_TORTURE_DIR holds none of the messages");
            judge(&cases);
        }
        None => println!("CONFKIT_TORTURE_DIR is not set: only the messages of this project were tried"),
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
