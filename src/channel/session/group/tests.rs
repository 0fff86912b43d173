//! A sender and several receivers, whose letters are written here.

use super::*;
use crate::{
    channel::wire::letter::{Compression, Content, Way},
    transfer::{Algorithm, Digest, Entry, Kind, Manifest, SafePath, Sparse},
};

const SIZE: u64 = 1000;
const ONE: Peer = Peer(1);
const TWO: Peer = Peer(2);
const THREE: Peer = Peer(3);

fn group(wanted: usize) -> Group {
    let path = SafePath::new("notes.txt").expect("a safe name");
    let manifest = Manifest::new(vec![Entry::new(path, Kind::File { size: Some(SIZE) })]).expect("a manifest");
    let json = Bytes::from(manifest.to_json());
    let offer = Offer {
        content: Content::Files,
        files: 1,
        bytes: manifest.total(),
        names: vec!["notes.txt".into()],
        manifest: u32::try_from(json.len()).expect("small"),
        digest: Digest::blake3(&json),
        chunk: 4096,
        streams: 1,
        compression: Some(Compression::Zstd),
        sparse: Sparse::default(),
        calls: false,
    };
    Group::new(offer, json, wanted)
}

fn trailer() -> Trailer {
    Trailer { algorithm: Algorithm::Blake3, files: vec![Digest([7; 32])] }
}

/// Everything it has to say now: letters by their names, the rest in words.
fn said(group: &mut Group) -> Vec<String> {
    std::iter::from_fn(|| group.poll_action())
        .map(|action| match action {
            GroupAction::Tell { seat, letter } => format!("{seat}: {}", super::super::sender::name(&letter)),
            GroupAction::Begin { from, seats, packed } => {
                let seats: Vec<String> = seats.iter().map(ToString::to_string).collect();
                format!("begin at {from} for {}{}", seats.join(" "), if packed { ", compressed" } else { "" })
            }
            GroupAction::Ended { seat, how: Ok(()) } => format!("{seat}: ended well"),
            GroupAction::Ended { seat, how: Err(Parted::Gone(reason)) } => format!("{seat}: gone, {reason:?}"),
            GroupAction::Ended { seat, how: Err(Parted::Failure(Failure::Declined(_))) } => format!("{seat}: declined"),
            GroupAction::Ended { seat, how: Err(Parted::Failure(_)) } => format!("{seat}: failed"),
            GroupAction::Over => "over".to_owned(),
        })
        .collect()
}

fn accept(group: &mut Group, seat: Peer) {
    group.handle_letter(seat, Letter::Accept { from: 0, way: Way::Relay, once: false, compression: None });
}

/// All of them are there and want it.
fn begun(wanted: u8) -> Group {
    let mut group = group(wanted.into());
    (1..=wanted).for_each(|seat| group.handle_joined(Peer(seat)));
    said(&mut group);
    (1..=wanted).for_each(|seat| accept(&mut group, Peer(seat)));
    let all: Vec<String> = (1..=wanted).map(|seat| seat.to_string()).collect();
    assert_eq!(said(&mut group), [format!("begin at 0 for {}", all.join(" "))]);
    group
}

#[test]
fn chunks_go_out_when_as_many_as_are_wanted_have_come_and_decided() {
    let mut group = group(3);
    group.handle_joined(ONE);
    assert_eq!(said(&mut group), ["1: offer", "1: manifest"]);
    accept(&mut group, ONE);
    group.handle_joined(TWO);
    assert_eq!(said(&mut group), ["2: offer", "2: manifest"]);
    group.handle_letter(TWO, Letter::Decline { why: "no".into() });
    assert_eq!(said(&mut group), ["2: declined"], "the third is to come");
    group.handle_joined(THREE);
    group.handle_joined(Peer(4));
    assert_eq!(said(&mut group), ["3: offer", "3: manifest"], "the fourth is one too many");
    assert_eq!(group.present(), 3);
    accept(&mut group, THREE);
    assert_eq!(said(&mut group), ["begin at 0 for 1 3"]);
    group.handle_sent(SIZE, 2, &trailer());
    assert_eq!(said(&mut group), ["1: digests", "1: end", "3: digests", "3: end"]);
    group.handle_letter(THREE, Letter::Done { skipped: 0 });
    assert_eq!(said(&mut group), ["3: ended well"]);
    group.handle_letter(ONE, Letter::Done { skipped: 0 });
    assert_eq!(said(&mut group), ["1: ended well", "over"]);
    assert_eq!(said(&mut group), [""; 0], "it is said once");
}

