//! A network on virtual time: loses, delays, repeats and so reorders datagrams; keeps streams whole and in order; cuts places off.
//!
//! All by one seeded generator, so that a run can be repeated. What travels is up to the user; times are since the start of the run.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

/// How bad the network is.
#[derive(Debug, Clone, Copy)]
pub struct Conditions {
    /// Share of datagrams that are lost, 0 to 1.
    pub loss: f64,
    /// Share of datagrams that arrive twice, 0 to 1.
    pub duplication: f64,
    /// Shortest and longest time under way; each datagram has its own.
    pub delay: (Duration, Duration),
}

/// How a packet travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// May be lost, repeated, overtaken.
    Datagram,
    /// Arrives once, behind what was sent before it between the same two places.
    Stream,
}

/// What arrives.
#[derive(Debug, Clone)]
pub struct Packet<P> {
    /// The sender's place.
    pub from: &'static str,
    /// The receiver's place.
    pub to: &'static str,
    /// How it travelled.
    pub kind: Kind,
    /// What it is.
    pub payload: P,
}

/// The network.
pub struct Net<P> {
    rng: ChaCha12Rng,
    /// May change while it runs: what is sent from then on travels so.
    pub conditions: Conditions,
    under_way: BTreeMap<(Duration, u64), Packet<P>>,
    serial: u64,
    /// When the newest packet of each stream arrives.
    streams: BTreeMap<(&'static str, &'static str), Duration>,
    cut: BTreeSet<&'static str>,
    /// Every packet sent, and what became of it, one a line.
    pub transcript: String,
}

impl<P: Clone> Net<P> {
    /// A network; the same seed and the same sends bring the same arrivals.
    pub fn new(seed: u64, conditions: Conditions) -> Self {
        Self {
            rng: ChaCha12Rng::seed_from_u64(seed),
            conditions,
            under_way: BTreeMap::new(),
            serial: 0,
            streams: BTreeMap::new(),
            cut: BTreeSet::new(),
            transcript: String::new(),
        }
    }

    /// Sends a packet; `label` is what the transcript calls it.
    pub fn send(&mut self, now: Duration, packet: &Packet<P>, label: &str) {
        let (from, to) = (packet.from, packet.to);
        let lost = match packet.kind {
            Kind::Datagram => self.rng.random_bool(self.conditions.loss),
            Kind::Stream => false,
        };
        let gone = self.cut.contains(from) || self.cut.contains(to);
        let twice = !lost && !gone && packet.kind == Kind::Datagram && self.rng.random_bool(self.conditions.duplication);
        let fate = match (gone, lost, twice) {
            (true, ..) => " (cut off)",
            (_, true, _) => " (lost)",
            (.., true) => " (twice)",
            _ => "",
        };
        let _ = writeln!(self.transcript, "{:>10.3} {from} -> {to} {label}{fate}", now.as_secs_f64());
        let copies = if gone || lost { 0 } else { 1 + usize::from(twice) };
        for _ in 0..copies {
            let mut arrival = now + self.rng.random_range(self.conditions.delay.0..=self.conditions.delay.1);
            if packet.kind == Kind::Stream {
                let last = self.streams.entry((from, to)).or_default();
                arrival = arrival.max(*last);
                *last = arrival;
            }
            self.serial += 1;
            self.under_way.insert((arrival, self.serial), packet.clone());
        }
    }

    /// When the next packet arrives.
    pub fn next_arrival(&self) -> Option<Duration> {
        self.under_way.first_key_value().map(|((at, _), _)| *at)
    }

    /// A packet that has arrived by now.
    pub fn arrived(&mut self, now: Duration) -> Option<Packet<P>> {
        let first = self.under_way.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(first.remove())
    }

    /// Cuts a place off for good: nothing leaves it or reaches it any more, not even what is under way.
    pub fn cut(&mut self, now: Duration, place: &'static str) {
        let _ = writeln!(self.transcript, "{:>10.3} {place} is cut off", now.as_secs_f64());
        self.cut.insert(place);
        self.under_way.retain(|_, p| p.from != place && p.to != place);
    }
}
