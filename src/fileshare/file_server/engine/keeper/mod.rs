//! The keeper of one upload: the only one that writes its bytes, and the only one that says when they are complete.
//!
//! Connections send it what came; readers follow the spool. It hashes what it writes while the disk takes it. How far the disk is is noted in
//! the record beside it; only what is noted there is acknowledged.

use std::{io, sync::Arc};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, watch},
    task::{JoinError, JoinHandle, spawn_blocking},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    contents::Contents,
    orders::{Begun, Order, gather, next},
    record::{Files, Leftover, Record},
    room::{Common, Manifest, Stored},
    stats::add,
};
use crate::{
    fileshare::{
        ConfId,
        file_server::plane::PlaneEvent,
        wire::{Failure, FailureCode, payload},
    },
    transfer::{
        self, Spool,
        spool::{SpoolError, SpoolOptions},
    },
};

/// What is read at once to hash what an earlier process wrote, in bytes.
const REREAD: usize = 1024 * 1024;

/// See the [module](self).
pub(super) struct Keeper {
    conf: ConfId,
    common: Arc<Common>,
    files: Files,
    spool: Spool,
    /// The hashes of what was written.
    contents: Contents,
    record: Option<Record>,
    /// Connection whose orders count.
    current: u64,
    stored: watch::Sender<Stored>,
    /// The record on its way to the disk, and bytes that it says are durable.
    noting: Option<(JoinHandle<io::Result<()>>, u64)>,
    /// Of that: it holds a turn at the disk only as long as it needs it, whatever the keeper waits for.
    tasks: TaskTracker,
}

/// Runs the keeper of one data conference until it is over. Then its bytes are deleted, unless the process is being stopped (`stop`): then they
/// are left for the next.
pub(super) async fn run(
    conf: ConfId,
    common: Arc<Common>,
    leftover: Option<Leftover>,
    mut orders: mpsc::Receiver<Order>,
    mut stored: watch::Sender<Stored>,
    over: CancellationToken,
    stop: CancellationToken,
) {
    let files = Files::of(&common.config.directory, &conf);
    let mut first = None;
    let opened = loop {
        match Keeper::open(conf.clone(), common.clone(), files.clone(), leftover.clone(), stored).await {
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
            if !stop.is_cancelled() {
                let _ = spawn_blocking(move || files.remove_all()).await;
            }
            return;
        }
    }
    let _ = spawn_blocking(move || files.remove()).await;
}

async fn fail(conf: &ConfId, common: &Common, stored: &watch::Sender<Stored>, why: Failure) {
    if stored.borrow().failed.is_none() {
        stored.send_modify(|stored| stored.failed = Some(why.clone()));
        common.tell(PlaneEvent::UploadFailed { conf: conf.clone(), why }).await;
    }
}

