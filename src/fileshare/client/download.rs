//! A member's side of a download (S412): admitted, it takes the manifest, lets the caller prepare for it, takes the data from where it lacks
//! some, tells what has become durable, and compares nothing itself: the hashes go to the caller, who verifies and places the files.
//! [`Download::handle_placed`] is what the file server hears as the end.
//!
//! While [`Download::is_busy`] no packet is to be handed in: the caller works on what [`Download::poll_event`] gave.

use std::{collections::VecDeque, time::Instant};

use bytes::{Buf as _, Bytes};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use super::{
    entrance::{Entrance, Step, ending},
    fault::Fault,
    pulse::Pulse,
    ticket::Place,
};
use crate::{
    fileshare::wire::{
        Failure, Kind, Packet, PacketError, Route, Way,
        flow::Flow,
        packet::{MAX_CONTROL, MAX_PAYLOAD},
        parts::Parts,
        payload::{self, Acknowledgement, Cancel, Welcome},
        proof::{Binding, Role},
    },
    transfer::{self, Algorithm, Digest, Manifest},
};

/// What an earlier connection brought.
#[derive(Debug, Clone)]
pub struct Expected {
    /// What is in the batch.
    pub manifest: Manifest,
    /// Bytes of its stream that are here.
    pub written: u64,
    /// The fixed payload size, in bytes; `None` where it is not known any more: then everything comes again, and is passed over.
    pub payload: Option<u32>,
}

/// What the shell must know or do.
#[derive(Debug, Clone, PartialEq)]
pub enum DownloadEvent {
    /// Admitted: no more than so many bytes a second are wanted on this connection (0: no limit).
    Admitted {
        /// Bytes a second.
        bytes_per_second: u64,
    },
    /// The batch header came. To be answered with [`Download::handle_manifest`].
    Header(payload::Manifest),
    /// The next bytes of the stream.
    Bytes(Bytes),
    /// All bytes came. To be answered with [`Download::handle_placed`] when they are what these hashes say.
    Verify(transfer::Trailer),
}

/// A member's side of a download (S412): packets and what became of them go in, packets and orders to the caller come out.
#[derive(Debug)]
pub struct Download {
    route: Route,
    state: State,
    pulse: Pulse,
    manifest: Option<Manifest>,
    /// Bytes of the stream that are here.
    written: u64,
    /// The acknowledgement that waits; a later one replaces it.
    acknowledgement: Option<Acknowledgement>,
    first: VecDeque<Packet>,
    events: VecDeque<DownloadEvent>,
}

#[derive(Debug)]
enum State {
    Entering(Entrance),
    /// The batch header comes.
    Header(Welcome, u64, Parts),
    /// The caller prepares for it.
    Preparing(Welcome, u64),
    Moving(Moving),
    /// The caller verifies.
    Verifying(Moving),
    Over(Result<u64, Fault>),
}

#[derive(Debug)]
struct Moving {
    flow: Flow,
    payload: u32,
    /// Offset behind the last byte that came on this connection.
    position: u64,
    trailer: Parts,
    durable: u64,
}

