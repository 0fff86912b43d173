//! Who is let into a channel, and who may have one.

use std::net::SocketAddr;

use bytes::BytesMut;
use confkit::channel::{
    ChannelNumber, Nameplate, Place,
    client::{Connection, RelayError},
    wire::{
        ChannelKey, Decoder, Message, Reason, RefusalCode, Role,
        frame::PREFACE,
        letter::Letter,
        proof::{Admission, Purpose},
        request::{Apply, Enter, Join, Meet},
    },
};
use rand::RngExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use super::World;
use crate::{
    memory, metric,
    terminal::{self, Terminal, Waiting, next, open, rng},
    wire::another_host,
};

/// Says it, and is refused.
async fn refused(mut control: Connection, message: &Message) -> RefusalCode {
    control.tell(message);
    loop {
        match next(&mut control).await {
            Err(RelayError::Refused(refused)) => return refused.code,
            Err(error) => panic!("{error}"),
            Ok(Message::Met(_) | Message::Gone(_)) => {}
            Ok(other) => panic!("the relay says {}", other.kind().name()),
        }
    }
}

/// Two that are in a channel.
async fn pair(relay: &str) -> (Terminal, Terminal) {
    let sender = Waiting::new(relay).await;
    let (pass, code) = (sender.pass(), sender.code.clone());
    tokio::join!(async { sender.agree(pass).await.enter().await }, Terminal::receiver(relay, &code))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_a_replayed_proof_and_a_third_party_are_refused_and_those_in_the_channel_do_not_notice() {
    let world = World::new();
    let (mut sender, mut receiver) = pair(&world.relay).await;
    let (channel, key) = (sender.pass.channel, sender.pass.key.clone());

    // A wrong key, to enter and to join.
    let stranger = open(&world.relay).await;
    let wrong = ChannelKey::random(&mut rng());
    let entering = terminal::enter(&stranger, channel, &wrong, Role::Receiver);
    assert_eq!(refused(stranger, &entering).await, RefusalCode::WrongProof);
    let stranger = open(&world.relay).await;
    let purpose = Purpose::Join { seat: receiver.seat, stream: 0 };
    let proof = Admission { challenge: stranger.challenge(), channel, role: Role::Receiver, purpose }.prove(&wrong);
    let joining = Message::Join(Join { channel, seat: receiver.seat, stream: 0, proof, to: Vec::new() });
    assert_eq!(refused(stranger, &joining).await, RefusalCode::WrongProof);

    // A proof that was right, heard by somebody, on another connection; and the same as another role, seat, purpose.
    let (heard, replaying) = (open(&world.relay).await, open(&world.relay).await);
    let proof = terminal::enter(&heard, channel, &key, Role::Receiver);
    assert_eq!(refused(replaying, &proof).await, RefusalCode::WrongProof);
    let Message::Enter(Enter { proof, .. }) = proof else { panic!("an enter") };
    let as_sender = Message::Enter(Enter { channel, role: Role::Sender, proof, seat: None });
    assert_eq!(refused(heard, &as_sender).await, RefusalCode::WrongProof);
    let heard = open(&world.relay).await;
    let Message::Enter(Enter { proof, .. }) = terminal::enter(&heard, channel, &key, Role::Receiver) else { panic!("an enter") };
    let joining = Message::Join(Join { channel, seat: receiver.seat, stream: 0, proof, to: Vec::new() });
    assert_eq!(refused(heard, &joining).await, RefusalCode::WrongProof);

    // A third party with the right key, where the channel is for two; and a channel that there is not.
    let third = open(&world.relay).await;
    let entering = terminal::enter(&third, channel, &key, Role::Receiver);
    assert_eq!(refused(third, &entering).await, RefusalCode::Full);
    let third = open(&world.relay).await;
    let entering = terminal::enter(&third, ChannelNumber(channel.0 ^ 1), &key, Role::Receiver);
    assert_eq!(refused(third, &entering).await, RefusalCode::NoSuchChannel);
    // And at the place of their meeting, whose code is spent.
    let third = open(&world.relay).await;
    let meeting = Message::Meet(Meet { place: Place::Nameplate(rng_nameplate()), role: Role::Receiver, wait: false });
    assert_eq!(refused(third, &meeting).await, RefusalCode::NoSuchPlace);

    // Those in the channel go on.
    sender.tell(&Letter::Decline { why: "one".into() }).await;
    receiver.tell(&Letter::Decline { why: "two".into() }).await;
    assert_eq!(receiver.hear().await, Ok(Letter::Decline { why: "one".into() }));
    assert_eq!(sender.hear().await, Ok(Letter::Decline { why: "two".into() }));
    receiver.leave(Reason::Done).await;
}

fn rng_nameplate() -> Nameplate {
    Nameplate::new(rng().random_range(1000..999_999)).expect("a nameplate")
}

/// `fshare recv` with a sender that hands it the key of another channel: nothing to do with the code, so it is told what it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pass_with_a_wrong_channel_key_ends_with_3_and_leaves_nothing() {
    let world = World::new();
    let sender = Waiting::new(&world.relay).await;
    let mut pass = sender.pass();
    pass.key = ChannelKey::random(&mut rng());
    let code = sender.code.as_str().to_owned();
    let mut receiver = world.start(&world.relay, &["recv", &code, "--yes", "--output", "in"]);
    let _sender = sender.agree(pass).await;
    let (code, said) = receiver.end();
    assert_eq!(code, 3, "{said}");
    assert!(world.names("in").is_empty());
}

