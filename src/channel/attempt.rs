//! Breaks: when a transfer through a channel is tried again, and when it is left to whoever goes on with it later. One attempt is one channel,
//! one content key and one pass. Neither socket nor clock: what ended an attempt comes in, what is to be done comes out.
//!
//! | an attempt ended | then |
//! |---|---|
//! | before any chunks have come, by a relay that says when to come again | again then, where all such waits together stay below [`COURTESY`] |
//! | while a sender waited for whoever has its code, and nobody had come, by what may pass | again, until patience ends: people have been told the code |
//! | before any chunks have come otherwise, and nothing was taken up | it is over: whoever typed the code is there, and can type it again |
//! | by what may pass: a connection that broke, a relay that is down, a terminal that is gone | again, after a while, until patience ends |
//! | by what stays as it is: no space left, a person said stop | it is over here; what there is can be gone on with |
//! | for good: declined, not verified, a file changed | it is over |
//!
//! Patience begins with the first break, and anew with each that comes after more bytes than the one before: a way that breaks at once whenever
//! it is up ends it, too.

use std::time::{Duration, Instant};

use rand::RngExt as _;
use rand_chacha::ChaCha12Rng;

/// How long both ends look for each other after a break where nobody says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// What a relay may have us wait in all before anything has come: longer a person is not kept waiting without being asked.
pub const COURTESY: Duration = Duration::from_secs(10);
/// Whoever was at a place for so long has patience anew for the next time.
const HELD: Duration = Duration::from_secs(10);
/// The second wait; the first try is made at once. Each is twice as long as the one before…
const FIRST: Duration = Duration::from_millis(100);
/// …up to this: a relay that is there again is not missed for longer.
const LONGEST: Duration = Duration::from_secs(1);

/// What an end of an attempt means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It may be otherwise in a moment; not before `wait`, where that was said.
    Passing {
        /// How long the relay said to wait.
        wait: Option<Duration>,
    },
    /// It stays as it is until a person does something. What there is can be gone on with then.
    Lasting,
    /// There is nothing to go on with.
    Final,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Look for the other end again.
    Again {
        /// After so long.
        after: Duration,
    },
    /// It is over, by what ended the last attempt.
    Over,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Attempts {
    patience: Duration,
    /// Chunks have come once, in this process or in one before.
    begun: bool,
    /// The byte that was reached at most.
    reached: u64,
    /// Since when the two have been apart without getting further.
    since: Option<Instant>,
    tries: u32,
    /// For so long the relay has had us wait before anything came.
    waited: Duration,
    /// The other end has been told where to come, and has not come yet.
    awaits: bool,
}

impl Attempts {
    /// Of a transfer that begins. Without patience nothing is tried again.
    pub fn new(patience: Duration) -> Self {
        Self { patience, begun: false, reached: 0, since: None, tries: 0, waited: Duration::ZERO, awaits: false }
    }

    /// Of one that was broken off, and is gone on with by another process. `first`, no longer than `patience`, is how long the other end is looked for
    /// until the two are together again.
    pub fn taken_up(patience: Duration, first: Duration, now: Instant) -> Self {
        let since = now.checked_sub(patience.saturating_sub(first)).unwrap_or(now);
        Self { begun: true, since: Some(since), ..Self::new(patience) }
    }

    /// Until when the two have to be together again; none where they are not apart.
    pub fn deadline(&self) -> Option<Instant> {
        self.since.and_then(|since| since.checked_add(self.patience))
    }

    /// We were at the place that the other end has been told of, in the attempt that has just ended, and nobody had come: we go there again. An
    /// attempt that took less than [`HELD`] counts as one that failed: a relay that puts us out as soon as we are there is not waited at for ever.
    pub fn handle_nobody(&mut self, took: Duration) {
        if took >= HELD {
            (self.since, self.tries) = (None, 0);
        }
        self.awaits = true;
    }

    /// Somebody had come, and may have used up what the other end has been told.
    pub fn handle_somebody(&mut self) {
        self.awaits = false;
    }

    /// An attempt has ended. `reached`: where chunks had begun to come, the byte of the batch's stream that was reached.
    pub fn handle_end(&mut self, now: Instant, ending: Ending, reached: Option<u64>, rng: &mut ChaCha12Rng) -> Next {
        if reached.is_some_and(|reached| !self.begun || reached > self.reached) {
            (self.since, self.tries) = (None, 0);
        }
        self.begun |= reached.is_some();
        self.reached = self.reached.max(reached.unwrap_or(0));
        let Ending::Passing { wait } = ending else { return Next::Over };
        if !self.begun && !self.awaits {
            return self.wait_out(wait);
        }
        let since = *self.since.get_or_insert(now);
        let after = self.back_off(rng).max(wait.unwrap_or(Duration::ZERO));
        let left = self.patience.saturating_sub(now.saturating_duration_since(since));
        if after < left { Next::Again { after } } else { Next::Over }
    }

    /// Before anything has come: what the relay asks for, where it is little; but never at once, so that it can be asked a few times only.
    fn wait_out(&mut self, wait: Option<Duration>) -> Next {
        let asked = wait.map(|wait| wait.max(LONGEST));
        let Some(after) = asked.filter(|wait| self.waited.saturating_add(*wait) <= COURTESY) else { return Next::Over };
        self.waited += after;
        Next::Again { after }
    }

    /// At once, then ever longer; half of each wait is drawn, so that all who lost one relay do not come back to it at the same moment.
    fn back_off(&mut self, rng: &mut ChaCha12Rng) -> Duration {
        let tries = self.tries;
        self.tries = tries.saturating_add(1);
        let Some(doublings) = tries.checked_sub(1) else { return Duration::ZERO };
        let most = FIRST.saturating_mul(1 << doublings.min(16)).min(LONGEST);
        most.mul_f64(rng.random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests;
