//! Golden ladders: a text file that is script and expectation at once.
//!
//! ```text
//! # RFC 3261 17.1.1.2: what this ladder shows.
//! over udp
//! until 40000ms
//!     0ms tu: send INVITE            a command to the machine in column `tu`: script
//!     0ms -> INVITE                  what a machine sent: rendered
//!  1600ms <- 180 Ringing             what the other side sends: script
//!         | To-tag: bob              a header of it, a Via branch (`branch:`) or its body (`body:`): script
//!  1600ms tu saw 180 Ringing INVITE  what a machine told its user: rendered
//! state Proceeding                   what machines say at the end: rendered
//! ```
//!
//! The harness replays the script on virtual time, renders everything, and compares the whole text; `BLESS=1` writes it, but never in CI.
//! With more than two columns, or two machines wired to each other, columns are named: `alice -> as INVITE`; a lost message is
//! `alice -x as INVITE`. A column is a machine ([`Node`]) or played by the script.
//!
//! Directives stand above the first step. The harness knows these and leaves all others to whoever builds the [`World`]:
//!
//! | directive | meaning |
//! |---|---|
//! | `until 40000ms` | the end of the run |
//! | `delay 10ms` | how long a message travels; 0 without |
//! | `show Via Retry-After body` | headers, or the body, to write under each message that a machine sends and that has them |
//! | `show body in as -> bob ACK` | the same, under such messages only |
//! | `lose 2 alice -> as ACK` | the second such message is lost on its way |

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::{Duration, Instant},
};

use bytes::Bytes;
use confkit::sip::{
    hop::{Address, FlowId, Hop, Transmit, Transport},
    message::{Framing, Message, parse},
    node::{Arrival, PeerIdentity},
};

use super::scripted::Scripted;

/// A machine under test, or several behind one address.
pub trait Node {
    /// Obeys a line of the script, with the `|` lines below it.
    fn command(&mut self, now: Instant, text: &str, details: &[String]);
    /// Something came from the network.
    fn arrive(&mut self, now: Instant, arrival: Arrival);
    /// Fires what is due.
    fn handle_timeout(&mut self, now: Instant);
    /// When that is wanted.
    fn next_timeout(&self) -> Option<Instant>;
    /// The next thing it did.
    fn poll(&mut self) -> Option<Output>;
    /// What there is to say at the end.
    fn closing(&self) -> Vec<String>;
}

/// What a node does.
pub enum Output {
    /// Sends a message.
    Send(Transmit),
    /// Tells its user.
    Saw(String),
}

/// One column of the ladder.
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// The addresses it is found at, at most one for each transport.
    pub hops: Vec<Hop>,
    /// The machine; without one the script plays the column.
    pub node: Option<Box<dyn Node>>,
}

/// A parsed ladder file.
pub struct Script {
    preamble: Vec<String>,
    /// The directives that the harness does not know.
    pub directives: Vec<(String, String)>,
    until: Duration,
    delay: Duration,
    show: Vec<String>,
    show_in: BTreeMap<String, Vec<String>>,
    lose: BTreeMap<String, Vec<usize>>,
    steps: Vec<Step>,
}

#[derive(Clone)]
struct Step {
    comments: Vec<String>,
    at: Duration,
    what: What,
    details: Vec<String>,
}

#[derive(Clone)]
enum What {
    Command {
        column: String,
        text: String,
    },
    /// Empty names stand for the only other column.
    Message {
        from: String,
        to: String,
        text: String,
    },
}

/// When every ladder begins: machines that are given a time when they are made are given this one.
pub fn zero() -> Instant {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    *ZERO.get_or_init(confkit::clock::now)
}

