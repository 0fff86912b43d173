//! Packets on a connection: in, without copying payloads; out, header and data by one vectored write. Futures may be dropped at any time.

use std::{future::poll_fn, io, pin::pin, task::Poll};

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
    /// Reads what is there, at most so many bytes; 0 at the end of the stream. TLS gives a record at a time: of those that came already as many
    /// are taken as make a packet.
    pub(super) async fn read(&mut self, most: usize) -> io::Result<usize> {
        let mut count = self.input.read_buf(&mut self.decoder.room().limit(most)).await?;
        while count > 0 && count < most && !self.decoder.has_packet() {
            let mut room = self.decoder.room().limit(most - count);
            let mut more = pin!(self.input.read_buf(&mut room));
            match poll_fn(|cx| Poll::Ready(more.as_mut().poll(cx))).await {
                Poll::Ready(Ok(read @ 1..)) => count += read,
                // An end or a fault is there the next time, too.
                Poll::Ready(Ok(0) | Err(_)) | Poll::Pending => break,
            }
        }
        Ok(count)
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

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        task::{Context, ready},
    };

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::*;
    use crate::fileshare::{
        BatchId,
        wire::{Kind, Route, packet::MAX_PAYLOAD},
    };

    /// What TLS gives at once at most.
    const RECORD: usize = 16 * 1024;

    /// Gives what it has record by record, as TLS does.
    #[derive(Debug)]
    struct Records(tokio::io::DuplexStream);

    impl AsyncRead for Records {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            let mut record = [0; RECORD];
            let most = buffer.remaining().min(RECORD);
            let mut one = ReadBuf::new(&mut record[..most]);
            ready!(Pin::new(&mut self.0).poll_read(cx, &mut one))?;
            buffer.put_slice(one.filled());
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Records {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    #[tokio::test]
    async fn records_that_came_are_taken_together_as_far_as_they_make_a_packet_and_a_limit_allows() {
        let route = Route { way: Way::ToTerminal, terminal: ([127, 0, 0, 1], 40_000).into(), batch: BatchId(7) };
        let packets: Vec<Packet> = (0..2).map(|at| route.packet(Kind::Data, 2, at, vec![7; 256 * 1024].into())).collect();
        let (near, mut far) = tokio::io::duplex(1024 * 1024);
        for packet in &packets {
            far.write_all(&packet.to_bytes()).await.expect("room");
        }
        let (mut incoming, _outgoing) = link(Box::new(Records(near)));
        incoming.decoder.set_limit(MAX_PAYLOAD);
        assert_eq!(incoming.read(5000).await.expect("some"), 5000, "a limit holds");
        let mut reads = 0;
        for packet in &packets {
            while !incoming.decoder.has_packet() {
                reads += 1;
                incoming.read(usize::MAX).await.expect("more");
            }
            assert_eq!(incoming.decoder.next_packet(), Ok(Some(packet.clone())));
        }
        assert_eq!(reads, 2, "one for each packet");
        drop(far);
        assert_eq!(incoming.read(usize::MAX).await.expect("the end"), 0);
    }
}
