//! A copying that the machine has ordered: takes the connections over, copies, and tells how it goes.

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::{interval, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    actor::Input,
    fan::{self, to_many},
    memory::Budget,
    meter::Meter,
    pump::{Ended, TURN, to_one},
};
use crate::channel::{
    ChannelNumber, Peer,
    relay::{ConnectionId, Flow, Leg},
};

/// How often the machine hears of it.
const TELL: Duration = Duration::from_secs(1);
/// How long a connection may take to be handed over: it has at most a few frames to write.
const HAND_OVER: Duration = Duration::from_secs(5);

/// A connection to be taken over.
pub(super) struct Taken {
    pub(super) id: ConnectionId,
    /// Where it comes.
    pub(super) stream: oneshot::Receiver<(TcpStream, BytesMut)>,
    /// Cancelled when the machine has closed it.
    pub(super) over: CancellationToken,
}

/// See the [module](self).
pub(super) struct Copying {
    pub(super) channel: ChannelNumber,
    pub(super) stream: u8,
    pub(super) from: Taken,
    pub(super) to: Vec<(Peer, Taken)>,
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) budget: Arc<Budget>,
}

impl Taken {
    /// The stream; none where it broke before.
    async fn take(self) -> Option<(TcpStream, CancellationToken)> {
        match timeout(HAND_OVER, self.stream).await {
            // A sender that did not wait for `joined` has sent what we cannot place.
            Ok(Ok((stream, rest))) if rest.is_empty() => Some((stream, self.over)),
            _ => None,
        }
    }
}

/// One receiver, as it is told of.
struct Watched {
    seat: Peer,
    id: ConnectionId,
    meter: Arc<Meter>,
    bytes: u64,
    waited: Duration,
}

impl Copying {
    /// Copies until it is over, and tells the machine.
    pub(super) async fn run(self) {
        let Self { channel, stream, from, to, inputs, budget } = self;
        let from_id = from.id;
        let broken = |id| Input::Closed { id };
        // The machine may be over: then nobody needs to know.
        let Some((mut from, from_over)) = from.take().await else { return drop(inputs.send(broken(from_id)).await) };
        let (mut watched, mut receivers) = (Vec::new(), Vec::new());
        for (seat, taken) in to {
            let id = taken.id;
            match taken.take().await {
                Some((stream, over)) => {
                    let meter = Arc::<Meter>::default();
                    watched.push(Watched { seat, id, meter: Arc::clone(&meter), bytes: 0, waited: Duration::ZERO });
                    receivers.push(fan::Receiver { stream, meter, over });
                }
                None => drop(inputs.send(broken(id)).await),
            }
        }
        // Each goes once.
        let (gone, mut left) = mpsc::channel(receivers.len().max(1));
        let copy = async {
            match <[fan::Receiver; 1]>::try_from(receivers) {
                Ok([mut one]) => tokio::select! {
                    ended = to_one(&mut from, &mut one.stream, &one.meter, &budget, TURN) => {
                        if ended == Ended::Receivers {
                            let _ = gone.try_send(0);
                        }
                        Some(ended)
                    }
                    () = one.over.cancelled() => None,
                },
                Err(several) => {
                    // Whoever goes last is told of below.
                    let tell = |at, _| _ = gone.try_send(at);
                    Some(to_many(&from, several, &budget, tell).await)
                }
            }
        };
        let mut copy = std::pin::pin!(copy);
        let mut tick = interval(TELL);
        let ended = loop {
            tokio::select! {
                ended = &mut copy => break ended,
                () = from_over.cancelled() => break None,
                Some(at) = left.recv() => if let Some(receiver) = watched.get(at) {
                    let _ = inputs.send(broken(receiver.id)).await;
                },
                _ = tick.tick() => {
                    let _ = inputs.send(Input::Flow { channel, stream, flow: told(&mut watched) }).await;
                }
            }
        };
        let _ = inputs.send(Input::Flow { channel, stream, flow: told(&mut watched) }).await;
        while let Ok(at) = left.try_recv() {
            if let Some(receiver) = watched.get(at) {
                let _ = inputs.send(broken(receiver.id)).await;
            }
        }
        let last = match ended {
            Some(Ended::Complete) => Input::Pumped { channel, stream },
            Some(Ended::Sender(_)) => broken(from_id),
            Some(Ended::Receivers) | None => return,
        };
        let _ = inputs.send(last).await;
    }
}

/// What was done since the last time.
fn told(watched: &mut [Watched]) -> Flow {
    let mut flow = Flow::default();
    for receiver in watched {
        let (bytes, waited) = (receiver.meter.bytes(), receiver.meter.waited());
        let took = bytes - receiver.bytes;
        flow.bytes += took;
        let since = waited.saturating_sub(receiver.waited);
        flow.legs.push(Leg { seat: receiver.seat, bytes: took, waited: since, behind: since >= TELL.mul_f32(0.9) });
        (receiver.bytes, receiver.waited) = (bytes, waited);
    }
    flow
}
