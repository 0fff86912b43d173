use super::*;

const VIA: &str = "SIP/2.0/TLS 127.0.0.1:5999";

fn authority() -> Authority {
    Authority::generate(crate::clock::wall()).expect("a key can be made")
}

fn material(authority: &Authority, hosts: &[&str], roles: &[&str]) -> TlsMaterial {
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let issued = authority.issue(crate::clock::wall(), &own(hosts), &own(roles)).expect("names that can stand in a certificate");
    TlsMaterial { identity: Some((issued.chain, issued.key)), roots: authority.certificate().to_owned(), pins: Vec::new() }
}

async fn server(material: &TlsMaterial) -> Node {
    let store = Arc::new(TlsStore::new(material).expect("good material"));
    node(TransportConfig { tls: vec![loopback()], tls_store: Some(store), ..TransportConfig::default() }).await
}

async fn client(material: &TlsMaterial) -> Node {
    let store = Arc::new(TlsStore::new(material).expect("good material"));
    node(TransportConfig { tls_store: Some(store), ..TransportConfig::default() }).await
}

fn trusting(roots: &str, pins: &[[u8; 32]]) -> TlsMaterial {
    TlsMaterial { identity: None, roots: roots.to_owned(), pins: pins.to_vec() }
}

fn hop(to: &Node) -> Hop {
    Hop::new(Transport::Tls, to.tls())
}

fn by_name(to: &Node, host: &str) -> Hop {
    Hop { address: Address::Name { host: host.to_owned(), port: to.tls().port() }, ..hop(to) }
}

/// One request there and its answer back; gives what each end knows of the other.
async fn exchange(alice: &mut Node, relay: &mut Node, hop: &Hop) -> (PeerIdentity, PeerIdentity) {
    alice.send(hop, &request("OPTIONS", VIA, ""));
    // Clients of before may have closed meanwhile.
    let (from, peer) = loop {
        match relay.next().await {
            Arrival::Message { from, peer, .. } => break (from, peer),
            Arrival::Closed { .. } => {}
            failed @ Arrival::Failed { .. } => panic!("{failed:?}"),
        }
    };
    relay.send(&from, &response("200 OK", VIA));
    (peer, alice.message().await.peer)
}

#[tokio::test]
async fn the_right_root_verifies_addresses_and_names() {
    let authority = authority();
    let mut relay = server(&material(&authority, &[], &[])).await;
    let mut alice = client(&trusting(authority.certificate(), &[])).await;
    for hop in [hop(&relay), by_name(&relay, "localhost")] {
        let (client, server) = exchange(&mut alice, &mut relay, &hop).await;
        assert_eq!(client, PeerIdentity::Anonymous, "it shows no certificate");
        assert!(server.is_host("127.0.0.1") && server.is_host("localhost"), "{server:?}");
    }
    assert_eq!(alice.transports.stats().connections, 2, "a connection is verified for one name only");
}

