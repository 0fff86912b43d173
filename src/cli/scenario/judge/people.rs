//! Which participant is which terminal.

use crate::{
    cli::scenario::model::Scenario,
    conference::wire::control::{CallState, Participant},
    id::UserName,
    sip::message::Uri,
};

/// What a scenario calls a participant: its terminal's name, else its user's, else as it calls itself.
pub fn name_of(scenario: &Scenario, participant: &Participant) -> String {
    let account = participant.user.as_deref();
    let same_account =
        || scenario.terminals.iter().filter(|terminal| account.is_some() && terminal.account.as_ref().map(UserName::as_str) == account);
    let of_account = match same_account().count() {
        // Terminals of one account are told apart by the name that each shows.
        2.. => same_account().find(|terminal| participant.name.as_deref() == Some(terminal.shown())),
        _ => same_account().next(),
    };
    let user = || participant.uri.parse::<Uri>().ok().and_then(|uri| uri.user());
    let guest =
        || scenario.terminals.iter().find(|terminal| terminal.account.is_none() && user().as_deref() == Some(terminal.name.as_str()));
    match of_account.or_else(guest) {
        Some(terminal) => terminal.name.to_string(),
        None => participant.user.clone().or_else(|| participant.name.clone()).unwrap_or_else(|| participant.uri.clone()),
    }
}

/// Whether somebody is meant by a name: as a scenario calls it, by user, id, address or shown name.
pub fn fits(scenario: &Scenario, participant: &Participant, who: &str) -> bool {
    let Participant { id, uri, name, user, .. } = participant;
    name_of(scenario, participant) == who || id == who || uri == who || user.as_deref() == Some(who) || name.as_deref() == Some(who)
}

/// The names of those who are in and of whom `also` holds, sorted; one name twice for two of it.
pub fn names(scenario: &Scenario, roster: &[Participant], also: impl Fn(&Participant) -> bool) -> Vec<String> {
    let present = |participant: &&Participant| matches!(participant.state, CallState::Connected | CallState::OnHold);
    let mut names: Vec<String> = roster.iter().filter(present).filter(|p| also(p)).map(|p| name_of(scenario, p)).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conference::wire::control::Role;

    fn participant(id: &str, uri: &str, user: Option<&str>, name: Option<&str>, state: CallState) -> Participant {
        Participant {
            id: id.into(),
            uri: uri.into(),
            name: name.map(str::to_owned),
            user: user.map(str::to_owned),
            role: Role::Member,
            state,
            dialed_out: false,
            joined: None,
            audio: true,
            muted: false,
            deaf: false,
            talking: id == "p1",
            gain_in_db: 0,
            gain_out_db: 0,
            codec: None,
            agent: None,
        }
    }

    #[test]
    fn participants_are_called_by_their_terminals_names() {
        let text = "terminals:\n- {name: alice, account: al}\n- {name: desk, account: bob}\n- {name: cell, account: bob}\n- {name: dave}\nsteps: []\n";
        let scenario = Scenario::parse("x.yaml".as_ref(), text, &[]).unwrap();
        let roster = [
            participant("p1", "sip:al@127.0.0.1", Some("al"), Some("Alice"), CallState::Connected),
            participant("p2", "sip:bob@127.0.0.1", Some("bob"), Some("cell"), CallState::OnHold),
            participant("p3", "sip:dave@127.0.0.1:4000", None, Some("guest-1"), CallState::Connected),
            participant("p4", "sip:bare@127.0.0.1:4001", None, Some("baresip"), CallState::Connected),
            participant("p5", "sip:gone@127.0.0.1", None, None, CallState::DialingOut),
        ];
        assert_eq!(names(&scenario, &roster, |_| true), ["alice", "baresip", "cell", "dave"]);
        assert_eq!(names(&scenario, &roster, |p| p.talking), ["alice"]);
        for who in ["p1", "alice", "al", "Alice", "sip:al@127.0.0.1"] {
            assert!(fits(&scenario, &roster[0], who), "{who}");
        }
        assert!(!fits(&scenario, &roster[0], "bob"));
    }
}
