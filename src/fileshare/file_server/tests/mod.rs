//! The signalling step by step, over the simulated plane, with a user agent that does what an application server does.

mod asking;
mod ending;
mod opening;
mod reconnecting;
mod waiting;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    Command, FileServer, FileServerConfig,
    admission::MemberId,
    plane::{PlaneEvent, Progress},
    simulated::SimulatedPlane,
    space::Full,
};
use crate::{
    conference::wire::services::Services,
    fileshare::{
        BatchId, ConfId,
        wire::{
            Failure, FailureCode, Fingerprint,
            control::{Batch, Body, CONTENT_TYPE, FileFacts, INFO_PACKAGE, Limits, MemberState, Message},
            line::{Line, Setup, Transport},
        },
    },
    sdp::{Description, Direction, Origin},
    sip::{
        endpoint::{self, Call, Ending, Endpoint, EndpointConfig, Event, Invite, OutOfDialog},
        hop::{Address, Hop, Transport as HopTransport},
        message::{Method, NameAddr, Request, Response, Uri},
        node::{Arrival, Node as _, PeerIdentity},
    },
};

const CERTIFICATE: Fingerprint = Fingerprint([0xab; 32]);
const BATCH: BatchId = BatchId(7);

/// An application server and a file server, joined without a network.
struct World {
    now: Instant,
    fs: FileServer<SimulatedPlane>,
    endpoint: Endpoint,
    role: &'static str,
    events: VecDeque<Event>,
}

impl World {
    fn new(change: impl FnOnce(&mut FileServerConfig)) -> Self {
        let endpoint = FileServerConfig::endpoint().role("fs");
        let mut config = FileServerConfig::new(endpoint, "192.0.2.100".parse().expect("an address"));
        change(&mut config);
        let plane = SimulatedPlane::new(30_000..30_002, Some(CERTIFICATE));
        let user = EndpointConfig { session_expires: None, recv_info: vec![INFO_PACKAGE.to_owned()], ..EndpointConfig::default() };
        Self {
            now: crate::clock::now(),
            fs: FileServer::new(config, plane, [1; 32]),
            endpoint: Endpoint::new(user.role("as"), [2; 32]),
            role: "as",
            events: VecDeque::new(),
        }
    }

    /// Hands messages over until nobody has any more.
    fn run(&mut self) {
        loop {
            if let Some(sent) = self.endpoint.poll_transmit() {
                let peer = PeerIdentity::Local { role: self.role.to_owned() };
                let arrival = Arrival::Message {
                    bytes: sent.bytes,
                    from: Hop::local(self.role),
                    peer,
                    to: Address::Name { host: "fs.invalid".into(), port: 0 },
                };
                self.fs.handle_arrival(self.now, arrival);
            } else if let Some(sent) = self.fs.poll_transmit() {
                self.endpoint.handle_bytes(self.now, sent.bytes, Hop::local("fs"));
            } else if let Some(event) = self.endpoint.poll_event() {
                match &event {
                    Event::Accepted { call, .. } => self.endpoint.ack(self.now, *call, None),
                    Event::Request { incoming, .. } => self.endpoint.respond(self.now, *incoming, 200, Vec::new(), None),
                    _ => {}
                }
                self.events.push_back(event);
            } else {
                return;
            }
        }
    }

