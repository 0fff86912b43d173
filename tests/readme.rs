//! The README's tour does what it says: every command in it is run, in its order, by a shell, and must end as the tour shows.
//!
//! A command is a line of a `console` block that begins with `$ `; what ends with `&` runs beside the others. `# exit N` behind a command
//! says how it ends; without it, with 0. The two commands of a fresh clone (`make …`) have tests and CI of their own.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

/// What the tour shows of outputs and is the same each time.
const SHOWN: [&str; 14] = [
    "created standup, sip:standup@127.0.0.1:",
    "people        2/20",
    "CODEC\np1  alice  alice  member  connected  talking  PCMU\np2  bob    bob    member  connected  talking  PCMU\n",
    "connected  muted  PCMU",
    "share-1: received and verified, 1 file, 23 B\n",
    "door          locked",
    "error: the conference is locked (403)",
    "error: no conference nowhere",
    "heard    620 Hz (-2",
    "1 file, 15 B to send; on the other side:\n  fshare recv 7-crystal-window --relay 127.0.0.1:",
    "note: the receiver has joined and is deciding\n",
    "received and verified, 1 file, 15 B in 0.",
    "offering to bob: 1 file or folder, 15 B\nbob@confkit is new here\n",
    "share-1: uploaded, 15 B\nshare-1: 1 of 1 have it: sip:bob@127.0.0.1:",
];

/// The commands of the tour.
fn tour(readme: &str) -> Vec<String> {
    let blocks = readme.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect()
}

/// A shell script of them: each is checked.
fn script(commands: &[String]) -> String {
    let mut script = String::from("set -u\nfail() { echo \"tour: $*\" >&2; exit 1; }\n");
    for command in commands {
        let (command, status) = match command.split_once("# exit ") {
            Some((command, status)) => (command.trim(), status.trim()),
            None => (command.as_str(), "0"),
        };
        script += &format!("echo \"+ {}\" >&2\n", command.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$"));
        if command.ends_with('&') {
            script += command;
            script += "\n";
        } else {
            script += &format!("{command}\nstatus=$?; [ $status -eq {status} ] || fail \"status $status, not {status}\"\n");
        }
    }
    script + "wait\n"
}

#[test]
fn every_command_of_the_tour_ends_as_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).expect("the README");
    let commands = tour(&readme);
    assert!(commands.len() >= 10, "a tour of {} commands", commands.len());
    let folder = tempfile::tempdir().expect("a folder");
    let programs = Path::new(env!("CARGO_BIN_EXE_confctl")).parent().expect("a folder of programs");
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    fs::create_dir(folder.path().join("examples")).expect("a folder");
    for example in fs::read_dir(root.join("examples")).expect("examples") {
        let example = example.expect("an example").path();
        fs::copy(&example, folder.path().join("examples").join(example.file_name().expect("a name"))).expect("copied");
    }
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(script(&commands)).current_dir(folder.path()).env("PATH", path).env("HOME", folder.path());
    for name in ["CONFKIT_SERVER", "CONFKIT_USER", "CONFKIT_CREDENTIALS", "CONFKIT_CA", "CONFKIT_CONFIG", "CONFKIT_RELAY"] {
        shell.env_remove(name);
    }
    let said = fs::File::create(folder.path().join("said")).expect("a file");
    shell.stdin(Stdio::null()).stdout(said.try_clone().expect("a file")).stderr(said);
    let mut child = shell.spawn().expect("bash");
    let end = confkit::clock::now() + Duration::from_secs(120);
    let status = loop {
        match child.try_wait().expect("a status") {
            Some(status) => break Some(status),
            None if confkit::clock::now() > end => break None,
            None => std::thread::park_timeout(Duration::from_millis(50)),
        }
    };
    let said = fs::read_to_string(folder.path().join("said")).expect("what it said");
    let Some(status) = status else {
        let _ = child.kill();
        panic!("the tour does not end:\n{said}");
    };
    assert!(status.success(), "the tour failed:\n{said}");
    for shown in SHOWN {
        assert!(readme.contains(shown), "the tour no longer shows {shown:?}");
        assert!(said.contains(shown), "the tour shows {shown:?}, but:\n{said}");
    }
}

#[test]
fn the_tour_begins_with_the_two_commands_of_a_fresh_clone() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("the README");
    for command in ["make demo", "make test"] {
        assert!(readme.lines().any(|line| line.starts_with(command)), "{command}");
    }
}
