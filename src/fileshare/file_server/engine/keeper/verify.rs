//! The hashes behind the last packet, and the end of the upload.

use bytes::Bytes;

use super::{Keeper, of_spool};
use crate::fileshare::{
    file_server::plane::PlaneEvent,
    wire::{Failure, FailureCode, payload},
};

impl Keeper {
    /// The hashes came behind the last packet.
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
        self.check_hashes(&trailer, written, "what came is not what was sent")?;
        self.spool.finish().await.map_err(|error| of_spool(&error))?;
        self.settle().await?;
        if let Some(record) = &mut self.record {
            (record.durable, record.complete) = (written, true);
        }
        let (files, record, bytes) = (self.files.clone(), self.record.clone(), whole.clone());
        self.on_disk(move || {
            files.write_trailer(&bytes)?;
            record.map_or(Ok(()), |record| files.write(&record))
        })
        .await?;
        self.tell_complete(whole, written).await;
        Ok(())
    }

    /// An earlier process had it all.
    pub(super) async fn complete(&mut self, whole: Bytes) -> Result<(), Failure> {
        let trailer = payload::Trailer::read(&whole).map_err(|error| Failure::new(error.code(), error.to_string()))?;
        let written = self.stored.borrow().written();
        self.check_hashes(&trailer, written, "what an earlier process stored has changed on disk")?;
        let bytes = self.spool.finish().await.map_err(|error| of_spool(&error))?;
        self.tell_complete(whole, bytes).await;
        Ok(())
    }

    pub(super) fn check_hashes(&mut self, trailer: &payload::Trailer, written: u64, what: &str) -> Result<(), Failure> {
        let contents = std::mem::take(&mut self.contents);
        contents.check(trailer, written).map_err(|why| Failure::new(FailureCode::Integrity, format!("{what}: {why}")))
    }

    pub(super) async fn tell_complete(&self, trailer: Bytes, bytes: u64) {
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
