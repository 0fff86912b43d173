//! What a receiver is asked, and what is found out before a code is spent.

use std::{io::Read as _, process::ChildStdin, sync::mpsc::Receiver};

use super::*;

#[test]
fn a_code_is_not_spent_by_who_could_not_say_yes_or_has_no_place_for_what_comes() {
    let world = World::new("channel-unasked");
    fs::write(world.place.path("notes.txt"), b"notes").expect("written");
    let sending = world.send(&["notes.txt", "--code", "7-crystal-window"], None);
    let unasked = world.recv(&[&sending.code, "--output", "out"]);
    assert_eq!(code(&unasked), 2, "{}", said(&unasked));
    assert!(
        said(&unasked).contains("--yes") && said(&unasked).contains("or --output - to write a single file or a text"),
        "{}",
        said(&unasked)
    );
    let nowhere = world.recv(&[&sending.code, "--yes", "--output", "notes.txt"]);
    assert_eq!(code(&nowhere), 2, "{}", said(&nowhere));
    assert!(said(&nowhere).contains("notes.txt is not a folder"), "{}", said(&nowhere));
    assert_eq!(world.server.metric("confkit_relay_meetings"), 1.0);
    // The code is good, in several words and with the first letters of one.
    let received = world.recv(&["7", "crys", "window", "--yes", "--output", "out"]);
    assert_eq!(code(&received), 0, "{}", said(&received));
    assert_eq!(sending.end().0, 0);
}

#[test]
fn who_writes_to_standard_output_is_promised_nothing_to_go_on_with_and_neither_is_the_sender() {
    let world = World::new("channel-once");
    fs::write(world.place.path("large.bin"), bytes(8 << 20)).expect("written");
    let mut sending = world.send(&["large.bin", "--limit", "1MiB/s", "--patience", "1s"], None);
    let mut receiver = begin(&mut world.fshare(&["recv", &sending.code, "--output", "-"]));
    let mut pipe = receiver.stdout.take().expect("piped");
    pipe.read_exact(&mut [0; 1024]).expect("bytes");
    event(&mut sending.events, "progress");
    let status = world.fshare(&["--json", "status"]).output().expect("fshare runs");
    assert_eq!(said(&status), "{\"transfers\":[]}\n");
    receiver.kill().expect("killed");
    receiver.wait().expect("waited for");
    let (ended, _, told) = sending.end();
    assert_eq!(ended, 7, "{told}");
    assert!(told.contains("cannot be resumed") && !told.contains("fshare resume"), "{told}");
    let status = world.fshare(&["status"]).output().expect("fshare runs");
    assert!(said(&status).starts_with("no transfers"), "{}", said(&status));
}

#[test]
fn what_runs_is_listed_with_its_bytes_gone_on_with_by_the_beginning_of_its_name_and_given_up_in_words() {
    let world = World::new("channel-status");
    fs::write(world.place.path("large.bin"), bytes(8 << 20)).expect("written");
    let mut sending = world.send(&["large.bin", "--limit", "1MiB/s", "--code", "7-crystal-window"], None);
    let receiver = world.receiving(&[&sending.code, "--yes", "--output", "out", "--patience", "0s"]);
    event(&mut sending.events, "progress");
    let known = || -> Vec<Value> {
        let status = world.fshare(&["--json", "status"]).output().expect("fshare runs");
        let status: Value = serde_json::from_slice(&status.stdout).expect("JSON");
        status["transfers"].as_array().expect("a list").clone()
    };
    let sent = |known: &[Value]| known.iter().find(|row| row["direction"] == "send").and_then(|row| row["bytes"].as_u64()).unwrap_or(0);
    place::wait_until(|| format!("nothing is over: {:?}", known()), || sent(&known()) > 0);
    sending.kill();
    assert_eq!(receiver.wait_with_output().expect("ended").status.code(), Some(9));
    drop(sending.end());
    assert!(sent(&known()) > 0, "{:?}", known());
    assert!(known().len() == 2 && known().iter().all(|row| row["total"] == 8 << 20), "{:?}", known());
    let shown = world.fshare(&["status"]).output().expect("fshare runs");
    assert_eq!(said(&shown).matches("B of 8.00 MiB (").count(), 2, "{}", said(&shown));

    let several = world.fshare(&["--json", "cancel", ""]).output().expect("fshare runs");
    assert_eq!(code(&several), 4, "{}", said(&several));
    // The receiver waits to go on, and hears that nobody does.
    let waiting = begin(&mut world.fshare(&["--json", "resume", "recv-7"]));
    place::wait_until(|| "nobody waits".to_owned(), || world.server.metric("confkit_relay_meetings") == 1.0);
    let cancelled = world.fshare(&["--json", "cancel", "send-7-crystal"]).output().expect("fshare runs");
    let cancelled: Value = serde_json::from_slice(&cancelled.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&cancelled)));
    assert_eq!((cancelled["direction"].as_str(), cancelled["told"].as_bool()), (Some("send"), Some(true)), "{cancelled}");
    let ended = waiting.wait_with_output().expect("ended");
    assert!(said(&ended).contains("gave up"), "{}", said(&ended));
    let cancelled = world.fshare(&["cancel", "recv"]).output().expect("fshare runs");
    assert!(said(&cancelled).starts_with("cancelled recv-7-crystal-window-"), "{}", said(&cancelled));
    assert_eq!(known(), [] as [Value; 0]);
}

