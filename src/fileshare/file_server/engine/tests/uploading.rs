//! What a sharer sends, and what is refused of it.

use super::*;

#[tokio::test]
async fn wrong_packets_end_the_connection_with_an_error_and_the_next_goes_on() {
    let content = content(4 * PAYLOAD);
    let sound = Route { way: Way::ToServer, terminal: SocketAddr::new(HERE, 1), batch: BATCH };
    let data = |route: Route, total, sequence, length: usize| route.packet(Kind::Data, total, sequence, content.slice(..length)).to_bytes();
    type Bad<'a> = Box<dyn Fn(Route) -> Bytes + 'a>;
    let cases: Vec<(&str, FailureCode, Bad<'_>)> = vec![
        ("total", FailureCode::Protocol, Box::new(|route| data(route, 9, 1, PAYLOAD))),
        ("sequence", FailureCode::Protocol, Box::new(|route| data(route, 4, 2, PAYLOAD))),
        ("repeated sequence", FailureCode::Protocol, Box::new(|route| data(route, 4, 0, PAYLOAD))),
        ("short length", FailureCode::Protocol, Box::new(|route| data(route, 4, 1, PAYLOAD - 1))),
        ("long length", FailureCode::Protocol, Box::new(|route| data(route, 4, 1, PAYLOAD + 1))),
        ("batch", FailureCode::Protocol, Box::new(|route| data(Route { batch: BatchId(1), ..route }, 4, 1, PAYLOAD))),
        ("direction", FailureCode::Protocol, Box::new(|route| data(Route { way: Way::ToTerminal, ..route }, 4, 1, PAYLOAD))),
        ("terminal", FailureCode::Protocol, Box::new(|_| data(sound, 4, 1, PAYLOAD))),
        ("kind", FailureCode::Protocol, Box::new(|route| route.packet(Kind::Acknowledgement, 0, 0, Bytes::new()).to_bytes())),
        ("operation", FailureCode::Unsupported, Box::new(|route| [&[2], &data(route, 4, 1, PAYLOAD)[1..]].concat().into())),
        ("checksum", FailureCode::Protocol, Box::new(|route| [&data(route, 4, 1, PAYLOAD)[..57], &[0; 99]].concat().into())),
        (
            "too large",
            FailureCode::Limit,
            Box::new(|route| {
                let header = route.header(Kind::Data, 4, 1, MAX_PAYLOAD + 1);
                Bytes::copy_from_slice(&header.encode())
            }),
        ),
    ];
    let mut rig = Rig::new(|config| config.tls = false);
    let mut bob = rig.join(Role::Download, 0).await;
    let member = rig.member(Role::Upload);
    let (id, key) = (member.id, member.key.clone());
    let mut alice = rig.join_as(member, 0).await;
    alice.manifest(content.len()).await;
    alice.data(&content, 0..1).await;
    bob.expect(Kind::Manifest).await;
    bob.expect(Kind::Data).await;
    let faults = cases.len() as u64;
    for (what, code, bad) in cases {
        assert_eq!(alice.first + u64::from(alice.welcome.as_ref().is_none_or(|w| !w.has_manifest)), 1, "{what}: all was kept");
        let bytes = bad(alice.route);
        alice.raw(&bytes).await;
        assert_eq!(alice.error().await, code, "{what}");
        match rig.news().await {
            PlaneEvent::Broken { member, why: Some(why), .. } => assert_eq!((member, why.code), (id, code), "{what}"),
            other => panic!("{what}: {other:?}"),
        }
        let again = rig.reconnect(id, Role::Upload, &key);
        alice = rig.join_as(again, 0).await;
    }
    assert_eq!(rig.counts().faults, faults);
    alice.upload(&content).await;
    for _ in 1..4 {
        bob.expect(Kind::Data).await;
    }
    bob.expect(Kind::Trailer).await;
}

