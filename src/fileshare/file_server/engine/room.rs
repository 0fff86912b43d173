//! What the tasks of one data conference share: the list at its door, who is connected, and what is stored.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    EngineConfig,
    lists::Lists,
    orders::Order,
    pace::Paces,
    stats::{Stats, add},
};
use crate::{
    fileshare::{
        ConfId,
        file_server::{
            admission::{Admitted, Door, MemberId, Pass, Turned},
            plane::PlaneEvent,
            space::Space,
        },
        wire::{
            Failure, FailureCode, Header, payload,
            proof::{Binding, Nonce},
        },
    },
    transfer::spool::SpoolState,
};

/// What all data conferences share.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) config: EngineConfig,
    pub(super) stats: Stats,
    /// To the machine. Tasks wait when it is behind.
    pub(super) events: mpsc::Sender<PlaneEvent>,
    pub(super) doorbell: Arc<Notify>,
    /// Who waits for a disk to sync: never so many that nobody can read.
    pub(super) syncs: Arc<Semaphore>,
    /// Who holds how much of the disk.
    pub(super) space: Mutex<Space>,
    /// The budget of manifests and trailers in memory.
    pub(super) lists: Lists,
    /// Who reads a manifest: that takes several times its memory.
    pub(super) reading: Semaphore,
}

/// One data conference.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) conf: ConfId,
    pub(super) common: Arc<Common>,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) stored: watch::Receiver<Stored>,
    pub(super) paces: Arc<Paces>,
    /// Cancelled when the data conference is over.
    pub(super) over: CancellationToken,
    inside: Mutex<Inside>,
}

#[derive(Debug)]
struct Inside {
    door: Door,
    seats: BTreeMap<MemberId, Seat>,
    /// What each member on the list has; outlives its connections.
    received: BTreeMap<MemberId, Arc<AtomicU64>>,
    next: u64,
    why: Option<Failure>,
}

/// The connection of a member.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    /// Unique in its data conference, and growing.
    pub(super) number: u64,
    pub(super) admitted: Admitted,
    /// Cancelled when the connection is to be closed.
    pub(super) leave: CancellationToken,
    why: Arc<Mutex<Option<Failure>>>,
    /// What the member has, in bytes.
    pub(super) received: Arc<AtomicU64>,
}

/// How far the store is.
#[derive(Debug, Clone, Default)]
pub(super) struct Stored {
    pub(super) manifest: Option<Manifest>,
    /// Data packets of the batch; 0: not known yet.
    pub(super) total: u64,
    /// Follows the bytes; there from the start, unless the store failed.
    pub(super) spool: Option<watch::Receiver<SpoolState>>,
    /// Bytes that are on disk, and noted there: those that another process can go on from.
    pub(super) noted: u64,
    /// The hashes, when all is on disk and they are right.
    pub(super) trailer: Option<Bytes>,
    /// Why nothing more will come.
    pub(super) failed: Option<Failure>,
}

/// The batch header, as it came.
#[derive(Debug, Clone)]
pub(super) struct Manifest {
    pub(super) whole: Bytes,
    pub(super) bytes: Option<u64>,
    pub(super) entries: u32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Common {
    /// Tells the machine.
    pub(super) async fn tell(&self, event: PlaneEvent) {
        // A machine that is gone need not know.
        let _ = self.events.send(event).await;
        self.doorbell.notify_one();
    }
}

impl Room {
    pub(super) fn new(
        conf: ConfId,
        common: Arc<Common>,
        orders: mpsc::Sender<Order>,
        stored: watch::Receiver<Stored>,
        over: CancellationToken,
    ) -> Self {
        let config = &common.config;
        let door = Door::new(conf.clone(), config.behind_nat);
        let paces = Arc::new(Paces::new(config.total, config.each, config.heartbeat));
        let inside = Inside { door, seats: BTreeMap::new(), received: BTreeMap::new(), next: 1, why: None };
        Self { conf, orders, stored, paces, over, inside: Mutex::new(inside), common }
    }

