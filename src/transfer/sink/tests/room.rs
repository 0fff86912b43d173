//! Disks with too little room.

use super::*;

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
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 128; exec \"$0\" --exact transfer::sink::tests::room::in_a_process_with_little_room --nocapture",
        ])
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
