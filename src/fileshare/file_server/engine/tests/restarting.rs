//! A process that has much to hash of what the one before it wrote: nobody waits for that but the end of the upload.

use std::{fs, time::SystemTime};

use super::*;

/// Packets whose bytes are told apart; all behind them that the earlier process wrote are zeros.
const TOLD: usize = 4;

/// A process that is killed in the upload of a stream of which it has so many bytes.
async fn killed_with(bytes: u64) -> (Arc<tempfile::TempDir>, Bytes) {
    let content = content(TOLD * PAYLOAD);
    let mut rig = Rig::new(|_| {});
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest_of_a_stream().await;
    for sequence in 0..TOLD {
        alice.send(Kind::Data, 0, sequence as u64, content.slice(sequence * PAYLOAD..(sequence + 1) * PAYLOAD)).await;
    }
    let mut bob = rig.join(Role::Download, 0).await;
    bob.expect(Kind::Manifest).await;
    for _ in 0..TOLD {
        bob.expect(Kind::Data).await;
    }
    let folder = rig.folder.clone();
    drop(rig);
    let spool = OpenOptions::new().write(true).open(folder.path().join("fileshare/c-c1.spool")).expect("the spool");
    // A hole: it takes no room, and as long to hash as any other bytes.
    spool.set_len(bytes).expect("longer");
    (folder, content)
}

