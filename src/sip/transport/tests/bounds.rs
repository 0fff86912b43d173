use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};

use super::{
    super::flow::{self, Connection},
    *,
};

const VIA: &str = "SIP/2.0/TCP 127.0.0.1:5999";

fn limited(limits: TransportLimits) -> TransportConfig {
    TransportConfig { limits, ..plain() }
}

/// Both ends of a thousand connections are more than the 1,024 descriptors that most systems give at first.
fn raise_descriptors() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    let wanted = soft.max(hard.min(4096));
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).expect("up to the hard limit anybody may go");
}

#[tokio::test]
async fn a_thousand_connections_are_served_and_one_more_is_closed() {
    raise_descriptors();
    let limits = TransportLimits { connections: 1000, connections_per_address: 1000, ..TransportLimits::default() };
    let mut relay = node(limited(limits)).await;
    let mut all = Vec::new();
    for _ in 0..1000 {
        all.push(Raw::connect(relay.tcp()).await);
    }
    for raw in &mut all {
        raw.write(request("OPTIONS", VIA, "")).await;
    }
    for _ in 0..1000 {
        let came = relay.message().await;
        relay.send(&came.from, &response("200 OK", VIA));
    }
    for raw in &mut all {
        assert!(raw.message().await.starts_with("SIP/2.0 200"));
    }
    Raw::connect(relay.tcp()).await.end().await;
    assert_eq!(relay.transports.stats().refused, 1);
    assert_eq!(relay.transports.stats().connections, 1000);
    // One goes, so one may come.
    all.pop();
    relay.closed().await;
    let mut late = Raw::connect(relay.tcp()).await;
    late.write(request("OPTIONS", VIA, "")).await;
    assert!(relay.message().await.text.starts_with("OPTIONS"));
}

#[tokio::test]
async fn one_address_has_no_more_than_its_share() {
    let limits = TransportLimits { connections_per_address: 1, ..TransportLimits::default() };
    let mut relay = node(limited(limits)).await;
    let mut first = Raw::connect(relay.tcp()).await;
    first.write("\r\n\r\n").await;
    assert_eq!(first.frame().await, Some(Frame::Pong));
    Raw::connect(relay.tcp()).await.end().await;
    first.write(request("OPTIONS", VIA, "")).await;
    assert!(relay.message().await.text.starts_with("OPTIONS"), "the first is not disturbed");
}

#[tokio::test]
async fn an_endless_header_is_answered_and_closed() {
    let relay = node(plain()).await;
    let mut alice = Raw::connect(relay.tcp()).await;
    alice.write(request("OPTIONS", VIA, "").trim_end()).await;
    let filler = format!("\r\nX: {}", "y".repeat(4000));
    for _ in 0..9 {
        alice.write(&filler).await;
    }
    assert!(alice.message().await.starts_with("SIP/2.0 "), "it is told why");
    // It goes on as if it had not heard; buffers take some megabytes.
    let mut written = 0;
    while written < 64 * 1024 * 1024 && alice.stream.write_all(filler.as_bytes()).await.is_ok() {
        written += filler.len();
    }
    assert!(written < 64 * 1024 * 1024, "it is still listened to");
    relay.none_open().await;
    assert_eq!(relay.transports.stats().unframed, 1);
}

#[tokio::test]
async fn an_oversized_message_is_answered_before_it_is_read() {
    let relay = node(plain()).await;
    let mut alice = Raw::connect(relay.tcp()).await;
    alice.write(request("MESSAGE", VIA, "").replace("Content-Length: 0", "Content-Length: 1000000")).await;
    assert!(alice.message().await.starts_with("SIP/2.0 513"));
    alice.end().await;
}

#[tokio::test]
async fn a_stream_that_is_no_sip_is_closed() {
    let relay = node(plain()).await;
    let mut alice = Raw::connect(relay.tcp()).await;
    alice.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    alice.end().await;
    relay.none_open().await;
    assert_eq!(relay.transports.stats().unframed, 1);
}

#[tokio::test]
async fn a_full_queue_fails_at_once_and_a_peer_that_does_not_read_is_dropped() {
    let limits = TransportLimits { write: Duration::from_secs(1), flow_messages: 8, ..TransportLimits::default() };
    let mut relay = node(limited(limits)).await;
    let mut alice = Raw::connect(relay.tcp()).await;
    alice.write(request("OPTIONS", VIA, "")).await;
    let hop = relay.message().await.from;
    let large = Bytes::from(request("INFO", VIA, &"x".repeat(60_000)));
    let mut sent = 0;
    while relay.transports.send(&hop, large.clone()).is_ok() {
        sent += 1;
        tokio::task::yield_now().await;
        assert!(sent < 10_000, "600 MB are queued somewhere");
    }
    assert_eq!(relay.transports.send(&hop, large), Err(SendFault::Full));
    assert_eq!(relay.failed().await, (hop.clone(), SendFault::Closed));
    assert_eq!(Some(relay.closed().await), hop.flow);
    assert_eq!(relay.transports.stats().timed_out, 1);
    drop(alice);
}

