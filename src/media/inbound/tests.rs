use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use super::Inbound;
use crate::media::{Codec, Direction, LegMedia, LegStats, dtmf, g711, latch::RELATCH_AFTER, rtp};

fn at(host: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], port))
}

/// Where the SDP says that the peer is.
fn peer() -> SocketAddr {
    at(1, 4000)
}

/// Somebody who sends packets of one value.
struct Voice {
    header: rtp::HeaderWriter,
    timestamp: u32,
    from: SocketAddr,
    payload_type: u8,
    value: i16,
}

impl Voice {
    fn new(from: SocketAddr, ssrc: u32, value: i16) -> Self {
        Self { header: rtp::HeaderWriter::new(ssrc, ssrc as u16), timestamp: ssrc.wrapping_mul(7919), from, payload_type: 0, value }
    }

    fn packet(&mut self) -> Vec<u8> {
        let code = if self.payload_type == 8 { g711::encode_alaw(self.value) } else { g711::encode_ulaw(self.value) };
        let mut packet = vec![code; 172];
        self.header.write(false, self.payload_type, self.timestamp, &mut packet);
        self.timestamp = self.timestamp.wrapping_add(160);
        packet
    }
}

struct Ear {
    inbound: Inbound,
    now: Instant,
    digits: String,
}

impl Ear {
    fn new(change: impl FnOnce(&mut LegMedia)) -> Self {
        let mut media = LegMedia::new(peer(), Codec::Pcmu.format());
        media.accepts = vec![Codec::Pcma.format()];
        media.dtmf_payload_type = Some(101);
        change(&mut media);
        Self { inbound: Inbound::new(&media), now: crate::clock::now(), digits: String::new() }
    }

    fn hear(&mut self, from: SocketAddr, packet: &[u8]) {
        self.digits.extend(self.inbound.receive(self.now, self.now, from, packet).map(|digit| digit.key));
    }

    fn say(&mut self, voice: &mut Voice) {
        let packet = voice.packet();
        self.hear(voice.from, &packet);
    }

    /// The middle sample of the next tick.
    fn tick(&mut self) -> i16 {
        self.now += Duration::from_millis(20);
        self.inbound.pull().samples[80]
    }

    /// Ticks in each of which everyone speaks: what is heard in the last.
    fn run(&mut self, ticks: usize, voices: &mut [&mut Voice]) -> i16 {
        let mut heard = 0;
        for _ in 0..ticks {
            voices.iter_mut().for_each(|voice| self.say(voice));
            heard = self.tick();
        }
        heard
    }

    fn stats(&self) -> LegStats {
        let mut stats = LegStats::default();
        self.inbound.count_into(&mut stats);
        stats
    }
}

/// Values that both laws keep near enough to tell them apart.
const ALICE: i16 = 1000;
const MALLORY: i16 = 9000;

fn is(heard: i16, said: i16) -> bool {
    (i32::from(heard) - i32::from(said)).abs() < 200
}

#[test]
fn the_peer_is_heard_from_its_first_packet() {
    let mut ear = Ear::new(|_| {});
    let mut alice = Voice::new(peer(), 1, ALICE);
    assert!(is(ear.run(3, &mut [&mut alice]), ALICE));
    assert_eq!((ear.stats().packets_in, ear.stats().lost), (3, 0));
}

#[test]
fn strangers_and_noise_are_counted_and_never_heard() {
    let mut ear = Ear::new(|_| {});
    let mut alice = Voice::new(peer(), 1, ALICE);
    let mut mallory = Voice::new(at(66, 4000), 1, MALLORY);
    let mut rng = ChaCha12Rng::from_seed([2; 32]);
    ear.run(5, &mut [&mut alice]);
    for _ in 0..500 {
        for _ in 0..3 {
            let noise: Vec<u8> = (0..rng.random_range(0..300)).map(|_| rng.random::<u8>() & 0x3f).collect();
            ear.hear(peer(), &noise);
        }
        assert!(is(ear.run(1, &mut [&mut mallory, &mut alice]), ALICE));
    }
    let stats = ear.stats();
    assert_eq!((stats.packets_in, stats.strangers, stats.malformed, stats.lost, stats.late), (505, 500, 1500, 0, 0));
    assert_eq!(stats.concealed, Duration::ZERO);
}

