//! Session timers (RFC 4028): dead peers are noticed because somebody has to refresh the session.
//!
//! Refreshes are re-INVITEs with the last session description that we sent, unchanged; UPDATE is answered, not sent. Nobody
//! is required to know the extension: `Require: timer` stands only in a 2xx whose caller said itself that it refreshes,
//! where §9 demands it.

use std::time::{Duration, Instant};

use super::{
    Body, Ending, Endpoint, Event, Reason,
    call::{Stage, What},
    handle::Call,
    send::add_missing,
    timer::{CallTimer, Timer},
};
use crate::sip::message::{Headers, Request, Response, scan};

/// The session timer of one call.
#[derive(Debug, Clone, Default)]
pub(super) struct SessionTimer {
    /// What the last 2xx agreed on.
    interval: Option<Duration>,
    we_refresh: bool,
    expires_at: Option<Instant>,
    /// The largest Min-SE heard in this dialog (§7.4).
    min_se: Option<Duration>,
    /// The last session description that we sent and that holds.
    pub body: Option<Body>,
}

/// A Session-Expires value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SessionExpires {
    interval: Duration,
    refresher: Option<Refresher>,
}

/// Who refreshes, as seen from the transaction that says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refresher {
    Uac,
    Uas,
}

impl SessionTimer {
    /// Keeps the description for refreshes, if it is one.
    pub fn keep(&mut self, body: Option<&Body>) {
        if let Some(body) = body.filter(|body| body.is_sdp()) {
            self.body = Some(body.clone());
        }
    }

    /// Notes a Min-SE of the peer.
    fn hear(&mut self, headers: &Headers) {
        if let Some(min_se) = seconds(headers, "Min-SE") {
            self.min_se = Some(self.min_se.map_or(min_se, |old| old.max(min_se)));
        }
    }
}

impl Endpoint {
    /// Replaces the description that session refreshes carry: for owners whose INVITE bodies are more than a description.
    /// `None` refreshes without an offer.
    pub fn set_session(&mut self, call: Call, description: Option<Body>) {
        if let Some(state) = self.calls.get_mut(&call.0) {
            state.session.body = description;
        }
    }

    /// Writes what our INVITE asks for (§7.1, §7.4).
    pub(super) fn ask_session(&self, timer: &SessionTimer, headers: &mut Headers) {
        let wanted = match timer.interval {
            Some(interval) => Some((interval, if timer.we_refresh { ";refresher=uac" } else { ";refresher=uas" })),
            None => self.config.session_expires.map(|interval| (interval, "")),
        };
        let min_se = timer.min_se.map(|heard| heard.max(self.config.min_se));
        if let Some((interval, refresher)) = wanted {
            let interval = interval.max(min_se.unwrap_or(self.config.min_se)).as_secs();
            add_missing(headers, "Session-Expires", || format!("{interval}{refresher}"));
        }
        if let Some(min_se) = min_se {
            headers.set("Min-SE", min_se.as_secs().to_string());
        }
    }

    /// True when the peer's INVITE or UPDATE asks for a shorter session than we take (§9): answer 422 with our Min-SE.
    pub(super) fn session_too_small(&self, request: &Request) -> bool {
        request.headers.lists("Supported", "timer")
            && SessionExpires::of(&request.headers).is_some_and(|asked| asked.interval < self.config.min_se)
    }

