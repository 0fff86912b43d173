//! `confctl ua`: a terminal in the background under a name, and commands that steer it.
//!
//! `ua start` starts this very program once more with `--foreground`: that is the terminal ([`agent`]). It listens on a socket in a folder of its
//! user's ([`place`]), where each further command says a line and gets a line ([`wire`]).
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | the commands |
//! | `agent.rs` | the terminal |
//! | `place.rs` | names, sockets |
//! | `wire.rs` | requests and replies |

mod agent;
mod place;
pub mod wire;

use std::{
    fs::File,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf, absolute},
    process::{Child, Command, Stdio},
    time::Duration,
};

use clap::Subcommand;
use tokio::time::sleep;

use self::{
    place::UaName,
    wire::{Listed, Reply, Request, Taken},
};
use crate::{
    cli::{
        ExitCode, Failure, OrFail as _,
        fshare::share::{Via, rate},
        secret::PinFile,
        settings::Context,
        values::{self, Callee, Digits, Microphone, Room},
    },
    clock,
    config::Bandwidth,
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl ua start desk --as alice --mic talk.wav --download received\n  \
    confctl ua desk call standup\n  \
    confctl ua desk share slides.pdf\n  \
    confctl ua desk get notes.txt --output notes\n  \
    confctl ua desk status\n  \
    confctl ua stop desk";

/// A terminal, and what it is to do.
#[derive(Debug, Clone, clap::Args)]
#[command(subcommand_negates_reqs = false, arg_required_else_help = true)]
pub struct Args {
    /// Terminal that is to do it
    #[arg(value_name = "NAME")]
    pub name: Option<UaName>,

    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What can be done with terminals in the background.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Start a terminal (no NAME before the verb)
    #[command(after_help = "Examples:\n  confctl ua start desk --as alice --mic talk.wav --download received")]
    Start(StartArgs),
    /// Stop a terminal: it hangs up and exits (no NAME before the verb)
    #[command(after_help = "Examples:\n  confctl ua stop desk")]
    Stop(StopArgs),
    /// List the running terminals (no NAME before the verb)
    #[command(after_help = "Examples:\n  confctl ua list")]
    List,
    /// Call a conference or any SIP address
    #[command(after_help = "Examples:\n  confctl ua desk call standup")]
    Call(CallArgs),
    /// Answer the ringing call
    #[command(after_help = "Examples:\n  confctl ua desk answer")]
    Answer,
    /// Hang up
    #[command(after_help = "Examples:\n  confctl ua desk hangup")]
    Hangup,
    /// Share files in the call
    ///
    /// Returns once the conference has accepted the share; the upload continues in the background, and confctl ua NAME status shows how far it
    /// is. With --wait, returns once everything is at the server. An upload that breaks off can be resumed: fshare status lists it, and
    /// fshare resume continues it.
    #[command(
        after_help = "Examples:\n  confctl ua desk share slides.pdf notes\n  confctl ua desk share minutes.txt --via info --to bob --wait"
    )]
    Share(ShareArgs),
    /// Receive what is shared in the call; returns once everything is here and verified
    #[command(after_help = "Examples:\n  confctl ua desk get notes.txt --output notes")]
    Get(GetArgs),
    /// Stop sharing, or leave a share
    #[command(after_help = "Examples:\n  confctl ua desk unshare slides.pdf")]
    Unshare(NamedShare),
    /// Press keys on the keypad (DTMF)
    #[command(after_help = "Examples:\n  confctl ua desk dtmf 1234#")]
    Dtmf(DtmfArgs),
    /// Mute the microphone
    #[command(after_help = "Examples:\n  confctl ua desk mute")]
    Mute,
    /// Unmute the microphone
    #[command(after_help = "Examples:\n  confctl ua desk unmute")]
    Unmute,
    /// Send an instant message
    #[command(after_help = "Examples:\n  confctl ua desk message bob 'coffee at ten'")]
    Message(MessageArgs),
    /// Show the state of the terminal
    #[command(after_help = "Examples:\n  confctl --json ua desk status")]
    Status,
}

/// A terminal to be started.
#[derive(Debug, Clone, clap::Args)]
pub struct StartArgs {
    /// Name by which other commands refer to it
    #[arg(value_name = "NAME")]
    pub name: UaName,

    /// What the microphone picks up: a WAV file, a tone of HZ hertz, or silence
    #[arg(long, value_name = "FILE.wav|tone:HZ|silence", default_value = "silence", value_hint = clap::ValueHint::FilePath)]
    pub mic: Microphone,

    /// Record what is heard (16-bit WAV)
    #[arg(long, value_name = "FILE.wav", value_hint = clap::ValueHint::FilePath)]
    pub record: Option<PathBuf>,

    /// Call this conference or URI after starting
    #[arg(long, value_name = "NAME|URI")]
    pub call: Option<Room>,

