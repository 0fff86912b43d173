//! `confctl lock` and `unlock`: whether anybody else may enter.

use crate::{
    cli::{Failure, confctl::args::Switch, settings::Context},
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
#[expect(clippy::unused_async, reason = "the call to the server arrives with the control client")]
pub async fn run(args: &Args, switch: Switch, context: &Context) -> Result<(), Failure> {
    let _ = (args, switch, context);
    Err(Failure::not_built_yet("confctl lock", "the control client"))
}
