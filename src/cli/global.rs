//! Flags that mean the same everywhere.
//!
//! Precedence, for all of them: flag, then environment, then configuration file, then default.

use std::{path::PathBuf, time::Duration};

use crate::{cli::values, id::UserName, sip::message::SipUri};

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Also into files and pipes.
    Always,
    /// Not at all.
    Never,
}

/// The flags of all three programs.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Print JSON: one document for a result, one line for each event
    #[arg(long, global = true)]
    pub json: bool,

    /// Print only results and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// Log more; repeat for even more (-vv, -vvv)
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,

    /// When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t, hide_possible_values = true)]
    pub color: Color,

    /// Read the configuration from this file
    #[arg(long, global = true, value_name = "FILE", env = "CONFKIT_CONFIG", hide_env_values = true, value_hint = clap::ValueHint::FilePath)]
    pub config: Option<PathBuf>,

    /// Give up if the other side does not answer within this time, such as 5s [default: 10s]
    #[arg(long, global = true, value_name = "DURATION", value_parser = values::duration)]
    pub timeout: Option<Duration>,
}

/// The flags of the programs that talk to a server.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Server options")]
pub struct Server {
    /// Server to use [default: from the configuration, else loopback]
    #[arg(long, global = true, value_name = "URI", env = "CONFKIT_SERVER", hide_env_values = true, value_parser = values::server)]
    pub server: Option<SipUri>,

    /// Account to act as
    #[arg(long = "as", global = true, value_name = "NAME", env = "CONFKIT_USER", hide_env_values = true)]
    pub user: Option<UserName>,

    /// File that maps accounts to passwords (YAML, readable by its owner only)
    #[arg(long, global = true, value_name = "FILE", env = "CONFKIT_CREDENTIALS", hide_env_values = true, value_hint = clap::ValueHint::FilePath)]
    pub credentials: Option<PathBuf>,

    /// Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,

    /// Certificate of the authority that must have signed the server's (PEM)
    #[arg(long, global = true, value_name = "FILE", env = "CONFKIT_CA", hide_env_values = true, value_hint = clap::ValueHint::FilePath)]
    pub ca: Option<PathBuf>,
}

/// `completions SHELL`, the same in all three programs.
#[derive(Debug, Clone, clap::Args)]
pub struct Completions {
    /// Shell to write the script for
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}
