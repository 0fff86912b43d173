//! UDP (RFC 3261 §18): one message a datagram.
//!
//! A datagram leaves at once, or waits in a bounded queue while the socket's buffer is full, or is dropped and counted:
//! transactions repeat over UDP. Errors that ICMP reports (§18.4) come back as failures of the hop.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::Interest,
    net::UdpSocket,
    sync::mpsc::{self, Receiver, Sender},
};

use super::{TransportLimits, icmp, inner::Inner};
use crate::sip::{
    Address, Hop, Transport,
    node::{Arrival, PeerIdentity, SendFault},
};

/// Largest payload of a datagram over IPv4, in bytes: 65,535 less the headers of IP and UDP.
pub(super) const MAX_DATAGRAM: usize = 65_507;

/// Datagrams read before other tasks get their turn.
const BURST: usize = 64;

/// Peers remembered with the socket that heard them, where several sockets could answer. At the bound all are forgotten.
const MAX_HEARD: usize = 4096;

/// Addresses remembered with the names that were sent to there, so that an ICMP error is told of the hop that was asked for. At
/// the bound all are forgotten.
const MAX_NAMED: usize = 4096;

/// Names remembered of one address; a further one fails by its timer.
const MAX_NAMES_OF_ONE: usize = 16;

/// Wait before a full socket is tried again, should the system call it writable when it is not.
const FULL_SOCKET: Duration = Duration::from_millis(1);

/// An ICMP error for an earlier datagram may come back as the error of the next send; that is tried again so often.
const SEND_TRIES: usize = 4;

/// The sockets of a transport.
#[derive(Debug, Default)]
pub(super) struct UdpPorts {
    ports: Vec<UdpPort>,
    heard: Mutex<BTreeMap<SocketAddr, usize>>,
    named: Mutex<BTreeMap<SocketAddr, BTreeSet<Address>>>,
}

/// One socket's sending end.
#[derive(Debug)]
struct UdpPort {
    /// The socket is its task's: it closes with the task.
    socket: Weak<UdpSocket>,
    local: SocketAddr,
    queue: Sender<(SocketAddr, Bytes)>,
}

/// One socket and its queue, for the task that serves it.
#[derive(Debug)]
pub(super) struct UdpTask {
    index: usize,
    socket: Arc<UdpSocket>,
    local: SocketAddr,
    queue: Receiver<(SocketAddr, Bytes)>,
}

impl UdpPorts {
    pub(super) fn new(sockets: Vec<(UdpSocket, SocketAddr)>, limits: &TransportLimits) -> (Self, Vec<UdpTask>) {
        let (mut ports, mut tasks) = (Vec::new(), Vec::new());
        for (index, (socket, local)) in sockets.into_iter().enumerate() {
            let (sender, queue) = mpsc::channel(limits.datagrams);
            let socket = Arc::new(socket);
            ports.push(UdpPort { socket: Arc::downgrade(&socket), local, queue: sender });
            tasks.push(UdpTask { index, socket, local, queue });
        }
        (Self { ports, heard: Mutex::default(), named: Mutex::default() }, tasks)
    }

    /// The socket to reach `peer` with: the one that heard it last, else of its kind (loopback or not), else of its family.
    fn towards(&self, peer: SocketAddr) -> Option<&UdpPort> {
        let mut family = self.ports.iter().filter(|port| port.local.is_ipv4() == peer.is_ipv4());
        let first = family.next()?;
        if family.clone().next().is_none() {
            return Some(first);
        }
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner).get(&peer).copied();
        heard
            .and_then(|index| self.ports.get(index))
            .or_else(|| {
                let loopback = peer.ip().is_loopback();
                std::iter::once(first).chain(family).find(|port| port.local.ip().is_loopback() == loopback)
            })
            .or(Some(first))
    }

    fn hear(&self, peer: SocketAddr, index: usize) {
        if self.ports.len() < 2 {
            return;
        }
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.len() >= MAX_HEARD && !heard.contains_key(&peer) {
            heard.clear();
        }
        heard.insert(peer, index);
    }

    fn note_name(&self, address: SocketAddr, name: &Address) {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if named.len() >= MAX_NAMED && !named.contains_key(&address) {
            named.clear();
        }
        let names = named.entry(address).or_default();
        if names.len() < MAX_NAMES_OF_ONE && !names.contains(name) {
            names.insert(name.clone());
        }
    }

    /// What messages to `address` were addressed to, by whatever name.
    fn take_names(&self, address: SocketAddr) -> BTreeSet<Address> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner).remove(&address).unwrap_or_default()
    }

    fn serves(&self, address: &SocketAddr) -> bool {
        self.ports.iter().any(|port| port.local.is_ipv4() == address.is_ipv4())
    }
}

/// Sends a datagram to a hop; a name that is not known yet is asked for by a task.
pub(super) fn send(inner: &Arc<Inner>, hop: &Hop, bytes: Bytes) -> Result<(), SendFault> {
    if bytes.len() > MAX_DATAGRAM {
        return Err(SendFault::TooLarge);
    }
    match &hop.address {
        Address::Socket(peer) => send_now(inner, *peer, &bytes),
        Address::Name { host, port } => match inner.names.known(host, *port) {
            Some(addresses) => send_to_name(inner, &hop.address, &addresses, &bytes),
            None => send_when_known(inner, hop.clone(), host.clone(), *port, bytes),
        },
    }
}

