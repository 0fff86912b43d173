//! Messages written down as they are sent and received: a ladder for people, and a pcap for Wireshark, whatever they
//! travelled by — TLS and in-process messages, too.
//!
//! Writing is one thread's work behind a bounded queue: a slow disk loses lines of the trace (and the trace says how many),
//! never messages. Secrets are masked with as many letters, see [`mask`], unless asked for. When several nodes of one process
//! share a trace, a message between two of them stands in it once, as sent.

mod ladder;
mod mask;
mod packet;

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::{
    clock,
    sip::{Address, Transport},
};
use packet::Packets;

/// Messages that wait to be written. One more is left out, and counted.
const QUEUE: usize = 1024;

/// What to write.
#[derive(Debug, Clone, Default)]
pub struct TraceConfig {
    /// Text: one line a message.
    pub ladder: Option<PathBuf>,
    /// Packets.
    pub pcap: Option<PathBuf>,
    /// True leaves digests, PINs and keys readable.
    pub secrets: bool,
}

/// Where a trace goes.
pub type Sink = Box<dyn Write + Send>;

/// Where messages are written down; clones write to the same place. What is queued when the last is dropped is still written.
#[derive(Debug, Clone)]
pub struct Trace {
    queue: mpsc::Sender<Job>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    left_out: AtomicU64,
    ends: Mutex<BTreeMap<(Transport, Address), Option<String>>>,
}

#[derive(Debug)]
enum Job {
    Write(Record),
    Flush(oneshot::Sender<()>),
}

/// One message on its way.
#[derive(Debug)]
struct Record {
    at: SystemTime,
    transport: Transport,
    from: End,
    to: End,
    bytes: Bytes,
}

/// One end of the way.
#[derive(Debug)]
struct End {
    address: Address,
    label: Option<String>,
}

impl Trace {
    /// Opens the files, readable by their owner only, and starts to write. Belongs into a runtime.
    ///
    /// # Errors
    /// A file cannot be made.
    pub fn start(config: &TraceConfig) -> io::Result<Self> {
        let open = |path: &Option<PathBuf>| path.as_deref().map(create).transpose();
        let ladder = open(&config.ladder)?.map(|file| Box::new(BufWriter::new(file)) as Sink);
        let pcap = open(&config.pcap)?.map(|file| Box::new(BufWriter::new(file)) as Sink);
        Self::to(ladder, pcap, config.secrets)
    }

    /// Starts to write to these. Belongs into a runtime.
    ///
    /// # Errors
    /// The pcap's head cannot be written.
    pub fn to(ladder: Option<Sink>, pcap: Option<Sink>, secrets: bool) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let shared = Arc::<Shared>::default();
        let writer = Writer { ladder, packets: pcap.map(Packets::new).transpose()?, secrets, shared: shared.clone() };
        // Ends when the last handle is dropped; a runtime that shuts down waits for it, so that the end is written.
        tokio::task::spawn_blocking(move || writer.run(jobs));
        Ok(Self { queue, shared })
    }

    /// Waits until everything so far is written out.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.queue.send(Job::Flush(done)).await.is_ok() {
            // The writer answers, or is gone: either way there is nothing left to wait for.
            let _ = written.await;
        }
    }

    /// Messages left out because the disk was slower than they came.
    pub fn left_out(&self) -> u64 {
        self.shared.left_out.load(Ordering::Relaxed)
    }

    fn write(&self, record: Record) {
        if self.queue.try_send(Job::Write(record)).is_err() {
            self.shared.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn ends(&self) -> MutexGuard<'_, BTreeMap<(Transport, Address), Option<String>>> {
        self.shared.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this process calls an end of its own; `None` for a stranger's.
    fn own(&self, transport: Transport, address: &Address) -> Option<Option<String>> {
        let ends = self.ends();
        if let Some(label) = ends.get(&(transport, address.clone())) {
            return Some(label.clone());
        }
        let Address::Socket(socket) = address else { return None };
        if !socket.ip().is_loopback() {
            return None;
        }
        let any: IpAddr = if socket.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        ends.get(&(transport, Address::Socket(SocketAddr::new(any, socket.port())))).cloned()
    }
}

#[cfg(unix)]
fn create(path: &Path) -> io::Result<File> {
    use std::{
        fs::Permissions,
        os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    };
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // A file that was there keeps its mode; a device or a pipe is not ours to change.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

#[cfg(not(unix))]
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).open(path)
}

