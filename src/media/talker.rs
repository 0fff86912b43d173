//! Who talks: a level with hangover for each leg, and reports of the set of those who do.

use std::time::Duration;

use super::level::energy_at;

/// Least time between two reports of one room.
pub const REPORT_EVERY: Duration = Duration::from_millis(200);

/// Most talkers named in one report: the loudest.
pub const MAX_REPORTED: usize = 64;

/// Above this level, in dB relative to a full-scale sine, somebody talks: 20 to 25 dB below usual speech, above the noise of usual rooms.
pub const THRESHOLD_DBFS: f32 = -45.0;

/// Loud ticks before somebody counts as talking: a click is one.
const ONSET_TICKS: u32 = 3;

/// Ticks for which a pause between words is bridged.
const HANGOVER_TICKS: u32 = 25;

/// Watches one leg.
#[derive(Debug)]
pub struct Detector {
    threshold: u64,
    loud: u32,
    hangover: u32,
    /// Recent energy, for the order of reports.
    recent: f32,
}

impl Detector {
    /// For frames of so many samples.
    pub fn new(frame: usize) -> Self {
        Self { threshold: energy_at(THRESHOLD_DBFS, frame), loud: 0, hangover: 0, recent: 0.0 }
    }

    /// Takes the energy of a tick, 0 for nothing or for someone muted.
    pub fn hear(&mut self, energy: u64) {
        self.recent += (energy as f32 - self.recent) / 8.0;
        if energy < self.threshold {
            self.loud = 0;
            self.hangover = self.hangover.saturating_sub(1);
            return;
        }
        self.loud = (self.loud + 1).min(ONSET_TICKS);
        if self.loud == ONSET_TICKS || self.hangover > 0 {
            self.hangover = HANGOVER_TICKS;
        }
    }

    /// Muted, parked or gone: not talking from now on.
    pub fn silence(&mut self) {
        (self.loud, self.hangover, self.recent) = (0, 0, 0.0);
    }

    /// True while talking, pauses between words included.
    pub fn is_talking(&self) -> bool {
        self.hangover > 0
    }

    /// How loud lately, for ordering.
    pub fn loudness(&self) -> f32 {
        self.recent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talking(energies: impl IntoIterator<Item = u64>) -> Vec<bool> {
        let mut detector = Detector::new(160);
        energies
            .into_iter()
            .map(|energy| {
                detector.hear(energy);
                detector.is_talking()
            })
            .collect()
    }

    #[test]
    fn speech_counts_from_its_third_loud_tick_and_a_click_never() {
        let loud = energy_at(-20.0, 160);
        assert_eq!(talking([loud, loud, loud, loud]), [false, false, true, true]);
        assert!(talking([loud, 0, loud, loud, 0, loud]).iter().all(|talking| !talking));
        assert!(talking([energy_at(-50.0, 160); 100]).iter().all(|talking| !talking), "noise of a room");
    }

    #[test]
    fn pauses_between_words_are_bridged_for_half_a_second() {
        let loud = energy_at(-20.0, 160);
        let shown = talking([loud; 3].into_iter().chain([0; 24]).chain([loud]).chain([0; 30]));
        assert!(shown[2..52].iter().all(|&talking| talking));
        assert!(!shown[52..].iter().any(|&talking| talking), "{shown:?}");
    }

    #[test]
    fn the_silenced_stop_at_once() {
        let mut detector = Detector::new(160);
        (0..5).for_each(|_| detector.hear(energy_at(-10.0, 160)));
        assert!(detector.is_talking() && detector.loudness() > 0.0);
        detector.silence();
        assert!(!detector.is_talking());
    }
}
