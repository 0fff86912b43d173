//! What is kept of an upload, so that another process can go on with it: which files, which share, which batch.
//!
//! The bytes need not be kept: the file server has them, and says where it wants to go on. Standard input cannot be read again, and who has
//! no account cannot be known again: neither is kept.

use std::{path::PathBuf, time::Duration};

use super::receive;
use crate::{
    cli::{ExitCode, Failure, OrFail as _},
    clock,
    fileshare::{BatchId, ShareId},
    transfer::{Algorithm, Manifest, Overwrite, Record, RecordStore, TransferName, resume},
};

/// Most bytes that the paths of an upload may take in a record, which has 64 KiB in all. With more the upload is not kept.
const MAX_PATHS: usize = 24 * 1024;
/// Between two notes of how far it is.
const NOTE: Duration = Duration::from_secs(5);

/// What marks the record of an upload.
const KIND: (&str, &str) = ("kind", "upload");

/// What was shared, as a person named it.
#[derive(Debug, Clone)]
pub struct Named {
    /// Address of the conference.
    pub conference: String,
    /// The account.
    pub user: String,
    /// Files and folders, absolute.
    pub paths: Vec<PathBuf>,
    /// Whether links were followed.
    pub follow_links: bool,
}

/// A record that is ours while this lives.
#[derive(Debug)]
pub struct Kept {
    held: resume::Held,
    noted: std::time::Instant,
}

/// Whether a record is that of an upload.
pub fn is_upload(record: &Record) -> bool {
    record.details.get(KIND.0).is_some_and(|kind| kind == KIND.1)
}

/// The paths of an upload.
pub fn paths(record: &Record) -> Vec<PathBuf> {
    record.details.get("paths").and_then(|paths| serde_json::from_str(paths).ok()).unwrap_or_default()
}

impl Named {
    /// What is given on a command line, in no conference yet; `None` where it cannot be named again.
    pub fn new(user: Option<String>, paths: &[PathBuf], follow_links: bool) -> Option<Self> {
        let user = user.filter(|_| paths.iter().all(|path| path.as_os_str() != "-"))?;
        let paths = paths.iter().map(std::path::absolute).collect::<Result<_, _>>().ok()?;
        Some(Self { conference: String::new(), user, paths, follow_links })
    }

    /// What a record says.
    pub fn of(record: &Record) -> Option<Self> {
        let detail = |key: &str| record.details.get(key).cloned();
        let follow_links = detail("follow-links").is_some();
        Some(Self { conference: detail("conference")?, user: detail("user")?, paths: paths(record), follow_links })
    }
}

impl Kept {
    /// Begins a record; `None` where there is no place for it, or too much to name.
    ///
    /// # Errors
    /// The disk.
    pub fn begin(named: &Named, share: ShareId, batch: BatchId, manifest: &Manifest) -> Result<Option<Self>, Failure> {
        let Some(records) = receive::records()? else { return Ok(None) };
        let Ok(paths) = serde_json::to_string(&named.paths) else { return Ok(None) };
        let Ok(transfer) = TransferName::new(&format!("upload-{share}-{:016x}", batch.0)) else { return Ok(None) };
        if paths.len() > MAX_PATHS {
            return Ok(None);
        }
        let details = [
            (KIND.0, KIND.1.to_owned()),
            ("conference", named.conference.clone()),
            ("user", named.user.clone()),
            ("share", share.to_string()),
            ("batch", batch.to_string()),
            ("paths", paths),
        ];
        let links = named.follow_links.then(|| ("follow-links", "yes".to_owned()));
        let now = clock::wall().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let record = Record {
            version: resume::VERSION,
            transfer,
            manifest: manifest.digest(),
            algorithm: Algorithm::Blake3,
            durable: 0,
            journal: 0,
            target: String::new(),
            overwrite: Overwrite::Refuse,
            checkpoint: resume::CHECKPOINT,
            reserve: 0,
            placing: false,
            epoch: 0,
            created: now,
            changed: now,
            boot: None,
            details: details.into_iter().chain(links).map(|(key, value)| (key.to_owned(), value)).collect(),
        };
        let held = records.create(record, manifest).or_fail(ExitCode::Failed, "keep a record of the upload")?;
        Ok(Some(Self { held, noted: clock::now() }))
    }

    /// Takes up what an earlier process kept, with the manifest of then.
    ///
    /// # Errors
    /// There is none, it is running, or it is damaged.
    pub fn take_up(records: &RecordStore, name: &TransferName) -> Result<(Self, Manifest), resume::ResumeError> {
        let taken = records.take_up(name)?;
        Ok((Self { held: taken.held, noted: clock::now() }, taken.manifest))
    }

    /// What `fshare resume` takes.
    pub fn name(&self) -> &TransferName {
        &self.held.record().transfer
    }

    /// What it says.
    pub fn record(&self) -> &Record {
        self.held.record()
    }

    /// Notes how many bytes the file server has, from time to time; `at_once`: now.
    pub fn note(&mut self, durable: u64, at_once: bool) {
        let due = at_once || clock::now().saturating_duration_since(self.noted) >= NOTE;
        if !due || durable == self.held.record().durable {
            return;
        }
        self.noted = clock::now();
        // For people only: where it goes on is the file server's to say.
        if let Err(error) = self.held.save(durable, false) {
            tracing::debug!(%error, "the record of an upload was not written");
        }
    }

    /// The upload is over: nothing of it is kept.
    pub fn forget(self) {
        let name = self.name().clone();
        if let Err(error) = self.held.forget() {
            tracing::warn!(%name, %error, "the record of an upload that is over was not removed");
        }
    }
}
