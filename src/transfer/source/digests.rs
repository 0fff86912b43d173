//! Digests of files, made as readers pass their bytes: each byte once, however often it is read. A reader that begins where an earlier one was
//! broken off goes on with the digest that this one began.

use crate::transfer::hash::{Algorithm, Digest, Hasher};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Digests {
    algorithm: Algorithm,
    /// One for each regular file, once all its bytes have passed.
    known: Vec<Option<Digest>>,
    running: Option<Running>,
}

/// The file that readers are at.
#[derive(Debug)]
struct Running {
    file: usize,
    /// Bytes of it that are digested.
    position: u64,
    hasher: Hasher,
}

impl Digests {
    /// Of so many files, none of them digested yet.
    pub(super) fn new(algorithm: Algorithm, files: usize) -> Self {
        Self { algorithm, known: vec![None; files], running: None }
    }

    /// Bytes of a file at an offset have passed. What is digested already is passed over, what lies behind a gap is left.
    pub(super) fn update(&mut self, file: usize, offset: u64, bytes: &[u8]) {
        if self.is_known(file) {
            return;
        }
        let running = match &mut self.running {
            Some(running) if running.file == file => running,
            _ if offset == 0 => self.running.insert(Running { file, position: 0, hasher: Hasher::new(self.algorithm) }),
            _ => return,
        };
        let here = running.position.checked_sub(offset).and_then(|here| usize::try_from(here).ok());
        if let Some(new) = here.and_then(|here| bytes.get(here..)) {
            running.hasher.update(new);
            running.position = running.position.saturating_add(new.len() as u64);
        }
    }

    /// A file has no more bytes than these.
    pub(super) fn end(&mut self, file: usize, size: u64) {
        if self.is_known(file) {
            return;
        }
        if size == 0 {
            return self.remember(file, Hasher::new(self.algorithm).finish());
        }
        if let Some(running) = self.running.take_if(|running| running.file == file && running.position == size) {
            self.remember(file, running.hasher.finish());
        }
    }

    /// A file's digest is this.
    pub(super) fn remember(&mut self, file: usize, digest: Digest) {
        if let Some(slot) = self.known.get_mut(file) {
            *slot = Some(digest);
        }
    }

    /// Where a file is to be read on for its digest; none where that is known.
    pub(super) fn missing(&self, file: usize) -> Option<u64> {
        if self.is_known(file) {
            return None;
        }
        Some(self.running.as_ref().filter(|running| running.file == file).map_or(0, |running| running.position))
    }

    /// Those of all files; none while one is missing.
    pub(super) fn all(&self) -> Option<Vec<Digest>> {
        self.known.iter().copied().collect()
    }

    fn is_known(&self, file: usize) -> bool {
        self.known.get(file).is_none_or(Option::is_some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_that_passes_twice_is_digested_once() {
        let mut digests = Digests::new(Algorithm::Blake3, 3);
        digests.end(0, 0);
        digests.update(1, 0, b"0123");
        digests.update(1, 4, b"4567");
        digests.end(1, 8);
        digests.update(2, 0, b"abcdef");
        // The connection broke: the next reader begins within the file before.
        digests.update(1, 6, b"67");
        digests.end(1, 8);
        digests.update(2, 0, b"ab");
        assert_eq!((digests.missing(1), digests.missing(2), digests.all()), (None, Some(6), None));
        digests.update(2, 2, b"cdefgh");
        // Whom nobody wants any more, late.
        digests.update(2, 0, b"abc");
        digests.end(2, 8);
        let wanted: Vec<Digest> = [&b""[..], b"01234567", b"abcdefgh"].map(Digest::blake3).into();
        assert_eq!(digests.all(), Some(wanted));
    }

    #[test]
    fn what_lies_behind_a_gap_is_left() {
        let mut digests = Digests::new(Algorithm::Blake3, 1);
        digests.update(0, 4, b"4567");
        digests.end(0, 8);
        assert_eq!(digests.missing(0), Some(0));
        digests.update(0, 0, b"01");
        digests.update(0, 4, b"4567");
        digests.end(0, 8);
        assert_eq!(digests.missing(0), Some(2));
        digests.update(0, 2, b"234567");
        digests.end(0, 8);
        assert_eq!(digests.all(), Some(vec![Digest::blake3(b"01234567")]));
    }
}
