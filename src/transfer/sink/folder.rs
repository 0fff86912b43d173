//! The target folder: everything that touches the disk below it goes through here, and so through `cap-std`, which opens every step of a path
//! beneath the folder. A link that leads out is an error, never a way.

use std::{
    collections::BTreeSet,
    fs::{File, FileTimes},
    io::{self, ErrorKind, Read as _, Seek as _, SeekFrom},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::{
    ambient_authority,
    fs::{Dir, DirBuilder, MetadataExt as _, OpenOptions, OpenOptionsExt as _},
};
use nix::{
    sys::statvfs::fstatvfs,
    unistd::{AccessFlags, access},
};

use rustix::fs::XattrFlags;

use super::SinkError;
use crate::transfer::{
    disk,
    hash::Hasher,
    manifest::{Entry, Mtime},
    name::{MAX_COMPONENT, PART_MORE, PART_SUFFIX, SafePath},
    xattrs::Xattrs,
};

/// Most bytes of the target's name in that of a partial file.
const PART_NAME: usize = MAX_COMPONENT - PART_MORE;
/// Most files and folders that are synced together, each by itself: each is an open descriptor. Of more, the whole file system is synced once,
/// where that can be relied on ([`disk::syncs_whole`]).
pub(super) const TOGETHER: usize = 64;
/// What is needed to go on with a partial file.
const OURS: u32 = 0o600;
/// Bytes read at once to digest what is there already.
const REREAD: usize = 256 * 1024;

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    Nothing,
    Folder,
    File,
    Link,
    Other,
}

impl There {
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Folder => "a folder",
            Self::File => "a file",
            Self::Link => "a link",
            Self::Other => "neither a file nor a folder",
        }
    }
}

/// The target folder.
#[derive(Debug)]
pub(super) struct Folder {
    dir: Dir,
    path: PathBuf,
    /// In the names of partial files, so that two transfers into one folder do not meet.
    tag: String,
    /// Folders whose entries are not yet durable, by path; the target itself is empty.
    unsynced: BTreeSet<String>,
    /// The target as it was opened at the start, where its file system can be synced as a whole: what that failed to write since, it tells.
    whole: Option<File>,
    /// Some of what is written lies on another file system than the target.
    mounted: bool,
}

impl Folder {
    /// Opens the target, and makes it where there is none, durably.
    pub(super) fn open(path: &Path, tag: String) -> Result<Self, SinkError> {
        disk::make_folder(path, 0o777).map_err(|error| unusable(path, error))?;
        let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(|error| unusable(path, error))?;
        Self::of(dir, path, tag)
    }

