//! What comes with a batch from elsewhere.

use crate::transfer::{
    cursor::{Cursor, Step},
    manifest::Manifest,
    name::SafePath,
};

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
