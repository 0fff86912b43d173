//! A terminal that offers files to other users of its AS, or takes such offers: signs in with the feature tag of transfers, and carries what
//! the machines of [`super::invite`] say by MESSAGE (steps 1 to 4 of CN101150595A).
//!
//! It is a [`Terminal`] of the conference that never calls. One transfer at a time: while one goes on, another offer is answered 486 (busy).
//! What belongs to no transfer of this terminal is answered 480, so that the AS tries the user's other terminals. Whom the person is, which
//! identities are pinned, and how a channel is applied for, is its owner's matter.
//!
//! A first offer that did not come by way of the AS looks like one that did, as one of an AS that lies does: against both helps comparing the
//! words of the identities ([`super::identity::words`]).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;

use super::{
    agreement::Facts,
    identity::{Contact, Known, Own, Standing},
    invite::{Action, Answerer, Decision, Ending, MessageId, Offerer, Patience},
    wire::{
        pass::TransferId,
        transfer::{Body, CONTENT_TYPE, Cancelled, FEATURE_TAG, Grant, Offer},
    },
};
use crate::{
    account::PublicKey,
    conference::{
        client::{Machine, OutsideCommand, OutsideEvent, Refusal, ServerAddress, Terminal, TerminalCommand, TerminalConfig, TerminalEvent},
        wire::services::Services,
    },
    id::UserName,
    sip::{
        Transmit,
        endpoint::{self, Endpoint, Incoming},
        message::{Method, NameAddr},
        node::{Arrival, Node},
    },
};

/// Whose offers are waited for.
#[derive(Debug, Clone)]
pub struct Wait {
    /// Of this user; none: of anybody.
    pub from: Option<UserName>,
    /// The pinned identities.
    pub known: Known,
    /// The realm of the AS: contacts are users of it.
    pub realm: String,
}

/// What such a terminal is told.
#[derive(Debug)]
pub enum TransferCommand {
    /// Sign in for so many seconds, and stay signed in.
    SignIn(u32),
    /// Ask the AS what it offers: [`TransferEvent::Services`] follows.
    Inquire,
    /// Offer, while nothing else goes on.
    Offer {
        /// To whom.
        to: UserName,
        /// What.
        facts: Box<Facts>,
        /// The pinned identity.
        known: Option<PublicKey>,
    },
    /// Wait for an offer, while nothing else goes on.
    Wait(Box<Wait>),
    /// Ask the AS whether it knows this user: [`TransferEvent::Nobody`] follows where it does not.
    LookUp(UserName),
    /// What the person says to [`TransferEvent::Asked`].
    Decide(Decision),
    /// What came of [`TransferEvent::Apply`].
    Applied(Result<Grant, String>),
    /// Give up what goes on, and tell the other side.
    Cancel(String),
    /// The transfer that was agreed on is over: nothing goes on.
    Done,
    /// Sign out, then be over.
    Leave,
}

/// What such a terminal tells.
#[derive(Debug)]
pub enum TransferEvent {
    /// It is signed in for so many seconds.
    SignedIn(u32),
    /// It is not, and why.
    NotSignedIn(Refusal),
    /// What the AS offers.
    Services(Result<Box<Services>, Refusal>),
    /// The AS knows nobody of this name. There may be one later.
    Nobody(UserName),
    /// This user offers us something; [`TransferEvent::Asked`] follows, or that it came to nothing.
    Offered(UserName),
    /// Something is offered to us: the person is to decide.
    Asked {
        /// What.
        offer: Box<Offer>,
        /// How the identity of who offers stands to what was known.
        standing: Standing,
    },
    /// A channel is to be applied for.
    Apply {
        /// Who it is with.
        peer: UserName,
        /// The kind of file.
        kind: String,
    },
    /// It is over, or agreed on.
    Over(Ending),
    /// The other side has given up what was agreed on. Not yet safe for a terminal.
    TakenBack(String),
    /// It has signed out.
    Left,
}