#[test]
fn a_second_source_from_the_same_address_does_not_break_in() {
    let mut ear = Ear::new(|_| {});
    let (mut alice, mut mallory) = (Voice::new(peer(), 1, ALICE), Voice::new(peer(), 2, MALLORY));
    ear.run(5, &mut [&mut alice]);
    for _ in 0..200 {
        assert!(is(ear.run(1, &mut [&mut alice, &mut mallory]), ALICE));
    }
    assert_eq!((ear.stats().ssrc, ear.stats().restarts), (Some(1), 0));
}

#[test]
fn a_peer_that_changes_its_source_is_heard_again_within_a_tenth_of_a_second() {
    let mut ear = Ear::new(|_| {});
    let (mut before, mut after) = (Voice::new(peer(), 1, ALICE), Voice::new(peer(), 2, MALLORY));
    ear.run(50, &mut [&mut before]);
    assert!(is(ear.run(5, &mut [&mut after]), MALLORY));
    let stats = ear.stats();
    assert_eq!((stats.ssrc, stats.restarts, stats.lost), (Some(2), 1, 0));
}

#[test]
fn the_codec_may_change_among_the_negotiated_ones_without_a_gap() {
    let mut ear = Ear::new(|_| {});
    let mut alice = Voice::new(peer(), 1, ALICE);
    ear.run(10, &mut [&mut alice]);
    for payload_type in [8, 0, 8, 8, 0] {
        alice.payload_type = payload_type;
        assert!(is(ear.run(2, &mut [&mut alice]), ALICE));
    }
    assert_eq!(ear.stats().concealed, Duration::ZERO);
}

#[test]
fn payload_types_that_were_not_negotiated_are_passed_over() {
    let mut ear = Ear::new(|_| {});
    let mut alice = Voice::new(peer(), 1, ALICE);
    ear.run(10, &mut [&mut alice]);
    alice.payload_type = 96;
    ear.run(10, &mut [&mut alice]);
    let stats = ear.stats();
    assert_eq!((stats.unknown_payload, stats.packets_in, stats.lost), (10, 10, 0));
    let mut unknown = Voice::new(peer(), 9, MALLORY);
    unknown.payload_type = 97;
    let mut fresh = Ear::new(|_| {});
    fresh.run(10, &mut [&mut unknown]);
    assert_eq!((fresh.stats().unknown_payload, fresh.stats().ssrc), (10, None), "nor do they make a source");
}

#[test]
fn with_latching_the_first_valid_source_is_the_peer_until_it_is_silent() {
    let mut ear = Ear::new(|media| media.latch = true);
    let mut alice = Voice::new(at(7, 7000), 1, ALICE);
    let mut mallory = Voice::new(at(66, 6000), 2, MALLORY);
    assert!(is(ear.run(5, &mut [&mut alice]), ALICE));
    assert_eq!(ear.inbound.remote(), Some(alice.from));
    assert!(is(ear.run(50, &mut [&mut mallory, &mut alice]), ALICE));
    assert!(ear.stats().strangers >= 50);
    let silence = (RELATCH_AFTER.as_millis() / 20) as usize;
    ear.run(silence + 5, &mut [&mut mallory]);
    assert!(is(ear.run(1, &mut [&mut mallory]), MALLORY));
    assert_eq!(ear.inbound.remote(), Some(mallory.from));
}

