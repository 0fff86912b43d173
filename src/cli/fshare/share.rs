//! `fshare share`: hands files to everybody in a conference who may receive them.

use std::{path::PathBuf, time::Duration};

use tokio::time::interval;

use super::{
    call::Call,
    failure,
    show::{Bar, Moved, at},
};
use crate::{
    cli::{
        ExitCode, Failure,
        output::safe_line,
        secret::PinFile,
        settings::Context,
        values::{self, Room},
    },
    conference::client::TerminalEvent,
    config::Bandwidth,
    fileshare::{
        ShareId,
        client::{
            Uploader,
            transfers::{ShareOptions, TransferEvent, TransferOptions},
        },
        terminal::{Opening, SharingEvent},
        wire::control::{Batch, FileFacts, MAX_FILES, Member, MemberState, Message},
    },
    transfer::{SafePath, Source, SourceOptions},
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    fshare share standup slides.pdf\n  \
    fshare share standup report/ photos/ --limit 2MiB/s\n  \
    fshare share standup minutes.txt --to bob --to carol --for 10m\n  \
    pg_dump db | fshare share standup - --name db.sql";

/// What to share.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Conference: its name, or a URI
    #[arg(value_name = "CONF")]
    pub room: Room,

    /// Files and folders; - for standard input
    #[arg(value_name = "PATH", required = true, value_hint = clap::ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,

    /// How it is opened: by re-INVITE, or by INFO
    #[arg(long, value_name = "WAY", value_enum, default_value_t)]
    pub via: Via,

    /// Only for these: a user, a participant's id or a URI (repeatable); everybody with the right otherwise
    #[arg(long = "to", value_name = "WHO")]
    pub to: Vec<String>,

    /// Most bytes a second, such as 2MiB/s
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub limit: Option<Bandwidth>,

    /// Stop sharing after this time, whoever has it by then
    #[arg(long = "for", value_name = "DURATION", value_parser = values::duration)]
    pub length: Option<Duration>,

    /// Name of what comes from standard input
    #[arg(long, value_name = "NAME", default_value = "stdin")]
    pub name: String,

    /// Send what links point to, instead of the links
    #[arg(long)]
    pub follow_links: bool,

    /// The PIN to enter with
    #[command(flatten)]
    pub pin: PinFile,
}

/// How a share is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Via {
    /// By re-INVITE.
    #[default]
    Reinvite,
    /// By INFO.
    Info,
}

/// Between two redraws.
pub const REDRAW: Duration = Duration::from_millis(100);

/// A number of bytes a second, as a flag; `/s` may be left out.
///
/// # Errors
/// It is none.
pub fn rate(text: &str) -> Result<Bandwidth, String> {
    text.trim_end_matches("/s").parse().map_err(|why: crate::config::ValueError| format!("{why}; write 2MiB/s, 500kB/s or none"))
}

/// What is to be shared.
///
/// # Errors
/// A file cannot be read, or has a name that cannot travel.
pub async fn source(paths: &[PathBuf], name: &str, follow_links: bool) -> Result<Source, Failure> {
    let options = SourceOptions { follow_links, ..SourceOptions::default() };
    if paths.iter().any(|path| path.as_os_str() == "-") {
        if paths.len() > 1 {
            return Err(Failure::usage("standard input (-) is shared alone"));
        }
        let name = SafePath::new(name).map_err(|why| Failure::usage(format!("--name {}: {why}", safe_line(name))))?;
        return Source::from_stream(name, Box::new(std::io::stdin()), options).map_err(|error| failure::of_source(&error));
    }
    Source::from_paths(paths.to_vec(), options).await.map_err(|error| failure::of_source(&error))
}

/// What a bar needs to know of a source.
pub fn shown(source: &Source) -> Batch {
    let manifest = source.manifest();
    let files = manifest.files().take(MAX_FILES).map(|(_, entry)| FileFacts {
        name: entry.path.as_str().to_owned(),
        size: entry.size().flatten(),
        mime: None,
        sha256: None,
    });
    Batch {
        id: crate::fileshare::BatchId(0),
        entries: u32::try_from(manifest.entries().len()).unwrap_or(u32::MAX),
        bytes: manifest.total(),
        manifest: None,
        files: files.collect(),
    }
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let source = source(&args.paths, &args.name, args.follow_links).await?;
    let batch = shown(&source);
    let uploader = Uploader::new(source).map_err(|error| failure::of_transfer("failed to share", &error, None))?;
    let limit = args.limit.and_then(Bandwidth::get);
    let mut call = Call::open(&args.room, &args.pin, TransferOptions { limit, ..TransferOptions::default() }, context).await?;
    let shared = share(args, context, &mut call, uploader, &batch).await;
    let last = call.transfers.stop().await;
    drop(last);
    call.leave().await;
    shared
}

