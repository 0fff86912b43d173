//! What the data plane has done.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that only grow, but for `connections`. Read them at any time.
#[derive(Debug, Default)]
pub struct Stats {
    /// Connections admitted and open now.
    pub(super) connections: AtomicU64,
    /// Connections admitted.
    pub(super) admitted: AtomicU64,
    /// Connections closed because nobody had declared their address and port.
    pub(super) strangers: AtomicU64,
    /// Connections closed because their proof was wrong.
    pub(super) unproved: AtomicU64,
    /// Connections closed because they took too long to prove themselves, said something else, or had to make room for others.
    pub(super) unfinished: AtomicU64,
    /// Connections of members closed because of what they sent.
    pub(super) faults: AtomicU64,
    /// Bytes of batches received.
    pub(super) received: AtomicU64,
    /// Bytes of batches sent.
    pub(super) sent: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Connections admitted and open now.
    pub connections: u64,
    /// Connections admitted.
    pub admitted: u64,
    /// Connections closed because nobody had declared their address and port.
    pub strangers: u64,
    /// Connections closed because their proof was wrong.
    pub unproved: u64,
    /// Connections closed because they took too long to prove themselves, said something else, or had to make room for others.
    pub unfinished: u64,
    /// Connections of members closed because of what they sent.
    pub faults: u64,
    /// Bytes of batches received.
    pub received: u64,
    /// Bytes of batches sent.
    pub sent: u64,
}

impl Stats {
    /// The counters now.
    pub fn counts(&self) -> Counts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            connections: of(&self.connections),
            admitted: of(&self.admitted),
            strangers: of(&self.strangers),
            unproved: of(&self.unproved),
            unfinished: of(&self.unfinished),
            faults: of(&self.faults),
            received: of(&self.received),
            sent: of(&self.sent),
        }
    }
}

/// One more, or so many more.
pub(super) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}