#[test]
fn a_sender_that_waits_to_go_on_hears_that_its_receiver_has_given_it_up() {
    let world = World::new("channel-called-off");
    fs::write(world.place.path("large.bin"), bytes(8 << 20)).expect("written");
    let sending = world.send(&["large.bin", "--limit", "1MiB/s"], None);
    let mut receiver = world.receiving(&[&sending.code, "--yes", "--output", "out"]);
    event(&mut events(&mut receiver), "progress");
    receiver.kill().expect("killed");
    receiver.wait().expect("waited for");
    place::wait_until(|| "nobody waits".to_owned(), || world.server.metric("confkit_relay_meetings") == 1.0);
    let cancelled = world.fshare(&["cancel", "recv"]).output().expect("fshare runs");
    assert!(said(&cancelled).contains("the other side has been told"), "{}", said(&cancelled));
    let (ended, _, told) = sending.end();
    assert!(told.contains("gave up"), "{ended}: {told}");
}

#[test]
fn a_home_that_cannot_be_written_to_keeps_nobody_from_receiving() {
    let world = World::new("channel-homeless");
    fs::write(world.place.path("notes.txt"), b"notes").expect("written");
    let sending = world.send(&["notes.txt"], None);
    // Whoever may write everywhere cannot write below a file.
    let mut receiving = world.fshare(&["--json", "recv", &sending.code, "--yes", "--output", "out"]);
    let received = receiving.env("HOME", world.place.path("notes.txt")).output().expect("fshare runs");
    assert_eq!(code(&received), 0, "{}", said(&received));
    assert!(said(&received).contains("cannot be resumed once this process ends"), "{}", said(&received));
    assert_eq!(sending.end().0, 0);
}

/// A program on a terminal of its own, which `script` makes.
pub struct Terminal {
    child: Child,
    keys: ChildStdin,
    shown: Receiver<u8>,
    text: String,
}

impl Terminal {
    /// None where a machine has no `script`.
    pub fn open(mut program: Command) -> Option<Self> {
        let words: Vec<String> =
            [program.get_program()].into_iter().chain(program.get_args()).map(|word| format!("'{}'", word.to_string_lossy())).collect();
        let mut script = command("script");
        script.args(["-q", "-e", "-c", &words.join(" "), "/dev/null"]).current_dir(program.get_current_dir().expect("a folder"));
        script.envs(program.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))));
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let (keys, mut output) = (child.stdin.take()?, child.stdout.take()?);
        let (tell, shown) = std::sync::mpsc::sync_channel(1 << 20);
        std::thread::spawn(move || {
            let mut byte = [0];
            while output.read_exact(&mut byte).is_ok() && tell.send(byte[0]).is_ok() {}
        });
        program.stdin(Stdio::null());
        Some(Self { child, keys, shown, text: String::new() })
    }

    /// Waits until this is shown.
    pub fn shows(&mut self, text: &str) {
        while !self.text.ends_with(text) {
            let byte = self.shown.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it does not show {text:?}: {}", self.text));
            self.text.push(char::from(byte));
        }
    }

    /// Waits until this is shown, and types.
    fn answer(&mut self, question: &str, typed: &str) {
        self.shows(question);
        self.keys.write_all(format!("{typed}\n").as_bytes()).expect("typed");
    }

    pub fn end(mut self) -> (i32, String) {
        let ended = self.child.wait().expect("waited for").code().unwrap_or(-1);
        self.text.extend(self.shown.iter().map(char::from));
        (ended, self.text)
    }
}

