//! What is taken without anybody being asked.

use std::fs;

use crate::house::{House, bytes, code, run, said};

#[test]
fn a_rule_takes_what_a_known_user_offers_up_to_its_size_and_everything_else_is_declined() {
    let house = House::new("accounts-rules", "", &[]);
    fs::create_dir_all(house.folder("bob")).expect("a folder");
    fs::write(house.folder("bob").join("client.yaml"), "accept:\n  - {from: alice, max_size: 100KiB}\n").expect("written");
    fs::write(house.place.path("notes.txt"), b"see you at ten").expect("written");
    fs::write(house.place.path("large.bin"), bytes(100 * 1024 + 1)).expect("written");
    let send = |what: &[&str]| run(&mut house.fshare("alice", &[&["send", "--to", "bob"], what].concat()));
    // Whom nobody knows yet no rule lets in; there is nobody to ask.
    let mut receiving = house.recv("bob", &["--from", "anyone", "--output", "in"]);
    receiving.event("waiting");
    let sent = send(&["notes.txt"]);
    assert_eq!(code(&sent), 6, "{}", said(&sent));
    let (ended, told) = receiving.end();
    assert!(ended == 6 && told.contains("no rule accepts it"), "{ended}: {told}");
    // Once she is known…
    let mut receiving = house.recv("bob", &["--from", "alice", "--yes", "--output", "first"]);
    receiving.event("waiting");
    let sent = send(&["notes.txt"]);
    assert_eq!((code(&sent), receiving.end().0), (0, 0), "{}", said(&sent));
    // …what she sends is taken, up to the size.
    for (what, output, expected) in [(&["notes.txt"][..], "in", 0), (&["large.bin"], "in", 6), (&["--text", "at ten"], "in", 0)] {
        let mut receiving = house.recv("bob", &["--from", "anyone", "--output", output]);
        receiving.event("waiting");
        let sent = send(what);
        assert_eq!(code(&sent), expected, "{what:?}: {}", said(&sent));
        let (ended, told) = receiving.end();
        assert_eq!(ended, expected, "{what:?}: {told}");
    }
    let output = house.output_of(&["--from", "anyone"], || assert_eq!(code(&send(&["notes.txt"])), 0));
    assert_eq!(output, b"see you at ten");
    assert_eq!(fs::read(house.place.path("in/notes.txt")).expect("there"), b"see you at ten");
    assert!(!house.place.path("in/large.bin").exists());
    // What is yes to everything is bounded by the flag.
    let mut receiving = house.recv("bob", &["--from", "alice", "--yes", "--max-size", "100KiB", "--output", "in"]);
    receiving.event("waiting");
    let sent = send(&["large.bin"]);
    assert!(code(&sent) == 6 && said(&sent).contains("larger than the receiver accepts"), "{}", said(&sent));
    let (ended, told) = receiving.end();
    assert!(ended == 6 && told.contains("--max-size is 100.00 KiB"), "{ended}: {told}");
    // Without rules nobody waits who could not say yes, and a rule says nothing about words that are to be compared.
    let (ended, told) = house.recv("bob", &["--from", "alice", "--verify"]).end();
    assert!(ended == 2 && told.contains("accept"), "{ended}: {told}");
}
