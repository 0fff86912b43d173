//! The files of a terminal: what it shares in its call, what it receives and declines, and what became of each.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    num::NonZeroU64,
    path::PathBuf,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};

use crate::{
    cli::{
        ExitCode, Failure,
        fshare::{failure, shares},
    },
    clock,
    fileshare::{
        BatchId, ShareId,
        client::{
            Downloaded, Downloader, TransferError, Uploader,
            transfers::{ShareOptions, TransferEvent, TransferOptions, Transfers},
        },
        terminal::{SharingCommand, SharingEvent},
        wire::control::{Batch, Member, Message},
    },
    transfer::{Overwrite, SinkOptions},
};

/// Orders that wait; whoever gives one more waits for room.
pub const ORDERS: usize = 16;
/// Most shares of one terminal that are remembered. The oldest are forgotten: steps no longer know them by their files.
const MAX_SHARES: usize = 1000;

/// How a step hears what became of its order.
type Reply<T> = oneshot::Sender<Result<T, Failure>>;

/// What a step wants of a terminal.
#[derive(Debug)]
pub enum Order {
    /// Share this; the reply comes when the conference has taken it.
    Share(Box<Uploader>, ShareOptions, Reply<ShareId>),
    /// Have all of the share with a file of this name, in this folder where it is not on its way already; the reply comes when it is here.
    Download(String, Option<PathBuf>, Reply<()>),
    /// End the share with a file of this name, or leave it.
    End(String, Reply<()>),
}

/// What happened to the files of a terminal.
#[derive(Debug, Clone, PartialEq)]
pub enum Filed {
    /// Somebody shares.
    Offered { share: ShareId, from: String, names: Vec<String> },
    /// The terminal does not want it.
    Declined { share: ShareId },
    /// The conference has taken its share.
    Shared { share: ShareId },
    /// The conference has not.
    NotShared { why: String },
    /// All of its share is at the server.
    Uploaded { share: ShareId, bytes: u64 },
    /// All who were asked have finished.
    Finished { share: ShareId, members: Vec<(String, String)> },
    /// All of a share is here, verified.
    Received { share: ShareId, files: Vec<Here>, seconds: f64 },
    /// A connection broke, and is made again.
    Broken { share: ShareId, why: String },
    /// A transfer failed, or was ended.
    Failed { share: ShareId, why: String },
}

/// A file that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Here {
    /// Its name in the share.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

impl Filed {
    /// The word for it, and what more is to be said of it.
    pub fn told(&self) -> (&'static str, String) {
        match self {
            Self::Offered { share, names, .. } => ("offered", format!("{share}: {}", names.join(", "))),
            Self::Declined { share } => ("declined", share.to_string()),
            Self::Shared { share } => ("shared", share.to_string()),
            Self::NotShared { why } => ("not-shared", why.clone()),
            Self::Uploaded { share, bytes } => ("uploaded", format!("{share}: {bytes} bytes")),
            Self::Finished { share, members } => {
                let members = members.iter().map(|(who, state)| format!("{who} {state}")).collect::<Vec<_>>().join(", ");
                ("finished", format!("{share}: {members}"))
            }
            Self::Received { share, files, .. } => {
                ("received", format!("{share}: {}", files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join(", ")))
            }
            Self::Broken { share, why } => ("broken", format!("{share}: {why}")),
            Self::Failed { share, why } => ("failed", format!("{share}: {why}")),
        }
    }

    /// The share that it is about.
    pub fn share(&self) -> Option<ShareId> {
        match self {
            Self::NotShared { .. } => None,
            Self::Offered { share, .. }
            | Self::Declined { share }
            | Self::Shared { share }
            | Self::Uploaded { share, .. }
            | Self::Finished { share, .. }
            | Self::Received { share, .. }
            | Self::Broken { share, .. }
            | Self::Failed { share, .. } => Some(*share),
        }
    }

    /// The file of this name, where it came with this.
    pub fn received(&self, name: &str) -> Option<(&Here, f64)> {
        match self {
            Self::Received { files, seconds, .. } => files.iter().find(|file| is_named(&file.name, name)).map(|file| (file, *seconds)),
            _ => None,
        }
    }
}

/// Whether a name in a share is meant by a name in a scenario: all of it, or its last part.
pub fn is_named(name: &str, meant: &str) -> bool {
    name == meant || name.rsplit('/').next() == Some(meant)
}

