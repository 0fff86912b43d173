//! The media plane of a running server: one thread per core with an absolute tick of 20 ms, one pair of sockets per leg.
//!
//! [`Engine`] is the handle that signalling holds: it binds ports, hands commands to the thread of the room, and takes events back, without ever waiting for
//! a thread. A room belongs to one thread, so there is no lock in the mixing. A thread without rooms sleeps until there is one.
//!
//! Bounds: [`COMMANDS`] commands wait per thread (a command that finds no place is refused as [`PlaneError::Busy`]; closing and stopping wait in the handle
//! instead, for they must not be lost); [`EngineConfig::events`] events wait for signalling (what happens then: see `worker.rs`).

mod worker;

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::{Notify, mpsc};

use self::worker::{Command, LastBell, Lease, Worker};
use super::{
    plane::{LegId, LegMedia, LegStats, MediaPlane, Mix, PlaneError, PlaneEvent, PlayId, Prompt, RoomId, Target},
    ports::{PortPool, PortRange},
};
use crate::{
    clock,
    media::{
        io::pair::Pair,
        mixer::{MAX_PROMPTS, MixerConfig},
    },
};

pub use self::worker::ThreadLoad;

/// Commands that wait for one thread; it takes all of them every 20 ms.
pub const COMMANDS: usize = 4096;
/// Ports of the range that may turn out to be used by others before an attempt to open a leg is given up.
const FOREIGN_PORTS: usize = 128;

/// What an engine is told at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineConfig {
    /// Media threads; 0 for as many as there are cores.
    pub threads: usize,
    /// Ports for RTP and RTCP.
    pub ports: PortRange,
    /// Most rooms at once.
    pub rooms: usize,
    /// Events that wait for signalling.
    pub events: usize,
    /// How long a leg that should send may be without RTP before [`PlaneEvent::Silent`].
    pub silent_after: Duration,
    /// Schedule media threads ahead of ordinary ones, where the system permits it ([`crate::media::io::priority`]); one that falls more than
    /// [`crate::media::io::ticker::MAX_CATCH_UP`] ticks behind is an ordinary one from then on.
    pub realtime: bool,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            threads: 0,
            ports: PortRange::EPHEMERAL,
            rooms: 4096,
            events: 4096,
            silent_after: MixerConfig::default().silent_after,
            realtime: true,
        }
    }
}

/// The media plane of a running server. Dropping it says good-bye to every leg and ends the threads, within a tick or two.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    threads: Vec<Thread>,
    rooms: BTreeMap<RoomId, usize>,
    legs: BTreeMap<LegId, LegEntry>,
    plays: BTreeMap<PlayId, Target>,
    ports: Arc<Mutex<PortPool>>,
    next_leg: u64,
    events: mpsc::Receiver<PlaneEvent>,
    doorbell: Arc<Notify>,
    measured: Measured,
}

/// How busy the busiest thread was between two looks.
#[derive(Debug)]
struct Measured {
    at: Instant,
    busy: Vec<Duration>,
    /// Thousandths of a core.
    load: u32,
}

#[derive(Debug)]
struct Thread {
    /// `None` once it is to end.
    commands: Option<SyncSender<Command>>,
    /// Commands that must not be lost and found no place.
    overdue: VecDeque<Command>,
    legs: usize,
    load: Arc<Mutex<ThreadLoad>>,
    handle: Option<JoinHandle<()>>,
    /// It ended before it was told to: a fault of ours. Its rooms are gone, and it gets no others.
    dead: bool,
}

#[derive(Debug)]
struct LegEntry {
    room: RoomId,
    thread: usize,
    stats: Arc<Mutex<LegStats>>,
}

impl Engine {
    /// Starts the media threads.
    ///
    /// # Errors
    /// The system's, when it gives no thread.
    pub fn start(config: EngineConfig) -> io::Result<Self> {
        raise_descriptor_limit();
        let count = if config.threads == 0 { std::thread::available_parallelism()?.get() } else { config.threads };
        let (sender, events) = mpsc::channel(config.events.max(1));
        let doorbell = Arc::new(Notify::new());
        let (mixer, realtime) = (MixerConfig { silent_after: config.silent_after }, config.realtime);
        let mut threads = Vec::with_capacity(count);
        for number in 0..count {
            let (commands, inbox) = sync_channel(COMMANDS);
            let load = Arc::new(Mutex::new(ThreadLoad::default()));
            let (events, doorbell, shared, seed) = (sender.clone(), Arc::clone(&doorbell), Arc::clone(&load), clock::seed());
            let handle = std::thread::Builder::new().name(format!("media-{number}")).spawn(move || {
                let _bell = LastBell(Arc::clone(&doorbell));
                Worker::new(mixer, seed, inbox, events, doorbell, shared).run(realtime);
            })?;
            threads.push(Thread { commands: Some(commands), overdue: VecDeque::new(), legs: 0, load, handle: Some(handle), dead: false });
        }
        Ok(Self {
            ports: Arc::new(Mutex::new(PortPool::new(config.ports))),
            config,
            threads,
            rooms: BTreeMap::new(),
            legs: BTreeMap::new(),
            plays: BTreeMap::new(),
            next_leg: 1,
            events,
            doorbell,
            measured: Measured { at: clock::now(), busy: vec![Duration::ZERO; count], load: 0 },
        })
    }

