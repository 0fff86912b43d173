//! Chunks as they come by data connections (step 8): read, opened and put down on the thread of each connection.
//!
//! A chunk stays in the cache of one processor from the socket to the file: handing it to another thread costs more than the two would save by working
//! at the same time. The session hears of it now and then ([`Arrivals`]).

use std::{
    io,
    net::TcpStream,
    os::fd::AsRawFd as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, recv},
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::cut::Cut;
use crate::{
    channel::{
        session::{Intake, Landed},
        wire::{
            chunk::{COMPRESSED, ChunkError, HEADER, Header},
            letter::Failed,
        },
    },
    clock,
    transfer::{
        SinkError, SinkWriter,
        pack::{Unfit, Unpacker},
        seal::{ChunkOpener, MAX_CHUNK, SealError, TAG_LEN},
    },
};

/// Received bytes after which the session is woken at once.
const WAKE_BYTES: u64 = 4 * 1024 * 1024;
/// How often it looks where there are fewer.
const LOOK: Duration = Duration::from_millis(100);

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
    /// A chunk is compressed though nobody agreed on that.
    #[error("chunk {0} is compressed, which was not agreed on")]
    Compressed(u64),
    /// A chunk is not what is compressed as it was agreed on.
    #[error("chunk {index} cannot be decompressed: {why}")]
    Unpackable {
        /// Its number.
        index: u64,
        /// What is wrong.
        why: Unfit,
    },
    /// A header out of bounds.
    #[error("what arrives is not what was sent: {0}")]
    Header(#[from] ChunkError),
    /// It does not fit with those that came.
    #[error("{0}")]
    Unfit(Failed),
    /// It could not be put down.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

impl From<Failed> for InletError {
    fn from(failed: Failed) -> Self {
        Self::Unfit(failed)
    }
}

/// What all connections of a transfer put their chunks into.
#[derive(Debug)]
pub(super) struct Inlet {
    opener: ChunkOpener,
    /// Most bytes of a chunk.
    chunk: u32,
    /// Some may be compressed.
    packed: bool,
    landing: Mutex<Landing>,
    tell: watch::Sender<Landed>,
    /// The session does not look by itself.
    asleep: Arc<AtomicBool>,
}

/// In order: whoever has the next chunk puts it down, and those that waited for it.
#[derive(Debug)]
struct Landing {
    intake: Intake,
    /// None where all is in its place already, and only the end is to come.
    sink: Option<SinkWriter>,
    /// How far it was when the session was woken.
    woken: u64,
}

/// How far the chunks are, for the session.
#[derive(Debug)]
pub(super) struct Arrivals {
    told: watch::Receiver<Landed>,
    last: Landed,
    /// When to look again, unless it is to be woken.
    look: Option<Instant>,
    asleep: Arc<AtomicBool>,
}

impl Inlet {
    /// Opens chunks of at most `chunk` bytes, some of which may be compressed where that was agreed on, and puts them into a sink.
    pub(super) fn new(opener: ChunkOpener, chunk: u32, packed: bool, intake: Intake, sink: Option<SinkWriter>) -> (Self, Arrivals) {
        let landed = intake.landed();
        let (tell, told) = watch::channel(landed);
        let asleep = Arc::new(AtomicBool::new(true));
        let arrivals = Arrivals { told, last: landed, look: None, asleep: Arc::clone(&asleep) };
        let landing = Mutex::new(Landing { intake, sink, woken: landed.received });
        (Self { opener, chunk, packed, landing, tell, asleep }, arrivals)
    }

    /// Takes all that comes by connections, each with what was read of it already, until they have ended. Dropping the future cuts them.
    ///
    /// # Errors
    /// One of them broke, what comes is not what was sent, or it could not be put down. The connections stay as they are until what is given with
    /// it is dropped: the sender is to hear why before it sees them cut.
    pub(super) async fn take(self, connections: Vec<(tokio::net::TcpStream, BytesMut)>) -> Result<(), (InletError, Cut)> {
        let (inlet, mut cut, mut threads) = (Arc::new(self), Cut::default(), JoinSet::new());
        for (stream, first) in connections {
            let stream = match cut.take(stream) {
                Ok(stream) => stream,
                Err(error) => return Err((InletError::Broken(error), cut)),
            };
            let inlet = Arc::clone(&inlet);
            threads.spawn_blocking(move || inlet.drain(&mut Incoming::new(stream, &first, inlet.chunk)));
        }
        while let Some(ended) = threads.join_next().await {
            let ended = ended.unwrap_or_else(|error| match error.try_into_panic() {
                // It is ours, and nobody's tampering.
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is going down.
                Err(_) => Err(SinkError::Stopped.into()),
            });
            if let Err(error) = ended {
                return Err((error, cut));
            }
        }
        cut.spare();
        Ok(())
    }

    /// All chunks of one connection.
    fn drain(&self, incoming: &mut Incoming) -> Result<(), InletError> {
        let mut least = 0;
        // What is compressed is taken apart here, from the first such chunk on.
        let (mut unpacker, mut room) = (Unpacker::default(), Vec::new());
        while let Some(start) = incoming.header()? {
            let header = Header::read(start, self.chunk)?;
            if header.index < least {
                return Err(InletError::Disordered { index: header.index });
            }
            least = header.index.saturating_add(1);
            let is_packed = header.flags & COMPRESSED != 0;
            if is_packed && !self.packed {
                return Err(InletError::Compressed(header.index));
            }
            self.landing().intake.check(&header)?;
            let sealed = incoming.body(header.length as usize)?;
            let forged = |why| InletError::Forged { index: header.index, why };
            let opened: &[u8] = self.opener.open_at(header.index, header.flags, sealed).map_err(forged)?;
            let plain = if is_packed {
                room.resize(usize::try_from(self.chunk).unwrap_or(MAX_CHUNK), 0);
                unpacker.unpack(opened, &mut room).map_err(|why| InletError::Unpackable { index: header.index, why })?
            } else {
                opened
            };
            self.put(&header, plain)?;
        }
        Ok(())
    }

    fn put(&self, header: &Header, plain: &[u8]) -> Result<(), InletError> {
        let mut landing = self.landing();
        let Landing { intake, sink, woken } = &mut *landing;
        intake.take(header, plain, |bytes| match sink {
            Some(sink) => sink.write(bytes).map_err(InletError::from),
            None if bytes.is_empty() => Ok(()),
            None => Err(SinkError::TooLong.into()),
        })?;
        let landed = intake.landed();
        self.tell.send_if_modified(|told| {
            *told = landed;
            // Under the lock of what is told: whoever falls asleep looks once more behind it.
            let is_asleep = self.asleep.swap(false, Ordering::AcqRel);
            let wakes = is_asleep || landed.complete || landed.received.saturating_sub(*woken) >= WAKE_BYTES;
            if wakes {
                *woken = landed.received;
            }
            wakes
        });
        Ok(())
    }

    fn landing(&self) -> MutexGuard<'_, Landing> {
        self.landing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arrivals {
    /// How far it is, told or not.
    pub(super) fn latest(&self) -> Landed {
        *self.told.borrow()
    }

    /// How far it is, when that has changed. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Landed {
        loop {
            let look = async {
                match self.look {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.told.changed() => if changed.is_err() && *self.told.borrow() == self.last {
                    // Nothing comes any more.
                    return std::future::pending().await;
                },
                () = look => {}
            }
            let mut landed = *self.told.borrow_and_update();
            if landed == self.last {
                self.asleep.store(true, Ordering::Release);
                // What came before that was said has woken nobody.
                landed = *self.told.borrow_and_update();
            }
            if landed != self.last {
                (self.last, self.look) = (landed, Some(Instant::from_std(clock::now() + LOOK)));
                return landed;
            }
            self.look = None;
        }
    }
}

/// What comes by one connection, and was not taken yet.
#[derive(Debug)]
struct Incoming {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Where it stands in the buffer.
    start: usize,
    end: usize,
}

impl Incoming {
    /// With room for a chunk and the headers before and behind it.
    fn new(stream: TcpStream, first: &[u8], chunk: u32) -> Self {
        let room = HEADER + usize::try_from(chunk).unwrap_or(usize::MAX).saturating_add(TAG_LEN) + HEADER;
        let mut buffer = vec![0; room.max(first.len())];
        buffer.split_at_mut(first.len()).0.copy_from_slice(first);
        Self { stream, buffer, start: 0, end: first.len() }
    }

    /// The next header; none where the connection ended behind a chunk.
    fn header(&mut self) -> Result<Option<[u8; HEADER]>, InletError> {
        if self.start == self.end && !self.fill(HEADER)? {
            return Ok(None);
        }
        let header = self.body(HEADER)?.first_chunk::<HEADER>().copied().unwrap_or_default();
        Ok(Some(header))
    }

    /// So many bytes, which are no more than a chunk.
    fn body(&mut self, length: usize) -> Result<&mut [u8], InletError> {
        while self.end - self.start < length {
            if !self.fill(length)? {
                return Err(InletError::Broken(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        let (_, rest) = self.buffer.split_at_mut(self.start);
        self.start += length;
        Ok(rest.split_at_mut(length).0)
    }

    /// Reads what there is; where that was not enough, what is missing to so many bytes, however long that takes. False at the end.
    fn fill(&mut self, wanted: usize) -> Result<bool, InletError> {
        let missing = wanted.saturating_sub(self.end - self.start);
        if self.start == self.end || self.buffer.len() - self.start < wanted {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let room = self.buffer.split_at_mut(self.end).1;
        let read = match receive(&self.stream, room, MsgFlags::empty())? {
            0 => return Ok(false),
            read if read >= missing => read,
            read => read + receive(&self.stream, room.split_at_mut(missing).0.split_at_mut(read).1, MsgFlags::MSG_WAITALL)?,
        };
        self.end += read;
        Ok(true)
    }
}

fn receive(stream: &TcpStream, room: &mut [u8], flags: MsgFlags) -> Result<usize, InletError> {
    loop {
        match recv(stream.as_raw_fd(), room, flags) {
            Err(Errno::EINTR) => {}
            received => return received.map_err(|error| InletError::Broken(error.into())),
        }
    }
}
