//! The pictures of the report: when each was in, what happened, how loud it was what each heard.

use std::fmt::Write as _;

use super::escaped;
use crate::cli::scenario::journal::Record;

/// Width of the pictures, in their own units.
const WIDTH: f64 = 960.0;
/// Space for names at the left.
const LEFT: f64 = 90.0;
/// Height of one terminal's lane.
const LANE: f64 = 30.0;
/// Height of the levels' picture above its axis.
const TALL: f64 = 180.0;
/// The quietest level shown, in dBFS; silence is drawn there.
const FLOOR: f32 = -70.0;
/// Colours of the terminals, told apart by those who see few, too.
const COLOURS: [&str; 8] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#b8a200"];

/// A bar for each call, a tick for whatever else happened, and the seconds below.
pub fn timeline(record: &Record) -> String {
    if record.marks.is_empty() {
        return String::new();
    }
    let scale = Scale::of(record);
    let height = LANE * record.terminals.len() as f64 + 24.0;
    let mut svg = open(height);
    for (row, terminal) in record.terminals.iter().enumerate() {
        let (top, colour) = (row as f64 * LANE, colour(row));
        let _ = writeln!(svg, "<text x=0 y={:.0}>{}</text>", top + 19.0, escaped(terminal));
        for (from, to) in calls(record, terminal) {
            let (left, right) = (scale.at(from), scale.at(to));
            let _ = writeln!(
                svg,
                "<rect x={left:.1} y={:.0} width={:.1} height=14 rx=3 fill=\"{colour}\" opacity=.35 />",
                top + 8.0,
                (right - left).max(1.0)
            );
        }
        for mark in record.marks.iter().filter(|mark| mark.terminal == *terminal) {
            let at = scale.at(mark.at_ms);
            let told = escaped(&format!("{:.2} s {} {}", mark.at_ms as f64 / 1000.0, mark.what, mark.text));
            let _ = writeln!(
                svg,
                "<line x1={at:.1} x2={at:.1} y1={:.0} y2={:.0} stroke=\"{colour}\" stroke-width=2><title>{told}</title></line>",
                top + 6.0,
                top + 24.0
            );
        }
    }
    scale.axis(&mut svg, height - 18.0);
    svg.push_str("</svg>\n");
    svg
}

/// A line for each terminal: the level of what it heard.
pub fn levels(record: &Record) -> String {
    if record.levels.is_empty() {
        return String::new();
    }
    let scale = Scale::of(record);
    let mut svg = open(TALL + 44.0);
    for dbfs in (-60..=0).step_by(20) {
        let y = depth(dbfs as f32);
        let _ = writeln!(
            svg,
            "<line x1={LEFT} x2={WIDTH} y1={y:.1} y2={y:.1} stroke=\"var(--line)\" /><text x=0 y={:.1}>{dbfs} dBFS</text>",
            y + 4.0
        );
    }
    for (row, terminal) in record.terminals.iter().enumerate() {
        let points: String = record
            .levels
            .iter()
            .filter(|level| level.terminal == *terminal)
            .map(|level| format!("{:.1},{:.1} ", scale.at(level.at_ms), depth(level.dbfs.unwrap_or(FLOOR))))
            .collect();
        if !points.is_empty() {
            let _ = writeln!(svg, "<polyline points=\"{points}\" fill=none stroke=\"{}\" stroke-width=1.5 />", colour(row));
        }
        let x = LEFT + row as f64 * 110.0;
        let _ = writeln!(
            svg,
            "<rect x={x:.0} y={:.0} width=10 height=10 fill=\"{}\" /><text x={:.0} y={:.0}>{}</text>",
            TALL + 30.0,
            colour(row),
            x + 15.0,
            TALL + 39.0,
            escaped(terminal)
        );
    }
    scale.axis(&mut svg, TALL + 4.0);
    svg.push_str("</svg>\n");
    svg
}

/// From milliseconds to places.
struct Scale {
    milliseconds: f64,
}

impl Scale {
    fn of(record: &Record) -> Self {
        Self { milliseconds: (record.seconds * 1000.0).max(1.0) }
    }

    fn at(&self, ms: u64) -> f64 {
        LEFT + (WIDTH - LEFT) * (ms as f64 / self.milliseconds).min(1.0)
    }

    /// Seconds, at most a dozen of them named.
    fn axis(&self, svg: &mut String, y: f64) {
        let seconds = self.milliseconds / 1000.0;
        let step = [1, 2, 5, 10, 30, 60, 300, 600, 3600].into_iter().find(|step| seconds / f64::from(*step) <= 12.0).unwrap_or(7200);
        for second in (0..=seconds as u64).step_by(step as usize) {
            let x = self.at(second * 1000);
            let _ = writeln!(svg, "<text x={x:.1} y={:.1} class=dim>{second} s</text>", y + 14.0);
        }
    }
}

/// The calls of a terminal, in milliseconds: one that did not end lasts to the end.
fn calls(record: &Record, terminal: &str) -> Vec<(u64, u64)> {
    let mut calls = Vec::new();
    let mut since = None;
    for mark in record.marks.iter().filter(|mark| mark.terminal == terminal) {
        match (mark.what, since) {
            ("joined", None) => since = Some(mark.at_ms),
            ("ended", Some(from)) => {
                calls.push((from, mark.at_ms));
                since = None;
            }
            _ => {}
        }
    }
    calls.extend(since.map(|from| (from, (record.seconds * 1000.0) as u64)));
    calls
}

fn depth(dbfs: f32) -> f64 {
    TALL * f64::from(dbfs.clamp(FLOOR, 0.0) / FLOOR)
}

fn colour(row: usize) -> &'static str {
    COLOURS.get(row % COLOURS.len()).copied().unwrap_or("#7f7f7f")
}

fn open(height: f64) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH} {height:.0}\" width={WIDTH} height={height:.0} role=img>\n")
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;

    #[test]
    fn a_call_lasts_from_joined_to_ended_or_to_the_end() {
        assert_eq!(super::calls(&record(), "alice"), [(900, 4000)]);
        assert_eq!(super::calls(&record(), "bob"), [(1000, 4500)]);
    }

    #[test]
    fn pictures_are_sound_xml_but_for_their_bare_attributes() {
        for svg in [super::timeline(&record()), super::levels(&record())] {
            // HTML allows attributes without quotes; with quotes it must parse.
            let quoted = svg.split(' ').map(|word| match word.split_once('=') {
                Some((name, value)) if !value.starts_with('"') && !name.contains('<') && !name.contains('"') => {
                    let (value, rest) = value.split_at(value.find(['>', '\n']).unwrap_or(value.len()));
                    format!("{name}=\"{value}\"{rest}")
                }
                _ => word.to_owned(),
            });
            let quoted = quoted.collect::<Vec<_>>().join(" ");
            assert!(roxmltree::Document::parse(&quoted).is_ok(), "{:?}\n{quoted}", roxmltree::Document::parse(&quoted));
        }
    }
}
