//! Media ports and codecs.

use std::{fmt, str::FromStr};

use super::{ValueError, wrong};
use crate::media::Codec;

/// The UDP ports for media: pairs from an even port up, or whatever the system gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortRange {
    /// From the first to the last, both included; they hold at least one pair.
    Range {
        /// First port.
        first: u16,
        /// Last port.
        last: u16,
    },
    /// Chosen by the system.
    System,
}

impl FromStr for PortRange {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text == "system" {
            return Ok(Self::System);
        }
        let Some((first, last)) = text.split_once('-') else { return wrong("there is no - between two ports") };
        let (Ok(first), Ok(last)) = (first.trim().parse::<u16>(), last.trim().parse::<u16>()) else {
            return wrong("a port is a number from 1024 to 65535");
        };
        // The first pair begins at the first even port.
        let pair = first.checked_add(first % 2).and_then(|even| even.checked_add(1));
        if first < 1024 {
            wrong("media does not use ports below 1024")
        } else if pair.is_none_or(|odd| odd > last) {
            wrong("it holds no pair of an even and the next port")
        } else {
            Ok(Self::Range { first, last })
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range { first, last } => write!(f, "{first}-{last}"),
            Self::System => f.write_str("system"),
        }
    }
}

/// A codec by its name in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodecName(pub Codec);

impl FromStr for CodecName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "pcmu" => Ok(Self(Codec::Pcmu)),
            "pcma" => Ok(Self(Codec::Pcma)),
            _ => wrong("this version mixes pcmu and pcma"),
        }
    }
}

impl fmt::Display for CodecName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.name().to_ascii_lowercase())
    }
}
