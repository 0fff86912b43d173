//! Telephones that know no files, in a conference where files are shared: baresip answers the line of a share with port 0.

use std::fs;

use serde_json::Value;

use crate::{
    baresip::Phone,
    place::Place,
    server::Server,
    sharer::{Sharer, fshare},
};

const CAROL: f32 = 440.0;
const DAVE: f32 = 620.0;
/// Of the shared file; with [`RATE`] it takes three seconds, six looks at the audio.
const BYTES: usize = 3 << 20;
const RATE: &str = "1MiB/s";

/// What `share-complete` says of somebody.
fn state_of(finished: &Value, who: &str) -> String {
    let members = finished["members"].as_array().expect("members");
    let member = members.iter().find(|m| m["who"].as_str().is_some_and(|uri| uri.contains(who)));
    member.unwrap_or_else(|| panic!("{who} is not in {finished}"))["state"].as_str().expect("a state").to_owned()
}

#[test]
fn telephones_refuse_the_line_of_a_share_keep_their_audio_and_are_listed_as_not_taking_part() {
    let place = Place::new("shared-files");
    let server = Server::start(&place, "relayd", "", &["--user", "alice", "--user", "bob"]);
    server.control(&["create", "standup"]);
    let (mut carol, mut dave) = (Phone::guest(&place, "carol", CAROL), Phone::guest(&place, "dave", DAVE));
    for phone in [&mut carol, &mut dave] {
        phone.dial(&format!("sip:standup@{}", server.address()));
        phone.wait_for("CALL_ESTABLISHED");
    }
    let (by_carol, by_dave) = (carol.recording(), dave.recording());
    by_carol.wait_to_hear(&[DAVE], &[CAROL]);
    by_dave.wait_to_hear(&[CAROL], &[DAVE]);
    let file = place.path("slides.bin");
    fs::write(&file, (0..BYTES).map(|at| (at * 7 % 251) as u8).collect::<Vec<u8>>()).expect("written");

    // By re-INVITE they are asked; they refused then, so that by INFO they are not asked again.
    for via in ["reinvite", "info"] {
        let (since_carol, since_dave) = (by_carol.now(), by_dave.now());
        let mut alice = Sharer::start(fshare(
            &place,
            &server,
            "alice",
            &["share", "standup", file.to_str().expect("a path"), "--via", via, "--limit", RATE],
        ));
        let share = alice.wait_for("shared")["share"].as_str().expect("a share").to_owned();
        let target = place.folder(via);
        let mut got = fshare(&place, &server, "bob", &["get", "standup", &share, "--output", target.to_str().expect("a path")]);
        let got = got.output().expect("fshare runs");
        assert!(got.status.success(), "{via}: {}", String::from_utf8_lossy(&got.stderr));
        assert!(fs::read(target.join("slides.bin")).expect("received") == fs::read(&file).expect("sent"), "{via}: another file");
        let finished = alice.wait_for("finished");
        for who in ["carol", "dave"] {
            assert_eq!(state_of(&finished, who), "not-taking-part", "{via}: {finished}");
        }
        assert_eq!(state_of(&finished, "bob"), "complete", "{via}: {finished}");
        assert_eq!(alice.ended(), Some(0), "{via}");

        // Not a look without the other's tone, from before the share to its end.
        for (name, recording, since, tone) in [("carol", &by_carol, since_carol, DAVE), ("dave", &by_dave, since_dave, CAROL)] {
            let (heard, looks) = recording.heard_since(since, tone);
            println!("{via}: {name} heard {tone} Hz in {heard} of {looks} looks of half a second");
            assert!(looks >= 4 && heard == looks, "{via}: {name} heard {tone} Hz in {heard} of {looks} looks");
        }
    }
    for phone in [&carol, &dave] {
        let trace = phone.trace();
        assert!(trace.contains("m=application 0 TCP/TLS/fileshare"), "the line is refused with port 0: {trace}");
        let asked = trace.lines().filter(|line| line.starts_with("m=application ") && !line.starts_with("m=application 0")).count();
        assert_eq!(asked, 1, "asked once: {trace}");
    }
    by_carol.wait_to_hear(&[DAVE], &[CAROL]);
    by_dave.wait_to_hear(&[CAROL], &[DAVE]);
    assert_eq!(server.wait_for_participants("standup", 2).len(), 2, "the dialogs without audio are gone");
}
