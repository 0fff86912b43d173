//! The keeper of one upload: the only one that writes its bytes, and the only one that says when they are complete.
//!
//! Connections send it what came; readers follow the spool. It hashes what it writes while the disk takes it. How far the disk is is noted in
//! the record beside it; only what is noted there is acknowledged.
//!
//! | file | what |
//! |---|---|
//! | `take_up` | opens the store, and goes on with what an earlier process left |
//! | `take` | the batch header and the data |
//! | `note` | how far the disk is |
//! | `hashing` | what an earlier process wrote is hashed beside everything else |
//! | `verify` | the hashes, and the end |

mod hashing;
mod note;
mod take;
mod take_up;
mod verify;

use std::{io, sync::Arc};

use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, spawn_blocking},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    orders::{Begun, Order, gather, next},
    record::{Files, Leftover, Record},
    room::{Common, Stored},
};
use crate::{
    fileshare::{
        ConfId,
        file_server::plane::PlaneEvent,
        wire::{Failure, FailureCode},
    },
    transfer::{Spool, spool::SpoolError},
};
use hashing::Hashes;
use note::noted;
use verify::Closing;

/// See the [module](self).
pub(super) struct Keeper {
    conf: ConfId,
    common: Arc<Common>,
    files: Files,
    spool: Spool,
    /// The hashes of what was written.
    hashes: Hashes,
    /// The trailer that waits for the hashes.
    closing: Option<Closing>,
    record: Option<Record>,
    /// Who uploads, where that is known.
    sharer: Option<String>,
    /// Connection whose orders count.
    current: u64,
    stored: watch::Sender<Stored>,
    /// The record on its way to the disk, and bytes that it says are durable.
    noting: Option<(JoinHandle<io::Result<()>>, u64)>,
    /// Of that, and of what hashes: the record holds a turn at the disk only as long as it needs it, whatever the keeper waits for.
    tasks: TaskTracker,
}

/// What an upload begins with.
pub(super) struct Origin {
    /// What there is of it already.
    pub(super) leftover: Option<Leftover>,
    /// Who uploads, where that is known.
    pub(super) sharer: Option<String>,
}

/// Runs the keeper of one data conference until it is over. Then its bytes are deleted, unless the process is being stopped or they
/// are set aside (`stop`): then they are left for whoever goes on with them.
pub(super) async fn run(
    conf: ConfId,
    common: Arc<Common>,
    Origin { leftover, sharer }: Origin,
    mut orders: mpsc::Receiver<Order>,
    mut stored: watch::Sender<Stored>,
    over: CancellationToken,
    stop: CancellationToken,
) {
    let files = Files::of(&common.config.directory, leftover.as_ref().map_or(&conf, |left| &left.conf));
    let mut first = None;
    let opened = loop {
        match Keeper::open(conf.clone(), common.clone(), files.clone(), leftover.clone(), sharer.clone(), stored).await {
            Err((told, why)) if leftover.is_some() && may_pass(why.code) => {
                stored = told;
                tracing::warn!(%conf, %why, "what an earlier process stored is kept, and cannot be gone on with now");
                // What was acknowledged is not given up for a disk that is full today: whoever comes is to come again.
                let busy = Failure::new(FailureCode::Busy, format!("{}; what was uploaded is kept", why.text));
                stored.send_modify(|stored| stored.failed = Some(busy));
                // Whoever asked is told so.
                drop(first.take());
                tokio::select! {
                    () = over.cancelled() => break Err((stored, why)),
                    Some(order) = orders.recv() => first = Some(order),
                    () = sleep(common.config.heartbeat) => {}
                }
            }
            opened => break opened,
        }
    };
    match opened {
        Ok(mut keeper) => {
            keeper.serve(first, orders, &over).await;
            // A record under way would come back after it was removed. Where it cannot be written, the one before stays.
            let _ = keeper.settle().await;
            if stop.is_cancelled() {
                return;
            }
            if let Err(error) = keeper.spool.delete().await {
                tracing::error!(%conf, %error, "the bytes of a share are not deleted");
            }
        }
        Err((stored, why)) => {
            fail(&conf, &common, &stored, why).await;
            over.cancelled().await;
            if stop.is_cancelled() {
                return;
            }
            // Where nothing was taken up, what is there by this name is not ours: it is set aside just now, or goes on in another data conference.
            if leftover.is_some() {
                let _ = spawn_blocking(move || files.remove_all()).await;
            }
            common.space().release(&conf);
            return;
        }
    }
    let _ = spawn_blocking(move || files.remove()).await;
    common.space().release(&conf);
}

async fn fail(conf: &ConfId, common: &Common, stored: &watch::Sender<Stored>, why: Failure) {
    if stored.borrow().failed.is_none() {
        stored.send_modify(|stored| stored.failed = Some(why.clone()));
        common.tell(PlaneEvent::UploadFailed { conf: conf.clone(), why }).await;
    }
}

