//! `confctl show`: a conference and its roster.

use crate::{
    cli::{Failure, confctl::dialog, settings::Context},
    conference::wire::control::Command,
    id::ConferenceName,
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl show standup\n  \
    confctl --json show standup | jq '.participants | length'";

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
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    dialog::carry_out(context, Command::Show { conference: args.name.to_string() }).await
}
