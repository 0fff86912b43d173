//! Who is called: a port that is open for one attempt.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use socket2::{Domain, Socket, Type};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{Ways, addresses::named, interfaces};
use crate::{
    channel::{
        client::relay::Connection,
        keys::Pairwise,
        server::watch_over,
        wire::{
            Role, address,
            direct::{CLAIM, Call, Claim, Hello},
            frame::PREFACE,
        },
    },
    clock,
};

/// Connections that have not proven anything yet. One more is closed at once.
const PENDING: usize = 16;
/// How long each may take to prove itself.
const TO_PROVE: Duration = Duration::from_secs(3);
/// Connections that wait to be accepted.
const BACKLOG: i32 = 32;
/// How long nothing is accepted after the system had no descriptor left.
const BREATH: Duration = Duration::from_millis(100);
/// How long proven connections are waited for, once the other end has said that it comes by them.
const TO_COME: Duration = Duration::from_secs(3);

/// How a port is opened for the other end.
#[derive(Debug, Clone, Copy)]
pub(in crate::channel::client) struct Opening {
    pub(in crate::channel::client) ways: Ways,
    /// The address by which the relay is reached.
    pub(in crate::channel::client) via: Option<IpAddr>,
    /// Only this machine reaches the relay: then only this machine reaches the port, too.
    pub(in crate::channel::client) here: bool,
    /// Data connections.
    pub(in crate::channel::client) streams: u8,
}

impl Opening {
    /// Where bytes go by the relay of `control`, which says of itself that it is at `relays`.
    pub(in crate::channel::client) fn at(control: &Connection, relays: &[String], ways: Ways, streams: u8) -> Self {
        // A relay that says of itself that only this machine reaches it has nobody else to bring.
        let of_this_machine = |told: &String| address::split(told).1.parse().is_ok_and(|told: SocketAddr| told.ip().is_loopback());
        let here = !relays.is_empty() && relays.iter().all(of_this_machine);
        Self { ways: control.ways(ways), via: control.local_ip(), here, streams }
    }

    /// A port, where bytes may go directly and somebody could come. Where there is none the other end may still be called.
    pub(in crate::channel::client) fn open(&self) -> Option<Listening> {
        if !self.ways.may_be_direct() {
            return None;
        }
        Listening::open(self.via, self.here).inspect_err(|error| tracing::info!(%error, "nobody can come directly")).ok()
    }
}

/// A port that is open, and not served yet.
#[derive(Debug)]
pub(in crate::channel::client) struct Listening {
    socket: TcpListener,
    addresses: Vec<SocketAddr>,
}

impl Listening {
    /// Opens a port of the system's, where [`Opening`] says.
    ///
    /// # Errors
    /// The system has no port, or this machine no address that another could call.
    pub(super) fn open(via: Option<IpAddr>, here: bool) -> io::Result<Self> {
        let ips = named(&interfaces::own(), via, here);
        let Some(first) = ips.first() else {
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "this machine has no address that others can connect to"));
        };
        let socket = if here { listen(SocketAddr::new(*first, 0))? } else { listen_everywhere()? };
        Self::around(socket, ips)
    }

    /// Those of `ips` by which the socket is reached.
    pub(super) fn around(socket: TcpListener, ips: Vec<IpAddr>) -> io::Result<Self> {
        let bound = socket.local_addr()?;
        let reached = |ip: &IpAddr| match bound.ip() {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => true,
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => ip.is_ipv4(),
            one => one == *ip,
        };
        let addresses = ips.into_iter().filter(reached).map(|ip| SocketAddr::new(ip, bound.port())).collect();
        Ok(Self { socket, addresses })
    }

    /// Where the other end may call.
    pub(in crate::channel::client) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Lets in who proves `pairwise` to us, who are `own`, with at most so many data connections.
    pub(in crate::channel::client) fn serve(self, pairwise: Pairwise, own: Role, streams: u8) -> Serving {
        let (give, came) = mpsc::channel(usize::from(streams.max(1)));
        let door = Door { pairwise: Arc::new(pairwise), own, streams, proven: Arc::new(AtomicU16::new(0)), give };
        let mut open = JoinSet::new();
        open.spawn(door.keep(self.socket));
        Serving { came, streams, _open: open }
    }
}

