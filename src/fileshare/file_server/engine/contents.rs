//! The hashes of what has come of a batch: of each file, each byte hashed once. Pure.

use crate::{
    fileshare::wire::payload,
    transfer::{Algorithm, BatchHasher, Manifest},
};

/// The regular files of a batch, as far as they have come.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Of the byte stream, where that is one file at most.
    only: blake3::Hasher,
    /// Sizes by the manifest, in its order.
    sizes: Vec<Option<u64>>,
    /// Their hashes; `None` where there is one file at most.
    files: Option<BatchHasher>,
}

impl Contents {
    /// Of a batch of which nothing has come.
    pub(super) fn new(manifest: &Manifest) -> Self {
        let sizes: Vec<_> = manifest.files().map(|(_, entry)| entry.size().flatten()).collect();
        let files = (sizes.len() > 1).then(|| BatchHasher::new(manifest, Algorithm::Blake3));
        Self { only: blake3::Hasher::new(), sizes, files }
    }

    /// Takes the next bytes of the batch.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.files {
            // Bytes behind the last file were refused before they came here.
            Some(files) => {
                files.update(bytes);
            }
            None => {
                self.only.update(bytes);
            }
        }
    }

    /// Whether the hashes of the files are those of the bytes that came, and that of the batch is theirs.
    ///
    /// # Errors
    /// What differs: the sharer's fault, or the disk's where the bytes were read from it.
    pub(super) fn check(self, trailer: &payload::Trailer, written: u64) -> Result<(), &'static str> {
        let Self { only, sizes, files } = self;
        if trailer.blake3 != payload::Trailer::digest_of(&trailer.files) {
            return Err("the hash of the batch is not that of its files");
        }
        if trailer.files.len() != sizes.len() {
            return Err("the hashes are those of another number of files");
        }
        let hashes = match files {
            Some(files) => files.finish().ok_or("files are missing")?.files.into_iter().map(|digest| digest.0).collect(),
            None => vec![*only.finalize().as_bytes(); sizes.len()],
        };
        for ((said, size), hash) in trailer.files.iter().zip(sizes).zip(hashes) {
            if said.size != size.unwrap_or(written) {
                return Err("a file has another length than its manifest says");
            }
            if said.blake3 != hash {
                return Err("the hash of a file differs");
            }
        }
        Ok(())
    }
}
