//! Packets on a connection: reading them one by one, writing them with as few copies and system calls as can be.

use std::{io, time::Duration};

use bytes::{Buf as _, BufMut as _, Bytes};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};

use super::pace::Pace;
use crate::fileshare::wire::{Decoder, Failure, FailureCode, Header, Kind, Packet, PacketError, Route, parts};

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
}

impl<W: AsyncWrite + Unpin> Outgoing<W> {
    pub(super) fn new(output: W, route: Route) -> Self {
        Self { output, route }
    }

    /// Sends a packet that is no data.
    pub(super) async fn control(&mut self, kind: Kind, total: u64, sequence: u64, data: Bytes) -> io::Result<()> {
        let bytes = self.route.packet(kind, total, sequence, data).to_bytes();
        self.output.write_all(&bytes).await?;
        self.output.flush().await
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
            self.output.write_all_buf(&mut head.chain(data)).await?;
            return self.output.flush().await;
        };
        self.output.write_all(&head).await?;
        while data.has_remaining() {
            let piece = data.split_to(grain.min(data.len()));
            pace.spend(piece.len()).await;
            self.output.write_all(&piece).await?;
            self.output.flush().await?;
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
