//! A relay for a measurement, and terminals that send and receive through it.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    process::Program,
    programs::{FSHARE, RELAYD, daemon, program},
};

/// See the [module](self).
pub struct Place {
    folder: tempfile::TempDir,
    pub relay: Program,
    /// Where it takes terminals.
    pub address: String,
    /// Where it tells its numbers.
    web: String,
}

impl Place {
    /// With settings by variables.
    pub fn new(folder: &Path, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir_in(folder).expect("a folder");
        let mut relay = daemon("relayd", program(RELAYD), folder.path(), &["--roles", "relay"], variables);
        let ready: Value = serde_json::from_str(&relay.line()).expect("JSON");
        let text = |name: &str| ready[name].as_str().expect("an address").to_owned();
        let (address, web) = (text("relay"), text("http").trim_start_matches("http://").to_owned());
        fs::create_dir(folder.path().join("received")).expect("a folder");
        Self { folder, relay, address, web }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder that receivers put files in.
    pub fn received(&self) -> PathBuf {
        self.path("received")
    }

    /// `fshare send` through the relay, with other words before it (`strace`).
    pub fn send(&self, before: &[&str], path: &Path, more: &[&str]) -> Program {
        let path = path.to_str().expect("a path of ours");
        Program::start("fshare send", &mut self.fshare(before, "sender", &[&["send", "--relay-only", path], more].concat()))
    }

    /// `fshare recv`, likewise.
    pub fn recv(&self, before: &[&str], code: &str, output: &Path) -> Program {
        let output = output.to_str().expect("a path of ours");
        Program::start("fshare recv", &mut self.fshare(before, "receiver", &["recv", "--yes", code, "--output", output]))
    }

    fn fshare(&self, before: &[&str], who: &str, args: &[&str]) -> Command {
        let mut command = program(FSHARE);
        if let [first, rest @ ..] = before {
            let fshare = command.get_program().to_owned();
            command = program(first);
            command.args(rest).arg(fshare);
        }
        // Each is on a machine of its own: what it notes of its transfers, the other does not find there.
        command.env("HOME", self.path(who)).env("CONFKIT_RELAY", &self.address).arg("--json").args(args);
        command
    }

    /// One of the relay's numbers.
    pub fn number(&self, wanted: &str) -> u64 {
        let mut stream = TcpStream::connect(&self.web).expect("it listens");
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.web).expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let value = text.lines().find_map(|line| line.strip_prefix(wanted)?.strip_prefix(' '));
        value.and_then(|value| value.parse::<f64>().ok()).map_or_else(|| panic!("no {wanted} in {text}"), |value| value as u64)
    }
}

/// Waits until a program tells an event, and gives it.
pub fn event(program: &mut Program, wanted: &str) -> Value {
    loop {
        let line = program.line();
        let told: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{} says {line}", program.name));
        if told["event"] == wanted {
            return told;
        }
    }
}

/// Waits for the code that a sender shows.
pub fn code(sender: &mut Program) -> String {
    event(sender, "code")["code"].as_str().expect("a code").to_owned()
}
