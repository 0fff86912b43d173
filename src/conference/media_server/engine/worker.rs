//! One media thread: commands, sockets, mix, sockets, events, fifty times a second.
//!
//! When signalling does not take its events, those about talkers are dropped at once (the next is whole again), others wait here up to [`PENDING`] and
//! are then dropped and counted, but for [`Event::Closed`], of which there is one per leg.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    ops::Deref,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, TryRecvError},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, mpsc};

use super::lock;
use crate::{
    clock,
    conference::media_server::ports::PortPool,
    media::{
        LegId, LegMedia, LegStats, Mix, PlayEnd, PlayId, Prompt, RoomId,
        io::{
            batch::{Batch, Moment},
            pair::Pair,
            priority,
            ticker::Ticker,
        },
        mixer::{Event, Mixer, MixerConfig, Port, Slot, Target},
    },
};

/// Events kept when signalling does not take them.
pub(super) const PENDING: usize = 4096;
/// Ticks between two looks at a leg's RTCP (the kernel notes when it came) and publications of its counters; spread over the legs.
const SELDOM: u64 = 25;
/// Ticks between two publications of the thread's load.
const LOAD_EVERY: u64 = 50;

/// What a thread is told.
#[derive(Debug)]
pub(super) enum Command {
    OpenRoom(RoomId),
    CloseRoom(RoomId),
    OpenLeg {
        leg: LegId,
        room: RoomId,
        lease: Lease,
        stats: Arc<Mutex<LegStats>>,
    },
    Connect(LegId, Box<LegMedia>),
    SetMix(LegId, Mix),
    CloseLeg(LegId),
    Play(Target, Prompt, PlayId),
    Stop(PlayId),
    Digits(LegId, String),
    /// Dies, as a fault of ours would have it.
    #[cfg(test)]
    Die,
}

/// A pair of sockets whose ports go back to the pool when it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    /// Closed before its ports are given back.
    pair: Option<Pair>,
    from: Option<(Arc<Mutex<PortPool>>, u16)>,
}

/// What a thread has done, and how busy it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ThreadLoad {
    /// Legs now.
    pub legs: usize,
    /// Ticks so far.
    pub ticks: u64,
    /// Ticks that began more than 5 ms late.
    pub late: u64,
    /// Ticks left out because the thread was held up for too long.
    pub skipped: u64,
    /// Time spent in ticks, waiting left out.
    pub busy: Duration,
    /// Longest tick so far.
    pub longest: Duration,
    /// Packets that the system did not take.
    pub send_errors: u64,
    /// Events dropped because signalling did not take them.
    pub events_dropped: u64,
}

/// The thread.
#[derive(Debug)]
pub(super) struct Worker {
    mixer: Mixer,
    legs: Vec<Option<Leg>>,
    commands: Receiver<Command>,
    events: mpsc::Sender<Event>,
    pending: VecDeque<Event>,
    doorbell: Arc<Notify>,
    batch: Batch,
    load: ThreadLoad,
    shared: Arc<Mutex<ThreadLoad>>,
}

/// Rings when the thread ends, however it ends, so that signalling looks after its legs.
#[derive(Debug)]
pub(super) struct LastBell(pub Arc<Notify>);

impl Drop for LastBell {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// What belongs to a slot of the mixer.
#[derive(Debug)]
struct Leg {
    id: LegId,
    lease: Lease,
    ipv6: bool,
    stats: Arc<Mutex<LegStats>>,
    send_errors: u64,
}

impl Worker {
    pub fn new(
        config: MixerConfig,
        seed: [u8; 32],
        commands: Receiver<Command>,
        events: mpsc::Sender<Event>,
        doorbell: Arc<Notify>,
        shared: Arc<Mutex<ThreadLoad>>,
    ) -> Self {
        Self {
            mixer: Mixer::new(config, clock::now(), clock::wall(), seed),
            legs: Vec::new(),
            commands,
            events,
            pending: VecDeque::new(),
            doorbell,
            batch: Batch::new(),
            load: ThreadLoad::default(),
            shared,
        }
    }

