//! What source, spool, sink and records ask of a disk alike: room, folders that outlast a crash, many files synced at once.

use std::{
    fs::{DirBuilder, File},
    io::{self, ErrorKind},
    os::{fd::AsFd, unix::fs::DirBuilderExt as _},
    panic,
    path::{Path, absolute},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use nix::sys::statvfs::Statvfs;

/// Most threads that sync files at once.
const AT_ONCE: usize = 16;

/// Bytes that this user may still write, of what `statvfs` or `fstatvfs` says; none where it failed.
pub(crate) fn room(stat: nix::Result<Statvfs>) -> Option<u64> {
    let stat = stat.ok()?;
    #[expect(clippy::useless_conversion, reason = "the widths of these differ between platforms")]
    let (blocks, size) = (u64::from(stat.blocks_available()), u64::from(stat.fragment_size()));
    Some(blocks.saturating_mul(size))
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a folder where there is none, and those above it, and makes their names durable. The name of one that was there is made durable
/// too: whoever made it may have been killed before.
pub(super) fn make_folder(path: &Path, mode: u32) -> io::Result<()> {
    let path = absolute(path)?;
    let missing = path.ancestors().take_while(|above| matches!(above.try_exists(), Ok(false))).count();
    DirBuilder::new().recursive(true).mode(mode).create(&path)?;
    for parent in path.ancestors().take(missing.max(1)).filter_map(Path::parent) {
        match sync_folder(parent) {
            // A folder that may not be read, or a file system whose folders cannot be synced: as durable as this user can make it.
            Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::InvalidInput) => {}
            synced => synced?,
        }
    }
    Ok(())
}

/// Whether [`sync_all_of`] may be relied on for a folder: on file systems of this machine whose kernel tells what it failed to write (Linux 5.8).
/// Elsewhere, over a network or in user space, each file is to be synced by itself.
pub(super) fn syncs_whole(folder: impl AsFd) -> bool {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::statfs::{BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, F2FS_SUPER_MAGIC, FsType, TMPFS_MAGIC, XFS_SUPER_MAGIC, fstatfs};
        const KNOWN: [FsType; 5] = [EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC, TMPFS_MAGIC];
        let is_known = fstatfs(folder).is_ok_and(|stat| KNOWN.contains(&stat.filesystem_type()));
        is_known && std::fs::read_to_string("/proc/sys/kernel/osrelease").is_ok_and(|release| tells_failures(&release))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = folder;
        false
    }
}

/// Makes everything durable that was written to the file system of a folder, by whomever. What it failed to write since the folder was opened is
/// an error, whosever it is.
///
/// # Errors
/// The disk.
pub(super) fn sync_all_of(folder: impl AsFd) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        Ok(nix::unistd::syncfs(folder)?)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = folder;
        Err(ErrorKind::Unsupported.into())
    }
}

/// Whether a kernel of this release gives the error of `syncfs`.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "other systems have no syncfs"))]
fn tells_failures(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (5, 8)
}

/// Makes files or folders durable, data and all else, on a few threads: a file system puts what is synced at the same time into one
/// transaction, so that a group costs little more than one. When it gives no error, each was synced.
///
/// # Errors
/// Which one failed, and how.
pub(super) fn sync_together(files: &[File]) -> Result<(), (usize, io::Error)> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), (usize, io::Error)> {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(at) else { return Ok(()) };
            file.sync_all().map_err(|error| (at, error))?;
        }
    };
    thread::scope(|scope| {
        // Where no thread is to be had, the others do its part.
        let others: Vec<_> = (1..files.len().min(AT_ONCE)).map_while(|_| thread::Builder::new().spawn_scoped(scope, work).ok()).collect();
        others.into_iter().fold(work(), |done, other| done.and(other.join().unwrap_or_else(|panic| panic::resume_unwind(panic))))
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_folder_is_made_with_those_above_it_and_one_that_is_there_stays() {
        let folder = TempDir::new().expect("folder");
        let path = folder.path().join("a/b/c");
        make_folder(&path, 0o700).expect("made");
        fs::write(path.join("file"), b"x").expect("file");
        make_folder(&path, 0o755).expect("there");
        assert_eq!(fs::read(path.join("file")).expect("stays"), b"x");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o077, 0);
        let error = make_folder(&path.join("file/d"), 0o700).expect_err("below a file");
        assert_eq!(error.kind(), ErrorKind::NotADirectory);
    }

    #[test]
    fn only_kernels_that_tell_what_they_failed_to_write_sync_the_whole() {
        let tells = ["6.18.44-fc", "5.8.0", "5.10.0-28-amd64", "5.7.19", "4.19.0", "4.9", "", "?"].map(tells_failures);
        assert_eq!(tells, [true, true, true, false, false, false, false, false]);
        let folder = TempDir::new().expect("folder");
        let folder = File::open(folder.path()).expect("opened");
        if syncs_whole(&folder) {
            sync_all_of(&folder).expect("synced");
        }
        let (pipe, _other) = io::pipe().expect("pipe");
        assert!(!syncs_whole(&pipe), "no disk");
    }

    #[test]
    fn a_file_that_cannot_be_synced_is_told_among_many_that_can() {
        let folder = TempDir::new().expect("folder");
        let mut files: Vec<File> = (0..100).map(|at| File::create(folder.path().join(format!("{at}"))).expect("file")).collect();
        sync_together(&files).expect("all");
        // A pipe has no disk.
        let (pipe, _other) = io::pipe().expect("pipe");
        files[70] = File::from(std::os::fd::OwnedFd::from(pipe));
        let (at, error) = sync_together(&files).expect_err("the pipe");
        assert_eq!((at, error.kind()), (70, ErrorKind::InvalidInput));
        sync_together(&[]).expect("nothing");
    }
}
