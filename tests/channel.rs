//! Files from terminal to terminal through a relay, by the real programs over loopback: `relayd`, `fshare send`, `fshare recv`.

#![cfg(feature = "cli")]

#[path = "channel/again.rs"]
mod again;
#[path = "channel/asked.rs"]
mod asked;
#[path = "channel/compression.rs"]
mod compression;
#[path = "support/hosts.rs"]
#[expect(clippy::print_stdout, reason = "what was seen is told to whoever runs it")]
mod hosts;
#[path = "channel/networks.rs"]
#[expect(clippy::print_stdout, reason = "what was seen is told to whoever runs it")]
mod networks;
#[path = "channel/patience.rs"]
mod patience;
#[path = "support/place.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod place;
#[path = "channel/relays.rs"]
mod relays;
#[path = "support/running.rs"]
mod running;
#[path = "channel/secure.rs"]
mod secure;
#[path = "support/server.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod server;
#[path = "channel/shell.rs"]
mod shell;
#[path = "support/shown.rs"]
mod shown;
#[path = "channel/slow.rs"]
mod slow;
#[path = "channel/sparse.rs"]
mod sparse;
#[path = "channel/told.rs"]
mod told;
#[path = "channel/ways.rs"]
mod ways;
#[path = "channel/xattrs.rs"]
mod xattrs;

