//! Bytes to partial files, and checkpoints.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::Path,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    Finished, SinkError, SinkOptions, SinkState,
    before::{called, conflicts, enough_room},
    clear::clear,
    folder::{Folder, TOGETHER, set_mtime, set_xattrs},
    open::Open,
    work::Work,
};
use crate::{
    clock,
    transfer::{
        cursor::{Cursor, Step},
        disk,
        hash::{Algorithm, Digest, Hasher, Trailer},
        manifest::{Entry, Manifest},
        name::{PART_TAG, SafePath},
        overwrite::Overwrite,
        resume::{self, Held, Line, Record},
        sparse::Sparse,
    },
};

/// When syncing is slow, it is done less often: it may take one part in so many of the time…
const SYNC_SHARE: u32 = 4;
/// …but never are more than so many times the agreed bytes at stake.
const SYNC_DELAY: u64 = 8;
/// Bytes wait no longer than this to become durable, so that acknowledgements move however slow the sender is; or longer when syncing is
/// slow, by [`SYNC_SHARE`]…
const LONGEST: Duration = Duration::from_millis(500);
/// …but never longer than this, so that nobody takes us for dead.
const LATEST: Duration = Duration::from_secs(10);
/// Most warnings kept.
pub(super) const MAX_WARNINGS: usize = 100;

/// A sink into a folder.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) manifest: Manifest,
    pub(super) folder: Folder,
    pub(super) overwrite: Overwrite,
    pub(super) algorithm: Algorithm,
    pub(super) checkpoint: u64,
    /// Bytes of the disk that must stay free.
    pub(super) reserve: u64,
    /// Files with holes.
    pub(super) sparse: Sparse,
    /// Extended attributes are set.
    pub(super) xattrs: bool,
    /// The name that the only file gets instead of its own.
    pub(super) called: Option<SafePath>,
    pub(super) cursor: Cursor,
    pub(super) open: Option<Open>,
    pub(super) complete: Complete,
    /// The digest of each regular file that has all its bytes, in order; none where it was skipped.
    pub(super) done: Vec<Option<Digest>>,
    /// Entries whose bytes are dropped.
    pub(super) skipped: BTreeSet<usize>,
    /// Names that files were about to get when the process before this one ended.
    pub(super) placing: BTreeMap<usize, SafePath>,
    /// Folders that were not there before.
    pub(super) made: BTreeSet<SafePath>,
    /// Folders that are known to be there.
    pub(super) known: BTreeSet<String>,
    pub(super) held: Option<Held>,
    /// Lines for the journal that wait for the end of a chunk, or for the next checkpoint.
    pub(super) lines: Vec<Line>,
    /// How far it is…
    pub(super) stands: SinkState,
    /// …and where that is told, once a chunk: whoever follows is not woken for each of ten thousand small files.
    pub(super) state: watch::Sender<SinkState>,
    pub(super) last_sync: (Instant, Duration),
    pub(super) warnings: Vec<String>,
    /// Files are getting their names: there is nothing to remove or to cut any more.
    pub(super) placed: bool,
    /// The disk failed to sync: asked again, it may say that all is well when it is not.
    pub(super) unsound: bool,
    /// It was broken off: the record is not ours any more.
    pub(super) ended: bool,
}

/// Files that have all their bytes, not yet durable.
#[derive(Debug, Default)]
pub(super) struct Complete {
    /// Their entries, and as many files.
    files: (Vec<usize>, Vec<File>),
    /// They were more than can be held open: the whole file system is to be synced.
    many: bool,
}

impl Complete {
    fn is_empty(&self) -> bool {
        !self.many && self.files.0.is_empty()
    }
}

