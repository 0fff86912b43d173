//! Uploads that nobody goes on with at the moment: those of an earlier process, and those that were set aside as their application server stopped
//! or was lost. They wait for the data conference that they were begun in, or, after an application server has forgotten that, for another one of
//! the same batch and the same sharer. Who they belong to is the application server's word, as everything is by which somebody is let in.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::{task::spawn_blocking, time::sleep};

use super::{
    record::{self, Files, Leftover},
    room::Common,
};
use crate::{
    clock,
    fileshare::{BatchId, ConfId},
};

/// See the [module](self).
#[derive(Debug, Clone)]
pub(super) struct Leftovers(Arc<Mutex<BTreeMap<ConfId, Leftover>>>);

impl Leftovers {
    pub(super) fn new(left: BTreeMap<ConfId, Leftover>) -> Self {
        Self(Arc::new(Mutex::new(left)))
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<ConfId, Leftover>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    /// What there is for a data conference: its own, else what the same sharer uploaded of the same batch; of several, most.
    pub(super) fn take(&self, conf: &ConfId, batch: Option<BatchId>, sharer: Option<&str>) -> Option<Leftover> {
        let mut all = self.all();
        if let Some(own) = all.remove(conf) {
            return Some(own);
        }
        let (batch, sharer) = (batch?, sharer?);
        let same = all.values().filter(|left| left.batch == batch && left.sharer.as_deref() == Some(sharer));
        let found = same.max_by_key(|left| left.durable)?.conf.clone();
        all.remove(&found)
    }

    /// Keeps what is stored under this name, for a while; over when somebody has gone on with it, or nobody will.
    pub(super) async fn set_aside(&self, common: &Common, conf: &ConfId) {
        let (files, payload, keep) = (Files::of(&common.config.directory, conf), common.config.payload, common.config.keep);
        let read = spawn_blocking(move || {
            let left = files.read(payload);
            if left.is_none() {
                // Nothing of it can be gone on with.
                files.remove_all();
            }
            left
        });
        let Ok(Some(left)) = read.await else { return };
        let aside = Some(clock::now());
        tracing::info!(%conf, bytes = left.durable, "what was uploaded is kept for whoever shares it again");
        common.space().take_up(conf, left.lists(), left.announced, left.durable);
        self.all().insert(conf.clone(), Leftover { aside, ..left });
        sleep(keep).await;
        self.expire(common, aside).await;
    }

    /// Deletes what has been here since then.
    pub(super) async fn expire(&self, common: &Common, aside: Option<Instant>) {
        let old: Vec<ConfId> = self.all().extract_if(.., |_, left| left.aside == aside).map(|(conf, _)| conf).collect();
        let (directory, gone) = (common.config.directory.clone(), old.clone());
        // A disk that fails keeps them for the next process.
        let _ = spawn_blocking(move || gone.iter().for_each(|conf| record::remove(&directory, conf))).await;
        for conf in &old {
            common.space().release(conf);
        }
    }
}
