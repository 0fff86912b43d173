//! Somebody leaves, is put out or fails; a conference becomes empty or ends.

use super::{
    Cx, Focus, Timer, Use,
    conference::{Mix, MscmlAsked, Stage},
    dial_in::retry_after,
    dial_out::meaning,
};
use crate::{
    conference::{
        roster::{CallState, Entry, Role},
        wire::{
            conference_info::DisconnectionMethod,
            control::{ErrorCode, Failure},
        },
    },
    id::{ConferenceName, ParticipantId},
    sdp::{Description, Origin},
    sip::{
        endpoint::{Call, Ending, Reason, warning},
        message::Response,
    },
};

impl Focus {
    /// The endpoint says that a call is over.
    pub(super) fn on_ended(&mut self, cx: &mut Cx<'_>, call: Call, why: &Ending) -> bool {
        let Some(usage) = self.uses.remove(&call) else { return false };
        match usage {
            Use::Participant(name, id) => {
                let (method, reason) = match why {
                    Ending::ByeReceived { .. } | Ending::ByeSent | Ending::ByeUnanswered | Ending::Cancelled => {
                        (DisconnectionMethod::Departed, None)
                    }
                    Ending::Rejected { status: 486 | 600 } => (DisconnectionMethod::Busy, Some(Reason::sip(486, "busy"))),
                    Ending::Rejected { status } | Ending::Refused { status } | Ending::Gone { status } => {
                        (DisconnectionMethod::Failed, Some(Reason::sip(*status, "call failed")))
                    }
                    Ending::AckMissing => (DisconnectionMethod::Failed, Some(Reason::sip(408, "no ACK"))),
                    Ending::Expired => (DisconnectionMethod::Failed, Some(Reason::sip(408, "session expired"))),
                };
                self.remove(cx, &name, id, method, reason.as_ref());
            }
            Use::Leg(name, id) => {
                // Ours to end while the participant is in: the media server gave the leg up.
                if self.conferences.get(&name).and_then(|c| c.members.get(&id)).is_some_and(|m| m.leg == Some(call)) {
                    self.fail(cx, &name, id, 503, &Reason::sip(503, "media server ended the leg"));
                }
            }
            Use::ControlLeg(name) => {
                let lost = self.conferences.get_mut(&name).is_some_and(|c| {
                    let ours = c.mix.control().is_some_and(|(at, _)| at == call);
                    if ours {
                        c.mix = Mix::Down;
                    }
                    ours
                });
                if lost {
                    tracing::warn!(conference = %name, ?why, "media server ended the mix");
                    self.lose_mix(cx, &name, &Reason::sip(503, "media server ended the mix"));
                }
            }
            Use::Control => self.on_control_ended(call),
        }
        true
    }

    /// A call of ours was refused.
    pub(super) fn on_rejected(&mut self, cx: &mut Cx<'_>, call: Call, response: &Response) -> bool {
        match self.uses.get(&call).cloned() {
            Some(Use::Participant(name, id)) => self.on_callee_refused(cx, &name, id, call, response),
            Some(Use::Leg(name, id)) => self.on_leg_rejected(cx, &name, id, response),
            Some(Use::ControlLeg(name)) => self.on_control_leg_rejected(cx, &name, response),
            Some(Use::Control) => {}
            None => return false,
        }
        true
    }

    /// Somebody cannot come in, or cannot stay: its call is answered or ended as its state wants.
    pub(super) fn fail(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId, status: u16, reason: &Reason) {
        let Some(member) = self.conferences.get(name).and_then(|c| c.members.get(&id)) else { return };
        let call = member.call;
        match member.stage {
            Stage::AwaitingMix | Stage::InvitingLeg => {
                let mut headers: Vec<_> = reason.text.as_deref().map(warning).into_iter().collect();
                if status == 503 {
                    headers.extend(retry_after());
                }
                cx.endpoint.reject(cx.now, call, status, headers);
            }
            Stage::AnsweredAwaitingMix | Stage::Bridging => {
                // The call is answered and not acknowledged: all lines at port 0, then BYE.
                let refused = refuse_all(&member.sdp);
                cx.endpoint.ack(cx.now, call, refused);
                cx.endpoint.bye(cx.now, call, Some(reason.clone()), Vec::new());
            }
            Stage::Answering | Stage::EnteringPin | Stage::Joining | Stage::In | Stage::Calling => {
                cx.endpoint.bye(cx.now, call, Some(reason.clone()), Vec::new());
            }
        }
        self.remove(cx, name, id, DisconnectionMethod::Failed, Some(reason));
    }

