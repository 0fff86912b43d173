//! INFO from and to terminals (S601–S605, S701–S705, S801–S812): some is ours to answer, the rest is passed on to the file server under an
//! id of ours, and its answer back.

use std::collections::BTreeMap;

use super::{
    Asked, Due, FileSharing,
    adrift::AWAY,
    file_server::{MAX_HEARD, MAX_RELAYS, Relay, package, xml},
    roster::{Member, Share},
};
use crate::{
    conference::companion::{CompanionCx, Seat},
    fileshare::{
        ShareId,
        wire::{
            Failure, FailureCode,
            control::{self, Body, CONTENT_TYPE, FileFacts, MAX_MEMBERS, MAX_SHARES, MemberState, Message, ShareSummary},
        },
    },
    id::ParticipantId,
    sip::{
        endpoint::{Call, Incoming, warning},
        message::{Method, Request},
    },
};

impl FileSharing {
    pub(super) fn member(&mut self, seat: &Seat, share: ShareId) -> Option<&mut Member> {
        self.rooms.get_mut(&seat.conference)?.shares.get_mut(&share)?.members.get_mut(&seat.participant)
    }

    /// An INFO of a terminal.
    pub(super) fn on_terminal_info(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, incoming: Incoming, request: &Request) {
        let media_type = request.content_type().unwrap_or_default();
        if media_type != CONTENT_TYPE {
            return cx.endpoint.respond(cx.now, incoming, 415, vec![("Accept".to_owned(), CONTENT_TYPE.to_owned())], None);
        }
        match Body::parse(&request.body) {
            Ok(body) => {
                cx.endpoint.respond(cx.now, incoming, 200, Vec::new(), None);
                self.on_terminal_says(cx, seat, body);
            }
            Err(why) => match why.refusal() {
                Some(refusal) => {
                    cx.endpoint.respond(cx.now, incoming, 200, Vec::new(), None);
                    self.tell_terminal(cx, seat, refusal);
                }
                None => cx.endpoint.respond(cx.now, incoming, 400, vec![warning(&why.to_string())], None),
            },
        }
    }

    fn on_terminal_says(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, body: Body) {
        let Body { id, share, message, .. } = body;
        if let Message::ShareRequest(request) = message {
            if let Err(why) = self.begin_by_info(cx, seat, &id, request) {
                self.tell_terminal(cx, seat, Body { id, share, conf: None, message: Message::Refusal(why) });
            }
            return;
        }
        if message == Message::SharesRequest {
            return self.tell_shares(cx, seat, id);
        }
        let known = share.filter(|share| self.may_know(seat, *share));
        let Some(share) = known else {
            if !matches!(message, Message::Refusal(_) | Message::Done | Message::GoAcknowledged) {
                self.refuse_terminal(cx, seat, &id, share, FailureCode::NotFound, "there is no such share");
            }
            return;
        };
        let is_sharer = self.rooms.get(&seat.conference).and_then(|r| r.shares.get(&share)).is_some_and(|s| s.sharer == seat.participant);
        match message {
            Message::DownloadAnswer { source } => self.on_wanted_by_info(cx, seat, share, &id, source),
            Message::GoAcknowledged => self.on_going(cx, seat, share),
            Message::Refusal(why) => self.on_terminal_refuses(cx, seat, share, why),
            // S702: S703 tells the file server.
            Message::DownloadReady => {
                let call = self.member(seat, share).and_then(|m| m.call);
                call.and_then(|call| self.tell_file_server(cx, call, Message::DownloadRequest));
            }
            Message::UploadRequest { files } => {
                self.name_files(seat, share, &files);
                self.pass_on(cx, seat, share, id, Message::UploadRequest { files }, false);
            }
            Message::Reconnect { source } if self.is_owners_other(seat, share) => self.take_over(cx, seat, share, id, source),
            message @ (Message::Reconnect { .. } | Message::StatusRequest) => {
                self.pass_on(cx, seat, share, id, message, false);
            }
            Message::ShareSuspended => self.suspend(cx, seat, share, id),
            Message::DownloadComplete { bytes } if !is_sharer => {
                if let Some(member) = self.member(seat, share) {
                    (member.state, member.bytes) = (MemberState::Complete, bytes);
                }
                self.pass_on(cx, seat, share, id, Message::DownloadComplete { bytes }, true);
                self.member_ends(cx, seat, share, MemberState::Complete, None);
                self.drop_broken(cx, seat, share);
            }
            Message::DownloadError(why) if !is_sharer => {
                if let Some(member) = self.member(seat, share) {
                    (member.state, member.failure) = (MemberState::Failed, Some(why.clone()));
                }
                self.pass_on(cx, seat, share, id, Message::DownloadError(why.clone()), true);
                self.member_ends(cx, seat, share, MemberState::Failed, Some(why));
            }
            Message::ShareEnded(why) if is_sharer || self.is_owners_other(seat, share) => {
                self.tell_terminal(cx, seat, Body::of_share(id, share, Message::Done));
                self.end_share(cx, &seat.conference, share, &why, Some(seat.participant));
            }
            Message::ShareEnded(why) => {
                self.tell_terminal(cx, seat, Body::of_share(id, share, Message::Done));
                self.member_ends(cx, seat, share, MemberState::Left, Some(why));
            }
            Message::Done => {}
            Message::ShareRequest(_)
            | Message::ShareAnswer(_)
            | Message::DownloadOffer(_)
            | Message::DownloadGo(_)
            | Message::UploadReady
            | Message::UploadNotReady { .. }
            | Message::UploadComplete { .. }
            | Message::DownloadPrepare { .. }
            | Message::DownloadRequest
            | Message::DownloadComplete { .. }
            | Message::DownloadError(_)
            | Message::ShareComplete { .. }
            | Message::Reconnected(_)
            | Message::Status(_)
            | Message::SharesRequest
            | Message::Shares { .. }
            | Message::Limits(_) => {
                self.refuse_terminal(cx, seat, &id, Some(share), FailureCode::Unsupported, "an application server is not asked this");
            }
        }
    }

