//! Keeps a loud room from clipping: the sum of a room is turned down while its peaks exceed full scale.
//!
//! One gain for the whole room and tick, so that what each leg hears stays the same mix less itself. At unity, the usual case, nothing is touched and the mix is exact.

use super::level::whole;

/// Peaks above this turn the room down.
const CEILING: f32 = 30_000.0;
/// The gain rises by this factor a tick once there is room again: about 9 dB a second.
const RELEASE: f32 = 1.02;

/// The limiter of one room.
#[derive(Debug)]
pub struct Limiter {
    gain: f32,
}

/// A gain that changes evenly over a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ramp {
    from: f32,
    to: f32,
}

impl Limiter {
    /// At unity.
    pub fn new() -> Self {
        Self { gain: 1.0 }
    }

    /// Looks at the sum of a tick; `None` leaves it as it is.
    pub fn judge(&mut self, sum: &[i32]) -> Option<Ramp> {
        let peak = sum.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0) as f32;
        let allowed = if peak > CEILING { CEILING / peak } else { 1.0 };
        if allowed >= 1.0 && self.gain >= 1.0 {
            return None;
        }
        let from = self.gain;
        self.gain = allowed.min(self.gain * RELEASE);
        // Down at once, so that this very peak fits; up evenly.
        Some(Ramp { from: from.min(self.gain), to: self.gain })
    }
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new()
    }
}

impl Ramp {
    /// Turns samples down.
    pub fn apply(self, samples: &mut [i32]) {
        let step = (self.to - self.from) / samples.len().max(1) as f32;
        for (at, sample) in samples.iter_mut().enumerate() {
            *sample = whole(*sample as f32 * (self.from + step * at as f32));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_not_touched() {
        let mut limiter = Limiter::new();
        assert_eq!(limiter.judge(&[30_000, -30_000]), None);
    }

    #[test]
    fn a_peak_is_turned_down_at_once_and_the_room_comes_back_slowly() {
        let mut limiter = Limiter::new();
        let mut loud = [60_000, -90_000, 1000];
        limiter.judge(&loud).unwrap().apply(&mut loud);
        assert!(loud.iter().all(|sample| sample.abs() <= 30_000) && loud[1] < -29_990, "{loud:?}");
        let mut ticks = 0;
        while let Some(ramp) = limiter.judge(&[10_000; 3]) {
            assert!(ramp.from <= ramp.to);
            ticks += 1;
        }
        assert!((50..=60).contains(&ticks), "{ticks} ticks for 9.5 dB");
    }
}
