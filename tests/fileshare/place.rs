//! Where these tests live: a server with a conference, a folder for everything, and programs that run in it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::UdpSocket,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio},
    time::Duration,
};

use confkit::clock;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

pub const CONFCTL: &str = env!("CARGO_BIN_EXE_confctl");
pub const FSHARE: &str = env!("CARGO_BIN_EXE_fshare");
pub const RELAYD: &str = env!("CARGO_BIN_EXE_relayd");

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server with a conference, and a folder for everything.
pub struct Place {
    folder: tempfile::TempDir,
    env: Vec<(String, String)>,
    relayd: Child,
    _input: Option<ChildStdin>,
    pub data_dir: PathBuf,
}

impl Place {
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// With settings of the server's, by their variables.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut relayd = bare(RELAYD);
        relayd.args(["--ephemeral", "--until-eof", "--user", "alice", "--user", "bob", "--user", "carol"]);
        relayd.envs(settings.iter().copied());
        relayd.env("TMPDIR", folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut relayd = relayd.spawn().expect("relayd starts");
        let input = relayd.stdin.take().expect("its input");
        let mut line = String::new();
        BufReader::new(relayd.stdout.take().expect("its output")).read_line(&mut line).expect("its ready line");
        let ready: Value = serde_json::from_str(&line).expect("JSON");
        let env = ready["env"].as_object().expect("an environment").iter();
        let env = env.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
        let data_dir = ready["data_dir"].as_str().expect("a folder").into();
        let place = Self { folder, env, relayd, _input: Some(input), data_dir };
        assert!(place.program(CONFCTL, &["create", "standup"]).output().expect("it runs").status.success());
        place
    }

    /// On a data directory that stays, and ports that are the same for its next process.
    pub fn lasting() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let free = || UdpSocket::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr()).expect("a port");
        let config =
            format!("listen: {{sip: [{{transport: udp, address: \"{}\"}}], http: [], relay: [{{address: \"127.0.0.1:0\"}}]}}\n", free());
        fs::write(folder.path().join("relayd.yaml"), config).expect("written");
        let relayd = lasting(folder.path());
        let data_dir = folder.path().join("data");
        let mut place = Self { folder, env: Vec::new(), relayd, _input: None, data_dir };
        place.await_server();
        assert!(place.program(CONFCTL, &["create", "standup"]).output().expect("it runs").status.success());
        place
    }

    /// The next process of a server that [lasts](Self::lasting).
    pub fn start_server(&mut self) {
        self.relayd = lasting(self.folder.path());
        self.await_server();
    }

    fn await_server(&mut self) {
        let end = clock::now() + PATIENCE;
        loop {
            let text = fs::read_to_string(self.path("env")).unwrap_or_default();
            let pairs = text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
            self.env = pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned())).collect();
            if !self.env.is_empty() && self.program(CONFCTL, &["--timeout", "1s", "list"]).output().expect("it runs").status.success() {
                return;
            }
            assert!(clock::now() < end, "relayd does not answer");
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// The server is asked to stop, and does.
    pub fn stop_server(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.relayd.id()).expect("a number of a process"));
        kill(pid, Signal::SIGTERM).expect("it runs");
        assert!(self.relayd.wait().expect("it ends").success());
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and gives what is in it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Vec<u8> {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, &content).expect("written");
        content.as_ref().to_vec()
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub fn program(&self, path: &str, args: &[&str]) -> Command {
        let mut program = bare(path);
        program.envs(self.env.iter().map(|(name, value)| (name, value))).env("HOME", self.path("home")).current_dir(self.folder.path());
        program.args(args).stdin(Stdio::null());
        program
    }

    /// `fshare --json --as USER …`, to its end.
    pub fn fshare(&self, user: &str, args: &[&str]) -> Output {
        self.program(FSHARE, &[&["--json", "--as", user], args].concat()).output().expect("fshare runs")
    }

    /// `fshare --as USER …`, as people see it, to its end.
    pub fn told(&self, user: &str, args: &[&str]) -> Output {
        self.program(FSHARE, &[&["--as", user], args].concat()).output().expect("fshare runs")
    }

    /// `fshare --json --as USER …`, running.
    pub fn start(&self, user: &str, args: &[&str]) -> Running {
        self.started(user, args, None)
    }

    fn started(&self, user: &str, args: &[&str], input: Option<&[u8]>) -> Running {
        let mut fshare = self.program(FSHARE, &[&["--json", "--as", user], args].concat());
        fshare.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = fshare.spawn().expect("fshare starts");
        let mut stdin = child.stdin.take().expect("its input");
        let input = input.map(<[u8]>::to_vec);
        std::thread::spawn(move || input.map(|bytes| stdin.write_all(&bytes)));
        let mut errors = child.stderr.take().expect("its errors");
        let said = std::thread::spawn(move || {
            let mut said = String::new();
            // What is no text says nothing to a test.
            let _ = errors.read_to_string(&mut said);
            said
        });
        let events = BufReader::new(child.stdout.take().expect("its output"));
        Running { child, events, said: Some(said), share: String::new() }
    }

    /// `fshare share standup …` of alice's, once its share is there.
    pub fn sharing(&self, args: &[&str], input: Option<&[u8]>) -> Running {
        let mut sharing = self.started("alice", &[&["share", "standup"], args].concat(), input);
        let event = sharing.until("shared");
        sharing.share = event["share"].as_str().expect("a share").to_owned();
        sharing
    }

    /// The transfers that `fshare status` lists, of this direction; `""` for all.
    pub fn transfers(&self, direction: &str) -> Vec<Value> {
        let status = self.fshare("alice", &["status"]);
        assert_eq!(code(&status), 0, "{}", said(&status));
        let known = document(&status)["transfers"].as_array().expect("a list").clone();
        known.into_iter().filter(|known| direction.is_empty() || known["direction"] == direction).collect()
    }

    /// The shares that `fshare shares` lists.
    pub fn shares(&self, user: &str) -> Vec<Value> {
        let listed = self.fshare(user, &["shares", "standup"]);
        assert_eq!(code(&listed), 0, "{}", said(&listed));
        document(&listed)["shares"].as_array().expect("a list").clone()
    }

    /// The server is gone without a word.
    pub fn kill_server(&mut self) {
        self.relayd.kill().expect("it is ours");
        self.relayd.wait().expect("it ends");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // It has its own reasons to be gone already.
        let _ = self.relayd.kill();
        let _ = self.relayd.wait();
    }
}

