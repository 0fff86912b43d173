//! What terminals and the relay say to each other.

use bytes::Bytes;
use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;

use crate::{
    channel::{
        Peer,
        pake::{self, Password, Step},
        session::{Intake, Receiver, ReceiverAction, Sender, SenderAction},
        wire::{
            Decoder, Frame, FrameError, Kind, Message,
            chunk::Header,
            frame::MAX_BODY,
            letter::{Compression, Content, Failed, Letter, Offer, Way},
            pass::{MAX_DIRECT, Pass},
            transfer::Body,
        },
    },
    clock,
    transfer::{Digest, Manifest, Sparse},
};

/// A connection's bytes, taken whole and byte by byte.
pub fn stream(data: &[u8]) {
    assert_eq!(frames(data, 1), frames(data, usize::MAX), "however it is cut");
}

/// What comes out of a stream cut into pieces of a size. Whatever comes out goes in again.
fn frames(data: &[u8], size: usize) -> (Vec<Frame>, Option<FrameError>) {
    let (mut decoder, mut read) = (Decoder::default(), Vec::new());
    decoder.set_limit(MAX_BODY);
    for piece in data.chunks(size.min(data.len().max(1))) {
        decoder.room().extend_from_slice(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => {
                    settles(&frame);
                    read.push(frame);
                }
                Ok(None) => break,
                Err(error) => return (read, Some(error)),
            }
        }
    }
    (read, None)
}

/// A body of the type that the first byte says.
pub fn body(data: &[u8]) {
    let Some((number, body)) = data.split_first() else { return };
    let Some(kind) = Kind::ALL.get(usize::from(*number) % Kind::ALL.len()) else { return };
    settles(&Frame { kind: *kind, peer: Peer(*number), body: Bytes::copy_from_slice(body) });
}

/// What was understood is written and read back the same.
fn settles(frame: &Frame) {
    let Ok(message) = Message::read(frame.clone()) else { return };
    let written = message.to_frame();
    assert_eq!(written.kind, frame.kind);
    assert_eq!(Message::read(written), Ok(message));
}

/// A letter of the exchange of codes, at a side and in a state that the first byte picks: it is an error, or the letter that an honest peer
/// sent, or another share, and whoever sent that does not come to an agreement.
pub fn exchange(data: &[u8]) {
    let Some((which, letter)) = data.split_first() else { return };
    let rng = |seed| ChaCha12Rng::from_seed([seed; 32]);
    let password = Password::of_code(&"7-crystal-window".parse().expect("a code"));
    let (mut receiver, first) = pake::Receiver::new(&password, &mut rng(1));
    let mut sender = pake::Sender::new(&password);
    if which & 1 == 0 {
        if which & 2 == 0 {
            let answered = sender.handle_letter(letter, &mut rng(2)).is_ok();
            assert!(!answered || letter.len() == first.len());
            return;
        }
        let Ok(Step::Send(_)) = sender.handle_letter(&first, &mut rng(2)) else { panic!("an honest share is answered") };
        assert!(sender.handle_letter(letter, &mut rng(2)).is_err(), "a confirmation is not guessed");
        assert!(sender.handle_letter(letter, &mut rng(2)).is_err(), "and not twice");
        return;
    }
    if which & 2 == 0 {
        assert!(receiver.handle_letter(letter).is_err() || letter.len() == first.len());
        return;
    }
    let Ok(Step::Send(second)) = sender.handle_letter(&first, &mut rng(2)) else { panic!("an honest share is answered") };
    let Ok(Step::Send(_)) = receiver.handle_letter(&second) else { panic!("an honest share is confirmed") };
    assert!(receiver.handle_letter(letter).is_err(), "a confirmation is not guessed");
}

/// A pass: what is read has one form only.
pub fn pass(data: &[u8]) {
    let Ok(pass) = Pass::parse(data) else { return };
    assert_eq!(pass.to_bytes().expect("what was read is written").as_slice(), data);
}

/// What two users say to each other by instant message.
pub fn transfer(data: &[u8]) {
    let Ok(body) = Body::parse(data) else { return };
    let written = body.to_xml();
    // Texts for people may be cut when written, once.
    let read = Body::parse(written.as_bytes()).expect("what was written is read");
    assert_eq!(read.to_xml(), written);
}

/// A letter of the sealed session, by a peer who has the key.
pub fn letter(data: &[u8]) {
    let Ok(letter) = Letter::read(&Bytes::copy_from_slice(data)) else { return };
    // Texts for people may be cut, once.
    assert_eq!(Letter::read(&letter.write().into()), Ok(letter));
}

/// Bytes of a chunk in the sessions of [`session`].
const CHUNK: u32 = 4096;

