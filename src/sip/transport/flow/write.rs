//! The writing loop of a connection.

use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    sync::mpsc::Receiver,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        flows::{Outgoing, Shared},
        inner::Inner,
    },
    Ends,
};
use crate::sip::framing::PONG;

/// Writes what is queued until `closing` is cancelled and the queue is empty, then closes our side. A message that could not be
/// written is given back.
pub(super) async fn run<W: AsyncWrite>(
    inner: &Inner,
    ends: &Ends<'_>,
    shared: &Shared,
    queue: &mut Receiver<Outgoing>,
    writer: W,
    closing: &CancellationToken,
) -> Option<Outgoing> {
    tokio::pin!(writer);
    loop {
        let next = tokio::select! {
            biased;
            next = queue.recv() => next,
            () = closing.cancelled() => None,
        };
        let Some(outgoing) = next else { break };
        shared.taken(outgoing.bytes.len());
        // Before it leaves, so that no answer stands above it.
        trace(inner, ends, &outgoing);
        let written = timeout(inner.limits.write, async {
            writer.write_all(&outgoing.bytes).await?;
            writer.flush().await
        });
        match written.await {
            Ok(Ok(())) => note(inner, shared, &outgoing),
            Ok(Err(error)) => {
                tracing::debug!(peer = %ends.from, %error, "the connection takes no more");
                return Some(outgoing);
            }
            Err(_) => {
                inner.counters.timed_out.up();
                tracing::debug!(peer = %ends.from, "the peer does not read: closed");
                return Some(outgoing);
            }
        }
    }
    // A peer that is gone needs no farewell.
    let _ = timeout(inner.limits.flush, writer.shutdown()).await;
    None
}

fn trace(inner: &Inner, ends: &Ends<'_>, outgoing: &Outgoing) {
    if let Some(tracer) = inner.tracer.as_ref().filter(|_| outgoing.bytes != PONG) {
        tracer.sent(ends.from.transport, ends.to, &ends.from.address, &outgoing.bytes);
    }
}

fn note(inner: &Inner, shared: &Shared, outgoing: &Outgoing) {
    if outgoing.is_response() && outgoing.bytes.get(8).is_some_and(|digit| *digit >= b'2') {
        shared.answered();
    }
    inner.counters.messages_out.up();
}
