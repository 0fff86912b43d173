//! S402, S403, S408, S409: one call to the file server for each member of a share, and what is said in it.

use std::{net::SocketAddr, time::Duration};

use super::{Asked, FileSharing};
use crate::{
    conference::{
        companion::{CompanionCx, Seat},
        wire::multipart,
    },
    fileshare::{
        ShareId,
        outbox::Outbox,
        wire::{
            ASSERTED_IDENTITY, Failure, FailureCode,
            control::{self, Body, CONTENT_TYPE, INFO_PACKAGE, MAX_MEMBERS, Message},
            line::Line,
        },
    },
    sdp::{self, Description, Negotiation},
    sip::{
        endpoint::{self, Call, Event, Invite, warned},
        message::{Headers, Method, NameAddr, Request, Response, SipUri},
    },
};

/// What the file server's answer is wanted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum For {
    /// S404: the answer to the terminal's offer, in this place.
    Answer { place: usize },
    /// S410: an offer to the terminal, in this place.
    Going { place: usize },
    /// S804, S810: an INFO that answers the one with this id.
    Info { id: String },
    /// Nothing: it is agreed.
    Nothing,
}

/// One call to a file server.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) seat: Seat,
    pub(super) share: ShareId,
    pub(super) server: usize,
    pub(super) wanted: For,
    negotiation: Negotiation,
    outbox: Outbox,
    pub(super) up: bool,
}

/// How long a file server that has no room is left alone.
const NO_ROOM: Duration = Duration::from_secs(10);

/// A question of a terminal's that the file server is to answer.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) seat: Seat,
    pub(super) share: ShareId,
    /// The terminal's id of it.
    pub(super) id: String,
    /// The member has finished: its call ends with the answer.
    pub(super) last: bool,
    /// Members of a status that comes in several bodies, so far.
    pub(super) heard: Vec<control::Member>,
}

/// Most members of one status that are heard from a file server. Of the others this side's own word counts.
pub(super) const MAX_HEARD: usize = 64 * MAX_MEMBERS;

/// Most questions of one terminal that wait for a file server. Another one is refused.
pub(super) const MAX_RELAYS: usize = 32;

impl FileSharing {
    /// Calls the file server of a share: S402 for its sharer, S408 for a member.
    pub(super) fn call_file_server(
        &mut self,
        cx: &mut CompanionCx<'_>,
        seat: &Seat,
        id: ShareId,
        line: Line,
        wanted: For,
    ) -> Result<(), Failure> {
        let gone = || Failure::new(FailureCode::Ended, "the share has ended");
        let share = self.rooms.get_mut(&seat.conference).and_then(|room| room.shares.get_mut(&id)).ok_or_else(gone)?;
        let (server, conf) = (share.server, share.conf.clone());
        // The sharer may have left, and its share lives on.
        let gone_sharer = (share.sharer == seat.participant).then(|| share.from.uri.clone());
        let asserted = share.user.clone().filter(|_| share.sharer == seat.participant);
        let asserted = asserted.and_then(|user| Some(SipUri::new(Some(user.as_str()), self.config.uri.sip()?.host.clone(), None)));
        let from = self.rooms.get(&seat.conference).and_then(|room| room.attendees.get(&seat.participant)).map(|a| a.person.uri.clone());
        let state = self.servers.get(server).ok_or_else(gone)?;
        let ip = line.ip.or(line.source.map(|source| source.ip())).ok_or_else(|| Failure::new(FailureCode::Usage, "no address"))?;
        let line = Line { conf: Some(conf.clone()), share: Some(id), key: None, recipients: Vec::new(), ..line };
        let mut negotiation = Negotiation::new("-", ip, rand::RngExt::random(&mut self.rng));
        let offer = negotiation.offer(vec![line.to_media()]).map_err(|why| Failure::new(FailureCode::Failed, why.to_string()))?;
        let uri = state.at.uri(Some(&format!("conf={conf}")));
        let hop = state.at.hop.clone();
        let invite = Invite {
            to: NameAddr::new(uri.clone()),
            uri,
            from: NameAddr::new(from.or(gone_sharer).unwrap_or_else(|| self.config.uri.clone())),
            contact: cx.endpoint.contact(Some("files"), hop.transport),
            hop,
            route: Vec::new(),
            headers: [("Accept".to_owned(), format!("{}, {CONTENT_TYPE}", sdp::CONTENT_TYPE))]
                .into_iter()
                // From is what a guest likes to be called: what was uploaded belongs to accounts.
                .chain(asserted.map(|uri| (ASSERTED_IDENTITY.to_owned(), NameAddr::new(uri).to_string())))
                .collect(),
            body: Some(endpoint::Body::sdp(offer.to_text())),
            credentials: None,
        };
        let call = cx.endpoint.invite(cx.now, invite).map_err(|why| Failure::new(FailureCode::Limit, why.to_string()))?;
        let leg = Leg { seat: seat.clone(), share: id, server, wanted, negotiation, outbox: Outbox::default(), up: false };
        self.legs.insert(call, leg);
        if let Some(member) = self.member(seat, id) {
            member.call = Some(call);
        }
        Ok(())
    }

