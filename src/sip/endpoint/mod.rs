//! The user-agent core (RFC 3261 §8 and §10–15 above transactions): calls, requests, subscriptions, as one pure machine.
//!
//! Application server, media server, file server and terminals each own an [`Endpoint`]. Bytes go in by
//! [`handle_bytes`](Endpoint::handle_bytes), bytes come out by [`poll_transmit`](Endpoint::poll_transmit), what the owner
//! has to know or answer by [`poll_event`](Endpoint::poll_event). After each call into it both polls are drained and
//! [`next_timeout`](Endpoint::next_timeout) is asked again.
//!
//! It does by itself what every user agent has to: 100, `rport` and `received`, 2xx again until the ACK, ACK again on each
//! 2xx, CANCEL and 487, a 2xx that crosses a CANCEL (ACK, BYE), forked 2xx, CSeq order, 481, 405, 501, 420, 416, 482, 489,
//! glare, digest retries, session timers, route sets, large requests over TCP, expiry and refresh of subscriptions.
//!
//! A handle whose call has meanwhile ended may be used: nothing happens, and `Ended` is or was among the events. Out of scope:
//! what bodies mean, name look-up and connections, who may do what (the owner's); reliable provisional responses (RFC 3262);
//! proxying.
//!
//! | file | what |
//! |---|---|
//! | `config.rs` `event.rs` `handle.rs` `reason.rs` | what goes in and comes out |
//! | `receive.rs` `screen.rs` `send.rs` | bytes and transaction events in; the checks of §8.2; requests out |
//! | `invite.rs` `answer.rs` `cancel.rs` `reinvite.rs` `bye.rs` | calls, a file for each verb; `call.rs` is their state |
//! | `session_timer.rs` | RFC 4028 |
//! | `in_dialog.rs` `out_of_dialog.rs` | all other requests |
//! | `subscription/` | RFC 6665, RFC 3515 |
//! | `dialogs.rs` `timer.rs` `expiring.rs` | tables |

mod answer;
mod bye;
mod call;
mod cancel;
mod config;
mod dialogs;
mod event;
mod expiring;
mod handle;
mod in_dialog;
mod invite;
mod out_of_dialog;
mod reason;
mod receive;
mod reinvite;
mod screen;
mod send;
mod session_timer;
mod subscription;
mod timer;

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;

pub use config::{EndpointConfig, Limits, MIN_SE, SESSION_EXPIRES, SentBy};
pub use event::{Ending, Event, SubscriptionEnding};
pub use handle::{
    Body, Call, Incoming, Invite, OutOfDialog, Outgoing, Peer, Refused, Sequence, Subscribe, Subscription, SubscriptionState,
};
pub use reason::{Reason, ReasonError, warned, warning};
pub use screen::takes;

pub use crate::sip::{digest::Credentials, hop::Transmit};

use self::{call::CallState, dialogs::Dialogs, expiring::Expiring, out_of_dialog::Waiting, send::Pending, subscription::SubscriptionUsage};
use super::{
    Address,
    fault::SendFault,
    transaction::{self, ClientKey, ServerKey, TransactionLayer},
};

/// How long a peer is remembered to refuse TCP.
const TCP_REFUSAL: Duration = Duration::from_secs(600);

/// A user agent: see the [module](self).
#[derive(Debug)]
pub struct Endpoint {
    config: EndpointConfig,
    layer: TransactionLayer,
    rng: ChaCha12Rng,
    calls: BTreeMap<u64, CallState>,
    subscriptions: BTreeMap<u64, SubscriptionUsage>,
    dialogs: Dialogs,
    /// Subscriptions of ours whose dialog is to come: by Call-ID and our tag.
    half_dialogs: BTreeMap<(String, String), u64>,
    /// Requests of ours without a final response.
    pending: BTreeMap<ClientKey, Box<Pending>>,
    /// Requests of others that wait for their owner.
    incoming: BTreeMap<u64, Waiting>,
    /// The calls of the INVITEs that could be cancelled.
    invites_in: BTreeMap<ServerKey, u64>,
    /// Calls whose INVITE gets a 100 unless it is answered in this turn.
    hurry: VecDeque<u64>,
    /// INVITEs of ours whose call is over, until no final response can be expected any more.
    orphans: Expiring<ClientKey, ()>,
    acks: invite::Acks,
    forks: Expiring<invite::ForkKey, invite::Fork>,
    /// Requests that were seen lately, to tell merged ones.
    seen: Expiring<screen::SeenKey, ()>,
    tcp_refusers: Expiring<Address, ()>,
    timers: timer::TimerTable,
    events: VecDeque<Event>,
    transmits: VecDeque<Transmit>,
    made: u64,
    /// Why the transport failed, while its word of that is being taken.
    failing: Option<SendFault>,
    /// The time of the last call into it.
    now: Option<Instant>,
}

