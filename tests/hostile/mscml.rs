//! The media server as a process of its own: who may not use it, and MSCML that is none.

use confkit::sip::message::Response;

use crate::{
    agent::{Agent, warning},
    harness::Daemon,
    metric, wait_for,
    wire::Wire,
};

const MSCML: &str = "Content-Type: application/mediaservercontrol+xml\r\n";

fn request(content: &str) -> String {
    format!("<?xml version=\"1.0\"?><MediaServerControl version=\"1.0\"><request>{content}</request></MediaServerControl>")
}

/// The next body that the media server sends.
async fn told(server: &mut Agent) -> String {
    loop {
        if let Some(info) = server.asked.pop_front() {
            return String::from_utf8_lossy(&info.body).into_owned();
        }
        server.hear().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_refused_by_a_media_server_and_cannot_make_it_work() {
    let daemon = Daemon::with(&["--ephemeral", "--roles", "ms"], &[("RELAYD_CONTROLLERS", "127.0.0.1")]);
    let mut stranger = Agent::tcp(&daemon).await;
    let uri = stranger.at("conf=x");
    for method in ["INVITE", "OPTIONS", "INFO", "BYE", "REGISTER", "SUBSCRIBE", "MESSAGE"] {
        let asked = stranger.request(method, &uri, MSCML, request("<configure_conference reservedtalkers=\"9\"/>"));
        assert_eq!(stranger.ask(&asked).await.status, 403, "{method}");
    }
    assert_eq!((metric(&daemon, "confkit_media_conferences"), metric(&daemon, "confkit_media_legs")), (0.0, 0.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mscml_that_is_none_is_refused_with_its_reason_and_the_conference_goes_on() {
    let daemon = Daemon::with(&["--ephemeral", "--roles", "ms"], &[("RELAYD_CONTROLLERS", "127.0.0.1")]);
    let wire = Wire::tcp([127, 0, 0, 1].into(), daemon.sip()).await.expect("connected");
    let mut server = Agent::new(wire, &daemon, "as");
    let uri = server.at("conf=x");
    let mut control = server.invite(&uri, MSCML, request("<configure_conference reservedtalkers=\"9\"/>")).await.expect("a control leg");
    wait_for(&daemon, "confkit_media_conferences", |count| count == 1.0).await;
    assert!(told(&mut server).await.contains("code=\"200\""), "what the INVITE asked for");

    let bodies = [
        ("the XML has a document type declaration", format!("<!DOCTYPE a [<!ENTITY b \"c\">]>{}", request("<stop/>"))),
        ("the XML is nested deeper than 32 elements", "<a>".repeat(10_000)),
        ("the XML is not well formed", "<MediaServerControl".to_owned()),
        ("", "<html/>".to_owned()),
    ];
    let refused = |response: &Response, why: &str| {
        assert_eq!(response.status, 400, "{why}");
        assert!(warning(response).starts_with(why) && !warning(response).is_empty(), "{:?}, not {why}", warning(response));
    };
    for (why, body) in &bodies {
        refused(&server.ask_inside(&mut control, "INFO", MSCML, body).await, why);
        let other = server.at("conf=y");
        refused(&server.invite(&other, MSCML, body).await.expect_err(why), why);
    }
    // What is MSCML and asks for what is not there is answered in MSCML.
    for odd in [
        "<fax/>",
        "<configure_leg id=\"nobody\" mixmode=\"full\"/>",
        "<playcollect maxdigits=\"4\"/>",
        "<configure_conference reservedtalkers=\"-1\"/>",
    ] {
        assert_eq!(server.ask_inside(&mut control, "INFO", MSCML, request(odd)).await.status, 200);
        let response = told(&mut server).await;
        assert!(response.contains("<response") && !response.contains("code=\"200\""), "{odd}: {response}");
    }
    assert_eq!(metric(&daemon, "confkit_media_conferences"), 1.0);
    assert_eq!(server.ask_inside(&mut control, "BYE", "", "").await.status, 200);
    wait_for(&daemon, "confkit_media_conferences", |count| count == 0.0).await;
}