    /// Opens the target where there is one.
    pub(super) fn existing(path: &Path, tag: String) -> Result<Option<Self>, SinkError> {
        match Dir::open_ambient_dir(path, ambient_authority()) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            opened => Self::of(opened.map_err(|error| unusable(path, error))?, path, tag).map(Some),
        }
    }

    fn of(dir: Dir, path: &Path, tag: String) -> Result<Self, SinkError> {
        // Absolute, as the record is for another process.
        let path = std::path::absolute(path).map_err(|error| unusable(path, error))?;
        // A folder that may not be read can be written to all the same.
        let whole = dir.open(".").ok().map(cap_std::fs::File::into_std).filter(|root| disk::syncs_whole(root));
        Ok(Self { dir, path, tag, unsynced: BTreeSet::new(), whole, mounted: false })
    }

    /// Whether files can be made in it.
    pub(super) fn may_write(&self) -> Result<(), SinkError> {
        let allowed = access(&self.path, AccessFlags::W_OK | AccessFlags::X_OK);
        allowed.map_err(|error| unusable(&self.path, error.into()))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the partial file of an entry, beside its target.
    pub(super) fn part(&self, at: usize, entry: &SafePath) -> String {
        let mut name = entry.file_name();
        while name.len() > PART_NAME {
            name = name.split_at(name.char_indices().next_back().map_or(0, |(at, _)| at)).0;
        }
        let part = format!(".{name}.{}-{at}{PART_SUFFIX}", self.tag);
        entry.parent().map_or(part.clone(), |parent| format!("{parent}/{part}"))
    }

    /// What stands at a path, not following a link at its end.
    pub(super) fn there(&self, path: &str) -> Result<There, SinkError> {
        match self.dir.symlink_metadata(path) {
            Ok(meta) if meta.is_dir() => Ok(There::Folder),
            Ok(meta) if meta.is_file() => Ok(There::File),
            Ok(meta) if meta.is_symlink() => Ok(There::Link),
            Ok(_) => Ok(There::Other),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(There::Nothing),
            // A step of the path is no folder.
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                Err(SinkError::InTheWay { path: path.to_owned(), what: "below what is no folder" })
            }
            Err(error) => Err(self.fault(path, error)),
        }
    }

    /// Whether a folder stands at a path, by way of a link that stays inside or not.
    pub(super) fn is_folder(&self, path: &str) -> bool {
        self.dir.metadata(path).is_ok_and(|meta| meta.is_dir())
    }

    fn device(&self, path: &str) -> Option<u64> {
        self.dir.metadata(path).ok().map(|meta| meta.dev())
    }

    /// Makes a folder and those above it; gives the ones that were not there.
    pub(super) fn make(&mut self, path: &str) -> Result<Vec<SafePath>, SinkError> {
        let mut made = Vec::new();
        let steps = path.match_indices('/').map(|(at, _)| path.split_at(at).0).chain([path]);
        for step in steps {
            match self.dir.create_dir_with(step, &DirBuilder::new()) {
                Ok(()) => {
                    made.extend(SafePath::new(step));
                    self.touched(step);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    if !self.is_folder(step) {
                        let what = self.there(step)?.what();
                        return Err(SinkError::InTheWay { path: step.to_owned(), what });
                    }
                    // Something else may be mounted there.
                    self.mounted |= self.device(step) != self.device(".");
                }
                Err(error) => return Err(self.fault(step, error)),
            }
        }
        Ok(made)
    }

    /// A new partial file, with the permissions that it shall have, as far as the user's mask allows them, and with those to go on with it:
    /// [`Folder::restrict`] takes these away at the end.
    pub(super) fn create(&mut self, path: &str, entry: &Entry, replace: bool) -> Result<File, SinkError> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(entry.mode.map_or(0o666, |mode| mode | OURS)).follow(FollowSymlinks::No);
        let file = match self.dir.open_with(path, &options) {
            Err(error) if replace && error.kind() == ErrorKind::AlreadyExists => {
                self.remove(path)?;
                self.dir.open_with(path, &options)
            }
            opened => opened,
        };
        // It is named as whoever wants it knows it.
        let file = file.map_err(|error| self.fault(entry.path.as_str(), error))?;
        self.touched(path);
        Ok(file.into_std())
    }

    /// A partial file of an earlier process, cut to a length, its bytes digested. None when it is not there or too short.
    pub(super) fn reopen(&self, path: &str, len: u64, hasher: &mut Hasher) -> Result<Option<File>, SinkError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).follow(FollowSymlinks::No);
        let mut file = match self.dir.open_with(path, &options) {
            // Without the permission, it is one that has its own already: it begins anew.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => return Ok(None),
            opened => opened.map_err(|error| self.fault(path, error))?.into_std(),
        };
        let fault = |error| self.fault(path, error);
        let meta = file.metadata().map_err(fault)?;
        if !meta.is_file() || meta.len() < len {
            return Ok(None);
        }
        file.set_len(len).map_err(fault)?;
        let (mut left, mut buffer) = (len, vec![0; REREAD]);
        while left > 0 {
            let now = buffer.split_at_mut(usize::try_from(left).unwrap_or(REREAD).min(REREAD)).0;
            file.read_exact(now).map_err(fault)?;
            hasher.update(now);
            left -= now.len() as u64;
        }
        file.seek(SeekFrom::Start(len)).map_err(fault)?;
        Ok(Some(file))
    }

    /// The length of a regular file; none when there is none.
    pub(super) fn len(&self, path: &str) -> Option<u64> {
        self.dir.symlink_metadata(path).ok().filter(cap_std::fs::Metadata::is_file).map(|meta| meta.len())
    }

    /// Whether two names are one file.
    pub(super) fn is_same(&self, one: &str, other: &str) -> bool {
        let identity = |path: &str| self.dir.symlink_metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
        identity(one).is_some_and(|found| identity(other) == Some(found))
    }

    /// Gives a file its name, over whatever file or link is there.
    pub(super) fn replace(&mut self, part: &str, path: &str) -> io::Result<()> {
        self.touched(path);
        self.dir.rename(part, &self.dir, path)
    }

    /// Gives a file its name, if nothing is there.
    pub(super) fn place(&mut self, part: &str, path: &str) -> io::Result<()> {
        self.touched(path);
        match self.dir.hard_link(part, &self.dir, path) {
            Ok(()) => self.dir.remove_file(part),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
            // No hard links here. Between looking and renaming somebody may make a file, which is lost then.
            Err(error) => match self.dir.symlink_metadata(path) {
                Ok(_) => Err(ErrorKind::AlreadyExists.into()),
                Err(missing) if missing.kind() == ErrorKind::NotFound => self.dir.rename(part, &self.dir, path),
                Err(_) => Err(error),
            },
        }
    }

    /// Makes a link whose target the manifest has checked. The folders above it must be folders and not links, as the check counts on it.
    pub(super) fn link(&mut self, entry: &SafePath, path: &str, target: &str) -> Result<(), SinkError> {
        for above in entry.ancestors() {
            if self.there(above)? != There::Folder {
                return Err(SinkError::InTheWay { path: above.to_owned(), what: "a link, below which no link can be made" });
            }
        }
        self.touched(path);
        self.dir.symlink_contents(target, path).map_err(|error| self.fault(path, error))
    }

    /// Whether a link has this target.
    pub(super) fn points_to(&self, path: &str, target: &str) -> bool {
        self.dir.read_link_contents(path).is_ok_and(|found| found == Path::new(target))
    }

    /// Takes away the permissions of a partial file that the finished one shall not have; gives it when that changed anything.
    pub(super) fn restrict(&self, path: &str, mode: Option<u32>) -> io::Result<Option<File>> {
        if mode.is_none_or(|mode| mode | OURS == mode) {
            return Ok(None);
        }
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        match self.dir.open_with(path, &options) {
            // It was placed already, or it has its permissions already: the process before this one came as far as that.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => Ok(None),
            opened => {
                let file = opened?.into_std();
                Ok(restrict(&file, mode)?.then_some(file))
            }
        }
    }

    /// Makes files durable that another process wrote, and their names. Each by itself: what the system failed to write of them before, it tells
    /// whoever syncs them, not whoever syncs the whole.
    pub(super) fn sync_files(&mut self, paths: &[String]) -> Result<(), SinkError> {
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        for group in paths.chunks(TOGETHER) {
            let (mut names, mut files) = (Vec::new(), Vec::new());
            for path in group {
                self.touched(path);
                match self.dir.open_with(path, &options) {
                    // A file that its owner may not read. It was synced when it was written, if the machine has been started since.
                    Err(error) if error.kind() == ErrorKind::PermissionDenied => continue,
                    opened => files.push(opened.map_err(|error| self.fault(path, error))?.into_std()),
                }
                names.push(path.as_str());
            }
            disk::sync_together(&files).map_err(|(at, error)| self.fault(names.get(at).copied().unwrap_or_default(), error))?;
        }
        Ok(())
    }

    /// Removes a file or a link; that there is none is no error.
    pub(super) fn remove(&self, path: &str) -> Result<(), SinkError> {
        match self.dir.remove_file(path) {
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Err(self.fault(path, error)),
            _ => Ok(()),
        }
    }

    /// Removes a partial file that nobody goes on with; that there is none is no error.
    pub(super) fn discard(&mut self, part: &str) -> Result<(), SinkError> {
        match self.dir.remove_file(part) {
            Ok(()) => self.touched(part),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => return Err(self.fault(part, error)),
        }
        Ok(())
    }

    /// Removes a folder if it is empty.
    pub(super) fn remove_folder(&self, path: &str) {
        // It has something in it by now, or is gone: both are as they should be.
        let _ = self.dir.remove_dir(path);
    }

    /// Permissions and time of a folder that was made for the batch.
    ///
    /// Says which extended attributes could not be set, where they are to be.
    pub(super) fn finish_folder(&self, entry: &Entry, xattrs: bool) -> io::Result<Vec<String>> {
        let folder = self.dir.open_dir(entry.path.as_str())?.open(".")?.into_std();
        let unset = if xattrs { set_xattrs(&folder, &entry.xattrs) } else { Vec::new() };
        set_mtime(&folder, entry.mtime)?;
        restrict(&folder, entry.mode).map(|_| unset)
    }

    /// Whether [`Folder::sync_whole`] may be relied on.
    pub(super) fn syncs_whole(&self) -> bool {
        self.whole.is_some() && !self.mounted
    }

    /// Makes everything durable that was written to its file system: files, names, and with them what others wrote.
    pub(super) fn sync_whole(&mut self) -> Result<(), SinkError> {
        let Some(root) = &self.whole else { return Err(self.fault("", ErrorKind::Unsupported.into())) };
        disk::sync_all_of(root).map_err(|error| self.fault("", error))?;
        if self.mounted {
            return self.sync();
        }
        self.unsynced.clear();
        Ok(())
    }

    /// Makes the names in all folders touched durable.
    pub(super) fn sync(&mut self) -> Result<(), SinkError> {
        if self.syncs_whole() && self.unsynced.len() > TOGETHER {
            return self.sync_whole();
        }
        while !self.unsynced.is_empty() {
            let (mut names, mut folders) = (Vec::new(), Vec::new());
            while folders.len() < TOGETHER
                && let Some(name) = self.unsynced.pop_first()
            {
                let at = if name.is_empty() { "." } else { &name };
                match self.dir.open_dir(at).and_then(|dir| dir.open(".")) {
                    // It was removed meanwhile.
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    opened => folders.push(opened.map_err(|error| self.fault(at, error))?.into_std()),
                }
                names.push(name);
            }
            disk::sync_together(&folders).map_err(|(at, error)| self.fault(names.get(at).map_or("", String::as_str), error))?;
        }
        Ok(())
    }

    /// Bytes that this user may still write here; none where the platform does not say.
    pub(super) fn available(&self) -> Option<u64> {
        disk::room(fstatvfs(&self.dir))
    }

    /// What went wrong, as our error.
    pub(super) fn fault(&self, path: &str, source: io::Error) -> SinkError {
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                SinkError::NoSpace { path: self.path.display().to_string(), needed: 0, available: self.available().unwrap_or(0) }
            }
            _ => SinkError::Io { path: self.path.join(path).display().to_string(), source },
        }
    }

    fn touched(&mut self, path: &str) {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        if !self.unsynced.contains(parent) {
            self.unsynced.insert(parent.to_owned());
        }
    }
}

