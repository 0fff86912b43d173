//! What the shell asked, what it was told, and what came to be.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use confkit::conference::{
    client::ControlEvent,
    wire::control::{CallState, Data, ErrorCode, Failure, Participant},
};

use super::plan::CONFERENCES;

/// One command.
pub struct Order {
    pub at: Duration,
    /// Which of the shell's dialogs it was asked in.
    pub dialog: usize,
    id: String,
    pub words: String,
    /// Which conference of that name was the one then.
    of: u32,
    pub told: Option<Told>,
}

/// What it was told.
pub struct Told {
    pub outcome: Result<Data, Failure>,
}

/// All of them.
#[derive(Default)]
pub struct Orders {
    pub all: Vec<Order>,
    pub dialog: usize,
    pub open: bool,
    asked: u64,
    /// How many conferences of each name have ended, and whether there is one.
    lives: BTreeMap<&'static str, (u32, bool)>,
    /// Who was ever in which of them.
    members: BTreeSet<(&'static str, u32, String)>,
    pub complaints: Vec<String>,
}

impl Orders {
    /// The shell opens another dialog.
    pub fn opening(&mut self) {
        self.dialog += 1;
        self.asked = 0;
    }

    /// The shell asks.
    pub fn asking(&mut self, at: Duration, words: &str) {
        self.asked += 1;
        let of = self.life(conference_of(words));
        self.all.push(Order { at, dialog: self.dialog, id: self.asked.to_string(), words: words.to_owned(), of, told: None });
    }

    fn life(&self, conference: &str) -> u32 {
        self.lives.get(conference).map_or(0, |(ended, _)| *ended)
    }

    /// After a step of the application server: which conferences there are, and who is in them.
    pub fn note(&mut self, conference: &'static str, exists: bool, roster: &[Participant]) {
        let (ended, existed) = self.lives.entry(conference).or_default();
        if *existed && !exists {
            *ended += 1;
        }
        *existed = exists;
        let of = *ended;
        let present = roster.iter().filter(|p| matches!(p.state, CallState::Connected | CallState::OnHold));
        self.members.extend(present.map(|p| (conference, of, p.id.clone())));
    }

    /// The shell was told something.
    pub fn told(&mut self, event: ControlEvent) -> Option<&'static str> {
        match event {
            ControlEvent::Opened => {
                self.open = true;
                None
            }
            ControlEvent::Refused(_) | ControlEvent::Failed(_) | ControlEvent::Closed => {
                self.open = false;
                Some("a shell's dialog lost").filter(|_| matches!(event, ControlEvent::Refused(_) | ControlEvent::Failed(_)))
            }
            ControlEvent::Reply(reply) => {
                let dialog = self.dialog;
                let Some(at) = self.all.iter().position(|o| o.dialog == dialog && o.id == reply.id) else {
                    self.complaints.push(format!("a reply to nothing: {reply:?}"));
                    return None;
                };
                let (words, asked_of) = (self.all[at].words.clone(), self.all[at].of);
                let of = self.life(conference_of(&words));
                if self.all[at].told.is_some() {
                    self.complaints.push(format!("two replies to {words}"));
                }
                let what = self.weigh(&words, asked_of, of, &reply.outcome);
                self.all[at].told = Some(Told { outcome: reply.outcome });
                Some(what)
            }
        }
    }

    /// What can be told of a reply at once.
    fn weigh(&mut self, words: &str, asked_of: u32, of: u32, outcome: &Result<Data, Failure>) -> &'static str {
        let conference = conference_of(words);
        match outcome {
            Ok(Data::Done {}) if words.starts_with("end ") => {
                if asked_of == of && self.lives.get(conference).is_some_and(|(_, exists)| *exists) {
                    self.complaints.push(format!("{words} is done, and it is still there"));
                }
                "a command done"
            }
            Ok(Data::Invited { invited }) => {
                let mut what = "a command done";
                for one in invited {
                    match (&one.participant, &one.failure) {
                        (Some(id), None) => {
                            what = "a participant invited";
                            let was = (asked_of..=of).any(|of| self.members.iter().any(|(c, o, m)| (*c, *o, m) == (conference, of, id)));
                            if !was {
                                self.complaints.push(format!("{words}: {id} is said to have come, and was never in"));
                            }
                        }
                        (None, Some(failure)) if failure.text.starts_with("486") => what = "a callee busy",
                        (None, Some(failure)) if failure.text == "no answer" => what = "a callee that does not answer",
                        (None, Some(_)) => {}
                        _ => self.complaints.push(format!("{words}: {one:?} says nothing, or too much")),
                    }
                }
                what
            }
            Ok(_) => "a command done",
            Err(failure) if failure.code == ErrorCode::Failed || failure.code == ErrorCode::Unreachable => "a command failed",
            Err(_) => "a command refused",
        }
    }

    /// At rest: every command of the open dialog has its reply, and what was done is so still, unless something later undid it.
    pub fn judge(&mut self, rosters: &BTreeMap<&'static str, Vec<Participant>>) {
        let mut wrong = Vec::new();
        if self.open {
            let silent = self.all.iter().filter(|o| o.dialog == self.dialog && o.told.is_none());
            wrong.extend(silent.map(|o| format!("no reply to {:?} of {:?}", o.words, o.at)));
        }
        for conference in CONFERENCES {
            let (of, roster) = (self.life(conference), &rosters[conference]);
            let here: Vec<&Order> = self.all.iter().filter(|o| conference_of(&o.words) == conference && o.of == of).collect();
            for person in roster {
                for (on, off, is) in [("mute", "unmute", person.muted), ("deaf", "undeaf", person.deaf)] {
                    if let Some((order, said)) = last_word(&here, on, off, &person.id)
                        && said != is
                    {
                        wrong.push(format!("{}: {:?} of {:?} was done, and {on} is {is}", person.id, order.words, order.at));
                    }
                }
            }
            for order in here.iter().filter(|o| o.words.starts_with("kick ")) {
                let Some(Told { outcome: Ok(Data::Participants { participants }), .. }) = &order.told else { continue };
                for gone in participants.iter().filter(|p| roster.iter().any(|r| r.id == p.id)) {
                    wrong.push(format!("{} was kicked and is there", gone.id));
                }
            }
        }
        self.complaints.append(&mut wrong);
    }
}

/// The last thing that was said of somebody's mute or deafness; `None` when an order that may have been carried out, or not, came later.
fn last_word<'a>(orders: &[&'a Order], on: &str, off: &str, id: &str) -> Option<(&'a Order, bool)> {
    for order in orders.iter().rev() {
        let verb = order.words.split(' ').next().unwrap_or_default();
        if verb != on && verb != off {
            continue;
        }
        match &order.told {
            Some(Told { outcome: Ok(Data::Participants { participants }), .. }) => {
                if participants.iter().any(|p| p.id == id) {
                    return Some((order, verb == on));
                }
            }
            // Refused before anything was asked of anybody.
            Some(Told { outcome: Err(Failure { code: ErrorCode::NotFound | ErrorCode::Usage, .. }), .. }) => {}
            _ => return None,
        }
    }
    None
}

/// The conference that a command is about.
pub fn conference_of(words: &str) -> &str {
    words.split(' ').nth(1).unwrap_or_default()
}
