//! UDP: what nobody sent in earnest, what came before, and what came too early.

use std::time::Duration;

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use crate::{
    agent::{Agent, Dialog, SDP, sdp, warning},
    call::Call,
    harness::Daemon,
    metric, wait_for,
    wire::Heard,
};

const PARTICIPANTS: &str = "confkit_participants";

/// An address that takes audio and does nothing with it.
fn nobody() -> (std::net::UdpSocket, std::net::SocketAddr) {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_passed_over_and_what_is_too_large_is_told_so_briefly() {
    let daemon = Daemon::ephemeral(&[]);
    let mut call = Call::begin(&daemon).await;
    let mut agent = Agent::udp(&daemon).await;
    let mut rng = ChaCha12Rng::seed_from_u64(3);
    let good = agent.request("OPTIONS", &agent.at("control"), "", "");
    for at in 0..1500 {
        let garbage = if at % 2 == 0 {
            let mut garbage = vec![0; rng.random_range(0..1500)];
            rng.fill_bytes(&mut garbage);
            garbage
        } else {
            // Nearly a message.
            let mut broken = good.clone();
            for _ in 0..rng.random_range(1..12) {
                let at = rng.random_range(0..broken.len());
                broken[at] = rng.random();
            }
            broken.truncate(rng.random_range(0..=broken.len()));
            broken
        };
        agent.wire.send(garbage).await;
        if at % 50 == 49 {
            agent.is_answered().await;
        }
    }
    let uri = agent.at("control");
    let many = "X: y\r\n".repeat(9000);
    let long = agent.at(&"u".repeat(30_000));
    for (request, status) in [(agent.request("OPTIONS", &uri, &many, ""), 400), (agent.request("OPTIONS", &long, "", ""), 414)] {
        assert!(request.len() > 32 * 1024);
        assert!(agent.wire.send(&request).await);
        let heard = agent.wire.next().await.expect("an answer");
        assert!(matches!(&heard, Heard::Response(told, _) if *told == status), "{heard:?}");
        assert!(agent.wire.length <= request.len() + 256, "a stranger is sent no more than it sent");
        if let Heard::Response(_, Some(answer)) = heard {
            assert!(!warning(&answer).is_empty(), "{answer:?}");
        }
    }
    for _ in 0..10 {
        agent.wire.send(vec![b'A'; 65_507]).await;
    }
    agent.is_answered().await;
    call.goes_on().await;
    call.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicates_get_the_same_answer_and_change_nothing() {
    let daemon = Daemon::ephemeral(&[]);
    let mut call = Call::begin(&daemon).await;
    let (_socket, rtp) = nobody();
    let mut agent = Agent::udp(&daemon).await;
    let invite = agent.request("INVITE", &agent.at("honest"), SDP, sdp(rtp));
    for _ in 0..5 {
        agent.wire.send(&invite).await;
    }
    let first = agent.ask(&invite).await;
    assert_eq!(first.status, 200);
    let mut dialog = agent.dialog(&first);
    // The 2xx comes again until the ACK does, and is always the same.
    let again = agent.hear().await.expect("a response");
    assert_eq!((again.status, again.to(), &again.body), (200, first.to(), &first.body));
    for _ in 0..5 {
        agent.acknowledge(&mut dialog).await;
    }
    wait_for(&daemon, PARTICIPANTS, |count| count == 3.0).await;
    dialog.seq += 1;
    let info = agent.inside(&dialog, "INFO", dialog.seq, None, "", "");
    let answers = [agent.ask(&info).await, agent.ask(&info).await, agent.ask(&info).await];
    assert!(answers.iter().all(|a| *a == answers[0] && a.status == 200), "{answers:?}");
    dialog.seq += 1;
    let bye = agent.inside(&dialog, "BYE", dialog.seq, None, "", "");
    let answers = [agent.ask(&bye).await, agent.ask(&bye).await, agent.ask(&bye).await];
    assert!(answers.iter().all(|a| *a == answers[0] && a.status == 200), "{answers:?}");
    wait_for(&daemon, PARTICIPANTS, |count| count == 2.0).await;
    call.goes_on().await;
    call.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_in_the_wrong_order_is_told_so() {
    let daemon = Daemon::ephemeral(&[]);
    let mut call = Call::begin(&daemon).await;
    let (_socket, rtp) = nobody();
    let mut agent = Agent::udp(&daemon).await;

    // Of calls that never were.
    let uri = agent.at("honest");
    let ghost = Dialog {
        call_id: "ghost@127.0.0.1".into(),
        from: "<sip:mallory@127.0.0.1>;tag=1".into(),
        to: format!("<{uri}>;tag=2"),
        target: uri.clone(),
        seq: 1,
        accepted: agent.ask(&agent_options(&mut Agent::udp(&daemon).await)).await,
    };
    for method in ["BYE", "INFO", "INVITE", "NOTIFY", "CANCEL"] {
        let request = agent.inside(&ghost, method, 7, None, "Event: x\r\nSubscription-State: active\r\n", "");
        assert_eq!(agent.ask(&request).await.status, 481, "{method}");
    }
    let ack = agent.inside(&ghost, "ACK", 7, None, "", "");
    agent.wire.send(ack).await;
    agent.wire.send("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n").await;
    agent.is_answered().await;

    // Numbers that go back.
    let mut dialog = agent.invite(&uri, SDP, sdp(rtp)).await.expect("let in");
    dialog.seq += 10;
    let ahead = agent.inside(&dialog, "INFO", dialog.seq, None, "", "");
    assert_eq!(agent.ask(&ahead).await.status, 200, "a gap is no fault");
    let behind = agent.inside(&dialog, "INFO", dialog.seq - 5, None, "", "");
    assert_eq!(agent.ask(&behind).await.status, 500);
    assert_eq!(agent.ask_inside(&mut dialog, "BYE", "", "").await.status, 200);
    assert_eq!(agent.ask_inside(&mut dialog, "INFO", "", "").await.status, 481, "after the end");
    wait_for(&daemon, PARTICIPANTS, |count| count == 2.0).await;

    // A CANCEL right behind its INVITE: the call does not come to be, or has come to be before.
    for _ in 0..10 {
        let invite = agent.request("INVITE", &uri, SDP, sdp(rtp));
        let cancel =
            String::from_utf8(invite.clone()).expect("text").replace("INVITE sip", "CANCEL sip").replace(" INVITE\r\n", " CANCEL\r\n");
        let cancel = cancel.split("\r\n\r\n").next().expect("a head").replace(SDP.trim_end(), "X: y");
        let cancel = cancel.lines().filter(|line| !line.starts_with("Content-Length")).collect::<Vec<_>>().join("\r\n")
            + "\r\nContent-Length: 0\r\n\r\n";
        agent.wire.send(&invite).await;
        agent.wire.send(&cancel).await;
        let (mut final_answer, mut cancelled) = (None, None);
        while final_answer.is_none() || cancelled.is_none() {
            match agent.hear().await {
                Some(r) if r.status >= 200 && r.headers.get("CSeq").is_some_and(|c| c.ends_with("CANCEL")) => cancelled = Some(r.status),
                Some(r) if r.status >= 200 => final_answer = Some(r),
                _ => {}
            }
        }
        let answer = final_answer.expect("final");
        let mut dialog = agent.dialog(&answer);
        agent.acknowledge(&mut dialog).await;
        assert_eq!(cancelled, Some(200));
        assert!(matches!(answer.status, 200 | 487), "{answer:?}");
        if answer.status == 200 {
            assert_eq!(agent.ask_inside(&mut dialog, "BYE", "", "").await.status, 200);
        }
    }
    wait_for(&daemon, PARTICIPANTS, |count| count == 2.0).await;
    call.goes_on().await;
    call.end().await;
}

fn agent_options(agent: &mut Agent) -> Vec<u8> {
    let uri = agent.at("control");
    agent.request("OPTIONS", &uri, "", "")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_replayed_is_not_made_again() {
    let daemon = Daemon::ephemeral(&[]);
    let mut call = Call::begin(&daemon).await;
    let (_socket, rtp) = nobody();
    let mut agent = Agent::udp(&daemon).await;
    let invite = agent.request("INVITE", &agent.at("honest"), SDP, sdp(rtp));
    let accepted = agent.ask(&invite).await;
    let mut dialog = agent.dialog(&accepted);
    agent.acknowledge(&mut dialog).await;
    let ack = agent.inside(&dialog, "ACK", dialog.seq, None, "", "");
    dialog.seq += 1;
    let bye = agent.inside(&dialog, "BYE", dialog.seq, None, "", "");
    assert_eq!(agent.ask(&bye).await.status, 200);
    wait_for(&daemon, PARTICIPANTS, |count| count == 2.0).await;

    // Byte for byte, by whoever heard it: from another host.
    let mut thief = Agent::udp(&daemon).await;
    for message in [&invite, &ack, &bye] {
        thief.wire.send(message).await;
    }
    thief.is_answered().await;
    assert_eq!(metric(&daemon, PARTICIPANTS), 2.0);
    // And as new transactions.
    let fresh = |message: &[u8], n: u32| {
        let text = String::from_utf8(message.to_vec()).expect("text");
        text.replace("branch=z9hG4bK", &format!("branch=z9hG4bKthief{n}")).into_bytes()
    };
    assert_eq!(thief.ask(&fresh(&invite, 1)).await.status, 482, "the same request by another way");
    thief.wire.send(fresh(&ack, 2)).await;
    assert_eq!(thief.ask(&fresh(&bye, 3)).await.status, 481, "the call is over");
    assert_eq!(metric(&daemon, PARTICIPANTS), 2.0);
    // The owner was told nothing more.
    while let Some(heard) = agent.wire.within(Duration::ZERO).await {
        assert!(matches!(heard, Some(Heard::Response(200, _))), "{heard:?}");
    }
    call.goes_on().await;
    call.end().await;
}
