//! The real data plane (being built).

use std::sync::Arc;

use tokio::sync::Notify;

use super::{
    admission::{MemberId, Pass},
    plane::{DataPlane, PlaneError, PlaneEvent, Progress},
};
use crate::fileshare::{
    BatchId, ConfId,
    wire::{Failure, Fingerprint, control::Limits},
};

/// The data plane over sockets and disks.
#[derive(Debug)]
pub struct Engine {}

#[expect(clippy::unimplemented, reason = "being built")]
impl Engine {
    /// Rung when there are events.
    pub fn doorbell(&self) -> Arc<Notify> {
        unimplemented!()
    }

    /// Closes everything.
    pub async fn shut_down(self) {
        std::future::ready(()).await;
        unimplemented!()
    }
}

#[expect(clippy::unimplemented, reason = "being built")]
impl DataPlane for Engine {
    fn open(&mut self, _conf: &ConfId, _batch: Option<BatchId>) -> Result<u16, PlaneError> {
        unimplemented!()
    }

    fn release(&mut self, _conf: &ConfId) {
        unimplemented!()
    }

    fn close(&mut self, _conf: &ConfId, _why: &Failure) {
        unimplemented!()
    }

    fn admit(&mut self, _conf: &ConfId, _member: MemberId, _pass: Pass) {
        unimplemented!()
    }

    fn strike(&mut self, _conf: &ConfId, _member: MemberId, _why: &Failure) {
        unimplemented!()
    }

    fn set_limits(&mut self, _conf: &ConfId, _limits: Limits) {
        unimplemented!()
    }

    fn progress(&self, _conf: &ConfId) -> Progress {
        unimplemented!()
    }

    fn received(&self, _conf: &ConfId, _member: MemberId) -> u64 {
        unimplemented!()
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        unimplemented!()
    }

    fn room(&self) -> Option<u64> {
        unimplemented!()
    }

    fn poll_event(&mut self) -> Option<PlaneEvent> {
        unimplemented!()
    }
}
