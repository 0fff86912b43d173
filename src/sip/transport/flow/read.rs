//! The reading loop of a connection: bytes, frames, arrivals, and the time they may take.

use std::time::Instant;

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    time::{sleep, sleep_until},
};

use super::{
    super::{
        flows::{Aliases, Outgoing, Sender, Target, is_response},
        inner::{self, Inner},
    },
    Ends,
};
use crate::{
    clock,
    sip::{
        Address, Transport,
        framing::{Frame, Framer, FramingError, PONG, Unframed},
        node::Arrival,
    },
};

/// Bytes read at once. Small, for each open connection holds a buffer.
const PIECE: usize = 4096;

/// Bytes that are read and thrown away after an error, before the connection is reset.
const MAX_DISCARDED: usize = 256 * 1024;

/// Why reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The other end has nothing more to say.
    Eof,
    /// The connection broke.
    Lost,
    /// Nothing came for too long.
    Silent,
    /// A message did not come to its end in time.
    Slow,
    /// What came cannot be framed.
    Unframed,
    /// Writing failed, or the peer did not take what we wrote.
    WriteFailed,
    /// Nobody takes arrivals any more.
    Stopped,
}

pub(super) async fn run<R: AsyncRead + Unpin>(inner: &Inner, ends: &Ends<'_>, sender: &Sender, aliases: &Aliases, reader: &mut R) -> End {
    let mut framer = Framer::within(inner.limits.message);
    let mut piece = [0; PIECE];
    // Roles of one process may be silent for as long as they like.
    let watched = ends.from.transport != Transport::Local;
    let first = if ends.accepted { inner.limits.first_byte } else { inner.limits.idle };
    let quiet = sleep(first);
    tokio::pin!(quiet);
    loop {
        let due = framer.next_timeout();
        tokio::select! {
            read = reader.read(&mut piece) => match read {
                Ok(0) => return End::Eof,
                Ok(len) => {
                    quiet.set(sleep(inner.limits.idle));
                    framer.push(clock::now(), piece.get(..len).unwrap_or_default());
                }
                Err(_) => return End::Lost,
            },
            () = until(due), if due.is_some() => framer.handle_timeout(clock::now()),
            () = &mut quiet, if watched => {
                if !sender.shared.was_active() {
                    return End::Silent;
                }
                quiet.set(sleep(inner.limits.idle));
            }
        }
        if let Err(end) = drain(inner, ends, sender, aliases, &mut framer).await {
            return end;
        }
    }
}

/// Reads what nobody wants any more. Closing with bytes unread would reset the connection, and with it the answer that tells
/// the peer why.
pub(super) async fn discard<R: AsyncRead + Unpin>(reader: &mut R) {
    let mut piece = [0; PIECE];
    let mut left = MAX_DISCARDED;
    while let Ok(len @ 1..) = reader.read(&mut piece).await {
        left = match left.checked_sub(len) {
            Some(left) => left,
            None => return,
        };
    }
}

async fn until(due: Option<Instant>) {
    if let Some(due) = due {
        sleep_until(due.into()).await;
    }
}

async fn drain(inner: &Inner, ends: &Ends<'_>, sender: &Sender, aliases: &Aliases, framer: &mut Framer) -> Result<(), End> {
    loop {
        match framer.next() {
            Ok(None) => return Ok(()),
            Ok(Some(Frame::Message(bytes))) => take(inner, ends, sender, aliases, bytes).await?,
            // A full queue means that the peer has more to read than a pong.
            Ok(Some(Frame::Ping)) => drop(sender.send(Outgoing { bytes: Bytes::from_static(PONG), hop: None })),
            Ok(Some(Frame::Pong)) => {}
            Err(error) => return Err(refuse(ends, sender, &error)),
        }
    }
}

async fn take(inner: &Inner, ends: &Ends<'_>, sender: &Sender, aliases: &Aliases, bytes: Bytes) -> Result<(), End> {
    if let Some(tracer) = &inner.tracer {
        tracer.received(ends.from.transport, &ends.from.address, ends.to, &bytes);
    }
    if !is_response(&bytes) {
        learn_alias(ends, aliases, &bytes);
        if !bytes.starts_with(b"ACK ") {
            sender.shared.owes();
        }
    }
    let arrival = Arrival::Message { bytes, from: ends.from.clone(), peer: ends.peer.clone(), to: ends.to.clone() };
    if inner.deliver(arrival).await { Ok(()) } else { Err(End::Stopped) }
}

/// RFC 5923 §5: a peer that asks for it by `alias`, and whose certificate holds the name that its Via says, is sent our
/// requests by the connection that it opened. Without such a certificate anybody could take over anybody's requests.
fn learn_alias(ends: &Ends<'_>, aliases: &Aliases, bytes: &[u8]) {
    if !ends.accepted || ends.from.transport != Transport::Tls || aliases.is_learnt() {
        return;
    }
    let Some(via) = inner::top_via(bytes).filter(|via| via.param("alias").is_some() && via.transport == "TLS") else { return };
    let (name, port) = (inner::bare(&via), via.port_or_default());
    let Some(source) = ends.from.socket().filter(|_| ends.peer.is_host(&name)) else { return };
    let by_address = Address::Socket((source.ip(), port).into());
    let by_name = Address::Name { host: name.clone(), port };
    aliases.learn([by_address, by_name].map(|address| Target { transport: Transport::Tls, address, server_name: Some(name.clone()) }));
}

fn refuse(ends: &Ends<'_>, sender: &Sender, error: &FramingError) -> End {
    tracing::debug!(peer = %ends.from, why = %error, "the stream cannot be read on");
    if let Some(response) = &error.response {
        sender.shared.owes();
        drop(sender.send(Outgoing { bytes: response.to_bytes(), hop: None }));
    }
    match error.why {
        Unframed::Slow => End::Slow,
        _ => End::Unframed,
    }
}
