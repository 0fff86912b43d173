//! `fshare status` and `cancel`: uploads and downloads that can be gone on with, from the records that they left.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::{
    call::Call,
    channel::{self, RelayFlag},
    get,
    kept::{self, Kept},
    receive::{self, on_disk},
    resume::{self, Standing},
    show::human,
    unshare,
};
use crate::{
    cli::{
        ExitCode, Failure, OrFail as _,
        output::{Page, Report, Table, Text, safe_line},
        secret::PinFile,
        settings::Context,
    },
    clock,
    conference::wire::Timestamp,
    fileshare::BatchId,
    transfer::{Record, RecordStore, Sink, SinkError, TransferName, name::PART_SUFFIX, resume::ResumeError},
};

/// Shown under the help.
pub const STATUS_EXAMPLES: &str = "Examples:\n  fshare status\n  fshare --json status | jq -r '.transfers[].transfer'";
/// Shown under the help.
pub const CANCEL_EXAMPLES: &str = "Examples:\n  fshare cancel share-3-8c51f6a0b2d94e17";

/// What to show.
#[derive(Debug, Clone, clap::Args)]
pub struct StatusArgs {
    /// Show only this transfer
    #[arg(value_name = "TRANSFER")]
    pub transfer: Option<String>,
}

/// What to give up.
#[derive(Debug, Clone, clap::Args)]
pub struct CancelArgs {
    /// Transfer to give up, as fshare status names it
    #[arg(value_name = "TRANSFER")]
    pub transfer: String,

    /// Remove the record here and tell nobody: the server ends the share of an upload by itself in time; the other side of any other transfer
    /// finds nobody when it resumes
    #[arg(long)]
    pub here: bool,

    /// Relays on which to look for the other side first
    #[command(flatten)]
    pub relay: RelayFlag,

    /// The PIN to enter with, where an upload's share is to be ended
    #[command(flatten)]
    pub pin: PinFile,
}

/// What can be gone on with.
#[derive(Debug, Clone, Serialize)]
pub struct Known {
    /// By their names.
    pub transfers: Vec<Row>,
}

/// A transfer that was broken off, or runs.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What `resume` and `cancel` take.
    pub transfer: String,
    /// `upload` or `download`; through a channel `send` or `receive`.
    pub direction: &'static str,
    /// A process is at it.
    pub running: bool,
    /// The code that it began by, where it goes through a channel.
    pub code: Option<String>,
    /// The conference's address.
    pub conference: Option<String>,
    /// The share.
    pub share: Option<String>,
    /// Bytes that are over, as last noted.
    pub bytes: u64,
    /// Bytes in all, where that is known.
    pub total: Option<u64>,
    /// When that was noted.
    pub changed: Timestamp,
    /// How long ago that is.
    #[serde(skip)]
    pub age: Duration,
    /// Where a download goes.
    pub folder: Option<String>,
    /// What is uploaded.
    pub paths: Vec<String>,
}

impl Row {
    fn new(record: &Record, running: bool, now: SystemTime) -> Self {
        let changed = Timestamp::from_unix(record.changed);
        let detail = |key: &str| record.details.get(key).cloned();
        let direction = match record {
            record if kept::is_upload(record) => "upload",
            record if kept::is_send(record) => "send",
            record if kept::is_receive(record) => "receive",
            _ => "download",
        };
        Self {
            transfer: record.transfer.to_string(),
            direction,
            running,
            code: detail("code").filter(|code| !code.is_empty()),
            conference: detail("conference"),
            share: detail("share"),
            bytes: record.durable,
            total: kept::total(record),
            changed,
            age: now.duration_since(changed.into()).unwrap_or_default(),
            folder: (!kept::goes_out(record)).then(|| record.target.clone()),
            paths: kept::paths(record).iter().map(|path| path.display().to_string()).collect(),
        }
    }
}

/// What was given up: nothing of it is kept any more.
#[derive(Debug, Clone, Serialize)]
pub struct Cancelled {
    /// Its name.
    pub transfer: String,
    /// As in [`Row`].
    pub direction: &'static str,
    /// Bytes that were over, as last noted.
    pub bytes: u64,
    /// The other side was there, and has been told.
    pub told: bool,
    /// Where a download went.
    pub folder: Option<String>,
    /// What was uploaded or sent.
    pub paths: Vec<String>,
}

impl Cancelled {
    fn new(record: &Record) -> Self {
        let Row { transfer, direction, bytes, folder, paths, .. } = Row::new(record, false, clock::wall());
        Self { transfer, direction, bytes, told: false, folder, paths }
    }
}

impl Report for Cancelled {
    fn page(&self, page: &mut Page) {
        let more = if self.paths.len() > 1 { format!(" and {} more", self.paths.len() - 1) } else { String::new() };
        let what = match (&self.folder, self.paths.first()) {
            (Some(folder), _) => format!("into {folder}; the partial files are removed"),
            (None, Some(path)) => format!("of {path}{more}"),
            (None, None) => String::new(),
        };
        let told = if self.told { "; the other side has been told" } else { "" };
        page.line([Text::from("cancelled "), Text::strong(&self.transfer), Text::from(format!(": {} {what}{told}", human(self.bytes)))]);
    }
}

