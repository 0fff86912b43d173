//! S401–S404, S801–S804: somebody shares. The application server makes the data conference's name and asks a file server to keep it.

use std::net::SocketAddr;

use super::{
    FileSharing,
    file_server::For,
    roster::{MAX_LIVE, MAX_SHARES, Member, Room, Share, Slot, Stage},
};
use crate::{
    conference::companion::{CompanionCx, Seat},
    fileshare::{
        ConfId, ShareId,
        wire::{
            Failure, FailureCode,
            control::{DownloadOffer, MemberState, ShareRequest},
            line::{Line, Transport},
        },
    },
    id::ParticipantId,
    sdp::Direction,
};

impl FileSharing {
    /// S401: a line in a re-INVITE.
    pub(super) fn begin_by_line(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, place: usize, line: Line) -> Result<(), Failure> {
        if self.attendee(seat).is_some_and(|a| a.live() >= MAX_LIVE) {
            return Err(Failure::new(FailureCode::Limit, format!("a dialog has at most {MAX_LIVE} shares at once")));
        }
        let recipients = line.recipients.clone();
        let share = self.begin(cx, seat, line.clone(), false, recipients, For::Answer { place })?;
        if let Some(attendee) = self.attendee(seat) {
            attendee.slots.insert(place, Slot { share: Some(share), ours: line, stage: Stage::Asking });
            attendee.refuses = false;
        }
        Ok(())
    }

    /// S801: an INFO.
    pub(super) fn begin_by_info(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, id: &str, request: ShareRequest) -> Result<(), Failure> {
        let transport = if request.plain { Transport::Tcp } else { Transport::Tls };
        let line = Line { batch: Some(request.batch), ..Line::terminal(transport, request.source, Direction::SendOnly) };
        self.begin(cx, seat, line, true, request.recipients, For::Info { id: id.to_owned() }).map(|_| ())
    }

    /// S402.
    fn begin(
        &mut self,
        cx: &mut CompanionCx<'_>,
        seat: &Seat,
        line: Line,
        by_info: bool,
        recipients: Vec<String>,
        wanted: For,
    ) -> Result<ShareId, Failure> {
        if !self.may_share(seat) {
            return Err(Failure::new(FailureCode::Forbidden, "you have no right to share files in this conference"));
        }
        if self.draining {
            return Err(Failure::new(FailureCode::Busy, "the server is being stopped and takes no new shares"));
        }
        let source = line.source().map_err(|why| Failure::new(FailureCode::Usage, why.to_string()))?;
        let conf = ConfId::random(&mut self.rng);
        let server =
            self.servers.choose(cx.now).ok_or_else(|| Failure::new(FailureCode::Unreachable, "no file server takes another share"))?;
        let room = self.rooms.entry(seat.conference.clone()).or_default();
        if room.shares.len() >= MAX_SHARES {
            return Err(Failure::new(FailureCode::Limit, format!("a conference has at most {MAX_SHARES} shares at once")));
        }
        let Some(person) = room.attendees.get(&seat.participant).map(|a| a.person.clone()) else {
            return Err(Failure::new(FailureCode::NotFound, "you are not in the conference"));
        };
        room.last_share = room.last_share.saturating_add(1);
        let id = ShareId(room.last_share);
        let mut sharer = Member::new(&person, MemberState::Accepted);
        sharer.source = Some(source);
        let share = Share {
            conf,
            sharer: seat.participant,
            user: person.user.clone(),
            from: person,
            by_info,
            recipients,
            server,
            line: line.clone(),
            address: None,
            members: [(seat.participant, sharer)].into(),
            uploaded: None,
            completed: false,
            orphan: false,
            suspended: false,
            adrift: false,
        };
        tracing::info!(%seat, share = %id, conf = %share.conf, "shares");
        room.shares.insert(id, share);
        if let Err(why) = self.call_file_server(cx, seat, id, line, wanted) {
            if let Some(room) = self.rooms.get_mut(&seat.conference) {
                room.shares.remove(&id);
            }
            return Err(why);
        }
        Ok(id)
    }

    /// S403 is there: everybody else is asked.
    pub(super) fn announce(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, share: ShareId) {
        let Some(room) = self.rooms.get(&seat.conference) else { return };
        let others: Vec<ParticipantId> = room.attendees.keys().copied().filter(|id| *id != seat.participant).collect();
        for participant in others {
            self.invite(cx, &Seat { conference: seat.conference.clone(), participant }, share);
        }
    }
}

impl Share {
    /// Whether a participant was asked and has not answered.
    pub(super) fn wants(&self, id: ParticipantId) -> bool {
        self.members.get(&id).is_some_and(|member| member.state == MemberState::Offered)
    }

    /// S406: the line that is offered to a member; without a key. `None` before the file server has answered.
    pub(super) fn offer(&self, id: ShareId) -> Option<Line> {
        let (address, fingerprint) = self.address?;
        Some(Line {
            spelling: self.line.spelling,
            share: Some(id),
            batch: self.line.batch.clone(),
            transfer_id: self.line.transfer_id.clone(),
            disposition: self.line.disposition,
            ..Line::server(address, fingerprint, Direction::SendOnly)
        })
    }

    /// S806: the same by INFO.
    pub(super) fn offer_by_info(&self) -> Option<DownloadOffer> {
        let (address, fingerprint) = self.address?;
        let batch = self.line.batch.clone()?;
        Some(DownloadOffer { from: self.from.uri.to_string(), batch, address, fingerprint })
    }

    /// Notes where the file server listens.
    pub(super) fn located(&mut self, line: &Line) {
        if let Some(ip) = line.ip {
            self.address = Some((SocketAddr::new(ip, line.port), line.fingerprint));
        }
    }
}

impl FileSharing {
    /// Whether there is such a share, for all that a participant is to know: one for others is theirs alone.
    pub(super) fn may_know(&self, seat: &Seat, id: ShareId) -> bool {
        let Some(room) = self.rooms.get(&seat.conference) else { return false };
        let Some(share) = room.shares.get(&id) else { return false };
        let part = share.members.contains_key(&seat.participant);
        part || self.is_owners_other(seat, id) || room.is_recipient(share, seat.participant)
    }
}

impl Room {
    /// Whom the sharer named, if anybody.
    pub(super) fn is_recipient(&self, share: &Share, id: ParticipantId) -> bool {
        if share.recipients.is_empty() {
            return true;
        }
        let Some(person) = self.attendees.get(&id).map(|a| &a.person) else { return false };
        let (number, uri) = (id.to_string(), person.uri.to_string());
        let user = person.user.as_ref().map(ToString::to_string);
        share.recipients.iter().any(|r| *r == number || *r == uri || user.as_ref().is_some_and(|user| user.eq_ignore_ascii_case(r)))
    }
}
