//! The hashes behind the last packet, and the end of the upload.

use bytes::Bytes;

use super::{Keeper, hashing::Hashes, of_spool};
use crate::fileshare::{
    file_server::plane::PlaneEvent,
    wire::{Failure, FailureCode, payload},
};

/// The end of an upload that is to be verified.
pub(super) struct Closing {
    /// The trailer as it came.
    whole: Bytes,
    trailer: payload::Trailer,
    /// An earlier process had verified it.
    earlier: bool,
}

impl Closing {
    /// That of an upload that an earlier process had whole.
    pub(super) fn of_earlier(whole: Bytes) -> Result<Self, Failure> {
        let trailer = payload::Trailer::read(&whole).map_err(|error| Failure::new(error.code(), error.to_string()))?;
        Ok(Self { whole, trailer, earlier: true })
    }
}

impl Keeper {
    /// The hashes came behind the last packet. What can be told without those of what is stored is told at once.
    pub(super) async fn verify(&mut self, whole: Bytes) -> Result<(), Failure> {
        let integrity = |text: String| Failure::new(FailureCode::Integrity, text);
        let trailer = payload::Trailer::read(&whole).map_err(|error| Failure::new(error.code(), error.to_string()))?;
        let written = self.stored.borrow().written();
        let payload = u64::from(self.common.config.payload);
        if trailer.bytes != written || trailer.packets != written.div_ceil(payload) {
            return Err(integrity(format!("the batch has {} bytes by its trailer, and {written} came", trailer.bytes)));
        }
        let known = match &self.stored.borrow().manifest {
            Some(manifest) => manifest.bytes,
            None => return Err(Failure::new(FailureCode::Protocol, "the trailer came before the manifest")),
        };
        if known.is_some_and(|bytes| bytes != written) {
            return Err(integrity(format!("the batch has {} bytes by its manifest, and {written} came", known.unwrap_or(0))));
        }
        self.closing = Some(Closing { whole, trailer, earlier: false });
        self.close().await
    }

    /// Ends the upload, where its trailer is here and the hashes are made.
    pub(super) async fn close(&mut self) -> Result<(), Failure> {
        let Some(Closing { whole, trailer, earlier }) = self.closing.take() else { return Ok(()) };
        let contents = match std::mem::take(&mut self.hashes) {
            Hashes::Made(contents) => contents,
            behind @ Hashes::Behind(_) => {
                (self.hashes, self.closing) = (behind, Some(Closing { whole, trailer, earlier }));
                return Ok(());
            }
        };
        let written = self.stored.borrow().written();
        let what = if earlier { "what an earlier process stored has changed on disk" } else { "what came is not what was sent" };
        let checked = contents.check(&trailer, written);
        checked.map_err(|why| Failure::new(FailureCode::Integrity, format!("{what}: {why}")))?;
        self.spool.finish().await.map_err(|error| of_spool(&error))?;
        self.settle().await?;
        if !earlier {
            self.keep_trailer(&whole, written).await?;
        }
        self.tell_complete(whole, written).await;
        Ok(())
    }

    async fn keep_trailer(&mut self, whole: &Bytes, written: u64) -> Result<(), Failure> {
        if let Some(record) = &mut self.record {
            (record.durable, record.complete) = (written, true);
        }
        let (files, record, bytes) = (self.files.clone(), self.record.clone(), whole.clone());
        self.on_disk(move || {
            files.write_trailer(&bytes)?;
            record.map_or(Ok(()), |record| files.write(&record))
        })
        .await
    }

    async fn tell_complete(&self, trailer: Bytes, bytes: u64) {
        self.common.space().settle(&self.conf, bytes);
        // The machine knows first: a connection that is told ends soon after.
        self.common.tell(PlaneEvent::Uploaded { conf: self.conf.clone(), bytes }).await;
        let payload = u64::from(self.common.config.payload);
        self.stored.send_modify(|stored| {
            stored.total = bytes.div_ceil(payload);
            stored.noted = bytes;
            stored.trailer = Some(trailer);
        });
    }
}