impl Download {
    /// A connection that was just made; the file server speaks first. `binding` is that of the connection.
    pub fn new(now: Instant, seed: [u8; 32], place: Place, binding: Binding, expected: Option<&Expected>) -> Self {
        let route = place.route(Way::ToServer);
        let nonce = ChaCha12Rng::from_seed(seed).random();
        let sequence = expected.map_or(0, |expected| {
            let payload = expected.payload.map_or(u64::MAX, u64::from);
            // Where all is here but the hashes, the last packet may be short: the one behind it is the first that lacks.
            match expected.manifest.total() {
                Some(total) if total == expected.written && payload != u64::MAX => total.div_ceil(payload),
                Some(_) | None => expected.written.checked_div(payload).unwrap_or(0),
            }
        });
        Self {
            route,
            state: State::Entering(Entrance::new(place, Role::Download, binding, nonce, sequence)),
            pulse: Pulse::new(now),
            manifest: expected.map(|expected| expected.manifest.clone()),
            written: expected.map_or(0, |expected| expected.written),
            acknowledgement: None,
            first: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Longest payload that is taken now, in bytes.
    pub fn packet_limit(&self) -> u32 {
        if let State::Entering(_) = self.state { MAX_CONTROL } else { MAX_PAYLOAD }
    }

    /// True while the caller has to work before the next packet.
    pub fn is_busy(&self) -> bool {
        !self.events.is_empty() || matches!(self.state, State::Preparing(..))
    }

    /// A packet came.
    pub fn handle_packet(&mut self, now: Instant, packet: Packet) {
        self.pulse.handle_heard(now);
        if let Err(fault) = self.take(now, packet) {
            self.end(fault);
        }
    }

    /// What came is no packet.
    pub fn handle_packet_error(&mut self, error: PacketError) {
        self.end(error.into());
    }

    /// Some bytes came, not yet a packet; or we did not listen: the other side lives.
    pub fn handle_alive(&mut self, now: Instant) {
        self.pulse.handle_heard(now);
    }

    /// The answer to [`DownloadEvent::Header`]: the manifest, and bytes of its stream that are here.
    pub fn handle_manifest(&mut self, manifest: Manifest, written: u64) {
        let State::Preparing(welcome, sequence) = &self.state else { return };
        let outcome = if self.manifest.as_ref().is_some_and(|known| known.digest() != manifest.digest()) {
            Err(Fault::OtherBatch)
        } else {
            self.written = written;
            Moving::new(self.route, welcome, *sequence, written, &manifest)
        };
        match outcome {
            Ok(moving) => (self.state, self.manifest) = (State::Moving(moving), Some(manifest)),
            Err(fault) => self.end(fault),
        }
    }

    /// The bytes before this offset of the stream are on our disk.
    pub fn handle_durable(&mut self, durable: u64) {
        if let State::Moving(moving) | State::Verifying(moving) = &mut self.state
            && durable > moving.durable
        {
            moving.durable = durable;
            self.acknowledgement = Some(Acknowledgement { durable, complete: false });
        }
    }

    /// All is verified and in its place.
    pub fn handle_placed(&mut self) {
        let State::Verifying(moving) = &self.state else { return };
        let bytes = moving.position;
        let acknowledgement = Acknowledgement { durable: bytes, complete: true };
        let last = moving.acknowledge(self.route, acknowledgement);
        self.finish(Ok(bytes));
        self.first.push_back(last);
    }

    /// We cannot or will not take the batch.
    pub fn handle_sink_failure(&mut self, failure: Failure) {
        self.end(Fault::GaveUp(failure));
    }

    /// The manifest cannot be used.
    pub fn handle_fault(&mut self, fault: Fault) {
        self.end(fault);
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
        } else if self.pulse.is_due(now) && !self.is_waiting() {
            self.first.push_back(self.route.packet(Kind::Heartbeat, 0, 0, Bytes::new()));
        }
    }

    /// When [`Download::handle_timeout`] is due; `None` when it is over.
    pub fn next_timeout(&self) -> Option<Instant> {
        if let State::Over(_) = self.state { None } else { Some(self.pulse.next_timeout(self.is_waiting())) }
    }

    /// True where a packet waits to go.
    fn is_waiting(&self) -> bool {
        !self.first.is_empty() || self.acknowledgement.is_some()
    }

    /// The next packet to be sent.
    pub fn poll_packet(&mut self, now: Instant) -> Option<Packet> {
        let packet = self.first.pop_front().or_else(|| match &self.state {
            State::Moving(moving) | State::Verifying(moving) => {
                self.acknowledgement.take().map(|acknowledgement| moving.acknowledge(self.route, acknowledgement))
            }
            State::Entering(_) | State::Header(..) | State::Preparing(..) | State::Over(_) => None,
        })?;
        self.pulse.handle_sent(now);
        Some(packet)
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<DownloadEvent> {
        self.events.pop_front()
    }

    /// How it ended: with so many bytes, verified and in place; or why not. Packets may still have to go.
    pub fn outcome(&self) -> Option<&Result<u64, Fault>> {
        match &self.state {
            State::Over(outcome) => Some(outcome),
            State::Entering(_) | State::Header(..) | State::Preparing(..) | State::Moving(_) | State::Verifying(_) => None,
        }
    }

    fn take(&mut self, now: Instant, packet: Packet) -> Result<(), Fault> {
        if let State::Entering(entrance) = &mut self.state {
            match entrance.handle_packet(&packet)? {
                Step::Prove(proof) => self.first.push_back(proof),
                Step::Enter(welcome, sequence) => {
                    self.pulse.agree(now, welcome.heartbeat_seconds);
                    self.events.push_back(DownloadEvent::Admitted { bytes_per_second: welcome.bytes_per_second });
                    self.state = State::Header(welcome, sequence, Parts::new(Kind::Manifest));
                }
            }
            return Ok(());
        }
        if let Some(fault) = ending(&packet)? {
            return Err(fault);
        }
        let to_us = Route { way: Way::ToTerminal, ..self.route };
        if !to_us.carries(&packet.header) {
            return Err(Fault::Route);
        }
        match (&mut self.state, packet.header.kind) {
            (State::Over(_), _) | (_, Kind::Heartbeat) => Ok(()),
            (State::Header(welcome, sequence, parts), Kind::Manifest) => {
                if let Some(whole) = parts.take(&packet)? {
                    let header = payload::Manifest::read(whole)?;
                    if header.payload_size != welcome.payload_size {
                        return Err(PacketError::Payload("fixed payload size").into());
                    }
                    self.events.push_back(DownloadEvent::Header(header));
                    self.state = State::Preparing(welcome.clone(), *sequence);
                }
                Ok(())
            }
            (State::Moving(moving), Kind::Data) => {
                let offset = moving.take(&packet, self.manifest.as_ref())?;
                // What is here already is passed over.
                let mut bytes = packet.data;
                let known = usize::try_from(self.written.saturating_sub(offset)).unwrap_or(usize::MAX).min(bytes.len());
                bytes.advance(known);
                if !bytes.is_empty() {
                    self.written = self.written.saturating_add(bytes.len() as u64);
                    self.events.push_back(DownloadEvent::Bytes(bytes));
                }
                Ok(())
            }
            (State::Moving(moving), Kind::Trailer) => {
                if let Some(whole) = moving.trailer.take(&packet)? {
                    self.verify(&payload::Trailer::read(&whole)?)?;
                }
                Ok(())
            }
            (_, kind) => Err(Fault::Unexpected(kind)),
        }
    }

    fn verify(&mut self, trailer: &payload::Trailer) -> Result<(), Fault> {
        let (State::Moving(moving), Some(manifest)) = (&self.state, &self.manifest) else {
            return Err(Fault::Unexpected(Kind::Trailer));
        };
        // Bytes that were here before count, too: on this connection perhaps nothing came.
        let position = moving.position.max(self.written);
        if trailer.bytes != position || manifest.total().is_some_and(|total| total != position) {
            return Err(Fault::Damaged("the batch has another length"));
        }
        if trailer.packets != position.div_ceil(u64::from(moving.payload))
            || moving.flow.total().is_some_and(|total| total != trailer.packets)
        {
            return Err(Fault::Damaged("the batch has another number of packets"));
        }
        if trailer.files.len() != manifest.files().len() {
            return Err(Fault::Damaged("the hashes are those of another number of files"));
        }
        let fits =
            |((_, entry), hash): ((usize, &transfer::Entry), &payload::FileHash)| entry.size().flatten().unwrap_or(position) == hash.size;
        if !manifest.files().zip(&trailer.files).all(fits) {
            return Err(Fault::Damaged("a file has another length"));
        }
        if trailer.blake3 != payload::Trailer::digest_of(&trailer.files) {
            return Err(Fault::Damaged("the hash of the batch is not that of its files"));
        }
        let files = trailer.files.iter().map(|file| Digest(file.blake3)).collect();
        self.events.push_back(DownloadEvent::Verify(transfer::Trailer { algorithm: Algorithm::Blake3, files }));
        let State::Moving(moving) = std::mem::replace(&mut self.state, State::Over(Err(Fault::Closed))) else { return Ok(()) };
        self.state = State::Verifying(Moving { position, ..moving });
        Ok(())
    }

    fn finish(&mut self, outcome: Result<u64, Fault>) {
        self.first.clear();
        self.acknowledgement = None;
        self.state = State::Over(outcome);
    }

    fn end(&mut self, fault: Fault) {
        let admitted = match self.state {
            State::Over(_) => return,
            State::Entering(_) => false,
            State::Header(..) | State::Preparing(..) | State::Moving(_) | State::Verifying(_) => true,
        };
        let packet = fault.failure().map(|failure| match fault {
            Fault::CancelledHere => {
                self.route.packet(Kind::Cancel, 0, 0, Cancel { reason: "the receiver gave it up".to_owned() }.to_bytes())
            }
            _ => self.route.packet(Kind::Error, 0, 0, failure.to_bytes()),
        });
        self.finish(Err(fault));
        // Whoever has not admitted us is told nothing.
        self.first.extend(packet.filter(|_| admitted));
    }
}

impl Moving {
    fn new(route: Route, welcome: &Welcome, sequence: u64, written: u64, manifest: &Manifest) -> Result<Self, Fault> {
        let payload = u64::from(welcome.payload_size);
        let wanted = sequence.saturating_mul(payload);
        let position = manifest.total().map_or(wanted, |total| wanted.min(total));
        if position > written || manifest.total().is_some_and(|total| sequence > total.div_ceil(payload)) {
            return Err(Fault::Position { wanted, have: written });
        }
        let flow = Flow::new(route.batch, welcome.payload_size, sequence);
        Ok(Self { flow, payload: welcome.payload_size, position, trailer: Parts::new(Kind::Trailer), durable: 0 })
    }

    /// The offset of a data packet that is in its place.
    fn take(&mut self, packet: &Packet, manifest: Option<&Manifest>) -> Result<u64, Fault> {
        let offset = self.flow.take(&packet.header)?;
        self.position = offset.saturating_add(packet.data.len() as u64);
        let total = manifest.and_then(Manifest::total);
        let packets = total.map(|total| total.div_ceil(u64::from(self.payload)));
        if total.is_some_and(|total| self.position > total)
            || packets.is_some_and(|packets| self.flow.total().is_some_and(|t| t != packets))
        {
            return Err(Fault::Damaged("the batch has more than its manifest says"));
        }
        Ok(offset)
    }

    fn acknowledge(&self, route: Route, acknowledgement: Acknowledgement) -> Packet {
        let payload = u64::from(self.payload);
        let packets = self.flow.total().unwrap_or(0);
        // All packets below it are on disk; the last one may be short.
        let sequence = match acknowledgement {
            Acknowledgement { durable, complete: true } => durable.div_ceil(payload),
            Acknowledgement { durable, complete: false } => durable.checked_div(payload).unwrap_or(0),
        };
        let total = if acknowledgement.complete { sequence } else { packets };
        route.packet(Kind::Acknowledgement, total, sequence, acknowledgement.to_bytes())
    }
}

#[cfg(test)]
mod tests;
