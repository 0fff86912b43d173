//! The report for people: one HTML page that needs nothing else — verdict, who heard whom, files, timeline, levels, steps, ladder.

mod chart;

use std::fmt::Write as _;

use super::journal::{Compared, Entry, Measured, Record, Verdict};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--line:#d0d7de;--good:#1a7f37;--bad:#cf222e;--dim:#6e7781}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--line:#30363d;--good:#3fb950;--bad:#f85149;--dim:#8b949e}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:72em;margin:2em auto;padding:0 1em}
h1{font-size:1.5em;margin:0}h2{font-size:1.1em;margin:2em 0 .5em}
table{border-collapse:collapse}td,th{padding:.2em .8em .2em 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
td.n,th.n{text-align:right}.good{color:var(--good)}.bad{color:var(--bad)}.dim{color:var(--dim)}
pre{font:12px/1.35 ui-monospace,monospace;overflow-x:auto;border:1px solid var(--line);padding:.8em}
svg{max-width:100%;height:auto;font:11px system-ui,sans-serif}svg text{fill:currentColor}
";

/// The page of a run.
pub fn page(record: &Record) -> String {
    let (passed, failed) = record.counts();
    let title = escaped(&record.title);
    let verdict = if failed == 0 { "<span class=good>passed</span>" } else { "<span class=bad>failed</span>" };
    let mut html = format!(
        "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n<meta name=viewport content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n<h1>{title}: {verdict}</h1>\n\
         <p class=dim>{passed} passed, {failed} failed, {:.1} s; {} {}</p>\n",
        record.seconds,
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
    );
    heard(&mut html, record);
    files(&mut html, &record.compared);
    section(&mut html, "Timeline", &chart::timeline(record));
    section(&mut html, "Levels of what each heard", &chart::levels(record));
    steps(&mut html, &record.entries);
    if !record.ladder.rows.is_empty() {
        section(&mut html, "SIP messages", &format!("<pre>{}</pre>\n", escaped(&record.ladder.to_string())));
    }
    html
}

fn section(html: &mut String, title: &str, body: &str) {
    if !body.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(html, "<h2>{title}</h2>\n{body}");
    }
}

/// Who heard whom, by the last look at each.
fn heard(html: &mut String, record: &Record) {
    let rows = matrix(record);
    let Some((_, first)) = rows.first() else { return };
    let head: String = first.iter().map(|cell| format!("<th>{}</th>", escaped(&column(cell)))).collect();
    let mut table = format!("<table>\n<tr><th>heard by</th>{head}</tr>\n");
    for (terminal, cells) in &rows {
        let cells: String = cells
            .iter()
            .map(|cell| match cell.heard {
                true => format!("<td class=good>{:.0} dBFS</td>", cell.level_dbfs),
                false => format!("<td class=dim>no ({:.0})</td>", cell.level_dbfs),
            })
            .collect();
        let _ = writeln!(table, "<tr><th>{}</th>{cells}</tr>", escaped(terminal));
    }
    table.push_str("</table>\n");
    section(html, "Who heard whom", &table);
}

/// Files that came, beside what was shared.
fn files(html: &mut String, compared: &[Compared]) {
    if compared.is_empty() {
        return;
    }
    let mut table = String::from(
        "<table>\n<tr><th>file</th><th>shared by</th><th>received by</th><th class=n>bytes</th><th class=n>s</th><th></th><th>SHA-256</th></tr>\n",
    );
    for row in compared {
        let (class, word) = if row.is_same() { ("good", "the same") } else { ("bad", "another") };
        let digests = if row.is_same() { row.sha256.clone() } else { format!("{}<br>shared {}", row.sha256, row.shared) };
        let _ = writeln!(
            table,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=n>{}</td><td class=n>{:.2}</td><td class={class}>{word}</td><td>{digests}</td></tr>",
            escaped(&row.name),
            escaped(row.by.as_deref().unwrap_or_default()),
            escaped(&row.terminal),
            row.bytes,
            row.seconds,
        );
    }
    table.push_str("</table>\n");
    section(html, "Files", &table);
}

/// `alice, 440 Hz`.
pub fn column(cell: &Measured) -> String {
    if cell.of.is_empty() { format!("{} Hz", cell.hz) } else { format!("{}, {} Hz", cell.of, cell.hz) }
}

/// For each recording the last look at each tone that was looked for in all of them, tones by frequency, terminals in their order.
pub fn matrix(record: &Record) -> Vec<(String, Vec<Measured>)> {
    let measured = &record.measured;
    let looked_at = |terminal: &&String| measured.iter().any(|cell| cell.terminal == **terminal);
    let terminals: Vec<&String> = record.terminals.iter().filter(looked_at).collect();
    let mut tones: Vec<f32> = Vec::new();
    for cell in measured {
        if !tones.contains(&cell.hz) {
            tones.push(cell.hz);
        }
    }
    tones.sort_by(f32::total_cmp);
    let last = |terminal: &str, hz: f32| measured.iter().rfind(|cell| cell.terminal == terminal && cell.hz == hz);
    tones.retain(|hz| terminals.iter().all(|terminal| last(terminal, *hz).is_some()));
    let row = |terminal: &str| tones.iter().filter_map(|hz| last(terminal, *hz).cloned()).collect::<Vec<_>>();
    let rows = terminals.iter().map(|terminal| ((*terminal).clone(), row(terminal)));
    rows.filter(|(_, cells)| !cells.is_empty()).collect()
}

