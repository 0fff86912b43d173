//! Terminals in the background: `confctl ua`.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    process::Stdio,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::programs::{Ran, Relayd, folder, program, ran};

/// Whatever is awaited comes within this, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server, and a folder for the sockets of terminals: of this test alone, and short enough for a socket's address.
struct Desk {
    relayd: Relayd,
    session: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let relayd = Relayd::start(&["--user", "alice", "--user", "bob"]);
        relayd.run(&["create", "room"]).ends_with(0);
        Self { relayd, session: tempfile::tempdir().expect("a folder") }
    }

    /// `confctl --json ua …`
    fn ua(&self, args: &[&str]) -> Ran {
        let mut confctl = self.relayd.confctl(&[&["--json", "ua"], args].concat());
        ran(confctl.env("XDG_RUNTIME_DIR", self.session.path()).output().expect("confctl starts"))
    }

    fn told(&self, args: &[&str]) -> Value {
        let ran = self.ua(args).ends_with(0);
        serde_json::from_str(&ran.out).unwrap_or_else(|why| panic!("{why}: {:?}", ran.out))
    }

    /// Asks until something is so; each answer is the terminal's own.
    #[track_caller]
    fn waits(&self, name: &str, is: impl Fn(&Value) -> bool) -> Value {
        let end = confkit::clock::now() + PATIENCE;
        loop {
            let status = self.told(&[name, "status"]);
            if is(&status) {
                return status;
            }
            assert!(confkit::clock::now() < end, "{status}");
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        for name in ["desk", "couch"] {
            // One that is stopped already is not there.
            let _ = self.ua(&["stop", name]);
        }
    }
}

fn state(status: &Value, share: &Value) -> Option<String> {
    let shares = status["shares"].as_array()?;
    shares.iter().find(|told| told["share"] == *share)?["state"].as_str().map(str::to_owned)
}

#[test]
fn terminals_in_the_background_share_and_get_in_their_calls() {
    let desk = Desk::new();
    let place = folder("background");
    let (slides, minutes) = (place.join("slides.bin"), place.join("minutes.txt"));
    fs::write(&slides, vec![7; 2_000_000]).expect("written");
    fs::write(&minutes, b"minutes").expect("written");
    let received = place.join("received");
    let path = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();

    let started = desk.told(&["start", "desk", "--as", "alice", "--mic", "tone:440"]);
    assert_eq!((started["name"].as_str(), started["in_call"].as_bool()), (Some("desk"), Some(false)), "{started}");
    let couch = desk.told(&["start", "couch", "--as", "bob", "--mic", "tone:620", "--call", "room", "--download", &path(&received)]);
    assert_eq!(couch["in_call"].as_bool(), Some(true), "{couch}");
    let listed = desk.told(&["list"]);
    let names: Vec<&str> = listed["terminals"].as_array().expect("terminals").iter().filter_map(|t| t["name"].as_str()).collect();
    assert_eq!(names, ["couch", "desk"]);

    desk.ua(&["desk", "share", &path(&slides)]).ends_with(4);
    desk.ua(&["desk", "call", "room"]).ends_with(0);
    let first = desk.told(&["desk", "share", &path(&slides)])["share"].clone();
    desk.waits("couch", |status| state(status, &first).as_deref() == Some("received"));
    assert!(fs::read(received.join("slides.bin")).expect("it came") == vec![7; 2_000_000]);
    desk.waits("desk", |status| state(status, &first).as_deref() == Some("finished"));

    // What was declined is got by its name, where it is wanted.
    let second = desk.told(&["couch", "share", &path(&minutes), "--via", "info"])["share"].clone();
    desk.waits("desk", |status| state(status, &second).as_deref() == Some("declined"));
    let wanted = place.join("wanted");
    desk.ua(&["desk", "get", "minutes.txt", "--output", &path(&wanted)]).ends_with(0);
    assert_eq!(fs::read(wanted.join("minutes.txt")).expect("it came"), b"minutes");
    desk.ua(&["desk", "get", "nowhere.txt"]).ends_with(4);
    desk.ua(&["desk", "share", &path(&place.join("nowhere.txt"))]).ends_with(4);
    desk.ua(&["couch", "unshare", "minutes.txt"]).ends_with(0);

    // The audio has gone on: bob is heard, and once he says nothing he is not.
    let heard = desk.waits("desk", |status| status["level_dbfs"].as_f64().is_some_and(|level| level > -30.0));
    assert_eq!(heard["packets_lost"].as_i64(), Some(0), "{heard}");
    desk.ua(&["couch", "mute"]).ends_with(0);
    desk.waits("desk", |status| status["level_dbfs"].as_f64().is_none_or(|level| level < -60.0));
    desk.ua(&["couch", "unmute"]).ends_with(0);
    desk.waits("desk", |status| status["level_dbfs"].as_f64().is_some_and(|level| level > -30.0));
    desk.ua(&["couch", "message", "alice", "tea?"]).ends_with(0);
    desk.waits("desk", |status| status["happened"].as_array().is_some_and(|all| all.iter().any(|one| one["text"] == "tea?")));

    desk.ua(&["desk", "hangup"]).ends_with(0);
    desk.ua(&["desk", "hangup"]).ends_with(4);
    desk.ua(&["stop", "couch"]).ends_with(0);
    let show: Value = serde_json::from_str(&desk.relayd.run(&["--json", "show", "room"]).out).unwrap_or_default();
    assert_eq!(show["roster"].as_array().map_or(0, Vec::len), 0, "both said BYE: {show}");
}

