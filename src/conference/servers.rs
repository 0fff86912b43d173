//! The servers that the application server hands work to, media servers and file servers alike: how each is reached, which takes the next
//! piece of work, which answer (OPTIONS, RFC 3261 §11). Pure; what becomes of the work of one that is lost is its owner's to decide.

use std::time::{Duration, Instant};

use super::wire::services::{self, Load, Services};
use crate::sip::{
    Hop, Transport,
    endpoint::{Endpoint, OutOfDialog, Outgoing},
    message::{Host, Method, NameAddr, Response, SipUri, Uri},
};

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAt {
    /// Its host in `sip:conf=<id>@<host>`.
    pub host: Host,
    /// Port, where it is not the transport's default.
    pub port: Option<u16>,
    /// How to reach it.
    pub hop: Hop,
}

/// What is known of one.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerState {
    /// How to reach it.
    pub at: ServerAt,
    /// Since when it has not answered; `None` while it does, or before it was first asked.
    pub away_since: Option<Instant>,
    /// True once it has answered.
    pub known: bool,
    /// What it said of its load.
    pub load: Load,
    /// It says that it is being stopped: nothing new for it.
    pub draining: bool,
    /// It had no room, and is not asked for more before.
    pub full_until: Option<Instant>,
    /// Which run of it answered last.
    instance: Option<String>,
    /// Since when a question has been waiting for its answer.
    asked: Option<Instant>,
}

/// All of one kind.
#[derive(Debug)]
pub(crate) struct Servers {
    /// For the log, such as "media server".
    kind: &'static str,
    all: Vec<ServerState>,
}

/// What came of asking a server.
#[derive(Debug)]
pub(crate) enum Asking {
    /// The question is on its way.
    Sent(Outgoing),
    /// It has not answered the last one, which was asked then.
    Silent(Instant),
    /// The question cannot be sent now.
    Unsent,
}

/// What an answer to a question means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pong {
    /// None came to what was asked then.
    Silent(Instant),
    /// It lives.
    Here {
        /// It had been away.
        was_away: bool,
        /// Another process than the one that answered last.
        restarted: bool,
        /// It takes nothing new.
        draining: bool,
    },
}

impl ServerAt {
    /// The server of this name in this process: `ms`, `fs`.
    pub fn local(name: &str) -> Self {
        Self { host: Host::Name(format!("{name}.invalid")), port: None, hop: Hop::local(name) }
    }

    /// `sip:<user>@<host>`.
    pub fn uri(&self, user: Option<&str>) -> Uri {
        let uri = SipUri::new(user, self.host.clone(), self.port);
        match self.hop.transport {
            Transport::Tcp => uri.with_param("transport", Some("tcp")).into(),
            Transport::Tls => uri.with_param("transport", Some("tls")).into(),
            Transport::Udp | Transport::Local => uri.into(),
        }
    }
}

impl Servers {
    pub(crate) fn new(kind: &'static str, servers: &[ServerAt]) -> Self {
        let state = |at: &ServerAt| ServerState {
            at: at.clone(),
            away_since: None,
            known: false,
            load: Load::default(),
            draining: false,
            full_until: None,
            instance: None,
            asked: None,
        };
        Self { kind, all: servers.iter().map(state).collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn get(&self, server: usize) -> Option<&ServerState> {
        self.all.get(server)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &ServerState> {
        self.all.iter()
    }

    /// The one to take new work: the least loaded of those that answer, then one that was not asked yet. One that does not answer, is being
    /// stopped or has no room is not chosen.
    pub(crate) fn choose(&self, now: Instant) -> Option<usize> {
        let free = |s: &ServerState| {
            !s.draining && s.full_until.is_none_or(|until| until <= now) && (s.load.capacity == 0 || s.load.legs < s.load.capacity)
        };
        let answering = self.all.iter().enumerate().filter(|(_, s)| s.away_since.is_none() && free(s));
        answering.min_by_key(|(at, s)| (!s.known, s.load.load, s.load.legs, *at)).map(|(at, _)| at)
    }

    /// One has no room for so long; what it has goes on.
    pub(crate) fn full(&mut self, now: Instant, server: usize, wait: Duration) {
        if let Some(state) = self.all.get_mut(server) {
            tracing::info!(server = %state.at.hop, ?wait, "{} has no room", self.kind);
            state.full_until = now.checked_add(wait);
        }
    }

    /// Asks one for its load, unless it owes an answer: the transaction's own end would come after 32 s only.
    pub(crate) fn ask(&mut self, endpoint: &mut Endpoint, now: Instant, from: &Uri, server: usize) -> Asking {
        let Some(state) = self.all.get_mut(server) else { return Asking::Unsent };
        if let Some(since) = state.asked {
            return Asking::Silent(since);
        }
        let uri = state.at.uri(None);
        let request = OutOfDialog {
            method: Method::Options,
            to: NameAddr::new(uri.clone()),
            uri,
            from: NameAddr::new(from.clone()),
            contact: None,
            hop: state.at.hop.clone(),
            route: Vec::new(),
            sequence: None,
            headers: vec![("Accept".to_owned(), services::CONTENT_TYPE.to_owned())],
            body: None,
            credentials: None,
        };
        match endpoint.send(now, request) {
            Ok(outgoing) => {
                state.asked = Some(now);
                Asking::Sent(outgoing)
            }
            Err(_) => Asking::Unsent,
        }
    }

    /// The answer to a question. Any final answer but a timeout or a transport's failure shows that it lives; one that does not know our body
    /// has no load to tell.
    pub(crate) fn on_pong(&mut self, now: Instant, server: usize, response: &Response) -> Option<Pong> {
        let state = self.all.get_mut(server)?;
        let asked = state.asked.take().unwrap_or(now);
        if response.status == 408 || response.status == 503 && response.headers.get("Retry-After").is_none() {
            return Some(Pong::Silent(asked));
        }
        let services = Services::parse(&response.body).unwrap_or_default();
        state.load = services.load.unwrap_or_default();
        state.draining = services.draining;
        let restarted = state.instance.is_some() && state.instance != services.instance;
        state.instance = services.instance;
        let draining = state.draining;
        Some(Pong::Here { was_away: self.answers(server), restarted, draining })
    }

    /// One lives. True where it had been away.
    pub(crate) fn answers(&mut self, server: usize) -> bool {
        let Some(state) = self.all.get_mut(server) else { return false };
        state.known = true;
        let was_away = state.away_since.take().is_some();
        if was_away {
            tracing::info!(server = %state.at.hop, "{} answers again", self.kind);
        }
        was_away
    }

    /// One has not answered since then. True where that is news.
    pub(crate) fn is_away(&mut self, since: Instant, server: usize) -> bool {
        let Some(state) = self.all.get_mut(server).filter(|state| state.away_since.is_none()) else { return false };
        tracing::warn!(server = %state.at.hop, "{} does not answer", self.kind);
        state.away_since = Some(since);
        true
    }

    /// Where nobody asks, nobody would ever hear that one is back: the next piece of work tries it again.
    pub(crate) fn try_again(&mut self, server: usize) {
        if let Some(state) = self.all.get_mut(server) {
            state.away_since = None;
        }
    }
}
