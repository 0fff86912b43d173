//! The loop over real transports.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{Arrival, Node, SendFault, Transmit, drive};
use crate::{
    clock,
    sip::{
        Address, Hop, Transport,
        transport::{TransportConfig, Transports},
    },
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Says what happens to it, and does what it is told.
struct Witness {
    log: mpsc::Sender<String>,
    alarm: Option<Instant>,
    out: VecDeque<Transmit>,
    done: bool,
}

enum Command {
    Send(Hop, &'static str),
    Wake(Duration),
    Finish,
}

impl Witness {
    fn says(&self, what: String) {
        self.log.try_send(what).expect("the test listens");
    }
}

impl Node for Witness {
    type Command = Command;

    fn handle_arrival(&mut self, _now: Instant, arrival: Arrival) {
        match arrival {
            Arrival::Message { bytes, from, .. } => {
                self.says(String::from_utf8_lossy(&bytes).into_owned());
                if bytes.starts_with(b"OPTIONS") {
                    self.out.push_back(Transmit { bytes: Bytes::from_static(b"SIP/2.0 200 OK"), hop: from });
                }
            }
            Arrival::Failed { hop, why } => {
                self.says(format!("{why}"));
                // The worst a node can do: try again at once, for ever.
                if why == SendFault::NoTransport {
                    self.out.push_back(Transmit { bytes: Bytes::from_static(b"again"), hop });
                }
            }
            Arrival::Closed { .. } => {}
        }
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Send(hop, text) => self.out.push_back(Transmit { bytes: Bytes::from_static(text.as_bytes()), hop }),
            Command::Wake(after) => self.alarm = Some(now + after),
            Command::Finish => self.done = true,
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        assert!(self.alarm.is_some_and(|at| at <= now), "not before its time");
        self.alarm = None;
        self.says("alarm".to_owned());
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.alarm
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.pop_front()
    }

    fn finished(&self) -> bool {
        self.done
    }
}

struct Driven {
    commands: mpsc::Sender<Command>,
    log: mpsc::Receiver<String>,
    transports: Transports,
    token: CancellationToken,
    task: tokio::task::JoinHandle<Witness>,
}

#[expect(clippy::disallowed_methods, reason = "the test owns the task and awaits it")]
async fn driven() -> Driven {
    let config = TransportConfig { udp: vec![SocketAddr::from(([127, 0, 0, 1], 0))], ..TransportConfig::default() };
    let (transports, arrivals) = Transports::bind(config).await.expect("loopback can be listened on");
    let (log_to, log) = mpsc::channel(10_000);
    let (commands, receiver) = mpsc::channel(16);
    let token = CancellationToken::new();
    let node = Witness { log: log_to, alarm: None, out: VecDeque::new(), done: false };
    let task = tokio::spawn(drive(node, transports.clone(), arrivals, receiver, token.clone()));
    Driven { commands, log, transports, token, task }
}

impl Driven {
    fn hop(&self) -> Hop {
        Hop::new(Transport::Udp, self.transports.local_addr(Transport::Udp).expect("UDP is listened on"))
    }

    async fn command(&self, command: Command) {
        assert!(self.commands.send(command).await.is_ok(), "the loop lives");
    }

    async fn hears(&mut self) -> String {
        timeout(PATIENCE, self.log.recv()).await.expect("in time").expect("the node lives")
    }

    async fn ends(self) -> Witness {
        timeout(PATIENCE, self.task).await.expect("in time").expect("the loop does not panic")
    }
}

#[tokio::test]
async fn messages_commands_and_time_reach_the_node_and_its_messages_the_network() {
    let (mut alice, mut relay) = (driven().await, driven().await);
    alice.command(Command::Send(relay.hop(), "OPTIONS 1")).await;
    assert_eq!(relay.hears().await, "OPTIONS 1");
    assert_eq!(alice.hears().await, "SIP/2.0 200 OK");
    alice.command(Command::Wake(Duration::from_millis(20))).await;
    assert_eq!(alice.hears().await, "alarm");
    // An alarm set earlier than the one before, and one set again for the same moment.
    alice.command(Command::Wake(Duration::from_secs(3600))).await;
    alice.command(Command::Wake(Duration::ZERO)).await;
    assert_eq!(alice.hears().await, "alarm");
}

#[tokio::test]
async fn what_cannot_be_sent_comes_back_and_a_stubborn_node_does_not_hold_the_loop() {
    let mut alice = driven().await;
    let six = Hop { transport: Transport::Udp, address: Address::Socket(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 5060))), flow: None };
    alice.command(Command::Send(six, "OPTIONS 1")).await;
    for _ in 0..3 {
        assert_eq!(alice.hears().await, SendFault::NoTransport.to_string());
    }
    // It goes on failing for ever, and yet:
    alice.token.cancel();
    alice.log.close();
    let _ = alice.task.await;
}

#[tokio::test]
async fn the_loop_ends_when_the_node_has_finished_or_is_cancelled_and_gives_it_back() {
    let alice = driven().await;
    alice.command(Command::Finish).await;
    assert!(alice.ends().await.done);

    let bob = driven().await;
    bob.command(Command::Wake(Duration::from_secs(3600))).await;
    bob.token.cancel();
    assert!(!bob.ends().await.done);
}

#[tokio::test]
async fn without_commanders_the_loop_goes_on() {
    let (alice, mut relay) = (driven().await, driven().await);
    let (gone, _) = mpsc::channel(1);
    drop(std::mem::replace(&mut relay.commands, gone));
    alice.command(Command::Send(relay.hop(), "OPTIONS 1")).await;
    assert_eq!(relay.hears().await, "OPTIONS 1");
    relay.token.cancel();
    relay.ends().await;
}

#[tokio::test(start_paused = true)]
async fn the_shells_clock_is_the_one_that_timers_follow() {
    let mut alice = driven().await;
    let start = clock::now();
    alice.command(Command::Wake(Duration::from_secs(7200))).await;
    assert_eq!(alice.log.recv().await.as_deref(), Some("alarm"));
    assert!(clock::now() - start >= Duration::from_secs(7200));
}