    /// Rings when [`MediaPlane::poll_event`] may have something: await `notified()`, then poll until there is nothing.
    pub fn doorbell(&self) -> Arc<Notify> {
        Arc::clone(&self.doorbell)
    }

    /// How busy each thread is, at most a second old.
    pub fn load(&self) -> Vec<ThreadLoad> {
        self.threads.iter().map(|thread| lock(&thread.load).clone()).collect()
    }

    /// Port pairs that are free; `None` where the system chooses.
    pub fn free_pairs(&self) -> Option<usize> {
        (!self.config.ports.is_ephemeral()).then(|| lock(&self.ports).free())
    }

    fn bind(&self, ip: IpAddr) -> Result<(Pair, Option<u16>), PlaneError> {
        let exhausted = || PlaneError::Exhausted { first: self.config.ports.first, last: self.config.ports.last };
        if self.config.ports.is_ephemeral() {
            return match Pair::bind_any(ip) {
                Ok(pair) => Ok((pair, None)),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(exhausted()),
                Err(error) => Err(error.into()),
            };
        }
        let mut pool = lock(&self.ports);
        for _ in 0..FOREIGN_PORTS.min(pool.free()) {
            let port = pool.take().ok_or_else(exhausted)?;
            match Pair::bind(ip, port) {
                Ok(pair) => return Ok((pair, Some(port))),
                Err(error) => {
                    pool.give_back(port);
                    // Somebody else's port: the next may be free.
                    if error.kind() != io::ErrorKind::AddrInUse {
                        return Err(error.into());
                    }
                }
            }
        }
        Err(exhausted())
    }

    /// A thread that died takes its rooms with it: one leg of them.
    fn bury(&mut self) -> Option<PlaneEvent> {
        for thread in &mut self.threads {
            if !thread.dead && thread.handle.as_ref().is_some_and(JoinHandle::is_finished) {
                tracing::error!("a media thread died, and with it {} legs", thread.legs);
                thread.dead = true;
            }
        }
        let leg = self.legs.iter().find(|(_, entry)| self.threads[entry.thread].dead).map(|(&leg, _)| leg);
        if leg.is_none() {
            let threads = &self.threads;
            self.rooms.retain(|_, thread| !threads[*thread].dead);
        }
        let leg = leg?;
        let stats = self.stats(leg).unwrap_or_default();
        self.leg_gone(leg);
        Some(PlaneEvent::Closed { leg, stats: Box::new(stats) })
    }

    fn thread_of(&self, leg: LegId) -> Result<usize, PlaneError> {
        self.legs.get(&leg).map(|entry| entry.thread).ok_or(PlaneError::NoLeg(leg))
    }

    fn thread_of_target(&self, target: &Target) -> Result<usize, PlaneError> {
        match target {
            Target::Leg(leg) => self.thread_of(*leg),
            Target::Room(room) => self.rooms.get(room).copied().ok_or_else(|| PlaneError::NoRoom(room.clone())),
        }
    }

    fn leg_gone(&mut self, leg: LegId) {
        if let Some(entry) = self.legs.remove(&leg) {
            self.threads[entry.thread].legs -= 1;
        }
        self.plays.retain(|_, target| *target != Target::Leg(leg));
    }
}

impl Thread {
    /// Gives a command to the thread, behind those that wait.
    fn send(&mut self, command: Command) -> Result<(), PlaneError> {
        self.send_overdue();
        match &self.commands {
            Some(commands) if self.overdue.is_empty() => commands.try_send(command).map_err(|_| PlaneError::Busy),
            _ => Err(PlaneError::Busy),
        }
    }

    /// Likewise, for a command that must not be lost.
    fn send_surely(&mut self, command: Command) {
        self.overdue.push_back(command);
        self.send_overdue();
    }

    fn send_overdue(&mut self) {
        while let (Some(commands), Some(command)) = (&self.commands, self.overdue.pop_front()) {
            // Where the thread is gone, so is what the command was to end.
            if let Err(TrySendError::Full(command)) = commands.try_send(command) {
                self.overdue.push_front(command);
                return;
            }
        }
    }
}

impl MediaPlane for Engine {
    fn open_room(&mut self, room: &RoomId) -> Result<(), PlaneError> {
        if self.rooms.contains_key(room) {
            return Ok(());
        }
        if self.rooms.len() >= self.config.rooms {
            return Err(PlaneError::Full { what: "rooms", limit: self.config.rooms });
        }
        let rooms_on = |thread: usize| self.rooms.values().filter(|&&of| of == thread).count();
        let living = (0..self.threads.len()).filter(|&thread| !self.threads[thread].dead);
        let least = living.min_by_key(|&thread| (self.threads[thread].legs, rooms_on(thread))).ok_or(PlaneError::Busy)?;
        self.threads[least].send(Command::OpenRoom(room.clone()))?;
        self.rooms.insert(room.clone(), least);
        Ok(())
    }

