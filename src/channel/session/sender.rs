//! The sender's side of one receiver.

use std::{mem, net::SocketAddr};

use bytes::Bytes;

use super::WINDOW;
use crate::{
    channel::wire::{
        letter::{Compression, End, Failed, FailedCode, Letter, MAX_PART, Offer, Way},
        pass::MAX_DIRECT,
    },
    transfer::Trailer,
};

/// What the shell is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum SenderAction {
    /// Seal and send this letter.
    Tell(Letter),
    /// Call the receiver at these addresses, and answer by [`Sender::handle_called`], unless it begins before that. It is said once.
    Call(Vec<SocketAddr>),
    /// Send chunks, from this byte of the batch's stream on.
    Begin {
        /// The byte.
        from: u64,
        /// By this way.
        way: Way,
        /// Some of them may be compressed.
        packed: bool,
    },
    /// It is over: verified and in place at the receiver, or why not.
    Over(Result<(), Failure>),
}

/// How a transfer ended without being done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The receiver did not want it.
    Declined(String),
    /// It failed at the receiver.
    Theirs(Failed),
    /// It failed here.
    Ours(Failed),
}

/// See the [module](self).
#[derive(Debug)]
pub struct Sender {
    state: State,
    total: Option<u64>,
    compression: Option<Compression>,
    received: u64,
    durable: u64,
    once: bool,
    skipped: u32,
    calling: Calling,
}

/// How far the calls to the receiver are.
#[derive(Debug, PartialEq, Eq)]
enum Calling {
    /// Nobody offered any, or the time for them is over.
    Never,
    /// They were offered.
    Offered,
    /// The receiver wants them: the shell is to be told.
    Wanted(Vec<SocketAddr>),
    /// It was.
    Running,
    /// The receiver is to be told why they came to nothing, or that they have not.
    Ended(Option<String>),
    /// It was, and can come by them.
    Reached,
}

#[derive(Debug)]
enum State {
    /// Not a letter was sent.
    New { offer: Offer, manifest: Bytes },
    /// Parts of the manifest go out.
    Describing { rest: Bytes },
    /// The receiver decides.
    Deciding,
    /// It said yes, and the shell is to be told.
    Accepted { from: u64, way: Way, packed: bool },
    /// Chunks go out.
    Sending,
    /// They are out; the digests go.
    Ending { rest: Bytes, end: End },
    /// The receiver verifies.
    Verifying,
    /// Something went wrong here: the receiver is to be told, then the shell.
    Failing(Failed),
    /// The shell is to be told.
    Settled(Result<(), Failure>),
    /// It knows.
    Over,
}

impl Sender {
    /// Offers a batch with its manifest as JSON.
    pub fn new(offer: Offer, manifest: Bytes) -> Self {
        let (total, compression) = (offer.bytes, offer.compression);
        let calling = if offer.calls { Calling::Offered } else { Calling::Never };
        Self { total, compression, state: State::New { offer, manifest }, received: 0, durable: 0, once: false, skipped: 0, calling }
    }

    /// A letter of the receiver's.
    pub fn handle_letter(&mut self, letter: Letter) {
        let state = mem::replace(&mut self.state, State::Over);
        self.state = match (state, letter) {
            (over @ (State::Settled(_) | State::Over | State::Failing(_)), _) => over,
            (_, Letter::Failed(failed)) => State::Settled(Err(Failure::Theirs(failed))),
            (State::New { .. } | State::Describing { .. } | State::Deciding, Letter::Decline { why }) => {
                State::Settled(Err(Failure::Declined(why)))
            }
            (State::Deciding, Letter::Accept { from, way, once, compression }) => {
                self.once = once;
                if compression.is_some() && compression != self.compression {
                    protocol("the receiver asked for a compression that was not offered".into())
                } else if self.total.is_some_and(|total| from > total) {
                    protocol(format!("the receiver wants to resume at byte {from}, which is past the end"))
                } else if way == Way::Called && self.calling != Calling::Reached {
                    protocol("the receiver comes by calls that have not reached it".into())
                } else {
                    (self.received, self.durable) = (from, from);
                    State::Accepted { from, way, packed: compression == Some(Compression::Zstd) }
                }
            }
            (state @ (State::Sending | State::Ending { .. } | State::Verifying), Letter::Progress { received, durable }) => {
                let grew = received >= self.received && durable >= self.durable && durable <= received;
                if grew && self.total.is_none_or(|total| received <= total) {
                    (self.received, self.durable) = (received, durable);
                    state
                } else {
                    protocol(format!("the receiver has {received} bytes, {durable} on its disk, by what it says"))
                }
            }
            (State::Verifying, Letter::Done { skipped }) => {
                self.skipped = skipped;
                State::Settled(Ok(()))
            }
            (State::Deciding, Letter::Listening { addresses }) if self.calling == Calling::Offered => {
                if addresses.len() > MAX_DIRECT {
                    protocol(format!("the receiver names {} addresses", addresses.len()))
                } else {
                    self.calling = Calling::Wanted(addresses);
                    State::Deciding
                }
            }
            (_, letter) => protocol(format!("the receiver said {} at the wrong moment", name(&letter))),
        };
    }

