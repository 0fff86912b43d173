//! Files in the dialog of a call: what is shared once we are in, and what of others' is received, while the audio goes on.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use tokio::sync::{mpsc::Sender, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{
        ExitCode, Failure, Output,
        fshare::{
            failure,
            receive::{self, Commands},
            share::{self, Via},
            show::{Bar, Moved, at},
        },
        output::safe_line,
        settings::Context,
    },
    config::Bandwidth,
    fileshare::{
        ShareId,
        client::{
            Downloaded, Downloader, Snapshot, TransferError, Uploader,
            transfers::{ShareOptions, TransferEvent, TransferOptions, Transfers},
        },
        terminal::{Opening, SharingCommand, SharingEvent},
        wire::control::{Batch, DownloadOffer, Member, Message},
    },
    transfer::TransferName,
};

/// What to share, and where to put what others share.
#[derive(Debug, Clone, clap::Args)]
pub struct FileArgs {
    /// Share these files and folders once in; - for standard input
    #[arg(long, value_name = "PATH", num_args = 1.., value_hint = clap::ValueHint::AnyPath)]
    pub share: Vec<PathBuf>,

    /// How the share is opened: by re-INVITE, or by INFO
    #[arg(long, value_name = "WAY", value_enum, default_value_t, requires = "share")]
    pub via: Via,

    /// Receive what is shared into this folder; otherwise it is declined
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub download: Option<PathBuf>,

    /// Run this command of the shell for every file that came; its path is $1
    #[arg(long, value_name = "CMD", requires = "download", value_hint = clap::ValueHint::CommandString)]
    pub on_file: Option<String>,

    /// What happens with files that are there already; they are refused otherwise
    #[command(flatten)]
    pub policy: receive::Policy,

    /// Most bytes a second of each share, such as 2MiB/s
    #[arg(long, value_name = "RATE", value_parser = share::rate)]
    pub limit: Option<Bandwidth>,
}

/// What is to be shared, read before anybody is called: a file that is not there is no reason to disturb a conference.
pub(super) struct Shared {
    uploader: Uploader,
    batch: Batch,
}

impl FileArgs {
    /// Looks at what is to be shared.
    ///
    /// # Errors
    /// A file is not there (4), cannot be read, or has a name that cannot travel (2).
    pub(super) async fn shared(&self) -> Result<Option<Shared>, Failure> {
        if self.share.is_empty() {
            return Ok(None);
        }
        let source = share::source(&self.share, "stdin", false).await?;
        let batch = share::shown(&source);
        let uploader = Uploader::new(source).map_err(|error| failure::of_transfer("failed to share", &error, None))?;
        Ok(Some(Shared { uploader, batch }))
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
        let options = TransferOptions { limit: args.limit.and_then(Bandwidth::get), ..TransferOptions::default() };
        Self {
            args: args.clone(),
            output: context.output.clone(),
            context: context.clone(),
            uri: uri.to_owned(),
            transfers: Transfers::new(terminal, local, options),
            waiting: shared,
            ours: None,
            bars: BTreeMap::new(),
            commands: Commands::default(),
            failure: None,
        }
    }

