//! What a receiver keeps on disk so that a broken transfer goes on.
//!
//! Three files of one name in a folder of the caller: `NAME.json`, the [`Record`], replaced atomically; `NAME.manifest`, written once;
//! `NAME.journal`, one line of JSON for each file that has all its bytes, appended and synced before the record that counts it. So a
//! batch of 100 000 files costs no more per checkpoint than one of ten. A line behind what the record counts is torn, and cut.

mod files;

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

pub(super) use files::seconds;
pub use files::{Held, RecordStore, TakenUp, boot};

use super::{
    hash::{Algorithm, Digest},
    name::shown,
    overwrite::Overwrite,
    sparse::Sparse,
};

/// Most bytes of a record.
pub const MAX_RECORD: usize = 64 * 1024;
/// Most bytes of a transfer's name.
pub const MAX_NAME: usize = 128;
/// Most details of a caller in one record.
pub const MAX_DETAILS: usize = 32;
/// Bytes between two checkpoints where nobody says otherwise.
pub const CHECKPOINT: u64 = 8 * 1024 * 1024;
/// The version of records that this program writes and reads.
pub const VERSION: u32 = 1;

/// Why a record could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// Not a name for a transfer. The caller's fault.
    #[error("\"{0}\" is no name for a transfer: 1 to {MAX_NAME} letters, digits, \"-\", \"_\" and \".\", not first")]
    Name(String),
    /// There is a record of this name already.
    #[error("there is a record of the transfer {0} already")]
    Exists(TransferName),
    /// There is none of this name.
    #[error("there is no record of the transfer {0}")]
    Missing(TransferName),
    /// Another process, or another task, is at it.
    #[error("the transfer {0} is already running")]
    Busy(TransferName),
    /// It cannot be read: written by another version, or changed by something else.
    #[error("the record of the transfer {name} is unusable: {why}")]
    Damaged {
        /// Which.
        name: TransferName,
        /// What is wrong.
        why: String,
    },
    /// The disk does not do what it should.
    #[error("the record in {path} could not be kept: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// A transfer's name, which is also that of its files: ASCII letters, digits, `-`, `_`, `.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TransferName(String);

impl TransferName {
    /// Checks a name.
    ///
    /// # Errors
    /// It is none.
    pub fn new(name: &str) -> Result<Self, ResumeError> {
        let fit = !name.is_empty()
            && name.len() <= MAX_NAME
            && !name.starts_with(['.', '-'])
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if fit { Ok(Self(name.to_owned())) } else { Err(ResumeError::Name(shown(name))) }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TransferName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TransferName {
    type Error = ResumeError;

    fn try_from(name: String) -> Result<Self, ResumeError> {
        Self::new(&name)
    }
}

impl From<TransferName> for String {
    fn from(name: TransferName) -> Self {
        name.0
    }
}

/// What was durable when it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`VERSION`].
    pub version: u32,
    /// Which transfer.
    pub transfer: TransferName,
    /// The manifest's digest.
    pub manifest: Digest,
    /// What digests the files.
    pub algorithm: Algorithm,
    /// Bytes of the stream that are on the disk.
    pub durable: u64,
    /// Bytes of the journal that count.
    pub journal: u64,
    /// Where the files go: a folder.
    pub target: String,
    /// What was to happen with files that are there already.
    pub overwrite: Overwrite,
    /// Bytes between two checkpoints.
    #[serde(default = "checkpoint")]
    pub checkpoint: u64,
    /// Bytes of the disk that must stay free.
    #[serde(default)]
    pub reserve: u64,
    /// Files with holes.
    #[serde(default, skip_serializing_if = "Sparse::is_empty")]
    pub sparse: Sparse,
    /// Extended attributes are set.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub xattrs: bool,
    /// The name that the only file gets instead of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<super::name::SafePath>,
    /// Whether the batch has all its bytes, verified, and files are being put into place.
    pub placing: bool,
    /// Raised by one each time the transfer goes on: the epoch of sealed streams.
    pub epoch: u32,
    /// Seconds since 1970 when the transfer began.
    pub created: u64,
    /// And when this was written.
    pub changed: u64,
    /// The run of the machine that it was written in ([`boot`]).
    pub boot: Option<String>,
    /// What the caller wants to find again: the server, the conference, the share. Of secrets only those that are good for this transfer alone:
    /// the file is for its owner (0600).
    pub details: BTreeMap<String, String>,
}

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// A file has all its bytes.
    Done {
        /// The entry.
        entry: u32,
        /// The digest of its bytes; none where they were skipped.
        digest: Option<Digest>,
    },
    /// A folder was made that was not there before.
    Made {
        /// Below the target folder.
        path: super::name::SafePath,
    },
    /// A file is about to get its name.
    Place {
        /// The entry.
        entry: u32,
        /// The name below the target folder, which may be another than the entry's.
        path: super::name::SafePath,
    },
}

fn checkpoint() -> u64 {
    CHECKPOINT
}

impl Record {
    /// Reads one.
    ///
    /// # Errors
    /// Of another version, too large, or not of our form; the text says so.
    pub fn from_json(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MAX_RECORD {
            return Err(format!("it has more than {MAX_RECORD} bytes"));
        }
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if version != VERSION {
            return Err(format!("it is of version {version}, this program knows {VERSION}"));
        }
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// As JSON for people to read.
    pub fn to_json(&self) -> Vec<u8> {
        // Maps with text keys, numbers and text: all of it can be said in JSON.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
