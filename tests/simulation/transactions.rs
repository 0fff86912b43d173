//! A client layer and a server layer, with the least of a user agent above each, over a network that loses, delays and repeats.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    sync::LazyLock,
    time::{Duration, Instant},
};

use bytes::Bytes;
use confkit::sip::{
    hop::{FlowId, Hop, Transport},
    message::{CSeq, Framing, Headers, MAGIC_COOKIE, Message, Method, Request, Response, parse},
    transaction::{ClientKey, Limits, ServerKey, Timers, TransactionEvent, TransactionLayer, Transmit},
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use super::net::{Conditions, Kind, Net, Packet};

const SEEDS: u64 = 400;
const REQUESTS: usize = 16;
const CLIENT: &str = "client";
const SERVER: &str = "server";
const MS: fn(u64) -> Duration = Duration::from_millis;

/// Every seed, run once.
static WORLDS: LazyLock<Vec<World>> = LazyLock::new(|| (0..SEEDS).map(World::run).collect());

#[test]
fn every_transaction_ends_exactly_once_and_leaves_nothing_behind() {
    let (mut answered, mut timed_out, mut failed, mut abandoned) = (0, 0, 0, 0);
    for world in WORLDS.iter() {
        for (key, fate) in &world.client_fates {
            assert_eq!((fate.outcomes.len(), fate.ends), (1, 1), "{key:?} had the outcomes {:?}, {world}", fate.outcomes);
            match fate.outcomes[0] {
                Outcome::Answered(_) => answered += 1,
                Outcome::TimedOut => timed_out += 1,
                Outcome::Failed => failed += 1,
                Outcome::Abandoned => abandoned += 1,
            }
        }
        for (key, ends) in &world.server_ends {
            assert_eq!(*ends, 1, "{key:?} ended {ends} times, {world}");
        }
        let left = [world.client.clients(), world.client.servers(), world.server.clients(), world.server.servers()];
        assert_eq!(left, [0; 4], "{world}");
        assert_eq!((world.client.next_timeout(), world.server.next_timeout()), (None, None), "{world}");
    }
    println!("{SEEDS} seeds: {answered} answered, {timed_out} timed out, {failed} failed with the transport, {abandoned} given up");
    assert!(answered > 0 && timed_out > 0 && failed > 0 && abandoned > 0, "the simulation reaches every outcome");
}

#[test]
fn a_request_reaches_the_user_once_however_often_the_network_repeats_it() {
    for world in WORLDS.iter() {
        for (id, times) in &world.requests_seen {
            assert_eq!(*times, 1, "{id} came up {times} times, {world}");
        }
    }
}

#[test]
fn the_client_hears_what_the_server_said() {
    for world in WORLDS.iter() {
        for (key, fate) in &world.client_fates {
            if let [Outcome::Answered(status)] = fate.outcomes[..] {
                assert_eq!(world.answers_given.get(&fate.id), Some(&status), "{key:?}, {world}");
            }
        }
    }
}

#[test]
fn without_loss_and_death_nothing_times_out() {
    let calm: Vec<_> = WORLDS.iter().filter(|w| w.plan.conditions.loss == 0.0 && w.plan.death.is_none()).collect();
    for world in &calm {
        for (key, fate) in &world.client_fates {
            assert!(matches!(fate.outcomes[..], [Outcome::Answered(_)]), "{key:?} {:?}, {world}", fate.outcomes);
        }
        assert!(!world.no_ack, "an ACK is missing, {world}");
    }
    assert!(calm.len() >= 20, "some of the seeds have good weather");
}

#[test]
fn the_same_seed_runs_the_same_way_twice() {
    for world in WORLDS.iter() {
        assert!(World::run(world.plan.seed).net.transcript == world.net.transcript, "seed {}", world.plan.seed);
    }
    assert_ne!(WORLDS[1].net.transcript, WORLDS[2].net.transcript);
}

/// The weather of a seed.
struct Plan {
    seed: u64,
    conditions: Conditions,
    /// When the server's place is cut off.
    death: Option<Duration>,
}

impl Plan {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(seed ^ 0x5eed);
        let loss = if rng.random_bool(0.2) { 0.0 } else { rng.random_range(0.01..0.4) };
        let conditions = Conditions { loss, duplication: rng.random_range(0.0..0.2), delay: (MS(1), MS(rng.random_range(2..1500))) };
        Self { seed, conditions, death: rng.random_bool(0.15).then(|| MS(rng.random_range(1_000..40_000))) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Answered(u16),
    TimedOut,
    Failed,
    Abandoned,
}

#[derive(Debug, Default)]
struct Fate {
    id: String,
    outcomes: Vec<Outcome>,
    ends: usize,
}

/// What the users above the layers mean to do later.
enum Errand {
    Send(Request, Transport),
    Cancel(ClientKey),
    GiveUp(ClientKey),
    Answer(ServerKey, u16),
    RepeatAccepted { key: ServerKey, response: Box<Response>, interval: Duration, until: Duration },
    Die,
}

struct World {
    plan: Plan,
    zero: Instant,
    now: Duration,
    rng: ChaCha12Rng,
    net: Net<(Bytes, Transport)>,
    client: TransactionLayer,
    server: TransactionLayer,
    errands: BTreeMap<(Duration, u64), Errand>,
    serial: u64,
    /// Requests sent, by key; for INVITEs whether a final response has come.
    sent: BTreeMap<ClientKey, (Request, Hop)>,
    received: BTreeMap<ServerKey, Request>,
    /// INVITEs answered 2xx whose ACK has not come, by Call-ID.
    unacknowledged: BTreeMap<String, ServerKey>,
    client_fates: BTreeMap<ClientKey, Fate>,
    server_ends: BTreeMap<ServerKey, usize>,
    requests_seen: BTreeMap<String, usize>,
    answers_given: BTreeMap<String, u16>,
    no_ack: bool,
}

impl World {
    fn run(seed: u64) -> Self {
        let plan = Plan::new(seed);
        let death = plan.death;
        let mut world = Self {
            zero: confkit::clock::now(),
            now: Duration::ZERO,
            rng: ChaCha12Rng::seed_from_u64(seed),
            net: Net::new(seed, plan.conditions),
            client: TransactionLayer::new(Timers::default(), Limits::default()),
            server: TransactionLayer::new(Timers::default(), Limits::default()),
            errands: BTreeMap::new(),
            serial: 0,
            sent: BTreeMap::new(),
            received: BTreeMap::new(),
            unacknowledged: BTreeMap::new(),
            client_fates: BTreeMap::new(),
            server_ends: BTreeMap::new(),
            requests_seen: BTreeMap::new(),
            answers_given: BTreeMap::new(),
            no_ack: false,
            plan,
        };
        for n in 0..REQUESTS {
            let method = if world.rng.random_bool(0.6) { Method::Invite } else { Method::Message };
            let transport = if world.rng.random_bool(0.7) { Transport::Udp } else { Transport::Tcp };
            let at = MS(world.rng.random_range(0..30_000));
            world.later(at, Errand::Send(request(n, method, transport), transport));
        }
        if let Some(at) = death {
            world.later(at, Errand::Die);
        }
        while let Some(at) = world.next() {
            assert!(at < Duration::from_secs(600), "something never ends, {world}");
            world.now = at.max(world.now);
            world.step();
        }
        world
    }

    fn next(&self) -> Option<Duration> {
        let timeouts = [&self.client, &self.server].into_iter().filter_map(TransactionLayer::next_timeout);
        let timeouts = timeouts.map(|at| at.saturating_duration_since(self.zero));
        timeouts.chain(self.net.next_arrival()).chain(self.errands.keys().next().map(|(at, _)| *at)).min()
    }

    fn step(&mut self) {
        let clock = self.zero + self.now;
        while let Some(packet) = self.net.arrived(self.now) {
            self.deliver(packet);
        }
        self.client.handle_timeout(clock);
        self.server.handle_timeout(clock);
        self.drain();
        while let Some(entry) = self.errands.first_entry().filter(|e| e.key().0 <= self.now) {
            let errand = entry.remove();
            self.run_errand(errand);
            self.drain();
        }
    }

    fn deliver(&mut self, packet: Packet<(Bytes, Transport)>) {
        let (bytes, transport) = packet.payload;
        let framing = if transport.reliable() { Framing::Stream } else { Framing::Datagram };
        let message = parse(&bytes, framing).expect("what machines send is well formed");
        let mut from = if packet.from == CLIENT { client_hop(transport) } else { server_hop(transport) };
        from.flow = transport.reliable().then_some(FlowId(1));
        let layer = if packet.to == CLIENT { &mut self.client } else { &mut self.server };
        layer.receive(self.zero + self.now, message, from);
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            if let Some(transmit) = self.client.poll_transmit() {
                self.transmit(CLIENT, SERVER, &transmit);
            } else if let Some(transmit) = self.server.poll_transmit() {
                self.transmit(SERVER, CLIENT, &transmit);
            } else if let Some(event) = self.client.poll_event() {
                self.client_event(event);
            } else if let Some(event) = self.server.poll_event() {
                self.server_event(event);
            } else {
                return;
            }
        }
    }

    fn transmit(&mut self, from: &'static str, to: &'static str, transmit: &Transmit) {
        let transport = transmit.hop.transport;
        let kind = if transport.reliable() { Kind::Stream } else { Kind::Datagram };
        let label = match &transmit.message {
            Message::Request(r) => format!("{} {}", r.method, r.call_id().unwrap_or("?")),
            Message::Response(r) => format!("{} {}", r.status, r.call_id().unwrap_or("?")),
        };
        let payload = (transmit.message.to_bytes(), transport);
        self.net.send(self.now, &Packet { from, to, kind, payload }, &label);
    }

    /// The user above the client: acknowledges every 2xx, cancels some, gives up in the end.
    fn client_event(&mut self, event: TransactionEvent) {
        self.note(CLIENT, &event);
        match event {
            TransactionEvent::Response { key, response, from: _ } => {
                let fate = self.client_fates.entry(key.clone()).or_default();
                let accepted_before = matches!(fate.outcomes[..], [Outcome::Answered(200..300)]);
                match response.status {
                    ..200 => {}
                    // A copy of the 2xx is no second outcome.
                    200..300 if *key.method() == Method::Invite && accepted_before => {}
                    status => fate.outcomes.push(Outcome::Answered(status)),
                }
                if *key.method() == Method::Invite && (200..300).contains(&response.status) {
                    let (invite, hop) = self.sent.get(&key).cloned().expect("a response to something we sent");
                    let ack = follow_up(&invite, Method::Ack, response.headers.get("To"));
                    self.transmit(CLIENT, SERVER, &Transmit { message: Message::Request(ack), hop });
                }
            }
            TransactionEvent::TimedOut { key } => self.client_fates.entry(key).or_default().outcomes.push(Outcome::TimedOut),
            TransactionEvent::TransportFailed { key } => self.client_fates.entry(key).or_default().outcomes.push(Outcome::Failed),
            TransactionEvent::ClientEnded { key } => self.client_fates.entry(key).or_default().ends += 1,
            TransactionEvent::StrayResponse { .. } => {}
            unexpected @ (TransactionEvent::Request { .. }
            | TransactionEvent::Ack { .. }
            | TransactionEvent::ResponseFailed { .. }
            | TransactionEvent::NoAck { .. }
            | TransactionEvent::ServerEnded { .. }) => panic!("a client heard of {unexpected:?}"),
        }
    }

    /// The user above the server: rings, answers after a while, repeats a 2xx until its ACK, obeys CANCEL.
    fn server_event(&mut self, event: TransactionEvent) {
        self.note(SERVER, &event);
        match event {
            TransactionEvent::Request { key, request, from: _ } => {
                *self.requests_seen.entry(identity(&request)).or_default() += 1;
                self.server_ends.insert(key.clone(), 0);
                let status = match request.method {
                    Method::Cancel => return self.cancelled(&key, &request),
                    Method::Invite => [200, 200, 404, 486, 603][self.rng.random_range(0..5)],
                    _ => [200, 404][self.rng.random_range(0..2)],
                };
                if self.rng.random_bool(0.5) {
                    let at = self.now + MS(self.rng.random_range(0..2_000));
                    self.later(at, Errand::Answer(key.clone(), 180));
                }
                self.received.insert(key.clone(), request);
                let patience = if self.rng.random_bool(0.1) { 28_000 } else { 3_000 };
                let at = self.now + MS(self.rng.random_range(0..patience));
                self.later(at, Errand::Answer(key, status));
            }
            TransactionEvent::Ack { request, from: _ } => {
                self.unacknowledged.remove(request.call_id().expect("a Call-ID"));
            }
            TransactionEvent::NoAck { .. } => self.no_ack = true,
            TransactionEvent::ResponseFailed { .. } => {}
            TransactionEvent::ServerEnded { key } => *self.server_ends.get_mut(&key).expect("a transaction that we know") += 1,
            unexpected @ (TransactionEvent::Response { .. }
            | TransactionEvent::StrayResponse { .. }
            | TransactionEvent::TimedOut { .. }
            | TransactionEvent::TransportFailed { .. }
            | TransactionEvent::ClientEnded { .. }) => panic!("a server heard of {unexpected:?}"),
        }
    }

    fn cancelled(&mut self, key: &ServerKey, cancel: &Request) {
        let invite = self.server.matching_invite(cancel);
        self.received.insert(key.clone(), cancel.clone());
        self.answer(key, if invite.is_some() { 200 } else { 481 });
        if let Some(invite) = invite {
            self.answer(&invite, 487);
        }
    }

    /// Answers, unless a final answer was given.
    fn answer(&mut self, key: &ServerKey, status: u16) {
        let request = self.received.get(key).expect("a request that we know").clone();
        if self.answers_given.contains_key(&identity(&request)) {
            return;
        }
        let response = request.response(status, "server");
        if status >= 200 {
            self.answers_given.insert(identity(&request), status);
        }
        self.server.respond(self.zero + self.now, key, response.clone());
        if request.method == Method::Invite && (200..300).contains(&status) {
            let timers = self.server.timers();
            let (interval, until) = (timers.t1, self.now + timers.give_up());
            self.unacknowledged.insert(request.call_id().expect("a Call-ID").to_owned(), key.clone());
            let repeat = Errand::RepeatAccepted { key: key.clone(), response: Box::new(response), interval, until };
            self.later(self.now + interval, repeat);
        }
    }

    fn run_errand(&mut self, errand: Errand) {
        let clock = self.zero + self.now;
        match errand {
            Errand::Send(request, transport) => {
                let id = identity(&request);
                let key = self.client.send(clock, request.clone(), server_hop(transport)).expect("there is room");
                self.client_fates.entry(key.clone()).or_default().id = id;
                self.sent.insert(key.clone(), (request.clone(), server_hop(transport)));
                if request.method == Method::Invite {
                    let patience = if self.rng.random_bool(0.3) { MS(self.rng.random_range(0..20_000)) } else { MS(180_000) };
                    self.later(self.now + patience, Errand::Cancel(key));
                }
            }
            // §9.1: not before the first 1xx, and not what has ended.
            Errand::Cancel(key) if self.client.client_state(&key) == "Calling" => self.later(self.now + MS(1_000), Errand::Cancel(key)),
            Errand::Cancel(key) if self.client.client_state(&key) == "Proceeding" => {
                let (invite, hop) = self.sent.get(&key).cloned().expect("an INVITE that we sent");
                let cancel = follow_up(&invite, Method::Cancel, None);
                let id = identity(&cancel);
                let cancel_key = self.client.send(clock, cancel.clone(), hop.clone()).expect("there is room");
                self.client_fates.entry(cancel_key.clone()).or_default().id = id;
                self.sent.insert(cancel_key, (cancel, hop));
                self.later(self.now + Timers::default().give_up(), Errand::GiveUp(key));
            }
            Errand::Cancel(_) => {}
            Errand::GiveUp(key) => {
                if self.client.client_state(&key) == "Proceeding" {
                    self.client_fates.entry(key.clone()).or_default().outcomes.push(Outcome::Abandoned);
                    self.client.abandon(clock, &key);
                }
            }
            Errand::Answer(key, status) => self.answer(&key, status),
            Errand::RepeatAccepted { key, response, interval, until } => {
                let waiting = response.call_id().is_some_and(|id| self.unacknowledged.contains_key(id));
                if waiting && self.now < until {
                    self.server.respond(clock, &key, (*response).clone());
                    let next = (interval * 2).min(self.server.timers().t2);
                    self.later(self.now + next, Errand::RepeatAccepted { key, response, interval: next, until });
                }
            }
            Errand::Die => {
                self.net.cut(self.now, SERVER);
                self.client.handle_transport_error(clock, &server_hop(Transport::Tcp));
                let flow = Hop { flow: Some(FlowId(1)), ..client_hop(Transport::Tcp) };
                self.server.handle_transport_error(clock, &flow);
            }
        }
    }

    fn later(&mut self, at: Duration, errand: Errand) {
        self.serial += 1;
        self.errands.insert((at, self.serial), errand);
    }

    fn note(&mut self, who: &str, event: &TransactionEvent) {
        let what = match event {
            TransactionEvent::Request { request, .. } => format!("request {}", identity(request)),
            TransactionEvent::Ack { request, .. } => format!("ack {}", identity(request)),
            TransactionEvent::Response { response, .. } => format!("response {} {:?}", response.status, response.call_id()),
            other => format!("{other:?}"),
        };
        let _ = writeln!(self.net.transcript, "{:>10.3} {who}: {what}", self.now.as_secs_f64());
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}:\n{}", self.plan.seed, self.net.transcript)
    }
}

