//! The control dialog: `INVITE sip:control@as` with an offer of no m-lines, requests and replies in INFO, BYE.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use super::{Identity, Machine, Refusal, ServerAddress};
use crate::{
    conference::wire::control::{self, Body as Wire, CONTENT_TYPE, Command, ErrorCode, Failure, INFO_PACKAGE, Reply},
    sip::{
        Transmit,
        endpoint::{Body, Call, Ending, Endpoint, Event, Invite, Reason},
        message::{Method, NameAddr, Request},
        node::{Arrival, Node},
    },
};

/// Most parts of one reply. A server that sends more is hung up on.
const MAX_PARTS: usize = 4096;

/// A shell's control dialog. It opens at once; commands given before it is open wait.
#[derive(Debug)]
pub struct Control {
    endpoint: Endpoint,
    server: ServerAddress,
    state: State,
    waiting: VecDeque<control::Request>,
    /// Requests without their whole reply, with the parts of it that have come.
    unanswered: BTreeMap<String, Parts>,
    events: VecDeque<ControlEvent>,
    asked: u64,
}

/// A reply of which more is to come.
#[derive(Debug, Default)]
struct Parts {
    whole: Option<Reply>,
    count: usize,
}

#[derive(Debug)]
enum State {
    Opening(Call),
    Open(Call),
    Closing,
    Over,
}

/// What the dialog tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlEvent {
    /// The server takes commands.
    Opened,
    /// The answer to a command, complete.
    Reply(Reply),
    /// The dialog was refused, or nobody heard of it. Commands without a reply will have none.
    Refused(Refusal),
    /// The dialog is over: lost, or closed by the server. Commands without a reply will have none.
    Failed(Failure),
    /// The dialog is over, as asked.
    Closed,
}

/// What the dialog is told.
#[derive(Debug, Clone)]
pub enum ControlCommand {
    /// Ask this. Ids count from 1, in the order of asking.
    Ask(Command),
    /// Say BYE.
    Close,
}

impl Control {
    /// Opens the dialog.
    pub fn open(now: Instant, mut endpoint: Endpoint, identity: &Identity, server: &ServerAddress) -> Self {
        endpoint.config_mut().recv_info = vec![INFO_PACKAGE.to_owned()];
        endpoint.config_mut().accept = vec!["application/sdp".to_owned(), CONTENT_TYPE.to_owned()];
        let uri = server.at("control");
        let hop = server.hop();
        let user = identity.address.uri.user();
        let invite = Invite {
            to: NameAddr::new(uri.clone()),
            uri,
            from: identity.address.clone(),
            contact: endpoint.contact(user.as_deref(), hop.transport),
            hop,
            route: Vec::new(),
            headers: Vec::new(),
            body: Some(Body::sdp(control::NO_MEDIA)),
            credentials: identity.credentials.clone(),
        };
        let mut events = VecDeque::new();
        let state = match endpoint.invite(now, invite) {
            Ok(call) => State::Opening(call),
            Err(why) => {
                events.push_back(ControlEvent::Failed(Failure::new(ErrorCode::Failed, why.to_string())));
                State::Over
            }
        };
        Self { endpoint, server: server.clone(), state, waiting: VecDeque::new(), unanswered: BTreeMap::new(), events, asked: 0 }
    }

    /// True when nothing is left of the dialog, and no memory of it.
    pub fn is_idle(&self) -> bool {
        self.endpoint.is_idle()
    }

    fn ask(&mut self, now: Instant) {
        let State::Open(call) = self.state else { return };
        while let Some(request) = self.waiting.pop_front() {
            let headers =
                vec![("Info-Package".to_owned(), INFO_PACKAGE.to_owned()), ("Content-Disposition".to_owned(), "Info-Package".to_owned())];
            let id = request.id.clone();
            let body = Body::new(CONTENT_TYPE, Wire::Request(request).to_xml());
            match self.endpoint.request(now, call, Method::Info, headers, Some(body)) {
                Ok(_) => {
                    self.unanswered.insert(id, Parts::default());
                }
                Err(why) => {
                    self.events.push_back(ControlEvent::Reply(Reply::failed(id, Failure::new(ErrorCode::Failed, why.to_string()))));
                }
            }
        }
    }

