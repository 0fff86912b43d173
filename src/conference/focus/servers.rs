//! Media servers: which takes the next conference, which answer, and what happens when one stops answering.

use std::time::{Duration, Instant};

use super::{
    Asked, Cx, Focus, Timer,
    conference::{Mix, Stage},
    mix::MixReady,
};
use crate::{
    conference::servers::{Asking, Pong, ServerState},
    id::ConferenceName,
    sip::{
        endpoint::Reason,
        message::{Method, Response},
    },
};

impl Focus {
    /// The media servers as `status` and metrics show them.
    pub fn media_servers(&self) -> impl Iterator<Item = &ServerState> {
        self.servers.iter()
    }

    pub(super) fn choose_server(&self, now: Instant) -> Option<usize> {
        self.servers.choose(now)
    }

    /// A media server has taken a conference: it lives.
    pub(super) fn server_answers(&mut self, server: usize) {
        self.servers.answers(server);
        self.timers.cancel(&Timer::ServerLost(server));
    }

    /// A media server has no room for another conference for so long; those that it has go on.
    pub(super) fn server_full(&mut self, now: Instant, server: usize, wait: Duration) {
        self.servers.full(now, server, wait);
    }

    /// Asks every media server for its load (RFC 3261 §11). One that has not answered since the last time is away.
    pub(super) fn ping(&mut self, cx: &mut Cx<'_>) {
        if let Some(ping) = self.config.ping {
            self.timers.set_after(Timer::Ping, cx.now, ping);
        }
        let from = self.config.uri("focus");
        for server in 0..self.servers.len() {
            match self.servers.ask(cx.endpoint, cx.now, &from, server) {
                Asking::Sent(outgoing) => {
                    self.asked.insert(outgoing, Asked::Ping { server });
                }
                Asking::Silent(since) => self.server_away(since, server),
                Asking::Unsent => {}
            }
        }
    }

    pub(super) fn on_pong(&mut self, cx: &mut Cx<'_>, server: usize, response: &Response) {
        match self.servers.on_pong(cx.now, server, response) {
            Some(Pong::Silent(since)) => self.server_away(since, server),
            Some(Pong::Here { was_away, restarted, .. }) => {
                self.timers.cancel(&Timer::ServerLost(server));
                if restarted {
                    self.lose_mixes(cx, server, "media server restarted");
                } else if was_away {
                    self.probe_mixes(cx, server);
                }
            }
            None => {}
        }
    }

    /// A media server that was away may have forgotten its calls: one that does not know a control leg any more answers 481, which ends it.
    fn probe_mixes(&mut self, cx: &mut Cx<'_>, server: usize) {
        for call in self.conferences.values().filter_map(|c| c.mix.control()).filter(|(_, at)| *at == server).map(|(call, _)| call) {
            // One that cannot be asked is on its way out already.
            let _ = cx.endpoint.request(cx.now, call, Method::Options, Vec::new(), None);
        }
    }

    /// A media server has not answered since then: no new conferences for it, and its own end when it stays away.
    pub(super) fn server_away(&mut self, since: Instant, server: usize) {
        if self.servers.is_away(since, server) {
            self.timers.set_after(Timer::ServerLost(server), since, self.config.media_server_failure);
        }
    }

    /// It stayed away: the participants of its conferences are sent home with a reason. The conferences stay, and the next
    /// caller finds another media server.
    pub(super) fn on_server_lost(&mut self, cx: &mut Cx<'_>, server: usize) {
        if self.servers.get(server).is_none_or(|s| s.away_since.is_none()) {
            return;
        }
        self.lose_mixes(cx, server, "media server lost");
        if self.config.ping.is_none() {
            self.servers.try_again(server);
        }
    }

    /// Every mix on a media server is gone.
    fn lose_mixes(&mut self, cx: &mut Cx<'_>, server: usize, why: &str) {
        let lost = self.conferences.iter().filter(|(_, c)| c.mix.control().is_some_and(|(_, at)| at == server));
        let lost: Vec<(ConferenceName, bool)> = lost.map(|(name, c)| (name.clone(), matches!(c.mix, Mix::Up { .. }))).collect();
        for (name, was_up) in lost {
            tracing::warn!(conference = %name, why, "mix lost");
            let reason = Reason::sip(503, why);
            if was_up {
                self.lose_mix(cx, &name, &reason);
                continue;
            }
            // Nobody is in it yet: whoever waits for it may find another one.
            self.close_mix(cx, &name, None);
            if self.open_elsewhere(cx, &name) == MixReady::No {
                self.send_home(cx, &name, &reason, |stage| stage != Stage::Calling);
            }
        }
    }

    /// The mix of a conference is gone: those who are in it, or about to be, are sent home. Who is being called is called on:
    /// its answer opens another mix.
    pub(super) fn lose_mix(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, reason: &Reason) {
        self.close_mix(cx, name, Some(reason));
        self.send_home(cx, name, reason, |stage| stage != Stage::Calling);
    }
}

/// True for a response that stands for none: a timeout or a transport failure. Whoever answers puts a tag into To (RFC 3261
/// §8.2.6.2).
pub(super) fn is_silence(response: &Response) -> bool {
    matches!(response.status, 408 | 503) && response.to().is_none_or(|to| to.tag().is_none())
}
