//! Re-INVITEs of participants, passed through to their legs: hold, new addresses, session refreshes (RFC 3264 §8).

use bytes::Bytes;

use super::{
    Cx, Focus, Use,
    conference::{Changing, Stage},
    dial_in::focus_headers,
    mix::sdp_of,
};
use crate::{
    conference::roster::CallState,
    id::{ConferenceName, ParticipantId},
    sdp::Description,
    sip::{
        endpoint::{Body, Call},
        message::{Request, Response},
    },
};

impl Focus {
    /// Somebody offers a new session.
    pub(super) fn on_reinvite(&mut self, cx: &mut Cx<'_>, call: Call, request: &Request) -> bool {
        let Some(usage) = self.uses.get(&call).cloned() else { return false };
        match usage {
            Use::Participant(name, id) => self.on_participant_reinvite(cx, call, &name, id, request),
            // The media server refreshes: the participant's session as it is known there.
            Use::Leg(name, id) => match self.conferences.get(&name).and_then(|c| c.members.get(&id)).map(|m| m.sdp.clone()) {
                Some(sdp) => cx.endpoint.accept(cx.now, call, Some(Body::sdp(sdp)), Vec::new()),
                None => cx.endpoint.reject(cx.now, call, 481, Vec::new()),
            },
            Use::ControlLeg(_) => cx.endpoint.accept(cx.now, call, None, Vec::new()),
            Use::Control => {
                let answer = super::command::control_answer(request);
                cx.endpoint.accept(cx.now, call, answer, Vec::new());
            }
        }
        true
    }

    fn on_participant_reinvite(&mut self, cx: &mut Cx<'_>, call: Call, name: &ConferenceName, id: ParticipantId, request: &Request) {
        self.give_way(cx, call, name, id);
        let Some(member) = self.conferences.get_mut(name).and_then(|c| c.members.get_mut(&id)) else {
            return cx.endpoint.reject(cx.now, call, 481, Vec::new());
        };
        let busy = vec![("Retry-After".to_owned(), "2".to_owned())];
        if !matches!(member.stage, Stage::In | Stage::Joining | Stage::EnteringPin) || member.changing.is_some() {
            return cx.endpoint.reject(cx.now, call, 500, busy);
        }
        let sdp = sdp_of(request.headers.get("Content-Type"), &request.body);
        if sdp.is_empty() && !request.body.is_empty() {
            return cx.endpoint.reject(cx.now, call, 415, vec![("Accept".to_owned(), "application/sdp".to_owned())]);
        }
        if !sdp.is_empty() && self.compose(cx, call, name, id, &sdp) {
            return;
        }
        let Some(member) = self.conferences.get_mut(name).and_then(|c| c.members.get_mut(&id)) else { return };
        let Some(leg) = member.leg else {
            return match member.session {
                Some(_) => self.offer_again(cx, call, name, id, None),
                None => cx.endpoint.reject(cx.now, call, 500, busy),
            };
        };
        let body = (!sdp.is_empty()).then(|| Body::sdp(sdp.clone()));
        if cx.endpoint.reinvite(cx.now, leg, body).is_err() {
            return cx.endpoint.reject(cx.now, call, 500, busy);
        }
        member.changing = Some(Changing::Passing(sdp));
    }

    /// The media server answered a re-INVITE on a leg: its answer, or its offer, goes to the participant.
    pub(super) fn on_change_accepted(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId, leg: Call, theirs: &Bytes) {
        let Some(member) = self.conferences.get_mut(name).and_then(|c| c.members.get_mut(&id)) else { return };
        let known = Body::sdp(member.sdp.clone());
        match member.changing.take() {
            Some(Changing::Passing(sdp)) => {
                member.offerless = sdp.is_empty();
                if !sdp.is_empty() {
                    cx.endpoint.ack(cx.now, leg, None);
                    cx.endpoint.set_session(leg, Some(Body::sdp(sdp.clone())));
                    member.sdp = sdp;
                }
                member.answer.clone_from(theirs);
                let call = member.call;
                if member.session.is_some() && member.offerless {
                    return self.offer_again(cx, call, name, id, Some(theirs));
                }
                let contact = self.contact(cx, name, call);
                cx.endpoint.accept(cx.now, call, Some(Body::sdp(theirs.clone())), focus_headers(contact));
                self.note_hold(cx, name, id);
            }
            // What stands is what both knew before: as the answer to an offer, or told once more.
            Some(Changing::TakenBack(sdp)) if sdp.is_empty() => cx.endpoint.ack(cx.now, leg, Some(known)),
            Some(Changing::TakenBack(_)) => {
                cx.endpoint.ack(cx.now, leg, None);
                if cx.endpoint.reinvite(cx.now, leg, Some(known)).is_ok() {
                    member.changing = Some(Changing::Restoring);
                }
            }
            Some(Changing::Restoring) => cx.endpoint.ack(cx.now, leg, None),
            Some(Changing::Composing(composing)) => {
                cx.endpoint.ack(cx.now, leg, None);
                cx.endpoint.set_session(leg, Some(Body::sdp(composing.sdp.clone())));
                member.sdp = composing.sdp.clone();
                member.answer.clone_from(theirs);
                member.changing = Some(Changing::Composing(composing));
                self.on_mixing_answered(cx, name, id);
            }
            Some(Changing::Telling(sdp)) => {
                cx.endpoint.ack(cx.now, leg, None);
                cx.endpoint.set_session(leg, Some(Body::sdp(sdp.clone())));
                member.sdp = sdp;
                member.answer.clone_from(theirs);
                self.note_hold(cx, name, id);
            }
            Some(offering @ Changing::Offering(_)) => {
                // A refresh of the leg, meanwhile.
                member.changing = Some(offering);
                cx.endpoint.ack(cx.now, leg, Some(known));
            }
            // A refresh of ours without an offer.
            None => cx.endpoint.ack(cx.now, leg, Some(known)),
        }
    }

