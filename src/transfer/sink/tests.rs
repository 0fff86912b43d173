use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use tempfile::TempDir;

use super::*;
use crate::transfer::{
    hash::BatchHasher,
    manifest::{Entry, Kind, MAX_ENTRIES, Mtime},
    name::{MAX_COMPONENT, MAX_PATH},
    resume::Line,
};

/// A batch in memory.
struct Batch {
    manifest: Manifest,
    stream: Vec<u8>,
}

impl Batch {
    fn new(entries: Vec<(&str, Kind)>, seed: u64) -> Self {
        let mut random = ChaCha12Rng::seed_from_u64(seed);
        let entries: Vec<Entry> = entries.into_iter().map(|(path, kind)| Entry::new(path.parse().expect("safe"), kind)).collect();
        let manifest = Manifest::new(entries).expect("a batch");
        let mut stream = vec![0; usize::try_from(manifest.total().unwrap_or(100_000)).expect("small")];
        random.fill_bytes(&mut stream);
        Self { manifest, stream }
    }

    fn files(files: &[(&str, u64)], seed: u64) -> Self {
        Self::new(files.iter().map(|(path, size)| (*path, Kind::File { size: Some(*size) })).collect(), seed)
    }

    fn trailer(&self, algorithm: Algorithm) -> Trailer {
        let mut hasher = BatchHasher::new(&self.manifest, algorithm);
        assert!(hasher.update(&self.stream));
        hasher.finish().expect("complete")
    }

    fn bytes(&self) -> Bytes {
        Bytes::copy_from_slice(&self.stream)
    }

    /// What the file of an entry holds.
    fn content(&self, path: &str) -> &[u8] {
        let (at, entry) = self.manifest.files().find(|(_, entry)| entry.path.as_str() == path).expect("an entry");
        let start = usize::try_from(self.manifest.start_of(at).expect("a file")).expect("small");
        let size = entry.size().flatten().map_or(self.stream.len(), |size| usize::try_from(size).expect("small"));
        &self.stream[start..start + size]
    }

    fn check(&self, folder: &Path) {
        for (_, entry) in self.manifest.files() {
            let path = entry.path.as_str();
            assert!(fs::read(folder.join(path)).expect(path) == self.content(path), "{path}");
        }
        assert_eq!(partial_files(folder), Vec::<PathBuf>::new());
    }
}

fn partial_files(folder: &Path) -> Vec<PathBuf> {
    let all = walkdir::WalkDir::new(folder).into_iter().map(|found| found.expect("readable").into_path());
    all.filter(|path| path.to_string_lossy().ends_with(".confkit-part")).collect()
}

fn with(overwrite: Overwrite) -> SinkOptions {
    SinkOptions { overwrite, ..SinkOptions::default() }
}

fn recorded(state: &TempDir) -> (SinkOptions, RecordStore, TransferName) {
    let (store, name) = (RecordStore::open(state.path()).expect("store"), TransferName::new("t1").expect("name"));
    (SinkOptions { record: Some((store.clone(), name.clone())), checkpoint: 10_000, ..SinkOptions::default() }, store, name)
}

async fn put(batch: &Batch, target: &Path, options: SinkOptions) -> Result<Finished, SinkError> {
    let algorithm = options.algorithm;
    let mut sink = Sink::create(target, batch.manifest.clone(), options).await?;
    for chunk in batch.stream.chunks(1000) {
        sink.write(Bytes::copy_from_slice(chunk)).await?;
    }
    sink.finish(Some(batch.trailer(algorithm))).await
}

#[tokio::test]
async fn a_batch_becomes_files_with_their_bytes_however_it_is_cut() {
    for (seed, algorithm) in [(1, Algorithm::Blake3), (2, Algorithm::Sha256), (3, Algorithm::Blake3)] {
        let batch = Batch::files(&[("empty", 0), ("a/one", 1), ("a/b/large", 300_000), ("a/none", 0), ("z", 77)], seed);
        let folder = TempDir::new().expect("folder");
        let mut sink =
            Sink::create(folder.path(), batch.manifest.clone(), SinkOptions { algorithm, ..SinkOptions::default() }).await.expect("begins");
        let (mut random, mut rest) = (ChaCha12Rng::seed_from_u64(seed), batch.bytes());
        while !rest.is_empty() {
            sink.write(rest.split_to(random.random_range(1..=rest.len().min(70_000)))).await.expect("takes");
        }
        let finished = sink.finish(Some(batch.trailer(algorithm))).await.expect("finishes");
        assert_eq!(finished.root, Some(batch.trailer(algorithm).root(&batch.manifest)));
        assert_eq!(finished.files.len(), 5);
        batch.check(folder.path());
    }
}

