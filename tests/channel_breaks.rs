//! Nothing is lost of what goes through a relay: real programs, killed at byte offsets that a seed draws. What goes on is verified, and what goes
//! over the wire again is counted, at a gateway between the terminals and the relay.
//!
//! `CONFKIT_BREAKS_SEED=17` draws other offsets, `CONFKIT_BREAKS_BYTES=1073741824` makes the file larger, `CONFKIT_BREAKS_COUNT=60` kills more often;
//! `-- --nocapture` prints what was counted. `make breaks` (`scripts/breaks.sh`) does so with 1 GiB, and `docs/channels.md` has the table of such a run,
//! and says what its columns are.

#![cfg(feature = "cli")]

#[path = "fileshare_breaks/gateway.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod gateway;
#[path = "fileshare_breaks/house.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod house;

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use nix::sys::signal::Signal;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use serde_json::Value;

use gateway::{Gateway, INSIDE, OUTSIDE, Verdict, Way};
use house::{Program, bare, server};

const FSHARE: &str = env!("CARGO_BIN_EXE_fshare");
const RELAYD: &str = env!("CARGO_BIN_EXE_relayd");
/// What may go over the wire again: what was in the memory of who was killed, and what seals and frames cost.
const SLACK: u64 = 2 << 20;
/// No control connection carries as much: what is held at an offset carries chunks.
const FIRST: u64 = 128 << 10;

/// A relay behind a gateway, and a folder for everything.
struct World {
    gateway: Gateway,
    relay: Program,
    runs: usize,
    /// Last, so that it is cleared away when nobody uses it any more.
    folder: tempfile::TempDir,
}

impl World {
    fn new(name: &str) -> Self {
        let (folder, gateway) = (tempfile::tempdir().expect("a folder"), house::gateway(name));
        let relay = relay(folder.path(), &gateway);
        Self { gateway, relay, runs: 0, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: u64, seed: u64) -> blake3::Hash {
        let mut content = vec![0; usize::try_from(bytes).expect("it fits into memory")];
        ChaCha12Rng::seed_from_u64(seed).fill(&mut content[..]);
        fs::write(self.path(name), &content).expect("written");
        blake3::hash(&content)
    }

    /// Starts `fshare --json …`; `home` is where it keeps its records.
    fn fshare(&mut self, home: &str, args: &[&str]) -> Program {
        self.runs += 1;
        let mut fshare = bare(FSHARE);
        fshare.env("HOME", self.path(home)).current_dir(self.folder.path());
        fshare.env("CONFKIT_RELAY", outside(&self.gateway));
        Program::start(self.folder.path(), &format!("{}-{home}", self.runs), fshare.arg("--json").args(args))
    }

    /// Sends, and gives the code.
    fn send(&mut self, args: &[&str]) -> (Program, String) {
        let mut sender = self.fshare("alice", &[&["send", "--relay-only"], args].concat());
        let code = sender.wait_for("code")["code"].as_str().expect("a code").to_owned();
        (sender, code)
    }

    fn recv(&mut self, code: &str, to: &str, more: &[&str]) -> Program {
        self.fshare("bob", &[&["recv", code, "--relay-only", "--yes", "--output", to], more].concat())
    }

    /// The transfers that there are records of.
    fn known(&mut self, home: &str) -> Vec<Value> {
        let status = self.fshare(home, &["status"]).ends_with(0);
        status.events[0]["transfers"].as_array().expect("a list").clone()
    }

    /// The name of the only one.
    fn name(&mut self, home: &str) -> String {
        let known = self.known(home);
        assert_eq!(known.len(), 1, "{home}: {known:?}");
        known[0]["transfer"].as_str().expect("a name").to_owned()
    }

    fn kill_relay(&mut self) {
        self.relay.kill();
    }

    fn start_relay(&mut self) {
        self.relay = relay(self.folder.path(), &self.gateway);
    }
}

impl Drop for World {
    #[expect(clippy::print_stderr, reason = "who reads of the failure wants to look there")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            eprintln!("what the programs said is in {}", self.folder.path().display());
        }
    }
}

/// The relay's port, inside and outside.
fn port(gateway: &Gateway) -> u16 {
    gateway.ports().split('-').next().and_then(|port| port.parse().ok()).expect("a port")
}

