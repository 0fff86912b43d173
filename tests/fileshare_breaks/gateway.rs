//! A gateway before the file server: what `files.advertise` names, on the same ports. It counts what it carries, and at a byte of the test's choice
//! holds a connection until the test says what becomes of it.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

use socket2::SockRef;

use crate::house::PATIENCE;

/// Where the file server listens.
pub const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Where terminals are told to connect to.
pub const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// Ports that it passes on.
const PORTS: u16 = 8;
/// The system chooses none of its own below.
const FIRST: std::ops::Range<u16> = 12_000..30_000;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the file server.
    Up,
    /// From it.
    Down,
}

/// What becomes of a connection that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Both ends see its end.
    Close,
    /// Both ends see a reset.
    Reset,
    /// Nobody sees anything any more.
    Silence,
    /// Nothing: it goes on.
    GoOn,
}

/// See the [module](self).
pub struct Gateway {
    shared: Arc<Shared>,
    first: u16,
}

struct Shared {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    passages: Vec<Passage>,
    trap: Option<Trap>,
    /// Connections that nobody hears of any more; they stay open.
    silent: Vec<Arc<Ends>>,
}

/// One connection.
struct Passage {
    port: u16,
    up: u64,
    down: u64,
    over: bool,
}

struct Trap {
    way: Way,
    after: u64,
    tell: SyncSender<Held>,
}

/// A trap that was set.
pub struct Set(Receiver<Held>);

/// A connection that is held at its byte.
pub struct Held {
    verdict: SyncSender<Verdict>,
    /// The gateway's socket towards the reader, and the reader's.
    ours: SocketAddr,
    theirs: SocketAddr,
}

/// Both ends of a connection.
struct Ends {
    near: TcpStream,
    far: TcpStream,
}

impl Gateway {
    /// On ports that nobody has.
    pub fn new(seed: u16) -> Self {
        let span = FIRST.end - FIRST.start;
        let mut tries = (0..span / PORTS).map(|at| FIRST.start + (seed % span / PORTS * PORTS + at * PORTS) % span);
        let (first, listeners) = tries.find_map(|first| Some((first, listen(first)?))).expect("ports that nobody has");
        let shared = Arc::new(Shared { inner: Mutex::default() });
        for listener in listeners {
            let shared = shared.clone();
            // They end with the test's process.
            std::thread::spawn(move || {
                for near in listener.incoming().map_while(Result::ok) {
                    shared.pass(near);
                }
            });
        }
        Self { shared, first }
    }

    /// The ports, as the configuration writes them.
    pub fn ports(&self) -> String {
        format!("{}-{}", self.first, self.first + PORTS - 1)
    }

    /// Holds the first connection that has carried so many bytes this way.
    pub fn hold(&self, way: Way, after: u64) -> Set {
        let (tell, told) = sync_channel(1);
        self.shared.lock().trap = Some(Trap { way, after, tell });
        Set(told)
    }

    /// The port of the last connection.
    pub fn last_port(&self) -> u16 {
        self.shared.lock().passages.last().expect("a connection").port
    }

    /// Connections so far.
    pub fn mark(&self) -> usize {
        self.shared.lock().passages.len()
    }

    /// Bytes that connections from a mark on have carried.
    pub fn carried(&self, mark: usize, way: Way) -> u64 {
        self.shared.lock().passages.iter().skip(mark).map(|passage| passage.count(way)).sum()
    }
}

impl Set {
    /// Waits until a connection is held.
    pub fn wait(&self) -> Held {
        self.0.recv_timeout(PATIENCE).expect("a connection that comes so far")
    }
}

impl Held {
    /// Bytes that were carried and that the reader has not taken from its system yet: what is killed or cut now never had them.
    pub fn unread(&self) -> u64 {
        queue(self.ours, self.theirs, 0) + queue(self.theirs, self.ours, 1)
    }

