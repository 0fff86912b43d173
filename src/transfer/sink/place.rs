//! Verified files to their names, then folders, links, times.

use std::{collections::BTreeSet, io::ErrorKind};

use super::{
    Finished, Placed, SinkError, SinkState,
    core::{Complete, Core},
    folder::{TOGETHER, There},
    work::Work as _,
};
use crate::transfer::{
    disk,
    hash::{Algorithm, Digest, Trailer},
    manifest::{Entry, Kind, Manifest},
    name::SafePath,
    overwrite::Overwrite,
    resume::{Held, Line},
};

/// Most numbers tried for another name.
const MAX_NUMBER: u32 = 9_999;

/// Compares digests in order; where ours is none, the file was skipped. Gives the first that differs, counted among regular files.
pub(super) fn compare(
    manifest: &Manifest,
    trailer: &Trailer,
    ours: &[Option<Digest>],
    algorithm: Algorithm,
) -> Result<(), (Option<usize>, SinkError)> {
    if trailer.algorithm != algorithm {
        return Err((None, SinkError::Algorithm { found: trailer.algorithm, expected: algorithm }));
    }
    if trailer.files.len() != ours.len() {
        return Err((None, SinkError::OtherBatch));
    }
    for (file, (((_, entry), expected), found)) in manifest.files().zip(&trailer.files).zip(ours).enumerate() {
        if let Some(found) = found.filter(|found| found != expected) {
            let path = entry.path.to_string();
            return Err((Some(file), SinkError::Digest { path, algorithm, expected: *expected, found }));
        }
    }
    Ok(())
}

impl Core {
    /// All bytes have come: compares, places, and forgets the record.
    pub(super) fn place(&mut self, trailer: Option<&Trailer>) -> Result<Finished, SinkError> {
        if let Some(trailer) = trailer
            && let Err((file, error)) = compare(&self.manifest, trailer, &self.done, self.algorithm)
        {
            // A second error would hide the first.
            let _ = file.map(|file| self.go_back(file));
            return Err(error);
        }
        self.checkpoint()?;
        let mut files = self.name_files()?;
        self.placed = true;
        if let Some(held) = &mut self.held {
            let lines = files.iter().filter(|file| file.digest.is_some()).map(place_line).collect::<Vec<_>>();
            held.append(&lines)?;
            held.save(held.record().durable, true)?;
        }
        // Behind the record that says so: from here on nobody writes into them.
        for group in files.chunks(TOGETHER) {
            self.restrict_files(group)?;
        }
        for file in &mut files {
            self.place_file(file)?;
        }
        for (at, entry) in self.manifest.clone().entries().iter().enumerate() {
            match &entry.kind {
                Kind::Directory => self.make(entry.path.as_str())?,
                Kind::Symlink { target } if !self.skipped.contains(&at) => self.place_link(entry, target)?,
                Kind::File { .. } | Kind::Symlink { .. } => {}
            }
        }
        self.note()?;
        self.folder.sync()?;
        self.finish_folders();
        self.held.take().map_or(Ok(()), Held::forget)?;
        let root = files.iter().map(|file| file.digest).collect::<Option<Vec<_>>>();
        let root = root.map(|files| Trailer { algorithm: self.algorithm, files }.root(&self.manifest));
        Ok(Finished { files, root, warnings: std::mem::take(&mut self.warnings) })
    }

    /// Takes away the permissions that files shall not have, durably.
    fn restrict_files(&mut self, group: &[Placed]) -> Result<(), SinkError> {
        let (mut paths, mut files) = (Vec::new(), Vec::new());
        for file in group.iter().filter(|file| file.digest.is_some()) {
            let Some(entry) = self.manifest.entries().get(file.entry).cloned() else { continue };
            match self.folder.restrict(&self.folder.part(file.entry, &entry.path), entry.mode) {
                Ok(restricted) => {
                    paths.extend(restricted.as_ref().map(|_| entry.path));
                    files.extend(restricted);
                }
                Err(error) => self.warn(format!("{}: {error}", entry.path)),
            }
        }
        disk::sync_together(&files).map_err(|(at, error)| self.folder.fault(paths.get(at).map_or("", SafePath::as_str), error))
    }

    /// A file is damaged: with a record, the transfer goes on from its start, and what stands behind is given up.
    fn go_back(&mut self, file: usize) -> Result<(), SinkError> {
        let damaged = self.complete_files().split_off(file);
        self.complete = Complete::default();
        for (at, entry, _) in &damaged {
            self.folder.remove(&self.folder.part(*at, &entry.path))?;
        }
        self.done.truncate(file);
        let durable = damaged.first().and_then(|(at, _, _)| self.manifest.start_of(*at)).unwrap_or(0);
        let lines = self.journal();
        self.lines.clear();
        if let Some(held) = &mut self.held {
            held.rewind(durable, &lines)?;
        }
        self.stands = SinkState { written: durable, durable, files: file as u64 };
        self.tell();
        Ok(())
    }

    /// The journal as it would be written now.
    pub(super) fn journal(&self) -> Vec<Line> {
        let made = self.made.iter().map(|path| Line::Made { path: path.clone() });
        let done = self.manifest.files().zip(&self.done);
        let done = done.map(|((at, _), digest)| Line::Done { entry: u32::try_from(at).unwrap_or(u32::MAX), digest: *digest });
        made.chain(done).collect()
    }