    /// Until the engine is dropped.
    pub fn run(mut self, realtime: bool) {
        let mut raised = realtime && priority::raise();
        let mut ticker = Ticker::start(Mixer::TICK);
        loop {
            if self.is_idle() {
                self.publish_load(&ticker);
                let Ok(command) = self.commands.recv() else { return };
                self.obey(clock::now(), command);
                ticker.restart();
            }
            let tick = ticker.wait();
            let alive = self.take_commands(tick.now);
            if !alive {
                self.mixer.close_all();
            }
            self.mixer.skip(tick.skipped);
            if tick.skipped > 0 && raised {
                tracing::warn!("a media thread does not keep up with its {} legs", self.mixer.leg_count());
                priority::lower();
                raised = false;
            }
            self.receive(Moment { now: tick.now, wall: clock::wall() });
            self.mixer.tick(tick.now);
            self.send(tick.now);
            self.tell();
            self.publish();
            let spent = clock::now().saturating_duration_since(tick.now);
            self.load.ticks += 1;
            self.load.busy += spent;
            self.load.longest = self.load.longest.max(spent);
            if self.load.ticks.is_multiple_of(LOAD_EVERY) {
                self.publish_load(&ticker);
            }
            if !alive {
                return;
            }
        }
    }

    /// Nothing to tick for: no room has a leg or a prompt, and everything was told.
    fn is_idle(&self) -> bool {
        self.mixer.is_idle() && self.pending.is_empty()
    }