#[test]
fn a_peer_whose_port_changes_is_heard_again_when_it_latches() {
    let mut ear = Ear::new(|media| media.latch = true);
    let mut alice = Voice::new(peer(), 1, ALICE);
    ear.run(10, &mut [&mut alice]);
    alice.from = at(1, 4444);
    ear.run((RELATCH_AFTER.as_millis() / 20) as usize + 5, &mut [&mut alice]);
    assert!(is(ear.run(1, &mut [&mut alice]), ALICE));
    assert_eq!(ear.inbound.remote(), Some(at(1, 4444)));
}

#[test]
fn many_claimants_cannot_keep_the_true_one_out() {
    let mut ear = Ear::new(|media| media.latch = true);
    let mut alice = Voice::new(at(7, 7000), 1, ALICE);
    let mut rng = ChaCha12Rng::from_seed([3; 32]);
    for _ in 0..10 {
        // Each from another address, none twice in a row.
        let mut mallory = Voice::new(at(66, rng.random_range(1024..60000)), rng.random(), MALLORY);
        ear.run(1, &mut [&mut mallory, &mut alice]);
    }
    assert_eq!(ear.inbound.remote(), Some(alice.from));
}

#[test]
fn keys_come_beside_the_audio_and_their_time_is_silence() {
    let mut ear = Ear::new(|_| {});
    let mut alice = Voice::new(peer(), 1, ALICE);
    ear.run(10, &mut [&mut alice]);
    let start = alice.timestamp;
    for tick in 1..=8u16 {
        let event = dtmf::Event { code: 5, end: tick > 5, volume: 10, duration: tick.min(6) * 160 };
        let mut packet = [0; 16];
        packet[12..].copy_from_slice(&event.to_bytes());
        alice.header.write(tick == 1, 101, start, &mut packet);
        ear.hear(peer(), &packet);
        ear.tick();
    }
    alice.timestamp = start + 8 * 160;
    assert!(is(ear.run(4, &mut [&mut alice]), ALICE));
    assert_eq!(ear.digits, "5");
    let stats = ear.stats();
    assert_eq!((stats.lost, stats.concealed), (0, Duration::ZERO), "{stats:?}");
}

#[test]
fn comfort_noise_is_taken_for_a_pause() {
    let mut ear = Ear::new(|_| {});
    let mut alice = Voice::new(peer(), 1, ALICE);
    ear.run(10, &mut [&mut alice]);
    let mut packet = [40; 13];
    alice.header.write(false, 13, alice.timestamp, &mut packet);
    ear.hear(peer(), &packet);
    ear.tick();
    assert_eq!((0..10).map(|_| ear.tick()).max(), Some(0));
    assert_eq!((ear.stats().unknown_payload, ear.stats().concealed), (0, Duration::ZERO));
}

#[test]
fn what_is_held_is_not_heard() {
    let mut ear = Ear::new(|media| media.direction = Direction::SendOnly);
    let mut alice = Voice::new(peer(), 1, ALICE);
    assert_eq!(ear.run(10, &mut [&mut alice]), 0);
    assert_eq!(ear.stats().packets_in, 0);
}

#[test]
fn a_new_offer_does_not_break_the_stream() {
    let mut ear = Ear::new(|_| {});
    let mut alice = Voice::new(peer(), 1, ALICE);
    ear.run(10, &mut [&mut alice]);
    let media = LegMedia { accepts: vec![Codec::Pcma.format()], ..LegMedia::new(peer(), Codec::Pcmu.format()) };
    ear.inbound.renegotiate(&media);
    assert!(is(ear.run(1, &mut [&mut alice]), ALICE));
    assert_eq!((ear.stats().concealed, ear.stats().restarts), (Duration::ZERO, 0));
    // Another address, at once.
    ear.inbound.renegotiate(&LegMedia::new(at(9, 9000), Codec::Pcmu.format()));
    let mut moved = Voice::new(at(9, 9000), 5, MALLORY);
    assert!(is(ear.run(5, &mut [&mut moved]), MALLORY));
}
