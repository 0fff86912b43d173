//! Sealing of a transfer's chunks end to end: AES-256-GCM, STREAM-like.
//!
//! | what | how |
//! |---|---|
//! | subkey | HKDF-SHA256 of the transfer's key over protocol, cipher, direction, transfer, file and epoch: no two streams share one |
//! | nonce | epoch (32 bits) ‖ index of the chunk (64 bits): never random, never twice under a subkey |
//! | associated data | SHA-256 of all that the subkey is made for (transfer, file, direction, …) ‖ index ‖ length of the plaintext ‖ flags: chunks can be neither moved, nor cut, nor swapped between files, nor taken for the last |
//! | going on | takes another key, or a higher epoch: an index that is sent again with other bytes must not repeat a nonce. Channels draw a key for each attempt ([`crate::channel::keys::ContentKey`]) and stay at epoch 0 |
//!
//! The order is in the index: a [`Sealer`] counts, an [`Opener`] takes chunks in order and knows whether the last has come. Where chunks go over
//! several connections, [`ChunkSealer`] and [`ChunkOpener`] do the same by index, and remember nothing: see there for what the caller owes.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey},
    digest, hkdf,
};
use zeroize::Zeroizing;

/// Length of a transfer's key, in bytes.
pub const KEY_LEN: usize = 32;
/// What a sealed chunk is longer than its plaintext, in bytes.
pub const TAG_LEN: usize = 16;
/// Most bytes of plaintext in a chunk.
pub const MAX_CHUNK: usize = 4 * 1024 * 1024;
/// Most chunks of a stream: far below the limit of the cipher for chunks of this size.
pub const MAX_CHUNKS: u64 = 1 << 32;

const VERSION: u8 = 1;

// For `scripts/relay-sees.sh`, which shows by it that what a relay cannot see is hidden by the seal, and found where there is none.
#[cfg(all(confkit_unsealed, not(debug_assertions)))]
compile_error!("confkit_unsealed leaves everything plain: it is for a test, and for no other build than one with debug assertions");

/// Why a chunk was not sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Another key, another place in another stream, or changed on the way. The peer's fault, or that of whoever is between.
    #[error("a sealed chunk does not open: wrong key, or changed on the way")]
    Forged,
    /// There was a last chunk already.
    #[error("there is a sealed chunk behind the last")]
    BehindLast,
    /// No [`TAG_LEN`] bytes behind the plaintext. The caller's fault.
    #[error("a chunk was given no room for its tag")]
    NoRoom,
    /// Over [`MAX_CHUNK`] or [`MAX_CHUNKS`].
    #[error("a chunk is too large to be sealed, or there are too many")]
    TooLarge,
}

/// The cipher of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cipher {
    /// AES-256-GCM: for processors that have AES.
    #[default]
    Aes256Gcm,
    /// ChaCha20-Poly1305: for those that have not.
    ChaCha20Poly1305,
}

impl Cipher {
    /// The byte that stands for it where keys are made, and in what is handed over: 1 and 2.
    pub fn byte(self) -> u8 {
        match self {
            Self::Aes256Gcm => 1,
            Self::ChaCha20Poly1305 => 2,
        }
    }

    /// That of a byte.
    pub fn from_byte(byte: u8) -> Option<Self> {
        [Self::Aes256Gcm, Self::ChaCha20Poly1305].into_iter().find(|cipher| cipher.byte() == byte)
    }
}

/// Which way a stream goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From whoever offered the transfer.
    FromOfferer,
    /// To it.
    ToOfferer,
}

/// Which stream a subkey is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// The cipher.
    pub cipher: Cipher,
    /// Which way.
    pub direction: Direction,
    /// The transfer's identifier, any bytes.
    pub transfer: Vec<u8>,
    /// The file in it, or 0 for a whole batch.
    pub file: u32,
    /// Raised by one with each resume.
    pub epoch: u32,
}

/// A transfer's key. Debug shows nothing; wiped when dropped.
#[derive(Clone)]
pub struct TransferKey(Zeroizing<[u8; KEY_LEN]>);

