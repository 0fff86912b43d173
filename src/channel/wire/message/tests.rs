use bytes::BytesMut;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use super::*;
use crate::channel::{
    ChannelNumber, Nameplate, Place,
    wire::{
        ChannelKey, Decoder, MAX_BUFFERED, Proof, Reason, RefusalCode,
        frame::{HEADER_LENGTH, MAX_BODY, MAX_CONTROL, PREFACE},
        request::{Ticket, Wanted},
    },
};

const CHANNEL: ChannelNumber = ChannelNumber(0x0102_0304_0506_0708);

fn proof() -> Proof {
    Proof::from_bytes(*b"0123456789abcdef0123456789abcdef")
}

/// Every frame, and what it has to be on the wire: header in hexadecimal, then the body.
fn golden() -> Vec<(Message, &'static str, &'static [u8])> {
    let nameplate = Nameplate::new(7).expect("a nameplate");
    vec![
        (Message::Challenge([b'c'; 32]), "0100000000000020", &[b'c'; 32]),
        (
            Message::Apply(Apply { ticket: None, peer: None, kind: None, receivers: 1, nameplate: Some(Wanted::Any(true)) }),
            "0200000000000020",
            br#"{"receivers":1,"nameplate":true}"#,
        ),
        (
            Message::Apply(Apply {
                ticket: Some(Ticket("t".to_owned())),
                peer: Some("sip:bob@example.com".to_owned()),
                kind: Some("folder".to_owned()),
                receivers: 3,
                nameplate: Some(Wanted::This(nameplate)),
            }),
            "",
            br#"{"ticket":"t","peer":"sip:bob@example.com","kind":"folder","receivers":3,"nameplate":7}"#,
        ),
        (
            Message::Allocated(Allocated {
                channel: CHANNEL,
                addresses: vec!["192.0.2.1:7000".to_owned()],
                key: ChannelKey::from_bytes(*proof().as_bytes()),
                expires: 60,
                nameplate: Some(nameplate),
            }),
            "",
            br#"{"channel":"0102030405060708","addresses":["192.0.2.1:7000"],"key":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY","expires":60,"nameplate":7}"#,
        ),
        (
            Message::Meet(Meet { place: Place::Nameplate(nameplate), role: Role::Receiver, wait: true }),
            "0400000000000029",
            br#"{"place":7,"role":"receiver","wait":true}"#,
        ),
        (
            Message::Meet(Meet { place: Place::Secret([0xab; 32]), role: Role::Sender, wait: false }),
            "",
            br#"{"place":"abababababababababababababababababababababababababababababababab","role":"sender"}"#,
        ),
        (Message::Met(Met { peer: Peer(1), was: Some(Peer(128)) }), "", br#"{"peer":1,"was":128}"#),
        (Message::Letter { peer: Peer(128), body: Bytes::from_static(b"sealed") }, "0680000000000006", b"sealed"),
        (
            Message::Enter(Enter { channel: CHANNEL, role: Role::Receiver, proof: proof(), seat: Some(Peer(2)) }),
            "",
            br#"{"channel":"0102030405060708","role":"receiver","proof":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY","seat":2}"#,
        ),
        (Message::Entered(Entered { seat: Peer(2), present: vec![Peer(0), Peer(2)] }), "", br#"{"seat":2,"present":[0,2]}"#),
        (
            Message::Join(Join { channel: CHANNEL, seat: Peer(0), stream: 3, proof: proof(), to: vec![Peer(2)] }),
            "",
            br#"{"channel":"0102030405060708","seat":0,"stream":3,"proof":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY","to":[2]}"#,
        ),
        (Message::Joined, "0a00000000000000", b""),
        (Message::Pace(Pace { seat: Peer(2), waiting: 640 }), "", br#"{"seat":2,"waiting":640}"#),
        (
            Message::Gone(Gone::new(Peer(2), Reason::Broken, "its connection ended")),
            "",
            br#"{"peer":2,"reason":"broken","text":"its connection ended"}"#,
        ),
        (Message::Leave(Leave::new(Reason::Done, "")), "0d00000000000011", br#"{"reason":"done"}"#),
        (
            Message::Refused(Refused::new(RefusalCode::Rate, "too many applications").retry(30)),
            "",
            br#"{"code":"rate","text":"too many applications","retry":30}"#,
        ),
        (
            Message::Refused(Refused::new(RefusalCode::Version, "version 2 is not known")),
            "",
            br#"{"code":"version","text":"version 2 is not known","versions":[1]}"#,
        ),
        (Message::Ping(*b"12345678"), "0f00000000000008", b"12345678"),
        (Message::Pong(*b"12345678"), "1000000000000008", b"12345678"),
        (Message::Spent { guess: None }, "1100000000000000", b""),
        (Message::Spent { guess: Some(Peer(128)) }, "1180000000000000", b""),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_frame_has_these_bytes_and_is_read_back() {
    for (message, header, body) in golden() {
        let frame = message.to_frame();
        assert_eq!(String::from_utf8_lossy(&frame.body), String::from_utf8_lossy(body), "{message:?}");
        if !header.is_empty() {
            assert_eq!(hex(&frame.header()), header, "{message:?}");
        }
        assert_eq!(frame.kind, message.kind());
        assert_eq!(Message::read(frame), Ok(message));
    }
    for kind in Kind::ALL {
        assert!(golden().iter().any(|(message, ..)| message.kind() == kind), "{} has no golden bytes", kind.name());
        assert_eq!(Kind::from_number(kind as u8), Some(kind));
    }
}

#[test]
fn what_is_not_said_has_its_default_and_what_is_not_known_is_passed_over() {
    let read = |kind, body: &'static [u8]| Message::read(Frame { kind, peer: Peer(0), body: Bytes::from_static(body) });
    let plain = Apply { ticket: None, peer: None, kind: None, receivers: 1, nameplate: None };
    assert_eq!(read(Kind::Apply, b"{}"), Ok(Message::Apply(plain.clone())));
    assert_eq!(read(Kind::Apply, br#"{"later":[1,2]}"#), Ok(Message::Apply(plain)));
}

#[test]
fn malformed_bodies_are_refused_and_nothing_of_them_is_repeated() {
    let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
    let long = format!(r#"{{"peer":"{}"}}"#, "x".repeat(MAX_PEER + 1));
    let deep = "[".repeat(4000);
    let join = |more: &str| format!(r#"{{"channel":"0102030405060708","proof":"{key}",{more}}}"#);
    for (kind, body) in [
        (Kind::Challenge, "short".to_owned()),
        (Kind::Apply, String::new()),
        (Kind::Apply, "null".to_owned()),
        (Kind::Apply, "{} {}".to_owned()),
        (Kind::Apply, deep),
        (Kind::Apply, long),
        (Kind::Apply, r#"{"receivers":0}"#.to_owned()),
        (Kind::Apply, r#"{"receivers":17}"#.to_owned()),
        (Kind::Apply, r#"{"receivers":256}"#.to_owned()),
        (Kind::Apply, r#"{"nameplate":0}"#.to_owned()),
        (Kind::Apply, format!(r#"{{"ticket":"{}"}}"#, "x".repeat(MAX_TICKET + 1))),
        (Kind::Meet, r#"{"place":7,"role":"spy"}"#.to_owned()),
        (Kind::Meet, r#"{"place":"secret","role":"sender"}"#.to_owned()),
        (Kind::Enter, join(r#""role":"receiver","seat":0"#)),
        (Kind::Enter, join(r#""role":"receiver","seat":128"#)),
        (Kind::Enter, join(r#""role":"sender","seat":1"#)),
        (Kind::Join, join(r#""seat":0,"stream":16"#)),
        (Kind::Join, join(r#""seat":128,"stream":0"#)),
        (Kind::Join, join(r#""seat":1,"stream":0,"to":[2]"#)),
        (Kind::Join, join(r#""seat":0,"stream":0,"to":[0]"#)),
        (Kind::Joined, "x".to_owned()),
        (Kind::Leave, r#"{"reason":"silent"}"#.to_owned()),
        (Kind::Leave, format!(r#"{{"reason":"done","text":"{}"}}"#, "x".repeat(MAX_TEXT + 1))),
        (Kind::Ping, "1234567".to_owned()),
        (Kind::Spent, "x".to_owned()),
    ] {
        let frame = Frame { kind, peer: Peer(0), body: body.clone().into() };
        let error = Message::read(frame).expect_err(&body);
        let (FrameError::Body { .. }, text) = (&error, error.to_string()) else { panic!("{error:?}") };
        assert!(!text.contains(key) && !text.contains("spy") && !text.contains("secret"), "{text}");
    }
}

fn any_stream(rng: &mut ChaCha12Rng) -> (Vec<Frame>, Vec<u8>) {
    let all = golden();
    let (mut frames, mut stream) = (Vec::new(), BytesMut::from(&PREFACE[..]));
    for _ in 0..rng.random_range(1..20) {
        let frame = if rng.random_ratio(1, 4) {
            let length = rng.random_range(0..=MAX_BODY);
            Message::Letter { peer: Peer(rng.random()), body: vec![rng.random(); length].into() }.to_frame()
        } else {
            all[rng.random_range(0..all.len())].0.to_frame()
        };
        frame.write(&mut stream);
        frames.push(frame);
        if rng.random_ratio(1, 4) {
            let skipped = [rng.random_range(0x80..=0xff), 9, 9, 9, 0, 0, 0, 3];
            stream.extend_from_slice(&skipped);
            stream.extend_from_slice(b"new");
        }
    }
    (frames, stream.to_vec())
}

#[test]
fn frames_come_out_as_they_went_in_however_the_stream_is_cut() {
    for seed in 0..50 {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let (frames, stream) = any_stream(&mut rng);
        let (mut decoder, mut read, mut rest) = (Decoder::default(), Vec::new(), &stream[..]);
        decoder.set_limit(MAX_BODY);
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rng.random_range(1..=rest.len().min(30_000)));
            if rng.random() {
                decoder.push(piece).expect("room");
            } else {
                decoder.room().extend_from_slice(piece);
            }
            rest = behind;
            while let Some(frame) = decoder.next_frame().unwrap_or_else(|e| panic!("seed {seed}: {e}")) {
                read.push(frame);
            }
        }
        assert_eq!(read, frames, "seed {seed}");
        assert_eq!((decoder.finish(), decoder.buffered()), (Ok(()), 0));
    }
}

#[test]
fn a_stranger_is_told_apart_by_its_first_byte_and_a_version_by_its_fifth() {
    for (bytes, error) in [
        (&b"G"[..], FrameError::Preface),
        (b"CKRX", FrameError::Preface),
        (b"\x16\x03\x01", FrameError::Preface),
        (b"CKRL\x02", FrameError::Version(2)),
        (b"CKRL\x00\0\0\0", FrameError::Version(0)),
        (b"CKRL\x01\0\0\0\x12", FrameError::Kind(0x12)),
        (b"CKRL\x01\0\0\0\x7f", FrameError::Kind(0x7f)),
        (b"CKRL\x01\0\0\0\0", FrameError::Kind(0)),
        (b"CKRL\x01\0\0\0\x06\0\0\0\0\0\x20\x01", FrameError::TooLong { length: 0x2001, max: MAX_CONTROL }),
        (b"CKRL\x01\0\0\0\x99\0\0\0\xff\xff\xff\xff", FrameError::TooLong { length: u32::MAX, max: MAX_CONTROL }),
    ] {
        let mut decoder = Decoder::default();
        decoder.push(bytes).expect("room");
        assert_eq!(decoder.next_frame(), Err(error.clone()), "{bytes:?}");
        decoder.push(&PREFACE).expect("room");
        assert_eq!(decoder.next_frame(), Err(error), "after an error the stream is lost");
    }
    for length in 0..PREFACE.len() {
        let mut decoder = Decoder::default();
        decoder.push(&PREFACE[..length]).expect("room");
        assert_eq!((decoder.next_frame(), decoder.is_greeted()), (Ok(None), false), "{length} good bytes are not enough");
    }
}

#[test]
fn a_letter_of_64_kib_is_taken_once_the_limit_is_lifted_and_other_frames_keep_theirs() {
    let letter = Message::Letter { peer: Peer(0), body: vec![7; MAX_BODY].into() }.to_frame();
    let mut decoder = Decoder::default();
    decoder.set_limit(usize::MAX);
    decoder.push(&PREFACE).expect("room");
    assert_eq!(decoder.next_frame(), Ok(None));
    decoder.push(&letter.to_bytes()[..HEADER_LENGTH]).expect("room");
    let room = decoder.room();
    assert!(room.capacity() >= letter.length(), "the whole body fits");
    room.extend_from_slice(&letter.body);
    let place = room[HEADER_LENGTH..].as_ptr();
    let read = decoder.next_frame().expect("good").expect("whole");
    assert_eq!((read.body.as_ptr(), read.body.len()), (place, MAX_BODY), "not copied");
    decoder.push(&[Kind::Leave as u8, 0, 0, 0, 0, 0, 0x20, 1]).expect("room");
    assert_eq!(decoder.next_frame(), Err(FrameError::TooLong { length: 0x2001, max: MAX_CONTROL }));
    let mut decoder = Decoder::default();
    decoder.push(&vec![b'C'; MAX_BUFFERED]).expect("room");
    assert_eq!(decoder.push(&[1]), Err(FrameError::Overflow));
}

#[test]
fn what_follows_the_last_frame_is_handed_on_and_a_cut_frame_is_noticed() {
    let mut stream = BytesMut::from(&PREFACE[..]);
    Message::Joined.to_frame().write(&mut stream);
    stream.extend_from_slice(b"\xff\xffchunks");
    let mut decoder = Decoder::default();
    decoder.push(&stream).expect("room");
    assert_eq!(decoder.next_frame(), Ok(Some(Message::Joined.to_frame())));
    assert_eq!(&decoder.into_rest()[..], b"\xff\xffchunks");
    let mut decoder = Decoder::default();
    decoder.push(&[&PREFACE[..], &[Kind::Joined as u8, 0]].concat()).expect("room");
    assert_eq!((decoder.next_frame(), decoder.finish()), (Ok(None), Err(FrameError::Truncated)));
}
