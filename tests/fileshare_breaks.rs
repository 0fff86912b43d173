//! Nothing is lost: transfers by the real programs, broken at byte offsets that a seed draws. Sharer, receiver and file server are killed, connections
//! are cut; what goes on is verified, and what goes over the wire again is counted.
//!
//! `CONFKIT_SEED=17` draws other offsets, `CONFKIT_MIB=1024` makes the file larger, `-- --nocapture` prints what was counted:
//! `CONFKIT_MIB=1024 cargo test --release --all-features --test fileshare_breaks -- --nocapture --test-threads 1`
//!
//! | file | what |
//! |---|---|
//! | `gateway.rs` | between terminals and file server: counts, holds, cuts |
//! | `house.rs` | the programs |
//! | `bad_input.rs` | disks that are full, sources that change, batches that are too large, strangers |

#![cfg(feature = "cli")]
#![expect(clippy::print_stdout, reason = "what was counted is told to whoever runs it")]

#[path = "fileshare_breaks/bad_input.rs"]
mod bad_input;
#[path = "fileshare_breaks/gateway.rs"]
mod gateway;
#[path = "fileshare_breaks/house.rs"]
mod house;

use std::{fs, path::Path};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use gateway::{Verdict, Way};
use house::{House, Program};

/// Breaks of each kind.
const BREAKS: usize = 10;
/// What may go over the wire again, and what TLS and headers cost, in bytes.
const SLACK: u64 = 2 << 20;

/// A file to share, and where it is broken.
struct Plan {
    content: Vec<u8>,
    offsets: Vec<u64>,
    what: &'static str,
}

impl Plan {
    fn draw(what: &'static str) -> Self {
        let number = |name: &str, default: u64| {
            std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
        };
        let (seed, mib) = (number("CONFKIT_SEED", 1), number("CONFKIT_MIB", 24));
        let bytes = mib << 20;
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let offsets = (0..BREAKS).map(|_| rng.random_range(1..bytes)).collect();
        let mut content = vec![0; usize::try_from(bytes).expect("it fits into memory")];
        rng.fill(&mut content[..]);
        println!("{what}: seed {seed}, {bytes} bytes, broken at {offsets:?}");
        Self { content, offsets, what }
    }

    fn bytes(&self) -> u64 {
        self.content.len() as u64
    }

    /// Bytes after the break, which are not too many. Of what was carried, `unread` had not reached the process that was to have it: it was in the
    /// buffers of the system when that process was killed, or the connection cut.
    #[track_caller]
    fn judge(&self, offset: u64, unread: u64, after: u64) {
        let missing = self.bytes() - offset.saturating_sub(unread).min(self.bytes());
        let more = after.checked_signed_diff(missing).expect("small numbers");
        println!("{}: broken at {offset:>11}, {unread:>8} unread, {after:>11} bytes after, {more:+} beside the remainder", self.what);
        assert!(after <= missing + SLACK, "{} at {offset}: {after} bytes after it, {missing} were missing", self.what);
    }

    /// What came is what was sent.
    #[track_caller]
    fn verify(&self, folder: &Path) {
        let found = fs::read(folder.join("big.bin")).expect("it is there");
        assert_eq!(blake3::hash(&found), blake3::hash(&self.content), "{}", self.what);
        fs::remove_dir_all(folder).expect("removed");
    }
}

/// Alice shares the file: its name in the conference.
fn share(house: &mut House, plan: &Plan) -> (Program, String) {
    fs::write(house.path("big.bin"), &plan.content).expect("written");
    let mut sharer = house.fshare("alice", "alice-home", &["share", "standup", "big.bin"]);
    let share = sharer.wait_for("shared")["share"].as_str().expect("a share").to_owned();
    (sharer, share)
}

/// Bob receives it.
fn get(house: &mut House, share: &str, at: usize) -> Program {
    house.fshare("bob", &format!("home-{at}"), &["get", "standup", share, "--output", &format!("got-{at}")])
}

#[test]
fn a_receiver_that_is_killed_goes_on_with_what_it_had_and_its_sharer_does_not_wait_for_the_dead() {
    let plan = Plan::draw("receiver killed");
    let mut house = House::together("receiver");
    for (at, &offset) in plan.offsets.iter().enumerate() {
        let (mut sharer, share) = share(&mut house, &plan);
        sharer.wait_for("uploaded");
        let trap = house.gateway.hold(Way::Down, offset);
        let mut receiver = get(&mut house, &share, at);
        let held = trap.wait();
        receiver.freeze();
        let unread = held.unread();
        receiver.kill();
        held.then(Verdict::Close);
        let mark = house.gateway.mark();
        let home = format!("home-{at}");
        let known = house.fshare("bob", &home, &["status"]).ends_with(0);
        match known.events[0]["transfers"][0]["transfer"].as_str().map(str::to_owned) {
            Some(name) => house.fshare("bob", &home, &["resume", &name]).ends_with(0),
            // It was killed before it knew what comes: there is nothing to go on with.
            None => get(&mut house, &share, at).ends_with(0),
        };
        plan.judge(offset, unread, house.gateway.carried(mark, Way::Down));
        plan.verify(&house.path(&format!("got-{at}")));
        sharer.ends_with(0);
    }
}

