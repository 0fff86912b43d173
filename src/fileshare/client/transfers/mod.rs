//! The transfers of one terminal: what its signalling ([`SharingTerminal`](crate::fileshare::terminal::SharingTerminal)) agrees on is carried out,
//! each share by a task of its own.
//!
//! Whoever owns both passes on what the signalling tells ([`Transfers::hear`]) and asks what became of the transfers ([`Transfers::next`]). A
//! connection that breaks is made again, from another port that is declared first (`reconnect`), as long as a file server keeps what it has of a
//! share that stands still; only then has the transfer broken off.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | which transfers there are, and who hears what |
//! | `event.rs` | how transfers are made, and what is told of them |
//! | `lead.rs` | one transfer, connection after connection |
//! | `upload.rs`, `download.rs` | what is done over each of them |

mod download;
mod event;
mod lead;
mod upload;

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::event::{RESUME_WINDOW, ShareOptions, TransferEvent, TransferOptions};
use self::lead::{Lead, Word};
use super::{Downloader, LocalPort, Settings, Snapshot, Ticket, TransferError, Uploader};
use crate::{
    clock,
    conference::client::TerminalEvent,
    fileshare::{
        BatchId, ConfId, ShareId,
        terminal::{Order, SharingCommand, SharingEvent},
        wire::{
            Failure, FailureCode,
            control::{Batch, FileFacts, MAX_FILES, Message},
        },
    },
    sip::endpoint::Reason,
    transfer::Manifest,
};

/// What became of transfers and waits to be asked for. Transfers wait when it is full.
const EVENTS: usize = 64;
/// What was agreed on and waits for its transfer. What does not fit is dropped: the transfer waits for it in vain, and breaks off.
const WORDS: usize = 16;
/// How long transfers get to break off.
const PARTING: Duration = Duration::from_secs(3);

/// The transfers of a terminal; see the [module](self). Dropping it breaks all off.
#[derive(Debug)]
pub struct Transfers {
    commands: mpsc::Sender<SharingCommand>,
    local: IpAddr,
    options: TransferOptions,
    rng: ChaCha12Rng,
    /// Shares of ours that have no name yet.
    beginning: BTreeMap<u64, Running>,
    live: BTreeMap<ShareId, Running>,
    tell: mpsc::Sender<TransferEvent>,
    inbox: mpsc::Receiver<TransferEvent>,
    /// What was heard and is an event itself: it must not wait for room that only whoever hears can make. No more than shares are begun.
    heard: VecDeque<TransferEvent>,
    tasks: TaskTracker,
    stop: CancellationToken,
    last_key: u64,
}

/// A transfer that runs.
#[derive(Debug)]
struct Running {
    words: mpsc::Sender<Word>,
    conf: Option<ConfId>,
    batch: BatchId,
    /// It receives.
    receives: bool,
    stop: CancellationToken,
    cancel: CancellationToken,
    /// Another transfer has taken its place: what becomes of it need not be told.
    replaced: CancellationToken,
    /// Cancelled when its task has ended.
    over: CancellationToken,
}

