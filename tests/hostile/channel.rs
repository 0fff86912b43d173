//! Relay channels: who is let in, what is done to chunks on their way, ends that fall silent, and what terminals and disks do to each other. The
//! table of `docs/protocols/channel.md` ("What shows it") says which is shown where.

#[path = "channel/admission.rs"]
mod admission;
#[path = "channel/chunks.rs"]
mod chunks;
#[path = "channel/direct.rs"]
mod direct;
#[path = "channel/ends.rs"]
mod ends;
#[path = "channel/files.rs"]
mod files;
#[path = "channel/packed.rs"]
mod packed;
#[path = "channel/secure.rs"]
mod secure;

use std::{
    fs,
    io::{BufReader, Read as _},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
};

use confkit::channel::Code;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{
    between::{Between, Meddle},
    harness::{Daemon, wait_until},
    running::{begin, next_event},
};

/// A relay, and a folder for terminals.
pub struct World {
    pub daemon: Daemon,
    folder: tempfile::TempDir,
    pub relay: String,
}

/// An `fshare` that runs; killed when the test is over.
pub struct Fshare {
    child: Child,
    events: BufReader<ChildStdout>,
}

impl World {
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// With settings of the relay by their variables.
    pub fn with(variables: &[(&str, &str)]) -> Self {
        let daemon = Daemon::with(&["--ephemeral", "--roles", "relay"], variables);
        let relay = daemon.ready["relay"].as_str().expect("a relay").to_owned();
        Self { daemon, folder: tempfile::tempdir().expect("a folder"), relay }
    }

    /// Somebody before the relay who does something to one of the connections, by its number in the order of their coming.
    pub async fn between(&self, mut meddle: impl FnMut(usize) -> Box<dyn Meddle> + Send + 'static) -> Between {
        Between::new(&self.relay, move |number| meddle(number)).await
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).expect("written");
    }

    /// `fshare --json …` by way of a relay, and no other; `before` are words before it. What breaks is not gone
    /// on with.
    pub fn start_with(&self, before: &[&str], relay: &str, args: &[&str]) -> Fshare {
        self.start_by(before, relay, args, &["--relay-only"])
    }

    /// The same by whatever way these flags say.
    pub fn start_by(&self, before: &[&str], relay: &str, args: &[&str], way: &[&str]) -> Fshare {
        let fshare = env!("CARGO_BIN_EXE_fshare");
        let words: Vec<&str> = before
            .iter()
            .copied()
            .chain([fshare, "--json"])
            .chain(args.iter().copied())
            .chain(way.iter().copied())
            .chain(["--patience", "0s"])
            .collect();
        self.spawn(args[0], relay, &words)
    }

    /// Goes on with what `send` or `recv` has broken off.
    pub fn resume(&self, verb: &str, relay: &str, name: &str) -> Fshare {
        self.spawn(verb, relay, &[env!("CARGO_BIN_EXE_fshare"), "--json", "resume", name])
    }

    /// Each verb has a home of its own, as its terminal would.
    fn spawn(&self, verb: &str, relay: &str, words: &[&str]) -> Fshare {
        let home = self.path(verb);
        fs::create_dir_all(&home).expect("a folder");
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(self.folder.path()).env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
        command.env("HOME", home).env("CONFKIT_RELAY", relay);
        let mut child = begin(command.stdin(Stdio::piped()));
        let events = BufReader::new(child.stdout.take().expect("piped"));
        Fshare { child, events }
    }

    pub fn start(&self, relay: &str, args: &[&str]) -> Fshare {
        self.start_with(&[], relay, args)
    }

    /// What is in a folder, under any name: of a transfer that came to nothing there is nothing under its final name.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else { return Vec::new() };
        let mut names: Vec<String> = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Fshare {
    /// Waits for an event.
    pub fn event(&mut self, wanted: &str) -> Value {
        next_event(&mut self.events, wanted).unwrap_or_else(|| panic!("it ended before it told \"{wanted}\": {}", self.said()))
    }

    pub fn code(&mut self) -> Code {
        self.event("code")["code"].as_str().expect("a code").parse().expect("a code")
    }

    fn said(&mut self) -> String {
        let mut said = String::new();
        if let Some(mut error) = self.child.stderr.take() {
            error.read_to_string(&mut said).expect("text");
        }
        said
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().expect("a pid"))
    }

    pub fn input(&mut self) -> std::process::ChildStdin {
        self.child.stdin.take().expect("piped")
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("signalled");
    }

    /// Its exit code, when it has ended.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().expect("waited for").map(|status| status.code().unwrap_or(-1))
    }

    /// Waits for its end: exit code, and what it said on standard error.
    pub fn end(&mut self) -> (i32, String) {
        let mut code = None;
        wait_until("fshare ends", || {
            code = self.ended();
            code.is_some()
        });
        (code.unwrap_or(-1), self.said())
    }
}

impl Drop for Fshare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes that are not all the same.
pub fn noise(len: usize) -> Vec<u8> {
    let mixed = |at: usize| {
        let once = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((once ^ (once >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56) as u8
    };
    (0..len).map(mixed).collect()
}
