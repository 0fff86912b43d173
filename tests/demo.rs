//! Conferences with real audio through real processes: `confctl demo`, the files of `examples/`, and `confctl join` on its own.
//!
//! | file | what |
//! |---|---|
//! | `demo.rs` | the demonstration, scenarios, terminals |
//! | `demo/files.rs` | terminals that share and receive |
//! | `demo/sends.rs` | terminals that send through a relay channel |
//! | `demo/background.rs` | terminals in the background |
//! | `demo/programs.rs` | the programs, started and asked |

#![cfg(feature = "cli")]

#[path = "demo/background.rs"]
mod background;
#[path = "demo/files.rs"]
mod files;
#[path = "demo/programs.rs"]
mod programs;
#[path = "demo/sends.rs"]
mod sends;

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
};

use serde_json::Value;

use programs::{CONFCTL, Relayd, confctl, folder, program, ran};

#[test]
fn in_the_demonstration_each_hears_exactly_the_two_others() {
    let keep = folder("demo");
    let ran = confctl(&["demo", "--keep", keep.to_str().expect("a path")]).ends_with(0);
    for told in [
        "HEARS",
        "INVITE demo",
        "INVITE conf=demo",
        "alice      bob        carol      control    as         ms         fs",
        "SHA-256",
        "21 passed, 0 failed",
    ] {
        assert!(ran.out.contains(told), "{told:?} is missing in\n{}", ran.out);
    }
    // The recordings say the same to whoever reads them with other eyes: a Goertzel filter of this test's own.
    for (who, hears) in [("alice", [false, true, true]), ("bob", [true, false, true]), ("carol", [true, true, false])] {
        let mut wav = hound::WavReader::open(keep.join(format!("{who}.wav"))).expect("a recording");
        let samples: Vec<f64> = wav.samples::<i16>().map(|sample| f64::from(sample.expect("a sample"))).collect();
        // All are in and nobody has left.
        let middle = &samples[samples.len() / 2..samples.len() / 2 + 8000];
        for (hz, heard) in [440.0, 620.0, 880.0].into_iter().zip(hears) {
            let level = goertzel(middle, hz);
            assert_eq!(level > -25.0, heard, "{who} at {hz} Hz: {level:.1} dBFS");
            assert!(heard || level < -50.0, "{who} at {hz} Hz: {level:.1} dBFS");
        }
    }
    // And the file, read by this test.
    let shared = std::fs::read(keep.join("files/slides.bin")).expect("what alice shared");
    assert_eq!(shared.len(), 12 << 20);
    for who in ["bob", "carol"] {
        assert!(std::fs::read(keep.join("received").join(who).join("slides.bin")).expect("it came") == shared, "{who} has another file");
    }
    let report = std::fs::read_to_string(keep.join("report.html")).expect("a report");
    assert!(report.contains("passed</span>") && report.contains("<polyline") && report.contains("the same</td>"), "{report}");
    assert!(keep.join("sip.ladder").is_file() && keep.join("sip.ladder.pcap").is_file());
}

/// Level of a tone in dB relative to a full-scale sine.
fn goertzel(samples: &[f64], hz: f64) -> f64 {
    let step = std::f64::consts::TAU * hz / 8000.0;
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        real += sample * (step * at as f64).cos();
        imaginary += sample * (step * at as f64).sin();
    }
    let amplitude = 2.0 * (real * real + imaginary * imaginary).sqrt() / samples.len() as f64;
    20.0 * (amplitude / 32768.0).max(1e-6).log10()
}

