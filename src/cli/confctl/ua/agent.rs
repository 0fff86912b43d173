//! The terminal itself: a process that has a call, or waits for one, and does what is asked over its socket.

use std::{
    collections::VecDeque,
    num::NonZeroU64,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit},
    task::JoinSet,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    StartArgs, place,
    wire::{Happened, MAX_LINE, Reply, Request, ShareStanding, Standing},
};
use crate::{
    cli::{
        ExitCode, Failure, OrFail as _,
        actor::{Actor, Manner, Order, Participant, ToShare},
        audio,
        confctl::{dialog, message},
        fshare::{failure, kept::Named},
        settings::Context,
        values::{Callee, Digits, Room},
    },
    clock,
    conference::{
        client::{Dial, Identity, ParticipantConfig, TerminalEvent, TerminalHost},
        wire::{Timestamp, control::Pin},
    },
    config::Bandwidth,
    fileshare::{
        client::{Uploader, transfers::ShareOptions},
        terminal::{Opening, SharingTerminal},
    },
    media::Codec,
    sip::message::Host,
    transfer::{Overwrite, Source, SourceOptions},
};

/// Requests that are done at the same time; others wait to be accepted. Transfers that are waited for do not count.
const REQUESTS: usize = 32;
/// Transfers that are waited for at the same time; another wait is refused.
const WAITS: usize = 64;
/// How long a request may take to be said.
const SAID: Duration = Duration::from_secs(5);
/// How long the rest of a transfer may take. Whoever asked may go away before: it goes on all the same.
const TRANSFER: Duration = Duration::from_secs(24 * 3600);
/// How long an answer takes at most to be acknowledged by whoever calls.
const ANSWERED: Duration = Duration::from_secs(5);
/// How many happenings `status` tells.
const HAPPENED: usize = 20;
/// Registrations last so long, and are refreshed, in seconds.
const REGISTERED: u32 = 600;

/// A terminal that runs.
#[derive(Debug)]
struct Agent {
    name: String,
    address: String,
    actor: Actor,
    context: Context,
    muted: AtomicBool,
    /// Whom it has called last.
    peer: Mutex<Option<String>>,
    happened: Arc<Mutex<VecDeque<Happened>>>,
    /// Who may wait for a transfer.
    waits: Semaphore,
    /// Most bytes a second of each transfer.
    limit: Option<NonZeroU64>,
    stop: CancellationToken,
}

/// Runs it until it is told to end.
///
/// # Errors
/// With the exit code that says why it cannot begin.
pub async fn run(args: &StartArgs, folder: &Path, context: &Context) -> Result<(), Failure> {
    let place = place::listen(folder, &args.name)?;
    let tasks = TaskTracker::new();
    let agent = begin(args, context, &tasks).await?;
    serve(agent, args, &place.listener).await
}

async fn begin(args: &StartArgs, context: &Context, tasks: &TaskTracker) -> Result<Agent, Failure> {
    let host = TerminalHost::start().or_fail(ExitCode::Failed, "start the audio")?;
    let transports = dialog::transports(context).await?;
    let local = transports.local;
    let account = dialog::account_if_any(context).await?;
    let registers = account.is_some() && !args.no_register;
    let identity = account.unwrap_or_else(|| Identity::guest(args.display_name.as_deref(), Host::Ip(local.ip()), Some(local.port())));
    let address = match &args.display_name {
        Some(name) => identity.address.clone().named(name),
        None => identity.address.clone(),
    };
    let shown = address.uri.to_string();
    let config = ParticipantConfig {
        identity: Identity { address, ..identity },
        server: dialog::server(context),
        codecs: Codec::ALL.to_vec(),
        microphone: audio::microphone(&args.mic)?,
        record: args.record.clone(),
        answer: true,
        ring: args.ring,
    };
    let opened = Participant::open_as(&host, transports, config, SharingTerminal::new);
    let (participant, happenings) = opened.or_fail(ExitCode::Failed, "open the terminal")?;
    let manner = Manner {
        receive: args.download.is_some(),
        limit: args.limit.and_then(Bandwidth::get),
        folder: args.download.clone().unwrap_or_else(|| PathBuf::from(".")),
        overwrite: Overwrite::Rename,
        patience: context.settings.config.timeout.get(),
        // Who has no account cannot be known again.
        come_again: context.settings.config.user.is_some(),
    };
    let happened = Arc::new(Mutex::new(VecDeque::new()));
    let kept = Arc::clone(&happened);
    let mark = move |what: &'static str, text: String| {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= HAPPENED {
            kept.pop_front();
        }
        kept.push_back(Happened { at: Timestamp::from(clock::wall()).to_string(), what: what.to_owned(), text });
    };
    let name = args.name.to_string();
    let actor = Actor::new(&name, participant, happenings, manner, mark, tasks);
    let (context, stop) = (context.clone(), context.leaving.child_token());
    let (muted, peer, waits) = (AtomicBool::new(false), Mutex::default(), Semaphore::new(WAITS));
    let limit = args.limit.and_then(Bandwidth::get);
    let agent = Agent { name, address: shown, actor, context, muted, peer, happened, waits, limit, stop };
    let ready = async {
        if registers {
            agent.register().await?;
        }
        match &args.call {
            Some(room) => agent.call(room, args.pin.given()?).await,
            None => Ok(()),
        }
    };
    match ready.await {
        Ok(()) => Ok(agent),
        Err(failure) => {
            // What else goes wrong while leaving adds nothing to why.
            let _ = agent.actor.leave().await;
            Err(failure)
        }
    }
}

