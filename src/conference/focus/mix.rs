//! The focus as client of a media server: the control leg, the legs, MSCML requests and what comes back (RFC 5022).

use std::time::Duration;

use bytes::Bytes;
use rand::RngExt as _;

use super::{
    Asked, Cx, Focus, Timer, Use,
    conference::{Change, MAX_ASKED, Mix, MscmlAsked, Stage},
    pin,
    servers::is_silence,
};
use crate::{
    conference::{
        roster::CallState,
        wire::{
            mscml::{self, Body as Mscml, ConfigureConference, ConfigureLeg, MixMode, Notification, TalkerReports, Time, Verb},
            multipart::{self, Part},
        },
    },
    id::{ConferenceName, MAX_CONFERENCE_NAME, ParticipantId},
    sip::{
        endpoint::{Body, Call, Incoming, Invite, Outgoing, Reason, warned},
        message::{Method, NameAddr, Request, Response},
    },
};

/// Room for more talkers than a conference may have: the creator and administrators come in beyond its limit, and the limit
/// may be raised while it runs. The focus is who enforces it.
const MORE_TALKERS: u32 = 100;

/// How long a media server that has no room is left alone, where it names no time, and at most.
const NO_ROOM: Duration = Duration::from_secs(30);

/// Shortest time between two reports of active talkers.
const TALKER_REPORTS: Duration = Duration::from_secs(1);

/// Whether a leg can be set up now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MixReady {
    /// The mix is up.
    Yes,
    /// Its control leg is under way.
    Soon,
    /// No media server takes it.
    No,
}

impl Focus {
    /// Opens the control leg of a conference if it has none: before the first leg (RFC 5022 §5.1).
    pub(super) fn ensure_mix(&mut self, cx: &mut Cx<'_>, name: &ConferenceName) -> MixReady {
        match self.conferences.get(name).map(|c| c.mix) {
            None => MixReady::No,
            Some(Mix::Up { .. }) => MixReady::Yes,
            Some(Mix::Opening { .. }) => MixReady::Soon,
            Some(Mix::Down) => self.open_mix(cx, name, name.to_string()),
        }
    }

    fn open_mix(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, room: String) -> MixReady {
        let Some(server) = self.choose_server(cx.now) else { return MixReady::No };
        let id = self.fresh_id().to_string();
        let Some(conference) = self.conferences.get_mut(name) else { return MixReady::No };
        conference.room = room;
        let most = conference.record.max_participants.unwrap_or_default().max(self.config.max_participants);
        let talkers = most.saturating_add(MORE_TALKERS);
        let configure = ConfigureConference {
            reserved_talkers: Some(talkers),
            talkers: Some(TalkerReports { report: true, interval: Time::After(TALKER_REPORTS) }),
            ..ConfigureConference::default()
        };
        let body = mscml_body(&Mscml::Request(mscml::Request::new(Verb::ConfigureConference(configure)).with_id(id.clone())));
        let Some(call) = self.invite_server(cx, name, server, None, Some(body)) else { return MixReady::No };
        self.uses.insert(call, Use::ControlLeg(name.clone()));
        if let Some(conference) = self.conferences.get_mut(name) {
            conference.mix = Mix::Opening { call, server };
            conference.asked.insert(id, MscmlAsked::Open);
        }
        MixReady::Soon
    }

    /// Closes the mix of a conference; its legs are their members' concern.
    pub(super) fn close_mix(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, reason: Option<&Reason>) {
        let Some(conference) = self.conferences.get_mut(name) else { return };
        let control = conference.mix.control();
        conference.mix = Mix::Down;
        conference.asked.retain(|_, asked| *asked != MscmlAsked::Open);
        if let Some((call, _)) = control {
            self.uses.remove(&call);
            cx.endpoint.bye(cx.now, call, reason.cloned(), Vec::new());
        }
    }

    /// The media server that was to mix does not: another one, if anybody waits.
    pub(super) fn open_elsewhere(&mut self, cx: &mut Cx<'_>, name: &ConferenceName) -> MixReady {
        let waits = |stage| matches!(stage, Stage::AwaitingMix | Stage::AnsweredAwaitingMix);
        match self.conferences.get(name) {
            Some(conference) if conference.members.values().any(|m| waits(m.stage)) => self.ensure_mix(cx, name),
            _ => MixReady::Soon,
        }
    }

