//! The relay's machine: who gets a channel, who may enter it, who hears what (steps 2 to 6 and 8 of CN101150595A, both embodiments).
//!
//! It sees frames and the comings and goings of connections, and says what to send, whom to close, and which data connections to copy to
//! which ([`Action`]). It never sees what data connections carry. `docs/protocols/channel.md` is what it speaks.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | connections, frames, what comes out |
//! | `limits.rs` | settings and bounds |
//! | `state.rs` | what it knows |
//! | `apply.rs` | application → channel (steps 2 and 3) |
//! | `meet.rs` | nameplates, secret places, letters |
//! | `enter.rs` | proof → seat (steps 5 and 6) |
//! | `join.rs` | data connections, and which go to which (step 8); pace |
//! | `leave.rs` | who goes, and what the others hear |
//! | `expiry.rs` | timers |
//! | `way.rs` | what is said by TLS, and what beside it |
//! | `backlog.rs` | what waits to be written, and who is read no further |
//! | `numbers.rs` | counters, and the allowance of each applicant |
//!
//! Out of scope: verifying tickets (the shell makes an [`Applicant`] of one), sockets, copying.

mod apply;
mod backlog;
mod enter;
mod expiry;
mod join;
mod leave;
mod limits;
mod meet;
mod numbers;
mod state;
mod way;

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    time::Instant,
};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

pub use self::{
    apply::Applicant,
    join::{Flow, Leg, WINDOW},
    limits::{Anonymous, Limits, Settings},
    numbers::{Holder, HolderNumbers, Numbers},
    way::Way,
};
use self::{
    backlog::Backlog,
    expiry::{Timer, Timers},
    numbers::{Holders, count},
    state::{Channel, Connection, Control, Line, Meeting},
};
use crate::{
    account::{Backoff, network},
    channel::{
        ChannelNumber, Nameplate, Peer, Place,
        wire::{Frame, FrameError, Message, Reason, RefusalCode, Refused, proof::Challenge, request::Apply},
    },
};

/// A connection, as the shell numbers them; never twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// There are too many connections; this one is closed at once, and nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are too many connections, or too many of this address")]
pub struct TurnedAway;

/// What the shell does. In order; to be taken out after each call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Writes a frame, and reports it by [`Relay::handle_written`]. Before the first of a connection goes the preface.
    Send {
        /// To whom.
        to: ConnectionId,
        /// What.
        frame: Frame,
    },
    /// Closes a connection when all that was given for it, by frames or by its pump, is written. The machine knows it no more.
    Close {
        /// Which.
        connection: ConnectionId,
    },
    /// Reads a connection no further.
    Pause {
        /// Which.
        connection: ConnectionId,
    },
    /// Reads it again.
    Resume {
        /// Which.
        connection: ConnectionId,
    },
    /// Copies what the sender's data connection brings to those of the receivers, reports by [`Relay::handle_flow`] once a second and by
    /// [`Relay::handle_pumped`] when the sender's end has been reached and all is written. Connections that are closed meanwhile drop out.
    Pump {
        /// The channel.
        channel: ChannelNumber,
        /// Index of the data connections.
        stream: u8,
        /// The sender's.
        from: ConnectionId,
        /// The receivers', by seat.
        to: Vec<(Peer, ConnectionId)>,
        /// Whose channel it is.
        holder: Holder,
    },
}

/// What those who watch the relay may want to know: for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A channel was allocated.
    Allocated {
        /// Its number.
        channel: ChannelNumber,
        /// For whom.
        holder: Holder,
        /// Who it is to be with, as the applicant says. Not safe for a terminal.
        peer: Option<String>,
        /// The kind of file, as the applicant says. Not safe for a terminal.
        kind: Option<String>,
    },
    /// A terminal has entered.
    Entered {
        /// Which channel.
        channel: ChannelNumber,
        /// Its seat.
        seat: Peer,
    },
    /// A terminal has left a channel.
    Gone {
        /// Which channel.
        channel: ChannelNumber,
        /// Its seat.
        seat: Peer,
        /// Why.
        reason: Reason,
    },
    /// A channel is no more.
    Freed {
        /// Its number.
        channel: ChannelNumber,
    },
    /// A connection was refused.
    Refused {
        /// Which.
        connection: ConnectionId,
        /// Why.
        code: RefusalCode,
    },
}

