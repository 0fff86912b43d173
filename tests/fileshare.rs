//! Files shared in a conference by the real programs over loopback: `relayd`, `fshare share`, `fshare get`.

#![cfg(feature = "cli")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Output, Stdio},
};

use serde_json::Value;

const CONFCTL: &str = env!("CARGO_BIN_EXE_confctl");
const FSHARE: &str = env!("CARGO_BIN_EXE_fshare");
const RELAYD: &str = env!("CARGO_BIN_EXE_relayd");

/// A server with a conference, and a folder for everything.
struct Place {
    folder: tempfile::TempDir,
    env: Vec<(String, String)>,
    relayd: Child,
    _input: ChildStdin,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut relayd = bare(RELAYD);
        relayd.args(["--ephemeral", "--until-eof", "--user", "alice", "--user", "bob", "--user", "carol"]);
        relayd.env("TMPDIR", folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut relayd = relayd.spawn().expect("relayd starts");
        let input = relayd.stdin.take().expect("its input");
        let mut line = String::new();
        BufReader::new(relayd.stdout.take().expect("its output")).read_line(&mut line).expect("its ready line");
        let ready: Value = serde_json::from_str(&line).expect("JSON");
        let env = ready["env"].as_object().expect("an environment").iter();
        let env = env.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
        let place = Self { folder, env, relayd, _input: input };
        assert!(place.program(CONFCTL, &["create", "standup"]).output().expect("it runs").status.success());
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, path: &str, args: &[&str]) -> Command {
        let mut program = bare(path);
        program.envs(self.env.iter().map(|(name, value)| (name, value))).env("HOME", self.path("home")).current_dir(self.folder.path());
        program.args(args).stdin(Stdio::null());
        program
    }

    /// `fshare --json --as USER …`, to its end.
    fn fshare(&self, user: &str, args: &[&str]) -> Output {
        self.program(FSHARE, &[&["--json", "--as", user], args].concat()).output().expect("fshare runs")
    }

    /// The same, once its share is there.
    fn sharing(&self, args: &[&str], input: Option<&[u8]>) -> Sharing {
        let mut fshare = self.program(FSHARE, &[&["--json", "--as", "alice", "share", "standup"], args].concat());
        fshare.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = fshare.spawn().expect("fshare starts");
        let mut stdin = child.stdin.take().expect("its input");
        let input = input.map(<[u8]>::to_vec);
        std::thread::spawn(move || input.map(|bytes| stdin.write_all(&bytes)));
        let mut events = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        events.read_line(&mut line).expect("an event");
        let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        assert_eq!(event["event"], "shared", "{event}");
        Sharing { child, events, share: event["share"].as_str().expect("a share").to_owned() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // It has its own reasons to be gone already.
        let _ = self.relayd.kill();
        let _ = self.relayd.wait();
    }
}

/// A sharer that runs.
struct Sharing {
    child: Child,
    events: BufReader<std::process::ChildStdout>,
    share: String,
}

impl Sharing {
    /// Waits for its end: exit code and events.
    fn end(mut self) -> (Option<i32>, Vec<Value>) {
        let mut text = String::new();
        self.events.read_to_string(&mut text).expect("its events");
        let code = self.child.wait().expect("it ends").code();
        (code, text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect())
    }
}

impl Drop for Sharing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bare(path: &str) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        if ["CONFKIT_", "RELAYD_", "XDG_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn said(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Every file below a folder, with its content.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found: Vec<_> = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| (entry.path().strip_prefix(folder).expect("below").to_owned(), fs::read(entry.path()).expect("read")))
        .collect();
    found.sort();
    found
}

/// Bytes that do not repeat.
fn bytes(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(count)
    .collect()
}

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
        let (ended, events) = sharing.end();
        assert_eq!(ended, Some(0), "{via}: {events:?}");
        let last = events.last().expect("an event");
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
    assert_eq!(sharing.end().0, Some(0));
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
}
