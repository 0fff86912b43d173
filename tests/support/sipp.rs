//! sipp with scenarios of ours (`tests/interop/sipp/`). A scenario that does not go as it is written makes sipp, and so the test, fail.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::place::{PATIENCE, Place, Process, command, free_port, wait_until};

/// Debian's package of it.
const PACKAGE: &str = "sip-tester";

/// sipp that runs a scenario.
pub struct Sipp {
    process: Process,
    name: String,
    folder: PathBuf,
    /// Where it sends from and is called.
    pub address: SocketAddr,
}

/// What it counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub successful: u64,
    pub failed: u64,
    pub retransmissions: u64,
    /// From the first message to the answer, at the mean; zero where the scenario does not measure it.
    pub response: Duration,
    /// From the first call to the end of the last.
    pub elapsed: Duration,
}

impl Sipp {
    /// Runs a scenario as the caller.
    pub fn call(place: &Place, name: &str, scenario: &str, to: SocketAddr, args: &[&str]) -> Self {
        Self::start(place, name, scenario, &[&[to.to_string().as_str()], args].concat())
    }

    /// Runs a scenario for whoever calls.
    pub fn serve(place: &Place, name: &str, scenario: &str, args: &[&str]) -> Self {
        Self::start(place, name, scenario, args)
    }

    fn start(place: &Place, name: &str, scenario: &str, args: &[&str]) -> Self {
        let folder = place.folder(name);
        let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/sipp").join(scenario);
        let address = free_port();
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let mut sipp = command("sipp");
        sipp.current_dir(&folder)
            .args(args)
            .arg("-sf")
            .arg(scenario)
            .args(["-i", &host, "-mi", &host, "-p", &port, "-nostdin", "-timeout", "120s"]);
        for (what, file) in [("logs", "log_file"), ("err", "error_file"), ("msg", "message_file"), ("stat", "stf")] {
            sipp.arg(format!("-trace_{what}")).arg(format!("-{file}")).arg(folder.join(what));
        }
        let process = Process::start(place, name, PACKAGE, &mut sipp);
        Self { process, name: name.to_owned(), folder, address }
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What the scenario logged.
    pub fn lines(&self) -> Vec<String> {
        let text = fs::read(self.folder.join("logs")).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().map(|line| line.trim().to_owned()).collect()
    }

    /// Waits until the scenario has logged a line that begins so: the rest of it.
    pub fn wait_for_line(&mut self, begin: &str) -> String {
        let mut found = None;
        let (folder, process) = (self.folder.clone(), &mut self.process);
        wait_until(
            || format!("{} logs \"{begin}\"", self.name),
            || {
                let text = fs::read(folder.join("logs")).unwrap_or_default();
                found = String::from_utf8_lossy(&text).lines().find_map(|line| line.trim().strip_prefix(begin).map(str::to_owned));
                if found.is_none()
                    && let Some(code) = process.ended()
                {
                    panic!("sipp ended with {code}: {}", errors(&folder));
                }
                found.is_some()
            },
        );
        found.expect("found").trim().to_owned()
    }

    /// Waits for its end: every call was as the scenario says.
    pub fn finish(self) -> Counts {
        self.finish_within(PATIENCE)
    }

    /// Likewise, where it takes longer.
    pub fn finish_within(mut self, patience: Duration) -> Counts {
        let code = self.process.wait(patience);
        assert_eq!(code, 0, "{} did not go as written: {}", self.name, errors(&self.folder));
        let table = fs::read_to_string(self.folder.join("stat")).expect("statistics");
        let names: Vec<&str> = table.lines().next().unwrap_or_default().split(';').collect();
        let last: Vec<&str> = table.lines().last().unwrap_or_default().split(';').collect();
        let field = |name: &str| names.iter().position(|n| *n == name).map(|at| last[at]);
        let number = |name: &str| field(name).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {name} in {table}"));
        Counts {
            successful: number("SuccessfulCall(C)"),
            failed: number("FailedCall(C)"),
            retransmissions: number("Retransmissions(C)"),
            response: field("ResponseTime1(C)").map(time).unwrap_or_default(),
            elapsed: field("ElapsedTime(C)").map(time).unwrap_or_default(),
        }
    }
}

fn errors(folder: &Path) -> String {
    let errors = fs::read(folder.join("err")).unwrap_or_default();
    format!("{} (messages in {})", String::from_utf8_lossy(&errors), folder.join("msg").display())
}

/// `00:00:01:250000`: hours, minutes, seconds, microseconds.
fn time(text: &str) -> Duration {
    let parts: Vec<u64> = text.split(':').map(|part| part.parse().unwrap_or_default()).collect();
    let [hours, minutes, seconds, rest @ ..] = parts.as_slice() else { panic!("{text} is no time") };
    Duration::from_secs(hours * 3600 + minutes * 60 + seconds) + Duration::from_micros(rest.first().copied().unwrap_or_default())
}
