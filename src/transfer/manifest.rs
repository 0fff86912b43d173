//! What a batch holds: its entries in order, with sizes, modes, times and kinds.
//!
//! A batch is one byte stream: the contents of its regular files one after the other, in the order of the manifest. A manifest that was
//! read or built has been checked: safe names, each once, nothing below what is no folder, a sum that fits. As JSON:
//!
//! ```json
//! {"version":1,"entries":[
//!   {"path":"talk","type":"directory","mode":493},
//!   {"path":"talk/slides.pdf","type":"file","size":48213,"mode":420,"mtime":1795175276,"mtime_nanos":5,"mime":"application/pdf"},
//!   {"path":"talk/latest","type":"symlink","target":"slides.pdf"}]}
//! ```
//! A file without `size` is of unknown size (standard input); it is then the only entry. Files and folders may have `xattrs`, extended attributes of users, as
//! an object of values in base64url; receivers of before these were known refuse a manifest that has some.

use std::{collections::BTreeMap, fmt, sync::Arc, time::SystemTime};

use serde::{Deserialize, Deserializer, Serialize, de};

use super::{
    hash::Digest,
    name::{MAX_PATH, SafePath, shown},
    xattrs::Xattrs,
};

/// Most entries of a batch.
pub const MAX_ENTRIES: usize = 100_000;
/// Most bytes of a manifest as JSON.
pub const MAX_MANIFEST: usize = 32 * 1024 * 1024;
/// Most bytes of a batch: what a signed offset can say.
pub const MAX_TOTAL: u64 = i64::MAX as u64;
/// Most bytes of a media type.
pub const MAX_MIME: usize = 127;
/// The bits of a mode that travel: no set-user-ID, set-group-ID, sticky.
pub const MODE_BITS: u32 = 0o777;

const VERSION: u32 = 1;

/// Why a manifest is refused. The fault of whoever made it, but for `TooLarge` and `TooMany`, which are our bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not JSON, or not of our form. Bad names come here too, with the name in the text.
    #[error("the manifest cannot be read: {0}")]
    Form(String),
    /// Written by a later version.
    #[error("the manifest is of version {0}, this program knows {VERSION}")]
    Version(u32),
    /// Over [`MAX_MANIFEST`].
    #[error("the manifest has {0} bytes, more than {MAX_MANIFEST}")]
    TooLarge(usize),
    /// Over [`MAX_ENTRIES`].
    #[error("the batch has more than {MAX_ENTRIES} entries")]
    TooMany,
    /// There is nothing in it.
    #[error("the batch is empty")]
    Empty,
    /// Two entries of one name.
    #[error("the entry \"{0}\" appears twice")]
    Twice(String),
    /// An entry below one that is no folder, or a folder after what is in it.
    #[error("the entry \"{0}\" is in something that is not a folder, or comes before its folder")]
    NotInFolder(String),
    /// A symbolic link that leads out of the batch's folder, or an unusable one.
    #[error("the symbolic link \"{0}\" does not stay inside the batch")]
    Link(String),
    /// A file of unknown size beside other entries.
    #[error("the entry \"{0}\" is of unknown size, and so must be the only one")]
    UnknownSize(String),
    /// Over [`MAX_TOTAL`].
    #[error("the sizes add up to more than {MAX_TOTAL} bytes")]
    Sum,
    /// A media type that is none.
    #[error("the entry \"{0}\" has an invalid media type")]
    Mime(String),
}

/// A time of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mtime {
    /// Seconds since 1970-01-01 UTC; negative before.
    pub seconds: i64,
    /// And nanoseconds, below 1 000 000 000.
    pub nanos: u32,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File {
        /// Its bytes; unknown for standard input.
        size: Option<u64>,
    },
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Where it points, relative to the folder that it is in; it stays inside the batch's folder.
        target: String,
    },
}

