//! Shares whose file server is away or was stopped. They wait for it, or for its next process, which has what the one before had on disk: it
//! is called anew for the sharer, then for everybody who has still to receive. Terminals ask to connect again (`reconnect`) until it is there.

use std::net::SocketAddr;

use super::{
    Due, FileSharing,
    file_server::{For, Relay},
    roster::Share,
};
use crate::{
    conference::companion::{CompanionCx, Seat},
    fileshare::{
        ShareId,
        wire::{
            Failure, FailureCode,
            control::{Body, MemberState, Message},
            line::Line,
        },
    },
    id::{ConferenceName, ParticipantId},
    sdp::Direction,
    sip::endpoint::Call,
};

/// What a terminal that asks meanwhile is told; it asks again.
pub(super) const AWAY: &str = "the file server is away; ask again";

impl FileSharing {
    /// The shares of a file server.
    pub(super) fn shares_at(&self, server: usize) -> Vec<(ConferenceName, ShareId)> {
        let all = self.rooms.iter().flat_map(|(name, room)| room.shares.iter().map(move |(id, share)| (name, *id, share)));
        all.filter(|(_, _, share)| share.server == server).map(|(name, id, _)| (name.clone(), id)).collect()
    }

    fn share_mut(&mut self, conference: &ConferenceName, id: ShareId) -> Option<&mut Share> {
        self.rooms.get_mut(conference)?.shares.get_mut(&id)
    }

    /// A share loses its file server: it waits, where anybody would hear that the server is back.
    pub(super) fn cast_adrift(&mut self, cx: &mut CompanionCx<'_>, conference: &ConferenceName, id: ShareId, why: &str) {
        let resume = self.config.resume;
        let waits = self.config.ping.is_some();
        let Some(share) = self.share_mut(conference, id) else { return };
        if !waits {
            return self.end_share(cx, conference, id, &Failure::new(FailureCode::Unreachable, why), None);
        }
        if !std::mem::replace(&mut share.adrift, true) {
            tracing::warn!(%conference, share = %id, why, "share waits for its file server");
            self.deadlines.set(&Due::Adrift(conference.clone(), id), cx.now.checked_add(resume));
            let of_share = |relay: &Relay| relay.seat.conference == *conference && relay.share == id;
            let asked = self.relays.extract_if(.., |_, relay| of_share(relay)).map(|(_, relay)| relay).collect();
            self.put_off(cx, asked);
        }
    }

    /// Whoever asked is to ask again.
    pub(super) fn put_off(&mut self, cx: &mut CompanionCx<'_>, asked: Vec<Relay>) {
        for Relay { seat, share, id, last, .. } in asked {
            if last {
                self.tell_terminal(cx, &seat, Body::of_share(id, share, Message::Done));
            } else {
                self.refuse_terminal(cx, &seat, &id, Some(share), FailureCode::Busy, AWAY);
            }
        }
    }

    /// Forgets the calls of a share: the process that they went to is gone. What they were to bring is asked of the next one.
    pub(super) fn drop_calls(&mut self, cx: &mut CompanionCx<'_>, conference: &ConferenceName, id: ShareId) {
        let members = self.share_mut(conference, id).map(|share| &share.members);
        let calls: Vec<Call> = members.into_iter().flat_map(|members| members.values().filter_map(|member| member.call)).collect();
        for call in calls {
            if let Some(leg) = self.legs.get(&call).filter(|leg| !leg.up) {
                let (seat, wanted) = (leg.seat.clone(), leg.wanted.clone());
                self.hold(cx, &seat, id, &wanted);
            }
            self.hang_up(cx, call);
        }
    }

