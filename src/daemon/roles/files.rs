//! The file server.

use std::{pin::Pin, sync::Arc};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Ground, endpoint, listening,
    media::{access, addresses},
    open, transport_metrics,
};
use crate::{
    clock,
    config::{PortRange, Role},
    daemon::{
        DaemonError,
        metrics::{Kind, Numbers, Page},
    },
    fileshare::file_server::{
        Command, FileServer, FileServerConfig, Gauges, Limits,
        engine::{self, Engine, EngineConfig, StatsHandle},
        server::{self, Running},
        space::Bounds,
    },
    sip::transport::Transports,
};

/// What members are told when the process ends.
const LEAVING: &str = "server is stopping";

/// A file server that runs.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) transports: Transports,
    running: Running,
    stats: StatsHandle,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Files {
    /// Starts its threads, and opens its listeners if the configuration's are its own.
    pub(super) async fn start(ground: &Ground<'_>, outer: bool) -> Result<Self, DaemonError> {
        let config = ground.config;
        let files = &config.files;
        let (transports, arrivals) = open(ground, Role::Fs, outer).await?;
        let sip: Vec<_> = listening(&transports).iter().map(|(_, address)| *address).collect();
        let addresses = addresses(config, &files.addresses, &sip);
        let limits = Limits {
            shares: files.max_shares.size(),
            members: files.max_members.size(),
            batch_bytes: files.max_bytes.get(),
            entries: files.max_entries.size(),
        };
        let Some(first) = addresses.first().copied() else {
            return Err(DaemonError::RoleFailed { role: Role::Fs.name(), what: "has no address that terminals can connect to".into() });
        };
        let settings = EngineConfig {
            addresses: addresses.clone(),
            ports: match files.ports {
                PortRange::Range { first, last } => engine::PortRange { first, last },
                PortRange::System => engine::PortRange::EPHEMERAL,
            },
            tls: files.tls,
            behind_nat: files.behind_nat,
            batch_bytes: limits.batch_bytes,
            entries: limits.entries,
            space: Bounds { min_free: files.min_free.get(), max_total: files.max_total.get() },
            total: files.share_bandwidth.get(),
            each: files.member_bandwidth.get(),
            handshake: files.handshake_timeout.get(),
            heartbeat: files.heartbeat.get(),
            keep: files.resume_window.get(),
            ..EngineConfig::new(ground.shared.clone(), first)
        };
        let engine = Engine::start(settings).map_err(|error| DaemonError::RoleFailed { role: Role::Fs.name(), what: error.to_string() })?;
        let stats = engine.stats();
        let settings = FileServerConfig {
            access: access(config),
            addresses: if files.advertise.is_empty() { addresses } else { files.advertise.clone() },
            limits,
            idle: files.idle.get(),
            resume_window: files.resume_window.get(),
            ..FileServerConfig::new(endpoint(FileServerConfig::endpoint(), config, &transports, Role::Fs), first)
        };
        let machine = FileServer::new(settings, engine, clock::seed());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let running = server::run(machine, transports.clone(), arrivals, &tasks, stop.clone());
        Ok(Self { transports, running, stats, tasks, stop })
    }

    /// It has ended.
    pub(super) async fn ended(&self) {
        self.running.ended.cancelled().await;
    }

    /// No new data conferences, and an end to those that run.
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
        Arc::new(Told { gauges: self.running.gauges.clone(), stats: self.stats.clone(), transports: self.transports.clone() })
    }
}

/// What metrics ask.
struct Told {
    gauges: Arc<Gauges>,
    stats: StatsHandle,
    transports: Transports,
}

impl Numbers for Told {
    fn collect<'a>(&'a self, page: &'a mut Page) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        transport_metrics(page, Role::Fs, &self.transports.stats());
        let counts = self.stats.counts();
        page.number(Kind::Gauge, "confkit_file_shares", "Data conferences.", self.gauges.shares());
        page.number(Kind::Gauge, "confkit_file_members", "Members of data conferences, sharers included.", self.gauges.members());
        page.number(Kind::Gauge, "confkit_file_connections", "Connections of members for files.", counts.connections);
        page.number(
            Kind::Counter,
            "confkit_file_connections_admitted_total",
            "Connections for files that proved their key.",
            counts.admitted,
        );
        let mut turned = |why: &str, count| {
            let help = "Connections for files that were closed before they were admitted.";
            page.labelled(Kind::Counter, "confkit_file_connections_refused_total", help, &[("why", why)], count);
        };
        turned("undeclared", counts.strangers);
        turned("unproved", counts.unproved);
        turned("unfinished", counts.unfinished);
        page.number(
            Kind::Counter,
            "confkit_file_connections_faulty_total",
            "Connections of members that were closed for what they sent.",
            counts.faults,
        );
        page.number(Kind::Counter, "confkit_file_bytes_in_total", "Bytes of shared files received.", counts.received);
        page.number(Kind::Counter, "confkit_file_bytes_out_total", "Bytes of shared files sent.", counts.sent);
        let holdings = self.stats.holdings();
        let held = "Bytes of shares on the disk, and those that were let in and are still to come.";
        page.number(Kind::Gauge, "confkit_file_space_held_bytes", held, holdings.held);
        page.number(
            Kind::Gauge,
            "confkit_file_space_unwritten_bytes",
            "Of the bytes held, those that are still to come.",
            holdings.unwritten,
        );
        if let Some(room) = holdings.room {
            page.number(Kind::Gauge, "confkit_file_space_room_bytes", "Bytes that another share can have.", room);
        }
        page.number(Kind::Gauge, "confkit_file_lists_bytes", "Lists of files of shares in memory.", holdings.lists);
        let mut full = |why: &str, count| {
            let help = "Shares that were refused or stopped because there is no room: on the disk, among files.max_total, in memory for their lists.";
            page.labelled(Kind::Counter, "confkit_file_no_room_total", help, &[("why", why)], count);
        };
        full("disk", counts.refused_disk);
        full("total", counts.refused_shares);
        full("lists", counts.refused_lists);
        Box::pin(async {})
    }
}
