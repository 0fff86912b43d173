//! What happens when nothing happens: the timers, as a table.
//!
//! | timer | set | fires |
//! |---|---|---|
//! | [`Timer::Handshake`] | connected | no whole request: `expired` |
//! | [`Timer::Pulse`] | first request | silent: `ping`, then gone |
//! | [`Timer::Idle`] | in nothing, or a data connection that waits for its other end | `expired` |
//! | [`Timer::HoldUp`] | what waits for it keeps somebody from being read | `slow`, unless it takes some of it and is no receiver of several |
//! | [`Timer::Unused`] | nobody in the channel | the channel is freed, unless its sender waits at its nameplate |
//! | [`Timer::Quiet`] | a receiver and the sender are at a nameplate | no letter of the receiver by then: `expired` |
//! | [`Timer::Waiting`] | somebody waits at a place | who has no seat by then: `expired` |

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use super::{ConnectionId, Line, Relay, state::Data};
use crate::channel::{
    ChannelNumber, Peer, Place,
    wire::{Message, Reason, RefusalCode, Refused},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Handshake(ConnectionId),
    Pulse(ConnectionId),
    Idle(ConnectionId),
    Quiet(ConnectionId),
    HoldUp(ConnectionId),
    Unused(ChannelNumber),
    Waiting(Place),
}

/// Every timer that runs.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeMap<Timer, Instant>,
    order: BTreeSet<(Instant, Timer)>,
}

impl Timers {
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        self.stop(timer);
        self.due.insert(timer, at);
        self.order.insert((at, timer));
    }

    pub(super) fn stop(&mut self, timer: Timer) {
        if let Some(at) = self.due.remove(&timer) {
            self.order.remove(&(at, timer));
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    fn pop(&mut self, now: Instant) -> Option<Timer> {
        let (_, timer) = self.order.first().filter(|(at, _)| *at <= now).copied()?;
        self.stop(timer);
        Some(timer)
    }

    pub(super) fn len(&self) -> usize {
        self.due.len()
    }
}

impl Relay {
    /// When [`Relay::handle_timeout`] is wanted.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Fires what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Handshake(id) => self.refuse(now, id, Refused::new(RefusalCode::Expired, "no request came in time")),
                Timer::Pulse(id) => self.pulse(now, id),
                Timer::Idle(id) => self.idle(now, id),
                Timer::Quiet(id) => self.quiet(now, id),
                Timer::HoldUp(id) => self.held_up(now, id),
                Timer::Unused(number) => self.unused(now, number),
                Timer::Waiting(place) => self.waited(now, place),
            }
        }
    }

    /// Sets the timer of a connection that is in nothing (any more), and stops that of one that is.
    pub(super) fn mind_idleness(&mut self, now: Instant, id: ConnectionId) {
        let idle = self.connections.get(&id).is_some_and(|connection| match &connection.line {
            // The timer of its handshake runs.
            Line::New => false,
            Line::Control(control) => control.holds.is_none() && control.meeting.is_none() && control.seat.is_none(),
            // Of several receivers the first has to wait until the last has decided; that they live is seen elsewhere.
            Line::Data(data) => !data.started && !self.waits_for_others(data),
        });
        if idle {
            self.timers.set(Timer::Idle(id), now + self.settings.limits.unused);
        } else {
            self.timers.stop(Timer::Idle(id));
        }
    }

    /// One of several receivers, whose sender is there.
    fn waits_for_others(&self, data: &Data) -> bool {
        let channel = self.channels.get(&data.channel).filter(|_| data.seat != Peer::SENDER);
        channel.is_some_and(|channel| channel.receivers > 1 && channel.seats.contains_key(&Peer::SENDER))
    }

    fn pulse(&mut self, now: Instant, id: ConnectionId) {
        let (ping, silent) = (self.settings.limits.ping, self.settings.limits.silent);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.paused_by.is_some() {
            // It may well have said something: we do not read. It hears by this that we are there.
            connection.heard = now;
            if !self.is_full(id) {
                self.ping(id);
            }
            return self.timers.set(Timer::Pulse(id), now + ping);
        }
        let silence = now.saturating_duration_since(connection.heard);
        if silence >= silent {
            return self.drop_connection(now, id, Reason::Silent, "it gave no sign of life");
        }
        // An answer may have come long before the next look: it is never further away than a ping.
        let next = if silence >= ping { (connection.heard + silent).min(now + ping) } else { connection.heard + ping };
        if silence >= ping && !std::mem::replace(&mut connection.asked, true) {
            self.ping(id);
        }
        self.timers.set(Timer::Pulse(id), next);
    }

    fn ping(&mut self, id: ConnectionId) {
        self.echo = self.echo.wrapping_add(1);
        let echo = self.echo.to_be_bytes();
        self.send(id, &Message::Ping(echo));
    }

    fn idle(&mut self, now: Instant, id: ConnectionId) {
        let text = match self.connections.get(&id).map(|connection| &connection.line) {
            Some(Line::Data(_)) => "the other end of this data connection did not come",
            Some(Line::Control(_) | Line::New) | None => "this connection is in no channel and at no place",
        };
        self.refuse(now, id, Refused::new(RefusalCode::Expired, text));
    }

    fn unused(&mut self, now: Instant, number: ChannelNumber) {
        let Some(channel) = self.channels.get(&number).filter(|channel| channel.seats.is_empty()) else { return };
        let waits = channel.applicant.and_then(|id| self.control(id)).is_some_and(|control| control.meeting.is_some());
        if waits {
            return self.timers.set(Timer::Unused(number), now + self.settings.limits.unused);
        }
        let applicant = channel.applicant;
        self.free(now, number);
        if let Some(applicant) = applicant {
            self.refuse(now, applicant, Refused::new(RefusalCode::Expired, "nobody has used the channel"));
        }
    }

    /// Sends away who still waits at a place; who has a seat by now may go on.
    fn waited(&mut self, now: Instant, place: Place) {
        let Some(meeting) = self.meetings.get_mut(&place) else { return };
        meeting.spent = true;
        let mut there: Vec<ConnectionId> = meeting.receivers.values().map(|guest| guest.control).collect();
        there.extend(meeting.sender);
        for id in there {
            if self.control(id).is_some_and(|control| control.seat.is_none()) {
                self.refuse(now, id, Refused::new(RefusalCode::Expired, "nobody came in time"));
            }
        }
    }
}
