//! What is kept of members that come and go.

use std::collections::BTreeSet;

use super::{super::rights::Right, *};
use crate::{
    clock,
    conference::roster::Role,
    fileshare::wire::line::Transport,
    sdp::Direction,
    sip::{
        endpoint::{Endpoint, EndpointConfig, Invite},
        hop::{Hop, Transport as HopTransport},
        message::{NameAddr, Uri},
    },
};

const SHARER: ParticipantId = ParticipantId(1);

/// A dialog, as there is no other way to one than a call.
fn a_call() -> Call {
    let mut endpoint = Endpoint::new(EndpointConfig::default().role("as"), [1; 32]);
    let uri: Uri = "sip:bob@example.org".parse().expect("a URI");
    let to = NameAddr { display: None, uri: uri.clone(), params: Vec::new() };
    let invite = Invite {
        uri,
        contact: endpoint.contact(Some("as"), HopTransport::Local),
        from: to.clone(),
        to,
        hop: Hop::local("bob"),
        route: Vec::new(),
        headers: Vec::new(),
        body: None,
        credentials: None,
    };
    endpoint.invite(clock::now(), invite).expect("room")
}

fn person(user: Option<&str>, uri: &str) -> Person {
    Person {
        call: a_call(),
        user: user.map(|user| user.parse().expect("a name")),
        uri: uri.parse().expect("a URI"),
        name: String::new(),
        role: Role::Guest,
    }
}

fn share() -> Share {
    let alice = person(Some("alice"), "sip:alice@example.org");
    Share {
        conf: "c1".parse().expect("an id"),
        sharer: SHARER,
        user: alice.user.clone(),
        by_info: false,
        recipients: Vec::new(),
        server: 0,
        line: Line::terminal(Transport::Tls, "192.0.2.7:40000".parse().expect("an address"), Direction::SendOnly),
        address: None,
        members: [(SHARER, Member::new(&alice, MemberState::Complete))].into(),
        from: alice,
        uploaded: None,
        completed: false,
        orphan: false,
        suspended: false,
        adrift: false,
    }
}

/// Comes, is in a state at the end, and goes.
fn comes_and_goes(share: &mut Share, at: u32, user: Option<&str>, uri: &str, end: MemberState) {
    let id = ParticipantId(at);
    share.enrol(id, Member::new(&person(user, uri), MemberState::Offered), |other| other == id || other == SHARER);
    share.members.get_mut(&id).expect("here").state = end;
}

#[test]
fn a_thousand_rejoins_of_one_member_leave_its_last_part_and_the_last_in_which_it_got_all() {
    for (user, uri) in [(Some("bob"), "sip:bob@example.org"), (None, "sip:guest@192.0.2.9")] {
        let mut share = share();
        for at in 2..1002 {
            let end = if at % 5 == 0 { MemberState::Complete } else { MemberState::Left };
            comes_and_goes(&mut share, at, user, uri, end);
        }
        let kept: Vec<_> = share.members.iter().map(|(id, member)| (id.0, member.state)).collect();
        assert_eq!(kept, [(1, MemberState::Complete), (1000, MemberState::Complete), (1001, MemberState::Left)], "{user:?}");
    }
}

#[test]
fn who_calls_himself_something_else_each_time_leaves_a_bounded_table_too() {
    let mut share = share();
    for at in 2..4000 {
        let end = if at == 2 { MemberState::Complete } else { MemberState::Failed };
        comes_and_goes(&mut share, at, None, &format!("sip:guest-{at}@192.0.2.9"), end);
    }
    assert_eq!(share.members.len(), MAX_GONE + 2);
    assert!(share.members.contains_key(&ParticipantId(2)), "who has it all is reported");
}

#[test]
fn who_is_here_or_still_transfers_keeps_its_part() {
    let mut share = share();
    let bob = person(Some("bob"), "sip:bob@example.org");
    let here = BTreeSet::from([2, 5]);
    let mut called = Member::new(&bob, MemberState::Left);
    called.call = Some(a_call());
    share.members.insert(ParticipantId(2), Member::new(&bob, MemberState::Declined));
    share.members.insert(ParticipantId(3), Member::new(&bob, MemberState::Broken));
    share.members.insert(ParticipantId(4), called);
    share.enrol(ParticipantId(5), Member::new(&bob, MemberState::Offered), |id| here.contains(&id.0));
    assert_eq!(share.members.keys().map(|id| id.0).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
}

#[test]
fn what_a_guest_was_given_goes_with_it() {
    let mut room = Room::default();
    for at in 0..1000 {
        let id = ParticipantId(at);
        room.attendees.insert(id, Attendee::new(person(None, "sip:guest@192.0.2.9")));
        room.rights.guests.insert((Right::Share, id), true);
        assert!(room.leave(id) && !room.leave(id));
    }
    assert!(room.attendees.is_empty() && room.rights.guests.is_empty());
}