    /// Puts somebody out.
    pub(super) fn put_out(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId, reason: &Reason) {
        let Some(member) = self.conferences.get(name).and_then(|c| c.members.get(&id)) else { return };
        let call = member.call;
        if matches!(member.stage, Stage::AnsweredAwaitingMix | Stage::Bridging) {
            let refused = refuse_all(&member.sdp);
            cx.endpoint.ack(cx.now, call, refused);
        }
        cx.endpoint.bye(cx.now, call, Some(reason.clone()), Vec::new());
        self.remove(cx, name, id, DisconnectionMethod::Booted, Some(reason));
    }

    /// Strikes somebody off, ends its leg, tells those who wait for it and those who watch. Its own call is the caller's
    /// concern.
    pub(super) fn remove(
        &mut self,
        cx: &mut Cx<'_>,
        name: &ConferenceName,
        id: ParticipantId,
        how: DisconnectionMethod,
        reason: Option<&Reason>,
    ) {
        let Some(conference) = self.conferences.get_mut(name) else { return };
        let Some(member) = conference.members.remove(&id) else { return };
        let entry = conference.roster.remove(id);
        self.uses.remove(&member.call);
        self.timers.cancel(&Timer::Ringing(name.clone(), id));
        if let Some(leg) = member.leg {
            self.uses.remove(&leg);
            if member.offerless {
                // The media server's offer was never answered.
                cx.endpoint.ack(cx.now, leg, refuse_all(&member.answer));
            }
            cx.endpoint.bye(cx.now, leg, None, Vec::new());
        }
        self.forget_asked(cx, name, id);
        for (change, job) in member.later {
            self.on_changed(cx, name, id, change, job, Err("the participant left".to_owned()));
        }
        self.leave_companion(cx, name, id, how == DisconnectionMethod::Failed);
        if let Some((job, at)) = member.job {
            let text = reason.and_then(|r| r.text.clone()).unwrap_or_else(|| "hung up".to_owned());
            let code = reason.and_then(|r| r.cause).map_or(ErrorCode::Declined, meaning);
            self.job_invited(cx, job, at, Err(Failure { code, text, candidates: Vec::new() }));
        }
        if let Some(mut entry) = entry {
            tracing::info!(conference = %name, participant = %id, ?how, "left");
            // Who never came in was not announced either, unless the conference called it.
            if entry.joined.is_some() || entry.joining == crate::conference::roster::Joining::DialedOut {
                entry.state = CallState::Disconnected;
                self.publish_gone(cx, name, &entry, how, reason);
            }
            if entry.role == Role::Chair {
                self.on_chair_left(cx, name);
            }
            if entry.audio {
                self.end_without_audio(cx, name);
            }
        }
        self.end_if_empty(cx, name);
    }

    /// What the media server was asked for somebody who is gone has no use any more; whoever waits for it is told.
    fn forget_asked(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, gone: ParticipantId) {
        let Some(conference) = self.conferences.get_mut(name) else { return };
        let of = |asked: &MscmlAsked| match asked {
            MscmlAsked::Open => false,
            MscmlAsked::Park(id) | MscmlAsked::Join(id) | MscmlAsked::Pin(id) | MscmlAsked::Change { id, .. } => *id == gone,
        };
        let ids: Vec<String> = conference.asked.iter().filter(|(_, a)| of(a)).map(|(id, _)| id.clone()).collect();
        for id in ids {
            let asked = self.conferences.get_mut(name).and_then(|c| c.asked.remove(&id));
            self.timers.cancel(&Timer::Mscml(name.clone(), id));
            if let Some(MscmlAsked::Change { id, change, job }) = asked {
                self.on_changed(cx, name, id, change, job, Err("the participant left".to_owned()));
            }
        }
    }

    /// The chair left: the conference ends if it is so defined; else the role waits for the creator's return.
    fn on_chair_left(&mut self, cx: &mut Cx<'_>, name: &ConferenceName) {
        if self.conferences.get(name).is_some_and(|c| c.record.ends_with_chair) {
            self.empty(cx, name, &Reason::sip(200, "the chair left"));
        } else {
            let changed = self.choose_chair(name);
            self.publish_users(cx, name, &changed);
        }
    }