#[test]
fn at_a_terminal_a_mistyped_code_is_asked_for_again_and_what_is_in_the_way_is_a_question() {
    let world = World::new("channel-terminal");
    fs::write(world.place.path("notes.txt"), b"notes").expect("written");
    fs::write(world.place.folder("out").join("notes.txt"), b"mine").expect("written");
    let sending = world.send(&["notes.txt", "--code", "7-crystal-window"], None);
    let Some(mut terminal) = Terminal::open(world.fshare(&["recv", "--output", "out"])) else {
        return not_shown("this machine has no `script`, which makes terminals");
    };
    terminal.answer("Code: ", "7-crystl-window");
    terminal.answer("Code: ", "7 crystal window");
    terminal.answer("or (c)ancel? ", "what");
    terminal.answer("or (c)ancel? ", "r");
    let (ended, text) = terminal.end();
    assert_eq!(ended, 0, "{text}");
    assert!(text.contains("that is not a valid code") && text.contains("notes (1).txt"), "{text}");
    assert_eq!(fs::read(world.place.path("out/notes.txt")).expect("there"), b"mine");
    assert_eq!(fs::read(world.place.path("out/notes (1).txt")).expect("there"), b"notes");
    assert_eq!(sending.end().0, 0);

    // Three times is enough, and who cancels has said no.
    let mut terminal = Terminal::open(world.fshare(&["recv"])).expect("there was one");
    for _ in 0..3 {
        terminal.answer("Code: ", "nonsense");
    }
    assert_eq!(terminal.end().0, 2);
    let sending = world.send(&["notes.txt"], None);
    let mut terminal = Terminal::open(world.fshare(&["recv", &sending.code, "--output", "out"])).expect("there was one");
    terminal.answer("or (c)ancel? ", "c");
    assert_eq!(terminal.end().0, 6);
    assert_eq!(sending.end().0, 6);
}

#[test]
fn what_keeps_a_sender_from_sending_is_named_with_what_to_do_about_it() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

    let world = World::new("channel-unsendable");
    fs::write(world.place.path("notes.txt"), b"notes").expect("written");
    let folder = world.place.folder("odd");
    fs::write(folder.join("good.txt"), b"good").expect("written");
    fs::write(folder.join(OsStr::from_bytes(b"bad\xff")), b"bad").expect("written");
    let refused = world.fshare(&["send", "odd"]).output().expect("fshare runs");
    assert_eq!(code(&refused), 2, "{}", said(&refused));
    assert!(said(&refused).contains("odd/bad") && said(&refused).contains("rename it"), "{}", said(&refused));

    let sending = world.send(&["notes.txt", "--code", "7-crystal-window"], None);
    let taken = world.fshare(&["--json", "send", "notes.txt", "--code", "7-other-window"]).output().expect("fshare runs");
    assert_eq!(code(&taken), 5, "{}", said(&taken));
    assert!(said(&taken).contains("nameplate 7 is taken") && said(&taken).contains("choose another with --code"), "{}", said(&taken));
    sending.kill();
    drop(sending.end());
}

#[test]
fn a_text_is_called_a_text() {
    let world = World::new("channel-text");
    let mut sending = begin(&mut world.fshare(&["send", "--text", "at ten", "--code", "7-crystal-window"]));
    let mut shown = events(&mut sending);
    let mut text = String::new();
    while text.lines().count() < 2 {
        assert!(shown.read_line(&mut text).expect("text") > 0, "{text}");
    }
    let received = world.fshare(&["recv", "7-crystal-window", "--yes"]).output().expect("fshare runs");
    assert_eq!((code(&received), said(&received).as_str()), (0, "at ten\n"));
    shown.read_to_string(&mut text).expect("text");
    assert!(text.starts_with("a text to send") && text.contains("sent and verified, a text of 6 B"), "{text}");
    assert!(sending.wait().expect("ended").success());
    // Where nobody is asked and nothing can be put down, standard output has it.
    let sending = world.send(&["--text", "at ten"], None);
    let received = world.fshare(&["recv", &sending.code, "--output", "-"]).current_dir("/proc").stdin(Stdio::null()).output();
    let received = received.expect("fshare runs");
    assert_eq!((code(&received), String::from_utf8_lossy(&received.stdout).as_ref()), (0, "at ten\n"), "{}", said(&received));
    assert_eq!(sending.end().0, 0);
}

#[test]
fn what_is_larger_than_is_taken_or_may_be_is_declined_and_both_ends_say_why() {
    let world = World::new("channel-bound");
    fs::write(world.place.path("notes.txt"), bytes(1025)).expect("written");
    for (sent, more, expected, why) in [
        (None, &[][..], 6, "larger than the receiver accepts (1.00 KiB)"),
        (Some(&b"piped"[..]), &[], 6, "its size is unknown"),
        (Some(b"piped"), &["--unknown-size"], 0, ""),
        (None, &["--unknown-size"], 6, "larger than the receiver accepts"),
    ] {
        let sending = world.send(&[if sent.is_some() { "-" } else { "notes.txt" }], sent);
        let received = world.recv(&[&[&sending.code, "--yes", "--output", "out", "--max-size", "1KiB"], more].concat());
        assert_eq!(code(&received), expected, "{why}: {}", said(&received));
        assert!(expected == 0 || said(&received).contains("--max-size is 1.00 KiB"), "{}", said(&received));
        let (ended, _, told) = sending.end();
        assert!(ended == expected && told.contains(why), "{ended}: {told}");
    }
    assert_eq!(contents(&world.place.path("out")), [("stdin".to_owned(), b"piped".to_vec())]);
}