/// An fshare that runs.
pub struct Running {
    child: Child,
    events: BufReader<ChildStdout>,
    said: Option<std::thread::JoinHandle<String>>,
    pub share: String,
}

impl Running {
    /// The next event of this kind; those before it are passed over.
    pub fn until(&mut self, kind: &str) -> Value {
        self.until_that(kind, |_| true)
    }

    /// The next event of this kind that is wanted.
    pub fn until_that(&mut self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut before = Vec::new();
        loop {
            let mut line = String::new();
            if self.events.read_line(&mut line).expect("an event") == 0 {
                let said = self.said.take().map(|said| said.join().expect("it reads"));
                panic!("it ended before {kind}: {before:?} {said:?}");
            }
            let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
            if event["event"] == kind && wanted(&event) {
                return event;
            }
            before.push(event);
        }
    }

    /// Once so many bytes have moved: how many.
    pub fn until_moved(&mut self, bytes: u64) -> u64 {
        let event = self.until_that("progress", |event| event["bytes"].as_u64() >= Some(bytes));
        event["bytes"].as_u64().expect("a number")
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("it runs");
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a number of a process"))
    }

    /// It is stopped, until the file server has closed its connection; then it goes on. So its connection is cut.
    pub fn cut(&self) {
        let (before, end) = (self.connections(), clock::now() + PATIENCE);
        self.signal(Signal::SIGSTOP);
        while self.connections() >= before {
            assert!(clock::now() < end, "nobody closes the connection of a process that is silent");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        self.signal(Signal::SIGCONT);
    }

    /// TCP connections that are up at both ends.
    fn connections(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.child.id());
        let sockets: Vec<String> = fs::read_dir(folder)
            .expect("it runs")
            .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
            .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
            .collect();
        // Columns: 1 and 2 are the ends, 3 is the state, 01 when established; 9 the inode.
        let table = fs::read_to_string("/proc/net/tcp").expect("a table");
        let up: Vec<Vec<&str>> =
            table.lines().map(|line| line.split_whitespace().collect()).filter(|line: &Vec<_>| line[3] == "01").collect();
        let ours = up.iter().filter(|line| sockets.iter().any(|socket| socket == line[9]));
        // What waits in the buffers of the other end hides its end from ours.
        ours.filter(|ours| up.iter().any(|theirs| (theirs[1], theirs[2]) == (ours[2], ours[1]))).count()
    }

    /// Waits for its end: exit code, the events that are left, and what it said on standard error.
    pub fn end(mut self) -> Ended {
        let mut text = String::new();
        self.events.read_to_string(&mut text).expect("its events");
        let code = self.child.wait().expect("it ends").code();
        let said = self.said.take().map(|said| said.join().expect("it reads")).unwrap_or_default();
        Ended { code, events: text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect(), said }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub events: Vec<Value>,
    pub said: String,
}

impl Ended {
    /// The last event of this kind.
    pub fn last(&self, kind: &str) -> &Value {
        self.events.iter().rev().find(|event| event["event"] == kind).unwrap_or_else(|| panic!("no {kind}: {self:?}"))
    }

    /// The JSON error that it ended with.
    pub fn error(&self) -> Value {
        let mut lines = self.said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.rfind(|line| line["error"].is_object()).unwrap_or_else(|| panic!("no error: {self:?}"))["error"].clone()
    }
}

fn lasting(folder: &Path) -> Child {
    let mut relayd = bare(RELAYD);
    relayd.arg("--config").arg(folder.join("relayd.yaml")).arg("--data-dir").arg(folder.join("data"));
    relayd.args(["--user", "alice", "--user", "bob", "--env-file"]).arg(folder.join("env"));
    relayd.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("relayd starts")
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

pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

pub fn said(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The JSON document that is a result.
pub fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

/// Every file below a folder, with its content.
pub fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
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
pub fn bytes(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(count)
    .collect()
}
