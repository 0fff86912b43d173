//! What `watch`, `join` and `run` print while they go on: a line each. The fields are an interface (`docs/json.md`).

use serde::Serialize;

use crate::{
    cli::output::{Page, Report, Text},
    conference::wire::{Timestamp, control::Participant},
};

/// An event of `confctl watch`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Watched {
    /// The whole state: at the start, and whenever something was missed.
    State {
        /// When.
        at: Timestamp,
        /// Name of the conference.
        conference: String,
        /// Title for people.
        title: Option<String>,
        /// Its address.
        uri: String,
        /// Closed to newcomers.
        locked: bool,
        /// Most participants.
        max: Option<u32>,
        /// Who is in it.
        roster: Vec<Participant>,
    },
    /// Somebody came in.
    Joined {
        /// When.
        at: Timestamp,
        /// Name of the conference.
        conference: String,
        /// Who.
        participant: Participant,
    },
    /// Somebody left.
    Left {
        /// When.
        at: Timestamp,
        /// Name of the conference.
        conference: String,
        /// Who, as last seen.
        participant: Participant,
        /// Why, if it is known.
        reason: Option<String>,
    },
    /// Somebody was muted, deafened, put on hold, given a role, …
    Changed {
        /// When.
        at: Timestamp,
        /// Name of the conference.
        conference: String,
        /// Who, as now.
        participant: Participant,
        /// Which fields of the participant changed.
        fields: Vec<String>,
    },
    /// Those who talk have changed.
    Talking {
        /// When.
        at: Timestamp,
        /// Name of the conference.
        conference: String,
        /// Ids of the participants who talk, loudest first.
        talkers: Vec<String>,
    },
    /// The door was closed.
    Locked {
        /// When.
        at: Timestamp,
        /// Name of the conference.
        conference: String,
    },
    /// The door was opened.
    Unlocked {
        /// When.
        at: Timestamp,
        /// Name of the conference.
        conference: String,
    },
    /// The conference is over.
    Ended {
        /// When.
        at: Timestamp,
        /// Name of the conference.
        conference: String,
        /// Why, if it is known.
        reason: Option<String>,
    },
}

/// An event of `confctl join`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Attended {
    /// The call goes out.
    Calling {
        /// When.
        at: Timestamp,
        /// Whom.
        uri: String,
    },
    /// The conference wants a PIN before it lets us in.
    PinWanted {
        /// When.
        at: Timestamp,
        /// Whom we called.
        uri: String,
    },
    /// In.
    Joined {
        /// When.
        at: Timestamp,
        /// Where the other side is reached.
        uri: String,
        /// Whether the other side is a conference (`isfocus`).
        conference: bool,
        /// Codec by its SDP name.
        codec: String,
    },
    /// An instant message came.
    Message {
        /// When.
        at: Timestamp,
        /// From whom.
        from: String,
        /// What.
        text: String,
    },
    /// The call is over: the last line.
    Left {
        /// When.
        at: Timestamp,
        /// Who ended it: `us` or `them`.
        by: Side,
        /// Why, if it was said.
        reason: Option<String>,
        /// With `--stats`: what was heard.
        #[serde(skip_serializing_if = "Option::is_none")]
        stats: Option<Heard>,
    },
}

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// This program.
    Us,
    /// The other side.
    Them,
}

/// What a terminal heard.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Heard {
    /// Length of the call.
    pub seconds: f64,
    /// RTP packets received.
    pub packets_received: u64,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// RTP packets lost on the way to us; negative where duplicates outweigh losses (RFC 3550 §6.4.1).
    pub packets_lost: i64,
    /// Interarrival jitter.
    pub jitter_ms: f64,
    /// Audio that had to be made up.
    pub concealed_ms: f64,
    /// Level over the whole call, relative to a full-scale sine; null for digital silence.
    pub level_dbfs: Option<f64>,
    /// The strongest frequencies, strongest first.
    pub frequencies: Vec<Frequency>,
}

/// A frequency that was heard.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Frequency {
    /// Hertz.
    pub hz: f64,
    /// Level relative to a full-scale sine.
    pub level_dbfs: f64,
}

