//! Many callers at once: sipp, each with a tone of its own in both directions. The measurement with 500 of them is `benches/side-by-side/callers.sh`.

use std::{collections::BTreeMap, fs, time::Duration};

use confkit::media::{g711, tone::Generator};

use crate::{
    capture::{Capture, in_sight},
    place::{Place, free_port},
    server::Server,
    sipp::Sipp,
};

/// How many, and how many a second.
const CALLERS: usize = 50;
/// How long each stays.
const STAY: Duration = Duration::from_secs(4);

#[test]
fn fifty_callers_at_fifty_a_second_all_get_in_and_all_have_audio() {
    in_sight("callers::fifty_callers_at_fifty_a_second_all_get_in_and_all_have_audio", fifty_callers);
}

fn fifty_callers() {
    let place = Place::new("callers");
    let server = Server::start(&place, "relayd", "", &[]);
    server.control(&["create", "hall"]);
    let media = free_port().port();
    let tone: Vec<u8> = Generator::endless(500.0, -30.0, 8000).take(8000).map(g711::encode_ulaw).collect();
    fs::write(place.folder("callers").join("tone.ul"), tone).expect("written");
    let capture = Capture::start(&place, &format!("udp port {media}"));

    let (count, stay, port) = (CALLERS.to_string(), STAY.as_millis().to_string(), media.to_string());
    let args = ["-s", "hall", "-m", &count, "-l", &count, "-r", &count, "-d", &stay, "-mp", &port];
    let callers = Sipp::call(&place, "callers", "caller.xml", server.address(), &args);
    assert_eq!(server.wait_for_participants("hall", CALLERS).len(), CALLERS);
    assert_eq!((server.metric("confkit_participants"), server.metric("confkit_media_legs")), (50.0, 50.0));
    let counts = callers.finish();
    println!("{counts:?}");
    assert_eq!((counts.successful, counts.failed, counts.retransmissions), (50, 0, 0));
    assert!(server.wait_for_participants("hall", 0).is_empty());

    // Each caller's leg has a port of its own at the media server: what came there, and what went back.
    let mut legs: BTreeMap<u16, (u64, u64)> = BTreeMap::new();
    for stream in capture.finish() {
        assert_eq!((stream.codec.as_str(), stream.lost), ("g711U", 0), "{stream:?}");
        let (leg, to_us) = if stream.from.port() == media { (stream.to.port(), true) } else { (stream.from.port(), false) };
        let (there, back) = legs.entry(leg).or_default();
        *if to_us { there } else { back } += stream.packets;
    }
    assert_eq!(legs.len(), CALLERS, "{legs:?}");
    let expected = u64::try_from(STAY.as_millis() / 20).expect("a number");
    for (port, (there, back)) in legs {
        // sipp begins and ends as it comes to it; a twentieth of the time is left to that.
        assert!(there >= expected * 95 / 100 && back >= expected * 95 / 100, "port {port}: {there} packets in, {back} out of {expected}");
    }
}

#[test]
fn calls_one_after_the_other_are_set_up_at_once() {
    let place = Place::new("sequence");
    let server = Server::start(&place, "relayd", "", &[]);
    server.control(&["create", "hall"]);
    fs::write(place.folder("callers").join("tone.ul"), [0xff; 160]).expect("written");
    let port = free_port().port().to_string();
    let args = ["-s", "hall", "-m", "100", "-l", "1", "-r", "1000", "-d", "0", "-mp", &port];
    let counts = Sipp::call(&place, "callers", "caller.xml", server.address(), &args).finish();
    println!("{counts:?}");
    assert_eq!((counts.successful, counts.failed), (100, 0));
    // The debug build on a busy machine; the figure that counts is the benchmark's.
    assert!(counts.response < Duration::from_millis(100), "{counts:?}");
    assert!(server.wait_for_participants("hall", 0).is_empty());
}
