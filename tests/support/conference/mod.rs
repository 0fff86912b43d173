//! The columns of ladders about conferences: the application server, the media server, terminals, shells and watchers, all real.
//!
//! Columns by name; one with `!` behind it is played by the script:
//!
//! | column | what |
//! |---|---|
//! | `as` | the application server, at conf.example |
//! | `fs`, `fs2` | file servers over simulated planes; with one, all terminals share and receive |
//! | `ms`, `ms2` | media servers over simulated planes, in order of preference |
//! | `shell`, `shell-carol` | a shell of the account `admin`, or of another |
//! | `watcher`, `watcher-bob`, `watcher-guest` | a subscriber: carol, another account, a guest |
//! | `sender-bob` | sends instant messages as bob |
//! | `plain-carol` | carol's account by a bare user agent that does what no terminal of ours does |
//! | `guest`, `guest2` | a terminal without an account |
//! | any other, `bob`, `bob2` | a terminal of that account; digits tell several of one account apart |
//!
//! Directives:
//!
//! | directive | meaning |
//! |---|---|
//! | `columns alice as ms` | which columns, in this order |
//! | `over udp` | media servers are reached by UDP, not in process |
//! | `files over tcp` | file servers are reached by TCP (or UDP), not in process |
//! | `ports 2` | how many RTP port pairs each media server has; many without |
//! | `guests no`, `auto-create no` | the server takes no guests, makes no conference of an unused name |
//! | `store held` | the store answers when it is told to |
//! | `ping 2s` | media servers are asked so often whether they live; never without |
//! | `ringing 10s` | how long those who are called may let it ring; a minute without |
//! | `session alice 90s` | session interval of a column; none without |
//! | `manual` | terminals do not answer by themselves |
//! | `ring 2s`, `ring bob 2s` | terminals, or one, ring for so long before they answer |
//! | `password alice wrong` | a column's password; `secret` without |
//! | `seed 17` | another run of all generators |
//! | `plane rests` | media is mixed only while somebody sends, and a moment after each message |
//! | `asks bob` | a terminal that leaves what is offered to the script; the others receive |
//! | `without files bob` | a terminal that knows no files |
//! | `refuses info plain-bob` | a bare user agent that announces the INFO package of files, and answers every INFO 488 |
//! | `limit as subscriptions 1` | a bound of a column's endpoint: `calls`, `subscriptions`, `incoming`, `outgoing`, `waiting` |
//!
//! Commands are with each column.

pub mod filer;
pub mod keeper;
pub mod mixer;
pub mod phone;
mod plain;
mod sender;
pub mod server;
pub mod shell;
pub mod watcher;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use confkit::{
    conference::client::{Identity, ServerAddress},
    sip::{
        digest::Credentials,
        endpoint::{Endpoint, EndpointConfig},
        hop::{Hop, Transport},
        message::{Host, SipUri},
    },
};

use super::ladder::{Column, Node, Script};

/// The domain of these ladders.
pub const DOMAIN: &str = "conf.example";

/// The columns that a ladder names.
pub fn columns(script: &Script) -> Vec<Column> {
    let world = World::of(script);
    world.columns.iter().enumerate().map(|(at, name)| world.column(at, name)).collect()
}

/// What the directives say.
pub struct World {
    pub columns: Vec<&'static str>,
    transport: Transport,
    files: Transport,
    ports: u16,
    guests: bool,
    auto_create: bool,
    store_held: bool,
    ping: Option<Duration>,
    ringing: Duration,
    answer: bool,
    ring: Duration,
    rings: Vec<(String, Duration)>,
    run: u64,
    plane_rests: bool,
    asks: Vec<String>,
    plain_phones: Vec<String>,
    refuse_info: Vec<String>,
    sessions: Vec<(String, Duration)>,
    passwords: Vec<(String, String)>,
    limits: Vec<(String, String, usize)>,
}

