//! S406–S411, S806–S811: members are asked whether and from where they receive, and told where to connect.

use std::net::SocketAddr;

use super::{
    Due, FileSharing,
    adrift::AWAY,
    file_server::For,
    roster::{MAX_LIVE, Member, Room, Slot, Stage},
};
use crate::{
    conference::companion::{CompanionCx, Person, Seat},
    fileshare::{
        ShareId,
        wire::{
            Failure, FailureCode,
            control::{Body, MAX_FILES, MemberState, Message},
            line::Line,
        },
    },
    sdp::{Direction, Media},
};

impl FileSharing {
    /// Somebody is in, or changed: who comes late is asked for every live share.
    pub(super) fn on_entered(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, person: Person) {
        if self.ending {
            return;
        }
        let room = self.rooms.entry(seat.conference.clone()).or_default();
        let changed = match room.attendees.get_mut(&seat.participant) {
            Some(attendee) => {
                let other_role = attendee.person.role != person.role;
                attendee.person = person;
                other_role
            }
            None => {
                room.attendees.insert(seat.participant, super::roster::Attendee::new(person));
                let shares: Vec<ShareId> = room.shares.keys().copied().collect();
                for share in shares {
                    self.invite(cx, seat, share);
                }
                false
            }
        };
        if changed {
            self.apply_rights(cx, &seat.conference);
        }
    }

    /// Asks somebody once, if it is entitled.
    pub(super) fn invite(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, id: ShareId) {
        if !self.may_receive(seat) {
            return;
        }
        let announced = self.is_announced(cx, seat);
        let Some(room) = self.rooms.get_mut(&seat.conference) else { return };
        let Some(share) = room.shares.get(&id).filter(|share| share.address.is_some() && !share.orphan && !share.adrift) else { return };
        let asked = share.members.contains_key(&seat.participant);
        if asked || !room.is_recipient(share, seat.participant) {
            return;
        }
        let Some(attendee) = room.attendees.get_mut(&seat.participant) else { return };
        if share.user.is_some() && share.user == attendee.person.user {
            return;
        }
        let state = match (attendee.refuses, announced) {
            (false, _) => MemberState::Offered,
            (true, true) => MemberState::Declined,
            (true, false) => MemberState::NotTakingPart,
        };
        let member = Member::new(&attendee.person, state);
        let by_info = share.by_info && announced;
        if state == MemberState::Offered && !by_info {
            attendee.waiting.push_back(id);
        }
        let offer = share.offer_by_info();
        let Room { attendees, shares, .. } = room;
        if let Some(share) = shares.get_mut(&id) {
            share.enrol(seat.participant, member, |id| attendees.contains_key(&id));
            // The sharer is told once more when this one has finished, too.
            share.completed &= state != MemberState::Offered;
        }
        match (state, offer) {
            (MemberState::Offered, Some(offer)) if by_info => {
                // S806.
                let body = Body::of_share(self.fresh_id(), id, Message::DownloadOffer(offer));
                let due = Due::Answer(seat.conference.clone(), id, seat.participant);
                self.deadlines.set(&due, cx.now.checked_add(self.config.answer));
                self.tell_terminal(cx, seat, body);
            }
            (MemberState::Offered, _) => self.wish_offer(seat),
            _ => {}
        }
    }

    /// S407: the terminal says from where it will connect. S408 follows.
    pub(super) fn on_wanted(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, share: ShareId, place: usize, theirs: &Media) {
        let wanted = match Line::read(theirs) {
            Ok(Some(line)) => line.source().map_err(|why| why.to_string()).map(|source| (line, source)),
            Ok(None) => Err("the answer has another line in the place of the share's".to_owned()),
            Err(why) => Err(why.to_string()),
        };
        let begun = wanted
            .map_err(|why| Failure::new(FailureCode::Usage, why))
            .and_then(|(line, source)| self.deliver(cx, seat, share, &line, source, For::Going { place }));
        if let Err(why) = begun {
            self.explain(cx, seat, Some(share), &why);
            self.member_ends(cx, seat, share, MemberState::Failed, Some(why));
        }
    }

    /// S807.
    pub(super) fn on_wanted_by_info(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, share: ShareId, id: &str, source: SocketAddr) {
        self.deadlines.set(&Due::Answer(seat.conference.clone(), share, seat.participant), None);
        let Some(known) = self.rooms.get(&seat.conference).and_then(|room| room.shares.get(&share)) else {
            return self.refuse_terminal(cx, seat, id, Some(share), FailureCode::NotFound, "there is no such share");
        };
        if !known.wants(seat.participant) {
            return self.refuse_terminal(cx, seat, id, Some(share), FailureCode::Conflict, "you were not asked");
        }
        let line = Line::terminal(known.line.transport, source, Direction::RecvOnly);
        if let Err(why) = self.deliver(cx, seat, share, &line, source, For::Info { id: id.to_owned() }) {
            self.explain(cx, seat, Some(share), &why);
            self.member_ends(cx, seat, share, MemberState::Failed, Some(why));
        }
    }

