//! Scenario files: several terminals in one process, steps, and what must hold.
//!
//! `confctl run` reads a file, `confctl demo` the one inside the program; both play it here. The format is told in `docs/scenarios.md`.
//!
//! | file | what |
//! |---|---|
//! | `model/` | the file as types: what it may say, and all that is wrong with it told at once, with lines |
//! | `judge/` | verdicts from measurements: who was heard, who is in, what was lost |
//! | `ladder/` | the SIP messages of a run, as columns for people and for the report |
//! | `journal.rs` | what happened, in order: each line is printed as it comes, all of them make the reports |
//! | `junit.rs`, `html/` | the two reports |
//! | `server.rs` | an ephemeral relayd, in one process or two |
//! | `audience.rs` | the subscribers of each conference's event package |
//! | `send.rs` | the step `send` |
//! | `origin.rs` | files that are made and shared, to compare with what came |
//! | `report.rs` | what is printed and written when all is over |
//! | `stage.rs` | all of this together, opened and closed |
//! | `play.rs`, `steps.rs`, `expect.rs` | the steps, one after the other |
//!
//! `model`, `judge`, `ladder`, `junit` and `html` are pure. Out of scope: steps of parts that are not built yet; a file that has one is refused before
//! anything starts.

mod audience;
mod expect;
pub mod html;
pub mod journal;
mod judge;
mod junit;
pub mod ladder;
pub mod model;
mod origin;
mod play;
pub mod report;
mod send;
mod server;
mod stage;
mod steps;

pub use journal::{Compared, Entry, Journal, Measured, Record, Verdict};
pub use ladder::Ladder;
pub use model::Scenario;
pub use play::{Play, play};
