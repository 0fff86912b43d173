//! `confctl join`: a terminal of ours, with audio and files.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | the call, from its INVITE to its BYE |
//! | `files.rs` | what is shared and received in it |
//! | `line.rs` | the line that a terminal shows meanwhile |

mod files;
mod line;

use std::{
    path::PathBuf,
    pin::pin,
    time::{Duration, Instant},
};

use tokio::time::timeout;

use crate::{
    cli::{
        ExitCode, Failure, OrFail as _, audio,
        confctl::{
            dialog,
            events::{Attended, Side},
            refused::SILENT,
        },
        fshare::bar::REDRAW as REDRAW_BARS,
        output::Output,
        secret::PinFile,
        settings::Context,
        values::{self, Digits, Microphone, Room},
    },
    clock,
    conference::{
        client::{self, ClientTransports, Dial, Identity, ParticipantConfig, Parting, TerminalEvent, TerminalHost, media::MediaError},
        policy::TOO_MANY_WRONG,
    },
    fileshare::terminal::{SharingEvent, SharingTerminal},
    media::Codec,
    sdp::AudioStream,
    sip::{
        endpoint::Reason,
        message::{Host, SipUri},
    },
};

use files::{FileArgs, Files};
use line::Line;

/// A participant that shares and receives in its call's own dialog.
type Participant = client::Participant<SharingTerminal>;
/// What happens to it.
type Happenings = client::Happenings<SharingTerminal>;

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl join standup --mic talk.wav --record heard.wav\n  \
    confctl join standup --mic tone:440 --for 10s --stats --json\n  \
    confctl join standup --share slides.pdf notes/\n  \
    confctl join standup --download received --on-file 'clamscan \"$1\"'\n  \
    confctl join sip:standup@conf.example.com --as alice --dtmf ',1234#'";

/// How to take part.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Conference: its name, or a URI
    #[arg(value_name = "NAME|URI")]
    pub room: Room,

    /// What the microphone picks up: a WAV file, a tone of HZ hertz, or silence
    #[arg(long, value_name = "FILE.wav|tone:HZ|silence", default_value = "silence", value_hint = clap::ValueHint::FilePath)]
    pub mic: Microphone,

    /// Record what is heard (16-bit WAV)
    #[arg(long, value_name = "FILE.wav", value_hint = clap::ValueHint::FilePath)]
    pub record: Option<PathBuf>,

    /// Leave after this time
    #[arg(long = "for", value_name = "DURATION", value_parser = values::duration)]
    pub length: Option<Duration>,

    /// Keys to press after joining: 0-9 * # A-D, a comma for a pause of a second
    #[arg(long, value_name = "KEYS")]
    pub dtmf: Option<Digits>,

    /// Report what was heard: packets, loss, jitter, level, strongest frequencies
    #[arg(long)]
    pub stats: bool,

    /// Name that others see
    #[arg(long, value_name = "TEXT")]
    pub display_name: Option<String>,

    /// Codecs to offer, best first: PCMU, PCMA
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = values::codec(), ignore_case = true, hide_possible_values = true)]
    pub codecs: Vec<Codec>,

    /// Files
    #[command(flatten)]
    pub files: FileArgs,

    /// The PIN to enter with
    #[command(flatten)]
    pub pin: PinFile,
}

/// How long BYE and what else is said at the end may take.
const PARTING: Duration = Duration::from_secs(2);
/// A conference sends all the time: when nothing has come for so long, it is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(5);
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// What to do where a PIN is wanted.
const PIN_HINT: &str = "type the PIN with --dtmf, use --pin-file, or set CONFKIT_PIN";
/// How often is looked whether the conference is heard, so that what is to be shared can be.
const SETTLE: Duration = Duration::from_millis(50);
/// How long a conference may keep silent before that is shared all the same.
const SETTLED: Duration = Duration::from_secs(1);
/// How often the line on a terminal is drawn anew.
const REDRAW: Duration = Duration::from_millis(500);