fn send_when_known(inner: &Arc<Inner>, hop: Hop, host: String, port: u16, bytes: Bytes) -> Result<(), SendFault> {
    let permit = inner.names.wait()?;
    let shared = inner.clone();
    inner.tracker.spawn(async move {
        let sent = tokio::select! {
            () = shared.stop.cancelled() => return,
            found = shared.names.resolve(&host, port) => found.and_then(|addresses| send_to_name(&shared, &hop.address, &addresses, &bytes)),
        };
        drop(permit);
        if let Err(why) = sent {
            shared.deliver(Arrival::Failed { hop, why }).await;
        }
    });
    Ok(())
}

fn send_to_name(inner: &Inner, name: &Address, addresses: &[SocketAddr], bytes: &Bytes) -> Result<(), SendFault> {
    let address = addresses.iter().find(|address| inner.udp.serves(address)).ok_or(SendFault::NoTransport)?;
    inner.udp.note_name(*address, name);
    send_now(inner, *address, bytes)
}

fn send_now(inner: &Inner, peer: SocketAddr, bytes: &Bytes) -> Result<(), SendFault> {
    let port = inner.udp.towards(peer).ok_or(SendFault::NoTransport)?;
    let socket = port.socket.upgrade().ok_or(SendFault::Closed)?;
    // Before it leaves, so that no answer stands above it.
    if let Some(tracer) = &inner.tracer {
        tracer.sent(Transport::Udp, &Address::Socket(port.local), &Address::Socket(peer), bytes);
    }
    // What waits goes first.
    let waiting = port.queue.capacity() < port.queue.max_capacity();
    let sent = !waiting && try_send(&socket, bytes, peer).map_err(|error| SendFault::from(&error))?;
    if !sent && port.queue.try_send((peer, bytes.clone())).is_err() {
        inner.counters.datagrams_dropped.up();
        return Ok(());
    }
    inner.counters.messages_out.up();
    Ok(())
}

/// False when the socket's buffer is full.
fn try_send(socket: &UdpSocket, bytes: &[u8], peer: SocketAddr) -> io::Result<bool> {
    let mut tries = 0;
    loop {
        match socket.try_send_to(bytes, peer) {
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if tries >= SEND_TRIES => return Err(error),
            Err(_) => tries += 1,
        }
    }
}

impl UdpTask {
    /// Serves the socket until everything stops.
    pub(super) async fn run(self, inner: Arc<Inner>) {
        let Self { index, socket, local, mut queue } = self;
        tokio::select! {
            () = inner.stop.cancelled() => {}
            () = receive(&inner, index, &socket, local) => {}
            () = drain(&socket, &mut queue) => {}
        }
        // What the socket still takes leaves; a datagram more or less is nothing that UDP promises.
        while let Ok((peer, bytes)) = queue.try_recv() {
            let _ = try_send(&socket, &bytes, peer);
        }
    }
}

async fn drain(socket: &UdpSocket, queue: &mut Receiver<(SocketAddr, Bytes)>) {
    while let Some((peer, bytes)) = queue.recv().await {
        loop {
            if socket.writable().await.is_err() {
                return;
            }
            match try_send(socket, &bytes, peer) {
                Ok(true) => break,
                // The system may go on calling a socket writable that once had an error.
                Ok(false) => tokio::time::sleep(FULL_SOCKET).await,
                Err(error) => {
                    tracing::debug!(%peer, %error, "a datagram could not be sent");
                    break;
                }
            }
        }
    }
}

async fn receive(inner: &Inner, index: usize, socket: &UdpSocket, local: SocketAddr) {
    let mut buffer = vec![0; usize::from(u16::MAX) + 1];
    loop {
        let ready = match socket.ready(Interest::READABLE | Interest::ERROR).await {
            Ok(ready) => ready,
            Err(error) => {
                tracing::error!(%local, %error, "the UDP socket is lost");
                return;
            }
        };
        if ready.is_error() {
            report_errors(inner, socket).await;
        }
        for _ in 0..BURST {
            match socket.try_recv_from(&mut buffer) {
                Ok((len, peer)) => {
                    let bytes = buffer.get(..len).unwrap_or_default();
                    if !take(inner, index, bytes, peer, local).await {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // The error of an earlier datagram of ours; the error queue tells whose.
                Err(_) => report_errors(inner, socket).await,
            }
        }
        tokio::task::consume_budget().await;
    }
}

async fn take(inner: &Inner, index: usize, bytes: &[u8], peer: SocketAddr, local: SocketAddr) -> bool {
    // Phones keep their way through NATs open by CRLF, or by zeros.
    if bytes.iter().all(|b| matches!(b, b'\r' | b'\n' | 0)) {
        inner.counters.keepalives.up();
        return true;
    }
    inner.udp.hear(peer, index);
    let bytes = Bytes::copy_from_slice(bytes);
    if let Some(tracer) = &inner.tracer {
        tracer.received(Transport::Udp, &Address::Socket(peer), &Address::Socket(local), &bytes);
    }
    let from = Hop::new(Transport::Udp, peer);
    inner.deliver(Arrival::Message { bytes, from, peer: PeerIdentity::Anonymous, to: Address::Socket(local) }).await
}

/// Tells of every peer that ICMP calls unreachable.
async fn report_errors(inner: &Inner, socket: &UdpSocket) {
    loop {
        let error = match socket.try_io(Interest::ERROR, || icmp::next_error(socket)) {
            Ok(error) => error,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => {
                tracing::debug!(%error, "the error queue cannot be read");
                return;
            }
        };
        let Some((peer, why)) = error else { continue };
        inner.counters.icmp_errors.up();
        inner.names.distrust(peer);
        for address in inner.udp.take_names(peer).into_iter().chain([Address::Socket(peer)]) {
            let hop = Hop { transport: Transport::Udp, address, flow: None };
            if !inner.deliver(Arrival::Failed { hop, why: why.clone() }).await {
                return;
            }
        }
    }
}
