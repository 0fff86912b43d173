//! What a mixer tells.

use std::time::Duration;

use crate::media::{LegId, LegStats, PlayEnd, PlayId, RoomId};

/// To whom something is played.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// Everyone in the mix of a room.
    Room(RoomId),
    /// One leg, parked or not.
    Leg(LegId),
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Those who talk now, loudest first: sent on every change of the set, at most once in [`crate::media::talker::REPORT_EVERY`]
    /// per room, at most [`crate::media::talker::MAX_REPORTED`] legs. May be dropped under pressure; the next one is whole again.
    Talkers {
        /// Room.
        room: RoomId,
        /// Who talks; empty when nobody does.
        legs: Vec<LegId>,
    },
    /// A leg pressed a key (RFC 4733): once per key, when it is let go.
    Digit {
        /// Leg.
        leg: LegId,
        /// `0-9 * # A-D`.
        digit: char,
        /// How long it was held.
        held: Duration,
    },
    /// A playing is over.
    PlayDone {
        /// Which.
        play: PlayId,
        /// Why.
        end: PlayEnd,
        /// How much was played, repetitions counted.
        played: Duration,
    },
    /// No valid RTP from the leg for the configured time, although it should send. Once; [`Event::Audible`] follows when it sends again.
    Silent {
        /// Leg.
        leg: LegId,
    },
    /// A leg that was [`Event::Silent`] sends again.
    Audible {
        /// Leg.
        leg: LegId,
    },
    /// A leg is closed: the last thing heard of it.
    Closed {
        /// Leg.
        leg: LegId,
        /// Its final counters.
        stats: Box<LegStats>,
    },
}
