//! Loss concealment: the last pitch period goes on, fading, until audio returns (the manner of G.711 Appendix I, without its delay).
//!
//! For the first 10 ms the last period is repeated, then the last three in turn, so that the ear hears no buzz; from 10 ms on it fades, and after 60 ms there is
//! silence. The first good samples are blended with the repetition. Out of scope: when to conceal (see [`super::jitter`]).

/// Repeated pitch periods after the first 10 ms.
const PERIODS: usize = 3;
/// Full level so long, in milliseconds.
const FULL_MS: usize = 10;
/// Silent after so long, in milliseconds.
const SILENT_MS: usize = 60;
/// Blending of the first good samples, in milliseconds.
const BLEND_MS: usize = 5;
/// Samples over which the step at the start is taken away.
const STEP: usize = 16;

/// Conceals one stream.
#[derive(Debug)]
pub struct Concealer {
    rate: usize,
    /// The audio before the loss, oldest first.
    past: Vec<f32>,
    pitch: usize,
    /// Samples concealed so far; 0 when nothing is lost.
    done: usize,
    /// What the first concealed sample would jump by.
    step: f32,
}

impl Concealer {
    /// For a sample rate in hertz.
    pub fn new(rate: u32) -> Self {
        Self { rate: rate as usize, past: Vec::new(), pitch: 0, done: 0, step: 0.0 }
    }

    /// Samples of the past that [`Concealer::conceal`] needs.
    pub fn memory(&self) -> usize {
        PERIODS * self.longest() + self.longest() / 4
    }

    /// True while a loss goes on.
    pub fn is_concealing(&self) -> bool {
        self.done > 0
    }

    /// True once nothing but silence is left to conceal with.
    pub fn is_exhausted(&self) -> bool {
        self.done > 0 && (self.pitch == 0 || self.done >= self.rate * SILENT_MS / 1000)
    }

    /// Fills `out` with what the stream might have been. At the start of a loss `past` yields the samples before it, oldest first, at least
    /// [`Concealer::memory`] of them; later it is not asked.
    pub fn conceal(&mut self, past: impl Iterator<Item = i16>, out: &mut [i16]) {
        if self.done == 0 {
            self.past.clear();
            self.past.extend(past.map(f32::from));
            self.pitch = self.find_pitch();
            let before = self.past.len().checked_sub(self.pitch + 1).and_then(|at| self.past.get(at));
            self.step = self.past.last().zip(before).map_or(0.0, |(last, before)| last - before);
        }
        for sample in out {
            *sample = self.sample(self.done).clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16;
            self.done = self.done.saturating_add(1);
        }
    }

    /// Audio is back: blends its first samples with the repetition. Does nothing when nothing was lost.
    pub fn resume(&mut self, good: &mut [i16]) {
        if self.done == 0 {
            return;
        }
        let blend = (self.rate * BLEND_MS / 1000).min(good.len());
        for (at, sample) in good.iter_mut().take(blend).enumerate() {
            let weight = (at + 1) as f32 / (blend + 1) as f32;
            *sample = (f32::from(*sample) * weight + self.sample(self.done + at) * (1.0 - weight)) as i16;
        }
        self.done = 0;
    }

    /// Silence begins: the loss is over, and nothing is blended.
    pub fn forget(&mut self) {
        self.done = 0;
    }

    fn shortest(&self) -> usize {
        self.rate / 200
    }

    fn longest(&self) -> usize {
        self.rate * 3 / 200
    }

    fn sample(&self, at: usize) -> f32 {
        let (full, silent) = (self.rate * FULL_MS / 1000, self.rate * SILENT_MS / 1000);
        if at >= silent || self.pitch == 0 {
            return 0.0;
        }
        let blend = self.pitch / 4;
        let tone = if at < full {
            self.repeated(1, at)
        } else {
            let many = self.repeated(PERIODS, at);
            match at - full {
                into if into < blend => {
                    let weight = into as f32 / blend as f32;
                    self.repeated(1, at) * (1.0 - weight) + many * weight
                }
                _ => many,
            }
        };
        let step = if at < STEP { self.step * (1.0 - at as f32 / STEP as f32) } else { 0.0 };
        let fade = if at < full { 1.0 } else { 1.0 - (at - full) as f32 / (silent - full) as f32 };
        (tone + step) * fade
    }

    /// The last `periods` periods in a ring; the last quarter of a period is blended with what stood before the ring, so that its seam is smooth.
    fn repeated(&self, periods: usize, at: usize) -> f32 {
        let (length, blend) = (periods * self.pitch, self.pitch / 4);
        let Some(start) = self.past.len().checked_sub(length) else { return 0.0 };
        let at = at % length;
        let here = self.past.get(start + at).copied().unwrap_or(0.0);
        let into = (at + blend).saturating_sub(length);
        if into == 0 && at + blend < length {
            return here;
        }
        let before = (start + at).checked_sub(length).and_then(|at| self.past.get(at)).copied().unwrap_or(here);
        let weight = into as f32 / blend.max(1) as f32;
        here * (1.0 - weight) + before * weight
    }

