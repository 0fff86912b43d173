//! `fshare get`: receives what is shared in a conference.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU64,
    path::PathBuf,
    time::Duration,
};

use tokio::time::{Instant, interval, sleep_until};

use super::{
    bar::{Bar, REDRAW},
    call::{self, Call, over},
    failure,
    receive::{self, Commands, Target},
    share::rate,
    shares,
    show::{Moved, at, tell},
};
use crate::{
    cli::{
        ExitCode, Failure,
        output::safe_line,
        secret::PinFile,
        settings::Context,
        values::{self, Room},
    },
    clock,
    conference::client::TerminalEvent,
    config::Bandwidth,
    fileshare::{
        ShareId,
        client::{
            Downloader,
            transfers::{TransferEvent, TransferOptions, Transfers},
        },
        terminal::{SharingCommand, SharingEvent},
        wire::{
            FailureCode,
            control::{Batch, Message},
        },
    },
    transfer::{Digest, TransferName},
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    fshare get standup\n  \
    fshare get standup share-3 --output received --rename\n  \
    fshare get standup notes.txt --output -\n  \
    fshare get standup --on-file 'clamscan \"$1\"'";

/// What to get.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Conference: its name, or a URI
    #[arg(value_name = "CONF")]
    pub room: Room,

    /// Shares to receive: by id, such as share-3, or by the name of a file in them [default: all]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,

    /// Folder to put files in; - writes a single file to standard output
    #[arg(short, long, value_name = "DIR", default_value = ".", value_hint = clap::ValueHint::DirPath)]
    pub output: PathBuf,

    /// What happens with files that are there already; they are refused otherwise
    #[command(flatten)]
    pub policy: receive::Policy,

    /// Transfer at most this many bytes a second, such as 2MiB/s
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub limit: Option<Bandwidth>,

    /// Run this shell command for every file received; its path is $1
    ///
    /// The command's output goes to standard error. If it fails for a file, fshare says so and exits with 1; the file is verified and stays where it is.
    #[arg(long, value_name = "CMD", value_hint = clap::ValueHint::CommandString)]
    pub on_file: Option<String>,

    /// Give up if nothing is shared within this time
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    pub wait: Option<Duration>,

    /// The PIN to enter with
    #[command(flatten)]
    pub pin: PinFile,
}

impl Args {
    /// What comes goes to standard output; nothing else does then.
    fn to_stdout(&self) -> bool {
        self.output.as_os_str() == "-"
    }
}

/// The SHA-256 of a batch's manifest, where it was said: by it the same files are known again in another share.
pub(super) fn manifest(batch: &Batch) -> Option<String> {
    batch.manifest.map(|digest| Digest(digest).to_string())
}

/// How long the conference has to offer what it has, before it is asked for it.
pub(super) const OFFERS: Duration = Duration::from_secs(1);

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let limit = args.limit.and_then(Bandwidth::get);
    let mut call = Call::open(&args.room, &args.pin, options(limit), context).await?;
    let mut getting = Getting::new(args, context, &call.uri);
    let got = getting.run(&mut call).await;
    let got = getting.stop(&mut call, got).await;
    call.leave().await;
    got.and(getting.commands.end(&context.leaving).await)
}

/// The usual, with a limit.
pub fn options(limit: Option<NonZeroU64>) -> TransferOptions {
    TransferOptions { limit, ..TransferOptions::default() }
}

/// What is wanted, what there is, and what has come.
struct Getting<'a> {
    args: &'a Args,
    context: &'a Context,
    uri: String,
    /// Known shares.
    known: BTreeMap<ShareId, (String, Batch)>,
    /// Offered, and not yet decided on.
    offered: BTreeSet<ShareId>,
    /// Wanted, and not yet offered.
    wanted: BTreeSet<ShareId>,
    /// Under way.
    bars: BTreeMap<ShareId, Bar>,
    /// The list is there.
    listed: bool,
    /// Until when the list is waited for that says more of what was offered since.
    unnamed: Option<Instant>,
    begun: usize,
    commands: Commands,
    failure: Option<Failure>,
}

impl<'a> Getting<'a> {
    fn new(args: &'a Args, context: &'a Context, uri: &str) -> Self {
        Self {
            args,
            context,
            uri: uri.to_owned(),
            known: BTreeMap::new(),
            offered: BTreeSet::new(),
            wanted: BTreeSet::new(),
            bars: BTreeMap::new(),
            listed: false,
            unnamed: None,
            begun: 0,
            commands: Commands::default(),
            failure: None,
        }
    }