/// A connection over a stream in memory, so that time can be paused: the very code that serves TCP.
fn serve(node: &Node, accepted: bool) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let place = node.transports.inner.flows.accept(Some(loopback().ip())).expect("room");
    let from = Hop { transport: Transport::Tcp, address: Address::Socket(loopback()), flow: Some(place.id) };
    let connection = Connection { from, to: Address::Socket(loopback()), peer: PeerIdentity::Anonymous, place, accepted };
    node.transports.inner.tracker.spawn(flow::serve(node.transports.inner.clone(), connection, ours));
    theirs
}

async fn ends_after(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Duration {
    let start = tokio::time::Instant::from_std(crate::clock::now());
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.expect("ends in order");
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_closed_after_the_time_for_the_first_byte() {
    let node = node(TransportConfig::default()).await;
    let took = ends_after(&mut serve(&node, true)).await;
    assert_eq!(took.as_secs(), TransportLimits::default().first_byte.as_secs());
    assert_eq!(node.transports.stats().timed_out, 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_trickles_is_closed_by_the_framer() {
    let node = node(TransportConfig::default()).await;
    let mut stream = serve(&node, true);
    let start = tokio::time::Instant::from_std(crate::clock::now());
    let written = AtomicUsize::new(0);
    for byte in request("OPTIONS", VIA, "").bytes().cycle() {
        if stream.write_all(&[byte]).await.is_err() {
            break;
        }
        written.fetch_add(1, Ordering::Relaxed);
        // One byte in 12 s would look alive to a limit on silence.
        tokio::time::sleep(Duration::from_secs(12)).await;
    }
    assert!(written.load(Ordering::Relaxed) <= 3);
    assert!(start.elapsed() >= crate::sip::framing::MESSAGE_TIME);
    assert_eq!(node.transports.stats().timed_out, 1);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_connection_and_traffic_of_either_side_keeps_it() {
    let mut node = node(TransportConfig::default()).await;
    let idle = TransportLimits::default().idle;
    let mut stream = serve(&node, true);
    stream.write_all(request("OPTIONS", VIA, "").as_bytes()).await.expect("written");
    let came = node.message().await;
    for _ in 0..3 {
        tokio::time::sleep(idle - Duration::from_secs(1)).await;
        stream.write_all(b"\r\n\r\n").await.expect("their keep-alive keeps it");
    }
    for _ in 0..3 {
        tokio::time::sleep(idle - Duration::from_secs(1)).await;
        node.send(&came.from, &request("INFO", VIA, ""));
    }
    assert_eq!(node.transports.stats().connections, 1);
    let took = ends_after(&mut stream).await;
    assert!(took > idle && took < idle * 3, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn answers_are_waited_for_only_so_long_after_a_half_close() {
    let mut node = node(TransportConfig::default()).await;
    let mut stream = serve(&node, true);
    stream.write_all(request("INVITE", VIA, "").as_bytes()).await.expect("written");
    stream.shutdown().await.expect("half closed");
    node.message().await;
    node.closed().await;
    let took = ends_after(&mut stream).await;
    assert_eq!(took.as_secs(), TransportLimits::default().linger.as_secs());
}

#[tokio::test]
async fn a_node_that_is_slow_slows_its_peers_and_loses_nothing() {
    let limits = TransportLimits { arrivals: 1, ..TransportLimits::default() };
    let mut relay = node(limited(limits)).await;
    let address = relay.tcp();
    let writer = async move {
        let mut alice = Raw::connect(address).await;
        for n in 0..2000 {
            alice.write(request("MESSAGE", VIA, &n.to_string())).await;
        }
        alice
    };
    let reader = async {
        for n in 0..2000 {
            assert!(relay.message().await.text.ends_with(&format!("\r\n\r\n{n}")));
        }
    };
    tokio::join!(writer, reader);
}

#[tokio::test]
async fn what_cannot_be_opened_says_which_and_what_to_do() {
    let relay = node(plain()).await;
    let port = relay.tcp().port();
    let again =
        |config: TransportConfig| async move { Transports::bind(config).await.map(|_| ()).expect_err("it cannot be opened").to_string() };
    for (word, config) in [
        ("UDP", TransportConfig { udp: vec![relay.udp()], ..TransportConfig::default() }),
        ("TCP", TransportConfig { tcp: vec![relay.tcp()], ..TransportConfig::default() }),
    ] {
        let want = format!("port {port} ({word} at 127.0.0.1) is in use by another program; choose another with --listen or stop it");
        assert_eq!(again(config).await, want);
    }
    let foreign = SocketAddr::from(([192, 0, 2, 1], 0));
    let text = again(TransportConfig { udp: vec![foreign], ..TransportConfig::default() }).await;
    assert_eq!(text, "no interface of this machine has the address 192.0.2.1; see `ip address` and choose one with --listen");
    let text = again(TransportConfig { tls: vec![loopback()], ..TransportConfig::default() }).await;
    assert_eq!(text, "TLS at 127.0.0.1:0 needs a certificate and its key");
}