/// Compares every `*.ladder` of a folder below `tests/ladders` with what its machines do, or writes them when `BLESS=1`.
pub fn check(folder: &str, build: impl Fn(&Script) -> Vec<Column>) {
    let bless = std::env::var("BLESS").is_ok_and(|v| v == "1");
    assert!(!(bless && std::env::var_os("CI").is_some()), "BLESS=1 is for people: CI only compares");
    let mut red = String::new();
    for (path, text) in files(folder) {
        let script = Script::parse(&text);
        let (seen, _) = play(&script, build(&script), None);
        if seen == text {
            continue;
        }
        if bless {
            fs::write(&path, seen).expect("the ladder can be written");
        } else {
            let _ = write!(red, "\n{}\n{}", path.display(), difference(&text, &seen));
        }
    }
    assert!(red.is_empty(), "ladders differ from what was seen (BLESS=1 accepts it):{red}");
}

/// The ladders of a folder in order of name, with their text.
pub fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ladders").join(folder);
    let mut paths: Vec<_> = fs::read_dir(&folder).expect("the folder of the ladders").map(|e| e.expect("an entry").path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "ladder"));
    paths.sort();
    assert!(!paths.is_empty(), "no ladder in {}", folder.display());
    paths.into_iter().map(|p| (p.clone(), fs::read_to_string(&p).expect("the ladder can be read"))).collect()
}

/// Plays a script and returns the whole ladder as text, and the number of messages that machines sent. `suppress` makes a machine swallow
/// its n-th message: for the test that no message is missed unnoticed.
pub fn play(script: &Script, columns: Vec<Column>, suppress: Option<usize>) -> (String, usize) {
    let mut run = Run::new(script, columns, suppress);
    let mut steps = run.steps().into_iter();
    let mut step = steps.next();
    loop {
        let due = [step.as_ref().map(|s| s.at), run.in_flight.first_key_value().map(|((at, _), _)| *at), run.next_timeout()];
        let Some(at) = due.into_iter().flatten().min().filter(|at| *at <= script.until) else { break };
        run.now = at;
        run.deliver();
        run.fire();
        // Deliveries and timers at the same moment come first, and may bring more of both.
        if run.in_flight.keys().next().is_some_and(|(t, _)| *t <= at) || run.next_timeout().is_some_and(|t| t <= at) {
            continue;
        }
        if let Some(current) = step.take_if(|s| s.at <= at) {
            run.obey(&current);
            step = steps.next();
        }
    }
    run.close()
}

struct Run<'a> {
    script: &'a Script,
    columns: Vec<Column>,
    players: BTreeMap<usize, Scripted>,
    zero: Instant,
    now: Duration,
    in_flight: BTreeMap<(Duration, u64), (usize, usize, Transmit)>,
    launched: u64,
    sent: usize,
    suppress: Option<usize>,
    counted: BTreeMap<String, usize>,
    text: String,
}

impl<'a> Run<'a> {
    fn new(script: &'a Script, columns: Vec<Column>, suppress: Option<usize>) -> Self {
        let players = columns.iter().enumerate().filter(|(_, c)| c.node.is_none()).map(|(at, c)| (at, Scripted::new(c.name))).collect();
        let mut text = script.preamble.join("\n");
        text.push('\n');
        Self {
            script,
            columns,
            players,
            zero: zero(),
            now: Duration::ZERO,
            in_flight: BTreeMap::new(),
            launched: 0,
            sent: 0,
            suppress,
            counted: BTreeMap::new(),
            text,
        }
    }

    /// True where arrows need no names: one machine and one played column.
    fn nameless(&self) -> bool {
        self.columns.len() == 2 && self.players.len() == 1
    }

    /// The script without the lines that machines bring about; a comment above such a line moves to the next line of the script.
    fn steps(&self) -> Vec<Step> {
        let (mut kept, mut comments) = (Vec::new(), Vec::new());
        for step in &self.script.steps {
            comments.extend(step.comments.iter().cloned());
            let from_machine = matches!(&step.what, What::Message { from, .. }
                if self.columns.iter().any(|c| c.name == from && c.node.is_some()));
            if !from_machine {
                kept.push(Step { comments: std::mem::take(&mut comments), ..step.clone() });
            }
        }
        kept
    }

    fn clock(&self) -> Instant {
        self.zero + self.now
    }