/// How a terminal handles files.
#[derive(Debug, Clone)]
pub struct Manner {
    /// It receives what is shared.
    pub receive: bool,
    /// Most bytes a second of each transfer.
    pub limit: Option<NonZeroU64>,
    /// Where it puts what comes.
    pub folder: PathBuf,
    /// What happens with files that are there already.
    pub overwrite: Overwrite,
    /// How long the conference may take to say what is shared.
    pub patience: Duration,
}

/// A share that the terminal knows of.
#[derive(Debug)]
struct Known {
    /// Of which batch: names of shares begin anew in every conference.
    batch: Batch,
    /// Since when it is received.
    since: Option<Instant>,
    /// How receiving it ended.
    outcome: Option<Result<(), Failure>>,
    waiting: Vec<Reply<()>>,
    ours: bool,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Files {
    manner: Manner,
    transfers: Transfers,
    terminal: mpsc::Sender<SharingCommand>,
    /// Shares of the call; none is of an earlier one.
    known: BTreeMap<ShareId, Known>,
    /// Shares of ours that are not taken yet.
    beginning: BTreeMap<u64, (Batch, Reply<ShareId>)>,
    /// Downloads of shares that we have not heard of: the conference is asked.
    asking: Vec<(String, Option<PathBuf>, Reply<()>)>,
    /// Until when the conference may say what is shared; only while it is asked.
    unlisted: Option<Instant>,
    members: BTreeMap<ShareId, Vec<Member>>,
}

impl Files {
    /// No files yet.
    pub fn new(manner: Manner, terminal: mpsc::Sender<SharingCommand>, local: IpAddr) -> Self {
        let options = TransferOptions { limit: manner.limit, ..TransferOptions::default() };
        let transfers = Transfers::new(terminal.clone(), local, options);
        let (known, beginning, asking, members) = Default::default();
        Self { manner, transfers, terminal, known, beginning, asking, unlisted: None, members }
    }

    /// Does what a step wants.
    pub async fn take(&mut self, order: Order) {
        match order {
            Order::Share(uploader, options, reply) => {
                let batch = crate::cli::fshare::share::shown(uploader.source());
                match self.transfers.share(*uploader, options).await {
                    Ok((key, _)) => drop(self.beginning.insert(key, (batch, reply))),
                    Err(error) => answer(reply, Err(failure::of_transfer("failed to share", &error, None))),
                }
            }
            Order::Download(name, folder, reply) => match self.find(&name) {
                Some(share) => self.want(share, folder, reply).await,
                None => {
                    // Who has gone away meanwhile is not kept.
                    self.asking.retain(|(_, _, reply)| !reply.is_closed());
                    self.asking.push((name, folder, reply));
                    self.unlisted = Some(clock::now() + self.manner.patience);
                    // A terminal that is over answers nobody; our patience ends.
                    let _ = self.terminal.send(SharingCommand::List).await;
                }
            },
            Order::End(name, reply) => match self.find(&name) {
                Some(share) => {
                    self.transfers.end(share).await;
                    answer(reply, Ok(()));
                }
                None => answer(reply, Err(unknown(&name))),
            },
        }
    }

