//! The programs as processes: started, asked, ended.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    time::Duration,
};

use serde_json::Value;

pub const CONFCTL: &str = env!("CARGO_BIN_EXE_confctl");
pub const RELAYD: &str = env!("CARGO_BIN_EXE_relayd");

/// A program that sees nothing of the environment of whoever runs the tests.
pub fn program(path: &str) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CONFKIT_") || name.to_string_lossy().starts_with("RELAYD_") {
            command.env_remove(name);
        }
    }
    let nowhere = env!("CARGO_TARGET_TMPDIR");
    command
        .env("XDG_CONFIG_HOME", nowhere)
        .env("XDG_STATE_HOME", nowhere)
        .env("HOME", nowhere)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null());
    command
}

#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    #[track_caller]
    pub fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n{}\n{}", self.out, self.err);
        self
    }

    /// The events of a program that was asked for JSON.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let lines = self.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|why| panic!("{why}: {line}")));
        lines.filter(|event| event["event"] == kind).collect()
    }
}

pub fn ran(output: Output) -> Ran {
    let text = |bytes| String::from_utf8(bytes).expect("the programs print UTF-8");
    Ran { code: output.status.code().expect("no signal ended it"), out: text(output.stdout), err: text(output.stderr) }
}

pub fn confctl(args: &[&str]) -> Ran {
    ran(program(CONFCTL).args(args).output().expect("confctl starts"))
}

pub fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // Left from the run before.
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("a folder");
    path
}

/// A relayd that ends with this test.
pub struct Relayd {
    child: Child,
    pub sips: String,
    pub environment: Vec<(String, String)>,
}

impl Relayd {
    pub fn start(args: &[&str]) -> Self {
        let mut child = program(RELAYD)
            .args(["--ephemeral", "--until-eof"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("relayd starts");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("a line");
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|why| panic!("{why}: {line}"));
        let sips = ready["sips"].as_str().unwrap_or_default().to_owned();
        let environment = ready["env"].as_object().expect("an environment");
        let environment = environment.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
        Self { child, sips, environment }
    }

    pub fn confctl(&self, args: &[&str]) -> Command {
        let mut command = program(CONFCTL);
        command.args(args).envs(self.environment.iter().cloned()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        ran(self.confctl(args).output().expect("confctl starts"))
    }

    /// A terminal in the background, once it is in.
    pub fn joins(&self, args: &[&str]) -> Joined {
        let mut child = self.confctl(&[&["--json", "join"], args].concat()).spawn().expect("confctl starts");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let (say, lines) = sync_channel(LINES);
        std::thread::spawn(move || out.lines().map_while(Result::ok).take_while(|line| say.send(line.clone()).is_ok()).count());
        let mut joined = Joined { child, lines };
        joined.waits_for("joined");
        joined
    }
}

impl Drop for Relayd {
    fn drop(&mut self) {
        // It ends when its standard input does.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

pub struct Joined {
    child: Child,
    lines: Receiver<String>,
}

/// Lines of a terminal that nobody has read yet; it waits when there are more.
const LINES: usize = 1000;
/// Whatever is awaited comes within this, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

impl Drop for Joined {
    fn drop(&mut self) {
        // One that has left is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Joined {
    /// What it says next of this kind; what else it says before is passed over.
    pub fn waits_for(&mut self, kind: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|why| panic!("it did not say {kind}: {why}"));
            let event: Value = serde_json::from_str(&line).unwrap_or_else(|why| panic!("{why}: {line}"));
            if event["event"] == kind {
                return event;
            }
        }
    }

    /// What it says when it leaves, and how it ends.
    pub fn left(mut self) -> (Value, i32) {
        let last = self.lines.iter().last().expect("it says that it left");
        let code = self.child.wait().expect("it ends").code().expect("no signal ended it");
        (serde_json::from_str(&last).unwrap_or_else(|why| panic!("{why}: {last}")), code)
    }

    pub fn interrupt(&self) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.child.id() as i32), nix::sys::signal::Signal::SIGINT).expect("a signal");
    }
}
