//! Extended attributes, where the file system has them.

use rustix::fs::{XattrFlags, getxattr, setxattr};

use super::*;
use crate::transfer::{shown::not_shown, xattrs::Xattrs};

/// Whether files in this folder can have them.
pub fn are_there(folder: &Path) -> bool {
    let probe = folder.join("probe");
    fs::write(&probe, b"").expect("written");
    let set = setxattr(&probe, "user.probe", b"1", XattrFlags::empty()).is_ok();
    fs::remove_file(probe).expect("removed");
    if !set {
        not_shown("this file system has no extended attributes");
    }
    set
}

fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 1024];
    let length = getxattr(path, name, value.as_mut_slice()).ok()?;
    value.truncate(length);
    Some(value)
}

fn batch() -> Batch {
    let mut batch =
        Batch::new(vec![("d", Kind::Directory), ("d/a", Kind::File { size: Some(20_000) }), ("b", Kind::File { size: Some(9_000) })], 3);
    let mut entries = batch.manifest.entries().to_vec();
    for (entry, value) in entries.iter_mut().zip([&b"folder"[..], &[0, 255], b""]) {
        entry.xattrs = Xattrs::new([("user.origin".to_owned(), value.to_vec())]).expect("fine");
    }
    entries[1].mode = Some(0o400);
    batch.manifest = Manifest::new(entries).expect("a batch");
    batch
}

#[tokio::test]
async fn attributes_are_set_where_they_are_wanted_also_by_the_process_that_goes_on() {
    let batch = batch();
    let (target, state, plain) = (TempDir::new().expect("folder"), TempDir::new().expect("state"), TempDir::new().expect("folder"));
    if !are_there(target.path()) {
        return;
    }
    let (options, store, name) = recorded(&state);
    let mut sink = Sink::create(target.path(), batch.manifest.clone(), SinkOptions { xattrs: true, ..options }).await.expect("begins");
    sink.write(Bytes::copy_from_slice(&batch.stream[..15_000])).await.expect("takes");
    sink.suspend().await.expect("kept");
    let mut sink = Sink::resume(&store, &name).await.expect("goes on");
    sink.write(Bytes::copy_from_slice(&batch.stream[15_000..])).await.expect("takes");
    let finished = sink.finish(Some(batch.trailer(Algorithm::Blake3))).await.expect("verified");
    assert_eq!(finished.warnings, Vec::<String>::new());
    batch.check(target.path());
    for (path, value) in [("d", &b"folder"[..]), ("d/a", &[0, 255]), ("b", b"")] {
        assert_eq!(attribute(&target.path().join(path), "user.origin").as_deref(), Some(value), "{path}");
    }
    put(&batch, plain.path(), SinkOptions::default()).await.expect("there");
    assert_eq!(["d", "d/a", "b"].map(|path| attribute(&plain.path().join(path), "user.origin")), [None, None, None]);
}
