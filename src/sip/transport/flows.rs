//! The table of connections: which are open, to whom, how many from whom.
//!
//! Numbers that we give to connections we opened are odd, to accepted ones even, so that a number tells after the connection's
//! death whether its other end can be connected to again.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use super::TransportLimits;
use crate::sip::{Address, FlowId, Hop, Transport, node::SendFault};

/// Distinct hops remembered of the requests that left by one connection. One more is not told of the connection's death: its
/// transaction ends by its own timer.
const MAX_ASKED: usize = 256;

/// What a connection was opened to, or is known to lead to; two requests with equal targets share a connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    pub(super) transport: Transport,
    pub(super) address: Address,
    /// The name that the peer's certificate must hold; TLS only.
    pub(super) server_name: Option<String>,
}

impl Target {
    /// The target of a hop without connection.
    pub(super) fn of(hop: &Hop) -> Self {
        let server_name = (hop.transport == Transport::Tls).then(|| match &hop.address {
            Address::Socket(addr) => addr.ip().to_string(),
            Address::Name { host, .. } => host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        });
        Self { transport: hop.transport, address: hop.address.clone(), server_name }
    }
}

/// One message on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) bytes: Bytes,
    /// `None` for what the transport says by itself: pongs, and answers to what could not be framed.
    pub(super) hop: Option<Hop>,
}

impl Outgoing {
    pub(super) fn is_response(&self) -> bool {
        is_response(&self.bytes)
    }
}

/// True for a response, judged by its first bytes.
pub(super) fn is_response(bytes: &[u8]) -> bool {
    bytes.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"SIP/"))
}

/// What both ends of a connection's queue and its two loops share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    queued: AtomicUsize,
    owed: AtomicUsize,
    deaf: AtomicBool,
    active: AtomicBool,
    asked: Mutex<BTreeSet<Hop>>,
    /// Told when no answer is owed any more.
    pub(super) settled: Notify,
}

impl Shared {
    /// A request came that wants an answer.
    pub(super) fn owes(&self) {
        self.owed.fetch_add(1, Ordering::Relaxed);
    }

    /// A final answer has left.
    pub(super) fn answered(&self) {
        let before = self.owed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |owed| Some(owed.saturating_sub(1)));
        if before.is_ok_and(|owed| owed <= 1) {
            self.settled.notify_one();
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        self.owed.load(Ordering::Relaxed) == 0
    }

    /// The other end has stopped sending: requests shall not leave by this connection any more.
    pub(super) fn deafen(&self) {
        self.deaf.store(true, Ordering::Relaxed);
    }

    /// A message has been taken from the queue.
    pub(super) fn taken(&self, bytes: usize) {
        self.queued.fetch_sub(bytes, Ordering::Relaxed);
        self.active.store(true, Ordering::Relaxed);
    }

    /// True when something was written since the last call.
    pub(super) fn was_active(&self) -> bool {
        self.active.swap(false, Ordering::Relaxed)
    }

    /// The hops of the requests that left by this connection, taken out.
    pub(super) fn take_asked(&self) -> BTreeSet<Hop> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The sending end of one connection.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    queue: mpsc::Sender<Outgoing>,
    pub(super) shared: Arc<Shared>,
    max_bytes: usize,
}

/// Why a message did not get into a connection's queue.
#[derive(Debug)]
pub(super) enum NotQueued {
    /// The queue is full.
    Full,
    /// The connection is gone, or takes no requests any more: here is the message back.
    Gone(Outgoing),
}

