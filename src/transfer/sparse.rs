//! Files with holes: which of a batch are sparse, what they need on a disk, and which bytes of them are to be written.
//!
//! It is no part of the manifest, as it is none of the content: a file system may fill a hole or make one while nobody writes, and the same batch is
//! gone on with. A sender says it with the offer, and may be wrong or lie: what is zero is left out of the file and read as zero, whatever was
//! said, and the disk is full when it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::manifest::Manifest;

/// Most sparse files that are named; those behind them are written in full.
pub const MAX_SPARSE: usize = 1000;
/// What is not in holes of at least so many bytes in all is not worth a word.
pub const LEAST: u64 = 64 * 1024;
/// Bytes of a block: what is smaller is no hole on any disk.
const BLOCK: usize = 4096;
static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// The sparse files of a batch, counted among its regular files, and for each how many bytes are not in holes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sparse(BTreeMap<u32, u64>);

impl Sparse {
    /// These files, with so many bytes of data each; the first [`MAX_SPARSE`] of them.
    pub fn new(files: impl IntoIterator<Item = (usize, u64)>) -> Self {
        let files = files.into_iter().filter_map(|(file, data)| Some((u32::try_from(file).ok()?, data)));
        Self(files.take(MAX_SPARSE).collect())
    }

    /// No file is sparse.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many files are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How many bytes of a file are not in holes, by what was said; none where nothing was.
    pub fn data(&self, file: usize) -> Option<u64> {
        self.0.get(&u32::try_from(file).ok()?).copied()
    }

    /// Bytes that a disk must still have room for, from a byte of a regular file on, of which it has so many `there` already; none for what is of
    /// unknown size.
    ///
    /// Where the data of a sparse file lie nobody has said: what the disk has of them is not ahead, and so no more than the others are.
    pub fn room(&self, manifest: &Manifest, from: usize, offset: u64, there: u64) -> u64 {
        let left = manifest.files().enumerate().skip(from).map(|(file, (_, entry))| {
            let size = entry.size().flatten().unwrap_or(0);
            let (left, there) = if file == from { (size.saturating_sub(offset), there) } else { (size, 0) };
            self.data(file).map_or(left, |data| data.saturating_sub(there).min(left))
        });
        left.fold(0, u64::saturating_add)
    }
}

/// The parts of what stands at an offset of a file that are to be written, each with its place in the file: all but blocks of zeros.
pub fn parts(offset: u64, bytes: &[u8]) -> Parts<'_> {
    Parts { offset, bytes }
}

/// See [`parts`].
#[derive(Debug)]
pub struct Parts<'a> {
    offset: u64,
    bytes: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Bytes as far as the end of a block of the file.
    fn block(offset: u64, bytes: &[u8]) -> usize {
        let into = usize::try_from(offset % BLOCK as u64).unwrap_or(0);
        (BLOCK - into).min(bytes.len())
    }

    /// Bytes from the start that are in blocks of zeros, or in blocks of others.
    fn run(&self, of_zeros: bool) -> usize {
        let (mut at, mut rest) = (self.offset, self.bytes);
        while !rest.is_empty() {
            let (block, behind) = rest.split_at(Self::block(at, rest));
            if (block == ZEROS.split_at(block.len()).0) != of_zeros {
                break;
            }
            (at, rest) = (at + block.len() as u64, behind);
        }
        self.bytes.len() - rest.len()
    }

    fn pass(&mut self, length: usize) -> &'a [u8] {
        let (passed, rest) = self.bytes.split_at(length);
        (self.offset, self.bytes) = (self.offset + length as u64, rest);
        passed
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.pass(self.run(true));
        let offset = self.offset;
        let part = self.pass(self.run(false));
        (!part.is_empty()).then_some((offset, part))
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha12Rng;

    use super::*;
    use crate::transfer::manifest::{Entry, Kind};

    fn manifest(sizes: &[u64]) -> Manifest {
        let entry = |(at, size): (usize, &u64)| Entry::new(format!("f{at}").parse().expect("safe"), Kind::File { size: Some(*size) });
        Manifest::new(sizes.iter().enumerate().map(entry).collect()).expect("a batch")
    }

    #[test]
    fn a_disk_needs_room_for_data_alone_and_for_no_more_than_there_is() {
        let batch = manifest(&[1000, 2000, 3000]);
        assert_eq!(Sparse::default().room(&batch, 0, 0, 0), 6000);
        let sparse = Sparse::new([(1, 100), (2, u64::MAX), (9, 5)]);
        for ((from, offset, there), room) in [
            ((0, 0, 0), 4100),
            ((1, 0, 0), 3100),
            ((1, 1950, 0), 3050),
            // What the disk has of a sparse file it need not have once more, be it that all that is left is hole.
            ((1, 1000, 60), 3040),
            ((1, 1990, 60), 3010),
            ((1, 1000, 100), 3000),
            ((1, 1000, 4096), 3000),
            // It has none of those behind it, and of a file without holes all that came.
            ((0, 400, 400), 3700),
            ((3, 0, 0), 0),
        ] {
            assert_eq!(sparse.room(&batch, from, offset, there), room, "from {from} at {offset} with {there}");
        }
        let whole = manifest(&[u64::MAX / 4]);
        assert_eq!(Sparse::new([(0, 0)]).room(&whole, 0, 7, 0), 0);
        // 100 GiB with 40 GiB of data in the first half, broken off in the middle, on a disk with 5 GiB left.
        let image = manifest(&[100 << 30]);
        assert_eq!(Sparse::new([(0, 40 << 30)]).room(&image, 0, 50 << 30, 40 << 30), 0);
    }

    #[test]
    fn whatever_is_written_around_holes_reads_as_what_came() {
        let mut rng = ChaCha12Rng::seed_from_u64(5);
        for _ in 0..200 {
            let mut content = vec![0u8; rng.random_range(1..60_000)];
            for _ in 0..rng.random_range(0..4) {
                let from = rng.random_range(0..content.len());
                let len = rng.random_range(0..20_000).min(content.len() - from);
                content[from..from + len].fill(7);
            }
            let (mut file, mut written, mut at) = (vec![0u8; content.len()], 0, 0);
            while at < content.len() {
                let piece = rng.random_range(1..30_000).min(content.len() - at);
                for (offset, part) in parts(at as u64, &content[at..at + piece]) {
                    let offset = usize::try_from(offset).expect("small");
                    file[offset..offset + part.len()].copy_from_slice(part);
                    written += part.len();
                }
                at += piece;
            }
            assert!(file == content);
            let data: usize = content.chunks(BLOCK).filter(|block| block.iter().any(|byte| *byte != 0)).map(<[u8]>::len).sum();
            assert!(written <= data, "{written} bytes written, {data} in blocks with data");
        }
        assert_eq!(parts(10, &vec![0; 100_000]).next(), None);
    }

    #[test]
    fn it_is_a_map_in_json_and_no_longer_than_its_bound() {
        let many = Sparse::new((0..5000).map(|file| (file, u64::MAX)));
        assert_eq!(many.len(), MAX_SPARSE);
        assert!(serde_json::to_string(&many).expect("JSON").len() < 40_000, "it fits into a letter with all else");
        let sparse = Sparse::new([(3, 4096)]);
        assert_eq!(serde_json::to_string(&sparse).expect("JSON"), "{\"3\":4096}");
        assert_eq!(serde_json::from_str::<Sparse>("{\"3\":4096}").expect("one"), sparse);
    }
}
