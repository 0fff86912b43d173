//! Files shared in a conference by the real programs over loopback: `relayd`, `fshare share`, `fshare get`.

#![cfg(feature = "cli")]

#[path = "fileshare/endings.rs"]
mod endings;
#[path = "fileshare/place.rs"]
mod place;
#[path = "fileshare/restarts.rs"]
mod restarts;
#[path = "fileshare/resume.rs"]
mod resume;
#[path = "fileshare/shown.rs"]
mod shown;
#[path = "fileshare/silent.rs"]
mod silent;

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::Value;

use place::{FSHARE, Place, bytes, code, contents, said};

#[test]
fn files_folders_and_empty_files_arrive_as_they_were_by_either_opening() {
    let place = Place::new();
    let sent = place.path("sent");
    fs::create_dir_all(sent.join("many/deep")).expect("folders");
    fs::write(sent.join("large.bin"), bytes(3_000_000)).expect("written");
    fs::write(sent.join("empty"), b"").expect("written");
    for at in 0..300 {
        fs::write(sent.join(format!("many/n° {at} \"é\" 张.txt")), format!("file {at}\n")).expect("written");
    }
    fs::write(sent.join("many/deep/run.sh"), b"#!/bin/sh\n").expect("written");
    fs::set_permissions(sent.join("many/deep/run.sh"), fs::Permissions::from_mode(0o755)).expect("mode");
    for via in ["reinvite", "info"] {
        let sharing = place.sharing(&["sent", "--via", via], None);
        let got = place.fshare("bob", &["get", "standup", &sharing.share, "--output", via]);
        assert_eq!(code(&got), 0, "{via}: {}", said(&got));
        assert!(said(&got).contains("\"event\":\"received\""), "{}", said(&got));
        assert!(contents(&place.path(via).join("sent")) == contents(&sent), "{via}: what came is not what was sent");
        let mode = fs::metadata(place.path(via).join("sent/many/deep/run.sh")).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o755, "{via}");
        let ended = sharing.end();
        assert_eq!(ended.code, Some(0), "{via}: {ended:?}");
        let last = ended.events.last().expect("an event");
        assert_eq!((last["event"].as_str(), last["members"][0]["state"].as_str()), (Some("finished"), Some("complete")), "{via}: {last}");
    }
}

#[test]
fn standard_input_is_shared_and_standard_output_receives() {
    let place = Place::new();
    let content = bytes(1_500_000);
    let sharing = place.sharing(&["-", "--name", "dump.sql"], Some(&content));
    let got = place.program(FSHARE, &["--as", "bob", "get", "standup", &sharing.share, "--output", "-"]).output().expect("fshare runs");
    assert_eq!(code(&got), 0, "{}", String::from_utf8_lossy(&got.stderr));
    assert!(got.stdout == content, "{} bytes of {}", got.stdout.len(), content.len());
    assert_eq!(sharing.end().code, Some(0));
}

#[test]
fn the_exit_code_says_why_nothing_was_shared_or_received() {
    let place = Place::new();
    fs::write(place.path("notes.txt"), b"notes").expect("written");
    let nowhere = place.fshare("bob", &["get", "elsewhere"]);
    assert_eq!(code(&nowhere), 4, "no such conference: {}", said(&nowhere));
    let missing = place.fshare("alice", &["share", "standup", "missing.txt"]);
    assert_eq!(code(&missing), 4, "no such file: {}", said(&missing));
    let unknown = place.fshare("bob", &["get", "standup", "share-9"]);
    assert_eq!(code(&unknown), 4, "no such share: {}", said(&unknown));

    let sharing = place.sharing(&["notes.txt"], None);
    let listed = place.fshare("bob", &["shares", "standup"]);
    assert_eq!(code(&listed), 0, "{}", said(&listed));
    let shares: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!((shares["shares"][0]["share"].as_str(), shares["shares"][0]["bytes"].as_u64()), (Some(sharing.share.as_str()), Some(5)));
    // It lies there already: the sharer's own.
    let exists = place.fshare("bob", &["get", "standup", &sharing.share]);
    assert_eq!(code(&exists), 5, "the file exists: {}", said(&exists));
    assert!(said(&exists).contains("--overwrite"), "{}", said(&exists));
    assert_eq!(fs::read(place.path("notes.txt")).expect("read"), b"notes");
}

#[test]
fn whoever_has_no_right_is_told_so() {
    let place = Place::new();
    fs::write(place.path("notes.txt"), b"notes").expect("written");
    let mut guest = place.program(FSHARE, &["--json", "share", "standup", "notes.txt"]);
    guest.env_remove("CONFKIT_USER").env_remove("CONFKIT_CREDENTIALS");
    let refused = guest.output().expect("fshare runs");
    assert_eq!(code(&refused), 3, "guests share nothing: {}", said(&refused));
    assert!(said(&refused).contains("--as"), "and are told how to be somebody: {}", said(&refused));
}
