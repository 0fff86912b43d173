//! `relayd user`: accounts of a data directory, whether a daemon runs on it or not. A daemon that runs is told to read them again.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::sync::Arc;

use super::{
    DaemonError, Options,
    accounts::Accounts,
    build::data_dir,
    data_dir::{DataDir, Holder},
    first_start,
};
use crate::{
    account::{Account, Password, Role},
    config::{Sources, load},
    id::UserName,
    store::{Sqlite, StoreError},
};

/// The accounts of a data directory.
#[derive(Debug)]
pub struct Users {
    accounts: Accounts,
    directory: DataDir,
    /// The daemon that runs on the directory.
    daemon: Option<Pid>,
}

impl Users {
    /// Opens the accounts of the data directory that the configuration means; makes the directory if there is none.
    ///
    /// # Errors
    /// The configuration, the directory or the store cannot be used.
    pub async fn open(sources: &Sources) -> Result<Self, DaemonError> {
        let loaded = load(sources)?;
        let mut directory = data_dir(&Options { sources: sources.clone(), ..Options::default() }, &loaded.config)?;
        // Without a daemon we keep others out for as long as we work; with one, or beside another of us, the store keeps us apart.
        let daemon = match directory.lock(Holder::User) {
            Ok(()) | Err(DaemonError::InUse { holder: Some((Holder::User, _)), .. }) => None,
            Err(DaemonError::InUse { holder: Some((Holder::Daemon, pid)), .. }) => Some(Pid::from_raw(pid)),
            Err(error) => return Err(error),
        };
        let store = Arc::new(Sqlite::open(&directory.store()).await?);
        let accounts = first_start::accounts(&directory, &loaded.config, store).await?;
        Ok(Self { accounts, directory, daemon })
    }

    /// All accounts, by name.
    pub fn list(&self) -> Vec<Account> {
        self.accounts.current().accounts().cloned().collect()
    }

    /// There is an account of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn expect(&self, user: &UserName) -> Result<(), DaemonError> {
        match self.accounts.current().account(user) {
            Some(_) => Ok(()),
            None => Err(StoreError::Missing { what: "account", name: user.to_string() }.into()),
        }
    }

    /// Makes an account.
    ///
    /// # Errors
    /// There is one of that name, or the store fails.
    pub async fn add(&self, user: &UserName, role: Role, password: &Password) -> Result<(), DaemonError> {
        self.accounts.add(user, role, password, false).await?;
        self.tell();
        Ok(())
    }

    /// Changes a password. One that the credentials file of the data directory holds for the user goes from there.
    ///
    /// # Errors
    /// There is no account of that name, or the store fails.
    pub async fn set_password(&self, user: &UserName, password: &Password) -> Result<(), DaemonError> {
        self.accounts.set_password(user, password).await?;
        first_start::forget_credentials(&self.directory, user)?;
        self.tell();
        Ok(())
    }

    /// Deletes an account with its contacts.
    ///
    /// # Errors
    /// There is no account of that name, it is the last administrator, or the store fails.
    pub async fn delete(&self, user: &UserName) -> Result<(), DaemonError> {
        self.accounts.delete(user).await?;
        first_start::forget_credentials(&self.directory, user)?;
        self.tell();
        Ok(())
    }

    /// True if a daemon runs on the directory, and so takes the change at once.
    pub fn is_running(&self) -> bool {
        self.daemon.is_some()
    }

    fn tell(&self) {
        // The process holds the lock, so the number is that of a daemon and of no other; if it went meanwhile, it needs no word.
        if let Some(daemon) = self.daemon
            && let Err(error) = kill(daemon, Signal::SIGHUP)
        {
            tracing::warn!(%error, %daemon, "the running daemon was not told; send it SIGHUP");
        }
    }
}
