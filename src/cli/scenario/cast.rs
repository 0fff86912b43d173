//! The terminals of a scenario, each with a log of what happened to it.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{journal::Journal, model::Terminal};
use crate::{
    cli::{ExitCode, Failure, OrFail as _},
    conference::client::{Happenings, Participant, TerminalEvent},
};

/// Most happenings kept of one terminal or conference. Later ones are not looked at.
const MAX_LOG: usize = 10_000;
/// How long a terminal's good-byes may take.
const PARTING: Duration = Duration::from_secs(2);

/// What has happened so far; who waits for something is woken.
#[derive(Debug)]
pub struct Log<T>(watch::Sender<Vec<T>>);

impl<T> Log<T> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }

    /// Something happened.
    pub fn push(&self, happened: T) {
        self.0.send_if_modified(|all| {
            let room = all.len() < MAX_LOG;
            if room {
                all.push(happened);
            }
            room
        });
    }

    /// How much has happened.
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// The first thing from the place `from` on that `wanted` takes; what does not happen in time is `None`.
    pub async fn find<R>(&self, from: usize, within: Duration, mut wanted: impl FnMut(&T) -> Option<R>) -> Option<R> {
        let mut found = None;
        let mut seen = from;
        let mut told = self.0.subscribe();
        let waiting = told.wait_for(|all| {
            found = all.iter().skip(seen).find_map(&mut wanted);
            seen = seen.max(all.len());
            found.is_some()
        });
        // Whether it came or the time is up is seen by what was found.
        let _ = timeout(within, waiting).await.map(|_| ());
        found
    }

    /// Looks at all of it.
    pub fn look<R>(&self, at: impl FnOnce(&[T]) -> R) -> R {
        at(&self.0.borrow())
    }
}

/// A terminal that runs.
#[derive(Debug)]
pub struct Actor {
    /// What it is.
    pub terminal: Terminal,
    /// What it is told.
    pub participant: Participant,
    /// What happened to it.
    pub log: Arc<Log<TerminalEvent>>,
    /// Where it is recorded.
    pub recording: std::path::PathBuf,
    listening: JoinHandle<Happenings>,
    stop: CancellationToken,
}

impl Actor {
    /// Listens to what happens to a participant.
    pub fn new(
        terminal: Terminal,
        recording: std::path::PathBuf,
        participant: Participant,
        mut happenings: Happenings,
        journal: &Arc<Journal>,
        tasks: &TaskTracker,
    ) -> Self {
        let (log, stop) = (Arc::new(Log::new()), CancellationToken::new());
        let (notes, journal, token, name) = (Arc::clone(&log), Arc::clone(journal), stop.clone(), terminal.name.clone());
        let listening = tasks.spawn(async move {
            loop {
                let event = tokio::select! {
                    event = happenings.next() => event,
                    () = token.cancelled() => return happenings,
                };
                let Some(event) = event else { return happenings };
                let (what, text) = told(&event);
                journal.mark(name.as_str(), what, text);
                notes.push(event);
            }
        });
        Self { terminal, participant, log, recording, listening, stop }
    }

    /// Calls somebody or is called: it is in a call.
    pub fn in_call(&self) -> bool {
        self.log.look(in_call)
    }

    /// Ends everything.
    ///
    /// # Errors
    /// Its recording could not be written.
    pub async fn leave(self) -> Result<(), Failure> {
        self.stop.cancel();
        let happenings = self.listening.await.or_fail(ExitCode::Failed, format_args!("end the terminal {}", self.terminal.name))?;
        let log = self.log;
        let report = self.participant.leave(happenings, PARTING, |event| log.push(event)).await;
        report.map(drop).or_fail(ExitCode::Failed, format_args!("end the audio of {}", self.terminal.name))
    }
}

/// Whether what has happened leaves a terminal in a call.
pub fn in_call(log: &[TerminalEvent]) -> bool {
    let last = log
        .iter()
        .rfind(|event| matches!(event, TerminalEvent::Established { .. } | TerminalEvent::Ended { .. } | TerminalEvent::Refused(_)));
    matches!(last, Some(TerminalEvent::Established { .. }))
}

/// The word for a happening, and what more is to be said of it.
pub fn told(event: &TerminalEvent) -> (&'static str, String) {
    match event {
        TerminalEvent::Registered(seconds) => ("registered", format!("for {seconds} s")),
        TerminalEvent::RegistrationFailed(refusal) => ("not-registered", refusal.text.clone()),
        TerminalEvent::Ringing => ("ringing", String::new()),
        TerminalEvent::Called { from } => ("called", from.uri.to_string()),
        TerminalEvent::Established { pin_wanted: true, .. } => ("pin-wanted", String::new()),
        TerminalEvent::Established { audio, .. } => ("joined", audio.as_ref().map_or_else(String::new, |stream| stream.send.name.clone())),
        TerminalEvent::Changed { audio } => {
            ("changed", audio.as_ref().map_or_else(String::new, |stream| stream.direction.name().to_owned()))
        }
        TerminalEvent::NotChanged(refusal) => ("not-changed", refusal.text.clone()),
        TerminalEvent::Message { text, .. } => ("message", text.clone()),
        TerminalEvent::Refused(refusal) => ("refused", format!("{} ({})", refusal.text, refusal.status)),
        TerminalEvent::Ended { reason, .. } => {
            ("ended", reason.as_ref().map(|reason| reason.text.clone().unwrap_or_else(|| reason.to_string())).unwrap_or_default())
        }
        TerminalEvent::Admitted => ("admitted", String::new()),
        TerminalEvent::Left => ("left", String::new()),
        TerminalEvent::Part(_) => ("files", String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_happened_before_and_what_happens_in_time_is_found() {
        let log = Log::new();
        log.push(1);
        assert_eq!(log.find(0, Duration::ZERO, |n| (*n == 1).then_some(*n)).await, Some(1));
        assert_eq!(log.find(1, Duration::ZERO, |n| (*n == 1).then_some(*n)).await, None, "it happened before");
        let (found, ()) = tokio::join!(log.find(1, Duration::from_secs(30), |n| (*n == 2).then_some(*n)), async {
            tokio::task::yield_now().await;
            log.push(3);
            log.push(2);
        });
        assert_eq!((found, log.len()), (Some(2), 3));
    }

    #[test]
    fn a_terminal_is_in_a_call_from_its_answer_to_its_end() {
        let up = TerminalEvent::Established { focus: true, audio: None, pin_wanted: false };
        let end = TerminalEvent::Ended { by_peer: true, lost: false, reason: None };
        assert!(!in_call(&[]));
        assert!(in_call(&[TerminalEvent::Ringing, up.clone(), TerminalEvent::Changed { audio: None }]));
        assert!(!in_call(&[up, end]));
    }
}
