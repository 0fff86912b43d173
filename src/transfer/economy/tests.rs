//! Links and data of many kinds on virtual time, and what is decided there.

use std::fmt::Write as _;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use super::*;

const CHUNK: usize = 512 * 1024;
/// Bytes that the sockets between the two hold.
const BUFFER: f64 = 4.0 * 1024.0 * 1024.0;
/// Seconds that reading and sealing a chunk takes.
const READING: f64 = CHUNK as f64 / 2e9;
const MB: f64 = 1e6;

/// What a kind of data is to a compressor: bytes a second, and the part that is left.
type Data = (f64, f64);
const TEXT: Data = (350.0 * MB, 0.3);
const NOISE: Data = (3_500.0 * MB, 1.0);
const ZEROS: Data = (5_000.0 * MB, 0.0001);
const PICTURES: Data = (900.0 * MB, 0.97);

/// A link and a sender on virtual time.
struct Simulation {
    economy: Economy,
    rng: ChaCha12Rng,
    now: f64,
    /// Bytes that wait in the sockets.
    queued: f64,
    wire: f64,
    chunks: u64,
    tried: u64,
    packed: u64,
    /// What was decided: `.` as it is, `o` tried in vain, `x` compressed.
    told: String,
}

impl Simulation {
    fn new(policy: Policy, seed: u64) -> Self {
        let (economy, rng) = (Economy::new(policy), ChaCha12Rng::seed_from_u64(seed));
        Self { economy, rng, now: 0.0, queued: 0.0, wire: 0.0, chunks: 0, tried: 0, packed: 0, told: String::new() }
    }

    fn pass(&mut self, seconds: f64, link: f64) {
        self.now += seconds;
        self.queued = (self.queued - seconds * link).max(0.0);
    }

    /// Sends chunks of a kind over a link of so many bytes a second.
    fn send(&mut self, chunks: usize, (speed, left): Data, link: f64) -> &mut Self {
        for _ in 0..chunks {
            let before = self.now;
            self.pass(READING, link);
            let (mut bytes, mut mark) = (CHUNK, '.');
            if self.economy.handle_chunk(CHUNK) {
                // Other programs run, too.
                let took = CHUNK as f64 / speed * self.rng.random_range(1.0..1.3);
                self.pass(took, link);
                self.tried += 1;
                mark = 'o';
                let packed = (left < 1.0).then_some((CHUNK as f64 * left) as usize);
                if self.economy.handle_packed(CHUNK, packed, Duration::from_secs_f64(took)) {
                    (bytes, mark) = (packed.expect("it was said to be smaller"), 'x');
                    self.packed += 1;
                }
            }
            let waits = ((self.queued + bytes as f64 - BUFFER) / link).max(0.0) + bytes as f64 / 5e9;
            self.pass(waits, link);
            self.queued += bytes as f64;
            self.wire += bytes as f64;
            self.chunks += 1;
            self.told.push(mark);
            self.economy.handle_sent(bytes, Duration::from_secs_f64(waits), Duration::from_secs_f64(self.now - before));
        }
        self
    }

    /// Seconds until the other side has all of it.
    fn seconds(&self, link: f64) -> f64 {
        self.now + self.queued / link
    }

    /// Runs of equal decisions.
    fn runs(&self) -> String {
        let mut runs = String::new();
        let mut marks = self.told.chars().peekable();
        while let Some(mark) = marks.next() {
            let mut count = 1;
            while marks.next_if_eq(&mark).is_some() {
                count += 1;
            }
            let _ = write!(runs, "{mark}{count} ");
        }
        runs
    }
}

fn seconds(policy: Policy, chunks: usize, data: Data, link: f64) -> f64 {
    Simulation::new(policy, 7).send(chunks, data, link).seconds(link)
}

/// At any rate and for any data it is as fast as the better of both, but for what it costs to find out.
#[test]
fn no_link_is_slower_by_it_than_by_one_in_twenty_and_what_can_be_gained_is() {
    for link in [1.0, 5.0, 12.5, 40.0, 118.0, 200.0, 300.0, 600.0, 1_200.0, 2_200.0].map(|link| link * MB) {
        for (name, data) in [("text", TEXT), ("noise", NOISE), ("zeros", ZEROS), ("pictures", PICTURES)] {
            let [auto, always, never] = Policy::ALL.map(|policy| seconds(policy, 2_000, data, link));
            // What it takes before anything is known: the sockets are filled.
            let first = 2.0 * BUFFER / link;
            println!("{name} at {:.0} MB/s: {auto:.2} s, always {always:.2} s, never {never:.2} s", link / MB);
            assert!(auto <= never * 1.05 + first, "{name} at {link}: {auto} s, and {never} s as it is");
            if link <= 118.0 * MB {
                assert!(auto <= always * 1.1 + first, "{name} at {link}: {auto} s, and {always} s compressed");
            }
        }
    }
}

#[test]
fn where_the_link_is_fast_nothing_is_ever_tried() {
    for link in [600.0, 1_200.0, 2_200.0] {
        for data in [TEXT, ZEROS, NOISE] {
            let mut simulation = Simulation::new(Policy::Auto, 1);
            simulation.send(4_000, data, link * MB);
            assert_eq!(simulation.tried, 0, "at {link} MB/s");
        }
    }
}

