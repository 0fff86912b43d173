//! What is measured: the engine, and two floors that move the same packets without mixing.

use std::{
    io::{Read as _, stdin},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use nix::sys::socket::{setsockopt, sockopt::ReceiveTimestampns};

use confkit::{
    clock,
    conference::media_server::{
        engine::{Engine, EngineConfig},
        plane::{Codec, LegMedia, MediaPlane as _, Mix, RoomId},
    },
    media::{
        io::{
            batch::{Batch, Moment},
            pair::Pair,
            ticker::Ticker,
        },
        mixer::Mixer,
    },
};

/// Serves until its input ends; prints an address per leg at its start, and what it has to say when it reads a byte.
pub fn run(what: &str, legs: usize, rooms: usize) {
    match what {
        "engine" => engine(legs, rooms),
        "tick" => tick(legs, true),
        "unstamped" => tick(legs, false),
        "echo" => echo(legs),
        _ => panic!("no such server: {what}"),
    }
}

fn engine(legs: usize, rooms: usize) {
    let mut engine = Engine::start(EngineConfig { threads: 1, ..EngineConfig::default() }).expect("the engine starts");
    let rooms: Vec<RoomId> = (0..rooms).map(|room| RoomId::new(&format!("room-{room}"))).collect();
    for leg in 0..legs {
        let room = &rooms[leg % rooms.len()];
        engine.open_room(room).expect("a room");
        let (leg, address) = engine.open_leg(room, Ipv4Addr::LOCALHOST.into()).expect("a leg");
        // Whoever sends first is the participant.
        let nobody = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        engine.connect_leg(leg, LegMedia { latch: true, ..LegMedia::new(nobody, Codec::Pcmu.format()) }).expect("media");
        engine.set_mix(leg, Mix::FULL).expect("a place in the mix");
        println!("{address}");
    }
    wait();
    let load = &engine.load()[0];
    println!("{} of {} | {:.1} ms", load.late, load.ticks, load.longest.as_secs_f64() * 1000.0);
    wait();
}

/// The engine's loop with nothing in it: batches in, the same packets out. With or without the kernel noting when packets came.
fn tick(legs: usize, stamped: bool) {
    let pairs: Vec<Pair> = (0..legs).map(|_| Pair::bind_any(Ipv4Addr::LOCALHOST.into()).expect("ports")).collect();
    pairs.iter().for_each(|pair| setsockopt(&pair.media, ReceiveTimestampns, &stamped).expect("an option"));
    pairs.iter().for_each(|pair| println!("{}", pair.local_addr().expect("bound")));
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = std::thread::spawn(move || {
        let (mut batch, mut ticker) = (Batch::new(), Ticker::start(Mixer::TICK));
        while !stopped.load(Ordering::Relaxed) {
            let moment = Moment { now: ticker.wait().now, wall: clock::wall() };
            for pair in &pairs {
                let _ = batch.drain(&pair.media, false, moment, |_, from, bytes| {
                    let _ = pair.media.send_to(bytes, from);
                });
            }
        }
        ticker.late()
    });
    wait();
    println!("- | -");
    wait();
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("the thread ends");
}

/// What comes to mind first: an asynchronous task per socket.
fn echo(legs: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let (tell, mut told) = tokio::sync::mpsc::channel::<()>(1);
    std::thread::spawn(move || {
        wait();
        println!("- | -");
        wait();
        drop(tell);
    });
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..legs {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
            socket.set_nonblocking(true).expect("non-blocking");
            let socket = tokio::net::UdpSocket::from_std(socket).expect("registered");
            println!("{}", socket.local_addr().expect("bound"));
            tasks.spawn(async move {
                let mut packet = [0; 2048];
                while let Ok((length, from)) = socket.recv_from(&mut packet).await {
                    let _ = socket.send_to(&packet[..length], from).await;
                }
            });
        }
        told.recv().await;
    });
}

/// Until a byte comes, or the end.
fn wait() {
    let _ = stdin().read(&mut [0]);
}