#[tokio::test]
async fn names_appear_only_when_everything_is_verified() {
    let batch = Batch::files(&[("a", 10), ("b", 10)], 4);
    let folder = TempDir::new().expect("folder");
    let mut sink = Sink::create(folder.path(), batch.manifest.clone(), SinkOptions::default()).await.expect("begins");
    sink.write(batch.bytes()).await.expect("takes");
    assert_eq!(sink.checkpoint().await.expect("durable"), 20);
    assert!(!folder.path().join("a").exists());
    let mut trailer = batch.trailer(Algorithm::Blake3);
    trailer.files[1] = Digest([0; 32]);
    let error = sink.finish(Some(trailer)).await.expect_err("damaged");
    assert!(matches!(&error, SinkError::Digest { path, .. } if path == "b"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 0, "nothing is left without a record");
}

#[tokio::test]
async fn modes_times_links_and_empty_folders_arrive_and_set_user_id_does_not() {
    let folder = TempDir::new().expect("folder");
    let mtime = Some(Mtime { seconds: 1_000_000_000, nanos: 500_000_000 });
    let entry = |path: &str, kind, mode| Entry { mode: Some(mode), mtime, ..Entry::new(path.parse().expect("safe"), kind) };
    let entries = vec![
        entry("d", Kind::Directory, 0o555),
        entry("d/run", Kind::File { size: Some(3) }, 0o4755),
        entry("d/secret", Kind::File { size: Some(3) }, 0o400),
        Entry::new("d/up".parse().expect("safe"), Kind::Symlink { target: "../empty".to_owned() }),
        entry("empty", Kind::Directory, 0o700),
    ];
    let batch = Batch { manifest: Manifest::new(entries).expect("a batch"), stream: b"abcdef".to_vec() };
    let finished = put(&batch, folder.path(), SinkOptions::default()).await.expect("finishes");
    assert_eq!(finished.warnings, Vec::<String>::new());
    for (path, mode) in [("d", 0o555), ("d/run", 0o755), ("d/secret", 0o400), ("empty", 0o700)] {
        let meta = fs::metadata(folder.path().join(path)).expect(path);
        // What the mask of whoever runs the test takes away, is away.
        assert_eq!(meta.permissions().mode() & 0o7777 & !mode, 0, "{path}");
        assert_eq!(meta.permissions().mode() & 0o500, mode & 0o500, "{path}");
        assert_eq!(meta.modified().expect("time"), SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000_000_500), "{path}");
    }
    assert_eq!(fs::read_link(folder.path().join("d/up")).expect("link"), Path::new("../empty"));
    fs::set_permissions(folder.path().join("d"), fs::Permissions::from_mode(0o755)).expect("so that it can be removed");
}

#[tokio::test]
async fn what_is_there_already_meets_the_policy() {
    let batch = Batch::files(&[("d/a.txt", 5), ("b", 5)], 5);
    let there = || {
        let folder = TempDir::new().expect("folder");
        fs::create_dir(folder.path().join("d")).expect("folder");
        fs::write(folder.path().join("d/a.txt"), b"old").expect("old");
        folder
    };
    let folder = there();
    let error = Sink::create(folder.path(), batch.manifest.clone(), with(Overwrite::Refuse)).await.expect_err("refused");
    assert_eq!(error.to_string(), "d/a.txt exists already");

    let folder = there();
    put(&batch, folder.path(), with(Overwrite::Replace)).await.expect("replaces");
    batch.check(folder.path());

    let folder = there();
    fs::write(folder.path().join("d/a (1).txt"), b"older").expect("older");
    let finished = put(&batch, folder.path(), with(Overwrite::Rename)).await.expect("renames");
    assert_eq!(finished.files[0].name.as_str(), "d/a (2).txt");
    assert_eq!(fs::read(folder.path().join("d/a (2).txt")).expect("new"), batch.content("d/a.txt"));
    assert_eq!(fs::read(folder.path().join("d/a.txt")).expect("old"), b"old");

    let folder = there();
    let finished = put(&batch, folder.path(), with(Overwrite::Skip)).await.expect("skips");
    assert_eq!((finished.root, &finished.files[0].path, finished.files[0].digest), (None, &None, None));
    assert_eq!(fs::read(folder.path().join("d/a.txt")).expect("old"), b"old");
    assert_eq!(fs::read(folder.path().join("b")).expect("new"), batch.content("b"));

    let folder = TempDir::new().expect("folder");
    fs::create_dir_all(folder.path().join("b")).expect("folder");
    for overwrite in [Overwrite::Replace, Overwrite::Refuse] {
        let error = Sink::create(folder.path(), batch.manifest.clone(), with(overwrite)).await.expect_err("in the way");
        assert_eq!(error.to_string(), "b exists already and is a folder");
    }
}