#[tokio::test]
async fn a_stranger_s_certificate_is_refused_with_its_fingerprint_and_can_be_pinned() {
    let (theirs, ours) = (authority(), authority());
    let server_material = material(&theirs, &[], &[]);
    let mut relay = server(&server_material).await;
    let chain = &server_material.identity.as_ref().expect("a server's").0;
    let (own, root) = (fingerprint(chain).expect("PEM"), fingerprint(theirs.certificate()).expect("PEM"));

    for distrust in [trusting(ours.certificate(), &[]), trusting("", &[]), trusting(ours.certificate(), &[[7; 32]])] {
        let mut alice = client(&distrust).await;
        alice.send(&hop(&relay), &request("OPTIONS", VIA, ""));
        let (failed, why) = alice.failed().await;
        assert_eq!(failed, hop(&relay));
        let SendFault::Untrusted { presented, .. } = &why else { panic!("{why:?}") };
        assert_eq!(presented, &[own, root]);
        assert_eq!(alice.transports.stats().handshakes_failed, 1);
    }
    for pin in [own, root] {
        let mut alice = client(&trusting("", &[pin])).await;
        let to = hop(&relay);
        exchange(&mut alice, &mut relay, &to).await;
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_but_by_its_own_pin() {
    let authority = authority();
    let server_material = material(&authority, &[], &[]);
    let store = Arc::new(TlsStore::new(&server_material).expect("good material"));
    // Every 127.x address is ours, but the certificate holds only the first.
    let elsewhere =
        TransportConfig { tls: vec![SocketAddr::from(([127, 0, 0, 2], 0))], tls_store: Some(store), ..TransportConfig::default() };
    let mut relay = node(elsewhere).await;
    let root = fingerprint(authority.certificate()).expect("PEM");
    for material in [trusting(authority.certificate(), &[]), trusting("", &[root])] {
        let mut alice = client(&material).await;
        alice.send(&hop(&relay), &request("OPTIONS", VIA, ""));
        assert!(matches!(alice.failed().await.1, SendFault::Untrusted { .. }), "the authority is trusted, the name is not");
    }
    let own = fingerprint(&server_material.identity.expect("a server's").0).expect("PEM");
    let mut alice = client(&trusting("", &[own])).await;
    let to = hop(&relay);
    exchange(&mut alice, &mut relay, &to).await;
}

#[tokio::test]
async fn a_certificate_out_of_date_is_refused() {
    let authority = authority();
    let year = Duration::from_secs(367 * 24 * 3600);
    let issued = authority.issue(crate::clock::wall() - year, &[], &[]).expect("issued");
    let mut relay = server(&TlsMaterial {
        identity: Some((issued.chain.clone(), issued.key.clone())),
        roots: authority.certificate().to_owned(),
        pins: Vec::new(),
    })
    .await;
    let mut alice = client(&trusting(authority.certificate(), &[])).await;
    alice.send(&hop(&relay), &request("OPTIONS", VIA, ""));
    assert!(matches!(alice.failed().await.1, SendFault::Untrusted { why, .. } if why.contains("expired")));
    // As a client's it proves nothing, but keeps nobody out.
    let old = TlsMaterial {
        identity: Some((issued.chain, issued.key)),
        roots: String::new(),
        pins: vec![fingerprint(authority.certificate()).expect("PEM")],
    };
    let mut relay_two = server(&material(&authority, &[], &[])).await;
    let mut alice = client(&old).await;
    let to = hop(&relay_two);
    assert_eq!(exchange(&mut alice, &mut relay_two, &to).await.0, PeerIdentity::Anonymous);
    relay.arrivals.close();
}

#[tokio::test]
async fn a_role_is_known_by_its_certificate_and_strangers_stay_anonymous() {
    let (ours, theirs) = (authority(), authority());
    let mut mixer = server(&material(&ours, &[], &["ms"])).await;
    let to = hop(&mixer);

    let mut focus = client(&material(&ours, &["as1.example"], &["as"])).await;
    let (client_seen, server_seen) = exchange(&mut focus, &mut mixer, &to).await;
    assert!(client_seen.is_role("as") && !client_seen.is_role("ms"));
    assert!(client_seen.is_host("as1.example") && !client_seen.is_host("example"));
    assert!(server_seen.is_role("ms"));

    let mut stranger = client(&TlsMaterial { roots: ours.certificate().to_owned(), ..material(&theirs, &[], &["as"]) }).await;
    assert_eq!(exchange(&mut stranger, &mut mixer, &to).await.0, PeerIdentity::Anonymous, "another authority's word is none");
}

#[tokio::test]
async fn new_certificates_are_shown_to_new_connections_and_old_ones_live_on() {
    let (old, new) = (authority(), authority());
    let store = Arc::new(TlsStore::new(&material(&old, &[], &[])).expect("good material"));
    let config = TransportConfig { tls: vec![loopback()], tls_store: Some(store.clone()), ..TransportConfig::default() };
    let mut relay = node(config).await;
    let to = hop(&relay);
    let mut first = client(&trusting(old.certificate(), &[])).await;
    exchange(&mut first, &mut relay, &to).await;

    let no_identity = store.reload(&trusting(new.certificate(), &[])).expect_err("a listener needs a certificate");
    assert_eq!(no_identity, TlsError::NoIdentity);
    store.reload(&material(&new, &[], &[])).expect("good material");

    exchange(&mut first, &mut relay, &to).await;
    assert_eq!(relay.transports.stats().accepted, 1, "by the connection that it has");
    let mut second = client(&trusting(new.certificate(), &[])).await;
    exchange(&mut second, &mut relay, &to).await;
    let mut late = client(&trusting(old.certificate(), &[])).await;
    late.send(&to, &request("OPTIONS", VIA, ""));
    assert!(matches!(late.failed().await.1, SendFault::Untrusted { .. }));
}

#[tokio::test]
async fn a_certified_peer_is_reached_by_the_connection_it_opened_and_others_are_not() {
    let authority = authority();
    let mut mixer = server(&material(&authority, &[], &["ms"])).await;
    let to = hop(&mixer);
    // Somebody listens where the Vias point, who shall not be asked.
    let trap = tokio::net::TcpListener::bind(loopback()).await.expect("a port");
    let port = trap.local_addr().expect("bound").port();
    let claimed = Hop { transport: Transport::Tls, address: Address::Name { host: "as1.example".into(), port }, flow: None };
    let via = format!("SIP/2.0/TLS as1.example:{port};alias");

    let liar = client(&material(&authority, &["other.example"], &["as"])).await;
    liar.send(&to, &request("OPTIONS", &via, ""));
    mixer.message().await;
    mixer.send(&claimed, &request("INFO", VIA, ""));
    assert_eq!(mixer.failed().await, (claimed.clone(), SendFault::NoSuchHost), "its certificate does not say so");

    let mut focus = client(&material(&authority, &["as1.example"], &["as"])).await;
    focus.send(&to, &request("OPTIONS", &via, ""));
    mixer.message().await;
    for hop in [claimed.clone(), claimed] {
        mixer.send(&hop, &request("INFO", VIA, ""));
        assert!(focus.message().await.text.starts_with("INFO"));
    }
}

#[tokio::test]
async fn plain_text_at_the_tls_port_is_closed_and_tls_without_certificates_is_no_transport() {
    let authority = authority();
    let relay = server(&material(&authority, &[], &[])).await;
    let mut alice = Raw::connect(relay.tls()).await;
    alice.write(request("OPTIONS", VIA, "")).await;
    let mut rest = Vec::new();
    // An alert, or a reset: the end, in any case.
    let _ = timeout(PATIENCE, alice.stream.read_to_end(&mut rest)).await.expect("in time");
    assert!(!rest.starts_with(b"SIP/"));
    assert_eq!(relay.transports.stats().handshakes_failed, 1);
    let plain = node(plain()).await;
    assert_eq!(plain.transports.send(&hop(&relay), Bytes::from_static(b"x")), Err(SendFault::NoTransport));
}

#[test]
fn bad_material_is_named() {
    let (one, two) = (authority(), authority());
    let good = material(&one, &[], &[]);
    let other = material(&two, &[], &[]);
    let (Some((chain, key)), Some((_, other_key))) = (good.identity.clone(), other.identity) else { panic!("both have one") };
    let fails = |identity: Option<(String, KeyPem)>, roots: &str| {
        TlsStore::new(&TlsMaterial { identity, roots: roots.into(), pins: Vec::new() }).map(|_| ()).expect_err("bad")
    };
    assert!(matches!(fails(Some((chain.clone(), other_key)), ""), TlsError::Identity(_)), "another's key");
    assert_eq!(fails(Some((String::new(), key.clone())), ""), TlsError::Empty { what: "certificate" });
    assert!(matches!(fails(Some((chain.clone(), KeyPem::new("x"))), ""), TlsError::Pem { what: "key", .. }));
    assert!(matches!(fails(None, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), TlsError::Root(_)));
    assert_eq!(format!("{:?}", good.identity.as_ref().map(|(_, key)| key)), "Some(KeyPem(…))");
    assert!(!format!("{one:?}").contains(one.key().expose().lines().nth(1).expect("a key has lines")));
    assert!(TlsStore::new(&good).expect("good").can_listen());
}

#[tokio::test]
async fn an_authority_is_kept_in_pem() {
    let first = authority();
    let again = Authority::from_pem(first.certificate(), first.key()).expect("what it wrote");
    let mut relay = server(&material(&again, &[], &[])).await;
    let mut alice = client(&trusting(first.certificate(), &[])).await;
    let to = hop(&relay);
    exchange(&mut alice, &mut relay, &to).await;
    assert!(Authority::from_pem(first.certificate(), authority().key()).is_err(), "another's key");
    assert!(Authority::from_pem("", first.key()).is_err());
}
