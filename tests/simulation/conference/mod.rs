//! A simulated day of a conference server.
//!
//! | file | what |
//! |---|---|
//! | `plan.rs` | what a seed decides before it begins: the weather, who there is, when the media server dies |
//! | `world.rs` | machines, network, clock, and the day: rough weather, fine weather, the end |
//! | `whims.rs` | what people do, drawn from the seed |
//! | `orders.rs` | what the shell asked, what it was told, and what came to be |
//! | `wire.rs` | what must hold of every datagram |
//! | `judge.rs` | what must hold when nothing is under way, and when all is over |

mod judge;
mod orders;
mod plan;
mod whims;
mod wire;
mod world;

use std::collections::BTreeMap;

/// What became of a run.
pub struct Outcome {
    /// Every datagram with its time and a hash of its bytes, and what everybody was told.
    pub transcript: String,
    /// What should hold and does not.
    pub complaints: Vec<String>,
    /// How often what happened.
    pub counts: BTreeMap<&'static str, u64>,
}

/// What has to happen in one run or another, so that the runs are worth something.
pub const EXPECTED: [&str; 16] = [
    "a call up",
    "a call refused",
    "a call ended by the other side",
    "a call ended by itself",
    "a change of a session",
    "a terminal dies",
    "a caller gives up",
    "the media server dies",
    "a command done",
    "a command refused",
    "a callee busy",
    "a callee that does not answer",
    "a participant invited",
    "a command failed",
    "a watched conference gone",
    "a participant in a conference at rest",
];

/// Runs one seed; a panic is one more complaint.
pub fn run(seed: u64) -> Outcome {
    std::panic::catch_unwind(|| world::World::new(plan::Plan::new(seed)).run()).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        let complaints = vec![format!("panicked: {}", text.unwrap_or_default())];
        Outcome { transcript: format!("seed {seed} panicked"), complaints, counts: BTreeMap::new() }
    })
}
