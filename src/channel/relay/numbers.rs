//! Counters of a relay, in all and for each applicant, for metrics and `confctl status`.

use std::{
    collections::BTreeMap,
    fmt,
    net::IpAddr,
    num::NonZeroU64,
    time::{Duration, Instant},
};

use crate::{
    channel::wire::{Reason, RefusalCode},
    id::UserName,
    transfer::rate::TokenBucket,
};

/// Under whom channels are counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// An account.
    User(UserName),
    /// An address without an account (one IPv6 /64).
    Address(IpAddr),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => user.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// Counters since the relay was started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Connections that were taken.
    pub connections: u64,
    /// Connections that were closed at once, since there were too many.
    pub turned_away: u64,
    /// Applications.
    pub applications: u64,
    /// Channels that were allocated.
    pub channels: u64,
    /// Comings to places.
    pub meetings: u64,
    /// Places that were spent by a wrong guess.
    pub guesses: u64,
    /// Letters that were passed on.
    pub letters: u64,
    /// Bytes in them.
    pub letter_bytes: u64,
    /// Letters to terminals that were no longer there.
    pub letters_lost: u64,
    /// Bytes that data connections carried, counted once for each receiver.
    pub bytes: u64,
    /// Refusals by their code.
    pub refused: BTreeMap<RefusalCode, u64>,
    /// Terminals that left a channel, by reason.
    pub gone: BTreeMap<Reason, u64>,
}

/// Counters of one applicant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HolderNumbers {
    /// Channels that it has now.
    pub channels: usize,
    /// Applications that were looked at.
    pub applications: u64,
    /// Applications that were refused, by quota, rate or otherwise.
    pub refused: u64,
    /// Bytes that its channels carried, counted once for each receiver.
    pub bytes: u64,
}

/// One more.
pub(super) fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

/// Every applicant of late, with its counters and its allowance.
#[derive(Debug, Default)]
pub(super) struct Holders {
    entries: BTreeMap<Holder, Entry>,
}

#[derive(Debug)]
struct Entry {
    numbers: HolderNumbers,
    allowance: TokenBucket,
    seen: Instant,
}

/// What an application costs, in the sixtieths of which as many as there are applications a minute come back each second.
const COST: u64 = 60;

impl Holders {
    /// The counters of everybody who is remembered.
    pub(super) fn numbers(&self) -> impl Iterator<Item = (&Holder, &HolderNumbers)> {
        self.entries.iter().map(|(holder, entry)| (holder, &entry.numbers))
    }

    /// An application comes: `Some` says how long it is too early. `table`: most who are remembered without a channel.
    pub(super) fn apply(&mut self, now: Instant, holder: &Holder, per_minute: NonZeroU64, table: usize) -> Option<Duration> {
        self.make_room(holder, table);
        let burst = per_minute.get().saturating_mul(COST);
        let entry = self.entries.entry(holder.clone()).or_insert_with(|| Entry {
            numbers: HolderNumbers::default(),
            allowance: TokenBucket::new(now, per_minute, burst),
            seen: now,
        });
        entry.seen = now;
        count(&mut entry.numbers.applications);
        // What is refused costs nothing.
        let mut allowance = entry.allowance.clone();
        let wait = allowance.reserve(now, COST);
        if wait > Duration::ZERO {
            return Some(wait);
        }
        entry.allowance = allowance;
        None
    }

    /// Channels of an applicant.
    pub(super) fn channels(&self, holder: &Holder) -> usize {
        self.entries.get(holder).map_or(0, |entry| entry.numbers.channels)
    }

    /// Changes the counters of an applicant that is remembered.
    pub(super) fn change(&mut self, holder: &Holder, change: impl FnOnce(&mut HolderNumbers)) {
        if let Some(entry) = self.entries.get_mut(holder) {
            change(&mut entry.numbers);
        }
    }

    /// Drops the oldest tenth of those without a channel when there are too many, so that the search is paid once per that many.
    fn make_room(&mut self, newcomer: &Holder, table: usize) {
        if self.entries.len() < table.max(1) || self.entries.contains_key(newcomer) {
            return;
        }
        let without = self.entries.iter().filter(|(_, entry)| entry.numbers.channels == 0);
        let mut oldest: Vec<(Instant, Holder)> = without.map(|(holder, entry)| (entry.seen, holder.clone())).collect();
        if oldest.len() < table.max(1) {
            return;
        }
        oldest.sort_unstable();
        for (_, holder) in oldest.into_iter().take(1 + table / 10) {
            self.entries.remove(&holder);
        }
    }
}