    /// S302 or S311: the participant's leg, parked until `configure_leg` (RFC 5022 §5.3: an MSCML body beside the SDP).
    /// An empty `sdp` asks the media server for an offer. False when it could not be sent.
    pub(super) fn invite_leg(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId, sdp: &Bytes) -> bool {
        let request_id = self.fresh_id().to_string();
        let Some(conference) = self.conferences.get(name) else { return false };
        let Mix::Up { server, .. } = conference.mix else { return false };
        let from = conference.roster.get(id).map(|e| NameAddr { display: e.display.clone(), uri: e.uri.clone(), params: Vec::new() });
        let parked = ConfigureLeg { mix_mode: Some(MixMode::Parked), ..ConfigureLeg::default() };
        let parked = mscml_body(&Mscml::Request(mscml::Request::new(Verb::ConfigureLeg(parked)).with_id(request_id.clone())));
        let body = if sdp.is_empty() {
            parked
        } else {
            let parts = [Part::new("application/sdp", sdp.clone()), Part::new(parked.content_type.clone(), parked.bytes.clone())];
            let (content_type, bytes) = multipart::write("mixed", &parts);
            Body { content_type, bytes }
        };
        let Some(call) = self.invite_server(cx, name, server, from, Some(body)) else { return false };
        self.uses.insert(call, Use::Leg(name.clone(), id));
        // The INVITE's body is more than a description; refreshes carry the description alone.
        cx.endpoint.set_session(call, (!sdp.is_empty()).then(|| Body::sdp(sdp.clone())));
        let call_id = cx.endpoint.call_peer(call).map(|peer| peer.call_id);
        let Some(conference) = self.conferences.get_mut(name) else { return false };
        conference.asked.insert(request_id, MscmlAsked::Park(id));
        if let Some(member) = conference.members.get_mut(&id) {
            member.leg = Some(call);
            member.leg_call_id = call_id;
        }
        true
    }

    fn invite_server(
        &mut self,
        cx: &mut Cx<'_>,
        name: &ConferenceName,
        server: usize,
        from: Option<NameAddr>,
        body: Option<Body>,
    ) -> Option<Call> {
        let config = &self.servers.get(server)?.at;
        let room = &self.conferences.get(name)?.room;
        let uri = config.uri(Some(&format!("conf={room}")));
        let invite = Invite {
            to: NameAddr::new(uri.clone()),
            uri,
            from: from.unwrap_or_else(|| NameAddr::new(self.config.uri(name.as_str()))),
            contact: cx.endpoint.contact(Some(name.as_str()), config.hop.transport),
            hop: config.hop.clone(),
            route: Vec::new(),
            headers: vec![("Accept".to_owned(), format!("application/sdp, {}", mscml::CONTENT_TYPE))],
            body,
            credentials: None,
        };
        cx.endpoint.invite(cx.now, invite).ok()
    }

    /// The control leg's answer: those who waited for the mix go on.
    pub(super) fn on_control_leg_accepted(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, call: Call, response: &Response) {
        cx.endpoint.ack(cx.now, call, None);
        let Some(conference) = self.conferences.get_mut(name) else {
            return cx.endpoint.bye(cx.now, call, None, Vec::new());
        };
        let Mix::Opening { server, .. } = conference.mix else { return };
        conference.mix = Mix::Up { call, server };
        self.server_answers(server);
        // RFC 5022 §3: the response to MSCML in an INVITE comes in its final response, or in an INFO.
        if let Some(result) = mscml_of(response) {
            self.on_mscml_response(cx, name, &result);
        }
        let Some(conference) = self.conferences.get(name) else { return };
        let waiting: Vec<(ParticipantId, Stage)> = conference.members.iter().map(|(id, m)| (*id, m.stage)).collect();
        for (id, stage) in waiting {
            match stage {
                Stage::AwaitingMix => self.start_leg(cx, name, id),
                Stage::AnsweredAwaitingMix => self.bridge(cx, name, id),
                _ => {}
            }
        }
    }

