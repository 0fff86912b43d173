//! `relayd user`: accounts, in the data directory of a daemon that runs or does not.

use std::path::PathBuf;

use clap::Subcommand;

use crate::{
    account::Role,
    cli::{Failure, relayd::Context},
    id::UserName,
};

/// What to do with accounts.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Make an account
    #[command(after_help = "Examples:\n  relayd user add alice\n  relayd user add ops --role admin --password-file ops.txt")]
    Add(AddArgs),
    /// Change the password of an account
    #[command(after_help = "Examples:\n  relayd user passwd alice --password-file new.txt")]
    Passwd(PasswdArgs),
    /// Delete an account
    #[command(after_help = "Examples:\n  relayd user del alice")]
    Del(DelArgs),
    /// List the accounts
    #[command(after_help = "Examples:\n  relayd user list\n  relayd --json user list --data-dir /var/lib/relayd")]
    List,
}

/// A new account.
#[derive(Debug, Clone, clap::Args)]
pub struct AddArgs {
    /// Name of the account
    pub name: UserName,

    /// What it may do: user (create conferences, control its own) or admin (everything)
    #[arg(long, value_name = "user|admin", default_value = "user")]
    pub role: Role,

    /// Its password
    #[command(flatten)]
    pub password: PasswordFile,
}

/// A new password.
#[derive(Debug, Clone, clap::Args)]
pub struct PasswdArgs {
    /// Name of the account
    pub name: UserName,

    /// Its password
    #[command(flatten)]
    pub password: PasswordFile,
}

/// An account to delete.
#[derive(Debug, Clone, clap::Args)]
pub struct DelArgs {
    /// Name of the account
    pub name: UserName,
}

/// Where a new password comes from.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct PasswordFile {
    /// Read the password from the first line of this file (or set CONFKIT_PASSWORD, or be asked)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
#[expect(clippy::unused_async, reason = "the store is awaited here")]
pub async fn run(command: &Command, context: &Context) -> Result<(), Failure> {
    let _ = (command, context);
    Err(Failure::not_built_yet("relayd user", "the daemon"))
}
