//! The application server, with a store beside it.
//!
//! Commands: `drain`, `shut down`; `no pings` (media servers are asked no longer whether they live); `lose ms` (the transport says that nobody is there); with `store held`: `stored`, `store fails`,
//! `exists already` (all that waits is answered so).

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use confkit::{
    account::{Account, BackoffLimits, Directory, KEY_LEN, Password, Role, SealKey, SealedA1, SealedAccount, SigningKey},
    conference::{
        focus::{FocusConfig, Stored},
        server::{ApplicationServer, Command, Effect, Gateways, OurHosts, ServerConfig},
        servers::ServerAt,
    },
    fileshare::focus::{FileSharing, FileSharingConfig},
    sip::{
        digest::Algorithm,
        endpoint::EndpointConfig,
        hop::{Hop, Transport},
        message::{Host, SipUri},
        node::{Arrival, Node as _, SendFault},
        registrar,
    },
};

use super::{
    super::ladder::{Node, Output, zero},
    DOMAIN, Seat,
};

pub struct Server {
    pub server: ApplicationServer,
    focus: FocusConfig,
    held: Option<VecDeque<Effect>>,
    media_servers: Vec<(String, Hop)>,
    key: Arc<SealKey>,
}

const ACCOUNTS: [&str; 5] = ["admin", "alice", "bob", "carol", "dave"];

/// The accounts, but for one that was removed.
fn directory(key: &Arc<SealKey>, removed: Option<&str>) -> Arc<Directory> {
    let accounts = ACCOUNTS.into_iter().filter(|name| Some(*name) != removed).map(|name| {
        let user = name.parse().expect("a name");
        let a1 = SealedA1::seal(key, &user, DOMAIN, &Password::new("secret").expect("a password"));
        let role = if name == "admin" { Role::Admin } else { Role::User };
        SealedAccount { account: Account { name: user, role, initial_password: false }, a1 }
    });
    let tickets = Arc::new(SigningKey::from_seed(&[7; 32]));
    Arc::new(Directory::new(DOMAIN, Arc::clone(key), accounts).with_tickets(tickets))
}

/// A server of another column.
fn reached_at(name: &str, hop: Hop) -> ServerAt {
    match hop.socket() {
        Some(at) => ServerAt { host: Host::Ip(at.ip()), port: Some(at.port()), hop },
        None => ServerAt { host: Host::Name(format!("{name}.invalid")), port: None, hop },
    }
}

/// The same server, with file sharing where there are file servers.
fn with_files(server: ApplicationServer, seat: &Seat<'_>) -> ApplicationServer {
    let names = ["fs", "fs2"].into_iter().filter(|name| seat.world.columns.iter().any(|c| c.trim_end_matches('!') == *name));
    let reached = |name: &str| reached_at(name, seat.world.file_server_hop(name));
    let servers: Vec<ServerAt> = names.map(reached).collect();
    if servers.is_empty() {
        return server;
    }
    let uri = SipUri::new(Some("files"), Host::Name(DOMAIN.to_owned()), None).into();
    let config = FileSharingConfig { servers, uri, ping: seat.world.ping, ..FileSharingConfig::default() };
    let mut seed = seat.seed;
    seed[31] = 0xf5;
    server.with_companion(Box::new(FileSharing::new(zero(), config, seed)))
}

