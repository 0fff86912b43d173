//! What a mixer is told to do.

use std::time::Instant;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use super::{
    Event, MAX_PROMPTS, MIXED_AS, Mixer, MixerError, Place, Slot, Target,
    leg::{Connected, Leg},
    room::Room,
};
use crate::media::{
    LegId, LegMedia, Mix, PlayEnd, PlayId, Prompt, RoomId, inbound::Inbound, level::Gain, outbound::Outbound, play::Playing, rtcp,
};

impl Mixer {
    /// Makes a room; one of this name stays as it is.
    pub fn open_room(&mut self, room: &RoomId) {
        if self.room_names.contains_key(room) {
            return;
        }
        let made = Room::new(room.clone(), MIXED_AS.frame());
        let index = place(&mut self.rooms, made);
        self.room_names.insert(room.clone(), index);
    }

    /// Closes a room with all its legs and prompts.
    pub fn close_room(&mut self, room: &RoomId) {
        let Some(index) = self.room_names.remove(room) else { return };
        let Some(room) = self.rooms.get_mut(index).and_then(Option::take) else { return };
        for slot in &room.members {
            if let Some(Some(leg)) = self.legs.get_mut(*slot) {
                leg.closing = true;
                self.closing = true;
            }
        }
        for prompt in room.prompts {
            self.play_ended(&prompt, PlayEnd::Closed);
        }
    }

    /// Makes a leg in a room, parked and without media.
    ///
    /// # Errors
    /// [`MixerError::NoRoom`].
    pub fn open_leg(&mut self, leg: LegId, room: &RoomId) -> Result<Slot, MixerError> {
        let index = *self.room_names.get(room).ok_or(MixerError::NoRoom)?;
        let slot = place(&mut self.legs, Leg::new(leg, index, MIXED_AS.frame()));
        self.leg_slots.insert(leg, slot);
        if let Some(Some(room)) = self.rooms.get_mut(index) {
            room.members.push(slot);
        }
        Ok(Slot(slot))
    }

    /// Tells a leg what was negotiated, at first or anew.
    ///
    /// # Errors
    /// [`MixerError::NoLeg`].
    pub fn connect_leg(&mut self, now: Instant, leg: LegId, media: LegMedia) -> Result<(), MixerError> {
        let slot = *self.leg_slots.get(&leg).ok_or(MixerError::NoLeg)?;
        let leg = self.legs.get_mut(slot).and_then(Option::as_mut).ok_or(MixerError::NoLeg)?;
        if let Some(connected) = &mut leg.connected {
            connected.renegotiate(media, now);
            return Ok(());
        }
        let (inbound, outbound) = (Inbound::new(&media), Outbound::new(&media, &mut self.rng));
        let (moment, wall) = self.moment;
        let wall = wall + now.saturating_duration_since(moment);
        let reports = rtcp::Session::new(now, wall, media.format.codec.clock_rate(), ChaCha12Rng::from_seed(self.rng.random()));
        leg.connected = Some(Connected::new(media, inbound, outbound, reports, now));
        Ok(())
    }

    /// Gives a leg its place in the mix.
    ///
    /// # Errors
    /// [`MixerError::NoLeg`].
    pub fn set_mix(&mut self, leg: LegId, mix: Mix) -> Result<(), MixerError> {
        let slot = *self.leg_slots.get(&leg).ok_or(MixerError::NoLeg)?;
        let leg = self.legs.get_mut(slot).and_then(Option::as_mut).ok_or(MixerError::NoLeg)?;
        leg.mix = mix;
        (leg.gain_in, leg.gain_out) = (Gain::from_db(mix.gain_in_db), Gain::from_db(mix.gain_out_db));
        if !leg.is_heard() && leg.detector.is_talking() {
            leg.detector.silence();
            if let Some(Some(room)) = self.rooms.get_mut(leg.room) {
                room.talkers_changed = true;
            }
        }
        Ok(())
    }

    /// Closes a leg: with this tick's packets it says good-bye, then gives [`Event::Closed`].
    pub fn close_leg(&mut self, leg: LegId) {
        if let Some(&slot) = self.leg_slots.get(&leg)
            && let Some(Some(leg)) = self.legs.get_mut(slot)
        {
            leg.closing = true;
            self.closing = true;
        }
    }