/// Where terminals find the relay.
fn outside(gateway: &Gateway) -> String {
    format!("{OUTSIDE}:{}", port(gateway))
}

fn relay(folder: &Path, gateway: &Gateway) -> Program {
    let port = port(gateway);
    let listen = format!("sip: [{{transport: udp, address: \"{INSIDE}:0\"}}], http: [], relay: [{{address: \"{INSIDE}:{port}\"}}]");
    let configuration = format!("roles: [relay]\nlisten: {{{listen}}}\n");
    let data = folder.join("relay-data");
    let mut relay = server(folder, "relay", bare(RELAYD), &configuration, &["--data-dir", data.to_str().expect("a path")]);
    relay.next().expect("it is ready");
    relay
}

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Sender,
    Receiver,
    Relay,
}

#[test]
fn a_transfer_goes_on_where_it_was_when_sender_receiver_or_relay_is_killed() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
    };
    let (seed, bytes, count) =
        (number("CONFKIT_BREAKS_SEED", 1), number("CONFKIT_BREAKS_BYTES", 16 << 20), number("CONFKIT_BREAKS_COUNT", 20));
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let mut world = World::new("channel-kills");
    let content = world.write("big.bin", bytes, seed);
    println!("seed {seed}, {bytes} bytes, {count} kills");
    println!("| killed | at byte | unread | remainder | on the wire after it | more |\n|---|---|---|---|---|---|");
    for at in 0..count {
        let victim = [Victim::Sender, Victim::Receiver, Victim::Relay][usize::try_from(at % 3).expect("small")];
        let offset = rng.random_range(FIRST..bytes);
        let folder = format!("got-{at}");
        let trap = world.gateway.hold(Way::Down, offset);
        let (mut sender, code) = world.send(&["big.bin"]);
        let mut receiver = world.recv(&code, &folder, &[]);
        let held = trap.wait();
        if victim == Victim::Receiver {
            receiver.freeze();
        }
        // What is on its way to a receiver that lives, it still gets.
        let unread = if victim == Victim::Receiver { held.unread() } else { 0 };
        match victim {
            Victim::Sender => sender.kill(),
            Victim::Receiver => receiver.kill(),
            Victim::Relay => world.kill_relay(),
        }
        let mark = world.gateway.mark();
        held.then(Verdict::Close);
        match victim {
            Victim::Sender => {
                let name = world.name("alice");
                sender = world.fshare("alice", &["resume", &name]);
            }
            // By its name, and by the code, in turn.
            Victim::Receiver if at % 2 == 0 => {
                let name = world.name("bob");
                receiver = world.fshare("bob", &["resume", &name]);
            }
            Victim::Receiver => receiver = world.recv(&code, &folder, &[]),
            Victim::Relay => world.start_relay(),
        }
        receiver.ends_with(0);
        sender.ends_with(0);
        let (remainder, after) = (bytes - (offset - unread.min(offset)), world.gateway.carried(mark, Way::Down));
        let more = after.checked_signed_diff(remainder).expect("small numbers");
        println!("| {victim:?} | {offset} | {unread} | {remainder} | {after} | {more:+} |");
        assert!(after <= remainder + SLACK, "{victim:?} at {offset}: {after} bytes after it, {remainder} remained");
        let found = fs::read(world.path(&folder).join("big.bin")).expect("it is there");
        assert_eq!(blake3::hash(&found), content, "{victim:?} at {offset}");
        fs::remove_dir_all(world.path(&folder)).expect("removed");
        assert!(world.known("alice").is_empty() && world.known("bob").is_empty(), "nothing is left to go on with");
    }
}

