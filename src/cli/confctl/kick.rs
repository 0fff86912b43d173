//! `confctl kick`: removes a participant.

use crate::{
    cli::{Failure, confctl::dialog, settings::Context, values},
    conference::wire::control::{Command, Who},
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
    pub who: values::Who,
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let command = Command::Kick { conference: args.name.to_string(), who: Who::One(args.who.to_string()), reason: None };
    dialog::carry_out(context, command).await
}
