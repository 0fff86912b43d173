//! Files through a relay channel by the real programs, beside programs that do less and programs of others: how fast, at what cost, how soon,
//! and how many at once.
//!
//! `cargo bench --bench channels` runs all of it; `cargo bench --bench channels -- --help` says what else; `benches/side-by-side/relay.sh` runs
//! it in a network of its own, with the programs of others. `relayd`, `fshare send` and `fshare recv` are the programs of the same build. The
//! programs that do less are this one, started again (`bare`). What is measured, and what was found: `docs/channels.md`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench tells its figures, and its processes talk by their outputs")]

mod bare;
mod calls;
mod crowd;
#[path = "../ground/files.rs"]
mod files;
mod latency;
mod peers;
mod place;
#[path = "../ground/process.rs"]
#[expect(dead_code, reason = "other benches watch over processes more closely")]
mod process;
#[path = "../ground/programs.rs"]
#[expect(dead_code, reason = "nothing here speaks to a conference")]
mod programs;
mod seats;
mod small;
mod targets;
mod throughput;

use std::{path::PathBuf, sync::mpsc, time::Duration};

const HELP: &str = "cargo bench --bench channels -- [WHAT] [OPTIONS]
  WHAT                 one of the following; all of them otherwise
    throughput         floors, relayd as a mere relay, fshare send and recv, wormhole-rs, in turn: GiB/s, CPU per GiB
    latency            code shown, first byte, a small file, the other side killed
    calls              system calls per MiB of sender and receiver, by strace
    small              10,000 files of 4 KiB, beside an rsync daemon
    crowd              1,000 idle and 200 busy channels at once: memory of the relay, slowest to median
  --folder DIR         where files are (/dev/shm, where there is one)
  --mebibytes 1024     size of the file, of throughput
  --runs 3             repetitions of throughput and of small
  --files 10000        files of small
  --idle 1000          idle channels of crowd
  --busy 200           busy ones
  --seconds 10         window of crowd, after two seconds of warming up
RELAYD and FSHARE name other programs than those of this build. WORMHOLE names wormhole-rs, and TWIST the twist of an environment in
which magic-wormhole-mailbox-server and magic-wormhole-transit-relay are installed. RSYNC and STRACE name those.";

/// What is asked for.
pub struct Options {
    what: Option<String>,
    folder: PathBuf,
    mebibytes: u64,
    runs: usize,
    files: usize,
    idle: usize,
    busy: usize,
    seconds: u64,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["bare", rest @ ..] => {
            process::end_with_parent();
            bare::run(rest);
        }
        ["--help" | "-h", ..] => println!("{HELP}"),
        // Under `cargo test --benches` there is nothing to measure.
        _ if !std::env::args().any(|arg| arg == "--bench") => println!("channels: run by cargo bench"),
        rest => measure(&options(rest)),
    }
}

fn options(words: &[&str]) -> Options {
    let shared_memory = PathBuf::from("/dev/shm");
    let folder = if shared_memory.is_dir() { shared_memory } else { std::env::temp_dir() };
    let mut options = Options { what: None, folder, mebibytes: 1024, runs: 3, files: 10_000, idle: 1000, busy: 200, seconds: 10 };
    let mut words = words.iter();
    while let Some(&word) = words.next() {
        let mut value = || *words.next().unwrap_or_else(|| panic!("{word} wants a value\n{HELP}"));
        match word {
            "--folder" => options.folder = value().into(),
            "--mebibytes" => options.mebibytes = number(value()),
            "--runs" => options.runs = number(value()) as usize,
            "--files" => options.files = number(value()) as usize,
            "--idle" => options.idle = number(value()) as usize,
            "--busy" => options.busy = number(value()) as usize,
            "--seconds" => options.seconds = number(value()).min(600),
            "throughput" | "latency" | "calls" | "small" | "crowd" => options.what = Some(word.to_owned()),
            // What cargo bench passes on to every bench: names to pick from.
            _ => {}
        }
    }
    options
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text} is not a number\n{HELP}"))
}

/// A measurement that takes longer than this has failed.
const LONGEST: Duration = Duration::from_secs(900);

fn measure(options: &Options) {
    let (over, watched) = mpsc::sync_channel::<()>(1);
    std::thread::spawn(move || {
        if watched.recv_timeout(LONGEST) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("channels: not done after {} s", LONGEST.as_secs());
            std::process::exit(1);
        }
    });
    println!("{}\n", process::machine(&options.folder));
    let wanted = |what: &str| options.what.as_deref().is_none_or(|only| only == what);
    if wanted("throughput") {
        throughput::run(options);
    }
    if wanted("latency") {
        latency::run(options);
    }
    if wanted("calls") {
        calls::run(options);
    }
    if wanted("small") {
        small::run(options);
    }
    if wanted("crowd") {
        crowd::run(options);
    }
    drop(over);
}
