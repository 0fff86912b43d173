use std::time::{Duration, Instant};

use super::{Digit, Event, Receiver, Sender, code, key};

fn event(code: u8, end: bool, duration: u16) -> Event {
    Event { code, end, volume: 10, duration }
}

fn digit(key: char, ms: u64) -> Option<Digit> {
    Some(Digit { key, held: Duration::from_millis(ms) })
}

fn start() -> (Receiver, Instant) {
    (Receiver::new(8000), crate::clock::now())
}

#[test]
fn the_payload_is_that_of_the_rfc() {
    let bytes = event(11, true, 800).to_bytes();
    assert_eq!(bytes, [11, 0x8a, 0x03, 0x20]);
    assert_eq!(Event::parse(&bytes), Some(event(11, true, 800)));
    assert_eq!(Event::parse(&[1, 2, 3]), None);
    assert!((0..16).all(|number| code(key(number).unwrap()) == Some(number)));
    assert_eq!((key(16), code('x'), code('d')), (None, None, Some(15)));
}

#[test]
fn a_key_is_reported_once_although_its_end_comes_three_times() {
    let (mut receiver, now) = start();
    assert_eq!(receiver.receive(now, 1000, event(5, false, 160)), None);
    assert_eq!(receiver.receive(now, 1000, event(5, false, 320)), None);
    assert_eq!(receiver.receive(now, 1000, event(5, true, 480)), digit('5', 60));
    assert_eq!(receiver.receive(now, 1000, event(5, true, 480)), None);
    assert_eq!(receiver.receive(now, 1000, event(5, true, 480)), None);
    assert_eq!(receiver.handle_timeout(now + Duration::from_secs(1)), None);
}

#[test]
fn the_same_key_twice_is_two_keys() {
    let (mut receiver, now) = start();
    assert_eq!(receiver.receive(now, 1000, event(5, true, 800)), digit('5', 100));
    assert_eq!(receiver.receive(now, 2000, event(5, true, 800)), digit('5', 100));
}

#[test]
fn one_of_the_three_ends_is_enough_and_none_is_made_up_for() {
    let (mut receiver, now) = start();
    assert_eq!(receiver.receive(now, 1000, event(1, false, 160)), None);
    assert_eq!(receiver.receive(now, 2000, event(2, false, 160)), digit('1', 20), "the next key ends the one before");
    assert!(receiver.is_pressed());
    assert_eq!(receiver.handle_timeout(now + Duration::from_millis(100)), None);
    assert_eq!(receiver.handle_timeout(now + Duration::from_millis(200)), digit('2', 20));
}

#[test]
fn a_next_key_whose_only_packet_is_its_end_is_not_swallowed() {
    let (mut receiver, now) = start();
    receiver.receive(now, 1000, event(1, false, 160));
    assert_eq!(receiver.receive(now, 2000, event(2, true, 800)), digit('1', 20));
    assert_eq!(receiver.receive(now, 2000, event(2, true, 800)), digit('2', 100));
}

#[test]
fn late_packets_of_an_old_key_change_nothing() {
    let (mut receiver, now) = start();
    receiver.receive(now, 2000, event(3, true, 800));
    assert_eq!(receiver.receive(now, 1000, event(9, true, 800)), None);
    receiver.receive(now, 5000, event(4, false, 160));
    assert_eq!(receiver.receive(now, 4000, event(8, false, 160)), None);
    assert_eq!(receiver.receive(now, 5000, event(4, true, 320)), digit('4', 40));
}

#[test]
fn a_key_held_for_ten_seconds_is_one_key() {
    let (mut receiver, now) = start();
    assert_eq!(receiver.receive(now, 0xffff_f000, event(7, false, 0xffff)), None);
    let next = 0xffff_f000u32.wrapping_add(0xffff);
    assert_eq!(receiver.receive(now, next, event(7, false, 160)), None);
    let held = Duration::from_secs_f64((65535.0 + 14465.0) / 8000.0);
    assert_eq!(receiver.receive(now, next, event(7, true, 14465)), Some(Digit { key: '7', held }));
}

#[test]
fn events_that_are_no_keys_are_ignored() {
    let (mut receiver, now) = start();
    assert_eq!(receiver.receive(now, 1000, event(16, true, 800)), None);
    assert_eq!(receiver.receive(now, 1000, event(255, true, 800)), None);
    assert!(!receiver.is_pressed());
}

#[test]
fn what_is_sent_is_what_the_rfc_shows_and_is_received_again() {
    let mut sender = Sender::new(8000);
    assert_eq!(sender.press("1x#"), 2);
    let mut shown = String::new();
    let (mut receiver, mut now) = start();
    let mut digits = Vec::new();
    for tick in 0..20u32 {
        if let Some(packet) = sender.tick(tick * 160) {
            let (event, marker) = (packet.event, if packet.marker { " M" } else { "" });
            shown += &format!(
                "{tick:2} {} ts {} duration {}{}{marker}\n",
                key(event.code).unwrap(),
                packet.timestamp,
                event.duration,
                if event.end { " E" } else { "" }
            );
            digits.extend(receiver.receive(now, packet.timestamp, event));
        }
        now += Duration::from_millis(20);
    }
    assert_eq!(
        shown,
        " 0 1 ts 0 duration 160 M
 1 1 ts 0 duration 320
 2 1 ts 0 duration 480
 3 1 ts 0 duration 640
 4 1 ts 0 duration 800 E
 5 1 ts 0 duration 800 E
 6 1 ts 0 duration 800 E
 8 # ts 1280 duration 160 M
 9 # ts 1280 duration 320
10 # ts 1280 duration 480
11 # ts 1280 duration 640
12 # ts 1280 duration 800 E
13 # ts 1280 duration 800 E
14 # ts 1280 duration 800 E
"
    );
    assert_eq!(digits, [digit('1', 100).unwrap(), digit('#', 100).unwrap()]);
    assert!(!sender.is_active());
}

#[test]
fn the_queue_is_bounded() {
    let mut sender = Sender::new(8000);
    assert_eq!(sender.press(&"1".repeat(100)), super::MAX_QUEUED);
    assert_eq!(sender.press("1"), 0);
}
