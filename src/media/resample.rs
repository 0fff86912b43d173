//! Changing the sample rate: a polyphase filter of windowed sinc.
//!
//! Made for clips, once each, so the whole is in memory. The pass band ends at nine tenths of the lower rate's half, and what would alias lies more than 70 dB below.

/// Zero crossings of the sinc on each side.
const CROSSINGS: f64 = 24.0;
/// Shape of the Kaiser window.
const BETA: f64 = 8.0;
/// Where the filter is 6 dB down, as a share of half the lower rate: the middle of the transition.
const CUTOFF: f64 = 0.93;

/// Samples at one rate as samples at another, both in hertz and above 0. As long as before, rounded up to whole samples.
pub fn resample(samples: &[i16], from: u32, to: u32) -> Vec<i16> {
    if from == to || from == 0 || to == 0 {
        return samples.to_vec();
    }
    let common = gcd(from, to);
    let (step, phases) = (u64::from(from / common), u64::from(to / common));
    // Frequencies in cycles per input sample.
    let cutoff = CUTOFF * 0.5 * f64::from(to.min(from)) / f64::from(from);
    let half = (CROSSINGS / (2.0 * cutoff)).ceil() as i64;
    let filter = filter(cutoff, half, phases);
    let taps = 2 * half as usize;
    let count = (samples.len() as u64 * phases).div_ceil(step);
    (0..count)
        .map(|out| {
            let (whole, phase) = ((out * step / phases) as i64, (out * step % phases) as usize);
            let first = whole - half + 1;
            let filter = &filter[phase * taps..(phase + 1) * taps];
            let sum: f32 = if let Ok(start) = usize::try_from(first)
                && let Some(inputs) = samples.get(start..start + taps)
            {
                inputs.iter().zip(filter).map(|(&sample, weight)| f32::from(sample) * weight).sum()
            } else {
                let input = |at: i64| usize::try_from(at).ok().and_then(|at| samples.get(at)).copied().unwrap_or(0);
                (first..).zip(filter).map(|(at, weight)| f32::from(input(at)) * weight).sum()
            };
            sum.round() as i16
        })
        .collect()
}

/// The taps of every phase, one phase after the other.
fn filter(cutoff: f64, half: i64, phases: u64) -> Vec<f32> {
    let mut all = Vec::with_capacity(phases as usize * 2 * half as usize);
    for phase in 0..phases {
        let taps: Vec<f64> = (1 - half..=half)
            .map(|at| {
                let distance = at as f64 - phase as f64 / phases as f64;
                let turns = 2.0 * cutoff * distance;
                let sinc = if turns.abs() < 1e-9 { 1.0 } else { (std::f64::consts::PI * turns).sin() / (std::f64::consts::PI * turns) };
                let edge = 1.0 - (distance / half as f64).powi(2);
                sinc * if edge > 0.0 { bessel(BETA * edge.sqrt()) } else { 0.0 }
            })
            .collect();
        let sum: f64 = taps.iter().sum();
        all.extend(taps.iter().map(|tap| (tap / sum) as f32));
    }
    all
}

/// The modified Bessel function of the first kind and order 0.
fn bessel(x: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..40 {
        term *= (x / (2.0 * f64::from(k))).powi(2);
        sum += term;
    }
    sum
}

fn gcd(one: u32, other: u32) -> u32 {
    if other == 0 { one } else { gcd(other, one % other) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::spectrum::Spectrum;

    fn tone(frequency: f64, rate: u32) -> Vec<i16> {
        (0..rate).map(|i| (10_000.0 * (f64::from(i) * frequency * std::f64::consts::TAU / f64::from(rate)).sin()) as i16).collect()
    }

    #[test]
    fn a_tone_keeps_its_frequency_and_level_from_every_usual_rate() {
        for from in [8000, 11025, 16000, 22050, 32000, 44100, 48000] {
            let made = resample(&tone(1000.0, from), from, 8000);
            assert_eq!(made.len(), 8000, "{from}");
            let spectrum = Spectrum::of(&made, 8000);
            let peak = spectrum.strongest(1)[0];
            assert!((peak.frequency - 1000.0).abs() < 1.0 && (peak.level_dbfs + 10.3).abs() < 0.2, "{from}: {peak:?}");
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_gone() {
        let made = resample(&tone(5000.0, 16000), 16000, 8000);
        let loudest = made[100..7900].iter().map(|sample| sample.abs()).max().unwrap();
        assert!(loudest < 5, "{loudest}");
    }

    #[test]
    fn going_up_and_down_again_changes_little() {
        let start = tone(700.0, 8000);
        let back = resample(&resample(&start, 8000, 48000), 48000, 8000);
        let worst = start.iter().zip(&back).skip(100).take(7800).map(|(one, other)| one.abs_diff(*other)).max().unwrap();
        assert!(worst < 20, "{worst}");
    }

    #[test]
    fn nothing_gives_nothing() {
        assert!(resample(&[], 44100, 8000).is_empty());
    }
}
