//! `fshare recv`.

use std::{
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    pin::pin,
    str::FromStr,
    time::Instant,
};

use tokio::{sync::mpsc, time::interval};
use tokio_util::sync::CancellationToken;

use super::{
    PatienceFlag, RelayFlag, WayFlags, accept::Bound, bar::Bar, decide::Deciding, failure, from, kept, place, resume, show::Carried,
};
use crate::{
    channel::{
        Code,
        client::{self, ChannelError, Receiving, RecvEvent, Way},
        code,
        pake::Password,
        wire::letter::{self, FailedCode},
    },
    cli::{
        ExitCode, Failure, OrFail as _,
        fshare::{
            bar::REDRAW,
            kept::total,
            receive::{self, Policy, on_disk},
            show::{Received, at},
        },
        output::safe_line,
        secret,
        settings::Context,
        values::Callee,
    },
    clock,
    config::Size,
    transfer::{Record, SafePath, Sink, SinkError, resume::ResumeError},
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    fshare recv 7-crystal-window\n  \
    fshare recv 7-crystal-window --output received --rename --yes\n  \
    fshare recv 7-crystal-window --output - | tar x\n  \
    fshare recv 7-crystal-window --output-file slides-new.pdf\n  \
    fshare recv --from alice                     what alice sends with fshare send --to\n  \
    fshare recv --from anyone --keep --yes --output inbox --rename\n  \
    fshare recv                                  asks for the code";

/// Whose offers are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// Of every user of the server.
    Anyone,
    /// Of this one.
    User(Callee),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "anyone" { Ok(Self::Anyone) } else { text.parse().map(Self::User) }
    }
}

/// Most words on a command line that may be a code, its number among them.
const MAX_PARTS: usize = 1 + code::MAX_WORDS;

/// What to receive.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The code that the sender shows; you are asked for it if it is left out
    #[arg(value_name = "CODE", num_args = 1..=MAX_PARTS)]
    pub code: Vec<String>,

    /// Sign in and wait for an offer from this user of your server, or from anyone, instead of using a code
    #[arg(long, value_name = "WHO", conflicts_with_all = ["code", "wait"])]
    pub from: Option<From>,

    /// Show both identities as words, and accept only after you confirm that the other side shows the same
    #[arg(long, requires = "from")]
    pub verify: bool,

    /// Keep waiting for further offers, until Ctrl-C
    #[arg(long, requires = "from")]
    pub keep: bool,

    /// Folder to put files in; - writes a single file to standard output
    #[arg(short, long, value_name = "DIR", default_value = ".", value_hint = clap::ValueHint::DirPath)]
    pub output: PathBuf,

    /// Save the single file that is offered under this name; several files, or a folder, are declined
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output", "keep"], value_hint = clap::ValueHint::FilePath)]
    pub output_file: Option<PathBuf>,

    /// Accept what is offered without asking; the configuration can say so of single users (accept in client.yaml)
    #[arg(short, long)]
    pub yes: bool,

    /// Decline anything larger than this, such as 1GiB, and anything of unknown size (from a pipe)
    #[arg(long, value_name = "SIZE")]
    pub max_size: Option<Size>,

    /// Accept what is of unknown size all the same
    #[arg(long, requires = "max_size")]
    pub unknown_size: bool,

    /// What happens with files that are there already; they are refused otherwise
    #[command(flatten)]
    pub policy: Policy,

    /// Set extended attributes (user.*) if the sender sends them (fshare send --xattrs)
    #[arg(long)]
    pub xattrs: bool,

    /// Wait if the sender is not there yet
    #[arg(long)]
    pub wait: bool,

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
    let args = &match &args.output_file {
        Some(file) => Args { output: place::folder_of(file)?, ..args.clone() },
        None => args.clone(),
    };
    if let Some(from) = &args.from {
        usable(args).await?;
        let by_rule = !context.settings.config.accept.is_empty() && !args.verify;
        if !args.yes && !by_rule && !secret::somebody(&context.output) {
            return Err(nobody(args));
        }
        return Box::pin(from::run(args, from, context)).await;
    }
    let code = if args.code.is_empty() {
        secret::ask_code(&context.output, &context.leaving).await?
    } else {
        args.code.join(" ").parse::<Code>().map_err(|error| {
            Failure::usage(format!("that is not a valid code: {error}"))
                .hint("a code is a number and words, as the sender shows it: 7-crystal-window")
        })?
    };
    // Begun before, into another folder.
    let mut elsewhere = None;
    // Where there is no place for any, nothing was begun; that is told when something is to be kept.
    if let Ok(Some(records)) = receive::records().await {
        let (store, of, output) = (records.clone(), code.as_str().to_owned(), args.output.clone());
        let here = move |record: &Record| receive::is_folder(Path::new(&record.target), &output);
        let look = move || kept::begun(&store, &of).map(|known| known.into_iter().partition::<Vec<Record>, _>(here));
        let (known, others) = if to_stdout(args) {
            (Vec::new(), Vec::new())
        } else {
            on_disk(look).await?.or_fail(ExitCode::Failed, "read the records of transfers")?
        };
        // What is to go elsewhere may be something else, by a code that was chosen again.
        if let [record] = others.as_slice() {
            elsewhere = Some((records.clone(), record.clone()));
        }
        // With several by one code a person has to say which.
        if let [record] = known.as_slice() {
            fits(args, record)?;
            let (name, folder) = (&record.transfer, safe_line(&record.target));
            context.output.note(format!("resuming {name} in {folder} (to discard it: fshare cancel {name})"));
            return resume::receive(&records, record, &args.relay, args.patience, context).await;
        }
    }
    if let Some((records, record)) = &elsewhere {
        // Its sender is where only the two of us come. At the number of the code there may be somebody else meanwhile, whose code we would use up.
        let (name, folder) = (&record.transfer, safe_line(&record.target));
        context.output.note(format!("this was begun before, into {folder}: looking for its sender to resume {name}"));
        if resume::receive_if_there(records, record, &args.relay, args.patience, context).await? {
            return Ok(());
        }
    }
    usable(args).await?;
    // A code is good once: who could not say yes does not use it up.
    if !args.yes && !to_stdout(args) && !secret::somebody(&context.output) {
        return Err(nobody(args));
    }
    let receiving = Receiving {
        relays: args.relay.relays(context)?,
        patience: context.settings.config.timeout.get(),
        comeback: args.patience.patience,
        first: args.patience.patience,
        by: Way::Password { password: Password::of_code(&code), wait: args.wait },
        ways: args.ways.ways(),
    };
    let deciding = Deciding::new(context, args.output.clone(), args.policy.overwrite(), args.yes, code.as_str(), args.ways.ways());
    match (
        take(&receiving, deciding.xattrs(args.xattrs).bounded(bound(args)).called(called(args)?), context, &context.leaving).await,
        elsewhere,
    ) {
        (Err(failure), Some((records, record))) if failure.code == ExitCode::NotFound => {
            let (name, folder) = (&record.transfer, safe_line(&record.target));
            context.output.note(format!("nobody is sending with this code now; resuming {name} in {folder}, which was begun with it"));
            resume::receive(&records, &record, &args.relay, args.patience, context).await
        }
        (taken, _) => taken.map(drop),
    }
}

