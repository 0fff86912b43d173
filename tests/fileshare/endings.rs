//! How shares and downloads end, and the exit code of each end.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt as _,
    process::Stdio,
};

use nix::sys::signal::Signal;

use super::place::{CONFCTL, FSHARE, Place, Running, bytes, code, contents, document, said};

/// A share of this name that nobody has got yet.
fn shared(place: &Place, name: &str) -> Running {
    place.write(name, name);
    place.sharing(&[name], None)
}

#[test]
fn the_sharer_ends_a_share_from_another_process() {
    let place = Place::new();
    let none = place.fshare("alice", &["unshare", "standup"]);
    assert_eq!(code(&none), 4, "nothing is shared: {}", said(&none));
    let first = shared(&place, "first.txt");
    let foreign = place.fshare("bob", &["unshare", "standup", &first.share]);
    assert_eq!(code(&foreign), 3, "it is not bob's: {}", said(&foreign));
    let nothing = place.fshare("bob", &["unshare", "standup"]);
    assert_eq!(code(&nothing), 4, "nothing is bob's: {}", said(&nothing));
    let second = shared(&place, "second.txt");
    let several = place.fshare("alice", &["unshare", "standup"]);
    assert_eq!(code(&several), 2, "two are hers: {}", said(&several));
    assert!(said(&several).contains(&second.share), "they are named: {}", said(&several));
    let gone = place.fshare("alice", &["unshare", "standup", "share-99"]);
    assert_eq!(code(&gone), 4, "{}", said(&gone));

    let ended = place.fshare("alice", &["unshare", "standup", &first.share]);
    assert_eq!(code(&ended), 0, "{}", said(&ended));
    assert_eq!(document(&ended)["share"].as_str(), Some(first.share.as_str()));
    let first = first.end();
    assert_eq!(first.code, Some(6), "{first:?}");
    assert!(first.error()["message"].as_str().is_some_and(|text| text.contains("the sharer ended the share")), "{first:?}");
    let told = place.told("alice", &["unshare", "standup"]);
    assert_eq!((code(&told), String::from_utf8_lossy(&told.stdout).trim()), (0, format!("{}: ended", second.share).as_str()));
    assert_eq!(second.end().code, Some(6));
    assert!(place.shares("bob").is_empty());
    assert_eq!(code(&place.fshare("alice", &["unshare", "elsewhere"])), 4, "no such conference");
}

#[test]
fn who_lists_shares_is_no_member_of_them() {
    let place = Place::new();
    let sharing = shared(&place, "notes.txt");
    for user in ["bob", "carol", "bob"] {
        let shares = place.shares(user);
        assert_eq!((shares[0]["members"].as_u64(), shares[0]["own"].as_bool()), (Some(0), Some(false)), "{user}");
    }
    assert_eq!(place.shares("alice")[0]["own"].as_bool(), Some(true));
    assert_eq!(code(&place.fshare("bob", &["get", "standup", "--output", "bob"])), 0);
    let ended = sharing.end();
    assert_eq!((ended.code, ended.last("finished")["members"].as_array().map(Vec::len)), (Some(0), Some(1)), "{ended:?}");
}

#[test]
fn what_does_not_verify_ends_with_8_and_is_not_put_into_place() {
    let place = Place::new();
    let sent = place.write("large.bin", bytes(4_000_000));
    let mut sharing = place.sharing(&["large.bin"], None);
    sharing.until("uploaded");
    // The file server's disk changes a byte.
    let kept: Vec<_> = walkdir::WalkDir::new(place.data_dir.join("fileshare"))
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.metadata().is_ok_and(|meta| meta.is_file() && meta.len() == sent.len() as u64))
        .collect();
    let [kept] = kept.as_slice() else { panic!("one file has the bytes: {kept:?}") };
    let file = OpenOptions::new().write(true).open(kept.path()).expect("it is there");
    file.write_all_at(&[!sent[2_000_000]], 2_000_000).expect("written");

    let got = place.fshare("bob", &["get", "standup", "--output", "bob"]);
    assert_eq!(code(&got), 8, "{}", said(&got));
    assert!(!place.path("bob/large.bin").exists(), "nothing is put into place");
    let told = sharing.end();
    assert_eq!((told.code, told.last("finished")["members"][0]["state"].as_str()), (Some(1), Some("failed")), "{told:?}");
}

