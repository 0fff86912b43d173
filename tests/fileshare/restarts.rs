//! What becomes of transfers when the whole server is started again, and what another server has to say about them: nothing.

use nix::sys::signal::Signal;

use super::place::{Place, bytes, code, document, said};

const MIB: u64 = 1024 * 1024;
const SIZE: usize = 12 * 1024 * 1024;
const LIMIT: &str = "3MiB/s";
/// What may be moved twice: what was on its way, and not yet noted.
const TWICE: u64 = 2 * MIB;

/// The server goes in the middle of a share, and comes again: alice goes on, then bob does.
fn started_again(by: Signal) {
    let mut place = Place::lasting();
    let sent = place.write("large.bin", bytes(SIZE));
    let mut sharing = place.start("alice", &["share", "standup", "large.bin", "--to", "bob", "--limit", LIMIT, "--timeout", "2s"]);
    sharing.until_moved(MIB);
    let mut got = place.start("bob", &["get", "standup", "--output", "bob", "--timeout", "2s"]);
    let moved = got.until_moved(3 * MIB);
    match by {
        Signal::SIGKILL => place.kill_server(),
        _ => place.stop_server(),
    }
    for (what, running) in [("share", sharing), ("get", got)] {
        let ended = running.end();
        assert_eq!(ended.code, Some(9), "{by} {what}: {ended:?}");
        let hint = ended.error()["hint"].as_str().unwrap_or_default().to_owned();
        assert!(hint.contains("fshare resume "), "{by} {what}: {hint:?}");
    }
    place.start_server();
    let (up, down) = (place.transfers("upload"), place.transfers("download"));
    let (up, down) = (up[0]["transfer"].as_str().expect("a name"), down[0]["transfer"].as_str().expect("a name"));
    let early = place.fshare("bob", &["resume", down]);
    assert_eq!(code(&early), 4, "{by}: nobody shares it yet: {}", said(&early));
    assert!(said(&early).contains("share it again"), "{by}: it says who has to do something: {}", said(&early));

    let mut again = place.start("alice", &["resume", up]);
    let from = again.until("progress")["bytes"].as_u64().expect("a number");
    assert!(from + TWICE >= moved, "{by}: what the file server had of it is not uploaded again: at {moved} and not at {from}");
    assert_eq!(place.shares("alice").len(), 1, "{by}");
    let mut got = place.start("bob", &["resume", down]);
    let from = got.until("progress")["bytes"].as_u64().expect("a number");
    assert!(from + TWICE >= moved, "{by}: it goes on where it was, at {moved} and not at {from}");
    let got = got.end();
    assert_eq!(got.code, Some(0), "{by}: {got:?}");
    assert!(place.read("bob/large.bin") == sent, "{by}: what came is not what was sent");
    let again = again.end();
    assert_eq!(again.code, Some(0), "{by}: {again:?}");
    assert!(place.transfers("").is_empty(), "{by}: nothing is left to go on with");
}

#[test]
fn after_a_crash_of_the_server_what_was_shared_is_shared_again() {
    started_again(Signal::SIGKILL);
}

#[test]
fn after_a_stop_of_the_server_what_was_shared_is_shared_again() {
    started_again(Signal::SIGTERM);
}

#[test]
fn another_server_neither_ends_an_upload_nor_makes_it_forgotten() {
    let (place, other) = (Place::new(), Place::new());
    place.write("large.bin", bytes(SIZE));
    let mut sharing = place.sharing(&["large.bin", "--limit", LIMIT], None);
    sharing.until_moved(MIB);
    sharing.signal(Signal::SIGINT);
    assert_eq!(sharing.end().code, Some(130));
    let known = place.transfers("upload");
    let transfer = known[0]["transfer"].as_str().expect("a name");
    for verb in ["resume", "cancel"] {
        let asked = other.program(super::FSHARE, &["--json", "--as", "alice", verb, transfer]).env("HOME", place.path("home")).output();
        let asked = asked.expect("fshare runs");
        assert_eq!(code(&asked), 2, "{verb}: {}", said(&asked));
        assert!(said(&asked).contains("was begun at the server"), "{verb}: {}", said(&asked));
        assert_eq!(place.transfers("upload").len(), 1, "{verb}");
    }
    assert_eq!(place.shares("alice").len(), 1, "it waits for its sharer");
    let again = place.start("alice", &["resume", transfer]);
    let got = place.fshare("bob", &["get", "standup", "--output", "bob"]);
    assert_eq!(code(&got), 0, "{}", said(&got));
    assert_eq!(again.end().code, Some(0));
}

#[test]
fn an_upload_whose_server_is_gone_is_given_up_only_where_that_is_asked_for() {
    let mut place = Place::new();
    place.write("large.bin", bytes(SIZE));
    let mut sharing = place.sharing(&["large.bin", "--limit", LIMIT], None);
    sharing.until_moved(MIB);
    sharing.signal(Signal::SIGINT);
    assert_eq!(sharing.end().code, Some(130));
    place.kill_server();
    let known = place.transfers("upload");
    let transfer = known[0]["transfer"].as_str().expect("a name");
    let unheard = place.fshare("alice", &["--timeout", "1s", "cancel", transfer]);
    assert_eq!(code(&unheard), 7, "{}", said(&unheard));
    assert_eq!(place.transfers("upload").len(), 1, "nobody ended the share: {}", said(&unheard));
    let here = place.fshare("alice", &["cancel", "--here", transfer]);
    assert_eq!(code(&here), 0, "{}", said(&here));
    assert!(said(&here).contains("no share was ended"), "{}", said(&here));
    assert_eq!(document(&place.fshare("alice", &["status"]))["transfers"], serde_json::json!([]));
}