/// One thing in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Entry {
    /// Where it goes, below the receiver's folder.
    pub path: SafePath,
    /// What it is.
    pub kind: Kind,
    /// Permission bits ([`MODE_BITS`]), where known.
    pub mode: Option<u32>,
    /// When it was changed last, where known.
    pub mtime: Option<Mtime>,
    /// The media type of a file, where known: lower case, without parameters.
    pub mime: Option<String>,
    /// Extended attributes of a file or a folder, where the sender was asked for them.
    pub xattrs: Xattrs,
}

/// A checked list of entries.
#[derive(Clone, PartialEq, Eq)]
pub struct Manifest {
    entries: Arc<[Entry]>,
    /// Entry and size of each regular file, in order.
    files: Arc<[(usize, Option<u64>)]>,
    /// Where in the stream each regular file starts.
    starts: Arc<[u64]>,
    total: Option<u64>,
    digest: Digest,
}

impl Manifest {
    /// Checks a list of entries.
    ///
    /// # Errors
    /// What is wrong with it; the first entry concerned is named.
    pub fn new(mut entries: Vec<Entry>) -> Result<Self, ManifestError> {
        entries.iter_mut().for_each(|entry| entry.mode = entry.mode.map(|mode| mode & MODE_BITS));
        check(&entries)?;
        let bytes = print(&entries)?;
        if bytes.len() > MAX_MANIFEST {
            return Err(ManifestError::TooLarge(bytes.len()));
        }
        let files: Arc<[_]> = entries.iter().enumerate().filter_map(|(at, entry)| entry.size().map(|size| (at, size))).collect();
        let mut total = Some(0u64);
        let starts = files
            .iter()
            .map(|(_, size)| {
                let start = total.unwrap_or(0);
                total = total.zip(*size).and_then(|(total, size)| total.checked_add(size));
                start
            })
            .collect();
        Ok(Self { entries: entries.into(), files, starts, total, digest: Digest::blake3(&bytes) })
    }

    /// Reads JSON.
    ///
    /// # Errors
    /// It is too large, not of our form, or what it says is refused.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MAX_MANIFEST {
            return Err(ManifestError::TooLarge(bytes.len()));
        }
        let document: DocumentIn = serde_json::from_slice(bytes).map_err(|error| ManifestError::Form(shown(&error.to_string())))?;
        if document.version != VERSION {
            return Err(ManifestError::Version(document.version));
        }
        let Bounded(entries) = document.entries;
        if entries.len() > MAX_ENTRIES {
            return Err(ManifestError::TooMany);
        }
        Self::new(entries)
    }

    /// As JSON, always the same bytes for the same entries.
    pub fn to_json(&self) -> Vec<u8> {
        // It was printed before, when it was made.
        print(&self.entries).unwrap_or_default()
    }

    /// BLAKE3 of the JSON: two sides with the same digest speak of the same batch.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Everything in it, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The regular files, in order: entry, and its index.
    pub fn files(&self) -> impl ExactSizeIterator<Item = (usize, &Entry)> {
        self.files.iter().map(|(at, _)| (*at, &self.entries[*at]))
    }

    /// Bytes of the whole stream; unknown for standard input.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Where in the stream the bytes of an entry start. None when it is no regular file.
    pub fn start_of(&self, entry: usize) -> Option<u64> {
        let at = self.files.binary_search_by_key(&entry, |(at, _)| *at).ok()?;
        self.starts.get(at).copied()
    }

    /// The file that holds the byte at an offset of the stream, and where in it. None at the end and behind it; a file of
    /// unknown size holds every byte.
    pub fn locate(&self, offset: u64) -> Option<(usize, u64)> {
        if self.total.is_some_and(|total| offset >= total) {
            return None;
        }
        let behind = self.starts.partition_point(|start| *start <= offset);
        let at = behind.checked_sub(1)?;
        Some((self.files.get(at)?.0, offset - self.starts.get(at)?))
    }

    /// Entry and size of each regular file.
    pub(super) fn file_table(&self) -> Arc<[(usize, Option<u64>)]> {
        Arc::clone(&self.files)
    }
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manifest").field("entries", &self.entries.len()).field("total", &self.total).field("digest", &self.digest).finish()
    }
}

