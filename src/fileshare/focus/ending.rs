//! How members leave a share, and how shares end.
//!
//! The file server keeps a data conference as long as its sharer's dialog lives: the members' dialogs are ended first, the sharer's last.

use super::{
    Due, FileSharing,
    file_server::For,
    roster::{Member, Stage},
};
use crate::{
    conference::companion::{CompanionCx, Seat},
    fileshare::{
        ShareId,
        wire::{
            Failure, FailureCode,
            control::{Body, MAX_MEMBERS, MemberState, Message},
        },
    },
    id::{ConferenceName, ParticipantId},
    sip::endpoint::{Call, Ending},
};

impl FileSharing {
    /// The file server did not do what was asked of it.
    pub(super) fn on_asked_in_vain(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, share: ShareId, wanted: &For, why: &Failure) {
        tracing::warn!(%seat, %share, why = why.text, "the file server does not take it");
        let Some(known) = self.rooms.get(&seat.conference).and_then(|room| room.shares.get(&share)) else { return };
        if *wanted == For::Nothing {
            // Called anew, and nobody asked: the sharer's call is tried again, a member's is not.
            if known.sharer != seat.participant {
                self.member_ends(cx, seat, share, MemberState::Failed, Some(why.clone()));
            }
            return;
        }
        let begins = known.sharer == seat.participant && known.address.is_none();
        let asked = if let For::Info { id } = wanted { id.clone() } else { self.fresh_id() };
        self.tell_terminal(cx, seat, Body::of_share(asked, share, Message::Refusal(why.clone())));
        if begins {
            return self.end_share(cx, &seat.conference, share, why, Some(seat.participant));
        }
        let is_sharer = self.rooms.get(&seat.conference).and_then(|r| r.shares.get(&share)).is_some_and(|s| s.sharer == seat.participant);
        match wanted {
            // It could not connect anew: what stood before is gone with its old port.
            For::Answer { place } if is_sharer => self.answer_line(seat, *place, None),
            For::Answer { .. } | For::Going { .. } | For::Info { .. } if !is_sharer => {
                self.member_ends(cx, seat, share, MemberState::Failed, Some(why.clone()));
            }
            For::Answer { .. } | For::Going { .. } | For::Info { .. } | For::Nothing => {}
        }
    }

    /// A terminal ended a line: its sharer ends the share, another one its part in it.
    pub(super) fn close_line(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, place: usize, share: ShareId) {
        self.free(seat, place);
        let Some(known) = self.rooms.get(&seat.conference).and_then(|room| room.shares.get(&share)) else { return };
        if known.sharer == seat.participant {
            self.end_share(
                cx,
                &seat.conference,
                share,
                &Failure::new(FailureCode::Ended, "the sharer ended the share"),
                Some(seat.participant),
            );
        } else {
            self.member_ends(cx, seat, share, MemberState::Left, None);
        }
    }

    /// Somebody's part in a share is over; the others go on. Its line ends when its place is wanted, or with the share, unless it goes
    /// against its will.
    pub(super) fn member_ends(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, share: ShareId, state: MemberState, why: Option<Failure>) {
        self.deadlines.set(&Due::Answer(seat.conference.clone(), share, seat.participant), None);
        let Some(member) = self.member(seat, share) else { return };
        member.state = state;
        if why.is_some() {
            member.failure = why;
        }
        let call = member.call;
        // A question that the file server has still to answer keeps the call until then.
        let last = call.is_some_and(|call| self.relays.iter().any(|((at, _), relay)| *at == call && relay.last));
        if let Some(call) = call.filter(|_| !last) {
            self.hang_up(cx, call);
        }
        self.end_line(seat, share, state == MemberState::Failed);
        self.check_complete(cx, &seat.conference, share);
    }

    /// Somebody is put out of a share.
    pub(super) fn put_out(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, share: ShareId, why: &Failure) {
        if self.member(seat, share).is_none_or(|member| member.is_over()) {
            return;
        }
        let id = self.fresh_id();
        self.tell_terminal(cx, seat, Body::of_share(id, share, Message::ShareEnded(why.clone())));
        self.member_ends(cx, seat, share, MemberState::Left, Some(why.clone()));
        self.wish_offer(seat);
    }

