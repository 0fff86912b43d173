//! One instant message (RFC 3428).

use std::{collections::VecDeque, time::Instant};

use super::{Identity, Machine, Refusal, ServerAddress};
use crate::sip::{
    Transmit,
    endpoint::{Body, Endpoint, Event, OutOfDialog},
    message::{Method, NameAddr, Uri},
    node::{Arrival, Node},
};

/// Sends one message and waits for its answer.
#[derive(Debug)]
pub struct SendMessage {
    endpoint: Endpoint,
    server: ServerAddress,
    events: VecDeque<MessageEvent>,
    over: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageEvent {
    /// It was taken.
    Delivered {
        /// 200: by the receiver's terminal; 202: to be kept for it (RFC 3428 §7).
        status: u16,
    },
    /// It was refused, or did not get there.
    Refused(Refusal),
}

impl SendMessage {
    /// Sends `text` to `to` by way of the server.
    pub fn new(now: Instant, endpoint: Endpoint, identity: &Identity, server: &ServerAddress, to: Uri, text: &str) -> Self {
        Self::with_body(now, endpoint, identity, server, to, Body::new("text/plain;charset=UTF-8", text.to_owned()))
    }

    /// Sends a body of any type.
    pub fn with_body(now: Instant, mut endpoint: Endpoint, identity: &Identity, server: &ServerAddress, to: Uri, body: Body) -> Self {
        let request = OutOfDialog {
            method: Method::Message,
            to: NameAddr::new(to.clone()),
            uri: to,
            from: identity.address.clone(),
            contact: None,
            hop: server.hop(),
            route: Vec::new(),
            sequence: None,
            headers: Vec::new(),
            body: Some(body),
            credentials: identity.credentials.clone(),
        };
        let mut events = VecDeque::new();
        let refused = endpoint.send(now, request).is_err();
        if refused {
            events.push_back(MessageEvent::Refused(Refusal::here(503, "the message could not be sent")));
        }
        Self { endpoint, server: server.clone(), events, over: refused }
    }

    fn settle(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            if let Event::Response { response, .. } = event {
                let delivered = (200..300).contains(&response.status);
                let event = if delivered {
                    MessageEvent::Delivered { status: response.status }
                } else {
                    MessageEvent::Refused(Refusal::of(&response, &self.server))
                };
                self.events.push_back(event);
                self.over = true;
            }
        }
    }
}

impl Node for SendMessage {
    type Command = ();

    fn handle_arrival(&mut self, now: Instant, arrival: Arrival) {
        match arrival {
            Arrival::Message { bytes, from, .. } => self.endpoint.handle_bytes(now, bytes, from),
            Arrival::Failed { hop, why } => self.endpoint.handle_transport_error(now, &hop, &why),
            Arrival::Closed { .. } => {}
        }
        self.settle();
    }

    fn handle_command(&mut self, _now: Instant, (): ()) {}

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.settle();
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.endpoint.next_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }

    fn finished(&self) -> bool {
        self.over
    }
}

impl Machine for SendMessage {
    type Event = MessageEvent;

    fn poll_event(&mut self) -> Option<MessageEvent> {
        self.events.pop_front()
    }
}
