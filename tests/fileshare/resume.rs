//! Transfers that break, and go on: in the same process by themselves, in another one by `fshare resume`.

use std::fs;

use nix::sys::signal::Signal;

use super::place::{Place, Running, bytes, code, contents, document, said};

const MIB: u64 = 1024 * 1024;
/// Of what is broken off: some seconds at [`LIMIT`].
const SIZE: usize = 12 * 1024 * 1024;
const LIMIT: &str = "3MiB/s";
/// What may be moved twice: what was on its way, and not yet noted.
const TWICE: u64 = 2 * MIB;

/// Breaks a process off as soon as something has moved; how much, and what it said.
fn broken_off(mut running: Running, by: Signal) -> u64 {
    let moved = running.until_moved(MIB);
    running.signal(by);
    let ended = running.end();
    match by {
        Signal::SIGKILL => assert_eq!(ended.code, None, "{ended:?}"),
        _ => {
            assert_eq!(ended.code, Some(130), "{ended:?}");
            let hint = ended.error()["hint"].as_str().unwrap_or_default().to_owned();
            assert!(hint.contains("fshare resume "), "it says how to go on: {hint:?}");
        }
    }
    moved
}

#[test]
fn an_upload_that_was_broken_off_goes_on_in_another_process() {
    for by in [Signal::SIGINT, Signal::SIGKILL] {
        let place = Place::new();
        let sent = place.write("large.bin", bytes(SIZE));
        let sharing = place.sharing(&["large.bin", "--limit", LIMIT], None);
        let share = sharing.share.clone();
        let bob = place.start("bob", &["get", "standup", &share, "--output", "bob"]);
        let moved = broken_off(sharing, by);

        let known = place.transfers("upload");
        let transfer = known[0]["transfer"].as_str().expect("a name").to_owned();
        assert_eq!((known.len(), known[0]["running"].as_bool()), (1, Some(false)));
        assert_eq!(known[0]["paths"][0].as_str(), place.path("large.bin").to_str());
        let (listed, status) = (place.fshare("alice", &["resume"]), place.fshare("alice", &["status"]));
        assert!(said(&listed).contains(&transfer), "{}", said(&listed));
        assert_eq!(document(&listed)["transfers"], document(&status)["transfers"], "one list by both verbs");

        let stranger = place.fshare("carol", &["resume", &transfer]);
        assert_eq!(code(&stranger), 3, "it was begun by alice: {}", said(&stranger));
        let mut again = place.start("alice", &["resume", &transfer, "--limit", LIMIT]);
        let from = again.until("progress")["bytes"].as_u64().expect("a number");
        assert!(from + TWICE >= moved, "{by}: it goes on where it was, at {moved} and not at {from}");
        let twice = place.fshare("alice", &["resume", &transfer]);
        assert_eq!(code(&twice), 5, "it is running: {}", said(&twice));
        let ended = again.end();
        assert_eq!(ended.code, Some(0), "{by}: {ended:?}");
        assert_eq!(ended.last("finished")["members"][0]["state"], "complete", "{by}");
        let got = bob.end();
        assert_eq!(got.code, Some(0), "{by}: {got:?}");
        assert!(place.read("bob/large.bin") == sent, "{by}: what came is not what was sent");
        assert_eq!(place.transfers(""), Vec::<serde_json::Value>::new(), "{by}: nothing is left to go on with");
    }
}

#[test]
fn a_download_that_was_broken_off_goes_on_in_another_process() {
    for by in [Signal::SIGINT, Signal::SIGKILL] {
        let place = Place::new();
        let sent = place.write("sent/large.bin", bytes(SIZE));
        place.write("sent/notes.txt", b"notes");
        let sharing = place.sharing(&["sent"], None);
        let got = place.start("bob", &["get", "standup", "--output", "bob", "--limit", LIMIT]);
        let moved = broken_off(got, by);
        assert!(!place.path("bob/sent/large.bin").exists(), "{by}: nothing has its name before it is whole");
        let known = place.transfers("download");
        let transfer = known[0]["transfer"].as_str().expect("a name");
        assert_eq!(known.len(), 1);
        let mut again = place.start("bob", &["resume", transfer, "--limit", LIMIT]);
        let from = again.until("progress")["bytes"].as_u64().expect("a number");
        assert!(from + TWICE >= moved, "{by}: it goes on where it was, at {moved} and not at {from}");
        let ended = again.end();
        assert_eq!(ended.code, Some(0), "{by}: {ended:?}");
        assert!(place.read("bob/sent/large.bin") == sent, "{by}: what came is not what was sent");
        assert_eq!(contents(&place.path("bob")).len(), 2, "{by}: nothing else is left");
        assert_eq!(place.transfers("download"), Vec::<serde_json::Value>::new(), "{by}: nothing is left to go on with");
        let ended = sharing.end();
        assert_eq!(ended.code, Some(0), "{by}: who was killed is not waited for: {ended:?}");
    }
}

