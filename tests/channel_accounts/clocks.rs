//! A clock that is set while programs run.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use serde_json::Value;

use crate::{
    house::{House, Running, bytes},
    place::Place,
    shown::not_shown,
    wall::Wall,
};

const HOUR: i64 = 3600;

/// How far the clock of an event is before the machine's.
fn ahead(event: &Value) -> i64 {
    let at = humantime::parse_rfc3339(event["at"].as_str().expect("a time")).expect("a time");
    let since = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).as_ref().map_or(0, Duration::as_secs).cast_signed();
    since(at) - since(confkit::clock::wall())
}

#[test]
fn a_clock_that_is_set_by_an_hour_breaks_no_transfer_and_keeps_nobody_from_the_next() {
    let place = Place::new("accounts-clocks");
    let wall = match Wall::new(&place) {
        Ok(wall) => wall,
        Err(why) => return not_shown(&format!("what a clock does that is set, since there is no library to set it by: {why}")),
    };
    // Nobody has a channel without a ticket, and tickets go by the time of day.
    let house = House::in_its(place, "relay: {anonymous: nobody}\n", &[], &wall.variables());
    fs::write(house.place.path("large.bin"), bytes(3 << 20)).expect("written");
    // An hour forward, two back, and one forward again: each in the middle of a transfer, which is followed by another.
    for (at, (before, to, applies)) in [(0, HOUR, "receiver"), (HOUR, -HOUR, "sender"), (-HOUR, 0, "receiver")].into_iter().enumerate() {
        let output = at.to_string();
        let begin = |user, args: &[&str]| Running::start(wall.of(&mut house.fshare(user, &[&["--json"], args].concat())));
        let mut receiving = begin("bob", &["recv", "--from", "alice", "--yes", "--output", &output]);
        receiving.event("waiting");
        let send = ["send", "large.bin", "--to", "bob", "--applies", applies, "--limit", "2MiB/s", "--relay-only", "--patience", "0s"];
        let mut sending = begin("alice", &send);
        let begun = sending.event("begun");
        assert!((ahead(&begun) - before).abs() < HOUR / 2, "{begun}");
        wall.set(to);
        // Without patience for a break there was none.
        let sent = sending.event("sent");
        assert!((ahead(&sent) - to).abs() < HOUR / 2, "{sent}");
        let (ended, told) = sending.end();
        assert_eq!((ended, receiving.end().0), (0, 0), "{output}: {told}");
        assert!(fs::read(house.place.path(&output).join("large.bin")).expect("there") == bytes(3 << 20), "{output}");
    }
}