#[test]
fn the_first_share_of_the_next_conference_is_another_one() {
    let desk = Desk::new();
    desk.relayd.run(&["create", "annexe"]).ends_with(0);
    let place = folder("background-next");
    let path = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    desk.told(&["start", "desk", "--as", "alice"]);
    desk.told(&["start", "couch", "--as", "bob"]);
    for (room, name) in [("room", "notes.txt"), ("annexe", "slides.txt")] {
        let (file, to) = (place.join(name), place.join(room));
        fs::write(&file, room).expect("written");
        for terminal in ["desk", "couch"] {
            desk.ua(&[terminal, "call", room]).ends_with(0);
        }
        let shared = desk.told(&["desk", "share", &path(&file)]);
        assert_eq!(shared["share"], "share-1", "shares are counted anew: {shared}");
        // By the name of the share: the one before has it, too.
        desk.ua(&["couch", "get", "share-1", "--output", &path(&to)]).ends_with(0);
        assert_eq!(fs::read_to_string(to.join(name)).expect("it came"), room);
        for terminal in ["desk", "couch"] {
            desk.ua(&[terminal, "hangup"]).ends_with(0);
        }
    }
}

#[test]
fn whoever_waits_for_a_download_keeps_nobody_else_from_being_heard() {
    let desk = Desk::new();
    let file = folder("background-waits").join("long.bin");
    fs::write(&file, vec![7; 4_000_000]).expect("written");
    let path = file.to_str().expect("UTF-8");
    desk.told(&["start", "desk", "--as", "alice", "--call", "room"]);
    let mut bob = desk.relayd.joins(&["room", "--as", "bob", "--share", path, "--limit", "1KiB/s"]);
    let share = bob.waits_for("shared")["share"].clone();
    desk.waits("desk", |status| state(status, &share).as_deref() == Some("declined"));
    // One more than may wait.
    let mut waiting: Vec<UnixStream> = (0..65)
        .map(|_| {
            let mut stream = UnixStream::connect(desk.session.path().join("confkit/desk.sock")).expect("it listens");
            stream.write_all(b"{\"do\":\"get\",\"file\":\"long.bin\"}\n").expect("it is heard");
            stream.set_nonblocking(true).expect("set");
            stream
        })
        .collect();
    let end = confkit::clock::now() + PATIENCE;
    let refused = loop {
        let mut reply = [0; 1000];
        if let Some(read) = waiting.iter_mut().find_map(|stream| stream.read(&mut reply).ok()) {
            break String::from_utf8_lossy(&reply[..read]).into_owned();
        }
        assert!(confkit::clock::now() < end, "nobody is refused");
        std::thread::park_timeout(Duration::from_millis(50));
    };
    assert!(refused.contains("already waiting for 64 transfers"), "{refused}");
    desk.ua(&["desk", "get", "nowhere.txt"]).ends_with(5);
    desk.told(&["desk", "status"]);
    // Who has gone is not waited for.
    drop(waiting);
    let end = confkit::clock::now() + PATIENCE;
    while desk.ua(&["desk", "get", "nowhere.txt"]).code != 4 {
        assert!(confkit::clock::now() < end, "those who have gone are waited for");
    }
    desk.ua(&["stop", "desk"]).ends_with(0);
}