/// The machine.
#[derive(Debug)]
pub struct Relay {
    settings: Settings,
    rng: ChaCha12Rng,
    draining: bool,
    connections: BTreeMap<ConnectionId, Connection>,
    /// Connections of each address.
    addresses: BTreeMap<IpAddr, usize>,
    channels: BTreeMap<ChannelNumber, Channel>,
    nameplates: BTreeMap<Nameplate, ChannelNumber>,
    meetings: BTreeMap<Place, Meeting>,
    holders: Holders,
    guesses: Backoff,
    timers: Timers,
    numbers: Numbers,
    /// Of the last ping.
    echo: u64,
    actions: VecDeque<Action>,
    events: VecDeque<Event>,
}

/// How much a relay holds: what metrics show, and what has to be nothing at the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Connections.
    pub connections: usize,
    /// Channels.
    pub channels: usize,
    /// Places where somebody is.
    pub meetings: usize,
    /// Nameplates that are given.
    pub nameplates: usize,
    /// Timers that run.
    pub timers: usize,
}

impl Relay {
    /// A relay that knows nobody. Channel numbers, keys and challenges are drawn from the seed.
    pub fn new(settings: Settings, seed: [u8; 32]) -> Self {
        Self {
            rng: ChaCha12Rng::from_seed(seed),
            draining: false,
            connections: BTreeMap::new(),
            addresses: BTreeMap::new(),
            channels: BTreeMap::new(),
            nameplates: BTreeMap::new(),
            meetings: BTreeMap::new(),
            holders: Holders::default(),
            guesses: Backoff::new(settings.limits.guesses),
            timers: Timers::default(),
            numbers: Numbers::default(),
            echo: 0,
            actions: VecDeque::new(),
            events: VecDeque::new(),
            settings,
        }
    }

    /// Somebody has connected.
    ///
    /// # Errors
    /// [`TurnedAway`] when a bound is reached: the shell closes it.
    pub fn handle_connected(&mut self, now: Instant, id: ConnectionId, from: IpAddr) -> Result<(), TurnedAway> {
        let (limits, loopback, from) = (&self.settings.limits, from.to_canonical().is_loopback(), network(from));
        let of_address = self.addresses.get(&from).copied().unwrap_or_default();
        if self.connections.len() >= limits.connections || of_address >= limits.connections_per_address {
            count(&mut self.numbers.turned_away);
            return Err(TurnedAway);
        }
        count(&mut self.numbers.connections);
        self.addresses.insert(from, of_address + 1);
        self.timers.set(Timer::Handshake(id), now + limits.handshake);
        let challenge = self.rng.random();
        let (line, backlog) = (Line::New, Backlog::default());
        let way = Way::default();
        let connection = Connection { from, loopback, way, challenge, heard: now, asked: false, line, backlog, paused_by: None };
        self.connections.insert(id, connection);
        self.send(id, &Message::Challenge(challenge));
        Ok(())
    }

