mod give_up;
mod place;
mod room;
mod sparse;
mod take_up;
mod write;
mod xattrs;

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration};

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use tempfile::TempDir;

use super::*;
use crate::transfer::{
    hash::BatchHasher,
    manifest::{Entry, Kind},
};

/// A batch in memory.
struct Batch {
    manifest: Manifest,
    stream: Vec<u8>,
}

impl Batch {
    fn new(entries: Vec<(&str, Kind)>, seed: u64) -> Self {
        let mut random = ChaCha12Rng::seed_from_u64(seed);
        let entries: Vec<Entry> = entries.into_iter().map(|(path, kind)| Entry::new(path.parse().expect("safe"), kind)).collect();
        let manifest = Manifest::new(entries).expect("a batch");
        let mut stream = vec![0; usize::try_from(manifest.total().unwrap_or(100_000)).expect("small")];
        random.fill_bytes(&mut stream);
        Self { manifest, stream }
    }

    fn files(files: &[(&str, u64)], seed: u64) -> Self {
        Self::new(files.iter().map(|(path, size)| (*path, Kind::File { size: Some(*size) })).collect(), seed)
    }

    fn trailer(&self, algorithm: Algorithm) -> Trailer {
        let mut hasher = BatchHasher::new(&self.manifest, algorithm);
        assert!(hasher.update(&self.stream));
        hasher.finish().expect("complete")
    }

    fn bytes(&self) -> Bytes {
        Bytes::copy_from_slice(&self.stream)
    }

    /// What the file of an entry holds.
    fn content(&self, path: &str) -> &[u8] {
        let (at, entry) = self.manifest.files().find(|(_, entry)| entry.path.as_str() == path).expect("an entry");
        let start = usize::try_from(self.manifest.start_of(at).expect("a file")).expect("small");
        let size = entry.size().flatten().map_or(self.stream.len(), |size| usize::try_from(size).expect("small"));
        &self.stream[start..start + size]
    }

    fn check(&self, folder: &Path) {
        for (_, entry) in self.manifest.files() {
            let path = entry.path.as_str();
            assert!(fs::read(folder.join(path)).expect(path) == self.content(path), "{path}");
        }
        assert_eq!(partial_files(folder), Vec::<PathBuf>::new());
    }
}

fn partial_files(folder: &Path) -> Vec<PathBuf> {
    let all = walkdir::WalkDir::new(folder).into_iter().map(|found| found.expect("readable").into_path());
    all.filter(|path| path.to_string_lossy().ends_with(".confkit-part")).collect()
}

fn with(overwrite: Overwrite) -> SinkOptions {
    SinkOptions { overwrite, ..SinkOptions::default() }
}

fn recorded(state: &TempDir) -> (SinkOptions, RecordStore, TransferName) {
    let (store, name) = (RecordStore::open(state.path()).expect("store"), TransferName::new("t1").expect("name"));
    (SinkOptions { record: Some((store.clone(), name.clone())), checkpoint: 10_000, ..SinkOptions::default() }, store, name)
}

async fn put(batch: &Batch, target: &Path, options: SinkOptions) -> Result<Finished, SinkError> {
    let algorithm = options.algorithm;
    let mut sink = Sink::create(target, batch.manifest.clone(), options).await?;
    for chunk in batch.stream.chunks(1000) {
        sink.write(Bytes::copy_from_slice(chunk)).await?;
    }
    sink.finish(Some(batch.trailer(algorithm))).await
}

/// What a record says, changed.
fn change(state: &TempDir, change: impl FnOnce(&mut Record)) {
    let path = state.path().join("t1.json");
    let mut record = Record::from_json(&fs::read(&path).expect("record")).expect("record");
    change(&mut record);
    fs::write(path, record.to_json()).expect("record");
}
