//! The receiver's side.

use std::{
    collections::VecDeque,
    mem,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::BytesMut;

use super::{
    intake::Landed,
    sender::{Failure, name},
};
use crate::{
    channel::wire::{
        letter::{Compression, End, Failed, FailedCode, Letter, MAX_NAMES, Offer, Way},
        request::MAX_STREAMS,
    },
    transfer::{CHUNK, Digest, Manifest, Trailer, manifest::MAX_MANIFEST, seal::MAX_CHUNK, sparse::MAX_SPARSE},
};

/// Received bytes after which the sender is told at once.
const TELL_BYTES: u64 = 4 * 1024 * 1024;
/// How long it is not told of fewer.
const TELL_AFTER: Duration = Duration::from_millis(200);
/// How long the relay may take to tell who is gone, where chunks are missing and no more come.
const MISSED_AFTER: Duration = Duration::from_secs(3);
/// Fewest bytes of a chunk that may be agreed upon.
const MIN_CHUNK: u32 = 4 * 1024;

/// What the shell is to do.
#[derive(Debug)]
pub enum ReceiverAction {
    /// Seal and send this letter.
    Tell(Letter),
    /// Ask whether this is wanted, and answer by [`Receiver::handle_answer`].
    Ask {
        /// How it is sent, and what a person wants to know.
        offer: Offer,
        /// What is in it.
        manifest: Manifest,
    },
    /// All bytes have come: verify, and answer by [`Receiver::handle_verified`].
    Verify(Trailer),
    /// It is over: verified and in place, or why not.
    Over(Result<(), Failure>),
}

/// See the [module](self).
#[derive(Debug)]
pub struct Receiver {
    state: State,
    /// Before anything else; two at most, as the first is said when the second may be.
    tell: VecDeque<Letter>,
    once: bool,
    inversions: u64,
    called: Called,
}

/// How far the calls of the sender are.
#[derive(Debug)]
enum Called {
    /// It does not call, or there was no offer yet.
    Never,
    /// It does when it is told where.
    Offered,
    /// It was told.
    Wanted,
    /// It has: all data connections are there, or why not, in words.
    Ended(Option<String>),
}

#[derive(Debug)]
enum State {
    /// The offer is to come.
    Waiting,
    /// And the manifest behind it.
    Describing { offer: Offer, json: BytesMut },
    /// The shell is to be asked.
    Described { offer: Offer, manifest: Manifest },
    /// It was asked.
    Deciding { total: Option<u64>, files: usize, compression: Option<Compression> },
    /// Chunks come.
    Receiving(Box<Receiving>),
    /// The shell verifies.
    Verifying,
    /// Something went wrong here: the sender is to be told, then the shell.
    Failing(Failed),
    /// The shell is to be told.
    Settled(Result<(), Failure>),
    /// It knows.
    Over,
}

#[derive(Debug)]
struct Receiving {
    total: Option<u64>,
    files: usize,
    landed: Landed,
    /// Bytes of the batch's stream that are on the disk.
    durable: u64,
    told: (u64, u64),
    told_at: Option<Instant>,
    digests: BytesMut,
    end: Option<End>,
    /// Since when no chunk comes any more.
    ended: Option<Instant>,
}

impl Default for Receiver {
    fn default() -> Self {
        Self { state: State::Waiting, tell: VecDeque::new(), once: false, inversions: 0, called: Called::Never }
    }
}

impl Receiver {
    /// A letter of the sender's.
    pub fn handle_letter(&mut self, letter: Letter) {
        let state = mem::replace(&mut self.state, State::Over);
        self.state = match (state, letter) {
            (over @ (State::Settled(_) | State::Over | State::Failing(_)), _) => over,
            (_, Letter::Failed(failed)) => State::Settled(Err(Failure::Theirs(failed))),
            (State::Waiting, Letter::Offer(offer)) => {
                if offer.calls {
                    self.called = Called::Offered;
                }
                describe(offer, BytesMut::new())
            }
            // Where it was decided meanwhile it comes too late, and is nobody's fault.
            (state @ (State::Deciding { .. } | State::Receiving(_) | State::Verifying), Letter::Called { unreached })
                if matches!(self.called, Called::Wanted) =>
            {
                self.called = Called::Ended(unreached);
                state
            }
            (State::Describing { offer, mut json }, Letter::Manifest(part)) if json.len() + part.len() <= offer.manifest as usize => {
                json.extend_from_slice(&part);
                describe(offer, json)
            }
            (State::Receiving(mut receiving), Letter::Digests(part)) if receiving.end.is_none() && receiving.may_digest(part.len()) => {
                receiving.digests.extend_from_slice(&part);
                State::Receiving(receiving)
            }
            (State::Receiving(mut receiving), Letter::End(end)) if receiving.end.is_none() => {
                receiving.end = Some(end);
                State::Receiving(receiving)
            }
            (_, letter) => protocol(format!("the sender said {} at the wrong moment, or too much of it", name(&letter))),
        };
    }

    /// A port is open for the sender, at these addresses: it is told, where it calls. It is worth opening one only where [`Receiver::may_be_called`].
    pub fn handle_listening(&mut self, addresses: Vec<SocketAddr>) {
        if self.may_be_called() {
            self.called = Called::Wanted;
            self.tell.push_back(Letter::Listening { addresses });
        }
    }

    /// A letter that is to go at once; whatever else there is to do waits for [`Receiver::poll_action`].
    pub fn take_letter(&mut self) -> Option<Letter> {
        self.tell.pop_front()
    }

    /// Whether the sender calls when it is told where.
    pub fn may_be_called(&self) -> bool {
        matches!((&self.state, &self.called), (State::Deciding { .. }, Called::Offered))
    }

    /// What came of the sender's calls, once it has said so: all data connections are there, or why not, in words.
    pub fn called(&self) -> Option<Result<(), &str>> {
        match &self.called {
            Called::Ended(None) => Some(Ok(())),
            Called::Ended(Some(why)) => Some(Err(why)),
            Called::Never | Called::Offered | Called::Wanted => None,
        }
    }

    /// Nothing of what comes is kept for another process; to be said before [`Receiver::handle_answer`].
    pub fn keep_nothing(&mut self) {
        self.once = true;
    }

    /// The answer to [`ReceiverAction::Ask`]: from which byte of the batch's stream on it is wanted, and by which way, or why it is not.
    pub fn handle_answer(&mut self, answer: Result<(u64, Way), String>) {
        let state = mem::replace(&mut self.state, State::Over);
        self.state = match (state, answer) {
            (State::Deciding { total, files, compression }, Ok((from, way))) => {
                self.tell.push_back(Letter::Accept { from, way, once: self.once, compression });
                State::Receiving(Box::new(Receiving {
                    total,
                    files,
                    landed: Landed { received: from, ..Landed::default() },
                    durable: from,
                    told: (from, from),
                    told_at: None,
                    digests: BytesMut::new(),
                    end: None,
                    ended: None,
                }))
            }
            (State::Deciding { .. }, Err(why)) => {
                self.tell.push_back(Letter::Decline { why: why.clone() });
                State::Settled(Err(Failure::Declined(why)))
            }
            (other, _) => other,
        };
    }

    /// How far the chunks have come that were put down.
    pub fn handle_landed(&mut self, landed: Landed) {
        if let State::Receiving(receiving) = &mut self.state {
            receiving.landed = landed;
            self.inversions = landed.inversions;
        }
    }

    /// Every data connection has ended, and what it brought was told: no chunk comes any more. Where one is missing, somebody is gone, of which the
    /// relay tells; or it was kept back by somebody between.
    pub fn handle_chunks_ended(&mut self, now: Instant) {
        if let State::Receiving(receiving) = &mut self.state {
            receiving.ended.get_or_insert(now);
        }
    }

    /// So many bytes of the batch's stream are on the disk.
    pub fn handle_durable(&mut self, durable: u64) {
        if let State::Receiving(receiving) = &mut self.state {
            receiving.durable = receiving.durable.max(durable.min(receiving.landed.received));
        }
    }

    /// The answer to [`ReceiverAction::Verify`]; so many files were left as they were here.
    pub fn handle_verified(&mut self, skipped: u32) {
        if let State::Verifying = self.state {
            self.tell.push_back(Letter::Done { skipped });
            self.state = State::Settled(Ok(()));
        }
    }

    /// It cannot go on here: a chunk does not open, the disk is full, a person said stop.
    pub fn handle_failure(&mut self, failed: Failed) {
        self.fail(failed);
    }

    /// What to do next.
    pub fn poll_action(&mut self, now: Instant) -> Option<ReceiverAction> {
        if let Some(letter) = self.tell.pop_front() {
            return Some(ReceiverAction::Tell(letter));
        }
        let (state, action) = match mem::replace(&mut self.state, State::Over) {
            State::Described { offer, manifest } => {
                // Whatever is offered that we understand.
                let compression = offer.compression.filter(|compression| *compression == Compression::Zstd);
                let deciding = State::Deciding { total: manifest.total(), files: manifest.files().len(), compression };
                (deciding, Some(ReceiverAction::Ask { offer, manifest }))
            }
            State::Receiving(receiving) => receiving.next(now),
            State::Failing(failed) => {
                let told = Letter::Failed(failed.clone());
                (State::Settled(Err(Failure::Ours(failed))), Some(ReceiverAction::Tell(told)))
            }
            State::Settled(how) => (State::Over, Some(ReceiverAction::Over(how))),
            quiet @ (State::Waiting | State::Describing { .. } | State::Deciding { .. } | State::Verifying | State::Over) => (quiet, None),
        };
        self.state = state;
        action.or_else(|| matches!(self.state, State::Failing(_) | State::Settled(_)).then(|| self.poll_action(now)).flatten())
    }

    /// When to be asked again though nothing came.
    pub fn next_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Receiving(receiving) => {
                let news = receiving.told != (receiving.landed.received, receiving.durable);
                let tell = receiving.told_at.filter(|_| news).map(|told| told + TELL_AFTER);
                [tell, receiving.missed_at()].into_iter().flatten().min()
            }
            _ => None,
        }
    }

    /// Chunks that came after one of a higher number.
    pub fn inversions(&self) -> u64 {
        self.inversions
    }

    fn fail(&mut self, failed: Failed) -> Failed {
        if !matches!(self.state, State::Settled(_) | State::Over | State::Failing(_)) {
            self.state = State::Failing(failed.clone());
        }
        failed
    }
}

