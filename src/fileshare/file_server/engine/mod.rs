//! The real data plane: a listening port, a store and a keeper for each data conference, on threads of its own.
//!
//! ```text
//! sharer ──TLS──> upload ──orders──> keeper ──> spool (one file) ──> download ──TLS──> members
//!                    ^── acknowledgements ── durable mark ──┘
//! ```
//! A byte is decrypted, written and hashed once, and read and encrypted for each member. In memory are, of each sharer, the packet being read, at
//! most `orders::ORDERS` that wait for the disk, and as many on their way to it; of each member, the packet being sent and what TLS holds of it.
//!
//! | file | what |
//! |---|---|
//! | `settings` | how it is set |
//! | `ports` | listening ports from a range |
//! | `tls` | the certificate, made at the start |
//! | `accept` | knocking, handshake, proof |
//! | `room` | what the tasks of a data conference share |
//! | `orders` | what the connections ask the keeper |
//! | `claims` | what shares hold of the disk |
//! | `lists` | manifests and trailers in memory |
//! | `keeper` | writes, says what is complete |
//! | `contents` | the hashes of what was written |
//! | `record` | what another process needs to go on |
//! | `leftovers` | uploads that nobody goes on with at the moment |
//! | `upload`, `download` | the connections of sharer and members |
//! | `ending` | how a connection's two halves end |
//! | `packets` | packets on a stream |
//! | `pace` | bandwidth limits |
//! | [`Stats`] | what was done |

mod accept;
mod claims;
mod contents;
mod download;
mod ending;
mod keeper;
mod leftovers;
mod lists;
mod orders;
mod pace;
mod packets;
mod ports;
mod record;
mod room;
mod settings;
mod stats;
#[cfg(test)]
mod tests;
mod tls;
mod upload;

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::{Notify, Semaphore, mpsc, watch},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    admission::{MemberId, Pass},
    plane::{DataPlane, PlaneError, PlaneEvent, Progress},
    space::{Full, Space},
};
use crate::fileshare::{
    BatchId, ConfId,
    wire::{Failure, Fingerprint, control::Limits},
};
use accept::Pending;
use leftovers::Leftovers;
use lists::Lists;
use ports::{NoPort, Ports};
use room::{Common, Room, Stored};
use tls::Tls;

pub use ports::PortRange;
pub use settings::EngineConfig;
pub use stats::{Counts, Holdings, Stats};

/// Events that wait for the machine. Connections wait when it is behind.
const EVENTS: usize = 256;
/// Threads for what blocks: disks.
const DISK_THREADS: usize = 16;
/// Most of them that sync at once: the rest are for those who read and write.
const DISK_SYNCS: usize = 4;
/// The file that is locked while a server uses the folder.
const LOCK: &str = "lock";
/// How nice the threads that move bytes are to others of this machine (0 to 19): beside an audio thread that may not be a real-time one, they get
/// less than a third of a core that both want.
const NICE: i32 = 5;
/// Most threads that move bytes where nobody says how many.
const MAX_THREADS: usize = 4;
/// How long connections get to end when the server does.
const LAST: Duration = Duration::from_secs(3);

/// Why the data plane does not start. Ours.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The folder cannot be used.
    #[error("the folder {} for shared files cannot be used: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another server uses it.
    #[error("the folder {} for shared files is in use by another server", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// There are no threads.
    #[error("the threads for shared files cannot be started: {0}")]
    Threads(io::Error),
    /// There is no certificate.
    #[error("the certificate for shared files cannot be made: {0}")]
    Certificate(String),
}

/// The data plane over sockets and disks.
#[derive(Debug)]
pub struct Engine {
    common: Arc<Common>,
    rooms: BTreeMap<ConfId, Held>,
    events: mpsc::Receiver<PlaneEvent>,
    ports: Arc<Ports>,
    tls: Option<Tls>,
    leftovers: Leftovers,
    tasks: TaskTracker,
    /// Cancelled when the process goes, and uploads are left for the next.
    stop: CancellationToken,
    /// Keeps others out of the folder.
    _lock: File,
    /// Threads of its own: bytes do not wait for signalling, nor signalling for bytes.
    runtime: Option<Runtime>,
}