impl Report for Known {
    fn page(&self, page: &mut Page) {
        if self.transfers.is_empty() {
            page.line([Text::dim("no transfers: those that broke off and can be resumed are listed here")]);
            return;
        }
        let mut table = Table::new(["transfer", "state", "age", "with", "moved", "files"]);
        for row in &self.transfers {
            let with = row.conference.clone().or_else(|| row.code.clone()).unwrap_or_default();
            let state = if row.running { "running" } else { "broken off" };
            let more = if row.paths.len() > 1 { format!(" and {} more", row.paths.len() - 1) } else { String::new() };
            let files = row.folder.clone().unwrap_or_else(|| format!("{}{more}", row.paths.first().map_or("", String::as_str)));
            table.row([row.transfer.clone(), state.to_owned(), ago(row.age), with, over(row.bytes, row.total), files]);
        }
        page.table(table);
    }
}

/// How much of it is over. It is all of it only where nothing is left.
fn over(bytes: u64, total: Option<u64>) -> String {
    let Some(total) = total else { return human(bytes) };
    let percent = u128::from(bytes) * 100 / u128::from(total.max(1));
    format!("{} of {} ({}%)", human(bytes), human(total), percent.min(100))
}

/// A time that has passed, as people say it: in its largest unit.
fn ago(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// The records of this account of the machine.
///
/// # Errors
/// There is no place for them.
pub async fn store() -> Result<RecordStore, Failure> {
    receive::records().await?.ok_or_else(|| Failure::usage("there is nowhere to keep records of transfers: set XDG_STATE_HOME or HOME"))
}

async fn list(records: &RecordStore) -> Result<Vec<Record>, Failure> {
    let records = records.clone();
    on_disk(move || records.list()).await?.or_fail(ExitCode::Failed, "read the records of transfers")
}

/// A record by the name that a person typed, or by the beginning of it.
///
/// # Errors
/// There is none (4), or there are several (2).
pub async fn found(records: &RecordStore, text: &str) -> Result<(TransferName, Record), Failure> {
    let mut known = list(records).await?;
    if let Some(at) = known.iter().position(|record| record.transfer.as_str() == text) {
        let record = known.swap_remove(at);
        return Ok((record.transfer.clone(), record));
    }
    known.retain(|record| !text.is_empty() && record.transfer.as_str().starts_with(text));
    match known.len() {
        0 | 1 => known.pop().map(|record| (record.transfer.clone(), record)).ok_or_else(|| {
            let none = format!("no transfer's name is or begins with \"{}\"", safe_line(text));
            Failure::new(ExitCode::NotFound, none).hint("fshare status lists the transfers")
        }),
        _ => {
            let names = known.iter().map(|record| record.transfer.to_string()).collect();
            Err(Failure::ambiguous(&safe_line(text), names).hint("give one of these names in full"))
        }
    }
}

/// A record that cannot be taken up.
pub fn untaken(name: &TransferName, error: ResumeError) -> Failure {
    match error {
        ResumeError::Busy(_) => {
            Failure::new(ExitCode::Conflict, format!("{name} is already running")).hint("stop it with Ctrl-C where it runs")
        }
        error => Failure::new(ExitCode::Failed, format!("failed to resume: {}", safe_line(&error.to_string())))
            .hint(format!("discard it with: fshare cancel {name}")),
    }
}

/// `fshare status`.
///
/// # Errors
/// No such transfer (4).
pub async fn status(wanted: Option<&str>, context: &Context) -> Result<(), Failure> {
    let store = store().await?;
    let records = match wanted {
        Some(wanted) => vec![found(&store, wanted).await?.1],
        None => list(&store).await?,
    };
    let now = clock::wall();
    let row = move |record: &Record| Row::new(record, store.is_held(&record.transfer), now);
    let transfers = on_disk(move || records.iter().map(row).collect()).await?;
    context.output.result(&Known { transfers })
}

/// `fshare cancel`.
///
/// # Errors
/// No such transfer (4), it is running (5).
pub async fn cancel(args: &CancelArgs, context: &Context) -> Result<(), Failure> {
    let store = store().await?;
    let (name, record) = found(&store, &args.transfer).await?;
    if kept::is_upload(&record) {
        return give_up_share(&store, (&name, &record), args, context).await;
    }
    let cancelled = Cancelled::new(&record);
    let in_channel = (kept::is_send(&record) || kept::is_receive(&record)) && !args.here;
    let waits = if in_channel { channel::resume::waits(&record, &args.relay, context)? } else { None };
    let tell = async || match &waits {
        Some(waits) => channel::resume::tell_of_cancelling(&record, waits, context).await,
        None => false,
    };
    if kept::is_send(&record) {
        remove(&store, &name).await?;
        let told = tell().await;
        return context.output.result(&Cancelled { told, ..cancelled });
    }
    match Sink::discard(&store, &name).await {
        Ok(()) => {
            let told = tell().await;
            context.output.result(&Cancelled { told, ..cancelled })
        }
        Err(SinkError::Resume(error @ ResumeError::Busy(_))) => Err(untaken(&name, error)),
        // What does not say what belongs to it goes alone.
        Err(SinkError::Resume(error @ ResumeError::Damaged { .. })) => {
            remove(&store, &name).await?;
            let (why, folder) = (safe_line(&error.to_string()), safe_line(&record.target));
            context.output.warn(format!("{why}: the record is removed; partial files (*{PART_SUFFIX}) may remain in {folder}"));
            context.output.result(&cancelled)
        }
        Err(error) => Err(super::failure::of_transfer("failed to remove the partial files", &error.into(), None)),
    }
}

/// An upload is given up: its share ends. Only where the server has ended it, or knows nothing of it, is what is kept of it removed.
async fn give_up_share(
    store: &RecordStore,
    (name, record): (&TransferName, &Record),
    args: &CancelArgs,
    context: &Context,
) -> Result<(), Failure> {
    let kept = match Kept::take_up(store, name, |error| untaken(name, error)).await {
        Ok((kept, _)) => kept,
        Err(failure) if failure.code == ExitCode::Conflict => return Err(failure),
        Err(_) => {
            remove(store, name).await?;
            return context.output.result(&Cancelled::new(record));
        }
    };
    let place = resume::place(kept.record()).filter(|_| !args.here);
    let ended = match place {
        Some((room, _, batch)) => {
            resume::same_server(kept.record(), context)?;
            match Call::open(&room, &args.pin, get::options(None), context).await {
                Ok(mut call) => {
                    let ended = end_share(&mut call, name, batch, context).await;
                    call.leave().await;
                    ended
                }
                Err(failure) => Err(failure),
            }
        }
        None => Ok(false),
    };
    let ended_there = matches!(ended, Ok(true));
    match ended {
        Ok(true) => {}
        Ok(false) => context.output.note(format!("no share was ended; the record of {name} is removed")),
        Err(failure) if failure.code == ExitCode::NotFound => {
            context.output.note(format!("it was no longer shared; the record of {name} is removed"));
        }
        Err(failure) if failure.hint.is_none() && failure.code == ExitCode::Unreachable => {
            return Err(failure.hint(format!("the record is kept; to remove it anyway: fshare cancel --here {name}")));
        }
        Err(failure) => return Err(failure),
    }
    kept.forget().await;
    context.output.result(&Cancelled { told: ended_there, ..Cancelled::new(record) })
}

/// Ends the share of an upload: true when it was there, by whichever name.
async fn end_share(call: &mut Call, name: &TransferName, batch: BatchId, context: &Context) -> Result<bool, Failure> {
    match resume::standing(call, batch, context).await? {
        Standing::Ours(share) => unshare::end(call, share, context).await.map(|()| true),
        Standing::Others => Err(resume::not_ours(name)),
        Standing::Gone => Err(Failure::new(ExitCode::NotFound, "it is no longer shared")),
    }
}

/// Removes what is kept of the upload of a batch that is nobody's to go on with any more, unless a process is at it, which does so itself. What
/// cannot be removed stays for `fshare status`.
pub async fn forget(batch: BatchId) {
    let Ok(Some(store)) = receive::records().await else { return };
    let Ok(known) = list(&store).await else { return };
    let is_it = |record: &&Record| kept::is_upload(record) && resume::place(record).is_some_and(|(_, _, of)| of == batch);
    for record in known.iter().filter(is_it) {
        if let Err(failure) = remove(&store, &record.transfer).await {
            tracing::debug!(transfer = %record.transfer, why = failure.message, "what is kept of a share that was ended stays");
        }
    }
}

/// Removes a record, and nothing that belongs to it.
async fn remove(store: &RecordStore, name: &TransferName) -> Result<(), Failure> {
    let (records, removed) = (store.clone(), name.clone());
    on_disk(move || records.remove(&removed)).await?.map_err(|error| untaken(name, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_much_is_over_is_said_in_parts_of_the_whole_where_that_is_known() {
        for (bytes, total, expected) in [
            (0, None, "0 B"),
            (2 << 20, None, "2.00 MiB"),
            (0, Some(0), "0 B of 0 B (0%)"),
            (117 << 20, Some(286 << 20), "117.00 MiB of 286.00 MiB (40%)"),
            (u64::MAX - 1, Some(u64::MAX), "16.00 EiB of 16.00 EiB (99%)"),
            // A file that has grown since.
            (3, Some(2), "3 B of 2 B (100%)"),
        ] {
            assert_eq!(over(bytes, total), expected);
        }
    }
}
