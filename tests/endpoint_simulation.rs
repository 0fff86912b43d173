//! Two endpoints whose owners do anything at any time, over a network that loses, repeats and reorders: every call ends exactly once on both
//! sides, every request gets one answer, nothing is left at the end, and the same seed makes the same transcript.
//!
//! `SIMULATIONS=5000 cargo test --test endpoint_simulation` tries more seeds than the usual ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::{Duration, Instant},
};

use bytes::Bytes;
use confkit::sip::{
    Hop, Transport,
    endpoint::{
        Body, Call, Endpoint, EndpointConfig, Event, Incoming, Invite, OutOfDialog, Outgoing, Subscribe, Subscription, SubscriptionState,
    },
    message::{Host, Method, NameAddr, Uri},
};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

/// How long owners start new things; afterwards they only end what there is.
const BUSY: Duration = Duration::from_secs(120);

/// By then everything has to be over: BYEs, transactions and memories of them take a few 64·T1.
const END: Duration = Duration::from_secs(900);

/// The network between the two.
#[derive(Clone, Copy)]
struct Weather {
    loss: u32,
    repeats: u32,
    most_delay_ms: u32,
}

struct Side {
    name: &'static str,
    here: Hop,
    endpoint: Endpoint,
    calls: BTreeMap<Call, Stage>,
    ended: BTreeSet<Call>,
    waiting: Vec<Incoming>,
    outgoing: BTreeSet<Outgoing>,
    answered: BTreeSet<Outgoing>,
    ours: BTreeSet<Subscription>,
    theirs: BTreeSet<Subscription>,
    subscriptions_ended: BTreeSet<Subscription>,
}

/// What an owner may do next with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Calling,
    Ringing,
    OwesAck,
    Up,
    /// The peer's re-INVITE waits.
    Asked,
}

struct World {
    rng: ChaCha12Rng,
    weather: Weather,
    zero: Instant,
    now: Duration,
    sides: [Side; 2],
    in_flight: BTreeMap<(Duration, u64), (usize, Bytes)>,
    launched: u64,
    /// Written only where it is read: printing events costs more than the run.
    transcript: Option<String>,
}

impl Side {
    fn new(name: &'static str, place: &str, seed: u8) -> Self {
        let here = Hop::new(Transport::Udp, place.parse().expect("an address"));
        let socket = here.socket().expect("an address");
        let config = EndpointConfig {
            // Short enough to come round in a run; a refresh that the weather spoils ends a call, as it should.
            session_expires: Some(Duration::from_secs(90)),
            events: vec!["conference".to_owned()],
            large_request: None,
            ..EndpointConfig::default()
        }
        .at(Transport::Udp, Host::Ip(socket.ip()), Some(socket.port()));
        Self {
            name,
            here,
            endpoint: Endpoint::new(config, [seed; 32]),
            calls: BTreeMap::new(),
            ended: BTreeSet::new(),
            waiting: Vec::new(),
            outgoing: BTreeSet::new(),
            answered: BTreeSet::new(),
            ours: BTreeSet::new(),
            theirs: BTreeSet::new(),
            subscriptions_ended: BTreeSet::new(),
        }
    }

    fn address(&self) -> NameAddr {
        let uri: Uri = format!("sip:{}@{}", self.name, self.here.socket().expect("an address")).parse().expect("a URI");
        NameAddr::new(uri)
    }
}

