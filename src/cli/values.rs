//! Argument types: read once, at the door, with errors that say what was expected.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::{
    account::{GuestPolicy, Preset},
    id::{ConferenceName, UserName},
    media::{Codec, level::MAX_GAIN_DB},
    sip::message::{SipUri, Uri},
};

/// A duration as people write it: `90s`, `5m`, `1h 30m`; a bare number is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|s| s.is_finite() && (0.0..=1e9).contains(s));
    match seconds {
        Some(seconds) => Ok(Duration::from_secs_f64(seconds)),
        None => humantime::parse_duration(text).map_err(|_| "expected a duration such as 90s, 5m or 1h30m".to_owned()),
    }
}

/// A codec by the name that SDP gives it, in any case; shells complete it.
pub fn codec() -> impl TypedValueParser<Value = Codec> {
    PossibleValuesParser::new(Codec::ALL.map(Codec::name)).try_map(|text| {
        let named = Codec::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(&text));
        named.ok_or_else(|| format!("expected one of {}", Codec::ALL.map(Codec::name).join(", ")))
    })
}

/// Whether guests may enter; shells complete it.
pub fn guests() -> impl TypedValueParser<Value = GuestPolicy> {
    PossibleValuesParser::new(["yes", "no", "auto"]).try_map(|text| text.parse())
}

/// Who has a right without a grant; shells complete it.
pub fn preset() -> impl TypedValueParser<Value = Preset> {
    PossibleValuesParser::new(Preset::ALL.map(Preset::as_str)).try_map(|text| text.parse())
}

/// A SIP address of a server: a `sip:` or `sips:` URI, or just `HOST[:PORT]`.
pub fn server(text: &str) -> Result<SipUri, String> {
    let full = if text.contains("sip:") || text.contains("sips:") { text.to_owned() } else { format!("sip:{text}") };
    full.parse::<SipUri>().map_err(|error| format!("{error} (expected a URI such as sip:127.0.0.1:5060)"))
}

/// Somebody to call or to write to: a URI, or the name of a user of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callee {
    /// `sip:bob@example.com`, `tel:+15551234567`, or a number such as `+1 555 123-4567`.
    Uri(Uri),
    /// `bob`: a user of the server that is talked to.
    User(UserName),
}

impl fmt::Display for Callee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri(uri) => uri.fmt(f),
            Self::User(user) => user.fmt(f),
        }
    }
}

impl FromStr for Callee {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('+') {
            // RFC 3966 §3: what makes a number readable is no part of it.
            let digits: String = text.chars().filter(|c| !"-.() ".contains(*c)).collect();
            format!("tel:{digits}").parse().map(Self::Uri).map_err(|error| error.to_string())
        } else if text.contains(':') {
            text.parse().map(Self::Uri).map_err(|error| error.to_string())
        } else {
            text.parse().map(Self::User).map_err(|error| format!("{error}; or give a URI such as sip:bob@example.com"))
        }
    }
}

/// A conference to join: its name at the server, or a URI anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Room {
    /// The name of a conference of the server that is talked to.
    Name(ConferenceName),
    /// A URI.
    Uri(SipUri),
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Uri(uri) => uri.fmt(f),
        }
    }
}

impl FromStr for Room {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('+') {
            // RFC 3966 §3: what makes a number readable is no part of it.
            let digits: String = text.chars().filter(|c| !"-.() ".contains(*c)).collect();
            format!("tel:{digits}").parse().map(Self::Uri).map_err(|error| error.to_string())
        } else if text.contains(':') {
            text.parse().map(Self::Uri).map_err(|error| error.to_string())
        } else {
            text.parse().map(Self::Name).map_err(|error| error.to_string())
        }
    }
}

/// Somebody in a conference: a user, a participant id or a URI. Which, only the roster can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who(String);

impl Who {
    /// As given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err("expected a user, a participant id or a URI".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

/// Lowest frequency of a tone as microphone, in hertz.
pub const TONE_LOW_HZ: f32 = 20.0;
/// Highest: half the sampling rate of G.711, less the filter's skirt.
pub const TONE_HIGH_HZ: f32 = 3_800.0;

/// What a terminal says.
#[derive(Debug, Clone, PartialEq)]
pub enum Microphone {
    /// A WAV file, from its start, once; then silence.
    File(PathBuf),
    /// A sine tone, in hertz ([`TONE_LOW_HZ`] to [`TONE_HIGH_HZ`]).
    Tone(f32),
    /// Silence.
    Silence,
}

impl FromStr for Microphone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            _ if text == "silence" => Ok(Self::Silence),
            Some(("tone", hz)) => match hz.parse::<f32>() {
                Ok(hz) if (TONE_LOW_HZ..=TONE_HIGH_HZ).contains(&hz) => Ok(Self::Tone(hz)),
                _ => Err(format!("\"{hz}\" is not a frequency between {TONE_LOW_HZ} and {TONE_HIGH_HZ} hertz")),
            },
            _ if text.is_empty() => Err("expected FILE.wav, tone:HZ or silence".to_owned()),
            _ => Ok(Self::File(PathBuf::from(text))),
        }
    }
}