    fn close_room(&mut self, room: &RoomId) {
        let Some(thread) = self.rooms.remove(room) else { return };
        let legs: Vec<LegId> = self.legs.iter().filter(|(_, entry)| entry.room == *room).map(|(&leg, _)| leg).collect();
        for leg in legs {
            self.leg_gone(leg);
        }
        self.plays.retain(|_, target| !matches!(target, Target::Room(of) if of == room));
        self.threads[thread].send_surely(Command::CloseRoom(room.clone()));
    }

    fn open_leg(&mut self, room: &RoomId, ip: IpAddr) -> Result<(LegId, SocketAddr), PlaneError> {
        let thread = *self.rooms.get(room).ok_or_else(|| PlaneError::NoRoom(room.clone()))?;
        let (pair, port) = self.bind(ip)?;
        let address = pair.local_addr()?;
        let lease = Lease::new(pair, port.map(|port| (Arc::clone(&self.ports), port)));
        let leg = LegId(self.next_leg);
        let stats = Arc::new(Mutex::new(LegStats::default()));
        self.threads[thread].send(Command::OpenLeg { leg, room: room.clone(), lease, stats: Arc::clone(&stats) })?;
        self.next_leg += 1;
        self.threads[thread].legs += 1;
        self.legs.insert(leg, LegEntry { room: room.clone(), thread, stats });
        Ok((leg, address))
    }

    fn connect_leg(&mut self, leg: LegId, media: LegMedia) -> Result<(), PlaneError> {
        let thread = self.thread_of(leg)?;
        self.threads[thread].send(Command::Connect(leg, Box::new(media)))
    }

    fn set_mix(&mut self, leg: LegId, mix: Mix) -> Result<(), PlaneError> {
        let thread = self.thread_of(leg)?;
        self.threads[thread].send(Command::SetMix(leg, mix))
    }

    fn close_leg(&mut self, leg: LegId) {
        let Ok(thread) = self.thread_of(leg) else { return };
        self.leg_gone(leg);
        self.threads[thread].send_surely(Command::CloseLeg(leg));
    }

    fn play(&mut self, target: Target, prompt: Prompt, play: PlayId) -> Result<(), PlaneError> {
        let thread = self.thread_of_target(&target)?;
        if self.plays.values().filter(|of| **of == target).count() >= MAX_PROMPTS {
            return Err(PlaneError::Full { what: "prompts at once", limit: MAX_PROMPTS });
        }
        self.threads[thread].send(Command::Play(target.clone(), prompt, play))?;
        self.plays.insert(play, target);
        Ok(())
    }

    fn stop(&mut self, play: PlayId) {
        let Some(target) = self.plays.get(&play) else { return };
        if let Ok(thread) = self.thread_of_target(target) {
            self.threads[thread].send_surely(Command::Stop(play));
        }
    }

    fn send_digits(&mut self, leg: LegId, digits: &str) -> Result<(), PlaneError> {
        let thread = self.thread_of(leg)?;
        self.threads[thread].send(Command::Digits(leg, digits.to_owned()))
    }

    fn stats(&mut self, leg: LegId) -> Option<LegStats> {
        self.legs.get(&leg).map(|entry| lock(&entry.stats).clone())
    }

    fn load(&mut self) -> u32 {
        let now = clock::now();
        let passed = now.saturating_duration_since(self.measured.at);
        // The threads tell how busy they were about once a second.
        if passed >= Duration::from_secs(2) {
            let busy: Vec<Duration> = self.threads.iter().map(|thread| lock(&thread.load).busy).collect();
            let most = busy.iter().zip(&self.measured.busy).map(|(now, before)| now.saturating_sub(*before)).max().unwrap_or_default();
            let load = most.as_micros() * 1000 / passed.as_micros().max(1);
            self.measured = Measured { at: now, busy, load: u32::try_from(load).unwrap_or(u32::MAX) };
        }
        self.measured.load
    }

    fn poll_event(&mut self) -> Option<PlaneEvent> {
        self.threads.iter_mut().for_each(Thread::send_overdue);
        match self.events.try_recv() {
            Ok(event) => {
                if let PlaneEvent::PlayDone { play, .. } = &event {
                    self.plays.remove(play);
                }
                Some(event)
            }
            Err(_) => self.bury(),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for thread in &mut self.threads {
            thread.commands = None;
        }
        for handle in self.threads.iter_mut().filter_map(|thread| thread.handle.take()) {
            // A thread that panicked has said so already.
            let _ = handle.join();
        }
    }
}

/// Two sockets a leg soon exceed the usual soft limit of 1024 descriptors; the hard one is what the operator allows.
fn raise_descriptor_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// A lock whose holders only copy counters: a panic of one leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