impl TransferKey {
    /// From its bytes, which are random (`crate::clock::seed`) or agreed upon.
    pub fn new(bytes: [u8; KEY_LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// In hexadecimal digits, to be compared with what others have computed.
    #[cfg(test)]
    pub(crate) fn shown(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn subkey(&self, stream: &Stream) -> LessSafeKey {
        let algorithm = match stream.cipher {
            Cipher::Aes256Gcm => &AES_256_GCM,
            Cipher::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        };
        // Only a wrong length is refused, and both take 32 bytes.
        LessSafeKey::new(UnboundKey::new(algorithm, &*self.derive(stream)).expect("the cipher takes 32 bytes"))
    }

    fn derive(&self, stream: &Stream) -> Zeroizing<[u8; KEY_LEN]> {
        let mut out = Zeroizing::new([0; KEY_LEN]);
        let info = stream.head();
        // Fails only for outputs over 255 hash lengths.
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"confkit seal subkey v1")
            .extract(&*self.0)
            .expand(&[&info], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut *out))
            .expect("HKDF gives 32 bytes");
        out
    }
}

impl fmt::Debug for TransferKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransferKey(…)")
    }
}

impl Stream {
    /// What names the stream, each part of fixed length or behind its length.
    fn head(&self) -> Vec<u8> {
        let direction = match self.direction {
            Direction::FromOfferer => 1,
            Direction::ToOfferer => 2,
        };
        let mut head = vec![VERSION, self.cipher.byte(), direction];
        head.extend_from_slice(&(self.transfer.len() as u64).to_be_bytes());
        head.extend_from_slice(&self.transfer);
        head.extend_from_slice(&self.file.to_be_bytes());
        head.extend_from_slice(&self.epoch.to_be_bytes());
        head
    }
}

/// The flag of a stream's last chunk. The others of the byte mean what the carrier says; all are sealed, though sent in the clear.
pub const LAST: u8 = 1;

/// Length of what is authenticated beside the chunk, in bytes.
const ASSOCIATED: usize = 32 + 8 + 4 + 1;

/// A stream's key, and where its chunks are in it: what all sealers and openers share. Nothing is allocated for a chunk.
struct Chunks {
    key: LessSafeKey,
    head: [u8; 32],
    epoch: u32,
}

impl Chunks {
    fn new(key: &TransferKey, stream: &Stream) -> Self {
        let mut head = [0; 32];
        head.copy_from_slice(digest::digest(&digest::SHA256, &stream.head()).as_ref());
        Self { key: key.subkey(stream), head, epoch: stream.epoch }
    }

    /// Nonce and associated data of a chunk.
    fn place(&self, index: u64, plain: usize, flags: u8) -> Result<(Nonce, Aad<[u8; ASSOCIATED]>), SealError> {
        let len = u32::try_from(plain).ok().filter(|_| plain <= MAX_CHUNK && index < MAX_CHUNKS).ok_or(SealError::TooLarge)?;
        let mut nonce = [0; 12];
        let (epoch, at) = nonce.split_at_mut(4);
        epoch.copy_from_slice(&self.epoch.to_be_bytes());
        at.copy_from_slice(&index.to_be_bytes());
        let mut associated = [0; ASSOCIATED];
        let (head, rest) = associated.split_at_mut(32);
        let (at, rest) = rest.split_at_mut(8);
        let (length, flag) = rest.split_at_mut(4);
        head.copy_from_slice(&self.head);
        at.copy_from_slice(&index.to_be_bytes());
        length.copy_from_slice(&len.to_be_bytes());
        flag.fill(flags);
        Ok((Nonce::assume_unique_for_key(nonce), Aad::from(associated)))
    }

    fn seal(&self, index: u64, flags: u8, chunk: &mut [u8]) -> Result<(), SealError> {
        let plain = chunk.len().checked_sub(TAG_LEN).ok_or(SealError::NoRoom)?;
        let (nonce, associated) = self.place(index, plain, flags)?;
        if cfg!(confkit_unsealed) {
            return Ok(());
        }
        let (plain, room) = chunk.split_at_mut(plain);
        let tag = self.key.seal_in_place_separate_tag(nonce, associated, plain).map_err(|_| SealError::TooLarge)?;
        room.copy_from_slice(tag.as_ref());
        Ok(())
    }

    fn open<'a>(&self, index: u64, flags: u8, chunk: &'a mut [u8]) -> Result<&'a mut [u8], SealError> {
        let plain = chunk.len().checked_sub(TAG_LEN).ok_or(SealError::Forged)?;
        let (nonce, associated) = self.place(index, plain, flags)?;
        if cfg!(confkit_unsealed) {
            return Ok(chunk.split_at_mut(plain).0);
        }
        self.key.open_in_place(nonce, associated, chunk).map_err(|_| SealError::Forged)
    }
}