use std::{
    fs,
    io::{BufRead, BufReader, Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use place::{PATIENCE, Place, command};
use running::{begin, next_event};
use server::Server;
use shown::not_shown;

/// Within a second an end is told of another that was killed, and this is for a machine that has much else to do. Whoever only fell silent is not
/// asked for five seconds, and not missed before ten.
const AT_ONCE: Duration = Duration::from_secs(4);

/// A relay, and terminals before it.
struct World {
    server: Server,
    place: Place,
}

/// An `fshare send` that runs.
struct Sending {
    child: Child,
    events: BufReader<ChildStdout>,
    code: String,
}

impl World {
    fn new(test: &str) -> Self {
        Self::with(test, "roles: [relay]\n")
    }

    fn with(test: &str, configuration: &str) -> Self {
        let place = Place::new(test);
        Self { server: Server::start(&place, "relay", configuration, &[]), place }
    }

    fn fshare(&self, args: &[&str]) -> Command {
        let mut fshare = command(env!("CARGO_BIN_EXE_fshare"));
        let relay = self.server.ready["relay"].as_str().expect("a relay");
        fshare.current_dir(self.place.path("")).env("HOME", self.place.path("")).env("CONFKIT_RELAY", relay).args(args);
        fshare.envs(self.server.ready["env"]["CONFKIT_CA"].as_str().map(|ca| ("CONFKIT_CA", ca)));
        fshare
    }

    fn send(&self, args: &[&str], input: Option<&[u8]>) -> Sending {
        let mut fshare = self.fshare(&[&["--json", "send"], args].concat());
        let piped = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child = begin(fshare.stdin(piped));
        if let (Some(mut pipe), Some(bytes)) = (child.stdin.take(), input.map(<[u8]>::to_vec)) {
            // What is not taken any more after a failure is nobody's loss.
            std::thread::spawn(move || pipe.write_all(&bytes));
        }
        let mut events = BufReader::new(child.stdout.take().expect("piped"));
        let code = event(&mut events, "code")["code"].as_str().expect("a code").to_owned();
        Sending { child, events, code }
    }

    fn recv(&self, args: &[&str]) -> Output {
        self.receiving(args).wait_with_output().expect("ended")
    }

    /// A receiver that runs on.
    fn receiving(&self, args: &[&str]) -> Child {
        begin(self.fshare(&[&["--json", "recv"], args].concat()).stdin(Stdio::null()))
    }
}

impl Sending {
    /// Its exit code, its further events, and what it said on standard error.
    fn end(mut self) -> (i32, Vec<Value>, String) {
        let events = self.events.by_ref().lines().map(|line| serde_json::from_str(&line.expect("text")).expect("JSON")).collect();
        let mut said = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        (self.child.wait().expect("waited for").code().unwrap_or(-1), events, said)
    }

    fn kill(&self) {
        kill(Pid::from_raw(self.child.id().try_into().expect("a pid")), Signal::SIGKILL).expect("killed");
    }
}

/// What a child tells.
fn events(child: &mut Child) -> BufReader<ChildStdout> {
    BufReader::new(child.stdout.take().expect("piped"))
}

/// The next event of this name.
fn event(events: &mut impl BufRead, name: &str) -> Value {
    next_event(events, name).unwrap_or_else(|| panic!("it ended before it told \"{name}\""))
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn bytes(len: usize) -> Vec<u8> {
    let mixed = |at: usize| {
        let once = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((once ^ (once >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56) as u8
    };
    (0..len).map(mixed).collect()
}

/// Files by their names, and what is in them.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.expect("readable"))
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry.path().strip_prefix(folder).expect("below").to_string_lossy().into_owned();
            (name, fs::read(entry.path()).expect("read"))
        })
        .collect();
    all.sort();
    all
}

#[test]
fn a_folder_arrives_as_it_was_by_one_connection_and_by_four() {
    let world = World::new("channel-folder");
    let sent = world.place.folder("sent/deep");
    fs::write(world.place.path("sent/large.bin"), bytes(5_000_003)).expect("written");
    fs::write(world.place.path("sent/empty"), b"").expect("written");
    for at in 0..200 {
        fs::write(sent.join(format!("n° {at} \"é\".txt")), format!("file {at}\n")).expect("written");
    }
    fs::set_permissions(sent.join("n° 7 \"é\".txt"), fs::Permissions::from_mode(0o700)).expect("mode");
    for streams in ["1", "4"] {
        let sending = world.send(&["sent", "--streams", streams], None);
        let received = world.recv(&[&sending.code, "--yes", "--output", streams]);
        assert_eq!(code(&received), 0, "{}", said(&received));
        let (ended, events, told) = sending.end();
        assert_eq!(ended, 0, "{told}");
        assert_eq!(events.last().expect("an event")["event"], "sent");
        assert!(contents(&world.place.path(streams).join("sent")) == contents(&world.place.path("sent")), "by {streams}");
        let mode = fs::metadata(world.place.path(streams).join("sent/deep/n° 7 \"é\".txt")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}

#[test]
fn a_pipe_goes_to_a_pipe_and_a_text_is_shown_and_not_kept() {
    let world = World::new("channel-pipe");
    let content = bytes(3_000_000);
    let sending = world.send(&["-"], Some(&content));
    let received = world.recv(&[&sending.code, "--output", "-"]);
    assert_eq!(code(&received), 0, "{}", String::from_utf8_lossy(&received.stderr));
    assert!(received.stdout == content, "{} bytes of {}", received.stdout.len(), content.len());
    assert_eq!(sending.end().0, 0);

    let folder = world.place.folder("empty");
    let sending = world.send(&["--text", "at ten\n\u{1b}[2Jor\televen"], None);
    let received = world.recv(&[&sending.code, "--yes", "--output", "empty"]);
    let told: Value = serde_json::from_slice(&received.stdout).expect("an event, and nothing else");
    assert_eq!((told["event"].as_str(), told["text"].as_str()), (Some("text"), Some("at ten\n\\u{1b}[2Jor\televen")));
    assert_eq!(sending.end().0, 0);
    let sending = world.send(&["--text", "a\tb"], None);
    let received = world.fshare(&["recv", &sending.code, "--output", "-"]).output().expect("fshare runs");
    assert_eq!(received.stdout, b"a\tb\n");
    assert_eq!(sending.end().0, 0);
    assert_eq!(fs::read_dir(folder).expect("a folder").count(), 0);
}

#[test]
fn a_wrong_guess_spends_the_code() {
    let world = World::new("channel-guess");
    fs::write(world.place.path("secret.txt"), b"secret").expect("written");
    let sending = world.send(&["secret.txt", "--words", "3"], None);
    let right = sending.code.clone();
    let (front, last) = right.rsplit_once('-').expect("words");
    let wrong = format!("{front}-{}", if last == "zoo" { "zone" } else { "zoo" });
    let guessed = world.recv(&[&wrong, "--yes", "--output", "out"]);
    assert_eq!(code(&guessed), 3, "{}", said(&guessed));
    let (ended, _, told) = sending.end();
    assert_eq!(ended, 3, "{told}");
    assert!(told.contains("used up"), "{told}");
    let late = world.recv(&[&right, "--yes", "--output", "out"]);
    assert_eq!(code(&late), 4, "{}", said(&late));
    assert!(contents(&world.place.folder("out")).is_empty());
}

#[test]
fn the_exit_code_says_why_nothing_was_sent_or_received() {
    let world = World::new("channel-codes");
    fs::write(world.place.path("notes.txt"), b"notes").expect("written");
    // No such code; nonsense; a slip in a word; no relay; no such file.
    assert_eq!(code(&world.recv(&["93-zoo-zone", "--yes"])), 4);
    assert_eq!(code(&world.recv(&["nonsense"])), 2);
    let slip = world.recv(&["1-crystl-window", "--yes"]);
    assert_eq!(code(&slip), 2);
    assert!(said(&slip).contains("crystal"), "{}", said(&slip));
    let nowhere = world.fshare(&["send", "notes.txt", "--relay", "127.0.0.1:1"]).output().expect("fshare runs");
    assert_eq!(code(&nowhere), 7, "{}", said(&nowhere));
    assert_eq!(code(&world.fshare(&["send", "missing.txt"]).output().expect("fshare runs")), 4);
    // It is there already; with leave it is replaced.
    let sending = world.send(&["notes.txt"], None);
    let taken = world.recv(&[&sending.code, "--yes"]);
    assert_eq!(code(&taken), 5, "{}", said(&taken));
    assert!(said(&taken).contains("--overwrite"), "{}", said(&taken));
    let (ended, _, told) = sending.end();
    assert_eq!(ended, 5, "{told}");
    assert!(told.contains("the receiver already has notes.txt"), "{told}");
}

#[test]
fn who_is_killed_is_missed_at_once_and_nothing_unfinished_gets_its_name() {
    let world = World::new("channel-killed");
    fs::write(world.place.path("large.bin"), bytes(8 << 20)).expect("written");
    let sending = world.send(&["large.bin", "--limit", "1MiB/s"], None);
    let mut receiver = world.receiving(&[&sending.code, "--yes", "--output", "out", "--patience", "0s"]);
    let mut told = events(&mut receiver);
    event(&mut told, "progress");
    sending.kill();
    let killed = confkit::clock::now();
    let ended = receiver.wait().expect("waited for").code();
    assert!(killed.elapsed() < AT_ONCE, "{:?}", killed.elapsed());
    assert_eq!(ended, Some(9));
    assert!(!world.place.path("out/large.bin").exists());
    drop(sending.end());
}

#[test]
fn who_sends_hears_what_the_receivers_have_left_as_it_was() {
    let world = World::new("channel-left");
    for folder in ["one", "two"] {
        fs::write(world.place.folder(folder).join("talk.bin"), b"mine").expect("written");
    }
    for name in ["talk.bin", "other.bin"] {
        fs::write(world.place.path(name), bytes(1000)).expect("written");
    }
    let skipped = |files: &[&str], folders: &[&str]| {
        let number = folders.len().to_string();
        let sending = world.send(&[files, &["--receivers", &number]].concat(), None);
        let receivers: Vec<Child> =
            folders.iter().map(|folder| world.receiving(&[&sending.code, "--yes", "--skip", "--output", folder])).collect();
        for receiver in receivers {
            assert_eq!(code(&receiver.wait_with_output().expect("ended")), 0);
        }
        let (ended, events, told) = sending.end();
        assert_eq!(ended, 0, "{told}");
        let mut each: Vec<u64> =
            events.iter().filter(|event| event["state"] == "done").filter_map(|event| event["skipped"].as_u64()).collect();
        each.sort_unstable();
        let sent = events.into_iter().find(|event| event["event"] == "sent").expect("sent");
        (sent["skipped"].as_u64().expect("a number"), each)
    };
    assert_eq!(skipped(&["talk.bin", "other.bin"], &["one"]), (1, vec![]));
    assert_eq!(skipped(&["talk.bin", "other.bin"], &["one"]), (2, vec![]), "the other is there now, too");
    assert_eq!(skipped(&["talk.bin", "other.bin"], &["one", "two"]), (1, vec![1, 2]));
    for folder in ["one", "two"] {
        assert_eq!(fs::read(world.place.path(folder).join("talk.bin")).expect("there"), b"mine");
    }
}

#[test]
fn several_receivers_get_the_same_bytes_by_one_code_and_what_one_does_is_nothing_to_the_others() {
    let world = World::new("channel-several");
    fs::write(world.place.path("talk.bin"), bytes(9_000_001)).expect("written");
    let sending = world.send(&["talk.bin", "--receivers", "3", "--streams", "2"], None);
    let receivers: Vec<Child> = ["one", "two", "three"]
        .iter()
        .map(|folder| {
            // The third has it already, and takes nothing over it.
            if *folder == "three" {
                fs::write(world.place.folder(folder).join("talk.bin"), b"mine").expect("written");
            }
            world.receiving(&[&sending.code, "--yes", "--output", folder])
        })
        .collect();
    let ends: Vec<Output> = receivers.into_iter().map(|child| child.wait_with_output().expect("ended")).collect();
    assert_eq!(ends.iter().map(code).collect::<Vec<_>>(), [0, 0, 5], "{}", ends.iter().map(said).collect::<String>());
    let (ended, events, told) = sending.end();
    assert_eq!(ended, 5, "{told}");
    let mut states: Vec<&str> =
        events.iter().filter(|event| event["event"] == "receiver").filter_map(|event| event["state"].as_str()).collect();
    states.sort_unstable();
    assert_eq!(states, ["done", "done", "failed", "joined", "joined", "joined"], "{events:?}");
    assert!(told.contains("2 of 3 receivers"), "{told}");
    for folder in ["one", "two"] {
        assert!(fs::read(world.place.path(folder).join("talk.bin")).expect("there") == bytes(9_000_001), "{folder}");
    }
    assert_eq!(fs::read(world.place.path("three/talk.bin")).expect("there"), b"mine");
}

#[test]
fn a_wrong_guess_keeps_others_away_and_not_those_who_have_come() {
    let world = World::new("channel-several-guess");
    fs::write(world.place.path("talk.bin"), bytes(100_000)).expect("written");
    let mut sending = world.send(&["talk.bin", "--receivers", "3"], None);
    let first = world.receiving(&[&sending.code, "--yes", "--output", "one"]);
    assert_eq!(event(&mut sending.events, "receiver")["state"], "joined");
    let (nameplate, _) = sending.code.split_once('-').expect("a code");
    let guessed = world.recv(&[&format!("{nameplate}-zoo-zoo"), "--yes", "--output", "two"]);
    assert_eq!(code(&guessed), 3, "{}", said(&guessed));
    assert_eq!(code(&first.wait_with_output().expect("ended")), 0);
    assert_eq!(event(&mut sending.events, "guessed")["receivers"], 1);
    let (ended, _, told) = sending.end();
    assert_eq!(ended, 3, "{told}");
    assert!(told.contains("1 of 3 receivers") && told.contains("pass on the new code"), "{told}");
    assert!(fs::read(world.place.path("one/talk.bin")).expect("there") == bytes(100_000));
}

#[test]
fn of_several_receivers_one_that_keeps_nothing_is_not_promised_to_anybody() {
    let world = World::new("channel-several-once");
    fs::write(world.place.path("talk.bin"), bytes(6 << 20)).expect("written");
    let mut sending = world.send(&["talk.bin", "--receivers", "2", "--limit", "1MiB/s"], None);
    let receivers = ["kept", "-"].map(|output| {
        let args = ["--json", "recv", &sending.code, "--yes", "--output", output];
        // Whom nobody reads would stand still.
        world.fshare(&args).stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("fshare runs")
    });
    event(&mut sending.events, "begun");
    kill(Pid::from_raw(sending.child.id().try_into().expect("a pid")), Signal::SIGINT).expect("interrupted");
    let (ended, _, told) = sending.end();
    assert_eq!((ended, told.matches("fshare resume send-").count()), (130, 1), "{told}");
    for mut receiver in receivers {
        receiver.kill().expect("ended");
        receiver.wait().expect("waited for");
    }
}

#[test]
fn the_code_of_what_was_broken_off_goes_on_with_it_from_any_folder_and_uses_up_nobody_elses() {
    let world = World::new("channel-elsewhere");
    fs::write(world.place.path("talk.bin"), bytes(6 << 20)).expect("written");
    fs::write(world.place.path("other.bin"), bytes(10)).expect("written");
    let sending = world.send(&["talk.bin", "--limit", "2MiB/s"], None);
    let mut lost = world.receiving(&[&sending.code, "--yes", "--output", "begun"]);
    event(&mut events(&mut lost), "progress");
    lost.kill().expect("killed");
    lost.wait().expect("waited for");
    // Somebody else has the number of the code now.
    let (nameplate, _) = sending.code.split_once('-').expect("a code");
    let other = world.send(&["other.bin", "--code", &format!("{nameplate}-zoo-zoo")], None);
    // Nothing can be put into where it is typed.
    let back = world.recv(&[&sending.code, "--yes", "--output", "/proc"]);
    assert_eq!(code(&back), 0, "{}", said(&back));
    assert!(said(&back).contains("was begun before, into ") && said(&back).contains("to resume recv-"), "{}", said(&back));
    assert_eq!(sending.end().0, 0);
    assert_eq!(code(&world.recv(&[&other.code, "--yes", "--output", "elsewhere"])), 0, "its code is good");
    assert_eq!(other.end().0, 0);
    assert!(fs::read(world.place.path("begun/talk.bin")).expect("there") == bytes(6 << 20));
    assert!(!world.place.path("elsewhere/talk.bin").exists());
}

#[test]
fn one_of_several_receivers_who_is_killed_comes_back_by_the_code_and_gets_the_rest_apart() {
    let world = World::new("channel-several-back");
    fs::write(world.place.path("talk.bin"), bytes(12_000_000)).expect("written");
    let mut sending = world.send(&["talk.bin", "--receivers", "2", "--limit", "4MiB/s"], None);
    let recv = |folder: &str| world.receiving(&[&sending.code, "--yes", "--output", folder]);
    let (mut lost, other) = (recv("lost"), recv("other"));
    event(&mut events(&mut lost), "progress");
    lost.kill().expect("killed");
    lost.wait().expect("waited for");
    while event(&mut sending.events, "receiver")["state"] != "broken" {}
    let back = recv("lost").wait_with_output().expect("ended");
    assert_eq!(code(&back), 0, "{}", said(&back));
    let told = String::from_utf8_lossy(&back.stdout);
    let from = told.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")).find_map(|event| event["from"].as_u64());
    let apart = 12_000_000 - from.expect("it has begun");
    assert_eq!(code(&other.wait_with_output().expect("ended")), 0);
    let (ended, events, told) = sending.end();
    assert_eq!(ended, 0, "{told}");
    let states: Vec<&str> =
        events.iter().filter(|event| event["event"] == "receiver").filter_map(|event| event["state"].as_str()).collect();
    assert!(states.contains(&"back") && states.iter().filter(|state| **state == "done").count() == 2, "{events:?}");
    let wire = events.last().expect("an event")["wire"].as_u64().expect("a number");
    assert!(apart > 0 && wire > 12_000_000 + apart, "{wire} bytes on the wire, {apart} of them apart");
    for folder in ["lost", "other"] {
        assert!(fs::read(world.place.path(folder).join("talk.bin")).expect("there") == bytes(12_000_000), "{folder}");
    }
}
