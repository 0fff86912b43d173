//! `confctl join`: a terminal of ours, with audio.

use std::{path::PathBuf, pin::pin, time::Duration};

use tokio::time::timeout;

use crate::{
    cli::{
        ExitCode, Failure, OrFail as _, audio,
        confctl::{
            dialog,
            events::{Attended, Side},
            picture,
        },
        output::Progress,
        secret::PinFile,
        settings::Context,
        values::{self, Digits, Microphone, Room},
    },
    clock,
    conference::client::{
        ClientTransports, Dial, Happenings, Identity, Participant, ParticipantConfig, Session, TerminalEvent, TerminalHost, Watch,
        WatchCommand, WatchEvent,
    },
    id::ConferenceName,
    media::Codec,
    sip::{
        endpoint::EndpointConfig,
        message::{Host, SipUri},
    },
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl join standup --mic talk.wav --record heard.wav\n  \
    confctl join standup --mic tone:440 --for 10s --stats --json\n  \
    confctl join sip:standup@conf.example.com --as alice --dtmf ',1234#'";

/// How to take part.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Conference: its name, or a URI
    #[arg(value_name = "NAME|URI")]
    pub room: Room,

    /// What to say: a WAV file, a tone of HZ hertz, or silence
    #[arg(long, value_name = "FILE.wav|tone:HZ|silence", default_value = "silence")]
    pub mic: Microphone,

    /// Record what is heard (16-bit WAV)
    #[arg(long, value_name = "FILE.wav", value_hint = clap::ValueHint::FilePath)]
    pub record: Option<PathBuf>,

    /// Leave after this time
    #[arg(long = "for", value_name = "DURATION", value_parser = values::duration)]
    pub length: Option<Duration>,

    /// Keys to press once in: 0-9 * # A-D, a comma for a pause of a second
    #[arg(long, value_name = "KEYS")]
    pub dtmf: Option<Digits>,

    /// Say what was heard: packets, loss, jitter, level, strongest frequencies
    #[arg(long)]
    pub stats: bool,

    /// Name that others see
    #[arg(long, value_name = "TEXT")]
    pub display_name: Option<String>,

    /// Codecs to offer, best first: PCMU, PCMA
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = values::codec)]
    pub codecs: Vec<Codec>,

    /// The PIN to enter with
    #[command(flatten)]
    pub pin: PinFile,
}

/// How long BYE and what else is said at the end may take.
const PARTING: Duration = Duration::from_secs(2);
/// How often the line on a terminal is drawn anew.
const REDRAW: Duration = Duration::from_millis(500);

/// Runs it.
///
/// # Errors
/// With the exit code that says why: refused (3 to 6), not reached (7), or the other side ended the call (6).
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let home = context;
    let context = &aimed(context, &args.room);
    let server = dialog::server(context);
    let uri = match &args.room {
        Room::Name(name) => server.at(name.as_str()),
        Room::Uri(uri) => uri.clone().into(),
    };
    let pin = args.pin.given()?;
    let microphone = audio::microphone(&args.mic)?;
    let host = TerminalHost::start().or_fail(ExitCode::Failed, "start the audio")?;
    let transports = dialog::transports(context).await?;
    let identity = identity(args, home, &transports).await?;
    let config = ParticipantConfig {
        identity: identity.clone(),
        server,
        codecs: if args.codecs.is_empty() { Codec::ALL.to_vec() } else { args.codecs.clone() },
        microphone,
        record: args.record.clone(),
        answer: false,
        ring: Duration::ZERO,
    };
    let (participant, mut happenings) = Participant::open(&host, transports, config).or_fail(ExitCode::Failed, "open the audio")?;
    context.output.event(&Attended::Calling { at: clock::wall().into(), uri: uri.to_string() })?;
    participant.dial(Dial { uri: uri.clone(), pin, offerless: false }).await;

    let dialled = enter(&participant, &mut happenings, context, &uri.to_string()).await;
    let began = clock::now();
    let ended = match dialled {
        Ok(focus) => {
            let line = Line::new(args, context, identity, focus).await;
            stay(args, context, &participant, &mut happenings, line).await
        }
        Err(failure) => {
            // What else goes wrong while leaving adds nothing to why.
            let _ = participant.leave(happenings, PARTING, |_| {}).await;
            return Err(failure);
        }
    };
    let seconds = clock::now().saturating_duration_since(began).as_secs_f64();
    let report = participant.leave(happenings, PARTING, |_| {}).await.or_fail(ExitCode::Failed, "end the audio")?;
    let End { by, reason } = ended?;
    let stats = args.stats.then(|| audio::heard(&report, seconds));
    context.output.event(&Attended::Left { at: clock::wall().into(), by, reason, stats })?;
    match by {
        Side::Us => Ok(()),
        // It has just been said.
        Side::Them => Err(Failure::silent(ExitCode::Declined)),
    }
}

