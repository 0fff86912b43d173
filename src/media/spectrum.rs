//! What frequencies are heard, and how loud: averaged power spectra, their peaks, the level at a frequency.
//!
//! Levels are those of sines, in dB relative to a full-scale one: a tone of 440 Hz at −20 dBFS shows 440 Hz at −20.

use std::{fmt, sync::Arc};

use rustfft::{Fft, FftPlanner, num_complex::Complex32};

/// Samples of one transform: half a second at 8 kHz, bins of 2 Hz.
pub const WINDOW: usize = 4096;
/// Bins on each side of a peak that belong to it: the main lobe of the Hann window is two wide, and a tone between two bins leaks one more.
const LOBE: usize = 3;
/// Peaks that lie nearer than this to a stronger one are its skirts.
const APART: usize = 6;
/// Weaker than this is not shown, in dBFS.
const FLOOR_DBFS: f32 = -70.0;
/// Weaker than the strongest by this much is not shown, in dB: what companding makes of it lies there.
const RANGE_DB: f32 = 30.0;

/// A frequency that stands out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Hertz.
    pub frequency: f32,
    /// Level, in dB relative to a full-scale sine.
    pub level_dbfs: f32,
}

/// An averaged power spectrum.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    rate: u32,
    /// Mean power per bin, scaled so that the sum over a peak is the mean square of its sine.
    power: Vec<f64>,
}

/// Gathers a spectrum from a stream of samples: windows of half a second, each overlapping half of the one before.
#[derive(Clone)]
pub struct Analyser {
    rate: u32,
    fft: Arc<dyn Fft<f32>>,
    hann: Arc<[f32]>,
    samples: Vec<i16>,
    sums: Vec<f64>,
    windows: u64,
}

impl Analyser {
    /// For a sample rate in hertz.
    pub fn new(rate: u32) -> Self {
        let hann = (0..WINDOW).map(|at| 0.5 - 0.5 * (at as f32 * std::f32::consts::TAU / WINDOW as f32).cos()).collect();
        Self {
            rate,
            fft: FftPlanner::new().plan_fft_forward(WINDOW),
            hann,
            samples: Vec::with_capacity(2 * WINDOW),
            sums: vec![0.0; WINDOW / 2 + 1],
            windows: 0,
        }
    }

    /// Takes samples.
    pub fn push(&mut self, samples: &[i16]) {
        self.samples.extend_from_slice(samples);
        while self.samples.len() >= WINDOW {
            self.transform();
            self.samples.drain(..WINDOW / 2);
        }
    }

    /// The mean of all windows so far. What does not fill one counts only while there is none.
    pub fn spectrum(&self) -> Spectrum {
        if self.windows == 0 {
            let mut padded = self.clone();
            // A shorter stretch under a window of its own would be wider; padding keeps the bins, and the level is put right below.
            let share = self.samples.len().max(1) as f64 / WINDOW as f64;
            padded.samples.resize(WINDOW, 0);
            padded.samples.rotate_right((WINDOW - self.samples.len()) / 2);
            padded.transform();
            let mut spectrum = padded.spectrum();
            spectrum.power.iter_mut().for_each(|power| *power /= share);
            return spectrum;
        }
        Spectrum { rate: self.rate, power: self.sums.iter().map(|sum| sum / self.windows as f64).collect() }
    }

    fn transform(&mut self) {
        let mut buffer: Vec<Complex32> =
            self.samples.iter().zip(self.hann.iter()).map(|(&sample, window)| Complex32::new(f32::from(sample) * window, 0.0)).collect();
        self.fft.process(&mut buffer);
        let weight: f64 = self.hann.iter().map(|window| f64::from(window * window)).sum();
        for (sum, bin) in self.sums.iter_mut().zip(&buffer) {
            *sum += 2.0 * f64::from(bin.norm_sqr()) / (WINDOW as f64 * weight);
        }
        self.windows += 1;
    }
}

impl fmt::Debug for Analyser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Analyser").field("rate", &self.rate).field("windows", &self.windows).finish_non_exhaustive()
    }
}

impl Spectrum {
    /// The spectrum of a whole recording.
    pub fn of(samples: &[i16], rate: u32) -> Self {
        let mut analyser = Analyser::new(rate);
        analyser.push(samples);
        analyser.spectrum()
    }

