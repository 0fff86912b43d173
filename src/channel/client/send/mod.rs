//! The sender (steps 5 to 7): a channel, a receiver that it comes to know, and the batch.
//!
//! | file | what |
//! |---|---|
//! | `apply.rs` | a channel, and what a receiver has to know of it |
//! | `meet.rs` | how it comes to know a receiver: by a code, or by what was agreed on with another user |
//! | `exchange.rs` | the exchanges at a place |
//! | `again.rs` | or again after a break, by what both have kept |
//! | `several.rs` | several receivers by one code, and the chunks that they have in common |
//! | `session.rs` | one receiver in the channel, from its entering to its end |
//! | `upload.rs` | the chunks |

mod again;
mod apply;
mod exchange;
mod meet;
mod session;
mod several;
mod upload;

use std::{
    num::{NonZeroU8, NonZeroU64},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

use self::{session::Session, several::Gathering};
use super::{
    again::{Resume, farewell, for_now, late},
    direct::{Opening, Serving, Ways},
    fault::ChannelError,
    outlet::Sent,
    relay::{Connection, Relays},
    rendezvous::{Rendezvous, Vouch},
};
use crate::{
    channel::{
        Code, Peer,
        attempt::{Attempts, Next},
        keys::Pairwise,
        wire::{
            Reason,
            letter::{Content, Way},
            pass::Pass,
        },
    },
    clock,
    transfer::Source,
};

/// What is sent, and how.
#[derive(Debug)]
pub struct Sending {
    /// The batch.
    pub source: Source,
    /// Files, or a text to be shown.
    pub content: Content,
    /// Where the relay is.
    pub relays: Relays,
    /// How long one address may take to answer.
    pub patience: Duration,
    /// How long the receiver is looked for after a break; zero: not at all.
    pub comeback: Duration,
    /// The code.
    pub secret: Secret,
    /// Receivers, at most [`MAX_RECEIVERS`](crate::channel::wire::request::MAX_RECEIVERS): nothing begins before as many have come. Several
    /// come by a code.
    pub receivers: NonZeroU8,
    /// Who we are to the relay, where it wants to know.
    pub account: Option<Arc<dyn Vouch>>,
    /// Data connections, from 1 to 16.
    pub streams: u8,
    /// Most bytes a second.
    pub rate: Option<NonZeroU64>,
    /// By which ways the bytes may go.
    pub ways: Ways,
    /// Another process could read the same batch again, and go on: what is told to the receiver when this one is stopped.
    pub lasting: bool,
}

/// What the receiver has to know.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there are few of them at a time, and they are moved seldom")]
pub enum Secret {
    /// A code that is drawn, with so many words.
    Drawn {
        /// Words, from 2 to 8.
        words: usize,
    },
    /// A code that was chosen.
    Chosen(Code),
    /// A channel that was agreed on with another user.
    Agreed(Rendezvous),
    /// What both have kept of a transfer that was broken off.
    Kept(Resume),
}

/// What a sender hears meanwhile.
#[derive(Debug)]
pub enum SendEvent {
    /// This is the code; a receiver is waited for.
    Code(Code),
    /// A receiver is there, and decides. Who keeps this can go on with the transfer, once it has begun.
    Offered(Resume),
    /// It wants it, from this byte of the batch's stream on.
    Begun {
        /// The byte.
        from: u64,
        /// By this way.
        way: Way,
    },
    /// For so much of the last second bytes waited for the receiver.
    Pace(Duration),
    /// Of several receivers, this is how one is.
    Receiver {
        /// Which, from 1 on, in the order in which they came.
        receiver: usize,
        /// How it is.
        how: Fared,
    },
    /// Somebody guessed wrong, and the code is spent: it goes on with those who have come.
    Guessed {
        /// How many they are.
        receivers: usize,
    },
    /// It broke; the receiver is looked for.
    Broken {
        /// What broke, for people.
        why: String,
        /// How long it is looked for at most.
        left: Duration,
    },
}

/// How one of several receivers is.
#[derive(Debug)]
pub enum Fared {
    /// It has come, and decides. Who keeps this can go on with it, once chunks have begun to go.
    Joined(Resume),
    /// It was lost by this, and is looked for.
    Broken(String),
    /// It was found again, and gets the rest apart.
    Back {
        /// From this byte on.
        from: u64,
    },
    /// It has all of it, verified.
    Done,
    /// It has not got all of it.
    Failed {
        /// Why.
        why: String,
        /// Whether it can be gone on with.
        resumable: bool,
    },
}

/// How far it is, readable at any time.
#[derive(Debug, Default)]
pub struct Progress {
    sent: Arc<AtomicU64>,
    received: AtomicU64,
    durable: AtomicU64,
}

impl Progress {
    /// Up to which byte of the batch's stream the own kernel has taken it.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// And the receiver.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// And its disk.
    pub fn durable(&self) -> u64 {
        self.durable.load(Ordering::Relaxed)
    }
}

impl Sending {
    /// The same for one of several receivers, who was lost.
    fn for_one(&self, resume: Resume) -> Self {
        Self {
            source: self.source.clone(),
            content: self.content,
            relays: self.relays.clone(),
            patience: self.patience,
            comeback: self.comeback,
            secret: Secret::Kept(resume),
            account: self.account.clone(),
            receivers: NonZeroU8::MIN,
            streams: self.streams,
            rate: self.rate,
            ways: self.ways,
            lasting: self.lasting,
        }
    }
}

/// Sends a batch to whoever knows the code. `events` that nobody takes hold it up. After a break it goes on by itself, as long as
/// [`Sending::comeback`] says.
///
/// # Errors
/// See [`ChannelError`]; receivers are told of what happened here.
pub async fn send(
    sending: &Sending,
    events: &mpsc::Sender<SendEvent>,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Sent, ChannelError> {
    if sending.receivers.get() > 1 {
        to_several(sending, events, progress, stop).await
    } else {
        to_one(sending, events, progress, stop).await
    }
}

async fn to_several(
    sending: &Sending,
    events: &mpsc::Sender<SendEvent>,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Sent, ChannelError> {
    let (rng, begun) = (ChaCha12Rng::from_seed(clock::seed()), CancellationToken::new());
    let mut terminal = Terminal { sending, events, progress, rng, resume: None, begun };
    let mut control = tokio::select! {
        opened = Connection::open(&sending.relays, sending.patience) => opened?,
        () = stop.cancelled() => return Err(ChannelError::Stopped),
    };
    let gathered = async {
        let (allocated, password) = terminal.show_code(&mut control).await?;
        let pass = terminal.pass(&allocated, None);
        // What all get, the relay copies for each: nobody comes to a port of ours.
        let opening = Opening { ways: Ways::RelayOnly, ..terminal.opening(&control, &allocated) };
        Gathering::open(&mut terminal, &mut control, password, (pass, opening), stop).run(&mut control).await
    };
    let ended = tokio::select! {
        ended = gathered => ended,
        () = stop.cancelled() => Err(ChannelError::Stopped),
    };
    terminal.part(&mut control, &ended, stop).await;
    ended
}

async fn to_one(
    sending: &Sending,
    events: &mpsc::Sender<SendEvent>,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Sent, ChannelError> {
    let (resume, mut attempts) = match &sending.secret {
        Secret::Kept(resume) => (Some(resume.clone()), Attempts::taken_up(sending.comeback, clock::now())),
        Secret::Drawn { .. } | Secret::Chosen(_) | Secret::Agreed(_) => (None, Attempts::new(sending.comeback)),
    };
    let (rng, begun) = (ChaCha12Rng::from_seed(clock::seed()), CancellationToken::new());
    let mut terminal = Terminal { sending, events, progress, rng, resume, begun };
    loop {
        terminal.begun = CancellationToken::new();
        let error = match terminal.attempt(&attempts, stop).await {
            Ok(sent) => return Ok(sent),
            Err(error) => error,
        };
        let begun = terminal.begun.is_cancelled();
        let (now, reached) = (clock::now(), begun.then(|| progress.received()));
        let Next::Again { after } = attempts.handle_end(now, error.ending(), reached, &mut terminal.rng) else { return Err(error) };
        if begun {
            let left = attempts.deadline().map_or(Duration::ZERO, |deadline| deadline.saturating_duration_since(now));
            terminal.hear(SendEvent::Broken { why: error.to_string(), left }).await;
        }
        tokio::select! {
            () = sleep(after) => {}
            () = stop.cancelled() => return Err(ChannelError::Stopped),
        }
    }
}

struct Terminal<'a> {
    sending: &'a Sending,
    events: &'a mpsc::Sender<SendEvent>,
    progress: &'a Progress,
    rng: ChaCha12Rng,
    /// What was agreed on to go on by, once a receiver was there.
    resume: Option<Resume>,
    /// In this attempt chunks have begun to go.
    begun: CancellationToken,
}

/// A receiver that we share a key with, and that has the pass: however that came about, what happens in the channel is the same.
struct Known {
    pairwise: Pairwise,
    pass: Pass,
    /// The port that the pass names, where it may come directly.
    serving: Option<Serving>,
    /// Its number at the place where we have met, if we have.
    met: Option<Peer>,
}

impl Terminal<'_> {
    /// One attempt, from a connection to the relay to its end. It fails where the two are not together in time.
    async fn attempt(&mut self, attempts: &Attempts, stop: &CancellationToken) -> Result<Sent, ChannelError> {
        let (sending, begun) = (self.sending, self.begun.clone());
        let opening = async {
            match (&self.resume, &sending.secret) {
                (Some(resume), _) => Connection::open(&sending.relays.with_names(resume.relays.clone()), sending.patience).await,
                (None, Secret::Agreed(rendezvous)) => rendezvous.reach(&sending.relays, sending.patience).await,
                (None, _) => Connection::open(&sending.relays, sending.patience).await,
            }
        };
        let mut control = tokio::select! {
            opened = opening => opened?,
            () = stop.cancelled() => return Err(ChannelError::Stopped),
        };
        let ended = tokio::select! {
            ended = self.run(&mut control) => ended,
            () = stop.cancelled() => Err(ChannelError::Stopped),
            () = late(attempts.deadline(), begun.clone()) => Err(ChannelError::Absent(sending.comeback)),
        };
        self.part(&mut control, &ended, stop).await;
        ended
    }

    /// Leaves the relay, and says by what.
    async fn part(&self, control: &mut Connection, ended: &Result<Sent, ChannelError>, stop: &CancellationToken) {
        let can_go_on = self.begun.is_cancelled() && (self.sending.lasting || !stop.is_cancelled());
        let reason = ended.as_ref().map_or_else(|error| farewell(error, can_go_on), |_| Reason::Done);
        control.say_farewell(reason, self.sending.patience).await;
    }

    async fn run(&mut self, control: &mut Connection) -> Result<Sent, ChannelError> {
        let sending = self.sending;
        let resume = self.resume.clone();
        let (mut known, handed) = match (&sending.secret, &resume) {
            (_, Some(resume)) | (Secret::Kept(resume), None) => {
                (for_now(control.is_preferred(), self.by_resume(control, resume)).await?, true)
            }
            (Secret::Agreed(rendezvous), None) => (self.by_account(control, rendezvous)?, false),
            (Secret::Drawn { .. } | Secret::Chosen(_), None) => (self.by_code(control).await?, true),
        };
        let resume = Resume::of(&known.pass, control, &self.sending.relays);
        self.resume = Some(resume.clone());
        let serving = known.serving.take();
        let session = Session::enter(self, control, &known, serving).await?;
        if !handed {
            session.hand_over(control)?;
        }
        self.hear(SendEvent::Offered(resume)).await;
        session.run(control).await
    }

    async fn hear(&self, event: SendEvent) {
        // Whoever does not want to hear has dropped the other end.
        let _ = self.events.send(event).await;
    }
}
