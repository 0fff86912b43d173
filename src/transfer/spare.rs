//! The memory of packets and chunks that whoever took them has dropped, to be read into again: memory that the system has just given costs more than what is
//! read into it.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Most bytes kept, in use or free: ten packets of the usual size, as many as are on their way from a connection to a disk. What comes beyond is given back to
/// the system when it is dropped.
const MOST: usize = 10 * 256 * 1024;
/// Shorter payloads are not kept.
pub(crate) const LEAST: usize = 32 * 1024;

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Spare {
    given: VecDeque<Bytes>,
    bytes: usize,
}

impl Spare {
    /// A payload was given away.
    pub(crate) fn keep(&mut self, data: &Bytes) {
        if data.len() >= LEAST && self.bytes.saturating_add(data.len()) <= MOST {
            self.bytes = self.bytes.saturating_add(data.len());
            self.given.push_back(data.clone());
        }
    }

    /// An empty buffer with so much room, where one is free.
    pub(crate) fn take(&mut self, room: usize) -> Option<BytesMut> {
        for _ in 0..self.given.len() {
            let oldest = self.given.pop_front()?;
            let length = oldest.len();
            match oldest.try_into_mut() {
                Ok(mut free) => {
                    self.bytes = self.bytes.saturating_sub(length);
                    free.clear();
                    // What stood before the payload is free, too.
                    free.reserve(room);
                    return Some(free);
                }
                Err(held) => self.given.push_back(held),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A payload behind a header, as a decoder cuts it.
    fn payload(length: usize) -> Bytes {
        let mut buffer = BytesMut::zeroed(length + 100);
        let _header = buffer.split_to(58);
        buffer.split_to(length).freeze()
    }

    #[test]
    fn memory_is_used_again_once_it_was_dropped_and_not_before() {
        let mut spare = Spare::default();
        let data = payload(LEAST);
        let (at, copy) = (data.as_ptr(), data.slice(7..9));
        spare.keep(&data);
        drop(data);
        assert!(spare.take(LEAST).is_none(), "somebody holds a part of it");
        drop(copy);
        let free = spare.take(LEAST + 58).expect("free");
        assert!(free.is_empty() && free.capacity() >= LEAST + 58);
        assert_eq!(free.as_ptr().wrapping_add(58), at, "from its very start");
        assert!(spare.take(1).is_none(), "once");
    }

    #[test]
    fn no_more_is_kept_than_the_bound_and_nothing_short() {
        let mut spare = Spare::default();
        spare.keep(&payload(LEAST - 1));
        assert!(spare.take(1).is_none());
        for _ in 0..20 {
            spare.keep(&payload(256 * 1024));
        }
        assert_eq!((spare.bytes, spare.given.len()), (MOST, 10));
        while spare.take(1).is_some() {}
        assert_eq!((spare.bytes, spare.given.len()), (0, 0));
    }
}
