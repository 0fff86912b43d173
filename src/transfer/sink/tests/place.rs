//! Names, modes, times and links: what they are when all is verified, and what is there already.

use std::{os::unix::fs::symlink, time::SystemTime};

use super::*;
use crate::transfer::{
    manifest::{MAX_ENTRIES, Mtime},
    name::{MAX_COMPONENT, MAX_PATH},
};

#[tokio::test]
async fn names_appear_only_when_everything_is_verified() {
    let batch = Batch::files(&[("a", 10), ("b", 10)], 4);
    let folder = TempDir::new().expect("folder");
    let mut sink = Sink::create(folder.path(), batch.manifest.clone(), SinkOptions::default()).await.expect("begins");
    sink.write(batch.bytes()).await.expect("takes");
    assert_eq!(sink.checkpoint().await.expect("durable"), 20);
    assert!(!folder.path().join("a").exists());
    let mut trailer = batch.trailer(Algorithm::Blake3);
    trailer.files[1] = Digest([0; 32]);
    let error = sink.finish(Some(trailer)).await.expect_err("damaged");
    assert!(matches!(&error, SinkError::Digest { path, .. } if path == "b"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 0, "nothing is left without a record");
}

#[tokio::test]
async fn modes_times_links_and_empty_folders_arrive_and_set_user_id_does_not() {
    let folder = TempDir::new().expect("folder");
    let mtime = Some(Mtime { seconds: 1_000_000_000, nanos: 500_000_000 });
    let entry = |path: &str, kind, mode| Entry { mode: Some(mode), mtime, ..Entry::new(path.parse().expect("safe"), kind) };
    let entries = vec![
        entry("d", Kind::Directory, 0o555),
        entry("d/run", Kind::File { size: Some(3) }, 0o4755),
        entry("d/secret", Kind::File { size: Some(3) }, 0o400),
        Entry::new("d/up".parse().expect("safe"), Kind::Symlink { target: "../empty".to_owned() }),
        entry("empty", Kind::Directory, 0o700),
    ];
    let batch = Batch { manifest: Manifest::new(entries).expect("a batch"), stream: b"abcdef".to_vec() };
    let finished = put(&batch, folder.path(), SinkOptions::default()).await.expect("finishes");
    assert_eq!(finished.warnings, Vec::<String>::new());
    for (path, mode) in [("d", 0o555), ("d/run", 0o755), ("d/secret", 0o400), ("empty", 0o700)] {
        let meta = fs::metadata(folder.path().join(path)).expect(path);
        // What the mask of whoever runs the test takes away, is away.
        assert_eq!(meta.permissions().mode() & 0o7777 & !mode, 0, "{path}");
        assert_eq!(meta.permissions().mode() & 0o500, mode & 0o500, "{path}");
        assert_eq!(meta.modified().expect("time"), SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000_000_500), "{path}");
    }
    assert_eq!(fs::read_link(folder.path().join("d/up")).expect("link"), Path::new("../empty"));
    fs::set_permissions(folder.path().join("d"), fs::Permissions::from_mode(0o755)).expect("so that it can be removed");
}

#[tokio::test]
async fn what_is_there_already_meets_the_policy() {
    let batch = Batch::files(&[("d/a.txt", 5), ("b", 5)], 5);
    let there = || {
        let folder = TempDir::new().expect("folder");
        fs::create_dir(folder.path().join("d")).expect("folder");
        fs::write(folder.path().join("d/a.txt"), b"old").expect("old");
        folder
    };
    let folder = there();
    let error = Sink::create(folder.path(), batch.manifest.clone(), with(Overwrite::Refuse)).await.expect_err("refused");
    assert_eq!(error.to_string(), "d/a.txt already exists");

    let folder = there();
    put(&batch, folder.path(), with(Overwrite::Replace)).await.expect("replaces");
    batch.check(folder.path());

    let folder = there();
    fs::write(folder.path().join("d/a (1).txt"), b"older").expect("older");
    let finished = put(&batch, folder.path(), with(Overwrite::Rename)).await.expect("renames");
    assert_eq!(finished.files[0].name.as_str(), "d/a (2).txt");
    assert_eq!(fs::read(folder.path().join("d/a (2).txt")).expect("new"), batch.content("d/a.txt"));
    assert_eq!(fs::read(folder.path().join("d/a.txt")).expect("old"), b"old");

    let folder = there();
    let finished = put(&batch, folder.path(), with(Overwrite::Skip)).await.expect("skips");
    assert_eq!((finished.root, &finished.files[0].path, finished.files[0].digest), (None, &None, None));
    assert_eq!(fs::read(folder.path().join("d/a.txt")).expect("old"), b"old");
    assert_eq!(fs::read(folder.path().join("b")).expect("new"), batch.content("b"));

    let folder = TempDir::new().expect("folder");
    fs::create_dir_all(folder.path().join("b")).expect("folder");
    for overwrite in [Overwrite::Replace, Overwrite::Refuse] {
        let error = Sink::create(folder.path(), batch.manifest.clone(), with(overwrite)).await.expect_err("in the way");
        assert_eq!(error.to_string(), "b already exists and is a folder");
    }
}

