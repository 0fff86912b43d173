//! A data plane without sockets, for ladders and simulations: it notes what it is asked, and says what it is told to say.

use std::collections::{BTreeMap, VecDeque};

use super::{
    admission::{MemberId, Pass},
    plane::{DataPlane, PlaneError, PlaneEvent, Progress},
    space::Full,
};
use crate::fileshare::{
    BatchId, ConfId,
    wire::{Failure, Fingerprint, control::Limits},
};

/// Most lines of the journal; the oldest go first.
const MAX_JOURNAL: usize = 10_000;

/// A data plane in memory.
#[derive(Debug, Default)]
pub struct SimulatedPlane {
    ports: VecDeque<u16>,
    fingerprint: Option<Fingerprint>,
    full: Option<Full>,
    open: BTreeMap<ConfId, Kept>,
    events: VecDeque<PlaneEvent>,
    journal: VecDeque<String>,
}

#[derive(Debug, Default)]
struct Kept {
    sharer: Option<String>,
    port: Option<u16>,
    passes: BTreeMap<MemberId, Pass>,
    received: BTreeMap<MemberId, u64>,
    limits: Limits,
    progress: Progress,
}

impl SimulatedPlane {
    /// A plane with these ports; with a fingerprint it says TLS.
    pub fn new(ports: impl IntoIterator<Item = u16>, fingerprint: Option<Fingerprint>) -> Self {
        Self { ports: ports.into_iter().collect(), fingerprint, ..Self::default() }
    }

    /// Something happens, as on a connection.
    pub fn happen(&mut self, event: PlaneEvent) {
        self.events.push_back(event);
    }

    /// Sets how the bytes of a data conference stand.
    pub fn set_progress(&mut self, conf: &ConfId, progress: Progress) {
        if let Some(kept) = self.open.get_mut(conf) {
            kept.progress = progress;
        }
    }

    /// Sets what a member has.
    pub fn set_received(&mut self, conf: &ConfId, member: MemberId, bytes: u64) {
        if let Some(kept) = self.open.get_mut(conf) {
            kept.received.insert(member, bytes);
        }
    }

    /// Sets what there is no room in.
    pub fn set_full(&mut self, full: Option<Full>) {
        self.full = full;
    }

    /// Data conferences that are there.
    pub fn shares(&self) -> impl Iterator<Item = &ConfId> {
        self.open.keys()
    }

    /// The list of a data conference.
    pub fn passes(&self, conf: &ConfId) -> impl Iterator<Item = (MemberId, &Pass)> {
        self.open.get(conf).into_iter().flat_map(|kept| kept.passes.iter().map(|(member, pass)| (*member, pass)))
    }

    /// Whose upload a data conference was opened for, where that is known.
    pub fn sharer(&self, conf: &ConfId) -> Option<&str> {
        self.open.get(conf).and_then(|kept| kept.sharer.as_deref())
    }

    /// The limits of a data conference.
    pub fn limits(&self, conf: &ConfId) -> Option<Limits> {
        self.open.get(conf).map(|kept| kept.limits)
    }

    /// The next line of what was asked of the plane: `open c1 40000`, `admit c1 m1 192.0.2.7:40000`, ….
    pub fn poll_journal(&mut self) -> Option<String> {
        self.journal.pop_front()
    }

    fn note(&mut self, line: String) {
        if self.journal.len() >= MAX_JOURNAL {
            self.journal.pop_front();
        }
        self.journal.push_back(line);
    }

    fn give_back(&mut self, conf: &ConfId) {
        let port = self.open.get_mut(conf).and_then(|kept| kept.port.take());
        self.ports.extend(port);
    }
}

impl DataPlane for SimulatedPlane {
    fn open(&mut self, conf: &ConfId, batch: Option<BatchId>, sharer: Option<&str>) -> Result<u16, PlaneError> {
        if let Some(port) = self.open.get(conf).and_then(|kept| kept.port) {
            return Ok(port);
        }
        let port = self.ports.pop_front().ok_or(PlaneError::Ports)?;
        let kept = self.open.entry(conf.clone()).or_default();
        kept.port = Some(port);
        kept.sharer = sharer.map(str::to_owned);
        kept.progress.batch = kept.progress.batch.or(batch);
        self.note(format!("open {conf} {port}"));
        Ok(port)
    }

    fn release(&mut self, conf: &ConfId) {
        self.give_back(conf);
        self.note(format!("release {conf}"));
    }

    fn close(&mut self, conf: &ConfId, why: &Failure) {
        self.give_back(conf);
        self.open.remove(conf);
        self.note(format!("close {conf}: {why}"));
    }

    fn set_aside(&mut self, conf: &ConfId, why: &Failure) {
        self.give_back(conf);
        self.open.remove(conf);
        self.note(format!("set aside {conf}: {why}"));
    }

    fn admit(&mut self, conf: &ConfId, member: MemberId, pass: Pass) {
        self.note(format!("admit {conf} {member} {}", pass.source));
        if let Some(kept) = self.open.get_mut(conf) {
            kept.passes.insert(member, pass);
        }
    }

    fn strike(&mut self, conf: &ConfId, member: MemberId, why: &Failure) {
        self.note(format!("strike {conf} {member}: {why}"));
        if let Some(kept) = self.open.get_mut(conf) {
            kept.passes.remove(&member);
        }
    }

    fn set_limits(&mut self, conf: &ConfId, limits: Limits) {
        if let Some(kept) = self.open.get_mut(conf) {
            kept.limits = Limits { total: limits.total.or(kept.limits.total), each: limits.each.or(kept.limits.each) };
        }
    }

    fn progress(&self, conf: &ConfId) -> Progress {
        self.open.get(conf).map(|kept| kept.progress).unwrap_or_default()
    }

    fn received(&self, conf: &ConfId, member: MemberId) -> u64 {
        self.open.get(conf).and_then(|kept| kept.received.get(&member)).copied().unwrap_or(0)
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }

    fn would_take(&self, _conf: &ConfId, _bytes: u64) -> Result<(), Full> {
        self.full.map_or(Ok(()), Err)
    }

    fn poll_event(&mut self) -> Option<PlaneEvent> {
        self.events.pop_front()
    }
}
