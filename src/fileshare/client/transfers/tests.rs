//! Transfers whose signalling is the test: what they ask for, and how they end.

use std::net::Ipv4Addr;

use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{
    fileshare::{
        client::Fault,
        wire::{FailureCode, TransferKey, control::Endpoint},
    },
    transfer::{SinkOptions, Source, SourceOptions},
};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Nothing here takes so long.
const SOON: Duration = Duration::from_secs(60);

async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(SOON, Box::pin(work)).await.expect("in time")
}

/// Transfers, and what they tell their terminal.
struct Rig {
    transfers: Transfers,
    orders: mpsc::Receiver<SharingCommand>,
    folder: tempfile::TempDir,
}

impl Rig {
    fn new(options: TransferOptions) -> Self {
        let (commands, orders) = mpsc::channel(256);
        Self { transfers: Transfers::new(commands, HERE, options), orders, folder: tempfile::tempdir().expect("a folder") }
    }

    /// Begins a share of ours.
    async fn share(&mut self) -> u64 {
        let path = self.folder.path().join("a.bin");
        std::fs::write(&path, b"notes").expect("written");
        let source = Source::from_paths(vec![path], SourceOptions::default()).await.expect("a source");
        let uploader = Uploader::new(source).expect("BLAKE3");
        self.transfers.share(uploader, ShareOptions::default()).await.expect("a port").0
    }

    /// Begins to receive a share.
    async fn receive(&mut self) {
        let downloader = Downloader::to_folder(self.folder.path().join("target"), SinkOptions::default());
        self.transfers.receive(share(), BatchId(7), downloader).await.expect("a port");
    }

    /// The terminal is told where to connect.
    fn go(&mut self, address: SocketAddr) {
        self.transfers.hear(&SharingEvent::Go { share: share(), conf: conf(), endpoint: endpoint(address) });
    }

    fn said(&mut self, message: Message) {
        self.transfers.hear(&SharingEvent::Said { share: Some(share()), message: Box::new(message) });
    }

    /// The next thing that is to be said about the share.
    async fn saying(&mut self) -> Message {
        loop {
            if let SharingCommand::Say { message, .. } = soon(self.orders.recv()).await.expect("it lives") {
                return *message;
            }
        }
    }

    async fn event(&mut self) -> TransferEvent {
        soon(self.transfers.next()).await
    }
}

fn share() -> ShareId {
    "share-3".parse().expect("a share")
}

fn conf() -> ConfId {
    "5f3c".parse().expect("a ConfID")
}

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint { address, fingerprint: None, key: TransferKey::from_bytes([5; 32]) }
}

/// A place where nobody listens.
async fn nobody() -> SocketAddr {
    listener().await.local_addr().expect("an address")
}

async fn listener() -> TcpListener {
    TcpListener::bind((HERE, 0)).await.expect("a port")
}

async fn connection(listener: &TcpListener) -> TcpStream {
    soon(listener.accept()).await.expect("a connection").0
}

/// True once the other side has gone.
async fn gone(stream: &mut TcpStream) -> bool {
    !matches!(soon(stream.read(&mut [0; 16])).await, Ok(1..))
}

fn refused(code: FailureCode) -> Message {
    Message::Refusal(Failure::new(code, "because"))
}

#[tokio::test]
async fn a_file_server_that_is_not_ready_is_asked_again_and_holds_nobody_who_leaves() {
    let mut rig = Rig::new(TransferOptions::default());
    let key = rig.share().await;
    rig.transfers.hear(&SharingEvent::Shared { key, share: share(), conf: conf(), endpoint: endpoint(nobody().await) });
    assert!(matches!(rig.event().await, TransferEvent::Shared { .. }));
    assert!(matches!(rig.saying().await, Message::UploadRequest { .. }));
    rig.said(Message::UploadNotReady { retry_seconds: 0, reason: None });
    assert!(matches!(rig.saying().await, Message::UploadRequest { .. }), "asked again");
    rig.said(Message::UploadNotReady { retry_seconds: 500, reason: Some("the disk is full".to_owned()) });
    // It hears that before it is stopped.
    tokio::task::yield_now().await;
    let last = soon(rig.transfers.stop()).await;
    assert!(matches!(last.as_slice(), [TransferEvent::Failed { error: TransferError::Stopped, .. }]), "{last:?}");
}

