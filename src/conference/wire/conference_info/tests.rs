//! The RFC's examples, round trips, coherent state.

use super::*;

/// RFC 4575 §7.1.
const BASIC: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="sips:conf233@example.com" state="full" version="1">
 <!-- CONFERENCE INFO -->
 <conference-description>
  <subject>Agenda: This month's goals</subject>
  <service-uris><entry><uri>http://sharepoint/salesgroup/</uri><purpose>web-page</purpose></entry></service-uris>
 </conference-description>
 <conference-state><user-count>33</user-count></conference-state>
 <users>
  <user entity="sip:bob@example.com" state="full">
   <display-text>Bob Hoskins</display-text>
   <endpoint entity="sip:bob@pc33.example.com">
    <display-text>Bob's Laptop</display-text>
    <status>disconnected</status>
    <disconnection-method>departed</disconnection-method>
    <disconnection-info>
     <when>2005-03-04T20:00:00Z</when><reason>bad voice quality</reason><by>sip:mike@example.com</by>
    </disconnection-info>
    <media id="1"><display-text>main audio</display-text><type>audio</type><label>34567</label><src-id>432424</src-id><status>sendrecv</status></media>
   </endpoint>
  </user>
  <user entity="sip:alice@example.com" state="full">
   <display-text>Alice</display-text>
   <endpoint entity="sip:4kfk4j392jsu@example.com;grid=433kj4j3u">
    <status>connected</status>
    <joining-method>dialed-out</joining-method>
    <joining-info><when>2005-03-04T20:00:00Z</when><by>sip:mike@example.com</by></joining-info>
    <media id="1"><type>audio</type><label>34567</label><src-id>534232</src-id><status>sendrecv</status></media>
   </endpoint>
  </user>
 </users>
</conference-info>"#;

fn basic() -> ConferenceInfo {
    ConferenceInfo::parse(BASIC.as_bytes()).expect("RFC 4575 §7.1")
}

fn user(name: &str, state: State) -> User {
    User { entity: format!("sip:{name}@x.example"), state, ..User::default() }
}

fn partial(version: u32, users: Vec<User>) -> ConferenceInfo {
    ConferenceInfo {
        users: Some(Users { state: State::Partial, users }),
        ..ConferenceInfo::new("sip:c@x.example", State::Partial, version)
    }
}

fn names(coherent: &Coherent) -> Vec<&str> {
    coherent.info().and_then(|i| i.users.as_ref()).map(|u| u.users.iter().map(|u| u.entity.as_str()).collect()).unwrap_or_default()
}

#[test]
fn the_rfcs_example_is_read() {
    let info = basic();
    assert_eq!((info.entity.as_str(), info.state, info.version), ("sips:conf233@example.com", State::Full, 1));
    assert_eq!(info.conference_state.as_ref().and_then(|s| s.user_count), Some(33));
    let users = &info.users.as_ref().expect("users").users;
    let bob = &users[0].endpoints[0];
    assert_eq!((bob.status, bob.disconnection_method), (Some(EndpointStatus::Disconnected), Some(DisconnectionMethod::Departed)));
    assert_eq!(bob.disconnection_info.as_ref().and_then(|e| e.when).map(|t| t.to_string()).as_deref(), Some("2005-03-04T20:00:00Z"));
    assert_eq!((users[1].endpoints[0].media[0].status, users[1].endpoints[0].extension.as_ref()), (Some(MediaStatus::SendRecv), None));
}

#[test]
fn documents_read_as_written() {
    let mut info = basic();
    info.description = Some(Description {
        display_text: Some("Weekly <sales>".into()),
        subject: Some("goals & means".into()),
        conf_uris: vec!["tel:+18005671234".into()],
        maximum_user_count: Some(100),
        available_media: vec![AvailableMedia { label: "1".into(), kind: "audio".into(), status: Some(MediaStatus::SendRecv) }],
    });
    info.conference_state = Some(ConferenceState { user_count: Some(2), active: Some(true), locked: Some(false) });
    let alice = &mut info.users.as_mut().expect("users").users[1];
    alice.roles = vec!["chair".into()];
    alice.endpoints[0].referred = Some(Execution { when: None, reason: Some("SIP;text=\"x\"".into()), by: None });
    alice.endpoints[0].extension = Some(Extension { id: "p2".into(), talking: true, muted: false, deaf: true });
    assert_eq!(ConferenceInfo::parse(info.to_xml().as_bytes()), Ok(info));
}

#[test]
fn a_mute_stands_on_the_wire_as_documented() {
    let endpoint = Endpoint {
        entity: "sip:alice@127.0.0.1:5070".into(),
        state: State::Partial,
        status: Some(EndpointStatus::MutedViaFocus),
        media: vec![Media { id: "1".into(), kind: Some("audio".into()), status: Some(MediaStatus::RecvOnly), ..Media::default() }],
        extension: Some(Extension { id: "p1".into(), muted: true, ..Extension::default() }),
        ..Endpoint::default()
    };
    let alice = User { endpoints: vec![endpoint], ..user("alice", State::Partial) };
    assert_eq!(
        partial(2, vec![alice]).to_xml(),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" entity=\"sip:c@x.example\" \
         state=\"partial\" version=\"2\"><users state=\"partial\"><user entity=\"sip:alice@x.example\" state=\"partial\">\
         <endpoint entity=\"sip:alice@127.0.0.1:5070\" state=\"partial\"><status>muted-via-focus</status>\
         <media id=\"1\"><type>audio</type><status>recvonly</status></media>\
         <participant xmlns=\"urn:confkit:conference:1\" id=\"p1\" muted=\"yes\"/></endpoint></user></users></conference-info>"
    );
}

