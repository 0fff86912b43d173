//! The receiver (step 8): comes to know the sender, decides, takes the chunks, verifies, puts into place.
//!
//! | file | what |
//! |---|---|
//! | `meet.rs` | how it comes to know the sender: by a code, by what was agreed on with another user, or again after a break |
//! | `session.rs` | the sender in the channel, from entering to the end |
//! | `reach.rs` | whether they come directly |
//! | `download.rs` | the chunks |

mod download;
mod meet;
mod reach;
mod session;
#[cfg(test)]
mod tests;

use std::time::Duration;

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use self::session::Session;
use super::{
    again::{Resume, farewell, for_now, late},
    cut::Cut,
    direct::Ways,
    fault::ChannelError,
    relay::{Connection, RelayError, Relays},
    rendezvous::Rendezvous,
    seat::Door,
};
use crate::{
    channel::{
        Peer,
        attempt::{Attempts, Next},
        pake::Password,
        wire::{
            Reason, RefusalCode, Role,
            letter::{self, Offer},
        },
    },
    clock,
    transfer::{Manifest, Sink, sink::Finished},
};

/// From whom, and how.
#[derive(Debug)]
pub struct Receiving {
    /// Where the relay is.
    pub relays: Relays,
    /// How long one address may take to answer.
    pub patience: Duration,
    /// How long the sender is looked for after a break; zero: not at all.
    pub comeback: Duration,
    /// And at first, where something is gone on with.
    pub first: Duration,
    /// How the sender is found.
    pub by: Way,
    /// By which ways the bytes may come.
    pub ways: Ways,
}

/// How a receiver comes to know the sender.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there are few of them at a time, and they are moved seldom")]
pub enum Way {
    /// By a password that both know, at its place.
    Password {
        /// It.
        password: Password,
        /// Wait if the sender is not there yet.
        wait: bool,
    },
    /// By a channel that was agreed on with another user.
    Agreed(Rendezvous),
    /// By what both have kept of a transfer that was broken off.
    Kept(Resume),
}

/// What a receiver hears meanwhile.
#[derive(Debug)]
pub enum RecvEvent {
    /// The sender is waited for.
    Waiting,
    /// It knows the code, too.
    Known,
    /// Chunks come, from this byte of the batch's stream on.
    Begun {
        /// The byte.
        from: u64,
        /// By this way.
        way: letter::Way,
    },
    /// It broke; the sender is looked for.
    Broken {
        /// What broke, for people.
        why: String,
        /// How long it is looked for at most.
        left: Duration,
    },
    /// The relay was lost while the sender had not come yet: it is looked for, to wait there again.
    Astray {
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
}

/// Why what is offered is not taken.
#[derive(Debug)]
pub enum No {
    /// It is not wanted, or nobody is there who could want it: what the sender is told.
    Declined(String),
    /// It cannot be put down here, by this: the sender is told as much of it as is its matter.
    Unfit(ChannelError),
}

/// Decides on what is offered: a sink for it, or why not.
pub trait Decide {
    /// The decision. With what is kept of `resume` the transfer can be gone on with, once it has begun; a sink that stands in the middle goes
    /// on there.
    fn decide(&mut self, offer: &Offer, manifest: &Manifest, resume: &Resume) -> impl Future<Output = Result<Sink, No>> + Send;
}

/// Receives a batch. After a break it goes on by itself, as long as [`Receiving::comeback`] says. What is durable in the end is kept where the
/// sink has a record.
///
/// # Errors
/// See [`ChannelError`]; the sender is told of what happened here.
pub async fn receive(
    receiving: &Receiving,
    decide: &mut impl Decide,
    events: &mpsc::Sender<RecvEvent>,
    stop: &CancellationToken,
) -> Result<Finished, ChannelError> {
    let (resume, attempts) = match &receiving.by {
        Way::Kept(resume) => (Some(resume.clone()), Attempts::taken_up(receiving.comeback, receiving.first, clock::now())),
        Way::Password { .. } | Way::Agreed(_) => (None, Attempts::new(receiving.comeback)),
    };
    let mut terminal = Terminal::new(receiving, events, resume);
    let ended = terminal.all(attempts, decide, stop).await;
    if let Some(sink) = terminal.sink {
        // What is durable is kept where there is a record, whatever else the disk says.
        let _ = sink.suspend().await;
    }
    // What is in its place is, though the sender may not have heard of it.
    terminal.placed.map_or(ended, |placed| Ok(placed.finished))
}

/// How long the relay may take to hear why we leave.
const HEARD: Duration = Duration::from_secs(1);

struct Terminal<'a> {
    receiving: &'a Receiving,
    events: &'a mpsc::Sender<RecvEvent>,
    /// What was agreed on to go on by, once the sender was there.
    resume: Option<Resume>,
    /// In this attempt we wait at the place of a code for a sender that may not have come yet.
    there: CancellationToken,
    /// It has.
    came: CancellationToken,
    /// In this attempt chunks have begun to come.
    begun: CancellationToken,
    /// They had before it.
    before: bool,
    sink: Option<Sink>,
    placed: Option<Placed>,
    /// Data connections that are cut when the sender has heard why.
    uncut: Option<Cut>,
}

/// What is verified and in its place.
struct Placed {
    manifest: Manifest,
    bytes: u64,
    finished: Finished,
}

impl<'a> Terminal<'a> {
    fn new(receiving: &'a Receiving, events: &'a mpsc::Sender<RecvEvent>, resume: Option<Resume>) -> Self {
        let (before, token) = (resume.is_some(), CancellationToken::new);
        let (there, came, begun) = (token(), token(), token());
        Self { receiving, events, resume, there, came, begun, before, sink: None, placed: None, uncut: None }
    }

