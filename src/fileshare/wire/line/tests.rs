use super::*;
use crate::{
    fileshare::{BatchId, wire::control::FileFacts},
    sdp::Description,
};

/// The first section of a description with these lines.
fn section(lines: &str) -> Media {
    let text = format!("v=0\no=- 1 1 IN IP4 192.0.2.7\ns=-\nc=IN IP4 192.0.2.7\nt=0 0\n{lines}");
    text.parse::<Description>().expect(lines).media.remove(0)
}

fn line(lines: &str) -> Line {
    Line::read(&section(lines)).expect(lines).expect("a line of a share")
}

/// A line of ours with these attributes more.
fn ours(attributes: &str) -> Result<Line, LineError> {
    Line::read(&section(&format!("m=application 40000 TCP/TLS/fileshare *\n{attributes}"))).map(|line| line.expect("a line of a share"))
}

/// Printed in a description, and read again.
fn again(line: &Line) -> Line {
    let description = Description {
        origin: crate::sdp::Origin::new("-", 2, IpAddr::from([192, 0, 2, 7])),
        name: String::new(),
        attributes: Vec::new(),
        media: vec![line.to_media()],
    };
    let description: Description = description.to_text().parse().expect("a description");
    Line::read(&description.media[0]).expect("a good line").expect("a line of a share")
}

fn fingerprint() -> String {
    format!("a=fingerprint:{}\n", Fingerprint([0xab; 32]))
}

fn picture() -> Batch {
    let file =
        FileFacts { name: "My cool picture.jpg".into(), size: Some(32349), mime: Some("image/jpeg".into()), sha256: Some([0x72; 32]) };
    Batch { id: BatchId(81_985_529_216_486_895), entries: 1, bytes: Some(32349), manifest: Some([1; 32]), files: vec![file] }
}

#[test]
fn a_sharers_offer_stands_as_the_document_shows_it() {
    let source = "192.0.2.7:40000".parse().expect("address");
    let offer = Line {
        batch: Some(Batch { manifest: None, ..picture() }),
        transfer_id: Some("vBnG916bdberum2fFEABR1FR3ExZMUrd".into()),
        disposition: Some(Disposition::Attachment),
        ..Line::terminal(Transport::Tls, source, Direction::SendOnly)
    };
    let description = Description {
        origin: crate::sdp::Origin::new("-", 2, source.ip()),
        name: String::new(),
        attributes: Vec::new(),
        media: vec![offer.to_media()],
    };
    let sha256 = vec!["72"; 32].join(":");
    assert_eq!(
        description.to_text().split_once("t=0 0\r\n").expect("a time").1,
        format!(
            "m=application 40000 TCP/TLS/fileshare *\r\na=setup:active\r\na=connection:new\r\na=confkit-source:192.0.2.7 40000\r\n\
             a=confkit-batch:81985529216486895 entries:1 bytes:32349\r\n\
             a=file-selector:name:\"My cool picture.jpg\" type:image/jpeg size:32349 hash:sha-256:{sha256}\r\n\
             a=file-transfer-id:vBnG916bdberum2fFEABR1FR3ExZMUrd\r\na=file-disposition:attachment\r\na=sendonly\r\n"
        )
    );
    assert_eq!(again(&offer), offer);
    assert_eq!(offer.source(), Ok(source));
}

#[test]
fn every_line_reads_as_written() {
    let source: SocketAddr = "[2001:db8::7]:40000".parse().expect("address");
    let full = Line {
        connection: Connection::Existing,
        batch: Some(picture()),
        recipients: vec!["bob".into(), "sip:carol@as;x=y".into()],
        share: Some(ShareId(4)),
        conf: "5f3c".parse().ok(),
        key: Some(TransferKey::from_bytes([3; 32])),
        ..Line::server(source, Some(Fingerprint([2; 32])), Direction::RecvOnly)
    };
    let many = Batch { entries: 2, files: Vec::new(), bytes: None, ..picture() };
    for line in [
        full.clone(),
        Line { transport: Transport::Tcp, fingerprint: None, ..full.clone() },
        Line { batch: Some(many), ..Line::terminal(Transport::Tcp, source, Direction::SendOnly) },
        Line { port: DISCARD, ..Line::terminal(Transport::Tls, source, Direction::RecvOnly) },
        Line { setup: None, spelling: Spelling::Seed, ..full.clone() },
        Line { spelling: Spelling::Seed, ..Line::terminal(Transport::Tcp, source, Direction::SendOnly) },
        full.ended(),
        Line { spelling: Spelling::Seed, transport: Transport::Tcp, ..full.clone() }.ended(),
    ] {
        assert_eq!(again(&line), line);
    }
}

