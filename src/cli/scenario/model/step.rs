//! Steps: one verb each, with what it needs, and beside it who takes it and how it is to end.

use serde_yaml::{Mapping, Value};

use super::{
    args::{
        Create, Download, Dtmf, Invite, Join, Kick, Members, Message, OfConference, OfTerminal, Pin, Send, Share, Unshare, Volume, Wait,
    },
    expect::Expect,
    value::{Exit, Name},
};
use crate::{
    cli::ExitCode,
    config::{Faults, Kind, Node, Setting, nearest},
    fileshare::terminal::Opening,
    id::{ConferenceName, UserName},
};

/// A step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What.
    pub action: Action,
    /// The account that it is taken as, where that is not the one that the program acts as.
    pub actor: Option<UserName>,
    /// How it is to end.
    pub exit: ExitCode,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Makes a conference.
    Create(Create),
    /// A terminal calls a conference.
    Join(Join),
    /// A conference calls somebody.
    Invite(Invite),
    /// Nobody hears somebody, or hears it again.
    Mute(Members, bool),
    /// Somebody hears nobody, or hears again.
    Deaf(Members, bool),
    /// Makes somebody louder or softer.
    Volume(Volume),
    /// Puts somebody out.
    Kick(Kick),
    /// Closes or opens the door.
    Lock(OfConference, bool),
    /// Sets or clears the PIN.
    Pin(Pin),
    /// Sends an instant message.
    Message(Message),
    /// A terminal presses keys.
    Dtmf(Dtmf),
    /// A terminal holds its call, or takes it up again.
    Hold(OfTerminal, bool),
    /// A terminal shares files in its call.
    Share(Share),
    /// A terminal has all of a share.
    Download(Download),
    /// A terminal ends a share, or leaves one.
    Unshare(Unshare),
    /// A terminal sends files to another through a relay channel.
    Send(Send),
    /// Lets time pass.
    Wait(Wait),
    /// Looks at what must hold.
    Expect(Box<Expect>),
    /// A terminal leaves.
    Leave(OfTerminal),
    /// Ends a conference.
    End(OfConference),
    /// Steps at the same time.
    Parallel(Vec<Step>),
}

/// What may stand beside the verb.
const BESIDE: [&str; 2] = ["as", "exit"];

/// The verbs of this version.
pub const VERBS: [&str; 25] = [
    "create", "join", "invite", "mute", "unmute", "deaf", "undeaf", "volume", "kick", "lock", "unlock", "pin", "message", "dtmf", "hold",
    "unhold", "share", "download", "unshare", "send", "wait", "expect", "leave", "end", "parallel",
];

/// Verbs that the format names and this version has not, and what brings them.
const LATER: [(&str, &str); 10] = [
    ("upload", "the media library"),
    ("fetch", "the swarm"),
    ("seed", "the swarm"),
    ("present", "boards inside conferences"),
    ("flip", "boards inside conferences"),
    ("draw", "boards inside conferences"),
    ("record", "recordings of conferences"),
    ("play", "prompts into conferences"),
    ("move", "breakouts"),
    ("breakout", "breakouts"),
];

