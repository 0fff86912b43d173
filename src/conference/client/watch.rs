//! A subscriber of the conference event package (RFC 4575): the picture of a conference, and what changed in it.

use std::{collections::VecDeque, time::Instant};

use super::{Identity, Machine, Refusal, ServerAddress};
use crate::{
    conference::wire::conference_info::{Applied, CONTENT_TYPE, Coherent, ConferenceInfo},
    id::ConferenceName,
    sip::{
        Transmit,
        endpoint::{Endpoint, Event, OutOfDialog, Outgoing, Subscribe, Subscription, SubscriptionEnding},
        message::{Method, NameAddr, Request},
        node::{Arrival, Node},
    },
};

/// Seconds of a subscription; the endpoint refreshes it.
const EXPIRES: u32 = 600;

/// Watches one conference.
#[derive(Debug)]
pub struct Watch {
    endpoint: Endpoint,
    server: ServerAddress,
    subscribe: Subscribe,
    /// Our question whether the server is there.
    asking: Option<Outgoing>,
    subscription: Option<Subscription>,
    picture: Coherent,
    events: VecDeque<WatchEvent>,
    leaving: bool,
    over: bool,
}

/// What is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchEvent {
    /// A document came: it, and the whole picture with it.
    News {
        /// The document as it came: full or partial.
        document: Box<ConferenceInfo>,
        /// The conference as it is now.
        picture: Box<ConferenceInfo>,
    },
    /// The conference is over.
    Gone,
    /// The subscription was refused, or the server is gone.
    Failed(Refusal),
    /// It ended, as asked.
    Ended,
}

/// What it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchCommand {
    /// End the subscription.
    Leave,
    /// Ask the server whether it is still there. One that is not ends the subscription.
    Ask,
}

impl Watch {
    /// Subscribes.
    pub fn new(now: Instant, endpoint: Endpoint, identity: &Identity, server: &ServerAddress, conference: &ConferenceName) -> Self {
        let uri = server.at(conference.as_str());
        let hop = server.hop();
        let user = identity.address.uri.user();
        let subscribe = Subscribe {
            to: NameAddr::new(uri.clone()),
            uri,
            from: identity.address.clone(),
            contact: endpoint.contact(user.as_deref(), hop.transport),
            hop,
            route: Vec::new(),
            event: "conference".to_owned(),
            expires: EXPIRES,
            accept: vec![CONTENT_TYPE.to_owned()],
            headers: Vec::new(),
            body: None,
            credentials: identity.credentials.clone(),
        };
        let mut watch = Self {
            endpoint,
            server: server.clone(),
            subscribe,
            asking: None,
            subscription: None,
            picture: Coherent::new(),
            events: VecDeque::new(),
            leaving: false,
            over: false,
        };
        watch.subscribe(now);
        watch
    }

    /// True when nothing is left of the subscription, and no memory of it.
    pub fn is_idle(&self) -> bool {
        self.endpoint.is_idle()
    }

    /// The conference as it is known; `None` before the first document and after the end.
    pub fn picture(&self) -> Option<&ConferenceInfo> {
        self.picture.info()
    }

    fn subscribe(&mut self, now: Instant) {
        self.picture.reset();
        match self.endpoint.subscribe(now, self.subscribe.clone()) {
            Ok(subscription) => self.subscription = Some(subscription),
            Err(why) => self.end(WatchEvent::Failed(Refusal::here(503, why.to_string()))),
        }
    }

    /// One question at a time, outside the dialog: any answer will do.
    fn ask(&mut self, now: Instant) {
        if self.asking.is_some() || self.over || self.leaving {
            return;
        }
        let uri = self.server.at("control");
        let question = OutOfDialog {
            method: Method::Options,
            to: NameAddr::new(uri.clone()),
            uri,
            from: self.subscribe.from.clone(),
            contact: None,
            hop: self.server.hop(),
            route: Vec::new(),
            sequence: None,
            headers: Vec::new(),
            body: None,
            credentials: None,
        };
        // At the bound of requests the next question will do.
        self.asking = self.endpoint.send(now, question).ok();
    }