#[tokio::test]
async fn a_file_that_appears_meanwhile_is_not_overwritten() {
    for overwrite in [Overwrite::Refuse, Overwrite::Skip, Overwrite::Rename] {
        let batch = Batch::files(&[("a", 5)], 6);
        let folder = TempDir::new().expect("folder");
        let mut sink = Sink::create(folder.path(), batch.manifest.clone(), with(overwrite)).await.expect("begins");
        sink.write(batch.bytes()).await.expect("takes");
        fs::write(folder.path().join("a"), b"mine").expect("mine");
        let finished = sink.finish(None).await;
        assert_eq!(finished.is_err(), overwrite == Overwrite::Refuse, "{finished:?}");
        assert_eq!(fs::read(folder.path().join("a")).expect("mine"), b"mine", "{overwrite:?}");
        assert_eq!(partial_files(folder.path()), Vec::<PathBuf>::new());
        if overwrite == Overwrite::Rename {
            assert_eq!(fs::read(folder.path().join("a (1)")).expect("new"), batch.stream);
        }
    }
}

#[tokio::test]
async fn nothing_leaves_the_folder_by_links_that_are_there_already() {
    let outside = TempDir::new().expect("outside");
    for (path, overwrite) in [("out/file", Overwrite::Replace), ("out/deeper/file", Overwrite::Rename), ("link", Overwrite::Replace)] {
        let folder = TempDir::new().expect("folder");
        symlink(outside.path(), folder.path().join("out")).expect("link");
        symlink(outside.path().join("victim"), folder.path().join("link")).expect("link");
        let result = put(&Batch::files(&[(path, 5)], 7), folder.path(), with(overwrite)).await;
        // A link at the very name is replaced; one on the way stops the batch.
        assert_eq!(result.is_ok(), path == "link", "{path}: {result:?}");
        assert_eq!(fs::read_dir(outside.path()).expect("outside").count(), 0, "{path}");
    }
}

#[tokio::test]
async fn a_partial_file_is_never_written_through_a_link_and_links_are_made_only_among_folders() {
    let (folder, outside, state) = (TempDir::new().expect("folder"), TempDir::new().expect("outside"), TempDir::new().expect("state"));
    let batch = Batch::files(&[("a", 50_000)], 8);
    let (options, store, name) = recorded(&state);
    let mut sink = Sink::create(folder.path(), batch.manifest.clone(), options).await.expect("begins");
    sink.write(batch.bytes().slice(..20_000)).await.expect("takes");
    sink.suspend().await.expect("suspends");
    let part = partial_files(folder.path()).pop().expect("a partial file");
    fs::remove_file(&part).expect("removed");
    fs::write(outside.path().join("victim"), vec![0; 30_000]).expect("victim");
    symlink(outside.path().join("victim"), &part).expect("link");
    let mut sink = Sink::resume(&store, &name).await.expect("resumes");
    assert_eq!(sink.state().written, 0, "a link is no partial file");
    sink.write(batch.bytes()).await.expect("takes");
    sink.finish(Some(batch.trailer(Algorithm::Blake3))).await.expect("finishes");
    batch.check(folder.path());
    assert_eq!(fs::read(outside.path().join("victim")).expect("victim"), vec![0; 30_000]);

    // The folder `x/y` is a link of the user's to the top: a link two steps below it would lead out of the target.
    let folder = TempDir::new().expect("folder");
    fs::create_dir(folder.path().join("x")).expect("folder");
    symlink("..", folder.path().join("x/y")).expect("link");
    let entries = vec![
        Entry::new("x/y/link".parse().expect("safe"), Kind::Symlink { target: "../../etc".to_owned() }),
        Entry::new("f".parse().expect("safe"), Kind::File { size: Some(0) }),
    ];
    let batch = Batch { manifest: Manifest::new(entries).expect("a batch"), stream: Vec::new() };
    let error = put(&batch, folder.path(), SinkOptions::default()).await.expect_err("refused");
    assert!(matches!(&error, SinkError::InTheWay { path, .. } if path == "x/y"), "{error}");
}

#[tokio::test]
async fn too_many_and_too_few_bytes_are_told() {
    let batch = Batch::files(&[("a", 10)], 9);
    let folder = TempDir::new().expect("folder");
    let mut sink = Sink::create(folder.path(), batch.manifest.clone(), SinkOptions::default()).await.expect("begins");
    sink.write(Bytes::from_static(b"123")).await.expect("takes");
    let error = sink.finish(None).await.expect_err("too short");
    assert_eq!(error.to_string(), "the stream ended at byte 3 of 10");
    let mut sink = Sink::create(folder.path(), batch.manifest.clone(), SinkOptions::default()).await.expect("begins");
    sink.write(Bytes::from_static(b"12345678901")).await.expect("queued");
    let error = sink.checkpoint().await.expect_err("too long");
    assert!(matches!(error, SinkError::TooLong), "{error}");
    assert!(matches!(sink.write(Bytes::from_static(b"1")).await, Err(SinkError::Stopped)));
    assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 0);
}

/// How a process may end: nothing of what is in memory is kept, and the disk may have less than was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crash {
    /// The process is killed.
    Process,
    /// The machine stops: bytes behind the durable mark are anything.
    Machine,
}