/// An event of `confctl run` and `confctl demo`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Played {
    /// The scenario begins.
    Started {
        /// Its file, or `demo`.
        scenario: String,
        /// Names of its terminals.
        terminals: Vec<String>,
    },
    /// A step was taken.
    Step {
        /// Since the start.
        at_ms: u64,
        /// Its place in the file, from 1.
        number: u32,
        /// What, such as `join`.
        step: String,
        /// By whom, if by a terminal.
        terminal: Option<String>,
        /// Whether it did what it should.
        passed: bool,
        /// Why not.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// An expectation was looked at.
    Expectation {
        /// Since the start.
        at_ms: u64,
        /// Its place in the file, from 1.
        number: u32,
        /// About whom, if about a terminal.
        terminal: Option<String>,
        /// What was expected.
        expected: String,
        /// What was found.
        got: String,
        /// Whether they agree.
        passed: bool,
    },
    /// A tone was looked for in a recording.
    Heard {
        /// Whose recording.
        terminal: String,
        /// Whose tone; null for a frequency that is nobody's.
        of: Option<String>,
        /// Its frequency.
        hz: f64,
        /// How loud it was.
        level_dbfs: f64,
        /// Whether that counts as heard.
        heard: bool,
    },
    /// A file that came was compared with what was shared.
    File {
        /// Who received it.
        terminal: String,
        /// Its name in the share.
        name: String,
        /// The terminal that shared it; null where no step did.
        by: Option<String>,
        /// Its size.
        bytes: u64,
        /// Its SHA-256, as it lies on the disk.
        sha256: String,
        /// The SHA-256 of what was shared.
        shared: String,
        /// Whether they are equal.
        same: bool,
        /// How long it took, from the offer on.
        seconds: f64,
    },
    /// A SIP message was sent (`demo` only).
    Sip {
        /// Since the start.
        at_ms: f64,
        /// By whom.
        from: String,
        /// To whom.
        to: String,
        /// What, such as `INVITE demo` or `200 OK (INVITE)`.
        message: String,
        /// By which transport.
        transport: String,
    },
    /// The scenario is over: the last line.
    Finished {
        /// How long it took.
        seconds: f64,
        /// Steps and expectations that passed.
        passed: u32,
        /// Those that did not.
        failed: u32,
    },
}

impl Report for Watched {
    fn page(&self, page: &mut Page) {
        let line = |at: &Timestamp, conference: &str, what: Text, rest: String| {
            [Text::dim(format!("{at}  ")), Text::strong(conference), Text::from("  "), what, Text::from(rest)]
        };
        match self {
            Self::State { at, conference, roster, .. } => {
                let people = roster.iter().map(shown).collect::<Vec<_>>().join(", ");
                let people = if people.is_empty() { "nobody is in".to_owned() } else { people };
                page.line(line(at, conference, Text::from("now"), format!("  {people}")));
            }
            Self::Joined { at, conference, participant } => {
                page.line(line(at, conference, Text::good("joined"), format!("  {}", shown(participant))));
            }
            Self::Left { at, conference, participant, reason } => {
                page.line(line(at, conference, Text::odd("left"), format!("  {}{}", shown(participant), because(reason.as_ref()))));
            }
            Self::Changed { at, conference, participant, fields } => {
                page.line(line(at, conference, Text::from("changed"), format!("  {}: {}", shown(participant), fields.join(", "))));
            }
            Self::Talking { at, conference, talkers } => {
                let talkers = if talkers.is_empty() { "nobody".to_owned() } else { talkers.join(", ") };
                page.line(line(at, conference, Text::from("talking"), format!("  {talkers}")));
            }
            Self::Locked { at, conference } => {
                page.line(line(at, conference, Text::odd("locked"), String::new()));
            }
            Self::Unlocked { at, conference } => {
                page.line(line(at, conference, Text::good("unlocked"), String::new()));
            }
            Self::Ended { at, conference, reason } => {
                page.line(line(at, conference, Text::odd("ended"), because(reason.as_ref())));
            }
        }
    }
}