#[test]
fn with_bob_muted_the_demonstration_fails_and_says_what_is_missing() {
    let ran = confctl(&["--json", "demo", "--mute", "bob"]).ends_with(10);
    let failed: Vec<String> = ran
        .events("expectation")
        .iter()
        .filter(|event| event["passed"] == false)
        .map(|event| event["terminal"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(failed.len(), 4, "{}", ran.out);
    assert!(failed.contains(&"alice".to_owned()) && failed.contains(&"carol".to_owned()));
    let bob: Vec<Value> = ran.events("heard").into_iter().filter(|event| event["of"] == "bob").collect();
    assert!(bob.len() == 6 && bob.iter().all(|event| event["heard"] == false), "{bob:?}");
    let talkers = ran.events("heard").iter().filter(|event| event["heard"] == true).count();
    assert_eq!(talkers, 8, "the others are heard");
    let files = ran.events("file");
    assert!(files.len() == 2 && files.iter().all(|file| file["same"] == true && file["sha256"] == file["shared"]), "{files:?}");
    // The first look began when the share did, and the file was longer on its way than was listened: both went on at once.
    assert!(files.iter().all(|file| file["seconds"].as_f64().is_some_and(|seconds| seconds > 2.3)), "{files:?}");
    assert!(ran.events("sip").iter().any(|event| event["from"] == "alice" && event["message"] == "INVITE demo"));
    assert_eq!(ran.events("finished")[0]["failed"], 4);
}

#[test]
fn the_demonstration_holds_with_media_server_and_file_server_in_processes_of_their_own() {
    let ran = confctl(&["demo", "--apart"]).ends_with(0);
    assert!(ran.out.contains("21 passed, 0 failed"), "{}", ran.out);
    assert!(ran.out.contains("control    as         ms         fs"), "the roles have lanes of their own: {}", ran.out);
}

#[test]
fn a_demonstration_without_a_terminal_of_that_name_is_wrong_usage() {
    let ran = confctl(&["demo", "--mute", "dave"]).ends_with(2);
    assert!(ran.err.contains("alice, bob, carol"), "{}", ran.err);
}

#[test]
fn every_example_ends_as_its_first_lines_say() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut found = 0;
    for entry in std::fs::read_dir(examples).expect("examples/") {
        let path = entry.expect("examples/").path();
        if path.extension().is_none_or(|kind| kind != "yaml") {
            continue;
        }
        found += 1;
        let must_fail = path.file_stem().is_some_and(|stem| stem == "demo-muted");
        let folder = folder(path.file_stem().and_then(|stem| stem.to_str()).expect("a name"));
        let (junit, report) = (folder.join("junit.xml"), folder.join("report.html"));
        let (junit, report) = (junit.to_str().expect("a path"), report.to_str().expect("a path"));
        let ran = confctl(&["run", path.to_str().expect("a path"), "--junit", junit, "--report", report]);
        let ran = ran.ends_with(if must_fail { 10 } else { 0 });
        let xml = std::fs::read_to_string(junit).expect("a JUnit report");
        let document = roxmltree::Document::parse(&xml).expect("it is XML");
        let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).expect("a suite");
        let failures: usize = suite.attribute("failures").and_then(|n| n.parse().ok()).expect("a number");
        assert_eq!(failures > 0, must_fail, "{}\n{}", ran.out, ran.err);
        assert!(std::fs::read_to_string(report).expect("a report").contains("SIP messages"));
    }
    assert!(found >= 9, "{found} examples");
}

#[test]
fn a_scenario_with_a_slip_starts_nothing() {
    let path = folder("slips").join("slip.yaml");
    std::fs::write(&path, "conference: x\nterminals: [{name: alice}]\nsteps:\n- jion: alice\n- upload: {}\n").expect("a file");
    let ran = confctl(&["--json", "run", path.to_str().expect("a path")]).ends_with(2);
    assert_eq!(ran.out, "");
    assert!(
        ran.err.contains("did you mean \\\"join\\\"") && ran.err.contains("not built yet: arrives with the media library"),
        "{}",
        ran.err
    );
}

