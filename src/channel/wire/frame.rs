//! The preface of a connection, and the frame: its header and its body.
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 1 | type: [`Kind`] |
//! | 1 | 1 | peer: to whom a letter goes, or from whom it comes; whose guess was wrong; else 0 |
//! | 2 | 2 | 0, and ignored |
//! | 4 | 4 | length of the body, big-endian |
//! | 8 | … | body |

use std::fmt;

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::channel::Peer;

/// The version that is spoken.
pub const VERSION: u8 = 1;
/// What each end begins with: `CKRL`, the version, three zero bytes.
pub const PREFACE: [u8; 8] = [b'C', b'K', b'R', b'L', VERSION, 0, 0, 0];
/// Length of a frame's header, in bytes.
pub const HEADER_LENGTH: usize = 8;
/// Longest body of a frame, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// Longest body of any frame but a letter, and of one that is passed over, in bytes. What the relay takes until a connection has shown a
/// request of its own, so that a stranger costs little memory.
pub const MAX_CONTROL: usize = 8 * 1024;
/// From here on who does not know a type passes over it.
pub const FIRST_OPTIONAL: u8 = 0x80;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// The relay's first.
    Challenge = 0x01,
    /// For a channel.
    Apply = 0x02,
    /// A channel.
    Allocated = 0x03,
    /// To meet at a place.
    Meet = 0x04,
    /// Somebody is there.
    Met = 0x05,
    /// From terminal to terminal.
    Letter = 0x06,
    /// To enter a channel.
    Enter = 0x07,
    /// Entered.
    Entered = 0x08,
    /// To join with a data connection.
    Join = 0x09,
    /// Joined.
    Joined = 0x0a,
    /// How long the sender's bytes waited.
    Pace = 0x0b,
    /// Somebody is no longer there.
    Gone = 0x0c,
    /// The clean end.
    Leave = 0x0d,
    /// Why not.
    Refused = 0x0e,
    /// A sign of life is wanted.
    Ping = 0x0f,
    /// It.
    Pong = 0x10,
    /// A place is nobody's any more.
    Spent = 0x11,
}

impl Kind {
    /// Every type, in the order of its numbers.
    pub const ALL: [Self; 17] = [
        Self::Challenge,
        Self::Apply,
        Self::Allocated,
        Self::Meet,
        Self::Met,
        Self::Letter,
        Self::Enter,
        Self::Entered,
        Self::Join,
        Self::Joined,
        Self::Pace,
        Self::Gone,
        Self::Leave,
        Self::Refused,
        Self::Ping,
        Self::Pong,
        Self::Spent,
    ];

    /// The type of a number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// As `docs/protocols/channel.md` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Challenge => "challenge",
            Self::Apply => "apply",
            Self::Allocated => "allocated",
            Self::Meet => "meet",
            Self::Met => "met",
            Self::Letter => "letter",
            Self::Enter => "enter",
            Self::Entered => "entered",
            Self::Join => "join",
            Self::Joined => "joined",
            Self::Pace => "pace",
            Self::Gone => "gone",
            Self::Leave => "leave",
            Self::Refused => "refused",
            Self::Ping => "ping",
            Self::Pong => "pong",
            Self::Spent => "spent",
        }
    }

    /// Longest body, in bytes.
    pub fn max_body(self) -> usize {
        match self {
            Self::Letter => MAX_BODY,
            Self::Challenge
            | Self::Apply
            | Self::Allocated
            | Self::Meet
            | Self::Met
            | Self::Enter
            | Self::Entered
            | Self::Join
            | Self::Joined
            | Self::Pace
            | Self::Gone
            | Self::Leave
            | Self::Refused
            | Self::Ping
            | Self::Pong
            | Self::Spent => MAX_CONTROL,
        }
    }
}

/// A frame. Shown without its body, which may be a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// The terminal that it is about; 0 where it says nothing.
    pub peer: Peer,
    /// The body, at most [`Kind::max_body`] bytes.
    pub body: Bytes,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, peer, body } = self;
        f.debug_struct("Frame").field("kind", kind).field("peer", peer).field("bytes", &body.len()).finish()
    }
}

impl Frame {
    /// Its length on the wire, in bytes.
    pub fn length(&self) -> usize {
        HEADER_LENGTH.saturating_add(self.body.len())
    }

    /// The header, for who writes header and body by one call without copying the body.
    pub fn header(&self) -> [u8; HEADER_LENGTH] {
        let [a, b, c, d] = u32::try_from(self.body.len()).unwrap_or(u32::MAX).to_be_bytes();
        [self.kind as u8, self.peer.0, 0, 0, a, b, c, d]
    }

    /// Appends header and body.
    pub fn write(&self, to: &mut BytesMut) {
        to.reserve(self.length());
        to.put_slice(&self.header());
        to.put_slice(&self.body);
    }

    /// Header and body.
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        self.write(&mut bytes);
        bytes.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_shown_without_its_body() {
        let frame = Frame { kind: Kind::Allocated, peer: Peer::SENDER, body: Bytes::from_static(b"the key") };
        let shown = format!("{frame:?}");
        assert!(shown.contains("Allocated") && shown.contains("bytes: 7") && !shown.contains("key"), "{shown}");
    }
}