async fn share(args: &Args, context: &Context, call: &mut Call, uploader: Uploader, batch: &Batch) -> Result<(), Failure> {
    let output = &context.output;
    let opening = if args.via == Via::Info { Opening::Info } else { Opening::Reinvite };
    let options = ShareOptions { opening, recipients: args.to.clone() };
    let (_, progress) =
        call.transfers.share(uploader, options).await.map_err(|error| failure::of_transfer("failed to share", &error, None))?;
    let mut ours: Option<(ShareId, Bar)> = None;
    let mut progress = Some(progress);
    let mut uploaded = false;
    let mut members = Vec::new();
    let mut redraw = interval(REDRAW);
    let over = async {
        match args.length {
            Some(length) => tokio::time::sleep(length).await,
            None => std::future::pending().await,
        }
    };
    let mut over = std::pin::pin!(over);
    let (session, transfers) = call.parts();
    loop {
        tokio::select! {
            event = session.next() => {
                let Some(event) = event else { return Err(Failure::new(ExitCode::Declined, "the call is over")) };
                transfers.hear(&event).await;
                match event {
                    SharingEvent::Said { message, .. } => {
                        if let Message::ShareComplete { members: told, more } = *message {
                            members.extend(told);
                            if more {
                                continue;
                            }
                            let told = std::mem::take(&mut members);
                            if let Some((share, _)) = &ours {
                                output.event(&Moved::finished(*share, &told))?;
                            }
                            if let Some(ended) = fared(args, &told) {
                                return ended;
                            }
                            output.note("nobody has it yet; waiting for somebody who comes");
                        }
                    }
                    // Somebody else's: this dialog only shares.
                    SharingEvent::Offered { share, .. } => transfers.decline(share).await,
                    SharingEvent::Terminal(TerminalEvent::Ended { reason, .. }) => {
                        let why = reason.and_then(|reason| reason.text).unwrap_or_else(|| "without a reason".to_owned());
                        return Err(Failure::new(ExitCode::Declined, format!("the conference ended the call: {}", safe_line(&why))));
                    }
                    SharingEvent::Ended { share, why } if uploaded && ours.as_ref().is_some_and(|(ours, _)| *ours == share) => {
                        return Err(failure::said("the share was ended", why.as_ref(), None));
                    }
                    _ => {}
                }
            }
            event = transfers.next() => match event {
                TransferEvent::Shared { share, .. } => {
                    output.event(&Moved::Shared { at: at(), share: share.to_string(), entries: batch.entries.into(), bytes: batch.bytes })?;
                    ours = progress.take().map(|progress| (share, Bar::new(output, share, batch, progress)));
                }
                TransferEvent::NotShared { why, .. } => return Err(failure::said("the conference does not take the share", Some(&why), None)),
                TransferEvent::Uploaded { share, bytes } => {
                    uploaded = true;
                    output.event(&Moved::Uploaded { at: at(), share: share.to_string(), bytes })?;
                }
                TransferEvent::Broken { share, error, again_in } => {
                    let (share, reason) = (share.to_string(), error.to_string());
                    output.event(&Moved::Broken { at: at(), share, reason, again_in: again_in.as_secs_f64() })?;
                }
                TransferEvent::Failed { error, .. } => {
                    return Err(failure::of_transfer("the upload failed", &error, None).hint("share it again"));
                }
                TransferEvent::Ended { why, .. } => return Err(failure::said("the share was ended", why.as_ref(), None)),
                TransferEvent::Downloaded { .. } => {}
            },
            () = &mut over => {
                if let Some((share, _)) = &ours {
                    transfers.end(*share).await;
                }
                return if uploaded { Ok(()) } else { Err(Failure::new(ExitCode::Unreachable, "the time was up before all was uploaded")) };
            }
            _ = redraw.tick() => {
                if let Some((_, bar)) = &mut ours {
                    bar.show(output)?;
                }
            }
            () = context.leaving.cancelled() => {
                if let Some((share, _)) = &ours {
                    transfers.end(*share).await;
                }
                return Err(Failure::silent(ExitCode::Interrupted));
            }
        }
    }
}

/// What it means that members fared so; `None` where somebody may still come who wants it.
fn fared(args: &Args, members: &[Member]) -> Option<Result<(), Failure>> {
    let all = |state: MemberState| members.iter().all(|member| member.state == state);
    if members.iter().any(|member| member.state == MemberState::Complete) {
        return Some(Ok(()));
    }
    if members.iter().any(|member| member.state == MemberState::Failed) {
        return Some(Err(Failure::new(ExitCode::Failed, "nobody received it")));
    }
    if !args.to.is_empty() && all(MemberState::Declined) {
        return Some(Err(Failure::new(ExitCode::Declined, "nobody whom it is for wants it")));
    }
    None
}
