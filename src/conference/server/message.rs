//! MESSAGE (RFC 3428): from user to user, passed on to the contacts of the one it is for, and answered as they answer.

use super::{
    node::{ApplicationServer, Relayed},
    users::hop_of,
};
use crate::{
    conference::focus::Caller,
    id::UserName,
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
        let Some(sip) = request.uri.sip() else { return self.respond(incoming, 416, Vec::new()) };
        let contacts = if self.config.ours.has(&request.uri) {
            let user: Option<UserName> = sip.decoded_user().and_then(|u| u.parse().ok());
            let Some(user) = user.filter(|u| self.door.directory.account(u).is_some()) else {
                return self.respond(incoming, 404, Vec::new());
            };
            let directions = self.directions();
            let aor = directions.address_of_record(&user);
            directions.contacts_of(self.now, &aor)
        } else {
            [(request.uri.clone(), hop_of(sip, self.config.focus.outbound))].into()
        };
        if contacts.is_empty() {
            return self.respond(incoming, 480, Vec::new());
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
            credentials: None,
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
