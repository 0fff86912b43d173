//! The receiver's side: asks its user, and applies for the channel (first embodiment) or is told it (second).

use std::{sync::Arc, time::Instant};

use rand_chacha::ChaCha12Rng;

use super::{Action, Ending, MessageId, Outbox, Patience, SILENT_RELAY, taken, unreachable};
use crate::{
    account::PublicKey,
    channel::{
        agreement::{Agreed, Answering},
        identity::{Own, Standing, judge},
        wire::{
            pass::TransferId,
            transfer::{Applies, Body, Cancelled, Channel, DeclineReason, Declined, Grant, Offer},
        },
    },
    id::UserName,
};

/// What the user says to an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is wanted.
    Accept,
    /// It is not; with a text for the other user, or none.
    Decline(String),
}

/// The answer to one offer.
#[derive(Debug)]
pub struct Answerer {
    own: Arc<Own>,
    patience: Patience,
    transfer: TransferId,
    standing: Standing,
    state: State,
    out: Outbox,
}

#[derive(Debug)]
enum State {
    /// Step 2: the user is asked.
    Asked {
        answering: Box<Answering>,
        until: Instant,
    },
    /// Step 2 of the first embodiment: the relay is asked.
    Applying {
        answering: Box<Answering>,
        until: Instant,
    },
    /// Step 4 of the first embodiment: the channel is on its way to the sender.
    Telling {
        agreed: Box<Agreed>,
        message: MessageId,
        until: Instant,
    },
    /// Step 2 of the second embodiment: the sender is told, and is to apply.
    Accepted {
        answering: Box<Answering>,
        message: MessageId,
        until: Instant,
    },
    Over,
}

impl Answerer {
    /// Takes up an offer of `from`, whose pinned identity is `known`.
    pub fn new(
        now: Instant,
        own: Arc<Own>,
        from: UserName,
        offer: Offer,
        known: Option<PublicKey>,
        patience: Patience,
        rng: &mut ChaCha12Rng,
    ) -> Self {
        let (transfer, standing) = (offer.transfer, judge(known, &offer.identity));
        let shown = offer.identity;
        let answering = Answering::new(&own, &from, offer, rng);
        let mut machine = Self { own, patience, transfer, standing, state: State::Over, out: Outbox::new(from) };
        match (answering, standing) {
            (Err(why), _) => machine.decline(DeclineReason::Other, &why.to_string(), Ending::Forged(why)),
            (Ok(_), Standing::Changed { known }) => {
                let text = "your identity is not the one known here";
                machine.decline(DeclineReason::Identity, text, Ending::Changed { known, shown });
            }
            (Ok(answering), Standing::Known | Standing::New) => {
                let offer = Box::new(answering.offer().clone());
                machine.out.actions.push_back(Action::Ask { offer, standing });
                machine.state = State::Asked { answering: Box::new(answering), until: now + patience.asked() };
            }
        }
        machine
    }

    /// The transfer.
    pub fn transfer(&self) -> TransferId {
        self.transfer
    }

    /// What the user says to [`Action::Ask`].
    pub fn handle_decision(&mut self, now: Instant, decision: Decision) {
        match (std::mem::replace(&mut self.state, State::Over), decision) {
            (State::Asked { answering, until: _ }, Decision::Accept) => self.accept(now, answering),
            (State::Asked { .. }, Decision::Decline(text)) => {
                let ending = Ending::Declined { reason: DeclineReason::Refused, text: text.clone() };
                self.decline(DeclineReason::Refused, &text, ending);
            }
            (other @ (State::Applying { .. } | State::Telling { .. } | State::Accepted { .. } | State::Over), _) => self.state = other,
        }
    }

