//! Playing and collecting in progress (RFC 5022 §6): at most one for each dialog.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    collect::{Collect, Step},
    node::MediaServer,
    plane::{MediaPlane, PlayEnd, PlayId, Prompt, Target},
    prompts::{self, Rows},
};
use crate::{
    conference::wire::mscml::{Body, ErrorInfo, PlayCollect, Reason, Request, Response, Verb},
    sip::endpoint::Call,
};

/// One `play` or `playcollect` in progress.
#[derive(Debug)]
pub(super) struct Ivr {
    request: Request,
    collect: Option<Collect>,
    rows: VecDeque<Prompt>,
    current: Option<(PlayId, Instant)>,
    played: Duration,
    offset: Duration,
    /// When the prompt has to end (§6.1.1 `duration`).
    until: Option<Instant>,
    missing: Option<ErrorInfo>,
}

impl Ivr {
    fn new(request: Request) -> Self {
        let zero = Duration::ZERO;
        Self { request, collect: None, rows: VecDeque::new(), current: None, played: zero, offset: zero, until: None, missing: None }
    }

    fn deadline(&self) -> Option<Instant> {
        [self.collect.as_ref().and_then(Collect::deadline), self.until].into_iter().flatten().min()
    }

    fn response(&self, reason: Option<Reason>, code: u16, text: &str) -> Response {
        let mut response = self.request.response(code, text);
        response.reason = reason;
        response.play_duration = Some(self.played);
        response.play_offset = Some(self.offset + self.played);
        response.error.clone_from(&self.missing);
        if let Verb::PlayCollect(_) = self.request.verb {
            let escaped = reason == Some(Reason::EscapeKey);
            let digits = self.collect.as_ref().filter(|_| !escaped).map(Collect::digits);
            response.digits = Some(digits.unwrap_or_default().to_owned());
        }
        response
    }
}

impl<P: MediaPlane> MediaServer<P> {
    /// Begins a `play` or `playcollect`; whatever was in progress is stopped (§6).
    pub(super) fn start_ivr(&mut self, now: Instant, call: Call, request: Request) {
        self.stop_ivr(now, call);
        let (prompt, collect) = match &request.verb {
            Verb::Play(play) => (play.prompt.clone(), None),
            Verb::PlayCollect(collect) => (collect.prompt.clone(), Some(collect.clone())),
            Verb::ConfigureConference(_) | Verb::ConfigureLeg(_) | Verb::Stop => return,
        };
        let mut ivr = Ivr::new(request);
        match prompts::rows(&prompt, &self.config.prompts) {
            Ok(Rows { rows, missing }) => {
                ivr.rows = rows.into();
                ivr.missing = missing;
            }
            Err(error) => {
                let code = error.code;
                ivr.missing = Some(error);
                let response = ivr.response(None, code, "the prompt cannot be played");
                return self.tell(now, call, Body::Response(response));
            }
        }
        ivr.offset = prompt.offset;
        ivr.until = prompt.duration.length().filter(|_| !ivr.rows.is_empty()).map(|length| now + length);
        let Some(session) = self.sessions.get_mut(&call) else { return };
        let step = match &collect {
            Some(spec) => Self::begin_collect(now, &mut ivr, spec, session.leg_mut().map(|leg| &mut leg.buffer)),
            None => Step::Wait,
        };
        session.ivr = Some(ivr);
        match step {
            Step::Wait => self.play_next(now, call),
            Step::EndPrompt => self.end_prompt(now, call),
            Step::Done(reason) => self.finish_ivr(now, call, Some(reason)),
        }
        self.time_ivr(call);
    }

    fn begin_collect(now: Instant, ivr: &mut Ivr, spec: &PlayCollect, buffer: Option<&mut VecDeque<char>>) -> Step {
        let Some(buffer) = buffer else { return Step::Wait };
        let (collect, step) = Collect::begin(now, spec, !ivr.rows.is_empty(), buffer);
        ivr.collect = Some(collect);
        step
    }

    /// Ends what is in progress with `reason="stopped"`: for a stop, another request, or a changed session.
    pub(super) fn stop_ivr(&mut self, now: Instant, call: Call) {
        self.finish_ivr(now, call, Some(Reason::Stopped));
    }

    /// A key was put into a leg's buffer.
    pub(super) fn collect_key(&mut self, now: Instant, call: Call) {
        self.collect_step(now, call, |collect, buffer| collect.key(now, buffer));
    }

