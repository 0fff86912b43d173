//! A server with two users, each with a home of its own.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::PathBuf,
    process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{
    place::{Place, command},
    running::{begin, next_event},
    server::Server,
};

/// `relayd` as application server and relay, and the homes of its users.
pub struct House {
    pub server: Server,
    pub place: Place,
}

/// A program that runs, and tells what happens.
pub struct Running {
    child: Child,
    events: Option<BufReader<ChildStdout>>,
    said: BufReader<ChildStderr>,
}

impl House {
    /// With more of a configuration, and more arguments.
    pub fn new(test: &str, more: &str, args: &[&str]) -> Self {
        Self::in_its(Place::new(test), more, args, &[])
    }

    /// The same in a place, with variables of the server's environment.
    pub fn in_its(place: Place, more: &str, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let configuration = format!("roles: [as, ms, relay]\n{more}");
        let users = ["--user", "alice", "--user", "bob"];
        let server = Server::start_in(&place, "relayd", &configuration, &[&users[..], args].concat(), variables);
        Self { server, place }
    }

    /// Where the identities of a user are.
    pub fn folder(&self, user: &str) -> PathBuf {
        self.place.path(&format!("{user}-home/.config/confkit"))
    }

    /// The server's address by a name.
    pub fn localhost(&self) -> String {
        format!("sip:localhost:{}", self.server.address().port())
    }

    /// `fshare` as a user.
    pub fn fshare(&self, user: &str, args: &[&str]) -> Command {
        let mut fshare = command(env!("CARGO_BIN_EXE_fshare"));
        fshare.current_dir(self.place.path("")).env("HOME", self.place.folder(&format!("{user}-home"))).env("CONFKIT_USER", user);
        for name in ["CONFKIT_SERVER", "CONFKIT_CREDENTIALS", "CONFKIT_CA"] {
            fshare.env(name, self.server.ready["env"][name].as_str().expect("told"));
        }
        fshare.args(args).stdin(Stdio::null());
        fshare
    }

    /// `fshare recv` as a user.
    pub fn recv(&self, user: &str, args: &[&str]) -> Running {
        self.begin(user, &[&["--json", "recv"], args].concat())
    }

    /// What is on standard output of bob's `fshare recv --output -`, by what is done once it waits.
    pub fn output_of(&self, args: &[&str], meanwhile: impl FnOnce()) -> Vec<u8> {
        let args = [&["recv", "--output", "-"], args].concat();
        let mut receiving = begin(self.fshare("bob", &args).stdin(Stdio::null()));
        let mut said = BufReader::new(receiving.stderr.take().expect("piped")).lines();
        assert!(said.by_ref().map_while(Result::ok).any(|line| line.contains("waiting for files from")), "{args:?}");
        meanwhile();
        let received = receiving.wait_with_output().expect("ended");
        assert!(received.status.success(), "{args:?}: {:?}", received.status);
        received.stdout
    }

    /// `fshare` as a user, which runs on.
    pub fn begin(&self, user: &str, args: &[&str]) -> Running {
        Running::start(&mut self.fshare(user, args))
    }
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child = begin(command);
        let events = child.stdout.take().map(BufReader::new);
        let said = BufReader::new(child.stderr.take().expect("piped"));
        Self { child, events, said }
    }

    /// The next event of this name; others are passed over.
    pub fn event(&mut self, name: &str) -> Value {
        next_event(self.events.as_mut().expect("heard"), name).unwrap_or_else(|| {
            let mut said = String::new();
            let _ = self.said.read_to_string(&mut said);
            panic!("it ended without {name}: {said}");
        })
    }

    /// The next line of this kind on standard error; others are passed over.
    pub fn tells(&mut self, kind: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.said.read_line(&mut line).expect("text"), 0, "it ended without a {kind}");
            if line.contains(&format!("\"{kind}\":")) {
                return line;
            }
        }
    }

    /// Nobody reads what it tells any more.
    pub fn hears_no_more(&mut self) {
        self.events = None;
    }

    pub fn interrupt(&self) {
        kill(Pid::from_raw(self.child.id().try_into().expect("a pid")), Signal::SIGINT).expect("signalled");
    }

    /// Its exit code, and what it said on standard error.
    pub fn end(mut self) -> (i32, String) {
        let mut said = String::new();
        let mut rest = String::new();
        if let Some(mut events) = self.events.take() {
            events.read_to_string(&mut rest).expect("text");
        }
        self.said.read_to_string(&mut said).expect("text");
        (self.child.wait().expect("waited for").code().unwrap_or(-1), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn run(command: &mut Command) -> Output {
    command.output().expect("fshare runs")
}

pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The event of a name that a program told.
pub fn event(output: &Output, name: &str) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let mut told = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    told.find(|told| told["event"] == name).unwrap_or_else(|| panic!("no {name} in {}", said(output)))
}

pub fn bytes(len: usize) -> Vec<u8> {
    let mixed = |at: usize| {
        let once = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((once ^ (once >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56) as u8
    };
    (0..len).map(mixed).collect()
}
