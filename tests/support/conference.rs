//! The columns of ladders about conferences: the application server, the media server, terminals, shells and watchers, all real.
//!
//! | directive | meaning |
//! |---|---|
//! | `columns alice as ms` | which machines, in this order; a name with `!` behind it is played by the script |
//! | `ports 2` | how many RTP port pairs the media server has; many without |
//! | `guests no` | the server takes no guests |
//! | `manual` | terminals do not answer by themselves |
//! | `ring 2s` | terminals ring for so long before they answer |
//!
//! Commands of a terminal: `dial standup [pin 4711] [offerless]`, `hang up`, `hold`, `resume`, `register`; of the column `shell` (the
//! account `admin`): `open`, then `create standup [pin 4711] [max 2]`, `mute standup p1`, `invite standup sip:…`, …, `close`; of `watcher`:
//! `watch standup`, `leave`; of `ms`: `digits p1 4711` (keys typed on the n-th leg), `talk 1`.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use confkit::{
    account::{Account, Directory, KEY_LEN, Password, Role, SealKey, SealedA1, SealedAccount},
    conference::{
        client::{
            Control, ControlCommand, ControlEvent, Dial, Hangup, Identity, Machine, ServerAddress, Terminal, TerminalCommand,
            TerminalConfig, TerminalEvent, Watch, WatchCommand, WatchEvent,
        },
        focus::{FocusConfig, Stored},
        media_server::{Command as MediaCommand, MediaServer, MediaServerConfig, ports::PortRange, simulated::SimulatedPlane},
        server::{ApplicationServer, Command as ServerCommand, Effect, Gateways, OurHosts, ServerConfig},
        wire::control::{Command, Create, Data, Pin, Reply, VolumeDirection, Who},
    },
    media::mixer::MixerConfig,
    sdp::{Format, LocalAudio},
    sip::{
        digest::{self, Credentials},
        endpoint::{Endpoint, EndpointConfig},
        hop::{Hop, Transport},
        message::{Host, SipUri},
        node::{Arrival, Node as Machinery},
        registrar,
    },
};

use super::ladder::{Column, Node, Output, Script};

/// The domain of these ladders.
const DOMAIN: &str = "conf.example";
/// The application server's address.
const SERVER: &str = "192.0.2.100:5060";

/// The columns that a ladder names.
pub fn columns(script: &Script) -> Vec<Column> {
    let mut world = World::default();
    let mut names: Vec<&'static str> = Vec::new();
    for (name, value) in &script.directives {
        match (name.as_str(), value.as_str()) {
            ("columns", value) => names = value.split(' ').map(|n| &*Box::leak(n.to_owned().into_boxed_str())).collect(),
            ("ports", n) => world.ports = n.parse().expect("a number"),
            ("guests", "no") => world.guests = false,
            ("manual", _) => world.answer = false,
            ("ring", time) => world.ring = Duration::from_secs(time.trim_end_matches('s').parse().expect("seconds")),
            _ => panic!("no directive {name} {value}"),
        }
    }
    names.iter().enumerate().map(|(at, name)| world.column(at, name)).collect()
}

struct World {
    ports: u16,
    guests: bool,
    answer: bool,
    ring: Duration,
}

impl Default for World {
    fn default() -> Self {
        Self { ports: 1000, guests: true, answer: true, ring: Duration::ZERO }
    }
}

impl World {
    fn column(&self, at: usize, column: &'static str) -> Column {
        let name = column.strip_suffix('!').unwrap_or(column);
        let seed = [u8::try_from(at).expect("few columns") + 1; 32];
        let own: SocketAddr = (Ipv4Addr::new(192, 0, 2, u8::try_from(at).expect("few columns") + 1), 5060).into();
        let hops = match name {
            "as" => vec![Hop::new(Transport::Udp, SERVER.parse().expect("an address")), Hop::local("as")],
            "ms" => vec![Hop::local("ms")],
            _ => vec![Hop::new(Transport::Udp, own)],
        };
        let node: Option<Box<dyn Node>> = match name {
            _ if column.ends_with('!') => None,
            "as" => Some(Box::new(Server { server: self.server(seed), outputs: VecDeque::new() })),
            "ms" => Some(Box::new(self.media_server(seed))),
            "shell" => Some(Box::new(Shell { own, seed, control: None, outputs: VecDeque::new() })),
            "watcher" => Some(Box::new(Watcher { own, seed, watch: None, outputs: VecDeque::new() })),
            _ => Some(Box::new(self.terminal(name, own, seed))),
        };
        Column { name, hops, node }
    }