#[test]
fn to_get_again_what_was_broken_off_goes_on_with_it() {
    let place = Place::new();
    let sent = place.write("large.bin", bytes(SIZE));
    let sharing = place.sharing(&["large.bin"], None);
    let get = ["get", "standup", &sharing.share, "--output", "bob", "--limit", LIMIT];
    let moved = broken_off(place.start("bob", &get), Signal::SIGINT);
    let mut again = place.start("bob", &get);
    let from = again.until("progress")["bytes"].as_u64().expect("a number");
    assert!(from + TWICE >= moved, "it goes on where it was, at {moved} and not at {from}");
    let ended = again.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(place.read("bob/large.bin") == sent);
}

#[test]
fn to_get_again_into_a_folder_that_was_removed_begins_anew() {
    let place = Place::new();
    let sent = place.write("large.bin", bytes(SIZE));
    let sharing = place.sharing(&["large.bin"], None);
    let get = ["get", "standup", &sharing.share, "--output", "bob"];
    broken_off(place.start("bob", &[&get[..], &["--limit", LIMIT]].concat()), Signal::SIGINT);
    fs::remove_dir_all(place.path("bob")).expect("removed");
    let again = place.start("bob", &get).end();
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(place.read("bob/large.bin") == sent);
}

#[test]
fn a_connection_that_is_cut_is_made_again() {
    let place = Place::with(&[("RELAYD_FILES_HEARTBEAT", "1s")]);
    let sent = place.write("large.bin", bytes(SIZE));
    let mut sharing = place.sharing(&["large.bin", "--limit", LIMIT], None);
    sharing.until_moved(MIB);
    sharing.cut();
    sharing.until("broken");
    let mut got = place.start("bob", &["get", "standup", &sharing.share, "--output", "bob", "--limit", LIMIT]);
    got.until_moved(MIB);
    got.cut();
    got.until("broken");
    let progress = got.until("progress");
    assert_eq!((progress["source"].as_str(), progress["retries"].as_u64()), (Some("conference"), Some(1)));
    let ended = got.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(place.read("bob/large.bin") == sent, "what came is not what was sent");
    let ended = sharing.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn without_a_server_it_is_said_how_to_go_on() {
    let mut place = Place::new();
    place.write("large.bin", bytes(SIZE));
    let mut sharing = place.start("alice", &["share", "standup", "large.bin", "--limit", LIMIT, "--timeout", "2s"]);
    sharing.until_moved(MIB);
    let mut got = place.start("bob", &["get", "standup", "--output", "bob", "--timeout", "2s"]);
    got.until_moved(MIB);
    place.kill_server();
    for (what, running) in [("share", sharing), ("get", got)] {
        let ended = running.end();
        assert_eq!(ended.code, Some(9), "{what}: {ended:?}");
        let hint = ended.error()["hint"].as_str().unwrap_or_default().to_owned();
        assert!(hint.contains("fshare resume "), "{what}: {hint:?}");
    }
    assert_eq!(place.transfers("").len(), 2);
}

#[test]
fn what_was_got_of_a_share_that_was_ended_serves_when_the_same_files_are_shared_again() {
    let place = Place::new();
    let sent = place.write("large.bin", bytes(SIZE));
    let sharing = place.sharing(&["large.bin"], None);
    let mut got = place.start("bob", &["get", "standup", "--output", "bob", "--limit", LIMIT]);
    let moved = got.until_moved(MIB);
    let ended = place.fshare("alice", &["unshare", "standup"]);
    assert_eq!(code(&ended), 0, "{}", said(&ended));
    let got = got.end();
    assert_eq!(got.code, Some(6), "it cannot be gone on with now: {got:?}");
    assert_eq!(sharing.end().code, Some(6));
    let known = place.transfers("download");
    let transfer = known[0]["transfer"].as_str().expect("a name");
    assert_eq!(got.error()["transfer"].as_str(), Some(transfer), "but later: {got:?}");
    let over = place.fshare("bob", &["resume", transfer]);
    assert_eq!(code(&over), 4, "nobody shares it: {}", said(&over));
    let sharing = place.sharing(&["large.bin"], None);
    let mut again = place.start("bob", &["resume", transfer, "--limit", LIMIT]);
    let from = again.until("progress")["bytes"].as_u64().expect("a number");
    assert!(from + TWICE >= moved, "it goes on where it was, at {moved} and not at {from}");
    let again = again.end();
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(place.read("bob/large.bin") == sent);
    assert_eq!(sharing.end().code, Some(0));
}

#[test]
fn a_transfer_can_be_given_up() {
    let place = Place::new();
    place.write("large.bin", bytes(SIZE));
    place.write("small.bin", bytes(SIZE / 2));

    let sharing = place.sharing(&["large.bin"], None);
    broken_off(place.start("bob", &["get", "standup", &sharing.share, "--output", "bob", "--limit", LIMIT]), Signal::SIGINT);
    let (up, down) = (place.transfers("upload"), place.transfers("download"));
    let running = up[0]["transfer"].as_str().expect("a name");
    let broken = down[0]["transfer"].as_str().expect("a name");
    assert_eq!(code(&place.fshare("alice", &["cancel", running])), 5, "it is running");
    // More than the disk has shall stay free: there is no room to go on, and to give up none is needed.
    let path = place.path(&format!("home/.local/state/confkit/transfers/{broken}.json"));
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&path).expect("a record")).expect("JSON");
    record["reserve"] = (1_u64 << 60).into();
    fs::write(&path, record.to_string()).expect("written");
    let stuck = place.fshare("bob", &["resume", broken]);
    assert!(said(&stuck).contains("no space left"), "{}", said(&stuck));
    let cancelled = place.fshare("bob", &["cancel", broken]);
    assert_eq!(code(&cancelled), 0, "{}", said(&cancelled));
    assert!(contents(&place.path("bob")).is_empty(), "what there was of it is gone");
    assert_eq!(code(&place.fshare("bob", &["cancel", broken])), 4, "there is no such transfer");
    drop(sharing);

    let sharing = place.sharing(&["small.bin", "--limit", "1MiB/s"], None);
    let share = sharing.share.clone();
    let got = place.start("bob", &["get", "standup", &share, "--output", "bob2"]);
    broken_off(sharing, Signal::SIGINT);
    let known = place.transfers("upload");
    let ours = known.iter().find(|known| known["share"] == share.as_str()).expect("ours");
    let cancelled = place.fshare("alice", &["cancel", ours["transfer"].as_str().expect("a name")]);
    assert_eq!(code(&cancelled), 0, "{}", said(&cancelled));
    assert!(!place.shares("alice").iter().any(|known| known["share"] == share.as_str()), "the share is ended");
    assert_eq!(got.end().code, Some(6), "whoever was getting it is told");
}