    /// S601 says the names of a batch whose line does not: a line has room for one.
    fn name_files(&mut self, seat: &Seat, id: ShareId, files: &[FileFacts]) {
        let share = self.rooms.get_mut(&seat.conference).and_then(|room| room.shares.get_mut(&id));
        let batch = share.filter(|share| share.sharer == seat.participant).and_then(|share| share.line.batch.as_mut());
        if let Some(batch) = batch.filter(|batch| batch.files.is_empty()) {
            batch.files = files.to_vec();
        }
    }

    /// Tells a terminal what there is.
    fn tell_shares(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, id: String) {
        let summary = |(id, share): (&ShareId, &Share)| {
            // Whoever only asks has no part in it.
            let counts = |(id, m): &(&ParticipantId, &Member)| **id != seat.participant || m.state != MemberState::Offered;
            let people = share.people(counts);
            let finished = people.iter().filter(|complete| **complete).count();
            Some(ShareSummary {
                share: *id,
                from: share.from.uri.to_string(),
                own: share.sharer == seat.participant || self.is_owners_other(seat, *id),
                batch: share.batch()?.clone(),
                uploaded: share.uploaded.unwrap_or_default(),
                complete: share.uploaded.is_some(),
                finished: u32::try_from(finished).unwrap_or(u32::MAX),
                members: u32::try_from(people.len()).unwrap_or(u32::MAX),
            })
        };
        let known = self.rooms.get(&seat.conference).map(|room| &room.shares);
        let shares = known.into_iter().flatten().filter(|(id, share)| share.address.is_some() && self.may_know(seat, **id));
        let shares = shares.filter_map(summary).collect();
        let whole = Body { id, share: None, conf: None, message: Message::Shares { shares, more: false } };
        for part in whole.split(MAX_SHARES) {
            self.tell_terminal(cx, seat, part);
        }
    }

    /// An answer to S806 or S701: the terminal does not want it, or cannot.
    fn on_terminal_refuses(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, share: ShareId, why: Failure) {
        self.deadlines.set(&Due::Answer(seat.conference.clone(), share, seat.participant), None);
        self.member_ends(cx, seat, share, MemberState::Declined, Some(why));
    }

    /// Passes a question on to the file server.
    pub(super) fn pass_on(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, share: ShareId, id: String, message: Message, last: bool) {
        let adrift = self.rooms.get(&seat.conference).and_then(|room| room.shares.get(&share)).is_some_and(|share| share.adrift);
        if adrift && !last {
            return self.refuse_terminal(cx, seat, &id, Some(share), FailureCode::Busy, AWAY);
        }
        let waiting = self.relays.values().filter(|relay| relay.seat == *seat).count();
        let status = message == Message::StatusRequest;
        let call = self.member(seat, share).and_then(|m| m.call).filter(|_| waiting < MAX_RELAYS);
        // Whoever is no member any more may ask, all the same.
        let any = || self.rooms.get(&seat.conference)?.shares.get(&share)?.members.values().find_map(|m| m.call);
        let call = call.or_else(|| any().filter(|_| status && waiting < MAX_RELAYS));
        if !status && self.member(seat, share).is_none() {
            return self.refuse_terminal(cx, seat, &id, Some(share), FailureCode::Forbidden, "you have no part in this share");
        }
        let asked = call.and_then(|call| Some((call, self.tell_file_server(cx, call, message)?)));
        match asked {
            Some((call, ours)) => {
                let relay = Relay { seat: seat.clone(), share, id, last, heard: Vec::new() };
                self.relays.insert((call, ours), relay);
            }
            None if last => self.tell_terminal(cx, seat, Body::of_share(id, share, Message::Done)),
            None => self.refuse_terminal(cx, seat, &id, Some(share), FailureCode::Busy, "the file server cannot be asked now"),
        }
    }

