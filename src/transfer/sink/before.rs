//! What is looked at before the first byte: what is there already, and whether there is room.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    Overwrite, SinkError,
    folder::{Folder, There},
};
use crate::transfer::{
    manifest::{Entry, Kind, Manifest},
    name::SafePath,
};

/// Whether a batch could begin.
pub(super) fn look(target: &Path, known: &[Entry], bytes: u64, overwrite: Overwrite) -> Result<(), SinkError> {
    let folder = Folder::open(target, String::new())?;
    folder.may_write()?;
    conflicts(&folder, known, overwrite)?;
    enough_room(&folder, bytes, 0)
}

/// Looks at what is there already, before the first byte, and gives the entries to be skipped.
pub(super) fn conflicts(folder: &Folder, entries: &[Entry], overwrite: Overwrite) -> Result<BTreeSet<usize>, SinkError> {
    let (mut skipped, mut tops) = (BTreeSet::new(), BTreeMap::new());
    for (at, entry) in entries.iter().enumerate() {
        // Where the first step is not there, nothing below is.
        let top = entry.path.ancestors().next().unwrap_or(entry.path.as_str());
        let is_new = match tops.get(top) {
            Some(is_new) => *is_new,
            None => {
                let is_new = folder.there(top)? == There::Nothing;
                tops.insert(top, is_new);
                is_new
            }
        };
        if is_new {
            continue;
        }
        let (path, there) = (entry.path.as_str(), folder.there(entry.path.as_str())?);
        let is_folder = there == There::Folder || (there == There::Link && folder.is_folder(path));
        let in_the_way = SinkError::InTheWay { path: path.to_owned(), what: there.what() };
        match (&entry.kind, overwrite) {
            _ if there == There::Nothing => {}
            (Kind::Directory, _) if is_folder => {}
            (Kind::Directory, _) => return Err(in_the_way),
            (Kind::File { .. } | Kind::Symlink { .. }, Overwrite::Skip) => {
                skipped.insert(at);
            }
            (Kind::File { .. } | Kind::Symlink { .. }, Overwrite::Rename) => {}
            _ if matches!(there, There::Folder | There::Other) => return Err(in_the_way),
            (Kind::File { .. } | Kind::Symlink { .. }, Overwrite::Replace) => {}
            (Kind::File { .. } | Kind::Symlink { .. }, Overwrite::Refuse) => return Err(SinkError::Exists { path: path.to_owned() }),
        }
    }
    Ok(skipped)
}

/// The only file of a batch by another name. It is in no folder: that would be made, and nobody has asked for it.
pub(super) fn called(manifest: &Manifest, name: &SafePath) -> Result<Vec<Entry>, SinkError> {
    match manifest.entries() {
        [entry] if matches!(entry.kind, Kind::File { .. }) && entry.path.parent().is_none() => {
            Ok(vec![Entry { path: name.clone(), ..entry.clone() }])
        }
        _ => Err(SinkError::NotOneFile),
    }
}

/// Whether so many bytes have room, and leave `reserve`.
pub(super) fn enough_room(folder: &Folder, needed: u64, reserve: u64) -> Result<(), SinkError> {
    let needed = needed.saturating_add(reserve);
    match folder.available() {
        Some(available) if available < needed => Err(SinkError::NoSpace { path: folder.path().display().to_string(), needed, available }),
        _ => Ok(()),
    }
}
