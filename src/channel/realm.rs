//! Which realm a server named when it was first signed in to. Contacts are users of a realm, so one that suddenly names another would make
//! every pinned identity a new one: it is pinned as they are, to the address by which the server is configured.
//!
//! The file of realms is text: a line for each server, `HOST[:PORT] REALM`; empty lines and such as begin with `#` are remarks, and stay.
//! Reading and writing it (0600) is the shell's. A server that is reached by another address is another one here.

use std::{collections::BTreeMap, fmt, str::FromStr};

use super::{identity::MAX_CONTACT, pinned::Lines};

/// Most servers in the file. The file of more is refused, and another one is not pinned.
pub const MAX_REALMS: usize = 10_000;
/// Longest address of a server, in bytes.
pub const MAX_SERVER: usize = 320;

/// A server as it is configured, `HOST` or `HOST:PORT`, without regard to case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerName(String);

/// A text that is no address of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a server is HOST or HOST:PORT, at most {MAX_SERVER} characters without spaces")]
pub struct ServerNameError;

impl FromStr for ServerName {
    type Err = ServerNameError;

    fn from_str(text: &str) -> Result<Self, ServerNameError> {
        let sound = !text.is_empty() && text.len() <= MAX_SERVER && is_one_word(text) && !text.starts_with('#');
        if sound { Ok(Self(text.to_ascii_lowercase())) } else { Err(ServerNameError) }
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What the pinned realms say about the one that a server names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RealmStanding {
    /// It is the one that was pinned.
    Known,
    /// There is none of this server yet.
    New,
    /// Another one was pinned.
    Changed {
        /// The pinned one.
        known: String,
    },
}

/// Why a file of realms cannot be used, or a realm not be kept. The file is not passed over: then every server would be a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RealmError {
    /// A line that is none.
    #[error("line {0} is not \"HOST:PORT REALM\": correct it or remove it")]
    Line(usize),
    /// A server that has two.
    #[error("line {0} gives a server a second realm: remove the wrong one")]
    Twice(usize),
    /// A realm that contacts cannot have.
    #[error("the server names a realm that has spaces, is empty, or is longer than {MAX_CONTACT} bytes")]
    Odd,
    /// Over [`MAX_REALMS`].
    #[error("there are more than {MAX_REALMS} servers: remove those that you do not need")]
    Full,
}

/// The realms of servers, as the file has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Realms {
    realms: BTreeMap<ServerName, String>,
    lines: Lines,
}

impl Realms {
    /// Reads the file's text.
    ///
    /// # Errors
    /// A line is none, or there are too many.
    pub fn parse(text: &str) -> Result<Self, RealmError> {
        let mut realms = BTreeMap::new();
        for (number, server, realm) in Lines::entries(text) {
            let server = server.parse().map_err(|_| RealmError::Line(number))?;
            let realm = realm.filter(|realm| is_realm(realm)).ok_or(RealmError::Line(number))?;
            if realms.insert(server, realm.to_owned()).is_some() {
                return Err(RealmError::Twice(number));
            }
            if realms.len() > MAX_REALMS {
                return Err(RealmError::Full);
            }
        }
        Ok(Self { realms, lines: Lines::new(text) })
    }

    /// The file's text, with its remarks.
    pub fn as_text(&self) -> &str {
        self.lines.as_str()
    }

    /// Pins the realm of a server that has none yet; one that has another keeps it.
    ///
    /// # Errors
    /// The realm is none that contacts can have, or there are [`MAX_REALMS`] servers already.
    pub fn pin(&mut self, server: ServerName, realm: &str) -> Result<RealmStanding, RealmError> {
        if !is_realm(realm) {
            return Err(RealmError::Odd);
        }
        match self.realms.get(&server) {
            Some(known) if known == realm => Ok(RealmStanding::Known),
            Some(known) => Ok(RealmStanding::Changed { known: known.clone() }),
            None if self.realms.len() >= MAX_REALMS => Err(RealmError::Full),
            None => {
                self.lines.append(&server, &realm);
                self.realms.insert(server, realm.to_owned());
                Ok(RealmStanding::New)
            }
        }
    }
}

fn is_realm(realm: &str) -> bool {
    !realm.is_empty() && realm.len() <= MAX_CONTACT && is_one_word(realm)
}

fn is_one_word(text: &str) -> bool {
    !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> ServerName {
        text.parse().expect("a server")
    }

    #[test]
    fn a_server_keeps_the_realm_that_it_first_named_and_another_one_is_a_change() {
        let mut realms = Realms::default();
        assert_eq!(realms.pin(server("conf.example:5060"), "conf.example"), Ok(RealmStanding::New));
        assert_eq!(realms.pin(server("CONF.example:5060"), "conf.example"), Ok(RealmStanding::Known));
        let known = "conf.example".to_owned();
        assert_eq!(realms.pin(server("conf.example:5060"), "other.example"), Ok(RealmStanding::Changed { known }));
        assert_eq!(realms.pin(server("conf.example:5060"), "conf.example"), Ok(RealmStanding::Known), "the first stays");
        assert_eq!(realms.pin(server("[::1]:5070"), "other.example"), Ok(RealmStanding::New), "elsewhere it is another server");
        for odd in ["", "two words", "bell\u{7}", &"r".repeat(400)] {
            assert_eq!(realms.pin(server("odd.example"), odd), Err(RealmError::Odd), "{odd:?}");
        }
    }

    #[test]
    fn the_file_is_a_line_for_each_server_and_is_not_guessed_at() {
        let mut realms = Realms::parse("# kept by fshare\n\nz:5060 one\n  a   two").expect("a file");
        assert_eq!(realms.pin(server("a"), "two"), Ok(RealmStanding::Known));
        assert_eq!(realms.pin(server("b"), "three"), Ok(RealmStanding::New));
        assert_eq!(realms.as_text(), "# kept by fshare\n\nz:5060 one\n  a   two\nb three\n", "with what people wrote");
        assert_eq!(Realms::parse(realms.as_text()), Ok(realms));
        for (text, why) in [
            ("a".to_owned(), RealmError::Line(1)),
            ("\na one more".to_owned(), RealmError::Line(2)),
            (format!("{} one", "a".repeat(400)), RealmError::Line(1)),
            (format!("a {}", "r".repeat(400)), RealmError::Line(1)),
            ("a one\nA two".to_owned(), RealmError::Twice(2)),
            ((0..=MAX_REALMS).map(|n| format!("h{n} one\n")).collect(), RealmError::Full),
        ] {
            assert_eq!(Realms::parse(&text), Err(why), "{}", text.get(..60).unwrap_or(&text));
        }
        let mut full = Realms::parse(&(0..MAX_REALMS).map(|n| format!("h{n} one\n")).collect::<String>()).expect("a file");
        assert_eq!(full.pin(server("another"), "one"), Err(RealmError::Full));
    }
}
