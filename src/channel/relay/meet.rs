//! Meetings: two who know a place find each other, and exchange letters that the relay does not read.
//!
//! A nameplate belongs to its application: only the connection that applied is the sender there. At a secret place whoever comes is one of
//! the two who know it, so a sender that comes again takes the place of its earlier connection. Nobody is told which places there are.

use std::time::Instant;

use bytes::Bytes;

use super::{
    ConnectionId, Relay,
    expiry::Timer,
    numbers::count,
    state::{Line, Meeting},
};
use crate::{
    account::Verdict,
    channel::{
        ChannelNumber, Peer, Place,
        wire::{
            Message, Reason, RefusalCode, Refused, Role,
            answer::{Gone, Met},
            request::{MAX_RECEIVERS, Meet},
        },
    },
};

/// Most receivers at a place at once, those included who are in the channel by now; one more is refused with `full`.
const MAX_AT_A_PLACE: usize = 2 * MAX_RECEIVERS as usize;

impl Relay {
    pub(super) fn meet(&mut self, now: Instant, id: ConnectionId, meet: &Meet) {
        let busy = match self.connections.get(&id).map(|connection| &connection.line) {
            None => return,
            Some(Line::New) => false,
            Some(Line::Control(control)) => control.meeting.is_some(),
            Some(Line::Data(_)) => true,
        };
        if busy {
            return self.malformed(now, id, "a connection is at one place");
        }
        let welcome = match meet.role {
            Role::Sender => self.may_send_at(now, id, meet),
            Role::Receiver => self.may_receive_at(now, id, meet),
        };
        if let Err(refused) = welcome {
            return self.refuse(now, id, refused);
        }
        self.become_control(now, id);
        count(&mut self.numbers.meetings);
        let waiting = self.settings.limits.waiting;
        if !self.meetings.contains_key(&meet.place) {
            self.timers.set(Timer::Waiting(meet.place), now + waiting);
        }
        let meeting = self.meetings.entry(meet.place).or_insert_with(Meeting::new);
        let (own, others) = match meet.role {
            Role::Sender => {
                meeting.sender = Some(id);
                (Peer::SENDER, meeting.receivers.iter().map(|(peer, other)| (*peer, *other)).collect())
            }
            Role::Receiver => {
                // `may_receive_at` has seen that there is a number left.
                let own = meeting.next.unwrap_or(Peer(u8::MAX));
                meeting.next = own.0.checked_add(1).map(Peer);
                meeting.receivers.insert(own, id);
                (own, meeting.sender.iter().map(|sender| (Peer::SENDER, *sender)).collect::<Vec<_>>())
            }
        };
        if let Some(control) = self.control_mut(id) {
            control.meeting = Some((meet.place, own));
        }
        self.mind_idleness(now, id);
        for (peer, other) in others {
            self.send(id, &Message::Met(Met { peer, was: None }));
            self.send(other, &Message::Met(Met { peer: own, was: None }));
        }
    }

    fn may_send_at(&mut self, now: Instant, id: ConnectionId, meet: &Meet) -> Result<(), Refused> {
        match meet.place {
            Place::Nameplate(nameplate) => {
                let holds = self.control(id).and_then(|control| control.holds);
                match self.nameplates.get(&nameplate) {
                    Some(channel) if holds == Some(*channel) => Ok(()),
                    Some(_) => Err(Refused::new(RefusalCode::Taken, format!("the nameplate {nameplate} is somebody else's"))),
                    None => Err(Refused::new(RefusalCode::NoSuchPlace, format!("nobody has applied for the nameplate {nameplate}"))),
                }
            }
            Place::Secret(_) => {
                let meeting = self.meetings.get(&meet.place).filter(|meeting| !meeting.spent);
                let (there, earlier) = (meeting.is_some(), meeting.and_then(|meeting| meeting.sender));
                if !there && !meet.wait || self.is_spent(meet.place) {
                    return Err(self.nobody_there(now, id));
                }
                if let Some(earlier) = earlier {
                    self.drop_connection(now, earlier, Reason::Replaced, "");
                }
                Ok(())
            }
        }
    }

    fn may_receive_at(&mut self, now: Instant, id: ConnectionId, meet: &Meet) -> Result<(), Refused> {
        let Some(from) = self.connections.get(&id).map(|connection| connection.from) else {
            return Err(Refused::new(RefusalCode::Malformed, ""));
        };
        if let Verdict::Wait(wait) = self.guesses.check(now, from, None) {
            let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
            return Err(Refused::new(RefusalCode::Rate, "too many codes that were wrong came from this address").retry(seconds));
        }
        if self.is_spent(meet.place) {
            return Err(self.nobody_there(now, id));
        }
        let given = matches!(meet.place, Place::Nameplate(nameplate) if self.nameplates.contains_key(&nameplate));
        let Some(meeting) = self.meetings.get(&meet.place) else {
            return match (given, meet.wait, meet.place) {
                // Its sender has applied, and is about to come.
                (true, _, _) | (false, true, Place::Secret(_)) => Ok(()),
                (false, true, Place::Nameplate(_)) => {
                    // Waiting everywhere is a way of guessing, too.
                    self.guesses.handle_failure(now, from, None);
                    Ok(())
                }
                (false, false, _) => Err(self.nobody_there(now, id)),
            };
        };
        if meeting.sender.is_none() && !given && !meet.wait {
            return Err(self.nobody_there(now, id));
        }
        if meeting.receivers.len() >= MAX_AT_A_PLACE || meeting.next.is_none() {
            return Err(Refused::new(RefusalCode::Full, "too many have come to this place"));
        }
        Ok(())
    }

