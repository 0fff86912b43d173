//! The file server in a process of its own: reached by the network, stopped and started again.

use std::{fs, net::SocketAddr, path::Path};

use nix::sys::signal::Signal;

use crate::{
    place::{PATIENCE, Place, free_port, wait_until},
    server::Server,
    sharer::{Sharer, fshare},
};

/// A file server at an address that stays, so that it can be started again.
fn file_server(place: &Place, at: SocketAddr) -> Server {
    let listen = format!("listen: {{http: [], sip: [{{transport: udp, address: \"{at}\"}}, {{transport: tcp, address: \"{at}\"}}]}}");
    Server::lasting(place, "fs", &format!("roles: [fs]\ncontrollers: [\"127.0.0.1\"]\n{listen}\nfiles: {{ports: system}}\n"))
}

/// Everything else, which reaches it by a transport.
fn application_server(place: &Place, fs: SocketAddr, transport: &str) -> Server {
    let configuration = format!(
        "roles: [as, ms]\nfile_servers: [\"sip:{fs};transport={transport}\"]\n\
         conference: {{media_server_timeout: 2s, media_server_probe: 200ms}}\n"
    );
    let server = Server::start(place, "as", &configuration, &["--user", "alice", "--user", "bob"]);
    server.control(&["create", "standup"]);
    server
}

fn write(path: &Path, bytes: usize) -> String {
    fs::write(path, (0..bytes).map(|at| (at * 31 % 249) as u8).collect::<Vec<u8>>()).expect("written");
    path.to_str().expect("a path").to_owned()
}

#[test]
fn a_file_server_in_another_process_is_reached_by_tcp_and_by_udp() {
    for transport in ["tcp", "udp"] {
        let place = Place::new(&format!("apart-{transport}"));
        let at = free_port();
        let _fs = file_server(&place, at);
        let server = application_server(&place, at, transport);
        let file = write(&place.path("notes.bin"), 1_000_000);
        for via in ["reinvite", "info"] {
            let mut alice = Sharer::start(fshare(&place, &server, "alice", &["share", "standup", &file, "--via", via]));
            let share = alice.wait_for("shared")["share"].as_str().expect("a share").to_owned();
            let target = place.folder(via);
            let target = target.to_str().expect("a path");
            let got = fshare(&place, &server, "bob", &["get", "standup", &share, "--output", target]).output().expect("fshare runs");
            assert!(got.status.success(), "{transport}, {via}: {}", String::from_utf8_lossy(&got.stderr));
            assert!(fs::read(Path::new(target).join("notes.bin")).expect("received") == fs::read(&file).expect("sent"));
            assert_eq!(alice.ended(), Some(0), "{transport}, {via}");
        }
    }
}

/// Bytes of the file that a stop falls into, and of it each second: it takes long enough to be stopped in the middle.
const LARGE: usize = 8 << 20;
const RATE: &str = "2MiB/s";

/// Stops a file server in the middle of a share, or kills it, and starts it again: both sides go on where they were.
fn interrupted(test: &str, signal: Signal) {
    let place = Place::new(test);
    let at = free_port();
    let mut fs = file_server(&place, at);
    let server = application_server(&place, at, "tcp");
    let file = write(&place.path("large.bin"), LARGE);
    let mut alice = Sharer::start(fshare(&place, &server, "alice", &["share", "standup", &file, "--limit", RATE]));
    let share = alice.wait_for("shared")["share"].as_str().expect("a share").to_owned();
    let target = place.folder("got");
    let arguments = ["get", "standup", &share, "--output", target.to_str().expect("a path")];
    let mut bob = Sharer::start(fshare(&place, &server, "bob", &arguments));
    bob.wait_for("offered");
    let received = target.clone();
    let partial = move || {
        let files = fs::read_dir(&received).expect("a folder").filter_map(Result::ok);
        files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).max().unwrap_or(0)
    };
    wait_until(|| format!("a part has come: {}", partial()), || partial() > 2 << 20);

    fs.process().signal(signal);
    fs.process().wait(PATIENCE);
    alice.wait_for("broken");
    bob.wait_for("broken");
    let kept = fs::read_dir(place.path("fs-data").join("fileshare")).expect("a folder").filter_map(Result::ok);
    let kept = kept
        .filter(|file| file.path().extension().is_some_and(|e| e == "spool"))
        .filter_map(|file| file.metadata().ok())
        .map(|m| m.len())
        .sum::<u64>();
    assert!(kept > 2 << 20 && kept < LARGE as u64, "{kept} bytes are kept for the next process");

    let fs = file_server(&place, at);
    bob.wait_for("received");
    assert_eq!((alice.ended(), bob.ended()), (Some(0), Some(0)));
    assert!(fs::read(target.join("large.bin")).expect("received") == fs::read(&file).expect("sent"), "another file");
    drop(fs);
}

#[test]
fn a_file_server_that_is_stopped_keeps_uploads_and_its_next_process_goes_on_with_them() {
    interrupted("stopped", Signal::SIGTERM);
}

#[test]
fn a_file_server_that_is_killed_and_started_again_goes_on_too() {
    interrupted("killed", Signal::SIGKILL);
}
