//! Bodies as they stand on the wire, round trips, and what is refused.

use super::*;
use crate::{account::Audience, conference::wire::Timestamp};

fn parse(inner: &str) -> Result<Body, ControlError> {
    Body::parse(format!("<?xml version=\"1.0\"?><request xmlns=\"{NAMESPACE}\" id=\"7\">{inner}</request>").as_bytes())
}

fn refused(inner: &str) -> String {
    match parse(inner) {
        Err(ControlError::Refused { id, text }) if id == "7" => text,
        other => panic!("{inner}: {other:?}"),
    }
}

fn pin(digits: &str) -> Option<Pin> {
    Some(digits.parse().expect("a PIN"))
}

fn summary() -> Summary {
    Summary {
        name: "standup".into(),
        title: Some("Daily \"stand-up\" <5 min>".into()),
        uri: "sip:standup@127.0.0.1".into(),
        participants: 2,
        max: Some(20),
        locked: false,
        pin: true,
        guests: false,
        rights: [("share".to_owned(), Preset::Chair)].into(),
        created: Timestamp::from_unix(1_700_000_000),
        ends: None,
        owner: Some("admin".into()),
        media_server: None,
    }
}

fn given() -> Vec<Given> {
    vec![
        Given { right: "share".to_owned(), who: "bob".to_owned(), on: true },
        Given { right: "receive".to_owned(), who: "carol".to_owned(), on: false },
    ]
}

fn participant(id: &str) -> Participant {
    Participant {
        id: id.into(),
        uri: "sip:alice@127.0.0.1".into(),
        name: Some("Alice & co".into()),
        user: None,
        role: Role::Guest,
        state: CallState::OnHold,
        dialed_out: true,
        joined: Some(Timestamp::from_unix(1_700_000_001)),
        audio: false,
        muted: true,
        deaf: false,
        talking: false,
        gain_in_db: -6,
        gain_out_db: 0,
        codec: Some("PCMU".into()),
        agent: Some("baresip v1.0.0 (x86_64/linux)".into()),
    }
}

#[test]
fn a_request_stands_on_the_wire_as_documented() {
    let create = Create {
        name: "standup".into(),
        title: Some("Daily".into()),
        pin: pin("1234"),
        guests: Some(false),
        max: Some(20),
        ttl_seconds: Some(3600),
        rights: [("share".to_owned(), Preset::Named)].into(),
        codecs: vec!["PCMA".into(), "PCMU".into()],
    };
    let body = Body::Request(Request { id: "1".into(), command: Command::Create(create) });
    assert_eq!(
        body.to_xml(),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><request xmlns=\"urn:confkit:conference:1\" id=\"1\">\
         <create name=\"standup\" title=\"Daily\" guests=\"no\" max=\"20\" ttl=\"3600\"><pin>1234</pin><right name=\"share\" preset=\"named\"/><codec>PCMA</codec><codec>PCMU</codec></create></request>"
    );
    assert_eq!(Body::parse(body.to_xml().as_bytes()), Ok(body));
}

#[test]
fn every_command_reads_as_written() {
    let conference = || "standup".to_owned();
    let who = || Who::One("alice".into());
    let commands = [
        Command::Create(Create { name: conference(), ..Create::default() }),
        Command::List,
        Command::Status,
        Command::Ticket { audience: Audience::Relay, action: None },
        Command::Ticket { audience: Audience::Board, action: Some("apply".into()) },
        Command::Show { conference: conference() },
        Command::End { conference: conference(), reason: Some("done".into()) },
        Command::Invite { conference: conference(), uris: vec!["sip:bob@x.example".into(), "carol".into()] },
        Command::Kick { conference: conference(), who: who(), reason: None },
        Command::Mute { conference: conference(), who: Who::All, on: true },
        Command::Mute { conference: conference(), who: who(), on: false },
        Command::Deaf { conference: conference(), who: who(), on: true },
        Command::Volume { conference: conference(), who: who(), direction: VolumeDirection::Out, gain_db: -12 },
        Command::Lock { conference: conference(), on: true },
        Command::Pin { conference: conference(), pin: pin("00042") },
        Command::Pin { conference: conference(), pin: None },
        Command::Role { conference: conference(), who: who(), role: Role::Chair },
        Command::Grant { conference: conference(), who: who(), right: "share".into(), on: true },
        Command::Grant { conference: conference(), who: who(), right: "receive".into(), on: false },
    ];
    for command in commands {
        let body = Body::Request(Request { id: "a<&>".into(), command });
        assert_eq!(Body::parse(body.to_xml().as_bytes()), Ok(body));
    }
}

