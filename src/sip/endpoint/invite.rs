//! The calling side of an INVITE (RFC 3261 §13.2): the request, its responses, forks, the ACK.

use std::time::Instant;

use super::{
    Body, Call, Ending, Endpoint, Event, Invite, Refused,
    call::{CallState, Cancel, ClientInvite, ClientState, Said, Side, Stage, What},
    send::{Draft, Outside, Pending, Purpose, SentAck},
    session_timer::SessionTimer,
};
use crate::sip::{
    Hop,
    dialog::{Dialog, DialogId},
    digest,
    message::{Headers, Method, NameAddr, Request, Response},
};

/// Names an INVITE of ours whatever branch of a fork answers it: Call-ID, our tag, CSeq number.
pub(super) type ForkKey = (String, String, u32);

/// What is kept of an INVITE of ours for 2xx responses that come late or from other branches (§13.2.2.4).
#[derive(Debug)]
pub(super) struct Fork {
    /// The INVITE as sent, but for its body.
    request: Request,
    /// The tag of the branch that became the call, if any did.
    chosen: Option<String>,
    auth: Option<digest::Client>,
    /// Further branches that were acknowledged and ended.
    ended: usize,
}

impl Endpoint {
    /// Calls somebody (RFC 3261 §13.2). `Progress`, then `Accepted` or `Rejected` follow.
    ///
    /// # Errors
    /// [`Refused::Full`] at the bound on calls or requests.
    pub fn invite(&mut self, now: Instant, invite: Invite) -> Result<Call, Refused> {
        if self.calls.len() >= self.config.limits.calls {
            return Err(Refused::Full);
        }
        let Invite { uri, to, from, contact, hop, route, headers, body, credentials } = invite;
        let (tag, call_id) = (self.token(), self.call_id());
        let to = untagged(to);
        let mut request =
            Outside { method: Method::Invite, uri, to: &to, from: &from, tag: &tag, call_id: &call_id, seq: 1, route: &route }.request();
        request.headers.push("Contact", contact.to_string());
        let session = SessionTimer::default();
        self.furnish(&mut request, headers, body.clone());
        self.ask_session(&session, &mut request.headers);

        let id = self.next_id();
        self.calls.insert(
            id,
            CallState {
                side: Side::Caller,
                stage: Stage::Calling,
                dialog: None,
                early: Vec::new(),
                call_id,
                local_tag: tag,
                remote: to,
                contact,
                hop: hop.clone(),
                auth: credentials.map(digest::Client::new),
                said: Said::default(),
                client: None,
                server: None,
                reinvites: std::collections::VecDeque::new(),
                requests: std::collections::VecDeque::new(),
                requesting: None,
                session,
                bye_wanted: None,
                probing: false,
            },
        );
        match self.dispatch(now, Draft { purpose: Purpose::Invite(id), request, hop, dialog: None, auth: None }) {
            Ok(key) => {
                if let Some(state) = self.calls.get_mut(&id) {
                    let (what, state_of) = (What::Initial, ClientState::Calling);
                    state.client = Some(ClientInvite { what, seq: 1, key, body, state: state_of, cancel: Cancel::No });
                }
                self.settle(now);
                Ok(Call(id))
            }
            Err(refused) => {
                self.calls.remove(&id);
                Err(refused)
            }
        }
    }

    /// Acknowledges the 2xx of `Accepted`, with the answer where the 2xx carried the offer.
    pub fn ack(&mut self, now: Instant, call: Call, body: Option<Body>) {
        self.acknowledge(now, call.0, body);
        self.next_reinvite(now, call.0);
        self.settle(now);
    }