/// Takes requests until one of them, or a signal, ends it.
async fn serve(agent: Agent, args: &StartArgs, listener: &UnixListener) -> Result<(), Failure> {
    if args.foreground {
        agent.context.output.result(&agent.stands().await)?;
    }
    let agent = Arc::new(agent);
    let turns = Arc::new(Semaphore::new(REQUESTS));
    // No more than REQUESTS and WAITS together.
    let mut requests = JoinSet::new();
    // Whoever has asked for the end waits until these are closed.
    let mut waiting = Vec::new();
    loop {
        tokio::select! {
            // The semaphore is never closed.
            (turn, connection) = async { (Arc::clone(&turns).acquire_owned().await, listener.accept().await) } => {
                if let (Ok(turn), Ok((stream, _))) = (turn, connection) {
                    let agent = Arc::clone(&agent);
                    requests.spawn(async move { agent.serve(stream, turn).await });
                }
            }
            Some(served) = requests.join_next() => waiting.extend(served.ok().flatten()),
            () = agent.stop.cancelled() => break,
        }
    }
    while let Some(served) = requests.join_next().await {
        waiting.extend(served.ok().flatten());
    }
    match Arc::into_inner(agent) {
        Some(agent) => agent.actor.leave().await.map(drop),
        None => Ok(()),
    }
}

/// Whoever asked has gone. What else he says is passed over.
async fn gone(stream: &mut UnixStream) {
    let mut more = [0; 64];
    while stream.read(&mut more).await.is_ok_and(|read| read > 0) {}
}

impl Agent {
    /// One request and its reply; the connection of whoever wants the end is given back.
    async fn serve(&self, mut stream: UnixStream, turn: OwnedSemaphorePermit) -> Option<UnixStream> {
        let mut line = String::new();
        let reading = async { BufReader::new(&mut stream).take(MAX_LINE).read_line(&mut line).await };
        timeout(SAID, reading).await.ok()?.ok()?;
        let reply = match serde_json::from_str::<Request>(&line) {
            Ok(Request::Stop) => {
                self.stop.cancel();
                return Some(stream);
            }
            Ok(request) => {
                // A transfer may take a day: others have their turn meanwhile, and nobody is waited for who has gone.
                let waits = request.waits();
                let _turn = if waits {
                    drop(turn);
                    None
                } else {
                    Some(turn)
                };
                let outcome = tokio::select! {
                    outcome = self.stop.run_until_cancelled(self.act(request)) => outcome,
                    () = gone(&mut stream), if waits => return None,
                };
                match outcome {
                    Some(outcome) => outcome.unwrap_or_else(Reply::from),
                    None => Failure::new(ExitCode::Declined, "the terminal was stopped").into(),
                }
            }
            Err(error) => Failure::usage(format!("the request is not understood: {error}")).into(),
        };
        let reply = serde_json::to_string(&reply).ok()?;
        // Whoever asked may be gone.
        let _ = stream.write_all(format!("{reply}\n").as_bytes()).await;
        None
    }

