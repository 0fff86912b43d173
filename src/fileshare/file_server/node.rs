//! The file server as a machine: a user agent, its dialogs and data conferences, and the plane that moves bytes.
//!
//! Everything that comes in by [`Node`] is worked off at once; what has to be sent is polled. The plane is never waited for: whoever runs
//! the node sends [`Command::Plane`] when the plane has events.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use super::{
    admission::MemberId,
    config::{self, FileServerConfig, Gauges},
    plane::{DataPlane, PlaneEvent},
    session::Session,
    share::Share,
};
use crate::{
    conference::{
        called::{deadlines::Deadlines, refuse},
        wire::services,
    },
    fileshare::{
        ConfId,
        wire::control::{self, Message},
    },
    sip::{
        endpoint::{self, Call, Endpoint, Event, Incoming, Outgoing, Reason},
        hop::{FlowId, Transmit},
        message::{Method, Request},
        node::{Arrival, Node},
    },
};

/// Most answers to strangers that wait to be sent; more are left out.
const MAX_STRAYS: usize = 256;

/// What the rest of the process asks of a file server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The plane has events.
    Plane,
    /// Take no new data conferences and members; those there are go on.
    Drain,
    /// Take no new ones and end those there are, with this text in their Reason. Then the node has [finished](Node::finished).
    End {
        /// For people.
        reason: String,
    },
}

/// A file server; see the [module](self).
#[derive(Debug)]
pub struct FileServer<P> {
    pub(super) config: FileServerConfig,
    pub(super) endpoint: Endpoint,
    pub(super) plane: P,
    pub(super) rng: ChaCha12Rng,
    pub(super) sessions: BTreeMap<Call, Session>,
    pub(super) shares: BTreeMap<ConfId, Share>,
    pub(super) by_member: BTreeMap<MemberId, Call>,
    /// INFOs of ours that wait for their answer.
    told: BTreeMap<Outgoing, Call>,
    pub(super) next_member: u64,
    pub(super) deadlines: Deadlines<Due>,
    /// Tells this run of the server from others.
    instance: String,
    gauges: Arc<Gauges>,
    strays: VecDeque<Transmit>,
    pub(super) draining: bool,
    pub(super) ending: bool,
}

/// What becomes due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// Nobody was connected to a data conference for a while.
    Idle(ConfId),
    /// A member did not come (again) for a while.
    Window(Call),
}

impl<P: DataPlane> FileServer<P> {
    /// A file server without data conferences.
    pub fn new(config: FileServerConfig, plane: P, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha12Rng::from_seed(seed);
        let mut names = rng.clone();
        names.set_stream(1);
        Self {
            instance: format!("{:016x}", names.random::<u64>()),
            endpoint: Endpoint::new(config.endpoint.clone(), rng.random()),
            config,
            plane,
            rng,
            sessions: BTreeMap::new(),
            shares: BTreeMap::new(),
            by_member: BTreeMap::new(),
            told: BTreeMap::new(),
            next_member: 1,
            deadlines: Deadlines::new(),
            gauges: Arc::default(),
            strays: VecDeque::new(),
            draining: false,
            ending: false,
        }
    }

    /// True when nothing is left: no dialog, data conference or request, and no memory of one.
    pub fn is_idle(&self) -> bool {
        self.endpoint.is_idle()
            && self.sessions.is_empty()
            && self.shares.is_empty()
            && self.by_member.is_empty()
            && self.told.is_empty()
            && self.deadlines.next().is_none()
    }

    /// What the rest of the process may know at any time.
    pub fn gauges(&self) -> Arc<Gauges> {
        self.gauges.clone()
    }

    /// The plane.
    pub fn plane(&self) -> &P {
        &self.plane
    }

    /// The plane, for whoever drives it (a simulation).
    pub fn plane_mut(&mut self) -> &mut P {
        &mut self.plane
    }

    /// The plane, for whoever shuts it down when the node has ended.
    pub fn into_plane(self) -> P {
        self.plane
    }

    /// Works off what the user agent and the plane have to tell.
    fn settle(&mut self, now: Instant) {
        loop {
            if let Some(event) = self.endpoint.poll_event() {
                self.on_event(now, event);
            } else if let Some(event) = self.plane.poll_event() {
                self.on_plane(now, event);
            } else {
                break;
            }
        }
        self.gauges.set(self.shares.len(), self.by_member.len(), self.draining);
    }

