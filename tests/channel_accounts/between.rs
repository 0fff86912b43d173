//! Somebody between a user and the server who alters what they say: it shows, and nothing is sent.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
};

use crate::house::{House, code, run, said};

/// Passes on what comes, and changes `from` into `to`, which is as long, on its way to the server.
fn meddler(server: SocketAddr, from: &'static str, to: &'static str) -> SocketAddr {
    assert_eq!(from.len(), to.len());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let upstream = TcpStream::connect(server).expect("connected");
            let (back, front) = (upstream.try_clone().expect("a socket"), client.try_clone().expect("a socket"));
            thread::spawn(move || copy(client, upstream, from, to));
            thread::spawn(move || copy(back, front, "", ""));
        }
    });
    address
}

fn copy(mut from: TcpStream, mut to: TcpStream, old: &str, new: &str) {
    let mut buffer = vec![0; 65536];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let mut bytes = buffer[..read].to_vec();
        let found = if old.is_empty() { None } else { bytes.windows(old.len()).position(|window| window == old.as_bytes()) };
        if let Some(at) = found {
            bytes[at..at + old.len()].copy_from_slice(new.as_bytes());
        }
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn whatever_is_altered_on_the_way_shows_at_both_ends_and_nothing_is_sent() {
    let house = House::new("accounts-between", "", &[]);
    fs::write(house.place.path("notes.txt"), b"notes").expect("written");
    // By whom, what is changed into what, who applies, how sender and receiver end.
    for (who, from, to, applies, ends) in [
        ("alice", "count=\"1\"", "count=\"2\"", "receiver", (6, 8)),
        ("bob", "<address>127.0.0.1", "<address>127.0.0.2", "receiver", (8, 6)),
        ("alice", "<address>127.0.0.1", "<address>127.0.0.2", "sender", (6, 8)),
    ] {
        let server = format!("sip:localhost:{};transport=tcp", meddler(house.server.address(), from, to).port());
        let of = |user: &str| {
            if user == who { server.clone() } else { house.server.ready["env"]["CONFKIT_SERVER"].as_str().expect("told").to_owned() }
        };
        let mut receiving = crate::house::Running::start(
            house.fshare("bob", &["--json", "recv", "--from", "alice", "--yes", "--output", "out"]).env("CONFKIT_SERVER", of("bob")),
        );
        receiving.event("waiting");
        let sent =
            run(house.fshare("alice", &["send", "notes.txt", "--to", "bob", "--applies", applies]).env("CONFKIT_SERVER", of("alice")));
        let (ended, told) = receiving.end();
        assert_eq!((code(&sent), ended), ends, "{who} {from}: {} {told}", said(&sent));
        assert!(format!("{}{told}", said(&sent)).contains("altered on the way"), "{} {told}", said(&sent));
        assert!(!house.place.path("out/notes.txt").exists());
    }
}
