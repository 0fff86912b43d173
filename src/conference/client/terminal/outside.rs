//! Requests outside the call, for whoever owns the terminal: instant messages with bodies of other kinds than text, and questions.

use std::time::Instant;

use bytes::Bytes;

use super::{Terminal, TerminalEvent};
use crate::sip::{
    endpoint::{Body, Incoming, OutOfDialog, Outgoing},
    message::{Method, NameAddr, Request, Response, Uri},
};

/// Most requests of an owner that wait for their answer. Another one is answered 503 here.
const MAX_OUTSIDE: usize = 32;

/// What a terminal is told about requests outside the call.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there are few of them at a time, and they are moved seldom")]
pub enum OutsideCommand {
    /// Send one by way of the server; [`OutsideEvent::Answered`] follows.
    Send {
        /// To be given back.
        id: u64,
        /// Method: one that makes no dialog.
        method: Method,
        /// To whom.
        uri: Uri,
        /// What.
        body: Option<Body>,
    },
    /// Answer a message that [`OutsideEvent::Message`] told.
    Respond {
        /// Which.
        incoming: Incoming,
        /// From 200 to 699.
        status: u16,
    },
}

/// What a terminal tells about requests outside the call.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there are few of them at a time, and they are moved seldom")]
pub enum OutsideEvent {
    /// A request was answered; a timeout comes as a 408, a failure of the transport as a 503 ([`Response::unheard`]).
    Answered {
        /// Which.
        id: u64,
        /// The answer; none where there were too many requests.
        response: Option<Box<Response>>,
    },
    /// A message of a kind that the owner takes: it waits for [`OutsideCommand::Respond`].
    Message {
        /// To be given back.
        incoming: Incoming,
        /// From whom, as the server says.
        from: NameAddr,
        /// The body.
        body: Bytes,
    },
}

/// What goes on outside the call.
#[derive(Debug, Default)]
pub(super) struct Outside {
    /// Content types of messages that are the owner's.
    takes: Vec<String>,
    asked: Vec<(Outgoing, u64)>,
}

impl Outside {
    /// True while an answer is awaited.
    pub(super) fn busy(&self) -> bool {
        !self.asked.is_empty()
    }
}

impl Terminal {
    /// Messages of this content type are the owner's from now on, and others hear that they are taken.
    pub fn take_messages(&mut self, content_type: &str) {
        self.endpoint.config_mut().accept.push(content_type.to_owned());
        self.outside.takes.push(content_type.to_owned());
    }

    pub(super) fn on_outside_command(&mut self, now: Instant, command: OutsideCommand) {
        let (id, method, uri, body) = match command {
            OutsideCommand::Send { id, method, uri, body } => (id, method, uri, body),
            OutsideCommand::Respond { incoming, status } => {
                return self.endpoint.respond(now, incoming, status, Vec::new(), None);
            }
        };
        let request = OutOfDialog {
            method,
            to: NameAddr::new(uri.clone()),
            uri,
            from: self.config.identity.address.clone(),
            contact: None,
            hop: self.config.server.hop(),
            route: Vec::new(),
            sequence: None,
            headers: Vec::new(),
            body,
            credentials: self.config.identity.credentials.clone(),
        };
        let sent = if self.outside.asked.len() < MAX_OUTSIDE { self.endpoint.send(now, request).ok() } else { None };
        match sent {
            Some(outgoing) => self.outside.asked.push((outgoing, id)),
            None => self.events.push_back(TerminalEvent::Outside(OutsideEvent::Answered { id, response: None })),
        }
    }

    /// True where it answers a request of the owner's.
    pub(super) fn on_outside_answer(&mut self, outgoing: Outgoing, response: &Response) -> bool {
        let Some(at) = self.outside.asked.iter().position(|(asked, _)| *asked == outgoing) else { return false };
        let (_, id) = self.outside.asked.swap_remove(at);
        let response = Some(Box::new(response.clone()));
        self.events.push_back(TerminalEvent::Outside(OutsideEvent::Answered { id, response }));
        true
    }

    /// True for a message that the owner is to answer.
    pub(super) fn on_outside_message(&mut self, incoming: Incoming, request: &Request) -> bool {
        let is_ours = |kind: String| self.outside.takes.contains(&kind);
        if request.method != Method::Message || !request.content_type().is_some_and(is_ours) {
            return false;
        }
        let from = request.from().unwrap_or_else(|| NameAddr::new(request.uri.clone()));
        let (from, body) = (NameAddr { params: Vec::new(), ..from }, request.body.clone());
        self.events.push_back(TerminalEvent::Outside(OutsideEvent::Message { incoming, from, body }));
        true
    }
}
