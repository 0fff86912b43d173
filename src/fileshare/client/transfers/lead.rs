//! One transfer, connection after connection.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{TransferEvent, TransferOptions, another_port};
use crate::{
    clock,
    fileshare::{
        ShareId,
        client::{Fault, LocalPort, Settings, Snapshot, Ticket, TransferError},
        terminal::SharingCommand,
        wire::{Failure, FailureCode, control::Message},
    },
};

/// Before the first connection is made again; each wait is twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// How long the first way to the file server may take to be agreed on: two exchanges that nobody answers (RFC 3261, 64 times T1 each).
const AGREED: Duration = Duration::from_secs(64);
/// How long a connection may take to end by itself once the share is over.
const CLOSING: Duration = Duration::from_secs(2);
/// How long the reason may take to come that a line which has ended does not say.
const REASON: Duration = Duration::from_millis(500);

/// What the signalling tells a transfer.
#[derive(Debug)]
pub(super) enum Word {
    /// The share has a name.
    Named(ShareId),
    /// Connect there.
    Go(Box<Ticket>),
    /// S604: the upload may begin.
    Ready,
    /// All of the upload is at the file server: so many bytes.
    Complete(u64),
    /// S604: ask again later; why, where it was said.
    NotReady(Duration, Option<String>),
    /// What was asked is refused.
    Refused(Failure),
    /// The conference offers by itself what was asked for.
    Offered,
    /// The share is over.
    Ended(Option<Failure>),
}

/// Why a transfer does not go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// As the data plane says; whether it was broken off, that says too.
    Error(TransferError),
    /// The conference ended it, or refuses to go on.
    Ended(Option<Failure>),
    /// All of the upload is at the file server, whatever became of the connection.
    Complete(u64),
}

/// What leads a transfer.
#[derive(Debug)]
pub(super) struct Lead {
    pub(super) share: Option<ShareId>,
    pub(super) settings: Settings,
    pub(super) options: TransferOptions,
    pub(super) words: mpsc::Receiver<Word>,
    pub(super) commands: mpsc::Sender<SharingCommand>,
    pub(super) tell: mpsc::Sender<TransferEvent>,
    pub(super) local: IpAddr,
    /// Bytes of the upload, once it was said that it is complete.
    pub(super) complete: Option<u64>,
    /// The transfer of the same share before this one: over when this is cancelled. Two never carry the same bytes side by side.
    pub(super) before: Option<CancellationToken>,
    /// Another transfer has taken this one's place.
    pub(super) replaced: CancellationToken,
}

impl Lead {
    /// The first ticket, once the transfer before this one has broken off.
    pub(super) async fn first_ticket(&mut self) -> Result<Ticket, Stop> {
        let agreed = async {
            if let Some(before) = self.before.take() {
                before.cancelled().await;
            }
            self.ticket().await
        };
        match timeout(AGREED, agreed).await {
            Ok(Ok(Ok(ticket))) => Ok(ticket),
            Ok(Ok(Err(why))) => Err(Stop::Ended(Some(why))),
            Ok(Err(stop)) => Err(stop),
            Err(_) => Err(Stop::Error(Fault::Admission(AGREED).into())),
        }
    }

    /// The ticket, or why there is none; what else is said meanwhile is passed over.
    async fn ticket(&mut self) -> Result<Result<Ticket, Failure>, Stop> {
        loop {
            match self.word().await? {
                Word::Go(ticket) => return Ok(Ok(*ticket)),
                Word::Refused(why) => return Ok(Err(why)),
                Word::Named(share) => self.share = Some(share),
                Word::Ready | Word::NotReady(..) | Word::Ended(_) | Word::Complete(_) | Word::Offered => {}
            }
        }
    }

    /// The first ticket of a download. A conference that has no time for it now, as its file server is away or starts again, is asked again as
    /// long as a transfer may stand still; one that has taken it says by itself when it can go on.
    pub(super) async fn first_way(&mut self, share: ShareId, mut port: LocalPort) -> Result<(LocalPort, Ticket), Stop> {
        if let Some(before) = self.before.take() {
            match timeout(AGREED, before.cancelled()).await {
                Ok(()) => {}
                Err(_) => return Err(Stop::Error(Fault::Admission(AGREED).into())),
            }
        }
        let (began, mut asked) = (clock::now(), 0);
        loop {
            let left = self.options.window.saturating_sub(clock::now().saturating_duration_since(began));
            let why = match timeout(left, self.way()).await {
                Ok(way) => match way? {
                    Ok(ticket) => return Ok((port, ticket)),
                    Err(why) => why,
                },
                Err(_) => return Err(Stop::Error(Fault::Admission(self.options.window).into())),
            };
            asked += 1;
            let again_in = wait(asked);
            let stood = clock::now().saturating_duration_since(began);
            let error: TransferError = Fault::Refused(why).into();
            if stood + again_in > self.options.window {
                return Err(Stop::Error(error));
            }
            self.report(TransferEvent::Broken { share, error, again_in }).await;
            self.pause_unasked(again_in).await?;
            let (other, source) = another_port(self.local).map_err(Stop::Error)?;
            port = other;
            // A terminal that is over needs no telling.
            let _ = self.commands.send(SharingCommand::Receive { share, source, plain: false }).await;
        }
    }

