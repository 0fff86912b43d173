//! Tones: one or two frequencies for a time, with soft edges.

use std::{f64::consts::TAU, time::Duration};

use super::{level::amplitude, prompt::Tone};

/// Rise and fall at the edges, in milliseconds, so that there is no click.
const EDGE_MS: usize = 5;

/// Makes the samples of one tone.
#[derive(Debug, Clone)]
pub struct Generator {
    amplitude: f64,
    /// Turns per sample of each frequency, and the turns made.
    steps: [f64; 2],
    turns: [f64; 2],
    done: usize,
    length: usize,
    edge: usize,
}

impl Generator {
    /// A tone at a sample rate in hertz.
    pub fn new(tone: &Tone, rate: u32) -> Self {
        let step = |frequency: f32| {
            let turns = f64::from(frequency) / f64::from(rate);
            if turns > 0.0 && turns < 0.5 { turns } else { 0.0 }
        };
        Self {
            amplitude: f64::from(amplitude(tone.level_dbfs)),
            steps: [step(tone.frequency), tone.second.map_or(0.0, step)],
            turns: [0.0; 2],
            done: 0,
            length: samples(tone.duration, rate),
            edge: rate as usize * EDGE_MS / 1000,
        }
    }

    /// True when its last sample was made.
    pub fn is_spent(&self) -> bool {
        self.done >= self.length
    }

    /// A tone without end (and with no edge but the first).
    pub fn endless(frequency: f32, level_dbfs: f32, rate: u32) -> Self {
        let tone = Tone { frequency, second: None, level_dbfs, duration: Duration::ZERO };
        Self { length: usize::MAX, ..Self::new(&tone, rate) }
    }
}

/// How many samples a time has, rounded down.
pub fn samples(duration: Duration, rate: u32) -> usize {
    (duration.as_secs_f64() * f64::from(rate)) as usize
}

impl Iterator for Generator {
    type Item = i16;

    fn next(&mut self) -> Option<i16> {
        if self.is_spent() {
            return None;
        }
        let mut sum = 0.0;
        for (turns, step) in self.turns.iter_mut().zip(self.steps) {
            sum += (*turns * TAU).sin();
            *turns = (*turns + step).fract();
        }
        let from_edge = (self.done + 1).min(self.length - self.done).min(self.edge);
        self.done += 1;
        Some((sum * self.amplitude * from_edge as f64 / self.edge as f64) as i16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::level::{dbfs, energy};

    #[test]
    fn a_tone_lasts_as_long_and_is_as_loud_as_it_says() {
        let tone = Tone { frequency: 425.0, second: None, level_dbfs: -12.0, duration: Duration::from_millis(500) };
        let made: Vec<i16> = Generator::new(&tone, 8000).collect();
        assert_eq!(made.len(), 4000);
        assert!((dbfs(energy(&made[100..3900]), 3800).unwrap() + 12.0).abs() < 0.1);
        assert!(made[0].abs() < 300 && made[3999].abs() < 300, "soft edges");
    }

    #[test]
    fn two_frequencies_are_each_at_the_level_and_impossible_ones_are_silent() {
        let tone = Tone { frequency: 697.0, second: Some(1209.0), level_dbfs: -20.0, duration: Duration::from_secs(1) };
        let made: Vec<i16> = Generator::new(&tone, 8000).collect();
        assert!((dbfs(energy(&made), made.len()).unwrap() + 17.0).abs() < 0.1);
        for frequency in [0.0, -5.0, 4000.0, f32::NAN, f32::INFINITY] {
            assert!(Generator::new(&Tone { frequency, second: None, ..tone }, 8000).all(|sample| sample == 0));
        }
    }

    #[test]
    fn an_endless_tone_goes_on() {
        assert_eq!(Generator::endless(440.0, -10.0, 8000).take(100_000).count(), 100_000);
    }
}
