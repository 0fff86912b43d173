//! What people and programs are told while it goes on: the other side's command, bars, who limits, breaks.

use confkit::clock;

use super::{
    asked::Terminal,
    patience::{again_at, lines, wait_for_line},
    *,
};

/// Sent to a process.
fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().try_into().expect("a pid")), signal).expect("signalled");
}

/// `progress` of an end, until one is as it should be.
fn progress(events: &mut impl BufRead, what: &str, within: Duration, mut fits: impl FnMut(&Value) -> bool) -> Value {
    let begun = clock::now();
    loop {
        let told = event(events, "progress");
        if fits(&told) {
            return told;
        }
        assert!(begun.elapsed() < within, "not {what} within {within:?}: {told}");
    }
}

#[test]
fn the_command_that_a_sender_shows_works_where_nothing_names_the_relay_and_so_does_the_one_to_go_on_with() {
    let world = World::new("channel-shown");
    fs::write(world.place.path("notes.txt"), b"notes").expect("written");
    let programs = Path::new(env!("CARGO_BIN_EXE_fshare")).parent().expect("a folder");
    let elsewhere = |line: &str| {
        let mut shell = command("sh");
        let path = format!("{}:/usr/bin:/bin", programs.display());
        shell.args(["-c", line]).current_dir(world.place.path("")).env("HOME", world.place.path("")).env("PATH", path);
        shell
    };
    let mut sender = begin(world.fshare(&["send", "notes.txt"]).stdin(Stdio::null()));
    let mut shown = events(&mut sender).lines().map(|line| line.expect("text"));
    let relay = world.server.ready["relay"].as_str().expect("a relay").to_owned();
    assert_eq!(shown.next().as_deref(), Some("1 file, 5 B to send; on the other side:"));
    let line = shown.next().expect("a command");
    assert!(line.starts_with("  fshare recv ") && line.ends_with(&format!(" --relay {relay}")), "{line}");
    let received = elsewhere(&format!("{} --yes --output out", line.trim())).output().expect("sh runs");
    assert_eq!(code(&received), 0, "{}", said(&received));
    assert_eq!(fs::read(world.place.path("out/notes.txt")).expect("there"), b"notes");
    assert_eq!(sender.wait().expect("waited for").code(), Some(0));

    // Programs have it as a list; what was broken off knows where it went.
    fs::write(world.place.path("large.bin"), bytes(3 << 20)).expect("written");
    let mut sender = begin(world.fshare(&["--json", "send", "large.bin", "--limit", "1MiB/s"]).stdin(Stdio::null()));
    let mut told = events(&mut sender);
    let shown = event(&mut told, "code");
    assert_eq!(shown["relay"], serde_json::json!([relay]));
    let word = shown["code"].as_str().expect("a code");
    let receiver = world.receiving(&[word, "--yes", "--output", "out", "--patience", "0s"]);
    event(&mut told, "progress");
    signal(&sender, Signal::SIGKILL);
    sender.wait().expect("waited for");
    assert_eq!(receiver.wait_with_output().expect("ended").status.code(), Some(9));
    let sending = begin(elsewhere("exec fshare --json resume send").stdin(Stdio::null()));
    let received = elsewhere("exec fshare --json resume recv").output().expect("sh runs");
    assert_eq!(code(&received), 0, "{}", said(&received));
    let sent = sending.wait_with_output().expect("ended");
    assert_eq!(code(&sent), 0, "{}", said(&sent));
    assert!(said(&sent).contains(r#""event":"awaited""#) && said(&sent).contains(r#""who":"receiver""#), "{}", said(&sent));
}

#[test]
fn with_several_files_there_is_a_bar_of_the_whole_and_one_of_the_file_that_moves() {
    let world = World::new("channel-bars");
    let folder = world.place.folder("photos");
    for name in ["a.bin", "b.bin", "c.bin"] {
        fs::write(folder.join(name), bytes(1 << 20)).expect("written");
    }
    let mut sending = world.send(&["photos", "--limit", "1MiB/s", "--compress", "never"], None);
    let Some(mut terminal) = Terminal::open(world.fshare(&["recv", &sending.code, "--yes", "--output", "out"])) else {
        return not_shown("this machine has no `script`, which makes terminals");
    };
    let mut files = Vec::new();
    for name in ["photos/a.bin", "photos/b.bin", "photos/c.bin"] {
        let told = progress(&mut sending.events, name, PATIENCE, |told| told["file"] == name);
        assert_eq!((told["total"].as_u64(), told["retries"].as_u64()), (Some(3 << 20), Some(0)), "{told}");
        files.push(name);
    }
    assert_eq!(sending.end().0, 0);
    terminal.shows("received and verified, 3 files");
    let (ended, text) = terminal.end();
    assert_eq!(ended, 0, "{text}");
    let shown = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what:?} is not shown: {text}"));
    // The whole, in every redraw; the files one after the other.
    assert!(shown("3 files (direct, file 1 of 3)") < shown("3 files (direct, file 2 of 3)"), "{text}");
    assert!(shown("1.00 MiB/3.00 MiB") > 0 && shown("/1.00 MiB") > 0, "{text}");
    let places: Vec<usize> = files.iter().map(|name| shown(name)).collect();
    assert!(places.is_sorted(), "{places:?}");
    let after = text.split_at(shown("photos/b.bin")).1;
    assert!(!after.split("received and verified").next().unwrap_or_default().contains("photos/a.bin"), "two files at once: {after}");
}

#[test]
fn a_sender_says_that_its_receiver_limits_it_while_it_does() {
    let world = World::new("channel-limited");
    fs::write(world.place.path("large.bin"), bytes(64 << 20)).expect("written");
    let args = ["large.bin", "--limit", "8MiB/s", "--compress", "never", "--relay-only"];
    let mut sending = world.send(&args, None);
    let receiver = world.receiving(&[&sending.code, "--yes", "--output", "out"]);
    let first = event(&mut sending.events, "progress");
    assert_eq!(first["limited"], false, "{first}");
    // It takes nothing any more. Whoever says nothing for ten seconds is taken for gone.
    signal(&receiver, Signal::SIGSTOP);
    progress(&mut sending.events, "limited by the receiver", Duration::from_secs(8), |told| told["limited"] == true);
    signal(&receiver, Signal::SIGCONT);
    progress(&mut sending.events, "free again", Duration::from_secs(8), |told| told["limited"] == false);
    let received = receiver.wait_with_output().expect("ended");
    assert_eq!(code(&received), 0, "{}", said(&received));
    let (ended, told, _) = sending.end();
    assert_eq!(ended, 0, "{told:?}");
}

#[test]
fn after_a_break_it_is_said_how_often_and_nothing_of_a_receiver_that_limited_before() {
    let (place, files) = (Place::new("channel-retried"), Place::new("channel-retried-files"));
    let configuration = again_at(place::free_port());
    let server = || Server::lasting(&place, "relay", &configuration);
    let mut world = World { server: server(), place: files };
    fs::write(world.place.path("large.bin"), bytes(64 << 20)).expect("written");
    let mut sending = world.send(&["large.bin", "--limit", "8MiB/s", "--compress", "never", "--relay-only"], None);
    let mut receiver = world.receiving(&[&sending.code, "--yes", "--output", "out"]);
    let mut heard = events(&mut receiver);
    event(&mut sending.events, "progress");
    signal(&receiver, Signal::SIGSTOP);
    progress(&mut sending.events, "limited by the receiver", Duration::from_secs(9), |told| told["limited"] == true);
    world.server.process().kill();
    signal(&receiver, Signal::SIGCONT);
    event(&mut sending.events, "broken");
    world.server = server();
    let next = event(&mut sending.events, "progress");
    assert_eq!((next["limited"].as_bool(), next["retries"].as_u64()), (Some(false), Some(1)), "{next}");
    progress(&mut heard, "gone on with", PATIENCE, |told| told["retries"] == 1);
    assert_eq!((sending.end().0, receiver.wait().expect("waited for").code()), (0, Some(0)));
}

#[test]
fn what_goes_to_standard_output_has_it_to_itself_however_long_it_takes() {
    let world = World::new("channel-alone");
    let content = bytes(1 << 20);
    fs::write(world.place.path("large.bin"), &content).expect("written");
    let sending = world.send(&["large.bin", "--limit", "1MiB/s", "--compress", "never"], None);
    let received = world.recv(&[&sending.code, "--output", "-"]);
    assert_eq!(code(&received), 0, "{}", String::from_utf8_lossy(&received.stderr));
    assert!(received.stdout == content, "{} bytes of {}", received.stdout.len(), content.len());
    assert_eq!(sending.end().0, 0);
}

#[test]
fn a_terminal_is_told_in_words_what_programs_are_told_by_events() {
    let world = World::new("channel-words");
    fs::write(world.place.path("notes.txt"), b"notes").expect("written");
    let waiting = |args: &[&str]| {
        begin(world.fshare(&[args, &["recv", "7-crystal-window", "--wait", "--yes", "--output", "out"]].concat()).stdin(Stdio::null()))
    };
    let mut receiver = waiting(&[]);
    let told = lines(receiver.stderr.take().expect("piped"));
    wait_for_line(&told, "note: waiting for the sender");
    let sent = world.fshare(&["send", "notes.txt", "--code", "7-crystal-window"]).output().expect("fshare runs");
    assert!(said(&sent).contains("note: the receiver has joined and is deciding"), "{}", said(&sent));
    assert_eq!((code(&sent), receiver.wait().expect("waited for").code()), (0, Some(0)));

    let mut receiver = waiting(&["--json", "-q"]);
    assert_eq!(event(&mut events(&mut receiver), "awaited")["who"], "sender");
    signal(&receiver, Signal::SIGINT);
    let mut said = String::new();
    receiver.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    assert!(!said.contains("waiting"), "told twice: {said}");
    receiver.wait().expect("waited for");
}
