//! Somebody between terminals and their relay: hears all, and may hold back, alter, cut or swallow what passes.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use confkit::channel::wire::{
    Kind,
    chunk::{HEADER, Header},
    frame::{HEADER_LENGTH, PREFACE},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// Pieces that wait for their time; whoever sends more is read no further.
const PIECES: usize = 4096;

/// What becomes of the bytes that come from the relay by one connection.
pub trait Meddle: Send {
    /// These come next; what goes on in their stead. `None` ends the connection's stream towards the terminal.
    fn pass(&mut self, bytes: Vec<u8>) -> Option<Vec<u8>>;

    /// How much later than it came it goes on.
    fn late(&self) -> Duration {
        Duration::ZERO
    }
}

/// Lets everything pass.
pub struct Honest;

impl Meddle for Honest {
    fn pass(&mut self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        Some(bytes)
    }
}

/// Lets everything pass a while later.
pub struct Late(pub Duration);

impl Meddle for Late {
    fn pass(&mut self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        Some(bytes)
    }

    fn late(&self) -> Duration {
        self.0
    }
}

/// Lets nothing pass, and ends it.
pub struct Cut;

impl Meddle for Cut {
    fn pass(&mut self, _: Vec<u8>) -> Option<Vec<u8>> {
        None
    }
}

/// What was heard, each direction of each connection for itself.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<Vec<u8>>>>);

impl Heard {
    fn all(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> usize {
        let mut all = self.all();
        all.push(Vec::new());
        all.len() - 1
    }

    fn note(&self, at: usize, bytes: &[u8]) {
        self.all()[at].extend_from_slice(bytes);
    }

    /// Bytes heard in all.
    pub fn len(&self) -> usize {
        self.all().iter().map(Vec::len).sum()
    }

    /// Whether something is true of what one of the connections brought one way.
    pub fn any(&self, is_so: impl FnMut(&Vec<u8>) -> bool) -> bool {
        self.all().iter().any(is_so)
    }
}

/// See the [module](self).
pub struct Between {
    /// Where terminals come instead of to the relay.
    pub address: String,
    pub heard: Heard,
    swallow: CancellationToken,
    _tasks: JoinSet<()>,
}

impl Between {
    /// Before a relay. `meddle` says for each connection, by its number in the order of their coming, what becomes of what the relay sends.
    pub async fn new(relay: &str, mut meddle: impl FnMut(usize) -> Box<dyn Meddle> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (heard, swallow, relay) = (Heard::default(), CancellationToken::new(), relay.to_owned());
        let (hearing, swallows) = (heard.clone(), swallow.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let (mut connections, mut number) = (JoinSet::new(), 0);
            loop {
                let (terminal, _) = listener.accept().await.expect("accepted");
                // A relay that is gone is a connection that ends.
                let Ok(relay) = TcpStream::connect(&relay).await else { continue };
                for stream in [&terminal, &relay] {
                    stream.set_nodelay(true).expect("an option");
                }
                let ((from_terminal, to_terminal), (from_relay, to_relay)) = (terminal.into_split(), relay.into_split());
                let out: Box<dyn Meddle> = Box::new(Honest);
                connections.spawn(carry(from_terminal, to_relay, out, hearing.clone(), swallows.clone()));
                connections.spawn(carry(from_relay, to_terminal, meddle(number), hearing.clone(), swallows.clone()));
                number += 1;
            }
        });
        Self { address, heard, swallow, _tasks: tasks }
    }

    /// From now on nothing gets through, and nobody is told: every connection is half open.
    pub fn swallow_all(&self) {
        self.swallow.cancel();
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut meddle: Box<dyn Meddle>, heard: Heard, swallow: CancellationToken) {
    let late = meddle.late();
    // Who is not late holds back as the relay itself would.
    let (give, mut pieces) = mpsc::channel::<(Instant, Vec<u8>)>(if late.is_zero() { 1 } else { PIECES });
    let read = async move {
        let at = heard.begin();
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            heard.note(at, &buffer[..read]);
            let Some(bytes) = meddle.pass(buffer[..read].to_vec()) else { break };
            let due = Instant::from_std(confkit::clock::now()) + late;
            if give.send((due, bytes)).await.is_err() {
                return;
            }
        }
        drop(give);
        // What still comes is heard by nobody.
        while let Ok(1..) = from.read(&mut buffer).await {}
    };
    let write = async move {
        while let Some((due, bytes)) = pieces.recv().await {
            if !late.is_zero() {
                sleep_until(due).await;
            }
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    let mut both = std::pin::pin!(async { tokio::join!(read, write) });
    tokio::select! {
        _ = &mut both => {}
        // Neither end hears anything of it: both stay open as long as the test lasts.
        () = swallow.cancelled() => std::future::pending().await,
    }
}

/// What is done with the chunks of a data connection: each with its number on this connection, as it goes over the wire.
pub type Tamper = Box<dyn FnMut(usize, Vec<u8>) -> Option<Vec<u8>> + Send>;

/// Understands frames and chunks: what the relay says passes, and chunks by the leave of [`Tamper`].
pub struct Tampering {
    tamper: Tamper,
    waiting: VecDeque<u8>,
    /// The preface has come.
    greeted: bool,
    /// `joined` has come: chunks from here on.
    joined: bool,
    chunks: usize,
}

impl Tampering {
    pub fn new(tamper: Tamper) -> Self {
        Self { tamper, waiting: VecDeque::new(), greeted: false, joined: false, chunks: 0 }
    }

    /// The next whole piece: the preface, a frame, a chunk.
    fn piece(&mut self) -> Option<Vec<u8>> {
        let head: Vec<u8> = self.waiting.iter().take(HEADER).copied().collect();
        let length = if !self.greeted {
            PREFACE.len()
        } else if self.joined {
            HEADER + Header::read(head.try_into().ok()?, u32::MAX).expect("a chunk").length as usize
        } else {
            let length: [u8; 4] = head.get(4..HEADER_LENGTH)?.try_into().expect("four bytes");
            HEADER_LENGTH + u32::from_be_bytes(length) as usize
        };
        (self.waiting.len() >= length).then(|| self.waiting.drain(..length).collect())
    }
}

impl Meddle for Tampering {
    fn pass(&mut self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        self.waiting.extend(bytes);
        let mut on = Vec::new();
        while let Some(piece) = self.piece() {
            if !self.greeted {
                self.greeted = true;
            } else if self.joined {
                self.chunks += 1;
                match (self.tamper)(self.chunks - 1, piece) {
                    Some(piece) => on.extend(piece),
                    None if on.is_empty() => return None,
                    // What was let through before goes first; the next call ends it.
                    None => {
                        self.tamper = Box::new(|_, _| None);
                        return Some(on);
                    }
                }
                continue;
            } else {
                self.joined = Kind::from_number(piece[0]) == Some(Kind::Joined);
            }
            on.extend(piece);
        }
        Some(on)
    }
}