    /// False when the engine is gone.
    fn take_commands(&mut self, now: Instant) -> bool {
        // As many as fit the queue, so that a caller who never stops cannot hold the tick up.
        for _ in 0..super::COMMANDS {
            match self.commands.try_recv() {
                Ok(command) => self.obey(now, command),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        true
    }

    fn obey(&mut self, now: Instant, command: Command) {
        // The handle has checked that rooms and legs exist; what was closed meanwhile needs nothing done.
        match command {
            Command::OpenRoom(room) => self.mixer.open_room(&room),
            Command::CloseRoom(room) => self.mixer.close_room(&room),
            Command::OpenLeg { leg, room, lease, stats } => self.open_leg(leg, &room, lease, stats),
            Command::Connect(leg, media) => drop(self.mixer.connect_leg(now, leg, *media)),
            Command::SetMix(leg, mix) => drop(self.mixer.set_mix(leg, mix)),
            Command::CloseLeg(leg) => self.mixer.close_leg(leg),
            Command::Play(target, prompt, play) => {
                if self.mixer.play(&target, prompt, play).is_err() {
                    self.pending.push_back(Event::PlayDone { play, end: PlayEnd::Closed, played: Duration::ZERO });
                }
            }
            Command::Stop(play) => self.mixer.stop(play),
            Command::Digits(leg, digits) => drop(self.mixer.send_digits(leg, &digits)),
            #[cfg(test)]
            Command::Die => panic!("told to die"),
        }
    }

    fn open_leg(&mut self, leg: LegId, room: &RoomId, lease: Lease, stats: Arc<Mutex<LegStats>>) {
        let Ok(slot) = self.mixer.open_leg(leg, room) else {
            self.pending.push_back(Event::Closed { leg, stats: Box::default() });
            return;
        };
        let ipv6 = lease.local_addr().is_ok_and(|address| address.is_ipv6());
        if self.legs.len() <= slot.index() {
            self.legs.resize_with(slot.index() + 1, || None);
        }
        self.legs[slot.index()] = Some(Leg { id: leg, lease, ipv6, stats, send_errors: 0 });
    }

    fn receive(&mut self, moment: Moment) {
        let (mixer, batch, ticks) = (&mut self.mixer, &mut self.batch, self.load.ticks);
        for (index, leg) in self.legs.iter().enumerate() {
            let Some(leg) = leg else { continue };
            let slot = Slot::at(index);
            // What a socket complains of (an address that went away) shows as silence.
            let _ = batch.drain(&leg.lease.media, leg.ipv6, moment, |arrival, from, bytes| {
                mixer.receive(moment.now, slot, arrival, from, bytes);
            });
            if (ticks + index as u64).is_multiple_of(SELDOM) {
                let _ = batch.drain(&leg.lease.reports, leg.ipv6, moment, |arrival, from, bytes| {
                    mixer.receive_report(arrival, slot, from, bytes);
                });
            }
        }
    }

    fn send(&mut self, now: Instant) {
        while let Some(packet) = self.mixer.poll_packet(now) {
            let Some(Some(leg)) = self.legs.get_mut(packet.slot.index()) else { continue };
            let socket = match packet.port {
                Port::Media => &leg.lease.media,
                Port::Reports => &leg.lease.reports,
            };
            if socket.send_to(packet.bytes, reachable(packet.to, leg.ipv6)).is_err() {
                leg.send_errors += 1;
                self.load.send_errors += 1;
            }
        }
    }

    /// Events to signalling, the oldest first.
    fn tell(&mut self) {
        while let Some(event) = self.mixer.poll_event() {
            if let Event::Closed { leg, .. } = &event {
                self.legs.iter_mut().filter(|slot| slot.as_ref().is_some_and(|entry| entry.id == *leg)).for_each(|slot| *slot = None);
            }
            let keep = match &event {
                Event::Talkers { .. } => self.pending.is_empty(),
                Event::Closed { .. } => true,
                Event::Digit { .. } | Event::PlayDone { .. } | Event::Silent { .. } | Event::Audible { .. } => self.pending.len() < PENDING,
            };
            if keep {
                self.pending.push_back(event);
            } else {
                self.load.events_dropped += 1;
            }
            self.flush();
        }
        self.flush();
    }

    /// Hands over what there is room for.
    fn flush(&mut self) {
        let mut told = false;
        while let Some(event) = self.pending.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => told = true,
                Err(mpsc::error::TrySendError::Full(event)) => {
                    self.pending.push_front(event);
                    break;
                }
                // The engine is being dropped: nobody listens any more.
                Err(mpsc::error::TrySendError::Closed(_)) => {}
            }
        }
        if told {
            self.doorbell.notify_one();
        }
    }

    fn publish(&mut self) {
        let ticks = self.load.ticks;
        for leg in self
            .legs
            .iter()
            .enumerate()
            .filter(|(index, _)| (ticks + *index as u64).is_multiple_of(SELDOM))
            .filter_map(|(_, leg)| leg.as_ref())
        {
            if let Some(mut stats) = self.mixer.stats(leg.id) {
                stats.send_errors = leg.send_errors;
                *lock(&leg.stats) = stats;
            }
        }
    }

    fn publish_load(&mut self, ticker: &Ticker) {
        self.load.legs = self.mixer.leg_count();
        self.load.late = ticker.late();
        self.load.skipped = ticker.skipped();
        *lock(&self.shared) = self.load.clone();
    }
}

impl Lease {
    pub fn new(pair: Pair, from: Option<(Arc<Mutex<PortPool>>, u16)>) -> Self {
        Self { pair: Some(pair), from }
    }
}

impl Deref for Lease {
    type Target = Pair;

    fn deref(&self) -> &Pair {
        // Taken only by drop.
        self.pair.as_ref().expect("a lease has its pair until it is dropped")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pair = None;
        if let Some((pool, port)) = self.from.take() {
            lock(&pool).give_back(port);
        }
    }
}

/// An IPv4 address as an IPv6 socket reaches it.
fn reachable(to: SocketAddr, ipv6: bool) -> SocketAddr {
    match to {
        SocketAddr::V4(v4) if ipv6 => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
        _ => to,
    }
}