/// An application by a connection of its own, from an address of its own: the connection that holds the channel, or why there is none.
async fn apply_from(from: SocketAddr, relay: &str) -> Result<TcpStream, RefusalCode> {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(from).expect("an address");
    let mut stream = socket.connect(relay.parse().expect("an address")).await.expect("connected");
    let mut out = BytesMut::from(&PREFACE[..]);
    Message::Apply(Apply { ticket: None, peer: None, kind: None, receivers: 1, nameplate: None }).to_frame().write(&mut out);
    stream.write_all(&out).await.expect("sent");
    let mut decoder = Decoder::default();
    loop {
        while let Some(frame) = decoder.next_frame().expect("frames") {
            match Message::read(frame).expect("a message") {
                Message::Challenge(_) => {}
                Message::Allocated(_) => return Ok(stream),
                Message::Refused(refused) => return Err(refused.code),
                other => panic!("the relay says {}", other.kind().name()),
            }
        }
        assert!(stream.read_buf(decoder.room()).await.expect("read") > 0, "closed without a word");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_applications_by_one_user_get_what_one_user_may_have_and_others_theirs() {
    let world = World::with(&[("RELAYD_RELAY_CHANNELS_PER_USER", "20"), ("RELAYD_RELAY_APPLICATIONS_PER_MINUTE", "1000")]);
    let before = memory(&world.daemon);
    let (greedy, other) = (SocketAddr::new(another_host(), 0), SocketAddr::new(another_host(), 0));
    // Those that got one hold it, until their connections are closed at the end.
    let (mut held, mut quota, mut rate) = (Vec::new(), 0, 0);
    for _ in 0..20 {
        held.push(apply_from(greedy, &world.relay).await.expect("a channel"));
    }
    for _ in 0..3000 {
        match apply_from(greedy, &world.relay).await.map(|_| ()) {
            Err(RefusalCode::Quota) => quota += 1,
            Err(RefusalCode::Rate) => rate += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(quota >= 900 && rate >= 900, "{quota} by quota, {rate} by rate");
    assert_eq!(metric(&world.daemon, "confkit_relay_channels"), 20.0);
    assert!(apply_from(other, &world.relay).await.is_ok(), "somebody else gets a channel");
    let grown = memory(&world.daemon) - before;
    assert!(grown < 32.0, "{grown} MiB");
}
