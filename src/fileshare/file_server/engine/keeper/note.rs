//! How far the disk is: the record beside the bytes.

use std::io;

use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use super::{super::room::Common, Keeper};
use crate::fileshare::wire::{Failure, FailureCode};

impl Keeper {
    /// Writes and syncs, when the disk has a turn for it.
    pub(super) async fn on_disk(&self, work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<(), Failure> {
        self.settled(in_turn(&self.common, work).await)
    }

    pub(super) fn settled(&self, kept: Result<io::Result<()>, JoinError>) -> Result<(), Failure> {
        let error = match kept {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(error) => io::Error::other(error),
        };
        tracing::error!(conf = %self.conf, %error, "what belongs to a share cannot be written");
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge);
        let code = if full { FailureCode::NoSpace } else { FailureCode::Failed };
        Err(Failure::new(code, if full { "the file server's disk is full" } else { "the file server's store failed" }))
    }

    /// So many bytes are on disk: begins to note it.
    pub(super) fn note(&mut self, durable: u64) {
        let Some(record) = self.record.as_mut().filter(|record| record.durable < durable) else { return };
        record.durable = durable;
        let (files, record, common) = (self.files.clone(), record.clone(), self.common.clone());
        let noting = self.tasks.spawn(async move {
            let written = in_turn(&common, move || files.write(&record)).await;
            written.unwrap_or_else(|error| Err(io::Error::other(error)))
        });
        self.noting = Some((noting, durable));
    }

    /// It is noted, or cannot be.
    pub(super) fn noted(&mut self, (written, durable): Noted) -> Result<(), Failure> {
        self.noting = None;
        self.settled(written)?;
        self.stored.send_modify(|stored| stored.noted = stored.noted.max(durable));
        Ok(())
    }

    /// Waits for the record under way: no two are written at once.
    pub(super) async fn settle(&mut self) -> Result<(), Failure> {
        if self.noting.is_none() {
            return Ok(());
        }
        let written = noted(&mut self.noting).await;
        self.noted(written)
    }
}

/// What became of writing a record, and the bytes that it says are durable.
pub(super) type Noted = (Result<io::Result<()>, JoinError>, u64);

/// Waits for the record that is being written; without one, for ever.
pub(super) async fn noted(noting: &mut Option<(JoinHandle<io::Result<()>>, u64)>) -> Noted {
    match noting {
        Some((writing, durable)) => (writing.await, *durable),
        None => std::future::pending().await,
    }
}

/// Runs what syncs on a thread for it, when there is a turn for it.
async fn in_turn(common: &Common, work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<io::Result<()>, JoinError> {
    // It is never closed.
    let _turn = common.syncs.acquire().await;
    spawn_blocking(work).await
}
