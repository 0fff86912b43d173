//! Files from user to user of one server, by the real programs over loopback: `relayd` as application server and relay, `fshare send --to`,
//! `fshare recv --from`.

#![cfg(feature = "cli")]

#[path = "support/place.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod place;
#[path = "support/running.rs"]
mod running;
#[path = "support/server.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod server;
#[path = "support/shown.rs"]
mod shown;
#[path = "support/wall.rs"]
mod wall;

#[path = "channel_accounts/between.rs"]
mod between;
#[path = "channel_accounts/clocks.rs"]
mod clocks;
#[path = "channel_accounts/house.rs"]
mod house;
#[path = "channel_accounts/ladders.rs"]
mod ladders;
#[path = "channel_accounts/rules.rs"]
mod rules;
#[path = "channel_accounts/tickets.rs"]
mod tickets;

use std::{fs, time::Duration};

use house::{House, bytes, code, said};

#[test]
fn both_embodiments_bring_a_folder_from_user_to_user_and_pin_who_they_were() {
    let house = House::new("accounts-both", "", &[]);
    fs::create_dir_all(house.place.path("sent/deep")).expect("a folder");
    fs::write(house.place.path("sent/deep/large.bin"), bytes(3_000_003)).expect("written");
    fs::write(house.place.path("sent/notes.txt"), b"see you at ten").expect("written");
    for (applies, known) in [("receiver", false), ("sender", true)] {
        let mut receiving = house.recv("bob", &["--from", "alice", "--yes", "--output", applies]);
        assert_eq!(receiving.event("waiting")["from"], "alice");
        let sent = house.fshare("alice", &["--json", "send", "sent", "--to", "bob", "--applies", applies]).output().expect("fshare runs");
        assert_eq!(code(&sent), 0, "{}", said(&sent));
        let (offering, identity) = (house::event(&sent, "offering"), house::event(&sent, "identity"));
        assert_eq!((offering["to"].as_str(), offering["count"].as_u64()), (Some("bob"), Some(4)));
        assert_eq!(identity["known"], known, "{identity}");
        let invited = receiving.event("invited");
        assert_eq!(invited["transfer"], offering["transfer"]);
        let theirs = receiving.event("identity");
        assert_eq!((&theirs["words"], &theirs["own_words"]), (&identity["own_words"], &identity["words"]), "they would read out the same");
        assert_eq!(theirs["known"], known, "{theirs}");
        let (ended, told) = receiving.end();
        assert_eq!(ended, 0, "{told}");
        for name in ["deep/large.bin", "notes.txt"] {
            let (there, here) = (house.place.path(&format!("{applies}/sent/{name}")), house.place.path(&format!("sent/{name}")));
            assert!(fs::read(there).expect("received") == fs::read(here).expect("sent"), "{name}");
        }
    }
    // Nothing but the lines of those with whom a transfer was agreed on.
    let known = fs::read_to_string(house.folder("alice").join("known-identities")).expect("known");
    assert_eq!((known.lines().count(), known.starts_with("bob@")), (1, true), "{known}");
    assert_eq!(house.server.metric("confkit_relay_channels_total"), 2.0);
    assert_eq!(house.server.metric("confkit_relay_channels"), 0.0);
}

