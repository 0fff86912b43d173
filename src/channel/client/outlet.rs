//! The chunks of a batch, out over one or several data connections (step 7): each connection takes the next chunk as soon as it can.

use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    sync::{Mutex, watch},
    task::JoinSet,
    time::sleep,
};

use crate::{
    channel::wire::chunk::{HEADER, Header, LAST},
    clock,
    transfer::{
        SourceError, SourceReader, TokenBucket,
        rate::grain,
        seal::{ChunkSealer, SealError, TAG_LEN},
    },
};

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

/// The chunks that are still to go out; connections share it.
struct Queue {
    reader: SourceReader,
    next: u64,
    /// The last chunk was taken.
    ended: bool,
    /// Up to which byte chunks may go.
    limit: watch::Receiver<u64>,
    pace: Option<TokenBucket>,
}

/// Sends everything that `reader` gives. `limit` says up to which byte of the batch's stream chunks may go; `gone` is told of each chunk that the
/// kernel took, as the byte behind it.
///
/// # Errors
/// The source, a connection; the connections are closed then.
pub async fn send(
    reader: SourceReader,
    streams: Vec<TcpStream>,
    sealer: ChunkSealer,
    limit: watch::Receiver<u64>,
    rate: Option<NonZeroU64>,
    gone: Arc<AtomicU64>,
) -> Result<Sent, OutletError> {
    let pace = rate.map(|rate| TokenBucket::new(clock::now(), rate, grain(rate.get())));
    let queue = Arc::new(Mutex::new(Queue { reader, next: 0, ended: false, limit, pace }));
    let sealer = Arc::new(sealer);
    let mut connections = JoinSet::new();
    for stream in streams {
        connections.spawn(feed(stream, Arc::clone(&queue), Arc::clone(&sealer), Arc::clone(&gone)));
    }
    while let Some(ended) = connections.join_next().await {
        // Dropping the others closes them.
        ended.unwrap_or(Err(OutletError::Over))?;
    }
    let queue = queue.lock().await;
    Ok(Sent { end: queue.reader.position(), chunks: queue.next })
}

/// Feeds one connection.
async fn feed(mut stream: TcpStream, queue: Arc<Mutex<Queue>>, sealer: Arc<ChunkSealer>, gone: Arc<AtomicU64>) -> Result<(), OutletError> {
    let mut frame = Vec::new();
    loop {
        let taken = queue.lock().await.take().await?;
        let Some((index, flags, plain, end)) = taken else { break };
        let length = u32::try_from(plain.len() + TAG_LEN).map_err(|_| SealError::TooLarge)?;
        frame.clear();
        frame.extend_from_slice(&Header { length, index, flags }.write());
        frame.extend_from_slice(&plain);
        drop(plain);
        frame.resize(frame.len() + TAG_LEN, 0);
        sealer.seal_at(index, flags, frame.get_mut(HEADER..).unwrap_or_default())?;
        stream.write_all(&frame).await.map_err(OutletError::Broken)?;
        gone.fetch_max(end, Ordering::Relaxed);
    }
    stream.shutdown().await.map_err(OutletError::Broken)
}

impl Queue {
    /// The next chunk, when it may go: its number, flags, bytes, and the byte of the batch's stream behind it. The last one is empty.
    async fn take(&mut self) -> Result<Option<(u64, u8, Bytes, u64)>, OutletError> {
        if self.ended {
            return Ok(None);
        }
        let position = self.reader.position();
        self.limit.wait_for(|limit| position < *limit).await.map_err(|_| OutletError::Over)?;
        let bytes = self.reader.next().await?;
        if let (Some(bytes), Some(pace)) = (&bytes, &mut self.pace) {
            // Whoever asks next waits behind.
            sleep(pace.reserve(clock::now(), bytes.len() as u64)).await;
        }
        self.ended = bytes.is_none();
        let flags = if self.ended { LAST } else { 0 };
        let index = self.next;
        self.next += 1;
        Ok(Some((index, flags, bytes.unwrap_or_default(), self.reader.position())))
    }
}