    /// A terminal says in its line that it will connect from another port: the file server's list is to have it.
    pub(super) fn declare(
        &mut self,
        cx: &mut CompanionCx<'_>,
        seat: &Seat,
        id: ShareId,
        place: usize,
        line: &Line,
        source: SocketAddr,
    ) -> Result<(), Failure> {
        let gone = || Failure::new(FailureCode::Ended, "the share has ended");
        let share = self.rooms.get(&seat.conference).and_then(|room| room.shares.get(&id)).ok_or_else(gone)?;
        let call = share.members.get(&seat.participant).and_then(|m| m.call).ok_or_else(gone)?;
        let line = Line { conf: Some(share.conf.clone()), share: Some(id), batch: share.line.batch.clone(), key: None, ..line.clone() };
        let leg = self.legs.get_mut(&call).filter(|leg| leg.up && leg.wanted == For::Nothing).ok_or_else(gone)?;
        let offer = leg.negotiation.offer(vec![line.to_media()]).map_err(|why| Failure::new(FailureCode::Busy, why.to_string()))?;
        if let Err(why) = cx.endpoint.reinvite(cx.now, call, Some(endpoint::Body::sdp(offer.to_text()))) {
            leg.negotiation.withdrawn();
            return Err(Failure::new(FailureCode::Busy, why.to_string()));
        }
        leg.wanted = For::Answer { place };
        if let Some(member) = self.member(seat, id) {
            member.source = Some(source);
        }
        Ok(())
    }

    /// An event of one of our calls or requests; false when it is none.
    pub(super) fn on_file_server_event(&mut self, cx: &mut CompanionCx<'_>, event: &Event) -> bool {
        match event {
            Event::Accepted { call, response } => self.on_file_server_accepted(cx, *call, response),
            Event::Rejected { call, response } | Event::ReinviteRejected { call, response } => {
                self.on_file_server_refused(cx, *call, response)
            }
            Event::Reinvite { call, .. } => self.on_file_server_reinvite(cx, *call),
            Event::Ended { call, why } => self.on_leg_ended(cx, *call, why),
            Event::Request { incoming, call: Some(call), request, .. } if self.legs.contains_key(call) => {
                match request.method {
                    Method::Info => {
                        let status = if read_body(&request.headers, request).is_some() { 200 } else { 415 };
                        cx.endpoint.respond(cx.now, *incoming, status, Vec::new(), None);
                        if let Some(body) = read_body(&request.headers, request) {
                            self.on_file_server_says(cx, *call, &body);
                        }
                    }
                    Method::Options => cx.endpoint.respond(cx.now, *incoming, 200, Vec::new(), None),
                    _ => cx.endpoint.respond(cx.now, *incoming, 405, Vec::new(), None),
                }
                true
            }
            Event::Response { outgoing, response } => match self.asked.remove(outgoing) {
                Some(Asked::Ping { server }) => {
                    self.on_pong(cx, server, response);
                    true
                }
                Some(Asked::FileServer { call }) => {
                    if let Some(leg) = self.legs.get_mut(&call) {
                        leg.outbox.answered();
                        self.flush_leg(cx, call);
                    }
                    true
                }
                Some(Asked::Terminal { seat, offer }) => {
                    self.on_terminal_answered(cx, &seat, offer, response.status);
                    true
                }
                None => false,
            },
            Event::Progress { call, .. } | Event::Refreshed { call, .. } | Event::Acked { call, .. } | Event::AckMissing { call } => {
                self.legs.contains_key(call)
            }
            _ => false,
        }
    }