#[test]
fn several_files_and_folders_are_one_share() {
    let place = Place::new();
    place.write("report/part/one.txt", b"one");
    place.write("report/two.txt", b"two");
    place.write("photos/three.jpg", bytes(100_000));
    place.write("four.txt", b"");
    let sharing = place.sharing(&["report", "photos/three.jpg", "four.txt"], None);
    let got = place.fshare("bob", &["get", "standup", "four.txt", "--output", "bob"]);
    assert_eq!(code(&got), 0, "found by the name of one of its files: {}", said(&got));
    let names: Vec<String> = contents(&place.path("bob")).iter().map(|(path, _)| path.display().to_string()).collect();
    assert_eq!(names, ["four.txt", "report/part/one.txt", "report/two.txt", "three.jpg"]);
    assert!(place.read("bob/three.jpg") == place.read("photos/three.jpg"));
    assert_eq!(sharing.end().code, Some(0));
}

#[test]
fn a_file_that_is_there_already_is_treated_as_was_asked() {
    let place = Place::new();
    place.write("notes.txt", b"new");
    for (policy, code_wanted, there, renamed) in [
        (None, 5, "old", None),
        (Some("--overwrite"), 0, "new", None),
        (Some("--rename"), 0, "old", Some("new")),
        (Some("--skip"), 0, "old", None),
    ] {
        let folder = format!("bob{}", policy.unwrap_or_default());
        place.write(&format!("{folder}/notes.txt"), b"old");
        let sharing = place.sharing(&["notes.txt"], None);
        let get = ["get", "standup", &sharing.share, "--output", &folder];
        let got = place.fshare("bob", &[&get[..], policy.as_slice()].concat());
        assert_eq!(code(&got), code_wanted, "{policy:?}: {}", said(&got));
        assert_eq!(String::from_utf8_lossy(&place.read(&format!("{folder}/notes.txt"))), there, "{policy:?}");
        let other = fs::read_to_string(place.path(&format!("{folder}/notes (1).txt"))).ok();
        assert_eq!(other.as_deref(), renamed, "{policy:?}");
    }
    let both = place.fshare("bob", &["get", "standup", "--rename", "--skip"]);
    assert_eq!(code(&both), 2, "one of them: {}", said(&both));
}

#[test]
fn a_share_that_somebody_could_not_receive_is_no_success_though_others_have_it() {
    // Slow enough for each to be seen at it, however late it comes.
    let place = Place::with(&[("RELAYD_FILES_MEMBER_BANDWIDTH", "1MiB")]);
    let taken = many(&place);
    place.write(&format!("carol/{taken}"), b"in the way");
    let sharing = place.sharing(&["many"], None);
    // Held, so that the share is not over before carol is through.
    let held = |mut bob: Running| {
        bob.until_moved(1);
        bob.signal(Signal::SIGSTOP);
        bob
    };
    let bob = held(place.start("bob", &["get", "standup", "--output", "bob"]));
    let carol = place.fshare("carol", &["get", "standup", "--output", "carol"]);
    assert_eq!(code(&carol), 5, "{}", said(&carol));
    bob.signal(Signal::SIGCONT);
    assert_eq!(bob.end().code, Some(0));
    let ended = sharing.end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.error()["message"].as_str().is_some_and(|text| text.contains("sip:carol@") && text.contains(" did not receive it: ")),
        "{ended:?}"
    );

    // Who gets it at the second try has it.
    let sharing = place.sharing(&["many"], None);
    let bob = held(place.start("bob", &["get", "standup", "--output", "bob", "--overwrite"]));
    assert_eq!(code(&place.fshare("carol", &["get", "standup", "--output", "carol"])), 5);
    assert_eq!(code(&place.fshare("carol", &["get", "standup", "--output", "carol", "--overwrite"])), 0);
    bob.signal(Signal::SIGCONT);
    assert_eq!(bob.end().code, Some(0));
    let ended = sharing.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

/// A folder with more files than an offer names, slow enough to be seen at: the name of the last.
fn many(place: &Place) -> String {
    for at in 0..70 {
        place.write(&format!("many/{at:02}.txt"), b"small");
    }
    place.write("many/large.bin", bytes(2_000_000));
    "many/large.bin".to_owned()
}

