//! The media server as a machine: a user agent, its dialogs and conferences, and the plane that mixes.
//!
//! Everything that comes in by [`Node`] is worked off at once; what has to be sent is polled. The plane is never waited for:
//! whoever runs the node sends [`Command::Media`] when the plane has events.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use super::{
    config::{self, Gauges, MediaServerConfig},
    plane::{LegId, MediaPlane, PlaneEvent, PlayId, RoomId},
    session::{Conference, Kind, Session},
};
use crate::{
    conference::{
        called::{deadlines::Deadlines, refuse},
        wire::{
            mscml::{self, Body},
            services,
        },
    },
    id::ConferenceId,
    sip::{
        endpoint::{self, Call, Endpoint, Event, Incoming, Outgoing, Reason},
        hop::Transmit,
        message::{Method, Request},
        node::{Arrival, Node},
    },
};

/// Most answers to strangers that wait to be sent; more are left out.
const MAX_STRAYS: usize = 256;

/// What the rest of the process asks of a media server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The plane has events.
    Media,
    /// Take no new calls; those there are go on.
    Drain,
    /// Take no new calls and end those there are, with this text in their Reason. Then the node has [finished](Node::finished).
    End {
        /// For people.
        reason: String,
    },
}

/// A media server; see the [module](self).
#[derive(Debug)]
pub struct MediaServer<P> {
    pub(super) config: MediaServerConfig,
    pub(super) endpoint: Endpoint,
    pub(super) plane: P,
    pub(super) rng: ChaCha12Rng,
    pub(super) sessions: BTreeMap<Call, Session>,
    pub(super) conferences: BTreeMap<ConferenceId, Conference>,
    pub(super) by_media: BTreeMap<LegId, Call>,
    pub(super) plays: BTreeMap<PlayId, Call>,
    /// INFOs of ours that wait for their answer.
    pub(super) told: BTreeMap<Outgoing, Call>,
    /// Questions of ours whether the application server still knows a control leg.
    pub(super) probes: BTreeMap<Outgoing, Call>,
    pub(super) next_play: u64,
    pub(super) deadlines: Deadlines<Due>,
    /// Tells this run of the server from others.
    instance: String,
    gauges: Arc<Gauges>,
    strays: VecDeque<Transmit>,
    pub(super) draining: bool,
    ending: bool,
}

/// What becomes due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A prompt's end or a digit timer of a dialog.
    Ivr(Call),
    /// A report of talkers.
    Talkers(ConferenceId),
    /// Another question whether the application server still knows a control leg.
    Probe(Call),
}

/// The plane's name of a conference's room.
pub(super) fn room(conference: &ConferenceId) -> RoomId {
    RoomId::new(conference.as_str())
}

