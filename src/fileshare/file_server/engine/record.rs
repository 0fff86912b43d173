//! What is kept of an upload beside its bytes, so that another process can go on with it: who it belongs to, its manifest, its hashes.
//!
//! In the folder of the file server, for the data conference `x`: `c-x.json` (the record), `c-x.spool` (the bytes), `c-x.manifest`, `c-x.trailer`; beside them `lock`, which the
//! server that uses the folder holds.
//! At its start a server takes up what can be gone on with, however long ago it was written (an upload that is whole is not written to any more, and
//! may be shared for days), and deletes the rest. What nobody calls for within the resume window is deleted, too.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Instant,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::fileshare::{
    BatchId, ConfId,
    wire::{parts::MAX_WHOLE, payload},
};

const VERSION: u32 = 1;
/// Longest record that is read, in bytes.
const MAX_RECORD: u64 = 4096;
/// As much of a manifest as says how many bytes the batch has.
const BEGINNING: u64 = 12;
/// Before each name, so that no data conference can be called like something else.
const PREFIX: &str = "c-";

/// What is kept of one upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    version: u32,
    /// Which start of the machine: as long as it is the same, what was written is there even if it was not synced.
    boot: String,
    pub(super) batch: u64,
    pub(super) payload: u32,
    /// Bytes that were synced.
    pub(super) durable: u64,
    pub(super) complete: bool,
    /// Who uploads it, where that is known: nobody else takes it up under another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sharer: Option<String>,
}

/// The files of one data conference.
#[derive(Debug, Clone)]
pub(super) struct Files {
    stem: PathBuf,
    conf: ConfId,
}

/// An upload of an earlier process.
#[derive(Debug, Clone)]
pub(super) struct Leftover {
    /// The data conference that it was uploaded in: its files are called so, whichever goes on with them.
    pub(super) conf: ConfId,
    pub(super) batch: BatchId,
    /// Who uploaded it.
    pub(super) sharer: Option<String>,
    /// Bytes that its record says are there.
    pub(super) noted: u64,
    /// Bytes that are there for certain.
    pub(super) durable: u64,
    /// Bytes of the batch by its manifest, as far as it says.
    pub(super) announced: Option<u64>,
    /// Length of its manifest, in bytes: it is read when it is needed.
    pub(super) manifest: u64,
    /// That of its trailer, which is there when the upload was complete.
    pub(super) trailer: Option<u64>,
    /// When it was set aside; what an earlier process left was at the start.
    pub(super) aside: Option<Instant>,
}

/// What is kept beside the bytes as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Manifest,
    Trailer,
}

impl List {
    fn ending(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Trailer => "trailer",
        }
    }
}

impl Record {
    /// Of an upload of this sharer, where that is known.
    pub(super) fn of(batch: BatchId, payload: u32, sharer: Option<String>) -> Self {
        Self { sharer, ..Self::new(batch, payload) }
    }

    fn new(batch: BatchId, payload: u32) -> Self {
        Self { version: VERSION, boot: boot(), batch: batch.0, payload, durable: 0, complete: false, sharer: None }
    }
}

impl Leftover {
    /// Bytes of its lists.
    pub(super) fn lists(&self) -> u64 {
        self.manifest.saturating_add(self.trailer.unwrap_or(0))
    }
}

impl Files {
    pub(super) fn of(directory: &Path, conf: &ConfId) -> Self {
        Self { stem: directory.join(format!("{PREFIX}{conf}")), conf: conf.clone() }
    }

    pub(super) fn spool(&self) -> PathBuf {
        self.with("spool")
    }

    fn with(&self, ending: &str) -> PathBuf {
        // Not `with_extension`: a name may have dots.
        let mut path = self.stem.clone().into_os_string();
        path.push(".");
        path.push(ending);
        path.into()
    }