    fn is_spent(&self, place: Place) -> bool {
        self.meetings.get(&place).is_some_and(|meeting| meeting.spent)
    }

    /// The same words whether there never was a sender or its code is spent.
    fn nobody_there(&mut self, now: Instant, id: ConnectionId) -> Refused {
        if let Some(from) = self.connections.get(&id).map(|connection| connection.from) {
            self.guesses.handle_failure(now, from, None);
        }
        Refused::new(RefusalCode::NoSuchPlace, "nobody is at this place: the code is mistyped, used up, or its sender has gone")
    }

    /// The sender says that nobody may come to its place any more. Those who are there stay.
    pub(super) fn spent(&mut self, now: Instant, id: ConnectionId, guess: Option<Peer>) {
        let Some((place, Peer::SENDER)) = self.control(id).and_then(|control| control.meeting) else {
            return self.malformed(now, id, "only the sender at a place says that it is spent");
        };
        let Some(meeting) = self.meetings.get_mut(&place) else { return };
        meeting.spent = true;
        let Some(guess) = guess else { return };
        count(&mut self.numbers.guesses);
        let guesser = meeting.receivers.get(&guess).and_then(|other| self.connections.get(other)).map(|other| other.from);
        if let Some(from) = guesser {
            self.guesses.handle_failure(now, from, None);
        }
    }

    /// A letter goes to the other end of its meeting, or of its channel, as the number says; to somebody who has just gone, nowhere.
    pub(super) fn letter(&mut self, now: Instant, id: ConnectionId, peer: Peer, body: Bytes) {
        let Some(control) = self.control(id) else {
            return self.malformed(now, id, "a letter before a place or a channel");
        };
        if control.meeting.is_none() && control.seat.is_none() {
            // What it was in may have ended while the letter was on its way.
            return count(&mut self.numbers.letters_lost);
        }
        let Some((to, own)) = self.other_end(id, peer) else {
            return count(&mut self.numbers.letters_lost);
        };
        count(&mut self.numbers.letters);
        self.numbers.letter_bytes = self.numbers.letter_bytes.saturating_add(body.len() as u64);
        self.send(to, &Message::Letter { peer: own, body });
        self.hold_up(id, to);
    }

    /// Who has a number as seen from a connection, and which number that one knows the connection by.
    fn other_end(&self, id: ConnectionId, peer: Peer) -> Option<(ConnectionId, Peer)> {
        let control = self.control(id)?;
        let meeting = control.meeting.and_then(|(place, own)| Some((self.meetings.get(&place)?, own)));
        let channel = control.seat.and_then(|(number, own)| Some((self.channels.get(&number)?, own)));
        if peer == Peer::SENDER {
            let in_channel = channel.filter(|(_, own)| *own != Peer::SENDER);
            let seated = in_channel.and_then(|(channel, own)| Some((channel.seats.get(&Peer::SENDER)?.control, own)));
            // A receiver may have entered before its sender.
            let met = meeting.filter(|(_, own)| *own != Peer::SENDER);
            return seated.or_else(|| met.and_then(|(meeting, own)| Some((meeting.sender?, own))));
        }
        let to = if peer.is_receivers_seat() {
            channel.filter(|(_, own)| *own == Peer::SENDER).and_then(|(channel, _)| Some(channel.seats.get(&peer)?.control))
        } else {
            meeting.filter(|(_, own)| *own == Peer::SENDER).and_then(|(meeting, _)| meeting.receivers.get(&peer).copied())
        };
        to.map(|to| (to, Peer::SENDER))
    }

    /// A terminal is no longer at its place; `seat` is what it had in a channel. Who is in that channel with it hears it there.
    pub(super) fn leave_meeting(
        &mut self,
        now: Instant,
        id: ConnectionId,
        place: Place,
        own: Peer,
        seat: Option<(ChannelNumber, Peer)>,
        gone: &Gone,
    ) {
        let Some(meeting) = self.meetings.get_mut(&place) else { return };
        let mut told = Vec::new();
        if own == Peer::SENDER {
            meeting.sender = None;
            told.extend(meeting.receivers.values().copied());
        } else {
            meeting.receivers.remove(&own);
            told.extend(meeting.sender);
        }
        // A nameplate is its sender's; at a secret place a receiver may wait for the sender to come again.
        let ends = meeting.is_empty() || own == Peer::SENDER && (meeting.spent || matches!(place, Place::Nameplate(_)));
        let left: Vec<ConnectionId> = if ends { meeting.receivers.values().copied().collect() } else { Vec::new() };
        if ends {
            self.meetings.remove(&place);
            self.timers.stop(Timer::Waiting(place));
        }
        for other in left {
            if let Some(control) = self.control_mut(other) {
                control.meeting = None;
            }
            self.mind_idleness(now, other);
        }
        for other in told {
            let (receivers, sender) =
                if own == Peer::SENDER { (self.control(other).and_then(|control| control.seat), id) } else { (seat, other) };
            let seated = receivers.and_then(|(number, _)| self.channels.get(&number)?.seats.get(&Peer::SENDER));
            if seated.is_none_or(|seat| seat.control != sender) {
                self.send(other, &Message::Gone(Gone { peer: own, ..gone.clone() }));
            }
        }
    }
}
