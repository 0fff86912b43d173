//! The files of records.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{Line, MAX_RECORD, Record, ResumeError, TransferName};
use crate::{
    clock,
    transfer::{
        disk,
        manifest::{MAX_MANIFEST, Manifest},
    },
};

/// Most bytes of a journal: a line for each entry, twice, with the longest names.
const MAX_JOURNAL: u64 = 1024 * 1024 * 1024;

/// A folder of records. Its methods block: call them from blocking threads.
#[derive(Debug, Clone)]
pub struct RecordStore {
    folder: PathBuf,
}

/// A record that is ours while this lives: no other process can take it.
#[derive(Debug)]
pub struct Held {
    folder: PathBuf,
    record: Record,
    journal: File,
    /// Bytes of the journal, synced or not.
    written: u64,
}

/// What a record and its files say, taken up again.
#[derive(Debug)]
pub struct TakenUp {
    /// The record, ours now, with the next epoch.
    pub held: Held,
    /// The batch.
    pub manifest: Manifest,
    /// What the journal says. Those lines count that the record counts; when the machine has not been started anew since, all that are whole,
    /// because what a process has written outlives the process.
    pub lines: Vec<Line>,
    /// Whether the machine is still up since the record was written: bytes behind the durable mark are then as they were written.
    pub same_boot: bool,
}

/// What names the present run of the machine; none where the platform has no such name.
pub fn boot() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty() && id.len() <= 64)
}

impl RecordStore {
    /// Opens a folder, and makes it (mode 0700) where there is none.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(folder: &Path) -> Result<Self, ResumeError> {
        disk::make_folder(folder, 0o700).map_err(io_error(folder))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Begins a record: what is durable in it is set to nothing.
    ///
    /// # Errors
    /// There is one of this name, or the disk fails.
    pub fn create(&self, record: Record, manifest: &Manifest) -> Result<Held, ResumeError> {
        let name = record.transfer.clone();
        let journal = self.lock(&name, true)?;
        if self.path(&name, "json").try_exists().map_err(io_error(&self.folder))? {
            return Err(ResumeError::Exists(name));
        }
        journal.set_len(0).map_err(io_error(&self.path(&name, "journal")))?;
        replace(&self.folder, &self.path(&name, "manifest"), &manifest.to_json())?;
        let mut held = Held { folder: self.folder.clone(), record, journal, written: 0 };
        (held.record.manifest, held.record.durable, held.record.journal) = (manifest.digest(), 0, 0);
        held.save(0, false)?;
        Ok(held)
    }

    /// Takes up a record again.
    ///
    /// # Errors
    /// There is none, it is running, or it is damaged.
    pub fn take_up(&self, name: &TransferName) -> Result<TakenUp, ResumeError> {
        let mut journal = self.lock(name, false)?;
        let damaged = |why: String| ResumeError::Damaged { name: name.clone(), why };
        let mut record = self.read(name)?;
        for extension in ["json", "manifest"] {
            remove(&new_of(&self.path(name, extension)))?;
        }
        let manifest = match read_bounded(&self.path(name, "manifest"), MAX_MANIFEST as u64) {
            // It was there before the record.
            Err(ResumeError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                return Err(damaged("its manifest is gone".to_owned()));
            }
            read => read?,
        };
        let manifest = Manifest::from_json(&manifest).map_err(|error| damaged(error.to_string()))?;
        if manifest.digest() != record.manifest || record.transfer != *name {
            return Err(damaged("its files do not belong together".to_owned()));
        }
        let same_boot = record.boot.is_some() && record.boot == boot();
        let path = self.path(name, "journal");
        let mut text = Vec::new();
        let most = if same_boot { MAX_JOURNAL } else { record.journal.min(MAX_JOURNAL) };
        (&mut journal).take(most).read_to_end(&mut text).map_err(io_error(&path))?;
        if (text.len() as u64) < record.journal {
            return Err(damaged("its journal is too short".to_owned()));
        }
        let (lines, whole) = lines(&text);
        if whole < record.journal {
            return Err(damaged("its journal cannot be read".to_owned()));
        }
        journal.set_len(whole).and_then(|()| journal.seek(SeekFrom::Start(whole))).map_err(io_error(&path))?;
        record.epoch = record.epoch.saturating_add(1);
        Ok(TakenUp { held: Held { folder: self.folder.clone(), record, journal, written: whole }, manifest, lines, same_boot })
    }

