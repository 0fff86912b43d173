//! `relayd print-config`: prints the effective configuration and its origins.

use crate::cli::{
    Failure,
    relayd::{Context, args::Overrides},
};

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub fn run(args: &Overrides, context: &Context) -> Result<(), Failure> {
    let _ = (args, context);
    Err(Failure::not_built_yet("relayd print-config", "the daemon"))
}