/// One node's view of a trace: it knows which ends are the node's.
#[derive(Debug)]
pub(super) struct Tracer {
    trace: Trace,
    label: Option<String>,
}

/// An end of ours that is known to the trace until this is dropped.
#[derive(Debug)]
pub(super) struct OwnEnd {
    trace: Trace,
    end: (Transport, Address),
}

impl Tracer {
    pub(super) fn new(trace: Trace, label: Option<String>) -> Self {
        Self { trace, label }
    }

    /// Makes an end of ours known.
    pub(super) fn own(&self, transport: Transport, address: Address) -> OwnEnd {
        let end = (transport, address);
        self.trace.ends().insert(end.clone(), self.label.clone());
        OwnEnd { trace: self.trace.clone(), end }
    }

    pub(super) fn sent(&self, transport: Transport, ours: &Address, theirs: &Address, bytes: &Bytes) {
        let from = End { address: ours.clone(), label: self.label.clone() };
        let to = End { address: theirs.clone(), label: self.trace.own(transport, theirs).flatten() };
        self.trace.write(Record { at: clock::wall(), transport, from, to, bytes: bytes.clone() });
    }

    pub(super) fn received(&self, transport: Transport, theirs: &Address, ours: &Address, bytes: &Bytes) {
        if self.trace.own(transport, theirs).is_some() {
            return;
        }
        let from = End { address: theirs.clone(), label: None };
        let to = End { address: ours.clone(), label: self.label.clone() };
        self.trace.write(Record { at: clock::wall(), transport, from, to, bytes: bytes.clone() });
    }
}

impl Drop for OwnEnd {
    fn drop(&mut self) {
        self.trace.ends().remove(&self.end);
    }
}

struct Writer {
    ladder: Option<Sink>,
    packets: Option<Packets>,
    secrets: bool,
    shared: Arc<Shared>,
}

impl Writer {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut said = 0;
        while let Some(job) = jobs.blocking_recv() {
            match job {
                Job::Write(record) => self.write(&record, &mut said),
                Job::Flush(done) => {
                    self.flush();
                    // Whoever asked may have stopped waiting.
                    let _ = done.send(());
                }
            }
            if jobs.is_empty() {
                self.flush();
            }
        }
        self.flush();
    }

    fn write(&mut self, record: &Record, said: &mut u64) {
        let masked = if self.secrets { record.bytes.to_vec() } else { mask::masked(&record.bytes) };
        let left_out = self.shared.left_out.load(Ordering::Relaxed);
        let mut text = String::new();
        if left_out > *said {
            text = format!("# {} messages are left out here: they came faster than they could be written\n", left_out - *said);
            *said = left_out;
        }
        text.push_str(&ladder::line(record, &masked));
        if let Some(ladder) = &mut self.ladder
            && let Err(error) = ladder.write_all(text.as_bytes())
        {
            tracing::error!(%error, "the ladder cannot be written any more");
            self.ladder = None;
        }
        if let Some(packets) = &mut self.packets
            && let Err(error) = packets.write(record, &masked)
        {
            tracing::error!(%error, "the capture cannot be written any more");
            self.packets = None;
        }
    }

    fn flush(&mut self) {
        let ladder = self.ladder.as_mut().map_or(Ok(()), Write::flush);
        let packets = self.packets.as_mut().map_or(Ok(()), Packets::flush);
        if let Err(error) = ladder.and(packets) {
            tracing::error!(%error, "the trace cannot be written");
        }
    }
}