#[test]
fn a_word_on_admission_reads_as_written() {
    for state in [AdmissionState::Pin, AdmissionState::In] {
        let body = Body::Admission(state);
        assert_eq!(Body::parse(body.to_xml().as_bytes()), Ok(body));
    }
    let odd = Body::parse(b"<admission xmlns=\"urn:confkit:conference:1\" state=\"perhaps\"/>");
    assert!(matches!(odd, Err(ControlError::Malformed(_))), "{odd:?}");
}

#[test]
fn every_reply_reads_as_written() {
    let failure = Failure { candidates: vec!["p1".into(), "p2".into()], ..Failure::new(ErrorCode::NotFound, "no such participant: al") };
    let status = Status {
        version: "0.1.0".into(),
        uptime_seconds: 5,
        roles: vec!["as".into(), "ms".into()],
        draining: false,
        conferences: 1,
        participants: 2,
        contacts: 3,
        media_servers: vec![MediaServer { uri: "sip:ms.invalid".into(), reachable: true, legs: 2, capacity: 100, load: 10 }],
    };
    let outcomes = [
        Ok(Data::Done {}),
        Ok(Data::Created(Box::new(summary()))),
        Ok(Data::Conferences { conferences: vec![summary(), Summary { name: "x".into(), ..summary() }] }),
        Ok(Data::Conferences { conferences: Vec::new() }),
        Ok(Data::Conference(Box::new(Details { summary: summary(), given: given(), roster: vec![participant("p1"), participant("p2")] }))),
        Ok(Data::Invited {
            invited: vec![
                Invitee { uri: "sip:a@x".into(), participant: Some("p3".into()), failure: None },
                Invitee { uri: "sip:b@x".into(), participant: None, failure: Some(Failure::new(ErrorCode::Declined, "busy here")) },
            ],
        }),
        Ok(Data::Participants { participants: vec![participant("p1")] }),
        Ok(Data::Status(Box::new(status))),
        Ok(Data::Ticket(Box::new(Issued {
            ticket: "AQEAAA-_".parse().expect("a text of a ticket"),
            audience: Audience::Relay,
            expires: Timestamp::from_unix(600),
        }))),
        Err(failure),
    ];
    for outcome in outcomes {
        let body = Body::Reply(Reply { id: "1".into(), more: false, outcome });
        assert_eq!(Body::parse(body.to_xml().as_bytes()), Ok(body));
    }
    for join in [Join { pin: pin("123456") }, Join::default()] {
        assert_eq!(Body::parse(Body::Join(join.clone()).to_xml().as_bytes()), Ok(Body::Join(join)));
    }
}

#[test]
fn a_long_reply_is_cut_and_put_together_again() {
    let roster: Vec<Participant> = (0..25).map(|n| participant(&format!("p{n}"))).collect();
    let whole = Reply::ok("1", Data::Conference(Box::new(Details { summary: summary(), given: given(), roster })));
    let parts = whole.clone().split(10);
    assert_eq!(parts.iter().map(|p| p.more).collect::<Vec<_>>(), [true, true, false]);
    let mut parts = parts.into_iter();
    let mut joined = parts.next().expect("three parts");
    parts.for_each(|part| joined.join(part));
    assert_eq!(joined, whole);
    assert_eq!(Reply::ok("1", Data::Conferences { conferences: Vec::new() }).split(10).len(), 1, "an empty list is an answer, too");
}

#[test]
fn strangers_texts_are_cut_to_what_the_other_side_reads() {
    let long = Participant { agent: Some("é".repeat(2000)), name: Some(String::new()), ..participant("p1") };
    let body = Body::Reply(Reply::ok("1", Data::Participants { participants: vec![long] }));
    let Ok(Body::Reply(Reply { outcome: Ok(Data::Participants { participants }), .. })) = Body::parse(body.to_xml().as_bytes()) else {
        panic!("unreadable");
    };
    assert_eq!(participants[0].agent.as_ref().map(String::len), Some(MAX_TEXT));
    assert_eq!(participants[0].name, None);
}