    fn on_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Invite { call, request, .. } => self.on_invite(now, call, &request),
            Event::Reinvite { call, request } => self.on_reinvite(now, call, &request),
            Event::Acked { call, request } => self.on_acked(now, call, &request),
            Event::Refreshed { call, response } => self.on_refreshed(call, &response),
            Event::Request { incoming, call, request, .. } => self.on_request(now, incoming, call, &request),
            Event::Response { outgoing, .. } => {
                // Whatever the answer says, the next may go; a dialog that is gone ends by itself.
                let Some(call) = self.told.remove(&outgoing) else { return };
                if let Some(session) = self.sessions.get_mut(&call) {
                    session.outbox.answered();
                    self.flush(now, call);
                }
            }
            Event::Ended { call, why } => self.on_ended(now, call, &why),
            // Calls that the caller takes back end by `Ended`; this server sends no INVITE, and knows no subscriptions.
            _ => {}
        }
    }

    fn on_plane(&mut self, now: Instant, event: PlaneEvent) {
        match event {
            PlaneEvent::Connected { conf, member } => self.on_connected(&conf, member),
            PlaneEvent::Broken { conf, member, why } => self.on_broken(now, &conf, member, why.as_ref()),
            PlaneEvent::Uploaded { conf, bytes } => self.on_uploaded(now, &conf, bytes),
            PlaneEvent::UploadFailed { conf, why } => self.fail_share(now, &conf, &why),
            PlaneEvent::Received { conf, member, bytes } => self.on_received(now, &conf, member, bytes),
            PlaneEvent::GaveUp { conf, member, why } => self.on_gave_up(now, &conf, member, why),
        }
    }

    fn on_request(&mut self, now: Instant, incoming: Incoming, call: Option<Call>, request: &Request) {
        match (&request.method, call) {
            (Method::Options, _) => {
                let body = config::services(&self.gauges, &self.instance, &self.config.limits);
                let body = endpoint::Body::new(services::CONTENT_TYPE, body.to_xml());
                self.endpoint.respond(now, incoming, 200, Vec::new(), Some(body));
            }
            (Method::Info, Some(call)) => self.on_info(now, incoming, call, request),
            _ => self.endpoint.respond(now, incoming, 405, Vec::new(), None),
        }
    }

    /// Tells the application server something that it did not ask for.
    pub(super) fn tell(&mut self, now: Instant, call: Call, message: Message) {
        let Some(session) = self.sessions.get_mut(&call) else { return };
        let body = control::Body::of_conf(session.fresh_id(), session.conf.clone(), message);
        self.send(now, call, body);
    }

    /// Sends a body in a dialog, when its turn comes.
    pub(super) fn send(&mut self, now: Instant, call: Call, body: control::Body) {
        if let Some(session) = self.sessions.get_mut(&call) {
            session.outbox.push(body);
            self.flush(now, call);
        }
    }

    /// Sends what waits, if its turn has come.
    pub(super) fn flush(&mut self, now: Instant, call: Call) {
        let Some(session) = self.sessions.get_mut(&call) else { return };
        while let Some(body) = session.outbox.next() {
            let body = endpoint::Body::new(control::CONTENT_TYPE, body.to_xml());
            let package = vec![("Info-Package".to_owned(), control::INFO_PACKAGE.to_owned())];
            // A refusal means that the call is on its way out.
            if let Ok(outgoing) = self.endpoint.request(now, call, Method::Info, package, Some(body)) {
                session.outbox.sent(outgoing);
                self.told.insert(outgoing, call);
            }
        }
    }

    /// Nobody waits for the answer any more.
    pub(super) fn forget_told(&mut self, outgoing: Option<Outgoing>) {
        if let Some(outgoing) = outgoing {
            self.told.remove(&outgoing);
        }
    }

    /// A connection to the application server is gone: dialogs that it does not know any more (it was started anew) end.
    fn probe_flow(&mut self, now: Instant, flow: FlowId) {
        let sharers: Vec<Call> = self.shares.values().map(|share| share.sharer).collect();
        for call in sharers {
            if self.endpoint.call_peer(call).is_some_and(|peer| peer.hop.flow == Some(flow)) {
                // One that cannot be asked is on its way out already; the endpoint itself draws the conclusions.
                let _ = self.endpoint.request(now, call, Method::Options, Vec::new(), None);
            }
        }
    }
}

impl<P: DataPlane> Node for FileServer<P> {
    type Command = Command;

    fn handle_arrival(&mut self, now: Instant, arrival: Arrival) {
        match arrival {
            Arrival::Message { bytes, from, peer, .. } => {
                if self.config.access.admits(&from, &peer) {
                    self.endpoint.handle_bytes(now, bytes, from);
                } else if self.strays.len() < MAX_STRAYS {
                    tracing::debug!(%from, "not the application server: refused");
                    self.strays.extend(refuse(&bytes, from));
                }
            }
            Arrival::Failed { hop, why } => self.endpoint.handle_transport_error(now, &hop, &why),
            Arrival::Closed { flow, .. } => {
                self.endpoint.handle_flow_closed(flow);
                self.probe_flow(now, flow);
            }
        }
        self.settle(now);
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Plane => {}
            Command::Drain => self.draining = true,
            Command::End { reason } => {
                self.draining = true;
                self.ending = true;
                let calls: Vec<Call> = self.sessions.keys().copied().collect();
                for call in calls {
                    self.endpoint.bye(now, call, Some(Reason::sip(503, &reason)), Vec::new());
                }
            }
        }
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        while let Some(due) = self.deadlines.due(now) {
            self.on_due(now, due);
        }
        self.settle(now);
    }

    fn next_timeout(&self) -> Option<Instant> {
        [self.endpoint.next_timeout(), self.deadlines.next()].into_iter().flatten().min()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.strays.pop_front().or_else(|| self.endpoint.poll_transmit())
    }

    fn finished(&self) -> bool {
        self.ending && self.endpoint.calls() == 0
    }
}
