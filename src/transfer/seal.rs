//! Sealing of a transfer's chunks end to end: AES-256-GCM, STREAM-like.
//!
//! | what | how |
//! |---|---|
//! | subkey | HKDF-SHA256 of the transfer's key over protocol, cipher, direction, transfer, file and epoch: no two streams share one |
//! | nonce | epoch (32 bits) ‖ index of the chunk (64 bits): never random, never twice under a subkey |
//! | associated data | all of the above with index, length of the plaintext and whether it is the last: chunks can be neither moved, nor cut, nor swapped between files |
//! | commitment | 32 bytes from the same HKDF, sent ahead and compared in constant time: a stream opens under one key only |
//! | resume | raises the epoch, so that an index sent again with other bytes does not repeat a nonce |
//!
//! The order is in the index: a [`Sealer`] counts, an [`Opener`] takes chunks in order and knows whether the last has come.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey},
    constant_time, hkdf,
};
use zeroize::Zeroizing;

/// Length of a transfer's key and of a commitment, in bytes.
pub const KEY_LEN: usize = 32;
/// What a sealed chunk is longer than its plaintext, in bytes.
pub const TAG_LEN: usize = 16;
/// Most bytes of plaintext in a chunk.
pub const MAX_CHUNK: usize = 4 * 1024 * 1024;
/// Most chunks of a stream: far below the limit of the cipher for chunks of this size.
pub const MAX_CHUNKS: u64 = 1 << 32;

const VERSION: u8 = 1;

/// Why a chunk was not sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Another key, another place in another stream, or changed on the way. The peer's fault, or that of whoever is between.
    #[error("a sealed chunk does not open: wrong key, or changed on the way")]
    Forged,
    /// The commitment is another: the peer has another key.
    #[error("the peer has another key")]
    Key,
    /// There was a last chunk already.
    #[error("there is a sealed chunk behind the last")]
    BehindLast,
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

    /// What the sender of a stream sends ahead of it.
    pub fn commitment(&self, stream: &Stream) -> [u8; KEY_LEN] {
        *self.derive(b"confkit seal commitment v1", stream)
    }

    /// Whether the peer's commitment is that of our key.
    ///
    /// # Errors
    /// It is another's.
    pub fn check_commitment(&self, stream: &Stream, commitment: &[u8]) -> Result<(), SealError> {
        constant_time::verify_slices_are_equal(&self.commitment(stream), commitment).map_err(|_| SealError::Key)
    }

    fn subkey(&self, stream: &Stream) -> LessSafeKey {
        let algorithm = match stream.cipher {
            Cipher::Aes256Gcm => &AES_256_GCM,
            Cipher::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        };
        // Only a wrong length is refused, and both take 32 bytes.
        LessSafeKey::new(UnboundKey::new(algorithm, &*self.derive(b"confkit seal subkey v1", stream)).expect("the cipher takes 32 bytes"))
    }

    fn derive(&self, label: &[u8], stream: &Stream) -> Zeroizing<[u8; KEY_LEN]> {
        let mut out = Zeroizing::new([0; KEY_LEN]);
        let info = stream.head();
        // Fails only for outputs over 255 hash lengths.
        hkdf::Salt::new(hkdf::HKDF_SHA256, label)
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
        let cipher = match self.cipher {
            Cipher::Aes256Gcm => 1,
            Cipher::ChaCha20Poly1305 => 2,
        };
        let direction = match self.direction {
            Direction::FromOfferer => 1,
            Direction::ToOfferer => 2,
        };
        let mut head = vec![VERSION, cipher, direction];
        head.extend_from_slice(&(self.transfer.len() as u64).to_be_bytes());
        head.extend_from_slice(&self.transfer);
        head.extend_from_slice(&self.file.to_be_bytes());
        head.extend_from_slice(&self.epoch.to_be_bytes());
        head
    }
}

/// Counts and places chunks for both ends.
struct Place {
    key: LessSafeKey,
    head: Vec<u8>,
    epoch: u32,
    index: u64,
    ended: bool,
}

impl Place {
    fn new(key: &TransferKey, stream: &Stream) -> Self {
        Self { key: key.subkey(stream), head: stream.head(), epoch: stream.epoch, index: 0, ended: false }
    }

    /// Nonce and associated data of the next chunk.
    fn next(&self, plain: usize, last: bool) -> Result<(Nonce, Aad<Vec<u8>>), SealError> {
        if self.ended {
            return Err(SealError::BehindLast);
        }
        if plain > MAX_CHUNK || self.index >= MAX_CHUNKS {
            return Err(SealError::TooLarge);
        }
        let mut nonce = [0; 12];
        let (epoch, index) = nonce.split_at_mut(4);
        epoch.copy_from_slice(&self.epoch.to_be_bytes());
        index.copy_from_slice(&self.index.to_be_bytes());
        let mut associated = Vec::with_capacity(self.head.len() + 13);
        associated.extend_from_slice(&self.head);
        associated.extend_from_slice(&self.index.to_be_bytes());
        associated.extend_from_slice(&u32::try_from(plain).unwrap_or(u32::MAX).to_be_bytes());
        associated.push(u8::from(last));
        Ok((Nonce::assume_unique_for_key(nonce), Aad::from(associated)))
    }

    fn passed(&mut self, last: bool) {
        (self.index, self.ended) = (self.index + 1, last);
    }
}

/// Seals the chunks of a stream in order.
pub struct Sealer(Place);

impl Sealer {
    /// For a stream.
    pub fn new(key: &TransferKey, stream: &Stream) -> Self {
        Self(Place::new(key, stream))
    }

