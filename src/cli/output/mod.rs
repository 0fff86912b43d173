//! The only writer: results on standard output, everything else on standard error.
//!
//! A command makes a value that is [`serde::Serialize`] (what `--json` prints) and [`Report`] (what people read), and hands it over once.
//! Here it becomes a table on a terminal, plain columns in a pipe, or JSON. All text passes [`safe`] on its way, so that a display name
//! cannot move the cursor. When the reader of our standard output goes away (`confctl watch | head`), the program ends quietly.

mod json;
mod page;
mod progress;
pub mod safe;

use std::{
    fmt,
    io::{self, IsTerminal as _, Write},
    os::fd::AsFd,
    sync::{Arc, Mutex, PoisonError},
};

use indicatif::MultiProgress;
use nix::unistd::{getpgrp, tcgetpgrp};
use serde::Serialize;

use crate::cli::{
    ExitCode, Failure,
    global::{Color, Global},
};

pub use page::{Page, Table, Text, Tone};
pub use progress::Progress;

/// Text from elsewhere as one line that does nothing to a terminal.
pub fn safe_line(text: &str) -> String {
    safe::line(text).into_owned()
}

/// Text from elsewhere of several lines, which does nothing to a terminal; its tabs stay.
pub fn safe_lines(text: &str) -> String {
    safe::lines(text).collect::<Vec<_>>().join("\n")
}

/// What a command says, for people. Its JSON is its `Serialize`.
pub trait Report: Serialize {
    /// Writes it on a page.
    fn page(&self, page: &mut Page);
}

/// How to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// JSON instead of text.
    pub json: bool,
    /// No notes, no warnings, no progress.
    pub quiet: bool,
    /// Standard output is a terminal: tables fit its width.
    pub terminal: bool,
    /// Colour on standard output.
    pub colour: bool,
    /// Colour on standard error.
    pub colour_errors: bool,
    /// Bars and prompts are possible: standard error is a terminal, and ours to write on.
    pub lively: bool,
}

impl Look {
    /// For the program's own standard streams.
    pub fn of(global: &Global) -> Self {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && std::env::var_os("TERM").is_none_or(|v| v != "dumb");
        let colour = |terminal: bool| match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && wanted,
        };
        Self {
            json: global.json,
            quiet: global.quiet,
            terminal: out,
            colour: colour(out) && !global.json,
            colour_errors: colour(err) && !global.json,
            lively: err && !global.quiet && !global.json && foreground(&io::stderr()),
        }
    }
}

/// True unless a terminal belongs to other processes: we run in its background, and what is drawn there would disturb them.
pub fn foreground(terminal: &impl AsFd) -> bool {
    // What is no terminal, or not the one that controls us, has no foreground to be out of.
    tcgetpgrp(terminal).map_or(true, |group| group == getpgrp())
}

/// The writer. Clones write to the same place; a whole page, event or line is written at a time.
#[derive(Clone)]
pub struct Output {
    look: Look,
    streams: Arc<Streams>,
    bars: MultiProgress,
}

struct Streams {
    out: Mutex<Box<dyn Write + Send>>,
    err: Mutex<Box<dyn Write + Send>>,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("look", &self.look).finish_non_exhaustive()
    }
}

impl Output {
    /// On the program's standard streams.
    pub fn open(global: &Global) -> Self {
        Self::on(Look::of(global), Box::new(io::stdout()), Box::new(io::stderr()))
    }

    /// On streams of the caller's, for embedders and tests.
    pub fn on(look: Look, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        let bars = progress::bars(look.lively);
        Self { look, streams: Arc::new(Streams { out: Mutex::new(out), err: Mutex::new(err) }), bars }
    }

    /// Whether `--json` was given.
    pub fn is_json(&self) -> bool {
        self.look.json
    }

    /// Whether `-q` was given.
    pub fn is_quiet(&self) -> bool {
        self.look.quiet
    }

    /// Whether somebody can be asked.
    pub fn is_lively(&self) -> bool {
        self.look.lively
    }

    /// Whether standard output may be coloured.
    pub fn colours(&self) -> bool {
        self.look.colour
    }

    /// Whether standard error may be coloured.
    pub fn colours_errors(&self) -> bool {
        self.look.colour_errors
    }