    async fn run(&mut self, call: &mut Call) -> Result<(), Failure> {
        call.tell(SharingCommand::List).await;
        let output = &self.context.output;
        let mut redraw = interval(REDRAW);
        let mut ask = call::asking();
        let started = Instant::from(clock::now());
        let patience = self.args.wait.map(|wait| started + wait);
        let (session, transfers) = call.parts();
        loop {
            if self.listed && self.begun > 0 && self.bars.is_empty() && self.wanted.is_empty() {
                return Ok(());
            }
            let unlisted = (!self.listed).then_some(started + self.context.settings.config.timeout.get());
            let late = (self.listed && !self.wanted.is_empty()).then_some(started + OFFERS);
            tokio::select! {
                event = session.next() => {
                    let Some(event) = event else { return Err(Failure::new(ExitCode::Declined, "the call is over")) };
                    transfers.hear(&event);
                    match event {
                        SharingEvent::Offered { share, offer } => {
                            // The list says more than a line: who shares, and the names of several files.
                            if self.listed && offer.from.is_empty() && !self.known.contains_key(&share) {
                                session.tell(SharingCommand::List).await;
                                self.unnamed = Some(Instant::from(clock::now()) + OFFERS);
                            }
                            self.known.entry(share).or_insert_with(|| (offer.from.clone(), offer.batch.clone()));
                            self.offered.insert(share);
                            self.decide(transfers).await?;
                        }
                        SharingEvent::Said { share: None, message } => match *message {
                            Message::Shares { shares, more } => {
                                self.known.extend(shares.into_iter().map(|share| (share.share, (share.from, share.batch))));
                                shares::bounded(self.known.len())?;
                                if !more {
                                    self.unnamed = None;
                                    if !self.listed {
                                        self.on_listed()?;
                                    }
                                    self.decide(transfers).await?;
                                }
                            }
                            Message::Refusal(why) if !self.listed => return Err(shares::refused(&why)),
                            _ => {}
                        },
                        SharingEvent::Terminal(TerminalEvent::Ended { reason, lost, .. }) => return Err(over(reason, lost)),
                        SharingEvent::Ended { share, .. } => {
                            self.offered.remove(&share);
                        }
                        _ => {}
                    }
                }
                event = transfers.next() => self.on_transfer(event).await?,
                () = until(late), if late.is_some() => {
                    for share in std::mem::take(&mut self.wanted) {
                        self.begin(transfers, share).await?;
                    }
                }
                () = until(self.unnamed), if self.unnamed.is_some() => {
                    self.unnamed = None;
                    self.decide(transfers).await?;
                }
                () = until(unlisted), if unlisted.is_some() => return Err(shares::unsaid()),
                () = until(patience), if patience.is_some() && self.begun == 0 => {
                    return Err(Failure::new(ExitCode::Unreachable, "nothing was shared within this time"));
                }
                _ = redraw.tick() => for bar in self.bars.values_mut() {
                    bar.draw(output);
                    if !self.args.to_stdout() {
                        bar.tell(output)?;
                    }
                },
                _ = ask.tick() => call::ask(session).await,
                () = self.context.leaving.cancelled() => return Err(Failure::silent(ExitCode::Interrupted)),
            }
        }
    }

    /// The list is there: now it is known what the names mean.
    fn on_listed(&mut self) -> Result<(), Failure> {
        self.listed = true;
        for name in &self.args.names {
            let id = name.parse::<ShareId>().ok();
            let fits = |share: &ShareId, batch: &Batch| {
                id == Some(*share) || batch.files.iter().any(|file| file.name == *name || file.name.rsplit('/').next() == Some(name))
            };
            let found: Vec<ShareId> = self.known.iter().filter(|(share, (_, batch))| fits(share, batch)).map(|(share, _)| *share).collect();
            if found.is_empty() {
                return Err(Failure::new(ExitCode::NotFound, format!("nothing named \"{}\" is shared", safe_line(name)))
                    .hint(format!("fshare shares {} lists what is shared", self.args.room)));
            }
            self.wanted.extend(found);
        }
        if self.args.names.is_empty() {
            self.wanted.extend(self.known.keys().copied());
            if self.wanted.is_empty() {
                self.context.output.note("nothing is shared yet; waiting for the next share");
            }
        }
        if self.args.to_stdout() && self.wanted.len() > 1 {
            let wanted: Vec<String> = self.wanted.iter().map(ToString::to_string).collect();
            return Err(Failure::usage(format!("only one share can go to standard output, but several match: {}", wanted.join(", ")))
                .hint("name one of them"));
        }
        Ok(())
    }

    /// What is offered is taken or declined, once it is known what is wanted.
    async fn decide(&mut self, transfers: &mut Transfers) -> Result<(), Failure> {
        if !self.listed || self.unnamed.is_some() {
            return Ok(());
        }
        for share in std::mem::take(&mut self.offered) {
            if transfers.asks_for(share) {
                continue;
            }
            let next = self.args.names.is_empty() && self.begun == 0;
            if self.wanted.remove(&share) || next {
                self.begin(transfers, share).await?;
            } else {
                transfers.decline(share).await;
            }
        }
        Ok(())
    }

