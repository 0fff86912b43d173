//! A share of ours, from its opening, or from where an earlier process left it, to its end.
//!
//! | file | what |
//! |---|---|
//! | `members.rs` | who has it, and who still lacks it |
//! | `upload.rs` | what the upload tells |

mod members;
mod upload;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tokio::{
    sync::watch,
    time::{interval, sleep_until, timeout},
};

use super::{
    bar::{Bar, REDRAW},
    call::{self, Call, over},
    failure,
    kept::{Kept, Named},
    show::human,
};
use crate::{
    cli::{ExitCode, Failure, output::safe_line, settings::Context, values::Room},
    clock,
    conference::{client::TerminalEvent, wire::Timestamp},
    fileshare::{
        BatchId, ShareId,
        client::{
            Snapshot, Uploader,
            transfers::{ShareOptions, Transfers},
        },
        terminal::SharingEvent,
        wire::{
            FailureCode,
            control::{Batch, Member, Message},
        },
    },
    sip::endpoint::Reason,
    transfer::Manifest,
};

/// How long the reason may take to come that the end of a share's line does not say.
const REASON: Duration = Duration::from_secs(1);
/// How long the conference may take to say that it waits for us, or how members stand.
const ANSWER: Duration = Duration::from_secs(2);

/// What is shared.
pub struct Sharing<'a> {
    context: &'a Context,
    /// For the bar.
    batch: Batch,
    manifest: Manifest,
    /// For whom it is; empty: for everybody with the right.
    to: Vec<String>,
    /// It was said who of them is not here.
    missed: bool,
    /// The conference, as it was named; where receivers are to be told how they come to it.
    room: Option<String>,
    /// It ends by itself after this time.
    length: Option<Duration>,
    /// When that is.
    until: Option<Instant>,
    /// What a record is to say.
    named: Option<Named>,
    kept: Option<Kept>,
    /// What is kept stays as it was found: nothing was begun, or the conference does not let us go on.
    untouched: bool,
    progress: Option<watch::Receiver<Snapshot>>,
    ours: Option<(ShareId, Option<Bar>)>,
    uploaded: bool,
    /// Parts of a report that is not whole yet.
    members: Vec<Member>,
    /// Parts of a status that is not whole yet.
    standing: Vec<Member>,
    /// Members that broke off: bytes that they have, and until when they are waited for.
    broken: BTreeMap<String, (u64, Timestamp)>,
    /// It was said that nobody is there.
    alone: bool,
    /// The time is up, and it was asked how members stand.
    closing: Option<Instant>,
    /// It was ended without a word, and so long its reason may still come.
    ended: Option<Instant>,
}

impl<'a> Sharing<'a> {
    /// A share of this batch.
    pub fn new(context: &'a Context, batch: Batch, manifest: Manifest) -> Self {
        Self {
            context,
            batch,
            manifest,
            to: Vec::new(),
            missed: false,
            room: None,
            length: None,
            until: None,
            named: None,
            kept: None,
            untouched: false,
            progress: None,
            ours: None,
            uploaded: false,
            members: Vec::new(),
            standing: Vec::new(),
            broken: BTreeMap::new(),
            alone: false,
            closing: None,
            ended: None,
        }
    }

    /// It ends by itself so long after it is there.
    #[must_use]
    pub fn lasting(self, length: Option<Duration>) -> Self {
        Self { length, ..self }
    }

    /// In the conference of this name: others are told how to receive it.
    #[must_use]
    pub fn within(self, room: &Room) -> Self {
        Self { room: Some(room.to_string()), ..self }
    }

    /// It is for somebody in particular.
    #[must_use]
    pub fn only_for(self, to: Vec<String>) -> Self {
        Self { to, ..self }
    }

    /// What a record is to say, so that another process can go on with it.
    #[must_use]
    pub fn named(self, named: Option<Named>) -> Self {
        Self { named, ..self }
    }

    /// Opens the share, and leads it to its end.
    ///
    /// # Errors
    /// With the exit code that says why.
    pub async fn open(mut self, call: &mut Call, uploader: Uploader, options: ShareOptions) -> Result<(), Failure> {
        self.to.clone_from(&options.recipients);
        let opened = call.transfers.share(uploader, options).await;
        let (_, progress) = opened.map_err(|error| failure::of_transfer("failed to share", &error, None))?;
        self.progress = Some(progress);
        self.lead(call).await
    }

