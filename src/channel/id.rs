//! Numbers and places of channels.

use std::{fmt, str::FromStr};

use rand::RngExt as _;
use rand_chacha::ChaCha12Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Length of a secret place, in bytes.
pub const PLACE_LEN: usize = 32;
/// The largest nameplate.
pub const MAX_NAMEPLATE: u32 = 999_999;
/// The least nameplate that is drawn by lot.
const FIRST_LOT: u32 = 1_000;

/// Why a text is none of these. The fault of whoever wrote it; the text is not repeated, since it may be secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// No [`ChannelNumber`].
    #[error("a channel number is 16 hexadecimal digits in lower case")]
    Channel,
    /// No [`Place`].
    #[error("a place is a nameplate from 1 to {MAX_NAMEPLATE}, or 64 hexadecimal digits in lower case")]
    Place,
}

/// The number of a channel: 64 random bits, as text 16 hexadecimal digits. It names, it admits nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChannelNumber(pub u64);

impl ChannelNumber {
    /// A new one.
    pub fn random(rng: &mut ChaCha12Rng) -> Self {
        Self(rng.random())
    }
}

impl fmt::Display for ChannelNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:016x}", self.0))
    }
}

impl FromStr for ChannelNumber {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let sound = text.len() == 16 && text.bytes().all(is_hex);
        let number = sound.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        number.map(Self).ok_or(IdError::Channel)
    }
}

impl TryFrom<String> for ChannelNumber {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<ChannelNumber> for String {
    fn from(number: ChannelNumber) -> Self {
        number.to_string()
    }
}

/// A nameplate: what a code begins with, and people say. From 1 to [`MAX_NAMEPLATE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Nameplate(u32);

impl Nameplate {
    /// The nameplate of a number.
    ///
    /// # Errors
    /// [`IdError::Place`] outside 1 to [`MAX_NAMEPLATE`].
    pub fn new(number: u32) -> Result<Self, IdError> {
        if (1..=MAX_NAMEPLATE).contains(&number) { Ok(Self(number)) } else { Err(IdError::Place) }
    }

    /// The number.
    pub fn number(self) -> u32 {
        self.0
    }

    /// One of the large numbers, by lot: relays give the smallest that is free, so nobody else has it, there or elsewhere.
    pub fn by_lot(rng: &mut ChaCha12Rng) -> Self {
        Self(rng.random_range(FIRST_LOT..=MAX_NAMEPLATE))
    }
}

impl fmt::Display for Nameplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Nameplate {
    type Err = IdError;

    /// One spelling only: no sign, no leading zero.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        text.parse().ok().filter(|_| plain).ok_or(IdError::Place).and_then(Self::new)
    }
}

impl TryFrom<u32> for Nameplate {
    type Error = IdError;

    fn try_from(number: u32) -> Result<Self, IdError> {
        Self::new(number)
    }
}

impl From<Nameplate> for u32 {
    fn from(nameplate: Nameplate) -> Self {
        nameplate.0
    }
}

/// Where two meet who have no channel yet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// What people say to each other.
    Nameplate(Nameplate),
    /// What only the two know, who go on with a transfer. Hidden in Debug: whoever knows it can stand there.
    Secret([u8; PLACE_LEN]),
}

impl Place {
    /// Whether a relay may have given it, as it gives the smallest numbers: then it is that of one relay, and another's means somebody else.
    pub fn is_of_one_relay(&self) -> bool {
        matches!(self, Self::Nameplate(nameplate) if nameplate.0 < FIRST_LOT)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nameplate(nameplate) => write!(f, "Nameplate({nameplate})"),
            Self::Secret(_) => f.write_str("Secret(…)"),
        }
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nameplate(nameplate) => serializer.serialize_u32(nameplate.0),
            Self::Secret(bytes) => {
                let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
                serializer.serialize_str(&digits.filter_map(|half| char::from_digit(u32::from(half), 16)).collect::<String>())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Place;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a nameplate or 64 hexadecimal digits")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Place, E> {
                let nameplate = u32::try_from(number).map_err(|_| IdError::Place).and_then(Nameplate::new);
                nameplate.map(Place::Nameplate).map_err(E::custom)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Place, E> {
                secret(text).map(Place::Secret).ok_or_else(|| E::custom(IdError::Place))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

fn secret(text: &str) -> Option<[u8; PLACE_LEN]> {
    let digits: Vec<u8> =
        text.bytes().map(|byte| char::from(byte).to_digit(16).filter(|_| is_hex(byte)).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    if digits.len() == 2 * PLACE_LEN { bytes.try_into().ok() } else { None }
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// A terminal's number, in the `peer` byte of a frame.
///
/// 0 is the sender. Receivers in a channel have seats, 1 to [`Peer::LAST_SEAT`]; those in a meeting have the numbers above. Both count up
/// and are never given twice in one channel or meeting, so that what was meant for one never reaches another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Peer(pub u8);

impl Peer {
    /// The sender, of a meeting and of a channel.
    pub const SENDER: Self = Self(0);
    /// The seat of the first receiver.
    pub const FIRST_SEAT: Self = Self(1);
    /// The last seat that is given.
    pub const LAST_SEAT: Self = Self(127);
    /// The first number in a meeting; the last is 255.
    pub const FIRST_MET: Self = Self(128);

    /// True for a receiver's seat.
    pub fn is_receivers_seat(self) -> bool {
        (Self::FIRST_SEAT..=Self::LAST_SEAT).contains(&self)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_number_has_one_spelling() {
        assert_eq!("00ff000000000001".parse(), Ok(ChannelNumber(0x00ff_0000_0000_0001)));
        assert_eq!(ChannelNumber(255).to_string(), "00000000000000ff");
        for text in ["", "1", "00FF000000000001", "+0ff000000000001", "00ff0000000000011", "äääääääää"] {
            assert_eq!(text.parse::<ChannelNumber>(), Err(IdError::Channel), "{text:?}");
        }
    }

    #[test]
    fn a_nameplate_is_a_number_from_1_without_ornaments() {
        assert_eq!("7".parse(), Nameplate::new(7));
        for text in ["", "0", "07", "+7", "1000000", "7 ", "99999999999999999999"] {
            assert_eq!(text.parse::<Nameplate>(), Err(IdError::Place), "{text:?}");
        }
    }

    #[test]
    fn a_place_is_a_number_or_64_digits_and_a_secret_one_is_not_shown() {
        let place: Place = serde_json::from_str("7").expect("a nameplate");
        assert_eq!((place, serde_json::to_string(&place).expect("JSON")), (Place::Nameplate(Nameplate(7)), "7".to_owned()));
        let text = format!("\"{}\"", "0a".repeat(32));
        let place: Place = serde_json::from_str(&text).expect("a secret place");
        assert_eq!((place, serde_json::to_string(&place).expect("JSON")), (Place::Secret([10; 32]), text));
        assert_eq!(format!("{place:?}"), "Secret(…)");
        for odd in
            ["0", "-1", "1.5", "1000000", "\"7\"", "\"\"", &format!("\"{}\"", "0A".repeat(32)), &format!("\"{}\"", "0".repeat(63)), "null"]
        {
            assert!(serde_json::from_str::<Place>(odd).is_err(), "{odd}");
        }
    }
}
