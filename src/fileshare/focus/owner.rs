//! One account in several dialogs. The sharer ends a share in another dialog than the one that it shared in, or goes on there with an upload
//! that a process which is gone has begun. A receiver whose connection broke in one dialog and who has it all in another is not waited for. Who
//! has no account cannot be known again, and so can do nothing of this.

use std::net::SocketAddr;

use super::{FileSharing, roster::Member};
use crate::{
    conference::companion::{CompanionCx, Seat},
    fileshare::{
        ShareId,
        wire::{
            Failure, FailureCode,
            control::{Body, MemberState, Message},
        },
    },
    id::ParticipantId,
};

impl FileSharing {
    /// Whether a dialog is another one of the sharer's account, without a part of its own in the share.
    pub(super) fn is_owners_other(&self, seat: &Seat, share: ShareId) -> bool {
        let Some(room) = self.rooms.get(&seat.conference) else { return false };
        let Some(share) = room.shares.get(&share) else { return false };
        let user = room.attendees.get(&seat.participant).and_then(|attendee| attendee.person.user.as_ref());
        user.is_some() && share.user.as_ref() == user && !share.members.contains_key(&seat.participant)
    }

    /// The sharer leaves, and means to come again: the share is to outlive its dialog. How long the upload is waited for is the file
    /// server's matter.
    pub(super) fn suspend(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, id: ShareId, asked: String) {
        let share = self.rooms.get_mut(&seat.conference).and_then(|room| room.shares.get_mut(&id));
        let Some(share) = share.filter(|share| share.sharer == seat.participant) else {
            return self.refuse_terminal(cx, seat, &asked, Some(id), FailureCode::Forbidden, "the share is not yours");
        };
        if share.user.is_none() {
            let why = "who has no account cannot be known again";
            return self.refuse_terminal(cx, seat, &asked, Some(id), FailureCode::Forbidden, why);
        }
        share.suspended = true;
        self.tell_terminal(cx, seat, Body::of_share(asked, id, Message::Done));
    }

    /// Members of the same account as this one whose connections broke, and who have it all in another dialog: they will not come again.
    pub(super) fn drop_broken(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, id: ShareId) {
        let Some(share) = self.rooms.get(&seat.conference).and_then(|room| room.shares.get(&id)) else { return };
        let Some(user) = share.members.get(&seat.participant).and_then(|member| member.user.as_ref()) else { return };
        let theirs = || share.receivers().filter(|(_, member)| member.user.as_ref() == Some(user));
        if !theirs().any(|(_, member)| member.state == MemberState::Complete) {
            return;
        }
        let broken: Vec<_> = theirs().filter(|(_, member)| member.state == MemberState::Broken).map(|(id, _)| *id).collect();
        for participant in broken {
            let why = Failure::new(FailureCode::Ended, "its account has it by another dialog");
            self.member_ends(cx, &Seat { conference: seat.conference.clone(), participant }, id, MemberState::Left, Some(why));
        }
    }

    /// Somebody receives whose account has another part in the share that has not come to its end. Its terminal may be a process that is gone: what
    /// is asked in its dialog shows that, long before the file server has waited for it. One that lives has nothing to do about it.
    pub(super) fn ask_others(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, id: ShareId) {
        let Some(share) = self.rooms.get(&seat.conference).and_then(|room| room.shares.get(&id)) else { return };
        let Some(user) = share.members.get(&seat.participant).and_then(|member| member.user.clone()) else { return };
        let other = |(participant, member): &(&ParticipantId, &Member)| {
            // Whoever has only been offered it owes an answer, which is missed by itself.
            let takes_part = member.source.is_some() && !member.is_over();
            **participant != seat.participant && member.user.as_ref() == Some(&user) && takes_part
        };
        let others: Vec<ParticipantId> = share.receivers().filter(other).map(|(participant, _)| *participant).collect();
        for participant in others {
            let ours = self.fresh_id();
            let seat = Seat { conference: seat.conference.clone(), participant };
            self.tell_terminal(cx, &seat, Body::of_share(ours, id, Message::Done));
        }
    }

    /// Another dialog of the sharer's account goes on with the upload: from now on the share is that dialog's.
    pub(super) fn take_over(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, id: ShareId, asked: String, source: SocketAddr) {
        if !self.may_share(seat) {
            let why = "you have no right to share files in this conference";
            return self.refuse_terminal(cx, seat, &asked, Some(id), FailureCode::Forbidden, why);
        }
        let Some(room) = self.rooms.get_mut(&seat.conference) else { return };
        let Some(person) = room.attendees.get(&seat.participant).map(|attendee| attendee.person.clone()) else { return };
        let Some(share) = room.shares.get_mut(&id) else { return };
        if share.address.is_none() {
            return self.refuse_terminal(cx, seat, &asked, Some(id), FailureCode::Busy, "the file server has not answered yet");
        }
        let before = Seat { conference: seat.conference.clone(), participant: share.sharer };
        let Some(mut member) = share.members.remove(&before.participant) else { return };
        (member.who, member.source) = (person.uri.to_string(), Some(source));
        let call = member.call;
        share.members.insert(seat.participant, member);
        (share.sharer, share.from) = (seat.participant, person);
        (share.suspended, share.orphan, share.completed) = (false, false, false);
        let uploaded = share.uploaded;
        tracing::info!(%seat, share = %id, %before, "the sharer goes on in another dialog");
        if let Some(leg) = call.and_then(|call| self.legs.get_mut(&call)) {
            leg.seat = seat.clone();
        }
        // The dialog before may be one of a process that is gone; what is asked in it shows that.
        let why = Failure::new(FailureCode::Conflict, "the sharer goes on with it in another dialog");
        let ours = self.fresh_id();
        self.tell_terminal(cx, &before, Body::of_share(ours, id, Message::ShareEnded(why)));
        self.end_line(&before, id, true);
        match uploaded {
            Some(bytes) => {
                self.tell_terminal(cx, seat, Body::of_share(asked, id, Message::UploadComplete { bytes }));
                self.check_complete(cx, &seat.conference, id);
            }
            None => self.pass_on(cx, seat, id, asked, Message::Reconnect { source }, false),
        }
    }
}
