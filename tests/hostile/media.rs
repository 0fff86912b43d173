//! RTP and RTCP into running legs: garbage, strangers, jumps, floods. What the others hear is measured.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use confkit::{
    media::{g711, tone::Generator},
    sdp::Description,
};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use tokio::{
    net::UdpSocket,
    time::{MissedTickBehavior, interval},
};

use crate::{
    agent::{Agent, Dialog, SDP, sdp},
    call::Call,
    harness::Daemon,
    wait_for,
    wire::Heard,
};

/// What mallory says while she behaves, in hertz.
const MALLORY: f32 = 880.0;
/// What nobody may ever hear.
const STRANGER: f32 = 1500.0;
/// What mallory says while she does not; it may be heard or not, it is hers.
const MISCHIEF: f32 = 2500.0;
/// Ticks that each mischief lasts.
const TICKS: u32 = 38;
const LEGS: &str = "confkit_media_legs";

/// One stream of RTP.
struct Stream {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    voice: Generator,
}

impl Stream {
    fn new(ssrc: u32, tone: f32, level_dbfs: f32) -> Self {
        Self { ssrc, sequence: 1, timestamp: 0, voice: Generator::endless(tone, level_dbfs, 8000) }
    }

    /// The next 20 ms.
    fn next(&mut self, payload_type: u8) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        self.packet(payload_type, 160)
    }

    fn packet(&mut self, payload_type: u8, samples: usize) -> Vec<u8> {
        let mut packet = vec![0x80, payload_type];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(self.voice.by_ref().take(samples).map(g711::encode_ulaw));
        packet
    }
}

/// Somebody in the conference whose every packet the test chooses.
struct Mallory {
    agent: Agent,
    dialog: Dialog,
    socket: UdpSocket,
    /// Where the media server takes her audio.
    leg: SocketAddr,
    voice: Stream,
}

impl Mallory {
    async fn join(daemon: &Daemon) -> Self {
        let socket = UdpSocket::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).await.expect("a port");
        let mut agent = Agent::udp(daemon).await;
        let uri = agent.at("honest");
        let dialog = agent.invite(&uri, SDP, sdp(socket.local_addr().expect("an address"))).await.expect("let in");
        let answer = Description::parse(&dialog.accepted.body).expect("an answer");
        let (_, audio) = answer.first("audio").expect("audio");
        let leg = SocketAddr::new(audio.ip().expect("an address"), audio.port);
        Self { agent, dialog, socket, leg, voice: Stream::new(0x3333, MALLORY, -20.0) }
    }

    /// Fifty times a second for a while, whatever `mischief` makes, from whatever socket; `talking` as she should beside it.
    async fn act(&mut self, talking: bool, mut mischief: impl FnMut(u32, &mut Vec<Vec<u8>>), from: Option<&UdpSocket>, to: &[SocketAddr]) {
        let mut tick = interval(Duration::from_millis(20));
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut packets = Vec::new();
        for n in 0..TICKS {
            tick.tick().await;
            if talking {
                let packet = self.voice.next(0);
                self.socket.send_to(&packet, self.leg).await.expect("sent");
            }
            packets.clear();
            mischief(n, &mut packets);
            let targets = if to.is_empty() { &[self.leg][..] } else { to };
            for packet in &packets {
                for target in targets {
                    // A full buffer, or a complaint about an earlier packet: one less.
                    let _ = from.unwrap_or(&self.socket).send_to(packet, target).await;
                }
            }
        }
    }

    /// She talks as she should, and both hear her.
    async fn behaves(&mut self, call: &mut Call) {
        let quiet = |_: u32, _: &mut Vec<Vec<u8>>| {};
        for _ in 0..2 {
            self.act(true, quiet, None, &[]).await;
        }
        tokio::join!(call.hears(&[MALLORY], &[STRANGER]), self.act(true, quiet, None, &[]));
    }

    async fn leave(mut self) {
        // What came meanwhile is passed over.
        while let Some(heard) = self.agent.wire.within(Duration::ZERO).await {
            assert!(matches!(heard, Some(Heard::Response(..) | Heard::Request(_))));
        }
        assert_eq!(self.agent.ask_inside(&mut self.dialog, "BYE", "", "").await.status, 200);
    }
}

/// Makes the packets of one tick.
type Mischief = Box<dyn FnMut(u32, &mut Vec<Vec<u8>>)>;