    /// The first ticket, or why there is none for now. That something is refused for now is said beside the line, whose end follows.
    async fn way(&mut self) -> Result<Result<Ticket, Failure>, Stop> {
        let mut said = None;
        loop {
            match self.heard().await? {
                Word::Go(ticket) => return Ok(Ok(*ticket)),
                Word::Refused(why) if is_for_now(&why) => said = Some(why),
                Word::Refused(why) => return Err(Stop::Ended(Some(why))),
                Word::Ended(why) => match why.or(said.take()) {
                    Some(why) if is_for_now(&why) => return Ok(Err(why)),
                    why => return Err(Stop::Ended(self.reason(why).await)),
                },
                Word::Named(_) | Word::Ready | Word::NotReady(..) | Word::Complete(_) | Word::Offered => {}
            }
        }
    }

    /// Waits for a while in which nothing is asked for, or until it is offered; beside that only an end for good is heard.
    async fn pause_unasked(&mut self, time: Duration) -> Result<(), Stop> {
        let mut waited = std::pin::pin!(sleep(time));
        loop {
            tokio::select! {
                () = &mut waited => return Ok(()),
                word = self.heard() => match word? {
                    Word::Ended(Some(why)) | Word::Refused(why) if !is_for_now(&why) => return Err(Stop::Ended(Some(why))),
                    Word::Offered => return Ok(()),
                    _ => {}
                },
            }
        }
    }

    /// Waits for a while; what is said meanwhile is passed over, but for the end.
    pub(super) async fn pause(&mut self, time: Duration) -> Result<(), Stop> {
        let mut waited = std::pin::pin!(sleep(time));
        loop {
            tokio::select! {
                () = &mut waited => return Ok(()),
                word = self.word() => {
                    word?;
                }
            }
        }
    }

    /// The next word; the end is told as what it is.
    pub(super) async fn word(&mut self) -> Result<Word, Stop> {
        match self.heard().await? {
            Word::Ended(why) => Err(Stop::Ended(self.reason(why).await)),
            Word::Complete(bytes) => Err(Stop::Complete(bytes)),
            word => Ok(word),
        }
    }

    /// The next word as it was said.
    async fn heard(&mut self) -> Result<Word, Stop> {
        tokio::select! {
            biased;
            () = self.settings.stop.cancelled() => Err(Stop::Error(TransferError::Stopped)),
            () = self.settings.cancel.cancelled() => Err(Stop::Error(Fault::CancelledHere.into())),
            word = self.words.recv() => word.ok_or(Stop::Ended(None)),
        }
    }

    /// Waits until the conference says that the share is over, for a while.
    pub(super) async fn hear_the_end(&mut self) {
        // Whoever has not heard it by then says so itself.
        let _ = timeout(CLOSING, async { while self.word().await.is_ok() {} }).await;
    }

