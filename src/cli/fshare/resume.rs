//! `fshare resume`: goes on with an upload or a download that was broken off.

use std::{collections::BTreeSet, pin::pin};

use tokio::time::{interval, sleep};

use super::{
    bar::{Bar, REDRAW},
    call::{self, Call, over},
    channel::{self, PatienceFlag, RelayFlag},
    failure, get,
    kept::{self, Kept, Named},
    receive,
    records::{self, found, store, untaken},
    share::{self, rate},
    shares,
    sharing::Sharing,
    show::{Moved, at, tell},
};
use crate::{
    cli::{ExitCode, Failure, confctl::dialog, secret::PinFile, settings::Context, values::Room},
    conference::client::TerminalEvent,
    config::Bandwidth,
    fileshare::{
        BatchId, ShareId,
        client::{
            Downloader, TransferError, Uploader,
            transfers::{ShareOptions, TransferEvent},
        },
        terminal::{SharingCommand, SharingEvent},
        wire::control::{Batch, Message, ShareSummary},
    },
    sip::message::SipUri,
    transfer::{Record, RecordStore, SinkError, Source, SourceOptions, TransferName, resume::ResumeError},
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    fshare resume\n  \
    fshare resume share-3-8c51f6a0b2d94e17\n  \
    fshare resume send-7-crystal-window-1f1f1f1f --patience 10m\n  \
    fshare resume send-7 --relay new.example       where the relay has moved\n  \
    fshare resume upload-share-3-8c51f6a0b2d94e17 --limit 2MiB/s";

/// What to go on with.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Transfer to resume, as fshare status names it [default: list them]
    #[arg(value_name = "TRANSFER")]
    pub transfer: Option<String>,

    /// Transfer at most this many bytes a second, such as 2MiB/s [default: as when it began]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub limit: Option<Bandwidth>,

    /// After a break of what goes through a channel; also how long the other side is waited for
    #[command(flatten)]
    pub patience: PatienceFlag,

    /// Relays that are tried before those where it was; nothing to what was begun in a conference
    #[command(flatten)]
    pub relay: RelayFlag,

    /// The PIN to enter with
    #[command(flatten)]
    pub pin: PinFile,
}

/// Runs it.
///
/// # Errors
/// No such transfer, or its share is over (4); it is running (5); as `fshare share` and `fshare get`.
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let Some(wanted) = &args.transfer else { return records::status(None, context).await };
    let store = store().await?;
    let (name, record) = found(&store, wanted).await?;
    let limit = args.limit.map(Bandwidth::get);
    match &record {
        record if kept::is_upload(record) => upload(&store, &name, args, context).await,
        record if kept::is_send(record) => channel::resume::send(&store, record, limit, &args.relay, args.patience, context).await,
        record if kept::is_receive(record) => channel::resume::receive(&store, record, &args.relay, args.patience, context).await,
        _ => go_on(&store, &name, args, context).await,
    }
}

/// Where a transfer goes on: conference, share, batch.
pub fn place(record: &Record) -> Option<(Room, ShareId, BatchId)> {
    let detail = |key: &str| record.details.get(key);
    let batch = detail("batch")?.parse().ok().map(BatchId)?;
    Some((detail("conference")?.parse().ok()?, detail("share")?.parse().ok()?, batch))
}

fn unusable(name: &TransferName) -> Failure {
    Failure::new(ExitCode::Failed, format!("the record of {name} does not say where to resume"))
}

/// Whose it is must be who asks.
fn same_account(record: &Record, context: &Context) -> Result<(), Failure> {
    let user = context.settings.config.user.as_ref().map(ToString::to_string);
    match record.details.get("user") {
        Some(began) if user.as_ref() != Some(began) => {
            Err(Failure::new(ExitCode::Denied, format!("{} was begun by the account {began}", record.transfer))
                .hint(format!("use --as {began}")))
        }
        _ => Ok(()),
    }
}

/// The server that it was begun at must be the one that is asked: another one knows nothing of it, and must not end it.
///
/// # Errors
/// It is another one (2).
pub fn same_server(record: &Record, context: &Context) -> Result<(), Failure> {
    let conference = || record.details.get("conference").filter(|_| kept::is_upload(record));
    let noted = record.details.get(kept::SERVER).or_else(conference).and_then(|uri| uri.parse::<SipUri>().ok());
    let ours = dialog::server(context);
    match noted {
        Some(noted) if !ours.is_host_of(&noted) => {
            let noted = SipUri { user: None, ..noted };
            let text = format!("{} was begun at the server {noted}, but the server in use is {}", record.transfer, ours.uri);
            Err(Failure::usage(text).hint(format!("use --server \"{noted}\", with the credentials of that server")))
        }
        _ => Ok(()),
    }
}