/// Runs it.
///
/// # Errors
/// With the exit code that says why: refused (3 to 6), not reached (7), the other side ended the call (6), or what became of files.
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
    let shared = args.files.shared(home).await?;
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
    let local = transports.local.ip();
    let (participant, mut happenings) = Participant::open_as(&host, transports, config, SharingTerminal::new).map_err(no_audio)?;
    let mut files = Files::new(&args.files, shared, participant.commands(), local, &uri.to_string(), home);
    tell(&context.output, &Attended::Calling { at: clock::wall().into(), uri: uri.to_string() })?;
    participant.dial(Dial { uri: uri.clone(), pin, offerless: false, without_audio: false }).await;

    let dialled = enter(&participant, &mut happenings, context, &uri.to_string()).await;
    let began = clock::now();
    let ended = match dialled {
        Ok(entered) => {
            let line = Line::new(args, context, identity, entered.focus).await;
            stay(args, context, &participant, &mut happenings, &mut files, entered, line).await
        }
        Err(failure) => {
            // What else goes wrong while leaving adds nothing to why.
            let _ = participant.leave(happenings, PARTING, |_| {}).await;
            return Err(failure);
        }
    };
    let seconds = clock::now().saturating_duration_since(began).as_secs_f64();
    // Where the other side has ended the call, there is nobody to ask.
    let is_up = ended.as_ref().is_ok_and(|end| matches!(end.by, Side::Us));
    let stopped = files.stop(is_up.then_some(&mut happenings)).await;
    let Parting { report, answered } = participant.leave(happenings, PARTING, |_| {}).await.or_fail(ExitCode::Failed, "end the audio")?;
    let End { by, reason, failure } = ended?;
    stopped?;
    let stats = args.stats.then(|| audio::heard(&report, seconds));
    tell(&context.output, &Attended::Left { at: clock::wall().into(), by, reason, stats })?;
    let of_files = files.close(&context.leaving).await;
    match (failure, of_files) {
        // That the call has ended has just been said; what can be gone on with has a code of its own.
        (Some(failure), of_files) => {
            let says = |of_files: &Failure| failure.message.is_empty() || of_files.code == ExitCode::Resumable;
            Err(of_files.filter(says).unwrap_or(failure))
        }
        (None, Some(of_files)) => Err(of_files),
        (None, None) if answered => Ok(()),
        (None, None) => Err(Failure::new(ExitCode::Unreachable, format!("{uri} did not answer when we left: it may be gone")).hint(SILENT)),
    }
}

/// Tells what happens. With `-q` people want to hear what they have asked for and nothing else.
fn tell(output: &Output, event: &Attended) -> Result<(), Failure> {
    match event {
        _ if output.is_json() || !output.is_quiet() => output.event(event),
        Attended::Left { stats: Some(stats), .. } => output.result(stats),
        _ => Ok(()),
    }
}

fn no_audio(error: MediaError) -> Failure {
    match error {
        MediaError::File { path, source } => Failure::unwritable("--record", &path, &source),
        error => Failure::new(ExitCode::Failed, format!("failed to open the audio: {error}")),
    }
}

/// How the call ended.
struct End {
    by: Side,
    reason: Option<String>,
    /// Why that is not what was wanted.
    failure: Option<Failure>,
}

impl End {
    /// We leave: as was wanted, unless we have not been let in.
    fn by_us(entered: &Entered) -> Self {
        let outside = || Failure::new(ExitCode::Denied, "left without being let in: the conference requires a PIN").hint(PIN_HINT);
        Self { by: Side::Us, reason: None, failure: entered.waits.then(outside) }
    }

    /// The other side ended it, or is gone.
    fn by_them(entered: &Entered, lost: bool, reason: Option<&Reason>) -> Self {
        let text = reason.map(|reason| reason.text.clone().unwrap_or_else(|| reason.to_string()));
        let said = text.clone().unwrap_or_else(|| "without a reason".to_owned());
        let guessed = reason.is_some_and(|reason| reason.cause == Some(403)) || said.starts_with(TOO_MANY_WRONG);
        let failure = if lost {
            Failure::new(ExitCode::Unreachable, format!("{} no longer answers: {said}", entered.uri)).hint(SILENT)
        } else if entered.waits && guessed {
            Failure::new(ExitCode::Denied, format!("the conference did not let us in: {said}")).hint(PIN_HINT)
        } else {
            // It has just been said.
            Failure::silent(ExitCode::Declined)
        };
        Self { by: Side::Them, reason: text, failure: Some(failure) }
    }
}

