//! One byte stream in one file: a writer that appends, a mark of what is durable, and any number of readers that follow.
//!
//! Readers see bytes as soon as they are written; the mark moves after `fdatasync`. Nothing is buffered but the chunk a reader is being
//! given: a hundred readers cost a hundred chunks, whatever the size of the file. After a crash the file is opened again at a length known
//! to be durable, and what stands behind it is cut.

mod disk;
mod reader;
mod sync;

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{Notify, Semaphore, watch},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use reader::SpoolReader;

/// Why a spool failed. Cloneable, as every reader is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// The disk has no room, now or for what is announced. Ours; what is durable stays.
    #[error("no space left for the spool {path}: {needed} bytes needed, {available} available")]
    NoSpace {
        /// The file.
        path: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes available.
        available: u64,
    },
    /// More than the caller's limit. The sender's fault.
    #[error("the stream is longer than its limit of {limit} bytes")]
    TooLong {
        /// The limit.
        limit: u64,
    },
    /// The file is shorter than what was said to be durable, or there is none.
    #[error("the spool {path} has {found} bytes, but {durable} were durable")]
    Damaged {
        /// The file.
        path: String,
        /// Bytes found.
        found: u64,
        /// Bytes expected at least.
        durable: u64,
    },
    /// The disk does not do what it should.
    #[error("the spool {path} failed: {why}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// The writer gave up: the reason that it gave.
    #[error("the stream broke: {0}")]
    Failed(String),
    /// It was deleted, or its writer is gone.
    #[error("the spool is closed")]
    Closed,
    /// Asked to read from behind the end.
    #[error("the stream has no byte {0}")]
    Offset(u64),
}

/// How a spool behaves.
#[derive(Debug, Clone)]
pub struct SpoolOptions {
    /// Sync after this many bytes at most…
    pub sync_bytes: u64,
    /// …or this long after the first byte not yet durable.
    pub sync_interval: Duration,
    /// Bytes announced, for which there must be room.
    pub expected: Option<u64>,
    /// Most bytes taken.
    pub limit: u64,
    /// A permit of these is held while syncing, so that those who sync do not take every thread from those who read; `None`: no bound.
    pub syncs: Option<Arc<Semaphore>>,
}

impl Default for SpoolOptions {
    fn default() -> Self {
        Self {
            sync_bytes: 8 * 1024 * 1024,
            sync_interval: Duration::from_millis(250),
            expected: None,
            limit: super::manifest::MAX_TOTAL,
            syncs: None,
        }
    }
}

/// How far a spool is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpoolState {
    /// Bytes that readers can have.
    pub written: u64,
    /// Bytes that outlive a crash.
    pub durable: u64,
    /// How it ended, if it has.
    pub end: Option<Result<(), SpoolError>>,
}

/// What writer, readers and the task that syncs have in common.
#[derive(Debug)]
struct Shared {
    path: PathBuf,
    file: File,
    /// Reading waits for no disk.
    in_memory: bool,
    state: watch::Sender<SpoolState>,
    /// Somebody wants the mark to move now.
    hurry: Notify,
}

/// The writer's side. Dropping it without [`Spool::finish`] or [`Spool::fail`] leaves the file, and readers get [`SpoolError::Closed`].
#[derive(Debug)]
pub struct Spool {
    shared: Arc<Shared>,
    limit: u64,
    /// Bytes on their way to the file, when the future that wrote them was dropped.
    pending: Option<(JoinHandle<Result<(), SpoolError>>, u64)>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Spool {
    /// A new file (mode 0600). To be called inside a runtime of tokio, as `reopen`.
    ///
    /// # Errors
    /// There is one already, or no room.
    pub async fn create(path: &Path, options: SpoolOptions) -> Result<Self, SpoolError> {
        Self::open(path, 0, true, options).await
    }

    /// The file of an earlier process, cut to what was durable. As long as the machine was not started anew (`resume::boot`), all that a killed
    /// process wrote is still there, and the file's length may be given.
    ///
    /// # Errors
    /// It is not there or too short.
    pub async fn reopen(path: &Path, durable: u64, options: SpoolOptions) -> Result<Self, SpoolError> {
        Self::open(path, durable, false, options).await
    }

    async fn open(path: &Path, durable: u64, create: bool, options: SpoolOptions) -> Result<Self, SpoolError> {
        let (at, expected) = (path.to_owned(), options.expected);
        if expected.is_some_and(|expected| expected > options.limit) {
            return Err(SpoolError::TooLong { limit: options.limit });
        }
        let file = disk::blocking(move || disk::open(&at, durable, create, expected)).await?;
        let state = SpoolState { written: durable, durable, end: None };
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            in_memory: disk::is_in_memory(&file),
            file,
            state: watch::Sender::new(state),
            hurry: Notify::new(),
        });
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(sync::keep_durable(Arc::clone(&shared), options.clone(), stop.clone()));
        Ok(Self { shared, limit: options.limit, pending: None, tasks, stop })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Appends, and gives the new length. Readers see the bytes at once. Once begun, the bytes are appended even when the future is
    /// dropped; the next call waits for them.
    ///
    /// # Errors
    /// The limit, the disk, or an end before. The spool has failed then, and keeps what is durable.
    pub async fn append(&mut self, bytes: Bytes) -> Result<u64, SpoolError> {
        self.append_all(vec![bytes]).await
    }

