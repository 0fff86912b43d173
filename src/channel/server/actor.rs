//! The relay's one loop: what comes goes to the machine, what it says is done.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Weak},
};

use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::{Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Admit, Gauges,
    connection::{self, LINGERING, ORDERS, Order},
    flow::{Copying, Taken},
    memory::Budget,
};
use crate::{
    channel::{
        ChannelNumber,
        link::Link,
        relay::{Action, Applicant, ConnectionId, Event, Flow, Holder, Relay, Way},
        wire::{Frame, FrameError},
    },
    clock,
};

/// What waits for the loop. Whoever has more waits.
pub(super) const INPUTS: usize = 1024;

/// What comes.
#[derive(Debug)]
pub(super) enum Input {
    /// Somebody has connected.
    Connected { link: Link, from: SocketAddr },
    /// By what way a connection speaks, at a listener that speaks TLS; before its first frame.
    Way { id: ConnectionId, way: Way },
    /// A frame; the next one waits until this one was taken.
    Frame { id: ConnectionId, frame: Frame },
    /// What came is no frame.
    Fault { id: ConnectionId, error: FrameError },
    /// A connection has ended.
    Closed { id: ConnectionId },
    /// Frames were written.
    Written { id: ConnectionId, frames: usize, bytes: usize },
    /// How a copying goes.
    Flow { channel: ChannelNumber, stream: u8, flow: Flow },
    /// A copying has come to the sender's end.
    Pumped { channel: ChannelNumber, stream: u8 },
    /// No new applications.
    Drain,
}

/// A connection as the loop knows it.
struct Known {
    orders: mpsc::Sender<Order>,
    /// Ends what a pump does with it.
    over: CancellationToken,
}

/// See the [module](self).
pub(super) struct Actor {
    pub(super) relay: Relay,
    pub(super) admit: Arc<dyn Admit>,
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) budget: Arc<Budget>,
    pub(super) gauges: Arc<Gauges>,
    pub(super) tasks: TaskTracker,
    /// What each applicant may have of the budget, as long as bytes of it are on their way.
    parts: BTreeMap<Holder, Weak<Budget>>,
    /// For those who are closed and not yet gone.
    lingering: Arc<Semaphore>,
    known: BTreeMap<ConnectionId, Known>,
    next: u64,
}

impl Actor {
    pub(super) fn new(
        relay: Relay,
        admit: Arc<dyn Admit>,
        inputs: mpsc::Sender<Input>,
        budget: Arc<Budget>,
        gauges: Arc<Gauges>,
        tasks: TaskTracker,
    ) -> Self {
        let (parts, lingering) = (BTreeMap::new(), Arc::new(Semaphore::new(LINGERING)));
        Self { relay, admit, inputs, budget, gauges, tasks, parts, lingering, known: BTreeMap::new(), next: 0 }
    }

    /// Runs until `stop`. Connections that are there then are closed by being dropped.
    pub(super) async fn run(mut self, mut arrivals: mpsc::Receiver<Input>, stop: CancellationToken) {
        loop {
            let due = self.relay.next_timeout().map(Instant::from_std);
            tokio::select! {
                () = stop.cancelled() => break,
                input = arrivals.recv() => match input {
                    Some(input) => self.take(input),
                    None => break,
                },
                () = async { match due { Some(due) => sleep_until(due).await, None => std::future::pending().await } } => {
                    self.relay.handle_timeout(clock::now());
                }
            }
            self.act();
            self.gauges.note(&self.relay, &self.budget);
        }
        for known in self.known.into_values() {
            known.over.cancel();
        }
    }

