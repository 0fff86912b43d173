//! Files in the dialog of a call: what is shared once we are in, and what of others' is received, while the audio goes on.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, time::Duration};

use tokio::{
    sync::{mpsc::Sender, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{
        ExitCode, Failure, Output,
        fshare::{
            bar::Bar,
            failure,
            kept::{Kept, Named},
            receive::{self, Commands, Target},
            share::{self, Via},
            show::{Moved, at, tell},
        },
        output::safe_line,
        settings::Context,
    },
    config::Bandwidth,
    fileshare::{
        ShareId,
        client::{
            Downloaded, Downloader, Snapshot, TransferError, Uploader,
            transfers::{ShareOptions, TransferEvent, Transfers},
        },
        terminal::{Opening, SharingCommand, SharingEvent},
        wire::control::{Batch, DownloadOffer, Member, Message},
    },
    sip::endpoint::Reason,
    transfer::{Manifest, SourceOptions, TransferName},
};

use super::Happenings;

/// How long the conference may take to say that it waits for us.
const ANSWER: Duration = Duration::from_secs(2);

/// What to share, and where to put what others share.
#[derive(Debug, Clone, clap::Args)]
pub struct FileArgs {
    /// Share these files and folders after joining; - for standard input
    #[arg(long, value_name = "PATH", num_args = 1.., value_hint = clap::ValueHint::AnyPath)]
    pub share: Vec<PathBuf>,

    /// How to open the share: by re-INVITE, or by INFO
    #[arg(long, value_name = "WAY", value_enum, default_value_t, requires = "share")]
    pub via: Via,

    /// Receive what is shared into this folder [default: decline it]
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub download: Option<PathBuf>,

    /// Run this shell command for every file received; its path is $1
    ///
    /// The command's output goes to standard error. If it fails for a file, confctl says so and exits with 1; the file is verified and stays where it is.
    #[arg(long, value_name = "CMD", requires = "download", value_hint = clap::ValueHint::CommandString)]
    pub on_file: Option<String>,

    /// What happens with files that are there already; they are refused otherwise
    #[command(flatten)]
    pub policy: receive::Policy,

    /// Transfer at most this many bytes a second for each share, such as 2MiB/s
    #[arg(long, value_name = "RATE", value_parser = share::rate)]
    pub limit: Option<Bandwidth>,
}

/// What is to be shared, read before anybody is called: a file that is not there is no reason to disturb a conference.
pub(super) struct Shared {
    uploader: Uploader,
    batch: Batch,
    /// What a record is to say, where one is kept.
    named: Option<Named>,
}

impl FileArgs {
    /// Looks at what is to be shared.
    ///
    /// # Errors
    /// A file is not there (4), cannot be read, or has a name that cannot travel (2).
    pub(super) async fn shared(&self, context: &Context) -> Result<Option<Shared>, Failure> {
        if self.share.is_empty() {
            return Ok(None);
        }
        let source = share::source(&self.share, "stdin", SourceOptions::default(), &context.output).await?;
        let batch = share::shown(&source);
        let uploader = Uploader::new(source).map_err(|error| failure::of_transfer("failed to share", &error, None))?;
        let user = context.settings.config.user.as_ref().map(ToString::to_string);
        let named = Named::new(user, &self.share, false).map(|named| Named { limit: self.limit.and_then(Bandwidth::get), ..named });
        Ok(Some(Shared { uploader, batch, named }))
    }
}

/// A share of ours.
struct Ours {
    batch: Batch,
    /// Until it is there and has a bar.
    progress: Option<watch::Receiver<Snapshot>>,
    share: Option<ShareId>,
    /// All of it is at the server.
    uploaded: bool,
    /// How members fared, as far as it was told.
    members: Vec<Member>,
    manifest: Manifest,
    named: Option<Named>,
    /// What is kept of it, so that fshare resume can go on with it.
    kept: Option<Kept>,
}

/// The files of a call. Whatever becomes of them, the call goes on; what failed first is how the program ends.
pub(super) struct Files {
    args: FileArgs,
    output: Output,
    context: Context,
    /// The conference, for records, so that `fshare resume` knows where to go on.
    uri: String,
    transfers: Transfers,
    waiting: Option<Shared>,
    ours: Option<Ours>,
    bars: BTreeMap<ShareId, Bar>,
    commands: Commands,
    failure: Option<Failure>,
    terminal: Sender<SharingCommand>,
    /// Offered by a line, which does not say by whom; whether it is received. The list that was asked for says it.
    untold: BTreeMap<ShareId, (Batch, bool)>,
}

impl Files {
    pub(super) fn new(
        args: &FileArgs,
        shared: Option<Shared>,
        terminal: Sender<SharingCommand>,
        local: IpAddr,
        uri: &str,
        context: &Context,
    ) -> Self {
        let come_again = shared.as_ref().is_some_and(|shared| shared.named.is_some());
        let options = share::options(args.limit.and_then(Bandwidth::get), come_again);
        Self {
            args: args.clone(),
            output: context.output.clone(),
            context: context.clone(),
            uri: uri.to_owned(),
            transfers: Transfers::new(terminal.clone(), local, options),
            waiting: shared,
            ours: None,
            bars: BTreeMap::new(),
            commands: Commands::default(),
            failure: None,
            terminal,
            untold: BTreeMap::new(),
        }
    }

    /// Something is to be shared, once we are in.
    pub(super) fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    /// We are in: what is to be shared is shared, once.
    pub(super) async fn begin(&mut self) {
        let Some(Shared { uploader, batch, named }) = self.waiting.take() else { return };
        let manifest = uploader.source().manifest().clone();
        let named = named.map(|named| Named { conference: self.uri.clone(), ..named });
        let opening = if self.args.via == Via::Info { Opening::Info } else { Opening::Reinvite };
        match self.transfers.share(uploader, ShareOptions { opening, ..ShareOptions::default() }).await {
            Ok((_, progress)) => {
                let (share, uploaded, members, kept) = Default::default();
                self.ours = Some(Ours { batch, progress: Some(progress), share, uploaded, members, manifest, named, kept });
            }
            Err(error) => self.fail(failure::of_transfer("failed to share", &error, None)),
        }
    }

    /// What the signalling told.
    pub(super) async fn hear(&mut self, event: SharingEvent) -> Result<(), Failure> {
        self.transfers.hear(&event);
        match event {
            SharingEvent::Offered { share, offer } => self.offered(share, *offer).await,
            SharingEvent::Said { share, message } => match (*message, self.ours.as_mut()) {
                (Message::ShareComplete { members, more }, Some(ours)) if share == ours.share => {
                    ours.members.extend(members);
                    match share {
                        Some(share) if !more => {
                            let members = std::mem::take(&mut ours.members);
                            tell(&self.output, &Moved::finished(share, &members, false))
                        }
                        _ => Ok(()),
                    }
                }
                (Message::Shares { shares, .. }, _) => shares.into_iter().try_for_each(|known| self.told(known.share, &known.from)),
                (Message::Refusal(_), _) if share.is_none() => self.all_told(),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// It is known by whom a share is, or that it will not be said.
    fn told(&mut self, share: ShareId, from: &str) -> Result<(), Failure> {
        let Some((batch, wanted)) = self.untold.remove(&share) else { return Ok(()) };
        tell(&self.output, &Moved::offered(share, from, &batch, wanted))
    }

    fn all_told(&mut self) -> Result<(), Failure> {
        let all: Vec<ShareId> = self.untold.keys().copied().collect();
        all.into_iter().try_for_each(|share| self.told(share, ""))
    }

    /// Somebody shares: the answer must come at once, since the call's session waits for it.
    async fn offered(&mut self, share: ShareId, offer: DownloadOffer) -> Result<(), Failure> {
        if self.transfers.asks_for(share) {
            return Ok(());
        }
        let DownloadOffer { from, batch, .. } = offer;
        let mut failed = None;
        let wanted = match &self.args.download {
            Some(folder) => {
                let limit = self.args.limit.and_then(Bandwidth::get);
                let target = Target { folder, policy: self.args.policy, conference: &self.uri, limit };
                match receive::into_folder(&target, share, &batch, &self.context).await {
                    Ok(downloader) => self.receive(share, &batch, downloader).await,
                    Err(failure) => {
                        failed = Some(Failure { message: format!("{share}: {}", failure.message), ..failure });
                        false
                    }
                }
            }
            None => false,
        };
        if !wanted {
            self.transfers.decline(share).await;
        }
        self.untold.insert(share, (batch, wanted));
        if from.is_empty() && failed.is_none() {
            // Where there is no room to ask, or no answer, it is told with what becomes of it.
            return if self.terminal.try_send(SharingCommand::List).is_ok() { Ok(()) } else { self.told(share, "") };
        }
        self.told(share, &from)?;
        failed.map_or(Ok(()), |failed| self.failed(Some(share), failed, None))
    }

    async fn receive(&mut self, share: ShareId, batch: &Batch, downloader: Downloader) -> bool {
        match self.transfers.receive(share, batch.id, downloader).await {
            Ok(progress) => {
                self.bars.insert(share, Bar::new(&self.output, share, batch, progress).received());
                true
            }
            Err(error) => {
                self.fail(failure::of_transfer(&format!("{share} was not received"), &error, None));
                false
            }
        }
    }

    /// What became of a transfer, once something has.
    pub(super) async fn next(&mut self) -> TransferEvent {
        self.transfers.next().await
    }

    /// Something became of a transfer.
    pub(super) async fn became(&mut self, event: TransferEvent) -> Result<(), Failure> {
        if let TransferEvent::Downloaded { share, .. } | TransferEvent::Failed { share, .. } | TransferEvent::Ended { share, .. } = &event {
            self.told(*share, "")?;
        }
        let (share, failed, record) = match event {
            TransferEvent::Shared { share, batch, .. } => {
                let Some(ours) = &mut self.ours else { return Ok(()) };
                ours.share = Some(share);
                if let Some(named) = ours.named.take() {
                    match Kept::begin(&named, share, batch, &ours.manifest).await {
                        Ok(kept) => ours.kept = kept,
                        Err(failure) => {
                            self.output.note(format!("if this upload breaks off, it cannot be resumed: {}", failure.message));
                        }
                    }
                }
                if let Some(progress) = ours.progress.take() {
                    self.bars.insert(share, Bar::new(&self.output, share, &ours.batch, progress));
                }
                let (entries, bytes, files) = (ours.batch.entries.into(), ours.batch.bytes, Some(ours.manifest.files().len() as u64));
                return tell(&self.output, &Moved::Shared { at: at(), share: share.to_string(), entries, bytes, files });
            }
            TransferEvent::NotShared { why, .. } => {
                self.ours = None;
                return self.failed(None, failure::said("the conference did not accept the share", Some(&why), None), None);
            }
            TransferEvent::Uploaded { share, bytes } => {
                self.bars.remove(&share);
                if let Some(ours) = &mut self.ours {
                    ours.uploaded = true;
                    if let Some(kept) = ours.kept.take() {
                        kept.forget().await;
                    }
                }
                return tell(&self.output, &Moved::Uploaded { at: at(), share: share.to_string(), bytes });
            }
            TransferEvent::Downloaded { share, downloaded } => return self.received(share, downloaded),
            TransferEvent::Broken { share, error, again_in } => {
                let (share, reason, again_in) = (share.to_string(), error.to_string(), again_in.as_secs_f64());
                return tell(&self.output, &Moved::Broken { at: at(), share, reason, again_in });
            }
            TransferEvent::Failed { share, error, .. } if self.is_ours(share) => {
                let failed = failure::of_transfer(&format!("{share} was not shared"), &error, None);
                return self.not_uploaded(share, failed, error.is_resumable()).await;
            }
            TransferEvent::Ended { share, why, .. } if self.is_ours(share) => {
                let failed = failure::said(&format!("{share} was ended"), why.as_ref(), None);
                // Nobody ended it: the conference waits, if it lives.
                let lost = failed.code == ExitCode::Unreachable;
                return self.not_uploaded(share, failed, lost).await;
            }
            TransferEvent::Failed { share, error, record } => {
                (share, failure::of_transfer(&format!("{share} was not received"), &error, record.as_ref()), record)
            }
            TransferEvent::Ended { share, why, record } => {
                (share, failure::said(&format!("{share} was ended"), why.as_ref(), record.as_ref()), record)
            }
        };
        self.bars.remove(&share);
        self.failed(Some(share), failed, record)
    }

    /// The upload ended before all of it was at the server; `again`: fshare resume can go on with it, where it is kept.
    async fn not_uploaded(&mut self, share: ShareId, failed: Failure, again: bool) -> Result<(), Failure> {
        let bytes = self.bars.remove(&share).map_or(0, |bar| bar.bytes());
        let kept = self.ours.take().and_then(|ours| ours.kept);
        let (failed, record) = match kept {
            Some(kept) if again => {
                let name = kept.name().clone();
                kept.leave(bytes).await;
                let hint = format!("resume with: fshare resume {name}; or end the share with: fshare cancel {name}");
                (Failure { code: ExitCode::Resumable, ..failed }.hint(hint).of_transfer(&name), Some(name))
            }
            Some(kept) => {
                kept.forget().await;
                (failed, None)
            }
            None => (failed, None),
        };
        self.failed(Some(share), failed, record)
    }

    fn is_ours(&self, share: ShareId) -> bool {
        self.ours.as_ref().is_some_and(|ours| ours.share == Some(share))
    }

    fn received(&mut self, share: ShareId, downloaded: Box<Downloaded>) -> Result<(), Failure> {
        self.bars.remove(&share);
        tell(&self.output, &Moved::received(share, &downloaded))?;
        for warning in &downloaded.files.warnings {
            self.output.warn(safe_line(warning));
        }
        let Some(command) = self.args.on_file.clone() else { return Ok(()) };
        if self.commands.is_full() {
            self.output.warn(format_args!("too many --on-file commands are waiting: not running it for {share}"));
            return Ok(());
        }
        self.commands.run(command, share, downloaded, self.context.clone());
        Ok(())
    }

    fn failed(&mut self, share: Option<ShareId>, failed: Failure, record: Option<TransferName>) -> Result<(), Failure> {
        if self.output.is_json() {
            let (share, reason) = (share.map_or_else(String::new, |share| share.to_string()), failed.message.clone());
            tell(&self.output, &Moved::Failed { at: at(), share, reason, transfer: record.map(|name| name.to_string()) })?;
        }
        self.fail(failed);
        Ok(())
    }

    /// The first failure is how the program ends; the call goes on, so that each is said when it happens.
    fn fail(&mut self, failure: Failure) {
        match &failure.hint {
            Some(hint) => self.output.warn(format_args!("{}; {hint}", failure.message)),
            None => self.output.warn(&failure.message),
        }
        self.failure.get_or_insert(failure);
    }

    /// Redraws the bars, and tells programs how far it is.
    pub(super) fn draw(&mut self) -> Result<(), Failure> {
        if let Some(ours) = &mut self.ours
            && let (Some(kept), Some(bar)) = (&mut ours.kept, ours.share.and_then(|share| self.bars.get(&share)))
        {
            kept.note(bar.bytes());
        }
        self.bars.values_mut().try_for_each(|bar| bar.show(&self.output))
    }

    /// The call is over, for this reason where one was said.
    pub(super) fn call_ended(&mut self, reason: Option<&Reason>) {
        self.transfers.call_ended(reason);
    }

    /// Bars are there to be drawn.
    pub(super) fn is_moving(&self) -> bool {
        !self.bars.is_empty()
    }

    /// Breaks off what still runs: what came can be gone on with, and what went, where it is kept and the conference waits for it. It is asked
    /// by `happenings`, as long as there is a call.
    ///
    /// # Errors
    /// Standard output cannot be written to.
    pub(super) async fn stop(&mut self, happenings: Option<&mut Happenings>) -> Result<(), Failure> {
        self.all_told()?;
        let last = self.transfers.stop().await;
        let breaks_off = |event: &TransferEvent| matches!(event, TransferEvent::Failed { share, .. } if self.is_ours(*share));
        let suspended = last.iter().any(breaks_off) && self.ours.as_ref().is_some_and(|ours| ours.kept.is_some());
        let waited_for = suspended && self.is_waited_for(happenings).await;
        for event in last {
            match event {
                TransferEvent::Failed { share, error: TransferError::Stopped, record } if !self.is_ours(share) => {
                    self.fail(match record {
                        Some(name) => Failure::new(ExitCode::Resumable, format!("left before all of {share} was received"))
                            .hint(format!("resume with: fshare resume {name}"))
                            .of_transfer(&name),
                        None => Failure::new(ExitCode::Unreachable, format!("left before {share} was received")),
                    });
                }
                TransferEvent::Failed { share, error: TransferError::Stopped, .. } => {
                    let failed = Failure::new(ExitCode::Unreachable, format!("left before all of {share} was uploaded"));
                    let failed = if waited_for { failed } else { failed.hint("share it again") };
                    self.not_uploaded(share, failed, waited_for).await?;
                }
                event => self.became(event).await?,
            }
        }
        if let Some(ours) = self.ours.as_ref().filter(|ours| !ours.uploaded) {
            let what = ours.share.map_or_else(|| "what was to be shared".to_owned(), |share| share.to_string());
            self.fail(Failure::new(ExitCode::Unreachable, format!("left before all of {what} was uploaded")).hint("share it again"));
        }
        Ok(())
    }

    /// The upload said that it comes again: whether that is agreed on. Without an answer, or a call to ask in, it may be.
    async fn is_waited_for(&self, happenings: Option<&mut Happenings>) -> bool {
        let (Some(happenings), Some(ours)) = (happenings, self.ours.as_ref().and_then(|ours| ours.share)) else { return true };
        let answer = async {
            while let Some(event) = happenings.next().await {
                match event {
                    SharingEvent::Said { share: Some(share), message } if share == ours => match *message {
                        Message::Done => return true,
                        Message::Refusal(_) => return false,
                        _ => {}
                    },
                    SharingEvent::Ended { share, .. } if share == ours => return false,
                    _ => {}
                }
            }
            true
        };
        timeout(ANSWER, answer).await.unwrap_or(true)
    }

    /// Waits for the commands of `--on-file`, but for nobody who wants to be gone. Why not all was shared and received, where it was not.
    pub(super) async fn close(self, leaving: &CancellationToken) -> Option<Failure> {
        // Whoever wants to be gone knows that he broke them off.
        let handed = self.commands.end(leaving).await.err().filter(|failure| failure.code != ExitCode::Interrupted);
        self.failure.or(handed)
    }
}
