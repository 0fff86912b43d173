//! Files that are made for a scenario, where those that were shared lie, and digests to compare both ends by.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use tokio::task::spawn_blocking;

use crate::{
    cli::{ExitCode, Failure, OrFail as _},
    transfer::{Algorithm, Digest, Hasher, Source},
};

/// Read at once, in bytes.
const READ: usize = 256 * 1024;

/// A file that a step has shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its name in the share.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// The terminal that shared it.
    pub by: String,
}

/// The files of a batch that was made from these paths.
pub fn of(source: &Source, paths: &[PathBuf], by: &str) -> Vec<Origin> {
    let base = |name: &str| {
        let first = name.split('/').next();
        paths.iter().find(|path| path.file_name().and_then(|name| name.to_str()) == first).and_then(|path| path.parent())
    };
    let files = source.manifest().files().map(|(_, entry)| entry.path.as_str());
    files.filter_map(|name| Some(Origin { name: name.to_owned(), path: base(name)?.join(name), by: by.to_owned() })).collect()
}

/// Makes a file of bytes that do not repeat; of the same name always the same.
///
/// # Errors
/// The disk.
pub async fn make(path: &Path, name: &str, size: u64) -> Result<(), Failure> {
    let (to, name) = (path.to_owned(), name.to_owned());
    let making = spawn_blocking(move || -> io::Result<()> {
        to.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        let mut bytes = blake3::Hasher::new().update(name.as_bytes()).finalize_xof().take(size);
        io::copy(&mut bytes, &mut File::create(&to)?).map(drop)
    });
    let made = making.await.or_fail(ExitCode::Failed, "make a file")?;
    made.or_fail(ExitCode::Failed, format_args!("make {}", path.display()))
}

/// The length of a file, and its SHA-256.
///
/// # Errors
/// It is not there any more, or cannot be read.
pub async fn digest(path: &Path) -> Result<(u64, Digest), Failure> {
    let from = path.to_owned();
    let digesting = spawn_blocking(move || -> io::Result<(u64, Digest)> {
        let (mut file, mut hasher, mut length) = (File::open(from)?, Hasher::new(Algorithm::Sha256), 0);
        let mut buffer = vec![0; READ];
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                return Ok((length, hasher.finish()));
            }
            hasher.update(buffer.get(..count).unwrap_or_default());
            length += count as u64;
        }
    });
    let digested = digesting.await.or_fail(ExitCode::Failed, "digest a file")?;
    digested.or_fail(ExitCode::Failed, format_args!("read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::SourceOptions;

    #[tokio::test]
    async fn files_are_made_as_large_as_wanted_and_the_same_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (at, name) in [("one", "a.bin"), ("two", "a.bin"), ("three", "b.bin")] {
            make(&path(at), name, 1_000_001).await.unwrap();
        }
        let (one, two, three) =
            (digest(&path("one")).await.unwrap(), digest(&path("two")).await.unwrap(), digest(&path("three")).await.unwrap());
        assert_eq!((one.0, one), (1_000_001, two));
        assert_ne!(one.1, three.1, "another name, other bytes");
        std::fs::write(path("empty"), b"").unwrap();
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest(&path("empty")).await.map(|(length, digest)| (length, digest.to_string())), Ok((0, nothing.to_owned())));
        assert_eq!(digest(&path("missing")).await.unwrap_err().code, ExitCode::Failed);
    }

    #[tokio::test]
    async fn what_is_shared_is_found_where_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let sent = folder.path().join("sent");
        std::fs::create_dir_all(sent.join("deep")).unwrap();
        std::fs::write(sent.join("deep/x"), b"x").unwrap();
        std::fs::write(folder.path().join("y"), b"y").unwrap();
        let paths = vec![sent, folder.path().join("y")];
        let source = Source::from_paths(paths.clone(), SourceOptions::default()).await.unwrap();
        let mut origins = of(&source, &paths, "alice");
        origins.sort_by(|one, other| one.name.cmp(&other.name));
        let found: Vec<_> = origins.iter().map(|o| (o.name.as_str(), std::fs::read(&o.path).unwrap())).collect();
        assert_eq!(found, [("sent/deep/x", b"x".to_vec()), ("y", b"y".to_vec())]);
    }
}
