//! Who a client is to other clients: an Ed25519 key that it made itself, which the AS has no part in.
//!
//! A contact's key is pinned when the first transfer with it is accepted, as SSH pins hosts. From then on another key is refused loudly, until
//! the user takes the old one out. Whether the first one was right, two users find out by reading their [`PublicKey`]s' words to each other
//! (`--verify`, [`words`]): an AS that puts itself between them has to show each a key of its own, and its words are others.
//!
//! A user has one identity for each client folder; whoever uses several machines copies the file, or is known on one of them only.
//!
//! The file of known identities is text: a line for each contact, `USER@REALM KEY`; empty lines and such as begin with `#` are remarks, and
//! stay. Reading and writing it (0600) is the shell's.

use std::{collections::BTreeMap, fmt, str::FromStr};

use aws_lc_rs::digest::{SHA256, digest};
use bip0039::English;

use super::pinned::Lines;
use crate::{
    account::{PublicKey, SigningKey},
    id::UserName,
};

/// Words of an identity: 11 bits each.
pub const IDENTITY_WORDS: usize = 6;
/// Most contacts in the file. The file of more is refused, and another one is not pinned.
pub const MAX_KNOWN: usize = 10_000;
/// Longest name of a contact, in bytes.
pub const MAX_CONTACT: usize = 320;

const WORDS: &[u8] = b"confkit identity words v1";

/// The own identity.
#[derive(Debug)]
pub struct Own {
    /// The account that it is used with.
    pub user: UserName,
    /// The key.
    pub key: SigningKey,
}

/// A contact: a user of a server, which its realm names wherever it is reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contact(String);

/// A text that is no contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a contact is USER@REALM, at most {MAX_CONTACT} characters without spaces")]
pub struct ContactError;

impl Contact {
    /// The user of a realm.
    ///
    /// # Errors
    /// The realm has spaces or is too long.
    pub fn new(user: &UserName, realm: &str) -> Result<Self, ContactError> {
        format!("{user}@{realm}").parse()
    }
}

impl FromStr for Contact {
    type Err = ContactError;

    fn from_str(text: &str) -> Result<Self, ContactError> {
        let sound = text.len() <= MAX_CONTACT
            && !text.contains(|c: char| c.is_whitespace() || c.is_control())
            && text.split_once('@').is_some_and(|(user, realm)| user.parse::<UserName>().is_ok() && !realm.is_empty());
        if sound { Ok(Self(text.to_owned())) } else { Err(ContactError) }
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The words of an identity, to be read out and compared: those of whoever shows another key are others, but for one chance in 2^66.
pub fn words(contact: &Contact, key: &PublicKey) -> String {
    let said = [WORDS, &u64::try_from(contact.0.len()).unwrap_or(u64::MAX).to_be_bytes(), contact.0.as_bytes(), &key.0].concat();
    let digest = digest(&SHA256, &said);
    let list = English::words();
    let word = |at: usize| {
        let index = (0..11).fold(0_usize, |index, bit| {
            let place = at * 11 + bit;
            let byte = digest.as_ref().get(place / 8).copied().unwrap_or_default();
            index << 1 | usize::from(byte >> (7 - place % 8) & 1)
        });
        list.get(index).copied().unwrap_or_default()
    };
    (0..IDENTITY_WORDS).map(word).collect::<Vec<_>>().join(" ")
}

/// What the pinned keys say about one that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is the one that was pinned.
    Known,
    /// There is none of this contact yet.
    New,
    /// Another one was pinned.
    Changed {
        /// The pinned one.
        known: PublicKey,
    },
}

/// How a shown key stands to what is known of its contact.
pub fn judge(known: Option<PublicKey>, shown: &PublicKey) -> Standing {
    match known {
        None => Standing::New,
        Some(known) if known == *shown => Standing::Known,
        Some(known) => Standing::Changed { known },
    }
}

/// The identity keys of contacts, as the file has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    keys: BTreeMap<Contact, PublicKey>,
    lines: Lines,
}

/// Why a file of known identities cannot be used. It is not passed over: then every key would be a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KnownError {
    /// A line that is none.
    #[error("line {0} is not \"USER@REALM KEY\": correct it or remove it")]
    Line(usize),
    /// A contact that has two.
    #[error("line {0} gives a contact a second key: remove the wrong one")]
    Twice(usize),
    /// Over [`MAX_KNOWN`].
    #[error("there are more than {MAX_KNOWN} known identities: remove those that you do not need")]
    Full,
}

