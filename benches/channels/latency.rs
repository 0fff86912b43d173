//! How soon: the code, the first byte, a small file, and that the other side is gone.

use std::{
    fs::{self, File},
    io::Read as _,
    time::Instant,
};

use confkit::clock;

use crate::{
    Options,
    files::{fill, hash_in},
    place::{Place, code, event},
    process,
    targets::{Wanted, heading, line},
};

/// How often each is done.
const TIMES: usize = 7;

pub fn run(options: &Options) {
    println!("How soon, {TIMES} times each, load {}:", process::load());
    heading();
    let place = Place::new(&options.folder, &[]);
    let each = |once: &dyn Fn(&Place) -> f64| -> Vec<f64> { (0..TIMES).map(|_| once(&place)).collect() };
    line("code shown after the start of `fshare send`, 100 GiB", &Wanted::AtMost(200.0, None), &each(&shown), " ms");
    line("first byte from `fshare recv` after the sender knew that it comes", &Wanted::AtMost(50.0, None), &each(&first), " ms");
    line("1 MiB, from the start of `fshare recv` to its end", &Wanted::AtMost(100.0, None), &each(&small), " ms");
    line("`fshare send` killed, until `fshare recv` has ended", &Wanted::AtMost(1000.0, None), &each(&|place| killed(place, true)), " ms");
    line("`fshare recv` killed, until `fshare send` has ended", &Wanted::AtMost(1000.0, None), &each(&|place| killed(place, false)), " ms");
    println!();
}

fn milliseconds(since: Instant) -> f64 {
    clock::now().saturating_duration_since(since).as_secs_f64() * 1000.0
}

/// A hole: what is in it does not matter to whoever does not read it.
fn hole(place: &Place, name: &str, gibibytes: u64) -> std::path::PathBuf {
    let path = place.path(name);
    File::create(&path).and_then(|file| file.set_len(gibibytes << 30)).expect("a file");
    path
}

fn shown(place: &Place) -> f64 {
    let file = hole(place, "hole", 100);
    let began = clock::now();
    let mut sender = place.send(&[], &file, &[]);
    code(&mut sender);
    milliseconds(began)
}

/// By then both have entered, and neither has joined with a data connection.
fn first(place: &Place) -> f64 {
    let file = place.path("first");
    fill(&file, 4);
    let mut sender = place.send(&[], &file, &[]);
    let code = code(&mut sender);
    let mut receiver = place.recv(&[], &code, "-".as_ref());
    event(&mut sender, "begun");
    let began = clock::now();
    let mut came = vec![0];
    let output = receiver.output.as_mut().expect("its output");
    output.read_exact(&mut came).expect("a byte");
    let time = milliseconds(began);
    output.read_to_end(&mut came).expect("the others");
    receiver.end();
    sender.end();
    assert!(came == fs::read(&file).expect("a file"), "what came is not what was sent");
    time
}

fn small(place: &Place) -> f64 {
    let (file, received) = (place.path("small"), place.received());
    let expected = fill(&file, 1);
    let mut sender = place.send(&[], &file, &[]);
    let code = code(&mut sender);
    let began = clock::now();
    let ended = place.recv(&[], &code, &received).end();
    sender.end();
    assert_eq!(hash_in(&received), expected, "what came is not what was sent");
    fs::remove_file(received.join("small")).expect("removed");
    ended.at.saturating_duration_since(began).as_secs_f64() * 1000.0
}

/// In the middle of a transfer: until the other one says that it is broken off. It would wait for who was killed.
fn killed(place: &Place, sender_dies: bool) -> f64 {
    let file = hole(place, "hole", 4);
    let mut sender = place.send(&[], &file, &["--limit", "64MiB/s"]);
    let code = code(&mut sender);
    let mut receiver = place.recv(&[], &code, &place.path("unfinished"));
    event(&mut receiver, "progress");
    let (mut dies, mut lives) = if sender_dies { (sender, receiver) } else { (receiver, sender) };
    let began = clock::now();
    dies.kill();
    event(&mut lives, "broken");
    let known = clock::now();
    lives.kill();
    // Whatever is left of it.
    let _ = fs::remove_dir_all(place.path("unfinished"));
    known.saturating_duration_since(began).as_secs_f64() * 1000.0
}
