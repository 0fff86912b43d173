//! A receiver's connection (S412): manifest, data as soon as it is there, hashes; what it acknowledges is noted. Nothing waits for it in memory but
//! the packet that it is being sent.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    ending::{End, Woken, heartbeat, part, together, wait},
    orders::Order,
    pace::Pace,
    packets::{Incoming, Moved, Outgoing},
    room::{Room, Seat},
    stats::add,
};
use crate::{
    fileshare::{
        file_server::plane::PlaneEvent,
        wire::{
            Failure, FailureCode, Kind, Route, Way,
            payload::{Acknowledgement, Welcome},
        },
    },
    transfer::spool::{SpoolError, SpoolReader},
};

/// Runs the connection to its end. `start`: the first data packet that the terminal lacks.
pub(super) async fn run<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    room: &Room,
    seat: &Seat,
    input: &mut Incoming<R>,
    output: &mut Outgoing<W>,
    start: u64,
) -> End {
    let (leave, moved) = (seat.leave.child_token(), output.moved.clone());
    let writing = async {
        match deliver(room, seat, output, start, &leave).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    };
    let (end, whole) = together(seat, &leave, listen(room, seat, input, start, &moved), writing).await;
    if whole {
        part(output, &end).await;
    }
    end
}

/// Takes what the terminal says until the connection ends.
async fn listen<R: AsyncRead + Unpin>(room: &Room, seat: &Seat, input: &mut Incoming<R>, start: u64, moved: &Moved) -> End {
    let route = Route { way: Way::ToServer, terminal: seat.admitted.terminal, batch: seat.admitted.batch };
    let patience = room.common.config.patience;
    // It may have come with more than is here: after a crash of ours, or from an earlier share of the same files.
    let brought = start.saturating_mul(u64::from(room.common.config.payload));
    // What this connection has acknowledged: an earlier one may have had more.
    let acknowledged_here = AtomicU64::new(0);
    loop {
        let next = tokio::select! {
            biased;
            next = input.next(None) => next,
            () = moved.stuck(&acknowledged_here, patience) => {
                let text = format!("nothing was acknowledged for {} seconds", patience.as_secs());
                return End::Fault(Failure::new(FailureCode::Unreachable, text));
            }
        };
        let packet = match next {
            Ok(Some(packet)) => packet,
            Ok(None) => return End::Broken,
            Err(error) => return End::of_read(&error),
        };
        if !route.carries(&packet.header) {
            return End::protocol("a packet of another terminal or batch came");
        }
        match packet.header.kind {
            Kind::Acknowledgement => {
                let acknowledged = match Acknowledgement::read(&packet.data) {
                    Ok(acknowledged) => acknowledged,
                    Err(error) => return End::protocol(error.to_string()),
                };
                let (written, there) = {
                    let stored = room.stored.borrow();
                    (stored.written(), stored.trailer.is_some())
                };
                if acknowledged.durable > written.max(brought) || (acknowledged.complete && !(there && acknowledged.durable == written)) {
                    return End::protocol("more is acknowledged than was sent");
                }
                seat.received.store(acknowledged.durable, Ordering::Relaxed);
                if acknowledged_here.fetch_max(acknowledged.durable, Ordering::Relaxed) < acknowledged.durable {
                    moved.touch();
                }
                if acknowledged.complete {
                    let (conf, member) = (room.conf.clone(), seat.admitted.member);
                    room.common.tell(PlaneEvent::Received { conf, member, bytes: acknowledged.durable }).await;
                    return End::Done;
                }
            }
            Kind::Heartbeat => {}
            Kind::Error | Kind::Cancel => return End::of_last(&packet),
            Kind::Data | Kind::Manifest | Kind::Challenge | Kind::Proof | Kind::Welcome | Kind::Trailer => {
                return End::protocol("a receiver does not send this packet");
            }
        }
    }
}

/// Sends everything, then signs of life until the terminal has acknowledged it or is gone.
async fn deliver<W: AsyncWrite + Unpin>(
    room: &Room,
    seat: &Seat,
    output: &mut Outgoing<W>,
    start: u64,
    leave: &CancellationToken,
) -> Result<std::convert::Infallible, End> {
    let payload = u64::from(room.common.config.payload);
    welcome(room, seat, output, start).await?;
    let manifest = until(room, seat, output, leave, |room| room.stored.borrow().manifest.as_ref().map(|m| m.whole.clone())).await?;
    output.whole(Kind::Manifest, &manifest).await.map_err(|_| End::Broken)?;

    // After a crash of ours the terminal may have more than we.
    let offset = start.saturating_mul(payload);
    let beginning = until(room, seat, output, leave, |room| {
        let stored = room.stored.borrow();
        // The last packet is short: whoever has all of them starts behind it.
        (stored.trailer.is_some() || stored.written() >= offset).then(|| stored.written().min(offset))
    })
    .await?;
    if start > beginning.div_ceil(payload) {
        return Err(End::protocol("the terminal asks for a packet behind the last"));
    }
    let mut data = Packets {
        reader: reader(room, seat, output, leave, beginning).await?,
        size: room.common.config.payload as usize,
        begun: BytesMut::new(),
    };
    let (mut sequence, mut offset, mut pace) = (start, beginning, Pace::new(room.paces.clone()));
    while let Some(packet) = data.next(room, seat, output, leave).await? {
        let length = u32::try_from(packet.len()).unwrap_or(0);
        let header = output.route.header(Kind::Data, room.stored.borrow().total, sequence, length);
        add(&room.common.stats.sent, u64::from(length));
        output.with_data(header, packet, Some(&mut pace)).await.map_err(|_| End::Broken)?;
        offset = offset.saturating_add(u64::from(length));
        output.moved.owe(offset);
        sequence = sequence.saturating_add(1);
        if leave.is_cancelled() {
            return Err(End::Dismissed(seat.why()));
        }
    }
    let trailer = until(room, seat, output, leave, |room| room.stored.borrow().trailer.clone()).await?;
    output.moved.owe(room.stored.borrow().written().saturating_add(1));
    output.whole(Kind::Trailer, &trailer).await.map_err(|_| End::Broken)?;
    until(room, seat, output, leave, |_| None::<std::convert::Infallible>).await
}

