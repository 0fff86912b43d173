//! A share of ours, from its opening, or from where an earlier process left it, to its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use tokio::{
    sync::watch,
    time::{interval, sleep_until, timeout},
};

use super::{
    call::{self, Call, over},
    failure,
    kept::{Kept, Named},
    share::REDRAW,
    shares,
    show::{Bar, Moved, at, human, tell},
};
use crate::{
    cli::{ExitCode, Failure, output::safe_line, settings::Context, values::Room},
    clock,
    conference::{client::TerminalEvent, wire::Timestamp},
    fileshare::{
        BatchId, ShareId,
        client::{
            Snapshot, Uploader,
            transfers::{RESUME_WINDOW, ShareOptions, TransferEvent, Transfers},
        },
        terminal::SharingEvent,
        wire::{
            FailureCode,
            control::{Batch, Member, MemberState, Message},
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
        let progress = begun.map_err(|error| failure::of_transfer("failed to go on", &error, None))?;
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
                    let message = if failure.message.is_empty() { "the upload was broken off".to_owned() } else { failure.message };
                    Failure { message, ..failure }
                        .hint(format!("go on with: fshare resume {name}; or end the share with: fshare cancel {name}"))
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

    /// All who were asked have finished.
    fn on_report(&mut self, members: Vec<Member>, more: bool) -> Option<Result<(), Failure>> {
        self.members.extend(members);
        if let Err(failure) = shares::bounded(self.members.len()) {
            return Some(Err(failure));
        }
        if more {
            return None;
        }
        let told = std::mem::take(&mut self.members);
        let ended = self.fared(&told);
        if let Some((share, _)) = &self.ours
            && let Err(failure) = tell(&self.context.output, &Moved::finished(*share, &told, ended.is_some()))
        {
            return Some(Err(failure));
        }
        if ended.is_none() {
            self.context.output.note("nobody has it yet; waiting for somebody who comes (Ctrl-C ends the share)");
        }
        ended
    }

    /// What it means that members fared so; `None` where somebody may still come who wants it.
    fn fared(&self, members: &[Member]) -> Option<Result<(), Failure>> {
        let all = |state: MemberState| members.iter().all(|member| member.state == state);
        let complete = |who: &str| members.iter().any(|member| member.state == MemberState::Complete && member.who == who);
        // Whoever has it by another of its dialogs has it.
        let without = |member: &&Member| member.state == MemberState::Failed && !complete(&member.who);
        let some = members.iter().any(|member| member.state == MemberState::Complete);
        // Whoever can mend it may ask again, as long as nobody else has ended the wait.
        let waits = !some && members.iter().filter(without).all(is_by_itself);
        if let Some(member) = members.iter().find(without).filter(|_| !waits) {
            let others = members.iter().filter(without).count().saturating_sub(1);
            let others = if others == 0 { String::new() } else { format!(", nor did {others} more") };
            let who = member.failure.as_ref().map_or_else(String::new, |why| format!(": {}", safe_line(&why.text)));
            let text =
                if some { format!("{} did not receive it{others}{who}", safe_line(&member.who)) } else { "nobody received it".to_owned() };
            return Some(Err(Failure::new(ExitCode::Failed, text)));
        }
        if some {
            return Some(Ok(()));
        }
        if !self.to.is_empty() && all(MemberState::Declined) {
            return Some(Err(Failure::new(ExitCode::Declined, "nobody whom it is for wants it")));
        }
        None
    }

    /// It was asked how members stand: after the upload, or when the time was up.
    async fn on_status(&mut self, transfers: &mut Transfers, members: Vec<Member>, more: bool) -> Option<Result<(), Failure>> {
        self.standing.extend(members);
        if let Err(failure) = shares::bounded(self.standing.len()) {
            return Some(Err(failure));
        }
        if more {
            return None;
        }
        let members = std::mem::take(&mut self.standing);
        if self.closing.is_some() {
            self.end(transfers).await;
            let anybody = members.iter().any(|member| member.state == MemberState::Complete);
            let failed = members.iter().find_map(|member| Some((&member.who, member.failure.as_ref()?)));
            let nobody = || {
                let why = failed.map_or_else(String::new, |(who, why)| format!(": {}: {}", safe_line(who), safe_line(&why.text)));
                Failure::new(ExitCode::Unreachable, format!("the time was up before anybody had received it{why}"))
            };
            return Some(if anybody { Ok(()) } else { Err(nobody()) });
        }
        if let Err(failure) = self.on_broken(&members) {
            return Some(Err(failure));
        }
        let missing = missing(&self.to, &members);
        if !missing.is_empty() && !std::mem::replace(&mut self.missed, true) {
            let missing = missing.iter().map(|who| safe_line(who)).collect::<Vec<_>>().join(", ");
            self.context.output.warn(format!("nobody here is {missing}: whoever comes by that name receives it (Ctrl-C ends the share)"));
        }
        if self.uploaded && members.is_empty() && self.to.is_empty() && !std::mem::replace(&mut self.alone, true) {
            self.context.output.note("nobody is there who receives it; waiting for somebody who comes (Ctrl-C ends the share)");
        }
        None
    }

    /// Says who broke off and is waited for, once each time.
    fn on_broken(&mut self, members: &[Member]) -> Result<(), Failure> {
        let Some((share, bar)) = &mut self.ours else { return Ok(()) };
        // Whoever has it, or is at it, by another of its dialogs is not missed.
        let is_broken = |member: &&Member| {
            let others = |other: &Member| other.who == member.who && !matches!(other.state, MemberState::Broken | MemberState::Left);
            member.state == MemberState::Broken && !members.iter().any(others)
        };
        let now: BTreeMap<&str, u64> = members.iter().filter(is_broken).map(|member| (member.who.as_str(), member.bytes)).collect();
        self.broken.retain(|who, _| now.contains_key(who.as_str()));
        for (who, bytes) in now {
            if self.broken.contains_key(who) {
                continue;
            }
            let until = Timestamp::from(clock::wall() + RESUME_WINDOW);
            self.broken.insert(who.to_owned(), (bytes, until));
            let event = Moved::Waiting { at: at(), share: share.to_string(), who: who.to_owned(), bytes, until };
            tell(&self.context.output, &event)?;
        }
        if let Some(bar) = bar {
            let first = self.broken.iter().next();
            let more = if self.broken.len() > 1 { format!(" and {} more", self.broken.len() - 1) } else { String::new() };
            let running: BTreeSet<&str> = members.iter().filter(|member| is_under_way(member)).map(|member| member.who.as_str()).collect();
            let others = || match running.len() {
                0 => String::new(),
                1 => format!(", waiting for {}", running.iter().map(|who| safe_line(who)).collect::<String>()),
                several => format!(", waiting for {several}"),
            };
            bar.waits(first.map_or_else(others, |(who, (_, until))| format!(", waiting for {}{more} until {until}", safe_line(who))));
        }
        Ok(())
    }

    /// Ctrl-C: who was waited for has not got it.
    fn interrupted(&self) -> Failure {
        let Some((who, (bytes, _))) = self.broken.iter().next() else { return self.interrupted_upload() };
        let more = if self.broken.len() > 1 { format!(", and {} more are without it", self.broken.len() - 1) } else { String::new() };
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
        Failure::new(ExitCode::Interrupted, format!("the share was ended before all was uploaded, and cannot be gone on with: {why}"))
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
            "the time was up, and the conference does not say who has it"
        } else {
            "the time was up before all was uploaded"
        };
        Some(Err(Failure::new(ExitCode::Unreachable, text)))
    }

    async fn end(&mut self, transfers: &mut Transfers) {
        if let Some((share, _)) = &self.ours {
            transfers.end(*share).await;
        }
    }

    async fn on_transfer(&mut self, transfers: &mut Transfers, event: TransferEvent) -> Result<(), Failure> {
        let output = &self.context.output;
        match event {
            TransferEvent::Shared { share, batch, .. } => {
                let (entries, bytes, files) = (self.batch.entries.into(), self.batch.bytes, Some(self.manifest.files().len() as u64));
                tell(output, &Moved::Shared { at: at(), share: share.to_string(), entries, bytes, files })?;
                if let Some(room) = &self.room {
                    output.note(format_args!("others receive it with: fshare get {room} {share}"));
                }
                self.until = self.length.map(|length| clock::now() + length);
                let bar = self.progress.take().map(|progress| Bar::new(output, share, &self.batch, progress));
                self.ours = Some((share, bar));
                self.untouched = false;
                if !self.to.is_empty() {
                    // A name that is nobody's is worth a word before all is uploaded.
                    transfers.ask(share).await;
                }
                if let Some(earlier) = self.kept.take() {
                    // Of the same batch, in a share that is no more.
                    earlier.forget().await;
                }
                if let Some(named) = self.named.take() {
                    match Kept::begin(&named.lasting(self.length), share, batch, &self.manifest).await {
                        Ok(kept) => self.kept = kept,
                        Err(failure) => {
                            output.note(format!("where this upload breaks off, it cannot be gone on with: {}", failure.message));
                        }
                    }
                }
                Ok(())
            }
            TransferEvent::NotShared { why, .. } => Err(failure::said("the conference does not take the share", Some(&why), None)),
            TransferEvent::Uploaded { share, bytes } => {
                self.uploaded = true;
                if let Some((_, Some(bar))) = &mut self.ours {
                    bar.uploaded();
                }
                // Who is there is worth a word where nobody is.
                transfers.ask(share).await;
                tell(output, &Moved::Uploaded { at: at(), share: share.to_string(), bytes })
            }
            TransferEvent::Broken { share, error, again_in } => {
                if let Some((_, Some(bar))) = &mut self.ours {
                    bar.retried();
                }
                let (share, reason) = (share.to_string(), error.to_string());
                tell(output, &Moved::Broken { at: at(), share, reason, again_in: again_in.as_secs_f64() })
            }
            TransferEvent::Failed { error, .. } => {
                let failed = failure::of_transfer("the upload failed", &error, None);
                let again = error.is_resumable() && self.kept.is_some();
                Err(if again { Failure { code: ExitCode::Resumable, ..failed } } else { failed.hint("share it again") })
            }
            TransferEvent::Ended { why: Some(why), .. }
                if matches!(why.code, FailureCode::Unreachable | FailureCode::Busy) && self.kept.is_some() =>
            {
                // Nobody ended it: the conference waits, if it lives.
                Err(Failure { code: ExitCode::Resumable, ..failure::said("the upload broke off", Some(&why), None) })
            }
            TransferEvent::Ended { why: Some(why), .. } if why.code == FailureCode::Forbidden && self.kept.is_some() => {
                self.untouched = true;
                Err(failure::said("the conference does not let the upload go on", Some(&why), None))
            }
            TransferEvent::Ended { why, .. } => Err(failure::said("the share was ended", why.as_ref(), None)),
            TransferEvent::Downloaded { .. } => Ok(()),
        }
    }
}

/// Whether a member failed by what is its own to mend: a name that is taken, its disk, its permissions.
fn is_by_itself(member: &Member) -> bool {
    use FailureCode::{Cancelled, Conflict, Declined, Failed, NoSpace, Usage};
    member.failure.as_ref().is_some_and(|why| matches!(why.code, Cancelled | Conflict | Declined | Failed | NoSpace | Usage))
}

/// Of those whom a share is for, who is not among its members. A participant's id is not told of members: it fits whoever fits nobody else.
fn missing<'a>(to: &'a [String], members: &[Member]) -> Vec<&'a str> {
    let is = |member: &Member, who: &str| {
        let user = member.who.split_once(':').and_then(|(_, rest)| rest.split_once('@')).map(|(user, _)| user);
        member.who == who || user.is_some_and(|user| user.eq_ignore_ascii_case(who))
    };
    let is_number =
        |who: &str| who.strip_prefix('p').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    let (known, unknown): (Vec<&str>, Vec<&str>) =
        to.iter().map(String::as_str).partition(|who| members.iter().any(|member| is(member, who)));
    let mut others = members.iter().filter(|member| !known.iter().any(|who| is(member, who))).count();
    let lacks = |who: &&str| {
        let fits = is_number(who) && others > 0;
        others -= usize::from(fits);
        !fits
    };
    unknown.into_iter().filter(lacks).collect()
}

/// Whether somebody has still to receive it.
fn is_under_way(member: &Member) -> bool {
    matches!(member.state, MemberState::Offered | MemberState::Accepted | MemberState::Transferring)
}

async fn at_moment(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_of_those_whom_it_is_for_is_not_here_is_told_by_name_address_and_number() {
        let member = |who: &str| Member { who: who.to_owned(), state: MemberState::Offered, bytes: 0, failure: None };
        let members = [member("sip:bob@192.0.2.1"), member("sip:carol@192.0.2.1")];
        for (to, gone) in [
            (vec!["bob", "Carol"], vec![]),
            (vec!["sip:bob@192.0.2.1", "dave"], vec!["dave"]),
            (vec!["bob", "p4"], vec![]),
            (vec!["bob", "p4", "p99"], vec!["p99"]),
            (vec!["pat"], vec!["pat"]),
        ] {
            let to: Vec<String> = to.into_iter().map(str::to_owned).collect();
            assert_eq!(missing(&to, &members), gone, "{to:?}");
        }
        assert_eq!(missing(&["p1".to_owned()], &[]), ["p1"]);
    }
}
