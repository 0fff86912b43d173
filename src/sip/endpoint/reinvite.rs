//! Re-INVITE both ways (RFC 3261 §14): one at a time, glare, and what a failed one means for the call.

use std::time::{Duration, Instant};

use rand::Rng as _;

use super::{
    Body, Call, Ending, Endpoint, Event, Refused,
    call::{Cancel, ClientInvite, ClientState, ServerInvite, ServerState, Side, Stage, WaitingReinvite, What},
    dialogs::DialogKey,
    send::{Draft, Purpose},
    session_timer::seconds,
    timer::{CallTimer, Timer},
};
use crate::sip::{
    Hop,
    message::{Headers, Method, Request, Response},
    transaction::ServerKey,
};

/// How often a re-INVITE is tried again after 491 before its owner is told.
const MAX_TRIES: u8 = 10;

/// Longest Retry-After of a 500 that is waited for without telling the owner (§14.2 asks for 0 to 10 seconds).
const LONGEST_WAIT: Duration = Duration::from_secs(10);

impl Endpoint {
    /// Offers a new session in a call (RFC 3261 §14), or asks for an offer. It waits for its turn: for other INVITEs in
    /// either direction, and after 491. `Accepted` or `ReinviteRejected` follows.
    ///
    /// # Errors
    /// [`Refused::State`] when the call is not answered or is being left, [`Refused::Full`] when too many wait already.
    pub fn reinvite(&mut self, now: Instant, call: Call, body: Option<Body>) -> Result<(), Refused> {
        let waiting = self.config.limits.waiting;
        let state = self.calls.get_mut(&call.0).filter(|state| state.stage == Stage::Up && state.bye_wanted.is_none());
        let state = state.ok_or(Refused::State)?;
        if state.reinvites.len() >= waiting {
            return Err(Refused::Full);
        }
        state.reinvites.push_back(WaitingReinvite { body, tries: 0, not_before: None });
        self.next_reinvite(now, call.0);
        self.settle(now);
        Ok(())
    }

    /// Takes back the re-INVITEs that still wait for their turn, and says how many: after a `Reinvite` of the peer their
    /// offers may no longer fit.
    pub fn withdraw_reinvites(&mut self, call: Call) -> usize {
        let Some(state) = self.calls.get_mut(&call.0) else { return 0 };
        self.timers.stop(Timer::Call(call.0, CallTimer::Reinvite));
        let waiting = state.reinvites.len();
        state.reinvites.clear();
        waiting
    }

    /// Sends the first waiting re-INVITE, if its time has come and no other INVITE is under way (§14.1).
    pub(super) fn next_reinvite(&mut self, now: Instant, call: u64) {
        let Some(state) = self.calls.get_mut(&call).filter(|state| state.may_reinvite()) else { return };
        let Some(first) = state.reinvites.front() else { return };
        if let Some(at) = first.not_before.filter(|at| *at > now) {
            self.timers.set(Timer::Call(call, CallTimer::Reinvite), at);
            return;
        }
        if let Some(first) = state.reinvites.pop_front() {
            self.send_reinvite(now, call, What::Reinvite { tries: first.tries }, first.body);
        }
    }