    fn next_timeout(&self) -> Option<Duration> {
        let first = self.columns.iter().filter_map(|c| c.node.as_ref()?.next_timeout()).min()?;
        Some(first.saturating_duration_since(self.zero).max(self.now))
    }

    fn deliver(&mut self) {
        let due: Vec<_> = self.in_flight.range(..=(self.now, u64::MAX)).map(|(key, _)| *key).collect();
        for key in due {
            if let Some((from, to, transmit)) = self.in_flight.remove(&key) {
                self.hand_over(from, to, transmit);
            }
        }
    }

    /// A message reaches its column.
    fn hand_over(&mut self, from: usize, to: usize, transmit: Transmit) {
        let (from, now) = (self.source(from, to, &transmit.hop), self.clock());
        let here = self.columns[to].hops.iter().find(|h| h.transport == from.transport).unwrap_or(&transmit.hop).address.clone();
        match &mut self.columns[to].node {
            Some(node) => {
                let peer = match &from.address {
                    Address::Name { host, .. } if from.transport == Transport::Local => {
                        PeerIdentity::Local { role: host.strip_suffix(".invalid").unwrap_or(host).to_owned() }
                    }
                    Address::Name { .. } | Address::Socket(_) => PeerIdentity::Anonymous,
                };
                node.arrive(now, Arrival::Message { bytes: transmit.bytes, from, peer, to: here });
            }
            None => {
                let player = self.players.get_mut(&to).expect("a column without a node is played");
                player.received.push(read(&transmit.bytes, from.transport));
            }
        }
        self.drain();
    }

    /// Where a message of `from` seems to come from: its address on that transport, with the flow of the pair for streams.
    fn source(&self, from: usize, to: usize, by: &Hop) -> Hop {
        let hops = &self.columns[from].hops;
        let mut hop = hops.iter().find(|h| h.transport == by.transport).unwrap_or(&hops[0]).clone();
        hop.flow = hop.transport.reliable().then(|| flow(from, to));
        hop
    }

    fn fire(&mut self) {
        let now = self.clock();
        for at in 0..self.columns.len() {
            if let Some(node) = &mut self.columns[at].node
                && node.next_timeout().is_some_and(|t| t <= now)
            {
                node.handle_timeout(now);
                self.drain();
            }
        }
    }

    /// Does a line of the script, and writes it.
    fn obey(&mut self, step: &Step) {
        for comment in &step.comments {
            let _ = writeln!(self.text, "{comment}");
        }
        match &step.what {
            What::Command { column, text } => {
                self.line(&format!("{column}: {text}"));
                self.details(&step.details);
                let (at, now) = (self.column(column), self.clock());
                self.columns[at].node.as_mut().expect("commands go to machines").command(now, text, &step.details);
                self.drain();
            }
            What::Message { from, to, text } => {
                let (from, to) = if self.nameless() {
                    let player = *self.players.keys().next().expect("one played column");
                    (player, 1 - player)
                } else {
                    (self.column(from), self.column(to))
                };
                self.line(&if self.nameless() {
                    format!("<- {text}")
                } else {
                    format!("{} -> {} {text}", self.columns[from].name, self.columns[to].name)
                });
                self.details(&step.details);
                let (by, there) = (self.columns[from].hops[0].clone(), self.columns[to].hops[0].clone());
                let player = self.players.get_mut(&from).expect("scripted messages come from played columns");
                match player.make(text, &step.details, &by, &there) {
                    Ok(message) => self.launch(from, to, Transmit { bytes: message.to_bytes(), hop: by }),
                    Err(why) => self.line(&format!("cannot be: {why}")),
                }
            }
        }
    }

    /// Writes down and sends on what the machines did.
    fn drain(&mut self) {
        for at in 0..self.columns.len() {
            while let Some(output) = self.columns[at].node.as_mut().and_then(|n| n.poll()) {
                match output {
                    Output::Saw(text) => self.line(&format!("{} saw {text}", self.columns[at].name)),
                    Output::Send(transmit) => self.sent(at, transmit),
                }
            }
        }
    }

