//! Expectations: what must hold, and how long it may take to come true.

use std::{fmt, str::FromStr, time::Duration};

use serde_yaml::{Mapping, Value};

use super::{
    step::short,
    value::{Exit, Hertz, Level, Name, Sha256},
};
use crate::{
    cli::ExitCode,
    config::{Count, Faults, Kind, Node, Setting, Span, Text, ValueError, nearest, schema::item},
    id::ConferenceName,
};

/// An expectation.
#[derive(Debug, Clone, PartialEq)]
pub struct Expect {
    /// What.
    pub what: Expected,
    /// How long it may take to come true.
    pub within: Duration,
}

/// What is expected.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// Who is in a conference.
    Roster(Roster),
    /// Who talks in it.
    Talker(Talker),
    /// What a terminal hears, by its recording.
    Heard(Heard),
    /// What a terminal sent, received and lost.
    Packets(Packets),
    /// A file that a terminal has received.
    File(File),
    /// Something that happens to a terminal or in a conference.
    Event(Event),
    /// How a terminal or a conference stands.
    State(State),
    /// How a participant stands.
    Participant(Participant),
    /// What a program of ours says.
    Command(Run),
}

item! {
    /// `roster`; in short, the names.
    pub struct Roster {
        /// Everybody who is in, by the names of terminals, of users, or as they call themselves.
        names: Vec<Text> = Vec::new(),
        /// Conference.
        conference: Option<ConferenceName> = None,
    }
}

item! {
    /// `talker`; in short, the names.
    pub struct Talker {
        /// Everybody who talks.
        names: Vec<Text> = Vec::new(),
        /// Conference.
        conference: Option<ConferenceName> = None,
    }
}

item! {
    /// `heard`: what a terminal's recording holds from now on for some time.
    pub struct Heard {
        /// Who hears.
        terminal: Name,
        /// Exactly these are heard: tones of terminals, or frequencies.
        only: Option<Vec<Sound>> = None,
        /// These are heard.
        present: Vec<Sound> = Vec::new(),
        /// These are not heard.
        absent: Vec<Sound> = Vec::new(),
        /// Nothing at all is heard.
        silence: bool = false,
        /// How long is listened.
        over: Span<200, 600_000> = Span::of_millis(1000),
        /// What is at least this loud is heard.
        above: Level = Level(-35.0),
        /// What is no louder than this is not heard.
        below: Level = Level(-50.0),
    }
}

item! {
    /// `packets`: the RTP of a terminal since it came.
    pub struct Packets {
        /// Whose.
        terminal: Name,
        /// Received at least.
        received: Option<Count<0, 100_000_000>> = None,
        /// Sent at least.
        sent: Option<Count<0, 100_000_000>> = None,
        /// Lost at most, on the way to it.
        lost: Option<Count<0, 100_000_000>> = None,
    }
}

item! {
    /// `file`: what a terminal has received is what was shared.
    pub struct File {
        /// Who.
        terminal: Name,
        /// Its name in the share: with its folders, or without.
        name: Text,
        /// What it is, where no step of this scenario has shared it.
        sha256: Option<Sha256> = None,
        /// It has not received it, nor any of it.
        absent: bool = false,
    }
}

item! {
    /// `event`: since the last step that was more than waiting and looking.
    pub struct Event {
        /// What: a name of what terminals or conferences can be asked.
        is: Text,
        /// The terminal that it happens to. Without one it happens in a conference.
        terminal: Option<Name> = None,
        /// The conference that it happens in.
        conference: Option<ConferenceName> = None,
        /// Whom it is about.
        who: Option<Text> = None,
        /// What a message says, or a part of a reason.
        text: Option<Text> = None,
    }
}