    /// S403, S409.
    fn on_file_server_accepted(&mut self, cx: &mut CompanionCx<'_>, call: Call, response: &Response) -> bool {
        let Some(leg) = self.legs.get_mut(&call) else { return false };
        cx.endpoint.ack(cx.now, call, None);
        leg.up = true;
        leg.outbox.open();
        let wanted = std::mem::replace(&mut leg.wanted, For::Nothing);
        let (seat, id) = (leg.seat.clone(), leg.share);
        let answered = description_in(&response.headers, &response.body).and_then(|answer| {
            let line = answer.media.first().and_then(|media| Line::read(media).ok().flatten());
            leg.negotiation.answered(answer).ok()?;
            line
        });
        if leg.negotiation.is_offering() {
            leg.negotiation.withdrawn();
        }
        let usable = answered.and_then(|line| line.endpoint().ok().map(|endpoint| (line, endpoint)));
        let Some((line, endpoint)) = usable else {
            self.on_asked_in_vain(cx, &seat, id, &wanted, &Failure::new(FailureCode::Failed, "the file server's answer cannot be used"));
            return true;
        };
        let Some(share) = self.rooms.get_mut(&seat.conference).and_then(|room| room.shares.get_mut(&id)) else { return true };
        let (is_new, was_adrift) = (share.address.is_none(), share.adrift);
        share.located(&line);
        let is_sharer = share.sharer == seat.participant;
        if let Some(member) = share.members.get_mut(&seat.participant)
            && member.state == control::MemberState::Offered
        {
            member.state = control::MemberState::Accepted;
        }
        let conf = share.conf.clone();
        let theirs = Line { share: Some(id), conf: Some(conf.clone()), batch: None, ..line };
        match wanted {
            For::Answer { place } => self.answer_line(&seat, place, Some(theirs)),
            For::Going { place } => {
                let batch = self.rooms.get(&seat.conference).and_then(|r| r.shares.get(&id)?.line.batch.clone());
                self.go(&seat, id, place, Line { batch, ..theirs });
            }
            For::Info { id: asked } => {
                let message = if is_sharer { Message::ShareAnswer(endpoint) } else { Message::DownloadGo(endpoint) };
                self.tell_terminal(cx, &seat, Body { conf: Some(conf), ..Body::of_share(asked, id, message) });
            }
            For::Nothing => {}
        }
        if is_sharer && (is_new || was_adrift) {
            if self.config.limits != control::Limits::default() {
                let body = Message::Limits(self.config.limits);
                self.tell_file_server(cx, call, body);
            }
            if was_adrift {
                self.restored(cx, &seat, id);
            } else {
                self.announce(cx, &seat, id);
            }
        }
        self.flush_leg(cx, call);
        true
    }

