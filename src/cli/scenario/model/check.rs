//! What no single value of a scenario shows to be wrong: names that mean nobody, expectations of nothing.

use std::collections::BTreeSet;

use super::{
    Action, Create, Ephemeral, Event, Expected, File, Heard, Invite, Join, Kick, MAX_MADE, MAX_STEPS, MAX_TERMINALS, Members, Name,
    OfConference, Pin, Scenario, Send, Server, Share, Sound, State, Step, Volume,
    expect::{OF_CONFERENCES, OF_FILES, OF_TERMINALS},
    fault,
};
use crate::{
    conference::wire::control,
    config::{Fault, Path, Role, nearest},
    id::ConferenceName,
};

/// The programs that a `command` may run.
const PROGRAMS: [&str; 3] = ["confctl", "fshare", "relayd"];

/// Everything that does not fit together.
pub(super) fn check(scenario: &Scenario) -> Vec<Fault> {
    let mut check = Check { scenario, faults: Vec::new() };
    check.server();
    check.files();
    check.terminals();
    let steps = Path::default().key("steps");
    if scenario.steps.iter().map(|step| step.each().len()).sum::<usize>() > MAX_STEPS {
        check.wrong(&steps, format!("are more than {MAX_STEPS}"));
    }
    for (index, step) in scenario.steps.iter().enumerate() {
        check.step(step, &steps.index(index));
    }
    check.faults
}

