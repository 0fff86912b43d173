//! `relayd run`: runs the daemon until it is told to stop.

use crate::cli::{
    Failure,
    relayd::{Context, args::RunArgs},
};

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
#[expect(clippy::unused_async, reason = "the daemon is awaited here")]
pub async fn run(args: &RunArgs, context: &Context) -> Result<(), Failure> {
    let _ = (args, context);
    Err(Failure::not_built_yet("relayd run", "the daemon"))
}
