//! Whether the daemon takes calls, and what systemd is told of it.

use tokio::sync::watch;

/// Where the daemon is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not yet.
    Starting,
    /// It takes calls.
    Ready,
    /// No more: those that run are ended.
    Draining,
}

/// The phase, as everybody sees it.
#[derive(Debug, Clone)]
pub struct Phases(watch::Sender<Phase>);

impl Phases {
    /// A daemon that is starting.
    pub fn starting() -> Self {
        Self(watch::Sender::new(Phase::Starting))
    }

    /// Where it is.
    pub fn now(&self) -> Phase {
        *self.0.borrow()
    }

    /// Goes on, and tells systemd where it listens for that (`NOTIFY_SOCKET`).
    pub fn enter(&self, phase: Phase) {
        self.0.send_replace(phase);
        match phase {
            Phase::Starting => {}
            Phase::Ready => tell(&[sd_notify::NotifyState::Ready]),
            Phase::Draining => tell(&[sd_notify::NotifyState::Stopping]),
        }
    }
}

/// Tells systemd that the configuration is read anew. (It wants to know since when, on its own clock.)
pub(super) fn reloading() {
    match sd_notify::NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[sd_notify::NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "systemd is not told of the reload"),
    }
}

/// Tells systemd that the reload is over, whatever came of it.
pub(super) fn reloaded() {
    tell(&[sd_notify::NotifyState::Ready]);
}

fn tell(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd is not told of the state");
    }
}