#[tokio::test]
async fn a_file_that_appears_meanwhile_is_not_overwritten() {
    for overwrite in [Overwrite::Refuse, Overwrite::Skip, Overwrite::Rename] {
        let batch = Batch::files(&[("a", 5)], 6);
        let folder = TempDir::new().expect("folder");
        let mut sink = Sink::create(folder.path(), batch.manifest.clone(), with(overwrite)).await.expect("begins");
        sink.write(batch.bytes()).await.expect("takes");
        fs::write(folder.path().join("a"), b"mine").expect("mine");
        let finished = sink.finish(None).await;
        assert_eq!(finished.is_err(), overwrite == Overwrite::Refuse, "{finished:?}");
        assert_eq!(fs::read(folder.path().join("a")).expect("mine"), b"mine", "{overwrite:?}");
        assert_eq!(partial_files(folder.path()), Vec::<PathBuf>::new());
        if overwrite == Overwrite::Rename {
            assert_eq!(fs::read(folder.path().join("a (1)")).expect("new"), batch.stream);
        }
    }
}

#[tokio::test]
async fn nothing_leaves_the_folder_by_links_that_are_there_already() {
    let outside = TempDir::new().expect("outside");
    for (path, overwrite) in [("out/file", Overwrite::Replace), ("out/deeper/file", Overwrite::Rename), ("link", Overwrite::Replace)] {
        let folder = TempDir::new().expect("folder");
        symlink(outside.path(), folder.path().join("out")).expect("link");
        symlink(outside.path().join("victim"), folder.path().join("link")).expect("link");
        let result = put(&Batch::files(&[(path, 5)], 7), folder.path(), with(overwrite)).await;
        // A link at the very name is replaced; one on the way stops the batch.
        assert_eq!(result.is_ok(), path == "link", "{path}: {result:?}");
        assert_eq!(fs::read_dir(outside.path()).expect("outside").count(), 0, "{path}");
    }
}

#[tokio::test]
async fn a_partial_file_is_never_written_through_a_link_and_links_are_made_only_among_folders() {
    let (folder, outside, state) = (TempDir::new().expect("folder"), TempDir::new().expect("outside"), TempDir::new().expect("state"));
    let batch = Batch::files(&[("a", 50_000)], 8);
    let (options, store, name) = recorded(&state);
    let mut sink = Sink::create(folder.path(), batch.manifest.clone(), options).await.expect("begins");
    sink.write(batch.bytes().slice(..20_000)).await.expect("takes");
    sink.suspend().await.expect("suspends");
    let part = partial_files(folder.path()).pop().expect("a partial file");
    fs::remove_file(&part).expect("removed");
    fs::write(outside.path().join("victim"), vec![0; 30_000]).expect("victim");
    symlink(outside.path().join("victim"), &part).expect("link");
    let mut sink = Sink::resume(&store, &name).await.expect("resumes");
    assert_eq!(sink.state().written, 0, "a link is no partial file");
    sink.write(batch.bytes()).await.expect("takes");
    sink.finish(Some(batch.trailer(Algorithm::Blake3))).await.expect("finishes");
    batch.check(folder.path());
    assert_eq!(fs::read(outside.path().join("victim")).expect("victim"), vec![0; 30_000]);

    // The folder `x/y` is a link of the user's to the top: a link two steps below it would lead out of the target.
    let folder = TempDir::new().expect("folder");
    fs::create_dir(folder.path().join("x")).expect("folder");
    symlink("..", folder.path().join("x/y")).expect("link");
    let entries = vec![
        Entry::new("x/y/link".parse().expect("safe"), Kind::Symlink { target: "../../etc".to_owned() }),
        Entry::new("f".parse().expect("safe"), Kind::File { size: Some(0) }),
    ];
    let batch = Batch { manifest: Manifest::new(entries).expect("a batch"), stream: Vec::new() };
    let error = put(&batch, folder.path(), SinkOptions::default()).await.expect_err("refused");
    assert!(matches!(&error, SinkError::InTheWay { path, .. } if path == "x/y"), "{error}");
}

#[tokio::test]
async fn the_longest_names_have_room_for_their_partial_files() {
    let folders = format!("{}/", "x".repeat(255)).repeat(15);
    let longest = format!("{folders}{}", "y".repeat(MAX_PATH - folders.len()));
    let short = format!("{folders}{}/z", "x".repeat(MAX_PATH - folders.len() - 2));
    let names = [longest.as_str(), short.as_str(), &"n".repeat(255)];
    let batch = Batch::files(&names.map(|name| (name, 10)), 22);
    let target = TempDir::new().expect("folder");
    let folder = folder::Folder::open(target.path(), "12345678".to_owned()).expect("opens");
    for (_, entry) in batch.manifest.files() {
        let part = folder.part(MAX_ENTRIES - 1, &entry.path);
        assert!(part.len() <= 4095 && part.rsplit('/').next().is_some_and(|name| name.len() <= MAX_COMPONENT), "{}", part.len());
    }
    let finished = put(&batch, target.path(), SinkOptions::default()).await.expect("finishes");
    assert_eq!(finished.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), names);
}
