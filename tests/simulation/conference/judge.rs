//! What must hold when nothing is under way, and when all is over.

use std::collections::BTreeMap;

use confkit::{
    conference::{
        media_server::simulated::LegInPlane,
        wire::{
            conference_info::{ConferenceInfo, EndpointStatus},
            control::{CallState, Data, Details, Participant},
        },
    },
    sdp::Direction,
};

use super::{
    orders::Told,
    plan::CONFERENCES,
    world::{Person, World},
};

impl World {
    /// Nothing travels, nothing is asked, nobody is on the way in or out.
    pub fn at_rest(&self) -> bool {
        let under_way = self.server.server.under_way();
        let nothing = [under_way.requests, under_way.mscml, under_way.jobs, under_way.saves] == [0; 4];
        nothing
            && self.net.next_arrival().is_none()
            && self.orders.all.iter().filter(|o| o.dialog == self.orders.dialog).all(|o| o.told.is_some())
    }

    /// Nobody on the way in or out has a leg in the media server, but those who are in.
    pub fn judge_legs(&mut self) {
        let present = |p: &Participant| matches!(p.state, CallState::Connected | CallState::OnHold);
        let there = CONFERENCES.iter().flat_map(|name| self.roster(name)).filter(present).count();
        let legs = self.mixer.server.gauges().legs() as usize;
        if legs != there {
            self.complaints.push(format!("at {:?}: {there} participants, {legs} legs", self.now));
        }
    }

    /// At rest everybody agrees on who is where.
    pub fn judge_rest(&mut self) {
        let rosters: BTreeMap<&'static str, Vec<Participant>> = CONFERENCES.iter().map(|name| (*name, self.roster(name))).collect();
        let mut wrong = Vec::new();
        for (name, roster) in &rosters {
            for _ in roster {
                *self.counts.entry("a participant in a conference at rest").or_default() += 1;
            }
            for person in roster.iter().filter(|p| !matches!(p.state, CallState::Connected | CallState::OnHold)) {
                wrong.push(format!("{} is {} in {name} still", person.id, person.state));
            }
        }
        self.terminals_and_roster(&rosters, &mut wrong);
        self.legs_and_roster(&rosters, &mut wrong);
        for (n, name) in CONFERENCES.iter().enumerate() {
            self.watcher_and_roster(n, name, &rosters[name], &mut wrong);
            self.shell_and_roster(name, &rosters[name], &mut wrong);
        }
        self.orders.judge(&rosters);
        self.complaints.extend(wrong.into_iter().map(|w| format!("at {:?}: {w}", self.now)));
    }

    /// Who believes to be in a call is on a roster, and the other way round.
    fn terminals_and_roster(&self, rosters: &BTreeMap<&'static str, Vec<Participant>>, wrong: &mut Vec<String>) {
        let name = |p: &Participant| p.user.clone().or_else(|| p.name.clone()).unwrap_or_default();
        let mut listed: Vec<String> = rosters.values().flatten().map(name).collect();
        let here = |p: &&Person| !p.dead && p.phone.terminal.in_call();
        let called = |p: &Person| if p.account == "guest" { p.name.to_owned() } else { p.account.clone() };
        let mut calling: Vec<String> = self.people.iter().filter(here).map(called).collect();
        listed.sort_unstable();
        calling.sort_unstable();
        // Guests whom the conference called have no name of their own there.
        let nameless = |names: &[String]| {
            names.iter().map(|n| if n.starts_with("guest") { "guest".to_owned() } else { n.clone() }).collect::<Vec<_>>()
        };
        if nameless(&listed) != nameless(&calling) {
            wrong.push(format!("the rosters have {listed:?}, in calls are {calling:?}"));
        }
        for person in self.people.iter().filter(here).filter(|p| !p.phone.terminal.is_up()) {
            wrong.push(format!("the call of {} is neither up nor over", person.name));
        }
    }

    /// Each terminal in a call has one leg in the media server, which sends to it; there are no others.
    fn legs_and_roster(&self, rosters: &BTreeMap<&'static str, Vec<Participant>>, wrong: &mut Vec<String>) {
        let server = &self.mixer.server;
        let legs: Vec<&LegInPlane> = server.plane().legs().collect();
        let listed = rosters.values().map(Vec::len).sum::<usize>();
        let (signalled, conferences) = (server.gauges().legs() as usize, server.gauges().conferences() as usize);
        if [legs.len(), signalled] != [listed; 2] {
            wrong.push(format!("{listed} participants, {signalled} legs, {} of them in the plane", legs.len()));
        }
        let busy = rosters.values().filter(|r| !r.is_empty()).count();
        if conferences != busy {
            wrong.push(format!("{busy} conferences with somebody in them, {conferences} mixes"));
        }
        for person in self.people.iter().filter(|p| !p.dead && p.phone.terminal.is_up()) {
            if self.leg_of(person).is_none() {
                wrong.push(format!("no leg sends to {} what it waits for at {:?}: {legs:?}", person.name, person.phone.terminal.audio()));
            }
        }
    }

    /// The leg that sends to a terminal from where the terminal sends to.
    fn leg_of(&self, person: &Person) -> Option<&LegInPlane> {
        let theirs = person.phone.terminal.audio()?.remote_rtp?;
        let mut legs = self.mixer.server.plane().legs().filter(|l| l.remote == Some(person.rtp));
        legs.next().filter(|leg| leg.address == theirs && leg.mix.joined && legs.next().is_none())
    }

