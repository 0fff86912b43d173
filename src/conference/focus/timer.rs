//! The deadlines of a focus: an enum and a table.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::{
    id::{ConferenceName, ParticipantId},
    sip::endpoint::Subscription,
};

/// What can fall due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Look after the media servers.
    Ping,
    /// Somebody who is called has let it ring long enough.
    Ringing(ConferenceName, ParticipantId),
    /// The media server owes an MSCML response.
    Mscml(ConferenceName, String),
    /// A conference's time is up.
    Lifetime(ConferenceName),
    /// A slow subscriber may be ready for the full state.
    Watch(Subscription),
    /// A media server has been away for too long.
    ServerLost(usize),
}

/// Deadlines, each timer at most once.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(Instant, Timer)>,
    by_timer: BTreeMap<Timer, Instant>,
}

impl Timers {
    /// Sets a timer to fall due after a while; an earlier setting is replaced. One that is later than the clock can say never
    /// falls due.
    pub(super) fn set_after(&mut self, timer: Timer, now: Instant, wait: Duration) {
        match now.checked_add(wait) {
            Some(at) => self.set(timer, at),
            None => self.cancel(&timer),
        }
    }

    /// Sets a timer; an earlier setting is replaced.
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        self.cancel(&timer);
        self.by_timer.insert(timer.clone(), at);
        self.by_time.insert((at, timer));
    }

    /// Takes a timer away.
    pub(super) fn cancel(&mut self, timer: &Timer) {
        if let Some(at) = self.by_timer.remove(timer) {
            self.by_time.remove(&(at, timer.clone()));
        }
    }

    /// The next timer that is due.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        let (_, timer) = self.by_time.pop_first()?;
        self.by_timer.remove(&timer);
        Some(timer)
    }

    /// Deadlines that somebody's call, request or subscription has set.
    pub(super) fn of_calls(&self) -> usize {
        self.by_timer.keys().filter(|t| !matches!(t, Timer::Ping | Timer::ServerLost(_) | Timer::Lifetime(_))).count()
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_the_clock_cannot_say_never_comes() {
        let (mut timers, now) = (Timers::default(), crate::clock::now());
        timers.set_after(Timer::Ping, now, Duration::from_secs(1));
        assert_eq!(timers.next(), Some(now + Duration::from_secs(1)));
        timers.set_after(Timer::Ping, now, Duration::MAX);
        assert_eq!(timers.next(), None);
    }
}
