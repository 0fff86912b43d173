//! Real programs: `relayd`, all in one or with its file server apart, behind a [gateway](crate::gateway); `fshare`.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::gateway::{Gateway, INSIDE, OUTSIDE};

const CONFCTL: &str = env!("CARGO_BIN_EXE_confctl");
const FSHARE: &str = env!("CARGO_BIN_EXE_fshare");
const RELAYD: &str = env!("CARGO_BIN_EXE_relayd");
/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Who has an account.
const USERS: &[&str] = &["--user", "alice", "--user", "bob", "--user", "carol"];
/// Lines of a program that wait to be read.
const LINES: usize = 10_000;

/// A server with a conference, and a folder for everything.
pub struct House {
    env: Vec<(String, String)>,
    pub gateway: Gateway,
    /// The file server, where it is apart, and where it takes SIP.
    files: Option<(Program, u16)>,
    _server: Program,
    runs: usize,
    /// Last, so that it is cleared away when nobody uses it any more.
    folder: tempfile::TempDir,
}

/// A program that runs; killed when it is dropped.
pub struct Program {
    name: String,
    child: Child,
    _input: ChildStdin,
    lines: Receiver<String>,
    log: PathBuf,
    /// Everything that it said as JSON, and was read.
    pub events: Vec<Value>,
}

impl House {
    /// All roles in one process.
    pub fn together(name: &str) -> Self {
        Self::with(name, "", bare(RELAYD))
    }

    /// The same with more in the section `files`.
    pub fn strict(name: &str, more: &str) -> Self {
        Self::with(name, more, bare(RELAYD))
    }

    /// The same on a disk that takes no large files.
    pub fn squeezed(name: &str) -> Self {
        Self::with(name, "", squeezed(RELAYD))
    }

    fn with(name: &str, more: &str, relayd: Command) -> Self {
        let (folder, gateway) = (tempfile::tempdir().expect("a folder"), gateway(name));
        let server = server(folder.path(), "relayd", relayd, &files(&gateway, more), &[&["--ephemeral"], USERS].concat());
        Self::of(folder, gateway, None, server)
    }

    /// The file server in a process of its own, on a folder that stays.
    pub fn apart(name: &str) -> Self {
        let (folder, gateway) = (tempfile::tempdir().expect("a folder"), gateway(name));
        let port = TcpListener::bind((INSIDE, 0)).and_then(|free| free.local_addr()).expect("a port").port();
        let files = file_server(folder.path(), &gateway, port);
        let configuration = format!("roles: [as, ms]\nfile_servers: [\"sip:{INSIDE}:{port};transport=tcp\"]\n");
        let server = server(folder.path(), "relayd", bare(RELAYD), &configuration, &[&["--ephemeral"], USERS].concat());
        Self::of(folder, gateway, Some((files, port)), server)
    }

    fn of(folder: tempfile::TempDir, gateway: Gateway, files: Option<(Program, u16)>, mut server: Program) -> Self {
        let ready = server.next().expect("it is ready");
        let env = ready["env"].as_object().expect("an environment").iter();
        let env = env.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
        let mut house = Self { folder, env, gateway, files, _server: server, runs: 0 };
        house.run(bare(CONFCTL), "admin", "confctl", &["create", "standup"]).ends_with(0);
        house
    }

    /// A file or folder of the test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts `fshare --json --as USER …`; `home` is where it keeps its records.
    pub fn fshare(&mut self, user: &str, home: &str, args: &[&str]) -> Program {
        self.run(bare(FSHARE), user, home, &[&["--as", user], args].concat())
    }

    /// The same on a disk that takes no large files.
    pub fn squeezed_fshare(&mut self, user: &str, home: &str, args: &[&str]) -> Program {
        self.run(squeezed(FSHARE), user, home, &[&["--as", user], args].concat())
    }

    fn run(&mut self, mut command: Command, user: &str, home: &str, args: &[&str]) -> Program {
        self.runs += 1;
        let name = format!("{}-{user}", self.runs);
        command.envs(self.env.iter().map(|(name, value)| (name, value))).env("HOME", self.path(home)).current_dir(self.folder.path());
        Program::start(self.folder.path(), &name, command.arg("--json").args(args))
    }

    /// The file server.
    pub fn file_server(&mut self) -> &mut Program {
        &mut self.files.as_mut().expect("a file server").0
    }

