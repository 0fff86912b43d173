//! Who holds how much of the disk: whether a batch is let in before its first byte, and a stream let on. Pure: the caller says what the disk has
//! free. Memory for lists is the engine's matter.
//!
//! A share has a *claim*: its lists (manifest), and the bytes of its batch, written or still to come. A batch of known size claims it all at
//! once; one of unknown size claims as it grows, a step ahead. What is claimed and not written yet is no room for anybody else, so whoever was
//! let in is not kept from coming to the end by those who come later.

use std::collections::BTreeMap;

use crate::fileshare::{
    ConfId,
    wire::{Failure, FailureCode},
};

/// How far ahead a stream of unknown size claims, in bytes: the disk is asked once for so many.
pub const STEP: u64 = 8 * 1024 * 1024;

/// Bounds of what the shares of a server hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of the disk that are left to others.
    pub min_free: u64,
    /// Most bytes of all shares together; `None`: what the disk has.
    pub max_total: Option<u64>,
}

/// Why there is no room. Ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Full {
    /// The disk has no more than is to stay free, and what others were promised.
    #[error("the file server's disk is full")]
    Disk,
    /// All shares together hold what they may.
    #[error("the file server's space for shares is used up")]
    Shares,
    /// It alone would hold more than all shares together may.
    #[error("the batch has more bytes than all shares of the file server together may hold")]
    Batch,
    /// Memory holds as many lists of files as it may: that passes.
    #[error("the file server holds as many lists of files as it can; try again later")]
    Lists,
}

/// The claims of all shares.
#[derive(Debug)]
pub struct Space {
    bounds: Bounds,
    claims: BTreeMap<ConfId, Claim>,
    /// Of all claims. Wide, as leftovers come with what their manifests say.
    held: u128,
    unwritten: u128,
}

/// What one share holds, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Claim {
    /// Of its lists.
    lists: u64,
    /// Of its batch, written or to come.
    batch: u64,
    /// Of these, those that are written.
    written: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { min_free: 256 * 1024 * 1024, max_total: None }
    }
}

impl From<Full> for Failure {
    fn from(full: Full) -> Self {
        let code = match full {
            Full::Disk | Full::Shares => FailureCode::NoSpace,
            Full::Batch => FailureCode::Limit,
            Full::Lists => FailureCode::Busy,
        };
        Self::new(code, full.to_string())
    }
}

impl Claim {
    fn held(self) -> u128 {
        u128::from(self.lists).saturating_add(self.batch.into())
    }

    fn unwritten(self) -> u128 {
        self.batch.saturating_sub(self.written).into()
    }
}

