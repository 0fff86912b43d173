//! By which way the bytes go: directly, or through the relay.

use super::*;

/// The way that events of one end name, which all name the same.
fn source(events: &[Value]) -> String {
    let named: std::collections::BTreeSet<&str> = events.iter().filter_map(|event| event["source"].as_str()).collect();
    named.into_iter().collect::<Vec<_>>().join(" and ")
}

fn told(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn on_one_host_nothing_goes_through_the_relay_unless_either_end_says_so() {
    let world = World::new("channel-ways");
    let content = bytes(3_000_000);
    fs::write(world.place.path("large.bin"), &content).expect("written");
    for (at, (sender, receiver, way)) in [
        (&[][..], &[][..], "direct"),
        (&["--streams", "4", "--direct-only"], &[], "direct"),
        (&["--streams", "4"], &["--direct-only"], "direct"),
        (&["--relay-only"], &[], "relay"),
        (&["--streams", "4"], &["--relay-only"], "relay"),
    ]
    .into_iter()
    .enumerate()
    {
        let before = world.server.metric("confkit_relay_bytes_total");
        let sending = world.send(&[&["large.bin", "-v"], sender].concat(), None);
        let folder = at.to_string();
        let received = world.recv(&[&[&sending.code, "--yes", "--output", &folder], receiver].concat());
        assert_eq!(code(&received), 0, "{sender:?} {receiver:?}: {}", said(&received));
        let (ended, events, noted) = sending.end();
        assert_eq!(ended, 0, "{noted}");
        assert_eq!((source(&events), source(&told(&received))), (way.to_owned(), way.to_owned()), "{sender:?} {receiver:?}");
        assert!(fs::read(world.place.path(&folder).join("large.bin")).expect("there") == content);
        let relayed = world.server.metric("confkit_relay_bytes_total") - before;
        assert!(if way == "direct" { relayed == 0.0 } else { relayed > 3e6 }, "{way}: {relayed} bytes by the relay");
        // A sender that offered more than was taken says so to who wants to know.
        let offered = !sender.contains(&"--relay-only") && way == "relay";
        assert_eq!(noted.contains("offered to come directly"), offered, "{noted}");
    }
}

#[test]
fn who_wants_the_direct_way_alone_ends_with_7_where_there_is_none_and_says_what_was_tried() {
    let world = World::new("channel-direct-only");
    fs::write(world.place.path("notes.txt"), b"notes").expect("written");
    let sending = world.send(&["notes.txt", "--relay-only"], None);
    let refused = world.recv(&[&sending.code, "--yes", "--output", "out", "--direct-only"]);
    assert_eq!(code(&refused), 7, "{}", said(&refused));
    assert!(said(&refused).contains("it named no address"), "{}", said(&refused));
    assert_eq!(sending.end().0, 7);

    let sending = world.send(&["notes.txt", "--direct-only"], None);
    let refused = world.recv(&[&sending.code, "--yes", "--output", "out", "--relay-only"]);
    assert_eq!(code(&refused), 7, "{}", said(&refused));
    let (ended, _, told) = sending.end();
    assert_eq!(ended, 7, "{told}");
    assert!(told.contains("came to none of 127.0.0.1:"), "{told}");
    assert!(contents(&world.place.folder("out")).is_empty());
}
