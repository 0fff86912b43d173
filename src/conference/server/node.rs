//! The application server as one machine.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Instant, SystemTime},
};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use super::{ServerConfig, door::Door, users::Directions};
use crate::{
    account::Directory,
    conference::{
        companion::Companion,
        focus::{self, Cx, Facts, Focus, FocusConfig, SaveId, StoreOperation, Stored, UnderWay},
        wire::{
            control::{self, Participant},
            mscml,
        },
    },
    id::ConferenceName,
    sip::{
        Hop, Transmit,
        digest::Credentials,
        endpoint::{Body, Endpoint, Incoming, Outgoing},
        message::{Host, Method, NameAddr, Uri},
        node::{Arrival, Node},
        registrar::{Aor, Registrar, Saved},
    },
    store::ConferenceRecord,
};

/// An application server: registrar, instant messages, conferences.
#[derive(Debug)]
pub struct ApplicationServer {
    pub(super) config: ServerConfig,
    pub(super) endpoint: Endpoint,
    pub(super) focus: Focus,
    pub(super) registrar: Registrar,
    pub(super) door: Door,
    pub(super) domain: Host,
    /// REGISTERs that wait for the store.
    pub(super) pending: BTreeMap<u64, Pending>,
    /// Messages that wait for their receiver.
    pub(super) relayed: BTreeMap<Outgoing, Relayed>,
    pub(super) effects: VecDeque<Effect>,
    pub(super) now: Instant,
    pub(super) wall: SystemTime,
    started: (Instant, SystemTime),
    /// What tells the time of day, where it is to be asked at each step.
    read_wall: Option<fn() -> SystemTime>,
    saves: u64,
    ending: bool,
}

/// A REGISTER that waits for the store.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) incoming: Incoming,
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
}

/// A message that waits for its receiver.
#[derive(Debug)]
pub(super) struct Relayed {
    pub(super) incoming: Incoming,
    pub(super) from: NameAddr,
    pub(super) to: NameAddr,
    pub(super) body: Option<Body>,
    pub(super) contacts: VecDeque<(Uri, Hop)>,
    /// For the gateway that it goes by.
    pub(super) credentials: Option<Credentials>,
    /// When the contact under way has had its time.
    pub(super) until: Instant,
    /// When the sender will no longer listen.
    pub(super) give_up: Instant,
}

/// What the server asks of the rest of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Store a definition; answered by [`Command::Stored`].
    Store {
        /// To be given back.
        save: SaveId,
        /// What.
        operation: StoreOperation,
    },
    /// Store a user's contacts; answered by [`Command::ContactsStored`].
    StoreContacts {
        /// To be given back.
        save: u64,
        /// Whose.
        aor: Aor,
        /// All of them.
        contacts: Vec<Saved>,
    },
}

/// What the rest of the process asks of the server.
#[derive(Debug)]
pub enum Command {
    /// The store has done, or not done, what was asked.
    Stored {
        /// Which.
        save: SaveId,
        /// What came of it.
        outcome: Stored,
    },
    /// The store has a user's contacts, or has failed with this text.
    ContactsStored {
        /// Which.
        save: u64,
        /// What came of it.
        outcome: Result<(), String>,
    },
    /// Accounts have changed.
    Accounts(Arc<Directory>),
    /// The configuration was read again.
    Reload(Box<FocusConfig>),
    /// Take no new calls.
    Drain,
    /// End all calls, with a reason. When all have ended the server has [finished](Node::finished).
    ShutDown,
    /// Numbers, please.
    Report(Report),
}

/// Where numbers are wanted: called once, at once.
pub struct Report(pub Box<dyn FnOnce(Figures) + Send>);

/// Numbers for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// The focus's.
    pub focus: Facts,
    /// Calls in any state, in either direction.
    pub calls: usize,
    /// Registered contacts.
    pub contacts: usize,
}

impl std::fmt::Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Report(…)")
    }
}

