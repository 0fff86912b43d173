//! The line that a key stands on.
//!
//! serde_yaml tells positions only of errors. So the text is read once more by a reader that follows a path and stops with an error at its
//! end: the error's position is that of the key.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::node::{Path, Step};

/// The line, from 1, of the key or list member at a path; `None` if nothing stands there.
pub fn line_of(text: &str, path: &Path) -> Option<usize> {
    let (first, rest) = path.steps().split_first()?;
    let reached = Cell::new(false);
    let follow = Follow { step: first, rest, reached: &reached };
    let error = follow.deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    // The way may end in another error: a text where the path goes on.
    error.location().filter(|_| reached.get()).map(|location| location.line())
}

/// Goes one step down, and further.
#[derive(Clone, Copy)]
struct Follow<'a> {
    step: &'a Step,
    rest: &'a [Step],
    /// Set where the path ends.
    reached: &'a Cell<bool>,
}

/// What is done with the value behind a step.
enum Next<'a> {
    Follow(Follow<'a>),
    Stop,
}

impl<'a> Follow<'a> {
    fn next(self) -> Next<'a> {
        self.rest.split_first().map_or(Next::Stop, |(step, rest)| Next::Follow(Self { step, rest, ..self }))
    }
}

impl<'de> DeserializeSeed<'de> for Follow<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Follow<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map or a list on the way to the path")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Step::Key(wanted) = self.step else { return Err(A::Error::custom("a map where the path has a list")) };
        // A key at the end of the path stops the reader at once; one on the way is followed into its value.
        let last = matches!(self.next(), Next::Stop);
        while let Some(found) = map.next_key_seed(KeySeed { wanted, reached: last.then_some(self.reached) })? {
            match self.next() {
                Next::Follow(next) if found => return map.next_value_seed(next),
                Next::Follow(_) | Next::Stop => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Step::Index(wanted) = self.step else { return Err(A::Error::custom("a list where the path has a map")) };
        for _ in 0..*wanted {
            if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        match self.next() {
            Next::Follow(next) => list.next_element_seed(next).map(|_| ()),
            Next::Stop => list.next_element_seed(Stop { reached: self.reached }).map(|_| ()),
        }
    }
}

/// Reads a key: whether it is the one wanted, or an error at it.
struct KeySeed<'a> {
    wanted: &'a str,
    /// Set, and the reader stopped, where the key is the end of the path.
    reached: Option<&'a Cell<bool>>,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        // deserialize_any would make a number of `1:`; a key is compared as it is written.
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<bool, E> {
        match self.reached {
            Some(reached) if key == self.wanted => {
                reached.set(true);
                Err(E::custom("here"))
            }
            _ => Ok(key == self.wanted),
        }
    }
}

/// An error at whatever comes.
struct Stop<'a> {
    reached: &'a Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Stop<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.reached.set(true);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Stop<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }

    // Whatever stands here has no method of its own in this visitor, and so is an error; but a map's and a list's would carry the position of
    // what is in them if they were read.
    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(A::Error::custom("here"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(A::Error::custom("here"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# a comment\nroles: [as]\nlisten:\n  sip:\n    - transport: udp\n      address: 127.0.0.1:5060\n\n    - address: 127.0.0.1:1\n      \
                        transport: tls\n  http: []\nmedia: {ports: 1,\n  latch: yes}\n\"quo\\\"ted\": 1\n";

    fn line(path: &Path) -> Option<usize> {
        line_of(TEXT, path)
    }

    #[test]
    fn keys_and_list_members_are_found_on_their_lines() {
        assert_eq!(line(&Path::of_keys("roles")), Some(2));
        assert_eq!(line(&Path::of_keys("listen.sip")), Some(4));
        let second = Path::of_keys("listen.sip").index(1);
        assert_eq!(line(&second), Some(8));
        assert_eq!(line(&second.key("transport")), Some(9));
        assert_eq!(line(&Path::of_keys("listen.http")), Some(10));
        assert_eq!(line(&Path::of_keys("media.latch")), Some(12));
        assert_eq!(line(&Path::default().key("quo\"ted")), Some(13));
    }

    #[test]
    fn what_is_not_there_has_no_line() {
        assert_eq!(line(&Path::of_keys("media.ports.first")), None);
        assert_eq!(line(&Path::of_keys("nothing")), None);
        assert_eq!(line(&Path::of_keys("listen.sip").index(7)), None);
        assert_eq!(line(&Path::default()), None);
    }
}
