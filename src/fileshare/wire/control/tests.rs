use super::*;

fn body(message: Message) -> Body {
    Body::of_share("7", ShareId(3), message)
}

fn parse(text: &str) -> Result<Body, ControlError> {
    Body::parse(text.as_bytes())
}

/// What a body with this inside is refused with.
fn refused(name: &str, attributes: &str, inner: &str) -> String {
    let text = format!("<{name} xmlns=\"{NAMESPACE}\" id=\"7\" share=\"share-3\" {attributes}>{inner}</{name}>");
    match parse(&text) {
        Err(ControlError::Refused { id, text }) => {
            assert_eq!(id, "7");
            text
        }
        other => panic!("{text}: {other:?}"),
    }
}

fn batch() -> Batch {
    let file = |name: &str| FileFacts { name: name.into(), size: Some(5), mime: Some("text/plain".into()), sha256: Some([0x5a; 32]) };
    let stream = FileFacts { name: "-".into(), size: None, mime: None, sha256: None };
    Batch { id: BatchId(u64::MAX), entries: 9, bytes: Some(10), manifest: Some([0xa5; 32]), files: vec![file("a <&\"'> b.txt"), stream] }
}

fn endpoint() -> Endpoint {
    Endpoint {
        address: "[2001:db8::1]:7000".parse().expect("address"),
        fingerprint: Some(Fingerprint([7; 32])),
        key: TransferKey::from_bytes([9; 32]),
    }
}

fn members(count: usize) -> Vec<Member> {
    let member = |n| Member {
        who: format!("p{n}"),
        state: MemberState::Failed,
        bytes: 7,
        failure: (n % 2 == 0).then(|| Failure::new(FailureCode::NoSpace, "no room in \"downloads\"")),
    };
    (0..count).map(member).collect()
}

fn shares(count: u32) -> Vec<ShareSummary> {
    let share = |n| ShareSummary {
        share: ShareId(n),
        from: "sip:alice@as".into(),
        own: n == 1,
        batch: batch(),
        uploaded: 7,
        complete: n == 0,
        finished: 1,
        members: 3,
    };
    (0..count).map(share).collect()
}

fn every_message() -> Vec<Message> {
    let source: SocketAddr = "192.0.2.7:40000".parse().expect("address");
    let failure = || Failure::new(FailureCode::SourceChanged, "a.txt shrank");
    vec![
        Message::ShareRequest(ShareRequest { batch: batch(), source, plain: true, recipients: vec!["bob".into(), "sip:c@x".into()] }),
        Message::ShareAnswer(endpoint()),
        Message::DownloadOffer(DownloadOffer {
            from: "sip:alice@as".into(),
            batch: Batch { bytes: None, manifest: None, ..batch() },
            address: source,
            fingerprint: None,
        }),
        Message::DownloadAnswer { source },
        Message::DownloadGo(Endpoint { fingerprint: None, ..endpoint() }),
        Message::GoAcknowledged,
        Message::UploadRequest { files: batch().files },
        Message::UploadReady,
        Message::UploadNotReady { retry_seconds: 30, reason: Some("the disk is full".into()) },
        Message::UploadComplete { bytes: u64::MAX },
        Message::DownloadPrepare { files: Vec::new() },
        Message::DownloadReady,
        Message::DownloadRequest,
        Message::DownloadComplete { bytes: 0 },
        Message::DownloadError(failure()),
        Message::ShareComplete { members: members(3), more: false },
        Message::ShareEnded(failure()),
        Message::ShareSuspended,
        Message::Reconnect { source },
        Message::Reconnected(endpoint()),
        Message::StatusRequest,
        Message::Status(Status { batch: batch(), uploaded: 3, complete: false, members: members(2), more: true }),
        Message::SharesRequest,
        Message::Shares { shares: shares(2), more: true },
        Message::Limits(Limits { total: Some(0), each: None }),
        Message::Done,
        Message::Refusal(failure()),
    ]
}

#[test]
fn every_message_reads_as_written() {
    let mut names = Vec::new();
    for message in every_message() {
        names.push(message.name());
        let of_share = body(message.clone());
        assert_eq!(parse(&of_share.to_xml()), Ok(of_share));
        let of_conf = Body::of_conf("a<&>", "5f3c".parse().expect("conf"), message);
        assert_eq!(parse(&of_conf.to_xml()), Ok(of_conf));
    }
    assert_eq!(names, MESSAGES, "each message has a name of its own, and all are tried here");
}

#[test]
fn a_share_request_stands_as_the_document_shows_it() {
    let request = ShareRequest {
        batch: Batch {
            id: BatchId(42),
            entries: 1,
            bytes: Some(5),
            manifest: None,
            files: vec![FileFacts { sha256: None, ..batch().files.remove(0) }],
        },
        source: "192.0.2.7:40000".parse().expect("address"),
        plain: false,
        recipients: vec!["bob".into()],
    };
    let xml = Body { id: "1".into(), share: None, conf: None, message: Message::ShareRequest(request) }.to_xml();
    assert_eq!(
        xml,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><share-request xmlns=\"urn:confkit:fileshare:1\" id=\"1\" source=\"192.0.2.7:40000\">\
         <batch id=\"42\" entries=\"1\" bytes=\"5\"><file name=\"a &lt;&amp;&quot;&apos;&gt; b.txt\" size=\"5\" mime=\"text/plain\"/></batch>\
         <recipient>bob</recipient></share-request>"
    );
    assert!(parse(&xml).is_ok());
}