    /// The lag at which the last 20 ms are most like what stood before them; 0 when there is nothing to repeat.
    fn find_pitch(&self) -> usize {
        let window = self.rate / 50;
        let Some(start) = self.past.len().checked_sub(window) else { return 0 };
        let recent = &self.past[start..];
        if self.past.len() < self.memory() || dot(recent, recent) < 1.0 {
            return 0;
        }
        let likeness = |lag: usize| {
            let earlier = &self.past[start - lag..start - lag + window];
            let product = dot(recent, earlier);
            // Signed square over energy: the order of the normalised correlation without its root.
            product * product.abs() / dot(earlier, earlier).max(1.0)
        };
        let best =
            |lags: &mut dyn Iterator<Item = usize>| lags.map(|lag| (likeness(lag), lag)).max_by(|one, other| one.0.total_cmp(&other.0));
        let coarse = best(&mut (self.shortest()..=self.longest()).step_by(2)).map_or(self.longest(), |(_, lag)| lag);
        best(&mut (coarse.max(self.shortest() + 1) - 1..=(coarse + 1).min(self.longest()))).map_or(coarse, |(_, lag)| lag)
    }
}

fn dot(one: &[f32], other: &[f32]) -> f32 {
    // Eight sums side by side, so that the loop becomes vector code: a single one would fix the order of additions.
    let mut sums = [0.0f32; 8];
    let (ones, others) = (one.chunks_exact(8), other.chunks_exact(8));
    let rest: f32 = ones.remainder().iter().zip(others.remainder()).map(|(one, other)| one * other).sum();
    for (ones, others) in ones.zip(others) {
        for (sum, (one, other)) in sums.iter_mut().zip(ones.iter().zip(others)) {
            *sum += one * other;
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(frequency: f64, from: usize, count: usize) -> Vec<i16> {
        (from..from + count).map(|i| (8000.0 * (i as f64 * frequency * std::f64::consts::TAU / 8000.0).sin()) as i16).collect()
    }

    fn rms(samples: &[f64]) -> f64 {
        (samples.iter().map(|sample| sample * sample).sum::<f64>() / samples.len() as f64).sqrt()
    }

    #[test]
    fn ten_milliseconds_of_a_steady_tone_are_hardly_missed() {
        for frequency in [100.0, 150.0, 320.0, 440.0] {
            let mut concealer = Concealer::new(8000);
            let mut out = [0; 80];
            concealer.conceal(tone(frequency, 0, 640).into_iter(), &mut out);
            let truth = tone(frequency, 640, 80);
            let error: Vec<f64> = out.iter().zip(&truth).map(|(&made, &real)| f64::from(made) - f64::from(real)).collect();
            // A lag is a whole number of samples, so the phase may be off by half a sample.
            assert!(rms(&error) < 0.25 * 8000.0 / 2f64.sqrt(), "{frequency} Hz: {}", rms(&error));
        }
    }

    #[test]
    fn a_long_loss_fades_to_silence_within_sixty_milliseconds() {
        let mut concealer = Concealer::new(8000);
        let mut levels = Vec::new();
        for _ in 0..4 {
            let mut out = [0; 160];
            concealer.conceal(tone(200.0, 0, 640).into_iter(), &mut out);
            levels.push(rms(&out.map(f64::from)));
        }
        assert!(levels[0] > 4500.0 && levels[0] > levels[1] && levels[1] > levels[2], "{levels:?}");
        assert_eq!(levels[3], 0.0);
    }

    #[test]
    fn neither_the_start_nor_the_return_has_a_step() {
        let mut concealer = Concealer::new(8000);
        let past = tone(230.0, 0, 640);
        let mut heard = past.clone();
        let mut out = [0; 160];
        concealer.conceal(past.into_iter(), &mut out);
        heard.extend(out);
        let mut good = tone(230.0, 800, 160);
        concealer.resume(&mut good);
        heard.extend(&good);
        assert!(!concealer.is_concealing());
        let steepest = |samples: &[i16]| samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap();
        assert!(steepest(&heard[630..]) < 2 * steepest(&heard[..640]), "{} against {}", steepest(&heard[630..]), steepest(&heard[..640]));
    }

    #[test]
    fn silence_stays_silent() {
        let mut concealer = Concealer::new(8000);
        let mut out = [1; 160];
        concealer.conceal(std::iter::repeat_n(0, 640), &mut out);
        assert_eq!(out, [0; 160]);
    }
}