    fn server(&self, seed: [u8; 32]) -> ApplicationServer {
        let server: SocketAddr = SERVER.parse().expect("an address");
        let key = Arc::new(SealKey::new(&[7; KEY_LEN]));
        let accounts = ["admin", "alice", "bob", "carol"].map(|name| {
            let user = name.parse().expect("a name");
            let a1 = SealedA1::seal(&key, &user, DOMAIN, &Password::new("secret").expect("a password"));
            let role = if name == "admin" { Role::Admin } else { Role::User };
            SealedAccount { account: Account { name: user, role, initial_password: false }, a1 }
        });
        let config = ServerConfig {
            ours: OurHosts { names: [DOMAIN.to_owned()].into(), addresses: [server].into() },
            focus: FocusConfig { domain: (Host::Name(DOMAIN.to_owned()), None), guests: self.guests, ping: None, ..FocusConfig::default() },
            endpoint: EndpointConfig { session_expires: None, ..EndpointConfig::default() }
                .at(Transport::Udp, Host::Ip(server.ip()), Some(server.port()))
                .role("as"),
            registrar: registrar::Limits::default(),
            gateways: Gateways::default(),
            algorithms: vec![digest::Algorithm::Sha256, digest::Algorithm::Md5],
            nonce_life: Duration::from_secs(300),
            backoff: confkit::account::BackoffLimits::default(),
            services: Vec::new(),
            ca: None,
        };
        let directory = Arc::new(Directory::new(DOMAIN, key, accounts));
        ApplicationServer::new(now(), SystemTime::UNIX_EPOCH, config, directory, seed, [], [])
    }

    fn media_server(&self, seed: [u8; 32]) -> Mixing {
        let mut endpoint = MediaServerConfig::endpoint().role("ms");
        endpoint.session_expires = None;
        let config = MediaServerConfig::new(endpoint, IpAddr::V4(Ipv4Addr::new(192, 0, 2, 101)));
        let range = PortRange { first: 40_000, last: 40_000 + 2 * self.ports - 1 };
        let plane = SimulatedPlane::new(MixerConfig { silent_after: Duration::from_secs(86_400) }, range, now(), seed);
        Mixing { server: MediaServer::new(config, plane, seed) }
    }

    fn terminal(&self, name: &str, own: SocketAddr, seed: [u8; 32]) -> Phone {
        let guest = name.starts_with("guest");
        let server = server();
        let identity = if guest {
            Identity::guest(Some(name), Host::Ip(own.ip()), None)
        } else {
            Identity::user(name, Some(Credentials::new(name, "secret")), &server)
        };
        let config = TerminalConfig {
            identity,
            server,
            audio: LocalAudio::new(SocketAddr::new(own.ip(), 30_000), vec![Format::of_static(0).expect("PCMU")]),
            session_id: u64::from(seed[0]),
            answer: self.answer,
            ring: self.ring,
        };
        Phone { terminal: Terminal::new(endpoint(own, seed), config), outputs: VecDeque::new() }
    }
}

/// The start of every ladder.
fn now() -> Instant {
    confkit::clock::now()
}

fn server() -> ServerAddress {
    ServerAddress::new(format!("sip:{SERVER}").parse::<SipUri>().expect("a URI"))
}

fn endpoint(own: SocketAddr, seed: [u8; 32]) -> Endpoint {
    let config = EndpointConfig { session_expires: None, ..EndpointConfig::default() };
    Endpoint::new(config.at(Transport::Udp, Host::Ip(own.ip()), None), seed)
}

/// The application server, with a store that always has what it is told at once.
struct Server {
    server: ApplicationServer,
    outputs: VecDeque<Output>,
}

impl Server {
    fn store(&mut self, now: Instant) {
        while let Some(effect) = self.server.poll_effect() {
            let answer = match effect {
                Effect::Store { save, .. } => ServerCommand::Stored { save, outcome: Stored::Done(1) },
                Effect::StoreContacts { save, .. } => ServerCommand::ContactsStored { save, outcome: Ok(()) },
            };
            self.server.handle_command(now, answer);
        }
    }
}

impl Node for Server {
    fn command(&mut self, now: Instant, text: &str, _details: &[String]) {
        match text {
            "drain" => self.server.handle_command(now, ServerCommand::Drain),
            "shut down" => self.server.handle_command(now, ServerCommand::ShutDown),
            _ => panic!("no command {text:?}"),
        }
        self.store(now);
    }