/// The state of a killed process: its files as they are, its locks gone. The sink that is still there works on copies from now on.
fn crash(from: (&Path, &Path), to: (&Path, &Path), durable: u64, batch: &Batch, crash: Crash, random: &mut ChaCha12Rng) {
    for (from, to) in [(from.0, to.0), (from.1, to.1)] {
        for found in walkdir::WalkDir::new(from) {
            let found = found.expect("readable");
            let place = to.join(found.path().strip_prefix(from).expect("below"));
            if found.file_type().is_dir() {
                fs::create_dir_all(place).expect("folder");
            } else {
                fs::copy(found.path(), place).expect("copied");
            }
        }
    }
    let record = to.1.join("t1.json");
    let text = fs::read_to_string(&record).expect("record");
    let mut changed: Record = serde_json::from_str(&text).expect("record");
    changed.target = to.0.to_str().expect("UTF-8").to_owned();
    if crash == Crash::Machine {
        changed.boot = Some("another".to_owned());
        // A checkpoint may have come between the reading of the mark and the copying.
        let durable = durable.max(changed.durable);
        // What stands behind the mark is torn: zeros, or gone.
        for part in partial_files(to.0) {
            let name = part.to_string_lossy().into_owned();
            let index: usize = name.trim_end_matches(".confkit-part").rsplit('-').next().and_then(|at| at.parse().ok()).expect("index");
            let start = batch.manifest.start_of(index).expect("a file");
            let mut bytes = fs::read(&part).expect("partial");
            let sound = usize::try_from(durable.saturating_sub(start)).expect("small").min(bytes.len());
            bytes[sound..].fill(0);
            bytes.truncate(random.random_range(sound..=bytes.len()));
            fs::write(&part, bytes).expect("torn");
        }
        let journal = to.1.join("t1.journal");
        let mut lines = fs::read(&journal).expect("journal");
        lines.truncate(usize::try_from(changed.journal).expect("small"));
        lines.extend_from_slice(b"{\"done\":{\"ent");
        fs::write(&journal, lines).expect("torn");
    }
    fs::write(record, changed.to_json()).expect("record");
}

#[tokio::test]
async fn a_batch_goes_on_after_a_crash_at_any_byte_and_is_verified() {
    for seed in 0..24u64 {
        let mut random = ChaCha12Rng::seed_from_u64(seed);
        let kind = if seed % 2 == 0 { Crash::Process } else { Crash::Machine };
        let batch =
            Batch::files(&[("e1", 0), ("a/one", 9_000), ("a/two", 60_000), ("e2", 0), ("b", 1), ("c/d/e", 40_000), ("e3", 0)], seed);
        let (mut target, mut state) = (TempDir::new().expect("folder"), TempDir::new().expect("state"));
        let (options, _, _) = recorded(&state);
        let mut sink = Sink::create(target.path(), batch.manifest.clone(), options).await.expect("begins");
        let mut position = 0;
        for _ in 0..3 {
            let until = random.random_range(position..=batch.stream.len());
            for chunk in batch.stream[position..until].chunks(3_000) {
                sink.write(Bytes::copy_from_slice(chunk)).await.expect("takes");
            }
            let mut watch = sink.watch();
            watch.wait_for(|state| state.written == until as u64).await.expect("written");
            let durable = sink.state().durable;
            let (next_target, next_state) = (TempDir::new().expect("folder"), TempDir::new().expect("state"));
            crash((target.path(), state.path()), (next_target.path(), next_state.path()), durable, &batch, kind, &mut random);
            sink.abort().await.expect("the old one ends");
            (target, state) = (next_target, next_state);
            let (_, store, name) = recorded(&state);
            sink = Sink::resume(&store, &name).await.expect("resumes");
            let stands = sink.state().written;
            match kind {
                Crash::Process => assert_eq!(stands, until as u64, "seed {seed}: a killed process loses nothing that was written"),
                Crash::Machine => assert!((durable..=until as u64).contains(&stands), "seed {seed}: {stands} of {durable}..{until}"),
            }
            assert_eq!(sink.state().durable, stands);
            position = usize::try_from(stands).expect("small");
        }
        assert_eq!(sink.record().expect("a record").epoch, 3, "seed {seed}");
        sink.write(batch.bytes().slice(position..)).await.expect("takes");
        let finished = sink.finish(Some(batch.trailer(Algorithm::Blake3))).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(finished.root, Some(batch.trailer(Algorithm::Blake3).root(&batch.manifest)), "seed {seed}");
        batch.check(target.path());
        assert_eq!(fs::read_dir(state.path()).expect("state").count(), 0, "the record is gone");
    }
}

