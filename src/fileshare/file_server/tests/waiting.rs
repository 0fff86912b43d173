//! What becomes due.

use super::*;

#[test]
fn a_member_that_does_not_come_again_in_its_window_has_failed() {
    let mut world = World::new(|config| config.resume_window = Duration::from_secs(600));
    let (_, bob) = world.shared();
    world.happen(connected(1));
    world.happen(connected(2));
    world.happen(broken(2));
    match world.heard().expect("told") {
        (call, Body { message: Message::Status(status), .. }) => {
            assert_eq!((call, status.members[0].state, &status.members[0].failure), (bob, MemberState::Broken, &None));
        }
        other => panic!("{other:?}"),
    }
    world.pass(Duration::from_secs(599));
    assert!(world.heard().is_none());
    world.pass(Duration::from_secs(1));
    match world.heard().expect("told") {
        (call, Body { message: Message::DownloadError(why), .. }) => assert_eq!((call, why.code), (bob, FailureCode::Unreachable)),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.journal(), ["strike c1 m2: no connection within 600s"]);
}

#[test]
fn a_sharer_that_does_not_come_again_takes_the_share_with_it_unless_the_upload_was_complete() {
    for complete in [false, true] {
        let mut world = World::new(|config| config.idle = Duration::from_secs(3600));
        let (alice, bob) = world.shared();
        world.happen(connected(1));
        world.happen(connected(2));
        if complete {
            world.happen(uploaded());
            world.heard();
        }
        world.happen(broken(1));
        if complete {
            // Even one that said that it would, came, and was cut off.
            world.reinvite(alice, offer(2, &sharer("192.0.2.1:4001")));
            assert_eq!(world.journal(), ["admit c1 m1 192.0.2.1:4001"]);
            world.happen(connected(1));
            let why = Some(Failure::new(FailureCode::Protocol, "nonsense"));
            world.happen(PlaneEvent::Broken { conf: conf(), member: MemberId(1), why });
            assert!(world.heard().is_none(), "the upload is complete, whatever its sharer's connections do");
        }
        world.pass(Duration::from_secs(601));
        if complete {
            assert!(world.heard().is_none() && !world.ended(bob));
        } else {
            let (call, body) = world.heard().expect("told");
            assert!(matches!(body.message, Message::ShareEnded(why) if why.code == FailureCode::Unreachable) && call == alice);
            assert!(world.ended(bob));
        }
    }
}

#[test]
fn an_idle_data_conference_gives_its_port_back_and_keeps_its_bytes() {
    let mut world = World::new(|config| config.idle = Duration::from_secs(60));
    let (alice, bob) = world.shared();
    world.happen(connected(1));
    world.pass(Duration::from_secs(100));
    assert_eq!(world.journal(), [] as [String; 0], "somebody is connected");
    world.happen(broken(1));
    world.pass(Duration::from_secs(60));
    assert_eq!(world.journal(), ["release c1"]);
    assert!(!world.ended(alice) && !world.ended(bob));
    // Whoever reconnects finds another port.
    world.reinvite(bob, offer(2, &receiver("192.0.2.2:5001")));
    assert_eq!(share_line(&world.accepted(bob)).port, 30_001);
    assert_eq!(world.journal(), ["open c1 30001", "admit c1 m2 192.0.2.2:5001"]);
}

#[test]
fn a_port_that_is_opened_and_to_which_nobody_comes_is_given_back() {
    let mut world = World::new(|config| config.idle = Duration::from_secs(60));
    let (_, bob) = world.shared();
    world.pass(Duration::from_secs(60));
    assert_eq!(world.journal(), ["release c1"]);
    // Nothing new is said, and still there is a port to be named.
    world.reinvite(bob, offer(2, &receiver("192.0.2.2:5000")));
    assert_eq!(share_line(&world.accepted(bob)).port, 30_001);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.journal(), ["open c1 30001", "release c1"]);
    // A refusal names none.
    world.reinvite(bob, offer(3, &receiver("[2001:db8::2]:5000")));
    assert_eq!(world.rejected(bob).status, 488);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.journal(), ["open c1 30000", "release c1"]);
    // By INFO.
    let reconnect = Message::Reconnect { source: "192.0.2.2:6000".parse().expect("an address") };
    assert!(matches!(world.ask(bob, reconnect), Message::Reconnected(_)));
    world.pass(Duration::from_secs(60));
    assert_eq!(world.journal(), ["admit c1 m2 192.0.2.2:6000", "open c1 30001", "release c1"]);
}
