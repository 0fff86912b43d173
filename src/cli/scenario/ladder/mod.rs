//! The SIP messages of a run: read from the text of a trace, drawn as columns.
//!
//! A trace (`relayd --trace-sip`, or the terminals' own) has a line a message, see `sip::transport`. Addresses in it become names: a terminal's where it
//! is one of ours, else what the messages show it to be.

mod draw;

use std::{collections::BTreeMap, time::SystemTime};

/// Most messages kept. Later ones are counted only.
pub const MAX_ROWS: usize = 20_000;

/// The messages of a run, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ladder {
    /// Who takes part, in the order of the columns.
    pub lanes: Vec<String>,
    /// Messages.
    pub rows: Vec<Row>,
    /// Messages that were not kept, here or by the trace.
    pub left_out: u64,
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Milliseconds since the start; negative before it.
    pub at_ms: f64,
    /// Who sent it.
    pub from: String,
    /// Who was to get it.
    pub to: String,
    /// `INVITE demo`, `200 OK (INVITE)`.
    pub what: String,
    /// `udp`, `tcp`, `tls`, `local`.
    pub transport: String,
}

/// A line of a trace.
struct Line<'a> {
    at: SystemTime,
    from: &'a str,
    to: &'a str,
    start: &'a str,
    transport: &'a str,
    method: &'a str,
    call: &'a str,
}

/// Lanes of our roles stand right of everybody else, in this order.
const ROLES: [&str; 3] = ["as", "ms", "fs"];
/// What those are called who open a control dialog.
const CONTROL: &str = "control";
/// What those are called who subscribe to a conference's state.
const WATCH: &str = "watch";

impl Ladder {
    /// Reads a trace. `names` are the names of addresses (`127.0.0.1:40000`), `first` the lanes that stand left, in their order.
    pub fn read(trace: &str, start: SystemTime, names: &BTreeMap<String, String>, first: &[String]) -> Self {
        let lines = || trace.lines().filter_map(Line::parse);
        let names = names_of(lines(), names);
        let names = with_streams(lines(), names);
        let name = |address: &str| names.get(address).cloned().unwrap_or_else(|| address.to_owned());
        let mut ladder = Self { left_out: trace.lines().filter_map(left_out).sum(), ..Self::default() };
        for line in lines() {
            if ladder.rows.len() >= MAX_ROWS {
                ladder.left_out += 1;
                continue;
            }
            ladder.rows.push(Row {
                at_ms: milliseconds(start, line.at),
                from: name(line.from),
                to: name(line.to),
                what: line.what(),
                transport: line.transport.to_owned(),
            });
        }
        // Threads write side by side; each line has its own time.
        ladder.rows.sort_by(|one, other| one.at_ms.total_cmp(&other.at_ms));
        ladder.lanes = lanes(&ladder.rows, first);
        ladder
    }

    /// What a person wants to see first: calls and their control, without `100 Trying` and without those who only watch.
    #[must_use]
    pub fn compact(&self) -> Self {
        let kept = |row: &&Row| !row.what.starts_with("100 ") && row.from != WATCH && row.to != WATCH;
        let rows: Vec<Row> = self.rows.iter().filter(kept).cloned().collect();
        let lanes = self.lanes.iter().filter(|lane| rows.iter().any(|row| row.from == **lane || row.to == **lane)).cloned().collect();
        Self { lanes, rows, left_out: self.left_out }
    }
}

impl<'a> Line<'a> {
    /// `<time>  <from> -> <to>  <start line>  [<transport> <n> bytes, <cseq>, call <id>]`
    fn parse(line: &'a str) -> Option<Self> {
        let (time, rest) = line.split_once("  ")?;
        let (ends, rest) = rest.split_once("  ")?;
        let (from, to) = ends.split_once(" -> ")?;
        let (start, facts) = rest.rsplit_once("  [")?;
        let transport = facts.split(' ').next()?;
        let cseq = facts.split(", ").nth(1).unwrap_or_default();
        let method = cseq.trim_end_matches(']').rsplit(' ').next().unwrap_or_default();
        let call = facts.rsplit_once("call ").map_or("", |(_, call)| call.trim_end_matches(']'));
        Some(Self { at: humantime::parse_rfc3339(time).ok()?, from, to, start, transport, method, call })
    }

