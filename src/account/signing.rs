//! Ed25519 keys (RFC 8032): of the `as`, which signs tickets, and of clients, which sign what they agree on.
//!
//! Every use signs behind a label of its own, so that what was signed for one is nothing for another. Public keys stand in texts as 43
//! characters of base64url.

use std::{fmt, str::FromStr};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// Length of a seed and of a public key, in bytes.
pub const SIGNING_KEY_LEN: usize = 32;
/// Length of a signature, in bytes.
pub const SIGNATURE_LEN: usize = 64;

/// A key that signs. Debug shows the public half only; the seed is wiped when dropped.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    seed: Zeroizing<[u8; SIGNING_KEY_LEN]>,
}

/// What a signature is verified with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; SIGNING_KEY_LEN]);

/// A signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; SIGNATURE_LEN]);

/// A text that is no public key or no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an Ed25519 {what} is {bytes} bytes in base64url")]
pub struct SigningTextError {
    what: &'static str,
    bytes: usize,
}

impl SigningKey {
    /// The key of a seed: 32 bytes that nobody else has.
    pub fn from_seed(seed: &[u8; SIGNING_KEY_LEN]) -> Self {
        // Only a wrong length is refused, and the type excludes that.
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("Ed25519 takes a seed of 32 bytes");
        Self { pair, seed: Zeroizing::new(*seed) }
    }

    /// The seed, to be kept.
    pub fn seed(&self) -> &[u8; SIGNING_KEY_LEN] {
        &self.seed
    }

    /// What its signatures are verified with.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; SIGNING_KEY_LEN];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey(bytes)
    }

    /// Signs bytes behind a label. No label may be the beginning of another.
    pub fn sign(&self, label: &[u8], bytes: &[u8]) -> Signature {
        let mut signature = [0; SIGNATURE_LEN];
        signature.copy_from_slice(self.pair.sign(&[label, bytes].concat()).as_ref());
        Signature(signature)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(… of {})", self.public())
    }
}

impl PublicKey {
    /// True for the signature of its other half over these bytes behind this label.
    pub fn verifies(&self, label: &[u8], bytes: &[u8], signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(&[label, bytes].concat(), &signature.0).is_ok()
    }
}

/// How bytes of a fixed length stand in texts.
macro_rules! base64url {
    ($name:ident, $what:literal, $len:expr) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&URL_SAFE_NO_PAD.encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = SigningTextError;

            fn from_str(text: &str) -> Result<Self, SigningTextError> {
                let odd = SigningTextError { what: $what, bytes: $len };
                // One more than fits, so that nobody makes us decode at length.
                let text = text.get(..text.len().min(2 * $len)).ok_or(odd)?;
                URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(odd)
            }
        }
    };
}

base64url!(PublicKey, "public key", SIGNING_KEY_LEN);
base64url!(Signature, "signature", SIGNATURE_LEN);

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex");
        std::array::from_fn(byte)
    }

    #[test]
    fn it_is_ed25519_as_rfc_8032_has_it() {
        // §7.1, test 2: the message is the byte 72.
        let key = SigningKey::from_seed(&bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"));
        assert_eq!(key.public(), PublicKey(bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")));
        let signature = Signature(bytes(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ));
        assert_eq!(key.sign(&[], &[0x72]), signature);
        assert!(key.public().verifies(&[], &[0x72], &signature));
    }

    #[test]
    fn a_signature_holds_for_one_key_one_label_and_these_bytes() {
        let (key, other) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
        let signature = key.sign(b"one", b"text");
        assert!(key.public().verifies(b"one", b"text", &signature));
        assert!(!other.public().verifies(b"one", b"text", &signature));
        assert!(!key.public().verifies(b"two", b"text", &signature));
        assert!(!key.public().verifies(b"one", b"Text", &signature));
    }

    #[test]
    fn keys_and_signatures_have_one_text_each_and_no_seed_is_shown() {
        let key = SigningKey::from_seed(&[1; 32]);
        let (public, signature) = (key.public(), key.sign(b"one", b"text"));
        assert_eq!(public.to_string().parse(), Ok(public));
        assert_eq!(signature.to_string().parse(), Ok(signature));
        for odd in ["", "AAAA", "ä", &"A".repeat(44), &format!("{public}="), &"A".repeat(1000)] {
            assert!(odd.parse::<PublicKey>().is_err(), "{odd}");
        }
        assert_eq!(format!("{key:?}"), format!("SigningKey(… of {public})"));
    }
}
