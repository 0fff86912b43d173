//! The sender's side: offers, and is told the channel (first embodiment) or applies for it (second).

use std::{sync::Arc, time::Instant};

use rand_chacha::ChaCha12Rng;

use super::{Action, Ending, MessageId, Outbox, Patience, SILENT_RELAY, taken, unreachable};
use crate::{
    account::PublicKey,
    channel::{
        agreement::{Agreed, AgreementError, Facts, Offering},
        identity::{Own, Standing, judge},
        wire::{
            pass::TransferId,
            transfer::{Accepted, Applies, Body, Cancelled, Channel, Declined, Grant},
        },
    },
    id::UserName,
};

/// One offer.
#[derive(Debug)]
pub struct Offerer {
    own: Arc<Own>,
    /// The identity of the other user, where one is pinned.
    known: Option<PublicKey>,
    patience: Patience,
    transfer: TransferId,
    kind: String,
    state: State,
    out: Outbox,
}

#[derive(Debug)]
enum State {
    /// Step 1: the offer is on its way, or has arrived (`arrived`) and is being thought about.
    Offered {
        offering: Box<Offering>,
        message: MessageId,
        arrived: bool,
        until: Instant,
    },
    /// Step 2 of the second embodiment: the relay is asked.
    Applying {
        offering: Box<Offering>,
        standing: Standing,
        until: Instant,
    },
    /// Step 4 of the second embodiment: the channel is on its way to the receiver.
    Telling {
        agreed: Box<Agreed>,
        standing: Standing,
        message: MessageId,
        until: Instant,
    },
    Over,
}

impl Offerer {
    /// Offers to a user, whose pinned identity is `known`.
    pub fn new(
        now: Instant,
        own: Arc<Own>,
        to: UserName,
        facts: Facts,
        known: Option<PublicKey>,
        patience: Patience,
        rng: &mut ChaCha12Rng,
    ) -> Self {
        let (transfer, kind, mut out) = (facts.transfer, facts.kind.clone(), Outbox::new(to.clone()));
        let offering = Box::new(Offering::new(&own, to, facts, rng));
        let message = out.send(Body::Offer(offering.offer().clone()));
        let state = State::Offered { offering, message, arrived: false, until: now + patience.message };
        Self { own, known, patience, transfer, kind, state, out }
    }

    /// The transfer.
    pub fn transfer(&self) -> TransferId {
        self.transfer
    }

