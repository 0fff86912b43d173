//! Pairs of machines over a link that is cut at any byte, resumed and verified. A failure repeats from its seed.

use bytes::Bytes;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use super::{
    download::{Download, DownloadEvent, Expected},
    fault::Fault,
    model::Server,
    upload::{Offered, Upload, UploadEvent},
};
use crate::{
    fileshare::wire::{Decoder, Packet, Way, packet::MAX_PAYLOAD, payload, proof::Binding},
    transfer::{self, Algorithm, BatchHasher, Digest, Entry, Manifest, manifest::Kind},
};

/// A way of a connection: bytes that are cut into pieces, and end somewhere.
struct Wire {
    decoder: Decoder,
    carried: u64,
    /// Bytes until the cut.
    left: u64,
}

impl Wire {
    fn new(way: Way, left: u64) -> Self {
        Self { decoder: Decoder::new(way, MAX_PAYLOAD), carried: 0, left }
    }

    /// Carries a packet; false when the connection was cut on the way.
    fn carry(&mut self, packet: &Packet) -> bool {
        let bytes = packet.to_bytes();
        let part = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.decoder.room().extend_from_slice(&bytes[..part]);
        (self.left, self.carried) = (self.left - part as u64, self.carried + part as u64);
        part == bytes.len()
    }
}

fn content(rng: &mut ChaCha12Rng, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rng.fill(&mut bytes[..]);
    bytes
}

/// Files of these lengths, or a stream.
fn manifest(lengths: &[usize], stream: bool) -> Manifest {
    let entry = |(at, length): (usize, &usize)| {
        let size = Some(*length as u64).filter(|_| !stream);
        Entry::new(transfer::SafePath::new(&format!("file-{at}")).expect("a name"), Kind::File { size })
    };
    Manifest::new(lengths.iter().enumerate().map(entry).collect()).expect("a manifest")
}

fn hashes(manifest: &Manifest, bytes: &[u8]) -> Vec<payload::FileHash> {
    let mut hasher = BatchHasher::new(manifest, Algorithm::Blake3);
    assert!(hasher.update(bytes));
    let digests = hasher.finish().expect("all of it").files;
    let size = |entry: &Entry| entry.size().flatten().unwrap_or(bytes.len() as u64);
    manifest.files().zip(digests).map(|((_, entry), Digest(blake3))| payload::FileHash { size: size(entry), blake3 }).collect()
}

fn lengths(rng: &mut ChaCha12Rng, stream: bool) -> Vec<usize> {
    let files = if stream { 1 } else { rng.random_range(1..5) };
    (0..files).map(|_| if rng.random_bool(0.2) { 1024 * rng.random_range(0..3) } else { rng.random_range(0..40_000) }).collect()
}

/// One connection of an upload. Gives the bytes that the terminal sent, and whether it is done.
fn upload(server: &mut Server, rng: &mut ChaCha12Rng, cut: u64, offered: &mut Offered, bytes: &[u8], manifest: &Manifest) -> (u64, bool) {
    let (now, source) = (crate::clock::now(), ([127, 0, 0, 1], rng.random_range(1..=u16::MAX)).into());
    let mut machine = Upload::new(now, rng.random(), server.place(source), Binding::Plain, offered.clone());
    let mut theirs = server.open(source, rng.random(), Binding::Plain);
    let (mut up, mut down) = (Wire::new(Way::ToServer, cut), Wire::new(Way::ToTerminal, rng.random_range(0..1_000_000)));
    let (mut at, mut durable) = (None, 0);
    loop {
        let mut moved = false;
        while let Some(event) = machine.poll_event() {
            match event {
                UploadEvent::Read { from, .. } => at = Some(usize::try_from(from).expect("small")),
                UploadEvent::Durable(mark) => {
                    assert!(mark >= durable && mark <= server.bytes.len() as u64);
                    durable = mark;
                }
            }
        }
        if let Some(from) = at.filter(|_| machine.wants_bytes()) {
            moved = true;
            let piece = rng.random_range(1..5000).min(bytes.len() - from);
            if piece > 0 {
                machine.handle_bytes(Bytes::copy_from_slice(&bytes[from..from + piece]));
                at = Some(from + piece);
            } else {
                assert_eq!(machine.handle_end(), Some(bytes.len() as u64));
                offered.ended_at = Some(bytes.len() as u64);
                machine.handle_hashes(hashes(manifest, bytes));
            }
        }
        let mut alive = true;
        while let Some(packet) = machine.poll_packet(now).filter(|_| alive) {
            moved = true;
            alive = up.carry(&packet);
            while let Some(packet) = up.decoder.next_packet().expect("packets") {
                server.take(&mut theirs, &packet);
            }
        }
        while let Some(packet) = server.give(&mut theirs).filter(|_| alive) {
            moved = true;
            alive = down.carry(&packet);
            while let Some(packet) = down.decoder.next_packet().expect("packets") {
                machine.handle_packet(now, &packet);
            }
        }
        match machine.outcome() {
            Some(Ok(count)) => {
                assert_eq!(*count, bytes.len() as u64);
                return (up.carried, true);
            }
            Some(Err(fault)) => panic!("{fault}"),
            None if !alive => {
                machine.handle_closed();
                assert_eq!(machine.outcome(), Some(&Err(Fault::Closed)));
                return (up.carried, false);
            }
            None => assert!(moved, "nothing moves any more"),
        }
    }
}

