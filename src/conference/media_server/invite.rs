//! INVITEs: what is asked for, and which are refused with which status (RFC 4240 §5, RFC 5022 §3, §5).

use std::time::Instant;

use super::{config::RETRY_AFTER, node::MediaServer, plane::MediaPlane};
use crate::{
    conference::wire::{
        mscml::{self, Body, MscmlError, Verb},
        multipart,
    },
    id::ConferenceId,
    sdp,
    sip::{
        endpoint::{self, Call},
        message::Request,
    },
};

/// Why an INVITE is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    why: String,
}

/// What an INVITE asks for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) call: Call,
    pub(super) call_id: String,
    pub(super) id: ConferenceId,
    pub(super) offer: Option<sdp::Description>,
}

/// The bodies of an INVITE.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    pub(super) offer: Option<sdp::Description>,
    pub(super) request: Option<mscml::Request>,
}

impl Refusal {
    pub(super) fn new(status: u16, why: &str) -> Self {
        Self { status, why: why.to_owned() }
    }

    /// There is no room: 503 with Retry-After.
    pub(super) fn busy(why: &str) -> Self {
        Self::new(503, why)
    }

    /// For people.
    pub(super) fn why(&self) -> &str {
        &self.why
    }

    fn headers(&self) -> Vec<(String, String)> {
        let mut headers = vec![endpoint::warning(&self.why)];
        if self.status == 503 {
            headers.push(("Retry-After".to_owned(), RETRY_AFTER.to_string()));
        }
        if self.status == 415 {
            headers.push(("Accept".to_owned(), format!("{}, {}, multipart/mixed", sdp::CONTENT_TYPE, mscml::CONTENT_TYPE)));
        }
        headers
    }
}

impl<P: MediaPlane> MediaServer<P> {
    pub(super) fn on_invite(&mut self, now: Instant, call: Call, request: &Request) {
        if let Err(refusal) = self.establish(now, call, request) {
            tracing::info!(status = refusal.status, why = refusal.why, "leg refused");
            self.refuse(now, call, &refusal);
        }
    }

    /// Refuses an INVITE or a re-INVITE.
    pub(super) fn refuse(&mut self, now: Instant, call: Call, refusal: &Refusal) {
        self.endpoint.reject(now, call, refusal.status, refusal.headers());
    }

    fn establish(&mut self, now: Instant, call: Call, invite: &Request) -> Result<(), Refusal> {
        let id = conference_of(invite)?;
        if self.draining {
            return Err(Refusal::busy("the media server is being stopped"));
        }
        let Bodies { offer, request } = bodies(invite)?;
        if !endpoint::takes(&invite.headers, sdp::CONTENT_TYPE) {
            return Err(Refusal::new(406, "the answer is a session description"));
        }
        let call_id = invite.call_id().unwrap_or_default().to_owned();
        let asked = Asked { call, call_id, id, offer };
        match request {
            Some(mscml::Request { verb: Verb::ConfigureConference(configure), id }) => self.establish_control(now, asked, &configure, id),
            Some(mscml::Request { verb: Verb::ConfigureLeg(configure), id }) => self.establish_leg(now, asked, Some((configure, id))),
            None => self.establish_leg(now, asked, None),
            // §6: playing and collecting are asked for by INFO only.
            Some(mscml::Request { verb: Verb::Play(_) | Verb::PlayCollect(_) | Verb::Stop, .. }) => {
                Err(Refusal::new(400, "an INVITE configures, it does not play"))
            }
        }
    }
}

/// The conference of `sip:conf=<id>@ms`; other services are not here, and `conf` alone names none (RFC 4240 §5).
fn conference_of(invite: &Request) -> Result<ConferenceId, Refusal> {
    let user = invite.uri.user().ok_or_else(|| Refusal::new(404, "no service is named"))?;
    match user.split_once('=') {
        Some((service, id)) if service.eq_ignore_ascii_case("conf") => {
            id.parse().map_err(|_| Refusal::new(404, "no conference can have that name"))
        }
        _ if user.eq_ignore_ascii_case("conf") => Err(Refusal::new(404, "no conference is named")),
        _ => Err(Refusal::new(404, "this server has the service conf= only")),
    }
}

/// The bodies of an INVITE: SDP, MSCML, or both in a multipart.
pub(super) fn bodies(invite: &Request) -> Result<Bodies, Refusal> {
    let content_type = invite.headers.get("Content-Type").unwrap_or_default();
    let parts = multipart::bodies(content_type, &invite.body).map_err(|e| Refusal::new(400, &e.to_string()))?;
    let mut bodies = Bodies::default();
    for part in parts {
        match part.media_type().as_str() {
            sdp::CONTENT_TYPE if bodies.offer.is_none() => {
                bodies.offer = Some(sdp::Description::parse(&part.bytes).map_err(|e| Refusal::new(e.status(), &e.to_string()))?);
            }
            mscml::CONTENT_TYPE if bodies.request.is_none() => bodies.request = Some(request(&part.bytes)?),
            sdp::CONTENT_TYPE | mscml::CONTENT_TYPE => return Err(Refusal::new(400, "two bodies of one kind")),
            _ if is_optional(part.disposition.as_deref()) => {}
            other => return Err(Refusal::new(415, &format!("{other} is not understood here"))),
        }
    }
    Ok(bodies)
}

/// The MSCML request of an INVITE. One that is refused is no ground for a call: the INVITE is refused with it, so that no
/// leg is ever in a mix in another way than its caller asked for.
fn request(bytes: &[u8]) -> Result<mscml::Request, Refusal> {
    match Body::parse(bytes) {
        Ok(Body::Request(request)) => Ok(request),
        Ok(Body::Response(_) | Body::Notification(_)) => Err(Refusal::new(400, "an INVITE carries requests")),
        Err(MscmlError::Refused(response)) => Err(Refusal::new(if response.code == 501 { 501 } else { 400 }, &response.text)),
        Err(error) => Err(Refusal::new(400, &error.to_string())),
    }
}

/// RFC 3261 §20.11: `handling=optional`.
fn is_optional(disposition: Option<&str>) -> bool {
    disposition.is_some_and(|d| d.split(';').skip(1).any(|p| p.replace(' ', "").eq_ignore_ascii_case("handling=optional")))
}
