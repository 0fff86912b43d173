//! The roles of this process: what each is started with, and how all are told of changes and of the end.
//!
//! The listeners of the configuration belong to the role `as` if it runs here, else to `ms` or `fs`; beside `as`, these are reached inside the
//! process only, by the same bytes as over TCP.

mod application;
mod files;
mod media;
mod relay;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc::Receiver,
    time::{Instant, timeout_at},
};

use super::{
    DaemonError,
    accounts::Accounts,
    certificates::Certificates,
    metrics::{Kind, Numbers, Page},
    ready::reachable,
};
use crate::{
    account::Directory,
    clock,
    conference::wire::services::Services,
    config::{Config, Role, SipTransport},
    sip::{
        Transport,
        endpoint::EndpointConfig,
        message::Host,
        node::Arrival,
        transport::{LocalHub, Trace, TransportConfig, TransportLimits, TransportStats, Transports},
    },
};

use application::Application;
use files::Files;
use media::Media;
use relay::Relay;

/// What media and file server get at least to end their calls, when the application server has used up the grace.
const AFTERWARDS: Duration = Duration::from_secs(1);

/// What the roles stand on.
pub(super) struct Ground<'a> {
    pub(super) config: &'a Config,
    pub(super) accounts: &'a Arc<Accounts>,
    pub(super) certificates: &'a Arc<Certificates>,
    pub(super) hub: LocalHub,
    pub(super) trace: Option<Trace>,
    /// URLs of the HTTP listeners.
    pub(super) urls: Vec<String>,
    /// The folder for shared files.
    pub(super) shared: PathBuf,
}

/// The roles that run.
#[derive(Debug)]
pub(super) struct Roles {
    application: Option<Application>,
    media: Option<Media>,
    files: Option<Files>,
    relay: Option<Relay>,
}

/// Starts the roles of the configuration: media and file server first, so that the application server finds them, and the
/// relay, so that it can say where that is.
pub(super) async fn start(ground: Ground<'_>) -> Result<Roles, DaemonError> {
    let has = |role| ground.config.roles.has(role);
    let media = if has(Role::Ms) { Some(Media::start(&ground, !has(Role::As)).await?) } else { None };
    let files = if has(Role::Fs) { Some(Files::start(&ground, !has(Role::As)).await?) } else { None };
    let relay = if has(Role::Relay) { Some(Relay::start(&ground)?) } else { None };
    let told = relay.as_ref().and_then(Relay::told);
    let application = if has(Role::As) { Some(Application::start(&ground, told).await?) } else { None };
    Ok(Roles { application, media, files, relay })
}

impl Roles {
    /// Every SIP listener, in the order of the configuration.
    pub(super) fn listening(&self) -> Vec<(Transport, SocketAddr)> {
        let inner = self.media.iter().map(|role| &role.transports).chain(self.files.iter().map(|role| &role.transports));
        let transports = self.application.iter().map(|role| &role.transports).chain(inner);
        transports.flat_map(listening).collect()
    }

    /// Every listener for relay channels, as programs on this machine reach it.
    pub(super) fn relaying(&self) -> Vec<String> {
        self.relay.as_ref().map(Relay::listening).unwrap_or_default()
    }

    /// Who has numbers.
    pub(super) fn numbers(&self) -> Vec<Arc<dyn Numbers>> {
        let inner = self.media.iter().map(Media::numbers).chain(self.files.iter().map(Files::numbers));
        let inner = inner.chain(self.relay.iter().map(Relay::numbers));
        self.application.iter().map(Application::numbers).chain(inner).collect()
    }

    /// What clients learn of the server.
    pub(super) fn services(&self) -> Services {
        let role = if self.media.is_some() { Role::Ms } else { Role::Fs };
        let inner = || Services { role: role.name().to_owned(), version: env!("CARGO_PKG_VERSION").to_owned(), ..Services::default() };
        self.application.as_ref().map_or_else(inner, |role| role.services.clone())
    }