    fn sent(&mut self, from: usize, transmit: Transmit) {
        self.sent += 1;
        if self.suppress == Some(self.sent) {
            return;
        }
        let hop = &transmit.hop;
        let to = self.columns.iter().enumerate().position(|(at, c)| match hop.flow {
            Some(f) => f == flow(from, at),
            None => c.hops.iter().any(|h| h.transport == hop.transport && h.address == hop.address),
        });
        let message = read(&transmit.bytes, hop.transport);
        let summary = summary(&message);
        let Some(to) = to else {
            self.line(&format!("{} -> {hop} {summary}", self.columns[from].name));
            return self.shown(&message, &[]);
        };
        let (a, b) = (self.columns[from].name, self.columns[to].name);
        let count = self.counted.entry(format!("{a} -> {b} {summary}")).or_default();
        *count += 1;
        let lost = self.script.lose.get(&format!("{a} -> {b} {summary}")).is_some_and(|which| which.contains(count));
        let arrow = if lost { "-x" } else { "->" };
        self.line(&if self.nameless() { format!("{arrow} {summary}") } else { format!("{a} {arrow} {b} {summary}") });
        let here = self.script.show_in.get(&format!("{a} -> {b} {summary}")).cloned().unwrap_or_default();
        self.shown(&message, &here);
        if !lost {
            self.launch(from, to, transmit);
        }
    }

    fn launch(&mut self, from: usize, to: usize, transmit: Transmit) {
        self.launched += 1;
        self.in_flight.insert((self.now + self.script.delay, self.launched), (from, to, transmit));
    }

    fn shown(&mut self, message: &Message, here: &[String]) {
        let mut lines = Vec::new();
        for wanted in self.script.show.iter().chain(here) {
            lines.extend(message.headers().all(wanted).map(|value| format!("{wanted}: {value}")));
            if wanted == "body" {
                let body = match message {
                    Message::Request(r) => &r.body,
                    Message::Response(r) => &r.body,
                };
                lines.extend(String::from_utf8_lossy(body).lines().map(|line| format!("body: {line}")));
            }
        }
        self.details(&lines);
    }

    fn line(&mut self, what: &str) {
        assert!(self.text.len() < 1 << 20, "this ladder never ends:\n{}", &self.text[..2000]);
        let millis = self.now.as_secs_f64() * 1000.0;
        let _ = writeln!(self.text, "{:>7} {what}", format!("{}ms", (millis * 1000.0).round() / 1000.0));
    }

    fn details(&mut self, lines: &[String]) {
        for line in lines {
            let _ = writeln!(self.text, "        | {line}");
        }
    }

    fn column(&self, name: &str) -> usize {
        self.columns.iter().position(|c| c.name == name).unwrap_or_else(|| panic!("no column is called {name:?}"))
    }

    fn close(mut self) -> (String, usize) {
        for column in &self.columns {
            for line in column.node.iter().flat_map(|n| n.closing()) {
                let name = if self.nameless() { String::new() } else { format!("{} ", column.name) };
                let _ = writeln!(self.text, "{name}{line}");
            }
        }
        (self.text, self.sent)
    }
}

impl Script {
    /// Reads a ladder; rendered lines are skipped.
    pub fn parse(text: &str) -> Self {
        let mut script = Self {
            preamble: Vec::new(),
            directives: Vec::new(),
            until: Duration::ZERO,
            delay: Duration::ZERO,
            show: Vec::new(),
            show_in: BTreeMap::new(),
            lose: BTreeMap::new(),
            steps: Vec::new(),
        };
        let (mut comments, mut begun, mut scripted) = (Vec::new(), false, false);
        for line in text.lines() {
            if let Some(detail) = line.trim_start().strip_prefix("| ") {
                if let Some(step) = script.steps.last_mut().filter(|_| scripted) {
                    step.details.push(detail.to_owned());
                }
            } else if line.starts_with('#') {
                if begun { comments.push(line.to_owned()) } else { script.preamble.push(line.to_owned()) }
            } else if let Some((at, rest)) = line.trim_start().split_once(' ').and_then(|(t, rest)| Some((millis(t)?, rest.trim()))) {
                begun = true;
                let what = What::parse(rest);
                scripted = what.is_some();
                script.steps.extend(what.map(|what| Step { comments: std::mem::take(&mut comments), at, what, details: Vec::new() }));
            } else if !begun && !line.trim().is_empty() {
                script.preamble.push(line.to_owned());
                script.directive(line);
            }
        }
        assert!(script.until > Duration::ZERO, "a ladder says `until`");
        script
    }