    /// Notes whether somebody holds, by its last session description.
    pub(super) fn note_hold(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId) {
        let Some(conference) = self.conferences.get_mut(name) else { return };
        let (Some(member), Some(entry)) = (conference.members.get(&id), conference.roster.get_mut(id)) else { return };
        let held = Description::parse(&member.sdp).is_ok_and(|d| d.is_held());
        let state = if held { CallState::OnHold } else { CallState::Connected };
        if entry.present() && entry.state != state {
            entry.state = state;
            self.publish_user(cx, name, id);
        }
    }

    /// The media server refused a change: so do we, and the call goes on as it was.
    pub(super) fn on_reinvite_rejected(&mut self, cx: &mut Cx<'_>, call: Call, status: u16) -> bool {
        let Some(usage) = self.uses.get(&call).cloned() else { return false };
        if let Use::Participant(name, id) = &usage {
            self.on_offer_refused(cx, name, *id, status);
        }
        if let Use::Leg(name, id) = usage
            && let Some(member) = self.conferences.get_mut(&name).and_then(|c| c.members.get_mut(&id))
        {
            let call = member.call;
            let refusal = if status == 488 { 488 } else { 500 };
            match member.changing.take() {
                Some(Changing::Passing(_)) => cx.endpoint.reject(cx.now, call, refusal, Vec::new()),
                Some(Changing::Composing(_)) => {
                    cx.endpoint.reject(cx.now, call, refusal, Vec::new());
                    self.take_lines_back(cx, &name, id);
                }
                Some(offering @ Changing::Offering(_)) => member.changing = Some(offering),
                Some(Changing::Telling(_)) => {
                    tracing::warn!(conference = %name, participant = %id, status, "media server does not take the session that is");
                }
                Some(Changing::Restoring) => {
                    tracing::warn!(conference = %name, participant = %id, status, "media server does not take the session that was");
                }
                Some(Changing::TakenBack(_)) | None => {}
            }
        }
        true
    }

    /// The participant took its re-INVITE back.
    pub(super) fn on_reinvite_cancelled(&mut self, cx: &mut Cx<'_>, call: Call) -> bool {
        let Some(usage) = self.uses.get(&call).cloned() else { return false };
        if let Use::Participant(name, id) = usage
            && let Some(member) = self.conferences.get_mut(&name).and_then(|c| c.members.get_mut(&id))
        {
            let (sdp, composed) = match member.changing.take() {
                Some(Changing::Passing(sdp)) => (Some(sdp), false),
                Some(Changing::Composing(composing)) => (Some(composing.sdp).filter(|_| composing.mixing), true),
                Some(other @ (Changing::Offering(_) | Changing::Telling(_))) => {
                    member.changing = Some(other);
                    (None, false)
                }
                Some(Changing::TakenBack(_) | Changing::Restoring) | None => (None, false),
            };
            if let Some(sdp) = sdp {
                // One that only waited for its turn never happened.
                let waited = member.leg.is_some_and(|leg| cx.endpoint.withdraw_reinvites(leg) > 0);
                member.changing = (!waited).then_some(Changing::TakenBack(sdp));
            }
            if composed {
                self.take_lines_back(cx, &name, id);
            }
        }
        true
    }

    /// A 2xx to an INVITE or re-INVITE of ours.
    pub(super) fn on_accepted(&mut self, cx: &mut Cx<'_>, call: Call, response: &Response) -> bool {
        match self.uses.get(&call).cloned() {
            Some(Use::Participant(name, id)) => self.on_callee_accepted(cx, &name, id, call, response),
            Some(Use::Leg(name, id)) => self.on_leg_accepted(cx, &name, id, call, response),
            Some(Use::ControlLeg(name)) => self.on_control_leg_accepted(cx, &name, call, response),
            Some(Use::Control) => cx.endpoint.ack(cx.now, call, None),
            None => return false,
        }
        true
    }
}