#[test]
fn a_terminal_says_what_it_heard_and_leaves_on_time() {
    let relayd = Relayd::start(&["--user", "alice", "--user", "bob"]);
    relayd.run(&["create", "room"]).ends_with(0);
    let bob = relayd.joins(&["room", "--as", "bob", "--mic", "tone:620"]);
    let wav = folder("join").join("alice.wav");
    let alice = relayd
        .run(&[
            "--json",
            "join",
            "room",
            "--as",
            "alice",
            "--mic",
            "tone:440",
            "--for",
            "2s",
            "--stats",
            "--record",
            wav.to_str().expect("a path"),
        ])
        .ends_with(0);
    let left = &alice.events("left")[0];
    assert_eq!((left["by"].as_str(), left["stats"]["packets_lost"].as_i64()), (Some("us"), Some(0)), "{left}");
    assert!(left["stats"]["packets_received"].as_u64().is_some_and(|count| (80..=110).contains(&count)), "{left}");
    let strongest = &left["stats"]["frequencies"][0];
    assert!(strongest["hz"].as_f64().is_some_and(|hz| (hz - 620.0).abs() < 2.0), "{left}");
    assert!(strongest["level_dbfs"].as_f64().is_some_and(|level| (level + 20.0).abs() < 2.0), "{left}");
    assert!(
        left["stats"]["frequencies"]
            .as_array()
            .is_some_and(|all| all.iter().all(|f| (f["hz"].as_f64().unwrap_or(440.0) - 440.0).abs() > 10.0))
    );
    let seconds = f64::from(hound::WavReader::open(wav).expect("a recording").duration()) / 8000.0;
    assert!((1.5..3.0).contains(&seconds), "{seconds}");

    bob.interrupt();
    let (left, code) = bob.left();
    assert_eq!((left["event"].as_str(), left["by"].as_str(), code), (Some("left"), Some("us"), 130), "{left}");
    let show: Value = serde_json::from_str(&relayd.run(&["--json", "show", "room"]).ends_with(0).out).expect("JSON");
    assert_eq!(show["roster"].as_array().map(Vec::len), Some(0), "he said BYE: {show}");
}

#[test]
fn who_is_put_out_or_not_let_in_ends_with_the_code_for_it() {
    let relayd = Relayd::start(&["--user", "alice", "--user", "bob"]);
    relayd.run(&["create", "room", "--guests", "no", "--max", "1"]).ends_with(0);
    let bob = relayd.joins(&["room", "--as", "bob"]);
    relayd.run(&["join", "room", "--as", "alice"]).ends_with(5);
    relayd.run(&["kick", "room", "bob"]).ends_with(0);
    let (left, code) = bob.left();
    assert_eq!((left["by"].as_str(), code), (Some("them"), 6), "{left}");

    let address = relayd.environment.iter().find(|(name, _)| name == "CONFKIT_SERVER").map(|(_, uri)| uri.clone()).expect("an address");
    let room = address.replace("sip:", "sip:room@");
    let mut guest = program(CONFCTL);
    let guest = ran(guest.args(["join", &room, "--display-name", "Gina"]).output().expect("confctl starts")).ends_with(3);
    assert!(guest.err.contains("takes no guests"), "{}", guest.err);
    relayd.run(&["join", "nowhere", "--as", "alice", "--for", "100ms"]).ends_with(0);
    let wrong = folder("wrong").join("password");
    std::fs::write(&wrong, "wrong\n").expect("a file");
    relayd.run(&["join", "room", "--as", "alice", "--password-file", wrong.to_str().expect("a path")]).ends_with(3);
    relayd.run(&["lock", "room"]).ends_with(0);
    let locked = relayd.run(&["join", "room", "--as", "alice"]).ends_with(5);
    assert!(locked.err.contains("locked"), "{}", locked.err);
}

#[test]
fn a_terminal_that_nobody_answers_gives_up() {
    // A socket that never answers.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let uri = format!("sip:room@{}", silent.local_addr().expect("its address"));
    let ran = confctl(&["--timeout", "700ms", "join", &uri]).ends_with(7);
    assert!(ran.err.contains("did not answer in 700ms"), "{}", ran.err);
}

#[test]
fn a_pin_is_shown_from_a_file_or_typed() {
    let relayd = Relayd::start(&["--user", "alice", "--user", "bob"]);
    let folder = folder("pins");
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("a path").to_owned()
    };
    let (right, wrong) = (file("right", "4711\n"), file("wrong", "1174\n"));
    relayd.run(&["create", "board", "--pin-file", &right]).ends_with(0);
    relayd.run(&["join", "board", "--as", "alice", "--pin-file", &wrong, "--for", "1s"]).ends_with(3);
    relayd.run(&["join", "board", "--as", "alice", "--pin-file", &right, "--for", "100ms"]).ends_with(0);
    let mut watch = relayd.confctl(&["--json", "watch", "board", "--for", "30s"]).spawn().expect("confctl starts");
    let mut events = BufReader::new(watch.stdout.take().expect("piped")).lines().map(|line| line.expect("a line"));
    assert!(events.next().expect("the state").contains("\"event\":\"state\""));
    let typing = relayd.joins(&["board", "--as", "bob", "--dtmf", ",4711#", "--for", "30s"]);
    let entered = events.any(|line| line.contains("\"event\":\"joined\"") && line.contains("\"user\":\"bob\""));
    assert!(entered, "bob typed the PIN and is in");
    drop(events);
    watch.kill().and_then(|()| watch.wait()).expect("it ends");
    typing.interrupt();
    assert_eq!(typing.left().1, 130);
}