/// A call that was answered.
struct Entered {
    uri: String,
    /// The other side is a conference.
    focus: bool,
    /// Its codec.
    codec: String,
    /// The other side sends us audio.
    hears: bool,
    /// The conference wants a PIN before it lets us in.
    waits: bool,
}

impl Entered {
    /// We are in.
    fn joined(&self) -> Attended {
        Attended::Joined { at: clock::wall().into(), uri: self.uri.clone(), conference: self.focus, codec: self.codec.clone() }
    }
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

/// Waits for the answer to our call.
async fn enter(participant: &Participant, happenings: &mut Happenings, context: &Context, uri: &str) -> Result<Entered, Failure> {
    let spinner = context.output.spinner(&format!("calling {uri}"));
    let patience = context.settings.config.timeout.get();
    let answer = async {
        loop {
            let Some(event) = happenings.next().await else {
                return Err(Failure::new(ExitCode::Failed, "the call ended before it began"));
            };
            match event {
                SharingEvent::Terminal(TerminalEvent::Established { focus, audio, pin_wanted }) => return Ok((focus, audio, pin_wanted)),
                SharingEvent::Terminal(TerminalEvent::Refused(refusal)) => return Err(refusal.into()),
                SharingEvent::Terminal(TerminalEvent::Ended { reason, .. }) => {
                    let why = reason.and_then(|reason| reason.text).unwrap_or_else(|| "without a reason".to_owned());
                    return Err(Failure::new(ExitCode::Declined, format!("the other side ended the call: {why}")));
                }
                SharingEvent::Terminal(TerminalEvent::Ringing) => spinner.says(&format!("ringing at {uri}")),
                _ => {}
            }
        }
    };
    let (focus, agreed, waits) = tokio::select! {
        answer = timeout(patience, answer) => match answer {
            Ok(answer) => answer?,
            Err(_) => {
                participant.hang_up().await;
                let waited = humantime::format_duration(patience);
                return Err(Failure::new(ExitCode::Unreachable, format!("{uri} did not answer in {waited}"))
                    .hint(SILENT));
            }
        },
        () = context.leaving.cancelled() => {
            participant.hang_up().await;
            return Err(Failure::silent(ExitCode::Interrupted));
        }
    };
    let hears = hears(agreed.as_ref());
    let codec = agreed.map_or_else(|| "none".to_owned(), |stream| stream.send.name);
    let entered = Entered { uri: uri.to_owned(), focus, codec, hears, waits };
    if waits {
        tell(&context.output, &Attended::PinWanted { at: clock::wall().into(), uri: uri.to_owned() })?;
    } else {
        tell(&context.output, &entered.joined())?;
    }
    Ok(entered)
}

/// Whether the other side sends what was agreed.
fn hears(agreed: Option<&AudioStream>) -> bool {
    agreed.is_some_and(|stream| stream.direction.receives())
}

/// Looks whether anything comes from a side that should send.
struct Silence {
    packets: u64,
    since: Instant,
    times: u32,
}

impl Silence {
    fn new(now: Instant) -> Self {
        Self { packets: 0, since: now, times: 0 }
    }

