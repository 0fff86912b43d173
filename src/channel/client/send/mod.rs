//! The sender (steps 5 to 7): a channel, a receiver that it comes to know, and the batch.
//!
//! | file | what |
//! |---|---|
//! | `apply.rs` | a channel, and what a receiver has to know of it |
//! | `exchange.rs` | exchanges at a place, one at a time |
//! | `meet.rs` | how it comes to know a receiver: by a code, or by what was agreed on with another user |
//! | `session.rs` | one receiver in the channel, from its entering to its end |
//! | `upload.rs` | the chunks |

mod apply;
mod exchange;
mod meet;
mod session;
mod upload;

use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::session::Session;
use super::{
    direct::{Serving, Ways},
    fault::ChannelError,
    outlet::Sent,
    relay::{Connection, Relays},
    rendezvous::{Rendezvous, Vouch},
};
use crate::{
    channel::{
        Code,
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
    /// The code.
    pub secret: Secret,
    /// Who we are to the relay, where it wants to know.
    pub account: Option<Arc<dyn Vouch>>,
    /// Data connections, from 1 to 16.
    pub streams: u8,
    /// Most bytes a second.
    pub rate: Option<NonZeroU64>,
    /// By which ways the bytes may go.
    pub ways: Ways,
}

/// What the receiver has to know.
#[derive(Debug)]
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
}

/// What a sender hears meanwhile.
#[derive(Debug)]
pub enum SendEvent {
    /// This is the code; a receiver is waited for.
    Code(Code),
    /// A receiver knows the code, and decides.
    Offered,
    /// It wants it, from this byte of the batch's stream on.
    Begun {
        /// The byte.
        from: u64,
        /// By this way.
        way: Way,
    },
    /// For so much of the last second bytes waited for the receiver.
    Pace(Duration),
}

/// How far it is, readable at any time.
#[derive(Debug, Default)]
pub struct Progress {
    sent: Arc<AtomicU64>,
    received: AtomicU64,
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
}

/// Sends a batch to one receiver who knows the code. `events` that nobody takes hold it up.
///
/// # Errors
/// See [`ChannelError`]; the receiver is told of what happened here.
pub async fn send(
    sending: &Sending,
    events: &mpsc::Sender<SendEvent>,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Sent, ChannelError> {
    let mut control = match &sending.secret {
        Secret::Agreed(rendezvous) => rendezvous.reach(&sending.relays, sending.patience).await?,
        Secret::Drawn { .. } | Secret::Chosen(_) => Connection::open(&sending.relays, sending.patience).await?,
    };
    let mut terminal = Terminal { sending, events, progress, rng: ChaCha12Rng::from_seed(clock::seed()) };
    let ended = tokio::select! {
        ended = terminal.run(&mut control) => ended,
        () = stop.cancelled() => Err(ChannelError::Stopped),
    };
    let reason = match &ended {
        Ok(_) => Reason::Done,
        Err(ChannelError::Stopped) => Reason::Cancelled,
        Err(_) => Reason::Failed,
    };
    control.say_farewell(reason, sending.patience).await;
    ended
}

struct Terminal<'a> {
    sending: &'a Sending,
    events: &'a mpsc::Sender<SendEvent>,
    progress: &'a Progress,
    rng: ChaCha12Rng,
}

/// A receiver that we share a key with, and that has the pass: however that came about, what happens in the channel is the same.
struct Known {
    pairwise: Pairwise,
    pass: Pass,
    /// The port that the pass names, where it may come directly.
    serving: Option<Serving>,
}

impl Terminal<'_> {
    async fn run(&mut self, control: &mut Connection) -> Result<Sent, ChannelError> {
        let mut known = match &self.sending.secret {
            Secret::Agreed(rendezvous) => self.by_account(control, rendezvous)?,
            Secret::Drawn { words } => self.by_drawn_code(control, *words).await?,
            Secret::Chosen(code) => self.by_chosen_code(control, code).await?,
        };
        let serving = known.serving.take();
        let session = Session::enter(self, control, &known, serving).await?;
        if matches!(self.sending.secret, Secret::Agreed(_)) {
            session.hand_over(control)?;
        }
        session.run(control).await
    }

    async fn hear(&self, event: SendEvent) {
        // Whoever does not want to hear has dropped the other end.
        let _ = self.events.send(event).await;
    }
}
