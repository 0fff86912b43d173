use std::{fs, os::unix::fs::FileExt as _};

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;

fn noise(len: usize, seed: u64) -> Bytes {
    let mut bytes = vec![0; len];
    ChaCha12Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes.into()
}

async fn read_all(mut reader: SpoolReader, max: usize) -> Result<Vec<u8>, SpoolError> {
    let mut all = Vec::new();
    while let Some(bytes) = reader.next(max).await? {
        assert!(!bytes.is_empty() && bytes.len() <= max);
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_readers_follow_one_writer_from_wherever_they_join() {
    let folder = TempDir::new().expect("folder");
    let bytes = noise(2_000_000, 1);
    let mut spool = Spool::create(&folder.path().join("s"), SpoolOptions::default()).await.expect("creates");
    let mut random = ChaCha12Rng::seed_from_u64(2);
    let (mut readers, mut rest) = (JoinSet::new(), bytes.clone());
    while !rest.is_empty() {
        for _ in 0..4 {
            let written = spool.state().written;
            let offset = random.random_range(0..=written);
            let reader = spool.reader(offset).expect("reads");
            let (max, expected) = (random.random_range(1_000..100_000), bytes.slice(usize::try_from(offset).expect("small")..));
            readers.spawn(async move { read_all(reader, max).await.expect("bytes") == expected });
        }
        let chunk = rest.split_to(rest.len().min(80_000));
        spool.append(chunk).await.expect("appends");
    }
    assert_eq!(readers.len(), 100);
    assert!(matches!(spool.reader(2_000_001), Err(SpoolError::Offset(2_000_001))));
    assert_eq!(spool.finish().await.expect("finishes"), 2_000_000);
    assert_eq!(spool.finish().await.expect("once more"), 2_000_000);
    while let Some(equal) = readers.join_next().await {
        assert!(equal.expect("reader"));
    }
    assert!(matches!(spool.append(Bytes::from_static(b"x")).await, Err(SpoolError::Closed)));
}

#[tokio::test]
async fn a_reader_sees_bytes_before_they_are_durable_and_waits_for_more() {
    let folder = TempDir::new().expect("folder");
    let options = SpoolOptions { sync_bytes: 1 << 30, sync_interval: Duration::from_secs(3600), ..SpoolOptions::default() };
    let mut spool = Spool::create(&folder.path().join("s"), options).await.expect("creates");
    let mut reader = spool.reader(0).expect("reads");
    assert_eq!(spool.append(Bytes::from_static(b"abc")).await.expect("appends"), 3);
    assert_eq!(reader.next(100).await.expect("bytes").expect("bytes"), "abc");
    assert_eq!(spool.durable(), 0);
    let early = tokio::time::timeout(Duration::from_millis(20), reader.next(100)).await;
    assert!(early.is_err(), "there is no more yet");
    spool.append(Bytes::from_static(b"d")).await.expect("appends");
    assert_eq!(reader.next(100).await.expect("bytes").expect("bytes"), "d");
    assert_eq!(spool.sync().await.expect("syncs"), 4);
    assert_eq!(spool.durable(), 4);
}

#[tokio::test]
async fn the_mark_moves_after_the_agreed_bytes_or_time() {
    let folder = TempDir::new().expect("folder");
    for (name, sync_bytes, sync_interval) in [("bytes", 10, Duration::from_secs(3600)), ("time", 1 << 30, Duration::from_millis(10))] {
        let options = SpoolOptions { sync_bytes, sync_interval, ..SpoolOptions::default() };
        let mut spool = Spool::create(&folder.path().join(name), options).await.expect("creates");
        spool.append(Bytes::from_static(b"0123456789")).await.expect("appends");
        let mut watch = spool.watch();
        let moved = tokio::time::timeout(Duration::from_secs(20), watch.wait_for(|state| state.durable == 10)).await;
        assert!(moved.expect(name).is_ok());
    }
}

#[tokio::test]
async fn whoever_syncs_waits_for_its_turn_and_gives_it_back() {
    let folder = TempDir::new().expect("folder");
    let syncs = Arc::new(Semaphore::new(1));
    let options = SpoolOptions { sync_interval: Duration::ZERO, syncs: Some(syncs.clone()), ..SpoolOptions::default() };
    let mut spool = Spool::create(&folder.path().join("s"), options).await.expect("creates");
    let turn = syncs.acquire().await.expect("a turn");
    spool.append(Bytes::from_static(b"abc")).await.expect("appends");
    let mut watch = spool.watch();
    let early = tokio::time::timeout(Duration::from_millis(50), watch.wait_for(|state| state.durable > 0)).await;
    assert!(early.is_err(), "somebody else has its turn");
    drop(turn);
    assert_eq!(spool.sync().await.expect("syncs"), 3);
    spool.append(Bytes::from_static(b"def")).await.expect("appends");
    assert_eq!(spool.finish().await.expect("finishes"), 6);
}

#[tokio::test]
async fn an_end_is_told_behind_the_last_byte() {
    let folder = TempDir::new().expect("folder");
    let mut spool = Spool::create(&folder.path().join("s"), SpoolOptions::default()).await.expect("creates");
    spool.append(Bytes::from_static(b"abc")).await.expect("appends");
    let mut reader = spool.reader(0).expect("reads");
    spool.fail("the sharer hung up");
    spool.fail("something later");
    assert_eq!(reader.next(100).await.expect("bytes").expect("bytes"), "abc");
    for _ in 0..2 {
        assert_eq!(reader.next(100).await.expect_err("failed").to_string(), "the stream broke: the sharer hung up");
    }
    assert_eq!(spool.finish().await, Err(SpoolError::Failed("the sharer hung up".to_owned())));
    let waiting = spool.reader(3).expect("reads");
    let path = spool.path().to_owned();
    spool.delete().await.expect("deletes");
    assert_eq!(read_all(waiting, 10).await, Err(SpoolError::Closed));
    assert!(!path.exists());
}

#[tokio::test]
async fn a_dropped_spool_lets_its_readers_go() {
    let folder = TempDir::new().expect("folder");
    let spool = Spool::create(&folder.path().join("s"), SpoolOptions::default()).await.expect("creates");
    let mut reader = spool.reader(0).expect("reads");
    drop(spool);
    assert_eq!(reader.next(10).await, Err(SpoolError::Closed));
    assert!(folder.path().join("s").exists());
    assert!(Spool::create(&folder.path().join("s"), SpoolOptions::default()).await.is_err(), "it is not taken for a new one");
}

#[tokio::test]
async fn a_torn_tail_is_cut_when_it_is_opened_again_at_any_length() {
    let folder = TempDir::new().expect("folder");
    let (path, bytes) = (folder.path().join("s"), noise(100_000, 3));
    let mut random = ChaCha12Rng::seed_from_u64(4);
    for round in 0..20 {
        let durable = random.random_range(0..=60_000);
        let mut left = bytes.slice(..durable).to_vec();
        // As a machine leaves it that stopped: behind the mark stands anything, or nothing.
        left.resize(durable + random.random_range(0..=5_000), 0xee);
        fs::write(&path, left).expect("left");
        let mut spool = Spool::reopen(&path, durable as u64, SpoolOptions::default()).await.expect("opens");
        assert_eq!(spool.state(), SpoolState { written: durable as u64, durable: durable as u64, end: None });
        spool.append(bytes.slice(durable..)).await.expect("appends");
        spool.finish().await.expect("finishes");
        assert!(read_all(spool.reader(0).expect("reads"), 7_000).await.expect("bytes") == bytes, "round {round}");
    }
    let missing = Spool::reopen(&path, 100_001, SpoolOptions::default()).await.expect_err("too short");
    assert!(matches!(missing, SpoolError::Damaged { found: 100_000, durable: 100_001, .. }), "{missing}");
    assert!(matches!(Spool::reopen(&folder.path().join("none"), 1, SpoolOptions::default()).await, Err(SpoolError::Damaged { .. })));
}

#[tokio::test]
async fn a_limit_and_a_full_disk_end_the_stream_with_what_was_there() {
    let folder = TempDir::new().expect("folder");
    let options = SpoolOptions { limit: 5, ..SpoolOptions::default() };
    let mut spool = Spool::create(&folder.path().join("s"), options.clone()).await.expect("creates");
    spool.append(Bytes::from_static(b"abc")).await.expect("appends");
    assert_eq!(spool.append(Bytes::from_static(b"def")).await, Err(SpoolError::TooLong { limit: 5 }));
    assert_eq!(spool.state().end, Some(Err(SpoolError::TooLong { limit: 5 })));
    let options = SpoolOptions { expected: Some(6), ..options };
    assert!(matches!(Spool::create(&folder.path().join("t"), options).await, Err(SpoolError::TooLong { .. })));
    let options = SpoolOptions { expected: Some(1 << 60), ..SpoolOptions::default() };
    let error = Spool::create(&folder.path().join("u"), options).await.expect_err("no room");
    assert!(matches!(error, SpoolError::NoSpace { needed, .. } if needed == 1 << 60), "{error}");
    assert!(!folder.path().join("u").exists() && !folder.path().join("t").exists());
}

/// The other half of the next test, in a process that may write files of some 64 KiB only.
#[tokio::test]
async fn in_a_process_with_little_room() {
    let Ok(path) = std::env::var("CONFKIT_TEST_LITTLE_SPOOL") else { return };
    let mut spool = Spool::create(Path::new(&path), SpoolOptions::default()).await.expect("creates");
    let bytes = noise(300_000, 5);
    let mut error = None;
    for chunk in 0..30 {
        if let Err(failed) = spool.append(bytes.slice(chunk * 10_000..(chunk + 1) * 10_000)).await {
            error = Some(failed);
            break;
        }
    }
    let error = error.expect("no room");
    assert!(matches!(error, SpoolError::NoSpace { needed: 10_000, .. }), "{error}");
    let state = spool.state();
    assert_eq!(fs::metadata(&path).expect("file").len(), state.written, "what did not fit whole is cut");
    let there = read_all(spool.reader(0).expect("reads"), 8_000).await;
    assert_eq!(there, Err(error));
    println!("kept {}", state.written);
}

#[tokio::test]
async fn what_was_written_before_the_disk_was_full_is_there_afterwards() {
    let folder = TempDir::new().expect("folder");
    let path = folder.path().join("s");
    let output = tokio::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$0\" --exact transfer::spool::tests::in_a_process_with_little_room --nocapture"])
        .arg(std::env::current_exe().expect("this program"))
        .env("CONFKIT_TEST_LITTLE_SPOOL", &path)
        .output()
        .await
        .expect("runs");
    let told = String::from_utf8_lossy(&output.stdout);
    let kept = told.lines().find_map(|line| line.split_once("kept ")).map(|(_, kept)| kept.parse::<usize>().expect("a number"));
    let kept = kept.unwrap_or_else(|| panic!("{told}\n{}", String::from_utf8_lossy(&output.stderr)));
    assert!(kept >= 60_000);
    let mut spool = Spool::reopen(&path, kept as u64, SpoolOptions::default()).await.expect("opens");
    let bytes = noise(300_000, 5);
    spool.append(bytes.slice(kept..)).await.expect("appends");
    spool.finish().await.expect("finishes");
    assert!(read_all(spool.reader(0).expect("reads"), 70_000).await.expect("bytes") == bytes);
}

#[tokio::test]
async fn an_append_that_nobody_waits_for_is_still_done_in_order() {
    let folder = TempDir::new().expect("folder");
    let mut spool = Spool::create(&folder.path().join("s"), SpoolOptions::default()).await.expect("creates");
    {
        let mut append = Box::pin(spool.append(Bytes::from_static(b"first ")));
        let _ = futures_poll(&mut append).await;
    }
    assert_eq!(spool.append(Bytes::from_static(b"second")).await.expect("appends"), 12);
    let mut all = vec![0; 12];
    File::open(spool.path()).expect("file").read_exact_at(&mut all, 0).expect("bytes");
    assert_eq!(all, b"first second");
}

/// Polls once.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
    std::future::poll_fn(|context| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context))).await
}