#[test]
fn uploads_that_are_cut_at_any_byte_go_on_and_arrive() {
    for seed in 0..300u64 {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let stream = rng.random_bool(0.3);
        let lengths = lengths(&mut rng, stream);
        let bytes = content(&mut rng, lengths.iter().sum());
        let manifest = manifest(&lengths, stream);
        let mut server = Server::new([1024, 1500, 4096][rng.random_range(0..3)]);
        server.every = rng.random_range(1..4);
        let mut offered = Offered { manifest: manifest.to_json().into(), bytes: manifest.total(), ended_at: None };
        let mut cuts = 0;
        loop {
            let remainder = (bytes.len() - server.bytes.len()) as u64;
            let cut = if cuts < 10 { rng.random_range(0..remainder + 2000) } else { u64::MAX };
            let (sent, done) = upload(&mut server, &mut rng, cut, &mut offered, &bytes, &manifest);
            // Headers, manifest, trailer, and the packet that was cut.
            let overhead = 58 * (remainder / u64::from(server.payload) + 12) + 2000 + u64::from(server.payload);
            assert!(sent <= remainder + overhead, "seed {seed}: {sent} bytes for {remainder}");
            if done {
                break;
            }
            cuts += 1;
        }
        assert!(server.bytes == bytes, "seed {seed}");
    }
}

/// What a receiver has.
#[derive(Default)]
struct Disk {
    manifest: Option<Manifest>,
    payload: Option<u32>,
    bytes: Vec<u8>,
    durable: usize,
}

/// One connection of a download. Gives the bytes that came, and whether it is done.
fn download(server: &mut Server, rng: &mut ChaCha12Rng, cut: u64, disk: &mut Disk) -> (u64, bool) {
    let (now, source) = (crate::clock::now(), ([127, 0, 0, 1], rng.random_range(1..=u16::MAX)).into());
    let expected = disk.manifest.clone().map(|manifest| Expected { manifest, written: disk.bytes.len() as u64, payload: disk.payload });
    let mut machine = Download::new(now, rng.random(), server.place(source), Binding::Plain, expected.as_ref());
    let mut theirs = server.open(source, rng.random(), Binding::Plain);
    let (mut up, mut down) = (Wire::new(Way::ToServer, rng.random_range(0..100_000)), Wire::new(Way::ToTerminal, cut));
    let mut alive = true;
    loop {
        let mut moved = false;
        while let Some(event) = machine.poll_event() {
            moved = true;
            match event {
                DownloadEvent::Admitted { .. } => {}
                DownloadEvent::Header(header) => {
                    let manifest = Manifest::from_json(&header.json).expect("a manifest");
                    (disk.manifest, disk.payload) = (Some(manifest.clone()), Some(header.payload_size));
                    machine.handle_manifest(manifest, disk.bytes.len() as u64);
                }
                DownloadEvent::Bytes(bytes) => {
                    disk.bytes.extend_from_slice(&bytes);
                    if rng.random_bool(0.3) {
                        disk.durable = disk.bytes.len();
                        machine.handle_durable(disk.durable as u64);
                    }
                }
                DownloadEvent::Verify(trailer) => {
                    let manifest = disk.manifest.as_ref().expect("there");
                    let found: Vec<_> = hashes(manifest, &disk.bytes).into_iter().map(|file| Digest(file.blake3)).collect();
                    assert_eq!(found, trailer.files);
                    machine.handle_placed();
                }
            }
        }
        while let Some(packet) = machine.poll_packet(now).filter(|_| alive) {
            moved = true;
            alive = up.carry(&packet);
            while let Some(packet) = up.decoder.next_packet().expect("packets") {
                server.take(&mut theirs, &packet);
            }
        }
        match machine.outcome() {
            Some(Ok(_)) => return (down.carried, true),
            Some(Err(fault)) => panic!("{fault}"),
            None if !alive => {
                machine.handle_closed();
                return (down.carried, false);
            }
            None => {}
        }
        if let Some(packet) = server.give(&mut theirs) {
            moved = true;
            alive = down.carry(&packet);
        }
        while !machine.is_busy()
            && let Some(packet) = down.decoder.next_packet().expect("packets")
        {
            moved = true;
            machine.handle_packet(now, packet);
        }
        assert!(moved || !alive, "nothing moves any more");
    }
}

#[test]
fn downloads_that_are_cut_at_any_byte_go_on_and_arrive() {
    for seed in 0..300u64 {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let stream = rng.random_bool(0.3);
        let lengths = lengths(&mut rng, stream);
        let bytes = content(&mut rng, lengths.iter().sum());
        let manifest = manifest(&lengths, stream);
        let mut server = Server::new([1024, 1500, 4096][rng.random_range(0..3)]);
        let mut offered = Offered { manifest: manifest.to_json().into(), bytes: manifest.total(), ended_at: None };
        while !upload(&mut server, &mut rng, u64::MAX, &mut offered, &bytes, &manifest).1 {}
        let (mut disk, mut cuts) = (Disk::default(), 0);
        loop {
            if rng.random_bool(0.3) {
                // Another process: what was not durable is gone.
                disk.bytes.truncate(disk.durable);
            }
            let remainder = (bytes.len() - disk.bytes.len()) as u64;
            let cut = if cuts < 10 { rng.random_range(0..remainder + 2000) } else { u64::MAX };
            let (came, done) = download(&mut server, &mut rng, cut, &mut disk);
            let overhead = 58 * (remainder / u64::from(server.payload) + 12) + 2000 + u64::from(server.payload);
            assert!(came <= remainder + overhead, "seed {seed}: {came} bytes for {remainder}");
            if done {
                break;
            }
            cuts += 1;
        }
        assert!(disk.bytes == bytes, "seed {seed}");
    }
}