impl World {
    fn new(seed: u64, weather: Weather, written: bool) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let seeds = [rng.next_u32() as u8, rng.next_u32() as u8];
        Self {
            rng,
            weather,
            zero: confkit::clock::now(),
            now: Duration::ZERO,
            sides: [Side::new("alice", "192.0.2.1:5060", seeds[0]), Side::new("bob", "192.0.2.2:5060", seeds[1])],
            in_flight: BTreeMap::new(),
            launched: 0,
            transcript: written.then(String::new),
        }
    }

    /// Runs to the end and says what happened.
    fn run(mut self) -> String {
        let mut next_whim = Duration::ZERO;
        while self.now < END && !self.is_over() {
            let timers = (0..2).filter_map(|at| self.sides[at].endpoint.next_timeout()).min();
            let due = [
                self.in_flight.keys().next().map(|(at, _)| *at),
                timers.map(|at| at.saturating_duration_since(self.zero)),
                Some(next_whim),
            ];
            self.now = due.into_iter().flatten().min().expect("a whim at least").max(self.now);
            let now = self.zero + self.now;
            while let Some(((at, _), (to, bytes))) = self.in_flight.pop_first() {
                if at > self.now {
                    self.in_flight.insert((at, self.launched), (to, bytes));
                    self.launched += 1;
                    break;
                }
                let from = self.sides[1 - to].here.clone();
                self.sides[to].endpoint.handle_bytes(now, bytes, from);
                self.drain(to);
            }
            for at in 0..2 {
                if self.sides[at].endpoint.next_timeout().is_some_and(|due| due <= now) {
                    self.sides[at].endpoint.handle_timeout(now);
                    let next = self.sides[at].endpoint.next_timeout();
                    assert!(next.is_none_or(|next| next > now), "what was due is done");
                    self.drain(at);
                }
            }
            if next_whim <= self.now {
                next_whim = self.now + Duration::from_millis(u64::from(self.below(700)) + 1);
                let at = self.below(2) as usize;
                if self.now < BUSY {
                    self.whim(at);
                } else {
                    self.tidy(0);
                    self.tidy(1);
                }
            }
        }
        for side in &self.sides {
            assert_eq!(side.calls.len(), 0, "{}: calls without an end {:?}", side.name, side.calls);
            assert_eq!(side.outgoing, side.answered, "{}: each request gets one answer", side.name);
            assert_eq!(side.ours.union(&side.theirs).count(), side.subscriptions_ended.len(), "{}: each subscription ends once", side.name);
            assert!(side.endpoint.is_idle(), "{}: something is left: {:#?}", side.name, side.endpoint);
        }
        self.transcript.unwrap_or_default()
    }

    /// Nothing new is begun, nothing is left, and nothing is on its way.
    fn is_over(&self) -> bool {
        self.now > BUSY && self.in_flight.is_empty() && self.sides.iter().all(|side| side.endpoint.is_idle() && side.calls.is_empty())
    }

    fn write(&mut self, at: usize, what: std::fmt::Arguments<'_>) {
        if let Some(transcript) = &mut self.transcript {
            let _ = writeln!(transcript, "{:?} {} {what}", self.now, self.sides[at].name);
        }
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.rng.next_u32() % bound
    }

    fn body(&mut self) -> Option<Body> {
        let n = self.below(4);
        (n > 0).then(|| Body::sdp(format!("v=0 {n}")))
    }

    fn pick<T: Copy>(&mut self, from: impl IntoIterator<Item = T>) -> Option<T> {
        let all: Vec<T> = from.into_iter().collect();
        (!all.is_empty()).then(|| all[self.rng.next_u32() as usize % all.len()])
    }

    /// An owner does something.
    fn whim(&mut self, at: usize) {
        let now = self.zero + self.now;
        let what = self.below(13);
        self.write(at, format_args!("whim {what}"));
        match what {
            0 | 1 if self.sides[at].calls.len() < 6 => self.call(at),
            2..=5 => {
                if let Some((call, stage)) = self.pick(self.sides[at].calls.clone()) {
                    self.go_on(at, call, stage);
                }
            }
            6 => {
                let long_enough = self.below(6) == 0;
                if let Some((call, _)) = self.pick(self.sides[at].calls.clone()).filter(|_| long_enough) {
                    self.sides[at].endpoint.bye(now, call, None, Vec::new());
                }
            }
            7 => {
                if let Some((call, _)) = self.pick(self.sides[at].calls.clone()) {
                    self.sides[at].endpoint.cancel(now, call, None);
                }
            }
            8 => {
                if let Some((call, _)) = self.pick(self.sides[at].calls.clone()) {
                    let sent = self.sides[at].endpoint.request(now, call, Method::Info, Vec::new(), None);
                    self.sides[at].outgoing.extend(sent);
                }
            }
            9 => self.subscribe(at),
            10 => {
                if let Some(subscription) = self.pick(self.sides[at].theirs.clone()) {
                    let _ =
                        self.sides[at].endpoint.notify(now, subscription, SubscriptionState::Active, Some(Body::new("text/plain", "x")));
                }
            }
            11 => {
                let all = self.sides[at].ours.union(&self.sides[at].theirs).copied().collect::<Vec<_>>();
                if let Some(subscription) = self.pick(all) {
                    self.sides[at].endpoint.unsubscribe(now, subscription);
                }
            }
            _ => self.message(at),
        }
        self.answer_waiting(at);
        self.drain(at);
    }

    /// The next thing that a call's stage allows.
    fn go_on(&mut self, at: usize, call: Call, stage: Stage) {
        let now = self.zero + self.now;
        let (body, dice) = (self.body(), self.below(4));
        let side = &mut self.sides[at];
        match (stage, dice) {
            (Stage::Calling, _) => {}
            (Stage::Ringing, 0) => side.endpoint.provisional(now, call, 180, None),
            (Stage::Ringing, 1) => side.endpoint.reject(now, call, 486, Vec::new()),
            (Stage::Asked, 0) => {
                side.calls.insert(call, Stage::Up);
                side.endpoint.reject(now, call, 488, Vec::new());
            }
            (Stage::Ringing | Stage::Asked, _) => {
                side.calls.insert(call, Stage::Up);
                side.endpoint.accept(now, call, body, Vec::new());
            }
            (Stage::OwesAck, _) => {
                side.calls.insert(call, Stage::Up);
                side.endpoint.ack(now, call, body);
            }
            (Stage::Up, 0) => {
                side.endpoint.withdraw_reinvites(call);
            }
            (Stage::Up, _) => {
                let _ = side.endpoint.reinvite(now, call, body);
            }
        }
    }

    fn call(&mut self, at: usize) {
        let (now, body, peer) = (self.zero + self.now, self.body(), self.sides[1 - at].address());
        let side = &mut self.sides[at];
        let invite = Invite {
            uri: peer.uri.clone(),
            to: peer,
            from: side.address(),
            contact: side.address(),
            hop: Hop::new(Transport::Udp, if at == 0 { "192.0.2.2:5060" } else { "192.0.2.1:5060" }.parse().expect("an address")),
            route: Vec::new(),
            headers: Vec::new(),
            body,
            credentials: None,
        };
        let call = side.endpoint.invite(now, invite).expect("far from any bound");
        side.calls.insert(call, Stage::Calling);
    }

    fn message(&mut self, at: usize) {
        let (now, peer) = (self.zero + self.now, self.sides[1 - at].address());
        let hop = self.sides[1 - at].here.clone();
        let side = &mut self.sides[at];
        let message = OutOfDialog {
            method: Method::Message,
            uri: peer.uri.clone(),
            to: peer,
            from: side.address(),
            contact: None,
            hop,
            route: Vec::new(),
            sequence: None,
            headers: Vec::new(),
            body: Some(Body::new("text/plain", "hello")),
            credentials: None,
        };
        side.outgoing.insert(side.endpoint.send(now, message).expect("far from any bound"));
    }

    fn subscribe(&mut self, at: usize) {
        let (now, peer) = (self.zero + self.now, self.sides[1 - at].address());
        let hop = self.sides[1 - at].here.clone();
        let expires = [0, 30, 60][self.below(3) as usize];
        let side = &mut self.sides[at];
        let subscribe = Subscribe {
            uri: peer.uri.clone(),
            to: peer,
            from: side.address(),
            contact: side.address(),
            hop,
            route: Vec::new(),
            event: "conference".to_owned(),
            expires,
            accept: Vec::new(),
            headers: Vec::new(),
            body: None,
            credentials: None,
        };
        side.ours.insert(side.endpoint.subscribe(now, subscribe).expect("far from any bound"));
    }

    fn answer_waiting(&mut self, at: usize) {
        let now = self.zero + self.now;
        // Now and then an owner forgets.
        for incoming in std::mem::take(&mut self.sides[at].waiting) {
            let status = [200, 200, 200, 415, 481, 0][self.below(6) as usize];
            if status > 0 {
                self.sides[at].endpoint.respond(now, incoming, status, Vec::new(), None);
            }
        }
    }

    /// An owner ends all that it has.
    fn tidy(&mut self, at: usize) {
        let now = self.zero + self.now;
        for call in self.sides[at].calls.keys().copied().collect::<Vec<_>>() {
            self.sides[at].endpoint.bye(now, call, None, Vec::new());
        }
        let side = &mut self.sides[at];
        for subscription in side.ours.union(&side.theirs).copied().collect::<Vec<_>>() {
            side.endpoint.unsubscribe(now, subscription);
        }
        self.answer_waiting(at);
        self.drain(at);
    }

    /// Takes out what an endpoint has to say.
    fn drain(&mut self, at: usize) {
        while let Some(event) = self.sides[at].endpoint.poll_event() {
            self.write(at, format_args!("{event:?}"));
            self.told(at, event);
        }
        while let Some(transmit) = self.sides[at].endpoint.poll_transmit() {
            let first = transmit.bytes.split(|b| *b == b'\r').next().unwrap_or_default().to_vec();
            self.write(at, format_args!("-> {}", String::from_utf8_lossy(&first)));
            assert_eq!(transmit.hop.socket(), self.sides[1 - at].here.socket(), "there is nobody else to send to");
            let copies = if self.below(100) < self.weather.loss { 0 } else { 1 + u32::from(self.below(100) < self.weather.repeats) };
            for _ in 0..copies {
                let delay = Duration::from_millis(u64::from(self.below(self.weather.most_delay_ms)) + 1);
                self.launched += 1;
                self.in_flight.insert((self.now + delay, self.launched), (1 - at, transmit.bytes.clone()));
            }
        }
    }

    fn told(&mut self, at: usize, event: Event) {
        let now = self.zero + self.now;
        let dice = self.below(3);
        let side = &mut self.sides[at];
        let live = |side: &Side, call: Call| assert!(side.calls.contains_key(&call), "{}: nothing comes after the end", side.name);
        match event {
            Event::Invite { call, .. } => {
                assert!(!side.ended.contains(&call));
                side.calls.insert(call, Stage::Ringing);
                if dice == 0 {
                    side.calls.insert(call, Stage::Up);
                    side.endpoint.accept(now, call, Some(Body::sdp("v=0")), Vec::new());
                }
            }
            Event::Reinvite { call, .. } => {
                live(side, call);
                side.calls.insert(call, Stage::Asked);
            }
            Event::ReinviteCancelled { call } => {
                live(side, call);
                side.calls.insert(call, Stage::Up);
            }
            Event::Accepted { call, .. } => {
                live(side, call);
                side.calls.insert(call, Stage::OwesAck);
            }
            Event::Acked { call, .. }
            | Event::AckMissing { call }
            | Event::Cancelled { call, .. }
            | Event::Progress { call, .. }
            | Event::Rejected { call, .. }
            | Event::ReinviteRejected { call, .. }
            | Event::Refreshed { call, .. } => live(side, call),
            Event::Ended { call, .. } => {
                live(side, call);
                side.calls.remove(&call);
                assert!(side.ended.insert(call), "{}: a call ends once", side.name);
            }
            Event::Request { incoming, request, .. } if request.method == Method::Subscribe => {
                if let Ok(subscription) = side.endpoint.accept_subscription(now, incoming, 60) {
                    side.theirs.insert(subscription);
                    let _ = side.endpoint.notify(now, subscription, SubscriptionState::Active, None);
                }
            }
            Event::Request { incoming, call, .. } => {
                if let Some(call) = call {
                    live(side, call);
                }
                side.waiting.push(incoming);
            }
            Event::Response { outgoing, .. } => assert!(side.answered.insert(outgoing), "{}: one answer", side.name),
            Event::Subscribe { subscription, .. } => {
                let _ = side.endpoint.notify(now, subscription, SubscriptionState::Active, None);
            }
            Event::Notify { incoming, .. } => side.endpoint.respond(now, incoming, 200, Vec::new(), None),
            Event::Subscribed { .. } => {}
            Event::SubscriptionEnded { subscription, .. } => assert!(side.subscriptions_ended.insert(subscription)),
            other => panic!("what is {other:?}?"),
        }
    }
}

