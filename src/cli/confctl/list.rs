//! `confctl list`: the conferences of the server.

use crate::{
    cli::{Failure, confctl::dialog, settings::Context},
    conference::wire::control::Command,
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl list\n  \
    confctl --json list | jq -r '.conferences[].name'";

/// Nothing to choose.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let _ = args;
    dialog::carry_out(context, Command::List).await
}
