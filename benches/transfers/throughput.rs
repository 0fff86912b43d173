//! One upload and one download at the same time: by the programs, by the bare pipeline, by the plain copy, in turn, so that whatever else the machine
//! does is the same for all.

use std::{
    fs,
    io::Read as _,
    path::Path,
    time::{Duration, Instant},
};

use confkit::clock;

use crate::{
    Options,
    files::{fill, hash, hash_in},
    place::Place,
    process::{self, Program, cpu, own},
};

/// How long the sharer that is held to 1 MiB/s may keep a receiver waiting.
const FIRST_BYTE: Duration = Duration::from_secs(1);

/// One transfer.
struct Row {
    what: &'static str,
    seconds: f64,
    /// Processor time of the sender, of what is between, of the receiver.
    cpu: [Duration; 3],
    load: String,
}

pub fn run(options: &Options) {
    let source = tempfile::tempdir_in(&options.folder).expect("a folder");
    let file = source.path().join("file");
    let expected = fill(&file, options.mebibytes);
    let gibibytes = options.mebibytes as f64 / 1024.0;
    println!("One upload and one download of {gibibytes} GiB at the same time, from the start of the sender to the end of the receiver:\n");
    println!("| run | what | GiB/s | CPU s per GiB: sender | server | receiver | sum | load |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut rows = Vec::new();
    for run in 1..=options.runs {
        for measure in [shared, bare, plain] {
            let row = measure(options, &file, expected);
            let [sender, server, receiver] = row.cpu.map(|cpu| cpu.as_secs_f64() / gibibytes);
            let (rate, sum) = (gibibytes / row.seconds, sender + server + receiver);
            println!("| {run} | {} | {rate:.2} | {sender:.2} | {server:.2} | {receiver:.2} | {sum:.2} | {} |", row.what, row.load);
            rows.push(row);
        }
    }
    // Of each run, as the machine is not the same from one minute to the next.
    let ratios = |index: usize| {
        let mut ratios: Vec<f64> = rows.as_chunks::<3>().0.iter().map(|run| run[index].seconds / run[0].seconds).collect();
        ratios.sort_by(f64::total_cmp);
        format!("{:.2} (of {} runs: {:.2} to {:.2})", ratios[ratios.len() / 2], ratios.len(), ratios[0], ratios[ratios.len() - 1])
    };
    if !rows.is_empty() {
        println!(
            "\nOurs is this much of the bare pipeline's speed: {}, wanted 0.70; of the plain copy's: {}, wanted 0.50.\n",
            ratios(1),
            ratios(2)
        );
    }
}

/// `fshare share`, `relayd`, `fshare get`.
fn shared(options: &Options, file: &Path, expected: blake3::Hash) -> Row {
    let place = Place::apart(&options.folder, 2);
    let receiver = place.receiver(1, true);
    let (before, load, began) = (cpu(place.file_server()), process::load(), clock::now());
    let sender = place.share(file, &[]);
    let received = receiver.end();
    let sent = sender.end();
    let server = cpu(place.file_server()) - before;
    assert_eq!(hash_in(&place.received(1)), expected, "what came is not what was sent");
    row("fshare and relayd, TLS, stored, verified", began, received.at, [sent.cpu, server, received.cpu], load)
}

fn bare(options: &Options, file: &Path, expected: blake3::Hash) -> Row {
    let folder = tempfile::tempdir_in(&options.folder).expect("a folder");
    let (at, here) = (folder.path().to_str().expect("text"), file.to_str().expect("text"));
    let mut server = own("bare server", &["bare", "serve", at]);
    let told = server.line();
    let [uploads, downloads, certificate] = told.split(' ').collect::<Vec<_>>()[..] else { panic!("{told}") };
    let mut receiver = own("bare receiver", &["bare", "receive", at, downloads, certificate]);
    receiver.line();
    let send = || own("bare sender", &["bare", "send", here, uploads, certificate]);
    through("bare pipeline, TLS, stored, hashed", send, server, receiver, folder.path(), expected)
}

fn plain(options: &Options, file: &Path, expected: blake3::Hash) -> Row {
    let folder = tempfile::tempdir_in(&options.folder).expect("a folder");
    let (at, here) = (folder.path().to_str().expect("text"), file.to_str().expect("text"));
    let mut server = own("plain server", &["plain", "pass"]);
    let told = server.line();
    let (from, to) = told.split_once(' ').expect("two addresses");
    let mut receiver = own("plain receiver", &["plain", "receive", at, to]);
    receiver.line();
    let send = || own("plain sender", &["plain", "send", here, from]);
    through("plain copy, passed through", send, server, receiver, folder.path(), expected)
}

/// A pipeline of ours, whose server and receiver are there.
fn through(
    what: &'static str,
    send: impl FnOnce() -> Program,
    server: Program,
    receiver: Program,
    folder: &Path,
    expected: blake3::Hash,
) -> Row {
    let (load, began) = (process::load(), clock::now());
    let sender = send();
    let received = receiver.end();
    let (sent, served) = (sender.end(), server.end());
    assert_eq!(hash(&folder.join("file")), expected, "what came is not what was sent");
    row(what, began, received.at, [sent.cpu, served.cpu, received.cpu], load)
}

fn row(what: &'static str, began: Instant, ended: Instant, cpu: [Duration; 3], load: String) -> Row {
    Row { what, seconds: ended.saturating_duration_since(began).as_secs_f64(), cpu, load }
}

/// When the first byte is at a receiver, where the sharer is slow.
pub fn first(options: &Options) {
    let place = Place::apart(&options.folder, 2);
    let file = place.path("file");
    fill(&file, 4);
    let sent = fs::read(&file).expect("a file");
    println!(
        "The sharer held to 1 MiB/s, 4 MiB, from the start of `fshare share` to the first byte that `fshare get --output -` writes:\n"
    );
    println!("| run | first byte after | wanted | all after | load |");
    println!("|---|---|---|---|---|");
    for run in 1..=options.runs {
        let mut receiver = place.receiver(1, false);
        let (load, began) = (process::load(), clock::now());
        let sender = place.share(&file, &["--limit", "1MiB/s"]);
        let mut came = vec![0];
        let output = receiver.output.as_mut().expect("its output");
        output.read_exact(&mut came).expect("a byte");
        let first = clock::now().saturating_duration_since(began);
        output.read_to_end(&mut came).expect("the others");
        let all = receiver.end().at.saturating_duration_since(began);
        sender.end();
        assert!(came == sent, "what came is not what was sent");
        let wanted = if first < FIRST_BYTE { "kept" } else { "NOT kept" };
        println!(
            "| {run} | {:.3} s | under {} s: {wanted} | {:.1} s | {load} |",
            first.as_secs_f64(),
            FIRST_BYTE.as_secs(),
            all.as_secs_f64()
        );
    }
    println!();
}
