//! A relay that is spoken to by TLS, before terminals that never finish their handshakes, say nothing behind them, or say at the wrong place what they say.

use std::{fs, sync::Arc, time::Duration};

use confkit::{
    channel::{
        ChannelNumber, Nameplate, Peer, Place,
        client::{Connection, RelayError, Relays},
        wire::{
            ChannelKey, Message, RefusalCode, Role,
            frame::PREFACE,
            proof::{Admission, Purpose},
            request::{Apply, Join, Meet},
        },
    },
    sip::transport::{TlsMaterial, TlsStore},
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::World;
use crate::{
    memory, metric,
    terminal::{self, PATIENCE, next, open, rng},
    wait_for,
    wire::another_host,
};

const OPEN: &str = "confkit_relay_connections";

/// The relay, where it is, and whom its terminals trust.
fn start(variables: &[(&str, &str)]) -> (World, String, Arc<TlsStore>) {
    let listen = [("RELAYD_LISTEN_RELAY", "[{address: '127.0.0.1:0', tls: true}]"), ("RELAYD_RELAY_HANDSHAKE_TIMEOUT", "700ms")];
    let world = World::with(&[&listen[..], variables].concat());
    let roots = fs::read_to_string(world.daemon.env("CONFKIT_CA")).expect("an authority");
    let trust = TlsStore::new(&TlsMaterial { roots, ..TlsMaterial::default() }).expect("an authority");
    let place = world.relay.trim_start_matches("tls://").to_owned();
    (world, place, Arc::new(trust))
}

/// A terminal at the front door.
async fn secure(place: &str, trust: &Arc<TlsStore>) -> Connection {
    let relays = Relays::from(vec![format!("tls://{place}")]).believing(Arc::clone(trust));
    Connection::open(&relays, PATIENCE).await.expect("a relay")
}

/// What a terminal says first by TLS.
fn hello(trust: &TlsStore) -> Vec<u8> {
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let mut session = rustls::ClientConnection::new(trust.client_config(), name).expect("a session");
    let mut hello = Vec::new();
    session.write_tls(&mut hello).expect("written");
    hello
}

/// Reads until it is closed: how much came.
async fn closed(mut stream: TcpStream) -> usize {
    let mut all = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("the relay closes it");
    all.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_that_are_never_finished_hold_no_more_and_no_longer_than_connections_that_say_nothing() {
    let (world, place, trust) = start(&[("RELAYD_RELAY_CONNECTIONS_PER_ADDRESS", "12")]);
    let (hello, before) = (hello(&trust), memory(&world.daemon));
    // A record that says that it is a handshake of 64 KiB, and comes in pieces.
    let endless = [&[22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff][..], &[0; 0x4000 - 4], &[22, 3, 1, 0x40, 0], &[0; 0x4000]].concat();
    let cases: [(&str, &[u8]); 8] = [
        ("nothing", b""),
        ("a byte", &hello[..1]),
        ("half a hello", &hello[..hello.len() / 2]),
        ("a hello", &hello),
        ("rubbish", &[22, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("too much", &endless),
        ("another protocol", b"GET / HTTP/1.1\r\n\r\n"),
        ("a preface, and no request", &PREFACE),
    ];
    for (what, said) in cases {
        let socket = TcpSocket::new_v4().expect("a socket");
        let host = another_host();
        socket.bind((host, 0).into()).expect("an address");
        let mut first = socket.connect(place.parse().expect("an address")).await.expect("connected");
        let _ = first.write_all(said).await;
        let mut held = vec![first];
        for _ in 1..12 {
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.bind((host, 0).into()).expect("an address");
            let mut stream = socket.connect(place.parse().expect("an address")).await.expect("connected");
            let _ = stream.write_all(said).await;
            held.push(stream);
        }
        // Meanwhile others come through.
        assert_eq!(applied(secure(&place, &trust).await).await, None, "{what}");
        for stream in held {
            closed(stream).await;
        }
        wait_for(&world.daemon, OPEN, |open| open == 0.0).await;
    }
    let grown = memory(&world.daemon) - before;
    assert!(grown < 16.0, "{grown} MiB");

    // As many of one address as may be: one more is closed at once, and says nothing.
    let host = another_host();
    let mut held = Vec::new();
    for at in 0..13 {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((host, 0).into()).expect("an address");
        let mut stream = socket.connect(place.parse().expect("an address")).await.expect("connected");
        let _ = stream.write_all(&hello[..hello.len() - 1]).await;
        if at < 12 {
            held.push(stream);
            // Each is there before the next comes.
            wait_for(&world.daemon, OPEN, |open| open == held.len() as f64).await;
        } else {
            assert_eq!(timeout(Duration::from_millis(500), closed(stream)).await, Ok(0), "the last");
        }
    }
}

/// Asks for a channel: why there is none.
async fn applied(mut control: Connection) -> Option<RefusalCode> {
    control.tell(&Message::Apply(Apply { ticket: None, peer: None, kind: None, receivers: 1, nameplate: None }));
    refusal(&mut control).await
}

async fn refusal(control: &mut Connection) -> Option<RefusalCode> {
    match next(control).await {
        Err(RelayError::Refused(refused)) => Some(refused.code),
        Ok(_) => None,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_handshake_the_same_bounds_hold_and_its_end_is_an_end() {
    let (world, place, trust) = start(&[]);
    for says in ["nothing", "goodbye", "no frames"] {
        let stream = TcpStream::connect(&place).await.expect("connected");
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let mut stream = TlsConnector::from(trust.client_config()).connect(name, stream).await.expect("a handshake");
        match says {
            "goodbye" => stream.shutdown().await.expect("said"),
            "no frames" => stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("said"),
            _ => {}
        }
        let mut heard = Vec::new();
        let end = timeout(PATIENCE, stream.read_to_end(&mut heard)).await.expect("the relay closes it");
        match says {
            // What it has said is whole, and that it is the end is said, too.
            "nothing" | "no frames" => {
                assert!(end.is_ok(), "{says}: {end:?}");
                assert!(String::from_utf8_lossy(&heard).contains("\"code\":"), "{says}: it says why");
            }
            _ => {}
        }
        wait_for(&world.daemon, OPEN, |open| open == 0.0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_by_the_wrong_way_is_refused_and_gives_nobody_a_seat() {
    let (world, place, trust) = start(&[]);
    let (channel, key) = (ChannelNumber(7), ChannelKey::random(&mut rng()));
    // Without TLS: everything that admits, or asks who is there.
    assert_eq!(applied(open(&place).await).await, Some(RefusalCode::NotPermitted));
    let mut plain = open(&place).await;
    let entering = terminal::enter(&plain, channel, &key, Role::Receiver);
    plain.tell(&entering);
    assert_eq!(refusal(&mut plain).await, Some(RefusalCode::NotPermitted));
    let mut plain = open(&place).await;
    let nameplate = Nameplate::new(7).expect("a nameplate");
    plain.tell(&Message::Meet(Meet { place: Place::Nameplate(nameplate), role: Role::Receiver, wait: true }));
    assert_eq!(refusal(&mut plain).await, Some(RefusalCode::NotPermitted));
    // By TLS: data connections.
    let joining = |control: &Connection| {
        let purpose = Purpose::Join { seat: Peer(1), stream: 0 };
        let proof = Admission { challenge: control.challenge(), channel, role: Role::Receiver, purpose }.prove(&key);
        Message::Join(Join { channel, seat: Peer(1), stream: 0, proof, to: Vec::new() })
    };
    let mut control = secure(&place, &trust).await;
    control.tell(&joining(&control));
    assert_eq!(refusal(&mut control).await, Some(RefusalCode::NotPermitted));
    // And without TLS these are looked at.
    let mut data = open(&place).await;
    data.tell(&joining(&data));
    assert_eq!(refusal(&mut data).await, Some(RefusalCode::NoSuchChannel));
    assert_eq!((metric(&world.daemon, "confkit_relay_channels"), metric(&world.daemon, "confkit_relay_meetings")), (0.0, 0.0));
}