    async fn act(&self, request: Request) -> Result<Reply, Failure> {
        let patience = self.context.settings.config.timeout.get();
        match request {
            Request::Call { to, pin } => {
                let room: Room = to.parse().map_err(Failure::usage)?;
                let pin = pin.map(|pin| pin.parse()).transpose().or_fail(ExitCode::Usage, "read the PIN")?;
                self.call(&room, pin).await?;
            }
            Request::Answer => {
                let from = self.actor.log.len();
                self.actor.participant.answer().await;
                let up = |event: &TerminalEvent| matches!(event, TerminalEvent::Established { .. }).then_some(());
                if !self.actor.in_call() && self.actor.log.find(from, ANSWERED, up).await.is_none() {
                    return Err(Failure::new(ExitCode::NotFound, format!("nobody calls {}", self.name)));
                }
            }
            Request::Hangup => self.actor.hang_up(patience).await?,
            Request::Share { paths, info, to, wait } => {
                self.actor.is_in_call()?;
                let _wait = if wait { Some(self.waits()?) } else { None };
                let named = self.named(&paths, &to);
                let source = Source::from_paths(paths, SourceOptions::default()).await.map_err(|error| failure::of_source(&error))?;
                let uploader = Uploader::new(source).map_err(|error| failure::of_transfer("failed to share", &error, None))?;
                let opening = if info { Opening::Info } else { Opening::Reinvite };
                let options = ShareOptions { opening, recipients: to, batch: None };
                let wanted = ToShare { uploader, options, named, wait };
                let patience = if wait { TRANSFER } else { patience };
                let share = self.actor.ask(patience, |reply| Order::Share(Box::new(wanted), reply)).await?;
                return Ok(Reply::Shared(share.to_string()));
            }
            Request::Get { file, folder } => {
                self.actor.is_in_call()?;
                let _wait = self.waits()?;
                self.actor.ask(TRANSFER, |reply| Order::Download(file, folder, reply)).await?;
            }
            Request::Unshare { file } => {
                self.actor.is_in_call()?;
                self.actor.ask(patience, |reply| Order::End(file, reply)).await?;
            }
            Request::Dtmf { keys } => {
                self.actor.is_in_call()?;
                let keys: Digits = keys.parse().map_err(Failure::usage)?;
                self.actor.participant.press(keys.as_str(), Digits::PAUSE).await.or_fail(ExitCode::Failed, "press the keys")?;
            }
            Request::Mute { on } => {
                self.actor.participant.mute(on).or_fail(ExitCode::Failed, "mute the microphone")?;
                self.muted.store(on, Ordering::Relaxed);
            }
            Request::Message { to, text } => {
                let to: Callee = to.parse().map_err(Failure::usage)?;
                message::send(&self.context, &to, &text).await?;
            }
            Request::Status => return Ok(Reply::Stands(Box::new(self.stands().await))),
            Request::Stop => self.stop.cancel(),
        }
        Ok(Reply::Done)
    }

    /// Whoever waits for a transfer keeps one of the places for that.
    fn waits(&self) -> Result<SemaphorePermit<'_>, Failure> {
        self.waits.try_acquire().map_err(|_| {
            Failure::new(ExitCode::Conflict, format!("already waiting for {WAITS} transfers"))
                .hint(format!("confctl ua {} status shows how far they are", self.name))
        })
    }

    /// What a record is to say of an upload, so that `fshare resume` can go on with it.
    fn named(&self, paths: &[PathBuf], to: &[String]) -> Option<Named> {
        let user = self.context.settings.config.user.as_ref().map(ToString::to_string);
        let conference = self.peer()?;
        let named = Named::new(user, paths, false)?;
        Some(Named { conference, to: to.to_vec(), limit: self.limit, ..named })
    }

    /// Whom it has called, or who has called it.
    fn peer(&self) -> Option<String> {
        let called = || {
            self.actor.log.look(0, |all| {
                all.iter().rev().find_map(|event| match event {
                    TerminalEvent::Called { from } => Some(from.uri.to_string()),
                    _ => None,
                })
            })
        };
        self.peer.lock().unwrap_or_else(PoisonError::into_inner).clone().or_else(called)
    }

    async fn call(&self, room: &Room, pin: Option<Pin>) -> Result<(), Failure> {
        let patience = self.context.settings.config.timeout.get();
        let uri = match room {
            Room::Name(name) => dialog::server(&self.context).at(name.as_str()),
            Room::Uri(uri) => uri.clone().into(),
        };
        *self.peer.lock().unwrap_or_else(PoisonError::into_inner) = Some(uri.to_string());
        self.actor.call(Dial { uri, pin, offerless: false, without_audio: false }, patience).await
    }

    async fn register(&self) -> Result<(), Failure> {
        self.actor.participant.register(REGISTERED).await;
        let told = self.actor.log.find(0, self.context.settings.config.timeout.get(), |event| match event {
            TerminalEvent::Registered(_) => Some(Ok(())),
            TerminalEvent::RegistrationFailed(refusal) => Some(Err(Failure::from(refusal.clone()))),
            _ => None,
        });
        told.await.unwrap_or_else(|| Err(Failure::new(ExitCode::Unreachable, "the server does not answer")))
    }

    async fn stands(&self) -> Standing {
        let report = self.actor.participant.report().await.ok();
        let stats = report.as_ref().map(|report| &report.stats);
        let level = report.as_ref().and_then(|report| report.recent.level_dbfs);
        let shares = self.actor.ask(self.context.settings.config.timeout.get(), Order::Stand).await.unwrap_or_default();
        let happened = self.happened.lock().unwrap_or_else(PoisonError::into_inner);
        Standing {
            name: self.name.clone(),
            address: self.address.clone(),
            pid: std::process::id(),
            in_call: self.actor.in_call(),
            peer: self.peer(),
            muted: self.muted.load(Ordering::Relaxed),
            packets_received: stats.map_or(0, |stats| stats.packets_in),
            packets_sent: stats.map_or(0, |stats| stats.packets_out),
            packets_lost: stats.map_or(0, |stats| stats.lost),
            level_dbfs: level.map(|level| (f64::from(level) * 10.0).round() / 10.0),
            shares: shares.into_iter().map(ShareStanding::from).collect(),
            happened: happened.iter().cloned().collect(),
        }
    }
}
