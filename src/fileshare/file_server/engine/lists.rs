//! The lists of batches in memory: manifests and trailers, gathered from packets and kept as long as their share. All together they have a budget;
//! whoever comes with one that it has no room for is told to come again.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::fileshare::{
    file_server::space::Full,
    wire::{Failure, Kind, Packet, parts::Parts},
};

/// What the budget counts in, in bytes: a list takes whole ones.
const UNIT: usize = 1024;
/// Lists that are read, which takes several times their memory, at once.
pub(super) const READ_AT_ONCE: usize = 2;

/// The budget of all lists.
#[derive(Debug, Clone)]
pub(super) struct Lists {
    free: Arc<Semaphore>,
    units: usize,
}

/// A list on its way in.
#[derive(Debug)]
pub(super) struct Gathering {
    lists: Lists,
    kind: Kind,
    parts: Parts,
    length: usize,
    held: Option<OwnedSemaphorePermit>,
}

/// A list, and its part of the budget.
struct Kept {
    bytes: Bytes,
    _held: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Lists {
    /// A budget of so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        let units = bytes.div_ceil(UNIT).min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(units)), units }
    }

    /// Bytes of it that are taken.
    pub(super) fn used(&self) -> u64 {
        let units = self.units.saturating_sub(self.free.available_permits());
        u64::try_from(units.saturating_mul(UNIT)).unwrap_or(u64::MAX)
    }

    /// True when nothing is left of it.
    pub(super) fn is_full(&self) -> bool {
        self.free.available_permits() == 0
    }

    /// Begins to gather a list.
    pub(super) fn gather(&self, kind: Kind) -> Gathering {
        Gathering { lists: self.clone(), kind, parts: Parts::new(kind), length: 0, held: None }
    }

    /// Keeps a list that is to be read from somewhere else, of so many bytes: takes its part of the budget.
    ///
    /// # Errors
    /// [`FailureCode::Busy`].
    pub(super) fn take(&self, bytes: usize) -> Result<Place, Failure> {
        let mut held = None;
        self.hold(&mut held, bytes)?;
        Ok(Place(held))
    }

    /// Makes what is held enough for so many bytes.
    fn hold(&self, held: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> Result<(), Failure> {
        let missing = bytes.div_ceil(UNIT).saturating_sub(held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        let full = || Failure::from(Full::Lists);
        if missing == 0 {
            return Ok(());
        }
        let missing = u32::try_from(missing).map_err(|_| full())?;
        // It is never closed.
        let more = self.free.clone().try_acquire_many_owned(missing).map_err(|_| full())?;
        match held {
            Some(held) => held.merge(more),
            None => *held = Some(more),
        }
        Ok(())
    }
}

/// A part of the budget that waits for its list.
#[derive(Debug)]
pub(super) struct Place(Option<OwnedSemaphorePermit>);

impl Place {
    /// The list is here; it gives its part of the budget back when the last of its users drops it.
    pub(super) fn keep(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Kept { bytes, _held: self.0 })
    }
}

impl Gathering {
    /// Takes the next part; gives the whole with the last.
    ///
    /// # Errors
    /// [`FailureCode::Busy`] where the budget has no room for it; what the terminal does wrong.
    pub(super) fn take(&mut self, packet: &Packet) -> Result<Option<Bytes>, Failure> {
        self.lists.hold(&mut self.held, self.length.saturating_add(packet.data.len()))?;
        let taken = self.parts.take(packet).map_err(|error| Failure::new(error.code(), error.to_string()))?;
        self.length = self.length.saturating_add(packet.data.len());
        let Some(whole) = taken else { return Ok(None) };
        let held = self.held.take();
        *self = self.lists.gather(self.kind);
        Ok(Some(Place(held).keep(whole)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fileshare::{
        BatchId,
        wire::{FailureCode, Route, Way, packet::MAX_PAYLOAD, parts},
    };

    fn packets(length: usize) -> Vec<Packet> {
        let route = Route { way: Way::ToServer, terminal: ([192, 0, 2, 7], 40000).into(), batch: BatchId(1) };
        parts::cut(route, Kind::Manifest, vec![7; length].into()).collect()
    }

    #[test]
    fn a_list_takes_its_part_of_the_budget_as_it_comes_and_gives_it_back_with_its_last_user() {
        let part = MAX_PAYLOAD as usize;
        let lists = Lists::new(3 * part);
        let two = packets(part + 1);
        let mut gathering = lists.gather(Kind::Manifest);
        assert_eq!((gathering.take(&two[0]), lists.used()), (Ok(None), part as u64));
        let whole = gathering.take(&two[1]).expect("room").expect("the last");
        assert_eq!((whole.len(), lists.used()), (part + 1, (part + UNIT) as u64));
        let user = whole.slice(100..);
        drop((whole, gathering));
        assert_eq!(lists.used(), (part + UNIT) as u64, "somebody uses it");
        drop(user);
        assert_eq!(lists.used(), 0);
    }

    #[test]
    fn whoever_finds_no_room_is_told_to_come_again_and_what_it_took_is_free() {
        let part = MAX_PAYLOAD as usize;
        let lists = Lists::new(3 * part);
        let place = lists.take(2 * part).expect("room");
        let two = packets(2 * part);
        let mut gathering = lists.gather(Kind::Manifest);
        assert_eq!(gathering.take(&two[0]), Ok(None));
        assert_eq!(gathering.take(&two[1]).expect_err("no room").code, FailureCode::Busy);
        drop(gathering);
        assert_eq!(lists.used(), 2 * part as u64);
        assert_eq!(lists.take(usize::MAX).expect_err("never").code, FailureCode::Busy);
        drop(place.keep(Bytes::from_static(b"a list")));
        assert_eq!(lists.used(), 0);
    }
}
