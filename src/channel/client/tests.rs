//! Both sides against a relay in this process.

use std::{net::SocketAddr, num::NonZeroU8, path::PathBuf, sync::Arc, time::Duration};

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use tempfile::TempDir;
use tokio::{
    sync::mpsc,
    time::{pause, resume, sleep},
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    channel::{
        keys::ResumeSecret,
        pake::Password,
        relay::{Limits, Settings},
        server::{Bound, NoTickets, Running},
        wire::{
            letter::{Content, Offer},
            pass::TransferId,
        },
    },
    transfer::{Manifest, Policy, Sink, SinkOptions, Source, SourceOptions},
};

/// How long anything may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A relay, and a folder.
pub(super) struct Stand {
    pub(super) relay: Running,
    pub(super) relays: Relays,
    pub(super) folder: TempDir,
}

impl Stand {
    pub(super) fn new(limits: Limits) -> Self {
        let bound = Bound::open(&[SocketAddr::from(([127, 0, 0, 1], 0))]).expect("a port");
        let addresses: Vec<String> = bound.addresses().iter().map(ToString::to_string).collect();
        let relays = Relays::from(addresses.clone());
        let relay = Running::start(bound, Settings { limits, addresses, ..Settings::default() }, 1 << 20, Arc::new(NoTickets));
        Self { relay, relays, folder: tempfile::tempdir().expect("a folder") }
    }

    /// One file, by a code, without going on after a break.
    pub(super) async fn sending(&self, name: &str, content: &[u8]) -> Sending {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("written");
        Sending {
            source: Source::from_paths(vec![path], SourceOptions::default()).await.expect("a source"),
            content: Content::Files,
            relays: self.relays.clone(),
            patience: PATIENCE,
            comeback: Duration::ZERO,
            secret: Secret::Drawn { words: 2 },
            account: None,
            receivers: NonZeroU8::MIN,
            streams: 1,
            rate: None,
            compress: Policy::Auto,
            lasting: true,
            ways: Ways::Any,
        }
    }

    /// Whoever has the other end.
    pub(super) fn receiving(&self, by: Way) -> Receiving {
        Receiving { relays: self.relays.clone(), patience: PATIENCE, comeback: Duration::ZERO, first: Duration::ZERO, by, ways: Ways::Any }
    }

    /// Where it goes.
    pub(super) fn inbox(&self) -> PathBuf {
        self.folder.path().join("in")
    }
}

/// Somebody who thinks about it.
pub(super) struct Thoughtful {
    pub(super) folder: PathBuf,
    pub(super) thinks: Duration,
}

impl Decide for Thoughtful {
    async fn decide(&mut self, _offer: &Offer, manifest: &Manifest, _resume: &Resume) -> Result<Sink, No> {
        if !self.thinks.is_zero() {
            // Nobody does anything meanwhile but what time makes them do, and no time passes for that.
            pause();
            sleep(self.thinks).await;
            resume();
        }
        Sink::create(&self.folder, manifest.clone(), SinkOptions::default()).await.map_err(|error| No::Unfit(error.into()))
    }
}

#[tokio::test]
async fn who_thinks_for_longer_than_a_terminal_may_be_silent_is_not_taken_for_gone() {
    let limits = Limits::default();
    let thinks = limits.silent * 4;
    let stand = Stand::new(limits);
    let sending = stand.sending("notes.txt", b"see you at ten").await;
    let (give, mut told) = mpsc::channel(16);
    let (unheard, _) = mpsc::channel(16);
    let (progress, stop) = (Progress::default(), CancellationToken::new());
    let receive = async {
        let Some(SendEvent::Code(code)) = told.recv().await else { panic!("a code") };
        let receiving = stand.receiving(Way::Password { password: Password::of_code(&code), wait: false });
        let mut person = Thoughtful { folder: stand.inbox(), thinks };
        receive(&receiving, &mut person, &unheard, &stop).await
    };
    let (sent, received) = tokio::join!(send(&sending, &give, &progress, &stop), receive);
    assert_eq!(sent.expect("sent").end, 14);
    assert_eq!(received.expect("received").files.len(), 1);
    assert_eq!(std::fs::read(stand.inbox().join("notes.txt")).expect("there"), b"see you at ten");
    stand.relay.shut_down().await;
}

/// It had begun by another way: at the next attempt one end takes the direct way alone, and the other the relay.
#[tokio::test]
async fn two_who_find_no_common_way_after_a_break_look_for_each_other_until_patience_ends_and_both_can_go_on() {
    let comeback = Duration::from_secs(1);
    for (senders, receivers) in [(Ways::RelayOnly, Ways::DirectOnly), (Ways::DirectOnly, Ways::RelayOnly)] {
        let stand = Stand::new(Limits::default());
        let mut rng = ChaCha12Rng::from_seed([4; 32]);
        let resume = Resume {
            transfer: TransferId::random(&mut rng),
            secret: ResumeSecret::random(&mut rng),
            relays: stand.relays.names().to_vec(),
            anywhere: false,
            proxy: None,
        };
        let sending =
            Sending { secret: Secret::Kept(resume.clone()), comeback, ways: senders, ..stand.sending("notes.txt", b"see you").await };
        let receiving = Receiving { comeback, first: comeback, ways: receivers, ..stand.receiving(Way::Kept(resume)) };
        let (unheard, _) = mpsc::channel(16);
        let (nobody, _) = mpsc::channel(16);
        let (progress, stop) = (Progress::default(), CancellationToken::new());
        let mut person = Thoughtful { folder: stand.inbox(), thinks: Duration::ZERO };
        let timed = async |ended: Result<(), ChannelError>| (crate::clock::now(), ended.expect_err("there is no way"));
        let begun = crate::clock::now();
        let ((sender, sent), (receiver, received)) =
            tokio::join!(async { timed(send(&sending, &unheard, &progress, &stop).await.map(drop)).await }, async {
                timed(receive(&receiving, &mut person, &nobody, &stop).await.map(drop)).await
            },);
        for (who, at, error) in [("the sender", sender, sent), ("the receiver", receiver, received)] {
            assert!(error.is_resumable(), "{who} with {senders:?}: {error:?}");
            // The last wait before the end of patience is not begun: it may be drawn as long as two thirds of it.
            assert!(at.duration_since(begun) > comeback / 4, "{who} with {senders:?} gave up at once: {error:?}");
        }
        stand.relay.shut_down().await;
    }
}
