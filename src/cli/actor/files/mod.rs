//! The files of a terminal: what it shares in its call, what it receives and declines, and what became of each.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | the shares of the call, who hears what |
//! | `share.rs` | what it shares, and what is kept of that |
//! | `get.rs` | what it receives |
//! | `filed.rs` | what happened, as it is told |

mod filed;
mod get;
mod share;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    num::NonZeroU64,
    path::PathBuf,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot, watch};

pub use filed::{Filed, Here, is_named};
pub use share::ToShare;

use share::{Beginning, Upload};

use crate::{
    cli::{
        ExitCode, Failure,
        fshare::{failure, shares},
    },
    fileshare::{
        BatchId, ShareId,
        client::{
            Snapshot,
            transfers::{TransferEvent, TransferOptions, Transfers},
        },
        terminal::{SharingCommand, SharingEvent},
        wire::control::{Batch, Member, Message},
    },
    sip::endpoint::Reason,
    transfer::Overwrite,
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
    /// Share this; the reply comes when the conference has taken it, or when all of it is at the server.
    Share(Box<ToShare>, Reply<ShareId>),
    /// Have all of the share with a file of this name, in this folder where it is not on its way already; the reply comes when it is here.
    Download(String, Option<PathBuf>, Reply<()>),
    /// End the share with a file of this name, or leave it.
    End(String, Reply<()>),
    /// Say how the shares of the call stand.
    Stand(Reply<Vec<Stands>>),
}

/// How a share of the call stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stands {
    /// Which.
    pub share: ShareId,
    /// The last that happened to it, as [`Filed::told`] says it.
    pub state: &'static str,
    /// Bytes that were moved, and of how many, where it is moved.
    pub moved: Option<(u64, Option<u64>)>,
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
    /// An upload that breaks off is left to `fshare resume`.
    pub come_again: bool,
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
    /// The last that happened to it.
    state: &'static str,
    /// How far its transfer is.
    progress: Option<watch::Receiver<Snapshot>>,
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
    beginning: BTreeMap<u64, Beginning>,
    /// Shares of ours that are not all at the server yet.
    uploads: BTreeMap<ShareId, Upload>,
    /// Downloads of shares that we have not heard of: the conference is asked.
    asking: Vec<(String, Option<PathBuf>, Reply<()>)>,
    /// Until when the conference may say what is shared; only while it is asked.
    unlisted: Option<Instant>,
    members: BTreeMap<ShareId, Vec<Member>>,
}

impl Files {
    /// No files yet.
    pub fn new(manner: Manner, terminal: mpsc::Sender<SharingCommand>, local: IpAddr) -> Self {
        let options = TransferOptions { limit: manner.limit, come_again: manner.come_again, ..TransferOptions::default() };
        let transfers = Transfers::new(terminal.clone(), local, options);
        let (known, beginning, uploads, asking, members) = Default::default();
        Self { manner, transfers, terminal, known, beginning, uploads, asking, unlisted: None, members }
    }

    /// Does what a step wants.
    pub async fn take(&mut self, order: Order) {
        match order {
            Order::Share(wanted, reply) => self.share(*wanted, reply).await,
            Order::Download(name, folder, reply) => self.get(name, folder, reply).await,
            Order::End(name, reply) => match self.find(&name) {
                Some(share) => {
                    self.transfers.end(share).await;
                    answer(reply, Ok(()));
                }
                None => answer(reply, Err(unknown(&name))),
            },
            Order::Stand(reply) => answer(reply, Ok(self.stand())),
        }
    }

    /// What the signalling told; what is worth a word of it.
    pub async fn hear(&mut self, event: SharingEvent) -> Vec<Filed> {
        self.transfers.hear(&event);
        let happened = match event {
            SharingEvent::Offered { share, .. } if self.transfers.asks_for(share) => Vec::new(),
            SharingEvent::Offered { share, offer } => self.offered(share, *offer).await,
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
        };
        happened.iter().for_each(|happened| self.note(happened));
        happened
    }

