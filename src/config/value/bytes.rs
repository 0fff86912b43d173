//! Amounts of bytes, with units.

use std::{fmt, num::NonZeroU64, str::FromStr};

use super::{ValueError, wrong};

/// Units, largest first: those of 1024, and those of 1000.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1000),
    ("B", 1),
];

/// Bytes: `4GiB`, `500 MB`, `1024 B`. At least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(NonZeroU64);

/// Bytes, or `none` for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxSize(pub Option<Size>);

/// Bytes a second, or `none` for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bandwidth(pub Option<Size>);

impl Size {
    /// So many bytes; none is one.
    pub const fn of(bytes: u64) -> Self {
        match NonZeroU64::new(bytes) {
            Some(bytes) => Self(bytes),
            None => Self(NonZeroU64::MIN),
        }
    }

    /// The bytes.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl MaxSize {
    /// The bytes; `None` for no limit.
    pub fn get(self) -> Option<u64> {
        self.0.map(Size::get)
    }
}

impl Bandwidth {
    /// Bytes a second; `None` for no limit.
    pub fn get(self) -> Option<NonZeroU64> {
        self.0.map(|size| size.0)
    }
}

impl FromStr for Size {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let unit = unit.trim();
        let Ok(number) = number.parse::<u64>() else { return wrong("it does not begin with a whole number") };
        if unit.is_empty() {
            return wrong("it has no unit, such as MiB");
        }
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) else {
            return wrong("its unit is not one of B, KiB, MiB, GiB, TiB, kB, MB, GB, TB");
        };
        match number.checked_mul(*factor).filter(|bytes| i64::try_from(*bytes).is_ok()).and_then(NonZeroU64::new) {
            Some(bytes) => Ok(Self(bytes)),
            None => wrong("it is nothing, or more than can be counted"),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.get();
        let (name, factor) = UNITS.iter().find(|(_, factor)| bytes.is_multiple_of(*factor)).unwrap_or(&("B", 1));
        write!(f, "{}{name}", bytes / factor)
    }
}

/// Makes a value of an amount, or `none`.
macro_rules! or_none {
    ($($ty:ident),*) => { $(
        impl FromStr for $ty {
            type Err = ValueError;

            fn from_str(text: &str) -> Result<Self, ValueError> {
                if text == "none" { Ok(Self(None)) } else { text.parse().map(Some).map(Self) }
            }
        }

        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0 {
                    Some(size) => size.fmt(f),
                    None => f.write_str("none"),
                }
            }
        }
    )* };
}

or_none!(MaxSize, Bandwidth);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units_and_print_as_they_would_be_written() {
        for (text, bytes, shown) in [
            ("4GiB", 4 << 30, "4GiB"),
            ("1536 KiB", 1536 << 10, "1536KiB"),
            ("2048KiB", 2 << 20, "2MiB"),
            ("500mb", 500_000_000, "500MB"),
            ("7B", 7, "7B"),
        ] {
            let size: Size = text.parse().expect(text);
            assert_eq!((size.get(), size.to_string().as_str()), (bytes, shown));
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        for text in ["", "4", "GiB", "4 gib more", "-1B", "1.5GiB", "0B", "9000000TiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        assert_eq!("none".parse::<Bandwidth>().map(Bandwidth::get), Ok(None));
        assert_eq!(["none", "2KiB"].map(|text| text.parse::<MaxSize>().map(MaxSize::get)), [Ok(None), Ok(Some(2048))]);
        assert_eq!("1MiB".parse::<Bandwidth>().map(Bandwidth::get), Ok(NonZeroU64::new(1 << 20)));
    }
}
