//! A receiver whose direct way leads over a bridge that can break.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::channel::{
    client::{
        Progress, SendEvent, send,
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
        let mut terminal = Terminal {
            receiving: &receiving,
            events: &unheard,
            resume: None,
            before: false,
            begun: CancellationToken::new(),
            sink: None,
            placed: None,
            uncut: None,
        };
        let mut rng = ChaCha12Rng::from_seed([7; 32]);
        let mut known = terminal.meet(&mut control, &Password::of_code(&code), false, &mut rng).await.expect("met");
        Door { channel: known.pass.channel, key: known.pass.key.clone(), role: Role::Receiver }.enter(&mut control);
        known.pass.direct = vec![bridge(known.pass.direct[0], 1 << 20).await];
        let mut person = Thoughtful { folder: stand.inbox(), thinks: Duration::ZERO };
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
