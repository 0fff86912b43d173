//! What shares hold of the disk: asks it, and the accounts (`space`), and counts who was refused.

use std::sync::{MutexGuard, PoisonError};

use nix::sys::statvfs::statvfs;

use super::{room::Common, stats::add};
use crate::{
    fileshare::{
        ConfId,
        file_server::space::{Full, Space},
        wire::Failure,
    },
    transfer::disk,
};

impl Common {
    /// The accounts.
    pub(super) fn space(&self) -> MutexGuard<'_, Space> {
        self.space.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that the disk has free; `None` where it does not say.
    pub(super) fn free(&self) -> Option<u64> {
        disk::room(statvfs(&self.config.directory))
    }

    /// Claims what a batch header announces.
    pub(super) fn announce(&self, conf: &ConfId, lists: usize, batch: Option<u64>) -> Result<(), Failure> {
        let lists = u64::try_from(lists).unwrap_or(u64::MAX);
        let free = self.free();
        let claimed = self.space().announce(conf, lists, batch, free);
        claimed.map_err(|full| self.refuse(conf, full))
    }

    /// Claims what a batch is to have next.
    pub(super) fn grow(&self, conf: &ConfId, end: u64) -> Result<(), Failure> {
        let claimed = self.space().grow(conf, end, || self.free());
        claimed.map_err(|full| self.refuse(conf, full))
    }

    /// Whether a batch of so many bytes would be taken now.
    pub(super) fn would_take(&self, conf: &ConfId, batch: u64) -> Result<(), Full> {
        let free = self.free();
        self.space().would_take(conf, batch, free)?;
        if self.lists.is_full() { Err(Full::Lists) } else { Ok(()) }
    }

    fn refuse(&self, conf: &ConfId, full: Full) -> Failure {
        let counter = match full {
            Full::Disk => &self.stats.refused_disk,
            Full::Shares | Full::Batch => &self.stats.refused_shares,
            Full::Lists => &self.stats.refused_lists,
        };
        add(counter, 1);
        let (held, unwritten) = {
            let space = self.space();
            (space.held(), space.unwritten())
        };
        tracing::warn!(%conf, %full, free = self.free(), held, unwritten, min_free = self.config.space.min_free, "a batch is refused");
        full.into()
    }
}
