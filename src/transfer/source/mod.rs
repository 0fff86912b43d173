//! Files, folders and standard input as a batch: the manifest, and readers of its byte stream.
//!
//! A [`BatchReader`] reads on the thread of whoever asks, into the memory that what is read goes out from; a [`SourceReader`] does so on a thread of
//! its own, a few chunks ahead of a task. Both digest what they read. A file that has another size or time than when the manifest was made ends the
//! stream with an error that names it: what is sent is what was announced.

mod buffers;
mod digests;
mod file;
mod read;
mod stream;
mod walk;
mod xattrs;

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::{sync::mpsc, task};

use self::{
    digests::Digests,
    file::Found,
    read::Passage,
    stream::{Retained, Tap},
    walk::Walked,
};
use super::{
    cursor::Cursor,
    hash::{Algorithm, Trailer},
    manifest::{Entry, Kind, Manifest, ManifestError},
    name::{NameError, SafePath},
    sparse::Sparse,
    xattrs::XattrError,
};

/// How far what was read from standard input is kept to be read again, in bytes, until it is acknowledged. At the bound reading waits.
pub const MAX_RETAINED: u64 = 32 * 1024 * 1024;

/// Why a source cannot be read. The caller's fault, or that of whoever changes the files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// There is no such file, or it may not be read.
    #[error("{path} cannot be read: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A socket, a pipe, a device.
    #[error("{path} is neither a file nor a folder nor a link, but {what}")]
    Special {
        /// The file.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// A name that cannot travel.
    #[error("{path} cannot be sent: {why}")]
    Name {
        /// The file.
        path: String,
        /// Why.
        why: NameError,
    },
    /// The root of the file system.
    #[error("{path} has no name to send it under: name its contents instead")]
    Nameless {
        /// The path.
        path: String,
    },
    /// Two of the given paths end in the same name.
    #[error("{path} and another one given would have the same name \"{name}\"")]
    Twice {
        /// The later one.
        path: String,
        /// The name.
        name: String,
    },
    /// Links that lead round in a circle, or folders deeper than a path may be.
    #[error("{path} leads in a circle or too deep")]
    Circle {
        /// Where.
        path: String,
    },
    /// Extended attributes that do not travel.
    #[error("{path} has {why}: send it without --xattrs")]
    Xattrs {
        /// The file or folder.
        path: String,
        /// What is wrong.
        why: XattrError,
    },
    /// What was found is no batch.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A file has fewer bytes than announced.
    #[error("{path} shrank while it was being sent: {found} bytes instead of {announced}")]
    Shrunk {
        /// The file.
        path: String,
        /// Bytes announced.
        announced: u64,
        /// Bytes found.
        found: u64,
    },
    /// A file has more bytes than announced.
    #[error("{path} grew while it was being sent: {found} bytes instead of {announced}")]
    Grown {
        /// The file.
        path: String,
        /// Bytes announced.
        announced: u64,
        /// Bytes found.
        found: u64,
    },
    /// A file was written or replaced since the manifest was made.
    #[error("{path} changed while it was being sent")]
    Changed {
        /// The file.
        path: String,
    },
    /// The offset is not in the batch; for standard input, it is no longer kept.
    #[error("the batch cannot be read from byte {offset} on")]
    Offset {
        /// The offset.
        offset: u64,
    },
    /// The stream has not been read to its end.
    #[error("the batch was not read to its end")]
    Unread,
}

/// How paths become a batch.
#[derive(Debug, Clone)]
pub struct SourceOptions {
    /// Send what symbolic links point to, instead of the links.
    pub follow_links: bool,
    /// Extended attributes of users go with files and folders.
    pub xattrs: bool,
    /// What digests the files.
    pub algorithm: Algorithm,
    /// Bytes of a chunk; from 4 KiB to 4 MiB, others are rounded to the next bound.
    pub chunk: usize,
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self { follow_links: false, xattrs: false, algorithm: Algorithm::default(), chunk: super::CHUNK }
    }
}

/// Chunks that a reader is ahead.
const AHEAD: usize = 3;
/// The least and the most bytes of a chunk.
const CHUNK_BOUNDS: (usize, usize) = (4 * 1024, 4 * 1024 * 1024);

