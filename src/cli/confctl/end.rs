//! `confctl end`: ends a conference.

use crate::{
    cli::{Failure, settings::Context},
    id::ConferenceName,
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl end standup";

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
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let _ = (args, context);
    Err(Failure::not_built_yet("confctl end", "the control client"))
}
