//! What goes over the wire where chunks are compressed, and where they are not.

use super::*;

/// What a chunk adds on the wire: its header and its tag.
const ADDED: usize = 29;
const CHUNK: usize = 256 * 1024;

/// Lines that are alike and not the same.
fn text(len: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(len + 100);
    for line in 0u64.. {
        if text.len() >= len {
            break;
        }
        text.extend_from_slice(
            format!("{line}: channel {:x} of the relay carries what it cannot read\n", line.wrapping_mul(0x9e37_79b9)).as_bytes(),
        );
    }
    text.truncate(len);
    text
}

/// Sends a file, and gives what went through the relay, and the last event of the sender.
fn carried(world: &World, content: &[u8], args: &[&str]) -> (u64, Value) {
    fs::write(world.place.path("sent.bin"), content).expect("written");
    let before = world.server.metric("confkit_relay_bytes_total");
    let sending = world.send(&[&["sent.bin"], args].concat(), None);
    let received = world.recv(&[&sending.code, "--yes", "--output", "in"]);
    assert_eq!(code(&received), 0, "{}", said(&received));
    let (ended, mut events, told) = sending.end();
    assert_eq!(ended, 0, "{told}");
    assert!(fs::read(world.place.path("in/sent.bin")).expect("there") == content, "{args:?}");
    fs::remove_dir_all(world.place.path("in")).expect("removed");
    ((world.server.metric("confkit_relay_bytes_total") - before) as u64, events.pop().expect("an event"))
}

fn as_it_is(len: usize) -> u64 {
    (len + (len.div_ceil(CHUNK) + 1) * ADDED) as u64
}

#[test]
fn over_a_slow_link_text_goes_compressed_and_noise_as_it_is() {
    let world = World::new("channel-compression");
    let slowly = |content: &[u8], rate| carried(&world, content, &["--relay-only", "--limit", rate]);
    let content = text(6_000_000);
    let (relayed, sent) = slowly(&content, "1MiB/s");
    assert!(relayed < 2_400_000, "{relayed} of {} bytes", content.len());
    assert_eq!((sent["event"].as_str(), sent["bytes"].as_u64(), sent["wire"].as_u64()), (Some("sent"), Some(6_000_000), Some(relayed)));

    let (relayed, sent) = slowly(&bytes(3_000_000), "4MiB/s");
    assert_eq!((relayed, sent["wire"].as_u64()), (as_it_is(3_000_000), Some(relayed)));
}

#[test]
fn always_and_never_are_what_they_say_by_every_way_and_for_pipes() {
    let world = World::new("channel-always");
    let content = text(3_000_000);
    for way in [&["--relay-only"][..], &["--streams", "3"], &["--relay-only", "--streams", "3"]] {
        let (relayed, sent) = carried(&world, &content, &[way, &["--compress", "always"]].concat());
        let wire = sent["wire"].as_u64().expect("a number");
        assert!(wire < 1_200_000, "{way:?}: {wire}");
        assert_eq!(relayed, if way.contains(&"--relay-only") { wire } else { 0 }, "{way:?}");
        let (_, sent) = carried(&world, &content, &[way, &["--compress", "never", "--limit", "4MiB/s"]].concat());
        assert_eq!(sent["wire"].as_u64(), Some(as_it_is(content.len())), "{way:?}");
    }
    let noise = bytes(1_000_000);
    let (_, sent) = carried(&world, &noise, &["--compress", "always"]);
    assert_eq!(sent["wire"].as_u64(), Some(as_it_is(noise.len())), "what becomes no smaller goes as it is");

    let sending = world.send(&["-", "--compress", "always"], Some(&content));
    let received = world.recv(&[&sending.code, "--output", "-"]);
    assert!(received.stdout == content, "{}", String::from_utf8_lossy(&received.stderr));
    let (ended, events, told) = sending.end();
    assert_eq!(ended, 0, "{told}");
    assert!(events.last().expect("an event")["wire"].as_u64().is_some_and(|wire| wire < 1_500_000), "{events:?}");
}

#[test]
fn people_are_told_what_went_over_the_wire_where_it_was_less() {
    let world = World::new("channel-saved");
    for (name, content, saved) in [("text.txt", text(3 << 20), true), ("noise.bin", bytes(3 << 20), false)] {
        fs::write(world.place.path(name), content).expect("written");
        let mut sender = begin(world.fshare(&["send", name, "--compress", "always", "--code", "7-crystal-window"]).stdin(Stdio::null()));
        let received = world.recv(&["7-crystal-window", "--yes", "--output", "in", "--wait"]);
        assert_eq!(code(&received), 0, "{}", said(&received));
        let mut told = String::new();
        sender.stdout.take().expect("piped").read_to_string(&mut told).expect("text");
        assert!(sender.wait().expect("waited for").success());
        assert!(told.contains("sent and verified, 1 file, 3.00 MiB"), "{told}");
        assert_eq!(told.contains("on the wire"), saved, "{told}");
    }
}

#[test]
fn what_was_broken_off_goes_on_compressed_where_it_was() {
    let world = World::new("channel-compressed-again");
    let content = text(8 << 20);
    fs::write(world.place.path("large.txt"), &content).expect("written");
    let sending = world.send(&["large.txt", "--relay-only", "--compress", "always", "--limit", "512KiB/s"], None);
    let mut receiver = world.receiving(&[&sending.code, "--yes", "--output", "out"]);
    event(&mut events(&mut receiver), "progress");
    receiver.kill().expect("killed");
    receiver.wait().expect("waited for");
    // By the same code: it knows that it has begun.
    let received = world.recv(&[&sending.code, "--yes", "--output", "out"]);
    assert_eq!(code(&received), 0, "{}", said(&received));
    assert!(fs::read(world.place.path("out/large.txt")).expect("there") == content);
    let (ended, events, told) = sending.end();
    assert_eq!(ended, 0, "{told}");
    let from: Vec<u64> = events.iter().filter(|event| event["event"] == "begun").filter_map(|event| event["from"].as_u64()).collect();
    assert!(matches!(from.as_slice(), [0, again, ..] if *again > 0), "{from:?}");
    assert!(events.last().expect("an event")["wire"].as_u64().is_some_and(|wire| wire < 5_000_000), "{events:?}");
}