    /// A message of [`Action::Send`] was answered with this status.
    pub fn handle_sent(&mut self, _now: Instant, id: MessageId, status: u16) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Telling { agreed, message, until: _ } if message == id => {
                let ending = if taken(status) { Ending::Agreed { agreed, standing: self.standing } } else { unreachable(status) };
                self.out.over(ending);
            }
            State::Accepted { message, .. } if message == id && !taken(status) => self.out.over(unreachable(status)),
            other @ (State::Asked { .. } | State::Applying { .. } | State::Telling { .. } | State::Accepted { .. } | State::Over) => {
                self.state = other;
            }
        }
    }

    /// A message of `from` has come. False where it does not belong here: once it has ended, a `cancelled` is for whoever uses the channel.
    pub fn handle_body(&mut self, from: &UserName, body: Body) -> bool {
        if *from != self.out.peer || body.transfer() != self.transfer || matches!(self.state, State::Over) {
            return false;
        }
        match body {
            Body::Channel(channel) => self.on_channel(&channel),
            Body::Cancelled(Cancelled { transfer: _, text }) => self.end(Ending::Cancelled { ours: false, text }),
            // An offer that comes twice is under way already.
            Body::Offer(_) => {}
            Body::Accepted(_) | Body::Declined(_) => return false,
        }
        true
    }

    /// What came of [`Action::Apply`] (step 3): a channel, or why there is none.
    pub fn handle_applied(&mut self, now: Instant, outcome: Result<Grant, String>) {
        match (std::mem::replace(&mut self.state, State::Over), outcome) {
            (State::Applying { answering, until: _ }, Ok(grant)) => match answering.tell(&self.own, grant) {
                Ok((channel, agreed)) => {
                    let (message, until) = (self.out.send(Body::Channel(channel)), now + self.patience.message);
                    self.state = State::Telling { agreed: Box::new(agreed), message, until };
                }
                Err(why) => self.decline(DeclineReason::Other, &why.to_string(), Ending::Forged(why)),
            },
            (State::Applying { .. }, Err(text)) => self.decline(DeclineReason::NoChannel, &text.clone(), Ending::NoChannel { text }),
            (other @ (State::Asked { .. } | State::Telling { .. } | State::Accepted { .. } | State::Over), _) => self.state = other,
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
            State::Asked { .. } => self.decline(DeclineReason::NoAnswer, "", Ending::NoAnswer),
            State::Applying { .. } => {
                self.decline(DeclineReason::NoChannel, SILENT_RELAY, Ending::NoChannel { text: SILENT_RELAY.to_owned() });
            }
            State::Telling { .. } => self.end(Ending::Unreachable { status: 408 }),
            State::Accepted { .. } => self.give_up("no channel has come", Ending::NoAnswer),
            State::Over => {}
        }
    }

    /// When to come back.
    pub fn next_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Asked { until, .. } | State::Applying { until, .. } | State::Telling { until, .. } | State::Accepted { until, .. } => {
                Some(*until)
            }
            State::Over => None,
        }
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.out.actions.pop_front()
    }

    fn accept(&mut self, now: Instant, mut answering: Box<Answering>) {
        match answering.offer().applies {
            Applies::Receiver => {
                let kind = answering.offer().kind.clone();
                self.out.actions.push_back(Action::Apply { peer: self.out.peer.clone(), kind });
                self.state = State::Applying { answering, until: now + self.patience.relay };
            }
            Applies::Sender => {
                let message = self.out.send(Body::Accepted(answering.accept(&self.own)));
                self.state = State::Accepted { answering, message, until: now + self.patience.channel() };
            }
        }
    }

    /// Step 4 of the second embodiment. It may overtake the answer to our acceptance.
    fn on_channel(&mut self, channel: &Channel) {
        let State::Accepted { answering, .. } = &self.state else {
            // Nobody has asked for it yet; whoever applies without leave gets nothing of ours.
            return;
        };
        match answering.handle_channel(channel) {
            Ok(agreed) => self.end(Ending::Agreed { agreed: Box::new(agreed), standing: self.standing }),
            Err(why) => self.give_up(&why.to_string(), Ending::Forged(why)),
        }
    }

    fn decline(&mut self, reason: DeclineReason, text: &str, ending: Ending) {
        self.out.send(Body::Declined(Declined { transfer: self.transfer, reason, text: text.to_owned() }));
        self.end(ending);
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
