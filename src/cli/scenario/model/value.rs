//! Values of scenario files.

use std::{fmt, path::PathBuf, str::FromStr};

use serde_yaml::Value;

use crate::{
    channel::wire::transfer::Applies,
    cli::{
        ExitCode,
        values::{Decibels, Digits, Microphone, TONE_HIGH_HZ, TONE_LOW_HZ},
    },
    config::{Faults, Kind, Node, Setting, ValueError},
    fileshare::terminal::Opening,
    id::ConferenceName,
    transfer::{Digest, SafePath},
};

/// Makes a [`Setting`] of types that parse and print as one text.
macro_rules! text_setting {
    ($($ty:ty: $form:literal),* $(,)?) => { $(
        impl Setting for $ty {
            fn kind() -> Kind {
                Kind::value($form)
            }

            fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
                node.parse($form, faults)
            }

            fn show(&self) -> Value {
                Value::String(self.to_string())
            }
        }
    )* };
}

text_setting! {
    Name: "a terminal's name",
    ConferenceName: "a conference's name",
    Hertz: "a frequency in hertz",
    Level: "a level from -120 to 0 dBFS",
    Decibel: "a gain from -40 to 40 dB",
    Exit: "an exit code",
    Keys: "keys such as 12#, a comma for a pause",
    FileName: "a file's name, without a folder",
    Via: "reinvite or info",
    Applying: "receiver or sender",
    Sha256: "a SHA-256 in 64 hexadecimal digits",
}

/// A terminal's name: letters, digits, `-`, `_` and `.`, a letter or digit first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// Longest name, in bytes.
    pub const MAX: usize = 32;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let sound = text.len() <= Self::MAX
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if sound { Ok(Self(text.to_owned())) } else { Err(ValueError::new("it has letters, digits, - _ . and at most 32 of them")) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A frequency that can be heard by G.711: [`TONE_LOW_HZ`] to [`TONE_HIGH_HZ`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hertz(pub f32);

impl FromStr for Hertz {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.trim_end_matches("Hz").trim().parse::<f32>() {
            Ok(hz) if (TONE_LOW_HZ..=TONE_HIGH_HZ).contains(&hz) => Ok(Self(hz)),
            Ok(_) | Err(_) => Err(ValueError::new(format!("it is no number from {TONE_LOW_HZ} to {TONE_HIGH_HZ}"))),
        }
    }
}

impl fmt::Display for Hertz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A level relative to a full-scale sine, in dB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level(pub f32);

impl FromStr for Level {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.trim_end_matches("dBFS").trim().parse::<f32>() {
            Ok(level) if (-120.0..=0.0).contains(&level) => Ok(Self(level)),
            Ok(_) | Err(_) => Err(ValueError::new("it is no number in this range")),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A gain in whole decibels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decibel(pub i8);

impl FromStr for Decibel {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.parse().map(|Decibels(gain)| Self(gain)).map_err(ValueError::new)
    }
}

impl fmt::Display for Decibel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a step is to end: an exit code of the programs, by number or by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub ExitCode);

impl FromStr for Exit {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let named = ExitCode::ALL.into_iter().find(|code| code.number().to_string() == text || code.name() == text);
        let known = || ExitCode::ALL.map(|code| format!("{} ({})", code.number(), code.name())).join(", ");
        named.map(Self).ok_or_else(|| ValueError::new(format!("there are {}", known())))
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.number())
    }
}

/// Keys of a telephone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys(pub Digits);

impl FromStr for Keys {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.parse().map(Self).map_err(|why: String| ValueError::new(why))
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// The name of a file that is made for a scenario.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName(SafePath);

impl FileName {
    /// The name.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for FileName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let name = SafePath::new(text).map_err(|why| ValueError::new(why.to_string()))?;
        if name.parent().is_some() { Err(ValueError::new("it has a folder")) } else { Ok(Self(name)) }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a share is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Via(pub Opening);

impl FromStr for Via {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "reinvite" => Ok(Self(Opening::Reinvite)),
            "info" => Ok(Self(Opening::Info)),
            _ => Err(ValueError::new("there are reinvite and info")),
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Opening::Reinvite => "reinvite",
            Opening::Info => "info",
        })
    }
}

/// Which side applies for a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applying(pub Applies);

impl FromStr for Applying {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        Applies::from_word(text).map(Self).ok_or(ValueError::new("there are receiver and sender"))
    }
}

impl fmt::Display for Applying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// What a file is to be, whoever shared it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sha256(pub Digest);

impl FromStr for Sha256 {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.to_ascii_lowercase().parse().map(Self).map_err(|_| ValueError::new("it is none"))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A file or folder: as it is written, and as it is meant from the scenario's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// As written.
    pub text: String,
    /// As meant.
    pub path: PathBuf,
}

impl Setting for Given {
    fn kind() -> Kind {
        Kind::value("a path")
    }

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let text = node.scalar("a path", faults)?;
        PathBuf::read(node, faults).map(|path| Self { text, path })
    }

    fn show(&self) -> Value {
        Value::String(self.text.clone())
    }
}

/// A relative path of a WAV file is meant from the scenario's folder.
impl Setting for Microphone {
    fn kind() -> Kind {
        Kind::value("tone:HZ, silence, or a WAV file")
    }

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        match node.scalar("tone:HZ, silence, or a WAV file", faults)?.parse() {
            Ok(Self::File(path)) => {
                Some(Self::File(node.layers.folder(&node.at).map_or_else(|| path.clone(), |folder| folder.join(&path))))
            }
            Ok(other) => Some(other),
            Err(why) => {
                faults.add(&node.at, why);
                None
            }
        }
    }

    fn show(&self) -> Value {
        Value::String(match self {
            Self::Silence => "silence".to_owned(),
            Self::Tone(hz) => format!("tone:{hz}"),
            Self::File(path) => path.display().to_string(),
        })
    }
}