/// A data conference, as the engine holds it.
#[derive(Debug)]
struct Held {
    room: Arc<Room>,
    pending: Arc<Pending>,
    /// The port, and what closes it.
    listening: Option<(u16, CancellationToken)>,
    /// Cancelled when what is stored is to stay.
    aside: CancellationToken,
}

/// The counters of a data plane, for whoever tells them.
#[derive(Debug, Clone)]
pub struct StatsHandle(Arc<Common>);

impl StatsHandle {
    /// The counters now.
    pub fn counts(&self) -> Counts {
        self.0.stats.counts()
    }

    /// What shares hold now.
    pub fn holdings(&self) -> Holdings {
        let free = self.0.free();
        let space = self.0.space();
        Holdings { held: space.held(), unwritten: space.unwritten(), room: space.room(free), lists: self.0.lists.used() }
    }
}

impl Engine {
    /// Starts the threads, takes up what an earlier process left in the folder, and makes the certificate.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn start(config: EngineConfig) -> Result<Self, EngineError> {
        let threads = match config.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(MAX_THREADS),
            threads => threads,
        };
        let lock = lock(&config.directory)?;
        let left = record::take_up(&config.directory, config.payload)
            .map_err(|source| EngineError::Folder { path: config.directory.clone(), source })?;
        let tls = config.tls.then(Tls::new).transpose().map_err(EngineError::Certificate)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .max_blocking_threads(DISK_THREADS)
            .thread_name("files")
            .on_thread_start(step_back)
            .enable_all()
            .build()
            .map_err(EngineError::Threads)?;
        let (events, inbox) = mpsc::channel(EVENTS);
        let ports = Arc::new(Ports::new(config.ports));
        let mut space = Space::new(config.space);
        for (conf, leftover) in &left {
            space.take_up(conf, leftover.lists(), leftover.announced, leftover.durable);
        }
        let engine = Self {
            ports,
            common: Arc::new(Common {
                space: Mutex::new(space),
                lists: Lists::new(config.lists),
                reading: Semaphore::new(lists::READ_AT_ONCE),
                config,
                stats: Stats::default(),
                events,
                doorbell: Arc::default(),
                syncs: Arc::new(Semaphore::new(DISK_SYNCS)),
            }),
            rooms: BTreeMap::new(),
            events: inbox,
            tls,
            leftovers: Leftovers::new(left),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            _lock: lock,
            runtime: Some(runtime),
        };
        engine.expire_leftovers();
        Ok(engine)
    }

    /// Rung when there are events.
    pub fn doorbell(&self) -> Arc<Notify> {
        self.common.doorbell.clone()
    }

    /// What it has done.
    pub fn stats(&self) -> StatsHandle {
        StatsHandle(self.common.clone())
    }

    /// Closes everything. Uploads that are still there are left for the next process.
    pub async fn shut_down(mut self) {
        self.stop.cancel();
        // Not an end: whoever comes again goes on with the next process.
        let why = Failure::new(crate::fileshare::wire::FailureCode::Busy, "the file server is stopping");
        for held in std::mem::take(&mut self.rooms).into_values() {
            held.close(&why);
        }
        self.tasks.close();
        if timeout(LAST, self.tasks.wait()).await.is_err() {
            tracing::warn!("some connections for files did not end");
        }
    }

    fn held(&self, conf: &ConfId) -> Option<&Held> {
        self.rooms.get(conf)
    }

    /// Deletes what nobody has gone on with in its time.
    fn expire_leftovers(&self) {
        let (leftovers, common) = (self.leftovers.clone(), self.common.clone());
        let Some(runtime) = &self.runtime else { return };
        if leftovers.is_empty() {
            return;
        }
        let stop = self.stop.clone();
        self.tasks.spawn_on(
            async move {
                tokio::select! {
                    () = sleep(common.config.keep) => {}
                    () = stop.cancelled() => return,
                }
                leftovers.expire(&common, None).await;
            },
            runtime.handle(),
        );
    }

    /// The data conference, made where it is not there: with what an earlier process stored, if it did.
    fn make(&mut self, conf: &ConfId, batch: Option<BatchId>, sharer: Option<&str>, runtime: &tokio::runtime::Handle) -> Held {
        let leftover = self.leftovers.take(conf, batch, sharer);
        if let Some(left) = leftover.as_ref().filter(|left| left.conf != *conf) {
            tracing::info!(%conf, of = %left.conf, bytes = left.durable, "the batch was uploaded before, and is shared again");
            self.common.space().pass_on(&left.conf, conf);
        }
        let known = leftover.as_ref().map(|left| left.batch);
        let (orders, inbox) = mpsc::channel(orders::ORDERS);
        let (tell, stored) = watch::channel(Stored::default());
        let over = CancellationToken::new();
        let room = Arc::new(Room::new(conf.clone(), self.common.clone(), orders, stored, over.clone()));
        if let Some(batch) = known {
            room.at_door(|door| door.set_batch(batch));
        }
        let (stop, aside) = (self.stop.clone(), self.stop.child_token());
        let files = leftover.as_ref().map_or_else(|| conf.clone(), |left| left.conf.clone());
        let sharer = leftover.as_ref().map_or_else(|| sharer.map(str::to_owned), |left| left.sharer.clone());
        let origin = keeper::Origin { leftover, sharer };
        let keeper = keeper::run(conf.clone(), self.common.clone(), origin, inbox, tell, over, aside.clone());
        let (conf, common, leftovers, kept) = (conf.clone(), self.common.clone(), self.leftovers.clone(), aside.clone());
        self.tasks.spawn_on(
            async move {
                keeper.await;
                if kept.is_cancelled() && !stop.is_cancelled() {
                    common.space().release(&conf);
                    let _ = stop.run_until_cancelled(leftovers.set_aside(&common, &files)).await;
                }
            },
            runtime,
        );
        Held { room, pending: Arc::default(), listening: None, aside }
    }

    /// Listens for a data conference.
    fn listen(&self, held: &mut Held, runtime: &tokio::runtime::Handle) -> Result<u16, PlaneError> {
        let listening = self.ports.listen(&self.common.config.addresses).map_err(|error| match error {
            NoPort::Taken => PlaneError::Ports,
            NoPort::System(error) => PlaneError::System(error.to_string()),
        });
        let (port, listeners) = listening?;
        let _entered = runtime.enter();
        let listeners: Vec<TcpListener> = match listeners.into_iter().map(TcpListener::from_std).collect() {
            Ok(listeners) => listeners,
            Err(error) => {
                self.ports.give_back(port);
                return Err(PlaneError::System(error.to_string()));
            }
        };
        let closed = held.room.over.child_token();
        let accepting = TaskTracker::new();
        for listener in listeners {
            let (room, tls, pending) = (held.room.clone(), self.tls.clone(), held.pending.clone());
            let task = accept::accept(room, listener, tls, pending, self.tasks.clone(), closed.clone());
            accepting.spawn_on(task, runtime);
        }
        accepting.close();
        let ports = self.ports.clone();
        self.tasks.spawn_on(
            async move {
                accepting.wait().await;
                ports.give_back(port);
            },
            runtime,
        );
        held.listening = Some((port, closed));
        Ok(port)
    }
}

