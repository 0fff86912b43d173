//! Levels in dB relative to a full-scale sine, and gains.

/// Largest gain either way, in dB; minus this much is silence.
pub const MAX_GAIN_DB: i8 = 40;

/// Mean square of a sine of full scale: 0 dBFS.
const FULL_SCALE: f64 = 32768.0 * 32768.0 / 2.0;

/// Sum of squares of the samples.
pub fn energy(samples: &[i16]) -> u64 {
    samples.iter().map(|&sample| u64::from((i32::from(sample) * i32::from(sample)) as u32)).sum()
}

/// The level of samples of this energy and number, in dB relative to a full-scale sine; `None` for digital silence.
pub fn dbfs(energy: u64, samples: usize) -> Option<f32> {
    (energy > 0 && samples > 0).then(|| (10.0 * (energy as f64 / samples as f64 / FULL_SCALE).log10()) as f32)
}

/// The energy that `samples` samples have at a level in dBFS: thresholds are compared as energies.
pub fn energy_at(level_dbfs: f32, samples: usize) -> u64 {
    (FULL_SCALE * 10f64.powf(f64::from(level_dbfs) / 10.0) * samples as f64) as u64
}

/// Amplitude of a sine at a level in dBFS, clamped to full scale.
pub fn amplitude(level_dbfs: f32) -> f32 {
    32767.0 * 10f32.powf(level_dbfs.min(0.0) / 20.0)
}

/// A volume.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gain(f32);

impl Gain {
    /// Changes nothing.
    pub const UNITY: Self = Self(1.0);

    /// A gain in dB, clamped to [`MAX_GAIN_DB`] both ways; the least is silence.
    pub fn from_db(db: i8) -> Self {
        if db <= -MAX_GAIN_DB { Self(0.0) } else { Self(10f32.powf(f32::from(db.min(MAX_GAIN_DB)) / 20.0)) }
    }

    /// True where nothing changes.
    pub fn is_unity(self) -> bool {
        self.0 == 1.0
    }

    /// The factor.
    pub fn factor(self) -> f32 {
        self.0
    }

    /// The samples louder or softer, saturating.
    pub fn apply(self, samples: &mut [i16]) {
        for sample in samples {
            *sample = whole(f32::from(*sample) * self.0).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
        }
    }

    /// Likewise on sums.
    pub fn apply_to_sum(self, samples: &mut [i32]) {
        for sample in samples {
            *sample = whole(*sample as f32 * self.0);
        }
    }
}

/// Largest magnitude that [`whole`] gives: far beyond what a sample can be.
const LARGEST: f32 = 4_000_000.0;

/// The nearest whole number, clamped to [`LARGEST`]. A plain `as i32` has to think of every float, and keeps the loop around it from becoming vector code.
#[inline]
pub(super) fn whole(value: f32) -> i32 {
    // Adding this leaves the number in the mantissa, whose upper half of the range begins at it.
    const MIDDLE: f32 = 12_582_912.0;
    (value.clamp(-LARGEST, LARGEST) + MIDDLE).to_bits() as i32 - MIDDLE.to_bits() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_scale_sine_is_at_zero_and_half_of_it_six_below() {
        let sine = |amplitude: f64| -> Vec<i16> {
            (0..8000).map(|i| (amplitude * (f64::from(i) * 440.0 * std::f64::consts::TAU / 8000.0).sin()) as i16).collect()
        };
        let level = |samples: &[i16]| dbfs(energy(samples), samples.len()).unwrap();
        assert!(level(&sine(32767.0)).abs() < 0.01);
        assert!((level(&sine(16384.0)) + 6.02).abs() < 0.01);
        assert!((level(&sine(f64::from(amplitude(-30.0)))) + 30.0).abs() < 0.02);
        assert_eq!(dbfs(energy(&[0; 160]), 160), None);
    }

    #[test]
    fn the_loudest_samples_do_not_overflow() {
        assert_eq!(energy(&[i16::MIN; 160]), 160 << 30);
        assert!((dbfs(energy_at(-45.0, 160), 160).unwrap() + 45.0).abs() < 0.01);
    }

    #[test]
    fn floats_become_the_nearest_whole_number() {
        for (value, nearest) in [(0.0, 0), (-0.4, 0), (1.5, 2), (-1.6, -2), (32767.3, 32767), (-3_999_999.0, -3_999_999), (9e9, 4_000_000)]
        {
            assert_eq!(whole(value), nearest, "{value}");
        }
    }

    #[test]
    fn gains_saturate_and_the_least_is_silence() {
        let mut samples = [1000, -20000, 30000];
        Gain::from_db(6).apply(&mut samples);
        assert_eq!(samples, [1995, i16::MIN, i16::MAX]);
        Gain::from_db(-40).apply(&mut samples);
        assert_eq!(samples, [0, 0, 0]);
        assert!(Gain::from_db(0).is_unity());
    }
}