impl Space {
    /// Without shares.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, claims: BTreeMap::new(), held: 0, unwritten: 0 }
    }

    /// A share that an earlier process let in: it counts, and is not asked whether it may. `batch`: its bytes, as far as they are known, at
    /// least those that are `written`.
    pub fn take_up(&mut self, conf: &ConfId, lists: u64, batch: Option<u64>, written: u64) {
        self.set(conf, Claim { lists, batch: batch.unwrap_or(written).max(written), written });
    }

    /// The batch header came: claims the lists, and all bytes of a batch of known size.
    ///
    /// # Errors
    /// [`Full`]; the share's claim is as before.
    pub fn announce(&mut self, conf: &ConfId, lists: u64, batch: Option<u64>, free: Option<u64>) -> Result<(), Full> {
        let old = self.claim(conf);
        let new = Claim { lists, batch: batch.unwrap_or(0).max(old.batch), ..old };
        self.check(old, new, free)?;
        self.set(conf, new);
        Ok(())
    }

    /// Whether a share that announces so many bytes would be let in now.
    ///
    /// # Errors
    /// [`Full`].
    pub fn would_take(&self, conf: &ConfId, batch: u64, free: Option<u64>) -> Result<(), Full> {
        let old = self.claim(conf);
        self.check(old, Claim { batch: batch.max(old.batch), ..old }, free)
    }

    /// The batch is to have so many bytes: claims what it has not, a [`STEP`] ahead where there is room. `free` is asked only then.
    ///
    /// # Errors
    /// [`Full`]; the share's claim is as before.
    pub fn grow(&mut self, conf: &ConfId, end: u64, free: impl FnOnce() -> Option<u64>) -> Result<(), Full> {
        let old = self.claim(conf);
        if end <= old.batch {
            return Ok(());
        }
        let free = free();
        let ahead = Claim { batch: end.checked_next_multiple_of(STEP).unwrap_or(end), ..old };
        let new = match self.check(old, ahead, free) {
            Ok(()) => ahead,
            Err(_) => {
                let exact = Claim { batch: end, ..old };
                self.check(old, exact, free)?;
                exact
            }
        };
        self.set(conf, new);
        Ok(())
    }

    /// So many bytes of the batch are written.
    pub fn wrote(&mut self, conf: &ConfId, written: u64) {
        let old = self.claim(conf);
        self.set(conf, Claim { written, batch: old.batch.max(written), ..old });
    }

    /// The batch has so many bytes, and all are written: what was claimed ahead is given back.
    pub fn settle(&mut self, conf: &ConfId, bytes: u64) {
        let old = self.claim(conf);
        self.set(conf, Claim { batch: bytes, written: bytes, ..old });
    }

    /// What one share held is another's now.
    pub fn pass_on(&mut self, from: &ConfId, to: &ConfId) {
        let claim = self.claim(from);
        self.release(from);
        self.set(to, claim);
    }

    /// The share is over, and its bytes are deleted.
    pub fn release(&mut self, conf: &ConfId) {
        self.set(conf, Claim::default());
        self.claims.remove(conf);
    }

    /// Bytes that all shares hold: on the disk, or claimed.
    pub fn held(&self) -> u64 {
        narrow(self.held)
    }

    /// Of these, those that are still to come.
    pub fn unwritten(&self) -> u64 {
        narrow(self.unwritten)
    }

    /// Bytes that another share can have; `None` where nothing bounds it.
    pub fn room(&self, free: Option<u64>) -> Option<u64> {
        let disk = free.map(|free| u128::from(free).saturating_sub(u128::from(self.bounds.min_free).saturating_add(self.unwritten)));
        let shares = self.bounds.max_total.map(|most| u128::from(most).saturating_sub(self.held));
        [disk, shares].into_iter().flatten().min().map(narrow)
    }

    fn claim(&self, conf: &ConfId) -> Claim {
        self.claims.get(conf).copied().unwrap_or_default()
    }

    fn set(&mut self, conf: &ConfId, claim: Claim) {
        let old = self.claims.insert(conf.clone(), claim).unwrap_or_default();
        self.held = self.held.saturating_sub(old.held()).saturating_add(claim.held());
        self.unwritten = self.unwritten.saturating_sub(old.unwritten()).saturating_add(claim.unwritten());
    }

    /// Whether a claim may become another. What is claimed already was promised.
    fn check(&self, old: Claim, new: Claim, free: Option<u64>) -> Result<(), Full> {
        let more = new.held().saturating_sub(old.held());
        if more == 0 {
            return Ok(());
        }
        if let Some(most) = self.bounds.max_total.map(u128::from) {
            if new.held() > most {
                return Err(Full::Batch);
            }
            if self.held.saturating_add(more) > most {
                return Err(Full::Shares);
            }
        }
        let spoken_for = u128::from(self.bounds.min_free).saturating_add(self.unwritten).saturating_add(more);
        if free.is_some_and(|free| spoken_for > u128::from(free)) {
            return Err(Full::Disk);
        }
        Ok(())
    }
}

