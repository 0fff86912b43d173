use tokio::net::TcpListener;

use super::*;

const VIA: &str = "SIP/2.0/TCP 127.0.0.1:5999";

#[tokio::test]
async fn a_request_opens_a_connection_and_everything_after_it_uses_that() {
    let (mut alice, mut relay) = (node(plain()).await, node(plain()).await);
    let hop = Hop::new(Transport::Tcp, relay.tcp());
    alice.send(&hop, &request("OPTIONS", VIA, ""));
    let came = relay.message().await;
    assert_eq!(came.to, Address::Socket(relay.tcp()));
    let flow = came.from.flow.expect("streams have a flow");
    relay.send(&came.from, &response("200 OK", VIA));
    assert!(alice.message().await.text.starts_with("SIP/2.0 200"));

    // The other way, by the same connection; and again ours, by name this time.
    relay.send(&came.from, &request("INFO", VIA, "hello"));
    let info = alice.message().await;
    assert!(info.text.ends_with("hello"));
    alice.send(&info.from, &response("200 OK", VIA));
    assert_eq!(relay.message().await.from.flow, Some(flow));
    alice.send(&hop, &request("BYE", VIA, ""));
    assert_eq!(relay.message().await.from.flow, Some(flow));
    assert_eq!((alice.transports.stats().connections, relay.transports.stats().connections), (1, 1));
}

#[tokio::test]
async fn messages_arrive_whole_however_the_stream_is_cut() {
    let mut relay = node(plain()).await;
    let (one, two, three) = (request("OPTIONS", VIA, ""), request("INFO", VIA, "a body\r\n\r\nof lines"), request("BYE", VIA, ""));
    let all = format!("{one}{two}\r\n{three}");

    let mut pipelined = Raw::connect(relay.tcp()).await;
    pipelined.write(&all).await;
    for want in [&one, &two, &three] {
        assert_eq!(&relay.message().await.text, want);
    }

    let mut byte_by_byte = Raw::connect(relay.tcp()).await;
    byte_by_byte.stream.set_nodelay(true).expect("a socket option");
    for byte in all.as_bytes() {
        byte_by_byte.write([*byte]).await;
    }
    for want in [&one, &two, &three] {
        assert_eq!(&relay.message().await.text, want);
    }
}

#[tokio::test]
async fn a_ping_is_answered_with_a_pong() {
    let relay = node(plain()).await;
    let mut alice = Raw::connect(relay.tcp()).await;
    alice.write("\r\n\r\n").await;
    assert_eq!(alice.frame().await, Some(Frame::Pong));
}

#[tokio::test]
async fn who_has_stopped_sending_still_gets_its_answer() {
    let mut relay = node(plain()).await;
    let mut alice = Raw::connect(relay.tcp()).await;
    alice.write(request("OPTIONS", VIA, "")).await;
    alice.stream.shutdown().await.expect("half closed");
    let came = relay.message().await;
    assert_eq!(relay.closed().await, came.from.flow.expect("a flow"), "nothing more will arrive");
    // A request by it could get no answer.
    assert_eq!(relay.transports.send(&came.from, Bytes::from(request("INFO", VIA, ""))), Err(SendFault::Closed));
    relay.send(&came.from, &response("180 Ringing", VIA));
    relay.send(&came.from, &response("200 OK", VIA));
    assert!(alice.message().await.starts_with("SIP/2.0 180"));
    assert!(alice.message().await.starts_with("SIP/2.0 200"));
    // With the last answer the connection has served its purpose.
    assert_eq!(alice.frame().await, None);
}

#[tokio::test]
async fn an_answer_whose_connection_is_gone_goes_to_the_port_of_the_via() {
    let mut relay = node(plain()).await;
    let listener = TcpListener::bind(loopback()).await.expect("a port");
    let via = format!("SIP/2.0/TCP wrong.example:{}", listener.local_addr().expect("bound").port());
    let mut alice = Raw::connect(relay.tcp()).await;
    alice.write(request("OPTIONS", &via, "")).await;
    let came = relay.message().await;
    // Closing with a byte unread resets the connection: nothing is left of it.
    alice.stream.set_zero_linger().expect("a socket option");
    drop(alice);
    assert_eq!(Some(relay.closed().await), came.from.flow);
    relay.none_open().await;
    relay.send(&came.from, &response("200 OK", &via));
    // By the address it came from, whatever host the Via says (RFC 3261 §18.2.2: received).
    let (stream, _) = timeout(PATIENCE, listener.accept()).await.expect("in time").expect("a connection");
    assert!(Raw::new(stream).message().await.starts_with("SIP/2.0 200"));
    assert_eq!(relay.transports.send(&came.from, Bytes::from(request("INFO", VIA, ""))), Err(SendFault::Closed), "requests do not");
}