/// What mallory does beside talking: none of it may be heard, and she goes on being heard.
fn noises() -> Vec<(&'static str, Mischief)> {
    let mut rng = ChaCha12Rng::seed_from_u64(5);
    let mut rest = rng.clone();
    let mut loud = Stream::new(0x3333, STRANGER, -10.0);
    let mut report = ChaCha12Rng::seed_from_u64(6);
    vec![
        (
            "garbage",
            Box::new(move |_, packets| {
                for _ in 0..20 {
                    let mut garbage = vec![0; rng.random_range(0..1500)];
                    rng.fill_bytes(&mut garbage);
                    packets.push(garbage);
                }
            }),
        ),
        (
            "broken headers",
            Box::new(move |_, packets| {
                for first in [0x00, 0x40, 0xc0, 0x9f, 0xa0, 0xbf, 0x90] {
                    let mut packet = vec![first, 0];
                    packet.resize(rest.random_range(2..60), 0xff);
                    packets.push(packet);
                }
            }),
        ),
        (
            "unknown payload types",
            Box::new(move |n, packets| {
                for kind in 0..8 {
                    let payload_type = u8::try_from(20 + (n * 8 + kind) % 70).expect("small");
                    packets.push(loud.next(payload_type));
                }
            }),
        ),
        (
            "reports where media belongs",
            Box::new(move |_, packets| {
                for kind in 200..=207 {
                    let mut packet = vec![0x81, kind, 0, 7];
                    packet.extend((0..28).map(|_| report.random::<u8>()));
                    packets.push(packet);
                }
            }),
        ),
    ]
}

