//! Paths to entries, in an order that depends on names alone.

use std::{
    collections::BTreeSet,
    fs::{self, File, FileType, Metadata},
    io,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use walkdir::WalkDir;

use super::{Found, Skipped, SourceError, io_error, xattrs};
use crate::transfer::{
    manifest::{Entry, Kind, MAX_ENTRIES, MAX_MANIFEST, MAX_MIME, MODE_BITS, ManifestError, Mtime},
    name::{NameError, NameFault, PART_SUFFIX, SafePath, shown},
    xattrs::Xattrs,
};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Folders before what they hold.
    pub(super) entries: Vec<Entry>,
    /// For each regular file, where it was found.
    pub(super) files: Vec<Found>,
    /// What was passed over.
    pub(super) skipped: Skipped,
}

/// The entries of paths and of everything in them. What is no file, folder or link, or is a partial file of a download, is passed over where
/// it lies in a folder; only what is named itself must be one. With `xattrs`, extended attributes of users are read as well.
pub(super) fn walk(paths: &[PathBuf], follow: bool, xattrs: bool) -> Result<Walked, SourceError> {
    let (mut walked, mut tops) = (Walked::default(), BTreeSet::new());
    let Walked { entries, files, skipped } = &mut walked;
    // All of them are in memory before the manifest is made, which has its bound.
    let mut reading = xattrs.then(|| xattrs::Reader::new(MAX_MANIFEST));
    for given in paths {
        let top = top_name(given)?;
        if !tops.insert(top.clone()) {
            return Err(SourceError::Twice { path: given.display().to_string(), name: top.to_string() });
        }
        let mut all = WalkDir::new(given).follow_links(follow).sort_by_file_name().into_iter();
        while let Some(found) = all.next() {
            let found = found.map_err(|error| walk_error(given, error))?;
            let inside = found.depth() > 0;
            if inside && found.file_name().to_str().is_some_and(|name| name.ends_with(PART_SUFFIX)) {
                skipped.note(found.path(), "a partial file of a download");
                if found.file_type().is_dir() {
                    all.skip_current_dir();
                }
                continue;
            }
            if entries.len() == MAX_ENTRIES {
                return Err(ManifestError::TooMany.into());
            }
            let name = below(&top, given, found.path())?;
            // The given path itself is followed when it is a link, as walkdir does.
            let meta = if found.depth() == 0 { fs::metadata(found.path()) } else { found.metadata().map_err(Into::into) };
            let meta = meta.map_err(io_error(found.path()))?;
            let kind = match kind(found.path(), &meta) {
                Err(SourceError::Special { what, .. }) if inside => {
                    skipped.note(found.path(), what);
                    continue;
                }
                kind => kind?,
            };
            let xattrs = match (&kind, &mut reading) {
                (Kind::File { .. } | Kind::Directory, Some(reading)) => reading.read(found.path())?,
                (Kind::Symlink { .. }, _) | (_, None) => Xattrs::default(),
            };
            if let Kind::File { .. } = kind {
                // Whether it may be read shows now, not in the middle of the batch.
                let file = File::open(found.path()).map_err(io_error(found.path()))?;
                files.push(Found::new(found.path().to_owned(), &meta, &file));
            }
            let is_link = matches!(kind, Kind::Symlink { .. });
            let mime = if matches!(kind, Kind::File { .. }) { mime(name.file_name()) } else { None };
            entries.push(Entry {
                path: name,
                kind,
                mode: (!is_link).then(|| meta.permissions().mode() & MODE_BITS),
                mtime: meta.modified().ok().filter(|_| !is_link).map(Mtime::from_system),
                mime,
                xattrs,
            });
        }
    }
    Ok(walked)
}

/// The media type that an extension stands for.
pub(super) fn mime(name: &str) -> Option<String> {
    let guess = mime_guess::from_path(name).first_raw()?.to_ascii_lowercase();
    (guess.len() <= MAX_MIME).then_some(guess)
}

/// What a given path is called in the batch: its last part. `.` and `..` are called what they are.
fn top_name(given: &Path) -> Result<SafePath, SourceError> {
    let whole = if given.file_name().is_some() { given.to_owned() } else { fs::canonicalize(given).map_err(io_error(given))? };
    let Some(name) = whole.file_name() else { return Err(SourceError::Nameless { path: given.display().to_string() }) };
    let refused = |why: NameError| SourceError::Name { path: given.display().to_string(), why };
    let name = name.to_str().ok_or_else(|| refused(not_utf8(&name.to_string_lossy())))?;
    SafePath::new(name).map_err(refused)
}

/// The name in the batch of what was found below a given path.
fn below(top: &SafePath, given: &Path, found: &Path) -> Result<SafePath, SourceError> {
    let rest = found.strip_prefix(given).unwrap_or(Path::new(""));
    let refused = |why: NameError| SourceError::Name { path: shown(&found.to_string_lossy()), why };
    let rest_text = rest.to_str().ok_or_else(|| refused(not_utf8(&rest.to_string_lossy())))?;
    if rest_text.is_empty() { Ok(top.clone()) } else { top.join(rest_text).map_err(refused) }
}

fn not_utf8(name: &str) -> NameError {
    NameError { name: shown(name), why: NameFault::Encoding }
}

fn kind(path: &Path, meta: &Metadata) -> Result<Kind, SourceError> {
    let file_type = meta.file_type();
    if file_type.is_file() {
        Ok(Kind::File { size: Some(meta.len()) })
    } else if file_type.is_dir() {
        Ok(Kind::Directory)
    } else if file_type.is_symlink() {
        let target = fs::read_link(path).map_err(io_error(path))?;
        let refused = || SourceError::Name { path: shown(&path.to_string_lossy()), why: not_utf8(&target.to_string_lossy()) };
        Ok(Kind::Symlink { target: target.to_str().ok_or_else(refused)?.to_owned() })
    } else {
        Err(SourceError::Special { path: path.display().to_string(), what: special(file_type) })
    }
}

fn special(file_type: FileType) -> &'static str {
    if file_type.is_fifo() {
        "a pipe"
    } else if file_type.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

fn walk_error(given: &Path, error: walkdir::Error) -> SourceError {
    let path = error.path().unwrap_or(given).to_owned();
    if error.loop_ancestor().is_some() {
        return SourceError::Circle { path: path.display().to_string() };
    }
    // Its own words would say the path once more.
    io_error(&path)(error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into()))
}
