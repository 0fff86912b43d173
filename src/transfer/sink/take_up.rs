//! Going on where a transfer broke.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use tokio::sync::watch;

use super::{
    SinkError, SinkState,
    before::enough_room,
    core::{Complete, Core, record_tag},
    folder::{Folder, There},
    open::Open,
    work::Work as _,
};
use crate::{
    clock,
    transfer::{
        cursor::Cursor,
        hash::{Digest, Hasher},
        manifest::{Entry, Manifest},
        name::SafePath,
        overwrite::Overwrite,
        resume::{Line, RecordStore, TakenUp, TransferName},
    },
};

impl Core {
    /// Looks at record, journal and partial files, and stands where all three agree.
    pub(super) fn take_up(records: &RecordStore, name: &TransferName, state: watch::Sender<SinkState>) -> Result<Self, SinkError> {
        let TakenUp { held, manifest, lines, same_boot } = records.take_up(name)?;
        let record = held.record().clone();
        let folder = Folder::open(Path::new(&record.target), record_tag(name.as_str(), record.created))?;
        let told = Told::read(&manifest, lines);
        let placing = record.placing && told.done.len() == manifest.files().len();
        let sound = match (placing, manifest.total()) {
            (true, _) => told.done.len(),
            (false, Some(_)) => sound_files(&folder, &manifest, &told.done),
            // A file of unknown size has no end of its own: it goes on.
            (false, None) => 0,
        };
        let mut core = Self {
            overwrite: record.overwrite,
            algorithm: record.algorithm,
            checkpoint: record.checkpoint.max(1),
            reserve: record.reserve,
            sparse: record.sparse,
            xattrs: record.xattrs,
            called: record.called,
            cursor: Cursor::new(&manifest),
            open: None,
            complete: Complete::default(),
            done: told.done,
            skipped: BTreeSet::new(),
            placing: told.placing,
            made: told.made,
            known: BTreeSet::new(),
            held: Some(held),
            lines: Vec::new(),
            stands: SinkState::default(),
            state,
            last_sync: (clock::now(), Duration::ZERO),
            warnings: Vec::new(),
            placed: placing,
            unsound: false,
            ended: false,
            manifest,
            folder,
        };
        let went_back = sound < core.done.len() && core.manifest.total().is_some();
        core.done.truncate(sound);
        core.find_skipped()?;
        // Bytes behind the mark count when no crash of the machine can have torn them.
        let limit = if same_boot && !went_back { None } else { Some(record.durable) };
        core.stand(limit)?;
        let written = if placing { record.durable } else { core.cursor.position() };
        let durable = record.durable.min(written);
        core.stands = SinkState { written, durable, files: sound as u64 };
        if written < record.durable {
            let lines = core.journal();
            core.held.as_mut().map_or(Ok(()), |held| held.rewind(written, &lines))?;
        }
        let offset = core.cursor.here().map_or(0, |(_, offset)| offset);
        let there = core.open.as_ref().map_or(Ok(0), Open::allocated).map_err(|error| core.folder.fault("", error))?;
        enough_room(&core.folder, core.sparse.room(&core.manifest, core.cursor.files_done(), offset, there), core.reserve)?;
        core.sync_parts(durable)?;
        // With this the next epoch is on the disk too.
        core.held.as_mut().map_or(Ok(()), |held| held.save(written, placing))?;
        core.stands.durable = written;
        core.tell();
        core.data(&[])?;
        Ok(core)
    }

    /// Entries whose bytes are dropped: those that were, and those that are there by now.
    fn find_skipped(&mut self) -> Result<(), SinkError> {
        let begun = self.done.len();
        for (file, (at, entry)) in self.manifest.clone().files().enumerate() {
            let skip = match self.done.get(file) {
                Some(digest) => digest.is_none(),
                None => {
                    self.overwrite == Overwrite::Skip
                        && (file > begun || self.folder.len(&self.folder.part(at, &entry.path)).is_none())
                        && self.folder.there(self.wanted(entry).as_str())? != There::Nothing
                }
            };
            if skip {
                self.skipped.insert(at);
            }
        }
        Ok(())
    }

