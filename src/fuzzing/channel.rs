//! What terminals and the relay say to each other.

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;

use crate::channel::{
    Peer,
    pake::{self, Password, Step},
    wire::{Decoder, Frame, FrameError, Kind, Message, frame::MAX_BODY, pass::Pass, transfer::Body},
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
    settles(&Frame { kind: *kind, peer: Peer(*number), body: bytes::Bytes::copy_from_slice(body) });
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
