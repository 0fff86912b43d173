//! A server for a measurement: one `relayd` for calls and one for files, or one for both; a conference, accounts, and what is shared in it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    process::Program,
    programs::{CONFCTL, FSHARE, RELAYD, daemon, program},
};

/// The conference.
const HALL: &str = "hall";

/// See the [module](self).
pub struct Place {
    folder: tempfile::TempDir,
    /// Of the programs: where the server is.
    env: Vec<(String, String)>,
    pub calls: Program,
    /// Without one, the server for calls is also that for files.
    files: Option<Program>,
}

impl Place {
    /// Calls and files by a process each; accounts `m0`, `m1`, … for so many users.
    pub fn apart(folder: &Path, users: usize) -> Self {
        let folder = tempfile::tempdir_in(folder).expect("a folder");
        let mut files =
            daemon("relayd (files)", program(RELAYD), folder.path(), &["--roles", "fs"], &[("RELAYD_CONTROLLERS", "127.0.0.1")]);
        let ready: Value = serde_json::from_str(&files.line()).expect("JSON");
        let uri = ready["sip"].as_str().expect("a URI").replace("transport=udp", "transport=tcp");
        Self::with(folder, users, program(RELAYD), &["--roles", "as,ms"], &[("RELAYD_FILE_SERVERS", &uri)], Some(files))
    }

    /// Calls and files by one process, which may have real-time threads, as a service that is permitted them, or may not.
    pub fn together(folder: &Path, users: usize, variables: &[(&str, &str)], realtime: bool) -> Self {
        let folder = tempfile::tempdir_in(folder).expect("a folder");
        let mut command = program(RELAYD);
        if !realtime {
            let relayd = command.get_program().to_owned();
            command = program("setpriv");
            command.args(["--inh-caps", "-sys_nice", "--bounding-set", "-sys_nice", "prlimit", "--rtprio=0"]).arg(relayd);
        }
        Self::with(folder, users, command, &[], variables, None)
    }

    fn with(
        folder: tempfile::TempDir,
        users: usize,
        command: Command,
        args: &[&str],
        variables: &[(&str, &str)],
        files: Option<Program>,
    ) -> Self {
        let users: Vec<String> = (0..users).map(|number| format!("m{number}")).collect();
        let named: Vec<&str> = users.iter().flat_map(|user| ["--user", user]).collect();
        let mut calls = daemon("relayd", command, folder.path(), &[args, &named].concat(), variables);
        let ready: Value = serde_json::from_str(&calls.line()).expect("JSON");
        let env = ready["env"].as_object().expect("an environment").iter();
        let env = env.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
        let place = Self { folder, env, calls, files };
        let made = place.command(CONFCTL, &["create", HALL, "--max", "500"]).output().expect("confctl runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        place
    }

    /// The process that serves files.
    pub fn file_server(&self) -> u32 {
        self.files.as_ref().unwrap_or(&self.calls).pid()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the server takes calls: a URI of the conference.
    pub fn hall(&self) -> String {
        self.variable("CONFKIT_SERVER").replacen("sip:", &format!("sip:{HALL}@"), 1)
    }

    /// `fshare share`, which ends when all have received.
    pub fn share(&self, file: &Path, more: &[&str]) -> Program {
        let file = file.to_str().expect("a path of ours");
        Program::start("fshare share", &mut self.command(FSHARE, &[&["--json", "--as", "m0", "share", HALL, file], more].concat()))
    }

    /// `fshare get`, once it waits for a share. Its output goes to a folder of its number, or, without one, to its standard output.
    pub fn receiver(&self, number: usize, to_folder: bool) -> Program {
        let folder = self.received(number);
        let output = if to_folder { folder.to_str().expect("a path of ours") } else { "-" };
        let mut program = Program::start(&format!("fshare get {number}"), &mut self.get(number, output));
        program.wait_for("waiting for the next share");
        program
    }

    /// The same, for a receiver that throws away what it has verified.
    pub fn listener(&self, number: usize) -> Program {
        let mut program = Program::start_silent(&format!("fshare get {number}"), &mut self.get(number, "-"));
        program.wait_for("waiting for the next share");
        program
    }

    fn get(&self, number: usize, output: &str) -> Command {
        let mut command = self.command(FSHARE, &["--as", &format!("m{number}"), "get", HALL, "--output", output]);
        // Each is on a machine of its own: what it notes of its downloads, nobody else notes there.
        command.env("HOME", self.path(&format!("home-{number}")));
        command
    }

    /// Where the server tells its numbers.
    pub fn web(&self) -> String {
        self.variable("CONFKIT_HTTP").trim_start_matches("http://").to_owned()
    }

    fn variable(&self, wanted: &str) -> &str {
        self.env.iter().find(|(name, _)| name == wanted).map_or("", |(_, value)| value.as_str())
    }

    /// The folder of a receiver.
    pub fn received(&self, number: usize) -> PathBuf {
        self.path(&format!("received-{number}"))
    }

    fn command(&self, path: &str, args: &[&str]) -> Command {
        let mut command = program(path);
        command.envs(self.env.iter().map(|(name, value)| (name, value))).env("HOME", self.path("home")).args(args);
        command
    }
}
