//! A batch stream into files: partial files beside their places, synced, verified, renamed.
//!
//! | file | what |
//! |---|---|
//! | `folder.rs` | everything that touches the disk below the target |
//! | `core.rs` | bytes to partial files, checkpoints |
//! | `open.rs` | the file that is being written, around its holes |
//! | `place.rs` | verified files to their names |
//! | `take_up.rs` | going on where it broke |
//! | `clear.rs` | giving up |
//! | `stream.rs` | one file to standard output |
//! | `work.rs` | its work, one thing at a time, and the thread |
//!
//! The sink works on a thread of its own behind a short queue, so that receiving, digesting and writing overlap; a thread that has the bytes at hand
//! writes them itself ([`SinkWriter`]), as handing them over costs more than that gains. Files get their names
//! only at the end, when the sender's digests agree. Nothing is made outside the target folder: names are [`SafePath`]s, every step of a path is opened
//! beneath the folder by `cap-std`, partial files are made new and never through a link, links come last.

mod before;
mod clear;
mod core;
mod folder;
mod open;
mod place;
mod stream;
mod take_up;
mod work;

use std::{
    fmt,
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use tokio::{
    runtime,
    sync::{mpsc, oneshot, watch},
    task,
};

use self::{
    core::Core,
    stream::StreamCore,
    work::{Command, Work, Worker},
};
use super::{
    hash::{Algorithm, Digest, Trailer},
    manifest::{Entry, Manifest},
    name::SafePath,
    overwrite::Overwrite,
    resume::{self, Record, RecordStore, ResumeError, TransferName},
    sparse::Sparse,
};

/// Why a batch cannot be put down. Whose fault, each says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// There is something of this name, and it is not to be overwritten. The caller's to resolve.
    #[error("{path} already exists")]
    Exists {
        /// Below the target folder.
        path: String,
    },
    /// There is something of this name that is of another kind: a folder in place of a file, or the other way round.
    #[error("{path} already exists and is {what}")]
    InTheWay {
        /// Below the target folder.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// The disk has no room, now or for what is announced. What is durable stays.
    #[error("no space left in {path}: {needed} bytes needed, {available} available")]
    NoSpace {
        /// The folder.
        path: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes available.
        available: u64,
    },
    /// More bytes than the manifest has. The sender's fault.
    #[error("more bytes came than the batch has")]
    TooLong,
    /// The stream ended before the batch. The sender's fault, or the connection's.
    #[error("the stream ended at byte {received} of {total}")]
    TooShort {
        /// Bytes received.
        received: u64,
        /// Bytes of the batch.
        total: u64,
    },
    /// A file is not what was sent. Nothing of the batch is put into place; when there is a record, the transfer goes on from this file.
    #[error("{path} was damaged on the way: its {algorithm} digest is {found}, the sender says {expected}", algorithm = algorithm.name())]
    Digest {
        /// Below the target folder.
        path: String,
        /// What digested it.
        algorithm: Algorithm,
        /// The sender's.
        expected: Digest,
        /// Ours.
        found: Digest,
    },
    /// The sender digests in another way than we were told.
    #[error("the sender digests with {found}, not with {expected}", found = found.name(), expected = expected.name())]
    Algorithm {
        /// The sender's.
        found: Algorithm,
        /// Ours.
        expected: Algorithm,
    },
    /// Standard output takes one file, and so does another name.
    #[error("only a batch of one file can be written to a stream, or under another name")]
    NotOneFile,
    /// The batch offered now is another one than the one that was broken off.
    #[error("the files changed since the transfer broke off")]
    OtherBatch,
    /// The disk, or a permission.
    #[error("{path} could not be written: {source}")]
    Io {
        /// What.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The record to resume from.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// It has failed before, and the error was given then.
    #[error("the receiver has stopped")]
    Stopped,
}

/// How a batch is put down.
#[derive(Debug, Clone)]
pub struct SinkOptions {
    /// What happens with files that are there already.
    pub overwrite: Overwrite,
    /// What digests the files: the sender's choice.
    pub algorithm: Algorithm,
    /// Bytes between two checkpoints.
    pub checkpoint: u64,
    /// Bytes of the disk that must stay free.
    pub reserve: u64,
    /// Files with holes: zeros in them are not written, and no room is asked for but for what is in none.
    pub sparse: Sparse,
    /// Extended attributes that the manifest has are set.
    pub xattrs: bool,
    /// The name that a file gets instead of its own, where it is all that there is; otherwise nothing is put down.
    pub called: Option<SafePath>,
    /// Where and under which name to keep a record for resuming. Without, a break is the end.
    pub record: Option<(RecordStore, TransferName)>,
    /// For the record: what the caller wants to find again.
    pub details: std::collections::BTreeMap<String, String>,
}

impl Default for SinkOptions {
    fn default() -> Self {
        Self {
            overwrite: Overwrite::default(),
            algorithm: Algorithm::default(),
            checkpoint: resume::CHECKPOINT,
            reserve: 0,
            sparse: Sparse::default(),
            xattrs: false,
            called: None,
            record: None,
            details: std::collections::BTreeMap::new(),
        }
    }
}

/// How far a sink is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SinkState {
    /// Bytes written.
    pub written: u64,
    /// Bytes that outlive a crash: what may be acknowledged.
    pub durable: u64,
    /// Regular files that have all their bytes.
    pub files: u64,
}

/// A file that is in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The entry of the manifest.
    pub entry: usize,
    /// Where it is; none when it was skipped, or went to a stream.
    pub path: Option<PathBuf>,
    /// Its name below the target folder, perhaps not that of the entry.
    pub name: SafePath,
    /// Its digest; none when it was skipped.
    pub digest: Option<Digest>,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Every regular file.
    pub files: Vec<Placed>,
    /// The digest of the batch; none when files were skipped.
    pub root: Option<Digest>,
    /// What could not be kept of modes and times, one line each; the files are right all the same.
    pub warnings: Vec<String>,
}

