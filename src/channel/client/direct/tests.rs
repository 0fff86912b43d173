//! Both ends over loopback, and strangers before the door.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::{listener::Listening, *};
use crate::channel::{
    keys::Pairwise,
    wire::{
        Role,
        direct::{CLAIM, Call, Claim, HELLO, Hello},
        frame::PREFACE,
    },
};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn key(of: u8) -> Pairwise {
    Pairwise::new(&[of; 16], &[])
}

fn open() -> (Vec<SocketAddr>, Listening) {
    let listening = Listening::open(None, true).expect("a port");
    (listening.addresses().to_vec(), listening)
}

/// What somebody gets to read before the door is closed.
async fn heard(mut stream: TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    // A reset is an end as well.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut heard)).await.expect("closed");
    heard
}

/// Says hello, and claims a data connection with a proof by this key.
async fn claim(address: SocketAddr, stream: u8, by: &Pairwise) -> TcpStream {
    let mut connection = TcpStream::connect(address).await.expect("connected");
    connection.write_all(&PREFACE).await.expect("said");
    let mut hello = [0; HELLO];
    connection.read_exact(&mut hello).await.expect("a hello");
    let hello = Hello::read(&hello).expect("a hello");
    let call = Call { caller: Role::Receiver, hello: hello.challenge, claim: [1; 32], stream };
    let proof = by.prove(&call, Role::Receiver);
    connection.write_all(&Claim { stream, challenge: call.claim, proof }.write()).await.expect("said");
    connection
}

#[tokio::test]
async fn the_two_find_each_other_and_have_their_connections_in_the_same_order() {
    let (addresses, listening) = open();
    let serving = listening.serve(key(1), Role::Sender, 4);
    let theirs = Dialling::begin(&addresses, key(1), Role::Receiver, None, true).settle(4).await.expect("reached");
    let ours = serving.take().await.expect("come");
    assert_eq!((theirs.len(), ours.len()), (4, 4));
    for (at, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        assert_eq!(ours.peer_addr().expect("up"), theirs.local_addr().expect("up"), "{at}");
    }
}

#[tokio::test]
async fn either_may_call_and_each_lets_in_the_other_alone() {
    for own in [Role::Sender, Role::Receiver] {
        let (addresses, listening) = open();
        let serving = listening.serve(key(1), own, 2);
        let Unreached(tried) = Dialling::begin(&addresses, key(1), own, None, true).settle(2).await.expect_err("one of its own kind");
        assert_eq!(tried, [Tried { address: addresses[0], why: "closed without an answer".to_owned() }]);
        let theirs = Dialling::begin(&addresses, key(1), own.other(), None, true).settle(2).await.expect("reached");
        assert_eq!((theirs.len(), serving.take().await.expect("come").len()), (2, 2));
    }
}

/// Both call at the same time, and are put through to each other by somebody between, who hands the challenge of one and the proof of the other on.
#[tokio::test]
async fn two_that_call_are_not_taken_for_called_by_each_other() {
    let between = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = between.local_addr().expect("up");
    let answer = async |hello: [u8; 32], to: &mut TcpStream| {
        let mut claim = [0; PREFACE.len() + CLAIM];
        to.read_exact(&mut claim[..PREFACE.len()]).await.expect("a preface");
        to.write_all(&Hello { challenge: hello }.write()).await.expect("said");
        to.read_exact(&mut claim[PREFACE.len()..]).await.expect("a claim");
        Claim::read(claim.last_chunk().expect("long enough"))
    };
    let sender = Dialling::begin(&[address], key(1), Role::Sender, None, true);
    let (mut to_sender, _) = between.accept().await.expect("a call");
    let receiver = Dialling::begin(&[address], key(1), Role::Receiver, None, true);
    let (mut to_receiver, _) = between.accept().await.expect("a call");
    let senders = answer([3; 32], &mut to_sender).await;
    let receivers = answer(senders.challenge, &mut to_receiver).await;
    to_sender.write_all(receivers.proof.as_bytes()).await.expect("said");
    to_receiver.write_all(senders.proof.as_bytes()).await.expect("said");
    for calling in [sender, receiver] {
        let Unreached(tried) = calling.settle(1).await.expect_err("nobody was called");
        assert_eq!(tried, [Tried { address, why: "someone else answered".to_owned() }]);
    }
}

#[tokio::test]
async fn the_port_is_closed_when_all_have_come_and_when_the_attempt_is_over() {
    for complete in [true, false] {
        let (addresses, listening) = open();
        let serving = listening.serve(key(1), Role::Sender, 1);
        let theirs = if complete {
            Some(Dialling::begin(&addresses, key(1), Role::Receiver, None, true).settle(1).await.expect("reached"))
        } else {
            None
        };
        let kept = if complete {
            Some(serving.take().await.expect("come"))
        } else {
            drop(serving);
            None
        };
        timeout(PATIENCE, async { while TcpStream::connect(addresses[0]).await.is_ok() {} }).await.expect("closed");
        drop((theirs, kept));
    }
}

#[tokio::test]
async fn who_has_another_key_is_not_let_in_on_either_side() {
    let (addresses, listening) = open();
    let serving = listening.serve(key(1), Role::Sender, 1);
    let Unreached(tried) = Dialling::begin(&addresses, key(2), Role::Receiver, None, true).settle(1).await.expect_err("another key");
    assert_eq!(tried, [Tried { address: addresses[0], why: "closed without an answer".to_owned() }]);
    // The right one still comes in.
    let theirs = Dialling::begin(&addresses, key(1), Role::Receiver, None, true).settle(1).await.expect("reached");
    drop((theirs, serving.take().await.expect("come")));
}

