//! A file server over a simulated data plane, which notes what it is asked.
//!
//! Commands, with members as the journal names them (`m1`): `connected m1`, `broken m1`, `uploaded 1000`, `upload fails`, `received m2 1000`,
//! `gives m2 up`, `full` (of lists), `room`, `drain`, `end`; `die`, `hang` (nothing reaches it or leaves it from here on), `wake`, `start` (its next process, with what the one before
//! kept).

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Instant,
};

use confkit::{
    conference::called::Access,
    fileshare::{
        ConfId,
        file_server::{
            Command, FileServer, FileServerConfig, admission::MemberId, plane::PlaneEvent, simulated::SimulatedPlane, space::Full,
        },
        wire::{Failure, FailureCode, Fingerprint},
    },
    sip::{
        message::Host,
        node::{Arrival, Node as _},
    },
};

use super::{
    super::ladder::{Node, Output},
    Seat,
};

pub struct Keeper {
    server: FileServer<SimulatedPlane>,
    config: FileServerConfig,
    seed: [u8; 32],
    first_port: u16,
    /// Data conferences in the order in which they came: their random names are told as `c1`, `c2`, ….
    confs: Vec<String>,
    outputs: VecDeque<Output>,
    dead: bool,
}

impl Keeper {
    pub fn new(seat: &Seat<'_>) -> Self {
        let hop = seat.world.file_server_hop(seat.name);
        let endpoint = seat.configure(FileServerConfig::endpoint());
        let endpoint = match hop.socket() {
            Some(at) => endpoint.at(hop.transport, Host::Ip(at.ip()), Some(at.port())),
            None => endpoint.role(seat.name),
        };
        let first = if seat.name == "fs" { 50_000 } else { 51_000 };
        let mut config = FileServerConfig::new(endpoint, IpAddr::V4(Ipv4Addr::new(192, 0, 2, 103)));
        // By TCP it comes from a port of the system's choice.
        config.access = Access { loopback: vec![SocketAddr::new(seat.world.server().ip(), 0)], ..Access::default() };
        let server = Self::process(&config, first, seat.seed);
        Self { server, config, seed: seat.seed, first_port: first, confs: Vec::new(), outputs: VecDeque::new(), dead: false }
    }

    /// A process of it.
    fn process(config: &FileServerConfig, first: u16, seed: [u8; 32]) -> FileServer<SimulatedPlane> {
        FileServer::new(config.clone(), SimulatedPlane::new(first..first + 8, Some(Fingerprint([7; 32]))), seed)
    }

    fn listen(&mut self) {
        while let Some(line) = self.server.plane_mut().poll_journal() {
            let words = line.split(' ').map(|word| self.named(word)).collect::<Vec<_>>();
            self.outputs.push_back(Output::Saw(words.join(" ")));
        }
    }

    fn named(&mut self, word: &str) -> String {
        let bare = word.trim_end_matches(':');
        if bare.parse::<ConfId>().is_err() || bare.len() != 32 {
            return word.to_owned();
        }
        let at = self.confs.iter().position(|c| c == bare).unwrap_or_else(|| {
            self.confs.push(bare.to_owned());
            self.confs.len() - 1
        });
        word.replace(bare, &format!("c{}", at + 1))
    }

    /// The data conference of a member, or the only one.
    fn of(&self, member: Option<&str>) -> (ConfId, MemberId) {
        let plane = self.server.plane();
        let all: Vec<_> = plane.shares().flat_map(|conf| plane.passes(conf).map(|(id, _)| (conf.clone(), id))).collect();
        let found = all.iter().find(|(_, id)| member.is_none_or(|m| id.to_string() == m));
        found.unwrap_or_else(|| panic!("no member {member:?} among {all:?}")).clone()
    }
}

impl Node for Keeper {
    fn command(&mut self, now: Instant, text: &str, _details: &[String]) {
        let failure = || Failure::new(FailureCode::NoSpace, "no room on the disk");
        let words: Vec<_> = text.split(' ').collect();
        let event = match words[..] {
            ["drain"] => return self.server.handle_command(now, Command::Drain),
            ["end"] => return self.server.handle_command(now, Command::End { reason: "the file server stops".to_owned() }),
            ["full"] => return self.server.plane_mut().set_full(Some(Full::Lists)),
            ["room"] => return self.server.plane_mut().set_full(None),
            ["wake"] => {
                self.dead = false;
                return;
            }
            ["start"] => {
                // Another process is nobody's twin, and has ports of its own.
                self.seed[1] += 1;
                self.first_port += 100;
                self.server = Self::process(&self.config, self.first_port, self.seed);
                self.dead = false;
                return;
            }
            ["die" | "hang"] => {
                self.dead = true;
                return;
            }
            ["uploaded", bytes] => PlaneEvent::Uploaded { conf: self.of(None).0, bytes: bytes.parse().expect("bytes") },
            ["upload", "fails"] => PlaneEvent::UploadFailed { conf: self.of(None).0, why: failure() },
            [verb, member, ref rest @ ..] => {
                let (conf, member) = self.of(Some(member));
                match (verb, rest) {
                    ("connected", []) => PlaneEvent::Connected { conf, member },
                    ("broken", []) => PlaneEvent::Broken { conf, member, why: None },
                    ("received", [bytes]) => PlaneEvent::Received { conf, member, bytes: bytes.parse().expect("bytes") },
                    ("gives", ["up"]) => PlaneEvent::GaveUp { conf, member, why: failure() },
                    _ => panic!("no command {text:?}"),
                }
            }
            _ => panic!("no command {text:?}"),
        };
        self.server.plane_mut().happen(event);
        self.server.handle_command(now, Command::Plane);
        self.listen();
    }

    fn arrive(&mut self, now: Instant, arrival: Arrival) {
        if !self.dead {
            self.server.handle_arrival(now, arrival);
            self.listen();
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.server.handle_timeout(now);
        self.listen();
    }

    fn next_timeout(&self) -> Option<Instant> {
        if self.dead { None } else { self.server.next_timeout() }
    }

    fn poll(&mut self) -> Option<Output> {
        let transmit = self.server.poll_transmit();
        if self.dead {
            return None;
        }
        transmit.map(Output::Send).or_else(|| self.outputs.pop_front())
    }

    fn closing(&self) -> Vec<String> {
        if self.dead {
            return vec!["is dead".to_owned()];
        }
        let gauges = self.server.gauges();
        let rest = if self.server.is_idle() { ", and nothing is left" } else { "" };
        vec![format!("has {} shares, {} members{rest}", gauges.shares(), gauges.members())]
    }
}