/// Half a second of a tone of 1000 Hz, again and again for so many seconds.
fn write_talk(path: &Path, seconds: u32) {
    let spec = hound::WavSpec { channels: 2, sample_rate: 16_000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, spec).expect("a file");
    for at in 0..16_000 * seconds {
        let sample = (f64::from(at) * 1000.0 * std::f64::consts::TAU / 16_000.0).sin() * 6000.0;
        for _ in 0..2 {
            writer.write_sample(sample as i16).expect("a sample");
        }
    }
    writer.finalize().expect("a file");
}

#[test]
fn a_scenario_plays_on_a_server_that_runs_and_leaves_nothing_there() {
    let relayd = Relayd::start(&["--user", "alice"]);
    let folder = folder("running");
    write_talk(&folder.join("talk.wav"), 5);
    let path = folder.join("running.yaml");
    let text = "server: ${server}\nvars: {server: none}\nconference: left-behind\nterminals:\n\
                - {name: alice, account: alice, microphone: talk.wav, codecs: [pcma]}\n- {name: gina, record: heard.wav}\n\
                steps:\n- create\n- join: alice\n- join: gina\n- expect: {heard: {terminal: gina, only: [1000]}}\n\
                - expect: {command: {run: [confctl, list], output: left-behind}}\n";
    std::fs::write(&path, text).expect("a file");
    for name in ["CONFKIT_SERVER", "sips"] {
        let server = match name {
            "sips" => relayd.sips.clone(),
            _ => relayd.environment.iter().find(|(known, _)| known == name).map(|(_, uri)| uri.clone()).expect("an address"),
        };
        let report = folder.join("report.html");
        let (file, report_path) = (path.to_str().expect("a path"), report.to_str().expect("a path"));
        relayd.run(&["run", file, "--var", &format!("server={server}"), "--report", report_path]).ends_with(0);
        let listed: Value = serde_json::from_str(&relayd.run(&["--json", "list"]).ends_with(0).out).expect("JSON");
        assert_eq!(listed["conferences"].as_array().map(Vec::len), Some(0), "{listed}");
        let report = std::fs::read_to_string(report).expect("a report");
        assert!(report.contains("INVITE left-behind") && report.contains("BYE left-behind"), "the terminals' own trace: {report}");
        assert!(hound::WavReader::open(folder.join("heard.wav")).expect("a recording").duration() > 8000);
    }
}

#[test]
fn an_account_without_a_password_is_told_before_anything_is_called() {
    let relayd = Relayd::start(&[]);
    let path = folder("unknown").join("unknown.yaml");
    let text =
        "server: ${server}\nvars: {server: none}\nconference: x\nterminals: [{name: mallory, account: mallory}]\nsteps:\n- join: mallory\n";
    std::fs::write(&path, text).expect("a file");
    let server = relayd.environment.iter().find(|(name, _)| name == "CONFKIT_SERVER").map(|(_, uri)| uri.clone()).expect("an address");
    let ran = relayd.run(&["run", path.to_str().expect("a path"), "--var", &format!("server={server}")]).ends_with(3);
    assert!(ran.err.contains("no password is known for mallory"), "{}", ran.err);
}

#[test]
fn a_demonstration_that_is_interrupted_leaves_no_process_behind() {
    let keep = folder("interrupted");
    let mut child = program(CONFCTL)
        .args(["demo", "--keep", keep.to_str().expect("a path")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("confctl starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map(|line| line.expect("a line"));
    assert!(lines.any(|line| line.contains("carol join demo")));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), nix::sys::signal::Signal::SIGINT).expect("a signal");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    // relayd says so when it has ended, and it was waited for.
    let log = std::fs::read_to_string(keep.join("relayd.log")).expect("its log");
    assert!(log.contains("stopped"), "{log}");
}
