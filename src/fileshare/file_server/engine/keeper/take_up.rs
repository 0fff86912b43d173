//! The store is opened; what an earlier process left is gone on with.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{sync::watch, task::spawn_blocking};
use tokio_util::task::TaskTracker;

use super::{
    super::{
        record::{Files, Leftover, List, Record},
        room::{Common, Stored},
    },
    Keeper,
    hashing::Hashes,
    of_spool,
    verify::Closing,
};
use crate::{
    fileshare::{
        ConfId,
        wire::{Failure, FailureCode},
    },
    transfer::{Spool, spool::SpoolOptions},
};

impl Keeper {
    pub(super) async fn open(
        conf: ConfId,
        common: Arc<Common>,
        files: Files,
        leftover: Option<Leftover>,
        sharer: Option<String>,
        stored: watch::Sender<Stored>,
    ) -> Result<Self, (watch::Sender<Stored>, Failure)> {
        let options = SpoolOptions { limit: common.config.batch_bytes, syncs: Some(common.syncs.clone()), ..SpoolOptions::default() };
        let opened = match &leftover {
            Some(left) => Spool::reopen(&files.spool(), left.durable, options).await,
            None => Spool::create(&files.spool(), options).await,
        };
        let spool = match opened {
            Ok(spool) => spool,
            Err(error) => return Err((stored, of_spool(&error))),
        };
        stored.send_modify(|stored| stored.spool = Some(spool.watch()));
        let mut keeper = Self {
            conf,
            common,
            files,
            spool,
            hashes: Hashes::default(),
            closing: None,
            record: None,
            sharer,
            current: 0,
            stored,
            noting: None,
            tasks: TaskTracker::new(),
        };
        if let Some(left) = leftover
            && let Err(why) = keeper.take_up(left).await
        {
            return Err((keeper.stored, why));
        }
        // An earlier try may have failed.
        keeper.stored.send_if_modified(|stored| stored.failed.take().is_some());
        Ok(keeper)
    }

    /// Goes on with the upload of an earlier process.
    pub(super) async fn take_up(&mut self, left: Leftover) -> Result<(), Failure> {
        // Limits and room are for what begins: what is here was let in.
        let whole = self.read_list(List::Manifest, left.manifest).await?;
        let trailer = match left.trailer {
            Some(length) => Some(self.read_list(List::Trailer, length).await?),
            None => None,
        };
        let (manifest, contents) = self.read_manifest(whole).await?;
        let mut record = Record::of(left.batch, self.common.config.payload, left.sharer);
        (record.durable, record.complete) = (left.durable, left.trailer.is_some());
        // Opening the spool synced it: there may be more than the record said. Otherwise it stays, as a full disk takes no other.
        if left.durable > left.noted {
            let (files, noted) = (self.files.clone(), record.clone());
            self.on_disk(move || files.write(&noted)).await?;
        }
        self.record = Some(record);
        self.stored.send_modify(|stored| stored.noted = left.durable);
        self.publish(manifest);
        tracing::info!(conf = %self.conf, bytes = left.durable, "went on with the upload of an earlier process");
        // Members and the sharer are served from here on: only the end waits for the hashes.
        self.closing = trailer.map(Closing::of_earlier).transpose()?;
        self.hash_from(contents, 0, Duration::ZERO)?;
        self.close().await
    }

    /// A list from the disk, when memory has room for it.
    async fn read_list(&self, list: List, length: u64) -> Result<Bytes, Failure> {
        let place = self.common.lists.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        let files = self.files.clone();
        let read = spawn_blocking(move || files.read_list(list, length)).await;
        let bytes = read.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(|error| {
            tracing::error!(conf = %self.conf, %error, ?list, "what belongs to a share cannot be read");
            Failure::new(FailureCode::Failed, "the file server's store failed")
        })?;
        Ok(place.keep(bytes))
    }
}
