//! The chunks of a batch, out over one or several data connections (step 7): each connection takes the next chunk as soon as it can.
//!
//! A thread for each reads, digests, seals and sends, in one place of memory: what a chunk is handed on for costs more than it gains.

use std::{
    io::Write as _,
    net::{Shutdown, TcpStream},
    num::NonZeroU64,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{runtime::Handle, sync::watch, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use super::cut::Cut;
use crate::{
    channel::wire::chunk::{HEADER, Header, LAST},
    clock,
    transfer::{
        BatchReader, CHUNK, SourceError, TokenBucket,
        rate::grain,
        seal::{ChunkSealer, SealError, TAG_LEN},
    },
};

/// From so many bytes on a batch is large, and its chunks are…
const LARGE: u64 = 32 * 1024 * 1024;
/// …of so many bytes: half the system calls of [`CHUNK`], and still within the cache of a processor.
const LARGE_CHUNK: usize = 512 * 1024;

/// Bytes of a chunk of a batch of so many bytes, where that is known. Under a limit (bytes a second) chunks stay small, as each is waited for.
pub fn chunk_of(total: Option<u64>, rate: Option<NonZeroU64>) -> usize {
    if rate.is_none() && total.is_some_and(|total| total >= LARGE) { LARGE_CHUNK } else { CHUNK }
}

/// Why chunks went no further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutletError {
    /// A file changed, or cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A data connection broke: it can be gone on with.
    #[error("a data connection broke: {0}")]
    Broken(std::io::Error),
    /// More chunks than a key is good for.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Nobody says any more how far chunks may go: the session is over.
    #[error("the session is over")]
    Over,
}

/// What went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Up to which byte of the batch's stream.
    pub end: u64,
    /// In so many chunks.
    pub chunks: u64,
}

/// What goes out, and how.
#[derive(Debug)]
pub struct Outlet {
    /// What is sent, from where it goes on.
    pub reader: BatchReader,
    /// Seals it.
    pub sealer: ChunkSealer,
    /// Bytes of a chunk.
    pub chunk: usize,
    /// Up to which byte of the batch's stream chunks may go.
    pub limit: watch::Receiver<u64>,
    /// Most bytes a second.
    pub rate: Option<NonZeroU64>,
    /// The byte behind the last that the kernel took.
    pub gone: Arc<AtomicU64>,
}

/// What the threads of all connections share.
struct Shared {
    queue: Mutex<Queue>,
    sealer: ChunkSealer,
    chunk: usize,
    gone: Arc<AtomicU64>,
    over: CancellationToken,
    runtime: Handle,
}

/// The chunks that are still to go out.
struct Queue {
    reader: BatchReader,
    next: u64,
    /// The last chunk was taken.
    ended: bool,
    limit: watch::Receiver<u64>,
    pace: Option<TokenBucket>,
}

/// A chunk that is to go out.
struct Taken {
    index: u64,
    flags: u8,
    /// Bytes of it.
    length: usize,
    /// The byte of the batch's stream behind it.
    end: u64,
}

impl Outlet {
    /// Sends everything by these connections. Dropping the future cuts them.
    ///
    /// # Errors
    /// The source, a connection; the connections are cut then.
    pub async fn send(self, streams: Vec<tokio::net::TcpStream>) -> Result<Sent, OutletError> {
        let Self { reader, sealer, chunk, limit, rate, gone } = self;
        let pace = rate.map(|rate| TokenBucket::new(clock::now(), rate, grain(rate.get())));
        let (mut cut, mut threads) = (Cut::default(), JoinSet::new());
        let queue = Mutex::new(Queue { reader, next: 0, ended: false, limit, pace });
        let shared = Arc::new(Shared { queue, sealer, chunk, gone, over: cut.over(), runtime: Handle::current() });
        for stream in streams {
            let (stream, shared) = (cut.take(stream).map_err(OutletError::Broken)?, Arc::clone(&shared));
            threads.spawn_blocking(move || shared.feed(stream));
        }
        while let Some(ended) = threads.join_next().await {
            ended.unwrap_or(Err(OutletError::Over))?;
        }
        cut.spare();
        let queue = shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Sent { end: queue.reader.position(), chunks: queue.next })
    }
}

impl Shared {
    /// Feeds one connection.
    fn feed(&self, mut stream: TcpStream) -> Result<(), OutletError> {
        let mut frame = vec![0; HEADER + self.chunk + TAG_LEN];
        while let Some(taken) = self.take(frame.split_at_mut(HEADER).1)? {
            let Taken { index, flags, length, end } = taken;
            let sealed = length + TAG_LEN;
            let header = Header { length: u32::try_from(sealed).map_err(|_| SealError::TooLarge)?, index, flags };
            let (frame, _) = frame.split_at_mut(HEADER + sealed);
            let (before, chunk) = frame.split_at_mut(HEADER);
            before.copy_from_slice(&header.write());
            self.sealer.seal_at(index, flags, chunk)?;
            stream.write_all(frame).map_err(OutletError::Broken)?;
            self.gone.fetch_max(end, Ordering::Relaxed);
        }
        stream.shutdown(Shutdown::Write).map_err(OutletError::Broken)
    }

    /// The next chunk, when it may go, with its bytes at the start of the room. The last one is empty.
    fn take(&self, room: &mut [u8]) -> Result<Option<Taken>, OutletError> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let Queue { reader, next, ended, limit, pace } = &mut *queue;
        if *ended {
            return Ok(None);
        }
        let position = reader.position();
        if *limit.borrow() <= position {
            self.wait(async { limit.wait_for(|limit| position < *limit).await.map(|_| ()) })?.map_err(|_| OutletError::Over)?;
        }
        let length = reader.fill(room.split_at_mut(self.chunk).0, || self.over.is_cancelled())?;
        if self.over.is_cancelled() {
            return Err(OutletError::Over);
        }
        if let Some(pace) = pace.as_mut().filter(|_| length > 0) {
            let wait = pace.reserve(clock::now(), length as u64);
            // Whoever asks next waits behind.
            if !wait.is_zero() {
                self.wait(sleep(wait))?;
            }
        }
        *ended = length == 0;
        let taken = Taken { index: *next, flags: if *ended { LAST } else { 0 }, length, end: reader.position() };
        *next += 1;
        Ok(Some(taken))
    }

    /// Waits on this thread, until all is over.
    fn wait<T>(&self, what: impl Future<Output = T>) -> Result<T, OutletError> {
        self.runtime.block_on(async {
            tokio::select! {
                done = what => Ok(done),
                () = self.over.cancelled() => Err(OutletError::Over),
            }
        })
    }
}