    /// Says what becomes of it.
    pub fn then(self, verdict: Verdict) {
        self.verdict.send(verdict).expect("it is held");
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(self: &Arc<Self>, near: TcpStream) {
        let port = near.local_addr().expect("an address").port();
        // Nobody listens inside: outside, too, it looks so.
        let Ok(far) = TcpStream::connect((INSIDE, port)) else { return };
        let ends = Arc::new(Ends { near, far });
        let number = {
            let mut inner = self.lock();
            inner.passages.push(Passage { port, up: 0, down: 0, over: false });
            inner.passages.len() - 1
        };
        for way in [Way::Up, Way::Down] {
            let (shared, ends) = (self.clone(), ends.clone());
            std::thread::spawn(move || shared.carry(number, way, &ends));
        }
    }

    fn carry(&self, number: usize, way: Way, ends: &Arc<Ends>) {
        let (mut from, mut to) = match way {
            Way::Up => (&ends.near, &ends.far),
            Way::Down => (&ends.far, &ends.near),
        };
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let room = self.room(number, way).min(buffer.len() as u64);
            if room == 0 {
                match self.held(to) {
                    Verdict::GoOn => continue,
                    verdict => return self.end(number, ends, verdict),
                }
            }
            let read = from.read(&mut buffer[..usize::try_from(room).expect("small")]);
            if self.lock().passages[number].over {
                return;
            }
            match read {
                Ok(count @ 1..) if to.write_all(&buffer[..count]).is_ok() => self.lock().passages[number].add(way, count),
                // An end of one way is passed on; a connection that broke takes both with it.
                Ok(0) => {
                    let _ = to.shutdown(std::net::Shutdown::Write);
                    return;
                }
                _ => return self.end(number, ends, Verdict::Close),
            }
        }
    }

    /// Bytes that may pass before the trap springs.
    fn room(&self, number: usize, way: Way) -> u64 {
        let inner = self.lock();
        let count = inner.passages[number].count(way);
        inner.trap.as_ref().filter(|trap| trap.way == way).map_or(u64::MAX, |trap| trap.after.saturating_sub(count))
    }

    /// The trap has sprung.
    fn held(&self, to: &TcpStream) -> Verdict {
        let Some(trap) = self.lock().trap.take() else { return Verdict::GoOn };
        let (verdict, said) = sync_channel(1);
        let (ours, theirs) = (to.local_addr().expect("an address"), to.peer_addr().expect("an address"));
        // A test that is over has no verdict.
        let _ = trap.tell.send(Held { verdict, ours, theirs });
        said.recv().unwrap_or(Verdict::Close)
    }

    fn end(&self, number: usize, ends: &Arc<Ends>, verdict: Verdict) {
        let mut inner = self.lock();
        inner.passages[number].over = true;
        if verdict == Verdict::Silence {
            return inner.silent.push(ends.clone());
        }
        drop(inner);
        for end in [&ends.near, &ends.far] {
            if verdict == Verdict::Reset {
                let _ = SockRef::from(end).set_linger(Some(Duration::ZERO));
                // The other half wakes up, and with it goes the last hold on the socket: that is the reset.
                let _ = end.shutdown(std::net::Shutdown::Read);
            } else {
                let _ = end.shutdown(std::net::Shutdown::Both);
            }
        }
    }
}

impl Passage {
    fn count(&self, way: Way) -> u64 {
        match way {
            Way::Up => self.up,
            Way::Down => self.down,
        }
    }

    fn add(&mut self, way: Way, count: usize) {
        let counter = match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        };
        *counter += count as u64;
    }
}

/// Bytes in a queue of a socket: 0 for what it still sends, 1 for what nobody has read.
fn queue(local: SocketAddr, remote: SocketAddr, which: usize) -> u64 {
    let hex = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), address.port()),
        IpAddr::V6(_) => unreachable!("these tests are of IPv4"),
    };
    let (local, remote) = (hex(local), hex(remote));
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the sockets of this machine");
    let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row.get(1) == Some(&&*local) && row.get(2) == Some(&&*remote));
    let queues = row.and_then(|row| row.get(4).copied()).unwrap_or("0:0");
    queues.split(':').nth(which).and_then(|bytes| u64::from_str_radix(bytes, 16).ok()).unwrap_or(0)
}

/// Listens on all ports of a range, if nobody has one of them, inside or outside.
fn listen(first: u16) -> Option<Vec<TcpListener>> {
    let free =
        |ip: IpAddr| (first..first + PORTS).map(|port| TcpListener::bind(SocketAddr::new(ip, port)).ok()).collect::<Option<Vec<_>>>();
    let outside = free(OUTSIDE)?;
    free(INSIDE)?;
    Some(outside)
}
