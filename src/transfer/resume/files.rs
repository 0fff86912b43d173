//! The files of records.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{Line, Record, ResumeError, TransferName};
use crate::transfer::manifest::Manifest;

/// A folder of records. Its methods block: call them from blocking threads.
#[derive(Debug, Clone)]
pub struct RecordStore {
    folder: PathBuf,
}

/// A record that is ours while this lives: no other process can take it.
#[derive(Debug)]
pub struct Held {
    record: Record,
}

impl RecordStore {
    /// Opens a folder, and makes it (mode 0700) where there is none.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(folder: &Path) -> Result<Self, ResumeError> {
        Ok(Self { folder: folder.to_owned() })
    }

    /// Begins a record.
    ///
    /// # Errors
    /// There is one of this name, or the disk fails.
    pub fn create(&self, _record: Record, _manifest: &Manifest) -> Result<Held, ResumeError> {
        unimplemented!()
    }

    /// Takes up a record again, with the manifest and the lines of the journal that count.
    ///
    /// # Errors
    /// There is none, it is running, or it is damaged.
    pub fn take_up(&self, _name: &TransferName) -> Result<(Held, Manifest, Vec<Line>), ResumeError> {
        unimplemented!()
    }

    /// All records, by name. What cannot be read is left out.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> Result<Vec<Record>, ResumeError> {
        unimplemented!("{:?}", self.folder)
    }

    /// Removes a record that is not running.
    ///
    /// # Errors
    /// It is running, or the disk fails; that there is none is no error.
    pub fn remove(&self, _name: &TransferName) -> Result<(), ResumeError> {
        unimplemented!()
    }

    /// Removes the records not running and not changed for longer than `age`, and gives them, for their partial files to be removed too.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn remove_older(&self, _now: SystemTime, _age: Duration) -> Result<Vec<Record>, ResumeError> {
        unimplemented!()
    }
}

impl Held {
    /// What it says.
    pub fn record(&self) -> &Record {
        &self.record
    }
}
