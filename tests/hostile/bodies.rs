//! Bodies that nobody would write: XML, multipart, session descriptions.

use std::fmt::Write as _;

use confkit::conference::wire::control::{Body, Command, Data, Request};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use crate::{
    agent::{Agent, Dialog, SDP, sdp, warning},
    call::Call,
    harness::Daemon,
    metric, wait_for,
    wire::{Heard, Wire, another_host},
};

const CONTROL: &str = "Content-Type: application/vnd.confkit.conference+xml\r\n";
const PACKAGE: &str = "Info-Package: vnd.confkit.conference\r\n";
const LEGS: &str = "confkit_media_legs";

/// Asks for the list of conferences, and gets it.
async fn list(agent: &mut Agent, dialog: &mut Dialog) {
    let id = format!("list-{}", dialog.seq);
    let body = Body::Request(Request { id: id.clone(), command: Command::List }).to_xml();
    assert_eq!(agent.ask_inside(dialog, "INFO", &format!("{PACKAGE}{CONTROL}"), body).await.status, 200);
    loop {
        while let Some(info) = agent.asked.pop_front() {
            if let Ok(Body::Reply(reply)) = Body::parse(&info.body)
                && reply.id == id
            {
                let Ok(Data::Conferences { conferences }) = reply.outcome else { panic!("{reply:?}") };
                assert_eq!(conferences.len(), 1, "the conference of the call");
                return;
            }
        }
        agent.hear().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_xml_is_refused_with_its_reason_and_the_control_dialog_goes_on() {
    let daemon = Daemon::ephemeral(&[]);
    let mut call = Call::begin(&daemon).await;
    let mut agent = Agent::tcp(&daemon).await.with_account("admin", &daemon.password("admin"));
    let nothing = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n";
    let control = agent.at("control");
    let mut dialog =
        agent.invite(&control, &format!("{SDP}Recv-Info: vnd.confkit.conference\r\n"), nothing).await.expect("control is taken");
    list(&mut agent, &mut dialog).await;

    let request = |content: &str| format!("<request xmlns=\"urn:confkit:conference:1\" id=\"x\">{content}</request>");
    let laughs = (1..30).fold("<!ENTITY l0 \"ha\">".to_owned(), |mut laughs, n| {
        let _ = write!(laughs, "<!ENTITY l{n} \"&l{0};&l{0};&l{0};&l{0};\">", n - 1);
        laughs
    });
    let bodies: Vec<(&str, String)> = vec![
        ("the XML has a document type declaration", format!("<!DOCTYPE request SYSTEM \"file:///etc/passwd\">{}", request("<list/>"))),
        ("the XML has a document type declaration", format!("<!DOCTYPE request [{laughs}]>{}", request("<show name=\"&l29;\"/>"))),
        ("the XML is nested deeper than 32 elements", "<a>".repeat(10_000)),
        (
            "an element of the XML has more than 64 attributes",
            format!("<a {}/>", (0..3000).map(|n| format!("b{n}=\"\" ")).collect::<String>()),
        ),
        ("the XML is not well formed", request("&undeclared;")),
        ("the XML is not well formed", "<request".repeat(5000)),
        ("the XML is not well formed", " ".repeat(60_000)),
        ("the body holds no urn:confkit:conference:1 request, result, join or admission", format!("<a>{}</a>", "<b/>".repeat(14_000))),
        ("the body holds no urn:confkit:conference:1 request, result, join or admission", "<request id=\"x\"><list/></request>".to_owned()),
    ];
    for (why, body) in bodies {
        let refused = agent.ask_inside(&mut dialog, "INFO", &format!("{PACKAGE}{CONTROL}"), &body).await;
        assert_eq!(refused.status, 400, "{why}");
        assert!(warning(&refused).starts_with(why), "{:?}, not {why}", warning(&refused));
        list(&mut agent, &mut dialog).await;
    }
    let refused = agent.ask_inside(&mut dialog, "INFO", &format!("{PACKAGE}{CONTROL}"), b"<a>\xff\xfe</a>").await;
    assert_eq!((refused.status, warning(&refused).as_str()), (400, "the XML is not UTF-8"));
    let refused = agent.ask_inside(&mut dialog, "INFO", &format!("{PACKAGE}Content-Type: text/html\r\n"), "<html/>").await;
    assert_eq!(refused.status, 415);
    let refused = agent.ask_inside(&mut dialog, "INFO", &format!("Info-Package: other\r\n{CONTROL}"), request("<list/>")).await;
    assert_eq!(refused.status, 469);
    // What can be read and makes no sense is told in a reply, by the request's id.
    let odd = request(&format!("<create name=\"{}\"/>", "x".repeat(50_000)));
    assert_eq!(agent.ask_inside(&mut dialog, "INFO", &format!("{PACKAGE}{CONTROL}"), odd).await.status, 200);
    list(&mut agent, &mut dialog).await;
    // More than a message may hold ends the connection, not the server.
    let mut other = Agent::new(Wire::tcp(another_host(), daemon.sip()).await.expect("connected"), &daemon, "mallory");
    let huge = other.request("MESSAGE", &control, "Content-Type: text/xml\r\n", " ".repeat(70_000));
    other.wire.send(&huge).await;
    assert!(matches!(other.wire.next().await, Some(Heard::Response(513, _))));
    list(&mut agent, &mut dialog).await;
    assert_eq!(agent.ask_inside(&mut dialog, "BYE", "", "").await.status, 200);
    call.goes_on().await;
    call.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn multiparts_that_explode_are_refused_with_their_reason() {
    let daemon = Daemon::ephemeral(&[]);
    let mut call = Call::begin(&daemon).await;
    let mut agent = Agent::tcp(&daemon).await;
    let uri = agent.at("honest");
    let part = "Content-Type: text/plain\r\n\r\nx\r\n";
    let many = format!("--b\r\n{part}").repeat(900) + "--b--\r\n";
    let nested = (0..400).map(|n| format!("--b{n}\r\nContent-Type: multipart/mixed;boundary=b{}\r\n\r\n", n + 1)).collect::<String>();
    let long_header = format!("--b\r\nX: {}\r\n\r\nx\r\n--b--\r\n", "y".repeat(5000));
    let encoded = "--b\r\nContent-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\ndj0w\r\n--b--\r\n".to_owned();
    let long_boundary = format!("multipart/mixed;boundary={}", "b".repeat(10_000));
    let of_b = "multipart/mixed;boundary=b";
    for (content_type, body, why) in [
        (of_b, many, "the multipart has more than 8 parts"),
        ("multipart/mixed;boundary=b0", nested, "the multipart is not closed"),
        (of_b, format!("--b\r\n{part}"), "the multipart is not closed"),
        (of_b, "--b--\r\n".to_owned(), "the multipart is not closed"),
        (of_b, "\r\n".repeat(20_000), "the multipart is not closed"),
        (of_b, long_header, "the header fields of a body part are malformed"),
        (of_b, encoded, "a body part has a transfer encoding that is not understood"),
        ("multipart/mixed", format!("--b\r\n{part}--b--\r\n"), "the multipart Content-Type has no usable boundary"),
        (long_boundary.as_str(), "x".to_owned(), "the multipart Content-Type has no usable boundary"),
    ] {
        let refused = agent.invite(&uri, &format!("Content-Type: {content_type}\r\n"), body).await.expect_err(why);
        assert_eq!((refused.status, warning(&refused).as_str()), (400, why));
    }
    // Parts without end around a good description: only the first eight are counted, and a good one among few is found.
    let good = format!("--b\r\n{SDP}\r\n{}\r\n--b--\r\n", sdp(([127, 0, 0, 1], 9).into()));
    let mut dialog = agent.invite(&uri, &format!("Content-Type: {of_b}\r\n"), good).await.expect("a multipart is no fault by itself");
    assert_eq!(agent.ask_inside(&mut dialog, "BYE", "", "").await.status, 200);
    wait_for(&daemon, LEGS, |legs| legs == 2.0).await;
    call.goes_on().await;
    call.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_descriptions_of_any_kind_are_answered_or_refused_and_leave_nothing_behind() {
    let daemon = Daemon::ephemeral(&[]);
    let mut call = Call::begin(&daemon).await;
    let mut agent = Agent::tcp(&daemon).await;
    let uri = agent.at("honest");
    let good = sdp(([127, 0, 0, 1], 9).into());
    let audio = "m=audio 9 RTP/AVP 0\r\n";
    let before_media = good.split("m=").next().expect("a session part").to_owned();
    for (body, status, why) in [
        ("\0\u{1}\u{2}garbage".to_owned(), 400, "the session description is malformed"),
        (before_media.clone() + "m=audio\r\n", 400, "the session description is malformed"),
        (before_media.clone() + "m=audio 99999 RTP/AVP 0\r\n", 400, "the session description is malformed"),
        (before_media.clone() + &audio.repeat(2000), 413, "the session description is longer than 16384 bytes"),
        (before_media.clone() + &audio.repeat(300), 488, "the session description has more than 32 media"),
        (good.replace("RTP/AVP 0 101", "RTP/AVP 97"), 488, ""),
        (good.replace("127.0.0.1", "2001:db8::1").replace("IP4", "IP6"), 488, ""),
    ] {
        let refused = agent.invite(&uri, SDP, &body).await.expect_err(&body);
        let told = warning(&refused);
        assert_eq!(refused.status, status, "{told:?} for {}", body.chars().take(200).collect::<String>());
        assert!(told.starts_with(why) && !told.is_empty(), "{told:?}, not {why:?}");
    }
    // Without a line of media it is a dialog for sharing files, which has no leg.
    for body in ["v=0\r\n", &before_media] {
        let mut dialog = agent.invite(&uri, SDP, body).await.expect("a dialog without audio");
        assert_eq!(metric(&daemon, LEGS), 2.0, "{body}");
        assert_eq!(agent.ask_inside(&mut dialog, "BYE", "", "").await.status, 200, "{body}");
    }
    let (mut rng, mut taken) = (ChaCha12Rng::seed_from_u64(4), 0);
    for _ in 0..200 {
        let mut body = good.clone().into_bytes();
        for _ in 0..rng.random_range(1..6) {
            let at = rng.random_range(0..body.len());
            match rng.random_range(0..4) {
                0 => body[at] = rng.random(),
                1 => drop(body.remove(at)),
                2 => body.insert(at, b"0123456789/:= \r\n-"[rng.random_range(0..17)]),
                _ => {
                    let end = rng.random_range(at..body.len().min(at + 30));
                    let copy = body[at..end].to_vec();
                    body.splice(at..at, copy);
                }
            }
        }
        match agent.invite(&uri, SDP, &body).await {
            Ok(mut dialog) => {
                taken += 1;
                assert_eq!(agent.ask_inside(&mut dialog, "BYE", "", "").await.status, 200);
            }
            Err(refused) => {
                let text = String::from_utf8_lossy(&body);
                assert!(matches!(refused.status, 400 | 415 | 488), "{} {:?}: {text}", refused.status, warning(&refused));
            }
        }
    }
    assert!(taken > 10, "some are harmless: {taken}");
    wait_for(&daemon, LEGS, |legs| legs == 2.0).await;
    assert_eq!(metric(&daemon, "confkit_conferences"), 1.0);
    call.goes_on().await;
    call.end().await;
}