#[test]
fn the_seeds_line_is_read_in_any_case_and_answered_in_kind() {
    for seed in ["m=Fileshare 5000", "m=fileshare 5000", "m=FILESHARE  5000 ", "m=Fileshare 5000 -"] {
        let line = line(&format!("{seed}\n"));
        assert_eq!((line.spelling, line.transport, line.port), (Spelling::Seed, Transport::Tcp, 5000), "{seed}");
        assert_eq!(line.source(), "192.0.2.7:5000".parse().map_err(|_| LineError::Address), "{seed}");
    }
    let answer = Line { spelling: Spelling::Seed, ..Line::server("192.0.2.9:6000".parse().expect("address"), None, Direction::RecvOnly) };
    let mut session = crate::sdp::Negotiation::new("-", IpAddr::from([192, 0, 2, 9]), 2);
    session
        .offered("v=0\no=- 1 1 IN IP4 192.0.2.7\ns=-\nc=IN IP4 192.0.2.7\nt=0 0\nm=fileshare 5000\n".parse().expect("seed"))
        .expect("idle");
    let text = session.answer(vec![Some(answer.to_media())]).expect("an answer").to_text();
    assert!(text.contains("m=Fileshare 6000\r\na=setup:passive\r\n"), "{text}");
}

#[test]
fn a_fingerprint_makes_the_seeds_line_tls() {
    assert_eq!(line(&format!("m=Fileshare 5000\n{}", fingerprint())).transport, Transport::Tls);
}

#[test]
fn port_nine_needs_a_source_and_others_agree_with_it() {
    let source = |port: u16, attributes: &str| line(&format!("m=application {port} TCP/fileshare *\n{attributes}")).source();
    let here = |port: u16| Ok(SocketAddr::from(([192, 0, 2, 7], port)));
    assert_eq!(source(40000, "a=setup:active\n"), here(40000));
    assert_eq!(source(9, "a=setup:active\na=confkit-source:192.0.2.7 40000\n"), here(40000));
    assert_eq!(source(40000, "a=confkit-source:192.0.2.7 40000\n"), here(40000));
    assert_eq!(source(40000, "a=confkit-source:::ffff:192.0.2.7 40000\na=setup:actpass\n"), here(40000), "one spelling");
    for (port, attributes, error) in [
        (9, "", LineError::Port),
        (40001, "a=confkit-source:192.0.2.7 40000\n", LineError::Port),
        (9, "a=confkit-source:192.0.2.7 0\n", LineError::Port),
        (40000, "a=setup:passive\n", LineError::Setup),
        (40000, "a=setup:holdconn\n", LineError::Setup),
        (9, "a=confkit-source:0.0.0.0 5\n", LineError::Address),
        (9, "a=confkit-source:255.255.255.255 5\n", LineError::Address),
        (9, "a=confkit-source:ff02::1 5\n", LineError::Address),
        (40000, "c=IN IP4 alice.example\n", LineError::Address),
        (40000, "c=IN IP4 0.0.0.0\n", LineError::Address),
        (0, "", LineError::Refused),
    ] {
        assert_eq!(source(port, attributes), Err(error), "{port} {attributes}");
    }
}

#[test]
fn a_servers_line_says_where_how_and_with_which_key() {
    let key = TransferKey::from_bytes([5; 32]);
    let with_key = format!("a=confkit-key:{}\n", key.reveal().as_str());
    let full = format!("a=setup:passive\n{}{with_key}", fingerprint());
    let endpoint = ours(&full).expect("a good line").endpoint().expect("an endpoint");
    assert_eq!((endpoint.address, endpoint.fingerprint), ("192.0.2.7:40000".parse().expect("address"), Some(Fingerprint([0xab; 32]))));
    assert!(endpoint.key == key);
    let plain = line(&format!("m=application 40000 TCP/fileshare *\na=setup:passive\n{full}").replacen("a=setup:passive\n", "", 1));
    assert_eq!(plain.endpoint().expect("an endpoint").fingerprint, None, "TCP is TCP, whatever is said besides");
    for (attributes, error) in [
        (full.replace("passive", "active"), LineError::Setup),
        (full.replace(&with_key, ""), LineError::Key),
        (full.replace(&fingerprint(), ""), LineError::Fingerprint),
        (format!("c=IN IP4 0.0.0.0\n{full}"), LineError::Address),
    ] {
        assert_eq!(ours(&attributes).expect(&attributes).endpoint(), Err(error), "{attributes}");
    }
    assert_eq!(line(&format!("m=application 9 TCP/TLS/fileshare *\n{full}")).endpoint(), Err(LineError::Port));
    assert_eq!(line(&format!("m=application 0 TCP/TLS/fileshare *\n{full}")).endpoint(), Err(LineError::Refused));
}

