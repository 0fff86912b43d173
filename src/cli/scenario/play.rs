//! Playing a scenario: its steps one after the other, groups side by side, and everything ended behind them, whatever happened.

use std::{path::Path, sync::Arc, time::Duration};

use super::{
    expect,
    journal::{Journal, Record, Verdict},
    model::{Action, Scenario, Step},
    stage::{Stage, together},
    steps,
};
use crate::{
    cli::{ExitCode, Failure, settings::Context},
    clock,
};

/// How often the level of what each hears is noted.
const LEVELS: Duration = Duration::from_millis(500);

/// What is to be played, and how.
#[derive(Debug, Clone)]
pub struct Play<'a> {
    /// What it is called: its file, or `demo`.
    pub name: &'a str,
    /// What.
    pub scenario: Scenario,
    /// Where recordings, logs and traces are kept.
    pub keep: Option<&'a Path>,
    /// The levels are wanted for a report.
    pub levels: bool,
}

/// Plays; what happened, also if it was not what should.
///
/// # Errors
/// There is no server or no terminal; somebody pressed Ctrl-C; standard output cannot be written to.
pub async fn play(play: Play<'_>, context: &Context) -> Result<Record, Failure> {
    let Play { name, scenario, keep, levels } = play;
    let count = scenario.steps.iter().map(|step| step.each().len()).sum();
    let terminals = scenario.terminals.iter().map(|terminal| terminal.name.to_string()).collect();
    let title = scenario.title.as_ref().map_or(name, |title| title.0.as_str()).to_owned();
    let journal = Arc::new(Journal::begin(&context.output, name, &title, terminals, count)?);
    let opened = tokio::select! {
        stage = Stage::open(scenario, context, Arc::clone(&journal), keep) => stage,
        () = context.leaving.cancelled() => Err(Failure::silent(ExitCode::Interrupted)),
    };
    drop(journal);
    let stage = opened?;
    let ended = tokio::select! {
        ended = take_all(&stage, context) => ended,
        () = note_levels(&stage, levels) => Ok(()),
        () = context.leaving.cancelled() => Err(Failure::silent(ExitCode::Interrupted)),
    };
    let record = stage.close().await;
    ended?;
    record.ok_or_else(|| Failure::new(ExitCode::Failed, "something of the scenario goes on"))
}

/// Never ends by itself.
async fn note_levels(stage: &Stage, wanted: bool) {
    if !wanted {
        return std::future::pending().await;
    }
    let mut tick = tokio::time::interval(LEVELS);
    loop {
        tick.tick().await;
        stage.note_levels().await;
    }
}

/// Takes the steps; behind one that did not do what it should, none, since what follows stands on it. Expectations that do not hold stop nothing.
async fn take_all(stage: &Stage, context: &Context) -> Result<(), Failure> {
    let mut number = 1;
    for step in &stage.scenario.steps {
        let group: Vec<(u32, &Step)> = (number..).zip(step.each()).collect();
        number += group.len() as u32;
        if group.iter().any(|(_, step)| !matches!(step.action, Action::Expect(_) | Action::Wait(_))) {
            stage.begins();
        }
        let mut whole = true;
        for taken in together(group.into_iter().map(|(number, step)| take(stage, number, step))).await {
            whole &= taken?;
        }
        if !whole {
            context.output.note("the steps behind it were not taken");
            break;
        }
    }
    Ok(())
}

/// Takes one step; false when nothing can follow it.
async fn take(stage: &Stage, number: u32, step: &Step) -> Result<bool, Failure> {
    let began = clock::now();
    stage.journal.doing(&step.describe());
    let verdict = match &step.action {
        Action::Expect(wanted) => match expect::look(stage, number, wanted).await {
            Ok(finding) => Verdict::Found(finding),
            Err(failure) => undone(step, failure)?,
        },
        _ => match steps::act(stage, step).await {
            Ok(()) if step.exit == ExitCode::Done => Verdict::Done,
            Ok(()) => undone(step, Failure::silent(ExitCode::Done))?,
            Err(failure) if failure.code == step.exit => Verdict::Done,
            Err(failure) => undone(step, failure)?,
        },
    };
    let goes_on = !matches!(verdict, Verdict::Undone(_));
    stage.journal.ended(number, step, began, verdict)?;
    Ok(goes_on)
}

/// How a step ended that should have ended otherwise. That somebody pressed Ctrl-C is no verdict.
fn undone(step: &Step, failure: Failure) -> Result<Verdict, Failure> {
    if failure.code == ExitCode::Interrupted {
        return Err(failure);
    }
    let why = if failure.message.is_empty() { String::new() } else { format!(" ({})", failure.message) };
    Ok(Verdict::Undone(format!("ended with {}{why}, expected {}", failure.code.number(), step.exit.number())))
}