    /// Time passes.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let next = [self.fs.next_timeout(), self.endpoint.next_timeout()].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = next.max(self.now);
            self.fs.handle_timeout(self.now);
            self.endpoint.handle_timeout(self.now);
            self.run();
        }
        self.now = end;
    }

    fn invite(&mut self, conf: &str, who: &str, body: Option<String>) -> Call {
        self.invite_with(conf, who, Vec::new(), body)
    }

    fn invite_with(&mut self, conf: &str, who: &str, headers: Vec<(String, String)>, body: Option<String>) -> Call {
        let uri: Uri = format!("sip:conf={conf}@fs.invalid").parse().expect("a URI");
        let from: NameAddr = format!("<sip:{who}@example.org>").parse().expect("an address");
        let invite = Invite {
            to: NameAddr { display: None, uri: uri.clone(), params: Vec::new() },
            uri,
            contact: self.endpoint.contact(Some("as"), HopTransport::Local),
            from,
            hop: Hop::local("fs"),
            route: Vec::new(),
            headers,
            body: body.map(endpoint::Body::sdp),
            credentials: None,
        };
        let call = self.endpoint.invite(self.now, invite).expect("room");
        self.run();
        call
    }

    /// S402, S408: the answer's line of the share.
    fn join(&mut self, conf: &str, who: &str, line: &Line) -> (Call, Line) {
        let call = self.invite(conf, who, Some(offer(1, line)));
        let answer = self.accepted(call);
        (call, share_line(&answer))
    }

    fn reinvite(&mut self, call: Call, body: String) {
        self.endpoint.reinvite(self.now, call, Some(endpoint::Body::sdp(body))).expect("a call");
        self.run();
    }

    fn tell(&mut self, call: Call, message: Message) {
        let body = Body::of_conf("as-1", "c1".parse().expect("an id"), message);
        let package = vec![("Info-Package".to_owned(), INFO_PACKAGE.to_owned())];
        let body = endpoint::Body::new(CONTENT_TYPE, body.to_xml());
        self.endpoint.request(self.now, call, Method::Info, package, Some(body)).expect("a dialog");
        self.run();
    }

    /// Asks by INFO, and gives the answer to it.
    fn ask(&mut self, call: Call, message: Message) -> Message {
        self.tell(call, message);
        let (_, body) = self.heard().expect("an answer");
        assert_eq!(body.id, "as-1", "the answer has the id of what was asked");
        body.message
    }

    /// The next INFO of the file server, and in which dialog.
    fn heard(&mut self) -> Option<(Call, Body)> {
        let info = |event: &Event| matches!(event, Event::Request { request: Request { method: Method::Info, .. }, .. });
        let at = self.events.iter().position(info)?;
        match self.events.remove(at)? {
            Event::Request { call: Some(call), request, .. } => {
                assert_eq!(request.headers.get("Info-Package"), Some(INFO_PACKAGE));
                Some((call, Body::parse(&request.body).expect("a body")))
            }
            _ => None,
        }
    }

    fn accepted(&mut self, call: Call) -> Response {
        self.response(|event| matches!(event, Event::Accepted { call: of, .. } if *of == call))
    }

    fn rejected(&mut self, call: Call) -> Response {
        let wanted = |event: &Event| match event {
            Event::Rejected { call: of, .. } | Event::ReinviteRejected { call: of, .. } => *of == call,
            _ => false,
        };
        self.response(wanted)
    }

    fn response(&mut self, wanted: impl Fn(&Event) -> bool) -> Response {
        let at = self.events.iter().position(wanted).unwrap_or_else(|| panic!("not among {:?}", self.events));
        match self.events.remove(at) {
            Some(Event::Accepted { response, .. } | Event::Rejected { response, .. } | Event::ReinviteRejected { response, .. }) => {
                response
            }
            other => panic!("{other:?}"),
        }
    }

    fn ended(&self, call: Call) -> bool {
        let by_bye = |why: &Ending| matches!(why, Ending::ByeReceived { .. } | Ending::ByeSent);
        self.events.iter().any(|event| matches!(event, Event::Ended { call: of, why } if *of == call && by_bye(why)))
    }

    fn bye(&mut self, call: Call) {
        self.endpoint.bye(self.now, call, None, Vec::new());
        self.run();
    }

    fn happen(&mut self, event: PlaneEvent) {
        self.fs.plane_mut().happen(event);
        self.fs.handle_command(self.now, Command::Plane);
        self.run();
    }

    /// What was asked of the plane since last.
    fn journal(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.fs.plane_mut().poll_journal()).collect()
    }

    /// Alice shares, bob receives: S402, S403, S408, S409.
    fn shared(&mut self) -> (Call, Call) {
        let (alice, _) = self.join("c1", "alice", &sharer("192.0.2.1:4000"));
        let (bob, _) = self.join("c1", "bob", &receiver("192.0.2.2:5000"));
        self.journal();
        (alice, bob)
    }
}

fn conf() -> ConfId {
    "c1".parse().expect("an id")
}

fn batch(entries: u32, bytes: u64) -> Batch {
    let file = FileFacts { name: "slides.pdf".into(), size: Some(bytes), mime: None, sha256: None };
    Batch { id: BATCH, entries, bytes: Some(bytes), manifest: None, files: vec![file] }
}

fn terminal(source: &str, direction: Direction) -> Line {
    Line { conf: Some(conf()), ..Line::terminal(Transport::Tls, source.parse().expect("an address"), direction) }
}

fn sharer(source: &str) -> Line {
    Line { batch: Some(batch(1, 1000)), ..terminal(source, Direction::SendOnly) }
}

fn receiver(source: &str) -> Line {
    terminal(source, Direction::RecvOnly)
}

fn offer(version: u64, line: &Line) -> String {
    let mut origin = Origin::new("alice", 2, "192.0.2.1".parse().expect("an address"));
    origin.version = version;
    Description { origin, name: "-".into(), attributes: Vec::new(), media: vec![line.to_media()] }.to_text()
}

fn share_line(response: &Response) -> Line {
    let answer = Description::parse(&response.body).expect("an answer");
    Line::read(&answer.media[0]).expect("a line").expect("of a share")
}

fn connected(member: u64) -> PlaneEvent {
    PlaneEvent::Connected { conf: conf(), member: MemberId(member) }
}

fn broken(member: u64) -> PlaneEvent {
    PlaneEvent::Broken { conf: conf(), member: MemberId(member), why: None }
}

fn uploaded() -> PlaneEvent {
    PlaneEvent::Uploaded { conf: conf(), bytes: 1000 }
}

fn received(member: u64) -> PlaneEvent {
    PlaneEvent::Received { conf: conf(), member: MemberId(member), bytes: 1000 }
}
