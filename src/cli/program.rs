//! The frame of every `main`: parse, write, log, run, end with a code of the table.

use std::{ffi::OsString, future::Future};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use tokio_util::sync::CancellationToken;

use crate::cli::{
    ExitCode, Failure, OrFail as _, Output,
    global::{Color, Completions, Global},
    interrupt::{self, Policy},
    log::{self, Usual},
};
use crate::config::schema::nearest;

/// A program: its arguments and what they do.
pub trait Program: clap::Parser {
    /// How it takes Ctrl-C.
    const POLICY: Policy;
    /// What it logs unless asked otherwise.
    const LOGS: Usual;

    /// The flags that all programs have.
    fn global(&self) -> &Global;

    /// Rules that the types of the arguments cannot say, with where each value came from.
    fn check(matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        let _ = matches;
        Ok(())
    }

    /// Does what was asked. `leaving` is cancelled at the first Ctrl-C.
    fn run(self, output: Output, leaving: CancellationToken) -> impl Future<Output = Result<(), Failure>>;
}

/// Runs a program on this process's arguments and streams.
pub fn main<P: Program>() -> std::process::ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    match parse::<P>(&argv) {
        Ok(program) => {
            let output = Output::open(program.global());
            let ended = start(program, &output);
            if let Err(failure) = &ended {
                output.failure(failure);
            }
            ended.map_or_else(|failure| failure.code, |()| ExitCode::Done).into()
        }
        Err(error) => refuse(&error, &argv).into(),
    }
}

fn parse<P: Program>(argv: &[OsString]) -> Result<P, clap::Error> {
    let mut command = P::command();
    let matches = command.try_get_matches_from_mut(argv).map_err(|error| suggest(error, &command, argv))?;
    P::check(&matches).map_err(|error| error.format(&mut command))?;
    P::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Names the nearest flag where clap knows none: short words it takes for strangers, and then says how to pass them as values.
fn suggest(mut error: clap::Error, command: &clap::Command, argv: &[OsString]) -> clap::Error {
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else { return error };
    let Some(given) = given.strip_prefix("--").map(str::to_owned) else { return error };
    if error.kind() != ErrorKind::UnknownArgument || error.get(ContextKind::SuggestedArg).is_some() {
        return error;
    }
    let meant = argv.iter().skip(1).fold(command, |command, word| command.find_subcommand(word).unwrap_or(command));
    if let Some(near) = nearest(&given, meant.get_arguments().filter_map(clap::Arg::get_long)) {
        let near = format!("--{near}");
        error.remove(ContextKind::Suggested);
        error.insert(ContextKind::SuggestedArg, ContextValue::String(near));
    }
    error
}

fn start<P: Program>(program: P, output: &Output) -> Result<(), Failure> {
    log::start(program.global(), P::LOGS, output)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().or_fail(ExitCode::Failed, "start")?;
    let leaving = CancellationToken::new();
    let body = program.run(output.clone(), leaving.clone());
    let ended = runtime.block_on(interrupt::run(body, leaving, P::POLICY, output));
    // A thread may still wait for a terminal that nobody types on.
    runtime.shutdown_background();
    ended
}

/// Help and version are results; everything else is wrong usage, told as JSON to those who asked for JSON.
fn refuse(error: &clap::Error, argv: &[OsString]) -> ExitCode {
    let json = argv.iter().take_while(|word| *word != "--").any(|word| word == "--json");
    let global = Global { json, quiet: false, verbose: 0, color: Color::Auto, config: None, timeout: None };
    let output = Output::open(&global);
    let styled = |colour: bool| if colour { error.render().ansi().to_string() } else { error.render().to_string() };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match output.verbatim(styled(output.colours()).as_bytes()) {
            Ok(()) => ExitCode::Done,
            Err(failure) => failure.code,
        },
        _ if json => {
            let text = error.render().to_string();
            let mut parts = text.trim().trim_start_matches("error: ").split("\n\n");
            let mut failure = Failure::usage(parts.next().unwrap_or_default().replace('\n', " "));
            let tips: Vec<&str> = parts.filter_map(|part| part.trim().strip_prefix("tip: ")).collect();
            failure.hint = (!tips.is_empty()).then(|| tips.join("; "));
            output.failure(&failure);
            ExitCode::Usage
        }
        _ => {
            output.usage(&styled(output.colours_errors()));
            ExitCode::Usage
        }
    }
}

/// `completions SHELL`, the same for every program.
pub fn completions<P: Program>(wanted: &Completions, output: &Output) -> Result<(), Failure> {
    output.verbatim(&super::manual::completions(&P::command(), wanted.shell))
}