#[tokio::test]
async fn a_damaged_file_is_fetched_again_by_resuming() {
    let (target, state) = (TempDir::new().expect("folder"), TempDir::new().expect("state"));
    let batch = Batch::files(&[("a", 20_000), ("b", 20_000), ("c", 20_000)], 11);
    let (options, store, name) = recorded(&state);
    let mut sink = Sink::create(target.path(), batch.manifest.clone(), options).await.expect("begins");
    let mut wrong = batch.stream.clone();
    wrong[25_000] ^= 1;
    sink.write(Bytes::from(wrong)).await.expect("takes");
    let error = sink.finish(Some(batch.trailer(Algorithm::Blake3))).await.expect_err("damaged");
    assert!(matches!(&error, SinkError::Digest { path, .. } if path == "b"), "{error}");
    let mut sink = Sink::resume(&store, &name).await.expect("resumes");
    assert_eq!(sink.state(), SinkState { written: 20_000, durable: 20_000, files: 1 });
    sink.write(batch.bytes().slice(20_000..)).await.expect("takes");
    sink.finish(Some(batch.trailer(Algorithm::Blake3))).await.expect("finishes");
    batch.check(target.path());
}

#[tokio::test]
async fn a_process_killed_between_two_renames_is_finished_by_the_next() {
    let batch = Batch::files(&[("a", 5_000), ("b", 5_000), ("c", 5_000), ("d", 5_000)], 12);
    let (target, state) = (TempDir::new().expect("folder"), TempDir::new().expect("state"));
    let (options, store, name) = recorded(&state);
    let mut sink = Sink::create(target.path(), batch.manifest.clone(), options).await.expect("begins");
    sink.write(batch.bytes()).await.expect("takes");
    sink.suspend().await.expect("suspends");
    // As a process leaves it that has placed `a`, has linked but not unlinked `b`, and had yet to place `c` and `d`.
    let taken = store.take_up(&name).expect("taken up");
    let mut held = taken.held;
    let names = ["a", "b", "c", "d (1)"];
    let lines = names.iter().enumerate().map(|(at, path)| Line::Place { entry: at as u32, path: path.parse().expect("safe") });
    held.append(&lines.collect::<Vec<_>>()).expect("appends");
    held.save(20_000, true).expect("saves");
    drop(held);
    let part = |at: usize| {
        partial_files(target.path()).into_iter().find(|path| path.to_string_lossy().contains(&format!("-{at}."))).expect("part")
    };
    fs::rename(part(0), target.path().join("a")).expect("renamed");
    fs::hard_link(part(1), target.path().join("b")).expect("linked");
    let sink = Sink::resume(&store, &name).await.expect("resumes");
    assert_eq!(sink.state().written, 20_000);
    sink.finish(Some(batch.trailer(Algorithm::Blake3))).await.expect("finishes");
    for (name, entry) in names.iter().zip(["a", "b", "c", "d"]) {
        assert_eq!(fs::read(target.path().join(name)).expect(name), batch.content(entry));
    }
    assert_eq!(partial_files(target.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn only_one_process_has_a_transfer_and_giving_up_leaves_nothing() {
    let (target, state) = (TempDir::new().expect("folder"), TempDir::new().expect("state"));
    let batch = Batch::files(&[("x/y/a", 50_000)], 13);
    let (options, store, name) = recorded(&state);
    let mut sink = Sink::create(target.path(), batch.manifest.clone(), options).await.expect("begins");
    sink.write(batch.bytes().slice(..30_000)).await.expect("takes");
    assert!(matches!(Sink::resume(&store, &name).await, Err(SinkError::Resume(ResumeError::Busy(_)))));
    assert!(matches!(store.remove(&name), Err(ResumeError::Busy(_))));
    assert_eq!(store.list().expect("a list").len(), 1);
    sink.abort().await.expect("gives up");
    assert_eq!(fs::read_dir(target.path()).expect("folder").count(), 0);
    assert!(matches!(Sink::resume(&store, &name).await, Err(SinkError::Resume(ResumeError::Missing(_)))));
}

/// What a record says, changed.
fn change(state: &TempDir, change: impl FnOnce(&mut Record)) {
    let path = state.path().join("t1.json");
    let mut record = Record::from_json(&fs::read(&path).expect("record")).expect("record");
    change(&mut record);
    fs::write(path, record.to_json()).expect("record");
}

#[tokio::test]
async fn what_is_given_up_goes_without_room_and_what_is_not_ours_stays() {
    let (target, state) = (TempDir::new().expect("folder"), TempDir::new().expect("state"));
    let batch = Batch::files(&[("here/a", 100), ("new/deep/b", 30_000), ("kept/c", 20_000), ("d", 50_000)], 31);
    fs::create_dir(target.path().join("here")).expect("folder");
    let (options, store, name) = recorded(&state);
    let mut sink = Sink::create(target.path(), batch.manifest.clone(), options).await.expect("begins");
    sink.write(batch.bytes().slice(..70_000)).await.expect("takes");
    sink.suspend().await.expect("kept");
    fs::write(target.path().join("kept/mine"), b"mine").expect("written");
    let largest = partial_files(target.path()).into_iter().find(|part| fs::metadata(part).expect("there").len() == 30_000).expect("one");
    // One that cannot be removed.
    fs::remove_file(&largest).expect("removed");
    fs::create_dir(&largest).expect("in the way");
    change(&state, |record| record.reserve = 1 << 60);
    assert!(matches!(Sink::resume(&store, &name).await, Err(SinkError::NoSpace { .. })));
    // What cannot be removed does not save the rest, and leaves the record for another try.
    assert!(matches!(Sink::discard(&store, &name).await, Err(SinkError::Io { .. })));
    assert_eq!((partial_files(target.path()), store.list().expect("records").len()), (vec![largest.clone()], 1));
    fs::remove_dir(&largest).expect("out of the way");
    Sink::discard(&store, &name).await.expect("gives up");
    let mut names: Vec<_> = walkdir::WalkDir::new(target.path()).min_depth(1).into_iter().map(|found| found.expect("found")).collect();
    names.sort_by(|a, b| a.path().cmp(b.path()));
    let names: Vec<_> =
        names.iter().map(|found| found.path().strip_prefix(target.path()).expect("below").to_str().expect("text")).collect();
    assert_eq!(names, ["here", "kept", "kept/mine"]);
    assert!(store.list().expect("records").is_empty());
}

#[tokio::test]
async fn what_is_given_up_has_no_folder_made_for_it() {
    let (folder, state) = (TempDir::new().expect("folder"), TempDir::new().expect("state"));
    let target = folder.path().join("target");
    let batch = Batch::files(&[("a", 100)], 32);
    let (options, store, name) = recorded(&state);
    let sink = Sink::create(&target, batch.manifest.clone(), options).await.expect("begins");
    assert!(matches!(Sink::discard(&store, &name).await, Err(SinkError::Resume(ResumeError::Busy(_)))));
    sink.suspend().await.expect("kept");
    fs::remove_dir_all(&target).expect("removed");
    Sink::discard(&store, &name).await.expect("gives up");
    assert!(!target.exists() && store.list().expect("records").is_empty());
    assert!(matches!(Sink::discard(&store, &name).await, Err(SinkError::Resume(ResumeError::Missing(_)))));
}

/// A process that is killed among small files has written more than its journal says.
#[tokio::test]
async fn files_that_no_journal_tells_of_are_removed_with_the_rest() {
    for discards in [true, false] {
        let (target, state) = (TempDir::new().expect("folder"), TempDir::new().expect("state"));
        let batch = Batch::files(&[("a", 100), ("b", 200), ("c", 300), ("d", 400), ("e", 500)], 33);
        let (options, store, name) = recorded(&state);
        let mut sink = Sink::create(target.path(), batch.manifest.clone(), options).await.expect("begins");
        sink.write(batch.bytes().slice(..1_200)).await.expect("takes");
        sink.suspend().await.expect("kept");
        change(&state, |record| (record.durable, record.journal) = (0, 0));
        fs::write(state.path().join("t1.journal"), b"").expect("emptied");
        assert_eq!(partial_files(target.path()).len(), 5);
        if discards {
            Sink::discard(&store, &name).await.expect("gives up");
        } else {
            let sink = Sink::resume(&store, &name).await.expect("resumes");
            assert_eq!(sink.state().written, 100, "it begins with the first again");
            sink.abort().await.expect("gives up");
        }
        assert_eq!(fs::read_dir(target.path()).expect("folder").count(), 0, "discards: {discards}");
    }
}

#[test]
fn a_folder_is_written_down_as_soon_as_it_is_made() {
    let (target, state) = (TempDir::new().expect("folder"), TempDir::new().expect("state"));
    let (options, _, _) = recorded(&state);
    let batch = Batch::files(&[("x/y/a", 100)], 34);
    let mut core = Core::create(target.path(), batch.manifest, options, watch::channel(SinkState::default()).0).expect("begins");
    core.make("z/w").expect("made");
    let journal = fs::read_to_string(state.path().join("t1.journal")).expect("journal");
    let made: Vec<&str> = journal.lines().filter(|line| line.contains("made") && line.contains("\"z")).collect();
    assert_eq!(made.len(), 2, "{journal}");
}

#[tokio::test]
async fn a_slow_sender_is_acknowledged_without_more_bytes() {
    let (target, state) = (TempDir::new().expect("folder"), TempDir::new().expect("state"));
    let batch = Batch::files(&[("a", 50_000)], 14);
    let (mut options, _, _) = recorded(&state);
    options.checkpoint = 1 << 30;
    let mut sink = Sink::create(target.path(), batch.manifest.clone(), options).await.expect("begins");
    sink.write(batch.bytes().slice(..100)).await.expect("takes");
    let mut watch = sink.watch();
    let durable = tokio::time::timeout(Duration::from_secs(20), watch.wait_for(|state| state.durable == 100)).await;
    assert!(durable.expect("in time").is_ok());
}

#[tokio::test]
async fn a_stream_of_unknown_length_arrives_and_goes_on_after_a_break() {
    let (target, state) = (TempDir::new().expect("folder"), TempDir::new().expect("state"));
    let batch = Batch::new(vec![("stdin", Kind::File { size: None })], 15);
    let (options, store, name) = recorded(&state);
    let mut sink = Sink::create(target.path(), batch.manifest.clone(), options).await.expect("begins");
    sink.write(batch.bytes().slice(..30_000)).await.expect("takes");
    assert_eq!(sink.suspend().await.expect("suspends").durable, 30_000);
    let mut sink = Sink::resume(&store, &name).await.expect("resumes");
    assert_eq!(sink.state().written, 30_000);
    sink.write(batch.bytes().slice(30_000..)).await.expect("takes");
    sink.finish(Some(batch.trailer(Algorithm::Blake3))).await.expect("finishes");
    batch.check(target.path());
}

#[tokio::test]
async fn one_file_goes_to_a_stream_and_a_full_device_is_told() {
    let batch = Batch::files(&[("a", 100_000)], 16);
    let out = tempfile::NamedTempFile::new().expect("file");
    let stream = Box::new(out.reopen().expect("file"));
    let mut sink = Sink::to_stream(stream, batch.manifest.clone(), &SinkOptions::default()).expect("one file");
    sink.write(batch.bytes()).await.expect("takes");
    let finished = sink.finish(Some(batch.trailer(Algorithm::Blake3))).await.expect("finishes");
    assert_eq!(finished.files[0].path, None);
    assert!(fs::read(out.path()).expect("bytes") == batch.stream);

    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("device");
    let mut sink = Sink::to_stream(Box::new(full), batch.manifest.clone(), &SinkOptions::default()).expect("one file");
    sink.write(batch.bytes()).await.expect("queued");
    assert!(matches!(sink.finish(None).await, Err(SinkError::NoSpace { .. })));
    let two = Batch::files(&[("a", 1), ("b", 1)], 17);
    let sink = Sink::to_stream(Box::new(std::io::sink()), two.manifest, &SinkOptions::default());
    assert!(matches!(sink, Err(SinkError::NotOneFile)));
}

#[tokio::test]
async fn a_batch_larger_than_the_disk_is_refused_before_its_first_byte() {
    let entry = Entry::new("a".parse().expect("safe"), Kind::File { size: Some(1 << 60) });
    let folder = TempDir::new().expect("folder");
    let error =
        Sink::create(folder.path(), Manifest::new(vec![entry]).expect("a batch"), SinkOptions::default()).await.expect_err("too large");
    assert!(matches!(error, SinkError::NoSpace { needed, .. } if needed == 1 << 60), "{error}");
    assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 0);
}

/// The other half of the next test, in a process that may write files of 64 KiB only.
#[tokio::test]
async fn in_a_process_with_little_room() {
    let Ok(folder) = std::env::var("CONFKIT_TEST_LITTLE_ROOM") else { return };
    let (target, records) = (Path::new(&folder).join("target"), RecordStore::open(&Path::new(&folder).join("state")).expect("store"));
    let batch = Batch::files(&[("a", 10_000), ("b", 200_000)], 18);
    let record = Some((records, TransferName::new("t1").expect("name")));
    let mut sink = Sink::create(&target, batch.manifest.clone(), SinkOptions { record, ..SinkOptions::default() }).await.expect("begins");
    let mut failed = None;
    for chunk in batch.stream.chunks(7_000) {
        if let Err(error) = sink.write(Bytes::copy_from_slice(chunk)).await {
            failed = Some(error);
            break;
        }
    }
    let error = match failed {
        Some(error) => error,
        None => sink.finish(None).await.expect_err("no room"),
    };
    assert!(matches!(error, SinkError::NoSpace { .. }), "{error}");
    println!("told: {error}");
}

#[tokio::test]
async fn a_full_disk_is_told_and_what_is_durable_can_be_resumed() {
    let folder = TempDir::new().expect("folder");
    let this = std::env::current_exe().expect("this program");
    // The limit counts blocks of 512 bytes or 1 KiB, by the shell: 64 to 128 KiB. Signal 25 would kill at the limit.
    let output = tokio::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$0\" --exact transfer::sink::tests::in_a_process_with_little_room --nocapture"])
        .arg(this)
        .env("CONFKIT_TEST_LITTLE_ROOM", folder.path())
        .output()
        .await
        .expect("runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("told: no space left in"), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let batch = Batch::files(&[("a", 10_000), ("b", 200_000)], 18);
    let records = RecordStore::open(&folder.path().join("state")).expect("store");
    let mut sink = Sink::resume(&records, &TransferName::new("t1").expect("name")).await.expect("resumes");
    let stands = usize::try_from(sink.state().written).expect("small");
    assert!((60_000..=150_000).contains(&stands), "{stands}");
    sink.write(batch.bytes().slice(stands..)).await.expect("takes");
    sink.finish(Some(batch.trailer(Algorithm::Blake3))).await.expect("finishes");
    batch.check(&folder.path().join("target"));
}

#[tokio::test]
async fn ten_thousand_small_files_arrive() {
    let names: Vec<String> = (0..10_000).map(|at| format!("d{}/f{at}", at % 50)).collect();
    let batch = Batch::files(&names.iter().map(|name| (name.as_str(), 37)).collect::<Vec<_>>(), 19);
    let (target, state) = (TempDir::new_in("/dev/shm").expect("folder"), TempDir::new_in("/dev/shm").expect("state"));
    let (options, _, _) = recorded(&state);
    let finished = put(&batch, target.path(), options).await.expect("finishes");
    assert_eq!(finished.files.len(), 10_000);
    batch.check(target.path());
}

#[tokio::test]
async fn files_that_may_only_be_read_can_be_gone_on_with_until_they_are_placed() {
    let (target, state) = (TempDir::new().expect("folder"), TempDir::new().expect("state"));
    let entry = |path: &str| Entry { mode: Some(0o400), ..Entry::new(path.parse().expect("safe"), Kind::File { size: Some(20_000) }) };
    let mut batch = Batch::files(&[("a", 20_000), ("b", 20_000)], 20);
    batch.manifest = Manifest::new(vec![entry("a"), entry("b")]).expect("a batch");
    let (options, store, name) = recorded(&state);
    let mut sink = Sink::create(target.path(), batch.manifest.clone(), options).await.expect("begins");
    sink.write(batch.bytes().slice(..30_000)).await.expect("takes");
    assert_eq!(sink.suspend().await.expect("suspends").files, 1);
    let parts = partial_files(target.path());
    assert_eq!(parts.len(), 2);
    for part in parts {
        assert_eq!(fs::metadata(&part).expect("there").permissions().mode() & 0o600, 0o600, "{part:?}");
    }
    let sink = Sink::resume(&store, &name).await.expect("resumes");
    sink.suspend().await.expect("suspends");
    // As after a crash before the line of `a` was durable: its partial file is gone on with.
    let mut held = store.take_up(&name).expect("taken up").held;
    held.rewind(0, &[]).expect("rewound");
    drop(held);
    let mut sink = Sink::resume(&store, &name).await.expect("resumes");
    let stands = usize::try_from(sink.state().written).expect("small");
    sink.write(batch.bytes().slice(stands..)).await.expect("takes");
    sink.finish(Some(batch.trailer(Algorithm::Blake3))).await.expect("finishes");
    for path in ["a", "b"] {
        assert_eq!(fs::metadata(target.path().join(path)).expect("there").permissions().mode() & 0o7777, 0o400, "{path}");
    }
    batch.check(target.path());
}

#[tokio::test]
async fn a_batch_goes_on_with_the_options_it_was_begun_with() {
    let (target, state) = (TempDir::new().expect("folder"), TempDir::new().expect("state"));
    let batch = Batch::files(&[("a", 50_000)], 21);
    let (mut options, store, name) = recorded(&state);
    options.reserve = 1000;
    let sink = Sink::create(target.path(), batch.manifest.clone(), options).await.expect("begins");
    sink.suspend().await.expect("suspends");
    let core = Core::take_up(&store, &name, watch::channel(SinkState::default()).0).expect("taken up");
    assert_eq!((core.checkpoint, core.reserve), (10_000, 1000));
    drop(core);
    let path = state.path().join("t1.json");
    let record = Record::from_json(&fs::read(&path).expect("record")).expect("reads");
    fs::write(&path, Record { reserve: 1 << 60, ..record }.to_json()).expect("record");
    let error = Sink::resume(&store, &name).await.expect_err("no room");
    assert!(matches!(error, SinkError::NoSpace { needed, .. } if needed == (1 << 60) + 50_000), "{error}");
}

#[tokio::test]
async fn the_longest_names_have_room_for_their_partial_files() {
    let folders = format!("{}/", "x".repeat(255)).repeat(15);
    let longest = format!("{folders}{}", "y".repeat(MAX_PATH - folders.len()));
    let short = format!("{folders}{}/z", "x".repeat(MAX_PATH - folders.len() - 2));
    let names = [longest.as_str(), short.as_str(), &"n".repeat(255)];
    let batch = Batch::files(&names.map(|name| (name, 10)), 22);
    let target = TempDir::new().expect("folder");
    let folder = folder::Folder::open(target.path(), "12345678".to_owned()).expect("opens");
    for (_, entry) in batch.manifest.files() {
        let part = folder.part(MAX_ENTRIES - 1, &entry.path);
        assert!(part.len() <= 4095 && part.rsplit('/').next().is_some_and(|name| name.len() <= MAX_COMPONENT), "{}", part.len());
    }
    let finished = put(&batch, target.path(), SinkOptions::default()).await.expect("finishes");
    assert_eq!(finished.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), names);
}
