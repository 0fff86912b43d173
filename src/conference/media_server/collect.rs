//! Collecting digits (RFC 5022 §6.4): one `playcollect` from its prompt to its reason.
//!
//! Keys stand in the leg's quarantine buffer; the machine takes from it what belongs to the collection and leaves the
//! rest for the next one.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::conference::wire::mscml::{MAX_DIGITS, PlayCollect, Reason, Time};

/// Most keys kept for a collection to come; the oldest are forgotten first.
pub const MAX_BUFFERED: usize = 64;

/// One collection.
#[derive(Debug)]
pub(super) struct Collect {
    barge: bool,
    max_digits: usize,
    first_digit: Time,
    inter_digit: Time,
    extra_digit: Time,
    escape_key: Option<char>,
    return_key: Option<char>,
    phase: Phase,
    digits: String,
    deadline: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Prompting,
    Collecting,
    /// All digits are there; the return key may follow (§6.4.3).
    Extra,
}

/// What comes of a key, a prompt's end or a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It goes on.
    Wait,
    /// It goes on, and the prompt is over: a key barged in.
    EndPrompt,
    /// It is over.
    Done(Reason),
}

impl Collect {
    /// Begins. `prompt`: there is something to play, which is to be played unless the step says [`Step::EndPrompt`] or
    /// [`Step::Done`].
    pub(super) fn begin(now: Instant, spec: &PlayCollect, prompt: bool, buffer: &mut VecDeque<char>) -> (Self, Step) {
        let max_digits = usize::from(spec.max_digits.unwrap_or(MAX_DIGITS).min(MAX_DIGITS));
        let mut collect = Self {
            barge: spec.barge,
            max_digits,
            first_digit: spec.first_digit,
            inter_digit: spec.inter_digit,
            extra_digit: spec.extra_digit,
            escape_key: spec.escape_key,
            return_key: spec.return_key,
            phase: Phase::Prompting,
            digits: String::new(),
            deadline: None,
        };
        // Without barge-in, what was typed before is forgotten in any case (§6.4.1).
        if spec.clear_digits || !spec.barge {
            buffer.clear();
        }
        let step = if !prompt {
            collect.collecting(now, buffer)
        } else if buffer.is_empty() {
            Step::Wait
        } else {
            collect.barged(now, buffer)
        };
        (collect, step)
    }

    /// A key has been put into the buffer.
    pub(super) fn key(&mut self, now: Instant, buffer: &mut VecDeque<char>) -> Step {
        match self.phase {
            Phase::Prompting if self.barge => self.barged(now, buffer),
            Phase::Prompting => Step::Wait,
            Phase::Collecting | Phase::Extra => self.take(now, buffer),
        }
    }

    /// The prompt has ended.
    pub(super) fn prompt_ended(&mut self, now: Instant, buffer: &mut VecDeque<char>) -> Step {
        if self.phase == Phase::Prompting { self.collecting(now, buffer) } else { Step::Wait }
    }

