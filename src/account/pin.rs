//! Conference PINs: digits that open a conference, and what is kept of them.

use std::{fmt, str::FromStr};

use aws_lc_rs::{constant_time, digest};
use zeroize::Zeroizing;

use super::{SealError, SealKey};
use crate::id::ConferenceName;

/// Fewest digits of a PIN.
pub const MIN_PIN: usize = 4;
/// Most digits of a PIN.
pub const MAX_PIN: usize = 16;

/// Why a text is no PIN. The user's fault; the text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a PIN is {MIN_PIN} to {MAX_PIN} digits, so that it can be typed on a telephone")]
pub struct PinError;

/// A PIN in the clear; wiped when dropped, hidden in Debug.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin(Zeroizing<String>);

impl Pin {
    /// The digits.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of the PIN of a conference: a hash, sealed. (A hash alone would not hide so few digits; the seal does.)
    pub fn seal(&self, key: &SealKey, conference: &ConferenceName) -> SealedPin {
        SealedPin(key.seal(&owner(conference), &hash(self)))
    }
}

impl FromStr for Pin {
    type Err = PinError;

    /// White space around the digits is dropped: the PIN may come from a file.
    fn from_str(text: &str) -> Result<Self, PinError> {
        let digits = text.trim();
        if (MIN_PIN..=MAX_PIN).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(Zeroizing::new(digits.to_owned())))
        } else {
            Err(PinError)
        }
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(…)")
    }
}

/// The sealed verifier of a PIN, bound to its conference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPin(pub Vec<u8>);

impl SealedPin {
    /// True if this is the PIN; compared in constant time.
    ///
    /// # Errors
    /// The verifier does not open.
    pub fn verify(&self, key: &SealKey, conference: &ConferenceName, pin: &Pin) -> Result<bool, SealError> {
        let kept = key.open(&owner(conference), &self.0)?;
        Ok(constant_time::verify_slices_are_equal(&kept, &hash(pin)).is_ok())
    }
}

fn owner(conference: &ConferenceName) -> [&str; 2] {
    ["confkit conference pin", conference.as_str()]
}

fn hash(pin: &Pin) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(digest::digest(&digest::SHA256, pin.0.as_bytes()).as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::KEY_LEN;

    #[test]
    fn a_pin_opens_its_conference_and_no_other() {
        let key = SealKey::new(&[1; KEY_LEN]);
        let (standup, retro) = ("standup".parse().expect("name"), "retro".parse().expect("name"));
        let pin: Pin = "4711\n".parse().expect("pin");
        let sealed = pin.seal(&key, &standup);
        assert_eq!(sealed.verify(&key, &standup, &pin), Ok(true));
        assert_eq!(sealed.verify(&key, &standup, &"4712".parse().expect("pin")), Ok(false));
        assert_eq!(sealed.verify(&key, &retro, &pin), Err(SealError::Key));
        assert_eq!(format!("{pin:?}"), "Pin(…)");
    }

    #[test]
    fn a_pin_is_four_to_sixteen_digits() {
        for text in ["", "123", "12345678901234567", "12a4", "١٢٣٤"] {
            assert!(text.parse::<Pin>().is_err(), "{text}");
        }
    }
}
