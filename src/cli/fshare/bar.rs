//! The bars of transfers: one of the whole, and beneath it that of the file that moves, where there are several.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::show::{Moved, at, tell};
use crate::{
    cli::{
        Failure,
        output::{Output, Progress},
    },
    clock,
    fileshare::{ShareId, client::Snapshot, wire::control::Batch},
    transfer::Manifest,
};

/// Between two redraws.
pub const REDRAW: Duration = Duration::from_millis(100);
/// Between two progress events.
const TELL: Duration = Duration::from_secs(1);

/// Most characters of a file's name beside its bar: the rest of the line is for the figures.
const NAME: usize = 40;

/// The files of a batch, in the order of its stream.
#[derive(Debug, Default)]
pub struct Files(Vec<Span>);

/// A file in the stream of its batch.
#[derive(Debug)]
struct Span {
    start: u64,
    end: u64,
    name: String,
}

impl Files {
    fn new<'a>(files: impl Iterator<Item = (&'a str, Option<u64>)>) -> Self {
        let mut end = 0_u64;
        let spans = files.map(|(name, size)| {
            let start = end;
            end = end.saturating_add(size.unwrap_or(0));
            Span { start, end, name: name.to_owned() }
        });
        Self(spans.collect())
    }

    /// Of a batch whose manifest is known.
    pub fn of(manifest: &Manifest) -> Self {
        Self::new(manifest.files().map(|(_, entry)| (entry.path.as_str(), entry.size().flatten())))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The one that a byte of the stream is in, and which it is, from 0 on; none behind the last.
    fn at(&self, byte: u64) -> Option<(usize, &Span)> {
        let number = self.0.partition_point(|span| span.end <= byte);
        Some((number, self.0.get(number)?))
    }

    /// The name of the one that a byte is in.
    pub fn name(&self, byte: u64) -> Option<&str> {
        self.at(byte).map(|(_, span)| span.name.as_str())
    }

    /// Which it is, in a line of words; nothing where there are not several.
    pub fn counted(&self, byte: u64) -> String {
        match self.at(byte) {
            Some((number, _)) if self.count() > 1 => format!(", file {} of {}", number + 1, self.count()),
            _ => String::new(),
        }
    }
}

/// The bars of one batch, two lines at most, and when programs were told last.
#[derive(Debug)]
pub struct Bars {
    whole: Progress,
    files: Files,
    /// The file that moves, and which it is: one line for all of them, one after the other.
    file: Option<(usize, Progress)>,
    told: Option<Instant>,
}

impl Bars {
    /// Of a batch of so many bytes, where that is known.
    pub fn new(output: &Output, what: &str, total: Option<u64>, files: Files) -> Self {
        Self { whole: output.bytes(what, total), files, file: None, told: None }
    }

    /// The files of the batch.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Here it stands, and this is said of it.
    pub fn draw(&mut self, output: &Output, what: &str, bytes: u64, total: Option<u64>) {
        self.whole.says(what);
        self.whole.at(bytes, total);
        let Some((number, span)) = self.files.at(bytes).filter(|_| self.files.count() > 1) else {
            self.file = None;
            return;
        };
        let size = span.end.saturating_sub(span.start);
        let (shown, bar) = self.file.get_or_insert_with(|| (number, output.bytes(&short(&span.name), Some(size))));
        if *shown != number {
            bar.anew(&short(&span.name), size);
            *shown = number;
        }
        bar.at(bytes.saturating_sub(span.start), Some(size));
    }

    /// Nothing moves any more: only words are left.
    pub fn rest(&mut self, what: &str) {
        self.file = None;
        self.whole.rests(what);
    }

    /// Whether programs are to be told now of how far it is: once a second.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let due = self.told.is_none_or(|told| now.saturating_duration_since(told) >= TELL);
        if due {
            self.told = Some(now);
        }
        due
    }
}

/// The end of a name that is long.
pub fn short(name: &str) -> String {
    match name.char_indices().rev().nth(NAME - 1) {
        Some((at, _)) if at > 0 => format!("\u{2026}{}", name.get(at..).unwrap_or_default().chars().skip(1).collect::<String>()),
        _ => name.to_owned(),
    }
}

/// How often it was connected again, in a line of words; nothing where it was not.
pub fn again(retries: u32) -> String {
    match retries {
        0 => String::new(),
        1 => ", reconnected once".to_owned(),
        times => format!(", reconnected {times} times"),
    }
}

/// Where the bytes of a share come from and go to.
const SOURCE: &str = "conference";

/// The bars of a share's transfer.
pub struct Bar {
    bars: Bars,
    share: String,
    progress: watch::Receiver<Snapshot>,
    /// Connections that broke and were made again.
    retries: u32,
    /// Who is waited for, where somebody is.
    waiting: String,
    /// All of it is at the server.
    uploaded: bool,
    /// Of a download: since when nothing has come.
    still: Option<Still>,
}

/// How long nothing may come before that is said.
const STILL: Duration = Duration::from_secs(10);

/// Whether a download stands still.
#[derive(Debug)]
struct Still {
    /// As it was when something came last.
    bytes: u64,
    since: Instant,
    told: bool,
}

