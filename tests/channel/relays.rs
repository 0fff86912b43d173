//! Which relay: several of them, proxies before them, and who comes first.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::*;

/// An address that nobody answers at: it takes connections, and says nothing.
pub fn mute() -> (TcpListener, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("up").to_string();
    (listener, address)
}

/// An address where nobody listens.
pub fn closed() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("up")
}

pub fn relay(server: &Server) -> String {
    server.ready["relay"].as_str().expect("a relay").to_owned()
}

#[test]
fn a_relay_that_says_nothing_or_is_not_there_holds_nobody_up_and_a_code_is_found_at_whichever_it_is() {
    let world = World::new("channel-relays");
    fs::write(world.place.path("notes.txt"), b"notes").expect("written");
    let (_kept, mute) = mute();
    let (here, nowhere) = (relay(&world.server), closed().to_string());
    for (first, second) in [(&mute, &here), (&nowhere, &here), (&here, &mute)] {
        let list = format!("{first},{second}");
        let sending = world.send(&["notes.txt", "--relay", &list], None);
        let number: u32 = sending.code.split('-').next().and_then(|number| number.parse().ok()).expect("a number");
        // Who is not at its first relay has a number that the first gives to nobody.
        assert_eq!(number >= 1000, *first != here, "{}", sending.code);
        let received = world.recv(&[&sending.code, "--yes", "--overwrite", "--output", "out", "--relay", &list]);
        assert_eq!(code(&received), 0, "{list}: {}", said(&received));
        assert_eq!(sending.end().0, 0);
    }
    // None of several is there: each is told.
    let failed = world.recv(&["7-zoo-zone", "--yes", "--relay", &format!("{nowhere},{}", closed())]);
    assert_eq!(code(&failed), 7, "{}", said(&failed));
    assert!(said(&failed).contains("none of the relays can be reached"), "{}", said(&failed));
}

#[test]
fn a_receiver_looks_for_a_code_at_every_relay_and_a_sender_goes_on_from_one_without_room() {
    let world = World::new("channel-relays-two");
    fs::write(world.place.path("notes.txt"), b"notes").expect("written");
    let (here, small) = (relay(&world.server), Server::start(&world.place, "small", "roles: [relay]\nrelay: {channels: 1}\n", &[]));
    let both = format!("{},{here}", relay(&small));
    // It has one channel, and that is taken.
    let first = world.send(&["notes.txt", "--relay", &both], None);
    let second = world.send(&["notes.txt", "--relay", &both], None);
    assert_eq!(world.server.metric("confkit_relay_channels"), 1.0);
    for (sending, folder) in [(second, "second"), (first, "first")] {
        let received = world.recv(&[&sending.code, "--yes", "--output", folder, "--relay", &both]);
        assert_eq!(code(&received), 0, "{}", said(&received));
        assert_eq!(sending.end().0, 0);
    }
    let lost = world.recv(&["7-zoo-zone", "--yes", "--relay", &both]);
    assert_eq!(code(&lost), 4, "{}", said(&lost));
}

#[test]
fn a_receiver_may_come_first_and_wait() {
    let world = World::new("channel-wait");
    fs::write(world.place.path("notes.txt"), b"notes").expect("written");
    let waiting = world.receiving(&["7-crystal-window", "--wait", "--yes", "--output", "out"]);
    place::wait_until(|| "nobody waits".to_owned(), || world.server.metric("confkit_relay_meetings") == 1.0);
    let sending = world.send(&["notes.txt", "--code", "7-crystal-window"], None);
    let received = waiting.wait_with_output().expect("waited for");
    assert_eq!(code(&received), 0, "{}", said(&received));
    assert_eq!(sending.end().0, 0);
    assert_eq!(fs::read(world.place.path("out/notes.txt")).expect("there"), b"notes");
}

/// An address where this is said to whoever has said something, and the connection closed.
pub fn stranger(says: &'static [u8]) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("up").to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 64]).and_then(|_| stream.write_all(says));
        }
    });
    address
}

