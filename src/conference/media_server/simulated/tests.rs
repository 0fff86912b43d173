//! Whole conferences over bad networks: terminals, a mixer between them, loss, delay, doubling, garbage. Everything from one seed.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use super::{Datagram, SimulatedPlane};
use crate::{
    conference::media_server::{
        plane::{Codec, LegId, LegMedia, MediaPlane as _, Mix, PlaneEvent, RoomId},
        ports::PortRange,
    },
    media::{
        mixer::{MixerConfig, Port},
        terminal::{Mic, Report, Terminal},
    },
};

/// What a network does to packets.
#[derive(Clone, Copy)]
struct Weather {
    /// One packet in so many is lost; 0 for none.
    loss: u32,
    /// One in so many comes twice.
    doubling: u32,
    /// Delay is drawn from 2 ms to this, so that packets overtake each other.
    jitter_ms: f64,
    /// So many datagrams of garbage to each leg and tick, from its terminal's address and from elsewhere.
    garbage: u32,
}

const FAIR: Weather = Weather { loss: 0, doubling: 0, jitter_ms: 3.0, garbage: 0 };

struct Seat {
    terminal: Terminal,
    address: SocketAddr,
    leg: LegId,
    frequency: f32,
    next: Instant,
    period: Duration,
}

struct World {
    plane: SimulatedPlane,
    seats: Vec<Seat>,
    by_address: BTreeMap<SocketAddr, usize>,
    weather: Weather,
    rng: ChaCha12Rng,
    now: Instant,
    /// What is on its way, by arrival and number.
    wire: BTreeMap<(Instant, u64), Datagram>,
    sent: u64,
    events: Vec<PlaneEvent>,
    /// Of every datagram that left anywhere.
    transcript: DefaultHasher,
}

impl World {
    /// `count` terminals in one room, each with a tone of its own and a clock of its own within 200 millionths.
    fn new(count: usize, weather: Weather, seed: u8) -> Self {
        let now = crate::clock::now();
        let mut rng = ChaCha12Rng::from_seed([seed; 32]);
        let mut plane = SimulatedPlane::new(MixerConfig::default(), PortRange { first: 20_000, last: 30_000 }, now, rng.random());
        let room = RoomId::new("standup");
        plane.open_room(&room).unwrap();
        let mut seats = Vec::new();
        for number in 0..count {
            let (leg, rtp) = plane.open_leg(&room, [192, 0, 2, 1].into()).unwrap();
            let address = SocketAddr::from(([198, 51, 100, number as u8 + 1], 4000));
            let codec = if number % 3 == 2 { Codec::Pcma } else { Codec::Pcmu };
            plane.connect_leg(leg, LegMedia { latch: number % 2 == 0, ..LegMedia::new(address, codec.format()) }).unwrap();
            plane.set_mix(leg, Mix::FULL).unwrap();
            let mut terminal = Terminal::new(now, SystemTime::UNIX_EPOCH, rng.random());
            terminal.start(now, LegMedia::new(rtp, codec.format()));
            let frequency = 300.0 + 97.0 * number as f32;
            terminal.set_mic(Mic::Tone { frequency, level_dbfs: -26.0 });
            let drift: f64 = rng.random_range(-200e-6..200e-6);
            let next = now + Duration::from_secs_f64(rng.random_range(0.0..0.020));
            seats.push(Seat { terminal, address, leg, frequency, next, period: Duration::from_secs_f64(0.020 * (1.0 + drift)) });
        }
        let by_address = seats.iter().enumerate().map(|(at, seat)| (seat.address, at)).collect();
        Self {
            plane,
            seats,
            by_address,
            weather,
            rng,
            now,
            wire: BTreeMap::new(),
            sent: 0,
            events: Vec::new(),
            transcript: DefaultHasher::new(),
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let seat = (0..self.seats.len()).min_by_key(|&at| self.seats[at].next);
            let next = [self.wire.keys().next().map(|key| key.0), seat.map(|at| self.seats[at].next), Some(self.plane.next_timeout())];
            let Some(next) = next.into_iter().flatten().min().filter(|&next| next <= end) else { break };
            self.now = next;
            while let Some(entry) = self.wire.first_entry().filter(|entry| entry.key().0 <= next) {
                let datagram = entry.remove();
                self.deliver(&datagram);
            }
            if let Some(at) = seat.filter(|&at| self.seats[at].next <= next) {
                self.speak(at);
            }
            if self.plane.next_timeout() <= next {
                self.plane.handle_timeout(next);
                while let Some(datagram) = self.plane.poll_transmit() {
                    self.send(&datagram);
                }
                while let Some(event) = self.plane.poll_event() {
                    self.events.push(event);
                }
                self.litter();
            }
        }
        self.now = end;
    }