#[tokio::test]
async fn a_file_server_that_wants_more_time_than_a_share_may_stand_still_is_busy() {
    let mut rig = Rig::new(TransferOptions::default());
    let key = rig.share().await;
    rig.transfers.hear(&SharingEvent::Shared { key, share: share(), conf: conf(), endpoint: endpoint(nobody().await) });
    assert!(matches!(rig.event().await, TransferEvent::Shared { .. }));
    assert!(matches!(rig.saying().await, Message::UploadRequest { .. }));
    rig.said(Message::UploadNotReady { retry_seconds: 3600, reason: Some("the disk is full".to_owned()) });
    let event = rig.event().await;
    let TransferEvent::Failed { error: TransferError::Fault(Fault::Refused(why)), .. } = &event else { panic!("{event:?}") };
    assert_eq!((why.code, why.text.as_str()), (FailureCode::Busy, "the disk is full"));
}

#[tokio::test(start_paused = true)]
async fn a_conference_that_never_says_where_to_connect_is_left() {
    let mut rig = Rig::new(TransferOptions { window: Duration::from_secs(100), ..TransferOptions::default() });
    rig.receive().await;
    let event = timeout(Duration::from_secs(200), rig.transfers.next()).await.expect("it ends");
    assert!(matches!(event, TransferEvent::Failed { error: TransferError::Fault(Fault::Admission(_)), record: None, .. }), "{event:?}");
    let ours = rig.share().await;
    let event = timeout(Duration::from_secs(200), rig.transfers.next()).await.expect("it ends");
    assert!(matches!(event, TransferEvent::NotShared { key, .. } if key == ours), "{event:?}");
}

#[tokio::test]
async fn a_connection_is_made_again_until_nothing_has_moved_for_too_long() {
    let options =
        TransferOptions { window: Duration::from_millis(900), patience: Duration::from_millis(100), ..TransferOptions::default() };
    let mut rig = Rig::new(options);
    rig.receive().await;
    rig.go(nobody().await);
    let mut broken = Vec::new();
    let last = loop {
        match rig.event().await {
            TransferEvent::Broken { error, .. } => broken.push(error.code()),
            last => break last,
        }
        // It is asked for another way, and does not answer.
        if let Ok(said) = timeout(Duration::from_millis(600), rig.saying()).await {
            assert!(matches!(said, Message::Reconnect { .. }), "{said:?}");
        }
    };
    assert!(matches!(&last, TransferEvent::Failed { error: TransferError::Fault(Fault::Admission(_)), .. }), "{last:?}");
    assert!(broken.len() >= 2, "that nobody answers once is no end: {broken:?}");
}

#[tokio::test]
async fn a_conference_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
    let mut rig = Rig::new(TransferOptions::default());
    rig.receive().await;
    rig.go(nobody().await);
    for _ in 0..2 {
        assert!(matches!(rig.event().await, TransferEvent::Broken { .. }));
        assert!(matches!(rig.saying().await, Message::Reconnect { .. }));
        rig.said(refused(FailureCode::Busy));
    }
    assert!(matches!(rig.event().await, TransferEvent::Broken { .. }));
    assert!(matches!(rig.saying().await, Message::Reconnect { .. }));
    rig.said(refused(FailureCode::NotFound));
    let event = rig.event().await;
    assert!(matches!(&event, TransferEvent::Ended { why: Some(why), .. } if why.code == FailureCode::NotFound), "{event:?}");
}

#[tokio::test]
async fn what_is_heard_never_waits_for_whoever_hears_it() {
    let mut rig = Rig::new(TransferOptions::default());
    let why = Failure::new(FailureCode::Forbidden, "no right");
    let many = u64::try_from(EVENTS).expect("few") + 10;
    for _ in 0..many {
        let key = rig.share().await;
        rig.transfers.hear(&SharingEvent::NotShared { key, why: why.clone() });
    }
    for key in 1..=many {
        assert!(matches!(rig.event().await, TransferEvent::NotShared { key: told, .. } if told == key));
    }
}

#[tokio::test]
async fn only_the_newest_transfer_of_a_share_carries_anything() {
    let mut rig = Rig::new(TransferOptions::default());
    let (first, second) = (listener().await, listener().await);
    rig.receive().await;
    rig.go(first.local_addr().expect("an address"));
    let mut old = connection(&first).await;
    rig.receive().await;
    rig.go(second.local_addr().expect("an address"));
    // Long before its admission would have taken too long.
    assert!(timeout(Duration::from_secs(8), gone(&mut old)).await.expect("at once"));
    let _new = connection(&second).await;
    assert_eq!(rig.transfers.running(), 1);
    let last = soon(rig.transfers.stop()).await;
    assert!(matches!(last.as_slice(), [TransferEvent::Failed { error: TransferError::Stopped, .. }]), "the newest alone: {last:?}");
}