    /// A message of [`Action::Send`] was answered with this status.
    pub fn handle_sent(&mut self, now: Instant, id: MessageId, status: u16) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Offered { offering, message, arrived: false, until: _ } if message == id => {
                if taken(status) {
                    self.state = State::Offered { offering, message, arrived: true, until: now + self.patience.answer };
                } else {
                    self.out.over(unreachable(status));
                }
            }
            State::Telling { agreed, standing, message, until: _ } if message == id => {
                let ending = if taken(status) { Ending::Agreed { agreed, standing } } else { unreachable(status) };
                self.out.over(ending);
            }
            other @ (State::Offered { .. } | State::Applying { .. } | State::Telling { .. } | State::Over) => self.state = other,
        }
    }

    /// A message of `from` has come. False where it does not belong here: once it has ended, a `cancelled` is for whoever uses the channel.
    pub fn handle_body(&mut self, now: Instant, from: &UserName, body: Body) -> bool {
        if *from != self.out.peer || body.transfer() != self.transfer || matches!(self.state, State::Over) {
            return false;
        }
        match body {
            Body::Accepted(accepted) => self.on_accepted(now, accepted),
            Body::Channel(channel) => self.on_channel(&channel),
            Body::Declined(Declined { transfer: _, reason, text }) => self.end(Ending::Declined { reason, text }),
            Body::Cancelled(Cancelled { transfer: _, text }) => self.end(Ending::Cancelled { ours: false, text }),
            Body::Offer(_) => return false,
        }
        true
    }

    /// What came of [`Action::Apply`] (step 3): a channel, or why there is none.
    pub fn handle_applied(&mut self, now: Instant, outcome: Result<Grant, String>) {
        match (std::mem::replace(&mut self.state, State::Over), outcome) {
            (State::Applying { offering, standing, until: _ }, Ok(grant)) => match offering.tell(&self.own, grant) {
                Ok((channel, agreed)) => {
                    let (message, until) = (self.out.send(Body::Channel(channel)), now + self.patience.message);
                    self.state = State::Telling { agreed: Box::new(agreed), standing, message, until };
                }
                Err(why) => self.give_up(&why.to_string(), Ending::Forged(why)),
            },
            (State::Applying { .. }, Err(text)) => self.give_up("there is no channel", Ending::NoChannel { text }),
            (other @ (State::Offered { .. } | State::Telling { .. } | State::Over), _) => self.state = other,
        }
    }

    /// Our user has given up.
    pub fn cancel(&mut self, text: &str) {
        if !matches!(self.state, State::Over) {
            self.give_up(text, Ending::Cancelled { ours: true, text: text.to_owned() });
        }
    }

    /// What was waited for has not come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next_timeout().is_none_or(|at| at > now) {
            return;
        }
        match &self.state {
            State::Offered { arrived: true, .. } => self.give_up("no answer", Ending::NoAnswer),
            State::Applying { .. } => self.give_up(SILENT_RELAY, Ending::NoChannel { text: SILENT_RELAY.to_owned() }),
            State::Offered { arrived: false, .. } | State::Telling { .. } => self.end(Ending::Unreachable { status: 408 }),
            State::Over => {}
        }
    }

    /// When to come back.
    pub fn next_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Offered { until, .. } | State::Applying { until, .. } | State::Telling { until, .. } => Some(*until),
            State::Over => None,
        }
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.out.actions.pop_front()
    }

    /// Step 2 of the second embodiment. It may overtake the answer to our offer.
    fn on_accepted(&mut self, now: Instant, accepted: Accepted) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Offered { mut offering, .. } => match offering.handle_accepted(accepted) {
                Ok(identity) => {
                    if let Some(standing) = self.judged(identity) {
                        self.out.actions.push_back(Action::Apply { peer: self.out.peer.clone(), kind: self.kind.clone() });
                        self.state = State::Applying { offering, standing, until: now + self.patience.relay };
                    }
                }
                Err(why) => self.give_up(&why.to_string(), Ending::Forged(why)),
            },
            // Sent again, by whoever did not hear that it had arrived.
            other @ (State::Applying { .. } | State::Telling { .. } | State::Over) => self.state = other,
        }
    }

    /// Step 4 of the first embodiment.
    fn on_channel(&mut self, channel: &Channel) {
        let agreed = match &self.state {
            State::Offered { offering, .. } if offering.offer().applies == Applies::Receiver => offering.handle_channel(channel),
            State::Offered { .. } | State::Applying { .. } | State::Telling { .. } => Err(AgreementError::Order("channel")),
            State::Over => return,
        };
        match agreed {
            Ok(agreed) => {
                if let Some(standing) = self.judged(agreed.peer) {
                    self.end(Ending::Agreed { agreed: Box::new(agreed), standing });
                }
            }
            Err(why) => self.give_up(&why.to_string(), Ending::Forged(why)),
        }
    }

    /// How the identity stands that the other side shows; nothing where that was the end.
    fn judged(&mut self, shown: PublicKey) -> Option<Standing> {
        match judge(self.known, &shown) {
            Standing::Changed { known } => {
                self.give_up("your identity is not the one known here", Ending::Changed { known, shown });
                None
            }
            standing @ (Standing::Known | Standing::New) => Some(standing),
        }
    }

    fn give_up(&mut self, text: &str, ending: Ending) {
        self.out.send(Body::Cancelled(Cancelled { transfer: self.transfer, text: text.to_owned() }));
        self.end(ending);
    }

    fn end(&mut self, ending: Ending) {
        self.state = State::Over;
        self.out.over(ending);
    }
}
