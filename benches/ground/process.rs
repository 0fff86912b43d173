//! Processes and what they cost, as the system counts it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use confkit::clock;
use nix::{
    sys::{
        statfs::statfs,
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::{Pid, SysconfVar, sysconf},
};

/// A program that runs. What still runs at the end is killed.
pub struct Program {
    pub name: String,
    child: Child,
    pub output: Option<BufReader<std::process::ChildStdout>>,
    pub errors: Option<BufReader<std::process::ChildStderr>>,
}

/// What became of one.
pub struct Ended {
    /// When.
    pub at: Instant,
    /// Processor time of all its threads, of itself and of the kernel for it.
    pub cpu: Duration,
    /// How.
    pub status: ExitStatus,
}

impl Program {
    /// Starts it, with pipes on all sides.
    pub fn start(name: &str, command: &mut Command) -> Self {
        Self::spawn(name, command.stdout(Stdio::piped()))
    }

    /// Starts it. What it puts out is thrown away.
    pub fn start_silent(name: &str, command: &mut Command) -> Self {
        Self::spawn(name, command.stdout(Stdio::null()))
    }

    fn spawn(name: &str, command: &mut Command) -> Self {
        let child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let (output, errors) = (child.stdout.take().map(BufReader::new), child.stderr.take().map(BufReader::new));
        Self { name: name.to_owned(), child, output, errors }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its output.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.output.as_mut().map(|output| output.read_line(&mut line));
        if !matches!(read, Some(Ok(1..))) {
            let name = self.name.clone();
            panic!("{name} says nothing: {}", self.complaints());
        }
        line.trim_end().to_owned()
    }

    /// Waits until it says something on its standard error.
    pub fn wait_for(&mut self, words: &str) {
        let errors = self.errors.as_mut().expect("its standard error");
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert!(matches!(errors.read_line(&mut line), Ok(1..)), "{} ends without saying \"{words}\"", self.name);
        }
    }

    /// Waits for its end, which must be a good one.
    pub fn end(mut self) -> Ended {
        let (ended, said) = self.wait();
        if !ended.status.success() {
            let name = self.name.clone();
            panic!("{name} ended with {}: {said}\n{}", ended.status, self.complaints());
        }
        ended
    }

    /// Waits for its end. What it has still said is there, too.
    fn wait(&mut self) -> (Ended, String) {
        // A pipe that nobody reads would keep it from ending.
        let mut said = String::new();
        let output = self.output.take().map(|mut output| output.read_to_string(&mut said));
        assert!(matches!(output, None | Some(Ok(_))), "{} says what is no text", self.name);
        let pid = Pid::from_raw(self.pid() as i32);
        // What it has cost can be read until it is reaped.
        waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).expect("it is ours");
        let (at, cpu) = (clock::now(), cpu(self.pid()));
        (Ended { at, cpu, status: self.child.wait().expect("it is ours") }, said)
    }

    /// Ends it as SIGKILL does.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is ours");
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn complaints(&mut self) -> String {
        let mut said = String::new();
        // What is no text is not shown.
        let _ = self.errors.as_mut().map(|errors| errors.read_to_string(&mut said));
        said
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This program again, as one of those that do less.
pub fn own(name: &str, args: &[&str]) -> Program {
    let program = std::env::current_exe().expect("this program has a path");
    Program::start(name, Command::new(program).args(args))
}

/// To be called by such a program: it ends when whoever started it ends, and when one of its threads fails.
pub fn end_with_parent() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        told(panic);
        std::process::exit(1);
    }));
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(1);
    });
}

/// Processor time of all threads of a process, of those that have ended, too; in steps of a hundredth of a second.
pub fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process is there");
    // The name may hold anything, but ends with the last parenthesis; user and system time are the 14th and 15th field.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).expect("a number");
    let a_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100) as f64;
    Duration::from_secs_f64((ticks(11) + ticks(12)) as f64 / a_second)
}

/// The most memory that a process ever had (`VmHWM`), in MiB.
pub fn peak_memory(pid: u32) -> f64 {
    memory(pid, "VmHWM:")
}

/// The memory that a process has (`VmRSS`), in MiB.
pub fn resident_memory(pid: u32) -> f64 {
    memory(pid, "VmRSS:")
}

fn memory(pid: u32, which: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is there");
    let line = status.lines().find_map(|line| line.strip_prefix(which)).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
}

/// How busy the machine is: processes that ran or wanted to, in the last minute.
pub fn load() -> String {
    fs::read_to_string("/proc/loadavg").ok().and_then(|text| text.split(' ').next().map(str::to_owned)).unwrap_or_default()
}

/// The machine, for whoever reads the figures.
pub fn machine(folder: &Path) -> String {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (processors, memory) = (text("/proc/cpuinfo"), text("/proc/meminfo"));
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let gibibytes = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok())
        .map_or(0.0, |kibibytes| kibibytes / 1024.0 / 1024.0);
    let kernel = text("/proc/sys/kernel/osrelease");
    let tmpfs = statfs(folder).is_ok_and(|found| found.filesystem_type() == nix::sys::statfs::TMPFS_MAGIC);
    let kind = if tmpfs { "in memory (tmpfs)" } else { "on a disk" };
    format!(
        "{} cores of {}, {gibibytes:.0} GiB, Linux {}; files in {}, {kind}; load at the start {}",
        cores,
        model.trim_start_matches([' ', '\t', ':']),
        kernel.trim(),
        folder.display(),
        load()
    )
}
