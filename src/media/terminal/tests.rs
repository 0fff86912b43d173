use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};

use super::{Mic, Terminal};
use crate::media::{Clip, Codec, Direction, LegMedia, mixer::Port};

fn at(host: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], port))
}

/// Two terminals face to face, on virtual time.
struct Pair {
    now: Instant,
    sides: [Terminal; 2],
    addresses: [SocketAddr; 2],
}

impl Pair {
    fn new(codec: Codec, ptime_ms: u8) -> Self {
        let now = crate::clock::now();
        let addresses = [at(1, 4000), at(2, 4000)];
        let mut sides = [1, 2].map(|seed| Terminal::new(now, SystemTime::UNIX_EPOCH, [seed; 32]));
        for (side, peer) in sides.iter_mut().zip([addresses[1], addresses[0]]) {
            let media = LegMedia { dtmf_payload_type: Some(101), ptime_ms, ..LegMedia::new(peer, codec.format()) };
            side.start(now, media);
        }
        Self { now, sides, addresses }
    }

    /// Runs; `lose` picks packets that do not arrive.
    fn run(&mut self, time: Duration, mut lose: impl FnMut() -> bool) {
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_millis(20);
            for side in 0..2 {
                self.sides[side].tick(self.now);
                let mut sent: Vec<(Port, Vec<u8>)> = Vec::new();
                while let Some((port, to, bytes)) = self.sides[side].poll_packet(self.now) {
                    assert_eq!(to.ip(), self.addresses[1 - side].ip());
                    sent.push((port, bytes.to_vec()));
                }
                let from = self.addresses[side];
                let arrival = self.now + Duration::from_millis(5);
                for (port, bytes) in sent {
                    match port {
                        Port::Media if lose() => {}
                        Port::Media => self.sides[1 - side].receive(arrival, arrival, from, &bytes),
                        Port::Reports => self.sides[1 - side].receive_report(arrival, SocketAddr::new(from.ip(), from.port() + 1), &bytes),
                    }
                }
            }
        }
    }
}

#[test]
fn each_hears_the_other_and_not_itself_in_both_codecs_and_every_packet_time() {
    for (codec, ptime) in [(Codec::Pcmu, 20), (Codec::Pcma, 20), (Codec::Pcmu, 10), (Codec::Pcma, 30), (Codec::Pcmu, 60)] {
        let mut pair = Pair::new(codec, ptime);
        pair.sides[0].set_mic(Mic::Tone { frequency: 440.0, level_dbfs: -20.0 });
        pair.sides[1].set_mic(Mic::Tone { frequency: 620.0, level_dbfs: -12.0 });
        pair.run(Duration::from_secs(20), || false);
        for (side, heard, level, own) in [(0, 620.0, -12.0, 440.0), (1, 440.0, -20.0, 620.0)] {
            let report = pair.sides[side].snapshot().report();
            let peak = report.recent.strongest[0];
            assert!((peak.frequency - heard).abs() < 1.0 && (peak.level_dbfs - level).abs() < 0.3, "{codec} {ptime} ms: {peak:?}");
            assert!(report.recent.spectrum.level_at(own) < level - 40.0);
            assert_eq!((report.stats.lost, report.stats.late, report.stats.unknown_payload), (0, 0, 0));
            assert_eq!(report.stats.concealed, Duration::ZERO, "{codec} {ptime} ms: {:?}", report.stats);
            assert!(report.stats.round_trip.is_some_and(|time| time < Duration::from_millis(30)), "{:?}", report.stats.round_trip);
        }
    }
}

#[test]
fn one_packet_in_twenty_one_lost_is_counted_concealed_and_leaves_the_tone_whole() {
    let mut pair = Pair::new(Codec::Pcmu, 20);
    pair.sides[0].set_mic(Mic::Tone { frequency: 440.0, level_dbfs: -20.0 });
    let mut count = 0;
    pair.run(Duration::from_secs(10), || {
        count += 1;
        count % 21 == 0
    });
    let report = pair.sides[1].snapshot().report();
    assert!((22..=24).contains(&report.stats.lost), "{:?}", report.stats);
    assert_eq!(report.stats.concealed.as_millis(), report.stats.lost as u128 * 20);
    assert!((report.whole.spectrum.level_at(440.0) + 20.0).abs() < 1.0, "{}", report.whole.spectrum.level_at(440.0));
}

#[test]
fn keys_are_heard_in_order() {
    let mut pair = Pair::new(Codec::Pcmu, 20);
    pair.run(Duration::from_millis(200), || false);
    assert_eq!(pair.sides[0].send_digits("12#4A"), 5);
    pair.run(Duration::from_secs(2), || false);
    assert!(!pair.sides[0].is_sending_digits());
    assert_eq!(pair.sides[1].snapshot().report().digits, "12#4A");
}

#[test]
fn a_clip_is_said_once_and_arrives_sample_by_sample() {
    let mut pair = Pair::new(Codec::Pcmu, 20);
    // Values that µ-law keeps exactly.
    let clip: Vec<i16> = (0..4000u32).map(|i| crate::media::g711::decode_ulaw((i * 7 % 251) as u8)).collect();
    pair.sides[0].set_mic(Mic::Clip { clip: Clip(clip.clone().into()), repeat: false });
    let mut heard = Vec::new();
    for _ in 0..50 {
        pair.run(Duration::from_millis(20), || false);
        heard.extend_from_slice(pair.sides[1].call.as_ref().unwrap().inbound.frame());
    }
    assert!(pair.sides[0].mic_is_over());
    let start = heard.windows(8).position(|window| window == &clip[..8]).expect("the clip is heard");
    assert_eq!(heard[start..start + 4000], clip[..]);
    assert!(heard[start + 4000..].iter().all(|&sample| sample == 0));
}

#[test]
fn held_terminals_say_nothing_and_go_on_afterwards() {
    let mut pair = Pair::new(Codec::Pcmu, 20);
    pair.sides[0].set_mic(Mic::Tone { frequency: 440.0, level_dbfs: -20.0 });
    pair.run(Duration::from_secs(1), || false);
    let peer = pair.addresses[1];
    let held = LegMedia { direction: Direction::ReceiveOnly, ..LegMedia::new(peer, Codec::Pcmu.format()) };
    let now = pair.now;
    pair.sides[0].start(now, held.clone());
    let before = pair.sides[0].snapshot().report().stats.packets_out;
    pair.run(Duration::from_secs(3), || false);
    assert_eq!(pair.sides[0].snapshot().report().stats.packets_out, before);
    assert!(pair.sides[1].snapshot().report().recent.level_dbfs.is_none(), "silence");
    let now = pair.now;
    pair.sides[0].start(now, LegMedia { direction: Direction::SendReceive, ..held });
    pair.run(Duration::from_secs(3), || false);
    let report = pair.sides[1].snapshot().report();
    assert!((report.recent.spectrum.level_at(440.0) + 20.0).abs() < 0.5);
    assert_eq!(report.stats.lost, 0);
}

#[test]
fn the_last_packet_is_a_good_bye() {
    let mut pair = Pair::new(Codec::Pcmu, 20);
    pair.run(Duration::from_secs(1), || false);
    pair.sides[0].stop();
    let now = pair.now;
    let (port, _, bytes) = pair.sides[0].poll_packet(now).unwrap();
    assert_eq!(port, Port::Reports);
    assert!(bytes.windows(2).any(|pair| pair == [0xa1, 203]));
    pair.sides[0].tick(now);
    assert!(pair.sides[0].poll_packet(now).is_none());
}