struct Check<'a> {
    scenario: &'a Scenario,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn wrong(&mut self, at: &Path, what: impl Into<String>) {
        self.faults.push(fault(at, what));
    }

    fn server(&mut self) {
        if let Server::Ephemeral(Ephemeral { roles: Some(roles) }) = &self.scenario.server
            && !roles.has(Role::As)
        {
            self.wrong(&Path::default().key("server").key("ephemeral").key("roles"), "without the role as there is nobody to call");
        }
    }

    fn files(&mut self) {
        let at = Path::default().key("files");
        let mut names = BTreeSet::new();
        for (index, made) in self.scenario.files.iter().enumerate() {
            if !names.insert(&made.name) {
                self.wrong(&at.index(index).key("name"), format!("\"{}\" is taken", made.name));
            }
        }
        if self.scenario.files.iter().fold(0_u64, |sum, made| sum.saturating_add(made.size.get())) > MAX_MADE {
            self.wrong(&at, format!("are more than {} GiB together", MAX_MADE >> 30));
        }
    }

    fn terminals(&mut self) {
        let at = Path::default().key("terminals");
        if self.scenario.terminals.len() > MAX_TERMINALS {
            self.wrong(&at, format!("are more than {MAX_TERMINALS}"));
        }
        let mut names = BTreeSet::new();
        for (index, terminal) in self.scenario.terminals.iter().enumerate() {
            if !names.insert(&terminal.name) {
                self.wrong(&at.index(index).key("name"), format!("\"{}\" is taken", terminal.name));
            }
            if terminal.register && terminal.account.is_none() {
                self.wrong(&at.index(index).key("register"), "needs an account");
            }
        }
    }

    fn step(&mut self, step: &Step, at: &Path) {
        let here = at.key(step.action.verb());
        match &step.action {
            Action::Parallel(steps) => steps.iter().enumerate().for_each(|(index, step)| self.step(step, &here.index(index))),
            Action::Expect(expect) => self.expected(&expect.what, &here),
            Action::Join(Join { conference, uri, pin, .. }) => {
                if uri.is_none() {
                    self.conference(conference, &here);
                } else if conference.is_some() {
                    self.wrong(&here.key("uri"), "stands beside a conference: give one of them");
                }
                self.pin(pin.as_ref().map(|pin| pin.0.as_str()), &here);
            }
            Action::Create(Create { conference, pin, .. }) => {
                self.conference(conference, &here);
                self.pin(pin.as_ref().map(|pin| pin.0.as_str()), &here);
            }
            Action::Pin(pin @ Pin { conference, .. }) => {
                self.conference(conference, &here);
                if pin.wanted().is_err() {
                    self.wrong(&here, format!("is neither clear nor a PIN: {}", control::PinError));
                }
            }
            Action::Invite(Invite { who, conference }) => {
                self.conference(conference, &here);
                if who.is_empty() {
                    self.wrong(&here, "names nobody");
                }
            }
            Action::Mute(Members { conference, .. }, _)
            | Action::Deaf(Members { conference, .. }, _)
            | Action::Volume(Volume { conference, .. })
            | Action::Kick(Kick { conference, .. })
            | Action::Lock(OfConference { conference }, _)
            | Action::End(OfConference { conference }) => self.conference(conference, &here),
            Action::Share(Share { paths, .. }) => {
                if paths.is_empty() {
                    self.wrong(&here, "names nothing to share");
                }
            }
            Action::Send(send) => self.send(send, &here),
            Action::Message(_)
            | Action::Dtmf(_)
            | Action::Hold(..)
            | Action::Download(_)
            | Action::Unshare(_)
            | Action::Wait(_)
            | Action::Leave(_) => {}
        }
        if let Some(name) = step.action.terminal() {
            let name = name.as_str().to_owned();
            self.terminal(&name, &here);
        }
    }

    fn send(&mut self, send: &Send, at: &Path) {
        let Send { terminal, paths, to, .. } = send;
        if paths.is_empty() {
            self.wrong(at, "names nothing to send");
        }
        if let Server::Ephemeral(Ephemeral { roles: Some(roles) }) = &self.scenario.server
            && !roles.has(Role::Relay)
        {
            self.wrong(at, "needs the role relay");
        }
        self.terminal(to.as_str(), &at.key("to"));
        let named = |name: &Name| self.scenario.terminal(name.as_str());
        let accounts = [(terminal, "terminal"), (to, "to")].map(|(name, key)| (named(name).map(|named| named.account.clone()), name, key));
        if let [(Some(Some(one)), ..), (Some(Some(other)), ..)] = &accounts
            && one == other
        {
            self.wrong(&at.key("to"), format!("has the account {one}, too: files go from user to user"));
        }
        for (account, name, key) in accounts {
            if account == Some(None) {
                self.wrong(&at.key(key), format!("{name} has no account"));
            }
        }
    }

    fn expected(&mut self, what: &Expected, at: &Path) {
        let here = at.key(what.kind());
        if let Some(conference) = what.conference() {
            self.conference(conference, &here);
        }
        match what {
            Expected::Heard(heard) => self.heard(heard, &here),
            Expected::Event(Event { is, terminal, .. }) => {
                let known = if terminal.is_some() { [&OF_TERMINALS[..], &OF_FILES].concat() } else { OF_CONFERENCES.to_vec() };
                if !known.contains(&is.0.as_str()) {
                    self.wrong(&here, format!("\"{is}\" is none of {}", known.join(", ")));
                }
            }
            Expected::State(State { terminal, joined, locked, participants, ended, .. }) => {
                let (of_terminal, of_conference) = (joined.is_some(), locked.is_some() || participants.is_some() || ended.is_some());
                match terminal {
                    Some(_) if of_conference => self.wrong(&here, "a terminal is neither locked nor ended"),
                    None if of_terminal => self.wrong(&here, "joined needs a terminal"),
                    _ if !of_terminal && !of_conference => self.wrong(&here, "expects nothing"),
                    _ => {}
                }
            }
            Expected::Packets(packets) => {
                if packets.received.is_none() && packets.sent.is_none() && packets.lost.is_none() {
                    self.wrong(&here, "expects nothing");
                }
            }
            Expected::File(File { sha256, absent, .. }) => {
                if *absent && sha256.is_some() {
                    self.wrong(&here, "is either absent or something");
                }
            }
            Expected::Participant(somebody) => {
                let states = [somebody.muted, somebody.deaf, somebody.talking, somebody.held];
                if states.iter().all(Option::is_none) && somebody.role.is_none() {
                    self.wrong(&here, "expects nothing");
                }
                if let Some(role) = somebody.role.as_ref().filter(|role| control::Role::from_word(&role.0).is_none()) {
                    self.wrong(&here.key("role"), format!("\"{role}\" is none of chair, member, guest"));
                }
            }
            Expected::Command(run) => match run.run.first() {
                Some(program) if PROGRAMS.contains(&program.0.as_str()) => {}
                _ => self.wrong(&here, format!("does not begin with one of our programs: {}", PROGRAMS.join(", "))),
            },
            Expected::Roster(_) | Expected::Talker(_) => {}
        }
    }

    fn heard(&mut self, heard: &Heard, at: &Path) {
        if heard.only.is_none() && heard.present.is_empty() && heard.absent.is_empty() && !heard.silence {
            self.wrong(at, "expects nothing");
        }
        if heard.above.0 <= heard.below.0 {
            self.wrong(&at.key("below"), "is not below what counts as heard");
        }
        for (key, sounds) in [("only", heard.only.as_deref().unwrap_or_default()), ("present", &heard.present), ("absent", &heard.absent)] {
            for (index, sound) in sounds.iter().enumerate() {
                let Sound::Of(name) = sound else { continue };
                let here = at.key(key).index(index);
                if self.terminal(name.as_str(), &here) && !self.scenario.tones().any(|(of, _)| of == name) {
                    self.wrong(&here, format!("{name} says no tone; give a frequency"));
                }
            }
        }
    }

    fn conference(&mut self, named: &Option<ConferenceName>, at: &Path) {
        if self.scenario.room(named).is_none() {
            self.wrong(at, "has no conference; name one here, or one for all steps at the top");
        }
    }

    fn pin(&mut self, pin: Option<&str>, at: &Path) {
        if pin.is_some_and(|pin| pin.parse::<control::Pin>().is_err()) {
            self.wrong(&at.key("pin"), format!("is no PIN: {}", control::PinError));
        }
    }

    fn terminal(&mut self, name: &str, at: &Path) -> bool {
        if self.scenario.terminal(name).is_some() {
            return true;
        }
        let names: Vec<&str> = self.scenario.terminals.iter().map(|terminal| terminal.name.as_str()).collect();
        let advice = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None if names.is_empty() => "the scenario has none".to_owned(),
            None => format!("there are {}", names.join(", ")),
        };
        self.wrong(at, format!("\"{name}\" is no terminal; {advice}"));
        false
    }
}