    /// Shares again what a record is of, as the conference has nothing of it any more, and leads the share to its end.
    ///
    /// # Errors
    /// With the exit code that says why. The record stays until the share is there.
    pub async fn again(mut self, call: &mut Call, uploader: Uploader, kept: Kept, options: ShareOptions) -> Result<(), Failure> {
        (self.kept, self.untouched) = (Some(kept), true);
        self.open(call, uploader, options).await
    }

    /// Goes on with the upload that a record is of, and leads the share to its end.
    ///
    /// # Errors
    /// With the exit code that says why.
    pub async fn go_on(mut self, call: &mut Call, uploader: Uploader, kept: Kept, share: ShareId, batch: BatchId) -> Result<(), Failure> {
        self.kept = Some(kept);
        self.until = self.length.map(|length| clock::now() + length);
        let begun = call.transfers.go_on(share, batch, uploader).await;
        let progress = begun.map_err(|error| failure::of_transfer("failed to resume", &error, None))?;
        self.ours = Some((share, Some(Bar::new(&self.context.output, share, &self.batch, progress))));
        self.lead(call).await
    }

    async fn lead(&mut self, call: &mut Call) -> Result<(), Failure> {
        let ended = self.run(call).await;
        let bytes = self.ours.as_ref().and_then(|(_, bar)| bar.as_ref()).map_or(0, Bar::bytes);
        drop(self.ours.as_mut().and_then(|(_, bar)| bar.take()));
        if self.untouched {
            drop(call.transfers.stop().await);
            if let Some(kept) = self.kept.take() {
                kept.release().await;
            }
            return ended;
        }
        let broken = match &ended {
            Err(failure) if failure.code == ExitCode::Resumable => true,
            Err(failure) if failure.code == ExitCode::Interrupted => !self.uploaded,
            _ => false,
        };
        let waits = broken && self.kept.is_some();
        drop(call.transfers.stop().await);
        if ended.is_err() && !waits {
            self.end(&mut call.transfers).await;
        }
        match (waits, self.kept.take()) {
            (true, Some(kept)) if self.is_waited_for(call).await => {
                let name = kept.name().clone();
                kept.leave(bytes).await;
                ended.map_err(|failure| {
                    let message = if failure.message.is_empty() { "the upload broke off".to_owned() } else { failure.message };
                    Failure { message, ..failure }
                        .hint(format!("resume with: fshare resume {name}; or end the share with: fshare cancel {name}"))
                        .of_transfer(&name)
                })
            }
            (waits, kept) => {
                if let Some(kept) = kept {
                    kept.forget().await;
                }
                // Nobody waits: what was to be gone on with has failed.
                ended.map_err(|failure| match (waits, failure.code) {
                    (true, ExitCode::Resumable) => Failure { code: ExitCode::Unreachable, ..failure }.hint("share it again"),
                    _ => failure,
                })
            }
        }
    }

    /// The upload said that it comes again: whether that is agreed on. Without an answer it may be.
    async fn is_waited_for(&self, call: &mut Call) -> bool {
        let Some(share) = self.ours.as_ref().map(|(share, _)| *share) else { return false };
        let (session, _) = call.parts();
        let answer = async {
            loop {
                match session.next().await {
                    Some(SharingEvent::Said { share: Some(said), message }) if said == share => match *message {
                        Message::Done => return true,
                        // Other questions may be on their way still.
                        Message::Refusal(why) if matches!(why.code, FailureCode::Forbidden | FailureCode::NotFound) => return false,
                        _ => {}
                    },
                    Some(SharingEvent::Ended { share: ended, .. }) if ended == share => return false,
                    Some(_) => {}
                    None => return true,
                }
            }
        };
        timeout(ANSWER, answer).await.unwrap_or(true)
    }

    async fn run(&mut self, call: &mut Call) -> Result<(), Failure> {
        let mut redraw = interval(REDRAW);
        let mut ask = call::asking();
        let (session, transfers) = call.parts();
        loop {
            let over = [self.ended, self.closing.or(self.until)].into_iter().flatten().min();
            tokio::select! {
                event = session.next() => {
                    let Some(event) = event else { return Err(Failure::new(ExitCode::Declined, "the call is over")) };
                    transfers.hear(&event);
                    if let Some(ended) = self.on_session(transfers, event).await {
                        return ended;
                    }
                }
                event = transfers.next() => self.on_transfer(transfers, event).await?,
                () = at_moment(over), if over.is_some() => if let Some(ended) = self.on_over(transfers).await {
                    return ended;
                },
                _ = ask.tick() => {
                    call::ask(session).await;
                    if let (Some((share, _)), true, None) = (&self.ours, self.uploaded, self.closing) {
                        transfers.ask(*share).await;
                    }
                }
                _ = redraw.tick() => if let Some((_, Some(bar))) = &mut self.ours {
                    bar.show(&self.context.output)?;
                    if let Some(kept) = &mut self.kept {
                        kept.note(bar.bytes());
                    }
                },
                () = self.context.leaving.cancelled() => {
                    if self.uploaded || self.kept.is_none() {
                        self.end(transfers).await;
                    }
                    return Err(self.interrupted());
                }
            }
        }
    }