#[test]
fn what_cannot_be_compressed_is_tried_for_one_part_in_thirty_two_of_the_time() {
    for link in [1.0, 10.0, 100.0, 200.0] {
        let mut simulation = Simulation::new(Policy::Auto, 1);
        simulation.send(2_000, NOISE, link * MB);
        let took = simulation.tried as f64 * CHUNK as f64 / NOISE.0;
        assert!(simulation.packed == 0 && simulation.tried > 10, "at {link} MB/s it is tried {} times", simulation.tried);
        assert!(took < simulation.now / 20.0, "at {link} MB/s: {took} of {} s", simulation.now);
    }
}

#[test]
fn data_that_changes_its_kind_and_links_that_change_their_rate_are_followed() {
    let mut simulation = Simulation::new(Policy::Auto, 3);
    simulation.send(200, TEXT, 20.0 * MB);
    let text = simulation.packed;
    assert!(text > 180, "{}", simulation.runs());
    simulation.send(200, NOISE, 20.0 * MB);
    assert_eq!(simulation.packed, text, "noise goes as it is");
    simulation.send(200, TEXT, 20.0 * MB);
    assert!(simulation.packed > 2 * text - 60, "{}", simulation.runs());
    // The link becomes fast: it is found out, and from then on nothing is compressed.
    simulation.send(8_000, TEXT, 2_000.0 * MB);
    let before = simulation.tried;
    simulation.send(1_000, TEXT, 2_000.0 * MB);
    assert_eq!(simulation.tried, before, "{}", simulation.runs());
    // And slow again.
    simulation.send(200, TEXT, 5.0 * MB);
    assert!(simulation.tried > before + 150, "{}", simulation.runs());
}

#[test]
fn the_same_seed_gives_the_same_decisions() {
    for seed in 0..20 {
        let run = || {
            let mut simulation = Simulation::new(Policy::Auto, seed);
            let mut dice = ChaCha12Rng::seed_from_u64(seed);
            for _ in 0..40 {
                let data = [TEXT, NOISE, ZEROS, PICTURES][dice.random_range(0..4)];
                let link = 10f64.powf(dice.random_range(6.0..9.3));
                simulation.send(dice.random_range(1..200), data, link);
            }
            (simulation.runs(), simulation.now)
        };
        let (one, other) = (run(), run());
        assert_eq!(one, other, "seed {seed}");
    }
}

/// What is decided on a chunk that was tried, by what a byte waits and what compressing it takes and leaves.
#[test]
fn a_chunk_that_was_tried_decides_on_those_behind_it() {
    for (link, speed, left, sent, goes_on) in [
        // A slow link: whatever becomes smaller.
        (10.0, 350.0, Some(0.3), true, true),
        (10.0, 350.0, Some(0.9), true, true),
        (10.0, 350.0, Some(0.95), false, false),
        (10.0, 350.0, None, false, false),
        // A faster one: where compressing is fast enough for what it saves. What was compressed already is sent so.
        (118.0, 350.0, Some(0.3), true, true),
        (118.0, 350.0, Some(0.7), true, false),
        (150.0, 350.0, Some(0.3), true, true),
        (200.0, 350.0, Some(0.3), true, false),
        (250.0, 5_000.0, Some(0.001), true, true),
    ] {
        let mut economy = Economy::new(Policy::Auto);
        let waits = Duration::from_secs_f64(CHUNK as f64 / (link * MB));
        economy.handle_sent(CHUNK, waits, waits);
        assert!(economy.handle_chunk(CHUNK), "{link} MB/s is slow enough to try");
        let packed = left.map(|left| (CHUNK as f64 * left) as usize);
        let took = Duration::from_secs_f64(CHUNK as f64 / (speed * MB));
        assert_eq!(economy.handle_packed(CHUNK, packed, took), sent, "at {link} MB/s, {speed} MB/s to {left:?}");
        assert_eq!(economy.handle_chunk(CHUNK), goes_on, "at {link} MB/s, {speed} MB/s to {left:?}");
    }
}

#[test]
fn always_and_never_are_what_they_say_and_little_is_no_chunk_to_compress() {
    let (mut always, mut never) = (Economy::new(Policy::Always), Economy::new(Policy::Never));
    assert!(always.handle_chunk(CHUNK) && !never.handle_chunk(CHUNK) && !always.handle_chunk(100));
    assert!(always.handle_packed(CHUNK, Some(CHUNK / 2), Duration::from_secs(9)));
    assert!(!always.handle_packed(CHUNK, Some(CHUNK - 1), Duration::ZERO) && !always.handle_packed(CHUNK, None, Duration::ZERO));
    assert!(always.handle_chunk(CHUNK), "whatever the one before was");
}

/// Chunks that are nothing but hole, or what a pipe gives at a time: a call for a few bytes is no slow wire.
#[test]
fn few_bytes_at_a_time_are_no_slow_link() {
    for bytes in [60, 4096] {
        let mut economy = Economy::new(Policy::Auto);
        (0..1_000).for_each(|_| economy.handle_sent(bytes, Duration::from_micros(15), Duration::from_micros(200)));
        assert!(!economy.handle_chunk(CHUNK), "{bytes}");
    }
}
