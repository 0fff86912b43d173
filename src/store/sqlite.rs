//! The store over SQLite: opening, migrating, and whose fault an error is. The statements are in the files of `sqlite/`.

mod accounts;
mod conferences;
mod contacts;
mod facts;
#[cfg(test)]
mod tests;

use std::{
    fs, io,
    path::{Path, PathBuf},
    pin::Pin,
    time::{Duration, SystemTime},
};

use sqlx::{
    ConnectOptions as _, SqlitePool,
    error::ErrorKind,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{AccountRecord, ConferenceRecord, ContactRecord, Fact, MAX_FIELD, Store, StoreError, Stored};
use crate::id::{ConferenceName, UserName};

/// How long a statement waits for another process's lock before it is [`StoreError::Busy`].
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections, each a thread. SQLite writes one at a time; the others read meanwhile.
const CONNECTIONS: u32 = 3;

/// The schema, step by step: step n takes a file of `user_version` n to n + 1. A step that has been released is never changed.
const MIGRATIONS: [&str; 2] = [include_str!("sqlite/0001.sql"), include_str!("sqlite/0002.sql")];

/// A store in a file.
#[derive(Debug, Clone)]
pub struct Sqlite {
    pool: SqlitePool,
}

impl Sqlite {
    /// Opens the file, makes it (mode 0600) if it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// The file cannot be made or read, was written by a later version, or is no database.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        create_private(path).map_err(|error| StoreError::Failed(sqlx::Error::Io(error)))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(BUSY_TIMEOUT).connect_with(options).await?;
        let store = Self { pool };
        store.migrate(path).await?;
        Ok(store)
    }

    async fn migrate(&self, path: &Path) -> Result<(), StoreError> {
        let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        // One transaction that holds the write lock from its start: two processes that open the file at once migrate it once.
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await?;
        let done = usize::try_from(found).ok().filter(|_| found <= known).ok_or_else(|| StoreError::Newer {
            path: path.display().to_string(),
            found,
            known,
        })?;
        if found < known {
            for step in MIGRATIONS.iter().skip(done) {
                sqlx::raw_sql(*step).execute(&mut *transaction).await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }
}

impl Store for Sqlite {
    fn accounts(&self) -> Stored<'_, Vec<AccountRecord>> {
        Box::pin(accounts::all(&self.pool))
    }

    fn add_account<'a>(&'a self, account: &'a AccountRecord) -> Stored<'a, ()> {
        Box::pin(accounts::add(&self.pool, account))
    }

    fn replace_account<'a>(&'a self, account: &'a AccountRecord) -> Stored<'a, ()> {
        Box::pin(accounts::replace(&self.pool, account))
    }

    fn delete_account<'a>(&'a self, user: &'a UserName) -> Stored<'a, ()> {
        Box::pin(accounts::delete(&self.pool, user))
    }

    fn contacts(&self) -> Stored<'_, Vec<ContactRecord>> {
        Box::pin(contacts::all(&self.pool))
    }

    fn replace_contacts<'a>(&'a self, user: &'a UserName, domain: &'a str, contacts: &'a [ContactRecord]) -> Stored<'a, ()> {
        Box::pin(contacts::replace(&self.pool, user, domain, contacts))
    }

    fn conferences(&self) -> Stored<'_, Vec<ConferenceRecord>> {
        Box::pin(conferences::all(&self.pool))
    }

    fn add_conference<'a>(&'a self, conference: &'a ConferenceRecord) -> Stored<'a, ()> {
        Box::pin(conferences::add(&self.pool, conference))
    }

    fn replace_conference<'a>(&'a self, conference: &'a ConferenceRecord) -> Stored<'a, u64> {
        Box::pin(conferences::replace(&self.pool, conference))
    }

    fn delete_conference<'a>(&'a self, name: &'a ConferenceName) -> Stored<'a, ()> {
        Box::pin(conferences::delete(&self.pool, name))
    }

    fn fact(&self, fact: Fact) -> Stored<'_, Option<String>> {
        Box::pin(facts::get(&self.pool, fact))
    }

    fn settle_fact<'a>(&'a self, fact: Fact, value: &'a str) -> Stored<'a, String> {
        Box::pin(facts::settle(&self.pool, fact, value))
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.pool.close())
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        /// SQLITE_BUSY; its extended codes have it in their low byte.
        const BUSY: i64 = 5;
        let busy = match &error {
            sqlx::Error::PoolTimedOut => true,
            sqlx::Error::Database(error) => error.code().and_then(|code| code.parse::<i64>().ok()).is_some_and(|code| code & 0xff == BUSY),
            _ => false,
        };
        if busy { Self::Busy } else { Self::Failed(error) }
    }
}

/// The error of an INSERT, where a row of that name may exist already.
fn on_insert(error: sqlx::Error, what: &'static str, name: &impl ToString) -> StoreError {
    match error.as_database_error().map(sqlx::error::DatabaseError::kind) {
        Some(ErrorKind::UniqueViolation) => StoreError::Exists { what, name: name.to_string() },
        _ => error.into(),
    }
}

/// `Missing` if a statement that was to change one row changed none.
fn changed_one(rows: u64, what: &'static str, name: &impl ToString) -> Result<(), StoreError> {
    if rows == 0 { Err(StoreError::Missing { what, name: name.to_string() }) } else { Ok(()) }
}

fn bounded(fields: &[(&'static str, usize)]) -> Result<(), StoreError> {
    match fields.iter().find(|(_, len)| *len > MAX_FIELD) {
        Some((what, _)) => Err(StoreError::TooLarge { what, max: MAX_FIELD }),
        None => Ok(()),
    }
}

/// A point in time as milliseconds since 1970; one before that is 1970.
fn to_millis(at: SystemTime) -> i64 {
    duration_millis(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

fn from_millis(what: &'static str, millis: i64) -> Result<SystemTime, StoreError> {
    SystemTime::UNIX_EPOCH.checked_add(millis_duration(what, millis)?).ok_or_else(|| damaged(what, &format!("time {millis}")))
}

fn duration_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn millis_duration(what: &'static str, millis: i64) -> Result<Duration, StoreError> {
    u64::try_from(millis).map(Duration::from_millis).map_err(|_| damaged(what, &format!("negative time {millis}")))
}

fn damaged(what: &'static str, why: &impl ToString) -> StoreError {
    StoreError::Damaged { what, why: why.to_string() }
}

/// Makes an empty file of mode 0600 if there is none; SQLite gives its journal files the same mode.
fn create_private(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(file) => {
            file.sync_all()?;
            let directory: PathBuf = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new(".")).into();
            fs::File::open(directory)?.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
