use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use tempfile::TempDir;

use super::*;
use crate::transfer::manifest::{Entry, Kind, Manifest};

fn manifest() -> Manifest {
    let file = |path: &str| Entry::new(path.parse().expect("safe"), Kind::File { size: Some(10) });
    Manifest::new(vec![file("a"), file("b")]).expect("a batch")
}

fn name(text: &str) -> TransferName {
    TransferName::new(text).expect("a name")
}

fn record(text: &str) -> Record {
    Record {
        version: VERSION,
        transfer: name(text),
        manifest: manifest().digest(),
        algorithm: Algorithm::Blake3,
        durable: 0,
        journal: 0,
        target: "/tmp/x".to_owned(),
        overwrite: Overwrite::Refuse,
        checkpoint: CHECKPOINT,
        reserve: 0,
        sparse: Sparse::default(),
        xattrs: false,
        called: None,
        placing: false,
        epoch: 0,
        created: 1_000,
        changed: 1_000,
        boot: None,
        details: [("server".to_owned(), "as.example".to_owned())].into(),
    }
}

fn done(entry: u32) -> Line {
    Line::Done { entry, digest: Some(Digest([7; 32])) }
}

fn store() -> (TempDir, RecordStore) {
    let folder = TempDir::new().expect("folder");
    let store = RecordStore::open(&folder.path().join("state")).expect("store");
    (folder, store)
}

/// As if the machine had been started anew.
fn reboot(folder: &Path) {
    let path = folder.join("state/t1.json");
    let changed = Record { boot: Some("before".to_owned()), ..Record::from_json(&fs::read(&path).expect("record")).expect("reads") };
    fs::write(path, changed.to_json()).expect("record");
}

#[test]
fn lines_count_with_the_record_that_counts_them_and_on_the_same_boot_all_do() {
    let (folder, store) = store();
    let mut held = store.create(record("t1"), &manifest()).expect("creates");
    held.append(&[done(0)]).expect("appends");
    held.save(10, false).expect("saves");
    held.append(&[done(1)]).expect("appends");
    drop(held);
    if boot().is_some() {
        let taken = store.take_up(&name("t1")).expect("takes up");
        assert_eq!((taken.lines, taken.same_boot), (vec![done(0), done(1)], true));
        assert_eq!((taken.held.record().durable, taken.held.record().epoch), (10, 1));
    }
    reboot(folder.path());
    let taken = store.take_up(&name("t1")).expect("takes up");
    assert_eq!((taken.lines, taken.same_boot, taken.manifest), (vec![done(0)], false, manifest()));
}

#[test]
fn a_torn_line_is_cut_and_the_next_is_written_in_its_place() {
    let (folder, store) = store();
    let mut held = store.create(record("t1"), &manifest()).expect("creates");
    held.append(&[done(0)]).expect("appends");
    held.save(10, false).expect("saves");
    drop(held);
    let journal = folder.path().join("state/t1.journal");
    let whole = fs::read(&journal).expect("journal");
    for torn in ["{\"done\"", "\0\0\0\0\n", "{\"done\":{\"entry\":1}}", "nonsense\n"] {
        fs::write(&journal, [&whole, torn.as_bytes()].concat()).expect("torn");
        let mut taken = store.take_up(&name("t1")).expect(torn);
        assert_eq!(taken.lines, [done(0)], "{torn}");
        taken.held.append(&[done(1)]).expect("appends");
        drop(taken);
        assert_eq!(store.take_up(&name("t1")).expect("takes up").lines.len(), if boot().is_some() { 2 } else { 1 }, "{torn}");
    }
    // What the record counts must be there and readable.
    for damaged in [&whole[..whole.len() - 1], &b"x".repeat(whole.len())] {
        fs::write(&journal, damaged).expect("damaged");
        assert!(matches!(store.take_up(&name("t1")), Err(ResumeError::Damaged { .. })));
    }
}

#[test]
fn a_mark_that_goes_back_is_counted_from_a_new_journal() {
    let (folder, store) = store();
    let mut held = store.create(record("t1"), &manifest()).expect("creates");
    held.append(&[done(0), done(1)]).expect("appends");
    held.save(20, false).expect("saves");
    held.rewind(10, &[done(0)]).expect("goes back");
    drop(held);
    reboot(folder.path());
    let taken = store.take_up(&name("t1")).expect("takes up");
    assert_eq!((taken.lines, taken.held.record().durable), (vec![done(0)], 10));
}

#[test]
fn one_has_a_record_and_only_one() {
    let (folder, store) = store();
    let held = store.create(record("t1"), &manifest()).expect("creates");
    assert!(matches!(store.create(record("t1"), &manifest()), Err(ResumeError::Busy(_))));
    assert!(matches!(store.take_up(&name("t1")), Err(ResumeError::Busy(_))));
    drop(held);
    assert!(matches!(store.create(record("t1"), &manifest()), Err(ResumeError::Exists(_))));
    let taken = store.take_up(&name("t1")).expect("takes up");
    taken.held.forget().expect("forgets");
    assert!(matches!(store.take_up(&name("t1")), Err(ResumeError::Missing(_))));
    assert_eq!(fs::read_dir(folder.path().join("state")).expect("folder").count(), 0);
    store.create(record("t1"), &manifest()).expect("the name is free again");
}

