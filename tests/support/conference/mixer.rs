//! A media server over a simulated plane, and what participants send it.
//!
//! Commands: `keys alice to 40000 4711#` (typed in that column, sent to that port), `talk alice to 40000 2s`, `end`, `drain`; `die` (it is
//! gone without a word: nothing reaches it or leaves it from here on).

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use confkit::{
    conference::{
        called::Access,
        media_server::{
            Command, MediaServer, MediaServerConfig,
            ports::PortRange,
            simulated::{Datagram, SimulatedPlane},
        },
    },
    media::{dtmf, g711, mixer::MixerConfig, rtp},
    sip::{
        hop::Transport,
        message::Host,
        node::{Arrival, Node as _},
    },
};

use super::{
    super::ladder::{Node, Output, zero},
    Seat, media_ip,
};

/// The tick of the plane, and of what participants send.
const TICK: Duration = Duration::from_millis(20);
/// Ticks after somebody has begun to send, until whoever talked is silent again.
const AWAKE: u32 = 100;
/// The first port.
const FIRST_PORT: u16 = 40_000;

pub struct Mixer {
    pub server: MediaServer<SimulatedPlane>,
    /// Where each column sends from.
    columns: BTreeMap<String, SocketAddr>,
    sources: BTreeMap<SocketAddr, Source>,
    dead: bool,
    /// Ticks since it had nothing to do.
    idle_ticks: u32,
    /// Where the plane rests: the ticks until then.
    awake: Option<u32>,
}

/// What one participant sends.
struct Source {
    to: SocketAddr,
    header: rtp::HeaderWriter,
    timestamp: u32,
    tone_ticks: u32,
    keys: dtmf::Sender,
    next: Instant,
}

impl Source {
    fn is_active(&self) -> bool {
        self.tone_ticks > 0 || self.keys.is_active()
    }

    fn packet(&mut self) -> Option<Vec<u8>> {
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(160);
        let mut packet = vec![0; 12];
        if self.keys.is_active() {
            let event = self.keys.tick(timestamp)?;
            self.header.write(event.marker, 101, event.timestamp, &mut packet);
            packet.extend(event.event.to_bytes());
        } else {
            self.tone_ticks -= 1;
            self.header.write(false, 0, timestamp, &mut packet);
            packet.extend((0..160).map(|n| g711::encode_ulaw(if n / 10 % 2 == 0 { 8000 } else { -8000 })));
        }
        Some(packet)
    }
}

impl Mixer {
    pub fn new(seat: &Seat<'_>) -> Self {
        let hop = seat.world.media_server_hop(seat.name);
        let endpoint = seat.configure(MediaServerConfig::endpoint());
        let endpoint = match hop.socket() {
            Some(at) => endpoint.at(Transport::Udp, Host::Ip(at.ip()), Some(at.port())),
            None => endpoint.role(seat.name),
        };
        let mut config = MediaServerConfig::new(endpoint, media_ip());
        config.access = Access { loopback: vec![seat.world.server()], ..Access::default() };
        // The second one has ports of its own.
        let first = if seat.name == "ms" { FIRST_PORT } else { FIRST_PORT + 10_000 };
        let range = PortRange { first, last: first + 2 * seat.world.ports - 1 };
        let plane = SimulatedPlane::new(MixerConfig { silent_after: Duration::from_secs(86_400) }, range, zero(), seat.seed);
        let places = seat.world.columns.iter().enumerate();
        let columns = places.map(|(at, name)| ((*name).to_owned(), SocketAddr::from(([192, 0, 2, at as u8 + 1], 30_000)))).collect();
        Self {
            server: MediaServer::new(config, plane, seat.seed),
            columns,
            sources: BTreeMap::new(),
            dead: false,
            idle_ticks: 0,
            awake: seat.world.plane_rests.then_some(0),
        }
    }

