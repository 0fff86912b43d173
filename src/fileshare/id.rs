//! Names of what is shared.

use std::{fmt, str::FromStr};

use rand::RngExt as _;
use rand_chacha::ChaCha12Rng;

/// Longest [`ConfId`], in bytes.
pub const MAX_CONF_ID: usize = 64;

/// Why a text is none of these names. The fault of whoever wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// No [`ShareId`].
    #[error("a share is called share-<number>")]
    Share,
    /// No [`ConfId`].
    #[error("a data conference is called by 1 to {MAX_CONF_ID} letters, digits, \".\", \"_\" and \"-\"")]
    Conf,
}

/// A share within its conference, as people type it: `share-3`. Numbers are never given twice within a conference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShareId(pub u32);

impl fmt::Display for ShareId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("share-{}", self.0))
    }
}

impl FromStr for ShareId {
    type Err = IdError;

    /// One spelling only: no sign, no leading zero.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let number = text.strip_prefix("share-").and_then(|digits| digits.parse().ok()).map(Self).ok_or(IdError::Share)?;
        if number.to_string() == text { Ok(number) } else { Err(IdError::Share) }
    }
}

/// A data conference, globally unique: the ConfID of S402, user part of the URI by which the AS calls the FS.
///
/// Ours are 32 hexadecimal digits; those of other application servers may be 1 to [`MAX_CONF_ID`] of `A-Z a-z 0-9 . _ -`. Case counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConfId(String);

impl ConfId {
    /// A new one: 128 random bits.
    pub fn random(rng: &mut ChaCha12Rng) -> Self {
        Self(format!("{:032x}", rng.random::<u128>()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConfId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for ConfId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let sound = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if sound && (1..=MAX_CONF_ID).contains(&text.len()) { Ok(Self(text.to_owned())) } else { Err(IdError::Conf) }
    }
}

/// A batch of files: the "Id" of table 1. The sharer's terminal draws it; it tells a new batch from a repetition of an old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub u64);

impl BatchId {
    /// A new one: 64 random bits.
    pub fn random(rng: &mut ChaCha12Rng) -> Self {
        Self(rng.random())
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn a_share_has_one_spelling() {
        assert_eq!("share-12".parse(), Ok(ShareId(12)));
        for text in ["", "12", "share-", "share-012", "share-+1", "share--1", "Share-1", "share-4294967296", "share-1 "] {
            assert_eq!(text.parse::<ShareId>(), Err(IdError::Share), "{text:?}");
        }
    }

    #[test]
    fn a_data_conferences_name_fits_a_uri() {
        let conf = ConfId::random(&mut ChaCha12Rng::from_seed([1; 32]));
        assert_eq!((conf.as_str().len(), conf.as_str().parse()), (32, Ok(conf.clone())));
        for text in ["", "a b", "a@b", "ä", "a\r\n", &"x".repeat(65)] {
            assert_eq!(text.parse::<ConfId>(), Err(IdError::Conf), "{text:?}");
        }
    }
}