#[test]
fn what_is_at_the_port_of_a_relay_and_is_none_is_called_by_its_name() {
    let world = World::new("channel-strangers");
    let (_kept, mute) = mute();
    let http = world.server.ready["http"].as_str().expect("http").trim_start_matches("http://").to_owned();
    for (relay, expected, why) in [
        (stranger(b"HTTP/1.1 400 Bad Request\r\n\r\n"), 7, "a web server does"),
        (stranger(b"SSH-2.0-OpenSSH_9.9\r\n"), 7, "an SSH server does"),
        (stranger(b"\x07\x07"), 7, "something else does"),
        (stranger(b""), 7, "closes the connection without a word"),
        (mute.clone(), 7, "takes the connection and gives no answer in 2 s"),
        (http, 7, "no relay answers at"),
        (closed().to_string(), 7, "cannot be reached: "),
        ("http://relay.example:7420/".to_owned(), 2, "leave out http://, as in relay.example:7420"),
        (format!("{mute},{}", closed()), 7, "none of the relays can be reached"),
    ] {
        let failed = world.recv(&["7-zoo-zone", "--yes", "--timeout", "2s", "--relay", &relay]);
        assert_eq!(code(&failed), expected, "{relay}: {}", said(&failed));
        assert!(said(&failed).contains(why), "{relay}: {}", said(&failed));
    }
}

/// A proxy of the test's: as much of SOCKS5 and of CONNECT as it takes, on threads.
pub mod proxy {
    use std::{
        io::{Read as _, Write as _, copy},
        net::{Shutdown, SocketAddr, TcpListener, TcpStream},
        sync::mpsc::{Receiver, SyncSender, sync_channel},
        thread,
    };

