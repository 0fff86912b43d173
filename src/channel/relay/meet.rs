//! Meetings: two who know a place find each other, and exchange letters that the relay does not read.
//!
//! A nameplate belongs to its application: only the connection that applied is the sender there. At a secret place whoever comes is one of
//! the two who know it, so a sender that comes again takes the place of its earlier connection. Nobody is told which places there are.

use std::{net::IpAddr, time::Instant};

use bytes::Bytes;

use super::{
    ConnectionId, Relay,
    expiry::Timer,
    numbers::count,
    state::{Guest, Line, Meeting},
};
use crate::{
    account::Verdict,
    channel::{
        ChannelNumber, Peer, Place, pake,
        wire::{
            Message, Reason, RefusalCode, Refused, Role,
            answer::{Gone, Met},
            request::{MAX_RECEIVERS, Meet},
        },
    },
};

/// Most receivers at a place at once, those included who are in the channel by now; one more is refused with `full`.
const MAX_AT_A_PLACE: usize = 2 * MAX_RECEIVERS as usize;
/// Most letters of a receiver to the sender at its place, and of that one to it: an exchange has four. So a place is no way for files, which would be
/// nobody's: they go through a channel, which somebody has applied for.
const MAX_LETTERS: u8 = 8;

/// Where a letter goes.
struct Way {
    to: ConnectionId,
    /// The number that its writer has there.
    own: Peer,
    /// The receiver at a place that it is from or for; none in a channel.
    guest: Option<(Place, Peer)>,
}

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
        let given = self.is_given(meet.place);
        let from = self.connections.get(&id).map_or(IpAddr::from([0; 4]), |connection| connection.from);
        let meeting = self.meetings.entry(meet.place).or_insert_with(Meeting::new);
        let (own, others) = match meet.role {
            Role::Sender => {
                meeting.sender = Some(id);
                for guest in meeting.receivers.values_mut() {
                    // With each sender the exchange begins anew.
                    (guest.wrote, guest.had) = (0, 0);
                }
                (Peer::SENDER, meeting.receivers.iter().map(|(peer, guest)| (*peer, guest.control)).collect())
            }
            Role::Receiver => {
                // `may_receive_at` has seen that there is room for one.
                let own = meeting.number().unwrap_or(Peer(u8::MAX));
                meeting.receivers.insert(own, Guest { control: id, from, wrote: 0, had: 0, counted: !given });
                (own, meeting.sender.iter().map(|sender| (Peer::SENDER, *sender)).collect::<Vec<_>>())
            }
        };
        let quiet = now + self.settings.limits.patience;
        if let Some(control) = self.control_mut(id) {
            control.meeting = Some((meet.place, own));
        }
        self.mind_idleness(now, id);
        for (peer, other) in others {
            self.send(id, &Message::Met(Met { peer, was: None }));
            self.send(other, &Message::Met(Met { peer: own, was: None }));
            if matches!(meet.place, Place::Nameplate(_)) {
                self.timers.set(Timer::Quiet(if peer == Peer::SENDER { id } else { other }), quiet);
            }
        }
    }

    /// Somebody has applied for this nameplate.
    fn is_given(&self, place: Place) -> bool {
        matches!(place, Place::Nameplate(nameplate) if self.nameplates.contains_key(&nameplate))
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
                    return Err(self.nobody_there(now, id, meet.place));
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
        // Nobody guesses 32 bytes: who has them is not kept out by a neighbour's slips.
        if matches!(meet.place, Place::Nameplate(_))
            && let Verdict::Wait(wait) = self.guesses.check(now, from, None)
        {
            let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
            return Err(Refused::new(RefusalCode::Rate, "too many wrong codes came from this address").retry(seconds));
        }
        if self.is_spent(meet.place) {
            return Err(self.nobody_there(now, id, meet.place));
        }
        let given = self.is_given(meet.place);
        let Some(meeting) = self.meetings.get(&meet.place) else {
            return match (given, meet.wait, meet.place) {
                // Its sender has applied, and is about to come.
                (true, _, _) | (false, true, Place::Secret(_)) => Ok(()),
                (false, true, Place::Nameplate(_)) => {
                    // Waiting everywhere is a way of guessing, too.
                    self.guesses.handle_failure(now, from, None);
                    Ok(())
                }
                (false, false, _) => Err(self.nobody_there(now, id, meet.place)),
            };
        };
        if meeting.sender.is_none() && !given && !meet.wait {
            return Err(self.nobody_there(now, id, meet.place));
        }
        if meeting.receivers.len() >= MAX_AT_A_PLACE {
            return Err(Refused::new(RefusalCode::Full, "too many have come to this place"));
        }
        if self.neighbours(meet.place, from) > self.wanted_at(meet.place) {
            return Err(Refused::new(RefusalCode::Full, "others of this address are at this place already"));
        }
        Ok(())
    }

    /// Receivers of an address who are at a nameplate and in no channel yet. Who has a secret place's 32 bytes may come as often as it likes.
    fn neighbours(&self, place: Place, from: IpAddr) -> usize {
        let meeting = self.meetings.get(&place).filter(|_| matches!(place, Place::Nameplate(_)));
        let guests = meeting.into_iter().flat_map(|meeting| meeting.receivers.values());
        guests.filter(|guest| guest.from == from && self.control(guest.control).is_some_and(|control| control.seat.is_none())).count()
    }

    /// How many receivers the channel of a nameplate is for.
    fn wanted_at(&self, place: Place) -> usize {
        let Place::Nameplate(nameplate) = place else { return 1 };
        self.nameplates.get(&nameplate).and_then(|number| self.channels.get(number)).map_or(1, |channel| usize::from(channel.receivers))
    }

    fn is_spent(&self, place: Place) -> bool {
        self.meetings.get(&place).is_some_and(|meeting| meeting.spent)
    }

    /// The same words whether there never was a sender or its code is spent.
    fn nobody_there(&mut self, now: Instant, id: ConnectionId, place: Place) -> Refused {
        let from = self.connections.get(&id).map(|connection| connection.from);
        if let Some(from) = from.filter(|_| matches!(place, Place::Nameplate(_))) {
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
        // A place has one wrong guess, however often its sender says so.
        if guess.is_none() || std::mem::replace(&mut meeting.guessed, true) {
            return;
        }
        count(&mut self.numbers.guesses);
        if let Some(guest) = guess.and_then(|guess| meeting.receivers.get_mut(&guess))
            && matches!(place, Place::Nameplate(_))
            && !std::mem::replace(&mut guest.counted, true)
        {
            self.guesses.handle_failure(now, guest.from, None);
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
        let seated = control.seat.is_some();
        let Some(Way { to, own, guest }) = self.other_end(id, peer) else {
            return count(&mut self.numbers.letters_lost);
        };
        if let Some((place, guest)) = guest {
            if !self.may_write(place, guest, peer, body.len()) {
                if seated {
                    // It is for the channel, which its sender has left to meet it anew.
                    return count(&mut self.numbers.letters_lost);
                }
                let text =
                    format!("letters at a place are at most {MAX_LETTERS} of {} bytes: others go through a channel", pake::MAX_LETTER);
                return self.malformed(now, id, &text);
            }
            if peer == Peer::SENDER {
                self.timers.stop(Timer::Quiet(id));
            }
        }
        count(&mut self.numbers.letters);
        self.numbers.letter_bytes = self.numbers.letter_bytes.saturating_add(body.len() as u64);
        self.send(to, &Message::Letter { peer: own, body });
        self.hold_up(now, id, to);
    }

    /// A letter at a place is within its bounds, and counts.
    fn may_write(&mut self, place: Place, guest: Peer, to: Peer, length: usize) -> bool {
        let guest = self.meetings.get_mut(&place).and_then(|meeting| meeting.receivers.get_mut(&guest));
        let letters = guest.map(|guest| if to == Peer::SENDER { &mut guest.wrote } else { &mut guest.had });
        letters.filter(|letters| **letters < MAX_LETTERS && length <= pake::MAX_LETTER).map(|letters| *letters += 1).is_some()
    }

    /// Who has a number as seen from a connection, and which number that one knows the connection by.
    fn other_end(&self, id: ConnectionId, peer: Peer) -> Option<Way> {
        let control = self.control(id)?;
        let meeting = control.meeting.and_then(|(place, own)| Some((self.meetings.get(&place)?, place, own)));
        let channel = control.seat.and_then(|(number, own)| Some((self.channels.get(&number)?, own)));
        if peer == Peer::SENDER {
            let in_channel = channel.filter(|(_, own)| *own != Peer::SENDER);
            let seated =
                in_channel.and_then(|(channel, own)| Some(Way { to: channel.seats.get(&Peer::SENDER)?.control, own, guest: None }));
            // A receiver may have entered before its sender.
            let met = meeting.filter(|(_, _, own)| *own != Peer::SENDER);
            return seated
                .or_else(|| met.and_then(|(meeting, place, own)| Some(Way { to: meeting.sender?, own, guest: Some((place, own)) })));
        }
        let own = Peer::SENDER;
        if peer.is_receivers_seat() {
            let (channel, _) = channel.filter(|(_, own)| *own == Peer::SENDER)?;
            return Some(Way { to: channel.seats.get(&peer)?.control, own, guest: None });
        }
        let (meeting, place, _) = meeting.filter(|(_, _, own)| *own == Peer::SENDER)?;
        Some(Way { to: meeting.receivers.get(&peer)?.control, own, guest: Some((place, peer)) })
    }

    /// Who was to write to the sender at a nameplate, and has not.
    pub(super) fn quiet(&mut self, now: Instant, id: ConnectionId) {
        self.refuse(now, id, Refused::new(RefusalCode::Expired, "nothing was said to the sender in time"));
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
            told.extend(meeting.receivers.values().map(|guest| guest.control));
        } else {
            let guest = meeting.receivers.remove(&own);
            told.extend(meeting.sender);
            // To come to a code and show nothing is a way of keeping others from it.
            let for_nothing = matches!(place, Place::Nameplate(_)) && seat.is_none() && !meeting.spent;
            if let Some(guest) = guest.filter(|guest| for_nothing && !guest.counted) {
                self.guesses.handle_failure(now, guest.from, None);
            }
        }
        // A nameplate is its sender's; at a secret place a receiver may wait for the sender to come again.
        let ends = meeting.is_empty() || own == Peer::SENDER && (meeting.spent || matches!(place, Place::Nameplate(_)));
        let left: Vec<ConnectionId> = if ends { meeting.receivers.values().map(|guest| guest.control).collect() } else { Vec::new() };
        if ends {
            self.meetings.remove(&place);
            self.timers.stop(Timer::Waiting(place));
        }
        for other in left {
            if let Some(control) = self.control_mut(other) {
                control.meeting = None;
            }
            self.timers.stop(Timer::Quiet(other));
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
