//! The promises of the store, kept by SQLite in a real file.

use std::{path::PathBuf, sync::Arc};

use tempfile::TempDir;

use super::*;
use crate::{clock, store::MAX_CONTACTS};

struct Disk {
    directory: TempDir,
}

impl Disk {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("directory") }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("store.db")
    }

    async fn open(&self) -> Sqlite {
        Sqlite::open(&self.path()).await.expect("opens")
    }

    /// The file and its journals as they lie on the disk now: what is left when the process dies at this moment.
    fn as_after_a_crash(&self) -> Self {
        let copy = Self::new();
        for entry in fs::read_dir(self.directory.path()).expect("directory") {
            let entry = entry.expect("entry");
            // The shared-memory index is gone with the machine; SQLite rebuilds it from the journal.
            if !entry.file_name().to_string_lossy().ends_with("-shm") {
                fs::copy(entry.path(), copy.directory.path().join(entry.file_name())).expect("copied");
            }
        }
        copy
    }

    fn holds(&self, needle: &[u8]) -> bool {
        fs::read_dir(self.directory.path()).expect("directory").any(|entry| {
            let bytes = fs::read(entry.expect("entry").path()).expect("read");
            bytes.windows(needle.len()).any(|window| window == needle)
        })
    }
}

fn user(name: &str) -> UserName {
    name.parse().expect("user name")
}

fn millis(at: SystemTime) -> SystemTime {
    from_millis("test", to_millis(at)).expect("time")
}

fn account(name: &str) -> AccountRecord {
    AccountRecord {
        name: user(name),
        role: "user".into(),
        a1_sha256: vec![1, 2, 3],
        a1_md5: vec![4, 5],
        initial_password: false,
        created: millis(clock::wall()),
    }
}

fn contact(name: &str, contact: &str) -> ContactRecord {
    ContactRecord {
        user: user(name),
        domain: "conf.example".into(),
        contact: contact.into(),
        q: 500,
        expires: millis(clock::wall() + Duration::from_secs(60)),
        call_id: "1@x".into(),
        cseq: u32::MAX,
        hop: "udp:127.0.0.1:5080".into(),
        path: vec!["<sip:p1;lr>".into(), "<sip:p2;lr>".into()],
    }
}

