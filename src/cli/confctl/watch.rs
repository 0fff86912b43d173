//! `confctl watch`: the conference event package (RFC 4575), as lines.

use std::time::Duration;

use crate::{
    cli::{Failure, settings::Context, values},
    id::ConferenceName,
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl watch standup\n  \
    confctl --json watch --all --for 10m | jq -c 'select(.event == \"joined\")'";

/// What to watch, and how long.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What
    #[command(flatten)]
    pub which: Which,

    /// Stop after this time
    #[arg(long = "for", value_name = "DURATION", value_parser = values::duration)]
    pub length: Option<Duration>,
}

/// One conference, or all of them.
#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// Conference
    pub name: Option<ConferenceName>,

    /// Every conference of the server
    #[arg(long)]
    pub all: bool,
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
#[expect(clippy::unused_async, reason = "the call to the server arrives with the control client")]
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let _ = (args, context);
    Err(Failure::not_built_yet("confctl watch", "the control client"))
}