#[tokio::test]
async fn an_upload_that_can_never_be_whole_fails_for_everybody_with_the_reason() {
    let whole = |json: Bytes, bytes| payload::Manifest { payload_size: PAYLOAD as u32, bytes: Some(bytes), json }.to_bytes();
    let manifests = [
        ("a name that climbs", FailureCode::Usage, whole(json("../x", 5), 5)),
        ("an absolute name", FailureCode::Usage, whole(json("/etc/passwd", 5), 5)),
        ("more bytes than allowed", FailureCode::Limit, whole(json("x", 1 << 30), 1 << 30)),
        ("sizes that do not add up", FailureCode::Protocol, whole(json("x", 5), 6)),
        ("more entries than allowed", FailureCode::Limit, {
            let entry = |n| format!(r#"{{"path":"{n}","type":"file","size":0}}"#);
            let entries: Vec<String> = (0..11).map(entry).collect();
            whole(format!(r#"{{"version":1,"entries":[{}]}}"#, entries.join(",")).into(), 0)
        }),
    ];
    for (what, code, manifest) in manifests {
        let mut rig = Rig::new(|config| (config.batch_bytes, config.entries) = (1 << 20, 10));
        let mut bob = rig.join(Role::Download, 0).await;
        let mut alice = rig.join(Role::Upload, 0).await;
        alice.send(Kind::Manifest, 1, 0, manifest).await;
        assert_eq!(alice.error().await, code, "{what}");
        assert_eq!(bob.error().await, code, "{what}");
        loop {
            match rig.news().await {
                PlaneEvent::UploadFailed { why, .. } => break assert_eq!(why.code, code, "{what}"),
                PlaneEvent::Broken { .. } => {}
                other => panic!("{what}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn hashes_that_differ_fail_the_upload() {
    let mut rig = Rig::new(|_| {});
    let content = content(2 * PAYLOAD);
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest(content.len()).await;
    alice.data(&content, 0..2).await;
    let wrong = payload::Trailer { blake3: [0; 32], ..trailer(&content) };
    alice.send(Kind::Trailer, 1, 0, wrong.to_bytes()).await;
    assert_eq!(alice.error().await, FailureCode::Integrity);
    assert!(!rig.engine.progress(&conf()).complete);
}

#[tokio::test]
async fn hashes_of_files_that_differ_fail_the_upload_though_that_of_the_batch_fits_them() {
    let content = content(2 * PAYLOAD);
    let (one, two) = content.split_at(PAYLOAD + 7);
    let file = |bytes: &[u8]| payload::FileHash { size: bytes.len() as u64, blake3: *blake3::hash(bytes).as_bytes() };
    let right = vec![file(one), file(b""), file(two)];
    let mut damaged = right.clone();
    damaged[2].blake3[0] ^= 1;
    let mut longer = right.clone();
    longer[0].size += 1;
    let mut swapped = right.clone();
    swapped.swap(0, 2);
    let fewer = right[..2].to_vec();
    for (what, files, complete) in [
        ("right", right, true),
        ("damaged", damaged, false),
        ("longer", longer, false),
        ("swapped", swapped, false),
        ("fewer", fewer, false),
    ] {
        let mut rig = Rig::new(|config| config.tls = false);
        let mut alice = rig.join(Role::Upload, 0).await;
        let entry = |(at, size): (usize, usize)| format!(r#"{{"path":"{at}","type":"file","size":{size}}}"#);
        let entries: Vec<String> = [one.len(), 0, two.len()].into_iter().enumerate().map(entry).collect();
        let json = format!(r#"{{"version":1,"entries":[{}]}}"#, entries.join(",")).into();
        let manifest = payload::Manifest { payload_size: PAYLOAD as u32, bytes: Some(content.len() as u64), json };
        alice.send(Kind::Manifest, 1, 0, manifest.to_bytes()).await;
        alice.data(&content, 0..2).await;
        let trailer = payload::Trailer { blake3: payload::Trailer::digest_of(&files), files, ..trailer(&content) };
        alice.send(Kind::Trailer, 1, 0, trailer.to_bytes()).await;
        if complete {
            alice.acknowledged().await;
            // What was verified once is verified when it is taken up again.
            let folder = rig.folder.clone();
            drop(rig);
            let mut rig = Rig::again(folder, |config| config.tls = false);
            assert!(matches!(rig.news().await, PlaneEvent::Uploaded { .. }));
        } else {
            assert_eq!(alice.error().await, FailureCode::Integrity, "{what}");
        }
    }
}

#[tokio::test]
async fn a_sharer_that_gives_up_says_why() {
    let mut rig = Rig::new(|_| {});
    let mut alice = rig.join(Role::Upload, 0).await;
    let why = Failure::new(FailureCode::SourceChanged, "a.txt shrank");
    alice.send(Kind::Error, 0, 0, why.to_bytes()).await;
    assert_eq!(rig.news().await, PlaneEvent::GaveUp { conf: conf(), member: alice.member, why });
}

#[tokio::test]
async fn a_stream_of_unknown_length_ends_with_its_trailer() {
    let mut rig = Rig::new(|_| {});
    let content = content(2 * PAYLOAD + 9);
    let mut bob = rig.join(Role::Download, 0).await;
    let mut alice = rig.join(Role::Upload, 0).await;
    let json = Bytes::from_static(br#"{"version":1,"entries":[{"path":"stdin","type":"file"}]}"#);
    let whole = payload::Manifest { payload_size: PAYLOAD as u32, bytes: None, json };
    alice.send(Kind::Manifest, 1, 0, whole.to_bytes()).await;
    for sequence in 0..3 {
        let data = content.slice(sequence * PAYLOAD..content.len().min((sequence + 1) * PAYLOAD));
        alice.send(Kind::Data, 0, sequence as u64, data).await;
    }
    alice.trailer(&content).await;
    alice.acknowledged().await;
    assert_eq!(bob.download().await, content);
}

#[tokio::test]
async fn an_empty_batch_is_complete_with_its_trailer() {
    let mut rig = Rig::new(|_| {});
    rig.join(Role::Upload, 0).await.upload(&Bytes::new()).await;
    assert!(rig.join(Role::Download, 0).await.download().await.is_empty());
}

#[tokio::test]
async fn no_more_than_whole_packets_are_acknowledged_before_all_is_there() {
    let content = content(2 * PAYLOAD + 7);
    let mut rig = Rig::new(|config| config.tls = false);
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest(content.len()).await;
    alice.data(&content, 0..3).await;
    // The next process would go on with whole packets, and a stream that is shared cannot be read again.
    let mut durable = 0;
    while durable < 2 * PAYLOAD as u64 {
        let packet = alice.expect(Kind::Acknowledgement).await;
        durable = payload::Acknowledgement::read(&packet.data).expect("an acknowledgement").durable;
    }
    assert_eq!(durable, 2 * PAYLOAD as u64);
    alice.trailer(&content).await;
    alice.acknowledged().await;
}