/// How the conference stands to an upload of ours.
pub enum Standing {
    /// It is there, by this name.
    Ours(ShareId),
    /// It is there, and not ours.
    Others,
    /// Nothing of it is there.
    Gone,
}

/// How the conference stands to an upload of ours. Names are given anew when a server starts: it is the batch that tells.
///
/// # Errors
/// The conference does not say (7, or as it says).
pub async fn standing(call: &mut Call, batch: BatchId, context: &Context) -> Result<Standing, Failure> {
    let shares = shares::list(call, context).await?;
    let same = || shares.iter().filter(|share| share.batch.id == batch);
    Ok(match (same().find(|share| share.own), same().next()) {
        (Some(share), _) => Standing::Ours(share.share),
        (None, Some(_)) => Standing::Others,
        (None, None) => Standing::Gone,
    })
}

/// It is there, and the conference takes us for somebody else.
pub fn not_ours(name: &TransferName) -> Failure {
    Failure::new(ExitCode::Denied, format!("the conference does not recognise the share of {name} as yours"))
        .hint("use --as and --credentials of the account that shared it")
}

async fn upload(store: &RecordStore, name: &TransferName, args: &Args, context: &Context) -> Result<(), Failure> {
    let (kept, manifest) = Kept::take_up(store, name, |error| untaken(name, error)).await?;
    same_server(kept.record(), context)?;
    same_account(kept.record(), context)?;
    let (room, id, batch) = place(kept.record()).ok_or_else(|| unusable(name))?;
    let named = Named::of(kept.record()).ok_or_else(|| unusable(name))?;
    let left = named.left();
    let limit = args.limit.map_or(named.limit, Bandwidth::get);
    let options = SourceOptions { follow_links: named.follow_links, ..SourceOptions::default() };
    let give_up = format!("share it again, and discard this with: fshare cancel {name}");
    let source =
        Source::from_paths(named.paths.clone(), options).await.map_err(|error| failure::of_source(&error).hint(give_up.clone()))?;
    if *source.manifest() != manifest {
        let why = "the files changed since the upload broke off";
        return Err(Failure::new(ExitCode::Failed, why).hint(give_up));
    }
    let shown = share::shown(&source);
    let uploader = Uploader::new(source).map_err(|error| failure::of_transfer("failed to resume", &error, None))?;
    let mut call = Call::open(&room, &args.pin, share::options(limit, true), context).await?;
    let sharing = Sharing::new(context, shown, manifest).lasting(left).only_for(named.to.clone());
    let shared = match standing(&mut call, batch, context).await {
        Ok(Standing::Ours(share)) => sharing.go_on(&mut call, uploader, kept, share, batch).await,
        Ok(Standing::Others) => Err(not_ours(name)),
        Ok(Standing::Gone) if left.is_some_and(|left| left.is_zero()) => {
            kept.forget().await;
            Err(Failure::new(ExitCode::NotFound, format!("{id} is no longer shared, and its time was up")))
        }
        Ok(Standing::Gone) => {
            context.output.note(format!("{id} is no longer shared: sharing the same files again"));
            let how = ShareOptions { recipients: named.to.clone(), batch: Some(batch), ..ShareOptions::default() };
            sharing.named(Some(Named { limit, ..named })).again(&mut call, uploader, kept, how).await
        }
        Err(failure) => Err(failure),
    };
    call.leave().await;
    shared
}

/// A download as its record has it.
///
/// # Errors
/// It is running (5), or damaged.
pub async fn download(store: &RecordStore, name: &TransferName) -> Result<Downloader, Failure> {
    Downloader::resume(store, name).await.map_err(|error| match error {
        TransferError::Sink(SinkError::Resume(error @ ResumeError::Busy(_))) => untaken(name, error),
        error => failure::of_transfer("failed to resume", &error, None),
    })
}

async fn go_on(store: &RecordStore, name: &TransferName, args: &Args, context: &Context) -> Result<(), Failure> {
    let downloader = download(store, name).await?;
    let record = downloader.record().cloned().ok_or_else(|| unusable(name))?;
    same_server(&record, context)?;
    let (room, share, batch) = place(&record).ok_or_else(|| unusable(name))?;
    let wanted = Wanted { name: name.clone(), share, batch, manifest: record.details.get("manifest").cloned() };
    let limit = args.limit.map_or(kept::limit(&record), Bandwidth::get);
    let mut call = Call::open(&room, &args.pin, get::options(limit), context).await?;
    let ended = Receiving { context, wanted, waiting: Some(downloader), bar: None }.run(&mut call).await;
    let mut kept = false;
    for event in call.transfers.stop().await {
        kept |= matches!(event, TransferEvent::Failed { record: Some(_), .. } | TransferEvent::Ended { record: Some(_), .. });
    }
    call.leave().await;
    ended.map_err(|failure| match (kept, failure.code) {
        (false, _) => failure,
        (true, ExitCode::Interrupted) => {
            let message = if failure.message.is_empty() { "broken off".to_owned() } else { failure.message };
            Failure { message, ..failure }.hint(format!("resume with: fshare resume {name}")).of_transfer(name)
        }
        (true, _) => Failure { code: ExitCode::Resumable, ..failure }.hint(format!("resume with: fshare resume {name}")).of_transfer(name),
    })
}

