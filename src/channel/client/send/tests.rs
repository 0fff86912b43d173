//! A sender and a relay that has somebody come with the code, and then says something else.

use std::{
    num::NonZeroU8,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{
    channel::{
        ChannelNumber,
        pake::{self, Password, Step},
        wire::{ChannelKey, Decoder, Message, Refused, answer::Allocated, frame::PREFACE, proof::Challenge, request::Ticket},
    },
    transfer::SourceOptions,
};

/// Refuses the application; or gives a channel, has one come who knows the code, and then refuses what the sender has not asked for.
async fn play(mut stream: TcpStream, code: &Code, at: At, refused: &Refused, applied: &AtomicUsize) {
    let mut rng = ChaCha12Rng::from_seed([5; 32]);
    let somebody = Peer::FIRST_MET;
    let mut exchange = None;
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
                Message::Apply(_) if at == At::Applying => tell(Message::Refused(refused.clone())),
                Message::Apply(_) => {
                    applied.fetch_add(1, Ordering::Relaxed);
                    let (channel, key) = (ChannelNumber::random(&mut rng), ChannelKey::random(&mut rng));
                    let nameplate = Some(code.nameplate());
                    tell(Message::Allocated(Allocated { channel, addresses: Vec::new(), key, expires: 60, nameplate }));
                }
                Message::Meet(_) => {
                    let (machine, letter) = pake::Receiver::new(&Password::of_code(code), &mut rng);
                    exchange = Some(machine);
                    tell(Message::Letter { peer: somebody, body: letter.into() });
                }
                Message::Letter { body, .. } => match exchange.as_mut().expect("begun").handle_letter(&body).expect("a sender") {
                    Step::Send(letter) => tell(Message::Letter { peer: somebody, body: letter.into() }),
                    Step::Agreed(_) => tell(Message::Refused(refused.clone())),
                },
                _ => {}
            }
        }
    }
}

/// An account of no server that gives tickets.
#[derive(Debug)]
struct NoTickets;

impl Vouch for NoTickets {
    fn ticket(&self, _: Challenge) -> Pin<Box<dyn Future<Output = Option<Ticket>> + Send + '_>> {
        Box::pin(std::future::ready(None))
    }
}

#[tokio::test]
async fn a_code_that_somebody_came_with_is_not_shown_at_a_place_again() {
    ends_after_one_guess(Refused::new(RefusalCode::Rate, "come again").retry(0), None).await;
    // Nor is it where only the sender's account could have the relay say so.
    ends_after_one_guess(Refused::new(RefusalCode::NotAuthenticated, "who are you?"), Some(Arc::new(NoTickets))).await;
}

/// A person who takes a while to type a password.
#[derive(Debug)]
struct Typing(Arc<Mutex<Vec<&'static str>>>);

impl Vouch for Typing {
    fn prepare(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            sleep(Duration::from_millis(50)).await;
            self.0.lock().expect("sound").push("typed");
        })
    }

    fn ticket(&self, _: Challenge) -> Pin<Box<dyn Future<Output = Option<Ticket>> + Send + '_>> {
        self.0.lock().expect("sound").push("ticket");
        Box::pin(std::future::ready(None))
    }
}

/// On a connection a relay counts seconds.
#[tokio::test]
async fn a_relay_is_not_called_before_the_password_is_typed() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (code, unasked) = ("7-crystal-window".parse().expect("a code"), AtomicUsize::new(0));
    let folder = tempfile::tempdir().expect("a folder");
    let sending = sending(&folder, &listener, &code, Some(Arc::new(Typing(Arc::clone(&order))))).await;
    let refused = Refused::new(RefusalCode::NotAuthenticated, "who are you?");
    let relay = async {
        loop {
            let (stream, _) = listener.accept().await.expect("a call");
            order.lock().expect("sound").push("called");
            play(stream, &code, At::Applying, &refused, &unasked).await;
        }
    };
    let (unheard, _) = mpsc::channel(16);
    let (progress, stop) = (Progress::default(), CancellationToken::new());
    let ended = tokio::select! {
        ended = send(&sending, &unheard, &progress, &stop) => ended,
        () = relay => unreachable!("it goes on"),
    };
    assert!(matches!(&ended, Err(ChannelError::Relay(RelayError::Refused(_)))), "{ended:?}");
    assert_eq!(*order.lock().expect("sound"), ["called", "typed", "called", "ticket"]);
}

/// When the relay says its word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Applying,
    Guessed,
}

async fn sending(folder: &TempDir, listener: &TcpListener, code: &Code, account: Option<Arc<dyn Vouch>>) -> Sending {
    std::fs::write(folder.path().join("notes.txt"), b"see you at ten").expect("written");
    Sending {
        source: Source::from_paths(vec![folder.path().join("notes.txt")], SourceOptions::default()).await.expect("a source"),
        content: Content::Files,
        relays: vec![listener.local_addr().expect("up").to_string()].into(),
        patience: Duration::from_secs(10),
        comeback: Duration::from_secs(5),
        secret: Secret::Chosen(code.clone()),
        account,
        receivers: NonZeroU8::new(2).expect("two"),
        streams: 1,
        rate: None,
        compress: Policy::Auto,
        ways: Ways::Any,
        lasting: false,
    }
}

async fn ends_after_one_guess(refused: Refused, account: Option<Arc<dyn Vouch>>) {
    let code: Code = "7-crystal-window".parse().expect("a code");
    let folder = tempfile::tempdir().expect("a folder");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let sending = sending(&folder, &listener, &code, account).await;
    let applied = AtomicUsize::new(0);
    let relay = async {
        loop {
            let (stream, _) = listener.accept().await.expect("a call");
            play(stream, &code, At::Guessed, &refused, &applied).await;
        }
    };
    let (unheard, _) = mpsc::channel(16);
    let (progress, stop) = (Progress::default(), CancellationToken::new());
    let ended = tokio::select! {
        ended = send(&sending, &unheard, &progress, &stop) => ended,
        () = relay => unreachable!("it goes on"),
    };
    let error = ended.expect_err("nobody has got it");
    assert!(matches!(&error, ChannelError::Relay(RelayError::Refused(_))), "{error:?}");
    assert_eq!(applied.load(Ordering::Relaxed), 1);
}