    fn speak(&mut self, at: usize) {
        let (now, seat) = (self.now, &mut self.seats[at]);
        seat.next += seat.period;
        seat.terminal.tick(now);
        let mut out = Vec::new();
        while let Some((port, to, bytes)) = seat.terminal.poll_packet(now) {
            let from = if port == Port::Media { seat.address } else { SocketAddr::new(seat.address.ip(), seat.address.port() + 1) };
            out.push(Datagram { from, to, bytes: Bytes::copy_from_slice(bytes) });
        }
        out.iter().for_each(|datagram| self.send(datagram));
    }

    fn send(&mut self, datagram: &Datagram) {
        datagram.bytes.hash(&mut self.transcript);
        datagram.to.hash(&mut self.transcript);
        let weather = self.weather;
        let mut one_in = |count: u32| count > 0 && self.rng.random_ratio(1, count);
        let copies = usize::from(!one_in(weather.loss)) + usize::from(one_in(weather.doubling));
        for _ in 0..copies {
            let delay = Duration::from_secs_f64(self.rng.random_range(2.0..weather.jitter_ms) / 1000.0);
            self.sent += 1;
            self.wire.insert((self.now + delay, self.sent), datagram.clone());
        }
    }

    fn litter(&mut self) {
        for at in 0..self.seats.len() {
            let to = self.plane.legs.get(&self.seats[at].leg).map(|leg| leg.1.address);
            let Some(to) = to else { continue };
            for number in 0..self.weather.garbage {
                let mut bytes: Vec<u8> = (0..self.rng.random_range(0..200)).map(|_| self.rng.random()).collect();
                let from = if number % 2 == 0 { self.seats[at].address } else { SocketAddr::from(([203, 0, 113, 9], 9)) };
                // From the right address only what is no RTP of a known kind: that would be its owner's own doing.
                if let Some(first) = bytes.first_mut().filter(|_| number % 2 == 0) {
                    *first &= 0x3f;
                }
                self.deliver(&Datagram { from, to, bytes: bytes.into() });
            }
        }
    }

    fn deliver(&mut self, datagram: &Datagram) {
        let now = self.now;
        let reports = SocketAddr::new(datagram.to.ip(), datagram.to.port().wrapping_sub(1));
        if let Some(&at) = self.by_address.get(&datagram.to) {
            self.seats[at].terminal.receive(now, now, datagram.from, &datagram.bytes);
        } else if let Some(&at) = self.by_address.get(&reports) {
            self.seats[at].terminal.receive_report(now, datagram.from, &datagram.bytes);
        } else {
            self.plane.deliver(now, datagram);
        }
    }

    fn reports(&self) -> Vec<Report> {
        self.seats.iter().map(|seat| seat.terminal.snapshot().report()).collect()
    }

    /// Everyone hears everyone but himself, at the level said, give or take.
    fn check(&self, tolerance_db: f32) {
        for (at, report) in self.reports().iter().enumerate() {
            for (other, seat) in self.seats.iter().enumerate() {
                let level = report.whole.spectrum.level_at(seat.frequency);
                if other == at {
                    assert!(level < -45.0, "terminal {at} hears itself at {level} dB");
                } else {
                    assert!((level + 26.0).abs() < tolerance_db, "terminal {at} hears {other} at {level} dB");
                }
            }
        }
    }
}

