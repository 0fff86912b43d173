//! `fshare send`.

use std::{path::PathBuf, sync::Arc};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use qrcode::{QrCode, render::unicode::Dense1x2};
use tokio::{sync::mpsc, time::interval};
use tokio_util::sync::CancellationToken;

use super::{
    RelayFlag, WayFlags, failure,
    show::{Bar, Carried, REDRAW},
    signed, to,
};
use crate::{
    channel::{
        Code,
        client::{self, ChannelError, Progress, Secret, SendEvent, Sending},
        code::WORDS,
        wire::{
            letter::{Content, Way},
            transfer::Applies,
        },
    },
    cli::{
        ExitCode, Failure,
        fshare::{share, show::at},
        settings::Context,
        values::Callee,
    },
    clock,
    config::Bandwidth,
    transfer::{SafePath, Source, SourceOptions},
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    fshare send slides.pdf photos/\n  \
    fshare send --text 'the meeting is at ten'\n  \
    tar c src | fshare send - --name src.tar\n  \
    fshare send --to bob minutes.pdf             bob, of the same server, runs: fshare recv --from alice\n  \
    fshare send backup.img --limit 20MiB/s --relay relay.example";

/// What to send.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Files and folders; - for standard input
    #[arg(value_name = "PATH", required_unless_present = "text", value_hint = clap::ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,

    /// Send this text; it is shown on the other side, and not kept
    #[arg(long, value_name = "TEXT", conflicts_with = "paths")]
    pub text: Option<String>,

    /// Offer it to this user of our server, who has to be signed in by fshare recv --from; there is no code then
    #[arg(long, value_name = "URI", conflicts_with_all = ["code", "words"])]
    pub to: Option<Callee>,

    /// Who applies to the relay for the channel
    #[arg(long, value_name = "WHO", requires = "to", default_value = "receiver", value_parser = applies())]
    pub applies: Applies,

    /// Show the words of both identities, and go on only when they are those that the other side shows
    #[arg(long, requires = "to")]
    pub verify: bool,

    /// Use this code, such as 7-crystal-window, instead of one that is drawn
    #[arg(long, value_name = "CODE", conflicts_with = "words")]
    pub code: Option<Code>,

    /// Show the code as a QR code as well
    #[arg(long)]
    pub qr: bool,

    /// Words of the code
    #[arg(long, value_name = "N", default_value_t = WORDS as u8, value_parser = clap::value_parser!(u8).range(2..=8))]
    pub words: u8,

    /// Connections that carry the bytes: more help on long ways that lose packets
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub streams: u8,

    /// Most bytes a second, such as 2MiB/s
    #[arg(long, value_name = "RATE", value_parser = share::rate)]
    pub limit: Option<Bandwidth>,

    /// Name of what comes from standard input
    #[arg(long, value_name = "NAME", default_value = "stdin")]
    pub name: String,

    /// Send what links point to, instead of the links
    #[arg(long)]
    pub follow_links: bool,

    /// Which relay
    #[command(flatten)]
    pub relay: RelayFlag,

    /// Which ways
    #[command(flatten)]
    pub ways: WayFlags,
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let (source, content) = match &args.text {
        Some(text) => (of_text(text)?, Content::Text),
        None => (share::source(&args.paths, &args.name, args.follow_links, &context.output).await?, Content::Files),
    };
    // What comes from a pipe is to arrive in order.
    let streams = if source.manifest().total().is_none() { 1 } else { args.streams };
    let secret = match &args.code {
        Some(code) => Secret::Chosen(code.clone()),
        None => Secret::Drawn { words: usize::from(args.words) },
    };
    let mut sending = Sending {
        source,
        content,
        relays: args.relay.relays(context)?,
        patience: context.settings.config.timeout.get(),
        secret,
        account: None,
        streams,
        rate: args.limit.and_then(Bandwidth::get),
        ways: args.ways.ways(),
    };
    if let Some(to) = &args.to {
        return to::run(args, to, sending, context).await;
    }
    let mut ended = carry(args, &sending, context, &context.leaving).await?;
    if let Err(ChannelError::Relay(refused)) = &ended
        && signed::is_unknown(refused)
        && context.settings.config.user.is_some()
    {
        sending.account = Some(Arc::new(signed::Account::new(context).await?));
        ended = carry(args, &sending, context, &context.leaving).await?;
    }
    concluded(ended)
}

