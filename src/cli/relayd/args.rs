//! What `relayd` accepts.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::{
    cli::{
        global::{Completions, Global},
        relayd::user,
    },
    id::UserName,
};

/// The conferencing daemon
///
/// relayd is a SIP registrar and conference server (focus), a media server that mixes the audio, a file server, and a relay for file
/// transfers. Without configuration it runs every role on loopback, creates what it needs (keys, a certificate, an administrator
/// account whose password it writes to a file that only its owner can read), and prints where it listens.
///
/// SIGTERM drains: relayd takes no new calls, sends participants a BYE with a reason, and exits. SIGHUP reloads configuration and
/// certificates.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "relayd",
    version,
    max_term_width = 100,
    after_help = "Examples:\n  \
        relayd                                       every role, on loopback\n  \
        relayd --config /etc/confkit/relayd.yaml\n  \
        relayd --ephemeral --user alice --user bob   for a script: ports chosen by the system, a ready line on stdout\n  \
        relayd --roles ms --listen 127.0.0.1:5080"
)]
pub struct Args {
    /// What to do; without a command, run.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The flags of `run`, for when no command is given.
    #[command(flatten)]
    pub run: RunArgs,

    /// Flags of all programs.
    #[command(flatten)]
    pub global: Global,

    /// Where the data is.
    #[command(flatten)]
    pub data: Data,
}

/// Where the daemon keeps its data.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Data {
    /// Folder for accounts, keys and conferences
    #[arg(long, global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub data_dir: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Run the daemon (the default without a command)
    #[command(
        after_help = "Examples:\n  relayd run --config /etc/confkit/relayd.yaml\n  relayd run --ephemeral --until-eof --env-file relayd.env"
    )]
    Run(RunArgs),
    /// Check a configuration file without starting anything
    #[command(after_help = "Examples:\n  relayd check-config /etc/confkit/relayd.yaml && systemctl reload relayd")]
    CheckConfig(CheckArgs),
    /// Print the effective configuration and where each value comes from
    #[command(after_help = "Examples:\n  relayd print-config\n  relayd print-config --config relayd.yaml --roles as")]
    PrintConfig(Overrides),
    /// Manage accounts
    #[command(subcommand)]
    User(user::Command),
    /// Print the completion script of a shell
    #[command(after_help = "Examples:\n  relayd completions zsh > ~/.zfunc/_relayd")]
    Completions(Completions),
}

/// Flags that win over the configuration file.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Overrides {
    /// Roles to run: as (application server, focus), ms (media server), fs (file server), relay [default: all of them]
    #[arg(long, value_name = "LIST")]
    pub roles: Option<String>,

    /// Listen here instead of on loopback: an IP address, with or without a port
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
}

/// The flags of `run`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RunArgs {
    /// Over the configuration
    #[command(flatten)]
    pub overrides: Overrides,

    /// For scripts: use ports chosen by the system, keep data in a temporary folder that is removed at the end, and print one JSON line on
    /// standard output when ready
    #[arg(long)]
    pub ephemeral: bool,

    /// Create this account at start if it does not exist; its password goes into the credentials file (repeatable)
    #[arg(long = "user", value_name = "NAME")]
    pub users: Vec<UserName>,

    /// Write the environment for the other programs to this file, as lines for a shell to source
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    pub env_file: Option<PathBuf>,

    /// Exit when standard input is closed, so that a script that dies leaves nothing behind
    #[arg(long)]
    pub until_eof: bool,

    /// Write every SIP message to FILE (a ladder) and to FILE.pcap; secrets are masked
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub trace_sip: Option<PathBuf>,

    /// Do not mask secrets in the trace
    #[arg(long, requires = "trace_sip")]
    pub trace_secrets: bool,
}

/// Which file to check.
#[derive(Debug, Clone, clap::Args)]
pub struct CheckArgs {
    /// Configuration file [default: that of --config]
    #[arg(value_hint = clap::ValueHint::FilePath)]
    pub file: Option<PathBuf>,
}
