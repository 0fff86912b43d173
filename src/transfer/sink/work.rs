//! The thread of a sink: one command after the other, and a checkpoint when bytes have waited for one long enough.

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

/// Works until it is told to end, the handle is dropped, or something fails.
pub(super) fn run(mut work: impl Work, mut queue: mpsc::Receiver<Command>, fault: &Mutex<Option<SinkError>>, runtime: &Handle) {
    let mut deadline: Option<Instant> = None;
    loop {
        let last = match next(&mut queue, deadline, runtime) {
            Next::Late => {
                deadline = None;
                kept(&mut work, fault, Work::checkpoint).is_none()
            }
            Next::Command(command) => carry_out(&mut work, command, fault),
            Next::Gone => {
                // Nobody is there to be told.
                let _ = work.suspend();
                true
            }
        };
        if last {
            return;
        }
        deadline = work.is_dirty().then(|| deadline.unwrap_or_else(|| clock::now() + work.patience()));
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
fn carry_out(work: &mut impl Work, command: Command, fault: &Mutex<Option<SinkError>>) -> bool {
    match command {
        Command::Data(bytes) => kept(work, fault, |work| work.data(&bytes)).is_none(),
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
fn kept<W: Work, T>(work: &mut W, fault: &Mutex<Option<SinkError>>, what: impl FnOnce(&mut W) -> Result<T, SinkError>) -> Option<T> {
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