    /// The file server says something in a member's dialog.
    pub(super) fn on_file_server_says(&mut self, cx: &mut CompanionCx<'_>, call: Call, body: &Body) {
        let asked = (call, body.id.clone());
        if let (Message::Status(status), Some(relay)) = (&body.message, self.relays.get_mut(&asked))
            && status.more
        {
            let room = MAX_HEARD.saturating_sub(relay.heard.len());
            relay.heard.extend(status.members.iter().take(room).cloned());
            return;
        }
        if let Some(relay) = self.relays.remove(&asked) {
            return self.on_relayed(cx, call, relay, body);
        }
        let Some(leg) = self.legs.get(&call) else { return };
        let (seat, share) = (leg.seat.clone(), leg.share);
        match &body.message {
            Message::UploadComplete { bytes } => self.on_uploaded(cx, &seat, share, *bytes),
            Message::ShareEnded(why) => self.end_share(cx, &seat.conference, share, why, None),
            Message::DownloadError(why) => {
                let id = self.fresh_id();
                self.tell_terminal(cx, &seat, Body::of_share(id, share, Message::ShareEnded(why.clone())));
                self.member_ends(cx, &seat, share, MemberState::Failed, Some(why.clone()));
            }
            Message::Status(status) => {
                if let Some(member) = self.member(&seat, share).filter(|m| !m.is_over()) {
                    let who = member.report().who;
                    if let Some(told) = status.members.iter().find(|told| told.who == who) {
                        (member.state, member.bytes) = (told.state, told.bytes);
                        member.failure.clone_from(&told.failure);
                    }
                }
                self.drop_broken(cx, &seat, share);
            }
            // Answers that nobody waits for.
            _ => {}
        }
    }

    /// The file server answered a question of a terminal's.
    fn on_relayed(&mut self, cx: &mut CompanionCx<'_>, call: Call, relay: Relay, body: &Body) {
        let message = match &body.message {
            Message::Status(status) => {
                let share = self.rooms.get(&relay.seat.conference).and_then(|room| room.shares.get(&relay.share));
                let heard: BTreeMap<_, _> = relay.heard.iter().chain(&status.members).map(|m| (m.who.as_str(), m)).collect();
                let members: Vec<control::Member> = share
                    .into_iter()
                    .flat_map(Share::receivers)
                    .map(|(_, member)| {
                        let ours = member.report();
                        match heard.get(ours.who.as_str()).filter(|_| !member.is_over()) {
                            Some(theirs) => (*theirs).clone(),
                            None => ours,
                        }
                    })
                    .collect();
                Message::Status(control::Status { members, more: false, ..status.clone() })
            }
            Message::Reconnected(endpoint) => {
                if let Some(member) = self.member(&relay.seat, relay.share) {
                    member.state = MemberState::Accepted;
                }
                Message::Reconnected(endpoint.clone())
            }
            other => other.clone(),
        };
        // Who goes on with an upload in another dialog does not know the data conference, and has to name it in its proof.
        let known = self.rooms.get(&relay.seat.conference).and_then(|room| room.shares.get(&relay.share));
        let conf = known.filter(|_| matches!(message, Message::Reconnected(_))).map(|share| share.conf.clone());
        let answer = Body { conf, ..Body::of_share(relay.id, relay.share, message) };
        for part in answer.split(MAX_MEMBERS) {
            self.tell_terminal(cx, &relay.seat, part);
        }
        if relay.last {
            self.hang_up(cx, call);
            self.check_complete(cx, &relay.seat.conference, relay.share);
        }
    }

    pub(super) fn refuse_terminal(
        &mut self,
        cx: &mut CompanionCx<'_>,
        seat: &Seat,
        id: &str,
        share: Option<ShareId>,
        code: FailureCode,
        why: &str,
    ) {
        let message = Message::Refusal(Failure::new(code, why));
        self.tell_terminal(cx, seat, Body { id: id.to_owned(), share, conf: None, message });
    }

    /// Tells a terminal something, if it takes our INFOs.
    pub(super) fn tell_terminal(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, body: Body) {
        if self.is_announced(cx, seat)
            && let Some(attendee) = self.attendee(seat)
        {
            attendee.outbox.push(body);
            self.flush_terminal(cx, seat);
        }
    }

    fn flush_terminal(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat) {
        let Some(attendee) = self.rooms.get_mut(&seat.conference).and_then(|r| r.attendees.get_mut(&seat.participant)) else { return };
        while let Some(body) = attendee.outbox.next() {
            let offer = body.share.filter(|_| matches!(body.message, Message::DownloadOffer(_)));
            if let Ok(outgoing) = cx.endpoint.request(cx.now, attendee.person.call, Method::Info, package(), Some(xml(&body))) {
                attendee.outbox.sent(outgoing);
                self.asked.insert(outgoing, Asked::Terminal { seat: seat.clone(), offer });
            }
        }
    }

    /// A terminal answered an INFO of ours. One that refuses an offer takes no part.
    pub(super) fn on_terminal_answered(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, offer: Option<ShareId>, status: u16) {
        if let Some(attendee) = self.attendee(seat) {
            attendee.outbox.answered();
        }
        if let Some(share) = offer.filter(|_| status >= 300) {
            self.deadlines.set(&Due::Answer(seat.conference.clone(), share, seat.participant), None);
            let why = Failure::new(FailureCode::Unsupported, format!("the terminal answered {status}"));
            self.member_ends(cx, seat, share, MemberState::NotTakingPart, Some(why));
        }
        self.flush_terminal(cx, seat);
    }
}
