//! The focus and its [`Companion`]: lines that are not the media server's, in offers and answers both ways.
//!
//! A participant's offer is answered in two parts, the media server's and the companion's; the media server is not troubled where nothing
//! changes for it. An offer of ours holds the lines as they stand with the companion's laid over them. One exchange at a time: what the
//! companion wants to offer waits until the dialog is free, and gives way to an offer of the participant.

use bytes::Bytes;

use super::{
    Cx, Focus,
    conference::{Changing, Composing, Conference, Stage},
    dial_in::focus_headers,
    mix::sdp_of,
    session::{Session, lines_of, same_to_mixer},
};
use crate::{
    conference::companion::{Companion, CompanionCx, Lines, Person, Seat, Wish},
    id::{ConferenceName, ParticipantId},
    sdp::{Description, Media},
    sip::{
        endpoint::{Body, Call, Event, Incoming, Refused},
        message::{Host, Request},
    },
};

impl Focus {
    /// Puts a companion beside the focus.
    pub fn set_companion(&mut self, companion: Box<dyn Companion>) {
        self.companion = Some(companion);
    }

    /// The companion, if there is one.
    pub fn companion(&self) -> Option<&dyn Companion> {
        self.companion.as_deref()
    }

    fn with_companion<T>(&mut self, cx: &mut Cx<'_>, step: impl FnOnce(&mut dyn Companion, &mut CompanionCx<'_>) -> T) -> Option<T> {
        let companion = self.companion.as_mut()?;
        let mut cx = CompanionCx { now: cx.now, wall: cx.wall, endpoint: &mut *cx.endpoint };
        Some(step(companion.as_mut(), &mut cx))
    }

    fn owns(&self, line: &Media) -> bool {
        self.companion.as_ref().is_some_and(|companion| companion.owns(line))
    }

    /// The companion's lines among these.
    fn owned(&self, lines: &[Media]) -> Lines {
        lines.iter().enumerate().filter(|(_, line)| self.owns(line)).map(|(at, line)| (at, line.clone())).collect()
    }

    /// True for a session that asks for nothing but what the companion has: its dialog needs no media server.
    pub(super) fn is_without_audio(&self, sdp: &[u8]) -> bool {
        self.companion.is_some() && Description::parse(sdp).is_ok_and(|d| d.media.iter().all(|line| self.owns(line)))
    }

    /// Does what the companion wants, after each step.
    pub fn attend(&mut self, cx: &mut Cx<'_>) {
        loop {
            while let Some(wish) = self.companion.as_mut().and_then(|companion| companion.poll_wish()) {
                match wish {
                    Wish::Answer { seat, lines } => self.on_lines_answer(cx, &seat, lines),
                    Wish::Offer { seat } => {
                        self.wanting.insert(seat);
                    }
                }
            }
            let Some(seat) = self.wanting.iter().find(|seat| self.is_free(seat)).cloned() else { return };
            self.wanting.remove(&seat);
            self.offer_lines(cx, &seat);
        }
    }

    fn is_free(&self, seat: &Seat) -> bool {
        let member = self.conferences.get(&seat.conference).and_then(|c| c.members.get(&seat.participant));
        member.is_some_and(|m| m.seated && m.stage == Stage::In && m.changing.is_none() && !m.offerless)
    }

    /// An event that is not ours: of the companion's calls, perhaps.
    pub(super) fn pass_event(&mut self, cx: &mut Cx<'_>, event: &Event) -> bool {
        self.with_companion(cx, |companion, cx| companion.handle_event(cx, event)).unwrap_or(false)
    }

    /// What is due at the companion.
    pub(super) fn companion_due(&mut self, cx: &mut Cx<'_>) {
        self.with_companion(cx, |companion, cx| {
            if companion.next_timeout().is_some_and(|at| at <= cx.now) {
                companion.handle_timeout(cx);
            }
        });
    }

    /// The server stops.
    pub(super) fn shut_companion_down(&mut self, cx: &mut Cx<'_>) {
        self.with_companion(cx, |companion, cx| companion.shut_down(cx));
    }

    /// Somebody is in, or is another than before.
    pub(super) fn show_companion(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId) {
        let Some(conference) = self.conferences.get(name) else { return };
        let (Some(member), Some(entry)) = (conference.members.get(&id).filter(|m| m.seated), conference.roster.get(id)) else { return };
        let person =
            Person { call: member.call, user: entry.user().cloned(), uri: entry.uri.clone(), name: entry.name(), role: entry.role };
        let seat = Seat { conference: name.clone(), participant: id };
        self.with_companion(cx, |companion, cx| companion.entered(cx, &seat, person));
    }

    /// Somebody is gone.
    pub(super) fn leave_companion(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId, lost: bool) {
        let seat = Seat { conference: name.clone(), participant: id };
        self.wanting.remove(&seat);
        self.with_companion(cx, |companion, cx| companion.left(cx, &seat, lost));
    }

    /// A conference is over.
    pub(super) fn end_companion(&mut self, cx: &mut Cx<'_>, name: &ConferenceName) {
        self.with_companion(cx, |companion, cx| companion.ended(cx, name));
    }

    /// An INFO of a participant, if it is of one of the companion's packages.
    pub(super) fn pass_info(
        &mut self,
        cx: &mut Cx<'_>,
        name: &ConferenceName,
        id: ParticipantId,
        incoming: Incoming,
        request: &Request,
    ) -> bool {
        let package = request.headers.get("Info-Package").and_then(|p| p.split(';').next()).unwrap_or_default().trim();
        let ours = self.companion.as_ref().is_some_and(|c| c.packages().iter().any(|p| p.eq_ignore_ascii_case(package)));
        if !ours {
            return false;
        }
        self.seat_without_audio(cx, name, id);
        if !self.conferences.get(name).and_then(|c| c.members.get(&id)).is_some_and(|m| m.seated) {
            return false;
        }
        let seat = Seat { conference: name.clone(), participant: id };
        self.with_companion(cx, |companion, cx| companion.handle_info(cx, &seat, incoming, request));
        true
    }

    /// Shows the companion what a conference says of rights.
    pub(super) fn show_rights(&mut self, cx: &mut Cx<'_>, name: &ConferenceName) {
        let Some(rights) = self.conferences.get(name).map(Conference::rights) else { return };
        self.with_companion(cx, |companion, cx| companion.defined(cx, name, &rights));
    }

    /// The same of all conferences; called once, when the companion is there.
    pub fn show_all_rights(&mut self, cx: &mut Cx<'_>) {
        let names: Vec<ConferenceName> = self.conferences.keys().cloned().collect();
        for name in names {
            self.show_rights(cx, &name);
        }
    }

    /// Gives guests a right, or takes it.
    pub(super) fn give_guests(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, ids: &[ParticipantId], right: &str, on: bool) {
        let seats: Vec<Seat> = ids.iter().map(|id| Seat { conference: name.clone(), participant: *id }).collect();
        self.with_companion(cx, |companion, cx| companion.give_guests(cx, &seats, right, on));
    }

    /// A participant offers lines of the companion's, or has no leg: true when the offer is taken care of here.
    pub(super) fn compose(&mut self, cx: &mut Cx<'_>, call: Call, name: &ConferenceName, id: ParticipantId, sdp: &Bytes) -> bool {
        let Some(member) = self.conferences.get(name).and_then(|c| c.members.get(&id)) else { return false };
        let offer = match Description::parse(sdp) {
            Ok(offer) => offer.media,
            // The media server says what is wrong with it.
            Err(_) if member.leg.is_some() => return false,
            Err(why) => {
                cx.endpoint.reject(cx.now, call, why.status(), Vec::new());
                return true;
            }
        };
        let lines = self.owned(&offer);
        if lines.is_empty() && member.leg.is_some() && member.session.is_none() {
            return false;
        }
        let ours = member.session.as_ref().map_or_else(|| lines_of(&member.answer), |session| session.agreed().to_vec());
        if offer.len() < ours.len() {
            // RFC 3264 §8: lines may be refused, but never go.
            cx.endpoint.reject(cx.now, call, 488, Vec::new());
            return true;
        }
        let troubled = member.leg.filter(|_| self.touches_audio(&lines_of(&member.sdp), &offer, &ours));
        if let Some(leg) = troubled
            && cx.endpoint.reinvite(cx.now, leg, Some(Body::sdp(sdp.clone()))).is_err()
        {
            cx.endpoint.reject(cx.now, call, 500, vec![("Retry-After".to_owned(), "2".to_owned())]);
            return true;
        }
        let asked = member.seated && !lines.is_empty();
        // S307 is on its way: in a moment it is in, and then its lines are looked at.
        let soon = member.stage == Stage::Joining && !lines.is_empty();
        let composing = Composing { sdp: sdp.clone(), offer, mixing: troubled.is_some(), lines: (!asked && !soon).then(Lines::new) };
        if let Some(member) = self.conferences.get_mut(name).and_then(|c| c.members.get_mut(&id)) {
            member.changing = Some(Changing::Composing(Box::new(composing)));
        }
        if asked {
            let seat = Seat { conference: name.clone(), participant: id };
            self.with_companion(cx, |companion, cx| companion.offered(cx, &seat, &lines));
        }
        self.answer_whole(cx, name, id);
        true
    }

    /// A participant is in: what it has offered before is looked at now.
    pub(super) fn ask_companion_late(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId) {
        let member = self.conferences.get(name).and_then(|c| c.members.get(&id));
        let Some(Changing::Composing(composing)) = member.and_then(|m| m.changing.as_ref()) else { return };
        if composing.lines.is_none() {
            let (seat, lines) = (Seat { conference: name.clone(), participant: id }, self.owned(&composing.offer));
            self.with_companion(cx, |companion, cx| companion.offered(cx, &seat, &lines));
        }
    }

    /// Whether a description of a participant changes anything but the companion's lines.
    fn touches_audio(&self, known: &[Media], now: &[Media], ours: &[Media]) -> bool {
        now.iter().enumerate().filter(|(_, line)| !self.owns(line)).any(|(at, line)| match known.get(at) {
            Some(known) => !same_to_mixer(known, line, ours.get(at)),
            None => line.port != 0,
        })
    }

    /// The media server's part of an answer has come.
    pub(super) fn on_mixing_answered(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId) {
        if let Some(Changing::Composing(composing)) =
            self.conferences.get_mut(name).and_then(|c| c.members.get_mut(&id)).and_then(|m| m.changing.as_mut())
        {
            composing.mixing = false;
        }
        self.answer_whole(cx, name, id);
    }

    /// The companion's part of an answer has come.
    fn on_lines_answer(&mut self, cx: &mut Cx<'_>, seat: &Seat, lines: Lines) {
        let member = self.conferences.get_mut(&seat.conference).and_then(|c| c.members.get_mut(&seat.participant));
        if let Some(Changing::Composing(composing)) = member.and_then(|m| m.changing.as_mut()) {
            composing.lines = Some(lines);
        }
        self.answer_whole(cx, &seat.conference, seat.participant);
    }

    /// Answers an offer once both parts of the answer are there.
    fn answer_whole(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId) {
        let Some(member) = self.conferences.get_mut(name).and_then(|c| c.members.get_mut(&id)) else { return };
        let whole = |c: &Composing| !c.mixing && c.lines.is_some();
        if !matches!(&member.changing, Some(Changing::Composing(composing)) if whole(composing)) {
            return;
        }
        let Some(Changing::Composing(composing)) = member.changing.take() else { return };
        let (call, audio) = (member.call, lines_of(&member.answer));
        let mut lines = composing.lines.unwrap_or_default();
        let session = member.session.take().or_else(|| Session::after(&member.answer));
        let media: Vec<Media> = composing
            .offer
            .iter()
            .enumerate()
            .map(|(at, theirs)| {
                let ours = if self.owns(theirs) { lines.remove(&at) } else { audio.get(at).filter(|m| m.is_kind(&theirs.kind)).cloned() };
                ours.filter(|_| theirs.port != 0).unwrap_or_else(|| theirs.refused())
            })
            .collect();
        let Some((mut session, said)) = session.and_then(|mut session| {
            let said = session.describe(media.clone())?;
            Some((session, said))
        }) else {
            return cx.endpoint.reject(cx.now, call, 488, Vec::new());
        };
        session.agree(media);
        if let Some(member) = self.conferences.get_mut(name).and_then(|c| c.members.get_mut(&id)) {
            member.session = Some(session);
        }
        let contact = self.contact(cx, name, call);
        cx.endpoint.accept(cx.now, call, Some(Body::sdp(said)), focus_headers(contact));
        self.note_hold(cx, name, id);
    }

    /// A participant took its offer back, or it is refused as a whole.
    pub(super) fn take_lines_back(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId) {
        let seat = Seat { conference: name.clone(), participant: id };
        self.with_companion(cx, |companion, cx| companion.taken_back(cx, &seat));
    }

    /// S406, S410, and whatever else the companion offers.
    fn offer_lines(&mut self, cx: &mut Cx<'_>, seat: &Seat) {
        let Some(media) = self.overlaid(cx, seat, None) else { return };
        let Some(member) = self.conferences.get_mut(&seat.conference).and_then(|c| c.members.get_mut(&seat.participant)) else { return };
        let call = member.call;
        let said = member.session.as_mut().and_then(|session| session.describe(media.clone()));
        let sent = said.ok_or(Refused::Full).and_then(|said| cx.endpoint.reinvite(cx.now, call, Some(Body::sdp(said))));
        if let Err(why) = sent {
            tracing::warn!(%seat, %why, "the session cannot be changed");
            self.with_companion(cx, |companion, cx| companion.refused(cx, seat, 500));
            return;
        }
        member.changing = Some(Changing::Offering(media));
    }

    /// The session as it stands, or with other lines of the media server, and the companion's lines of this moment over it; `None` when
    /// it has none to offer.
    fn overlaid(&mut self, cx: &mut Cx<'_>, seat: &Seat, audio: Option<Vec<Media>>) -> Option<Vec<Media>> {
        let member = self.conferences.get_mut(&seat.conference)?.members.get_mut(&seat.participant)?;
        if member.session.is_none() {
            member.session = Session::after(&member.answer);
        }
        let mut media = member.session.as_ref()?.agreed().to_vec();
        let wanted = audio.is_some();
        for (at, line) in audio.into_iter().flatten().enumerate() {
            match media.get_mut(at) {
                Some(place) if place.is_kind(&line.kind) && !self.owns(place) => *place = line,
                Some(_) => {}
                None => media.push(line),
            }
        }
        let lines = self.with_companion(cx, |companion, cx| companion.offer(cx, seat, &media)).unwrap_or_default();
        if lines.is_empty() && !wanted {
            return None;
        }
        for (at, line) in lines {
            let end = media.len();
            match media.get_mut(at) {
                Some(place) if self.owns(place) => *place = line,
                None if at == end => media.push(line),
                // Not a place of the companion's.
                _ => tracing::error!(%seat, at, "a line out of place"),
            }
        }
        Some(media)
    }

    /// A participant asked for an offer, in a session that is not the media server's alone: with the media server's lines, if it has a leg.
    pub(super) fn offer_again(&mut self, cx: &mut Cx<'_>, call: Call, name: &ConferenceName, id: ParticipantId, audio: Option<&Bytes>) {
        let seat = Seat { conference: name.clone(), participant: id };
        let media = self.overlaid(cx, &seat, Some(audio.map(|sdp| lines_of(sdp)).unwrap_or_default()));
        let contact = self.contact(cx, name, call);
        let Some(member) = self.conferences.get_mut(name).and_then(|c| c.members.get_mut(&id)) else { return };
        let said = media.as_ref().and_then(|media| member.session.as_mut()?.describe(media.clone()));
        let (Some(media), Some(said)) = (media, said) else { return cx.endpoint.reject(cx.now, call, 500, Vec::new()) };
        member.offerless = true;
        member.changing = Some(Changing::Offering(media));
        cx.endpoint.accept(cx.now, call, Some(Body::sdp(said)), focus_headers(contact));
    }

    /// S407, S411: a participant answered an offer of ours.
    pub(super) fn on_offer_answered(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId, sdp: &Bytes) {
        let Some(member) = self.conferences.get_mut(name).and_then(|c| c.members.get_mut(&id)) else { return };
        let Some(Changing::Offering(offered)) = member.changing.take_if(|c| matches!(c, Changing::Offering(_))) else { return };
        let seat = Seat { conference: name.clone(), participant: id };
        let answer = lines_of(sdp);
        let fits = answer.len() == offered.len() && answer.iter().zip(&offered).all(|(a, o)| a.is_kind(&o.kind));
        if !fits {
            self.with_companion(cx, |companion, cx| companion.refused(cx, &seat, 488));
            return;
        }
        let (leg, known) = (member.leg, lines_of(&member.sdp));
        let agreed = offered.iter().zip(&answer).map(|(o, a)| if a.port == 0 { o.refused() } else { o.clone() }).collect();
        if let Some(session) = member.session.as_mut() {
            session.agree(agreed);
        }
        let lines = self.owned(&answer);
        if let Some(leg) = leg.filter(|_| self.touches_audio(&known, &answer, &offered))
            && cx.endpoint.reinvite(cx.now, leg, Some(Body::sdp(sdp.clone()))).is_ok()
            && let Some(member) = self.conferences.get_mut(name).and_then(|c| c.members.get_mut(&id))
        {
            // Its audio is another than before.
            member.changing = Some(Changing::Telling(sdp.clone()));
        }
        self.with_companion(cx, |companion, cx| companion.answered(cx, &seat, &lines));
    }

    /// A participant refused an offer of ours as a whole.
    pub(super) fn on_offer_refused(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId, status: u16) {
        let Some(member) = self.conferences.get_mut(name).and_then(|c| c.members.get_mut(&id)) else { return };
        if member.changing.take_if(|c| matches!(c, Changing::Offering(_))).is_some() {
            let seat = Seat { conference: name.clone(), participant: id };
            self.with_companion(cx, |companion, cx| companion.refused(cx, &seat, status));
        }
    }

    /// A participant offers while an offer of ours waits for its turn: ours gives way, and is made anew afterwards.
    pub(super) fn give_way(&mut self, cx: &mut Cx<'_>, call: Call, name: &ConferenceName, id: ParticipantId) {
        let Some(member) = self.conferences.get_mut(name).and_then(|c| c.members.get_mut(&id)) else { return };
        if matches!(member.changing, Some(Changing::Offering(_))) && cx.endpoint.withdraw_reinvites(call) > 0 {
            member.changing = None;
            self.wanting.insert(Seat { conference: name.clone(), participant: id });
        }
    }

    /// The ACK of a participant without a leg: it is in, or answers an offer of ours.
    pub(super) fn on_acked_without_audio(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId, request: &Request) {
        let Some(conference) = self.conferences.get_mut(name) else { return };
        let Some(member) = conference.members.get_mut(&id) else { return };
        if std::mem::take(&mut member.offerless) {
            let sdp = sdp_of(request.headers.get("Content-Type"), &request.body);
            return self.on_offer_answered(cx, name, id, &sdp);
        }
        self.seat_without_audio(cx, name, id);
    }

    /// Somebody without a leg has our answer: it is in. That its first INFO shows as well, where it overtakes the ACK: a large one goes by a
    /// stream, the ACK by UDP.
    fn seat_without_audio(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId) {
        let Some(conference) = self.conferences.get_mut(name) else { return };
        let (Some(member), Some(entry)) = (conference.members.get_mut(&id), conference.roster.get_mut(id)) else { return };
        if member.stage == Stage::Answering && !entry.audio && !member.offerless {
            member.stage = Stage::In;
            member.seated = true;
            entry.state = crate::conference::roster::CallState::Connected;
            entry.joined = Some(cx.wall);
            tracing::info!(conference = %name, participant = %id, uri = %entry.uri, "joined without audio");
            self.publish_user(cx, name, id);
        }
    }

    /// Answers a caller that wants nothing of the media server: its lines are refused for now, it offers them once it is in.
    pub(super) fn answer_without_audio(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId) {
        use rand::RngExt as _;
        let session_id = self.rng.random();
        let Some(call) = self.conferences.get(name).and_then(|c| c.members.get(&id)).map(|m| m.call) else { return };
        let transport = cx.endpoint.call_peer(call).map_or(self.config.outbound, |peer| peer.hop.transport);
        let host = cx.endpoint.contact(None, transport).uri.sip().map(|uri| uri.host.clone());
        let address = match host {
            Some(Host::Ip(ip)) => ip.to_string(),
            _ => "127.0.0.1".to_owned(),
        };
        let contact = self.contact(cx, name, call);
        let Some(member) = self.conferences.get_mut(name).and_then(|c| c.members.get_mut(&id)) else { return };
        let mut session = Session::own(session_id, address);
        let lines: Vec<Media> = lines_of(&member.sdp).iter().map(Media::refused).collect();
        let said = session.describe(lines.clone());
        session.agree(lines);
        member.session = Some(session);
        member.offerless = false;
        member.stage = Stage::Answering;
        cx.endpoint.accept(cx.now, call, said.map(Body::sdp), focus_headers(contact));
    }
}
