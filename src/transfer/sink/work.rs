//! What a sink does, one thing at a time: for its own thread, which takes one command after the other and makes a checkpoint when bytes have waited
//! for one long enough, and for threads that bring bytes themselves.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    time,
};

use super::{Finished, SinkError, SinkState};
use crate::{clock, transfer::hash::Trailer};

/// What the thread is asked. An answer that does not come is an error, kept beside.
#[derive(Debug)]
pub(super) enum Command {
    Data(Bytes),
    /// Bytes wait for a checkpoint that another thread has brought.
    Look,
    Checkpoint(oneshot::Sender<u64>),
    Finish(Option<Trailer>, oneshot::Sender<Finished>),
    Suspend(oneshot::Sender<SinkState>),
    Abort(oneshot::Sender<()>),
}

/// What does it.
pub(super) trait Work: Send + 'static {
    /// Takes bytes, and makes a checkpoint when there are enough.
    fn data(&mut self, bytes: &[u8]) -> Result<(), SinkError>;
    /// Whether a checkpoint would change anything.
    fn is_dirty(&self) -> bool;
    /// How long bytes may wait for a checkpoint, from the first on.
    fn patience(&self) -> Duration;
    /// Makes everything written durable.
    fn checkpoint(&mut self) -> Result<u64, SinkError>;
    /// Verifies and places.
    fn finish(&mut self, trailer: Option<&Trailer>) -> Result<Finished, SinkError>;
    /// Keeps what can be kept. Also called after an error.
    fn suspend(&mut self) -> Result<SinkState, SinkError>;
    /// Removes everything.
    fn abort(&mut self) -> Result<(), SinkError>;
}

/// What is done, and when the next checkpoint is due.
pub(super) struct Worker<W: ?Sized> {
    /// Bytes wait until then.
    deadline: Option<Instant>,
    /// It has ended, one way or the other.
    over: bool,
    work: W,
}

impl<W: Work> Worker<W> {
    pub(super) fn new(work: W) -> Self {
        Self { deadline: None, over: false, work }
    }
}

impl Worker<dyn Work> {
    /// Takes bytes on the thread of whoever has them. Says whether the sink's own thread is to look when the next checkpoint is due.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<bool, SinkError> {
        if self.over {
            return Err(SinkError::Stopped);
        }
        if let Err(error) = self.work.data(bytes) {
            // The first error is the one to tell.
            let _ = self.work.suspend();
            self.over = true;
            return Err(error);
        }
        let waited = self.deadline.is_some();
        self.settle();
        Ok(!waited && self.deadline.is_some())
    }

    fn settle(&mut self) {
        let Self { deadline, work, .. } = self;
        *deadline = work.is_dirty().then(|| deadline.unwrap_or_else(|| clock::now() + work.patience()));
    }
}

/// Works until it is told to end, the handle is dropped, or something fails.
pub(super) fn run(
    worker: &Mutex<Worker<dyn Work>>,
    mut queue: mpsc::Receiver<Command>,
    fault: &Mutex<Option<SinkError>>,
    runtime: &Handle,
) {
    let locked = || worker.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let deadline = locked().deadline;
        let next = next(&mut queue, deadline, runtime);
        let mut worker = locked();
        let worker = &mut *worker;
        if worker.over {
            return;
        }
        let work = &mut worker.work;
        let last = match next {
            // Another thread may have made one meanwhile.
            Next::Late if worker.deadline != deadline => continue,
            Next::Late => {
                let last = kept(work, fault, Work::checkpoint).is_none();
                worker.deadline = None;
                last
            }
            Next::Command(command) => carry_out(work, command, fault),
            Next::Gone => {
                // Nobody is there to be told.
                let _ = work.suspend();
                true
            }
        };
        if last {
            worker.over = true;
            return;
        }
        worker.settle();
    }
}

enum Next {
    Command(Command),
    Late,
    Gone,
}

fn next(queue: &mut mpsc::Receiver<Command>, deadline: Option<Instant>, runtime: &Handle) -> Next {
    let Some(deadline) = deadline else { return queue.blocking_recv().map_or(Next::Gone, Next::Command) };
    let now = clock::now();
    if now >= deadline {
        return Next::Late;
    }
    // Most commands are there already.
    match queue.try_recv() {
        Ok(command) => return Next::Command(command),
        Err(mpsc::error::TryRecvError::Disconnected) => return Next::Gone,
        Err(mpsc::error::TryRecvError::Empty) => {}
    }
    match runtime.block_on(async { time::timeout(deadline - now, queue.recv()).await }) {
        Ok(Some(command)) => Next::Command(command),
        Ok(None) => Next::Gone,
        Err(_) => Next::Late,
    }
}

/// Whether it was the last command. Who asked and went away is not told. Where something fails, the error is put down before the answer
/// is dropped, so that who waits for one finds the other.
fn carry_out(work: &mut dyn Work, command: Command, fault: &Mutex<Option<SinkError>>) -> bool {
    match command {
        Command::Data(bytes) => kept(work, fault, |work| work.data(&bytes)).is_none(),
        Command::Look => false,
        Command::Checkpoint(answer) => kept(work, fault, Work::checkpoint).is_none_or(|durable| {
            let _ = answer.send(durable);
            false
        }),
        Command::Finish(trailer, answer) => {
            let _ = kept(work, fault, |work| work.finish(trailer.as_ref())).map(|finished| answer.send(finished));
            true
        }
        Command::Suspend(answer) => {
            let _ = kept(work, fault, Work::suspend).map(|state| answer.send(state));
            true
        }
        Command::Abort(answer) => {
            let _ = kept(work, fault, Work::abort).map(|()| answer.send(()));
            true
        }
    }
}

/// Does something; when it fails, keeps what can be kept, and puts the error down.
fn kept<T>(work: &mut dyn Work, fault: &Mutex<Option<SinkError>>, what: impl FnOnce(&mut dyn Work) -> Result<T, SinkError>) -> Option<T> {
    match what(work) {
        Ok(done) => Some(done),
        Err(error) => {
            // The first error is the one to tell.
            let _ = work.suspend();
            *fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            None
        }
    }
}