    /// What the signalling told; what is worth a word of it.
    pub async fn hear(&mut self, event: SharingEvent) -> Vec<Filed> {
        self.transfers.hear(&event);
        match event {
            SharingEvent::Offered { share, .. } if self.transfers.asks_for(share) => Vec::new(),
            SharingEvent::Offered { share, offer } => {
                let offered = Filed::Offered {
                    share,
                    from: offer.from.clone(),
                    names: offer.batch.files.iter().map(|file| file.name.clone()).collect(),
                };
                self.know(share, offer.batch, false);
                if !self.manner.receive {
                    self.transfers.decline(share).await;
                    return vec![offered, Filed::Declined { share }];
                }
                match self.receive(share, None).await {
                    Ok(()) => vec![offered],
                    Err(failure) => {
                        self.transfers.decline(share).await;
                        vec![offered, self.ended(share, Err(failure))]
                    }
                }
            }
            SharingEvent::Said { share: Some(share), message } => match *message {
                Message::ShareComplete { members, more } => {
                    let told = self.members.entry(share).or_default();
                    told.extend(members);
                    if more {
                        return Vec::new();
                    }
                    let members = self.members.remove(&share).unwrap_or_default();
                    let members = members.into_iter().map(|member| (member.who, member.state.to_string())).collect();
                    vec![Filed::Finished { share, members }]
                }
                _ => Vec::new(),
            },
            SharingEvent::Said { share: None, message } => {
                match *message {
                    Message::Shares { shares, more } => {
                        for summary in shares {
                            self.know(summary.share, summary.batch, false);
                        }
                        if !more {
                            self.listed().await;
                        }
                    }
                    // It names no share: it answers who asks for all.
                    Message::Refusal(why) => self.unsaid(&shares::refused(&why)),
                    _ => {}
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// The call is over: nothing of its shares holds in the next one, and whoever waits for one waits in vain.
    pub fn call_ended(&mut self) {
        let over = Failure::new(ExitCode::Declined, "the call is over");
        self.unsaid(&over);
        self.members.clear();
        for reply in std::mem::take(&mut self.known).into_values().flat_map(|known| known.waiting) {
            answer(reply, Err(over.clone()));
        }
    }

    /// Until when the conference may say what is shared; nothing while it is not asked.
    pub fn unlisted(&self) -> Option<Instant> {
        self.unlisted
    }

    /// Nobody who asked is told what is shared.
    pub fn unsaid(&mut self, why: &Failure) {
        self.unlisted = None;
        for (_, _, reply) in std::mem::take(&mut self.asking) {
            answer(reply, Err(why.clone()));
        }
    }

    /// What became of a transfer, once something has.
    pub async fn next(&mut self) -> TransferEvent {
        self.transfers.next().await
    }

    /// Something became of a transfer.
    pub fn became(&mut self, event: TransferEvent) -> Filed {
        match event {
            TransferEvent::Shared { key, share, batch: id } => {
                if let Some((batch, reply)) = self.beginning.remove(&key) {
                    self.know(share, Batch { id, ..batch }, true);
                    answer(reply, Ok(share));
                }
                Filed::Shared { share }
            }
            TransferEvent::NotShared { key, why } => {
                if let Some((_, reply)) = self.beginning.remove(&key) {
                    answer(reply, Err(failure::said("the conference does not take the share", Some(&why), None)));
                }
                Filed::NotShared { why: why.text }
            }
            TransferEvent::Uploaded { share, bytes } => Filed::Uploaded { share, bytes },
            TransferEvent::Downloaded { share, downloaded } => self.received(share, *downloaded),
            TransferEvent::Broken { share, error, .. } => Filed::Broken { share, why: error.to_string() },
            TransferEvent::Failed { share, error, .. } => self.ended(share, Err(of(share, &error))),
            TransferEvent::Ended { share, why, .. } => {
                self.ended(share, Err(failure::said(&format!("{share} was ended"), why.as_ref(), None)))
            }
        }
    }

    /// Breaks off what still runs.
    pub async fn stop(&mut self) {
        for event in self.transfers.stop().await {
            self.became(event);
        }
    }

    fn find(&self, name: &str) -> Option<ShareId> {
        let id = name.parse::<ShareId>().ok();
        let fits = |known: &Known| known.batch.files.iter().any(|file| is_named(&file.name, name));
        self.known.iter().rev().find(|(share, known)| id == Some(**share) || fits(known)).map(|(share, _)| *share)
    }

    fn know(&mut self, share: ShareId, batch: Batch, ours: bool) {
        match self.known.get_mut(&share) {
            Some(known) if is_same(known.batch.id, batch.id) => {
                // The list says more than a line.
                if batch.files.len() > known.batch.files.len() {
                    known.batch = batch;
                }
            }
            _ => {
                let known = Known { batch, since: None, outcome: None, waiting: Vec::new(), ours };
                for reply in self.known.insert(share, known).into_iter().flat_map(|before| before.waiting) {
                    answer(reply, Err(Failure::new(ExitCode::Declined, format!("{share} is another one now"))));
                }
            }
        }
        while self.known.len() > MAX_SHARES {
            self.known.pop_first();
        }
    }

    async fn listed(&mut self) {
        self.unlisted = None;
        for (name, folder, reply) in std::mem::take(&mut self.asking) {
            match self.find(&name) {
                Some(share) => self.want(share, folder, reply).await,
                None => answer(reply, Err(unknown(&name))),
            }
        }
    }

    /// Somebody waits for a share to be here.
    async fn want(&mut self, share: ShareId, folder: Option<PathBuf>, reply: Reply<()>) {
        let Some(known) = self.known.get_mut(&share) else { return };
        if known.ours {
            return answer(reply, Err(Failure::usage(format!("{share} is its own"))));
        }
        let runs = match known.outcome {
            Some(Ok(())) => return answer(reply, Ok(())),
            // It failed, and is tried again.
            Some(Err(_)) => false,
            None => known.since.is_some(),
        };
        known.waiting.retain(|reply| !reply.is_closed());
        known.waiting.push(reply);
        if runs {
            return;
        }
        if let Err(failure) = self.receive(share, folder).await {
            self.ended(share, Err(failure));
        }
    }

    async fn receive(&mut self, share: ShareId, folder: Option<PathBuf>) -> Result<(), Failure> {
        let Some(known) = self.known.get_mut(&share) else { return Ok(()) };
        (known.since, known.outcome) = (Some(clock::now()), None);
        let options = SinkOptions { overwrite: self.manner.overwrite, ..SinkOptions::default() };
        let downloader = Downloader::to_folder(folder.unwrap_or_else(|| self.manner.folder.clone()), options);
        self.transfers.receive(share, known.batch.id, downloader).await.map(drop).map_err(|error| of(share, &error))
    }

    fn received(&mut self, share: ShareId, downloaded: Downloaded) -> Filed {
        let since = self.known.get(&share).and_then(|known| known.since);
        let seconds = since.map_or(0.0, |since| clock::now().saturating_duration_since(since).as_secs_f64());
        let files = downloaded.files.files.into_iter();
        let files = files.filter_map(|placed| Some(Here { name: placed.name.as_str().to_owned(), path: placed.path? })).collect();
        self.settle(share, Ok(()));
        Filed::Received { share, files, seconds }
    }

    fn ended(&mut self, share: ShareId, outcome: Result<(), Failure>) -> Filed {
        let why = outcome.as_ref().err().map(|failure| failure.message.clone()).unwrap_or_default();
        self.settle(share, outcome);
        Filed::Failed { share, why }
    }

    fn settle(&mut self, share: ShareId, outcome: Result<(), Failure>) {
        let Some(known) = self.known.get_mut(&share) else { return };
        for reply in std::mem::take(&mut known.waiting) {
            answer(reply, outcome.clone());
        }
        known.outcome = Some(outcome);
    }
}

/// Whether it is the same batch. A line may not say which.
fn is_same(known: BatchId, told: BatchId) -> bool {
    known == told || [known, told].contains(&BatchId(0))
}

fn of(share: ShareId, error: &TransferError) -> Failure {
    failure::of_transfer(&format!("{share} failed"), error, None)
}

fn unknown(name: &str) -> Failure {
    Failure::new(ExitCode::NotFound, format!("nothing of the name \"{name}\" is shared"))
}

fn answer<T>(reply: Reply<T>, outcome: Result<T, Failure>) {
    // The step may have lost its patience.
    let _ = reply.send(outcome);
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;
    use crate::{
        fileshare::wire::{
            self, FailureCode,
            control::{DownloadOffer, FileFacts, ShareSummary},
        },
        transfer::sink::Finished,
    };

    const PATIENCE: Duration = Duration::from_secs(5);

    fn batch(id: u64, name: &str) -> Batch {
        let file = FileFacts { name: name.to_owned(), size: Some(5), mime: None, sha256: None };
        Batch { id: BatchId(id), entries: 1, bytes: Some(5), manifest: None, files: vec![file] }
    }

    fn offered(share: ShareId, batch: Batch) -> SharingEvent {
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 9);
        SharingEvent::Offered { share, offer: Box::new(DownloadOffer { from: String::new(), batch, address, fingerprint: None }) }
    }

    /// Files of a terminal that declines, and what it tells the conference.
    fn files() -> (Files, mpsc::Receiver<SharingCommand>, tempfile::TempDir) {
        let (terminal, told) = mpsc::channel(64);
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().to_owned();
        let manner = Manner { receive: false, limit: None, folder: place, overwrite: Overwrite::Refuse, patience: PATIENCE };
        (Files::new(manner, terminal, Ipv4Addr::LOCALHOST.into()), told, folder)
    }

    async fn get(files: &mut Files, name: &str) -> oneshot::Receiver<Result<(), Failure>> {
        let (reply, outcome) = oneshot::channel();
        files.take(Order::Download(name.to_owned(), None, reply)).await;
        outcome
    }

    fn code(outcome: &mut oneshot::Receiver<Result<(), Failure>>) -> Option<Result<(), ExitCode>> {
        outcome.try_recv().ok().map(|outcome| outcome.map_err(|failure| failure.code))
    }

    fn asks(told: &mut mpsc::Receiver<SharingCommand>) -> Vec<&'static str> {
        let word = |command| match command {
            SharingCommand::Receive { .. } => "receive",
            SharingCommand::List => "list",
            SharingCommand::Decline { .. } => "decline",
            _ => "something else",
        };
        std::iter::from_fn(|| told.try_recv().ok()).map(word).collect()
    }

    /// The first share of a call is here.
    async fn got(files: &mut Files, told: &mut mpsc::Receiver<SharingCommand>, batch: Batch) {
        let (share, name) = (ShareId(1), batch.files[0].name.clone());
        files.hear(offered(share, batch)).await;
        let mut outcome = get(files, &name).await;
        assert_eq!(asks(told), ["decline", "receive"]);
        let downloaded = Downloaded { bytes: 5, files: Finished { files: Vec::new(), root: None, warnings: Vec::new() } };
        files.became(TransferEvent::Downloaded { share, downloaded: Box::new(downloaded) });
        assert_eq!(code(&mut outcome), Some(Ok(())));
    }

    #[tokio::test]
    async fn the_first_share_of_the_next_call_is_not_that_of_the_one_before() {
        let (mut files, mut told, _folder) = files();
        got(&mut files, &mut told, batch(1, "notes.txt")).await;
        files.call_ended();
        let mut before = get(&mut files, "notes.txt").await;
        assert_eq!(asks(&mut told), ["list"], "what came in another call is nothing that this one has");
        files.hear(offered(ShareId(1), batch(2, "slides.bin"))).await;
        let mut now = get(&mut files, "slides.bin").await;
        assert_eq!(asks(&mut told), ["decline", "receive"]);
        assert_eq!((code(&mut before), code(&mut now)), (None, None), "neither has come");
        files.call_ended();
        let over = Some(Err(ExitCode::Declined));
        assert_eq!((code(&mut before), code(&mut now)), (over, over), "who waits is told that the call is over");
    }

    #[tokio::test]
    async fn a_share_of_the_same_name_and_of_another_batch_is_another_one() {
        let (mut files, mut told, _folder) = files();
        got(&mut files, &mut told, batch(1, "notes.txt")).await;
        let summary = |batch| ShareSummary {
            share: ShareId(1),
            from: String::new(),
            own: false,
            batch,
            uploaded: 5,
            complete: true,
            finished: 0,
            members: 0,
        };
        let said =
            |batch| SharingEvent::Said { share: None, message: Box::new(Message::Shares { shares: vec![summary(batch)], more: false }) };
        files.hear(said(batch(1, "notes.txt"))).await;
        assert_eq!(code(&mut get(&mut files, "notes.txt").await), Some(Ok(())), "it is here");
        files.hear(said(batch(2, "notes.txt"))).await;
        let mut outcome = get(&mut files, "notes.txt").await;
        assert_eq!((asks(&mut told), code(&mut outcome)), (vec!["receive"], None), "it is not");
    }

    #[tokio::test]
    async fn who_asks_for_what_is_shared_is_answered_by_a_refusal_and_by_silence() {
        let (mut files, mut told, _folder) = files();
        let mut outcome = get(&mut files, "notes.txt").await;
        let why = wire::Failure::new(FailureCode::Forbidden, "guests receive nothing");
        files.hear(SharingEvent::Said { share: None, message: Box::new(Message::Refusal(why)) }).await;
        assert_eq!((asks(&mut told), code(&mut outcome)), (vec!["list"], Some(Err(ExitCode::Denied))));
        assert_eq!(files.unlisted(), None, "nobody asks");
        let began = clock::now();
        let mut outcome = get(&mut files, "notes.txt").await;
        assert!(files.unlisted().is_some_and(|end| (began + PATIENCE..=clock::now() + PATIENCE).contains(&end)));
        files.unsaid(&shares::unsaid());
        assert_eq!((files.unlisted(), code(&mut outcome)), (None, Some(Err(ExitCode::Unreachable))));
    }
}
