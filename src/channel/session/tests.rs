//! Sender and receiver against each other.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::*;
use crate::{
    channel::{
        session::sender::Failure,
        wire::{
            chunk::{Header, LAST},
            letter::{Compression, Content, Failed, FailedCode, Letter, Offer, Way},
        },
    },
    transfer::{Algorithm, Digest, Entry, Kind, Manifest, SafePath, Sparse, Trailer},
};

const CHUNK: u32 = 4096;

/// A batch of one file.
fn batch(bytes: &[u8]) -> (Offer, Bytes, Trailer) {
    let path = SafePath::new("notes.txt").expect("a safe name");
    let entry = Entry::new(path, Kind::File { size: Some(bytes.len() as u64) });
    let manifest = Manifest::new(vec![entry]).expect("a manifest");
    let json = Bytes::from(manifest.to_json());
    let offer = Offer {
        content: Content::Files,
        files: 1,
        bytes: manifest.total(),
        names: vec!["notes.txt".into()],
        manifest: u32::try_from(json.len()).expect("small"),
        digest: Digest::blake3(&json),
        chunk: CHUNK,
        streams: 1,
        compression: None,
        sparse: Sparse::default(),
        calls: true,
    };
    (offer, json, Trailer { algorithm: Algorithm::Blake3, files: vec![Digest::blake3(bytes)] })
}

/// How a side ended, once it has.
type End = Option<Result<(), Failure>>;

/// The two, and everything that was said, on virtual time.
struct Talk {
    sender: Sender,
    receiver: Receiver,
    intake: Intake,
    now: Instant,
    said: Vec<String>,
    /// What the receiver put down.
    put: Vec<u8>,
    /// The receiver names these, and decides when the test says so.
    listens: Option<Vec<SocketAddr>>,
    /// What the sender was to call.
    calls: Vec<Vec<SocketAddr>>,
    answer: Result<(u64, Way), String>,
    began: Option<(u64, Way)>,
    packed: Option<bool>,
    trailer: Trailer,
    ends: (End, End),
}

impl Talk {
    fn new(bytes: &[u8]) -> Self {
        let (offer, json, trailer) = batch(bytes);
        Self {
            sender: Sender::new(offer, json),
            receiver: Receiver::default(),
            intake: Intake::new(0, Some(bytes.len() as u64), CHUNK, 1),
            now: crate::clock::now(),
            said: Vec::new(),
            put: Vec::new(),
            listens: None,
            calls: Vec::new(),
            answer: Ok((0, Way::Relay)),
            began: None,
            packed: None,
            trailer,
            ends: (None, None),
        }
    }