impl Receiving {
    /// What chunks and the end allow.
    fn next(mut self: Box<Self>, now: Instant) -> (State, Option<ReceiverAction>) {
        if let Some(end) = self.end.filter(|_| self.landed.complete) {
            return match self.trailer(end) {
                Ok(trailer) => (State::Verifying, Some(ReceiverAction::Verify(trailer))),
                Err(failed) => (State::Failing(failed), None),
            };
        }
        if self.missed_at().is_some_and(|at| now >= at) {
            let text = format!("chunk {} is missing, and no more come", self.landed.chunks);
            return (State::Failing(Failed::new(FailedCode::Integrity, text)), None);
        }
        let due = self.told_at.is_none_or(|told| now >= told + TELL_AFTER);
        let (received, durable) = (self.landed.received, self.durable);
        if received.saturating_sub(self.told.0) >= TELL_BYTES || (due && self.told != (received, durable)) {
            (self.told, self.told_at) = ((received, durable), Some(now));
            return (State::Receiving(self), Some(ReceiverAction::Tell(Letter::Progress { received, durable })));
        }
        (State::Receiving(self), None)
    }

    /// When it is certain that chunks are missing, unless somebody is heard to be gone.
    fn missed_at(&self) -> Option<Instant> {
        self.ended.filter(|_| !self.landed.complete).map(|ended| ended + MISSED_AFTER)
    }

