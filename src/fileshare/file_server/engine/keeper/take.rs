//! The batch header and the data: what is taken, and what is too much.

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::{
    super::{contents::Contents, room::Manifest, stats::add},
    Keeper,
    hashing::Hashes,
    of_spool,
};
use crate::{
    fileshare::wire::{Failure, FailureCode, payload},
    transfer,
};

impl Keeper {
    /// Takes the batch header, once.
    pub(super) async fn take_manifest(&mut self, whole: Bytes) -> Result<(), Failure> {
        let known = self.stored.borrow().manifest.as_ref().map(|manifest| manifest.whole.clone());
        match known {
            Some(known) if known == whole => Ok(()),
            Some(_) => Err(Failure::new(FailureCode::Conflict, "the manifest is another than before")),
            None => {
                let (manifest, contents) = self.read_manifest(whole).await?;
                self.check_limits(&manifest)?;
                self.common.announce(&self.conf, manifest.whole.len(), manifest.bytes)?;
                self.keep_manifest(&manifest).await?;
                self.hashes = Hashes::Made(Box::new(contents));
                self.publish(manifest);
                Ok(())
            }
        }
    }

    /// Takes data, unless its connection was replaced or the upload has failed.
    pub(super) async fn take_data(&mut self, connection: u64, total: u64, pieces: Vec<Bytes>) -> Result<(), Failure> {
        if connection != self.current || self.stored.borrow().failed.is_some() {
            return Ok(());
        }
        self.append(total, pieces).await
    }

    pub(super) async fn append(&mut self, total: u64, pieces: Vec<Bytes>) -> Result<(), Failure> {
        let protocol = |text: String| Failure::new(FailureCode::Protocol, text);
        let (known, written, has_total) = {
            let stored = self.stored.borrow();
            let Some(manifest) = &stored.manifest else { return Err(protocol("data came before the manifest".into())) };
            (manifest.bytes, stored.written(), stored.total)
        };
        if self.closing.is_some() {
            return Err(protocol("data came behind the hashes".into()));
        }
        let payload = u64::from(self.common.config.payload);
        let mut end = written;
        for piece in &pieces {
            if end.checked_rem(payload) != Some(0) {
                return Err(protocol("data came behind the last packet".into()));
            }
            end = end.saturating_add(piece.len() as u64);
        }
        if let Some(bytes) = known.filter(|bytes| end > *bytes) {
            return Err(protocol(format!("more bytes came than the {bytes} of the manifest")));
        }
        if total != 0 && has_total == 0 {
            self.stored.send_modify(|stored| stored.total = total);
        }
        // One of known size claimed it all when it was let in.
        self.common.grow(&self.conf, end)?;
        add(&self.common.stats.received, end.saturating_sub(written));
        let (spool, hashes) = (&mut self.spool, &mut self.hashes);
        // The disk's work is begun first; the hash is made beside it.
        let hash = async { hashes.update(&pieces) };
        let (appended, ()) = tokio::join!(spool.append_all(pieces.clone()), hash);
        let written = appended.map_err(|error| of_spool(&error))?;
        self.common.space().wrote(&self.conf, written);
        Ok(())
    }

    pub(super) async fn read_manifest(&self, whole: Bytes) -> Result<(Manifest, Contents), Failure> {
        let config = &self.common.config;
        let header = payload::Manifest::read(whole.clone()).map_err(|error| Failure::new(error.code(), error.to_string()))?;
        if header.payload_size != config.payload {
            return Err(Failure::new(FailureCode::Protocol, format!("packets of {} bytes were agreed", config.payload)));
        }
        let json = header.json.clone();
        // A hundred thousand names take a while. It is never closed.
        let _turn = self.common.reading.acquire().await;
        let read = spawn_blocking(move || transfer::Manifest::from_json(&json)).await;
        let manifest = match read {
            Ok(Ok(manifest)) => manifest,
            Ok(Err(error)) => return Err(Failure::new(FailureCode::Usage, error.to_string())),
            Err(_) => return Err(Failure::new(FailureCode::Failed, "the manifest could not be read")),
        };
        if manifest.total() != header.bytes {
            return Err(Failure::new(FailureCode::Protocol, "the manifest's sizes do not add up to the bytes of the batch"));
        }
        let entries = u32::try_from(manifest.entries().len()).unwrap_or(u32::MAX);
        let contents = Contents::new(&manifest);
        Ok((Manifest { whole, bytes: header.bytes, entries }, contents))
    }

    /// Whether a batch that begins is within the limits.
    fn check_limits(&self, manifest: &Manifest) -> Result<(), Failure> {
        let (config, entries) = (&self.common.config, manifest.entries);
        if usize::try_from(entries).is_ok_and(|entries| entries > config.entries) {
            return Err(Failure::new(FailureCode::Limit, format!("the batch has {entries} entries, more than {}", config.entries)));
        }
        match manifest.bytes {
            Some(bytes) if bytes > config.batch_bytes => {
                Err(Failure::new(FailureCode::Limit, format!("the batch has {bytes} bytes, more than {}", config.batch_bytes)))
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn keep_manifest(&self, manifest: &Manifest) -> Result<(), Failure> {
        let (files, record, whole) = (self.files.clone(), self.record.clone(), manifest.whole.clone());
        self.on_disk(move || {
            files.write_manifest(&whole)?;
            record.map_or(Ok(()), |record| files.write(&record))
        })
        .await
    }

    pub(super) fn publish(&self, manifest: Manifest) {
        let payload = u64::from(self.common.config.payload);
        self.stored.send_modify(|stored| {
            stored.total = manifest.bytes.map_or(0, |bytes| bytes.div_ceil(payload));
            stored.manifest = Some(manifest);
        });
    }
}