    /// Receive what is shared into this folder; without it, shares are declined, and confctl ua get can fetch them by name
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub download: Option<PathBuf>,

    /// Transfer at most this many bytes a second for each share, such as 2MiB/s
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub limit: Option<Bandwidth>,

    /// Let a call ring this long before answering it automatically
    #[arg(long, value_name = "DURATION", value_parser = values::duration, default_value = "0s")]
    pub ring: Duration,

    /// Do not register the account: nobody can call it
    #[arg(long)]
    pub no_register: bool,

    /// Name that others see
    #[arg(long, value_name = "TEXT")]
    pub display_name: Option<String>,

    /// The PIN to enter with
    #[command(flatten)]
    pub pin: PinFile,

    /// Stay in the foreground, for service supervisors
    #[arg(long)]
    pub foreground: bool,
}

/// A terminal to be stopped.
#[derive(Debug, Clone, clap::Args)]
pub struct StopArgs {
    /// Terminal to stop
    #[arg(value_name = "NAME")]
    pub name: UaName,
}

/// Whom to call.
#[derive(Debug, Clone, clap::Args)]
pub struct CallArgs {
    /// Conference: its name, or a URI
    #[arg(value_name = "NAME|URI")]
    pub room: Room,

    /// The PIN to enter with
    #[command(flatten)]
    pub pin: PinFile,
}

/// What to share.
#[derive(Debug, Clone, clap::Args)]
pub struct ShareArgs {
    /// Files and folders
    #[arg(value_name = "PATH", required = true, value_hint = clap::ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,

    /// How to open the share: by re-INVITE, or by INFO
    #[arg(long, value_name = "WAY", value_enum, default_value_t)]
    pub via: Via,

    /// Share only with this user, participant (by id) or URI (repeatable) [default: everybody who may receive]
    #[arg(long = "to", value_name = "WHO")]
    pub to: Vec<String>,

    /// Wait until everything is at the server
    #[arg(long)]
    pub wait: bool,
}

/// What to get.
#[derive(Debug, Clone, clap::Args)]
pub struct GetArgs {
    /// Share, such as share-3, or the name of a file in one
    #[arg(value_name = "NAME")]
    pub file: String,

    /// Folder to put it in [default: that of --download, else the one in which the terminal was started]
    #[arg(short, long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub output: Option<PathBuf>,
}

/// A share.
#[derive(Debug, Clone, clap::Args)]
pub struct NamedShare {
    /// Share, such as share-3, or the name of a file in one
    #[arg(value_name = "NAME")]
    pub file: String,
}

/// What to press.
#[derive(Debug, Clone, clap::Args)]
pub struct DtmfArgs {
    /// Keys: 0-9 * # A-D, a comma for a pause of a second
    #[arg(value_name = "KEYS")]
    pub keys: Digits,
}

/// What to send to whom.
#[derive(Debug, Clone, clap::Args)]
pub struct MessageArgs {
    /// To whom: a SIP URI, or the name of a user
    #[arg(value_name = "URI")]
    pub to: Callee,

    /// Text
    #[arg(allow_hyphen_values = true)]
    pub text: String,
}

/// How often is looked whether a terminal that was started answers.
const LOOK: Duration = Duration::from_millis(50);
/// Lines of its log that are shown when it does not.
const TAIL: usize = 8;

/// Runs it.
///
/// # Errors
/// With the exit code that says why: there is no such terminal (4), it is there already (5), it is in no call (4), or what became of the request.
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let folder = place::folder()?;
    let patience = context.settings.config.timeout.get();
    match (&args.verb, &args.name) {
        (Verb::Start(start), None) if start.foreground => agent::run(start, &folder, context).await,
        (Verb::Start(start), None) => begin(start, &folder, context).await,
        (Verb::Stop(stop), None) => place::ask(&folder, &stop.name, &Request::Stop, patience).await.map(drop),
        (Verb::List, None) => list(&folder, context).await,
        (Verb::Start(_) | Verb::Stop(_) | Verb::List, Some(_)) => {
            Err(Failure::usage("start, stop and list come directly after ua: confctl ua start NAME"))
        }
        (_, None) => Err(Failure::usage("no terminal is named").hint("confctl ua NAME call ROOM")),
        (verb, Some(name)) => {
            let request = request(verb)?;
            // A transfer may take as long as it takes; whoever waits can go away.
            let patience = if request.waits() { Duration::from_secs(u64::from(u32::MAX)) } else { patience * 2 };
            let reply = tokio::select! {
                reply = place::ask(&folder, name, &request, patience) => reply?,
                () = context.leaving.cancelled() => return Err(Failure::silent(ExitCode::Interrupted)),
            };
            match reply {
                Reply::Shared(share) => context.output.result(&Taken { share }),
                Reply::Stands(standing) => context.output.result(&*standing),
                Reply::Done | Reply::Failed { .. } => Ok(()),
            }
        }
    }
}