    /// Seals a chunk where it stands; the tag is appended.
    ///
    /// # Errors
    /// It is too large, there are too many, or the last has been sealed.
    pub fn seal(&mut self, chunk: &mut Vec<u8>, last: bool) -> Result<(), SealError> {
        let (nonce, associated) = self.0.next(chunk.len(), last)?;
        self.0.key.seal_in_place_append_tag(nonce, associated, chunk).map_err(|_| SealError::TooLarge)?;
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
        write!(f, "Sealer(epoch {}, chunk {})", self.0.epoch, self.0.index)
    }
}

/// Opens the chunks of a stream in order.
pub struct Opener(Place);

impl Opener {
    /// For a stream.
    pub fn new(key: &TransferKey, stream: &Stream) -> Self {
        Self(Place::new(key, stream))
    }

    /// Opens the next chunk where it stands and gives the plaintext.
    ///
    /// # Errors
    /// It is not the next chunk of this stream under this key; nothing has moved then.
    pub fn open<'a>(&mut self, chunk: &'a mut [u8], last: bool) -> Result<&'a [u8], SealError> {
        let plain = chunk.len().checked_sub(TAG_LEN).ok_or(SealError::Forged)?;
        let (nonce, associated) = self.0.next(plain, last)?;
        let opened = self.0.key.open_in_place(nonce, associated, chunk).map_err(|_| SealError::Forged)?;
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
        write!(f, "Opener(epoch {}, chunk {})", self.0.epoch, self.0.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        Stream { cipher: Cipher::Aes256Gcm, direction: Direction::FromOfferer, transfer: b"t1".to_vec(), file: 0, epoch: 0 }
    }

    fn key() -> TransferKey {
        TransferKey::new([7; KEY_LEN])
    }

    fn sealed(stream: &Stream, chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut sealer = Sealer::new(&key(), stream);
        let seal = |(at, chunk): (usize, &&[u8])| {
            let mut bytes = chunk.to_vec();
            sealer.seal(&mut bytes, at + 1 == chunks.len()).expect("seals");
            bytes
        };
        chunks.iter().enumerate().map(seal).collect()
    }

    #[test]
    fn a_stream_opens_in_order_and_knows_its_end() {
        for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
            let stream = Stream { cipher, ..stream() };
            let chunks: [&[u8]; 3] = [b"one", b"", b"three"];
            let mut opener = Opener::new(&key(), &stream);
            for (at, mut chunk) in sealed(&stream, &chunks).into_iter().enumerate() {
                assert!(!opener.is_complete());
                assert_eq!(opener.open(&mut chunk, at == 2).expect("opens"), chunks[at]);
            }
            assert!(opener.is_complete());
            assert_eq!(opener.open(&mut [0; 20], false), Err(SealError::BehindLast));
        }
    }

    #[test]
    fn chunks_are_neither_moved_nor_cut_nor_repeated_nor_taken_for_the_last() {
        let all = sealed(&stream(), &[b"same", b"same", b"same"]);
        let opens = |at: usize, last: bool| Opener::new(&key(), &stream()).open(&mut all[at].clone(), last).is_ok();
        assert_eq!([opens(0, false), opens(1, false), opens(2, true), opens(0, true)], [true, false, false, false]);
        let mut opener = Opener::new(&key(), &stream());
        opener.open(&mut all[0].clone(), false).expect("the first");
        assert_eq!(opener.open(&mut all[0].clone(), false), Err(SealError::Forged), "repeated");
        assert_eq!(opener.open(&mut all[1].clone()[..10], false), Err(SealError::Forged), "cut");
        assert_eq!(opener.open(&mut [0; 3], false), Err(SealError::Forged), "shorter than a tag");
        for bit in 0..all[1].len() * 8 {
            let mut changed = all[1].clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opener.open(&mut changed, false), Err(SealError::Forged), "bit {bit}");
        }
        opener.open(&mut all[1].clone(), false).expect("nothing has moved by what did not open");
    }

    #[test]
    fn a_stream_opens_neither_as_another_nor_under_another_key() {
        let chunk = &sealed(&stream(), &[b"secret"])[0];
        let others = [
            Stream { direction: Direction::ToOfferer, ..stream() },
            Stream { transfer: b"t2".to_vec(), ..stream() },
            Stream { file: 1, ..stream() },
            Stream { epoch: 1, ..stream() },
            Stream { cipher: Cipher::ChaCha20Poly1305, ..stream() },
        ];
        for other in &others {
            assert_eq!(Opener::new(&key(), other).open(&mut chunk.clone(), true), Err(SealError::Forged), "{other:?}");
            assert_ne!(sealed(other, &[b"secret"])[0], *chunk, "{other:?}");
            assert_eq!(key().check_commitment(other, &key().commitment(&stream())), Err(SealError::Key), "{other:?}");
        }
        let foreign = TransferKey::new([8; KEY_LEN]);
        assert!(Opener::new(&foreign, &stream()).open(&mut chunk.clone(), true).is_err());
        assert_eq!(foreign.check_commitment(&stream(), &key().commitment(&stream())), Err(SealError::Key));
        assert_eq!(key().check_commitment(&stream(), &key().commitment(&stream())), Ok(()));
    }

    #[test]
    fn a_chunk_over_the_bound_is_not_sealed_and_no_secret_is_shown() {
        let mut sealer = Sealer::new(&key(), &stream());
        assert_eq!(sealer.seal(&mut vec![0; MAX_CHUNK + 1], false), Err(SealError::TooLarge));
        assert_eq!((sealer.count(), format!("{:?} {sealer:?}", key())), (0, "TransferKey(…) Sealer(epoch 0, chunk 0)".to_owned()));
    }
}