#[test]
fn odd_requests_are_refused_with_a_reason_that_can_be_sent_back() {
    for (inner, why) in [
        ("", "the request holds no command"),
        ("<list/><list/>", "a request holds one command"),
        ("<dance/>", "there is no command \"dance\""),
        ("<list xmlns=\"urn:other\"/>", "the request holds no command"),
        ("<create/>", "the name is missing"),
        ("<ticket/>", "the audience is missing"),
        ("<ticket audience=\"as\"/>", "a ticket is for relay, library, swarm or board"),
        ("<create name=\"\"/>", "the name is missing"),
        ("<create name=\"a\"><pin>12</pin></create>", "a PIN is 4 to 16 digits, so that it can be typed on a telephone"),
        ("<create name=\"a\" max=\"-1\"/>", "\"-1\" is no max"),
        ("<create name=\"a\" guests=\"maybe\"/>", "\"maybe\" is no guests"),
        ("<invite conference=\"a\"/>", "an invitation needs at least one uri"),
        ("<mute conference=\"a\" on=\"yes\"/>", "say either who or all"),
        ("<mute conference=\"a\" who=\"b\" all=\"yes\" on=\"yes\"/>", "say either who or all"),
        ("<mute conference=\"a\" who=\"b\"/>", "the on is missing"),
        ("<volume conference=\"a\" who=\"b\" gain=\"41\"/>", "the gain goes from -40 to 40 dB"),
        ("<volume conference=\"a\" who=\"b\" gain=\"1000\"/>", "\"1000\" is no gain"),
        ("<role conference=\"a\" who=\"b\" role=\"king&#x1b;[2J\"/>", "\"king\\u{1b}[2J\" is no role"),
    ] {
        // XML 1.0 has no escape character, so that case is not well formed.
        if inner.contains("&#x1b;") {
            assert!(matches!(parse(inner), Err(ControlError::Xml(_))));
        } else {
            assert_eq!(refused(inner), why, "{inner}");
        }
    }
    let many = format!("<invite conference=\"a\">{}</invite>", "<uri>sip:a@b</uri>".repeat(65));
    assert_eq!(refused(&many), "an invitation takes at most 64 uris");
    let long = format!("<show conference=\"{}\"/>", "a".repeat(1025));
    assert_eq!(refused(&long), "the conference is longer than 1024 bytes");
}

#[test]
fn bodies_of_another_kind_are_told_apart() {
    let parse = |text: &str| Body::parse(text.as_bytes());
    assert_eq!(parse("<request id=\"1\"><list/></request>"), Err(ControlError::OtherDocument));
    assert_eq!(parse("<x xmlns=\"urn:confkit:conference:1\"/>"), Err(ControlError::OtherDocument));
    assert!(matches!(parse("<request xmlns=\"urn:confkit:conference:1\"><list/></request>"), Err(ControlError::Malformed(_))), "no id");
    assert!(matches!(parse("<!DOCTYPE request><request/>"), Err(ControlError::Xml(XmlError::Dtd))));
    assert!(matches!(parse("<result xmlns=\"urn:confkit:conference:1\" id=\"1\" status=\"fine\"/>"), Err(ControlError::Malformed(_))));
}

#[test]
fn json_has_plain_fields() {
    let json = |data: Data| serde_json::to_value(data).expect("json");
    assert_eq!(json(Data::Done {}), serde_json::json!({}));
    assert_eq!(json(Data::Created(Box::new(summary())))["created"], "2023-11-14T22:13:20Z");
    let show = json(Data::Conference(Box::new(Details { summary: summary(), given: given(), roster: vec![participant("p1")] })));
    assert_eq!(
        (&show["name"], &show["roster"][0]["state"], &show["roster"][0]["role"]),
        (&"standup".into(), &"on-hold".into(), &"guest".into())
    );
    let invited = Invitee { uri: "sip:b@x".into(), participant: None, failure: Some(Failure::new(ErrorCode::NotFound, "no such user")) };
    assert_eq!(json(Data::Invited { invited: vec![invited] })["invited"][0]["code"], "not-found");
}

#[test]
fn a_conference_lives_ten_years_at_most() {
    assert!(parse("<create name=\"a\" ttl=\"315360000\"/>").is_ok());
    for ttl in ["316224001", "18446744073709551615"] {
        assert!(refused(&format!("<create name=\"a\" ttl=\"{ttl}\"/>")).contains("ten years"), "{ttl}");
    }
}