/// Whether what was begun before may go on as it is: by the name that is asked for now, and no larger than is taken now.
///
/// # Errors
/// It has another name (2), or is larger (6).
fn fits(args: &Args, record: &Record) -> Result<(), Failure> {
    let (name, asked) = (&record.transfer, called(args)?);
    if let Some(asked) = asked.filter(|asked| record.called.as_ref() != Some(asked)) {
        let text = format!("{name} was begun with this code in {}, and not as {asked}", safe_line(&record.target));
        return Err(
            Failure::usage(text).hint(format!("leave out --output-file to resume it, or discard it first with: fshare cancel {name}"))
        );
    }
    match total(record).and_then(|total| bound(args).refuses(Some(total))) {
        Some((_, said)) => Err(Failure::new(ExitCode::Declined, format!("{name} was not resumed: {said}"))
            .hint(format!("discard it with: fshare cancel {name}"))),
        None => Ok(()),
    }
}

/// Whether anything can be put into the folder.
async fn usable(args: &Args) -> Result<(), Failure> {
    if to_stdout(args) {
        return Ok(());
    }
    let folder = args.output.clone();
    on_disk(move || place::usable(&folder)).await?
}

/// What came, and where it is; no files where it was a text, or went to standard output.
#[derive(Debug, Clone, Default)]
pub struct Taken {
    /// Files.
    pub files: Vec<Received>,
    /// Seconds from the first byte on.
    pub seconds: f64,
}

