//! A receiver whose direct way leads over a bridge that can break.

use std::{net::SocketAddr, num::NonZeroU8};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::channel::{
    Code,
    client::{
        Progress, SendEvent, Sending, send,
        tests::{PATIENCE, Stand, Thoughtful},
    },
    relay::Limits,
};

/// Passes on what comes, and breaks behind so many bytes.
#[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
async fn bridge(to: SocketAddr, behind: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("up");
    tokio::spawn(async move {
        let (receiver, _) = listener.accept().await.expect("a call");
        let sender = TcpStream::connect(to).await.expect("reached");
        let ((mut from_receiver, mut to_receiver), (mut from_sender, mut to_sender)) = (receiver.into_split(), sender.into_split());
        let back = tokio::spawn(async move { tokio::io::copy(&mut from_receiver, &mut to_sender).await });
        let (mut buffer, mut passed) = (vec![0; 4096], 0);
        while passed < behind {
            let read = from_sender.read(&mut buffer).await.expect("bytes");
            to_receiver.write_all(&buffer[..read]).await.expect("passed on");
            passed += read;
        }
        back.abort();
    });
    address
}

#[tokio::test]
async fn a_direct_connection_that_breaks_ends_the_attempt_at_both_ends_as_one_to_go_on_with() {
    let stand = Stand::new(Limits::default());
    let sending = stand.sending("large.bin", &vec![7; 8 << 20]).await;
    let stop = CancellationToken::new();
    let (give, mut told) = mpsc::channel(16);
    let (unheard, _) = mpsc::channel(16);
    let progress = Progress::default();
    let receive = async {
        let Some(SendEvent::Code(code)) = told.recv().await else { panic!("a code") };
        let receiving = stand.receiving(Way::Password { password: Password::of_code(&code), wait: false });
        let mut control = Connection::open(&stand.relays, PATIENCE).await.expect("a relay");
        let mut terminal = Terminal::new(&receiving, &unheard, None);
        let mut rng = ChaCha12Rng::from_seed([7; 32]);
        let mut known = terminal.meet(&mut control, &Password::of_code(&code), false, &mut rng).await.expect("met");
        Door { channel: known.pass.channel, key: known.pass.key.clone(), role: Role::Receiver }.enter(&mut control);
        known.pass.direct = vec![bridge(known.pass.direct[0], 1 << 20).await];
        // Until then the bridge has been crossed, which goes before what the sender may have done meanwhile.
        let mut person = Thoughtful { folder: stand.inbox(), thinks: Duration::from_millis(300) };
        let ended = Session::new(&mut terminal, &control, known, Peer::SENDER).run(&mut control, &mut person).await;
        control.say_farewell(Reason::Failed, PATIENCE).await;
        let written = terminal.sink.map_or(0, |sink| sink.state().written);
        (ended, written)
    };
    let (sent, (received, written)) = tokio::join!(send(&sending, &give, &progress, &stop), receive);
    let (sent, received) = (sent.expect_err("broken"), received.expect_err("broken"));
    assert!(sent.is_resumable() && received.is_resumable(), "{sent:?} {received:?}");
    assert!(matches!(received, ChannelError::Broken(_) | ChannelError::Theirs(_)), "{received:?}");
    assert!(written > 0, "chunks had come");
    stand.relay.shut_down().await;
}

#[tokio::test]
async fn one_of_several_who_knows_the_code_and_does_not_come_gives_its_place_to_another() {
    let stand = Stand::new(Limits::default());
    let (receivers, patience) = (NonZeroU8::MIN.saturating_add(1), Duration::from_millis(300));
    let sending = Sending { receivers, patience, ..stand.sending("talk.bin", &vec![7; 1 << 20]).await };
    let (give, mut told) = mpsc::channel(16);
    let (unheard, _) = mpsc::channel(16);
    let (progress, stop) = (Progress::default(), CancellationToken::new());
    let by = |code: &Code| stand.receiving(Way::Password { password: Password::of_code(code), wait: false });
    let receive_to = async |code: &Code, folder: &str| {
        let mut person = Thoughtful { folder: stand.folder.path().join(folder), thinks: Duration::ZERO };
        receive(&by(code), &mut person, &unheard, &stop).await.map(|finished| finished.files.len())
    };
    let several = async {
        let Some(SendEvent::Code(code)) = told.recv().await else { panic!("a code") };
        let receiving = by(&code);
        let mut control = Connection::open(&stand.relays, PATIENCE).await.expect("a relay");
        let mut terminal = Terminal::new(&receiving, &unheard, None);
        let mut rng = ChaCha12Rng::from_seed([7; 32]);
        let known = terminal.meet(&mut control, &Password::of_code(&code), false, &mut rng).await.expect("met");
        let late = async {
            while !matches!(told.recv().await.expect("it goes on"), SendEvent::Missed { open: true }) {}
            // It comes when its place is free for somebody else, and hears so.
            Door { channel: known.pass.channel, key: known.pass.key.clone(), role: Role::Receiver }.enter(&mut control);
            let mut person = Thoughtful { folder: stand.inbox(), thinks: Duration::ZERO };
            let refused = Session::new(&mut terminal, &control, known, Peer::SENDER).run(&mut control, &mut person).await;
            control.say_farewell(Reason::Failed, PATIENCE).await;
            let second = receive_to(&code, "second").await;
            // Nobody reads what else there is to hear.
            told.close();
            (refused, second)
        };
        tokio::join!(receive_to(&code, "first"), late)
    };
    let (sent, (first, (late, second))) = tokio::join!(send(&sending, &give, &progress, &stop), several);
    let late = late.expect_err("too late").to_string();
    assert!(late.contains("too late"), "{late}");
    assert_eq!((first.expect("received"), second.expect("received")), (1, 1));
    assert_eq!(sent.expect("sent").end, 1 << 20);
    stand.relay.shut_down().await;
}
