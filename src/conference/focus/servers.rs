//! Media servers: which takes the next conference, which answer, and what happens when one stops answering.

use std::time::Instant;

use super::{
    Asked, Cx, Focus, MediaServerConfig, Timer,
    conference::{Mix, Stage},
    mix::MixReady,
};
use crate::{
    conference::wire::services::{Load, Services},
    id::ConferenceName,
    sip::{
        endpoint::{OutOfDialog, Reason},
        message::{Method, NameAddr, Response},
    },
};

/// What is known of one media server.
#[derive(Debug, Clone, PartialEq)]
pub struct MediaServerState {
    /// How to reach it.
    pub config: MediaServerConfig,
    /// Since when it has not answered; `None` while it does, or before it was first asked.
    pub away_since: Option<Instant>,
    /// True once it has answered.
    pub known: bool,
    /// What it said of its load.
    pub load: Load,
    /// Which run of it answered last.
    instance: Option<String>,
    /// It says that it is being stopped: nothing new for it.
    pub draining: bool,
    /// It had no room for a conference, and is not asked for another one before.
    pub full_until: Option<Instant>,
    /// Since when a question has been waiting for its answer.
    asked: Option<Instant>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct MediaServers {
    all: Vec<MediaServerState>,
}

impl MediaServers {
    pub(super) fn new(configs: &[MediaServerConfig]) -> Self {
        let all = configs
            .iter()
            .map(|config| MediaServerState {
                config: config.clone(),
                away_since: None,
                known: false,
                load: Load::default(),
                draining: false,
                full_until: None,
                instance: None,
                asked: None,
            })
            .collect();
        Self { all }
    }

    pub(super) fn get(&self, server: usize) -> Option<&MediaServerState> {
        self.all.get(server)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &MediaServerState> {
        self.all.iter()
    }

    /// The one to take a new conference: the least loaded of those that answer, then one that was not asked yet. One that
    /// does not answer, is being stopped or has no room is not chosen.
    fn choose(&self, now: Instant) -> Option<usize> {
        let free = |s: &MediaServerState| {
            !s.draining && s.full_until.is_none_or(|until| until <= now) && (s.load.capacity == 0 || s.load.legs < s.load.capacity)
        };
        self.all
            .iter()
            .enumerate()
            .filter(|(_, s)| s.away_since.is_none() && free(s))
            .min_by_key(|(at, s)| (!s.known, s.load.load, s.load.legs, *at))
            .map(|(at, _)| at)
    }
}

impl Focus {
    /// The media servers as `status` and metrics show them.
    pub fn media_servers(&self) -> impl Iterator<Item = &MediaServerState> {
        self.servers.iter()
    }

    pub(super) fn choose_server(&self, now: Instant) -> Option<usize> {
        self.servers.choose(now)
    }

    /// A media server has taken a conference: it lives.
    pub(super) fn server_answers(&mut self, server: usize) {
        let Some(state) = self.servers.all.get_mut(server) else { return };
        state.known = true;
        if state.away_since.take().is_some() {
            tracing::info!(server = %state.config.hop, "media server answers again");
        }
        self.timers.cancel(&Timer::ServerLost(server));
    }

    /// A media server has no room for another conference for so long; those that it has go on.
    pub(super) fn server_full(&mut self, now: Instant, server: usize, wait: std::time::Duration) {
        if let Some(state) = self.servers.all.get_mut(server) {
            tracing::info!(server = %state.config.hop, ?wait, "media server has no room");
            state.full_until = Some(now + wait);
        }
    }

    /// Asks every media server for its load (RFC 3261 §11). One that has not answered since the last time is away: the transaction's own end would
    /// come after 32 s only.
    pub(super) fn ping(&mut self, cx: &mut Cx<'_>) {
        if let Some(ping) = self.config.ping {
            self.timers.set_after(Timer::Ping, cx.now, ping);
        }
        for server in 0..self.servers.all.len() {
            let Some(state) = self.servers.all.get_mut(server) else { continue };
            if let Some(since) = state.asked {
                self.server_away(since, server);
                continue;
            }
            let hop = state.config.hop.clone();
            let uri = state.config.uri(None);
            let request = OutOfDialog {
                method: Method::Options,
                to: NameAddr::new(uri.clone()),
                uri,
                from: NameAddr::new(self.config.uri("focus")),
                contact: None,
                hop,
                route: Vec::new(),
                sequence: None,
                headers: vec![("Accept".to_owned(), crate::conference::wire::services::CONTENT_TYPE.to_owned())],
                body: None,
                credentials: None,
            };
            if let Ok(outgoing) = cx.endpoint.send(cx.now, request) {
                state.asked = Some(cx.now);
                self.asked.insert(outgoing, Asked::Ping { server });
            }
        }
    }

    pub(super) fn on_pong(&mut self, cx: &mut Cx<'_>, server: usize, response: &Response) {
        let Some(state) = self.servers.all.get_mut(server) else { return };
        let asked = state.asked.take().unwrap_or(cx.now);
        if response.status == 408 || response.status == 503 && response.headers.get("Retry-After").is_none() {
            return self.server_away(asked, server);
        }
        // Any other final answer shows that it lives; one that does not know our body has no load to tell.
        let services = Services::parse(&response.body).unwrap_or_default();
        state.load = services.load.unwrap_or_default();
        state.draining = services.draining;
        state.known = true;
        let was_away = state.away_since.take().is_some();
        let restarted = state.instance.is_some() && state.instance != services.instance;
        state.instance = services.instance;
        self.timers.cancel(&Timer::ServerLost(server));
        if was_away {
            tracing::info!(server = %state.config.hop, "media server answers again");
        }
        if restarted {
            self.lose_mixes(cx, server, "media server restarted");
        } else if was_away {
            self.probe_mixes(cx, server);
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
        let Some(state) = self.servers.all.get_mut(server) else { return };
        if state.away_since.is_none() {
            tracing::warn!(server = %state.config.hop, "media server does not answer");
            state.away_since = Some(since);
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
        if self.config.ping.is_none()
            && let Some(state) = self.servers.all.get_mut(server)
        {
            // Nobody would ever hear that it is back: the next conference tries it again.
            state.away_since = None;
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