    async fn begin(&mut self, transfers: &mut Transfers, share: ShareId) -> Result<(), Failure> {
        let Some((from, batch)) = self.known.get(&share) else { return Ok(()) };
        let output = &self.context.output;
        if !self.args.to_stdout() {
            tell(output, &Moved::offered(share, from, batch, true))?;
        }
        let downloader = match self.downloader(share, batch).await {
            Ok(downloader) => downloader,
            Err(failure) => {
                self.begun += 1;
                // Whoever leaves without an answer is asked again when it comes again, and its sharer waits for it. The others wait for the answer.
                if !self.bars.is_empty() || !self.wanted.is_empty() {
                    transfers.decline(share).await;
                }
                let failure = Failure { message: format!("{share}: {}", failure.message), ..failure };
                return self.on_failed(share, failure, None);
            }
        };
        let progress = transfers.receive(share, batch.id, downloader).await;
        let progress = progress.map_err(|error| failure::of_transfer("failed to receive", &error, None))?;
        self.bars.insert(share, Bar::new(output, share, batch, progress).received());
        self.begun += 1;
        Ok(())
    }

    async fn downloader(&self, share: ShareId, batch: &Batch) -> Result<Downloader, Failure> {
        if self.args.to_stdout() {
            return receive::to_stdout(batch);
        }
        let limit = self.args.limit.and_then(Bandwidth::get);
        let target = Target { folder: &self.args.output, policy: self.args.policy, conference: &self.uri, limit };
        receive::into_folder(&target, share, batch, self.context).await
    }

    async fn on_transfer(&mut self, event: TransferEvent) -> Result<(), Failure> {
        let output = &self.context.output;
        let (share, failed, record) = match event {
            TransferEvent::Downloaded { share, downloaded } => {
                self.bars.remove(&share);
                if !self.args.to_stdout() {
                    tell(output, &Moved::received(share, &downloaded))?;
                }
                receive::warn(output, &downloaded);
                if let Some(command) = &self.args.on_file {
                    self.commands.room().await;
                    self.commands.run(command.clone(), share, downloaded, self.context.clone());
                }
                return Ok(());
            }
            TransferEvent::Broken { share, error, again_in } => {
                if let Some(bar) = self.bars.get_mut(&share) {
                    bar.retried();
                }
                let (share, reason) = (share.to_string(), error.to_string());
                if !self.args.to_stdout() {
                    tell(output, &Moved::Broken { at: at(), share, reason, again_in: again_in.as_secs_f64() })?;
                }
                return Ok(());
            }
            TransferEvent::Failed { share, error, record } => {
                (share, failure::of_transfer(&format!("{share} was not received"), &error, record.as_ref()), record)
            }
            TransferEvent::Ended { share, why, record } => {
                let refused = why.as_ref().is_some_and(|why| why.code == FailureCode::Forbidden);
                let what = if refused { "is not received" } else { "was ended" };
                (share, failure::said(&format!("{share} {what}"), why.as_ref(), record.as_ref()), record)
            }
            TransferEvent::Shared { .. } | TransferEvent::NotShared { .. } | TransferEvent::Uploaded { .. } => return Ok(()),
        };
        self.bars.remove(&share);
        self.on_failed(share, failed, record)
    }

    fn on_failed(&mut self, share: ShareId, failed: Failure, record: Option<TransferName>) -> Result<(), Failure> {
        let output = &self.context.output;
        if output.is_json() && !self.args.to_stdout() {
            let (share, reason) = (share.to_string(), failed.message.clone());
            tell(output, &Moved::Failed { at: at(), share, reason, transfer: record.map(|name| name.to_string()) })?;
        }
        // The others go on; the first failure is the command's.
        if let Some(first) = self.failure.get_or_insert_with(|| failed.clone()).message.ne(&failed.message).then_some(failed) {
            output.warn(&first.message);
        }
        Ok(())
    }

    /// Breaks off what still runs, and says with which code all ends.
    async fn stop(&mut self, call: &mut Call, got: Result<(), Failure>) -> Result<(), Failure> {
        let mut resumable = None;
        for event in call.transfers.stop().await {
            match event {
                TransferEvent::Failed { record, .. } | TransferEvent::Ended { record, .. } => resumable = record.or(resumable),
                event => self.on_transfer(event).await?,
            }
        }
        match (got, self.failure.take()) {
            (Ok(()), None) => Ok(()),
            (Ok(()), Some(failure)) => Err(failure),
            (Err(failure), _) => Err(match resumable {
                Some(name) if failure.message.is_empty() => {
                    Failure::new(failure.code, "broken off").hint(format!("resume with: fshare resume {name}")).of_transfer(&name)
                }
                Some(name) => {
                    let failure = Failure { code: ExitCode::Resumable, ..failure };
                    failure.hint(format!("resume with: fshare resume {name}")).of_transfer(&name)
                }
                None => failure,
            }),
        }
    }
}

/// At a moment; never where there is none.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