item! {
    /// `state`: of a terminal or a conference.
    pub struct State {
        /// The terminal. Without one it is about a conference.
        terminal: Option<Name> = None,
        /// The terminal is in a call.
        joined: Option<bool> = None,
        /// Conference.
        conference: Option<ConferenceName> = None,
        /// It is closed to newcomers.
        locked: Option<bool> = None,
        /// So many are in it.
        participants: Option<Count<0, 100_000>> = None,
        /// It is over.
        ended: Option<bool> = None,
    }
}

item! {
    /// `participant`: somebody in a conference.
    pub struct Participant {
        /// Who.
        who: Text,
        /// Conference.
        conference: Option<ConferenceName> = None,
        /// Nobody hears it.
        muted: Option<bool> = None,
        /// It hears nobody.
        deaf: Option<bool> = None,
        /// It talks now.
        talking: Option<bool> = None,
        /// It holds the call.
        held: Option<bool> = None,
        /// chair, member or guest.
        role: Option<Text> = None,
    }
}

item! {
    /// `command`: one of our programs, with the scenario's server in its environment; in short, its words.
    pub struct Run {
        /// The program and its arguments.
        run: Vec<Text>,
        /// How it ends.
        exit: Exit = Exit(ExitCode::Done),
        /// What its output holds somewhere.
        output: Option<Text> = None,
    }
}

/// Events of terminals.
pub const OF_TERMINALS: [&str; 10] =
    ["called", "ringing", "joined", "changed", "not-changed", "refused", "ended", "message", "registered", "not-registered"];
/// Events of terminals that are about files.
pub const OF_FILES: [&str; 10] =
    ["offered", "declined", "shared", "not-shared", "uploaded", "finished", "received", "broken", "failed", "sent"];
/// Events of conferences.
pub const OF_CONFERENCES: [&str; 7] = ["joined", "left", "changed", "talking", "locked", "unlocked", "ended"];

/// How long something may take to come true, unless the expectation says otherwise.
const WITHIN: Duration = Duration::from_secs(5);

/// What can be expected.
pub(super) const KINDS: [&str; 9] = ["roster", "talker", "heard", "packets", "file", "event", "state", "participant", "command"];

/// Something to be heard: a frequency, or the tone of a terminal.
#[derive(Debug, Clone, PartialEq)]
pub enum Sound {
    /// A frequency.
    Tone(Hertz),
    /// What a terminal says.
    Of(Name),
}

impl FromStr for Sound {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let number = text.trim_end_matches("Hz").trim().parse::<f32>().is_ok();
        if number { text.parse().map(Self::Tone) } else { text.parse().map(Self::Of) }
    }
}

impl fmt::Display for Sound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tone(hertz) => hertz.fmt(f),
            Self::Of(name) => name.fmt(f),
        }
    }
}

impl Setting for Sound {
    fn kind() -> Kind {
        Kind::value("a frequency in hertz, or a terminal")
    }

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.parse("a frequency in hertz, or a terminal", faults)
    }

    fn show(&self) -> Value {
        Value::String(self.to_string())
    }
}

impl Expected {
    /// The terminal that it is about.
    pub fn terminal(&self) -> Option<&Name> {
        match self {
            Self::Heard(Heard { terminal, .. }) | Self::Packets(Packets { terminal, .. }) | Self::File(File { terminal, .. }) => {
                Some(terminal)
            }
            Self::Event(Event { terminal, .. }) | Self::State(State { terminal, .. }) => terminal.as_ref(),
            Self::Roster(_) | Self::Talker(_) | Self::Participant(_) | Self::Command(_) => None,
        }
    }

    /// The conference that it is about, if it is about one: the one named, or none for the scenario's.
    pub fn conference(&self) -> Option<&Option<ConferenceName>> {
        match self {
            Self::Roster(Roster { conference, .. })
            | Self::Talker(Talker { conference, .. })
            | Self::Participant(Participant { conference, .. }) => Some(conference),
            Self::Event(Event { terminal, conference, .. }) | Self::State(State { terminal, conference, .. }) => {
                terminal.is_none().then_some(conference)
            }
            Self::Heard(_) | Self::Packets(_) | Self::File(_) | Self::Command(_) => None,
        }
    }

