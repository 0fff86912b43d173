use super::{super::udp::MAX_DATAGRAM, *};

#[tokio::test]
async fn a_datagram_arrives_with_both_addresses_and_its_answer_goes_back() {
    let (mut alice, mut relay) = (node(plain()).await, node(plain()).await);
    alice.send(&Hop::new(Transport::Udp, relay.udp()), "OPTIONS 1");
    let came = relay.message().await;
    assert_eq!(came.text, "OPTIONS 1");
    assert_eq!(came.from, Hop::new(Transport::Udp, alice.udp()));
    assert_eq!(came.to, Address::Socket(relay.udp()));
    assert_eq!(came.peer, PeerIdentity::Anonymous);
    relay.send(&came.from, "SIP/2.0 200 OK");
    assert_eq!(alice.message().await.text, "SIP/2.0 200 OK");
}

#[tokio::test]
async fn the_largest_datagram_passes_and_a_larger_is_refused() {
    let (alice, mut relay) = (node(plain()).await, node(plain()).await);
    let hop = Hop::new(Transport::Udp, relay.udp());
    assert_eq!(alice.transports.send(&hop, Bytes::from(vec![b'x'; MAX_DATAGRAM + 1])), Err(SendFault::TooLarge));
    assert_eq!(alice.transports.send(&hop, Bytes::from(vec![b'x'; MAX_DATAGRAM])), Ok(()));
    assert_eq!(relay.message().await.text.len(), MAX_DATAGRAM);
}

#[tokio::test]
async fn keep_alives_are_counted_and_not_handed_up() {
    let (alice, mut relay) = (node(plain()).await, node(plain()).await);
    let hop = Hop::new(Transport::Udp, relay.udp());
    for idle in ["\r\n\r\n", "\0\0\0\0", ""] {
        alice.send(&hop, idle);
    }
    alice.send(&hop, "OPTIONS 1");
    assert_eq!(relay.message().await.text, "OPTIONS 1");
    assert_eq!(relay.transports.stats().keepalives, 3);
}

#[tokio::test]
async fn a_port_that_nobody_has_fails_at_once_by_icmp() {
    let mut alice = node(plain()).await;
    let gone = {
        let gone = node(plain()).await;
        let address = gone.udp();
        gone.transports.shutdown().await;
        address
    };
    let by_name = Hop { transport: Transport::Udp, address: Address::Name { host: "localhost".into(), port: gone.port() }, flow: None };
    alice.send(&by_name, "OPTIONS 1");
    assert_eq!(alice.failed().await, (by_name, SendFault::Refused), "the hop as it was given");
    assert_eq!(alice.failed().await, (Hop::new(Transport::Udp, gone), SendFault::Refused));
    // The socket goes on.
    let mut relay = node(plain()).await;
    alice.send(&Hop::new(Transport::Udp, relay.udp()), "OPTIONS 2");
    assert_eq!(relay.message().await.text, "OPTIONS 2");
    assert_eq!(alice.transports.stats().icmp_errors, 1);
}

#[tokio::test]
async fn without_a_socket_of_the_family_there_is_no_transport() {
    let alice = node(plain()).await;
    let six = Hop::new(Transport::Udp, SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 5060)));
    assert_eq!(alice.transports.send(&six, Bytes::from_static(b"x")), Err(SendFault::NoTransport));
    let silent = node(TransportConfig::default()).await;
    assert_eq!(silent.transports.send(&Hop::new(Transport::Udp, alice.udp()), Bytes::from_static(b"x")), Err(SendFault::NoTransport));
}

#[tokio::test]
async fn a_name_that_nobody_has_fails_later() {
    let mut alice = node(plain()).await;
    for transport in [Transport::Udp, Transport::Tcp] {
        let hop = Hop { transport, address: Address::Name { host: "nobody.invalid".into(), port: 5060 }, flow: None };
        alice.send(&hop, "OPTIONS 1");
        assert_eq!(alice.failed().await, (hop, SendFault::NoSuchHost));
    }
}

#[tokio::test]
async fn of_several_sockets_the_one_that_heard_the_peer_answers() {
    let two = TransportConfig { udp: vec![loopback(), loopback()], ..TransportConfig::default() };
    let (mut relay, mut alice) = (node(two).await, node(plain()).await);
    let both = relay.transports.local_addrs(Transport::Udp).to_vec();
    for address in both {
        alice.send(&Hop::new(Transport::Udp, address), "OPTIONS 1");
        let came = relay.message().await;
        assert_eq!(came.to, Address::Socket(address));
        relay.send(&came.from, "SIP/2.0 200 OK");
        assert_eq!(alice.message().await.from, Hop::new(Transport::Udp, address));
    }
}

#[tokio::test]
async fn both_families_share_a_port() {
    let six = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0));
    let relay = TransportConfig { udp: vec![six], tcp: vec![six], ..TransportConfig::default() };
    let mut relay = match Transports::bind(relay).await {
        Ok((transports, arrivals)) => Node { transports, arrivals },
        // A machine without IPv6 must say so, and about which address.
        Err(error) => return assert!(error.to_string().contains("::1"), "{error}"),
    };
    assert_eq!(relay.udp().port(), relay.tcp().port());
    let mut alice =
        node(TransportConfig { udp: vec![loopback(), SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0))], ..TransportConfig::default() })
            .await;
    for transport in [Transport::Udp, Transport::Tcp] {
        alice.send(&Hop::new(transport, relay.udp()), &request("OPTIONS", "SIP/2.0/X [::1]", ""));
        let came = relay.message().await;
        assert!(came.from.socket().is_some_and(|from| from.is_ipv6()));
        relay.send(&came.from, &response("200 OK", "SIP/2.0/X [::1]"));
        assert!(alice.message().await.text.starts_with("SIP/2.0 200"));
    }
    let (six, hop) = (relay.udp(), Hop::new(Transport::Udp, relay.udp()));
    relay.transports.shutdown().await;
    // Of TCP the requests are told that wait, then the end; the order to UDP's failure is open.
    alice.send(&hop, "OPTIONS 3");
    let mut refused = false;
    while !refused {
        refused = alice.next().await == Arrival::Failed { hop: hop.clone(), why: SendFault::Refused };
    }
    assert!(six.is_ipv6());
}
