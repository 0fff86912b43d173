//! `confctl volume`: gains of a participant.

use crate::{
    cli::{
        Failure,
        confctl::dialog,
        settings::Context,
        values::{Decibels, Who},
    },
    conference::wire::control::{self, Command, VolumeDirection},
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

    /// Gain in decibels, from -40 (silence) to 40; 0 leaves the volume unchanged
    #[arg(value_name = "DB", allow_negative_numbers = true)]
    pub gain: Decibels,

    /// Direction: in (what others hear of the participant) or out (what the participant hears)
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
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let command = Command::Volume {
        conference: args.name.to_string(),
        who: control::Who::One(args.who.to_string()),
        direction: match args.direction {
            Direction::In => VolumeDirection::In,
            Direction::Out => VolumeDirection::Out,
        },
        gain_db: args.gain.0,
    };
    dialog::carry_out(context, command).await
}