    /// Likewise, to be named.
    pub(super) fn conference_mut(&mut self) -> Option<&mut Option<ConferenceName>> {
        match self {
            Self::Roster(Roster { conference, .. })
            | Self::Talker(Talker { conference, .. })
            | Self::Participant(Participant { conference, .. })
            | Self::Event(Event { terminal: None, conference, .. })
            | Self::State(State { terminal: None, conference, .. }) => Some(conference),
            Self::Event(_) | Self::State(_) | Self::Heard(_) | Self::Packets(_) | Self::File(_) | Self::Command(_) => None,
        }
    }

    /// The key that it is written under.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Roster(_) => "roster",
            Self::Talker(_) => "talker",
            Self::Heard(_) => "heard",
            Self::Packets(_) => "packets",
            Self::File(_) => "file",
            Self::Event(_) => "event",
            Self::State(_) => "state",
            Self::Participant(_) => "participant",
            Self::Command(_) => "command",
        }
    }

    /// What is expected, for people.
    pub fn describe(&self) -> String {
        let texts = |all: &[Text]| {
            if all.is_empty() { "nobody".to_owned() } else { all.iter().map(|t| t.0.as_str()).collect::<Vec<_>>().join(", ") }
        };
        match self {
            Self::Roster(Roster { names, .. }) => format!("in the conference: {}", texts(names)),
            Self::Talker(Talker { names, .. }) => format!("talking: {}", texts(names)),
            Self::Heard(heard) => heard.describe(),
            Self::Packets(packets) => packets.describe(),
            Self::File(File { name, absent: true, .. }) => format!("has not received {name}"),
            Self::File(File { name, sha256: None, .. }) => format!("has received {name} as it was shared"),
            Self::File(File { name, sha256: Some(sha256), .. }) => format!("has received {name}, SHA-256 {sha256}"),
            Self::Event(Event { is, who, text, .. }) => {
                let who = who.as_ref().map_or_else(String::new, |who| format!(" {who}"));
                let text = text.as_ref().map_or_else(String::new, |text| format!(" \"{text}\""));
                format!("event {is}{who}{text}")
            }
            Self::State(state) => listed(&[("in a call", state.joined), ("locked", state.locked), ("ended", state.ended)])
                .chain(state.participants.map(|count| format!("{} participants", count.get())))
                .collect::<Vec<_>>()
                .join(", "),
            Self::Participant(somebody) => {
                let states =
                    [("muted", somebody.muted), ("deaf", somebody.deaf), ("talking", somebody.talking), ("on hold", somebody.held)];
                let role = somebody.role.as_ref().map(|role| role.0.clone());
                format!("{} {}", somebody.who, listed(&states).chain(role).collect::<Vec<_>>().join(", "))
            }
            Self::Command(Run { run, exit, output }) => {
                let output = output.as_ref().map_or_else(String::new, |text| format!(" and says \"{text}\""));
                format!("{} ends with {exit}{output}", run.iter().map(|word| word.0.as_str()).collect::<Vec<_>>().join(" "))
            }
        }
    }

    fn args(&self) -> Value {
        match self {
            Self::Roster(args) => args.show(),
            Self::Talker(args) => args.show(),
            Self::Heard(args) => args.show(),
            Self::Packets(args) => args.show(),
            Self::File(args) => args.show(),
            Self::Event(args) => args.show(),
            Self::State(args) => args.show(),
            Self::Participant(args) => args.show(),
            Self::Command(args) => args.show(),
        }
    }

    fn read(kind: &str, node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        Some(match kind {
            "roster" => Self::Roster(short(node, "names", faults)?),
            "talker" => Self::Talker(short(node, "names", faults)?),
            "heard" => Self::Heard(Setting::read(node, faults)?),
            "packets" => Self::Packets(Setting::read(node, faults)?),
            "file" => Self::File(Setting::read(node, faults)?),
            "event" => Self::Event(short(node, "is", faults)?),
            "state" => Self::State(Setting::read(node, faults)?),
            "participant" => Self::Participant(Setting::read(node, faults)?),
            "command" => Self::Command(short(node, "run", faults)?),
            _ => return None,
        })
    }
}