    /// The call is over, for this reason where one was said: nothing of its shares holds in the next one, and whoever waits for one waits in vain.
    pub fn call_ended(&mut self, reason: Option<&Reason>) {
        self.transfers.call_ended(reason);
        let over = Failure::new(ExitCode::Declined, "the call is over");
        self.unsaid(&over);
        self.members.clear();
        for reply in std::mem::take(&mut self.known).into_values().flat_map(|known| known.waiting) {
            answer(reply, Err(over.clone()));
        }
    }

    /// What became of a transfer, once something has.
    pub async fn next(&mut self) -> TransferEvent {
        self.transfers.next().await
    }

    /// Something became of a transfer.
    pub async fn became(&mut self, event: TransferEvent) -> Filed {
        let happened = match event {
            TransferEvent::Shared { key, share, batch } => self.shared(key, share, batch).await,
            TransferEvent::NotShared { key, why } => self.not_shared(key, why),
            TransferEvent::Uploaded { share, bytes } => self.uploaded(share, bytes).await,
            TransferEvent::Downloaded { share, downloaded } => self.received(share, *downloaded),
            TransferEvent::Broken { share, error, .. } => Filed::Broken { share, why: error.to_string() },
            TransferEvent::Failed { share, error, .. } => match self.uploads.remove(&share) {
                Some(upload) => self.not_uploaded(share, upload, of(share, &error), error.is_resumable()).await,
                None => self.ended(share, Err(of(share, &error))),
            },
            TransferEvent::Ended { share, why, .. } => {
                let failed = failure::said(&format!("{share} was ended"), why.as_ref(), None);
                match self.uploads.remove(&share) {
                    Some(upload) => {
                        // Nobody ended it: the conference waits, if it lives.
                        let lost = failed.code == ExitCode::Unreachable;
                        self.not_uploaded(share, upload, failed, lost).await
                    }
                    None => self.ended(share, Err(failed)),
                }
            }
        };
        self.note(&happened);
        happened
    }

    /// Breaks off what still runs; uploads that can be gone on with say so.
    pub async fn stop(&mut self) -> Vec<Filed> {
        let mut happened = Vec::new();
        for event in self.transfers.stop().await {
            happened.push(self.became(event).await);
        }
        happened
    }

    /// How the shares of the call stand.
    fn stand(&self) -> Vec<Stands> {
        let moved = |known: &Known| {
            let now = known.progress.as_ref()?.borrow().progress;
            Some((now.bytes, now.total))
        };
        self.known.iter().map(|(share, known)| Stands { share: *share, state: known.state, moved: moved(known) }).collect()
    }

    fn note(&mut self, happened: &Filed) {
        if let Some(known) = happened.share().and_then(|share| self.known.get_mut(&share)) {
            known.state = happened.told().0;
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
                let (since, outcome, waiting, progress) = Default::default();
                let known = Known { batch, since, outcome, waiting, ours, state: "offered", progress };
                for reply in self.known.insert(share, known).into_iter().flat_map(|before| before.waiting) {
                    answer(reply, Err(Failure::new(ExitCode::Declined, format!("{share} is another one now"))));
                }
            }
        }
        while self.known.len() > MAX_SHARES {
            self.known.pop_first();
        }
    }
}

/// Whether it is the same batch. A line may not say which.
fn is_same(known: BatchId, told: BatchId) -> bool {
    known == told || [known, told].contains(&BatchId(0))
}

fn of(share: ShareId, error: &crate::fileshare::client::TransferError) -> Failure {
    failure::of_transfer(&format!("{share} failed"), error, None)
}

fn unknown(name: &str) -> Failure {
    Failure::new(ExitCode::NotFound, format!("nothing named \"{name}\" is shared"))
}

fn answer<T>(reply: Reply<T>, outcome: Result<T, Failure>) {
    // The step may have lost its patience.
    let _ = reply.send(outcome);
}

#[cfg(test)]
mod tests;