#[test]
fn hostile_lines_are_refused_by_name() {
    for (attributes, what) in [
        ("a=setup:sideways\n", "setup"),
        ("a=setup\n", "setup"),
        ("a=setup:active\na=setup:passive\n", "setup"),
        ("a=connection:old\n", "connection"),
        ("a=fingerprint:sha-256 AB\n", "fingerprint"),
        ("a=fingerprint:none\n", "fingerprint"),
        ("a=confkit-source:192.0.2.7\n", "confkit-source"),
        ("a=confkit-source:192.0.2.7:5\n", "confkit-source"),
        ("a=confkit-source:alice 5\n", "confkit-source"),
        ("a=confkit-source:192.0.2.7 65536\n", "confkit-source"),
        ("a=confkit-share:3\n", "confkit-share"),
        ("a=confkit-to\n", "confkit-to"),
        ("a=confkit-to:bob and carol\n", "confkit-to"),
        ("a=confkit-conf:a b\n", "confkit-conf"),
        ("a=confkit-conf\n", "confkit-conf"),
        ("a=confkit-key:secret\n", "confkit-key"),
        ("a=confkit-batch\n", "confkit-batch"),
        ("a=confkit-batch:x entries:1\n", "confkit-batch"),
        ("a=confkit-batch:1\n", "confkit-batch"),
        ("a=confkit-batch:1 entries:-1\n", "confkit-batch"),
        ("a=confkit-batch:1 entries:1 manifest:AB\n", "confkit-batch"),
        ("a=file-transfer-id:a b\n", "file-transfer-id"),
        ("a=file-transfer-id\n", "file-transfer-id"),
        ("a=file-selector:name:\"open\n", "file-selector"),
        ("a=file-selector:name:bare\n", "file-selector"),
        ("a=file-selector:name:\"\"\n", "file-selector"),
        ("a=file-selector:name:\"%\"\n", "file-selector"),
        ("a=file-selector:name:\"%4\"\n", "file-selector"),
        ("a=file-selector:name:\"%+4\"\n", "file-selector"),
        ("a=file-selector:name:\"%FF\"\n", "file-selector"),
        ("a=file-selector:name:\"a\" name:\"b\"\n", "file-selector"),
        ("a=file-selector:size:+5\n", "file-selector"),
        ("a=file-selector:size:18446744073709551616\n", "file-selector"),
        ("a=file-selector:type:jpeg\n", "file-selector"),
        ("a=file-selector:hash:sha-256\n", "file-selector"),
        ("a=file-selector:hash:sha-256:72\n", "file-selector"),
        ("a=file-selector:name\n", "file-selector"),
    ] {
        assert_eq!(ours(attributes), Err(LineError::Malformed(what)), "{attributes}");
    }
    assert_eq!(ours("a=fingerprint:sha-1 4A:AD\n"), Err(LineError::Fingerprint));
    let long = |count: usize| format!("a=file-selector:name:\"{}\"\n", "a".repeat(count));
    assert_eq!(ours(&long(1025)), Err(LineError::Malformed("file-selector")));
    assert_eq!(ours(&long(MAX_VALUE)), Err(LineError::Malformed("length of an attribute")));
    let many = format!("a=file-selector:{}\n", "x:1 ".repeat(17));
    assert_eq!(ours(&many), Err(LineError::Malformed("file-selector")));
    assert_eq!(ours(&"a=confkit-to:bob\n".repeat(65)), Err(LineError::Malformed("confkit-to")));
    let hidden = ours("a=confkit-key:c2VjcmV0\n").expect_err("malformed").to_string();
    assert!(!hidden.contains("c2VjcmV0"), "{hidden}");
}

