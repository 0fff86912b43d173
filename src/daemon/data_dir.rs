//! The data directory: nobody but its owner may enter it, and one daemon at a time uses it.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use tempfile::{NamedTempFile, TempDir};
use zeroize::Zeroizing;

use super::DaemonError;

/// Longest file of our own that is read back, in bytes.
const MAX_OWN_FILE: u64 = 1 << 20;

/// Who takes a data directory; it stands in the lock file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// A daemon, which takes SIGHUP.
    Daemon,
    /// `relayd user`, which nobody may signal.
    User,
}

/// The data directory.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Held while we are the one that uses it.
    lock: Option<File>,
    /// Deletes the directory when it is dropped.
    _temporary: Option<TempDir>,
}

impl Holder {
    fn word(self) -> &'static str {
        match self {
            Self::Daemon => "daemon",
            Self::User => "user",
        }
    }

    /// What a lock file says: who, and its process.
    fn parse(text: &str) -> Option<(Self, i32)> {
        let (word, pid) = text.trim().split_once(' ')?;
        let holder = [Self::Daemon, Self::User].into_iter().find(|holder| holder.word() == word)?;
        Some((holder, pid.parse().ok().filter(|pid| *pid > 0)?))
    }
}

impl DataDir {
    /// A directory that goes with the process.
    ///
    /// # Errors
    /// There is no place for temporary files.
    pub fn temporary() -> Result<Self, DaemonError> {
        let parent = std::env::temp_dir();
        let mut builder = tempfile::Builder::new();
        builder.prefix("confkit-").permissions(fs::Permissions::from_mode(0o700));
        let temporary = builder.tempdir_in(&parent).map_err(DaemonError::file("make a directory in", &parent))?;
        Ok(Self { path: temporary.path().to_owned(), lock: None, _temporary: Some(temporary) })
    }

    /// A directory that stays: made with mode 0700 if it is not there, refused if others may enter it.
    ///
    /// # Errors
    /// It cannot be made, or others may enter it.
    pub fn open(path: &Path) -> Result<Self, DaemonError> {
        if !path.exists() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(DaemonError::file("make the data directory", path))?;
        }
        let mode = fs::metadata(path).map_err(DaemonError::file("read", path))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            // An empty one was made for us by a hand that did not think of it; one with something in it may be anybody's.
            let empty = fs::read_dir(path).map_err(DaemonError::file("read", path))?.next().is_none();
            if !empty || fs::set_permissions(path, fs::Permissions::from_mode(0o700)).is_err() {
                return Err(DaemonError::ExposedDir { path: path.to_owned(), mode });
            }
        }
        let path = path.canonicalize().map_err(DaemonError::file("read", path))?;
        Ok(Self { path, lock: None, _temporary: None })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes it for this process alone, until the process ends, whatever way it ends.
    ///
    /// # Errors
    /// Another process has it: [`DaemonError::InUse`].
    pub fn lock(&mut self, holder: Holder) -> Result<(), DaemonError> {
        let path = self.path.join("lock");
        let options = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = options.map_err(DaemonError::file("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let mut text = String::new();
                let holder = file.read_to_string(&mut text).ok().and_then(|_| Holder::parse(&text));
                return Err(DaemonError::InUse { path: self.path.clone(), holder });
            }
            Err(fs::TryLockError::Error(source)) => return Err(DaemonError::File { what: "lock", path, source }),
        }
        let written =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{} {}", holder.word(), std::process::id()));
        written.map_err(DaemonError::file("write", &path))?;
        self.lock = Some(file);
        Ok(())
    }

    /// Where the store is.
    pub fn store(&self) -> PathBuf {
        self.path.join("store.db")
    }

    /// Where shared files are kept until their share ends.
    pub fn shared_files(&self) -> PathBuf {
        self.path.join("fileshare")
    }

    /// Where the key that seals secrets is.
    pub fn seal_key(&self) -> PathBuf {
        self.path.join("seal.key")
    }

    /// Where our authority's certificate is: what clients trust.
    pub fn ca(&self) -> PathBuf {
        self.path.join("ca.pem")
    }

    /// Where our authority's key is.
    pub fn ca_key(&self) -> PathBuf {
        self.path.join("ca.key")
    }

    /// Where the passwords are that were made up at start.
    pub fn credentials(&self) -> PathBuf {
        self.path.join("credentials.yaml")
    }
}

