//! Rooms and their legs: what everyone says in a tick is summed once, and each hears the sum less himself.
//!
//! A mixer is what one media thread owns: all its rooms, all their legs. It is driven in ticks of 20 ms:
//! 1. `open_room`, `open_leg`, `connect_leg`, `set_mix`, `play`, `stop`, … as they are wanted (`command.rs`),
//! 2. [`Mixer::receive`] and [`Mixer::receive_report`] for each datagram that came since the last tick,
//! 3. [`Mixer::tick`]: the playout of every leg gives its frame, the rooms are summed (`hear.rs`),
//! 4. [`Mixer::poll_packet`] until it gives nothing: one packet per leg, encoded once for all who hear the same (`say.rs`),
//! 5. [`Mixer::poll_event`] until it gives nothing.
//!
//! Legs live in slots, so that a shell can keep its sockets beside them. Bounded by its shell: as many legs as it opens; prompts by [`MAX_PROMPTS`] each;
//! events by what one tick can bring, if they are taken every tick.
//! Out of scope: which port belongs to whom, and clocks.

mod command;
mod event;
mod hear;
mod leg;
mod room;
mod say;

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;

use self::{
    leg::Leg,
    room::{Room, Said},
    say::Cursor,
};
use super::{Codec, LegId, LegStats, PlayId, RoomId, outbound::MAX_PACKET};

pub use self::{
    event::{Event, Target},
    say::{Outgoing, Port},
};

/// Most prompts that one room or leg plays at once.
pub const MAX_PROMPTS: usize = 8;

/// The rate at which rooms are mixed, by the codec that has it.
const MIXED_AS: Codec = Codec::Pcmu;

/// Ticks between two looks at a leg's reports, silence and lost key ends. The looks of the legs are spread over them.
const CHORE_TICKS: u64 = 10;

/// What a mixer is told once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MixerConfig {
    /// How long a leg that should send may be without valid RTP before [`Event::Silent`].
    pub silent_after: Duration,
}

impl Default for MixerConfig {
    fn default() -> Self {
        Self { silent_after: Duration::from_secs(30) }
    }
}

/// Where a leg lives; taken again by another leg after it is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(usize);

impl Slot {
    /// By its number.
    pub fn at(index: usize) -> Self {
        Self(index)
    }

    /// As a number, small and dense.
    pub fn index(self) -> usize {
        self.0
    }
}

/// Why a mixer did not do what it was told. The caller's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MixerError {
    /// There is no such room.
    #[error("no such room")]
    NoRoom,
    /// There is no such leg.
    #[error("no such leg")]
    NoLeg,
    /// It plays [`MAX_PROMPTS`] already.
    #[error("{MAX_PROMPTS} prompts are being played already")]
    Prompts,
}

/// Rooms and legs of one thread.
#[derive(Debug)]
pub struct Mixer {
    config: MixerConfig,
    rng: ChaCha12Rng,
    /// A moment on both clocks, for the time stamps in reports.
    moment: (Instant, SystemTime),
    rooms: Vec<Option<Room>>,
    room_names: BTreeMap<RoomId, usize>,
    legs: Vec<Option<Leg>>,
    leg_slots: BTreeMap<LegId, usize>,
    plays: BTreeMap<PlayId, Place>,
    events: VecDeque<Event>,
    /// Some leg is to be closed with this tick.
    closing: bool,
    ticks: u64,
    cursor: Cursor,
    said: Said,
    packet: [u8; MAX_PACKET],
    sum: Vec<i32>,
    frame: Vec<i16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Room(usize),
    Leg(usize),
}

impl Mixer {
    /// An empty mixer. `now` and `wall` are the same moment on the two clocks.
    pub fn new(config: MixerConfig, now: Instant, wall: SystemTime, seed: [u8; 32]) -> Self {
        Self {
            config,
            rng: ChaCha12Rng::from_seed(seed),
            moment: (now, wall),
            rooms: Vec::new(),
            room_names: BTreeMap::new(),
            legs: Vec::new(),
            leg_slots: BTreeMap::new(),
            plays: BTreeMap::new(),
            events: VecDeque::new(),
            closing: false,
            ticks: 0,
            cursor: Cursor::default(),
            said: Said::new(MIXED_AS.frame()),
            packet: [0; MAX_PACKET],
            sum: Vec::new(),
            frame: Vec::new(),
        }
    }

    /// Legs that are not closed.
    pub fn leg_count(&self) -> usize {
        self.leg_slots.len()
    }

    /// True when ticks would change nothing: no leg is there and nothing is being played.
    pub fn is_idle(&self) -> bool {
        self.leg_slots.is_empty() && self.plays.is_empty() && self.events.is_empty()
    }

    /// Takes a datagram from the RTP port of a leg: read at `now`, arrived at `arrival`.
    pub fn receive(&mut self, now: Instant, slot: Slot, arrival: Instant, from: SocketAddr, datagram: &[u8]) {
        let Some(Some(leg)) = self.legs.get_mut(slot.0) else { return };
        let Some(connected) = &mut leg.connected else { return };
        if let Some(digit) = connected.inbound.receive(now, arrival, from, datagram) {
            self.events.push_back(Event::Digit { leg: leg.id, digit: digit.key, held: digit.held });
        }
    }

    /// Takes a datagram from the RTCP port of a leg.
    pub fn receive_report(&mut self, now: Instant, slot: Slot, from: SocketAddr, datagram: &[u8]) {
        if let Some(Some(leg)) = self.legs.get_mut(slot.0)
            && let Some(connected) = &mut leg.connected
        {
            connected.receive_report(now, from, datagram);
        }
    }

    /// The counters of a leg.
    pub fn stats(&self, leg: LegId) -> Option<LegStats> {
        let slot = *self.leg_slots.get(&leg)?;
        Some(self.legs.get(slot)?.as_ref()?.stats())
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

#[cfg(test)]
mod tests;
