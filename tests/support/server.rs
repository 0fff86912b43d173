//! A `relayd` with real clients before it, and `confctl` to control it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::ChildStdin,
    sync::mpsc::sync_channel,
};

use serde_json::Value;

use crate::place::{PATIENCE, Place, Process, command, wait_until};

/// A daemon that runs.
pub struct Server {
    process: Process,
    /// It ends when this is closed, however the test dies.
    _input: ChildStdin,
    pub ready: Value,
}

impl Server {
    /// An ephemeral one with a configuration.
    pub fn start(place: &Place, name: &str, configuration: &str, args: &[&str]) -> Self {
        Self::start_in(place, name, configuration, args, &[])
    }

    /// The same with variables of its environment.
    pub fn start_in(place: &Place, name: &str, configuration: &str, args: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::with(place, name, configuration, &[&["--ephemeral"], args].concat(), variables)
    }

    /// One that can be started again on the same data: its configuration says where it listens.
    pub fn lasting(place: &Place, name: &str, configuration: &str) -> Self {
        let data = place.folder(&format!("{name}-data"));
        Self::with(place, name, configuration, &["--json", "--data-dir", data.to_str().expect("a path")], &[])
    }

    fn with(place: &Place, name: &str, configuration: &str, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let file = place.path(&format!("{name}.yaml"));
        fs::write(&file, configuration).expect("written");
        let mut relayd = command(env!("CARGO_BIN_EXE_relayd"));
        // Killed, it cannot clear its data away: it goes with the test's folder.
        relayd
            .env("TMPDIR", place.folder("tmp"))
            .envs(variables.iter().copied())
            .arg("--until-eof")
            .arg("--config")
            .arg(&file)
            .arg("--trace-sip")
            .arg(place.path(&format!("{name}.sip")))
            .args(args);
        let (process, input, output) = Process::piped(place, name, &mut relayd);
        let (tell, told) = sync_channel(1);
        // Read on behind the first line, so that the daemon never waits for a reader.
        std::thread::spawn(move || {
            let (mut output, mut line) = (BufReader::new(output), String::new());
            if output.read_line(&mut line).is_ok_and(|len| len > 0) {
                let _ = tell.send(line);
            }
            let _ = output.read_to_end(&mut Vec::new());
        });
        let line = told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{name} is not ready: {}", process.log()));
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        Self { process, _input: input, ready }
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Where it listens, for the first transport of the configuration.
    pub fn address(&self) -> SocketAddr {
        let uri = self.ready["sip"].as_str().expect("sip");
        uri.trim_start_matches("sip:").split(';').next().expect("an address").parse().expect("an address")
    }

    /// The password of an account.
    pub fn password(&self, user: &str) -> String {
        let file: PathBuf = self.ready["env"]["CONFKIT_CREDENTIALS"].as_str().expect("a file").into();
        let credentials = confkit::account::Credentials::read(&file).expect("credentials");
        credentials.password(&user.parse().expect("a name")).unwrap_or_else(|| panic!("{user} has a password")).reveal().to_owned()
    }

    /// `confctl --json …`: exit code and what it printed, or its error.
    pub fn try_control(&self, args: &[&str]) -> (i32, Value) {
        let mut confctl = command(env!("CARGO_BIN_EXE_confctl"));
        for (name, value) in self.ready["env"].as_object().expect("an environment") {
            confctl.env(name, value.as_str().expect("a text"));
        }
        let output = confctl.arg("--json").args(args).output().expect("confctl runs");
        let text = if output.status.success() { output.stdout } else { output.stderr };
        let text = String::from_utf8(text).expect("UTF-8");
        let first = text.lines().next().unwrap_or("null");
        let value = serde_json::from_str(first).unwrap_or_else(|error| panic!("{args:?}: {error} in {text:?}"));
        (output.status.code().expect("an exit code"), value)
    }

    /// `confctl --json …`, which works.
    pub fn control(&self, args: &[&str]) -> Value {
        let (code, value) = self.try_control(args);
        assert_eq!(code, 0, "confctl {args:?}: {value}");
        value
    }

    /// The roster of a conference, in order of arrival: those with audio, which are the ones that count.
    pub fn roster(&self, conference: &str) -> Vec<Value> {
        let shown = self.control(&["show", conference]);
        let mut roster = shown["roster"].as_array().expect("a roster").clone();
        roster.retain(|participant| participant["audio"] == true);
        assert_eq!(
            shown["participants"].as_u64(),
            u64::try_from(roster.iter().filter(|p| p["state"] == "connected").count()).ok(),
            "{shown}"
        );
        roster
    }

    /// Waits until so many are in.
    pub fn wait_for_participants(&self, conference: &str, count: usize) -> Vec<Value> {
        let mut roster = Vec::new();
        wait_until(
            || format!("{count} participants in {conference}"),
            || {
                roster = self.roster(conference);
                roster.iter().filter(|p| p["state"] == "connected").count() == count
            },
        );
        roster
    }

    /// One of its numbers.
    pub fn metric(&self, name: &str) -> f64 {
        let http = self.ready["http"].as_str().expect("http").trim_start_matches("http://");
        let mut stream = TcpStream::connect(http).expect("connected");
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\r\n").expect("asked");
        let mut page = String::new();
        stream.read_to_string(&mut page).expect("told");
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in {page}")).parse().expect("a number")
    }
}