impl Transfers {
    /// No transfers yet. `commands` reach the terminal, `local` is the address of this host that it is reached by.
    pub fn new(commands: mpsc::Sender<SharingCommand>, local: IpAddr, options: TransferOptions) -> Self {
        let (tell, inbox) = mpsc::channel(EVENTS);
        Self {
            commands,
            local,
            options,
            rng: ChaCha12Rng::from_seed(clock::seed()),
            beginning: BTreeMap::new(),
            live: BTreeMap::new(),
            tell,
            inbox,
            heard: VecDeque::new(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            last_key: 0,
        }
    }

    /// Shares a batch (S401 or S801). [`TransferEvent::Shared`] or [`TransferEvent::NotShared`] follows with the key.
    ///
    /// # Errors
    /// No port to connect from.
    pub async fn share(&mut self, uploader: Uploader, options: ShareOptions) -> Result<(u64, watch::Receiver<Snapshot>), TransferError> {
        let port = LocalPort::bind(self.local)?;
        self.last_key = self.last_key.wrapping_add(1);
        let key = self.last_key;
        let id = options.batch.unwrap_or_else(|| BatchId::random(&mut self.rng));
        let batch = describe(id, uploader.source().manifest());
        let order = Order { key, batch, source: port.address(), plain: false, opening: options.opening, recipients: options.recipients };
        let (id, files) = (order.batch.id, order.batch.files.clone());
        self.say(SharingCommand::Share(Box::new(order))).await;
        let (lead, running, progress) = self.prepare(id);
        let over = running.over.clone().drop_guard();
        self.tasks.spawn(async move {
            upload::run(lead, Some(key), uploader, port, Some(files)).await;
            drop(over);
        });
        self.beginning.insert(key, running);
        Ok((key, progress))
    }

    /// Goes on with the upload of a share of our account that another dialog, or another process, began. The batch must be the one that it
    /// began with.
    ///
    /// # Errors
    /// No port to connect from.
    pub async fn go_on(&mut self, share: ShareId, batch: BatchId, uploader: Uploader) -> Result<watch::Receiver<Snapshot>, TransferError> {
        let port = LocalPort::bind(self.local)?;
        let (mut lead, running, progress) = self.prepare(batch);
        lead.share = Some(share);
        lead.before = self.live.remove(&share).map(Running::replaced);
        self.say(SharingCommand::TakeUp { share, source: port.address() }).await;
        let over = running.over.clone().drop_guard();
        self.tasks.spawn(async move {
            upload::run(lead, None, uploader, port, None).await;
            drop(over);
        });
        self.enter(share, running);
        Ok(progress)
    }

    /// Receives a share (S407 or S807): one that was offered, or by its name one that was not; its batch must be known. A transfer of that
    /// share that still runs breaks off first: only the newest carries bytes.
    ///
    /// # Errors
    /// No port to connect from.
    pub async fn receive(
        &mut self,
        share: ShareId,
        batch: BatchId,
        downloader: Downloader,
    ) -> Result<watch::Receiver<Snapshot>, TransferError> {
        let port = LocalPort::bind(self.local)?;
        let (mut lead, mut running, progress) = self.prepare(batch);
        running.receives = true;
        lead.share = Some(share);
        lead.before = self.live.remove(&share).map(Running::replaced);
        self.say(SharingCommand::Receive { share, source: port.address(), plain: false }).await;
        let over = running.over.clone().drop_guard();
        self.tasks.spawn(async move {
            download::run(lead, downloader, port).await;
            drop(over);
        });
        self.enter(share, running);
        Ok(progress)
    }

    /// Whether a transfer waits for this share to be offered, or granted: then it answers the offer itself, and nobody else is to.
    pub fn asks_for(&self, share: ShareId) -> bool {
        self.live.get(&share).is_some_and(|running| running.asks() && !running.over.is_cancelled())
    }

    /// Declines what was offered.
    pub async fn decline(&self, share: ShareId) {
        self.say(SharingCommand::Decline { share }).await;
    }

    /// Asks how a share stands: [`SharingEvent::Said`] with `status` follows.
    pub async fn ask(&self, share: ShareId) {
        self.say(SharingCommand::Say { share, message: Box::new(Message::StatusRequest) }).await;
    }

    /// Ends a share of ours, or gives up our part in one.
    pub async fn end(&mut self, share: ShareId) {
        if let Some(running) = self.live.remove(&share) {
            running.cancel.cancel();
        }
        self.say(SharingCommand::End { share }).await;
    }

    /// Transfers that have not come to their end.
    pub fn running(&self) -> usize {
        self.tasks.len()
    }

    /// What the signalling told. What is no transfer's matter is passed over.
    pub fn hear(&mut self, event: &SharingEvent) {
        match event {
            SharingEvent::Shared { key, share, conf, endpoint } => {
                let Some(mut running) = self.beginning.remove(key) else { return };
                if running.over.is_cancelled() {
                    // Too late: nobody uploads it any more. A terminal that has no room for a word is told by the end of the call.
                    let _ = self.commands.try_send(SharingCommand::End { share: *share });
                    return;
                }
                running.conf = Some(conf.clone());
                running.tell(Word::Named(*share));
                running.go(endpoint.clone());
                let batch = running.batch;
                self.enter(*share, running);
                self.heard.push_back(TransferEvent::Shared { key: *key, share: *share, batch });
            }
            SharingEvent::NotShared { key, why } => {
                if self.beginning.remove(key).is_some_and(|running| !running.over.is_cancelled()) {
                    self.heard.push_back(TransferEvent::NotShared { key: *key, why: why.clone() });
                }
            }
            SharingEvent::Go { share, conf, endpoint } => {
                if let Some(running) = self.live.get_mut(share) {
                    running.conf = Some(conf.clone());
                    running.go(endpoint.clone());
                }
            }
            SharingEvent::Ended { share, why } => {
                // Its reason may still come; and what is refused for now is asked for again.
                let asks_again = why.as_ref().is_some_and(lead::is_for_now) && self.live.get(share).is_some_and(Running::asks);
                let running = if why.is_some() && !asks_again { self.live.remove(share) } else { None };
                if let Some(running) = running.as_ref().or_else(|| self.live.get(share)) {
                    running.tell(Word::Ended(why.clone()));
                }
            }
            SharingEvent::Said { share: Some(share), message } => {
                let Some(running) = self.live.get(share) else { return };
                match message.as_ref() {
                    Message::Reconnected(endpoint) => running.go(endpoint.clone()),
                    Message::UploadReady => running.tell(Word::Ready),
                    Message::UploadComplete { bytes } => running.tell(Word::Complete(*bytes)),
                    Message::UploadNotReady { retry_seconds, reason } => {
                        running.tell(Word::NotReady(Duration::from_secs((*retry_seconds).into()), reason.clone()));
                    }
                    Message::Refusal(why) => running.tell(Word::Refused(why.clone())),
                    Message::ShareEnded(why) => running.tell(Word::Ended(Some(why.clone()))),
                    _ => {}
                }
            }
            SharingEvent::Offered { share, .. } if self.asks_for(*share) => {
                if let Some(running) = self.live.get(share) {
                    running.tell(Word::Offered);
                }
            }
            SharingEvent::Terminal(TerminalEvent::Ended { reason, .. }) => self.call_ended(reason.as_ref()),
            SharingEvent::Said { share: None, .. } | SharingEvent::Offered { .. } | SharingEvent::Terminal(_) => {}
        }
    }

    /// The call is over: who asks for a share asks nobody any more, and one of the same name in the next call is another one. What has a line or
    /// a part by INFO is ended by that, without a word; where the server stops, the call's reason is the word: nobody ended the share.
    pub fn call_ended(&mut self, reason: Option<&Reason>) {
        for (_, running) in self.live.extract_if(.., |_, running| running.asks()) {
            running.tell(Word::Ended(Some(Failure::new(FailureCode::Unreachable, "the call is over"))));
        }
        if reason.is_some_and(Reason::is_of_stopping) {
            let why = Failure::new(FailureCode::Unreachable, "the server of the conference stops");
            self.live.values().for_each(|running| running.tell(Word::Ended(Some(why.clone()))));
        }
    }

    /// What became of a transfer, once something has.
    pub async fn next(&mut self) -> TransferEvent {
        if let Some(event) = self.heard.pop_front() {
            return event;
        }
        loop {
            // There is always a sender: ours.
            if let Some(event) = self.inbox.recv().await {
                return event;
            }
        }
    }

    /// Breaks all off, and keeps what can be gone on with later: what became of each.
    pub async fn stop(&mut self) -> Vec<TransferEvent> {
        self.stop.cancel();
        self.tasks.close();
        let mut last: Vec<TransferEvent> = self.heard.drain(..).collect();
        let parting = async {
            loop {
                tokio::select! {
                    biased;
                    Some(event) = self.inbox.recv() => last.push(event),
                    () = self.tasks.wait() => break,
                }
            }
        };
        if timeout(PARTING, parting).await.is_err() {
            tracing::warn!("some transfers did not break off in time");
        }
        while let Ok(event) = self.inbox.try_recv() {
            last.push(event);
        }
        last
    }

    fn prepare(&self, batch: BatchId) -> (Lead, Running, watch::Receiver<Snapshot>) {
        let (words, heard) = mpsc::channel(WORDS);
        let (progress, shown) = watch::channel(Snapshot::default());
        let (stop, cancel, replaced) = (self.stop.child_token(), CancellationToken::new(), CancellationToken::new());
        let settings = Settings {
            limit: self.options.limit,
            progress: Some(progress),
            stop: stop.clone(),
            cancel: cancel.clone(),
            ..Settings::default()
        };
        let lead = Lead {
            share: None,
            settings,
            options: self.options.clone(),
            words: heard,
            commands: self.commands.clone(),
            tell: self.tell.clone(),
            local: self.local,
            complete: None,
            before: None,
            replaced: replaced.clone(),
        };
        let over = CancellationToken::new();
        (lead, Running { words, conf: None, batch, receives: false, stop, cancel, replaced, over }, shown)
    }

    /// A transfer of a share runs; those that have ended are forgotten.
    fn enter(&mut self, share: ShareId, running: Running) {
        self.live.retain(|_, running| !running.over.is_cancelled());
        self.live.insert(share, running);
    }

    async fn say(&self, command: SharingCommand) {
        // A terminal that is over needs no telling; its events have ended.
        let _ = self.commands.send(command).await;
    }
}

impl Drop for Transfers {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Running {
    /// Another transfer takes its place: it breaks off. Gives what says that it has.
    fn replaced(self) -> CancellationToken {
        self.replaced.cancel();
        self.stop.cancel();
        self.over
    }

