//! The SHA-256 fingerprint of a certificate (RFC 8122 §5): what makes a self-made certificate trustworthy.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest;

/// SHA-256 of a certificate's DER bytes. Printed as `sha-256 4A:AD:…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// Why a text is no fingerprint that we take. The fault of whoever wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FingerprintError {
    /// Another hash than SHA-256: RFC 8122 §5 wants it from everybody.
    #[error("the fingerprint is by another hash than sha-256")]
    Hash,
    /// Not 32 bytes in hexadecimal, separated by colons.
    #[error("a sha-256 fingerprint is 32 bytes in hexadecimal, with colons between them")]
    Bytes,
}

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of_certificate(der: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha-256 {}", colon_hex(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// The hash's name without case; hexadecimal digits of either case.
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let (hash, bytes) = text.trim().split_once(' ').ok_or(FingerprintError::Bytes)?;
        if !hash.eq_ignore_ascii_case("sha-256") {
            return Err(FingerprintError::Hash);
        }
        from_colon_hex(bytes.trim()).map(Self).ok_or(FingerprintError::Bytes)
    }
}

/// `4A:AD:…`, as RFC 8122 and RFC 5547 write hashes.
pub(super) fn colon_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

/// The bytes of `4A:AD:…`; `None` where these are not `N` bytes.
pub(super) fn from_colon_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let mut words = text.split(':');
    for byte in &mut bytes {
        *byte = hex_byte(words.next()?)?;
    }
    words.next().is_none().then_some(bytes)
}

/// Lower-case hexadecimal, as XML bodies of ours have digests.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The 32 bytes of 64 hexadecimal digits.
pub(super) fn from_hex(text: &str) -> Option<[u8; 32]> {
    let (mut bytes, mut rest) = ([0; 32], text);
    for byte in &mut bytes {
        let (digits, behind) = rest.split_at_checked(2)?;
        *byte = hex_byte(digits)?;
        rest = behind;
    }
    rest.is_empty().then_some(bytes)
}

/// Two hexadecimal digits and nothing else: `from_str_radix` alone would take `+f`.
pub(super) fn hex_byte(word: &str) -> Option<u8> {
    let sound = word.len() == 2 && word.bytes().all(|b| b.is_ascii_hexdigit());
    u8::from_str_radix(word, 16).ok().filter(|_| sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_reads_as_written_in_either_case() {
        let fingerprint = Fingerprint::of_certificate(b"abc");
        let text = fingerprint.to_string();
        assert!(text.starts_with("sha-256 BA:78:16:BF:"), "{text}");
        assert_eq!(text.parse(), Ok(fingerprint));
        assert_eq!(text.to_ascii_lowercase().replace("sha-256", "SHA-256").parse(), Ok(fingerprint));
    }

    #[test]
    fn what_is_no_sha_256_is_refused() {
        let sound = Fingerprint([0xab; 32]).to_string();
        for (text, error) in [
            (String::new(), FingerprintError::Bytes),
            ("sha-1 4A:AD".into(), FingerprintError::Hash),
            ("sha-256".into(), FingerprintError::Bytes),
            (sound.replace(':', ""), FingerprintError::Bytes),
            (format!("{sound}:AB"), FingerprintError::Bytes),
            (sound.replacen("AB:AB", "AB", 1), FingerprintError::Bytes),
            (sound.replacen("AB", "+B", 1), FingerprintError::Bytes),
            (sound.replacen("AB", "é", 1), FingerprintError::Bytes),
        ] {
            assert_eq!(text.parse::<Fingerprint>(), Err(error), "{text}");
        }
    }
}