fn unusable(path: &Path, source: io::Error) -> SinkError {
    SinkError::Io { path: path.display().to_string(), source }
}

/// Time of change, where one is known.
pub(super) fn set_mtime(file: &File, mtime: Option<Mtime>) -> io::Result<()> {
    match mtime.and_then(Mtime::to_system) {
        Some(time) => file.set_times(FileTimes::new().set_modified(time)),
        None => Ok(()),
    }
}

/// Sets extended attributes, and says which could not be set, and why.
pub(super) fn set_xattrs(file: &File, xattrs: &Xattrs) -> Vec<String> {
    let set = |(name, value): (&str, &[u8])| {
        let failed = rustix::fs::fsetxattr(file, name, value, XattrFlags::empty()).err()?;
        Some(format!("the extended attribute {name} could not be set: {}", io::Error::from(failed)))
    };
    xattrs.iter().filter_map(set).collect()
}

/// Takes away the permissions that a file has and shall not have, and says whether there were such. None are added: the user's mask has its
/// reasons.
fn restrict(file: &File, mode: Option<u32>) -> io::Result<bool> {
    let Some(mode) = mode else { return Ok(false) };
    let mut permissions = file.metadata()?.permissions();
    let has = permissions.mode() & 0o7777;
    if has & mode == has {
        return Ok(false);
    }
    permissions.set_mode(has & mode);
    file.set_permissions(permissions).map(|()| true)
}
