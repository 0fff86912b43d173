//! CPU per participant of the mixing engine, beside the floors of the same machine and run.
//!
//! `cargo bench --bench mixing` measures at 50, 200, 400 and 1,000 talkers; `cargo bench --bench mixing -- --help` says what else. Three processes: this one
//! (which reads the scheduler's accounts), a server on one core, a load generator on another. A run counts only if every leg received at least
//! 99.9 % of its packets and the spectra of ten legs hold all others and not themselves. `--delay 100` measures how long a sound takes through a room
//! of so many instead.
//!
//! The generator sends to any list of RTP addresses (`load --to FILE`), so that other mixers can be measured by the same.

#![expect(clippy::print_stdout, reason = "a bench tells its figures, and its processes talk by their outputs")]

mod check;
mod delay;
mod load;
mod serve;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};

const HELP: &str = "cargo bench --bench mixing -- [OPTIONS]
  --talkers 50,200,400,1000   participants, everyone talking
  --servers echo,tick,engine  what is measured: echo (tokio, a task per socket), tick (the engine's loop without media), unstamped (the
                              same without arrival times), engine
  --delay 100                 measure the delay of the mix in a room of so many instead
  --rooms 1                   rooms over which the participants are spread
  --seconds 5                 window, after two seconds of warming up
  --server-core 0 --load-core 1
  --runs 1                    repetitions
cargo bench --bench mixing -- serve echo|tick|engine LEGS ROOMS      prints one address per leg, ends with its input
cargo bench --bench mixing -- load --to FILE --seconds 5 --rooms 1   sends to the addresses of FILE (or - for stdin)
                              --announce N prints N addresses of its own first, --pid PID tells the CPU of that process";

/// What is asked for.
struct Options {
    talkers: Vec<usize>,
    servers: Vec<String>,
    rooms: usize,
    seconds: u64,
    cores: (usize, usize),
    runs: usize,
    delay: Option<usize>,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", what, legs, rooms] => serve::run(what, number(legs), number(rooms)),
        ["load", rest @ ..] => load::run(rest),
        ["pulses"] => delay::run(),
        ["--help" | "-h", ..] => println!("{HELP}"),
        // Under `cargo test --benches` there is nothing to measure.
        _ if !std::env::args().any(|arg| arg == "--bench") => println!("mixing: run by cargo bench"),
        rest => measure(&options(rest)),
    }
}

fn options(words: &[&str]) -> Options {
    let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let mut options = Options {
        talkers: vec![50, 200, 400, 1000],
        servers: list("echo,tick,engine"),
        rooms: 1,
        seconds: 5,
        cores: (0, 1),
        runs: 1,
        delay: None,
    };
    for pair in words.chunks(2) {
        match *pair {
            ["--talkers", value] => options.talkers = list(value).iter().map(|text| number(text)).collect(),
            ["--servers", value] => options.servers = list(value),
            ["--rooms", value] => options.rooms = number(value),
            ["--seconds", value] => options.seconds = number(value) as u64,
            ["--server-core", value] => options.cores.0 = number(value),
            ["--load-core", value] => options.cores.1 = number(value),
            ["--runs", value] => options.runs = number(value),
            ["--delay", value] => options.delay = Some(number(value)),
            // What cargo bench passes on to every bench: names to pick from.
            _ => {}
        }
    }
    options
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or_else(|_| panic!("{text} is not a number\n{HELP}"))
}

fn measure(options: &Options) {
    if let Some(legs) = options.delay {
        let (mut server, mut stdin, mut stdout) = start(&["serve", "engine", &legs.to_string(), "1"], options.cores.0);
        let (mut load, mut to, mut from) = start(&["pulses"], options.cores.1);
        for _ in 0..legs {
            let mut address = String::new();
            stdout.read_line(&mut address).expect("the server says where it listens");
            to.write_all(address.as_bytes()).expect("the generator reads");
        }
        drop(to);
        let mut told = String::new();
        from.read_line(&mut told).expect("the generator speaks");
        println!("{}", told.trim_end());
        stdin.write_all(b"\n\n").expect("the server reads");
        return drop((load.wait(), server.wait()));
    }
    println!(
        "| server | talkers | CPU % of a core | us per participant-second | participants per core | packets received | spectra | ticks late | longest |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for &talkers in &options.talkers {
        for server in &options.servers {
            for _ in 0..options.runs {
                println!("{}", run(server, talkers, options));
            }
        }
    }
}

/// One row of the table.
fn run(server: &str, talkers: usize, options: &Options) -> String {
    let rooms = options.rooms.to_string();
    let (mut child, mut stdin, mut stdout) = start(&["serve", server, &talkers.to_string(), &rooms], options.cores.0);
    let mut addresses = String::new();
    for _ in 0..talkers {
        stdout.read_line(&mut addresses).expect("the server says where it listens");
    }
    let seconds = options.seconds.to_string();
    let (mut load, mut to, mut from) = start(&["load", "--to", "-", "--seconds", &seconds, "--rooms", &rooms], options.cores.1);
    to.write_all(addresses.as_bytes()).expect("the generator reads");
    drop(to);
    let line = |from: &mut BufReader<ChildStdout>| {
        let mut line = String::new();
        from.read_line(&mut line).expect("the generator speaks");
        line.trim_end().to_owned()
    };
    assert_eq!(line(&mut from), "begin");
    let (before, start) = (cpu(child.id()), confkit::clock::now());
    assert_eq!(line(&mut from), "end");
    let (spent, window) = (cpu(child.id()) - before, confkit::clock::now() - start);
    let result = line(&mut from);
    load.wait().expect("the generator ends");
    stdin.write_all(b"\n").expect("the server reads");
    let about = line(&mut stdout);
    drop(stdin);
    child.wait().expect("the server ends");
    let share = spent.as_secs_f64() / window.as_secs_f64();
    let each = share * 1e6 / talkers as f64;
    let result: Vec<&str> = result.split('|').collect();
    // An echo mixes nothing.
    let spectra = if server == "engine" { result[1] } else { "-" };
    format!("| {server} | {talkers} | {:.1} | {each:.0} | {:.0} | {} | {spectra} | {about} |", share * 100.0, 1e6 / each, result[0])
}

fn start(args: &[&str], core: usize) -> (Child, ChildStdin, BufReader<ChildStdout>) {
    let program = std::env::current_exe().expect("this program has a path");
    let mut child =
        Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("this program can be run again");
    let mut set = CpuSet::new();
    // A machine with one core measures on it; the figures are then those of both.
    if set.set(core).is_ok() {
        let _ = sched_setaffinity(Pid::from_raw(child.id() as i32), &set);
    }
    let (stdin, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    (child, stdin, BufReader::new(stdout))
}

/// Exact run time of all threads of a process, as the scheduler counts it.
fn cpu(pid: u32) -> Duration {
    let mut nanoseconds = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).expect("the server runs").flatten() {
        let account = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        nanoseconds += account.split(' ').next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    }
    Duration::from_nanos(nanoseconds)
}
