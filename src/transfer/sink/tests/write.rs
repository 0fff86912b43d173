//! Bytes that come, however they are cut, to files and to a stream.

use super::*;

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
async fn a_file_that_gets_another_name_makes_no_folders_of_its_own() {
    let folder = TempDir::new().expect("folder");
    let options = SinkOptions { called: Some(SafePath::new("out.pdf").expect("a name")), ..SinkOptions::default() };
    let deep = Batch::files(&[("a/b/c/x", 10)], 18);
    let sink = Sink::create(folder.path(), deep.manifest.clone(), options.clone()).await;
    assert!(matches!(sink, Err(SinkError::NotOneFile)));
    assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 0);
    let plain = Batch::files(&[("x", 10)], 18);
    put(&plain, folder.path(), options).await.expect("finishes");
    assert_eq!(fs::read(folder.path().join("out.pdf")).expect("there"), plain.stream);
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
