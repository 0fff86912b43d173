//! INVITEs (S402, S408): what is asked for, and which are refused with which status. Re-INVITEs: a new source port (reconnecting), port 0.

use std::{net::SocketAddr, time::Instant};

use rand::RngExt as _;

use super::{
    admission::{MemberId, Pass},
    config::RETRY_AFTER,
    node::{Due, FileServer},
    plane::DataPlane,
    session::Session,
    share::{Share, within},
};
use crate::{
    conference::{called::address_near, wire::multipart},
    fileshare::{
        ConfId,
        outbox::Outbox,
        wire::{
            ASSERTED_IDENTITY, TransferKey,
            control::{Endpoint, MemberState},
            line::{Line, LineError, Spelling, Transport},
            proof::Role,
        },
    },
    sdp::{self, Description, Direction, Negotiation, NegotiationError},
    sip::{
        endpoint::{self, Call},
        message::{NameAddr, Request, Response},
    },
};

/// Why an INVITE is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    why: String,
}

/// The share's line of an offer, and where it stands.
struct Offered {
    place: usize,
    line: Line,
    role: Role,
    source: SocketAddr,
}

impl Refusal {
    fn new(status: u16, why: impl Into<String>) -> Self {
        Self { status, why: why.into() }
    }

    fn headers(&self) -> Vec<(String, String)> {
        let mut headers = vec![endpoint::warning(&self.why)];
        if self.status == 503 {
            headers.push(("Retry-After".to_owned(), RETRY_AFTER.to_string()));
        }
        if self.status == 415 {
            headers.push(("Accept".to_owned(), sdp::CONTENT_TYPE.to_owned()));
        }
        headers
    }
}

impl From<LineError> for Refusal {
    fn from(error: LineError) -> Self {
        Self::new(488, error.to_string())
    }
}

impl From<NegotiationError> for Refusal {
    fn from(error: NegotiationError) -> Self {
        Self::new(if error == NegotiationError::Open { 491 } else { 488 }, error.to_string())
    }
}

/// The account that the application server vouches for (RFC 3325): what is left of an upload is taken up by nobody else. Guests have none, whatever
/// their From says.
fn asserted(invite: &Request) -> Option<String> {
    let asserted = invite.headers.get(ASSERTED_IDENTITY)?.parse::<NameAddr>().ok()?;
    asserted.uri.user().filter(|user| !user.is_empty())?;
    Some(asserted.uri.to_string())
}

impl<P: DataPlane> FileServer<P> {
    pub(super) fn on_invite(&mut self, now: Instant, call: Call, request: &Request) {
        if let Err(refusal) = self.establish(now, call, request) {
            self.refuse(now, call, &refusal);
        }
    }

    fn refuse(&mut self, now: Instant, call: Call, refusal: &Refusal) {
        tracing::info!(status = refusal.status, why = refusal.why, "file share refused");
        self.endpoint.reject(now, call, refusal.status, refusal.headers());
    }

    fn establish(&mut self, now: Instant, call: Call, invite: &Request) -> Result<(), Refusal> {
        let conf = conf_of(invite)?;
        if self.draining {
            return Err(Refusal::new(503, "the file server is being stopped"));
        }
        if !endpoint::takes(&invite.headers, sdp::CONTENT_TYPE) {
            return Err(Refusal::new(406, "the answer is a session description"));
        }
        let offer = offer_of(invite)?.ok_or_else(|| Refusal::new(488, "a share begins with an offer"))?;
        let shared = self.shares.contains_key(&conf);
        let offered = self.share_line(&offer, None, if shared { Role::Download } else { Role::Upload })?;
        if offered.line.conf.as_ref().is_some_and(|named| *named != conf) {
            return Err(Refusal::new(488, "the line is of another data conference than the one that is called"));
        }
        self.admissible(&conf, &offered)?;
        let mut negotiation = self.negotiation(offered.source)?;
        let batch = offered.line.batch.clone();
        let who = invite.from().map_or_else(String::new, |from| from.uri.to_string());
        let sharer = asserted(invite).filter(|_| offered.role == Role::Upload);
        let port = self.listen(now, &conf, batch.as_ref().map(|batch| batch.id), sharer.as_deref())?;
        let key = TransferKey::random(&mut self.rng);
        let member = MemberId(self.next_member);
        self.next_member = self.next_member.wrapping_add(1);
        let answered = self.answer(&mut negotiation, offer, &offered, port, &key);
        let (body, line) = match answered {
            Ok(answered) => answered,
            Err(refusal) => {
                if !shared {
                    self.plane.close(&conf, &super::ending::ended("the share could not begin"));
                }
                return Err(refusal);
            }
        };
        let Offered { place, role, source, .. } = offered;
        match self.shares.get_mut(&conf) {
            Some(share) => {
                share.members.insert(call);
                share.port = Some(port);
            }
            None => {
                self.shares.insert(conf.clone(), Share::new(now, call, port, batch));
            }
        }
        self.plane.admit(&conf, member, Pass { role, source, key: key.clone() });
        let session = Session {
            conf: conf.clone(),
            member,
            who,
            role,
            source,
            key,
            negotiation,
            place,
            line,
            outbox: Outbox::default(),
            state: MemberState::Accepted,
            failure: None,
            bytes: None,
            next_id: 0,
        };
        self.sessions.insert(call, session);
        self.by_member.insert(member, call);
        self.await_connection(now, call);
        self.endpoint.accept(now, call, Some(endpoint::Body::sdp(body.to_text())), Vec::new());
        Ok(())
    }