    /// What it does with who has asked.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Manner {
        Socks,
        Http,
        /// As that, and the relay is waited for no longer than until it is there.
        Connect,
    }

    /// Says where it is, and what it was asked for. It wants `bob` and `secret`, where it `asks`.
    pub fn start(manner: Manner, asks: bool) -> (SocketAddr, Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("up");
        let (tell, told) = sync_channel(16);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let tell = tell.clone();
                thread::spawn(move || match manner {
                    Manner::Socks => socks(stream, asks, &tell),
                    Manner::Http => http(stream, asks, true, &tell),
                    Manner::Connect => http(stream, asks, false, &tell),
                });
            }
        });
        (address, told)
    }

    fn take<const N: usize>(stream: &mut TcpStream) -> [u8; N] {
        let mut bytes = [0; N];
        stream.read_exact(&mut bytes).expect("bytes");
        bytes
    }

    fn several(stream: &mut TcpStream) -> Vec<u8> {
        let [length] = take(stream);
        let mut bytes = vec![0; length.into()];
        stream.read_exact(&mut bytes).expect("bytes");
        bytes
    }

    fn socks(mut stream: TcpStream, asks: bool, tell: &SyncSender<String>) {
        let [5] = take(&mut stream) else { panic!("version") };
        let methods = several(&mut stream);
        let wanted = if asks { 2 } else { 0 };
        if !methods.contains(&wanted) {
            return stream.write_all(&[5, 0xff]).expect("said");
        }
        stream.write_all(&[5, wanted]).expect("said");
        if asks {
            let [1] = take(&mut stream) else { panic!("version") };
            let right = (several(&mut stream), several(&mut stream)) == (b"bob".to_vec(), b"secret".to_vec());
            stream.write_all(&[1, u8::from(!right)]).expect("said");
            if !right {
                return;
            }
        }
        let [5, 1, 0, kind] = take(&mut stream) else { panic!("a request to connect") };
        let host = match kind {
            1 => std::net::Ipv4Addr::from(take::<4>(&mut stream)).to_string(),
            3 => String::from_utf8(several(&mut stream)).expect("a name"),
            _ => panic!("kind {kind}"),
        };
        let asked = format!("{host}:{}", u16::from_be_bytes(take(&mut stream)));
        tell.send(asked.clone()).expect("heard");
        match TcpStream::connect(&asked) {
            Ok(relay) => {
                stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).expect("said");
                join(stream, relay);
            }
            Err(_) => stream.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).expect("said"),
        }
    }

    fn http(mut stream: TcpStream, asks: bool, waits: bool, tell: &SyncSender<String>) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(take::<1>(&mut stream));
        }
        let head = String::from_utf8(head).expect("text");
        // bob:secret
        if asks && !head.to_lowercase().contains("proxy-authorization: basic ym9iOnNlY3JldA==".to_lowercase().as_str()) {
            return stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n").expect("said");
        }
        let asked = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).expect("CONNECT").to_owned();
        tell.send(asked.clone()).expect("heard");
        match TcpStream::connect(&asked) {
            Ok(relay) => {
                // What the relay says first comes in one piece with the answer.
                let mut first = vec![0; if waits { 8 } else { 0 }];
                let mut relay = relay;
                relay.read_exact(&mut first).expect("a preface");
                stream.write_all(&[&b"HTTP/1.1 200 OK\r\n\r\n"[..], &first].concat()).expect("said");
                join(stream, relay);
            }
            Err(_) => stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").expect("said"),
        }
    }

    fn join(one: TcpStream, other: TcpStream) {
        let (mut from, mut to) = (one.try_clone().expect("a handle"), other.try_clone().expect("a handle"));
        let there = thread::spawn(move || {
            let _ = copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        let (mut from, mut to) = (other, one);
        let _ = copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
        let _ = there.join();
    }
}

#[test]
fn relays_are_reached_by_proxies_of_both_kinds_and_nothing_goes_around_them() {
    let world = World::new("channel-proxy");
    fs::write(world.place.path("notes.txt"), b"notes").expect("written");
    let port = relay(&world.server).rsplit_once(':').expect("a port").1.to_owned();
    // By name, which the proxy resolves.
    let named = format!("localhost:{port}");
    for (at, (manner, scheme, asks)) in [
        (proxy::Manner::Socks, "socks5h", false),
        (proxy::Manner::Socks, "socks5", true),
        (proxy::Manner::Http, "http", false),
        (proxy::Manner::Http, "http", true),
    ]
    .into_iter()
    .enumerate()
    {
        let (address, asked) = proxy::start(manner, asks);
        let url = if asks { format!("{scheme}://bob:secret@{address}") } else { format!("{scheme}://{address}") };
        let sending = world.send(&["notes.txt", "--proxy", &url, "--relay", &named], None);
        let folder = at.to_string();
        // The receiver may be called directly, but has nobody to call.
        let received = world.recv(&[&sending.code, "--yes", "--output", &folder]);
        assert_eq!(code(&received), 0, "{url}: {}", said(&received));
        let (ended, events, told) = sending.end();
        assert_eq!(ended, 0, "{told}");
        assert_eq!(events.last().expect("an event")["source"], "relay");
        // The control connection, and one for data.
        assert_eq!(asked.try_iter().collect::<Vec<_>>(), [named.clone(), named.clone()], "{url}");
    }
}

#[test]
fn what_is_wrong_with_a_proxy_is_said_and_never_its_password() {
    let world = World::new("channel-proxy-wrong");
    fs::write(world.place.path("notes.txt"), b"notes").expect("written");
    let (socks, _kept) = proxy::start(proxy::Manner::Socks, true);
    let (http, _kept_too) = proxy::start(proxy::Manner::Http, true);
    let (_mute, other) = mute();
    let nowhere = closed();
    for (url, to, expected, why) in [
        (format!("socks5h://bob:hunter2@{nowhere}"), None, 7, "cannot be reached"),
        (format!("http://bob:hunter2@{nowhere}"), None, 7, "cannot be reached"),
        (format!("socks5h://{socks}"), None, 3, "requires a name and a password"),
        (format!("http://{http}"), None, 3, "requires a name and a password"),
        (format!("socks5h://bob:hunter2@{socks}"), None, 3, "requires another name or password"),
        (format!("http://bob:hunter2@{http}"), None, 3, "requires another name or password"),
        (format!("socks5h://bob:secret@{socks}"), Some(nowhere), 7, "does not connect to the relay: connection refused"),
        (format!("http://bob:secret@{http}"), Some(nowhere), 7, "does not connect to the relay: 502"),
        (format!("http://bob:hunter2@{other}"), None, 7, "did not answer within 2 s"),
        (format!("socks5h://bob:hunter2@{other}"), None, 7, "did not answer within 2 s"),
        ("gopher://bob:hunter2@proxy.example".to_owned(), None, 2, "a proxy is socks5h://"),
    ] {
        let mut args = vec!["send", "notes.txt", "--timeout", "2s", "--proxy", &url];
        let to = to.map(|to| to.to_string());
        args.extend(to.iter().flat_map(|to| ["--relay", to.as_str()]));
        let failed = world.fshare(&args).output().expect("fshare runs");
        assert_eq!(code(&failed), expected, "{url}: {}", said(&failed));
        assert!(said(&failed).contains(why), "{url}: {}", said(&failed));
        assert!(!said(&failed).contains("hunter2") && !said(&failed).contains("secret@"), "{}", said(&failed));
    }
    // From the environment a proxy is for what is far away.
    let nearby =
        world.fshare(&["recv", "7-zoo-zone", "--yes"]).env("ALL_PROXY", format!("socks5h://{nowhere}")).output().expect("fshare runs");
    assert_eq!(code(&nearby), 4, "{}", said(&nearby));
    let far =
        world.fshare(&["recv", "7-zoo-zone", "--yes", "--relay", "relay.invalid"]).env("HTTPS_PROXY", format!("http://{nowhere}")).output();
    let far = far.expect("fshare runs");
    assert!(code(&far) == 7 && said(&far).contains(&format!("the proxy http://{nowhere} cannot be reached")), "{}", said(&far));
}
