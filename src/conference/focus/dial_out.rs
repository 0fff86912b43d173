//! S309–S313: the conference calls somebody, without an offer; the answer brings one, which goes to the media server.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{
    Cx, Focus, JobId, Timer, Use,
    conference::{Member, Mix, Stage},
    dial_in::focus_headers,
    mix::{MixReady, sdp_of},
};
use crate::{
    conference::{
        roster::{CallState, Entry, Joining, Role, Who},
        wire::{
            conference_info::DisconnectionMethod,
            control::{ErrorCode, Failure},
        },
    },
    id::{ConferenceName, ParticipantId, UserName},
    sip::{
        Hop,
        endpoint::{Call, Credentials, Invite, Reason},
        message::{NameAddr, Response, Uri},
    },
};

/// Somebody to call.
#[derive(Debug, Clone)]
pub struct Callee {
    /// The address of record, or the URI that was given.
    pub uri: Uri,
    /// The account, when it is one of ours.
    pub user: Option<UserName>,
    /// Where to try, one after the other: Request-URI and next hop.
    pub contacts: VecDeque<(Uri, Hop)>,
    /// What we prove to be when the first of them asks: a gateway does.
    pub credentials: Option<Credentials>,
}

impl Focus {
    /// S309. What comes of it is reported to `job` at place `at`.
    pub(super) fn dial_out(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, mut callee: Callee, job: JobId, at: usize) {
        let refused = |code, text: &str| Err(Failure { code, text: text.to_owned(), candidates: Vec::new() });
        let max = self.config.max_participants;
        let draining = self.draining;
        let no_media = self.choose_server(cx.now).is_none();
        let Some(conference) = self.conferences.get_mut(name) else {
            return self.job_invited(cx, job, at, refused(ErrorCode::NotFound, "no such conference"));
        };
        if draining {
            return self.job_invited(cx, job, at, refused(ErrorCode::Unreachable, "the server is stopping"));
        }
        if no_media && matches!(conference.mix, Mix::Down) {
            // Nobody is rung up for a conference that cannot be heard.
            return self.job_invited(cx, job, at, refused(ErrorCode::Unreachable, "no media server"));
        }
        if u32::try_from(conference.roster.size()).is_ok_and(|there| there >= conference.max(max)) {
            return self.job_invited(cx, job, at, refused(ErrorCode::Conflict, "the conference is full"));
        }
        let Some((uri, hop)) = callee.contacts.pop_front() else {
            return self.job_invited(cx, job, at, refused(ErrorCode::NotFound, "the user is not registered anywhere"));
        };
        let id = conference.roster.next_id();
        let (who, role) = match &callee.user {
            Some(user) => (Who::User(user.clone()), Role::Member),
            None => (Who::Guest(conference.roster.next_guest()), Role::Guest),
        };
        let entry = Entry {
            id,
            who,
            display: None,
            uri: callee.uri.clone(),
            endpoint: Some(uri.clone()),
            role,
            state: CallState::DialingOut,
            joining: Joining::DialedOut,
            audio: true,
            joined: None,
            muted: false,
            deaf: false,
            gain_in_db: 0,
            gain_out_db: 0,
            talking: false,
            codec: None,
            agent: None,
        };
        let Some(call) = self.call_out(cx, name, &callee.uri, (uri, hop), callee.credentials) else {
            return self.job_invited(cx, job, at, refused(ErrorCode::Failed, "the server is at its limit of calls"));
        };
        self.uses.insert(call, Use::Participant(name.clone(), id));
        self.timers.set_after(Timer::Ringing(name.clone(), id), cx.now, self.config.ringing);
        if let Some(conference) = self.conferences.get_mut(name) {
            conference.roster.insert(entry);
            let member = Member {
                call,
                leg: None,
                leg_call_id: None,
                stage: Stage::Calling,
                sdp: Bytes::new(),
                answer: Bytes::new(),
                offerless: false,
                changing: None,
                session: None,
                seated: false,
                pin: None,
                waits: false,
                job: Some((job, at)),
                later: Vec::new(),
                others: callee.contacts,
            };
            conference.members.insert(id, member);
        }
        self.publish_user(cx, name, id);
    }

    fn call_out(
        &mut self,
        cx: &mut Cx<'_>,
        name: &ConferenceName,
        to: &Uri,
        (uri, hop): (Uri, Hop),
        credentials: Option<Credentials>,
    ) -> Option<Call> {
        let conference = self.conferences.get(name)?;
        let title = Some(conference.record.title.as_str()).filter(|t| !t.is_empty()).unwrap_or(name.as_str());
        let contact = cx.endpoint.contact(Some(name.as_str()), hop.transport).with_param("isfocus", None);
        let invite = Invite {
            uri,
            to: NameAddr::new(to.clone()),
            from: NameAddr::new(self.config.uri(name.as_str())).named(title),
            contact,
            hop,
            route: Vec::new(),
            headers: focus_headers(String::new()).into_iter().filter(|(n, _)| n != "Contact").collect(),
            body: None,
            credentials,
        };
        cx.endpoint.invite(cx.now, invite).ok()
    }

    /// 101 to 199.
    pub(super) fn on_progress(&mut self, cx: &mut Cx<'_>, call: Call, status: u16) -> bool {
        let Some(usage) = self.uses.get(&call).cloned() else { return false };
        if let Use::Participant(name, id) = usage
            && status == 180
            && let Some(entry) = self.conferences.get_mut(&name).and_then(|c| c.roster.get_mut(id))
            && entry.state == CallState::DialingOut
        {
            entry.state = CallState::Alerting;
            self.publish_user(cx, &name, id);
        }
        true
    }