    /// The ACK, if one is owed.
    pub(super) fn acknowledge(&mut self, now: Instant, call: u64, body: Option<Body>) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        let Some(dialog) = state.dialog else { return };
        let Some(client) = state.client.take_if(|client| client.state == ClientState::Accepted) else { return };
        state.session.keep(client.body.as_ref());
        state.session.keep(body.as_ref());
        let fork = (state.call_id.clone(), state.local_tag.clone(), client.seq);
        let Some(entry) = self.dialogs.get(dialog) else { return };
        let mut ack = entry.dialog.ack(client.seq);
        let (id, hop) = (entry.dialog.id().clone(), entry.dialog.hop(self.config.symmetric));
        if let Some(fork) = self.forks.get(&fork) {
            copy_credentials(&fork.request.headers, &mut ack.headers);
        }
        if let Some(body) = body {
            ack = ack.with_body(&body.content_type, body.bytes);
        }
        let sent = self.send_ack(ack, hop);
        self.acks.insert(now, (id, client.seq), sent);
    }

    /// A 1xx to our INVITE or re-INVITE.
    pub(super) fn on_invite_provisional(&mut self, now: Instant, call: u64, response: Response, from: &Hop) {
        let early_dialogs = self.config.limits.early_dialogs;
        let Some(state) = self.calls.get_mut(&call) else { return };
        let Some(client) = state.client.as_mut() else { return };
        if client.state == ClientState::Calling {
            client.state = ClientState::Proceeding;
        }
        if let Cancel::Wanted(reason) = &client.cancel {
            let reason = reason.clone();
            return self.send_cancel(now, call, reason.as_ref());
        }
        if response.status == 100 || client.cancel != Cancel::No {
            return;
        }
        state.said.note(&response.headers);
        let tagged = response.to().is_some_and(|to| to.tag().is_some());
        if client.what == What::Initial && tagged && state.early.len() < early_dialogs {
            self.note_early(call, &response, from);
        }
        self.events.push_back(Event::Progress { call: Call(call), response });
    }

    /// An early dialog for each tag (§12.1): new, or one more response in it.
    fn note_early(&mut self, call: u64, response: &Response, from: &Hop) {
        let Some(id) = DialogId::of_response(response) else { return };
        if let Some(entry) = self.dialogs.find(&id).and_then(|key| self.dialogs.get_mut(key)) {
            entry.dialog.learn(response, from);
            return;
        }
        let Some(state) = self.calls.get_mut(&call) else { return };
        let Some(pending) = state.client.as_ref().and_then(|client| self.pending.get(&client.key)) else { return };
        if let Ok(dialog) = Dialog::caller(&pending.request, response, from) {
            let key = self.dialogs.insert_for_call(dialog, call);
            state.early.push(key);
        }
    }

    /// The final response to our INVITE or re-INVITE, or one made here.
    pub(super) fn on_invite_final(&mut self, now: Instant, call: u64, pending: Box<Pending>, response: Response, from: &Hop) {
        let Some(what) = self.calls.get(&call).and_then(|state| state.client.as_ref()).map(|client| client.what) else { return };
        if response.status < 300 {
            self.remember_fork(now, call, &pending.request, &response);
            match what {
                What::Initial => self.on_accepted(now, call, &pending.request, response, from),
                What::Reinvite { .. } | What::Refresh => self.on_reinvite_accepted(now, call, &pending.request, response, from),
            }
            return;
        }
        let pending = if response.status == 422
            && !self.is_cancelled(&pending)
            && let Some((expires, min_se)) = self.session_after_422(call, &pending.request.headers, &response)
        {
            let again = self.send_again(now, pending, |headers| {
                headers.set("Session-Expires", expires);
                headers.set("Min-SE", min_se);
            });
            match again {
                Ok(key) => return self.moved(key),
                Err(pending) => pending,
            }
        } else {
            pending
        };
        match what {
            What::Initial => self.on_rejected(now, call, &pending.request, response),
            What::Reinvite { .. } | What::Refresh => self.on_reinvite_rejected(now, call, response),
        }
    }

    fn on_accepted(&mut self, now: Instant, call: u64, request: &Request, response: Response, from: &Hop) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        let chosen = DialogId::of_response(&response).and_then(|id| self.dialogs.find(&id));
        for early in std::mem::take(&mut state.early) {
            if Some(early) != chosen {
                self.dialogs.release_call(early);
            }
        }
        let dialog = match chosen {
            Some(key) => {
                if let Some(entry) = self.dialogs.get_mut(key) {
                    entry.dialog.learn(&response, from);
                }
                key
            }
            None => match Dialog::caller(request, &response, from) {
                Ok(dialog) => self.dialogs.insert_for_call(dialog, call),
                // Without From, To or Call-ID no transaction would have matched.
                Err(_) => return self.end_call(now, call, Ending::Rejected { status: 500 }),
            },
        };
        state.dialog = Some(dialog);
        state.stage = Stage::Up;
        state.hop = from.clone();
        state.said.note(&response.headers);
        if let Some(entry) = self.dialogs.get(dialog) {
            state.remote = untagged(entry.dialog.remote().clone());
        }
        let cancelled = match state.client.as_mut() {
            Some(client) => {
                client.state = ClientState::Accepted;
                client.cancel != Cancel::No
            }
            None => false,
        };
        self.timers.stop_call(call);
        if cancelled {
            // The 2xx crossed the CANCEL (§9.1): it stands, so the call is ended the long way.
            self.acknowledge(now, call, None);
            self.start_bye(now, call, Ending::Cancelled, Vec::new());
            return;
        }
        self.session_accepted(now, call, &request.headers, &response);
        self.events.push_back(Event::Accepted { call: Call(call), response });
    }

    fn on_rejected(&mut self, now: Instant, call: u64, request: &Request, response: Response) {
        let Some(state) = self.calls.get(&call) else { return };
        let cancelled = state.client.as_ref().is_some_and(|client| client.cancel != Cancel::No);
        let ending = if cancelled { Ending::Cancelled } else { Ending::Rejected { status: response.status } };
        self.remember_fork(now, call, request, &response);
        self.events.push_back(Event::Rejected { call: Call(call), response });
        self.end_call(now, call, ending);
    }

    /// Keeps what later 2xx of the same INVITE need.
    pub(super) fn remember_fork(&mut self, now: Instant, call: u64, request: &Request, response: &Response) {
        let Some(state) = self.calls.get(&call) else { return };
        let Some(seq) = request.cseq().map(|cseq| cseq.seq) else { return };
        let chosen = (response.status < 300).then(|| response.to().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default());
        let request = Request { body: bytes::Bytes::new(), ..request.clone() };
        let fork = Fork { request, chosen, auth: state.auth.clone(), ended: 0 };
        self.forks.insert(now, (state.call_id.clone(), state.local_tag.clone(), seq), fork);
    }

    /// A 2xx that no transaction waits for: the ACK again, or, from another branch of a fork, ACK and BYE (§13.2.2.4).
    pub(super) fn on_stray_2xx(&mut self, now: Instant, response: &Response, from: &Hop) {
        let (Some(id), Some(cseq)) = (DialogId::of_response(response), response.cseq()) else { return };
        if cseq.method != Method::Invite {
            return;
        }
        if let Some(ack) = self.acks.get(&(id.clone(), cseq.seq)) {
            let (bytes, hop) = (ack.request.to_bytes(), ack.hop.clone());
            return self.transmit(bytes, hop);
        }
        let branches = self.config.limits.early_dialogs;
        let Some(fork) = self.forks.get_mut(&(id.call_id.clone(), id.local_tag.clone(), cseq.seq)) else { return };
        if fork.chosen.as_ref() == Some(&id.remote_tag) || fork.ended >= branches {
            // The owner has not acknowledged yet; or more branches than anyone forks to.
            return;
        }
        let Ok(mut dialog) = Dialog::caller(&fork.request, response, from) else { return };
        fork.ended += 1;
        let mut ack = dialog.ack(cseq.seq);
        copy_credentials(&fork.request.headers, &mut ack.headers);
        let (bye, auth) = (dialog.request(Method::Bye), fork.auth.clone());
        let sent = self.send_ack(ack, dialog.hop(self.config.symmetric));
        self.acks.insert(now, (id, cseq.seq), sent);
        // At the bound of transactions the branch's own session timer, or its user, ends it.
        let _ = self
            .dispatch(now, Draft { purpose: Purpose::LastBye, request: bye, hop: dialog.hop(self.config.symmetric), dialog: None, auth });
    }

    /// TCP was refused to an ACK that was too large for UDP: it goes by UDP after all (§18.1.1).
    pub(super) fn resend_acks_small(&mut self, now: Instant, hop: &Hop) {
        let mut again = Vec::new();
        for ack in self.acks.values_mut().filter(|ack| ack.small_hop.is_some() && ack.hop == *hop) {
            if let Some(small) = ack.small_hop.take() {
                ack.hop = small;
                again.push((ack.request.clone(), ack.hop.clone()));
            }
        }
        if !again.is_empty() {
            self.tcp_refusers.insert(now, hop.address.clone(), ());
        }
        for (request, hop) in again {
            // The Via still names TCP, but nothing answers an ACK.
            self.transmit(request.to_bytes(), hop);
        }
    }
}

/// An ACK carries the credentials of its INVITE (§22.1).
fn copy_credentials(invite: &Headers, ack: &mut Headers) {
    for name in ["Authorization", "Proxy-Authorization"] {
        for value in invite.all(name) {
            ack.push(name, value);
        }
    }
}

/// An address without its tag.
pub(super) fn untagged(mut address: NameAddr) -> NameAddr {
    address.params.retain(|(name, _)| name != "tag");
    address
}

/// Names an ACK that was sent: dialog and CSeq number.
pub(super) type AckKey = (DialogId, u32);

/// ACKs that were sent.
pub(super) type Acks = super::expiring::Expiring<AckKey, SentAck>;
