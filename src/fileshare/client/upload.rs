//! The sharer's side of an upload (S405): admitted, it sends the manifest, the data from where the file server wants it on, the hashes;
//! and it is done when the file server says that all is on disk and verified.
//!
//! Bytes come in with [`Upload::handle_bytes`] while [`Upload::wants_bytes`], from the offset that [`UploadEvent::Read`] says, in pieces of any length;
//! packets go out by [`Upload::poll_packet`]. After the last byte [`Upload::handle_end`], and [`Upload::handle_hashes`] when the hashes are known.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use super::{
    entrance::{Entrance, Step, ending},
    fault::Fault,
    pulse::Pulse,
    ticket::Place,
};
use crate::fileshare::wire::{
    Failure, FailureCode, Kind, Packet, PacketError, Route, Way, parts,
    payload::{Acknowledgement, Cancel, FileHash, Manifest, Trailer, Welcome},
    proof::{Binding, Role},
};

/// Most bytes on their way that are not acknowledged as durable. At the bound sending waits.
pub const WINDOW: u64 = 32 * 1024 * 1024;
/// How long nothing may become durable while something is on its way, and how long the file server may compare the hashes.
const UNACKNOWLEDGED: Duration = Duration::from_secs(120);

/// What is uploaded.
#[derive(Debug, Clone)]
pub struct Offered {
    /// The manifest as JSON.
    pub manifest: Bytes,
    /// Bytes of the batch by the manifest; `None` for a stream.
    pub bytes: Option<u64>,
    /// Bytes of a stream that has ended in an earlier connection; else `None`.
    pub ended_at: Option<u64>,
}

/// What the shell must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UploadEvent {
    /// Admitted: bytes are wanted from this offset of the batch on, and no more than so many a second (0: no limit).
    Read {
        /// Offset in the batch's stream, in bytes.
        from: u64,
        /// Bytes a second.
        bytes_per_second: u64,
    },
    /// The bytes before this offset are on the file server's disk.
    Durable(u64),
}

/// The sharer's side of an upload (S405): bytes, hashes and packets go in, packets and orders to the caller come out.
#[derive(Debug)]
pub struct Upload {
    route: Route,
    offered: Offered,
    state: State,
    pulse: Pulse,
    /// Packets that go before all data.
    first: VecDeque<Packet>,
    data: VecDeque<Packet>,
    /// Packets that go behind all data.
    last: VecDeque<Packet>,
    events: VecDeque<UploadEvent>,
}

#[derive(Debug)]
enum State {
    Entering(Entrance),
    Moving(Moving),
    Over(Result<u64, Fault>),
}

#[derive(Debug)]
struct Moving {
    payload: u32,
    /// Bytes of the batch, once known.
    total: Option<u64>,
    /// The next data packet to be made.
    next: u64,
    /// What is of a packet that is not full yet.
    partial: BytesMut,
    /// Offset behind the last byte taken in.
    taken: u64,
    /// Offset behind the last byte sent.
    sent: u64,
    durable: u64,
    /// When it last moved, or sending began again, or the hashes went.
    moved: Instant,
    ended: bool,
    /// The hashes went: the file server's last word is awaited.
    told: bool,
}