/// Call-ID and method: what a request of this simulation is known by on both sides.
fn identity(request: &Request) -> String {
    format!("{} {}", request.call_id().unwrap_or("?"), request.method)
}

fn client_hop(transport: Transport) -> Hop {
    Hop::new(transport, ([192, 0, 2, 1], 5060).into())
}

fn server_hop(transport: Transport) -> Hop {
    Hop::new(transport, ([192, 0, 2, 2], 5060).into())
}

fn request(n: usize, method: Method, transport: Transport) -> Request {
    let mut headers = Headers::new();
    headers.push("Via", format!("SIP/2.0/{} 192.0.2.1:5060;rport;branch={MAGIC_COOKIE}{n}", transport.via_name()));
    headers.push("Max-Forwards", "70");
    headers.push("From", format!("<sip:client@192.0.2.1>;tag=c{n}"));
    headers.push("To", "<sip:server@192.0.2.2>");
    headers.push("Call-ID", format!("call-{n}"));
    headers.push("CSeq", CSeq { seq: 1, method: method.clone() }.to_string());
    headers.push("Contact", "<sip:client@192.0.2.1>");
    Request { method, uri: "sip:server@192.0.2.2".parse().expect("a URI"), headers, body: Bytes::new() }
}

/// The CANCEL of an INVITE, or with a To the ACK of its 2xx, which has a branch of its own.
fn follow_up(invite: &Request, method: Method, to: Option<&str>) -> Request {
    let mut request = Request { method: method.clone(), headers: Headers::new(), body: Bytes::new(), uri: invite.uri.clone() };
    for name in ["Via", "Max-Forwards", "From", "To", "Call-ID"] {
        request.headers.push(name, invite.headers.get(name).expect("a header of every request here"));
    }
    request.headers.push("CSeq", CSeq { seq: 1, method }.to_string());
    if let Some(to) = to {
        let mut via = invite.via().expect("a Via");
        via.set_param("branch", via.branch().map(|b| format!("{b}ack")));
        request.headers.set("Via", via.to_string());
        request.headers.set("To", to);
    }
    request
}