#[test]
fn what_cannot_be_put_down_is_not_accepted_and_the_share_goes_on() {
    let place = Place::new();
    place.write("notes.txt", b"notes");
    place.write("bob/notes.txt", b"in the way");
    place.write("both/one.txt", b"one");
    place.write("both/two.txt", b"two");
    let notes = place.sharing(&["notes.txt"], None);
    let both = place.sharing(&["both"], None);
    let get = |share: &str, output: &str| place.fshare("bob", &["get", "standup", share, "--output", output]);
    let taken = get(&notes.share, "bob");
    assert_eq!(code(&taken), 5, "{}", said(&taken));
    assert!(said(&taken).contains("--rename"), "{}", said(&taken));
    let several = get(&both.share, "-");
    assert_eq!(code(&several), 2, "{}", said(&several));
    place.write("folder/both/two.txt", b"in the way");
    let inside = get(&both.share, "folder");
    assert_eq!((code(&inside), place.path("folder/both/one.txt").exists()), (5, false), "{}", said(&inside));
    let nowhere = get(&notes.share, "/proc/nowhere");
    assert_eq!(code(&nowhere), 1, "{}", said(&nowhere));
    // Of several, those that can be put down are.
    place.write("carol/notes.txt", b"in the way");
    let some = place.fshare("carol", &["get", "standup", "--output", "carol"]);
    assert_eq!((code(&some), place.read("carol/both/two.txt")), (5, b"two".to_vec()), "{}", said(&some));
    assert_eq!(both.end().code, Some(0));
    let again = place.fshare("bob", &["get", "standup", &notes.share, "--output", "bob", "--rename"]);
    assert_eq!(code(&again), 0, "nobody ended it: {}", said(&again));
}

#[test]
fn whoever_could_not_put_it_down_asks_again_and_gets_it() {
    let place = Place::new();
    let taken = many(&place);
    place.write(&format!("bob/{taken}"), b"in the way");
    let mut sharing = place.sharing(&["many", "--for", "60s"], None);
    let got = place.fshare("bob", &["get", "standup", "--output", "bob"]);
    assert_eq!(code(&got), 5, "the name was not known before: {}", said(&got));
    let told = sharing.until("finished");
    assert_eq!((told["members"][0]["state"].as_str(), told["last"].as_bool()), (Some("failed"), Some(false)), "{told}");
    let got = place.fshare("bob", &["get", "standup", "--output", "bob", "--overwrite"]);
    assert_eq!(code(&got), 0, "{}", said(&got));
    let ended = sharing.end();
    let told = ended.last("finished");
    assert_eq!((ended.code, told["members"].as_array().map(Vec::len), told["last"].as_bool()), (Some(0), Some(1), Some(true)), "{ended:?}");
}

#[test]
fn a_time_that_is_up_says_who_could_not_put_it_down() {
    let place = Place::new();
    let taken = many(&place);
    place.write(&format!("bob/{taken}"), b"in the way");
    let sharing = place.sharing(&["many", "--for", "5s"], None);
    assert_eq!(code(&place.fshare("bob", &["get", "standup", "--output", "bob"])), 5);
    let ended = sharing.end();
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert!(ended.error()["message"].as_str().is_some_and(|text| text.contains("sip:bob@") && text.contains("exists")), "{ended:?}");
}

#[test]
fn two_files_of_one_name_are_not_one_share() {
    let place = Place::new();
    place.write("a/notes.txt", b"a");
    place.write("b/notes.txt", b"b");
    let refused = place.fshare("alice", &["share", "standup", "a/notes.txt", "b/notes.txt"]);
    assert_eq!(code(&refused), 2, "{}", said(&refused));
    assert!(said(&refused).contains("would have the same name"), "{}", said(&refused));
}

#[test]
fn a_conference_that_is_not_there_is_named() {
    let place = Place::new();
    place.write("notes.txt", b"notes");
    for args in [&["share", "nowhere", "notes.txt"][..], &["get", "nowhere"], &["shares", "nowhere"], &["unshare", "nowhere"]] {
        let refused = place.told("alice", args);
        assert_eq!(code(&refused), 4, "{args:?}: {}", said(&refused));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("nowhere"), "{args:?}: {}", said(&refused));
    }
}