/// Commands on their way to the thread; so many chunks at most. What is there when the process is killed is lost.
const QUEUE: usize = 2;

/// Puts a batch down. Dropping it breaks off as [`Sink::suspend`] does, without waiting.
pub struct Sink {
    manifest: Manifest,
    record: Option<Record>,
    worker: Arc<Mutex<Worker<dyn Work>>>,
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<SinkState>,
    /// Why the thread stopped, until it is told.
    fault: Arc<Mutex<Option<SinkError>>>,
}

impl Sink {
    /// Begins a batch in a folder, which is made where there is none. To be called inside a runtime of tokio, as the others: the sink
    /// works on one of its blocking threads.
    ///
    /// # Errors
    /// Something is in the way, there is no room, or the record cannot be kept.
    pub async fn create(target: &Path, manifest: Manifest, options: SinkOptions) -> Result<Self, SinkError> {
        let (target, copy) = (target.to_owned(), manifest.clone());
        let (sender, state) = watch::channel(SinkState::default());
        let core = blocking(move || Core::create(&target, copy, options, sender)).await?;
        let record = core.record().cloned();
        Ok(Self::start(manifest, record, state, core))
    }

    /// Whether a batch could begin in a folder, as far as is known before it comes: the folder can be made and written to, none of the names is in
    /// the way, and there is room for the bytes.
    ///
    /// # Errors
    /// As [`Sink::create`]; the folder is made all the same.
    pub async fn look(target: &Path, known: Vec<Entry>, bytes: u64, overwrite: Overwrite) -> Result<(), SinkError> {
        let target = target.to_owned();
        blocking(move || before::look(&target, &known, bytes, overwrite)).await
    }

    /// Goes on with a broken batch, with the options that it was begun with: the sender is to send from [`SinkState::written`] on.
    ///
    /// # Errors
    /// There is no such record, it is running, or it is damaged.
    pub async fn resume(records: &RecordStore, name: &TransferName) -> Result<Self, SinkError> {
        let (records, name) = (records.clone(), name.clone());
        let (sender, state) = watch::channel(SinkState::default());
        let core = blocking(move || Core::take_up(&records, &name, sender)).await?;
        let record = core.record().cloned();
        Ok(Self::start(core.manifest().clone(), record, state, core))
    }

    /// Gives up a broken batch without going on with it: removes its partial files, the folders made for them that are empty, and the record.
    /// Nothing is read, and no room is needed: whoever gives up may do so because there is none.
    ///
    /// # Errors
    /// There is no such record, it is running, or it is damaged; or the disk: then the record stays, for another try.
    pub async fn discard(records: &RecordStore, name: &TransferName) -> Result<(), SinkError> {
        let (records, name) = (records.clone(), name.clone());
        blocking(move || clear::discard(&records, &name)).await
    }

    /// Writes the only file of a batch to a stream: standard output. It cannot be resumed by another process.
    ///
    /// # Errors
    /// The batch is not one file.
    pub fn to_stream(stream: Box<dyn Write + Send>, manifest: Manifest, options: &SinkOptions) -> Result<Self, SinkError> {
        let (sender, state) = watch::channel(SinkState::default());
        let core = StreamCore::new(stream, manifest.clone(), options.algorithm, sender)?;
        Ok(Self::start(manifest, None, state, core))
    }