    /// The result of a command: one JSON document (on one line), or a page.
    ///
    /// # Errors
    /// Standard output cannot be written to. That its reader went away is a silent failure with code 0.
    pub fn result(&self, report: &impl Report) -> Result<(), Failure> {
        let text = if self.look.json {
            json::line(report)?
        } else {
            let mut page = Page::default();
            report.page(&mut page);
            page.render(&self.look)
        };
        self.write_out(text.as_bytes())
    }

    /// One of many things that a command tells while it goes on: a JSON line `{"event": …}`, or a page (mostly of one line).
    ///
    /// # Errors
    /// As [`Output::result`].
    pub fn event(&self, report: &impl Report) -> Result<(), Failure> {
        self.result(report)
    }

    /// Bytes of ours as they are: a completion script, a scenario, a configuration.
    ///
    /// # Errors
    /// As [`Output::result`].
    pub fn verbatim(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.write_out(bytes)
    }

    /// Something worth knowing beside the result. Not shown with `-q`.
    pub fn note(&self, text: impl fmt::Display) {
        if !self.look.quiet {
            self.tell("note", &text.to_string(), Tone::Dim);
        }
    }

    /// Something that may be wrong. Not shown with `-q`.
    pub fn warn(&self, text: impl fmt::Display) {
        if !self.look.quiet {
            self.tell("warning", &text.to_string(), Tone::Odd);
        }
    }

    /// Why the command failed. A silent failure writes nothing.
    pub fn failure(&self, failure: &Failure) {
        if failure.message.is_empty() {
            return;
        }
        let text = if self.look.json {
            json::failure(failure)
        } else {
            let mut page = Page::default();
            page.line([Text::bad("error: "), Text::from(failure.message.as_str())]);
            for detail in &failure.details {
                page.line([Text::from(format!("  {detail}"))]);
            }
            if let Some(hint) = &failure.hint {
                page.line([Text::dim("hint: "), Text::from(hint.as_str())]);
            }
            page.render(&self.err_look())
        };
        self.write_err(text.as_bytes());
    }

    /// What clap says about wrong usage, which is about the caller's own words.
    pub(super) fn usage(&self, text: &str) {
        self.write_err(text.as_bytes());
    }

    /// Something of unknown length that takes time; hidden unless standard error is a terminal.
    pub fn spinner(&self, what: &str) -> Progress {
        Progress::spinner(&self.bars, what)
    }

    /// Something of known length, in steps; hidden unless standard error is a terminal.
    pub fn steps(&self, what: &str, steps: u64) -> Progress {
        Progress::steps(&self.bars, what, steps)
    }

    /// Bytes that move, of a total where it is known; hidden unless standard error is a terminal.
    pub fn bytes(&self, what: &str, total: Option<u64>) -> Progress {
        Progress::bytes(&self.bars, what, total)
    }

    /// Where log lines go: standard error, around the bars.
    pub fn log_writer(&self) -> impl Fn() -> LogLine + Send + Sync + 'static {
        let output = self.clone();
        move || LogLine { output: output.clone(), line: Vec::new() }
    }

    fn tell(&self, kind: &'static str, text: &str, tone: Tone) {
        let line = if self.look.json {
            json::remark(kind, text)
        } else {
            let mut page = Page::default();
            page.line([Text::toned(format!("{kind}: "), tone), Text::from(text)]);
            page.render(&self.err_look())
        };
        self.write_err(line.as_bytes());
    }

    fn err_look(&self) -> Look {
        Look { colour: self.look.colour_errors, terminal: false, ..self.look }
    }

    fn write_out(&self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.bars.suspend(|| {
            let mut out = self.streams.out.lock().unwrap_or_else(PoisonError::into_inner);
            out.write_all(bytes).and_then(|()| out.flush())
        });
        match written {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::silent(ExitCode::Done)),
            Err(error) => Err(Failure::new(ExitCode::Failed, format!("failed to write to standard output: {error}"))),
        }
    }

    /// When standard error is gone there is nobody to tell.
    fn write_err(&self, bytes: &[u8]) {
        self.bars.suspend(|| {
            let mut err = self.streams.err.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = err.write_all(bytes).and_then(|()| err.flush());
        });
    }
}

/// One log line on its way to standard error; written whole when dropped.
#[derive(Debug)]
pub struct LogLine {
    output: Output,
    line: Vec<u8>,
}

impl Write for LogLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        self.output.write_err(&self.line);
    }
}

#[cfg(test)]
mod tests;