    /// Nobody answered S806.
    pub(super) fn on_no_answer(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, share: ShareId) {
        let why = Failure::new(FailureCode::Unreachable, "the terminal does not answer");
        self.member_ends(cx, seat, share, MemberState::NotTakingPart, Some(why));
    }

    /// A participant offers a line to receive a share that it was not asked for, or that it refused before.
    pub(super) fn join_by_line(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, place: usize, line: Line) -> Result<(), Failure> {
        let source = line.source().map_err(|why| Failure::new(FailureCode::Usage, why.to_string()))?;
        if !self.may_receive(seat) {
            return Err(Failure::new(FailureCode::Forbidden, "you have no right to receive files in this conference"));
        }
        let room = self.rooms.get_mut(&seat.conference).ok_or_else(|| Failure::new(FailureCode::NotFound, "there is no share"))?;
        let Some(attendee) = room.attendees.get_mut(&seat.participant) else {
            return Err(Failure::new(FailureCode::NotFound, "you are not in the conference"));
        };
        attendee.refuses = false;
        if attendee.live() >= MAX_LIVE {
            return Err(Failure::new(FailureCode::Limit, format!("a dialog has at most {MAX_LIVE} shares at once")));
        }
        let id = line.share.or_else(|| room.shares.keys().next_back().copied());
        let id = id.filter(|id| room.shares.get(id).is_some_and(|share| share.address.is_some()));
        let id = id.ok_or_else(|| Failure::new(FailureCode::NotFound, "there is no such share"))?;
        if attendee.place_of(id).is_some() {
            return Err(Failure::new(FailureCode::Conflict, "this dialog has the share already"));
        }
        attendee.waiting.retain(|waiting| *waiting != id);
        let person = attendee.person.clone();
        let allowed =
            room.shares.get(&id).is_some_and(|share| share.sharer != seat.participant && room.is_recipient(share, seat.participant));
        if !allowed {
            return Err(Failure::new(FailureCode::Forbidden, "the share is not for you"));
        }
        if room.shares.get(&id).is_some_and(|share| share.adrift) {
            // An offer of the terminal's own cannot wait for so long.
            return Err(Failure::new(FailureCode::Busy, AWAY));
        }
        // Its line says it, whatever it was asked by INFO.
        self.deadlines.set(&Due::Answer(seat.conference.clone(), id, seat.participant), None);
        let Room { attendees, shares, .. } = room;
        if let Some(share) = shares.get_mut(&id) {
            share.enrol(seat.participant, Member::new(&person, MemberState::Offered), |id| attendees.contains_key(&id));
        }
        self.deliver(cx, seat, id, &line, source, For::Answer { place })?;
        if let Some(attendee) = self.attendee(seat) {
            attendee.slots.insert(place, Slot { share: Some(id), ours: line, stage: Stage::Asking });
        }
        Ok(())
    }

    /// S408.
    fn deliver(
        &mut self,
        cx: &mut CompanionCx<'_>,
        seat: &Seat,
        id: ShareId,
        line: &Line,
        source: SocketAddr,
        wanted: For,
    ) -> Result<(), Failure> {
        let share = self.rooms.get_mut(&seat.conference).and_then(|room| room.shares.get_mut(&id));
        let share = share.ok_or_else(|| Failure::new(FailureCode::Ended, "the share has ended"))?;
        if let Some(member) = share.members.get_mut(&seat.participant) {
            member.source = Some(source);
        }
        // Somebody receives (again): that all have finished is to be told anew.
        share.completed = false;
        let line = Line { batch: share.line.batch.clone(), direction: Direction::RecvOnly, ..line.clone() };
        self.ask_others(cx, seat, id);
        let gone = || Failure::new(FailureCode::Ended, "the share has ended");
        let share = self.rooms.get_mut(&seat.conference).and_then(|room| room.shares.get_mut(&id)).ok_or_else(gone)?;
        if share.adrift {
            if let Some(member) = share.members.get_mut(&seat.participant) {
                member.held = Some((line, wanted));
            }
            return Ok(());
        }
        self.call_file_server(cx, seat, id, line, wanted)
    }

    /// S409 is there: S410 tells the terminal where to connect, and by which key.
    pub(super) fn go(&mut self, seat: &Seat, share: ShareId, place: usize, line: Line) {
        if let Some(slot) = self.attendee(seat).and_then(|a| a.slots.get_mut(&place)).filter(|slot| slot.share == Some(share)) {
            (slot.ours, slot.stage) = (line, Stage::Going);
            self.wish_offer(seat);
        }
    }

    /// S411 or S811: the terminal knows all. S701 asks whether it is ready.
    pub(super) fn on_going(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, id: ShareId) {
        let Some(share) = self.rooms.get_mut(&seat.conference).and_then(|room| room.shares.get_mut(&id)) else { return };
        let files = share.batch().map(|batch| batch.files.iter().take(MAX_FILES).cloned().collect()).unwrap_or_default();
        if let Some(member) = share.members.get_mut(&seat.participant).filter(|m| m.state == MemberState::Offered) {
            member.state = MemberState::Accepted;
        }
        let body = Body::of_share(self.fresh_id(), id, Message::DownloadPrepare { files });
        self.tell_terminal(cx, seat, body);
    }
}
