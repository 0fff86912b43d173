//! Terminals that share and receive in their calls' own dialogs: `confctl join --share`, `--download`, `--on-file`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;

use crate::programs::{Joined, Ran, Relayd, folder, program, ran};

/// Bytes that do not repeat.
fn bytes(count: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; count];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

/// A folder with files of several kinds.
fn tree(at: &Path) -> PathBuf {
    let sent = at.join("sent");
    fs::create_dir_all(sent.join("deep/er")).expect("folders");
    fs::write(sent.join("large.bin"), bytes(3_000_000, 1)).expect("written");
    fs::write(sent.join("empty"), b"").expect("written");
    fs::write(sent.join("deep/er/n° 1 \"é\" 张.txt"), b"one\n").expect("written");
    sent
}

/// Every file below a folder, with its content.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found: Vec<_> = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| (entry.path().strip_prefix(folder).expect("below").to_owned(), fs::read(entry.path()).expect("read")))
        .collect();
    found.sort();
    found
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn server() -> Relayd {
    let relayd = Relayd::start(&["--user", "alice", "--user", "bob", "--user", "carol"]);
    relayd.run(&["create", "room"]).ends_with(0);
    relayd
}

/// Ctrl-C: it has nothing to regret.
#[track_caller]
fn leaves(terminal: Joined) -> Value {
    terminal.interrupt();
    let (left, code) = terminal.left();
    assert_eq!((left["event"].as_str(), code), (Some("left"), 130), "{left}");
    left
}

/// These tones are the strongest of what a terminal heard, and no packet was lost on the way.
#[track_caller]
fn heard(left: &Value, tones: &[f64]) {
    let stats = &left["stats"];
    assert_eq!(stats["packets_lost"].as_i64(), Some(0), "{left}");
    let strongest: Vec<f64> =
        stats["frequencies"].as_array().expect("frequencies").iter().take(tones.len()).filter_map(|f| f["hz"].as_f64()).collect();
    for tone in tones {
        assert!(strongest.iter().any(|hz| (hz - tone).abs() < 3.0), "{tone} Hz is not among {strongest:?}");
    }
}

#[test]
fn by_either_opening_files_arrive_in_the_dialog_of_the_call_while_the_audio_goes_on() {
    let relayd = server();
    let place = folder("join-share");
    let sent = tree(&place);
    for via in ["reinvite", "info"] {
        let receives = |user: &str, tone: &str, others: [f64; 2]| {
            let to = place.join(format!("{via}-{user}"));
            (relayd.joins(&["room", "--as", user, "--mic", tone, "--stats", "--download", text(&to)]), to, others)
        };
        let others = [receives("bob", "tone:620", [440.0, 880.0]), receives("carol", "tone:880", [440.0, 620.0])];
        let alice = ["room", "--as", "alice", "--mic", "tone:440", "--stats", "--share", text(&sent), "--via", via, "--limit", "2MiB/s"];
        let mut alice = relayd.joins(&alice);
        let shared = alice.waits_for("shared");
        assert_eq!(shared["bytes"].as_u64(), Some(3_000_004), "{shared}");
        assert!(alice.waits_for("progress")["total"].as_u64() == Some(3_000_004), "{via}: a second of upload is told");
        alice.waits_for("uploaded");
        let finished = alice.waits_for("finished");
        let states: Vec<&str> = finished["members"].as_array().expect("members").iter().filter_map(|m| m["state"].as_str()).collect();
        assert_eq!(states, ["complete", "complete"], "{finished}");
        for (mut terminal, to, tones) in others {
            let offered = terminal.waits_for("offered");
            assert_eq!((offered["share"].as_str(), offered["wanted"].as_bool()), (shared["share"].as_str(), Some(true)), "{offered}");
            let received = terminal.waits_for("received");
            let large =
                received["files"].as_array().expect("files").iter().find(|file| file["name"] == "sent/large.bin").expect("the file");
            assert_eq!(large["blake3"].as_str(), Some(blake3::hash(&bytes(3_000_000, 1)).to_hex().as_str()), "{received}");
            assert!(contents(&to.join("sent")) == contents(&sent), "{via}: what came is not what was sent");
            heard(&leaves(terminal), &tones);
        }
        heard(&leaves(alice), &[620.0, 880.0]);
    }
}