fn narrow(bytes: u128) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn conf(name: &str) -> ConfId {
        name.parse().expect("an id")
    }

    fn space(min_free: u64, max_total: Option<u64>) -> Space {
        Space::new(Bounds { min_free, max_total })
    }

    #[test]
    fn a_batch_of_known_size_is_let_in_where_disk_and_total_have_room_for_all_of_it() {
        for (min_free, max_total, free, batch, verdict) in [
            (10, None, Some(110), 99, Ok(())),
            (10, None, Some(110), 100, Err(Full::Disk)),
            (10, None, Some(5), 0, Err(Full::Disk)),
            (10, None, None, u64::MAX, Ok(())),
            (0, Some(100), None, 99, Ok(())),
            (0, Some(100), None, 100, Err(Full::Batch)),
            (10, Some(100), Some(50), 1000, Err(Full::Batch)),
            (u64::MAX, None, Some(u64::MAX), 1, Err(Full::Disk)),
        ] {
            let mut space = space(min_free, max_total);
            // Its manifest takes one byte, too.
            let said = space.announce(&conf("a"), 1, Some(batch), free);
            assert_eq!(said, verdict, "{min_free} {max_total:?} {free:?} {batch}");
            assert_eq!(u128::from(space.held()), if said.is_ok() { (u128::from(batch) + 1).min(u64::MAX.into()) } else { 0 });
        }
    }

    #[test]
    fn what_was_promised_to_one_is_no_room_for_another_until_it_is_over() {
        let mut space = space(10, Some(1000));
        assert_eq!(space.announce(&conf("a"), 0, Some(60), Some(100)), Ok(()));
        assert_eq!((space.held(), space.unwritten(), space.room(Some(100))), (60, 60, Some(30)));
        assert_eq!(space.would_take(&conf("b"), 31, Some(100)), Err(Full::Disk));
        assert_eq!(space.announce(&conf("b"), 0, Some(31), Some(100)), Err(Full::Disk));
        // What is written is on the disk already, and not counted twice.
        space.wrote(&conf("a"), 50);
        assert_eq!((space.held(), space.unwritten(), space.room(Some(50))), (60, 10, Some(30)));
        assert_eq!(space.announce(&conf("b"), 0, Some(30), Some(50)), Ok(()));
        // Whoever has its claim announces it again without asking for more, however full the disk is.
        assert_eq!(space.announce(&conf("a"), 0, Some(60), Some(0)), Ok(()));
        assert_eq!(space.would_take(&conf("a"), 60, Some(0)), Ok(()));
        space.release(&conf("a"));
        assert_eq!((space.held(), space.unwritten()), (30, 30));
        space.release(&conf("b"));
        space.release(&conf("nobody"));
        assert_eq!((space.held(), space.unwritten(), space.claims.len()), (0, 0, 0));
    }

    #[test]
    fn a_stream_claims_a_step_ahead_as_long_as_there_is_room_and_then_what_it_needs() {
        let mut space = space(MIB, None);
        let a = conf("a");
        space.announce(&a, 100, None, Some(100 * MIB)).expect("room");
        assert_eq!(space.held(), 100);
        space.grow(&a, 1, || Some(100 * MIB)).expect("room");
        assert_eq!(space.held(), STEP + 100);
        space.grow(&a, STEP, || panic!("the disk is not asked for what is claimed")).expect("claimed");
        space.wrote(&a, STEP);
        // Three mebibytes are left, one is to stay.
        space.grow(&a, STEP + 2 * MIB, || Some(3 * MIB)).expect("exactly");
        assert_eq!((space.held(), space.unwritten()), (STEP + 2 * MIB + 100, 2 * MIB));
        assert_eq!(space.grow(&a, STEP + 2 * MIB + 1, || Some(3 * MIB)), Err(Full::Disk));
        // All is there: what was claimed ahead is given back.
        space.settle(&a, STEP + 1);
        assert_eq!((space.held(), space.unwritten()), (STEP + 101, 0));
    }

    #[test]
    fn a_stream_stops_before_what_others_were_promised() {
        let mut space = space(0, Some(10 * MIB));
        space.announce(&conf("known"), 0, Some(6 * MIB), Some(10 * MIB)).expect("room");
        let stream = conf("stream");
        space.announce(&stream, 0, None, Some(10 * MIB)).expect("room");
        assert_eq!(space.grow(&stream, 4 * MIB, || Some(10 * MIB)), Ok(()));
        assert_eq!(space.grow(&stream, 4 * MIB + 1, || Some(10 * MIB)), Err(Full::Shares));
        assert_eq!(space.grow(&conf("known"), 6 * MIB, || None), Ok(()), "nobody else is disturbed");
    }

    #[test]
    fn leftovers_count_and_are_not_refused() {
        for (batch, written, held, unwritten) in [(Some(100), 40, 105, 60), (None, 40, 45, 0), (Some(10), 40, 45, 0)] {
            let mut space = space(0, Some(60));
            space.take_up(&conf("left"), 5, batch, written);
            assert_eq!((space.held(), space.unwritten()), (held, unwritten));
            assert_eq!(space.announce(&conf("new"), 0, Some(50), None), Err(Full::Shares));
        }
        // What a manifest on disk says is no reason to lose count.
        let mut space = space(0, None);
        space.take_up(&conf("a"), 0, Some(u64::MAX), 0);
        space.take_up(&conf("b"), 0, Some(u64::MAX), 0);
        assert_eq!((space.held(), space.room(Some(1 << 40))), (u64::MAX, Some(0)));
        space.release(&conf("a"));
        space.release(&conf("b"));
        assert_eq!(space.held(), 0);
        // One whose place another takes: nothing of either is counted twice, or for ever.
        space.take_up(&conf("a"), 1, Some(100), 40);
        space.take_up(&conf("b"), 1, Some(7), 7);
        space.pass_on(&conf("a"), &conf("b"));
        assert_eq!((space.held(), space.unwritten(), space.claims.len()), (101, 60, 1));
        space.release(&conf("b"));
        assert_eq!((space.held(), space.unwritten()), (0, 0));
    }
}