/// A batch that can be read, again and again where it is made of files. Clones are the same batch.
#[derive(Debug, Clone)]
pub struct Source(Arc<Batch>);

#[derive(Debug)]
struct Batch {
    manifest: Manifest,
    options: SourceOptions,
    bytes: Content,
    digests: Mutex<Digests>,
    skipped: Skipped,
}

/// Most that is kept of what was passed over; more is counted.
const MAX_SKIPPED: usize = 20;

/// What lies in the folders of a batch and is not sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Skipped {
    /// The first of them: the path, and what it is.
    pub first: Vec<(String, &'static str)>,
    /// How many more there are.
    pub more: u64,
}

impl Skipped {
    fn note(&mut self, path: &Path, what: &'static str) {
        if self.first.len() < MAX_SKIPPED {
            self.first.push((path.display().to_string(), what));
        } else {
            self.more += 1;
        }
    }
}

/// Where the bytes of a batch are.
#[derive(Debug)]
enum Content {
    /// One for each regular file, in the manifest's order.
    Files(Vec<Found>),
    /// Read once, kept for a while.
    Stream(Retained),
}

/// Reads the stream of a batch once, on the thread of whoever asks, which waits.
#[derive(Debug)]
pub struct BatchReader {
    batch: Arc<Batch>,
    at: At,
    position: u64,
}

/// Where a reader is.
#[derive(Debug)]
enum At {
    Files(Passage),
    Stream(Tap),
}

/// Reads the stream of a batch once, for a task.
#[derive(Debug)]
pub struct SourceReader {
    chunks: mpsc::Receiver<Result<Bytes, SourceError>>,
    position: u64,
}

impl Source {
    /// Walks files and folders. Links among the given paths themselves are followed.
    ///
    /// # Errors
    /// Something cannot be read, cannot travel, or there is too much.
    pub async fn from_paths(paths: Vec<PathBuf>, options: SourceOptions) -> Result<Self, SourceError> {
        let (follow, xattrs) = (options.follow_links, options.xattrs);
        blocking(move || {
            let Walked { entries, files, skipped } = walk::walk(&paths, follow, xattrs)?;
            Ok(Self::new(Manifest::new(entries)?, options, Content::Files(files), skipped))
        })
        .await
    }

    /// A stream of unknown length under a name: standard input.
    ///
    /// # Errors
    /// Never for a safe name; the manifest is checked all the same.
    pub fn from_stream(name: SafePath, stream: Box<dyn Read + Send>, options: SourceOptions) -> Result<Self, SourceError> {
        let mut entry = Entry::new(name, Kind::File { size: None });
        entry.mime = walk::mime(entry.path.file_name());
        let retained = Retained::new(stream, options.algorithm);
        Ok(Self::new(Manifest::new(vec![entry])?, options, Content::Stream(retained), Skipped::default()))
    }

    /// What is in it.
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    /// What lies in the folders and is not sent: neither file nor folder nor link, or a partial file of a download.
    pub fn skipped(&self) -> &Skipped {
        &self.0.skipped
    }

    /// Which files have holes, by what the file system said when the manifest was made.
    pub fn sparse(&self) -> Sparse {
        match &self.0.bytes {
            Content::Files(files) => Sparse::new(files.iter().enumerate().filter_map(|(at, found)| Some((at, found.data()?)))),
            Content::Stream(_) => Sparse::default(),
        }
    }

    /// What digests its files.
    pub fn algorithm(&self) -> Algorithm {
        self.0.options.algorithm
    }

    /// A reader from an offset of the stream.
    ///
    /// # Errors
    /// The offset is behind the end, or, for standard input, not among what is kept. For standard input, a new reader ends the one before.
    pub fn open(&self, offset: u64) -> Result<BatchReader, SourceError> {
        let at = match &self.0.bytes {
            Content::Files(_) => At::Files(Passage::new(Cursor::at(&self.0.manifest, offset).ok_or(SourceError::Offset { offset })?)),
            Content::Stream(retained) => At::Stream(Tap::new(retained.begin(offset)?, self.0.options.chunk)),
        };
        Ok(BatchReader { batch: Arc::clone(&self.0), at, position: offset })
    }