/// See the [module](self).
#[derive(Debug)]
pub struct TransferTerminal {
    terminal: Terminal,
    server: ServerAddress,
    own: Arc<Own>,
    patience: Patience,
    rng: ChaCha12Rng,
    task: Task,
    asked: BTreeMap<u64, Asked>,
    last: u64,
    looked_up: Option<UserName>,
    events: VecDeque<TransferEvent>,
}

/// What goes on.
#[derive(Debug)]
enum Task {
    Nothing,
    Waiting(Box<Wait>),
    Offering(Box<Offerer>, UserName),
    Answering(Box<Answerer>, UserName),
    /// Agreed on; bytes go through the channel.
    Agreed {
        peer: UserName,
        transfer: TransferId,
        /// We receive.
        receives: bool,
    },
}

/// What an answer is for.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Services,
    Message(TransferId, MessageId),
    /// That the other side may not hear of it changes nothing here.
    Farewell,
    /// Whether there is such a user.
    LookUp,
}

impl TransferTerminal {
    /// A terminal that is not signed in.
    pub fn new(endpoint: Endpoint, config: TerminalConfig, own: Arc<Own>, patience: Patience, seed: [u8; 32]) -> Self {
        let server = config.server.clone();
        let mut terminal = Terminal::new(endpoint, config);
        terminal.take_messages(CONTENT_TYPE);
        terminal.announce(FEATURE_TAG);
        let (asked, events) = (BTreeMap::new(), VecDeque::new());
        let (rng, task, looked_up) = (ChaCha12Rng::from_seed(seed), Task::Nothing, None);
        Self { terminal, server, own, patience, rng, task, asked, last: 0, looked_up, events }
    }

    fn send(&mut self, now: Instant, asked: Asked, method: Method, to: &str, body: Option<endpoint::Body>) {
        self.last = self.last.wrapping_add(1);
        self.asked.insert(self.last, asked);
        let command = OutsideCommand::Send { id: self.last, method, uri: self.server.at(to), body };
        self.terminal.handle_command(now, TerminalCommand::Outside(command));
    }

    fn say(&mut self, now: Instant, asked: Asked, to: &UserName, body: &Body) {
        let body = endpoint::Body::new(CONTENT_TYPE, body.to_xml());
        self.send(now, asked, Method::Message, to.as_str(), Some(body));
    }

    fn settle(&mut self, now: Instant) {
        loop {
            if let Some(event) = self.terminal.poll_event() {
                self.on_event(now, event);
            } else if let Some(action) = self.task.poll_action() {
                self.on_action(now, action);
            } else {
                break;
            }
        }
    }

    fn on_event(&mut self, now: Instant, event: TerminalEvent) {
        match event {
            TerminalEvent::Registered(seconds) => self.events.push_back(TransferEvent::SignedIn(seconds)),
            TerminalEvent::RegistrationFailed(refusal) => self.events.push_back(TransferEvent::NotSignedIn(refusal)),
            TerminalEvent::Left => self.events.push_back(TransferEvent::Left),
            TerminalEvent::Outside(OutsideEvent::Message { incoming, from, body }) => self.on_message(now, incoming, &from, &body),
            TerminalEvent::Outside(OutsideEvent::Answered { id, response }) => {
                let busy = || Refusal::here(503, "too many requests are under way");
                match (self.asked.remove(&id), response) {
                    (Some(Asked::Message(transfer, message)), response) => {
                        let status = response.map_or(503, |response| response.status);
                        self.task.handle_sent(now, transfer, message, status);
                    }
                    (Some(Asked::Services), Some(response)) if response.status == 200 => {
                        let told = Services::parse(&response.body).map(Box::new);
                        let told = told.map_err(|why| Refusal::here(500, format!("the server does not say what it offers: {why}")));
                        self.events.push_back(TransferEvent::Services(told));
                    }
                    (Some(Asked::Services), response) => {
                        let refusal = response.map_or_else(busy, |response| Refusal::of(&response, &self.server));
                        self.events.push_back(TransferEvent::Services(Err(refusal)));
                    }
                    (Some(Asked::LookUp), response) => {
                        if let Some(user) = self.looked_up.take().filter(|_| response.is_some_and(|response| response.status == 404)) {
                            self.events.push_back(TransferEvent::Nobody(user));
                        }
                    }
                    (Some(Asked::Farewell) | None, _) => {}
                }
            }
            // Calls are refused as busy, and nobody chats with it.
            _ => {}
        }
    }

