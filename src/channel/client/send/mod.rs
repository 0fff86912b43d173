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
#[cfg(test)]
mod tests;
mod upload;

use std::{
    num::{NonZeroU8, NonZeroU64},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
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
    outlet::{Gone, Sent},
    relay::{Connection, RelayError, Relays},
    rendezvous::{Rendezvous, Vouch},
};
use crate::{
    channel::{
        Code, Peer,
        attempt::{Attempts, Next},
        keys::Pairwise,
        wire::{
            Reason, RefusalCode,
            letter::{Content, Way},
            pass::Pass,
        },
    },
    clock,
    transfer::{Policy, Source},
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
    /// Who we are to the relay, if it wants to know: it is asked without at first.
    pub account: Option<Arc<dyn Vouch>>,
    /// Data connections, from 1 to 16.
    pub streams: u8,
    /// Most bytes a second, as they go over the wire.
    pub rate: Option<NonZeroU64>,
    /// Which chunks are compressed, where the receivers understand it.
    pub compress: Policy,
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
        /// The receiver keeps nothing of it: no other process of its can go on with it.
        once: bool,
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
    /// Of several receivers, one that knew the code did not come into the channel in time.
    Missed {
        /// Another one may have its place.
        open: bool,
    },
    /// It broke; the receiver is looked for.
    Broken {
        /// What broke, for people.
        why: String,
        /// How long it is looked for at most.
        left: Duration,
    },
    /// The relay wants us to wait for so long, and we do.
    Paused {
        /// Why, as it says.
        why: String,
        /// How long.
        wait: Duration,
    },
    /// The relay was lost while nobody had come: we look for it, to wait there with the same code.
    Astray {
        /// What broke, for people.
        why: String,
        /// How long it is looked for at most.
        left: Duration,
    },
    /// The receiver is waited for again, with the same code.
    There,
}

/// How one of several receivers is.
#[derive(Debug)]
pub enum Fared {
    /// It has come, and decides. Who keeps this can go on with it, once chunks have begun to go.
    Joined(Resume),
    /// It keeps nothing of what comes: no other process of its can go on with it.
    Once,
    /// It was lost by this, and is looked for.
    Broken(String),
    /// It was found again, and gets the rest apart.
    Back {
        /// From this byte on.
        from: u64,
    },
    /// It has everything, verified.
    Done {
        /// But so many files, which it has left as they were there.
        skipped: u32,
    },
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
    gone: Gone,
    received: AtomicU64,
    durable: AtomicU64,
}

impl Progress {
    /// Up to which byte of the batch's stream the own kernel has taken it.
    pub fn sent(&self) -> u64 {
        self.gone.end.load(Ordering::Relaxed)
    }

