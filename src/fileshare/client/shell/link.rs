//! Packets on a connection: in, without copying payloads; out, header and data by one vectored write. Futures may be dropped at any time.

use std::io;

use bytes::{Buf as _, BufMut as _, Bytes, buf::Chain};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split},
    time::timeout,
};

use super::{FAREWELL, connect::Stream};
use crate::fileshare::wire::{Decoder, Packet, Way, packet::MAX_CONTROL};

/// The reading half.
#[derive(Debug)]
pub(super) struct Incoming {
    input: ReadHalf<Box<dyn Stream>>,
    pub(super) decoder: Decoder,
}

/// The writing half.
#[derive(Debug)]
pub(super) struct Outgoing {
    output: WriteHalf<Box<dyn Stream>>,
    packet: Option<Chain<Bytes, Bytes>>,
    /// Something was written since the last flush.
    dirty: bool,
}

/// Both halves of a connection.
pub(super) fn link(stream: Box<dyn Stream>) -> (Incoming, Outgoing) {
    let (input, output) = split(stream);
    let decoder = Decoder::new(Way::ToTerminal, MAX_CONTROL);
    (Incoming { input, decoder }, Outgoing { output, packet: None, dirty: false })
}

impl Incoming {
    /// Reads what is there, at most so many bytes; 0 at the end of the stream.
    pub(super) async fn read(&mut self, most: usize) -> io::Result<usize> {
        let mut room = self.decoder.room().limit(most);
        self.input.read_buf(&mut room).await
    }

    /// Passes over what comes until the other side closes, for a while.
    pub(super) async fn drain(mut self) {
        let drained = async {
            let mut scrap = [0; 4096];
            while matches!(self.input.read(&mut scrap).await, Ok(1..)) {}
        };
        // Whoever does not close in time is left.
        let _ = timeout(FAREWELL, drained).await;
    }
}

impl Outgoing {
    /// True when the next packet may be loaded.
    pub(super) fn is_free(&self) -> bool {
        self.packet.is_none()
    }

    /// True when there is something to write or flush.
    pub(super) fn has_work(&self) -> bool {
        self.packet.is_some() || self.dirty
    }

    pub(super) fn load(&mut self, packet: Packet) {
        let head = Bytes::copy_from_slice(&packet.header.encode());
        self.packet = Some(head.chain(packet.data));
    }

    /// Writes some bytes of the packet, at most so many; without a packet, flushes. Gives how many.
    pub(super) async fn write(&mut self, most: usize) -> io::Result<usize> {
        let Some(packet) = &mut self.packet else {
            self.output.flush().await?;
            self.dirty = false;
            return Ok(0);
        };
        // Only without a limit header and data go in one call.
        let count = if most >= packet.remaining() {
            self.output.write_buf(packet).await?
        } else {
            self.output.write_buf(&mut packet.take(most)).await?
        };
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.dirty = true;
        if !packet.has_remaining() {
            self.packet = None;
        }
        Ok(count)
    }

    /// Writes the last packets, and says that nothing more comes.
    pub(super) async fn close(mut self, last: Vec<Packet>) {
        let closed = async {
            if self.packet.is_some() {
                while self.packet.is_some() {
                    self.write(usize::MAX).await?;
                }
            }
            for packet in last {
                self.load(packet);
                while self.packet.is_some() {
                    self.write(usize::MAX).await?;
                }
            }
            self.output.shutdown().await
        };
        // Whoever has gone need not hear it.
        let _ = timeout(FAREWELL, closed).await;
    }
}