    /// S310: the callee answered with an offer.
    pub(super) fn on_callee_accepted(
        &mut self,
        cx: &mut Cx<'_>,
        name: &ConferenceName,
        id: ParticipantId,
        call: Call,
        response: &Response,
    ) {
        self.timers.cancel(&Timer::Ringing(name.clone(), id));
        let sdp = sdp_of(response.headers.get("Content-Type"), &response.body);
        let Some(conference) = self.conferences.get_mut(name) else {
            return cx.endpoint.bye(cx.now, call, None, Vec::new());
        };
        let (Some(member), Some(entry)) = (conference.members.get_mut(&id), conference.roster.get_mut(id)) else { return };
        if member.stage != Stage::Calling {
            // A re-INVITE of ours: a refresh, or an offer of lines.
            cx.endpoint.ack(cx.now, call, None);
            return self.on_offer_answered(cx, name, id, &sdp);
        }
        entry.agent = response.headers.get("User-Agent").or_else(|| response.headers.get("Server")).map(str::to_owned);
        if let Some(contact) = response.contacts().next() {
            entry.endpoint = Some(contact.uri);
        }
        member.sdp = sdp;
        member.stage = Stage::AnsweredAwaitingMix;
        if member.sdp.is_empty() {
            return self.fail(cx, name, id, 488, &Reason::sip(488, "no usable session description in the answer"));
        }
        match self.ensure_mix(cx, name) {
            MixReady::Yes => self.bridge(cx, name, id),
            MixReady::Soon => {}
            MixReady::No => self.fail(cx, name, id, 503, &Reason::sip(503, "no media server")),
        }
    }

    /// S311: the callee's offer goes to the media server.
    pub(super) fn bridge(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId) {
        let Some(conference) = self.conferences.get_mut(name) else { return };
        debug_assert!(matches!(conference.mix, Mix::Up { .. }), "a leg needs its mix");
        let Some(member) = conference.members.get_mut(&id) else { return };
        member.stage = Stage::Bridging;
        let sdp = member.sdp.clone();
        if !self.invite_leg(cx, name, id, &sdp) {
            self.fail(cx, name, id, 503, &Reason::sip(503, "no media server"));
        }
    }

    /// The callee refused, or was not reached: its next contact, else the end of it.
    pub(super) fn on_callee_refused(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId, call: Call, response: &Response) {
        let status = response.status;
        let Some(conference) = self.conferences.get_mut(name) else { return };
        let (Some(member), Some(entry)) = (conference.members.get_mut(&id), conference.roster.get_mut(id)) else { return };
        // A 6xx speaks for the user wherever it is (RFC 3261 §21.6).
        let next = if status < 600 { member.others.pop_front() } else { None };
        if let Some((uri, hop)) = next {
            let to = entry.uri.clone();
            entry.state = CallState::DialingOut;
            entry.endpoint = Some(uri.clone());
            self.uses.remove(&call);
            if let Some(again) = self.call_out(cx, name, &to, (uri, hop), None) {
                self.uses.insert(again, Use::Participant(name.clone(), id));
                if let Some(member) = self.conferences.get_mut(name).and_then(|c| c.members.get_mut(&id)) {
                    member.call = again;
                }
                return self.publish_user(cx, name, id);
            }
        }
        let job = self.conferences.get_mut(name).and_then(|c| c.members.get_mut(&id)).and_then(|m| m.job.take());
        if let Some((job, at)) = job {
            self.job_invited(cx, job, at, Err(refusal(response)));
        }
        let how = if matches!(status, 486 | 600) { DisconnectionMethod::Busy } else { DisconnectionMethod::Failed };
        let silence = response.unheard.as_ref().map(ToString::to_string);
        let reason = Reason::sip(status, silence.as_deref().unwrap_or_else(|| crate::sip::message::reason_phrase(status)));
        self.remove(cx, name, id, how, Some(&reason));
    }

    /// It has rung long enough.
    pub(super) fn on_ringing_timeout(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId) {
        let Some(member) = self.conferences.get_mut(name).and_then(|c| c.members.get_mut(&id)) else { return };
        if member.stage != Stage::Calling {
            return;
        }
        let (call, job) = (member.call, member.job.take());
        cx.endpoint.cancel(cx.now, call, Some(Reason::sip(408, "no answer")));
        if let Some((job, at)) = job {
            let failure = Failure { code: ErrorCode::Unreachable, text: "no answer".to_owned(), candidates: Vec::new() };
            self.job_invited(cx, job, at, Err(failure));
        }
        self.remove(cx, name, id, DisconnectionMethod::Failed, Some(&Reason::sip(408, "no answer")));
    }
}

/// What a refusal, or silence, means to whoever had the callee invited.
fn refusal(response: &Response) -> Failure {
    let status = response.status;
    let text = match &response.unheard {
        Some(why) => why.to_string(),
        None => format!("{status} {}", crate::sip::message::reason_phrase(status)),
    };
    Failure { code: meaning(status), text, candidates: Vec::new() }
}

/// A SIP status in the words of the control interface.
pub(super) fn meaning(status: u16) -> ErrorCode {
    match status {
        404 | 410 | 484 | 604 => ErrorCode::NotFound,
        408 | 480 | 500..=599 => ErrorCode::Unreachable,
        401 | 407 => ErrorCode::Forbidden,
        400 | 413 | 415 | 488 | 606 => ErrorCode::Failed,
        _ => ErrorCode::Declined,
    }
}
