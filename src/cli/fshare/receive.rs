//! How what comes is put down: where, over what, and what is done with it then.

use std::{
    collections::BTreeMap,
    num::NonZeroU64,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use tokio::{
    process::Command,
    sync::Semaphore,
    task::{JoinError, JoinSet, spawn_blocking},
};
use tokio_util::sync::CancellationToken;

use super::{failure, get, kept, resume};
use crate::{
    cli::{
        ExitCode, Failure, OrFail as _,
        output::{Output, safe_line},
        settings::{Context, environment},
    },
    fileshare::{
        ShareId,
        client::{Downloaded, Downloader, TransferError},
        wire::control::Batch,
    },
    transfer::{Entry, Kind, Overwrite, Record, RecordStore, Sink, SinkError, SinkOptions, TransferName},
};

/// What happens with files that are there already.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Policy {
    /// Replace files that already exist
    #[arg(long, conflicts_with_all = ["rename", "skip"])]
    pub overwrite: bool,

    /// Give the new file another name if its own is taken: "name (1).ext"
    #[arg(long, conflicts_with = "skip")]
    pub rename: bool,

    /// Keep files that already exist, and discard the new ones
    #[arg(long)]
    pub skip: bool,
}

impl Policy {
    /// As the sink calls it.
    pub fn overwrite(self) -> Overwrite {
        match self {
            Self { overwrite: true, .. } => Overwrite::Replace,
            Self { rename: true, .. } => Overwrite::Rename,
            Self { skip: true, .. } => Overwrite::Skip,
            _ => Overwrite::Refuse,
        }
    }
}

/// What could not be kept of modes and times.
pub fn warn(output: &Output, downloaded: &Downloaded) {
    for warning in &downloaded.files.warnings {
        output.warn(safe_line(warning));
    }
}

/// Does on another thread what may have to wait for a disk.
///
/// # Errors
/// It panicked.
pub async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    spawn_blocking(work).await.or_fail(ExitCode::Failed, "read or write the records of transfers")
}

/// Where records of transfers are kept; none where there is no home.
///
/// # Errors
/// The folder cannot be made.
pub async fn records() -> Result<Option<RecordStore>, Failure> {
    let Some(folder) = folder() else { return Ok(None) };
    on_disk(move || RecordStore::open(&folder)).await?.map(Some).or_fail(ExitCode::Failed, "keep a record of the transfer")
}

/// The same; where there can be none, what breaks off is not kept for another process, and a warning says so.
pub async fn records_or_none(output: &Output) -> Option<RecordStore> {
    match records().await {
        Ok(records) => records,
        Err(failure) => {
            let why = safe_line(&failure.message);
            output.warn(format!("{why}: this transfer cannot be resumed once this process ends"));
            None
        }
    }
}

fn folder() -> Option<PathBuf> {
    let environment = environment();
    let variable = |name: &str| environment.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, value)| PathBuf::from(value));
    let state = variable("XDG_STATE_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/state")));
    state.map(|state| state.join("confkit/transfers"))
}

/// The record of an earlier download of the same files in the same conference, by the same account, into the same folder.
async fn begun(records: &RecordStore, folder: &Path, details: &BTreeMap<String, String>) -> Result<Option<Record>, Failure> {
    let (records, folder, details) = (records.clone(), folder.to_owned(), details.clone());
    let found = on_disk(move || records.list().map(|known| same_files(known, &folder, &details))).await?;
    found.or_fail(ExitCode::Failed, "read the records of transfers")
}

/// The record of these files among all: of this share sooner than of another one with the same files.
fn same_files(known: Vec<Record>, folder: &Path, details: &BTreeMap<String, String>) -> Option<Record> {
    let same = |record: &Record, keys: &[&str]| {
        keys.iter().all(|key| record.details.get(*key) == details.get(*key)) && keys.iter().any(|key| record.details.contains_key(*key))
    };
    let place = |record: &Record| same(record, &["conference", "user"]) && is_folder(Path::new(&record.target), folder);
    let mut known: Vec<Record> = known.into_iter().filter(|record| !kept::goes_out(record) && place(record)).collect();
    let this = known.iter().position(|record| same(record, &["share", "batch"]));
    let found = this.or_else(|| known.iter().position(|record| same(record, &["manifest"])))?;
    Some(known.swap_remove(found))
}

