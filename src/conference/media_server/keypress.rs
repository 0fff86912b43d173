//! Reports of single keys (RFC 5022 §7.1).

use std::time::{Duration, Instant};

use crate::conference::wire::mscml::{KeypressMethod, KeypressReport, Notification};

/// A key held longer than this is long.
pub const LONG: Duration = Duration::from_secs(1);
/// The same key twice within this is a double.
pub const DOUBLE: Duration = Duration::from_secs(2);

/// What a leg reports of its keys, and the key before.
#[derive(Debug)]
pub(super) struct Keypresses {
    report: KeypressReport,
    last: Option<Instant>,
    /// The key that a second press would make a double.
    single: Option<(char, Instant)>,
}

impl Keypresses {
    pub(super) fn new() -> Self {
        Self { report: KeypressReport::None, last: None, single: None }
    }

    pub(super) fn subscribe(&mut self, report: KeypressReport) {
        self.report = report;
    }

    /// Takes a key that was let go now, and says what to report.
    pub(super) fn press(&mut self, now: Instant, digit: char, held: Duration) -> Vec<Notification> {
        let since_last = self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.last = Some(now);
        let event = |long, method| Notification::Keypress { digit, long, method, since_last };
        let double = self.single.is_some_and(|(key, at)| key == digit && now.saturating_duration_since(at) <= DOUBLE);
        // Two presses make one double; the third begins anew.
        self.single = (!double).then_some((digit, now));
        let (standard, long) = match self.report {
            KeypressReport::Standard => (true, false),
            KeypressReport::Long => (false, true),
            KeypressReport::Both => (true, true),
            KeypressReport::None => (false, false),
        };
        let mut events = Vec::new();
        if standard {
            events.push(event(false, KeypressMethod::Standard));
        }
        if long && held > LONG {
            events.push(event(true, KeypressMethod::Long));
        } else if long && double {
            events.push(event(true, KeypressMethod::Double));
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is reported of presses (key, when in ms, held in ms).
    fn reported(report: KeypressReport, presses: &[(char, u64, u64)]) -> Vec<(char, KeypressMethod, u128)> {
        let zero = crate::clock::now();
        let mut keys = Keypresses::new();
        keys.subscribe(report);
        let press = |&(key, at, held): &(char, u64, u64)| keys.press(zero + Duration::from_millis(at), key, Duration::from_millis(held));
        presses
            .iter()
            .flat_map(press)
            .map(|n| match n {
                Notification::Keypress { digit, long, method, since_last } => {
                    assert_eq!(long, method != KeypressMethod::Standard);
                    (digit, method, since_last.as_millis())
                }
                Notification::Conference { .. } => panic!("{n:?}"),
            })
            .collect()
    }

    #[test]
    fn each_subscription_gets_its_kind_of_key() {
        use KeypressMethod::{Double, Long, Standard};
        let presses = [('4', 1000, 100), ('4', 2500, 100), ('4', 3000, 100), ('#', 5000, 1500)];
        assert_eq!(reported(KeypressReport::None, &presses), []);
        assert_eq!(reported(KeypressReport::Standard, &presses[..2]), [('4', Standard, 0), ('4', Standard, 1500)]);
        assert_eq!(reported(KeypressReport::Long, &presses), [('4', Double, 1500), ('#', Long, 2000)]);
        let both = [
            ('4', Standard, 0),
            ('4', Standard, 1500),
            ('4', Double, 1500),
            ('4', Standard, 500),
            ('#', Standard, 2000),
            ('#', Long, 2000),
        ];
        assert_eq!(reported(KeypressReport::Both, &presses), both);
    }

    #[test]
    fn a_double_is_quick_and_of_one_key() {
        assert_eq!(reported(KeypressReport::Long, &[('1', 0, 1), ('1', 2001, 1)]), []);
        assert_eq!(reported(KeypressReport::Long, &[('1', 0, 1), ('2', 100, 1), ('1', 200, 1)]), []);
    }
}
