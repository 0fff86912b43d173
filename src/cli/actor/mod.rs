//! A terminal that runs in this process: steps of a scenario and commands of others tell it what to do, and wait for what happens to it.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | the terminal: its call, its files, its end |
//! | `files/` | what it shares and receives in its call |
//! | `log.rs` | what has happened |

mod files;
mod log;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use files::{Filed, Here, Manner, Order, Stands, ToShare, is_named};
pub use log::Log;

use files::{Files, ORDERS};

use crate::{
    cli::{ExitCode, Failure, OrFail as _, fshare::shares},
    clock,
    conference::client::{self, Dial, TerminalEvent, media::Report},
    fileshare::terminal::{SharingEvent, SharingTerminal},
    sip::endpoint::Reason,
};

/// A participant that shares and receives in its call's own dialog.
pub type Participant = client::Participant<SharingTerminal>;
/// What happens to it.
pub type Happenings = client::Happenings<SharingTerminal>;

/// How long a terminal's good-byes may take.
const PARTING: Duration = Duration::from_secs(2);

/// A terminal that runs.
#[derive(Debug)]
pub struct Actor {
    /// What it is called.
    pub name: String,
    /// What it is told.
    pub participant: Participant,
    /// What happened to it.
    pub log: Arc<Log<TerminalEvent>>,
    /// What happened to its files.
    pub filed: Arc<Log<Filed>>,
    up: Arc<AtomicBool>,
    orders: mpsc::Sender<Order>,
    listening: JoinHandle<(Happenings, Files)>,
    stop: CancellationToken,
}

