//! Hundreds of terminals come, go, die and misbehave at random against the relay's machine, on virtual time, from a seed; twice, and equal.
//!
//! At all times its tables are within their bounds, nobody is sent anything who is not there, no letter reaches anybody who is neither at its
//! writer's place nor in its writer's channel, and who is in a channel hears at once of each who leaves it. At the end nothing is left.
//! `CONFKIT_SEED=17 cargo test --test channel_simulation -- --nocapture` runs and prints one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
    time::{Duration, Instant},
};

use bytes::Bytes;
use confkit::channel::{
    ChannelNumber, Nameplate, Peer, Place,
    relay::{Action, Anonymous, Applicant, ConnectionId, Event, Flow, Leg, Limits, Relay, Settings, Standing},
    wire::{
        ChannelKey, Frame, Kind, Message, Proof, Reason, Role,
        answer::Gone,
        proof::{Admission, Challenge, Purpose},
        request::{Apply, Enter, Join, Leave, Meet, Wanted},
    },
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

const STEPS: usize = 12_000;
const OPEN: usize = 350;

fn limits() -> Limits {
    Limits {
        connections: 300,
        connections_per_address: 40,
        channels: 40,
        channels_per_user: 5,
        applications_per_minute: const { NonZeroU32::new(600).expect("not zero") },
        applicants: 30,
        letters: 6,
        waiting: Duration::from_secs(200),
        ..Limits::default()
    }
}

/// From whom, to whom.
type Pump = (ConnectionId, Vec<(Peer, ConnectionId)>);

/// What the world knows of one connection.
#[derive(Default)]
struct Line {
    challenge: Challenge,
    place: Option<(Place, Role)>,
    seat: Option<(ChannelNumber, Peer)>,
    /// Of a data connection.
    stream: Option<(ChannelNumber, Peer, u8)>,
    joined: bool,
    met: Vec<Peer>,
    silent: bool,
    reads: bool,
    paused: bool,
    unread: Vec<Frame>,
}

struct World {
    relay: Relay,
    rng: ChaCha12Rng,
    zero: Instant,
    now: Duration,
    lines: BTreeMap<ConnectionId, Line>,
    connected: u64,
    channels: Vec<(ChannelNumber, ChannelKey)>,
    nameplates: BTreeSet<Nameplate>,
    pumps: BTreeMap<(ChannelNumber, u8), Pump>,
    /// Who has to hear of whom: checked when the relay has said all.
    to_hear: BTreeSet<(ConnectionId, ChannelNumber, Peer)>,
    letters: u64,
    /// The channel of the newest `enter`, which `entered` does not repeat.
    entering: Option<ChannelNumber>,
    transcript: String,
}

fn run(seed: u64) -> String {
    let settings = Settings { limits: limits(), anonymous: Anonymous::Loopback, addresses: vec!["192.0.2.1:7000".to_owned()] };
    let mut world = World {
        relay: Relay::new(settings, [seed as u8; 32]),
        rng: ChaCha12Rng::seed_from_u64(seed),
        zero: confkit::clock::now(),
        now: Duration::ZERO,
        lines: BTreeMap::new(),
        connected: 0,
        channels: Vec::new(),
        nameplates: BTreeSet::new(),
        pumps: BTreeMap::new(),
        to_hear: BTreeSet::new(),
        letters: 0,
        entering: None,
        transcript: String::new(),
    };
    for _ in 0..STEPS {
        let pause = if world.rng.random_ratio(1, 200) { world.rng.random_range(0..8_000) } else { world.rng.random_range(0..60) };
        world.wait(Duration::from_millis(pause));
        world.step();
        world.check();
    }
    world.end();
    world.transcript
}

impl World {
    fn clock(&self) -> Instant {
        self.zero + self.now
    }

    fn note(&mut self, text: &str) {
        let _ = writeln!(self.transcript, "{} {text}", self.now.as_millis());
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.relay.next_timeout().map(|at| at.saturating_duration_since(self.zero)).filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.relay.handle_timeout(self.clock());
            self.drain();
        }
        self.now = end;
    }

    fn step(&mut self) {
        if self.lines.len() < OPEN && self.rng.random_ratio(1, 6) {
            return self.connect();
        }
        let Some(id) = self.any_line() else { return };
        let dies = self.rng.random_ratio(1, 150);
        if dies {
            return self.close(id);
        }
        let line = &self.lines[&id];
        match (line.stream, line.place.is_some() || line.seat.is_some()) {
            (Some(_), _) => self.carry(id),
            (None, false) => self.begin(id),
            (None, true) => self.go_on(id),
        }
    }

    fn any_line(&mut self) -> Option<ConnectionId> {
        let count = self.lines.len();
        (count > 0).then(|| *self.lines.keys().nth(self.rng.random_range(0..count)).expect("one of them"))
    }

    fn connect(&mut self) {
        self.connected += 1;
        let id = ConnectionId(self.connected);
        let from = if self.rng.random_ratio(1, 3) { Ipv4Addr::LOCALHOST } else { Ipv4Addr::new(192, 0, 2, self.rng.random_range(1..20)) };
        if self.relay.handle_connected(self.clock(), id, IpAddr::V4(from)).is_ok() {
            self.lines.insert(id, Line { reads: true, ..Line::default() });
        }
        self.drain();
    }

    /// A connection that is in nothing does something.
    fn begin(&mut self, id: ConnectionId) {
        match self.rng.random_range(0..100) {
            0..16 => self.apply(id),
            16..45 => self.meet(id),
            45..65 => self.enter(id),
            65..95 => self.join(id),
            95..97 => self.nonsense(id),
            _ => self.say(id, &Message::Ping([0; 8])),
        }
    }

    fn go_on(&mut self, id: ConnectionId) {
        let seated = self.lines[&id].seat.is_some();
        match self.rng.random_range(0..100) {
            0..54 => self.letter(id),
            54..66 if !seated || self.rng.random_ratio(1, 40) => self.enter(id),
            66..67 => self.apply(id),
            67..70 => self.say(id, &Message::Ping([1; 8])),
            70..72 => {
                let guess = self.rng.random_bool(0.5).then_some(Peer(128));
                self.say(id, &Message::Spent { guess });
            }
            72..73 => self.lines.get_mut(&id).expect("it is there").silent = true,
            73..76 => self.lines.get_mut(&id).expect("it is there").reads = false,
            76..87 => self.read(id),
            87..89 => {
                let reasons = [Reason::Done, Reason::Cancelled, Reason::Failed, Reason::Declined];
                let reason = reasons[self.rng.random_range(0..4)];
                self.say(id, &Message::Leave(Leave::new(reason, "enough")));
            }
            89..91 if self.rng.random_ratio(1, 8) => self.nonsense(id),
            91..92 if self.rng.random_ratio(1, 4) => self.meet(id),
            _ => {}
        }
    }

    fn apply(&mut self, id: ConnectionId) {
        let nameplate = match self.rng.random_range(0..4) {
            0 => None,
            1 => Some(Wanted::This(self.any_nameplate())),
            _ => Some(Wanted::Any(true)),
        };
        let apply = Apply { ticket: None, peer: None, kind: None, receivers: self.rng.random_range(1..=4), nameplate };
        let user = format!("u{}", self.rng.random_range(0..12)).parse().expect("a name");
        let applicant = match self.rng.random_range(0..10) {
            0..5 => Applicant::User(user),
            5..8 => Applicant::Anonymous,
            8 => Applicant::Barred(user),
            _ => Applicant::Unverified("it has expired".to_owned()),
        };
        if !self.relay.is_read(id) {
            return;
        }
        let now = self.clock();
        if let Some(apply) = self.relay.handle_frame(now, id, Message::Apply(apply).to_frame()) {
            self.relay.handle_apply(now, id, applicant, &apply);
        }
        let held = self.relay.standing().channels;
        self.drain();
        assert!(held <= limits().channels);
        // Mostly the sender goes to its nameplate at once.
        let nameplate = self.nameplates.iter().next_back().copied();
        if let Some(nameplate) = nameplate.filter(|_| self.lines.contains_key(&id) && self.rng.random_ratio(3, 4)) {
            self.meet_at(id, Place::Nameplate(nameplate), Role::Sender, true);
        }
    }

    fn any_nameplate(&mut self) -> Nameplate {
        Nameplate::new(self.rng.random_range(1..12)).expect("a nameplate")
    }

    fn meet(&mut self, id: ConnectionId) {
        let secret = self.rng.random_ratio(1, 2);
        let place = if secret { Place::Secret([self.rng.random_range(0..20); 32]) } else { Place::Nameplate(self.any_nameplate()) };
        let role = if secret && self.rng.random() { Role::Sender } else { Role::Receiver };
        let wait = self.rng.random();
        self.meet_at(id, place, role, wait);
    }

    fn meet_at(&mut self, id: ConnectionId, place: Place, role: Role, wait: bool) {
        if !self.relay.is_read(id) {
            return;
        }
        self.say(id, &Message::Meet(Meet { place, role, wait }));
        if let Some(line) = self.lines.get_mut(&id) {
            line.place = Some((place, role));
        }
    }

    fn enter(&mut self, id: ConnectionId) {
        let Some((channel, key)) = self.any_channel() else { return };
        let role = if self.rng.random_ratio(1, 3) { Role::Sender } else { Role::Receiver };
        let seat = (role == Role::Receiver && self.rng.random_ratio(1, 4)).then(|| Peer(self.rng.random_range(1..5)));
        let purpose = Purpose::Enter { seat: seat.unwrap_or(Peer::SENDER) };
        let proof = self.prove(id, channel, role, purpose, &key);
        self.entering = Some(channel);
        self.say(id, &Message::Enter(Enter { channel, role, proof, seat }));
    }

    fn join(&mut self, id: ConnectionId) {
        // Whose data connection this is: somebody's who has a seat, mostly.
        let mut seats: Vec<(ChannelNumber, Peer)> = self.lines.values().filter_map(|line| line.seat).collect();
        let senders: Vec<ChannelNumber> = seats.iter().filter(|(_, seat)| *seat == Peer::SENDER).map(|(channel, _)| *channel).collect();
        let joined: BTreeSet<(ChannelNumber, Peer)> = self
            .lines
            .values()
            .filter_map(|line| line.stream)
            .filter(|(_, _, stream)| *stream == 0)
            .map(|(channel, seat, _)| (channel, seat))
            .collect();
        // Mostly where there is something to be carried, and by those who have not joined.
        if self.rng.random_ratio(9, 10) {
            seats.retain(|seat| senders.contains(&seat.0) && !joined.contains(seat));
        }
        if seats.is_empty() || !self.relay.is_read(id) {
            return;
        }
        let (channel, seat) = seats[self.rng.random_range(0..seats.len())];
        let Some((_, key)) = self.channels.iter().find(|(number, _)| *number == channel).cloned() else { return };
        let (role, stream) =
            (if seat == Peer::SENDER { Role::Sender } else { Role::Receiver }, if self.rng.random_ratio(1, 6) { 1 } else { 0 });
        let to = if role == Role::Sender && self.rng.random_ratio(1, 3) { vec![Peer(1), Peer(2)] } else { Vec::new() };
        let proof = self.prove(id, channel, role, Purpose::Join { seat, stream }, &key);
        self.lines.get_mut(&id).expect("it is there").stream = Some((channel, seat, stream));
        self.say(id, &Message::Join(Join { channel, seat, stream, proof, to }));
    }

    fn any_channel(&mut self) -> Option<(ChannelNumber, ChannelKey)> {
        let recent = self.channels.len().saturating_sub(10);
        let count = self.channels.len() - recent;
        (count > 0).then(|| self.channels[recent + self.rng.random_range(0..count)].clone())
    }

    fn prove(&mut self, id: ConnectionId, channel: ChannelNumber, role: Role, purpose: Purpose, key: &ChannelKey) -> Proof {
        let mut challenge = self.lines[&id].challenge;
        if self.rng.random_ratio(1, 20) {
            challenge[0] ^= 1;
        }
        Admission { challenge: &challenge, channel, role, purpose }.prove(key)
    }

    fn letter(&mut self, id: ConnectionId) {
        let met = &self.lines[&id].met;
        let peer = match met.len() {
            _ if self.rng.random_ratio(1, 20) => Peer(self.rng.random()),
            0 => return,
            several => met[self.rng.random_range(0..several)],
        };
        let body = [id.0.to_be_bytes().as_slice(), &vec![7; self.rng.random_range(0..2500)]].concat();
        self.say(id, &Message::Letter { peer, body: Bytes::from(body) });
    }

    fn nonsense(&mut self, id: ConnectionId) {
        let kind = Kind::ALL[self.rng.random_range(0..Kind::ALL.len())];
        let body: Vec<u8> = (0..self.rng.random_range(0..30)).map(|_| self.rng.random()).collect();
        if kind != Kind::Apply && self.relay.is_read(id) {
            assert_eq!(self.relay.handle_frame(self.clock(), id, Frame { kind, peer: Peer(self.rng.random()), body: body.into() }), None);
            self.drain();
        }
    }

    fn carry(&mut self, id: ConnectionId) {
        let (channel, seat, stream) = self.lines[&id].stream.expect("a data connection");
        let now = self.clock();
        match self.rng.random_range(0..10) {
            0 if seat == Peer::SENDER && self.lines[&id].joined && self.pumps.remove(&(channel, stream)).is_some() => {
                self.relay.handle_pumped(now, channel, stream);
                self.drain();
            }
            1..4 if self.pumps.contains_key(&(channel, stream)) => {
                let behind = self.rng.random();
                let legs = (1..4).map(|seat| Leg {
                    seat: Peer(seat),
                    bytes: 300,
                    waited: Duration::from_millis(self.rng.random_range(0..1000)),
                    behind,
                });
                let flow = Flow { bytes: 1000, legs: legs.collect() };
                self.relay.handle_flow(now, channel, stream, &flow);
                self.drain();
            }
            4..6 if self.pumps.get(&(channel, stream)).is_some_and(|(from, _)| !self.lines.contains_key(from)) => {
                self.relay.handle_pumped(now, channel, stream);
                self.pumps.remove(&(channel, stream));
                self.drain();
            }
            _ => {}
        }
    }

    fn say(&mut self, id: ConnectionId, message: &Message) {
        if self.relay.is_read(id) {
            assert_eq!(self.relay.handle_frame(self.clock(), id, message.to_frame()), None);
            self.drain();
        }
    }

    fn read(&mut self, id: ConnectionId) {
        let line = self.lines.get_mut(&id).expect("it is there");
        line.reads = true;
        let unread = std::mem::take(&mut line.unread);
        let bytes = unread.iter().map(Frame::length).sum();
        self.relay.handle_written(self.clock(), id, unread.len(), bytes);
        self.drain();
    }

    fn close(&mut self, id: ConnectionId) {
        self.note(&format!("{} ends", id.0));
        self.ended(id);
        self.relay.handle_closed(self.clock(), id);
        self.drain();
    }

    /// A connection is no more: whoever is in its channel has to hear it.
    fn ended(&mut self, id: ConnectionId) {
        let line = self.lines.remove(&id).expect("it was there");
        self.to_hear.retain(|(who, _, _)| *who != id);
        if let Some((channel, seat)) = line.seat {
            let others = self.lines.iter().filter(|(_, other)| other.seat.is_some_and(|(there, _)| there == channel));
            self.to_hear.extend(others.map(|(other, _)| (*other, channel, seat)).collect::<Vec<_>>());
        }
    }

    fn drain(&mut self) {
        let mut sent = Vec::new();
        while let Some(action) = self.relay.poll_action() {
            match &action {
                Action::Send { to, frame } => {
                    let sum = frame.body.iter().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
                    self.note(&format!("to {} {} {} {} {sum:08x}", to.0, frame.kind.name(), frame.peer, frame.body.len()));
                }
                other => self.note(&format!("{other:?}")),
            }
            match action {
                Action::Send { to, frame } => {
                    let line = self.lines.get_mut(&to).unwrap_or_else(|| panic!("sent to nobody: {frame:?}"));
                    line.unread.push(frame.clone());
                    sent.push((to, frame));
                    self.arrives(to);
                }
                Action::Close { connection } => self.ended(connection),
                Action::Pause { connection } => {
                    let line = self.lines.get_mut(&connection).expect("paused who is there");
                    assert!(!std::mem::replace(&mut line.paused, true), "paused twice");
                }
                Action::Resume { connection } => {
                    // It may have ended at this very moment.
                    if let Some(line) = self.lines.get_mut(&connection) {
                        assert!(std::mem::replace(&mut line.paused, false), "resumed once");
                    }
                }
                Action::Pump { channel, stream, from, to, .. } => {
                    let of = |id: &ConnectionId| self.lines[id].stream.expect("a data connection");
                    assert_eq!(of(&from), (channel, Peer::SENDER, stream));
                    assert!(!to.is_empty() && to.iter().all(|(seat, id)| of(id) == (channel, *seat, stream)));
                    self.pumps.insert((channel, stream), (from, to));
                }
            }
        }
        while let Some(event) = self.relay.poll_event() {
            if let Event::Freed { channel } = event {
                // Nobody is in it any more.
                self.to_hear.retain(|(_, freed, _)| *freed != channel);
                for line in self.lines.values_mut() {
                    line.seat.take_if(|(freed, _)| *freed == channel);
                }
            }
        }
        assert!(self.to_hear.is_empty(), "not told at once: {:?}\n{}", self.to_hear, self.tail());
        for (to, frame) in sent {
            let reads = self.lines.get(&to).is_some_and(|line| line.reads);
            if reads {
                if let Some(line) = self.lines.get_mut(&to) {
                    line.unread.clear();
                }
                self.relay.handle_written(self.clock(), to, 1, frame.length());
            }
            let pings = frame.kind == Kind::Ping && self.lines.get(&to).is_some_and(|line| line.reads && !line.silent);
            if pings && self.relay.is_read(to) {
                let Ok(Message::Ping(echo)) = Message::read(frame) else { unreachable!("a ping") };
                assert_eq!(self.relay.handle_frame(self.clock(), to, Message::Pong(echo).to_frame()), None);
            }
        }
        // Reading may have brought further actions: who is read again.
        while let Some(action) = self.relay.poll_action() {
            let Action::Resume { connection } = action else { panic!("nothing but that: {action:?}") };
            self.lines.get_mut(&connection).expect("resumed who is there").paused = false;
        }
    }

    fn tail(&self) -> String {
        self.transcript.lines().rev().take(12).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// What the newest frame for a connection tells the world.
    fn arrives(&mut self, to: ConnectionId) {
        let frame = self.lines[&to].unread.last().expect("one").clone();
        let message = Message::read(frame).expect("the relay speaks its own protocol");
        match &message {
            Message::Letter { body, .. } => {
                self.letters += 1;
                let from = ConnectionId(u64::from_be_bytes(*body.first_chunk::<8>().expect("its writer")));
                let (a, b) = (&self.lines[&from], &self.lines[&to]);
                let place = a.place.zip(b.place).is_some_and(|((one, as_one), (two, as_two))| one == two && as_one != as_two);
                let channel =
                    a.seat.zip(b.seat).is_some_and(|((one, p), (two, q))| one == two && (p == Peer::SENDER) != (q == Peer::SENDER));
                assert!(place || channel, "a letter went astray\n{}", self.tail());
                let letters = b.unread.iter().filter(|frame| frame.kind == Kind::Letter).count();
                assert!(letters <= limits().letters + 32, "{letters} letters wait");
            }
            Message::Gone(Gone { peer, .. }) => {
                if let Some((channel, _)) = self.lines[&to].seat {
                    self.to_hear.remove(&(to, channel, *peer));
                }
                self.lines.get_mut(&to).expect("it is there").met.retain(|known| known != peer);
            }
            Message::Entered(entered) => {
                let channel = self.entering.expect("somebody enters");
                self.lines.get_mut(&to).expect("it is there").seat = Some((channel, entered.seat));
            }
            Message::Challenge(challenge) => self.lines.get_mut(&to).expect("it is there").challenge = *challenge,
            Message::Allocated(allocated) => {
                self.channels.push((allocated.channel, allocated.key.clone()));
                self.nameplates = allocated.nameplate.into_iter().collect();
            }
            Message::Met(met) => self.lines.get_mut(&to).expect("it is there").met.push(met.peer),
            Message::Joined => self.lines.get_mut(&to).expect("it is there").joined = true,
            _ => {}
        }
    }

    fn check(&self) {
        let (standing, limits) = (self.relay.standing(), limits());
        assert_eq!(standing.connections, self.lines.len(), "{}", self.tail());
        assert!(standing.connections <= limits.connections && standing.channels <= limits.channels);
        assert!(standing.nameplates <= standing.channels && standing.meetings <= standing.connections);
        assert!(standing.timers <= 4 * standing.connections + standing.channels + standing.meetings, "{standing:?}");
        let mut seats = BTreeSet::new();
        for (channel, seat) in self.lines.values().filter_map(|line| line.seat) {
            assert!(seats.insert((channel, seat)), "two in one seat");
        }
        let held: usize = self.relay.holders().map(|(_, numbers)| numbers.channels).sum();
        assert_eq!(held, standing.channels);
        assert!(self.relay.holders().all(|(_, numbers)| numbers.channels <= limits.channels_per_user));
        assert!(self.relay.holders().count() <= limits.applicants + limits.channels);
    }

    /// Everybody goes, one way or the other, and what is left expires.
    fn end(&mut self) {
        let numbers = self.relay.numbers().clone();
        assert!(
            self.letters > 300 && numbers.channels > 50 && numbers.meetings > 100 && numbers.bytes > 100_000,
            "little happened: {numbers:?}"
        );
        while let Some(id) = self.any_line() {
            if self.rng.random() {
                self.close(id);
            } else {
                self.lines.get_mut(&id).expect("it is there").silent = true;
                self.wait(Duration::from_secs(7));
            }
        }
        self.wait(Duration::from_secs(300));
        assert_eq!(self.relay.standing(), Standing::default());
        assert_eq!(self.relay.next_timeout(), None);
        assert!(self.relay.holders().all(|(_, numbers)| numbers.channels == 0));
        let _ = writeln!(self.transcript, "{numbers:?}");
    }
}

#[test]
fn terminals_that_come_go_die_and_misbehave_leave_nothing_behind() {
    let only = std::env::var("CONFKIT_SEED").ok().map(|seed| seed.parse::<u64>().expect("CONFKIT_SEED is a number"));
    for seed in only.map_or(1..=6, |seed| seed..=seed) {
        let (once, again) = (run(seed), run(seed));
        assert!(once == again, "seed {seed} runs otherwise the second time");
        if only.is_some() {
            println!("{once}");
        }
    }
}
