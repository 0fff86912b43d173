//! New requests: who sends them, and to which part of the server they belong.

use super::{
    door::{Door, Entry},
    node::ApplicationServer,
};
use crate::{
    conference::wire::services::{self, Service, Services},
    id::ConferenceName,
    sip::{
        Hop,
        endpoint::{Body, Call, Event, Incoming},
        message::{Method, Request},
    },
};

impl ApplicationServer {
    /// Takes all that the endpoint has to say.
    pub(super) fn drain_events(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            if self.with_focus(|focus, cx| focus.handle_event(cx, &event)) {
                continue;
            }
            match event {
                Event::Invite { call, request, from } => self.on_invite(call, &request, &from),
                Event::Request { incoming, call: None, request, from } => self.on_new_request(incoming, &request, &from),
                // In no dialog that anybody here knows of.
                Event::Request { incoming, .. } | Event::Notify { incoming, .. } => self.respond(incoming, 481, Vec::new()),
                Event::Response { outgoing, response } => {
                    self.on_relayed(outgoing, &response);
                }
                Event::Reinvite { call, .. } => self.endpoint.reject(self.now, call, 481, Vec::new()),
                // Whoever wanted that call is gone.
                Event::Accepted { call, .. } => self.endpoint.bye(self.now, call, None, Vec::new()),
                _ => {}
            }
        }
    }

    fn on_invite(&mut self, call: Call, request: &Request, from: &Hop) {
        let wants_account = Door::wants_account(request);
        match self.door.judge(self.now, &self.config.ours, request, from, wants_account) {
            Entry::Open(caller) => {
                self.with_focus(|focus, cx| focus.handle_invite(cx, call, request, &caller, from));
            }
            Entry::Closed { status, headers } => self.endpoint.reject(self.now, call, status, headers),
        }
    }

    fn on_new_request(&mut self, incoming: Incoming, request: &Request, from: &Hop) {
        if request.method == Method::Options {
            return self.on_options(incoming, request);
        }
        let caller = match self.door.judge(self.now, &self.config.ours, request, from, Door::wants_account(request)) {
            Entry::Open(caller) => caller,
            Entry::Closed { status, headers } => return self.respond(incoming, status, headers),
        };
        match request.method {
            Method::Register => self.on_register(incoming, request, &caller, from),
            Method::Message => self.on_message(incoming, request, &caller),
            Method::Subscribe | Method::Refer => {
                self.with_focus(|focus, cx| focus.handle_request(cx, incoming, request, &caller));
            }
            // INFO, NOTIFY and the like belong to a dialog (RFC 3261 §12.2.2).
            _ => self.respond(incoming, 481, Vec::new()),
        }
    }

    /// OPTIONS (RFC 3261 §11.2): answered as an INVITE would be. `control` tells where everything is.
    fn on_options(&mut self, incoming: Incoming, request: &Request) {
        let user = request.uri.user();
        if user.as_deref() == Some("control") {
            let services = Services {
                role: "as".to_owned(),
                version: self.config.focus.version.clone(),
                realm: Some(self.door.directory.realm().to_owned()),
                draining: self.focus.facts().draining,
                instance: None,
                services: self
                    .config
                    .services
                    .iter()
                    .map(|(purpose, uri)| Service { purpose: purpose.clone(), uri: uri.clone() })
                    .collect(),
                load: None,
                ca: self.config.ca.clone(),
                ticket_key: self.door.directory.tickets().map(|key| key.public().to_string()),
            };
            let body = Body::new(services::CONTENT_TYPE, services.to_xml());
            return self.endpoint.respond(self.now, incoming, 200, Vec::new(), Some(body));
        }
        let name = user.and_then(|user| user.parse::<ConferenceName>().ok());
        if name.is_some_and(|name| self.focus.has(&name)) {
            let contact = self.endpoint.contact(request.uri.user().as_deref(), self.config.focus.outbound);
            let focus = vec![("Contact".to_owned(), contact.with_param("isfocus", None).to_string())];
            return self.endpoint.respond(self.now, incoming, 200, focus, None);
        }
        self.respond(incoming, 200, Vec::new());
    }
}
