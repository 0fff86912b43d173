//! A file server for tests: the other end of the packets, in memory, without sockets or clocks. It checks what it is sent.

use std::{collections::VecDeque, net::SocketAddr};

use bytes::Bytes;

use super::{Place, Ticket};
use crate::fileshare::{
    BatchId, ConfId,
    wire::{
        Fingerprint, Kind, Packet, Route, TransferKey, Way,
        control::Endpoint,
        flow::Flow,
        parts::{self, Parts},
        payload::{Acknowledgement, Challenge, Manifest, Proof, Trailer, Welcome},
        proof::{Admission, Binding, Nonce, Role},
    },
};

/// What the server has of one batch.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) conf: ConfId,
    pub(super) batch: BatchId,
    pub(super) key: TransferKey,
    pub(super) payload: u32,
    pub(super) heartbeat: u16,
    pub(super) manifest: Option<Bytes>,
    pub(super) bytes: Vec<u8>,
    /// Data packets between two acknowledgements.
    pub(super) every: u64,
    pub(super) trailer: Option<Bytes>,
    /// What receivers have acknowledged last.
    pub(super) acknowledged: Option<Acknowledgement>,
}

/// One connection of a terminal.
#[derive(Debug)]
pub(super) struct Connection {
    route: Route,
    nonce: Nonce,
    binding: Binding,
    stage: Stage,
    pub(super) out: VecDeque<Packet>,
}

#[derive(Debug)]
enum Stage {
    Challenged,
    Upload { flow: Flow, manifest: Parts, trailer: Parts, unacknowledged: u64 },
    Download { next: u64, told: bool },
}

impl Server {
    pub(super) fn new(payload: u32) -> Self {
        Self {
            conf: "5f3c".parse().expect("a ConfID"),
            batch: BatchId(7),
            key: TransferKey::from_bytes([5; 32]),
            payload,
            heartbeat: 10,
            manifest: None,
            bytes: Vec::new(),
            every: 1,
            trailer: None,
            acknowledged: None,
        }
    }

    pub(super) fn place(&self, source: SocketAddr) -> Place {
        self.ticket(source, None).from_source(source)
    }

    pub(super) fn ticket(&self, address: SocketAddr, fingerprint: Option<Fingerprint>) -> Ticket {
        Ticket { conf: self.conf.clone(), batch: self.batch, endpoint: Endpoint { address, fingerprint, key: self.key.clone() } }
    }

    /// A terminal has connected.
    pub(super) fn open(&self, terminal: SocketAddr, nonce: u8, binding: Binding) -> Connection {
        let route = Route { way: Way::ToTerminal, terminal, batch: self.batch };
        let challenge = route.packet(Kind::Challenge, 0, 0, Challenge { nonce: [nonce; 32] }.to_bytes());
        Connection { route, nonce: [nonce; 32], binding, stage: Stage::Challenged, out: VecDeque::from([challenge]) }
    }

    /// Total packets, once all is there.
    fn total(&self) -> u64 {
        self.trailer.as_ref().map_or(0, |trailer| Trailer::read(trailer).expect("checked").packets)
    }

