//! MESSAGE (RFC 3428): from user to user, passed on to the contacts of the one it is for, and answered as they answer.

use super::node::{ApplicationServer, Relayed};
use crate::{
    conference::{
        focus::{Callee, Caller},
        wire::control::ErrorCode,
    },
    sip::{
        endpoint::{Body, Incoming, OutOfDialog, Outgoing},
        message::{Method, NameAddr, Request, Response},
    },
};

/// Most messages on their way. Another one is answered 503.
const MAX_RELAYED: usize = 4096;

impl ApplicationServer {
    pub(super) fn on_message(&mut self, incoming: Incoming, request: &Request, caller: &Caller) {
        if self.relayed.len() >= MAX_RELAYED {
            return self.respond(incoming, 503, vec![("Retry-After".to_owned(), "2".to_owned())]);
        }
        let called = self.directions().called(self.now, &request.uri);
        let Callee { contacts, credentials, .. } = match called {
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
        };
        self.relay(relayed);
    }

    /// Tries the next contact.
    fn relay(&mut self, mut relayed: Relayed) {
        let Some((uri, hop)) = relayed.contacts.pop_front() else {
            return self.respond(relayed.incoming, 480, Vec::new());
        };
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