    /// Whether there is room, and a data conference to which this can belong.
    fn admissible(&self, conf: &ConfId, offered: &Offered) -> Result<(), Refusal> {
        let limits = &self.config.limits;
        match (self.shares.get(conf), offered.role) {
            (Some(_), Role::Upload) => return Err(Refusal::new(486, "the data conference has its sharer")),
            (None, Role::Download) => return Err(Refusal::new(404, "there is no such data conference")),
            (None, Role::Upload) if self.shares.len() >= limits.shares => {
                return Err(Refusal::new(503, "as many data conferences as this server keeps are there"));
            }
            (Some(share), Role::Download) if share.members.len() >= limits.members => {
                return Err(Refusal::new(503, "as many members as a data conference may have are there"));
            }
            (Some(share), Role::Download) => {
                let other = offered.line.batch.as_ref().is_some_and(|batch| share.batch_id().is_some_and(|known| known != batch.id));
                if other {
                    return Err(Refusal::new(488, "the data conference shares another batch"));
                }
            }
            (None, Role::Upload) => {}
        }
        match &offered.line.batch {
            Some(batch) => within(limits, batch.entries as usize, batch.bytes).map_err(|failure| Refusal::new(413, failure.text)),
            None => Ok(()),
        }
    }

    /// The share's line of an offer: the one at `place`, else the first.
    fn share_line(&self, offer: &Description, place: Option<usize>, role: Role) -> Result<Offered, Refusal> {
        let mut lines = offer.media.iter().enumerate().filter(|(at, media)| place.map_or(media.port != 0, |p| p == *at));
        let found = lines.find(|(_, media)| Line::is_share(media));
        let (place, media) = found.ok_or_else(|| Refusal::new(488, "the offer has no line of a share"))?;
        let line = Line::read(media)?.ok_or_else(|| Refusal::new(488, "the offer has no line of a share"))?;
        let role = match (line.direction, line.spelling) {
            (Direction::SendOnly, _) => Role::Upload,
            (Direction::RecvOnly, _) => Role::Download,
            // The seed's line has no direction: the first in a data conference shares.
            (Direction::SendRecv, Spelling::Seed) => role,
            (Direction::SendRecv | Direction::Inactive, _) => {
                return Err(Refusal::new(488, "a share's line is sendonly (to upload) or recvonly (to download)"));
            }
        };
        let tls = self.plane.fingerprint().is_some();
        if line.spelling == Spelling::Ours && (line.transport == Transport::Tls) != tls {
            let why = if tls { "this file server takes files by TLS only" } else { "this file server takes files without TLS only" };
            return Err(Refusal::new(488, why));
        }
        let source = line.source()?;
        Ok(Offered { place, line, role, source })
    }

    /// The port of a data conference, listening. One that is opened anew and to which nobody comes (the INVITE may yet be refused) is given back.
    pub(super) fn listen(
        &mut self,
        now: Instant,
        conf: &ConfId,
        batch: Option<crate::fileshare::BatchId>,
        sharer: Option<&str>,
    ) -> Result<u16, Refusal> {
        if let Some(port) = self.shares.get(conf).and_then(|share| share.port) {
            return Ok(port);
        }
        let port = self.plane.open(conf, batch, sharer).map_err(|error| Refusal::new(503, error.to_string()))?;
        if let Some(share) = self.shares.get_mut(conf) {
            share.port = Some(port);
        }
        self.watch_idle(now, conf);
        Ok(port)
    }

