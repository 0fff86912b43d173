//! An ephemeral server: one relayd with every role, or a process for each role that is wanted. Each ends when its standard input is closed, also when we die.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::model::Ephemeral;
use crate::{
    cli::{ExitCode, Failure, OrFail as _},
    config::Role,
    id::UserName,
    sip::message::SipUri,
};

/// How long a relayd may take to be ready: the first start makes keys and a database.
const READY: Duration = Duration::from_secs(30);
/// How long one may take to end once it is told to.
const STOP: Duration = Duration::from_secs(15);
/// Longest ready line that is believed, in bytes.
const MAX_LINE: u64 = 64 * 1024;
/// Lines of a log that are shown when a relayd fails.
const TAIL: usize = 8;

/// The roles that an application server is told of, and how.
const APART: [(Role, &str); 2] = [(Role::Ms, "RELAYD_MEDIA_SERVERS"), (Role::Fs, "RELAYD_FILE_SERVERS")];

/// The servers of a scenario.
#[derive(Debug)]
pub struct Servers {
    processes: Vec<Process>,
    /// The application server.
    pub address: SipUri,
    /// What other programs find it by.
    pub environment: BTreeMap<String, String>,
    /// The trace of its SIP messages.
    pub trace: PathBuf,
    /// Names of the addresses at which roles in processes of their own are reached.
    pub names: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    /// Closing it ends the process.
    input: Option<ChildStdin>,
    /// Kept open, so that the process never writes to nobody.
    _output: BufReader<ChildStdout>,
    ready: Ready,
}

/// The ready line, as far as it concerns us.
#[derive(Debug, Clone, Deserialize)]
struct Ready {
    event: String,
    sip: Option<SipText>,
    #[serde(default)]
    env: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
struct SipText(String);

impl Servers {
    /// Starts what the scenario wants, with these accounts; logs and traces go to `folder`.
    ///
    /// # Errors
    /// relayd is not there, or does not start; the end of its log says why.
    pub async fn start(wanted: &Ephemeral, accounts: &BTreeSet<UserName>, folder: &Path) -> Result<Self, Failure> {
        let trace = folder.join("sip.ladder");
        let users: Vec<String> =
            accounts.iter().filter(|user| user.as_str() != ADMIN).flat_map(|user| ["--user".to_owned(), user.to_string()]).collect();
        let mut processes = Vec::new();
        let mut application = Start::new("relayd").with(["--trace-sip".to_owned(), trace.display().to_string()]).with(users);
        let mut names = BTreeMap::new();
        if let Some(roles) = &wanted.roles {
            // An application server tells of the relay of its own process.
            let own = if roles.has(Role::Relay) { "as,relay" } else { "as" };
            application = application.with(["--roles", own].map(str::to_owned));
            for (role, variable) in APART.into_iter().filter(|(role, _)| roles.has(*role)) {
                let name = role.name();
                let trace = folder.join(format!("{name}.ladder")).display().to_string();
                // Whoever is on this machine may be its application server.
                let start = Start::new(&format!("relayd-{name}"))
                    .with(["--roles", name, "--trace-sip", &trace].map(str::to_owned))
                    .variable("RELAYD_CONTROLLERS", "127.0.0.1");
                let process = start.run(folder).await?;
                let address = process.ready.sip.as_ref().map(|sip| sip.0.clone()).unwrap_or_default();
                if let Ok(SipUri { host, port: Some(port), .. }) = address.parse() {
                    names.insert(format!("{host}:{port}"), name.to_owned());
                }
                processes.push(process);
                application = application.variable(variable, &address);
            }
        }
        let application = application.run(folder).await?;
        let environment = application.ready.env.clone();
        processes.push(application);
        let address = environment.get("CONFKIT_SERVER").map(String::as_str).unwrap_or_default();
        let address = address.parse().or_fail(ExitCode::Failed, format_args!("understand where relayd listens (\"{address}\")"))?;
        Ok(Self { processes, address, environment, trace, names })
    }

    /// Ends them, the application server first; those that do not end in time are killed.
    pub async fn stop(self) {
        for mut process in self.processes.into_iter().rev() {
            drop(process.input.take());
            if timeout(STOP, process.child.wait()).await.is_err() {
                tracing::warn!("relayd does not end by itself and is killed");
                // It may have ended at this very moment.
                let _ = process.child.kill().await;
            }
        }
    }
}

/// The administrator, whom relayd makes unasked.
const ADMIN: &str = "admin";

/// A relayd to be started.
struct Start {
    log: String,
    args: Vec<String>,
    variables: Vec<(&'static str, String)>,
}

impl Start {
    fn new(name: &str) -> Self {
        Self { log: format!("{name}.log"), args: vec!["--ephemeral".to_owned(), "--until-eof".to_owned()], variables: Vec::new() }
    }

    fn with(mut self, args: impl IntoIterator<Item = String>) -> Self {
        self.args.extend(args);
        self
    }

    fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    async fn run(self, folder: &Path) -> Result<Process, Failure> {
        let program = program("relayd")?;
        let log = folder.join(&self.log);
        let file = File::create(&log).or_fail(ExitCode::Failed, format_args!("make {}", log.display()))?;
        let mut command = Command::new(&program);
        without_settings(&mut command);
        command.args(&self.args).envs(self.variables);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::from(file)).kill_on_drop(true);
        let mut child = command.spawn().or_fail(ExitCode::Failed, format_args!("start {}", program.display()))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let mut output = BufReader::new(output.ok_or_else(|| Failure::new(ExitCode::Failed, "relayd has no standard output"))?);
        let line = timeout(READY, ready_line(&mut output)).await;
        match line {
            Ok(Some(ready)) => Ok(Process { child, input, _output: output, ready }),
            Ok(None) => Err(failed("relayd ended before it was ready", &log)),
            Err(_) => Err(failed(&format!("relayd was not ready in {}", humantime::format_duration(READY)), &log)),
        }
    }
}

/// The ready line; `None` if the output ends without one.
async fn ready_line(output: &mut BufReader<ChildStdout>) -> Option<Ready> {
    use tokio::io::AsyncReadExt as _;
    loop {
        let mut line = String::new();
        match output.take(MAX_LINE).read_line(&mut line).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
        if let Ok(ready) = serde_json::from_str::<Ready>(&line)
            && ready.event == "ready"
        {
            return Some(ready);
        }
    }
}

/// What our own environment says about servers is not meant for this one.
pub fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CONFKIT_") || text.starts_with("RELAYD_") {
            command.env_remove(&name);
        }
    }
}

/// A program of ours: it stands beside this one.
///
/// # Errors
/// It does not.
pub fn program(name: &str) -> Result<PathBuf, Failure> {
    let here = std::env::current_exe().or_fail(ExitCode::Failed, "find this program's own folder")?;
    // Programs that cargo builds for tests stand one folder deeper.
    let folders = here.ancestors().skip(1).take(2);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        Failure::new(ExitCode::Failed, format!("{name} is not beside {}", here.display()))
            .hint("install or build all three programs: cargo build --bins")
    })
}

fn failed(what: &str, log: &Path) -> Failure {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let details = lines.iter().skip(lines.len().saturating_sub(TAIL)).map(|line| (*line).to_owned()).collect();
    Failure { details, ..Failure::new(ExitCode::Failed, what) }
}