    /// The control leg was refused: another media server, or nobody gets in.
    pub(super) fn on_control_leg_rejected(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, response: &Response) {
        let Some(conference) = self.conferences.get_mut(name) else { return };
        let Mix::Opening { call, server } = conference.mix else { return };
        tracing::warn!(conference = %name, status = response.status, "media server does not take the conference");
        self.uses.remove(&call);
        let plain = conference.room == name.as_str();
        conference.mix = Mix::Down;
        conference.asked.retain(|_, asked| *asked != MscmlAsked::Open);
        let again = match response.status {
            _ if is_silence(response) => {
                self.server_away(cx.now, server);
                self.open_elsewhere(cx, name)
            }
            503 => {
                self.server_full(cx.now, server, retry_after(response).unwrap_or(NO_ROOM));
                self.open_elsewhere(cx, name)
            }
            // There is such a mix already, or still: one of a former run of ours, or one that is just ending.
            486 if plain => {
                let room = self.fresh_room(name);
                tracing::info!(conference = %name, room, "the media server has a mix of that name; another name");
                self.open_mix(cx, name, room)
            }
            _ => MixReady::No,
        };
        if again != MixReady::No {
            return;
        }
        let why = warned(&response.headers).unwrap_or_else(|| "no media server takes the conference".to_owned());
        self.send_home(cx, name, &Reason::sip(503, &why), |stage| stage != Stage::Calling);
    }

    /// A name for a mix that no other one has.
    fn fresh_room(&mut self, name: &ConferenceName) -> String {
        let digits: u64 = self.rng.random();
        let head: String = name.as_str().chars().take(MAX_CONFERENCE_NAME.saturating_sub(17)).collect();
        format!("{head}.{digits:016x}")
    }

    /// S307, S313: from parked to full, or to mute where that was asked for meanwhile.
    pub(super) fn join(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId) {
        let Some(conference) = self.conferences.get_mut(name) else { return };
        let Some(member) = conference.members.get_mut(&id) else { return };
        member.stage = Stage::Joining;
        let muted = conference.roster.get(id).is_some_and(|e| e.muted);
        let mode = if muted { MixMode::Mute } else { MixMode::Full };
        let full = ConfigureLeg { mix_mode: Some(mode), ..ConfigureLeg::default() };
        if !self.ask_leg(cx, name, id, Verb::ConfigureLeg(full), MscmlAsked::Join(id)) {
            self.fail(cx, name, id, 503, &Reason::sip(503, "media server lost the leg"));
        }
    }

    /// Mute, deaf, volume of somebody in the mix. False when it could not be asked.
    pub(super) fn ask_change(
        &mut self,
        cx: &mut Cx<'_>,
        name: &ConferenceName,
        id: ParticipantId,
        change: Change,
        job: super::JobId,
    ) -> bool {
        self.ask_leg(cx, name, id, Verb::ConfigureLeg(change.request()), MscmlAsked::Change { id, change, job })
    }

    /// Sends an MSCML request on a participant's leg. False when it could not be sent.
    pub(super) fn ask_leg(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId, verb: Verb, asked: MscmlAsked) -> bool {
        let request_id = self.fresh_id().to_string();
        let Some(conference) = self.conferences.get_mut(name).filter(|c| c.asked.len() < MAX_ASKED) else { return false };
        let Some(leg) = conference.members.get(&id).and_then(|m| m.leg) else { return false };
        let body = mscml_body(&Mscml::Request(mscml::Request::new(verb).with_id(request_id.clone())));
        let Ok(outgoing) = cx.endpoint.request(cx.now, leg, Method::Info, Vec::new(), Some(body)) else { return false };
        // A PIN may take as long as a person types; its own timers are at the media server.
        let wait =
            if matches!(asked, MscmlAsked::Pin(_)) { pin::LONGEST_ENTRY.saturating_add(self.config.mscml) } else { self.config.mscml };
        conference.asked.insert(request_id.clone(), asked);
        self.timers.set_after(Timer::Mscml(name.clone(), request_id.clone()), cx.now, wait);
        self.asked.insert(outgoing, Asked::Mscml { conference: name.clone(), id: request_id });
        true
    }