    /// The names that the files shall get. With the policy to refuse, nothing is placed when one of them is taken.
    fn name_files(&self) -> Result<Vec<Placed>, SinkError> {
        let mut taken: BTreeSet<SafePath> = self.manifest.entries().iter().map(|entry| entry.path.clone()).collect();
        let mut files = Vec::new();
        for (at, entry, digest) in self.complete_files() {
            let wanted = self.wanted(&entry);
            let name = match (digest, self.placing.get(&at)) {
                (Some(_), Some(name)) => name.clone(),
                (Some(_), None) if self.overwrite == Overwrite::Rename => self.free_name(wanted, &taken)?,
                (Some(_), None) => {
                    if self.overwrite == Overwrite::Refuse && self.folder.there(wanted.as_str())? != There::Nothing {
                        return Err(SinkError::Exists { path: wanted.to_string() });
                    }
                    wanted.clone()
                }
                (None, _) => wanted.clone(),
            };
            taken.insert(name.clone());
            files.push(Placed { entry: at, path: digest.map(|_| self.folder.path().join(name.as_str())), name, digest });
        }
        Ok(files)
    }

    /// The name that a file is to get.
    pub(super) fn wanted<'a>(&'a self, entry: &'a Entry) -> &'a SafePath {
        self.called.as_ref().unwrap_or(&entry.path)
    }

    /// The name itself when nothing has it, else the first with a number that neither the disk nor the batch has.
    fn free_name(&self, path: &SafePath, taken: &BTreeSet<SafePath>) -> Result<SafePath, SinkError> {
        if self.folder.there(path.as_str())? == There::Nothing {
            return Ok(path.clone());
        }
        for number in 1..=MAX_NUMBER {
            let name = path.numbered(number);
            if !taken.contains(&name) && self.folder.there(name.as_str())? == There::Nothing {
                return Ok(name);
            }
        }
        Err(SinkError::Exists { path: path.to_string() })
    }

    fn place_file(&mut self, file: &mut Placed) -> Result<(), SinkError> {
        if file.digest.is_none() {
            return Ok(());
        }
        let Some(entry) = self.manifest.entries().get(file.entry).cloned() else { return Ok(()) };
        let part = self.folder.part(file.entry, &entry.path);
        if self.placing.contains_key(&file.entry) {
            // The process before this one may have come as far as that.
            if self.folder.len(&part).is_none() {
                return match self.folder.there(file.name.as_str())? {
                    There::Nothing => Err(self.folder.fault(file.name.as_str(), ErrorKind::NotFound.into())),
                    _ => Ok(()),
                };
            }
            if self.folder.is_same(&part, file.name.as_str()) {
                return self.folder.remove(&part);
            }
        }
        loop {
            let placed = match self.overwrite {
                Overwrite::Replace => self.folder.replace(&part, file.name.as_str()),
                Overwrite::Refuse | Overwrite::Rename | Overwrite::Skip => self.folder.place(&part, file.name.as_str()),
            };
            let Err(error) = placed else { return Ok(()) };
            match (error.kind(), self.overwrite) {
                // Somebody took the name meanwhile.
                (ErrorKind::AlreadyExists, Overwrite::Rename) => {
                    file.name = self.free_name(self.wanted(&entry), &BTreeSet::new())?;
                    file.path = Some(self.folder.path().join(file.name.as_str()));
                    if let Some(held) = &mut self.held {
                        held.append(&[place_line(file)])?;
                        held.save(held.record().durable, true)?;
                    }
                }
                (ErrorKind::AlreadyExists, Overwrite::Skip) => {
                    (file.path, file.digest) = (None, None);
                    return self.folder.remove(&part);
                }
                (ErrorKind::AlreadyExists, _) => return Err(SinkError::Exists { path: file.name.to_string() }),
                (ErrorKind::IsADirectory, _) => return Err(SinkError::InTheWay { path: file.name.to_string(), what: "a folder" }),
                _ => return Err(self.folder.fault(file.name.as_str(), error)),
            }
        }
    }

    fn place_link(&mut self, entry: &Entry, target: &str) -> Result<(), SinkError> {
        if let Some(parent) = entry.path.parent() {
            self.make(parent)?;
        }
        let mut name = entry.path.clone();
        let there = self.folder.there(name.as_str())?;
        match (there, self.overwrite) {
            (There::Nothing, _) => {}
            (There::Link, _) if self.folder.points_to(name.as_str(), target) => return Ok(()),
            (_, Overwrite::Skip) => return Ok(()),
            (_, Overwrite::Refuse) => return Err(SinkError::Exists { path: name.to_string() }),
            (There::Link | There::File, Overwrite::Replace) => self.folder.remove(name.as_str())?,
            (There::Folder | There::Other, Overwrite::Replace) => {
                return Err(SinkError::InTheWay { path: name.to_string(), what: there.what() });
            }
            (_, Overwrite::Rename) => name = self.free_name(&name, &BTreeSet::new())?,
        }
        self.folder.link(&entry.path, name.as_str(), target)
    }

    /// Permissions and times of the folders that were made, from the inside out.
    fn finish_folders(&mut self) {
        for entry in self.manifest.clone().entries().iter().rev() {
            if entry.kind == Kind::Directory && self.made.contains(&entry.path) {
                let unset = self.folder.finish_folder(entry, self.xattrs).unwrap_or_else(|error| vec![error.to_string()]);
                unset.into_iter().for_each(|why| self.warn(format!("{}: {why}", entry.path)));
            }
        }
    }
}

fn place_line(file: &Placed) -> Line {
    Line::Place { entry: u32::try_from(file.entry).unwrap_or(u32::MAX), path: file.name.clone() }
}
