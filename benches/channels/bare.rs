//! Programs that do less, a process each: what a transfer through a relay costs at least.
//!
//! * `fill ADDRESS BYTES` and `drain ADDRESS`, or `drain` that listens: bytes of nothing, a mebibyte at a time, no files.
//! * `pass`: passes on what comes, by tokio's own copying with buffers of a mebibyte.
//! * `send FILE ADDRESS` and `receive FOLDER ADDRESS`: a file that is hashed (BLAKE3), sealed (AES-256-GCM) in chunks as ours are, and the same
//!   back. One thread each; no exchange of keys, no acknowledgements, nothing synced.
//! * `fill-channel RELAY BYTES` and `drain-channel RELAY CHANNEL KEY`: bytes of nothing again, through a channel of `relayd`.

use std::{
    fs::File,
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    path::Path,
};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use confkit::transfer::{CHUNK, seal::TAG_LEN};
use tokio::io::copy_bidirectional_with_sizes;

use crate::seats;

/// What is moved at once, in bytes.
const PIECE: usize = 1024 * 1024;
/// Length of a sealed chunk, before it.
const HEADER: usize = 4;

/// See the [module](self).
pub fn run(words: &[&str]) {
    match words {
        ["fill", address, bytes] => fill(connect(address), bytes.parse().expect("a number")),
        ["drain"] => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
            println!("{}", listener.local_addr().expect("bound"));
            println!("{}", drain(&mut listener.accept().expect("a connection").0));
        }
        ["drain", address] => {
            let mut stream = connect(address);
            println!("connected");
            println!("{}", drain(&mut stream));
        }
        ["pass"] => runtime().block_on(pass()),
        ["send", file, address] => send(Path::new(file), connect(address)),
        ["receive", folder, address] => {
            let stream = connect(address);
            println!("connected");
            receive(Path::new(folder), stream);
        }
        ["fill-channel", relay, bytes] => {
            let bytes = bytes.parse().expect("a number");
            seats::as_sender(relay, |stream| fill(stream, bytes));
        }
        ["drain-channel", relay, channel, key] => {
            let mut count = 0;
            seats::as_receiver(relay, channel, key, |mut stream, first| count = first.len() as u64 + drain(&mut stream));
            println!("{count}");
        }
        _ => panic!("bare does not know {words:?}"),
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_nodelay(true).expect("an option");
    stream
}

fn fill(mut to: TcpStream, mut bytes: u64) {
    let piece = vec![b'x'; PIECE];
    while bytes > 0 {
        let now = usize::try_from(bytes).unwrap_or(PIECE).min(PIECE);
        to.write_all(&piece[..now]).expect("sent");
        bytes -= now as u64;
    }
    to.shutdown(Shutdown::Write).expect("an end");
}

fn drain(from: &mut TcpStream) -> u64 {
    let (mut piece, mut bytes) = (vec![0; PIECE], 0);
    loop {
        match from.read(&mut piece).expect("read") {
            0 => return bytes,
            count => bytes += count as u64,
        }
    }
}

async fn pass() {
    let listener = || tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (from, to) = (listener().await.expect("a port"), listener().await.expect("a port"));
    println!("{} {}", from.local_addr().expect("bound"), to.local_addr().expect("bound"));
    let (mut to, mut from) = (to.accept().await.expect("a receiver").0, from.accept().await.expect("a sender").0);
    for stream in [&to, &from] {
        stream.set_nodelay(true).expect("an option");
    }
    // The receiver may be gone before it has heard that the sender has ended.
    let _ = copy_bidirectional_with_sizes(&mut from, &mut to, PIECE, PIECE).await;
}

/// Both ends have it: how they came to it is not measured.
fn key() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("a key"))
}

fn nonce(index: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&index.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// The last chunk is the hash.
fn send(path: &Path, mut to: TcpStream) {
    let mut file = File::open(path).expect("a file");
    let (key, mut hasher, mut frame) = (key(), blake3::Hasher::new(), vec![0; HEADER + CHUNK + TAG_LEN]);
    for index in 0.. {
        let read = fill_from(&mut file, &mut frame[HEADER..HEADER + CHUNK]);
        let length = if read > 0 { read } else { blake3::OUT_LEN };
        let plain = &mut frame[HEADER..HEADER + length];
        if read > 0 {
            hasher.update(plain);
        } else {
            plain.copy_from_slice(hasher.finalize().as_bytes());
        }
        let tag = key.seal_in_place_separate_tag(nonce(index), Aad::empty(), plain).expect("sealed");
        frame[HEADER + length..HEADER + length + TAG_LEN].copy_from_slice(tag.as_ref());
        let sealed = u32::try_from(length + TAG_LEN).expect("a chunk") | if read == 0 { 1 << 31 } else { 0 };
        frame[..HEADER].copy_from_slice(&sealed.to_be_bytes());
        to.write_all(&frame[..HEADER + length + TAG_LEN]).expect("sent");
        if read == 0 {
            break;
        }
    }
    to.shutdown(Shutdown::Write).expect("an end");
    assert_eq!(drain(&mut to), 1, "the receiver has all of it");
}

fn fill_from(file: &mut File, buffer: &mut [u8]) -> usize {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]).expect("read") {
            0 => break,
            count => filled += count,
        }
    }
    filled
}

fn receive(folder: &Path, mut from: TcpStream) {
    let mut file = File::create(folder.join("file")).expect("a file");
    let (key, mut hasher, mut sealed) = (key(), blake3::Hasher::new(), vec![0; CHUNK + TAG_LEN + HEADER]);
    let mut header = [0; HEADER];
    from.read_exact(&mut header).expect("a header");
    for index in 0.. {
        let word = u32::from_be_bytes(header);
        let (length, last) = ((word & !(1 << 31)) as usize, word >> 31 == 1);
        // With a chunk comes the header of the next one, as ours are read.
        let wanted = if last { length } else { length + HEADER };
        from.read_exact(&mut sealed[..wanted]).expect("a chunk");
        header.copy_from_slice(&sealed[length..length + HEADER]);
        let plain = key.open_in_place(nonce(index), Aad::empty(), &mut sealed[..length]).expect("what was sealed");
        if last {
            assert!(plain == hasher.finalize().as_bytes(), "what came is not what was sent");
            return from.write_all(&[1]).expect("sent");
        }
        hasher.update(plain);
        file.write_all(plain).expect("written");
    }
}