/// Seals the chunks of a stream by index, whatever their order: for several connections, which may share it.
///
/// **The caller seals each index once**, with one plaintext: it is the nonce, and a second plaintext under it would give both away, and the
/// means to forge. A stream that is gone on with has another key or a higher epoch.
pub struct ChunkSealer(Chunks);

impl ChunkSealer {
    /// For a stream.
    pub fn new(key: &TransferKey, stream: &Stream) -> Self {
        Self(Chunks::new(key, stream))
    }

    /// Seals a chunk where it stands: `chunk` is the plaintext and [`TAG_LEN`] bytes of room behind it, which take the tag.
    ///
    /// # Errors
    /// It is too large, the index too high, or there is no room for the tag: the caller's fault, and nothing has changed.
    pub fn seal_at(&self, index: u64, flags: u8, chunk: &mut [u8]) -> Result<(), SealError> {
        self.0.seal(index, flags, chunk)
    }
}

impl fmt::Debug for ChunkSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChunkSealer(epoch {})", self.0.epoch)
    }
}

/// Opens the chunks of a stream by index, whatever their order.
///
/// **The caller takes each index once, and knows when all are there**: a chunk that is sent again opens again, here as at any time, and a stream
/// whose last chunk was held back looks like one that goes on.
pub struct ChunkOpener(Chunks);

impl ChunkOpener {
    /// For a stream.
    pub fn new(key: &TransferKey, stream: &Stream) -> Self {
        Self(Chunks::new(key, stream))
    }

    /// Opens a chunk where it stands and gives the plaintext.
    ///
    /// # Errors
    /// It is not the chunk of this index and these flags of this stream under this key. What stands in `chunk` then is worth nothing.
    pub fn open_at<'a>(&self, index: u64, flags: u8, chunk: &'a mut [u8]) -> Result<&'a mut [u8], SealError> {
        self.0.open(index, flags, chunk)
    }
}

impl fmt::Debug for ChunkOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChunkOpener(epoch {})", self.0.epoch)
    }
}

/// Counts chunks for both ends.
struct Order {
    chunks: Chunks,
    index: u64,
    ended: bool,
}

impl Order {
    fn new(key: &TransferKey, stream: &Stream) -> Self {
        Self { chunks: Chunks::new(key, stream), index: 0, ended: false }
    }

    fn next(&self, last: bool) -> Result<u8, SealError> {
        if self.ended { Err(SealError::BehindLast) } else { Ok(if last { LAST } else { 0 }) }
    }

    fn passed(&mut self, last: bool) {
        (self.index, self.ended) = (self.index + 1, last);
    }
}

/// Seals the chunks of a stream in order.
pub struct Sealer(Order);

impl Sealer {
    /// For a stream.
    pub fn new(key: &TransferKey, stream: &Stream) -> Self {
        Self(Order::new(key, stream))
    }

    /// Seals a chunk where it stands; the tag is appended.
    ///
    /// # Errors
    /// It is too large, there are too many, or the last has been sealed; the chunk is as it was.
    pub fn seal(&mut self, chunk: &mut Vec<u8>, last: bool) -> Result<(), SealError> {
        let (flags, plain) = (self.0.next(last)?, chunk.len());
        chunk.resize(plain + TAG_LEN, 0);
        self.0.chunks.seal(self.0.index, flags, chunk).inspect_err(|_| chunk.truncate(plain))?;
        self.0.passed(last);
        Ok(())
    }

    /// Chunks sealed.
    pub fn count(&self) -> u64 {
        self.0.index
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer(epoch {}, chunk {})", self.0.chunks.epoch, self.0.index)
    }
}

/// Opens the chunks of a stream in order.
pub struct Opener(Order);

impl Opener {
    /// For a stream.
    pub fn new(key: &TransferKey, stream: &Stream) -> Self {
        Self(Order::new(key, stream))
    }

    /// Opens the next chunk where it stands and gives the plaintext.
    ///
    /// # Errors
    /// It is not the next chunk of this stream under this key; nothing has moved then.
    pub fn open<'a>(&mut self, chunk: &'a mut [u8], last: bool) -> Result<&'a [u8], SealError> {
        let flags = self.0.next(last)?;
        let opened = self.0.chunks.open(self.0.index, flags, chunk)?;
        self.0.passed(last);
        Ok(opened)
    }

    /// Whether the last chunk has come: a stream that ends before was cut.
    pub fn is_complete(&self) -> bool {
        self.0.ended
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opener(epoch {}, chunk {})", self.0.chunks.epoch, self.0.index)
    }
}

#[cfg(test)]
#[path = "seal/tests.rs"]
mod tests;
