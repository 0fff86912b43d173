//! Telephone-events (RFC 4733): keys pressed, as RTP packets beside the audio.
//!
//! Only the sixteen keys; other events (flash, tones, trunk states) are ignored. Out of scope: DTMF tones inside the audio.

mod receive;
mod send;

pub use receive::{Digit, Receiver};
pub use send::{MAX_QUEUED, Sender};

use std::time::Duration;

/// The keys by event code (RFC 4733 §3.2).
const KEYS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

/// The payload of a telephone-event (RFC 4733 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Event code.
    pub code: u8,
    /// The key was let go.
    pub end: bool,
    /// Power below 0 dBm0, 0 to 63.
    pub volume: u8,
    /// How long so far, in units of the clock.
    pub duration: u16,
}

impl Event {
    /// Reads the first event of a payload; `None` when there is none. Longer payloads are allowed, and what follows is ignored.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let [code, flags, high, low] = *payload.first_chunk()?;
        Some(Self { code, end: flags & 0x80 != 0, volume: flags & 0x3f, duration: u16::from_be_bytes([high, low]) })
    }

    /// The payload.
    pub fn to_bytes(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [self.code, if self.end { 0x80 } else { 0 } | (self.volume & 0x3f), high, low]
    }
}

/// The key of an event code.
pub fn key(code: u8) -> Option<char> {
    KEYS.get(usize::from(code)).copied()
}

/// The event code of a key; letters in either case.
pub fn code(key: char) -> Option<u8> {
    KEYS.iter().position(|&known| known == key.to_ascii_uppercase()).map(|code| code as u8)
}

fn units_to_time(units: u32, clock_rate: u32) -> Duration {
    Duration::from_secs_f64(f64::from(units) / f64::from(clock_rate))
}

#[cfg(test)]
mod tests;
