//! `relayd check-config`: checks a configuration file.

use crate::cli::{
    Failure,
    relayd::{Context, args::CheckArgs},
};

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub fn run(args: &CheckArgs, context: &Context) -> Result<(), Failure> {
    let _ = (args, context);
    Err(Failure::not_built_yet("relayd check-config", "the daemon"))
}