fn many(weather: Weather, first_seed: u64) {
    let runs = std::env::var("SIMULATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
    for seed in first_seed..first_seed + runs {
        let run = std::panic::catch_unwind(|| World::new(seed, weather, false).run());
        assert!(run.is_ok(), "seed {seed}");
    }
}

#[test]
fn on_a_quiet_network_everything_ends_once() {
    many(Weather { loss: 0, repeats: 0, most_delay_ms: 50 }, 0);
}

#[test]
fn with_reordering_and_copies_everything_ends_once() {
    many(Weather { loss: 0, repeats: 20, most_delay_ms: 900 }, 1_000_000);
}

#[test]
fn with_every_fifth_message_lost_everything_ends_once() {
    many(Weather { loss: 20, repeats: 5, most_delay_ms: 400 }, 2_000_000);
}

#[test]
fn with_most_messages_lost_everything_ends_once() {
    many(Weather { loss: 70, repeats: 0, most_delay_ms: 200 }, 3_000_000);
}

#[test]
fn the_same_seed_makes_the_same_transcript() {
    let weather = Weather { loss: 20, repeats: 10, most_delay_ms: 600 };
    for seed in 42..44 {
        let transcript = World::new(seed, weather, true).run();
        assert!(transcript.lines().count() > 500, "a run worth comparing");
        assert_eq!(transcript, World::new(seed, weather, true).run());
    }
}

#[test]
fn the_runs_bring_about_everything_that_can_happen() {
    let weather = Weather { loss: 15, repeats: 10, most_delay_ms: 600 };
    let mut missing = vec![
        "Invite {",
        "Reinvite {",
        "ReinviteCancelled",
        "Acked",
        "AckMissing",
        "Cancelled {",
        "Progress",
        "Accepted",
        "Rejected {",
        "ReinviteRejected",
        "Refreshed",
        "Response",
        "Subscribe {",
        "Subscribed",
        "Notify",
        "SubscriptionEnded",
        "why: ByeReceived",
        "why: ByeSent",
        "why: Refused",
        "why: Cancelled",
        "why: Expired",
        "why: Gone",
        "491 Request Pending",
        "500 Server Internal Error",
        "487 Request Terminated",
        "481 Call/Transaction Does Not Exist",
    ];
    for seed in 100..120 {
        let transcript = World::new(seed, weather, true).run();
        missing.retain(|what| !transcript.contains(what));
    }
    assert_eq!(missing, Vec::<&str>::new(), "never seen");
}
