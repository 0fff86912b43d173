//! Connections that break, come again, and end.

use super::*;

#[tokio::test]
async fn a_break_that_is_heard_of_when_the_member_has_come_again_is_none() {
    let mut rig = Rig::new(|config| config.tls = false);
    let bob = rig.join(Role::Download, 0).await;
    let event = |member| PlaneEvent::Broken { conf: conf(), member, why: None };
    for member in [bob.member, MemberId(99)] {
        rig.engine.common.tell(event(member)).await;
    }
    assert_eq!(rig.news().await, event(MemberId(99)), "bob is here");
}

#[tokio::test]
async fn what_a_member_had_is_forgotten_when_it_is_struck() {
    let mut rig = Rig::new(|config| config.tls = false);
    let content = content(PAYLOAD);
    rig.join(Role::Upload, 0).await.upload(&content).await;
    let mut bob = rig.join(Role::Download, 0).await;
    bob.download().await;
    while !matches!(rig.news().await, PlaneEvent::Received { .. }) {}
    assert_eq!(rig.engine.received(&conf(), bob.member), PAYLOAD as u64);
    rig.engine.strike(&conf(), bob.member, &Failure::new(FailureCode::Ended, "done"));
    assert_eq!(rig.engine.received(&conf(), bob.member), 0);
}

#[tokio::test]
async fn both_ways_go_on_after_a_break_without_sending_anything_twice() {
    let mut rig = Rig::new(|_| {});
    let content = content(8 * PAYLOAD + 5);
    let member = rig.member(Role::Upload);
    let (alice_id, alice_key) = (member.id, member.key.clone());
    let mut alice = rig.join_as(member, 0).await;
    alice.manifest(content.len()).await;
    alice.data(&content, 0..5).await;
    let mut bob = rig.join(Role::Download, 0).await;
    bob.expect(Kind::Manifest).await;
    for _ in 0..5 {
        bob.expect(Kind::Data).await;
    }
    drop((alice, bob));
    let mut alice_again = {
        let again = rig.reconnect(alice_id, Role::Upload, &alice_key);
        rig.join_as(again, 0).await
    };
    assert_eq!(alice_again.first, 5);
    alice_again.upload(&content).await;
    assert_eq!(rig.counts().received, content.len() as u64, "no packet came twice");
    let mut carol = rig.join(Role::Download, 3).await;
    assert_eq!(carol.download().await, content[3 * PAYLOAD..]);
}

#[tokio::test]
async fn a_new_connection_of_a_member_closes_the_old() {
    let mut rig = Rig::new(|_| {});
    let member = rig.member(Role::Upload);
    let (id, key) = (member.id, member.key.clone());
    let mut old = rig.join_as(member, 0).await;
    let again = rig.reconnect(id, Role::Upload, &key);
    assert_eq!(old.error().await, FailureCode::Conflict);
    assert_eq!(old.next().await, None);
    rig.join_as(again, 0).await.upload(&content(10)).await;
}

#[tokio::test]
async fn a_struck_member_is_told_why_and_the_others_go_on() {
    let mut rig = Rig::new(|_| {});
    let content = content(3 * PAYLOAD);
    let mut alice = rig.join(Role::Upload, 0).await;
    let (mut bob, mut carol) = (rig.join(Role::Download, 0).await, rig.join(Role::Download, 0).await);
    rig.engine.strike(&conf(), bob.member, &Failure::new(FailureCode::Ended, "put out"));
    assert_eq!(bob.error().await, FailureCode::Ended);
    alice.upload(&content).await;
    assert_eq!(carol.download().await, content);
}

#[tokio::test]
async fn a_released_port_refuses_connections_and_those_there_go_on() {
    let mut rig = Rig::new(|_| {});
    let content = content(3 * PAYLOAD);
    let mut alice = rig.join(Role::Upload, 0).await;
    rig.engine.release(&conf());
    refused(rig.port).await;
    alice.upload(&content).await;
    rig.port = rig.engine.open(&conf(), None, None).expect("another port");
    assert_eq!(rig.join(Role::Download, 0).await.download().await, content);
}

/// Waits until nobody listens on a port.
async fn refused(port: u16) {
    soon("the port being closed", async {
        while let Ok(stream) = TcpStream::connect(SocketAddr::new(HERE, port)).await {
            drop(stream);
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_end_of_a_data_conference_leaves_nothing() {
    let mut rig = Rig::new(|_| {});
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest(3 * PAYLOAD).await;
    alice.data(&content(3 * PAYLOAD), 0..2).await;
    let folder = rig.folder.path().join("fileshare");
    let files = || stored(&folder);
    assert!(files() > 0);
    rig.engine.close(&conf(), &Failure::new(FailureCode::Ended, "over"));
    assert_eq!(alice.error().await, FailureCode::Ended);
    refused(rig.port).await;
    soon("the files being deleted", async {
        while files() > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
