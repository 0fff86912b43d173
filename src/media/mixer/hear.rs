//! The first half of a tick: what everyone says, summed.

use std::time::{Duration, Instant};

use super::{CHORE_TICKS, Event, Mixer};
use crate::media::{
    PlayEnd,
    codec::TICK_MS,
    level,
    play::Playing,
    talker::{MAX_REPORTED, REPORT_EVERY},
};

impl Mixer {
    /// A tick of 20 ms: everyone's audio of it is played out and summed. What came late for it is the concealment's.
    pub fn tick(&mut self, now: Instant) {
        self.ticks += 1;
        self.cursor = super::say::Cursor::default();
        for room in self.rooms.iter_mut().flatten() {
            room.begin();
        }
        for (slot, leg) in self.legs.iter_mut().enumerate() {
            let Some(leg) = leg else { continue };
            let heard = leg.is_heard();
            let Some(connected) = &mut leg.connected else { continue };
            let frame = connected.inbound.pull();
            leg.energy = if frame.audible { level::energy(frame.samples) } else { 0 };
            leg.contributes = heard && leg.energy > 0;
            let talked = leg.detector.is_talking();
            leg.detector.hear(if heard { leg.energy } else { 0 });
            if let Some(Some(room)) = self.rooms.get_mut(leg.room) {
                room.talkers_changed |= talked != leg.detector.is_talking();
                if leg.contributes {
                    let own = self.said.keep(slot, frame.samples);
                    if !leg.gain_in.is_unity() {
                        leg.gain_in.apply(own);
                    }
                    room.add(own);
                }
            }
            if (self.ticks + slot as u64).is_multiple_of(CHORE_TICKS) {
                leg.do_chores(now, self.config.silent_after, &mut self.events);
            }
        }
        for index in 0..self.rooms.len() {
            self.finish_room(index);
        }
    }

    fn finish_room(&mut self, index: usize) {
        let Some(Some(room)) = self.rooms.get_mut(index) else { return };
        for prompt in &mut room.prompts {
            prompt.add_to(&mut room.sum);
        }
        room.finish();
        let over = take_over(&mut room.prompts);
        let every = REPORT_EVERY.as_millis() as u64 / u64::from(TICK_MS);
        if room.talkers_changed && self.ticks - room.talkers_told >= every {
            room.talkers_told = self.ticks;
            room.talkers_changed = false;
            self.tell_talkers(index);
        }
        for prompt in over {
            self.play_ended(&prompt, PlayEnd::Finished);
        }
    }

    fn tell_talkers(&mut self, index: usize) {
        let Some(Some(room)) = self.rooms.get_mut(index) else { return };
        let legs = &self.legs;
        let leg = |slot: usize| legs.get(slot).and_then(Option::as_ref);
        let mut talkers: Vec<(f32, usize)> = room
            .members
            .iter()
            .filter_map(|&slot| leg(slot).filter(|leg| leg.detector.is_talking()).map(|leg| (leg.detector.loudness(), slot)))
            .collect();
        talkers.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        talkers.truncate(MAX_REPORTED);
        let mut slots: Vec<usize> = talkers.iter().map(|&(_, slot)| slot).collect();
        let told: Vec<_> = slots.iter().filter_map(|&slot| leg(slot).map(|leg| leg.id)).collect();
        slots.sort_unstable();
        if slots != room.talkers || told.len() < slots.len() {
            self.events.push_back(Event::Talkers { room: room.id.clone(), legs: told });
        }
        room.talkers = slots;
    }

    /// How much time a tick is.
    pub const TICK: Duration = Duration::from_millis(TICK_MS as u64);
}

/// Takes out what was played to its end.
pub(super) fn take_over(prompts: &mut Vec<Playing>) -> Vec<Playing> {
    if prompts.iter().any(Playing::is_over) { prompts.extract_if(.., |prompt| prompt.is_over()).collect() } else { Vec::new() }
}
