//! Machines, network and clock; and the day: rough weather, fine weather, the end.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    time::{Duration, Instant},
};

use bytes::Bytes;
use confkit::{
    conference::wire::control::Participant,
    sip::{
        hop::{FlowId, Hop, Transport},
        node::{Arrival, Node as _, PeerIdentity},
    },
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use super::{
    Outcome,
    orders::Orders,
    plan::{CONFERENCES, FINE, Plan, ROUGH, WATCHERS},
    wire::Wire,
};
use crate::{
    conference::{self, mixer::Mixer, phone::Phone, server::Server, shell::Shell, watcher::Watcher},
    ladder::{Node, Output, Script, zero},
    net::{Kind, Net, Packet},
};

const SECOND: Duration = Duration::from_secs(1);

/// The places, in the order of the plan's columns.
pub const AS: usize = 0;
pub const MS: usize = 1;
pub const SHELL: usize = 2;
pub const FIRST_WATCHER: usize = 3;
pub const FIRST_PHONE: usize = FIRST_WATCHER + WATCHERS.len();

/// Dead terminals' calls, dialled calls, retransmissions: all have come to their end so long after the weather has cleared.
const REST: Duration = Duration::from_secs(170);
/// Whatever was sent before the weather cleared is answered or given up so long afterwards.
const SETTLED: Duration = Duration::from_secs(34);
/// How long it may take until nothing is under way, and at the end until nothing is remembered.
const PATIENCE: Duration = Duration::from_secs(240);

/// A terminal.
pub struct Person {
    pub name: &'static str,
    /// Account, or `guest`.
    pub account: String,
    /// Where it receives RTP.
    pub rtp: std::net::SocketAddr,
    pub phone: Phone,
    pub dead: bool,
}

/// One simulated day.
pub struct World {
    pub plan: Plan,
    pub seats: conference::World,
    names: Vec<&'static str>,
    hops: Vec<Vec<Hop>>,
    /// How many machines have been at each place.
    lives: Vec<u32>,
    pub now: Duration,
    pub rng: ChaCha12Rng,
    pub net: Net<(Transport, Bytes)>,
    pub server: Server,
    pub mixer: Mixer,
    /// The media server is dead.
    pub silent: bool,
    pub shell: Shell,
    pub watchers: Vec<Watcher>,
    pub people: Vec<Person>,
    pub orders: Orders,
    wire: Wire,
    pub complaints: Vec<String>,
    pub counts: BTreeMap<&'static str, u64>,
}

impl World {
    pub fn new(plan: Plan) -> Self {
        let seats = conference::World::of(&Script::parse(&plan.script));
        let names = seats.columns.clone();
        let at = |at: usize| seats.seat(at, names[at]);
        let person = |place: usize| {
            let seat = at(place);
            let account = seat.account().to_owned();
            Person { name: names[place], account, rtp: seat.rtp(), phone: Phone::new(&seat), dead: false }
        };
        Self {
            hops: (0..names.len()).map(|place| at(place).hops()).collect(),
            lives: vec![0; names.len()],
            now: Duration::ZERO,
            rng: ChaCha12Rng::seed_from_u64(plan.seed),
            net: Net::new(plan.seed, plan.weather),
            server: Server::new(&at(AS)),
            mixer: Mixer::new(&at(MS)),
            silent: false,
            shell: Shell::new(&at(SHELL)),
            watchers: (0..WATCHERS.len()).map(|n| Watcher::new(&at(FIRST_WATCHER + n))).collect(),
            people: (0..plan.phones).map(|n| person(FIRST_PHONE + n)).collect(),
            orders: Orders::default(),
            wire: Wire::default(),
            complaints: Vec::new(),
            counts: BTreeMap::new(),
            names,
            seats,
            plan,
        }
    }

    /// The whole day.
    pub fn run(mut self) -> Outcome {
        for n in 0..self.people.len() {
            if self.people[n].account != "guest" {
                self.tell(FIRST_PHONE + n, "register");
            }
        }
        self.rough();
        self.fine();
        self.evening();
        let transcript = format!("{}\n{}", self.plan.script, self.net.transcript);
        let complaints = [self.complaints, self.orders.complaints, self.wire.complaints].concat();
        Outcome { transcript, complaints, counts: self.counts }
    }

    /// Anything may happen.
    fn rough(&mut self) {
        let mut next = Duration::ZERO;
        let mut death = self.plan.death;
        while next < ROUGH {
            if let Some((dies, returns)) = death {
                if !self.silent && dies <= next {
                    self.run_until(dies);
                    self.media_server_dies();
                } else if self.silent && returns <= next {
                    self.run_until(returns);
                    self.media_server_returns();
                    death = None;
                }
            }
            self.run_until(next);
            self.whim();
            next = self.now + self.rng.random_range(Duration::from_millis(20)..self.plan.haste);
        }
        self.run_until(ROUGH);
    }

    /// Nothing new is begun, nothing is lost; at last nothing is under way, and all agree.
    fn fine(&mut self) {
        self.note("the weather clears");
        self.net.conditions = FINE;
        if self.silent {
            self.media_server_returns();
        }
        // Before session timers end what nobody else does.
        self.run_until(ROUGH + SETTLED);
        while !self.at_rest() && self.now < ROUGH + REST {
            self.run_until(self.now + SECOND);
        }
        self.judge_legs();
        self.run_until(ROUGH + REST);
        self.open_what_is_closed();
        self.run_until(self.now + 10 * SECOND);
        if !self.orders.open {
            self.complaints.push("the shell has no dialog in fine weather".to_owned());
        }
        let shows: Vec<String> = CONFERENCES.iter().filter(|name| self.exists(name)).map(|name| format!("show {name}")).collect();
        for show in &shows {
            self.ask(show);
        }
        let until = self.now + PATIENCE;
        loop {
            self.run_until(self.now + SECOND);
            if self.at_rest() {
                break self.judge_rest();
            }
            if self.now > until {
                break self.complaints.push(format!("it never comes to rest: {:?}", self.server.server.under_way()));
            }
        }
    }

    /// Everybody goes home.
    fn evening(&mut self) {
        self.note("the evening");
        self.tell(AS, "no pings");
        for name in CONFERENCES {
            if self.exists(name) {
                self.ask(&format!("end {name}"));
            }
        }
        self.run_until(self.now + 5 * SECOND);
        for name in CONFERENCES {
            if self.exists(name) {
                self.complaints.push(format!("{name} was ended and is there"));
            }
        }
        for n in 0..self.people.len() {
            if !self.people[n].dead {
                self.tell(FIRST_PHONE + n, "leave");
            }
        }
        for n in 0..self.watchers.len() {
            if self.watches(n) {
                self.tell(FIRST_WATCHER + n, "leave");
            }
        }
        if self.orders.open {
            self.tell(SHELL, "close");
        }
        let until = self.now + PATIENCE;
        while self.now < until && !self.left_over().is_empty() {
            self.run_until(self.now + 10 * SECOND);
        }
        let left = self.left_over();
        self.complaints.extend(left);
    }

    pub fn exists(&self, conference: &str) -> bool {
        self.server.server.has_conference(&conference.parse().expect("a name"))
    }

    pub fn roster(&self, conference: &str) -> Vec<Participant> {
        self.server.server.roster(&conference.parse().expect("a name"))
    }

    /// A watcher has a subscription, or is about to.
    pub fn watches(&self, n: usize) -> bool {
        self.watchers[n].watch.as_ref().is_some_and(|w| !w.finished())
    }

    /// Whoever lost its dialog or subscription makes another.
    fn open_what_is_closed(&mut self) {
        if !self.orders.open {
            self.open_shell();
        }
        for (n, conference) in CONFERENCES.iter().enumerate().take(self.watchers.len()) {
            if !self.watches(n) && self.exists(conference) {
                self.tell(FIRST_WATCHER + n, &format!("watch {conference}"));
            }
        }
    }

    pub fn open_shell(&mut self) {
        self.orders.opening();
        self.tell(SHELL, "open");
    }

    /// The shell asks.
    pub fn ask(&mut self, words: &str) {
        self.orders.asking(self.now, words);
        self.tell(SHELL, words);
    }

    fn media_server_dies(&mut self) {
        self.count("the media server dies");
        self.note("the media server dies");
        self.tell(MS, "die");
        self.silent = true;
    }

    /// Another process in its place, that knows nothing of the one before.
    fn media_server_returns(&mut self) {
        self.note("the media server is back");
        let mut seat = self.seats.seat(MS, self.names[MS]);
        seat.seed[1] += 1;
        self.mixer = Mixer::new(&seat);
        self.lives[MS] += 1;
        self.silent = false;
    }

    /// A terminal dies without a word.
    pub fn dies(&mut self, n: usize) {
        self.count("a terminal dies");
        self.people[n].dead = true;
        self.net.cut(self.now, self.people[n].name);
    }

    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn note(&mut self, what: &str) {
        let _ = writeln!(self.net.transcript, "{:>10.3} {what}", self.now.as_secs_f64());
    }

    pub fn clock(&self) -> Instant {
        zero() + self.now
    }

    fn node(&mut self, at: usize) -> &mut dyn Node {
        match at {
            AS => &mut self.server,
            MS => &mut self.mixer,
            SHELL => &mut self.shell,
            FIRST_WATCHER..FIRST_PHONE => &mut self.watchers[at - FIRST_WATCHER],
            _ => &mut self.people[at - FIRST_PHONE].phone,
        }
    }

    fn is_dead(&self, at: usize) -> bool {
        at >= FIRST_PHONE && self.people[at - FIRST_PHONE].dead
    }

    /// Gives a machine a command of the ladders.
    pub fn tell(&mut self, at: usize, words: &str) {
        self.note(&format!("{}: {words}", self.names[at]));
        if words == "open" || words.starts_with("watch ") {
            self.lives[at] += 1;
        }
        let now = self.clock();
        self.node(at).command(now, words, &[]);
        self.drain(at);
    }

    /// Runs everything that happens until then.
    pub fn run_until(&mut self, until: Duration) {
        loop {
            let mut due: Vec<(usize, Duration)> = Vec::new();
            for at in (0..self.names.len()).filter(|at| !self.is_dead(*at)).collect::<Vec<_>>() {
                let timeout = self.node(at).next_timeout();
                due.extend(timeout.map(|when| (at, when.saturating_duration_since(zero()))));
            }
            let first = due.iter().map(|(_, at)| *at).chain(self.net.next_arrival()).min();
            let Some(next) = first.filter(|next| *next <= until) else { break };
            self.now = next.max(self.now);
            let (now, clock) = (self.now, self.clock());
            while let Some(packet) = self.net.arrived(now) {
                self.arrive(packet);
            }
            for (at, _) in due.into_iter().filter(|(_, when)| *when <= now) {
                self.node(at).handle_timeout(clock);
                self.drain(at);
                if self.node(at).next_timeout().is_some_and(|next| next <= clock) {
                    panic!("CONFKIT_SEED={}: {} has done what was due, and it is due still", self.plan.seed, self.names[at]);
                }
            }
        }
        self.now = self.now.max(until);
    }

    fn place(&self, name: &str) -> usize {
        self.names.iter().position(|n| *n == name).expect("a place")
    }

    fn arrive(&mut self, packet: Packet<(Transport, Bytes)>) {
        let (from, to) = (self.place(packet.from), self.place(packet.to));
        if self.is_dead(to) {
            return;
        }
        let (transport, bytes) = packet.payload;
        let at = |place: usize| self.hops[place].iter().find(|h| h.transport == transport).expect("a hop").clone();
        let (mut source, here) = (at(from), at(to).address);
        source.flow = transport.reliable().then(|| FlowId((from.min(to) * 1000 + from.max(to)) as u64));
        let now = self.clock();
        self.node(to).arrive(now, Arrival::Message { bytes, from: source, peer: PeerIdentity::Anonymous, to: here });
        self.drain(to);
    }

    /// Takes out what a machine has to send and to say.
    fn drain(&mut self, at: usize) {
        while let Some(output) = self.node(at).poll() {
            match output {
                Output::Send(transmit) => self.send(at, &transmit.hop, transmit.bytes),
                Output::Saw(text) => self.saw(at, &text),
            }
        }
        for event in std::mem::take(&mut self.shell.heard) {
            if let Some(what) = self.orders.told(event) {
                self.count(what);
            }
        }
        if at == AS {
            for name in CONFERENCES {
                let (exists, roster) = (self.exists(name), self.roster(name));
                self.orders.note(name, exists, &roster);
            }
        }
    }

    fn send(&mut self, at: usize, hop: &Hop, bytes: Bytes) {
        let here = |hops: &Vec<Hop>| hops.iter().any(|h| h.transport == hop.transport && h.address == hop.address);
        let label = self.wire.see(&format!("{} {}", self.names[at], self.lives[at]), &bytes);
        let Some(to) = self.hops.iter().position(here) else {
            return self.note(&format!("{} -> nobody at {hop} {label}", self.names[at]));
        };
        let kind = if hop.transport.reliable() { Kind::Stream } else { Kind::Datagram };
        let packet = Packet { from: self.names[at], to: self.names[to], kind, payload: (hop.transport, bytes) };
        self.net.send(self.now, &packet, &label);
    }

    fn saw(&mut self, at: usize, text: &str) {
        self.note(&format!("{} saw {text}", self.names[at]));
        for (begins, what) in [
            ("the call up", "a call up"),
            ("its call refused", "a call refused"),
            ("the call ended by the other side", "a call ended by the other side"),
            ("the call ended by itself", "a call ended by itself"),
            ("the session change", "a change of a session"),
            ("the conference gone", "a watched conference gone"),
        ] {
            if text.starts_with(begins) {
                self.count(what);
            }
        }
    }
}
