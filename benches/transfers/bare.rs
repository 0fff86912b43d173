//! The bare pipeline: what a transfer through a server costs at least. A sender, a server that stores, a receiver, a process each; TLS on both legs
//! (rustls, the cipher of `relayd`), every byte hashed by each of the three, stored once, synced as often as `relayd` and `fshare` sync.
//!
//! One thread a leg, and one that syncs. No packets, no admission, no acknowledgements, no limits, no other members: what is missing from it is what
//! sharing costs.

use std::{
    fs::{self, File},
    io::{BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use confkit::{
    clock,
    transfer::{CHUNK, SpoolOptions, resume::CHECKPOINT},
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    version::TLS13,
};

/// What is read from a socket at once, in bytes: as the file server does it for its sharers.
const READ: usize = 256 * 1024;
/// Plaintext that TLS takes in before it has to be sent, in bytes.
const UNSENT: usize = 512 * 1024;
/// What whoever has everything says.
const DONE: u8 = 1;

/// `serve FOLDER` prints the addresses of both legs and its certificate; `send FILE ADDRESS CERTIFICATE`; `receive FOLDER ADDRESS CERTIFICATE`.
pub fn run(words: &[&str]) {
    match words {
        ["serve", folder] => serve(Path::new(folder)),
        ["send", file, address, certificate] => send(Path::new(file), connect(address, certificate)),
        ["receive", folder, address, certificate] => receive(Path::new(folder), connect(address, certificate)),
        _ => panic!("bare does not know {words:?}"),
    }
}

/// A socket that is read in large pieces: rustls asks for 4 KiB.
struct Socket(BufReader<TcpStream>);

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.get_mut().write(bytes)
    }

    fn write_vectored(&mut self, slices: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
        self.0.get_mut().write_vectored(slices)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn socket(stream: TcpStream) -> Socket {
    stream.set_nodelay(true).expect("an option");
    Socket(BufReader::with_capacity(READ, stream))
}

fn connect(address: &str, certificate: &str) -> StreamOwned<ClientConnection, Socket> {
    let certificate = CertificateDer::from(unhex(certificate));
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]).expect("TLS 1.3");
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let mut session = ClientConnection::new(Arc::new(config), name).expect("a session");
    session.set_buffer_limit(Some(UNSENT));
    StreamOwned::new(session, socket(TcpStream::connect(address).expect("the server listens")))
}

/// Whole pieces of [`CHUNK`] but for the last.
fn pieces(input: &mut impl Read, mut left: u64, mut each: impl FnMut(&[u8])) {
    let mut piece = vec![0; CHUNK];
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK);
        let now = &mut piece[..length];
        input.read_exact(now).expect("bytes");
        each(now);
        left -= length as u64;
    }
}

fn send(path: &Path, mut stream: StreamOwned<ClientConnection, Socket>) {
    let mut file = File::open(path).expect("a file");
    let length = file.metadata().expect("its length").len();
    stream.write_all(&length.to_be_bytes()).expect("sent");
    let mut hasher = blake3::Hasher::new();
    pieces(&mut file, length, |piece| {
        hasher.update(piece);
        stream.write_all(piece).expect("sent");
    });
    stream.write_all(hasher.finalize().as_bytes()).expect("sent");
    stream.flush().expect("sent");
    assert_eq!(byte(&mut stream), DONE);
}

fn receive(folder: &Path, mut stream: StreamOwned<ClientConnection, Socket>) {
    println!("connected");
    stream.write_all(&[DONE]).expect("sent");
    stream.flush().expect("sent");
    let length = number(&mut stream);
    let (part, path) = (folder.join("file.part"), folder.join("file"));
    let mut file = File::create(&part).expect("a file");
    let mut hasher = blake3::Hasher::new();
    let mut checkpoints = Checkpoints { unsynced: 0, last: clock::now(), cost: Duration::ZERO };
    pieces(&mut stream, length, |piece| {
        file.write_all(piece).expect("written");
        hasher.update(piece);
        if checkpoints.is_time(piece.len() as u64) {
            checkpoints.note(|| {
                file.sync_data().expect("synced");
                record(folder, "received");
            });
        }
    });
    let mut hash = [0; 32];
    stream.read_exact(&mut hash).expect("its hash");
    assert!(hash == *hasher.finalize().as_bytes(), "what came is not what was sent");
    file.sync_all().expect("synced");
    fs::rename(part, path).expect("renamed");
    File::open(folder).and_then(|folder| folder.sync_all()).expect("synced");
    stream.write_all(&[DONE]).expect("sent");
    stream.flush().expect("sent");
}

/// When a receiver syncs: as `transfer::sink` does, after so many bytes, less often where it takes long.
struct Checkpoints {
    unsynced: u64,
    last: Instant,
    cost: Duration,
}

impl Checkpoints {
    fn is_time(&mut self, more: u64) -> bool {
        self.unsynced += more;
        let rested = clock::now().saturating_duration_since(self.last) >= self.cost * 4;
        self.unsynced >= CHECKPOINT && (rested || self.unsynced >= CHECKPOINT * 8)
    }

    fn note(&mut self, sync: impl FnOnce()) {
        let began = clock::now();
        sync();
        self.last = clock::now();
        (self.cost, self.unsynced) = (self.last.saturating_duration_since(began), 0);
    }
}