#[test]
fn an_upload_is_waited_for_shown_and_left_to_others_when_it_breaks_off() {
    let desk = Desk::new();
    let place = folder("background-upload");
    let file = place.join("long.bin");
    fs::write(&file, vec![7; 8_000_000]).expect("written");
    let path = file.to_str().expect("UTF-8").to_owned();
    desk.told(&["start", "desk", "--as", "alice", "--call", "room"]);
    let whole = desk.told(&["desk", "share", &path, "--wait"])["share"].clone();
    let status = desk.told(&["desk", "status"]);
    let shared = status["shares"].as_array().expect("shares")[0].clone();
    assert_eq!((shared["bytes"].as_u64(), shared["total"].as_u64()), (Some(8_000_000), Some(8_000_000)), "{shared}");
    assert!(shared["share"] == whole && shared["state"] != "shared", "all of it was there when it ended: {shared}");
    // The next call has nothing of it.
    desk.ua(&["desk", "hangup"]).ends_with(0);
    assert_eq!(desk.told(&["desk", "status"])["shares"], serde_json::json!([]));
    desk.ua(&["stop", "desk"]).ends_with(0);

    desk.told(&["start", "desk", "--as", "alice", "--call", "room", "--limit", "1MiB/s"]);
    let share = desk.told(&["desk", "share", &path])["share"].clone();
    let moved = |status: &Value| {
        let shares = status["shares"].as_array().cloned().unwrap_or_default();
        shares.iter().find(|told| told["share"] == share).and_then(|told| told["bytes"].as_u64())
    };
    desk.waits("desk", |status| moved(status) > Some(1_000_000));
    desk.ua(&["stop", "desk"]).ends_with(0);
    let fshare = |args: &[&str]| {
        let mut fshare = program(env!("CARGO_BIN_EXE_fshare"));
        fshare.args(["--json", "--as", "alice"]).args(args).envs(desk.relayd.environment.iter().cloned());
        fshare
    };
    let known = ran(fshare(&["status"]).output().expect("fshare starts")).ends_with(0);
    let known: Value = serde_json::from_str(&known.out).expect("JSON");
    // The newest: an earlier run of this test may have left one.
    let ours = known["transfers"].as_array().expect("transfers").iter().filter(|known| known["paths"][0] == path.as_str());
    let known = ours.max_by_key(|known| known["changed"].to_string()).expect("it is kept").clone();
    assert!(known["bytes"].as_u64() > Some(0) && known["running"] == false, "{known}");
    let name = known["transfer"].as_str().expect("a name").to_owned();
    let mut again = fshare(&["resume", &name, "--limit", "none"]).stdout(Stdio::piped()).spawn().expect("fshare starts");
    desk.told(&["start", "couch", "--as", "bob", "--call", "room"]);
    let to = place.join("received");
    desk.ua(&["couch", "get", "long.bin", "--output", to.to_str().expect("UTF-8")]).ends_with(0);
    assert!(fs::read(to.join("long.bin")).expect("it came") == vec![7; 8_000_000]);
    assert!(again.wait().expect("it ends").success());
}

#[test]
fn of_two_that_are_started_at_once_over_a_dead_one_s_socket_one_runs() {
    let desk = Desk::new();
    let started = desk.told(&["start", "desk", "--as", "alice"]);
    let pid = Pid::from_raw(started["pid"].as_i64().and_then(|pid| pid.try_into().ok()).expect("a pid"));
    kill(pid, Signal::SIGKILL).expect("it runs");
    let start = || {
        let mut confctl = desk.relayd.confctl(&["--json", "ua", "start", "desk", "--as", "alice"]);
        confctl.env("XDG_RUNTIME_DIR", desk.session.path()).spawn().expect("confctl starts")
    };
    let both = [start(), start()].map(|child| ran(child.wait_with_output().expect("it ends")));
    let mut codes = both.each_ref().map(|ran| ran.code);
    codes.sort_unstable();
    assert_eq!(codes, [0, 5], "{both:?}");
    assert_eq!(desk.told(&["list"])["terminals"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_terminal_rings_until_it_is_told_to_answer() {
    let desk = Desk::new();
    desk.told(&["start", "desk", "--as", "alice", "--ring", "60s"]);
    let mut invite = desk.relayd.confctl(&["invite", "room", "alice"]).spawn().expect("confctl starts");
    desk.waits("desk", |status| status["happened"].as_array().is_some_and(|all| all.iter().any(|one| one["what"] == "called")));
    desk.ua(&["desk", "answer"]).ends_with(0);
    assert!(invite.wait().expect("it ends").success(), "the conference was answered");
    assert_eq!(desk.told(&["desk", "status"])["in_call"].as_bool(), Some(true));
}

#[test]
fn names_are_taken_once_and_errors_say_which() {
    let desk = Desk::new();
    desk.told(&["start", "desk", "--as", "alice"]);
    let taken = desk.ua(&["start", "desk", "--as", "bob"]).ends_with(5);
    assert!(taken.err.contains("is already running"), "{}", taken.err);
    desk.ua(&["stop", "couch"]).ends_with(4);
    desk.ua(&["couch", "status"]).ends_with(4);
    desk.ua(&["start", "list"]).ends_with(2);
    desk.ua(&["desk", "start", "couch"]).ends_with(2);
    desk.ua(&["status"]).ends_with(2);
    let nowhere = desk.ua(&["start", "couch", "--as", "mallory"]).ends_with(3);
    assert!(nowhere.err.contains("no password is known for mallory"), "{}", nowhere.err);
    assert_eq!(desk.told(&["list"])["terminals"].as_array().map(Vec::len), Some(1));
    desk.ua(&["stop", "desk"]).ends_with(0);
    desk.ua(&["stop", "desk"]).ends_with(4);
}