#[test]
fn who_stops_by_hand_can_go_on_and_the_other_side_waits_for_as_long_as_it_was_told_to() {
    let mut world = World::new("channel-stops");
    let content = world.write("big.bin", 24 << 20, 3);
    let trap = world.gateway.hold(Way::Down, 9 << 20);
    let (sender, code) = world.send(&["big.bin", "--patience", "0s"]);
    let mut receiver = world.recv(&code, "got", &["--patience", "0s"]);
    let held = trap.wait();
    // Ctrl-C at the receiver: the sender hears at once that it can be gone on with.
    receiver.signal(Signal::SIGINT);
    assert_eq!(receiver.end(), 130, "{}", receiver.told());
    held.then(Verdict::Close);
    let (sent, received) = (world.name("alice"), world.name("bob"));
    assert!(receiver.told().contains(&format!("fshare resume {received}")), "{}", receiver.told());
    let sender = sender.ends_with(9);
    assert!(sender.told().contains(&format!("fshare resume {sent}")), "{}", sender.told());
    // What is kept is for its owner alone, and nothing has its name before it is verified.
    let records = world.path("bob/.local/state/confkit/transfers");
    for entry in fs::read_dir(records).expect("records").map(|entry| entry.expect("an entry")) {
        assert_eq!(entry.metadata().expect("there").permissions().mode() & 0o077, 0, "{entry:?}");
    }
    assert!(!world.path("got/big.bin").exists());
    assert_eq!(world.known("bob")[0]["code"], code.as_str());
    // Nobody is there: it says so, and stays what it is.
    let alone = world.fshare("bob", &["resume", &received, "--patience", "300ms"]).ends_with(9);
    assert!(alone.told().contains("did not come back"), "{}", alone.told());
    // Whoever comes first waits for the other.
    let receiver = world.fshare("bob", &["resume", &received]);
    let sender = world.fshare("alice", &["resume", &sent]);
    let receiver = receiver.ends_with(0);
    sender.ends_with(0);
    let from = receiver.events.iter().find(|event| event["event"] == "begun").expect("it begins")["from"].as_u64().expect("a byte");
    assert!(from > 0, "it begins anew");
    assert_eq!(blake3::hash(&fs::read(world.path("got/big.bin")).expect("there")), content);
    assert!(world.known("alice").is_empty() && world.known("bob").is_empty());
}

#[test]
fn files_that_were_changed_are_not_gone_on_with_and_what_is_given_up_leaves_nothing() {
    let mut world = World::new("channel-changed");
    world.write("big.bin", 24 << 20, 3);
    let trap = world.gateway.hold(Way::Down, 9 << 20);
    let (mut sender, code) = world.send(&["big.bin"]);
    let mut receiver = world.recv(&code, "got", &[]);
    let held = trap.wait();
    sender.signal(Signal::SIGINT);
    assert_eq!(sender.end(), 130, "{}", sender.told());
    held.then(Verdict::Close);
    receiver.wait_for("broken");
    receiver.signal(Signal::SIGINT);
    assert_eq!(receiver.end(), 130, "{}", receiver.told());
    fs::File::options().append(true).open(world.path("big.bin")).and_then(|mut file| file.write_all(b"more")).expect("written");
    let (sent, received) = (world.name("alice"), world.name("bob"));
    let refused = world.fshare("alice", &["resume", &sent]).ends_with(1);
    assert!(refused.told().contains("changed") && refused.told().contains("fshare cancel"), "{}", refused.told());
    world.fshare("alice", &["cancel", &sent]).ends_with(0);
    world.fshare("bob", &["cancel", &received]).ends_with(0);
    assert!(world.known("alice").is_empty() && world.known("bob").is_empty());
    assert_eq!(fs::read_dir(world.path("got")).expect("a folder").count(), 0, "no partial file stays");
}

#[test]
fn a_pipe_goes_on_over_a_break_while_its_sender_lives() {
    let mut world = World::new("channel-pipe-breaks");
    let content = world.write("pipe.bin", 24 << 20, 5);
    let trap = world.gateway.hold(Way::Down, 9 << 20);
    let mut fshare = bare("sh");
    fshare.env("HOME", world.path("alice")).current_dir(world.path(""));
    fshare.env("CONFKIT_RELAY", outside(&world.gateway));
    fshare.args(["-c", "exec \"$0\" --json send - --relay-only --name pipe.bin < pipe.bin", FSHARE]);
    let mut sender = Program::start(&world.path(""), "pipe", &mut fshare);
    let code = sender.wait_for("code")["code"].as_str().expect("a code").to_owned();
    let mut receiver = world.recv(&code, "got", &[]);
    let held = trap.wait();
    world.kill_relay();
    held.then(Verdict::Close);
    sender.wait_for("broken");
    receiver.wait_for("broken");
    world.start_relay();
    receiver.ends_with(0);
    sender.ends_with(0);
    assert_eq!(blake3::hash(&fs::read(world.path("got/pipe.bin")).expect("there")), content);
}
