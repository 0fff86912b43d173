//! Talkers in a conference: terminals by SIP, with sockets of their own for the audio, so that every packet can be counted and timed here.
//!
//! Everyone talks all the time, softly; now and then one says a loud word, and all others note when they hear it: from the sending of its packet to the
//! arrival of the first that carries it.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use confkit::{
    clock,
    conference::client::{
        ClientTransports, Dial, Identity, ServerAddress, Session, Terminal, TerminalCommand, TerminalConfig, TerminalEvent,
    },
    media::{
        g711,
        io::{pair::Pair, priority, ticker::Ticker},
        rtp,
    },
    sdp::{Format, LocalAudio},
    sip::{
        endpoint::EndpointConfig,
        message::{Host, SipUri},
    },
};
use tokio::runtime::{Builder, Runtime};

/// Parts of a tick: so exactly is the time of an arrival known.
const PHASES: usize = 40;
/// Ticks before anything is counted.
const WARM_UP: usize = 100;
/// A word every so many ticks.
const WORD_EVERY: usize = 13;
/// What is said all the time.
const SOFT: i16 = 40;
/// In a word.
const LOUD: i16 = 8000;
/// What is a word even if all others talk.
const HEARD: i16 = 3000;

/// Those in a conference.
pub struct Talkers {
    legs: Vec<Leg>,
    _runtime: Runtime,
    _sessions: Vec<Session<Terminal>>,
}

/// What was heard, all legs together.
#[derive(Default)]
pub struct Heard {
    pub sent: u64,
    pub received: u64,
    /// Missing among those that came, by their numbers.
    pub missing: u64,
    /// Of the server's sockets and of ours: what the kernel threw away.
    pub dropped: [u64; 2],
    pub words: (usize, usize),
    /// From mouth to ear, without the packet times at the ends.
    pub delays: Vec<Duration>,
    /// How much later a packet came than by the clock of the most punctual.
    pub lateness: Vec<Duration>,
    /// Ticks of ours that began late: then the figures are ours and not the server's.
    pub late: u64,
}

struct Leg {
    pair: Pair,
    to: SocketAddr,
    header: rtp::HeaderWriter,
    timestamp: u32,
    /// Of what comes: the first number and when, the last number, how many.
    first: Option<(u16, Instant)>,
    last: u16,
    count: u64,
    behind: Vec<i64>,
}

impl Talkers {
    /// Calls a conference as so many guests.
    pub fn enter(hall: &str, talkers: usize) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let (legs, sessions) = (0..talkers).map(|number| runtime.block_on(enter(hall, number))).unzip();
        Self { legs, _runtime: runtime, _sessions: sessions }
    }

    /// Talks and listens for so long. `begin` is called when the window begins.
    pub fn talk(mut self, seconds: u64, begin: impl FnOnce()) -> Heard {
        // Where it is not permitted, ticks begin late, and that is told.
        let _ = priority::raise();
        let mut heard = Heard::default();
        let (ticks, mut begin) = (usize::try_from(seconds).unwrap_or(0) * 50, Some(begin));
        let mut ticker = Ticker::start(Duration::from_micros(20_000 / PHASES as u64)).catching_up(u32::MAX);
        let (mut said, mut deaf, mut late, mut dropped) = (None, Vec::new(), 0, [0, 0]);
        for tick in 0..WARM_UP + ticks {
            if tick == WARM_UP {
                begin.take().into_iter().for_each(|begin| begin());
                self.legs.iter_mut().for_each(|leg| (leg.first, leg.count) = (None, 0));
                (late, dropped) = (ticker.late(), self.dropped());
            }
            let counted = tick >= WARM_UP;
            let speaker = (counted && (tick - WARM_UP).is_multiple_of(WORD_EVERY)).then_some(tick / WORD_EVERY * 7 % self.legs.len());
            for phase in 0..PHASES {
                ticker.wait();
                let all = self.legs.len();
                for number in phase * all / PHASES..(phase + 1) * all / PHASES {
                    let loud = speaker == Some(number);
                    if loud {
                        (said, deaf) = (Some(clock::now()), (0..all).filter(|other| *other != number).collect());
                        heard.words.0 += all - 1;
                    }
                    self.legs[number].speak(if loud { LOUD } else { SOFT });
                    heard.sent += u64::from(counted);
                }
                for (number, leg) in self.legs.iter_mut().enumerate() {
                    if leg.listen() > HEARD
                        && let Some(at) = deaf.iter().position(|other| *other == number)
                    {
                        deaf.swap_remove(at);
                        heard.delays.extend(said.map(|said| clock::now().saturating_duration_since(said)));
                    }
                }
            }
        }
        priority::lower();
        heard.late = ticker.late() - late;
        for (sum, (after, before)) in heard.dropped.iter_mut().zip(self.dropped().into_iter().zip(dropped)) {
            *sum = after - before;
        }
        heard.words.1 = heard.delays.len();
        for leg in &self.legs {
            heard.received += leg.count;
            heard.missing += leg.missing();
            // By the most punctual: its own way has a length, too.
            let least = leg.behind.iter().min().copied().unwrap_or(0);
            heard.lateness.extend(leg.behind.iter().map(|behind| Duration::from_micros(u64::try_from(behind - least).unwrap_or(0))));
        }
        heard.delays.sort();
        heard.lateness.sort();
        heard
    }

    /// What the kernel threw away of what came to the server's sockets for us, and to ours.
    fn dropped(&self) -> [u64; 2] {
        let text = fs::read_to_string("/proc/net/udp").unwrap_or_default();
        let sockets: BTreeMap<u16, u64> = text
            .lines()
            .filter_map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let port = u16::from_str_radix(fields.get(1)?.split_once(':')?.1, 16).ok()?;
                Some((port, fields.last()?.parse().ok()?))
            })
            .collect();
        let of = |port: u16| sockets.get(&port).copied().unwrap_or(0);
        let server = self.legs.iter().map(|leg| of(leg.to.port())).sum();
        [server, self.legs.iter().map(|leg| of(leg.pair.local_addr().map_or(0, |at| at.port()))).sum()]
    }
}

