//! The called side of an INVITE (RFC 3261 §13.3): provisional and final responses, the 2xx again until its ACK.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    Body, Call, Ending, Endpoint, Event,
    call::{CallState, Said, ServerInvite, ServerState, Side, Stage},
    invite::untagged,
    screen::dress,
    send::{add_extra, add_missing},
    session_timer::{SessionTimer, seconds},
    timer::{CallTimer, Timer},
};
use crate::sip::{
    Hop,
    dialog::{Dialog, DialogId},
    message::{NameAddr, Request, Response},
    transaction::ServerKey,
};

/// How often a provisional response is repeated, so that proxies do not give up (§13.3.1.1).
const REMIND: Duration = Duration::from_secs(60);

impl Endpoint {
    /// Answers an INVITE or re-INVITE 101 to 199.
    pub fn provisional(&mut self, now: Instant, call: Call, status: u16, body: Option<Body>) {
        if !(101..200).contains(&status) {
            return;
        }
        let Some((key, mut response)) = self.response_to_invite(call.0, status) else { return };
        if let Some(body) = body {
            response = response.with_body(&body.content_type, body.bytes);
        }
        if let Some(ServerInvite { state: ServerState::Waiting { provisional, .. }, .. }) =
            self.calls.get_mut(&call.0).and_then(|state| state.server.as_mut())
        {
            *provisional = Some(response.clone());
        }
        self.layer.respond(now, &key, response);
        self.timers.set(Timer::Call(call.0, CallTimer::Remind), now + REMIND);
        self.settle(now);
    }

