//! The bytes of a data connection: from the sender to its receiver as they come, held back by whoever takes them slower (step 8 of the
//! seed's first embodiment; its fourth advantage, flow control).
//!
//! Nothing is queued: what was read is written before more is read, so that the sender's own kernel slows it down. With several receivers see
//! `fan.rs`.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::{consume_budget, yield_now},
    time::timeout,
};

use super::{
    memory::{Budget, Buffer},
    meter::Meter,
};

/// Without bytes for this long a connection keeps no memory.
const IDLE: Duration = Duration::from_secs(1);
/// Bytes after which the other connections of a thread have their turn. Giving way costs as much as passing on some ten kilobytes: it calls the system,
/// and wakes another thread.
pub(super) const TURN: usize = 1024 * 1024;

/// How a data connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The sender ended its stream, and all of it is written.
    Complete,
    /// The sender's connection broke.
    Sender(io::ErrorKind),
    /// The receiver's did, or of several all.
    Receivers,
}

/// Passes on to one receiver until either ends, and gives way after each `turn` bytes. Ends the receiver's stream when the sender has ended its own.
///
/// Reads and writes are polled and not tried: so a read that leaves room tells that there is no more, and none is tried in vain.
pub(super) async fn to_one(from: &mut TcpStream, to: &mut TcpStream, meter: &Meter, budget: &Arc<Budget>, turn: usize) -> Ended {
    let mut buffer = Buffer::new(budget);
    let mut passed = 0;
    loop {
        let read = tokio::select! {
            biased;
            read = read(from, &mut buffer) => read,
            _ = closed(to) => return Ended::Receivers,
        };
        match read {
            Ok(0) => return to.shutdown().await.map_or(Ended::Receivers, |()| Ended::Complete),
            Ok(read) => {
                if meter.write(to, buffer.read()).await.is_err() {
                    return Ended::Receivers;
                }
                buffer.grow_if_full();
                passed += read;
                if passed >= turn {
                    // With a quick sender and a quick receiver nothing here ever waits: the other channels of this thread would.
                    passed = 0;
                    yield_now().await;
                }
            }
            Err(error) => return Ended::Sender(error.kind()),
        }
    }
}

/// Reads what comes; waits for it, after a while without memory. Zero at the end.
async fn read(from: &mut TcpStream, buffer: &mut Buffer) -> io::Result<usize> {
    loop {
        if let Ok(read) = timeout(IDLE, from.read_buf(buffer.room())).await {
            return read;
        }
        buffer.release();
        from.readable().await?;
    }
}

