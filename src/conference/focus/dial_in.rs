//! S301–S308: somebody calls the conference.

use bytes::Bytes;

use super::{
    Caller, Cx, Focus, Use,
    conference::{Conference, Member, Mix, PinEntry, Stage},
    mix::{MixReady, mscml_of, sdp_of},
    pin::address_of,
    servers::is_silence,
    session::{cut, lines_of},
};
use crate::{
    conference::{
        policy::{Admission, Denied, barred},
        roster::{CallState, Entry, Joining, Role, Who},
        wire::{
            control::{self, ADMISSION, AdmissionState},
            multipart,
        },
    },
    id::{ConferenceName, ParticipantId},
    sdp::Description,
    sip::{
        Hop,
        endpoint::{Body, Call, Reason, warned, warning},
        message::{Request, Response},
    },
    store::ConferenceRecord,
};

/// Digits of the name that the factory gives a conference.
const FACTORY_DIGITS: u64 = 1_000_000_000;

impl Focus {
    /// An INVITE to a conference's URI (S301).
    pub(super) fn dial_in(&mut self, cx: &mut Cx<'_>, call: Call, request: &Request, caller: &Caller, from: &Hop, target: &str) {
        let Ok(name) = target.parse::<ConferenceName>() else {
            return cx.endpoint.reject(cx.now, call, 404, vec![warning("no conference can have this name")]);
        };
        if !self.conferences.contains_key(&name) {
            // Whoever brings files only looks for a conference; it does not make one.
            let without_audio = self.is_without_audio(&sdp_of(request.headers.get("Content-Type"), &request.body));
            if !self.config.auto_create || without_audio {
                return cx.endpoint.reject(cx.now, call, 404, vec![warning(&format!("no conference {name}"))]);
            }
            if let Err((status, headers)) = self.make_ad_hoc(cx, &name, caller) {
                return cx.endpoint.reject(cx.now, call, status, headers);
            }
        }
        self.admit(cx, call, request, caller, from, &name);
    }

    /// An INVITE to the conference factory (RFC 4579 §5.4): a conference with a name of our choice.
    pub(super) fn dial_factory(&mut self, cx: &mut Cx<'_>, call: Call, request: &Request, caller: &Caller, from: &Hop) {
        use rand::RngExt as _;
        for _ in 0..8 {
            let Ok(name) = format!("room-{:09}", self.rng.random_range(0..FACTORY_DIGITS)).parse::<ConferenceName>() else { continue };
            if self.conferences.contains_key(&name) {
                continue;
            }
            return match self.make_ad_hoc(cx, &name, caller) {
                Ok(()) => self.admit(cx, call, request, caller, from, &name),
                Err((status, headers)) => cx.endpoint.reject(cx.now, call, status, headers),
            };
        }
        cx.endpoint.reject(cx.now, call, 503, retry_after());
    }

    /// Makes a conference that nobody defined: it is not stored, and goes when it is empty if so configured.
    ///
    /// # Errors
    /// How to refuse the call.
    fn make_ad_hoc(&mut self, cx: &Cx<'_>, name: &ConferenceName, caller: &Caller) -> Result<(), (u16, Vec<(String, String)>)> {
        let denied =
            if self.draining { Some(Denied::Draining) } else { Some(Denied::Guest).filter(|_| !caller.admitted && !self.config.guests) };
        if let Some(denied) = denied {
            return Err((denied.status(), denied.headers()));
        }
        if self.conferences.len() >= self.config.max_conferences {
            return Err((503, retry_after()));
        }
        let record = ConferenceRecord {
            name: name.clone(),
            title: String::new(),
            pin: None,
            guests: None,
            max_participants: None,
            ttl: None,
            ends_with_chair: false,
            ends_when_empty: self.config.end_when_empty,
            locked: false,
            rights: String::new(),
            creator: caller.user.clone(),
            created: cx.wall,
            revision: 0,
        };
        tracing::info!(conference = %name, creator = caller.user.as_ref().map(tracing::field::display), "made by a caller");
        self.conferences.insert(name.clone(), Conference::new(record, false));
        Ok(())
    }