    /// Answers an INVITE or re-INVITE 200. A Contact in `headers` replaces the made one, here and for the rest of the call.
    pub fn accept(&mut self, now: Instant, call: Call, body: Option<Body>, headers: Vec<(String, String)>) {
        let Some((key, mut response)) = self.response_to_invite(call.0, 200) else { return };
        if let Some(contact) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Contact")).and_then(|(_, v)| v.parse().ok()) {
            self.set_contact(call.0, contact);
        }
        add_extra(&mut response.headers, headers);
        add_missing(&mut response.headers, "Allow", || self.config.allow_value());
        add_missing(&mut response.headers, "Supported", || self.config.supported_value());
        add_missing(&mut response.headers, "Recv-Info", || self.config.recv_info.join(", "));
        let Some(request) = self.calls.get(&call.0).and_then(|state| state.server.as_ref()).map(|server| server.request.clone()) else {
            return;
        };
        self.answer_session(now, call.0, &request, &mut response);
        let (t1, give_up) = (self.layer.timers().t1, self.layer.timers().give_up());
        let Some(state) = self.calls.get_mut(&call.0) else { return };
        state.session.keep(body.as_ref());
        if let Some(body) = body {
            response = response.with_body(&body.content_type, body.bytes);
        }
        state.stage = Stage::Up;
        if let Some(server) = state.server.as_mut() {
            server.state = ServerState::Answered { response: response.clone(), interval: t1 };
        }
        self.layer.respond(now, &key, response);
        self.timers.stop(Timer::Call(call.0, CallTimer::Remind));
        self.timers.stop(Timer::Call(call.0, CallTimer::InviteExpires));
        self.timers.set(Timer::Call(call.0, CallTimer::Answer), now + t1);
        self.timers.set(Timer::Call(call.0, CallTimer::NoAck), now + give_up);
        self.settle(now);
    }

    /// Answers an INVITE or re-INVITE 300 to 699; an INVITE's call is over by it.
    pub fn reject(&mut self, now: Instant, call: Call, status: u16, headers: Vec<(String, String)>) {
        if !(300..700).contains(&status) {
            return;
        }
        self.reject_invite(now, call.0, status, headers, Ending::Refused { status });
        self.settle(now);
    }

    /// Refuses the INVITE of the peer that waits for an answer, whichever it is; false when there is none.
    pub(super) fn reject_invite(&mut self, now: Instant, call: u64, status: u16, headers: Vec<(String, String)>, ending: Ending) -> bool {
        let Some((key, mut response)) = self.response_to_invite(call, status) else { return false };
        response.headers.remove("Contact");
        add_extra(&mut response.headers, headers);
        let Some(state) = self.calls.get_mut(&call) else { return false };
        let Some(server) = state.server.take() else { return false };
        self.invites_in.remove(&server.key);
        self.timers.stop(Timer::Call(call, CallTimer::Remind));
        self.timers.stop(Timer::Call(call, CallTimer::InviteExpires));
        self.hurry.retain(|waiting| *waiting != call);
        match server.state {
            // Nothing was said before: a sender who has proved nothing cannot make us say it more often than it asks.
            ServerState::Waiting { provisional: None, trying: false } if server.initial => {
                self.layer.respond_once(now, &key, response);
            }
            ServerState::Waiting { .. } | ServerState::Answered { .. } => self.layer.respond(now, &key, response),
        }
        if server.initial {
            self.end_call(now, call, ending);
        } else {
            self.next_reinvite(now, call);
        }
        true
    }

    /// A new call comes in.
    pub(super) fn on_invite(&mut self, now: Instant, key: ServerKey, request: Request, from: Hop) {
        if self.calls.len() >= self.config.limits.calls {
            return self.refuse_full(now, &key, &request);
        }
        if self.session_too_small(&request) {
            let min_se = self.config.min_se.as_secs().to_string();
            return self.refuse(now, &key, &request, 422, &[("Min-SE", min_se)]);
        }
        let tag = self.token();
        let contact = self.contact(request.uri.user().as_deref(), from.transport);
        let Ok(dialog) = Dialog::callee(&request, &tag, contact.clone(), &from) else {
            return self.refuse(now, &key, &request, 400, &[]);
        };
        let id = self.next_id();
        let mut said = Said::default();
        said.note(&request.headers);
        let state = CallState {
            side: Side::Callee,
            stage: Stage::Ringing,
            early: Vec::new(),
            call_id: dialog.id().call_id.clone(),
            local_tag: tag,
            remote: untagged(dialog.remote().clone()),
            dialog: Some(self.dialogs.insert_for_call(dialog, id)),
            contact,
            hop: from.clone(),
            auth: None,
            said,
            client: None,
            server: Some(ServerInvite {
                key: key.clone(),
                request: request.clone(),
                initial: true,
                state: ServerState::Waiting { provisional: None, trying: false },
            }),
            reinvites: VecDeque::new(),
            requests: VecDeque::new(),
            requesting: None,
            session: SessionTimer::default(),
            bye_wanted: None,
            probing: false,
        };
        self.calls.insert(id, state);
        self.invites_in.insert(key, id);
        self.hurry.push_back(id);
        if let Some(expires) = seconds(&request.headers, "Expires") {
            self.timers.set(Timer::Call(id, CallTimer::InviteExpires), now + expires);
        }
        self.events.push_back(Event::Invite { call: Call(id), request, from });
    }

    /// 100 to the INVITEs whose owner has not answered in the same turn (§13.3, §17.2.1).
    pub(super) fn hurry_up(&mut self) {
        let Some(now) = self.now else { return };
        while let Some(call) = self.hurry.pop_front() {
            let Some(server) = self.calls.get_mut(&call).and_then(|state| state.server.as_mut()) else { continue };
            if let ServerState::Waiting { provisional: None, trying: trying @ false } = &mut server.state {
                *trying = true;
                let (key, response) = (server.key.clone(), server.request.response(100, ""));
                self.layer.respond(now, &key, response);
            }
        }
        self.drain_layer_transmits();
    }

    /// An ACK that no transaction wanted: the one to our 2xx.
    pub(super) fn on_ack(&mut self, now: Instant, request: Request, from: &Hop) {
        let Some(dialog) = DialogId::of_request(&request).and_then(|id| self.dialogs.find(&id)) else { return };
        let Some(entry) = self.dialogs.get_mut(dialog) else { return };
        entry.dialog.refresh(&request.method, &request.headers, from);
        let Some(call) = entry.call else { return };
        let Some(state) = self.calls.get_mut(&call) else { return };
        let acked = state.server.take_if(|server| {
            matches!(server.state, ServerState::Answered { .. })
                && server.request.cseq().map(|cseq| cseq.seq) == request.cseq().map(|cseq| cseq.seq)
        });
        let Some(server) = acked else { return };
        state.hop = from.clone();
        self.invites_in.remove(&server.key);
        self.timers.stop(Timer::Call(call, CallTimer::Answer));
        self.timers.stop(Timer::Call(call, CallTimer::NoAck));
        self.events.push_back(Event::Acked { call: Call(call), request });
        if let Some((ending, headers)) = self.calls.get_mut(&call).and_then(|state| state.bye_wanted.take()) {
            self.start_bye(now, call, ending, headers);
        } else {
            self.next_reinvite(now, call);
        }
    }

    /// The 2xx again: after T1, doubling up to T2, over every transport (§13.3.1.4).
    pub(super) fn on_answer_again(&mut self, now: Instant, call: u64) {
        let t2 = self.layer.timers().t2;
        let Some(server) = self.calls.get_mut(&call).and_then(|state| state.server.as_mut()) else { return };
        let ServerState::Answered { response, interval } = &mut server.state else { return };
        *interval = interval.saturating_mul(2).min(t2);
        let (next, response, key) = (now + *interval, response.clone(), server.key.clone());
        self.layer.respond(now, &key, response);
        self.timers.set(Timer::Call(call, CallTimer::Answer), next);
    }

    /// 64·T1 without an ACK: the dialog is confirmed, but the session is ended (§13.3.1.4).
    pub(super) fn on_no_ack(&mut self, now: Instant, call: u64) {
        self.events.push_back(Event::AckMissing { call: Call(call) });
        let wanted = self.calls.get_mut(&call).and_then(|state| state.bye_wanted.take());
        let ending = wanted.map_or(Ending::AckMissing, |(ending, _)| ending);
        self.leave(now, call, ending, Some(&super::Reason::sip(408, "no ACK")));
    }

    /// A minute has passed since the last provisional response.
    pub(super) fn on_remind(&mut self, now: Instant, call: u64) {
        let Some(server) = self.calls.get(&call).and_then(|state| state.server.as_ref()) else { return };
        if let ServerState::Waiting { provisional: Some(response), .. } = &server.state {
            let (key, response) = (server.key.clone(), response.clone());
            self.layer.respond(now, &key, response);
            self.timers.set(Timer::Call(call, CallTimer::Remind), now + REMIND);
        }
    }

    /// The INVITE was good for a time that is over (§13.3.1).
    pub(super) fn on_invite_expired(&mut self, now: Instant, call: u64) {
        if self.calls.get(&call).is_some_and(|state| state.stage == Stage::Ringing) {
            self.events.push_back(Event::Cancelled { call: Call(call), reason: None });
            self.reject_invite(now, call, 487, Vec::new(), Ending::Cancelled);
        }
    }

    /// The beginning of a response to the INVITE that waits for its answer.
    fn response_to_invite(&self, call: u64, status: u16) -> Option<(ServerKey, Response)> {
        let state = self.calls.get(&call)?;
        let server = state.server.as_ref().filter(|server| matches!(server.state, ServerState::Waiting { .. }))?;
        let mut response = server.request.response(status, &state.local_tag);
        dress(&server.request, &mut response, Some(&state.contact));
        add_missing(&mut response.headers, "Server", || self.config.user_agent.clone());
        Some((server.key.clone(), response))
    }

    fn set_contact(&mut self, call: u64, contact: NameAddr) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        state.contact = contact.clone();
        if let Some(entry) = state.dialog.and_then(|key| self.dialogs.get_mut(key)) {
            entry.dialog.set_contact(contact);
        }
    }
}