    /// The strongest frequencies, strongest first, at most `count`; none below −70 dBFS or 30 dB below the strongest.
    pub fn strongest(&self, count: usize) -> Vec<Peak> {
        let mut peaks: Vec<(usize, f32)> = (1..self.power.len().saturating_sub(1))
            .filter(|&at| self.power[at] > self.power[at - 1] && self.power[at] >= self.power[at + 1])
            .map(|at| (at, level(self.lobe(at))))
            .filter(|&(_, level)| level > FLOOR_DBFS)
            .collect();
        peaks.sort_by(|one, other| other.1.total_cmp(&one.1));
        let weakest = peaks.first().map_or(0.0, |&(_, strongest)| strongest - RANGE_DB);
        let mut kept: Vec<(usize, f32)> = Vec::new();
        for (at, level) in peaks {
            if kept.len() < count && level > weakest && kept.iter().all(|&(other, _)| at.abs_diff(other) >= APART) {
                kept.push((at, level));
            }
        }
        kept.into_iter().map(|(at, level_dbfs)| Peak { frequency: self.centre(at), level_dbfs }).collect()
    }

    /// The level at a frequency, in dB relative to a full-scale sine; −120 for nothing at all.
    pub fn level_at(&self, frequency: f32) -> f32 {
        let bin = (frequency * WINDOW as f32 / self.rate as f32).round();
        if bin < 0.0 || bin as usize >= self.power.len() { -120.0 } else { level(self.lobe(bin as usize)) }
    }

    /// Power of a bin and its lobe.
    fn lobe(&self, at: usize) -> f64 {
        self.power[at.saturating_sub(LOBE)..(at + LOBE + 1).min(self.power.len())].iter().sum()
    }

    /// The frequency of a peak, between bins by the weight of its lobe.
    fn centre(&self, at: usize) -> f32 {
        let (low, high) = (at.saturating_sub(1), (at + 1).min(self.power.len() - 1));
        let weights: Vec<f64> = (low..=high).map(|bin| self.power[bin].sqrt()).collect();
        let centre =
            (low..=high).zip(&weights).map(|(bin, weight)| bin as f64 * weight).sum::<f64>() / weights.iter().sum::<f64>().max(1e-12);
        (centre * f64::from(self.rate) / WINDOW as f64) as f32
    }
}

fn level(power: f64) -> f32 {
    (10.0 * (power / (32768.0 * 32768.0 / 2.0)).max(1e-12).log10()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::tone::Generator;

    fn tones(all: &[(f32, f32)], count: usize) -> Vec<i16> {
        let mut sum = vec![0i16; count];
        for &(frequency, level) in all {
            sum.iter_mut().zip(Generator::endless(frequency, level, 8000)).for_each(|(sum, sample)| *sum += sample);
        }
        sum
    }

    #[test]
    fn three_tones_are_found_where_they_are_and_as_loud_as_they_are() {
        let spectrum = Spectrum::of(&tones(&[(440.0, -20.0), (621.7, -26.0), (880.0, -14.0)], 16_000), 8000);
        let shown: Vec<String> =
            spectrum.strongest(5).iter().map(|peak| format!("{:.0} Hz {:.0} dB", peak.frequency, peak.level_dbfs)).collect();
        assert_eq!(shown, ["880 Hz -14 dB", "440 Hz -20 dB", "622 Hz -26 dB"]);
        assert!((spectrum.level_at(440.0) + 20.0).abs() < 0.2, "{}", spectrum.level_at(440.0));
        assert!(spectrum.level_at(1200.0) < -80.0);
        assert_eq!(spectrum.level_at(9000.0), -120.0);
    }

    #[test]
    fn a_short_recording_has_a_spectrum_too() {
        let spectrum = Spectrum::of(&tones(&[(1000.0, -20.0)], 2000), 8000);
        let peak = spectrum.strongest(1)[0];
        assert!((peak.frequency - 1000.0).abs() < 2.0 && (peak.level_dbfs + 20.0).abs() < 4.0, "{peak:?}");
    }

    #[test]
    fn silence_and_nothing_have_no_peaks() {
        assert!(Spectrum::of(&[0; 10_000], 8000).strongest(3).is_empty());
        assert!(Spectrum::of(&[], 8000).strongest(3).is_empty());
    }

    #[test]
    fn a_tone_that_was_there_half_the_time_is_three_decibels_weaker() {
        let mut samples = tones(&[(500.0, -20.0)], 40_960);
        samples.extend([0; 40_960]);
        assert!((Spectrum::of(&samples, 8000).level_at(500.0) + 23.0).abs() < 0.4);
    }
}
