//! The hashes of what is written. What comes is hashed beside its write; what an earlier process wrote is read again and hashed by a task beside
//! everything else, which nobody waits for but the end of the upload.

use std::time::Duration;

use bytes::Bytes;
use tokio::{
    task::{JoinError, yield_now},
    time::sleep,
};
use tokio_util::task::AbortOnDropHandle;

use super::{super::contents::Contents, Keeper, may_pass, of_spool};
use crate::{
    fileshare::wire::{Failure, FailureCode},
    transfer::spool::{SpoolError, SpoolReader},
};

/// What is read at once to hash what an earlier process wrote, in bytes.
const REREAD: usize = 1024 * 1024;

/// How far the hashes are.
pub(super) enum Hashes {
    /// They are those of everything that is written.
    Made(Box<Contents>),
    /// They are behind: a task reads what is written. It ends when nobody waits for it any more.
    Behind(AbortOnDropHandle<Hashed>),
}

/// What became of reading again, and how far it came.
pub(super) type Hashed = Result<(Contents, u64), SpoolError>;

impl Default for Hashes {
    fn default() -> Self {
        Self::Made(Box::default())
    }
}

impl Hashes {
    /// Takes what is being written, unless it is to be read again.
    pub(super) fn update(&mut self, pieces: &[Bytes]) {
        match self {
            Self::Made(contents) => pieces.iter().for_each(|piece| contents.update(piece)),
            Self::Behind(_) => {}
        }
    }

    /// Waits for the task; without one, for ever.
    pub(super) async fn caught_up(&mut self) -> Result<Hashed, JoinError> {
        match self {
            Self::Made(_) => std::future::pending().await,
            Self::Behind(task) => task.await,
        }
    }
}

impl Keeper {
    /// Begins to hash what is written from an offset on.
    pub(super) fn hash_from(&mut self, contents: Contents, offset: u64, delay: Duration) -> Result<(), Failure> {
        let reader = self.spool.reader(offset).map_err(|error| of_spool(&error))?;
        let to = self.spool.state().written;
        self.hashes = if offset == to {
            Hashes::Made(Box::new(contents))
        } else {
            Hashes::Behind(AbortOnDropHandle::new(self.tasks.spawn(read_again(contents, reader, to, delay))))
        };
        Ok(())
    }

    /// The task has come to its end: what came meanwhile is next, or the end of the upload.
    pub(super) async fn on_caught_up(&mut self, hashed: Result<Hashed, JoinError>) -> Result<(), Failure> {
        self.hashes = Hashes::default();
        if self.stored.borrow().failed.is_some() {
            return Ok(());
        }
        let why = match hashed {
            Ok(Ok((contents, position))) => {
                self.hash_from(contents, position, Duration::ZERO)?;
                return self.close().await;
            }
            Ok(Err(error)) => of_spool(&error),
            Err(error) => Failure::new(FailureCode::Failed, error.to_string()),
        };
        let whole = self.stored.borrow().manifest.as_ref().map(|manifest| manifest.whole.clone());
        match whole {
            // What is stored is not given up for a disk that fails today.
            Some(whole) if may_pass(why.code) => {
                tracing::warn!(conf = %self.conf, %why, "what an earlier process stored cannot be read now");
                let (_, contents) = self.read_manifest(whole).await?;
                self.hash_from(contents, 0, self.common.config.heartbeat)
            }
            _ => Err(why),
        }
    }
}

/// Hashes what is there, and lets others go before after each piece.
async fn read_again(mut contents: Contents, mut reader: SpoolReader, to: u64, delay: Duration) -> Hashed {
    if !delay.is_zero() {
        sleep(delay).await;
    }
    while reader.position() < to {
        let left = usize::try_from(to.saturating_sub(reader.position())).unwrap_or(REREAD);
        let Some(bytes) = reader.next(REREAD.min(left)).await? else { break };
        contents.update(&bytes);
        yield_now().await;
    }
    Ok((contents, reader.position()))
}