impl Known {
    /// Reads the file's text.
    ///
    /// # Errors
    /// A line is none, or there are too many.
    pub fn parse(text: &str) -> Result<Self, KnownError> {
        let mut keys = BTreeMap::new();
        for (number, contact, key) in Lines::entries(text) {
            let contact = contact.parse().map_err(|_| KnownError::Line(number))?;
            let key = key.and_then(|key| key.parse().ok()).ok_or(KnownError::Line(number))?;
            if keys.insert(contact, key).is_some() {
                return Err(KnownError::Twice(number));
            }
            if keys.len() > MAX_KNOWN {
                return Err(KnownError::Full);
            }
        }
        Ok(Self { keys, lines: Lines::new(text) })
    }

    /// The file's text, with its remarks.
    pub fn as_text(&self) -> &str {
        self.lines.as_str()
    }

    /// The key of a contact.
    pub fn get(&self, contact: &Contact) -> Option<PublicKey> {
        self.keys.get(contact).copied()
    }

    /// Pins the key of a contact that has none yet; one that has another keeps it.
    ///
    /// # Errors
    /// There are [`MAX_KNOWN`] already.
    pub fn pin(&mut self, contact: Contact, key: PublicKey) -> Result<Standing, KnownError> {
        let standing = judge(self.get(&contact), &key);
        if standing == Standing::New {
            if self.keys.len() >= MAX_KNOWN {
                return Err(KnownError::Full);
            }
            self.lines.append(&contact, &key);
            self.keys.insert(contact, key);
        }
        Ok(standing)
    }

    /// Takes a contact out, so that its next key is a new one; true if it was there.
    pub fn forget(&mut self, contact: &Contact) -> bool {
        self.lines.remove(|who| who.parse().is_ok_and(|who: Contact| who == *contact));
        self.keys.remove(contact).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(text: &str) -> Contact {
        text.parse().expect("a contact")
    }

    fn key(seed: u8) -> PublicKey {
        SigningKey::from_seed(&[seed; 32]).public()
    }

    #[test]
    fn an_identity_has_these_words_and_another_key_or_another_contact_has_others() {
        let alice = contact("alice@conf.example");
        assert_eq!(words(&alice, &key(7)), "obvious pottery youth mother science avoid");
        assert_ne!(words(&alice, &key(8)), words(&alice, &key(7)));
        assert_ne!(words(&contact("bob@conf.example"), &key(7)), words(&alice, &key(7)));
    }

    #[test]
    fn a_key_is_pinned_once_and_another_one_is_a_change_until_the_first_is_forgotten() {
        let (mut known, alice) = (Known::default(), contact("alice@conf.example"));
        assert_eq!(known.pin(alice.clone(), key(1)), Ok(Standing::New));
        assert_eq!(known.pin(alice.clone(), key(1)), Ok(Standing::Known));
        assert_eq!(known.pin(alice.clone(), key(2)), Ok(Standing::Changed { known: key(1) }));
        assert_eq!(known.get(&alice), Some(key(1)), "the first stays");
        assert_eq!(known.pin(contact("alice@other.example"), key(2)), Ok(Standing::New), "elsewhere it is somebody else");
        assert!(known.forget(&alice));
        assert!(!known.forget(&alice));
        assert_eq!(known.pin(alice, key(2)), Ok(Standing::New));
    }

    #[test]
    fn the_file_is_a_line_for_each_contact_and_is_not_guessed_at() {
        let text = format!("# kept by fshare\n\nbob@conf.example {}\n  alice@conf.example   {}  \n", key(2), key(1));
        let mut known = Known::parse(&text).expect("a file");
        assert_eq!(known.get(&contact("alice@conf.example")), Some(key(1)));
        assert_eq!(known.pin(contact("carol@conf.example"), key(3)), Ok(Standing::New));
        assert!(known.forget(&contact("alice@conf.example")));
        let written = format!("# kept by fshare\n\nbob@conf.example {}\ncarol@conf.example {}\n", key(2), key(3));
        assert_eq!(known.as_text(), written, "with what people wrote");
        assert_eq!(Known::parse(&written), Ok(known));
        let one = key(1);
        for (text, why) in [
            ("alice@conf.example".to_owned(), KnownError::Line(1)),
            (format!("\nalice {one}"), KnownError::Line(2)),
            (format!("alice@ {one}"), KnownError::Line(1)),
            (format!("@conf.example {one}"), KnownError::Line(1)),
            (format!("alice@conf.example {one}x"), KnownError::Line(1)),
            (format!("alice@conf.example {one} more"), KnownError::Line(1)),
            (format!("{}@conf.example {one}", "a".repeat(400)), KnownError::Line(1)),
            (format!("alice@a {one}\nalice@a {one}"), KnownError::Twice(2)),
            ((0..=MAX_KNOWN).map(|n| format!("u{n}@a {one}\n")).collect(), KnownError::Full),
        ] {
            assert_eq!(Known::parse(&text), Err(why), "{}", text.get(..60).unwrap_or(&text));
        }
    }
}