    /// Method and target of a request.
    fn request(&self) -> Option<(&'a str, &'a str)> {
        let mut words = self.start.split(' ');
        let (method, uri) = (words.next()?, words.next()?);
        (method != "SIP/2.0").then_some((method, uri))
    }

    /// The user of a request's target, or its host where it has none.
    fn target(uri: &str) -> &str {
        let bare = uri.split_once(':').map_or(uri, |(_, rest)| rest);
        let bare = bare.split([';', '?']).next().unwrap_or_default();
        bare.rsplit_once('@').map_or(bare, |(user, _)| user)
    }

    fn what(&self) -> String {
        match self.request() {
            Some((method, uri)) => format!("{method} {}", Self::target(uri)),
            None => {
                let status = self.start.split_once(' ').map_or(self.start, |(_, status)| status);
                format!("{status} ({})", self.method)
            }
        }
    }
}

/// The names that are given, and those that the messages tell.
fn names_of<'a>(lines: impl Iterator<Item = Line<'a>>, given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut names = given.clone();
    for line in lines {
        let Some((method, uri)) = line.request() else { continue };
        let told = match method {
            "SUBSCRIBE" => WATCH,
            _ if Line::target(uri) == CONTROL => CONTROL,
            _ => continue,
        };
        if line.from.parse::<std::net::SocketAddr>().is_ok() {
            names.entry(line.from.to_owned()).or_insert_with(|| told.to_owned());
        }
    }
    names
}

/// Whoever is named by one address and sends what is large by a stream, from another: a call has two ends, and keeps them.
fn with_streams<'a>(lines: impl Iterator<Item = Line<'a>> + Clone, mut names: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut calls: BTreeMap<&str, &str> = BTreeMap::new();
    for line in lines.clone() {
        for end in [line.from, line.to] {
            if let Some(name) = names.get(end).filter(|name| !ROLES.contains(&name.as_str())) {
                calls.entry(line.call).or_insert(name);
            }
        }
    }
    let found: Vec<(String, String)> = lines
        .flat_map(|line| [(line.from, line.call), (line.to, line.call)])
        .filter(|(end, _)| end.parse::<std::net::SocketAddr>().is_ok() && !names.contains_key(*end))
        .filter_map(|(end, call)| Some((end.to_owned(), (*calls.get(call)?).to_owned())))
        .collect();
    names.extend(found);
    names
}

/// Those who were named first, then everybody else as they come, then those who control and watch, then our roles.
fn lanes(rows: &[Row], first: &[String]) -> Vec<String> {
    let mut seen: Vec<&String> = Vec::new();
    for end in rows.iter().flat_map(|row| [&row.from, &row.to]) {
        if !seen.contains(&end) {
            seen.push(end);
        }
    }
    let last = [CONTROL, WATCH].into_iter().chain(ROLES);
    let is_last = |lane: &str| last.clone().any(|other| other == lane);
    let given = first.iter().filter(|lane| seen.contains(lane)).cloned();
    let others = seen.iter().filter(|lane| !first.contains(lane) && !is_last(lane)).map(|lane| (*lane).clone());
    let right = last.clone().filter(|lane| seen.iter().any(|other| other == lane)).map(str::to_owned);
    given.chain(others).chain(right).collect()
}

/// `# 7 messages are left out here: …`
fn left_out(line: &str) -> Option<u64> {
    line.strip_prefix("# ")?.split_once(" messages are left out")?.0.parse().ok()
}

fn milliseconds(start: SystemTime, at: SystemTime) -> f64 {
    match at.duration_since(start) {
        Ok(since) => since.as_secs_f64() * 1000.0,
        Err(before) => -before.duration().as_secs_f64() * 1000.0,
    }
}

#[cfg(test)]
mod tests;
