//! A download's connection: packets to the machine, its orders to the sink, what the sink answers back to the machine.

use std::io;

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::sleep_until,
};

use super::{
    Downloaded, FAREWELL, Settings, TransferError,
    landing::{Order, Told},
    link::{Incoming, Outgoing},
    meter::{Meter, Phase},
};
use crate::{
    clock,
    fileshare::{
        client::{
            Fault,
            download::{Download, DownloadEvent},
            pace::Pace,
        },
        wire::Failure,
    },
    transfer::sink::{Finished, SinkState},
};

/// See the [module](self).
pub(super) struct Desk<'a> {
    pub(super) machine: Download,
    pub(super) incoming: Incoming,
    pub(super) meter: Meter,
    pub(super) pace: Pace,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) told: mpsc::Receiver<Told>,
    /// Why the sink stopped.
    pub(super) stopped: oneshot::Receiver<Failure>,
    /// The fixed payload size, once known.
    pub(super) payload: &'a mut Option<u32>,
    pub(super) work: Work,
}

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// How far the sink is.
    marks: Option<watch::Receiver<SinkState>>,
    /// An order that the sink has no room for yet.
    waiting: Option<Order>,
    /// The sink was told to verify and place; that it is to be told so, as long as it has no room for it, is no promise that it will.
    placing: bool,
    placed: Option<Finished>,
    /// The sink has stopped, and that was heard.
    deaf: bool,
}

