//! `confctl grant` and `revoke`: who may share files, and who receives them.

use crate::{
    cli::{
        Failure,
        confctl::{args::Switch, dialog},
        settings::Context,
        values::Who,
    },
    conference::wire::control::{self, Command},
    id::ConferenceName,
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl grant standup bob share\n  \
    confctl grant standup guest-1 receive";
/// Shown under the help of the command that undoes it.
pub const UNDO_EXAMPLES: &str = "Examples:\n  confctl revoke standup bob share";

/// A conference, somebody in it, and a right.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Conference
    pub name: ConferenceName,

    /// Whom: a user, there or not, a participant id or a URI
    pub who: Who,

    /// Which: share (to share files) or receive (to receive what others share)
    #[arg(value_name = "share|receive", value_enum, hide_possible_values = true)]
    pub right: Right,
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Right {
    /// Share files.
    Share,
    /// Receive what others share.
    Receive,
}

impl Right {
    fn word(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Receive => "receive",
        }
    }
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub async fn run(args: &Args, switch: Switch, context: &Context) -> Result<(), Failure> {
    let (conference, who) = (args.name.to_string(), control::Who::One(args.who.to_string()));
    dialog::carry_out(context, Command::Grant { conference, who, right: args.right.word().to_owned(), on: switch == Switch::On }).await
}
