//! Subscribers of conferences' state: what the expectations about conferences are held against.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::cli::actor::Log;
use crate::{
    cli::confctl::{events::Watched, picture},
    clock,
    conference::{
        client::{Refusal, Session, Watch, WatchCommand, WatchEvent},
        wire::{conference_info::ConferenceInfo, control::Participant},
    },
    id::ConferenceName,
};

/// How long the end of a subscription may take.
const PARTING: Duration = Duration::from_secs(2);

/// A conference as its subscriber sees it.
#[derive(Debug, Clone, Default)]
pub enum Seen {
    /// Nothing has been told yet.
    #[default]
    Nothing,
    /// As it is now.
    Now(Box<ConferenceInfo>),
    /// It is over.
    Over,
    /// It cannot be seen.
    Refused(Refusal),
}

impl Seen {
    /// Who is in it.
    pub fn roster(&self) -> Vec<Participant> {
        match self {
            Self::Now(info) => picture::roster(info).into_values().collect(),
            Self::Nothing | Self::Over | Self::Refused(_) => Vec::new(),
        }
    }

    /// What there is to be seen, in a word, where it is no conference that goes on.
    pub fn word(&self) -> Option<String> {
        match self {
            Self::Now(_) => None,
            Self::Nothing => Some("no conference is seen".to_owned()),
            Self::Over => Some("the conference is over".to_owned()),
            Self::Refused(why) => Some(format!("the conference cannot be seen: {} ({})", why.text, why.status)),
        }
    }
}

/// Subscribes to one conference.
#[derive(Debug)]
pub struct Audience {
    seen: watch::Sender<Seen>,
    /// What happened in it.
    pub log: Log<Watched>,
    stop: CancellationToken,
}

impl Audience {
    /// Listens to a subscription.
    pub fn new(name: ConferenceName, mut session: Session<Watch>, tasks: &TaskTracker) -> Arc<Self> {
        let audience = Arc::new(Self { seen: watch::Sender::new(Seen::Nothing), log: Log::new(), stop: CancellationToken::new() });
        let told = Arc::clone(&audience);
        tasks.spawn(async move {
            let mut before: Option<Box<ConferenceInfo>> = None;
            loop {
                let event = tokio::select! {
                    event = session.next() => event,
                    () = told.stop.cancelled() => break,
                };
                match event {
                    Some(WatchEvent::News { picture: after, document }) => {
                        for change in picture::changes(name.as_str(), clock::wall().into(), before.as_deref(), &after, &document) {
                            told.log.push(change);
                        }
                        told.seen.send_replace(Seen::Now(after.clone()));
                        before = Some(after);
                    }
                    Some(WatchEvent::Gone) => {
                        told.log.push(Watched::Ended { at: clock::wall().into(), conference: name.to_string(), reason: None });
                        told.seen.send_replace(Seen::Over);
                    }
                    Some(WatchEvent::Failed(refusal)) => {
                        told.seen.send_replace(Seen::Refused(refusal));
                    }
                    Some(WatchEvent::Ended) | None => break,
                }
            }
            session.tell(WatchCommand::Leave).await;
            let parting = async { while session.next().await.is_some() {} };
            if timeout(PARTING, parting).await.is_ok() {
                session.over().await;
            }
        });
        audience
    }

    /// Waits until what is seen is as wanted, or the time is up; what is seen then.
    pub async fn wait(&self, within: Duration, mut wanted: impl FnMut(&Seen) -> bool) -> Seen {
        let mut told = self.seen.subscribe();
        // Whether it came true or not: what is seen now is what counts.
        let _ = timeout(within, told.wait_for(|seen| wanted(seen))).await.map(|_| ());
        self.now()
    }

    /// What is seen.
    pub fn now(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// It goes on: it has been seen and is neither over nor refused.
    pub fn goes_on(&self) -> bool {
        matches!(*self.seen.borrow(), Seen::Now(_))
    }

    /// Ends the subscription.
    pub fn leave(&self) {
        self.stop.cancel();
    }
}