/// One socket for both families, where the system knows both.
pub(super) fn listen_everywhere() -> io::Result<TcpListener> {
    listen((Ipv6Addr::UNSPECIFIED, 0).into()).or_else(|_| listen((Ipv4Addr::UNSPECIFIED, 0).into()))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), None)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A port that lets in who proves itself. Dropping it closes the port, and what came and was not taken.
#[derive(Debug)]
pub(in crate::channel::client) struct Serving {
    came: mpsc::Receiver<(u8, TcpStream)>,
    streams: u8,
    _open: JoinSet<()>,
}

impl Serving {
    /// The data connections, in the order of their indices, once the other end has said that it comes by them.
    ///
    /// # Errors
    /// Not all are there.
    pub(in crate::channel::client) async fn take(mut self) -> io::Result<Vec<TcpStream>> {
        let mut all: Vec<(u8, TcpStream)> = Vec::new();
        let coming = async {
            while all.len() < usize::from(self.streams) {
                match self.came.recv().await {
                    Some(one) => all.push(one),
                    None => return,
                }
            }
        };
        let _ = timeout(TO_COME, coming).await;
        if all.len() < usize::from(self.streams) {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "not all of the direct connections are there"));
        }
        all.sort_by_key(|(stream, _)| *stream);
        Ok(all.into_iter().map(|(_, stream)| stream).collect())
    }
}

#[derive(Debug, Clone)]
struct Door {
    pairwise: Arc<Pairwise>,
    own: Role,
    streams: u8,
    /// A bit for each data connection that was proven.
    proven: Arc<AtomicU16>,
    give: mpsc::Sender<(u8, TcpStream)>,
}

impl Door {
    /// Until all have come; then the port is closed.
    async fn keep(self, socket: TcpListener) {
        let mut rng = ChaCha12Rng::from_seed(clock::seed());
        let mut pending = JoinSet::new();
        let all = (1_u32 << self.streams.min(16)) - 1;
        while u32::from(self.proven.load(Ordering::Acquire)) != all {
            tokio::select! {
                accepted = socket.accept() => match accepted {
                    Ok((stream, _)) if pending.len() < PENDING => {
                        let (door, challenge) = (self.clone(), rng.random());
                        // Who has not proven itself in time, or cannot, is closed by being dropped, and told nothing.
                        pending.spawn(timeout(TO_PROVE, door.admit(stream, Hello { challenge })));
                    }
                    Ok(_) => {}
                    Err(_) => sleep(BREATH).await,
                },
                Some(_) = pending.join_next() => {}
            }
        }
        drop(socket);
        // The last words of those that were let in.
        while pending.join_next().await.is_some() {}
    }

    async fn admit(self, mut stream: TcpStream, hello: Hello) -> io::Result<()> {
        let mut preface = PREFACE;
        stream.read_exact(&mut preface).await?;
        if preface != PREFACE {
            return Ok(());
        }
        stream.write_all(&hello.write()).await?;
        let mut claim = [0; CLAIM];
        stream.read_exact(&mut claim).await?;
        let Claim { stream: index, challenge, proof } = Claim::read(&claim);
        let call = Call { caller: self.own.other(), hello: hello.challenge, claim: challenge, stream: index };
        if !self.pairwise.verify(&call, call.caller, &proof) || index >= self.streams {
            return Ok(());
        }
        let bit = 1 << index;
        if self.proven.load(Ordering::Acquire) & bit != 0 {
            return Ok(());
        }
        watch_over(&stream)?;
        // Whoever is the second of an index gets no answer, which is the proof of the first.
        if self.proven.fetch_or(bit, Ordering::AcqRel) & bit != 0 {
            return Ok(());
        }
        stream.write_all(self.pairwise.prove(&call, self.own).as_bytes()).await?;
        // Nobody takes them any more where the attempt is over.
        let _ = self.give.send((index, stream)).await;
        Ok(())
    }
}
