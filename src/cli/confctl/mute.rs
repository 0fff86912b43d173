//! `confctl mute` and `unmute`: whether a participant is heard.

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
    confctl mute standup bob\n  \
    confctl mute standup --all";
/// Shown under the help of the command that undoes it.
pub const UNDO_EXAMPLES: &str = "Examples:\n  confctl unmute standup bob";

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub async fn run(args: &Members, switch: Switch, context: &Context) -> Result<(), Failure> {
    let command = Command::Mute { conference: args.name.to_string(), who: args.whom.meant(), on: switch == Switch::On };
    dialog::carry_out(context, command).await
}
