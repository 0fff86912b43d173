//! Against the real file server.

use super::*;

#[tokio::test]
async fn a_folder_reaches_three_members_while_it_is_uploaded() {
    for tls in [true, false] {
        let shared = folder(&[("talk/a.bin", content(1, 3 * MIB)), ("talk/sub/empty", Vec::new()), ("talk/sub/b.txt", content(2, 12_345))]);
        let mut rig = Rig::new(|config| config.tls = tls);
        let source = source([shared.path().join("talk")]).await;
        let targets: Vec<_> = (0..3).map(|_| tempfile::tempdir().expect("a folder")).collect();
        let mut downloads = Vec::new();
        for target in &targets {
            let (_, port, ticket) = rig.member(Role::Download);
            let mut downloader = Downloader::to_folder(target.path().to_owned(), SinkOptions::default());
            downloads.push(async move { downloader.run(port, &ticket, &Settings::default()).await });
        }
        let [a, b, c] = <[_; 3]>::try_from(downloads).unwrap_or_else(|_| unreachable!());
        let (uploaded, a, b, c) = tokio::join!(rig.upload(source), soon(a), soon(b), soon(c));
        let bytes = (3 * MIB + 12_345) as u64;
        assert_eq!(uploaded.expect("uploaded"), Uploaded { bytes });
        for (downloaded, target) in [a, b, c].into_iter().zip(&targets) {
            let downloaded = downloaded.expect("downloaded");
            assert_eq!((downloaded.bytes, downloaded.files.files.len()), (bytes, 3));
            assert!(files(target.path()) == files(shared.path()));
        }
        for _ in 0..3 {
            rig.event(|event| matches!(event, PlaneEvent::Received { .. })).await;
        }
        rig.engine.shut_down().await;
    }
}

#[tokio::test]
async fn standard_input_reaches_standard_output() {
    for length in [0, 1, 256 * 1024, MIB + 77] {
        let bytes = content(3, length);
        let mut rig = Rig::new(|_| {});
        let name = SafePath::new("stream.bin").expect("a name");
        let input = Box::new(io::Cursor::new(bytes.clone()));
        let source = Source::from_stream(name, input, SourceOptions::default()).expect("a source");
        assert_eq!(rig.upload(source).await.expect("uploaded").bytes, length as u64);
        let out = Shared::default();
        let mut downloader = Downloader::to_stream(Box::new(out.clone()), SinkOptions::default());
        let (_, port, ticket) = rig.member(Role::Download);
        let (tell, told) = watch::channel(Snapshot::default());
        let settings = Settings { progress: Some(tell), ..Settings::default() };
        let downloaded = soon(downloader.run(port, &ticket, &settings)).await.expect("downloaded");
        assert_eq!(downloaded.bytes, length as u64);
        assert!(*out.0.lock().expect("free") == bytes);
        let last = *told.borrow();
        assert_eq!((last.phase, last.progress.bytes, last.progress.total), (Phase::Done, length as u64, Some(length as u64)));
        rig.engine.shut_down().await;
    }
}

/// Standard output.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("free").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_upload_that_is_cut_goes_on_where_the_server_has_it() {
    let shared = folder(&[("a.bin", content(4, 5 * MIB)), ("b.bin", content(5, 2 * MIB + 1))]);
    let total = (7 * MIB + 1) as u64;
    let mut rig = Rig::new(|config| config.behind_nat = true);
    let mut rng = ChaCha12Rng::seed_from_u64(6);
    let cuts: Vec<_> = (0..4).map(|_| (0, rng.random_range(1..1_500_000))).chain([(1, 300)]).collect();
    let way = Cut::new(rig.address, cuts.clone()).await;
    let mut uploader = Uploader::new(source([shared.path().join("a.bin"), shared.path().join("b.bin")]).await).expect("BLAKE3");
    let (id, mut port, mut ticket) = rig.member(Role::Upload);
    let mut sent = 0;
    for cut in &cuts {
        ticket.endpoint.address = way.address;
        let error = soon(uploader.run(port, &ticket, &Settings::default())).await.expect_err("it was cut");
        assert!(error.is_resumable(), "{cut:?}: {error}");
        sent += way.carried(0);
        (port, ticket) = rig.again(id, Role::Upload);
        assert!(uploader.durable() <= sent);
    }
    ticket.endpoint.address = way.address;
    assert_eq!(soon(uploader.run(port, &ticket, &Settings::default())).await.expect("uploaded").bytes, total);
    sent += way.carried(0);
    // All but a packet of what was carried counts, and TLS takes its share.
    let most = total + 6 * (256 * 1024 + 20_000);
    assert!((total..most).contains(&sent), "{sent} of {most}");
    rig.engine.shut_down().await;
}

