//! What is kept of an upload, so that another process can go on with it: which files, which share, which batch, and what was asked for beside:
//! for whom, until when, how fast.
//!
//! The bytes need not be kept: the file server has them, and says where it wants to go on. Standard input cannot be read again, and who has
//! no account cannot be known again: neither is kept.

use std::{
    num::NonZeroU64,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::{JoinHandle, spawn_blocking},
};

use super::receive::{self, on_disk};
use crate::{
    cli::{ExitCode, Failure, OrFail as _},
    clock,
    fileshare::{BatchId, ShareId},
    transfer::{Algorithm, Manifest, Overwrite, Record, RecordStore, TransferName, resume},
};

/// Most bytes that the paths of an upload, and whom it is for, may take in a record, which has 64 KiB in all. With more the upload is not kept.
pub const MAX_PATHS: usize = 24 * 1024;
/// Between two notes of how far it is.
const NOTE: Duration = Duration::from_secs(1);
/// Notes that wait for the disk. Another one is passed over: the next says more.
const NOTES: usize = 4;

/// Where a record says of what it is; it does not of downloads from a conference.
pub const KIND: &str = "kind";
/// The record of an upload to a conference…
const UPLOAD: &str = "upload";
/// …of what is sent through a channel…
pub const SEND: &str = "send";
/// …and of what comes through one.
pub const RECEIVE: &str = "receive";
/// Where a record keeps the most bytes a second, of a download too.
pub const LIMIT: &str = "limit";
/// Where a record keeps how many bytes there are in all, of a download too; it does not where that is not known.
const TOTAL: &str = "total";
/// Where a record keeps the server that was talked to, of a download too.
pub const SERVER: &str = "server";

/// What was shared, as a person named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Address of the conference.
    pub conference: String,
    /// The account.
    pub user: String,
    /// The server whose account that is; none in the records of earlier versions.
    pub server: Option<String>,
    /// Files and folders, absolute.
    pub paths: Vec<PathBuf>,
    /// Whether links were followed.
    pub follow_links: bool,
    /// For whom it is; empty: for everybody with the right.
    pub to: Vec<String>,
    /// Most bytes a second.
    pub limit: Option<NonZeroU64>,
    /// When it ends by itself, in seconds since 1970.
    pub until: Option<u64>,
}

/// A record that is ours while this lives. What is told of it is written in order, on a thread that may wait for the disk.
#[derive(Debug)]
pub struct Kept {
    record: Record,
    /// As last noted.
    durable: u64,
    noted: std::time::Instant,
    orders: Sender<Order>,
    writing: JoinHandle<()>,
}

/// What is to be done with a record.
#[derive(Debug)]
enum Order {
    /// So many bytes are at the file server.
    Note(u64),
    /// Nothing of it is kept.
    Forget,
}

/// Whether a record is that of an upload to a conference.
pub fn is_upload(record: &Record) -> bool {
    is(record, UPLOAD)
}

/// Whether it is that of what is sent through a channel.
pub fn is_send(record: &Record) -> bool {
    is(record, SEND)
}

/// Whether it is that of what comes through a channel.
pub fn is_receive(record: &Record) -> bool {
    is(record, RECEIVE)
}

/// Whether it stands for files of ours that go out: there are no partial files to it.
pub fn goes_out(record: &Record) -> bool {
    is_upload(record) || is_send(record)
}

fn is(record: &Record, kind: &str) -> bool {
    record.details.get(KIND).is_some_and(|of| of == kind)
}

/// The paths of an upload.
pub fn paths(record: &Record) -> Vec<PathBuf> {
    list(record, "paths")
}

/// Most bytes a second that a transfer was to move; none in the records of earlier versions.
pub fn limit(record: &Record) -> Option<NonZeroU64> {
    record.details.get(LIMIT)?.parse().ok()
}

/// Bytes in all; none where they are not known, and in the records of earlier versions.
pub fn total(record: &Record) -> Option<u64> {
    record.details.get(TOTAL)?.parse().ok()
}

/// As a record keeps them.
pub fn of_total(total: Option<u64>) -> Option<(&'static str, String)> {
    total.map(|total| (TOTAL, total.to_string()))
}