#[test]
fn what_is_on_standard_input_is_sent_as_a_text_where_that_is_said_and_a_long_one_is_refused_before_a_code() {
    let world = World::new("channel-text-input");
    let sending = world.send(&["--text", "-"], Some(b"at ten\nor eleven\n"));
    let received = world.recv(&[&sending.code, "--yes"]);
    assert!(code(&received) == 0 && said(&received).contains("at ten\\nor eleven"), "{}", said(&received));
    assert_eq!(sending.end().0, 0);
    fs::write(world.place.path("long.txt"), "x".repeat(64 * 1024 + 1)).expect("written");
    fs::write(world.place.path("noise"), [0xff, 0xfe]).expect("written");
    let input = |name: &str| fs::File::open(world.place.path(name)).expect("there");
    let long = "x".repeat(64 * 1024 + 1);
    for (args, from, why, hint) in [
        (&["send"][..], "long.txt", "nothing to send", "fshare send --text -"),
        (&["send", "--text", "-"], "long.txt", "longer than 65536 bytes", "fshare send -"),
        (&["send", "--text", "-"], "noise", "not text", "fshare send -"),
        (&["send", "--text", &long], "noise", "longer than 65536 bytes", "fshare send FILE"),
        (&["send", "long.txt", "--name", "short.txt"], "noise", "--name applies only", ""),
        (&["send", "--text", "-", "--name", "short.txt"], "noise", "--name applies only", ""),
    ] {
        let refused = world.fshare(args).stdin(input(from)).output().expect("fshare runs");
        assert_eq!(code(&refused), 2, "{why}: {}", said(&refused));
        assert!(said(&refused).contains(why) && said(&refused).contains(hint), "{why}: {}", said(&refused));
        assert!(!said(&refused).contains("Usage:"), "{}", said(&refused));
    }
    assert_eq!(world.server.metric("confkit_relay_channels_total"), 1.0);
}

#[test]
fn one_file_gets_the_name_that_is_asked_for_also_when_it_goes_on_and_several_do_not() {
    let world = World::new("channel-named");
    fs::write(world.place.path("notes.txt"), b"notes").expect("written");
    fs::create_dir(world.place.path("folder")).expect("a folder");
    for (sent, more, expected) in
        [(&["notes.txt"][..], &[][..], 0), (&["notes.txt"], &[], 5), (&["notes.txt"], &["--rename"], 0), (&["folder"], &[], 2)]
    {
        let sending = world.send(sent, None);
        let received = world.recv(&[&[&sending.code, "--yes", "--output-file", "out/renamed.txt"], more].concat());
        assert_eq!(code(&received), expected, "{sent:?}, {more:?}: {}", said(&received));
        drop(sending.end());
    }
    let named = [("renamed (1).txt".to_owned(), b"notes".to_vec()), ("renamed.txt".to_owned(), b"notes".to_vec())];
    assert_eq!(contents(&world.place.path("out")), named);
    let nothing = world.recv(&["7-zoo-zone", "--yes", "--output-file", "out/"]);
    assert!(code(&nothing) == 2 && said(&nothing).contains("does not name a file"), "{}", said(&nothing));

    fs::write(world.place.path("large.bin"), bytes(6 << 20)).expect("written");
    let sending = world.send(&["large.bin", "--limit", "2MiB/s"], None);
    let args = ["--json", "recv", &sending.code, "--yes", "--output-file", "begun/slides.bin"];
    let mut lost = world.fshare(&args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("fshare runs");
    let mut seen = BufReader::new(lost.stdout.take().expect("piped")).lines();
    assert!(seen.any(|line| line.expect("text").contains("\"progress\"")));
    lost.kill().expect("killed");
    lost.wait().expect("waited for");
    // By another name, or as larger than is wanted, it does not go on.
    for (args, expected, why) in [
        (["--output-file", "begun/new.bin", "--yes"].as_slice(), 2, "fshare cancel recv-"),
        (&["--output", "begun", "--yes", "--max-size", "1MiB"], 6, "--max-size is 1.00 MiB"),
    ] {
        let refused = world.recv(&[&[sending.code.as_str()], args].concat());
        assert_eq!(code(&refused), expected, "{args:?}: {}", said(&refused));
        assert!(said(&refused).contains(why), "{args:?}: {}", said(&refused));
    }
    let back = world.fshare(&["resume", "recv-"]).output().expect("fshare runs");
    assert_eq!(code(&back), 0, "{}", said(&back));
    assert_eq!(sending.end().0, 0);
    assert!(contents(&world.place.path("begun")) == [("slides.bin".to_owned(), bytes(6 << 20))]);
}
