//! A file as it was found, and opened again to be read: the same one, unchanged.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{ErrorKind, Read as _, Seek as _, SeekFrom},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::PathBuf,
    time::SystemTime,
};

use super::{SourceError, io_error};

/// What was there when the manifest was made.
#[derive(Debug, Clone)]
pub(super) struct Found {
    path: PathBuf,
    size: u64,
    changed: Option<SystemTime>,
    /// Device and inode: another file of the same name is another file.
    identity: (u64, u64),
}

/// A file that is being read.
#[derive(Debug)]
pub(super) struct Reading {
    found: Found,
    file: File,
}

impl Found {
    pub(super) fn new(path: PathBuf, meta: &Metadata) -> Self {
        Self { path, size: meta.len(), changed: meta.modified().ok(), identity: (meta.dev(), meta.ino()) }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Opens it at an offset.
    pub(super) fn open(&self, offset: u64) -> Result<Reading, SourceError> {
        // Without waiting: a pipe that took the file's place would not answer.
        let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(&self.path);
        let mut file = opened.map_err(|error| match error.kind() {
            ErrorKind::NotFound => self.was_changed(),
            _ => io_error(&self.path)(error),
        })?;
        self.compare(&file)?;
        if offset > 0 {
            file.seek(SeekFrom::Start(offset)).map_err(io_error(&self.path))?;
        }
        Ok(Reading { found: self.clone(), file })
    }

    /// Whether an open file is the one found, as it was found.
    fn compare(&self, file: &File) -> Result<(), SourceError> {
        let meta = file.metadata().map_err(io_error(&self.path))?;
        if (meta.dev(), meta.ino()) != self.identity || !meta.is_file() {
            return Err(self.was_changed());
        }
        self.compare_size(meta.len())?;
        if meta.modified().ok() == self.changed { Ok(()) } else { Err(self.was_changed()) }
    }

    fn compare_size(&self, found: u64) -> Result<(), SourceError> {
        let (path, announced) = (self.path.display().to_string(), self.size);
        match found.cmp(&announced) {
            std::cmp::Ordering::Less => Err(SourceError::Shrunk { path, announced, found }),
            std::cmp::Ordering::Greater => Err(SourceError::Grown { path, announced, found }),
            std::cmp::Ordering::Equal => Ok(()),
        }
    }

    fn was_changed(&self) -> SourceError {
        SourceError::Changed { path: self.path.display().to_string() }
    }
}

impl Reading {
    /// Fills a buffer with the next bytes, all of which the file must have.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<(), SourceError> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read(rest) {
                Ok(0) => {
                    self.found.compare(&self.file)?;
                    return Err(self.found.was_changed());
                }
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(io_error(&self.found.path)(error)),
            }
        }
        Ok(())
    }

    /// All bytes were read: whether it still is what it was when reading began.
    pub(super) fn finish(self) -> Result<(), SourceError> {
        self.found.compare(&self.file)
    }
}