/// What it means how it ended.
pub fn concluded(ended: Result<(), ChannelError>) -> Result<(), Failure> {
    ended.map_err(|error| match error {
        ChannelError::Stopped => Failure::silent(ExitCode::Interrupted),
        error => failure::of("failed to send", &error),
    })
}

/// Sends, and shows how it goes; the inner result is that of the transfer.
///
/// # Errors
/// Standard output cannot be written to.
pub async fn carry(
    args: &Args,
    sending: &Sending,
    context: &Context,
    stop: &CancellationToken,
) -> Result<Result<(), ChannelError>, Failure> {
    let manifest = sending.source.manifest();
    let (files, total) = (manifest.files().len() as u64, manifest.total());
    let (give, mut events) = mpsc::channel(16);
    let progress = Progress::default();
    let what = manifest.entries().first().map_or_else(String::new, |entry| entry.path.as_str().to_owned());
    let output = &context.output;
    let (mut bar, mut began, mut limited, mut source) = (None::<Bar>, clock::now(), false, Way::Relay);
    let mut redraw = interval(REDRAW);
    let mut sent = std::pin::pin!(client::send(sending, &give, &progress, stop));
    let ended = loop {
        tokio::select! {
            ended = &mut sent => break ended,
            Some(event) = events.recv() => match event {
                SendEvent::Code(code) => {
                    let code = code.as_str().to_owned();
                    let qr = args.qr.then(|| qr(&code));
                    output.event(&Carried::Code { at: at(), code, files, bytes: total, qr })?;
                }
                SendEvent::Offered => output.note("the receiver is there, and decides"),
                SendEvent::Begun { from, way } => {
                    (began, source) = (clock::now(), way);
                    output.event(&Carried::Begun { at: at(), from, source: way.as_str() })?;
                    bar = Some(Bar::new(output, &what, from, total, way));
                }
                SendEvent::Pace(waiting) => limited = waiting.as_millis() >= 500,
            },
            _ = redraw.tick() => if let Some(bar) = &mut bar {
                bar.show(output, progress.sent(), limited)?;
            },
        }
    };
    drop(bar);
    let sent = match ended {
        Ok(sent) => sent,
        Err(error) => return Ok(Err(error)),
    };
    let seconds = clock::now().saturating_duration_since(began).as_secs_f64();
    output.event(&Carried::Sent { at: at(), bytes: sent.end, files, seconds, source: source.as_str() })?;
    Ok(Ok(()))
}

/// Which side applies; shells complete it.
fn applies() -> impl TypedValueParser<Value = Applies> {
    PossibleValuesParser::new([Applies::Receiver, Applies::Sender].map(Applies::as_str))
        .try_map(|text| Applies::from_word(&text).ok_or("expected receiver or sender"))
}

fn of_text(text: &str) -> Result<Source, Failure> {
    let name = SafePath::new("text").map_err(|why| Failure::usage(why.to_string()))?;
    let bytes = std::io::Cursor::new(text.as_bytes().to_vec());
    Source::from_stream(name, Box::new(bytes), SourceOptions::default()).map_err(|error| Failure::usage(error.to_string()))
}

/// A text as a QR code of half blocks, for light letters on a dark ground; cameras take the other as well. A code is far shorter than what fits.
fn qr(text: &str) -> String {
    let Ok(code) = QrCode::new(text.as_bytes()) else { return String::new() };
    code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_fits_into_half_of_a_small_terminal() {
        let shown = qr("7-crystal-window");
        let (rows, columns) = (shown.lines().count(), shown.lines().map(|line| line.chars().count()).max().unwrap_or_default());
        assert!((10..=20).contains(&rows) && columns <= 40, "{columns} x {rows}");
        assert!(shown.chars().all(|char| matches!(char, ' ' | '\n' | '\u{2580}' | '\u{2584}' | '\u{2588}')), "{shown}");
    }
}
