//! The focus (RFC 4353, RFC 4579): every conference of an application server as one pure machine.
//!
//! It is a B2BUA: each participant has one dialog with it, and it has one dialog with the media server per participant, plus
//! one control dialog per conference (RFC 5022 §5.1). The seed's steps are where their names stand:
//!
//! | file | what |
//! |---|---|
//! | `conference.rs` | one conference: definition, roster, members, the state of its mix |
//! | `dial_in.rs` | S301–S308: somebody calls |
//! | `dial_out.rs` | S309–S313: somebody is called |
//! | `mix.rs` | the control leg, the legs, MSCML requests and what comes back |
//! | `companion.rs` `session.rs` | lines that are not the media server's, and who stands beside the focus for them |
//! | `change.rs` | re-INVITEs passed through: hold, new addresses, refreshes |
//! | `pin.rs` | PINs, by body part or by DTMF |
//! | `leave.rs` | somebody leaves, is put out, a conference ends |
//! | `moderate.rs` | mute, deaf, volume, lock, PIN, role |
//! | `command.rs` | what shells ask by INFO, and the replies |
//! | `refer.rs` | REFER to invite or remove |
//! | `watch.rs` | subscribers of the conference event package |
//! | `servers.rs` | media servers: choice, liveness, loss |
//!
//! The focus names no socket and no clock. It works on an [`Endpoint`] that its owner drains; what must reach the store
//! comes out of [`Focus::poll_effect`] and comes back by [`Focus::handle_stored`].

mod change;
mod command;
mod companion;
mod conference;
mod config;
mod dial_in;
mod dial_out;
mod leave;
mod mix;
mod moderate;
mod pin;
mod refer;
mod servers;
mod session;
mod timer;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::{Instant, SystemTime},
};

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;

pub use command::{Facts, UnderWay};
pub use config::FocusConfig;
pub use dial_out::Callee;

use self::{
    command::{Job, JobId},
    conference::Conference,
    timer::{Timer, Timers},
    watch::Watch,
};
use crate::{
    account::{Audience, Backoff, SealKey},
    conference::{
        companion::{Companion, Seat},
        servers::Servers,
        wire::control::{ErrorCode, Failure, Issued},
    },
    id::{ConferenceName, ParticipantId, UserName},
    sip::{
        Hop,
        endpoint::{Call, Endpoint, Event, Incoming, Outgoing, Reason, Subscription, takes},
        message::{NameAddr, Request},
    },
    store::ConferenceRecord,
};

/// Most store operations that wait for their answer. A command that would exceed it is refused.
const MAX_SAVES: usize = 1024;

/// What the focus works with in one step.
pub struct Cx<'a> {
    /// Monotonic time.
    pub now: Instant,
    /// Wall-clock time, for time stamps.
    pub wall: SystemTime,
    /// The user agent.
    pub endpoint: &'a mut Endpoint,
    /// Who can be reached where.
    pub users: &'a dyn Users,
}

/// What the focus asks of the rest of the application server about users.
pub trait Users: std::fmt::Debug {
    /// Whom a URI, a number or a user's name means, and where to call.
    ///
    /// # Errors
    /// Nobody, or a URI that we do not call.
    fn locate(&self, now: Instant, target: &str) -> Result<Callee, Failure>;

    /// Whether an account is an administrator's at present; `None` when there is no such account.
    fn is_admin(&self, user: &UserName) -> Option<bool>;

    /// Registered contacts.
    fn contacts(&self) -> usize;

    /// Time since the server started.
    fn uptime(&self, now: Instant) -> std::time::Duration;

    /// A ticket of a user's.
    ///
    /// # Errors
    /// The server issues none, or not for this action.
    fn ticket(&self, wall: SystemTime, user: &UserName, audience: Audience, action: Option<String>) -> Result<Issued, Failure> {
        let _ = (wall, user, audience, action);
        Err(Failure::new(ErrorCode::Failed, "this server issues no tickets"))
    }
}

/// Who sent a request, once the door has looked at it.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account, when it proved its password.
    pub user: Option<UserName>,
    /// True for an administrator.
    pub admin: bool,
    /// Let in where guests are not: with an account, or through a gateway of ours.
    pub admitted: bool,
    /// From.
    pub address: NameAddr,
}

/// What the focus asks of the rest of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Store this and say so by [`Focus::handle_stored`]: nothing is acknowledged before.
    Store {
        /// To be given back.
        save: SaveId,
        /// What.
        operation: StoreOperation,
    },
}

/// A store operation under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SaveId(u64);

