//! Receiving: one digit per key, however many packets tell of it.

use std::time::{Duration, Instant};

use super::{Event, key, units_to_time};

/// A key whose end did not arrive is taken for let go after so long without a packet: three lost ends at the usual 20 to 50 ms.
const LOST_END: Duration = Duration::from_millis(200);
/// Longest time that one packet can tell, in units: a longer key goes on in a next segment (RFC 4733 §2.5.1.3).
const SEGMENT: u32 = 0xffff;

/// A key that was pressed and let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digit {
    /// `0-9 * # A-D`.
    pub key: char,
    /// How long.
    pub held: Duration,
}

/// The receiving end of one stream of events.
#[derive(Debug)]
pub struct Receiver {
    clock_rate: u32,
    pressed: Option<Pressed>,
    /// Time stamp of the last key that was reported: its end is repeated, and late packets tell of it again.
    reported: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Pressed {
    code: u8,
    /// Time stamp of the current segment.
    timestamp: u32,
    /// Units in earlier segments.
    before: u32,
    duration: u16,
    heard: Instant,
}

impl Receiver {
    /// For a clock rate in hertz.
    pub fn new(clock_rate: u32) -> Self {
        Self { clock_rate, pressed: None, reported: None }
    }

    /// Another stream begins: a key that is down is lost.
    pub fn reset(&mut self) {
        (self.pressed, self.reported) = (None, None);
    }

    /// Takes an event packet; gives the key when it tells that one was let go (its own, or the one before it whose end was lost).
    pub fn receive(&mut self, now: Instant, timestamp: u32, event: Event) -> Option<Digit> {
        if self.reported.is_some_and(|reported| timestamp.wrapping_sub(reported) as i32 <= 0) {
            return None;
        }
        key(event.code)?;
        let finished = match &mut self.pressed {
            Some(pressed) if pressed.timestamp == timestamp => {
                pressed.duration = pressed.duration.max(event.duration);
                pressed.heard = now;
                None
            }
            Some(pressed) if (timestamp.wrapping_sub(pressed.timestamp) as i32) < 0 => return None,
            Some(pressed) if pressed.code == event.code && timestamp.wrapping_sub(pressed.timestamp) == SEGMENT => {
                *pressed =
                    Pressed { timestamp, before: pressed.before.saturating_add(SEGMENT), duration: event.duration, heard: now, ..*pressed };
                None
            }
            pressed => {
                let finished = pressed.take();
                *pressed = Some(Pressed { code: event.code, timestamp, before: 0, duration: event.duration, heard: now });
                finished
            }
        };
        if let Some(finished) = finished {
            // The new key's own end, if this is it, comes twice more.
            self.reported = Some(finished.timestamp);
            return self.digit(finished);
        }
        if event.end { self.finish() } else { None }
    }

    /// Gives the key whose end was lost, once its time is over.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Digit> {
        let pressed = self.pressed?;
        if now.saturating_duration_since(pressed.heard) < LOST_END { None } else { self.finish() }
    }

    /// True while a key is down.
    pub fn is_pressed(&self) -> bool {
        self.pressed.is_some()
    }

    fn finish(&mut self) -> Option<Digit> {
        let pressed = self.pressed.take()?;
        self.reported = Some(pressed.timestamp);
        self.digit(pressed)
    }

    fn digit(&self, pressed: Pressed) -> Option<Digit> {
        let units = pressed.before.saturating_add(u32::from(pressed.duration));
        Some(Digit { key: key(pressed.code)?, held: units_to_time(units, self.clock_rate) })
    }
}