impl World {
    pub fn of(script: &Script) -> Self {
        let mut world = Self {
            columns: Vec::new(),
            transport: Transport::Local,
            files: Transport::Local,
            ports: 1000,
            guests: true,
            auto_create: true,
            store_held: false,
            ping: None,
            ringing: Duration::from_secs(60),
            answer: true,
            ring: Duration::ZERO,
            rings: Vec::new(),
            run: 0,
            plane_rests: false,
            asks: Vec::new(),
            plain_phones: Vec::new(),
            refuse_info: Vec::new(),
            sessions: Vec::new(),
            passwords: Vec::new(),
            limits: Vec::new(),
        };
        for (name, value) in &script.directives {
            let words: Vec<_> = value.split(' ').collect();
            match (name.as_str(), &words[..]) {
                ("columns", names) => world.columns = names.iter().map(|n| &*Box::leak((*n).to_owned().into_boxed_str())).collect(),
                ("over", ["udp"]) => world.transport = Transport::Udp,
                ("files", ["over", "udp"]) => world.files = Transport::Udp,
                ("files", ["over", "tcp"]) => world.files = Transport::Tcp,
                ("refuses", ["info", names @ ..]) => world.refuse_info = names.iter().map(|n| (*n).to_owned()).collect(),
                ("ports", [n]) => world.ports = n.parse().expect("a number"),
                ("guests", ["no"]) => world.guests = false,
                ("auto-create", ["no"]) => world.auto_create = false,
                ("store", ["held"]) => world.store_held = true,
                ("ping", [time]) => world.ping = Some(seconds(time)),
                ("ringing", [time]) => world.ringing = seconds(time),
                ("manual", _) => world.answer = false,
                ("ring", [time]) => world.ring = seconds(time),
                ("ring", [who, time]) => world.rings.push(((*who).to_owned(), seconds(time))),
                ("seed", [n]) => world.run = n.parse().expect("a number"),
                ("plane", ["rests"]) => world.plane_rests = true,
                ("asks", names) => world.asks = names.iter().map(|n| (*n).to_owned()).collect(),
                ("without", ["files", names @ ..]) => world.plain_phones = names.iter().map(|n| (*n).to_owned()).collect(),
                ("session", [who, time]) => world.sessions.push(((*who).to_owned(), seconds(time))),
                ("password", [who, password]) => world.passwords.push(((*who).to_owned(), (*password).to_owned())),
                ("limit", [who, what, n]) => world.limits.push(((*who).to_owned(), (*what).to_owned(), n.parse().expect("a number"))),
                _ => panic!("no directive {name} {value}"),
            }
        }
        world
    }

    /// The place of the column at `at`, whatever sits there.
    pub fn seat(&self, at: usize, column: &'static str) -> Seat<'_> {
        let place = u8::try_from(at).expect("few columns") + 1;
        let mut seed = [place; 32];
        if self.run > 0 {
            seed[8..16].copy_from_slice(&self.run.to_le_bytes());
        }
        Seat { world: self, name: column.strip_suffix('!').unwrap_or(column), own: (Ipv4Addr::new(192, 0, 2, place), 5060).into(), seed }
    }

    fn column(&self, at: usize, column: &'static str) -> Column {
        let seat = self.seat(at, column);
        let (name, hops) = (seat.name, seat.hops());
        let node: Option<Box<dyn Node>> = match name.split_once('-').map_or(name, |(kind, _)| kind) {
            _ if column.ends_with('!') => None,
            "as" => Some(Box::new(server::Server::new(&seat))),
            "ms" | "ms2" => Some(Box::new(mixer::Mixer::new(&seat))),
            "fs" | "fs2" => Some(Box::new(keeper::Keeper::new(&seat))),
            "shell" => Some(Box::new(shell::Shell::new(&seat))),
            "watcher" => Some(Box::new(watcher::Watcher::new(&seat))),
            "sender" => Some(Box::new(sender::Sender::new(&seat))),
            "plain" => Some(Box::new(plain::Plain::new(&seat))),
            _ if self.has_files() && !self.plain_phones.iter().any(|n| n == name) => Some(Box::new(filer::Filer::new(&seat))),
            _ => Some(Box::new(phone::Phone::new(&seat))),
        };
        Column { name, hops, node }
    }

    /// There are file servers.
    fn has_files(&self) -> bool {
        self.columns.iter().any(|c| c.starts_with("fs"))
    }

    /// The application server's address; on loopback where it has to reach media or file servers over the network, which let nobody else in.
    fn server(&self) -> SocketAddr {
        let apart = self.transport != Transport::Local || self.files != Transport::Local;
        let ip = if apart { Ipv4Addr::new(127, 0, 0, 100) } else { Ipv4Addr::new(192, 0, 2, 100) };
        SocketAddr::new(ip.into(), 5060)
    }

    fn media_server_hop(&self, name: &str) -> Hop {
        let last = if name == "ms" { 101 } else { 102 };
        match self.transport {
            Transport::Udp => Hop::new(Transport::Udp, SocketAddr::new(Ipv4Addr::new(127, 0, 0, last).into(), 5060)),
            _ => Hop::local(name),
        }
    }

    fn file_server_hop(&self, name: &str) -> Hop {
        let last = if name == "fs" { 103 } else { 104 };
        match self.files {
            Transport::Local => Hop::local(name),
            transport => Hop::new(transport, SocketAddr::new(Ipv4Addr::new(127, 0, 0, last).into(), 5060)),
        }
    }
}

/// A column as it is being made.
pub struct Seat<'a> {
    world: &'a World,
    /// The column's name, without `!`.
    name: &'static str,
    pub own: SocketAddr,
    pub seed: [u8; 32],
}

