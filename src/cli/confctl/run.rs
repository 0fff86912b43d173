//! `confctl run`: scenario files.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use crate::cli::{
    Failure,
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

    /// Write a report as a single self-contained HTML page
    #[arg(long, value_name = "FILE.html", value_hint = clap::ValueHint::FilePath)]
    pub report: Option<PathBuf>,

    /// Set a variable of the scenario; repeatable
    #[arg(long = "var", value_name = "K=V")]
    pub vars: Vec<Assignment>,
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why: 2 for a file that is wrong, 4 for one that is not there, 10 for expectations that do not hold.
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let scenario = read(&args.scenario, &args.vars)?;
    // Before anything is played: a verdict that cannot be written down is none.
    for (flag, path) in [("--junit", &args.junit), ("--report", &args.report)] {
        if let Some(path) = path {
            writable(path).map_err(|error| Failure::unwritable(flag, path, &error))?;
        }
    }
    let name = args.scenario.display().to_string();
    let play = Play { name: &name, scenario, keep: None, levels: args.report.is_some() };
    let record = scenario::play(play, context).await?;
    let written = report::write(&record, args.junit.as_deref(), args.report.as_deref());
    report::heard(&context.output, &record)?;
    report::files(&context.output, &record)?;
    let verdict = report::verdict(&context.output, &record);
    match (verdict, written) {
        (Ok(()), written) => written,
        (Err(verdict), Ok(())) => Err(verdict),
        (Err(verdict), Err(unwritten)) => {
            context.output.warn(unwritten);
            Err(verdict)
        }
    }
}

/// Whether a file can be written: it is opened, and one that was not there is taken away again.
fn writable(path: &Path) -> std::io::Result<()> {
    let there = path.exists();
    File::options().append(true).create(true).open(path)?;
    if there { Ok(()) } else { std::fs::remove_file(path) }
}

/// Reads a scenario file.
fn read(path: &Path, vars: &[Assignment]) -> Result<Scenario, Failure> {
    let unreadable = |error| Failure::unreadable(path, &error);
    let file = File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_FILE {
        return Err(Failure::usage(format!("{} is larger than {MAX_FILE} bytes", path.display())));
    }
    Ok(Scenario::parse(path, &text, vars)?)
}
