//! `fshare send`.

use std::{
    io::{self, IsTerminal as _, Read as _},
    num::NonZeroU8,
    path::PathBuf,
};

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::{PatienceFlag, RelayFlag, WayFlags, carry::Carrying, decide::MAX_TEXT, kept::Named, signed, to};
use crate::{
    channel::{
        Code,
        client::{Secret, Sending},
        code::WORDS,
        wire::{letter::Content, request::MAX_RECEIVERS, transfer::Applies},
    },
    cli::{
        ExitCode, Failure, OrFail as _,
        fshare::{receive::on_disk, share},
        settings::Context,
        values::Callee,
    },
    config::Bandwidth,
    transfer::{Policy, SafePath, Source, SourceOptions},
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    fshare send slides.pdf photos/\n  \
    fshare send --text 'the meeting is at ten'\n  \
    git diff | fshare send --text -\n  \
    tar c src | fshare send - --name src.tar\n  \
    fshare send slides.pdf --receivers 3\n  \
    fshare send --to bob minutes.pdf             bob, on the same server, runs: fshare recv --from alice\n  \
    fshare send backup.img --limit 20MiB/s --relay relay.example\n  \
    fshare send logs/ --compress always          even if the link is fast enough without";

/// What to send.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Files and folders; - for standard input
    #[arg(value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,

    /// Send this text, which is shown on the other side and not saved; - for what is on standard input
    #[arg(long, value_name = "TEXT", conflicts_with = "paths")]
    pub text: Option<String>,

    /// Offer it to this user of your server instead of by a code; the user runs fshare recv --from
    #[arg(long, value_name = "URI", conflicts_with_all = ["code", "words"])]
    pub to: Option<Callee>,

    /// Which side asks the relay for the channel
    #[arg(long, value_name = "WHO", requires = "to", default_value = "receiver", value_parser = applies())]
    pub applies: Applies,

    /// Show both identities as words, and continue only after you confirm that the other side shows the same
    #[arg(long, requires = "to")]
    pub verify: bool,

    /// Use this code, such as 7-crystal-window, instead of a random one
    #[arg(long, value_name = "CODE", conflicts_with = "words")]
    pub code: Option<Code>,

    /// Also show the code as a QR code
    #[arg(long)]
    pub qr: bool,

    /// Number of words in the code
    #[arg(long, value_name = "N", default_value_t = WORDS as u8, value_parser = clap::value_parser!(u8).range(2..=8))]
    pub words: u8,

    /// Number of receivers that use the same code; sending starts once all of them have joined
    #[arg(long, value_name = "N", default_value = "1", value_parser = receivers)]
    pub receivers: NonZeroU8,

    /// Data connections to use; several help on long, lossy links
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub streams: u8,

    /// Send at most this many bytes a second, such as 2MiB/s; a receiver that reconnects separately gets this limit of its own
    #[arg(long, value_name = "RATE", value_parser = share::rate)]
    pub limit: Option<Bandwidth>,

    /// Which chunks to compress: those where it saves time (auto), all that get smaller (always), or none (never)
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = compress())]
    pub compress: Policy,

    /// Name for what is read from standard input [default: stdin]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Send what symbolic links point to, instead of the links
    #[arg(long)]
    pub follow_links: bool,

    /// Send extended attributes (user.*) with files and folders; the receiver needs --xattrs as well
    #[arg(long, conflicts_with = "text")]
    pub xattrs: bool,

    /// After a break
    #[command(flatten)]
    pub patience: PatienceFlag,

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
    let (sending, named) = sending(args, context).await?;
    if let Some(to) = &args.to {
        return to::run(args, to, sending, named, context).await;
    }
    Carrying::new(context, named, None).showing(args.qr).run(sending).await
}

