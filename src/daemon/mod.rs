//! `relayd`: builds everything that a configuration asks for, runs it, drains it. The only place where the systems meet.
//!
//! [`build()`] makes what the first start makes, opens every listener and starts the roles; when it returns, calls are taken. [`App::run`] then
//! waits: for the word to leave (drain), for SIGHUP (reload), for the end of standard input if that was asked for.
//!
//! | file | what |
//! |---|---|
//! | `build.rs` | from a configuration to a running daemon |
//! | `run.rs` | waiting, draining |
//! | `reload.rs` | SIGHUP: what takes effect at once, and what at the next start |
//! | `roles/` | the roles, and what each is started with |
//! | `data_dir.rs` | the data directory, its lock, its files |
//! | `first_start.rs` | keys, realm, authority, administrator |
//! | `accounts.rs`, `users.rs` | accounts between store and directory; `relayd user` |
//! | `tickets.rs` | who is let in on a ticket by the relay |
//! | `certificates.rs` | the certificate store |
//! | `http/` | health, readiness, metrics, what clients learn |
//! | `metrics.rs` | numbers as Prometheus reads them |
//! | `lifecycle.rs` | starting, ready, draining; systemd |
//! | `ready.rs` | what is told when the daemon is ready |

mod accounts;
mod build;
mod certificates;
mod data_dir;
mod error;
mod first_start;
mod http;
mod lifecycle;
mod metrics;
mod ready;
mod reload;
mod roles;
mod run;
mod tickets;
pub mod users;

use std::{path::PathBuf, sync::Arc};

use tokio::signal::unix::Signal;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use build::build;
pub use error::{DaemonError, Kind};
pub use first_start::ADMIN;
pub use ready::Ready;

use crate::{
    config::{Config, Layers, Log, Sources},
    id::UserName,
    sip::transport::{LocalHub, Trace},
};
use accounts::Accounts;
use certificates::Certificates;
use data_dir::DataDir;
use lifecycle::Phases;

/// What a daemon is started with.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where the configuration comes from; read again on SIGHUP.
    pub sources: Sources,
    /// Accounts to make at the start if they are not there; their passwords go to the credentials file.
    pub users: Vec<UserName>,
    /// A file to write the environment to that other programs find this server by.
    pub env_file: Option<PathBuf>,
    /// End when standard input is closed.
    pub until_eof: bool,
    /// Whoever owns the log of the process: told what the configuration says of it, at the start and at each reload.
    pub log: Option<fn(&Log)>,
}

/// A daemon that runs.
#[derive(Debug)]
pub struct App {
    options: Options,
    config: Config,
    layers: Layers,
    // Fields are dropped in order: what uses the data directory goes before the lock on it.
    roles: roles::Roles,
    hub: LocalHub,
    accounts: Arc<Accounts>,
    certificates: Arc<Certificates>,
    phases: Phases,
    ready: Ready,
    trace: Option<Trace>,
    hangups: Signal,
    /// Tasks of the daemon itself: HTTP.
    tasks: TaskTracker,
    /// Ends those tasks.
    stop: CancellationToken,
    _directory: DataDir,
}

impl App {
    /// Where it listens, and how other programs find it.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Where the roles of this process meet, for who runs in it, too.
    pub fn hub(&self) -> &LocalHub {
        &self.hub
    }
}
