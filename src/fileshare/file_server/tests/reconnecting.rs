//! How members come again.

use super::*;

#[test]
fn a_new_source_port_replaces_the_entry_and_the_same_one_changes_nothing() {
    let mut world = World::new(|_| {});
    let (_, bob) = world.shared();
    world.reinvite(bob, offer(1, &receiver("192.0.2.2:5000")));
    let same = share_line(&world.accepted(bob));
    assert_eq!(world.journal(), [] as [String; 0]);
    world.reinvite(bob, offer(2, &receiver("192.0.2.2:5001")));
    let anew = share_line(&world.accepted(bob));
    assert_eq!((anew.key, anew.port), (same.key, same.port));
    assert_eq!(world.journal(), ["admit c1 m2 192.0.2.2:5001"]);
    // The other way is no way.
    world.reinvite(bob, offer(3, &terminal("192.0.2.2:5002", Direction::SendOnly)));
    assert_eq!(world.rejected(bob).status, 488);
}

#[test]
fn reconnecting_by_info_does_the_same() {
    let mut world = World::new(|_| {});
    let (_, bob) = world.shared();
    match world.ask(bob, Message::Reconnect { source: "192.0.2.2:6000".parse().expect("an address") }) {
        Message::Reconnected(endpoint) => assert_eq!(endpoint.address.port(), 30_000),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.journal(), ["admit c1 m2 192.0.2.2:6000"]);
}

#[test]
fn what_a_member_did_wrong_is_reported_and_it_may_come_again() {
    let mut world = World::new(|_| {});
    let (_, bob) = world.shared();
    world.happen(connected(2));
    let why = Failure::new(FailureCode::Protocol, "packet 3 came where packet 2 was due");
    world.happen(PlaneEvent::Broken { conf: conf(), member: MemberId(2), why: Some(why.clone()) });
    match world.heard().expect("told") {
        (call, Body { message: Message::Status(status), .. }) => {
            let [member] = &status.members[..] else { panic!("{status:?}") };
            assert_eq!((call, member.state, member.failure.clone()), (bob, MemberState::Broken, Some(why)));
            assert_eq!(member.who, "sip:bob@example.org");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.journal(), [] as [String; 0], "it stays on the list");
}
