//! Files of a terminal whose conference is the test.

use std::net::{Ipv4Addr, SocketAddr};

use super::*;
use crate::{
    clock,
    fileshare::{
        client::Downloaded,
        wire::{
            self, FailureCode,
            control::{DownloadOffer, FileFacts, ShareSummary},
        },
    },
    transfer::sink::Finished,
};

const PATIENCE: Duration = Duration::from_secs(5);

fn batch(id: u64, name: &str) -> Batch {
    let file = FileFacts { name: name.to_owned(), size: Some(5), mime: None, sha256: None };
    Batch { id: BatchId(id), entries: 1, bytes: Some(5), manifest: None, files: vec![file] }
}

fn offered(share: ShareId, batch: Batch) -> SharingEvent {
    let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 9);
    SharingEvent::Offered { share, offer: Box::new(DownloadOffer { from: String::new(), batch, address, fingerprint: None }) }
}

/// Files of a terminal that declines, and what it tells the conference.
fn files() -> (Files, mpsc::Receiver<SharingCommand>, tempfile::TempDir) {
    let (terminal, told) = mpsc::channel(64);
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().to_owned();
    let manner = Manner { receive: false, limit: None, folder: place, overwrite: Overwrite::Refuse, patience: PATIENCE, come_again: false };
    (Files::new(manner, terminal, Ipv4Addr::LOCALHOST.into()), told, folder)
}

async fn get(files: &mut Files, name: &str) -> oneshot::Receiver<Result<(), Failure>> {
    let (reply, outcome) = oneshot::channel();
    files.take(Order::Download(name.to_owned(), None, reply)).await;
    outcome
}

fn code(outcome: &mut oneshot::Receiver<Result<(), Failure>>) -> Option<Result<(), ExitCode>> {
    outcome.try_recv().ok().map(|outcome| outcome.map_err(|failure| failure.code))
}

fn asks(told: &mut mpsc::Receiver<SharingCommand>) -> Vec<&'static str> {
    let word = |command| match command {
        SharingCommand::Receive { .. } => "receive",
        SharingCommand::List => "list",
        SharingCommand::Decline { .. } => "decline",
        _ => "something else",
    };
    std::iter::from_fn(|| told.try_recv().ok()).map(word).collect()
}

/// The first share of a call is here.
async fn got(files: &mut Files, told: &mut mpsc::Receiver<SharingCommand>, batch: Batch) {
    let (share, name) = (ShareId(1), batch.files[0].name.clone());
    files.hear(offered(share, batch)).await;
    let mut outcome = get(files, &name).await;
    assert_eq!(asks(told), ["decline", "receive"]);
    let downloaded = Downloaded { bytes: 5, files: Finished { files: Vec::new(), root: None, warnings: Vec::new() } };
    files.became(TransferEvent::Downloaded { share, downloaded: Box::new(downloaded) }).await;
    assert_eq!(code(&mut outcome), Some(Ok(())));
}

#[tokio::test]
async fn the_first_share_of_the_next_call_is_not_that_of_the_one_before() {
    let (mut files, mut told, _folder) = files();
    got(&mut files, &mut told, batch(1, "notes.txt")).await;
    files.call_ended(None);
    let mut before = get(&mut files, "notes.txt").await;
    assert_eq!(asks(&mut told), ["list"], "what came in another call is nothing that this one has");
    files.hear(offered(ShareId(1), batch(2, "slides.bin"))).await;
    let mut now = get(&mut files, "slides.bin").await;
    assert_eq!(asks(&mut told), ["decline", "receive"]);
    assert_eq!((code(&mut before), code(&mut now)), (None, None), "neither has come");
    files.call_ended(None);
    let over = Some(Err(ExitCode::Declined));
    assert_eq!((code(&mut before), code(&mut now)), (over, over), "who waits is told that the call is over");
}

#[tokio::test]
async fn a_share_of_the_same_name_and_of_another_batch_is_another_one() {
    let (mut files, mut told, _folder) = files();
    got(&mut files, &mut told, batch(1, "notes.txt")).await;
    let summary = |batch| ShareSummary {
        share: ShareId(1),
        from: String::new(),
        own: false,
        batch,
        uploaded: 5,
        complete: true,
        finished: 0,
        members: 0,
    };
    let said = |batch| SharingEvent::Said { share: None, message: Box::new(Message::Shares { shares: vec![summary(batch)], more: false }) };
    files.hear(said(batch(1, "notes.txt"))).await;
    assert_eq!(code(&mut get(&mut files, "notes.txt").await), Some(Ok(())), "it is here");
    files.hear(said(batch(2, "notes.txt"))).await;
    let mut outcome = get(&mut files, "notes.txt").await;
    assert_eq!((asks(&mut told), code(&mut outcome)), (vec!["receive"], None), "it is not");
}

#[tokio::test]
async fn who_asks_for_what_is_shared_is_answered_by_a_refusal_and_by_silence() {
    let (mut files, mut told, _folder) = files();
    let mut outcome = get(&mut files, "notes.txt").await;
    let why = wire::Failure::new(FailureCode::Forbidden, "guests receive nothing");
    files.hear(SharingEvent::Said { share: None, message: Box::new(Message::Refusal(why)) }).await;
    assert_eq!((asks(&mut told), code(&mut outcome)), (vec!["list"], Some(Err(ExitCode::Denied))));
    assert_eq!(files.unlisted(), None, "nobody asks");
    let began = clock::now();
    let mut outcome = get(&mut files, "notes.txt").await;
    assert!(files.unlisted().is_some_and(|end| (began + PATIENCE..=clock::now() + PATIENCE).contains(&end)));
    files.unsaid(&shares::unsaid());
    assert_eq!((files.unlisted(), code(&mut outcome)), (None, Some(Err(ExitCode::Unreachable))));
}