impl<P: MediaPlane> MediaServer<P> {
    /// A media server without calls.
    pub fn new(config: MediaServerConfig, plane: P, seed: [u8; 32]) -> Self {
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
            conferences: BTreeMap::new(),
            by_media: BTreeMap::new(),
            plays: BTreeMap::new(),
            told: BTreeMap::new(),
            probes: BTreeMap::new(),
            next_play: 0,
            deadlines: Deadlines::new(),
            gauges: Arc::default(),
            strays: VecDeque::new(),
            draining: false,
            ending: false,
        }
    }

    /// True when nothing is left: no dialog, conference, playing or request, and no memory of one.
    pub fn is_idle(&self) -> bool {
        self.endpoint.is_idle()
            && self.sessions.is_empty()
            && self.conferences.is_empty()
            && self.by_media.is_empty()
            && self.plays.is_empty()
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

    /// Works off what the user agent and the plane have to tell.
    fn settle(&mut self, now: Instant) {
        loop {
            if let Some(event) = self.endpoint.poll_event() {
                self.on_event(now, event);
            } else if let Some(event) = self.plane.poll_event() {
                self.on_media(now, event);
            } else {
                break;
            }
        }
        self.gauges.set(self.by_media.len(), self.conferences.len(), self.draining);
    }

    fn on_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Invite { call, request, .. } => self.on_invite(now, call, &request),
            Event::Reinvite { call, request } => self.on_reinvite(now, call, &request),
            Event::Acked { call, request } => self.on_acked(now, call, &request),
            Event::Refreshed { call, response } => self.on_refreshed(call, &response),
            Event::Request { incoming, call, request, .. } => self.on_request(now, incoming, call, &request),
            Event::Response { outgoing, response } => {
                if let Some(call) = self.probes.remove(&outgoing) {
                    return self.on_probed(now, call, response.status);
                }
                // Whatever the answer says, the next may go; a dialog that is gone ends by itself.
                let Some(call) = self.told.remove(&outgoing) else { return };
                if let Some(session) = self.sessions.get_mut(&call) {
                    session.outbox.answered();
                    self.flush(now, call);
                }
            }
            Event::Ended { call, .. } => self.on_ended(now, call),
            // Calls that the caller takes back end by `Ended`; this server sends no INVITE, and knows no subscriptions.
            _ => {}
        }
    }

    fn on_media(&mut self, now: Instant, event: PlaneEvent) {
        match event {
            PlaneEvent::Talkers { room, legs } => {
                let Ok(id) = room.as_str().parse::<ConferenceId>() else { return };
                let talkers = legs.iter().filter_map(|leg| self.by_media.get(leg).copied()).collect();
                if let Some(conference) = self.conferences.get_mut(&id) {
                    conference.talkers.set(talkers);
                    self.report_talkers(now, &id);
                }
            }
            PlaneEvent::Digit { leg, digit, held } => self.on_digit(now, leg, digit, held),
            PlaneEvent::PlayDone { play, end, played } => self.play_done(now, play, end, played),
            // Who holds is silent, too: that a participant is gone is for session timers to find out.
            PlaneEvent::Silent { .. } | PlaneEvent::Audible { .. } => {}
            PlaneEvent::Closed { leg, .. } => {
                // Legs of ours are forgotten before they are closed, so this one was lost.
                if let Some(call) = self.by_media.remove(&leg) {
                    tracing::warn!(%leg, "media of a leg is gone");
                    self.endpoint.bye(now, call, Some(Reason::sip(500, "the media of the leg is gone")), Vec::new());
                }
            }
        }
    }

    fn on_request(&mut self, now: Instant, incoming: Incoming, call: Option<Call>, request: &Request) {
        match (&request.method, call) {
            (Method::Options, _) => {
                let body = config::services(&self.gauges, &self.instance, self.config.capacity, self.plane.load());
                let body = endpoint::Body::new(services::CONTENT_TYPE, body.to_xml());
                self.endpoint.respond(now, incoming, 200, Vec::new(), Some(body));
            }
            (Method::Info, Some(call)) => self.on_info(now, incoming, call, request),
            _ => self.endpoint.respond(now, incoming, 405, Vec::new(), None),
        }
    }

    /// Tells the application server something in a dialog.
    pub(super) fn tell(&mut self, now: Instant, call: Call, body: Body) {
        if let Some(session) = self.sessions.get_mut(&call) {
            session.outbox.push(body);
            self.flush(now, call);
        }
    }

    /// Sends what waits, if its turn has come.
    pub(super) fn flush(&mut self, now: Instant, call: Call) {
        let Some(session) = self.sessions.get_mut(&call) else { return };
        while let Some(body) = session.outbox.next() {
            let body = endpoint::Body::new(mscml::CONTENT_TYPE, body.to_xml());
            // A refusal means that the call is on its way out.
            if let Ok(outgoing) = self.endpoint.request(now, call, Method::Info, Vec::new(), Some(body)) {
                session.outbox.sent(outgoing);
                self.told.insert(outgoing, call);
            }
        }
        if matches!(session.kind, Kind::Control) && session.outbox.is_idle() {
            let id = session.conference.clone();
            self.report_talkers(now, &id);
        }
    }

    fn on_timeout(&mut self, now: Instant) {
        while let Some(due) = self.deadlines.due(now) {
            match due {
                Due::Ivr(call) => self.ivr_timeout(now, call),
                Due::Talkers(id) => self.report_talkers(now, &id),
                Due::Probe(call) => self.probe(now, call),
            }
        }
    }
}

impl<P: MediaPlane> Node for MediaServer<P> {
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
            Command::Media => {}
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
        self.on_timeout(now);
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