    /// How many times [`SILENCE`] it has been silent, each time that it comes to be one more.
    fn look(&mut self, now: Instant, packets: u64) -> Option<u32> {
        if packets != self.packets {
            *self = Self { packets, ..Self::new(now) };
            return None;
        }
        let more = now.saturating_duration_since(self.since) >= SILENCE * (self.times + 1);
        self.times += u32::from(more);
        more.then_some(self.times)
    }
}

/// Takes part until somebody ends it, the time is up, or the user wants to leave.
async fn stay(
    args: &Args,
    context: &Context,
    participant: &Participant,
    happenings: &mut Happenings,
    files: &mut Files,
    mut entered: Entered,
    mut line: Line,
) -> Result<End, Failure> {
    let output = &context.output;
    let mut silence = Silence::new(clock::now());
    let mut look = tokio::time::interval(LOOK);
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
    let mut redraw_bars = tokio::time::interval(REDRAW_BARS);
    let mut settle = tokio::time::interval(SETTLE);
    let settled = clock::now() + SETTLED;
    let ended = loop {
        tokio::select! {
            event = happenings.next() => match event {
                Some(SharingEvent::Terminal(event)) => match event {
                TerminalEvent::Message { from, text } => {
                    tell(output, &Attended::Message { at: clock::wall().into(), from: from.to_string(), text })?;
                }
                TerminalEvent::Admitted => {
                    entered.waits = false;
                    silence = Silence::new(clock::now());
                    tell(output, &entered.joined())?;
                }
                TerminalEvent::Changed { audio } => {
                    entered.hears = hears(audio.as_ref());
                    silence = Silence::new(clock::now());
                }
                TerminalEvent::Ended { lost, reason, .. } => {
                    files.call_ended(reason.as_ref());
                    break Ok(End::by_them(&entered, lost, reason.as_ref()));
                }
                _ => {}
                },
                Some(event) => files.hear(event).await?,
                None => break Ok(End::by_them(&entered, false, None)),
            },
            event = files.next() => files.became(event).await?,
            keys = &mut pressing, if !pressed => {
                keys.or_fail(ExitCode::Failed, "press the keys")?;
                pressed = true;
            }
            () = &mut over => break Ok(End::by_us(&entered)),
            () = context.leaving.cancelled() => break Ok(End { by: Side::Us, reason: None, failure: None }),
            _ = look.tick(), if entered.focus && entered.hears && !entered.waits => {
                let Ok(report) = participant.report().await else { continue };
                if let Some(times) = silence.look(clock::now(), report.stats.packets_in) {
                    if times == 1 {
                        output.warn(format_args!("nothing received from {} for {} s", entered.uri, SILENCE.as_secs()));
                    }
                    participant.ask().await;
                }
            }
            // What is offered while the call is still being put through has to be offered again.
            _ = settle.tick(), if files.waits() && !entered.waits => {
                let heard = participant.report().await.is_ok_and(|report| report.stats.packets_in > 0);
                if heard || !entered.hears || clock::now() >= settled {
                    files.begin().await;
                }
            }
            _ = redraw_bars.tick(), if files.is_moving() => files.draw()?,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn entered(waits: bool) -> Entered {
        Entered { uri: "sip:board@192.0.2.1".into(), focus: true, codec: "PCMU".into(), hears: true, waits }
    }

    #[test]
    fn silence_is_told_each_time_it_has_lasted_as_long_again() {
        let now = clock::now();
        let mut silence = Silence::new(now);
        assert_eq!(silence.look(now + SILENCE / 2, 0), None);
        assert_eq!(silence.look(now + SILENCE, 0), Some(1));
        assert_eq!(silence.look(now + SILENCE + LOOK, 0), None);
        assert_eq!(silence.look(now + SILENCE * 2, 0), Some(2));
        assert_eq!(silence.look(now + SILENCE * 3, 1), None, "a packet came");
        assert_eq!(silence.look(now + SILENCE * 4, 1), Some(1));
    }

    #[test]
    fn how_a_call_ends_says_how_the_program_does() {
        let code = |end: End| end.failure.map(|failure| failure.code);
        assert_eq!(code(End::by_us(&entered(false))), None);
        assert_eq!(code(End::by_us(&entered(true))), Some(ExitCode::Denied), "it never came in");
        let wrong = Reason::sip(403, "no PIN was typed");
        assert_eq!(code(End::by_them(&entered(true), false, Some(&wrong))), Some(ExitCode::Denied));
        assert_eq!(code(End::by_them(&entered(false), false, Some(&wrong))), Some(ExitCode::Declined));
        assert_eq!(code(End::by_them(&entered(false), true, None)), Some(ExitCode::Unreachable));
    }
}
