//! A sender whose port nobody reaches, as behind a router that translates addresses, and a receiver that can be called.

use std::num::NonZeroU64;

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::channel::{
    Peer,
    client::{
        ChannelError, Connection, Progress, SendEvent, Sending, Way as By,
        recv::{RecvEvent, Terminal, session::Session},
        seat::Door,
        send,
        tests::{PATIENCE, Stand, Thoughtful},
    },
    pake::{Password, Received},
    relay::Limits,
    wire::Reason,
};

/// Where nobody is.
async fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("up")
}

/// The receiver of a stand, and what it heard.
struct Receiver<'a> {
    terminal: Terminal<'a>,
    control: Connection,
    rng: ChaCha12Rng,
}

impl<'a> Receiver<'a> {
    async fn new(stand: &Stand, terminal: Terminal<'a>) -> Self {
        Self { terminal, control: Connection::open(&stand.relays, PATIENCE).await.expect("a relay"), rng: ChaCha12Rng::from_seed([7; 32]) }
    }

    /// In the channel, with these addresses in place of the sender's.
    async fn run(&mut self, stand: &Stand, mut known: Received, addresses: &[SocketAddr]) -> Result<(), ChannelError> {
        Door { channel: known.pass.channel, key: known.pass.key.clone(), role: Role::Receiver }.enter(&mut self.control);
        known.pass.direct = addresses.to_vec();
        let mut person = Thoughtful { folder: stand.inbox(), thinks: Duration::ZERO };
        let ended = Session::new(&mut self.terminal, &self.control, known, Peer::SENDER).run(&mut self.control, &mut person).await;
        self.control.say_farewell(if ended.is_ok() { Reason::Done } else { Reason::Failed }, PATIENCE).await;
        ended.map(drop)
    }
}

fn ways(events: &mut mpsc::Receiver<RecvEvent>) -> Vec<(u64, Way)> {
    let begun = |event| if let RecvEvent::Begun { from, way } = event { Some((from, way)) } else { None };
    std::iter::from_fn(|| events.try_recv().ok()).filter_map(begun).collect()
}

#[tokio::test]
async fn a_receiver_that_does_not_reach_the_sender_is_called_by_it_and_nothing_goes_through_the_relay() {
    let mute = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nobody = [mute.local_addr().expect("up"), closed().await];
    for (addresses, streams, ours, theirs) in [
        (&nobody[..], 1, Ways::Any, Ways::Any),
        (&nobody[1..], 4, Ways::Any, Ways::Any),
        (&[], 1, Ways::Any, Ways::Any),
        (&nobody, 4, Ways::DirectOnly, Ways::Any),
        (&[], 2, Ways::Any, Ways::DirectOnly),
        (&nobody[..1], 1, Ways::DirectOnly, Ways::DirectOnly),
    ] {
        let stand = Stand::new(Limits::default());
        let sending = Sending { streams, ways: theirs, ..stand.sending("large.bin", &vec![7; 3 << 20]).await };
        let (give, mut told) = mpsc::channel(16);
        let (hear, mut heard) = mpsc::channel(16);
        let (progress, stop) = (Progress::default(), CancellationToken::new());
        let receive = async {
            let Some(SendEvent::Code(code)) = told.recv().await else { panic!("a code") };
            let password = Password::of_code(&code);
            let receiving = crate::channel::client::Receiving {
                ways: ours,
                ..stand.receiving(By::Password { password: password.clone(), wait: false })
            };
            let mut receiver = Receiver::new(&stand, Terminal::new(&receiving, &hear, None)).await;
            let known = receiver.terminal.meet(&mut receiver.control, &password, false, &mut receiver.rng).await.expect("met");
            receiver.run(&stand, known, addresses).await
        };
        let (sent, received) = tokio::join!(send(&sending, &give, &progress, &stop), receive);
        received.expect("received");
        assert_eq!(sent.expect("sent").end, 3 << 20);
        assert_eq!(ways(&mut heard), [(0, Way::Called)], "{addresses:?} {streams} {ours:?} {theirs:?}");
        let gauges = stand.relay.gauges();
        stand.relay.shut_down().await;
        assert_eq!(gauges.read().0.bytes, 0, "by the relay");
    }
}

