//! Who sends RTP, as a program that has no part in it sees it: `scripts/rtp-sources.sh`, with which the demonstration is watched.

use std::path::Path;

use crate::{
    baresip::Phone,
    capture::in_sight,
    place::{Place, command, run},
    server::Server,
};

#[test]
fn a_capture_shows_three_participants_each_with_its_own_tone() {
    in_sight("witness::a_capture_shows_three_participants_each_with_its_own_tone", three_participants);
}

fn three_participants() {
    let place = Place::new("witness");
    let server = Server::start(&place, "relayd", "", &[]);
    server.control(&["create", "standup"]);
    let tones = [("alice", 440.0), ("bob", 620.0), ("carol", 880.0)];
    let mut phones: Vec<Phone> = tones.iter().map(|(name, tone)| Phone::guest(&place, name, *tone)).collect();
    for phone in &mut phones {
        phone.dial(&format!("sip:standup@{}", server.address()));
        phone.wait_for("CALL_ESTABLISHED");
    }
    for (phone, (_, own)) in phones.iter().zip(tones) {
        let others: Vec<f32> = tones.iter().map(|(_, tone)| *tone).filter(|tone| *tone != own).collect();
        phone.recording().wait_to_hear(&others, &[own]);
    }

    let ports: Vec<String> = phones.iter().map(|phone| phone.media_port().to_string()).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/rtp-sources.sh");
    let table = run("tshark sox", command("bash").arg(script).arg("1").args(&ports));
    println!("{table}");
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).filter(|row: &Vec<&str>| row.len() == 7).skip(1).collect();
    let from = |port: &str| rows.iter().filter(|row| row[0].ends_with(&format!(":{port}"))).collect::<Vec<_>>();
    for (port, (name, tone)) in ports.iter().zip(tones) {
        let [source] = from(port)[..] else { panic!("{name} is not one source: {table}") };
        let hertz: f32 = source[6].parse().unwrap_or_else(|_| panic!("{name} has no tone: {table}"));
        assert!((hertz - tone).abs() < 5.0, "{name} sends {hertz} Hz: {table}");
        assert!(source[4].parse::<u32>().is_ok_and(|packets| packets >= 40) && source[5] == "0", "{name}: {table}");
    }
    assert_eq!(rows.len(), 6, "three participants, and a mixture for each: {table}");
}
