//! How shares open, and who is refused.

use super::*;

#[test]
fn a_share_opens_with_a_port_a_certificate_and_a_key_for_each_member() {
    let mut world = World::new(|_| {});
    let (_, to_alice) = world.join("c1", "alice", &sharer("192.0.2.1:4000"));
    let (_, to_bob) = world.join("c1", "bob", &receiver("192.0.2.2:5000"));
    for (line, direction) in [(&to_alice, Direction::RecvOnly), (&to_bob, Direction::SendOnly)] {
        let endpoint = line.endpoint().expect("where to connect");
        assert_eq!(endpoint.address, "192.0.2.100:30000".parse().expect("an address"));
        assert_eq!((endpoint.fingerprint, line.direction, line.setup), (Some(CERTIFICATE), direction, Some(Setup::Passive)));
    }
    assert_ne!(to_alice.key, to_bob.key);
    assert_eq!(world.journal(), ["open c1 30000", "admit c1 m1 192.0.2.1:4000", "admit c1 m2 192.0.2.2:5000"]);
    let passes: Vec<_> = world.fs.plane().passes(&conf()).map(|(_, pass)| Some(pass.key.clone())).collect();
    assert_eq!(passes, [to_alice.key, to_bob.key]);
}

#[test]
fn an_upload_belongs_to_the_account_that_is_vouched_for_and_a_guests_to_nobody() {
    let asserted = |who: &str| vec![("P-Asserted-Identity".to_owned(), format!("<sip:{who}@example.org>"))];
    for (headers, owner) in [
        (asserted("alice"), Some("sip:alice@example.org")),
        (Vec::new(), None),
        (vec![("P-Asserted-Identity".to_owned(), "<sip:example.org>".to_owned())], None),
    ] {
        let mut world = World::new(|_| {});
        // Whatever it calls itself.
        world.invite_with("c1", "alice", headers, Some(offer(1, &sharer("192.0.2.1:4000"))));
        assert_eq!(world.fs.plane().sharer(&conf()), owner);
    }
}

#[test]
fn what_cannot_be_is_refused_by_a_status_that_says_why() {
    let ours = |change: fn(&mut Line)| {
        let mut line = sharer("192.0.2.1:4000");
        change(&mut line);
        line
    };
    for (conf, line, status) in [
        ("c9", receiver("192.0.2.2:5000"), 404),
        ("c1", sharer("192.0.2.9:4000"), 486),
        ("c2", ours(|line| line.transport = Transport::Tcp), 488),
        ("c2", ours(|line| line.direction = Direction::SendRecv), 488),
        ("c2", ours(|line| line.setup = Some(Setup::Passive)), 488),
        ("c2", ours(|line| line.batch = Some(batch(1, 5000))), 413),
        ("c2", ours(|line| line.batch = Some(batch(11, 10))), 413),
        ("c1", Line { batch: Some(Batch { id: BatchId(8), ..batch(1, 10) }), ..receiver("192.0.2.3:1") }, 488),
    ] {
        let mut world = World::new(|config| (config.limits.batch_bytes, config.limits.entries) = (4000, 10));
        world.shared();
        let line = Line { conf: Some(conf.parse().expect("an id")), ..line };
        let call = world.invite(conf, "eve", Some(offer(1, &line)));
        let refused = world.rejected(call);
        assert_eq!(refused.status, status, "{conf} {line:?}");
        assert!(refused.headers.get("Warning").is_some());
        assert_eq!(world.journal(), [] as [String; 0], "nothing was opened for it");
    }
}

#[test]
fn bounds_are_answered_503_with_a_time_to_wait() {
    let mut world = World::new(|config| config.limits.members = 2);
    world.shared();
    let carol = world.invite("c1", "carol", Some(offer(1, &receiver("192.0.2.3:5000"))));
    let refused = world.rejected(carol);
    assert_eq!((refused.status, refused.headers.get("Retry-After")), (503, Some("5")));
    for (conf, status) in [("c2", None), ("c3", Some(503))] {
        let line = Line { conf: None, ..sharer("192.0.2.4:1") };
        let call = world.invite(conf, "dave", Some(offer(1, &line)));
        match status {
            None => assert_eq!(world.accepted(call).status, 200),
            Some(status) => assert_eq!(world.rejected(call).status, status, "two ports, and both are taken"),
        }
    }
    let mut world = World::new(|config| config.limits.shares = 0);
    let call = world.invite("c1", "alice", Some(offer(1, &sharer("192.0.2.1:4000"))));
    assert_eq!(world.rejected(call).status, 503);
}

#[test]
fn nobody_but_the_application_server_is_let_in() {
    let mut world = World::new(|_| {});
    world.role = "ms";
    let call = world.invite("c1", "alice", Some(offer(1, &sharer("192.0.2.1:4000"))));
    assert_eq!(world.rejected(call).status, 403);
}

#[test]
fn the_seeds_own_line_is_answered_in_kind() {
    let mut world = World::new(|_| {});
    let seed = |port: u16| format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=Fileshare {port}\r\n");
    let alice = world.invite("c1", "alice", Some(seed(4000)));
    let answer = world.accepted(alice);
    assert!(String::from_utf8_lossy(&answer.body).contains("m=Fileshare 30000\r\n"));
    let bob = world.invite("c1", "bob", Some(seed(5000)));
    assert_eq!(world.accepted(bob).status, 200);
    assert_eq!(world.journal(), ["open c1 30000", "admit c1 m1 192.0.2.1:4000", "admit c1 m2 192.0.2.1:5000"], "the first shares");
}