    fn settle(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Accepted { call, .. } => {
                    self.endpoint.ack(now, call, None);
                    if matches!(self.state, State::Opening(_)) {
                        self.state = State::Open(call);
                        self.events.push_back(ControlEvent::Opened);
                        self.ask(now);
                    }
                }
                // After a CANCEL it is what was wanted, and what was asked last may not be sent any more; `Ended` follows.
                Event::Rejected { .. } | Event::Response { .. } if matches!(self.state, State::Closing) => {}
                Event::Rejected { response, .. } => {
                    let refusal = Refusal::of(&response, &self.server);
                    self.over(now, ControlEvent::Refused(refusal));
                }
                Event::Reinvite { call, .. } => {
                    let body = Body::sdp(control::NO_MEDIA);
                    self.endpoint.accept(now, call, Some(body), Vec::new());
                }
                Event::Request { incoming, request, .. } => {
                    let status = self.on_request(&request);
                    self.endpoint.respond(now, incoming, status, Vec::new(), None);
                    if self.unanswered.values().any(|parts| parts.count > MAX_PARTS) {
                        let failure = Failure::new(ErrorCode::Failed, "the server's reply has no end");
                        self.over(now, ControlEvent::Failed(failure));
                    }
                }
                Event::Response { response, .. } if response.status >= 300 => {
                    // The INFO itself was refused: no reply will come for what it asked.
                    let refusal = Refusal::of(&response, &self.server);
                    self.over(now, ControlEvent::Refused(refusal));
                }
                Event::Ended { why, .. } => match self.state {
                    State::Closing => {
                        self.state = State::Over;
                        self.events.push_back(ControlEvent::Closed);
                    }
                    State::Over => {}
                    State::Opening(_) | State::Open(_) => {
                        let why = match why {
                            Ending::ByeReceived { reason: Some(Reason { text: Some(text), .. }) } => text,
                            Ending::Expired | Ending::Gone { .. } | Ending::AckMissing => "the server is gone".to_owned(),
                            _ => "without a reason".to_owned(),
                        };
                        let failure = Failure::new(ErrorCode::Unreachable, format!("the server ended the control dialog: {why}"));
                        self.over(now, ControlEvent::Failed(failure));
                    }
                },
                _ => {}
            }
        }
    }

    /// No reply will come any more.
    fn over(&mut self, now: Instant, why: ControlEvent) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Opening(call) | State::Open(call) => self.endpoint.bye(now, call, None, Vec::new()),
            State::Closing => {}
            State::Over => return,
        }
        self.unanswered.clear();
        self.events.push_back(why);
    }

    /// An INFO of the server: a reply, or a part of one. The status that answers it.
    fn on_request(&mut self, request: &Request) -> u16 {
        if request.method != Method::Info {
            return if request.method == Method::Options { 200 } else { 405 };
        }
        if request.content_type().as_deref() != Some(CONTENT_TYPE) {
            return 415;
        }
        let Ok(Wire::Reply(part)) = Wire::parse(&request.body) else { return 400 };
        let (id, more) = (part.id.clone(), part.more);
        // What nobody asked, or was answered already, is nobody's.
        let Some(parts) = self.unanswered.get_mut(&id) else { return 200 };
        parts.count += 1;
        match parts.whole.as_mut() {
            Some(whole) => whole.join(part),
            None => parts.whole = Some(part),
        }
        if !more && let Some(whole) = self.unanswered.remove(&id).and_then(|parts| parts.whole) {
            self.events.push_back(ControlEvent::Reply(whole));
        }
        200
    }
}

impl Node for Control {
    type Command = ControlCommand;

    fn handle_arrival(&mut self, now: Instant, arrival: Arrival) {
        match arrival {
            Arrival::Message { bytes, from, .. } => self.endpoint.handle_bytes(now, bytes, from),
            Arrival::Failed { hop, why } => self.endpoint.handle_transport_error(now, &hop, &why),
            Arrival::Closed { .. } => {}
        }
        self.settle(now);
    }

    fn handle_command(&mut self, now: Instant, command: ControlCommand) {
        match (command, &self.state) {
            (ControlCommand::Ask(command), State::Opening(_) | State::Open(_)) => {
                self.asked += 1;
                self.waiting.push_back(control::Request { id: self.asked.to_string(), command });
                self.ask(now);
            }
            (ControlCommand::Close, State::Opening(call) | State::Open(call)) => {
                self.endpoint.bye(now, *call, None::<Reason>, Vec::new());
                self.state = State::Closing;
            }
            (_, State::Closing | State::Over) => {}
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
        matches!(self.state, State::Over) && self.endpoint.calls() == 0
    }
}

impl Machine for Control {
    type Event = ControlEvent;

    fn poll_event(&mut self) -> Option<ControlEvent> {
        self.events.pop_front()
    }
}
