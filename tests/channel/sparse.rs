//! Files with holes.

use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use super::*;

/// A file of so many bytes with three times a mebibyte of data in it; false where the file system has no holes.
fn hollow(path: &Path, size: u64) -> bool {
    let file = fs::File::create(path).expect("made");
    file.set_len(size).expect("stretched");
    for at in [0, size / 2 + 12_345, size - (2 << 20)] {
        file.write_all_at(&bytes(1 << 20), at).expect("written");
    }
    blocks(path) < size / 2
}

fn blocks(path: &Path) -> u64 {
    fs::metadata(path).expect("there").blocks() * 512
}

fn is_equal(one: &Path, other: &Path) -> bool {
    Command::new("cmp").args([one, other]).status().expect("cmp runs").success()
}

#[test]
fn a_gibibyte_with_little_in_it_takes_little_on_the_way_and_on_the_disk() {
    let world = World::new("channel-sparse");
    let (sent, there) = (world.place.path("disk.img"), world.place.path("in/disk.img"));
    for (size, args, most) in [(1 << 30, &["--relay-only"][..], 4e6), (16 << 20, &["--relay-only", "--compress", "never"], 17e6)] {
        if !hollow(&sent, size) {
            return not_shown("this file system has no holes");
        }
        let before = world.server.metric("confkit_relay_bytes_total");
        let sending = world.send(&[&["disk.img"], args].concat(), None);
        let received = world.recv(&[&sending.code, "--yes", "--output", "in"]);
        assert_eq!(code(&received), 0, "{}", said(&received));
        let (ended, events, told) = sending.end();
        assert_eq!(ended, 0, "{told}");
        assert_eq!(events.last().expect("an event")["bytes"].as_u64(), Some(size));
        let relayed = world.server.metric("confkit_relay_bytes_total") - before;
        assert!(relayed > 3e6 && relayed < most, "{relayed} bytes by the relay");
        assert!(blocks(&there) < 8 << 20, "{} bytes on the disk", blocks(&there));
        assert!(is_equal(&sent, &there));
        fs::remove_file(&there).expect("removed");
    }
}