    /// A whole frame has come. Gives back an application, for which the shell says by [`Relay::handle_apply`] who it is from.
    #[must_use = "an application waits for its applicant"]
    pub fn handle_frame(&mut self, now: Instant, id: ConnectionId, frame: Frame) -> Option<Apply> {
        let connection = self.connections.get_mut(&id)?;
        (connection.heard, connection.asked) = (now, false);
        if matches!(connection.line, Line::Data(_)) {
            self.malformed(now, id, "frames on a data connection");
            return None;
        }
        if let Some(refused) = connection.way.bars(frame.kind) {
            self.refuse(now, id, refused);
            return None;
        }
        match Message::read(frame) {
            Ok(Message::Apply(apply)) => return Some(apply),
            Ok(Message::Meet(meet)) => self.meet(now, id, &meet),
            Ok(Message::Letter { peer, body }) => self.letter(now, id, peer, body),
            Ok(Message::Enter(enter)) => self.enter(now, id, &enter),
            Ok(Message::Join(join)) => self.join(now, id, &join),
            Ok(Message::Leave(leave)) => self.drop_connection(now, id, leave.reason, &leave.text),
            Ok(Message::Ping(echo)) => {
                self.send(id, &Message::Pong(echo));
                self.hold_up(now, id, id);
            }
            Ok(Message::Pong(_)) => {}
            Ok(Message::Spent { guess }) => self.spent(now, id, guess),
            Ok(
                other @ (Message::Challenge(_)
                | Message::Allocated(_)
                | Message::Met(_)
                | Message::Entered(_)
                | Message::Joined
                | Message::Pace(_)
                | Message::Gone(_)
                | Message::Refused(_)),
            ) => self.handle_fault(now, id, &FrameError::Unexpected(other.kind().name())),
            Err(error) => self.handle_fault(now, id, &error),
        }
        None
    }

    /// What came is no frame: the connection is refused.
    pub fn handle_fault(&mut self, now: Instant, id: ConnectionId, error: &FrameError) {
        let code = if matches!(error, FrameError::Version(_)) { RefusalCode::Version } else { RefusalCode::Malformed };
        self.refuse(now, id, Refused::new(code, error.to_string()));
    }

    /// No new applications from now on; channels that are there go on.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The next thing to know. Who does not want to know takes them out all the same.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Counters.
    pub fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// Counters of each applicant of late.
    pub fn holders(&self) -> impl Iterator<Item = (&Holder, &HolderNumbers)> {
        self.holders.numbers()
    }

    /// What proofs and tickets on a connection are made over.
    pub fn challenge(&self, id: ConnectionId) -> Option<Challenge> {
        self.connections.get(&id).map(|connection| connection.challenge)
    }

    /// How much it holds.
    pub fn standing(&self) -> Standing {
        Standing {
            connections: self.connections.len(),
            channels: self.channels.len(),
            meetings: self.meetings.len(),
            nameplates: self.nameplates.len(),
            timers: self.timers.len(),
        }
    }

    fn refuse(&mut self, now: Instant, id: ConnectionId, refused: Refused) {
        if !self.connections.contains_key(&id) {
            return;
        }
        count(self.numbers.refused.entry(refused.code).or_default());
        self.events.push_back(Event::Refused { connection: id, code: refused.code });
        let reason = if refused.code == RefusalCode::Expired { Reason::Expired } else { Reason::Refused };
        self.send(id, &Message::Refused(refused));
        self.drop_connection(now, id, reason, "");
    }

    fn malformed(&mut self, now: Instant, id: ConnectionId, text: &str) {
        self.refuse(now, id, Refused::new(RefusalCode::Malformed, text));
    }

    fn control(&self, id: ConnectionId) -> Option<&Control> {
        match &self.connections.get(&id)?.line {
            Line::Control(control) => Some(control),
            Line::New | Line::Data(_) => None,
        }
    }

    fn control_mut(&mut self, id: ConnectionId) -> Option<&mut Control> {
        match &mut self.connections.get_mut(&id)?.line {
            Line::Control(control) => Some(control),
            Line::New | Line::Data(_) => None,
        }
    }

    /// The connection as a control connection, which its first request makes it.
    fn become_control(&mut self, now: Instant, id: ConnectionId) {
        let ping = self.settings.limits.ping;
        if let Some(connection) = self.connections.get_mut(&id)
            && matches!(connection.line, Line::New)
        {
            connection.line = Line::Control(Control::default());
            self.timers.stop(Timer::Handshake(id));
            self.timers.set(Timer::Pulse(id), now + ping);
        }
    }
}
