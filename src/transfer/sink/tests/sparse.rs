//! Files with holes.

use std::os::unix::fs::MetadataExt as _;

use super::*;

/// Files of which little is no zero, and what a sender would say of them.
fn hollow(seed: u64) -> (Batch, Sparse) {
    let mut batch = Batch::files(&[("a", 700_000), ("full", 20_000), ("b", 500_001), ("tail", 300_000)], seed);
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let noise = batch.stream.clone();
    let full = 700_000..720_000;
    batch.stream.fill(0);
    batch.stream[full.clone()].copy_from_slice(&noise[full]);
    for _ in 0..4 {
        let from = random.random_range(0..1_200_000);
        let island = from..from + random.random_range(1..9_000);
        batch.stream[island.clone()].copy_from_slice(&noise[island]);
    }
    (batch, Sparse::new([(0, 40_000), (2, 40_000), (3, 0)]))
}

fn blocks(path: &Path) -> u64 {
    fs::metadata(path).expect("there").blocks() * 512
}

#[tokio::test]
async fn zeros_become_holes_and_the_files_are_as_long_as_they_are() {
    let (batch, sparse) = hollow(1);
    let (folder, full) = (TempDir::new().expect("folder"), TempDir::new().expect("folder"));
    put(&batch, folder.path(), SinkOptions { sparse, ..SinkOptions::default() }).await.expect("there");
    batch.check(folder.path());
    assert_eq!((blocks(&folder.path().join("tail")), fs::metadata(folder.path().join("tail")).expect("there").len()), (0, 300_000));
    assert!(blocks(&folder.path().join("a")) < 200_000, "{}", blocks(&folder.path().join("a")));
    // Nobody said a word of holes.
    put(&batch, full.path(), SinkOptions::default()).await.expect("there");
    batch.check(full.path());
    assert!(blocks(&full.path().join("tail")) >= 300_000);
}

#[tokio::test]
async fn they_go_on_where_they_were_broken_off_be_it_in_a_hole() {
    for seed in 0..30u64 {
        let mut random = ChaCha12Rng::seed_from_u64(seed);
        let (batch, sparse) = hollow(seed);
        let (target, state) = (TempDir::new().expect("folder"), TempDir::new().expect("state"));
        let (options, store, name) = recorded(&state);
        let mut sink = Sink::create(target.path(), batch.manifest.clone(), SinkOptions { sparse, ..options }).await.expect("begins");
        let mut position = 0;
        for _ in 0..4 {
            let until = random.random_range(position..=batch.stream.len());
            for chunk in batch.stream[position..until].chunks(50_000) {
                sink.write(Bytes::copy_from_slice(chunk)).await.expect("takes");
            }
            assert_eq!(sink.suspend().await.expect("kept").durable, until as u64, "seed {seed}");
            if random.random_range(0..2) == 0 {
                // The machine was started again: nothing counts but what was durable.
                change(&state, |record| record.boot = Some("another".to_owned()));
            }
            sink = Sink::resume(&store, &name).await.expect("goes on");
            position = usize::try_from(sink.state().written).expect("small");
            assert_eq!(position, until, "seed {seed}");
        }
        for chunk in batch.stream[position..].chunks(50_000) {
            sink.write(Bytes::copy_from_slice(chunk)).await.expect("takes");
        }
        sink.finish(Some(batch.trailer(Algorithm::Blake3))).await.expect("verified");
        batch.check(target.path());
        assert_eq!(blocks(&target.path().join("tail")), 0, "seed {seed}");
    }
}

#[tokio::test]
async fn what_is_said_of_holes_in_vain_changes_nothing_but_the_room_that_is_asked_for() {
    let batch = Batch::files(&[("a", 100_000), ("b", 50_000)], 4);
    let folder = TempDir::new().expect("folder");
    let sparse = Sparse::new([(0, 0), (1, u64::MAX), (7, 1)]);
    put(&batch, folder.path(), SinkOptions { sparse, ..SinkOptions::default() }).await.expect("there");
    batch.check(folder.path());

    let huge = Manifest::new(vec![Entry::new("a".parse().expect("safe"), Kind::File { size: Some(1 << 60) })]).expect("a batch");
    let folder = TempDir::new().expect("folder");
    let options = |data| SinkOptions { sparse: Sparse::new([(0, data)]), ..SinkOptions::default() };
    let error = Sink::create(folder.path(), huge.clone(), options(1 << 59)).await.expect_err("too large");
    assert!(matches!(error, SinkError::NoSpace { needed, .. } if needed == 1 << 59), "{error}");
    Sink::create(folder.path(), huge, options(5)).await.expect("there is room for five bytes").abort().await.expect("gone");
}

#[tokio::test]
async fn what_the_disk_has_of_a_file_with_holes_it_need_not_have_once_more_to_go_on() {
    const MUCH: u64 = 1 << 60;
    let mut batch = Batch::files(&[("a", 700_000)], 6);
    batch.stream[300_000..].fill(0);
    let (target, state) = (TempDir::new().expect("folder"), TempDir::new().expect("state"));
    let (options, store, name) = recorded(&state);
    let sparse = Sparse::new([(0, 310_000)]);
    let mut sink = Sink::create(target.path(), batch.manifest.clone(), SinkOptions { sparse, ..options }).await.expect("begins");
    sink.write(batch.bytes().slice(..350_000)).await.expect("takes");
    sink.suspend().await.expect("kept");
    let part = fs::read_dir(target.path()).expect("folder").next().expect("a partial file").expect("a name").path();
    let there = blocks(&part);
    assert!((290_000..310_000).contains(&there), "{there}");
    // No disk has so much: what is asked for is in the error.
    change(&state, |record| record.reserve = MUCH);
    let error = Sink::resume(&store, &name).await.expect_err("no room");
    assert!(matches!(error, SinkError::NoSpace { needed, .. } if needed == MUCH + 310_000 - there), "{error}");
    change(&state, |record| record.reserve = 0);
    let mut sink = Sink::resume(&store, &name).await.expect("goes on");
    sink.write(batch.bytes().slice(350_000..)).await.expect("takes");
    sink.finish(Some(batch.trailer(Algorithm::Blake3))).await.expect("verified");
    batch.check(target.path());
}
