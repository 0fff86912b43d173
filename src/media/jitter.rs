//! The playout buffer: puts packets in order and says, tick by tick, what is to be played.
//!
//! Everything is counted in units of the RTP clock. `position` is the time stamp that will be asked for next; the *margin* of a packet is how far ahead of it the packet
//! arrives. The buffer keeps the margins of nearly all packets at or above a cushion of one tick:
//! * Nothing there: the position is held for up to [`HOLD_MS`] while concealment fills in, so that late packets still find their place and the delay
//!   grows. After that time goes on, and a stream that comes back is seated anew.
//! * A hole with packets behind it is loss: concealed, after what was held is taken off.
//! * All packets of a window come too early: the delay is cut by one frame (`slip`), which also follows a sender whose clock is fast; a slow one is followed by holding.
//! * More than [`MAX_DELAY_MS`] waits all the same: the stream is seated anew at its end.
//! * Packets that were overtaken keep coming too late: the delay grows by one frame.
//!
//! Bounded: at most [`MAX_PACKETS`]; when full, the oldest goes. Out of scope: decoding and the sound of concealment (see [`super::playout`], [`super::plc`]).

use std::collections::VecDeque;

use super::codec::Codec;

/// Most packets kept; the oldest is dropped for one more.
pub const MAX_PACKETS: usize = 64;
/// How long the position waits for packets that may be late, in milliseconds.
pub const HOLD_MS: u32 = 60;
/// Most delay that the buffer builds up by itself, in milliseconds.
pub const MAX_DELAY_MS: u32 = 300;
/// A time stamp further than this from the position is a jump of the sender's clock, in milliseconds.
const JUMP_MS: u32 = 1000;
/// Ticks over which margins are judged.
const WINDOW_TICKS: u32 = 50;
/// Fewest packets in a window that allow a judgement.
const WINDOW_PACKETS: i64 = 10;
/// Overtaken packets in one window that make the delay grow.
const LATE_IN_WINDOW: u32 = 3;

/// A packet to be played.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// Extended sequence number.
    pub sequence: i64,
    /// Time stamp.
    pub timestamp: u32,
    /// Codec of the payload.
    pub codec: Codec,
    /// Payload, not empty.
    pub payload: &'a [u8],
}

/// What is to be played next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// This payload, without its first `skip` samples (their time has passed).
    Audio {
        /// Codec.
        codec: Codec,
        /// Payload.
        payload: &'a [u8],
        /// Samples to leave out.
        skip: usize,
    },
    /// So many samples are lost.
    Lost(usize),
    /// The sender was silent, or the buffer fills: so many samples.
    Pause(usize),
    /// Nothing is there (yet): all that was asked for is missing.
    Nothing,
}

/// What happened to packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Came after their time.
    pub late: u64,
    /// Came twice.
    pub duplicates: u64,
    /// Came in time, but after one that was sent later.
    pub reordered: u64,
    /// Dropped because the buffer was full.
    pub overflowed: u64,
    /// Times the position was set anew because clocks jumped.
    pub reseated: u64,
    /// Frames cut to shorten the delay.
    pub slips: u64,
    /// Frames made up to lengthen it.
    pub stretches: u64,
}

/// A playout buffer.
#[derive(Debug)]
pub struct JitterBuffer {
    /// Units per frame; the cushion.
    frame: i64,
    hold: i64,
    max_delay: i64,
    jump: i64,
    queue: VecDeque<Stored>,
    spare: Vec<Vec<u8>>,
    /// The packet handed out last: its payload is borrowed by the caller.
    current: Vec<u8>,
    position: Option<i64>,
    /// Where 32-bit time stamps are counted from.
    newest_timestamp: i64,
    newest_sequence: Option<i64>,
    played: Option<i64>,
    /// Bit n: `played - n` was played or seen late.
    seen: u64,
    /// Time filled while the position was held.
    held: i64,
    /// Time that the position went on without a packet.
    drifted: i64,
    silent: bool,
    window: Window,
    spread: i64,
    slip: i64,
    stretch: i64,
    counters: Counters,
}

