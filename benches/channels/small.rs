//! Many small files, beside an rsync daemon.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use confkit::clock;
use nix::unistd::geteuid;

use crate::{
    Options,
    place::{Place, code},
    process::{self, Program, cpu},
    targets::{Wanted, heading, line},
};

/// Length of each, in bytes.
const LENGTH: usize = 4096;
/// Files of one folder.
const FOLDER: usize = 100;
/// How long a program of others may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

pub fn run(options: &Options) {
    let source = tempfile::tempdir_in(&options.folder).expect("a folder");
    let tree = source.path().join("tree");
    plant(&tree, options.files);
    let rsync = std::env::var("RSYNC").unwrap_or_else(|_| "rsync".to_owned());
    let found = Command::new(&rsync).arg("--version").output().is_ok_and(|output| output.status.success());
    println!("{} files of {LENGTH} bytes in folders of {FOLDER}, in turn, every file compared, load {}:\n", options.files, process::load());
    println!("| run | what | seconds from the receiver's start | CPU s: sender | receiver | relay |");
    println!("|---|---|---|---|---|---|");
    let mut ratios = Vec::new();
    for run in 1..=options.runs {
        let ours = ours(options, run, &tree);
        if found {
            ratios.push(daemon(options, run, &rsync, &tree) / ours);
        }
    }
    if found {
        heading();
        line("`fshare` to an rsync daemon, files a second", &Wanted::AtLeast(0.5, Some(1.0)), &ratios, "");
    } else {
        println!("\nAn rsync daemon is not measured: {rsync} is missing.");
    }
    println!();
}

fn plant(tree: &Path, files: usize) {
    let mut noise = blake3::Hasher::new().update(b"small files").finalize_xof();
    let mut bytes = vec![0; LENGTH];
    for number in 0..files {
        let folder = tree.join(format!("folder-{}", number / FOLDER));
        if number % FOLDER == 0 {
            fs::create_dir_all(&folder).expect("a folder");
        }
        noise.fill(&mut bytes);
        fs::write(folder.join(format!("file-{number}")), &bytes).expect("a file");
    }
}

/// How many files of one tree are the same in another.
fn same(tree: &Path, other: &Path) -> usize {
    fs::read_dir(tree).expect("a folder").fold(0, |count, entry| {
        let path = entry.expect("an entry").path();
        let there = other.join(path.file_name().expect("a name"));
        if path.is_dir() {
            count + same(&path, &there)
        } else {
            count + usize::from(fs::read(&path).expect("a file") == fs::read(&there).unwrap_or_default())
        }
    })
}

fn seconds(since: Instant, until: Instant) -> f64 {
    until.saturating_duration_since(since).as_secs_f64()
}

fn ours(options: &Options, run: usize, tree: &Path) -> f64 {
    let place = Place::new(&options.folder, &[]);
    let mut sender = place.send(&[], tree, &[]);
    let code = code(&mut sender);
    let (before, began) = (cpu(place.relay.pid()), clock::now());
    let received = place.recv(&[], &code, &place.received()).end();
    let (sent, relay) = (sender.end().cpu, cpu(place.relay.pid()) - before);
    assert_eq!(same(tree, &place.received().join("tree")), options.files, "what came is not what was sent");
    let took = seconds(began, received.at);
    let [sent, received, relay] = [sent, received.cpu, relay].map(|cpu| cpu.as_secs_f64());
    println!("| {run} | fshare and relayd | {took:.2} | {sent:.2} | {received:.2} | {relay:.2} |");
    took
}

fn daemon(options: &Options, run: usize, rsync: &str, tree: &Path) -> f64 {
    let folder = tempfile::tempdir_in(&options.folder).expect("a folder");
    let (file, port) = (folder.path().join("rsyncd.conf"), free_port());
    let path = tree.display();
    // Otherwise it reads as nobody.
    let user = if geteuid().is_root() { "uid = root\ngid = root\n" } else { "" };
    fs::write(&file, format!("use chroot = no\n{user}[tree]\npath = {path}\nread only = yes\n")).expect("a file");
    let mut command = Command::new(rsync);
    command
        .args(["--daemon", "--no-detach", "--address=127.0.0.1", &format!("--port={port}"), "--log-file=/dev/null", "--config"])
        .arg(file);
    let server = Program::start_silent("rsync daemon", &mut command);
    until_listening(port);
    let began = clock::now();
    let mut command = Command::new(rsync);
    command.args(["--archive", "--whole-file", &format!("rsync://127.0.0.1:{port}/tree/")]).arg(folder.path().join("tree"));
    let received = Program::start("rsync", &mut command).end();
    assert_eq!(same(tree, &folder.path().join("tree")), options.files, "what came is not what was sent");
    drop(server);
    let took = seconds(began, received.at);
    println!("| {run} | rsync daemon | {took:.2} | | {:.2} | |", received.cpu.as_secs_f64());
    took
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("bound").port()
}

/// Programs of others do not say when they listen.
pub fn until_listening(port: u16) {
    let began = clock::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(clock::now().saturating_duration_since(began) < PATIENCE, "nobody listens on port {port}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