    /// Lets both speak until neither has anything to say.
    fn settle(&mut self) {
        loop {
            let mut quiet = true;
            while let Some(action) = self.sender.poll_action() {
                quiet = false;
                match action {
                    SenderAction::Tell(letter) => {
                        self.said.push(format!("> {}", sender::name(&letter)));
                        let read = Letter::read(&letter.write().into()).expect("what is written is read");
                        self.receiver.handle_letter(read);
                    }
                    SenderAction::Call(addresses) => self.calls.push(addresses),
                    SenderAction::Begin { from, way, packed } => (self.began, self.packed) = (Some((from, way)), Some(packed)),
                    SenderAction::Over(how) => self.ends.0 = Some(how),
                }
            }
            while let Some(action) = self.receiver.poll_action(self.now) {
                quiet = false;
                match action {
                    ReceiverAction::Tell(letter) => {
                        self.said.push(format!("< {}", sender::name(&letter)));
                        let read = Letter::read(&letter.write().into()).expect("what is written is read");
                        self.sender.handle_letter(read);
                    }
                    ReceiverAction::Ask { offer, manifest } => {
                        assert_eq!((offer.files as usize, manifest.files().len()), (1, 1));
                        let from = self.answer.as_ref().map_or(0, |(from, _)| *from);
                        self.intake = Intake::new(from, manifest.total(), offer.chunk, offer.streams);
                        match self.listens.clone() {
                            Some(addresses) => self.receiver.handle_listening(addresses),
                            None => self.receiver.handle_answer(self.answer.clone()),
                        }
                    }
                    ReceiverAction::Verify(trailer) => {
                        if trailer == self.trailer {
                            self.receiver.handle_verified(0);
                        } else {
                            self.receiver.handle_failure(Failed::new(FailedCode::Integrity, "another digest"));
                        }
                    }
                    ReceiverAction::Over(how) => self.ends.1 = Some(how),
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn chunk(&mut self, index: u64, flags: u8, bytes: &[u8]) {
        let length = u32::try_from(bytes.len() + 16).expect("small");
        let header = Header { length, index, flags };
        let put = |bytes: &[u8]| {
            self.put.extend_from_slice(bytes);
            Ok(())
        };
        match self.intake.take(&header, bytes, put) {
            Ok(()) => self.receiver.handle_landed(self.intake.landed()),
            Err::<(), Failed>(failed) => self.receiver.handle_failure(failed),
        }
        self.settle();
    }

    fn failed(&self, of: &End) -> FailedCode {
        match of {
            Some(Err(Failure::Ours(failed) | Failure::Theirs(failed))) => failed.code,
            other => panic!("{other:?} after {:?}", self.said),
        }
    }
}

#[test]
fn a_batch_is_offered_accepted_sent_ended_and_done() {
    let mut talk = Talk::new(b"see you at ten");
    talk.settle();
    assert_eq!((talk.began, &talk.said[..]), (Some((0, Way::Relay)), &["> offer", "> manifest", "< accept"].map(str::to_owned)[..]));
    talk.chunk(0, 0, b"see you ");
    talk.chunk(1, 0, b"at ten");
    talk.chunk(2, LAST, b"");
    assert_eq!(talk.ends.1, None, "the end is to come");
    let trailer = talk.trailer.clone();
    talk.sender.handle_sent(14, 3, &trailer);
    talk.settle();
    assert_eq!(talk.put, b"see you at ten");
    assert_eq!(talk.ends, (Some(Ok(())), Some(Ok(()))));
    assert_eq!(&talk.said[3..], ["< progress", "> digests", "> end", "< done"]);
}

#[test]
fn the_end_may_come_before_the_chunks_and_chunks_in_any_order() {
    let mut talk = Talk::new(b"abcdef");
    talk.settle();
    let trailer = talk.trailer.clone();
    talk.sender.handle_sent(6, 4, &trailer);
    talk.settle();
    for (index, flags, bytes) in [(3, LAST, &b""[..]), (1, 0, b"cd"), (0, 0, b"ab"), (2, 0, b"ef")] {
        talk.chunk(index, flags, bytes);
    }
    assert_eq!((talk.put.as_slice(), &talk.ends.0), (&b"abcdef"[..], &Some(Ok(()))));
}

#[test]
fn a_receiver_goes_on_where_it_was_and_one_that_does_not_want_says_why() {
    let mut talk = Talk::new(b"abcdef");
    talk.answer = Ok((4, Way::Direct));
    talk.settle();
    assert_eq!((talk.began, talk.sender.received()), (Some((4, Way::Direct)), 4));
    talk.chunk(0, LAST, b"ef");
    let trailer = talk.trailer.clone();
    talk.sender.handle_sent(6, 1, &trailer);
    talk.settle();
    assert_eq!((talk.put.as_slice(), &talk.ends.0), (&b"ef"[..], &Some(Ok(()))));

    let mut talk = Talk::new(b"abcdef");
    talk.answer = Err("not today".into());
    talk.settle();
    let declined = Some(Err(Failure::Declined("not today".into())));
    assert_eq!(talk.ends, (declined.clone(), declined));
}

fn addresses(count: u8) -> Vec<SocketAddr> {
    (0..count).map(|at| ([192, 0, 2, at], 4000).into()).collect()
}

/// A receiver that names so many addresses, and decides later.
fn listening(count: u8) -> Talk {
    let mut talk = Talk::new(b"abcdef");
    talk.listens = Some(addresses(count));
    talk.settle();
    talk
}

#[test]
fn a_sender_calls_a_receiver_that_says_where_once_and_says_what_came_of_it() {
    for (unreached, way) in [(None, Way::Called), (None, Way::Direct), (None, Way::Relay), (Some("refused".to_owned()), Way::Relay)] {
        let mut talk = listening(16);
        assert_eq!((&talk.calls[..], talk.receiver.called()), (&[addresses(16)][..], None));
        assert_eq!(&talk.said[2..], ["< listening"]);
        talk.sender.handle_called(unreached.clone());
        talk.settle();
        assert_eq!(talk.receiver.called(), Some(unreached.as_deref().map_or(Ok(()), Err)));
        assert!(!talk.receiver.may_be_called(), "it was, once");
        talk.receiver.handle_answer(Ok((0, way)));
        talk.settle();
        assert_eq!((talk.began, &talk.said[3..]), (Some((0, way)), &["> called", "< accept"].map(str::to_owned)[..]));
    }
}

#[test]
fn who_has_decided_hears_no_more_of_calls_and_one_that_was_on_its_way_does_no_harm() {
    // The sender hears the decision first…
    let mut talk = listening(1);
    talk.receiver.handle_answer(Ok((0, Way::Direct)));
    talk.settle();
    talk.sender.handle_called(None);
    talk.settle();
    assert_eq!((talk.began, &talk.said[3..]), (Some((0, Way::Direct)), &["< accept"].map(str::to_owned)[..]));
    // …or both speak at the same time.
    let mut talk = listening(1);
    talk.receiver.handle_answer(Ok((0, Way::Relay)));
    talk.receiver.handle_letter(Letter::Called { unreached: None });
    talk.settle();
    assert_eq!((talk.began, &talk.ends), (Some((0, Way::Relay)), &(None, None)));
}

#[test]
fn nobody_is_told_where_to_call_who_does_not_call() {
    let mut talk = Talk::new(b"abcdef");
    let (offer, json, _) = batch(b"abcdef");
    talk.sender = Sender::new(Offer { calls: false, ..offer }, json);
    talk.listens = Some(addresses(1));
    talk.settle();
    assert!(!talk.receiver.may_be_called());
    assert_eq!(talk.said, ["> offer", "> manifest"]);
    talk.sender.handle_letter(Letter::Listening { addresses: addresses(1) });
    talk.settle();
    assert_eq!((talk.failed(&talk.ends.0), talk.calls.len()), (FailedCode::Protocol, 0));
}

#[test]
fn what_is_not_what_was_sent_ends_both_sides_by_integrity() {
    type Wrong = fn(&mut Talk);
    let cases: [(&str, Wrong); 6] = [
        ("a chunk twice", |talk| {
            talk.chunk(0, 0, b"ab");
            talk.chunk(0, 0, b"ab");
        }),
        ("a chunk from beyond the window", |talk| talk.chunk(1 << 20, 0, b"ab")),
        ("a chunk behind the last", |talk| {
            talk.chunk(0, LAST, b"abcdef");
            talk.chunk(1, 0, b"g");
        }),
        ("fewer bytes than the end says", |talk| {
            talk.chunk(0, LAST, b"abc");
            let trailer = talk.trailer.clone();
            talk.sender.handle_sent(6, 1, &trailer);
        }),
        ("fewer chunks than the end says", |talk| {
            talk.chunk(0, LAST, b"abcdef");
            let trailer = talk.trailer.clone();
            talk.sender.handle_sent(6, 2, &trailer);
        }),
        ("another digest", |talk| {
            talk.chunk(0, LAST, b"abcdef");
            talk.sender.handle_sent(6, 1, &Trailer { algorithm: Algorithm::Blake3, files: vec![Digest([0; 32])] });
        }),
    ];
    for (what, wrong) in cases {
        let mut talk = Talk::new(b"abcdef");
        talk.settle();
        wrong(&mut talk);
        talk.settle();
        assert_eq!((talk.failed(&talk.ends.0), talk.failed(&talk.ends.1)), (FailedCode::Integrity, FailedCode::Integrity), "{what}");
    }
}

#[test]
fn what_a_peer_must_not_say_ends_the_session_and_is_told_to_it() {
    type Wrong = fn(&mut Talk);
    let cases: [(&str, Wrong); 14] = [
        ("addresses before the manifest", |talk| talk.sender.handle_letter(Letter::Listening { addresses: addresses(1) })),
        ("addresses twice", |talk| {
            *talk = listening(1);
            talk.sender.handle_letter(Letter::Listening { addresses: addresses(1) });
        }),
        ("addresses when it is decided", |talk| {
            talk.settle();
            talk.sender.handle_letter(Letter::Listening { addresses: addresses(1) });
        }),
        ("too many addresses", |talk| *talk = listening(17)),
        ("that it comes by calls that have reached nobody", |talk| {
            *talk = listening(1);
            talk.sender.handle_called(Some("refused".to_owned()));
            talk.settle();
            talk.receiver.handle_answer(Ok((0, Way::Called)));
        }),
        ("what came of calls that nobody asked for", |talk| {
            talk.settle();
            talk.receiver.handle_letter(Letter::Called { unreached: None });
        }),
        ("what came of its calls twice", |talk| {
            *talk = listening(1);
            talk.receiver.handle_letter(Letter::Called { unreached: None });
            talk.receiver.handle_letter(Letter::Called { unreached: None });
        }),
        ("accept before the manifest", |talk| {
            talk.sender.handle_letter(Letter::Accept { from: 0, way: Way::Relay, once: false, compression: None });
        }),
        ("from behind the end", |talk| {
            talk.answer = Ok((7, Way::Relay));
        }),
        ("progress beyond the end", |talk| {
            talk.settle();
            talk.sender.handle_letter(Letter::Progress { received: 9, durable: 0 });
        }),
        ("progress that shrinks", |talk| {
            talk.settle();
            talk.sender.handle_letter(Letter::Progress { received: 5, durable: 5 });
            talk.sender.handle_letter(Letter::Progress { received: 5, durable: 4 });
        }),
        ("done before the end", |talk| {
            talk.settle();
            talk.sender.handle_letter(Letter::Done { skipped: 0 });
        }),
        ("a second offer", |talk| {
            talk.settle();
            talk.receiver.handle_letter(Letter::Offer(batch(b"x").0));
        }),
        ("more digests than files", |talk| {
            talk.settle();
            talk.receiver.handle_letter(Letter::Digests(Bytes::from(vec![0; 33])));
        }),
    ];
    for (what, wrong) in cases {
        let mut talk = Talk::new(b"abcdef");
        wrong(&mut talk);
        talk.settle();
        assert_eq!((talk.failed(&talk.ends.0), talk.failed(&talk.ends.1)), (FailedCode::Protocol, FailedCode::Protocol), "{what}");
    }
}

#[test]
fn an_offer_out_of_bounds_is_refused_before_anybody_is_asked() {
    type Odd = fn(&mut Offer);
    let cases: [(&str, Odd); 7] = [
        ("too many sparse files", |offer| {
            let many: Vec<String> = (0..=1000).map(|file| format!("\"{file}\":0")).collect();
            offer.sparse = serde_json::from_str(&format!("{{{}}}", many.join(","))).expect("JSON");
        }),
        ("a manifest over the bound", |offer| offer.manifest = u32::MAX),
        ("chunks too large", |offer| offer.chunk = u32::MAX),
        ("chunks of nothing", |offer| offer.chunk = 0),
        ("no connection", |offer| offer.streams = 0),
        ("too many names", |offer| offer.names = vec![String::new(); 21]),
        ("another number of files", |offer| offer.files = 7),
    ];
    for (what, odd) in cases {
        let mut talk = Talk::new(b"abcdef");
        let (mut offer, json, _) = batch(b"abcdef");
        odd(&mut offer);
        talk.sender = Sender::new(offer, json);
        talk.settle();
        assert_eq!(talk.failed(&talk.ends.1), FailedCode::Protocol, "{what}");
    }
    let mut talk = Talk::new(b"abcdef");
    let (offer, json, _) = batch(b"abcdef");
    talk.sender = Sender::new(Offer { digest: Digest([9; 32]), ..offer }, json);
    talk.settle();
    assert_eq!(talk.failed(&talk.ends.0), FailedCode::Integrity);
}

#[test]
fn the_sender_is_told_how_far_the_receiver_is_at_once_or_a_little_later_and_waits_at_the_window() {
    let bytes = vec![7; 8 << 20];
    let mut talk = Talk::new(&bytes);
    talk.settle();
    assert_eq!(talk.sender.limit(), WINDOW);
    talk.chunk(0, 0, &bytes[..4096]);
    talk.chunk(1, 0, &bytes[..4096]);
    assert_eq!(talk.sender.received(), 4096, "the second waits");
    talk.now = talk.receiver.next_timeout().expect("it is to be told");
    talk.settle();
    assert_eq!((talk.sender.received(), talk.receiver.next_timeout()), (8192, None));
    talk.receiver.handle_durable(8192);
    talk.now += Duration::from_millis(250);
    talk.settle();
    assert_eq!((talk.sender.durable(), talk.sender.limit()), (8192, WINDOW + 8192));
    for index in 2..1026 {
        talk.chunk(index, 0, &bytes[..4096]);
    }
    assert_eq!(talk.sender.received(), 8192 + (4 << 20), "four mebibytes are told at once");
}

#[test]
fn a_chunk_that_was_kept_back_is_missed_when_the_connections_have_ended_and_nobody_is_gone() {
    for (last, end) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut talk = Talk::new(b"see you at ten");
        talk.settle();
        talk.chunk(0, 0, b"see you ");
        if last {
            talk.chunk(2, LAST, b"");
        }
        let trailer = talk.trailer.clone();
        if end {
            talk.sender.handle_sent(14, 3, &trailer);
        }
        talk.settle();
        talk.now += Duration::from_secs(60);
        talk.settle();
        assert_eq!(talk.ends, (None, None), "it may be on its way");
        talk.receiver.handle_chunks_ended(talk.now);
        talk.now += Duration::from_secs(2);
        talk.receiver.handle_chunks_ended(talk.now);
        talk.settle();
        assert_eq!(talk.ends, (None, None), "the relay may say that somebody is gone");
        talk.now = talk.receiver.next_timeout().expect("something to wait for");
        talk.settle();
        assert_eq!(talk.failed(&talk.ends.1), FailedCode::Integrity, "{:?}", talk.said);
        assert_eq!(talk.failed(&talk.ends.0), FailedCode::Integrity);
    }
}

#[test]
fn a_sender_may_take_its_time_for_the_digests_when_all_chunks_have_come() {
    let mut talk = Talk::new(b"see you at ten");
    talk.settle();
    talk.chunk(0, 0, b"see you at ten");
    talk.chunk(1, LAST, b"");
    talk.receiver.handle_chunks_ended(talk.now);
    talk.now += Duration::from_secs(3600);
    talk.settle();
    assert_eq!(talk.receiver.next_timeout(), None);
    let trailer = talk.trailer.clone();
    talk.sender.handle_sent(14, 2, &trailer);
    talk.settle();
    assert_eq!(talk.ends, (Some(Ok(())), Some(Ok(()))));
}

#[test]
fn chunks_are_compressed_where_it_was_offered_and_is_understood() {
    for (offered, packed) in [(Some(Compression::Zstd), true), (Some(Compression::Unknown), false), (None, false)] {
        let mut talk = Talk::new(b"abcdef");
        let (offer, json, _) = batch(b"abcdef");
        talk.sender = Sender::new(Offer { compression: offered, ..offer }, json);
        talk.settle();
        assert_eq!(talk.packed, Some(packed), "{offered:?}");
    }
    // A receiver cannot have what nobody offered.
    let (offer, json, _) = batch(b"abcdef");
    for wanted in [Compression::Zstd, Compression::Unknown] {
        let mut sender = Sender::new(offer.clone(), json.clone());
        while sender.poll_action().is_some() {}
        sender.handle_letter(Letter::Accept { from: 0, way: Way::Relay, once: false, compression: Some(wanted) });
        let told = sender.poll_action();
        assert!(matches!(&told, Some(SenderAction::Tell(Letter::Failed(failed))) if failed.code == FailedCode::Protocol), "{told:?}");
    }
}
