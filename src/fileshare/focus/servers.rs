//! File servers: which takes the next share, which answer, and what happens when one stops answering.

use std::time::{Duration, Instant};

use super::{Asked, Due, FileServerAddress, FileSharing};
use crate::{
    conference::{
        companion::CompanionCx,
        wire::services::{self, Load, Services},
    },
    sip::{
        endpoint::OutOfDialog,
        message::{Method, NameAddr, Response},
    },
};

/// How long a file server that has no room is left alone.
const NO_ROOM: Duration = Duration::from_secs(10);

/// What is known of one file server.
#[derive(Debug, Clone, PartialEq)]
pub struct FileServerState {
    /// How to reach it.
    pub address: FileServerAddress,
    /// Since when it has not answered; `None` while it does, or before it was first asked.
    pub away_since: Option<Instant>,
    /// True once it has answered.
    pub known: bool,
    /// What it said of its load: members and most of them.
    pub load: Load,
    /// It says that it is being stopped: nothing new for it.
    pub draining: bool,
    /// It had no room, and is not asked again before.
    pub full_until: Option<Instant>,
    /// Which run of it answered last.
    instance: Option<String>,
    /// Since when a question has been waiting for its answer.
    asked: Option<Instant>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct FileServers {
    all: Vec<FileServerState>,
}

impl FileServers {
    pub(super) fn new(addresses: &[FileServerAddress]) -> Self {
        let state = |address: &FileServerAddress| FileServerState {
            address: address.clone(),
            away_since: None,
            known: false,
            load: Load::default(),
            draining: false,
            full_until: None,
            instance: None,
            asked: None,
        };
        Self { all: addresses.iter().map(state).collect() }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &FileServerState> {
        self.all.iter()
    }

    pub(super) fn get(&self, server: usize) -> Option<&FileServerState> {
        self.all.get(server)
    }

    /// The one to take a new share: the least loaded of those that answer, then one that was not asked yet.
    pub(super) fn choose(&self, now: Instant) -> Option<usize> {
        let free = |s: &FileServerState| {
            !s.draining && s.full_until.is_none_or(|until| until <= now) && (s.load.capacity == 0 || s.load.legs < s.load.capacity)
        };
        let answering = self.all.iter().enumerate().filter(|(_, s)| s.away_since.is_none() && free(s));
        answering.min_by_key(|(at, s)| (!s.known, s.load.legs, *at)).map(|(at, _)| at)
    }

    /// One has no room for now.
    pub(super) fn full(&mut self, now: Instant, server: usize) {
        if let Some(state) = self.all.get_mut(server) {
            state.full_until = now.checked_add(NO_ROOM);
        }
    }
}

impl FileSharing {
    /// Asks every file server for its load. One that has not answered since the last time is away.
    pub(super) fn ping(&mut self, cx: &mut CompanionCx<'_>) {
        let Some(ping) = self.config.ping.filter(|_| !self.ending) else { return };
        self.deadlines.set(&Due::Ping, cx.now.checked_add(ping));
        for server in 0..self.servers.all.len() {
            let Some(state) = self.servers.all.get_mut(server) else { continue };
            if let Some(since) = state.asked {
                self.server_away(since, server);
                continue;
            }
            let uri = state.address.uri(None);
            let request = OutOfDialog {
                method: Method::Options,
                to: NameAddr::new(uri.clone()),
                uri,
                from: NameAddr::new(self.config.uri.clone()),
                contact: None,
                hop: state.address.hop.clone(),
                route: Vec::new(),
                sequence: None,
                headers: vec![("Accept".to_owned(), services::CONTENT_TYPE.to_owned())],
                body: None,
                credentials: None,
            };
            if let Ok(outgoing) = cx.endpoint.send(cx.now, request) {
                state.asked = Some(cx.now);
                self.asked.insert(outgoing, Asked::Ping { server });
            }
        }
    }

    pub(super) fn on_pong(&mut self, cx: &mut CompanionCx<'_>, server: usize, response: &Response) {
        let Some(state) = self.servers.all.get_mut(server) else { return };
        let asked = state.asked.take().unwrap_or(cx.now);
        if response.status == 408 || response.status == 503 && response.headers.get("Retry-After").is_none() {
            return self.server_away(asked, server);
        }
        let services = Services::parse(&response.body).unwrap_or_default();
        state.load = services.load.unwrap_or_default();
        state.draining = services.draining;
        state.known = true;
        if state.away_since.take().is_some() {
            tracing::info!(server = %state.address.hop, "file server answers again");
        }
        let restarted = state.instance.is_some() && state.instance != services.instance;
        state.instance = services.instance;
        self.deadlines.set(&Due::Lost(server), None);
        let takes = !state.draining;
        if restarted {
            // Another process: it knows none of our calls, and has what the one before kept.
            for (conference, share) in self.shares_at(server) {
                self.cast_adrift(cx, &conference, share, "the file server was started anew");
                self.drop_calls(cx, &conference, share);
            }
        }
        if takes {
            self.restore(cx, server);
        }
    }

    /// A file server has not answered since then: no new shares for it, and those that it has wait when it stays away.
    pub(super) fn server_away(&mut self, since: Instant, server: usize) {
        let Some(state) = self.servers.all.get_mut(server) else { return };
        if state.away_since.is_none() {
            tracing::warn!(server = %state.address.hop, "file server does not answer");
            state.away_since = Some(since);
            self.deadlines.set(&Due::Lost(server), since.checked_add(self.config.failure));
        }
    }

    pub(super) fn on_server_lost(&mut self, cx: &mut CompanionCx<'_>, server: usize) {
        let Some(state) = self.servers.all.get_mut(server).filter(|s| s.away_since.is_some()) else { return };
        if self.config.ping.is_none() {
            // Nobody would ever hear that it is back: the next share tries it again.
            state.away_since = None;
        }
        for (conference, share) in self.shares_at(server) {
            self.cast_adrift(cx, &conference, share, "the file server was lost");
        }
    }
}