    /// What a column sends to the port that its leg has.
    fn source(&mut self, now: Instant, column: &str, to: u16) -> &mut Source {
        let from = *self.columns.get(column).unwrap_or_else(|| panic!("no column {column}"));
        let n = self.sources.len() as u32;
        let to = SocketAddr::new(media_ip(), to);
        let new = || Source {
            to,
            header: rtp::HeaderWriter::new(1000 + n, 1),
            timestamp: 0,
            tone_ticks: 0,
            keys: dtmf::Sender::new(8000),
            next: now,
        };
        let source = self.sources.entry(from).or_insert_with(new);
        source.to = to;
        source.next = source.next.max(now);
        source
    }

    /// Ticks for a while, where the plane rests else.
    fn wake(&mut self, now: Instant, ticks: u32) {
        if let Some(awake) = &mut self.awake {
            *awake = ticks.max(*awake);
            self.server.plane_mut().rest_until(now);
        }
    }

    fn send_media(&mut self, now: Instant) {
        let mut datagrams = Vec::new();
        for (from, source) in &mut self.sources {
            while source.is_active() && source.next <= now {
                let bytes = source.packet();
                datagrams.extend(bytes.map(|bytes| Datagram { from: *from, to: source.to, bytes: bytes.into() }));
                source.next += TICK;
            }
        }
        for datagram in datagrams {
            self.server.plane_mut().deliver(now, &datagram);
        }
    }
}

impl Node for Mixer {
    fn command(&mut self, now: Instant, text: &str, _details: &[String]) {
        let words: Vec<_> = text.split(' ').collect();
        match words[..] {
            ["keys", column, "to", port, keys] => {
                self.source(now, column, port.parse().expect("a port")).keys.press(keys);
                self.wake(now, AWAKE);
            }
            ["talk", column, "to", port, length] => {
                let ticks = super::seconds(length).as_millis() / 20;
                self.source(now, column, port.parse().expect("a port")).tone_ticks = u32::try_from(ticks).expect("a short time");
                self.wake(now, AWAKE);
            }
            ["end"] => self.server.handle_command(now, Command::End { reason: "the media server stops".to_owned() }),
            ["drain"] => self.server.handle_command(now, Command::Drain),
            ["die"] => self.dead = true,
            _ => panic!("no command {text:?}"),
        }
    }

    fn arrive(&mut self, now: Instant, arrival: Arrival) {
        if !self.dead {
            self.idle_ticks = 0;
            self.wake(now, 3);
            self.server.handle_arrival(now, arrival);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.send_media(now);
        self.server.handle_timeout(now);
        if self.awake != Some(0) && self.server.plane().next_timeout() <= now {
            self.awake = self.awake.map(|ticks| ticks - 1);
            self.server.plane_mut().handle_timeout(now);
            while self.server.plane_mut().poll_transmit().is_some() {}
            self.server.handle_command(now, Command::Media);
            self.idle_ticks = if self.server.gauges().legs() > 0 { 0 } else { self.idle_ticks + 1 };
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        if self.dead {
            return None;
        }
        // Ticks only while there is somebody to tick for, or was just now, so that idle ladders are quick.
        let ticks = self.awake.map_or(self.idle_ticks < 5, |awake| awake > 0);
        let tick = ticks.then(|| self.server.plane().next_timeout());
        let sources = self.sources.values().filter(|s| s.is_active()).map(|s| s.next);
        sources.chain(self.server.next_timeout()).chain(tick).min()
    }

    fn poll(&mut self) -> Option<Output> {
        let transmit = self.server.poll_transmit()?;
        if self.dead { None } else { Some(Output::Send(transmit)) }
    }

    fn closing(&self) -> Vec<String> {
        if self.dead {
            return vec!["is dead".to_owned()];
        }
        let gauges = self.server.gauges();
        let rest = if self.server.is_idle() { ", and nothing is left" } else { "" };
        vec![format!("has {} conferences, {} legs{rest}", gauges.conferences(), gauges.legs())]
    }
}
