//! Hosts in networks: two in one, another elsewhere, the relay at the router between.

use super::{
    hosts::{Host, ip, on_a_router},
    *,
};

/// The relay, at the router.
const RELAY: &str = "203.0.113.1";
/// Two in one network, and one in another.
const ALICE: &str = "192.168.7.2";
const BOB: &str = "192.168.7.3";
const CAROL: &str = "198.51.100.2";
/// Within so much of the receiver's start bytes go through the relay where the direct way swallows what is sent by it: a second for who tries it, and
/// the rest for a machine that has much else to do. TCP alone tries for two minutes.
const FALLS_BACK: Duration = Duration::from_secs(3);

#[test]
fn across_networks_it_goes_directly_and_where_a_filter_swallows_that_by_the_relay_within_a_second_or_so() {
    let shown = on_a_router(
        "networks::across_networks_it_goes_directly_and_where_a_filter_swallows_that_by_the_relay_within_a_second_or_so",
        || {
            let (world, [alice, bob, carol]) = networks("channel-networks");
            let in_one_network = transfer(&world, &alice, &bob, &[]);
            assert_eq!(in_one_network.0, "direct");
            let from_elsewhere = transfer(&world, &carol, &alice, &[]);
            assert_eq!(from_elsewhere.0, "direct");
            // What alice says to carol is lost at the router, and nobody is told: as where carol's host is behind a filter.
            ip(&["rule", "add", "from", ALICE, "to", CAROL, "blackhole"]);
            let filtered = transfer(&world, &carol, &alice, &[]);
            assert_eq!(filtered.0, "relay");
            assert!(filtered.1 < FALLS_BACK, "{:?}", filtered.1);
            let refused = transfer(&world, &carol, &alice, &["--direct-only", "--timeout", "1s"]);
            assert!(refused.0.contains(&format!("{CAROL}:")), "it says what was tried: {}", refused.0);
        },
    );
    if let Err(why) = shown {
        not_shown(&format!("transfers across networks, since the system permits no networks of the test's own: {why}"));
    }
}

/// The networks, with the three on them, and a relay that has a file of theirs in its folder.
fn networks(name: &str) -> (World, [Host; 3]) {
    ip(&["address", "add", &format!("{RELAY}/24"), "dev", "lo"]);
    ip(&["link", "add", "name", "home", "type", "bridge"]);
    ip(&["address", "add", "192.168.7.1/24", "dev", "home"]);
    let (alice, bob, carol) = (Host::new("alice", ALICE), Host::new("bob", BOB), Host::new("carol", CAROL));
    ip(&["link", "set", "alice", "master", "home"]);
    ip(&["link", "set", "bob", "master", "home"]);
    ip(&["link", "set", "home", "up"]);
    ip(&["address", "add", "198.51.100.1/24", "dev", "carol"]);
    let place = Place::new(name);
    let listen = format!("relay: [{{address: \"{RELAY}:0\", allow_plain: true}}]");
    let world = World {
        server: Server::start(&place, "relay", &format!("roles: [relay]\nlisten: {{{listen}}}\nrelay: {{anonymous: everybody}}\n"), &[]),
        place,
    };
    fs::write(world.place.path("large.bin"), bytes(3_000_000)).expect("written");
    (world, [alice, bob, carol])
}

/// The router lets nobody call bob, as where his network translates addresses: what others send to ports that he listens on is lost. Which of two
/// sorts a port is shows by its number: Linux gives a program that calls even ones, and one that listens odd ones, where the range begins so.
#[test]
fn a_sender_that_nobody_can_call_calls_the_receiver() {
    let shown = on_a_router("networks::a_sender_that_nobody_can_call_calls_the_receiver", || {
        let (world, [_, bob, carol]) = networks("channel-translated");
        let status = bob.command("sh").args(["-c", "echo 40000 40019 > /proc/sys/net/ipv4/ip_local_port_range"]).status();
        assert!(status.expect("sh runs").success());
        for port in (40_001..40_020).step_by(2) {
            ip(&["rule", "add", "from", CAROL, "to", BOB, "ipproto", "tcp", "dport", &port.to_string(), "blackhole"]);
        }
        for more in [&[][..], &["--direct-only"]] {
            let called = transfer(&world, &bob, &carol, more);
            assert_eq!(called.0, "direct");
            assert!(called.1 < Duration::from_secs(1), "without waiting for the receiver's own calls: {:?}", called.1);
        }
        // The other way round bob calls, as receivers do; and a receiver that hides is not called, and waits for nothing.
        assert_eq!(transfer(&world, &carol, &bob, &[]).0, "direct");
        let hidden = transfer(&world, &bob, &carol, &["--relay-only"]);
        assert_eq!(hidden.0, "relay");
        assert!(hidden.1 < Duration::from_secs(1), "at once: {:?}", hidden.1);
    });
    if let Err(why) = shown {
        not_shown(&format!("a sender that nobody can call, since the system permits no networks of the test's own: {why}"));
    }
}

/// Sends the file from host to host: by which way it went, and after how long it began. With `--direct-only` it does not, and why.
fn transfer(world: &World, from: &Host, to: &Host, more: &[&str]) -> (String, Duration) {
    let fshare = |host: &Host, name: &str, args: &[&str]| {
        let mut fshare = host.command(env!("CARGO_BIN_EXE_fshare"));
        let relay = world.server.ready["relay"].as_str().expect("a relay");
        fshare.current_dir(world.place.path("")).env("HOME", world.place.folder(name)).env("CONFKIT_RELAY", relay);
        fshare.arg("--json").args(args).stdin(Stdio::null());
        begin(&mut fshare)
    };
    let before = world.server.metric("confkit_relay_bytes_total");
    let mut sender = fshare(from, "sender", &["send", "large.bin"]);
    let mut told = events(&mut sender);
    let code = event(&mut told, "code")["code"].as_str().expect("a code").to_owned();
    let started = confkit::clock::now();
    let mut receiver = fshare(to, "receiver", &[&["recv", &code, "--yes", "--output", "in"], more].concat());
    let mut heard = events(&mut receiver);
    let Some(begun) = next_event(&mut heard, "begun") else {
        let (refused, sent) = (receiver.wait_with_output().expect("ended"), sender.wait_with_output().expect("ended"));
        assert_eq!((refused.status.code(), sent.status.code()), (Some(7), Some(7)), "{} {}", said(&refused), said(&sent));
        assert!(more.contains(&"--direct-only"), "{}", said(&refused));
        println!("refused after {:?}", started.elapsed());
        return (said(&refused), started.elapsed());
    };
    let after = started.elapsed();
    let way = begun["source"].as_str().expect("a way").to_owned();
    event(&mut heard, "received");
    assert_eq!(event(&mut told, "sent")["source"], way.as_str());
    println!("{way}: begun after {after:?}, over after {:?}", started.elapsed());
    let ends = [receiver, sender].map(|child| child.wait_with_output().expect("ended"));
    assert_eq!(ends.each_ref().map(super::code), [0, 0], "{}", ends.iter().map(said).collect::<String>());
    assert!(fs::read(world.place.path("in/large.bin")).expect("there") == bytes(3_000_000));
    fs::remove_dir_all(world.place.path("in")).expect("removed");
    let relayed = world.server.metric("confkit_relay_bytes_total") - before;
    assert!(if way == "direct" { relayed == 0.0 } else { relayed > 3e6 }, "{way}: {relayed} bytes by the relay");
    (way, after)
}