/// Whether what cannot be opened for this reason may be opened later: the disk is full, or failed, or memory has no room for its lists. What is
/// stored is not at fault.
fn may_pass(code: FailureCode) -> bool {
    matches!(code, FailureCode::NoSpace | FailureCode::Failed | FailureCode::Busy)
}

/// What a failing disk or a full one means to the sharer.
fn of_spool(error: &SpoolError) -> Failure {
    let code = match error {
        SpoolError::NoSpace { .. } => FailureCode::NoSpace,
        SpoolError::TooLong { .. } => FailureCode::Limit,
        SpoolError::Damaged { .. } => FailureCode::Integrity,
        _ => FailureCode::Failed,
    };
    // Where it is on our disk is nobody else's matter.
    let text = match error {
        SpoolError::NoSpace { .. } => "the file server's disk is full".to_owned(),
        SpoolError::TooLong { limit } => format!("the batch has more than {limit} bytes"),
        SpoolError::Damaged { found, durable, .. } => format!("of {durable} bytes that an earlier process stored, {found} are there"),
        other => {
            tracing::error!(%other, "the store of a share failed");
            "the file server's store failed".to_owned()
        }
    };
    Failure::new(code, text)
}

impl Keeper {
    /// Does what it is asked, beginning with what was asked already.
    async fn serve(&mut self, first: Option<Order>, mut orders: mpsc::Receiver<Order>, over: &CancellationToken) {
        let mut marks = self.spool.watch();
        let mut held = first;
        loop {
            // How far the disk is goes before what comes, and waits for no disk itself: it can neither be kept waiting by a fast sharer nor hold it up.
            let done = tokio::select! {
                biased;
                () = over.cancelled() => return,
                noted = noted(&mut self.noting) => self.noted(noted),
                hashed = self.hashes.caught_up() => self.on_caught_up(hashed).await,
                Ok(()) = marks.changed(), if self.noting.is_none() => {
                    let durable = marks.borrow_and_update().durable;
                    self.note(durable);
                    Ok(())
                }
                order = next(&mut held, &mut orders) => match order {
                    Some(Order::Data { connection, total, data }) => {
                        let (total, pieces) = gather((connection, total, data), &mut held, &mut orders);
                        self.take_data(connection, total, pieces).await
                    }
                    Some(order) => self.carry_out(order).await,
                    None => return,
                },
            };
            if let Err(why) = done {
                (self.hashes, self.closing) = (Hashes::default(), None);
                self.spool.fail(&why.text);
                fail(&self.conf, &self.common, &self.stored, why).await;
            }
        }
    }

    async fn carry_out(&mut self, order: Order) -> Result<(), Failure> {
        let failed = self.stored.borrow().failed.is_some();
        match order {
            Order::Begin { connection, batch, reply } => {
                self.current = connection;
                let (sharer, payload) = (&self.sharer, self.common.config.payload);
                self.record.get_or_insert_with(|| Record::of(batch, payload, sharer.clone()));
                let stored = self.stored.borrow();
                let begun =
                    Begun { written: stored.written(), has_manifest: stored.manifest.is_some(), complete: stored.trailer.is_some() };
                // A connection that is gone does not begin.
                let _ = reply.send(begun);
            }
            Order::Read { offset, reply } => {
                let _ = reply.send(self.spool.reader(offset));
            }
            Order::Manifest { connection, whole } if connection == self.current && !failed => {
                self.take_manifest(whole).await?;
            }
            Order::Data { connection, total, data } => self.take_data(connection, total, vec![data]).await?,
            Order::Trailer { connection, whole } if connection == self.current && !failed => {
                if self.stored.borrow().trailer.is_none() && self.closing.is_none() {
                    self.verify(whole).await?;
                }
            }
            // Of a connection that was replaced, or after the end.
            Order::Manifest { .. } | Order::Trailer { .. } => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_as_one_and_our_paths_are_nobodys_matter() {
        let path = "/srv/data/fileshare/c-x.spool".to_owned();
        for (error, code) in [
            (SpoolError::NoSpace { path: path.clone(), needed: 1, available: 0 }, FailureCode::NoSpace),
            (SpoolError::TooLong { limit: 7 }, FailureCode::Limit),
            (SpoolError::Damaged { path: path.clone(), found: 1, durable: 2 }, FailureCode::Integrity),
            (SpoolError::Io { path, why: "it smokes".into() }, FailureCode::Failed),
        ] {
            let failure = of_spool(&error);
            assert_eq!(failure.code, code);
            assert!(!failure.text.contains("/srv"), "{failure}");
        }
    }
}