    fn directive(&mut self, line: &str) {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        match name {
            "until" => self.until = millis(value).expect("until NUMBERms"),
            "delay" => self.delay = millis(value).expect("delay NUMBERms"),
            "show" => {
                let (what, place) = value.split_once(" in ").map_or((value, None), |(what, place)| (what, Some(place)));
                let what = what.split(' ').map(str::to_owned);
                match place {
                    Some(place) => self.show_in.entry(place.to_owned()).or_default().extend(what),
                    None => self.show.extend(what),
                }
            }
            "lose" => {
                let (count, what) = value.split_once(' ').expect("lose NUMBER FROM -> TO MESSAGE");
                self.lose.entry(what.to_owned()).or_default().push(count.parse().expect("a number"));
            }
            _ => self.directives.push((name.to_owned(), value.to_owned())),
        }
    }
}

impl What {
    /// A command, or an arrow whose sender may be played by the script; `None` for a line that machines bring about.
    fn parse(rest: &str) -> Option<Self> {
        if let Some(text) = rest.strip_prefix("<- ") {
            return Some(Self::Message { from: String::new(), to: String::new(), text: text.to_owned() });
        }
        let (first, tail) = rest.split_once(' ')?;
        if let Some(column) = first.strip_suffix(':') {
            return Some(Self::Command { column: column.to_owned(), text: tail.to_owned() });
        }
        let (to, text) = tail.strip_prefix("-> ")?.split_once(' ')?;
        Some(Self::Message { from: first.to_owned(), to: to.to_owned(), text: text.to_owned() })
    }
}

/// A message as its receiver reads it.
fn read(bytes: &Bytes, transport: Transport) -> Message {
    let framing = if transport.reliable() { Framing::Stream } else { Framing::Datagram };
    parse(bytes, framing).unwrap_or_else(|fault| panic!("{fault} in what was sent:\n{}", String::from_utf8_lossy(bytes)))
}

/// The flow between two columns, the same seen from both.
fn flow(a: usize, b: usize) -> FlowId {
    FlowId((a.min(b) * 1000 + a.max(b)) as u64)
}

/// `INVITE`, `200 OK INVITE`.
pub fn summary(message: &Message) -> String {
    match message {
        Message::Request(request) => request.method.to_string(),
        Message::Response(r) => {
            format!("{} {} {}", r.status, r.reason, r.cseq().map_or_else(|| "without CSeq".to_owned(), |c| c.method.to_string()))
        }
    }
}

fn millis(text: &str) -> Option<Duration> {
    text.trim().strip_suffix("ms")?.parse::<f64>().ok().map(|ms| Duration::from_secs_f64(ms / 1000.0))
}

/// The lines around the first difference.
fn difference(wanted: &str, seen: &str) -> String {
    let (wanted, seen): (Vec<_>, Vec<_>) = (wanted.lines().collect(), seen.lines().collect());
    let same = wanted.iter().zip(&seen).take_while(|(a, b)| a == b).count();
    let mut text = String::new();
    for line in &wanted[same.saturating_sub(3)..same] {
        let _ = writeln!(text, "  {line}");
    }
    for (sign, lines) in [('-', &wanted), ('+', &seen)] {
        for line in lines.iter().skip(same).take(8) {
            let _ = writeln!(text, "{sign} {line}");
        }
    }
    text
}