impl Actor {
    /// Listens to what happens to a participant; each thing is also told to `mark`, as a word and more about it.
    pub fn new(
        name: &str,
        participant: Participant,
        mut happenings: Happenings,
        manner: Manner,
        mark: impl Fn(&'static str, String) + Send + Sync + 'static,
        tasks: &TaskTracker,
    ) -> Self {
        let (log, filed, stop) = (Arc::new(Log::new()), Arc::new(Log::new()), CancellationToken::new());
        let up = Arc::new(AtomicBool::new(false));
        let (orders, mut inbox) = mpsc::channel(ORDERS);
        let mut files = Files::new(manner, participant.commands(), participant.local().ip());
        let (calls, kept, is_up, token) = (Arc::clone(&log), Arc::clone(&filed), Arc::clone(&up), stop.clone());
        let listening = tasks.spawn(async move {
            let note = |happened: Filed| {
                let (what, text) = happened.told();
                mark(what, text);
                kept.push(happened);
            };
            loop {
                let unlisted = files.unlisted();
                let silence = sleep_until(unlisted.unwrap_or_else(clock::now).into());
                tokio::select! {
                    event = happenings.next() => match event {
                        Some(SharingEvent::Terminal(event)) => {
                            let (what, text) = told(&event);
                            mark(what, text);
                            let was_up = puts_up(&event).is_some_and(|up| is_up.swap(up, Ordering::Relaxed));
                            // An offer may come with the call: what was heard before its answer is its own.
                            match &event {
                                TerminalEvent::Ended { reason, .. } => files.call_ended(reason.as_ref()),
                                TerminalEvent::Established { .. } if was_up => files.call_ended(None),
                                _ => {}
                            }
                            // Whoever is woken by it sees the rest.
                            calls.push(event);
                        }
                        Some(event) => files.hear(event).await.into_iter().for_each(note),
                        None => break,
                    },
                    event = files.next() => note(files.became(event).await),
                    () = silence, if unlisted.is_some() => files.unsaid(&shares::unsaid()),
                    Some(order) = inbox.recv() => files.take(order).await,
                    () = token.cancelled() => break,
                }
            }
            (happenings, files)
        });
        Self { name: name.to_owned(), participant, log, filed, up, orders, listening, stop }
    }

    /// Calls somebody, and waits for the answer.
    ///
    /// # Errors
    /// Refused (3 to 6), not answered in time (7).
    pub async fn call(&self, dial: Dial, patience: Duration) -> Result<(), Failure> {
        let (from, uri) = (self.log.len(), dial.uri.clone());
        self.participant.dial(dial).await;
        let answer = self.log.find(from, patience, |event| match event {
            TerminalEvent::Established { .. } => Some(Ok(())),
            TerminalEvent::Refused(refusal) => Some(Err(refusal.clone().into())),
            TerminalEvent::Ended { reason, .. } => Some(Err(ended(reason.as_ref()))),
            _ => None,
        });
        match answer.await {
            Some(answer) => answer,
            None => {
                self.participant.hang_up().await;
                let waited = humantime::format_duration(patience);
                Err(Failure::new(ExitCode::Unreachable, format!("{uri} did not answer in {waited}")))
            }
        }
    }

    /// Ends its call, and waits until it is over.
    ///
    /// # Errors
    /// It is in no call (4); the BYE was not answered in time (7).
    pub async fn hang_up(&self, patience: Duration) -> Result<(), Failure> {
        self.is_in_call()?;
        let from = self.log.len();
        self.participant.hang_up().await;
        let ended = self.log.find(from, patience, |event| matches!(event, TerminalEvent::Ended { .. }).then_some(()));
        ended.await.ok_or_else(|| Failure::new(ExitCode::Unreachable, "the BYE was not answered"))
    }

    /// Holds its call, or takes it up again, and waits for the answer.
    ///
    /// # Errors
    /// It is in no call (4); refused (3 to 6); not answered in time (7).
    pub async fn hold(&self, on: bool, patience: Duration) -> Result<(), Failure> {
        self.is_in_call()?;
        let from = self.log.len();
        timeout(patience, self.participant.hold(on)).await.or_fail(ExitCode::Unreachable, "hold")?.or_fail(ExitCode::Failed, "hold")?;
        let answer = self.log.find(from, patience, |event| match event {
            TerminalEvent::Changed { .. } => Some(Ok(())),
            TerminalEvent::NotChanged(refusal) => Some(Err(refusal.clone().into())),
            TerminalEvent::Ended { reason, .. } => Some(Err(ended(reason.as_ref()))),
            _ => None,
        });
        answer.await.unwrap_or_else(|| Err(Failure::new(ExitCode::Unreachable, "the change was not answered")))
    }

    /// What wants a call has one.
    ///
    /// # Errors
    /// It is in none (4).
    pub fn is_in_call(&self) -> Result<(), Failure> {
        if self.in_call() { Ok(()) } else { Err(Failure::new(ExitCode::NotFound, format!("{} is in no call", self.name))) }
    }

    /// Gives an order about files, and waits for its end.
    ///
    /// # Errors
    /// How the order ended; it took longer than `within`.
    pub async fn ask<T>(&self, within: Duration, order: impl FnOnce(oneshot::Sender<Result<T, Failure>>) -> Order) -> Result<T, Failure> {
        let (reply, outcome) = oneshot::channel();
        let asked = async {
            // A terminal that is over drops the order, and with it our reply.
            let _ = self.orders.send(order(reply)).await;
            outcome.await.unwrap_or_else(|_| Err(Failure::new(ExitCode::Declined, "the call is over")))
        };
        timeout(within, asked).await.unwrap_or_else(|_| {
            Err(Failure::new(ExitCode::Unreachable, format!("it took longer than {}", humantime::format_duration(within))))
        })
    }

    /// It is in a call: that was answered, and has not ended.
    pub fn in_call(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Ends everything; what was heard.
    ///
    /// # Errors
    /// Its recording could not be written.
    pub async fn leave(self) -> Result<Report, Failure> {
        self.stop.cancel();
        let listening = self.listening.await;
        let (happenings, mut files) = listening.or_fail(ExitCode::Failed, format_args!("end the terminal {}", self.name))?;
        for happened in files.stop().await {
            tracing::info!(terminal = self.name, what = happened.told().0, more = happened.told().1, "left");
        }
        let log = self.log;
        let note = |event| {
            if let SharingEvent::Terminal(event) = event {
                log.push(event);
            }
        };
        let report = self.participant.leave(happenings, PARTING, note).await;
        report.map(|parting| parting.report).or_fail(ExitCode::Failed, format_args!("end the audio of {}", self.name))
    }
}

fn ended(reason: Option<&Reason>) -> Failure {
    let why = reason.map_or_else(String::new, |reason| format!(": {}", reason.text.clone().unwrap_or_else(|| reason.to_string())));
    Failure::new(ExitCode::Declined, format!("the other side ended the call{why}"))
}

/// Whether a terminal is in a call from this on; nothing where it changes nothing.
fn puts_up(event: &TerminalEvent) -> Option<bool> {
    match event {
        TerminalEvent::Established { .. } => Some(true),
        TerminalEvent::Ended { .. } | TerminalEvent::Refused(_) => Some(false),
        _ => None,
    }
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
        TerminalEvent::Outside(_) => ("message", String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_in_a_call_from_its_answer_to_its_end() {
        let up = TerminalEvent::Established { focus: true, audio: None, pin_wanted: false };
        let end = TerminalEvent::Ended { by_peer: true, lost: false, reason: None };
        let told: Vec<_> = [TerminalEvent::Ringing, up, TerminalEvent::Changed { audio: None }, end].iter().map(puts_up).collect();
        assert_eq!(told, [None, Some(true), None, Some(false)]);
    }
}
