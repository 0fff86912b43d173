//! `fshare share`: hands files to everybody in a conference who may receive them.

use std::{num::NonZeroU64, path::PathBuf, time::Duration};

use super::{call::Call, failure, kept::Named, sharing::Sharing};
use crate::{
    cli::{
        Failure, Output,
        output::safe_line,
        secret::PinFile,
        settings::Context,
        values::{self, Room},
    },
    config::Bandwidth,
    fileshare::{
        client::{
            Uploader,
            transfers::{ShareOptions, TransferOptions},
        },
        terminal::Opening,
        wire::control::{Batch, FileFacts, MAX_FILES},
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

    /// How to open the share: by re-INVITE, or by INFO
    #[arg(long, value_name = "WAY", value_enum, default_value_t)]
    pub via: Via,

    /// Share only with this user, participant (by id) or URI (repeatable) [default: everybody who may receive]
    #[arg(long = "to", value_name = "WHO")]
    pub to: Vec<String>,

    /// Transfer at most this many bytes a second, such as 2MiB/s
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub limit: Option<Bandwidth>,

    /// Stop sharing after this time, whether or not everybody has the files
    #[arg(long = "for", value_name = "DURATION", value_parser = values::duration)]
    pub length: Option<Duration>,

    /// Name for what is read from standard input [default: stdin]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Send what symbolic links point to, instead of the links
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

/// A number of bytes a second, as a flag; `/s` may be left out.
///
/// # Errors
/// It is none.
pub fn rate(text: &str) -> Result<Bandwidth, String> {
    text.trim_end_matches("/s").parse().map_err(|why: crate::config::ValueError| format!("{why}; write 2MiB/s, 500kB/s or none"))
}

/// The name of what comes from standard input.
///
/// # Errors
/// One is given, and nothing comes from there (2).
pub fn name_of_input<'a>(given: Option<&'a str>, paths: &[PathBuf]) -> Result<&'a str, Failure> {
    match given {
        Some(_) if paths.iter().all(|path| path.as_os_str() != "-") => {
            Err(Failure::usage("--name applies only to standard input; files keep their own names")
                .hint("use - as the path, or leave --name out"))
        }
        given => Ok(given.unwrap_or("stdin")),
    }
}

/// What is to be shared.
///
/// # Errors
/// A file cannot be read, or has a name that cannot travel.
pub async fn source(paths: &[PathBuf], name: &str, options: SourceOptions, output: &Output) -> Result<Source, Failure> {
    if paths.iter().any(|path| path.as_os_str() == "-") {
        if paths.len() > 1 {
            return Err(Failure::usage("standard input (-) cannot be combined with other paths"));
        }
        let name = SafePath::new(name).map_err(|why| Failure::usage(format!("--name {}: {why}", safe_line(name))))?;
        return Source::from_stream(name, Box::new(std::io::stdin()), options).map_err(|error| failure::of_source(&error));
    }
    let source = Source::from_paths(paths.to_vec(), options).await.map_err(|error| failure::of_source(&error))?;
    let skipped = source.skipped();
    for (path, what) in &skipped.first {
        output.warn(format_args!("skipped {}: it is {what}", safe_line(path)));
    }
    if skipped.more > 0 {
        output.warn(format_args!("skipped {} more", skipped.more));
    }
    Ok(source)
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
    let name = name_of_input(args.name.as_deref(), &args.paths)?;
    let source =
        source(&args.paths, name, SourceOptions { follow_links: args.follow_links, ..SourceOptions::default() }, &context.output).await?;
    let (batch, manifest) = (shown(&source), source.manifest().clone());
    let uploader = Uploader::new(source).map_err(|error| failure::of_transfer("failed to share", &error, None))?;
    let user = context.settings.config.user.as_ref().map(ToString::to_string);
    let limit = args.limit.and_then(Bandwidth::get);
    let named = Named::new(user, &args.paths, args.follow_links);
    let mut call = Call::open(&args.room, &args.pin, options(limit, named.is_some()), context).await?;
    let server = Some(context.settings.server.to_string());
    let named = named.map(|named| Named { conference: call.uri.clone(), server, to: args.to.clone(), limit, ..named });
    let opening = if args.via == Via::Info { Opening::Info } else { Opening::Reinvite };
    let how = ShareOptions { opening, recipients: args.to.clone(), batch: None };
    let sharing = Sharing::new(context, batch, manifest).within(&args.room).lasting(args.length).named(named);
    let shared = sharing.open(&mut call, uploader, how).await;
    call.leave().await;
    shared
}

/// The usual, with a limit; `come_again`: an upload that is broken off can be gone on with.
pub fn options(limit: Option<NonZeroU64>, come_again: bool) -> TransferOptions {
    TransferOptions { limit, come_again, ..TransferOptions::default() }
}