    /// Attempts until it is done, or nothing is tried any more.
    async fn all(&mut self, mut attempts: Attempts, decide: &mut impl Decide, stop: &CancellationToken) -> Result<Finished, ChannelError> {
        let mut rng = ChaCha12Rng::from_seed(clock::seed());
        loop {
            (self.there, self.begun) = (CancellationToken::new(), CancellationToken::new());
            let began = clock::now();
            let error = match self.attempt(&attempts, decide, stop, &mut rng).await {
                Ok(finished) => return Ok(finished),
                Err(error) => error,
            };
            // A sender that does not go by the way that we come says so when we have begun, and it has not.
            let begun = self.begun.is_cancelled() && !error.is_unreached();
            let was_there = self.there.is_cancelled();
            self.before |= begun;
            // A relay that has had us wait for as long as anybody may is not asked for as long again.
            let expired = matches!(&error, ChannelError::Relay(RelayError::Refused(refused)) if refused.code == RefusalCode::Expired);
            let (now, reached) = (clock::now(), begun.then(|| self.reached()));
            if self.came.is_cancelled() || expired {
                attempts.handle_somebody();
            } else if was_there {
                attempts.handle_nobody(now.saturating_duration_since(began));
            }
            let Next::Again { after } = attempts.handle_end(now, error.ending(), reached, &mut rng) else { return Err(error) };
            let why = error.to_string();
            let left = attempts.deadline().map(|deadline| deadline.saturating_duration_since(now));
            match left {
                Some(left) if begun && self.placed.is_none() => self.hear(RecvEvent::Broken { why, left }).await,
                Some(left) if was_there => self.hear(RecvEvent::Astray { why, left }).await,
                None => self.hear(RecvEvent::Paused { why, wait: after }).await,
                Some(_) => {}
            }
            tokio::select! {
                () = sleep(after) => {}
                () = stop.cancelled() => return Err(ChannelError::Stopped),
            }
        }
    }

    /// One attempt, from a connection to the relay to its end. It fails where the two are not together in time.
    async fn attempt(
        &mut self,
        attempts: &Attempts,
        decide: &mut impl Decide,
        stop: &CancellationToken,
        rng: &mut ChaCha12Rng,
    ) -> Result<Finished, ChannelError> {
        let receiving = self.receiving;
        // A sender that has not come yet may take its time.
        let together = if self.before || self.came.is_cancelled() { self.begun.clone() } else { self.there.clone() };
        let opening = async {
            match (&self.resume, &receiving.by) {
                (Some(resume), _) => Connection::open(&receiving.relays.with_names(resume.relays.clone()), receiving.patience).await,
                (None, Way::Agreed(rendezvous)) => rendezvous.reach(&receiving.relays, receiving.patience).await,
                // The same small number is somebody else's at another relay, and a guess there is somebody else's loss.
                (None, Way::Password { password, .. }) if password.place().is_of_one_relay() => {
                    Connection::open_preferred(&receiving.relays, receiving.patience).await
                }
                (None, _) => Connection::open(&receiving.relays, receiving.patience).await,
            }
        };
        let mut control = tokio::select! {
            opened = opening => opened?,
            () = stop.cancelled() => return Err(ChannelError::Stopped),
        };
        let ended = tokio::select! {
            ended = self.run(&mut control, decide, rng) => ended,
            () = stop.cancelled() => Err(ChannelError::Stopped),
            () = late(attempts.deadline(), together) => Err(ChannelError::Absent(receiving.comeback)),
        };
        // Without a record, what there is goes with this process.
        let kept = matches!(receiving.by, Way::Kept(_));
        let lasting = self.sink.as_ref().map_or(kept, |sink| sink.record().is_some());
        let can_go_on = (self.before || self.begun.is_cancelled()) && (lasting || !stop.is_cancelled());
        let reason = ended.as_ref().map_or_else(|error| farewell(error, can_go_on), |_| Reason::Done);
        control.say_farewell(reason, receiving.patience).await;
        if let Some(cut) = self.uncut.take() {
            // The relay closes once it has heard all of it.
            let _ = timeout(HEARD, async { while control.next().await.is_ok() {} }).await;
            drop(cut);
        }
        ended
    }

    async fn run(&mut self, control: &mut Connection, decide: &mut impl Decide, rng: &mut ChaCha12Rng) -> Result<Finished, ChannelError> {
        let receiving = self.receiving;
        let resume = self.resume.clone();
        self.resume.iter_mut().for_each(Resume::turn);
        let (known, seat) = match (&receiving.by, &resume) {
            (_, Some(resume)) | (Way::Kept(resume), None) => {
                (for_now(resume.stays(control), self.meet_again(control, resume, rng)).await?, None)
            }
            (Way::Agreed(rendezvous), None) => {
                let (known, seat) = self.by_account(control, rendezvous).await?;
                (known, Some(seat))
            }
            (Way::Password { password, wait }, None) => (self.meet_anywhere(control, password, *wait, rng).await?, None),
        };
        if seat.is_none() {
            Door { channel: known.pass.channel, key: known.pass.key.clone(), role: Role::Receiver }.enter(control);
        }
        self.resume = Some(Resume::of(&known.pass, control, &receiving.relays));
        self.hear(RecvEvent::Known).await;
        Session::new(self, control, known, seat.unwrap_or(Peer::SENDER)).run(control, decide).await
    }

    /// The byte of the batch's stream that was reached.
    fn reached(&self) -> u64 {
        let placed = self.placed.as_ref().map(|placed| placed.bytes);
        placed.or_else(|| self.sink.as_ref().map(|sink| sink.state().written)).unwrap_or(0)
    }

    async fn hear(&self, event: RecvEvent) {
        // Whoever does not want to hear has dropped the other end.
        let _ = self.events.send(event).await;
    }
}
