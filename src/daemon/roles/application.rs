//! The application server.

use std::{collections::BTreeSet, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc::Sender, oneshot},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Ground, endpoint, listening, open, told, transport_metrics};
use crate::{
    account::{BackoffLimits, Directory, Password},
    channel::wire::transfer,
    clock,
    conference::{
        focus::FocusConfig,
        server::{self, ApplicationServer, Command, Figures, Gateway, Gateways, OurHosts, Report, Route, ServerConfig},
        servers::ServerAt,
        wire::services::{Service, Services},
    },
    config::{Config, DigestAlgorithm, Role, Trunk},
    daemon::{
        DaemonError,
        data_dir::read_private,
        metrics::{Kind, Numbers, Page},
    },
    fileshare::focus::{FileSharing, FileSharingConfig},
    sip::{
        Transport,
        digest::{Algorithm, Credentials},
        endpoint::EndpointConfig,
        message::{Host, SipUri},
        registrar::Limits,
        transport::Transports,
    },
};

/// How long the server may take to tell its numbers; then a page is made without them.
const PATIENCE: Duration = Duration::from_secs(1);

/// An application server that runs.
#[derive(Debug)]
pub(super) struct Application {
    pub(super) transports: Transports,
    pub(super) services: Services,
    commands: Sender<Command>,
    /// What was listened on at the start: our own URIs stay as they are.
    listening: Vec<(Transport, SocketAddr)>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Application {
    /// Opens its listeners and starts it with what the store has. `relay` is where terminals find the relay of this process.
    pub(super) async fn start(ground: &Ground<'_>, relay: Option<String>) -> Result<Self, DaemonError> {
        let Ground { config, accounts, certificates, urls, .. } = ground;
        let (transports, arrivals) = open(ground, Role::As, true).await?;
        let listening = listening(&transports);
        let store = accounts.store();
        let stored = server::load(store.as_ref()).await?;
        let ca = certificates.told_authority(config).map(str::to_owned);
        let services: Vec<(String, String)> =
            urls.iter().take(1).map(|url| ("http".to_owned(), url.clone())).chain(relay.map(|relay| ("relay".to_owned(), relay))).collect();
        let auth = &config.auth;
        let settings = ServerConfig {
            ours: ours(config, &listening),
            focus: focus(config, &listening),
            endpoint: EndpointConfig {
                symmetric: config.media.latch,
                ..endpoint(EndpointConfig::default(), config, &transports, Role::As)
            },
            registrar: Limits {
                per_aor: config.limits.contacts_per_user.size(),
                total: config.limits.contacts.size(),
                min_expires: seconds(config.sip.min_register_expires.get()),
                max_expires: seconds(config.sip.max_register_expires.get()),
                default_expires: seconds(config.sip.register_expires.get()),
            },
            gateways: gateways(config)?,
            algorithms: auth.algorithms.iter().map(|algorithm| digest(*algorithm)).collect(),
            nonce_life: auth.nonce_lifetime.get(),
            backoff: BackoffLimits {
                free: auth.free_failures.get(),
                address_max: auth.max_wait.get(),
                account_max: auth.max_account_wait.get(),
                ..BackoffLimits::default()
            },
            features: vec![(transfer::CONTENT_TYPE.to_owned(), transfer::FEATURE_TAG.to_owned())],
            services: services.clone(),
            ca: ca.clone(),
        };
        let directory = accounts.current();
        let domain = settings.focus.domain.clone();
        let told = Services {
            role: Role::As.name().to_owned(),
            version: settings.focus.version.clone(),
            realm: Some(directory.realm().to_owned()),
            draining: false,
            instance: None,
            services: services.into_iter().map(|(purpose, uri)| Service { purpose, uri }).collect(),
            load: None,
            ca,
            ticket_key: directory.tickets().map(|key| key.public().to_string()),
        };
        let machine =
            ApplicationServer::new(clock::now(), clock::wall(), settings, directory, clock::seed(), stored.contacts, stored.conferences)
                .with_wall(clock::wall);
        let machine = match file_sharing(config, &domain) {
            Some(sharing) => machine.with_companion(Box::new(FileSharing::new(clock::now(), sharing, clock::seed()))),
            None => machine,
        };
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let running = server::run(machine, transports.clone(), arrivals, store.clone(), &tasks, stop.clone());
        Ok(Self { transports, services: told, commands: running.commands, listening, tasks, stop })
    }

    /// It has ended.
    pub(super) async fn ended(&self) {
        self.commands.closed().await;
    }

    pub(super) async fn take_accounts(&self, directory: Arc<Directory>) {
        self.tell(Command::Accounts(directory)).await;
    }

    pub(super) async fn take_config(&self, config: &Config) {
        self.tell(Command::Reload(Box::new(focus(config, &self.listening)))).await;
    }

    /// No new calls, and an end to those that run.
    pub(super) async fn leave(&self) {
        self.tell(Command::Drain).await;
        self.tell(Command::ShutDown).await;
    }

    /// Closes everything; calls that have not ended are left to their other ends.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.transports.shutdown().await;
    }

