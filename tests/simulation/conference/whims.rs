//! What people do, drawn from the seed.

use std::time::Duration;

use rand::RngExt as _;

use super::{
    plan::CONFERENCES,
    world::{FIRST_PHONE, FIRST_WATCHER, MS, SHELL, World},
};

/// Terminals that may die in one day.
const MOST_DEATHS: usize = 2;

impl World {
    /// Somebody does something.
    pub fn whim(&mut self) {
        match self.rng.random_range(0..100) {
            0..55 => self.terminal_whim(),
            55..88 => self.shell_whim(),
            88..94 => self.watcher_whim(),
            _ => self.somebody_talks(),
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.rng.random_range(0..bound)
    }

    fn one_of(&mut self, words: &[&'static str]) -> &'static str {
        words[self.below(words.len())]
    }

    fn terminal_whim(&mut self) {
        let n = self.below(self.people.len());
        if self.people[n].dead {
            return;
        }
        let (terminal, at) = (&self.people[n].phone.terminal, FIRST_PHONE + n);
        let (in_call, up) = (terminal.in_call(), terminal.is_up());
        let dead = self.people.iter().filter(|p| p.dead).count();
        match (in_call, self.below(100)) {
            (_, 0..3) if dead < MOST_DEATHS && self.now > Duration::from_secs(15) => self.dies(n),
            (false, 3..80) => {
                let room = self.one_of(&["standup", "standup", "retro"]);
                let how = self.one_of(&["", "", "", " offerless"]);
                self.tell(at, &format!("dial {room}{how}"));
            }
            (true, 3..25) => {
                if !up {
                    self.count("a caller gives up");
                }
                self.tell(at, "hang up");
            }
            (true, 25..50) => self.tell(at, "hold"),
            (true, 50..80) => self.tell(at, "resume"),
            _ => {}
        }
    }

    fn shell_whim(&mut self) {
        if !self.orders.open {
            // One that is being opened, or ending, is waited for.
            if self.shell.control.as_ref().is_none_or(confkit::sip::node::Node::finished) {
                self.open_shell();
            }
            return;
        }
        let room = self.one_of(&["standup", "standup", "standup", "retro"]);
        let roster = self.roster(room);
        let whom = match self.below(10) {
            0 => "--all".to_owned(),
            1 => self.one_of(&["alice", "bob", "carol", "p99"]).to_owned(),
            _ if roster.is_empty() => "p1".to_owned(),
            _ => roster[self.below(roster.len())].id.clone(),
        };
        let words = match self.below(100) {
            0..8 => format!("create {room}"),
            8..24 => format!("{} {room} {whom}", self.one_of(&["mute", "unmute"])),
            24..34 => format!("{} {room} {whom}", self.one_of(&["deaf", "undeaf"])),
            34..40 => format!("volume {room} {whom} {} {}", self.one_of(&["-6", "0", "6"]), self.one_of(&["in", "out"])),
            40..46 => format!("kick {room} {whom}"),
            46..52 => format!("lock {room}"),
            52..60 => format!("unlock {room}"),
            60..84 => {
                let mut words = format!("invite {room}");
                for _ in 0..=self.below(3) {
                    words = format!("{words} {}", self.one_of(&["alice", "bob", "carol", "dave", "nobody", "sip:guest@192.0.2.8"]));
                }
                words
            }
            84..88 => format!("role {room} {whom} chair"),
            88..92 => format!("show {room}"),
            92..95 => format!("end {room}"),
            95..98 => "list".to_owned(),
            _ => return self.tell(SHELL, "close"),
        };
        self.ask(&words);
        // Second thoughts come at once.
        let (verb, rest) = words.split_once(' ').unwrap_or((&words, ""));
        let other =
            [("mute", "unmute"), ("unmute", "mute"), ("deaf", "undeaf"), ("undeaf", "deaf"), ("lock", "unlock"), ("unlock", "lock")];
        if let Some((_, other)) = other.iter().find(|(one, _)| *one == verb).filter(|_| self.rng.random_bool(0.4)) {
            self.ask(&format!("{other} {rest}"));
        }
    }

    fn watcher_whim(&mut self) {
        let n = self.below(self.watchers.len());
        if !self.watches(n) {
            self.tell(FIRST_WATCHER + n, &format!("watch {}", CONFERENCES[n]));
        } else if self.below(8) == 0 {
            self.tell(FIRST_WATCHER + n, "leave");
        }
    }

    /// A little sound from somebody who is up.
    fn somebody_talks(&mut self) {
        let n = self.below(self.people.len());
        let person = &self.people[n];
        let to = person.phone.terminal.audio().and_then(|audio| audio.remote_rtp);
        if let Some(to) = to.filter(|_| !person.dead && !self.silent) {
            self.tell(MS, &format!("talk {} to {} 0.5s", person.name, to.port()));
        }
    }
}