#[derive(Debug)]
struct Stored {
    sequence: i64,
    timestamp: i64,
    duration: i64,
    codec: Codec,
    payload: Vec<u8>,
}

#[derive(Debug, Default)]
struct Window {
    ticks: u32,
    packets: i64,
    sum: i64,
    lowest: Option<i64>,
    second: Option<i64>,
    late: u32,
}

impl JitterBuffer {
    /// An empty buffer for a clock rate in hertz.
    pub fn new(clock_rate: u32) -> Self {
        let units = |ms: u32| i64::from(clock_rate) * i64::from(ms) / 1000;
        Self {
            frame: units(super::codec::TICK_MS),
            hold: units(HOLD_MS),
            max_delay: units(MAX_DELAY_MS),
            jump: units(JUMP_MS),
            queue: VecDeque::new(),
            spare: Vec::new(),
            current: Vec::new(),
            position: None,
            newest_timestamp: 0,
            newest_sequence: None,
            played: None,
            seen: 0,
            held: 0,
            drifted: 0,
            silent: false,
            window: Window::default(),
            spread: 0,
            slip: 0,
            stretch: 0,
            counters: Counters::default(),
        }
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Time that lies in the queue, in clock units.
    pub fn buffered(&self) -> u32 {
        match (self.queue.back(), self.position) {
            (Some(last), Some(position)) => (last.timestamp + last.duration - position).clamp(0, i64::from(u32::MAX)) as u32,
            _ => 0,
        }
    }

    /// Forgets the stream, not the counters: the source changed or began anew.
    pub fn reset(&mut self) {
        while let Some(stored) = self.queue.pop_front() {
            self.spare.push(stored.payload);
        }
        (self.position, self.newest_sequence, self.played, self.seen) = (None, None, None, 0);
        (self.held, self.drifted, self.slip, self.stretch, self.spread) = (0, 0, 0, 0, 0);
        self.silent = false;
        self.window = Window::default();
    }

    /// Takes a packet. `pending`: samples that were handed out and are not played yet.
    pub fn push(&mut self, arrival: Arrival<'_>, pending: usize) {
        let duration = arrival.codec.samples_in(arrival.payload) as i64;
        let timestamp = self.extend(arrival.timestamp);
        self.newest_sequence = self.newest_sequence.max(Some(arrival.sequence));
        if let Some(position) = self.position {
            self.window.note(timestamp - position + pending as i64, self.jump);
        }
        if self.was_played(arrival.sequence) || self.was_passed(arrival.sequence, timestamp + duration) {
            return;
        }
        let place = self.queue.iter().rposition(|stored| stored.sequence <= arrival.sequence).map_or(0, |before| before + 1);
        if place > 0 && self.queue.get(place - 1).is_some_and(|stored| stored.sequence == arrival.sequence) {
            self.counters.duplicates += 1;
            return;
        }
        if place < self.queue.len() {
            self.counters.reordered += 1;
        }
        let mut payload = self.spare.pop().unwrap_or_default();
        payload.clear();
        payload.extend_from_slice(arrival.payload);
        self.queue.insert(place, Stored { sequence: arrival.sequence, timestamp, duration, codec: arrival.codec, payload });
        if self.queue.len() > MAX_PACKETS
            && let Some(oldest) = self.queue.pop_front()
        {
            self.counters.overflowed += 1;
            self.mark_played(oldest.sequence);
            self.spare.push(oldest.payload);
        }
    }

    /// Begins a tick, after its packets were pushed and before [`JitterBuffer::next`]: judges the delay.
    pub fn begin(&mut self) {
        let Some(newest) = self.queue.back().map(|stored| stored.timestamp) else { return self.judge() };
        match self.position {
            None => self.seat(newest),
            // Time went on without packets: if even the newest is late now, it is not they that are late, it is the delay that has changed.
            Some(position) if self.silent && newest < position => self.seat(newest),
            // Else waiting was in vain, and what was waited need not become delay.
            Some(position) if self.silent => {
                self.position = Some(position.max((position + self.held).min(newest - self.frame - self.spread)));
                self.held = 0;
            }
            Some(_) if self.is_overfull() => {
                self.seat(newest);
                self.counters.reseated += 1;
            }
            Some(_) => {}
        }
        self.judge();
    }

    /// True when the delay should be cut by one frame: ask for one frame more than is played and join the two.
    pub fn slip_due(&self) -> bool {
        self.slip > 0 && self.held == 0 && i64::from(self.buffered()) >= 2 * self.frame
    }

    /// A frame was cut.
    pub fn slipped(&mut self) {
        self.slip = 0;
        self.counters.slips += 1;
        self.window = Window::default();
    }

    /// What to play for the next `need` samples; [`Next::Audio`] may be longer or shorter.
    pub fn next(&mut self, need: usize) -> Next<'_> {
        let wanted = need as i64;
        if self.stretch > 0 {
            self.stretch -= wanted.min(self.stretch);
            return Next::Lost(need);
        }
        loop {
            let Some(position) = self.position else { return Next::Nothing };
            let Some(front) = self.queue.front() else {
                if self.held < self.hold {
                    self.held += wanted;
                } else {
                    self.position = Some(position + wanted);
                    self.drifted += wanted;
                    self.silent = true;
                }
                return Next::Nothing;
            };
            let in_turn = self.played.is_none_or(|played| front.sequence == played + 1);
            let ahead = front.timestamp - position;
            if ahead > self.jump || ahead < -self.jump || (ahead + front.duration <= 0 && -ahead > self.drifted + self.hold) {
                // The sender's clock jumped.
                let timestamp = front.timestamp;
                self.seat(timestamp);
                self.counters.reseated += 1;
                continue;
            }
            if ahead + front.duration <= 0 {
                let (sequence, payload) = self.queue.pop_front().map(|stored| (stored.sequence, stored.payload)).unwrap_or_default();
                self.counters.late += 1;
                self.mark_played(sequence);
                self.spare.push(payload);
                continue;
            }
            if ahead > 0 {
                return self.gap(position, ahead, wanted, in_turn);
            }
            let Some(stored) = self.queue.pop_front() else { return Next::Nothing };
            self.spare.push(std::mem::replace(&mut self.current, stored.payload));
            self.mark_played(stored.sequence);
            self.position = Some(stored.timestamp + stored.duration);
            (self.held, self.drifted, self.silent) = (0, 0, false);
            return Next::Audio { codec: stored.codec, payload: &self.current, skip: -ahead as usize };
        }
    }

