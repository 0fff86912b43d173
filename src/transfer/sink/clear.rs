//! Giving up: what there is of a batch goes, whatever stands in the way of going on with it.

use std::{collections::BTreeSet, path::Path};

use super::{SinkError, core::record_tag, folder::Folder};
use crate::transfer::{
    manifest::Manifest,
    name::SafePath,
    resume::{Line, RecordStore, TakenUp, TransferName},
};

/// Removes what there is of a broken transfer, and its record: no file is read or cut, and no room is needed.
pub(super) fn discard(records: &RecordStore, name: &TransferName) -> Result<(), SinkError> {
    let TakenUp { held, manifest, lines, .. } = records.take_up(name)?;
    let record = held.record();
    let target = Path::new(&record.target);
    if let Some(mut folder) = Folder::existing(target, record_tag(name.as_str(), record.created))? {
        let made = lines.into_iter().filter_map(|line| if let Line::Made { path } = line { Some(path) } else { None });
        clear(&mut folder, &manifest, None, &made.collect())?;
    }
    Ok(held.forget()?)
}

/// Removes the partial files of all entries up to the last that was begun (none: of every entry), and the folders that were made for them, where
/// they are empty. What cannot be removed does not save the rest: the first error is told when all was tried.
pub(super) fn clear(folder: &mut Folder, manifest: &Manifest, last: Option<usize>, made: &BTreeSet<SafePath>) -> Result<(), SinkError> {
    let mut failed = None;
    for (at, entry) in manifest.files().take_while(|(at, _)| last.is_none_or(|last| *at <= last)) {
        if let Err(error) = folder.discard(&folder.part(at, &entry.path)) {
            failed.get_or_insert(error);
        }
    }
    // From the inside out.
    for path in made.iter().rev() {
        folder.remove_folder(path.as_str());
    }
    let synced = folder.sync();
    failed.map_or(synced, Err)
}