impl Seat<'_> {
    /// Where the column is found.
    pub fn hops(&self) -> Vec<Hop> {
        let both = |at| vec![Hop::new(Transport::Udp, at), Hop::new(Transport::Tcp, at)];
        match self.name {
            "as" => both(self.world.server()).into_iter().chain([Hop::local("as")]).collect(),
            "fs" | "fs2" | "ms" | "ms2" => {
                let files = self.name.starts_with("fs");
                let first = if files { self.world.file_server_hop(self.name) } else { self.world.media_server_hop(self.name) };
                // Large messages go by TCP (RFC 3261 18.1.1).
                first.socket().map_or(vec![first], both)
            }
            _ => both(self.own),
        }
    }

    fn server(&self) -> ServerAddress {
        ServerAddress::new(SipUri::at(None, self.world.server()))
    }

    /// The account behind the name: what stands behind the kind, without digits.
    pub fn account(&self) -> &str {
        self.name.split_once('-').map_or(self.name, |(_, account)| account).trim_end_matches(|c: char| c.is_ascii_digit())
    }

    /// How long a terminal rings.
    fn ring(&self) -> Duration {
        let own = self.world.rings.iter().find(|(who, _)| who == self.name);
        own.map_or(self.world.ring, |(_, time)| *time)
    }

    /// Who the column is: an account, or a guest.
    fn identity(&self, account: &str) -> Identity {
        if account == "guest" {
            return Identity::guest(Some(self.name), Host::Ip(self.own.ip()), None);
        }
        let password = self.world.passwords.iter().find(|(who, _)| who == self.name).map_or("secret", |(_, password)| password);
        Identity::user(account, Some(Credentials::new(account, password)), &self.server())
    }

    /// The settings of the column's endpoint, as the directives have them.
    fn configure(&self, mut config: EndpointConfig) -> EndpointConfig {
        config.session_expires = self.world.sessions.iter().find(|(who, _)| who == self.name).map(|(_, interval)| *interval);
        for (_, what, n) in self.world.limits.iter().filter(|(who, ..)| who == self.name) {
            let limits = &mut config.limits;
            match what.as_str() {
                "calls" => limits.calls = *n,
                "subscriptions" => limits.subscriptions = *n,
                "incoming" => limits.incoming = *n,
                "outgoing" => limits.outgoing = *n,
                "waiting" => limits.waiting = *n,
                _ => panic!("no limit {what}"),
            }
        }
        config
    }

    /// A client's endpoint.
    fn endpoint(&self) -> Endpoint {
        let config = self.configure(EndpointConfig::default()).at(Transport::Udp, Host::Ip(self.own.ip()), None);
        Endpoint::new(config, self.seed)
    }

    /// Where a terminal receives RTP.
    pub fn rtp(&self) -> SocketAddr {
        SocketAddr::new(self.own.ip(), 30_000)
    }
}

/// Where media servers receive RTP.
fn media_ip() -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 101))
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs_f64(text.trim_end_matches('s').parse().expect("seconds"))
}
