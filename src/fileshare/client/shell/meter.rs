//! Progress, told ten times a second at most.

use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;

use super::Settings;
use crate::transfer::{Estimator, Manifest, Progress, cursor::Cursor};

/// Between two reports.
const INTERVAL: Duration = Duration::from_millis(100);

/// What a transfer is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Making the connection.
    #[default]
    Connecting,
    /// Admitted; nothing has moved yet.
    Waiting,
    /// Bytes move.
    Moving,
    /// All bytes are over; hashes are compared.
    Verifying,
    /// All is done.
    Done,
}

/// How a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// What it does.
    pub phase: Phase,
    /// How far it is: of an upload, what is on the file server's disk; of a download, what is written here.
    pub progress: Progress,
    /// Bytes a second.
    pub rate: u64,
    /// Time to go, where that can be said.
    pub eta: Option<Duration>,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Meter {
    out: Option<watch::Sender<Snapshot>>,
    estimator: Option<Estimator>,
    told: Option<Instant>,
    snapshot: Snapshot,
}

impl Meter {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut meter = Self { out: settings.progress.clone(), estimator: None, told: None, snapshot: Snapshot::default() };
        // A transfer that goes on is not set back for those who watch.
        if let Some(out) = &meter.out {
            meter.snapshot.progress = out.borrow().progress;
        }
        meter.tell();
        meter
    }

    pub(super) fn phase(&mut self, phase: Phase) {
        if self.snapshot.phase != phase {
            self.snapshot.phase = phase;
            self.tell();
        }
    }

    /// What the batch has.
    pub(super) fn batch(&mut self, manifest: &Manifest) {
        (self.snapshot.progress.total, self.snapshot.progress.files_total) = (manifest.total(), manifest.files().len() as u64);
    }

    /// The batch has so many bytes after all.
    pub(super) fn total(&mut self, bytes: u64) {
        self.snapshot.progress.total = Some(bytes);
    }

    /// Here it stands.
    pub(super) fn moved(&mut self, now: Instant, bytes: u64, files: impl FnOnce() -> u64) {
        let estimator = self.estimator.get_or_insert_with(|| Estimator::new(now, bytes));
        estimator.update(now, bytes);
        let ended = Some(bytes) == self.snapshot.progress.total;
        if !ended && self.told.is_some_and(|told| now.saturating_duration_since(told) < INTERVAL) {
            return;
        }
        (self.snapshot.progress.bytes, self.snapshot.progress.files) = (bytes, files());
        (self.snapshot.rate, self.snapshot.eta) = (estimator.rate() as u64, estimator.eta(self.snapshot.progress.total));
        self.told = Some(now);
        self.tell();
    }

    fn tell(&self) {
        if let Some(out) = &self.out {
            out.send_replace(self.snapshot);
        }
    }
}

/// Files that lie wholly before an offset of the stream.
pub(super) fn files_before(manifest: &Manifest, offset: u64) -> u64 {
    Cursor::at(manifest, offset).map_or(0, |cursor| cursor.files_done() as u64)
}