    /// The picture that a watcher has put together is the roster; and by the addresses in it, each participant's hold and place in the mix is what
    /// its terminal and its leg say.
    fn watcher_and_roster(&self, n: usize, name: &str, roster: &[Participant], wrong: &mut Vec<String>) {
        let picture = self.watchers[n].watch.as_ref().filter(|_| self.watches(n)).and_then(|w| w.picture());
        if picture.is_some() != self.exists(name) {
            return wrong.push(format!("{name} exists: {}, its watcher has a picture: {}", self.exists(name), picture.is_some()));
        }
        let Some(picture) = picture else { return };
        let users = picture.users.as_ref().map(|u| u.users.as_slice()).unwrap_or_default();
        let dialogs = users.iter().map(|user| user.endpoints.len()).sum::<usize>();
        if dialogs != roster.len() || count_of(picture) != roster.len() {
            wrong.push(format!("{name} has {} participants, its watcher knows {users:?} and counts {}", roster.len(), count_of(picture)));
        }
        for participant in roster {
            let known = users.iter().flat_map(|u| &u.endpoints).find(|e| e.extension.as_ref().is_some_and(|x| x.id == participant.id));
            let Some(known) = known else {
                wrong.push(format!("{name}'s watcher does not know {}", participant.id));
                continue;
            };
            let status = match participant.state {
                CallState::OnHold => EndpointStatus::OnHold,
                _ if participant.muted => EndpointStatus::MutedViaFocus,
                _ => EndpointStatus::Connected,
            };
            let seen = known.extension.as_ref().map(|x| (x.talking, x.muted, x.deaf));
            if known.status != Some(status) || seen != Some((participant.talking, participant.muted, participant.deaf)) {
                wrong.push(format!("{name}: {participant:?}, its watcher knows {known:?}"));
            }
            let at = |p: &&Person| known.entity.contains(&format!("@{}", p.rtp.ip())) && !p.dead;
            match self.people.iter().find(at) {
                Some(person) => self.terminal_and_participant(name, person, participant, wrong),
                None => wrong.push(format!("{name}: {} is at {}, where nobody is", participant.id, known.entity)),
            }
        }
    }

    fn terminal_and_participant(&self, name: &str, person: &Person, participant: &Participant, wrong: &mut Vec<String>) {
        let holds = person.phone.terminal.audio().is_some_and(|a| a.direction == Direction::SendOnly);
        if holds != (participant.state == CallState::OnHold) {
            wrong.push(format!("{name}: {} is {}, and {} holds: {holds}", participant.id, participant.state, person.name));
        }
        let Some(leg) = self.leg_of(person) else { return };
        let mixed = (leg.mix.mute, leg.mix.deaf, leg.mix.gain_in_db, leg.mix.gain_out_db);
        let listed = (participant.muted, participant.deaf, participant.gain_in_db, participant.gain_out_db);
        if mixed != listed {
            wrong.push(format!("{name}: {} of {} has {listed:?} on the roster, {mixed:?} in the mix", participant.id, person.name));
        }
    }

    /// What `show` told is so.
    fn shell_and_roster(&self, name: &str, roster: &[Participant], wrong: &mut Vec<String>) {
        let show = format!("show {name}");
        let Some(order) = self.orders.all.iter().rev().find(|o| o.words == show).filter(|_| self.exists(name)) else { return };
        match &order.told {
            Some(Told { outcome: Ok(Data::Conference(details)), .. }) => {
                let Details { summary, roster: told, .. } = &**details;
                if told != roster || summary.participants as usize != roster.len() {
                    wrong.push(format!("{name}: show says {told:?}, it is {roster:?}"));
                }
            }
            other => wrong.push(format!("{name} exists, and show says {:?}", other.as_ref().map(|told| &told.outcome))),
        }
    }

    /// What is left when nothing should be.
    pub fn left_over(&self) -> Vec<String> {
        let mut left = Vec::new();
        let server = &self.server.server;
        if !server.is_idle() {
            left.push(format!("the application server has something left: {:?}, {} calls", server.under_way(), server.calls()));
        }
        let mixer = &self.mixer.server;
        if !mixer.is_idle() || mixer.plane().legs().count() > 0 {
            left.push(format!(
                "the media server has something left: {} legs, {} in the plane",
                mixer.gauges().legs(),
                mixer.plane().legs().count()
            ));
        }
        let people = self.people.iter().filter(|p| !p.dead && !p.phone.terminal.is_idle());
        left.extend(people.map(|p| format!("{} has something left", p.name)));
        if self.shell.control.as_ref().is_some_and(|c| !c.is_idle()) {
            left.push("the shell has something left".to_owned());
        }
        let watchers = self.watchers.iter().filter(|w| w.watch.as_ref().is_some_and(|w| !w.is_idle()));
        left.extend(watchers.map(|_| "a watcher has something left".to_owned()));
        left
    }
}

fn count_of(picture: &ConferenceInfo) -> usize {
    picture.conference_state.as_ref().and_then(|s| s.user_count).unwrap_or_default() as usize
}
