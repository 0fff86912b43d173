//! The file that is being written, and what is left out of it where it has holes.

use std::{
    fs::File,
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, MetadataExt as _},
};

use crate::transfer::{hash::Hasher, sparse};

/// The file that is being written.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) entry: usize,
    /// None where its bytes are dropped.
    pub(super) into: Option<(File, Hasher)>,
    /// Where it has holes, how many of its bytes have come: those that are zero were not written, and the file may be shorter.
    pub(super) around: Option<u64>,
}

impl Open {
    /// Puts the next bytes into a file, and zeros between them into none where it has holes.
    pub(super) fn put(file: &mut File, around: &mut Option<u64>, bytes: &[u8]) -> io::Result<()> {
        let Some(at) = around else { return file.write_all(bytes) };
        for (offset, part) in sparse::parts(*at, bytes) {
            file.write_all_at(part, offset)?;
        }
        *at += bytes.len() as u64;
        Ok(())
    }

    /// Bytes that the disk has given it.
    pub(super) fn allocated(&self) -> io::Result<u64> {
        let Some((file, _)) = &self.into else { return Ok(0) };
        Ok(file.metadata()?.blocks().saturating_mul(512))
    }

    /// Gives a file with holes all the bytes that have come, as its length.
    pub(super) fn stretch(&self) -> io::Result<()> {
        match (&self.into, self.around) {
            (Some((file, _)), Some(at)) => file.set_len(at),
            _ => Ok(()),
        }
    }
}
