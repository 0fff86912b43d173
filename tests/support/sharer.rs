//! `fshare` against a server: what it prints, event by event.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{
    place::{Place, command},
    server::Server,
};

/// A sharer that runs.
pub struct Sharer {
    child: Child,
    events: BufReader<ChildStdout>,
}

impl Sharer {
    /// Starts one.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("fshare starts");
        let events = BufReader::new(child.stdout.take().expect("its output"));
        Self { child, events }
    }

    /// Its next event of this name.
    pub fn wait_for(&mut self, name: &str) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.events.read_line(&mut line).expect("read") > 0, "fshare ended before it was {name}");
            let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
            if event["event"] == name {
                return event;
            }
        }
    }

    /// Ctrl-C.
    pub fn interrupt(&self) {
        let pid = Pid::from_raw(self.child.id().try_into().expect("a pid"));
        kill(pid, Signal::SIGINT).expect("signalled");
    }

    /// Waits for its end: the exit code.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Sharer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `fshare --json --as USER …` against a server.
pub fn fshare(place: &Place, server: &Server, user: &str, args: &[&str]) -> Command {
    let mut fshare = command(env!("CARGO_BIN_EXE_fshare"));
    for (name, value) in server.ready["env"].as_object().expect("an environment") {
        fshare.env(name, value.as_str().expect("a text"));
    }
    fshare.env("HOME", place.folder("home")).stdin(Stdio::null()).args(["--json", "--as", user]).args(args);
    fshare
}
