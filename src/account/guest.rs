//! Guests: callers from outside our domains, who have no account.

use std::{fmt, str::FromStr};

/// Who is let into a conference without an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum GuestPolicy {
    /// Let in while the server listens on loopback only, refused as soon as it listens wider.
    #[default]
    Auto,
    /// Let in.
    Yes,
    /// Refused.
    No,
}

impl GuestPolicy {
    /// True if guests are let in by a server that listens on loopback only, or not.
    pub fn admits(self, loopback_only: bool) -> bool {
        match self {
            Self::Auto => loopback_only,
            Self::Yes => true,
            Self::No => false,
        }
    }
}

/// Why a text is no guest policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a guest policy is auto, yes or no")]
pub struct GuestPolicyError;

impl FromStr for GuestPolicy {
    type Err = GuestPolicyError;

    fn from_str(text: &str) -> Result<Self, GuestPolicyError> {
        match text {
            "auto" => Ok(Self::Auto),
            "yes" | "true" => Ok(Self::Yes),
            "no" | "false" => Ok(Self::No),
            _ => Err(GuestPolicyError),
        }
    }
}

impl fmt::Display for GuestPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Auto => "auto",
            Self::Yes => "yes",
            Self::No => "no",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_guests_are_let_in_on_loopback_only() {
        assert!(GuestPolicy::default().admits(true));
        assert!(!GuestPolicy::default().admits(false));
        assert!(GuestPolicy::Yes.admits(false) && !GuestPolicy::No.admits(true));
    }

    #[test]
    fn printing_and_reading_agree() {
        for policy in [GuestPolicy::Auto, GuestPolicy::Yes, GuestPolicy::No] {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        assert!("maybe".parse::<GuestPolicy>().is_err());
    }
}
