//! Files, folders and standard input as a batch: the manifest, and readers of its byte stream.
//!
//! A reader works on a thread of its own, a few chunks ahead of whoever sends, and digests what it reads. A file that has another size
//! or time than when the manifest was made ends the stream with an error that names it: what is sent is what was announced.

use std::{io::Read, path::PathBuf};

use bytes::Bytes;

use super::{
    hash::{Algorithm, Trailer},
    manifest::{Manifest, ManifestError},
    name::{NameError, SafePath},
};

/// How far what was read from standard input is kept to be read again, in bytes, until it is acknowledged. At the bound reading waits.
pub const MAX_RETAINED: u64 = 32 * 1024 * 1024;

/// Why a source cannot be read. The caller's fault, or that of whoever changes the files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// There is no such file, or it may not be read.
    #[error("{path} cannot be read: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A socket, a pipe, a device.
    #[error("{path} is neither a file nor a folder nor a link, but {what}")]
    Special {
        /// The file.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// A name that cannot travel.
    #[error("{path} cannot be sent: {why}")]
    Name {
        /// The file.
        path: String,
        /// Why.
        why: NameError,
    },
    /// Two of the given paths end in the same name.
    #[error("{path} and another one given would have the same name \"{name}\"")]
    Twice {
        /// The later one.
        path: String,
        /// The name.
        name: String,
    },
    /// Links that lead round in a circle, or folders deeper than a path may be.
    #[error("{path} leads round in a circle, or too deep")]
    Circle {
        /// Where.
        path: String,
    },
    /// What was found is no batch.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A file has fewer bytes than announced.
    #[error("{path} has shrunk while it was sent: {found} bytes instead of {announced}")]
    Shrunk {
        /// The file.
        path: String,
        /// Bytes announced.
        announced: u64,
        /// Bytes found.
        found: u64,
    },
    /// A file has more bytes than announced.
    #[error("{path} has grown while it was sent: {found} bytes instead of {announced}")]
    Grown {
        /// The file.
        path: String,
        /// Bytes announced.
        announced: u64,
        /// Bytes found.
        found: u64,
    },
    /// A file was written or replaced since the manifest was made.
    #[error("{path} was changed while it was sent")]
    Changed {
        /// The file.
        path: String,
    },
    /// The offset is not in the batch; for standard input, it is no longer kept.
    #[error("the batch cannot be read from byte {offset} on")]
    Offset {
        /// The offset.
        offset: u64,
    },
    /// The stream has not been read to its end.
    #[error("the batch was not read to its end")]
    Unread,
}

/// How paths become a batch.
#[derive(Debug, Clone)]
pub struct SourceOptions {
    /// Send what links point to, instead of the links.
    pub follow_links: bool,
    /// What digests the files.
    pub algorithm: Algorithm,
    /// Bytes of a chunk; from 4 KiB to 4 MiB, others are rounded to the next bound.
    pub chunk: usize,
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self { follow_links: false, algorithm: Algorithm::default(), chunk: super::CHUNK }
    }
}

/// A batch that can be read, again and again where it is made of files.
#[derive(Debug, Clone)]
pub struct Source {
    manifest: Manifest,
}

/// Reads the stream of a batch once.
#[derive(Debug)]
pub struct SourceReader {
    _private: (),
}

impl Source {
    /// Walks files and folders.
    ///
    /// # Errors
    /// Something cannot be read, cannot travel, or there is too much.
    pub async fn from_paths(_paths: Vec<PathBuf>, _options: SourceOptions) -> Result<Self, SourceError> {
        std::future::ready(()).await;
        unimplemented!()
    }

    /// A stream of unknown length under a name: standard input.
    ///
    /// # Errors
    /// Never for a safe name; the manifest is checked all the same.
    pub fn from_stream(_name: SafePath, _stream: Box<dyn Read + Send>, _options: SourceOptions) -> Result<Self, SourceError> {
        unimplemented!()
    }

    /// What is in it.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// A reader from an offset of the stream.
    ///
    /// # Errors
    /// The offset is behind the end, or, for standard input, before what is kept or while another reader runs.
    pub fn read_from(&self, _offset: u64) -> Result<SourceReader, SourceError> {
        unimplemented!()
    }

    /// Says that the bytes before `offset` will not be asked for again. Matters for standard input only.
    pub fn acknowledge(&self, _offset: u64) {}

    /// The digests of all files. What was not digested by readers from start to end is read for it now.
    ///
    /// # Errors
    /// A file changed or cannot be read; standard input has not ended.
    pub async fn trailer(&self) -> Result<Trailer, SourceError> {
        std::future::ready(()).await;
        unimplemented!()
    }
}

impl SourceReader {
    /// The next bytes; none at the end. Dropping the future loses nothing.
    ///
    /// # Errors
    /// A file changed or cannot be read. The reader is at its end then.
    pub async fn next(&mut self) -> Result<Option<Bytes>, SourceError> {
        std::future::ready(()).await;
        unimplemented!()
    }

    /// Where in the stream the next bytes stand.
    pub fn position(&self) -> u64 {
        unimplemented!()
    }
}
