//! What comes in: bytes to messages, messages to transactions, their events to whoever they concern.

use std::time::Instant;

use bytes::Bytes;

use super::{
    Endpoint,
    call::{Cancel, ClientState},
    event::Event,
    handle::Outgoing,
    in_dialog,
    send::{Pending, Purpose},
    timer::{CallTimer, SubscriptionTimer, Timer},
};
use crate::sip::{
    FlowId, Hop, Transport,
    dialog::DialogId,
    fault::{SendFault, Unheard},
    message::{
        Method, Request, Response,
        parse::{Fault, Framing, parse},
    },
    transaction::{ClientKey, ServerKey, TransactionEvent, response_hop},
};

impl Endpoint {
    /// Takes one framed message; over a stream, `from.flow` names its connection. What is no message is answered as RFC 4475
    /// wants it, or dropped.
    #[expect(clippy::needless_pass_by_value, reason = "arrivals are handed over")]
    pub fn handle_bytes(&mut self, now: Instant, bytes: Bytes, from: Hop) {
        let framing = if from.transport == Transport::Udp { Framing::Datagram } else { Framing::Stream };
        match parse(&bytes, framing) {
            Ok(message) => self.layer.receive(now, message, from),
            Err(Fault::Answer { mut response, .. }) => {
                // A Via of another SIP version cannot be read; where it came from is known all the same.
                let hop = response.via().map_or_else(
                    || from.clone(),
                    |mut via| {
                        if let Some(source) = from.socket() {
                            via.note_source(source);
                            response.headers.set_first("Via", via.to_string());
                        }
                        response_hop(&via, &from)
                    },
                );
                self.transmit(response.to_bytes(), hop);
            }
            Err(Fault::Drop(_)) => {}
        }
        self.settle(now);
    }

    /// Takes word that a message to `hop` could not be delivered, and why.
    pub fn handle_transport_error(&mut self, now: Instant, hop: &Hop, why: &SendFault) {
        self.layer.handle_transport_error(now, hop);
        self.resend_acks_small(now, hop);
        self.failing = Some(why.clone());
        self.settle(now);
        self.failing = None;
    }

