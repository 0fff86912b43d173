//! MESSAGE (RFC 3428): from user to user, passed on to the contacts of the one it is for, and answered as they answer.
//!
//! A message of a kind that only some terminals understand goes to those that registered with its feature tag (RFC 3840); where there is none,
//! the sender hears so at once.

use std::{collections::VecDeque, time::Duration};

use super::node::{ApplicationServer, Relayed};
use crate::{
    conference::{
        focus::{Callee, Caller},
        wire::control::ErrorCode,
    },
    sip::{
        endpoint::{Body, Incoming, OutOfDialog, Outgoing, warning},
        message::{Method, NameAddr, Request, Response},
    },
};

/// How long one contact may take before the next is tried.
const CONTACT_PATIENCE: Duration = Duration::from_secs(8);
/// How long all of them may take: the sender gives up after 32 s.
const SENDER_PATIENCE: Duration = Duration::from_secs(28);

/// Most messages on their way. Another one is answered 503.
const MAX_RELAYED: usize = 4096;

impl ApplicationServer {
    pub(super) fn on_message(&mut self, incoming: Incoming, request: &Request, caller: &Caller) {
        if self.relayed.len() >= MAX_RELAYED {
            return self.respond(incoming, 503, vec![("Retry-After".to_owned(), "2".to_owned())]);
        }
        let called = self.directions().called(self.now, &request.uri);
        let Callee { mut contacts, credentials, user, .. } = match called {
            Ok(callee) => callee,
            Err(why) => {
                let status = match why.code {
                    ErrorCode::Usage => 416,
                    ErrorCode::NotFound => 404,
                    ErrorCode::Forbidden => 403,
                    _ => 480,
                };
                return self.respond(incoming, status, Vec::new());
            }
        };
        if let Some(feature) = self.feature_of(request) {
            // Nobody but our own users has said what its terminals understand.
            let aor = user.as_ref().map(|user| self.directions().address_of_record(user));
            contacts = aor.map_or_else(VecDeque::new, |aor| self.directions().contacts_with(self.now, &aor, &feature));
            if contacts.is_empty() {
                return self.respond(incoming, 480, vec![warning("nobody is registered there who understands this")]);
            }
        }
        let from = caller.user.as_ref().map_or_else(
            || caller.address.clone(),
            |user| NameAddr {
                display: caller.address.display.clone(),
                uri: self.directions().address_of_record(user).into(),
                params: Vec::new(),
            },
        );
        let mut from = from;
        from.params.clear();
        let relayed = Relayed {
            incoming,
            from,
            to: request.to().map_or_else(|| NameAddr::new(request.uri.clone()), |to| NameAddr { params: Vec::new(), ..to }),
            body: request.headers.get("Content-Type").map(|t| Body::new(t, request.body.clone())),
            contacts,
            credentials,
            until: self.now,
            give_up: self.now + SENDER_PATIENCE,
        };
        self.relay(relayed);
    }

    /// What a terminal has to have announced to be sent a message of this kind.
    fn feature_of(&self, request: &Request) -> Option<String> {
        let content_type = request.content_type()?;
        self.config.features.iter().find(|(kind, _)| *kind == content_type).map(|(_, feature)| feature.clone())
    }

    /// Tries the next contact.
    fn relay(&mut self, mut relayed: Relayed) {
        let next = relayed.contacts.pop_front().filter(|_| self.now < relayed.give_up);
        let Some((uri, hop)) = next else {
            return self.respond(relayed.incoming, 480, Vec::new());
        };
        relayed.until = relayed.give_up.min(self.now + CONTACT_PATIENCE);
        let message = OutOfDialog {
            method: Method::Message,
            uri,
            to: relayed.to.clone(),
            from: relayed.from.clone(),
            contact: None,
            hop,
            route: Vec::new(),
            sequence: None,
            headers: Vec::new(),
            body: relayed.body.clone(),
            credentials: relayed.credentials.clone(),
        };
        match self.endpoint.send(self.now, message) {
            Ok(outgoing) => {
                self.relayed.insert(outgoing, relayed);
            }
            Err(_) => self.respond(relayed.incoming, 503, vec![("Retry-After".to_owned(), "2".to_owned())]),
        }
    }

    /// A contact that has not answered in its time is passed over: the sender's request lives no longer than 32 s (RFC 4320).
    pub(super) fn hurry_messages(&mut self) {
        let late: Vec<Outgoing> = self.relayed.iter().filter(|(_, r)| r.until <= self.now).map(|(outgoing, _)| *outgoing).collect();
        for outgoing in late {
            if let Some(relayed) = self.relayed.remove(&outgoing) {
                self.relay(relayed);
            }
        }
    }

    /// The receiver's answer is the sender's; one that is not there is passed over.
    pub(super) fn on_relayed(&mut self, outgoing: Outgoing, response: &Response) -> bool {
        let Some(relayed) = self.relayed.remove(&outgoing) else { return false };
        if matches!(response.status, 404 | 408 | 410 | 480 | 503) && !relayed.contacts.is_empty() {
            self.relay(relayed);
        } else {
            let status = if response.status == 401 || response.status == 407 { 480 } else { response.status };
            self.respond(relayed.incoming, status, Vec::new());
        }
        true
    }
}
