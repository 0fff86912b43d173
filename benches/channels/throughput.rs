//! One large file by each in turn, so that whatever else the machine does is the same for all.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use confkit::{
    channel::{client::chunk_of, wire::chunk::HEADER},
    clock,
    transfer::seal::TAG_LEN,
};

use crate::{
    Options,
    files::{fill, hash, hash_in},
    peers::Wormhole,
    place::{Place, code, event},
    process::{self, Program, cpu, own},
    targets::{Row, told},
};

/// What is sent.
pub struct Sample {
    pub folder: PathBuf,
    pub file: PathBuf,
    pub hash: blake3::Hash,
    pub bytes: u64,
}

pub fn run(options: &Options) {
    let source = tempfile::tempdir_in(&options.folder).expect("a folder");
    let file = source.path().join("file");
    let hash = fill(&file, options.mebibytes);
    let sample = Sample { folder: options.folder.clone(), file, hash, bytes: options.mebibytes * 1024 * 1024 };
    let gibibytes = options.mebibytes as f64 / 1024.0;
    let wormhole = Wormhole::find(&options.folder).map_err(|why| println!("wormhole-rs is not measured: {why}\n")).ok();
    println!(
        "{gibibytes} GiB, {} runs in turn. Every file that came was compared with what was sent; without files the bytes were counted.\n",
        options.runs
    );
    println!("| run | what | GiB/s | GiB/s from the first byte | CPU s per GiB: sender | receiver | relay | sum | load |");
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut runs = Vec::new();
    for run in 1..=options.runs {
        let mut rows = vec![raw(&sample), passed(&sample), relayed(&sample), sealed(&sample), ours(&sample)];
        rows.extend(wormhole.as_ref().map(|wormhole| wormhole.transfer(&sample)));
        for row in &rows {
            row.print(run, gibibytes);
        }
        runs.push(rows);
    }
    told(&runs, gibibytes);
    counted(&sample, &runs);
}

/// No relay, no files: loopback TCP.
fn raw(sample: &Sample) -> Row {
    let mut sink = own("bare sink", &["bare", "drain"]);
    let address = sink.line();
    let (load, began) = (process::load(), clock::now());
    let source = own("bare source", &["bare", "fill", &address, &sample.bytes.to_string()]);
    let (source, sink, at) = drained(source, sink, sample);
    Row::new("loopback TCP", began, at, [source, sink, Duration::ZERO], load)
}

/// Ends both, once all bytes were counted. Gives their processor times, and when the sink had all.
fn drained(source: Program, mut sink: Program, sample: &Sample) -> (Duration, Duration, Instant) {
    let count = sink.line();
    let at = clock::now();
    assert_eq!(count, sample.bytes.to_string(), "what came is not what was sent");
    (source.end().cpu, sink.end().cpu, at)
}

/// Both legs of a bare relay, which ends with its connections.
fn pass() -> (Program, String, String) {
    let mut relay = own("bare relay", &["bare", "pass"]);
    let told = relay.line();
    let (from, to) = told.split_once(' ').expect("two addresses");
    let (from, to) = (from.to_owned(), to.to_owned());
    (relay, from, to)
}

fn passed(sample: &Sample) -> Row {
    let (relay, from, to) = pass();
    let mut sink = own("bare sink", &["bare", "drain", &to]);
    sink.line();
    let (load, began) = (process::load(), clock::now());
    let source = own("bare source", &["bare", "fill", &from, &sample.bytes.to_string()]);
    let (source, sink, at) = drained(source, sink, sample);
    Row::new("bare relay, no files", began, at, [source, sink, relay.end().cpu], load)
}

/// The same through `relayd`.
fn relayed(sample: &Sample) -> Row {
    let place = Place::new(&sample.folder, &[]);
    let before = cpu(place.relay.pid());
    let mut source = own("source", &["bare", "fill-channel", &place.address, &sample.bytes.to_string()]);
    let told = source.line();
    let (channel, key) = told.split_once(' ').expect("a channel and its key");
    let (load, began) = (process::load(), clock::now());
    let sink = own("sink", &["bare", "drain-channel", &place.address, channel, key]);
    let (source, sink, at) = drained(source, sink, sample);
    Row::new("relayd, no files", began, at, [source, sink, cpu(place.relay.pid()) - before], load)
}

/// The bare sealed pipeline.
fn sealed(sample: &Sample) -> Row {
    let folder = tempfile::tempdir_in(&sample.folder).expect("a folder");
    let (relay, from, to) = pass();
    let mut receiver = own("bare receiver", &["bare", "receive", folder.path().to_str().expect("text"), &to]);
    receiver.line();
    let (load, began) = (process::load(), clock::now());
    let sender = own("bare sender", &["bare", "send", sample.file.to_str().expect("text"), &from]);
    let received = receiver.end();
    let (sender, relay) = (sender.end().cpu, relay.end().cpu);
    assert_eq!(hash(&folder.path().join("file")), sample.hash, "what came is not what was sent");
    Row::new("bare sealed pipeline", began, received.at, [sender, received.cpu, relay], load)
}

/// `fshare send`, `relayd`, `fshare recv`: from the start of the receiver, when the code is shown.
fn ours(sample: &Sample) -> Row {
    let place = Place::new(&sample.folder, &[]);
    let mut sender = place.send(&[], &sample.file, &[]);
    let code = code(&mut sender);
    let (before, load, began) = (cpu(place.relay.pid()), process::load(), clock::now());
    let mut receiver = place.recv(&[], &code, &place.received());
    event(&mut receiver, "begun");
    let first = clock::now();
    let received = receiver.end();
    let (sender, relay) = (sender.end().cpu, cpu(place.relay.pid()) - before);
    assert_eq!(hash_in(&place.received()), sample.hash, "what came is not what was sent");
    let mut row = Row::new("fshare and relayd", began, received.at, [sender, received.cpu, relay], load);
    (row.first, row.carried) = (Some(first), Some(place.number("confkit_relay_bytes_total")));
    row
}

/// Whether the relay has counted what went through it.
fn counted(sample: &Sample, runs: &[Vec<Row>]) {
    let chunk = chunk_of(Some(sample.bytes), None) as u64;
    // One more, without bytes, says that it was the last.
    let sealing = (sample.bytes.div_ceil(chunk) + 1) * (HEADER + TAG_LEN) as u64;
    for carried in runs.iter().flatten().filter_map(|row| row.carried) {
        println!(
            "The relay has counted {carried} bytes: the size, {}, and {}. Sealing adds {sealing} ({HEADER} + {TAG_LEN} a chunk): {}.",
            sample.bytes,
            carried as i64 - sample.bytes as i64,
            if carried == sample.bytes + sealing { "all there is" } else { "NOT all there is" }
        );
    }
    println!();
}
