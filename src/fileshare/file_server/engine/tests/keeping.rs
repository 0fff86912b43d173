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