    fn admit(&mut self, cx: &mut Cx<'_>, call: Call, request: &Request, caller: &Caller, from: &Hop, name: &ConferenceName) {
        let Some(conference) = self.conferences.get(name) else { return };
        let without_audio = self.is_without_audio(&sdp_of(request.headers.get("Content-Type"), &request.body));
        let privileged = caller.admin || caller.user.as_ref().is_some_and(|u| conference.is_creator(u));
        let admission = Admission {
            authenticated: caller.admitted,
            privileged,
            guests: conference.record.guests.unwrap_or(self.config.guests),
            locked: conference.record.locked,
            participants: if without_audio { 0 } else { conference.roster.size() },
            max: conference.max(self.config.max_participants),
            draining: self.draining,
        };
        let needs_pin = conference.record.pin.is_some() && !privileged;
        let address = address_of(from);
        if needs_pin && let Some(wait) = self.pin_wait(cx.now, address, name) {
            tracing::info!(conference = %name, %from, "too many wrong PINs");
            let (status, headers) = barred("PINs", wait);
            return cx.endpoint.reject(cx.now, call, status, headers);
        }
        let shown = self.check_shown_pin(name, request);
        let verdict = admission.decide().and(match shown {
            Some(false) if needs_pin => Err(Denied::Pin),
            _ => Ok(()),
        });
        if let Some(right) = shown
            && needs_pin
            && matches!(verdict, Ok(()) | Err(Denied::Pin))
        {
            self.count_pin(cx.now, address, name, right);
        }
        if let Err(denied) = verdict {
            tracing::info!(conference = %name, from = %caller.address.uri, why = %denied, "caller refused");
            cx.endpoint.reject(cx.now, call, denied.status(), denied.headers());
            return self.end_if_unused(cx, name);
        }
        let content_type = request.headers.get("Content-Type");
        if let Err(why) = multipart::bodies(content_type.unwrap_or_default(), &request.body) {
            cx.endpoint.reject(cx.now, call, 400, vec![warning(&why.to_string())]);
            return self.end_if_unused(cx, name);
        }
        let sdp = sdp_of(content_type, &request.body);
        if sdp.is_empty() && !request.body.is_empty() && !is_join_only(content_type, &request.body) {
            let accept = vec![("Accept".to_owned(), "application/sdp, multipart/mixed".to_owned())];
            cx.endpoint.reject(cx.now, call, 415, accept);
            return self.end_if_unused(cx, name);
        }
        if without_audio && needs_pin && shown.is_none() {
            // There is nothing to type it on.
            cx.endpoint.reject(cx.now, call, 403, vec![warning("the conference asks for its PIN")]);
            return self.end_if_unused(cx, name);
        }
        let pin = (needs_pin && shown.is_none()).then_some(PinEntry { wrong: 0, from: address });
        let Some(id) = self.enter(name, call, caller, request, from, sdp, pin) else { return };
        self.uses.insert(call, Use::Participant(name.clone(), id));
        if without_audio {
            if let Some(entry) = self.conferences.get_mut(name).and_then(|c| c.roster.get_mut(id)) {
                entry.audio = false;
            }
            return self.answer_without_audio(cx, name, id);
        }
        match self.ensure_mix(cx, name) {
            MixReady::Yes => self.start_leg(cx, name, id),
            MixReady::Soon => {}
            MixReady::No => self.fail(cx, name, id, 503, &Reason::sip(503, "no media server")),
        }
    }