    /// The chair is whoever was given the role, while there; else the creator whenever present; in a conference born of a
    /// dial-in else the first authenticated participant (00-system: guests and accounts). Returns whose role is another now.
    pub(super) fn choose_chair(&mut self, name: &ConferenceName) -> Vec<ParticipantId> {
        let Some(conference) = self.conferences.get_mut(name) else { return Vec::new() };
        let present = |id: &ParticipantId| conference.roster.get(*id).is_some_and(Entry::present);
        if conference.given_chair.as_ref().is_some_and(present) {
            return Vec::new();
        }
        let chair = conference.roster.iter().find(|e| e.role == Role::Chair).map(|e| e.id);
        let accounts = || conference.roster.iter().filter(|e| e.present() && e.user().is_some());
        let creator = accounts().find(|e| e.user() == conference.record.creator.as_ref()).map(|e| e.id);
        let first = accounts().next().map(|e| e.id).filter(|_| !conference.stored);
        let Some(chosen) = creator.or(chair).or(first).filter(|chosen| Some(*chosen) != chair) else { return Vec::new() };
        let mut changed = Vec::new();
        for (id, is_chair) in chair.map(|id| (id, false)).into_iter().chain([(chosen, true)]) {
            if let Some(entry) = conference.roster.get_mut(id) {
                entry.role = if is_chair { Role::Chair } else { entry.plain_role() };
                changed.push(id);
            }
        }
        changed
    }

    /// Sends everybody home; the definition stays unless it ends with its last participant.
    pub(super) fn empty(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, reason: &Reason) {
        self.send_home(cx, name, reason, |_| true);
    }

    /// Sends those home who have come so far.
    pub(super) fn send_home(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, reason: &Reason, whom: impl Fn(Stage) -> bool) {
        let Some(conference) = self.conferences.get(name) else { return };
        let ids: Vec<(ParticipantId, Stage)> =
            conference.members.iter().map(|(id, m)| (*id, m.stage)).filter(|(_, stage)| whom(*stage)).collect();
        for (id, stage) in ids {
            if matches!(stage, Stage::AwaitingMix | Stage::InvitingLeg) {
                self.fail(cx, name, id, reason.cause.filter(|c| *c >= 300).unwrap_or(480), reason);
            } else {
                self.put_out(cx, name, id, reason);
            }
        }
    }

    /// The last participant with audio may have left: dialogs without it keep no conference alive that ends when it is empty.
    fn end_without_audio(&mut self, cx: &mut Cx<'_>, name: &ConferenceName) {
        let Some(conference) = self.conferences.get(name) else { return };
        if conference.roster.size() > 0 || conference.members.is_empty() {
            return;
        }
        if conference.record.ends_when_empty && !conference.saving {
            self.empty(cx, name, &Reason::sip(200, "the conference is over"));
        } else {
            self.close_mix(cx, name, None);
        }
    }

    /// Closes the mix of a conference without participants, and ends the conference if it lives no longer than they do.
    pub(super) fn end_if_empty(&mut self, cx: &mut Cx<'_>, name: &ConferenceName) {
        if self.conferences.get(name).is_none_or(|c| !c.members.is_empty()) {
            return;
        }
        self.close_mix(cx, name, None);
        let Some(conference) = self.conferences.get(name) else { return };
        if conference.record.ends_when_empty && !conference.saving {
            if conference.stored {
                self.delete_stored(name);
            }
            self.forget(cx, name);
        }
    }

    /// A caller was refused: a conference that its call has made goes with it.
    pub(super) fn end_if_unused(&mut self, cx: &mut Cx<'_>, name: &ConferenceName) {
        if self.conferences.get(name).is_some_and(|c| !c.stored) {
            self.end_if_empty(cx, name);
        }
    }

    /// Ends a conference for good: everybody gets BYE, watchers their last NOTIFY. The store is the caller's concern.
    pub(super) fn end(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, reason: &Reason) {
        if let Some(conference) = self.conferences.get_mut(name) {
            conference.saving = true; // keeps `end_if_empty` from ending it a second time
        }
        self.empty(cx, name, reason);
        self.forget(cx, name);
    }

    fn forget(&mut self, cx: &mut Cx<'_>, name: &ConferenceName) {
        self.close_mix(cx, name, None);
        self.end_watches(cx, name);
        self.timers.cancel(&Timer::Lifetime(name.clone()));
        if let Some(conference) = self.conferences.remove(name) {
            self.end_companion(cx, name);
            tracing::info!(conference = %name, "ended");
            for id in conference.asked.into_keys() {
                self.timers.cancel(&Timer::Mscml(name.clone(), id));
            }
        }
    }
}

/// The answer to a session description that takes none of its lines (RFC 3264 §6): each in its place, with port 0.
pub(super) fn refuse_all(offer: &[u8]) -> Option<crate::sip::endpoint::Body> {
    let mut description = Description::parse(offer).ok()?;
    // The session that this describes is ours.
    description.origin = Origin { user: "-".to_owned(), session_id: "1".to_owned(), version: 1, address: description.origin.address };
    for media in &mut description.media {
        *media = media.refused();
    }
    Some(crate::sip::endpoint::Body::sdp(description.to_text()))
}
