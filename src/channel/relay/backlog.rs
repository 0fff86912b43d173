//! What waits to be written to a connection, and who is read no further because of it.
//!
//! Everything that is sent counts, not only letters: a terminal that asks for a thousand pongs and reads none is read no further either.

use std::{collections::BTreeSet, time::Instant};

use super::{Action, ConnectionId, Relay, expiry::Timer};
use crate::channel::{
    Peer,
    wire::{Message, Reason, answer::Gone, frame::MAX_BODY},
};

/// What whoever holds one other up has to take within the relay's patience, in bytes: one letter, of two kilobytes a second. A slow way is no fault.
const LEAST_TAKEN: usize = MAX_BODY;

/// What waits to be written to a connection.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    frames: usize,
    bytes: usize,
    /// Who is read no further until this is written.
    holds_up: BTreeSet<ConnectionId>,
    /// Bytes that were written of it since it was last looked at while it holds somebody up.
    taken: usize,
}

impl Relay {
    /// Whether the shell may hand over a further frame of a connection; between [`Action::Pause`] and [`Action::Resume`] not.
    pub fn is_read(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|connection| connection.paused_by.is_none())
    }

    /// So many bytes have been written, headers included, and so many frames to their end by them.
    pub fn handle_written(&mut self, now: Instant, id: ConnectionId, frames: usize, bytes: usize) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let backlog = &mut connection.backlog;
        backlog.frames = backlog.frames.saturating_sub(frames);
        backlog.bytes = backlog.bytes.saturating_sub(bytes);
        backlog.taken = backlog.taken.saturating_add(bytes);
        if !backlog.holds_up.is_empty() {
            // It takes what there is for it; a ping is behind that.
            connection.heard = now;
        }
        if backlog.frames <= self.settings.limits.letters / 2 && backlog.bytes <= self.settings.limits.letter_bytes / 2 {
            let held = std::mem::take(&mut backlog.holds_up);
            self.timers.stop(Timer::HoldUp(id));
            for held in held {
                self.resume(now, held);
            }
        }
    }

    /// Somebody has been held up for as long as the relay has patience: by one that takes nothing, or by one of several receivers, it is no longer.
    pub(super) fn held_up(&mut self, now: Instant, id: ConnectionId) {
        let seat = self.control(id).and_then(|control| control.seat);
        let several = seat.is_some_and(|(number, seat)| {
            seat != Peer::SENDER && self.channels.get(&number).is_some_and(|channel| channel.receivers_present() > 1)
        });
        let Some(backlog) = self.connections.get_mut(&id).map(|connection| &mut connection.backlog) else { return };
        if backlog.holds_up.is_empty() {
            return;
        }
        if std::mem::take(&mut backlog.taken) >= LEAST_TAKEN && !several {
            return self.timers.set(Timer::HoldUp(id), now + self.settings.limits.patience);
        }
        let text = "it did not take what was sent to it";
        if let Some((_, seat)) = seat {
            self.send(id, &Message::Gone(Gone::new(seat, Reason::Slow, text)));
        }
        self.drop_connection(now, id, Reason::Slow, text);
    }

    pub(super) fn send(&mut self, to: ConnectionId, message: &Message) {
        let Some(connection) = self.connections.get_mut(&to) else { return };
        let frame = message.to_frame();
        connection.backlog.frames = connection.backlog.frames.saturating_add(1);
        connection.backlog.bytes = connection.backlog.bytes.saturating_add(frame.length());
        self.actions.push_back(Action::Send { to, frame });
    }

    /// True where no more should be sent to a connection that can be spared.
    pub(super) fn is_full(&self, id: ConnectionId) -> bool {
        let limits = &self.settings.limits;
        self.connections.get(&id).is_some_and(|connection| {
            connection.backlog.frames >= limits.letters.max(1) || connection.backlog.bytes >= limits.letter_bytes.max(1)
        })
    }

    /// Reads `sender` no further when what it has sent made the backlog of `to` full.
    pub(super) fn hold_up(&mut self, now: Instant, sender: ConnectionId, to: ConnectionId) {
        if !self.is_full(to) || !self.is_read(sender) {
            return;
        }
        if let Some(connection) = self.connections.get_mut(&to) {
            if connection.backlog.holds_up.is_empty() {
                connection.backlog.taken = 0;
                self.timers.set(Timer::HoldUp(to), now + self.settings.limits.patience);
            }
            connection.backlog.holds_up.insert(sender);
        }
        if let Some(connection) = self.connections.get_mut(&sender) {
            connection.paused_by = Some(to);
            self.actions.push_back(Action::Pause { connection: sender });
        }
    }

    /// A connection is no more: whoever it held up is read again.
    pub(super) fn forget_backlog(&mut self, now: Instant, id: ConnectionId, backlog: &mut Backlog, paused_by: Option<ConnectionId>) {
        if let Some((by, its)) = paused_by.and_then(|by| Some((by, &mut self.connections.get_mut(&by)?.backlog))) {
            its.holds_up.remove(&id);
            if its.holds_up.is_empty() {
                self.timers.stop(Timer::HoldUp(by));
            }
        }
        for held in std::mem::take(&mut backlog.holds_up) {
            self.resume(now, held);
        }
    }

    fn resume(&mut self, now: Instant, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id)
            && connection.paused_by.take().is_some()
        {
            connection.heard = now;
            self.actions.push_back(Action::Resume { connection: id });
        }
    }
}