/// Lets others of this machine go before the calling thread.
fn step_back() {
    // Where the process is that nice already, it stays so.
    if rustix::process::getpriority_process(None).is_ok_and(|nice| nice < NICE) {
        // Files that are as quick as audio: no reason to fail.
        let _ = rustix::process::setpriority_process(None, NICE);
    }
}

impl Held {
    fn release(&mut self) {
        if let Some((_, closed)) = self.listening.take() {
            closed.cancel();
        }
    }

    fn close(mut self, why: &Failure) {
        self.release();
        self.room.end(why);
    }
}

impl DataPlane for Engine {
    fn open(&mut self, conf: &ConfId, batch: Option<BatchId>, sharer: Option<&str>) -> Result<u16, PlaneError> {
        let Some(runtime) = self.runtime.as_ref().map(|runtime| runtime.handle().clone()) else {
            return Err(PlaneError::System("it is stopping".to_owned()));
        };
        let (mut held, made) = match self.rooms.remove(conf) {
            Some(held) => (held, false),
            None => (self.make(conf, batch, sharer, &runtime), true),
        };
        if let Some(batch) = batch {
            held.room.at_door(|door| {
                if door.batch().is_none() {
                    door.set_batch(batch);
                }
            });
        }
        let port = match held.listening {
            Some((port, _)) => Ok(port),
            None => self.listen(&mut held, &runtime),
        };
        if made && let Err(error) = &port {
            held.close(&Failure::new(crate::fileshare::wire::FailureCode::Busy, error.to_string()));
            return port;
        }
        self.rooms.insert(conf.clone(), held);
        port
    }