    fn arrive(&mut self, now: Instant, arrival: Arrival) {
        self.server.handle_arrival(now, arrival);
        self.store(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.server.handle_timeout(now);
        self.store(now);
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.server.next_timeout()
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front().or_else(|| self.server.poll_transmit().map(Output::Send))
    }

    fn closing(&self) -> Vec<String> {
        let facts = self.server.facts();
        vec![format!("has {} conferences, {} participants, {} calls", facts.conferences, facts.participants, self.server.calls())]
    }
}

/// The media server over the simulated plane.
struct Mixing {
    server: MediaServer<SimulatedPlane>,
}

impl Node for Mixing {
    fn command(&mut self, now: Instant, text: &str, _details: &[String]) {
        match text {
            "end" => self.server.handle_command(now, MediaCommand::End { reason: "ended".to_owned() }),
            _ => panic!("no command {text:?}"),
        }
    }

    fn arrive(&mut self, now: Instant, arrival: Arrival) {
        self.server.handle_arrival(now, arrival);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.server.handle_timeout(now);
        if self.server.plane().next_timeout() <= now {
            self.server.plane_mut().handle_timeout(now);
            while self.server.plane_mut().poll_transmit().is_some() {}
            self.server.handle_command(now, MediaCommand::Media);
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        // Ticks only while there is somebody to tick for, so that idle ladders are quick.
        let tick = (self.server.gauges().legs() > 0).then(|| self.server.plane().next_timeout());
        [self.server.next_timeout(), tick].into_iter().flatten().min()
    }

    fn poll(&mut self) -> Option<Output> {
        self.server.poll_transmit().map(Output::Send)
    }

    fn closing(&self) -> Vec<String> {
        let gauges = self.server.gauges();
        vec![format!("has {} conferences, {} legs", gauges.conferences(), gauges.legs())]
    }
}

/// A terminal.
struct Phone {
    terminal: Terminal,
    outputs: VecDeque<Output>,
}

impl Phone {
    fn listen(&mut self) {
        while let Some(event) = self.terminal.poll_event() {
            let text = match event {
                TerminalEvent::Registered(seconds) => format!("its registration for {seconds} s"),
                TerminalEvent::RegistrationFailed(refusal) => format!("its registration fail: {} {}", refusal.status, refusal.text),
                TerminalEvent::Ringing => "ringing".to_owned(),
                TerminalEvent::Called { from } => format!("a call of {}", from.uri),
                TerminalEvent::Established { focus, audio } => {
                    let to = audio.and_then(|a| a.remote_rtp).map_or("no audio".to_owned(), |a| format!("audio to {a}"));
                    format!("the call up{}, {to}", if focus { " with a focus" } else { "" })
                }
                TerminalEvent::Changed { audio } => {
                    format!("the session change: {}", audio.map_or("no audio".to_owned(), |a| a.direction.name().to_owned()))
                }
                TerminalEvent::NotChanged(refusal) => format!("no change: {} {}", refusal.status, refusal.text),
                TerminalEvent::Message { from, text } => format!("a message of {}: {text}", from.uri),
                TerminalEvent::Refused(refusal) => format!("its call refused: {} {}", refusal.status, refusal.text),
                TerminalEvent::Ended { by_peer, reason } => {
                    let who = if by_peer { "the other side" } else { "itself" };
                    format!("the call ended by {who}{}", reason.map_or(String::new(), |r| format!(": {r}")))
                }
                TerminalEvent::Left => "its end".to_owned(),
            };
            self.outputs.push_back(Output::Saw(text));
        }
    }
}

impl Node for Phone {
    fn command(&mut self, now: Instant, text: &str, _details: &[String]) {
        let words: Vec<_> = text.split(' ').collect();
        let command = match words[..] {
            ["dial", room, ref rest @ ..] => {
                let pin = rest.windows(2).find(|w| w[0] == "pin").map(|w| w[1].parse::<Pin>().expect("a PIN"));
                let uri = server().at(room);
                TerminalCommand::Dial(Box::new(Dial { uri, pin, offerless: rest.contains(&"offerless") }))
            }
            ["hang", "up"] => TerminalCommand::Hangup(Hangup::default()),
            ["hold"] => TerminalCommand::Hold(true),
            ["resume"] => TerminalCommand::Hold(false),
            ["register"] => TerminalCommand::Register(3600),
            ["leave"] => TerminalCommand::Leave,
            _ => panic!("no command {text:?}"),
        };
        self.terminal.handle_command(now, command);
        self.listen();
    }