async fn welcome<W: AsyncWrite + Unpin>(room: &Room, seat: &Seat, output: &mut Outgoing<W>, start: u64) -> Result<(), End> {
    let config = &room.common.config;
    let (welcome, total) = {
        let stored = room.stored.borrow();
        let welcome = Welcome {
            proof: seat.admitted.proof,
            payload_size: config.payload,
            durable: stored.durable(),
            bytes_per_second: room.paces.each(),
            heartbeat_seconds: config.heartbeat_seconds(),
            has_manifest: stored.manifest.is_some(),
        };
        (welcome, stored.total)
    };
    if total != 0 && start > total {
        return Err(End::protocol("the terminal asks for a packet behind the last"));
    }
    output.control(Kind::Welcome, total, start, welcome.to_bytes()).await.map_err(|_| End::Broken)
}

/// Waits until there is something, with signs of life.
async fn until<W: AsyncWrite + Unpin, T>(
    room: &Room,
    seat: &Seat,
    output: &mut Outgoing<W>,
    leave: &CancellationToken,
    mut look: impl FnMut(&Room) -> Option<T>,
) -> Result<T, End> {
    let mut stored = room.stored.clone();
    loop {
        let mut spool = stored.borrow_and_update().spool.clone();
        if let Some(spool) = &mut spool {
            spool.mark_unchanged();
        }
        if let Some(found) = look(room) {
            return Ok(found);
        }
        if let Some(why) = &stored.borrow().failed {
            return Err(End::Dismissed(why.clone()));
        }
        match wait(&mut stored, spool.as_mut(), room.common.config.heartbeat, leave).await {
            Woken::Changed => {}
            Woken::Quiet => heartbeat(output).await?,
            Woken::Leave => return Err(End::Dismissed(seat.why())),
        }
    }
}

/// Asks the keeper for a reader, with signs of life: it may be waiting for its disk.
async fn reader<W: AsyncWrite + Unpin>(
    room: &Room,
    seat: &Seat,
    output: &mut Outgoing<W>,
    leave: &CancellationToken,
    offset: u64,
) -> Result<SpoolReader, End> {
    let (reply, answer) = oneshot::channel();
    let gone = || End::Dismissed(seat.why());
    let asked = async {
        room.orders.send(Order::Read { offset, reply }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| End::Dismissed(room.why_unanswered(seat)))
    };
    let mut asked = std::pin::pin!(asked);
    let read = loop {
        tokio::select! {
            biased;
            read = &mut asked => break read?,
            () = leave.cancelled() => return Err(gone()),
            () = sleep(room.common.config.heartbeat) => heartbeat(output).await?,
        }
    };
    read.map_err(|error| of_spool(room, seat, &error))
}

fn of_spool(room: &Room, seat: &Seat, error: &SpoolError) -> End {
    tracing::debug!(conf = %room.conf, %error, "a receiver gets nothing more");
    End::Dismissed(room.why_unanswered(seat))
}

/// The payloads of data packets, each of the fixed size but for the last.
struct Packets {
    reader: SpoolReader,
    size: usize,
    /// The beginning of a packet whose rest is not there yet.
    begun: BytesMut,
}

impl Packets {
    /// The next payload; `None` at the end of the complete stream.
    async fn next<W: AsyncWrite + Unpin>(
        &mut self,
        room: &Room,
        seat: &Seat,
        output: &mut Outgoing<W>,
        leave: &CancellationToken,
    ) -> Result<Option<Bytes>, End> {
        loop {
            let missing = self.size.saturating_sub(self.begun.len());
            let read = tokio::select! {
                biased;
                read = self.reader.next(missing) => read,
                () = leave.cancelled() => return Err(End::Dismissed(seat.why())),
                () = sleep(room.common.config.heartbeat) => {
                    heartbeat(output).await?;
                    continue;
                }
            };
            match read.map_err(|error| of_spool(room, seat, &error))? {
                // As it nearly always is: a whole packet, not copied.
                Some(bytes) if self.begun.is_empty() && bytes.len() == self.size => return Ok(Some(bytes)),
                Some(bytes) => {
                    self.begun.extend_from_slice(&bytes);
                    if self.begun.len() >= self.size {
                        return Ok(Some(self.begun.split().freeze()));
                    }
                }
                None if self.begun.is_empty() => return Ok(None),
                None => return Ok(Some(self.begun.split().freeze())),
            }
        }
    }
}