    /// A request in one of the dialogs: MSCML from the media server, control from a shell, DTMF or REFER from a participant.
    pub(super) fn on_request(&mut self, cx: &mut Cx<'_>, incoming: Incoming, call: Call, request: &Request) -> bool {
        let Some(usage) = self.uses.get(&call).cloned() else { return false };
        match (usage, &request.method) {
            (Use::Leg(name, _) | Use::ControlLeg(name), Method::Info) => self.on_mscml(cx, incoming, &name, request),
            (Use::Control, Method::Info) => self.on_control_info(cx, incoming, call, request),
            (Use::Participant(name, id), Method::Info) if self.pass_info(cx, &name, id, incoming, request) => {}
            (Use::Participant(..), Method::Info) => Self::on_participant_info(cx, incoming, request),
            (Use::Participant(name, id), Method::Refer) => self.on_refer(cx, incoming, Some((name, id)), request, None),
            (_, Method::Options) => cx.endpoint.respond(cx.now, incoming, 200, Vec::new(), None),
            (_, Method::Message) => cx.endpoint.respond(cx.now, incoming, 415, Vec::new(), None),
            _ => cx.endpoint.respond(cx.now, incoming, 405, Vec::new(), None),
        }
        true
    }

    fn on_mscml(&mut self, cx: &mut Cx<'_>, incoming: Incoming, name: &ConferenceName, request: &Request) {
        if request.content_type().as_deref() != Some(mscml::CONTENT_TYPE) {
            let accept = vec![("Accept".to_owned(), mscml::CONTENT_TYPE.to_owned())];
            return cx.endpoint.respond(cx.now, incoming, 415, accept, None);
        }
        let Ok(body) = Mscml::parse(&request.body) else {
            return cx.endpoint.respond(cx.now, incoming, 400, Vec::new(), None);
        };
        cx.endpoint.respond(cx.now, incoming, 200, Vec::new(), None);
        match body {
            Mscml::Response(response) => self.on_mscml_response(cx, name, &response),
            Mscml::Notification(Notification::Conference { talkers, .. }) => self.on_talkers(cx, name, &talkers),
            Mscml::Notification(Notification::Keypress { .. }) | Mscml::Request(_) => {}
        }
    }

    pub(super) fn on_mscml_response(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, response: &mscml::Response) {
        let Some(id) = response.id.as_deref() else { return };
        let Some(asked) = self.conferences.get_mut(name).and_then(|c| c.asked.remove(id)) else { return };
        self.timers.cancel(&Timer::Mscml(name.clone(), id.to_owned()));
        let refused = || Reason::sip(503, &format!("media server: {}", response.text));
        match asked {
            MscmlAsked::Join(id) if response.is_success() => self.on_joined(cx, name, id),
            MscmlAsked::Open | MscmlAsked::Park(_) if response.is_success() => {}
            MscmlAsked::Open => self.lose_mix(cx, name, &refused()),
            MscmlAsked::Join(id) | MscmlAsked::Park(id) => self.fail(cx, name, id, 503, &refused()),
            MscmlAsked::Pin(id) => self.on_pin_collected(cx, name, id, response),
            MscmlAsked::Change { id, change, job } => {
                let outcome = if response.is_success() { Ok(()) } else { Err(format!("media server: {}", response.text)) };
                self.on_changed(cx, name, id, change, job, outcome);
            }
        }
    }

    /// The INFO that carried an MSCML request got its final response. A 2xx only says that it arrived (RFC 5022 §3).
    fn on_mscml_sent(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: &str, status: u16) {
        if status >= 300 {
            self.mscml_failed(cx, name, id, &format!("media server answered {status}"));
        }
    }

    pub(super) fn on_mscml_timeout(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: &str) {
        self.mscml_failed(cx, name, id, "media server does not respond");
    }

