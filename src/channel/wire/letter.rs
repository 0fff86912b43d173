//! What sender and receiver say to each other under seal, once they have a key of their own: a byte of kind, then JSON or bytes.
//!
//! | kind | letter | from | behind it |
//! |---|---|---|---|
//! | 1 | `offer` | sender | JSON: [`Offer`] |
//! | 2 | `manifest` | sender | bytes: a part of the manifest, the parts in order |
//! | 3 | `accept` | receiver | JSON: [`Letter::Accept`] |
//! | 4 | `decline` | receiver | JSON: [`Letter::Decline`] |
//! | 5 | `progress` | receiver | JSON: [`Letter::Progress`] |
//! | 6 | `digests` | sender | bytes: a part of the files' digests, 32 bytes for each file, the parts in order |
//! | 7 | `end` | sender | JSON: [`End`] |
//! | 8 | `done` | receiver | JSON: [`Letter::Done`] |
//! | 9 | `failed` | either | JSON: [`Failed`] |
//! | 10 | `listening` | receiver | JSON: [`Letter::Listening`] |
//! | 11 | `called` | sender | JSON: [`Letter::Called`] |
//!
//! Unknown members of a JSON object are skipped, so that later versions may say more; unknown kinds are not.

use std::net::SocketAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::refusal::cut;
use crate::transfer::{Algorithm, Digest, Sparse};

/// Most bytes of a letter.
pub const MAX_LETTER: usize = 64 * 1024 - 64;
/// Most bytes of a part of the manifest or of the digests.
pub const MAX_PART: usize = 48 * 1024;
/// Most names of an offer.
pub const MAX_NAMES: usize = 20;

/// Why bytes are no letter. The peer's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LetterError {
    /// Nothing at all, or more than [`MAX_LETTER`].
    #[error("a letter has {0} bytes")]
    Length(usize),
    /// A kind that is not in the table.
    #[error("there is no letter of kind {0}")]
    Kind(u8),
    /// Not the JSON of its kind.
    #[error("the letter of kind {kind} cannot be read: {why}")]
    Form {
        /// Which.
        kind: u8,
        /// What is wrong.
        why: String,
    },
}

/// What is sent, for a person to decide on, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Files, or a text that is shown and not kept.
    #[serde(default)]
    pub content: Content,
    /// Regular files in it.
    pub files: u32,
    /// Its bytes; unknown for what is read from a pipe.
    pub bytes: Option<u64>,
    /// Names of what was given, at most [`MAX_NAMES`] of them.
    pub names: Vec<String>,
    /// Bytes of the manifest that follows.
    pub manifest: u32,
    /// Its BLAKE3 digest.
    pub digest: Digest,
    /// Bytes of a chunk.
    pub chunk: u32,
    /// Data connections.
    pub streams: u8,
    /// How chunks may be compressed; none where they come as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// Files with holes, and how many bytes of each are in none: at most [`MAX_SPARSE`](crate::transfer::sparse::MAX_SPARSE).
    #[serde(default, skip_serializing_if = "Sparse::is_empty")]
    pub sparse: Sparse,
    /// The sender calls a receiver that says where: [`Letter::Listening`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub calls: bool,
}

/// How a chunk may be compressed: those that are have the flag [`COMPRESSED`](super::chunk::COMPRESSED).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Each chunk a zstd frame (RFC 8878) of its own, which holds at most as many bytes as a chunk.
    Zstd,
    /// One of later versions.
    #[serde(other)]
    Unknown,
}

/// What the bytes of a batch are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// To be kept.
    #[default]
    Files,
    /// A text: to be shown.
    Text,
}

/// By which way chunks come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Through the relay.
    #[default]
    Relay,
    /// By direct connections that the receiver has made to the sender.
    Direct,
    /// By those that the sender has made to the receiver.
    Called,
}

impl Way {
    /// Its name, for programs: who has called whom is of no use to them.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Direct | Self::Called => "direct",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
    fn is_relay(&self) -> bool {
        *self == Self::Relay
    }
}

/// The end of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Bytes of the batch.
    pub bytes: u64,
    /// Chunks of this attempt.
    pub chunks: u64,
    /// What digested the files.
    pub algorithm: Algorithm,
    /// How many digests the parts before this letter have.
    pub files: u32,
}

/// Why a transfer failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailedCode {
    /// What came is not what was sent.
    Integrity,
    /// The receiver's disk is full.
    NoSpace,
    /// The receiver has something of that name already.
    Exists,
    /// A file changed while it was sent, or cannot be read.
    Source,
    /// The peer said what it must not say.
    Protocol,
    /// A person ended it.
    Cancelled,
    /// The two cannot reach each other by a way that both allow.
    Unreachable,
    /// Broken off to be gone on with: the same code would not help, `fshare resume` does.
    Suspended,
    /// Anything else.
    #[serde(other)]
    Other,
}

/// A failure as it is told to the other side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct Failed {
    /// For programs.
    pub code: FailedCode,
    /// For people.
    pub text: String,
}

