//! The limit of one connection: what is moved at once is small, and the next piece waits its time.

use std::{
    num::NonZeroU64,
    time::{Duration, Instant},
};

use crate::transfer::{TokenBucket, rate::grain};

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Pace {
    bucket: Option<TokenBucket>,
    ready: Option<Instant>,
}

impl Pace {
    /// Without a limit, or with so many bytes a second.
    pub(super) fn new(now: Instant, limit: Option<NonZeroU64>) -> Self {
        let bucket = limit.map(|rate| TokenBucket::new(now, rate, grain(rate.get())));
        Self { bucket, ready: None }
    }

    /// The other side wants no more than this (0: it does not mind); the lower of both holds.
    pub(super) fn tighten(&mut self, now: Instant, bytes_per_second: u64) {
        let Some(rate) = NonZeroU64::new(bytes_per_second) else { return };
        if self.bucket.as_ref().is_none_or(|bucket| bucket.rate() > rate) {
            self.bucket = Some(TokenBucket::new(now, rate, grain(rate.get())));
        }
    }

    /// Most bytes to move at once.
    pub(super) fn piece(&self) -> usize {
        self.bucket.as_ref().map_or(usize::MAX, |bucket| usize::try_from(grain(bucket.rate().get())).unwrap_or(usize::MAX))
    }

    /// So many bytes were moved.
    pub(super) fn spend(&mut self, now: Instant, bytes: usize) {
        let wait = self.bucket.as_mut().map_or(Duration::ZERO, |bucket| bucket.reserve(now, bytes as u64));
        self.ready = Some(now + wait).filter(|_| !wait.is_zero());
    }

    /// When the next piece may go; `None`: now.
    pub(super) fn ready(&mut self, now: Instant) -> Option<Instant> {
        self.ready = self.ready.filter(|ready| *ready > now);
        self.ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_pieces_is_the_limit() {
        let start = crate::clock::now();
        let mut pace = Pace::new(start, NonZeroU64::new(1024 * 1024));
        pace.tighten(start, 0);
        pace.tighten(start, 2 * 1024 * 1024);
        let (mut now, mut moved) = (start, 0);
        while now < start + Duration::from_secs(10) {
            assert!(pace.piece() <= 64 * 1024);
            pace.spend(now, pace.piece());
            moved += pace.piece();
            now = pace.ready(now).unwrap_or(now);
        }
        assert!((10_000_000..10_700_000).contains(&moved), "{moved}");
    }

    #[test]
    fn the_lower_limit_holds() {
        let now = crate::clock::now();
        let mut pace = Pace::new(now, None);
        assert_eq!((pace.piece(), pace.ready(now)), (usize::MAX, None));
        pace.tighten(now, 100_000);
        assert_eq!(pace.piece(), 5000);
        pace.spend(now, 105_000);
        assert_eq!(pace.ready(now), Some(now + Duration::from_secs(1)));
        assert_eq!(pace.ready(now + Duration::from_secs(1)), None);
    }
}
