//! `confctl list`: the conferences of the server.

use crate::cli::{Failure, settings::Context};

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
#[expect(clippy::unused_async, reason = "the call to the server arrives with the control client")]
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let _ = (args, context);
    Err(Failure::not_built_yet("confctl list", "the control client"))
}