#[test]
fn partial_documents_change_only_what_they_name() {
    let mut coherent = Coherent::new();
    assert_eq!(coherent.apply(partial(1, Vec::new())), Applied::Gap, "the first must be full");
    assert_eq!(coherent.apply(basic()), Applied::Updated);
    let alice = "sip:alice@example.com";
    let endpoint = Endpoint {
        entity: "sip:4kfk4j392jsu@example.com;grid=433kj4j3u".into(),
        state: State::Partial,
        status: Some(EndpointStatus::OnHold),
        media: vec![Media { id: "1".into(), status: Some(MediaStatus::Inactive), ..Media::default() }],
        ..Endpoint::default()
    };
    let held = User { entity: alice.into(), state: State::Partial, endpoints: vec![endpoint], ..User::default() };
    assert_eq!(coherent.apply(partial(2, vec![held, user("carol", State::Full)])), Applied::Updated);
    let users = &coherent.info().expect("info").users.as_ref().expect("users").users;
    assert_eq!((users[1].display_text.as_deref(), users[1].endpoints[0].status), (Some("Alice"), Some(EndpointStatus::OnHold)));
    assert_eq!(users[1].endpoints[0].joining_method, Some(JoiningMethod::DialedOut), "what was not named stays");
    assert_eq!(users[1].endpoints[0].media, [Media { id: "1".into(), status: Some(MediaStatus::Inactive), ..Media::default() }]);
    let bob_goes = User { entity: "sip:bob@example.com".into(), state: State::Deleted, ..User::default() };
    assert_eq!(coherent.apply(partial(3, vec![bob_goes])), Applied::Updated);
    assert_eq!(names(&coherent), [alice, "sip:carol@x.example"]);
}

#[test]
fn old_lost_and_last_documents_are_told_apart() {
    let mut coherent = Coherent::new();
    coherent.apply(basic());
    assert_eq!(coherent.apply(partial(1, vec![user("x", State::Full)])), Applied::Stale);
    assert_eq!(coherent.apply(partial(3, vec![user("x", State::Full)])), Applied::Gap);
    assert_eq!(names(&coherent).len(), 2, "neither changed anything");
    assert_eq!(coherent.apply(ConferenceInfo { version: 9, ..basic() }), Applied::Updated, "a full one may skip versions");
    assert_eq!(coherent.apply(ConferenceInfo::new("sip:c@x.example", State::Deleted, 10)), Applied::Gone);
    assert!(coherent.info().is_none());
}

#[test]
fn a_document_is_printed_once_for_every_version() {
    let users = Users { state: State::Partial, users: vec![user("version=\"0\"", State::Full)] };
    let document = ConferenceInfo { users: Some(users), ..ConferenceInfo::new("sip:c@x.example;x= version=\"0\"", State::Partial, 7) };
    for version in [0, 7, u32::MAX] {
        assert_eq!(document.print().with_version(version), ConferenceInfo { version, ..document.clone() }.to_xml());
    }
}

#[test]
fn a_large_roster_is_cut_and_a_subscriber_has_it_whole() {
    let all: Vec<User> = (0..25).map(|n| user(&format!("u{n}"), State::Full)).collect();
    let full =
        ConferenceInfo { users: Some(Users { state: State::Full, users: all }), ..ConferenceInfo::new("sip:c@x.example", State::Full, 7) };
    let parts = full.split(10);
    assert_eq!(
        parts.iter().map(|p| (p.state, p.version)).collect::<Vec<_>>(),
        [(State::Full, 7), (State::Partial, 8), (State::Partial, 9)]
    );
    let mut coherent = Coherent::new();
    for part in parts {
        assert_eq!(coherent.apply(ConferenceInfo::parse(part.to_xml().as_bytes()).expect("readable")), Applied::Updated);
    }
    assert_eq!(names(&coherent).len(), 25);
}

#[test]
fn odd_documents_are_refused() {
    let parse = |text: &str| ConferenceInfo::parse(text.as_bytes());
    let ns = "xmlns=\"urn:ietf:params:xml:ns:conference-info\"";
    assert_eq!(parse("<conference-info entity=\"a\" version=\"1\"/>"), Err(ConferenceInfoError::OtherDocument));
    for (text, why) in [
        (format!("<conference-info {ns} entity=\"a\"/>"), "the version is missing"),
        (format!("<conference-info {ns} entity=\"a\" version=\"-1\"/>"), "the version is no number"),
        (format!("<conference-info {ns} version=\"1\"/>"), "a conference-info has no entity"),
        (format!("<conference-info {ns} entity=\"a\" version=\"1\" state=\"odd\"/>"), "an unknown state"),
        (format!("<conference-info {ns} entity=\"a\" version=\"1\"><users><user/></users></conference-info>"), "a user has no entity"),
        (
            format!(
                "<conference-info {ns} entity=\"a\" version=\"1\"><conference-state><locked>x</locked></conference-state></conference-info>"
            ),
            "the value of locked is not understood",
        ),
        (
            format!(
                "<conference-info {ns} entity=\"a\" version=\"1\"><users>{}</users></conference-info>",
                "<user entity=\"a\"/>".repeat(4097)
            ),
            "too many users",
        ),
    ] {
        assert_eq!(parse(&text), Err(ConferenceInfoError::Malformed(why.into())));
    }
}
