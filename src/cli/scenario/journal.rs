//! What happened, in order. Each line is printed as it comes; all of them together make the reports.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime},
};

use super::{judge::Finding, ladder::Ladder, model::Step};
use crate::{
    cli::{Failure, Output, confctl::events::Played, output::Progress},
    clock,
};

/// Most marks and most levels kept; later ones are not in the report.
const MAX_KEPT: usize = 50_000;

/// Everything that the reports tell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    /// What the scenario is called.
    pub title: String,
    /// Names of the terminals.
    pub terminals: Vec<String>,
    /// Steps and expectations, as they ended.
    pub entries: Vec<Entry>,
    /// Tones that were looked for in recordings.
    pub measured: Vec<Measured>,
    /// Files that were compared with what was shared.
    pub compared: Vec<Compared>,
    /// What happened to terminals.
    pub marks: Vec<Mark>,
    /// How loud it was what they heard.
    pub levels: Vec<LevelAt>,
    /// How long it all took.
    pub seconds: f64,
    /// The messages.
    pub ladder: Ladder,
}

/// A step or an expectation that was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// When it ended, in milliseconds since the start.
    pub at_ms: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Its place in the file, from 1; the steps of a parallel group count one by one.
    pub number: u32,
    /// By whom or about whom, if a terminal.
    pub terminal: Option<String>,
    /// What: `join demo`.
    pub what: String,
    /// How it ended.
    pub verdict: Verdict,
}

/// How a step or an expectation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A step that did what it should.
    Done,
    /// A step that did not; why.
    Undone(String),
    /// An expectation.
    Found(Finding),
}

/// A tone that was looked for in a stretch of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The expectation's number.
    pub number: u32,
    /// Whose recording.
    pub terminal: String,
    /// Whose tone; empty for a frequency that is nobody's.
    pub of: String,
    /// Its frequency.
    pub hz: f32,
    /// How loud it was.
    pub level_dbfs: f32,
    /// Whether that is heard.
    pub heard: bool,
}

/// A file that came, beside what was shared.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The expectation's number.
    pub number: u32,
    /// Who received it.
    pub terminal: String,
    /// Its name in the share.
    pub name: String,
    /// The terminal that shared it; none where no step did.
    pub by: Option<String>,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, as it lies on the disk, in hexadecimal digits.
    pub sha256: String,
    /// The SHA-256 of what was shared.
    pub shared: String,
    /// How long it took, from the offer on; through a channel from the first byte on.
    pub seconds: f64,
}

impl Compared {
    /// It is what was shared.
    pub fn is_same(&self) -> bool {
        self.sha256 == self.shared
    }
}

/// Something that happened to a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Milliseconds since the start.
    pub at_ms: u64,
    /// To whom.
    pub terminal: String,
    /// What: a word of [`super::model`]'s events.
    pub what: &'static str,
    /// More about it, for people.
    pub text: String,
}

/// How loud it was what a terminal heard in a second.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelAt {
    /// Milliseconds since the start.
    pub at_ms: u64,
    /// Who heard it.
    pub terminal: String,
    /// Level; `None` for silence.
    pub dbfs: Option<f32>,
}

impl Verdict {
    /// It is as it should be.
    pub fn passed(&self) -> bool {
        match self {
            Self::Done => true,
            Self::Undone(_) => false,
            Self::Found(finding) => finding.passed,
        }
    }
}

impl Record {
    /// How many passed, and how many did not.
    pub fn counts(&self) -> (u32, u32) {
        let passed = self.entries.iter().filter(|entry| entry.verdict.passed()).count();
        (passed as u32, (self.entries.len() - passed) as u32)
    }
}

/// The record of a run that goes on.
#[derive(Debug)]
pub struct Journal {
    output: Output,
    start: Instant,
    wall: SystemTime,
    record: Mutex<Record>,
    progress: Progress,
}

impl Journal {
    /// Begins, and says so.
    ///
    /// # Errors
    /// Standard output cannot be written to.
    pub fn begin(output: &Output, name: &str, title: &str, terminals: Vec<String>, steps: usize) -> Result<Self, Failure> {
        output.event(&Played::Started { scenario: name.to_owned(), terminals: terminals.clone() })?;
        let record = Record { title: title.to_owned(), terminals, ..Record::default() };
        let progress = output.steps("starting", steps as u64);
        Ok(Self { output: output.clone(), start: clock::now(), wall: clock::wall(), record: Mutex::new(record), progress })
    }

    /// When it began, on the wall clock: traces have that.
    pub fn wall(&self) -> SystemTime {
        self.wall
    }

    /// What is being done now, on a terminal.
    pub fn doing(&self, what: &str) {
        self.progress.says(what);
    }

    /// A step or expectation ended.
    ///
    /// # Errors
    /// Standard output cannot be written to.
    pub fn ended(&self, number: u32, step: &Step, began: Instant, verdict: Verdict) -> Result<(), Failure> {
        let terminal = step.action.terminal().map(ToString::to_string);
        let at_ms = self.at_ms();
        let took_ms = clock::now().saturating_duration_since(began).as_millis() as u64;
        let entry = Entry { at_ms, took_ms, number, terminal: terminal.clone(), what: step.describe(), verdict };
        let played = match &entry.verdict {
            Verdict::Done => Played::Step { at_ms, number, step: entry.what.clone(), terminal, passed: true, message: None },
            Verdict::Undone(why) => {
                Played::Step { at_ms, number, step: entry.what.clone(), terminal, passed: false, message: Some(why.clone()) }
            }
            Verdict::Found(Finding { passed, expected, got }) => {
                Played::Expectation { at_ms, number, terminal, expected: expected.clone(), got: got.clone(), passed: *passed }
            }
        };
        self.record().entries.push(entry);
        self.progress.step();
        self.output.event(&played)
    }

    /// Tones were looked for.
    pub fn measured(&self, measured: impl IntoIterator<Item = Measured>) {
        self.record().measured.extend(measured);
    }

    /// A file was compared.
    pub fn compared(&self, compared: Compared) {
        self.record().compared.push(compared);
    }

    /// Something happened to a terminal.
    pub fn mark(&self, terminal: &str, what: &'static str, text: String) {
        let at_ms = self.at_ms();
        let mut record = self.record();
        if record.marks.len() < MAX_KEPT {
            record.marks.push(Mark { at_ms, terminal: terminal.to_owned(), what, text });
        }
    }

    /// How loud it is what a terminal hears.
    pub fn level(&self, terminal: &str, dbfs: Option<f32>) {
        let at_ms = self.at_ms();
        let mut record = self.record();
        if record.levels.len() < MAX_KEPT {
            record.levels.push(LevelAt { at_ms, terminal: terminal.to_owned(), dbfs });
        }
    }

    /// The end: the whole record.
    pub fn close(self, ladder: Ladder) -> Record {
        let seconds = clock::now().saturating_duration_since(self.start).as_secs_f64();
        let record = self.record.into_inner().unwrap_or_else(PoisonError::into_inner);
        Record { seconds, ladder, ..record }
    }

    fn at_ms(&self) -> u64 {
        clock::now().saturating_duration_since(self.start).as_millis() as u64
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
