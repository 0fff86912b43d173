//! A participant's leg: offer and answer with the plane's ports in them (steps S302–S304 and S311–S313).

use std::{collections::VecDeque, time::Instant};

use super::{
    invite::{Asked, Refusal},
    keypress::Keypresses,
    node::{MediaServer, room},
    outbox::Outbox,
    plane::{LegId, MediaPlane, PlaneError},
    session::{Conference, Kind, Leg, LegSettings, Session},
};
use crate::{
    conference::{
        audio::{formats, leg_media},
        wire::{
            mscml::{Body, ConfigureLeg, LegType, Response as MscmlResponse},
            multipart,
        },
    },
    sdp::{self, AudioStream, Description, LocalAudio, Media, Negotiation},
    sip::{
        endpoint::{self, Call, Reason},
        message::{Request, Response},
    },
};

impl<P: MediaPlane> MediaServer<P> {
    /// An INVITE with an offer, or without one: a leg of a conference, which its first leg makes where there is none.
    pub(super) fn establish_leg(
        &mut self,
        now: Instant,
        asked: Asked,
        configure: Option<(ConfigureLeg, Option<String>)>,
    ) -> Result<(), Refusal> {
        let Asked { call, call_id, id, offer } = asked;
        let mut settings = LegSettings::default();
        let mut keys = Keypresses::new();
        if let Some((configure, _)) = &configure {
            settings = settings.with(configure).map_err(|(code, text)| Refusal::new(code, text))?;
            configure.keypress.into_iter().for_each(|report| keys.subscribe(report));
        }
        if self.conferences.get(&id).is_some_and(|c| c.closing) {
            return Err(Refusal::new(486, "the conference is just ending"));
        }
        if settings.leg_type == LegType::Talker && !self.may_talk(&id) {
            return Err(Refusal::new(486, "as many talkers as were reserved are there"));
        }
        if self.by_media.len() >= usize::try_from(self.config.capacity).unwrap_or(usize::MAX) {
            return Err(Refusal::busy("as many legs as this server carries are there"));
        }
        let remote = offer.as_ref().and_then(|o| o.first("audio")).and_then(|(_, m)| m.ip());
        let mut negotiation = self.negotiation(remote)?;
        let ip = self.config.media_address(remote).ok_or_else(|| Refusal::new(488, "no media address of that family"))?;
        let born = !self.conferences.contains_key(&id);
        if born {
            self.open_conference(id.clone(), None, None)?;
        }
        let opened = self.plane.open_leg(&room(&id), ip).map_err(|e| refusal(&e)).and_then(|(media, rtp)| {
            let audio = LocalAudio::new(rtp, formats(&self.config.codecs));
            let begun = begin(&mut negotiation, &audio, offer).and_then(|(body, place, stream)| {
                if let Some(stream) = stream {
                    self.connect(media, &stream)?;
                }
                self.plane.set_mix(media, settings.mix()).map_err(|e| refusal(&e))?;
                Ok((body, place))
            });
            // A leg that cannot be is closed again.
            begun.inspect_err(|_| self.plane.close_leg(media)).map(|(body, place)| (media, audio, body, place))
        });
        let (media, audio, body, place) = match opened {
            Ok(opened) => opened,
            Err(refusal) => {
                if born {
                    self.conferences.remove(&id);
                    self.plane.close_room(&room(&id));
                }
                return Err(refusal);
            }
        };
        let leg = Leg { media, audio, negotiation, place, settings, keys, buffer: VecDeque::new() };
        let mut session = Session { conference: id.clone(), call_id, outbox: Outbox::default(), ivr: None, kind: Kind::Leg(Box::new(leg)) };
        if let Some((_, request_id)) = configure {
            session.outbox.push(Body::Response(MscmlResponse::new(request_id, "configure_leg", 200, "OK")));
        }
        self.sessions.insert(call, session);
        self.by_media.insert(media, call);
        let conference = self.conferences.entry(id).or_insert_with(|| Conference::new(None, None));
        conference.legs.insert(call);
        conference.count_talker(None, Some(settings.leg_type));
        self.endpoint.accept(now, call, Some(endpoint::Body::sdp(body.to_text())), Vec::new());
        Ok(())
    }

    /// Tells the plane what was agreed.
    fn connect(&mut self, leg: LegId, stream: &AudioStream) -> Result<(), Refusal> {
        let media = leg_media(stream, self.config.latch).ok_or_else(|| Refusal::new(488, "no codec in common"))?;
        self.plane.connect_leg(leg, media).map_err(|e| refusal(&e))
    }

    /// The ACK: the dialog is confirmed, and what was asked in the INVITE is answered; it has the answer to an offer of ours.
    pub(super) fn on_acked(&mut self, now: Instant, call: Call, ack: &Request) {
        let Some(session) = self.sessions.get_mut(&call) else { return };
        session.outbox.open();
        if session.leg().is_some_and(|leg| leg.negotiation.is_offering())
            && let Err(why) = self.take_answer(call, ack.headers.get("Content-Type"), &ack.body)
        {
            // There is no way to refuse an answer but to end the call (RFC 6337 §3.3).
            self.endpoint.bye(now, call, Some(Reason::sip(488, &why)), Vec::new());
        }
        self.flush(now, call);
    }

