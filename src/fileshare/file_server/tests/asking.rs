//! What the application server asks, and what it is told.

use super::*;

#[test]
fn the_upload_is_asked_for_and_answered_and_its_completion_told() {
    let mut world = World::new(|config| config.limits.batch_bytes = 4000);
    let (alice, bob) = world.shared();
    let files = |size| vec![FileFacts { name: "slides.pdf".into(), size: Some(size), mime: None, sha256: None }];
    assert_eq!(world.ask(alice, Message::UploadRequest { files: files(1000) }), Message::UploadReady);
    match world.ask(alice, Message::UploadRequest { files: files(5000) }) {
        Message::Refusal(failure) => assert_eq!(failure.code, FailureCode::Limit),
        other => panic!("{other:?}"),
    }
    for full in [Full::Disk, Full::Shares] {
        world.fs.plane_mut().set_full(Some(full));
        assert_eq!(
            world.ask(alice, Message::UploadRequest { files: files(1000) }),
            Message::Refusal(Failure::new(FailureCode::NoSpace, full.to_string()))
        );
    }
    world.fs.plane_mut().set_full(Some(Full::Lists));
    assert!(matches!(world.ask(alice, Message::UploadRequest { files: files(1000) }), Message::UploadNotReady { retry_seconds: 5, .. }));
    match world.ask(bob, Message::UploadRequest { files: files(1) }) {
        Message::Refusal(failure) => assert_eq!(failure.code, FailureCode::Conflict),
        other => panic!("{other:?}"),
    }
    world.happen(uploaded());
    let (call, body) = world.heard().expect("told");
    assert_eq!((call, body.message), (alice, Message::UploadComplete { bytes: 1000 }));
}

#[test]
fn the_state_of_a_share_and_its_limits_are_the_application_servers_to_ask_and_set() {
    let mut world = World::new(|_| {});
    let (alice, bob) = world.shared();
    world.happen(connected(2));
    world.fs.plane_mut().set_progress(&conf(), Progress { batch: Some(BATCH), durable: 700, ..Progress::default() });
    world.fs.plane_mut().set_received(&conf(), MemberId(2), 300);
    match world.ask(alice, Message::StatusRequest) {
        Message::Status(status) => {
            assert_eq!((status.batch.id, status.uploaded, status.complete), (BATCH, 700, false));
            let members: Vec<_> = status.members.iter().map(|m| (m.who.as_str(), m.state, m.bytes)).collect();
            assert_eq!(members, [("sip:bob@example.org", MemberState::Transferring, 300)]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.ask(bob, Message::Limits(Limits { total: Some(1 << 20), each: None })), Message::Done);
    assert_eq!(world.fs.plane().limits(&conf()), Some(Limits { total: Some(1 << 20), each: None }));
    match world.ask(bob, Message::UploadReady) {
        Message::Refusal(failure) => assert_eq!(failure.code, FailureCode::Unsupported),
        other => panic!("{other:?}"),
    }
}

#[test]
fn options_tell_what_there_is() {
    let mut world = World::new(|_| {});
    world.shared();
    let uri: Uri = "sip:fs.invalid".parse().expect("a URI");
    let address = NameAddr { display: None, uri: uri.clone(), params: Vec::new() };
    let options = OutOfDialog {
        method: Method::Options,
        uri,
        to: address.clone(),
        from: address,
        contact: None,
        hop: Hop::local("fs"),
        route: Vec::new(),
        sequence: None,
        headers: Vec::new(),
        body: None,
        credentials: None,
    };
    world.endpoint.send(world.now, options).expect("room");
    world.run();
    let answer = world.events.iter().find_map(|event| match event {
        Event::Response { response, .. } => Services::parse(&response.body).ok(),
        _ => None,
    });
    let answer = answer.expect("services");
    assert_eq!((answer.role.as_str(), answer.draining, answer.load.map(|load| load.legs)), ("fs", false, Some(2)));
}
