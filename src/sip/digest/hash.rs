//! Algorithms, H(A1), and the response that proves knowledge of it (RFC 7616 §3.4.1).

use std::fmt;

/// A digest algorithm; the order is the order of preference (RFC 8760 §2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// MD5, for clients that know nothing better.
    Md5,
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
        let _ = (algorithm, username, realm, password);
        unimplemented!()
    }

    /// A hash that was stored: 64 hex digits for SHA-256, 32 for MD5; `None` for anything else.
    pub fn from_hex(algorithm: Algorithm, hex: &str) -> Option<Self> {
        let _ = (algorithm, hex);
        unimplemented!()
    }

    /// The hex digits, to be sealed and stored.
    pub fn expose(&self) -> &str {
        &self.hex
    }

    /// The algorithm it was made with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ha1({:?}, …)", self.algorithm)
    }
}