    /// It asks to receive, and was not told where to connect yet.
    fn asks(&self) -> bool {
        self.receives && self.conf.is_none()
    }

    fn tell(&self, word: Word) {
        if let Err(error) = self.words.try_send(word) {
            tracing::debug!(%error, "a transfer was not told");
        }
    }

    fn go(&self, endpoint: crate::fileshare::wire::control::Endpoint) {
        if let Some(conf) = self.conf.clone() {
            self.tell(Word::Go(Box::new(Ticket { conf, batch: self.batch, endpoint })));
        }
    }
}

/// A batch in the words of signalling.
fn describe(id: BatchId, manifest: &Manifest) -> Batch {
    use sha2::Digest as _;
    let files = manifest.files().take(MAX_FILES).map(|(_, entry)| FileFacts {
        name: entry.path.as_str().to_owned(),
        size: entry.size().flatten(),
        mime: entry.mime.clone(),
        sha256: None,
    });
    Batch {
        id,
        entries: u32::try_from(manifest.entries().len()).unwrap_or(u32::MAX),
        bytes: manifest.total(),
        manifest: Some(sha2::Sha256::digest(manifest.to_json()).into()),
        files: files.collect(),
    }
}

/// A port of this host, and the address to declare.
fn another_port(local: IpAddr) -> Result<(LocalPort, SocketAddr), TransferError> {
    let port = LocalPort::bind(local)?;
    let address = port.address();
    Ok((port, address))
}

#[cfg(test)]
mod tests;