    /// Who tells its numbers.
    pub(super) fn numbers(&self) -> Arc<dyn Numbers> {
        Arc::new(Told { commands: self.commands.clone(), transports: self.transports.clone() })
    }

    async fn tell(&self, command: Command) {
        // One that has ended needs no telling; that it has is noticed elsewhere.
        let _ = self.commands.send(command).await;
    }
}

/// What metrics ask.
struct Told {
    commands: Sender<Command>,
    transports: Transports,
}

impl Numbers for Told {
    fn collect<'a>(&'a self, page: &'a mut Page) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async {
            transport_metrics(page, Role::As, &self.transports.stats());
            let (tell, told) = oneshot::channel::<Figures>();
            // Nobody may wait for an answer any more; then it is dropped.
            let report = Report(Box::new(move |figures| {
                let _ = tell.send(figures);
            }));
            let asked = async {
                self.commands.send(Command::Report(report)).await.ok()?;
                told.await.ok()
            };
            let Ok(Some(Figures { focus, calls, contacts })) = timeout(PATIENCE, asked).await else { return };
            page.number(Kind::Gauge, "confkit_conferences", "Conferences.", focus.conferences);
            page.number(Kind::Gauge, "confkit_participants", "Participants in a mix.", focus.participants);
            page.number(Kind::Gauge, "confkit_conference_watchers", "Subscriptions of the conference event package.", focus.watchers);
            page.number(Kind::Gauge, "confkit_contacts", "Registered contacts.", contacts);
            page.labelled(Kind::Gauge, "confkit_sip_calls", "Calls in any state, in either direction.", &[("role", "as")], calls);
        })
    }
}

/// Which URIs are ours: the configured domains, what we listen on, this machine, and our role.
fn ours(config: &Config, listening: &[(Transport, SocketAddr)]) -> OurHosts {
    let mut names = BTreeSet::from(["localhost".to_owned(), format!("{}.invalid", Role::As.name())]);
    let mut addresses: BTreeSet<SocketAddr> = listening.iter().map(|(_, address)| *address).collect();
    let advertised = config.listen.sip.iter().filter_map(|listener| listener.advertise.clone());
    let domains = config.domains.iter().map(|domain| (domain.0.clone(), None));
    for (host, port) in domains.chain(advertised.map(|advertised| (advertised.host, advertised.port))) {
        match host {
            Host::Name(name) => {
                names.insert(name);
            }
            // An address without a port is ours with any that we listen on.
            Host::Ip(ip) => {
                let ports: Vec<u16> = port.map_or_else(|| listening.iter().map(|(_, address)| address.port()).collect(), |port| vec![port]);
                addresses.extend(ports.into_iter().map(|port| SocketAddr::new(ip, port)));
            }
        }
    }
    OurHosts { names, addresses }
}