impl Upload {
    /// A connection that was just made; the file server speaks first. `binding` is that of the connection.
    pub fn new(now: Instant, seed: [u8; 32], place: Place, binding: Binding, offered: Offered) -> Self {
        let route = place.route(Way::ToServer);
        let nonce = ChaCha12Rng::from_seed(seed).random();
        let entrance = Entrance::new(place, Role::Upload, binding, nonce, 0);
        Self {
            route,
            offered,
            state: State::Entering(entrance),
            pulse: Pulse::new(now),
            first: VecDeque::new(),
            data: VecDeque::new(),
            last: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// A packet came.
    pub fn handle_packet(&mut self, now: Instant, packet: &Packet) {
        self.pulse.handle_heard(now);
        if let Err(fault) = self.take(now, packet) {
            self.end(fault);
        }
    }

    /// What came is no packet.
    pub fn handle_packet_error(&mut self, error: PacketError) {
        self.end(error.into());
    }

    /// Some bytes came, not yet a packet: the other side lives.
    pub fn handle_alive(&mut self, now: Instant) {
        self.pulse.handle_heard(now);
    }

    /// True when more bytes of the batch are wanted.
    pub fn wants_bytes(&self) -> bool {
        match &self.state {
            State::Moving(moving) => !moving.ended && self.data.is_empty() && moving.taken.saturating_sub(moving.durable) < WINDOW,
            State::Entering(_) | State::Over(_) => false,
        }
    }

    /// The next bytes of the batch, in order. More than [`Upload::wants_bytes`] wants are kept.
    pub fn handle_bytes(&mut self, mut bytes: Bytes) {
        let State::Moving(moving) = &mut self.state else { return };
        moving.taken = moving.taken.saturating_add(bytes.len() as u64);
        let size = moving.payload as usize;
        while !bytes.is_empty() {
            let full = if moving.partial.is_empty() && bytes.len() >= size {
                // Whole packets are not copied.
                bytes.split_to(size)
            } else {
                let missing = size.saturating_sub(moving.partial.len()).min(bytes.len());
                moving.partial.extend_from_slice(&bytes.split_to(missing));
                if moving.partial.len() < size {
                    break;
                }
                moving.partial.split().freeze()
            };
            self.data.push_back(moving.packet(self.route, full));
        }
    }

    /// The batch has no more bytes. Gives how many it has.
    pub fn handle_end(&mut self) -> Option<u64> {
        let State::Moving(moving) = &mut self.state else { return None };
        let announced = moving.total;
        (moving.total, moving.ended) = (Some(moving.taken), true);
        if !moving.partial.is_empty() {
            let rest = moving.partial.split().freeze();
            self.data.push_back(moving.packet(self.route, rest));
        }
        let taken = moving.taken;
        if announced.is_some_and(|announced| announced != taken) {
            let text = format!("the batch has {taken} bytes, and {} were announced", announced.unwrap_or(0));
            self.end(Fault::GaveUp(Failure::new(FailureCode::SourceChanged, text)));
            return None;
        }
        Some(taken)
    }

    /// True once [`Upload::handle_end`] was told on this connection, until it is over.
    pub fn has_ended(&self) -> bool {
        matches!(&self.state, State::Moving(moving) if moving.ended)
    }

    /// BLAKE3 of each file of the batch; to be told after [`Upload::handle_end`].
    pub fn handle_hashes(&mut self, files: Vec<FileHash>) {
        if let State::Moving(moving) = &self.state {
            let packets = moving.taken.div_ceil(u64::from(moving.payload));
            let trailer = Trailer { bytes: moving.taken, packets, blake3: Trailer::digest_of(&files), sha256: None, files };
            self.last.extend(parts::cut(self.route, Kind::Trailer, trailer.to_bytes()));
        }
    }

    /// The batch cannot be read on.
    pub fn handle_source_failure(&mut self, failure: Failure) {
        self.end(Fault::GaveUp(failure));
    }

    /// The user gives the transfer up for good.
    pub fn handle_cancel(&mut self) {
        self.end(Fault::CancelledHere);
    }

    /// The connection is gone.
    pub fn handle_closed(&mut self) {
        self.end(Fault::Closed);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let State::Over(_) = self.state {
            return;
        }
        if let Some(fault) = self.pulse.expired(now) {
            self.end(fault);
        } else if self.stuck_at().is_some_and(|at| now >= at) {
            self.end(Fault::Unacknowledged(UNACKNOWLEDGED));
        } else if self.pulse.is_due(now) && self.first.is_empty() {
            // Data may have to wait for room in the window: a heartbeat goes before it.
            self.first.push_back(self.route.packet(Kind::Heartbeat, 0, 0, Bytes::new()));
        }
    }

    /// When [`Upload::handle_timeout`] is due; `None` when it is over.
    pub fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Over(_) => None,
            State::Entering(_) | State::Moving(_) => {
                let pulse = self.pulse.next_timeout(!self.first.is_empty());
                Some(self.stuck_at().map_or(pulse, |at| at.min(pulse)))
            }
        }
    }

