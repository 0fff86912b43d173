//! Lines of the terminal's session that another part owns than its audio, and INFOs that are for it.
//!
//! The terminal knows what is a part's by [`Part`], and nothing more of it. Whoever owns the terminal hears by [`PartEvent`] and says by
//! [`PartCommand`]; an offer of the other side that touches the part's lines waits for [`PartCommand::Answer`].

use std::time::Instant;

use bytes::Bytes;

use super::{Phase, Refusal, Terminal, TerminalEvent};
use crate::{
    conference::companion::Lines,
    sdp::Media,
    sip::{
        endpoint::{Body, Call, Outgoing},
        message::{Method, Request},
    },
};

/// Most INFOs of a part that wait for their answer. Another one fails.
const MAX_INFOS: usize = 64;

/// What belongs to a part.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// True for a line of its kind, refused ones included.
    pub owns: fn(&Media) -> bool,
    /// The INFO package (RFC 6086) that is for it.
    pub package: &'static str,
    /// The content type of its bodies.
    pub content_type: &'static str,
}

/// What a terminal is told for a part.
#[derive(Debug, Clone, PartialEq)]
pub enum PartCommand {
    /// Offer these lines as soon as the call is up and no exchange is open: each in its place, or in a free one.
    /// [`PartEvent::Answered`] or [`PartEvent::Refused`] follows.
    Offer(Vec<(Option<usize>, Media)>),
    /// Do not offer this line, which was to have a free place, any more. Where it is offered already, this does nothing.
    Withdraw(Media),
    /// Answer what [`PartEvent::Offered`] showed; lines that are missing are refused.
    Answer(Lines),
    /// Send an INFO with this body. [`PartEvent::InfoFailed`] follows where it is not answered 2xx.
    Info {
        /// To be given back.
        id: String,
        /// The body.
        body: Bytes,
    },
}

/// What a terminal tells for a part.
#[derive(Debug, Clone, PartialEq)]
pub enum PartEvent {
    /// The other side offers these lines, changed or not: the answer is awaited.
    Offered(Lines),
    /// What was offered does not need an answer any more.
    TakenBack,
    /// Our lines were answered.
    Answered {
        /// What we offered, in the places that it got.
        offered: Lines,
        /// The answer.
        answered: Lines,
    },
    /// Our lines were refused as a whole: the session is as it was.
    Refused(Refusal),
    /// An INFO came, and was answered 200.
    Info(Bytes),
    /// An INFO of ours was refused.
    InfoFailed {
        /// Which.
        id: String,
        /// 300 to 699.
        status: u16,
    },
}

/// What goes on between a call and its part.
#[derive(Debug, Default)]
pub(super) struct PartState {
    /// To be offered.
    pub(super) wanted: Vec<(Option<usize>, Media)>,
    /// Offered.
    pub(super) offered: Lines,
    /// The other side's offer waits for the part.
    pub(super) asked: bool,
    /// INFOs without an answer.
    infos: Vec<(Outgoing, String)>,
}

impl Terminal {
    fn tell_part(&mut self, event: PartEvent) {
        self.events.push_back(TerminalEvent::Part(event));
    }

    /// The part's lines among these.
    pub(super) fn lines_of_part(&self, lines: &[Media]) -> Lines {
        let Some(part) = self.config.part else { return Lines::new() };
        lines.iter().enumerate().filter(|(_, line)| (part.owns)(line)).map(|(at, line)| (at, line.clone())).collect()
    }

    pub(super) fn on_part_command(&mut self, now: Instant, command: PartCommand) {
        let Some(state) = self.call.as_mut() else {
            return match command {
                PartCommand::Offer(_) => self.tell_part(PartEvent::Refused(Refusal::here(481, "there is no call"))),
                PartCommand::Info { id, .. } => self.tell_part(PartEvent::InfoFailed { id, status: 481 }),
                // What was offered is gone with the call.
                PartCommand::Answer(_) | PartCommand::Withdraw(_) => {}
            };
        };
        match command {
            PartCommand::Offer(lines) => {
                state.part.wanted.extend(lines);
                self.change(now);
            }
            PartCommand::Withdraw(line) => state.part.wanted.retain(|(place, wanted)| place.is_some() || *wanted != line),
            PartCommand::Answer(lines) => {
                if std::mem::take(&mut state.part.asked) {
                    self.answer_reinvite(now, &lines);
                }
            }
            PartCommand::Info { id, body } => self.send_info(now, id, body),
        }
    }

