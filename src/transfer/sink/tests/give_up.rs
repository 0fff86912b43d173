//! Giving up, and what stays then.

use super::*;

#[tokio::test]
async fn only_one_process_has_a_transfer_and_giving_up_leaves_nothing() {
    let (target, state) = (TempDir::new().expect("folder"), TempDir::new().expect("state"));
    let batch = Batch::files(&[("x/y/a", 50_000)], 13);
    let (options, store, name) = recorded(&state);
    let mut sink = Sink::create(target.path(), batch.manifest.clone(), options).await.expect("begins");
    sink.write(batch.bytes().slice(..30_000)).await.expect("takes");
    assert!(matches!(Sink::resume(&store, &name).await, Err(SinkError::Resume(ResumeError::Busy(_)))));
    assert!(matches!(store.remove(&name), Err(ResumeError::Busy(_))));
    assert_eq!(store.list().expect("a list").len(), 1);
    sink.abort().await.expect("gives up");
    assert_eq!(fs::read_dir(target.path()).expect("folder").count(), 0);
    assert!(matches!(Sink::resume(&store, &name).await, Err(SinkError::Resume(ResumeError::Missing(_)))));
}

#[tokio::test]
async fn what_is_given_up_goes_without_room_and_what_is_not_ours_stays() {
    let (target, state) = (TempDir::new().expect("folder"), TempDir::new().expect("state"));
    let batch = Batch::files(&[("here/a", 100), ("new/deep/b", 30_000), ("kept/c", 20_000), ("d", 50_000)], 31);
    fs::create_dir(target.path().join("here")).expect("folder");
    let (options, store, name) = recorded(&state);
    let mut sink = Sink::create(target.path(), batch.manifest.clone(), options).await.expect("begins");
    sink.write(batch.bytes().slice(..70_000)).await.expect("takes");
    sink.suspend().await.expect("kept");
    fs::write(target.path().join("kept/mine"), b"mine").expect("written");
    let largest = partial_files(target.path()).into_iter().find(|part| fs::metadata(part).expect("there").len() == 30_000).expect("one");
    // One that cannot be removed.
    fs::remove_file(&largest).expect("removed");
    fs::create_dir(&largest).expect("in the way");
    change(&state, |record| record.reserve = 1 << 60);
    assert!(matches!(Sink::resume(&store, &name).await, Err(SinkError::NoSpace { .. })));
    // What cannot be removed does not save the rest, and leaves the record for another try.
    assert!(matches!(Sink::discard(&store, &name).await, Err(SinkError::Io { .. })));
    assert_eq!((partial_files(target.path()), store.list().expect("records").len()), (vec![largest.clone()], 1));
    fs::remove_dir(&largest).expect("out of the way");
    Sink::discard(&store, &name).await.expect("gives up");
    let mut names: Vec<_> = walkdir::WalkDir::new(target.path()).min_depth(1).into_iter().map(|found| found.expect("found")).collect();
    names.sort_by(|a, b| a.path().cmp(b.path()));
    let names: Vec<_> =
        names.iter().map(|found| found.path().strip_prefix(target.path()).expect("below").to_str().expect("text")).collect();
    assert_eq!(names, ["here", "kept", "kept/mine"]);
    assert!(store.list().expect("records").is_empty());
}

#[tokio::test]
async fn what_is_given_up_has_no_folder_made_for_it() {
    let (folder, state) = (TempDir::new().expect("folder"), TempDir::new().expect("state"));
    let target = folder.path().join("target");
    let batch = Batch::files(&[("a", 100)], 32);
    let (options, store, name) = recorded(&state);
    let sink = Sink::create(&target, batch.manifest.clone(), options).await.expect("begins");
    assert!(matches!(Sink::discard(&store, &name).await, Err(SinkError::Resume(ResumeError::Busy(_)))));
    sink.suspend().await.expect("kept");
    fs::remove_dir_all(&target).expect("removed");
    Sink::discard(&store, &name).await.expect("gives up");
    assert!(!target.exists() && store.list().expect("records").is_empty());
    assert!(matches!(Sink::discard(&store, &name).await, Err(SinkError::Resume(ResumeError::Missing(_)))));
}

/// A process that is killed among small files has written more than its journal says.
#[tokio::test]
async fn files_that_no_journal_tells_of_are_removed_with_the_rest() {
    for discards in [true, false] {
        let (target, state) = (TempDir::new().expect("folder"), TempDir::new().expect("state"));
        let batch = Batch::files(&[("a", 100), ("b", 200), ("c", 300), ("d", 400), ("e", 500)], 33);
        let (options, store, name) = recorded(&state);
        let mut sink = Sink::create(target.path(), batch.manifest.clone(), options).await.expect("begins");
        sink.write(batch.bytes().slice(..1_200)).await.expect("takes");
        sink.suspend().await.expect("kept");
        change(&state, |record| (record.durable, record.journal) = (0, 0));
        fs::write(state.path().join("t1.journal"), b"").expect("emptied");
        assert_eq!(partial_files(target.path()).len(), 5);
        if discards {
            Sink::discard(&store, &name).await.expect("gives up");
        } else {
            let sink = Sink::resume(&store, &name).await.expect("resumes");
            assert_eq!(sink.state().written, 100, "it begins with the first again");
            sink.abort().await.expect("gives up");
        }
        assert_eq!(fs::read_dir(target.path()).expect("folder").count(), 0, "discards: {discards}");
    }
}

#[test]
fn a_folder_is_written_down_as_soon_as_it_is_made() {
    let (target, state) = (TempDir::new().expect("folder"), TempDir::new().expect("state"));
    let (options, _, _) = recorded(&state);
    let batch = Batch::files(&[("x/y/a", 100)], 34);
    let mut core = Core::create(target.path(), batch.manifest, options, watch::channel(SinkState::default()).0).expect("begins");
    core.make("z/w").expect("made");
    let journal = fs::read_to_string(state.path().join("t1.journal")).expect("journal");
    let made: Vec<&str> = journal.lines().filter(|line| line.contains("made") && line.contains("\"z")).collect();
    assert_eq!(made.len(), 2, "{journal}");
}
