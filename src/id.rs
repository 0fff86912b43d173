//! Names and numbers of the things that all parts speak of: conferences, participants, users.
//!
//! Each is a type of its own, checked once where it enters (a Request-URI, a command line, a configuration file, the store), so that the
//! code behind the door need not ask again whether a name is sound. Out of scope: what a name refers to.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Longest conference name and identifier, in bytes.
pub const MAX_CONFERENCE_NAME: usize = 64;
/// Longest user name, in bytes.
pub const MAX_USER_NAME: usize = 64;

/// User parts of URIs with a meaning of their own (`sip:control@as`, `sip:factory@as`); `conf=…` is kept free by its equals sign.
pub const RESERVED_NAMES: [&str; 3] = ["anonymous", "control", "factory"];

/// The prefix of the names that guests are shown by (`guest-7`); no account and no conference may have it.
pub const GUEST_PREFIX: &str = "guest-";

/// Why a text is no name or identifier. The fault of whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// Nothing there.
    #[error("the {kind} is empty")]
    Empty {
        /// What was to be read.
        kind: &'static str,
    },
    /// Longer than allowed.
    #[error("the {kind} is longer than {max} bytes")]
    TooLong {
        /// What was to be read.
        kind: &'static str,
        /// The bound, in bytes.
        max: usize,
    },
    /// A character that may not stand there.
    #[error("the {kind} \"{text}\" may hold only {allowed}, and starts with a letter or digit")]
    Character {
        /// What was to be read.
        kind: &'static str,
        /// The text, with control characters escaped.
        text: String,
        /// What may stand in it.
        allowed: &'static str,
    },
    /// The name means something else.
    #[error("the {kind} \"{text}\" is reserved")]
    Reserved {
        /// What was to be read.
        kind: &'static str,
        /// The name.
        text: String,
    },
    /// Not of the form of this identifier.
    #[error("\"{text}\" is no {kind} (expected {form})")]
    Form {
        /// What was to be read.
        kind: &'static str,
        /// The text, with control characters escaped.
        text: String,
        /// What it looks like.
        form: &'static str,
    },
}

/// A type around a checked text: reading, printing, comparing, serde.
macro_rules! text_id {
    ($name:ident) => {
        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

/// The name of a conference: the user part of its URI (`sip:standup@as`).
///
/// 1 to [`MAX_CONFERENCE_NAME`] of `a-z 0-9 . _ -`, the first a letter or digit. Upper case is folded to lower, so that a name that was
/// dictated over the telephone is found; two names that differ only by case are one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConferenceName(String);

text_id!(ConferenceName);

impl FromStr for ConferenceName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let kind = "conference name";
        let folded = text.to_ascii_lowercase();
        name_of("letters, digits, \".\", \"_\" and \"-\"", kind, &folded, MAX_CONFERENCE_NAME)?;
        Ok(Self(folded))
    }
}

/// The identifier of a conference at a media server: what stands behind `conf=` in `sip:conf=<id>@ms` (RFC 4240 §4).
///
/// 1 to [`MAX_CONFERENCE_NAME`] of the unreserved characters of a URI but for the marks that invite quoting: `A-Z a-z 0-9 . _ - ~`. Case
/// counts. For a conference of ours it is its name; other application servers may use whatever they like.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConferenceId(String);

text_id!(ConferenceId);

impl FromStr for ConferenceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let kind = "conference identifier";
        check(kind, text, MAX_CONFERENCE_NAME, "letters, digits, \".\", \"_\", \"-\" and \"~\"", |b| {
            b.is_ascii_alphanumeric() || b"._-~".contains(&b)
        })?;
        Ok(Self(text.to_owned()))
    }
}

impl From<&ConferenceName> for ConferenceId {
    fn from(name: &ConferenceName) -> Self {
        Self(name.0.clone())
    }
}

/// The name of an account: the user part of its address of record and the user name of its digest.
///
/// 1 to [`MAX_USER_NAME`] of `a-z 0-9 . _ -`, the first a letter or digit. Upper case is refused rather than folded: the name is part of
/// the digest (RFC 7616 §3.4.2), and a terminal that sends it otherwise than it was stored could never authenticate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserName(String);

text_id!(UserName);

impl FromStr for UserName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        name_of("lower-case letters, digits, \".\", \"_\" and \"-\"", "user name", text, MAX_USER_NAME)?;
        Ok(Self(text.to_owned()))
    }
}