    /// What comes.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The record as it was when the sink began: its epoch, its details. None where nothing is kept.
    pub fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// Takes the next bytes of the stream. Returns when they are queued; an error of earlier bytes may be told here.
    ///
    /// # Errors
    /// The batch has no such bytes, or the disk. What is durable can be resumed.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), SinkError> {
        self.commands.send(Command::Data(bytes)).await.map_err(|_| self.why())
    }

    /// What threads write by that have the bytes at hand.
    pub fn writer(&self) -> SinkWriter {
        SinkWriter { worker: Arc::clone(&self.worker), commands: self.commands.downgrade(), closed: Arc::default() }
    }

    /// How far it is.
    pub fn state(&self) -> SinkState {
        *self.state.borrow()
    }

    /// Follows how far it is, for acknowledgements. It closes when the sink stops.
    pub fn watch(&self) -> watch::Receiver<SinkState> {
        self.state.clone()
    }

    /// Makes durable what was written, and gives the mark.
    ///
    /// # Errors
    /// The disk.
    pub async fn checkpoint(&mut self) -> Result<u64, SinkError> {
        self.ask(Command::Checkpoint).await
    }

    /// The stream is complete: verifies every file against the sender's digests (without them, only that all bytes came), puts them into
    /// place, and forgets the record.
    ///
    /// # Errors
    /// Bytes are missing, a file is damaged, something came into the way, or the disk.
    pub async fn finish(self, trailer: Option<Trailer>) -> Result<Finished, SinkError> {
        self.ask(|answer| Command::Finish(trailer, answer)).await
    }

    /// Breaks off and keeps what is durable, if there is a record; otherwise removes the partial files.
    ///
    /// # Errors
    /// The disk.
    pub async fn suspend(self) -> Result<SinkState, SinkError> {
        self.ask(Command::Suspend).await
    }

    /// Gives up: removes the partial files and the record.
    ///
    /// # Errors
    /// The disk.
    pub async fn abort(self) -> Result<(), SinkError> {
        self.ask(Command::Abort).await
    }

    fn start(manifest: Manifest, record: Option<Record>, state: watch::Receiver<SinkState>, work: impl Work) -> Self {
        let (commands, queue) = mpsc::channel(QUEUE);
        let fault = Arc::new(Mutex::new(None));
        let worker: Arc<Mutex<Worker<dyn Work>>> = Arc::new(Mutex::new(Worker::new(work)));
        let (shared, theirs, runtime) = (Arc::clone(&worker), Arc::clone(&fault), runtime::Handle::current());
        task::spawn_blocking(move || work::run(&shared, queue, &theirs, &runtime));
        Self { manifest, record, worker, commands, state, fault }
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, SinkError> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.map_err(|_| self.why())?;
        answered.await.map_err(|_| self.why())
    }

    /// Why the thread has stopped.
    fn why(&self) -> SinkError {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(SinkError::Stopped)
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sink({:?})", self.state())
    }
}

/// Writes into a sink on the thread of whoever has the bytes, which waits for the disk. What the sink's own queue holds is not waited for: whoever
/// writes by one does not write by the other.
#[derive(Clone)]
pub struct SinkWriter {
    worker: Arc<Mutex<Worker<dyn Work>>>,
    commands: mpsc::WeakSender<Command>,
    closed: Arc<AtomicBool>,
}

impl SinkWriter {
    /// Nothing is written any more by this one and its clones. Waits for who is writing.
    pub fn close(&self) {
        let _nobody_writes = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        self.closed.store(true, Ordering::Release);
    }

    /// Writes the next bytes of the stream.
    ///
    /// # Errors
    /// The batch has no such bytes, or the disk: the sink has stopped then. What is durable can be resumed.
    pub fn write(&self, bytes: &[u8]) -> Result<(), SinkError> {
        let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        if self.closed.load(Ordering::Acquire) {
            return Err(SinkError::Stopped);
        }
        let is_due = worker.write(bytes)?;
        drop(worker);
        if is_due && let Some(commands) = self.commands.upgrade() {
            // With a full queue its thread has something to do, and looks then.
            let _ = commands.try_send(Command::Look);
        }
        Ok(())
    }
}

impl fmt::Debug for SinkWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SinkWriter")
    }
}

/// Runs on a thread for it. What panics there, panics here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, SinkError> + Send + 'static) -> Result<T, SinkError> {
    match task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down.
            Err(_) => Err(SinkError::Stopped),
        },
    }
}

#[cfg(test)]
mod tests;
