//! `fshare`: file transfers from the terminal. So far its surface only.

pub mod args;

use clap::CommandFactory as _;
use tokio_util::sync::CancellationToken;

use crate::cli::{
    Failure, Output,
    global::Global,
    interrupt::Policy,
    log::Usual,
    manual,
    program::{self, Program},
};

use args::{Args, Command};

/// Runs the program.
pub fn main() -> std::process::ExitCode {
    program::main::<Args>()
}

/// The tree of its arguments.
pub fn command() -> clap::Command {
    Args::command()
}

/// What its man page says beside the arguments.
pub const NOTES: manual::Notes = manual::Notes {
    environment: &manual::COMMON_ENVIRONMENT,
    files: &[("~/.config/confkit/client.yaml", "Where the server is and who we are: the keys server, user, credentials, ca, timeout.")],
    see_also: &["confctl(1)", "relayd(1)"],
};

impl Program for Args {
    const POLICY: Policy = Policy::Command;
    const LOGS: Usual = Usual::Warn;

    fn global(&self) -> &Global {
        &self.global
    }

    async fn run(self, output: Output, _leaving: CancellationToken) -> Result<(), Failure> {
        match (&self.command, self.command.missing()) {
            (Command::Completions(wanted), _) => program::completions::<Self>(wanted, &output),
            (_, Some((verb, arrives_with))) => {
                let failure = Failure::not_built_yet(&format!("fshare {verb}"), arrives_with);
                // A flag behind the verb's own words was not parsed.
                if !self.global.json && self.command.unread().iter().any(|word| word == "--json") {
                    Output::open(&Global { json: true, ..self.global }).failure(&failure);
                    return Err(Failure::silent(failure.code));
                }
                Err(failure)
            }
            (_, None) => Ok(()),
        }
    }
}
