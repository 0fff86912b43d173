//! One connection: a loop that reads, a loop that writes, and what happens at its end. TCP, TLS and in-process streams run
//! the very same code.
//!
//! When the other end stops sending, the connection stays for the answers that we owe it, for a bounded time; requests of
//! ours cannot be answered by it any more and are told of at once.

mod read;
mod write;

use std::{collections::BTreeSet, pin::Pin, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    flows::{Outgoing, Place, Shared},
    inner::Inner,
};
use crate::sip::{
    Address, Hop,
    node::{Arrival, PeerIdentity, SendFault},
};
use read::End;

/// A connection that is ready to carry messages.
#[derive(Debug)]
pub(super) struct Connection {
    /// The other end, with the number of this connection.
    pub(super) from: Hop,
    /// Our end.
    pub(super) to: Address,
    pub(super) peer: PeerIdentity,
    pub(super) place: Place,
    /// True when the other end opened it.
    pub(super) accepted: bool,
}

/// Carries messages until the connection ends, or everything stops.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Send>(inner: Arc<Inner>, mut connection: Connection, stream: S) {
    let closing = inner.stop.child_token();
    let shared = connection.place.sender.shared.clone();
    let (mut reader, writer) = tokio::io::split(stream);
    let mut undelivered = None;
    let end = {
        let Connection { from, to, peer, place, accepted } = &mut connection;
        let ends = Ends { from, to, peer, accepted: *accepted };
        let aliases = place.aliases();
        let write = write::run(&inner, &ends, &shared, &mut place.queue, writer, &closing);
        tokio::pin!(write);
        let mut done = false;
        let end = tokio::select! {
            end = read::run(&inner, &ends, &place.sender, &aliases, &mut reader) => end,
            left = &mut write => {
                done = true;
                undelivered = left;
                End::WriteFailed
            }
        };
        tracing::debug!(flow = place.id.0, peer = %from, ?end, "the connection is read no more");
        shared.deafen();
        if !inner.stop.is_cancelled() {
            tell(&inner, from, shared.take_asked(), &SendFault::Closed).await;
        }
        if !done {
            undelivered = wind_up(&inner, &end, &shared, write, &mut reader, &closing).await;
        }
        end
    };
    let Connection { from, place, .. } = connection;
    let left = place.vacate().await;
    if inner.stop.is_cancelled() {
        return;
    }
    match end {
        End::Silent | End::Slow => inner.counters.timed_out.up(),
        End::Unframed => inner.counters.unframed.up(),
        End::Eof | End::Lost | End::WriteFailed | End::Stopped => {}
    }
    pass_on(&inner, &from, undelivered.into_iter().chain(left)).await;
}

/// The two ends of a connection, for its loops.
struct Ends<'a> {
    from: &'a Hop,
    to: &'a Address,
    peer: &'a PeerIdentity,
    accepted: bool,
}

/// Lets the writing loop finish, as the way reading ended allows. Gives back a message that could not be written.
async fn wind_up<F: Future<Output = Option<Outgoing>>, R: AsyncRead + Unpin>(
    inner: &Inner,
    end: &End,
    shared: &Shared,
    mut write: Pin<&mut F>,
    reader: &mut R,
    closing: &CancellationToken,
) -> Option<Outgoing> {
    // What came in order before is still answered.
    let time = match end {
        End::Eof => Some(inner.limits.linger),
        End::Unframed | End::Slow => Some(inner.limits.flush),
        End::Lost | End::Silent | End::WriteFailed | End::Stopped => None,
    };
    if let Some(time) = time {
        let linger = sleep(time);
        tokio::pin!(linger);
        while !shared.is_settled() {
            tokio::select! {
                left = &mut write => return left,
                () = &mut linger => break,
                () = shared.settled.notified() => {}
            }
        }
    }
    closing.cancel();
    let left = timeout(inner.limits.flush, write).await.unwrap_or_default();
    if matches!(end, End::Unframed | End::Slow) {
        let _ = timeout(inner.limits.flush, read::discard(reader)).await;
    }
    left
}

/// Tells of the hops whose requests get no answer any more, and that the connection is closed.
async fn tell(inner: &Inner, from: &Hop, asked: BTreeSet<Hop>, why: &SendFault) {
    for hop in asked {
        if !inner.deliver(Arrival::Failed { hop, why: why.clone() }).await {
            return;
        }
    }
    if let Some(flow) = from.flow {
        inner.deliver(Arrival::Closed { flow, peer: from.address.clone() }).await;
    }
}

/// What was left in the queue: answers go by a new connection (RFC 3261 §18.2.2), requests have failed.
async fn pass_on(inner: &Arc<Inner>, from: &Hop, left: impl Iterator<Item = Outgoing>) {
    let mut failed = BTreeSet::new();
    for outgoing in left {
        let Some(hop) = outgoing.hop.clone() else { continue };
        if outgoing.is_response() && from.flow.is_some_and(|id| !super::flows::is_ours(id)) {
            if inner.answer_anew(from, outgoing).is_err() {
                failed.insert(hop);
            }
        } else {
            failed.insert(hop);
        }
    }
    for hop in failed {
        if !inner.deliver(Arrival::Failed { hop, why: SendFault::Closed }).await {
            return;
        }
    }
}

/// The connection could not be made: tells of every hop in its queue.
pub(super) async fn give_up(inner: &Inner, place: Place, why: &SendFault) {
    let hops: BTreeSet<Hop> = place.vacate().await.into_iter().filter_map(|outgoing| outgoing.hop).collect();
    for hop in hops {
        if !inner.deliver(Arrival::Failed { hop, why: why.clone() }).await {
            return;
        }
    }
}
