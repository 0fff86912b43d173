//! A chunk on a data connection: `length` of the ciphertext with its tag (4 bytes, big-endian), `index` (8), `flags` (1), then so many bytes.
//!
//! What is in the header is not secret, and what it says is bound into the seal.

pub use crate::transfer::seal::LAST;
use crate::transfer::seal::{MAX_CHUNK, MAX_CHUNKS, TAG_LEN};

/// Bytes of a header.
pub const HEADER: usize = 13;
/// Flag: the plaintext is compressed (a zstd frame).
pub const COMPRESSED: u8 = 2;

/// Why bytes are no header. The peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// Shorter than a tag, or over the bound.
    #[error("a chunk of {0} bytes")]
    Length(u32),
    /// Over the bound.
    #[error("chunk number {0}")]
    Index(u64),
    /// A flag that is not known.
    #[error("flags {0:#04x} of a chunk")]
    Flags(u8),
}

/// What stands before a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes that follow, the tag's included.
    pub length: u32,
    /// Its number in this attempt, from 0.
    pub index: u64,
    /// [`LAST`], [`COMPRESSED`].
    pub flags: u8,
}

impl Header {
    /// Reads one. The plaintext of a chunk has at most `chunk` bytes.
    ///
    /// # Errors
    /// It is out of bounds.
    pub fn read(bytes: [u8; HEADER], chunk: u32) -> Result<Self, ChunkError> {
        let [a, b, c, d, index @ .., flags] = bytes;
        let (length, index) = (u32::from_be_bytes([a, b, c, d]), u64::from_be_bytes(index));
        let most = usize::try_from(chunk).map_or(MAX_CHUNK, |chunk| chunk.min(MAX_CHUNK)) + TAG_LEN;
        if !usize::try_from(length).is_ok_and(|length| (TAG_LEN..=most).contains(&length)) {
            return Err(ChunkError::Length(length));
        }
        if index >= MAX_CHUNKS {
            return Err(ChunkError::Index(index));
        }
        if flags & !(LAST | COMPRESSED) != 0 {
            return Err(ChunkError::Flags(flags));
        }
        Ok(Self { length, index, flags })
    }

    /// As bytes.
    pub fn write(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let (length, rest) = bytes.split_at_mut(4);
        length.copy_from_slice(&self.length.to_be_bytes());
        let (index, flags) = rest.split_at_mut(8);
        index.copy_from_slice(&self.index.to_be_bytes());
        flags.copy_from_slice(&[self.flags]);
        bytes
    }

    /// Whether no chunk has a higher index.
    pub fn is_last(self) -> bool {
        self.flags & LAST != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_thirteen_bytes_and_is_read_again() {
        let header = Header { length: 262_160, index: 0x0102_0304, flags: LAST };
        assert_eq!(header.write(), [0, 4, 0, 16, 0, 0, 0, 0, 1, 2, 3, 4, 1]);
        assert_eq!(Header::read(header.write(), 262_144), Ok(header));
        assert!(header.is_last());
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_before_a_byte_of_it_is_read() {
        let of = |length, index, flags| Header::read(Header { length, index, flags }.write(), 1024);
        assert_eq!(of(1040, 0, 0).map(|header| header.length), Ok(1040));
        for (refused, why) in [
            (of(1041, 0, 0), ChunkError::Length(1041)),
            (of(15, 0, 0), ChunkError::Length(15)),
            (of(u32::MAX, 0, 0), ChunkError::Length(u32::MAX)),
            (of(16, MAX_CHUNKS, 0), ChunkError::Index(MAX_CHUNKS)),
            (of(16, 0, 4), ChunkError::Flags(4)),
        ] {
            assert_eq!(refused, Err(why));
        }
        let huge = Header { length: u32::try_from(MAX_CHUNK + TAG_LEN + 1).unwrap_or(0), index: 0, flags: 0 };
        assert!(Header::read(huge.write(), u32::MAX).is_err(), "whatever was agreed upon");
    }
}