/// Writes a file as a whole with mode 0600: beside its place, flushed to the disk, renamed, the directory flushed.
///
/// # Errors
/// The directory cannot be written to.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), DaemonError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let write = || -> io::Result<()> {
        let mut file = NamedTempFile::new_in(directory)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(DaemonError::file("write", path))
}

/// Reads a file that only its owner may read; `None` if it is not there.
///
/// # Errors
/// It cannot be read, is larger than any of ours, or others may read it.
pub fn read_private(path: &Path) -> Result<Option<Zeroizing<String>>, DaemonError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DaemonError::file("read", path)(error)),
    };
    let mode = file.metadata().map_err(DaemonError::file("read", path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(DaemonError::ExposedFile { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_OWN_FILE).read_to_string(&mut text).map_err(DaemonError::file("read", path))?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn a_new_directory_is_its_owners_alone() {
        let parent = tempfile::tempdir().expect("directory");
        let path = parent.path().join("a/b");
        let directory = DataDir::open(&path).expect("made");
        assert_eq!(mode(directory.path()), 0o700);
        assert_eq!(mode(DataDir::temporary().expect("made").path()), 0o700);
    }

    #[test]
    fn a_directory_that_others_may_enter_is_refused_unless_it_is_empty() {
        let parent = tempfile::tempdir().expect("directory");
        let path = parent.path().join("data");
        fs::create_dir(&path).expect("made");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode");
        DataDir::open(&path).expect("taken over");
        assert_eq!(mode(&path), 0o700);
        fs::write(path.join("somebody's"), "x").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).expect("mode");
        let error = DataDir::open(&path).expect_err("refused").to_string();
        assert!(error.contains("mode 750") && error.contains("chmod 700"), "{error}");
        assert_eq!(mode(&path), 0o750, "what is in it is not ours to close");
    }

    #[test]
    fn a_temporary_directory_goes_with_its_owner() {
        let directory = DataDir::temporary().expect("made");
        let path = directory.path().to_owned();
        drop(directory);
        assert!(!path.exists());
    }

    #[test]
    fn only_one_has_the_lock_and_the_other_learns_who() {
        let parent = tempfile::tempdir().expect("directory");
        let (mut one, mut two) = (DataDir::open(parent.path()).expect("opened"), DataDir::open(parent.path()).expect("opened"));
        let us = i32::try_from(std::process::id()).expect("a pid");
        for holder in [Holder::Daemon, Holder::User] {
            one.lock(holder).expect("free");
            match two.lock(Holder::User) {
                Err(DaemonError::InUse { holder: told, .. }) => assert_eq!(told, Some((holder, us))),
                other => panic!("{other:?}"),
            }
            one.lock = None;
        }
        two.lock(Holder::Daemon).expect("free again");
    }

    #[test]
    fn private_files_are_written_whole_and_read_by_their_owner_only() {
        let parent = tempfile::tempdir().expect("directory");
        let path = parent.path().join("secret");
        assert!(read_private(&path).expect("nothing").is_none());
        write_private(&path, b"one").expect("written");
        write_private(&path, b"two").expect("written");
        assert_eq!((mode(&path), read_private(&path).expect("read").expect("there").as_str()), (0o600, "two"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).expect("mode");
        assert!(matches!(read_private(&path), Err(DaemonError::ExposedFile { mode: 0o604, .. })));
        assert_eq!(fs::read_dir(parent.path()).expect("read").count(), 1, "nothing is left behind");
    }
}
