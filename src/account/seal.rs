//! Sealing of small secrets at rest: AES-256-GCM under a key of the data directory.
//!
//! A sealed value is `version (1) ‖ nonce (12) ‖ ciphertext ‖ tag (16)`. What it belongs to (account, conference, algorithm) is bound as
//! associated data, so that a sealed value moved to another row does not open. Nonces are random: a key would have to seal 2^32 values
//! before the chance of a repetition reached 2^-32, and a server seals a few per account.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

/// Length of the key, in bytes.
pub const KEY_LEN: usize = 32;

const VERSION: u8 = 1;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;

/// Why a value could not be sealed or opened. Ours, or that of whoever changed the data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Cut short, or written by a version of the program that we do not know.
    #[error("the sealed value is not of a form that this version knows")]
    Form,
    /// Sealed under another key, for another owner, or changed since.
    #[error("the sealed value does not open with the key of this data directory")]
    Key,
}

/// A key that seals. Debug shows nothing; the bytes it was made of are the caller's to wipe.
pub struct SealKey(RandomizedNonceKey);

impl SealKey {
    /// A key from its bytes, as they stand in the key file.
    pub fn new(bytes: &[u8; KEY_LEN]) -> Self {
        // Only a wrong length is refused, and the type excludes that.
        Self(RandomizedNonceKey::new(&AES_256_GCM, bytes).expect("AES-256 takes 32 bytes"))
    }

    /// Seals a value for an owner.
    pub fn seal(&self, owner: &[&str], value: &[u8]) -> Vec<u8> {
        let mut sealed = Zeroizing::new(value.to_vec());
        // Fails only where the operating system gives no entropy or the value passes 2^36 bytes; neither can be worked around.
        let nonce = self.0.seal_in_place_append_tag(Aad::from(associated(owner)), &mut *sealed).expect("AES-GCM seals a short value");
        [&[VERSION], nonce.as_ref().as_slice(), sealed.as_slice()].concat()
    }

    /// Opens a value for its owner.
    ///
    /// # Errors
    /// It is not of our form, or not sealed with this key for this owner.
    pub fn open(&self, owner: &[&str], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (version, rest) = sealed.split_first().ok_or(SealError::Form)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Form)?;
        if *version != VERSION || body.len() < TAG_LEN {
            return Err(SealError::Form);
        }
        let mut body = Zeroizing::new(body.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let len = self.0.open_in_place(nonce, Aad::from(associated(owner)), &mut body).map_err(|_| SealError::Key)?.len();
        body.truncate(len);
        Ok(body)
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(…)")
    }
}

/// The owner as associated data: each part behind its length, so that no two owners have the same bytes.
fn associated(owner: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in owner {
        bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SealKey {
        SealKey::new(&[3; KEY_LEN])
    }

    #[test]
    fn a_sealed_value_opens_for_its_owner_only() {
        let sealed = key().seal(&["alice", "MD5"], b"secret");
        assert_eq!(key().open(&["alice", "MD5"], &sealed).expect("opens").as_slice(), b"secret");
        assert_eq!(key().open(&["bob", "MD5"], &sealed), Err(SealError::Key));
        assert_eq!(key().open(&["aliceM", "D5"], &sealed), Err(SealError::Key), "parts do not run into each other");
        assert_eq!(SealKey::new(&[4; KEY_LEN]).open(&["alice", "MD5"], &sealed), Err(SealError::Key));
    }

    #[test]
    fn any_changed_bit_and_any_cut_is_noticed() {
        let sealed = key().seal(&["a"], b"v");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key().open(&["a"], &changed).is_err(), "bit of byte {at}");
            assert!(key().open(&["a"], &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn the_same_value_is_never_sealed_to_the_same_bytes() {
        assert_ne!(key().seal(&["a"], b"v"), key().seal(&["a"], b"v"));
    }
}