impl Desk<'_> {
    /// Leads the connection to its end.
    pub(super) async fn lead(mut self, mut outgoing: Outgoing, settings: &Settings) -> Result<Downloaded, TransferError> {
        let mut writable = true;
        let orders = self.orders.clone();
        self.meter.phase(Phase::Waiting);
        loop {
            let now = clock::now();
            self.take_packets();
            if self.machine.outcome().is_some() {
                break;
            }
            if writable
                && outgoing.is_free()
                && let Some(packet) = self.machine.poll_packet(now)
            {
                outgoing.load(packet);
                continue;
            }
            let wait = self.pace.ready(now);
            let listening = !self.machine.is_busy() && self.work.waiting.is_none() && wait.is_none();
            if !listening {
                // Who does not listen cannot say that nothing is said.
                self.machine.handle_alive(now);
            }
            let wake = [self.machine.next_timeout(), wait].into_iter().flatten().min().unwrap_or(now + FAREWELL);
            tokio::select! {
                biased;
                () = settings.stop.cancelled() => {
                    return self.placed(settings).await.ok_or(TransferError::Stopped);
                }
                () = settings.cancel.cancelled() => self.machine.handle_cancel(),
                why = &mut self.stopped, if !self.work.deaf => {
                    self.work.deaf = true;
                    match why {
                        Ok(why) => self.machine.handle_sink_failure(why),
                        Err(_) => self.machine.handle_closed(),
                    }
                }
                permit = orders.reserve(), if self.work.waiting.is_some() && !self.work.deaf => {
                    if let (Ok(permit), Some(order)) = (permit, self.work.waiting.take()) {
                        self.work.placing |= matches!(order, Order::Place(_));
                        permit.send(order);
                    }
                }
                Some(told) = self.told.recv() => self.hear(told),
                state = moved(&mut self.work.marks) => {
                    self.machine.handle_durable(state.durable);
                    self.meter.moved(clock::now(), state.written, || state.files);
                }
                written = outgoing.write(usize::MAX), if writable && outgoing.has_work() => if let Err(error) = written {
                    // What the file server said last may still come.
                    tracing::debug!(%error, "a download's connection takes no more");
                    writable = false;
                },
                read = self.incoming.read(self.pace.piece()), if listening => self.take_bytes(read),
                () = sleep_until(wake.into()) => self.machine.handle_timeout(clock::now()),
            }
        }
        let now = clock::now();
        let last = std::iter::from_fn(|| self.machine.poll_packet(now)).collect();
        settings.part(outgoing.close(last)).await;
        let fault = self.machine.outcome().and_then(|outcome| outcome.clone().err()).unwrap_or(Fault::Closed);
        let placed = self.placed(settings).await;
        if fault != Fault::Closed || placed.is_some() {
            settings.part(self.incoming.drain()).await;
        }
        placed.ok_or_else(|| fault.into())
    }

    /// What became of the batch, where the sink has all of it: that holds, whatever became of the connection. Whoever leaves waits for it for a
    /// moment only.
    async fn placed(&mut self, settings: &Settings) -> Option<Downloaded> {
        while self.work.placing && self.work.placed.is_none() {
            let told = tokio::select! {
                biased;
                told = self.told.recv() => told,
                () = settings.left() => None,
            };
            match told {
                Some(Told::Placed(files)) => self.work.placed = Some(files),
                Some(Told::Prepared(..)) => {}
                None => return None,
            }
        }
        let files = self.work.placed.take()?;
        let state = self.work.marks.as_ref().map(|marks| *marks.borrow()).unwrap_or_default();
        self.meter.total(state.written);
        self.meter.moved(clock::now(), state.written, || state.files);
        self.meter.phase(Phase::Done);
        Some(Downloaded { bytes: state.written, files })
    }

    /// What was read goes on its way.
    fn take_bytes(&mut self, read: io::Result<usize>) {
        match read {
            Ok(count @ 1..) => {
                self.machine.handle_alive(clock::now());
                self.pace.spend(clock::now(), count);
            }
            Ok(0) => match self.incoming.decoder.finish() {
                Ok(()) => self.machine.handle_closed(),
                Err(error) => self.machine.handle_packet_error(error),
            },
            Err(error) => {
                tracing::debug!(%error, "a download's connection broke");
                self.machine.handle_closed();
            }
        }
    }

    /// Packets to the machine and its orders to the sink, until one of both has to work first.
    fn take_packets(&mut self) {
        while self.work.waiting.is_none() {
            if let Some(event) = self.machine.poll_event() {
                self.act(event);
                continue;
            }
            if self.machine.is_busy() || self.machine.outcome().is_some() {
                return;
            }
            self.incoming.decoder.set_limit(self.machine.packet_limit());
            match self.incoming.decoder.next_packet() {
                Ok(Some(packet)) => self.machine.handle_packet(clock::now(), packet),
                Ok(None) => return,
                Err(error) => self.machine.handle_packet_error(error),
            }
        }
    }

    fn act(&mut self, event: DownloadEvent) {
        match event {
            DownloadEvent::Admitted { bytes_per_second } => self.pace.tighten(clock::now(), bytes_per_second),
            DownloadEvent::Header(header) => {
                *self.payload = Some(header.payload_size);
                self.work.waiting = Some(Order::Prepare(header));
            }
            DownloadEvent::Bytes(bytes) => {
                self.meter.phase(Phase::Moving);
                self.work.waiting = Some(Order::Bytes(bytes));
            }
            DownloadEvent::Verify(trailer) => {
                self.meter.phase(Phase::Verifying);
                self.work.waiting = Some(Order::Place(trailer));
            }
        }
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Prepared(manifest, marks) => {
                self.meter.batch(&manifest);
                let state = *marks.borrow();
                self.work.marks = Some(marks);
                self.machine.handle_manifest(manifest, state.written);
                self.machine.handle_durable(state.durable);
                self.meter.moved(clock::now(), state.written, || state.files);
            }
            Told::Placed(files) => {
                self.work.placed = Some(files);
                self.machine.handle_placed();
            }
        }
    }
}

/// How far the sink is, once that has changed; never, where there is none or it has stopped.
async fn moved(marks: &mut Option<watch::Receiver<SinkState>>) -> SinkState {
    if let Some(marks) = marks
        && marks.changed().await.is_ok()
    {
        return *marks.borrow_and_update();
    }
    std::future::pending().await
}