    /// The answer to an offer: its share's line with our port, certificate and the member's key; everything else is refused.
    fn answer(
        &self,
        negotiation: &mut Negotiation,
        offer: Description,
        offered: &Offered,
        port: u16,
        key: &TransferKey,
    ) -> Result<(Description, Line), Refusal> {
        let address = self.address_for(offered.source).ok_or_else(|| Refusal::new(488, "no address of that family"))?;
        let lines = offer.media.len();
        negotiation.offered(offer)?;
        let direction = match offered.role {
            Role::Upload => Direction::RecvOnly,
            Role::Download => Direction::SendOnly,
        };
        let line = Line {
            spelling: offered.line.spelling,
            conf: offered.line.conf.clone(),
            share: offered.line.share,
            transfer_id: offered.line.transfer_id.clone(),
            key: Some(key.clone()),
            ..Line::server(SocketAddr::new(address, port), self.plane.fingerprint(), direction)
        };
        let media = (0..lines).map(|at| (at == offered.place).then(|| line.to_media())).collect();
        let body = negotiation.answer(media).inspect_err(|_| negotiation.declined())?;
        Ok((body, line))
    }

    /// Our address for a terminal.
    pub(super) fn address_for(&self, terminal: SocketAddr) -> Option<std::net::IpAddr> {
        address_near(&self.config.addresses, Some(terminal.ip()))
    }

    fn negotiation(&mut self, source: SocketAddr) -> Result<Negotiation, Refusal> {
        let address = self.address_for(source).ok_or_else(|| Refusal::new(488, "no address of that family"))?;
        Ok(Negotiation::new("fs", address, self.rng.random()))
    }

    pub(super) fn on_acked(&mut self, now: Instant, call: Call, ack: &Request) {
        let Some(session) = self.sessions.get_mut(&call) else { return };
        session.outbox.open();
        // The answer to an offer of ours (a re-INVITE without one): what holds is what held.
        if session.negotiation.is_offering() {
            let answer = multipart::bodies(ack.headers.get("Content-Type").unwrap_or_default(), &ack.body)
                .ok()
                .and_then(|parts| parts.into_iter().find(|part| part.media_type() == sdp::CONTENT_TYPE))
                .and_then(|part| Description::parse(&part.bytes).ok());
            let taken = answer.map(|answer| session.negotiation.answered(answer));
            if !matches!(taken, Some(Ok(()))) {
                session.negotiation.withdrawn();
            }
        }
        self.flush(now, call);
    }

    /// A refresh of the session was answered: like any answer, with the offer that was last sent. An odd one, or none, changes nothing.
    pub(super) fn on_refreshed(&mut self, call: Call, response: &Response) {
        let Some(session) = self.sessions.get_mut(&call) else { return };
        let Ok(answer) = Description::parse(&response.body) else { return };
        if session.negotiation.offer_again().is_ok() && session.negotiation.answered(answer).is_err() {
            session.negotiation.withdrawn();
        }
    }

    /// A re-INVITE. One that cannot be is refused, and everything goes on as before.
    pub(super) fn on_reinvite(&mut self, now: Instant, call: Call, invite: &Request) {
        match self.renegotiate(now, call, invite) {
            Ok(body) => self.endpoint.accept(now, call, Some(endpoint::Body::sdp(body.to_text())), Vec::new()),
            Err(refusal) => {
                if let Some(session) = self.sessions.get_mut(&call) {
                    session.negotiation.declined();
                }
                self.refuse(now, call, &refusal);
            }
        }
    }