/// What mallory does instead of talking: it is hers to spoil, and nobody else's.
fn jumps() -> Vec<(&'static str, Mischief)> {
    fn jumping(seed: u64, mut jump: impl FnMut(&mut Stream, &mut ChaCha12Rng) + 'static) -> Mischief {
        let (mut stream, mut rng) = (Stream::new(0x4444, MISCHIEF, -35.0), ChaCha12Rng::seed_from_u64(seed));
        Box::new(move |_, packets| {
            jump(&mut stream, &mut rng);
            packets.push(stream.next(0));
        })
    }
    let mut lengths = Stream::new(0x5555, MISCHIEF, -35.0);
    let mut flood = Stream::new(0x6666, MISCHIEF, -35.0);
    let mut events = ChaCha12Rng::seed_from_u64(14);
    let mut stream = Stream::new(0x7777, MISCHIEF, -35.0);
    vec![
        ("another SSRC with each packet", jumping(7, |stream, rng| stream.ssrc = rng.random())),
        ("a jumping sequence", jumping(8, |stream, rng| stream.sequence = rng.random())),
        ("a jumping clock", jumping(9, |stream, rng| stream.timestamp = rng.random())),
        ("a clock that runs back", jumping(10, |stream, _| stream.timestamp = stream.timestamp.wrapping_sub(400))),
        (
            "a sequence that stands still",
            jumping(11, |stream, _| {
                (stream.sequence, stream.timestamp) = (stream.sequence.wrapping_sub(1), stream.timestamp.wrapping_sub(160));
            }),
        ),
        (
            "everything at once",
            jumping(12, |stream, rng| {
                (stream.ssrc, stream.sequence, stream.timestamp) = (rng.random_range(0..3), rng.random(), rng.random());
            }),
        ),
        (
            "payloads of any length",
            Box::new(move |n, packets| {
                for samples in [0, 1, 7, 1400 - (n as usize % 100)] {
                    lengths.sequence = lengths.sequence.wrapping_add(1);
                    packets.push(lengths.packet(0, samples));
                }
            }),
        ),
        ("five hundred packets a tick", Box::new(move |_, packets| packets.extend((0..500).map(|_| flood.next(0))))),
        (
            "keys that nobody pressed",
            Box::new(move |_, packets| {
                for _ in 0..10 {
                    let mut packet = stream.next(101);
                    packet.truncate(12 + events.random_range(0..9));
                    packet[12..].iter_mut().for_each(|byte| *byte = events.random());
                    packets.push(packet);
                }
            }),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_participant_that_sends_rubbish_spoils_nobodys_audio_but_its_own() {
    let daemon = Daemon::ephemeral(&[]);
    let mut call = Call::begin(&daemon).await;
    let mut mallory = Mallory::join(&daemon).await;
    mallory.behaves(&mut call).await;
    for (name, mischief) in noises() {
        println!("{name}");
        tokio::join!(call.hears(&[MALLORY], &[STRANGER]), mallory.act(true, mischief, None, &[]));
    }
    for (name, mischief) in jumps() {
        println!("{name}");
        tokio::join!(call.hears(&[], &[STRANGER]), mallory.act(false, mischief, None, &[]));
    }
    // And when she comes to herself she is heard again.
    mallory.voice = Stream::new(0x8888, MALLORY, -20.0);
    mallory.behaves(&mut call).await;
    mallory.leave().await;
    wait_for(&daemon, LEGS, |legs| legs == 2.0).await;
    call.hears(&[], &[STRANGER]).await;
    call.goes_on().await;
    call.end().await;
}

/// Strangers, with and without latching: from another port of the same host, and from another host.
async fn strangers(latch: &str) {
    let daemon = Daemon::with(&["--ephemeral"], &[("RELAYD_MEDIA_LATCH", latch)]);
    let mut call = Call::begin(&daemon).await;
    let mut mallory = Mallory::join(&daemon).await;
    mallory.behaves(&mut call).await;
    let legs = [call.alice.audio.remote_rtp, call.bob.audio.remote_rtp, Some(mallory.leg)].map(|leg| leg.expect("an address"));
    let reports = legs.map(|leg| SocketAddr::new(leg.ip(), leg.port() + 1));
    for host in [IpAddr::V4(Ipv4Addr::LOCALHOST), crate::wire::another_host()] {
        let stranger = UdpSocket::bind((host, 0)).await.expect("a port");
        let mut voice = Stream::new(0x9999, STRANGER, -10.0);
        let talk = |_: u32, packets: &mut Vec<Vec<u8>>| packets.push(voice.next(0));
        tokio::join!(call.hears(&[MALLORY], &[STRANGER]), mallory.act(true, talk, Some(&stranger), &legs));
        // Reports and good-byes in others' names.
        let mut rng = ChaCha12Rng::seed_from_u64(13);
        let forged = |_: u32, packets: &mut Vec<Vec<u8>>| {
            for kind in 200..=207 {
                let mut packet = vec![0x81, kind, 0, 6];
                packet.extend((0..24).map(|_| rng.random::<u8>()));
                packets.push(packet);
            }
            packets.push([&[0x81, 203, 0, 1][..], &0x3333_u32.to_be_bytes()].concat());
        };
        let everywhere = [legs, reports].concat();
        tokio::join!(call.hears(&[MALLORY], &[STRANGER]), mallory.act(true, forged, Some(&stranger), &everywhere));
    }
    mallory.behaves(&mut call).await;
    mallory.leave().await;
    call.hears(&[], &[STRANGER]).await;
    call.goes_on().await;
    call.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_not_heard_and_take_nobodys_place() {
    strangers("no").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_take_nobodys_place_where_media_may_come_from_anywhere() {
    strangers("yes").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ports_that_are_used_up_are_a_503_and_come_back() {
    let (daemon, mut call) = with_two_pairs_of_ports().await;
    let mut agent = Agent::udp(&daemon).await;
    let (uri, body) = (agent.at("honest"), sdp(([127, 0, 0, 1], 9).into()));
    for _ in 0..20 {
        let refused = agent.invite(&uri, SDP, &body).await.expect_err("there is no port");
        assert_eq!(refused.status, 503);
        assert!(refused.headers.get("Retry-After").is_some(), "{refused:?}");
    }
    call.goes_on().await;
    let Call { bob, .. } = call;
    bob.leave().await;
    wait_for(&daemon, LEGS, |legs| legs == 1.0).await;
    let mut dialog = agent.invite(&uri, SDP, &body).await.expect("there is a port again");
    assert_eq!(agent.ask_inside(&mut dialog, "BYE", "", "").await.status, 200);
}

/// A daemon with ports for two participants, whose ports the system had free.
async fn with_two_pairs_of_ports() -> (Daemon, Call) {
    let first = loop {
        let port = std::net::UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port() & !1;
        if port < 65_000 && (port..port + 4).all(|port| std::net::UdpSocket::bind(("127.0.0.1", port)).is_ok()) {
            break port;
        }
    };
    let daemon = Daemon::with(&["--ephemeral"], &[("RELAYD_MEDIA_PORTS", &format!("{first}-{}", first + 3))]);
    let call = Call::begin(&daemon).await;
    (daemon, call)
}