#[test]
fn the_slowest_says_how_far_it_goes_until_it_is_gone() {
    let mut group = begun(2);
    group.handle_letter(ONE, Letter::Progress { received: 900, durable: 800 });
    group.handle_letter(TWO, Letter::Progress { received: 300, durable: 100 });
    let window = super::super::WINDOW;
    assert_eq!((group.received(), group.durable(), group.limit()), (300, 100, 300 + window));
    group.handle_gone(TWO, Reason::Slow);
    assert_eq!(said(&mut group), ["2: gone, Slow"]);
    assert_eq!((group.received(), group.durable(), group.limit()), (900, 800, 900 + window));
    group.handle_letter(TWO, Letter::Progress { received: 301, durable: 100 });
    assert_eq!(said(&mut group), [""; 0]);
    group.handle_gone(ONE, Reason::Broken);
    assert_eq!(said(&mut group), ["1: gone, Broken", "over"]);
}

#[test]
fn what_one_does_wrong_is_nothing_to_the_others() {
    let mut group = begun(3);
    group.handle_letter(ONE, Letter::Done { skipped: 0 });
    group.handle_fault(TWO, Failed::new(FailedCode::Integrity, "it does not open"));
    group.handle_letter(THREE, Letter::Progress { received: 10, durable: 0 });
    assert_eq!(said(&mut group), ["1: failed", "1: failed", "2: failed", "2: failed"], "each is told, and then the shell");
    group.handle_sent(SIZE, 2, &trailer());
    assert_eq!(said(&mut group), ["3: digests", "3: end"]);
    group.handle_letter(THREE, Letter::Done { skipped: 0 });
    assert_eq!(said(&mut group), ["3: ended well", "over"]);
}

#[test]
fn who_has_something_already_cannot_begin_with_the_others() {
    let mut group = group(2);
    group.handle_joined(ONE);
    group.handle_joined(TWO);
    said(&mut group);
    accept(&mut group, TWO);
    group.handle_letter(ONE, Letter::Accept { from: 5, way: Way::Relay, once: false, compression: None });
    assert_eq!(said(&mut group), ["begin at 0 for 2", "1: failed", "1: failed"]);
}

#[test]
fn a_failure_here_is_told_to_all_who_are_there_and_nobody_else_is_waited_for() {
    let mut group = group(3);
    group.handle_joined(ONE);
    group.handle_joined(TWO);
    said(&mut group);
    accept(&mut group, ONE);
    group.handle_failure(&Failed::new(FailedCode::Source, "a file changed"));
    assert_eq!(said(&mut group), ["1: failed", "1: failed", "2: failed", "2: failed", "over"]);
}

#[test]
fn nobody_is_waited_for_once_it_is_said_that_those_are_all() {
    let mut group = group(3);
    group.handle_joined(ONE);
    said(&mut group);
    accept(&mut group, ONE);
    assert_eq!(said(&mut group), [""; 0]);
    group.expect(1);
    assert_eq!(said(&mut group), ["begin at 0 for 1"]);
    group.handle_joined(TWO);
    assert_eq!(said(&mut group), [""; 0], "too late");
}

#[test]
fn chunks_are_compressed_where_all_who_want_them_understand_it() {
    let packs = |seat: Peer| (seat, Letter::Accept { from: 0, way: Way::Relay, once: false, compression: Some(Compression::Zstd) });
    let plain = |seat: Peer| (seat, Letter::Accept { from: 0, way: Way::Relay, once: false, compression: None });
    let declines = |seat: Peer| (seat, Letter::Decline { why: "no".into() });
    for (answers, wanted) in [
        ([packs(ONE), packs(TWO)], "begin at 0 for 1 2, compressed"),
        ([packs(ONE), plain(TWO)], "begin at 0 for 1 2"),
        ([plain(ONE), packs(TWO)], "begin at 0 for 1 2"),
        ([packs(ONE), declines(TWO)], "begin at 0 for 1, compressed"),
    ] {
        let mut group = group(2);
        [ONE, TWO].into_iter().for_each(|seat| group.handle_joined(seat));
        said(&mut group);
        answers.into_iter().for_each(|(seat, letter)| group.handle_letter(seat, letter));
        assert_eq!(said(&mut group).last().map(String::as_str), Some(wanted));
    }
}
