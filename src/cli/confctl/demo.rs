//! `confctl demo`: the quick start, a scenario that is part of the program.

use std::path::PathBuf;

use crate::cli::{Failure, settings::Context};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl demo\n  \
    confctl demo --apart --keep /tmp/demo\n  \
    confctl demo --print > mine.yaml && confctl run mine.yaml";

/// How to show it.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Keep the recordings, the SIP trace and the report in this folder
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub keep: Option<PathBuf>,

    /// Run the media server in a process of its own
    #[arg(long)]
    pub apart: bool,

    /// Print the scenario instead of running it
    #[arg(long, conflicts_with_all = ["keep", "apart"])]
    pub print: bool,
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
#[expect(clippy::unused_async, reason = "the call to the server arrives with the control client")]
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let _ = (args, context);
    Err(Failure::not_built_yet("confctl demo", "the control client"))
}