#[test]
fn a_damaged_record_is_given_up_with_a_word_about_what_may_be_left() {
    let place = Place::new();
    place.write("large.bin", bytes(SIZE));
    let sharing = place.sharing(&["large.bin"], None);
    broken_off(place.start("bob", &["get", "standup", &sharing.share, "--output", "bob", "--limit", LIMIT]), Signal::SIGINT);
    let known = place.transfers("download");
    let broken = known[0]["transfer"].as_str().expect("a name");
    fs::remove_file(place.path(&format!("home/.local/state/confkit/transfers/{broken}.manifest"))).expect("removed");
    let cancelled = place.fshare("bob", &["cancel", broken]);
    assert_eq!(code(&cancelled), 0, "{}", said(&cancelled));
    let warned = String::from_utf8_lossy(&cancelled.stderr).into_owned();
    assert!(warned.contains("its manifest is gone") && warned.contains(".confkit-part"), "{warned}");
    assert!(place.transfers("download").is_empty());
}

#[test]
fn files_that_were_changed_meanwhile_are_not_gone_on_with() {
    let place = Place::new();
    place.write("large.bin", bytes(SIZE));
    broken_off(place.sharing(&["large.bin", "--limit", LIMIT], None), Signal::SIGINT);
    fs::write(place.path("large.bin"), b"another").expect("written");
    let known = place.transfers("upload");
    let again = place.fshare("alice", &["resume", known[0]["transfer"].as_str().expect("a name")]);
    assert_eq!(code(&again), 1, "{}", said(&again));
    assert!(said(&again).contains("the files changed"), "{}", said(&again));
}

