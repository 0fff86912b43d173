//! The terminal's one call: out, in, changed, ended.

use std::time::Instant;

use super::{CallState, Dial, Hold, Phase, Refusal, Terminal, TerminalEvent, part::PartState};
use crate::{
    conference::{
        companion::Lines,
        wire::{
            control::{self, ADMISSION, AdmissionState, Body as Control, Join},
            multipart::{self, Part},
        },
    },
    sdp::{AudioStream, Description, Direction, LocalAudio, Negotiation},
    sip::{
        endpoint::{Body, Call, Ending, Invite, Reason},
        message::{Headers, Method, NameAddr, Request, Response},
    },
};

impl Terminal {
    pub(super) fn dial(&mut self, now: Instant, dial: &Dial) {
        if self.call.is_some() {
            let refusal = Refusal::here(486, "a call is up already");
            return self.events.push_back(TerminalEvent::Refused(refusal));
        }
        let mut negotiation = self.negotiation();
        let offer = (!dial.offerless)
            .then(|| negotiation.offer(if dial.without_audio { Vec::new() } else { vec![self.config.audio.offer()] }).ok())
            .flatten();
        let body = body_with(offer.as_ref(), dial);
        let hop = self.config.server.hop();
        let identity = &self.config.identity;
        let user = identity.address.uri.user();
        let invite = Invite {
            uri: dial.uri.clone(),
            to: NameAddr::new(dial.uri.clone()),
            from: identity.address.clone(),
            contact: self.endpoint.contact(user.as_deref(), hop.transport),
            hop,
            route: Vec::new(),
            headers: Vec::new(),
            body,
            credentials: identity.credentials.clone(),
        };
        match self.endpoint.invite(now, invite) {
            Ok(call) => {
                self.call = Some(CallState {
                    call,
                    negotiation,
                    phase: Phase::Calling,
                    audio: None,
                    without_audio: dial.without_audio,
                    part: PartState::default(),
                    hold: Hold::default(),
                    hung_up: false,
                    taken_back: None,
                    pin_wanted: false,
                });
            }
            Err(why) => self.events.push_back(TerminalEvent::Refused(Refusal::here(503, why.to_string()))),
        }
    }

    pub(super) fn hang_up(&mut self, now: Instant, reason: Option<Reason>) {
        if let Some(state) = &mut self.call {
            state.hung_up = true;
            self.ring_at = None;
            self.endpoint.bye(now, state.call, reason, Vec::new());
        }
    }

    /// Hold (RFC 3264 §8.4), or take up again, as soon as the call is up and no exchange is open. Without a call nothing
    /// happens.
    pub(super) fn hold(&mut self, now: Instant, on: bool) {
        if let Some(state) = self.call.as_mut() {
            state.hold.wanted = Some(on);
            self.change(now);
        }
    }

    /// Offers what is wanted, if its time has come.
    pub(super) fn change(&mut self, now: Instant) {
        let part_wants = self.part_wants();
        let Some(state) = self.call.as_mut().filter(|s| s.phase == Phase::Up && s.negotiation.is_idle()) else { return };
        let wanted = state.hold.wanted.take().filter(|_| !state.without_audio);
        if wanted.is_none() && !part_wants {
            return;
        }
        // All lines keep their places (RFC 3264 §8).
        let mut lines = state.negotiation.local().to_vec();
        if let Some(on) = wanted {
            let audio = held(&self.config.audio, on);
            match lines.iter_mut().find(|line| line.is_kind("audio")) {
                Some(line) => *line = audio.offer(),
                None => lines.push(audio.offer()),
            }
        }
        self.overlay(&mut lines);
        let Some(state) = self.call.as_mut() else { return };
        let sent = state.negotiation.offer(lines).map_err(|why| why.to_string()).and_then(|offer| {
            let sent = self.endpoint.reinvite(now, state.call, Some(sdp(&offer)));
            sent.map_err(|why| why.to_string())
        });
        state.hold.asked = wanted;
        if let Err(text) = sent {
            state.negotiation.withdrawn();
            let refusal = Refusal::here(503, text);
            if state.hold.asked.take().is_some() {
                self.events.push_back(TerminalEvent::NotChanged(refusal.clone()));
            }
            self.part_refused(&refusal);
        }
    }

