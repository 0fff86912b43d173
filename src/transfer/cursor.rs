//! Cuts the batch stream into its files: a pure walk that source, sink and verifier share.

use std::sync::Arc;

use super::manifest::Manifest;

/// What the next bytes of the stream are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A file begins: an index into the manifest's entries.
    Begin {
        /// The entry.
        entry: usize,
    },
    /// The next bytes belong to this file.
    Data {
        /// The entry.
        entry: usize,
        /// Where in the file.
        offset: u64,
        /// How many bytes, more than zero.
        len: usize,
    },
    /// A file has all its bytes.
    End {
        /// The entry.
        entry: usize,
    },
}

/// A place in the batch stream. It never passes over a file of unknown size: that one ends with the stream.
#[derive(Debug, Clone)]
pub struct Cursor {
    manifest: Arc<[(usize, Option<u64>)]>,
    /// Index into the list of regular files.
    file: usize,
    /// Bytes of that file already passed.
    offset: u64,
    /// Whether its [`Step::Begin`] was given.
    begun: bool,
    /// Bytes of the stream already passed.
    position: u64,
}

impl Cursor {
    /// At the start of a batch.
    pub fn new(manifest: &Manifest) -> Self {
        Self { manifest: manifest.file_table(), file: 0, offset: 0, begun: false, position: 0 }
    }

    /// At an offset of the stream, none when it lies behind the end. On the border between two files it is at the start of the first that
    /// begins there, empty ones included; the file that the offset lies within begins no more, as it has begun before.
    pub fn at(manifest: &Manifest, offset: u64) -> Option<Self> {
        let mut cursor = Self::new(manifest);
        cursor.position = offset;
        let mut left = offset;
        for (_, size) in cursor.manifest.iter() {
            match size {
                Some(size) if left >= *size && left > 0 => left -= size,
                _ => break,
            }
            cursor.file += 1;
        }
        if left > 0 && cursor.file == cursor.manifest.len() {
            return None;
        }
        (cursor.offset, cursor.begun) = (left, left > 0);
        Some(cursor)
    }

    /// At an offset of a regular file, counted among those; none when there is no such place. At its start, the file begins yet.
    pub fn in_file(manifest: &Manifest, file: usize, offset: u64) -> Option<Self> {
        let table = manifest.file_table();
        let position = match table.get(file) {
            None if file > table.len() || offset > 0 => return None,
            // Behind a batch of unknown size: how long it was, others know.
            None => manifest.total().unwrap_or(0),
            Some((_, Some(size))) if offset > *size => return None,
            Some((entry, _)) => manifest.start_of(*entry)?.checked_add(offset)?,
        };
        Some(Self { manifest: table, file, offset, begun: offset > 0, position })
    }

    /// Bytes of the stream already passed.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The file that stands here, as an index into the manifest's entries, and the bytes of it already passed.
    pub fn here(&self) -> Option<(usize, u64)> {
        self.manifest.get(self.file).map(|(entry, _)| (*entry, self.offset))
    }

    /// How many regular files have all their bytes.
    pub fn files_done(&self) -> usize {
        self.file
    }

    /// Whether every file has all its bytes. Never for a batch of unknown size.
    pub fn is_done(&self) -> bool {
        self.file == self.manifest.len()
    }

    /// Whether it stands in a file of unknown size.
    pub fn is_open_ended(&self) -> bool {
        matches!(self.manifest.get(self.file), Some((_, None)))
    }

    /// The next step, given that `available` more bytes are at hand; the bytes of a [`Step::Data`] count as taken. None when there is
    /// nothing to do without more bytes, or when the batch is done.
    pub fn next(&mut self, available: usize) -> Option<Step> {
        let (entry, size) = *self.manifest.get(self.file)?;
        if !self.begun {
            self.begun = true;
            return Some(Step::Begin { entry });
        }
        let left = size.map(|size| size.saturating_sub(self.offset));
        if left == Some(0) {
            (self.file, self.offset, self.begun) = (self.file + 1, 0, false);
            return Some(Step::End { entry });
        }
        let len = left.map_or(available, |left| usize::try_from(left).unwrap_or(usize::MAX).min(available));
        if len == 0 {
            return None;
        }
        let offset = self.offset;
        self.offset = self.offset.saturating_add(len as u64);
        self.position = self.position.saturating_add(len as u64);
        Some(Step::Data { entry, offset, len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::manifest::{Entry, Kind};

    fn manifest() -> Manifest {
        let entry = |path: &str, kind| Entry::new(path.parse().expect("safe"), kind);
        let file = |path: &str, size| entry(path, Kind::File { size: Some(size) });
        Manifest::new(vec![file("a", 0), entry("d", Kind::Directory), file("b", 3), file("c", 0), file("e", 2)]).expect("a batch")
    }

    fn walk(mut cursor: Cursor, mut bytes: usize, at_once: usize) -> String {
        let mut told = String::new();
        loop {
            match cursor.next(bytes.min(at_once)) {
                Some(Step::Begin { entry }) => told += &format!("({entry}"),
                Some(Step::Data { offset, len, .. }) => {
                    bytes -= len;
                    told += &format!(" {offset}+{len}");
                }
                Some(Step::End { entry }) => told += &format!(" {entry})"),
                None if cursor.is_done() || bytes == 0 => return told,
                None => {}
            }
        }
    }

    #[test]
    fn every_file_begins_and_ends_once_empty_ones_too() {
        assert_eq!(walk(Cursor::new(&manifest()), 5, 100), "(0 0)(2 0+3 2)(3 3)(4 0+2 4)");
        assert_eq!(walk(Cursor::new(&manifest()), 5, 1), "(0 0)(2 0+1 1+1 2+1 2)(3 3)(4 0+1 1+1 4)");
        assert_eq!(walk(Cursor::new(&manifest()), 2, 100), "(0 0)(2 0+2");
    }

    #[test]
    fn a_walk_goes_on_from_any_offset() {
        let from = |offset| walk(Cursor::at(&manifest(), offset).expect("in the batch"), 5 - usize::try_from(offset).expect("small"), 100);
        assert_eq!(
            [from(0), from(1), from(3), from(4), from(5)],
            ["(0 0)(2 0+3 2)(3 3)(4 0+2 4)", " 1+2 2)(3 3)(4 0+2 4)", "(3 3)(4 0+2 4)", " 1+1 4)", "",]
        );
        assert!(Cursor::at(&manifest(), 6).is_none());
        assert!(Cursor::at(&manifest(), 5).expect("the end").is_done());
    }

    #[test]
    fn a_walk_goes_on_within_a_file_that_is_named() {
        let at = |file, offset| Cursor::in_file(&manifest(), file, offset).map(|cursor| (cursor.position(), walk(cursor, 5, 100)));
        assert_eq!(at(2, 0), Some((3, "(3 3)(4 0+2 4)".to_owned())));
        assert_eq!(at(3, 0), Some((3, "(4 0+2 4)".to_owned())));
        assert_eq!(at(1, 3), Some((3, " 2)(3 3)(4 0+2 4)".to_owned())));
        assert_eq!(at(4, 0), Some((5, String::new())));
        assert_eq!([at(1, 4), at(4, 1), at(5, 0)], [None, None, None]);
    }
}