    /// The deadline has come.
    pub(super) fn timeout(&mut self, now: Instant) -> Step {
        if self.deadline.is_none_or(|at| now < at) {
            return Step::Wait;
        }
        self.deadline = None;
        // Waiting in vain for the return key behind the last digit is no failure.
        Step::Done(if self.phase == Phase::Extra { Reason::Match } else { Reason::Timeout })
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// What has been collected.
    pub(super) fn digits(&self) -> &str {
        &self.digits
    }

    fn barged(&mut self, now: Instant, buffer: &mut VecDeque<char>) -> Step {
        match self.collecting(now, buffer) {
            Step::Wait | Step::EndPrompt => Step::EndPrompt,
            done @ Step::Done(_) => done,
        }
    }

    fn collecting(&mut self, now: Instant, buffer: &mut VecDeque<char>) -> Step {
        self.phase = Phase::Collecting;
        self.wait(now, self.first_digit);
        self.take(now, buffer)
    }

    fn take(&mut self, now: Instant, buffer: &mut VecDeque<char>) -> Step {
        while let Some(key) = buffer.front().copied() {
            if self.phase == Phase::Extra && self.return_key != Some(key) {
                // It belongs to whatever comes next.
                return Step::Done(Reason::Match);
            }
            buffer.pop_front();
            if self.escape_key == Some(key) {
                self.digits.clear();
                return Step::Done(Reason::EscapeKey);
            }
            if self.return_key == Some(key) {
                return Step::Done(Reason::ReturnKey);
            }
            self.digits.push(key);
            if self.digits.len() < self.max_digits {
                self.wait(now, self.inter_digit);
            } else if self.return_key.is_some() {
                self.phase = Phase::Extra;
                self.wait(now, self.extra_digit);
            } else {
                return Step::Done(Reason::Match);
            }
        }
        Step::Wait
    }

    fn wait(&mut self, now: Instant, time: Time) {
        self.deadline = time.length().map(|length: Duration| now + length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn spec() -> PlayCollect {
        PlayCollect { max_digits: Some(4), ..PlayCollect::default() }
    }

    /// Runs a collection over keys at seconds, and says when and why it ended, with which digits, and what is left over.
    fn run(spec: &PlayCollect, prompt: Option<u64>, keys: &[(u64, &str)]) -> (u64, Reason, String, String) {
        let zero = crate::clock::now();
        let at = |s: u64| zero + SECOND * u32::try_from(s).expect("small");
        let (mut buffer, mut early) = (VecDeque::new(), keys.iter());
        let mut next = early.next();
        if let Some((0, typed)) = next {
            buffer.extend(typed.chars());
            next = early.next();
        }
        let (mut collect, mut step) = Collect::begin(zero, spec, prompt.is_some(), &mut buffer);
        let mut playing = prompt.is_some() && step == Step::Wait;
        for second in 0..60 {
            let now = at(second);
            if let Step::Done(reason) = step {
                return (second, reason, collect.digits().to_owned(), buffer.iter().collect());
            }
            if playing && prompt == Some(second) {
                playing = false;
                step = collect.prompt_ended(now, &mut buffer);
                continue;
            }
            step = collect.timeout(now);
            if let (Some((when, typed)), Step::Wait) = (next, step)
                && *when == second
            {
                next = early.next();
                buffer.extend(typed.chars());
                step = collect.key(now, &mut buffer);
                playing &= step == Step::Wait;
            }
            if step == Step::EndPrompt {
                playing = false;
                step = Step::Wait;
            }
            if let Step::Done(reason) = step {
                return (second, reason, collect.digits().to_owned(), buffer.iter().collect());
            }
        }
        panic!("it never ended");
    }

    #[test]
    fn digits_end_by_their_number_a_key_or_a_timer() {
        let end = |keys: &[(u64, &str)]| {
            let (at, reason, digits, _) = run(&spec(), None, keys);
            (at, reason, digits)
        };
        assert_eq!(end(&[(1, "1234")]), (2, Reason::Match, "1234".into()), "after the extra-digit timer");
        assert_eq!(end(&[(1, "1234#")]), (1, Reason::ReturnKey, "1234".into()));
        assert_eq!(end(&[(1, "12#")]), (1, Reason::ReturnKey, "12".into()));
        assert_eq!(end(&[(1, "12*")]), (1, Reason::EscapeKey, String::new()), "nothing collected is saved");
        assert_eq!(end(&[]), (5, Reason::Timeout, String::new()), "first digit");
        assert_eq!(end(&[(4, "1"), (5, "2")]), (7, Reason::Timeout, "12".into()), "between digits");
    }

    #[test]
    fn without_a_return_key_the_last_digit_ends_it_at_once() {
        let no_return = PlayCollect { return_key: None, ..spec() };
        assert_eq!(run(&no_return, None, &[(3, "12#4")]), (3, Reason::Match, "12#4".into(), String::new()));
    }

    #[test]
    fn a_key_beyond_the_last_digit_is_kept_for_the_next_collection() {
        assert_eq!(run(&spec(), None, &[(1, "12345")]), (1, Reason::Match, "1234".into(), "5".into()));
    }

    #[test]
    fn a_key_barges_in_unless_it_may_not() {
        assert_eq!(run(&spec(), Some(10), &[(2, "1234#")]).0, 2);
        let patient = PlayCollect { barge: false, ..spec() };
        assert_eq!(
            run(&patient, Some(10), &[(0, "99"), (2, "12")]),
            (12, Reason::Timeout, "12".into(), String::new()),
            "typed during the prompt counts, before it does not"
        );
        assert_eq!(
            run(&spec(), Some(3), &[]),
            (8, Reason::Timeout, String::new(), String::new()),
            "the first-digit timer starts behind the prompt"
        );
    }

    #[test]
    fn what_was_typed_ahead_counts_unless_it_is_to_be_cleared() {
        assert_eq!(run(&spec(), Some(10), &[(0, "1234#")]), (0, Reason::ReturnKey, "1234".into(), String::new()));
        let clear = PlayCollect { clear_digits: true, ..spec() };
        assert_eq!(run(&clear, None, &[(0, "1234#")]), (5, Reason::Timeout, String::new(), String::new()));
    }

    #[test]
    fn infinite_timers_never_fire_and_immediate_ones_at_once() {
        let patient = PlayCollect { first_digit: Time::Infinite, inter_digit: Time::Immediate, ..spec() };
        assert_eq!(run(&patient, None, &[(50, "1")]).0, 51);
        let (_, reason, digits, _) = run(&patient, None, &[(50, "1")]);
        assert_eq!((reason, digits.as_str()), (Reason::Timeout, "1"));
    }
}
