//! Requests without end: tables and memory stay bounded, the call goes on, and honest requests are still served.

use std::collections::BTreeMap;

use confkit::sip::message::Response;

use crate::{
    agent::{Agent, Dialog, SDP, sdp, warning},
    call::{ALICE, BOB, Call},
    harness::Daemon,
    memory, metric, wait_for,
};

const CALLS: &str = "confkit_sip_calls{role=\"as\"}";
const LEGS: &str = "confkit_media_legs";
const CONFERENCES: &str = "confkit_conferences";
const WATCHERS: &str = "confkit_conference_watchers";

/// Requests under way at once, so that no socket buffer overflows.
const WINDOW: usize = 64;

/// Sends `count` requests that `make` makes: their final answers by status. Two hundreds to INVITEs are given back with their dialogs.
async fn flood(agent: &mut Agent, count: usize, mut make: impl FnMut(&mut Agent, usize) -> Vec<u8>) -> (BTreeMap<u16, usize>, Vec<Dialog>) {
    let (mut answers, mut dialogs, mut sent, mut done) = (BTreeMap::new(), BTreeMap::new(), 0, 0);
    while done < count {
        while sent < count && sent - done < WINDOW {
            let request = make(agent, sent);
            assert!(agent.wire.send(request).await, "sent");
            sent += 1;
        }
        let Some(response) = agent.hear().await.filter(|response| response.status >= 200) else { continue };
        if response.status == 503 {
            assert!(response.headers.get("Retry-After").is_some(), "when to try again: {response:?}");
        }
        if response.status == 200 && response.cseq().is_some_and(|cseq| cseq.method.as_str() == "INVITE") {
            // It comes again until it is acknowledged.
            if dialogs.insert(response.call_id().map(str::to_owned), agent.dialog(&response)).is_some() {
                continue;
            }
        }
        *answers.entry(response.status).or_default() += 1;
        done += 1;
    }
    (answers, dialogs.into_values().collect())
}