    /// The next packet to be sent.
    pub fn poll_packet(&mut self, now: Instant) -> Option<Packet> {
        let packet = self.first.pop_front().or_else(|| self.next_data(now)).or_else(|| self.next_last(now))?;
        self.pulse.handle_sent(now);
        Some(packet)
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<UploadEvent> {
        self.events.pop_front()
    }

    /// How it ended: with so many bytes on the file server's disk, all verified; or why not. Packets may still have to go.
    pub fn outcome(&self) -> Option<&Result<u64, Fault>> {
        match &self.state {
            State::Over(outcome) => Some(outcome),
            State::Entering(_) | State::Moving(_) => None,
        }
    }

    fn take(&mut self, now: Instant, packet: &Packet) -> Result<(), Fault> {
        match &mut self.state {
            State::Over(_) => Ok(()),
            State::Entering(entrance) => match entrance.handle_packet(packet)? {
                Step::Prove(proof) => {
                    self.first.push_back(proof);
                    Ok(())
                }
                Step::Enter(welcome, sequence) => self.enter(now, &welcome, sequence),
            },
            State::Moving(moving) => {
                if let Some(fault) = ending(packet)? {
                    return Err(fault);
                }
                let to_us = Route { way: Way::ToTerminal, ..self.route };
                match packet.header.kind {
                    _ if !to_us.carries(&packet.header) => Err(Fault::Route),
                    Kind::Heartbeat => Ok(()),
                    Kind::Acknowledgement => {
                        let Acknowledgement { durable, complete } = Acknowledgement::read(&packet.data)?;
                        if durable > moving.sent || (complete && moving.total != Some(durable)) {
                            return Err(Fault::Acknowledged { acknowledged: durable, sent: moving.sent });
                        }
                        if durable > moving.durable {
                            (moving.durable, moving.moved) = (durable, now);
                            self.events.push_back(UploadEvent::Durable(durable));
                        }
                        if complete {
                            self.finish(Ok(durable));
                        }
                        Ok(())
                    }
                    kind => Err(Fault::Unexpected(kind)),
                }
            }
        }
    }

    fn enter(&mut self, now: Instant, welcome: &Welcome, sequence: u64) -> Result<(), Fault> {
        self.pulse.agree(now, welcome.heartbeat_seconds);
        let total = self.offered.bytes.or(self.offered.ended_at);
        let payload = u64::from(welcome.payload_size);
        let wanted = sequence.saturating_mul(payload);
        if let Some(have) = total.filter(|total| sequence > total.div_ceil(payload) || welcome.durable > *total) {
            return Err(Fault::Position { wanted: wanted.max(welcome.durable), have });
        }
        // The last packet of a batch may be short.
        let from = total.map_or(wanted, |total| wanted.min(total));
        if !welcome.has_manifest {
            let manifest = Manifest { payload_size: welcome.payload_size, bytes: self.offered.bytes, json: self.offered.manifest.clone() };
            self.first.extend(parts::cut(self.route, Kind::Manifest, manifest.to_bytes()));
        }
        self.state = State::Moving(Moving {
            payload: welcome.payload_size,
            total,
            next: sequence,
            partial: BytesMut::new(),
            taken: from,
            sent: from,
            durable: welcome.durable.min(from),
            moved: now,
            ended: false,
            told: false,
        });
        self.events.push_back(UploadEvent::Read { from, bytes_per_second: welcome.bytes_per_second });
        self.events.push_back(UploadEvent::Durable(welcome.durable.min(from)));
        Ok(())
    }

    /// The next data packet, where the window has room for it.
    fn next_data(&mut self, now: Instant) -> Option<Packet> {
        let State::Moving(moving) = &mut self.state else { return None };
        let length = u64::from(self.data.front()?.header.length);
        let behind = moving.sent.saturating_add(length);
        if behind.saturating_sub(moving.durable) > WINDOW {
            return None;
        }
        if moving.sent == moving.durable {
            moving.moved = now;
        }
        moving.sent = behind;
        self.data.pop_front()
    }

    /// The next part of the hashes, behind all data.
    fn next_last(&mut self, now: Instant) -> Option<Packet> {
        let packet = if self.data.is_empty() { self.last.pop_front() } else { None }?;
        if let State::Moving(moving) = &mut self.state {
            (moving.told, moving.moved) = (true, now);
        }
        Some(packet)
    }

    fn stuck_at(&self) -> Option<Instant> {
        match &self.state {
            State::Moving(moving) if moving.sent > moving.durable || moving.told => Some(moving.moved + UNACKNOWLEDGED),
            State::Moving(_) | State::Entering(_) | State::Over(_) => None,
        }
    }

    fn finish(&mut self, outcome: Result<u64, Fault>) {
        self.first.clear();
        self.data.clear();
        self.last.clear();
        self.state = State::Over(outcome);
    }

    fn end(&mut self, fault: Fault) {
        let admitted = match self.state {
            State::Over(_) => return,
            State::Entering(_) => false,
            State::Moving(_) => true,
        };
        let packet = fault.failure().map(|failure| match fault {
            Fault::CancelledHere => {
                self.route.packet(Kind::Cancel, 0, 0, Cancel { reason: "the sharer ended the share".to_owned() }.to_bytes())
            }
            _ => self.route.packet(Kind::Error, 0, 0, failure.to_bytes()),
        });
        self.finish(Err(fault));
        // Whoever has not admitted us is told nothing.
        self.first.extend(packet.filter(|_| admitted));
    }
}

impl Moving {
    fn packet(&mut self, route: Route, data: Bytes) -> Packet {
        let packets = self.total.map_or(0, |total| total.div_ceil(u64::from(self.payload)));
        let packet = route.packet(Kind::Data, packets, self.next, data);
        self.next = self.next.saturating_add(1);
        packet
    }
}

#[cfg(test)]
mod tests;
