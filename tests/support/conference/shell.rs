//! A shell.
//!
//! Commands: `open`, `close`; then what `confctl` would ask: `create standup [pin 4711] [max 2] [guests yes] [ttl 60] [share chair] [receive named]`, `list`, `status`,
//! `show standup`, `end standup`, `invite standup bob sip:…`, `kick standup p1`, `mute standup bob`, `unmute`, `deaf`, `undeaf`,
//! `volume standup bob -6 [out]`, `lock standup`, `unlock`, `pin standup 4711`, `pin standup clear`, `role standup bob chair`, `grant standup bob share`, `revoke`; `--all` for
//! everybody.

use std::{collections::VecDeque, time::Instant};

use confkit::{
    account::Pin,
    conference::{
        client::{Control, ControlCommand, ControlEvent, Identity, ServerAddress},
        wire::control::{Command, Create, Data, Invitee, Participant, Reply, Role, Summary, VolumeDirection, Who},
    },
    sip::{
        endpoint::{Endpoint, EndpointConfig},
        hop::Transport,
        message::Host,
        node::{Arrival, Node as _},
    },
};

use super::{
    super::ladder::{Node, Output},
    Seat,
};

pub struct Shell {
    config: EndpointConfig,
    seed: [u8; 32],
    identity: Identity,
    server: ServerAddress,
    pub control: Option<Control>,
    /// What it was told and nobody has taken.
    pub heard: Vec<ControlEvent>,
    outputs: VecDeque<Output>,
}