/// See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Letter {
    /// What is sent.
    Offer(Offer),
    /// The next part of its manifest.
    Manifest(Bytes),
    /// Yes.
    Accept {
        /// From this byte of the batch's stream on: what is before it is there already.
        from: u64,
        /// By which way chunks are to come.
        way: Way,
        /// Nothing of it is kept for another process: it goes to standard output, or is a text.
        once: bool,
        /// How some of them may be compressed; none where it was not offered, or is not understood.
        compression: Option<Compression>,
    },
    /// No.
    Decline {
        /// In words.
        why: String,
    },
    /// How far the receiver is.
    Progress {
        /// Bytes of the batch's stream received.
        received: u64,
        /// And on its disk.
        durable: u64,
    },
    /// The next part of the files' digests.
    Digests(Bytes),
    /// There are no more chunks.
    End(End),
    /// Verified and in place.
    Done {
        /// Files that are not: the receiver had something of their names, and left it as it was.
        skipped: u32,
    },
    /// It failed at the side that says so.
    Failed(Failed),
    /// The receiver has a port open for the sender, and has not got through to the sender's yet.
    Listening {
        /// Where; at most [`MAX_DIRECT`](super::pass::MAX_DIRECT).
        addresses: Vec<SocketAddr>,
    },
    /// What came of the sender's calls.
    Called {
        /// Why none of the addresses leads to the receiver, in words; none where all data connections are there and proven.
        unreached: Option<String>,
    },
}

#[derive(Serialize, Deserialize)]
struct Accept {
    from: u64,
    #[serde(default, skip_serializing_if = "Way::is_relay")]
    way: Way,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    once: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    compression: Option<Compression>,
}

#[derive(Serialize, Deserialize)]
struct Decline {
    why: String,
}

#[derive(Serialize, Deserialize)]
struct Progress {
    received: u64,
    durable: u64,
}

#[derive(Serialize, Deserialize)]
struct Done {
    #[serde(default, skip_serializing_if = "is_zero")]
    skipped: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[derive(Serialize, Deserialize)]
struct Listening {
    addresses: Vec<SocketAddr>,
}

#[derive(Serialize, Deserialize)]
struct Called {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unreached: Option<String>,
}

impl Failed {
    /// With a text that fits into a letter.
    pub fn new(code: FailedCode, text: impl Into<String>) -> Self {
        Self { code, text: cut(text.into()) }
    }
}

impl Letter {
    /// Reads one.
    ///
    /// # Errors
    /// It is none.
    pub fn read(bytes: &Bytes) -> Result<Self, LetterError> {
        let kind = bytes.first().copied().filter(|_| bytes.len() <= MAX_LETTER).ok_or(LetterError::Length(bytes.len()))?;
        let rest = bytes.slice(1..);
        fn json<'a, T: Deserialize<'a>>(kind: u8, rest: &'a Bytes) -> Result<T, LetterError> {
            serde_json::from_slice(rest).map_err(|error| LetterError::Form { kind, why: error.to_string() })
        }
        Ok(match kind {
            1 => Self::Offer(json(kind, &rest)?),
            2 => Self::Manifest(rest),
            3 => {
                let Accept { from, way, once, compression } = json(kind, &rest)?;
                Self::Accept { from, way, once, compression }
            }
            4 => Self::Decline { why: cut(json::<Decline>(kind, &rest)?.why) },
            5 => {
                let Progress { received, durable } = json(kind, &rest)?;
                Self::Progress { received, durable }
            }
            6 => Self::Digests(rest),
            7 => Self::End(json(kind, &rest)?),
            8 => {
                let Done { skipped } = json(kind, &rest)?;
                Self::Done { skipped }
            }
            9 => {
                let Failed { code, text } = json(kind, &rest)?;
                Self::Failed(Failed::new(code, text))
            }
            10 => {
                let Listening { addresses } = json(kind, &rest)?;
                Self::Listening { addresses }
            }
            11 => Self::Called { unreached: json::<Called>(kind, &rest)?.unreached.map(cut) },
            other => return Err(LetterError::Kind(other)),
        })
    }

    /// As bytes. Parts and texts that are too long are the caller's fault; texts are cut.
    pub fn write(&self) -> Vec<u8> {
        // Numbers, texts and lists of them: all of it can be said in JSON.
        fn json(kind: u8, what: &impl Serialize) -> Vec<u8> {
            let mut bytes = vec![kind];
            bytes.extend(serde_json::to_vec(what).unwrap_or_default());
            bytes
        }
        let part = |kind: u8, bytes: &Bytes| [&[kind], &bytes[..]].concat();
        match self {
            Self::Offer(offer) => json(1, offer),
            Self::Manifest(bytes) => part(2, bytes),
            Self::Accept { from, way, once, compression } => {
                json(3, &Accept { from: *from, way: *way, once: *once, compression: *compression })
            }
            Self::Decline { why } => json(4, &Decline { why: cut(why.clone()) }),
            Self::Progress { received, durable } => json(5, &Progress { received: *received, durable: *durable }),
            Self::Digests(bytes) => part(6, bytes),
            Self::End(end) => json(7, end),
            Self::Done { skipped } => json(8, &Done { skipped: *skipped }),
            Self::Failed(Failed { code, text }) => json(9, &Failed { code: *code, text: cut(text.clone()) }),
            Self::Listening { addresses } => json(10, &Listening { addresses: addresses.clone() }),
            Self::Called { unreached } => json(11, &Called { unreached: unreached.clone().map(cut) }),
        }
    }
}

#[cfg(test)]
mod tests;