    fn enter(
        &mut self,
        name: &ConferenceName,
        call: Call,
        caller: &Caller,
        request: &Request,
        from: &Hop,
        sdp: Bytes,
        pin: Option<PinEntry>,
    ) -> Option<ParticipantId> {
        let conference = self.conferences.get_mut(name)?;
        let id = conference.roster.next_id();
        let (who, role) = match &caller.user {
            Some(user) => (Who::User(user.clone()), Role::Member),
            None => (Who::Guest(conference.roster.next_guest()), Role::Guest),
        };
        tracing::info!(conference = %name, participant = %id, uri = %caller.address.uri, %from, "dials in");
        conference.roster.insert(Entry {
            id,
            who,
            display: caller.address.display.clone(),
            // One account has one address, by whichever of our names it called.
            uri: caller.user.as_ref().map_or_else(|| caller.address.uri.clone(), |user| self.config.uri(user.as_str())),
            endpoint: request.contacts().next().map(|c| c.uri),
            role,
            state: CallState::DialingIn,
            joining: Joining::DialedIn,
            audio: true,
            joined: None,
            muted: false,
            deaf: false,
            gain_in_db: 0,
            gain_out_db: 0,
            talking: false,
            codec: None,
            agent: request.headers.get("User-Agent").map(str::to_owned),
        });
        let offerless = sdp.is_empty();
        let member = Member {
            call,
            leg: None,
            leg_call_id: None,
            stage: Stage::AwaitingMix,
            sdp,
            answer: Bytes::new(),
            offerless,
            changing: None,
            session: None,
            seated: false,
            waits: pin.is_some(),
            pin,
            job: None,
            later: Vec::new(),
            others: std::collections::VecDeque::new(),
        };
        conference.members.insert(id, member);
        Some(id)
    }

    /// S302: the caller's offer goes to the media server, or its request for one.
    pub(super) fn start_leg(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId) {
        let Some(member) = self.conferences.get_mut(name).and_then(|c| c.members.get_mut(&id)) else { return };
        member.stage = Stage::InvitingLeg;
        let sdp = member.sdp.clone();
        if !self.invite_leg(cx, name, id, &sdp) {
            self.fail(cx, name, id, 503, &Reason::sip(503, "no media server"));
        }
    }

    /// S303–S305: the media server's answer goes to the caller.
    pub(super) fn on_leg_accepted(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId, leg: Call, response: &Response) {
        let Some(call) = self.conferences.get(name).and_then(|c| c.members.get(&id)).map(|m| m.call) else { return };
        let contact = self.contact(cx, name, call);
        let Some(conference) = self.conferences.get_mut(name) else { return };
        let (Some(member), Some(entry)) = (conference.members.get_mut(&id), conference.roster.get_mut(id)) else { return };
        let sdp = sdp_of(response.headers.get("Content-Type"), &response.body);
        let usable = Description::parse(&sdp).is_ok_and(|d| d.media.iter().any(|m| m.port != 0));
        if !usable && matches!(member.stage, Stage::InvitingLeg | Stage::Bridging) {
            return self.fail(cx, name, id, 503, &Reason::sip(503, "media server answered without media"));
        }
        entry.codec = codec_of(&sdp).or(entry.codec.take());
        if let Some(result) = mscml_of(response) {
            self.on_mscml_response(cx, name, &result);
        }
        let Some(member) = self.conferences.get_mut(name).and_then(|c| c.members.get_mut(&id)) else { return };
        match member.stage {
            Stage::InvitingLeg => {
                if !member.offerless {
                    cx.endpoint.ack(cx.now, leg, None); // S304; without an offer it waits for the caller's answer
                }
                member.answer = sdp.clone();
                member.stage = Stage::Answering;
                let mut headers = focus_headers(contact);
                // Answered is not yet in: a terminal that knows the word says so (docs/protocols/conference.md, Admission).
                headers.extend(member.pin.is_some().then(|| (ADMISSION.to_owned(), AdmissionState::Pin.to_string())));
                cx.endpoint.accept(cx.now, call, Some(Body::sdp(sdp)), headers);
            }
            Stage::Bridging => {
                member.answer = sdp.clone();
                cx.endpoint.ack(cx.now, leg, None);
                cx.endpoint.ack(cx.now, call, Some(Body::sdp(sdp)));
                self.join(cx, name, id);
            }
            _ => self.on_change_accepted(cx, name, id, leg, &sdp),
        }
    }

