//! What can be played: tones, pauses and clips, in a row, once or again and again.

use std::{sync::Arc, time::Duration};

/// One playing of a prompt, numbered by the caller; a number in use may not be given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlayId(pub u64);

/// What to play.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// Sounds, one after the other; at most [`MAX_SOUNDS`], the rest are left out.
    pub sounds: Vec<Sound>,
    /// How often the whole is played; 0 for until stopped.
    pub times: u32,
    /// Gain in dB, clamped to [`super::level::MAX_GAIN_DB`] both ways.
    pub gain_db: i8,
}

/// Most sounds of one prompt.
pub const MAX_SOUNDS: usize = 64;

impl Prompt {
    /// One sound, once, at its own level.
    pub fn once(sound: Sound) -> Self {
        Self { sounds: vec![sound], times: 1, gain_db: 0 }
    }
}

/// One sound.
#[derive(Debug, Clone, PartialEq)]
pub enum Sound {
    /// One or two frequencies.
    Tone(Tone),
    /// Recorded audio.
    Clip(Clip),
    /// Silence.
    Pause(Duration),
}

/// A tone of one or two frequencies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tone {
    /// Hertz; those at or above half the sample rate are silent.
    pub frequency: f32,
    /// A second frequency on top, for call-progress and DTMF tones.
    pub second: Option<f32>,
    /// Level of each frequency in dB relative to a full-scale sine; above 0 is taken as 0.
    pub level_dbfs: f32,
    /// How long.
    pub duration: Duration,
}

/// Audio in memory: 16-bit samples at 8 kHz. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip(pub Arc<[i16]>);

impl Clip {
    /// Samples per second of every clip.
    pub const RATE: u32 = 8000;

    /// How long it plays.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.0.len() as f64 / f64::from(Self::RATE))
    }
}

/// Why a playing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlayEnd {
    /// Everything was played.
    Finished,
    /// It was stopped.
    Stopped,
    /// Its leg or room was closed.
    Closed,
}
