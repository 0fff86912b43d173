//! Progress on standard error, for people only: ten redraws a second at most, nothing where there is no terminal.

use std::{fmt, time::Duration};

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::safe;

/// Redraws a second, at most.
const REDRAWS: u8 = 10;

/// The place where bars are drawn.
pub(super) fn bars(lively: bool) -> MultiProgress {
    let target = if lively { ProgressDrawTarget::stderr_with_hz(REDRAWS) } else { ProgressDrawTarget::hidden() };
    MultiProgress::with_draw_target(target)
}

/// A running bar or spinner; it goes away when dropped.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    all: MultiProgress,
}

impl Progress {
    pub(super) fn spinner(all: &MultiProgress, what: &str) -> Self {
        let progress = Self::shown(all, ProgressBar::new_spinner(), "{spinner} {msg} ({elapsed})", what);
        // Only a bar that is seen needs its ticking thread.
        if !all.is_hidden() {
            progress.bar.enable_steady_tick(Duration::from_millis(1000 / u64::from(REDRAWS)));
        }
        progress
    }

    pub(super) fn steps(all: &MultiProgress, what: &str, steps: u64) -> Self {
        Self::shown(all, ProgressBar::new(steps), "{bar:24} {pos}/{len} {msg} ({elapsed})", what)
    }

    pub(super) fn bytes(all: &MultiProgress, what: &str, total: Option<u64>) -> Self {
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
        let template = if total.is_some() {
            "{percent:>3}% {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}{left} {msg}"
        } else {
            "{spinner} {binary_bytes} {binary_bytes_per_sec} {msg}"
        };
        Self::shown(all, bar, template, what)
    }

    fn shown(all: &MultiProgress, bar: ProgressBar, template: &str, what: &str) -> Self {
        let bar = all.add(bar);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.with_key("left", left));
        }
        let progress = Self { bar, all: all.clone() };
        progress.says(what);
        progress
    }

    /// What is going on now.
    pub fn says(&self, what: &str) {
        self.bar.set_message(safe::line(what).into_owned());
    }

    /// From here on for something else, from its first byte on.
    pub fn anew(&self, what: &str, total: u64) {
        self.bar.reset();
        self.bar.set_length(total);
        self.says(what);
    }

    /// Here it stands, in bytes; the total may become known on the way.
    pub fn at(&self, bytes: u64, total: Option<u64>) {
        if let Some(total) = total {
            self.bar.set_length(total);
        }
        let from = self.bar.position();
        self.bar.set_position(bytes);
        if from == 0 && bytes > 0 {
            // What was there from the start was not moved now, and says nothing of the rate.
            self.bar.reset_eta();
        }
    }

    /// Nothing moves any more, but it is not over: only words are left.
    pub fn rests(&self, what: &str) {
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            self.bar.set_style(style);
        }
        self.says(what);
    }

    /// One step done.
    pub fn step(&self) {
        self.bar.inc(1);
    }
}

/// How long it takes still, where something moves.
fn left(state: &ProgressState, line: &mut dyn fmt::Write) {
    if state.per_sec() >= 1.0 {
        // A line that cannot be written is not drawn.
        let _ = write!(line, " {:#}", HumanDuration(state.eta()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.all.remove(&self.bar);
    }
}