#[test]
fn who_comes_late_is_offered_every_live_share() {
    let relayd = server();
    let place = folder("join-late");
    let (slides, minutes) = (place.join("slides.bin"), place.join("minutes.bin"));
    fs::write(&slides, bytes(2_000_000, 2)).expect("written");
    fs::write(&minutes, bytes(500_000, 3)).expect("written");
    // One is complete and one is on its way when she comes.
    let mut alice = relayd.joins(&["room", "--as", "alice", "--share", text(&slides), "--limit", "1MiB/s"]);
    alice.waits_for("shared");
    let mut bob = relayd.joins(&["room", "--as", "bob", "--share", text(&minutes), "--via", "info"]);
    bob.waits_for("uploaded");
    let to = place.join("received");
    let mut carol = relayd.joins(&["room", "--as", "carol", "--download", text(&to)]);
    for _ in 0..2 {
        carol.waits_for("received");
    }
    assert!(contents(&to) == contents_of(&[&minutes, &slides]), "both came, whole");
    for mut sharer in [alice, bob] {
        // Who was there before and did not want it has declined it; she has it.
        loop {
            let finished = sharer.waits_for("finished");
            let members = finished["members"].as_array().expect("members");
            if members.iter().any(|member| member["state"] == "complete") {
                break;
            }
        }
        leaves(sharer);
    }
    leaves(carol);
}

/// What a folder with these files holds.
fn contents_of(files: &[&Path]) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all: Vec<_> =
        files.iter().map(|file| (PathBuf::from(file.file_name().expect("a name")), fs::read(file).expect("read"))).collect();
    all.sort();
    all
}

#[test]
fn without_a_folder_what_is_offered_is_declined_and_the_call_goes_on() {
    let relayd = server();
    let place = folder("join-decline");
    let notes = place.join("notes.txt");
    fs::write(&notes, b"notes").expect("written");
    for via in ["reinvite", "info"] {
        let mut bob = relayd.joins(&["room", "--as", "bob"]);
        let mut alice = relayd.joins(&["room", "--as", "alice", "--share", text(&notes), "--via", via]);
        let offered = bob.waits_for("offered");
        assert_eq!((offered["wanted"].as_bool(), offered["names"][0].as_str()), (Some(false), Some("notes.txt")), "{via}: {offered}");
        let finished = alice.waits_for("finished");
        assert_eq!(finished["members"][0]["state"].as_str(), Some("declined"), "{via}: {finished}");
        let shown: Value = serde_json::from_str(&relayd.run(&["--json", "show", "room"]).ends_with(0).out).expect("JSON");
        assert_eq!(shown["roster"].as_array().map(Vec::len), Some(2), "both are still in: {shown}");
        leaves(bob);
        leaves(alice);
    }
}

#[test]
fn every_file_that_came_is_handed_to_a_command_and_waited_for() {
    let relayd = server();
    let place = folder("join-on-file");
    let sent = tree(&place);
    let (to, log) = (place.join("received"), place.join("log"));
    let command = format!("wc -c < \"$1\" >> '{}'", text(&log));
    let bob = ["join", "room", "--as", "bob", "--download", text(&to), "--on-file", &command, "--for", "20s"];
    let bob = relayd.confctl(&bob).spawn().expect("confctl starts");
    let mut alice = relayd.joins(&["room", "--as", "alice", "--share", text(&sent)]);
    // Bob may come after her: then she hears first that nobody is there.
    while alice.waits_for("finished")["members"][0]["state"] != "complete" {}
    relayd.run(&["end", "room"]).ends_with(0);
    let bob = ran(bob.wait_with_output().expect("it ends")).ends_with(6);
    assert!(bob.out.contains("received and verified, 3 files"), "{}", bob.out);
    let mut sizes: Vec<u64> = fs::read_to_string(log).expect("a log").lines().filter_map(|line| line.trim().parse().ok()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [0, 4, 3_000_000]);
    assert_eq!(alice.left().1, 6, "the conference was ended");
}

#[test]
fn what_cannot_be_shared_or_received_is_said_and_is_how_the_program_ends() {
    let relayd = server();
    let place = folder("join-refused");
    let notes = place.join("notes.txt");
    fs::write(&notes, b"notes").expect("written");
    // Nobody is called for a file that is not there.
    let missing = relayd.run(&["--json", "join", "room", "--as", "alice", "--share", text(&place.join("missing"))]).ends_with(4);
    assert_eq!(missing.out, "");
    relayd.run(&["join", "room", "--on-file", "true"]).ends_with(2);
    relayd.run(&["join", "room", "--via", "info"]).ends_with(2);
    // A guest shares nothing, and stays in the call.
    let mut guest = relayd.confctl(&["--json", "join", "room", "--share", text(&notes), "--for", "2s", "--stats"]);
    let guest = ran(guest.env_remove("CONFKIT_USER").env_remove("CONFKIT_CREDENTIALS").output().expect("confctl starts")).ends_with(3);
    assert!(guest.events("left")[0]["stats"]["packets_received"].as_u64().is_some_and(|count| count > 50), "{}", guest.out);

    // What lies there already is not overwritten, nor asked for.
    let mut bob = relayd.joins(&["room", "--as", "bob", "--download", text(&place)]);
    let mut alice = relayd.joins(&["room", "--as", "alice", "--share", text(&notes)]);
    let finished = alice.waits_for("finished");
    assert_eq!(finished["members"][0]["state"].as_str(), Some("declined"), "{finished}");
    assert!(bob.waits_for("failed")["reason"].as_str().is_some_and(|why| why.contains("exists")));
    leaves(alice);
    relayd.run(&["end", "room"]).ends_with(0);
    assert_eq!(bob.left().1, 5);
}

