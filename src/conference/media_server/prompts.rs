//! What the URLs of prompts stand for: clips that the shell has loaded, tones, and pauses; and a request's prompt as rows
//! of sounds that the plane plays one after the other.
//!
//! Out of scope: fetching. RFC 5022 wants `file:` and `http:` URLs; a media thread must not wait for either, so a URL is a
//! name in a library that was filled at the start, and one that is not in it is reported as not found.

use std::{collections::BTreeMap, time::Duration};

use super::plane::{Clip, Prompt, Sound, Tone};
use crate::conference::wire::mscml::{self, ErrorInfo, PromptItem};

/// Longest tone or pause of a URL or variable; longer ones are cut.
pub const MAX_SOUND: Duration = Duration::from_secs(60);
/// Level of each frequency of a tone.
const TONE_DBFS: f32 = -12.0;

/// Clips by URL.
#[derive(Debug, Clone, Default)]
pub struct PromptLibrary {
    clips: BTreeMap<String, Clip>,
}

impl PromptLibrary {
    /// A library without clips; tones and pauses are always there.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a clip, in the place of one of the same URL.
    pub fn insert(&mut self, url: impl Into<String>, clip: Clip) {
        self.clips.insert(url.into(), clip);
    }

    /// Number of clips.
    pub fn len(&self) -> usize {
        self.clips.len()
    }

    /// True without any clip.
    pub fn is_empty(&self) -> bool {
        self.clips.is_empty()
    }

    /// The sounds of a URL: a clip of that name, a [named tone](NAMED), or `tone:<hertz>[,<hertz>][/<milliseconds>]`.
    fn sounds(&self, url: &str) -> Option<Vec<Sound>> {
        if let Some(clip) = self.clips.get(url) {
            return Some(vec![Sound::Clip(clip.clone())]);
        }
        let named = NAMED.iter().find(|(name, _)| url.strip_prefix("tone:") == Some(name));
        match named {
            Some((_, row)) => Some(row.iter().map(|(hertz, millis)| Sound::Tone(plain(*hertz, *millis))).collect()),
            None => tone(url).map(|tone| vec![Sound::Tone(tone)]),
        }
    }
}

/// Tones with a name: rows of hertz and milliseconds.
const NAMED: [(&str, &[(f32, u64)]); 5] = [
    ("beep", &[(1000.0, 200)]),
    ("pin", &[(523.0, 120), (659.0, 120), (523.0, 120)]),
    ("wrong", &[(220.0, 400)]),
    ("join", &[(523.0, 120), (784.0, 180)]),
    ("leave", &[(784.0, 120), (523.0, 180)]),
];

fn plain(frequency: f32, millis: u64) -> Tone {
    Tone { frequency, second: None, level_dbfs: TONE_DBFS, duration: Duration::from_millis(millis) }
}

fn tone(url: &str) -> Option<Tone> {
    let (frequencies, duration) = url.strip_prefix("tone:").map(|t| t.split_once('/').unwrap_or((t, "200")))?;
    let hertz = |text: &str| text.parse::<u16>().ok().filter(|hz| *hz > 0).map(f32::from);
    let (first, second) = match frequencies.split_once(',') {
        Some((first, second)) => (first, Some(hertz(second)?)),
        None => (frequencies, None),
    };
    let duration = Duration::from_millis(duration.parse().ok()?).min(MAX_SOUND);
    Some(Tone { frequency: hertz(first)?, second, level_dbfs: TONE_DBFS, duration })
}

/// What to play: rows of sounds, each played once it is its turn.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Rows {
    /// For the plane, in order.
    pub(super) rows: Vec<Prompt>,
    /// What could not be had and was left out.
    pub(super) missing: Option<ErrorInfo>,
}

/// Turns a request's prompt into rows.
///
/// # Errors
/// What could not be had, where the request wants to hear of it (`stoponerror`).
pub(super) fn rows(prompt: &mscml::Prompt, library: &PromptLibrary) -> Result<Rows, ErrorInfo> {
    let (mut sounds, mut missing) = (Vec::new(), None);
    for item in &prompt.items {
        match item_sounds(item, library) {
            Ok(more) => sounds.extend(more),
            Err(error) if prompt.stop_on_error => return Err(error),
            Err(error) => missing = missing.or(Some(error)),
        }
    }
    // Whole decibels within the plane's range, which it would cap to anyhow.
    let gain_db = prompt.gain_db.round().clamp(-127.0, 127.0) as i8;
    let row = |sounds: Vec<Sound>, times: u32| Prompt { sounds, times, gain_db };
    if sounds.is_empty() || prompt.repeat == Some(0) {
        return Ok(Rows { rows: Vec::new(), missing });
    }
    let mut spaced = sounds.clone();
    if !prompt.delay.is_zero() {
        spaced.push(Sound::Pause(prompt.delay));
    }
    let (offset, delayed) = (!prompt.offset.is_zero(), !prompt.delay.is_zero());
    let mut rows = Vec::new();
    // Only the first round begins at the offset (§6.1.1).
    let rest = if offset {
        let first = if prompt.repeat == Some(1) { &sounds } else { &spaced };
        rows.push(row(behind(first, wrapped(prompt.offset, &sounds)), 1));
        prompt.repeat.map(|times| times - 1)
    } else {
        prompt.repeat
    };
    match rest {
        None => rows.push(row(spaced, 0)),
        Some(0) => {}
        // No pause behind the last round.
        Some(times) if delayed && times > 1 => rows.extend([row(spaced, times - 1), row(sounds, 1)]),
        Some(times) => rows.push(row(sounds, times)),
    }
    Ok(Rows { rows, missing })
}