fn steps(html: &mut String, entries: &[Entry]) {
    let mut table = String::from("<table>\n<tr><th class=n>s</th><th class=n>#</th><th></th><th>by</th><th>what</th><th>found</th></tr>\n");
    for entry in entries {
        let (class, word) = if entry.verdict.passed() { ("good", "ok") } else { ("bad", "failed") };
        let found = match &entry.verdict {
            Verdict::Done => String::new(),
            Verdict::Undone(why) => escaped(why),
            Verdict::Found(finding) if finding.passed => escaped(&finding.got),
            Verdict::Found(finding) => format!("expected {}<br>got {}", escaped(&finding.expected), escaped(&finding.got)),
        };
        let _ = writeln!(
            table,
            "<tr><td class=n>{:.2}</td><td class=n>{}</td><td class={class}>{word}</td><td>{}</td><td>{}</td><td>{found}</td></tr>",
            entry.at_ms as f64 / 1000.0,
            entry.number,
            escaped(entry.terminal.as_deref().unwrap_or_default()),
            escaped(&entry.what),
        );
    }
    table.push_str("</table>\n");
    section(html, "Steps", &table);
}

/// Text for XML and HTML, in elements and in attributes. What XML has no place for becomes U+FFFD.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cli::scenario::{
        journal::{LevelAt, Mark},
        judge::Finding,
    };

    /// A run with one of everything.
    pub fn record() -> Record {
        let entry = |number, terminal: Option<&str>, what: &str, took_ms, verdict| Entry {
            at_ms: u64::from(number) * 1000,
            took_ms,
            number,
            terminal: terminal.map(str::to_owned),
            what: what.to_owned(),
            verdict,
        };
        let finding = Finding { passed: false, expected: "bob (620 Hz)".into(), got: "bob (620 Hz) -90 dBFS".into() };
        let measured = |number, terminal: &str, of: &str, hz, level_dbfs, heard| Measured {
            number,
            terminal: terminal.into(),
            of: of.into(),
            hz,
            level_dbfs,
            heard,
        };
        let mark = |at_ms, terminal: &str, what| Mark { at_ms, terminal: terminal.into(), what, text: "<b>".into() };
        Record {
            title: "Who & whom".into(),
            terminals: vec!["alice".into(), "bob".into()],
            entries: vec![
                entry(1, Some("alice"), "join demo", 12, Verdict::Done),
                entry(2, None, "kick <bob>", 100, Verdict::Undone("ended with 4 (no \"bob\"), expected 0".into())),
                entry(3, Some("alice"), "hears bob", 1000, Verdict::Found(finding)),
            ],
            measured: vec![
                measured(2, "alice", "bob", 620.0, -20.0, true),
                measured(3, "alice", "bob", 620.0, -90.0, false),
                measured(3, "alice", "alice", 440.0, -80.0, false),
                measured(4, "bob", "alice", 440.0, -20.0, true),
                measured(4, "bob", "bob", 620.0, -85.0, false),
            ],
            compared: vec![Compared {
                number: 4,
                terminal: "bob".into(),
                name: "<b>.bin".into(),
                by: Some("alice".into()),
                bytes: 5,
                sha256: "aa".into(),
                shared: "bb".into(),
                seconds: 0.5,
            }],
            marks: vec![mark(900, "alice", "joined"), mark(4000, "alice", "ended"), mark(1000, "bob", "joined")],
            levels: vec![
                LevelAt { at_ms: 1000, terminal: "alice".into(), dbfs: Some(-20.0) },
                LevelAt { at_ms: 2000, terminal: "alice".into(), dbfs: None },
                LevelAt { at_ms: 3000, terminal: "alice".into(), dbfs: Some(-26.0) },
            ],
            seconds: 4.5,
            ..Record::default()
        }
    }

    #[test]
    fn the_page_needs_nothing_else_and_runs_nothing() {
        let html = page(&record());
        for foreign in ["<script", "http://", "https://", "src=", "href=", "url("] {
            assert!(!html.contains(foreign), "{foreign}");
        }
        for told in [
            "Who &amp; whom: <span class=bad>failed</span>",
            "1 passed, 2 failed, 4.5 s",
            "kick &lt;bob&gt;",
            "<svg",
            "expected bob (620 Hz)<br>got",
            "&lt;b&gt;.bin</td><td>alice</td><td>bob</td>",
            "another</td><td>aa<br>shared bb",
        ] {
            assert!(html.contains(told), "{told} is missing in\n{html}");
        }
        assert!(!html.contains("<b>"), "text from elsewhere is escaped");
    }

    #[test]
    fn the_matrix_shows_the_last_look_at_each_tone() {
        let rows = matrix(&record());
        let shown: Vec<String> = rows
            .iter()
            .map(|(who, cells)| {
                format!("{who}: {}", cells.iter().map(|c| format!("{} {}", column(c), c.heard)).collect::<Vec<_>>().join("; "))
            })
            .collect();
        assert_eq!(shown, ["alice: alice, 440 Hz false; bob, 620 Hz false", "bob: alice, 440 Hz true; bob, 620 Hz false"]);
    }

    #[test]
    fn what_xml_cannot_hold_is_replaced() {
        assert_eq!(escaped("a\u{1b}[2J<\"'&>\u{ffff}\n"), "a\u{fffd}[2J&lt;&quot;&#39;&amp;&gt;\u{fffd}\n");
    }
}
