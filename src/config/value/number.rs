//! Numbers and durations within bounds.

use std::{fmt, str::FromStr, time::Duration};

use serde_yaml::Value;

use super::{ValueError, wrong};
use crate::config::{Faults, Kind, Node, Setting};

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Count<MIN, MAX> {
    /// A number that is known to lie in the range; one outside is moved to its nearer end.
    pub const fn of(number: u32) -> Self {
        Self(if number < MIN {
            MIN
        } else if number > MAX {
            MAX
        } else {
            number
        })
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }

    /// The number, for the length of something.
    pub fn size(self) -> usize {
        self.0 as usize
    }
}

impl<const MIN: u32, const MAX: u32> Setting for Count<MIN, MAX> {
    fn kind() -> Kind {
        Kind::Value(format!("a number from {MIN} to {MAX}").into())
    }

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let form = format!("a number from {MIN} to {MAX}");
        let number: u32 = node.parse(&form, faults)?;
        if (MIN..=MAX).contains(&number) {
            return Some(Self(number));
        }
        faults.add(&node.at, format!("{number} is not {form}"));
        None
    }

    fn show(&self) -> Value {
        Value::Number(self.0.into())
    }
}

/// A duration from `MIN` to `MAX` milliseconds: `500ms`, `30s`, `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span<const MIN: u64, const MAX: u64>(Duration);

impl<const MIN: u64, const MAX: u64> Span<MIN, MAX> {
    /// A duration that is known to lie in the range; one outside is moved to its nearer end.
    pub const fn of_millis(millis: u64) -> Self {
        Self(Duration::from_millis(if millis < MIN {
            MIN
        } else if millis > MAX {
            MAX
        } else {
            millis
        }))
    }

    /// The duration.
    pub fn get(self) -> Duration {
        self.0
    }

    fn form() -> String {
        let shown = |millis| humantime::format_duration(Duration::from_millis(millis));
        format!("a duration from {} to {}", shown(MIN), shown(MAX))
    }
}

impl<const MIN: u64, const MAX: u64> Setting for Span<MIN, MAX> {
    fn kind() -> Kind {
        Kind::Value(Self::form().into())
    }

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let text = node.scalar(&Self::form(), faults)?;
        match read_span(&text) {
            Ok(span) if (Duration::from_millis(MIN)..=Duration::from_millis(MAX)).contains(&span) => return Some(Self(span)),
            Ok(_) => faults.add(&node.at, format!("{text} is not {}", Self::form())),
            Err(why) => faults.add(&node.at, format!("\"{}\" is not {}: {why}", text.escape_debug(), Self::form())),
        }
        None
    }

    fn show(&self) -> Value {
        Value::String(humantime::format_duration(self.0).to_string())
    }
}

/// A duration as people write it; a bare number is seconds, as on the command line.
fn read_span(text: &str) -> Result<Duration, humantime::DurationError> {
    match text.parse::<f64>().map(Duration::try_from_secs_f64) {
        Ok(Ok(span)) => Ok(span),
        Ok(Err(_)) | Err(_) => humantime::parse_duration(text),
    }
}

/// A duration, or `never`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Until<const MIN: u64, const MAX: u64>(pub Option<Span<MIN, MAX>>);

impl<const MIN: u64, const MAX: u64> Until<MIN, MAX> {
    /// Never.
    pub const NEVER: Self = Self(None);

    /// A duration that is known to lie in the range.
    pub const fn of_millis(millis: u64) -> Self {
        Self(Some(Span::of_millis(millis)))
    }

    /// The duration; `None` for never.
    pub fn get(self) -> Option<Duration> {
        self.0.map(Span::get)
    }
}

impl<const MIN: u64, const MAX: u64> Setting for Until<MIN, MAX> {
    fn kind() -> Kind {
        Kind::Value(format!("{}, or never", Span::<MIN, MAX>::form()).into())
    }

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        if node.value.as_str() == Some("never") {
            return Some(Self(None));
        }
        Span::read(node, faults).map(|span| Self(Some(span)))
    }

    fn show(&self) -> Value {
        self.0.map_or_else(|| Value::String("never".into()), |span| span.show())
    }
}

/// How many threads do something: one per core, or so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads(pub Option<u8>);

impl FromStr for Threads {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.parse::<u8>() {
            _ if text == "auto" => Ok(Self(None)),
            Ok(threads @ 1..=64) => Ok(Self(Some(threads))),
            _ => wrong("out of range"),
        }
    }
}

impl fmt::Display for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("auto"),
            Some(threads) => write!(f, "{threads}"),
        }
    }
}
