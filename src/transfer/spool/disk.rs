//! What blocks.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, IoSliceMut},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use nix::sys::{
    statfs::{TMPFS_MAGIC, fstatfs},
    statvfs::statvfs,
};
use rustix::io::{ReadWriteFlags, preadv2};
use tokio::task::{self, JoinError};

use super::{Shared, SpoolError};
use crate::transfer::disk;

/// Runs on a thread for it. What panics there, panics here.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, SpoolError> + Send + 'static) -> Result<T, SpoolError> {
    joined(task::spawn_blocking(work).await)
}

pub(super) fn joined<T>(done: Result<Result<T, SpoolError>, JoinError>) -> Result<T, SpoolError> {
    match done {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down.
            Err(_) => Err(SpoolError::Closed),
        },
    }
}

pub(super) fn open(path: &Path, durable: u64, create: bool, expected: Option<u64>) -> Result<File, SpoolError> {
    let opened = OpenOptions::new().read(true).write(true).create_new(create).mode(0o600).open(path);
    let file = match opened {
        Err(error) if error.kind() == ErrorKind::NotFound && !create => {
            return Err(SpoolError::Damaged { path: path.display().to_string(), found: 0, durable });
        }
        opened => opened.map_err(|error| fault(path, &error, 0))?,
    };
    let prepared = prepare(path, &file, durable, expected);
    if create && prepared.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(path);
    }
    prepared.map(|()| file)
}

fn prepare(path: &Path, file: &File, durable: u64, expected: Option<u64>) -> Result<(), SpoolError> {
    let found = file.metadata().map_err(|error| fault(path, &error, 0))?.len();
    if found < durable {
        return Err(SpoolError::Damaged { path: path.display().to_string(), found, durable });
    }
    file.set_len(durable).and_then(|()| file.sync_all()).and_then(|()| sync_folder_of(path)).map_err(|error| fault(path, &error, 0))?;
    let needed = expected.unwrap_or(0).saturating_sub(durable);
    let available = available(path);
    if available.is_some_and(|available| available < needed) {
        return Err(SpoolError::NoSpace { path: path.display().to_string(), needed, available: available.unwrap_or(0) });
    }
    Ok(())
}

/// Writes at the end. What was written of pieces that do not all fit is cut off again.
pub(super) fn write(shared: &Shared, pieces: &[Bytes], at: u64) -> Result<(), SpoolError> {
    let mut end = at;
    let written = pieces.iter().try_for_each(|piece| {
        shared.file.write_all_at(piece, end)?;
        end = end.saturating_add(piece.len() as u64);
        Ok(())
    });
    written.map_err(|error| {
        // The error is the one to tell; a tail behind the mark does no harm.
        let _ = shared.file.set_len(at);
        fault(&shared.path, &error, pieces.iter().map(|piece| piece.len() as u64).sum())
    })
}

pub(super) fn read(file: &File, path: &Path, buffer: &mut [u8], at: u64) -> Result<(), SpoolError> {
    file.read_exact_at(buffer, at).map_err(|error| fault(path, &error, 0))
}

/// Reads what the system has in memory, without waiting for a disk: at least a byte. `None` where there is nothing in memory, or it cannot be told.
pub(super) fn read_cached(shared: &Shared, buffer: &mut [u8], at: u64) -> Option<usize> {
    let read = if shared.in_memory {
        shared.file.read_at(buffer, at)
    } else {
        preadv2(&shared.file, &mut [IoSliceMut::new(buffer)], at, ReadWriteFlags::NOWAIT).map_err(io::Error::from)
    };
    read.ok().filter(|count| *count > 0)
}

/// Whether a file is in memory altogether (tmpfs): there the system does not take the question whether reading would wait.
pub(super) fn is_in_memory(file: &File) -> bool {
    fstatfs(file).is_ok_and(|found| found.filesystem_type() == TMPFS_MAGIC)
}

/// Syncs what is written, and only data: the length is among it.
pub(super) fn sync(file: &File, path: &Path) -> Result<(), SpoolError> {
    file.sync_data().map_err(|error| fault(path, &error, 0))
}

pub(super) fn delete(path: &PathBuf) -> Result<(), SpoolError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(fault(path, &error, 0)),
        _ => sync_folder_of(path).map_err(|error| fault(path, &error, 0)),
    }
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    disk::sync_folder(folder_of(path))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Bytes that this user may still write where the file is.
fn available(path: &Path) -> Option<u64> {
    disk::room(statvfs(folder_of(path)))
}

fn fault(path: &Path, error: &io::Error, needed: u64) -> SpoolError {
    let shown = path.display().to_string();
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            SpoolError::NoSpace { path: shown, needed, available: available(path).unwrap_or(0) }
        }
        _ => SpoolError::Io { path: shown, why: error.to_string() },
    }
}
