//! Guessing passwords, and digests that were used before.

use std::{net::IpAddr, time::Duration};

use confkit::{clock, sip::message::Response};

use crate::{
    agent::Agent,
    call::Call,
    harness::Daemon,
    wire::{PATIENCE, Wire, another_host},
};

async fn at(daemon: &Daemon, host: IpAddr, user: &str, password: &str) -> Agent {
    let wire = Wire::udp((host, 0).into(), daemon.sip()).await.expect("a port");
    Agent::new(wire, daemon, user).with_account(user, password)
}

fn register(agent: &mut Agent) -> Vec<u8> {
    let (uri, address) = (format!("sip:{}", agent.server), agent.address.clone());
    let request = agent.request("REGISTER", &uri, "Expires: 60\r\n", "");
    // Whose contacts these are stands in To.
    String::from_utf8(request).expect("text").replace(&format!("To: <{uri}>"), &format!("To: <{address}>")).into_bytes()
}

/// One try: the last answer.
async fn try_password(daemon: &Daemon, host: IpAddr, user: &str, password: &str) -> Response {
    let mut agent = at(daemon, host, user, password).await;
    let request = register(&mut agent);
    agent.ask_as_user(&request).await
}

fn retry_after(response: &Response) -> Duration {
    let seconds = response.headers.get("Retry-After").unwrap_or_else(|| panic!("Retry-After in {response:?}"));
    Duration::from_secs(seconds.parse().expect("seconds"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_is_slowed_down_and_honest_users_are_not() {
    let daemon = Daemon::ephemeral(&["--user", "alice", "--user", "bob"]);
    let (alice, bob) = (daemon.password("alice"), daemon.password("bob"));
    let mut call = Call::begin(&daemon).await;
    let (desk, guesser) = (another_host(), another_host());
    assert_eq!(try_password(&daemon, desk, "alice", &alice).await.status, 200);

    // Five guesses are free, the sixth begins to cost.
    for guess in 0..6 {
        assert_eq!(try_password(&daemon, guesser, "alice", &format!("guess{guess}")).await.status, 401);
    }
    let begun = clock::now();
    let refused = try_password(&daemon, guesser, "alice", "guess6").await;
    assert_eq!((refused.status, retry_after(&refused)), (503, Duration::from_secs(1)));
    assert_eq!(try_password(&daemon, guesser, "alice", &alice).await.status, 503, "not even the right one is looked at");
    assert_eq!(try_password(&daemon, guesser, "bob", "guess").await.status, 503, "nor one for another account");
    let elsewhere = try_password(&daemon, another_host(), "alice", "guess").await;
    assert_eq!(elsewhere.status, 503, "nor one from another host for the same account");
    // Nobody else is disturbed: not the owner where she was before, not another account, not the call.
    assert_eq!(try_password(&daemon, desk, "alice", &alice).await.status, 200);
    assert_eq!(try_password(&daemon, another_host(), "bob", &bob).await.status, 200);
    assert_eq!(try_password(&daemon, another_host(), "admin", &daemon.password("admin")).await.status, 200);
    // Tries during the wait cost no more than an answer each, and do not make it longer.
    for _ in 0..50 {
        let refused = try_password(&daemon, guesser, "alice", "guess7").await;
        assert!(matches!(refused.status, 401 | 503), "{refused:?}");
        if refused.status == 401 {
            break;
        }
    }
    // It ends, and then the right password is right again, if one waits as told.
    let status = loop {
        let answer = try_password(&daemon, guesser, "alice", &alice).await;
        assert!(begun.elapsed() < PATIENCE, "it does not end");
        if answer.status != 503 {
            break answer.status;
        }
        assert!(retry_after(&answer) <= Duration::from_secs(2), "{answer:?}");
    };
    assert_eq!(status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    call.goes_on().await;
    call.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_are_no_users_are_answered_like_those_that_are() {
    let daemon = Daemon::ephemeral(&["--user", "alice"]);
    let [known, unknown] = [("alice", another_host()), ("nobody", another_host())].map(|(user, host)| {
        let daemon = &daemon;
        async move {
            let mut all = Vec::new();
            for _ in 0..7 {
                let answer = try_password(daemon, host, user, "guess").await;
                let names: Vec<String> = answer.headers.iter().map(|(name, _)| name.to_owned()).collect();
                all.push((answer.status, names));
            }
            all
        }
    });
    let (known, unknown) = (known.await, unknown.await);
    assert_eq!(known, unknown);
    assert_eq!((known[0].0, known[6].0), (401, 503));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_a_challenge_is_good_once_and_for_one_request() {
    let daemon = Daemon::ephemeral(&["--user", "alice"]);
    let mut call = Call::begin(&daemon).await;
    let mut alice = at(&daemon, another_host(), "alice", &daemon.password("alice")).await;
    let request = register(&mut alice);
    let challenge = alice.ask(&request).await;
    assert_eq!(challenge.status, 401);
    let first = alice.answer_challenge(&request, &challenge);
    let accepted = alice.ask(&first).await;
    assert_eq!(accepted.status, 200);
    // The same bytes once more are the same request once more.
    assert_eq!(alice.ask(&first).await, accepted);
    // Later requests count the nonce on.
    let request = register(&mut alice);
    let second = alice.authorized(&request);
    assert_eq!(alice.ask(&second).await.status, 200);

    // Somebody heard both, and makes new requests of them.
    let mut thief = at(&daemon, another_host(), "alice", "not known").await;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let again = |bytes: &[u8], n: u32| {
        text(bytes)
            .replace("branch=z9hG4bK", &format!("branch=z9hG4bKthief{n}"))
            .replace("Call-ID: ", &format!("Call-ID: thief{n}"))
            .into_bytes()
    };
    for (n, heard) in [(1, &first), (2, &second), (3, &first)] {
        let refused = thief.ask(&again(heard, n)).await;
        assert_eq!(refused.status, 401, "an old count");
        assert!(refused.headers.all("WWW-Authenticate").all(|c| c.contains("stale=true")), "the password was right: {refused:?}");
    }
    // A count of his own does not fit the response, nor does another method, nor a nonce that he made.
    let counted = text(&again(&second, 4)).replace("nc=00000002", "nc=00000009");
    let moved = text(&again(&second, 5)).replace("REGISTER", "SUBSCRIBE").replace("Expires", "Event: conference\r\nExpires");
    let nonce = text(&second).split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next().map(str::to_owned)).expect("a nonce");
    let forged = text(&again(&second, 6)).replace(&nonce, &nonce.chars().rev().collect::<String>());
    for refused in [thief.ask(counted.as_bytes()).await, thief.ask(moved.as_bytes()).await, thief.ask(forged.as_bytes()).await] {
        assert_eq!(refused.status, 401);
        assert!(!refused.headers.all("WWW-Authenticate").any(|c| c.contains("stale=true")), "{refused:?}");
    }
    // Alice goes on with her nonce.
    let request = register(&mut alice);
    let third = alice.authorized(&request);
    assert_eq!(alice.ask(&third).await.status, 200);
    call.goes_on().await;
    call.end().await;
}
