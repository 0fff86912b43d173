//! Who has which right in a conference: a preset for each, and what was given to accounts and taken from them since.
//!
//! A right is a word, such as `share`; which there are is known to whoever looks after them. What is printed is what is stored:
//! `share=named share+bob share-carol`.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::Serialize;

use crate::id::UserName;

/// Most decisions about accounts in one conference; see [`Rights::give`].
pub const MAX_GIVEN: usize = 1000;
/// Most rights with a preset of their own in one conference; see [`Rights::set_preset`].
pub const MAX_PRESETS: usize = 16;
/// Longest name of a right, in bytes.
pub const MAX_RIGHT: usize = 32;

/// Who has a right without a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Everybody; guests receive, but share nothing.
    #[default]
    All,
    /// The chair.
    Chair,
    /// Nobody but those who are named by a grant.
    Named,
}

/// Why a text is no preset, or no rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RightsError {
    /// Another word.
    #[error("a preset is all, chair or named")]
    Preset,
    /// Neither `right=preset` nor `right+user` nor `right-user`.
    #[error("rights are right=preset, right+user and right-user")]
    Form,
    /// More than [`MAX_GIVEN`] or [`MAX_PRESETS`].
    #[error("there are too many rights")]
    Many,
}

/// The rights of one conference, as far as it says so itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rights {
    presets: BTreeMap<String, Preset>,
    given: BTreeMap<(String, UserName), bool>,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::All, Self::Chair, Self::Named];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Chair => "chair",
            Self::Named => "named",
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Preset {
    type Err = RightsError;

    fn from_str(text: &str) -> Result<Self, RightsError> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == text).ok_or(RightsError::Preset)
    }
}

impl Rights {
    /// Who has a right without a grant; `None` where the configuration decides.
    pub fn preset(&self, right: &str) -> Option<Preset> {
        self.presets.get(right).copied()
    }

    /// Sets who has a right without a grant.
    ///
    /// # Errors
    /// [`RightsError::Form`] where that can be no right, [`RightsError::Many`].
    pub fn set_preset(&mut self, right: &str, preset: Preset) -> Result<(), RightsError> {
        sound(right)?;
        if self.presets.len() >= MAX_PRESETS && !self.presets.contains_key(right) {
            return Err(RightsError::Many);
        }
        self.presets.insert(right.to_owned(), preset);
        Ok(())
    }

    /// Whether an account was given a right (`true`), or had it taken; it goes before the preset.
    pub fn given(&self, right: &str, user: &UserName) -> Option<bool> {
        self.given.get(&(right.to_owned(), user.clone())).copied()
    }

    /// All accounts that were given a right (`true`), or had it taken: by right, then by name.
    pub fn all_given(&self) -> impl Iterator<Item = (&str, &UserName, bool)> {
        self.given.iter().map(|((right, user), on)| (right.as_str(), user, *on))
    }

    /// Gives an account a right, or takes it.
    ///
    /// # Errors
    /// [`RightsError::Form`] where that can be no right, [`RightsError::Many`].
    pub fn give(&mut self, right: &str, user: UserName, on: bool) -> Result<(), RightsError> {
        sound(right)?;
        let key = (right.to_owned(), user);
        if self.given.len() >= MAX_GIVEN && !self.given.contains_key(&key) {
            return Err(RightsError::Many);
        }
        self.given.insert(key, on);
        Ok(())
    }
}

/// Lower-case letters, so that what follows in print is told from it.
fn sound(right: &str) -> Result<(), RightsError> {
    let sound = (1..=MAX_RIGHT).contains(&right.len()) && right.bytes().all(|b| b.is_ascii_lowercase());
    if sound { Ok(()) } else { Err(RightsError::Form) }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let presets = self.presets.iter().map(|(right, preset)| format!("{right}={preset}"));
        let given = self.given.iter().map(|((right, user), on)| format!("{right}{}{user}", if *on { '+' } else { '-' }));
        f.write_str(&presets.chain(given).collect::<Vec<_>>().join(" "))
    }
}

impl FromStr for Rights {
    type Err = RightsError;

    fn from_str(text: &str) -> Result<Self, RightsError> {
        let mut rights = Self::default();
        for word in text.split_ascii_whitespace() {
            let at = word.find(|c: char| !c.is_ascii_lowercase()).ok_or(RightsError::Form)?;
            let (right, rest) = word.split_at(at);
            let user = |name: &str| name.parse::<UserName>().map_err(|_| RightsError::Form);
            match rest.split_at_checked(1) {
                Some(("=", preset)) => rights.set_preset(right, preset.parse()?)?,
                Some(("+", name)) => rights.give(right, user(name)?, true)?,
                Some(("-", name)) => rights.give(right, user(name)?, false)?,
                _ => return Err(RightsError::Form),
            }
        }
        Ok(rights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserName {
        name.parse().unwrap()
    }

    #[test]
    fn what_is_printed_is_read_again() {
        let mut rights = Rights::default();
        rights.set_preset("share", Preset::Named).unwrap();
        rights.give("share", user("bob"), true).unwrap();
        rights.give("share", user("a-b.c_d"), false).unwrap();
        rights.give("receive", user("bob"), false).unwrap();
        assert_eq!(rights.to_string(), "share=named receive-bob share-a-b.c_d share+bob");
        assert_eq!(rights.to_string().parse(), Ok(rights.clone()));
        assert_eq!((rights.preset("share"), rights.preset("receive")), (Some(Preset::Named), None));
        assert_eq!((rights.given("share", &user("bob")), rights.given("share", &user("carol"))), (Some(true), None));
        assert_eq!("".parse(), Ok(Rights::default()));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for odd in ["share", "share=everybody", "share+", "share+Bob", "=all", "Share=all", "share*bob", "é"] {
            assert!(odd.parse::<Rights>().is_err(), "{odd}");
        }
        assert_eq!(Rights::default().set_preset("two words", Preset::All), Err(RightsError::Form));
    }

    #[test]
    fn there_are_bounds_and_a_decision_can_be_changed_at_them() {
        let mut rights = Rights::default();
        for at in 0..MAX_GIVEN {
            rights.give("share", user(&format!("u{at}")), true).unwrap();
        }
        assert_eq!(rights.give("share", user("late"), true), Err(RightsError::Many));
        assert_eq!(rights.give("share", user("u7"), false), Ok(()));
    }
}
