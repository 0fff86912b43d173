//! Accounts between the store, where they are records, and the directory that requests are authenticated with.

use std::{pin::Pin, sync::Arc};

use tokio::sync::watch;

use super::{
    DaemonError,
    metrics::{Kind, Numbers, Page},
};
use crate::{
    account::{A1Algorithm, Account, Directory, Password, Role, SealKey, SealedA1, SealedAccount, SigningKey},
    clock,
    id::UserName,
    store::{AccountRecord, Store},
};

/// The accounts of this server.
#[derive(Debug)]
pub struct Accounts {
    store: Arc<dyn Store>,
    key: Arc<SealKey>,
    tickets: Arc<SigningKey>,
    realm: String,
    directory: watch::Sender<Arc<Directory>>,
}

impl Accounts {
    /// Reads the accounts from the store.
    ///
    /// # Errors
    /// The store cannot be read, or what is in it does not open with the key.
    pub async fn open(store: Arc<dyn Store>, key: Arc<SealKey>, tickets: Arc<SigningKey>, realm: String) -> Result<Self, DaemonError> {
        let empty = Arc::new(Directory::new(&realm, key.clone(), []));
        let accounts = Self { store, key, tickets, realm, directory: watch::Sender::new(empty) };
        accounts.refresh().await?;
        Ok(accounts)
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The accounts as they are now.
    pub fn current(&self) -> Arc<Directory> {
        self.directory.borrow().clone()
    }

    /// The accounts, and word of every change.
    pub fn watch(&self) -> watch::Receiver<Arc<Directory>> {
        self.directory.subscribe()
    }

    /// Reads the accounts anew. On an error the old ones stay.
    ///
    /// # Errors
    /// As [`Accounts::open`].
    pub async fn refresh(&self) -> Result<(), DaemonError> {
        let records = self.store.accounts().await?;
        let sealed = records.into_iter().map(unpack).collect::<Result<Vec<_>, _>>()?;
        let directory = Directory::new(&self.realm, self.key.clone(), sealed).with_tickets(self.tickets.clone());
        // One that opens shows that key, realm and store belong together.
        if let Some(any) = directory.accounts().next() {
            directory.hashed_a1(&any.name, A1Algorithm::Sha256)?;
        }
        self.directory.send_replace(Arc::new(directory));
        Ok(())
    }

    /// Makes an account. `initial` tells that its password was made up by the first start.
    ///
    /// # Errors
    /// There is one of that name, or the store fails.
    pub async fn add(&self, user: &UserName, role: Role, password: &Password, initial: bool) -> Result<(), DaemonError> {
        self.store.add_account(&self.record(user, role, password, initial)).await?;
        self.refresh().await
    }

    /// Changes the password of an account.
    ///
    /// # Errors
    /// There is none of that name, or the store fails.
    pub async fn set_password(&self, user: &UserName, password: &Password) -> Result<(), DaemonError> {
        let current = self.current();
        let role = current.account(user).map_or(Role::User, |account| account.role);
        self.store.replace_account(&self.record(user, role, password, false)).await?;
        self.refresh().await
    }

    /// Deletes an account with its contacts.
    ///
    /// # Errors
    /// There is none of that name, it is the last administrator, or the store fails.
    pub async fn delete(&self, user: &UserName) -> Result<(), DaemonError> {
        let current = self.current();
        let mut admins = current.accounts().filter(|account| account.role == Role::Admin);
        if let (Some(only), None) = (admins.next(), admins.next())
            && only.name == *user
        {
            return Err(DaemonError::LastAdmin { user: user.clone() });
        }
        self.store.delete_account(user).await?;
        self.refresh().await
    }

    fn record(&self, user: &UserName, role: Role, password: &Password, initial: bool) -> AccountRecord {
        let SealedA1 { sha256, md5 } = SealedA1::seal(&self.key, user, &self.realm, password);
        AccountRecord {
            name: user.clone(),
            role: role.to_string(),
            a1_sha256: sha256,
            a1_md5: md5,
            initial_password: initial,
            created: clock::wall(),
        }
    }
}

impl Numbers for Accounts {
    fn collect<'a>(&'a self, page: &'a mut Page) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        page.number(Kind::Gauge, "confkit_accounts", "Accounts.", self.current().accounts().count());
        Box::pin(async {})
    }
}

fn unpack(record: AccountRecord) -> Result<SealedAccount, DaemonError> {
    let AccountRecord { name, role, a1_sha256, a1_md5, initial_password, created: _ } = record;
    let Ok(role) = role.parse() else { return Err(DaemonError::Role { user: name, role }) };
    Ok(SealedAccount { account: Account { name, role, initial_password }, a1: SealedA1 { sha256: a1_sha256, md5: a1_md5 } })
}
