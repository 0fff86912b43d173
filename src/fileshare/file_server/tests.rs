//! The signalling step by step, over the simulated plane, with a user agent that does what an application server does.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    Command, FileServer, FileServerConfig,
    admission::MemberId,
    plane::{PlaneEvent, Progress},
    simulated::SimulatedPlane,
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
        let uri: Uri = format!("sip:conf={conf}@fs.invalid").parse().expect("a URI");
        let from: NameAddr = format!("<sip:{who}@example.org>").parse().expect("an address");
        let invite = Invite {
            to: NameAddr { display: None, uri: uri.clone(), params: Vec::new() },
            uri,
            contact: self.endpoint.contact(Some("as"), HopTransport::Local),
            from,
            hop: Hop::local("fs"),
            route: Vec::new(),
            headers: Vec::new(),
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

#[test]
fn a_share_opens_with_a_port_a_certificate_and_a_key_for_each_member() {
    let mut world = World::new(|_| {});
    let (_, to_alice) = world.join("c1", "alice", &sharer("192.0.2.1:4000"));
    let (_, to_bob) = world.join("c1", "bob", &receiver("192.0.2.2:5000"));
    for (line, direction) in [(&to_alice, Direction::RecvOnly), (&to_bob, Direction::SendOnly)] {
        let endpoint = line.endpoint().expect("where to connect");
        assert_eq!(endpoint.address, "192.0.2.100:30000".parse().expect("an address"));
        assert_eq!((endpoint.fingerprint, line.direction, line.setup), (Some(CERTIFICATE), direction, Some(Setup::Passive)));
    }
    assert_ne!(to_alice.key, to_bob.key);
    assert_eq!(world.journal(), ["open c1 30000", "admit c1 m1 192.0.2.1:4000", "admit c1 m2 192.0.2.2:5000"]);
    let passes: Vec<_> = world.fs.plane().passes(&conf()).map(|(_, pass)| Some(pass.key.clone())).collect();
    assert_eq!(passes, [to_alice.key, to_bob.key]);
}

#[test]
fn what_cannot_be_is_refused_by_a_status_that_says_why() {
    let ours = |change: fn(&mut Line)| {
        let mut line = sharer("192.0.2.1:4000");
        change(&mut line);
        line
    };
    for (conf, line, status) in [
        ("c9", receiver("192.0.2.2:5000"), 404),
        ("c1", sharer("192.0.2.9:4000"), 486),
        ("c2", ours(|line| line.transport = Transport::Tcp), 488),
        ("c2", ours(|line| line.direction = Direction::SendRecv), 488),
        ("c2", ours(|line| line.setup = Some(Setup::Passive)), 488),
        ("c2", ours(|line| line.batch = Some(batch(1, 5000))), 413),
        ("c2", ours(|line| line.batch = Some(batch(11, 10))), 413),
        ("c1", Line { batch: Some(Batch { id: BatchId(8), ..batch(1, 10) }), ..receiver("192.0.2.3:1") }, 488),
    ] {
        let mut world = World::new(|config| (config.limits.batch_bytes, config.limits.entries) = (4000, 10));
        world.shared();
        let line = Line { conf: Some(conf.parse().expect("an id")), ..line };
        let call = world.invite(conf, "eve", Some(offer(1, &line)));
        let refused = world.rejected(call);
        assert_eq!(refused.status, status, "{conf} {line:?}");
        assert!(refused.headers.get("Warning").is_some());
        assert_eq!(world.journal(), [] as [String; 0], "nothing was opened for it");
    }
}

#[test]
fn bounds_are_answered_503_with_a_time_to_wait() {
    let mut world = World::new(|config| config.limits.members = 2);
    world.shared();
    let carol = world.invite("c1", "carol", Some(offer(1, &receiver("192.0.2.3:5000"))));
    let refused = world.rejected(carol);
    assert_eq!((refused.status, refused.headers.get("Retry-After")), (503, Some("5")));
    for (conf, status) in [("c2", None), ("c3", Some(503))] {
        let line = Line { conf: None, ..sharer("192.0.2.4:1") };
        let call = world.invite(conf, "dave", Some(offer(1, &line)));
        match status {
            None => assert_eq!(world.accepted(call).status, 200),
            Some(status) => assert_eq!(world.rejected(call).status, status, "two ports, and both are taken"),
        }
    }
    let mut world = World::new(|config| config.limits.shares = 0);
    let call = world.invite("c1", "alice", Some(offer(1, &sharer("192.0.2.1:4000"))));
    assert_eq!(world.rejected(call).status, 503);
}

#[test]
fn nobody_but_the_application_server_is_let_in() {
    let mut world = World::new(|_| {});
    world.role = "ms";
    let call = world.invite("c1", "alice", Some(offer(1, &sharer("192.0.2.1:4000"))));
    assert_eq!(world.rejected(call).status, 403);
}

#[test]
fn a_new_source_port_replaces_the_entry_and_the_same_one_changes_nothing() {
    let mut world = World::new(|_| {});
    let (_, bob) = world.shared();
    world.reinvite(bob, offer(1, &receiver("192.0.2.2:5000")));
    let same = share_line(&world.accepted(bob));
    assert_eq!(world.journal(), [] as [String; 0]);
    world.reinvite(bob, offer(2, &receiver("192.0.2.2:5001")));
    let anew = share_line(&world.accepted(bob));
    assert_eq!((anew.key, anew.port), (same.key, same.port));
    assert_eq!(world.journal(), ["admit c1 m2 192.0.2.2:5001"]);
    // The other way is no way.
    world.reinvite(bob, offer(3, &terminal("192.0.2.2:5002", Direction::SendOnly)));
    assert_eq!(world.rejected(bob).status, 488);
}

#[test]
fn reconnecting_by_info_does_the_same() {
    let mut world = World::new(|_| {});
    let (_, bob) = world.shared();
    match world.ask(bob, Message::Reconnect { source: "192.0.2.2:6000".parse().expect("an address") }) {
        Message::Reconnected(endpoint) => assert_eq!(endpoint.address.port(), 30_000),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.journal(), ["admit c1 m2 192.0.2.2:6000"]);
}

#[test]
fn the_sharers_port_0_ends_the_data_conference() {
    let mut world = World::new(|_| {});
    let (alice, bob) = world.shared();
    world.reinvite(alice, offer(2, &sharer("192.0.2.1:4000").ended()));
    assert_eq!(Description::parse(&world.accepted(alice).body).expect("an answer").media[0].port, 0);
    assert_eq!(world.journal(), ["close c1: the sharer has ended the share"]);
    assert!(world.ended(bob) && !world.ended(alice), "the dialogs of the others end; the sharer's is its application server's to end");
    world.bye(alice);
    world.pass(Duration::from_secs(60));
    assert!(world.fs.is_idle());
}

#[test]
fn the_sharers_bye_ends_it_too_and_a_members_strikes_it_alone() {
    let mut world = World::new(|_| {});
    let (alice, bob) = world.shared();
    world.bye(bob);
    assert_eq!(world.journal(), ["strike c1 m2: this member has left the share"]);
    world.bye(alice);
    assert_eq!(world.journal(), ["close c1: the sharer has left"]);
    world.pass(Duration::from_secs(60));
    assert!(world.fs.is_idle());
}

#[test]
fn a_members_port_0_strikes_it_and_leaves_the_others() {
    let mut world = World::new(|_| {});
    let (alice, bob) = world.shared();
    world.reinvite(bob, offer(2, &receiver("192.0.2.2:5000").ended()));
    assert_eq!(world.accepted(bob).status, 200);
    assert_eq!(world.journal(), ["strike c1 m2: this member has left the share"]);
    assert!(!world.ended(alice) && world.fs.plane().passes(&conf()).count() == 1);
}

#[test]
fn the_upload_is_asked_for_and_answered_and_its_completion_told() {
    let mut world = World::new(|config| config.limits.batch_bytes = 4000);
    let (alice, bob) = world.shared();
    let files = |size| vec![FileFacts { name: "slides.pdf".into(), size: Some(size), mime: None, sha256: None }];
    assert_eq!(world.ask(alice, Message::UploadRequest { files: files(1000) }), Message::UploadReady);
    match world.ask(alice, Message::UploadRequest { files: files(5000) }) {
        Message::Refusal(failure) => assert_eq!(failure.code, FailureCode::Limit),
        other => panic!("{other:?}"),
    }
    world.fs.plane_mut().set_room(Some(500));
    assert!(matches!(world.ask(alice, Message::UploadRequest { files: files(1000) }), Message::UploadNotReady { retry_seconds: 5, .. }));
    match world.ask(bob, Message::UploadRequest { files: files(1) }) {
        Message::Refusal(failure) => assert_eq!(failure.code, FailureCode::Conflict),
        other => panic!("{other:?}"),
    }
    world.happen(uploaded());
    let (call, body) = world.heard().expect("told");
    assert_eq!((call, body.message), (alice, Message::UploadComplete { bytes: 1000 }));
}

#[test]
fn the_port_is_given_back_when_all_have_finished_and_a_late_member_gets_another() {
    let mut world = World::new(|_| {});
    let (_, bob) = world.shared();
    assert_eq!(world.ask(bob, Message::DownloadRequest), Message::DownloadReady);
    world.happen(connected(1));
    world.happen(connected(2));
    world.happen(uploaded());
    assert_eq!(world.journal(), [] as [String; 0]);
    world.happen(received(2));
    assert_eq!(world.journal(), ["release c1"]);
    assert!(world.heard().is_some_and(|(_, body)| matches!(body.message, Message::UploadComplete { .. })));
    assert_eq!(world.ask(bob, Message::DownloadComplete { bytes: 1000 }), Message::Done);
    assert_eq!(world.journal(), ["strike c1 m2: this member has finished"]);

    let (_, carol) = world.join("c1", "carol", &receiver("192.0.2.3:5000"));
    assert_eq!(carol.port, 30_001);
    assert_eq!(world.journal(), ["open c1 30001", "admit c1 m3 192.0.2.3:5000"]);
    world.happen(connected(3));
    world.happen(received(3));
    assert_eq!(world.journal(), ["release c1"]);
}

#[test]
fn a_failed_download_leaves_the_others_and_counts_as_finished() {
    let mut world = World::new(|_| {});
    let (_, bob) = world.shared();
    let (_, _) = world.join("c1", "carol", &receiver("192.0.2.3:5000"));
    world.journal();
    world.happen(uploaded());
    world.heard();
    let full = Failure::new(FailureCode::NoSpace, "bob's disk is full");
    assert_eq!(world.ask(bob, Message::DownloadError(full)), Message::Done);
    assert_eq!(world.journal(), ["strike c1 m2: bob's disk is full"]);
    world.happen(received(3));
    assert_eq!(world.journal(), ["release c1"]);
}

#[test]
fn a_terminal_that_gives_up_on_its_connection_is_told_to_the_application_server() {
    let mut world = World::new(|_| {});
    let (alice, bob) = world.shared();
    let why = Failure::new(FailureCode::NoSpace, "full");
    world.happen(PlaneEvent::GaveUp { conf: conf(), member: MemberId(2), why: why.clone() });
    let (call, body) = world.heard().expect("told");
    assert_eq!((call, body.message), (bob, Message::DownloadError(why)));
    let why = Failure::new(FailureCode::SourceChanged, "a file shrank");
    world.happen(PlaneEvent::GaveUp { conf: conf(), member: MemberId(1), why: why.clone() });
    let (call, body) = world.heard().expect("told");
    assert_eq!((call, body.message), (alice, Message::ShareEnded(why)));
    assert_eq!(world.journal(), ["strike c1 m2: full", "close c1: a file shrank"]);
    assert!(world.ended(bob));
}

#[test]
fn an_upload_that_fails_here_ends_the_share_with_the_reason() {
    let mut world = World::new(|_| {});
    let (alice, bob) = world.shared();
    let why = Failure::new(FailureCode::NoSpace, "the file server's disk is full");
    world.happen(PlaneEvent::UploadFailed { conf: conf(), why: why.clone() });
    let (call, body) = world.heard().expect("told");
    assert_eq!((call, body.message), (alice, Message::ShareEnded(why)));
    assert!(world.ended(bob) && world.journal() == ["close c1: the file server's disk is full"]);
}

#[test]
fn what_a_member_did_wrong_is_reported_and_it_may_come_again() {
    let mut world = World::new(|_| {});
    let (_, bob) = world.shared();
    world.happen(connected(2));
    let why = Failure::new(FailureCode::Protocol, "packet 3 came where packet 2 was due");
    world.happen(PlaneEvent::Broken { conf: conf(), member: MemberId(2), why: Some(why.clone()) });
    match world.heard().expect("told") {
        (call, Body { message: Message::Status(status), .. }) => {
            let [member] = &status.members[..] else { panic!("{status:?}") };
            assert_eq!((call, member.state, member.failure.clone()), (bob, MemberState::Broken, Some(why)));
            assert_eq!(member.who, "sip:bob@example.org");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.journal(), [] as [String; 0], "it stays on the list");
}

#[test]
fn a_member_that_does_not_come_again_in_its_window_has_failed() {
    let mut world = World::new(|config| config.resume_window = Duration::from_secs(600));
    let (_, bob) = world.shared();
    world.happen(connected(1));
    world.happen(connected(2));
    world.happen(broken(2));
    match world.heard().expect("told") {
        (call, Body { message: Message::Status(status), .. }) => {
            assert_eq!((call, status.members[0].state, &status.members[0].failure), (bob, MemberState::Broken, &None));
        }
        other => panic!("{other:?}"),
    }
    world.pass(Duration::from_secs(599));
    assert!(world.heard().is_none());
    world.pass(Duration::from_secs(1));
    match world.heard().expect("told") {
        (call, Body { message: Message::DownloadError(why), .. }) => assert_eq!((call, why.code), (bob, FailureCode::Unreachable)),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.journal(), ["strike c1 m2: no connection within 600s"]);
}

#[test]
fn a_sharer_that_does_not_come_again_takes_the_share_with_it_unless_the_upload_was_complete() {
    for complete in [false, true] {
        let mut world = World::new(|config| config.idle = Duration::from_secs(3600));
        let (alice, bob) = world.shared();
        world.happen(connected(1));
        world.happen(connected(2));
        if complete {
            world.happen(uploaded());
            world.heard();
        }
        world.happen(broken(1));
        if complete {
            // Even one that said that it would, came, and was cut off.
            world.reinvite(alice, offer(2, &sharer("192.0.2.1:4001")));
            assert_eq!(world.journal(), ["admit c1 m1 192.0.2.1:4001"]);
            world.happen(connected(1));
            let why = Some(Failure::new(FailureCode::Protocol, "nonsense"));
            world.happen(PlaneEvent::Broken { conf: conf(), member: MemberId(1), why });
            assert!(world.heard().is_none(), "the upload is complete, whatever its sharer's connections do");
        }
        world.pass(Duration::from_secs(601));
        if complete {
            assert!(world.heard().is_none() && !world.ended(bob));
        } else {
            let (call, body) = world.heard().expect("told");
            assert!(matches!(body.message, Message::ShareEnded(why) if why.code == FailureCode::Unreachable) && call == alice);
            assert!(world.ended(bob));
        }
    }
}

#[test]
fn an_idle_data_conference_gives_its_port_back_and_keeps_its_bytes() {
    let mut world = World::new(|config| config.idle = Duration::from_secs(60));
    let (alice, bob) = world.shared();
    world.happen(connected(1));
    world.pass(Duration::from_secs(100));
    assert_eq!(world.journal(), [] as [String; 0], "somebody is connected");
    world.happen(broken(1));
    world.pass(Duration::from_secs(60));
    assert_eq!(world.journal(), ["release c1"]);
    assert!(!world.ended(alice) && !world.ended(bob));
    // Whoever reconnects finds another port.
    world.reinvite(bob, offer(2, &receiver("192.0.2.2:5001")));
    assert_eq!(share_line(&world.accepted(bob)).port, 30_001);
    assert_eq!(world.journal(), ["open c1 30001", "admit c1 m2 192.0.2.2:5001"]);
}

#[test]
fn a_port_that_is_opened_and_to_which_nobody_comes_is_given_back() {
    let mut world = World::new(|config| config.idle = Duration::from_secs(60));
    let (_, bob) = world.shared();
    world.pass(Duration::from_secs(60));
    assert_eq!(world.journal(), ["release c1"]);
    // Nothing new is said, and still there is a port to be named.
    world.reinvite(bob, offer(2, &receiver("192.0.2.2:5000")));
    assert_eq!(share_line(&world.accepted(bob)).port, 30_001);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.journal(), ["open c1 30001", "release c1"]);
    // A refusal names none.
    world.reinvite(bob, offer(3, &receiver("[2001:db8::2]:5000")));
    assert_eq!(world.rejected(bob).status, 488);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.journal(), ["open c1 30000", "release c1"]);
    // By INFO.
    let reconnect = Message::Reconnect { source: "192.0.2.2:6000".parse().expect("an address") };
    assert!(matches!(world.ask(bob, reconnect), Message::Reconnected(_)));
    world.pass(Duration::from_secs(60));
    assert_eq!(world.journal(), ["admit c1 m2 192.0.2.2:6000", "open c1 30001", "release c1"]);
}

