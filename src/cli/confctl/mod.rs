//! `confctl`: conference control from the shell. A file per command, named for it; the pairs (`mute` and `unmute`, …) share one.
//!
//! Each command has `Args`, `EXAMPLES` and `run`, which does the work through the library's client and hands a report to
//! [`Output`]: a reply of the server ([`report`]) or an event ([`events`]).

pub mod args;
pub mod create;
pub mod deaf;
pub mod demo;
pub mod dialog;
pub mod end;
pub mod events;
pub mod grant;
pub mod invite;
pub mod join;
pub mod kick;
pub mod list;
pub mod lock;
pub mod message;
pub mod mute;
pub mod picture;
pub mod pin;
pub mod refused;
pub mod report;
pub mod run;
pub mod show;
pub mod status;
pub mod ua;
pub mod volume;
pub mod watch;

use clap::CommandFactory as _;
use tokio_util::sync::CancellationToken;

use crate::cli::{
    Failure, Output,
    global::Global,
    interrupt::Policy,
    log::Usual,
    manual,
    program::{self, Program},
    settings::{Context, Settings},
};

use args::{Args, Command, Switch};

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
    environment: &[
        manual::COMMON_ENVIRONMENT[0],
        manual::COMMON_ENVIRONMENT[1],
        manual::SECRET_ENVIRONMENT[0],
        manual::SECRET_ENVIRONMENT[1],
    ],
    files: &[
        ("~/.config/confkit/client.yaml", "Which server and account to use, and more: the keys server, user, credentials, ca, timeout."),
        (
            "$XDG_RUNTIME_DIR/confkit/",
            "A socket and a log for each terminal of confctl ua; without XDG_RUNTIME_DIR, in confkit-UID in the folder for temporary files.",
        ),
    ],
    see_also: &["relayd(1)", "fshare(1)"],
};

impl Program for Args {
    const POLICY: Policy = Policy::Command;
    const LOGS: Usual = Usual::Warn;

    fn global(&self) -> &Global {
        &self.global
    }

    async fn run(self, output: Output, leaving: CancellationToken) -> Result<(), Failure> {
        if let Command::Completions(wanted) = &self.command {
            return program::completions::<Self>(wanted, &output);
        }
        let settings = Settings::resolve(&self.global, &self.server)?;
        dispatch(&self.command, &Context { output, leaving, settings }).await
    }
}

async fn dispatch(command: &Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Create(args) => create::run(args, context).await,
        Command::List(args) => list::run(args, context).await,
        Command::Show(args) => show::run(args, context).await,
        Command::End(args) => end::run(args, context).await,
        Command::Invite(args) => invite::run(args, context).await,
        Command::Kick(args) => kick::run(args, context).await,
        Command::Mute(members) => mute::run(members, Switch::On, context).await,
        Command::Unmute(members) => mute::run(members, Switch::Off, context).await,
        Command::Deaf(members) => deaf::run(members, Switch::On, context).await,
        Command::Undeaf(members) => deaf::run(members, Switch::Off, context).await,
        Command::Volume(args) => volume::run(args, context).await,
        Command::Lock(args) => lock::run(args, Switch::On, context).await,
        Command::Unlock(args) => lock::run(args, Switch::Off, context).await,
        Command::Pin(args) => pin::run(args, context).await,
        Command::Grant(args) => grant::run(args, Switch::On, context).await,
        Command::Revoke(args) => grant::run(args, Switch::Off, context).await,
        Command::Watch(args) => watch::run(args, context).await,
        Command::Join(args) => join::run(args, context).await,
        Command::Ua(args) => ua::run(args, context).await,
        Command::Message(args) => message::run(args, context).await,
        Command::Status(args) => status::run(args, context).await,
        Command::Run(args) => run::run(args, context).await,
        Command::Demo(args) => demo::run(args, context).await,
        // Needs no server; answered before the settings are read.
        Command::Completions(_) => Ok(()),
    }
}
