//! `confctl deaf` and `undeaf`: whether a participant hears.

use crate::{
    cli::{
        Failure,
        confctl::{
            args::{Members, Switch},
            dialog,
        },
        settings::Context,
    },
    conference::wire::control::Command,
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl deaf standup bob";
/// Shown under the help of the command that undoes it.
pub const UNDO_EXAMPLES: &str = "Examples:\n  confctl undeaf standup --all";

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub async fn run(args: &Members, switch: Switch, context: &Context) -> Result<(), Failure> {
    let command = Command::Deaf { conference: args.name.to_string(), who: args.whom.meant(), on: switch == Switch::On };
    dialog::carry_out(context, command).await
}