/// How the call ended.
struct End {
    by: Side,
    reason: Option<String>,
}

/// A URI names its own server.
fn aimed(context: &Context, room: &Room) -> Context {
    let mut context = context.clone();
    if let Room::Uri(uri) = room {
        context.settings.server = SipUri { user: None, password: None, headers: None, ..uri.clone() };
    }
    context
}

/// The account to act as, else a guest; under the name that was asked for. The password answers nobody but the account's own server.
async fn identity(args: &Args, home: &Context, transports: &ClientTransports) -> Result<Identity, Failure> {
    let display = args.display_name.as_deref();
    let ClientTransports { local, .. } = transports;
    let asks_home = match &args.room {
        Room::Name(_) => true,
        Room::Uri(uri) => dialog::server(home).is_host_of(uri),
    };
    Ok(match dialog::account_if_any(home).await? {
        Some(Identity { address, credentials }) => Identity {
            address: display.map_or_else(|| address.clone(), |name| address.clone().named(name)),
            credentials: credentials.filter(|_| asks_home),
        },
        None => Identity::guest(display, Host::Ip(local.ip()), Some(local.port())),
    })
}

/// Waits to be let in; whether the other side is a conference.
async fn enter(participant: &Participant, happenings: &mut Happenings, context: &Context, uri: &str) -> Result<bool, Failure> {
    let spinner = context.output.spinner(&format!("calling {uri}"));
    let patience = context.settings.config.timeout.get();
    let answer = async {
        loop {
            match happenings.next().await {
                Some(TerminalEvent::Established { focus, audio }) => return Ok((focus, audio)),
                Some(TerminalEvent::Refused(refusal)) => return Err(refusal.failure().into()),
                Some(TerminalEvent::Ended { reason, .. }) => {
                    let why = reason.and_then(|reason| reason.text).unwrap_or_else(|| "without a reason".to_owned());
                    return Err(Failure::new(ExitCode::Declined, format!("the other side ended the call: {why}")));
                }
                Some(TerminalEvent::Ringing) => spinner.says(&format!("ringing at {uri}")),
                Some(_) => {}
                None => return Err(Failure::new(ExitCode::Failed, "the call is over before it began")),
            }
        }
    };
    let (focus, agreed) = tokio::select! {
        answer = timeout(patience, answer) => match answer {
            Ok(answer) => answer?,
            Err(_) => {
                participant.hang_up().await;
                let waited = humantime::format_duration(patience);
                return Err(Failure::new(ExitCode::Unreachable, format!("{uri} did not answer in {waited}"))
                    .hint("is relayd running there? name the server with --server, wait longer with --timeout"));
            }
        },
        () = context.leaving.cancelled() => {
            participant.hang_up().await;
            return Err(Failure::silent(ExitCode::Interrupted));
        }
    };
    let codec = agreed.map_or_else(|| "none".to_owned(), |stream| stream.send.name);
    context.output.event(&Attended::Joined { at: clock::wall().into(), uri: uri.to_owned(), conference: focus, codec })?;
    Ok(focus)
}