    fn release(&mut self, conf: &ConfId) {
        if let Some(held) = self.rooms.get_mut(conf) {
            held.release();
        }
    }

    fn close(&mut self, conf: &ConfId, why: &Failure) {
        if let Some(held) = self.rooms.remove(conf) {
            held.close(why);
        }
    }

    fn set_aside(&mut self, conf: &ConfId, why: &Failure) {
        if let Some(held) = self.rooms.remove(conf) {
            held.aside.cancel();
            held.close(why);
        }
    }

    fn admit(&mut self, conf: &ConfId, member: MemberId, pass: Pass) {
        if let Some(held) = self.held(conf) {
            held.room.admit(member, pass);
        }
    }

    fn strike(&mut self, conf: &ConfId, member: MemberId, why: &Failure) {
        if let Some(held) = self.held(conf) {
            held.room.strike(member, why);
        }
    }

    fn set_limits(&mut self, conf: &ConfId, limits: Limits) {
        if let Some(held) = self.held(conf) {
            held.room.paces.set(limits);
        }
    }

    fn progress(&self, conf: &ConfId) -> Progress {
        let Some(held) = self.held(conf) else { return Progress::default() };
        let batch = held.room.at_door(|door| door.batch());
        let stored = held.room.stored.borrow();
        let manifest = stored.manifest.as_ref();
        Progress {
            batch,
            entries: manifest.map_or(0, |manifest| manifest.entries),
            bytes: manifest.and_then(|manifest| manifest.bytes),
            durable: stored.durable(),
            complete: stored.trailer.is_some(),
        }
    }

    fn received(&self, conf: &ConfId, member: MemberId) -> u64 {
        self.held(conf).map_or(0, |held| held.room.received(member))
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        self.tls.as_ref().map(|tls| tls.fingerprint)
    }

    fn would_take(&self, conf: &ConfId, bytes: u64) -> Result<(), Full> {
        self.common.would_take(conf, bytes)
    }

    fn poll_event(&mut self) -> Option<PlaneEvent> {
        loop {
            match self.events.try_recv().ok()? {
                // The member has come again, and the machine may have heard that first.
                PlaneEvent::Broken { conf, member, .. } if self.held(&conf).is_some_and(|held| held.room.is_seated(member)) => {}
                // A connection that was replaced or closed before the machine heard of it.
                PlaneEvent::Connected { conf, member } if !self.held(&conf).is_some_and(|held| held.room.is_seated(member)) => {}
                event => return Some(event),
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(runtime) = self.runtime.take() {
            // Tasks are not waited for: this may be a thread that must not wait.
            runtime.shutdown_background();
        }
    }
}

/// Keeps others out of a folder, which is made where it is not there, as long as the file is open.
fn lock(folder: &Path) -> Result<File, EngineError> {
    let failed = |source| EngineError::Folder { path: folder.to_owned(), source };
    record::make_folder(folder).map_err(failed)?;
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join(LOCK)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EngineError::InUse { path: folder.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
