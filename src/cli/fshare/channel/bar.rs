//! The bars of what goes through a channel, and its `progress` for programs.

use super::show::Carried;
use crate::{
    channel::wire::letter::Way,
    cli::{
        Failure,
        fshare::{
            bar::{Bars, Files, again, short},
            show::at,
        },
        output::Output,
    },
    clock,
    transfer::{Estimator, Manifest},
};

/// The bars of a transfer.
pub struct Bar {
    bars: Bars,
    what: String,
    from: u64,
    total: Option<u64>,
    source: &'static str,
    retries: u32,
    /// Programs are told.
    tells: bool,
    estimator: Estimator,
}

impl Bar {
    /// Bars that begin at a byte, after so many breaks.
    pub fn new(output: &Output, manifest: &Manifest, from: u64, way: Way, retries: u32) -> Self {
        let (files, total) = (Files::of(manifest), manifest.total());
        let first = manifest.files().map(|(_, entry)| entry).next().or(manifest.entries().first());
        let what = match files.count() {
            0 | 1 => first.map_or_else(String::new, |entry| short(entry.path.as_str())),
            several => format!("{several} files"),
        };
        let (bars, estimator) = (Bars::new(output, &what, total, files), Estimator::new(clock::now(), from));
        Self { bars, what, from, total, source: way.as_str(), retries, tells: true, estimator }
    }

    /// Whether programs are told; they are, where standard output is not for what comes.
    #[must_use]
    pub fn telling(self, tells: bool) -> Self {
        Self { tells, ..self }
    }

    /// So many breaks there were by now.
    pub fn retried(&mut self, retries: u32) {
        self.retries = retries;
    }

    /// So many bytes have moved.
    pub fn show(&mut self, output: &Output, bytes: u64, limited: bool) -> Result<(), Failure> {
        let (now, bytes) = (clock::now(), bytes.max(self.from));
        self.estimator.update(now, bytes);
        let by = if limited { ", limited by the receiver" } else { "" };
        let what = format!("{} ({}{}{by}{})", self.what, self.source, self.bars.files().counted(bytes), again(self.retries));
        self.bars.draw(output, &what, bytes, self.total);
        if !output.is_json() || !self.tells || bytes == 0 || !self.bars.is_due(now) {
            return Ok(());
        }
        let (rate, total, source, retries) = (self.estimator.rate() as u64, self.total, self.source, self.retries);
        let eta = self.estimator.eta(total).map(|eta| eta.as_secs());
        let file = self.bars.files().name(bytes).map(str::to_owned);
        output.event(&Carried::Progress { at: at(), bytes, total, rate, eta, source, file, retries, limited })
    }
}