#[test]
fn odd_bodies_are_refused_with_a_reason_that_can_be_sent_back() {
    let batch = "<batch id=\"1\" entries=\"1\"/>";
    let key = TransferKey::from_bytes([9; 32]).reveal().to_string();
    let go = |address: &str, key: &str| refused("download-go", &format!("address=\"{address}\" key=\"{key}\""), "");
    for (found, why) in [
        (refused("dance", "", ""), "there is no message \"dance\""),
        (refused("share-request", "source=\"192.0.2.7:1\"", ""), "the batch is missing"),
        (refused("share-request", "", batch), "the source is missing"),
        (refused("share-request", "source=\"192.0.2.7\"", batch), "\"192.0.2.7\" is no source"),
        (refused("share-request", "source=\"alice:80\"", batch), "\"alice:80\" is no source"),
        (refused("share-request", "source=\"192.0.2.7:0\"", batch), "the source is not the address and port of one host"),
        (refused("share-request", "source=\"[::]:5\"", batch), "the source is not the address and port of one host"),
        (refused("share-request", "source=\"[::ffff:0.0.0.0]:5\"", batch), "the source is not the address and port of one host"),
        (refused("share-request", "source=\"224.0.0.1:5\"", batch), "the source is not the address and port of one host"),
        (refused("share-request", "source=\"192.0.2.7:1\" plain=\"maybe\"", batch), "\"maybe\" is no plain"),
        (refused("share-request", "source=\"192.0.2.7:1\"", &format!("{batch}<recipient/>")), "the recipient is missing"),
        (refused("share-request", "source=\"192.0.2.7:1\"", "<batch entries=\"1\"/>"), "the id is missing"),
        (refused("share-request", "source=\"192.0.2.7:1\"", "<batch id=\"-1\" entries=\"1\"/>"), "\"-1\" is no id"),
        (refused("share-request", "source=\"192.0.2.7:1\"", "<batch id=\"1\" entries=\"4294967296\"/>"), "\"4294967296\" is no entries"),
        (
            refused("share-request", "source=\"192.0.2.7:1\"", "<batch id=\"1\" entries=\"1\" manifest=\"a5\"/>"),
            "the manifest is not 64 hexadecimal digits",
        ),
        (refused("upload-request", "", "<file/>"), "the name is missing"),
        (refused("upload-request", "", "<file name=\"a\" size=\"big\"/>"), "\"big\" is no size"),
        (refused("upload-request", "", &"<file name=\"a\"/>".repeat(65)), "a body takes at most 64 of file"),
        (refused("upload-request", "", "<file name=\"a\" sha256=\"+f\"/>"), "the sha256 is not 64 hexadecimal digits"),
        (refused("upload-not-ready", "", ""), "the retry-after is missing"),
        (refused("upload-not-ready", "retry-after=\"3601\"", ""), "the retry-after is longer than an hour (3600 s)"),
        (refused("upload-complete", "", ""), "the bytes is missing"),
        (go("192.0.2.1:5", ""), "the key is missing"),
        (go("192.0.2.1:5", "c2VjcmV0"), "a transfer key is 32 bytes in base64url"),
        (go("", &key), "\"\" is no address"),
        (
            refused("download-go", &format!("address=\"192.0.2.1:5\" key=\"{key}\" fingerprint=\"sha-1 AB\""), ""),
            "the fingerprint is by another hash than sha-256",
        ),
        (refused("share-complete", "", "<member who=\"p1\" state=\"fine\" bytes=\"0\"/>"), "\"fine\" is no state"),
        (refused("share-complete", "", &"<member/>".repeat(257)), "a body takes at most 256 of member"),
        (refused("shares", "", &"<share/>".repeat(17)), "a body takes at most 16 of share"),
        (refused("shares", "", "<share share=\"3\"/>"), "a share is called share-<number>"),
        (refused("share-ended", "", ""), "the code is missing"),
        (refused("limits", "total=\"-1\"", ""), "\"-1\" is no total"),
        (refused("status", "complete=\"yes\" uploaded=\"0\"", ""), "the batch is missing"),
    ] {
        assert_eq!(found, why);
    }
    let many = format!("{batch}{}", "<recipient>b</recipient>".repeat(257));
    assert_eq!(refused("share-request", "source=\"192.0.2.7:1\"", &many), "a share takes at most 256 recipients");
    let long = format!("<file name=\"{}\"/>", "a".repeat(1025));
    assert_eq!(refused("upload-request", "", &long), "the name is longer than 1024 bytes");
}

