//! `confctl lock` and `unlock`: whether anybody else may enter.

use crate::{
    cli::{
        Failure,
        confctl::{args::Switch, dialog},
        settings::Context,
    },
    conference::wire::control::Command,
    id::ConferenceName,
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl lock standup";
/// Shown under the help of the command that undoes it.
pub const UNDO_EXAMPLES: &str = "Examples:\n  confctl unlock standup";

/// A conference.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Conference
    pub name: ConferenceName,
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub async fn run(args: &Args, switch: Switch, context: &Context) -> Result<(), Failure> {
    let command = Command::Lock { conference: args.name.to_string(), on: switch == Switch::On };
    dialog::carry_out(context, command).await
}