/// The share that a download is of.
struct Wanted {
    name: TransferName,
    share: ShareId,
    batch: BatchId,
    /// SHA-256 of its manifest, where it was said: the same files may be shared again.
    manifest: Option<String>,
}

impl Wanted {
    /// The share among those that there are: the same, else the same files shared again.
    fn among<'a>(&self, shares: &'a [ShareSummary]) -> Option<&'a ShareSummary> {
        let same = shares.iter().find(|share| share.share == self.share && share.batch.id == self.batch);
        same.or_else(|| shares.iter().find(|share| self.manifest.is_some() && get::manifest(&share.batch) == self.manifest))
    }
}

struct Receiving<'a> {
    context: &'a Context,
    wanted: Wanted,
    waiting: Option<Downloader>,
    bar: Option<Bar>,
}

impl Receiving<'_> {
    async fn run(&mut self, call: &mut Call) -> Result<(), Failure> {
        let output = &self.context.output;
        call.tell(SharingCommand::List).await;
        let mut offered = BTreeSet::new();
        let mut listed: Vec<ShareSummary> = Vec::new();
        let mut chosen: Option<(ShareId, Batch)> = None;
        // The conference offers what is shared to whoever comes; only where it does not, we ask.
        let mut unasked = pin!(sleep(get::OFFERS));
        let mut late = false;
        let mut redraw = interval(REDRAW);
        let mut ask = call::asking();
        let mut unlisted = pin!(sleep(self.context.settings.config.timeout.get()));
        let (session, transfers) = call.parts();
        loop {
            if let Some((share, batch)) = &chosen {
                for other in std::mem::take(&mut offered) {
                    if other != *share {
                        transfers.decline(other).await;
                    // One that is under way answers an offer that comes later itself.
                    } else if let Some(downloader) = self.waiting.take() {
                        let progress = transfers.receive(*share, batch.id, downloader).await;
                        let progress = progress.map_err(|error| failure::of_transfer("failed to receive", &error, None))?;
                        self.bar = Some(Bar::new(output, *share, batch, progress).received());
                    }
                }
            }
            tokio::select! {
                event = session.next() => {
                    let Some(event) = event else { return Err(Failure::new(ExitCode::Declined, "the call is over")) };
                    transfers.hear(&event);
                    match event {
                        SharingEvent::Offered { share, .. } => {
                            offered.insert(share);
                        }
                        SharingEvent::Said { share: None, message } => match *message {
                            Message::Shares { shares, more } => {
                                listed.extend(shares);
                                shares::bounded(listed.len())?;
                                if !more {
                                    let found = self.wanted.among(&listed).ok_or_else(|| self.over())?;
                                    chosen = Some((found.share, found.batch.clone()));
                                    if late {
                                        offered.insert(found.share);
                                    }
                                }
                            }
                            Message::Refusal(why) if chosen.is_none() => return Err(shares::refused(&why)),
                            _ => {}
                        },
                        SharingEvent::Terminal(TerminalEvent::Ended { reason, lost, .. }) => return Err(over(reason, lost)),
                        _ => {}
                    }
                }
                event = transfers.next() => if let Some(ended) = self.on_transfer(event)? {
                    return ended;
                },
                () = &mut unasked, if !late => {
                    late = true;
                    offered.extend(chosen.as_ref().map(|(share, _)| *share));
                }
                () = &mut unlisted, if chosen.is_none() => return Err(shares::unsaid()),
                _ = ask.tick() => call::ask(session).await,
                _ = redraw.tick() => if let Some(bar) = &mut self.bar {
                    bar.show(output)?;
                },
                () = self.context.leaving.cancelled() => return Err(Failure::silent(ExitCode::Interrupted)),
            }
        }
    }

    /// Nobody shares it any more.
    fn over(&self) -> Failure {
        Failure::new(ExitCode::NotFound, format!("{} is no longer shared", self.wanted.share)).hint(format!(
            "the sharer has to share it again, with fshare resume or fshare share; then continue with fshare resume {0}, or discard it with fshare cancel {0}",
            self.wanted.name
        ))
    }

    fn on_transfer(&mut self, event: TransferEvent) -> Result<Option<Result<(), Failure>>, Failure> {
        let output = &self.context.output;
        match event {
            TransferEvent::Downloaded { share, downloaded } => {
                let told = tell(output, &Moved::received(share, &downloaded));
                receive::warn(output, &downloaded);
                return Ok(Some(told));
            }
            TransferEvent::Broken { share, error, again_in } => {
                if let Some(bar) = &mut self.bar {
                    bar.retried();
                }
                let (share, reason) = (share.to_string(), error.to_string());
                tell(output, &Moved::Broken { at: at(), share, reason, again_in: again_in.as_secs_f64() })?;
            }
            TransferEvent::Failed { share, error, record } => {
                return Err(failure::of_transfer(&format!("{share} was not received"), &error, record.as_ref()));
            }
            TransferEvent::Ended { share, why, record } => {
                return Err(failure::said(&format!("{share} cannot be resumed"), why.as_ref(), record.as_ref()));
            }
            TransferEvent::Shared { .. } | TransferEvent::NotShared { .. } | TransferEvent::Uploaded { .. } => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        cli::{
            output::{Look, Output},
            settings::Settings,
        },
        config::ClientConfig,
        fileshare::client::Downloaded,
        transfer::sink::Finished,
    };

    #[derive(Debug, Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("paper").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn another_server_than_that_of_the_record_is_not_asked() {
        let context = |server: &str| {
            let look = Look { json: false, quiet: false, terminal: false, colour: false, colour_errors: false, lively: false };
            let output = Output::on(look, Box::new(io::sink()), Box::new(io::sink()));
            let server = server.parse().expect("a server");
            let settings = Settings { server, config: ClientConfig::default(), password_file: None, password: None };
            Context { output, leaving: CancellationToken::new(), settings }
        };
        let record = |details: &[(&str, &str)]| Record {
            version: crate::transfer::resume::VERSION,
            transfer: TransferName::new("t1").expect("a name"),
            manifest: crate::transfer::Digest::blake3(b""),
            algorithm: crate::transfer::Algorithm::Blake3,
            durable: 0,
            journal: 0,
            target: String::new(),
            overwrite: crate::transfer::Overwrite::Refuse,
            checkpoint: 0,
            reserve: 0,
            sparse: crate::transfer::Sparse::default(),
            xattrs: false,
            called: None,
            placing: false,
            epoch: 0,
            created: 0,
            changed: 0,
            boot: None,
            details: details.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        };
        let home = context("sip:192.0.2.1;transport=tcp");
        let upload = ("kind", "upload");
        for (details, same) in [
            (vec![upload, ("server", "sip:192.0.2.1")], true),
            (vec![upload, ("server", "sip:192.0.2.1:5070")], false),
            // Of an earlier version: uploads go to the own server alone, downloads come from anywhere.
            (vec![upload, ("conference", "sip:room@192.0.2.2")], false),
            (vec![upload, ("conference", "sip:room@192.0.2.1")], true),
            (vec![("conference", "sip:room@192.0.2.2")], true),
            (vec![("conference", "sip:room@192.0.2.2"), ("server", "sip:192.0.2.1")], true),
        ] {
            let verdict = same_server(&record(&details), &home);
            assert_eq!(verdict.as_ref().map_err(|failure| failure.code), if same { Ok(&()) } else { Err(ExitCode::Usage) }, "{details:?}");
        }
    }

    #[test]
    fn what_could_not_be_kept_of_a_file_is_told_when_a_download_was_gone_on_with_too() {
        let paper = Paper::default();
        let look = Look { json: false, quiet: false, terminal: false, colour: false, colour_errors: false, lively: false };
        let output = Output::on(look, Box::new(io::sink()), Box::new(paper.clone()));
        let server = "sip:192.0.2.1".parse().expect("a server");
        let settings = Settings { server, config: ClientConfig::default(), password_file: None, password: None };
        let context = Context { output, leaving: CancellationToken::new(), settings };
        let share: ShareId = "share-1".parse().expect("a share");
        let wanted = Wanted { name: TransferName::new("t1").expect("a name"), share, batch: BatchId(1), manifest: None };
        let files = Finished { files: Vec::new(), root: None, warnings: vec!["a.bin: its time is out of range".to_owned()] };
        let event = TransferEvent::Downloaded { share, downloaded: Box::new(Downloaded { bytes: 0, files }) };
        let ended = Receiving { context: &context, wanted, waiting: None, bar: None }.on_transfer(event);
        assert!(matches!(ended, Ok(Some(Ok(())))), "{ended:?}");
        let told = String::from_utf8(paper.0.lock().expect("paper").clone()).expect("text");
        assert!(told.contains("a.bin: its time is out of range"), "{told}");
    }
}
