//! Steps 5 and 6: who proves that it has the channel key gets a seat. Whoever does not is refused, and nobody in the channel notices.

use std::{collections::BTreeMap, time::Instant};

use super::{
    ConnectionId, Event, Relay,
    expiry::Timer,
    state::{Channel, Line, Seat},
};
use crate::channel::{
    ChannelNumber, Peer,
    wire::{
        Message, Reason, RefusalCode, Refused, Role,
        answer::{Entered, Gone, Met},
        proof::{Admission, Purpose},
        request::Enter,
    },
};

impl Relay {
    pub(super) fn enter(&mut self, now: Instant, id: ConnectionId, enter: &Enter) {
        let (busy, challenge) = match self.connections.get(&id) {
            None => return,
            Some(connection) => match &connection.line {
                Line::New => (false, connection.challenge),
                Line::Control(control) => (control.seat.is_some(), connection.challenge),
                Line::Data(_) => (true, connection.challenge),
            },
        };
        if busy {
            return self.malformed(now, id, "a connection has one seat");
        }
        let Some(channel) = self.channels.get(&enter.channel) else {
            return self.refuse(now, id, Refused::new(RefusalCode::NoSuchChannel, NO_SUCH_CHANNEL));
        };
        let purpose = Purpose::Enter { seat: enter.seat.unwrap_or(Peer::SENDER) };
        let admission = Admission { challenge: &challenge, channel: enter.channel, role: enter.role, purpose };
        if !admission.verify(&channel.key, &enter.proof) {
            return self.refuse(now, id, Refused::new(RefusalCode::WrongProof, "the proof of the channel key is wrong"));
        }
        match seat_for(channel, enter) {
            Ok(seat) => self.take_seat(now, id, enter.channel, seat),
            Err(refused) => self.refuse(now, id, refused),
        }
    }

    fn take_seat(&mut self, now: Instant, id: ConnectionId, number: ChannelNumber, seat: Peer) {
        let earlier = self.channels.get(&number).and_then(|channel| channel.seats.get(&seat)).map(|seat| seat.control);
        if let Some(earlier) = earlier {
            let text = "it has come by another connection";
            self.send(earlier, &Message::Gone(Gone::new(seat, Reason::Replaced, text)));
            self.drop_connection(now, earlier, Reason::Replaced, text);
        }
        // Whoever is replaced leaves the channel as it is.
        let Some(channel) = self.channels.get_mut(&number) else { return };
        channel.next_seat = channel.next_seat.max(seat.0.saturating_add(1));
        channel.seats.insert(seat, Seat { control: id, streams: BTreeMap::new() });
        let present: Vec<Peer> = channel.seats.keys().copied().collect();
        let others: Vec<(Peer, ConnectionId)> =
            channel.seats.iter().filter(|(other, _)| **other != seat).map(|(other, taken)| (*other, taken.control)).collect();
        self.timers.stop(Timer::Unused(number));
        self.timers.stop(Timer::Quiet(id));
        self.become_control(now, id);
        if let Some(control) = self.control_mut(id) {
            control.seat = Some((number, seat));
        }
        self.mind_idleness(now, id);
        self.events.push_back(Event::Entered { channel: number, seat });
        self.send(id, &Message::Entered(Entered { seat, present }));
        let met = self.control(id).and_then(|control| control.meeting);
        for (other, control) in others {
            let same_place =
                met.zip(self.control(control).and_then(|control| control.meeting)).filter(|((place, _), (there, _))| place == there);
            // The sender knows a receiver by its number in their meeting.
            let was = same_place.map(|((_, own), _)| own).filter(|_| other == Peer::SENDER);
            self.send(control, &Message::Met(Met { peer: seat, was }));
        }
    }
}

/// In the words of one who looks for it: it may have been, or not.
pub(super) const NO_SUCH_CHANNEL: &str = "there is no such channel, or no longer";

fn seat_for(channel: &Channel, enter: &Enter) -> Result<Peer, Refused> {
    let full = || Refused::new(RefusalCode::Full, "as many receivers are in the channel as may be");
    let has_room = channel.receivers_present() < usize::from(channel.receivers);
    match (enter.role, enter.seat) {
        (Role::Sender, _) => Ok(Peer::SENDER),
        (Role::Receiver, Some(seat)) if channel.seats.contains_key(&seat) => Ok(seat),
        (Role::Receiver, Some(seat)) if seat.0 >= channel.next_seat => {
            Err(Refused::new(RefusalCode::Malformed, format!("nobody ever had the seat {seat}")))
        }
        (Role::Receiver, Some(seat)) => {
            if has_room {
                Ok(seat)
            } else {
                Err(full())
            }
        }
        (Role::Receiver, None) if has_room && channel.next_seat <= Peer::LAST_SEAT.0 => Ok(Peer(channel.next_seat)),
        (Role::Receiver, None) => Err(full()),
    }
}