    /// The next file server on the same folder, at the same place.
    pub fn start_file_server(&mut self) {
        let port = self.files.take().expect("a file server").1;
        self.files = Some((file_server(self.folder.path(), &self.gateway, port), port));
    }
}

impl Program {
    /// Starts it; what it says beside goes into a log of its name.
    pub fn start(folder: &Path, name: &str, command: &mut Command) -> Self {
        let log = folder.join(format!("{name}.log"));
        let errors = fs::File::options().create(true).append(true).open(&log).expect("a log");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors).spawn().expect("it starts");
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let (tell, lines) = sync_channel(LINES);
        std::thread::spawn(move || BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { name: name.to_owned(), child, _input: input, lines, log, events: Vec::new() }
    }

    /// The next that it says; nothing at its end.
    pub fn next(&mut self) -> Option<Value> {
        let line = match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return None,
            Err(error) => panic!("{} says nothing: {error}: {}", self.name, self.told()),
        };
        let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?} of {}", self.name));
        self.events.push(event.clone());
        Some(event)
    }

    /// Waits until it says this.
    pub fn wait_for(&mut self, event: &str) -> Value {
        loop {
            match self.next() {
                Some(said) if said["event"] == event => return said,
                Some(_) => {}
                None => panic!("{} ended without \"{event}\": {}", self.name, self.told()),
            }
        }
    }

    /// Waits for its end: its exit code.
    pub fn end(&mut self) -> i32 {
        while self.next().is_some() {}
        self.child.wait().expect("it ends").code().unwrap_or(-1)
    }

    /// Waits for its end, which must be this one.
    #[track_caller]
    pub fn ends_with(mut self, code: i32) -> Self {
        let ended = self.end();
        assert_eq!(ended, code, "{}: {}", self.name, self.told());
        self
    }

    /// SIGSTOP: it does nothing more.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().expect("a pid")), signal).expect("signalled");
    }

    /// SIGKILL, and waits.
    pub fn kill(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What it said on both outputs.
    pub fn told(&self) -> String {
        let events: Vec<_> = self.events.iter().map(|event| format!("{event}\n")).collect();
        format!("\n{}{}", events.concat(), fs::read_to_string(&self.log).unwrap_or_default())
    }
}

impl Drop for House {
    #[expect(clippy::print_stderr, reason = "who reads of the failure wants to look there")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            eprintln!("what the programs said is in {}", self.folder.path().display());
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// On ports of this test.
pub fn gateway(name: &str) -> Gateway {
    let hash = blake3::hash(format!("{name} {}", std::process::id()).as_bytes());
    Gateway::new(u16::from_be_bytes([hash.as_bytes()[0], hash.as_bytes()[1]]))
}

/// The section of a file server behind a gateway.
fn files(gateway: &Gateway, more: &str) -> String {
    let ports = gateway.ports();
    format!("files: {{ports: {ports}, addresses: [{INSIDE}], advertise: [{OUTSIDE}], behind_nat: true, heartbeat: 1s{more}}}\n")
}

fn file_server(folder: &Path, gateway: &Gateway, port: u16) -> Program {
    let data = folder.join("files-data");
    let sip = format!("controllers: [\"{INSIDE}\"]\nlisten: {{http: [], sip: [{{transport: tcp, address: \"{INSIDE}:{port}\"}}]}}\n");
    let configuration = format!("roles: [fs]\n{sip}{}", files(gateway, ""));
    let mut server = server(folder, "files", bare(RELAYD), &configuration, &["--data-dir", data.to_str().expect("a path")]);
    server.next().expect("it is ready");
    server
}

/// A `relayd` with a configuration.
pub fn server(folder: &Path, name: &str, mut relayd: Command, configuration: &str, args: &[&str]) -> Program {
    let file = folder.join(format!("{name}.yaml"));
    fs::write(&file, configuration).expect("written");
    relayd.env("TMPDIR", folder).args(["--json", "--until-eof", "--config"]).arg(file).args(args);
    Program::start(folder, name, &mut relayd)
}

/// A program that sees nothing of the environment of whoever runs the tests.
pub fn bare(path: &str) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        if ["CONFKIT_", "RELAYD_", "XDG_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

/// The same, where no file may have more than 8 MiB (where the shell counts by kilobytes, 16): how a disk that is full looks to it.
fn squeezed(path: &str) -> Command {
    let mut command = bare("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 16384; exec \"$0\" \"$@\"", path]);
    command
}
