//! Media servers: which takes the next conference, which answer, and what happens when one stops answering.

use std::time::Instant;

use super::{Asked, Cx, Focus, MediaServerConfig, Timer, conference::Mix};
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
    asking: bool,
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
            .map(|config| MediaServerState { config: config.clone(), away_since: None, known: false, load: Load::default(), asking: false })
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
    /// does not answer is not chosen.
    fn choose(&self) -> Option<usize> {
        let free = |s: &MediaServerState| s.load.capacity == 0 || s.load.legs < s.load.capacity;
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

    pub(super) fn choose_server(&self) -> Option<usize> {
        self.servers.choose()
    }

    /// Asks every media server for its load (RFC 3261 §11).
    pub(super) fn ping(&mut self, cx: &mut Cx<'_>) {
        if let Some(ping) = self.config.ping {
            self.timers.set(Timer::Ping, cx.now + ping);
        }
        for server in 0..self.servers.all.len() {
            let Some(state) = self.servers.all.get_mut(server).filter(|s| !s.asking) else { continue };
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
                state.asking = true;
                self.asked.insert(outgoing, Asked::Ping { server });
            }
        }
    }

    pub(super) fn on_pong(&mut self, cx: &mut Cx<'_>, server: usize, response: &Response) {
        let Some(state) = self.servers.all.get_mut(server) else { return };
        state.asking = false;
        if matches!(response.status, 408 | 503) {
            self.server_away(cx, server);
            return;
        }
        // Any other final answer shows that it lives; one that does not know our body has no load to tell.
        if let Ok(services) = Services::parse(&response.body) {
            state.load = services.load.unwrap_or_default();
        }
        if state.away_since.take().is_some() {
            tracing::info!(server = %state.config.hop, "media server answers again");
        }
        state.known = true;
        self.timers.cancel(&Timer::ServerLost(server));
    }

    /// A media server did not answer: no new conferences for it, and its own end when it stays away.
    pub(super) fn server_away(&mut self, cx: &mut Cx<'_>, server: usize) {
        let Some(state) = self.servers.all.get_mut(server) else { return };
        if state.away_since.is_none() {
            tracing::warn!(server = %state.config.hop, "media server does not answer");
            state.away_since = Some(cx.now);
            self.timers.set(Timer::ServerLost(server), cx.now + self.config.media_server_failure);
        }
    }

    /// It stayed away: the participants of its conferences are sent home with a reason. The conferences stay, and the next
    /// caller finds another media server.
    pub(super) fn on_server_lost(&mut self, cx: &mut Cx<'_>, server: usize) {
        if self.servers.get(server).is_none_or(|s| s.away_since.is_none()) {
            return;
        }
        let lost: Vec<ConferenceName> = self
            .conferences
            .iter()
            .filter(|(_, c)| c.mix.control().is_some_and(|(_, at)| at == server))
            .map(|(name, _)| name.clone())
            .collect();
        for name in lost {
            tracing::warn!(conference = %name, "media server lost");
            self.lose_mix(cx, &name, &Reason::sip(503, "media server lost"));
        }
    }

    /// The mix of a conference is gone: everybody is sent home.
    pub(super) fn lose_mix(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, reason: &Reason) {
        self.empty(cx, name, reason);
        if let Some(conference) = self.conferences.get_mut(name)
            && let Some((call, _)) = conference.mix.control()
        {
            conference.mix = Mix::Down;
            self.uses.remove(&call);
            cx.endpoint.bye(cx.now, call, Some(reason.clone()), Vec::new());
        }
    }
}