impl Core {
    pub(super) fn create(
        target: &Path,
        manifest: Manifest,
        options: SinkOptions,
        state: watch::Sender<SinkState>,
    ) -> Result<Self, SinkError> {
        let created = resume::seconds(clock::wall());
        let tag = options.record.as_ref().map_or_else(|| tag(&clock::seed()), |(_, name)| record_tag(name.as_str(), created));
        let folder = Folder::open(target, tag)?;
        let renamed = options.called.as_ref().map(|name| called(&manifest, name)).transpose()?;
        let skipped = conflicts(&folder, renamed.as_deref().unwrap_or(manifest.entries()), options.overwrite)?;
        enough_room(&folder, options.sparse.room(&manifest, 0, 0, 0), options.reserve)?;
        let held = match options.record {
            None => None,
            Some((records, name)) => {
                let target = folder.path().to_str().ok_or_else(|| SinkError::InTheWay {
                    path: folder.path().display().to_string(),
                    what: "a folder whose name is not UTF-8, which a record cannot keep",
                })?;
                let record = Record {
                    version: resume::VERSION,
                    transfer: name,
                    manifest: manifest.digest(),
                    algorithm: options.algorithm,
                    durable: 0,
                    journal: 0,
                    target: target.to_owned(),
                    overwrite: options.overwrite,
                    checkpoint: options.checkpoint,
                    reserve: options.reserve,
                    sparse: options.sparse.clone(),
                    xattrs: options.xattrs,
                    called: options.called.clone(),
                    placing: false,
                    epoch: 0,
                    created,
                    changed: created,
                    boot: None,
                    details: options.details.into_iter().take(resume::MAX_DETAILS).collect(),
                };
                Some(records.create(record, &manifest)?)
            }
        };
        let cursor = Cursor::new(&manifest);
        let mut core = Self {
            manifest,
            folder,
            overwrite: options.overwrite,
            algorithm: options.algorithm,
            checkpoint: options.checkpoint.max(1),
            reserve: options.reserve,
            sparse: options.sparse,
            xattrs: options.xattrs,
            called: options.called,
            cursor,
            open: None,
            complete: Complete::default(),
            done: Vec::new(),
            skipped,
            placing: BTreeMap::new(),
            made: BTreeSet::new(),
            known: BTreeSet::new(),
            held,
            lines: Vec::new(),
            stands: SinkState::default(),
            state,
            last_sync: (clock::now(), Duration::ZERO),
            warnings: Vec::new(),
            placed: false,
            unsound: false,
            ended: false,
        };
        // Empty files at the start have all their bytes.
        if let Err(error) = core.data(&[]) {
            // The first error is the one to tell.
            let _ = core.abort();
            return Err(error);
        }
        Ok(core)
    }

    pub(super) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(super) fn record(&self) -> Option<&Record> {
        self.held.as_ref().map(Held::record)
    }

    fn begin(&mut self, at: usize) -> Result<(), SinkError> {
        if self.skipped.contains(&at) {
            self.open = Some(Open { entry: at, into: None, around: None });
            return Ok(());
        }
        let Some(entry) = self.manifest.entries().get(at).cloned() else { return Err(SinkError::TooLong) };
        if let Some(parent) = entry.path.parent() {
            self.make(parent)?;
        }
        let part = self.folder.part(at, &entry.path);
        // With a record, the name is not random: a process before may have left one that does not count.
        let file = self.folder.create(&part, &entry, self.held.is_some())?;
        let around = self.sparse.data(self.cursor.files_done()).map(|_| 0);
        self.open = Some(Open { entry: at, into: Some((file, Hasher::new(self.algorithm))), around });
        Ok(())
    }

    /// Makes a folder for the batch.
    pub(super) fn make(&mut self, path: &str) -> Result<(), SinkError> {
        if self.known.contains(path) {
            return Ok(());
        }
        let made = self.folder.make(path)?;
        if self.complete.many && !self.folder.syncs_whole() {
            // From here on some lie on another file system.
            self.checkpoint()?;
        }
        self.lines.extend(made.iter().map(|path| Line::Made { path: path.clone() }));
        let are_new = !made.is_empty();
        self.made.extend(made);
        self.known.insert(path.to_owned());
        // At once: of a folder that is not written down, nobody would know that it is ours to remove.
        if are_new { self.note() } else { Ok(()) }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        let Some(Open { entry, into, around }) = &mut self.open else { return Err(SinkError::Stopped) };
        if let Some((file, hasher)) = into {
            if let Err(error) = Open::put(file, around, bytes) {
                let path = self.manifest.entries().get(*entry).map_or("", |entry| entry.path.as_str());
                return Err(match self.folder.fault(path, error) {
                    SinkError::NoSpace { path, available, .. } => SinkError::NoSpace { path, needed: bytes.len() as u64, available },
                    error => error,
                });
            }
            hasher.update(bytes);
        }
        self.stands.written += bytes.len() as u64;
        Ok(())
    }

