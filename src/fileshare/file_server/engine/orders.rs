//! What the connections of a data conference ask its keeper, and how what waits is taken together.

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::{
    fileshare::BatchId,
    transfer::spool::{SpoolError, SpoolReader},
};

/// Orders that wait for the keeper, and most packets that it writes at once: some are written while others wait and another is read. Connections
/// wait when it is full. All of these are lost with a process that is killed, and with them the packet that waits to wait, the one that is being
/// read, and what TLS was given: seven packets, and so less than the 2 MiB that may come again.
pub(super) const ORDERS: usize = 2;

/// What the keeper is asked.
#[derive(Debug)]
pub(super) enum Order {
    /// A sharer's connection begins: what came by earlier ones is not taken any more.
    Begin { connection: u64, batch: BatchId, reply: oneshot::Sender<Begun> },
    /// The batch header came.
    Manifest { connection: u64, whole: Bytes },
    /// The next data came.
    Data { connection: u64, total: u64, data: Bytes },
    /// The hashes came.
    Trailer { connection: u64, whole: Bytes },
    /// Somebody wants to read from an offset.
    Read { offset: u64, reply: oneshot::Sender<Result<SpoolReader, SpoolError>> },
}

/// Where a sharer's connection begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    pub(super) written: u64,
    pub(super) has_manifest: bool,
    pub(super) complete: bool,
}

/// The order that was held, or the next.
pub(super) async fn next(held: &mut Option<Order>, orders: &mut mpsc::Receiver<Order>) -> Option<Order> {
    match held.take() {
        Some(order) => Some(order),
        None => orders.recv().await,
    }
}

/// Data, and what waits behind it of the same connection: written together, it costs one turn of a thread. What is something else is held.
pub(super) fn gather(first: (u64, u64, Bytes), held: &mut Option<Order>, orders: &mut mpsc::Receiver<Order>) -> (u64, Vec<Bytes>) {
    let (of, mut known, data) = first;
    let mut pieces = vec![data];
    while pieces.len() < ORDERS {
        match orders.try_recv() {
            Ok(Order::Data { connection, total, data }) if connection == of => {
                known = known.max(total);
                pieces.push(data);
            }
            Ok(other) => {
                *held = Some(other);
                break;
            }
            // Nothing waits, or nothing more comes: then the next look tells.
            Err(_) => break,
        }
    }
    (known, pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(connection: u64, total: u64, text: &'static str) -> Order {
        Order::Data { connection, total, data: Bytes::from_static(text.as_bytes()) }
    }

    #[tokio::test]
    async fn data_that_waits_is_taken_together_and_what_is_something_else_comes_next() {
        let (give, mut orders) = mpsc::channel(ORDERS + 2);
        for order in [data(1, 9, "b"), data(2, 0, "c"), data(2, 0, "d")] {
            give.try_send(order).expect("room");
        }
        let mut held = None;
        let first = gather((1, 0, Bytes::from_static(b"a")), &mut held, &mut orders);
        assert_eq!(first, (9, ["a", "b"].map(Bytes::from).to_vec()));
        let Some(Order::Data { connection: 2, total, data }) = next(&mut held, &mut orders).await else { panic!("the other connection's") };
        assert_eq!(gather((2, total, data), &mut held, &mut orders), (0, ["c", "d"].map(Bytes::from).to_vec()));
        assert!(held.is_none());
    }

    #[test]
    fn no_more_is_taken_together_than_the_bound() {
        let (give, mut orders) = mpsc::channel(ORDERS + 2);
        for _ in 0..ORDERS + 2 {
            give.try_send(data(1, 0, "x")).expect("room");
        }
        let mut held = None;
        assert_eq!(gather((1, 0, Bytes::from_static(b"x")), &mut held, &mut orders).1.len(), ORDERS);
        assert!(held.is_none() && orders.len() == 3);
    }
}
