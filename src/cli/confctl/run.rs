//! `confctl run`: scenario files.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use crate::cli::{
    ExitCode, Failure, OrFail as _,
    scenario::{self, Play, Scenario, model::MAX_FILE, report},
    settings::Context,
    values::Assignment,
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl run examples/moderation.yaml\n  \
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
/// With the exit code that says why: 2 for a file that is wrong, 10 for expectations that do not hold.
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let scenario = read(&args.scenario, &args.vars)?;
    let name = args.scenario.display().to_string();
    let play = Play { name: &name, scenario, keep: None, levels: args.report.is_some() };
    let record = scenario::play(play, context).await?;
    report::write(&record, args.junit.as_deref(), args.report.as_deref())?;
    report::heard(&context.output, &record)?;
    report::verdict(&context.output, &record)
}

/// Reads a scenario file.
fn read(path: &Path, vars: &[Assignment]) -> Result<Scenario, Failure> {
    let file = File::open(path).or_fail(ExitCode::Usage, format_args!("read {}", path.display()))?;
    let mut text = String::new();
    file.take(MAX_FILE + 1).read_to_string(&mut text).or_fail(ExitCode::Usage, format_args!("read {}", path.display()))?;
    if text.len() as u64 > MAX_FILE {
        return Err(Failure::usage(format!("{} is larger than {MAX_FILE} bytes", path.display())));
    }
    Ok(Scenario::parse(path, &text, vars)?)
}
