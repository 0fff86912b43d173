//! The bytes of a data connection to several receivers, each at its own speed within a window.
//!
//! Whoever has a full window holds the others back, until the machine closes it for being slow. Windows are within the budget for bytes on their way:
//! where that has nothing left, a piece is written to all before the next is read.

use std::{future::pending, io, sync::Arc};

use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    memory::{Budget, LEAST, Shared},
    meter::Meter,
    pump::{Ended, closed},
};
use crate::channel::relay;

/// Most bytes that wait for one receiver.
const WINDOW: usize = relay::WINDOW as usize;
/// Most bytes of a piece that receivers share, and pieces that wait for one of them at most, however short they are.
const PIECE: usize = 128 * 1024;
const PIECES: usize = 64;

/// One of several receivers.
#[derive(Debug)]
pub(super) struct Receiver {
    /// Its connection.
    pub(super) stream: TcpStream,
    /// What was passed on to it.
    pub(super) meter: Arc<Meter>,
    /// Cancelled when the machine has closed it.
    pub(super) over: CancellationToken,
}

/// A piece in the queue of a receiver.
type Queued = (Shared, OwnedSemaphorePermit);

/// The sender's side of one receiver's queue. Closed where the receiver is gone.
struct Outlet {
    queue: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
}

/// Passes on to several receivers until the sender ends, and all that came before is written, or until none is left. `left` is told of each whose
/// connection broke, by its place among them.
pub(super) async fn to_many(
    from: &TcpStream,
    receivers: Vec<Receiver>,
    budget: &Arc<Budget>,
    mut left: impl FnMut(usize, io::ErrorKind),
) -> Ended {
    let mut writers = JoinSet::new();
    let mut outlets: Vec<Outlet> = Vec::new();
    for (at, receiver) in receivers.into_iter().enumerate() {
        let (queue, pieces) = mpsc::channel(PIECES);
        writers.spawn(async move { (at, drain(receiver, pieces).await) });
        outlets.push(Outlet { queue, room: Arc::new(Semaphore::new(WINDOW)) });
    }
    let mut tell = |written: Result<(usize, io::Result<()>), _>| {
        if let Ok((at, Err(error))) = written {
            left(at, error.kind());
        }
    };
    let mut size = LEAST;
    let ended = loop {
        if outlets.iter().all(Outlet::is_closed) {
            break Ended::Receivers;
        }
        let mut room = match budget.try_room(size) {
            Some(room) => room,
            None => {
                for outlet in &outlets {
                    outlet.is_written().await;
                }
                budget.least_room()
            }
        };
        match from.try_read_buf(&mut room.bytes) {
            Ok(0) => break Ended::Complete,
            Ok(read) => {
                if read >= size {
                    size = size.saturating_mul(2).min(PIECE);
                }
                let piece = room.share();
                for outlet in &outlets {
                    outlet.take(&piece).await;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                drop(room);
                tokio::select! {
                    ready = from.readable() => if let Err(error) = ready {
                        break Ended::Sender(error.kind());
                    },
                    written = async { match writers.join_next().await { Some(written) => written, None => pending().await } } => tell(written),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Ended::Sender(error.kind()),
        }
    };
    // Queues that are closed are written out: what came before the end still arrives.
    drop(outlets);
    while let Some(written) = writers.join_next().await {
        tell(written);
    }
    ended
}

impl Outlet {
    fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Puts a piece into the queue when there is room for it. Who is gone gets none: its queue is dropped, and so there is room.
    async fn take(&self, piece: &Shared) {
        if self.is_closed() {
            return;
        }
        let bytes = u32::try_from(piece.len().min(WINDOW)).unwrap_or(u32::MAX);
        // It is never closed.
        if let Ok(permit) = Arc::clone(&self.room).acquire_many_owned(bytes).await {
            // Whoever went meanwhile is told of by its writer.
            let _ = self.queue.send((piece.clone(), permit)).await;
        }
    }

    /// Waits until nothing is in the queue.
    async fn is_written(&self) {
        // It is never closed; whoever is gone has nothing in its queue.
        let _ = self.room.acquire_many(u32::try_from(WINDOW).unwrap_or(u32::MAX)).await;
    }
}

/// Writes what is in the queue of a receiver, until that is closed or the machine has closed the receiver.
async fn drain(receiver: Receiver, mut pieces: mpsc::Receiver<Queued>) -> io::Result<()> {
    let Receiver { mut stream, meter, over } = receiver;
    loop {
        let next = tokio::select! {
            next = pieces.recv() => next,
            error = closed(&stream) => return Err(error),
            () = over.cancelled() => return Ok(()),
        };
        let Some((piece, permit)) = next else { return stream.shutdown().await };
        tokio::select! {
            written = meter.write(&mut stream, &piece) => written?,
            () = over.cancelled() => return Ok(()),
        }
        drop(permit);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{io::AsyncReadExt as _, time::timeout};

    use super::*;
    use crate::channel::server::pump::tests::{noise, pair};

    #[tokio::test]
    async fn several_receivers_have_the_same_and_one_that_takes_nothing_holds_them_back_until_it_is_closed() {
        let (mut sender, inner) = pair(None).await;
        let (mut quick, first) = pair(None).await;
        let (slow, second) = pair(Some(8 * 1024)).await;
        let (mut other, third) = pair(None).await;
        let receivers = [first, second, third].map(|stream| Receiver { stream, meter: Arc::default(), over: CancellationToken::new() });
        let meters: Vec<Arc<Meter>> = receivers.iter().map(|receiver| Arc::clone(&receiver.meter)).collect();
        let over = receivers[1].over.clone();
        // Less than a window.
        let budget = Budget::new(512 * 1024);
        let bytes = noise(24 << 20);
        let sent = bytes.clone();
        let mut broken = Vec::new();
        let pump = to_many(&inner, receivers.into(), &budget, |at, why| broken.push((at, why)));
        let terminals = async {
            let send = async {
                sender.write_all(&sent).await.expect("sent");
                sender.shutdown().await.expect("ended");
            };
            let all = async {
                let (mut one, mut two) = (Vec::new(), Vec::new());
                let ((), a, b) = tokio::join!(send, quick.read_to_end(&mut one), other.read_to_end(&mut two));
                a.expect("received");
                b.expect("received");
                (one, two)
            };
            let mut all = std::pin::pin!(all);
            assert!(timeout(Duration::from_millis(500), &mut all).await.is_err(), "the slow one holds them back");
            assert!(budget.taken() <= (512 * 1024) + LEAST as u64, "{} bytes on their way", budget.taken());
            over.cancel();
            all.await
        };
        let (ended, (one, two)) = tokio::join!(pump, terminals);
        assert_eq!((ended, broken), (Ended::Complete, vec![]));
        assert!(one == bytes && two == bytes);
        assert_eq!([meters[0].bytes(), meters[2].bytes()], [24 << 20; 2]);
        assert_eq!(budget.taken(), 0);
        assert!(meters[1].waited() >= Duration::from_millis(300), "{:?}", meters[1].waited());
        drop(slow);
    }

    #[tokio::test]
    async fn a_receiver_that_goes_is_told_of_and_the_last_one_ends_all() {
        let (mut sender, inner) = pair(None).await;
        let (one, first) = pair(None).await;
        let (two, second) = pair(None).await;
        let receivers = [first, second].map(|stream| Receiver { stream, meter: Arc::default(), over: CancellationToken::new() });
        let mut broken = Vec::new();
        drop(one);
        let end = async {
            sender.write_all(b"anything").await.expect("sent");
            drop(two);
        };
        let budget = Budget::new(1 << 20);
        let (ended, ()) = tokio::join!(to_many(&inner, receivers.into(), &budget, |at, _| broken.push(at)), end);
        broken.sort_unstable();
        assert_eq!((ended, broken), (Ended::Receivers, vec![0, 1]));
    }
}
