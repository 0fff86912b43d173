//! `confctl demo`: the quick start, a scenario that is part of the program.

use std::path::{Path, PathBuf};

use crate::{
    cli::{
        ExitCode, Failure,
        scenario::{
            self, Play, Scenario,
            model::{Action, Ephemeral, Members, Server, Step},
            report,
        },
        settings::Context,
    },
    config::{Roles, Text},
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl demo\n  \
    confctl demo --apart --keep /tmp/demo\n  \
    confctl demo --mute bob\n  \
    confctl demo --print > mine.yaml && confctl run mine.yaml";

/// How to show it.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Keep the recordings, the files, the SIP trace and the report in this folder
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub keep: Option<PathBuf>,

    /// Run the media server and the file server as separate processes
    #[arg(long)]
    pub apart: bool,

    /// Mute one of the three, so that the others do not hear it and the demonstration fails with exit code 10
    #[arg(long, value_name = "NAME")]
    pub mute: Option<String>,

    /// Print the scenario instead of running it
    #[arg(long, conflicts_with_all = ["keep", "apart", "mute"])]
    pub print: bool,
}

/// The scenario.
pub const SCENARIO: &str = include_str!("../../../examples/demo.yaml");

/// Runs it.
///
/// # Errors
/// With the exit code that says why: 10 when somebody does not hear exactly the others.
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    if args.print {
        return context.output.verbatim(SCENARIO.as_bytes());
    }
    let mut scenario = Scenario::parse(Path::new("demo"), SCENARIO, &[])?;
    if args.apart {
        scenario.server = Server::Ephemeral(Ephemeral { roles: Some(Roles::all()) });
    }
    if let Some(who) = &args.mute {
        mute(&mut scenario, who)?;
    }
    let keep = args.keep.as_deref();
    let play = Play { name: "demo", scenario, keep, levels: keep.is_some() };
    let record = scenario::play(play, context).await?;
    report::write(&record, None, keep.map(|folder| folder.join("report.html")).as_deref())?;
    report::ladder(&context.output, &record)?;
    report::heard(&context.output, &record)?;
    report::files(&context.output, &record)?;
    report::verdict(&context.output, &record)
}

/// Mutes one of the terminals before anybody listens, so that what the others expect of it cannot hold.
fn mute(scenario: &mut Scenario, who: &str) -> Result<(), Failure> {
    if scenario.terminal(who).is_none() {
        let names: Vec<&str> = scenario.terminals.iter().map(|terminal| terminal.name.as_str()).collect();
        return Err(Failure::usage(format!("\"{who}\" is not a terminal of the demonstration; choose one of {}", names.join(", "))));
    }
    let listens = |step: &Step| step.each().any(|step| matches!(step.action, Action::Expect(_)));
    let at = scenario.steps.iter().position(listens).unwrap_or(scenario.steps.len());
    let action = Action::Mute(Members { who: Text(who.to_owned()), conference: None }, true);
    scenario.steps.insert(at, Step { action, actor: None, exit: ExitCode::Done });
    Ok(())
}
