//! Digests of files and of a whole batch, computed while the bytes pass.
//!
//! Each regular file has its own digest: BLAKE3 by default, SHA-256 of choice. The digest of a batch is not a second pass over the
//! bytes but a digest of the digests, bound to the manifest ([`Trailer::root`]): who knows it has verified every file, and a
//! resumed transfer needs no byte again that it has digested before.

use std::fmt;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::{
    cursor::{Cursor, Step},
    manifest::Manifest,
};

/// Length of every digest, in bytes.
pub const DIGEST_LEN: usize = 32;
/// Which algorithm digests the files of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// BLAKE3, 32 bytes of output.
    #[default]
    Blake3,
    /// SHA-256 (FIPS 180-4).
    Sha256,
}

impl Algorithm {
    /// The name that users type and read: `blake3`, `sha256`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blake3 => "blake3",
            Self::Sha256 => "sha256",
        }
    }
}

/// A digest. Shown and serialized as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; DIGEST_LEN]);

impl Digest {
    /// The BLAKE3 digest of bytes that are at hand.
    pub fn blake3(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = HashError;

    fn try_from(text: String) -> Result<Self, HashError> {
        text.parse()
    }
}

impl std::str::FromStr for Digest {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut digest = [0; DIGEST_LEN];
        if pairs.len() != DIGEST_LEN || !rest.is_empty() {
            return Err(HashError::Text);
        }
        for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
            *byte = nibble(*high).ok_or(HashError::Text)? << 4 | nibble(*low).ok_or(HashError::Text)?;
        }
        Ok(Self(digest))
    }
}

/// What is wrong with digests that came from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// Not 64 hexadecimal digits.
    #[error("a digest is 64 hexadecimal digits")]
    Text,
}

/// Digests bytes as they pass.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Blake3(Box<blake3::Hasher>),
    Sha256(digest::Context),
}

impl Hasher {
    /// An empty one.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Blake3 => State::Blake3(Box::new(blake3::Hasher::new())),
            Algorithm::Sha256 => State::Sha256(digest::Context::new(&digest::SHA256)),
        })
    }

    /// Takes bytes. Chunks of 64 KiB and more are fastest.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Blake3(hasher) => {
                hasher.update(bytes);
            }
            State::Sha256(context) => context.update(bytes),
        }
    }

    /// The digest of what passed.
    pub fn finish(self) -> Digest {
        match self.0 {
            State::Blake3(hasher) => Digest(*hasher.finalize().as_bytes()),
            State::Sha256(context) => {
                let mut bytes = [0; DIGEST_LEN];
                bytes.copy_from_slice(context.finish().as_ref());
                Digest(bytes)
            }
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            State::Blake3(_) => f.write_str("Hasher(blake3)"),
            State::Sha256(_) => f.write_str("Hasher(sha256)"),
        }
    }
}

/// The digests of all regular files of a batch, in manifest order: what the sender says at the end, and the receiver compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trailer {
    /// What made them.
    pub algorithm: Algorithm,
    /// One for each regular file.
    pub files: Vec<Digest>,
}

impl Trailer {
    /// One digest for the batch: BLAKE3 over the manifest's digest, the algorithm and every file's digest.
    pub fn root(&self, manifest: &Manifest) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("confkit transfer batch v1");
        hasher.update(&manifest.digest().0);
        hasher.update(self.algorithm.name().as_bytes());
        self.files.iter().for_each(|file| {
            hasher.update(&file.0);
        });
        Digest(*hasher.finalize().as_bytes())
    }
}

/// Digests a whole batch as its stream passes, from the first byte: what whoever only stores or forwards a batch uses to check it.
#[derive(Debug)]
pub struct BatchHasher {
    algorithm: Algorithm,
    cursor: Cursor,
    current: Option<Hasher>,
    files: Vec<Digest>,
}

impl BatchHasher {
    /// For the batch of a manifest.
    pub fn new(manifest: &Manifest, algorithm: Algorithm) -> Self {
        let mut hasher = Self { algorithm, cursor: Cursor::new(manifest), current: None, files: Vec::new() };
        hasher.update(&[]);
        hasher
    }