    /// Takes word that a connection is gone: requests in its dialogs go to where their peers said that they can be reached.
    pub fn handle_flow_closed(&mut self, flow: FlowId) {
        for entry in self.dialogs.iter_mut() {
            entry.dialog.lose_flow(flow, self.config.symmetric);
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.layer.handle_timeout(now);
        self.settle(now);
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Call(call, CallTimer::Remind) => self.on_remind(now, call),
                Timer::Call(call, CallTimer::InviteExpires) => self.on_invite_expired(now, call),
                Timer::Call(call, CallTimer::Answer) => self.on_answer_again(now, call),
                Timer::Call(call, CallTimer::NoAck) => self.on_no_ack(now, call),
                Timer::Call(call, CallTimer::CancelGiveUp) => self.on_cancel_give_up(now, call),
                Timer::Call(call, CallTimer::Reinvite) => self.next_reinvite(now, call),
                Timer::Call(call, CallTimer::Refresh) => self.on_refresh_due(now, call),
                Timer::Call(call, CallTimer::Expire) => self.on_session_expired(now, call),
                Timer::Subscription(s, SubscriptionTimer::Refresh) => self.on_resubscribe(now, s),
                Timer::Subscription(s, SubscriptionTimer::Expire) => self.on_subscription_expired(now, s),
                Timer::Subscription(s, SubscriptionTimer::NoNotify) => self.on_no_notify(s),
                Timer::Subscription(s, SubscriptionTimer::Last) => self.on_last_notify_due(now, s),
                Timer::Unanswered(incoming) => self.on_unanswered(now, incoming),
            }
            self.settle(now);
        }
        while let Some((key, ())) = self.orphans.pop(now) {
            self.layer.abandon(now, &key);
        }
        self.settle(now);
        self.acks.expire(now);
        self.forks.expire(now);
        self.seen.expire(now);
        self.tcp_refusers.expire(now);
    }

    /// When `handle_timeout` is wanted next.
    pub fn next_timeout(&self) -> Option<Instant> {
        [
            self.layer.next_timeout(),
            self.timers.next(),
            self.orphans.next_timeout(),
            self.acks.next_timeout(),
            self.forks.next_timeout(),
            self.seen.next_timeout(),
            self.tcp_refusers.next_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Hands the layer's events on until there is none.
    pub(super) fn settle(&mut self, now: Instant) {
        self.now = Some(now);
        while let Some(event) = self.layer.poll_event() {
            match event {
                TransactionEvent::Request { key, request, from } => self.on_request(now, key, request, from),
                TransactionEvent::Ack { request, from } => self.on_ack(now, request, &from),
                TransactionEvent::Response { key, response, from } => self.on_response(now, &key, response, &from),
                TransactionEvent::StrayResponse { response, from } => self.on_stray_2xx(now, &response, &from),
                TransactionEvent::TimedOut { key } => self.on_failure(now, &key, Unheard::TimedOut),
                TransactionEvent::TransportFailed { key } => {
                    let why = self.failing.clone().unwrap_or(SendFault::Unreachable);
                    self.on_failure(now, &key, Unheard::Failed(why));
                }
                TransactionEvent::ClientEnded { key } => {
                    self.pending.remove(&key);
                }
                // The peer repeats what it has heard no answer to; a missing ACK to a refusal changes nothing.
                TransactionEvent::ResponseFailed { .. } | TransactionEvent::NoAck { .. } | TransactionEvent::ServerEnded { .. } => {}
            }
        }
        self.drain_layer_transmits();
    }

    fn on_request(&mut self, now: Instant, key: ServerKey, request: Request, from: Hop) {
        if request.method == Method::Cancel {
            return self.on_cancel(now, &key, &request);
        }
        let tagged = request.to().is_some_and(|to| to.tag().is_some());
        if !tagged {
            return self.on_outside_request(now, key, request, from);
        }
        match DialogId::of_request(&request).and_then(|id| self.dialogs.find(&id)) {
            Some(dialog) => self.on_inside_request(now, key, request, from, dialog),
            // The first NOTIFY may come before the 2xx to its SUBSCRIBE (RFC 6665 §4.1.2.4).
            None if request.method == Method::Notify => self.on_early_notify(now, key, request, from),
            None => self.refuse(now, &key, &request, 481, &[]),
        }
    }

    fn on_response(&mut self, now: Instant, key: &ClientKey, response: Response, from: &Hop) {
        if response.status < 200 {
            if let Some(Purpose::Invite(call)) = self.pending.get(key).map(|pending| pending.purpose) {
                self.on_invite_provisional(now, call, response, from);
                self.next_request(now, call);
            }
            return;
        }
        let Some(pending) = self.pending.remove(key) else {
            // Another 2xx to an INVITE: the same again, or of another branch of a fork.
            if response.status < 300 {
                self.on_stray_2xx(now, &response, from);
            }
            return;
        };
        let pending = if matches!(response.status, 401 | 407) && !self.is_cancelled(&pending) {
            match self.answer_challenge(now, pending, &response) {
                Ok(key) => return self.moved(key),
                Err(pending) => pending,
            }
        } else {
            pending
        };
        self.on_final(now, pending, response, from);
    }

    /// No response came: as if one had come that was made here.
    fn on_failure(&mut self, now: Instant, key: &ClientKey, why: Unheard) {
        let Some(pending) = self.pending.remove(key) else { return };
        let status = if why == Unheard::TimedOut { 408 } else { 503 };
        let pending = if status == 503 {
            match self.send_small(now, pending) {
                Ok(key) => return self.moved(key),
                Err(pending) => pending,
            }
        } else {
            pending
        };
        let response = Response { unheard: Some(Box::new(why)), ..pending.request.response(status, "") };
        let from = pending.hop.clone();
        self.on_final(now, pending, response, &from);
    }

    fn on_final(&mut self, now: Instant, pending: Box<Pending>, response: Response, from: &Hop) {
        match pending.purpose {
            Purpose::Invite(call) => {
                self.on_invite_final(now, call, pending, response, from);
                self.next_request(now, call);
            }
            Purpose::Cancel | Purpose::LastBye => {}
            Purpose::Bye(call) => self.on_bye_final(now, call, &response),
            Purpose::Probe(call) => self.on_probe_final(now, call, &response),
            Purpose::Request { outgoing, call } => {
                let doubtful = in_dialog::is_doubtful(&response);
                if let Some(state) = call.and_then(|call| self.calls.get_mut(&call)) {
                    state.hop = from.clone();
                    state.requesting.take_if(|sent| *sent == outgoing);
                }
                self.events.push_back(Event::Response { outgoing: Outgoing(outgoing), response });
                if let Some(call) = call {
                    if doubtful {
                        self.doubt(now, call);
                    }
                    self.next_request(now, call);
                }
            }
            Purpose::Subscribe(subscription) => self.on_subscribe_final(now, subscription, pending, response, from),
            Purpose::Notify(subscription) => self.on_notify_final(now, subscription, &response),
        }
    }

    /// A request was sent once more under a new key: an INVITE begins anew, without the early dialogs of the refused one.
    pub(super) fn moved(&mut self, key: ClientKey) {
        let Some(pending) = self.pending.get(&key) else { return };
        let Purpose::Invite(call) = pending.purpose else { return };
        let seq = pending.request.cseq().map_or(0, |cseq| cseq.seq);
        let Some(state) = self.calls.get_mut(&call) else { return };
        if let Some(client) = state.client.as_mut() {
            client.key = key;
            client.seq = seq;
            client.state = ClientState::Calling;
        }
        for early in std::mem::take(&mut state.early) {
            self.dialogs.release_call(early);
        }
    }

    /// True for an INVITE that its owner has taken back: it is not sent once more.
    pub(super) fn is_cancelled(&self, pending: &Pending) -> bool {
        let Purpose::Invite(call) = pending.purpose else { return false };
        self.calls.get(&call).and_then(|state| state.client.as_ref()).is_some_and(|client| client.cancel != Cancel::No)
    }
}