#[test]
fn a_body_says_what_it_is_about() {
    let text = |about: &str| format!("<upload-ready xmlns=\"{NAMESPACE}\" id=\"1\" {about}/>");
    for (about, why) in [
        ("", "the body says neither the share nor the conf"),
        ("share=\"3\"", "a share is called share-<number>"),
        ("share=\"share-03\"", "a share is called share-<number>"),
        ("conf=\"a b\"", "a data conference is called by 1 to 64 letters, digits, \".\", \"_\" and \"-\""),
    ] {
        assert_eq!(parse(&text(about)), Err(ControlError::Refused { id: "1".into(), text: why.into() }));
    }
    assert!(parse(&text("conf=\"x\" share=\"share-1\"")).is_ok_and(|body| body.share.is_some() && body.conf.is_some()));
    let refusal = format!("<refusal xmlns=\"{NAMESPACE}\" id=\"1\" code=\"forbidden\"/>");
    assert!(parse(&refusal).is_ok(), "a share request may be refused before there is a share");
}

#[test]
fn a_refusal_can_be_sent_back() {
    let error = parse(&format!("<dance xmlns=\"{NAMESPACE}\" id=\"9\"/>")).expect_err("refused");
    let refusal = error.refusal().expect("it has an id");
    assert_eq!(parse(&refusal.to_xml()), Ok(refusal.clone()));
    assert_eq!(refusal.id, "9");
    assert_eq!(refusal.message, Message::Refusal(Failure::new(FailureCode::Usage, "there is no message \"dance\"")));
}

#[test]
fn bodies_of_another_kind_are_told_apart() {
    assert_eq!(parse("<upload-ready id=\"1\"/>"), Err(ControlError::OtherDocument));
    assert_eq!(parse("<upload-ready xmlns=\"urn:confkit:conference:1\" id=\"1\"/>"), Err(ControlError::OtherDocument));
    assert!(matches!(parse(&format!("<upload-ready xmlns=\"{NAMESPACE}\"/>")), Err(ControlError::Malformed(_))), "no id");
    assert!(matches!(parse("<!DOCTYPE done><done/>"), Err(ControlError::Xml(XmlError::Dtd))));
    for error in [parse("<x/>"), parse(""), parse(&format!("<done xmlns=\"{NAMESPACE}\"/>"))] {
        assert_eq!(error.expect_err("refused").refusal(), None);
    }
}

#[test]
fn children_of_another_namespace_are_passed_over() {
    let text =
        format!("<upload-request xmlns=\"{NAMESPACE}\" id=\"1\" conf=\"x\"><y:file xmlns:y=\"urn:y\"/><file name=\"a\"/></upload-request>");
    let Ok(Body { message: Message::UploadRequest { files }, .. }) = parse(&text) else { panic!("unreadable") };
    assert_eq!(files.len(), 1);
}

#[test]
fn a_code_of_a_later_version_is_a_failure_with_its_text() {
    let text = format!("<refusal xmlns=\"{NAMESPACE}\" id=\"1\" code=\"moonstruck\" text=\"why\"/>");
    assert_eq!(parse(&text).map(|body| body.message), Ok(Message::Refusal(Failure::new(FailureCode::Failed, "why"))));
}

#[test]
fn strangers_texts_are_cut_to_what_the_other_side_reads() {
    let file = FileFacts { name: "é".repeat(2000), size: None, mime: None, sha256: None };
    let Ok(Body { message: Message::UploadRequest { files }, .. }) =
        parse(&body(Message::UploadRequest { files: vec![file; 100] }).to_xml())
    else {
        panic!("unreadable");
    };
    assert_eq!((files.len(), files[0].name.len()), (MAX_FILES, MAX_TEXT));
}

#[test]
fn a_long_report_is_cut_into_bodies() {
    let whole = body(Message::ShareComplete { members: members(600), more: false });
    let parts = whole.split(1000);
    let told = |body: &Body| match parse(&body.to_xml()).expect("readable").message {
        Message::ShareComplete { members, more } => (members.len(), more),
        other => panic!("{other:?}"),
    };
    assert_eq!(parts.iter().map(told).collect::<Vec<_>>(), [(256, true), (256, true), (88, false)]);
    assert_eq!(body(Message::ShareComplete { members: Vec::new(), more: false }).split(5).len(), 1);
    assert_eq!(body(Message::Done).split(0).len(), 1);
    let parts = body(Message::Shares { shares: shares(33), more: false }).split(100);
    let told = |body: &Body| match parse(&body.to_xml()).expect("readable").message {
        Message::Shares { shares, more } => (shares.len(), more),
        other => panic!("{other:?}"),
    };
    assert_eq!(parts.iter().map(told).collect::<Vec<_>>(), [(16, true), (16, true), (1, false)]);
    assert_eq!(body(Message::Shares { shares: Vec::new(), more: false }).split(5).len(), 1);
}

#[test]
fn keys_do_not_appear_in_debug() {
    let shown = format!("{:?}", body(Message::ShareAnswer(endpoint())));
    assert!(shown.contains("TransferKey(…)") && !shown.contains(endpoint().key.reveal().as_str()), "{shown}");
}