fn item_sounds(item: &PromptItem, library: &PromptLibrary) -> Result<Vec<Sound>, ErrorInfo> {
    let error = |code, text: &str, context: &str| ErrorInfo { code, text: text.to_owned(), context: context.to_owned() };
    match item {
        PromptItem::Audio { url } => library.sounds(url).ok_or_else(|| error(404, "no such prompt", url)),
        PromptItem::Variable { kind, value, .. } if kind == "sil" => {
            let length = value.trim().parse().map(Duration::from_millis).map_err(|_| error(400, "no length of silence", value))?;
            Ok(vec![Sound::Pause(length.min(MAX_SOUND))])
        }
        PromptItem::Variable { kind, .. } => Err(error(501, "spoken variables are not implemented", kind)),
    }
}

fn length(sound: &Sound) -> Duration {
    match sound {
        Sound::Tone(tone) => tone.duration,
        Sound::Clip(clip) => clip.duration(),
        Sound::Pause(length) => *length,
    }
}

/// An offset beyond the end goes on from the beginning (§6.1.1).
fn wrapped(offset: Duration, sounds: &[Sound]) -> Duration {
    let whole: Duration = sounds.iter().map(length).sum();
    let nanos = offset.as_nanos().checked_rem(whole.as_nanos()).unwrap_or(0);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

/// The sounds from an offset on.
fn behind(sounds: &[Sound], mut offset: Duration) -> Vec<Sound> {
    let mut kept = Vec::new();
    for sound in sounds {
        let whole = length(sound);
        if offset >= whole {
            offset -= whole;
            continue;
        }
        kept.push(match sound {
            Sound::Tone(tone) => Sound::Tone(Tone { duration: whole - offset, ..*tone }),
            Sound::Pause(_) => Sound::Pause(whole - offset),
            Sound::Clip(clip) => {
                let skipped = (offset.as_secs_f64() * f64::from(Clip::RATE)) as usize;
                Sound::Clip(Clip(clip.0.get(skipped..).unwrap_or_default().into()))
            }
        });
        offset = Duration::ZERO;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library() -> PromptLibrary {
        let mut library = PromptLibrary::new();
        library.insert("file:///welcome.wav", Clip(vec![1; 8000].into()));
        library
    }

    fn audio(url: &str) -> PromptItem {
        PromptItem::Audio { url: url.into() }
    }

    fn prompt(items: Vec<PromptItem>) -> mscml::Prompt {
        mscml::Prompt { items, ..mscml::Prompt::default() }
    }

    /// Rows as lengths in milliseconds and times.
    fn shape(prompt: &mscml::Prompt) -> Vec<(Vec<u128>, u32)> {
        let rows = rows(prompt, &library()).expect("rows").rows;
        rows.iter().map(|r| (r.sounds.iter().map(|s| length(s).as_millis()).collect(), r.times)).collect()
    }

    #[test]
    fn urls_name_clips_tones_and_silence() {
        let silence = PromptItem::Variable { kind: "sil".into(), subtype: None, value: "300".into() };
        let all = prompt(vec![audio("file:///welcome.wav"), audio("tone:440"), audio("tone:941,1336/50"), silence]);
        assert_eq!(shape(&all), [(vec![1000, 200, 50, 300], 1)]);
        for odd in ["tone:", "tone:0", "tone:x", "tone:440/", "tone:440,", "tone:70000", "file:///other.wav"] {
            assert!(library().sounds(odd).is_none(), "{odd}");
        }
        assert_eq!(shape(&prompt(vec![audio("tone:pin")])), [(vec![120, 120, 120], 1)], "a named tone");
        assert_eq!(tone("tone:440/999999999").expect("a tone").duration, MAX_SOUND);
    }

    #[test]
    fn rounds_pauses_and_offsets_are_laid_out() {
        let p = prompt(vec![audio("tone:440/100"), audio("file:///welcome.wav")]);
        let delay = Duration::from_millis(50);
        let offset = Duration::from_millis(300);
        let with = |repeat, delay, offset| mscml::Prompt { repeat, delay, offset, ..p.clone() };
        assert_eq!(shape(&with(Some(3), Duration::ZERO, Duration::ZERO)), [(vec![100, 1000], 3)]);
        assert_eq!(shape(&with(None, Duration::ZERO, Duration::ZERO)), [(vec![100, 1000], 0)]);
        assert_eq!(shape(&with(Some(0), delay, offset)), []);
        assert_eq!(shape(&with(Some(3), delay, Duration::ZERO)), [(vec![100, 1000, 50], 2), (vec![100, 1000], 1)]);
        assert_eq!(shape(&with(Some(1), delay, offset)), [(vec![800], 1)]);
        assert_eq!(shape(&with(Some(2), delay, offset)), [(vec![800, 50], 1), (vec![100, 1000], 1)]);
        assert_eq!(shape(&with(None, delay, offset)), [(vec![800, 50], 1), (vec![100, 1000, 50], 0)]);
        assert_eq!(shape(&with(Some(1), delay, Duration::from_millis(1150))), [(vec![50, 1000], 1)], "an offset beyond the end wraps");
    }

    #[test]
    fn what_is_missing_ends_it_or_is_left_out() {
        let p = prompt(vec![audio("http://x/a.wav"), audio("tone:440")]);
        let left_out = rows(&p, &library()).expect("rows");
        assert_eq!((left_out.rows.len(), left_out.missing.map(|e| e.code)), (1, Some(404)));
        let error = rows(&mscml::Prompt { stop_on_error: true, ..p }, &library()).expect_err("stoponerror");
        assert_eq!((error.code, error.context.as_str()), (404, "http://x/a.wav"));
        let digits = PromptItem::Variable { kind: "dig".into(), subtype: None, value: "42".into() };
        assert_eq!(rows(&prompt(vec![digits]), &library()).expect("rows").missing.map(|e| e.code), Some(501));
    }
}