    fn on_file_server_refused(&mut self, cx: &mut CompanionCx<'_>, call: Call, response: &Response) -> bool {
        let Some(leg) = self.legs.get_mut(&call) else { return false };
        leg.negotiation.withdrawn();
        let (seat, id, server) = (leg.seat.clone(), leg.share, leg.server);
        let wanted = std::mem::replace(&mut leg.wanted, For::Nothing);
        let silent = matches!(response.status, 408 | 503) && response.to().is_none_or(|to| to.tag().is_none());
        if silent {
            self.server_away(cx.now, server);
        } else if response.status == 503 {
            self.servers.full(cx.now, server, NO_ROOM);
        }
        // A process that does not know the share may be another one than before, which nobody has noticed yet; but not twice.
        let unknown = matches!(response.status, 404 | 481);
        let another = unknown && self.member(&seat, id).is_some_and(|member| !std::mem::replace(&mut member.unknown, true));
        if (silent || another) && self.hold(cx, &seat, id, &wanted) {
            return true;
        }
        let said = if silent { "does not answer".to_owned() } else { format!("refused ({})", response.status) };
        let text = warned(&response.headers).unwrap_or_else(|| format!("the file server {said}"));
        let code = match response.status {
            404 | 481 => FailureCode::NotFound,
            403 => FailureCode::Forbidden,
            413 => FailureCode::Limit,
            408 | 503 => FailureCode::Unreachable,
            486 => FailureCode::Conflict,
            _ => FailureCode::Failed,
        };
        self.on_asked_in_vain(cx, &seat, id, &wanted, &Failure::new(code, text));
        true
    }

    /// The file server refreshes the session: it stands as it stood.
    fn on_file_server_reinvite(&mut self, cx: &mut CompanionCx<'_>, call: Call) -> bool {
        let Some(leg) = self.legs.get_mut(&call) else { return false };
        match leg.negotiation.offer_again() {
            Ok(standing) => {
                leg.negotiation.withdrawn();
                cx.endpoint.accept(cx.now, call, Some(endpoint::Body::sdp(standing.to_text())), Vec::new());
            }
            Err(_) => cx.endpoint.reject(cx.now, call, 491, Vec::new()),
        }
        true
    }

    /// Tells the file server something in a member's dialog; its id is given back.
    pub(super) fn tell_file_server(&mut self, cx: &mut CompanionCx<'_>, call: Call, message: Message) -> Option<String> {
        let id = self.fresh_id();
        let leg = self.legs.get_mut(&call)?;
        let conf = self.rooms.get(&leg.seat.conference)?.shares.get(&leg.share)?.conf.clone();
        leg.outbox.push(Body::of_conf(id.clone(), conf, message));
        self.flush_leg(cx, call);
        Some(id)
    }

    fn flush_leg(&mut self, cx: &mut CompanionCx<'_>, call: Call) {
        let Some(leg) = self.legs.get_mut(&call) else { return };
        while let Some(body) = leg.outbox.next() {
            // A refusal means that the call is on its way out.
            if let Ok(outgoing) = cx.endpoint.request(cx.now, call, Method::Info, package(), Some(xml(&body))) {
                leg.outbox.sent(outgoing);
                self.asked.insert(outgoing, Asked::FileServer { call });
            }
        }
    }
}

/// The header that names the package (RFC 6086).
pub(super) fn package() -> Vec<(String, String)> {
    vec![("Info-Package".to_owned(), INFO_PACKAGE.to_owned())]
}

pub(super) fn xml(body: &Body) -> endpoint::Body {
    endpoint::Body::new(CONTENT_TYPE, body.to_xml())
}

/// The body of an INFO, if it is one of ours.
pub(super) fn read_body(headers: &Headers, request: &Request) -> Option<Body> {
    let is_ours = multipart::media_type(headers.get("Content-Type").unwrap_or_default()) == CONTENT_TYPE;
    if is_ours { Body::parse(&request.body).ok() } else { None }
}

fn description_in(headers: &Headers, body: &bytes::Bytes) -> Option<Description> {
    let parts = multipart::bodies(headers.get("Content-Type").unwrap_or_default(), body).ok()?;
    let part = parts.into_iter().find(|part| part.media_type() == sdp::CONTENT_TYPE)?;
    Description::parse(&part.bytes).ok()
}
