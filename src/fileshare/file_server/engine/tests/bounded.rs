//! What shares may hold of the disk and of memory, and what becomes of those that find no room.

use super::*;
use crate::fileshare::file_server::space::Bounds;

/// What the manifest of these tests takes beside the bytes of its batch; more than it is.
const LIST: u64 = 1024;

async fn failed(rig: &mut Rig) -> Failure {
    loop {
        match rig.news().await {
            PlaneEvent::UploadFailed { conf, why } => {
                assert_eq!(conf, rig.conf);
                return why;
            }
            PlaneEvent::Broken { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn nothing_held(rig: &Rig) {
    soon("the claims being given back", async {
        while rig.engine.stats().holdings().held > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn over() -> Failure {
    Failure::new(FailureCode::Ended, "over")
}

#[tokio::test]
async fn a_batch_that_would_leave_too_little_of_the_disk_is_refused_before_its_first_byte() {
    let mut rig = Rig::new(|config| config.space = Bounds { min_free: u64::MAX / 2, max_total: None });
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest(4 * PAYLOAD).await;
    assert_eq!(alice.error().await, FailureCode::NoSpace);
    let why = failed(&mut rig).await;
    assert_eq!((why.code, why.text.as_str()), (FailureCode::NoSpace, "the file server's disk is full"));
    let (counts, holdings) = (rig.counts(), rig.engine.stats().holdings());
    assert_eq!((counts.received, counts.refused_disk, holdings.held, holdings.room), (0, 1, 0, Some(0)));
    assert!(rig.engine.would_take(&rig.conf, 1).is_err());
}

#[tokio::test]
async fn a_batch_over_what_all_shares_may_hold_is_refused_until_another_share_is_over() {
    let content = content(4 * PAYLOAD);
    let most = content.len() as u64 + 2 * LIST;
    let mut rig = Rig::new(|config| config.space = Bounds { min_free: 1, max_total: Some(most) });
    let mut alice = rig.join(Role::Upload, 0).await;
    // What is announced counts, though nothing of it came.
    alice.manifest(content.len()).await;
    soon("the claim", async {
        while rig.engine.stats().holdings().unwritten < content.len() as u64 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let first = std::mem::replace(&mut rig.conf, conf());
    rig.turn_to("c2");
    let mut carol = rig.join(Role::Upload, 0).await;
    carol.manifest(4 * PAYLOAD).await;
    assert_eq!(carol.error().await, FailureCode::NoSpace);
    let why = failed(&mut rig).await;
    assert_eq!((why.code, why.text.as_str()), (FailureCode::NoSpace, "the file server's space for shares is used up"));
    assert_eq!(rig.counts().refused_shares, 1);
    let second = rig.conf.clone();
    rig.engine.close(&second, &over());

    // Nobody else is disturbed.
    alice.data(&content, 0..4).await;
    alice.trailer(&content).await;
    alice.acknowledged().await;
    rig.engine.close(&first, &over());
    nothing_held(&rig).await;
    rig.turn_to("c3");
    rig.join(Role::Upload, 0).await.upload(&content).await;
}

#[tokio::test]
async fn a_stream_of_unknown_size_is_stopped_where_the_room_ends_and_others_go_on() {
    let content = content(8 * PAYLOAD);
    let most = 5 * PAYLOAD as u64 + 2 * LIST + 1;
    let mut rig = Rig::new(|config| config.space = Bounds { min_free: 1, max_total: Some(most) });
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest(2 * PAYLOAD).await;
    alice.data(&content.slice(..2 * PAYLOAD), 0..1).await;
    let mut bob = rig.join(Role::Download, 0).await;
    bob.expect(Kind::Manifest).await;
    bob.expect(Kind::Data).await;

    let first = rig.conf.clone();
    rig.turn_to("c2");
    let mut carol = rig.join(Role::Upload, 0).await;
    let mut dave = rig.join(Role::Download, 0).await;
    carol.manifest_of_a_stream().await;
    for sequence in 0..8 {
        carol.send(Kind::Data, 0, sequence, content.slice(..PAYLOAD)).await;
    }
    assert_eq!(carol.error().await, FailureCode::NoSpace);
    dave.expect(Kind::Manifest).await;
    let mut came = 0;
    loop {
        let packet = dave.next().await.expect("more");
        match packet.header.kind {
            Kind::Data => came += 1,
            Kind::Error => {
                break assert_eq!(Failure::read(&packet.data).expect("a failure").text, "the file server's space for shares is used up");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!((0..=3).contains(&came), "{came}");
    assert_eq!(failed(&mut rig).await.code, FailureCode::NoSpace);
    let second = rig.conf.clone();
    rig.engine.close(&second, &over());

    let whole = content.slice(..2 * PAYLOAD);
    alice.data(&whole, 1..2).await;
    alice.trailer(&whole).await;
    alice.acknowledged().await;
    bob.expect(Kind::Data).await;
    bob.expect(Kind::Trailer).await;
    rig.engine.close(&first, &over());
    nothing_held(&rig).await;
}

#[tokio::test]
async fn a_stream_gives_back_what_it_claimed_ahead() {
    let content = content(2 * PAYLOAD + 1);
    let mut rig = Rig::new(|_| {});
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest_of_a_stream().await;
    alice.data(&content, 0..2).await;
    let mut bob = rig.join(Role::Download, 0).await;
    bob.expect(Kind::Manifest).await;
    bob.expect(Kind::Data).await;
    bob.expect(Kind::Data).await;
    assert!(rig.engine.stats().holdings().unwritten > content.len() as u64, "a step ahead");
    alice.data(&content, 2..3).await;
    alice.trailer(&content).await;
    alice.acknowledged().await;
    let holdings = rig.engine.stats().holdings();
    assert_eq!(holdings.unwritten, 0);
    assert!((content.len() as u64..content.len() as u64 + LIST).contains(&holdings.held), "{holdings:?}");
}

#[tokio::test]
async fn what_an_earlier_process_left_counts_before_anybody_calls_for_it_and_goes_on_without_room() {
    let content = content(6 * PAYLOAD);
    let mut rig = Rig::new(|_| {});
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest(content.len()).await;
    alice.data(&content, 0..4).await;
    while payload::Acknowledgement::read(&alice.expect(Kind::Acknowledgement).await.data).expect("one").durable < 4 * PAYLOAD as u64 {}
    let folder = rig.folder.clone();
    drop(rig);
    let mut config = EngineConfig { payload: PAYLOAD as u32, ..EngineConfig::new(folder.path().join("fileshare"), HERE) };
    config.space = Bounds { min_free: u64::MAX / 2, max_total: Some(1) };
    let engine = Engine::start(config.clone()).expect("an engine");
    let holdings = engine.stats().holdings();
    assert_eq!((holdings.unwritten, holdings.room), (2 * PAYLOAD as u64, Some(0)));
    assert!((content.len() as u64..content.len() as u64 + LIST).contains(&holdings.held), "{holdings:?}");
    drop(engine);
    let mut rig = Rig::again(folder, |again| again.space = config.space);
    let mut alice = rig.join(Role::Upload, 0).await;
    assert_eq!(alice.first, 4);
    alice.upload(&content).await;
}

#[tokio::test]
async fn whoever_comes_with_a_list_that_memory_has_no_room_for_is_told_to_come_again() {
    let content = content(2 * PAYLOAD);
    let mut rig = Rig::new(|config| config.lists = 2048);
    rig.join(Role::Upload, 0).await.upload(&content).await;
    assert_eq!(rig.engine.stats().holdings().lists, 2048, "a manifest and a trailer");
    let first = rig.conf.clone();
    rig.turn_to("c2");
    let member = rig.member(Role::Upload);
    let (id, key) = (member.id, member.key.clone());
    let mut carol = rig.join_as(member, 0).await;
    carol.manifest(content.len()).await;
    assert_eq!(carol.error().await, FailureCode::Busy);
    loop {
        match rig.news().await {
            // The share goes on.
            PlaneEvent::Broken { conf, why: None, .. } if conf == rig.conf => break,
            PlaneEvent::Uploaded { .. } | PlaneEvent::Broken { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rig.counts().refused_lists, 1);
    rig.engine.close(&first, &over());
    soon("the lists being dropped", async {
        while rig.engine.stats().holdings().lists > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let again = rig.reconnect(id, Role::Upload, &key);
    rig.join_as(again, 0).await.upload(&content).await;
}