#[tokio::test]
async fn a_download_that_is_cut_goes_on_in_this_process_and_in_another() {
    let shared = folder(&[("a.bin", content(7, 4 * MIB)), ("b.bin", content(8, 3 * MIB + 1))]);
    let mut rig = Rig::new(|config| config.behind_nat = true);
    let total = (7 * MIB + 1) as u64;
    rig.upload(source([shared.path().join("a.bin"), shared.path().join("b.bin")]).await).await.expect("uploaded");
    let way = Cut::new(rig.address, vec![(1, 700), (1, 2_500_000), (1, 1_000_000), (1, 1_200_000)]).await;
    let (target, records) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let store = RecordStore::open(records.path()).expect("records");
    let name = TransferName::new("share-1").expect("a name");
    let options = SinkOptions { record: Some((store.clone(), name.clone())), checkpoint: MIB as u64, ..SinkOptions::default() };
    let mut downloader = Downloader::to_folder(target.path().to_owned(), options);
    let (id, mut port, mut ticket) = rig.member(Role::Download);
    let mut came = 0;
    for another_process in [false, true, false, true] {
        ticket.endpoint.address = way.address;
        let error = soon(downloader.run(port, &ticket, &Settings::default())).await.expect_err("it was cut");
        assert!(error.is_resumable(), "{error}");
        came += way.carried(1);
        (port, ticket) = rig.again(id, Role::Download);
        assert!(!files(target.path()).keys().any(|name| name == "a.bin"), "no file has its name before all are verified");
        if another_process {
            assert!(downloader.record().is_some());
            downloader.suspend().await.expect("suspended");
            downloader = soon(Downloader::resume(&store, &name)).await.expect("taken up");
        }
    }
    ticket.endpoint.address = way.address;
    assert_eq!(soon(downloader.run(port, &ticket, &Settings::default())).await.expect("downloaded").bytes, total);
    came += way.carried(1);
    // What was in buffers at a break comes again; from the start each time it would be 4.7 MB more.
    assert!(came < total + 3 * MIB as u64, "{came}");
    assert!(files(target.path()) == files(shared.path()));
    assert_eq!(store.list().expect("records"), [], "nothing is left to resume");
    rig.engine.shut_down().await;
}

#[tokio::test]
async fn breaking_off_keeps_everything_and_cancelling_ends_it_for_all() {
    let shared = folder(&[("a.bin", content(9, 2 * MIB))]);
    let mut rig = Rig::new(|_| {});
    let (id, port, ticket) = rig.member(Role::Upload);
    let mut uploader = Uploader::new(source([shared.path().join("a.bin")]).await).expect("BLAKE3");
    let (tell, mut told) = watch::channel(Snapshot::default());
    let limit = NonZeroU64::new(2 * MIB as u64);
    let settings = Settings { limit, progress: Some(tell), ..Settings::default() };
    let stop = settings.stop.clone();
    let stopping = async {
        told.wait_for(|snapshot| snapshot.progress.bytes > 0).await.expect("some of it");
        stop.cancel();
    };
    let (stopped, ()) = tokio::join!(soon(uploader.run(port, &ticket, &settings)), stopping);
    assert!(matches!(&stopped, Err(error @ TransferError::Stopped) if error.is_resumable()), "{stopped:?}");
    assert!(uploader.durable() > 0);
    let (port, ticket) = rig.again(id, Role::Upload);
    let settings = Settings { limit, ..Settings::default() };
    settings.cancel.cancel();
    // Before the connection nobody need be told.
    let cancelled = soon(uploader.run(port, &ticket, &settings)).await;
    assert!(matches!(cancelled, Err(TransferError::Fault(Fault::CancelledHere))), "{cancelled:?}");
    let (port, ticket) = rig.again(id, Role::Upload);
    let (tell, mut told) = watch::channel(Snapshot::default());
    let settings = Settings { limit, progress: Some(tell), ..Settings::default() };
    let cancel = settings.cancel.clone();
    let cancelling = async {
        told.wait_for(|snapshot| snapshot.phase == Phase::Moving).await.expect("moving");
        cancel.cancel();
    };
    let (cancelled, ()) = tokio::join!(soon(uploader.run(port, &ticket, &settings)), cancelling);
    assert!(matches!(cancelled, Err(TransferError::Fault(Fault::CancelledHere))), "{cancelled:?}");
    let gave_up = rig.event(|event| matches!(event, PlaneEvent::GaveUp { .. })).await;
    assert!(matches!(gave_up, PlaneEvent::GaveUp { why, .. } if why.code == FailureCode::Cancelled));
    rig.engine.shut_down().await;
}