    /// The answer to [`SenderAction::Call`]: all data connections are there, or why they are not, in words. It comes too late where the receiver has
    /// decided meanwhile.
    pub fn handle_called(&mut self, unreached: Option<String>) {
        if self.calling == Calling::Running {
            self.calling = Calling::Ended(unreached);
        }
    }

    /// All chunks are on their way: `chunks` of them, the last one empty; these are the digests.
    pub fn handle_sent(&mut self, bytes: u64, chunks: u64, trailer: &Trailer) {
        if let State::Sending = self.state {
            let mut digests = Vec::with_capacity(trailer.files.len() * 32);
            trailer.files.iter().for_each(|digest| digests.extend_from_slice(&digest.0));
            let end = End { bytes, chunks, algorithm: trailer.algorithm, files: u32::try_from(trailer.files.len()).unwrap_or(u32::MAX) };
            self.state = State::Ending { rest: digests.into(), end };
        }
    }

    /// It cannot go on here: a file changed, a person said stop.
    pub fn handle_failure(&mut self, failed: Failed) {
        if !matches!(self.state, State::Settled(_) | State::Over | State::Failing(_)) {
            self.state = State::Failing(failed);
        }
    }

    /// What to do next.
    pub fn poll_action(&mut self) -> Option<SenderAction> {
        if let State::Deciding = self.state {
            return self.poll_calling();
        }
        let (state, action) = match mem::replace(&mut self.state, State::Over) {
            State::New { offer, manifest } => (State::Describing { rest: manifest }, Some(SenderAction::Tell(Letter::Offer(offer)))),
            State::Describing { rest } if rest.is_empty() => (State::Deciding, None),
            State::Describing { mut rest } => {
                let part = rest.split_to(rest.len().min(MAX_PART));
                (State::Describing { rest }, Some(SenderAction::Tell(Letter::Manifest(part))))
            }
            State::Accepted { from, way, packed } => (State::Sending, Some(SenderAction::Begin { from, way, packed })),
            State::Ending { rest, end } if rest.is_empty() => (State::Verifying, Some(SenderAction::Tell(Letter::End(end)))),
            State::Ending { mut rest, end } => {
                let part = rest.split_to(rest.len().min(MAX_PART));
                (State::Ending { rest, end }, Some(SenderAction::Tell(Letter::Digests(part))))
            }
            State::Failing(failed) => {
                let told = Letter::Failed(failed.clone());
                (State::Settled(Err(Failure::Ours(failed))), Some(SenderAction::Tell(told)))
            }
            State::Settled(how) => (State::Over, Some(SenderAction::Over(how))),
            quiet @ (State::Deciding | State::Sending | State::Verifying | State::Over) => (quiet, None),
        };
        self.state = state;
        action
    }

    /// What is to be done about calls, while the receiver decides.
    fn poll_calling(&mut self) -> Option<SenderAction> {
        let (calling, action) = match mem::replace(&mut self.calling, Calling::Never) {
            Calling::Wanted(addresses) => (Calling::Running, Some(SenderAction::Call(addresses))),
            Calling::Ended(unreached) => {
                let calling = if unreached.is_none() { Calling::Reached } else { Calling::Never };
                (calling, Some(SenderAction::Tell(Letter::Called { unreached })))
            }
            quiet => (quiet, None),
        };
        self.calling = calling;
        action
    }

    /// Up to which byte of the batch's stream chunks may be sent now.
    pub fn limit(&self) -> u64 {
        self.received.saturating_add(WINDOW)
    }

    /// Bytes that the receiver has.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Whether the receiver has accepted, and keeps nothing of it for another process.
    pub fn keeps_nothing(&self) -> bool {
        self.once
    }

    /// Files that the receiver, who is done, has left as they were there.
    pub fn skipped(&self) -> u32 {
        self.skipped
    }

    /// Bytes that the receiver has on its disk: none of them is asked for again.
    pub fn durable(&self) -> u64 {
        self.durable
    }
}

fn protocol(text: String) -> State {
    State::Failing(Failed::new(FailedCode::Protocol, text))
}

/// A letter's name, for a text.
pub(super) fn name(letter: &Letter) -> &'static str {
    match letter {
        Letter::Offer(_) => "offer",
        Letter::Manifest(_) => "manifest",
        Letter::Accept { .. } => "accept",
        Letter::Decline { .. } => "decline",
        Letter::Progress { .. } => "progress",
        Letter::Digests(_) => "digests",
        Letter::End(_) => "end",
        Letter::Done { .. } => "done",
        Letter::Failed(_) => "failed",
        Letter::Listening { .. } => "listening",
        Letter::Called { .. } => "called",
    }
}
