//! The chunks of a batch, out over one or several data connections (step 7): each connection takes the next chunk as soon as it can.
//!
//! A thread for each reads, digests, seals and sends, in one place of memory: what a chunk is handed on for costs more than it gains. Where chunks
//! may be compressed, each thread decides for its connection ([`Economy`]), into a second place that it has from the first such chunk on.

use std::{
    io::Write as _,
    net::{Shutdown, TcpStream},
    num::NonZeroU64,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio::{runtime::Handle, sync::watch, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use super::cut::Cut;
use crate::{
    channel::wire::chunk::{COMPRESSED, HEADER, Header, LAST},
    clock,
    transfer::{
        BatchReader, CHUNK, Economy, Policy, SourceError, TokenBucket,
        pack::Packer,
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
    /// Files that the receiver, once it is done, has left as they were there; of several receivers, the fewest of any.
    pub skipped: u32,
}

/// How far chunks have gone, readable at any time.
#[derive(Debug, Clone, Default)]
pub struct Gone {
    /// The byte of the batch's stream behind the last that the kernel took.
    pub end: Arc<AtomicU64>,
    /// Bytes that it took, in all attempts: chunks with their headers and tags.
    pub wire: Arc<AtomicU64>,
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
    /// Most bytes a second, as they go over the wire.
    pub rate: Option<NonZeroU64>,
    /// Which chunks are compressed, where the receivers understand it.
    pub policy: Policy,
    /// How far chunks have gone.
    pub gone: Gone,
}

/// What the threads of all connections share.
struct Shared {
    queue: Mutex<Queue>,
    pace: Option<Mutex<TokenBucket>>,
    sealer: ChunkSealer,
    chunk: usize,
    policy: Policy,
    gone: Gone,
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
}

/// A chunk that is to go out.
struct Taken {
    index: u64,
    flags: u8,
    /// Bytes of it.
    length: usize,
    /// The byte of the batch's stream behind it.
    end: u64,
    /// All of it is in holes of files.
    hole: bool,
}

impl Outlet {
    /// Sends everything by these connections. Dropping the future cuts them.
    ///
    /// # Errors
    /// The source, a connection; the connections are cut then.
    pub async fn send(self, streams: Vec<tokio::net::TcpStream>) -> Result<Sent, OutletError> {
        let Self { reader, sealer, chunk, limit, rate, policy, gone } = self;
        let pace = rate.map(|rate| Mutex::new(TokenBucket::new(clock::now(), rate, grain(rate.get()))));
        let (mut cut, mut threads) = (Cut::default(), JoinSet::new());
        let queue = Mutex::new(Queue { reader, next: 0, ended: false, limit });
        let shared = Arc::new(Shared { queue, pace, sealer, chunk, policy, gone, over: cut.over(), runtime: Handle::current() });
        for stream in streams {
            let (stream, shared) = (cut.take(stream).map_err(OutletError::Broken)?, Arc::clone(&shared));
            threads.spawn_blocking(move || shared.feed(stream));
        }
        while let Some(ended) = threads.join_next().await {
            ended.unwrap_or(Err(OutletError::Over))?;
        }
        cut.spare();
        let queue = shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Sent { end: queue.reader.position(), chunks: queue.next, skipped: 0 })
    }
}

impl Shared {
    /// Feeds one connection.
    fn feed(&self, mut stream: TcpStream) -> Result<(), OutletError> {
        let mut frame = vec![0; HEADER + self.chunk + TAG_LEN];
        // Empty until a chunk is compressed.
        let (mut packing, mut packed) = (Packing::new(self.policy), Vec::new());
        while let Some(taken) = self.take(frame.split_at_mut(HEADER).1)? {
            let plain = frame.split_at(HEADER).1.split_at(taken.length).0;
            let (frame, flags, length) = match packing.pack(plain, taken.hole, self.chunk, &mut packed) {
                Some(length) => (&mut packed, COMPRESSED, length),
                None => (&mut frame, 0, taken.length),
            };
            let going = packing.going();
            if taken.length > 0 {
                self.keep_pace(HEADER + length + TAG_LEN)?;
            }
            let frame = self.seal(&taken, flags, frame, length)?;
            stream.write_all(frame).map_err(OutletError::Broken)?;
            packing.sent(frame.len(), taken.hole, going);
            self.gone.wire.fetch_add(frame.len() as u64, Ordering::Relaxed);
            self.gone.end.fetch_max(taken.end, Ordering::Relaxed);
        }
        stream.shutdown(Shutdown::Write).map_err(OutletError::Broken)
    }

    /// Waits until so many bytes may go. Whoever asks next waits behind.
    fn keep_pace(&self, bytes: usize) -> Result<(), OutletError> {
        let Some(pace) = &self.pace else { return Ok(()) };
        let wait = pace.lock().unwrap_or_else(PoisonError::into_inner).reserve(clock::now(), bytes as u64);
        if wait.is_zero() { Ok(()) } else { self.wait(sleep(wait)) }
    }

    /// Seals so many bytes that stand behind the room for a header, and gives all that goes out.
    fn seal<'a>(&self, taken: &Taken, flags: u8, frame: &'a mut [u8], length: usize) -> Result<&'a [u8], OutletError> {
        let (sealed, flags) = (length + TAG_LEN, taken.flags | flags);
        let header = Header { length: u32::try_from(sealed).map_err(|_| SealError::TooLarge)?, index: taken.index, flags };
        let (frame, _) = frame.split_at_mut(HEADER + sealed);
        let (before, chunk) = frame.split_at_mut(HEADER);
        before.copy_from_slice(&header.write());
        self.sealer.seal_at(taken.index, flags, chunk)?;
        Ok(frame)
    }

    /// The next chunk, when it may go, with its bytes at the start of the room. The last one is empty.
    fn take(&self, room: &mut [u8]) -> Result<Option<Taken>, OutletError> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let Queue { reader, next, ended, limit } = &mut *queue;
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
        *ended = length == 0;
        let taken =
            Taken { index: *next, flags: if *ended { LAST } else { 0 }, length, end: reader.position(), hole: reader.was_hole(length) };
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

/// What compresses the chunks of one connection.
struct Packing {
    economy: Economy,
    packer: Packer,
    /// Where it matters how long things take: when the last chunk was gone.
    gone: Option<Instant>,
}

impl Packing {
    fn new(policy: Policy) -> Self {
        let economy = Economy::new(policy);
        let gone = economy.is_curious().then(clock::now);
        Self { economy, packer: Packer::default(), gone }
    }

    /// Compresses a chunk where that is worth it: so many bytes then stand in the frame, behind the room for a header.
    /// One that is all hole always is.
    fn pack(&mut self, plain: &[u8], hole: bool, chunk: usize, frame: &mut Vec<u8>) -> Option<usize> {
        let hole = hole && self.economy.may_pack();
        if !hole && !self.economy.handle_chunk(plain.len()) {
            return None;
        }
        frame.resize(HEADER + chunk + TAG_LEN, 0);
        let began = clock::now();
        let packed = self.packer.pack(plain, frame.split_at_mut(HEADER).1.split_at_mut(plain.len().min(chunk)).0);
        let took = clock::now().saturating_duration_since(began);
        if hole {
            // What is in no hole is another matter.
            return packed;
        }
        // Of what became no smaller it is told as well.
        let smaller = self.economy.handle_packed(plain.len(), packed, took);
        packed.filter(|_| smaller)
    }

    /// A chunk goes to the wire now, where that matters.
    fn going(&self) -> Option<Instant> {
        self.gone.map(|_| clock::now())
    }

    /// It is gone. The few bytes of one that is all hole say nothing of what the wire takes: what they wait for is the scheduler.
    fn sent(&mut self, bytes: usize, hole: bool, going: Option<Instant>) {
        if let (Some(gone), Some(going)) = (&mut self.gone, going) {
            let now = clock::now();
            if !hole {
                self.economy.handle_sent(bytes, now.saturating_duration_since(going), now.saturating_duration_since(*gone));
            }
            *gone = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn after_holes_data_goes_as_it_is_until_the_wire_has_been_seen() {
        let lines = b"a line of text like the one before it\n".repeat(CHUNK / 30);
        let text = lines.split_at(CHUNK).0;
        for hole in [true, false] {
            let (mut packing, mut frame) = (Packing::new(Policy::Auto), Vec::new());
            for _ in 0..200 {
                let packed = packing.pack(&[0; CHUNK], hole, CHUNK, &mut frame);
                assert!(!hole || packed.is_some_and(|packed| packed < 1000), "{packed:?}");
                // Somebody else had the processor for a millisecond.
                packing.sent(60, hole, clock::now().checked_sub(Duration::from_millis(1)));
            }
            let packed = packing.pack(text, false, CHUNK, &mut frame);
            assert_eq!(packed.is_none(), hole, "frames of no hole count, so that this test can fail: {packed:?}");
        }
    }
}
