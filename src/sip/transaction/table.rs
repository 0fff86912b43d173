//! A table of machines, found by key, by deadline, and by the hop that they send to; no search ever walks it whole.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::RangeFrom,
    time::Instant,
};

use super::{Timers, TransactionEvent, Transmit};
use crate::sip::{
    hop::{Address, FlowId, Hop, Transport},
    message::Message,
};

/// What every machine is given: the time, the timers' values, and where its output goes.
pub(super) struct Context<'a> {
    /// The time.
    pub now: Instant,
    /// The values of the timers.
    pub timers: &'a Timers,
    /// The output.
    pub queues: &'a mut Queues,
}

/// What waits to be polled. Emptied by the caller after each call, so no longer than what one call makes of the table.
#[derive(Debug, Default)]
pub(super) struct Queues {
    /// Messages to send.
    pub transmits: VecDeque<Transmit>,
    /// Things to know.
    pub events: VecDeque<TransactionEvent>,
}

impl Context<'_> {
    /// Hands a message to the transport.
    pub fn send(&mut self, message: Message, hop: &Hop) {
        self.queues.transmits.push_back(Transmit { message, hop: hop.clone() });
    }

    /// Tells the user.
    pub fn tell(&mut self, event: TransactionEvent) {
        self.queues.events.push_back(event);
    }
}

/// What the table needs of a machine.
pub(super) trait Machine {
    /// Fires one timer that is due.
    fn handle_timeout(&mut self, cx: &mut Context<'_>);
    /// What was sent could not be sent.
    fn handle_transport_error(&mut self, cx: &mut Context<'_>);
    /// When the next timer fires.
    fn next_timeout(&self) -> Option<Instant>;
    /// Where it sends to.
    fn hop(&self) -> &Hop;
    /// The state by the RFC's name.
    fn state(&self) -> &'static str;
    /// True in the state Terminated, which ends its row.
    fn ended(&self) -> bool;
}

/// The machines of one side.
#[derive(Debug)]
pub(super) struct Table<K, M> {
    rows: BTreeMap<K, Row<M>>,
    deadlines: BTreeSet<(Instant, K)>,
    ways: BTreeMap<Way, BTreeSet<K>>,
}

#[derive(Debug)]
struct Row<M> {
    machine: M,
    /// As it stands in `deadlines`.
    deadline: Option<Instant>,
    /// As it stands in `ways`.
    way: Way,
}

/// What a transport error is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Flow(FlowId),
    Address(Transport, Address),
}

impl Way {
    fn of(hop: &Hop) -> Self {
        match hop.flow {
            Some(flow) => Self::Flow(flow),
            None => Self::Address(hop.transport, hop.address.clone()),
        }
    }
}

impl<K: Ord + Clone, M: Machine> Table<K, M> {
    /// An empty table.
    pub fn new() -> Self {
        Self { rows: BTreeMap::new(), deadlines: BTreeSet::new(), ways: BTreeMap::new() }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn get(&self, key: &K) -> Option<&M> {
        self.rows.get(key).map(|row| &row.machine)
    }

    /// The rows from a key upwards.
    pub fn range(&self, from: RangeFrom<K>) -> impl Iterator<Item = (&K, &M)> {
        self.rows.range(from).map(|(key, row)| (key, &row.machine))
    }

    /// Adds a machine under a key that is free.
    pub fn insert(&mut self, key: K, machine: M) {
        let (deadline, way) = (machine.next_timeout(), Way::of(machine.hop()));
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, key.clone()));
        }
        self.ways.entry(way.clone()).or_default().insert(key.clone());
        self.rows.insert(key, Row { machine, deadline, way });
    }

    /// Lets a machine do something, fires what is due in it — timers of zero length at once — and files it anew. `None` without such a
    /// machine; else what `act` returned, and whether the machine has ended and is gone.
    pub fn with<T>(&mut self, key: &K, cx: &mut Context<'_>, act: impl FnOnce(&mut M, &mut Context<'_>) -> T) -> Option<(T, bool)> {
        let row = self.rows.get_mut(key)?;
        let outcome = act(&mut row.machine, cx);
        while row.machine.next_timeout().is_some_and(|at| at <= cx.now) {
            row.machine.handle_timeout(cx);
        }
        let ended = row.machine.ended();
        let deadline = if ended { None } else { row.machine.next_timeout() };
        if deadline != row.deadline {
            if let Some(old) = row.deadline {
                self.deadlines.remove(&(old, key.clone()));
            }
            if let Some(new) = deadline {
                self.deadlines.insert((new, key.clone()));
            }
            row.deadline = deadline;
        }
        let way = Way::of(row.machine.hop());
        if ended || way != row.way {
            let old = std::mem::replace(&mut row.way, way.clone());
            leave(&mut self.ways, &old, key);
            if !ended {
                self.ways.entry(way).or_default().insert(key.clone());
            }
        }
        if ended {
            self.rows.remove(key);
        }
        Some((outcome, ended))
    }

    /// Takes a machine out, whatever its state; false without such a machine.
    pub fn remove(&mut self, key: &K) -> bool {
        let Some(row) = self.rows.remove(key) else { return false };
        if let Some(deadline) = row.deadline {
            self.deadlines.remove(&(deadline, key.clone()));
        }
        leave(&mut self.ways, &row.way, key);
        true
    }

    /// When the first timer fires.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The first machine with a timer that is due.
    pub fn due(&self, now: Instant) -> Option<K> {
        self.deadlines.first().filter(|(at, _)| *at <= now).map(|(_, key)| key.clone())
    }

    /// The machines that send to a hop.
    pub fn sending_to(&self, hop: &Hop) -> Vec<K> {
        self.ways.get(&Way::of(hop)).into_iter().flatten().cloned().collect()
    }
}

/// Takes a machine off a way.
fn leave<K: Ord>(ways: &mut BTreeMap<Way, BTreeSet<K>>, way: &Way, key: &K) {
    if let Some(keys) = ways.get_mut(way) {
        keys.remove(key);
        if keys.is_empty() {
            ways.remove(way);
        }
    }
}