    /// A reader from an offset of the stream, for a task. To be called inside a runtime of tokio: it works on one of its blocking threads.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn read_from(&self, offset: u64) -> Result<SourceReader, SourceError> {
        let (give, chunks) = mpsc::channel(AHEAD);
        let reader = self.open(offset)?;
        task::spawn_blocking(move || reader.pour(&give));
        Ok(SourceReader { chunks, position: offset })
    }

    /// Says that the bytes before `offset` will not be asked for again. Matters for standard input only: without it, reading stops after
    /// [`MAX_RETAINED`] bytes.
    pub fn acknowledge(&self, offset: u64) {
        if let Content::Stream(retained) = &self.0.bytes {
            retained.acknowledge(offset);
        }
    }

    /// The digests of all files. What no reader has passed yet is read for it now.
    ///
    /// # Errors
    /// A file changed or cannot be read; standard input has not ended.
    pub async fn trailer(&self) -> Result<Trailer, SourceError> {
        let batch = Arc::clone(&self.0);
        blocking(move || {
            if let Content::Files(files) = &batch.bytes {
                batch.digest_missing(files)?;
            }
            let files = batch.digests().all().ok_or(SourceError::Unread)?;
            Ok(Trailer { algorithm: batch.options.algorithm, files })
        })
        .await
    }

    fn new(manifest: Manifest, mut options: SourceOptions, bytes: Content, skipped: Skipped) -> Self {
        options.chunk = options.chunk.clamp(CHUNK_BOUNDS.0, CHUNK_BOUNDS.1);
        let digests = Mutex::new(Digests::new(options.algorithm, manifest.files().len()));
        Self(Arc::new(Batch { manifest, options, bytes, digests, skipped }))
    }
}

impl Batch {
    fn digests(&self) -> MutexGuard<'_, Digests> {
        self.digests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BatchReader {
    /// Fills the room with the next bytes, and says how many they are: none at the end. Less than all of it is filled at the end, and by standard
    /// input, which is given as it comes. Ends, too, when it finds while it waits for standard input that `is_over`.
    ///
    /// # Errors
    /// A file changed or cannot be read.
    pub fn fill(&mut self, room: &mut [u8], is_over: impl Fn() -> bool) -> Result<usize, SourceError> {
        let filled = match &mut self.at {
            At::Files(passage) => self.batch.fill(passage, room)?,
            At::Stream(tap) => self.batch.draw(tap, self.position, room, is_over)?,
        };
        self.position += filled as u64;
        Ok(filled)
    }

    /// Where in the stream the next bytes stand.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether so many bytes, which were read last, are in holes of a sparse file, and so zero.
    pub fn was_hole(&self, filled: usize) -> bool {
        matches!(&self.at, At::Files(passage) if filled > 0 && passage.holes == filled)
    }

    /// Gives everything, until nobody wants more.
    fn pour(self, give: &mpsc::Sender<Result<Bytes, SourceError>>) {
        let poured = match self.at {
            At::Files(passage) => self.batch.pour(passage, give),
            At::Stream(tap) => self.batch.pour_stream(tap, self.position, give),
        };
        if let Err(error) = poured {
            // Nobody to tell: the reader was dropped.
            let _ = give.blocking_send(Err(error));
        }
    }
}

impl SourceReader {
    /// The next bytes; none at the end. Dropping the future loses nothing.
    ///
    /// # Errors
    /// A file changed or cannot be read. The reader is at its end then.
    pub async fn next(&mut self) -> Result<Option<Bytes>, SourceError> {
        match self.chunks.recv().await {
            Some(Ok(bytes)) => {
                self.position += bytes.len() as u64;
                Ok(Some(bytes))
            }
            Some(Err(error)) => {
                self.chunks.close();
                Err(error)
            }
            None => Ok(None),
        }
    }

    /// Where in the stream the next bytes stand.
    pub fn position(&self) -> u64 {
        self.position
    }
}

/// Runs what blocks on a thread for it. What panics there, panics here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, SourceError> + Send + 'static) -> Result<T, SourceError> {
    match task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down.
            Err(_) => Err(SourceError::Unread),
        },
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> SourceError {
    let path = path.display().to_string();
    move |source| SourceError::Io { path, source }
}

#[cfg(test)]
mod tests;