#[test]
fn who_shares_with_nobody_is_told_so() {
    let place = Place::new();
    place.write("notes.txt", b"notes");
    let alone = place.told("alice", &["share", "standup", "notes.txt", "--for", "2s"]);
    assert_eq!(code(&alone), 7, "{}", said(&alone));
    assert!(said(&alone).contains("nobody here can receive it"), "{}", said(&alone));
    assert!(said(&alone).contains("the time was up before anybody received it"), "{}", said(&alone));
    assert!(place.shares("bob").is_empty(), "the share is ended");
}

#[test]
fn whoever_declines_what_is_for_them_alone_ends_the_share() {
    let place = Place::new();
    place.write("notes.txt", b"notes");
    let kept = shared(&place, "other.txt");
    let sharing = place.sharing(&["notes.txt", "--to", "bob"], None);
    // Bob gets another one, and so declines this.
    let got = place.fshare("bob", &["get", "standup", &kept.share, "--output", "bob"]);
    assert_eq!(code(&got), 0, "{}", said(&got));
    let ended = sharing.end();
    assert_eq!(ended.code, Some(6), "{ended:?}");
}

#[test]
fn a_conference_that_ends_ends_its_shares() {
    let place = Place::new();
    let sharing = shared(&place, "notes.txt");
    assert!(place.program(CONFCTL, &["end", "standup"]).output().expect("it runs").status.success());
    let ended = sharing.end();
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert!(place.transfers("").is_empty(), "there is nothing to go on with");
}

#[test]
fn ctrl_c_after_the_upload_ends_the_share() {
    let place = Place::new();
    place.write("notes.txt", b"notes");
    let mut sharing = place.sharing(&["notes.txt"], None);
    sharing.until("uploaded");
    sharing.signal(Signal::SIGINT);
    assert_eq!(sharing.end().code, Some(130));
    assert!(place.shares("bob").is_empty() && place.transfers("").is_empty());
}

#[test]
fn who_waits_for_a_receiver_that_broke_off_is_told_so_and_can_end_it() {
    let place = Place::new();
    place.write("large.bin", bytes(12_000_000));
    let mut sharing = place.sharing(&["large.bin"], None);
    sharing.until("uploaded");
    let mut bob = place.start("bob", &["get", "standup", "--output", "bob", "--limit", "3MiB/s"]);
    bob.until_moved(1_000_000);
    bob.signal(Signal::SIGKILL);
    let waiting = sharing.until("waiting");
    assert!(waiting["who"].as_str().is_some_and(|who| who.starts_with("sip:bob@")), "{waiting}");
    assert!(waiting["bytes"].as_u64() > Some(0) && waiting["until"].is_string(), "{waiting}");
    sharing.signal(Signal::SIGINT);
    let ended = sharing.end();
    let told = ended.error()["message"].as_str().unwrap_or_default().to_owned();
    assert!(ended.code == Some(130) && told.contains("sip:bob@") && told.contains("broke off"), "{ended:?}");
    assert!(place.shares("carol").is_empty(), "the share is ended");
}

#[test]
fn how_far_an_upload_is_stands_in_the_list_of_shares() {
    let place = Place::new();
    place.write("large.bin", bytes(12_000_000));
    let mut sharing = place.sharing(&["large.bin", "--limit", "2MiB/s"], None);
    let moved = sharing.until_moved(2_000_000);
    let shares = place.shares("bob");
    let (uploaded, complete) = (shares[0]["uploaded"].as_u64(), shares[0]["complete"].as_bool());
    assert!(uploaded >= Some(moved / 2) && complete == Some(false), "{shares:?}");
}

#[test]
fn who_wants_it_quiet_hears_results_and_errors() {
    let place = Place::new();
    place.write("large.bin", bytes(2_000_000));
    let quiet = ["--as", "alice", "--quiet", "share", "standup", "large.bin"];
    let mut sharing = place.program(FSHARE, &quiet);
    let sharing = sharing.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("fshare starts");
    let got = place.told("bob", &["--quiet", "get", "standup", "--output", "bob"]);
    let (lines, errors) = (String::from_utf8_lossy(&got.stdout), String::from_utf8_lossy(&got.stderr));
    assert!(lines.lines().count() == 2 && lines.contains("received and verified"), "{lines}");
    assert_eq!(errors, "");
    let shared = sharing.wait_with_output().expect("it ends");
    let (lines, errors) = (String::from_utf8_lossy(&shared.stdout), String::from_utf8_lossy(&shared.stderr));
    assert!(lines.lines().count() == 1 && lines.contains("1 of 1 have it: sip:"), "{lines}");
    assert_eq!(errors, "");
}

