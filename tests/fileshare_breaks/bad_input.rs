//! What must not happen and does: full disks, sources that change, batches that are too large, names that cannot travel, strangers at the port.
//! Each has its clear error, and nobody else is disturbed.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
};

use crate::{
    Plan,
    gateway::{OUTSIDE, Verdict, Way},
    get,
    house::House,
    share,
};

/// Files in one batch.
const MANY: usize = 10_000;

#[test]
fn a_server_whose_disk_is_full_says_so_to_sharer_and_receivers_and_takes_what_it_has_room_for() {
    let plan = Plan::draw("the server's disk full");
    let mut house = House::squeezed("server-full");
    let trap = house.gateway.hold(Way::Up, 2 << 20);
    let (mut sharer, name) = share(&mut house, &plan);
    let mut receiver = get(&mut house, &name, 0);
    // The receiver is at it when the disk is full.
    let held = trap.wait();
    receiver.wait_for("progress");
    held.then(Verdict::GoOn);
    assert_eq!(sharer.end(), 5, "{}", sharer.told());
    assert!(sharer.told().contains("the file server's disk is full"), "{}", sharer.told());
    assert_ne!(receiver.end(), 0, "{}", receiver.told());
    assert!(receiver.told().contains("the file server's disk is full"), "{}", receiver.told());
    fs::write(house.path("small.bin"), b"small").expect("written");
    let mut sharer = house.fshare("alice", "alice-home", &["share", "standup", "small.bin"]);
    let name = sharer.wait_for("shared")["share"].as_str().expect("a share").to_owned();
    house.fshare("bob", "bob-home", &["get", "standup", &name, "--output", "small"]).ends_with(0);
    assert_eq!(fs::read(house.path("small/small.bin")).expect("it is there"), b"small");
    sharer.ends_with(0);
}

#[test]
fn a_receiver_whose_disk_is_full_can_go_on_later_and_the_others_have_it_all() {
    let plan = Plan::draw("a receiver's disk full");
    let mut house = House::together("receiver-full");
    let (mut sharer, name) = share(&mut house, &plan);
    // Carol is at it when bob's disk is full.
    let trap = house.gateway.hold(Way::Down, 1 << 20);
    let carol = house.fshare("carol", "carol-home", &["get", "standup", &name, "--output", "carols"]);
    let held = trap.wait();
    let mut bob = house.squeezed_fshare("bob", "bob-home", &["get", "standup", &name, "--output", "bobs"]);
    assert_eq!(bob.end(), 9, "{}", bob.told());
    assert!(bob.told().contains("no space left") && bob.told().contains("fshare resume "), "{}", bob.told());
    held.then(Verdict::GoOn);
    carol.ends_with(0);
    plan.verify(&house.path("carols"));
    // Who has it is told apart from who has not, and the sharer ends by that.
    let finished = sharer.wait_for("finished");
    let states: Vec<_> = finished["members"].as_array().expect("members").iter().map(|member| member["state"].as_str()).collect();
    assert!(states.contains(&Some("complete")) && states.contains(&Some("failed")), "{finished}");
    sharer.ends_with(1);
}

#[test]
fn a_source_that_shrinks_fails_its_share_by_name_and_leaves_nothing_at_the_receiver() {
    let plan = Plan::draw("a source that shrinks");
    let mut house = House::together("shrinks");
    let trap = house.gateway.hold(Way::Up, 2 << 20);
    let (mut sharer, name) = share(&mut house, &plan);
    let mut receiver = get(&mut house, &name, 0);
    let held = trap.wait();
    fs::File::options().write(true).open(house.path("big.bin")).and_then(|file| file.set_len(plan.bytes() / 2)).expect("cut");
    held.then(Verdict::GoOn);
    assert_eq!(sharer.end(), 1, "{}", sharer.told());
    assert!(sharer.told().contains("big.bin"), "{}", sharer.told());
    assert_ne!(receiver.end(), 0, "{}", receiver.told());
    assert!(receiver.told().contains("changed while it was sent"), "{}", receiver.told());
    assert!(!house.path("got-0/big.bin").exists());
}

#[test]
fn a_batch_that_is_too_large_is_refused_before_its_first_byte() {
    for (more, what) in [(", max_bytes: 1MiB", "bytes, more than 1048576"), (", max_entries: 2", "entries, more than 2")] {
        let mut house = House::strict("too-large", more);
        fs::create_dir_all(house.path("batch")).expect("a folder");
        for at in 0..3 {
            fs::write(house.path(&format!("batch/{at}")), vec![7; 500_000]).expect("written");
        }
        let mut sharer = house.fshare("alice", "alice-home", &["share", "standup", "batch"]);
        assert_eq!(sharer.end(), 5, "{more}: {}", sharer.told());
        assert!(sharer.told().contains(what), "{more}: {}", sharer.told());
        assert_eq!(house.gateway.carried(0, Way::Up), 0, "{more}");
    }
}

