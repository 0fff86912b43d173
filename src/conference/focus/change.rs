//! Re-INVITEs of participants, passed through to their legs: hold, new addresses, session refreshes (RFC 3264 §8).

use super::{
    Cx, Focus, Use,
    conference::{Stage, Undo},
    dial_in::focus_headers,
    mix::sdp_of,
};
use crate::{
    conference::roster::CallState,
    id::{ConferenceName, ParticipantId},
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
        let Some(member) = self.conferences.get_mut(name).and_then(|c| c.members.get_mut(&id)) else {
            return cx.endpoint.reject(cx.now, call, 481, Vec::new());
        };
        let ready =
            matches!(member.stage, Stage::In | Stage::Joining | Stage::EnteringPin) && !member.changing && member.undo == Undo::Nothing;
        let Some(leg) = member.leg.filter(|_| ready) else {
            return cx.endpoint.reject(cx.now, call, 500, vec![("Retry-After".to_owned(), "2".to_owned())]);
        };
        let sdp = sdp_of(request.headers.get("Content-Type"), &request.body);
        if sdp.is_empty() && !request.body.is_empty() {
            return cx.endpoint.reject(cx.now, call, 415, vec![("Accept".to_owned(), "application/sdp".to_owned())]);
        }
        member.offerless = sdp.is_empty();
        let body = (!sdp.is_empty()).then(|| Body::sdp(sdp.clone()));
        if cx.endpoint.reinvite(cx.now, leg, body).is_err() {
            return cx.endpoint.reject(cx.now, call, 500, vec![("Retry-After".to_owned(), "2".to_owned())]);
        }
        member.changing = true;
        member.offered = (!sdp.is_empty()).then_some(sdp);
    }

    /// The media server took the change: its answer, or its offer, goes to the participant.
    pub(super) fn on_change_accepted(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId, leg: Call, sdp: &bytes::Bytes) {
        let Some(conference) = self.conferences.get_mut(name) else { return };
        let Some(member) = conference.members.get_mut(&id) else { return };
        if !member.changing {
            // The participant took its re-INVITE back while it was under way: what stands is what both knew before, which the
            // media server has to hear again.
            let before = Body::sdp(member.sdp.clone());
            let offered = std::mem::take(&mut member.offerless);
            cx.endpoint.ack(cx.now, leg, offered.then(|| before.clone()));
            member.undo = match member.undo {
                Undo::Awaited if !offered && cx.endpoint.reinvite(cx.now, leg, Some(before)).is_ok() => Undo::Offered,
                _ => Undo::Nothing,
            };
            return;
        }
        if let Some(offered) = member.offered.take() {
            cx.endpoint.set_session(leg, Some(Body::sdp(offered.clone())));
            member.sdp = offered;
        }
        if !member.offerless {
            cx.endpoint.ack(cx.now, leg, None);
        }
        member.changing = false;
        let (call, held) = (member.call, crate::sdp::Description::parse(&member.sdp).is_ok_and(|d| d.is_held()));
        let contact = self.contact(cx, name, call);
        cx.endpoint.accept(cx.now, call, Some(Body::sdp(sdp.clone())), focus_headers(contact));
        let state = if held { CallState::OnHold } else { CallState::Connected };
        let entry = self.conferences.get_mut(name).and_then(|c| c.roster.get_mut(id));
        if let Some(entry) = entry.filter(|e| e.present() && e.state != state) {
            entry.state = state;
            self.publish_user(cx, name, id);
        }
    }

    /// The media server refused the change: so do we, and the call goes on as it was.
    pub(super) fn on_reinvite_rejected(&mut self, cx: &mut Cx<'_>, call: Call, status: u16) -> bool {
        let Some(usage) = self.uses.get(&call).cloned() else { return false };
        if let Use::Leg(name, id) = usage
            && let Some(member) = self.conferences.get_mut(&name).and_then(|c| c.members.get_mut(&id))
        {
            member.offerless = false;
            member.offered = None;
            member.undo = Undo::Nothing;
            if std::mem::take(&mut member.changing) {
                let call = member.call;
                cx.endpoint.reject(cx.now, call, if status == 488 { 488 } else { 500 }, Vec::new());
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
            let changing = std::mem::take(&mut member.changing);
            member.offered = None;
            // One that still waited for its turn never was; of any other, the media server has to unlearn what it offered.
            let withdrawn = member.leg.is_some_and(|leg| cx.endpoint.withdraw_reinvites(leg) > 0);
            if withdrawn {
                member.offerless = false;
            } else if changing {
                member.undo = Undo::Awaited;
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
