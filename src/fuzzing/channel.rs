//! What terminals and the relay say to each other.

use crate::channel::{
    Peer,
    wire::{Decoder, Frame, FrameError, Kind, Message, frame::MAX_BODY},
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