/// The settings of the focus.
fn focus(config: &Config, listening: &[(Transport, SocketAddr)]) -> FocusConfig {
    let conference = &config.conference;
    let first = listening.first().and_then(|(transport, _)| told(config, listening, *transport));
    let domain = match (config.domains.first(), first) {
        (Some(domain), _) => (domain.0.clone(), None),
        (None, Some((host, port))) => (host, Some(port)),
        (None, None) => FocusConfig::default().domain,
    };
    let servers: Vec<ServerAt> = config.media_servers.iter().map(reached_at).collect();
    FocusConfig {
        domain,
        auto_create: conference.auto_create,
        guests: conference.guests.admits(config.listen.is_loopback_only()),
        max_participants: conference.max_participants.get(),
        max_conferences: conference.max_conferences.size(),
        end_when_empty: conference.end_when_empty,
        ringing: conference.ring_timeout.get(),
        ping: Some(conference.media_server_probe.get()),
        media_server_failure: conference.media_server_timeout.get(),
        pin_tries: conference.pin_attempts.get(),
        media_servers: if servers.is_empty() { vec![ServerAt::local("ms")] } else { servers },
        outbound: listening.first().map_or(Transport::Udp, |(transport, _)| *transport),
        roles: config.roles.iter().map(|role| role.name().to_owned()).collect(),
        ..FocusConfig::default()
    }
}

/// What stands beside the focus for files; nothing where there is no file server.
fn file_sharing(config: &Config, (host, port): &(Host, Option<u16>)) -> Option<FileSharingConfig> {
    let elsewhere = config.file_servers.iter().map(reached_at);
    let here = (config.file_servers.is_empty() && config.roles.has(Role::Fs)).then(|| ServerAt::local("fs"));
    let servers: Vec<ServerAt> = elsewhere.chain(here).collect();
    let conference = &config.conference;
    (!servers.is_empty()).then(|| FileSharingConfig {
        servers,
        uri: SipUri::new(Some("files"), host.clone(), *port).into(),
        share: conference.share,
        receive: conference.receive,
        ping: Some(conference.media_server_probe.get()),
        failure: conference.media_server_timeout.get(),
        resume: config.files.resume_window.get(),
        ..FileSharingConfig::default()
    })
}

/// Gateways and routes, with the passwords that the configuration names files of.
fn gateways(config: &Config) -> Result<Gateways, DaemonError> {
    let gateway = |trunk: &Trunk| {
        let credentials = match (&trunk.username, &trunk.password_file) {
            (Some(username), Some(path)) => {
                let text = read_private(path)?.ok_or_else(|| DaemonError::file("read", path)(io::ErrorKind::NotFound.into()))?;
                let password = Password::from_file_text(&text)
                    .map_err(|why| DaemonError::file("read the password in", path)(io::Error::new(io::ErrorKind::InvalidData, why)))?;
                Some(Credentials::new(username.0.clone(), password.reveal()))
            }
            _ => None,
        };
        Ok(Gateway { name: trunk.name.0.clone(), uri: trunk.uri.clone(), networks: trunk.addresses.clone(), credentials })
    };
    let place = |name: &str| config.trunks.iter().position(|trunk| trunk.name.0 == name);
    let routes = config.routes.iter().map(|route| Route { pattern: route.pattern.clone(), gateway: place(&route.trunk.0) });
    Ok(Gateways { routes: routes.collect(), gateways: config.trunks.iter().map(gateway).collect::<Result<_, DaemonError>>()? })
}

fn digest(algorithm: DigestAlgorithm) -> Algorithm {
    match algorithm {
        DigestAlgorithm::Sha256 => Algorithm::Sha256,
        DigestAlgorithm::Md5 => Algorithm::Md5,
    }
}

fn reached_at(uri: &SipUri) -> ServerAt {
    ServerAt { host: uri.host.clone(), port: uri.port, hop: server::hop_of(uri, Transport::Tcp) }
}

/// Whole seconds, for a header.
fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}
