use super::*;

fn role(hub: &LocalHub, role: &str) -> TransportConfig {
    TransportConfig { local: Some((hub.clone(), role.to_owned())), ..TransportConfig::default() }
}

#[tokio::test]
async fn roles_of_one_process_know_each_other() {
    let hub = LocalHub::new();
    let (mut focus, mut mixer) = (node(role(&hub, "as")).await, node(role(&hub, "ms")).await);
    let via = "SIP/2.0/TCP as.invalid";
    focus.send(&Hop::local("ms"), &request("INVITE", via, "offer"));
    let came = mixer.message().await;
    assert!(came.text.ends_with("offer"));
    assert_eq!(came.from, Hop { flow: came.from.flow, ..Hop::local("as") });
    assert_eq!(came.to, Hop::local("ms").address);
    assert!(came.peer.is_role("as") && !came.peer.is_role("ms"));
    mixer.send(&came.from, &response("200 OK", via));
    let answer = focus.message().await;
    assert!(answer.text.starts_with("SIP/2.0 200"));
    assert!(answer.peer.is_role("ms"));
    focus.send(&Hop::local("ms"), &request("ACK", via, ""));
    assert_eq!(mixer.message().await.from.flow, came.from.flow, "by the same stream");
}

#[tokio::test]
async fn the_death_of_a_role_is_told_and_its_return_found() {
    let hub = LocalHub::new();
    let (mut focus, mut mixer) = (node(role(&hub, "as")).await, node(role(&hub, "ms")).await);
    let hop = Hop::local("ms");
    let invite = Bytes::from(request("INVITE", "SIP/2.0/TCP as.invalid", ""));
    assert_eq!(focus.transports.send(&hop, invite.clone()), Ok(()));
    mixer.message().await;
    mixer.transports.shutdown().await;
    assert_eq!(focus.failed().await, (hop.clone(), SendFault::Closed));
    focus.closed().await;
    assert_eq!(focus.transports.send(&hop, invite.clone()), Err(SendFault::NoSuchRole));
    let mut mixer = node(role(&hub, "ms")).await;
    assert_eq!(focus.transports.send(&hop, invite), Ok(()));
    assert!(mixer.message().await.text.starts_with("INVITE"));
}

#[tokio::test]
async fn a_role_is_taken_once_and_without_a_role_there_is_no_way_in() {
    let hub = LocalHub::new();
    let _mixer = node(role(&hub, "ms")).await;
    let taken = Transports::bind(role(&hub, "ms")).await.map(|_| ()).expect_err("taken");
    assert_eq!(taken.to_string(), "the role ms runs in this process already");
    let stranger = node(plain()).await;
    assert_eq!(stranger.transports.send(&Hop::local("ms"), Bytes::from_static(b"x")), Err(SendFault::NoTransport));
}
