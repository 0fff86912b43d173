//! `fshare status`, `resume` and `cancel`: downloads that were broken off, from the records that they left.

use serde::Serialize;

use super::{
    call::Call,
    failure, get, receive,
    share::{REDRAW, rate},
    show::{Bar, Moved, at, human},
};
use crate::{
    cli::{
        ExitCode, Failure, OrFail as _,
        output::{Page, Report, Table, safe_line},
        secret::PinFile,
        settings::Context,
        values::Room,
    },
    conference::client::TerminalEvent,
    config::Bandwidth,
    fileshare::{
        BatchId, ShareId,
        client::{Downloader, transfers::TransferEvent},
        terminal::SharingEvent,
        wire::control::Batch,
    },
    transfer::{Record, RecordStore, TransferName, resume::ResumeError},
};

/// Shown under the help.
pub const STATUS_EXAMPLES: &str = "Examples:\n  fshare status\n  fshare --json status | jq -r '.transfers[].transfer'";
/// Shown under the help.
pub const RESUME_EXAMPLES: &str = "Examples:\n  fshare resume share-3-8c51f6a0b2d94e17";
/// Shown under the help.
pub const CANCEL_EXAMPLES: &str = "Examples:\n  fshare cancel share-3-8c51f6a0b2d94e17";

/// What to show.
#[derive(Debug, Clone, clap::Args)]
pub struct StatusArgs {
    /// Only this one
    #[arg(value_name = "TRANSFER")]
    pub transfer: Option<String>,
}

/// What to go on with.
#[derive(Debug, Clone, clap::Args)]
pub struct ResumeArgs {
    /// As fshare status names it
    #[arg(value_name = "TRANSFER")]
    pub transfer: String,

    /// Most bytes a second, such as 2MiB/s
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub limit: Option<Bandwidth>,

    /// The PIN to enter with
    #[command(flatten)]
    pub pin: PinFile,
}

/// What to give up.
#[derive(Debug, Clone, clap::Args)]
pub struct CancelArgs {
    /// As fshare status names it
    #[arg(value_name = "TRANSFER")]
    pub transfer: String,
}

/// Downloads that were broken off.
#[derive(Debug, Clone, Serialize)]
struct Broken {
    transfers: Vec<Row>,
}

/// One of them.
#[derive(Debug, Clone, Serialize)]
struct Row {
    /// What `resume` and `cancel` take.
    transfer: String,
    /// The conference's address.
    conference: Option<String>,
    /// The share.
    share: Option<String>,
    /// Bytes that are here.
    bytes: u64,
    /// Where they go.
    folder: String,
}

impl From<Record> for Row {
    fn from(record: Record) -> Self {
        let detail = |key: &str| record.details.get(key).cloned();
        let (conference, share) = (detail("conference"), detail("share"));
        Self { transfer: record.transfer.to_string(), conference, share, bytes: record.durable, folder: record.target }
    }
}

impl Report for Broken {
    fn page(&self, page: &mut Page) {
        let mut table = Table::new(["transfer", "conference", "here", "folder"]);
        for row in &self.transfers {
            let conference = row.conference.clone().unwrap_or_default();
            table.row([row.transfer.clone(), conference, human(row.bytes), row.folder.clone()]);
        }
        page.table(table);
    }
}

fn store() -> Result<RecordStore, Failure> {
    receive::records()?.ok_or_else(|| Failure::usage("there is no place for records: neither XDG_STATE_HOME nor HOME is set"))
}

fn named(text: &str) -> Result<TransferName, Failure> {
    TransferName::new(text).map_err(|_| no_such(text))
}

fn no_such(text: &str) -> Failure {
    Failure::new(ExitCode::NotFound, format!("no download is named \"{}\"", safe_line(text))).hint("fshare status lists them")
}

/// `fshare status`.
///
/// # Errors
/// No such transfer (4).
pub fn status(args: &StatusArgs, context: &Context) -> Result<(), Failure> {
    let mut records = store()?.list().or_fail(ExitCode::Failed, "read the records of downloads")?;
    if let Some(wanted) = &args.transfer {
        records.retain(|record| record.transfer.as_str() == wanted);
        if records.is_empty() {
            return Err(no_such(wanted));
        }
    }
    context.output.result(&Broken { transfers: records.into_iter().map(Row::from).collect() })
}

/// A download as its record has it.
async fn taken_up(text: &str) -> Result<Downloader, Failure> {
    let name = named(text)?;
    Downloader::resume(&store()?, &name).await.map_err(|error| match &error {
        crate::fileshare::client::TransferError::Sink(crate::transfer::SinkError::Resume(ResumeError::Missing(_))) => no_such(text),
        crate::fileshare::client::TransferError::Sink(crate::transfer::SinkError::Resume(ResumeError::Busy(_))) => {
            Failure::new(ExitCode::Conflict, format!("{name} is running already"))
        }
        error => failure::of_transfer("failed to go on", error, None),
    })
}