    /// Sends an INVITE in the dialog.
    pub(super) fn send_reinvite(&mut self, now: Instant, call: u64, what: What, body: Option<Body>) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        let Some(dialog) = state.dialog else { return };
        let Some(entry) = self.dialogs.get_mut(dialog) else { return };
        let mut request = entry.dialog.request(Method::Invite);
        let hop = entry.dialog.hop(self.config.symmetric);
        let seq = request.cseq().map_or(0, |cseq| cseq.seq);
        let session = state.session.clone();
        self.furnish(&mut request, Vec::new(), body.clone());
        self.ask_session(&session, &mut request.headers);
        let draft = Draft { purpose: Purpose::Invite(call), request: request.clone(), hop, dialog: Some(dialog), auth: None };
        match self.dispatch(now, draft) {
            Ok(key) => {
                if let Some(state) = self.calls.get_mut(&call) {
                    let (state_of, cancel) = (ClientState::Calling, Cancel::No);
                    state.client = Some(ClientInvite { what, seq, key, body, state: state_of, cancel });
                }
            }
            Err(_) => {
                let response = request.response(503, "");
                self.reinvite_failed(now, call, what, response);
            }
        }
    }

    /// A 2xx to our re-INVITE or refresh.
    pub(super) fn on_reinvite_accepted(&mut self, now: Instant, call: u64, request: &Request, response: Response, from: &Hop) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        let Some(client) = state.client.as_mut() else { return };
        client.state = ClientState::Accepted;
        state.hop = from.clone();
        state.said.note(&response.headers);
        let (what, offered) = (client.what, client.body.is_some());
        if let Some(entry) = state.dialog.and_then(|key| self.dialogs.get_mut(key)) {
            entry.dialog.refresh(&Method::Invite, &response.headers, from);
        }
        self.timers.stop(Timer::Call(call, CallTimer::CancelGiveUp));
        self.session_accepted(now, call, &request.headers, &response);
        if what == What::Refresh && (offered || response.body.is_empty()) {
            self.acknowledge(now, call, None);
            self.refreshed(call, response);
            self.next_reinvite(now, call);
        } else {
            self.events.push_back(Event::Accepted { call: Call(call), response });
        }
    }

    /// A 300–699 to our re-INVITE or refresh: 491 waits and tries again, 481 and 408 end the call, others change nothing.
    pub(super) fn on_reinvite_rejected(&mut self, now: Instant, call: u64, response: Response) {
        let status = response.status;
        let Some(state) = self.calls.get_mut(&call) else { return };
        let Some(client) = state.client.take() else { return };
        self.timers.stop(Timer::Call(call, CallTimer::CancelGiveUp));
        if matches!(status, 481 | 408) {
            // §12.2.1.2, §14.1: the peer does not know the dialog or is not there.
            if matches!(client.what, What::Reinvite { .. }) {
                self.events.push_back(Event::ReinviteRejected { call: Call(call), response });
            }
            return self.leave(now, call, Ending::Gone { status }, None);
        }
        let side = state.side;
        let tries = match client.what {
            What::Reinvite { tries } => tries,
            What::Initial | What::Refresh => 0,
        };
        let wait = match status {
            491 if tries < MAX_TRIES => Some(self.glare_wait(side)),
            500 if tries == 0 => seconds(&response.headers, "Retry-After").filter(|wait| *wait <= LONGEST_WAIT),
            _ => None,
        };
        match (client.what, wait) {
            (What::Reinvite { tries }, Some(wait)) if client.cancel == Cancel::No => {
                if let Some(state) = self.calls.get_mut(&call) {
                    let not_before = Some(now + wait);
                    state.reinvites.push_front(WaitingReinvite { body: client.body, tries: tries + 1, not_before });
                }
                self.next_reinvite(now, call);
            }
            (What::Refresh, Some(wait)) => self.timers.set(Timer::Call(call, CallTimer::Refresh), now + wait),
            (what, _) => self.reinvite_failed(now, call, what, response),
        }
    }

    fn reinvite_failed(&mut self, now: Instant, call: u64, what: What, response: Response) {
        match what {
            What::Refresh => self.refresh_again(now, call),
            What::Initial | What::Reinvite { .. } => self.events.push_back(Event::ReinviteRejected { call: Call(call), response }),
        }
        self.next_reinvite(now, call);
    }

    /// How long to wait after a 491 (§14.1): 2.1 to 4 s for the owner of the Call-ID, 0 to 2 s for the other, in steps of 10 ms.
    fn glare_wait(&mut self, side: Side) -> Duration {
        let (least, steps) = match side {
            Side::Caller => (2100, 191),
            Side::Callee => (0, 201),
        };
        Duration::from_millis(least + 10 * u64::from(self.rng.next_u32() % steps))
    }

    /// An INVITE comes in inside a dialog (§14.2).
    pub(super) fn on_reinvite(&mut self, now: Instant, key: &ServerKey, request: Request, call: u64) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        if state.stage == Stage::Calling || matches!(state.stage, Stage::Closing(_)) {
            return self.refuse(now, key, &request, 481, &[]);
        }
        if state.client.is_some() {
            return self.refuse(now, key, &request, 491, &[]);
        }
        match &state.server {
            // A second one before the first is answered.
            Some(server) if server.waits() => return self.refuse_for_now(now, key, &request),
            // Our 2xx is not acknowledged yet, so its offer or answer is still open (RFC 5407 §3.1.4, §3.1.5).
            Some(_) => return self.refuse(now, key, &request, 491, &[]),
            None => {}
        }
        if self.session_too_small(&request) {
            let min_se = self.config.min_se.as_secs().to_string();
            return self.refuse(now, key, &request, 422, &[("Min-SE", min_se)]);
        }
        let Some(state) = self.calls.get_mut(&call) else { return };
        state.said.note(&request.headers);
        let waiting = ServerState::Waiting { provisional: None, trying: false };
        state.server = Some(ServerInvite { key: key.clone(), request: request.clone(), initial: false, state: waiting });
        self.invites_in.insert(key.clone(), call);
        self.hurry.push_back(call);
        self.events.push_back(Event::Reinvite { call: Call(call), request });
    }

    /// The remote target of a dialog, moved by a request of the peer.
    pub(super) fn note_request(&mut self, dialog: DialogKey, method: &Method, headers: &Headers, from: &Hop) {
        let Some(entry) = self.dialogs.get_mut(dialog) else { return };
        entry.dialog.refresh(method, headers, from);
        if let Some(state) = entry.call.and_then(|call| self.calls.get_mut(&call)) {
            state.hop = from.clone();
        }
    }
}
