//! Terminals that use a channel of a relay, and say nothing of what they carry: as sender and receiver do it, without sealing and without files.

use std::{net::TcpStream, time::Duration};

use bytes::BytesMut;
use confkit::channel::{
    ChannelNumber, Peer,
    client::{Connection, RelayError},
    wire::{
        ChannelKey, Message, Reason, Role,
        answer::Allocated,
        proof::{Admission, Purpose},
        request::{Apply, Enter, Join, Leave},
    },
};

use crate::bare::runtime;

/// How long the relay may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

pub async fn open(relay: &str) -> Result<Connection, RelayError> {
    Connection::open(&vec![relay.to_owned()].into(), PATIENCE).await
}

/// Applies for a channel without a nameplate.
pub async fn apply(control: &mut Connection) -> Result<Allocated, RelayError> {
    control.tell(&Message::Apply(Apply { ticket: None, peer: None, kind: None, receivers: 1, nameplate: None }));
    match control.next().await? {
        Message::Allocated(allocated) => Ok(allocated),
        other => panic!("the relay says {}", other.kind().name()),
    }
}

/// Enters it. Gives the seat.
pub async fn enter(control: &mut Connection, channel: ChannelNumber, key: &ChannelKey, role: Role) -> Result<Peer, RelayError> {
    let purpose = Purpose::Enter { seat: Peer::SENDER };
    let proof = Admission { challenge: control.challenge(), channel, role, purpose }.prove(key);
    control.tell(&Message::Enter(Enter { channel, role, proof, seat: None }));
    match control.next().await? {
        Message::Entered(entered) => Ok(entered.seat),
        other => panic!("the relay says {}", other.kind().name()),
    }
}

/// Waits, as the sender, until a receiver is in the channel. Gives its seat.
pub async fn receiver(control: &mut Connection) -> Result<Peer, RelayError> {
    loop {
        if let Message::Met(met) = control.next().await? {
            return Ok(met.peer);
        }
    }
}

/// Joins with a data connection: of the sender's seat for `to`, or of a receiver's, who may have got the first bytes with the answer.
pub async fn join(
    relay: &str,
    channel: ChannelNumber,
    key: &ChannelKey,
    seat: Peer,
    to: Vec<Peer>,
) -> Result<(tokio::net::TcpStream, BytesMut), RelayError> {
    let mut data = open(relay).await?;
    let role = if seat == Peer::SENDER { Role::Sender } else { Role::Receiver };
    let purpose = Purpose::Join { seat, stream: 0 };
    let proof = Admission { challenge: data.challenge(), channel, role, purpose }.prove(key);
    data.tell(&Message::Join(Join { channel, seat, stream: 0, proof, to }));
    match data.next().await? {
        Message::Joined => data.into_stream().await,
        other => panic!("the relay says {}", other.kind().name()),
    }
}

/// Blocking reads and writes, as the programs beside it do them.
fn blocking(stream: tokio::net::TcpStream) -> TcpStream {
    let stream = stream.into_std().expect("a socket");
    stream.set_nonblocking(false).expect("an option");
    stream
}

/// Makes a channel, prints its number and key, and has `work` done with the data connection; ends when the receiver has left.
pub fn as_sender(relay: &str, work: impl FnOnce(TcpStream)) {
    runtime().block_on(async {
        let mut control = open(relay).await.expect("a relay");
        let Allocated { channel, key, .. } = apply(&mut control).await.expect("a channel");
        enter(&mut control, channel, &key, Role::Sender).await.expect("the channel is ours");
        println!("{channel} {}", *key.reveal());
        let to = receiver(&mut control).await.expect("a receiver");
        let (stream, _) = join(relay, channel, &key, Peer::SENDER, vec![to]).await.expect("joined");
        tokio::task::block_in_place(|| work(blocking(stream)));
        while !matches!(control.next().await.expect("the relay is there"), Message::Gone(_)) {}
    });
}

/// Has `work` done with the data connection of a receiver, and leaves.
pub fn as_receiver(relay: &str, channel: &str, key: &str, work: impl FnOnce(TcpStream, &[u8])) {
    let (channel, key) = (channel.parse().expect("a channel"), key.parse().expect("its key"));
    runtime().block_on(async {
        let mut control = open(relay).await.expect("a relay");
        let seat = enter(&mut control, channel, &key, Role::Receiver).await.expect("the channel is there");
        let (stream, first) = join(relay, channel, &key, seat, Vec::new()).await.expect("joined");
        tokio::task::block_in_place(|| work(blocking(stream), &first));
        control.tell(&Message::Leave(Leave::new(Reason::Done, "")));
        control.flush().await.expect("the relay is there");
    });
}
