//! TCP and TLS connections that misbehave.

use std::{net::IpAddr, time::Duration};

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use crate::{
    agent::{Agent, SDP, sdp, warning},
    call::Call,
    harness::Daemon,
    memory, metric, tls, wait_for,
    wire::{Heard, Wire, another_host},
};

/// Short times, so that slow peers need not be waited for.
const LIMITS: [(&str, &str); 5] = [
    ("RELAYD_LIMITS_CONNECTION_FIRST_BYTE", "500ms"),
    ("RELAYD_LIMITS_CONNECTION_MESSAGE", "700ms"),
    ("RELAYD_LIMITS_CONNECTION_WRITE", "1s"),
    ("RELAYD_LIMITS_CONNECTIONS", "40"),
    ("RELAYD_LIMITS_CONNECTIONS_PER_ADDRESS", "12"),
];

const TIMED_OUT: &str = "confkit_sip_connections_timed_out_total{role=\"as\"}";
const UNFRAMED: &str = "confkit_sip_connections_unframed_total{role=\"as\"}";
const REFUSED: &str = "confkit_sip_connections_refused_total{role=\"as\"}";
const OPEN: &str = "confkit_sip_connections{role=\"as\"}";

fn start() -> Daemon {
    Daemon::with(&["--ephemeral"], &LIMITS)
}

async fn connect(daemon: &Daemon, host: IpAddr) -> Wire {
    Wire::tcp(host, daemon.sip()).await.expect("connected")
}

/// Waits for the other end to close; the status of the answer that came before, and its Warning.
async fn end_of(wire: &mut Wire) -> Option<(u16, String)> {
    let mut told = None;
    while let Some(heard) = wire.next().await {
        let Heard::Response(status, response) = heard else { panic!("{heard:?}") };
        told = Some((status, response.as_ref().map(warning).unwrap_or_default()));
    }
    told
}

