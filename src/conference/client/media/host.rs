//! The thread: fifty times a second, commands, sockets, terminals, sockets.

use std::{
    collections::BTreeMap,
    sync::mpsc::{Receiver, TryRecvError},
    time::Instant,
};

use tokio::sync::oneshot;

use super::recording::Frames;
use crate::{
    clock,
    media::{
        LegMedia,
        io::{
            batch::{Batch, Moment},
            pair::Pair,
            priority,
            ticker::Ticker,
        },
        mixer::{Mixer, Port},
        terminal::{Mic, Snapshot, Terminal},
    },
};

/// Ticks between two looks at a terminal's RTCP.
const SELDOM: u64 = 10;

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Command {
    Open { id: u64, pair: Pair, seed: [u8; 32] },
    Start(u64, Box<LegMedia>),
    SetMic(u64, Mic),
    Digits(u64, String),
    Record(u64, Frames),
    Snapshot(u64, oneshot::Sender<Snapshot>),
    WhenSaid(u64, oneshot::Sender<()>),
    Close(u64, Option<oneshot::Sender<Snapshot>>),
}

#[derive(Debug)]
pub(super) struct Host {
    commands: Receiver<Command>,
    terminals: BTreeMap<u64, Seat>,
    batch: Batch,
    ticks: u64,
}

/// One terminal with its shell.
#[derive(Debug)]
struct Seat {
    terminal: Terminal,
    pair: Pair,
    ipv6: bool,
    recording: Option<Frames>,
    when_said: Vec<oneshot::Sender<()>>,
}

impl Host {
    pub fn new(commands: Receiver<Command>) -> Self {
        Self { commands, terminals: BTreeMap::new(), batch: Batch::new(), ticks: 0 }
    }

    /// Until every handle is dropped.
    pub fn run(mut self) {
        // On a busy machine a late microphone sounds like a bad network.
        let mut raised = priority::raise();
        let mut ticker = Ticker::start(Mixer::TICK);
        loop {
            if self.terminals.is_empty() {
                let Ok(command) = self.commands.recv() else { return };
                self.obey(clock::now(), command);
                ticker.restart();
            }
            let tick = ticker.wait();
            if tick.skipped > 0 && raised {
                priority::lower();
                raised = false;
            }
            let now = tick.now;
            let moment = Moment { now, wall: clock::wall() };
            self.ticks += 1;
            for seat in self.terminals.values_mut() {
                seat.terminal.skip(tick.skipped);
                seat.tick(&mut self.batch, moment, self.ticks.is_multiple_of(SELDOM));
            }
            // Behind the tick, so that who asks after it sees all of it.
            loop {
                match self.commands.try_recv() {
                    Ok(command) => self.obey(now, command),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
        }
    }

    fn obey(&mut self, now: Instant, command: Command) {
        // A terminal that is gone needs nothing done; who asked for it sees his question dropped.
        match command {
            Command::Open { id, pair, seed } => {
                let ipv6 = pair.local_addr().is_ok_and(|address| address.is_ipv6());
                let terminal = Terminal::new(now, clock::wall(), seed);
                self.terminals.insert(id, Seat { terminal, pair, ipv6, recording: None, when_said: Vec::new() });
            }
            Command::Start(id, media) => self.with(id, |seat| seat.terminal.start(now, *media)),
            Command::SetMic(id, mic) => self.with(id, |seat| seat.terminal.set_mic(mic)),
            Command::Digits(id, digits) => self.with(id, |seat| {
                seat.terminal.send_digits(&digits);
            }),
            Command::Record(id, frames) => self.with(id, |seat| seat.recording = Some(frames)),
            Command::Snapshot(id, answer) => self.with(id, |seat| drop(answer.send(seat.terminal.snapshot()))),
            Command::WhenSaid(id, answer) => self.with(id, |seat| seat.when_said.push(answer)),
            Command::Close(id, answer) => {
                if let Some(mut seat) = self.terminals.remove(&id) {
                    let snapshot = seat.terminal.snapshot();
                    seat.terminal.stop();
                    seat.send(now);
                    if let Some(answer) = answer {
                        let _ = answer.send(snapshot);
                    }
                }
            }
        }
    }

    fn with(&mut self, id: u64, act: impl FnOnce(&mut Seat)) {
        self.terminals.get_mut(&id).map(act);
    }
}

impl Seat {
    fn tick(&mut self, batch: &mut Batch, moment: Moment, reports: bool) {
        let terminal = &mut self.terminal;
        // What a socket complains of (an address that went away) shows as silence.
        let _ = batch.drain(&self.pair.media, self.ipv6, moment, |arrival, from, bytes| terminal.receive(moment.now, arrival, from, bytes));
        if reports {
            let _ =
                batch.drain(&self.pair.reports, self.ipv6, moment, |arrival, from, bytes| terminal.receive_report(arrival, from, bytes));
        }
        let heard = terminal.tick(moment.now);
        if let Some(recording) = &mut self.recording {
            recording.push(heard);
        }
        self.send(moment.now);
        if !self.when_said.is_empty() && self.terminal.has_said_all() {
            for answer in self.when_said.drain(..) {
                // Who asked may have gone.
                let _ = answer.send(());
            }
        }
    }

    fn send(&mut self, now: Instant) {
        while let Some((port, to, bytes)) = self.terminal.poll_packet(now) {
            let socket = match port {
                Port::Media => &self.pair.media,
                Port::Reports => &self.pair.reports,
            };
            // A packet that the system does not take is a packet lost, which the peer counts.
            let _ = socket.send_to(bytes, to);
        }
    }
}
