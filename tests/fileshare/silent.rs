//! Servers that die or say nothing while files are waited for, and what is not to be heard beside a file.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::{SocketAddr, UdpSocket},
    process::{Command, Stdio},
};

use confkit::sip::message::{
    Message, Method,
    parse::{Framing, parse},
};
use nix::sys::signal::Signal;

use super::place::{FSHARE, PATIENCE, Place, bytes, code, said};

/// A conference that answers calls, and every INFO by this status; of its own it says nothing. It ends with its first call.
fn mute(info: u16) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let own = socket.local_addr().expect("its address");
    std::thread::spawn(move || {
        let mut bytes = [0; 65_536];
        while let Ok((length, from)) = socket.recv_from(&mut bytes) {
            let Ok(Message::Request(request)) = parse(&bytes[..length].to_vec().into(), Framing::Datagram) else { continue };
            let status = match request.method {
                Method::Ack => continue,
                Method::Info => info,
                _ => 200,
            };
            let mut response = request.response(status, "mute");
            if request.method == Method::Invite {
                response.headers.set("Contact", format!("<sip:standup@{own}>;isfocus"));
                response.headers.set("Content-Type", "application/sdp");
                response.body = format!("v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\n", own.ip()).into();
            }
            socket.send_to(&response.to_bytes(), from).expect("sent");
            if request.method == Method::Bye {
                return;
            }
        }
    });
    own
}

#[test]
fn standard_output_has_one_file_and_nothing_else() {
    let place = Place::new();
    let content = place.write("large.bin", bytes(1_500_000));
    let first = place.sharing(&["large.bin"], None);
    // Slow enough for programs to be told how far it is, were it not for the file.
    let got = place.fshare("bob", &["get", "standup", &first.share, "--output", "-", "--limit", "1MB/s"]);
    assert_eq!(code(&got), 0, "{}", String::from_utf8_lossy(&got.stderr));
    assert!(got.stdout == content, "{} bytes of {}", got.stdout.len(), content.len());

    let (one, two) = (place.sharing(&["large.bin", "--to", "carol"], None), place.sharing(&["large.bin", "--to", "carol"], None));
    let both = place.fshare("carol", &["get", "standup", &one.share, &two.share, "--output", "-"]);
    assert_eq!((code(&both), both.stdout.len()), (2, 0), "{}", String::from_utf8_lossy(&both.stderr));
    assert!(said(&both).contains(&one.share) && said(&both).contains(&two.share), "{}", said(&both));

    place.write("notes.txt", "notes");
    let several = place.sharing(&["large.bin", "notes.txt"], None);
    let got = place.fshare("bob", &["get", "standup", &several.share, "--output", "-"]);
    assert_eq!((code(&got), got.stdout.len()), (2, 0), "{}", String::from_utf8_lossy(&got.stderr));
    assert!(said(&got).contains("one file"), "{}", said(&got));
}

#[test]
fn a_server_that_dies_is_noticed_by_who_waits_for_files() {
    let mut place = Place::new();
    place.write("notes.txt", "notes");
    let mut waits = place.program(FSHARE, &["--as", "bob", "get", "standup"]);
    let mut waits = waits.stderr(Stdio::piped()).spawn().expect("fshare starts");
    let (mut told, mut line) = (BufReader::new(waits.stderr.take().expect("its remarks")), String::new());
    while !line.contains("waiting for the next share") {
        line.clear();
        assert_ne!(told.read_line(&mut line).expect("text"), 0, "it ended");
    }
    let mut shares = place.start("alice", &["share", "standup", "notes.txt", "--to", "carol"]);
    shares.until("uploaded");
    place.kill_server();
    let shares = shares.end();
    assert_eq!((shares.code, shares.error()["code"].as_u64()), (Some(9), Some(9)), "{shares:?}");
    assert_eq!(place.transfers("upload").len(), 1, "it can be shared again");
    line.clear();
    told.read_to_string(&mut line).expect("text");
    assert_eq!(waits.wait().expect("it ends").code(), Some(7), "{line}");
}

#[test]
fn a_conference_that_does_not_say_what_is_shared_is_not_waited_for() {
    let place = Place::new();
    for (info, timeout, expected) in [(469, "20s", 1), (200, "1s", 7)] {
        let mut get = Command::new(FSHARE);
        get.env_clear().env("HOME", place.path("home")).stdin(Stdio::null());
        let got = get.args(["--server", &format!("sip:{}", mute(info)), "--timeout", timeout, "get", "standup"]).output();
        let got = got.expect("fshare runs");
        assert_eq!(code(&got), expected, "{info}: {}", said(&got));
        assert!(said(&got).contains("did not say what is shared"), "{info}: {}", said(&got));
    }
}

#[test]
fn ctrl_c_ends_the_command_that_a_file_was_handed_to() {
    let place = Place::new();
    place.write("notes.txt", "notes");
    let sharing = place.sharing(&["notes.txt"], None);
    let mut get = place.start("bob", &["get", "standup", &sharing.share, "--output", "received", "--on-file", "exec sleep 60"]);
    get.until("received");
    get.signal(Signal::SIGINT);
    let got = get.end();
    assert_eq!(got.code, Some(130), "{got:?}");
    assert!(!got.said.contains("left without the other side's answer"), "{got:?}");
}