impl ApplicationServer {
    /// A server with the accounts, contacts and definitions of the store.
    pub fn new(
        now: Instant,
        wall: SystemTime,
        mut config: ServerConfig,
        directory: Arc<Directory>,
        seed: [u8; 32],
        contacts: impl IntoIterator<Item = Saved>,
        conferences: impl IntoIterator<Item = ConferenceRecord>,
    ) -> Self {
        let mut rng = ChaCha12Rng::from_seed(seed);
        let endpoint = &mut config.endpoint;
        for method in [Method::Register, Method::Refer, Method::Subscribe, Method::Message, Method::Info] {
            if !endpoint.allow.contains(&method) {
                endpoint.allow.push(method);
            }
        }
        endpoint.events = vec!["conference".to_owned()];
        endpoint.recv_info = vec![control::INFO_PACKAGE.to_owned()];
        endpoint.accept = ["application/sdp", "multipart/mixed", mscml::CONTENT_TYPE, control::CONTENT_TYPE].map(str::to_owned).to_vec();
        endpoint.supported.retain(|s| s != "norefersub");
        endpoint.supported.push("norefersub".to_owned());
        let key = Arc::clone(directory.key());
        let door = Door::new(now, directory, &config, rng.random());
        let mut registrar = Registrar::new(config.registrar);
        registrar.import(now, wall, contacts);
        let focus = Focus::new(now, config.focus.clone(), key, rng.random(), conferences);
        let mut server = Self {
            endpoint: Endpoint::new(config.endpoint.clone(), rng.random()),
            focus,
            registrar,
            door,
            domain: config.focus.domain.0.clone(),
            pending: BTreeMap::new(),
            relayed: BTreeMap::new(),
            effects: VecDeque::new(),
            now,
            wall,
            started: (now, wall),
            read_wall: None,
            saves: 0,
            ending: false,
            config,
        };
        server.with_focus(Focus::start);
        server.settle();
        server
    }

    /// The same server by this time of day, which is asked for at each step: it may be set while the server runs, and tickets are verified by it.
    /// Without, it is that of the start and what has passed since.
    #[must_use]
    pub fn with_wall(mut self, read: fn() -> SystemTime) -> Self {
        self.read_wall = Some(read);
        self
    }

    /// The same server with a companion beside its focus.
    #[must_use]
    pub fn with_companion(mut self, companion: Box<dyn Companion>) -> Self {
        let packages = companion.packages().iter().map(|package| (*package).to_owned());
        self.endpoint.config_mut().recv_info.extend(packages);
        self.focus.set_companion(companion);
        self.with_focus(Focus::show_all_rights);
        self
    }

    /// What the rest of the process has to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Calls at present, in either direction.
    pub fn calls(&self) -> usize {
        self.endpoint.calls()
    }

    /// What the focus has in hand.
    pub fn under_way(&self) -> UnderWay {
        self.focus.under_way()
    }

    /// True when nothing is left: no call, request or subscription, no memory of one, and nothing waits for the store.
    /// Conferences may be defined and contacts registered.
    pub fn is_idle(&self) -> bool {
        let companion = self.focus.companion().is_none_or(Companion::is_idle);
        companion && self.endpoint.is_idle() && self.focus.under_way().is_nothing() && self.pending.is_empty() && self.relayed.is_empty()
    }

    /// Everybody in a conference, those on their way included: as `show` has them.
    pub fn roster(&self, name: &ConferenceName) -> Vec<Participant> {
        self.focus.roster(name)
    }

    /// Numbers for metrics.
    pub fn facts(&self) -> Facts {
        self.focus.facts()
    }

    /// Runs a step of the focus with all that it works with.
    pub(super) fn with_focus<T>(&mut self, step: impl FnOnce(&mut Focus, &mut Cx<'_>) -> T) -> T {
        let directions = Directions {
            ours: &self.config.ours,
            gateways: &self.config.gateways,
            directory: &self.door.directory,
            registrar: &self.registrar,
            domain: &self.domain,
            outbound: self.config.focus.outbound,
            started: self.started.0,
            now: self.now,
        };
        let mut cx = Cx { now: self.now, wall: self.wall, endpoint: &mut self.endpoint, users: &directions };
        let done = step(&mut self.focus, &mut cx);
        self.focus.attend(&mut cx);
        done
    }

    pub(super) fn directions(&self) -> Directions<'_> {
        Directions {
            ours: &self.config.ours,
            gateways: &self.config.gateways,
            directory: &self.door.directory,
            registrar: &self.registrar,
            domain: &self.domain,
            outbound: self.config.focus.outbound,
            started: self.started.0,
            now: self.now,
        }
    }

