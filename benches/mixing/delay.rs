//! How long a sound takes through a room: everyone is silent, one says a word now and then, and others note when they hear it.
//!
//! From the sending of the packet to the arrival of the packet that carries it, so a packet time at each end comes on top for a phone.

use std::{
    io::Read as _,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use confkit::{
    clock,
    media::{g711, io::ticker::Ticker, rtp},
};

/// Sub-phases of a tick.
const PHASES: usize = 200;
/// Who listens: the others only keep their ports empty.
const LISTENERS: usize = 10;
/// A word every so many ticks, at moments that drift through the tick.
const WORD_EVERY: usize = 25;
/// Words that are timed.
const WORDS: usize = 120;
/// Ticks before the first.
const WARM_UP: usize = 100;

struct Leg {
    socket: UdpSocket,
    to: SocketAddr,
    header: rtp::HeaderWriter,
    timestamp: u32,
}

/// Reads addresses, prints a line.
pub fn run() {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).expect("addresses");
    let mut legs: Vec<Leg> = text.lines().enumerate().map(|(number, line)| Leg::new(number, line)).collect();
    let all = legs.len();
    let mut ticker = Ticker::start(Duration::from_micros(20_000 / PHASES as u64)).catching_up(u32::MAX);
    let mut delays: Vec<Duration> = Vec::new();
    let mut said: Option<Instant> = None;
    let mut heard = [false; LISTENERS];
    for tick in 0..WARM_UP + WORDS * WORD_EVERY {
        let word = (tick >= WARM_UP && (tick - WARM_UP).is_multiple_of(WORD_EVERY)).then(|| {
            // One who does not listen; another each time, so that every phase of the tick has its turn.
            let talkers = all - LISTENERS.min(all - 1);
            all - 1 - (tick / WORD_EVERY * 37) % talkers
        });
        for phase in 0..PHASES {
            ticker.wait();
            for (number, leg) in legs.iter_mut().enumerate().take((phase + 1) * all / PHASES).skip(phase * all / PHASES) {
                let loud = word == Some(number);
                leg.speak(if loud { 8000 } else { 0 });
                if loud {
                    (said, heard) = (Some(clock::now()), [false; LISTENERS]);
                }
            }
            for (leg, heard) in legs.iter().zip(&mut heard) {
                if leg.listen() > 2000 && !std::mem::replace(heard, true) {
                    delays.extend(said.map(|said| clock::now() - said));
                }
            }
            if phase == 0 {
                for leg in legs.iter().skip(LISTENERS) {
                    leg.listen();
                }
            }
        }
    }
    delays.sort();
    let at = |share: f64| delays.get((delays.len() as f64 * share) as usize).map_or(f64::NAN, |delay| delay.as_secs_f64() * 1000.0);
    println!(
        "mix delay in a room of {all}: median {:.1} ms, p90 {:.1}, p99 {:.1}, from {} words heard of {}",
        at(0.5),
        at(0.9),
        at(0.99),
        delays.len(),
        WORDS * LISTENERS.min(all)
    );
}

impl Leg {
    fn new(number: usize, address: &str) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        socket.set_nonblocking(true).expect("non-blocking");
        Self { socket, to: address.parse().expect("an address"), header: rtp::HeaderWriter::new(number as u32 + 1, 0), timestamp: 0 }
    }

    fn speak(&mut self, value: i16) {
        let mut packet = [g711::encode_ulaw(value); 172];
        self.header.write(false, 0, self.timestamp, &mut packet);
        self.timestamp = self.timestamp.wrapping_add(160);
        // What is not taken is missing from what is heard.
        let _ = self.socket.send_to(&packet, self.to);
    }

    /// The loudest middle sample of the packets that wait.
    fn listen(&self) -> i16 {
        let (mut packet, mut loudest) = ([0; rtp::MAX_DATAGRAM], 0);
        while let Ok((length, _)) = self.socket.recv_from(&mut packet) {
            if let Ok(read) = rtp::Packet::parse(&packet[..length]) {
                loudest = loudest.max(read.payload.get(80).map_or(0, |&code| g711::decode_ulaw(code)));
            }
        }
        loudest
    }
}