impl Still {
    /// So much is here now: whether it is to be said that nothing comes. Once, until something comes again.
    fn on(&mut self, now: Instant, bytes: u64) -> bool {
        if bytes != self.bytes {
            *self = Self { bytes, since: now, told: false };
        }
        let late = now.saturating_duration_since(self.since) >= STILL;
        late && !std::mem::replace(&mut self.told, late)
    }
}

impl Bar {
    /// A bar for a transfer.
    pub fn new(output: &Output, share: ShareId, batch: &Batch, progress: watch::Receiver<Snapshot>) -> Self {
        let share = share.to_string();
        // The first files: all that is known of it.
        let files = Files::new(batch.files.iter().map(|file| (file.name.as_str(), file.size)));
        let bars = Bars::new(output, &share, batch.bytes, files);
        Self { bars, share, progress, retries: 0, waiting: String::new(), uploaded: false, still: None }
    }

    /// The same for a download: where nothing comes for a while, its sharer may be gone, and that is said.
    #[must_use]
    pub fn received(self) -> Self {
        Self { still: Some(Still { bytes: 0, since: clock::now(), told: false }), ..self }
    }

    /// All of it is at the server: who is waited for is all that is left to say.
    pub fn uploaded(&mut self) {
        self.uploaded = true;
        self.rest();
    }

    fn rest(&mut self) {
        let waiting = if self.waiting.is_empty() { ", waiting for receivers" } else { &self.waiting };
        self.bars.rest(&format!("{}: uploaded{waiting}", self.share));
    }

    /// Bytes moved.
    pub fn bytes(&self) -> u64 {
        self.progress.borrow().progress.bytes
    }

    /// A connection broke, and another one is made.
    pub fn retried(&mut self) {
        self.retries = self.retries.saturating_add(1);
    }

    /// Says on the line who is waited for; empty for nobody.
    pub fn waits(&mut self, text: String) {
        self.waiting = text;
    }

    /// Redraws, and tells programs.
    pub fn show(&mut self, output: &Output) -> Result<(), Failure> {
        self.draw(output);
        self.tell(output)
    }

    /// Redraws.
    pub fn draw(&mut self, output: &Output) {
        if self.uploaded {
            return self.rest();
        }
        let now = *self.progress.borrow_and_update();
        let over = now.progress.total.is_some_and(|total| now.progress.bytes >= total);
        if let Some(still) = self.still.as_mut().filter(|_| !over)
            && still.on(clock::now(), now.progress.bytes)
        {
            output.note(format_args!(
                "{}: nothing received for {} s; still waiting, but its sharer may be gone (Ctrl-C stops)",
                self.share,
                STILL.as_secs()
            ));
        }
        let (bytes, total) = (now.progress.bytes, now.progress.total);
        let counted = match now.progress.files_total {
            0 | 1 => String::new(),
            files => format!(", file {} of {files}", (now.progress.files + 1).min(files)),
        };
        let what = format!("{} ({SOURCE}{counted}{}{})", self.share, again(self.retries), self.waiting);
        self.bars.draw(output, &what, bytes, total);
    }

    /// Tells programs, once a second.
    pub fn tell(&mut self, output: &Output) -> Result<(), Failure> {
        let now = *self.progress.borrow();
        let (bytes, total) = (now.progress.bytes, now.progress.total);
        if output.is_json() && bytes > 0 && self.bars.is_due(clock::now()) {
            let (share, eta) = (self.share.clone(), now.eta.map(|eta| eta.as_secs()));
            let retries = self.retries;
            tell(output, &Moved::Progress { at: at(), share, bytes, total, rate: now.rate, eta, source: SOURCE, retries })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_nothing_comes_is_said_once_until_something_comes() {
        let start = clock::now();
        let mut still = Still { bytes: 0, since: start, told: false };
        let mut said = |second, bytes| still.on(start + Duration::from_secs(second), bytes);
        assert_eq!([said(5, 0), said(10, 0), said(20, 0)], [false, true, false]);
        assert_eq!([said(21, 7), said(30, 7), said(31, 7), said(60, 7)], [false, false, true, false]);
    }

    #[test]
    fn the_file_that_moves_is_the_one_that_the_next_byte_is_in() {
        let files = Files::new([("a", Some(3)), ("empty", Some(0)), ("b", Some(2))].into_iter());
        let named = |byte| files.name(byte);
        assert_eq!([named(0), named(2), named(3), named(4)], [Some("a"), Some("a"), Some("b"), Some("b")]);
        assert_eq!(named(5), None);
        assert_eq!([files.counted(2), files.counted(3), files.counted(5)], [", file 1 of 3", ", file 3 of 3", ""]);
        // One alone is the whole.
        assert_eq!(Files::new([("a", Some(3))].into_iter()).counted(0), "");
    }

    #[test]
    fn of_a_long_name_the_end_is_shown() {
        let (long, forty) = (format!("{}/slides.pdf", "\u{e9}".repeat(60)), "x".repeat(40));
        assert_eq!((short(&long).chars().count(), short(&long).ends_with("\u{e9}/slides.pdf")), (NAME, true));
        assert_eq!((short(&forty), short("")), (forty, String::new()));
    }
}
