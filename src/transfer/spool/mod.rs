//! One byte stream in one file: a writer that appends, a mark of what is durable, and any number of readers that follow.
//!
//! Readers see bytes as soon as they are written; the mark moves after `fdatasync`. Nothing is buffered but the chunk a reader is being
//! given: a hundred readers cost a hundred chunks, whatever the size of the file. After a crash the file is opened again at a length known
//! to be durable, and what stands behind it is cut.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::watch;

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
}

impl Default for SpoolOptions {
    fn default() -> Self {
        Self { sync_bytes: 8 * 1024 * 1024, sync_interval: Duration::from_millis(250), expected: None, limit: super::manifest::MAX_TOTAL }
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

/// The writer's side.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
}

/// A reader. It keeps the file readable as long as it lives, even when the spool is deleted.
#[derive(Debug)]
pub struct SpoolReader {
    _private: (),
}

impl Spool {
    /// A new file.
    ///
    /// # Errors
    /// There is one already, or no room.
    pub async fn create(_path: &Path, _options: SpoolOptions) -> Result<Self, SpoolError> {
        std::future::ready(()).await;
        unimplemented!()
    }

    /// The file of an earlier process, cut to what was durable.
    ///
    /// # Errors
    /// It is not there or too short.
    pub async fn reopen(_path: &Path, _durable: u64, _options: SpoolOptions) -> Result<Self, SpoolError> {
        std::future::ready(()).await;
        unimplemented!()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends, and gives the new length. Readers see the bytes at once. To be awaited to its end: when the future is dropped before,
    /// the spool has failed.
    ///
    /// # Errors
    /// The limit, the disk, or an end before.
    pub async fn append(&mut self, _bytes: Bytes) -> Result<u64, SpoolError> {
        std::future::ready(()).await;
        unimplemented!()
    }

    /// How far it is.
    pub fn state(&self) -> SpoolState {
        unimplemented!()
    }

    /// Bytes that outlive a crash.
    pub fn durable(&self) -> u64 {
        self.state().durable
    }

    /// Follows how far it is.
    pub fn watch(&self) -> watch::Receiver<SpoolState> {
        unimplemented!()
    }

    /// Makes everything written durable, and gives the mark.
    ///
    /// # Errors
    /// The disk.
    pub async fn sync(&self) -> Result<u64, SpoolError> {
        std::future::ready(()).await;
        unimplemented!()
    }

    /// The stream is complete: makes it durable, and lets readers come to its end.
    ///
    /// # Errors
    /// The disk.
    pub async fn finish(&mut self) -> Result<u64, SpoolError> {
        std::future::ready(()).await;
        unimplemented!()
    }

    /// The stream will not be completed: readers get the reason behind the last byte.
    pub fn fail(&mut self, _reason: &str) {
        unimplemented!()
    }

    /// A reader from an offset.
    ///
    /// # Errors
    /// The offset lies behind what is written.
    pub fn reader(&self, _offset: u64) -> Result<SpoolReader, SpoolError> {
        unimplemented!()
    }

    /// Deletes the file. Readers get [`SpoolError::Closed`].
    ///
    /// # Errors
    /// The disk.
    pub async fn delete(self) -> Result<(), SpoolError> {
        std::future::ready(()).await;
        unimplemented!()
    }
}

impl SpoolReader {
    /// The next bytes, at most `max`; waits at the end of what is written; none at the end of a complete stream. Dropping the future
    /// loses nothing.
    ///
    /// # Errors
    /// The stream broke or was deleted, or the disk.
    pub async fn next(&mut self, _max: usize) -> Result<Option<Bytes>, SpoolError> {
        std::future::ready(()).await;
        unimplemented!()
    }

    /// Where the next bytes stand.
    pub fn position(&self) -> u64 {
        unimplemented!()
    }
}