    /// Settles the timer as the called side of an INVITE or UPDATE that is answered 2xx (§9, table 2).
    pub(super) fn answer_session(&mut self, now: Instant, call: u64, request: &Request, response: &mut Response) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        let knows_timer = request.headers.lists("Supported", "timer");
        let asked = SessionExpires::of(&request.headers);
        let min_se = seconds(&request.headers, "Min-SE").unwrap_or(Duration::ZERO).max(self.config.min_se);
        state.session.hear(&request.headers);
        let interval = match (asked, self.config.session_expires) {
            // Never raised (§9), but for what no one may ask for: it could not be refused, as the caller knows no 422.
            (Some(asked), Some(ours)) => Some(asked.interval.min(ours).max(min_se)),
            (Some(asked), None) => Some(asked.interval.max(self.config.min_se)),
            (None, ours) => ours.map(|ours| ours.max(min_se)),
        };
        let uac_refreshes = knows_timer && asked.is_some_and(|asked| asked.refresher == Some(Refresher::Uac));
        state.session.interval = interval;
        state.session.we_refresh = !uac_refreshes;
        if let Some(interval) = interval {
            let refresher = if uac_refreshes { "uac" } else { "uas" };
            response.headers.set("Session-Expires", format!("{};refresher={refresher}", interval.as_secs()));
            if uac_refreshes {
                response.headers.push("Require", "timer");
            }
        }
        self.start_session(now, call);
    }

    /// Settles the timer as the calling side, by the 2xx to `request` (§7.2).
    pub(super) fn session_accepted(&mut self, now: Instant, call: u64, request: &Headers, response: &Response) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        let (interval, we_refresh) = match (SessionExpires::of(&response.headers), SessionExpires::of(request)) {
            // No answer may make us refresh without a pause.
            (Some(agreed), _) => (Some(agreed.interval.max(self.config.min_se)), agreed.refresher != Some(Refresher::Uas)),
            // The peer does not know the extension: whoever wants refreshes makes them.
            (None, Some(asked)) => (Some(asked.interval), true),
            (None, None) => (None, false),
        };
        state.session.interval = interval;
        state.session.we_refresh = we_refresh;
        self.start_session(now, call);
    }

    /// Reads a 422 (§7.3): what the INVITE has to say when it is sent again; `None` where that would change nothing.
    pub(super) fn session_after_422(&mut self, call: u64, request: &Headers, response: &Response) -> Option<(String, String)> {
        let asked = SessionExpires::of(request)?;
        let min_se = seconds(&response.headers, "Min-SE").filter(|min_se| *min_se > asked.interval)?;
        let state = self.calls.get_mut(&call)?;
        state.session.hear(&response.headers);
        let refresher = match asked.refresher {
            Some(Refresher::Uac) => ";refresher=uac",
            Some(Refresher::Uas) => ";refresher=uas",
            None => "",
        };
        Some((format!("{}{refresher}", min_se.as_secs()), min_se.as_secs().to_string()))
    }

    /// Half of the interval has passed: refresh, when the turn is ours.
    pub(super) fn on_refresh_due(&mut self, now: Instant, call: u64) {
        let Some(state) = self.calls.get(&call).filter(|state| state.stage == Stage::Up) else { return };
        if state.may_reinvite() {
            let body = state.session.body.clone();
            self.send_reinvite(now, call, What::Refresh, body);
        } else {
            // The INVITE under way refreshes as well, if it succeeds.
            self.refresh_again(now, call);
        }
    }

    /// A refresh failed, though the dialog lives: once more when half of what is left has passed, until little is left (§10).
    pub(super) fn refresh_again(&mut self, now: Instant, call: u64) {
        const TOO_LATE: Duration = Duration::from_secs(4);
        let Some(expires_at) = self.calls.get(&call).and_then(|state| state.session.expires_at) else { return };
        let left = expires_at.saturating_duration_since(now);
        if left > TOO_LATE {
            self.timers.set(Timer::Call(call, CallTimer::Refresh), now + left / 2);
        }
    }

    /// Nobody has refreshed the session in time (§10).
    pub(super) fn on_session_expired(&mut self, now: Instant, call: u64) {
        self.leave(now, call, Ending::Expired, Some(&Reason::sip(408, "session expired")));
    }

    fn start_session(&mut self, now: Instant, call: u64) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        let (refresh, expire) = (Timer::Call(call, CallTimer::Refresh), Timer::Call(call, CallTimer::Expire));
        let Some(interval) = state.session.interval else {
            state.session.expires_at = None;
            self.timers.stop(refresh);
            self.timers.stop(expire);
            return;
        };
        state.session.expires_at = Some(now + interval);
        if state.session.we_refresh {
            self.timers.set(refresh, now + interval / 2);
            self.timers.set(expire, now + interval);
        } else {
            self.timers.stop(refresh);
            // Slightly before the end, as §10 recommends.
            self.timers.set(expire, now + interval - (interval / 3).min(Duration::from_secs(32)));
        }
    }

    /// A refresh was answered: no one but the owner's reading of the answer is left.
    pub(super) fn refreshed(&mut self, call: u64, response: Response) {
        self.events.push_back(Event::Refreshed { call: Call(call), response });
    }
}

impl SessionExpires {
    fn of(headers: &Headers) -> Option<Self> {
        let value = headers.get("Session-Expires")?;
        let (number, params) = value.split_at(value.find(';').unwrap_or(value.len()));
        let interval = Duration::from_secs(u64::from(number.trim().parse::<u32>().ok()?));
        let params = if params.is_empty() { Vec::new() } else { scan::params(params)? };
        let refresher = params.iter().find(|(name, _)| name == "refresher").and_then(|(_, value)| match value.as_deref() {
            Some(v) if v.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(v) if v.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            _ => None,
        });
        Some(Self { interval, refresher })
    }
}

/// A header that holds seconds, its parameters aside.
pub(super) fn seconds(headers: &Headers, name: &str) -> Option<Duration> {
    let value = headers.get(name)?;
    let number = value.split([';', ' ', '(']).next()?.trim();
    number.parse::<u32>().ok().map(|s| Duration::from_secs(s.into()))
}
