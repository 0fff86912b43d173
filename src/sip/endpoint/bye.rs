//! The end of calls (RFC 3261 §15): BYE both ways, and what is tidied up.

use std::time::Instant;

use super::{
    Call, Ending, Endpoint, Event, Reason,
    call::{ClientState, Stage},
    send::{Draft, Purpose, add_extra, add_missing},
};
use crate::sip::{
    message::{Method, Request, Response},
    transaction::ServerKey,
};

impl Endpoint {
    /// Ends a call as its state wants it: BYE; CANCEL for an outgoing one without an answer; 603 for an incoming one without
    /// an answer. A BYE waits for the ACK to our 2xx (RFC 3261 §15). `Ended` comes with the BYE's answer or its timeout.
    pub fn bye(&mut self, now: Instant, call: Call, reason: Option<Reason>, mut headers: Vec<(String, String)>) {
        let Some(state) = self.calls.get_mut(&call.0) else { return };
        match &state.stage {
            Stage::Calling => return self.cancel(now, call, reason),
            Stage::Ringing => return self.reject(now, call, 603, headers),
            Stage::Closing(_) => return,
            Stage::Up => {}
        }
        if let Some(reason) = reason {
            headers.push(("Reason".to_owned(), reason.to_string()));
        }
        if state.server.as_ref().is_some_and(|server| server.initial && !server.waits()) {
            state.bye_wanted.get_or_insert((Ending::ByeSent, headers));
            return;
        }
        self.start_bye(now, call.0, Ending::ByeSent, headers);
        self.settle(now);
    }

    /// Sends the BYE and waits for its answer; `ending` is told then.
    pub(super) fn start_bye(&mut self, now: Instant, call: u64, ending: Ending, headers: Vec<(String, String)>) {
        self.hang_up(now, call);
        let Some(state) = self.calls.get_mut(&call) else { return };
        state.stage = Stage::Closing(ending.clone());
        let Some((request, hop)) = self.make_bye(call, headers) else { return self.end_call(now, call, ending) };
        let dialog = self.calls.get(&call).and_then(|state| state.dialog);
        let draft = Draft { purpose: Purpose::Bye(call), request, hop, dialog, auth: None };
        if self.dispatch(now, draft).is_err() {
            self.end_call(now, call, ending);
        }
    }

    /// Ends a call at once and sends a BYE that nobody waits for: the session is over whatever the peer says to it.
    pub(super) fn leave(&mut self, now: Instant, call: u64, ending: Ending, reason: Option<&Reason>) {
        self.hang_up(now, call);
        let headers = reason.map(|reason| ("Reason".to_owned(), reason.to_string())).into_iter().collect();
        if let Some((mut request, hop)) = self.make_bye(call, headers) {
            let mut auth = self.calls.get_mut(&call).and_then(|state| state.auth.take());
            if let Some(client) = auth.as_mut() {
                client.authorize(&mut request, &mut self.rng);
            }
            // At the bound of transactions the peer finds out by its own timers.
            let _ = self.dispatch(now, Draft { purpose: Purpose::LastBye, request, hop, dialog: None, auth });
        }
        self.end_call(now, call, ending);
    }

    /// What is open is closed before a BYE: an ACK that is owed is sent, an INVITE that waits is answered (§15.1.2), a 2xx is
    /// repeated no more.
    fn hang_up(&mut self, now: Instant, call: u64) {
        self.timers.stop_call(call);
        self.drop_requests(call);
        self.acknowledge(now, call, None);
        self.refuse_open_invite(now, call);
        let Some(state) = self.calls.get_mut(&call) else { return };
        state.reinvites.clear();
        state.bye_wanted = None;
        if let Some(client) = state.client.take_if(|client| client.state != ClientState::Accepted) {
            // Its final response is the transaction's business alone from here on, and may never come.
            self.pending.remove(&client.key);
            if let Some((oldest, ())) = self.orphans.insert(now, client.key, ()) {
                self.layer.abandon(now, &oldest);
            }
        }
    }

    /// 487 to an INVITE of the peer that nobody has answered.
    fn refuse_open_invite(&mut self, now: Instant, call: u64) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        let Some(server) = state.server.take() else { return };
        self.invites_in.remove(&server.key);
        if server.waits() {
            let mut response = server.request.response(487, &state.local_tag);
            add_missing(&mut response.headers, "Server", || self.config.user_agent.clone());
            self.layer.respond(now, &server.key, response);
        }
    }

    fn make_bye(&mut self, call: u64, headers: Vec<(String, String)>) -> Option<(Request, crate::sip::Hop)> {
        let key = self.calls.get(&call)?.dialog?;
        let dialog = &mut self.dialogs.get_mut(key)?.dialog;
        let (mut request, hop) = (dialog.request(Method::Bye), dialog.hop(self.config.symmetric));
        add_extra(&mut request.headers, headers);
        add_missing(&mut request.headers, "User-Agent", || self.config.user_agent.clone());
        Some((request, hop))
    }

    /// Our BYE was answered, or will not be: whatever the answer is, the call is over (§15.1.1).
    pub(super) fn on_bye_final(&mut self, now: Instant, call: u64, response: &Response) {
        if let Some(Stage::Closing(ending)) = self.calls.get(&call).map(|state| state.stage.clone()) {
            let unanswered = ending == Ending::ByeSent && response.unheard.is_some();
            self.end_call(now, call, if unanswered { Ending::ByeUnanswered } else { ending });
        }
    }

    /// A BYE comes in (§15.1.2).
    pub(super) fn on_bye(&mut self, now: Instant, key: &ServerKey, request: &Request, call: u64) {
        let Some(state) = self.calls.get(&call) else { return };
        let response = request.response(200, &state.local_tag).with_header("Server", self.config.user_agent.as_str());
        self.layer.respond(now, key, response);
        match &state.stage {
            // Both said it at once: ours is answered by the peer's transaction, whatever happens to the dialog.
            Stage::Closing(ending) => {
                let ending = ending.clone();
                self.end_call(now, call, ending);
            }
            // A callee's BYE before its final response, which it may not send (§15): the INVITE decides.
            Stage::Calling => {}
            Stage::Ringing | Stage::Up => {
                let ending = Ending::ByeReceived { reason: Reason::of(&request.headers) };
                self.end_call(now, call, ending);
            }
        }
    }

    /// Forgets a call and says so, once.
    pub(super) fn end_call(&mut self, now: Instant, call: u64, ending: Ending) {
        self.hang_up(now, call);
        let Some(state) = self.calls.remove(&call) else { return };
        for dialog in state.early.into_iter().chain(state.dialog) {
            self.dialogs.release_call(dialog);
        }
        self.events.push_back(Event::Ended { call: Call(call), why: ending });
    }
}