    fn mscml_failed(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: &str, why: &str) {
        let Some(asked) = self.conferences.get_mut(name).and_then(|c| c.asked.remove(id)) else { return };
        self.timers.cancel(&Timer::Mscml(name.clone(), id.to_owned()));
        match asked {
            MscmlAsked::Open => self.lose_mix(cx, name, &Reason::sip(503, why)),
            MscmlAsked::Join(id) | MscmlAsked::Park(id) | MscmlAsked::Pin(id) => {
                self.fail(cx, name, id, 503, &Reason::sip(503, why));
            }
            MscmlAsked::Change { id, change, job } => self.on_changed(cx, name, id, change, job, Err(why.to_owned())),
        }
    }

    /// S308: the leg is in the mix.
    fn on_joined(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId) {
        let Some(conference) = self.conferences.get_mut(name) else { return };
        let (Some(member), Some(entry)) = (conference.members.get_mut(&id), conference.roster.get_mut(id)) else { return };
        member.stage = Stage::In;
        member.seated = true;
        entry.state = CallState::Connected;
        entry.joined = Some(cx.wall);
        let job = member.job.take();
        let later = std::mem::take(&mut member.later);
        let waits = std::mem::take(&mut member.waits).then_some(member.call);
        tracing::info!(conference = %name, participant = %id, uri = %entry.uri, "joined");
        let mut changed = self.choose_chair(name);
        if !changed.contains(&id) {
            changed.push(id);
        }
        self.publish_users(cx, name, &changed);
        self.ask_companion_late(cx, name, id);
        if let Some(call) = waits {
            pin::tell_admitted(cx, call);
        }
        self.note_hold(cx, name, id);
        if let Some((job, at)) = job {
            self.job_invited(cx, job, at, Ok(id));
        }
        for (change, job) in later {
            self.change(cx, name, &[id], change, job);
        }
    }

    /// Active talkers (RFC 5022 §5.7), named by the Call-IDs of their legs.
    fn on_talkers(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, talkers: &[String]) {
        let Some(conference) = self.conferences.get_mut(name) else { return };
        let talking: Vec<ParticipantId> = talkers.iter().filter_map(|call_id| conference.by_leg_call_id(call_id)).collect();
        let mut changed = Vec::new();
        for id in conference.members.keys() {
            if let Some(entry) = conference.roster.get_mut(*id)
                && entry.talking != talking.contains(id)
            {
                entry.talking = !entry.talking;
                changed.push(*id);
            }
        }
        if !changed.is_empty() {
            self.publish_users(cx, name, &changed);
        }
    }

    /// A final response to one of our requests outside INVITE.
    pub(super) fn on_response(&mut self, cx: &mut Cx<'_>, outgoing: Outgoing, response: &Response) -> bool {
        let Some(asked) = self.asked.remove(&outgoing) else { return false };
        match asked {
            Asked::Mscml { conference, id } => self.on_mscml_sent(cx, &conference, &id, response.status),
            Asked::Reply { dialog } => self.on_reply_sent(cx, dialog, response.status),
            Asked::Ping { server } => self.on_pong(cx, server, response),
        }
        true
    }
}

/// The session description of a message: its body, or the part of a multipart.
pub(super) fn sdp_of(content_type: Option<&str>, body: &Bytes) -> Bytes {
    let parts = multipart::bodies(content_type.unwrap_or_default(), body).unwrap_or_default();
    parts.into_iter().find(|p| p.media_type() == "application/sdp").map(|p| p.bytes).unwrap_or_default()
}

/// When a server that has no room wants to be asked again (RFC 3261 §20.33).
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers.get("Retry-After")?;
    let digits: String = value.trim().chars().take_while(char::is_ascii_digit).collect();
    Some(digits.parse().map_or(NO_ROOM, Duration::from_secs).min(NO_ROOM))
}

/// The MSCML response in the answer to an INVITE, if there is one.
pub(super) fn mscml_of(response: &Response) -> Option<mscml::Response> {
    let content_type = response.headers.get("Content-Type").unwrap_or_default();
    let parts = multipart::bodies(content_type, &response.body).ok()?;
    let part = parts.into_iter().find(|p| p.media_type() == mscml::CONTENT_TYPE)?;
    match Mscml::parse(&part.bytes) {
        Ok(Mscml::Response(response)) => Some(response),
        _ => None,
    }
}

fn mscml_body(body: &Mscml) -> Body {
    Body::new(mscml::CONTENT_TYPE, body.to_xml())
}
