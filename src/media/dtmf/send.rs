//! Sending: a packet a tick while a key is down, the end three times (RFC 4733 §2.5.1.4).

use std::collections::VecDeque;

use super::{Event, code};
use crate::media::codec::TICK_MS;

/// Most keys waiting to be sent; more are dropped.
pub const MAX_QUEUED: usize = 64;
/// How long a key is down, in milliseconds.
const PRESS_MS: u32 = 100;
/// How long the next waits after it, in milliseconds.
const GAP_MS: u32 = 60;
/// How often the end is sent.
const ENDS: u32 = 3;
/// Power of the keys, in dB below 0 dBm0 (ITU-T Q.23's usual level).
const VOLUME: u8 = 10;

/// The sending end of one stream of events.
#[derive(Debug)]
pub struct Sender {
    /// Units per tick.
    step: u32,
    queue: VecDeque<u8>,
    now: Option<Sending>,
}

#[derive(Debug, Clone, Copy)]
struct Sending {
    code: u8,
    timestamp: u32,
    ticks: u32,
}

/// A packet to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPacket {
    /// True for the first of a key.
    pub marker: bool,
    /// The time stamp of the key's beginning.
    pub timestamp: u32,
    /// Payload.
    pub event: Event,
}

impl Sender {
    /// For a clock rate in hertz.
    pub fn new(clock_rate: u32) -> Self {
        Self { step: clock_rate * TICK_MS / 1000, queue: VecDeque::new(), now: None }
    }

    /// Queues keys; tells how many were taken (others are no keys, or too many).
    pub fn press(&mut self, keys: &str) -> usize {
        let codes = keys.chars().filter_map(code).take(MAX_QUEUED - self.queue.len().min(MAX_QUEUED));
        let before = self.queue.len();
        self.queue.extend(codes);
        self.queue.len() - before
    }

    /// True while keys are being sent or wait: audio gives way.
    pub fn is_active(&self) -> bool {
        self.now.is_some() || !self.queue.is_empty()
    }

    /// The packet of this tick, whose audio would have `timestamp`; `None` in the gap between keys and when nothing is queued.
    pub fn tick(&mut self, timestamp: u32) -> Option<EventPacket> {
        if self.now.is_none() {
            self.now = self.queue.pop_front().map(|code| Sending { code, timestamp, ticks: 0 });
        }
        let sending = self.now.as_mut()?;
        sending.ticks += 1;
        let (ticks, press) = (sending.ticks, PRESS_MS / TICK_MS);
        let packet = (ticks < press + ENDS).then(|| EventPacket {
            marker: ticks == 1,
            timestamp: sending.timestamp,
            event: Event {
                code: sending.code,
                end: ticks >= press,
                volume: VOLUME,
                duration: (self.step * ticks.min(press)).min(u32::from(u16::MAX)) as u16,
            },
        });
        if ticks >= press + GAP_MS / TICK_MS {
            self.now = None;
        }
        packet
    }
}
