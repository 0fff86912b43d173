//! What every file transfer shares: the batch and its byte stream, names, digests, sealing, limits, storage in between, and placement.
//!
//! A *batch* is a [`Manifest`] and one byte stream: the contents of its regular files one after the other. Whatever carries it cuts the
//! stream as it likes; an offset in the stream is all that two sides need to agree on to go on after a break.
//!
//! ```text
//! files, stdin ─ Source ─> stream ─(carrier)─> Spool ─> many readers ─(carriers)─> Sink ─> files, stdout
//!                  └ Manifest, Trailer of digests ───────────────────────────────────┘
//! ```
//!
//! | file | what | pure |
//! |---|---|---|
//! | `name.rs` | safe relative names | yes |
//! | `manifest.rs` | what a batch holds | yes |
//! | `cursor.rs` | the stream cut into files | yes |
//! | `hash.rs` | digests of files and batch | yes |
//! | `seal.rs` | AEAD for what is sealed end to end | yes |
//! | `pack.rs` | chunks compressed, and back | yes |
//! | `economy.rs` | whether compressing a chunk saves time | yes |
//! | `sparse.rs` | files with holes | yes |
//! | `xattrs.rs` | extended attributes | yes |
//! | `spare.rs` | memory of chunks, used again | yes |
//! | `rate.rs` | token bucket | yes |
//! | `progress.rs` | progress, rate, remaining time | yes |
//! | `overwrite.rs` | what happens with files that are there already | yes |
//! | `resume.rs`, `resume/` | what a receiver keeps to go on, and its files | `resume.rs` |
//! | `disk.rs` | room, durable folders, syncing together | no |
//! | `source/` | paths and standard input → manifest and stream | no |
//! | `spool/` | one stream in one file, one writer, many readers | no |
//! | `sink/` | stream → files | no |

pub mod cursor;
pub(crate) mod disk;
pub mod economy;
pub mod hash;
pub mod manifest;
pub mod name;
pub mod overwrite;
pub mod pack;
pub mod progress;
pub mod rate;
pub mod resume;
pub mod seal;
pub mod sink;
pub mod source;
pub(crate) mod spare;
pub mod sparse;
pub mod spool;
pub mod xattrs;

pub use economy::{Economy, Policy};
pub use hash::{Algorithm, BatchHasher, Digest, Hasher, Trailer};
pub use manifest::{Entry, Kind, Manifest, ManifestError};
pub use name::{NameError, SafePath};
pub use overwrite::Overwrite;
pub use progress::{Estimator, Progress};
pub use rate::TokenBucket;
pub use resume::{Record, RecordStore, TransferName};
pub use sink::{Sink, SinkError, SinkOptions, SinkWriter};
pub use source::{BatchReader, Source, SourceError, SourceOptions, SourceReader};
pub use sparse::Sparse;
pub use spool::{Spool, SpoolError, SpoolOptions, SpoolReader};
pub use xattrs::Xattrs;

/// Bytes of a chunk where nobody says otherwise: large enough that system calls do not count, small enough that a hundred do not either.
pub const CHUNK: usize = 256 * 1024;

#[cfg(test)]
#[path = "../../tests/support/shown.rs"]
mod shown;
#[cfg(test)]
mod tests;
