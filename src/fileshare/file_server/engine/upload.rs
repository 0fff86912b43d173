//! A sharer's connection (S405): packets come in and go to the keeper; what is on disk is acknowledged.

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
};
use tokio_util::sync::CancellationToken;

use super::{
    ending::{End, Woken, heartbeat, part, together, wait},
    orders::{Begun, Order},
    pace::Pace,
    packets::{Incoming, Outgoing},
    room::{Room, Seat},
    stats::add,
};
use crate::fileshare::wire::{
    Failure, FailureCode, Kind, Route, Way,
    flow::Flow,
    packet::MAX_PAYLOAD,
    payload::{Acknowledgement, Welcome},
};

/// Runs the connection to its end.
pub(super) async fn run<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    room: &Room,
    seat: &Seat,
    input: &mut Incoming<R>,
    output: &mut Outgoing<W>,
) -> End {
    let (reply, begun) = oneshot::channel();
    let order = Order::Begin { connection: seat.number, batch: seat.admitted.batch, reply };
    let begun = async {
        room.orders.send(order).await.ok()?;
        begun.await.ok()
    };
    let begun = tokio::select! {
        begun = begun => begun.ok_or_else(|| room.why_unanswered(seat)),
        () = seat.leave.cancelled() => Err(seat.why()),
    };
    let begun = match begun {
        Ok(begun) => begun,
        Err(why) => {
            let end = End::Dismissed(why);
            part(output, &end).await;
            return end;
        }
    };
    let leave = seat.leave.child_token();
    input.decoder.set_limit(MAX_PAYLOAD);
    let (end, whole) = together(seat, &leave, receive(room, seat, input, begun), acknowledge(room, seat, output, begun, &leave)).await;
    if whole {
        part(output, &end).await;
    }
    end
}

/// Takes packets until the connection ends.
async fn receive<R: AsyncRead + Unpin>(room: &Room, seat: &Seat, input: &mut Incoming<R>, begun: Begun) -> End {
    let config = &room.common.config;
    let next = begun.written.div_ceil(u64::from(config.payload));
    let route = Route { way: Way::ToServer, terminal: seat.admitted.terminal, batch: seat.admitted.batch };
    let mut flow = Flow::new(route.batch, config.payload, next);
    let lists = &room.common.lists;
    let (mut manifest, mut trailer) = (lists.gather(Kind::Manifest), lists.gather(Kind::Trailer));
    let mut pace = Pace::new(room.paces.clone());
    let connection = seat.number;
    loop {
        let packet = match input.next(Some(&mut pace)).await {
            Ok(Some(packet)) => packet,
            Ok(None) => return End::Broken,
            Err(error) => return End::of_read(&error),
        };
        let header = packet.header;
        if !route.carries(&header) {
            return End::protocol("a packet of another terminal or batch came");
        }
        let order = match header.kind {
            Kind::Data => {
                if let Err(error) = flow.take(&header) {
                    return End::Fault(Failure::new(error.code(), error.to_string()));
                }
                let known = room.stored.borrow().total;
                if header.total != 0 && known != 0 && header.total != known {
                    return End::protocol(format!("the batch has {known} packets, a packet says {}", header.total));
                }
                Order::Data { connection, total: header.total, data: packet.data }
            }
            Kind::Manifest | Kind::Trailer => {
                let parts = if header.kind == Kind::Manifest { &mut manifest } else { &mut trailer };
                match parts.take(&packet) {
                    Ok(Some(whole)) if header.kind == Kind::Manifest => Order::Manifest { connection, whole },
                    Ok(Some(whole)) => Order::Trailer { connection, whole },
                    Ok(None) => continue,
                    // Not the terminal's fault: it may come again.
                    Err(why) if why.code == FailureCode::Busy => {
                        add(&room.common.stats.refused_lists, 1);
                        return End::Dismissed(why);
                    }
                    Err(why) => return End::Fault(why),
                }
            }
            Kind::Heartbeat => continue,
            Kind::Error | Kind::Cancel => return End::of_last(&packet),
            Kind::Challenge | Kind::Proof | Kind::Welcome | Kind::Acknowledgement => {
                return End::protocol("a sharer does not send this packet");
            }
        };
        if room.orders.send(order).await.is_err() {
            return End::Dismissed(seat.why());
        }
    }
}

/// Welcomes the sharer, and acknowledges what is on disk until all is.
async fn acknowledge<W: AsyncWrite + Unpin>(
    room: &Room,
    seat: &Seat,
    output: &mut Outgoing<W>,
    begun: Begun,
    leave: &CancellationToken,
) -> End {
    let config = &room.common.config;
    let payload = u64::from(config.payload);
    let mut stored = room.stored.clone();
    let (total, mut told) = {
        let stored = stored.borrow_and_update();
        (stored.total, stored.durable())
    };
    let welcome = Welcome {
        proof: seat.admitted.proof,
        payload_size: config.payload,
        durable: told,
        bytes_per_second: room.paces.each(),
        heartbeat_seconds: config.heartbeat_seconds(),
        has_manifest: begun.has_manifest,
    };
    if output.control(Kind::Welcome, total, begun.written.div_ceil(payload), welcome.to_bytes()).await.is_err() {
        return End::Broken;
    }
    let mut complete = begun.complete;
    loop {
        let (durable, total) = {
            let stored = stored.borrow_and_update();
            if let Some(why) = &stored.failed {
                return End::Dismissed(why.clone());
            }
            complete |= stored.trailer.is_some();
            (stored.durable(), stored.total)
        };
        seat.received.store(durable, std::sync::atomic::Ordering::Relaxed);
        if durable != told || complete {
            told = durable;
            let sequence = if complete { durable.div_ceil(payload) } else { durable.checked_div(payload).unwrap_or(0) };
            // After a crash whole packets are gone on with, so no more is promised before all is there.
            let durable = if complete { durable } else { sequence.saturating_mul(payload) };
            let acknowledgement: Bytes = Acknowledgement { durable, complete }.to_bytes();
            if output.control(Kind::Acknowledgement, total, sequence, acknowledgement).await.is_err() {
                return End::Broken;
            }
        }
        if complete {
            return End::Done;
        }
        match wait(&mut stored, None, config.heartbeat, leave).await {
            Woken::Changed => {}
            Woken::Quiet => {
                if let Err(end) = heartbeat(output).await {
                    return end;
                }
            }
            Woken::Leave => return End::Dismissed(seat.why()),
        }
    }
}
