//! The application server's side of file sharing (AS): which data conferences each conference has, who shares, who receives, and the calls to
//! the file servers (FS) that carry them out. It stands beside the focus as its [`Companion`], and touches no file.
//!
//! | file | what |
//! |---|---|
//! | `share.rs` | S401–S404, S801–S804: somebody shares |
//! | `deliver.rs` | S406–S411, S806–S811: members are asked, and told where to connect |
//! | `lines.rs` | the lines of one dialog: places, what is to be said in them, what was |
//! | `file_server.rs` | S402, S403, S408, S409: the calls to the file server, and what it says in them |
//! | `info.rs` | S601–S605, S701–S705: INFO from and to terminals, passed on to the file server |
//! | `ending.rs` | how members leave and shares end |
//! | `owner.rs` | one account in several dialogs |
//! | `rights.rs` | who may share, who receives |
//! | `roster.rs` | what is kept of conferences, participants, shares and members |
//! | `adrift.rs` | shares whose file server is away, and what is said to its next process |
//! | `servers.rs` | file servers: choice, liveness, loss |

mod adrift;
mod config;
mod deliver;
mod ending;
mod file_server;
mod info;
mod lines;
mod owner;
mod rights;
mod roster;
mod servers;
mod share;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;

pub use config::FileSharingConfig;
pub use rights::Right;

use self::{
    file_server::{Leg, Relay},
    roster::{Attendee, Room},
};
use super::{ShareId, wire::control};
use crate::{
    account::{Preset, Rights},
    conference::{
        called::deadlines::Deadlines,
        companion::{Companion, CompanionCx, Lines, Person, Seat, Wish},
        servers::{ServerState, Servers},
    },
    id::{ConferenceName, ParticipantId},
    sdp::Media,
    sip::{
        endpoint::{Call, Event, Incoming, Outgoing, Reason},
        message::Request,
    },
};

/// File sharing of one application server.
#[derive(Debug)]
pub struct FileSharing {
    config: FileSharingConfig,
    rng: ChaCha12Rng,
    rooms: BTreeMap<ConferenceName, Room>,
    /// Our calls to file servers.
    legs: BTreeMap<Call, Leg>,
    /// Questions of terminals that a file server is to answer, by our id.
    relays: BTreeMap<(Call, String), Relay>,
    asked: BTreeMap<Outgoing, Asked>,
    servers: Servers,
    wishes: VecDeque<Wish>,
    deadlines: Deadlines<Due>,
    last_id: u64,
    /// No new shares are taken.
    draining: bool,
    ending: bool,
}

/// Why a request of ours was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    /// Liveness of a file server.
    Ping { server: usize },
    /// An INFO to a terminal; `offer` where it offers a share (S806).
    Terminal { seat: Seat, offer: Option<ShareId> },
    /// An INFO to a file server.
    FileServer { call: Call },
}

/// What becomes due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// Look after the file servers.
    Ping,
    /// A file server has been away for too long.
    Lost(usize),
    /// A share has waited for its file server for too long.
    Adrift(ConferenceName, ShareId),
    /// A terminal owes the answer to an offer by INFO (S807).
    Answer(ConferenceName, ShareId, ParticipantId),
}

impl FileSharing {
    /// File sharing without shares. `seed` makes ConfIDs and waiting times.
    pub fn new(now: Instant, config: FileSharingConfig, seed: [u8; 32]) -> Self {
        let mut deadlines = Deadlines::new();
        if config.ping.is_some() {
            deadlines.set(&Due::Ping, Some(now));
        }
        Self {
            servers: Servers::new("file server", &config.servers),
            config,
            rng: ChaCha12Rng::from_seed(seed),
            rooms: BTreeMap::new(),
            legs: BTreeMap::new(),
            relays: BTreeMap::new(),
            asked: BTreeMap::new(),
            wishes: VecDeque::new(),
            deadlines,
            last_id: 0,
            draining: false,
            ending: false,
        }
    }

    /// The file servers as `status` and metrics show them.
    pub fn file_servers(&self) -> impl Iterator<Item = &ServerState> {
        self.servers.iter()
    }

    /// Shares at present, over all conferences.
    pub fn shares(&self) -> usize {
        self.rooms.values().map(|room| room.shares.len()).sum()
    }

