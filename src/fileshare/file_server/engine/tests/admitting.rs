//! Who is let in, and who is closed.

use super::*;

#[tokio::test]
async fn whoever_did_not_declare_its_port_is_closed_at_once_and_disturbs_nobody() {
    let mut rig = Rig::new(|_| {});
    let content = content(2 * PAYLOAD);
    let mut alice = rig.join(Role::Upload, 0).await;
    let bob = rig.member(Role::Download);
    // A stranger, and whoever has bob's key on another port: both come from a port that nobody declared.
    for _ in 0..2 {
        let (socket, _) = socket();
        let mut stream = soon("connecting", socket.connect(SocketAddr::new(HERE, rig.port))).await.expect("connected");
        let closed = soon("being closed", stream.read(&mut [0; 16])).await;
        assert!(matches!(closed, Ok(0) | Err(_)), "nothing is said to strangers: {closed:?}");
    }
    assert_eq!(rig.counts().strangers, 2);
    alice.upload(&content).await;
    assert_eq!(rig.join_as(bob, 0).await.download().await, content);
}

#[tokio::test]
async fn the_right_address_with_a_wrong_key_is_told_so_and_the_right_key_still_admits() {
    let mut rig = Rig::new(|_| {});
    let member = rig.member(Role::Upload);
    let (id, role, key) = (member.id, member.role, member.key.clone());
    let mut link = rig.knock(member.socket, member.source, member.id).await;
    link.prove(role, &TransferKey::from_bytes([0; 32]), 0).await;
    assert_eq!(link.error().await, FailureCode::Forbidden);
    assert_eq!(link.next().await, None);
    assert_eq!((rig.counts().unproved, rig.counts().admitted), (1, 0));
    let again = rig.reconnect(id, role, &key);
    rig.join_as(again, 0).await.upload(&content(10)).await;
}

#[tokio::test]
async fn a_member_that_says_nothing_is_closed_after_a_while() {
    let mut rig = Rig::new(|config| config.handshake = Duration::from_millis(50));
    let member = rig.member(Role::Download);
    // Nothing at all, not even TLS.
    let mut stream = soon("connecting", member.socket.connect(SocketAddr::new(HERE, rig.port))).await.expect("connected");
    let closed = soon("being closed", stream.read(&mut [0; 16])).await;
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    // TLS, and then nothing.
    let again = rig.reconnect(member.id, member.role, &member.key);
    let mut link = rig.knock(again.socket, again.source, again.id).await;
    link.expect(Kind::Challenge).await;
    assert_eq!(link.next().await, None);
    assert_eq!((rig.counts().unfinished, rig.counts().admitted), (2, 0));
}

#[tokio::test]
async fn an_admitted_member_that_falls_silent_is_closed_and_may_come_again() {
    let mut rig = Rig::new(|config| config.heartbeat = Duration::from_millis(30));
    let mut bob = rig.join(Role::Download, 0).await;
    assert_eq!(bob.error().await, FailureCode::Unreachable);
    match rig.news().await {
        PlaneEvent::Broken { member, why: Some(why), .. } => assert_eq!((member, why.code), (bob.member, FailureCode::Unreachable)),
        other => panic!("{other:?}"),
    }
    let key = TransferKey::from_bytes([2; 32]);
    let again = rig.reconnect(bob.member, Role::Download, &key);
    rig.join_as(again, 0).await;
}

#[tokio::test]
async fn strangers_who_come_after_a_member_do_not_put_it_out() {
    let mut rig = Rig::new(|config| (config.behind_nat, config.tls) = (true, false));
    let member = rig.member(Role::Upload);
    let mut alice = rig.knock(member.socket, member.source, member.id).await;
    let mut idle = Vec::new();
    for _ in 0..accept::MAX_PENDING + 10 {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.2:0".parse().expect("an address")).expect("a port");
        idle.push(soon("connecting", socket.connect(SocketAddr::new(HERE, rig.port))).await.expect("connected"));
    }
    soon("strangers being closed", async {
        while rig.counts().unfinished < 10 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    alice.prove(Role::Upload, &member.key, 0).await;
    alice.expect(Kind::Welcome).await;
}

#[tokio::test]
async fn strangers_who_hold_sockets_open_disturb_nobody() {
    let mut rig = Rig::new(|config| (config.behind_nat, config.tls) = (true, false));
    let mut idle = Vec::new();
    for _ in 0..accept::MAX_PENDING + 10 {
        idle.push(soon("connecting", TcpStream::connect(SocketAddr::new(HERE, rig.port))).await.expect("connected"));
    }
    let content = content(PAYLOAD);
    rig.join(Role::Upload, 0).await.upload(&content).await;
    assert_eq!(rig.join(Role::Download, 0).await.download().await, content);
    assert!(rig.counts().unfinished >= 10, "the oldest had to make room: {:?}", rig.counts());
}

#[tokio::test]
async fn behind_nat_the_key_admits_whatever_the_address() {
    let mut rig = Rig::new(|config| config.behind_nat = true);
    let member = rig.member(Role::Upload);
    let (other, _) = socket();
    let mut link = rig.knock(other, member.source, member.id).await;
    link.prove(Role::Upload, &member.key, 0).await;
    link.expect(Kind::Welcome).await;
}