    fn take(&mut self, input: Input) {
        let now = clock::now();
        match input {
            Input::Connected { link, from } => self.connected(link, from),
            Input::Way { id, way } => self.relay.handle_way(id, way),
            Input::Frame { id, frame } => {
                if let Some(apply) = self.relay.handle_frame(now, id, frame) {
                    let challenge = self.relay.challenge(id).unwrap_or_default();
                    let applicant =
                        apply.ticket.as_ref().map_or(Applicant::Anonymous, |ticket| self.admit.applicant(&ticket.0, &challenge));
                    self.relay.handle_apply(now, id, applicant, &apply);
                }
                if self.relay.is_read(id) {
                    self.order(id, Order::Read);
                }
            }
            Input::Fault { id, error } => self.relay.handle_fault(now, id, &error),
            Input::Closed { id } => {
                self.known.remove(&id);
                self.relay.handle_closed(now, id);
            }
            Input::Written { id, frames, bytes } => self.relay.handle_written(now, id, frames, bytes),
            Input::Flow { channel, stream, flow } => self.relay.handle_flow(now, channel, stream, &flow),
            Input::Pumped { channel, stream } => self.relay.handle_pumped(now, channel, stream),
            Input::Drain => self.relay.drain(),
        }
    }

    fn connected(&mut self, link: Link, from: SocketAddr) {
        let id = ConnectionId(self.next);
        self.next += 1;
        if self.relay.handle_connected(clock::now(), id, from.ip().to_canonical()).is_err() {
            return;
        }
        if let Err(error) = connection::watch_over(link.socket()) {
            tracing::debug!(%from, %error, "a connection ended before it began");
            return self.relay.handle_closed(clock::now(), id);
        }
        let (orders, inbox) = mpsc::channel(ORDERS);
        self.known.insert(id, Known { orders, over: CancellationToken::new() });
        self.tasks.spawn(connection::run(id, link, inbox, self.inputs.clone(), Arc::clone(&self.lingering)));
    }

    /// Does what the machine says.
    fn act(&mut self) {
        while let Some(action) = self.relay.poll_action() {
            match action {
                Action::Send { to, frame } => self.order(to, Order::Send(frame)),
                Action::Close { connection } => {
                    self.order(connection, Order::Close);
                    if let Some(known) = self.known.remove(&connection) {
                        known.over.cancel();
                    }
                }
                // It is given no leave to give another frame.
                Action::Pause { .. } => {}
                Action::Resume { connection } => self.order(connection, Order::Read),
                Action::Pump { channel, stream, from, to, holder } => {
                    let Some(from) = self.hand_over(from) else { continue };
                    let to = to.into_iter().filter_map(|(seat, id)| Some((seat, self.hand_over(id)?))).collect();
                    let copying = Copying { channel, stream, from, to, inputs: self.inputs.clone(), budget: self.part_of(holder) };
                    self.tasks.spawn(copying.run());
                }
            }
        }
        while let Some(event) = self.relay.poll_event() {
            log(&event);
        }
    }

    /// What an applicant may have of the budget: the same for all of its channels.
    fn part_of(&mut self, holder: Holder) -> Arc<Budget> {
        if let Some(part) = self.parts.get(&holder).and_then(Weak::upgrade) {
            return part;
        }
        self.parts.retain(|_, part| part.strong_count() > 0);
        let part = self.budget.part();
        self.parts.insert(holder, Arc::downgrade(&part));
        part
    }

    fn hand_over(&mut self, id: ConnectionId) -> Option<Taken> {
        let over = self.known.get(&id)?.over.clone();
        let (give, stream) = oneshot::channel();
        self.order(id, Order::HandOver(give));
        Some(Taken { id, stream, over })
    }

    /// A connection that takes no orders any more is ended.
    fn order(&mut self, id: ConnectionId, order: Order) {
        let Some(known) = self.known.get(&id) else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = known.orders.try_send(order) {
            self.known.remove(&id);
            self.relay.handle_closed(clock::now(), id);
        }
    }
}

fn log(event: &Event) {
    match event {
        Event::Allocated { channel, holder, .. } => tracing::info!(%channel, %holder, "a channel was allocated"),
        Event::Entered { channel, seat } => tracing::debug!(%channel, %seat, "entered"),
        Event::Gone { channel, seat, reason } => tracing::debug!(%channel, %seat, reason = reason.as_str(), "gone"),
        Event::Freed { channel } => tracing::info!(%channel, "a channel was freed"),
        Event::Refused { connection, code } => tracing::info!(connection = connection.0, code = code.as_str(), "refused"),
    }
}