#[test]
fn a_relay_by_tls_is_told_to_both_by_their_server_and_in_the_channel_that_they_agree_on() {
    let house = House::new("accounts-tls", "listen: {relay: [{address: '127.0.0.1:0', tls: true}]}\n", &[]);
    fs::write(house.place.path("large.bin"), bytes(300_003)).expect("written");
    for applies in ["receiver", "sender"] {
        let mut receiving = house.recv("bob", &["--from", "alice", "--yes", "--output", applies, "--relay-only"]);
        receiving.event("waiting");
        let args = ["--json", "send", "large.bin", "--to", "bob", "--applies", applies, "--relay-only"];
        let sent = house.fshare("alice", &args).output().expect("fshare runs");
        assert_eq!(code(&sent), 0, "{}", said(&sent));
        let (ended, told) = receiving.end();
        assert_eq!(ended, 0, "{told}");
        assert!(fs::read(house.place.path(&format!("{applies}/large.bin"))).expect("received") == bytes(300_003));
    }
    // Who trusts nobody goes there in vain, and not without TLS.
    let mut receiving = house.recv("bob", &["--from", "alice", "--yes", "--output", "none"]);
    receiving.event("waiting");
    let args = ["send", "large.bin", "--to", "bob", "--applies", "sender"];
    let failed = house.fshare("alice", &args).env_remove("CONFKIT_CA").output().expect("fshare runs");
    assert_eq!(code(&failed), 7, "{}", said(&failed));
    assert!(said(&failed).contains("no authority that is trusted here"), "{}", said(&failed));
    receiving.interrupt();
    receiving.end();
}

#[test]
fn one_after_the_other_is_received_until_it_is_told_to_stop() {
    let house = House::new("accounts-keep", "", &[]);
    let mut receiving = house.recv("bob", &["--from", "anyone", "--keep", "--yes", "--rename", "--output", "inbox"]);
    receiving.event("waiting");
    for text in ["one", "two"] {
        fs::write(house.place.path("notes.txt"), text).expect("written");
        let to = format!("sip:bob@localhost:{}", house.server.address().port());
        let sent = house::run(house.fshare("alice", &["send", "notes.txt", "--to", &to]).env("CONFKIT_SERVER", house.localhost()));
        assert_eq!(code(&sent), 0, "{}", said(&sent));
        receiving.event("received");
    }
    assert_eq!(code(&house::run(&mut house.fshare("alice", &["send", "--text", "at ten", "--to", "bob"]))), 0);
    assert_eq!(receiving.event("text")["text"], "at ten");
    receiving.interrupt();
    let (ended, told) = receiving.end();
    assert_eq!(ended, 130, "{told}");
    assert_eq!(fs::read_dir(house.place.path("inbox")).expect("a folder").count(), 2);
}

#[test]
fn who_does_not_wait_for_files_is_not_there_and_who_is_nobody_is_not_known() {
    let house = House::new("accounts-offline", "", &[]);
    fs::write(house.place.path("notes.txt"), b"notes").expect("written");
    let begun = confkit::clock::now();
    let sent = house::run(&mut house.fshare("alice", &["send", "notes.txt", "--to", "bob"]));
    assert_eq!(code(&sent), 7, "{}", said(&sent));
    assert!(said(&sent).contains("fshare recv --from alice"), "{}", said(&sent));
    // Who asked once and waited for an answer would do so for 32 s (RFC 3261, timer F).
    assert!(begun.elapsed() < Duration::from_secs(4), "at once: {:?}", begun.elapsed());
    let nobody = house::run(&mut house.fshare("alice", &["send", "notes.txt", "--to", "nobody"]));
    assert_eq!(code(&nobody), 4, "{}", said(&nobody));
    // Whoever waits for somebody else is not there either; and hears it where that is nobody.
    let mut receiving = house.recv("bob", &["--from", "carol", "--yes"]);
    receiving.event("waiting");
    let warned = receiving.tells("warning");
    assert!(warned.contains("there is no user carol"), "{warned}");
    let other = house::run(&mut house.fshare("alice", &["send", "notes.txt", "--to", "bob"]));
    assert_eq!(code(&other), 7, "{}", said(&other));
    // Alice is somebody, though she is not there yet: her files are taken when she is.
    receiving.interrupt();
    assert_eq!(receiving.end().0, 130);
    let mut receiving = house.recv("bob", &["--from", "alice", "--yes", "--output", "out"]);
    receiving.event("waiting");
    assert_eq!(code(&house::run(&mut house.fshare("alice", &["send", "notes.txt", "--to", "bob"]))), 0);
    let (ended, told) = receiving.end();
    assert_eq!((ended, told.contains("there is no user")), (0, false), "{told}");
    // One's own account; another server's user; no account at all.
    assert_eq!(code(&house::run(&mut house.fshare("alice", &["send", "notes.txt", "--to", "alice"]))), 2);
    let elsewhere = house::run(&mut house.fshare("alice", &["send", "notes.txt", "--to", "sip:bob@elsewhere.example"]));
    assert_eq!(code(&elsewhere), 2, "{}", said(&elsewhere));
    let nobodys = house::run(house.fshare("alice", &["send", "notes.txt", "--to", "bob"]).env_remove("CONFKIT_USER"));
    assert_eq!(code(&nobodys), 3, "{}", said(&nobodys));
}