/// A participant of one conference; never given twice within it. Printed as `p7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ParticipantId(pub u32);

impl fmt::Display for ParticipantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("p{}", self.0))
    }
}

impl FromStr for ParticipantId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        numbered(text, "p").map(Self).ok_or_else(|| IdError::Form { kind: "participant id", text: shown(text), form: "p7" })
    }
}

impl TryFrom<String> for ParticipantId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<ParticipantId> for String {
    fn from(id: ParticipantId) -> Self {
        id.to_string()
    }
}

/// The number of a guest in one conference; printed as `guest-7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GuestNumber(pub u32);

impl fmt::Display for GuestNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{GUEST_PREFIX}{}", self.0))
    }
}

impl FromStr for GuestNumber {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        numbered(text, GUEST_PREFIX).map(Self).ok_or_else(|| IdError::Form { kind: "guest", text: shown(text), form: "guest-7" })
    }
}

/// A name of ours: the alphabet of [`UserName`], and none of the names that mean something else.
fn name_of(allowed: &'static str, kind: &'static str, text: &str, max: usize) -> Result<(), IdError> {
    check(kind, text, max, allowed, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))?;
    if RESERVED_NAMES.contains(&text) || text.starts_with(GUEST_PREFIX) {
        return Err(IdError::Reserved { kind, text: text.to_owned() });
    }
    Ok(())
}

fn check(kind: &'static str, text: &str, max: usize, allowed: &'static str, may: impl Fn(u8) -> bool) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { kind });
    }
    if text.len() > max {
        return Err(IdError::TooLong { kind, max });
    }
    if !text.bytes().all(may) || !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(IdError::Character { kind, text: shown(text), allowed });
    }
    Ok(())
}

/// The number behind a prefix, in its one canonical form: no sign, no leading zero, so that one id has one spelling.
fn numbered(text: &str, prefix: &str) -> Option<u32> {
    let digits = text.strip_prefix(prefix)?;
    let number = digits.parse().ok()?;
    (digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'))).then_some(number)
}

/// A rejected text as it may stand in a message: no control characters, and not endless.
fn shown(text: &str) -> String {
    text.chars().take(MAX_CONFERENCE_NAME).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conference_name_is_found_whatever_its_case() {
        assert_eq!("StandUp".parse::<ConferenceName>(), "standup".parse());
        assert_eq!("42".parse::<ConferenceName>().expect("digits").as_str(), "42");
    }

    #[test]
    fn names_that_mean_something_else_are_refused() {
        for name in ["control", "Factory", "anonymous", "guest-1", "guest-"] {
            assert!(matches!(name.parse::<ConferenceName>(), Err(IdError::Reserved { .. })), "{name}");
        }
        assert!(matches!("conf=x".parse::<ConferenceName>(), Err(IdError::Character { .. })));
        assert!(matches!("guest-9".parse::<UserName>(), Err(IdError::Reserved { .. })));
    }

    #[test]
    fn a_user_name_in_upper_case_is_refused_because_its_digest_would_never_match() {
        let error = "Alice".parse::<UserName>().expect_err("upper case").to_string();
        assert_eq!(
            error,
            "the user name \"Alice\" may hold only lower-case letters, digits, \".\", \"_\" and \"-\", and starts with a letter or digit"
        );
    }

    #[test]
    fn hostile_names_are_refused_and_shown_safely() {
        for name in ["", ".", "-a", "a b", "a\u{1b}[2J", "a/b", "ä", "a@b", &"x".repeat(65)] {
            let error = name.parse::<UserName>().expect_err("refused").to_string();
            assert!(!error.contains('\u{1b}'), "{error:?}");
        }
        assert_eq!("x".repeat(64).parse::<UserName>().expect("64 are allowed").as_str().len(), 64);
    }

    #[test]
    fn a_participant_id_has_one_spelling() {
        assert_eq!("p17".parse(), Ok(ParticipantId(17)));
        assert_eq!(ParticipantId(17).to_string(), "p17");
        for text in ["17", "p", "p017", "p+1", "p-1", "p4294967296", "P1"] {
            assert!(text.parse::<ParticipantId>().is_err(), "{text}");
        }
        assert_eq!("guest-3".parse(), Ok(GuestNumber(3)));
    }
}
