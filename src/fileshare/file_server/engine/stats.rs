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
    /// Batches refused or stopped because the disk is full.
    pub(super) refused_disk: AtomicU64,
    /// Batches refused or stopped because shares hold what they may.
    pub(super) refused_shares: AtomicU64,
    /// Connections closed because memory holds as many lists as it may.
    pub(super) refused_lists: AtomicU64,
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
    /// Batches refused or stopped because the disk is full.
    pub refused_disk: u64,
    /// Batches refused or stopped because shares hold what they may.
    pub refused_shares: u64,
    /// Connections closed because memory holds as many lists as it may.
    pub refused_lists: u64,
}

/// What shares hold at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holdings {
    /// Bytes of shares on the disk, and those that were let in and are still to come.
    pub held: u64,
    /// Of these, those that are still to come.
    pub unwritten: u64,
    /// Bytes that another share can have; `None` where nothing bounds it.
    pub room: Option<u64>,
    /// Bytes of manifests and trailers in memory.
    pub lists: u64,
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
            refused_disk: of(&self.refused_disk),
            refused_shares: of(&self.refused_shares),
            refused_lists: of(&self.refused_lists),
        }
    }
}

/// One more, or so many more.
pub(super) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}