/// Keys to press: `0`–`9`, `*`, `#`, `A`–`D`, and `,` for a pause of [`Digits::PAUSE`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digits(String);

impl Digits {
    /// What a comma stands for.
    pub const PAUSE: Duration = Duration::from_secs(1);
    /// Most keys in one argument.
    pub const MAX: usize = 64;

    /// As given, letters in upper case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Digits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let keys = text.to_ascii_uppercase();
        let sound = !keys.is_empty() && keys.len() <= Self::MAX && keys.bytes().all(|key| b"0123456789*#ABCD,".contains(&key));
        if sound { Ok(Self(keys)) } else { Err(format!("expected 1 to {} of 0-9 * # A-D, and a comma for a pause", Self::MAX)) }
    }
}

/// `KEY=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Before the first equals sign.
    pub key: String,
    /// Behind it; may be empty.
    pub value: String,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Self { key: key.to_owned(), value: value.to_owned() }),
            _ => Err("expected KEY=VALUE".to_owned()),
        }
    }
}

/// A gain in whole decibels, [`MAX_GAIN_DB`] both ways; the least of it means silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decibels(pub i8);

impl FromStr for Decibels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_suffix("dB").or_else(|| text.strip_suffix("db")).unwrap_or(text).trim();
        match bare.parse::<i8>() {
            Ok(db) if (-MAX_GAIN_DB..=MAX_GAIN_DB).contains(&db) => Ok(Self(db)),
            _ => Err(format!("expected whole decibels from -{MAX_GAIN_DB} to {MAX_GAIN_DB}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_with_and_without_a_unit() {
        for (text, millis) in [("5", 5_000), ("0.25", 250), ("90s", 90_000), ("1h 30m", 5_400_000), ("20ms", 20)] {
            assert_eq!(duration(text).map(|d| d.as_millis()), Ok(millis), "{text}");
        }
        for text in ["", "-1", "soon", "inf", "NaN"] {
            assert!(duration(text).is_err(), "{text:?} was taken for a duration");
        }
    }

    #[test]
    fn a_server_may_be_a_uri_or_just_a_host() {
        let sip = server("sip:127.0.0.1:5070;transport=tcp").expect("a URI");
        assert_eq!((sip.port, sip.param("transport")), (Some(5070), Some("tcp")));
        assert_eq!(server("conf.example.com").expect("a host").port, None);
        assert_eq!(server("[::1]:5060").expect("a host").port, Some(5060));
        assert!(server("http://x").is_err());
    }

    #[test]
    fn a_callee_without_a_scheme_is_a_user() {
        assert_eq!("bob".parse(), Ok(Callee::User("bob".parse().expect("a name"))));
        assert!(matches!("sip:bob@example.com".parse(), Ok(Callee::Uri(Uri::Sip(_)))));
        assert!("Bob Smith".parse::<Callee>().expect_err("a space").contains("sip:bob@example.com"));
    }

    #[test]
    fn a_microphone_is_a_file_a_tone_or_silence() {
        assert_eq!("silence".parse(), Ok(Microphone::Silence));
        assert_eq!("tone:440".parse(), Ok(Microphone::Tone(440.0)));
        assert_eq!("talk.wav".parse(), Ok(Microphone::File("talk.wav".into())));
        for text in ["tone:", "tone:x", "tone:5", "tone:9000", "tone:NaN", ""] {
            assert!(text.parse::<Microphone>().is_err(), "{text:?} was taken for a microphone");
        }
    }

    #[test]
    fn keys_are_those_of_a_telephone() {
        assert_eq!("12a#".parse::<Digits>().map(|d| d.as_str().to_owned()), Ok("12A#".to_owned()));
        assert!("12x".parse::<Digits>().is_err());
        assert!("1".repeat(Digits::MAX + 1).parse::<Digits>().is_err());
    }

    #[test]
    fn decibels_have_bounds() {
        assert_eq!("-6dB".parse(), Ok(Decibels(-6)));
        assert_eq!("+3".parse(), Ok(Decibels(3)));
        for text in ["41", "-41", "1.5", "loud"] {
            assert!(text.parse::<Decibels>().is_err(), "{text} was taken for a gain");
        }
    }
}