    /// A refresh of the session was answered: like any answer, with the offer that was last sent. An odd one, or none, changes
    /// nothing: the call is alive, which is what the refresh was for.
    pub(super) fn on_refreshed(&mut self, call: Call, response: &Response) {
        let Some(leg) = self.sessions.get_mut(&call).and_then(Session::leg_mut) else { return };
        if leg.negotiation.offer_again().is_ok() && self.take_answer(call, response.headers.get("Content-Type"), &response.body).is_err() {
            self.withdraw(call);
        }
    }

    fn withdraw(&mut self, call: Call) {
        if let Some(leg) = self.sessions.get_mut(&call).and_then(Session::leg_mut) {
            leg.negotiation.withdrawn();
        }
    }

    fn take_answer(&mut self, call: Call, content_type: Option<&str>, body: &bytes::Bytes) -> Result<(), String> {
        let answer = answer_in(content_type.unwrap_or_default(), body)?;
        let Some(leg) = self.sessions.get_mut(&call).and_then(Session::leg_mut) else { return Ok(()) };
        leg.negotiation.answered(answer).map_err(|e| e.to_string())?;
        let line = leg.negotiation.remote().get(leg.place).ok_or("the answer has no audio")?;
        let stream = leg.audio.agree(line).ok_or("the answer has no audio that we understand")?;
        let media = leg.media;
        self.connect(media, &stream).map_err(|r| r.why().to_owned())
    }

    /// A re-INVITE: hold, another address, more or fewer lines. One that cannot be is refused, and the call goes on.
    pub(super) fn on_reinvite(&mut self, now: Instant, call: Call, invite: &Request) {
        match self.renegotiate(now, call, invite) {
            Ok(body) => self.endpoint.accept(now, call, body.map(|b| endpoint::Body::sdp(b.to_text())), Vec::new()),
            Err(refusal) => self.refuse(now, call, &refusal),
        }
    }

    fn renegotiate(&mut self, now: Instant, call: Call, invite: &Request) -> Result<Option<Description>, Refusal> {
        let offer = super::invite::bodies(invite)?.offer;
        let Some(session) = self.sessions.get_mut(&call) else { return Err(Refusal::new(481, "the dialog is gone")) };
        let Kind::Leg(leg) = &mut session.kind else {
            return offer.map(|offer| self.refuse_media(offer)).transpose();
        };
        let before = leg.negotiation.remote().to_vec();
        let Some(offer) = offer else {
            // Everything that we can, even where the last exchange had less (RFC 6337 §5.3).
            let mut lines: Vec<Media> = leg.negotiation.local().iter().map(Media::refused).collect();
            match lines.get_mut(leg.place) {
                Some(line) => *line = leg.audio.offer(),
                None => lines.push(leg.audio.offer()),
            }
            return leg.negotiation.offer(lines).map(Some).map_err(|e| Refusal::new(491, &e.to_string()));
        };
        // The plane's port is one, so one line has it: the one that had it, or another where that one is given up.
        let (description, stream) = match answer(&mut leg.negotiation, &leg.audio, offer, leg.place) {
            Ok((description, place, stream)) => {
                leg.place = place;
                (description, stream)
            }
            Err(refusal) => {
                leg.negotiation.declined();
                return Err(refusal);
            }
        };
        let changed = leg.negotiation.remote() != before;
        let media = leg.media;
        self.connect(media, &stream)?;
        if changed {
            // A changed session is an implicit stop (RFC 5022 §6).
            self.stop_ivr(now, call);
        }
        Ok(Some(description))
    }
}

/// The first body of a leg: the answer to the offer, with what was agreed, or our own offer.
fn begin(
    negotiation: &mut Negotiation,
    audio: &LocalAudio,
    offer: Option<Description>,
) -> Result<(Description, usize, Option<AudioStream>), Refusal> {
    match offer {
        Some(offer) => answer(negotiation, audio, offer, 0).map(|(d, place, stream)| (d, place, Some(stream))),
        None => negotiation.offer(vec![audio.offer()]).map(|d| (d, 0, None)).map_err(|e| Refusal::new(500, &e.to_string())),
    }
}

/// Answers an offer with one audio line, `place` for choice; the others are refused. 488 when there is none that we can take.
fn answer(
    negotiation: &mut Negotiation,
    audio: &LocalAudio,
    offer: Description,
    place: usize,
) -> Result<(Description, usize, AudioStream), Refusal> {
    let offer =
        negotiation.offered(offer).map_err(|e| Refusal::new(if e == sdp::NegotiationError::Open { 491 } else { 488 }, &e.to_string()))?;
    let lines = offer.media.len();
    let mut places: Vec<usize> = (0..lines).collect();
    places.sort_by_key(|at| *at != place);
    let taken = places.into_iter().find_map(|at| Some((at, audio.answer(offer.media.get(at)?)?)));
    let Some((place, (line, stream))) = taken else {
        return Err(Refusal::new(488, "the offer has no audio that we understand"));
    };
    let lines = (0..lines).map(|at| (at == place).then(|| line.clone())).collect();
    let description = negotiation.answer(lines).map_err(|e| Refusal::new(488, &e.to_string()))?;
    Ok((description, place, stream))
}

fn answer_in(content_type: &str, body: &bytes::Bytes) -> Result<Description, String> {
    let parts = multipart::bodies(content_type, body).map_err(|e| e.to_string())?;
    let part = parts.iter().find(|p| p.media_type() == sdp::CONTENT_TYPE).ok_or("the answer is missing")?;
    Description::parse(&part.bytes).map_err(|e| e.to_string())
}

fn refusal(error: &PlaneError) -> Refusal {
    Refusal::busy(&error.to_string())
}