    /// Closes every leg, for the end of the shell.
    pub fn close_all(&mut self) {
        for leg in self.legs.iter_mut().flatten() {
            leg.closing = true;
            self.closing = true;
        }
    }

    /// Ticks that the shell had to leave out: the time of what is sent goes on.
    pub fn skip(&mut self, ticks: u32) {
        for connected in self.legs.iter_mut().flatten().filter_map(|leg| leg.connected.as_mut()) {
            (0..ticks).for_each(|_| connected.outbound.skip());
        }
    }

    /// Plays something. A playing of the same number is stopped first.
    ///
    /// # Errors
    /// [`MixerError`].
    pub fn play(&mut self, target: &Target, prompt: Prompt, play: PlayId) -> Result<(), MixerError> {
        self.stop(play);
        let (prompts, place) = match target {
            Target::Room(room) => {
                let index = *self.room_names.get(room).ok_or(MixerError::NoRoom)?;
                let room = self.rooms.get_mut(index).and_then(Option::as_mut).ok_or(MixerError::NoRoom)?;
                (&mut room.prompts, Place::Room(index))
            }
            Target::Leg(leg) => {
                let slot = *self.leg_slots.get(leg).ok_or(MixerError::NoLeg)?;
                let leg = self.legs.get_mut(slot).and_then(Option::as_mut).filter(|leg| !leg.closing).ok_or(MixerError::NoLeg)?;
                (&mut leg.prompts, Place::Leg(slot))
            }
        };
        if prompts.len() >= MAX_PROMPTS {
            return Err(MixerError::Prompts);
        }
        prompts.push(Playing::new(play, prompt));
        self.plays.insert(play, place);
        Ok(())
    }

    /// Ends a playing.
    pub fn stop(&mut self, play: PlayId) {
        let prompts = match self.plays.get(&play) {
            Some(&Place::Room(index)) => self.rooms.get_mut(index).and_then(Option::as_mut).map(|room| &mut room.prompts),
            Some(&Place::Leg(slot)) => self.legs.get_mut(slot).and_then(Option::as_mut).map(|leg| &mut leg.prompts),
            None => None,
        };
        if let Some(prompts) = prompts
            && let Some(at) = prompts.iter().position(|prompt| prompt.play() == play)
        {
            let prompt = prompts.remove(at);
            self.play_ended(&prompt, PlayEnd::Stopped);
        }
    }

    /// Sends keys to a leg; those that it cannot take are dropped.
    ///
    /// # Errors
    /// [`MixerError::NoLeg`].
    pub fn send_digits(&mut self, leg: LegId, digits: &str) -> Result<(), MixerError> {
        let slot = *self.leg_slots.get(&leg).ok_or(MixerError::NoLeg)?;
        let leg = self.legs.get_mut(slot).and_then(Option::as_mut).ok_or(MixerError::NoLeg)?;
        if let Some(connected) = &mut leg.connected {
            connected.outbound.press(digits);
        }
        Ok(())
    }

    /// Removes a leg that said good-bye.
    pub(super) fn remove_leg(&mut self, slot: usize) {
        let Some(leg) = self.legs.get_mut(slot).and_then(Option::take) else { return };
        self.leg_slots.remove(&leg.id);
        if let Some(Some(room)) = self.rooms.get_mut(leg.room) {
            room.members.retain(|&member| member != slot);
            room.talkers_changed |= room.talkers.contains(&slot);
        }
        for prompt in &leg.prompts {
            self.play_ended(prompt, PlayEnd::Closed);
        }
        self.events.push_back(Event::Closed { leg: leg.id, stats: Box::new(leg.stats()) });
    }

    pub(super) fn play_ended(&mut self, prompt: &Playing, end: PlayEnd) {
        self.plays.remove(&prompt.play());
        self.events.push_back(Event::PlayDone { play: prompt.play(), end, played: prompt.played() });
    }
}

/// Puts something where there is room: the place.
fn place<T>(places: &mut Vec<Option<T>>, thing: T) -> usize {
    match places.iter().position(Option::is_none) {
        Some(free) => {
            places[free] = Some(thing);
            free
        }
        None => {
            places.push(Some(thing));
            places.len() - 1
        }
    }
}