#[test]
fn what_is_not_shared_any_more_is_not_gone_on_with() {
    let place = Place::new();
    place.write("large.bin", bytes(SIZE));
    broken_off(place.sharing(&["large.bin", "--limit", LIMIT], None), Signal::SIGINT);
    let known = place.transfers("upload");
    let transfer = known[0]["transfer"].as_str().expect("a name");
    let ended = place.fshare("alice", &["unshare", "standup"]);
    assert_eq!(code(&ended), 0, "a share that waits for its sharer is hers to end: {}", said(&ended));
    assert!(place.transfers("").is_empty(), "nothing is left of it here either");
    let again = place.fshare("alice", &["resume", transfer]);
    assert_eq!(code(&again), 4, "what was ended is not shared again: {}", said(&again));
}

#[test]
fn standard_input_that_is_broken_off_ends_its_share() {
    let place = Place::new();
    let mut sharing = place.sharing(&["-", "--name", "dump.sql", "--limit", LIMIT], Some(&bytes(SIZE)));
    sharing.until_moved(MIB);
    sharing.signal(Signal::SIGINT);
    let ended = sharing.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(place.transfers("").is_empty() && place.shares("bob").is_empty(), "it cannot be read again, and so is not waited for");
}

#[test]
fn what_is_gone_on_with_is_as_slow_and_as_short_as_it_was_begun() {
    let place = Place::new();
    place.write("large.bin", bytes(SIZE));
    broken_off(place.sharing(&["large.bin", "--limit", "1MiB/s", "--for", "6s", "--to", "bob"], None), Signal::SIGINT);
    let known = place.transfers("upload");
    let over = place.fshare("alice", &["resume", known[0]["transfer"].as_str().expect("a name")]);
    // Without the limit all would be uploaded, without the length nothing would end it.
    assert_eq!(code(&over), 7, "{}", said(&over));
    assert!(said(&over).contains("the time was up before everything was uploaded"), "{}", said(&over));
    assert!(place.transfers("").is_empty() && place.shares("bob").is_empty(), "it is over");

    let sharing = place.sharing(&["large.bin"], None);
    broken_off(place.start("bob", &["get", "standup", &sharing.share, "--output", "bob", "--limit", "1MiB/s"]), Signal::SIGINT);
    let known = place.transfers("download");
    let transfer = known[0]["transfer"].as_str().expect("a name");
    let mut slow = place.start("bob", &["resume", transfer]);
    let first = slow.until("progress")["bytes"].as_u64().expect("a number");
    let then = slow.until("progress")["bytes"].as_u64().expect("a number");
    assert!(then - first <= 2 * MIB, "in a second at 1 MiB/s: {first}, {then}");
    slow.signal(Signal::SIGINT);
    assert_eq!(slow.end().code, Some(130));
    let fast = place.start("bob", &["resume", transfer, "--limit", "none"]).end();
    assert_eq!(fast.code, Some(0), "a flag wins: {fast:?}");
    assert_eq!(sharing.end().code, Some(0));
}

#[test]
fn what_nobody_went_on_with_for_a_month_is_cleared_away() {
    let place = Place::new();
    place.write("large.bin", bytes(SIZE));
    let sharing = place.sharing(&["large.bin"], None);
    for folder in ["old", "asked", "new"] {
        broken_off(place.start("bob", &["get", "standup", &sharing.share, "--output", folder, "--limit", LIMIT]), Signal::SIGINT);
    }
    let of = |folder: &str| {
        let known = place.transfers("download");
        let found = known.iter().find(|known| known["folder"].as_str().is_some_and(|path| path.ends_with(folder)));
        found.map(|found| found["transfer"].as_str().expect("a name").to_owned())
    };
    let age = |name: &str| {
        let path = place.path(&format!("home/.local/state/confkit/transfers/{name}.json"));
        let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&path).expect("a record")).expect("JSON");
        record["changed"] = (record["changed"].as_u64().expect("seconds") - 31 * 86_400).into();
        fs::write(&path, record.to_string()).expect("written");
    };
    let asked = of("asked").expect("a record");
    age(&asked);
    let told = place.told("bob", &["status", &asked]);
    assert!(code(&told) == 0 && said(&told).contains("31d"), "what is asked about is not removed: {}", said(&told));
    // The upload runs, however old its record says that it is.
    age(place.transfers("upload")[0]["transfer"].as_str().expect("a name"));
    age(&of("old").expect("a record"));
    assert_eq!((of("old"), of("asked")), (None, None));
    assert!(of("new").is_some() && place.transfers("upload").len() == 1);
    for (folder, left) in [("old", 0), ("asked", 0), ("new", 1)] {
        assert_eq!(contents(&place.path(folder)).len(), left, "partial files in {folder}");
    }
}
