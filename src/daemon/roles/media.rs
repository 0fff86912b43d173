//! The media server.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    pin::Pin,
    sync::Arc,
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Ground, endpoint, listening, open, transport_metrics};
use crate::{
    clock,
    conference::{
        called::Access,
        media_server::{
            Command, Gauges, MediaServer, MediaServerConfig,
            engine::{Engine, EngineConfig},
            ports,
            server::{self, Running},
        },
    },
    config::{Config, Controller, PortRange, Role},
    daemon::{
        DaemonError,
        metrics::{Kind, Numbers, Page},
    },
    sip::transport::{Transports, source_towards},
};

/// What participants are told when the process ends.
const LEAVING: &str = "server is stopping";

/// A media server that runs.
#[derive(Debug)]
pub(super) struct Media {
    pub(super) transports: Transports,
    running: Running,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Media {
    /// Starts its threads, and opens its listeners if the configuration's are its own.
    pub(super) async fn start(ground: &Ground<'_>, outer: bool) -> Result<Self, DaemonError> {
        let config = ground.config;
        let engine = Engine::start(EngineConfig {
            threads: config.media.threads.0.map_or(0, usize::from),
            ports: match config.media.ports {
                PortRange::Range { first, last } => ports::PortRange { first, last },
                PortRange::System => ports::PortRange::EPHEMERAL,
            },
            rooms: config.media.max_conferences.size(),
            ..EngineConfig::default()
        });
        let engine = engine.map_err(DaemonError::file("start the media threads of", Path::new("ms")))?;
        let (transports, arrivals) = open(ground, Role::Ms, outer).await?;
        let settings = MediaServerConfig {
            endpoint: endpoint(MediaServerConfig::endpoint(), config, &transports, Role::Ms),
            access: access(config),
            addresses: addresses(
                config,
                &config.media.addresses,
                &listening(&transports).iter().map(|(_, address)| *address).collect::<Vec<_>>(),
            ),
            codecs: config.media.codecs.iter().map(|codec| codec.0).collect(),
            latch: config.media.latch,
            capacity: config.media.max_participants.get(),
            max_conferences: config.media.max_conferences.size(),
            ..MediaServerConfig::new(MediaServerConfig::endpoint(), Ipv4Addr::LOCALHOST.into())
        };
        let machine = MediaServer::new(settings, engine, clock::seed());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let running = server::run(machine, transports.clone(), arrivals, &tasks, stop.clone());
        Ok(Self { transports, running, tasks, stop })
    }

    /// It has ended.
    pub(super) async fn ended(&self) {
        self.running.ended.cancelled().await;
    }

    /// No new calls, and an end to those that run.
    pub(super) async fn leave(&self) {
        // One that has ended needs no telling.
        let _ = self.running.commands.send(Command::End { reason: LEAVING.to_owned() }).await;
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
        Arc::new(Told { gauges: self.running.gauges.clone(), transports: self.transports.clone() })
    }
}

/// What metrics ask.
struct Told {
    gauges: Arc<Gauges>,
    transports: Transports,
}

impl Numbers for Told {
    fn collect<'a>(&'a self, page: &'a mut Page) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        transport_metrics(page, Role::Ms, &self.transports.stats());
        page.number(Kind::Gauge, "confkit_media_legs", "Participants whose media is mixed.", self.gauges.legs());
        page.number(Kind::Gauge, "confkit_media_conferences", "Conferences that are mixed.", self.gauges.conferences());
        Box::pin(async {})
    }
}

/// Who may control the media server, or the file server.
pub(super) fn access(config: &Config) -> Access {
    let mut access = Access::default();
    for controller in &config.controllers {
        match controller {
            Controller::Address(address) => access.loopback.push(*address),
            Controller::Certificate(name) => access.names.push(name.clone()),
        }
    }
    access
}

/// The addresses for media or files: the configured ones, else those that SIP is listened for on. A wildcard stands for this machine and for the
/// address that it reaches the world by.
pub(super) fn addresses(config: &Config, configured: &[IpAddr], listening: &[SocketAddr]) -> Vec<IpAddr> {
    /// Addresses that documentation is written with; nothing is sent there, only asked which way it would go.
    const WORLD: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];
    let mut addresses = configured.to_vec();
    if addresses.is_empty() {
        let configured = config.listen.sip.iter().map(|listener| listener.address);
        for ip in configured.chain(listening.iter().copied()).map(|address| address.ip()) {
            if ip.is_unspecified() {
                let world = WORLD.into_iter().filter(|world| world.is_ipv4() == ip.is_ipv4());
                addresses.extend(world.filter_map(|world| source_towards(world).ok()));
                addresses.push(if ip.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
            } else {
                addresses.push(ip);
            }
        }
    }
    let mut seen = Vec::new();
    addresses.retain(|ip| {
        !seen.contains(ip) && {
            seen.push(*ip);
            true
        }
    });
    addresses
}
