//! How far a transfer is, how fast, and how long it will take yet. Pure: the caller brings the clock.

use std::time::{Duration, Instant};

use serde::Serialize;

/// A sample weighs half after this time.
const HALF_LIFE: Duration = Duration::from_secs(3);
/// Samples nearer to each other than this are put together.
const LEAST: Duration = Duration::from_millis(50);

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Progress {
    /// Bytes of the batch stream that have passed.
    pub bytes: u64,
    /// Of how many; none while it is unknown.
    pub total: Option<u64>,
    /// Regular files that have all their bytes.
    pub files: u64,
    /// Of how many.
    pub files_total: u64,
}

/// Estimates rate and remaining time: an average over time in which what was long ago weighs little.
#[derive(Debug, Clone)]
pub struct Estimator {
    last: (Instant, u64),
    /// Bytes per second, once there is a sample.
    rate: Option<f64>,
}

impl Estimator {
    /// Starts at a byte: that of a resumed transfer is not zero.
    pub fn new(now: Instant, bytes: u64) -> Self {
        Self { last: (now, bytes), rate: None }
    }

    /// Takes what has passed by now. Bytes that go back (a resume) start the measure again.
    pub fn update(&mut self, now: Instant, bytes: u64) {
        if bytes < self.last.1 {
            *self = Self::new(now, bytes);
            return;
        }
        let passed = now.saturating_duration_since(self.last.0);
        if passed < LEAST {
            return;
        }
        let sample = (bytes - self.last.1) as f64 / passed.as_secs_f64();
        let old = 0.5f64.powf(passed.as_secs_f64() / HALF_LIFE.as_secs_f64());
        self.rate = Some(self.rate.map_or(sample, |rate| rate * old + sample * (1.0 - old)));
        self.last = (now, bytes);
    }

    /// Bytes per second now; zero before the first sample.
    pub fn rate(&self) -> f64 {
        self.rate.unwrap_or(0.0)
    }

    /// How long it will take yet. None when the total is unknown, or nothing moves, or longer than a year.
    pub fn eta(&self, total: Option<u64>) -> Option<Duration> {
        const YEAR: f64 = 365.0 * 86_400.0;
        let left = total?.saturating_sub(self.last.1) as f64;
        if left == 0.0 {
            return Some(Duration::ZERO);
        }
        let seconds = left / self.rate();
        (seconds < YEAR).then(|| Duration::from_secs_f64(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_steady_rate_is_found_and_gives_the_time_to_go() {
        let start = clock::now();
        let mut estimator = Estimator::new(start, 500);
        assert_eq!((estimator.rate(), estimator.eta(Some(1000))), (0.0, None));
        for second in 1..=10 {
            estimator.update(start + SECOND * second, 500 + 1000 * u64::from(second));
        }
        assert_eq!(estimator.rate().round(), 1000.0);
        assert_eq!(estimator.eta(Some(12_500)).map(|eta| eta.as_secs_f64().round()), Some(2.0));
        assert_eq!((estimator.eta(None), estimator.eta(Some(10_500))), (None, Some(Duration::ZERO)));
    }

    #[test]
    fn a_new_rate_weighs_half_after_three_seconds_however_often_it_is_looked_at() {
        let start = clock::now();
        for looks in [1u32, 3, 30] {
            let mut estimator = Estimator::new(start, 0);
            estimator.update(start + SECOND, 1_000);
            for look in 1..=looks {
                let passed = SECOND * 3 * look / looks;
                estimator.update(start + SECOND + passed, 1_000 + (3_000.0 * passed.as_secs_f64()) as u64);
            }
            assert!((estimator.rate() - 2_000.0).abs() < 5.0, "{looks} looks: {}", estimator.rate());
        }
    }

    #[test]
    fn a_standstill_has_no_end_and_a_resume_starts_the_measure_again() {
        let start = clock::now();
        let mut estimator = Estimator::new(start, 0);
        estimator.update(start + SECOND, 1_000_000);
        for second in 2..200 {
            estimator.update(start + SECOND * second, 1_000_000);
        }
        assert_eq!(estimator.eta(Some(2_000_000)), None);
        estimator.update(start + SECOND * 200, 900_000);
        assert_eq!(estimator.rate(), 0.0);
    }
}