#[tokio::test]
async fn a_connection_that_dies_fails_the_requests_that_wait_on_it() {
    let mut alice = node(plain()).await;
    let listener = TcpListener::bind(loopback()).await.expect("a port");
    let hop = Hop::new(Transport::Tcp, listener.local_addr().expect("bound"));
    alice.send(&hop, &request("INVITE", VIA, ""));
    let (stream, _) = listener.accept().await.expect("a connection");
    let mut relay = Raw::new(stream);
    relay.message().await;
    drop(relay);
    assert_eq!(alice.failed().await, (hop.clone(), SendFault::Closed));
    alice.closed().await;
    // The next request opens another.
    alice.send(&hop, &request("INVITE", VIA, ""));
    let (stream, _) = listener.accept().await.expect("a connection");
    assert!(Raw::new(stream).message().await.starts_with("INVITE"));
}

#[tokio::test]
async fn a_request_by_a_dead_connection_of_ours_opens_it_again() {
    let mut alice = node(plain()).await;
    let listener = TcpListener::bind(loopback()).await.expect("a port");
    alice.send(&Hop::new(Transport::Tcp, listener.local_addr().expect("bound")), &request("INVITE", VIA, ""));
    let (stream, _) = listener.accept().await.expect("a connection");
    let mut relay = Raw::new(stream);
    relay.message().await;
    relay.write(response("200 OK", VIA)).await;
    let hop = alice.message().await.from;
    drop(relay);
    alice.failed().await;
    alice.closed().await;
    alice.send(&hop, &request("BYE", VIA, ""));
    let (stream, _) = listener.accept().await.expect("a connection");
    assert!(Raw::new(stream).message().await.starts_with("BYE"));
}

#[tokio::test]
async fn nobody_listening_is_told_of_each_hop_once() {
    let mut alice = node(plain()).await;
    let gone = TcpListener::bind(loopback()).await.expect("a port").local_addr().expect("bound");
    let hop = Hop::new(Transport::Tcp, gone);
    alice.send(&hop, &request("INVITE", VIA, ""));
    alice.send(&hop, &request("OPTIONS", VIA, ""));
    assert_eq!(alice.failed().await, (hop.clone(), SendFault::Refused));
    // The next failure is that of the next attempt.
    let name = Hop { address: Address::Name { host: "localhost".into(), port: gone.port() }, ..hop };
    alice.send(&name, &request("INVITE", VIA, ""));
    assert_eq!(alice.failed().await, (name, SendFault::Refused));
}

#[tokio::test]
async fn a_name_with_several_addresses_is_tried_to_the_last() {
    // `localhost` is 127.0.0.1 and ::1; here only the second listens.
    let six = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0));
    let Ok(listener) = TcpListener::bind(six).await else {
        return assert!(std::net::UdpSocket::bind(six).is_err(), "a machine with IPv6 can listen on it");
    };
    let alice = node(plain()).await;
    let port = listener.local_addr().expect("bound").port();
    let name = Hop { transport: Transport::Tcp, address: Address::Name { host: "localhost".into(), port }, flow: None };
    alice.send(&name, &request("INVITE", VIA, ""));
    let (stream, _) = timeout(PATIENCE, listener.accept()).await.expect("in time").expect("a connection");
    assert!(Raw::new(stream).message().await.starts_with("INVITE"));
}

#[tokio::test]
async fn what_is_queued_leaves_before_a_shutdown_ends() {
    let (alice, mut relay) = (node(plain()).await, node(plain()).await);
    let hop = Hop::new(Transport::Tcp, relay.tcp());
    alice.send(&hop, &request("OPTIONS", VIA, ""));
    relay.message().await;
    for _ in 0..100 {
        alice.send(&hop, &request("BYE", VIA, ""));
    }
    alice.transports.shutdown().await;
    for _ in 0..100 {
        assert!(relay.message().await.text.starts_with("BYE"));
    }
    relay.closed().await;
    assert_eq!(alice.transports.stats().connections, 0);
    // The ports are free, though a handle is left.
    let again = TransportConfig { udp: vec![alice.udp()], tcp: vec![alice.tcp()], ..TransportConfig::default() };
    node(again).await;
    assert_eq!(alice.transports.send(&Hop::new(Transport::Udp, relay.udp()), Bytes::from_static(b"x")), Err(SendFault::Closed));
}

#[tokio::test]
async fn dropping_the_last_handle_frees_the_ports() {
    let relay = node(plain()).await;
    let address = relay.tcp();
    let mut alice = Raw::connect(address).await;
    let second = relay.transports.clone();
    drop(relay);
    alice.write("\r\n\r\n").await;
    assert_eq!(alice.frame().await, Some(Frame::Pong), "a handle is left");
    drop(second);
    alice.end().await;
    // The listeners go with their tasks, soon.
    while Transports::bind(TransportConfig { udp: vec![address], tcp: vec![address], ..TransportConfig::default() }).await.is_err() {
        tokio::task::yield_now().await;
    }
}