    fn end(&mut self, event: WatchEvent) {
        if !self.over {
            self.over = true;
            self.events.push_back(event);
        }
    }

    fn settle(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Notify { subscription, incoming, request } => {
                    self.endpoint.respond(now, incoming, 200, Vec::new(), None);
                    if self.subscription == Some(subscription) {
                        self.on_notify(now, subscription, &request);
                    }
                }
                Event::SubscriptionEnded { subscription, why } if self.subscription == Some(subscription) => {
                    self.subscription = None;
                    let event = match why {
                        SubscriptionEnding::Refused { response: Some(response), .. } if !self.leaving || response.unheard.is_some() => {
                            WatchEvent::Failed(Refusal::of(&response, &self.server))
                        }
                        _ if self.leaving => WatchEvent::Ended,
                        SubscriptionEnding::Refused { status, .. } => {
                            WatchEvent::Failed(Refusal::here(status, crate::sip::message::reason_phrase(status)))
                        }
                        SubscriptionEnding::Terminated { reason: Some(reason), .. } if reason == "noresource" => WatchEvent::Gone,
                        SubscriptionEnding::Unsubscribed => WatchEvent::Ended,
                        SubscriptionEnding::Terminated { .. } | SubscriptionEnding::Expired => {
                            WatchEvent::Failed(Refusal::here(503, "the server ended the subscription"))
                        }
                    };
                    self.end(event);
                }
                Event::Response { outgoing, response } if self.asking == Some(outgoing) => {
                    self.asking = None;
                    // Whatever it says, it is there.
                    if response.unheard.is_some() && !self.leaving {
                        if let Some(subscription) = self.subscription.take() {
                            self.endpoint.unsubscribe(now, subscription);
                        }
                        self.end(WatchEvent::Failed(Refusal::of(&response, &self.server)));
                    }
                }
                Event::Request { incoming, .. } => self.endpoint.respond(now, incoming, 405, Vec::new(), None),
                Event::Invite { call, .. } => self.endpoint.reject(now, call, 486, Vec::new()),
                _ => {}
            }
        }
    }

    fn on_notify(&mut self, now: Instant, subscription: Subscription, request: &Request) {
        if request.content_type().as_deref() != Some(CONTENT_TYPE) {
            return;
        }
        let Ok(document) = ConferenceInfo::parse(&request.body) else { return };
        match self.picture.apply(document.clone()) {
            Applied::Updated => {
                if let Some(picture) = self.picture.info() {
                    self.events.push_back(WatchEvent::News { document: Box::new(document), picture: Box::new(picture.clone()) });
                }
            }
            Applied::Gap if !self.leaving => {
                // A document is missing: a new subscription begins with the full state.
                self.subscription = None;
                self.endpoint.unsubscribe(now, subscription);
                self.subscribe(now);
            }
            Applied::Stale | Applied::Gap => {}
            Applied::Gone => self.end(WatchEvent::Gone),
        }
    }
}

impl Node for Watch {
    type Command = WatchCommand;

    fn handle_arrival(&mut self, now: Instant, arrival: Arrival) {
        match arrival {
            Arrival::Message { bytes, from, .. } => self.endpoint.handle_bytes(now, bytes, from),
            Arrival::Failed { hop, why } => self.endpoint.handle_transport_error(now, &hop, &why),
            Arrival::Closed { .. } => {}
        }
        self.settle(now);
    }

    fn handle_command(&mut self, now: Instant, command: WatchCommand) {
        match (command, self.subscription) {
            (WatchCommand::Ask, _) => self.ask(now),
            (WatchCommand::Leave, Some(subscription)) => {
                self.leaving = true;
                self.endpoint.unsubscribe(now, subscription);
            }
            (WatchCommand::Leave, None) => {
                self.leaving = true;
                self.end(WatchEvent::Ended);
            }
        }
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.settle(now);
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.endpoint.next_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }

    fn finished(&self) -> bool {
        self.over && self.endpoint.subscriptions() == 0
    }
}

impl Machine for Watch {
    type Event = WatchEvent;

    fn poll_event(&mut self) -> Option<WatchEvent> {
        self.events.pop_front()
    }
}
