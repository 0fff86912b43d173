//! Conferences: the control leg that makes one and ends it, and its reports of talkers (RFC 5022 §5.1, §5.4, §5.7).

use std::time::{Duration, Instant};

use super::{
    invite::{Asked, Refusal},
    node::{Due, MediaServer, room},
    outbox::Outbox,
    plane::MediaPlane,
    session::{Conference, Kind, Session},
};
use crate::{
    conference::wire::mscml::{Body, ConfigureConference, Notification, Request, Response},
    id::ConferenceId,
    sdp::{self, Negotiation},
    sip::{
        FlowId,
        endpoint::{self, Call, Reason},
        message::Method,
    },
};

/// How long until an application server that could not be reached is asked again whether it knows its conferences.
const PROBE_AGAIN: Duration = Duration::from_secs(5);

impl<P: MediaPlane> MediaServer<P> {
    /// An INVITE with `configure_conference`: the control leg of a new conference.
    pub(super) fn establish_control(
        &mut self,
        now: Instant,
        asked: Asked,
        configure: &ConfigureConference,
        request_id: Option<String>,
    ) -> Result<(), Refusal> {
        let Asked { call, call_id, id, offer } = asked;
        if self.conferences.contains_key(&id) {
            return Err(Refusal::new(486, "the conference exists already, or is just ending"));
        }
        let Some(reserved) = configure.reserved_talkers else {
            return Err(Refusal::new(400, "a control leg needs reservedtalkers"));
        };
        let answer = offer.map(|offer| self.refuse_media(offer)).transpose()?;
        self.open_conference(id.clone(), Some(call), Some(reserved))?;
        let mut session = Session { conference: id.clone(), call_id, outbox: Outbox::default(), ivr: None, kind: Kind::Control };
        session.outbox.push(Body::Response(Response::new(request_id, "configure_conference", 200, "OK")));
        self.sessions.insert(call, session);
        if let Some(talkers) = configure.talkers.filter(|t| t.report)
            && let Some(conference) = self.conferences.get_mut(&id)
        {
            conference.talkers.subscribe(talkers.interval);
        }
        self.endpoint.accept(now, call, answer.map(|a| endpoint::Body::sdp(a.to_text())), Vec::new());
        Ok(())
    }

    /// The answer to a control leg's hold SDP: no media at all.
    pub(super) fn refuse_media(&mut self, offer: sdp::Description) -> Result<sdp::Description, Refusal> {
        if !offer.media.is_empty() && !offer.is_held() {
            return Err(Refusal::new(488, "a control leg has no media"));
        }
        let mut negotiation = self.negotiation(None)?;
        negotiation.offered(offer).map_err(|e| Refusal::new(488, &e.to_string()))?;
        negotiation.answer(Vec::new()).map_err(|e| Refusal::new(488, &e.to_string()))
    }

    /// A session of ours for a peer at `remote`.
    pub(super) fn negotiation(&mut self, remote: Option<std::net::IpAddr>) -> Result<Negotiation, Refusal> {
        use rand::RngExt as _;
        let address = self.config.media_address(remote).ok_or_else(|| Refusal::new(488, "no media address of that family"))?;
        Ok(Negotiation::new("-", address, self.rng.random()))
    }

    /// Makes a conference and its room.
    pub(super) fn open_conference(&mut self, id: ConferenceId, control: Option<Call>, reserved: Option<u32>) -> Result<(), Refusal> {
        if self.conferences.len() >= self.config.max_conferences {
            return Err(Refusal::busy("no room for another conference"));
        }
        self.plane.open_room(&room(&id)).map_err(|e| Refusal::busy(&e.to_string()))?;
        tracing::info!(conference = %id, controlled = control.is_some(), "conference opened");
        self.conferences.insert(id, Conference::new(control, reserved));
        Ok(())
    }

    /// `configure_conference` in an INFO.
    pub(super) fn configure_conference(
        &mut self,
        now: Instant,
        call: Call,
        request: &Request,
        configure: &ConfigureConference,
    ) -> Response {
        let Some(session) = self.sessions.get(&call) else { return request.response(500, "the dialog is gone") };
        if !matches!(session.kind, Kind::Control) {
            return request.response(400, "a conference is configured on its control leg");
        }
        let id = session.conference.clone();
        let Some(conference) = self.conferences.get_mut(&id) else { return request.response(500, "the conference is gone") };
        conference.reserved_talkers = configure.reserved_talkers.or(conference.reserved_talkers);
        match configure.talkers {
            Some(talkers) if talkers.report => conference.talkers.subscribe(talkers.interval),
            Some(_) => conference.talkers.unsubscribe(),
            None => {}
        }
        self.time_talkers(now, &id);
        request.response(200, "OK")
    }

