//! Terminals against the real file server over loopback, and against servers that do wrong.

mod disk;
mod hostile;
mod leaving;
mod server;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpSocket, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};
use tokio_util::task::TaskTracker;

use super::*;
use crate::{
    fileshare::{
        BatchId, ConfId,
        client::Ticket,
        file_server::{
            admission::{MemberId, Pass},
            engine::{Engine, EngineConfig},
            plane::{DataPlane as _, PlaneEvent},
        },
        wire::{TransferKey, control::Endpoint, proof::Role},
    },
    transfer::{Overwrite, RecordStore, SafePath, SinkOptions, Source, SourceOptions, TransferName},
};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const MIB: usize = 1024 * 1024;
/// Nothing here takes so long.
const SOON: Duration = Duration::from_secs(60);

async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(SOON, Box::pin(work)).await.expect("in time")
}

fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    ChaCha12Rng::seed_from_u64(seed).fill(&mut bytes[..]);
    bytes
}

/// Folders with these files.
fn folder(files: &[(&str, Vec<u8>)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, bytes).expect("written");
    }
    folder
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(at) = left.pop() {
        for entry in std::fs::read_dir(&at).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below").display().to_string();
                found.insert(name, std::fs::read(&path).expect("read"));
            }
        }
    }
    found
}

async fn source(paths: impl IntoIterator<Item = std::path::PathBuf>) -> Source {
    Source::from_paths(paths.into_iter().collect(), SourceOptions::default()).await.expect("a source")
}

/// A file server with one data conference.
struct Rig {
    engine: Engine,
    conf: ConfId,
    address: SocketAddr,
    members: u64,
    _folder: TempDir,
}

impl Rig {
    fn new(change: impl FnOnce(&mut EngineConfig)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = EngineConfig::new(folder.path().join("fileshare"), HERE);
        change(&mut config);
        let mut engine = Engine::start(config).expect("an engine");
        let conf: ConfId = "5f3c".parse().expect("a ConfID");
        let port = engine.open(&conf, Some(BatchId(7)), None).expect("a port");
        Self { engine, conf, address: SocketAddr::new(HERE, port), members: 0, _folder: folder }
    }

    /// A new member: its number, and what it connects with.
    fn member(&mut self, role: Role) -> (MemberId, LocalPort, Ticket) {
        self.members += 1;
        let id = MemberId(self.members);
        let (port, ticket) = self.again(id, role);
        (id, port, ticket)
    }

    /// Another connection of a member.
    fn again(&mut self, id: MemberId, role: Role) -> (LocalPort, Ticket) {
        let port = LocalPort::bind(HERE).expect("a port");
        let key = TransferKey::from_bytes([u8::try_from(id.0).expect("few"); 32]);
        self.engine.admit(&self.conf, id, Pass { role, source: port.address(), key: key.clone() });
        let endpoint = Endpoint { address: self.address, fingerprint: self.engine.fingerprint(), key };
        (port, Ticket { conf: self.conf.clone(), batch: BatchId(7), endpoint })
    }

    async fn upload(&mut self, source: Source) -> Result<Uploaded, TransferError> {
        let (_, port, ticket) = self.member(Role::Upload);
        soon(Uploader::new(source).expect("BLAKE3").run(port, &ticket, &Settings::default())).await
    }

    async fn event(&mut self, wanted: impl Fn(&PlaneEvent) -> bool) -> PlaneEvent {
        let bell = self.engine.doorbell();
        soon(async {
            loop {
                let rung = bell.notified();
                while let Some(event) = self.engine.poll_event() {
                    if wanted(&event) {
                        return event;
                    }
                }
                rung.await;
            }
        })
        .await
    }
}

/// A way to the server that ends after so many bytes of one direction, and counts.
struct Cut {
    address: SocketAddr,
    /// Bytes to the server, and from it.
    carried: Arc<[AtomicU64; 2]>,
    tasks: TaskTracker,
}

impl Cut {
    /// The connections that come are cut, one after the other, when one way has carried as many bytes as these say.
    async fn new(server: SocketAddr, cuts: Vec<(usize, u64)>) -> Self {
        let listener = TcpListener::bind((HERE, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let carried = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let (tasks, counts) = (TaskTracker::new(), carried.clone());
        tasks.spawn(async move {
            for cut in cuts.into_iter().map(Some).chain(std::iter::repeat(None)) {
                let (near, _) = listener.accept().await.expect("a connection");
                let far = TcpStream::connect(server).await.expect("connected");
                let (mut near_in, mut near_out) = near.into_split();
                let (mut far_in, mut far_out) = far.into_split();
                counts.iter().for_each(|count| count.store(0, Ordering::Relaxed));
                let left = |way| cut.filter(|(cut, _)| *cut == way).map_or(u64::MAX, |(_, bytes)| bytes);
                // Whichever ends first takes the other with it.
                tokio::select! {
                    () = carry(&mut near_in, &mut far_out, &counts[0], left(0)) => {}
                    () = carry(&mut far_in, &mut near_out, &counts[1], left(1)) => {}
                }
                // What was carried is not lost in the server's socket.
                let _ = far_out.shutdown().await;
                let _ = timeout(SOON, far_in.read_to_end(&mut Vec::new())).await;
            }
        });
        Self { address, carried, tasks }
    }

    fn carried(&self, way: usize) -> u64 {
        self.carried[way].load(Ordering::Relaxed)
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        self.tasks.close();
    }
}

async fn carry(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, count: &AtomicU64, left: u64) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let room = left.saturating_sub(count.load(Ordering::Relaxed)).min(buffer.len() as u64);
        if room == 0 {
            return;
        }
        let Ok(read @ 1..) = from.read(&mut buffer[..usize::try_from(room).expect("small")]).await else { return };
        count.fetch_add(read as u64, Ordering::Relaxed);
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
