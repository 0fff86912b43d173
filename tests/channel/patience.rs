//! What the programs wait for by themselves: a relay that asks for a pause, one that is started again.

use std::sync::mpsc::{Receiver, sync_channel};

use super::*;

#[test]
fn after_wrong_codes_the_right_one_waits_as_long_as_the_relay_asks_for_and_is_taken() {
    let world = World::new("channel-pause");
    fs::write(world.place.path("notes.txt"), b"notes").expect("written");
    let sending = world.send(&["notes.txt"], None);
    // Six are looked at without a pause, and the seventh is the first that waits. After nine the pause is 8 s: longer than a program takes to
    // start on a busy machine, and no longer than one waits for by itself.
    for wrong in 0..9 {
        let guessed = world.recv(&["93-zoo-zone", "--yes"]);
        assert_eq!(code(&guessed), 4, "{wrong}: {}", said(&guessed));
    }
    let received = world.recv(&[&sending.code, "--yes", "--output", "out"]);
    assert_eq!(code(&received), 0, "{}", said(&received));
    let told = said(&received);
    assert!(told.contains(r#""event":"paused""#) && told.contains("too many wrong codes came from this address"), "{told}");
    assert_eq!(sending.end().0, 0);
}

/// The lines of a pipe, as they come.
pub fn lines(pipe: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = sync_channel(64);
    std::thread::spawn(move || BufReader::new(pipe).lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
    told
}

pub fn wait_for_line(lines: &Receiver<String>, text: &str) {
    while !lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("nobody says {text:?}")).contains(text) {}
}

/// Of a relay that is found again where it was.
pub fn again_at(here: std::net::SocketAddr) -> String {
    format!("roles: [relay]\nlisten: {{sip: [{{transport: udp, address: \"127.0.0.1:0\"}}], http: [], relay: [{{address: \"{here}\"}}]}}\n")
}

#[test]
fn a_code_that_nobody_has_come_for_is_good_again_once_the_relay_is_back() {
    for (name, receivers, signal) in [
        ("channel-back", "1", Signal::SIGKILL),
        ("channel-back-stopped", "1", Signal::SIGTERM),
        ("channel-back-several", "2", Signal::SIGKILL),
    ] {
        let place = Place::new(name);
        let here = place::free_port();
        let configuration = again_at(here);
        let server = || Server::lasting(&place, "relay", &configuration);
        let mut world = World { server: server(), place: Place::new(&format!("{name}-files")) };
        fs::write(world.place.path("notes.txt"), b"notes").expect("written");
        // Nobody else has the number in between, as the smallest would be.
        let mut sending = world.send(&["notes.txt", "--code", "7-crystal-window", "--receivers", receivers], None);
        let told = lines(sending.events);
        world.server.process().signal(signal);
        wait_for_line(&told, r#""event":"astray""#);
        world.server.process().wait(PATIENCE);
        world.server = server();
        wait_for_line(&told, r#""event":"back""#);
        let coming: Vec<Child> = ["one", "two"][..receivers.parse().expect("a number")]
            .iter()
            .map(|folder| world.receiving(&[&sending.code, "--yes", "--output", folder]))
            .collect();
        for child in coming {
            let received = child.wait_with_output().expect("ended");
            assert_eq!(code(&received), 0, "{}", said(&received));
        }
        assert_eq!(sending.child.wait().expect("waited for").code(), Some(0));
        assert_eq!(fs::read(world.place.path("one/notes.txt")).expect("there"), b"notes");
    }
}

#[test]
fn a_sender_without_patience_does_not_look_for_its_relay() {
    let mut world = World::new("channel-impatient");
    fs::write(world.place.path("notes.txt"), b"notes").expect("written");
    let sending = world.send(&["notes.txt", "--patience", "0s"], None);
    world.server.process().kill();
    let (ended, _, told) = sending.end();
    assert_eq!(ended, 7, "{told}");
}

#[test]
fn a_receiver_that_came_first_waits_again_once_the_relay_is_back() {
    let (place, files) = (Place::new("channel-first"), Place::new("channel-first-files"));
    let configuration = again_at(place::free_port());
    let server = || Server::lasting(&place, "relay", &configuration);
    let mut world = World { server: server(), place: files };
    fs::write(world.place.path("notes.txt"), b"notes").expect("written");
    let mut waiting = world.receiving(&["7-crystal-window", "--wait", "--yes", "--output", "out"]);
    let told = lines(waiting.stdout.take().expect("piped"));
    wait_for_line(&told, r#""event":"awaited""#);
    world.server.process().kill();
    wait_for_line(&told, r#""event":"astray""#);
    world.server = server();
    wait_for_line(&told, r#""event":"awaited""#);
    let sending = world.send(&["notes.txt", "--code", "7-crystal-window"], None);
    assert_eq!(sending.end().0, 0);
    assert_eq!(waiting.wait().expect("waited for").code(), Some(0));
    assert_eq!(fs::read(world.place.path("out/notes.txt")).expect("there"), b"notes");
}