impl Endpoint {
    /// A user agent without calls. `seed` makes its tags, branches, Call-IDs and waiting times.
    pub fn new(config: EndpointConfig, seed: [u8; 32]) -> Self {
        let limits = &config.limits;
        let layer_limits = transaction::Limits {
            clients: limits.outgoing.saturating_add(limits.calls),
            servers: limits.incoming.saturating_add(limits.calls),
            ..transaction::Limits::default()
        };
        let give_up = config.timers.give_up();
        Self {
            layer: TransactionLayer::new(config.timers.clone(), layer_limits),
            rng: ChaCha12Rng::from_seed(seed),
            calls: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            dialogs: Dialogs::default(),
            half_dialogs: BTreeMap::new(),
            pending: BTreeMap::new(),
            incoming: BTreeMap::new(),
            invites_in: BTreeMap::new(),
            hurry: VecDeque::new(),
            orphans: Expiring::new(give_up, limits.calls),
            acks: Expiring::new(give_up, limits.calls),
            forks: Expiring::new(give_up, limits.calls),
            seen: Expiring::new(give_up, limits.incoming),
            tcp_refusers: Expiring::new(TCP_REFUSAL, limits.tcp_refusers),
            timers: timer::TimerTable::default(),
            events: VecDeque::new(),
            transmits: VecDeque::new(),
            made: 0,
            failing: None,
            now: None,
            config,
        }
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        if self.transmits.is_empty() {
            self.hurry_up();
        }
        self.transmits.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The settings.
    pub fn config(&self) -> &EndpointConfig {
        &self.config
    }

    /// Changes the settings for what comes from now on. Timers and the bounds of remembered messages stay what they were.
    pub fn config_mut(&mut self) -> &mut EndpointConfig {
        &mut self.config
    }

    /// What is known of the other side of a call.
    pub fn call_peer(&self, call: Call) -> Option<Peer> {
        let state = self.calls.get(&call.0)?;
        let dialog = state.dialog.and_then(|key| self.dialogs.get(key)).map(|entry| &entry.dialog);
        Some(Peer {
            address: state.remote.clone(),
            contact: state.said.contact.clone(),
            hop: state.hop.clone(),
            call_id: state.call_id.clone(),
            local_tag: state.local_tag.clone(),
            remote_tag: dialog.map(|dialog| dialog.id().remote_tag.clone()),
            recv_info: state.said.recv_info.clone(),
            allow: state.said.allow.clone(),
            focus: state.said.contact.as_ref().is_some_and(|contact| contact.param("isfocus").is_some()),
            user_agent: state.said.user_agent.clone(),
        })
    }

    /// Calls at present.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Subscriptions at present, of both roles.
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.len()
    }

    /// True when nothing is left: no call, subscription, request, transaction, dialog or memory of one.
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty()
            && self.subscriptions.is_empty()
            && self.dialogs.is_empty()
            && self.half_dialogs.is_empty()
            && self.pending.is_empty()
            && self.incoming.is_empty()
            && self.invites_in.is_empty()
            && self.hurry.is_empty()
            && self.orphans.is_empty()
            && self.acks.is_empty()
            && self.forks.is_empty()
            && self.seen.is_empty()
            && self.timers.is_empty()
            && self.layer.clients() == 0
            && self.layer.servers() == 0
    }

    fn next_id(&mut self) -> u64 {
        self.made += 1;
        self.made
    }
}