/// Receives, from the first attempt to the end.
///
/// # Errors
/// With the exit code that says why.
pub async fn take(
    receiving: &Receiving,
    mut deciding: Deciding<'_>,
    context: &Context,
    stop: &CancellationToken,
) -> Result<Taken, Failure> {
    let (give, mut events) = mpsc::channel(16);
    let (chosen, to_stdout) = (deciding.chosen.clone(), deciding.to_stdout());
    let output = &context.output;
    let (mut bar, mut began, mut source, mut retries) = (None::<Bar>, None::<Instant>, letter::Way::Relay, 0_u32);
    // What comes has standard output to itself.
    let aside = |event: Carried| {
        if !to_stdout {
            return event.tell(output);
        }
        event.remark(output);
        Ok(())
    };
    let mut redraw = interval(REDRAW);
    let ended = {
        let mut received = pin!(client::receive(receiving, &mut deciding, &give, stop));
        loop {
            tokio::select! {
                ended = &mut received => break ended,
                Some(event) = events.recv() => match event {
                    RecvEvent::Waiting => match &receiving.by {
                        Way::Password { wait: false, .. } => {}
                        _ if began.is_some() => {}
                        _ => aside(Carried::Awaited { at: at(), who: "sender" })?,
                    },
                    RecvEvent::Known => {}
                    RecvEvent::Astray { why, left } => aside(Carried::astray(&why, left))?,
                    RecvEvent::Paused { why, wait } => aside(Carried::paused(&why, wait))?,
                    RecvEvent::Begun { from, way } => {
                        source = way;
                        began.get_or_insert_with(clock::now);
                        if !to_stdout && chosen.text().is_none() {
                            output.event(&Carried::Begun { at: at(), from, source: way.as_str() })?;
                        }
                        // What goes to the terminal itself leaves no line for a bar.
                        let shown = chosen.manifest().filter(|_| !to_stdout || !io::stdout().is_terminal());
                        bar = shown.map(|manifest| Bar::new(output, &manifest, from, way, retries).telling(!to_stdout));
                    }
                    RecvEvent::Broken { why, left } => {
                        bar = None;
                        retries = retries.saturating_add(1);
                        let broken = Carried::Broken { at: at(), reason: safe_line(&why), patience: left.as_secs() };
                        if to_stdout || chosen.text().is_some() && !output.is_json() { output.warn(safe_line(&why)) } else { output.event(&broken)? }
                    }
                },
                _ = redraw.tick() => if let (Some(bar), Some(state)) = (&mut bar, chosen.state()) {
                    bar.show(output, state.written, false)?;
                },
            }
        }
    };
    drop(bar);
    let finished = match ended {
        Ok(finished) => finished,
        Err(error) => return Err(failed(&error, deciding).await),
    };
    for warning in &finished.warnings {
        output.warn(safe_line(warning));
    }
    if let Some(text) = chosen.text() {
        return output.event(&Carried::Text { at: at(), text }).map(|()| Taken::default());
    }
    if to_stdout {
        return Ok(Taken::default());
    }
    let seconds = began.map_or(0.0, |began| clock::now().saturating_duration_since(began).as_secs_f64());
    let bytes = chosen.state().map_or(0, |state| state.written);
    let taken = Taken { files: finished.files.iter().map(Received::of).collect(), seconds };
    output.event(&Carried::Received { at: at(), bytes, files: taken.files.clone(), seconds, source: source.as_str() })?;
    Ok(taken)
}

/// Nobody can be asked whether it is wanted. By a code, standard output is asked for nothing; that it is a text shows only when the code is used.
fn nobody(args: &Args) -> Failure {
    let hint = match &args.from {
        Some(_) => "use --yes to accept whatever is offered, or say in client.yaml whose offers to accept (accept)",
        None => "use --yes to accept it without asking, or --output - to write a single file or a text to standard output",
    };
    Failure::usage("cannot ask whether to accept what comes: there is no terminal, or --json or --quiet was given").hint(hint)
}

/// The name that the only file gets, where one is given.
///
/// # Errors
/// It is no name for a file (2).
pub fn called(args: &Args) -> Result<Option<SafePath>, Failure> {
    args.output_file.as_deref().map(place::name_of).transpose()
}

/// How much is taken at most.
pub fn bound(args: &Args) -> Bound {
    Bound::of(args.max_size.map(Size::get), args.unknown_size)
}

/// What comes goes to standard output, and nothing else does.
pub fn to_stdout(args: &Args) -> bool {
    args.output.as_os_str() == "-"
}

/// What it means, and what becomes of what there is.
async fn failed(error: &ChannelError, deciding: Deciding<'_>) -> Failure {
    let what = "failed to receive";
    let Deciding { record, failure, chosen, taken, .. } = deciding;
    // What was not taken up holds its record.
    drop(taken);
    if let Some(failure) = failure {
        return failure;
    }
    let Some((records, name)) = record else { return failure::broken(what, error, None) };
    // Where nothing has come there is nothing to keep, whoever has said that it is over; nor where the two do not reach each other directly, as one
    // of them wants it.
    let unreached = matches!(error, ChannelError::Theirs(failed) if failed.code == FailedCode::Unreachable);
    let state = chosen.state();
    let nothing = if unreached { state.is_none_or(|state| state.written == 0) } else { state.is_some_and(|state| state.written == 0) };
    let nothing = nothing && (unreached || !error.is_resumable());
    if (error.is_resumable() || error.may_be_of_another()) && !nothing {
        return failure::broken(what, error, Some(&name));
    }
    match Sink::discard(&records, &name).await {
        Ok(()) | Err(SinkError::Resume(ResumeError::Missing(_))) => {}
        Err(error) => tracing::warn!(%name, %error, "what there is of a transfer that is over was not removed"),
    }
    failure::broken(what, error, None)
}
