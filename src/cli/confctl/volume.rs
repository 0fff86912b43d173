//! `confctl volume`: gains of a participant.

use crate::{
    cli::{
        Failure,
        settings::Context,
        values::{Decibels, Who},
    },
    id::ConferenceName,
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl volume standup bob -6                   what others hear of bob\n  \
    confctl volume standup bob +3 --direction out   what bob hears";

/// Whose volume, and how loud.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Conference
    pub name: ConferenceName,

    /// Participant: a user, a participant id or a URI
    pub who: Who,

    /// Gain in decibels, -40 (silence) to 40; 0 is as it came
    #[arg(value_name = "DB", allow_negative_numbers = true)]
    pub gain: Decibels,

    /// Which way: in (what others hear of it) or out (what it hears)
    #[arg(long, value_name = "in|out", value_enum, default_value_t, hide_possible_values = true)]
    pub direction: Direction,
}

/// Which of a participant's volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Direction {
    /// What others hear of it.
    #[default]
    In,
    /// What it hears.
    Out,
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
#[expect(clippy::unused_async, reason = "the call to the server arrives with the control client")]
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let _ = (args, context);
    Err(Failure::not_built_yet("confctl volume", "the control client"))
}
