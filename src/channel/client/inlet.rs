//! Chunks as they come by a data connection (step 8): read, opened, handed on.

use std::{io, sync::Arc};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::{io::AsyncReadExt as _, net::TcpStream, sync::mpsc};

use crate::{
    channel::wire::chunk::{ChunkError, HEADER, Header},
    transfer::{
        seal::{ChunkOpener, SealError},
        spare::Spare,
    },
};

/// Chunks of one connection that wait for whoever puts them down. At the bound the connection is read no further.
pub(super) const QUEUE: usize = 2;

/// Why no more chunks come by a connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InletError {
    /// It broke, or ended inside a chunk: it can be gone on with.
    #[error("a data connection broke: {0}")]
    Broken(io::Error),
    /// A chunk was changed on the way, or is none of this transfer.
    #[error("chunk {index} is not what was sent: {why}")]
    Forged {
        /// Its number, by what its header says.
        index: u64,
        /// What is wrong.
        why: SealError,
    },
    /// A chunk of a lower number than the one before it by the same connection, or of the same: no sender sends them so.
    #[error("chunk {index} is not what was sent next by its connection")]
    Disordered {
        /// Its number, by what its header says.
        index: u64,
    },
    /// A header out of bounds.
    #[error("what comes is not what was sent: {0}")]
    Header(#[from] ChunkError),
}

/// A chunk that was opened.
pub(super) type Arrived = (Header, Bytes);

/// Takes chunks of at most `chunk` bytes from a connection until it ends. `first` was read with what stood before.
///
/// # Errors
/// It broke, or what comes is not what was sent.
pub(super) async fn take(
    mut stream: TcpStream,
    first: BytesMut,
    chunk: u32,
    opener: Arc<ChunkOpener>,
    give: mpsc::Sender<Arrived>,
) -> Result<(), InletError> {
    let mut least = 0;
    let mut reading = Reading { buffer: first, spare: Spare::default() };
    loop {
        let Some(start) = reading.header(&mut stream).await? else { return Ok(()) };
        let header = Header::read(start, chunk)?;
        if header.index < least {
            return Err(InletError::Disordered { index: header.index });
        }
        least = header.index.saturating_add(1);
        let forged = |why| InletError::Forged { index: header.index, why };
        let mut sealed = reading.sealed(&mut stream, header.length as usize).await?;
        let plain = opener.open_at(header.index, header.flags, &mut sealed).map_err(forged)?.len();
        sealed.truncate(plain);
        let plain = sealed.freeze();
        reading.spare.keep(&plain);
        if give.send((header, plain)).await.is_err() {
            // Nobody wants more: the session is over.
            return Ok(());
        }
    }
}

struct Reading {
    buffer: BytesMut,
    spare: Spare,
}

impl Reading {
    /// The next header; none where the connection ended behind a chunk.
    async fn header(&mut self, stream: &mut TcpStream) -> Result<Option<[u8; HEADER]>, InletError> {
        if self.buffer.is_empty() && !self.fill(stream, HEADER).await? {
            return Ok(None);
        }
        while self.buffer.len() < HEADER {
            self.more(stream, HEADER).await?;
        }
        let header = self.buffer.first_chunk::<HEADER>().copied().unwrap_or_default();
        self.buffer.advance(HEADER);
        Ok(Some(header))
    }

    /// So many bytes. With them the next header is asked for.
    async fn sealed(&mut self, stream: &mut TcpStream, length: usize) -> Result<BytesMut, InletError> {
        let wanted = length + HEADER;
        if self.buffer.capacity() < wanted
            && let Some(mut free) = self.spare.take(wanted)
        {
            free.extend_from_slice(&self.buffer);
            self.buffer = free;
        }
        while self.buffer.len() < length {
            self.more(stream, wanted).await?;
        }
        Ok(self.buffer.split_to(length))
    }

    async fn more(&mut self, stream: &mut TcpStream, wanted: usize) -> Result<(), InletError> {
        if self.fill(stream, wanted).await? { Ok(()) } else { Err(InletError::Broken(io::ErrorKind::UnexpectedEof.into())) }
    }

    /// Reads until at most `wanted` bytes are there; false at the end.
    async fn fill(&mut self, stream: &mut TcpStream, wanted: usize) -> Result<bool, InletError> {
        let missing = wanted.saturating_sub(self.buffer.len());
        self.buffer.reserve(missing);
        let mut room = (&mut self.buffer).limit(missing);
        stream.read_buf(&mut room).await.map(|read| read > 0).map_err(InletError::Broken)
    }
}
