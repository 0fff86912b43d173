//! Many channels at once on one relay: most are idle, some are busy. Terminals are tasks of this process, with four connections to a channel as
//! real ones have: a control connection each and a data connection each.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use confkit::channel::{
    Peer,
    client::{Connection, RelayError},
    wire::{Message, Role, answer::Allocated},
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::{JoinSet, yield_now},
    time::sleep,
};

use crate::{
    Options,
    bare::runtime,
    place::Place,
    process::{self, cpu, resident_memory},
    seats,
    targets::{Wanted, heading, line},
};

/// What a busy terminal writes and reads at once, in bytes.
const PIECE: usize = 256 * 1024;
/// Channels that are set up at the same time.
const AT_ONCE: usize = 32;
/// Connections of a channel.
const CONNECTIONS: usize = 4;
/// What is busy is not looked at for so long.
const WARMING_UP: Duration = Duration::from_secs(2);

pub fn run(options: &Options) {
    raise_limit();
    let settings = [
        ("RELAYD_RELAY_CHANNELS_PER_USER", "100000"),
        ("RELAYD_RELAY_APPLICATIONS_PER_MINUTE", "100000"),
        ("RELAYD_RELAY_CONNECTIONS", "100000"),
        ("RELAYD_RELAY_CONNECTIONS_PER_ADDRESS", "100000"),
    ];
    let place = Place::new(&options.folder, &settings);
    println!("{} idle and {} busy channels at once on one relay, load {}:\n", options.idle, options.busy, process::load());
    println!(
        "| | sockets of the relay (`ss -tn`) | VmRSS, MiB | memory for bytes on their way, MiB | kernel's TCP memory of both sides, MiB |"
    );
    println!("|---|---|---|---|---|");
    runtime().block_on(measure(options, &place));
    println!();
}

/// Both programs have a descriptor for each connection.
fn raise_limit() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("what is permitted");
}

/// Both sides of a channel.
struct Channel {
    controls: [Connection; 2],
    source: TcpStream,
    sink: TcpStream,
}

async fn channel(relay: Arc<str>) -> Result<Channel, RelayError> {
    let mut sender = seats::open(&relay).await?;
    let Allocated { channel, key, .. } = seats::apply(&mut sender).await?;
    seats::enter(&mut sender, channel, &key, Role::Sender).await?;
    let mut receiver = seats::open(&relay).await?;
    let seat = seats::enter(&mut receiver, channel, &key, Role::Receiver).await?;
    let to = seats::receiver(&mut sender).await?;
    let (source, sink) =
        tokio::join!(seats::join(&relay, channel, &key, Peer::SENDER, vec![to]), seats::join(&relay, channel, &key, seat, Vec::new()));
    // Nothing is sent before both are there.
    Ok(Channel { controls: [sender, receiver], source: source?.0, sink: sink?.0 })
}

async fn channels(relay: &str, count: usize) -> Vec<Channel> {
    let (relay, mut making, mut made) = (Arc::<str>::from(relay), JoinSet::new(), Vec::new());
    while made.len() < count {
        while making.len() < AT_ONCE && made.len() + making.len() < count {
            making.spawn(channel(Arc::clone(&relay)));
        }
        if let Some(channel) = making.join_next().await {
            made.push(channel.expect("a task").unwrap_or_else(|error| panic!("channel {}: {error}", made.len())));
        }
    }
    made
}

/// The numbers of a moment.
struct Moment {
    resident: f64,
    buffers: f64,
}

fn look(what: &str, place: &Place, expected: usize) -> Moment {
    let mebibytes = 1024.0 * 1024.0;
    let moment =
        Moment { resident: resident_memory(place.relay.pid()), buffers: place.number("confkit_relay_memory_bytes") as f64 / mebibytes };
    let sockets = sockets(place).map_or_else(|| "no ss here".to_owned(), |count| count.to_string());
    let kernel = std::fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let mut words = kernel.lines().find(|line| line.starts_with("TCP:")).unwrap_or_default().split(' ').skip_while(|word| *word != "mem");
    let pages = words.nth(1).and_then(|pages| pages.parse::<f64>().ok()).unwrap_or(f64::NAN);
    println!("| {what} | {sockets} of {expected} | {:.1} | {:.1} | {:.0} |", moment.resident, moment.buffers, pages * 4096.0 / mebibytes);
    moment
}

fn sockets(place: &Place) -> Option<usize> {
    let port = place.address.rsplit(':').next()?;
    let told = Command::new("ss").args(["-tnH", "state", "established", "sport", "=", &format!(":{port}")]).output().ok()?;
    Some(String::from_utf8_lossy(&told.stdout).lines().count())
}

