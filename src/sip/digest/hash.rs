//! Algorithms, H(A1), and the response that proves knowledge of it (RFC 7616 §3.4.1).

use std::fmt;

use md5::{Digest as _, Md5};

use super::{Proof, Qop};

/// A digest algorithm; the order is the order of preference (RFC 8760 §2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// MD5, for clients that know nothing better.
    Md5,
}

impl Algorithm {
    /// The word that stands for it in a challenge.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    /// The algorithm that a word stands for, compared without case; `None` for one that is not known here.
    pub fn from_token(token: &str) -> Option<Self> {
        [Self::Sha256, Self::Md5].into_iter().find(|a| token.eq_ignore_ascii_case(a.as_str()))
    }

    /// The hash of some bytes, in lower-case hex digits.
    pub(super) fn hash(self, bytes: &[u8]) -> String {
        match self {
            Self::Sha256 => hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref()),
            Self::Md5 => hex(&Md5::digest(bytes)),
        }
    }

    /// How many hex digits a hash has.
    pub(super) fn digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Md5 => 32,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// H(A1): what stands for a password within one realm. Whoever has it can log in, so Debug shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1 {
    algorithm: Algorithm,
    hex: String,
}

impl Ha1 {
    /// The hash of `username:realm:password`.
    pub fn new(algorithm: Algorithm, username: &str, realm: &str, password: &str) -> Self {
        Self { algorithm, hex: algorithm.hash(format!("{username}:{realm}:{password}").as_bytes()) }
    }

    /// A hash that was stored: 64 hex digits for SHA-256, 32 for MD5; `None` for anything else.
    pub fn from_hex(algorithm: Algorithm, hex: &str) -> Option<Self> {
        let valid = hex.len() == algorithm.digits() && hex.bytes().all(|b| b.is_ascii_hexdigit());
        valid.then(|| Self { algorithm, hex: hex.to_ascii_lowercase() })
    }

    /// The hex digits, to be sealed and stored.
    pub fn expose(&self) -> &str {
        &self.hex
    }

    /// The algorithm it was made with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The `response` of a request (RFC 7616 §3.4.1; without a proof of protection, RFC 2069's).
    pub(super) fn response(&self, nonce: &str, proof: Option<&Proof>, method: &str, uri: &str, body: &[u8]) -> String {
        let hash = |text: String| self.algorithm.hash(text.as_bytes());
        let a2 = match proof.map(|p| p.qop) {
            Some(Qop::AuthInt) => format!("{method}:{uri}:{}", self.algorithm.hash(body)),
            Some(Qop::Auth) | None => format!("{method}:{uri}"),
        };
        let (a1, a2) = (&self.hex, hash(a2));
        match proof {
            Some(Proof { qop, cnonce, nc }) => hash(format!("{a1}:{nonce}:{nc:08x}:{cnonce}:{}:{a2}", qop.as_str())),
            None => hash(format!("{a1}:{nonce}:{a2}")),
        }
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ha1({:?}, …)", self.algorithm)
    }
}

/// Lower-case hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
