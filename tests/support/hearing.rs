//! What a telephone hears, from the recording that it writes while it hears.

use std::{cell::RefCell, fs, path::PathBuf};

use confkit::media::spectrum::Spectrum;

use crate::place::wait_until;

/// Bytes before the samples of a WAV file as libsndfile writes it.
const HEADER: usize = 44;
/// Samples per second.
const RATE: u32 = 8000;
/// Samples of one look: one window of the spectrum.
const LOOK: usize = 4096;
/// A tone that is there is louder than this, in dBFS; it was sent at −20.
const PRESENT: f32 = -30.0;
/// One that is not there is below this.
const ABSENT: f32 = -50.0;
/// Hertz that a frequency may be off.
const TOLERANCE: f32 = 5.0;

/// A recording, finished or not.
pub struct Recording {
    file: PathBuf,
}

impl Recording {
    /// The file of a recording.
    pub fn new(file: PathBuf) -> Self {
        Self { file }
    }

    /// Waits until exactly these tones are heard and none of the others that somebody may send: for a whole look that began after the call.
    /// Gives what was measured, in hertz.
    pub fn wait_to_hear(&self, tones: &[f32], others: &[f32]) -> Vec<f32> {
        let begin = self.samples().len();
        let measured = RefCell::new(Vec::new());
        wait_until(
            || format!("{tones:?} Hz and not {others:?} in {}, but {:?}", self.file.display(), measured.borrow()),
            || {
                let samples = self.samples();
                if samples.len() < begin + LOOK {
                    return false;
                }
                let spectrum = Spectrum::of(&samples[samples.len() - LOOK..], RATE);
                let heard: Vec<f32> = spectrum.strongest(tones.len().max(1)).iter().map(|peak| peak.frequency).collect();
                let right =
                    tones.iter().all(|tone| spectrum.level_at(*tone) > PRESENT && heard.iter().any(|peak| (peak - tone).abs() < TOLERANCE))
                        && others.iter().all(|tone| spectrum.level_at(*tone) < ABSENT);
                measured.replace(heard);
                right
            },
        );
        let mut measured = measured.into_inner();
        measured.sort_by(f32::total_cmp);
        measured
    }

    /// A moment, to be heard on from later: samples so far.
    pub fn now(&self) -> usize {
        self.samples().len()
    }

    /// In how many looks since that moment a tone was heard, and how many there were.
    pub fn heard_since(&self, moment: usize, tone: f32) -> (usize, usize) {
        let samples = self.samples();
        let looks: Vec<bool> = samples
            .get(moment..)
            .unwrap_or_default()
            .chunks_exact(LOOK)
            .map(|look| Spectrum::of(look, RATE).level_at(tone) > PRESENT)
            .collect();
        (looks.iter().filter(|heard| **heard).count(), looks.len())
    }

    fn samples(&self) -> Vec<i16> {
        let bytes = fs::read(&self.file).expect("a recording");
        bytes.get(HEADER..).unwrap_or_default().as_chunks::<2>().0.iter().map(|&pair| i16::from_le_bytes(pair)).collect()
    }
}
