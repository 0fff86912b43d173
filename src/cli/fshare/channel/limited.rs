//! Whether it is the receiver that a sender waits for.
//!
//! The relay says once a second, for each receiver and each data connection, for how long bytes waited, while they do; it does not say of which
//! connection it speaks, and nothing any more of one that is gone. So what it said holds for a moment only, and that another one does not wait
//! takes nothing back.

use std::time::{Duration, Instant};

/// For how much of a second bytes wait where the receiver is what limits.
const MUCH: Duration = Duration::from_millis(500);
/// How long that holds: two more words of the relay may be late.
const HOLDS: Duration = Duration::from_millis(2500);

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Limited {
    until: Option<Instant>,
}

impl Limited {
    /// For so much of the last second bytes waited for a receiver.
    pub fn handle_pace(&mut self, now: Instant, waited: Duration) {
        if waited >= MUCH {
            self.until = Some(now + HOLDS);
        }
    }

    /// The way to it is gone.
    pub fn handle_break(&mut self) {
        self.until = None;
    }

    /// Whether it limits.
    pub fn is_so(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_receiver_limits_while_the_relay_says_so_whatever_it_says_of_others() {
        let (start, mut limited) = (clock::now(), Limited::default());
        limited.handle_pace(start, Duration::from_millis(499));
        assert!(!limited.is_so(start));
        for second in 0..5 {
            let now = start + SECOND * second;
            limited.handle_pace(now, SECOND);
            // Of another receiver, or by another connection.
            limited.handle_pace(now, Duration::ZERO);
            assert!(limited.is_so(now) && limited.is_so(now + SECOND), "second {second}");
        }
        assert!(!limited.is_so(start + SECOND * 7), "it goes on taking");
    }

    #[test]
    fn what_was_said_of_a_connection_that_broke_is_not_said_of_the_next() {
        let (start, mut limited) = (clock::now(), Limited::default());
        limited.handle_pace(start, SECOND);
        limited.handle_break();
        assert!(!limited.is_so(start));
    }
}
