//! `confctl kick`: removes a participant.

use crate::{
    cli::{Failure, settings::Context, values::Who},
    id::ConferenceName,
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl kick standup bob\n  \
    confctl kick standup p7";

/// Whom to remove.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Conference
    pub name: ConferenceName,

    /// Participant: a user, a participant id or a URI
    pub who: Who,
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
#[expect(clippy::unused_async, reason = "the call to the server arrives with the control client")]
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let _ = (args, context);
    Err(Failure::not_built_yet("confctl kick", "the control client"))
}