    /// The next packet lies ahead.
    fn gap(&mut self, position: i64, mut ahead: i64, wanted: i64, in_turn: bool) -> Next<'_> {
        // What was filled while waiting was the time of what is missing now.
        let waited = self.held.min(ahead);
        self.held -= waited;
        ahead -= waited;
        let target = self.frame + self.spread;
        if in_turn && ahead > target + self.frame {
            // The sender paused and came back earlier than the delay asks for: part of the pause is enough.
            ahead = target;
        }
        let length = ahead.min(wanted);
        self.position = Some(self.front_timestamp(position) - ahead + length);
        if length == 0 {
            // Held as long as the gap is: the packet is due now.
            return self.next(wanted as usize);
        }
        self.drifted += length;
        if in_turn { Next::Pause(length as usize) } else { Next::Lost(length as usize) }
    }

    fn front_timestamp(&self, otherwise: i64) -> i64 {
        self.queue.front().map_or(otherwise, |stored| stored.timestamp)
    }

    /// Sets the position so that this time stamp comes with the cushion and the usual spread ahead of it.
    fn seat(&mut self, timestamp: i64) {
        self.position = Some(timestamp - self.frame - self.spread);
        (self.held, self.drifted, self.silent, self.slip, self.stretch) = (0, 0, false, 0, 0);
        self.window = Window::default();
        // Packets before the new position are late only in the old order of things.
        while self.queue.len() > 1
            && self.queue.front().is_some_and(|stored| stored.timestamp + stored.duration <= timestamp - self.frame - self.spread)
        {
            if let Some(stored) = self.queue.pop_front() {
                self.counters.late += 1;
                self.mark_played(stored.sequence);
                self.spare.push(stored.payload);
            }
        }
    }

    fn judge(&mut self) {
        self.window.ticks += 1;
        if self.window.late >= LATE_IN_WINDOW {
            if i64::from(self.buffered()) + self.frame <= self.max_delay {
                self.stretch = self.frame;
                self.counters.stretches += 1;
            }
            self.window = Window::default();
        }
        if self.window.ticks < WINDOW_TICKS {
            return;
        }
        let window = std::mem::take(&mut self.window);
        // One outlier in a window is left to the concealment.
        if let Some(low) = window.second
            && window.packets >= WINDOW_PACKETS
        {
            let usual = (window.sum / window.packets - low).clamp(0, self.max_delay - self.frame);
            self.spread = (3 * self.spread + usual) / 4;
            self.slip = if low >= 2 * self.frame { self.frame } else { 0 };
        }
    }

    fn extend(&mut self, timestamp: u32) -> i64 {
        if self.newest_sequence.is_none() {
            self.newest_timestamp = i64::from(timestamp);
            return self.newest_timestamp;
        }
        let step = timestamp.wrapping_sub(self.newest_timestamp as u32) as i32;
        let extended = self.newest_timestamp + i64::from(step);
        if step > 0 {
            self.newest_timestamp = extended;
        }
        extended
    }

    /// Counts a packet whose time has passed.
    fn was_played(&mut self, sequence: i64) -> bool {
        let Some(played) = self.played else { return false };
        let behind = played - sequence;
        if behind < 0 {
            return false;
        }
        if behind < 64 && self.seen & (1 << behind) != 0 {
            self.counters.duplicates += 1;
        } else {
            self.counters.late += 1;
            self.window.late += 1;
            self.mark_played(sequence);
        }
        true
    }

    /// Counts a packet that comes after its time was concealed, behind others that were sent later.
    fn was_passed(&mut self, sequence: i64, end: i64) -> bool {
        let passed = self.position.is_some_and(|position| (position - self.jump..=position).contains(&end))
            && self.newest_sequence.is_some_and(|newest| sequence < newest)
            && self.drifted > 0
            && !self.silent;
        if passed {
            self.counters.late += 1;
            self.window.late += 1;
            self.mark_played(sequence);
        }
        passed
    }

    /// More audio waits than any delay is good for.
    fn is_overfull(&self) -> bool {
        let limit = self.max_delay + self.hold;
        i64::from(self.buffered()) > limit && self.queue.iter().map(|stored| stored.duration).sum::<i64>() > limit
    }

    fn mark_played(&mut self, sequence: i64) {
        match self.played.map(|played| sequence - played) {
            Some(behind @ -63..=0) => self.seen |= 1 << -behind,
            Some(..-63) => {}
            Some(ahead @ 1..=63) => (self.seen, self.played) = ((self.seen << ahead) | 1, Some(sequence)),
            Some(64..) | None => (self.seen, self.played) = (1, Some(sequence)),
        }
    }
}

impl Window {
    fn note(&mut self, margin: i64, jump: i64) {
        if margin.abs() > jump {
            return;
        }
        self.packets += 1;
        self.sum += margin;
        if self.lowest.is_none_or(|lowest| margin < lowest) {
            self.second = self.lowest.replace(margin);
        } else if self.second.is_none_or(|second| margin < second) {
            self.second = Some(margin);
        }
    }
}

#[cfg(test)]
mod tests;