    /// Ends a call to a file server.
    pub(super) fn hang_up(&mut self, cx: &mut CompanionCx<'_>, call: Call) {
        let Some(leg) = self.legs.remove(&call) else { return };
        self.relays.retain(|(at, _), _| *at != call);
        if let Some(member) = self.member(&leg.seat, leg.share).filter(|m| m.call == Some(call)) {
            member.call = None;
        }
        cx.endpoint.bye(cx.now, call, None, Vec::new());
    }

    /// A call to a file server is over.
    pub(super) fn on_leg_ended(&mut self, cx: &mut CompanionCx<'_>, call: Call, ending: &Ending) -> bool {
        let Some(leg) = self.legs.remove(&call) else { return false };
        let asked: Vec<_> = self.relays.extract_if(.., |(at, _), _| *at == call).map(|(_, relay)| relay).collect();
        let waits = self.rooms.get(&leg.seat.conference).and_then(|r| r.shares.get(&leg.share)).is_some_and(|share| share.adrift);
        if self.config.ping.is_some() && (waits || ending.is_away()) {
            if let Some(member) = self.member(&leg.seat, leg.share).filter(|m| m.call == Some(call)) {
                member.call = None;
            }
            self.cast_adrift(cx, &leg.seat.conference, leg.share, "the file server stopped");
            self.put_off(cx, asked);
            return true;
        }
        let Some(share) = self.rooms.get(&leg.seat.conference).and_then(|room| room.shares.get(&leg.share)) else { return true };
        let why = Failure::new(FailureCode::Ended, "the file server ended the share");
        if share.sharer == leg.seat.participant {
            self.end_share(cx, &leg.seat.conference, leg.share, &why, None);
        } else if let Some(member) = self.member(&leg.seat, leg.share).filter(|m| m.call == Some(call)) {
            member.call = None;
            if !member.is_over() {
                self.member_ends(cx, &leg.seat, leg.share, MemberState::Failed, Some(why));
            }
        }
        true
    }

    /// All of the upload is at the file server.
    pub(super) fn on_uploaded(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, id: ShareId, bytes: u64) {
        let Some(room) = self.rooms.get_mut(&seat.conference) else { return };
        let Some(share) = room.shares.get_mut(&id) else { return };
        // It may have left with the last bytes on their way.
        let away = !room.attendees.contains_key(&share.sharer);
        share.uploaded = Some(bytes);
        share.orphan |= away;
        if away && share.is_finished() {
            return self.end_share(cx, &seat.conference, id, &Failure::new(FailureCode::Ended, "the sharer has left"), None);
        }
        let sharer = Seat { conference: seat.conference.clone(), participant: share.sharer };
        if let Some(member) = share.members.get_mut(&sharer.participant) {
            (member.state, member.bytes) = (MemberState::Complete, bytes);
        }
        let ours = self.fresh_id();
        self.tell_terminal(cx, &sharer, Body::of_share(ours, id, Message::UploadComplete { bytes }));
        self.check_complete(cx, &seat.conference, id);
    }

    /// When all have finished the sharer is told; a share whose sharer has left ends.
    pub(super) fn check_complete(&mut self, cx: &mut CompanionCx<'_>, conference: &ConferenceName, id: ShareId) {
        let Some(share) = self.rooms.get_mut(conference).and_then(|room| room.shares.get_mut(&id)) else { return };
        if share.uploaded.is_none() || !share.is_finished() || share.receivers().next().is_none() {
            return;
        }
        if share.orphan {
            // Whoever finished last is still to be told by the file server.
            let mut calls = share.members.values().filter_map(|member| member.call);
            if calls.any(|call| self.relays.iter().any(|((at, _), relay)| *at == call && relay.last)) {
                return;
            }
            return self.end_share(cx, conference, id, &Failure::new(FailureCode::Ended, "all have finished"), None);
        }
        if !std::mem::replace(&mut share.completed, true) {
            let sharer = Seat { conference: conference.clone(), participant: share.sharer };
            let members = share.receivers().map(|(_, member)| member.report()).collect();
            let ours = self.fresh_id();
            for part in Body::of_share(ours, id, Message::ShareComplete { members, more: false }).split(MAX_MEMBERS) {
                self.tell_terminal(cx, &sharer, part);
            }
        }
    }