#[test]
fn a_batch_that_the_server_has_no_room_for_is_refused_before_its_first_byte_and_a_small_one_is_not() {
    let cases =
        [(", max_total: 1MiB", "more bytes than all shares", true), (", min_free: 1000000TiB", "the file server's disk is full", false)];
    for (more, what, takes_small) in cases {
        let mut house = House::strict("no-room", more);
        fs::write(house.path("large.bin"), vec![7; 1_500_000]).expect("written");
        let mut sharer = house.fshare("alice", "alice-home", &["share", "standup", "large.bin"]);
        assert_eq!(sharer.end(), 5, "{more}: {}", sharer.told());
        assert!(sharer.told().contains(what), "{more}: {}", sharer.told());
        assert!(house.gateway.carried(0, Way::Up) < 100_000, "{more}: its list, and none of its bytes");
        if takes_small {
            fs::write(house.path("small.bin"), b"small").expect("written");
            let mut sharer = house.fshare("alice", "alice-home", &["share", "standup", "small.bin"]);
            let name = sharer.wait_for("shared")["share"].as_str().expect("a share").to_owned();
            house.fshare("bob", "bob-home", &["get", "standup", &name, "--output", "small"]).ends_with(0);
            sharer.ends_with(0);
        }
    }
}

#[test]
fn names_that_cannot_travel_are_refused_by_name_before_anything_is_shared() {
    let mut house = House::together("names");
    for (name, shown) in [("line\nfeed", "line"), ("esc\u{1b}[31m", "esc"), ("back\\slash", "back"), ("right\u{202e}left", "right")] {
        fs::create_dir_all(house.path("batch")).expect("a folder");
        fs::write(house.path("batch").join(name), b"x").expect("written");
        let mut sharer = house.fshare("alice", "alice-home", &["share", "standup", "batch"]);
        assert_eq!(sharer.end(), 2, "{name:?}: {}", sharer.told());
        let told = sharer.told();
        assert!(told.contains("is refused") && told.contains(shown), "{name:?}: {told}");
        assert!(!told.contains(['\u{1b}', '\u{202e}']), "{name:?} reaches the terminal as it is: {told:?}");
        fs::remove_dir_all(house.path("batch")).expect("removed");
    }
}

#[test]
fn ten_thousand_files_arrive_as_they_were() {
    let mut house = House::together("many");
    let content = |at: usize| format!("file {at}\n").repeat(at % 5);
    for at in 0..MANY {
        let folder = house.path(&format!("tree/{}", at / 100));
        if at.is_multiple_of(100) {
            fs::create_dir_all(&folder).expect("a folder");
        }
        fs::write(folder.join(format!("{at}.txt")), content(at)).expect("written");
    }
    let mut sharer = house.fshare("alice", "alice-home", &["share", "standup", "tree"]);
    let name = sharer.wait_for("shared")["share"].as_str().expect("a share").to_owned();
    house.fshare("bob", "bob-home", &["get", "standup", &name, "--output", "got"]).ends_with(0);
    sharer.ends_with(0);
    for at in 0..MANY {
        let path = house.path(&format!("got/tree/{}/{at}.txt", at / 100));
        assert_eq!(fs::read_to_string(&path).expect("it is there"), content(at), "{}", path.display());
    }
    assert_eq!(fs::read_dir(house.path("got/tree")).expect("a folder").count(), MANY / 100);
}

#[test]
fn strangers_at_the_port_get_nothing_and_disturb_nobody() {
    let plan = Plan::draw("strangers");
    let mut house = House::strict("strangers", ", handshake_timeout: 500ms");
    let trap = house.gateway.hold(Way::Up, plan.bytes() / 2);
    let (sharer, name) = share(&mut house, &plan);
    let receiver = get(&mut house, &name, 0);
    let held = trap.wait();
    let port = house.gateway.last_port();
    // Behind NAT anybody may knock: nobody gets further, neither by silence, nor by nonsense.
    let mut strangers: Vec<_> = (0..100).map(|_| TcpStream::connect((OUTSIDE, port)).expect("connected")).collect();
    for stranger in strangers.iter_mut().skip(50) {
        let _ = stranger.write_all(b"GET / HTTP/1.1\r\nHost: files\r\n\r\n");
    }
    held.then(Verdict::GoOn);
    receiver.ends_with(0);
    sharer.ends_with(0);
    plan.verify(&house.path("got-0"));
    for (at, mut stranger) in strangers.into_iter().enumerate() {
        let mut said = Vec::new();
        // A reset is an end, too.
        let _ = stranger.read_to_end(&mut said);
        assert!(said.len() < 100, "stranger {at} got {} bytes", said.len());
    }
}