/// Whether two paths mean one folder; one that is not there, or not any more, by its words.
pub fn is_folder(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => std::path::absolute(one).ok().zip(std::path::absolute(other).ok()).is_some_and(|(one, other)| one == other),
    }
}

/// A name for the record of a download. The same share may be received by several accounts, and into several folders, at once.
fn name(folder: &Path, share: ShareId, batch: &Batch, user: &str) -> Option<TransferName> {
    let folder = std::path::absolute(folder).ok()?;
    let what = format!("{}\0{user}\0{}", batch.id.0, folder.display());
    let digest = blake3::hash(what.as_bytes()).to_hex();
    TransferName::new(&format!("{share}-{}", digest.get(..16)?)).ok()
}

/// Where downloads of a conference go.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Below it.
    pub folder: &'a Path,
    /// Over what.
    pub policy: Policy,
    /// The conference's address.
    pub conference: &'a str,
    /// Most bytes a second, as whoever goes on with it is to know.
    pub limit: Option<NonZeroU64>,
}

/// A download into a folder, with a record to go on from: that of an earlier one where there is one.
///
/// # Errors
/// It is running (5), or damaged; the records cannot be read.
pub async fn into_folder(target: &Target<'_>, share: ShareId, batch: &Batch, context: &Context) -> Result<Downloader, Failure> {
    let Target { folder, policy, conference, limit } = *target;
    let user = context.settings.config.user.as_ref().map(|user| ("user", user.to_string()));
    let place = [("conference", conference.to_owned()), ("share", share.to_string()), ("batch", batch.id.to_string())];
    let manifest = get::manifest(batch).map(|digest| ("manifest", digest));
    let limit = limit.map(|limit| (kept::LIMIT, limit.to_string()));
    let server = [(kept::SERVER, context.settings.server.to_string())];
    let details = place.into_iter().chain(user).chain(manifest).chain(limit).chain(server).chain(kept::of_total(batch.bytes));
    let details = details.map(|(key, value)| (key.to_owned(), value)).collect();
    let records = records().await?;
    let known = match &records {
        Some(records) => begun(records, folder, &details).await?.map(|record| (records, record)),
        None => None,
    };
    if let Some((records, record)) = known {
        let name = &record.transfer;
        match resume::download(records, name).await {
            // The same files of another share are just coming: these are put beside them, by the policy.
            Err(failure) if failure.code == ExitCode::Conflict && record.details.get("batch") != details.get("batch") => {}
            Err(failure) => return Err(failure),
            Ok(downloader) => {
                context.output.note(format!("{share} was begun before: resuming {name}"));
                return Ok(downloader);
            }
        }
    }
    look(folder, policy, batch).await?;
    let user = details.get("user").map_or("", String::as_str);
    let record = records.and_then(|records| Some((records, name(folder, share, batch, user)?)));
    let options = SinkOptions { overwrite: policy.overwrite(), record, details, ..SinkOptions::default() };
    Ok(Downloader::to_folder(folder.to_owned(), options))
}

/// Looks at the folder before anything is accepted: what cannot be put down is better not asked for.
async fn look(folder: &Path, policy: Policy, batch: &Batch) -> Result<(), Failure> {
    let known = batch.files.iter().filter_map(|file| Some(Entry::new(file.name.parse().ok()?, Kind::File { size: file.size })));
    let looked = Sink::look(folder, known.collect(), batch.bytes.unwrap_or(0), policy.overwrite()).await;
    looked.map_err(|error| failure::of_transfer("it cannot be received", &TransferError::Sink(error), None))
}

/// A download to standard output.
///
/// # Errors
/// It is not one file (2).
pub fn to_stdout(batch: &Batch) -> Result<Downloader, Failure> {
    if batch.entries != 1 {
        return Err(failure::of_transfer("it cannot be received", &TransferError::Sink(SinkError::NotOneFile), None));
    }
    Ok(Downloader::to_stream(Box::new(std::io::stdout()), SinkOptions::default()))
}