    fn fresh_id(&mut self) -> String {
        self.last_id = self.last_id.wrapping_add(1);
        format!("as-{}", self.last_id)
    }

    fn attendee(&mut self, seat: &Seat) -> Option<&mut Attendee> {
        self.rooms.get_mut(&seat.conference)?.attendees.get_mut(&seat.participant)
    }

    /// Asks for an offer in a dialog.
    fn wish_offer(&mut self, seat: &Seat) {
        let wish = Wish::Offer { seat: seat.clone() };
        if !self.wishes.contains(&wish) {
            self.wishes.push_back(wish);
        }
    }
}

impl Companion for FileSharing {
    fn packages(&self) -> &'static [&'static str] {
        &[control::INFO_PACKAGE]
    }

    fn owns(&self, line: &Media) -> bool {
        super::wire::line::Line::is_share(line)
    }

    fn entered(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, person: Person) {
        self.on_entered(cx, seat, person);
    }

    fn left(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, lost: bool) {
        self.on_left(cx, seat, lost);
    }

    fn ended(&mut self, cx: &mut CompanionCx<'_>, conference: &ConferenceName) {
        self.on_conference_ended(cx, conference);
    }

    fn offered(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, lines: &Lines) {
        self.on_offered(cx, seat, lines);
    }

    fn taken_back(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat) {
        self.on_taken_back(cx, seat);
    }

    fn offer(&mut self, _cx: &mut CompanionCx<'_>, seat: &Seat, session: &[Media]) -> Lines {
        self.lines_to_offer(seat, session)
    }

    fn answered(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, lines: &Lines) {
        self.on_answered(cx, seat, lines);
    }

    fn refused(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, status: u16) {
        self.on_refused(cx, seat, status);
    }

    fn handle_info(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, incoming: Incoming, request: &Request) {
        self.on_terminal_info(cx, seat, incoming, request);
    }

    fn handle_event(&mut self, cx: &mut CompanionCx<'_>, event: &Event) -> bool {
        self.on_file_server_event(cx, event)
    }

    fn rights(&self) -> &'static [&'static str] {
        const WORDS: [&str; 2] = [Right::Share.as_str(), Right::Receive.as_str()];
        &WORDS
    }

    fn preset(&self, conference: &ConferenceName, right: &str) -> Preset {
        Right::of_word(right).map_or(Preset::Named, |right| self.preset_of(conference, right))
    }

    fn defined(&mut self, cx: &mut CompanionCx<'_>, conference: &ConferenceName, rights: &Rights) {
        self.on_defined(cx, conference, rights);
    }

    fn give_guests(&mut self, cx: &mut CompanionCx<'_>, seats: &[Seat], right: &str, on: bool) {
        if let Some(right) = Right::of_word(right) {
            self.on_guests(cx, seats, right, on);
        }
    }

    fn given_guests(&self, conference: &ConferenceName) -> Vec<(&'static str, ParticipantId, bool)> {
        let guests = self.rooms.get(conference).map(|room| &room.rights.guests);
        guests.into_iter().flatten().map(|((right, id), on)| (right.as_str(), *id, *on)).collect()
    }

    fn handle_timeout(&mut self, cx: &mut CompanionCx<'_>) {
        while let Some(due) = self.deadlines.due(cx.now) {
            match due {
                Due::Ping => self.ping(cx),
                Due::Lost(server) => self.on_server_lost(cx, server),
                Due::Adrift(conference, share) => self.on_adrift_for_long(cx, &conference, share),
                Due::Answer(conference, share, participant) => self.on_no_answer(cx, &Seat { conference, participant }, share),
            }
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    fn poll_wish(&mut self) -> Option<Wish> {
        self.wishes.pop_front()
    }

    fn drain(&mut self) {
        self.draining = true;
    }

    fn is_idle(&self) -> bool {
        let asked = self.asked.values().any(|asked| !matches!(asked, Asked::Ping { .. }));
        self.legs.is_empty() && self.relays.is_empty() && !asked && self.shares() == 0
    }

    fn shut_down(&mut self, cx: &mut CompanionCx<'_>) {
        self.ending = true;
        for call in std::mem::take(&mut self.legs).into_keys() {
            cx.endpoint.bye(cx.now, call, Some(Reason::sip(503, "server is stopping")), Vec::new());
        }
        self.relays.clear();
        self.rooms.clear();
        self.deadlines = Deadlines::new();
    }
}