#[test]
fn in_fair_weather_everyone_hears_all_others_and_nothing_is_lost() {
    let mut world = World::new(8, FAIR, 1);
    world.run(Duration::from_secs(20));
    world.check(1.0);
    for (seat, report) in world.seats.iter().zip(world.reports()) {
        let leg = world.plane.mixer.stats(seat.leg).unwrap();
        assert_eq!((leg.lost, leg.late, leg.strangers, report.stats.lost, report.stats.late), (0, 0, 0, 0, 0));
        assert!(leg.delay <= Duration::from_millis(60), "{leg:?}");
        assert!(leg.round_trip.is_some_and(|time| time < Duration::from_millis(20)), "{:?}", leg.round_trip);
        assert!(leg.concealed <= Duration::from_millis(60), "{:?}", leg.concealed);
    }
    let talkers = world.events.iter().filter(|event| matches!(event, PlaneEvent::Talkers { legs, .. } if legs.len() == 8)).count();
    assert_eq!(talkers, 1);
}

#[test]
fn in_foul_weather_the_mix_is_hardly_the_worse() {
    let foul = Weather { loss: 33, doubling: 50, jitter_ms: 45.0, garbage: 4 };
    let mut world = World::new(6, foul, 2);
    world.run(Duration::from_secs(40));
    world.check(3.0);
    for seat in &world.seats {
        let leg = world.plane.mixer.stats(seat.leg).unwrap();
        assert!(leg.malformed > 1000 && leg.strangers > 1000 && leg.duplicates > 20, "{leg:?}");
        // Three percent are lost, and some come late. What came twice makes up for losses, as the RFC counts.
        assert!(leg.concealed < Duration::from_secs(4), "{leg:?}");
        assert!((40..=80).contains(&(leg.lost + leg.duplicates as i64)), "{leg:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_conference_to_the_byte() {
    let foul = Weather { loss: 20, doubling: 20, jitter_ms: 60.0, garbage: 2 };
    let transcript = |seed| {
        let mut world = World::new(5, foul, seed);
        world.run(Duration::from_secs(5));
        let events = world.events.len();
        (world.transcript.finish(), events, world.sent)
    };
    assert_eq!(transcript(3), transcript(3));
    assert_ne!(transcript(3).0, transcript(4).0);
}

#[test]
fn someone_muted_is_missing_for_the_others_and_for_nobody_else() {
    let mut world = World::new(4, FAIR, 5);
    world.run(Duration::from_secs(3));
    let muted = world.seats[2].leg;
    world.plane.set_mix(muted, Mix { mute: true, ..Mix::FULL }).unwrap();
    world.run(Duration::from_secs(4));
    for (at, report) in world.reports().iter().enumerate() {
        let level = |of: usize| report.recent.spectrum.level_at(world.seats[of].frequency);
        let heard: Vec<bool> = (0..4).map(|of| level(of) > -40.0).collect();
        let expected: Vec<bool> = (0..4).map(|of| of != at && of != 2).collect();
        assert_eq!(heard, expected, "terminal {at}");
    }
}

#[test]
fn what_is_left_of_a_conference_goes_on_and_ports_are_given_back() {
    let mut world = World::new(4, FAIR, 6);
    world.run(Duration::from_secs(2));
    let gone = world.seats.remove(1);
    world.by_address = world.seats.iter().enumerate().map(|(at, seat)| (seat.address, at)).collect();
    let before = world.plane.ports.free();
    world.plane.close_leg(gone.leg);
    world.run(Duration::from_secs(3));
    assert_eq!(world.plane.ports.free(), before + 1);
    assert!(world.events.iter().any(|event| matches!(event, PlaneEvent::Closed { leg, .. } if *leg == gone.leg)));
    let report = world.seats[0].terminal.snapshot().report();
    assert!(report.recent.spectrum.level_at(gone.frequency) < -45.0);
    assert!((report.recent.spectrum.level_at(world.seats[2].frequency) + 26.0).abs() < 1.0);
}
