//! How members leave, and how shares end.

use super::*;

#[test]
fn the_sharers_port_0_ends_the_data_conference() {
    let mut world = World::new(|_| {});
    let (alice, bob) = world.shared();
    world.reinvite(alice, offer(2, &sharer("192.0.2.1:4000").ended()));
    assert_eq!(Description::parse(&world.accepted(alice).body).expect("an answer").media[0].port, 0);
    assert_eq!(world.journal(), ["close c1: the sharer has ended the share"]);
    assert!(world.ended(bob) && !world.ended(alice), "the dialogs of the others end; the sharer's is its application server's to end");
    world.bye(alice);
    world.pass(Duration::from_secs(60));
    assert!(world.fs.is_idle());
}

#[test]
fn the_sharers_bye_ends_it_too_and_a_members_strikes_it_alone() {
    let mut world = World::new(|_| {});
    let (alice, bob) = world.shared();
    world.bye(bob);
    assert_eq!(world.journal(), ["strike c1 m2: this member has left the share"]);
    world.bye(alice);
    assert_eq!(world.journal(), ["close c1: the sharer has left"]);
    world.pass(Duration::from_secs(60));
    assert!(world.fs.is_idle());
}

#[test]
fn a_members_port_0_strikes_it_and_leaves_the_others() {
    let mut world = World::new(|_| {});
    let (alice, bob) = world.shared();
    world.reinvite(bob, offer(2, &receiver("192.0.2.2:5000").ended()));
    assert_eq!(world.accepted(bob).status, 200);
    assert_eq!(world.journal(), ["strike c1 m2: this member has left the share"]);
    assert!(!world.ended(alice) && world.fs.plane().passes(&conf()).count() == 1);
}

#[test]
fn the_port_is_given_back_when_all_have_finished_and_a_late_member_gets_another() {
    let mut world = World::new(|_| {});
    let (_, bob) = world.shared();
    assert_eq!(world.ask(bob, Message::DownloadRequest), Message::DownloadReady);
    world.happen(connected(1));
    world.happen(connected(2));
    world.happen(uploaded());
    assert_eq!(world.journal(), [] as [String; 0]);
    world.happen(received(2));
    assert_eq!(world.journal(), ["release c1"]);
    assert!(world.heard().is_some_and(|(_, body)| matches!(body.message, Message::UploadComplete { .. })));
    assert_eq!(world.ask(bob, Message::DownloadComplete { bytes: 1000 }), Message::Done);
    assert_eq!(world.journal(), ["strike c1 m2: this member has finished"]);

    let (_, carol) = world.join("c1", "carol", &receiver("192.0.2.3:5000"));
    assert_eq!(carol.port, 30_001);
    assert_eq!(world.journal(), ["open c1 30001", "admit c1 m3 192.0.2.3:5000"]);
    world.happen(connected(3));
    world.happen(received(3));
    assert_eq!(world.journal(), ["release c1"]);
}

#[test]
fn a_failed_download_leaves_the_others_and_counts_as_finished() {
    let mut world = World::new(|_| {});
    let (_, bob) = world.shared();
    let (_, _) = world.join("c1", "carol", &receiver("192.0.2.3:5000"));
    world.journal();
    world.happen(uploaded());
    world.heard();
    let full = Failure::new(FailureCode::NoSpace, "bob's disk is full");
    assert_eq!(world.ask(bob, Message::DownloadError(full)), Message::Done);
    assert_eq!(world.journal(), ["strike c1 m2: bob's disk is full"]);
    world.happen(received(3));
    assert_eq!(world.journal(), ["release c1"]);
}

#[test]
fn a_terminal_that_gives_up_on_its_connection_is_told_to_the_application_server() {
    let mut world = World::new(|_| {});
    let (alice, bob) = world.shared();
    let why = Failure::new(FailureCode::NoSpace, "full");
    world.happen(PlaneEvent::GaveUp { conf: conf(), member: MemberId(2), why: why.clone() });
    let (call, body) = world.heard().expect("told");
    assert_eq!((call, body.message), (bob, Message::DownloadError(why)));
    let why = Failure::new(FailureCode::SourceChanged, "a file shrank");
    world.happen(PlaneEvent::GaveUp { conf: conf(), member: MemberId(1), why: why.clone() });
    let (call, body) = world.heard().expect("told");
    assert_eq!((call, body.message), (alice, Message::ShareEnded(why)));
    assert_eq!(world.journal(), ["strike c1 m2: full", "close c1: a file shrank"]);
    assert!(world.ended(bob));
}

#[test]
fn an_upload_that_fails_here_ends_the_share_with_the_reason() {
    let mut world = World::new(|_| {});
    let (alice, bob) = world.shared();
    let why = Failure::new(FailureCode::NoSpace, "the file server's disk is full");
    world.happen(PlaneEvent::UploadFailed { conf: conf(), why: why.clone() });
    let (call, body) = world.heard().expect("told");
    assert_eq!((call, body.message), (alice, Message::ShareEnded(why)));
    assert!(world.ended(bob) && world.journal() == ["close c1: the file server's disk is full"]);
}

#[test]
fn whoever_is_stopped_takes_no_more_ends_its_dialogs_and_deletes_nothing() {
    let mut world = World::new(|_| {});
    let (alice, bob) = world.shared();
    world.fs.handle_command(world.now, Command::Drain);
    let call = world.invite("c2", "eve", Some(offer(1, &Line { conf: None, ..sharer("192.0.2.5:1") })));
    assert_eq!(world.rejected(call).status, 503);
    world.fs.handle_command(world.now, Command::End { reason: "over".into() });
    world.run();
    assert!(world.ended(alice) && world.ended(bob) && world.fs.finished());
    assert_eq!(world.fs.plane().shares().count(), 1, "it is left for the next process");
}