    /// A share ends: its calls, its lines; everybody who has a part in it is told but `except`, who knows.
    pub(super) fn end_share(
        &mut self,
        cx: &mut CompanionCx<'_>,
        conference: &ConferenceName,
        id: ShareId,
        why: &Failure,
        except: Option<ParticipantId>,
    ) {
        let Some(room) = self.rooms.get_mut(conference) else { return };
        let Some(share) = room.shares.remove(&id) else { return };
        tracing::info!(%conference, share = %id, why = why.text, "share ended");
        self.deadlines.set(&Due::Adrift(conference.clone(), id), None);
        let people: Vec<ParticipantId> = room.attendees.keys().copied().collect();
        let sharers = share.members.get(&share.sharer).and_then(|m| m.call);
        let calls = share.receivers().filter_map(|(_, member)| member.call).chain(sharers);
        for call in calls.collect::<Vec<_>>() {
            self.hang_up(cx, call);
        }
        for participant in people {
            let seat = Seat { conference: conference.clone(), participant };
            self.deadlines.set(&Due::Answer(conference.clone(), id, participant), None);
            let part = share.members.get(&participant);
            let over = part.is_none_or(Member::is_over) && participant != share.sharer;
            if Some(participant) != except && !over {
                let ours = self.fresh_id();
                self.tell_terminal(cx, &seat, Body::of_share(ours, id, Message::ShareEnded(why.clone())));
            }
            let has_line = self.attendee(&seat).is_some_and(|a| {
                a.slots.values().any(|slot| slot.share == Some(id) && slot.stage == Stage::Over) || a.place_of(id).is_some()
            });
            self.end_line(&seat, id, true);
            if has_line && Some(participant) != except {
                self.wish_offer(&seat);
            }
        }
    }

    /// Somebody has left the conference, and all its shares with it. An upload whose sharer is lost without a word, or said that it comes
    /// again, is waited for.
    pub(super) fn on_left(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, lost: bool) {
        let Some(room) = self.rooms.get_mut(&seat.conference) else { return };
        if !room.leave(seat.participant) {
            return;
        }
        let shares: Vec<ShareId> =
            room.shares.iter().filter(|(_, s)| s.members.contains_key(&seat.participant)).map(|(id, _)| *id).collect();
        for id in shares {
            let Some(share) = self.rooms.get_mut(&seat.conference).and_then(|room| room.shares.get_mut(&id)) else { continue };
            if share.sharer != seat.participant {
                let Some(member) = share.members.get(&seat.participant).filter(|member| !member.is_over()) else { continue };
                if member.state == MemberState::Offered && member.source.is_none() {
                    // Asked, and gone without an answer: it had no part in it.
                    share.members.remove(&seat.participant);
                    self.deadlines.set(&Due::Answer(seat.conference.clone(), id, seat.participant), None);
                    self.check_complete(cx, &seat.conference, id);
                } else {
                    self.member_ends(cx, seat, id, MemberState::Left, None);
                }
            } else if (share.suspended || (lost && share.user.is_some())) && share.uploaded.is_none() {
                tracing::info!(%seat, share = %id, lost, "the sharer is away; its upload is waited for");
            } else if share.uploaded.is_some() && !share.is_finished() {
                // It lives until all who were asked have it.
                share.orphan = true;
            } else {
                let text = if share.uploaded.is_some() { "the sharer has left" } else { "the sharer left before the upload was complete" };
                self.end_share(cx, &seat.conference, id, &Failure::new(FailureCode::Ended, text), Some(seat.participant));
            }
        }
    }

    /// A conference is over, and what is left of its shares.
    pub(super) fn on_conference_ended(&mut self, cx: &mut CompanionCx<'_>, conference: &ConferenceName) {
        let shares: Vec<ShareId> = self.rooms.get(conference).map(|room| room.shares.keys().copied().collect()).unwrap_or_default();
        for share in shares {
            self.end_share(cx, conference, share, &Failure::new(FailureCode::Ended, "the conference is over"), None);
        }
        self.rooms.remove(conference);
    }
}
