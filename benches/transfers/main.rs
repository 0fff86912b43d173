//! File sharing by the real programs over loopback, beside programs that do less: how fast, at what cost, and whether the audio minds.
//!
//! `cargo bench --bench transfers` runs all of it; `cargo bench --bench transfers -- --help` says what else. `relayd`, `fshare share` and `fshare get`
//! are the programs of the same build. The programs beside them are this one, started again (`bare`, `plain`). What is measured, and what was
//! found: `docs/transfers.md`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench tells its figures, and its processes talk by their outputs")]

mod audio;
mod bare;
mod crowd;
#[path = "../ground/files.rs"]
mod files;
mod place;
mod plain;
#[path = "../ground/process.rs"]
#[expect(dead_code, reason = "the bench of channels kills its programs, too")]
mod process;
#[path = "../ground/programs.rs"]
mod programs;
mod talkers;
mod throughput;

use std::{path::PathBuf, sync::mpsc, time::Duration};

const HELP: &str = "cargo bench --bench transfers -- [WHAT] [OPTIONS]
  WHAT                 one of the following; all of them otherwise
    throughput         an upload and a download, a bare pipeline that does the same work, a plain pass-through copy: GiB/s, CPU per GiB
    first              the sharer held to 1 MiB/s: when the first byte is at a receiver
    crowd              64 MiB to 100 members, then 1 GiB to 4: all verified, peak memory of the file server
    audio              20 talkers while 10 members download: packets lost, delay; without downloads, with a limit, without one
  --folder DIR         where everything is stored: DIR decides whether a disk is measured (/dev/shm, where there is one)
  --mebibytes 1024     size of the file, of throughput and of crowd's second part
  --members 100        members of crowd's first part
  --runs 3             repetitions of throughput
  --seconds 10         window of audio, after two seconds of warming up
  --limit 20MiB        files.share_bandwidth in the run of audio that has a limit
RELAYD, CONFCTL and FSHARE name other programs than those of this build.";

/// What is asked for.
pub struct Options {
    what: Option<String>,
    folder: PathBuf,
    mebibytes: u64,
    members: usize,
    runs: usize,
    seconds: u64,
    limit: String,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        [what @ ("bare" | "plain"), rest @ ..] => {
            process::end_with_parent();
            if *what == "bare" { bare::run(rest) } else { plain::run(rest) }
        }
        ["--help" | "-h", ..] => println!("{HELP}"),
        // Under `cargo test --benches` there is nothing to measure.
        _ if !std::env::args().any(|arg| arg == "--bench") => println!("transfers: run by cargo bench"),
        rest => measure(&options(rest)),
    }
}

fn options(words: &[&str]) -> Options {
    let shared_memory = PathBuf::from("/dev/shm");
    let folder = if shared_memory.is_dir() { shared_memory } else { std::env::temp_dir() };
    let mut options = Options { what: None, folder, mebibytes: 1024, members: 100, runs: 3, seconds: 10, limit: "20MiB".to_owned() };
    let mut words = words.iter();
    while let Some(&word) = words.next() {
        let mut value = || *words.next().unwrap_or_else(|| panic!("{word} wants a value\n{HELP}"));
        match word {
            "--folder" => options.folder = value().into(),
            "--mebibytes" => options.mebibytes = number(value()),
            "--members" => options.members = number(value()) as usize,
            "--runs" => options.runs = number(value()) as usize,
            "--seconds" => options.seconds = number(value()).min(600),
            "--limit" => options.limit = value().to_owned(),
            "throughput" | "first" | "crowd" | "audio" => options.what = Some(word.to_owned()),
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
            eprintln!("transfers: not done after {} s", LONGEST.as_secs());
            std::process::exit(1);
        }
    });
    println!("{}\n", process::machine(&options.folder));
    let wanted = |what: &str| options.what.as_deref().is_none_or(|only| only == what);
    if wanted("throughput") {
        throughput::run(options);
    }
    if wanted("first") {
        throughput::first(options);
    }
    if wanted("crowd") {
        crowd::run(options);
    }
    if wanted("audio") {
        audio::run(options);
    }
    drop(over);
}
