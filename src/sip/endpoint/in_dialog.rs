//! Requests inside dialogs (RFC 3261 §12.2): the owner's, the peer's, and the probe that a doubtful answer calls for.

use std::time::Instant;

use super::{
    Body, Call, Ending, Endpoint, Event, Outgoing, Refused,
    call::{Stage, WaitingRequest},
    dialogs::DialogKey,
    send::{Draft, Purpose},
};
use crate::sip::{
    Hop,
    message::{Method, Request, Response},
    transaction::ServerKey,
};

impl Endpoint {
    /// Sends a request in a call's dialog: INFO, MESSAGE, REFER, OPTIONS, UPDATE, … Its failure does not end the call, but for
    /// a 481, a 408 or no answer, which a probe (an OPTIONS in the dialog) has to confirm.
    ///
    /// By UDP it waits until the one before has its answer: a request that was overtaken comes with too low a number, and is refused
    /// with 500 (RFC 3261 §12.2.2). When the call ends meanwhile it is answered 481, without having been sent.
    ///
    /// # Errors
    /// [`Refused::State`] when the call has no dialog or is being left, or for a method that has a verb of its own here;
    /// [`Refused::Full`] at the bound on requests, and on those that wait.
    pub fn request(
        &mut self,
        now: Instant,
        call: Call,
        method: Method,
        headers: Vec<(String, String)>,
        body: Option<Body>,
    ) -> Result<Outgoing, Refused> {
        if matches!(method, Method::Invite | Method::Ack | Method::Bye | Method::Cancel | Method::Subscribe | Method::Register) {
            return Err(Refused::State);
        }
        let state = self.calls.get(&call.0).ok_or(Refused::State)?;
        if matches!(state.stage, Stage::Closing(_)) {
            return Err(Refused::State);
        }
        let dialog = state.dialog.or_else(|| state.early.last().copied()).ok_or(Refused::State)?;
        let (may, waiting) = (state.may_request() && state.requests.is_empty(), state.requests.len());
        let entry = self.dialogs.get(dialog).ok_or(Refused::State)?;
        let in_order = entry.dialog.hop(self.config.symmetric).transport.reliable();
        let outgoing = self.next_id();
        if !in_order && !may {
            let state = self.calls.get_mut(&call.0).filter(|_| waiting < self.config.limits.waiting).ok_or(Refused::Full)?;
            state.requests.push_back(WaitingRequest { outgoing, method, headers, body });
            return Ok(Outgoing(outgoing));
        }
        let purpose = Purpose::Request { outgoing, call: Some(call.0) };
        self.send_inside(now, dialog, purpose, method, headers, body)?;
        if let Some(state) = self.calls.get_mut(&call.0).filter(|_| !in_order) {
            state.requesting = Some(outgoing);
        }
        self.settle(now);
        Ok(Outgoing(outgoing))
    }

    /// Sends the first request that waits, if nothing is under way that it could overtake; a re-INVITE goes first.
    pub(super) fn next_request(&mut self, now: Instant, call: u64) {
        self.next_reinvite(now, call);
        let Some(state) = self.calls.get_mut(&call).filter(|state| state.may_request()) else { return };
        let Some(dialog) = state.dialog.or_else(|| state.early.last().copied()) else { return };
        let Some(WaitingRequest { outgoing, method, headers, body }) = state.requests.pop_front() else { return };
        state.requesting = Some(outgoing);
        let purpose = Purpose::Request { outgoing, call: Some(call) };
        if self.send_inside(now, dialog, purpose, method.clone(), headers, body).is_err() {
            if let Some(state) = self.calls.get_mut(&call) {
                state.requesting = None;
            }
            self.answer_unsent(dialog, outgoing, method, 503);
            self.next_request(now, call);
        }
    }