#[test]
fn the_command_of_one_share_does_not_hold_up_another_one() {
    let place = Place::new();
    place.write("one.txt", b"one");
    place.write("two.txt", b"two");
    let _sharing = [place.sharing(&["one.txt"], None), place.sharing(&["two.txt"], None)];
    // Each waits until the other one runs, too.
    let command =
        r#": > "$1.seen"; for i in $(seq 300); do [ -e bob/one.txt.seen ] && [ -e bob/two.txt.seen ] && exit; sleep 0.1; done; exit 3"#;
    let got = place.fshare("bob", &["get", "standup", "--output", "bob", "--on-file", command]);
    assert_eq!(code(&got), 0, "{}", said(&got));
    assert!(!said(&got).contains("--on-file command ended with"), "{}", said(&got));
}

#[test]
fn a_command_is_run_for_every_file_that_came() {
    let place = Place::new();
    place.write("sent/one file.txt", b"one");
    place.write("sent/two.txt", b"two");
    let sharing = place.sharing(&["sent"], None);
    let command = r#"printf '%s %s %s\n' "$CONFKIT_SHARE" "$(cat "$1")" "${CONFKIT_FILE##*/}" >> came.txt"#;
    let got = place.fshare("bob", &["get", "standup", "--output", "bob", "--on-file", command]);
    assert_eq!(code(&got), 0, "{}", said(&got));
    let share = &sharing.share;
    let mut lines: Vec<String> = String::from_utf8_lossy(&place.read("came.txt")).lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, [format!("{share} one one file.txt"), format!("{share} two two.txt")]);

    let sharing = place.sharing(&["sent"], None);
    let got = place.fshare("bob", &["get", "standup", &sharing.share, "--output", "again", "--on-file", "echo found; exit 3"]);
    assert_eq!(code(&got), 1, "{}", said(&got));
    let (results, errors) = (String::from_utf8_lossy(&got.stdout), String::from_utf8_lossy(&got.stderr));
    assert!(errors.contains("--on-file command ended with exit status: 3 for ") && errors.contains("stays where it is"), "{errors}");
    assert!(errors.contains("\nfound\n") || errors.starts_with("found\n"), "what it says is seen: {errors}");
    assert!(!results.contains("found") && results.contains("\"received\""), "and is no result: {results}");
    assert_eq!(place.read("again/sent/two.txt"), b"two", "the files are there all the same");
}

#[test]
fn a_share_for_somebody_else_is_neither_listed_nor_received_and_who_is_not_here_is_named() {
    let place = Place::new();
    place.write("for-carol.txt", b"secret");
    place.write("for-all.txt", b"open");
    let _stays = place.start("carol", &["get", "standup", "later.txt", "--output", "carol"]);
    let mut secret = place.sharing(&["for-carol.txt", "--to", "carol", "--to", "dave"], None);
    secret.until("uploaded");
    assert_eq!(place.shares("bob"), Vec::<serde_json::Value>::new(), "bob is not told of it");
    assert_eq!(place.shares("carol").len(), 1);
    assert_eq!(place.shares("alice").len(), 1, "it is hers");
    let refused = place.fshare("bob", &["get", "standup", "for-carol.txt", "--output", "bob"]);
    assert_eq!(code(&refused), 4, "to bob there is none: {}", said(&refused));

    let open = place.sharing(&["for-all.txt"], None);
    let got = place.fshare("bob", &["get", "standup", "--output", "bob"]);
    assert_eq!(code(&got), 0, "without a name it is what is for bob: {}", said(&got));
    assert_eq!(place.read("bob/for-all.txt"), b"open");
    drop(open);
    let got = place.fshare("carol", &["get", "standup", &secret.share, "--output", "carol"]);
    assert_eq!(code(&got), 0, "{}", said(&got));
    let ended = secret.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.said.contains("nobody here is ") && ended.said.contains("dave"), "a name that is nobody's is told: {ended:?}");
}