    /// All records, by name. What cannot be read is left out.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> Result<Vec<Record>, ResumeError> {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(io_error(&self.folder))? {
            let name = entry.map_err(io_error(&self.folder))?.file_name();
            let name = name.to_str().and_then(|name| name.strip_suffix(".json")).and_then(|name| TransferName::new(name).ok());
            records.extend(name.and_then(|name| self.read(&name).ok()));
        }
        records.sort_by(|a, b| a.transfer.cmp(&b.transfer));
        Ok(records)
    }

    /// Whether a process is at this transfer.
    pub fn is_held(&self, name: &TransferName) -> bool {
        matches!(self.lock(name, false), Err(ResumeError::Busy(_)))
    }

    /// Removes a record that is not running. The partial files are not its matter: `Sink::abort` removes both.
    ///
    /// # Errors
    /// It is running, or the disk fails; that there is none is no error.
    pub fn remove(&self, name: &TransferName) -> Result<(), ResumeError> {
        match self.lock(name, false) {
            Ok(_lock) => self.delete(name),
            // Without a journal there may still be the rest of a removal that was broken off.
            Err(ResumeError::Missing(_)) => self.delete(name),
            Err(error) => Err(error),
        }
    }

    /// The records not running and not changed for longer than `age`, the oldest first. What belongs to one besides, its partial files, is
    /// `Sink::discard`'s matter, which looks once more whether it is running.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn older(&self, now: SystemTime, age: Duration) -> Result<Vec<Record>, ResumeError> {
        let limit = seconds(now).saturating_sub(age.as_secs());
        let mut old = self.list()?;
        old.retain(|record| record.changed < limit && !self.is_held(&record.transfer));
        old.sort_by_key(|record| record.changed);
        Ok(old)
    }

    fn path(&self, name: &TransferName, extension: &str) -> PathBuf {
        self.folder.join(format!("{name}.{extension}"))
    }

    fn read(&self, name: &TransferName) -> Result<Record, ResumeError> {
        let bytes = match read_bounded(&self.path(name, "json"), MAX_RECORD as u64) {
            Err(ResumeError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => return Err(ResumeError::Missing(name.clone())),
            read => read?,
        };
        Record::from_json(&bytes).map_err(|why| ResumeError::Damaged { name: name.clone(), why })
    }

    /// Opens the journal and locks it: whoever holds it holds the record.
    fn lock(&self, name: &TransferName, create: bool) -> Result<File, ResumeError> {
        let path = self.path(name, "journal");
        loop {
            let file = match OpenOptions::new().read(true).write(true).create(create).truncate(false).mode(0o600).open(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound && !create => return Err(ResumeError::Missing(name.clone())),
                opened => opened.map_err(io_error(&path))?,
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => return Err(ResumeError::Busy(name.clone())),
                Err(fs::TryLockError::Error(error)) => return Err(io_error(&path)(error)),
            }
            // Between opening and locking, the file may have been removed by its last holder.
            let ours = file.metadata().map_err(io_error(&path))?;
            match fs::metadata(&path) {
                Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => return Ok(file),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(io_error(&path)(error)),
            }
        }
    }

    /// The record first: without it, the rest is nothing.
    fn delete(&self, name: &TransferName) -> Result<(), ResumeError> {
        for extension in ["json", "manifest", "journal"] {
            let path = self.path(name, extension);
            remove(&new_of(&path))?;
            remove(&path)?;
        }
        sync_folder(&self.folder)
    }
}

impl Held {
    /// What it says.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Adds lines to the journal. They count with the next [`Held::save`].
    ///
    /// # Errors
    /// The disk.
    pub fn append(&mut self, lines: &[Line]) -> Result<(), ResumeError> {
        let mut text = Vec::new();
        for line in lines {
            // Numbers and text: all of it can be said in JSON.
            text.extend(serde_json::to_vec(line).unwrap_or_default());
            text.push(b'\n');
        }
        let path = self.journal_path();
        if let Err(error) = self.journal.write_all(&text) {
            // Nothing half may stand before what comes next.
            let _ = self.journal.set_len(self.written).and_then(|()| self.journal.seek(SeekFrom::Start(self.written)));
            return Err(io_error(&path)(error));
        }
        self.written += text.len() as u64;
        Ok(())
    }