    /// Takes the next bytes of the stream. False when there are more than the manifest has; those are not taken.
    pub fn update(&mut self, mut bytes: &[u8]) -> bool {
        while let Some(step) = self.cursor.next(bytes.len()) {
            match step {
                Step::Begin { .. } => self.current = Some(Hasher::new(self.algorithm)),
                Step::Data { len, .. } => {
                    let (now, rest) = bytes.split_at(len.min(bytes.len()));
                    if let Some(hasher) = &mut self.current {
                        hasher.update(now);
                    }
                    bytes = rest;
                }
                Step::End { .. } => self.files.extend(self.current.take().map(Hasher::finish)),
            }
        }
        bytes.is_empty()
    }

    /// The digests, once the stream has ended; none when files are missing.
    pub fn finish(mut self) -> Option<Trailer> {
        if self.cursor.is_open_ended() {
            self.files.extend(self.current.take().map(Hasher::finish));
        }
        (self.cursor.is_done() || self.cursor.is_open_ended()).then_some(Trailer { algorithm: self.algorithm, files: self.files })
    }
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha12Rng;

    use super::*;
    use crate::transfer::manifest::{Entry, Kind};

    fn manifest(sizes: &[Option<u64>]) -> Manifest {
        let entry = |(at, size): (usize, &Option<u64>)| Entry::new(format!("f{at}").parse().expect("safe"), Kind::File { size: *size });
        Manifest::new(sizes.iter().enumerate().map(entry).collect()).expect("a batch")
    }

    #[test]
    fn digests_are_those_of_the_standards() {
        let digest = |algorithm| {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(b"a");
            hasher.update(b"bc");
            hasher.finish().to_string()
        };
        assert_eq!(digest(Algorithm::Sha256), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digest(Algorithm::Blake3), "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85");
    }

    #[test]
    fn a_digest_has_one_spelling_of_64_digits() {
        let digest = Digest::blake3(b"x");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for text in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(text.parse::<Digest>(), Err(HashError::Text), "{text}");
        }
    }

    #[test]
    fn a_batch_has_the_same_digests_however_its_stream_is_cut() {
        let sizes = [0, 1, 0, 70_000, 1024, 0];
        let manifest = manifest(&sizes.map(Some));
        let mut stream = vec![0; 71_025];
        let mut random = ChaCha12Rng::seed_from_u64(1);
        random.fill_bytes(&mut stream);
        let mut expected = Vec::new();
        let mut rest = stream.as_slice();
        for size in sizes {
            let (now, behind) = rest.split_at(usize::try_from(size).expect("small"));
            expected.push(Digest::blake3(now));
            rest = behind;
        }
        for _ in 0..50 {
            let mut hasher = BatchHasher::new(&manifest, Algorithm::Blake3);
            let mut rest = stream.as_slice();
            while !rest.is_empty() {
                let (now, behind) = rest.split_at(random.random_range(0..=rest.len().min(40_000)));
                assert!(hasher.update(now));
                rest = behind;
            }
            assert_eq!(hasher.finish().expect("complete").files, expected);
        }
        let mut hasher = BatchHasher::new(&manifest, Algorithm::Blake3);
        assert!(hasher.update(&stream) && !hasher.update(b"x"), "a byte too many is told");
        let mut hasher = BatchHasher::new(&manifest, Algorithm::Blake3);
        assert!(hasher.update(&stream[1..]));
        assert_eq!(hasher.finish(), None, "a byte too few is told");
    }

    #[test]
    fn a_stream_of_unknown_length_ends_where_it_ends() {
        let manifest = manifest(&[None]);
        for bytes in [&b""[..], b"abc"] {
            let mut hasher = BatchHasher::new(&manifest, Algorithm::Blake3);
            assert!(hasher.update(bytes));
            assert_eq!(hasher.finish().expect("complete").files, [Digest::blake3(bytes)]);
        }
    }

    #[test]
    fn any_change_of_digests_algorithm_or_manifest_shows_in_the_root() {
        let batch = manifest(&[Some(1), Some(2)]);
        let trailer = Trailer { algorithm: Algorithm::Sha256, files: vec![Digest([1; 32]), Digest([2; 32])] };
        let swapped = Trailer { files: vec![Digest([2; 32]), Digest([1; 32])], ..trailer.clone() };
        let other = Trailer { algorithm: Algorithm::Blake3, ..trailer.clone() };
        assert_ne!(trailer.root(&batch), swapped.root(&batch));
        assert_ne!(trailer.root(&batch), other.root(&batch));
        assert_ne!(trailer.root(&batch), trailer.root(&manifest(&[Some(2), Some(1)])));
    }
}