    fn arrive(&mut self, now: Instant, arrival: Arrival) {
        self.terminal.handle_arrival(now, arrival);
        self.listen();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.terminal.handle_timeout(now);
        self.listen();
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.terminal.next_timeout()
    }

    fn poll(&mut self) -> Option<Output> {
        self.terminal.poll_transmit().map(Output::Send).or_else(|| self.outputs.pop_front())
    }

    fn closing(&self) -> Vec<String> {
        if self.terminal.in_call() { vec!["is in a call".to_owned()] } else { Vec::new() }
    }
}

/// A shell of the administrator.
struct Shell {
    own: SocketAddr,
    seed: [u8; 32],
    control: Option<Control>,
    outputs: VecDeque<Output>,
}

impl Shell {
    fn listen(&mut self) {
        while let Some(event) = self.control.as_mut().and_then(Machine::poll_event) {
            let text = match event {
                ControlEvent::Opened => "the dialog open".to_owned(),
                ControlEvent::Reply(Reply { outcome: Ok(data), .. }) => format!("done{}", told(&data)),
                ControlEvent::Reply(Reply { outcome: Err(failure), .. }) => format!("{}: {}", failure.code, failure.text),
                ControlEvent::Failed(failure) => format!("the dialog fail: {}: {}", failure.code, failure.text),
                ControlEvent::Closed => "the dialog closed".to_owned(),
            };
            self.outputs.push_back(Output::Saw(text));
        }
    }
}

impl Node for Shell {
    fn command(&mut self, now: Instant, text: &str, _details: &[String]) {
        let words: Vec<_> = text.split(' ').collect();
        if words == ["open"] {
            let identity = Identity::user("admin", Some(Credentials::new("admin", "secret")), &server());
            self.control = Some(Control::open(now, endpoint(self.own, self.seed), &identity, &server()));
            return self.listen();
        }
        let command = if words == ["close"] { ControlCommand::Close } else { ControlCommand::Ask(asked(&words)) };
        self.control.as_mut().expect("an open dialog").handle_command(now, command);
        self.listen();
    }

    fn arrive(&mut self, now: Instant, arrival: Arrival) {
        if let Some(control) = &mut self.control {
            control.handle_arrival(now, arrival);
        }
        self.listen();
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Some(control) = &mut self.control {
            control.handle_timeout(now);
        }
        self.listen();
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.control.as_ref().and_then(Machinery::next_timeout)
    }

    fn poll(&mut self) -> Option<Output> {
        self.control.as_mut().and_then(Machinery::poll_transmit).map(Output::Send).or_else(|| self.outputs.pop_front())
    }