    fn may_digest(&self, more: usize) -> bool {
        self.digests.len() + more <= self.files * 32
    }

    /// The digests, if what came is what the end says.
    fn trailer(&self, end: End) -> Result<Trailer, Failed> {
        let integrity = |text: String| Err(Failed::new(FailedCode::Integrity, text));
        let Landed { received: bytes, chunks, .. } = self.landed;
        if end.bytes != bytes || end.chunks != chunks {
            return integrity(format!("the sender sent {} bytes in {} chunks, and {bytes} in {chunks} came", end.bytes, end.chunks));
        }
        if let Some(total) = self.total.filter(|total| *total != bytes) {
            return integrity(format!("the batch has {total} bytes by its manifest, and {bytes} came"));
        }
        let (digests, rest) = self.digests.as_chunks::<32>();
        if digests.len() != self.files || end.files as usize != self.files || !rest.is_empty() {
            return integrity(format!("there are {} digests for {} files", digests.len(), self.files));
        }
        Ok(Trailer { algorithm: end.algorithm, files: digests.iter().map(|digest| Digest(*digest)).collect() })
    }
}

/// The manifest, as soon as it is whole.
fn describe(offer: Offer, json: BytesMut) -> State {
    let (length, streams) = (offer.manifest as usize, offer.streams);
    let chunk = usize::try_from(offer.chunk).unwrap_or(usize::MAX);
    if length > MAX_MANIFEST || !(MIN_CHUNK as usize..=MAX_CHUNK).contains(&chunk) || offer.names.len() > MAX_NAMES {
        return protocol(format!(
            "an offer out of bounds: {length} bytes of manifest, chunks of {chunk} bytes, {} names",
            offer.names.len()
        ));
    }
    if offer.sparse.len() > MAX_SPARSE {
        return protocol(format!("an offer of {} sparse files", offer.sparse.len()));
    }
    if streams == 0 || streams > MAX_STREAMS {
        return protocol(format!("an offer of {streams} data connections"));
    }
    if json.len() < length {
        return State::Describing { offer, json };
    }
    let digest = Digest::blake3(&json);
    if digest != offer.digest {
        return State::Failing(Failed::new(FailedCode::Integrity, "the manifest is not the one that was offered"));
    }
    match Manifest::from_json(&json) {
        Ok(manifest) if manifest.total() == offer.bytes && manifest.files().len() == offer.files as usize => {
            State::Described { offer, manifest }
        }
        Ok(_) => protocol("the offer and its manifest disagree".into()),
        Err(error) => protocol(error.to_string()),
    }
}

fn protocol(text: String) -> State {
    State::Failing(Failed::new(FailedCode::Protocol, text))
}

const _: () = assert!(CHUNK <= MAX_CHUNK, "what is sent where nobody says otherwise may be sent");