    /// Runs connections until one brings the transfer to its end. `connect` does one.
    pub(super) async fn run<W, T>(
        &mut self,
        work: &mut W,
        mut port: LocalPort,
        mut ticket: Ticket,
        connect: impl AsyncFn(&mut W, LocalPort, &Ticket, &Settings) -> Result<T, TransferError>,
    ) -> Result<T, Stop> {
        let (mut broken, mut still) = (0, clock::now());
        loop {
            let before = self.moved();
            // One connection can be ended without the others.
            let settings = Settings { stop: self.settings.stop.child_token(), ..self.settings.clone() };
            let mut error = match self.connection(connect(work, port, &ticket, &settings), &settings).await? {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if let Some(bytes) = self.complete {
                return Err(Stop::Complete(bytes));
            }
            if let TransferError::Fault(Fault::Refused(why)) = &error
                && why.code == FailureCode::Ended
            {
                // The file server was quicker than the conference, which knows better why.
                return Err(Stop::Ended(self.reason(None).await.or_else(|| Some(why.clone()))));
            }
            if self.moved() > before {
                (broken, still) = (0, clock::now());
            }
            (port, ticket) = loop {
                broken += 1;
                match self.again(error, broken, still).await? {
                    Ok(found) => break found,
                    Err(why) => error = why,
                }
            };
        }
    }

    /// Another connection after one that broke, if that is worth it and not too late: nothing has moved since `still`.
    async fn again(
        &mut self,
        error: TransferError,
        broken: u32,
        still: Instant,
    ) -> Result<Result<(LocalPort, Ticket), TransferError>, Stop> {
        let again_in = wait(broken);
        let stood = clock::now().saturating_duration_since(still);
        if !error.is_transient() || stood + again_in > self.options.window {
            return Err(Stop::Error(error));
        }
        tracing::info!(%error, ?again_in, "a transfer's connection broke");
        if let Some(share) = self.share {
            self.report(TransferEvent::Broken { share, error, again_in }).await;
        }
        self.pause(again_in).await?;
        self.reconnect().await
    }

    /// One connection; that the share is over ends it, too.
    async fn connection<T>(
        &mut self,
        run: impl Future<Output = Result<T, TransferError>>,
        settings: &Settings,
    ) -> Result<Result<T, TransferError>, Stop> {
        let mut run = std::pin::pin!(run);
        loop {
            tokio::select! {
                biased;
                outcome = &mut run => return Ok(outcome),
                word = self.words.recv() => match word {
                    Some(Word::Ended(why)) => {
                        // What it had to say is said by now, or never.
                        return match timeout(CLOSING, &mut run).await {
                            Ok(Ok(done)) => Ok(Ok(done)),
                            // What is wrong with our files and disks we know better.
                            Ok(Err(error @ (TransferError::Source(_) | TransferError::Sink(_)))) => Err(Stop::Error(error)),
                            Ok(Err(_)) => Err(Stop::Ended(self.reason(why).await)),
                            Err(_) => {
                                settings.stop.cancel();
                                let _ = run.await;
                                Err(Stop::Ended(self.reason(why).await))
                            }
                        };
                    }
                    // The connection says so, too; where it breaks before, this holds.
                    Some(Word::Complete(bytes)) => self.complete = Some(bytes),
                    Some(_) => {}
                    // Nobody tells any more; the connection knows best.
                    None => return Ok(run.await),
                },
            }
        }
    }

    /// Why the share is over: a line that ends does not say it, but a word of the conference's beside it.
    async fn reason(&mut self, why: Option<Failure>) -> Option<Failure> {
        if why.is_some() {
            return why;
        }
        let said = async {
            loop {
                match self.words.recv().await {
                    Some(Word::Ended(Some(why))) => return Some(why),
                    Some(_) => {}
                    None => return None,
                }
            }
        };
        timeout(REASON, said).await.ok().flatten()
    }

    /// Declares another port; the file server's answer. That none comes, or that it has no time now, is no end: it may be starting again.
    async fn reconnect(&mut self) -> Result<Result<(LocalPort, Ticket), TransferError>, Stop> {
        let (port, source) = another_port(self.local).map_err(Stop::Error)?;
        self.say(Message::Reconnect { source }).await;
        match timeout(self.options.patience, self.ticket()).await {
            Ok(answer) => match answer? {
                Ok(ticket) => Ok(Ok((port, ticket))),
                Err(why) if matches!(why.code, FailureCode::Busy | FailureCode::Unreachable) => Ok(Err(Fault::Refused(why).into())),
                Err(why) => Err(Stop::Ended(Some(why))),
            },
            Err(_) => Ok(Err(Fault::Admission(self.options.patience).into())),
        }
    }

    /// Says something about the share.
    pub(super) async fn say(&self, message: Message) {
        if let Some(share) = self.share {
            // A terminal that is over needs no telling.
            let _ = self.commands.send(SharingCommand::Say { share, message: Box::new(message) }).await;
        }
    }

    /// Tells what became of it; not where another transfer of the share goes on.
    pub(super) async fn report(&self, event: TransferEvent) {
        if self.replaced.is_cancelled() {
            return;
        }
        // Whoever does not ask any more does not want to know.
        let _ = self.tell.send(event).await;
    }

    fn moved(&self) -> u64 {
        self.settings.progress.as_ref().map_or(0, |progress| -> u64 {
            let Snapshot { progress, .. } = *progress.borrow();
            progress.bytes
        })
    }
}

/// How long is waited before something is tried for the so-manieth time.
fn wait(tries: u32) -> Duration {
    FIRST_WAIT.saturating_mul(1 << tries.saturating_sub(1).min(8)).min(LONGEST_WAIT)
}

/// What is refused so may be granted a little later.
pub(super) fn is_for_now(why: &Failure) -> bool {
    why.code == FailureCode::Busy
}

/// What the conference is told of a failure: the kind, and nothing of our disks.
pub(super) fn told(error: &TransferError) -> Failure {
    let code = error.code();
    let text = match code {
        FailureCode::Conflict => "a file of that name exists at the receiver",
        FailureCode::NoSpace => "the disk is full",
        FailureCode::Integrity => "what came is not what was sent",
        FailureCode::SourceChanged => "a file changed while it was sent",
        FailureCode::Unreachable => "the connection broke",
        FailureCode::Cancelled => "given up",
        FailureCode::Declined => "not wanted",
        _ => "the transfer failed",
    };
    Failure::new(code, text)
}