impl Report for Attended {
    fn page(&self, page: &mut Page) {
        match self {
            Self::Calling { uri, .. } => {
                page.line([Text::dim("calling "), Text::from(uri)]);
            }
            Self::PinWanted { .. } => {
                let how = "type it with --dtmf, use --pin-file, or set CONFKIT_PIN";
                page.line([Text::odd("the conference requires a PIN: "), Text::from(how)]);
            }
            Self::Joined { uri, conference, codec, .. } => {
                let what = if *conference { "in the conference " } else { "talking to " };
                page.line([Text::good(what), Text::from(uri), Text::dim(format!(" ({codec})"))]);
            }
            Self::Message { from, text, .. } => {
                page.line([Text::strong(from), Text::from(": "), Text::from(text)]);
            }
            Self::Left { by, reason, stats, .. } => {
                let by = match by {
                    Side::Us => "left",
                    Side::Them => "the other side ended the call",
                };
                page.line([Text::from(by), Text::from(because(reason.as_ref()))]);
                if let Some(stats) = stats {
                    stats.page(page);
                }
            }
        }
    }
}

impl Report for Heard {
    fn page(&self, page: &mut Page) {
        let Self { seconds, packets_received, packets_sent, packets_lost, jitter_ms, concealed_ms, level_dbfs, frequencies } = self;
        page.field("time", [format!("{seconds:.1} s")]);
        page.field("packets", [format!("{packets_received} received, {packets_sent} sent, {packets_lost} lost")]);
        page.field("jitter", [format!("{jitter_ms:.1} ms, {concealed_ms:.0} ms of audio made up")]);
        page.field("level", [level_dbfs.map_or_else(|| "silence".to_owned(), |level| format!("{level:.1} dBFS"))]);
        let heard: Vec<String> = frequencies.iter().map(|f| format!("{:.0} Hz ({:.0} dB)", f.hz, f.level_dbfs)).collect();
        page.field("heard", [if heard.is_empty() { "nothing".to_owned() } else { heard.join(", ") }]);
    }
}

impl Report for Played {
    fn page(&self, page: &mut Page) {
        let mark = |passed: bool| if passed { Text::good("ok    ") } else { Text::bad("FAILED") };
        let time = |at_ms: u64| Text::dim(format!("{:7.2} s  ", at_ms as f64 / 1000.0));
        let by = |terminal: &Option<String>| terminal.as_ref().map_or_else(String::new, |name| format!("{name} "));
        match self {
            Self::Started { scenario, terminals } => {
                page.line([Text::strong(scenario), Text::from(format!(": {}", terminals.join(", ")))]);
            }
            Self::Step { at_ms, step, terminal, passed, message, .. } => {
                let why = because(message.as_ref());
                page.line([time(*at_ms), mark(*passed), Text::from(format!("  {}{step}{why}", by(terminal)))]);
            }
            Self::Expectation { at_ms, terminal, expected, got, passed, .. } => {
                page.line([time(*at_ms), mark(*passed), Text::from(format!("  {}{expected}", by(terminal)))]);
                if !passed {
                    page.line([Text::from(format!("{:20}expected: {expected}", ""))])
                        .line([Text::from(format!("{:20}got:      {got}", ""))]);
                }
            }
            Self::Heard { terminal, of, hz, level_dbfs, heard } => {
                let whose = of.as_ref().map_or_else(String::new, |of| format!("{of}, "));
                let verb = if *heard { "heard" } else { "did not hear" };
                page.line([Text::from(format!("{terminal} {verb} {whose}{hz:.0} Hz ({level_dbfs:.0} dBFS)"))]);
            }
            Self::File { terminal, name, same, .. } => {
                let verb = if *same { "has" } else { "has another" };
                page.line([Text::from(format!("{terminal} {verb} {name}"))]);
            }
            Self::Sip { at_ms, from, to, message, .. } => {
                page.line([time((*at_ms).max(0.0) as u64), Text::from(format!("{from} -> {to}  {message}"))]);
            }
            Self::Finished { seconds, passed, failed } => {
                let all = format!("{passed} passed, {failed} failed");
                page.line([if *failed == 0 { Text::good(all) } else { Text::bad(all) }, Text::dim(format!(" in {seconds:.1} s"))]);
            }
        }
    }
}

/// A participant in a line: its name or who it is, and its id.
fn shown(participant: &Participant) -> String {
    let name = participant.name.as_ref().or(participant.user.as_ref()).unwrap_or(&participant.uri);
    format!("{name} ({})", participant.id)
}

fn because(reason: Option<&String>) -> String {
    reason.map_or_else(String::new, |reason| format!(": {reason}"))
}