    /// A role has ended, which none does by itself.
    pub(super) async fn ended(&self) -> Role {
        let application = async {
            match &self.application {
                Some(role) => role.ended().await,
                None => std::future::pending().await,
            }
        };
        let media = async {
            match &self.media {
                Some(role) => role.ended().await,
                None => std::future::pending().await,
            }
        };
        let files = async {
            match &self.files {
                Some(role) => role.ended().await,
                None => std::future::pending().await,
            }
        };
        let relay = async {
            match &self.relay {
                Some(role) => role.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = relay => Role::Relay,
            () = application => Role::As,
            () = media => Role::Ms,
            () = files => Role::Fs,
        }
    }

    /// Accounts have changed.
    pub(super) async fn take_accounts(&self, directory: Arc<Directory>) {
        if let Some(role) = &self.application {
            role.take_accounts(directory).await;
        }
    }

    /// The configuration was read again.
    pub(super) async fn take_config(&self, config: &Config) {
        if let Some(role) = &self.application {
            role.take_config(config).await;
        }
    }

    /// Ends all calls, waits for that at most `grace`, and closes the listeners. The application server goes first: it ends its calls to the
    /// media and the file server itself.
    pub(super) async fn drain(&self, grace: Duration) {
        let until = Instant::from_std(clock::now() + grace);
        let relay = async {
            if let Some(role) = &self.relay {
                role.leave(until).await;
                role.close().await;
            }
        };
        tokio::join!(relay, self.drain_calls(until));
    }

    async fn drain_calls(&self, until: Instant) {
        if let Some(role) = &self.application {
            role.leave().await;
            if timeout_at(until, role.ended()).await.is_err() {
                tracing::warn!("some calls did not end within the grace");
            }
            role.close().await;
        }
        if let Some(role) = &self.media {
            role.leave().await;
            if timeout_at(until.max(Instant::from_std(clock::now() + AFTERWARDS)), role.ended()).await.is_err() {
                tracing::warn!("some participants' media did not end within the grace");
            }
            role.close().await;
        }
        if let Some(role) = &self.files {
            role.leave().await;
            if timeout_at(until.max(Instant::from_std(clock::now() + AFTERWARDS)), role.ended()).await.is_err() {
                tracing::warn!("some shares did not end within the grace");
            }
            role.close().await;
        }
    }
}

/// Whether the SIP listeners of the configuration can be opened; they are closed again.
pub(super) fn free(config: &Config) -> Result<(), DaemonError> {
    let listeners = |wanted| {
        let wanted = config.listen.sip.iter().filter(move |listener| listener.transport == wanted);
        wanted.map(|listener| listener.address).collect()
    };
    let (udp, tcp, tls) = (listeners(SipTransport::Udp), listeners(SipTransport::Tcp), listeners(SipTransport::Tls));
    Transports::can_bind(&TransportConfig { udp, tcp, tls, ..TransportConfig::default() })?;
    relay::free(config)
}

/// Opens the transports of a role. `outer` gives it the listeners of the configuration.
async fn open(ground: &Ground<'_>, role: Role, outer: bool) -> Result<(Transports, Receiver<Arrival>), DaemonError> {
    let listeners = |wanted| {
        let wanted = ground.config.listen.sip.iter().filter(move |listener| outer && listener.transport == wanted);
        wanted.map(|listener| listener.address).collect()
    };
    let limits = &ground.config.limits;
    let config = TransportConfig {
        udp: listeners(SipTransport::Udp),
        tcp: listeners(SipTransport::Tcp),
        tls: listeners(SipTransport::Tls),
        tls_store: Some(ground.certificates.store().clone()),
        local: Some((ground.hub.clone(), role.name().to_owned())),
        trace: ground.trace.clone(),
        label: Some(role.name().to_owned()),
        limits: TransportLimits {
            connections: limits.connections.size(),
            connections_per_address: limits.connections_per_address.size(),
            first_byte: limits.connection_first_byte.get(),
            message: limits.connection_message.get(),
            idle: limits.connection_idle.get(),
            write: limits.connection_write.get(),
            ..TransportLimits::default()
        },
    };
    Ok(Transports::bind(config).await?)
}

/// Every address that transports listen on.
fn listening(transports: &Transports) -> Vec<(Transport, SocketAddr)> {
    let of = |transport| transports.local_addrs(transport).iter().map(move |address| (transport, *address));
    of(Transport::Udp).chain(of(Transport::Tcp)).chain(of(Transport::Tls)).collect()
}

/// The user agent of a role: who it is on each transport, its session timers and bounds.
fn endpoint(base: EndpointConfig, config: &Config, transports: &Transports, role: Role) -> EndpointConfig {
    let mut endpoint = base.role(role.name());
    let listening = listening(transports);
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        if let Some((host, port)) = told(config, &listening, transport) {
            endpoint = endpoint.at(transport, host, Some(port));
        }
    }
    endpoint.session_expires = config.sip.session_expires.get();
    endpoint.min_se = config.sip.min_session_expires.get();
    endpoint.max_subscription = config.sip.max_subscription.get();
    endpoint.limits.calls = config.limits.calls.size();
    endpoint.limits.incoming = config.limits.requests.size();
    endpoint.limits.subscriptions = config.limits.subscriptions.size();
    endpoint
}

