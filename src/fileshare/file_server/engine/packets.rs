//! Packets on a connection: reading them one by one, writing them with as few copies and system calls as can be.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::{Buf, BufMut as _, Bytes};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::{sleep, timeout},
};

use super::pace::Pace;
use crate::{
    clock,
    fileshare::wire::{Decoder, Failure, FailureCode, Header, Kind, Packet, PacketError, Route, parts},
};

/// What is taken at once of what is not wanted, in bytes.
const WASTE: usize = 64 * 1024;

/// Why no packet can be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The connection broke.
    #[error(transparent)]
    Broken(#[from] io::Error),
    /// Nothing came for so long.
    #[error("nothing was heard for {0:?}")]
    Silent(Duration),
    /// What came is no packet that we take.
    #[error(transparent)]
    Packet(#[from] PacketError),
}

impl ReadError {
    /// What the terminal did wrong; `None` where the connection just broke.
    pub(super) fn failure(&self) -> Option<Failure> {
        match self {
            Self::Broken(_) | Self::Packet(PacketError::Truncated) => None,
            Self::Silent(_) => Some(Failure::new(FailureCode::Unreachable, self.to_string())),
            Self::Packet(error) => Some(Failure::new(error.code(), error.to_string())),
        }
    }
}

/// The reading half.
#[derive(Debug)]
pub(super) struct Incoming<R> {
    input: R,
    pub(super) decoder: Decoder,
    /// How long the other end may be silent.
    stall: Duration,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    pub(super) fn new(input: R, decoder: Decoder, stall: Duration) -> Self {
        Self { input, decoder, stall }
    }

    /// The next packet; `None` at the end of the stream. Dropping the future loses nothing.
    pub(super) async fn next(&mut self, mut pace: Option<&mut Pace>) -> Result<Option<Packet>, ReadError> {
        loop {
            if let Some(packet) = self.decoder.next_packet()? {
                return Ok(Some(packet));
            }
            let grain = pace.as_deref().and_then(Pace::grain).unwrap_or(usize::MAX);
            let mut room = self.decoder.room().limit(grain);
            let read = timeout(self.stall, self.input.read_buf(&mut room)).await;
            let count = read.map_err(|_| ReadError::Silent(self.stall))??;
            if count == 0 {
                self.decoder.finish()?;
                return Ok(None);
            }
            if let Some(pace) = pace.as_deref_mut() {
                pace.spend(count).await;
            }
        }
    }

    /// Takes what still comes until the other end closes, for so long at most: a connection that is closed with something unread breaks, and our
    /// last words with it.
    pub(super) async fn drain(&mut self, patience: Duration) {
        let mut waste = vec![0; WASTE];
        let read = async { while let Ok(1..) = self.input.read(&mut waste).await {} };
        // Whoever goes on sending does not hear.
        let _ = timeout(patience, read).await;
    }
}

/// The writing half.
#[derive(Debug)]
pub(super) struct Outgoing<W> {
    output: W,
    pub(super) route: Route,
    /// How long the other end may take nothing.
    patience: Duration,
    pub(super) moved: Arc<Moved>,
}

/// When a connection last got on, and how far: what tells whoever lives from whoever also works.
#[derive(Debug)]
pub(super) struct Moved {
    began: Instant,
    /// Milliseconds after the beginning.
    at: AtomicU64,
    /// What was sent and is to be acknowledged: bytes, and one more for the hashes.
    owed: AtomicU64,
}

impl Moved {
    fn new() -> Self {
        Self { began: clock::now(), at: AtomicU64::new(0), owed: AtomicU64::new(0) }
    }

    /// It got on.
    pub(super) fn touch(&self) {
        let at = clock::now().saturating_duration_since(self.began).as_millis();
        self.at.store(u64::try_from(at).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Everything up to here is to be acknowledged.
    pub(super) fn owe(&self, up_to: u64) {
        self.owed.store(up_to, Ordering::Relaxed);
    }

    /// Waits until something sent has not been acknowledged for `patience` (of it, `acknowledged` was), and nothing moved meanwhile.
    pub(super) async fn stuck(&self, acknowledged: &AtomicU64, patience: Duration) {
        loop {
            let owed = self.owed.load(Ordering::Relaxed) > acknowledged.load(Ordering::Relaxed);
            let moved = Duration::from_millis(self.at.load(Ordering::Relaxed));
            let idle = clock::now().saturating_duration_since(self.began).saturating_sub(moved);
            let left = patience.saturating_sub(idle);
            match (owed, left.is_zero()) {
                (true, true) => return,
                (true, false) => sleep(left).await,
                (false, _) => sleep(patience).await,
            }
        }
    }
}

impl<W: AsyncWrite + Unpin> Outgoing<W> {
    pub(super) fn new(output: W, route: Route, patience: Duration) -> Self {
        Self { output, route, patience, moved: Arc::new(Moved::new()) }
    }

    /// Writes all, as long as some of it is taken now and then.
    async fn write(&mut self, bytes: &mut impl Buf) -> io::Result<()> {
        while bytes.has_remaining() {
            if timeout(self.patience, self.output.write_buf(bytes)).await?? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.moved.touch();
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        timeout(self.patience, self.output.flush()).await?
    }

    /// Sends a packet that is no data.
    pub(super) async fn control(&mut self, kind: Kind, total: u64, sequence: u64, data: Bytes) -> io::Result<()> {
        let mut bytes = self.route.packet(kind, total, sequence, data).to_bytes();
        while bytes.has_remaining() {
            if timeout(self.patience, self.output.write_buf(&mut bytes)).await?? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        self.flush().await
    }

    /// Sends a manifest or trailer in its parts.
    pub(super) async fn whole(&mut self, kind: Kind, whole: &Bytes) -> io::Result<()> {
        for part in parts::cut(self.route, kind, whole.clone()) {
            self.with_data(part.header, part.data, None).await?;
        }
        Ok(())
    }

    /// Sends a packet: header and data by vectored writes, without copying the data. Under a limit, in pieces.
    pub(super) async fn with_data(&mut self, header: Header, mut data: Bytes, pace: Option<&mut Pace>) -> io::Result<()> {
        let head = Bytes::copy_from_slice(&header.encode());
        let Some((pace, grain)) = pace.and_then(|pace| pace.grain().map(|grain| (pace, grain))) else {
            self.write(&mut head.chain(data)).await?;
            return self.flush().await;
        };
        self.write(&mut { head }).await?;
        while data.has_remaining() {
            // As many members as there are now share the limit.
            let grain = pace.grain().unwrap_or(grain);
            let mut piece = data.split_to(grain.min(data.len()));
            pace.spend(piece.len()).await;
            self.write(&mut piece).await?;
            self.flush().await?;
        }
        Ok(())
    }

    /// The last packet: why the connection ends.
    pub(super) async fn give_up(&mut self, why: &Failure) -> io::Result<()> {
        let (kind, data) = match why.code {
            FailureCode::Cancelled => (Kind::Cancel, why.text.clone().into()),
            _ => (Kind::Error, why.to_bytes()),
        };
        self.control(kind, 0, 0, data).await
    }

    /// Says that nothing more comes.
    pub(super) async fn finish(&mut self) {
        // Whoever has gone need not hear it.
        let _ = self.output.shutdown().await;
    }
}