    /// Appends pieces as [`Spool::append`] does one, at the price of one: all or, after an error, none.
    ///
    /// # Errors
    /// As those of [`Spool::append`].
    pub async fn append_all(&mut self, pieces: Vec<Bytes>) -> Result<u64, SpoolError> {
        self.settle().await?;
        self.shared.check_open()?;
        let at = self.shared.state.borrow().written;
        let end = pieces.iter().fold(at, |end, piece| end.saturating_add(piece.len() as u64));
        if end > self.limit {
            return Err(self.shared.end_with(SpoolError::TooLong { limit: self.limit }));
        }
        let shared = Arc::clone(&self.shared);
        self.pending = Some((tokio::task::spawn_blocking(move || disk::write(&shared, &pieces, at)), end));
        self.settle().await?;
        Ok(end)
    }

    /// Waits for bytes under way.
    async fn settle(&mut self) -> Result<(), SpoolError> {
        let Some((write, end)) = &mut self.pending else { return Ok(()) };
        let (written, end) = (disk::joined(write.await), *end);
        self.pending = None;
        match written {
            Ok(()) => {
                self.shared.state.send_modify(|state| state.written = end);
                Ok(())
            }
            Err(error) => Err(self.shared.end_with(error)),
        }
    }

    /// How far it is.
    pub fn state(&self) -> SpoolState {
        self.shared.state.borrow().clone()
    }

    /// Bytes that outlive a crash.
    pub fn durable(&self) -> u64 {
        self.shared.state.borrow().durable
    }

    /// Follows how far it is.
    pub fn watch(&self) -> watch::Receiver<SpoolState> {
        self.shared.state.subscribe()
    }

    /// Makes everything written durable, and gives the mark.
    ///
    /// # Errors
    /// The disk.
    pub async fn sync(&mut self) -> Result<u64, SpoolError> {
        self.settle().await?;
        let mut watch = self.watch();
        let wanted = watch.borrow().written;
        self.shared.hurry.notify_one();
        let state = watch.wait_for(|state| state.durable >= wanted || matches!(state.end, Some(Err(_)))).await;
        let state = state.map_err(|_| SpoolError::Closed)?;
        match &state.end {
            Some(Err(error)) if state.durable < wanted => Err(error.clone()),
            _ => Ok(state.durable),
        }
    }

    /// The stream is complete: makes it durable, and lets readers come to its end. Once more is no error.
    ///
    /// # Errors
    /// The disk, or it has failed before.
    pub async fn finish(&mut self) -> Result<u64, SpoolError> {
        if self.shared.state.borrow().end == Some(Ok(())) {
            return Ok(self.durable());
        }
        self.shared.check_open()?;
        let durable = self.sync().await?;
        self.shared.state.send_if_modified(|state| {
            let open = state.end.is_none();
            if open {
                state.end = Some(Ok(()));
            }
            open
        });
        Ok(durable)
    }

    /// The stream will not be completed: readers get the reason behind the last byte. What ended before stays as it ended.
    pub fn fail(&mut self, reason: &str) {
        self.shared.end_with(SpoolError::Failed(reason.to_owned()));
    }

    /// A reader from an offset.
    ///
    /// # Errors
    /// The offset lies behind what is written.
    pub fn reader(&self, offset: u64) -> Result<SpoolReader, SpoolError> {
        if offset > self.shared.state.borrow().written {
            return Err(SpoolError::Offset(offset));
        }
        Ok(SpoolReader::new(Arc::clone(&self.shared), offset))
    }

    /// Deletes the file. Readers get [`SpoolError::Closed`].
    ///
    /// # Errors
    /// The disk.
    pub async fn delete(mut self) -> Result<(), SpoolError> {
        self.shared.state.send_modify(|state| state.end = Some(Err(SpoolError::Closed)));
        // The bytes under way need their file no more, but the thread is to be done with it.
        let _ = self.settle().await;
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let path = self.shared.path.clone();
        disk::blocking(move || disk::delete(&path)).await
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.shared.end_with(SpoolError::Closed);
        self.stop.cancel();
    }
}

impl Shared {
    /// Ends the stream, if it has not ended, and gives the error back.
    fn end_with(&self, error: SpoolError) -> SpoolError {
        self.state.send_if_modified(|state| {
            let open = state.end.is_none();
            if open {
                state.end = Some(Err(error.clone()));
            }
            open
        });
        error
    }

    fn check_open(&self) -> Result<(), SpoolError> {
        match &self.state.borrow().end {
            None => Ok(()),
            Some(Ok(())) => Err(SpoolError::Closed),
            Some(Err(error)) => Err(error.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