async fn enter(hall: &str, number: usize) -> (Leg, Session<Terminal>) {
    let pair = Pair::bind_any(Ipv4Addr::LOCALHOST.into()).expect("ports");
    let uri: SipUri = hall.parse().expect("a URI");
    let server = ServerAddress::new(uri.clone());
    let transports = ClientTransports::bind(&server, None, None, None).await.expect("transports");
    let local = transports.local;
    let config = TerminalConfig {
        identity: Identity::guest(Some(&format!("talker {number}")), Host::Ip(local.ip()), Some(local.port())),
        server,
        audio: LocalAudio::new(pair.local_addr().expect("bound"), vec![Format::new(0, "PCMU", 8000)]),
        session_id: number as u64 + 1,
        answer: false,
        ring: Duration::ZERO,
        part: None,
    };
    let terminal = Terminal::new(transports.endpoint(EndpointConfig::default()), config);
    let mut session = transports.run(terminal);
    let dial = Dial { uri: uri.into(), pin: None, offerless: false, without_audio: false };
    session.tell(TerminalCommand::Dial(Box::new(dial))).await;
    let audio = loop {
        match session.next().await.expect("an event") {
            TerminalEvent::Established { audio, .. } => break audio.expect("audio"),
            TerminalEvent::Ringing => {}
            other => panic!("the conference does not let talker {number} in: {other:?}"),
        }
    };
    let to = audio.remote_rtp.expect("an address");
    let header = rtp::HeaderWriter::new(number as u32 + 1, 0);
    (Leg { pair, to, header, timestamp: 0, first: None, last: 0, count: 0, behind: Vec::new() }, session)
}

impl Leg {
    fn socket(&self) -> &UdpSocket {
        &self.pair.media
    }

    fn speak(&mut self, value: i16) {
        let mut packet = [g711::encode_ulaw(value); 172];
        self.header.write(false, 0, self.timestamp, &mut packet);
        self.timestamp = self.timestamp.wrapping_add(160);
        // What is not taken is among what the kernel threw away.
        let _ = self.socket().send_to(&packet, self.to);
    }

    /// The loudest middle sample of the packets that wait.
    fn listen(&mut self) -> i16 {
        let (mut packet, mut loudest, now) = ([0; rtp::MAX_DATAGRAM], 0, clock::now());
        while let Ok((length, _)) = self.socket().recv_from(&mut packet) {
            let Ok(read) = rtp::Packet::parse(&packet[..length]) else { continue };
            loudest = loudest.max(read.payload.get(80).map_or(0, |&code| g711::decode_ulaw(code)));
            let (first, began) = *self.first.get_or_insert_with(|| {
                self.behind.clear();
                (read.sequence, now)
            });
            let due = i64::from(read.sequence.wrapping_sub(first)) * 20_000;
            self.behind.push(now.saturating_duration_since(began).as_micros() as i64 - due);
            self.last = read.sequence;
            self.count += 1;
        }
        loudest
    }

    fn missing(&self) -> u64 {
        let all = self.first.map_or(0, |(first, _)| u64::from(self.last.wrapping_sub(first)) + 1);
        all.saturating_sub(self.count)
    }
}