async fn hang_up(agent: &mut Agent, dialogs: Vec<Dialog>) {
    for mut dialog in dialogs {
        agent.acknowledge(&mut dialog).await;
        assert_eq!(agent.ask_inside(&mut dialog, "BYE", "", "").await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_beyond_the_bound_are_refused_and_those_within_it_go_on() {
    let daemon = Daemon::with(&["--ephemeral"], &[("RELAYD_LIMITS_CALLS", "40")]);
    let mut call = Call::begin(&daemon).await;
    let calls = metric(&daemon, CALLS);
    let mut agent = Agent::udp(&daemon).await;
    let body = sdp(([127, 0, 0, 1], 9).into());
    let (answers, dialogs) = flood(&mut agent, 400, |agent, n| {
        let uri = agent.at(&format!("flood{n}"));
        agent.request("INVITE", &uri, SDP, &body)
    })
    .await;
    assert!(answers.keys().all(|status| [200, 503].contains(status)), "{answers:?}");
    assert!(answers[&200] >= 5 && answers[&503] > 300, "{answers:?}");
    assert!(metric(&daemon, CALLS) <= 40.0 && metric(&daemon, CONFERENCES) <= 40.0 && metric(&daemon, LEGS) <= 40.0);
    call.goes_on().await;
    agent.is_answered().await;
    // The last places, which are too few for another conference.
    let (answers, more) = flood(&mut agent, 20, |agent, _| {
        let uri = agent.at("honest");
        agent.request("INVITE", &uri, SDP, &body)
    })
    .await;
    assert!(answers[&503] >= 8, "{answers:?}");
    // Somebody who would like in is told when to come back, and may come when there is room.
    assert_eq!(call.third(&daemon, 880.0).await.err(), Some(503));
    hang_up(&mut agent, [dialogs, more].concat()).await;
    wait_for(&daemon, CALLS, |now| now == calls).await;
    wait_for(&daemon, CONFERENCES, |now| now == 1.0).await;
    wait_for(&daemon, LEGS, |now| now == 2.0).await;
    let mut carol = call.third(&daemon, 880.0).await.expect("there is room again");
    call.hears(&[carol.tone()], &[]).await;
    carol.hears(&[ALICE, BOB], &[]).await;
    carol.leave().await;
    call.hears(&[], &[1500.0]).await;
    call.goes_on().await;
    call.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conferences_and_participants_are_bounded_too() {
    let bounds = [("RELAYD_CONFERENCE_MAX_CONFERENCES", "4"), ("RELAYD_CONFERENCE_MAX_PARTICIPANTS", "3")];
    let daemon = Daemon::with(&["--ephemeral"], &bounds);
    let mut call = Call::begin(&daemon).await;
    let mut agent = Agent::udp(&daemon).await;
    let body = sdp(([127, 0, 0, 1], 9).into());
    let (answers, mut dialogs) = flood(&mut agent, 30, |agent, n| {
        let uri = agent.at(&format!("flood{n}"));
        agent.request("INVITE", &uri, SDP, &body)
    })
    .await;
    assert_eq!(answers, BTreeMap::from([(200, 3), (503, 27)]));
    let (answers, more) = flood(&mut agent, 30, |agent, _| {
        let uri = agent.at("honest");
        agent.request("INVITE", &uri, SDP, &body)
    })
    .await;
    assert_eq!(answers, BTreeMap::from([(200, 1), (486, 29)]));
    dialogs.extend(more);
    assert_eq!((metric(&daemon, CONFERENCES), metric(&daemon, LEGS)), (4.0, 6.0));
    call.goes_on().await;
    hang_up(&mut agent, dialogs).await;
    wait_for(&daemon, LEGS, |legs| legs == 2.0).await;
    call.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_and_contacts_beyond_their_bounds_are_refused() {
    let bounds = [("RELAYD_LIMITS_SUBSCRIPTIONS", "20"), ("RELAYD_LIMITS_CONTACTS_PER_USER", "4")];
    let daemon = Daemon::with(&["--ephemeral", "--user", "alice"], &bounds);
    let mut call = Call::begin(&daemon).await;
    let mut agent = Agent::udp(&daemon).await;
    let (answers, _) = flood(&mut agent, 200, |agent, _| {
        let uri = agent.at("honest");
        agent.request("SUBSCRIBE", &uri, "Event: conference\r\nExpires: 600\r\n", "")
    })
    .await;
    assert_eq!(answers, BTreeMap::from([(200, 20), (503, 180)]));
    assert_eq!(metric(&daemon, WATCHERS), 20.0);

    let mut alice = Agent::udp(&daemon).await.with_account("alice", &daemon.password("alice"));
    let (uri, address) = (format!("sip:{}", alice.server), alice.address.clone());
    let mut refused: Vec<Response> = Vec::new();
    for n in 0..20 {
        let request = alice.request("REGISTER", &uri, &format!("Expires: 600\r\nContact: <sip:alice@127.0.0.1:{}>\r\n", 2000 + n), "");
        let text = String::from_utf8(request).expect("text").replace(&format!("To: <{uri}>"), &format!("To: <{address}>"));
        let own = format!("Contact: <sip:mallory@{}>\r\n", alice.wire.host());
        let answer = alice.ask_as_user(text.replace(&own, "").as_bytes()).await;
        if answer.status != 200 {
            refused.push(answer);
        }
    }
    assert_eq!(refused.len(), 16);
    assert!(refused.iter().all(|answer| matches!(answer.status, 403 | 503)), "{:?} {}", refused[0], warning(&refused[0]));
    call.goes_on().await;
    call.end().await;
}

/// Requests outside dialogs that anybody may send, as fast as they are answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_requests_fills_no_memory_and_keeps_nobody_out() {
    let daemon = Daemon::with(&["--ephemeral"], &[("RELAYD_LIMITS_CALLS", "40"), ("RELAYD_LIMITS_REQUESTS", "1000")]);
    let mut call = Call::begin(&daemon).await;
    let before = memory(&daemon);
    let mut agents = [Agent::udp(&daemon).await, Agent::udp(&daemon).await];
    let methods = ["OPTIONS", "REGISTER", "INVITE", "FLY", "INFO"];
    let (mut all, mut used) = (BTreeMap::<u16, usize>::new(), Vec::new());
    for _ in 0..4 {
        let answers = {
            let [one, other] = &mut agents;
            let many = |agent: &mut Agent, n: usize| {
                let uri = agent.at("control");
                // Nobody without an account may call this; nobody acknowledges that he was told so.
                agent.request(methods[n % methods.len()], &uri, "", "")
            };
            let ((one, _), (other, _)) = tokio::join!(flood(one, 1000, many), flood(other, 1000, many));
            [one, other]
        };
        for (status, count) in answers.into_iter().flatten() {
            *all.entry(status).or_default() += count;
        }
        used.push(memory(&daemon));
        call.goes_on().await;
    }
    // A late guest still gets in, and those who are in get out.
    let mut carol = call.third(&daemon, 880.0).await.expect("there is room for calls");
    carol.hears(&[ALICE, BOB], &[]).await;
    carol.leave().await;
    println!("{all:?}, {before} MiB before, then {used:?}");
    assert!(!all.contains_key(&503), "nobody is told to come back later: {all:?}");
    assert!(used[3] - used[0] < 4.0 && used[3] - before < 32.0, "{before} MiB before, then {used:?}");
    call.end().await;
}