    /// S306: the caller's ACK. It may carry the answer to the media server's offer.
    pub(super) fn on_acked(&mut self, cx: &mut Cx<'_>, call: Call, request: &Request) -> bool {
        let Some(Use::Participant(name, id)) = self.uses.get(&call).cloned() else { return self.uses.contains_key(&call) };
        let Some(conference) = self.conferences.get_mut(&name) else { return true };
        let audio = conference.roster.get(id).is_none_or(|e| e.audio);
        let Some(member) = conference.members.get_mut(&id) else { return true };
        if !audio {
            self.on_acked_without_audio(cx, &name, id, request);
            return true;
        }
        if member.offerless
            && let Some(leg) = member.leg
        {
            let whole = sdp_of(request.headers.get("Content-Type"), &request.body);
            let sdp = if member.session.is_some() { cut(whole.clone(), lines_of(&member.answer).len()) } else { whole.clone() };
            member.offerless = false;
            if sdp.is_empty() {
                // Neither offer nor answer: there is no session to mix (RFC 3261 §13.2.1).
                self.fail(cx, &name, id, 488, &Reason::sip(488, "no session description in the ACK"));
                return true;
            }
            member.sdp = sdp.clone();
            cx.endpoint.ack(cx.now, leg, Some(Body::sdp(sdp.clone())));
            cx.endpoint.set_session(leg, Some(Body::sdp(sdp)));
            self.note_hold(cx, &name, id);
            self.on_offer_answered(cx, &name, id, &whole);
        }
        let Some(member) = self.conferences.get(&name).and_then(|c| c.members.get(&id)) else { return true };
        match (member.stage, &member.pin) {
            (Stage::Answering, Some(_)) => self.collect_pin(cx, &name, id),
            (Stage::Answering, None) => self.join(cx, &name, id),
            _ => {}
        }
        true
    }

    /// The media server refused the leg: the caller gets a status that says so, and the media server's own words.
    pub(super) fn on_leg_rejected(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId, response: &Response) {
        let status = match response.status {
            status @ (400 | 413 | 415 | 486 | 488) => status,
            _ => 503,
        };
        if is_silence(response)
            && let Some(Mix::Up { server, .. }) = self.conferences.get(name).map(|c| c.mix)
        {
            self.server_away(cx.now, server);
        }
        tracing::warn!(conference = %name, participant = %id, status = response.status, "media server refused the leg");
        let silent = if is_silence(response) { "media server does not answer" } else { "media server refused the leg" };
        let why = warned(&response.headers).unwrap_or_else(|| silent.to_owned());
        self.fail(cx, name, id, status, &Reason::sip(status, &why));
    }

    /// Our Contact in a conference's dialogs: its URI at the address that this transport is reached by, `isfocus` (RFC 4579
    /// §3.1).
    pub(super) fn contact(&self, cx: &Cx<'_>, name: &ConferenceName, call: Call) -> String {
        let transport = cx.endpoint.call_peer(call).map_or(self.config.outbound, |peer| peer.hop.transport);
        cx.endpoint.contact(Some(name.as_str()), transport).with_param("isfocus", None).to_string()
    }
}

pub(super) fn focus_headers(contact: String) -> Vec<(String, String)> {
    vec![("Contact".to_owned(), contact), ("Allow-Events".to_owned(), "conference".to_owned())]
}

pub(super) fn retry_after() -> Vec<(String, String)> {
    vec![("Retry-After".to_owned(), "30".to_owned())]
}

/// A body that shows a PIN and nothing else: the offer is to come from us.
fn is_join_only(content_type: Option<&str>, body: &Bytes) -> bool {
    multipart::bodies(content_type.unwrap_or_default(), body)
        .is_ok_and(|parts| !parts.is_empty() && parts.iter().all(|p| p.media_type() == control::CONTENT_TYPE))
}

/// The codec that an answer names first.
fn codec_of(sdp: &[u8]) -> Option<String> {
    let description = Description::parse(sdp).ok()?;
    let (_, audio) = description.first("audio")?;
    let format = audio.formats.first()?;
    match format.as_str() {
        "0" => Some("PCMU".to_owned()),
        "8" => Some("PCMA".to_owned()),
        other => audio.attributes_named("rtpmap").find_map(|map| {
            let (number, name) = map.split_once(' ')?;
            (number == other).then(|| name.split('/').next().unwrap_or(name).to_owned())
        }),
    }
}