    fn on_action(&mut self, now: Instant, action: Action) {
        match action {
            Action::Send { id, to, body } => self.say(now, Asked::Message(body.transfer(), id), &to, &body),
            Action::Ask { offer, standing } => self.events.push_back(TransferEvent::Asked { offer, standing }),
            Action::Apply { peer, kind } => self.events.push_back(TransferEvent::Apply { peer, kind }),
            Action::Over(ending) => {
                let agreed = matches!(ending, Ending::Agreed { .. });
                self.task = match std::mem::replace(&mut self.task, Task::Nothing) {
                    Task::Offering(machine, peer) if agreed => Task::Agreed { peer, transfer: machine.transfer(), receives: false },
                    Task::Answering(machine, peer) if agreed => Task::Agreed { peer, transfer: machine.transfer(), receives: true },
                    _ => Task::Nothing,
                };
                self.events.push_back(TransferEvent::Over(ending));
            }
        }
    }

    fn on_message(&mut self, now: Instant, incoming: Incoming, from: &NameAddr, body: &[u8]) {
        let from = from.uri.user().and_then(|user| user.parse::<UserName>().ok());
        let status = match (from, Body::parse(body)) {
            (Some(from), Ok(body)) => self.heard(now, &from, body),
            (None, _) => 403,
            (_, Err(_)) => 400,
        };
        self.terminal.handle_command(now, TerminalCommand::Outside(OutsideCommand::Respond { incoming, status }));
    }

    /// Takes a body; what its message is answered with.
    fn heard(&mut self, now: Instant, from: &UserName, body: Body) -> u16 {
        const TAKEN: u16 = 200;
        const ELSEWHERE: u16 = 480;
        const BUSY: u16 = 486;
        let offered = matches!(body, Body::Offer(_));
        match (&mut self.task, body) {
            (Task::Waiting(wait), Body::Offer(offer)) if wait.from.as_ref().is_none_or(|wanted| wanted == from) => {
                let contact = Contact::new(from, &wait.realm).ok();
                let known = contact.and_then(|contact| wait.known.get(&contact));
                let machine = Answerer::new(now, Arc::clone(&self.own), from.clone(), offer, known, self.patience, &mut self.rng);
                self.task = Task::Answering(Box::new(machine), from.clone());
                self.events.push_back(TransferEvent::Offered(from.clone()));
                TAKEN
            }
            (Task::Offering(machine, _), body) => match machine.handle_body(now, from, body) {
                true => TAKEN,
                false => ELSEWHERE,
            },
            (Task::Answering(machine, _), body) => match machine.handle_body(from, body) {
                true => TAKEN,
                false if offered => BUSY,
                false => ELSEWHERE,
            },
            (Task::Agreed { peer, transfer, .. }, Body::Cancelled(Cancelled { transfer: of, text })) if peer == from && *transfer == of => {
                self.task = Task::Nothing;
                self.events.push_back(TransferEvent::TakenBack(text));
                TAKEN
            }
            (Task::Agreed { receives: true, .. }, Body::Offer(_)) => BUSY,
            (Task::Nothing | Task::Waiting(_) | Task::Agreed { .. }, _) => ELSEWHERE,
        }
    }

    fn cancel(&mut self, now: Instant, text: &str) {
        match &mut self.task {
            Task::Offering(machine, _) => machine.cancel(text),
            Task::Answering(machine, _) => machine.cancel(text),
            Task::Agreed { peer, transfer, .. } => {
                let (peer, body) = (peer.clone(), Body::Cancelled(Cancelled { transfer: *transfer, text: text.to_owned() }));
                self.task = Task::Nothing;
                self.say(now, Asked::Farewell, &peer, &body);
            }
            Task::Waiting(_) => self.task = Task::Nothing,
            Task::Nothing => {}
        }
    }