/// What a verb asks of a terminal. Paths are meant from here, not from where the terminal is.
fn request(verb: &Verb) -> Result<Request, Failure> {
    let here = |path: &PathBuf| absolute(path).or_fail(ExitCode::Usage, format_args!("understand the path {}", path.display()));
    Ok(match verb {
        Verb::Call(CallArgs { room, pin }) => Request::Call { to: room.to_string(), pin: pin.given()?.map(|pin| pin.reveal().to_owned()) },
        Verb::Answer => Request::Answer,
        Verb::Hangup => Request::Hangup,
        Verb::Share(ShareArgs { paths, via, to, wait }) => {
            let paths = paths.iter().map(here).collect::<Result<_, _>>()?;
            Request::Share { paths, info: *via == Via::Info, to: to.clone(), wait: *wait }
        }
        Verb::Get(GetArgs { file, output }) => Request::Get { file: file.clone(), folder: output.as_ref().map(here).transpose()? },
        Verb::Unshare(NamedShare { file }) => Request::Unshare { file: file.clone() },
        Verb::Dtmf(DtmfArgs { keys }) => Request::Dtmf { keys: keys.as_str().to_owned() },
        Verb::Mute => Request::Mute { on: true },
        Verb::Unmute => Request::Mute { on: false },
        Verb::Message(MessageArgs { to, text }) => Request::Message { to: to.to_string(), text: text.clone() },
        Verb::Status | Verb::Start(_) | Verb::List => Request::Status,
        Verb::Stop(_) => Request::Stop,
    })
}

async fn list(folder: &Path, context: &Context) -> Result<(), Failure> {
    let patience = context.settings.config.timeout.get();
    let mut terminals = Vec::new();
    for name in place::names(folder)? {
        match place::ask(folder, &name, &Request::Status, patience).await {
            Ok(Reply::Stands(standing)) => terminals.push(*standing),
            Ok(_) => {}
            // Its socket is all that is left of it.
            Err(failure) if failure.code == ExitCode::NotFound => {}
            Err(failure) => context.output.warn(failure),
        }
    }
    context.output.result(&Listed { terminals })
}

/// Starts this program once more, in the background, and waits until it answers.
async fn begin(args: &StartArgs, folder: &Path, context: &Context) -> Result<(), Failure> {
    let path = place::log(folder, &args.name);
    if place::ask(folder, &args.name, &Request::Status, context.settings.config.timeout.get()).await.is_ok() {
        return Err(place::taken(&args.name));
    }
    let log = File::create(&path).or_fail(ExitCode::Failed, format_args!("make {}", path.display()))?;
    let program = std::env::current_exe().or_fail(ExitCode::Failed, "find this program")?;
    let mut command = Command::new(program);
    // In a group of its own Ctrl-C on our terminal does not reach it.
    command.args(std::env::args_os().skip(1)).arg("--foreground").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut child = command.spawn().or_fail(ExitCode::Failed, "start the terminal")?;
    // It registers and calls before it answers.
    let until = clock::now() + context.settings.config.timeout.get() * 3;
    loop {
        if let Some(failure) = ended(&mut child, &path)? {
            return Err(failure);
        }
        match place::ask(folder, &args.name, &Request::Status, LOOK * 10).await {
            // Not another one of this name, which was quicker.
            Ok(Reply::Stands(standing)) if standing.pid == child.id() => return context.output.result(&*standing),
            _ if clock::now() >= until || context.leaving.is_cancelled() => {
                // It may have ended at this very moment.
                let _ = child.kill().and_then(|()| child.wait());
                let code = if context.leaving.is_cancelled() { ExitCode::Interrupted } else { ExitCode::Unreachable };
                return Err(Failure::new(code, format!("the terminal {} was not ready in time", args.name)));
            }
            _ => sleep(LOOK).await,
        }
    }
}

/// Why the terminal has ended, where it has: as its log says.
fn ended(child: &mut Child, log: &Path) -> Result<Option<Failure>, Failure> {
    let Some(status) = child.try_wait().or_fail(ExitCode::Failed, "wait for the terminal")? else { return Ok(None) };
    let code = ExitCode::ALL.into_iter().find(|code| status.code() == Some(code.number().into())).unwrap_or(ExitCode::Failed);
    let code = if code == ExitCode::Done { ExitCode::Failed } else { code };
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<String> = text.lines().map(crate::cli::output::safe_line).collect();
    let details = lines.iter().skip(lines.len().saturating_sub(TAIL)).cloned().collect();
    Ok(Some(Failure { details, ..Failure::new(code, "the terminal did not start") }))
}
