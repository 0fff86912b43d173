//! What receivers get, how fast, and what they owe.

use super::*;

#[tokio::test]
async fn what_is_uploaded_by_tls_is_downloaded_by_members_and_told() {
    let mut rig = Rig::new(|_| {});
    let content = content(3 * PAYLOAD + 77);
    let mut alice = rig.join(Role::Upload, 0).await;
    assert_eq!(rig.event().await, PlaneEvent::Connected { conf: conf(), member: alice.member });
    alice.upload(&content).await;
    assert_eq!(alice.next().await, None, "the connection ends when all is there");
    let mut bob = rig.join(Role::Download, 0).await;
    assert_eq!(bob.download().await, content);
    assert_eq!(bob.next().await, None);

    let (alice, bob) = (alice.member, bob.member);
    let bytes = content.len() as u64;
    assert_eq!(rig.event().await, PlaneEvent::Uploaded { conf: conf(), bytes });
    let mut rest = vec![rig.news().await, rig.news().await, rig.news().await];
    rest.sort_by_key(|event| format!("{event:?}"));
    assert_eq!(
        rest,
        [
            PlaneEvent::Broken { conf: conf(), member: alice, why: None },
            PlaneEvent::Broken { conf: conf(), member: bob, why: None },
            PlaneEvent::Received { conf: conf(), member: bob, bytes },
        ]
    );
    let progress = rig.engine.progress(&conf());
    assert_eq!(
        (progress.batch, progress.entries, progress.bytes, progress.durable, progress.complete),
        (Some(BATCH), 1, Some(bytes), bytes, true)
    );
    assert_eq!((rig.engine.received(&conf(), alice), rig.engine.received(&conf(), bob)), (bytes, bytes));
}

#[tokio::test]
async fn a_download_runs_while_the_upload_is_held() {
    let mut rig = Rig::new(|config| config.tls = false);
    let content = content(4 * PAYLOAD);
    let mut bob = rig.join(Role::Download, 0).await;
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest(content.len()).await;
    alice.data(&content, 0..1).await;
    bob.expect(Kind::Manifest).await;
    let first = bob.expect(Kind::Data).await;
    assert_eq!((first.header.sequence, first.header.total, &first.data[..]), (0, 4, &content[..PAYLOAD]), "alice has sent no more yet");
    alice.data(&content, 1..4).await;
    alice.trailer(&content).await;
    for sequence in 1..4 {
        assert_eq!(bob.expect(Kind::Data).await.header.sequence, sequence);
    }
    bob.expect(Kind::Trailer).await;
}

#[tokio::test]
async fn twenty_members_download_at_once_while_the_upload_runs() {
    let mut rig = Rig::new(|config| config.payload = 16 * PAYLOAD as u32);
    let content = content(64 * PAYLOAD);
    let mut members = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let mut member = rig.join(Role::Download, 0).await;
        members.spawn(async move { member.download().await });
    }
    let mut alice = rig.join(Role::Upload, 0).await;
    let whole = payload::Manifest { payload_size: 16 * PAYLOAD as u32, bytes: Some(content.len() as u64), json: json("a", content.len()) };
    for packet in parts::cut(alice.route, Kind::Manifest, whole.to_bytes()) {
        alice.raw(&packet.to_bytes()).await;
    }
    for sequence in 0..4 {
        alice.send(Kind::Data, 4, sequence, content.slice(sequence as usize * 16 * PAYLOAD..(sequence as usize + 1) * 16 * PAYLOAD)).await;
    }
    let whole = payload::Trailer { packets: 4, ..trailer(&content) };
    alice.send(Kind::Trailer, 1, 0, whole.to_bytes()).await;
    alice.acknowledged().await;
    let mut count = 0;
    while let Some(got) = members.join_next().await {
        assert_eq!(got.expect("a member"), content);
        count += 1;
    }
    assert_eq!((count, rig.counts().sent), (20, 20 * content.len() as u64));
}

