//! `confctl run`: scenario files.

use std::path::PathBuf;

use crate::cli::{Failure, settings::Context, values::Assignment};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl run examples/three-talkers.yaml\n  \
    confctl run smoke.yaml --junit report.xml --report report.html --var room=standup";

/// Which scenario, and what to write about it.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Scenario file
    #[arg(value_name = "SCENARIO.yaml", value_hint = clap::ValueHint::FilePath)]
    pub scenario: PathBuf,

    /// Write a JUnit report
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub junit: Option<PathBuf>,

    /// Write a report for people: one HTML page that needs nothing else
    #[arg(long, value_name = "FILE.html", value_hint = clap::ValueHint::FilePath)]
    pub report: Option<PathBuf>,

    /// Set a variable of the scenario; repeatable
    #[arg(long = "var", value_name = "K=V")]
    pub vars: Vec<Assignment>,
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
#[expect(clippy::unused_async, reason = "the call to the server arrives with the control client")]
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let _ = (args, context);
    Err(Failure::not_built_yet("confctl run", "the control client"))
}