impl Sender {
    /// Queues a message without waiting.
    pub(super) fn send(&self, outgoing: Outgoing) -> Result<(), NotQueued> {
        let (len, response) = (outgoing.bytes.len(), outgoing.is_response());
        if self.shared.deaf.load(Ordering::Relaxed) && !response && outgoing.hop.is_some() {
            return Err(NotQueued::Gone(outgoing));
        }
        if self.shared.queued.fetch_add(len, Ordering::Relaxed).saturating_add(len) > self.max_bytes {
            self.shared.queued.fetch_sub(len, Ordering::Relaxed);
            return Err(NotQueued::Full);
        }
        if let Some(hop) = outgoing.hop.as_ref().filter(|_| !response && !outgoing.bytes.starts_with(b"ACK ")) {
            let mut asked = self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner);
            if asked.len() < MAX_ASKED && !asked.contains(hop) {
                asked.insert(hop.clone());
            }
        }
        self.queue.try_send(outgoing).map_err(|error| {
            self.shared.queued.fetch_sub(len, Ordering::Relaxed);
            match error {
                mpsc::error::TrySendError::Full(_) => NotQueued::Full,
                mpsc::error::TrySendError::Closed(outgoing) => NotQueued::Gone(outgoing),
            }
        })
    }
}

/// The table.
#[derive(Debug)]
pub(super) struct Flows {
    table: Arc<Mutex<Table>>,
    limits: TransportLimits,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    open: BTreeMap<FlowId, Entry>,
    targets: BTreeMap<Target, FlowId>,
    accepted: usize,
    opened: usize,
    per_address: BTreeMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Entry {
    sender: Sender,
    targets: Vec<Target>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Accepted(IpAddr),
    Opened,
    /// Connections between roles of this process are not counted: traffic from outside must not keep them from one another.
    Local,
}

/// A place in the table and the receiving end of its queue; dropping it frees the place.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) id: FlowId,
    pub(super) sender: Sender,
    pub(super) queue: mpsc::Receiver<Outgoing>,
    table: Arc<Mutex<Table>>,
}

impl Flows {
    pub(super) fn new(limits: &TransportLimits) -> Self {
        Self { table: Arc::default(), limits: limits.clone() }
    }

    /// A place for an accepted connection; `None` when there are too many.
    pub(super) fn accept(&self, peer: Option<IpAddr>) -> Option<Place> {
        let mut table = lock(&self.table);
        let kind = match peer {
            None => Kind::Local,
            Some(ip) => {
                let ip = network(ip);
                let here = table.per_address.get(&ip).copied().unwrap_or(0);
                if table.accepted >= self.limits.connections || here >= self.limits.connections_per_address {
                    return None;
                }
                table.accepted += 1;
                table.per_address.insert(ip, here + 1);
                Kind::Accepted(ip)
            }
        };
        Some(self.place(&mut table, kind, Vec::new()))
    }

    /// Queues `outgoing` on the connection to `target`; where there is none, makes a place for it, which the caller connects.
    pub(super) fn send_to(&self, target: &Target, mut outgoing: Outgoing) -> Result<Option<Place>, SendFault> {
        let mut table = lock(&self.table);
        let open = table.targets.get(target).and_then(|id| table.open.get(id)).map(|entry| entry.sender.clone());
        if let Some(sender) = open {
            match sender.send(outgoing) {
                Ok(()) => return Ok(None),
                Err(NotQueued::Full) => return Err(SendFault::Full),
                Err(NotQueued::Gone(back)) => outgoing = back,
            }
        }
        let kind = if target.transport == Transport::Local { Kind::Local } else { Kind::Opened };
        if matches!(kind, Kind::Opened) {
            if table.opened >= self.limits.connections {
                return Err(SendFault::Crowded);
            }
            table.opened += 1;
        }
        let place = self.place(&mut table, kind, vec![target.clone()]);
        drop(table);
        match place.sender.send(outgoing) {
            Ok(()) => Ok(Some(place)),
            Err(NotQueued::Full | NotQueued::Gone(_)) => Err(SendFault::TooLarge),
        }
    }

    fn place(&self, table: &mut Table, kind: Kind, targets: Vec<Target>) -> Place {
        let ours = !targets.is_empty();
        table.next += 1;
        let id = FlowId(table.next * 2 + u64::from(ours));
        let (messages, max_bytes) = match kind {
            Kind::Local => (self.limits.local_messages, self.limits.local_bytes),
            Kind::Accepted(_) | Kind::Opened => (self.limits.flow_messages, self.limits.flow_bytes),
        };
        let (queue, receiver) = mpsc::channel(messages);
        let sender = Sender { queue, shared: Arc::default(), max_bytes };
        for target in &targets {
            table.targets.insert(target.clone(), id);
        }
        table.open.insert(id, Entry { sender: sender.clone(), targets, kind });
        Place { id, sender, queue: receiver, table: self.table.clone() }
    }

