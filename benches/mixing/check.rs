//! Whether a leg hears all others and not itself.

use rustfft::{FftPlanner, num_complex::Complex64};

/// Samples looked at: two seconds. Tones of whole hertz fit it exactly, so that none leaks into another.
pub const WINDOW: usize = 16_000;
/// Weaker than it should be by this much, a voice is missing.
const MISSING_DB: f64 = 9.0;
/// Weaker than a voice by this much, one's own is rightly absent.
const ABSENT_DB: f64 = 12.0;

/// A talker as the check sees it.
pub struct Voice<'a> {
    /// Hertz.
    pub frequency: u32,
    /// Number of its room.
    pub room: usize,
    /// What it heard, where it is looked at.
    pub heard: Option<&'a [i16]>,
}

/// What is wrong, a line for each leg that hears wrongly.
pub fn faults(voices: &[Voice<'_>], amplitude: f64) -> Vec<String> {
    let looked_at = voices.iter().filter_map(|voice| voice.heard.map(|heard| (voice, heard)));
    looked_at.filter_map(|(voice, heard)| fault(voice, heard, voices, amplitude)).collect()
}

fn fault(listener: &Voice<'_>, heard: &[i16], voices: &[Voice<'_>], amplitude: f64) -> Option<String> {
    let name = listener.frequency;
    if heard.len() < WINDOW {
        return Some(format!("{name} Hz heard only {} samples", heard.len()));
    }
    let mut bins: Vec<Complex64> = heard.iter().map(|&sample| Complex64::new(f64::from(sample), 0.0)).collect();
    FftPlanner::new().plan_fft_forward(WINDOW).process(&mut bins);
    let level = |frequency: u32| {
        let bin = bins[frequency as usize * WINDOW / 8000];
        20.0 * (bin.norm() * 2.0 / WINDOW as f64 / amplitude).max(1e-6).log10()
    };
    let others = voices.iter().filter(|other| other.room == listener.room && other.frequency != name);
    let missing: Vec<u32> = others.map(|other| other.frequency).filter(|&frequency| level(frequency) < -MISSING_DB).collect();
    let own = level(name);
    match (missing.len(), own > -ABSENT_DB) {
        (0, false) => None,
        (0, true) => Some(format!("{name} Hz hears itself at {own:.0} dB")),
        (count, _) => Some(format!("{name} Hz misses {count} voices, the first at {} Hz", missing[0])),
    }
}
