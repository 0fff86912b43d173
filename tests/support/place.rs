//! Where a test with real programs lives: a folder of its own, and processes that end with it. The folder stays when the test fails.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use confkit::clock;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The folder of one test.
pub struct Place {
    folder: PathBuf,
}

impl Place {
    /// An empty folder. What earlier runs of the same test left is cleared away, if they are over.
    pub fn new(test: &str) -> Self {
        let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop");
        fs::create_dir_all(&all).expect("a folder");
        for old in fs::read_dir(&all).expect("a folder").filter_map(Result::ok) {
            let name = old.file_name().to_string_lossy().into_owned();
            let pid = name.strip_prefix(test).and_then(|rest| rest.strip_prefix('-')?.parse::<u32>().ok());
            if pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
                let _ = fs::remove_dir_all(old.path());
            }
        }
        let folder = all.join(format!("{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        Self { folder }
    }

    /// A file or folder in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A new folder in it.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.path(name);
        fs::create_dir_all(&folder).expect("a folder");
        folder
    }
}

impl Drop for Place {
    #[expect(clippy::print_stderr, reason = "who reads of the failure wants to look there")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what the programs said is in {}", self.folder.display());
        } else {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// A program that runs, ended by its id when the test is over.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program that says everything into `<name>.log`. One that is not there fails the test with the line that installs it.
    pub fn start(place: &Place, name: &str, package: &str, command: &mut Command) -> Self {
        Self::try_start(place, name, package, command).unwrap_or_else(|error| missing(command, package, &error))
    }

    /// Likewise; a program that is there and may not be run is an error.
    pub fn try_start(place: &Place, name: &str, package: &str, command: &mut Command) -> io::Result<Self> {
        let log = place.path(&format!("{name}.log"));
        let out = fs::File::create(&log)?;
        let err = out.try_clone()?;
        match command.stdin(Stdio::null()).stdout(out).stderr(err).spawn() {
            Ok(child) => Ok(Self { name: name.to_owned(), child, log }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing(command, package, &error),
            Err(error) => Err(error),
        }
    }

    /// Starts a program that logs on standard error, and talks to the test by standard input and output.
    pub fn piped(place: &Place, name: &str, command: &mut Command) -> (Self, ChildStdin, ChildStdout) {
        let log = place.path(&format!("{name}.log"));
        let err = fs::File::options().create(true).append(true).open(&log).expect("a log");
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(err).spawn().unwrap_or_else(|e| missing(command, "", &e));
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        (Self { name: name.to_owned(), child, log }, input, output)
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it said so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits until it has said something.
    pub fn wait_for_log(&mut self, text: &str) {
        wait_until(
            || format!("{} says \"{text}\"", self.name),
            || String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).contains(text),
        );
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().try_into().expect("a pid")), signal).expect("signalled");
    }

    /// Its exit code, when it has ended.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().expect("waited for").map(|status| status.code().unwrap_or(-1))
    }

    /// Waits for its end: the exit code, -1 for a signal.
    pub fn wait(&mut self, patience: Duration) -> i32 {
        let begun = clock::now();
        loop {
            if let Some(code) = self.ended() {
                return code;
            }
            assert!(begun.elapsed() < patience, "{} does not end: {}", self.name, self.log());
            pause();
        }
    }

    /// SIGKILL, and waits.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A command with an environment of its own.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LANG", "C.UTF-8")
        .env("TERM", "xterm");
    command
}

/// Runs a program to its end: what it said on standard output. Any failure fails the test.
pub fn run(package: &str, command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| missing(command, package, &error));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
    out.into_owned()
}

fn missing(command: &Command, package: &str, error: &io::Error) -> ! {
    let program = command.get_program().display();
    if package.is_empty() {
        panic!("{program}: {error}");
    }
    panic!("{program}: {error}. This test needs it; as root: apt-get install --yes --no-install-recommends {package}")
}

/// Waits for something that nobody announces.
pub fn wait_until(what: impl Fn() -> String, mut done: impl FnMut() -> bool) {
    let begun = clock::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "in vain: {}", what());
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "another process is waited for, which tells nobody")]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

/// A port on loopback that nobody has, neither for UDP nor for TCP: for programs that cannot be told to let the system choose. The system hands
/// out others for a good while, so that it stays free until the program has it.
pub fn free_port() -> SocketAddr {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = udp.local_addr().expect("an address");
        // Media wants an even port and the one above.
        let above = SocketAddr::new(address.ip(), address.port() | 1);
        if address.port().is_multiple_of(2) && TcpListener::bind(address).is_ok() && UdpSocket::bind(above).is_ok() {
            return address;
        }
    }
}
