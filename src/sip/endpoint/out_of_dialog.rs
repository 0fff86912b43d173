//! Requests outside dialogs, ours and the peer's, and the answers that owners give.

use std::time::Instant;

use super::{
    Body, Call, Endpoint, Event, Incoming, OutOfDialog, Outgoing, Refused, Sequence,
    dialogs::DialogKey,
    invite::untagged,
    send::{Draft, Outside, Purpose, add_extra, add_missing},
    timer::Timer,
};
use crate::sip::{
    Hop, digest,
    message::{Method, Request, Response},
    transaction::ServerKey,
};

/// A request of the peer that waits for its owner's answer.
#[derive(Debug)]
pub(super) struct Waiting {
    pub key: ServerKey,
    pub request: Request,
    pub from: Hop,
    pub call: Option<u64>,
    pub dialog: Option<DialogKey>,
    /// The To tag of all responses.
    pub tag: String,
}

impl Endpoint {
    /// Sends a request outside any dialog.
    ///
    /// # Errors
    /// [`Refused::Full`] at the bound on requests; [`Refused::State`] for a method that has a verb of its own here.
    pub fn send(&mut self, now: Instant, request: OutOfDialog) -> Result<Outgoing, Refused> {
        let OutOfDialog { method, uri, to, from, contact, hop, route, sequence, headers, body, credentials } = request;
        if matches!(method, Method::Invite | Method::Ack | Method::Bye | Method::Cancel | Method::Subscribe) {
            return Err(Refused::State);
        }
        let tag = self.token();
        let (call_id, seq) = match sequence {
            Some(Sequence { call_id, cseq }) => (call_id, cseq),
            None => (self.call_id(), 1),
        };
        let to = untagged(to);
        let (from, call_id, route) = (&from, call_id.as_str(), route.as_slice());
        let mut request = Outside { method, uri, to: &to, from, tag: &tag, call_id, seq, route }.request();
        if let Some(contact) = contact {
            request.headers.push("Contact", contact.to_string());
        }
        self.furnish(&mut request, headers, body);
        let outgoing = self.next_id();
        let mut auth = credentials.map(digest::Client::new);
        if let Some(client) = auth.as_mut() {
            client.authorize(&mut request, &mut self.rng);
        }
        self.dispatch(now, Draft { purpose: Purpose::Request { outgoing, call: None }, request, hop, dialog: None, auth })?;
        self.settle(now);
        Ok(Outgoing(outgoing))
    }

    /// Answers a request. A 2xx to OPTIONS gets Allow, Accept, Supported and Recv-Info, one to UPDATE the session timer,
    /// unless given. A 1xx leaves it waiting.
    pub fn respond(&mut self, now: Instant, incoming: Incoming, status: u16, headers: Vec<(String, String)>, body: Option<Body>) {
        if status < 200 {
            if let Some(waiting) = self.incoming.get(&incoming.0).filter(|_| status >= 100) {
                let response = waiting.request.response(status, &waiting.tag);
                let key = waiting.key.clone();
                self.layer.respond(now, &key, response);
                self.settle(now);
            }
            return;
        }
        let Some(waiting) = self.take_incoming(incoming) else { return };
        let mut response = self.answer_to(&waiting, status);
        add_extra(&mut response.headers, headers);
        if let Some(body) = body {
            response = response.with_body(&body.content_type, body.bytes);
        }
        if status < 300 {
            match (&waiting.request.method, waiting.call) {
                (Method::Options, _) => self.say_capabilities(&mut response),
                (Method::Update, Some(call)) => {
                    if let Some(state) = self.calls.get(&call) {
                        add_missing(&mut response.headers, "Contact", || state.contact.to_string());
                    }
                    self.answer_session(now, call, &waiting.request, &mut response);
                }
                _ => {}
            }
        }
        let answer = if status >= 300 && waiting.call.is_none() { Self::answer_once } else { Self::answer };
        answer(self, now, &waiting.key, response);
        self.settle(now);
    }

    /// Requests that wait for an answer of their owner.
    pub fn waiting(&self) -> usize {
        self.incoming.len()
    }

    fn answer(&mut self, now: Instant, key: &ServerKey, response: Response) {
        self.layer.respond(now, key, response);
    }

    fn answer_once(&mut self, now: Instant, key: &ServerKey, response: Response) {
        self.layer.respond_once(now, key, response);
    }

    /// The beginning of the answer to a waiting request.
    pub(super) fn answer_to(&self, waiting: &Waiting, status: u16) -> Response {
        let mut response = waiting.request.response(status, &waiting.tag);
        add_missing(&mut response.headers, "Server", || self.config.user_agent.clone());
        response
    }

    /// Takes a waiting request out of the table.
    pub(super) fn take_incoming(&mut self, incoming: Incoming) -> Option<Waiting> {
        self.timers.stop(Timer::Unanswered(incoming.0));
        self.incoming.remove(&incoming.0)
    }

    /// A request comes in outside dialogs.
    pub(super) fn on_outside_request(&mut self, now: Instant, key: ServerKey, request: Request, from: Hop) {
        if !self.screen_outside(now, &key, &request) {
            return;
        }
        match request.method {
            Method::Invite => self.on_invite(now, key, request, from),
            _ => self.hand_over(now, key, request, from, None, None),
        }
    }

    /// Gives a request to the owner.
    pub(super) fn hand_over(
        &mut self,
        now: Instant,
        key: ServerKey,
        request: Request,
        from: Hop,
        call: Option<u64>,
        dialog: Option<DialogKey>,
    ) {
        if let Some(incoming) = self.wait_for_owner(now, key, &request, from.clone(), call, dialog) {
            self.events.push_back(Event::Request { incoming, call: call.map(Call), request, from });
        }
    }

    /// Keeps a request until its owner answers; `None` when there are too many and it has been answered 503.
    pub(super) fn wait_for_owner(
        &mut self,
        now: Instant,
        key: ServerKey,
        request: &Request,
        from: Hop,
        call: Option<u64>,
        dialog: Option<DialogKey>,
    ) -> Option<Incoming> {
        if self.incoming.len() >= self.config.limits.incoming {
            self.refuse_full(now, &key, request);
            return None;
        }
        let id = self.next_id();
        let tag = self.token();
        self.incoming.insert(id, Waiting { key, request: request.clone(), from, call, dialog, tag });
        self.timers.set(Timer::Unanswered(id), now + self.layer.timers().give_up());
        Some(Incoming(id))
    }

    /// Nobody has answered in 64·T1: the peer has given up, and the transaction has to end.
    pub(super) fn on_unanswered(&mut self, now: Instant, incoming: u64) {
        if let Some(waiting) = self.take_incoming(Incoming(incoming)) {
            let response = self.answer_to(&waiting, 500);
            self.layer.respond(now, &waiting.key, response);
        }
    }

    fn say_capabilities(&self, response: &mut Response) {
        let config = &self.config;
        add_missing(&mut response.headers, "Allow", || config.allow_value());
        add_missing(&mut response.headers, "Accept", || config.accept.join(", "));
        add_missing(&mut response.headers, "Supported", || config.supported_value());
        add_missing(&mut response.headers, "Recv-Info", || config.recv_info.join(", "));
        add_missing(&mut response.headers, "Allow-Events", || config.events.join(", "));
    }
}