    pub(super) fn on_invite(&mut self, now: Instant, call: Call, request: &Request) {
        if self.call.is_some() || !self.config.answer || self.leaving {
            return self.endpoint.reject(now, call, 486, Vec::new());
        }
        let mut negotiation = self.negotiation();
        if let Some(offer) = sdp_in(&request.headers, &request.body)
            && negotiation.offered(offer).is_err()
        {
            return self.endpoint.reject(now, call, 488, Vec::new());
        }
        self.call = Some(CallState {
            call,
            negotiation,
            phase: Phase::Ringing,
            audio: None,
            without_audio: false,
            part: PartState::default(),
            hold: Hold::default(),
            hung_up: false,
            taken_back: None,
            pin_wanted: false,
        });
        if let Some(from) = request.from() {
            self.events.push_back(TerminalEvent::Called { from: NameAddr { params: Vec::new(), ..from } });
        }
        if self.config.ring.is_zero() {
            self.answer(now);
        } else {
            self.endpoint.provisional(now, call, 180, None);
            self.ring_at = Some(now + self.config.ring);
        }
    }

    /// Answers the ringing call: with the answer to its offer, or with an offer of ours.
    pub(super) fn answer(&mut self, now: Instant) {
        let audio = self.config.audio.clone();
        let Some(state) = self.call.as_mut().filter(|s| s.phase == Phase::Ringing) else { return };
        let description = if state.negotiation.asked().is_some() {
            let answered = answer(&mut state.negotiation, &audio, &Lines::new());
            state.audio = answered.as_ref().and_then(|(_, stream)| stream.clone());
            answered.map(|(description, _)| description)
        } else {
            state.negotiation.offer(vec![audio.offer()]).ok()
        };
        let Some(description) = description.filter(|d| d.media.iter().any(|m| m.port != 0)) else {
            let call = state.call;
            return self.endpoint.reject(now, call, 488, Vec::new());
        };
        state.phase = Phase::Answered;
        let call = state.call;
        self.endpoint.accept(now, call, Some(sdp(&description)), Vec::new());
    }

    pub(super) fn on_acked(&mut self, now: Instant, call: Call, request: &Request) {
        let audio = self.config.audio.clone();
        let Some(state) = self.call.as_mut().filter(|s| s.call == call) else { return };
        if state.negotiation.is_offering() {
            let agreed = sdp_in(&request.headers, &request.body).and_then(|answer| agree(&mut state.negotiation, &audio, answer));
            match agreed {
                Some(stream) => state.audio = stream,
                None => {
                    state.negotiation.withdrawn();
                    let reason = Reason::sip(488, "no usable answer in the ACK");
                    return self.endpoint.bye(now, call, Some(reason), Vec::new());
                }
            }
        }
        let (first, stream) = (state.phase == Phase::Answered, state.audio.clone());
        state.phase = Phase::Up;
        let focus = self.endpoint.call_peer(call).is_some_and(|peer| peer.focus);
        self.events.push_back(if first {
            TerminalEvent::Established { focus, audio: stream, pin_wanted: false }
        } else {
            TerminalEvent::Changed { audio: stream }
        });
        self.change(now);
    }

    pub(super) fn on_accepted(&mut self, now: Instant, call: Call, response: &Response) {
        let Some(state) = self.call.as_mut().filter(|s| s.call == call) else {
            return self.endpoint.ack(now, call, None);
        };
        let audio = held(&self.config.audio, state.hold.asked.unwrap_or(state.hold.held));
        let theirs = sdp_in(&response.headers, &response.body);
        let (mut body, mut lines) = (None, Vec::new());
        let agreed = if state.negotiation.is_offering() {
            lines = theirs.as_ref().map(|answer| answer.media.clone()).unwrap_or_default();
            theirs.and_then(|answer| agree(&mut state.negotiation, &audio, answer))
        } else {
            // We sent no offer: theirs is answered in the ACK.
            theirs.and_then(|offer| state.negotiation.offered(offer).is_ok().then_some(())).and_then(|()| {
                let (description, stream) = answer(&mut state.negotiation, &audio, &Lines::new())?;
                body = Some(sdp(&description));
                Some(stream)
            })
        };
        self.endpoint.ack(now, call, body);
        let Some(stream) = agreed else {
            state.negotiation.withdrawn();
            let reason = Reason::sip(488, "no usable session description");
            return self.endpoint.bye(now, call, Some(reason), Vec::new());
        };
        state.audio.clone_from(&stream);
        if let Some(on) = state.hold.asked.take() {
            state.hold.held = on;
        }
        let first = std::mem::replace(&mut state.phase, Phase::Up) == Phase::Calling;
        if first {
            let word = response.headers.get(ADMISSION).and_then(|word| AdmissionState::from_word(word.trim()));
            state.pin_wanted = word == Some(AdmissionState::Pin);
        }
        let pin_wanted = state.pin_wanted;
        let focus = self.endpoint.call_peer(call).is_some_and(|peer| peer.focus);
        self.events.push_back(if first {
            TerminalEvent::Established { focus, audio: stream, pin_wanted }
        } else {
            TerminalEvent::Changed { audio: stream }
        });
        self.part_answered(&lines);
        self.change(now);
    }

