//! Connections as they come: whether somebody may knock, the TLS handshake, challenge and proof, and then the transfer.
//!
//! A connection that nobody declared is closed at once. What has knocked has a short time to prove itself, and there is room for few of these,
//! and for fewer from one address: when it is used up, the oldest of the address that has the most has to go. So strangers who hold sockets open
//! disturb nobody, but for members at their own address.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::RngExt as _;
use rand_chacha::{ChaCha12Rng, rand_core::SeedableRng as _};
use tokio::{
    io::{AsyncRead, AsyncWrite, BufReader},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_rustls::server::TlsStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    download,
    ending::{End, LAST},
    packets::{Incoming, Outgoing},
    room::{Room, Seat},
    stats::add,
    tls::Tls,
    upload,
};
use crate::{
    clock,
    fileshare::{
        BatchId,
        file_server::{admission::Turned, plane::PlaneEvent},
        wire::{
            Decoder, Failure, Kind, Route, Way,
            packet::{MAX_CONTROL, canonical},
            payload::{Challenge, Proof},
            proof::{Binding, EXPORTER_LABEL, Role},
        },
    },
};

/// Most connections of one data conference that have not proved themselves yet. For one more, the oldest of the address with the most is closed.
pub(super) const MAX_PENDING: usize = 128;
/// Most of them from one address (IPv6: from one /64). For one more, its oldest is closed.
pub(super) const MAX_PENDING_EACH: usize = 64;
/// How long nothing is accepted when the system has no descriptor left.
const EXHAUSTED: Duration = Duration::from_millis(100);
/// What is read from the socket at once on the way to TLS, in bytes: of a sharer, of others.
const READ: (usize, usize) = (256 * 1024, 8 * 1024);
/// Plaintext that TLS takes in before it has to be sent, in bytes. With a packet, what a receiver costs.
const UNSENT: usize = 128 * 1024;

/// Those who have not proved themselves yet, oldest first.
#[derive(Debug, Default)]
pub(super) struct Pending {
    next: AtomicU64,
    waiting: Mutex<VecDeque<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    whence: IpAddr,
    token: CancellationToken,
}

impl Pending {
    fn enter(&self, over: &CancellationToken, remote: IpAddr) -> (u64, CancellationToken) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (token, whence) = (over.child_token(), whence(remote));
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts = BTreeMap::<IpAddr, usize>::new();
        for other in waiting.iter() {
            let count = counts.entry(other.whence).or_default();
            *count = count.saturating_add(1);
        }
        let crowd = if counts.get(&whence).is_some_and(|count| *count >= MAX_PENDING_EACH) {
            Some(whence)
        } else if waiting.len() >= MAX_PENDING {
            counts.into_iter().max_by_key(|(_, count)| *count).map(|(crowd, _)| crowd)
        } else {
            None
        };
        let oldest = crowd.and_then(|crowd| waiting.iter().position(|other| other.whence == crowd));
        if let Some(oldest) = oldest.and_then(|at| waiting.remove(at)) {
            oldest.token.cancel();
        }
        waiting.push_back(Waiting { number, whence, token: token.clone() });
        (number, token)
    }

    fn leave(&self, number: u64) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).retain(|waiting| waiting.number != number);
    }
}

/// What counts as one address: of IPv6, the network, as a host has all of it.
fn whence(remote: IpAddr) -> IpAddr {
    match remote.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        ip @ IpAddr::V4(_) => ip,
    }
}

/// Accepts connections until `closed` is cancelled.
pub(super) async fn accept(
    room: Arc<Room>,
    listener: TcpListener,
    tls: Option<Tls>,
    pending: Arc<Pending>,
    tasks: TaskTracker,
    closed: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = closed.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(conf = %room.conf, %error, "a connection cannot be accepted");
                sleep(EXHAUSTED).await;
                continue;
            }
        };
        let knock = room.at_door(|door| door.knock(remote));
        let Ok(role) = knock else {
            add(&room.common.stats.strangers, 1);
            tracing::debug!(conf = %room.conf, %remote, "closed: nobody declared this address and port");
            continue;
        };
        let (number, token) = pending.enter(&room.over, remote.ip());
        let (room, tls, pending) = (room.clone(), tls.clone(), pending.clone());
        tasks.spawn(async move {
            let done = || pending.leave(number);
            Box::pin(greet(&room, stream, remote, role, tls, &token, done)).await;
            pending.leave(number);
        });
    }
}

/// From the connection to its end.
async fn greet(
    room: &Room,
    stream: TcpStream,
    remote: SocketAddr,
    role: Option<Role>,
    tls: Option<Tls>,
    token: &CancellationToken,
    proved: impl Fn(),
) {
    // What small packets there are should not wait for each other.
    let _ = stream.set_nodelay(true);
    let deadline = room.common.config.handshake;
    let Some(tls) = tls else {
        return converse(room, stream, remote, Binding::Plain, deadline, token, proved).await;
    };
    let stream = BufReader::with_capacity(if role == Some(Role::Upload) { READ.0 } else { READ.1 }, stream);
    let started = clock::now();
    let shaken = tokio::select! {
        shaken = timeout(deadline, tls.acceptor.accept(stream)) => shaken,
        () = token.cancelled() => return unfinished(room, remote, "it had to make room"),
    };
    let mut stream: TlsStream<BufReader<TcpStream>> = match shaken {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return unfinished(room, remote, &error.to_string()),
        Err(_) => return unfinished(room, remote, "it took too long"),
    };
    let session = stream.get_mut().1;
    session.set_buffer_limit(Some(UNSENT));
    let binding = match session.export_keying_material([0; 32], EXPORTER_LABEL, None) {
        Ok(exported) => Binding::Exporter(exported),
        Err(error) => return unfinished(room, remote, &error.to_string()),
    };
    let left = deadline.saturating_sub(clock::now().duration_since(started));
    converse(room, stream, remote, binding, left, token, proved).await;
}

