//! `fshare`: file transfers from the terminal.
//!
//! | file | what |
//! |---|---|
//! | `args.rs` | what it accepts |
//! | `share.rs`, `get.rs`, `shares.rs`, `unshare.rs`, `records.rs`, `resume.rs` | a verb each, or a few |
//! | `sharing.rs` | a share of ours, from its opening to its end |
//! | `kept.rs` | what is kept of an upload |
//! | `aged.rs` | what is left of transfers that nobody went on with |
//! | `channel/` | `send` and `recv`: through a relay |
//! | `call.rs` | a dialog with a conference, without audio |
//! | `receive.rs` | how what comes is put down |
//! | `show.rs` | the events of `--json` |
//! | `bar.rs` | bars, of the whole and of a file |
//! | `failure.rs` | exit codes |

mod aged;
pub mod args;
pub mod bar;
mod call;
pub mod channel;
pub mod failure;
pub mod get;
pub mod kept;
pub mod receive;
pub mod records;
pub mod resume;
pub mod share;
pub mod shares;
pub mod sharing;
pub mod show;
pub mod unshare;

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
    environment: &[
        manual::COMMON_ENVIRONMENT[0],
        manual::COMMON_ENVIRONMENT[1],
        manual::SECRET_ENVIRONMENT[0],
        manual::SECRET_ENVIRONMENT[1],
        ("CONFKIT_RELAY", "The relays that send and recv use, host or host:port, or tls://host:port, separated by commas."),
    ],
    files: &[
        (
            "~/.config/confkit/client.yaml",
            "Which server and account to use, and more: the keys server, user, credentials, ca, timeout, keep_transfers.",
        ),
        (
            "~/.config/confkit/identities, ~/.config/confkit/known-identities, ~/.config/confkit/known-realms",
            "Your identity towards other users (a key for each account, mode 0600, created on first use), the identities of the users you know, and the realm of each server. A contact whose identity has changed is refused until you remove its line from known-identities; a server whose realm has changed, until you remove its line from known-realms.",
        ),
        (
            "~/.local/state/confkit/transfers",
            "Records of transfers, so that fshare resume can continue them. A transfer that nobody resumed for keep_transfers (30 days) is removed, with its partial files, by the next fshare send, recv, share, get, status or resume: at most 16 at a time, and never one that is running.",
        ),
    ],
    see_also: &["confctl(1)", "relayd(1)"],
};

impl Program for Args {
    const POLICY: Policy = Policy::Command;
    const LOGS: Usual = Usual::Warn;

    fn global(&self) -> &Global {
        &self.global
    }

    async fn run(self, output: Output, leaving: CancellationToken) -> Result<(), Failure> {
        if let Some((verb, arrives_with)) = self.command.missing() {
            let failure = Failure::not_built_yet(&format!("fshare {verb}"), arrives_with);
            // A flag behind the verb's own words was not parsed.
            if !self.global.json && self.command.unread().iter().any(|word| word == "--json") {
                Output::open(&Global { json: true, ..self.global }).failure(&failure);
                return Err(Failure::silent(failure.code));
            }
            return Err(failure);
        }
        if let Command::Completions(wanted) = &self.command {
            return program::completions::<Self>(wanted, &output);
        }
        if let Command::Words(args) = &self.command {
            return channel::words::run(args, &output);
        }
        let settings = Settings::resolve(&self.global, &self.server)?;
        let context = &Context { output, leaving, settings };
        match &self.command {
            Command::Share(_) | Command::Get(_) | Command::Send(_) | Command::Recv(_) => aged::clear(None, context).await,
            Command::Status(records::StatusArgs { transfer }) | Command::Resume(resume::Args { transfer, .. }) => {
                aged::clear(transfer.as_deref(), context).await;
            }
            _ => {}
        }
        let ended = match &self.command {
            Command::Send(args) => channel::send::run(args, context).await,
            Command::Recv(args) => Box::pin(channel::recv::run(args, context)).await,
            Command::Share(args) => share::run(args, context).await,
            Command::Get(args) => get::run(args, context).await,
            Command::Shares(args) => shares::run(args, context).await,
            Command::Status(args) => records::status(args.transfer.as_deref(), context).await,
            Command::Unshare(args) => unshare::run(args, context).await,
            Command::Resume(args) => resume::run(args, context).await,
            Command::Cancel(args) => records::cancel(args, context).await,
            // Answered above.
            _ => Ok(()),
        };
        ended.map_err(|failure| failure::of_guest(failure, context))
    }
}