    fn renegotiate(&mut self, now: Instant, call: Call, invite: &Request) -> Result<Description, Refusal> {
        let offer = offer_of(invite)?;
        let gone = || Refusal::new(481, "the dialog is gone");
        let session = self.sessions.get_mut(&call).ok_or_else(gone)?;
        let Some(offer) = offer else { return Ok(session.negotiation.offer_again()?) };
        let (place, role, conf, member) = (session.place, session.role, session.conf.clone(), session.member);
        if offer.media.get(place).is_none_or(|media| media.port == 0) {
            // Port 0: the end of the share, or of this member's part in it (S-claim 7).
            session.negotiation.offered(offer)?;
            let body = session.negotiation.answer(Vec::new())?;
            self.leave(now, call);
            return Ok(body);
        }
        if !self.shares.contains_key(&conf) || !self.by_member.contains_key(&member) {
            return Err(Refusal::new(488, "the share has ended"));
        }
        let offered = self.share_line(&offer, Some(place), role)?;
        if offered.role != role {
            return Err(Refusal::new(488, "a member's direction does not change"));
        }
        let port = self.listen(now, &conf, None, None)?;
        let session = self.sessions.get(&call).ok_or_else(gone)?;
        let (mut negotiation, key) = (session.negotiation.clone(), session.key.clone());
        let (body, line) = self.answer(&mut negotiation, offer, &offered, port, &key)?;
        let session = self.sessions.get_mut(&call).ok_or_else(gone)?;
        (session.negotiation, session.line) = (negotiation, line);
        if session.source != offered.source {
            self.reconnect(now, call, offered.source);
        }
        Ok(body)
    }

    /// A member declares where it will connect from next: the entry on the list is replaced, the old connection closed.
    pub(super) fn reconnect(&mut self, now: Instant, call: Call, source: SocketAddr) {
        let complete = self.has_uploaded(call);
        let Some(session) = self.sessions.get_mut(&call) else { return };
        session.source = source;
        if !complete {
            (session.state, session.failure, session.bytes) = (MemberState::Accepted, None, None);
        }
        let (conf, member) = (session.conf.clone(), session.member);
        let pass = Pass { role: session.role, source, key: session.key.clone() };
        self.plane.admit(&conf, member, pass);
        if let Some(share) = self.shares.get_mut(&conf) {
            share.connected.remove(&call);
        }
        if complete {
            // It may come to hear so, and need not.
            self.watch_idle(now, &conf);
        } else {
            self.await_connection(now, call);
        }
    }

    /// Where a member connects.
    pub(super) fn endpoint_of(&mut self, now: Instant, call: Call) -> Result<Endpoint, String> {
        let gone = || "the share has ended".to_owned();
        let session = self.sessions.get(&call).ok_or_else(gone)?;
        let (conf, source, key) = (session.conf.clone(), session.source, session.key.clone());
        let port = self.listen(now, &conf, None, None).map_err(|refusal| refusal.why)?;
        let address = self.address_for(source).ok_or_else(|| "no address of that family".to_owned())?;
        Ok(Endpoint { address: SocketAddr::new(address, port), fingerprint: self.plane.fingerprint(), key })
    }

    /// From now on a member has a time to connect, and the data conference one in which somebody does.
    pub(super) fn await_connection(&mut self, now: Instant, call: Call) {
        self.deadlines.set(&Due::Window(call), Some(now + self.config.resume_window));
        if let Some(conf) = self.sessions.get(&call).map(|session| session.conf.clone()) {
            self.watch_idle(now, &conf);
        }
    }
}

/// The data conference of `sip:conf=<ConfId>@fs`.
fn conf_of(invite: &Request) -> Result<ConfId, Refusal> {
    let user = invite.uri.user().ok_or_else(|| Refusal::new(404, "no data conference is named"))?;
    match user.split_once('=') {
        Some((service, id)) if service.eq_ignore_ascii_case("conf") => {
            id.parse().map_err(|_| Refusal::new(404, "no data conference can have that name"))
        }
        _ => Err(Refusal::new(404, "this server has the service conf= only")),
    }
}

/// The offer of an INVITE, if it has one.
fn offer_of(invite: &Request) -> Result<Option<Description>, Refusal> {
    if invite.body.is_empty() {
        return Ok(None);
    }
    let content_type = invite.headers.get("Content-Type").unwrap_or_default();
    let parts = multipart::bodies(content_type, &invite.body).map_err(|error| Refusal::new(400, error.to_string()))?;
    let mut parts = parts.into_iter().filter(|part| part.media_type() == sdp::CONTENT_TYPE);
    let part = parts.next().ok_or_else(|| Refusal::new(415, "there is no session description"))?;
    Description::parse(&part.bytes).map(Some).map_err(|error| Refusal::new(error.status(), error.to_string()))
}