/// What peers are told of a transport: the first listener that advertises something, else the first that others can reach, else the first.
fn told(config: &Config, listening: &[(Transport, SocketAddr)], transport: Transport) -> Option<(Host, u16)> {
    let wanted = match transport {
        Transport::Udp => SipTransport::Udp,
        Transport::Tcp | Transport::Local => SipTransport::Tcp,
        Transport::Tls => SipTransport::Tls,
    };
    // Ports that the system chose stand in what is listened on only.
    let advertised = |address: SocketAddr| {
        let of = |at: SocketAddr| at.ip() == address.ip() && (at.port() == 0 || at.port() == address.port());
        let mut listeners = config.listen.sip.iter().filter(|listener| listener.transport == wanted && of(listener.address));
        listeners.find_map(|listener| listener.advertise.clone())
    };
    let addresses: Vec<SocketAddr> = listening.iter().filter(|(other, _)| *other == transport).map(|(_, address)| *address).collect();
    let named = addresses.iter().find_map(|address| advertised(*address).map(|name| (name.host, name.port.unwrap_or(address.port()))));
    named.or_else(|| {
        let outer = addresses.iter().find(|address| !reachable(**address).ip().to_canonical().is_loopback());
        outer.or(addresses.first()).map(|address| (Host::Ip(reachable(*address).ip()), address.port()))
    })
}

/// The numbers of a role's transports.
fn transport_metrics(page: &mut Page, role: Role, stats: &TransportStats) {
    let label = [("role", role.name())];
    let mut counter = |name, help, value: u64| page.labelled(Kind::Counter, name, help, &label, value);
    counter("confkit_sip_messages_in_total", "SIP messages received.", stats.messages_in);
    counter("confkit_sip_messages_out_total", "SIP messages sent.", stats.messages_out);
    counter("confkit_sip_messages_failed_total", "SIP messages that could not be sent.", stats.failed);
    counter("confkit_sip_datagrams_dropped_total", "Datagrams dropped because a queue was full.", stats.datagrams_dropped);
    counter("confkit_sip_connections_accepted_total", "SIP connections accepted.", stats.accepted);
    counter("confkit_sip_connections_refused_total", "SIP connections closed at once because a bound was reached.", stats.refused);
    counter("confkit_sip_connections_timed_out_total", "SIP connections closed because the other end was silent or slow.", stats.timed_out);
    counter("confkit_sip_connections_unframed_total", "SIP connections closed because what came could not be framed.", stats.unframed);
    counter("confkit_tls_handshakes_failed_total", "TLS handshakes that failed.", stats.handshakes_failed);
    page.labelled(Kind::Gauge, "confkit_sip_connections", "SIP connections open.", &label, stats.connections);
}
