//! What a terminal heard, measured: levels and frequencies, of all of it and of the last second.

use std::{collections::VecDeque, time::Duration};

use super::{
    LegStats,
    level::{dbfs, energy},
    spectrum::{Analyser, Peak, Spectrum, WINDOW},
    terminal::time_of,
};

/// Samples that count as recent: a little over a second at 8 kHz.
const RECENT: usize = 2 * WINDOW;
/// Frequencies named in a report.
const STRONGEST: usize = 8;

/// Listens all along, with bounded memory.
#[derive(Debug)]
pub(super) struct Ear {
    rate: u32,
    analyser: Analyser,
    recent: VecDeque<i16>,
    samples: u64,
    energy: u64,
    peak: u16,
}

/// The measurements of a moment, not yet worked out.
#[derive(Debug, Clone)]
pub struct Snapshot {
    rate: u32,
    stats: LegStats,
    digits: String,
    analyser: Analyser,
    recent: Vec<i16>,
    samples: u64,
    energy: u64,
    peak: u16,
}

/// What was heard in some time.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// How long.
    pub duration: Duration,
    /// Mean level, in dB relative to a full-scale sine; `None` for digital silence.
    pub level_dbfs: Option<f32>,
    /// The strongest frequencies, strongest first.
    pub strongest: Vec<Peak>,
    /// For the level at any frequency.
    pub spectrum: Spectrum,
}

/// What a terminal heard and counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Packets, loss, jitter.
    pub stats: LegStats,
    /// Keys that the peer pressed, in order.
    pub digits: String,
    /// All of it.
    pub whole: Heard,
    /// The last second.
    pub recent: Heard,
    /// The loudest sample, 0 to 32768.
    pub peak: u16,
}

impl Ear {
    pub fn new(rate: u32) -> Self {
        Self { rate, analyser: Analyser::new(rate), recent: VecDeque::with_capacity(RECENT + 1), samples: 0, energy: 0, peak: 0 }
    }

    pub fn hear(&mut self, samples: &[i16]) {
        self.analyser.push(samples);
        self.recent.extend(samples);
        self.recent.drain(..self.recent.len().saturating_sub(RECENT));
        self.samples += samples.len() as u64;
        self.energy = self.energy.saturating_add(energy(samples));
        self.peak = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0).max(self.peak);
    }

    pub fn snapshot(&self, stats: LegStats, digits: String) -> Snapshot {
        Snapshot {
            rate: self.rate,
            stats,
            digits,
            analyser: self.analyser.clone(),
            recent: self.recent.iter().copied().collect(),
            samples: self.samples,
            energy: self.energy,
            peak: self.peak,
        }
    }
}

impl Snapshot {
    /// Works the measurements out: a few transforms, better not done on a media thread.
    pub fn report(self) -> Report {
        let heard = |samples: u64, energy: u64, spectrum: Spectrum| Heard {
            duration: time_of(samples, self.rate),
            level_dbfs: dbfs(energy, samples as usize),
            strongest: spectrum.strongest(STRONGEST),
            spectrum,
        };
        Report {
            whole: heard(self.samples, self.energy, self.analyser.spectrum()),
            recent: heard(self.recent.len() as u64, energy(&self.recent), Spectrum::of(&self.recent, self.rate)),
            stats: self.stats,
            digits: self.digits,
            peak: self.peak,
        }
    }
}
