//! `confctl deaf` and `undeaf`: whether a participant hears.

use crate::cli::{
    Failure,
    confctl::args::{Members, Switch},
    settings::Context,
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
#[expect(clippy::unused_async, reason = "the call to the server arrives with the control client")]
pub async fn run(args: &Members, switch: Switch, context: &Context) -> Result<(), Failure> {
    let _ = (args, switch, context);
    Err(Failure::not_built_yet("confctl deaf", "the control client"))
}
