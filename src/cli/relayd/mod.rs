//! `relayd`: the daemon's command line. The daemon itself is the library's.

pub mod args;
pub mod check_config;
pub mod print_config;
pub mod run;
pub mod user;

use clap::{Args as _, CommandFactory as _, error::ErrorKind, parser::ValueSource};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{
        Failure, Output,
        global::Global,
        interrupt::Policy,
        log::Usual,
        manual,
        program::{self, Program},
        settings,
    },
    config::{Flag, Sources},
};

use args::{Args, Command, Data, Overrides, RunArgs};

/// Runs the program.
pub fn main() -> std::process::ExitCode {
    program::main::<Args>()
}

/// The tree of its arguments.
pub fn command() -> clap::Command {
    Args::command()
}

/// What its man page says beside the arguments.
pub const NOTES: manual::Notes =
    manual::Notes { environment: &manual::COMMON_ENVIRONMENT, files: &[], see_also: &["confctl(1)", "fshare(1)"] };

/// What a command works with.
#[derive(Debug, Clone)]
pub struct Context {
    /// The only writer.
    pub output: Output,
    /// Cancelled at the first Ctrl-C or SIGTERM: drain then.
    pub leaving: CancellationToken,
    /// Flags of all programs.
    pub global: Global,
    /// Where the data is.
    pub data: Data,
}

impl Context {
    /// Where the configuration comes from: file, environment, flags. `run` adds its own to it.
    pub fn sources(&self, overrides: &Overrides) -> Sources {
        let flag = |flag, key, value: Option<String>| value.map(|value| Flag { flag, key, value });
        let data_dir = self.data.data_dir.as_ref().map(|path| path.to_string_lossy().into_owned());
        Sources {
            ephemeral: false,
            file: self.global.config.clone(),
            environment: settings::environment(),
            flags: [flag("--roles", "roles", overrides.roles.clone()), flag("--data-dir", "data_dir", data_dir)]
                .into_iter()
                .flatten()
                .collect(),
            listen: overrides.listen.clone(),
        }
    }
}

impl Program for Args {
    const POLICY: Policy = Policy::Daemon;
    const LOGS: Usual = Usual::Info;

    fn global(&self) -> &Global {
        &self.global
    }

    /// The flags of `run` stand at the top for the form without a command. Before another command they would be lost without a word.
    fn check(matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        let Some(command) = matches.subcommand_name() else { return Ok(()) };
        let of_run = RunArgs::augment_args(clap::Command::new("run"));
        let given = |arg: &&clap::Arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
        match of_run.get_arguments().find(given).and_then(clap::Arg::get_long) {
            Some(flag) => {
                let why = format!("--{flag} comes before the command \"{command}\"; put it after \"relayd run\", or leave the command out");
                Err(clap::Error::raw(ErrorKind::ArgumentConflict, why))
            }
            None => Ok(()),
        }
    }

    async fn run(self, output: Output, leaving: CancellationToken) -> Result<(), Failure> {
        let Self { command, run: flags, global, data } = self;
        let context = Context { output, leaving, global, data };
        match command.unwrap_or(Command::Run(flags)) {
            Command::Run(args) => run::run(&args, &context).await,
            Command::CheckConfig(args) => check_config::run(&args, &context),
            Command::PrintConfig(args) => print_config::run(&args, &context),
            Command::User(command) => user::run(&command, &context).await,
            Command::Completions(wanted) => program::completions::<Self>(&wanted, &context.output),
        }
    }
}