#[test]
fn the_state_of_a_share_and_its_limits_are_the_application_servers_to_ask_and_set() {
    let mut world = World::new(|_| {});
    let (alice, bob) = world.shared();
    world.happen(connected(2));
    world.fs.plane_mut().set_progress(&conf(), Progress { batch: Some(BATCH), durable: 700, ..Progress::default() });
    world.fs.plane_mut().set_received(&conf(), MemberId(2), 300);
    match world.ask(alice, Message::StatusRequest) {
        Message::Status(status) => {
            assert_eq!((status.batch.id, status.uploaded, status.complete), (BATCH, 700, false));
            let members: Vec<_> = status.members.iter().map(|m| (m.who.as_str(), m.state, m.bytes)).collect();
            assert_eq!(members, [("sip:bob@example.org", MemberState::Transferring, 300)]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.ask(bob, Message::Limits(Limits { total: Some(1 << 20), each: None })), Message::Done);
    assert_eq!(world.fs.plane().limits(&conf()), Some(Limits { total: Some(1 << 20), each: None }));
    match world.ask(bob, Message::UploadReady) {
        Message::Refusal(failure) => assert_eq!(failure.code, FailureCode::Unsupported),
        other => panic!("{other:?}"),
    }
}

#[test]
fn options_tell_what_there_is() {
    let mut world = World::new(|_| {});
    world.shared();
    let uri: Uri = "sip:fs.invalid".parse().expect("a URI");
    let address = NameAddr { display: None, uri: uri.clone(), params: Vec::new() };
    let options = OutOfDialog {
        method: Method::Options,
        uri,
        to: address.clone(),
        from: address,
        contact: None,
        hop: Hop::local("fs"),
        route: Vec::new(),
        sequence: None,
        headers: Vec::new(),
        body: None,
        credentials: None,
    };
    world.endpoint.send(world.now, options).expect("room");
    world.run();
    let answer = world.events.iter().find_map(|event| match event {
        Event::Response { response, .. } => Services::parse(&response.body).ok(),
        _ => None,
    });
    let answer = answer.expect("services");
    assert_eq!((answer.role.as_str(), answer.draining, answer.load.map(|load| load.legs)), ("fs", false, Some(2)));
}

#[test]
fn whoever_is_stopped_takes_no_more_ends_its_dialogs_and_deletes_nothing() {
    let mut world = World::new(|_| {});
    let (alice, bob) = world.shared();
    world.fs.handle_command(world.now, Command::Drain);
    let call = world.invite("c2", "eve", Some(offer(1, &Line { conf: None, ..sharer("192.0.2.5:1") })));
    assert_eq!(world.rejected(call).status, 503);
    world.fs.handle_command(world.now, Command::End { reason: "over".into() });
    world.run();
    assert!(world.ended(alice) && world.ended(bob) && world.fs.finished());
    assert_eq!(world.fs.plane().shares().count(), 1, "it is left for the next process");
}

#[test]
fn the_seeds_own_line_is_answered_in_kind() {
    let mut world = World::new(|_| {});
    let seed = |port: u16| format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=Fileshare {port}\r\n");
    let alice = world.invite("c1", "alice", Some(seed(4000)));
    let answer = world.accepted(alice);
    assert!(String::from_utf8_lossy(&answer.body).contains("m=Fileshare 30000\r\n"));
    let bob = world.invite("c1", "bob", Some(seed(5000)));
    assert_eq!(world.accepted(bob).status, 200);
    assert_eq!(world.journal(), ["open c1 30000", "admit c1 m1 192.0.2.1:4000", "admit c1 m2 192.0.2.1:5000"], "the first shares");
}
