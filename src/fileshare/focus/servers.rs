//! File servers: what happens when one stops answering, or answers again.

use std::time::Instant;

use super::{Asked, Due, FileSharing};
use crate::{
    conference::{
        companion::CompanionCx,
        servers::{Asking, Pong},
    },
    sip::message::Response,
};

impl FileSharing {
    /// Asks every file server for its load. One that has not answered since the last time is away.
    pub(super) fn ping(&mut self, cx: &mut CompanionCx<'_>) {
        let Some(ping) = self.config.ping.filter(|_| !self.ending) else { return };
        self.deadlines.set(&Due::Ping, cx.now.checked_add(ping));
        for server in 0..self.servers.len() {
            match self.servers.ask(cx.endpoint, cx.now, &self.config.uri, server) {
                Asking::Sent(outgoing) => {
                    self.asked.insert(outgoing, Asked::Ping { server });
                }
                Asking::Silent(since) => self.server_away(since, server),
                Asking::Unsent => {}
            }
        }
    }

    pub(super) fn on_pong(&mut self, cx: &mut CompanionCx<'_>, server: usize, response: &Response) {
        let (restarted, draining) = match self.servers.on_pong(cx.now, server, response) {
            Some(Pong::Here { restarted, draining, .. }) => (restarted, draining),
            Some(Pong::Silent(since)) => return self.server_away(since, server),
            None => return,
        };
        self.deadlines.set(&Due::Lost(server), None);
        if restarted {
            // Another process: it knows none of our calls, and has what the one before kept.
            for (conference, share) in self.shares_at(server) {
                self.cast_adrift(cx, &conference, share, "the file server was started anew");
                self.drop_calls(cx, &conference, share);
            }
        }
        if !draining {
            self.restore(cx, server);
        }
    }

    /// A file server has not answered since then: no new shares for it, and those that it has wait when it stays away.
    pub(super) fn server_away(&mut self, since: Instant, server: usize) {
        if self.servers.is_away(since, server) {
            self.deadlines.set(&Due::Lost(server), since.checked_add(self.config.failure));
        }
    }

    pub(super) fn on_server_lost(&mut self, cx: &mut CompanionCx<'_>, server: usize) {
        if self.servers.get(server).is_none_or(|s| s.away_since.is_none()) {
            return;
        }
        if self.config.ping.is_none() {
            self.servers.try_again(server);
        }
        for (conference, share) in self.shares_at(server) {
            self.cast_adrift(cx, &conference, share, "the file server was lost");
        }
    }
}