/// What is noted of how far a transfer is: whole or not at all, and durable.
fn record(folder: &Path, name: &str) {
    let next = folder.join(format!("{name}.new"));
    let mut file = File::create(&next).expect("a record");
    file.write_all(&[b'x'; 200]).and_then(|()| file.sync_data()).expect("synced");
    fs::rename(next, folder.join(name)).expect("renamed");
    File::open(folder).and_then(|folder| folder.sync_all()).expect("synced");
}

/// How far the stored file is.
#[derive(Default)]
struct Stored {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default, Clone, Copy)]
struct State {
    length: Option<u64>,
    written: u64,
    durable: u64,
    hash: Option<[u8; 32]>,
}

impl Stored {
    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().expect("nobody fails"));
        self.changed.notify_all();
    }

    fn wait(&self, until: impl Fn(&State) -> bool) -> State {
        *self.changed.wait_while(self.state.lock().expect("nobody fails"), |state| !until(state)).expect("nobody fails")
    }

    /// The same, for so long at most.
    fn wait_awhile(&self, until: impl Fn(&State) -> bool, awhile: Duration) -> State {
        let waited = self.changed.wait_timeout_while(self.state.lock().expect("nobody fails"), awhile, |state| !until(state));
        *waited.expect("nobody fails").0
    }
}

fn serve(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let certificate = made.cert.der().clone();
    let listener = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let (uploads, downloads) = (listener(), listener());
    let at = |listener: &TcpListener| -> SocketAddr { listener.local_addr().expect("bound") };
    println!("{} {} {}", at(&uploads), at(&downloads), hex(&certificate));
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]).expect("TLS 1.3");
    let mut config = config.with_no_client_auth().with_single_cert(vec![certificate], key).expect("a key that fits");
    config.send_tls13_tickets = 0;
    let (config, stored) = (Arc::new(config), Arc::<Stored>::default());
    let path = folder.join("spool");
    let file = Arc::new(File::options().create_new(true).read(true).write(true).open(&path).expect("a file"));
    let accept = move |listener: &TcpListener| {
        let mut session = ServerConnection::new(config.clone()).expect("a session");
        session.set_buffer_limit(Some(UNSENT));
        StreamOwned::new(session, socket(listener.accept().expect("a connection").0))
    };
    std::thread::scope(|scope| {
        scope.spawn(|| keep(&mut accept(&uploads), &file, &stored));
        scope.spawn(|| sync(folder, &file, &stored));
        scope.spawn(|| give(&mut accept(&downloads), &file, &stored));
    });
    fs::remove_file(path).expect("removed");
}

/// The leg of the upload.
fn keep(stream: &mut (impl Read + Write), file: &File, stored: &Stored) {
    let length = number(stream);
    stored.set(|state| state.length = Some(length));
    let (mut hasher, mut at) = (blake3::Hasher::new(), 0);
    pieces(stream, length, |piece| {
        file.write_all_at(piece, at).expect("written");
        at += piece.len() as u64;
        stored.set(|state| state.written = at);
        hasher.update(piece);
    });
    let mut hash = [0; 32];
    stream.read_exact(&mut hash).expect("its hash");
    assert!(hash == *hasher.finalize().as_bytes(), "what came is not what was sent");
    stored.wait(|state| state.durable == length);
    stored.set(|state| state.hash = Some(hash));
    stream.write_all(&[DONE]).expect("sent");
    stream.flush().expect("sent");
}

/// What makes durable, beside the legs: as often as a spool does it.
fn sync(folder: &Path, file: &File, stored: &Stored) {
    let SpoolOptions { sync_bytes, sync_interval, .. } = SpoolOptions::default();
    let length = stored.wait(|state| state.length.is_some()).length;
    let mut durable = 0;
    while Some(durable) != length {
        stored.wait(|state| state.written > durable || state.length == Some(durable));
        let enough = |state: &State| state.written - durable >= sync_bytes || Some(state.written) == length;
        let written = stored.wait_awhile(enough, sync_interval).written;
        file.sync_data().expect("synced");
        record(folder, "stored");
        durable = written;
        stored.set(|state| state.durable = written);
    }
}

/// The leg of the download: as far as the upload is, and then on with it.
fn give(stream: &mut (impl Read + Write), file: &File, stored: &Stored) {
    assert_eq!(byte(stream), DONE);
    let length = stored.wait(|state| state.length.is_some()).length.unwrap_or(0);
    stream.write_all(&length.to_be_bytes()).expect("sent");
    let (mut at, mut piece) = (0, vec![0; CHUNK]);
    while at < length {
        let written = stored.wait(|state| state.written > at).written;
        let now = &mut piece[..usize::try_from(written - at).unwrap_or(usize::MAX).min(CHUNK)];
        file.read_exact_at(now, at).expect("read");
        stream.write_all(now).expect("sent");
        at += now.len() as u64;
    }
    let hash = stored.wait(|state| state.hash.is_some()).hash.unwrap_or_default();
    stream.write_all(&hash).expect("sent");
    stream.flush().expect("sent");
    assert_eq!(byte(stream), DONE);
}

fn byte(stream: &mut impl Read) -> u8 {
    let mut byte = [0];
    stream.read_exact(&mut byte).expect("a byte");
    byte[0]
}

fn number(stream: &mut impl Read) -> u64 {
    let mut number = [0; 8];
    stream.read_exact(&mut number).expect("a number");
    u64::from_be_bytes(number)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).expect("hexadecimal")).collect()
}