#[tokio::test]
async fn somebody_else_at_the_address_of_the_sender_is_not_taken_for_it() {
    let (parrot, mute) = (TcpListener::bind("127.0.0.1:0").await.expect("a port"), TcpListener::bind("127.0.0.1:0").await.expect("a port"));
    let (parrot_at, mute_at) = (parrot.local_addr().expect("up"), mute.local_addr().expect("up"));
    let mut server = tokio::task::JoinSet::new();
    server.spawn(async move {
        let (mut stream, _) = parrot.accept().await.expect("a call");
        // It says hello, and gives our own proof back.
        stream.write_all(&Hello { challenge: [3; 32] }.write()).await.expect("said");
        let mut claim = [0; PREFACE.len() + 65];
        stream.read_exact(&mut claim).await.expect("a claim");
        stream.write_all(&claim[claim.len() - 32..]).await.expect("said");
        let rest = heard(stream).await;
        assert!(rest.is_empty(), "no more is said to a stranger");
    });
    let Unreached(tried) =
        Dialling::begin(&[mute_at, parrot_at], key(1), Role::Receiver, None, true).settle(1).await.expect_err("nobody there");
    server.join_next().await.expect("one").expect("called");
    let of = |address| tried.iter().find(|tried| tried.address == address).map(|tried| tried.why.as_str());
    assert_eq!((of(parrot_at), of(mute_at)), (Some("someone else answered"), Some("no answer")));
}

#[tokio::test]
async fn a_stranger_learns_nothing() {
    let (addresses, listening) = open();
    let serving = listening.serve(key(1), Role::Sender, 1);
    for said in [&b""[..], b"GET / HTTP/1.0\r\n\r\n", b"CKRL\x02\0\0\0"] {
        let mut stranger = TcpStream::connect(addresses[0]).await.expect("connected");
        stranger.write_all(said).await.expect("said");
        stranger.shutdown().await.expect("said");
        assert!(heard(stranger).await.is_empty(), "{said:?}");
    }
    // Nor does who speaks the protocol: a challenge, and no word on the proof.
    assert!(heard(claim(addresses[0], 0, &key(2)).await).await.is_empty());
    drop(serving);
}

#[tokio::test]
async fn an_index_is_proven_once_and_one_that_nobody_asked_for_never() {
    let (addresses, listening) = open();
    let serving = listening.serve(key(1), Role::Sender, 2);
    let mut first = claim(addresses[0], 0, &key(1)).await;
    let mut answer = [0; 32];
    first.read_exact(&mut answer).await.expect("an answer");
    assert!(heard(claim(addresses[0], 0, &key(1)).await).await.is_empty(), "a second one of the same index");
    for index in [2, 16, 255] {
        assert!(heard(claim(addresses[0], index, &key(1)).await).await.is_empty(), "{index}");
    }
    let mut second = claim(addresses[0], 1, &key(1)).await;
    second.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(serving.take().await.expect("come").len(), 2);
}

#[tokio::test]
async fn a_proof_is_good_for_one_challenge() {
    let (addresses, listening) = open();
    let serving = listening.serve(key(1), Role::Sender, 1);
    // What was said on one connection is said again on another.
    let stale = key(1).prove(&Call { caller: Role::Receiver, hello: [0; 32], claim: [1; 32], stream: 0 }, Role::Receiver);
    let mut connection = TcpStream::connect(addresses[0]).await.expect("connected");
    connection.write_all(&PREFACE).await.expect("said");
    connection.write_all(&Claim { stream: 0, challenge: [1; 32], proof: stale }.write()).await.expect("said");
    assert_eq!(heard(connection).await.len(), HELLO);
    drop(serving);
}

#[tokio::test]
async fn a_crowd_before_the_door_is_sent_away_and_who_is_silent_has_a_short_time() {
    let (addresses, listening) = open();
    let serving = listening.serve(key(1), Role::Sender, 1);
    let mut crowd = Vec::new();
    for _ in 0..64 {
        crowd.push(TcpStream::connect(addresses[0]).await.expect("connected"));
    }
    for silent in crowd {
        assert!(heard(silent).await.is_empty());
    }
    let theirs = Dialling::begin(&addresses, key(1), Role::Receiver, None, true).settle(1).await.expect("reached");
    drop((theirs, serving.take().await.expect("come")));
}

#[tokio::test]
async fn both_families_are_listened_for_and_called() {
    let listening = listener::listen_everywhere().expect("a port");
    let port = listening.local_addr().expect("up").port();
    let listening = Listening::around(listening, vec![[127, 0, 0, 1].into()]).expect("bound");
    assert_eq!(listening.addresses(), [SocketAddr::from(([127, 0, 0, 1], port))]);
    let serving = listening.serve(key(1), Role::Sender, 2);
    let mut answer = [0; 32];
    claim(SocketAddr::from(([127, 0, 0, 1], port)), 0, &key(1)).await.read_exact(&mut answer).await.expect("an answer by IPv4");
    // A machine may have no IPv6.
    let six = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port));
    if TcpListener::bind("[::1]:0").await.is_ok() {
        claim(six, 1, &key(1)).await.read_exact(&mut answer).await.expect("an answer by IPv6");
    }
    drop(serving);
}

#[tokio::test]
async fn the_way_that_cannot_be_is_told_address_by_address() {
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("up");
    let unreached = Dialling::begin(&[closed], key(1), Role::Receiver, None, true).settle(1).await.expect_err("nobody there");
    assert_eq!(unreached.to_string(), format!("tried {closed} (refused)"));
    let unreached = Dialling::begin(&[], key(1), Role::Receiver, None, true).settle(1).await.expect_err("nothing to try");
    assert_eq!(unreached.to_string(), "it named no address that this machine can try");
}