#[test]
fn records_are_listed_and_old_ones_told() {
    let (folder, store) = store();
    for text in ["old", "older", "new", "running"] {
        drop(store.create(record(text), &manifest()).expect("creates"));
    }
    let running = store.take_up(&name("running")).expect("takes up");
    for (text, changed) in [("old", 1_000), ("older", 900), ("new", 5_000), ("running", 1_000)] {
        let path = folder.path().join(format!("state/{text}.json"));
        fs::write(path, Record { changed, ..record(text) }.to_json()).expect("record");
    }
    fs::write(folder.path().join("state/strange.json"), "{").expect("strange");
    let listed = |records: Vec<Record>| records.iter().map(|record| record.transfer.to_string()).collect::<Vec<_>>();
    assert_eq!(listed(store.list().expect("lists")), ["new", "old", "older", "running"]);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(6_000);
    let old = || listed(store.older(now, Duration::from_secs(2_000)).expect("lists"));
    assert_eq!(old(), ["older", "old"]);
    drop(running);
    store.remove(&name("older")).expect("removes");
    assert_eq!(old(), ["old", "running"]);
    store.remove(&name("none")).expect("there is none: no error");
}

#[test]
fn records_of_other_versions_and_batches_are_not_taken_up() {
    let (folder, store) = store();
    drop(store.create(record("t1"), &manifest()).expect("creates"));
    let path = folder.path().join("state/t1.json");
    let told = |record: &Record| {
        fs::write(&path, record.to_json()).expect("record");
        store.take_up(&name("t1")).expect_err("damaged").to_string()
    };
    let newer = Record { version: 2, ..record("t1") };
    assert_eq!(told(&newer), "the record of the transfer t1 is unusable: it is of version 2, this program knows 1");
    let other = Record { manifest: Digest([0; 32]), ..record("t1") };
    assert_eq!(told(&other), "the record of the transfer t1 is unusable: its files do not belong together");
    assert!(told(&record("t2")).ends_with("do not belong together"));
}

#[test]
fn names_of_transfers_are_names_of_files() {
    for text in ["", ".", "..", "-x", "a/b", "a b", "ä", "a\0", &"x".repeat(129)] {
        assert!(TransferName::new(text).is_err(), "{text}");
    }
    assert_eq!(name(&"x".repeat(128)).as_str().len(), 128);
}

#[test]
fn what_a_killed_process_was_writing_does_not_stay() {
    let (folder, store) = store();
    let state = folder.path().join("state");
    let names = || {
        let mut names: Vec<_> = fs::read_dir(&state).expect("state").map(|entry| entry.expect("entry").file_name()).collect();
        names.sort();
        names
    };
    drop(store.create(record("t1"), &manifest()).expect("creates"));
    // As a process leaves it that is killed before it renames.
    fs::write(state.join("t1.json.new"), b"{\"vers").expect("half");
    fs::write(state.join("t1.manifest.new"), b"{\"vers").expect("half");
    assert_eq!(store.list().expect("lists").len(), 1);
    let mut held = store.take_up(&name("t1")).expect("takes up").held;
    held.save(5, false).expect("saves");
    assert_eq!(names(), ["t1.journal", "t1.json", "t1.manifest"]);
    assert_eq!(store.list().expect("lists")[0].durable, 5);
    fs::write(state.join("t1.json.new"), b"{\"vers").expect("half");
    held.forget().expect("forgets");
    assert_eq!(names(), Vec::<std::ffi::OsString>::new());
}

#[test]
fn what_is_distrusted_counts_only_as_far_as_it_was_durable() {
    let (_folder, store) = store();
    let mut held = store.create(record("t1"), &manifest()).expect("creates");
    held.append(&[done(0)]).expect("appends");
    held.save(10, false).expect("saves");
    held.append(&[done(1)]).expect("appends");
    held.distrust().expect("saves");
    drop(held);
    let taken = store.take_up(&name("t1")).expect("takes up");
    assert_eq!((taken.lines, taken.same_boot, taken.held.record().durable), (vec![done(0)], false, 10));
}

#[test]
fn a_record_without_checkpoint_and_reserve_has_the_usual_ones() {
    let text = String::from_utf8(record("t1").to_json()).expect("UTF-8");
    let without: String = text.lines().filter(|line| !line.contains("\"checkpoint\"") && !line.contains("\"reserve\"")).collect();
    assert!(without.len() < text.len());
    assert_eq!(Record::from_json(without.as_bytes()), Ok(record("t1")));
}
