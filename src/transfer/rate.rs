//! A limit of bytes per second, as a token bucket on the caller's clock.
//!
//! One bucket may serve several transfers. Who asks is served in the order of asking, whatever the sizes, so that equal chunks make equal
//! shares.

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

/// Fewest and most bytes that are moved at once under a limit.
pub const GRAIN: (u64, u64) = (4 * 1024, 64 * 1024);
/// Grains in a second under a limit.
const GRAINS: u64 = 20;

/// The bytes that are moved at once under a limit of so many a second: a twentieth of them, within [`GRAIN`].
pub fn grain(bytes_per_second: u64) -> u64 {
    (bytes_per_second / GRAINS).clamp(GRAIN.0, GRAIN.1)
}

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

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha12Rng;

    use super::*;
    use crate::clock;

    const MEGA: NonZeroU64 = NonZeroU64::new(1_000_000).expect("not zero");

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let start = clock::now();
        let mut bucket = TokenBucket::new(start, MEGA, 500);
        let micros = |wait: Duration| wait.as_micros();
        assert_eq!(micros(bucket.reserve(start, 500)), 0);
        assert_eq!(micros(bucket.reserve(start, 100)), 100);
        assert_eq!(micros(bucket.reserve(start + Duration::from_micros(200), 100)), 0);
        assert_eq!(micros(bucket.reserve(start, 1)), 1, "a clock that goes back fills nothing");
    }

    #[test]
    fn over_any_time_no_more_passes_than_rate_and_burst_allow_and_waiting_as_told_is_enough() {
        for seed in 0..20 {
            let mut random = ChaCha12Rng::seed_from_u64(seed);
            let start = clock::now();
            let (mut now, mut passed) = (start, 0u64);
            let mut bucket = TokenBucket::new(start, MEGA, 10_000);
            for _ in 0..2_000 {
                let bytes = random.random_range(1..=10_000);
                now += bucket.reserve(now, bytes);
                assert_eq!(bucket.reserve(now, 0), Duration::ZERO, "seed {seed}");
                passed += bytes;
                assert!(u128::from(passed) <= (now - start).as_micros() + 1 + 10_000, "seed {seed}");
                now += Duration::from_nanos(random.random_range(0..5_000_000));
            }
        }
    }

    #[test]
    fn more_than_the_burst_is_owed() {
        let start = clock::now();
        let mut bucket = TokenBucket::new(start, MEGA, 1_000);
        assert_eq!(bucket.reserve(start, 11_000), Duration::from_micros(10_000));
        assert_eq!(bucket.reserve(start, 1), Duration::from_micros(10_001));
    }

    #[test]
    fn who_reserves_waits_behind_those_before() {
        let start = clock::now();
        let mut bucket = TokenBucket::new(start, MEGA, 1_000);
        let waits: Vec<u128> = (0..4).map(|_| bucket.reserve(start, 1_000).as_micros()).collect();
        assert_eq!(waits, [0, 1_000, 2_000, 3_000]);
        bucket.set_rate(start, NonZeroU64::new(2_000_000).expect("not zero"), 1_000);
        assert_eq!(bucket.reserve(start, 1_000), Duration::from_micros(2_000), "what is owed is paid at the new rate");
    }
}