#[tokio::test]
async fn a_file_that_shrinks_fails_its_share_with_a_clear_reason() {
    let shared = folder(&[("a.bin", content(10, 2 * MIB))]);
    let path = shared.path().join("a.bin");
    let source = source([path.clone()]).await;
    std::fs::write(&path, content(10, MIB)).expect("written");
    let mut rig = Rig::new(|_| {});
    let error = rig.upload(source).await.expect_err("it shrank");
    assert!(matches!(&error, TransferError::Source(_)) && error.code() == FailureCode::SourceChanged, "{error}");
    assert!(error.to_string().contains("a.bin") && !error.is_resumable());
    let gave_up = rig.event(|event| matches!(event, PlaneEvent::GaveUp { .. })).await;
    let PlaneEvent::GaveUp { why, .. } = gave_up else { unreachable!() };
    assert_eq!(why.code, FailureCode::SourceChanged);
    assert!(!why.text.contains(&shared.path().display().to_string()), "our paths are our matter: {}", why.text);
    rig.engine.shut_down().await;
}

#[tokio::test]
async fn what_is_in_the_way_refuses_the_batch_before_its_first_byte() {
    let shared = folder(&[("a.bin", content(11, MIB))]);
    let mut rig = Rig::new(|_| {});
    rig.upload(source([shared.path().join("a.bin")]).await).await.expect("uploaded");
    let target = folder(&[("a.bin", b"mine".to_vec())]);
    let (id, port, ticket) = rig.member(Role::Download);
    let mut downloader = Downloader::to_folder(target.path().to_owned(), SinkOptions::default());
    let error = soon(downloader.run(port, &ticket, &Settings::default())).await.expect_err("it is there");
    assert_eq!((error.code(), error.is_resumable()), (FailureCode::Conflict, false), "{error}");
    assert_eq!(files(target.path()), BTreeMap::from([("a.bin".to_owned(), b"mine".to_vec())]));
    let gave_up = rig.event(|event| matches!(event, PlaneEvent::GaveUp { .. })).await;
    assert!(matches!(gave_up, PlaneEvent::GaveUp { member, why, .. } if member == id && why.code == FailureCode::Conflict));

    let (_, port, ticket) = rig.member(Role::Download);
    let options = SinkOptions { overwrite: Overwrite::Rename, ..SinkOptions::default() };
    let mut downloader = Downloader::to_folder(target.path().to_owned(), options);
    let placed = soon(downloader.run(port, &ticket, &Settings::default())).await.expect("beside it").files;
    assert_eq!(placed.files.first().map(|file| file.name.as_str().to_owned()), Some("a (1).bin".to_owned()));
    rig.engine.shut_down().await;
}

#[tokio::test]
async fn a_limit_holds_both_ways() {
    let shared = folder(&[("a.bin", content(12, MIB))]);
    let mut rig = Rig::new(|_| {});
    let limit = NonZeroU64::new(2 * MIB as u64);
    let target = tempfile::tempdir().expect("a folder");
    let mut uploader = Uploader::new(source([shared.path().join("a.bin")]).await).expect("BLAKE3");
    let mut downloader = Downloader::to_folder(target.path().to_owned(), SinkOptions::default());
    for role in [Role::Upload, Role::Download] {
        let (_, port, ticket) = rig.member(role);
        let (began, settings) = (crate::clock::now(), Settings { limit, ..Settings::default() });
        match role {
            Role::Upload => drop(soon(uploader.run(port, &ticket, &settings)).await.expect("uploaded")),
            Role::Download => drop(soon(downloader.run(port, &ticket, &settings)).await.expect("downloaded")),
        }
        let took = crate::clock::now().duration_since(began);
        assert!(took > Duration::from_millis(420), "{role:?}: {took:?} for half a second's bytes");
    }
    rig.engine.shut_down().await;
}

#[tokio::test]
async fn a_port_that_was_not_declared_and_a_wrong_key_get_nothing() {
    let mut rig = Rig::new(|_| {});
    let target = tempfile::tempdir().expect("a folder");
    let (_, declared, ticket) = rig.member(Role::Download);
    let other = LocalPort::bind(HERE).expect("a port");
    assert_ne!(other.address(), declared.address());
    let mut downloader = Downloader::to_folder(target.path().to_owned(), SinkOptions::default());
    soon(downloader.run(other, &ticket, &Settings::default())).await.expect_err("a stranger");
    let key = TransferKey::from_bytes([99; 32]);
    let ticket = Ticket { endpoint: Endpoint { key, ..ticket.endpoint.clone() }, ..ticket };
    let error = soon(downloader.run(declared, &ticket, &Settings::default())).await.expect_err("a wrong key");
    assert_eq!((error.code(), error.is_resumable()), (FailureCode::Forbidden, false), "{error}");
    assert_eq!((files(target.path()).len(), rig.engine.stats().counts().strangers), (0, 1));
    rig.engine.shut_down().await;
}
