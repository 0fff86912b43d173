//! A file as it was found, and opened again to be read: the same one, unchanged.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{ErrorKind, Read as _, Seek as _, SeekFrom},
    ops::Range,
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::PathBuf,
    time::SystemTime,
};

use nix::{
    errno::Errno,
    unistd::{Whence, lseek},
};

use super::{SourceError, io_error};
use crate::transfer::sparse::LEAST;

/// What was there when the manifest was made.
#[derive(Debug, Clone)]
pub(super) struct Found {
    path: PathBuf,
    size: u64,
    changed: Option<SystemTime>,
    /// Device and inode: another file of the same name is another file.
    identity: (u64, u64),
    /// Bytes that are not in holes, where it has such.
    data: Option<u64>,
}

/// A file that is being read.
#[derive(Debug)]
pub(super) struct Reading {
    found: Found,
    file: File,
    /// Where it has holes, how far it was read, and what is not in a hole there or behind.
    around: Option<Around>,
}

/// A place in a file with holes.
#[derive(Debug)]
struct Around {
    at: u64,
    data: Range<u64>,
}

impl Found {
    pub(super) fn new(path: PathBuf, meta: &Metadata, file: &File) -> Self {
        let data = data(meta.len(), meta.blocks().saturating_mul(512), || first_hole(file));
        Self { path, size: meta.len(), changed: meta.modified().ok(), identity: (meta.dev(), meta.ino()), data }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of it that are not in holes, where it has such.
    pub(super) fn data(&self) -> Option<u64> {
        self.data
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
        let around = self.data.map(|_| Around { at: offset, data: offset..offset });
        Ok(Reading { found: self.clone(), file, around })
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
    /// Fills a buffer with the next bytes, all of which the file must have, and says how many of them are in holes, which are not read.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        if let Some(around) = &mut self.around {
            return around.fill(&self.found, &self.file, buffer);
        }
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
        Ok(0)
    }

    /// All bytes were read: whether it still is what it was when reading began.
    pub(super) fn finish(self) -> Result<(), SourceError> {
        self.found.compare(&self.file)
    }
}

/// Bytes that are not in holes, of a file of this length that the disk has given so many, where that is worth a word. One that its file system
/// compresses has been given fewer too: it has no hole before its end.
fn data(len: u64, given: u64, first_hole: impl FnOnce() -> Option<u64>) -> Option<u64> {
    (len.saturating_sub(given) >= LEAST && first_hole().is_some_and(|hole| hole < len)).then_some(given)
}

/// Where the first hole begins; at the end where there is no other. None where the system cannot tell.
fn first_hole(file: &File) -> Option<u64> {
    u64::try_from(lseek(file, 0, Whence::SeekHole).ok()?).ok()
}

impl Around {
    fn fill(&mut self, found: &Found, file: &File, mut room: &mut [u8]) -> Result<usize, SourceError> {
        let mut holes = 0;
        while !room.is_empty() {
            if self.at >= self.data.end {
                self.data = next_data(file, self.at, found.size).map_err(|error| io_error(&found.path)(error.into()))?;
            }
            let in_hole = self.at < self.data.start;
            let until = if in_hole { self.data.start } else { self.data.end };
            let len = usize::try_from(until - self.at).unwrap_or(usize::MAX).min(room.len());
            let now = room.split_at_mut(len).0;
            let read = if in_hole {
                now.fill(0);
                holes += len;
                len
            } else {
                match file.read_at(now, self.at) {
                    Ok(0) => {
                        found.compare(file)?;
                        return Err(found.was_changed());
                    }
                    Ok(read) => read,
                    Err(error) if error.kind() == ErrorKind::Interrupted => 0,
                    Err(error) => return Err(io_error(&found.path)(error)),
                }
            };
            self.at += read as u64;
            room = room.split_at_mut(read).1;
        }
        Ok(holes)
    }
}

/// What is in no hole, at an offset or behind it: an empty range at the end, where there is nothing but a hole. A file that is shorter by now is found out
/// when it has been read. Where the system cannot tell, all is data.
fn next_data(file: &File, at: u64, size: u64) -> nix::Result<Range<u64>> {
    let seek = |from: u64, whence| -> nix::Result<u64> {
        let from = i64::try_from(from).map_err(|_| Errno::EINVAL)?;
        Ok(u64::try_from(lseek(file, from, whence)?).unwrap_or(0))
    };
    let start = match seek(at, Whence::SeekData) {
        Ok(start) => start.max(at),
        Err(Errno::ENXIO) => return Ok(size..u64::MAX),
        Err(Errno::EINVAL | Errno::EOPNOTSUPP) => return Ok(at..u64::MAX),
        Err(error) => return Err(error),
    };
    match seek(start, Whence::SeekHole) {
        Ok(end) if end > start => Ok(start..end),
        // It was filled or cut meanwhile: whatever is there is read.
        Ok(_) | Err(Errno::ENXIO) => Ok(start..u64::MAX),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::shown::not_shown;

    #[test]
    fn a_file_is_sparse_where_the_disk_has_given_it_less_and_it_has_a_hole() {
        const MIB: u64 = 1 << 20;
        for (given, first_hole, sparse) in [
            (MIB / 2, Some(4096), Some(MIB / 2)),
            (0, Some(0), Some(0)),
            // Compressed by its file system: the only hole is the one behind its end.
            (MIB / 2, Some(MIB), None),
            // The system knows nothing of holes.
            (MIB / 2, None, None),
            // Too little to speak of, and more than it is long.
            (MIB - LEAST + 1, Some(4096), None),
            (2 * MIB, Some(4096), None),
        ] {
            assert_eq!(data(MIB, given, || first_hole), sparse, "{given} {first_hole:?}");
        }
    }

    #[test]
    fn the_first_hole_of_a_file_is_where_it_was_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("disk.img");
        std::fs::write(&path, vec![7; 256 * 1024]).expect("written");
        let file = OpenOptions::new().read(true).write(true).open(&path).expect("there");
        assert_eq!(first_hole(&file), Some(256 * 1024), "behind its end");
        file.set_len(1 << 20).expect("stretched");
        if file.metadata().expect("there").blocks() * 512 > 1 << 19 {
            return not_shown("this file system has no holes");
        }
        assert_eq!(first_hole(&file), Some(256 * 1024));
        let meta = file.metadata().expect("there");
        assert_eq!(Found::new(path, &meta, &file).data(), Some(meta.blocks() * 512));
    }
}
