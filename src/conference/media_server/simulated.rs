//! A media plane without sockets: the same rooms on virtual time, with datagrams in memory. For simulations of whole conferences, and for embedders
//! that bring their own network.
//!
//! Driven like any machine: [`SimulatedPlane::deliver`] for what arrives, [`SimulatedPlane::handle_timeout`] at [`SimulatedPlane::next_timeout`] (every 20 ms),
//! [`SimulatedPlane::poll_transmit`] for what leaves.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, SocketAddr},
    time::{Instant, SystemTime},
};

use bytes::Bytes;

use super::{
    plane::{LegId, LegMedia, LegStats, MediaPlane, Mix, PlaneError, PlaneEvent, PlayId, Prompt, RoomId, Target},
    ports::{PortPool, PortRange},
};
use crate::media::mixer::{MAX_PROMPTS, Mixer, MixerConfig, MixerError, Port, Slot};

/// A datagram on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Sender.
    pub from: SocketAddr,
    /// Receiver.
    pub to: SocketAddr,
    /// Payload.
    pub bytes: Bytes,
}

/// A leg as the plane holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct LegInPlane {
    /// Its room.
    pub room: RoomId,
    /// Where it receives RTP.
    pub address: SocketAddr,
    /// Where its participant does; `None` before the leg is connected.
    pub remote: Option<SocketAddr>,
    /// Its place in the mix.
    pub mix: Mix,
}

/// A media plane in memory.
#[derive(Debug)]
pub struct SimulatedPlane {
    mixer: Mixer,
    now: Instant,
    next: Instant,
    ports: PortPool,
    next_leg: u64,
    legs: BTreeMap<LegId, (Slot, LegInPlane)>,
    addresses: BTreeMap<SocketAddr, (Slot, Port)>,
    by_slot: BTreeMap<Slot, SocketAddr>,
    out: VecDeque<Datagram>,
    events: VecDeque<PlaneEvent>,
}

impl SimulatedPlane {
    /// An empty plane, whose ports are pairs of `range`.
    pub fn new(config: MixerConfig, range: PortRange, now: Instant, seed: [u8; 32]) -> Self {
        Self {
            mixer: Mixer::new(config, now, SystemTime::UNIX_EPOCH, seed),
            now,
            next: now + Mixer::TICK,
            ports: PortPool::new(range),
            next_leg: 1,
            legs: BTreeMap::new(),
            addresses: BTreeMap::new(),
            by_slot: BTreeMap::new(),
            out: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes a datagram; one for an address that is nobody's is dropped.
    pub fn deliver(&mut self, now: Instant, datagram: &Datagram) {
        match self.addresses.get(&datagram.to) {
            Some(&(slot, Port::Media)) => self.mixer.receive(now, slot, now, datagram.from, &datagram.bytes),
            Some(&(slot, Port::Reports)) => self.mixer.receive_report(now, slot, datagram.from, &datagram.bytes),
            None => {}
        }
    }

    /// The legs that are open.
    pub fn legs(&self) -> impl Iterator<Item = &LegInPlane> {
        self.legs.values().map(|(_, leg)| leg)
    }

    /// Jumps to `now` without the ticks in between, as if nothing had been said and heard meanwhile: for simulations in which
    /// ticks without a sound would be most of the work.
    pub fn rest_until(&mut self, now: Instant) {
        if self.next < now {
            (self.now, self.next) = (now, now + Mixer::TICK);
        }
    }

    /// When the next tick is due.
    pub fn next_timeout(&self) -> Instant {
        self.next
    }

    /// Does the ticks that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while self.next <= now {
            self.now = self.next;
            self.next += Mixer::TICK;
            self.mixer.tick(self.now);
            while let Some(packet) = self.mixer.poll_packet(self.now) {
                let Some(&media) = self.by_slot.get(&packet.slot) else { continue };
                let from = if packet.port == Port::Media { media } else { SocketAddr::new(media.ip(), media.port() + 1) };
                self.out.push_back(Datagram { from, to: packet.to, bytes: Bytes::copy_from_slice(packet.bytes) });
            }
            self.note_events();
        }
    }