    /// The call is being left: what waits will not be sent.
    pub(super) fn drop_requests(&mut self, call: u64) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        let Some(dialog) = state.dialog.or_else(|| state.early.last().copied()) else { return };
        for waiting in std::mem::take(&mut state.requests) {
            self.answer_unsent(dialog, waiting.outgoing, waiting.method, 481);
        }
    }

    fn answer_unsent(&mut self, dialog: DialogKey, outgoing: u64, method: Method, status: u16) {
        let Some(entry) = self.dialogs.get_mut(dialog) else { return };
        let response = entry.dialog.request(method).response(status, "");
        self.events.push_back(Event::Response { outgoing: Outgoing(outgoing), response });
    }

    /// Sends a request in a dialog.
    pub(super) fn send_inside(
        &mut self,
        now: Instant,
        key: DialogKey,
        purpose: Purpose,
        method: Method,
        headers: Vec<(String, String)>,
        body: Option<Body>,
    ) -> Result<(), Refused> {
        let dialog = &mut self.dialogs.get_mut(key).ok_or(Refused::State)?.dialog;
        let (mut request, hop) = (dialog.request(method), dialog.hop(self.config.symmetric));
        self.furnish(&mut request, headers, body);
        self.dispatch(now, Draft { purpose, request, hop, dialog: Some(key), auth: None }).map(|_| ())
    }

    /// A request comes in inside a dialog.
    pub(super) fn on_inside_request(&mut self, now: Instant, key: ServerKey, request: Request, from: Hop, dialog: DialogKey) {
        let Some(entry) = self.dialogs.get_mut(dialog) else { return };
        let Some(cseq) = request.cseq() else { return self.refuse(now, &key, &request, 400, &[]) };
        if !entry.dialog.in_order(cseq.seq) {
            return self.refuse_for_now(now, &key, &request);
        }
        let call = entry.call;
        if !self.screen_method(now, &key, &request) || !self.screen_extensions(now, &key, &request) {
            return;
        }
        self.note_request(dialog, &request.method, &request.headers, &from);
        let closing = call.and_then(|call| self.calls.get(&call)).is_some_and(|state| matches!(state.stage, Stage::Closing(_)));
        match (&request.method, call) {
            (Method::Bye, Some(call)) => self.on_bye(now, &key, &request, call),
            (Method::Subscribe, _) => self.on_inside_subscribe(now, key, request, from, dialog),
            (Method::Notify, _) => self.on_notify(now, key, request, from, dialog),
            // Our BYE is under way: to everything else the dialog is gone.
            (_, Some(_)) if closing => self.refuse(now, &key, &request, 481, &[]),
            (Method::Invite, Some(call)) => self.on_reinvite(now, &key, request, call),
            (Method::Invite | Method::Bye | Method::Info | Method::Update | Method::Prack, None) => {
                // The dialog holds subscriptions only (RFC 5057 §4.1).
                self.refuse(now, &key, &request, 481, &[]);
            }
            (Method::Refer, call) => {
                if self.screen_refer(now, &key, &request) {
                    self.hand_over(now, key, request, from, call, Some(dialog));
                }
            }
            (Method::Update, Some(_)) if self.session_too_small(&request) => {
                let min_se = self.config.min_se.as_secs().to_string();
                self.refuse(now, &key, &request, 422, &[("Min-SE", min_se)]);
            }
            (_, call) => self.hand_over(now, key, request, from, call, Some(dialog)),
        }
    }

    /// A request of ours in the dialog got a 481, a 408 or no answer. That may be the fault of the one request (research: a
    /// 4xx to an INFO ends no call), so the dialog is asked for once; what the probe says is believed.
    pub(super) fn doubt(&mut self, now: Instant, call: u64) {
        let Some(state) = self.calls.get_mut(&call).filter(|state| state.stage == Stage::Up && !state.probing) else { return };
        let Some(dialog) = state.dialog else { return };
        state.probing = true;
        if self.send_inside(now, dialog, Purpose::Probe(call), Method::Options, Vec::new(), None).is_err()
            && let Some(state) = self.calls.get_mut(&call)
        {
            state.probing = false;
        }
    }

    /// The probe's answer.
    pub(super) fn on_probe_final(&mut self, now: Instant, call: u64, response: &Response) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        state.probing = false;
        if is_doubtful(response) && state.stage == Stage::Up {
            return self.leave(now, call, Ending::Gone { status: response.status }, None);
        }
        self.next_request(now, call);
    }
}

/// True for what puts the dialog in doubt: the peer does not know it, or says nothing.
pub(super) fn is_doubtful(response: &Response) -> bool {
    matches!(response.status, 481 | 408) || response.unheard.is_some()
}
