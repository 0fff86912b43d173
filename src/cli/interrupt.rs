//! Ctrl-C once: leave cleanly. Twice: at once.
//!
//! The first SIGINT or SIGTERM cancels a token that commands listen to (they send BYE, close what is open, keep what can be resumed) and
//! gives them a grace period; the second, or the end of the grace, ends the program with 130 whatever it is doing. What
//! comes twice at once ([`TOGETHER`]) is one signal: `timeout` sends SIGTERM to the command and then to the group that the command is in.

use std::{
    future::Future,
    pin::pin,
    time::{Duration, Instant},
};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{ExitCode, Failure, OrFail as _, Output},
    clock,
};

/// How a program takes the first signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// A command: it has [`LEAVE_GRACE`] to leave; then it ends with 130.
    Command,
    /// A daemon: it drains in its own time, and that it was told to stop is no failure.
    Daemon,
}

/// How long a command may take to leave after the first signal. A BYE to a server that is there takes milliseconds.
pub const LEAVE_GRACE: Duration = Duration::from_secs(5);

/// Signals of one kind that come so soon after each other are one.
pub const TOGETHER: Duration = Duration::from_millis(500);

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// Leave cleanly.
    Leave,
    /// Nothing new: it is one with the last of its kind.
    Same,
    /// End at once.
    AtOnce,
}

/// Signals as they came: when the last of each kind was counted.
#[derive(Debug, Default)]
struct Signals {
    last: Vec<(SignalKind, Instant)>,
}

impl Signals {
    fn on(&mut self, now: Instant, kind: SignalKind) -> Wish {
        let first = self.last.is_empty();
        let known = self.last.iter_mut().find(|(known, _)| *known == kind);
        match known {
            Some((_, at)) if now.saturating_duration_since(*at) < TOGETHER => Wish::Same,
            Some((_, at)) => {
                *at = now;
                Wish::AtOnce
            }
            None => {
                self.last.push((kind, now));
                if first { Wish::Leave } else { Wish::AtOnce }
            }
        }
    }
}

/// Runs `body` until it ends or somebody is tired of waiting. `leaving` is cancelled at the first signal.
pub async fn run(
    body: impl Future<Output = Result<(), Failure>>,
    leaving: CancellationToken,
    policy: Policy,
    output: &Output,
) -> Result<(), Failure> {
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut signals = Signals::default();
    let mut body = pin!(body);
    let mut grace = pin!(async {
        leaving.cancelled().await;
        match policy {
            Policy::Command => tokio::time::sleep(LEAVE_GRACE).await,
            Policy::Daemon => std::future::pending().await,
        }
    });
    loop {
        let kind = tokio::select! {
            ended = &mut body => return match (policy, ended) {
                (_, ended) if signals.last.is_empty() => ended,
                (Policy::Daemon, ended) => ended,
                // What went wrong while leaving is worth a word; that it was left is what the code says.
                (Policy::Command, Err(failure)) => Err(Failure { code: ExitCode::Interrupted, ..failure }),
                (Policy::Command, Ok(())) => Err(Failure::silent(ExitCode::Interrupted)),
            },
            () = &mut grace => return Err(Failure::new(ExitCode::Interrupted, "left without the other side's answer")),
            _ = interrupt.recv() => SignalKind::interrupt(),
            _ = terminate.recv() => SignalKind::terminate(),
        };
        match signals.on(clock::now(), kind) {
            Wish::Leave => {
                leaving.cancel();
                output.note("leaving; press Ctrl-C again to stop at once");
            }
            Wish::Same => {}
            Wish::AtOnce => return Err(Failure::silent(ExitCode::Interrupted)),
        }
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).or_fail(ExitCode::Failed, "listen for signals")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_comes_twice_at_once_is_one_and_any_later_one_ends_at_once() {
        let (start, int, term) = (clock::now(), SignalKind::interrupt(), SignalKind::terminate());
        let wishes = |came: &[(u64, SignalKind)]| -> Vec<Wish> {
            let mut signals = Signals::default();
            came.iter().map(|(at, kind)| signals.on(start + Duration::from_millis(*at), *kind)).collect()
        };
        assert_eq!(wishes(&[(0, term), (1, term), (499, term)]), [Wish::Leave, Wish::Same, Wish::Same]);
        assert_eq!(wishes(&[(0, int), (500, int)]), [Wish::Leave, Wish::AtOnce]);
        assert_eq!(wishes(&[(0, int), (1, term)]), [Wish::Leave, Wish::AtOnce], "two kinds are two");
    }
}
