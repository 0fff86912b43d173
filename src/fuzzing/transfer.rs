//! What comes with a batch from elsewhere.

use crate::transfer::{
    cursor::{Cursor, Step},
    manifest::Manifest,
    name::SafePath,
    pack::{Packer, Unpacker},
    sparse,
};

/// A compressed chunk: whatever it says it holds, no more comes out of it than there is room for, and what comes out can be packed again. What is
/// written around the holes in it is all of it that is not zero.
pub(super) fn frame(data: &[u8]) {
    const CHUNK: usize = 64 * 1024;
    let (mut room, mut again) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut unpacker = Unpacker::default();
    let Ok(plain) = unpacker.unpack(data, &mut room) else { return };
    assert!(!plain.is_empty());
    let mut packed = vec![0; 2 * CHUNK];
    let length = Packer::default().pack(plain, &mut packed).expect("there is room");
    assert_eq!(unpacker.unpack(packed.split_at(length).0, &mut again), Ok(plain));
    let mut written = vec![0; plain.len()];
    for (offset, part) in sparse::parts(1, plain) {
        let at = usize::try_from(offset - 1).expect("in the chunk");
        written[at..at + part.len()].copy_from_slice(part);
    }
    assert_eq!(written, plain);
}

/// A manifest: what is read is printed and read back the same, names stay inside, and offsets are found where the walk finds them.
pub(super) fn manifest(data: &[u8]) {
    let Ok(manifest) = Manifest::from_json(data) else { return };
    let again = Manifest::from_json(&manifest.to_json()).unwrap_or_else(|error| panic!("{error} in what was printed"));
    assert_eq!((again.digest(), again.entries()), (manifest.digest(), manifest.entries()));
    for entry in manifest.entries() {
        let path = entry.path.as_str();
        assert!(std::path::Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_))), "{path:?}");
        assert_eq!(SafePath::new(entry.path.numbered(1).as_str()), Ok(entry.path.numbered(1)));
    }
    for (at, entry) in manifest.files() {
        let start = manifest.start_of(at).expect("a regular file");
        let cursor = Cursor::at(&manifest, start).expect("its start is in the batch");
        assert_eq!(cursor.position(), start);
        if entry.size().flatten().is_none_or(|size| size > 0) {
            assert_eq!(manifest.locate(start), Some((at, 0)));
        }
    }
    let mut cursor = Cursor::new(&manifest);
    let (mut begun, mut ended) = (0, 0);
    // A file of unknown size takes whatever there is: it is given nothing.
    let available = if manifest.total().is_some() { usize::MAX } else { 0 };
    while let Some(step) = cursor.next(available) {
        match step {
            Step::Begin { .. } => begun += 1,
            Step::Data { .. } => assert_eq!(begun, ended + 1),
            Step::End { .. } => ended += 1,
        }
    }
    assert_eq!((begun, Some(cursor.position())), (manifest.files().len(), manifest.total().or(Some(0))));
}