#[test]
fn an_account_counts_once_in_however_many_dialogs_it_received() {
    let place = Place::new();
    place.write("large.bin", bytes(12 * 1024 * 1024));
    let sharing = place.sharing(&["large.bin"], None);
    let get = ["get", "standup", &sharing.share, "--output", "bob", "--limit", "3MiB/s"];
    let mut broken = place.start("bob", &get);
    broken.until_moved(1024 * 1024);
    broken.signal(Signal::SIGKILL);
    assert_eq!(broken.end().code, None);
    let mut again = place.start("bob", &get);
    again.until("progress");
    let listed = place.shares("carol");
    assert_eq!(listed[0]["members"], 1, "carol only asks, and bob is one: {listed:?}");
    assert_eq!(again.end().code, Some(0));
    let ended = sharing.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let members = ended.last("finished")["members"].as_array().expect("a list").clone();
    assert_eq!((members.len(), members[0]["state"].as_str()), (1, Some("complete")), "{members:?}");
}

#[test]
fn what_is_no_file_in_a_folder_is_passed_over_and_told() {
    let place = Place::new();
    place.write("sent/notes.txt", b"notes");
    place.write("sent/.large.bin.0a1b2c3d-0.confkit-part", b"half");
    nix::unistd::mkfifo(&place.path("sent/pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let sharing = place.sharing(&["sent"], None);
    assert_eq!(code(&place.fshare("bob", &["get", "standup", "--output", "bob"])), 0);
    let names: Vec<String> = contents(&place.path("bob")).iter().map(|(path, _)| path.display().to_string()).collect();
    assert_eq!(names, ["sent/notes.txt"]);
    let ended = sharing.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for told in ["skipped sent/pipe: it is a pipe", ".confkit-part: it is a partial file", "fshare get standup share-1"] {
        assert!(ended.said.contains(told), "{told}: {ended:?}");
    }
    let itself = place.fshare("alice", &["share", "standup", "sent/pipe"]);
    assert_eq!(code(&itself), 2, "named itself it must be one: {}", said(&itself));
}

#[test]
fn what_cannot_be_shared_is_said_in_plain_words() {
    let place = Place::new();
    let missing = place.fshare("alice", &["share", "standup", "nofile"]);
    assert!(said(&missing).contains("nofile cannot be read: No such file") && code(&missing) == 4, "{}", said(&missing));
    let root = place.fshare("alice", &["share", "standup", "/"]);
    assert!(said(&root).contains("name its contents instead") && code(&root) == 2, "{}", said(&root));
    let nowhere = place.fshare("alice", &["get", "nowhere"]);
    assert!(said(&nowhere).contains("confctl list"), "{}", said(&nowhere));
}

#[test]
fn an_upload_of_standard_input_that_is_broken_off_says_that_it_is_lost() {
    let place = Place::new();
    let mut sharing = place.sharing(&["-", "--limit", "1MiB/s"], Some(&bytes(12_000_000)));
    sharing.until_moved(1);
    sharing.signal(Signal::SIGINT);
    let ended = sharing.end();
    let told = ended.error()["message"].as_str().unwrap_or_default().to_owned();
    assert!(ended.code == Some(130) && told.contains("standard input cannot be read again"), "{ended:?}");
}

#[test]
fn whoever_waits_for_a_share_is_told_whose_it_is_and_who_ended_it() {
    let place = Place::new();
    place.write("large.bin", bytes(12_000_000));
    let mut bob = place.start("bob", &["get", "standup", "--output", "bob"]);
    while !said(&place.program(CONFCTL, &["--json", "show", "standup"]).output().expect("it runs")).contains("sip:bob@") {}
    let sharing = place.sharing(&["large.bin", "--limit", "1MiB/s", "--for", "3s"], None);
    let offered = bob.until("offered");
    assert!(offered["from"].as_str().is_some_and(|from| from.starts_with("sip:alice@")), "{offered}");
    assert_eq!(sharing.end().code, Some(7));
    let ended = bob.end();
    let told = ended.error()["message"].as_str().unwrap_or_default().to_owned();
    assert!(ended.code == Some(6) && told.contains("the sharer ended the share") && !told.contains("here"), "{ended:?}");
}
