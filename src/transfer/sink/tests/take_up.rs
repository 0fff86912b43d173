//! Going on after a process, or a machine, has ended.

use super::*;
use crate::transfer::resume::Line;

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
