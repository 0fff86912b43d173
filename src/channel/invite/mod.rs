//! How two users who have accounts come to a channel by instant messages: steps 1 to 4 of both embodiments of CN101150595A. Two machines, one
//! for each side; steps 5 to 8 are the relay's ([`super::relay`]) and the session's ([`super::session`]).
//!
//! ```text
//! first embodiment                                     second
//! alice -> bob    offer                 step 1         alice -> bob    offer                 step 1
//! bob             is asked              step 2         bob             is asked              step 2
//! bob   -> relay  applies               step 2         bob   -> alice  accepted              step 2
//! relay -> bob    channel, or why not   step 3         alice -> relay  applies               step 2
//! bob   -> alice  channel               step 4         relay -> alice  channel, or why not   step 3
//!                                                      alice -> bob    channel               step 4
//! ```
//!
//! | file | what |
//! |---|---|
//! | `offerer.rs` | the sender's side |
//! | `answerer.rs` | the receiver's side |
//!
//! A machine is for one transfer between two users. It gives [`Action`]s, of which the last is [`Action::Over`]; then nothing moves it any more.
//! What it gets to read has been authenticated by the AS as far as that goes; signatures and identities are looked at here, by
//! [`super::agreement`] and [`super::identity`]. Out of scope: how messages travel, whom the shell asks, where keys are kept.

mod answerer;
mod offerer;

use std::{collections::VecDeque, time::Duration};

pub use self::{
    answerer::{Answerer, Decision},
    offerer::Offerer,
};
use super::{
    agreement::{Agreed, AgreementError},
    identity::Standing,
    wire::transfer::{Body, DeclineReason, Offer},
};
use crate::{account::PublicKey, id::UserName};

/// How long each side waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For the answer to a MESSAGE: longer than the 32 s for which the transaction lives (RFC 3261 §17.1.2.2), which says 408 by itself.
    pub message: Duration,
    /// For the other side's user. The receiver waits a quarter less than the sender, so that it is the receiver who says so.
    pub answer: Duration,
    /// For the relay.
    pub relay: Duration,
}

impl Default for Patience {
    /// 34 s, 2 min, 25 s: two applications, and the pause that a relay may ask for between them ([`COURTESY`](super::attempt::COURTESY)).
    fn default() -> Self {
        Self { message: Duration::from_secs(34), answer: Duration::from_secs(120), relay: Duration::from_secs(25) }
    }
}

impl Patience {
    /// For which the receiver's user is waited for.
    fn asked(&self) -> Duration {
        self.answer.saturating_sub(self.answer / 4)
    }

    /// For which the receiver waits for the sender's channel: its application, and both messages on their way.
    fn channel(&self) -> Duration {
        self.relay + self.message
    }
}

/// A message of a machine; its answer is told by this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageId(pub u8);

/// What is to be done.
#[derive(Debug)]
pub enum Action {
    /// Send this to the other user; what is answered is told by `handle_sent`.
    Send {
        /// To be given back.
        id: MessageId,
        /// To whom.
        to: UserName,
        /// What.
        body: Box<Body>,
    },
    /// Ask the user whether this is wanted; told by [`Answerer::handle_decision`].
    Ask {
        /// What is offered.
        offer: Box<Offer>,
        /// [`Standing::New`]: nothing is known of who offers.
        standing: Standing,
    },
    /// Apply to the relay for a channel; told by `handle_applied`.
    Apply {
        /// Who the channel is with.
        peer: UserName,
        /// The kind of file.
        kind: String,
    },
    /// It is over.
    Over(Ending),
}

/// How it ends.
#[derive(Debug)]
pub enum Ending {
    /// Both have key and channel. The other side's identity is to be pinned where it is [`Standing::New`].
    Agreed {
        /// Key and channel.
        agreed: Box<Agreed>,
        /// How the identity stands to what was known; never [`Standing::Changed`].
        standing: Standing,
    },
    /// The receiver does not take the offer.
    Declined {
        /// For programs.
        reason: DeclineReason,
        /// For people. Not yet safe for a terminal where the other side wrote it.
        text: String,
    },
    /// The other user is registered nowhere with a program that takes offers (480).
    Offline,
    /// A message was refused with this status, or not answered (408).
    Unreachable {
        /// Status.
        status: u16,
    },
    /// The other side has said nothing for too long, or our user.
    NoAnswer,
    /// One side has given up.
    Cancelled {
        /// True where it was ours.
        ours: bool,
        /// For people. Not yet safe for a terminal where the other side wrote it.
        text: String,
    },
    /// We have applied, and got no channel.
    NoChannel {
        /// Why.
        text: String,
    },
    /// The other side shows another identity than the one that is pinned: somebody else, or a new machine of the same user.
    Changed {
        /// The pinned one.
        known: PublicKey,
        /// The one that was shown.
        shown: PublicKey,
    },
    /// What came was altered on the way, or does not belong here.
    Forged(AgreementError),
}

/// What a machine has said and not yet handed over.
#[derive(Debug)]
struct Outbox {
    peer: UserName,
    actions: VecDeque<Action>,
    sent: u8,
}

impl Outbox {
    fn new(peer: UserName) -> Self {
        Self { peer, actions: VecDeque::new(), sent: 0 }
    }

    /// At most a handful in the life of a machine.
    fn send(&mut self, body: Body) -> MessageId {
        self.sent = self.sent.saturating_add(1);
        let id = MessageId(self.sent);
        self.actions.push_back(Action::Send { id, to: self.peer.clone(), body: Box::new(body) });
        id
    }

    fn over(&mut self, ending: Ending) {
        self.actions.push_back(Action::Over(ending));
    }
}

/// How a message that had to arrive has not.
fn unreachable(status: u16) -> Ending {
    if status == 480 { Ending::Offline } else { Ending::Unreachable { status } }
}

fn taken(status: u16) -> bool {
    (200..300).contains(&status)
}

/// What the relay has not said in time.
const SILENT_RELAY: &str = "the relay has not answered";
