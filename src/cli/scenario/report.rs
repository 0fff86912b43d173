//! What is told when a scenario is over: who heard whom, the ladder, the report files, and the exit code.

use std::path::Path;

use serde::Serialize;

use super::{
    html,
    journal::{Compared, Measured, Record},
    junit,
    ladder::Ladder,
};
use crate::cli::{
    ExitCode, Failure, OrFail as _, Output,
    confctl::events::Played,
    fshare::show::human,
    output::{Page, Report, Table, Text},
};

/// Messages of a ladder that are shown; all of them are in the report.
const SHOWN: usize = 400;

/// Who heard whom, for people; JSON has an event for each look.
#[derive(Debug, Serialize)]
struct Matrix {
    #[serde(skip)]
    cells: Vec<(String, Vec<Measured>)>,
}

impl Report for Matrix {
    fn page(&self, page: &mut Page) {
        let Some((_, first)) = self.cells.first() else { return };
        let heads: Vec<String> = std::iter::once("HEARS".to_owned()).chain(first.iter().map(html::column)).collect();
        let mut table = Table::new(heads.iter().map(String::as_str));
        for (terminal, cells) in &self.cells {
            let shown = cells.iter().map(|cell| match cell.heard {
                true => Text::good(format!("yes, {:.0} dBFS", cell.level_dbfs)),
                false => Text::dim(format!("no, {:.0} dBFS", cell.level_dbfs)),
            });
            table.row(std::iter::once(Text::strong(terminal)).chain(shown));
        }
        page.gap().table(table);
    }
}

/// Which files came, for people; JSON has an event for each look.
#[derive(Debug, Serialize)]
struct Files {
    #[serde(skip)]
    rows: Vec<Compared>,
}

/// Digits of a digest that are shown to people; all of them are in the report.
const DIGITS: usize = 16;

impl Report for Files {
    fn page(&self, page: &mut Page) {
        let mut table = Table::new(["FILE", "AT", "#SIZE", "SHA-256", "RESULT"]);
        let digits = |digest: &str| digest.get(..DIGITS).unwrap_or(digest).to_owned();
        let mut shown: Vec<&str> = Vec::new();
        for row in &self.rows {
            // The sharer's once, over those who received it.
            if let Some(by) = row.by.as_ref().filter(|_| !shown.contains(&row.name.as_str())) {
                shown.push(&row.name);
                let size = if row.is_same() { human(row.bytes) } else { String::new() };
                table.row([Text::from(&row.name), Text::strong(by), size.into(), digits(&row.shared).into(), Text::from("shared")]);
            }
            let result = match row.is_same() {
                true => Text::good(format!("the same, {:.1} s", row.seconds)),
                false => Text::bad("another"),
            };
            let (name, size) = (Text::from(&row.name), human(row.bytes));
            table.row([name, Text::strong(&row.terminal), size.into(), digits(&row.sha256).into(), result]);
        }
        page.gap().table(table);
    }
}

/// The ladder, for people; JSON has an event for each message.
#[derive(Debug, Serialize)]
struct Drawn {
    #[serde(skip)]
    ladder: Ladder,
}

impl Report for Drawn {
    fn page(&self, page: &mut Page) {
        page.gap().lines(&self.ladder.to_string());
    }
}

/// Tells who heard whom, where that was looked at.
///
/// # Errors
/// Standard output cannot be written to.
pub fn heard(output: &Output, record: &Record) -> Result<(), Failure> {
    if output.is_json() {
        return record.measured.iter().try_for_each(|cell| {
            let of = Some(cell.of.clone()).filter(|of| !of.is_empty());
            let (hz, level_dbfs) = (f64::from(cell.hz), (f64::from(cell.level_dbfs) * 10.0).round() / 10.0);
            output.event(&Played::Heard { terminal: cell.terminal.clone(), of, hz, level_dbfs, heard: cell.heard })
        });
    }
    let cells = html::matrix(record);
    if cells.is_empty() { Ok(()) } else { output.result(&Matrix { cells }) }
}

/// Tells which files came and whether they are what was shared, where that was looked at.
///
/// # Errors
/// Standard output cannot be written to.
pub fn files(output: &Output, record: &Record) -> Result<(), Failure> {
    if output.is_json() {
        return record.compared.iter().try_for_each(|row| {
            let Compared { terminal, name, by, bytes, sha256, shared, seconds, .. } = row.clone();
            let seconds = (seconds * 1000.0).round() / 1000.0;
            output.event(&Played::File { terminal, name, by, bytes, sha256, shared, same: row.is_same(), seconds })
        });
    }
    let rows = record.compared.clone();
    if rows.is_empty() { Ok(()) } else { output.result(&Files { rows }) }
}

/// Tells the SIP messages.
///
/// # Errors
/// Standard output cannot be written to.
pub fn ladder(output: &Output, record: &Record) -> Result<(), Failure> {
    if output.is_json() {
        return record.ladder.rows.iter().try_for_each(|row| {
            let at_ms = (row.at_ms * 1000.0).round() / 1000.0;
            let (from, to, message) = (row.from.clone(), row.to.clone(), row.what.clone());
            output.event(&Played::Sip { at_ms, from, to, message, transport: row.transport.clone() })
        });
    }
    let mut ladder = record.ladder.compact();
    let more = ladder.rows.len().saturating_sub(SHOWN);
    ladder.rows.truncate(SHOWN);
    ladder.left_out += more as u64;
    if ladder.rows.is_empty() { Ok(()) } else { output.result(&Drawn { ladder }) }
}

/// Writes the reports that are wanted.
///
/// # Errors
/// A file cannot be written.
pub fn write(record: &Record, junit: Option<&Path>, html: Option<&Path>) -> Result<(), Failure> {
    let put = |path: &Path, text: String| std::fs::write(path, text).or_fail(ExitCode::Failed, format_args!("write {}", path.display()));
    if let Some(path) = junit {
        put(path, junit::report(record))?;
    }
    match html {
        Some(path) => put(path, html::page(record)),
        None => Ok(()),
    }
}

/// The last line, and how the program ends.
///
/// # Errors
/// Exit code 10 when something did not hold.
pub fn verdict(output: &Output, record: &Record) -> Result<(), Failure> {
    let (passed, failed) = record.counts();
    output.event(&Played::Finished { seconds: (record.seconds * 1000.0).round() / 1000.0, passed, failed })?;
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::new(ExitCode::Expectation, format!("{failed} of {} steps and expectations did not hold", passed + failed)))
}
