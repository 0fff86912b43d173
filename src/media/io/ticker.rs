//! The tick of a media thread: absolute, so that it does not drift by the time that the work takes.

use std::time::{Duration, Instant};

use nix::{
    errno::Errno,
    sys::{prctl, time::TimeSpec},
    time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep},
};

use crate::clock;

/// Ticks that are made up for when the thread was held up; what is older is skipped.
pub const MAX_CATCH_UP: u32 = 5;
/// How much later than asked the kernel may wake this thread, in nanoseconds.
const TIMER_SLACK: u64 = 1_000;
/// A tick that begins later than this is counted as late.
const LATE: Duration = Duration::from_millis(5);

/// The ticks of one thread.
#[derive(Debug)]
pub struct Ticker {
    period: Duration,
    /// When the next tick is due, on the system's monotonic clock.
    next: Duration,
    catch_up: u32,
    late: u64,
    skipped: u64,
}

/// A tick that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// When it began.
    pub now: Instant,
    /// Ticks that were left out before it.
    pub skipped: u32,
}

impl Ticker {
    /// The first tick comes a period from now. To be made on the thread that waits: it sets the thread's timer slack.
    pub fn start(period: Duration) -> Self {
        // Without it ticks begin up to 50 µs later: no reason to fail.
        let _ = prctl::set_timerslack(TIMER_SLACK);
        let mut ticker = Self { period, next: Duration::ZERO, catch_up: MAX_CATCH_UP, late: 0, skipped: 0 };
        ticker.restart();
        ticker
    }

    /// Makes up for so many ticks instead of [`MAX_CATCH_UP`].
    pub fn catching_up(self, ticks: u32) -> Self {
        Self { catch_up: ticks, ..self }
    }

    /// After a pause: the next tick comes a period from now.
    pub fn restart(&mut self) {
        self.next = monotonic() + self.period;
    }

    /// Ticks that began late.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Ticks left out.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Waits for the next tick. One that should have begun already begins at once; when too many are due, the
    /// older ones are skipped.
    pub fn wait(&mut self) -> Tick {
        let due = TimeSpec::from_duration(self.next);
        while clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME, &due) == Err(Errno::EINTR) {}
        let behind = monotonic().saturating_sub(self.next);
        let missed = (behind.as_nanos() / self.period.as_nanos().max(1)).min(u128::from(u32::MAX)) as u32;
        let skipped = missed.saturating_sub(self.catch_up);
        self.next += self.period * (skipped + 1);
        self.late += u64::from(behind > LATE);
        self.skipped += u64::from(skipped);
        Tick { now: clock::now(), skipped }
    }
}

/// The clock by which ticks are counted: `Instant` cannot be slept until.
fn monotonic() -> Duration {
    // Fails only for clocks that do not exist.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_keep_their_distance_in_the_long_run() {
        let mut ticker = Ticker::start(Duration::from_millis(4));
        let first = ticker.wait().now;
        let skipped: u32 = (0..50).map(|_| ticker.wait().skipped).sum();
        let last = clock::now();
        // A machine under load may be late, never early.
        assert!(last - first >= Duration::from_millis(4 * 50 - 4 * u64::from(MAX_CATCH_UP)));
        assert_eq!(u64::from(skipped), ticker.skipped());
    }

    #[test]
    fn a_thread_that_was_held_up_makes_up_for_five_ticks_and_skips_the_rest() {
        let mut ticker = Ticker::start(Duration::from_millis(1));
        ticker.next -= Duration::from_millis(100);
        let tick = ticker.wait();
        assert!(tick.skipped >= 94, "{tick:?}");
        assert_eq!(ticker.late(), 1);
        // Those that are made up for begin at once.
        let start = clock::now();
        for _ in 0..MAX_CATCH_UP - 1 {
            ticker.wait();
        }
        assert!(clock::now() - start < Duration::from_millis(50));
    }
}