    pub(super) fn respond(&mut self, incoming: Incoming, status: u16, headers: Vec<(String, String)>) {
        self.endpoint.respond(self.now, incoming, status, headers, None);
    }

    pub(super) fn next_save(&mut self) -> u64 {
        self.saves += 1;
        self.saves
    }

    fn step(&mut self, now: Instant) {
        self.now = now;
        self.wall = self.read_wall.map_or_else(|| self.started.1 + now.duration_since(self.started.0), |read| read());
    }

    /// After anything was handed in: events, then what the focus wants of the store.
    fn settle(&mut self) {
        self.drain_events();
        while let Some(focus::Effect::Store { save, operation }) = self.focus.poll_effect() {
            self.effects.push_back(Effect::Store { save, operation });
        }
    }
}

impl Node for ApplicationServer {
    type Command = Command;

    fn handle_arrival(&mut self, now: Instant, arrival: Arrival) {
        self.step(now);
        match arrival {
            Arrival::Message { bytes, from, .. } => self.endpoint.handle_bytes(now, bytes, from),
            Arrival::Failed { hop, why } => self.endpoint.handle_transport_error(now, &hop, &why),
            Arrival::Closed { flow, .. } => {
                self.registrar.handle_flow_closed(flow);
                self.endpoint.handle_flow_closed(flow);
            }
        }
        self.settle();
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        self.step(now);
        match command {
            Command::Stored { save, outcome } => self.with_focus(|focus, cx| focus.handle_stored(cx, save, outcome)),
            Command::ContactsStored { save, outcome } => self.on_contacts_stored(save, outcome),
            Command::Accounts(directory) => self.on_accounts(directory),
            Command::Reload(config) => *self.focus.config_mut() = *config,
            Command::Drain => self.focus.drain(),
            Command::ShutDown => {
                self.ending = true;
                self.with_focus(Focus::shut_down);
            }
            Command::Report(Report(tell)) => {
                let contacts = focus::Users::contacts(&self.directions());
                tell(Figures { focus: self.focus.facts(), calls: self.endpoint.calls(), contacts });
            }
        }
        self.settle();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.step(now);
        self.endpoint.handle_timeout(now);
        self.with_focus(Focus::handle_timeout);
        self.hurry_messages();
        for aor in self.registrar.handle_timeout(now) {
            self.save_contacts(aor, None);
        }
        self.settle();
    }

    fn next_timeout(&self) -> Option<Instant> {
        let messages = self.relayed.values().map(|r| r.until).min();
        [self.endpoint.next_timeout(), self.focus.next_timeout(), self.registrar.next_timeout(), messages].into_iter().flatten().min()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }

    /// After [`Command::ShutDown`] it has, once every call has ended, every last NOTIFY was taken and every REGISTER was answered.
    fn finished(&self) -> bool {
        self.ending && self.endpoint.calls() == 0 && self.endpoint.subscriptions() == 0 && self.pending.is_empty()
    }
}

impl ApplicationServer {
    /// Accounts have changed: contacts and shells of those that are gone go, too.
    fn on_accounts(&mut self, directory: Arc<Directory>) {
        let gone: Vec<Aor> = {
            let before = &self.door.directory;
            let names = before.accounts().filter(|a| directory.account(&a.name).is_none()).map(|a| a.name.clone());
            names.filter_map(|name| Aor::of_uri(&self.directions().address_of_record(&name)).ok()).collect()
        };
        self.door.directory = directory;
        self.with_focus(Focus::handle_accounts);
        for aor in gone {
            if self.registrar.remove(&aor) {
                self.save_contacts(aor, None);
            }
        }
    }

    /// True when there is a conference of this name.
    pub fn has_conference(&self, name: &ConferenceName) -> bool {
        self.focus.has(name)
    }
}