    /// Bytes that it has taken for that in all attempts: fewer where chunks were compressed, more where they went twice.
    pub fn wire(&self) -> u64 {
        self.gone.wire.load(Ordering::Relaxed)
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
            compress: self.compress,
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
    if !sending.ways.may_be_relayed() {
        return Err(ChannelError::Unreached("the bytes for several receivers go through the relay".to_owned()));
    }
    let mut terminal = Terminal::new(sending, events, progress, None);
    let mut attempts = Attempts::new(sending.comeback);
    loop {
        let error = match terminal.attempt_several(&attempts, stop).await {
            Ok(sent) => return Ok(sent),
            Err(error) => error,
        };
        // What has begun, each goes on with apart.
        if terminal.begun.is_cancelled() || !terminal.goes_on(&mut attempts, &error, stop).await? {
            return Err(error);
        }
    }
}

async fn to_one(
    sending: &Sending,
    events: &mpsc::Sender<SendEvent>,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Sent, ChannelError> {
    let (resume, mut attempts) = match &sending.secret {
        Secret::Kept(resume) => (Some(resume.clone()), Attempts::taken_up(sending.comeback, sending.comeback, clock::now())),
        Secret::Drawn { .. } | Secret::Chosen(_) | Secret::Agreed(_) => (None, Attempts::new(sending.comeback)),
    };
    let mut terminal = Terminal::new(sending, events, progress, resume);
    loop {
        let error = match terminal.attempt(&attempts, stop).await {
            Ok(sent) => return Ok(sent),
            Err(error) => error,
        };
        if !terminal.goes_on(&mut attempts, &error, stop).await? {
            return Err(error);
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
    /// The code, once people have been shown it.
    code: Option<Code>,
    /// When this attempt began.
    started: Instant,
    /// In this attempt we are at its place.
    there: CancellationToken,
    /// Somebody has come there with a guess.
    came: bool,
    /// In this attempt chunks have begun to go.
    begun: CancellationToken,
    /// They had before this attempt.
    before: bool,
    /// To a receiver that keeps nothing of them.
    once: AtomicBool,
    /// The relay gives no channel to whoever does not say who it is.
    vouched: bool,
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

impl<'a> Terminal<'a> {
    fn new(sending: &'a Sending, events: &'a mpsc::Sender<SendEvent>, progress: &'a Progress, resume: Option<Resume>) -> Self {
        let rng = ChaCha12Rng::from_seed(clock::seed());
        let (there, begun) = (CancellationToken::new(), CancellationToken::new());
        let before = resume.is_some();
        let (started, once) = (clock::now(), AtomicBool::new(false));
        Self { sending, events, progress, rng, resume, before, code: None, started, there, came: false, begun, once, vouched: false }
    }

    /// What came of an attempt: whether there is another one, once its time has come.
    async fn goes_on(&mut self, attempts: &mut Attempts, error: &ChannelError, stop: &CancellationToken) -> Result<bool, ChannelError> {
        let (begun, was_there) = (self.begun.is_cancelled(), self.there.is_cancelled());
        // A relay that has had us wait for as long as anybody may is not asked for as long again.
        let expired = matches!(error, ChannelError::Relay(RelayError::Refused(refused)) if refused.code == RefusalCode::Expired);
        self.before |= begun;
        let (now, reached) = (clock::now(), begun.then(|| self.progress.received()));
        if self.came || expired {
            attempts.handle_somebody();
        } else if was_there {
            attempts.handle_nobody(now.saturating_duration_since(self.started));
        }
        // A guess at the code has been made, and there is not to be another one, whatever a relay says.
        if self.came && self.resume.is_none() {
            return Ok(false);
        }
        // Without a ticket no channel is to be had: now with one.
        let unknown = matches!(error, ChannelError::Relay(RelayError::Refused(refused)) if refused.code == RefusalCode::NotAuthenticated);
        if unknown
            && !self.vouched
            && let Some(account) = &self.sending.account
        {
            self.vouched = true;
            return tokio::select! {
                () = account.prepare() => Ok(true),
                () = stop.cancelled() => Err(ChannelError::Stopped),
            };
        }
        let Next::Again { after } = attempts.handle_end(now, error.ending(), reached, &mut self.rng) else { return Ok(false) };
        let why = error.to_string();
        let left = attempts.deadline().map(|deadline| deadline.saturating_duration_since(now));
        match left {
            Some(left) if begun => self.hear(SendEvent::Broken { why, left }).await,
            Some(left) if was_there => self.hear(SendEvent::Astray { why, left }).await,
            None => self.hear(SendEvent::Paused { why, wait: after }).await,
            Some(_) => {}
        }
        tokio::select! {
            () = sleep(after) => Ok(true),
            () = stop.cancelled() => Err(ChannelError::Stopped),
        }
    }

    /// One attempt with several receivers.
    async fn attempt_several(&mut self, attempts: &Attempts, stop: &CancellationToken) -> Result<Sent, ChannelError> {
        let sending = self.sending;
        (self.there, self.started) = (CancellationToken::new(), clock::now());
        let there = self.there.clone();
        let mut control = tokio::select! {
            opened = Connection::open(&sending.relays, sending.patience) => opened?,
            () = stop.cancelled() => return Err(ChannelError::Stopped),
        };
        let gathered = async {
            let (allocated, password) = self.show_code(&mut control).await?;
            let pass = self.pass(&allocated, None);
            // What all get, the relay copies for each: nobody comes to a port of ours.
            let opening = Opening { ways: Ways::RelayOnly, ..self.opening(&control, &allocated) };
            Gathering::open(self, &mut control, password, (pass, opening), stop).run(&mut control).await
        };
        let ended = tokio::select! {
            ended = gathered => ended,
            () = stop.cancelled() => Err(ChannelError::Stopped),
            () = late(attempts.deadline(), there) => Err(ChannelError::Absent(sending.comeback)),
        };
        self.part(&mut control, &ended, stop).await;
        ended
    }

    /// One attempt, from a connection to the relay to its end. It fails where the two are not together in time.
    async fn attempt(&mut self, attempts: &Attempts, stop: &CancellationToken) -> Result<Sent, ChannelError> {
        (self.there, self.begun, self.started) = (CancellationToken::new(), CancellationToken::new(), clock::now());
        let sending = self.sending;
        // Who has not come yet may take its time.
        let together = if self.code.is_some() && !self.came { self.there.clone() } else { self.begun.clone() };
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
            () = late(attempts.deadline(), together) => Err(ChannelError::Absent(sending.comeback)),
        };
        self.part(&mut control, &ended, stop).await;
        ended
    }

    /// Leaves the relay, and says by what.
    async fn part(&self, control: &mut Connection, ended: &Result<Sent, ChannelError>, stop: &CancellationToken) {
        let lasting = self.sending.lasting && !self.once.load(Ordering::Relaxed);
        let can_go_on = (self.before || self.begun.is_cancelled()) && (lasting || !stop.is_cancelled());
        let reason = ended.as_ref().map_or_else(|error| farewell(error, can_go_on), |_| Reason::Done);
        control.say_farewell(reason, self.sending.patience).await;
    }

    async fn run(&mut self, control: &mut Connection) -> Result<Sent, ChannelError> {
        let sending = self.sending;
        let resume = self.resume.clone();
        self.resume.iter_mut().for_each(Resume::turn);
        let (mut known, handed) = match (&sending.secret, &resume) {
            (_, Some(resume)) | (Secret::Kept(resume), None) => {
                (for_now(resume.stays(control), self.by_resume(control, resume)).await?, true)
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
        if let Secret::Agreed(rendezvous) = &sending.secret {
            rendezvous.meet();
        }
        self.hear(SendEvent::Offered(resume)).await;
        session.run(control).await
    }

    async fn hear(&self, event: SendEvent) {
        // Whoever does not want to hear has dropped the other end.
        let _ = self.events.send(event).await;
    }
}
