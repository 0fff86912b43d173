//! What is stored: noted, left for the next process, deleted.

use super::*;

#[tokio::test]
async fn what_is_acknowledged_is_noted_on_disk() {
    let mut rig = Rig::new(|config| config.tls = false);
    let content = content(8 * PAYLOAD);
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest(content.len()).await;
    alice.data(&content, 0..5).await;
    let record = rig.folder.path().join("fileshare/c-c1.json");
    loop {
        let packet = alice.expect(Kind::Acknowledgement).await;
        let durable = payload::Acknowledgement::read(&packet.data).expect("an acknowledgement").durable;
        let noted: serde_json::Value = serde_json::from_slice(&std::fs::read(&record).expect("a record")).expect("a record");
        assert!(noted["durable"].as_u64().is_some_and(|noted| noted >= durable), "{durable} acknowledged, {noted}");
        if durable == 5 * PAYLOAD as u64 {
            break;
        }
    }
}

#[tokio::test]
async fn what_is_stored_and_cannot_be_used_is_deleted_with_its_share() {
    let mut rig = Rig::new(|_| {});
    rig.join(Role::Upload, 0).await.upload(&content(2 * PAYLOAD)).await;
    let folder = rig.folder.clone();
    drop(rig);
    let files = folder.path().join("fileshare");
    std::fs::write(files.join("c-c1.spool"), vec![0; 2 * PAYLOAD]).expect("damaged");
    let mut rig = Rig::again(folder, |_| {});
    match rig.news().await {
        PlaneEvent::UploadFailed { why, .. } => assert_eq!(why.code, FailureCode::Integrity),
        other => panic!("{other:?}"),
    }
    assert!(stored(&files) > 0);
    rig.engine.close(&conf(), &Failure::new(FailureCode::Ended, "over"));
    soon("the files being deleted", async {
        while stored(&files) > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_is_told_so() {
    let rig = Rig::new(|_| {});
    let config = || EngineConfig::new(rig.folder.path().join("fileshare"), HERE);
    let refused = Engine::start(config()).expect_err("in use");
    assert!(matches!(refused, EngineError::InUse { .. }) && refused.to_string().contains("in use"), "{refused}");
    let folder = rig.folder.clone();
    drop(rig);
    Rig::again(folder, |_| {});
}

#[tokio::test]
async fn a_sharer_that_a_stopping_server_sends_away_goes_on_with_the_next() {
    let mut rig = Rig::new(|_| {});
    let content = content(6 * PAYLOAD);
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest(content.len()).await;
    alice.data(&content, 0..4).await;
    while payload::Acknowledgement::read(&alice.expect(Kind::Acknowledgement).await.data).expect("one").durable < 4 * PAYLOAD as u64 {}
    let Rig { engine, folder, .. } = rig;
    let sent_away = async {
        let why = alice.error().await;
        drop(alice);
        why
    };
    let ((), why) = tokio::join!(engine.shut_down(), sent_away);
    assert_eq!(why, FailureCode::Busy, "terminals try again after this");
    let mut rig = Rig::again(folder, |_| {});
    let mut alice = rig.join(Role::Upload, 0).await;
    assert_eq!(alice.first, 4);
    alice.upload(&content).await;
}

#[tokio::test]
async fn another_process_goes_on_with_an_upload_that_the_first_left() {
    let mut rig = Rig::new(|_| {});
    let content = content(6 * PAYLOAD);
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest(content.len()).await;
    alice.data(&content, 0..4).await;
    // All four are there when somebody has got them.
    let mut bob = rig.join(Role::Download, 0).await;
    bob.expect(Kind::Manifest).await;
    for _ in 0..4 {
        bob.expect(Kind::Data).await;
    }
    let folder = rig.folder.clone();
    drop(rig);
    let mut rig = Rig::again(folder, |_| {});
    let mut alice = rig.join(Role::Upload, 0).await;
    assert_eq!((alice.first, alice.welcome.as_ref().map(|welcome| welcome.has_manifest)), (4, Some(true)));
    alice.upload(&content).await;
    assert_eq!(rig.join(Role::Download, 0).await.download().await, content);
}

#[tokio::test]
async fn a_complete_upload_is_there_after_a_restart_too() {
    let mut rig = Rig::new(|_| {});
    let content = content(2 * PAYLOAD + 1);
    rig.join(Role::Upload, 0).await.upload(&content).await;
    let folder = rig.folder.clone();
    drop(rig);
    let mut rig = Rig::again(folder, |_| {});
    assert_eq!(rig.news().await, PlaneEvent::Uploaded { conf: conf(), bytes: content.len() as u64 });
    assert_eq!(rig.join(Role::Download, 0).await.download().await, content);
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.acknowledged().await;
}

/// A process that is killed after it has written four packets of six, of which its record knows none.
async fn killed_among_packets(content: &Bytes) -> Arc<tempfile::TempDir> {
    let mut rig = Rig::new(|_| {});
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest(content.len()).await;
    alice.data(content, 0..4).await;
    // All four are there when somebody has got them.
    let mut bob = rig.join(Role::Download, 0).await;
    bob.expect(Kind::Manifest).await;
    for _ in 0..4 {
        bob.expect(Kind::Data).await;
    }
    let folder = rig.folder.clone();
    drop(rig);
    let record = folder.path().join("fileshare/c-c1.json");
    let mut noted: serde_json::Value = serde_json::from_slice(&std::fs::read(&record).expect("a record")).expect("a record");
    noted["durable"] = 0.into();
    std::fs::write(&record, noted.to_string()).expect("written");
    folder
}

/// Comes, and is told to come again.
async fn sent_away(rig: &mut Rig, role: Role) {
    let member = rig.member(role);
    let mut link = rig.knock(member.socket, member.source, member.id).await;
    link.prove(member.role, &member.key, 0).await;
    if role == Role::Download {
        link.expect(Kind::Welcome).await;
    }
    assert_eq!(link.error().await, FailureCode::Busy, "{role:?}");
}

#[tokio::test]
async fn an_upload_that_cannot_be_taken_up_now_is_kept_and_goes_on_when_it_can() {
    let content = content(6 * PAYLOAD);
    let folder = killed_among_packets(&content).await;
    let files = folder.path().join("fileshare");
    // No record can be written: as on a full disk.
    let in_the_way = files.join("c-c1.json.new");
    std::fs::create_dir(&in_the_way).expect("a folder");
    let mut rig = Rig::again(folder, |_| {});
    for role in [Role::Upload, Role::Download, Role::Upload] {
        sent_away(&mut rig, role).await;
        // Nothing fails for good.
        let event = rig.news().await;
        assert!(matches!(event, PlaneEvent::Broken { .. }), "{event:?}");
        assert_eq!(std::fs::metadata(files.join("c-c1.spool")).expect("there").len(), 4 * PAYLOAD as u64);
    }
    std::fs::remove_dir(&in_the_way).expect("out of the way");
    let mut alice = rig.join(Role::Upload, 0).await;
    assert_eq!(alice.first, 4);
    alice.upload(&content).await;
    assert_eq!(rig.join(Role::Download, 0).await.download().await, content);
}

#[tokio::test]
async fn an_upload_that_cannot_be_taken_up_now_is_tried_again_without_its_sharer() {
    let folder = killed_among_packets(&content(6 * PAYLOAD)).await;
    let in_the_way = folder.path().join("fileshare/c-c1.json.new");
    std::fs::create_dir(&in_the_way).expect("a folder");
    let mut rig = Rig::again(folder, |config| config.heartbeat = Duration::from_millis(30));
    sent_away(&mut rig, Role::Download).await;
    std::fs::remove_dir(&in_the_way).expect("out of the way");
    soon("the upload being there", async {
        loop {
            let mut bob = rig.join(Role::Download, 0).await;
            match bob.next().await.expect("more").header.kind {
                Kind::Manifest => break,
                // The machine would hear of it.
                Kind::Error => assert!(matches!(rig.news().await, PlaneEvent::Broken { .. })),
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_could_not_be_taken_up_is_deleted_with_its_share() {
    let folder = killed_among_packets(&content(6 * PAYLOAD)).await;
    let files = folder.path().join("fileshare");
    std::fs::create_dir(files.join("c-c1.json.new")).expect("a folder");
    let mut rig = Rig::again(folder, |_| {});
    sent_away(&mut rig, Role::Upload).await;
    rig.engine.close(&conf(), &Failure::new(FailureCode::Ended, "over"));
    soon("the files being deleted", async {
        while stored(&files) > 1 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_is_noted_is_taken_up_where_no_record_can_be_written() {
    let mut rig = Rig::new(|_| {});
    let whole = content(2 * PAYLOAD + 1);
    rig.join(Role::Upload, 0).await.upload(&whole).await;
    let folder = rig.folder.clone();
    drop(rig);
    let in_the_way = folder.path().join("fileshare/c-c1.json.new");
    std::fs::create_dir(&in_the_way).expect("a folder");
    let mut rig = Rig::again(folder, |_| {});
    assert_eq!(rig.news().await, PlaneEvent::Uploaded { conf: conf(), bytes: whole.len() as u64 });
    assert_eq!(rig.join(Role::Download, 0).await.download().await, whole);
}

#[tokio::test]
async fn an_upload_is_taken_up_where_the_rest_of_it_has_no_room() {
    let folder = killed_among_packets(&content(6 * PAYLOAD)).await;
    let huge = payload::Manifest { payload_size: PAYLOAD as u32, bytes: Some(1 << 60), json: json("x", 1 << 60) };
    std::fs::write(folder.path().join("fileshare/c-c1.manifest"), huge.to_bytes()).expect("written");
    let mut rig = Rig::again(folder, |_| {});
    assert_eq!(rig.join(Role::Upload, 0).await.first, 4);
}
