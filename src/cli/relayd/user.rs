//! `relayd user`: accounts, in the data directory of a daemon that runs or does not.

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;

use crate::{
    account::{Account, Password, Role},
    cli::{
        Failure,
        output::{Page, Report, Table, Text},
        relayd::{Context, args::Overrides},
        secret,
    },
    daemon::users::Users,
    id::UserName,
};

/// What to do with accounts.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Create an account
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

    /// What the account may do: user (create conferences and control its own) or admin (everything)
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
    /// Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
}

/// An account, as it is told.
#[derive(Debug, Serialize)]
pub struct Told {
    /// Name.
    pub name: UserName,
    /// `admin` or `user`.
    pub role: String,
    /// True while the password is the one that the first start made up.
    pub initial_password: bool,
}

/// What became of an account.
#[derive(Debug, Serialize)]
pub struct Done {
    /// Name.
    pub name: UserName,
    /// `added`, `changed` or `deleted`.
    pub outcome: &'static str,
    /// True if a daemon runs on the data, and has been told.
    pub running: bool,
}

/// All accounts.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// By name.
    pub users: Vec<Told>,
}

impl Report for Done {
    fn page(&self, page: &mut Page) {
        let running = if self.running { " (the running daemon has been told)" } else { "" };
        page.line([Text::strong(&self.name), Text::from(format!(": {}{running}", self.outcome))]);
    }
}

impl Report for Listed {
    fn page(&self, page: &mut Page) {
        let mut table = Table::new(["user", "role", "password"]);
        for user in &self.users {
            let password = if user.initial_password { Text::odd("of the first start") } else { Text::from("set") };
            table.row([Text::strong(&user.name), Text::from(user.role.as_str()), password]);
        }
        page.table(table);
    }
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub async fn run(command: &Command, context: &Context) -> Result<(), Failure> {
    let users = Users::open(&context.sources(&Overrides::default())).await?;
    let (name, outcome) = match command {
        Command::Add(AddArgs { name, role, password }) => {
            let password = password.read(&format!("Password for {name}"), context).await?;
            users.add(name, *role, &password).await?;
            (name, "added")
        }
        Command::Passwd(PasswdArgs { name, password }) => {
            // Before anybody types a password in vain.
            users.expect(name)?;
            let password = password.read(&format!("New password for {name}"), context).await?;
            users.set_password(name, &password).await?;
            (name, "changed")
        }
        Command::Del(DelArgs { name }) => {
            users.delete(name).await?;
            (name, "deleted")
        }
        Command::List => {
            let told =
                |account: Account| Told { name: account.name, role: account.role.to_string(), initial_password: account.initial_password };
            return context.output.result(&Listed { users: users.list().into_iter().map(told).collect() });
        }
    };
    context.output.result(&Done { name: name.clone(), outcome, running: users.is_running() })
}

impl PasswordFile {
    /// The password from the file, the environment, or a prompt.
    async fn read(&self, prompt: &str, context: &Context) -> Result<Password, Failure> {
        match secret::given_password(self.password_file.as_deref())? {
            Some(password) => Ok(password),
            None => secret::ask_password(prompt, &context.output, &context.leaving).await,
        }
    }
}