/// What the first byte of a piece says it is.
fn piece<'a>(data: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (head, rest) = data.split_first_chunk::<3>()?;
    let (piece, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([head[1], head[2]])))?;
    *data = rest;
    Some((head[0], piece))
}

/// A whole session with a peer who has the key and says anything: as the receiver of a sender whose manifest is the first piece, and as the sender
/// of a receiver. The pieces behind are letters (0), chunks (1: number, flags, bytes), and the end of the data connections (2). Whatever comes, no
/// more is put down than was offered, each side is over once, and says nothing afterwards.
pub fn session(data: &[u8]) {
    let mut rest = data;
    let Some((_, json)) = piece(&mut rest) else { return };
    let manifest = Manifest::from_json(json).ok();
    let offer = Offer {
        content: Content::Files,
        files: manifest.as_ref().map_or(1, |manifest| u32::try_from(manifest.files().len()).unwrap_or(u32::MAX)),
        bytes: manifest.as_ref().and_then(Manifest::total),
        names: Vec::new(),
        manifest: u32::try_from(json.len()).unwrap_or(u32::MAX),
        digest: Digest::blake3(json),
        chunk: CHUNK,
        streams: 2,
        compression: Some(Compression::Zstd),
        sparse: Sparse::default(),
        calls: true,
    };
    let json = Bytes::copy_from_slice(json);
    let mut sender = Sender::new(offer.clone(), json.clone());
    let mut receiver = Receiver::default();
    let mut intake: Option<Intake> = None;
    let (mut written, mut over) = (0, [0; 2]);
    let (mut now, mut from, mut called) = (clock::now(), None, false);
    for letter in [Letter::Offer(offer), Letter::Manifest(json)] {
        receiver.handle_letter(letter);
    }
    loop {
        while let Some(action) = receiver.poll_action(now) {
            assert_eq!(over[0], 0, "it says something behind its end");
            match action {
                ReceiverAction::Tell(letter) => assert_eq!(Letter::read(&letter.write().into()), Ok(letter)),
                ReceiverAction::Ask { offer, manifest } => {
                    intake = Some(Intake::new(0, manifest.total(), offer.chunk, offer.streams));
                    receiver.handle_listening(vec![([127, 0, 0, 1], 4000).into()]);
                    receiver.handle_answer(Ok((0, Way::Relay)));
                }
                ReceiverAction::Verify(trailer) => {
                    let manifest = manifest.as_ref().expect("it was asked about");
                    assert_eq!(trailer.files.len(), manifest.files().len());
                    assert!(manifest.total().is_none_or(|total| total == written));
                    receiver.handle_verified(0);
                }
                ReceiverAction::Over(_) => over[0] += 1,
            }
            assert!(manifest.as_ref().and_then(Manifest::total).is_none_or(|total| written <= total), "more than was offered");
        }
        while let Some(action) = sender.poll_action() {
            assert_eq!(over[1], 0, "it says something behind its end");
            match action {
                SenderAction::Tell(letter) => assert_eq!(Letter::read(&letter.write().into()), Ok(letter)),
                SenderAction::Call(addresses) => {
                    assert!(addresses.len() <= MAX_DIRECT && !std::mem::replace(&mut called, true), "it calls once");
                    sender.handle_called(None);
                }
                SenderAction::Begin { from: begins, .. } => assert_eq!(from.replace(begins), None, "it begins once"),
                SenderAction::Over(_) => over[1] += 1,
            }
            assert!(sender.durable() <= sender.received());
        }
        match piece(&mut rest) {
            Some((0, bytes)) => {
                let Ok(letter) = Letter::read(&Bytes::copy_from_slice(bytes)) else { continue };
                receiver.handle_letter(letter.clone());
                sender.handle_letter(letter);
            }
            Some((1, [index, flags, plain @ ..])) => {
                let header = Header { length: u32::try_from(plain.len()).unwrap_or(u32::MAX), index: (*index).into(), flags: *flags };
                // Without an answer no connection was asked for that they could come by; and none is taken behind one that does not fit.
                let Some(taking) = &mut intake else { continue };
                let put = |bytes: &[u8]| {
                    written += bytes.len() as u64;
                    Ok(())
                };
                match taking.take::<Failed>(&header, plain, put) {
                    Ok(()) => receiver.handle_landed(taking.landed()),
                    Err(failed) => {
                        intake = None;
                        receiver.handle_failure(failed);
                    }
                }
            }
            Some(_) => {
                receiver.handle_chunks_ended(now);
                now += std::time::Duration::from_secs(2);
            }
            None => break,
        }
    }
    assert!(over.iter().all(|over| *over <= 1));
}
