//! The load: talkers on sockets of their own, each with a tone of its own, spread evenly over the 20 ms. They never sleep on their
//! sockets, so that the server's sending wakes nobody and the figures are the server's own.

use std::{
    io::Read as _,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use confkit::{
    clock,
    media::{g711, io::ticker::Ticker, rtp},
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::{check, cpu, number};

/// Sub-phases of a tick.
const PHASES: usize = 200;
/// Samples of a tick.
const FRAME: usize = 160;
/// Ticks before the window, in which both sides settle.
const WARM_UP: usize = 100;
/// Legs whose spectra are looked at.
const LOOKED_AT: usize = 10;

struct Talker {
    socket: UdpSocket,
    to: SocketAddr,
    header: rtp::HeaderWriter,
    timestamp: u32,
    /// A second of its tone, which is then the same again.
    voice: Vec<u8>,
    frequency: u32,
    room: usize,
    received: u64,
    /// What it heard last, where it is looked at.
    heard: Option<Vec<i16>>,
}

/// `load --to FILE|- --seconds S --rooms R --announce N --pid PID`
pub fn run(words: &[&str]) {
    let (mut to, mut seconds, mut rooms, mut sockets, mut pid) = ("-", 5, 1, Vec::new(), None);
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    for pair in words.chunks(2) {
        match *pair {
            ["--to", value] => to = value,
            ["--seconds", value] => seconds = number(value),
            ["--rooms", value] => rooms = number(value),
            // For servers that want to know where a participant is before they say where they are.
            ["--announce", value] => {
                sockets = (0..number(value)).map(|_| socket()).collect();
                sockets.iter().for_each(|socket| println!("{}", socket.local_addr().expect("bound")));
            }
            ["--pid", value] => pid = Some(number(value) as u32),
            _ => panic!("load does not know {pair:?}"),
        }
    }
    let mut text = String::new();
    match to {
        "-" => std::io::stdin().read_to_string(&mut text).map(drop),
        path => std::fs::read_to_string(path).map(|all| text = all),
    }
    .expect("the addresses can be read");
    let mut talkers = talkers(&text, rooms, sockets);
    let mut account = None;
    let ticks = seconds * 50;
    // Time that was lost is made up for, all of it: a talker's clock does not stop.
    let mut ticker = Ticker::start(Duration::from_micros(20_000 / PHASES as u64)).catching_up(u32::MAX);
    for tick in 0..WARM_UP + ticks {
        if tick == WARM_UP {
            talkers.iter_mut().for_each(|talker| talker.received = 0);
            println!("begin");
            account = pid.map(|pid| (cpu(pid), clock::now()));
        }
        for phase in 0..PHASES {
            ticker.wait();
            let all = talkers.len();
            let share = |phase: usize| phase * all / PHASES..(phase + 1) * all / PHASES;
            talkers[share(phase)].iter_mut().for_each(Talker::speak);
            // The others' packets are half a tick old.
            talkers[share((phase + PHASES / 2) % PHASES)].iter_mut().for_each(Talker::listen);
        }
    }
    println!("end");
    let spent = account.zip(pid).map(|((before, start), pid)| (cpu(pid) - before).as_secs_f64() / (clock::now() - start).as_secs_f64());
    let fewest = talkers.iter().map(|talker| talker.received).min().unwrap_or(0);
    let right = talkers.iter().filter(|talker| talker.received * 1000 >= ticks as u64 * 999 - 1000).count();
    let voices: Vec<check::Voice<'_>> = talkers
        .iter()
        .map(|talker| check::Voice { frequency: talker.frequency, room: talker.room, heard: talker.heard.as_deref() })
        .collect();
    let wrong = check::faults(&voices, amplitude(talkers.len() / rooms.max(1)));
    let spectra =
        if wrong.is_empty() { format!("{} right", voices.iter().filter(|voice| voice.heard.is_some()).count()) } else { wrong.join("; ") };
    println!("fewest {fewest} of {ticks}, {right} legs of {} at 99.9 % (generator late {}) | {spectra}", talkers.len(), ticker.late());
    if let Some(spent) = spent {
        println!("CPU of the server: {:.1} %, {:.0} us per participant-second", spent * 100.0, spent * 1e6 / talkers.len() as f64);
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    socket.set_nonblocking(true).expect("non-blocking");
    socket
}

fn talkers(addresses: &str, rooms: usize, sockets: Vec<UdpSocket>) -> Vec<Talker> {
    let mut sockets = sockets.into_iter();
    let addresses: Vec<SocketAddr> = addresses.lines().map(|line| line.parse().expect("an address a line")).collect();
    let all = addresses.len();
    let of_a_room = all.div_ceil(rooms);
    let looked_at: Vec<usize> = (0..LOOKED_AT.min(all)).map(|number| (number * 7919 + 3) % all).collect();
    let make = |(number, to): (usize, SocketAddr)| {
        let socket = sockets.next().unwrap_or_else(socket);
        // Whole hertz, all different within a room, so that a second of sound tells them apart exactly.
        let frequency = 200 + (number / rooms * 3400 / of_a_room) as u32;
        let turn = f64::from(frequency) * std::f64::consts::TAU / 8000.0;
        let phase = number as f64 * 2.4;
        let loud = amplitude(of_a_room);
        let voice = (0..8000).map(|at| g711::encode_ulaw((loud * (phase + turn * f64::from(at)).sin()) as i16)).collect();
        Talker {
            socket,
            to,
            header: rtp::HeaderWriter::new(number as u32 + 1, number as u16),
            timestamp: (number * 10 * FRAME) as u32,
            voice,
            frequency,
            room: number % rooms,
            received: 0,
            heard: looked_at.contains(&number).then(Vec::new),
        }
    };
    addresses.into_iter().enumerate().map(make).collect()
}

/// As loud as so many can be together without clipping.
fn amplitude(talkers: usize) -> f64 {
    22_000.0 / (4.2 * (talkers.max(2) as f64 / 2.0).sqrt())
}

impl Talker {
    fn speak(&mut self) {
        let mut packet = [0; rtp::HEADER_LENGTH + FRAME];
        self.header.write(false, 0, self.timestamp, &mut packet);
        let at = self.timestamp as usize % self.voice.len();
        packet[rtp::HEADER_LENGTH..].copy_from_slice(&self.voice[at..at + FRAME]);
        self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
        // What the server's port does not take is counted by who should have heard it.
        let _ = self.socket.send_to(&packet, self.to);
    }

    fn listen(&mut self) {
        let mut packet = [0; rtp::MAX_DATAGRAM];
        while let Ok((length, _)) = self.socket.recv_from(&mut packet) {
            let Ok(read) = rtp::Packet::parse(&packet[..length]) else { continue };
            self.received += 1;
            if let Some(heard) = &mut self.heard {
                heard.extend(read.payload.iter().map(|&code| g711::decode_ulaw(code)));
                let surplus = heard.len().saturating_sub(check::WINDOW);
                heard.drain(..surplus);
            }
        }
    }
}