/// Commands of `--on-file` that run at the same time; others wait.
const COMMANDS: usize = 4;
/// Shares whose commands wait or run. What happens with another one is its owner's choice.
const MAX_COMMANDS: usize = 256;

/// The commands of `--on-file`: they run beside everything else.
#[derive(Debug)]
pub struct Commands {
    running: JoinSet<Option<Failure>>,
    turns: Arc<Semaphore>,
    /// The first that failed.
    failure: Option<Failure>,
}

impl Default for Commands {
    fn default() -> Self {
        Self { running: JoinSet::new(), turns: Arc::new(Semaphore::new(COMMANDS)), failure: None }
    }
}

impl Commands {
    /// There is no room for those of another share.
    pub fn is_full(&mut self) -> bool {
        while let Some(ended) = self.running.try_join_next() {
            self.ended(ended);
        }
        self.running.len() >= MAX_COMMANDS
    }

    /// The commands of a share have ended. One that panicked has told so.
    fn ended(&mut self, ended: Result<Option<Failure>, JoinError>) {
        self.failure = self.failure.take().or(ended.ok().flatten());
    }

    /// Waits until there is room for those of another share.
    pub async fn room(&mut self) {
        while self.is_full()
            && let Some(ended) = self.running.join_next().await
        {
            self.ended(ended);
        }
    }

    /// Hands every file that came to a command.
    pub fn run(&mut self, command: String, share: ShareId, downloaded: Box<Downloaded>, context: Context) {
        let turns = Arc::clone(&self.turns);
        self.running.spawn(async move {
            // The semaphore is never closed.
            let _turn = turns.acquire().await;
            hand_over(&command, share, &downloaded, &context).await
        });
    }

    /// Waits for all, but for nobody who wants to be gone.
    ///
    /// # Errors
    /// One has failed (1), or not all have come to their end by themselves (130).
    pub async fn end(mut self, leaving: &CancellationToken) -> Result<(), Failure> {
        self.is_full();
        let waited = !self.running.is_empty();
        while let Some(Some(ended)) = leaving.run_until_cancelled(self.running.join_next()).await {
            self.ended(ended);
        }
        match self.failure {
            _ if waited && leaving.is_cancelled() => Err(Failure::silent(ExitCode::Interrupted)),
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }
}

/// Hands every file that came to a command of the shell: its path is `$1`. What it prints goes to our standard error: standard output has our
/// results. Ctrl-C ends the command, too. Gives the first failure, with how many there were; each is told when it happens.
async fn hand_over(command: &str, share: ShareId, downloaded: &Downloaded, context: &Context) -> Option<Failure> {
    let output = &context.output;
    let mut failed: Option<String> = None;
    let mut more = 0_usize;
    for path in downloaded.files.files.iter().filter_map(|placed| placed.path.as_ref()) {
        let mut shell = Command::new("sh");
        shell.args(["-c", command, "confkit"]).arg(path).env("CONFKIT_FILE", path).env("CONFKIT_SHARE", share.to_string());
        shell.stdin(Stdio::null()).stdout(std::io::stderr()).kill_on_drop(true);
        let status = tokio::select! {
            status = shell.status() => status,
            () = context.leaving.cancelled() => break,
        };
        let path = path.display().to_string();
        let why = match status {
            Ok(status) if status.success() => continue,
            Ok(status) => format!("the --on-file command ended with {status} for {}", safe_line(&path)),
            Err(error) => format!("the --on-file command could not be started for {}: {error}", safe_line(&path)),
        };
        output.warn(&why);
        match failed {
            Some(_) => more += 1,
            None => failed = Some(why),
        }
    }
    let more = if more == 0 { String::new() } else { format!(", and failed for {more} more of {share}") };
    let failure = failed.map(|why| Failure::new(ExitCode::Failed, format!("{why}{more}")))?;
    Some(failure.hint("everything received is verified and stays where it is"))
}