#[tokio::test]
async fn what_was_broken_off_goes_on_by_calls_of_the_sender_again() {
    let stand = Stand::new(Limits::default());
    let sending = Sending { comeback: PATIENCE, rate: NonZeroU64::new(4 << 20), ..stand.sending("large.bin", &vec![7; 8 << 20]).await };
    let nobody = [closed().await];
    let (give, mut told) = mpsc::channel(16);
    let (hear, mut heard) = mpsc::channel(16);
    let (progress, stop) = (Progress::default(), CancellationToken::new());
    let receive = async {
        let Some(SendEvent::Code(code)) = told.recv().await else { panic!("a code") };
        let password = Password::of_code(&code);
        let receiving = stand.receiving(By::Password { password: password.clone(), wait: false });
        let mut receiver = Receiver::new(&stand, Terminal::new(&receiving, &hear, None)).await;
        let known = receiver.terminal.meet(&mut receiver.control, &password, false, &mut receiver.rng).await.expect("met");
        let resume = crate::channel::client::again::Resume::of(&known.pass, &receiver.control, &stand.relays);
        let some = async {
            while progress.received() == 0 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            ended = receiver.run(&stand, known, &nobody) => panic!("{ended:?} before anything came"),
            () = some => {}
        }
        let Receiver { terminal, control, .. } = receiver;
        drop(control);
        let mut receiver = Receiver::new(&stand, terminal).await;
        let known = receiver.terminal.meet_again(&mut receiver.control, &resume, &mut receiver.rng).await.expect("met again");
        let ended = receiver.run(&stand, known, &nobody).await;
        // Nobody reads what else there is to hear.
        told.close();
        ended
    };
    let (sent, received) = tokio::join!(send(&sending, &give, &progress, &stop), receive);
    received.expect("received");
    assert_eq!(sent.expect("sent").end, 8 << 20);
    let ways = ways(&mut heard);
    assert!(matches!(ways[..], [(0, Way::Called), (1.., Way::Called)]), "{ways:?}");
    assert!(std::fs::read(stand.inbox().join("large.bin")).expect("there") == vec![7; 8 << 20]);
    stand.relay.shut_down().await;
}

/// Both tries of a receiver whose sender is not there: what it is told, and what becomes of the calls it hears of.
async fn reaching(ways: Ways, patience: Duration, said: Option<Result<(), String>>) -> (Result<Way, String>, Duration) {
    let pairwise = Pairwise::new(&[1; 16], &[]);
    let mut rng = ChaCha12Rng::from_seed([7; 32]);
    let pass = Pass {
        cipher: crate::transfer::seal::Cipher::Aes256Gcm,
        transfer: crate::channel::wire::pass::TransferId::random(&mut rng),
        channel: crate::channel::ChannelNumber(7),
        key: crate::channel::wire::ChannelKey::from_bytes([4; 32]),
        content: crate::channel::keys::ContentKey::random(&mut rng),
        resume: crate::channel::keys::ResumeSecret::random(&mut rng),
        relays: Vec::new(),
        direct: vec![closed().await],
    };
    let began = clock::now();
    let mut reaching = Reaching::begin(&pass, pairwise, ways, patience, true);
    let opened = reaching.open(&Opening { ways, via: None, here: true, streams: 1 }).await;
    let (_kept, tell): (_, Option<oneshot::Sender<_>>) = opened.unzip();
    let _tell = match said {
        Some(said) => {
            tell.expect("opened").send(said).expect("it waits");
            None
        }
        None => tell,
    };
    let settled = reaching.settle(1).await.map(|(way, _)| way);
    (settled, clock::now().duration_since(began))
}

#[tokio::test]
async fn where_neither_reaches_the_other_it_is_known_at_once_or_within_a_short_time_and_both_tries_are_named() {
    let refused = Some(Err("tried 192.0.2.1:4000 (refused)".to_owned()));
    let (settled, took) = reaching(Ways::Any, PATIENCE, refused).await;
    let why = settled.expect_err("nobody there");
    assert!(why.starts_with("tried 127.0.0.1:") && why.ends_with("(refused); called from there: tried 192.0.2.1:4000 (refused)"), "{why}");
    assert!(took < CALLED / 2, "at once: {took:?}");

    let (settled, took) = reaching(Ways::Any, PATIENCE, None).await;
    assert!(settled.as_ref().is_err_and(|why| why.ends_with("called from there: no answer")), "{settled:?}");
    assert!(took >= CALLED && took < CALLED * 4, "{took:?}");

    // With the direct way alone patience is the user's.
    let (settled, took) = reaching(Ways::DirectOnly, Duration::from_millis(300), None).await;
    assert!(settled.is_err() && took < CALLED, "{settled:?} {took:?}");

    // Who hides its addresses opens nothing and waits for nobody.
    let (settled, took) = reaching(Ways::RelayOnly, PATIENCE, None).await;
    assert!(settled.is_err() && took < CALLED / 2, "{settled:?} {took:?}");
}

#[tokio::test]
async fn a_sender_that_says_that_it_has_called_and_has_not_is_not_waited_for_for_long() {
    let (settled, _) = reaching(Ways::Any, PATIENCE, Some(Ok(()))).await;
    assert!(settled.as_ref().is_err_and(|why| why.contains("not all of the direct connections are there")), "{settled:?}");
}