impl Entry {
    /// An entry of which only name and kind are known.
    pub fn new(path: SafePath, kind: Kind) -> Self {
        Self { path, kind, mode: None, mtime: None, mime: None, xattrs: Xattrs::default() }
    }

    /// The size of a regular file, itself perhaps unknown; none for what is no regular file.
    pub fn size(&self) -> Option<Option<u64>> {
        match &self.kind {
            Kind::File { size } => Some(*size),
            Kind::Directory | Kind::Symlink { .. } => None,
        }
    }
}

impl Mtime {
    /// From a time of the file system. Times that 64 bits of seconds cannot say become their nearest neighbour.
    pub fn from_system(time: SystemTime) -> Self {
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => Self { seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX), nanos: since.subsec_nanos() },
            Err(before) => {
                let before = before.duration();
                let (mut seconds, mut nanos) = (i64::try_from(before.as_secs()).map_or(i64::MIN, |s| -s), 0);
                if before.subsec_nanos() > 0 {
                    (seconds, nanos) = (seconds.saturating_sub(1), 1_000_000_000 - before.subsec_nanos());
                }
                Self { seconds, nanos }
            }
        }
    }

    /// As a time of the file system; none where the platform cannot say it.
    pub fn to_system(self) -> Option<SystemTime> {
        let nanos = std::time::Duration::from_nanos(u64::from(self.nanos));
        let seconds = std::time::Duration::from_secs(self.seconds.unsigned_abs());
        let whole =
            if self.seconds < 0 { SystemTime::UNIX_EPOCH.checked_sub(seconds) } else { SystemTime::UNIX_EPOCH.checked_add(seconds) };
        whole?.checked_add(nanos)
    }
}

/// Whether the target of a link that stands at `path` stays inside the folder that the batch is put into.
fn stays_inside(path: &SafePath, target: &str) -> bool {
    if target.is_empty()
        || target.len() > MAX_PATH
        || target.starts_with('/')
        || target.contains('\\')
        || target.chars().any(char::is_control)
    {
        return false;
    }
    if target.as_bytes().get(1) == Some(&b':') {
        return false;
    }
    // Steps up only ahead of everything else: behind a name they could lead out, as that name may be a link itself.
    let parts: Vec<&str> = target.split('/').collect();
    let up = parts.iter().take_while(|part| **part == "..").count();
    up <= path.ancestors().count() && parts.iter().skip(up).all(|part| !matches!(*part, "" | ".."))
}

fn check(entries: &[Entry]) -> Result<(), ManifestError> {
    if entries.is_empty() {
        return Err(ManifestError::Empty);
    }
    if entries.len() > MAX_ENTRIES {
        return Err(ManifestError::TooMany);
    }
    let mut seen: BTreeMap<&str, bool> = BTreeMap::new();
    let mut total = 0u64;
    for entry in entries {
        let path = entry.path.as_str();
        let is_folder = entry.kind == Kind::Directory;
        // A folder that is not listed is made silently; it counts as one from the first entry in it.
        for above in entry.path.ancestors() {
            if !*seen.entry(above).or_insert(true) {
                return Err(ManifestError::NotInFolder(shown(path)));
            }
        }
        if let Some(was_folder) = seen.insert(path, is_folder) {
            return Err(if was_folder && is_folder && !listed(entries, entry) {
                ManifestError::NotInFolder(shown(path))
            } else {
                ManifestError::Twice(shown(path))
            });
        }
        match &entry.kind {
            Kind::File { size: None } if entries.len() > 1 => return Err(ManifestError::UnknownSize(shown(path))),
            Kind::File { size } => {
                total = total.checked_add(size.unwrap_or(0)).filter(|sum| *sum <= MAX_TOTAL).ok_or(ManifestError::Sum)?;
            }
            Kind::Symlink { target } if !stays_inside(&entry.path, target) => return Err(ManifestError::Link(shown(path))),
            Kind::Directory | Kind::Symlink { .. } => {}
        }
        if entry.mime.as_deref().is_some_and(|mime| !is_mime(mime)) {
            return Err(ManifestError::Mime(shown(path)));
        }
    }
    Ok(())
}

