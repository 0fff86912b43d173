//! Passwords, and what the server keeps of them.

use std::fmt;

use aws_lc_rs::{constant_time, digest};
use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

use crate::id::UserName;

/// Longest password, in bytes.
pub const MAX_PASSWORD: usize = 256;

/// Characters of a generated password: 32 of them, none that is mistaken for another when it is read out or typed.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Groups and characters a group of a generated password: 25 characters of 5 bits, 125 bits.
const GROUPS: usize = 5;
const GROUP: usize = 5;

/// Why a text is no password. The user's fault; the text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// Nothing there.
    #[error("the password is empty")]
    Empty,
    /// Longer than [`MAX_PASSWORD`].
    #[error("the password is longer than {MAX_PASSWORD} bytes")]
    TooLong,
    /// A control character, which no terminal types.
    #[error("the password holds a control character")]
    Control,
}

/// A password in the clear, for as short as possible; wiped when dropped, hidden in Debug, and not printable.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// A password from a file, the environment, a prompt.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, PasswordError> {
        match text {
            "" => Err(PasswordError::Empty),
            _ if text.len() > MAX_PASSWORD => Err(PasswordError::TooLong),
            _ if text.contains(char::is_control) => Err(PasswordError::Control),
            _ => Ok(Self(Zeroizing::new(text.to_owned()))),
        }
    }

    /// The password in a file's text: its first line, without the line end.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_file_text(text: &str) -> Result<Self, PasswordError> {
        Self::new(text.lines().next().unwrap_or_default())
    }

    /// A password made of 125 bits of a fresh seed, easy to type (`crate::clock::seed`).
    pub fn generate(seed: &[u8; 32]) -> Self {
        let letters: Vec<&[u8]> = seed.chunks_exact(GROUP).take(GROUPS).collect();
        let mut text = Zeroizing::new(String::with_capacity(GROUPS * (GROUP + 1)));
        for group in letters {
            if !text.is_empty() {
                text.push('-');
            }
            text.extend(group.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])));
        }
        Self(text)
    }

    /// The password itself: for the digest of a client, or to be written to a file of mode 0600.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// A hash of digest authentication that we keep H(A1) for (RFC 7616 §3.4; RFC 8760 puts SHA-256 first).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum A1Algorithm {
    /// SHA-256.
    Sha256,
    /// MD5, for telephones that know nothing else.
    Md5,
}

impl A1Algorithm {
    /// Both, best first.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Md5];

    /// The token of the `algorithm` parameter.
    pub fn token(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }
}

/// H(A1), the hash of `user:realm:password`: whoever has it can authenticate, so it is as secret as the password.
#[derive(Clone)]
pub struct HashedA1 {
    algorithm: A1Algorithm,
    bytes: Zeroizing<Vec<u8>>,
}

impl HashedA1 {
    /// The hash of a user's password in a realm.
    pub fn compute(algorithm: A1Algorithm, user: &UserName, realm: &str, password: &Password) -> Self {
        let a1 = Zeroizing::new(format!("{user}:{realm}:{}", password.reveal()));
        let bytes = match algorithm {
            A1Algorithm::Sha256 => digest::digest(&digest::SHA256, a1.as_bytes()).as_ref().to_vec(),
            A1Algorithm::Md5 => Md5::digest(a1.as_bytes()).to_vec(),
        };
        Self { algorithm, bytes: Zeroizing::new(bytes) }
    }

    /// The hash as it came out of its seal.
    pub(super) fn from_bytes(algorithm: A1Algorithm, bytes: Zeroizing<Vec<u8>>) -> Self {
        Self { algorithm, bytes }
    }

    /// The algorithm it was made with.
    pub fn algorithm(&self) -> A1Algorithm {
        self.algorithm
    }

    /// The raw hash: 32 bytes (SHA-256) or 16 (MD5).
    pub fn reveal(&self) -> &[u8] {
        &self.bytes
    }

    /// The hash in lower-case hexadecimal, as it enters the response (RFC 7616 §3.4.1).
    pub fn reveal_hex(&self) -> Zeroizing<String> {
        let mut hex = Zeroizing::new(String::with_capacity(2 * self.bytes.len()));
        for byte in self.bytes.iter() {
            hex.extend([byte >> 4, byte & 15].iter().filter_map(|half| char::from_digit(u32::from(*half), 16)));
        }
        hex
    }
}

impl PartialEq for HashedA1 {
    /// In constant time.
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && constant_time::verify_slices_are_equal(&self.bytes, &other.bytes).is_ok()
    }
}

impl Eq for HashedA1 {}

impl fmt::Debug for HashedA1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashedA1({}, …)", self.algorithm.token())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserName {
        name.parse().expect("user name")
    }

    #[test]
    fn h_a1_is_the_hash_of_user_realm_and_password() {
        // printf 'mufasa:http-auth@example.org:Circle of Life' | md5sum, sha256sum (the values of RFC 7616 §3.9.1, name in lower case).
        let password = Password::new("Circle of Life").expect("password");
        let md5 = HashedA1::compute(A1Algorithm::Md5, &user("mufasa"), "http-auth@example.org", &password);
        let sha = HashedA1::compute(A1Algorithm::Sha256, &user("mufasa"), "http-auth@example.org", &password);
        assert_eq!(md5.reveal_hex().as_str(), MUFASA_MD5);
        assert_eq!(sha.reveal_hex().as_str(), MUFASA_SHA256);
    }

    #[test]
    fn secrets_do_not_appear_in_debug() {
        let password = Password::new("hunter2").expect("password");
        let hash = HashedA1::compute(A1Algorithm::Md5, &user("alice"), "r", &password);
        let shown = format!("{password:?} {hash:?}");
        assert_eq!(shown, "Password(…) HashedA1(MD5, …)");
    }

    #[test]
    fn generated_passwords_are_typable_and_differ_with_the_seed() {
        let one = Password::generate(&[7; 32]);
        assert_eq!(one.reveal().len(), 29);
        assert!(one.reveal().bytes().all(|b| b == b'-' || ALPHABET.contains(&b)));
        let mut seed = [7; 32];
        seed[24] = 8;
        assert_ne!(Password::generate(&seed), one, "the last byte that is used counts");
    }

    #[test]
    fn a_password_file_is_its_first_line() {
        assert_eq!(Password::from_file_text("s3cret\r\n").map(|p| p.reveal().to_owned()), Ok("s3cret".to_owned()));
        assert_eq!(Password::from_file_text("\nx").map(|_| ()), Err(PasswordError::Empty));
        assert_eq!(Password::new("a\u{7}b").map(|_| ()), Err(PasswordError::Control));
        assert_eq!(Password::new(&"x".repeat(257)).map(|_| ()), Err(PasswordError::TooLong));
    }

    const MUFASA_MD5: &str = "e41c0f9e958da58f4bf79d91a815b0f6";
    const MUFASA_SHA256: &str = "3d259d65741395d6fa034086944f1882c790ee6422e3dea3dda37bc8c789166c";
}
