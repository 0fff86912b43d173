//! A receiver and a relay that plays the sender, to find the code out by what the receiver shows of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    channel::{
        Code,
        client::{
            Relays,
            direct::Ways,
            recv::{Decide, No, Way, receive},
        },
        wire::{
            Decoder, RefusalCode, Refused,
            answer::{Gone, Met},
            frame::PREFACE,
            letter::Offer,
            proof::Challenge,
        },
    },
    transfer::{Manifest, Sink},
};

/// What it does once it has seen what the receiver shows.
#[derive(Debug, Clone, Copy)]
enum Then {
    Meets,
    Refuses(RefusalCode),
    Hangs,
    Leaves,
    Spends,
}

/// Plays the sender with another guess each time. Counts what it is shown.
async fn play(mut stream: TcpStream, then: Then, shown: &AtomicUsize) {
    let mut rng = <ChaCha12Rng as rand::SeedableRng>::from_seed([9; 32]);
    let guess = Password::of_code(&"7-zoo-zone".parse::<Code>().expect("a code"));
    let mut exchange = pake::Sender::new(&guess);
    let mut decoder = Decoder::default();
    let mut said = BytesMut::from(&PREFACE[..]);
    Message::Challenge(Challenge::default()).to_frame().write(&mut said);
    loop {
        if stream.write_all(&said.split()).await.is_err() {
            return;
        }
        let Ok(1..) = stream.read_buf(decoder.room()).await else { return };
        while let Ok(Some(frame)) = decoder.next_frame() {
            let mut tell = |message: Message| message.to_frame().write(&mut said);
            match Message::read(frame).expect("a message") {
                Message::Meet(_) => tell(Message::Met(Met { peer: Peer::SENDER, was: None })),
                Message::Letter { body, .. } => match exchange.handle_letter(&body, &mut rng) {
                    Ok(Step::Send(letter)) => tell(Message::Letter { peer: Peer::SENDER, body: letter.into() }),
                    // What it wanted: this fits the guess, or does not.
                    _ => {
                        shown.fetch_add(1, Ordering::Relaxed);
                        exchange = pake::Sender::new(&guess);
                        match then {
                            Then::Meets => tell(Message::Met(Met { peer: Peer::SENDER, was: None })),
                            Then::Refuses(code) => tell(Message::Refused(Refused::new(code, "later").retry(0))),
                            Then::Hangs => return,
                            Then::Leaves => tell(Message::Gone(Gone { peer: Peer::SENDER, reason: Reason::Broken, text: String::new() })),
                            Then::Spends => tell(Message::Spent { guess: None }),
                        }
                    }
                },
                _ => {}
            }
        }
    }
}

/// It is never asked.
struct Undecided;

impl Decide for Undecided {
    async fn decide(&mut self, _offer: &Offer, _manifest: &Manifest, _resume: &Resume) -> Result<Sink, No> {
        Err(No::Declined("nobody offers anything".to_owned()))
    }
}

#[tokio::test]
async fn what_shows_a_code_is_shown_once_whatever_the_relay_says_to_it() {
    for then in [
        Then::Meets,
        Then::Refuses(RefusalCode::Rate),
        Then::Refuses(RefusalCode::NoSuchPlace),
        Then::Refuses(RefusalCode::Draining),
        Then::Hangs,
        Then::Leaves,
        Then::Spends,
    ] {
        // The same relay by two names: what the one has not found out, the other shall not.
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("up").port();
        let relays = Relays::from(vec![format!("127.0.0.1:{port}"), format!("localhost:{port}")]);
        let shown = Arc::new(AtomicUsize::new(0));
        let relay = async {
            loop {
                let (stream, _) = listener.accept().await.expect("a call");
                play(stream, then, &shown).await;
            }
        };
        let receiving = Receiving {
            relays,
            patience: Duration::from_secs(10),
            comeback: Duration::from_secs(5),
            first: Duration::from_secs(5),
            by: Way::Password { password: Password::of_code(&"7-crystal-window".parse().expect("a code")), wait: true },
            ways: Ways::Any,
        };
        let ((unheard, _), mut nobody) = (mpsc::channel(16), Undecided);
        let stop = CancellationToken::new();
        let ended = tokio::select! {
            ended = receive(&receiving, &mut nobody, &unheard, &stop) => ended,
            () = relay => unreachable!("it goes on"),
        };
        let error = ended.expect_err("nobody has the code");
        assert!(matches!(error, ChannelError::WrongCode | ChannelError::Unanswered(_)), "{then:?}: {error:?}");
        assert_eq!(shown.load(Ordering::Relaxed), 1, "{then:?}");
        assert!(!error.is_resumable(), "{then:?}");
    }
}