    /// Puts the cursor behind the last file that is complete, and into the next as far as its partial file goes, though not behind `limit`.
    fn stand(&mut self, limit: Option<u64>) -> Result<(), SinkError> {
        let file = self.done.len();
        let Some((at, entry)) = self.manifest.files().nth(file).map(|(at, entry)| (at, entry.clone())) else {
            return self.stand_at(file, 0);
        };
        let start = self.manifest.start_of(at).unwrap_or(0);
        let most = limit.map_or(u64::MAX, |limit| limit.saturating_sub(start)).min(entry.size().flatten().unwrap_or(u64::MAX));
        if self.skipped.contains(&at) {
            let offset = if limit.is_some() { most } else { 0 };
            self.open = (offset > 0).then_some(Open { entry: at, into: None, around: None });
            return self.stand_at(file, offset);
        }
        let part = self.folder.part(at, &entry.path);
        let len = self.folder.len(&part).unwrap_or(0).min(most);
        let mut hasher = Hasher::new(self.algorithm);
        let reopened = if len > 0 { self.folder.reopen(&part, len, &mut hasher)? } else { None };
        let offset = if reopened.is_some() { len } else { 0 };
        self.open = reopened.map(|part| Open { entry: at, into: Some((part, hasher)), around: self.sparse.data(file).map(|_| len) });
        self.stand_at(file, offset)
    }

    fn stand_at(&mut self, file: usize, offset: u64) -> Result<(), SinkError> {
        self.cursor = Cursor::in_file(&self.manifest, file, offset).ok_or(SinkError::OtherBatch)?;
        Ok(())
    }

    /// Makes durable what the process before this one may have left in memory.
    fn sync_parts(&mut self, durable: u64) -> Result<(), SinkError> {
        if self.placed {
            return Ok(());
        }
        let behind = |(at, entry, _): &(usize, Entry, Option<Digest>)| {
            let end = self.manifest.start_of(*at).unwrap_or(0).saturating_add(entry.size().flatten().unwrap_or(u64::MAX));
            end > durable
        };
        let files = self.complete_files().into_iter().filter(|file| file.2.is_some() && behind(file));
        let parts: Vec<String> = files.map(|(at, entry, _)| self.folder.part(at, &entry.path)).collect();
        self.folder.sync_files(&parts)?;
        if let Some(Open { into: Some((file, _)), .. }) = &self.open {
            file.sync_all().map_err(|error| self.folder.fault("", error))?;
        }
        self.folder.sync()
    }
}

/// What a journal tells.
struct Told {
    done: Vec<Option<Digest>>,
    placing: BTreeMap<usize, SafePath>,
    made: BTreeSet<SafePath>,
}

impl Told {
    /// Files come in order; what does not, is not believed, and neither is what follows.
    fn read(manifest: &Manifest, lines: Vec<Line>) -> Self {
        let order: Vec<usize> = manifest.files().map(|(at, _)| at).collect();
        let mut told = Self { done: Vec::new(), placing: BTreeMap::new(), made: BTreeSet::new() };
        for line in lines {
            match line {
                Line::Done { entry, digest } if order.get(told.done.len()).copied() == usize::try_from(entry).ok() => {
                    told.done.push(digest);
                }
                Line::Done { .. } => break,
                Line::Made { path } => {
                    told.made.insert(path);
                }
                Line::Place { entry, path } => {
                    told.placing.extend(usize::try_from(entry).ok().map(|entry| (entry, path)));
                }
            }
        }
        told
    }
}

/// How many of the files that are said to be complete are there, from the first on.
fn sound_files(folder: &Folder, manifest: &Manifest, done: &[Option<Digest>]) -> usize {
    let sound = |(at, entry): (usize, &Entry), digest: &Option<Digest>| {
        digest.is_none()
            || folder.len(&folder.part(at, &entry.path)).is_some_and(|len| entry.size().flatten().is_none_or(|size| size == len))
    };
    manifest.files().zip(done).take_while(|(file, digest)| sound(*file, digest)).count()
}