    /// Whether one more leg may talk in a conference; one that is not there yet has room.
    pub(super) fn may_talk(&self, id: &ConferenceId) -> bool {
        self.conferences.get(id).is_none_or(Conference::has_room_for_a_talker)
    }

    /// Reports who talks, when that is due; a report that would only wait in the outbox is put off.
    pub(super) fn report_talkers(&mut self, now: Instant, id: &ConferenceId) {
        let Some(conference) = self.conferences.get_mut(id) else { return };
        let Some(control) = conference.control else { return };
        if !self.sessions.get(&control).is_some_and(|s| s.outbox.is_idle()) {
            // The outbox asks again when it is idle.
            return self.deadlines.set(&Due::Talkers(id.clone()), None);
        }
        let report = conference.talkers.poll(now);
        self.time_talkers(now, id);
        if let Some(talkers) = report {
            let talkers: Vec<String> = talkers.iter().filter_map(|call| self.sessions.get(call)).map(|s| s.call_id.clone()).collect();
            let num_talkers = u32::try_from(talkers.len()).unwrap_or(u32::MAX);
            let unique_id = id.as_str().to_owned();
            self.tell(now, control, Body::Notification(Notification::Conference { unique_id, num_talkers, talkers }));
        }
    }

    fn time_talkers(&mut self, now: Instant, id: &ConferenceId) {
        let deadline = self.conferences.get(id).and_then(|c| c.talkers.deadline(now));
        self.deadlines.set(&Due::Talkers(id.clone()), deadline);
    }

    /// A connection of the application server is gone: it may have died, and started anew without its conferences. Each of the
    /// control legs that came by it is asked for (RFC 3261 §11.1); one that is not known any more, 481, is over, long before its session
    /// timer would say so.
    pub(super) fn probe_flow(&mut self, now: Instant, flow: FlowId) {
        let controls: Vec<Call> = self.conferences.values().filter_map(|c| c.control).collect();
        for call in controls {
            if self.endpoint.call_peer(call).is_some_and(|peer| peer.hop.flow == Some(flow)) {
                self.probe(now, call);
            }
        }
    }

    /// Asks whether the application server still knows a control leg.
    pub(super) fn probe(&mut self, now: Instant, call: Call) {
        // One that cannot be asked is on its way out already.
        if let Ok(outgoing) = self.endpoint.request(now, call, Method::Options, Vec::new(), None) {
            self.probes.insert(outgoing, call);
        }
    }

    /// The answer. A dialog that is not known ends by itself; nobody there is asked again: whoever starts there does not know it.
    pub(super) fn on_probed(&mut self, now: Instant, call: Call, status: u16) {
        if status == 503 && self.sessions.contains_key(&call) {
            self.deadlines.set(&Due::Probe(call), Some(now + PROBE_AGAIN));
        }
    }

    /// A dialog is over: a control leg takes its conference with it, a leg leaves it.
    pub(super) fn on_ended(&mut self, now: Instant, call: Call) {
        let Some(session) = self.sessions.remove(&call) else { return };
        self.deadlines.set(&Due::Ivr(call), None);
        self.deadlines.set(&Due::Probe(call), None);
        self.plays.retain(|_, of| *of != call);
        if let Some(outgoing) = session.outbox.in_flight() {
            self.told.remove(&outgoing);
        }
        let id = session.conference;
        match session.kind {
            Kind::Control => self.end_conference(now, &id),
            Kind::Leg(leg) => {
                self.by_media.remove(&leg.media);
                self.plane.close_leg(leg.media);
                if let Some(conference) = self.conferences.get_mut(&id) {
                    conference.legs.remove(&call);
                    conference.count_talker(Some(leg.settings.leg_type), None);
                    conference.talkers.remove(&call);
                }
                self.report_talkers(now, &id);
            }
        }
        self.forget_conference(&id);
    }

    fn end_conference(&mut self, now: Instant, id: &ConferenceId) {
        let Some(conference) = self.conferences.get_mut(id) else { return };
        conference.closing = true;
        conference.control = None;
        for leg in &conference.legs {
            self.endpoint.bye(now, *leg, Some(Reason::sip(410, "the conference has ended")), Vec::new());
        }
        // What the room's legs were playing is over with it.
        for leg in conference.legs.clone() {
            if let Some(media) = self.sessions.get(&leg).and_then(Session::leg).map(|l| l.media) {
                self.by_media.remove(&media);
            }
        }
        self.plane.close_room(&room(id));
    }

    /// A conference without control leg and legs is no more.
    fn forget_conference(&mut self, id: &ConferenceId) {
        if self.conferences.get(id).is_some_and(|c| c.control.is_none() && c.legs.is_empty()) {
            tracing::info!(conference = %id, "conference ended");
            self.conferences.remove(id);
            self.deadlines.set(&Due::Talkers(id.clone()), None);
            self.plane.close_room(&room(id));
        }
    }
}
