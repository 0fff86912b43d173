//! The hashes of what has come of a batch: of the whole, and of each file. Pure.

use crate::{
    fileshare::wire::payload,
    transfer::{Algorithm, BatchHasher, Manifest},
};

/// The regular files of a batch, as far as they have come.
#[derive(Debug, Default)]
pub(super) struct Contents {
    whole: blake3::Hasher,
    /// Sizes by the manifest, in its order.
    sizes: Vec<Option<u64>>,
    /// Their hashes; `None` where there is one file at most: its hash is that of the whole.
    files: Option<BatchHasher>,
}

impl Contents {
    /// Of a batch of which nothing has come.
    pub(super) fn new(manifest: &Manifest) -> Self {
        let sizes: Vec<_> = manifest.files().map(|(_, entry)| entry.size().flatten()).collect();
        let files = (sizes.len() > 1).then(|| BatchHasher::new(manifest, Algorithm::Blake3));
        Self { whole: blake3::Hasher::new(), sizes, files }
    }

    /// Takes the next bytes of the batch.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.whole.update(bytes);
        if let Some(files) = &mut self.files {
            // Bytes behind the last file were refused before they came here.
            files.update(bytes);
        }
    }

    /// Whether the hashes, of the whole and of each file, are those of the bytes that came.
    ///
    /// # Errors
    /// What differs: the sharer's fault, or the disk's where the bytes were read from it.
    pub(super) fn check(self, trailer: &payload::Trailer, written: u64) -> Result<(), &'static str> {
        let Self { whole, sizes, files } = self;
        let whole = *whole.finalize().as_bytes();
        if trailer.blake3 != whole {
            return Err("the hashes differ");
        }
        if trailer.files.len() != sizes.len() {
            return Err("the hashes are those of another number of files");
        }
        let hashes = match files {
            Some(files) => files.finish().ok_or("files are missing")?.files.into_iter().map(|digest| digest.0).collect(),
            None => vec![whole; sizes.len()],
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