#[tokio::test]
async fn who_comes_after_a_restart_is_served_while_what_was_written_is_hashed_and_the_next_stop_is_prompt() {
    /// More than can be hashed in the time of this test.
    const HUGE: u64 = 1 << 39;
    let (folder, content) = killed_with(HUGE).await;
    let mut rig = Rig::again(folder.clone(), |_| {});
    let mut alice = rig.join(Role::Upload, 0).await;
    assert_eq!((alice.first, alice.welcome.as_ref().map(|welcome| welcome.durable)), (HUGE / PAYLOAD as u64, Some(HUGE)));
    let mut bob = rig.join(Role::Download, 0).await;
    bob.expect(Kind::Manifest).await;
    for sequence in 0..TOLD {
        assert_eq!(bob.expect(Kind::Data).await.data, content.slice(sequence * PAYLOAD..(sequence + 1) * PAYLOAD));
    }
    drop(bob);
    // The upload goes on, too, and what comes is on disk.
    alice.send(Kind::Data, 0, alice.first, content.slice(..PAYLOAD)).await;
    let durable = HUGE + PAYLOAD as u64;
    while payload::Acknowledgement::read(&alice.expect(Kind::Acknowledgement).await.data).expect("one").durable < durable {}
    let mut carol = rig.join(Role::Download, alice.first).await;
    carol.expect(Kind::Manifest).await;
    assert_eq!(carol.expect(Kind::Data).await.data, content.slice(..PAYLOAD));
    // The end waits.
    let end = payload::Trailer { bytes: durable, packets: durable / PAYLOAD as u64, ..trailer(&content) };
    alice.send(Kind::Trailer, 1, 0, end.to_bytes()).await;
    drop((alice, carol));
    let mut dave = rig.join(Role::Upload, 0).await;
    assert_eq!(dave.first, durable / PAYLOAD as u64, "who comes now is answered as well");
    assert!(!rig.engine.progress(&conf()).complete);

    let away = async {
        let why = dave.error().await;
        drop(dave);
        why
    };
    let ((), why) = timeout(LAST / 2, async { tokio::join!(rig.engine.shut_down(), away) }).await.expect("a prompt stop");
    assert_eq!(why, FailureCode::Busy);

    let mut rig = Rig::again(folder, |_| {});
    assert_eq!(rig.join(Role::Upload, 0).await.first, durable / PAYLOAD as u64);
    let files = rig.folder.path().join("fileshare");
    rig.engine.close(&conf(), &Failure::new(FailureCode::Ended, "over"));
    soon("the files being deleted", async {
        while stored(&files) > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// An engine that has some packets of alice's in the first data conference, and whether what is there is set aside, or left by a process that died.
async fn left(aside: bool) -> (Rig, Bytes) {
    let content = content(TOLD * PAYLOAD);
    let mut rig = Rig::new(|_| {});
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest_of_a_stream().await;
    for sequence in 0..TOLD {
        alice.send(Kind::Data, 0, sequence as u64, content.slice(sequence * PAYLOAD..(sequence + 1) * PAYLOAD)).await;
    }
    while payload::Acknowledgement::read(&alice.expect(Kind::Acknowledgement).await.data).expect("one").durable < content.len() as u64 {}
    if aside {
        rig.engine.set_aside(&conf(), &Failure::new(FailureCode::Unreachable, "gone"));
        let stats = rig.engine.stats();
        soon("it being set aside", async {
            while rig.engine.leftovers.is_empty() {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        assert!(stats.holdings().held >= content.len() as u64, "it counts still");
        return (rig, content);
    }
    let folder = rig.folder.clone();
    drop((rig, alice));
    let engine = Engine::start(EngineConfig { payload: PAYLOAD as u32, ..EngineConfig::new(folder.path().join("fileshare"), HERE) });
    let (engine, conf) = (engine.expect("an engine"), conf());
    (Rig { engine, port: 0, next: 10, folder, conf }, content)
}

#[tokio::test]
async fn what_a_sharer_uploaded_of_a_batch_is_taken_up_in_another_data_conference_by_nobody_else() {
    for aside in [false, true] {
        let (mut rig, content) = left(aside).await;
        for (name, batch, sharer) in [("c7", BATCH, "sip:bob@192.0.2.1"), ("c8", BatchId(BATCH.0 + 1), SHARER)] {
            let other: ConfId = name.parse().expect("an id");
            rig.port = rig.engine.open(&other, Some(batch), Some(sharer)).expect("a port");
            assert_eq!(rig.engine.progress(&other).durable, 0, "{name}: it is alice's, and of that batch");
        }
        rig.turn_to("c9");
        let mut alice = rig.join(Role::Upload, 0).await;
        assert_eq!(alice.first, TOLD as u64, "aside {aside}: it goes on where it was");
        let mut bob = rig.join(Role::Download, 0).await;
        bob.expect(Kind::Manifest).await;
        for sequence in 0..TOLD {
            assert_eq!(bob.expect(Kind::Data).await.data, content.slice(sequence * PAYLOAD..(sequence + 1) * PAYLOAD));
        }
        alice.send(Kind::Trailer, 1, 0, trailer(&content).to_bytes()).await;
        alice.acknowledged().await;
        let files = rig.folder.path().join("fileshare");
        for name in ["c7", "c8", "c9"] {
            rig.engine.close(&name.parse().expect("an id"), &Failure::new(FailureCode::Ended, "over"));
        }
        let stats = rig.engine.stats();
        soon("all being deleted", async {
            while stored(&files) > 0 || stats.holdings().held > 0 {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn an_upload_that_was_whole_long_ago_is_there_after_a_restart_and_when_it_is_set_aside() {
    let content = content(TOLD * PAYLOAD);
    for aside in [false, true] {
        let mut rig = Rig::new(|_| {});
        let mut alice = rig.join(Role::Upload, 0).await;
        alice.manifest_of_a_stream().await;
        for sequence in 0..TOLD {
            alice.send(Kind::Data, 0, sequence as u64, content.slice(sequence * PAYLOAD..(sequence + 1) * PAYLOAD)).await;
        }
        alice.send(Kind::Trailer, 1, 0, trailer(&content).to_bytes()).await;
        alice.acknowledged().await;
        let files = rig.folder.path().join("fileshare");
        for entry in fs::read_dir(&files).expect("the folder") {
            let file = OpenOptions::new().write(true).open(entry.expect("a file").path()).expect("a file");
            file.set_modified(SystemTime::UNIX_EPOCH).expect("a time");
        }
        if aside {
            rig.engine.set_aside(&conf(), &Failure::new(FailureCode::Unreachable, "gone"));
            soon("it being set aside", async {
                while rig.engine.leftovers.is_empty() {
                    sleep(Duration::from_millis(5)).await;
                }
            })
            .await;
        } else {
            let folder = rig.folder.clone();
            drop((rig, alice));
            rig = Rig::again(folder, |_| {});
        }
        rig.turn_to("c1");
        soon("all of it being there", async {
            while !rig.engine.progress(&conf()).complete {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_data_conference_whose_name_is_that_of_an_upload_that_goes_on_elsewhere_deletes_nothing_of_it() {
    let (mut rig, _) = left(true).await;
    rig.turn_to("c9");
    let alice = rig.join(Role::Upload, 0).await;
    assert_eq!(alice.first, TOLD as u64);
    let (files, tasks) = (rig.folder.path().join("fileshare"), rig.engine.tasks.len());
    let there = stored(&files);
    rig.engine.open(&conf(), Some(BATCH), Some(SHARER)).expect("a port");
    assert!(matches!(rig.news().await, PlaneEvent::UploadFailed { conf: failed, .. } if failed == conf()));
    rig.engine.close(&conf(), &Failure::new(FailureCode::Ended, "over"));
    soon("its end", async {
        while rig.engine.tasks.len() > tasks {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(stored(&files), there);
}

#[tokio::test]
async fn what_was_set_aside_and_nobody_shares_again_is_deleted_in_its_time() {
    let mut rig = Rig::new(|config| config.keep = Duration::from_millis(300));
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest_of_a_stream().await;
    alice.send(Kind::Data, 0, 0, content(PAYLOAD)).await;
    while payload::Acknowledgement::read(&alice.expect(Kind::Acknowledgement).await.data).expect("one").durable < PAYLOAD as u64 {}
    rig.engine.set_aside(&conf(), &Failure::new(FailureCode::Unreachable, "gone"));
    assert_eq!(alice.error().await, FailureCode::Unreachable);
    let (files, stats) = (rig.folder.path().join("fileshare"), rig.engine.stats());
    soon("its time being up", async {
        while stored(&files) > 0 || stats.holdings().held > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_ends_before_all_is_hashed_is_verified_as_any_other() {
    const MUCH: usize = 32 << 20;
    for right in [true, false] {
        let (folder, content) = killed_with(MUCH as u64).await;
        let mut whole = vec![0; MUCH];
        whole[..content.len()].copy_from_slice(&content);
        whole.extend_from_slice(&content[..7]);
        let whole = Bytes::from(whole);
        let mut end = trailer(&whole);
        if !right {
            end.files[0].blake3[0] ^= 1;
            end.blake3 = end.files[0].blake3;
        }
        let mut rig = Rig::again(folder, |_| {});
        let mut alice = rig.join(Role::Upload, 0).await;
        assert_eq!(alice.first, (MUCH / PAYLOAD) as u64);
        alice.send(Kind::Data, alice.first + 1, alice.first, whole.slice(MUCH..)).await;
        alice.send(Kind::Trailer, 1, 0, end.to_bytes()).await;
        if right {
            alice.acknowledged().await;
            assert_eq!(rig.news().await, PlaneEvent::Uploaded { conf: conf(), bytes: whole.len() as u64 });
        } else {
            assert_eq!(alice.error().await, FailureCode::Integrity);
        }
    }
}