#[test]
fn a_download_that_is_left_is_gone_on_with() {
    let relayd = server();
    let place = folder("join-left");
    let file = place.join("long.bin");
    fs::write(&file, bytes(8_000_000, 4)).expect("written");
    let to = place.join("received");
    let mut alice = relayd.joins(&["room", "--as", "alice", "--share", text(&file)]);
    alice.waits_for("uploaded");
    let bob = ["--json", "join", "room", "--as", "bob", "--download", text(&to), "--limit", "2MiB/s", "--for", "2s"];
    let bob: Ran = relayd.run(&bob).ends_with(9);
    let hint = bob.err.split("fshare resume ").nth(1).expect("it says how to go on");
    let name: String = hint.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    assert!(!to.join("long.bin").exists(), "nothing has its name before it is whole");
    let mut resume = program(env!("CARGO_BIN_EXE_fshare"));
    resume.args(["--json", "--as", "bob", "resume", &name]).envs(relayd.environment.iter().cloned());
    let resumed = ran(resume.output().expect("fshare starts")).ends_with(0);
    assert_eq!(resumed.events("received").len(), 1, "{}", resumed.out);
    assert!(fs::read(to.join("long.bin")).expect("it is there") == bytes(8_000_000, 4));
    leaves(alice);
}

#[test]
fn who_joins_again_goes_on_with_what_was_under_way() {
    let relayd = server();
    let place = folder("join-again");
    let file = place.join("long.bin");
    fs::write(&file, bytes(8_000_000, 6)).expect("written");
    let to = place.join("received");
    let mut alice = relayd.joins(&["room", "--as", "alice", "--share", text(&file)]);
    alice.waits_for("uploaded");
    let bob = ["--json", "join", "room", "--as", "bob", "--download", text(&to), "--limit", "2MiB/s", "--for", "2s"];
    relayd.run(&bob).ends_with(9);
    let mut bob = relayd.joins(&["room", "--as", "bob", "--download", text(&to)]);
    bob.waits_for("received");
    assert!(fs::read(to.join("long.bin")).expect("it is there") == bytes(8_000_000, 6));
    leaves(bob);
    leaves(alice);
}

#[test]
fn a_sharer_that_leaves_too_early_says_how_to_go_on() {
    let relayd = server();
    let place = folder("join-early");
    let file = place.join("long.bin");
    fs::write(&file, bytes(8_000_000, 5)).expect("written");
    let began = confkit::clock::now();
    let alice = ["--json", "join", "room", "--as", "alice", "--share", text(&file), "--limit", "1MiB/s", "--for", "1s"];
    let alice = relayd.run(&alice).ends_with(9);
    assert!(alice.err.contains("was uploaded"), "{}", alice.err);
    assert!(confkit::clock::now().duration_since(began) < Duration::from_secs(8), "it did not wait for it");
    let fshare = |args: &[&str]| {
        let mut fshare = program(env!("CARGO_BIN_EXE_fshare"));
        fshare.arg("--json").args(args).envs(relayd.environment.iter().cloned());
        fshare
    };
    let shares = ran(fshare(&["--as", "bob", "shares", "room"]).output().expect("fshare starts")).ends_with(0);
    let shares: Value = serde_json::from_str(&shares.out).expect("JSON");
    assert_eq!((shares["shares"].as_array().map(Vec::len), shares["shares"][0]["complete"].as_bool()), (Some(1), Some(false)), "{shares}");
    let hint = alice.err.split("fshare resume ").nth(1).expect("it says how to go on");
    let name: String = hint.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let mut resume = fshare(&["--as", "alice", "resume", &name, "--limit", "none"]);
    let resume = resume.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("fshare starts");
    let to = place.join("received");
    ran(fshare(&["--as", "bob", "get", "room", "--output", text(&to)]).output().expect("fshare starts")).ends_with(0);
    assert!(fs::read(to.join("long.bin")).expect("it came") == bytes(8_000_000, 5));
    ran(resume.wait_with_output().expect("it ends")).ends_with(0);
}

#[test]
fn what_is_uploaded_as_the_server_stops_can_be_shared_again() {
    let relayd = server();
    let file = folder("join-stopped").join("long.bin");
    fs::write(&file, bytes(8_000_000, 7)).expect("written");
    let mut alice = relayd.joins(&["room", "--as", "alice", "--share", text(&file), "--limit", "1MiB/s"]);
    alice.waits_for("progress");
    drop(relayd);
    assert_eq!(alice.left().1, 9);
}
