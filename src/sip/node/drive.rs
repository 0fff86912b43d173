//! The one loop between a node and the world.

use std::time::{Duration, Instant};

use tokio::{
    sync::mpsc::Receiver,
    time::{Sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{Arrival, Node, backlog::Backlog};
use crate::{clock, sip::transport::Transports};

/// Most arrivals taken before commands and timers get their turn.
pub const BATCH: usize = 64;

/// How long the end of the loop waits for what has not left.
const FLUSH: Duration = Duration::from_secs(2);

/// Runs `node` until it has finished, `token` is cancelled, or the transports are gone, and gives it back. What the node had
/// to send when the end came has been handed to the transports, which deliver it as they shut down.
///
/// After everything handed to the node, all it wants to send is taken from it; a message that cannot be sent comes back to it
/// as [`Arrival::Failed`] before anything else. What a full queue does not take waits here until there is room. When all senders of commands are gone the loop goes on without.
pub async fn drive<N: Node>(
    mut node: N,
    transports: Transports,
    mut arrivals: Receiver<Arrival>,
    mut commands: Receiver<N::Command>,
    token: CancellationToken,
) -> N {
    let mut batch = Vec::with_capacity(BATCH);
    let mut commanded = true;
    let mut alarm = Alarm::new();
    let mut retry = Alarm::new();
    let mut backlog = Backlog::new();
    transmit(&mut node, &transports, &mut backlog, &mut batch);
    loop {
        // Failures of the last round; each may make the node send once more, but only a round later, so that a node that tries
        // again at once cannot hold the loop.
        for failure in std::mem::take(&mut batch) {
            node.handle_arrival(clock::now(), failure);
            transmit(&mut node, &transports, &mut backlog, &mut batch);
        }
        if node.finished() || token.is_cancelled() {
            flush(backlog, &transports).await;
            return node;
        }
        if !batch.is_empty() {
            tokio::task::yield_now().await;
            continue;
        }
        alarm.set(node.next_timeout());
        retry.set(backlog.next_try());
        let mut arrived = Vec::new();
        tokio::select! {
            () = token.cancelled() => continue,
            () = alarm.rings() => node.handle_timeout(clock::now()),
            () = retry.rings() => backlog.retry(clock::now(), |hop, bytes| transports.send(hop, bytes), &mut batch),
            count = arrivals.recv_many(&mut arrived, BATCH) => if count == 0 {
                return node;
            },
            command = commands.recv(), if commanded => match command {
                Some(command) => node.handle_command(clock::now(), command),
                None => commanded = false,
            },
        }
        for arrival in arrived {
            node.handle_arrival(clock::now(), arrival);
            transmit(&mut node, &transports, &mut backlog, &mut batch);
        }
        transmit(&mut node, &transports, &mut backlog, &mut batch);
    }
}

/// The loop ends: hands over what there is room for within [`FLUSH`].
async fn flush(mut backlog: Backlog, transports: &Transports) {
    let end = clock::now() + FLUSH;
    while let Some(at) = backlog.next_try().filter(|at| *at < end) {
        sleep_until(at.into()).await;
        backlog.retry(clock::now(), |hop, bytes| transports.send(hop, bytes), &mut Vec::new());
    }
}

/// Sends all that the node wants to send; what fails at once is put on the list.
fn transmit<N: Node>(node: &mut N, transports: &Transports, backlog: &mut Backlog, failures: &mut Vec<Arrival>) {
    while let Some(transmit) = node.poll_transmit() {
        backlog.send(clock::now(), transmit, |hop, bytes| transports.send(hop, bytes), failures);
    }
}

/// A timer that is set anew only when the time has changed.
struct Alarm {
    at: Option<Instant>,
    sleep: std::pin::Pin<Box<Sleep>>,
}

impl Alarm {
    fn new() -> Self {
        Self { at: None, sleep: Box::pin(sleep_until(clock::now().into())) }
    }

    fn set(&mut self, at: Option<Instant>) {
        if let Some(at) = at.filter(|at| Some(*at) != self.at || self.sleep.is_elapsed()) {
            self.sleep.as_mut().reset(at.into());
        }
        self.at = at;
    }

    /// Waits for the time; for ever where there is none.
    async fn rings(&mut self) {
        match self.at {
            Some(_) => self.sleep.as_mut().await,
            None => std::future::pending().await,
        }
    }
}
