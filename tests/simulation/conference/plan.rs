//! What a seed decides before the day begins.

use std::{fmt::Write as _, time::Duration};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use crate::net::Conditions;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// The conferences that people speak of.
pub const CONFERENCES: [&str; 2] = ["standup", "retro"];
/// Each is watched by one of these.
pub const WATCHERS: [&str; 2] = ["watcher", "watcher-bob"];
/// Terminals; the first few are there.
const PHONES: [&str; 8] = ["alice", "bob", "guest", "carol", "bob2", "dave", "guest2", "alice2"];

/// When the rough weather is over.
pub const ROUGH: Duration = Duration::from_secs(45);

/// How the weather is once it is fine.
pub const FINE: Conditions = Conditions { loss: 0.0, duplication: 0.0, delay: (Duration::from_millis(1), Duration::from_millis(20)) };

/// One seed's day.
pub struct Plan {
    pub seed: u64,
    pub weather: Conditions,
    /// Who is there, in the words of a ladder.
    pub script: String,
    /// How many of the columns are terminals: the last ones.
    pub phones: usize,
    /// When the media server dies, and when another one stands in its place.
    pub death: Option<(Duration, Duration)>,
    /// Longest pause between two whims.
    pub haste: Duration,
}

impl Plan {
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(seed ^ 0xda7);
        let loss = if rng.random_bool(0.15) { 0.0 } else { rng.random_range(0.01..0.3) };
        let longest = if rng.random_bool(0.5) { 60 } else { rng.random_range(100..1200) };
        let weather = Conditions { loss, duplication: rng.random_range(0.0..0.2), delay: (MS(1), MS(longest)) };
        let phones = rng.random_range(4..=PHONES.len());
        let there = &PHONES[..phones];
        let mut script =
            format!("columns as ms shell {} {}\nover udp\nping 5s\nringing 12s\nuntil 45000ms\n", WATCHERS.join(" "), there.join(" "));
        let _ = writeln!(script, "session as 90s\nplane rests\nseed {seed}");
        for name in there {
            // Some ring longer than the conference waits.
            let ring = if rng.random_bool(0.15) { 30 } else { rng.random_range(0..5) };
            let _ = writeln!(script, "ring {name} {ring}s");
            if rng.random_bool(0.3) {
                let _ = writeln!(script, "session {name} 90s");
            }
        }
        let death = rng.random_bool(0.35).then(|| {
            let dies = MS(rng.random_range(10_000..40_000));
            (dies, dies + MS(rng.random_range(500..25_000)))
        });
        Self { seed, weather, script, phones, death, haste: MS(rng.random_range(900..2800)) }
    }
}