async fn measure(options: &Options, place: &Place) {
    let before = look("nobody", place, 0);
    let idle = channels(&place.address, options.idle).await;
    let lost = Arc::<AtomicUsize>::default();
    let mut tasks = JoinSet::new();
    let mut quiet = Vec::new();
    for Channel { controls, source, sink } in idle {
        quiet.push((source, sink));
        watch(&mut tasks, controls, &lost);
    }
    // The memory that setting up took is given back when data connections have been idle for a second.
    sleep(WARMING_UP).await;
    let waiting = look("idle channels", place, options.idle * CONNECTIONS);
    let (noise, mut counts) = (Arc::new(noise()), Vec::new());
    for (number, Channel { controls, source, sink }) in channels(&place.address, options.busy).await.into_iter().enumerate() {
        let count = Arc::<AtomicU64>::default();
        watch(&mut tasks, controls, &lost);
        tasks.spawn(pour(source, Arc::clone(&noise), number));
        tasks.spawn(drink(sink, Arc::clone(&noise), number, Arc::clone(&count), Arc::clone(&lost)));
        counts.push(count);
    }
    sleep(WARMING_UP).await;
    let (at_first, spent) = (read(&counts), cpu(place.relay.pid()));
    let (half, mut peak) = (Duration::from_millis(options.seconds * 500), 0f64);
    let began = confkit::clock::now();
    while began.elapsed() < half {
        sleep(Duration::from_millis(100)).await;
        peak = peak.max(resident_memory(place.relay.pid()));
    }
    let busy = look("idle and busy channels", place, (options.idle + options.busy) * CONNECTIONS);
    while began.elapsed() < half * 2 {
        sleep(Duration::from_millis(100)).await;
        peak = peak.max(resident_memory(place.relay.pid()));
    }
    let window = began.elapsed().as_secs_f64();
    let spent = (cpu(place.relay.pid()) - spent).as_secs_f64();
    let mut carried: Vec<f64> = read(&counts).iter().zip(&at_first).map(|(now, then)| (now - then) as f64).collect();
    carried.sort_by(f64::total_cmp);
    let lost = lost.load(Ordering::Relaxed);
    drop((tasks, quiet));
    told(options, [&before, &waiting, &busy], peak, &carried, (window, spent));
    assert_eq!(lost, 0, "channels broke, or carried what was not sent");
}

fn told(options: &Options, [before, waiting, busy]: [&Moment; 3], peak: f64, carried: &[f64], (window, spent): (f64, f64)) {
    let (idle_ones, busy_ones) = (options.idle.max(1) as f64, options.busy.max(1) as f64);
    let peak = peak.max(busy.resident);
    heading();
    line("a busy channel, memory of the relay at its most", &Wanted::AtMost(2.0, None), &[(peak - waiting.resident) / busy_ones], " MiB");
    let (slowest, median, fastest) = match carried {
        [] => return,
        [first, .., last] => (*first, carried[carried.len() / 2], *last),
        [one] => (*one, *one, *one),
    };
    line("the slowest busy channel to the median", &Wanted::AtLeast(0.5, None), &[slowest / median], "");
    let (gibibyte, all) = (f64::from(1 << 30), carried.iter().sum::<f64>());
    println!(
        "\nAn idle channel takes {:.1} KiB, a busy one {:.2} MiB of buffers. In {window:.1} s {:.2} GiB/s in all; a channel {:.2} to {:.2} MiB/s, median {:.2}; \
         the relay took {:.2} CPU s per GiB. Every byte was compared.",
        (waiting.resident - before.resident) / idle_ones * 1024.0,
        busy.buffers / busy_ones,
        all / gibibyte / window,
        slowest / window / 1048576.0,
        fastest / window / 1048576.0,
        median / window / 1048576.0,
        spent / (all / gibibyte),
    );
}

fn read(counts: &[Arc<AtomicU64>]) -> Vec<u64> {
    counts.iter().map(|count| count.load(Ordering::Relaxed)).collect()
}

/// Answers what the relay asks. It says nothing else, unless something is lost.
fn watch(tasks: &mut JoinSet<()>, controls: [Connection; 2], lost: &Arc<AtomicUsize>) {
    for mut control in controls {
        let lost = Arc::clone(lost);
        tasks.spawn(async move {
            loop {
                match control.next().await {
                    Ok(Message::Met(_) | Message::Pace(_)) => {}
                    _ => {
                        lost.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                }
            }
        });
    }
}

/// Twice the same, so that a piece can begin anywhere in the first half.
fn noise() -> Vec<u8> {
    let mut noise = vec![0; PIECE];
    blake3::Hasher::new().update(b"busy channels").finalize_xof().fill(&mut noise);
    noise.repeat(2)
}

/// Where the stream of a channel begins: those of two channels are never the same.
fn start(number: usize) -> usize {
    number * 1021 % PIECE
}

async fn pour(mut to: TcpStream, noise: Arc<Vec<u8>>, number: usize) {
    let start = start(number);
    // It ends with this program. No channel is to be ahead of the others because of us.
    while to.write_all(&noise[start..start + PIECE]).await.is_ok() {
        yield_now().await;
    }
}

async fn drink(mut from: TcpStream, noise: Arc<Vec<u8>>, number: usize, count: Arc<AtomicU64>, lost: Arc<AtomicUsize>) {
    let (mut piece, mut at) = (vec![0; PIECE], start(number));
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        if piece[..read] != noise[at..at + read] {
            lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        at = (at + read) % PIECE;
        count.fetch_add(read as u64, Ordering::Relaxed);
        yield_now().await;
    }
    lost.fetch_add(1, Ordering::Relaxed);
}