    /// The file that is being written is as long as what has come of it.
    fn stretch(&self) -> Result<(), SinkError> {
        let Some(open) = &self.open else { return Ok(()) };
        let path = self.manifest.entries().get(open.entry).map_or("", |entry| entry.path.as_str());
        open.stretch().map_err(|error| self.folder.fault(path, error))
    }

    /// A file has all its bytes.
    pub(super) fn end(&mut self) -> Result<(), SinkError> {
        self.stretch()?;
        let Some(Open { entry: at, into, .. }) = self.open.take() else { return Ok(()) };
        let mut digest = None;
        if let Some((file, hasher)) = into {
            digest = Some(hasher.finish());
            if let Some(entry) = self.manifest.entries().get(at) {
                let unset = if self.xattrs { set_xattrs(&file, &entry.xattrs) } else { Vec::new() };
                let path = entry.path.clone();
                unset.into_iter().for_each(|why| self.warn(format!("{path}: {why}")));
            }
            if let Some(entry) = self.manifest.entries().get(at) {
                // Permissions wait for the file's place: until then, another process may have to go on with it.
                if let Err(error) = set_mtime(&file, entry.mtime) {
                    let warning = format!("{}: {error}", entry.path);
                    self.warn(warning);
                }
            }
            if !self.complete.many {
                self.complete.files.0.push(at);
                self.complete.files.1.push(file);
            }
        }
        self.done.push(digest);
        self.lines.push(Line::Done { entry: u32::try_from(at).unwrap_or(u32::MAX), digest });
        self.stands.files += 1;
        match self.complete.files.0.len() >= TOGETHER {
            // No more are held open; they are closed, and become durable with the next checkpoint all the same.
            true if self.folder.syncs_whole() => self.complete = Complete { many: true, ..Complete::default() },
            true => return self.checkpoint().map(|_| ()),
            false => {}
        }
        Ok(())
    }

    /// Writes down what waits for the journal.
    pub(super) fn note(&mut self) -> Result<(), SinkError> {
        let lines = std::mem::take(&mut self.lines);
        match &mut self.held {
            Some(held) if !lines.is_empty() => Ok(held.append(&lines)?),
            _ => Ok(()),
        }
    }

    /// Tells how far it is.
    pub(super) fn tell(&self) {
        self.state.send_if_modified(|state| std::mem::replace(state, self.stands) != self.stands);
    }

    pub(super) fn warn(&mut self, warning: String) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(warning);
        }
    }

    /// The entry and its index of each regular file that has all its bytes, with its digest.
    pub(super) fn complete_files(&self) -> Vec<(usize, Entry, Option<Digest>)> {
        self.manifest.files().zip(&self.done).map(|((at, entry), digest)| (at, entry.clone(), *digest)).collect()
    }

    /// Makes all files durable that have bytes, and all names.
    ///
    /// What is complete is synced together ([`disk::sync_together`]); where it is much, by one sync of the whole file system. 10 000 files of 100
    /// bytes in 50 folders, with a record, from a share to their places on ext4 of a virtual disk that others used, took 5.5 s (4.6 to 5.9)
    /// with 10 627 files synced in groups of 64, and take 1.7 s (1.7 to 2.9) with 63 synced and the whole twice.
    fn sync_all(&mut self) -> Result<(), SinkError> {
        self.stretch()?;
        if self.complete.many {
            self.folder.sync_whole()?;
            self.complete = Complete::default();
            return Ok(());
        }
        let fault = |at: usize, error| self.folder.fault(self.manifest.entries().get(at).map_or("", |entry| entry.path.as_str()), error);
        if let Some(Open { entry, into: Some((file, _)), .. }) = &self.open {
            file.sync_data().map_err(|error| fault(*entry, error))?;
        }
        let (entries, files) = &self.complete.files;
        disk::sync_together(files).map_err(|(at, error)| fault(entries.get(at).copied().unwrap_or(usize::MAX), error))?;
        self.complete = Complete::default();
        self.folder.sync()
    }

    fn is_time(&self, unsynced: u64) -> bool {
        let (last, cost) = self.last_sync;
        let rested = clock::now().saturating_duration_since(last) >= cost.saturating_mul(SYNC_SHARE);
        unsynced >= self.checkpoint && (rested || unsynced >= self.checkpoint.saturating_mul(SYNC_DELAY))
    }
}