    /// Reads a list that had this length.
    pub(super) fn read_list(&self, list: List, length: u64) -> io::Result<Bytes> {
        let bytes = fs::read(self.with(list.ending()))?;
        if u64::try_from(bytes.len()).is_ok_and(|found| found == length) {
            Ok(bytes.into())
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }

    /// The length of a list that is there, and not too long to be one.
    fn length(&self, list: List) -> Option<u64> {
        let length = fs::metadata(self.with(list.ending())).ok()?.len();
        usize::try_from(length).is_ok_and(|length| length <= MAX_WHOLE).then_some(length)
    }

    /// Bytes of the batch by its manifest, whose beginning is enough to tell.
    fn announced(&self) -> Option<u64> {
        let mut beginning = Vec::new();
        let file = fs::File::open(self.with(List::Manifest.ending())).ok()?;
        file.take(BEGINNING).read_to_end(&mut beginning).ok()?;
        payload::Manifest::read(beginning.into()).ok()?.bytes
    }

    /// Writes the manifest, to be followed by the first record.
    pub(super) fn write_manifest(&self, manifest: &[u8]) -> io::Result<()> {
        synced(&self.with(List::Manifest.ending()), manifest)
    }

    /// Writes the hashes, to be followed by the record that says that all is there.
    pub(super) fn write_trailer(&self, trailer: &[u8]) -> io::Result<()> {
        synced(&self.with(List::Trailer.ending()), trailer)
    }

    /// Writes the record, whole or not at all; it outlives a loss of power, and so do the names of the files beside it.
    pub(super) fn write(&self, record: &Record) -> io::Result<()> {
        let next = self.with("json.new");
        let text = serde_json::to_vec(record).map_err(io::Error::other)?;
        synced(&next, &text)?;
        fs::rename(&next, self.with("json"))?;
        let folder = self.stem.parent().ok_or(io::ErrorKind::NotFound)?;
        fs::File::open(folder)?.sync_all()
    }

    /// Removes all but the bytes, whose owner deletes them.
    pub(super) fn remove(&self) {
        for ending in ["json", "json.new", "manifest", "trailer"] {
            // What is not there need not be removed.
            let _ = fs::remove_file(self.with(ending));
        }
    }

    /// Removes everything.
    pub(super) fn remove_all(&self) {
        self.remove();
        let _ = fs::remove_file(self.spool());
    }

    /// What an earlier process left, if one can go on with it.
    pub(super) fn read(&self, payload: u32) -> Option<Leftover> {
        let path = self.with("json");
        fs::metadata(&path).ok().filter(|meta| meta.len() <= MAX_RECORD)?;
        let record: Record = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        let spool = fs::metadata(self.spool()).ok()?;
        if record.version != VERSION || record.payload != payload {
            return None;
        }
        let manifest = self.length(List::Manifest)?;
        let there = if !record.boot.is_empty() && record.boot == boot() { spool.len().max(record.durable) } else { record.durable };
        let trailer = if record.complete { Some(self.length(List::Trailer)?) } else { None };
        // Whole packets only: what stands behind is sent again. A complete upload ends where it ends.
        let durable = if record.complete { record.durable } else { there.checked_div(payload.into())?.saturating_mul(payload.into()) };
        let announced = if record.complete { Some(durable) } else { self.announced() };
        let (conf, batch, sharer, noted) = (self.conf.clone(), BatchId(record.batch), record.sharer, record.durable);
        Some(Leftover { conf, batch, sharer, noted, durable, announced, manifest, trailer, aside: None })
    }
}

/// What earlier processes left in the folder, which is made where it is not there; what nobody can go on with is deleted.
pub(super) fn take_up(directory: &Path, payload: u32) -> io::Result<BTreeMap<ConfId, Leftover>> {
    make_folder(directory)?;
    let mut left = BTreeMap::new();
    let mut names: Vec<String> = fs::read_dir(directory)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort_unstable();
    for name in names {
        let ending = [".json.new", ".json", ".spool", ".manifest", ".trailer"].into_iter().find(|ending| name.ends_with(ending));
        let conf = ending.and_then(|ending| name.strip_prefix(PREFIX)?.strip_suffix(ending)?.parse::<ConfId>().ok());
        // What is not ours stays.
        let Some(conf) = conf.filter(|conf| !left.contains_key(conf)) else { continue };
        let files = Files::of(directory, &conf);
        match files.read(payload) {
            Some(leftover) => {
                left.insert(conf, leftover);
            }
            None => files.remove_all(),
        }
    }
    Ok(left)
}

/// Makes the folder, where it is not there.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Nobody went on with it.
pub(super) fn remove(directory: &Path, conf: &ConfId) {
    Files::of(directory, conf).remove_all();
}

fn synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = private(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

/// A new file that nobody else may read.
fn private(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Tells this start of the machine from others; empty where that cannot be told.
fn boot() -> String {
    crate::transfer::resume::boot().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_taken_up_at_the_last_whole_packet_and_the_rest_is_deleted() {
        let folder = tempfile::tempdir().expect("a folder");
        let conf = |text: &str| text.parse::<ConfId>().expect("an id");
        let files = Files::of(folder.path(), &conf("a.b"));
        let manifest = payload::Manifest { payload_size: 1024, bytes: Some(5000), json: Bytes::from_static(b"{}") }.to_bytes();
        files.write_manifest(&manifest).expect("written");
        fs::write(files.spool(), vec![1; 2500]).expect("written");
        files.write(&Record { durable: 1024, ..Record::new(BatchId(7), 1024) }).expect("written");
        fs::write(folder.path().join("c-dead.spool"), b"x").expect("written");
        fs::write(folder.path().join("c-odd.json"), b"{}").expect("written");
        fs::write(folder.path().join("README"), b"x").expect("written");

        let left = take_up(folder.path(), 1024).expect("read");
        let leftover = left.get(&conf("a.b")).expect("taken up");
        assert_eq!((left.len(), leftover.batch, leftover.durable, leftover.announced), (1, BatchId(7), 2048, Some(5000)));
        assert_eq!(files.read_list(List::Manifest, leftover.manifest).expect("read"), manifest);
        let names = || {
            let mut names: Vec<_> = fs::read_dir(folder.path()).expect("read").map(|e| e.expect("read").file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(), ["README", "c-a.b.json", "c-a.b.manifest", "c-a.b.spool"]);

        assert!(take_up(folder.path(), 2048).expect("read").is_empty(), "of other packets");
        assert_eq!(names(), ["README"]);
    }

    #[test]
    fn a_record_is_replaced_whole_and_nothing_stays_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::of(folder.path(), &"x".parse().expect("an id"));
        let record = |durable| Record { durable, ..Record::new(BatchId(7), 1024) };
        for durable in [1024, 2048] {
            files.write(&record(durable)).expect("written");
            let read: Record = serde_json::from_slice(&fs::read(files.with("json")).expect("read")).expect("a record");
            assert_eq!(read, record(durable));
        }
        assert!(!files.with("json.new").exists());
    }

    #[test]
    fn after_another_start_of_the_machine_only_what_was_synced_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let conf: ConfId = "x".parse().expect("an id");
        let files = Files::of(folder.path(), &conf);
        files.write_manifest(b"m").expect("written");
        fs::write(files.spool(), vec![1; 5000]).expect("written");
        files.write(&Record { durable: 1500, boot: "another".into(), ..Record::new(BatchId(7), 1024) }).expect("written");
        assert_eq!(take_up(folder.path(), 1024).expect("read").get(&conf).map(|left| left.durable), Some(1024));
    }
}
