//! Reports of active talkers (RFC 5022 §5.7): when one is due, and what it says.

use std::time::{Duration, Instant};

use crate::conference::wire::mscml::Time;

/// Shortest interval between two reports of a conference; a shorter one that is asked for counts as this.
pub const MIN_INTERVAL: Duration = Duration::from_millis(200);
/// Longest interval; a longer or infinite one counts as this.
pub const MAX_INTERVAL: Duration = Duration::from_secs(3600);

/// Who talks, who was last reported to talk, and when the next report may go.
#[derive(Debug)]
pub(super) struct Talkers<T> {
    interval: Option<Duration>,
    /// Loudest first.
    current: Vec<T>,
    reported: Vec<T>,
    not_before: Option<Instant>,
}

impl<T: Ord + Clone> Talkers<T> {
    pub(super) fn new() -> Self {
        Self { interval: None, current: Vec::new(), reported: Vec::new(), not_before: None }
    }

    /// Starts or changes a subscription. Whoever talks now is reported at once.
    pub(super) fn subscribe(&mut self, interval: Time) {
        self.interval = Some(interval.length().unwrap_or(MAX_INTERVAL).clamp(MIN_INTERVAL, MAX_INTERVAL));
        self.reported = Vec::new();
        self.not_before = None;
    }

    /// Ends the subscription.
    pub(super) fn unsubscribe(&mut self) {
        self.interval = None;
        self.not_before = None;
    }

    /// Those who talk now, loudest first.
    pub(super) fn set(&mut self, talkers: Vec<T>) {
        self.current = talkers;
    }

    /// Somebody left: whoever left does not talk.
    pub(super) fn remove(&mut self, gone: &T) {
        self.current.retain(|t| t != gone);
    }

    /// When [`Self::poll`] has something to say.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        (self.interval.is_some() && self.changed()).then(|| self.not_before.unwrap_or(now).max(now))
    }

    /// The report that is due.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Vec<T>> {
        let interval = self.interval?;
        if !self.changed() || self.not_before.is_some_and(|at| now < at) {
            return None;
        }
        self.not_before = Some(now + interval);
        self.reported.clone_from(&self.current);
        Some(self.current.clone())
    }

    /// Whether others talk than last reported; who is loudest among them does not count.
    fn changed(&self) -> bool {
        let (mut current, mut reported) = (self.current.clone(), self.reported.clone());
        current.sort_unstable();
        reported.sort_unstable();
        current != reported
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_reported_at_most_once_in_an_interval() {
        let zero = crate::clock::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let mut talkers = Talkers::new();
        talkers.set(vec!["alice"]);
        assert_eq!((talkers.poll(at(0)), talkers.deadline(at(0))), (None, None), "nobody subscribed");
        talkers.subscribe(Time::After(Duration::from_secs(1)));
        assert_eq!(talkers.poll(at(0)), Some(vec!["alice"]));
        assert_eq!(talkers.poll(at(0)), None, "nothing changed");
        talkers.set(vec!["bob", "alice"]);
        assert_eq!((talkers.poll(at(500)), talkers.deadline(at(500))), (None, Some(at(1000))));
        talkers.set(vec!["alice", "bob"]);
        assert_eq!(talkers.poll(at(1000)), Some(vec!["alice", "bob"]));
        talkers.set(vec!["bob", "alice"]);
        assert_eq!(talkers.poll(at(5000)), None, "the order is no change");
    }

    #[test]
    fn a_talker_who_leaves_is_reported_silent() {
        let now = crate::clock::now();
        let mut talkers = Talkers::new();
        talkers.subscribe(Time::Immediate);
        talkers.set(vec!["alice"]);
        assert_eq!(talkers.poll(now), Some(vec!["alice"]));
        talkers.remove(&"alice");
        assert_eq!(
            (talkers.poll(now), talkers.deadline(now)),
            (None, Some(now + MIN_INTERVAL)),
            "immediate counts as the shortest interval"
        );
        assert_eq!(talkers.poll(now + MIN_INTERVAL), Some(Vec::new()));
        talkers.unsubscribe();
        talkers.set(vec!["bob"]);
        assert_eq!(talkers.poll(now + MAX_INTERVAL), None);
    }
}