    fn note_events(&mut self) {
        while let Some(event) = self.mixer.poll_event() {
            if let PlaneEvent::Closed { leg, .. } = &event {
                self.forget(*leg);
            }
            self.events.push_back(event);
        }
    }

    /// The next datagram that leaves.
    pub fn poll_transmit(&mut self) -> Option<Datagram> {
        self.out.pop_front()
    }

    fn forget(&mut self, leg: LegId) {
        if let Some((slot, LegInPlane { address, .. })) = self.legs.remove(&leg) {
            self.addresses.retain(|_, (of, _)| *of != slot);
            self.by_slot.remove(&slot);
            self.ports.give_back(address.port());
        }
    }
}

impl MediaPlane for SimulatedPlane {
    fn open_room(&mut self, room: &RoomId) -> Result<(), PlaneError> {
        self.mixer.open_room(room);
        Ok(())
    }

    fn close_room(&mut self, room: &RoomId) {
        self.mixer.close_room(room);
    }

    fn open_leg(&mut self, room: &RoomId, ip: IpAddr) -> Result<(LegId, SocketAddr), PlaneError> {
        let range = self.ports.range();
        let port = self.ports.take().ok_or(PlaneError::Exhausted { first: range.first, last: range.last })?;
        let leg = LegId(self.next_leg);
        let Ok(slot) = self.mixer.open_leg(leg, room) else {
            self.ports.give_back(port);
            return Err(PlaneError::NoRoom(room.clone()));
        };
        self.next_leg += 1;
        let address = SocketAddr::new(ip, port);
        self.legs.insert(leg, (slot, LegInPlane { room: room.clone(), address, remote: None, mix: Mix::PARKED }));
        self.addresses.insert(address, (slot, Port::Media));
        self.addresses.insert(SocketAddr::new(ip, port + 1), (slot, Port::Reports));
        self.by_slot.insert(slot, address);
        Ok((leg, address))
    }

    fn connect_leg(&mut self, leg: LegId, media: LegMedia) -> Result<(), PlaneError> {
        let remote = media.remote_rtp;
        self.mixer.connect_leg(self.now, leg, media).map_err(|_| PlaneError::NoLeg(leg))?;
        if let Some((_, known)) = self.legs.get_mut(&leg) {
            known.remote = Some(remote);
        }
        Ok(())
    }

    fn set_mix(&mut self, leg: LegId, mix: Mix) -> Result<(), PlaneError> {
        self.mixer.set_mix(leg, mix).map_err(|_| PlaneError::NoLeg(leg))?;
        if let Some((_, known)) = self.legs.get_mut(&leg) {
            known.mix = mix;
        }
        Ok(())
    }

    fn close_leg(&mut self, leg: LegId) {
        self.mixer.close_leg(leg);
    }

    fn play(&mut self, target: Target, prompt: Prompt, play: PlayId) -> Result<(), PlaneError> {
        self.mixer.play(&target, prompt, play).map_err(|error| match (error, target) {
            (MixerError::Prompts, _) => PlaneError::Full { what: "prompts at once", limit: MAX_PROMPTS },
            (_, Target::Room(room)) => PlaneError::NoRoom(room),
            (_, Target::Leg(leg)) => PlaneError::NoLeg(leg),
        })
    }

    fn stop(&mut self, play: PlayId) {
        self.mixer.stop(play);
    }

    fn send_digits(&mut self, leg: LegId, digits: &str) -> Result<(), PlaneError> {
        self.mixer.send_digits(leg, digits).map_err(|_| PlaneError::NoLeg(leg))
    }

    fn stats(&mut self, leg: LegId) -> Option<LegStats> {
        self.mixer.stats(leg)
    }

    fn poll_event(&mut self) -> Option<PlaneEvent> {
        self.note_events();
        self.events.pop_front()
    }
}

#[cfg(test)]
mod tests;
