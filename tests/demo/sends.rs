//! Files through a relay channel, as scenario files: both embodiments of CN101150595A.

use std::fs;

use crate::programs::{confctl, folder};

/// Plays an example; what came to users from the application server, and when somebody asked it for a ticket to apply with, in the order of the report's ladder.
fn ladder(example: &str) -> Vec<String> {
    let report = folder(&format!("ladder-{example}")).join("report.html");
    let ran = confctl(&["run", &format!("examples/{example}.yaml"), "--report", report.to_str().expect("a path")]).ends_with(0);
    assert!(ran.out.contains("the same") && ran.out.contains(" send slides.bin"), "{}", ran.out);
    let report = fs::read_to_string(report).expect("a report");
    let mut messages: Vec<String> = report
        .lines()
        .filter(|line| line.contains("&lt;-") || line.ends_with("INVITE control"))
        .filter_map(|line| ["MESSAGE alice", "MESSAGE bob", "INVITE control"].into_iter().find(|message| line.ends_with(message)))
        .map(str::to_owned)
        .collect();
    // Asked again with a proof of the password, or repeated on a slow machine.
    messages.dedup();
    messages
}

#[test]
fn where_the_receiver_applies_the_scenario_shows_an_offer_an_application_and_an_answer() {
    assert_eq!(ladder("send-receiver-applies"), ["MESSAGE bob", "INVITE control", "MESSAGE alice"]);
}

#[test]
fn where_the_sender_applies_the_scenario_shows_the_application_behind_the_acceptance() {
    let there = ["MESSAGE bob", "MESSAGE alice", "INVITE control", "MESSAGE bob"];
    let back = ["MESSAGE alice", "MESSAGE bob", "INVITE control", "MESSAGE alice"];
    assert_eq!(ladder("send-sender-applies"), [there, back].concat());
}