    /// Makes the journal durable, then the record with a new mark.
    ///
    /// # Errors
    /// The disk.
    pub fn save(&mut self, durable: u64, placing: bool) -> Result<(), ResumeError> {
        if self.written != self.record.journal {
            self.journal.sync_data().map_err(io_error(&self.journal_path()))?;
        }
        (self.record.durable, self.record.placing, self.record.journal) = (durable, placing, self.written);
        (self.record.changed, self.record.boot) = (seconds(clock::wall()), boot());
        replace(&self.folder, &self.folder.join(format!("{}.json", self.record.transfer)), &self.record.to_json())
    }

    /// Lays these over the details of the caller. The mark, and when it was noted, stay as they are.
    ///
    /// # Errors
    /// The disk.
    pub fn amend(&mut self, details: impl IntoIterator<Item = (&'static str, String)>) -> Result<(), ResumeError> {
        self.record.details.extend(details.into_iter().map(|(key, value)| (key.to_owned(), value)));
        replace(&self.folder, &self.folder.join(format!("{}.json", self.record.transfer)), &self.record.to_json())
    }

    /// Says that bytes behind the mark may not be as they were written, though the machine stays up: the disk failed to sync.
    ///
    /// # Errors
    /// The disk.
    pub fn distrust(&mut self) -> Result<(), ResumeError> {
        self.record.boot = None;
        replace(&self.folder, &self.folder.join(format!("{}.json", self.record.transfer)), &self.record.to_json())
    }

    /// Writes the journal anew, for a mark that goes back. The old mark goes first, so that no moment counts what is gone.
    ///
    /// # Errors
    /// The disk.
    pub fn rewind(&mut self, durable: u64, lines: &[Line]) -> Result<(), ResumeError> {
        self.record.journal = 0;
        replace(
            &self.folder,
            &self.folder.join(format!("{}.json", self.record.transfer)),
            &Record { durable: 0, ..self.record.clone() }.to_json(),
        )?;
        let path = self.journal_path();
        self.journal.set_len(0).and_then(|()| self.journal.seek(SeekFrom::Start(0))).map_err(io_error(&path))?;
        self.written = 0;
        self.append(lines)?;
        self.save(durable, false)
    }

    /// The transfer is over: removes its files.
    ///
    /// # Errors
    /// The disk.
    pub fn forget(self) -> Result<(), ResumeError> {
        RecordStore { folder: self.folder.clone() }.delete(&self.record.transfer)
    }

    fn journal_path(&self) -> PathBuf {
        self.folder.join(format!("{}.journal", self.record.transfer))
    }
}

/// The whole lines at the start of a journal, and how many bytes they are. At the first that cannot be read, the rest is torn.
fn lines(text: &[u8]) -> (Vec<Line>, u64) {
    let (mut lines, mut whole) = (Vec::new(), 0);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let Some(Ok(parsed)) = line.strip_suffix(b"\n").map(serde_json::from_slice) else { break };
        lines.push(parsed);
        whole += line.len() as u64;
    }
    (lines, whole)
}

/// Seconds since 1970.
pub(in crate::transfer) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>, ResumeError> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)).map_err(io_error(path))?;
    Ok(bytes)
}

/// Replaces a file: whoever looks, before or after a crash, sees the old or the new one whole.
fn replace(folder: &Path, path: &Path, bytes: &[u8]) -> Result<(), ResumeError> {
    let new = new_of(path);
    remove(&new)?;
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&new, path)).map_err(io_error(path))?;
    sync_folder(folder)
}

/// Where the next version of a file is written. Always the same name, which only the holder of the record uses: what a killed process
/// leaves there, the next one takes away.
fn new_of(path: &Path) -> PathBuf {
    path.with_added_extension("new")
}

fn remove(path: &Path) -> Result<(), ResumeError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io_error(path)(error)),
        _ => Ok(()),
    }
}

fn sync_folder(folder: &Path) -> Result<(), ResumeError> {
    disk::sync_folder(folder).map_err(io_error(folder))
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> ResumeError {
    let path = path.display().to_string();
    move |source| ResumeError::Io { path, source }
}
