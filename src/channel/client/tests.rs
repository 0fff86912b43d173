//! Both sides against a relay in this process.

use std::{net::SocketAddr, num::NonZeroU8, path::PathBuf, sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    channel::{
        pake::Password,
        relay::{Limits, Settings},
        server::{Bound, NoTickets, Running},
        wire::letter::{Content, Offer},
    },
    transfer::{Manifest, Policy, Sink, SinkOptions, Source, SourceOptions},
};

/// Somebody who thinks about it.
struct Thoughtful {
    folder: PathBuf,
    thinks: Duration,
}

impl Decide for Thoughtful {
    async fn decide(&mut self, _offer: &Offer, manifest: &Manifest, _resume: &Resume) -> Result<Sink, No> {
        sleep(self.thinks).await;
        Sink::create(&self.folder, manifest.clone(), SinkOptions::default()).await.map_err(|error| No::Unfit(error.into()))
    }
}

#[tokio::test]
async fn who_thinks_for_longer_than_a_terminal_may_be_silent_is_not_taken_for_gone() {
    let silent = Duration::from_millis(400);
    let limits = Limits { ping: silent / 4, silent, ..Limits::default() };
    let bound = Bound::open(&[SocketAddr::from(([127, 0, 0, 1], 0))]).expect("a port");
    let addresses: Vec<String> = bound.addresses().iter().map(ToString::to_string).collect();
    let relays = Relays::from(addresses.clone());
    let settings = Settings { limits, addresses, ..Settings::default() };
    let relay = Running::start(bound, settings, 1 << 20, Arc::new(NoTickets));
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("notes.txt"), b"see you at ten").expect("written");
    let source = Source::from_paths(vec![folder.path().join("notes.txt")], SourceOptions::default()).await.expect("a source");
    let (patience, stop) = (Duration::from_secs(10), CancellationToken::new());
    let sending = Sending {
        source,
        content: Content::Files,
        relays: relays.clone(),
        patience,
        comeback: Duration::ZERO,
        secret: Secret::Drawn { words: 2 },
        account: None,
        receivers: NonZeroU8::MIN,
        streams: 1,
        rate: None,
        compress: Policy::Auto,
        lasting: true,
        ways: Ways::Any,
    };
    let (give, mut told) = mpsc::channel(16);
    let (unheard, _) = mpsc::channel(16);
    let progress = Progress::default();
    let receive = async {
        let Some(SendEvent::Code(code)) = told.recv().await else { panic!("a code") };
        let receiving = Receiving {
            relays,
            patience,
            comeback: Duration::ZERO,
            by: Way::Password { password: Password::of_code(&code), wait: false },
            ways: Ways::Any,
        };
        let mut person = Thoughtful { folder: folder.path().join("in"), thinks: silent * 3 };
        receive(&receiving, &mut person, &unheard, &stop).await
    };
    let (sent, received) = tokio::join!(send(&sending, &give, &progress, &stop), receive);
    assert_eq!(sent.expect("sent").end, 14);
    assert_eq!(received.expect("received").files.len(), 1);
    assert_eq!(std::fs::read(folder.path().join("in/notes.txt")).expect("there"), b"see you at ten");
    relay.shut_down().await;
}