/// Challenge, proof, transfer.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    room: &Room,
    stream: S,
    remote: SocketAddr,
    binding: Binding,
    deadline: Duration,
    token: &CancellationToken,
    proved: impl Fn(),
) {
    let (input, output) = tokio::io::split(stream);
    let mut input = Incoming::new(input, Decoder::new(Way::ToServer, MAX_CONTROL), room.common.config.stall());
    // Whoever it is, and whatever the batch: the challenge says what is known.
    let batch = room.at_door(|door| door.batch()).unwrap_or(BatchId(0));
    let mut output = Outgoing::new(output, Route { way: Way::ToTerminal, terminal: canonical(remote), batch }, room.common.config.patience);
    let nonce = ChaCha12Rng::from_seed(clock::seed()).random();
    let asked = async {
        output.control(Kind::Challenge, 0, 0, Challenge { nonce }.to_bytes()).await.map_err(|error| error.to_string())?;
        match input.next(None).await {
            Ok(Some(packet)) if packet.header.kind == Kind::Proof => {
                Proof::read(&packet.data).map(|proof| (packet.header, proof)).map_err(|error| error.to_string())
            }
            Ok(Some(_)) => Err("its first packet was no proof".to_owned()),
            Ok(None) => Err("it went without a proof".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    };
    let asked = tokio::select! {
        asked = timeout(deadline, asked) => asked,
        () = token.cancelled() => return unfinished(room, remote, "it had to make room"),
    };
    let (header, proof) = match asked {
        Ok(Ok(asked)) => asked,
        Ok(Err(why)) => return unfinished(room, remote, &why),
        Err(_) => return unfinished(room, remote, "it took too long"),
    };
    let seat = match room.take_seat(remote, &header, &proof, &nonce, binding) {
        Ok(seat) => seat,
        Err(turned) => {
            add(&room.common.stats.unproved, 1);
            tracing::warn!(conf = %room.conf, %remote, why = %turned, "closed");
            return turn_away(&mut output, turned).await;
        }
    };
    proved();
    let (conf, member) = (room.conf.clone(), seat.admitted.member);
    output.route = Route { way: Way::ToTerminal, terminal: seat.admitted.terminal, batch: seat.admitted.batch };
    room.common.tell(PlaneEvent::Connected { conf: conf.clone(), member }).await;
    tracing::info!(%conf, %member, %remote, "connected");
    let end = match seat.admitted.role {
        Role::Upload => Box::pin(upload::run(room, &seat, &mut input, &mut output)).await,
        Role::Download => Box::pin(download::run(room, &seat, &mut input, &mut output, header.sequence)).await,
    };
    let broken = matches!(end, End::Broken);
    ended(room, &seat, end).await;
    if !broken {
        input.drain(LAST).await;
    }
}

/// Tells the machine how a connection ended, where it does not know.
async fn ended(room: &Room, seat: &Seat, end: End) {
    let (conf, member) = (room.conf.clone(), seat.admitted.member);
    tracing::info!(%conf, %member, ?end, "connection ended");
    if let End::Fault(_) = end {
        add(&room.common.stats.faults, 1);
    }
    if !room.leave_seat(seat) {
        return;
    }
    let why = match end {
        End::Fault(why) => Some(why),
        End::GaveUp(why) => {
            room.common.tell(PlaneEvent::GaveUp { conf: conf.clone(), member, why }).await;
            None
        }
        End::Dismissed(_) | End::Broken | End::Done => None,
    };
    room.common.tell(PlaneEvent::Broken { conf, member, why }).await;
}

fn unfinished(room: &Room, remote: SocketAddr, why: &str) {
    add(&room.common.stats.unfinished, 1);
    tracing::debug!(conf = %room.conf, %remote, why, "closed before it proved itself");
}

async fn turn_away<W: AsyncWrite + Unpin>(output: &mut Outgoing<W>, turned: Turned) {
    /// How long whoever is turned away is talked to.
    const PATIENCE: Duration = Duration::from_secs(1);
    let Some(why): Option<Failure> = turned.failure() else { return };
    let words = async {
        // Whoever has gone need not hear it.
        let _ = output.give_up(&why).await;
        output.finish().await;
    };
    let _ = timeout(PATIENCE, words).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_at_many_addresses_make_room_among_themselves() {
        let (pending, over) = (Pending::default(), CancellationToken::new());
        let (_, member) = pending.enter(&over, [192, 0, 2, 1].into());
        let strangers: Vec<_> = (0..5000_u32).map(|n| pending.enter(&over, [198, 51, 100, (n % 20) as u8].into()).1).collect();
        assert!(!member.is_cancelled());
        assert_eq!(strangers.iter().filter(|token| !token.is_cancelled()).count(), MAX_PENDING - 1);
        let (_, late) = pending.enter(&over, [192, 0, 2, 2].into());
        assert!(!late.is_cancelled() && !member.is_cancelled());
    }

    #[test]
    fn one_network_has_a_bound_of_its_own() {
        let (pending, over) = (Pending::default(), CancellationToken::new());
        let tokens: Vec<_> = (0..100_u16).map(|n| pending.enter(&over, Ipv6Addr::new(0x2001, 0xdb8, 0, 0, n, 0, 0, 1).into()).1).collect();
        assert_eq!(tokens.iter().filter(|token| !token.is_cancelled()).count(), MAX_PENDING_EACH);
        assert!(tokens.first().is_some_and(CancellationToken::is_cancelled), "the oldest had to go");
    }
}