    fn send_info(&mut self, now: Instant, id: String, body: Bytes) {
        let (Some(state), Some(part)) = (self.call.as_mut(), self.config.part) else { return };
        let headers = vec![("Info-Package".to_owned(), part.package.to_owned())];
        let sent = (state.part.infos.len() < MAX_INFOS)
            .then(|| self.endpoint.request(now, state.call, Method::Info, headers, Some(Body::new(part.content_type, body))).ok());
        match sent.flatten() {
            Some(outgoing) => state.part.infos.push((outgoing, id)),
            None => self.tell_part(PartEvent::InfoFailed { id, status: 503 }),
        }
    }

    /// The lines of our next offer: those that were agreed, with what the part wants laid over them.
    pub(super) fn overlay(&mut self, lines: &mut Vec<Media>) {
        let Some(part) = self.config.part else { return };
        let Some(state) = self.call.as_mut() else { return };
        for (place, line) in std::mem::take(&mut state.part.wanted) {
            let free = |lines: &[Media], taken: &Lines| {
                lines.iter().enumerate().position(|(at, l)| l.port == 0 && (part.owns)(l) && !taken.contains_key(&at))
            };
            let place = place.filter(|at| lines.get(*at).is_some_and(part.owns)).or_else(|| free(lines, &state.part.offered));
            match place.and_then(|at| lines.get_mut(at).map(|old| (at, old))) {
                Some((at, old)) => {
                    old.clone_from(&line);
                    state.part.offered.insert(at, line);
                }
                None => {
                    state.part.offered.insert(lines.len(), line.clone());
                    lines.push(line);
                }
            }
        }
    }

    /// Our offer was answered so.
    pub(super) fn part_answered(&mut self, answer: &[Media]) {
        let Some(state) = self.call.as_mut() else { return };
        let offered = std::mem::take(&mut state.part.offered);
        if !offered.is_empty() {
            let answered = self.lines_of_part(answer);
            self.tell_part(PartEvent::Answered { offered, answered });
        }
    }

    /// Our offer was refused.
    pub(super) fn part_refused(&mut self, refusal: &Refusal) {
        let Some(state) = self.call.as_mut() else { return };
        if !std::mem::take(&mut state.part.offered).is_empty() {
            self.tell_part(PartEvent::Refused(refusal.clone()));
        }
    }

    /// Our offer lost its turn: it is made again, afterwards.
    pub(super) fn part_waits(&mut self) {
        let Some(state) = self.call.as_mut() else { return };
        let agreed = state.negotiation.local().len();
        let again = std::mem::take(&mut state.part.offered).into_iter();
        let again: Vec<_> = again.map(|(at, line)| (Some(at).filter(|at| *at < agreed), line)).collect();
        state.part.wanted.splice(0..0, again);
    }

    /// Shows the part what the other side offers; true when its answer is awaited.
    pub(super) fn ask_part(&mut self, offered: &[Media]) -> bool {
        let lines = self.lines_of_part(offered);
        let Some(state) = self.call.as_mut().filter(|_| !lines.is_empty()) else { return false };
        let known = state.negotiation.remote();
        let stands = |(at, line): (&usize, &Media)| known.get(*at).is_some_and(|k| k == line || (k.port == 0 && line.port == 0));
        if lines.iter().all(stands) {
            return false;
        }
        state.part.asked = true;
        self.tell_part(PartEvent::Offered(lines));
        true
    }

    /// The other side took its offer back.
    pub(super) fn part_taken_back(&mut self) {
        let Some(state) = self.call.as_mut() else { return };
        if std::mem::take(&mut state.part.asked) {
            self.tell_part(PartEvent::TakenBack);
        }
    }

    /// An INFO of the part's package, if there is one: its status.
    pub(super) fn on_part_info(&mut self, call: Option<Call>, request: &Request) -> Option<u16> {
        let part = self.config.part?;
        let package = request.headers.get("Info-Package")?.split(';').next()?.trim();
        if !package.eq_ignore_ascii_case(part.package) {
            return None;
        }
        if call.is_none() || self.call.as_ref().map(|s| s.call) != call {
            return Some(481);
        }
        if request.content_type().as_deref() != Some(part.content_type) {
            return Some(415);
        }
        self.tell_part(PartEvent::Info(request.body.clone()));
        Some(200)
    }

    /// The final response to an INFO of the part's, if it is one.
    pub(super) fn on_part_answer(&mut self, outgoing: Outgoing, status: u16) -> bool {
        let Some(state) = self.call.as_mut() else { return false };
        let Some(at) = state.part.infos.iter().position(|(sent, _)| *sent == outgoing) else { return false };
        let (_, id) = state.part.infos.swap_remove(at);
        if status >= 300 {
            self.tell_part(PartEvent::InfoFailed { id, status });
        }
        true
    }

    /// True when nothing keeps an offer of the part's from being made.
    pub(super) fn part_wants(&self) -> bool {
        self.call.as_ref().is_some_and(|s| s.phase == Phase::Up && !s.part.wanted.is_empty())
    }
}