fn conference(name: &str) -> ConferenceRecord {
    ConferenceRecord {
        name: name.parse().expect("conference name"),
        title: "Täglich".into(),
        pin: Some(vec![9; 40]),
        guests: Some(false),
        max_participants: Some(12),
        ttl: Some(Duration::from_millis(90_500)),
        ends_with_chair: true,
        ends_when_empty: false,
        locked: true,
        rights: "share=named receive-bob share+carol".into(),
        creator: Some(user("alice")),
        created: millis(clock::wall()),
        revision: 1,
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_crash() {
    let disk = Disk::new();
    let store = disk.open().await;
    store.add_account(&account("alice")).await.expect("added");
    store.replace_contacts(&user("alice"), "conf.example", &[contact("alice", "sip:a@127.0.0.1:5080")]).await.expect("registered");
    store.add_conference(&conference("standup")).await.expect("defined");
    assert_eq!(store.settle_fact(Fact::Realm, "conf.example").await.expect("settled"), "conf.example");

    // The first process is still running and has closed nothing.
    let after = disk.as_after_a_crash();
    let store = after.open().await;
    assert_eq!(store.accounts().await.expect("read"), [account_created_as(&account("alice"), &store).await]);
    assert_eq!(store.contacts().await.expect("read").len(), 1);
    assert_eq!(store.conferences().await.expect("read")[0].title, "Täglich");
    assert_eq!(store.fact(Fact::Realm).await.expect("read").as_deref(), Some("conf.example"));
}

/// The account with the time of creation that the store kept (the test does not repeat the clock).
async fn account_created_as(account: &AccountRecord, store: &Sqlite) -> AccountRecord {
    AccountRecord { created: store.accounts().await.expect("read")[0].created, ..account.clone() }
}

#[tokio::test]
async fn every_field_comes_back_as_it_was_given() {
    let disk = Disk::new();
    let store = disk.open().await;
    let alice = AccountRecord { initial_password: true, role: "admin".into(), ..account("alice") };
    store.add_account(&alice).await.expect("added");
    assert_eq!(store.accounts().await.expect("read"), [alice]);
    let contacts = [contact("alice", "sip:a@[::1]:5080"), contact("alice", "sip:b@127.0.0.1")];
    store.replace_contacts(&user("alice"), "conf.example", &contacts).await.expect("registered");
    assert_eq!(store.contacts().await.expect("read"), contacts);
    let full = conference("full");
    let bare = ConferenceRecord {
        pin: None,
        guests: None,
        max_participants: None,
        ttl: None,
        creator: None,
        title: String::new(),
        locked: false,
        ..conference("bare")
    };
    store.add_conference(&full).await.expect("defined");
    store.add_conference(&bare).await.expect("defined");
    assert_eq!(store.conferences().await.expect("read"), [bare, full]);
}

#[tokio::test]
async fn an_account_is_made_once_and_only_an_existing_one_is_changed() {
    let disk = Disk::new();
    let store = disk.open().await;
    store.add_account(&account("alice")).await.expect("added");
    assert!(matches!(store.add_account(&account("alice")).await, Err(StoreError::Exists { .. })));
    assert!(matches!(store.replace_account(&account("bob")).await, Err(StoreError::Missing { .. })));
    store.replace_account(&AccountRecord { a1_md5: vec![8], ..account("alice") }).await.expect("changed");
    assert_eq!(store.accounts().await.expect("read")[0].a1_md5, [8]);
}

#[tokio::test]
async fn with_an_account_go_its_contacts() {
    let disk = Disk::new();
    let store = disk.open().await;
    store.add_account(&account("alice")).await.expect("added");
    store.replace_contacts(&user("alice"), "conf.example", &[contact("alice", "sip:a@h")]).await.expect("registered");
    store.delete_account(&user("alice")).await.expect("deleted");
    assert_eq!(store.contacts().await.expect("read"), []);
    assert!(matches!(store.delete_account(&user("alice")).await, Err(StoreError::Missing { .. })));
    let none = store.replace_contacts(&user("alice"), "conf.example", &[contact("alice", "sip:a@h")]).await;
    assert!(matches!(none, Err(StoreError::Missing { what: "account", .. })), "{none:?}");
}

#[tokio::test]
async fn a_register_that_fails_leaves_the_contacts_as_they_were() {
    let disk = Disk::new();
    let store = disk.open().await;
    store.add_account(&account("alice")).await.expect("added");
    store.replace_contacts(&user("alice"), "conf.example", &[contact("alice", "sip:old@h")]).await.expect("registered");
    let twice = [contact("alice", "sip:new@h"), contact("alice", "sip:new@h")];
    assert!(matches!(store.replace_contacts(&user("alice"), "conf.example", &twice).await, Err(StoreError::Exists { .. })));
    assert_eq!(store.contacts().await.expect("read")[0].contact, "sip:old@h");
    let many = vec![contact("alice", "sip:x@h"); MAX_CONTACTS + 1];
    assert!(matches!(store.replace_contacts(&user("alice"), "conf.example", &many).await, Err(StoreError::TooLarge { .. })));
}

#[tokio::test]
async fn two_writers_that_read_the_same_definition_do_not_overwrite_each_other() {
    let disk = Disk::new();
    let (one, other) = (disk.open().await, disk.open().await);
    one.add_conference(&conference("standup")).await.expect("defined");
    let read = other.conferences().await.expect("read").remove(0);
    assert_eq!(one.replace_conference(&ConferenceRecord { locked: false, ..read.clone() }).await.expect("first"), 2);
    let second = other.replace_conference(&ConferenceRecord { title: "mine".into(), ..read.clone() }).await;
    assert!(matches!(second, Err(StoreError::Changed { .. })), "{second:?}");
    other.delete_conference(&read.name).await.expect("deleted");
    assert!(matches!(one.replace_conference(&read).await, Err(StoreError::Missing { .. })));
}

#[tokio::test]
async fn a_fact_is_settled_by_the_first_of_many_who_try_at_once() {
    let disk = Disk::new();
    let store = Arc::new(disk.open().await);
    let tasks = tokio_util::task::TaskTracker::new();
    let attempts: Vec<_> = (0..20)
        .map(|n| {
            let store = store.clone();
            tasks.spawn(async move { store.settle_fact(Fact::Realm, &format!("realm-{n}")).await.expect("settled") })
        })
        .collect();
    let mut settled = Vec::new();
    for attempt in attempts {
        settled.push(attempt.await.expect("no panic"));
    }
    assert!(settled.iter().all(|value| *value == settled[0]), "{settled:?}");
}

#[tokio::test]
async fn a_file_of_a_newer_program_is_refused_and_left_alone() {
    let disk = Disk::new();
    let store = disk.open().await;
    sqlx::raw_sql("PRAGMA user_version = 99").execute(&store.pool).await.expect("set");
    store.close().await;
    let error = Sqlite::open(&disk.path()).await.expect_err("refused").to_string();
    assert!(error.contains("schema 99") && error.contains("newer confkit"), "{error}");
}

#[tokio::test]
async fn the_files_are_nobody_elses_to_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let disk = Disk::new();
    let store = disk.open().await;
    store.add_account(&account("alice")).await.expect("added");
    let modes: Vec<u32> = fs::read_dir(disk.directory.path())
        .expect("directory")
        .map(|entry| entry.expect("entry").metadata().expect("metadata").permissions().mode() & 0o777)
        .collect();
    assert!(modes.len() >= 2 && modes.iter().all(|mode| *mode == 0o600), "{modes:?}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_an_error_and_not_overwritten() {
    let disk = Disk::new();
    fs::write(disk.path(), "this was somebody's diary, long enough to be no header of SQLite").expect("written");
    assert!(matches!(Sqlite::open(&disk.path()).await, Err(StoreError::Failed(_))));
    assert!(disk.holds(b"somebody's diary"));
}

#[tokio::test]
async fn oversized_fields_are_refused() {
    let disk = Disk::new();
    let store = disk.open().await;
    let large = ConferenceRecord { title: "x".repeat(MAX_FIELD + 1), ..conference("large") };
    assert!(matches!(store.add_conference(&large).await, Err(StoreError::TooLarge { .. })));
}