    async fn on_session(&mut self, transfers: &mut Transfers, event: SharingEvent) -> Option<Result<(), Failure>> {
        let ours = self.ours.as_ref().map(|(share, _)| *share);
        match event {
            SharingEvent::Said { share, message } if share == ours && ours.is_some() => match *message {
                Message::ShareComplete { members, more } => self.on_report(members, more),
                Message::ShareEnded(why) if self.uploaded => Some(Err(failure::said("the share was ended", Some(&why), None))),
                Message::Status(status) => self.on_status(transfers, status.members, status.more).await,
                _ => None,
            },
            // Somebody else's: this dialog only shares.
            SharingEvent::Offered { share, .. } => {
                transfers.decline(share).await;
                None
            }
            SharingEvent::Terminal(TerminalEvent::Ended { reason, lost, .. }) => {
                // Nobody ended it: the conference waits for the upload, if it lives; one that stops forgets it, and it is shared again there.
                let waits = (lost || reason.as_ref().is_some_and(Reason::is_of_stopping)) && self.kept.is_some();
                let ended = over(reason, lost);
                Some(Err(Failure { code: if waits { ExitCode::Resumable } else { ended.code }, ..ended }))
            }
            SharingEvent::Ended { share, why } if self.uploaded && ours == Some(share) => match why {
                // Nobody ended it: as long as it is kept, it can be shared again.
                Some(why) if why.code == FailureCode::Unreachable && self.kept.is_some() => {
                    Some(Err(Failure { code: ExitCode::Resumable, ..failure::said("the share broke off", Some(&why), None) }))
                }
                Some(why) => Some(Err(failure::said("the share was ended", Some(&why), None))),
                None => {
                    self.ended = Some(clock::now() + REASON);
                    None
                }
            },
            _ => None,
        }
    }

    /// Ctrl-C: who was waited for has not got it.
    fn interrupted(&self) -> Failure {
        let Some((who, (bytes, _))) = self.broken.iter().next() else { return self.interrupted_upload() };
        let more = if self.broken.len() > 1 { format!(", and {} more do not have it", self.broken.len() - 1) } else { String::new() };
        let text = format!("the share was ended: {} broke off at {} and had not come back{more}", safe_line(who), human(*bytes));
        Failure::new(ExitCode::Interrupted, text)
    }

    /// Ctrl-C: an upload that is not kept is lost, and why that is so.
    fn interrupted_upload(&self) -> Failure {
        if self.uploaded || self.kept.is_some() || self.ours.is_none() {
            return Failure::silent(ExitCode::Interrupted);
        }
        let stream = self.manifest.files().any(|(_, entry)| entry.size().flatten().is_none());
        let why = if stream { "standard input cannot be read again" } else { "no record of it could be kept, or there is no account" };
        Failure::new(ExitCode::Interrupted, format!("the share was ended before everything was uploaded, and cannot be resumed: {why}"))
    }

    /// The time is up. Asked once who has it by now; without an answer nobody does.
    async fn on_over(&mut self, transfers: &mut Transfers) -> Option<Result<(), Failure>> {
        if self.ended.is_some() {
            return Some(Err(failure::said("the share was ended", None, None)));
        }
        if let (Some((share, _)), true, None) = (&self.ours, self.uploaded, self.closing) {
            transfers.ask(*share).await;
            self.closing = Some(clock::now() + ANSWER);
            return None;
        }
        self.end(transfers).await;
        let text = if self.uploaded {
            "the time was up, and the conference did not say who has it"
        } else {
            "the time was up before everything was uploaded"
        };
        Some(Err(Failure::new(ExitCode::Unreachable, text)))
    }

    async fn end(&mut self, transfers: &mut Transfers) {
        if let Some((share, _)) = &self.ours {
            transfers.end(*share).await;
        }
    }
}

async fn at_moment(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
