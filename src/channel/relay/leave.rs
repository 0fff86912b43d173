//! Who goes, and what the others hear: at once, with the reason; and the seat is free.
//!
//! A data connection that breaks takes its terminal with it: what was on its way is lost, and the terminal comes back and goes on. A sender
//! that leaves in order ends the channel.

use std::time::Instant;

use super::{
    Action, ConnectionId, Event, Relay,
    expiry::Timer,
    numbers::count,
    state::{Connection, Data, Line},
};
use crate::channel::{
    ChannelNumber, Peer,
    wire::{Message, Reason, answer::Gone},
};

impl Relay {
    /// A connection has ended, in whatever way: what a copying makes of the end of a stream is told by [`Relay::handle_pumped`]. Of one that the machine
    /// has closed itself it need not be told.
    pub fn handle_closed(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.remove(now, id) else { return };
        match &connection.line {
            Line::Data(_) => self.depart(now, id, connection, Reason::Broken, "its data connection ended"),
            Line::New | Line::Control(_) => self.depart(now, id, connection, Reason::Broken, "its connection ended"),
        }
    }

    /// Ends a connection and all that it was in.
    pub(super) fn drop_connection(&mut self, now: Instant, id: ConnectionId, reason: Reason, text: &str) {
        let Some(connection) = self.remove(now, id) else { return };
        self.actions.push_back(Action::Close { connection: id });
        self.depart(now, id, connection, reason, text);
    }

    /// Ends a connection that is in nothing any more.
    pub(super) fn discard(&mut self, now: Instant, id: ConnectionId) {
        if self.remove(now, id).is_some() {
            self.actions.push_back(Action::Close { connection: id });
        }
    }

    /// Takes a connection out of the tables.
    fn remove(&mut self, now: Instant, id: ConnectionId) -> Option<Connection> {
        let mut connection = self.connections.remove(&id)?;
        for timer in [Timer::Handshake(id), Timer::Pulse(id), Timer::Idle(id), Timer::Quiet(id), Timer::HoldUp(id)] {
            self.timers.stop(timer);
        }
        if let Some(count) = self.addresses.get_mut(&connection.from) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.addresses.remove(&connection.from);
            }
        }
        self.forget_backlog(now, id, &mut connection.backlog, connection.paused_by);
        Some(connection)
    }

    fn depart(&mut self, now: Instant, id: ConnectionId, connection: Connection, reason: Reason, text: &str) {
        match connection.line {
            Line::New => {}
            Line::Data(data) => self.depart_data(now, data, reason, text),
            Line::Control(control) => {
                let gone = Gone::new(Peer::SENDER, reason, text);
                if let Some((place, own)) = control.meeting {
                    self.leave_meeting(now, id, place, own, control.seat, &gone);
                }
                if let Some((number, seat)) = control.seat {
                    self.vacate(now, number, seat, &gone);
                }
                if let Some(number) = control.holds {
                    self.let_go(now, number, reason);
                }
            }
        }
    }

    fn depart_data(&mut self, now: Instant, data: Data, reason: Reason, text: &str) {
        self.unlink(data);
        let Some(channel) = self.channels.get_mut(&data.channel) else { return };
        if data.started {
            // The others lack what this one had to bring, or would wait for it.
            if let Some(control) = channel.seats.get(&data.seat).map(|seat| seat.control) {
                self.send(control, &Message::Gone(Gone::new(data.seat, reason, text)));
                self.drop_connection(now, control, reason, text);
            }
        } else if data.seat == Peer::SENDER {
            channel.pumps.remove(&data.stream);
        }
    }

    /// A data connection is its seat's no more.
    fn unlink(&mut self, data: Data) {
        let seat = self.channels.get_mut(&data.channel).and_then(|channel| channel.seats.get_mut(&data.seat));
        if let Some(seat) = seat {
            seat.streams.remove(&data.stream);
        }
    }

    /// A seat is free: the others hear why, and what it carried or took ends.
    fn vacate(&mut self, now: Instant, number: ChannelNumber, seat: Peer, gone: &Gone) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        let Some(taken) = channel.seats.remove(&seat) else { return };
        count(self.numbers.gone.entry(gone.reason).or_default());
        self.events.push_back(Event::Gone { channel: number, seat, reason: gone.reason });
        let mut over: Vec<ConnectionId> = taken.streams.into_values().collect();
        let mut ended = Vec::new();
        if seat == Peer::SENDER {
            ended.extend(std::mem::take(&mut channel.pumps).into_keys());
        } else {
            channel.pumps.retain(|stream, pump| {
                pump.to.remove(&seat);
                if pump.to.is_empty() {
                    ended.push(*stream);
                }
                !pump.to.is_empty()
            });
        }
        for other in channel.seats.values_mut() {
            over.extend(ended.iter().filter_map(|stream| other.streams.remove(stream)));
        }
        let waiting: Vec<u8> = channel.pumps.keys().copied().collect();
        let others: Vec<ConnectionId> = channel.seats.values().map(|seat| seat.control).collect();
        let (nobody, applied) = (channel.seats.is_empty(), channel.applicant.is_some());
        for other in others {
            self.send(other, &Message::Gone(Gone { peer: seat, ..gone.clone() }));
        }
        for id in over {
            self.discard(now, id);
        }
        // Who has gone need not be waited for.
        for stream in waiting {
            self.start(now, number, stream);
        }
        let in_order = gone.reason.is_a_terminals_own();
        if in_order && (seat == Peer::SENDER || nobody && !applied) {
            self.free(now, number);
        } else if nobody {
            self.timers.set(Timer::Unused(number), now + self.settings.limits.unused);
        }
    }

    /// Whoever applied for a channel is gone: its nameplate is free, the channel stays for those who know it.
    fn let_go(&mut self, now: Instant, number: ChannelNumber, reason: Reason) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        channel.applicant = None;
        if let Some(nameplate) = channel.nameplate.take() {
            self.nameplates.remove(&nameplate);
        }
        if channel.seats.is_empty() && reason.is_a_terminals_own() {
            self.free(now, number);
        }
    }

    /// A channel is no more.
    pub(super) fn free(&mut self, now: Instant, number: ChannelNumber) {
        let Some(channel) = self.channels.remove(&number) else { return };
        self.timers.stop(Timer::Unused(number));
        if let Some(nameplate) = channel.nameplate {
            self.nameplates.remove(&nameplate);
        }
        self.holders.change(&channel.holder, |numbers| numbers.channels = numbers.channels.saturating_sub(1));
        self.events.push_back(Event::Freed { channel: number });
        if let Some(applicant) = channel.applicant {
            if let Some(control) = self.control_mut(applicant) {
                control.holds = None;
            }
            self.mind_idleness(now, applicant);
        }
        for seat in channel.seats.into_values() {
            if let Some(control) = self.control_mut(seat.control) {
                control.seat = None;
            }
            self.mind_idleness(now, seat.control);
            for id in seat.streams.into_values() {
                self.discard(now, id);
            }
        }
    }
}