    /// Takes a packet from a terminal; panics where it is wrong.
    pub(super) fn take(&mut self, connection: &mut Connection, packet: &Packet) {
        let route = connection.route;
        assert!(Route { way: Way::ToServer, ..route }.carries(&packet.header), "{:?}", packet.header);
        match (&mut connection.stage, packet.header.kind) {
            (Stage::Challenged, Kind::Proof) => self.admit(connection, packet),
            (Stage::Upload { manifest, .. }, Kind::Manifest) => {
                if let Some(whole) = manifest.take(packet).expect("a manifest") {
                    Manifest::read(whole.clone()).expect("a manifest");
                    assert!(self.manifest.is_none(), "it said that it has it");
                    self.manifest = Some(whole);
                }
            }
            (Stage::Upload { flow, unacknowledged, .. }, Kind::Data) => {
                assert!(self.manifest.is_some(), "data before the manifest");
                let offset = flow.take(&packet.header).expect("in its place");
                assert_eq!(offset, self.bytes.len() as u64);
                self.bytes.extend_from_slice(&packet.data);
                *unacknowledged += 1;
                if *unacknowledged >= self.every {
                    *unacknowledged = 0;
                    let acknowledgement = Acknowledgement { durable: self.bytes.len() as u64, complete: false };
                    connection.out.push_back(route.packet(Kind::Acknowledgement, 0, 0, acknowledgement.to_bytes()));
                }
            }
            (Stage::Upload { trailer, .. }, Kind::Trailer) => {
                if let Some(whole) = trailer.take(packet).expect("a trailer") {
                    let trailer = Trailer::read(&whole).expect("a trailer");
                    assert_eq!((trailer.bytes, trailer.blake3), (self.bytes.len() as u64, Trailer::digest_of(&trailer.files)));
                    assert_eq!(trailer.packets, trailer.bytes.div_ceil(self.payload.into()));
                    self.trailer = Some(whole);
                    self.complete(connection);
                }
            }
            (Stage::Download { .. }, Kind::Acknowledgement) => {
                let acknowledgement = Acknowledgement::read(&packet.data).expect("an acknowledgement");
                assert!(acknowledgement.durable <= self.bytes.len() as u64);
                self.acknowledged = Some(acknowledgement);
            }
            (_, Kind::Heartbeat) => {}
            (stage, kind) => panic!("{kind:?} in {stage:?}: {:?}", packet.data),
        }
    }

    /// The next packet to a terminal.
    pub(super) fn give(&self, connection: &mut Connection) -> Option<Packet> {
        if let Some(packet) = connection.out.pop_front() {
            return Some(packet);
        }
        let Stage::Download { next, told } = &mut connection.stage else { return None };
        let size = self.payload as usize;
        let from = usize::try_from(*next).expect("small") * size;
        if let Some(rest) = self.bytes.get(from..).filter(|rest| !rest.is_empty()) {
            let data = Bytes::copy_from_slice(&rest[..size.min(rest.len())]);
            let packet = connection.route.packet(Kind::Data, self.total(), *next, data);
            *next += 1;
            return Some(packet);
        }
        if !*told && let Some(trailer) = &self.trailer {
            *told = true;
            connection.out.extend(parts::cut(connection.route, Kind::Trailer, trailer.clone()));
        }
        connection.out.pop_front()
    }

    fn complete(&self, connection: &mut Connection) {
        let acknowledgement = Acknowledgement { durable: self.bytes.len() as u64, complete: true };
        connection.out.push_back(connection.route.packet(Kind::Acknowledgement, 0, 0, acknowledgement.to_bytes()));
    }

    fn admit(&mut self, connection: &mut Connection, packet: &Packet) {
        let proof = Proof::read(&packet.data).expect("a proof");
        let admission = Admission {
            role: proof.role,
            conf: &self.conf,
            batch: self.batch,
            terminal: connection.route.terminal,
            server_nonce: &connection.nonce,
            terminal_nonce: &proof.nonce,
            binding: connection.binding,
        };
        assert!(admission.terminal_has(&self.key, &proof.proof), "the proof is right");
        // A part of a packet is not kept.
        let here = self.bytes.len() as u64;
        let sequence = match proof.role {
            Role::Upload => here.div_ceil(self.payload.into()),
            Role::Download => packet.header.sequence,
        };
        let welcome = Welcome {
            proof: admission.server_proof(&self.key),
            payload_size: self.payload,
            durable: here,
            bytes_per_second: 0,
            heartbeat_seconds: self.heartbeat,
            has_manifest: self.manifest.is_some(),
        };
        connection.out.push_back(connection.route.packet(Kind::Welcome, 0, sequence, welcome.to_bytes()));
        connection.stage = match proof.role {
            Role::Upload => Stage::Upload {
                flow: Flow::new(self.batch, self.payload, sequence),
                manifest: Parts::new(Kind::Manifest),
                trailer: Parts::new(Kind::Trailer),
                unacknowledged: 0,
            },
            Role::Download => Stage::Download { next: sequence, told: false },
        };
        match (proof.role, &self.trailer, &self.manifest) {
            (Role::Upload, Some(_), _) => self.complete(connection),
            (Role::Download, _, Some(manifest)) => {
                connection.out.extend(parts::cut(connection.route, Kind::Manifest, manifest.clone()));
            }
            (Role::Upload, None, _) | (Role::Download, _, None) => {}
        }
    }
}