impl Work for Core {
    fn data(&mut self, mut bytes: &[u8]) -> Result<(), SinkError> {
        while let Some(step) = self.cursor.next(bytes.len()) {
            match step {
                Step::Begin { entry } => self.begin(entry)?,
                Step::Data { len, .. } => {
                    let (now, rest) = bytes.split_at(len);
                    self.take(now)?;
                    bytes = rest;
                }
                Step::End { .. } => self.end()?,
            }
        }
        if !bytes.is_empty() {
            return Err(SinkError::TooLong);
        }
        if self.is_time(self.stands.written - self.stands.durable) {
            return self.checkpoint().map(|_| ());
        }
        self.note()?;
        self.tell();
        Ok(())
    }

    fn is_dirty(&self) -> bool {
        self.stands.written > self.stands.durable
    }

    fn patience(&self) -> Duration {
        patience(self.last_sync.1)
    }

    fn checkpoint(&mut self) -> Result<u64, SinkError> {
        let written = self.stands.written;
        if written == self.stands.durable && self.complete.is_empty() && self.lines.is_empty() {
            return Ok(written);
        }
        let began = clock::now();
        if let Err(error) = self.sync_all() {
            self.unsound = true;
            return Err(error);
        }
        self.note()?;
        if let Some(held) = &mut self.held {
            held.save(written, self.placed).inspect_err(|_| self.unsound = true)?;
        }
        self.stands.durable = written;
        self.tell();
        let now = clock::now();
        self.last_sync = (now, now.saturating_duration_since(began));
        Ok(written)
    }

    fn finish(&mut self, trailer: Option<&Trailer>) -> Result<Finished, SinkError> {
        if self.cursor.is_open_ended() {
            self.end()?;
        } else if !self.cursor.is_done() {
            return Err(SinkError::TooShort { received: self.stands.written, total: self.manifest.total().unwrap_or(0) });
        }
        self.place(trailer)
    }

    fn suspend(&mut self) -> Result<SinkState, SinkError> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(self.stands);
        }
        let mut kept = match self.held {
            None => self.abort(),
            Some(_) if self.unsound => Ok(()),
            Some(_) => self.checkpoint().map(|_| ()),
        };
        if self.unsound
            && let Some(held) = &mut self.held
        {
            kept = kept.and(held.distrust().map_err(SinkError::from));
        }
        // Whoever is told that it has ended can take it up at once.
        self.held = None;
        kept.map(|()| self.stands)
    }

    fn abort(&mut self) -> Result<(), SinkError> {
        (self.open, self.complete) = (None, Complete::default());
        // With a record, a process before this one may have been further than its journal says.
        let last = if self.held.is_some() { None } else { self.cursor.here().map(|(entry, _)| entry) };
        clear(&mut self.folder, &self.manifest, last, &std::mem::take(&mut self.made))?;
        Ok(self.held.take().map_or(Ok(()), Held::forget)?)
    }
}

/// How long bytes wait for a checkpoint when the last one took so long.
fn patience(cost: Duration) -> Duration {
    cost.saturating_mul(SYNC_SHARE).clamp(LONGEST, LATEST)
}

/// What marks the partial files of a transfer that is not recorded: anything that no other has.
fn tag(seed: &[u8]) -> String {
    Digest::blake3(seed).to_string().split_at(PART_TAG).0.to_owned()
}

/// And of one that is.
pub(super) fn record_tag(name: &str, created: u64) -> String {
    tag(format!("{name}\n{created}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_syncing_takes_one_part_in_four_of_the_time_and_fast_syncing_waits_half_a_second() {
        let waits = [1, 125, 200, 1_000, 60_000].map(|cost| patience(Duration::from_millis(cost)).as_millis());
        assert_eq!(waits, [500, 500, 800, 4_000, 10_000]);
    }
}