    /// Something is to be shared, once we are in.
    pub(super) fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    /// We are in: what is to be shared is shared, once.
    pub(super) async fn begin(&mut self) {
        let Some(Shared { uploader, batch }) = self.waiting.take() else { return };
        let opening = if self.args.via == Via::Info { Opening::Info } else { Opening::Reinvite };
        match self.transfers.share(uploader, ShareOptions { opening, ..ShareOptions::default() }).await {
            Ok((_, progress)) => {
                self.ours = Some(Ours { batch, progress: Some(progress), share: None, uploaded: false, members: Vec::new() });
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
                            self.tell(&Moved::finished(share, &members))
                        }
                        _ => Ok(()),
                    }
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Somebody shares: the answer must come at once, since the call's session waits for it.
    async fn offered(&mut self, share: ShareId, offer: DownloadOffer) -> Result<(), Failure> {
        let DownloadOffer { from, batch, .. } = offer;
        let wanted = match &self.args.download {
            Some(folder) => match receive::into_folder(folder, self.args.policy, &self.uri, share, &batch, &self.context).await {
                Ok(downloader) => self.receive(share, &batch, downloader).await,
                Err(failure) => {
                    self.fail(failure);
                    false
                }
            },
            None => false,
        };
        if !wanted {
            self.transfers.decline(share).await;
        }
        self.tell(&Moved::offered(share, &from, &batch, wanted))
    }

    async fn receive(&mut self, share: ShareId, batch: &Batch, downloader: Downloader) -> bool {
        match self.transfers.receive(share, batch.id, downloader).await {
            Ok(progress) => {
                self.bars.insert(share, Bar::new(&self.output, share, batch, progress));
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
    pub(super) fn became(&mut self, event: TransferEvent) -> Result<(), Failure> {
        let (share, failed, record) = match event {
            TransferEvent::Shared { share, .. } => {
                let Some(ours) = &mut self.ours else { return Ok(()) };
                ours.share = Some(share);
                if let Some(progress) = ours.progress.take() {
                    self.bars.insert(share, Bar::new(&self.output, share, &ours.batch, progress));
                }
                let (entries, bytes) = (ours.batch.entries.into(), ours.batch.bytes);
                return self.tell(&Moved::Shared { at: at(), share: share.to_string(), entries, bytes });
            }
            TransferEvent::NotShared { why, .. } => {
                self.ours = None;
                return self.failed(None, failure::said("the conference does not take the share", Some(&why), None), None);
            }
            TransferEvent::Uploaded { share, bytes } => {
                self.bars.remove(&share);
                if let Some(ours) = &mut self.ours {
                    ours.uploaded = true;
                }
                return self.tell(&Moved::Uploaded { at: at(), share: share.to_string(), bytes });
            }
            TransferEvent::Downloaded { share, downloaded } => return self.received(share, downloaded),
            TransferEvent::Broken { share, error, again_in } => {
                let (share, reason, again_in) = (share.to_string(), error.to_string(), again_in.as_secs_f64());
                return self.tell(&Moved::Broken { at: at(), share, reason, again_in });
            }
            TransferEvent::Failed { share, error, record } => {
                let what = if self.is_ours(share) { "shared" } else { "received" };
                (share, failure::of_transfer(&format!("{share} was not {what}"), &error, record.as_ref()), record)
            }
            TransferEvent::Ended { share, why, record } => {
                (share, failure::said(&format!("{share} was ended"), why.as_ref(), record.as_ref()), record)
            }
        };
        self.bars.remove(&share);
        if self.is_ours(share) {
            self.ours = None;
        }
        self.failed(Some(share), failed, record)
    }

    fn is_ours(&self, share: ShareId) -> bool {
        self.ours.as_ref().is_some_and(|ours| ours.share == Some(share))
    }

    fn received(&mut self, share: ShareId, downloaded: Box<Downloaded>) -> Result<(), Failure> {
        self.bars.remove(&share);
        self.output.event(&Moved::received(share, &downloaded))?;
        for warning in &downloaded.files.warnings {
            self.output.warn(safe_line(warning));
        }
        let Some(command) = self.args.on_file.clone() else { return Ok(()) };
        if self.commands.is_full() {
            self.output.warn(format_args!("too many commands of --on-file wait: it is not run for {share}"));
            return Ok(());
        }
        self.commands.run(command, share, downloaded, self.context.clone());
        Ok(())
    }

    fn failed(&mut self, share: Option<ShareId>, failed: Failure, record: Option<TransferName>) -> Result<(), Failure> {
        if self.output.is_json() {
            let (share, reason) = (share.map_or_else(String::new, |share| share.to_string()), failed.message.clone());
            self.output.event(&Moved::Failed { at: at(), share, reason, transfer: record.map(|name| name.to_string()) })?;
        }
        self.fail(failed);
        Ok(())
    }

    /// The first failure is how the program ends; the call goes on, so that each is said when it happens.
    fn fail(&mut self, failure: Failure) {
        self.output.warn(&failure.message);
        self.failure.get_or_insert(failure);
    }

    /// Redraws the bars, and tells programs how far it is.
    pub(super) fn draw(&mut self) -> Result<(), Failure> {
        self.bars.values_mut().try_for_each(|bar| bar.show(&self.output))
    }

    /// Bars are there to be drawn.
    pub(super) fn is_moving(&self) -> bool {
        !self.bars.is_empty()
    }

    /// Breaks off what still runs: what came can be gone on with, what went has to be shared again.
    ///
    /// # Errors
    /// Standard output cannot be written to.
    pub(super) async fn stop(&mut self) -> Result<(), Failure> {
        for event in self.transfers.stop().await {
            match event {
                TransferEvent::Failed { share, error: TransferError::Stopped, record } if !self.is_ours(share) => {
                    self.fail(match record {
                        Some(name) => Failure::new(ExitCode::Resumable, format!("left before all of {share} was received"))
                            .hint(format!("go on with: fshare resume {name}")),
                        None => Failure::new(ExitCode::Unreachable, format!("left before {share} was received")),
                    });
                }
                TransferEvent::Failed { error: TransferError::Stopped, .. } => {}
                event => self.became(event)?,
            }
        }
        if let Some(ours) = self.ours.as_ref().filter(|ours| !ours.uploaded) {
            let what = ours.share.map_or_else(|| "what was to be shared".to_owned(), |share| share.to_string());
            self.fail(Failure::new(ExitCode::Unreachable, format!("left before all of {what} was uploaded")).hint("share it again"));
        }
        Ok(())
    }

    /// Waits for the commands of `--on-file`, but for nobody who wants to be gone. Why not all was shared and received, where it was not.
    pub(super) async fn close(self, leaving: &CancellationToken) -> Option<Failure> {
        // Whoever wants to be gone knows that he broke them off.
        let _ = self.commands.end(leaving).await;
        self.failure
    }

    /// With `-q` only what was asked for is told: what was received.
    fn tell(&self, event: &Moved) -> Result<(), Failure> {
        if self.output.is_json() || !self.output.is_quiet() { self.output.event(event) } else { Ok(()) }
    }
}
