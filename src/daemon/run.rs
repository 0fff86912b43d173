//! Waiting for the word to leave, and leaving.

use std::time::Duration;

use tokio::{
    io::AsyncReadExt as _,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{App, DaemonError, lifecycle::Phase, reload};
use crate::clock;

/// How often a certificate of our own is replaced; it lives a year.
const RENEWAL: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long tasks get to end after everything was told to stop.
const LAST: Duration = Duration::from_secs(5);

impl App {
    /// Runs until `leaving` is cancelled (or standard input ends, if that was asked for), then drains: no new calls, a BYE with a Reason for
    /// everybody, and the configured grace for that.
    ///
    /// # Errors
    /// A role ended by itself.
    pub async fn run(mut self, leaving: CancellationToken) -> Result<(), DaemonError> {
        let until_eof = self.options.until_eof;
        let mut input = std::pin::pin!(end_of_input(until_eof));
        let mut renewal = interval_at(Instant::from_std(clock::now() + RENEWAL), RENEWAL);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut directory = self.accounts.watch();
        let outcome = loop {
            tokio::select! {
                () = leaving.cancelled() => break Ok(()),
                () = &mut input => {
                    tracing::info!("standard input is closed");
                    break Ok(());
                }
                role = self.roles.ended() => {
                    break Err(DaemonError::RoleFailed { role: role.name(), what: "ended by itself".into() });
                }
                _ = self.hangups.recv() => reload::reload(&mut self).await,
                Ok(()) = directory.changed() => {
                    let current = directory.borrow_and_update().clone();
                    self.roles.take_accounts(current).await;
                }
                _ = renewal.tick() => match self.certificates.reload(&self.config) {
                    Ok(()) => tracing::info!("issued a new certificate"),
                    Err(error) => tracing::error!(%error, "no new certificate"),
                },
            }
        };
        self.drain().await;
        outcome
    }

    async fn drain(self) {
        let grace = self.config.stop.grace.get();
        tracing::info!(?grace, "draining");
        self.phases.enter(Phase::Draining);
        self.roles.drain(grace).await;
        // HTTP goes last, so that it can be seen that we drain.
        self.stop.cancel();
        self.tasks.close();
        if timeout(LAST, self.tasks.wait()).await.is_err() {
            tracing::warn!("some HTTP connections did not end");
        }
        if let Some(trace) = &self.trace {
            trace.flush().await;
        }
        self.accounts.store().close().await;
        tracing::info!("stopped");
    }
}

/// Standard input has ended; never, if nobody asked.
async fn end_of_input(asked: bool) {
    if !asked {
        return std::future::pending().await;
    }
    let mut input = tokio::io::stdin();
    let mut waste = [0; 1024];
    // An error is an end, too: the terminal is gone.
    while let Ok(1..) = input.read(&mut waste).await {}
}