    fn closing(&self) -> Vec<String> {
        Vec::new()
    }
}

fn asked(words: &[&str]) -> Command {
    let who = |who: &str| if who == "--all" { Who::All } else { Who::One(who.to_owned()) };
    let conference = words.get(1).map(|w| (*w).to_owned()).unwrap_or_default();
    let option = |name: &str| words.windows(2).find(|w| w[0] == name).map(|w| w[1]);
    match words {
        ["create", name, ..] => Command::Create(Create {
            name: (*name).to_owned(),
            pin: option("pin").map(|p| p.parse::<Pin>().expect("a PIN")),
            max: option("max").map(|m| m.parse().expect("a number")),
            guests: option("guests").map(|g| g == "yes"),
            ttl_seconds: option("ttl").map(|t| t.parse().expect("seconds")),
            ..Create::default()
        }),
        ["list"] => Command::List,
        ["status"] => Command::Status,
        ["show", _] => Command::Show { conference },
        ["end", _] => Command::End { conference, reason: None },
        ["invite", _, uris @ ..] => Command::Invite { conference, uris: uris.iter().map(|u| (*u).to_owned()).collect() },
        ["kick", _, one] => Command::Kick { conference, who: who(one), reason: None },
        [verb @ ("mute" | "unmute"), _, one] => Command::Mute { conference, who: who(one), on: *verb == "mute" },
        [verb @ ("deaf" | "undeaf"), _, one] => Command::Deaf { conference, who: who(one), on: *verb == "deaf" },
        ["volume", _, one, db] => {
            Command::Volume { conference, who: who(one), direction: VolumeDirection::In, gain_db: db.parse().expect("decibels") }
        }
        [verb @ ("lock" | "unlock"), _] => Command::Lock { conference, on: *verb == "lock" },
        ["pin", _, "clear"] => Command::Pin { conference, pin: None },
        ["pin", _, pin] => Command::Pin { conference, pin: Some(pin.parse::<Pin>().expect("a PIN")) },
        _ => panic!("no command {words:?}"),
    }
}

/// What a reply says, in a few words.
fn told(data: &Data) -> String {
    let people = |all: &[confkit::conference::wire::control::Participant]| {
        let one = |p: &confkit::conference::wire::control::Participant| {
            let marks = [(p.muted, " muted"), (p.deaf, " deaf"), (p.talking, " talking")];
            let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
            format!("{} {}{marks}", p.id, p.name.as_deref().unwrap_or("-"))
        };
        all.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    match data {
        Data::Done {} => String::new(),
        Data::Created(summary) => format!(": {}", summary.uri),
        Data::Conferences { conferences } => {
            let one = |c: &confkit::conference::wire::control::Summary| format!("{} ({})", c.name, c.participants);
            format!(": {}", conferences.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        Data::Conference(details) => {
            let locked = if details.summary.locked { " locked" } else { "" };
            format!(": {}{locked}: {}", details.summary.name, people(&details.roster))
        }
        Data::Invited { invited } => {
            let one = |i: &confkit::conference::wire::control::Invitee| match (&i.participant, &i.failure) {
                (Some(id), _) => format!("{} is {id}", i.uri),
                (None, Some(failure)) => format!("{} {}: {}", i.uri, failure.code, failure.text),
                (None, None) => i.uri.clone(),
            };
            format!(": {}", invited.iter().map(one).collect::<Vec<_>>().join("; "))
        }
        Data::Participants { participants } => format!(": {}", people(participants)),
        Data::Status(status) => format!(": {} conferences, {} participants", status.conferences, status.participants),
    }
}

/// A subscriber of the conference event package: carol's account.
struct Watcher {
    own: SocketAddr,
    seed: [u8; 32],
    watch: Option<Watch>,
    outputs: VecDeque<Output>,
}

impl Watcher {
    fn listen(&mut self) {
        while let Some(event) = self.watch.as_mut().and_then(Machine::poll_event) {
            let text = match event {
                WatchEvent::News { document, .. } => {
                    let users = document.users.iter().flat_map(|u| &u.users);
                    let one = |u: &confkit::conference::wire::conference_info::User| {
                        let status = u.endpoints.first().and_then(|e| e.status);
                        let talking = u.endpoints.first().and_then(|e| e.extension.as_ref()).is_some_and(|e| e.talking);
                        let talking = if talking { " talking" } else { "" };
                        format!(
                            "{} {}{talking}",
                            u.display_text.as_deref().unwrap_or("-"),
                            status.map_or("-".to_owned(), |s| s.to_string())
                        )
                    };
                    let locked = document.conference_state.as_ref().and_then(|s| s.locked).unwrap_or(false);
                    let locked = if locked { " locked" } else { "" };
                    format!("{} {}{locked}: {}", document.state, document.version, users.map(one).collect::<Vec<_>>().join(", "))
                }
                WatchEvent::Gone => "the conference gone".to_owned(),
                WatchEvent::Failed(refusal) => format!("the subscription fail: {} {}", refusal.status, refusal.text),
                WatchEvent::Ended => "the subscription end".to_owned(),
            };
            self.outputs.push_back(Output::Saw(text));
        }
    }
}

impl Node for Watcher {
    fn command(&mut self, now: Instant, text: &str, _details: &[String]) {
        let words: Vec<_> = text.split(' ').collect();
        match words[..] {
            ["watch", name] => {
                let identity = Identity::user("carol", Some(Credentials::new("carol", "secret")), &server());
                let name = name.parse().expect("a name");
                self.watch = Some(Watch::new(now, endpoint(self.own, self.seed), &identity, &server(), &name));
            }
            ["leave"] => self.watch.as_mut().expect("a subscription").handle_command(now, WatchCommand::Leave),
            _ => panic!("no command {text:?}"),
        }
        self.listen();
    }

    fn arrive(&mut self, now: Instant, arrival: Arrival) {
        if let Some(watch) = &mut self.watch {
            watch.handle_arrival(now, arrival);
        }
        self.listen();
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Some(watch) = &mut self.watch {
            watch.handle_timeout(now);
        }
        self.listen();
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.watch.as_ref().and_then(Machinery::next_timeout)
    }

    fn poll(&mut self) -> Option<Output> {
        self.watch.as_mut().and_then(Machinery::poll_transmit).map(Output::Send).or_else(|| self.outputs.pop_front())
    }

    fn closing(&self) -> Vec<String> {
        Vec::new()
    }
}
