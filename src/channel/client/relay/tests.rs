//! A connection to a relay that takes nothing, takes it slowly, or says something meanwhile.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::{advance, pause, sleep},
};

use super::{called::in_turn, *};
use crate::channel::{
    Peer,
    wire::{RefusalCode, Refused},
};

#[tokio::test]
async fn a_relay_that_takes_nothing_is_taken_for_gone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let relay = async {
        let (mut relay, _) = listener.accept().await.expect("accepted");
        let mut said = BytesMut::from(&PREFACE[..]);
        Message::Challenge(Challenge::default()).to_frame().write(&mut said);
        relay.write_all(&said).await.expect("sent");
        relay
    };
    let relays = vec![address].into();
    let (connection, _relay) = tokio::join!(Connection::open(&relays, SILENT), relay);
    let mut connection = connection.expect("a relay");
    // More than the kernel takes.
    for _ in 0..1000 {
        connection.tell(&Message::Letter { peer: Peer::SENDER, body: vec![7; MAX_BODY].into() });
    }
    pause();
    assert!(matches!(connection.flush().await, Err(RelayError::Silent)));
}

/// A connection, and the relay's end of it, which has said its challenge and takes little at once.
async fn greeted() -> (Connection, TcpStream) {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(16 * 1024).expect("a socket option");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let listener = socket.listen(1).expect("listens");
    let relays = vec![listener.local_addr().expect("an address").to_string()].into();
    let relay = async {
        let (mut relay, _) = listener.accept().await.expect("accepted");
        let mut said = BytesMut::from(&PREFACE[..]);
        Message::Challenge(Challenge::default()).to_frame().write(&mut said);
        relay.write_all(&said).await.expect("sent");
        relay
    };
    let (connection, relay) = tokio::join!(Connection::open(&relays, SILENT), relay);
    (connection.expect("a relay"), relay)
}

#[tokio::test]
async fn a_relay_that_takes_much_slowly_and_says_nothing_meanwhile_is_not_taken_for_silent() {
    let (mut connection, mut relay) = greeted().await;
    for _ in 0..64 {
        connection.tell(&Message::Letter { peer: Peer::SENDER, body: vec![7; MAX_BODY].into() });
    }
    pause();
    // As long as a thread is busy time goes on only when it is told to: the kernel takes its own.
    let (over, until) = std::sync::mpsc::sync_channel::<()>(1);
    let _busy = tokio::task::spawn_blocking(move || until.recv());
    let begun = clock::now();
    let (mut all, mut piece) = (connection.out.len(), vec![0; 256 * 1024]);
    let slow = async {
        while all > 0 {
            advance(QUIET - Duration::from_secs(1)).await;
            let most = all.min(piece.len());
            all -= relay.read_exact(&mut piece[..most]).await.expect("read");
        }
        advance(QUIET / 2).await;
        relay.write_all(&Message::Joined.to_frame().to_bytes()).await.expect("sent");
        relay
    };
    let terminal = async {
        connection.flush().await.expect("all of it goes");
        connection.next().await.expect("and the relay is there")
    };
    let (heard, _relay) = tokio::join!(terminal, slow);
    drop(over);
    assert_eq!(heard, Message::Joined);
    let took = clock::now() - begun;
    assert!(took > 2 * SILENT, "{took:?}");
}

#[tokio::test]
async fn what_the_relay_says_while_much_has_to_be_sent_first_is_heard_even_where_it_is_its_last_word() {
    let (mut connection, mut relay) = greeted().await;
    for _ in 0..1000 {
        connection.tell(&Message::Letter { peer: Peer::SENDER, body: vec![7; MAX_BODY].into() });
    }
    let refused = Message::Refused(Refused::new(RefusalCode::Expired, "nobody came in time"));
    relay.write_all(&refused.to_frame().to_bytes()).await.expect("sent");
    relay.shutdown().await.expect("ended");
    let _ = connection.until_room().await;
    let heard = connection.next().await;
    assert!(matches!(heard, Err(RelayError::Refused(Refused { code: RefusalCode::Expired, .. }))), "{heard:?}");
}

#[tokio::test]
async fn who_hears_much_and_says_nothing_says_that_it_is_there() {
    let (mut connection, mut relay) = greeted().await;
    pause();
    let talks = async {
        loop {
            relay.write_all(&Message::Joined.to_frame().to_bytes()).await.expect("sent");
            sleep(QUIET / 3).await;
            let mut said = [0; 64];
            // Its preface is the first.
            if let Ok(17..) = relay.peek(&mut said).await {
                return said[8];
            }
        }
    };
    let hears = async {
        loop {
            connection.next().await.expect("the relay talks");
        }
    };
    tokio::select! {
        kind = timeout(2 * QUIET, talks) => assert_eq!(kind.expect("in time"), crate::channel::wire::Kind::Ping as u8),
        () = hears => {}
    }
}

#[test]
fn addresses_of_both_families_take_turns_the_system_s_first_before_all() {
    let turns = |text: &str| {
        let addresses = text.split(' ').map(|ip| SocketAddr::new(ip.parse().expect("an address"), 1)).collect();
        in_turn(addresses).iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(turns("::1 ::2 ::3 10.0.0.1 10.0.0.2"), "::1 10.0.0.1 ::2 10.0.0.2 ::3");
    assert_eq!(turns("10.0.0.1 10.0.0.2 ::1"), "10.0.0.1 ::1 10.0.0.2");
    assert_eq!(turns("10.0.0.1"), "10.0.0.1");
}

#[test]
fn of_several_that_failed_what_one_has_said_goes_before_what_nobody_said() {
    let silent = |name: &str| (name.to_owned(), RelayError::Unreachable { address: name.to_owned(), why: "refused".to_owned() });
    let refused = ("c:3".to_owned(), RelayError::Refused(Refused::new(RefusalCode::Version, "too old")));
    assert_eq!(none_of(vec![silent("a:1")]).to_string(), "the relay a:1 cannot be reached: refused");
    assert_eq!(none_of(vec![silent("a:1"), silent("b:2")]).to_string(), "none of the relays can be reached: a:1 (refused), b:2 (refused)");
    assert_eq!(none_of(vec![silent("a:1"), refused]).to_string(), "the relay refuses: too old");
    let plain = || ("tls://b:2".to_owned(), RelayError::NoTls { address: "b:2".to_owned() });
    assert_eq!(none_of(vec![plain()]).to_string(), "the relay b:2 speaks no TLS there");
    let waits = none_of(vec![silent("a:1"), plain()]).to_string();
    assert_eq!(waits, "none of the relays can be reached: a:1 (refused), tls://b:2 (the relay b:2 speaks no TLS there)");
}

#[tokio::test]
async fn a_name_that_stands_for_both_families_is_reached_by_the_one_where_somebody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("up").port();
    // On most machines it stands for ::1 as well, where nobody listens.
    let stream = called(&format!("localhost:{port}")).await.expect("reached");
    assert_eq!(stream.peer_addr().expect("up").port(), port);
}