    /// Works on the list at the door.
    pub(super) fn at_door<T>(&self, work: impl FnOnce(&mut Door) -> T) -> T {
        work(&mut lock(&self.inside).door)
    }

    /// Puts a member on the list in place of its former entry; its connection, if it has one, ends.
    pub(super) fn admit(&self, member: MemberId, pass: Pass) {
        let mut inside = lock(&self.inside);
        inside.door.admit(member, pass);
        if let Some(seat) = inside.seats.remove(&member) {
            seat.dismiss(Failure::new(FailureCode::Conflict, "the member connects anew"));
        }
    }

    /// Strikes a member from the list; its connection ends.
    pub(super) fn strike(&self, member: MemberId, why: &Failure) {
        let mut inside = lock(&self.inside);
        inside.door.strike(member);
        inside.received.remove(&member);
        if let Some(seat) = inside.seats.remove(&member) {
            seat.dismiss(why.clone());
        }
    }

    /// Ends all connections.
    pub(super) fn end(&self, why: &Failure) {
        let mut inside = lock(&self.inside);
        inside.why = Some(why.clone());
        for seat in std::mem::take(&mut inside.seats).into_values() {
            seat.dismiss(why.clone());
        }
        drop(inside);
        self.over.cancel();
    }

    /// Whoever has connected proves its key, and takes its seat; the connection that the member had ends.
    pub(super) fn take_seat(
        &self,
        remote: SocketAddr,
        header: &Header,
        proof: &payload::Proof,
        nonce: &Nonce,
        binding: Binding,
    ) -> Result<Seat, Turned> {
        let mut inside = lock(&self.inside);
        if inside.why.is_some() {
            return Err(Turned::Stranger);
        }
        let admitted = inside.door.prove(remote, header, proof, nonce, binding)?;
        inside.door.set_batch(admitted.batch);
        let number = inside.next;
        inside.next = inside.next.saturating_add(1);
        let received = inside.received.entry(admitted.member).or_default().clone();
        let seat = Seat { number, admitted, leave: self.over.child_token(), why: Arc::default(), received };
        if let Some(old) = inside.seats.insert(admitted.member, seat.clone()) {
            old.dismiss(Failure::new(FailureCode::Conflict, "the member has connected anew"));
        }
        drop(inside);
        add(&self.common.stats.admitted, 1);
        add(&self.common.stats.connections, 1);
        Ok(seat)
    }

    /// A connection is over. True where it still was its member's: then the machine has to know.
    pub(super) fn leave_seat(&self, seat: &Seat) -> bool {
        self.common.stats.connections.fetch_sub(1, Ordering::Relaxed);
        let mut inside = lock(&self.inside);
        let member = seat.admitted.member;
        let own = inside.seats.get(&member).is_some_and(|present| present.number == seat.number);
        if own {
            inside.seats.remove(&member);
        }
        own
    }

    /// Why a connection ends whose order the keeper did not answer.
    pub(super) fn why_unanswered(&self, seat: &Seat) -> Failure {
        self.stored.borrow().failed.clone().unwrap_or_else(|| seat.why())
    }

    /// Whether a member has a connection.
    pub(super) fn is_seated(&self, member: MemberId) -> bool {
        lock(&self.inside).seats.contains_key(&member)
    }

    /// Bytes that a member has.
    pub(super) fn received(&self, member: MemberId) -> u64 {
        lock(&self.inside).received.get(&member).map_or(0, |bytes| bytes.load(Ordering::Relaxed))
    }
}

impl Seat {
    fn dismiss(&self, why: Failure) {
        *lock(&self.why) = Some(why);
        self.leave.cancel();
    }

    /// Why the connection is to be closed.
    pub(super) fn why(&self) -> Failure {
        lock(&self.why).clone().unwrap_or_else(|| Failure::new(FailureCode::Ended, "the share has ended"))
    }
}

impl Stored {
    /// Bytes that readers can have.
    pub(super) fn written(&self) -> u64 {
        self.spool.as_ref().map_or(0, |spool| spool.borrow().written)
    }

    /// Bytes that are on disk, and that another process can go on from.
    pub(super) fn durable(&self) -> u64 {
        self.noted
    }
}
