//! How often the system is called, by `strace`.

use std::{fs, path::Path, process::Command};

use crate::{
    Options,
    files::{fill, hash_in},
    place::{Place, code},
    process,
    targets::{Wanted, heading, line},
};

/// What is sent under `strace`, which makes it slow.
const MEBIBYTES: u64 = 256;

pub fn run(options: &Options) {
    let strace = std::env::var("STRACE").unwrap_or_else(|_| "strace".to_owned());
    if Command::new(&strace).arg("-V").output().is_err() {
        return println!("System calls are not counted: {strace} is missing.\n");
    }
    println!("System calls, {MEBIBYTES} MiB, all of both programs, from start to end, under `strace -f -c`, load {}:", process::load());
    let place = Place::new(&options.folder, &[]);
    let file = place.path("file");
    let expected = fill(&file, MEBIBYTES);
    let counts = [place.path("sender.calls"), place.path("receiver.calls")];
    let [sent, received] = counts.each_ref().map(|path| path.to_str().expect("text"));
    let traced = |path| [strace.as_str(), "-f", "-c", "-U", "calls,name", "-o", path];
    let mut sender = place.send(&traced(sent), &file, &[]);
    let code = code(&mut sender);
    let receiver = place.recv(&traced(received), &code, &place.received());
    receiver.end();
    sender.end();
    assert_eq!(hash_in(&place.received()), expected, "what came is not what was sent");
    heading();
    let [sent, received] = counts.map(|path| counted(&path));
    let each = |count: u64| [count as f64 / MEBIBYTES as f64];
    line("`fshare send`, a MiB", &Wanted::AtMost(8.0, None), &each(sent.0), "");
    line("`fshare recv`, a MiB", &Wanted::AtMost(12.0, None), &each(received.0), "");
    println!("\nThe most of the sender: {}; of the receiver: {}.\n", sent.1, received.1);
}

/// How many, and which most.
fn counted(path: &Path) -> (u64, String) {
    let text = fs::read_to_string(path).expect("what strace has counted");
    let mut calls: Vec<(u64, &str)> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.parse().ok()?, words.next()?))
        })
        .collect();
    calls.sort_unstable();
    let total = calls.iter().rposition(|(_, name)| *name == "total").map(|at| calls.remove(at).0).expect("a sum");
    let most: Vec<String> = calls.iter().rev().take(6).map(|(count, name)| format!("{name} {count}")).collect();
    (total, most.join(", "))
}