/// Whether an equal path stands before this very entry.
fn listed(entries: &[Entry], entry: &Entry) -> bool {
    entries.iter().take_while(|other| !std::ptr::eq(*other, entry)).any(|other| other.path == entry.path)
}

/// `type/subtype`, both tokens (RFC 6838 §4.2), in lower case.
fn is_mime(text: &str) -> bool {
    let token =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$&-^_.+".contains(&b));
    text.len() <= MAX_MIME && text.split_once('/').is_some_and(|(kind, sub)| token(kind) && token(sub))
}

fn print(entries: &[Entry]) -> Result<Vec<u8>, ManifestError> {
    serde_json::to_vec(&DocumentOut { version: VERSION, entries }).map_err(|error| ManifestError::Form(error.to_string()))
}

#[derive(Serialize)]
struct DocumentOut<'a> {
    version: u32,
    entries: &'a [Entry],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DocumentIn {
    version: u32,
    entries: Bounded,
}

/// Entries up to the bound; behind it one is kept to tell, and reading stops.
struct Bounded(Vec<Entry>);

impl<'de> Deserialize<'de> for Bounded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Bounded;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of entries")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Bounded, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = list.next_element()? {
                    entries.push(entry);
                    if entries.len() > MAX_ENTRIES {
                        return Err(de::Error::custom(ManifestError::TooMany));
                    }
                }
                Ok(Bounded(entries))
            }
        }
        deserializer.deserialize_seq(Visitor)
    }
}

/// An entry as JSON has it. What we do not know is refused: dropping it would change the digest.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    path: SafePath,
    r#type: WireKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mtime: Option<i64>,
    #[serde(default, skip_serializing_if = "is_zero")]
    mtime_nanos: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mime: Option<String>,
    #[serde(default, skip_serializing_if = "Xattrs::is_empty")]
    xattrs: Xattrs,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireKind {
    File,
    Directory,
    Symlink,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_zero(nanos: &u32) -> bool {
    *nanos == 0
}

impl From<Entry> for Wire {
    fn from(entry: Entry) -> Self {
        let (r#type, size, target) = match entry.kind {
            Kind::File { size } => (WireKind::File, size, None),
            Kind::Directory => (WireKind::Directory, None, None),
            Kind::Symlink { target } => (WireKind::Symlink, None, Some(target)),
        };
        Self {
            path: entry.path,
            r#type,
            size,
            target,
            mode: entry.mode.map(|mode| mode & MODE_BITS),
            mtime: entry.mtime.map(|mtime| mtime.seconds),
            mtime_nanos: entry.mtime.map_or(0, |mtime| mtime.nanos),
            mime: entry.mime,
            xattrs: entry.xattrs,
        }
    }
}

impl TryFrom<Wire> for Entry {
    type Error = String;

    fn try_from(wire: Wire) -> Result<Self, String> {
        let kind = match (wire.r#type, wire.size, wire.target) {
            (WireKind::File, size, None) => Kind::File { size },
            (WireKind::Directory, None, None) => Kind::Directory,
            (WireKind::Symlink, None, Some(target)) => Kind::Symlink { target },
            _ => return Err(format!("\"{}\" has a size or a target that its type cannot have", wire.path)),
        };
        if matches!(kind, Kind::Symlink { .. }) && !wire.xattrs.is_empty() {
            return Err(format!("\"{}\" is a link with extended attributes", wire.path));
        }
        if wire.mtime_nanos >= 1_000_000_000 {
            return Err(format!("\"{}\" has an invalid time", wire.path));
        }
        let mtime = wire.mtime.map(|seconds| Mtime { seconds, nanos: wire.mtime_nanos });
        // Bits that do not travel are dropped here, whatever the sender wrote.
        Ok(Self { path: wire.path, kind, mode: wire.mode.map(|mode| mode & MODE_BITS), mtime, mime: wire.mime, xattrs: wire.xattrs })
    }
}

#[cfg(test)]
mod tests;
