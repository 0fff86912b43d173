//! A limit of bytes per second, as a token bucket on the caller's clock.
//!
//! One bucket may serve several transfers. Who asks with [`TokenBucket::reserve`] is served in the order of asking, whatever the
//! sizes, so that equal chunks make equal shares.

use std::{
    num::NonZeroU64,
    time::{Duration, Instant},
};

/// Bytes per second, with a burst.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    rate: NonZeroU64,
    burst: u64,
    /// Nanobytes: bytes × 10⁹. Negative is debt.
    level: i128,
    filled: Instant,
}

const NANO: i128 = 1_000_000_000;

impl TokenBucket {
    /// A full bucket. A burst of zero is one byte.
    pub fn new(now: Instant, bytes_per_second: NonZeroU64, burst: u64) -> Self {
        let burst = burst.max(1);
        Self { rate: bytes_per_second, burst, level: i128::from(burst) * NANO, filled: now }
    }

    /// Bytes per second.
    pub fn rate(&self) -> NonZeroU64 {
        self.rate
    }

    /// Another rate and burst from now on. What is owed stays owed.
    pub fn set_rate(&mut self, now: Instant, bytes_per_second: NonZeroU64, burst: u64) {
        self.fill(now);
        (self.rate, self.burst) = (bytes_per_second, burst.max(1));
        self.level = self.level.min(i128::from(self.burst) * NANO);
    }

    /// Takes bytes if they are there. Otherwise takes nothing and says how long until they will be, if nobody else asks meanwhile.
    /// More than the burst is granted when the bucket is full; the rest is owed.
    pub fn take(&mut self, now: Instant, bytes: u64) -> Option<Duration> {
        self.fill(now);
        let missing = i128::from(bytes.min(self.burst)) * NANO - self.level;
        if missing > 0 {
            return Some(self.time_for(missing));
        }
        self.level -= i128::from(bytes) * NANO;
        None
    }

    /// Takes bytes in any case, and says how long to wait before they may be sent: nothing when they were there. Later callers wait
    /// behind this one.
    pub fn reserve(&mut self, now: Instant, bytes: u64) -> Duration {
        self.fill(now);
        self.level -= i128::from(bytes) * NANO;
        if self.level < 0 { self.time_for(-self.level) } else { Duration::ZERO }
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled);
        self.filled = self.filled.max(now);
        let gained = i128::try_from(passed.as_nanos()).unwrap_or(i128::MAX).saturating_mul(i128::from(self.rate.get()));
        self.level = self.level.saturating_add(gained).min(i128::from(self.burst) * NANO);
    }

    /// Rounded up, so that who waits that long finds the bytes.
    fn time_for(&self, nanobytes: i128) -> Duration {
        let rate = i128::from(self.rate.get());
        Duration::from_nanos(u64::try_from((nanobytes + rate - 1) / rate).unwrap_or(u64::MAX))
    }
}