/// Takes part until somebody ends it, the time is up, or the user wants to leave.
async fn stay(
    args: &Args,
    context: &Context,
    participant: &Participant,
    happenings: &mut Happenings,
    mut line: Line,
) -> Result<End, Failure> {
    let output = &context.output;
    let us = || Ok(End { by: Side::Us, reason: None });
    let pressing = async {
        match &args.dtmf {
            Some(keys) => participant.press(keys.as_str(), Digits::PAUSE).await,
            None => Ok(()),
        }
    };
    let mut pressing = pin!(pressing);
    let mut pressed = false;
    let mut over = pin!(after(args.length));
    let mut redraw = tokio::time::interval(REDRAW);
    let ended = loop {
        tokio::select! {
            event = happenings.next() => match event {
                Some(TerminalEvent::Message { from, text }) => {
                    output.event(&Attended::Message { at: clock::wall().into(), from: from.to_string(), text })?;
                }
                Some(TerminalEvent::Ended { reason, .. }) => {
                    break Ok(End { by: Side::Them, reason: reason.map(|reason| reason.text.clone().unwrap_or_else(|| reason.to_string())) });
                }
                Some(_) => {}
                None => break Ok(End { by: Side::Them, reason: None }),
            },
            keys = &mut pressing, if !pressed => {
                keys.or_fail(ExitCode::Failed, "press the keys")?;
                pressed = true;
            }
            () = &mut over => break us(),
            () = context.leaving.cancelled() => break us(),
            _ = redraw.tick(), if line.is_seen() => line.draw(participant).await,
            () = line.follow() => {}
        }
    };
    line.close().await;
    ended
}

async fn after(length: Option<Duration>) {
    match length {
        Some(length) => tokio::time::sleep(length).await,
        None => std::future::pending().await,
    }
}

/// The one line that a terminal shows: the room, how loud it is, who talks.
struct Line {
    progress: Progress,
    room: String,
    /// Only where somebody sees it.
    watch: Option<Session<Watch>>,
    talkers: Vec<String>,
    seen: bool,
}

impl Line {
    async fn new(args: &Args, context: &Context, identity: Identity, focus: bool) -> Self {
        let room = args.room.to_string();
        let seen = context.output.is_lively();
        let watch = match &args.room {
            Room::Name(name) if seen && focus => watch(context, &identity, name).await.ok(),
            Room::Name(_) | Room::Uri(_) => None,
        };
        Self { progress: context.output.spinner(&room), room, watch, talkers: Vec::new(), seen }
    }

    fn is_seen(&self) -> bool {
        self.seen
    }

    /// Learns who talks; waits for ever where nobody tells.
    async fn follow(&mut self) {
        let told = match &mut self.watch {
            Some(session) => session.next().await,
            None => std::future::pending().await,
        };
        match told {
            Some(WatchEvent::News { picture, .. }) => {
                let talking = picture::roster(&picture).into_values().filter(|participant| participant.talking);
                self.talkers = talking.map(|p| p.name.or(p.user).unwrap_or(p.uri)).collect();
            }
            // Without who talks the line still tells the rest.
            Some(WatchEvent::Gone | WatchEvent::Failed(_) | WatchEvent::Ended) | None => self.watch = None,
        }
    }

    async fn draw(&self, participant: &Participant) {
        let Ok(report) = participant.report().await else { return };
        let level = report.recent.level_dbfs.map_or_else(|| "silence".to_owned(), |level| format!("{level:.0} dBFS"));
        let talkers = if self.talkers.is_empty() { String::new() } else { format!(", talking: {}", self.talkers.join(", ")) };
        self.progress.says(&format!("{}: hearing {level}{talkers}", self.room));
    }

    async fn close(self) {
        if let Some(mut session) = self.watch {
            session.tell(WatchCommand::Leave).await;
            let _ = timeout(PARTING, async { while session.next().await.is_some() {} }).await;
        }
    }
}

async fn watch(context: &Context, identity: &Identity, name: &ConferenceName) -> Result<Session<Watch>, Failure> {
    let transports = dialog::transports(context).await?;
    let endpoint = transports.endpoint(EndpointConfig::default());
    Ok(transports.run(Watch::new(clock::now(), endpoint, identity, &dialog::server(context), name)))
}