impl Step {
    /// This step, or each of its group.
    pub fn each(&self) -> std::slice::Iter<'_, Self> {
        match &self.action {
            Action::Parallel(steps) => steps.iter(),
            _ => std::slice::from_ref(self).iter(),
        }
    }

    /// What it does, by whom where that is said, and how it is to end where that is not well.
    pub fn describe(&self) -> String {
        let actor = self.actor.as_ref().map_or_else(String::new, |actor| format!(" as {actor}"));
        let exit = if self.exit == ExitCode::Done { String::new() } else { format!(" (must end with {})", self.exit.number()) };
        format!("{}{actor}{exit}", self.action.describe())
    }

    /// Names the conference where the step has none.
    pub(super) fn name_conference(&mut self, all: &ConferenceName) {
        let place = match &mut self.action {
            Action::Join(Join { uri: Some(_), .. })
            | Action::Message(_)
            | Action::Dtmf(_)
            | Action::Hold(..)
            | Action::Share(_)
            | Action::Download(_)
            | Action::Unshare(_)
            | Action::Send(_)
            | Action::Wait(_)
            | Action::Leave(_) => return,
            Action::Create(Create { conference, .. })
            | Action::Join(Join { conference, .. })
            | Action::Invite(Invite { conference, .. })
            | Action::Mute(Members { conference, .. }, _)
            | Action::Deaf(Members { conference, .. }, _)
            | Action::Volume(Volume { conference, .. })
            | Action::Kick(Kick { conference, .. })
            | Action::Lock(OfConference { conference }, _)
            | Action::Pin(Pin { conference, .. })
            | Action::End(OfConference { conference }) => conference,
            Action::Expect(expect) => match expect.what.conference_mut() {
                Some(conference) => conference,
                None => return,
            },
            Action::Parallel(steps) => return steps.iter_mut().for_each(|step| step.name_conference(all)),
        };
        place.get_or_insert_with(|| all.clone());
    }
}