impl Server {
    pub fn new(seat: &Seat<'_>) -> Self {
        let (world, address) = (seat.world, seat.world.server());
        let key = Arc::new(SealKey::new(&[7; KEY_LEN]));
        let media_servers: Vec<(String, Hop)> = ["ms", "ms2"]
            .into_iter()
            .filter(|name| world.columns.iter().any(|c| c.trim_end_matches('!') == *name))
            .map(|name| (name.to_owned(), world.media_server_hop(name)))
            .collect();
        let reached = |(name, hop): &(String, Hop)| reached_at(name, hop.clone());
        let focus = FocusConfig {
            domain: (Host::Name(DOMAIN.to_owned()), None),
            guests: world.guests,
            auto_create: world.auto_create,
            ping: world.ping,
            ringing: world.ringing,
            media_servers: media_servers.iter().map(reached).collect(),
            ..FocusConfig::default()
        };
        let at = |config: EndpointConfig, transport| config.at(transport, Host::Ip(address.ip()), Some(address.port()));
        let endpoint = at(seat.configure(EndpointConfig::default()), Transport::Udp);
        let endpoint = if world.files == Transport::Tcp { at(endpoint, Transport::Tcp) } else { endpoint };
        let config = ServerConfig {
            ours: OurHosts { names: [DOMAIN.to_owned()].into(), addresses: [address].into() },
            focus: focus.clone(),
            endpoint: endpoint.role("as"),
            registrar: registrar::Limits::default(),
            gateways: Gateways::default(),
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            nonce_life: Duration::from_secs(300),
            backoff: BackoffLimits::default(),
            features: vec![(
                confkit::channel::wire::transfer::CONTENT_TYPE.to_owned(),
                confkit::channel::wire::transfer::FEATURE_TAG.to_owned(),
            )],
            services: Vec::new(),
            ca: None,
        };
        let server = ApplicationServer::new(zero(), SystemTime::UNIX_EPOCH, config, directory(&key, None), seat.seed, [], []);
        let server = with_files(server, seat);
        Self { server, focus, held: world.store_held.then(VecDeque::new), media_servers, key }
    }

    /// Answers what the server wants stored, or keeps it.
    fn store(&mut self, now: Instant) {
        while let Some(effect) = self.server.poll_effect() {
            match &mut self.held {
                Some(held) => held.push_back(effect),
                None => self.answer(now, &effect, &Stored::Done(1)),
            }
        }
    }

    fn answer(&mut self, now: Instant, effect: &Effect, outcome: &Stored) {
        let answer = match effect {
            Effect::Store { save, .. } => Command::Stored { save: *save, outcome: outcome.clone() },
            Effect::StoreContacts { save, .. } => {
                let outcome = if matches!(outcome, Stored::Done(_)) { Ok(()) } else { Err("the disk is full".to_owned()) };
                Command::ContactsStored { save: *save, outcome }
            }
        };
        self.server.handle_command(now, answer);
    }
}

impl Node for Server {
    fn command(&mut self, now: Instant, text: &str, _details: &[String]) {
        let outcome = match text {
            "drain" => return self.server.handle_command(now, Command::Drain),
            "no pings" => {
                let config = FocusConfig { ping: None, ..self.focus.clone() };
                return self.server.handle_command(now, Command::Reload(Box::new(config)));
            }
            "shut down" => return self.server.handle_command(now, Command::ShutDown),
            "stored" => Stored::Done(1),
            "store fails" => Stored::Failed("the disk is full".to_owned()),
            "exists already" => Stored::Exists,
            _ if text.starts_with("remove ") => {
                let directory = directory(&self.key, text.strip_prefix("remove "));
                self.server.handle_command(now, Command::Accounts(directory));
                return self.store(now);
            }
            _ => {
                let name = text.strip_prefix("lose ").unwrap_or_else(|| panic!("no command {text:?}"));
                let hop = self.media_servers.iter().find(|(n, _)| n == name).expect("a media server").1.clone();
                self.server.handle_arrival(now, Arrival::Failed { hop, why: SendFault::Refused });
                return self.store(now);
            }
        };
        for effect in std::mem::take(self.held.as_mut().expect("a store that is held")) {
            self.answer(now, &effect, &outcome);
        }
        self.store(now);
    }

    fn arrive(&mut self, now: Instant, arrival: Arrival) {
        self.server.handle_arrival(now, arrival);
        self.store(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.server.handle_timeout(now);
        self.store(now);
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.server.next_timeout()
    }

    fn poll(&mut self) -> Option<Output> {
        self.server.poll_transmit().map(Output::Send)
    }

    fn closing(&self) -> Vec<String> {
        let facts = self.server.facts();
        let rest = if self.server.is_idle() { ", and nothing is left".to_owned() } else { format!(", {} calls", self.server.calls()) };
        let over = if self.server.finished() { ", finished" } else { "" };
        vec![format!("has {} conferences, {} participants{rest}{over}", facts.conferences, facts.participants)]
    }
}