#[test]
fn on_standard_output_there_is_what_another_user_has_sent_and_nothing_else() {
    let house = House::new("accounts-output", "", &[]);
    // Fits into a pipe that nobody reads from yet.
    let notes: Vec<u8> = (0..=255).cycle().take(50_000).collect();
    fs::write(house.place.path("notes.bin"), &notes).expect("written");
    for flags in [&["--from", "alice", "--yes"][..], &["--from", "alice", "--yes", "--json"]] {
        let output = house.output_of(flags, || {
            let sent = house::run(&mut house.fshare("alice", &["send", "notes.bin", "--to", "bob"]));
            assert_eq!(code(&sent), 0, "{}", said(&sent));
        });
        assert!(output == notes, "{flags:?}: {} bytes", output.len());
    }
}

#[test]
fn what_is_not_wanted_is_refused_at_both_ends() {
    let house = House::new("accounts-refused", "", &[]);
    fs::write(house.place.path("notes.txt"), b"notes").expect("written");
    // Who could not say yes does not wait to be asked.
    let (ended, told) = house.recv("bob", &["--from", "alice"]).end();
    assert_eq!(ended, 2, "{told}");
    assert!(told.contains("--yes"), "{told}");
    let (ended, told) = house.recv("bob", &["--from", "alice", "--output", "-"]).end();
    assert_eq!(ended, 2, "{told}");
    assert!(told.contains("--yes") && !told.contains("--output -"), "it is there: {told}");
    // Nobody is there to compare words.
    let mut receiving = house.recv("bob", &["--from", "alice", "--yes", "--verify"]);
    receiving.event("waiting");
    let sent = house::run(&mut house.fshare("alice", &["send", "notes.txt", "--to", "bob"]));
    assert_eq!(code(&sent), 6, "{}", said(&sent));
    let (ended, told) = receiving.end();
    assert_eq!(ended, 2, "{told}");
    assert!(told.contains("--verify needs a terminal"), "{told}");
    // It is agreed on, and what comes is there already.
    let mut receiving = house.recv("bob", &["--from", "alice", "--yes"]);
    receiving.event("waiting");
    let sent = house::run(&mut house.fshare("alice", &["send", "notes.txt", "--to", "bob"]));
    assert_eq!(code(&sent), 5, "{}", said(&sent));
    assert!(said(&sent).contains("already has notes.txt"), "{}", said(&sent));
    assert_eq!(receiving.end().0, 5);
}

