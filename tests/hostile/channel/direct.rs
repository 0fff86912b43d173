//! Addresses that are named to the other end, and are those of others.

use std::net::SocketAddr;

use confkit::channel::wire::{
    Reason,
    chunk::LAST,
    direct::{CLAIM, Hello},
    frame::PREFACE,
    letter::{Letter, Way},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
    time::timeout,
};

use super::{World, noise};
use crate::terminal::{PATIENCE, Terminal, chunk};

/// Somebody who has nothing to do with it: what it hears until the connection is closed. It may speak the protocol, and give back what it is given.
#[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
async fn stranger(speaks: bool) -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("up");
    let hears = async move {
        let (mut stream, _) = listener.accept().await.expect("a call");
        let mut heard = Vec::new();
        if speaks {
            stream.write_all(&Hello { challenge: [3; 32] }.write()).await.expect("said");
            heard.resize(PREFACE.len() + CLAIM, 0);
            stream.read_exact(&mut heard).await.expect("a claim");
            stream.write_all(heard.last_chunk::<32>().expect("a proof")).await.expect("said");
        }
        stream.read_to_end(&mut heard).await.expect("an end");
        // Nobody calls it again.
        assert!(timeout(std::time::Duration::from_millis(100), listener.accept()).await.is_err());
        heard
    };
    (address, tokio::spawn(hears))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_names_addresses_of_others_has_a_sender_say_nothing_to_them() {
    let world = World::new();
    let content = noise(300_000);
    world.write("large.bin", &content);
    let mut sender = world.start_by(&[], &world.relay, &["send", "large.bin", "--compress", "never"], &[]);
    let mut receiver = Terminal::receiver(&world.relay, &sender.code()).await;
    let (offer, _) = receiver.offered().await;
    assert!(offer.calls, "it says that it calls");
    let ((mute, mute_heard), (speaker, speaker_heard)) = (stranger(false).await, stranger(true).await);
    let doors = [22, 0, 1023].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    receiver.tell(&Letter::Listening { addresses: [&[mute, speaker][..], &doors].concat() }).await;
    let Ok(Letter::Called { unreached: Some(why) }) = receiver.hear().await else { panic!("it says that it reached nobody") };
    // Well-known doors are not knocked at, and what is behind which address is not told.
    assert_eq!(why, "none of 2 addresses answered as it");
    assert_eq!(mute_heard.await.expect("called"), PREFACE, "and no more");
    let heard = speaker_heard.await.expect("called");
    assert!(heard.starts_with(&PREFACE) && heard.len() == PREFACE.len() + CLAIM, "{}", heard.len());

    // It gets by the relay what it would have got.
    receiver.tell(&Letter::Accept { from: 0, way: Way::Relay, once: false, compression: None }).await;
    let ((mut stream, mut first), opener, mut came) = (receiver.join(0).await, receiver.chunks(), Vec::new());
    while let Some((header, plain)) = chunk(&mut stream, &mut first, &opener).await {
        came.extend_from_slice(&plain);
        if header.flags & LAST != 0 {
            break;
        }
    }
    assert!(came == content);
    receiver.tell(&Letter::Progress { received: 300_000, durable: 300_000 }).await;
    assert!(matches!(receiver.hear().await, Ok(Letter::Digests(_))));
    assert!(matches!(receiver.hear().await, Ok(Letter::End(_))));
    receiver.tell(&Letter::Done { skipped: 0 }).await;
    let ended = timeout(PATIENCE, receiver.hear()).await.expect("it leaves");
    assert_eq!(ended, Err(Reason::Done));
    let (code, said) = sender.end();
    assert_eq!(code, 0, "{said}");
}