/// What the kinds take.
pub(super) fn kinds() -> [Kind; 9] {
    [
        Roster::kind(),
        Talker::kind(),
        Heard::kind(),
        Packets::kind(),
        File::kind(),
        Event::kind(),
        State::kind(),
        Participant::kind(),
        Run::kind(),
    ]
}

/// `locked`, `not ended`.
fn listed<'a>(states: &'a [(&'a str, Option<bool>)]) -> impl Iterator<Item = String> + 'a {
    states.iter().filter_map(|(name, wanted)| wanted.map(|wanted| if wanted { (*name).to_owned() } else { format!("not {name}") }))
}

impl Heard {
    fn describe(&self) -> String {
        let sounds = |all: &[Sound]| all.iter().map(Sound::to_string).collect::<Vec<_>>().join(", ");
        let mut parts = Vec::new();
        if self.silence {
            parts.push("hears nothing".to_owned());
        }
        if let Some(only) = &self.only {
            parts.push(format!("hears {} and nothing else", sounds(only)));
        }
        if !self.present.is_empty() {
            parts.push(format!("hears {}", sounds(&self.present)));
        }
        if !self.absent.is_empty() {
            parts.push(format!("does not hear {}", sounds(&self.absent)));
        }
        parts.join(", ")
    }
}

impl Packets {
    fn describe(&self) -> String {
        let least = |count: Option<Count<0, 100_000_000>>, what: &str| count.map(|count| format!("{what} at least {}", count.get()));
        let lost = self.lost.map(|count| format!("lost at most {}", count.get()));
        let parts = [least(self.received, "received"), least(self.sent, "sent"), lost];
        format!("packets {}", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

impl Setting for Expect {
    fn kind() -> Kind {
        Kind::value("an expectation")
    }

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let map = node.map(faults)?;
        let child = |name: &str| map?.get(name).map(|value| Node { value, at: node.at.key(name), layers: node.layers });
        let mut found = None;
        let mut sound = true;
        for name in map.into_iter().flat_map(Mapping::keys).map(|key| key.as_str().unwrap_or_default()).filter(|name| *name != "within") {
            match KINDS.into_iter().find(|kind| *kind == name) {
                Some(kind) if found.is_none() => found = Some(kind),
                Some(kind) => {
                    faults.add(
                        &node.at.key(name),
                        format!("{kind} stands beside {}: each expect expects one thing", found.unwrap_or_default()),
                    );
                    sound = false;
                }
                None => {
                    let what = match nearest(name, KINDS.into_iter().chain(["within"])) {
                        Some(near) => format!("is nothing to expect; did you mean \"{near}\"?"),
                        None => format!("is nothing to expect; there are {}", KINDS.join(", ")),
                    };
                    faults.add(&node.at.key(name), what);
                    sound = false;
                }
            }
        }
        if found.is_none() && sound {
            faults.add(&node.at, format!("expects nothing; there are {}", KINDS.join(", ")));
        }
        let kind = found.filter(|_| sound)?;
        let what = child(kind).and_then(|args| Expected::read(kind, &args, faults));
        let within = child("within").map_or(Some(WITHIN), |node| Span::<0, 600_000>::read(&node, faults).map(Span::get));
        Some(Self { what: what?, within: within? })
    }

    fn show(&self) -> Value {
        let mut map = Mapping::from_iter([(self.what.kind().into(), self.what.args())]);
        if self.within != WITHIN {
            map.insert("within".into(), humantime::format_duration(self.within).to_string().into());
        }
        Value::Mapping(map)
    }
}