#[test]
fn another_identity_than_the_pinned_one_is_refused_loudly_at_either_end() {
    let house = House::new("accounts-changed", "", &[]);
    fs::write(house.place.path("notes.txt"), b"notes").expect("written");
    let mut receiving = house.recv("bob", &["--from", "alice", "--yes", "--output", "first"]);
    receiving.event("waiting");
    let sent = house::run(&mut house.fshare("alice", &["send", "notes.txt", "--to", "bob"]));
    assert_eq!((code(&sent), receiving.end().0), (0, 0), "{}", said(&sent));

    // Alice comes with another key: bob refuses, and she hears what to do.
    fs::remove_file(house.folder("alice").join("identities/alice.key")).expect("removed");
    let mut receiving = house.recv("bob", &["--from", "alice", "--yes", "--output", "second"]);
    receiving.event("waiting");
    let sent = house::run(&mut house.fshare("alice", &["send", "notes.txt", "--to", "bob"]));
    assert_eq!(code(&sent), 3, "{}", said(&sent));
    assert!(said(&sent).contains("known-identities"), "{}", said(&sent));
    let (ended, told) = receiving.end();
    assert_eq!(ended, 3, "{told}");
    assert!(told.contains("HAS CHANGED") && told.contains("alice@") && told.contains("known-identities"), "{told}");
    assert!(!house.place.path("second").exists());

    // Bob takes her line out: she is new. And she finds bob changed, whose line she has edited, in both embodiments.
    let (known, others) = (house.folder("bob").join("known-identities"), house.folder("alice").join("known-identities"));
    fs::write(&known, b"").expect("written");
    let line = fs::read_to_string(&others).expect("known");
    let key = line.trim().split(' ').next_back().expect("a key").to_owned();
    let another = fs::read_to_string(house.folder("bob").join("identities/bob.key")).expect("a key");
    fs::write(&others, line.replace(&key, another.trim())).expect("written");
    for applies in ["receiver", "sender"] {
        let mut receiving = house.recv("bob", &["--from", "alice", "--yes", "--output", "third"]);
        receiving.event("waiting");
        let sent = house::run(&mut house.fshare("alice", &["send", "notes.txt", "--to", "bob", "--applies", applies]));
        assert_eq!(code(&sent), 3, "{}", said(&sent));
        assert!(said(&sent).contains("THE IDENTITY OF bob@"), "{}", said(&sent));
        let (ended, told) = receiving.end();
        assert_eq!(ended, 6, "{applies}: {told}");
        assert!(!house.place.path("third/notes.txt").exists());
    }
    // A file that is none is not passed over.
    fs::write(&others, b"nonsense\n").expect("written");
    let sent = house::run(&mut house.fshare("alice", &["send", "notes.txt", "--to", "bob"]));
    assert_eq!(code(&sent), 2, "{}", said(&sent));
    assert!(said(&sent).contains("line 1"), "{}", said(&sent));
}

/// Whoever fails before the two are in the channel says so by message: the other would wait there for minutes.
#[test]
fn who_does_not_come_into_the_channel_tells_the_other_side_at_once() {
    let house = House::new("accounts-absent", "", &[]);
    fs::write(house.place.path("notes.txt"), b"notes").expect("written");
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let proxy = format!("http://{nowhere}");
    let begun = confkit::clock::now();
    // The sender has applied, and the receiver does not get to the relay; and the other way round.
    for (applies, who, ends) in [("sender", "bob", (6, 7)), ("receiver", "alice", (7, 6))] {
        let of = |user: &str, args: &[&str]| {
            let by: &[&str] = if who == user { &["--proxy", &proxy] } else { &[] };
            house.fshare(user, &[args, by].concat())
        };
        let mut receiving = house::Running::start(&mut of("bob", &["--json", "recv", "--from", "alice", "--yes", "--output", "out"]));
        receiving.event("waiting");
        let sent = house::run(&mut of("alice", &["send", "notes.txt", "--to", "bob", "--applies", applies]));
        let (ended, told) = receiving.end();
        assert_eq!((code(&sent), ended), ends, "{}\n{told}", said(&sent));
        let heard = if who == "bob" { said(&sent) } else { told };
        assert!(heard.contains("could not enter the channel") && !heard.contains(&nowhere.to_string()), "{heard}");
    }
    // Bob's file of known identities is full.
    let key = fs::read_to_string(house.folder("alice").join("known-identities"))
        .expect("known")
        .trim()
        .rsplit(' ')
        .next()
        .expect("a key")
        .to_owned();
    let full: String = (0..confkit::channel::identity::MAX_KNOWN).map(|at| format!("u{at}@confkit {key}\n")).collect();
    fs::write(house.folder("bob").join("known-identities"), full).expect("written");
    let mut receiving = house.recv("bob", &["--from", "alice", "--yes", "--output", "out"]);
    receiving.event("waiting");
    let sent = house::run(&mut house.fshare("alice", &["send", "notes.txt", "--to", "bob"]));
    let (ended, told) = receiving.end();
    assert_eq!((code(&sent), ended), (6, 2), "{}\n{told}", said(&sent));
    assert!(said(&sent).contains("cannot record the sender's identity"), "{}", said(&sent));
    // What bob is told of the offer goes nowhere.
    fs::write(house.folder("bob").join("known-identities"), b"").expect("written");
    let mut receiving = house.recv("bob", &["--from", "alice", "--yes", "--output", "out"]);
    receiving.event("waiting");
    receiving.hears_no_more();
    let sent = house::run(&mut house.fshare("alice", &["send", "notes.txt", "--to", "bob"]));
    assert_eq!(code(&sent), 6, "{}", said(&sent));
    assert!(said(&sent).contains("cannot be asked"), "{}", said(&sent));
    assert!(begun.elapsed() < place::PATIENCE * 2, "nobody has waited for the other");
}