    /// The sending end of a connection that is open.
    pub(super) fn sender(&self, id: FlowId) -> Option<Sender> {
        lock(&self.table).open.get(&id).map(|entry| entry.sender.clone())
    }

    /// Connections open now.
    pub(super) fn len(&self) -> usize {
        lock(&self.table).open.len()
    }
}

/// True when we opened the connection, so that it can be opened again.
pub(super) fn is_ours(id: FlowId) -> bool {
    id.0 % 2 == 1
}

/// Lets requests to further targets leave by a connection.
#[derive(Debug)]
pub(super) struct Aliases {
    id: FlowId,
    table: Arc<Mutex<Table>>,
    learnt: AtomicBool,
}

impl Aliases {
    /// True once something was learnt: a connection has one set of aliases.
    pub(super) fn is_learnt(&self) -> bool {
        self.learnt.load(Ordering::Relaxed)
    }

    /// Requests to `targets` leave by this connection, too, but for those that another one serves.
    pub(super) fn learn(&self, targets: impl IntoIterator<Item = Target>) {
        self.learnt.store(true, Ordering::Relaxed);
        let mut table = lock(&self.table);
        for target in targets {
            let free = table.targets.get(&target).is_none_or(|id| !table.open.contains_key(id));
            if let Some(entry) = table.open.get_mut(&self.id).filter(|_| free) {
                entry.targets.push(target.clone());
                table.targets.insert(target, self.id);
            }
        }
    }
}

impl Place {
    pub(super) fn aliases(&self) -> Aliases {
        Aliases { id: self.id, table: self.table.clone(), learnt: AtomicBool::new(false) }
    }

    /// Frees the place before its time, so that nothing more is queued; what was is given back.
    pub(super) async fn vacate(mut self) -> Vec<Outgoing> {
        self.free();
        self.queue.close();
        let mut left = Vec::new();
        while let Some(outgoing) = self.queue.recv().await {
            left.push(outgoing);
        }
        left
    }

    fn free(&self) {
        let mut table = lock(&self.table);
        let Some(entry) = table.open.remove(&self.id) else { return };
        for target in &entry.targets {
            // A later connection may have taken the target over.
            if table.targets.get(target) == Some(&self.id) {
                table.targets.remove(target);
            }
        }
        match entry.kind {
            Kind::Local => {}
            Kind::Opened => table.opened -= 1,
            Kind::Accepted(ip) => {
                table.accepted -= 1;
                match table.per_address.get_mut(&ip) {
                    Some(count) if *count > 1 => *count -= 1,
                    _ => drop(table.per_address.remove(&ip)),
                }
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.free();
    }
}

/// What is counted as one address: whoever has an IPv6 address has a /64 of them.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or_else(|| Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(), IpAddr::V4),
    }
}