impl Action {
    /// The verb.
    pub fn verb(&self) -> &'static str {
        let either = |on: bool, yes, no| if on { yes } else { no };
        match self {
            Self::Create(_) => "create",
            Self::Join(_) => "join",
            Self::Invite(_) => "invite",
            Self::Mute(_, on) => either(*on, "mute", "unmute"),
            Self::Deaf(_, on) => either(*on, "deaf", "undeaf"),
            Self::Volume(_) => "volume",
            Self::Kick(_) => "kick",
            Self::Lock(_, on) => either(*on, "lock", "unlock"),
            Self::Pin(_) => "pin",
            Self::Message(_) => "message",
            Self::Dtmf(_) => "dtmf",
            Self::Hold(_, on) => either(*on, "hold", "unhold"),
            Self::Share(_) => "share",
            Self::Download(_) => "download",
            Self::Unshare(_) => "unshare",
            Self::Send(_) => "send",
            Self::Wait(_) => "wait",
            Self::Expect(_) => "expect",
            Self::Leave(_) => "leave",
            Self::End(_) => "end",
            Self::Parallel(_) => "parallel",
        }
    }

    /// The terminal that takes the step.
    pub fn terminal(&self) -> Option<&Name> {
        match self {
            Self::Join(Join { terminal, .. })
            | Self::Dtmf(Dtmf { terminal, .. })
            | Self::Share(Share { terminal, .. })
            | Self::Download(Download { terminal, .. })
            | Self::Unshare(Unshare { terminal, .. })
            | Self::Send(Send { terminal, .. })
            | Self::Hold(OfTerminal { terminal }, _)
            | Self::Leave(OfTerminal { terminal }) => Some(terminal),
            Self::Expect(expect) => expect.what.terminal(),
            _ => None,
        }
    }

    /// What it does, behind the name of the terminal that does it: `join`, `mute bob`, `volume bob -6 dB`.
    pub fn describe(&self) -> String {
        let verb = self.verb();
        match self {
            Self::Create(Create { conference: Some(name), .. })
            | Self::Join(Join { uri: None, conference: Some(name), .. })
            | Self::Lock(OfConference { conference: Some(name) }, _)
            | Self::End(OfConference { conference: Some(name) }) => format!("{verb} {name}"),
            Self::Join(Join { uri: Some(uri), .. }) => format!("{verb} {uri}"),
            Self::Invite(Invite { who, .. }) => format!("{verb} {}", who.iter().map(|who| who.0.as_str()).collect::<Vec<_>>().join(", ")),
            Self::Mute(Members { who, .. }, _) | Self::Deaf(Members { who, .. }, _) | Self::Kick(Kick { who, .. }) => {
                format!("{verb} {who}")
            }
            Self::Volume(Volume { who, gain, hears, .. }) => {
                format!("{verb} {who} {gain} dB{}", if *hears { " (what it hears)" } else { "" })
            }
            Self::Pin(Pin { pin, .. }) => format!("{verb} {}", if pin.0 == "clear" { "clear" } else { "set" }),
            Self::Message(Message { to, text }) => format!("{verb} {to} \"{text}\""),
            Self::Dtmf(Dtmf { keys, .. }) => format!("{verb} {keys}"),
            Self::Share(Share { paths, via, to, .. }) => {
                let names = paths.iter().map(|path| path.text.as_str()).collect::<Vec<_>>().join(", ");
                let whom = to.iter().map(|who| who.0.as_str()).collect::<Vec<_>>().join(", ");
                let whom = if whom.is_empty() { whom } else { format!(" to {whom}") };
                format!("{verb} {names}{whom}{}", if via.0 == Opening::Info { " (by INFO)" } else { "" })
            }
            Self::Download(Download { file, .. }) | Self::Unshare(Unshare { file, .. }) => format!("{verb} {file}"),
            Self::Send(Send { paths, to, applies, .. }) => {
                let names = paths.iter().map(|path| path.text.as_str()).collect::<Vec<_>>().join(", ");
                format!("{verb} {names} to {to} (the {applies} applies)")
            }
            Self::Wait(Wait { time }) => format!("{verb} {}", humantime::format_duration(time.get())),
            Self::Expect(expect) => expect.what.describe(),
            Self::Parallel(steps) => format!("{verb} ({} steps)", steps.len()),
            Self::Create(_) | Self::Join(_) | Self::Lock(..) | Self::Hold(..) | Self::Leave(_) | Self::End(_) => verb.to_owned(),
        }
    }

    fn args(&self) -> Value {
        match self {
            Self::Create(args) => args.show(),
            Self::Join(args) => args.show(),
            Self::Invite(args) => args.show(),
            Self::Mute(args, _) | Self::Deaf(args, _) => args.show(),
            Self::Volume(args) => args.show(),
            Self::Kick(args) => args.show(),
            Self::Lock(args, _) | Self::End(args) => args.show(),
            Self::Pin(args) => args.show(),
            Self::Message(args) => args.show(),
            Self::Dtmf(args) => args.show(),
            Self::Hold(args, _) | Self::Leave(args) => args.show(),
            Self::Share(args) => args.show(),
            Self::Download(args) => args.show(),
            Self::Unshare(args) => args.show(),
            Self::Send(args) => args.show(),
            Self::Wait(args) => args.show(),
            Self::Expect(args) => args.show(),
            Self::Parallel(steps) => steps.show(),
        }
    }

    fn read(verb: &str, node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        Some(match verb {
            "create" => Self::Create(short(node, "conference", faults)?),
            "join" => Self::Join(short(node, "terminal", faults)?),
            "invite" => Self::Invite(short(node, "who", faults)?),
            "mute" | "unmute" => Self::Mute(short(node, "who", faults)?, verb == "mute"),
            "deaf" | "undeaf" => Self::Deaf(short(node, "who", faults)?, verb == "deaf"),
            "volume" => Self::Volume(Setting::read(node, faults)?),
            "kick" => Self::Kick(short(node, "who", faults)?),
            "lock" | "unlock" => Self::Lock(short(node, "conference", faults)?, verb == "lock"),
            "pin" => Self::Pin(short(node, "pin", faults)?),
            "message" => Self::Message(Setting::read(node, faults)?),
            "dtmf" => Self::Dtmf(Setting::read(node, faults)?),
            "hold" | "unhold" => Self::Hold(short(node, "terminal", faults)?, verb == "hold"),
            "share" => Self::Share(Setting::read(node, faults)?),
            "download" => Self::Download(Setting::read(node, faults)?),
            "unshare" => Self::Unshare(Setting::read(node, faults)?),
            "send" => Self::Send(Setting::read(node, faults)?),
            "wait" => Self::Wait(short(node, "time", faults)?),
            "expect" => Self::Expect(Box::new(Setting::read(node, faults)?)),
            "leave" => Self::Leave(short(node, "terminal", faults)?),
            "end" => Self::End(short(node, "conference", faults)?),
            "parallel" => Self::Parallel(parallel(node, faults)?),
            _ => return None,
        })
    }
}