    /// What a server says to a message tells whether there is such a user (404). This one is of no transfer, so that a terminal of theirs that
    /// gets it has nothing to do with it.
    fn look_up(&mut self, now: Instant, user: UserName) {
        let body = Body::Cancelled(Cancelled { transfer: TransferId::random(&mut self.rng), text: String::new() });
        self.say(now, Asked::LookUp, &user, &body);
        self.looked_up = Some(user);
    }

    fn begin(&mut self, task: Task) {
        if matches!(self.task, Task::Nothing | Task::Waiting(_)) {
            self.task = task;
        }
    }
}

impl Task {
    fn poll_action(&mut self) -> Option<Action> {
        match self {
            Self::Offering(machine, _) => machine.poll_action(),
            Self::Answering(machine, _) => machine.poll_action(),
            Self::Nothing | Self::Waiting(_) | Self::Agreed { .. } => None,
        }
    }

    fn handle_sent(&mut self, now: Instant, of: TransferId, message: MessageId, status: u16) {
        match self {
            Self::Offering(machine, _) if machine.transfer() == of => machine.handle_sent(now, message, status),
            Self::Answering(machine, _) if machine.transfer() == of => machine.handle_sent(now, message, status),
            _ => {}
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        match self {
            Self::Offering(machine, _) => machine.next_timeout(),
            Self::Answering(machine, _) => machine.next_timeout(),
            Self::Nothing | Self::Waiting(_) | Self::Agreed { .. } => None,
        }
    }
}

impl Node for TransferTerminal {
    type Command = TransferCommand;

    fn handle_arrival(&mut self, now: Instant, arrival: Arrival) {
        self.terminal.handle_arrival(now, arrival);
        self.settle(now);
    }

    fn handle_command(&mut self, now: Instant, command: TransferCommand) {
        match (command, &mut self.task) {
            (TransferCommand::SignIn(seconds), _) => self.terminal.handle_command(now, TerminalCommand::Register(seconds)),
            (TransferCommand::Inquire, _) => self.send(now, Asked::Services, Method::Options, "control", None),
            (TransferCommand::Offer { to, facts, known }, _) => {
                let machine = Offerer::new(now, Arc::clone(&self.own), to.clone(), *facts, known, self.patience, &mut self.rng);
                self.begin(Task::Offering(Box::new(machine), to));
            }
            (TransferCommand::Wait(wait), _) => self.begin(Task::Waiting(wait)),
            (TransferCommand::LookUp(user), _) => self.look_up(now, user),
            (TransferCommand::Decide(decision), Task::Answering(machine, _)) => machine.handle_decision(now, decision),
            (TransferCommand::Applied(outcome), Task::Answering(machine, _)) => machine.handle_applied(now, outcome),
            (TransferCommand::Applied(outcome), Task::Offering(machine, _)) => machine.handle_applied(now, outcome),
            (TransferCommand::Cancel(text), _) => self.cancel(now, &text),
            (TransferCommand::Done, Task::Agreed { .. }) => self.task = Task::Nothing,
            (TransferCommand::Leave, _) => self.terminal.handle_command(now, TerminalCommand::Leave),
            // It is over meanwhile.
            (TransferCommand::Decide(_) | TransferCommand::Applied(_) | TransferCommand::Done, _) => {}
        }
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.terminal.handle_timeout(now);
        match &mut self.task {
            Task::Offering(machine, _) => machine.handle_timeout(now),
            Task::Answering(machine, _) => machine.handle_timeout(now),
            Task::Nothing | Task::Waiting(_) | Task::Agreed { .. } => {}
        }
        self.settle(now);
    }

    fn next_timeout(&self) -> Option<Instant> {
        [self.terminal.next_timeout(), self.task.next_timeout()].into_iter().flatten().min()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.terminal.poll_transmit()
    }

    fn finished(&self) -> bool {
        self.terminal.finished()
    }
}

impl Machine for TransferTerminal {
    type Event = TransferEvent;

    fn poll_event(&mut self) -> Option<TransferEvent> {
        self.events.pop_front()
    }
}