/// What is to be sent, and how; and what a record of it would say, where the same can be read again.
///
/// # Errors
/// It cannot be read, or a flag is none.
pub async fn sending(args: &Args, context: &Context) -> Result<(Sending, Option<Named>), Failure> {
    let name = share::name_of_input(args.name.as_deref(), &args.paths)?;
    let (source, content) = match args.text.as_deref() {
        Some("-") => (of_text(read_text(context).await?)?, Content::Text),
        Some(text) => (of_text(text.to_owned())?, Content::Text),
        None if args.paths.is_empty() => return Err(nothing()),
        None => {
            let options = SourceOptions { follow_links: args.follow_links, xattrs: args.xattrs, ..SourceOptions::default() };
            (share::source(&args.paths, name, options, &context.output).await?, Content::Files)
        }
    };
    if args.receivers.get() > 1 && args.ways.direct_only {
        return Err(Failure::usage("several receivers get the bytes through the relay, which --direct-only rules out")
            .hint("send to each of them with a code of its own, or leave --direct-only out"));
    }
    // What comes from a pipe is to arrive in order.
    let streams = if source.manifest().total().is_none() { 1 } else { args.streams };
    let secret = match &args.code {
        Some(code) => Secret::Chosen(code.clone()),
        None => Secret::Drawn { words: usize::from(args.words) },
    };
    let limit = args.limit.and_then(Bandwidth::get);
    // What cannot be read again is gone on with only while we live.
    let again = args.text.is_none() && args.paths.iter().all(|path| path.as_os_str() != "-");
    let paths = args.paths.iter().map(std::path::absolute).collect::<Result<Vec<_>, _>>().ok().filter(|_| again);
    let named = paths.map(|paths| Named {
        code: String::new(),
        paths,
        follow_links: args.follow_links,
        xattrs: args.xattrs,
        streams,
        limit,
        compress: args.compress,
        ways: args.ways.ways(),
    });
    let sending = Sending {
        source,
        content,
        relays: args.relay.relays(context)?,
        patience: context.settings.config.timeout.get(),
        comeback: args.patience.patience,
        secret,
        account: signed::on_demand(context),
        receivers: args.receivers,
        streams,
        rate: limit,
        compress: args.compress,
        lasting: named.is_some(),
        ways: args.ways.ways(),
    };
    Ok((sending, named))
}

/// Which chunks are compressed; shells complete it.
fn compress() -> impl TypedValueParser<Value = Policy> {
    PossibleValuesParser::new(Policy::ALL.map(Policy::as_str))
        .try_map(|text| Policy::from_word(&text).ok_or("expected auto, always or never"))
}

/// Which side applies; shells complete it.
fn applies() -> impl TypedValueParser<Value = Applies> {
    PossibleValuesParser::new([Applies::Receiver, Applies::Sender].map(Applies::as_str))
        .try_map(|text| Applies::from_word(&text).ok_or("expected receiver or sender"))
}

fn receivers(text: &str) -> Result<NonZeroU8, String> {
    let number = text.parse::<NonZeroU8>().ok().filter(|number| number.get() <= MAX_RECEIVERS);
    number.ok_or_else(|| format!("expected 1 to {MAX_RECEIVERS}"))
}

/// Neither files nor a text are named.
fn nothing() -> Failure {
    let failure = Failure::usage("nothing to send: no file, folder or text is given");
    if io::stdin().is_terminal() {
        failure.hint("fshare send FILE, or fshare send --text TEXT")
    } else {
        failure.hint("to send what is on standard input: fshare send - as a file, fshare send --text - as a text")
    }
}

/// A text from standard input, up to Ctrl-C.
async fn read_text(context: &Context) -> Result<String, Failure> {
    let read = on_disk(|| {
        let mut bytes = Vec::new();
        // One more shows that it is too long.
        io::stdin().lock().take(MAX_TEXT as u64 + 1).read_to_end(&mut bytes).map(|_| bytes)
    });
    let bytes = tokio::select! {
        read = read => read?.or_fail(ExitCode::Failed, "read standard input")?,
        () = context.leaving.cancelled() => return Err(Failure::silent(ExitCode::Interrupted)),
    };
    if bytes.len() > MAX_TEXT {
        return Err(too_long());
    }
    String::from_utf8(bytes).map_err(|_| Failure::usage("what is on standard input is not text (UTF-8)").hint(AS_FILE))
}

/// What to do with what is no short text.
const AS_FILE: &str = "send it as a file: fshare send FILE, or fshare send - for standard input";

fn too_long() -> Failure {
    Failure::usage(format!("the text is longer than {MAX_TEXT} bytes, which is the most that is shown on the other side")).hint(AS_FILE)
}

fn of_text(text: String) -> Result<Source, Failure> {
    if text.len() > MAX_TEXT {
        return Err(too_long());
    }
    let name = SafePath::new("text").map_err(|why| Failure::usage(why.to_string()))?;
    let bytes = io::Cursor::new(text.into_bytes());
    Source::from_stream(name, Box::new(bytes), SourceOptions::default()).map_err(|error| Failure::usage(error.to_string()))
}
