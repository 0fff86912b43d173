//! From a configuration to a running daemon.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    App, DaemonError, Options,
    accounts::Accounts,
    certificates::Certificates,
    data_dir::{DataDir, Holder},
    first_start,
    http::{self, Told},
    lifecycle::{Phase, Phases},
    ready::{Places, Ready},
    roles::{self, Ground},
};
use crate::{
    account::Role,
    clock,
    config::{Config, Loaded, Role as Task, is_loopback, load},
    sip::transport::{LocalHub, Trace, TraceConfig},
    store::{Sqlite, Store},
};

/// Starts a daemon: when this returns, it takes calls. Within a tokio runtime.
///
/// # Errors
/// The first thing that cannot be: a configuration that is wrong, a data directory or a port that somebody else has. Nothing is left running.
pub async fn build(options: Options) -> Result<App, DaemonError> {
    let started = clock::now();
    // From here on a SIGHUP does not end the process; one that comes early is answered when the daemon runs.
    let hangups = signal(SignalKind::hangup()).map_err(DaemonError::file("listen for signals in", Path::new("/")))?;
    let loaded = load(&options.sources)?;
    if let Some(log) = options.log {
        log(&loaded.config.log);
    }
    for unknown in loaded.unknown_variables() {
        tracing::warn!("{unknown}");
    }
    let Loaded { config, layers } = loaded;
    warn_of_plain(&config);

    // A first start that fails for an address leaves nothing behind; where there is a directory, that somebody uses it says more.
    let first = !options.sources.ephemeral && config.data_dir.as_ref().is_some_and(|path| !path.exists());
    if first {
        free(&config)?;
    }
    let mut directory = data_dir(&options, &config)?;
    directory.lock(Holder::Daemon)?;
    if !first {
        free(&config)?;
    }
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&directory.store()).await?);
    let accounts = Arc::new(first_start::accounts(&directory, &config, store).await?);
    if first_start::administrator(&directory, &accounts, options.sources.ephemeral).await? {
        tracing::info!(credentials = %directory.credentials().display(), "made the account {}", first_start::ADMIN);
    }
    for user in &options.users {
        first_start::add_with_file(&directory, &accounts, user, Role::User, false).await?;
    }
    refuse_initial_password(&config, &accounts)?;
    let certificates = Arc::new(Certificates::load(&directory, &config)?);
    let trace = trace(&config)?;

    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let phases = Phases::starting();
    let hub = LocalHub::new();
    let ground = Ground {
        config: &config,
        accounts: &accounts,
        certificates: &certificates,
        hub: hub.clone(),
        trace: trace.clone(),
        urls: Vec::new(),
        shared: directory.shared_files(),
    };
    let web = http::bind(&config.listen.http)?;
    let urls: Vec<String> = web.iter().map(http::Bound::url).collect();
    let roles = roles::start(Ground { urls: urls.clone(), ..ground }).await?;

    let told = told(&phases, started, &roles, &accounts);
    http::serve(web, &http::routes(told), certificates.store(), &tasks, &stop);
    let ready = ready(&directory, &config, &certificates, &roles, urls, &accounts);
    if let Some(path) = &options.env_file {
        ready.write_env_file(path)?;
    }
    phases.enter(Phase::Ready);
    tracing::info!(listening = %ready.listening.join(" "), took = ?clock::now().duration_since(started), "ready");
    Ok(App {
        options,
        config,
        layers,
        roles,
        hub,
        accounts,
        certificates,
        phases,
        ready,
        trace,
        hangups,
        tasks,
        stop,
        _directory: directory,
    })
}

/// Whether everything that is listened on can be: opened, and closed again.
fn free(config: &Config) -> Result<(), DaemonError> {
    drop(http::bind(&config.listen.http)?);
    roles::free(config)
}

/// The data directory that the options and the configuration mean.
pub(super) fn data_dir(options: &Options, config: &Config) -> Result<DataDir, DaemonError> {
    // --data-dir beside --ephemeral keeps the data where it says.
    let named = options.sources.flags.iter().any(|flag| flag.key == "data_dir");
    if options.sources.ephemeral && !named {
        return DataDir::temporary();
    }
    DataDir::open(config.data_dir.as_deref().ok_or(DaemonError::NoDataDir)?)
}

/// Says aloud which listeners let others read along.
fn warn_of_plain(config: &Config) {
    for listener in config.listen.sip.iter().filter(|listener| listener.is_plain() && !is_loopback(listener.address)) {
        tracing::warn!(address = %listener.address, "SIP without TLS is listened for beyond this machine: what is said can be read on the way");
    }
    for listener in config.listen.http.iter().filter(|listener| !listener.tls && !is_loopback(listener.address)) {
        tracing::warn!(address = %listener.address, "HTTP without TLS is listened for beyond this machine: what is said can be read on the way");
    }
    let relay = config.listen.relay.iter().filter(|_| config.roles.has(Task::Relay));
    for listener in relay.filter(|listener| !listener.tls && !is_loopback(listener.address)) {
        tracing::warn!(address = %listener.address, "relay channels are listened for without TLS beyond this machine: who applies, and the keys that admit to channels, can be read on the way");
    }
}

/// Nobody beyond this machine is let in while an administrator has the password that the first start made up.
fn refuse_initial_password(config: &Config, accounts: &Accounts) -> Result<(), DaemonError> {
    let wide: Option<SocketAddr> = config.listen.addresses().find(|address| !is_loopback(*address));
    let current = accounts.current();
    let initial = current.accounts().find(|account| account.initial_password);
    match (wide, initial) {
        (Some(address), Some(account)) => Err(DaemonError::InitialPassword { address, user: account.name.clone() }),
        _ => Ok(()),
    }
}

fn trace(config: &Config) -> Result<Option<Trace>, DaemonError> {
    let Some(ladder) = &config.trace_sip.file else { return Ok(None) };
    let mut pcap = ladder.clone().into_os_string();
    pcap.push(".pcap");
    let files = TraceConfig { ladder: Some(ladder.clone()), pcap: Some(PathBuf::from(pcap)), secrets: config.trace_sip.secrets };
    Trace::start(&files).map(Some).map_err(DaemonError::file("write the trace to", ladder))
}

/// What the HTTP listeners tell.
fn told(phases: &Phases, started: Instant, roles: &roles::Roles, accounts: &Arc<Accounts>) -> Told {
    let mut numbers = roles.numbers();
    numbers.push(accounts.clone());
    Told { phases: phases.clone(), started, numbers: numbers.into(), services: roles.services() }
}

fn ready(
    directory: &DataDir,
    config: &Config,
    certificates: &Certificates,
    roles: &roles::Roles,
    http: Vec<String>,
    accounts: &Accounts,
) -> Ready {
    let admin = first_start::ADMIN.parse().ok().filter(|admin| accounts.current().account(admin).is_some());
    let places = Places {
        sip: roles.listening(),
        http,
        relay: roles.relaying(),
        roles: config.roles.iter().map(|role| role.name().to_owned()).collect(),
        user: admin.map(|admin| admin.to_string()),
    };
    // The authority's file is what clients are to trust; with certificates of somebody else's they know it already.
    let ca = certificates.told_authority(config).map(|_| directory.ca());
    Ready::new(&places, directory.path(), &directory.credentials(), ca.as_deref())
}