    /// Asks whether the other side is still there; its silence is found out and told by the endpoint.
    pub(super) fn ask(&mut self, now: Instant) {
        if let Some(state) = self.call.as_ref().filter(|s| s.phase == Phase::Up && !s.hung_up) {
            // At the bound of requests some are under way already, whose silence tells the same.
            let _ = self.endpoint.request(now, state.call, Method::Options, Vec::new(), None);
        }
    }

    pub(super) fn on_rejected(&mut self, call: Call, response: &Response) {
        // After hanging up it is what was wanted; `Ended` follows.
        if self.call.as_ref().is_some_and(|s| s.call == call && !s.hung_up) {
            self.call = None;
            self.events.push_back(TerminalEvent::Refused(Refusal::of(response, &self.config.server)));
        }
    }

    pub(super) fn on_reinvite(&mut self, now: Instant, call: Call, request: &Request) {
        let Some(state) = self.call.as_mut().filter(|s| s.call == call) else {
            return self.endpoint.reject(now, call, 481, Vec::new());
        };
        if state.negotiation.is_offering() && self.endpoint.withdraw_reinvites(call) > 0 {
            // Ours lost its turn to theirs (glare) and no longer fits: it is made anew afterwards.
            state.negotiation.withdrawn();
            state.hold.wanted = state.hold.wanted.or(state.hold.asked.take());
            self.part_waits();
        }
        let Some(state) = self.call.as_mut() else { return };
        let Some(offer) = sdp_in(&request.headers, &request.body) else {
            return match state.negotiation.offer_again() {
                Ok(description) => self.endpoint.accept(now, call, Some(sdp(&description)), Vec::new()),
                Err(_) => self.endpoint.reject(now, call, 488, Vec::new()),
            };
        };
        let lines = offer.media.clone();
        if state.negotiation.offered(offer).is_err() {
            self.endpoint.reject(now, call, 488, Vec::new());
            return self.change(now);
        }
        if !self.ask_part(&lines) {
            // The part's lines stand as they stood.
            let standing = self.call.as_ref().map(|s| self.lines_of_part(s.negotiation.local())).unwrap_or_default();
            self.answer_reinvite(now, &standing);
        }
    }

    /// Answers the open offer, with these lines of the part.
    pub(super) fn answer_reinvite(&mut self, now: Instant, lines: &Lines) {
        let Some(state) = self.call.as_mut() else { return };
        let mine = held(&self.config.audio, state.hold.held);
        let answered = answer(&mut state.negotiation, &mine, lines);
        let call = state.call;
        let usable = |d: &Description| self.config.part.is_some() || d.media.iter().any(|m| m.port != 0);
        match answered.filter(|(description, _)| usable(description)) {
            Some((description, stream)) => {
                state.audio = stream;
                self.endpoint.accept(now, call, Some(sdp(&description)), Vec::new());
            }
            None => {
                state.negotiation.declined();
                self.endpoint.reject(now, call, 488, Vec::new());
                self.change(now);
            }
        }
    }

    pub(super) fn on_reinvite_rejected(&mut self, now: Instant, call: Call, response: &Response) {
        if let Some(state) = self.call.as_mut().filter(|s| s.call == call) {
            state.negotiation.withdrawn();
            let refusal = Refusal::of(response, &self.config.server);
            if state.hold.asked.take().is_some() || state.part.offered.is_empty() {
                self.events.push_back(TerminalEvent::NotChanged(refusal.clone()));
            }
            self.part_refused(&refusal);
            self.change(now);
        }
    }