fn lock(table: &Mutex<Table>) -> std::sync::MutexGuard<'_, Table> {
    // The table is whole between any two of its statements that may panic: none does.
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(text: &'static str) -> Outgoing {
        Outgoing { bytes: Bytes::from_static(text.as_bytes()), hop: Some(Hop::new(Transport::Tcp, addr("192.0.2.1:5060"))) }
    }

    fn addr(text: &str) -> std::net::SocketAddr {
        text.parse().expect("an address")
    }

    fn target() -> Target {
        Target::of(&Hop::new(Transport::Tcp, addr("192.0.2.1:5060")))
    }

    #[test]
    fn one_connection_serves_equal_targets_until_it_is_gone() {
        let flows = Flows::new(&TransportLimits::default());
        let place = flows.send_to(&target(), outgoing("BYE 1")).expect("room").expect("a new connection");
        assert!(is_ours(place.id));
        assert!(flows.send_to(&target(), outgoing("BYE 2")).expect("room").is_none(), "the second takes the same");
        let other = flows.send_to(&Target::of(&Hop::new(Transport::Tcp, addr("192.0.2.1:5061"))), outgoing("BYE 3"));
        assert!(other.expect("room").is_some(), "another port is another connection");
        drop(place);
        assert!(flows.send_to(&target(), outgoing("BYE 4")).expect("room").is_some());
    }

    #[tokio::test]
    async fn tls_connections_are_shared_by_the_name_that_was_verified() {
        let flows = Flows::new(&TransportLimits::default());
        let name = |host: &str| {
            Target::of(&Hop { transport: Transport::Tls, address: Address::Name { host: host.into(), port: 5061 }, flow: None })
        };
        let one = flows.send_to(&name("a.example"), outgoing("BYE 1")).expect("room").expect("new");
        let two = flows.send_to(&name("b.example"), outgoing("BYE 2")).expect("room").expect("new");
        // RFC 5923: the peer may claim a second target, but not one that another connection serves.
        one.aliases().learn([name("b.example"), name("c.example")]);
        assert!(flows.send_to(&name("c.example"), outgoing("BYE 3")).expect("room").is_none());
        drop(one);
        assert!(flows.send_to(&name("b.example"), outgoing("BYE 4")).expect("room").is_none());
        assert_eq!(two.vacate().await.len(), 2);
    }

    #[test]
    fn the_bounds_hold_each_way_and_places_come_back() {
        let limits = TransportLimits { connections: 3, connections_per_address: 2, ..TransportLimits::default() };
        let flows = Flows::new(&limits);
        let ip = |text: &str| Some(text.parse().expect("an address"));
        let one = flows.accept(ip("2001:db8::1")).expect("first");
        let _two = flows.accept(ip("2001:db8::2")).expect("second of the same /64");
        assert!(flows.accept(ip("2001:db8::3")).is_none(), "the third of one /64");
        let _three = flows.accept(ip("192.0.2.1")).expect("another network");
        assert!(flows.accept(ip("192.0.2.2")).is_none(), "the fourth in all");
        assert!(flows.accept(None).is_some(), "roles of this process are not counted");
        assert!(flows.send_to(&target(), outgoing("BYE")).expect("the other way has its own bound").is_some());
        drop(one);
        assert!(flows.accept(ip("2001:db8::3")).is_some());
        assert_eq!(flows.len(), 2, "only what is held is open");
    }

    #[test]
    fn queues_are_bounded_by_count_and_by_bytes() {
        let limits = TransportLimits { flow_messages: 2, flow_bytes: 10, ..TransportLimits::default() };
        let flows = Flows::new(&limits);
        let place = flows.accept(Some(addr("192.0.2.9:5060").ip())).expect("room");
        assert!(place.sender.send(outgoing("12345678")).is_ok());
        assert!(matches!(place.sender.send(outgoing("123")), Err(NotQueued::Full)), "11 bytes");
        assert!(place.sender.send(outgoing("12")).is_ok());
        assert!(matches!(place.sender.send(outgoing("")), Err(NotQueued::Full)), "three messages");
        assert!(matches!(flows.send_to(&target(), outgoing("12345678901")), Err(SendFault::TooLarge)));
        assert_eq!(flows.len(), 1, "the place of the refused one is free again");
    }

    #[tokio::test]
    async fn a_connection_that_hears_nothing_more_takes_answers_only() {
        let flows = Flows::new(&TransportLimits::default());
        let place = flows.send_to(&target(), outgoing("BYE 1")).expect("room").expect("new");
        place.sender.shared.deafen();
        assert!(place.sender.send(outgoing("SIP/2.0 200 OK")).is_ok());
        assert!(matches!(place.sender.send(outgoing("BYE 2")), Err(NotQueued::Gone(_))));
        assert!(flows.send_to(&target(), outgoing("BYE 2")).expect("room").is_some(), "a request gets a new connection");
        assert_eq!(place.vacate().await.len(), 2);
    }

    #[test]
    fn what_is_owed_is_counted() {
        let shared = Shared::default();
        shared.answered();
        assert!(shared.is_settled(), "a second final answer to one request does no harm");
        shared.owes();
        shared.owes();
        shared.answered();
        assert!(!shared.is_settled());
        shared.answered();
        assert!(shared.is_settled());
    }
}