#[tokio::test]
async fn a_receiver_that_acknowledges_nothing_is_closed_and_one_that_waits_for_the_sharer_is_not() {
    let mut rig = Rig::new(|config| (config.tls, config.patience) = (false, Duration::from_millis(200)));
    let content = content(2 * PAYLOAD);
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest(content.len()).await;
    alice.data(&content, 0..1).await;
    let (mut bob, mut carol) = (rig.join(Role::Download, 0).await, rig.join(Role::Download, 0).await);
    for link in [&mut bob, &mut carol] {
        link.expect(Kind::Manifest).await;
        link.expect(Kind::Data).await;
    }
    let acknowledgement = payload::Acknowledgement { durable: PAYLOAD as u64, complete: false };
    carol.send(Kind::Acknowledgement, 2, 1, acknowledgement.to_bytes()).await;
    assert_eq!(bob.error().await, FailureCode::Unreachable);
    sleep(Duration::from_millis(300)).await;
    alice.data(&content, 1..2).await;
    carol.expect(Kind::Data).await;
}

#[tokio::test]
async fn a_receiver_that_takes_nothing_is_closed() {
    let mut rig = Rig::new(|config| (config.tls, config.patience, config.payload) = (false, Duration::from_millis(200), MAX_PAYLOAD));
    let content = content(16 << 20);
    let mut alice = rig.join(Role::Upload, 0).await;
    let whole = payload::Manifest { payload_size: MAX_PAYLOAD, bytes: Some(content.len() as u64), json: json("a", content.len()) };
    alice.send(Kind::Manifest, 1, 0, whole.to_bytes()).await;
    let size = MAX_PAYLOAD as usize;
    let packets = content.len().div_ceil(size);
    for sequence in 0..packets {
        let data = content.slice(sequence * size..content.len().min((sequence + 1) * size));
        alice.send(Kind::Data, packets as u64, sequence as u64, data).await;
    }
    let member = rig.member(Role::Download);
    member.socket.set_recv_buffer_size(16 * 1024).expect("set");
    let bob = rig.join_as(member, 0).await;
    match rig.news().await {
        PlaneEvent::Broken { member, .. } => assert_eq!(member, bob.member),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_limit_of_bytes_a_second_holds_for_each_and_for_all() {
    const RATE: u64 = 400 * 1024;
    let content = content(200 * 1024);
    for (each, total, members, least) in [(Some(RATE), None, 1, 400), (None, Some(RATE), 2, 900)] {
        let mut rig = Rig::new(|_| {});
        rig.join(Role::Upload, 0).await.upload(&content).await;
        rig.engine.set_limits(&conf(), Limits { total, each });
        let started = clock::now();
        let slowest = Arc::new(AtomicU64::new(0));
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..members {
            let (mut member, slowest) = (rig.join(Role::Download, 0).await, slowest.clone());
            running.spawn(async move {
                member.download().await;
                slowest.fetch_max(clock::now().duration_since(started).as_millis() as u64, Ordering::Relaxed);
            });
        }
        running.join_all().await;
        let took = slowest.load(Ordering::Relaxed);
        assert!(took >= least, "{members} members took {took} ms, at least {least} were due");
    }
}

#[tokio::test]
async fn a_receiver_cannot_acknowledge_what_it_was_not_sent() {
    let mut rig = Rig::new(|_| {});
    rig.join(Role::Upload, 0).await.upload(&content(PAYLOAD)).await;
    let mut bob = rig.join(Role::Download, 0).await;
    bob.expect(Kind::Manifest).await;
    let acknowledgement = payload::Acknowledgement { durable: 2 * PAYLOAD as u64, complete: true };
    bob.send(Kind::Acknowledgement, 0, 0, acknowledgement.to_bytes()).await;
    loop {
        match bob.next().await {
            Some(Packet { header: Header { kind: Kind::Error, .. }, data }) => {
                break assert_eq!(Failure::read(&data).expect("a failure").code, FailureCode::Protocol);
            }
            Some(_) => {}
            None => panic!("the connection ended without a word"),
        }
    }
}
