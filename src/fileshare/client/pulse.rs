//! Heartbeats: one goes when nothing else has gone for a while, and silence of the other side ends the connection.

use std::time::{Duration, Instant};

use super::fault::Fault;

/// How long the other side may be silent where no heartbeats are agreed.
pub(super) const MAX_SILENCE: Duration = Duration::from_secs(600);
/// After so many periods without a sign of life the other side is gone.
const PERIODS: u32 = 3;
/// How long admission may take, challenge to welcome.
pub(super) const ADMISSION: Duration = Duration::from_secs(15);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Pulse {
    /// Once admitted; the period of heartbeats, where there are any.
    agreed: Option<Option<Duration>>,
    started: Instant,
    sent: Instant,
    heard: Instant,
}

impl Pulse {
    pub(super) fn new(now: Instant) -> Self {
        Self { agreed: None, started: now, sent: now, heard: now }
    }

    /// Admitted, with so many seconds between heartbeats; 0: none.
    pub(super) fn agree(&mut self, now: Instant, seconds: u16) {
        self.agreed = Some(Some(Duration::from_secs(seconds.into())).filter(|period| !period.is_zero()));
        (self.sent, self.heard) = (now, now);
    }

    pub(super) fn handle_sent(&mut self, now: Instant) {
        self.sent = now;
    }

    pub(super) fn handle_heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// True when a heartbeat is due.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.agreed.flatten().is_some_and(|period| now >= self.sent + period)
    }

    /// Why the other side is taken for gone, where it is.
    pub(super) fn expired(&self, now: Instant) -> Option<Fault> {
        let (deadline, fault) = self.deadline();
        (now >= deadline).then_some(fault)
    }

    /// When to look again: at the end of the other side's silence, and before it when a heartbeat is due; not where packets wait to go
    /// already, however long the connection takes no more of them: they are the next sign of life.
    pub(super) fn next_timeout(&self, waiting: bool) -> Instant {
        let deadline = self.deadline().0;
        let beat = self.agreed.flatten().filter(|_| !waiting).map(|period| self.sent + period);
        beat.map_or(deadline, |beat| deadline.min(beat))
    }

    fn deadline(&self) -> (Instant, Fault) {
        match self.agreed {
            None => (self.started + ADMISSION, Fault::Admission(ADMISSION)),
            Some(period) => {
                let silence = period.map_or(MAX_SILENCE, |period| period * PERIODS);
                (self.heard + silence, Fault::Silent(silence))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_admitted_in_time_leaves() {
        let now = crate::clock::now();
        let pulse = Pulse::new(now);
        assert_eq!((pulse.next_timeout(false), pulse.expired(now + ADMISSION)), (now + ADMISSION, Some(Fault::Admission(ADMISSION))));
        assert!(!pulse.is_due(now + ADMISSION), "nothing is agreed yet");
    }

    #[test]
    fn a_heartbeat_goes_each_period_and_silence_ends_after_three() {
        let start = crate::clock::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pulse = Pulse::new(start);
        pulse.agree(start, 10);
        assert_eq!((pulse.next_timeout(false), pulse.is_due(at(9)), pulse.is_due(at(10))), (at(10), false, true));
        assert_eq!(pulse.next_timeout(true), at(30), "what waits is a sign of life as soon as it goes");
        pulse.handle_sent(at(10));
        assert_eq!((pulse.next_timeout(false), pulse.is_due(at(19))), (at(20), false));
        pulse.handle_sent(at(29));
        assert_eq!((pulse.next_timeout(false), pulse.expired(at(29))), (at(30), None));
        assert_eq!(pulse.expired(at(30)), Some(Fault::Silent(Duration::from_secs(30))));
        pulse.handle_heard(at(29));
        assert_eq!(pulse.expired(at(30)), None);
    }

    #[test]
    fn without_heartbeats_silence_has_a_bound_all_the_same() {
        let now = crate::clock::now();
        let mut pulse = Pulse::new(now);
        pulse.agree(now, 0);
        assert_eq!((pulse.next_timeout(false), pulse.is_due(now + MAX_SILENCE)), (now + MAX_SILENCE, false));
    }
}
