//! What people see while files move: bars on a terminal, lines elsewhere.

use std::process::Command;

use super::place::{FSHARE, Place, bytes, code, said};

/// `fshare --as USER …` on a terminal of its own: everything that it wrote there.
fn on_a_terminal(place: &Place, user: &str, args: &[&str]) -> String {
    let words = [&[FSHARE, "--as", user], args].concat();
    let line = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let mut script: Command = place.program("script", &["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]);
    let output = script.env("TERM", "xterm").env("SHELL", "/bin/sh").output().expect("script (bsdutils) runs");
    assert_eq!(code(&output), 0, "{}", said(&output));
    said(&output)
}

#[test]
fn on_a_terminal_bars_show_the_whole_and_the_file_that_is_at_it() {
    let place = Place::new();
    place.write("sent/first.bin", bytes(1_500_000));
    place.write("sent/second.bin", bytes(1_500_000));
    let sharing = place.sharing(&["sent"], None);
    let shown = on_a_terminal(&place, "bob", &["get", "standup", "--output", "bob", "--limit", "2MiB/s"]);
    for part in
        ["█", "% ", "2.86 MiB", "MiB/s", &format!("{} (conference, file 1 of 2)", sharing.share), "sent/first.bin", "sent/second.bin"]
    {
        assert!(shown.contains(part), "{part}: {shown:?}");
    }
    assert!(shown.contains("received and verified"), "{shown:?}");
    // A bar is drawn over the one before: ten times a second at most.
    let redraws = shown.matches("sent/first.bin").count() + shown.matches("sent/second.bin").count();
    assert!((2..=40).contains(&redraws), "{redraws} redraws in about 1.5 s");
    assert_eq!(sharing.end().code, Some(0));
}

#[test]
fn elsewhere_plain_lines_say_what_happens() {
    let place = Place::new();
    place.write("notes.txt", b"notes");
    let mut sharing = place.sharing(&["notes.txt"], None);
    sharing.until("uploaded");
    let got = place.told("bob", &["get", "standup", "--output", "bob"]);
    assert_eq!(code(&got), 0, "{}", said(&got));
    let lines = String::from_utf8_lossy(&got.stdout).into_owned();
    let share = &sharing.share;
    assert!(lines.contains(&format!("{share}: received and verified, 1 file, 5 B")), "{lines}");
    assert!(!said(&got).contains('\u{1b}') && !said(&got).contains('█'), "{}", said(&got));
}

#[test]
fn what_is_uploaded_has_no_bar_any_more_but_says_who_is_waited_for() {
    let place = Place::new();
    place.write("large.bin", bytes(9_000_000));
    let bob = place.start("bob", &["get", "standup", "--output", "bob", "--limit", "1MiB/s"]);
    let shown = on_a_terminal(&place, "alice", &["share", "standup", "large.bin"]);
    assert_eq!(bob.end().code, Some(0));
    assert!(shown.contains("share-1: uploaded, waiting for sip:bob@"), "{shown:?}");
    let (_, after) = shown.rsplit_once(": uploaded, waiting for").expect("it is there");
    assert!(!after.contains('█') && !after.contains("B/s"), "{after:?}");
}
