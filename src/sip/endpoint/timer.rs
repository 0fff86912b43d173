//! The endpoint's timers as an enum and a table.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

/// What may be due. The number is that of a call, subscription or incoming request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Call(u64, CallTimer),
    Subscription(u64, SubscriptionTimer),
    /// The owner has left a request unanswered for 64·T1.
    Unanswered(u64),
}

/// Timers of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CallTimer {
    /// The provisional response is sent again, every minute (RFC 3261 §13.3.1.1).
    Remind,
    /// The INVITE's Expires has run out (§13.3.1).
    InviteExpires,
    /// The 2xx is sent again (§13.3.1.4).
    Answer,
    /// No ACK came (§13.3.1.4).
    NoAck,
    /// No final response came to a cancelled INVITE (§9.1).
    CancelGiveUp,
    /// The waiting re-INVITE may be sent (§14.1).
    Reinvite,
    /// The session wants a refresh (RFC 4028 §10).
    Refresh,
    /// The session has expired (RFC 4028 §10).
    Expire,
}

/// Timers of one subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SubscriptionTimer {
    /// Subscriber: SUBSCRIBE again.
    Refresh,
    /// Both roles: it has run out.
    Expire,
    /// Subscriber: no NOTIFY came (timer N, RFC 6665 §4.1.2.4).
    NoNotify,
    /// Notifier: the owner has not said the last NOTIFY, so it is sent without a body.
    Last,
}

impl CallTimer {
    const FIRST: Self = Self::Remind;
    const LAST: Self = Self::Expire;
}

impl SubscriptionTimer {
    const FIRST: Self = Self::Refresh;
    const LAST: Self = Self::Last;
}

/// When each running timer fires. Setting, stopping and asking cost a logarithm of their number.
#[derive(Debug, Default)]
pub(super) struct TimerTable {
    at: BTreeMap<Timer, Instant>,
    due: BTreeSet<(Instant, Timer)>,
}

impl TimerTable {
    /// Sets a timer, in place of what it was set to.
    pub fn set(&mut self, timer: Timer, at: Instant) {
        if let Some(old) = self.at.insert(timer, at) {
            self.due.remove(&(old, timer));
        }
        self.due.insert((at, timer));
    }

    /// Stops a timer, if it runs.
    pub fn stop(&mut self, timer: Timer) {
        if let Some(at) = self.at.remove(&timer) {
            self.due.remove(&(at, timer));
        }
    }

    /// Stops all timers of a call.
    pub fn stop_call(&mut self, call: u64) {
        self.stop_range(Timer::Call(call, CallTimer::FIRST), Timer::Call(call, CallTimer::LAST));
    }

    /// Stops all timers of a subscription.
    pub fn stop_subscription(&mut self, subscription: u64) {
        self.stop_range(
            Timer::Subscription(subscription, SubscriptionTimer::FIRST),
            Timer::Subscription(subscription, SubscriptionTimer::LAST),
        );
    }

    /// When the first fires.
    pub fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes the next timer that is due.
    pub fn pop(&mut self, now: Instant) -> Option<Timer> {
        let (_, timer) = *self.due.first().filter(|(at, _)| *at <= now)?;
        self.stop(timer);
        Some(timer)
    }

    /// True when no timer runs.
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    fn stop_range(&mut self, first: Timer, last: Timer) {
        let running: Vec<Timer> = self.at.range(first..=last).map(|(timer, _)| *timer).collect();
        for timer in running {
            self.stop(timer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn timers_fire_in_order_and_once_and_calls_stop_alone() {
        let start = crate::clock::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut table = TimerTable::default();
        table.set(Timer::Call(1, CallTimer::Expire), at(30));
        table.set(Timer::Call(1, CallTimer::Expire), at(20));
        table.set(Timer::Call(1, CallTimer::Remind), at(15));
        table.set(Timer::Call(2, CallTimer::Remind), at(10));
        table.set(Timer::Unanswered(1), at(40));
        assert_eq!(table.next(), Some(at(10)));
        assert_eq!(table.pop(at(9)), None);
        assert_eq!(table.pop(at(10)), Some(Timer::Call(2, CallTimer::Remind)));
        assert_eq!(table.next(), Some(at(15)));
        table.stop_call(1);
        assert_eq!(table.pop(at(39)), None);
        assert_eq!(table.pop(at(40)), Some(Timer::Unanswered(1)));
        assert!(table.is_empty());
    }
}