/// A request that its peer may go on with.
fn head(agent: &mut Agent, extra: &str) -> String {
    let uri = agent.at("control");
    let text = String::from_utf8(agent.request("OPTIONS", &uri, extra, "")).expect("text");
    text.trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_are_too_long_or_never_end_are_refused_and_their_connections_closed() {
    let daemon = start();
    let mut call = Call::begin(&daemon).await;
    let unframed = metric(&daemon, UNFRAMED);

    // Oversized: refused by what it announces, before the rest is read.
    let mut agent = Agent::tcp(&daemon).await;
    let text = head(&mut agent, "").replace("Content-Length: 0", "Content-Length: 1000000") + "\r\n\r\n";
    assert!(agent.wire.send(text).await);
    let (status, why) = end_of(&mut agent.wire).await.expect("an answer");
    assert_eq!((status, why.as_str()), (513, "the message is longer than 65536 bytes"));

    // Endless: refused when it is too long, and not read for long after that.
    let mut agent = Agent::tcp(&daemon).await;
    let begun = head(&mut agent, "");
    assert!(agent.wire.send(begun).await);
    let filler = format!("\r\nX: {}", "y".repeat(4000));
    for _ in 0..9 {
        agent.wire.send(&filler).await;
    }
    assert_eq!(agent.wire.next().await.map(|heard| matches!(heard, Heard::Response(513, _))), Some(true));
    let mut written = 0;
    while agent.wire.send(&filler).await {
        written += filler.len();
        assert!(written < 64 << 20, "it is still listened to");
    }

    // Neither SIP nor anything else.
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    for at in 0..20 {
        let mut wire = connect(&daemon, another_host()).await;
        let mut garbage = vec![0; rng.random_range(64..20_000)];
        rng.fill_bytes(&mut garbage);
        if at % 2 == 0 {
            // With something that looks like an end.
            garbage.extend(b"\r\n\r\n");
        }
        wire.send(&garbage).await;
        wire.finish().await;
        assert_eq!(end_of(&mut wire).await, None, "noise is not answered");
    }
    wait_for(&daemon, UNFRAMED, |now| now >= unframed + 12.0).await;
    call.goes_on().await;
    call.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_silent_and_half_closed_peers_are_not_waited_for() {
    let daemon = start();
    let mut call = Call::begin(&daemon).await;
    let (before, timed_out) = (metric(&daemon, OPEN), metric(&daemon, TIMED_OUT));

    // A byte now and then would look alive to a limit on silence.
    let (slow, silent) = (another_host(), another_host());
    let mut trickling = Vec::new();
    for _ in 0..10 {
        let mut agent = Agent::new(connect(&daemon, slow).await, &daemon, "mallory");
        let text = head(&mut agent, "");
        trickling.push((agent.wire, text.into_bytes().into_iter()));
    }
    let mut quiet = Vec::new();
    for _ in 0..10 {
        quiet.push(connect(&daemon, silent).await);
    }
    let begun = confkit::clock::now();
    while let Some((mut wire, mut bytes)) = trickling.pop() {
        // The others are kept waiting by this one as well.
        match wire.within(Duration::from_millis(20)).await {
            Some(None) => continue,
            Some(Some(heard)) => panic!("half a message was answered: {heard:?}"),
            None => {}
        }
        let Some(byte) = bytes.next() else { panic!("it was read to its end") };
        if wire.send([byte]).await {
            trickling.insert(0, (wire, bytes));
        }
        assert!(begun.elapsed() < crate::wire::PATIENCE, "slow peers are kept");
    }
    for mut wire in quiet {
        assert_eq!(end_of(&mut wire).await, None);
    }
    wait_for(&daemon, TIMED_OUT, |now| now == timed_out + 20.0).await;

    // Nothing more to say, and still something to hear.
    let mut agent = Agent::tcp(&daemon).await;
    let request = agent.request("OPTIONS", &agent.at("control"), "", "");
    assert!(agent.wire.send(&request).await);
    agent.wire.finish().await;
    assert_eq!(end_of(&mut agent.wire).await, Some((200, String::new())));
    // Half a request, and an end: nobody to answer.
    let mut agent = Agent::tcp(&daemon).await;
    assert!(agent.wire.send(&request[..request.len() / 2]).await);
    agent.wire.finish().await;
    assert_eq!(end_of(&mut agent.wire).await, None);
    // An INVITE that is answered, and acknowledged by nobody on this connection.
    let mut agent = Agent::tcp(&daemon).await;
    let invite = agent.request("INVITE", &agent.at("nowhere"), SDP, sdp(([127, 0, 0, 1], 9).into()));
    assert!(agent.wire.send(&invite).await);
    agent.wire.finish().await;
    assert_eq!(end_of(&mut agent.wire).await.map(|(status, _)| status), Some(200));

    wait_for(&daemon, OPEN, |open| open <= before).await;
    call.goes_on().await;
    call.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_do_not_read_are_dropped_and_cost_little() {
    let daemon = start();
    let mut call = Call::begin(&daemon).await;
    let (used, timed_out) = (memory(&daemon), metric(&daemon, TIMED_OUT));
    let mut agent = Agent::tcp(&daemon).await;
    // Each answer is as long as its request.
    let name = "n".repeat(16 * 1024);
    agent.address = format!("sip:mallory@127.0.0.1;{name}=1");
    let begun = confkit::clock::now();
    loop {
        let request = agent.request("OPTIONS", &agent.at("control"), "", "");
        if !agent.wire.send(request).await {
            break;
        }
        assert!(begun.elapsed() < crate::wire::PATIENCE, "it is still served");
    }
    wait_for(&daemon, TIMED_OUT, |now| now == timed_out + 1.0).await;
    let grown = memory(&daemon) - used;
    assert!(grown < 64.0, "{grown} MiB for one peer that does not read");
    call.goes_on().await;

    // Many requests at once are another matter: all are answered.
    let mut agent = Agent::tcp(&daemon).await;
    let uri = agent.at("control");
    let burst: Vec<u8> = (0..300).flat_map(|_| agent.request("OPTIONS", &uri, "", "")).collect();
    assert!(agent.wire.send(burst).await);
    for _ in 0..300 {
        assert!(matches!(agent.wire.next().await, Some(Heard::Response(200, _))));
    }
    call.goes_on().await;
    call.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_taken_up_to_the_bounds_and_those_that_are_there_stay() {
    let daemon = start();
    let mut call = Call::begin(&daemon).await;
    let refused = metric(&daemon, REFUSED);
    let greedy = another_host();
    let mut all = Vec::new();
    for _ in 0..12 {
        all.push(serve(connect(&daemon, greedy).await, &daemon).await);
    }
    assert_eq!(end_of(&mut connect(&daemon, greedy).await).await, None, "the share of one host");
    assert_eq!(metric(&daemon, REFUSED), refused + 1.0);
    // Bob's is the first of forty.
    while all.len() < 39 {
        all.push(serve(connect(&daemon, another_host()).await, &daemon).await);
    }
    for _ in 0..50 {
        assert_eq!(end_of(&mut connect(&daemon, another_host()).await).await, None, "all that there may be");
    }
    assert_eq!(metric(&daemon, REFUSED), refused + 51.0);
    for agent in &mut all {
        agent.is_answered().await;
    }
    call.goes_on().await;
    // One goes, so one may come.
    let full = metric(&daemon, OPEN);
    all.pop();
    wait_for(&daemon, OPEN, |open| open < full).await;
    serve(connect(&daemon, another_host()).await, &daemon).await;
    call.goes_on().await;
    call.end().await;
}

/// A connection that is served.
async fn serve(wire: Wire, daemon: &Daemon) -> Agent {
    let mut agent = Agent::new(wire, daemon, "mallory");
    agent.is_answered().await;
    agent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_speak_tls_does_not_get_past_the_handshake() {
    let daemon = start();
    let mut call = Call::begin(&daemon).await;
    let tls = tls(&daemon);
    let failed = "confkit_tls_handshakes_failed_total{role=\"as\"}";
    let (before, timed_out) = (metric(&daemon, failed), metric(&daemon, TIMED_OUT));
    let mut rng = ChaCha12Rng::seed_from_u64(2);
    for plain in ["OPTIONS sip:a SIP/2.0\r\n\r\n", "\x16\x03\x01\x7f\x7f\x01\x00\x00\x02\x03\x03", "GET / HTTP/1.1\r\n\r\n"] {
        let mut wire = Wire::tcp(another_host(), tls).await.expect("connected");
        let mut garbage = vec![0; 4000];
        rng.fill_bytes(&mut garbage);
        wire.send([plain.as_bytes(), &garbage].concat()).await;
        wire.skip_to_end().await;
    }
    wait_for(&daemon, failed, |now| now > before).await;
    let mut silent = Wire::tcp(another_host(), tls).await.expect("connected");
    silent.skip_to_end().await;
    wait_for(&daemon, TIMED_OUT, |now| now > timed_out).await;
    call.goes_on().await;
    call.end().await;
}