#[test]
fn a_server_that_names_another_realm_than_before_makes_nobody_new() {
    let house = House::new("accounts-realm", "", &[]);
    fs::write(house.place.path("notes.txt"), b"notes").expect("written");
    let mut receiving = house.recv("bob", &["--from", "alice", "--yes", "--output", "first"]);
    receiving.event("waiting");
    let sent = house::run(&mut house.fshare("alice", &["send", "notes.txt", "--to", "bob"]));
    assert_eq!((code(&sent), receiving.end().0), (0, 0), "{}", said(&sent));
    // Until now it had another name, under which bob is known.
    let file = house.folder("alice").join("known-realms");
    let kept = fs::read_to_string(&file).expect("kept");
    let (server, realm) = kept.trim().split_once(' ').expect("a server and its realm");
    assert_eq!(server, house.server.address().to_string());
    fs::write(&file, format!("{server} before.example\n")).expect("written");
    for args in [&["send", "notes.txt", "--to", "bob"][..], &["recv", "--from", "bob", "--yes"]] {
        let refused = house::run(&mut house.fshare("alice", args));
        assert_eq!(code(&refused), 3, "{}", said(&refused));
        for told in [&format!("THE REALM OF {server} HAS CHANGED"), "before.example", realm, "known-realms"] {
            assert!(said(&refused).contains(told), "{told} in {}", said(&refused));
        }
    }
    // It is a new one on purpose: its line is taken out.
    fs::write(&file, b"").expect("written");
    let sent = house::run(&mut house.fshare("alice", &["send", "notes.txt", "--to", "bob"]));
    assert_eq!(code(&sent), 7, "bob does not wait: {}", said(&sent));
    assert_eq!(fs::read_to_string(&file).expect("kept"), kept);
}

#[test]
fn who_is_interrupted_tells_the_other_side() {
    let house = House::new("accounts-interrupted", "", &[]);
    fs::write(house.place.path("large.bin"), bytes(8 << 20)).expect("written");
    let mut receiving = house.recv("bob", &["--from", "alice", "--yes", "--output", "out", "--patience", "0s"]);
    receiving.event("waiting");
    let mut sending = house.begin("alice", &["--json", "send", "large.bin", "--to", "bob", "--limit", "1MiB/s"]);
    sending.event("begun");
    receiving.event("begun");
    sending.interrupt();
    assert_eq!(sending.end().0, 130);
    let (ended, told) = receiving.end();
    assert_eq!(ended, 9, "{told}");
    assert!(told.contains("stopped, and can resume") && told.contains("fshare resume recv-"), "{told}");
    assert!(!house.place.path("out/large.bin").exists());
}