impl Setting for Step {
    fn kind() -> Kind {
        Kind::value("a step")
    }

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        // `- end` is `- end:` with nothing behind it.
        let bare: Value;
        let map = match node.value {
            Value::Mapping(map) => map,
            Value::String(verb) => {
                bare = Value::Mapping(Mapping::from_iter([(verb.as_str().into(), Value::Null)]));
                bare.as_mapping()?
            }
            _ => {
                faults.add(&node.at, "is no step; expected a verb such as join, with what it needs");
                return None;
            }
        };
        let verb = verb(map, node, faults)?;
        let child = |name: &str| map.get(name).map(|value| Node { value, at: node.at.key(name), layers: node.layers });
        let action = child(verb).and_then(|args| Action::read(verb, &args, faults));
        let actor = child("as").map_or(Some(None), |node| Setting::read(&node, faults));
        let exit = child("exit").map_or(Some(Exit(ExitCode::Done)), |node| Setting::read(&node, faults));
        Some(Self { action: action?, actor: actor?, exit: exit?.0 })
    }

    fn show(&self) -> Value {
        let mut map = Mapping::from_iter([(self.action.verb().into(), self.action.args())]);
        if let Some(actor) = &self.actor {
            map.insert("as".into(), actor.show());
        }
        if self.exit != ExitCode::Done {
            map.insert("exit".into(), Exit(self.exit).show());
        }
        Value::Mapping(map)
    }
}

/// The one verb of a step.
fn verb(map: &Mapping, node: &Node<'_>, faults: &mut Faults) -> Option<&'static str> {
    let mut found = None;
    let mut sound = true;
    for key in map.keys() {
        let name = key.as_str().unwrap_or_default();
        if BESIDE.contains(&name) {
            continue;
        }
        match VERBS.into_iter().find(|verb| *verb == name) {
            Some(verb) if found.is_none() => found = Some(verb),
            Some(verb) => {
                faults.add(&node.at.key(name), format!("{verb} stands beside {}: each step has one verb", found.unwrap_or_default()));
                sound = false;
            }
            None => {
                let what = match LATER.into_iter().find(|(verb, _)| *verb == name) {
                    Some((verb, with)) => format!("{verb} is not built yet: arrives with {with}"),
                    None => match nearest(name, VERBS.into_iter().chain(BESIDE)) {
                        Some(near) => format!("is no step; did you mean \"{near}\"?"),
                        None => format!("is no step; there are {}", VERBS.join(", ")),
                    },
                };
                faults.add(&node.at.key(name), what);
                sound = false;
            }
        }
    }
    if found.is_none() && sound {
        faults.add(&node.at, "has no verb; expected one such as join or expect");
    }
    found.filter(|_| sound)
}

/// Steps of a group: no group in a group, which would say nothing that one group does not.
fn parallel(node: &Node<'_>, faults: &mut Faults) -> Option<Vec<Step>> {
    let steps = Vec::<Step>::read(node, faults)?;
    let inner = steps.iter().position(|step| matches!(step.action, Action::Parallel(_)));
    if let Some(index) = inner {
        faults.add(&node.at.index(index), "is a parallel group inside another; put its steps into the outer one");
    }
    if steps.is_empty() {
        faults.add(&node.at, "has no steps");
    }
    inner.is_none().then_some(steps)
}

/// Reads what is written in short — one value or a list in the place of keys with values — as the value of its main key.
pub(super) fn short<T: Setting>(node: &Node<'_>, main: &str, faults: &mut Faults) -> Option<T> {
    if node.value.is_mapping() || node.value.is_null() {
        return T::read(node, faults);
    }
    let value = Value::Mapping(Mapping::from_iter([(main.into(), node.value.clone())]));
    T::read(&Node { value: &value, at: node.at.clone(), layers: node.layers }, faults)
}