/// What a record keeps as JSON; nothing where it keeps none.
pub fn list<T: serde::de::DeserializeOwned>(record: &Record, key: &str) -> Vec<T> {
    record.details.get(key).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

impl Named {
    /// What is given on a command line, in no conference yet; `None` where it cannot be named again.
    pub fn new(user: Option<String>, paths: &[PathBuf], follow_links: bool) -> Option<Self> {
        let user = user.filter(|_| paths.iter().all(|path| path.as_os_str() != "-"))?;
        let paths = paths.iter().map(std::path::absolute).collect::<Result<_, _>>().ok()?;
        Some(Self { conference: String::new(), user, server: None, paths, follow_links, to: Vec::new(), limit: None, until: None })
    }

    /// What a record says.
    pub fn of(record: &Record) -> Option<Self> {
        let detail = |key: &str| record.details.get(key).cloned();
        Some(Self {
            conference: detail("conference")?,
            user: detail("user")?,
            server: detail(SERVER),
            paths: paths(record),
            follow_links: detail("follow-links").is_some(),
            to: list(record, "to"),
            limit: limit(record),
            until: detail("until").and_then(|until| until.parse().ok()),
        })
    }

    /// It ends by itself so long from now on.
    #[must_use]
    pub fn lasting(self, length: Option<Duration>) -> Self {
        let until = length.map(|length| seconds(clock::wall()).saturating_add(length.as_secs()));
        Self { until, ..self }
    }

    /// How long it is until it ends by itself.
    pub fn left(&self) -> Option<Duration> {
        self.until.map(|until| Duration::from_secs(until.saturating_sub(seconds(clock::wall()))))
    }

    /// As a record keeps it; `None` where it is too much.
    fn details(&self, share: ShareId, batch: BatchId) -> Option<Vec<(&'static str, String)>> {
        let paths = serde_json::to_string(&self.paths).ok()?;
        let to = serde_json::to_string(&self.to).ok()?;
        if paths.len() + to.len() > MAX_PATHS {
            return None;
        }
        let details = [
            (KIND, UPLOAD.to_owned()),
            ("conference", self.conference.clone()),
            ("user", self.user.clone()),
            ("share", share.to_string()),
            ("batch", batch.to_string()),
            ("paths", paths),
        ];
        let links = self.follow_links.then(|| ("follow-links", "yes".to_owned()));
        let to = (!self.to.is_empty()).then_some(("to", to));
        let limit = self.limit.map(|limit| (LIMIT, limit.to_string()));
        let until = self.until.map(|until| ("until", until.to_string()));
        let server = self.server.clone().map(|server| (SERVER, server));
        Some(details.into_iter().chain(links).chain(to).chain(limit).chain(until).chain(server).collect())
    }
}

impl Kept {
    /// Begins a record; `None` where there is no place for it, or too much to name.
    ///
    /// # Errors
    /// The disk.
    pub async fn begin(named: &Named, share: ShareId, batch: BatchId, manifest: &Manifest) -> Result<Option<Self>, Failure> {
        let Some(records) = receive::records().await? else { return Ok(None) };
        Self::begin_in(records, named, share, batch, manifest).await
    }

    async fn begin_in(
        records: RecordStore,
        named: &Named,
        share: ShareId,
        batch: BatchId,
        manifest: &Manifest,
    ) -> Result<Option<Self>, Failure> {
        let Some(details) = named.details(share, batch) else { return Ok(None) };
        let Ok(transfer) = TransferName::new(&format!("upload-{share}-{:016x}", batch.0)) else { return Ok(None) };
        Self::create(records, transfer, details, manifest).await.map(Some)
    }

    /// Begins a record of files that go out.
    ///
    /// # Errors
    /// There is one of this name, or the disk.
    pub async fn create(
        records: RecordStore,
        transfer: TransferName,
        details: Vec<(&'static str, String)>,
        manifest: &Manifest,
    ) -> Result<Self, Failure> {
        let now = seconds(clock::wall());
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
            sparse: crate::transfer::Sparse::default(),
            xattrs: false,
            called: None,
            placing: false,
            epoch: 0,
            created: now,
            changed: now,
            boot: None,
            details: details.into_iter().chain(of_total(manifest.total())).map(|(key, value)| (key.to_owned(), value)).collect(),
        };
        let manifest = manifest.clone();
        let held = on_disk(move || records.create(record, &manifest)).await?.or_fail(ExitCode::Failed, "keep a record of the transfer")?;
        Ok(Self::new(held))
    }

    /// Takes up what an earlier process kept, with the manifest of then.
    ///
    /// # Errors
    /// There is none, it is running, or it is damaged; `untaken` makes a failure of it.
    pub async fn take_up(
        records: &RecordStore,
        name: &TransferName,
        untaken: impl FnOnce(resume::ResumeError) -> Failure,
    ) -> Result<(Self, Manifest), Failure> {
        let (records, name) = (records.clone(), name.clone());
        let taken = on_disk(move || records.take_up(&name)).await?.map_err(untaken)?;
        Ok((Self::new(taken.held), taken.manifest))
    }

    fn new(held: resume::Held) -> Self {
        let record = held.record().clone();
        let (orders, inbox) = channel(NOTES);
        Self { durable: record.durable, record, noted: clock::now(), orders, writing: spawn_blocking(move || write(held, inbox)) }
    }

    /// What `fshare resume` takes.
    pub fn name(&self) -> &TransferName {
        &self.record.transfer
    }

    /// What it said when it was begun, or taken up.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Notes how many bytes the other side has, from time to time.
    pub fn note(&mut self, durable: u64) {
        // The first at once: that it moves is worth knowing.
        let due = self.durable == 0 || clock::now().saturating_duration_since(self.noted) >= NOTE;
        if due && durable != self.durable && self.orders.try_send(Order::Note(durable)).is_ok() {
            (self.durable, self.noted) = (durable, clock::now());
        }
    }

    /// It is left to whoever goes on with it: how far it is stands on the disk when this returns.
    /// Where nothing was heard of that it stays what it was.
    pub async fn leave(self, durable: u64) {
        let durable = if durable == 0 { self.durable } else { durable };
        self.end(Order::Note(durable)).await;
    }

    /// It is left as it was found, to whoever takes it up.
    pub async fn release(self) {
        let Self { orders, writing, .. } = self;
        drop(orders);
        // A thread that is gone has let go of it, too.
        let _ = writing.await;
    }

    /// The upload is over: nothing of it is kept when this returns.
    pub async fn forget(self) {
        self.end(Order::Forget).await;
    }

    async fn end(self, order: Order) {
        let Self { orders, writing, .. } = self;
        // A thread that is gone has told why.
        let _ = orders.send(order).await;
        drop(orders);
        let _ = writing.await;
    }
}

/// Does what is ordered, until nobody orders any more.
fn write(mut held: resume::Held, mut orders: Receiver<Order>) {
    while let Some(order) = orders.blocking_recv() {
        match order {
            // For people only: where it goes on is the file server's to say.
            Order::Note(durable) => {
                if let Err(error) = held.save(durable, false) {
                    tracing::debug!(%error, "the record of an upload was not written");
                }
            }
            Order::Forget => {
                let name = held.record().transfer.clone();
                if let Err(error) = held.forget() {
                    tracing::warn!(%name, %error, "the record of an upload that is over was not removed");
                }
                return;
            }
        }
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::{Entry, Kind};

    fn manifest() -> Manifest {
        Manifest::new(vec![Entry::new("a".parse().expect("safe"), Kind::File { size: Some(9) })]).expect("a batch")
    }

    fn named() -> Named {
        let paths = [PathBuf::from("/tmp/a")];
        let named = Named::new(Some("alice".to_owned()), &paths, true).expect("it can be named");
        Named { conference: "sip:standup@192.0.2.1".to_owned(), ..named }
    }

    async fn kept(records: &RecordStore, named: &Named) -> Kept {
        let (share, batch) = ("share-3".parse().expect("a share"), BatchId(7));
        let kept = Kept::begin_in(records.clone(), named, share, batch, &manifest()).await.expect("the disk");
        kept.expect("it is not too much")
    }

    fn store() -> (tempfile::TempDir, RecordStore) {
        let folder = tempfile::tempdir().expect("a folder");
        let records = RecordStore::open(folder.path()).expect("records");
        (folder, records)
    }

    #[tokio::test]
    async fn what_was_asked_for_is_asked_for_again() {
        let (_folder, records) = store();
        let named = Named { to: vec!["bob".to_owned(), "p4".to_owned()], limit: NonZeroU64::new(5), ..named() };
        let named = named.lasting(Some(Duration::from_secs(90)));
        kept(&records, &named).await.leave(3).await;
        let known = records.list().expect("records");
        assert_eq!((known.len(), known[0].durable, Named::of(&known[0])), (1, 3, Some(named.clone())));
        assert!(named.left().is_some_and(|left| (80..=90).contains(&left.as_secs())));
        let over = Named { until: Some(1), ..named };
        assert_eq!(over.left(), Some(Duration::ZERO));
    }

    #[tokio::test]
    async fn a_record_of_an_earlier_version_asks_for_nothing_beside_the_files() {
        let (_folder, records) = store();
        kept(&records, &Named { to: vec!["bob".to_owned()], limit: NonZeroU64::new(5), until: Some(9), ..named() }).await.leave(0).await;
        let mut record = records.list().expect("records").remove(0);
        for key in ["to", "until", LIMIT] {
            assert!(record.details.remove(key).is_some(), "{key}");
        }
        assert_eq!(Named::of(&record), Some(named()));
    }

    #[tokio::test]
    async fn nothing_that_was_told_of_a_record_is_lost_and_it_is_free_afterwards() {
        let (_folder, records) = store();
        let mut first = kept(&records, &named()).await;
        first.noted -= NOTE;
        first.note(4);
        first.note(5);
        let name = first.name().clone();
        assert!(records.is_held(&name));
        first.leave(6).await;
        assert_eq!((records.list().expect("records")[0].durable, records.is_held(&name)), (6, false));
        let (again, _) = Kept::take_up(&records, &name, |error| panic!("{error}")).await.expect("it is free");
        again.forget().await;
        assert_eq!(records.list().expect("records"), []);
    }
}