/// `fshare cancel`.
///
/// # Errors
/// No such transfer (4), it is running (5).
pub async fn cancel(args: &CancelArgs, _context: &Context) -> Result<(), Failure> {
    let downloader = taken_up(&args.transfer).await?;
    downloader.abort().await.map_err(|error| failure::of_transfer("failed to remove what there is of it", &error, None))
}

/// `fshare resume`.
///
/// # Errors
/// No such transfer, or its share is over (4); as `fshare get`.
pub async fn resume(args: &ResumeArgs, context: &Context) -> Result<(), Failure> {
    let downloader = taken_up(&args.transfer).await?;
    let detail = |key: &str| downloader.record().and_then(|record| record.details.get(key)).cloned();
    let unusable = || Failure::new(ExitCode::Failed, format!("the record of {} does not say where to go on", args.transfer));
    let room: Room = detail("conference").and_then(|uri| uri.parse().ok()).ok_or_else(unusable)?;
    let share: ShareId = detail("share").and_then(|share| share.parse().ok()).ok_or_else(unusable)?;
    let batch = detail("batch").and_then(|batch| batch.parse().ok()).map(BatchId).ok_or_else(unusable)?;
    let limit = args.limit.and_then(Bandwidth::get);
    let mut call = Call::open(&room, &args.pin, get::options(limit), context).await?;
    let ended = go_on(&mut call, context, share, batch, downloader).await;
    let mut kept = false;
    for event in call.transfers.stop().await {
        kept |= matches!(event, TransferEvent::Failed { record: Some(_), .. });
    }
    call.leave().await;
    ended.map_err(|failure| match kept {
        true => Failure { message: if failure.message.is_empty() { "broken off".to_owned() } else { failure.message }, ..failure }
            .hint(format!("go on with: fshare resume {}", args.transfer)),
        false => failure,
    })
}

async fn go_on(call: &mut Call, context: &Context, share: ShareId, id: BatchId, downloader: Downloader) -> Result<(), Failure> {
    let output = &context.output;
    let (session, transfers) = call.parts();
    let batch = Batch { id, entries: 0, bytes: None, manifest: None, files: Vec::new() };
    let mut waiting = Some(downloader);
    let mut bar: Option<Bar> = None;
    // The conference offers what is shared to whoever comes; only where it does not, we ask.
    let mut unasked = std::pin::pin!(tokio::time::sleep(get::OFFERS));
    let mut redraw = tokio::time::interval(REDRAW);
    loop {
        tokio::select! {
            event = session.next() => {
                let Some(event) = event else { return Err(Failure::new(ExitCode::Declined, "the call is over")) };
                transfers.hear(&event).await;
                match event {
                    SharingEvent::Offered { share: other, .. } if other != share => transfers.decline(other).await,
                    SharingEvent::Offered { .. } => if let Some(downloader) = waiting.take() {
                        let progress = transfers.receive(share, id, downloader).await;
                        let progress = progress.map_err(|error| failure::of_transfer("failed to receive", &error, None))?;
                        bar = Some(Bar::new(output, share, &batch, progress));
                    },
                    SharingEvent::Terminal(TerminalEvent::Ended { .. }) => {
                        return Err(Failure::new(ExitCode::Declined, "the conference ended the call"));
                    }
                    _ => {}
                }
            }
            event = transfers.next() => match event {
                TransferEvent::Downloaded { share, downloaded } => return output.event(&Moved::received(share, &downloaded)),
                TransferEvent::Broken { share, error, again_in } => {
                    let (share, reason) = (share.to_string(), error.to_string());
                    output.event(&Moved::Broken { at: at(), share, reason, again_in: again_in.as_secs_f64() })?;
                }
                TransferEvent::Failed { error, record, .. } => {
                    return Err(failure::of_transfer(&format!("{share} was not received"), &error, record.as_ref()));
                }
                TransferEvent::Ended { why, .. } => {
                    let failure = failure::said(&format!("{share} cannot be gone on with"), why.as_ref(), None);
                    return Err(if why.is_none() { Failure { code: ExitCode::NotFound, ..failure } } else { failure });
                }
                TransferEvent::Shared { .. } | TransferEvent::NotShared { .. } | TransferEvent::Uploaded { .. } => {}
            },
            () = &mut unasked, if waiting.is_some() => if let Some(downloader) = waiting.take() {
                let progress = transfers.receive(share, id, downloader).await;
                let progress = progress.map_err(|error| failure::of_transfer("failed to receive", &error, None))?;
                bar = Some(Bar::new(output, share, &batch, progress));
            },
            _ = redraw.tick() => if let Some(bar) = &mut bar {
                bar.show(output)?;
            },
            () = context.leaving.cancelled() => return Err(Failure::silent(ExitCode::Interrupted)),
        }
    }
}