#[test]
fn a_receiver_that_is_cut_off_connects_again() {
    let plan = Plan::draw("receiver cut off");
    let mut house = House::together("cut-off");
    for (at, &offset) in plan.offsets.iter().enumerate() {
        let (mut sharer, share) = share(&mut house, &plan);
        sharer.wait_for("uploaded");
        let trap = house.gateway.hold(Way::Down, offset);
        let receiver = get(&mut house, &share, at);
        let held = trap.wait();
        let (unread, mark) = (held.unread(), house.gateway.mark());
        held.then(verdict(at));
        receiver.ends_with(0);
        plan.judge(offset, unread, house.gateway.carried(mark, Way::Down));
        plan.verify(&house.path(&format!("got-{at}")));
        sharer.ends_with(0);
    }
}

#[test]
fn a_sharer_that_is_cut_off_connects_again() {
    let plan = Plan::draw("sharer cut off");
    let mut house = House::together("sharer-cut-off");
    for (at, &offset) in plan.offsets.iter().enumerate() {
        let trap = house.gateway.hold(Way::Up, offset);
        let (sharer, share) = share(&mut house, &plan);
        let held = trap.wait();
        let (unread, mark) = (held.unread(), house.gateway.mark());
        held.then(verdict(at));
        let receiver = get(&mut house, &share, at);
        receiver.ends_with(0);
        plan.judge(offset, unread, house.gateway.carried(mark, Way::Up));
        plan.verify(&house.path(&format!("got-{at}")));
        sharer.ends_with(0);
    }
}

#[test]
fn a_sharer_that_is_killed_goes_on_in_another_process() {
    let plan = Plan::draw("sharer killed");
    let mut house = House::together("sharer");
    for (at, &offset) in plan.offsets.iter().enumerate() {
        let trap = house.gateway.hold(Way::Up, offset);
        let (mut sharer, name) = share(&mut house, &plan);
        let held = trap.wait();
        let unread = held.unread();
        sharer.kill();
        held.then(Verdict::Close);
        let mark = house.gateway.mark();
        let known = house.fshare("alice", "alice-home", &["status"]).ends_with(0);
        let transfer = known.events[0]["transfers"][0]["transfer"].as_str().expect("an upload to go on with").to_owned();
        let again = house.fshare("alice", "alice-home", &["resume", &transfer]);
        get(&mut house, &name, at).ends_with(0);
        again.ends_with(0);
        plan.judge(offset, unread, house.gateway.carried(mark, Way::Up));
        plan.verify(&house.path(&format!("got-{at}")));
    }
}

/// How a connection is cut, in turn. Silence is noticed after three heartbeats, and so is tried once only.
fn verdict(at: usize) -> Verdict {
    match at {
        3 => Verdict::Silence,
        _ if at.is_multiple_of(2) => Verdict::Close,
        _ => Verdict::Reset,
    }
}

#[test]
fn a_file_server_that_is_killed_goes_on_with_what_it_had() {
    let plan = Plan::draw("file server killed");
    let mut house = House::apart("file-server");
    for (at, &offset) in plan.offsets.iter().enumerate() {
        // In the upload and in the download, in turn.
        let uploading = at.is_multiple_of(2);
        let first = house.gateway.mark();
        let trap = uploading.then(|| house.gateway.hold(Way::Up, offset));
        let (mut sharer, share) = share(&mut house, &plan);
        if !uploading {
            sharer.wait_for("uploaded");
        }
        let trap = trap.unwrap_or_else(|| house.gateway.hold(Way::Down, offset));
        let receiver = get(&mut house, &share, at);
        let held = trap.wait();
        house.file_server().freeze();
        let unread = held.unread();
        house.file_server().kill();
        held.then(Verdict::Close);
        let (mark, down) = (house.gateway.mark(), house.gateway.carried(first, Way::Down));
        house.start_file_server();
        // It may have come just when the file server was gone: then it has waited for the next one.
        receiver.ends_with(0);
        sharer.ends_with(0);
        if uploading {
            plan.judge(offset, unread, house.gateway.carried(mark, Way::Up));
        }
        plan.judge(down, if uploading { 0 } else { unread }, house.gateway.carried(mark, Way::Down));
        plan.verify(&house.path(&format!("got-{at}")));
    }
}

#[test]
fn who_comes_while_the_file_server_is_dead_waits_for_the_next_one() {
    let plan = Plan::draw("file server dead");
    let mut house = House::apart("dead");
    for at in 0..3 {
        let (mut sharer, share) = share(&mut house, &plan);
        sharer.wait_for("uploaded");
        house.file_server().kill();
        let mut receiver = get(&mut house, &share, at);
        // It has begun, and asks a file server that is not there; or the next one, which nobody has noticed yet.
        receiver.wait_for("offered");
        house.start_file_server();
        receiver.ends_with(0);
        plan.verify(&house.path(&format!("got-{at}")));
        sharer.ends_with(0);
    }
}
