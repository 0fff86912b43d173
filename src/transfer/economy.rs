//! Whether compressing the next chunk saves time: decided chunk by chunk, from how long the chunks before it waited for the wire.
//!
//! All that compressing can save is time that a chunk waits for the wire: for room in the socket, or for a limit. So a chunk is tried where chunks wait
//! for longer than the fastest compression would take, which on a fast link they never do: there this costs nothing but an addition. It goes
//! on where the time to compress and the time that what is left of the chunk waits are together less than the time that the chunk would wait as it is.
//!
//! | what is unknown | how it comes to be known |
//! |---|---|
//! | whether the data can be compressed | a chunk is tried, so seldom that trying takes no more than one part in [`SHARE`] of the time |
//! | what the wire takes while little goes over it | chunks go as they are for a while, so seldom that it costs no more than that either |
//!
//! Pure: durations and sizes are told. One for each connection.

use std::time::Duration;

/// Bytes a second that a chunk has to go slower than for compressing to be thought of. Text is compressed at 320 to 400 MB/s to a third on the
/// processors of today ([`super::pack`]), which saves time below 250 MB/s.
const CEILING: f64 = 256.0 * 1024.0 * 1024.0;
/// Fewest bytes that are worth a frame.
const LEAST: usize = 512;
/// Trying takes one part in so many of the time at most.
const SHARE: f64 = 32.0;
/// Most chunks between two that are tried.
const REST: f64 = 32.0;
/// It is begun where it takes so much less than it saves: other programs take their share of a processor, now more and now less.
const BEGINS: f64 = 1.5;
/// What becomes no smaller than by one part in sixteen is sent as it is.
const SMALLER: usize = 16;
/// What a call takes in any case, however few bytes it is for: no wait for the wire.
const CALL: Duration = Duration::from_micros(20);
/// What a chunk weighs when another has gone.
const FADES: f64 = 15.0 / 16.0;
/// From this part of the time on that chunks wait for it, the wire is what holds them up.
const HELD_UP: f64 = 0.5;
/// Shortest and longest time, in seconds, that chunks are compressed while the wire does not hold them up, before it is looked at what it takes.
const PATIENCE: (f64, f64) = (1.0, 60.0);

/// Which chunks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Those where it saves time.
    #[default]
    Auto,
    /// All that become smaller.
    Always,
    /// None.
    Never,
}

impl Policy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Always, Self::Never];

    /// That of a name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == word)
    }

    /// Its name: `auto`, `always`, `never`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

/// See the [module](self).
#[derive(Debug)]
pub struct Economy {
    policy: Policy,
    wire: Wire,
    state: State,
    /// How long, in seconds, the wire may be idle before it is looked at.
    patience: f64,
    /// Seconds since chunks go as they are to look at the wire.
    looking: Option<f64>,
}

#[derive(Debug)]
enum State {
    /// Chunks go as they are; before the next is tried, so many more do.
    Plain { rest: u32 },
    /// Chunks are compressed; for so many seconds the wire has not held them up.
    Packing { idle: f64 },
}

/// What a byte waits for the wire, the latest chunks counting most.
#[derive(Debug, Default)]
struct Wire {
    bytes: f64,
    waited: f64,
    passed: f64,
    /// Seconds that a byte waits.
    cost: f64,
}

impl Economy {
    /// Before the first chunk.
    pub fn new(policy: Policy) -> Self {
        Self { policy, wire: Wire::default(), state: State::Plain { rest: 0 }, patience: PATIENCE.0, looking: None }
    }

    /// Whether anything that is told makes a difference: where not, nothing need be measured.
    pub fn is_curious(&self) -> bool {
        self.policy == Policy::Auto
    }

    /// Whether any chunk may be compressed.
    pub fn may_pack(&self) -> bool {
        self.policy != Policy::Never
    }

    /// Whether the next chunk, of so many bytes, is to be compressed.
    pub fn handle_chunk(&mut self, plain: usize) -> bool {
        match (self.policy, &mut self.state) {
            (Policy::Never, _) => false,
            _ if plain < LEAST => false,
            (Policy::Always, _) | (Policy::Auto, State::Packing { .. }) => true,
            (Policy::Auto, State::Plain { rest: 0 }) => self.wire.cost * CEILING > 1.0,
            (Policy::Auto, State::Plain { rest }) => {
                *rest -= 1;
                false
            }
        }
    }

    /// A chunk was compressed, or could not be made smaller, in this time. Says whether it is to be sent so.
    pub fn handle_packed(&mut self, plain: usize, packed: Option<usize>, took: Duration) -> bool {
        let packed = packed.filter(|packed| *packed <= plain - plain / SMALLER);
        if self.policy == Policy::Auto {
            let (cost, wire) = (took.as_secs_f64() / plain.max(1) as f64, self.wire.cost);
            let left = packed.map_or(1.0, |packed| packed as f64 / plain.max(1) as f64);
            let saved = (1.0 - left) * wire;
            self.state = match self.state {
                State::Packing { idle } if cost < saved => State::Packing { idle },
                State::Plain { .. } if cost * BEGINS < saved => {
                    self.wire.forget();
                    if let Some(looked) = self.looking.take() {
                        self.patience = (looked * SHARE).clamp(PATIENCE.0, PATIENCE.1);
                    }
                    State::Packing { idle: 0.0 }
                }
                State::Plain { .. } | State::Packing { .. } => {
                    if let State::Packing { .. } = self.state {
                        self.wire.forget();
                    }
                    State::Plain { rest: (SHARE * cost / wire).clamp(1.0, REST).ceil() as u32 }
                }
            };
        }
        // It was paid for.
        packed.is_some()
    }

    /// A chunk has gone: so many bytes on the wire, which waited so long for it, of the time since the chunk before it was gone.
    pub fn handle_sent(&mut self, bytes: usize, waited: Duration, passed: Duration) {
        let passed = passed.as_secs_f64();
        self.wire.note(bytes as f64, waited.saturating_sub(CALL).as_secs_f64(), passed);
        match &mut self.state {
            State::Plain { .. } => {
                self.wire.cost = self.wire.seen();
                if let Some(looking) = &mut self.looking {
                    *looking += passed;
                }
            }
            State::Packing { idle } if self.wire.holds_up() => {
                *idle = 0.0;
                // While a chunk is compressed those before it go: it waits for less than it would as it is.
                self.wire.cost = self.wire.cost.max(self.wire.seen());
            }
            // What it takes cannot be seen: it may take far more.
            State::Packing { idle } => {
                *idle += passed;
                if *idle > self.patience {
                    (self.state, self.wire, self.looking) = (State::Plain { rest: 0 }, Wire::default(), Some(0.0));
                }
            }
        }
    }
}

impl Wire {
    fn note(&mut self, bytes: f64, waited: f64, passed: f64) {
        for (sum, more) in [(&mut self.bytes, bytes), (&mut self.waited, waited), (&mut self.passed, passed)] {
            *sum = *sum * FADES + more;
        }
    }

    /// What is learned from now on is learned anew; until then, it costs what it did.
    fn forget(&mut self) {
        *self = Self { cost: self.cost, ..Self::default() };
    }

    fn seen(&self) -> f64 {
        self.waited / self.bytes.max(1.0)
    }

    fn holds_up(&self) -> bool {
        self.waited > HELD_UP * self.passed
    }
}

#[cfg(test)]
mod tests;