    /// A playing of the plane is over.
    pub(super) fn play_done(&mut self, now: Instant, play: PlayId, end: PlayEnd, played: Duration) {
        let Some(call) = self.plays.remove(&play) else { return };
        let Some(ivr) = self.sessions.get_mut(&call).and_then(|s| s.ivr.as_mut()) else { return };
        if ivr.current.is_none_or(|(current, _)| current != play) {
            return;
        }
        ivr.current = None;
        ivr.played += played;
        match end {
            PlayEnd::Finished => self.play_next(now, call),
            PlayEnd::Stopped | PlayEnd::Closed => self.stop_ivr(now, call),
        }
        self.time_ivr(call);
    }

    /// The deadline of a leg's play or collection has come.
    pub(super) fn ivr_timeout(&mut self, now: Instant, call: Call) {
        let over = self.sessions.get(&call).and_then(|s| s.ivr.as_ref()).is_some_and(|ivr| ivr.until.is_some_and(|at| at <= now));
        if over {
            self.end_prompt(now, call);
            self.prompt_over(now, call);
        }
        self.collect_step(now, call, |collect, _| collect.timeout(now));
        self.time_ivr(call);
    }

    fn collect_step(&mut self, now: Instant, call: Call, step: impl FnOnce(&mut Collect, &mut VecDeque<char>) -> Step) {
        let Some(session) = self.sessions.get_mut(&call) else { return };
        let Some(collect) = session.ivr.as_mut().and_then(|ivr| ivr.collect.as_mut()) else { return };
        let super::session::Kind::Leg(leg) = &mut session.kind else { return };
        match step(collect, &mut leg.buffer) {
            Step::Wait => {}
            Step::EndPrompt => self.end_prompt(now, call),
            Step::Done(reason) => self.finish_ivr(now, call, Some(reason)),
        }
        self.time_ivr(call);
    }

    /// Plays the next row; behind the last one the prompt is over.
    fn play_next(&mut self, now: Instant, call: Call) {
        let Some(session) = self.sessions.get_mut(&call) else { return };
        let target = match session.leg() {
            Some(leg) => Target::Leg(leg.media),
            None => Target::Room(super::node::room(&session.conference)),
        };
        let Some(ivr) = session.ivr.as_mut() else { return };
        let Some(row) = ivr.rows.pop_front() else { return self.prompt_over(now, call) };
        let play = PlayId(self.next_play);
        self.next_play += 1;
        match self.plane.play(target, row, play) {
            Ok(()) => {
                ivr.current = Some((play, now));
                self.plays.insert(play, call);
            }
            Err(error) => {
                let response = ivr.response(None, 500, &error.to_string());
                session.ivr = None;
                self.tell(now, call, Body::Response(response));
            }
        }
    }

    /// The prompt has ended by itself: a play is done, a collection waits for digits.
    fn prompt_over(&mut self, now: Instant, call: Call) {
        let Some(ivr) = self.sessions.get_mut(&call).and_then(|s| s.ivr.as_mut()) else { return };
        ivr.until = None;
        if ivr.collect.is_none() {
            self.finish_ivr(now, call, Some(Reason::Eof));
        } else {
            self.collect_step(now, call, |collect, buffer| collect.prompt_ended(now, buffer));
        }
    }

    /// Breaks the prompt off, and keeps how much was heard of it.
    fn end_prompt(&mut self, now: Instant, call: Call) {
        let Some(ivr) = self.sessions.get_mut(&call).and_then(|s| s.ivr.as_mut()) else { return };
        ivr.rows.clear();
        ivr.until = None;
        if let Some((play, since)) = ivr.current.take() {
            ivr.played += now.saturating_duration_since(since);
            self.plays.remove(&play);
            self.plane.stop(play);
        }
    }

    fn finish_ivr(&mut self, now: Instant, call: Call, reason: Option<Reason>) {
        self.end_prompt(now, call);
        let Some(ivr) = self.sessions.get_mut(&call).and_then(|s| s.ivr.take()) else { return };
        self.time_ivr(call);
        self.tell(now, call, Body::Response(ivr.response(reason, 200, "OK")));
    }

    fn time_ivr(&mut self, call: Call) {
        let deadline = self.sessions.get(&call).and_then(|s| s.ivr.as_ref()).and_then(Ivr::deadline);
        self.deadlines.set(&super::node::Due::Ivr(call), deadline);
    }
}