/// What is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreOperation {
    /// A new definition.
    Add(Box<ConferenceRecord>),
    /// A changed one, with the revision that it replaces.
    Replace(Box<ConferenceRecord>),
    /// One that is gone.
    Delete(ConferenceName),
}

/// What came of a store operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// Done; the definition has this revision now.
    Done(u64),
    /// There is one of that name already.
    Exists,
    /// The store failed; text for people.
    Failed(String),
}

/// Where the calls, requests and subscriptions of the endpoint belong.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Use {
    /// A participant's own dialog.
    Participant(ConferenceName, ParticipantId),
    /// A participant's dialog with the media server.
    Leg(ConferenceName, ParticipantId),
    /// A conference's control leg.
    ControlLeg(ConferenceName),
    /// A shell's dialog.
    Control,
}

/// Why a request of ours was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    /// MSCML in an INFO on a leg or control leg: `id` is that of the MSCML request.
    Mscml { conference: ConferenceName, id: String },
    /// A reply to a shell.
    Reply { dialog: Call },
    /// Liveness of a media server.
    Ping { server: usize },
}

/// All conferences of one application server.
#[derive(Debug)]
pub struct Focus {
    config: FocusConfig,
    key: Arc<SealKey>,
    conferences: BTreeMap<ConferenceName, Conference>,
    uses: BTreeMap<Call, Use>,
    asked: BTreeMap<Outgoing, Asked>,
    watches: BTreeMap<Subscription, Watch>,
    shells: BTreeMap<Call, command::Shell>,
    servers: Servers,
    jobs: BTreeMap<JobId, Job>,
    saves: BTreeMap<SaveId, command::Saving>,
    /// Wrong PINs, by address and by conference.
    guesses: Backoff<ConferenceName>,
    timers: Timers,
    effects: VecDeque<Effect>,
    /// Who stands beside us.
    companion: Option<Box<dyn Companion>>,
    /// Dialogs in which it wants to offer something.
    wanting: BTreeSet<Seat>,
    rng: ChaCha12Rng,
    last_id: u64,
    draining: bool,
}

impl Focus {
    /// A focus with the stored definitions. `key` opens and seals PINs.
    pub fn new(
        now: Instant,
        config: FocusConfig,
        key: Arc<SealKey>,
        seed: [u8; 32],
        stored: impl IntoIterator<Item = ConferenceRecord>,
    ) -> Self {
        let servers = Servers::new("media server", &config.media_servers);
        let mut timers = Timers::default();
        if config.ping.is_some() {
            timers.set(Timer::Ping, now);
        }
        let mut focus = Self {
            config,
            key,
            conferences: BTreeMap::new(),
            uses: BTreeMap::new(),
            asked: BTreeMap::new(),
            watches: BTreeMap::new(),
            shells: BTreeMap::new(),
            servers,
            jobs: BTreeMap::new(),
            saves: BTreeMap::new(),
            guesses: Backoff::new(pin::GUESSES),
            timers,
            effects: VecDeque::new(),
            companion: None,
            wanting: BTreeSet::new(),
            rng: ChaCha12Rng::from_seed(seed),
            last_id: 0,
            draining: false,
        };
        for record in stored {
            focus.conferences.insert(record.name.clone(), Conference::new(record, true));
        }
        focus
    }

    /// The settings, to be changed by a reload; they hold for what comes from now on.
    pub fn config_mut(&mut self) -> &mut FocusConfig {
        &mut self.config
    }

    /// Puts the restored conferences' ends on the clock; called once, when the wall clock is known.
    pub fn start(&mut self, cx: &mut Cx<'_>) {
        let names: Vec<ConferenceName> = self.conferences.keys().cloned().collect();
        for name in names {
            self.schedule_end(cx, &name);
        }
    }

    /// Takes one of the endpoint's events that concern a call, a request of ours or a subscription. `true` when it was the
    /// focus's; what is not (a new INVITE, a request outside every call) is its owner's to judge first.
    pub fn handle_event(&mut self, cx: &mut Cx<'_>, event: &Event) -> bool {
        self.on_event(cx, event) || self.pass_event(cx, event)
    }

