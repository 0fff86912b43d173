//! What outlives the process: accounts, registrar contacts, conference definitions, and a few facts about the server.
//!
//! [`Store`] is the one trait; [`Sqlite`] implements it over a file of the data directory. **Durable before acknowledged**: when a method
//! that writes returns `Ok`, the change is on the disk (SQLite in WAL mode with `synchronous = FULL`), and a crash or a power failure at
//! any later moment does not undo it. Each method is one transaction. Writers compare and set: what two processes try at once happens
//! once, and the other gets [`StoreError::Exists`] or [`StoreError::Changed`].
//!
//! Secrets come here sealed, as opaque bytes (`account` seals them): nothing in the file opens without the key beside it.
//!
//! | file | what |
//! |---|---|
//! | `record.rs` | what is stored, as values |
//! | `sqlite.rs` | opening, migrating, errors of SQLite |
//! | `sqlite/` | the statements, one file per kind of record |
//!
//! Out of scope: files that people share, and events between processes (later issues bring them with traits of their own).

mod record;
mod sqlite;

use std::{future::Future, pin::Pin};

pub use record::{AccountRecord, ConferenceRecord, ContactRecord, Fact};
pub use sqlite::Sqlite;

use crate::id::{ConferenceName, UserName};

/// Most contacts of one address of record; a registrar allows fewer.
pub const MAX_CONTACTS: usize = 64;
/// Most bytes of any text or sealed value in a record.
pub const MAX_FIELD: usize = 8 * 1024;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is one of this name already. The caller's to resolve.
    #[error("{what} \"{name}\" exists already")]
    Exists {
        /// The kind of record.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// There is none of this name.
    #[error("there is no {what} \"{name}\"")]
    Missing {
        /// The kind of record.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// It was changed by somebody else since it was read; read again.
    #[error("{what} \"{name}\" was changed meanwhile")]
    Changed {
        /// The kind of record.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A field or a list is larger than the store takes. The caller's fault.
    #[error("{what} is too large to be stored (at most {max})")]
    TooLarge {
        /// What.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// A record cannot be read back: the file was changed by something else. Ours or the disk's fault.
    #[error("the stored {what} is damaged: {why}")]
    Damaged {
        /// The kind of record.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The file was written by a later version of the program.
    #[error("the store {path} has schema {found}, this program knows {known}: it was written by a newer confkit")]
    Newer {
        /// The file.
        path: String,
        /// Its schema.
        found: i64,
        /// The latest one that this program knows.
        known: i64,
    },
    /// Another process kept the file locked for longer than we wait.
    #[error("the store is busy: another process holds it")]
    Busy,
    /// The disk or the database failed.
    #[error("the store failed: {0}")]
    Failed(#[source] sqlx::Error),
}

/// What a method of the store returns: a future that may be awaited on any thread.
pub type Stored<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The store. See the module for what each write promises.
pub trait Store: Send + Sync + std::fmt::Debug {
    /// All accounts, by name.
    fn accounts(&self) -> Stored<'_, Vec<AccountRecord>>;

    /// Adds an account: `Exists` if there is one of that name.
    fn add_account<'a>(&'a self, account: &'a AccountRecord) -> Stored<'a, ()>;

    /// Replaces an account: `Missing` if there is none of that name. Its time of creation stays.
    fn replace_account<'a>(&'a self, account: &'a AccountRecord) -> Stored<'a, ()>;

    /// Deletes an account and its contacts: `Missing` if there is none of that name.
    fn delete_account<'a>(&'a self, user: &'a UserName) -> Stored<'a, ()>;

    /// All contacts, by user and domain.
    fn contacts(&self) -> Stored<'_, Vec<ContactRecord>>;

    /// Replaces the contacts of an address of record as a whole (RFC 3261 §10.3: a REGISTER takes effect wholly or not at all). User and
    /// domain of the records are not looked at: all are of this address. An empty list removes them.
    fn replace_contacts<'a>(&'a self, user: &'a UserName, domain: &'a str, contacts: &'a [ContactRecord]) -> Stored<'a, ()>;

    /// All conference definitions, by name.
    fn conferences(&self) -> Stored<'_, Vec<ConferenceRecord>>;

    /// Adds a definition with revision 1 (whatever the record says): `Exists` if there is one of that name.
    fn add_conference<'a>(&'a self, conference: &'a ConferenceRecord) -> Stored<'a, ()>;

    /// Replaces a definition if it still has the revision that the record says, and returns the new revision: `Changed` if it has another,
    /// `Missing` if it is gone. Name, creator and time of creation stay.
    fn replace_conference<'a>(&'a self, conference: &'a ConferenceRecord) -> Stored<'a, u64>;

    /// Deletes a definition: `Missing` if there is none of that name.
    fn delete_conference<'a>(&'a self, name: &'a ConferenceName) -> Stored<'a, ()>;

    /// A fact, if it has been set.
    fn fact(&self, fact: Fact) -> Stored<'_, Option<String>>;

    /// Sets a fact if nobody has yet, and returns what holds from then on: the value given, or the one that was there.
    fn settle_fact<'a>(&'a self, fact: Fact, value: &'a str) -> Stored<'a, String>;

    /// Writes what is pending and lets go of the file. Nothing acknowledged depends on it.
    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}
