//! The roles `as` and `ms` in two processes, and what participants and `confctl` see when that of the media server dies.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use confkit::clock;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    baresip::Phone,
    place::{Place, free_port, wait_until},
    server::Server,
    sipp::Sipp,
};

const ALICE: f32 = 440.0;
const BOB: f32 = 620.0;
/// How long a media server may be silent: `conference.media_server_timeout`.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Between two looks at it, and for what there is to do afterwards.
const SLACK: Duration = Duration::from_millis(1500);

/// A media server at an address that stays, so that it can be started again.
fn media_server(place: &Place, at: SocketAddr) -> Server {
    let listen = format!("listen: {{http: [], sip: [{{transport: udp, address: \"{at}\"}}, {{transport: tcp, address: \"{at}\"}}]}}");
    Server::lasting(place, "ms", &format!("roles: [ms]\ncontrollers: [\"127.0.0.1\"]\n{listen}\n"))
}

fn application_server(place: &Place, ms: SocketAddr, transport: &str) -> Server {
    let configuration = format!(
        "roles: [as]\nmedia_servers: [\"sip:{ms};transport={transport}\"]\n\
         conference: {{media_server_timeout: {}ms, media_server_probe: 500ms}}\n",
        TIMEOUT.as_millis()
    );
    let server = Server::start(place, "as", &configuration, &[]);
    wait_for_media_server(&server, true);
    server.control(&["create", "standup"]);
    server
}

/// What `confctl status` says of the media server.
fn of_media_server(server: &Server) -> Value {
    server.control(&["status"])["media_servers"][0].clone()
}

fn wait_for_media_server(server: &Server, reachable: bool) {
    wait_until(|| format!("reachable={reachable}: {}", of_media_server(server)), || of_media_server(server)["reachable"] == reachable);
}

/// Waits until somebody in the conference got a BYE with this reason; how long after `since`.
fn bye(listener: &mut Sipp, reason: &str, since: Instant) -> Duration {
    let said = listener.wait_for_line("bye");
    let after = since.elapsed();
    assert_eq!(said, format!("SIP;cause=503;text=\"{reason}\""));
    after
}

#[test]
fn in_two_processes_calls_work_and_when_the_media_server_is_killed_everybody_is_told_and_the_next_call_works() {
    let place = Place::new("two-processes");
    let at = free_port();
    let mut ms = media_server(&place, at);
    let server = application_server(&place, at, "tcp");
    let conference = format!("sip:standup@{}", server.address());
    let (mut alice, mut bob) = (Phone::guest(&place, "alice", ALICE), Phone::guest(&place, "bob", BOB));
    let meet = |alice: &mut Phone, bob: &mut Phone| {
        alice.dial(&conference);
        alice.wait_for("CALL_ESTABLISHED");
        server.control(&["invite", "standup", &bob.uri("bob")]);
        bob.wait_for("CALL_ESTABLISHED");
        alice.recording().wait_to_hear(&[BOB], &[ALICE]);
        bob.recording().wait_to_hear(&[ALICE], &[BOB]);
        server.wait_for_participants("standup", 2);
    };
    meet(&mut alice, &mut bob);
    wait_until(|| format!("two legs: {}", of_media_server(&server)), || of_media_server(&server)["legs"] == 2);

    let killed = clock::now();
    ms.process().kill();
    wait_for_media_server(&server, false);
    let noticed = killed.elapsed();
    println!("after {noticed:.1?} confctl status: {}", of_media_server(&server));
    for phone in [&mut alice, &mut bob] {
        phone.wait_for("CALL_CLOSED");
    }
    let told = killed.elapsed();
    println!("after {told:.1?} both telephones have a BYE");
    for phone in [&alice, &bob] {
        assert!(phone.trace().contains("Reason: SIP;cause=503;text=\"media server lost\""), "{}", phone.trace());
    }
    assert!(told >= TIMEOUT && told < TIMEOUT + SLACK, "{told:?}");
    // The conference is still there, without a mix; nobody is rung up for it.
    let shown = server.control(&["show", "standup"]);
    assert_eq!((&shown["roster"], &shown["media_server"]), (&json!([]), &Value::Null), "{shown}");
    let (code, refused) = server.try_control(&["invite", "standup", &bob.uri("bob")]);
    println!("confctl invite meanwhile: exit code {code}, {refused}");
    assert_eq!((code, &refused["error"]["kind"]), (7, &json!("unreachable")), "{refused}");

    ms = media_server(&place, at);
    wait_for_media_server(&server, true);
    meet(&mut alice, &mut bob);
    drop(ms);
}

#[test]
fn a_media_server_that_hangs_or_was_started_anew_is_found_out() {
    let place = Place::new("hanging-media-server");
    let at = free_port();
    let mut ms = media_server(&place, at);
    let server = application_server(&place, at, "udp");
    let call = |name: &str| {
        let mut listener = Sipp::call(&place, name, "listener.xml", server.address(), &["-s", "standup", "-m", "1"]);
        listener.wait_for_line("in");
        server.wait_for_participants("standup", 1);
        listener
    };

    // It hangs: no connection breaks, nothing is answered.
    let mut listener = call("first");
    let stopped = clock::now();
    ms.process().signal(Signal::SIGSTOP);
    let told = bye(&mut listener, "media server lost", stopped);
    println!("it hangs: BYE after {told:.1?}");
    assert!(told < TIMEOUT + SLACK, "{told:?}");
    ms.process().signal(Signal::SIGCONT);
    wait_for_media_server(&server, true);

    // It is killed and there again before anybody has missed it.
    let mut listener = call("second");
    let killed = clock::now();
    ms.process().kill();
    ms = media_server(&place, at);
    let told = bye(&mut listener, "media server restarted", killed);
    println!("it was started anew: BYE after {told:.1?}");
    assert!(told < TIMEOUT + SLACK, "{told:?}");
    wait_for_media_server(&server, true);
    drop(call("third"));
    drop(ms);
}