    fn on_event(&mut self, cx: &mut Cx<'_>, event: &Event) -> bool {
        match event {
            Event::Reinvite { call, request } => self.on_reinvite(cx, *call, request),
            Event::ReinviteCancelled { call } => self.on_reinvite_cancelled(cx, *call),
            Event::Acked { call, request } => self.on_acked(cx, *call, request),
            Event::Progress { call, response } => self.on_progress(cx, *call, response.status),
            Event::Accepted { call, response } => self.on_accepted(cx, *call, response),
            Event::ReinviteRejected { call, response } => self.on_reinvite_rejected(cx, *call, response.status),
            Event::Rejected { call, response } => self.on_rejected(cx, *call, response),
            Event::Ended { call, why } => self.on_ended(cx, *call, why),
            Event::Request { incoming, call: Some(call), request, .. } => self.on_request(cx, *incoming, *call, request),
            Event::Response { outgoing, response } => self.on_response(cx, *outgoing, response),
            Event::Subscribe { subscription, expires, .. } => self.on_resubscribe(cx, *subscription, *expires),
            Event::SubscriptionEnded { subscription, .. } => self.on_watch_ended(*subscription),
            Event::Refreshed { call, .. } | Event::Cancelled { call, .. } | Event::AckMissing { call } => self.uses.contains_key(call),
            _ => false,
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) {
        while let Some(timer) = self.timers.poll(cx.now) {
            match timer {
                Timer::Ping => self.ping(cx),
                Timer::Ringing(name, id) => self.on_ringing_timeout(cx, &name, id),
                Timer::Mscml(name, id) => self.on_mscml_timeout(cx, &name, &id),
                Timer::Lifetime(name) => self.on_lifetime(cx, &name),
                Timer::Watch(subscription) => self.on_watch_timer(cx, subscription),
                Timer::ServerLost(server) => self.on_server_lost(cx, server),
            }
        }
        self.companion_due(cx);
    }

    /// When [`Self::handle_timeout`] is wanted.
    pub fn next_timeout(&self) -> Option<Instant> {
        [self.timers.next(), self.companion.as_ref().and_then(|c| c.next_timeout())].into_iter().flatten().min()
    }

    /// What the rest of the server has to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Takes no new calls from here on; those that run go on.
    pub fn drain(&mut self) {
        self.draining = true;
        if let Some(companion) = self.companion.as_mut() {
            companion.drain();
        }
    }

    /// Ends every call with a reason: the server stops.
    pub fn shut_down(&mut self, cx: &mut Cx<'_>) {
        self.draining = true;
        // First, so that it takes nobody who is sent away for one who left: what they had begun may be gone on with at the next process.
        self.shut_companion_down(cx);
        let names: Vec<ConferenceName> = self.conferences.keys().cloned().collect();
        for name in names {
            self.empty(cx, &name, &Reason::sip(503, "server is stopping"));
        }
        self.deactivate_watches(cx);
        let shells: Vec<Call> = self.shells.keys().copied().collect();
        for shell in shells {
            cx.endpoint.bye(cx.now, shell, Some(Reason::sip(503, "server is stopping")), Vec::new());
        }
    }

    /// Numbers for metrics and status.
    pub fn facts(&self) -> Facts {
        Facts {
            conferences: self.conferences.len(),
            participants: self.conferences.values().map(|c| c.roster.iter().filter(|e| e.present()).count()).sum(),
            watchers: self.watches.len(),
            draining: self.draining,
        }
    }

    /// True when there is a conference of this name.
    pub fn has(&self, name: &ConferenceName) -> bool {
        self.conferences.contains_key(name)
    }

    /// A new INVITE that the door let through: a dial-in, the factory, or a shell's control dialog.
    pub fn handle_invite(&mut self, cx: &mut Cx<'_>, call: Call, request: &Request, caller: &Caller, from: &Hop) {
        if !takes(&request.headers, "application/sdp") {
            // Whatever we accept an INVITE with holds a session description (RFC 4475 §3.3.15).
            return cx.endpoint.reject(cx.now, call, 406, Vec::new());
        }
        let target = request.uri.user().unwrap_or_default();
        match target.as_str() {
            "control" => self.open_control(cx, call, request, caller),
            "factory" => self.dial_factory(cx, call, request, caller, from),
            _ => self.dial_in(cx, call, request, caller, from, &target),
        }
    }

    /// A request of an unknown call that asks for something of a conference: SUBSCRIBE or REFER outside a dialog.
    pub fn handle_request(&mut self, cx: &mut Cx<'_>, incoming: Incoming, request: &Request, caller: &Caller) {
        use crate::sip::message::Method;
        match request.method {
            Method::Subscribe => self.on_subscribe(cx, incoming, request, caller),
            Method::Refer => self.on_refer(cx, incoming, None, request, Some(caller)),
            _ => cx.endpoint.respond(cx.now, incoming, 405, Vec::new(), None),
        }
    }

    fn fresh_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}
