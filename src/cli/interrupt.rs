//! Ctrl-C once: leave cleanly. Twice: at once.
//!
//! The first SIGINT or SIGTERM cancels a token that commands listen to (they send BYE, close what is open, keep what can be resumed) and
//! gives them a grace period; the second, or the end of the grace, ends the program with 130 whatever it is doing.

use std::{future::Future, pin::pin, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::{ExitCode, Failure, OrFail as _, Output};

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

/// Runs `body` until it ends or somebody is tired of waiting. `leaving` is cancelled at the first signal.
pub async fn run(
    body: impl Future<Output = Result<(), Failure>>,
    leaving: CancellationToken,
    policy: Policy,
    output: &Output,
) -> Result<(), Failure> {
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut body = pin!(body);

    tokio::select! {
        ended = &mut body => return ended,
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    leaving.cancel();
    output.note("leaving; press Ctrl-C again to stop at once");

    let grace = async {
        match policy {
            Policy::Command => tokio::time::sleep(LEAVE_GRACE).await,
            Policy::Daemon => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = &mut body => match (policy, ended) {
            (Policy::Daemon, ended) => ended,
            // What went wrong while leaving is worth a word; that it was left is what the code says.
            (Policy::Command, Err(failure)) => Err(Failure { code: ExitCode::Interrupted, ..failure }),
            (Policy::Command, Ok(())) => Err(Failure::silent(ExitCode::Interrupted)),
        },
        () = grace => Err(Failure::new(ExitCode::Interrupted, "left without the other side's answer")),
        _ = interrupt.recv() => Err(Failure::silent(ExitCode::Interrupted)),
        _ = terminate.recv() => Err(Failure::silent(ExitCode::Interrupted)),
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).or_fail(ExitCode::Failed, "listen for signals")
}