    /// The other side took its re-INVITE back, which was answered 487 or crossed our answer.
    pub(super) fn on_reinvite_cancelled(&mut self, now: Instant, call: Call) {
        if let Some(state) = self.call.as_mut().filter(|s| s.call == call) {
            state.negotiation.declined();
            self.part_taken_back();
            self.change(now);
        }
    }

    pub(super) fn on_ended(&mut self, call: Call, why: &Ending) {
        let Some(state) = self.call.take_if(|s| s.call == call) else { return };
        self.ring_at = None;
        let lost = matches!(why, Ending::ByeUnanswered | Ending::AckMissing | Ending::Expired | Ending::Gone { .. });
        let (by_peer, reason) = match why {
            Ending::ByeReceived { reason } => (true, reason.clone()),
            _ if state.hung_up => (false, None),
            Ending::ByeSent | Ending::ByeUnanswered | Ending::Refused { .. } => (false, None),
            Ending::Cancelled => (true, Some(state.taken_back.unwrap_or_else(|| Reason::sip(487, "cancelled")))),
            Ending::Rejected { status } => (true, Some(Reason::sip(*status, "refused"))),
            Ending::AckMissing => (true, Some(Reason::sip(408, "no ACK came"))),
            Ending::Expired => (true, Some(Reason::sip(408, "the session expired"))),
            Ending::Gone { status } => (true, Some(Reason::sip(*status, "the other side is gone"))),
        };
        self.events.push_back(TerminalEvent::Ended { by_peer, lost, reason });
    }

    fn negotiation(&self) -> Negotiation {
        Negotiation::new("-", self.config.audio.rtp.ip(), self.config.session_id)
    }
}

/// Answers the open offer: the first audio line that fits, the part's lines as given, all others refused. `None` when it cannot be answered.
fn answer(negotiation: &mut Negotiation, audio: &LocalAudio, lines: &Lines) -> Option<(Description, Option<AudioStream>)> {
    let mut stream = None;
    let lines = negotiation
        .asked()?
        .media
        .iter()
        .enumerate()
        .map(|(at, offered)| {
            if let Some(line) = lines.get(&at) {
                return Some(line.clone());
            }
            if stream.is_some() {
                return None;
            }
            let (line, agreed) = audio.answer(offered)?;
            stream = Some(agreed);
            Some(line)
        })
        .collect();
    Some((negotiation.answer(lines).ok()?, stream))
}

/// What an answer to our offer agrees to; `None` when it does not fit the offer.
#[expect(clippy::option_option, reason = "no answer, or an answer that takes no audio")]
fn agree(negotiation: &mut Negotiation, audio: &LocalAudio, answer: Description) -> Option<Option<AudioStream>> {
    let line = answer.media.iter().find(|m| m.is_kind("audio")).cloned();
    negotiation.answered(answer).ok()?;
    Some(line.and_then(|line| audio.agree(&line)))
}

/// Our audio, held or not.
fn held(audio: &LocalAudio, held: bool) -> LocalAudio {
    LocalAudio { direction: if held { Direction::SendOnly } else { Direction::SendRecv }, ..audio.clone() }
}

fn sdp(description: &Description) -> Body {
    Body::sdp(description.to_text())
}

/// The session description of a message.
fn sdp_in(headers: &Headers, body: &bytes::Bytes) -> Option<Description> {
    let parts = multipart::bodies(headers.get("Content-Type").unwrap_or_default(), body).ok()?;
    let part = parts.into_iter().find(|p| p.media_type() == "application/sdp")?;
    Description::parse(&part.bytes).ok()
}

/// The offer, and the PIN beside it.
fn body_with(offer: Option<&Description>, dial: &Dial) -> Option<Body> {
    let Some(pin) = &dial.pin else { return offer.map(sdp) };
    let join = Control::Join(Join { pin: Some(pin.clone()) }).to_xml();
    let mut parts: Vec<Part> = offer.map(|o| Part::new("application/sdp", o.to_text())).into_iter().collect();
    parts.push(Part::new(control::CONTENT_TYPE, join));
    let (content_type, bytes) = multipart::write("mixed", &parts);
    Some(Body { content_type, bytes })
}
