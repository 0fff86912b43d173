//! The plain pass-through copy: a file by TCP through a process that passes it on, to a file. No TLS, no hash, nothing stored on the way, nothing synced:
//! whoever does more takes longer.

use std::{
    fs::File,
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    path::Path,
};

/// What is moved at once, in bytes.
const PIECE: usize = 1024 * 1024;

/// `pass` prints the addresses of both legs; `send FILE ADDRESS`; `receive FOLDER ADDRESS`.
pub fn run(words: &[&str]) {
    match words {
        ["pass"] => pass(),
        ["send", file, address] => {
            let mut socket = connect(address);
            copy(&mut File::open(file).expect("a file"), &mut socket);
            socket.shutdown(Shutdown::Write).expect("an end");
        }
        ["receive", folder, address] => {
            let mut socket = connect(address);
            println!("connected");
            copy(&mut socket, &mut File::create(Path::new(folder).join("file")).expect("a file"));
        }
        _ => panic!("plain does not know {words:?}"),
    }
}

fn connect(address: &str) -> TcpStream {
    TcpStream::connect(address).expect("it listens")
}

fn pass() {
    let listener = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let (from, to) = (listener(), listener());
    println!("{} {}", from.local_addr().expect("bound"), to.local_addr().expect("bound"));
    let (mut to, mut from) = (to.accept().expect("a receiver").0, from.accept().expect("a sender").0);
    copy(&mut from, &mut to);
    to.shutdown(Shutdown::Write).expect("an end");
}

/// Not `std::io::copy`: that would let the kernel move the bytes between some pairs of files and sockets, in pieces of its own.
fn copy(from: &mut impl Read, to: &mut impl Write) {
    let mut piece = vec![0; PIECE];
    loop {
        let count = from.read(&mut piece).expect("read");
        if count == 0 {
            return;
        }
        to.write_all(&piece[..count]).expect("written");
    }
}