/// Whether what cannot be opened for this reason may be opened later: the disk is full, or failed. What is stored is not at fault.
fn may_pass(code: FailureCode) -> bool {
    matches!(code, FailureCode::NoSpace | FailureCode::Failed)
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
    async fn open(
        conf: ConfId,
        common: Arc<Common>,
        files: Files,
        leftover: Option<Leftover>,
        stored: watch::Sender<Stored>,
    ) -> Result<Self, (watch::Sender<Stored>, Failure)> {
        let options = SpoolOptions { limit: common.config.batch_bytes, syncs: Some(common.syncs.clone()), ..SpoolOptions::default() };
        let opened = match &leftover {
            Some(left) => Spool::reopen(&files.spool(), left.durable, options).await,
            None => Spool::create(&files.spool(), options).await,
        };
        let spool = match opened {
            Ok(spool) => spool,
            Err(error) => return Err((stored, of_spool(&error))),
        };
        stored.send_modify(|stored| stored.spool = Some(spool.watch()));
        let mut keeper = Self {
            conf,
            common,
            files,
            spool,
            contents: Contents::default(),
            record: None,
            current: 0,
            stored,
            noting: None,
            tasks: TaskTracker::new(),
        };
        if let Some(left) = leftover
            && let Err(why) = keeper.take_up(left).await
        {
            return Err((keeper.stored, why));
        }
        // An earlier try may have failed.
        keeper.stored.send_if_modified(|stored| stored.failed.take().is_some());
        Ok(keeper)
    }

    /// Goes on with the upload of an earlier process.
    async fn take_up(&mut self, left: Leftover) -> Result<(), Failure> {
        // Limits and room are for what begins: what is here was let in.
        let (manifest, contents) = self.read_manifest(left.manifest).await?;
        let mut record = Record::new(left.batch, self.common.config.payload);
        (record.durable, record.complete) = (left.durable, left.trailer.is_some());
        // Opening the spool synced it: there may be more than the record said. Otherwise it stays, as a full disk takes no other.
        if left.durable > left.noted {
            let (files, noted) = (self.files.clone(), record.clone());
            self.on_disk(move || files.write(&noted)).await?;
        }
        self.contents = contents;
        let mut reader = self.spool.reader(0).map_err(|error| of_spool(&error))?;
        while reader.position() < left.durable {
            let left = usize::try_from(left.durable.saturating_sub(reader.position())).unwrap_or(REREAD);
            let Some(bytes) = reader.next(REREAD.min(left)).await.map_err(|error| of_spool(&error))? else { break };
            self.contents.update(&bytes);
        }
        self.record = Some(record);
        self.stored.send_modify(|stored| stored.noted = left.durable);
        self.publish(manifest);
        tracing::info!(conf = %self.conf, bytes = left.durable, "went on with the upload of an earlier process");
        match left.trailer {
            Some(trailer) => self.complete(trailer).await,
            None => Ok(()),
        }
    }

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
                self.record.get_or_insert_with(|| Record::new(batch, self.common.config.payload));
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
                let known = self.stored.borrow().manifest.as_ref().map(|manifest| manifest.whole.clone());
                match known {
                    Some(known) if known == whole => {}
                    Some(_) => return Err(Failure::new(FailureCode::Conflict, "the manifest is another than before")),
                    None => {
                        let (manifest, contents) = self.read_manifest(whole).await?;
                        self.check_room(&manifest)?;
                        self.keep_manifest(&manifest).await?;
                        self.contents = contents;
                        self.publish(manifest);
                    }
                }
            }
            Order::Data { connection, total, data } => self.take_data(connection, total, vec![data]).await?,
            Order::Trailer { connection, whole } if connection == self.current && !failed => {
                if self.stored.borrow().trailer.is_none() {
                    self.verify(whole).await?;
                }
            }
            // Of a connection that was replaced, or after the end.
            Order::Manifest { .. } | Order::Trailer { .. } => {}
        }
        Ok(())
    }

    /// Takes data, unless its connection was replaced or the upload has failed.
    async fn take_data(&mut self, connection: u64, total: u64, pieces: Vec<Bytes>) -> Result<(), Failure> {
        if connection != self.current || self.stored.borrow().failed.is_some() {
            return Ok(());
        }
        self.append(total, pieces).await
    }

    async fn append(&mut self, total: u64, pieces: Vec<Bytes>) -> Result<(), Failure> {
        let protocol = |text: String| Failure::new(FailureCode::Protocol, text);
        let (known, written, has_total) = {
            let stored = self.stored.borrow();
            let Some(manifest) = &stored.manifest else { return Err(protocol("data came before the manifest".into())) };
            (manifest.bytes, stored.written(), stored.total)
        };
        let payload = u64::from(self.common.config.payload);
        let mut end = written;
        for piece in &pieces {
            if end.checked_rem(payload) != Some(0) {
                return Err(protocol("data came behind the last packet".into()));
            }
            end = end.saturating_add(piece.len() as u64);
        }
        if let Some(bytes) = known.filter(|bytes| end > *bytes) {
            return Err(protocol(format!("more bytes came than the {bytes} of the manifest")));
        }
        if total != 0 && has_total == 0 {
            self.stored.send_modify(|stored| stored.total = total);
        }
        add(&self.common.stats.received, end.saturating_sub(written));
        let (spool, contents) = (&mut self.spool, &mut self.contents);
        // The disk's work is begun first; the hash is made beside it.
        let hash = async { pieces.iter().for_each(|piece| contents.update(piece)) };
        let (appended, ()) = tokio::join!(spool.append_all(pieces.clone()), hash);
        appended.map(|_| ()).map_err(|error| of_spool(&error))
    }

    async fn read_manifest(&self, whole: Bytes) -> Result<(Manifest, Contents), Failure> {
        let config = &self.common.config;
        let header = payload::Manifest::read(whole.clone()).map_err(|error| Failure::new(error.code(), error.to_string()))?;
        if header.payload_size != config.payload {
            return Err(Failure::new(FailureCode::Protocol, format!("packets of {} bytes were agreed", config.payload)));
        }
        let json = header.json.clone();
        // A hundred thousand names take a while.
        let read = spawn_blocking(move || transfer::Manifest::from_json(&json)).await;
        let manifest = match read {
            Ok(Ok(manifest)) => manifest,
            Ok(Err(error)) => return Err(Failure::new(FailureCode::Usage, error.to_string())),
            Err(_) => return Err(Failure::new(FailureCode::Failed, "the manifest could not be read")),
        };
        if manifest.total() != header.bytes {
            return Err(Failure::new(FailureCode::Protocol, "the manifest's sizes do not add up to the bytes of the batch"));
        }
        let entries = u32::try_from(manifest.entries().len()).unwrap_or(u32::MAX);
        let contents = Contents::new(&manifest);
        Ok((Manifest { whole, bytes: header.bytes, entries }, contents))
    }

    /// Whether a batch that begins is within the limits, and the disk has room for it.
    fn check_room(&self, manifest: &Manifest) -> Result<(), Failure> {
        let (config, entries) = (&self.common.config, manifest.entries);
        if usize::try_from(entries).is_ok_and(|entries| entries > config.entries) {
            return Err(Failure::new(FailureCode::Limit, format!("the batch has {entries} entries, more than {}", config.entries)));
        }
        if let Some(bytes) = manifest.bytes {
            if bytes > config.batch_bytes {
                return Err(Failure::new(FailureCode::Limit, format!("the batch has {bytes} bytes, more than {}", config.batch_bytes)));
            }
            let missing = bytes.saturating_sub(self.stored.borrow().written());
            if super::room_on_disk(&config.directory).is_some_and(|room| room < missing) {
                return Err(Failure::new(FailureCode::NoSpace, "the file server's disk has no room for the batch"));
            }
        }
        Ok(())
    }

    async fn keep_manifest(&self, manifest: &Manifest) -> Result<(), Failure> {
        let (files, record, whole) = (self.files.clone(), self.record.clone(), manifest.whole.clone());
        self.on_disk(move || {
            files.write_manifest(&whole)?;
            record.map_or(Ok(()), |record| files.write(&record))
        })
        .await
    }

    /// Writes and syncs, when the disk has a turn for it.
    async fn on_disk(&self, work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<(), Failure> {
        self.settled(in_turn(&self.common, work).await)
    }

    fn settled(&self, kept: Result<io::Result<()>, JoinError>) -> Result<(), Failure> {
        let error = match kept {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(error) => io::Error::other(error),
        };
        tracing::error!(conf = %self.conf, %error, "what belongs to a share cannot be written");
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge);
        let code = if full { FailureCode::NoSpace } else { FailureCode::Failed };
        Err(Failure::new(code, if full { "the file server's disk is full" } else { "the file server's store failed" }))
    }

    fn publish(&self, manifest: Manifest) {
        let payload = u64::from(self.common.config.payload);
        self.stored.send_modify(|stored| {
            stored.total = manifest.bytes.map_or(0, |bytes| bytes.div_ceil(payload));
            stored.manifest = Some(manifest);
        });
    }

    /// So many bytes are on disk: begins to note it.
    fn note(&mut self, durable: u64) {
        let Some(record) = self.record.as_mut().filter(|record| record.durable < durable) else { return };
        record.durable = durable;
        let (files, record, common) = (self.files.clone(), record.clone(), self.common.clone());
        let noting = self.tasks.spawn(async move {
            let written = in_turn(&common, move || files.write(&record)).await;
            written.unwrap_or_else(|error| Err(io::Error::other(error)))
        });
        self.noting = Some((noting, durable));
    }

    /// It is noted, or cannot be.
    fn noted(&mut self, (written, durable): Noted) -> Result<(), Failure> {
        self.noting = None;
        self.settled(written)?;
        self.stored.send_modify(|stored| stored.noted = stored.noted.max(durable));
        Ok(())
    }

    /// Waits for the record under way: no two are written at once.
    async fn settle(&mut self) -> Result<(), Failure> {
        if self.noting.is_none() {
            return Ok(());
        }
        let written = noted(&mut self.noting).await;
        self.noted(written)
    }

    /// The hashes came behind the last packet.
    async fn verify(&mut self, whole: Bytes) -> Result<(), Failure> {
        let integrity = |text: String| Failure::new(FailureCode::Integrity, text);
        let trailer = payload::Trailer::read(&whole).map_err(|error| Failure::new(error.code(), error.to_string()))?;
        let written = self.stored.borrow().written();
        let payload = u64::from(self.common.config.payload);
        if trailer.bytes != written || trailer.packets != written.div_ceil(payload) {
            return Err(integrity(format!("the batch has {} bytes by its trailer, and {written} came", trailer.bytes)));
        }
        let known = match &self.stored.borrow().manifest {
            Some(manifest) => manifest.bytes,
            None => return Err(Failure::new(FailureCode::Protocol, "the trailer came before the manifest")),
        };
        if known.is_some_and(|bytes| bytes != written) {
            return Err(integrity(format!("the batch has {} bytes by its manifest, and {written} came", known.unwrap_or(0))));
        }
        self.check_hashes(&trailer, written, "what came is not what was sent")?;
        self.spool.finish().await.map_err(|error| of_spool(&error))?;
        self.settle().await?;
        if let Some(record) = &mut self.record {
            (record.durable, record.complete) = (written, true);
        }
        let (files, record, bytes) = (self.files.clone(), self.record.clone(), whole.clone());
        self.on_disk(move || {
            files.write_trailer(&bytes)?;
            record.map_or(Ok(()), |record| files.write(&record))
        })
        .await?;
        self.tell_complete(whole, written).await;
        Ok(())
    }

    /// An earlier process had it all.
    async fn complete(&mut self, whole: Bytes) -> Result<(), Failure> {
        let trailer = payload::Trailer::read(&whole).map_err(|error| Failure::new(error.code(), error.to_string()))?;
        let written = self.stored.borrow().written();
        self.check_hashes(&trailer, written, "what an earlier process stored has changed on disk")?;
        let bytes = self.spool.finish().await.map_err(|error| of_spool(&error))?;
        self.tell_complete(whole, bytes).await;
        Ok(())
    }

    fn check_hashes(&mut self, trailer: &payload::Trailer, written: u64, what: &str) -> Result<(), Failure> {
        let contents = std::mem::take(&mut self.contents);
        contents.check(trailer, written).map_err(|why| Failure::new(FailureCode::Integrity, format!("{what}: {why}")))
    }

    async fn tell_complete(&self, trailer: Bytes, bytes: u64) {
        // The machine knows first: a connection that is told ends soon after.
        self.common.tell(PlaneEvent::Uploaded { conf: self.conf.clone(), bytes }).await;
        let payload = u64::from(self.common.config.payload);
        self.stored.send_modify(|stored| {
            stored.total = bytes.div_ceil(payload);
            stored.noted = bytes;
            stored.trailer = Some(trailer);
        });
    }
}

/// What became of writing a record, and the bytes that it says are durable.
type Noted = (Result<io::Result<()>, JoinError>, u64);

/// Waits for the record that is being written; without one, for ever.
async fn noted(noting: &mut Option<(JoinHandle<io::Result<()>>, u64)>) -> Noted {
    match noting {
        Some((writing, durable)) => (writing.await, *durable),
        None => std::future::pending().await,
    }
}

/// Runs what syncs on a thread for it, when there is a turn for it.
async fn in_turn(common: &Common, work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<io::Result<()>, JoinError> {
    // It is never closed.
    let _turn = common.syncs.acquire().await;
    spawn_blocking(work).await
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
