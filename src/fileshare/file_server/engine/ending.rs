//! The two halves of a member's connection, and how they end together.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use tokio::{
    io::AsyncWrite,
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    packets::{Outgoing, ReadError},
    room::{Seat, Stored},
};
use crate::{
    fileshare::wire::{Failure, FailureCode, Kind, Packet, payload},
    transfer::spool::SpoolState,
};

/// How long the last words to a terminal may take.
pub(super) const LAST: Duration = Duration::from_secs(2);

/// How a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// We closed it, and told why.
    Dismissed(Failure),
    /// It broke.
    Broken,
    /// The terminal did something wrong.
    Fault(Failure),
    /// The terminal said that it gives up.
    GaveUp(Failure),
    /// All was done.
    Done,
}

impl End {
    pub(super) fn of_read(error: &ReadError) -> Self {
        error.failure().map_or(Self::Broken, Self::Fault)
    }

    pub(super) fn protocol(text: impl Into<String>) -> Self {
        Self::Fault(Failure::new(FailureCode::Protocol, text))
    }

    /// The terminal's last packet.
    pub(super) fn of_last(packet: &Packet) -> Self {
        let read = match packet.header.kind {
            Kind::Cancel => payload::Cancel::read(&packet.data).map(|cancel| Failure::new(FailureCode::Cancelled, cancel.reason)),
            _ => Failure::read(&packet.data),
        };
        match read {
            // It heard nothing from us, or cannot go on now: it may come again.
            Ok(failure) if matches!(failure.code, FailureCode::Unreachable | FailureCode::Busy) => Self::Broken,
            Ok(failure) => Self::GaveUp(failure),
            Err(error) => Self::Fault(Failure::new(error.code(), error.to_string())),
        }
    }

    /// What the terminal is told.
    fn told(&self) -> Option<&Failure> {
        match self {
            Self::Dismissed(why) | Self::Fault(why) => Some(why),
            Self::Broken | Self::GaveUp(_) | Self::Done => None,
        }
    }
}

/// Runs both halves until one ends or the member is dismissed. The writing half ends between two packets when `leave` is cancelled, so that the
/// last one can be told apart. True where it did.
pub(super) async fn together(
    seat: &Seat,
    leave: &CancellationToken,
    reading: impl Future<Output = End>,
    writing: impl Future<Output = End>,
) -> (End, bool) {
    let (mut reading, mut writing) = (std::pin::pin!(reading), std::pin::pin!(writing));
    let end = tokio::select! {
        biased;
        () = leave.cancelled() => End::Dismissed(seat.why()),
        end = &mut writing => return (end, true),
        end = &mut reading => end,
    };
    leave.cancel();
    let whole = timeout(LAST, writing).await.is_ok();
    (end, whole)
}

/// Says the last words.
pub(super) async fn part<W: AsyncWrite + Unpin>(output: &mut Outgoing<W>, end: &End) {
    let words = async {
        if let Some(why) = end.told() {
            // Whoever has gone need not hear it.
            let _ = output.give_up(why).await;
        }
        output.finish().await;
    };
    let _ = timeout(LAST, words).await;
}

/// What woke a writing half that waited.
pub(super) enum Woken {
    /// The store may have changed.
    Changed,
    /// Nothing was sent for a heartbeat.
    Quiet,
    /// It is to end.
    Leave,
}

/// Waits until the store changes, for a heartbeat at most.
pub(super) async fn wait(
    stored: &mut watch::Receiver<Stored>,
    spool: Option<&mut watch::Receiver<SpoolState>>,
    heartbeat: Duration,
    leave: &CancellationToken,
) -> Woken {
    let bytes = async {
        match spool {
            // A spool that is gone changes no more.
            Some(spool) => match spool.changed().await {
                Ok(()) => {}
                Err(_) => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = leave.cancelled() => Woken::Leave,
        changed = stored.changed() => if changed.is_ok() { Woken::Changed } else { Woken::Leave },
        () = bytes => Woken::Changed,
        () = sleep(heartbeat) => Woken::Quiet,
    }
}

/// A sign of life.
pub(super) async fn heartbeat<W: AsyncWrite + Unpin>(output: &mut Outgoing<W>) -> Result<(), End> {
    output.control(Kind::Heartbeat, 0, 0, Bytes::new()).await.map_err(|_| End::Broken)
}