impl Shell {
    pub fn new(seat: &Seat<'_>) -> Self {
        let account = if seat.name == "shell" { "admin" } else { seat.account() };
        let config = seat.configure(EndpointConfig::default()).at(Transport::Udp, Host::Ip(seat.own.ip()), None);
        Self {
            config,
            seed: seat.seed,
            identity: seat.identity(account),
            server: seat.server(),
            control: None,
            heard: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    fn listen(&mut self) {
        while let Some(event) = self.control.as_mut().and_then(confkit::conference::client::Machine::poll_event) {
            self.heard.push(event.clone());
            let text = match event {
                ControlEvent::Opened => "the dialog open".to_owned(),
                ControlEvent::Reply(Reply { outcome: Ok(data), .. }) => format!("done{}", told(&data)),
                ControlEvent::Reply(Reply { outcome: Err(failure), .. }) => format!("{}: {}", failure.code, failure.text),
                ControlEvent::Refused(refusal) => {
                    let failure = refusal.failure();
                    format!("the dialog fail: {}: {}", failure.code, failure.text)
                }
                ControlEvent::Failed(failure) => format!("the dialog fail: {}: {}", failure.code, failure.text),
                ControlEvent::Closed => "the dialog closed".to_owned(),
            };
            self.outputs.push_back(Output::Saw(text));
        }
    }
}

impl Node for Shell {
    fn command(&mut self, now: Instant, text: &str, _details: &[String]) {
        let words: Vec<_> = text.split(' ').collect();
        if words == ["open"] {
            self.seed[1] += 1; // another endpoint is nobody's twin
            let endpoint = Endpoint::new(self.config.clone(), self.seed);
            self.control = Some(Control::open(now, endpoint, &self.identity, &self.server));
            return self.listen();
        }
        let command = if words == ["close"] { ControlCommand::Close } else { ControlCommand::Ask(asked(&words)) };
        self.control.as_mut().expect("an open dialog").handle_command(now, command);
        self.listen();
    }

    fn arrive(&mut self, now: Instant, arrival: Arrival) {
        if let Some(control) = &mut self.control {
            control.handle_arrival(now, arrival);
        }
        self.listen();
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Some(control) = &mut self.control {
            control.handle_timeout(now);
        }
        self.listen();
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.control.as_ref().and_then(confkit::sip::node::Node::next_timeout)
    }

    fn poll(&mut self) -> Option<Output> {
        self.control.as_mut().and_then(confkit::sip::node::Node::poll_transmit).map(Output::Send).or_else(|| self.outputs.pop_front())
    }

    fn closing(&self) -> Vec<String> {
        let open = self.control.as_ref().is_some_and(|c| !c.finished());
        if open { vec!["has its dialog open".to_owned()] } else { Vec::new() }
    }
}

fn asked(words: &[&str]) -> Command {
    let who = |who: &str| if who == "--all" { Who::All } else { Who::One(who.to_owned()) };
    let conference = words.get(1).map(|w| (*w).to_owned()).unwrap_or_default();
    let option = |name: &str| words.windows(2).find(|w| w[0] == name).map(|w| w[1]);
    match words {
        ["create", name, ..] => Command::Create(Create {
            name: (*name).to_owned(),
            pin: option("pin").map(|p| p.parse::<Pin>().expect("a PIN")),
            max: option("max").map(|m| m.parse().expect("a number")),
            guests: option("guests").map(|g| g == "yes"),
            ttl_seconds: option("ttl").map(|t| t.parse().expect("seconds")),
            rights: ["share", "receive", "draw"]
                .into_iter()
                .filter_map(|r| Some((r.to_owned(), option(r)?.parse().expect("a preset"))))
                .collect(),
            codecs: option("codec").map(str::to_owned).into_iter().collect(),
            ..Create::default()
        }),
        ["list"] => Command::List,
        ["status"] => Command::Status,
        ["ticket", audience, action @ ..] => {
            Command::Ticket { audience: audience.parse().expect("an audience"), action: action.first().map(|a| (*a).to_owned()) }
        }
        ["show", _] => Command::Show { conference },
        ["end", _] => Command::End { conference, reason: None },
        ["invite", _, uris @ ..] => Command::Invite { conference, uris: uris.iter().map(|u| (*u).to_owned()).collect() },
        ["kick", _, one] => Command::Kick { conference, who: who(one), reason: None },
        [verb @ ("mute" | "unmute"), _, one] => Command::Mute { conference, who: who(one), on: *verb == "mute" },
        [verb @ ("deaf" | "undeaf"), _, one] => Command::Deaf { conference, who: who(one), on: *verb == "deaf" },
        ["volume", _, one, db, direction @ ..] => Command::Volume {
            conference,
            who: who(one),
            direction: if *direction == ["out"] { VolumeDirection::Out } else { VolumeDirection::In },
            gain_db: db.parse().expect("decibels"),
        },
        [verb @ ("lock" | "unlock"), _] => Command::Lock { conference, on: *verb == "lock" },
        ["pin", _, "clear"] => Command::Pin { conference, pin: None },
        ["pin", _, pin] => Command::Pin { conference, pin: Some(pin.parse::<Pin>().expect("a PIN")) },
        [verb @ ("grant" | "revoke"), _, one, right] => {
            Command::Grant { conference, who: who(one), right: (*right).to_owned(), on: *verb == "grant" }
        }
        ["role", _, one, role] => {
            let role = match *role {
                "chair" => Role::Chair,
                "member" => Role::Member,
                _ => Role::Guest,
            };
            Command::Role { conference, who: who(one), role }
        }
        _ => panic!("no command {words:?}"),
    }
}

/// What a reply says, in a few words.
fn told(data: &Data) -> String {
    let all = |people: &[Participant]| people.iter().map(person).collect::<Vec<_>>().join(", ");
    match data {
        Data::Done {} => String::new(),
        Data::Created(summary) => format!(": {}", summary.uri),
        Data::Conferences { conferences } => {
            let one = |c: &Summary| format!("{} ({})", c.name, c.participants);
            format!(": {}", conferences.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        Data::Conference(details) => {
            let summary = &details.summary;
            let marks = [(summary.locked, " locked"), (summary.pin, " with PIN")];
            let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
            let rights: String = summary.rights.iter().map(|(right, preset)| format!(" {right}={preset}")).collect();
            format!(": {}{marks}{rights}: {}", summary.name, all(&details.roster))
        }
        Data::Invited { invited } => {
            let one = |i: &Invitee| match (&i.participant, &i.failure) {
                (Some(id), _) => format!("{} is {id}", i.uri),
                (None, Some(failure)) => format!("{} {}: {}", i.uri, failure.code, failure.text),
                (None, None) => i.uri.clone(),
            };
            format!(": {}", invited.iter().map(one).collect::<Vec<_>>().join("; "))
        }
        Data::Participants { participants } => format!(": {}", all(participants)),
        Data::Ticket(issued) => format!(": for {}, until {}, {}", issued.audience, issued.expires, issued.ticket.reveal()),
        Data::Status(status) => {
            let servers = status.media_servers.iter().map(|s| if s.reachable { format!(", {}", s.uri) } else { format!(", no {}", s.uri) });
            format!(": {} conferences, {} participants{}", status.conferences, status.participants, servers.collect::<String>())
        }
    }
}

fn person(p: &Participant) -> String {
    let mut text = format!("{} {} {} {}", p.id, p.name.as_deref().unwrap_or("-"), p.role, p.state);
    for (is, mark) in [(!p.audio, " without audio"), (p.muted, " muted"), (p.deaf, " deaf"), (p.talking, " talking")] {
        if is {
            text += mark;
        }
    }
    for (db, way) in [(p.gain_in_db, "in"), (p.gain_out_db, "out")] {
        if db != 0 {
            text += &format!(" {db:+} dB {way}");
        }
    }
    text
}
