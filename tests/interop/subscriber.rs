//! A subscriber of the conference event package that is not ours: sipp, whose scenario says what the documents must hold.

use crate::{place::Place, server::Server, sipp::Sipp};

#[test]
fn a_subscriber_sees_the_full_state_and_then_one_mute_as_a_partial_state_of_the_next_version() {
    let place = Place::new("subscriber");
    let server = Server::start(&place, "relayd", "", &[]);
    server.control(&["create", "standup"]);
    // Somebody silent, so that the mute is the only thing that changes.
    let mut listener = Sipp::call(&place, "listener", "listener.xml", server.address(), &["-s", "standup", "-m", "1"]);
    listener.wait_for_line("in");
    server.wait_for_participants("standup", 1);

    let mut subscriber = Sipp::call(&place, "subscriber", "subscriber.xml", server.address(), &["-s", "standup", "-m", "1"]);
    let full: u32 = subscriber.wait_for_line("full version").parse().expect("a version");
    server.control(&["mute", "standup", "listener"]);
    let partial: u32 = subscriber.wait_for_line("partial version").parse().expect("a version");
    assert_eq!(partial, full + 1);
    assert_eq!(subscriber.finish().successful, 1);

    server.control(&["end", "standup"]);
    assert!(listener.wait_for_line("bye").starts_with("SIP;cause="), "{:?}", listener.lines());
    assert_eq!(listener.finish().successful, 1);
}
