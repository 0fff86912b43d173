//! Files that are sent, and whether what came is the same.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

/// Writes a file of so many MiB that no two pieces of are alike. Gives its BLAKE3.
pub fn fill(path: &Path, mebibytes: u64) -> blake3::Hash {
    let mut file = File::create(path).expect("a file");
    let mut noise = blake3::Hasher::new().update(b"confkit bench").finalize_xof();
    let (mut piece, mut hasher) = (vec![0; 1024 * 1024], blake3::Hasher::new());
    for _ in 0..mebibytes {
        noise.fill(&mut piece);
        hasher.update(&piece);
        file.write_all(&piece).expect("written");
    }
    // What is still on its way to the disk would be part of what is measured.
    file.sync_all().expect("synced");
    hasher.finalize()
}

/// BLAKE3 of the one file of a folder.
pub fn hash_in(folder: &Path) -> blake3::Hash {
    let names: Vec<PathBuf> = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    let [only] = names.as_slice() else { panic!("{} holds {} files", folder.display(), names.len()) };
    hash(only)
}

/// BLAKE3 of a file.
pub fn hash(path: &Path) -> blake3::Hash {
    let mut file = File::open(path).expect("a file");
    let (mut piece, mut hasher) = (vec![0; 1024 * 1024], blake3::Hasher::new());
    loop {
        let count = file.read(&mut piece).expect("read");
        if count == 0 {
            return hasher.finalize();
        }
        hasher.update(piece.get(..count).unwrap_or_default());
    }
}