#[tokio::test]
async fn a_share_that_is_over_ends_a_connection_that_says_nothing() {
    let mut rig = Rig::new(TransferOptions::default());
    let there = listener().await;
    rig.receive().await;
    rig.go(there.local_addr().expect("an address"));
    let mut silent = connection(&there).await;
    rig.transfers.hear(&SharingEvent::Ended { share: share(), why: None });
    assert!(matches!(rig.event().await, TransferEvent::Ended { why: None, record: None, .. }));
    assert!(gone(&mut silent).await);
    assert_eq!(soon(rig.transfers.stop()).await.len(), 0);
}

#[tokio::test]
async fn a_share_whose_line_ends_as_the_server_stops_was_ended_by_nobody() {
    let mut rig = Rig::new(TransferOptions::default());
    let there = listener().await;
    rig.receive().await;
    rig.go(there.local_addr().expect("an address"));
    let _connection = connection(&there).await;
    rig.transfers.hear(&SharingEvent::Ended { share: share(), why: None });
    let ended = TerminalEvent::Ended { by_peer: true, lost: false, reason: Some(Reason::sip(503, "server is stopping")) };
    rig.transfers.hear(&SharingEvent::Terminal(ended));
    let event = rig.event().await;
    assert!(matches!(&event, TransferEvent::Ended { why: Some(why), .. } if why.code == FailureCode::Unreachable), "{event:?}");
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_the_file_server_is_away_asks_again_until_it_is_there() {
    let mut rig = Rig::new(TransferOptions::default());
    rig.receive().await;
    assert!(matches!(soon(rig.orders.recv()).await, Some(SharingCommand::Receive { .. })));
    for _ in 0..2 {
        rig.said(refused(FailureCode::Busy));
        rig.transfers.hear(&SharingEvent::Ended { share: share(), why: Some(Failure::new(FailureCode::Busy, "it is away")) });
        assert!(matches!(rig.event().await, TransferEvent::Broken { .. }));
        assert!(matches!(soon(rig.orders.recv()).await, Some(SharingCommand::Receive { .. })), "asked again");
    }
    rig.go(nobody().await);
    assert!(matches!(rig.event().await, TransferEvent::Broken { .. }));
    assert!(matches!(rig.saying().await, Message::Reconnect { .. }), "it is as if it had been there at once");
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_for_good_does_not_ask_again() {
    let mut rig = Rig::new(TransferOptions::default());
    rig.receive().await;
    rig.transfers.hear(&SharingEvent::Ended { share: share(), why: Some(Failure::new(FailureCode::Busy, "it is away")) });
    assert!(matches!(rig.event().await, TransferEvent::Broken { .. }));
    rig.transfers.hear(&SharingEvent::Ended { share: share(), why: Some(Failure::new(FailureCode::NotFound, "it is over")) });
    let event = rig.event().await;
    assert!(matches!(&event, TransferEvent::Ended { why: Some(why), .. } if why.code == FailureCode::NotFound), "{event:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_to_ask_again_and_is_offered_it_takes_the_offer() {
    use crate::fileshare::wire::control::DownloadOffer;
    let mut rig = Rig::new(TransferOptions::default());
    assert!(!rig.transfers.asks_for(share()));
    rig.receive().await;
    assert!(rig.transfers.asks_for(share()) && matches!(soon(rig.orders.recv()).await, Some(SharingCommand::Receive { .. })));
    for _ in 0..8 {
        rig.transfers.hear(&SharingEvent::Ended { share: share(), why: Some(Failure::new(FailureCode::Busy, "it is away")) });
        assert!(matches!(rig.event().await, TransferEvent::Broken { .. }));
        let refused = clock::now();
        let batch = Batch { id: BatchId(7), entries: 1, bytes: Some(5), manifest: None, files: Vec::new() };
        let offer = DownloadOffer { from: String::new(), batch, address: (HERE, 9).into(), fingerprint: None };
        rig.transfers.hear(&SharingEvent::Offered { share: share(), offer: Box::new(offer) });
        assert!(matches!(soon(rig.orders.recv()).await, Some(SharingCommand::Receive { .. })));
        assert_eq!(clock::now(), refused, "it waits no longer");
    }
    rig.go(nobody().await);
    assert!(!rig.transfers.asks_for(share()), "it is told where to connect");
}