#[test]
fn what_a_later_version_says_more_is_passed_over() {
    let read = ours("a=confkit-batch:1 colour:red entries:3\na=confkit-mood:sunny\na=file-disposition:origami\n").expect("a good line");
    assert_eq!(read.batch, Some(Batch { id: BatchId(1), entries: 3, bytes: None, manifest: None, files: Vec::new() }));
    assert_eq!(read.disposition, None);
    let both = format!("a=fingerprint:sha-1 4A:AD\n{}", fingerprint());
    assert_eq!(ours(&both).map(|line| line.fingerprint), Ok(Some(Fingerprint([0xab; 32]))));
}

#[test]
fn the_selectors_of_rfc_5547_are_read() {
    // RFC 5547 §6 figure 2, in one line as its note says.
    let sha1 = "hash:sha-1:72:24:5F:E8:65:3D:DA:F3:71:36:2F:86:D4:71:91:3E:E4:A2:CE:2E";
    let attributes = format!(
        "a=file-selector:name:\"My cool picture.jpg\" type:image/jpeg size:32349 {sha1}\n\
         a=file-transfer-id:vBnG916bdberum2fFEABR1FR3ExZMUrd\na=file-disposition:attachment\n\
         a=file-date:creation:\"Mon, 15 May 2006 15:01:31 +0300\"\na=file-icon:cid:id2@alicepc.example.com\na=file-range:1-32349\n"
    );
    let read = ours(&attributes).expect("a good line");
    let file = FileFacts { sha256: None, ..picture().files.remove(0) };
    assert_eq!(read.batch, Some(Batch { id: BatchId(0), entries: 1, bytes: Some(32349), manifest: None, files: vec![file] }));
    assert_eq!(read.transfer_id.as_deref(), Some("vBnG916bdberum2fFEABR1FR3ExZMUrd"));
    assert_eq!(read.disposition, Some(Disposition::Attachment));
    // §9.2, figure 15: by its hash alone; §8.5: none at all.
    let nameless = |attributes: &str| ours(attributes).expect("a good line").batch.expect("a batch").files[0].clone();
    let empty = FileFacts { name: String::new(), size: None, mime: None, sha256: None };
    assert_eq!(nameless(&format!("a=file-selector:{sha1}\n")), empty);
    assert_eq!(nameless("a=file-selector\n"), empty);
    let parameters = nameless("a=file-selector:type:text/plain;charset=\"utf-8\" size:0\n");
    assert_eq!((parameters.mime.as_deref(), parameters.size), (Some("text/plain;charset=\"utf-8\""), Some(0)));
    // §6, figure 2 as it stands there is MSRP: none of ours.
    assert_eq!(Line::read(&section("m=message 7654 TCP/MSRP *\na=file-selector:name:\"a\"\n")), Ok(None));
}

#[test]
fn any_name_survives_the_selector() {
    for name in ["a \"quoted\" 100%.txt", "a/b\\c", "..", "naïve 文件.txt", "new\r\nline\0", "a=b:c;d", " spaced "] {
        let mut batch = picture();
        batch.files[0].name = name.into();
        let line = Line { batch: Some(batch), ..ours("a=setup:active\n").expect("a good line") };
        let media = line.to_media();
        let selector = media.attribute("file-selector").and_then(|value| value.split_once(" type:")).expect("a selector").0;
        assert!(!selector.contains(['\r', '\n', '\0', '/', '\\']), "{selector:?}");
        assert_eq!(again(&line).batch, line.batch, "{name:?}");
    }
}

#[test]
fn other_lines_are_not_of_a_share() {
    for other in [
        "m=audio 5000 RTP/AVP 0",
        "m=application 5000 TCP/TLS/BFCP *",
        "m=application 5000 UDP/fileshare *",
        "m=fileshare 5000 RTP/AVP 0",
        "m=audio 0 RTP/AVP 0",
    ] {
        assert_eq!(Line::read(&section(&format!("{other}\n"))), Ok(None), "{other}");
        assert!(!Line::is_share(&section(&format!("{other}\n"))));
    }
    assert!(Line::is_share(&section("m=APPLICATION 0 tcp/tls/FILESHARE *\n")), "refused lines come in capitals");
}

#[test]
fn keys_do_not_appear_in_debug() {
    let key = TransferKey::from_bytes([5; 32]);
    let text = key.reveal().to_string();
    let line = Line { key: Some(key), ..ours("").expect("a good line") };
    assert!(!format!("{line:?}").contains(&text));
}
