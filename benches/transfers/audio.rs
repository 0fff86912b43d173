//! Audio while files move: 20 talkers in a conference, and ten of its members download at full speed from the same process. Without downloads; with
//! a limit of bandwidth; without one.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use confkit::clock;

use crate::{
    Options,
    place::Place,
    process::{self, Program},
    talkers::{Heard, Talkers},
};

/// Talkers, and members who download.
const TALKERS: usize = 20;
/// See above.
const MEMBERS: usize = 10;
/// What is shared, in MiB, for each second of the window: so that it is still on its way at the end.
const MEBIBYTES: u64 = 300;

pub fn run(options: &Options) {
    println!("{TALKERS} talkers, {MEMBERS} members who download what one shares, one relayd, windows of {} s:\n", options.seconds);
    println!(
        "| media thread | downloads | MiB/s to members | packets sent to the server | thrown away there | packets received, of | missing by number | words heard | \
         mix delay: median, ms | p99 | worst | later than the most punctual: p99, ms | worst | generator late | load |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for realtime in [true, false] {
        row(options, "none", None, realtime);
        row(options, &format!("limited to {}", options.limit), Some(&options.limit), realtime);
        row(options, "unlimited", Some("none"), realtime);
    }
    println!();
}

/// One window. Without a limit to set, nobody downloads.
fn row(options: &Options, what: &str, limit: Option<&str>, realtime: bool) {
    let place = Place::together(&options.folder, MEMBERS + 1, &[("RELAYD_FILES_SHARE_BANDWIDTH", limit.unwrap_or("none"))], realtime);
    let what = &format!("{} | {what}", if realtime { "real-time" } else { "ordinary" });
    let talkers = Talkers::enter(&place.hall(), TALKERS);
    let mut moving: Vec<Program> = Vec::new();
    if limit.is_some() {
        let file = place.path("file");
        let bytes = MEBIBYTES * options.seconds * 1024 * 1024;
        // A hole: what is in it does not matter to whoever carries it.
        File::create(&file).and_then(|file| file.set_len(bytes)).expect("a file");
        moving.extend((1..=MEMBERS).map(|number| place.listener(number)));
        let mut sharer = place.share(&file, &[]);
        sharer.line();
        moving.push(sharer);
    }
    let load = process::load();
    let mut began: Option<(Instant, f64)> = None;
    let heard = talkers.talk(options.seconds, || began = Some((clock::now(), delivered(&place))));
    let (since, before) = began.expect("it began");
    let rate = (delivered(&place) - before) / since.elapsed().as_secs_f64() / 1024.0 / 1024.0;
    // A window in which they were done measures something else.
    let lasting = moving.iter_mut().all(Program::is_running);
    // However far they are.
    drop(moving);
    told(options, what, rate, lasting, &heard, &load);
}

fn told(options: &Options, what: &str, rate: f64, lasting: bool, heard: &Heard, load: &str) {
    let due = TALKERS as u64 * options.seconds * 50;
    let at = |times: &[Duration], share: f64| {
        let index = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
        times.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
    };
    let (delays, lateness) = (&heard.delays, &heard.lateness);
    println!(
        "| {what}{} | {rate:.0} | {} | {} | {} of {due} ({} thrown away here) | {} | {} of {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {} | {load} |",
        if lasting { "" } else { " (ended before the window)" },
        heard.sent,
        heard.dropped[0],
        heard.received,
        heard.dropped[1],
        heard.missing,
        heard.words.1,
        heard.words.0,
        at(delays, 0.5),
        at(delays, 0.99),
        at(delays, 1.0),
        at(lateness, 0.99),
        at(lateness, 1.0),
        heard.late,
    );
}

/// Bytes of files that went out to members.
fn delivered(place: &Place) -> f64 {
    let address = place.web();
    let mut stream = TcpStream::connect(&address).expect("it listens");
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let value = text.lines().find_map(|line| line.strip_prefix("confkit_file_bytes_out_total "));
    value.and_then(|value| value.parse().ok()).expect("a number")
}