    /// S408 was not answered, and its share waits for the file server: so does the member, or it asks again. False where nobody waits: nobody
    /// would hear that the server is back, or it is the sharer's own call.
    pub(super) fn hold(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, id: ShareId, wanted: &For) -> bool {
        let waits = self.config.ping.is_some();
        let share = self.share_mut(&seat.conference, id).filter(|share| waits && share.sharer != seat.participant);
        let Some(share) = share else { return false };
        let source = share.members.get(&seat.participant).and_then(|member| member.source);
        let Some(line) = source.map(|source| receiving(&share.line, source)) else { return false };
        self.cast_adrift(cx, &seat.conference, id, "the file server does not answer");
        match wanted {
            For::Going { .. } | For::Info { .. } => {
                if let Some(member) = self.member(seat, id) {
                    member.held = Some((line, wanted.clone()));
                }
            }
            For::Answer { place } => {
                // An offer of the terminal's own cannot wait for so long; it has no part in the share until it offers again.
                self.explain(cx, seat, None, &Failure::new(FailureCode::Busy, AWAY));
                self.answer_line(seat, *place, None);
                let call = self.member(seat, id).and_then(|member| member.call);
                if let Some(share) = self.share_mut(&seat.conference, id) {
                    share.members.remove(&seat.participant);
                }
                if let Some(call) = call {
                    self.hang_up(cx, call);
                }
                self.check_complete(cx, &seat.conference, id);
            }
            For::Nothing => {}
        }
        true
    }

    /// A file server answers: shares that waited for it go on there.
    pub(super) fn restore(&mut self, cx: &mut CompanionCx<'_>, server: usize) {
        for (conference, id) in self.shares_at(server) {
            let Some(share) = self.share_mut(&conference, id).filter(|share| share.adrift) else { continue };
            let (sharer, seat) = (share.members.get(&share.sharer), Seat { conference: conference.clone(), participant: share.sharer });
            let Some((call, source)) = sharer.map(|member| (member.call, member.source)) else { continue };
            if let Some(call) = call {
                if self.legs.get(&call).is_some_and(|leg| leg.up) {
                    // It was silent, and has everything still.
                    self.restored(cx, &seat, id);
                }
                continue;
            }
            let at = |source: SocketAddr| Line { ip: Some(source.ip()), port: source.port(), source: Some(source), ..share.line.clone() };
            let line = source.map_or_else(|| share.line.clone(), at);
            tracing::info!(%conference, share = %id, "the share goes on at its file server");
            if let Err(why) = self.call_file_server(cx, &seat, id, line, For::Nothing) {
                tracing::warn!(%conference, share = %id, why = why.text, "the file server cannot be called");
            }
        }
    }

    /// The file server has the share again: everybody who has still to receive is made known to it, and who came meanwhile is asked.
    pub(super) fn restored(&mut self, cx: &mut CompanionCx<'_>, sharer: &Seat, id: ShareId) {
        let Some(share) = self.share_mut(&sharer.conference, id) else { return };
        share.adrift = false;
        let line = share.line.clone();
        let mut wanting: Vec<(ParticipantId, Line, For)> = Vec::new();
        for (participant, member) in &mut share.members {
            if *participant == sharer.participant || member.call.is_some() || member.is_over() {
                continue;
            }
            let again = member.source.map(|source| (receiving(&line, source), For::Nothing));
            // Whoever was only asked has still to answer.
            wanting.extend(member.held.take().or(again).map(|(line, wanted)| (*participant, line, wanted)));
        }
        self.deadlines.set(&Due::Adrift(sharer.conference.clone(), id), None);
        for (participant, line, wanted) in wanting {
            let seat = Seat { conference: sharer.conference.clone(), participant };
            if let Err(why) = self.call_file_server(cx, &seat, id, line, wanted) {
                self.member_ends(cx, &seat, id, MemberState::Failed, Some(why));
            }
        }
        self.announce(cx, sharer, id);
    }

    /// A share has waited long enough.
    pub(super) fn on_adrift_for_long(&mut self, cx: &mut CompanionCx<'_>, conference: &ConferenceName, id: ShareId) {
        if self.share_mut(conference, id).is_some_and(|share| share.adrift) {
            self.end_share(cx, conference, id, &Failure::new(FailureCode::Unreachable, "the file server was lost"), None);
        }
    }
}

/// The line of a member that connects from there, in a share whose sharer's line is this one.
fn receiving(sharers: &Line, source: SocketAddr) -> Line {
    Line { spelling: sharers.spelling, batch: sharers.batch.clone(), ..Line::terminal(sharers.transport, source, Direction::RecvOnly) }
}