/// Receivers say nothing here: what can be read is their end, and so is the first byte of anything else.
pub(super) async fn closed(to: &TcpStream) -> io::Error {
    loop {
        if let Err(error) = to.readable().await {
            return error;
        }
        match to.try_read(&mut [0]) {
            Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
            Ok(_) => return io::ErrorKind::InvalidData.into(),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return error,
            Err(_) => consume_budget().await,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use tokio::{
        io::AsyncReadExt as _,
        net::{TcpListener, TcpSocket},
    };

    use super::*;

    /// Both ends of a connection over loopback; with small kernel buffers where wanted.
    pub(in crate::channel::server) async fn pair(buffer: Option<u32>) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let socket = TcpSocket::new_v4().expect("a socket");
        if let Some(bytes) = buffer {
            socket.set_recv_buffer_size(bytes).expect("a socket option");
        }
        let address = listener.local_addr().expect("an address");
        let (near, far) = tokio::join!(socket.connect(address), listener.accept());
        (near.expect("connected"), far.expect("accepted").0)
    }

    pub(in crate::channel::server) fn noise(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at.wrapping_mul(2_654_435_761) >> 7) as u8).collect()
    }

    #[tokio::test]
    async fn all_that_comes_arrives_and_the_end_with_it() {
        let (mut sender, mut inner) = pair(None).await;
        let (mut receiver, mut outer) = pair(None).await;
        let (budget, meter, bytes) = (Budget::new(1 << 20), Meter::default(), noise(3_000_001));
        let sent = bytes.clone();
        let send = async {
            sender.write_all(&sent).await.expect("sent");
            sender.shutdown().await.expect("ended");
        };
        let mut came = Vec::new();
        let ((), ended, read) = tokio::join!(send, to_one(&mut inner, &mut outer, &meter, &budget, TURN), receiver.read_to_end(&mut came));
        read.expect("received");
        assert_eq!((ended, meter.bytes()), (Ended::Complete, 3_000_001));
        assert!(came == bytes);
        assert_eq!(budget.taken(), 0);
    }

    #[tokio::test]
    async fn a_receiver_that_stops_reading_holds_the_sender_back() {
        let (mut sender, mut inner) = pair(Some(16 * 1024)).await;
        let (mut receiver, mut outer) = pair(Some(16 * 1024)).await;
        let (budget, meter, total) = (Budget::new(1 << 20), Meter::default(), 64 << 20);
        let mut sent = 0;
        let mut came = 0;
        let flow = async {
            let piece = noise(1 << 16);
            // As much as goes while nobody reads: kernel buffers and ours.
            while timeout(Duration::from_millis(300), sender.write_all(&piece)).await.is_ok() {
                sent += piece.len();
                assert!(sent < total, "nothing held the sender back");
            }
            let mut read = vec![0; 1 << 16];
            while meter.waited().is_zero() {
                came += receiver.read(&mut read).await.expect("reads");
            }
            drop(receiver);
        };
        let ((), ended) = tokio::join!(flow, to_one(&mut inner, &mut outer, &meter, &budget, TURN));
        assert_eq!(ended, Ended::Receivers);
        assert!(sent < 32 << 20, "{sent} bytes were taken that nobody read");
    }

    #[tokio::test]
    async fn a_connection_that_always_has_bytes_lets_others_have_their_turn_after_so_many() {
        let (mut sender, mut inner) = pair(None).await;
        let (_receiver, mut outer) = pair(None).await;
        let (budget, meter) = (Budget::new(1 << 20), Meter::default());
        // Two reads of a buffer that grows: all of it is there, and all of it can be written.
        sender.write_all(&noise(48 * 1024)).await.expect("sent");
        sender.shutdown().await.expect("ended");
        while inner.peek(&mut vec![0; 64 * 1024]).await.expect("readable") < 48 * 1024 {}
        outer.writable().await.expect("writable");
        let mut turns = 0;
        let others = async {
            loop {
                turns += 1;
                yield_now().await;
            }
        };
        tokio::select! {
            biased;
            ended = to_one(&mut inner, &mut outer, &meter, &budget, 16 * 1024) => assert_eq!(ended, Ended::Complete),
            () = others => {}
        }
        assert_eq!((turns, meter.bytes()), (2, 48 * 1024));
    }

    #[tokio::test]
    async fn a_receiver_that_says_anything_is_closed() {
        let (_sender, mut inner) = pair(None).await;
        let (mut receiver, mut outer) = pair(None).await;
        let (budget, meter) = (Budget::new(1 << 20), Meter::default());
        receiver.write_all(b"?").await.expect("sent");
        let pump = to_one(&mut inner, &mut outer, &meter, &budget, TURN);
        assert_eq!(timeout(Duration::from_secs(10), pump).await.expect("it ends"), Ended::Receivers);
    }

    #[tokio::test]
    async fn a_receiver_that_goes_is_noticed_while_nothing_comes() {
        let (_sender, mut inner) = pair(None).await;
        let (receiver, mut outer) = pair(None).await;
        let (budget, meter) = (Budget::new(1 << 20), Meter::default());
        drop(receiver);
        assert_eq!(to_one(&mut inner, &mut outer, &meter, &budget, TURN).await, Ended::Receivers);
    }
}
