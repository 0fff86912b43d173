//! CANCEL both ways (RFC 3261 §9).

use std::time::Instant;

use super::{
    Call, Ending, Endpoint, Event, Reason,
    call::{Cancel, ClientState, Stage, What},
    send::{Pending, Purpose},
    timer::{CallTimer, Timer},
};
use crate::sip::{
    dialog::MAX_FORWARDS,
    fault::Unheard,
    message::{CSeq, Headers, Method, Request, Response},
    transaction::ServerKey,
};

impl Endpoint {
    /// Takes an INVITE back (RFC 3261 §9.1), or a re-INVITE. A CANCEL waits for the first provisional response; a 2xx that
    /// comes nevertheless is acknowledged and the call ended. After `Accepted` of a call this is the same as `bye`.
    pub fn cancel(&mut self, now: Instant, call: Call, reason: Option<Reason>) {
        let Some(client) = self.calls.get_mut(&call.0).and_then(|state| state.client.as_mut()) else { return };
        match (client.state, &client.cancel) {
            (ClientState::Calling, Cancel::No) => client.cancel = Cancel::Wanted(reason),
            (ClientState::Proceeding, Cancel::No) => self.send_cancel(now, call.0, reason.as_ref()),
            (ClientState::Accepted, Cancel::No) if client.what == What::Initial => self.bye(now, call, reason, Vec::new()),
            (ClientState::Accepted, Cancel::No) | (_, Cancel::Wanted(_) | Cancel::Sent) => {}
        }
        self.settle(now);
    }

    /// Sends the CANCEL of the INVITE under way (§9.1): its Request-URI, Via, Route, From, To, Call-ID and number.
    pub(super) fn send_cancel(&mut self, now: Instant, call: u64, reason: Option<&Reason>) {
        let Some(client) = self.calls.get_mut(&call).and_then(|state| state.client.as_mut()) else { return };
        client.cancel = Cancel::Sent;
        let Some(invite) = self.pending.get(&client.key) else { return };
        let mut headers = Headers::new();
        for (name, value) in invite.request.headers.iter() {
            match name {
                // Only the topmost Via is ours; there is no other on a request that we made.
                "Via" | "Route" | "From" | "To" | "Call-ID" => headers.push(name, value),
                _ => {}
            }
        }
        headers.push("CSeq", CSeq { seq: client.seq, method: Method::Cancel }.to_string());
        headers.push("Max-Forwards", MAX_FORWARDS);
        if let Some(reason) = reason {
            headers.push("Reason", reason.to_string());
        }
        headers.push("User-Agent", self.config.user_agent.as_str());
        let request = Request { method: Method::Cancel, uri: invite.request.uri.clone(), headers, body: bytes::Bytes::new() };
        let (hop, small_hop) = (invite.hop.clone(), None);
        // At the bound of transactions the INVITE is given up without its CANCEL.
        let _ = self.launch(now, Box::new(Pending { purpose: Purpose::Cancel, request, hop, small_hop, dialog: None, auth: None }));
        self.timers.set(Timer::Call(call, CallTimer::CancelGiveUp), now + self.layer.timers().give_up());
    }

    /// 64·T1 after the CANCEL and no final response (§9.1): the INVITE counts as cancelled.
    pub(super) fn on_cancel_give_up(&mut self, now: Instant, call: u64) {
        let Some(client) = self.calls.get(&call).and_then(|state| state.client.as_ref()) else { return };
        if client.state == ClientState::Accepted {
            return;
        }
        let key = client.key.clone();
        let Some(pending) = self.pending.remove(&key) else { return };
        self.layer.abandon(now, &key);
        let response = Response { unheard: Some(Box::new(Unheard::TimedOut)), ..pending.request.response(408, "") };
        let hop = pending.hop.clone();
        self.on_invite_final(now, call, pending, response, &hop);
    }

    /// A CANCEL comes in (§9.2).
    pub(super) fn on_cancel(&mut self, now: Instant, key: &ServerKey, request: &Request) {
        let Some(invite) = self.layer.matching_invite(request) else {
            return self.refuse(now, key, request, 481, &[]);
        };
        let call = self.invites_in.get(&invite).copied();
        let tag = match call.and_then(|call| self.calls.get(&call)) {
            Some(state) => state.local_tag.clone(),
            None => self.token(),
        };
        let response = request.response(200, &tag).with_header("Server", self.config.user_agent.as_str());
        self.layer.respond(now, key, response);
        let Some(call) = call else { return };
        let Some(state) = self.calls.get(&call) else { return };
        let still_waits = state.server.as_ref().is_some_and(|server| server.key == invite && server.waits());
        if !still_waits {
            return;
        }
        let event = if state.stage == Stage::Ringing {
            Event::Cancelled { call: Call(call), reason: Reason::of(&request.headers) }
        } else {
            Event::ReinviteCancelled { call: Call(call) }
        };
        self.events.push_back(event);
        self.reject_invite(now, call, 487, Vec::new(), Ending::Cancelled);
    }
}
