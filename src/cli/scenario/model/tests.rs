use std::path::Path;

use super::{Action, Expected, Scenario, Server, Sound};
use crate::{
    cli::{
        ExitCode,
        values::{Assignment, Microphone},
    },
    config::{ConfigError, Setting as _},
    id::{ConferenceName, UserName},
};

const HEAD: &str = "conference: demo\nterminals:\n  - {name: alice, account: alice, microphone: \"tone:440\"}\n  - {name: bob}\n";

fn parse(text: &str) -> Result<Scenario, ConfigError> {
    Scenario::parse(Path::new("dir/x.yaml"), text, &[])
}

/// A scenario of these steps.
fn steps(text: &str) -> Scenario {
    parse(&format!("{HEAD}steps:\n{text}")).unwrap_or_else(|error| panic!("{error}"))
}

/// What is wrong with a scenario of these steps.
fn faults(text: &str) -> Vec<String> {
    told(parse(&format!("{HEAD}steps:\n{text}")))
}

fn told(result: Result<Scenario, ConfigError>) -> Vec<String> {
    match result {
        Err(ConfigError::Problems { problems }) => problems.iter().map(ToString::to_string).collect(),
        Err(other) => vec![other.to_string()],
        Ok(_) => Vec::new(),
    }
}

#[test]
fn steps_may_be_written_in_short() {
    let scenario = steps("- create\n- join: alice\n- mute: bob\n- wait: 2s\n- leave: alice\n- end: other\n");
    let described: Vec<String> = scenario.steps.iter().map(|step| step.action.describe()).collect();
    assert_eq!(described, ["create demo", "join demo", "mute bob", "wait 2s", "leave", "end other"]);
    let long = steps(
        "- create: {}\n- join: {terminal: alice}\n- mute: {who: bob}\n- wait: {time: 2s}\n- leave: {terminal: alice}\n- end: {conference: other}\n",
    );
    assert_eq!(long.steps, scenario.steps);
}

#[test]
fn what_stands_beside_a_verb_says_who_and_how_it_ends() {
    let scenario = steps("- kick: alice\n  as: bob\n  exit: 3\n- join: alice\n  exit: unreachable\n");
    assert_eq!(scenario.steps[0].actor.as_ref().map(UserName::as_str), Some("bob"));
    assert_eq!(scenario.steps[0].describe(), "kick alice as bob (must end with 3)");
    assert_eq!((scenario.steps[0].exit, scenario.steps[1].exit), (ExitCode::Denied, ExitCode::Unreachable));
    assert_eq!(scenario.accounts().iter().map(UserName::as_str).collect::<Vec<_>>(), ["alice", "bob"]);
}

#[test]
fn a_scenario_that_is_shown_and_read_again_is_the_same() {
    for text in [
        include_str!("../../../../examples/demo.yaml"),
        include_str!("../../../../examples/demo-muted.yaml"),
        include_str!("../../../../examples/two-processes.yaml"),
        include_str!("../../../../examples/moderation.yaml"),
        include_str!("../../../../examples/doors.yaml"),
        include_str!("../../../../examples/invitations.yaml"),
        include_str!("../../../../examples/files.yaml"),
        include_str!("../../../../examples/send-receiver-applies.yaml"),
        include_str!("../../../../examples/send-sender-applies.yaml"),
    ] {
        let scenario = parse(text).unwrap_or_else(|error| panic!("{error}"));
        let shown = serde_yaml::to_string(&scenario.show()).unwrap();
        let again = parse(&shown).unwrap_or_else(|error| panic!("{error}\n{shown}"));
        assert_eq!(again, scenario, "{shown}");
    }
}

#[test]
fn a_typo_is_told_with_its_line_and_the_nearest_that_is_known() {
    for (text, told) in [
        ("- jion: alice\n", "dir/x.yaml:6: steps[0].jion: is no step; did you mean \"join\"?"),
        ("- join: {terminal: alice, conferense: x}\n", "dir/x.yaml:6: steps[0].join.conferense: unknown key; did you mean \"conference\"?"),
        ("- join: alcie\n", "dir/x.yaml:6: steps[0].join: \"alcie\" is no terminal; did you mean \"alice\"?"),
        (
            "- wait: 1s\n- expect:\n    herd: {terminal: alice}\n",
            "dir/x.yaml:8: steps[1].expect.herd: is nothing to expect; did you mean \"heard\"?",
        ),
        ("- join: alice\n  exti: 4\n", "dir/x.yaml:7: steps[0].exti: is no step; did you mean \"exit\"?"),
        (
            "- expect: {heard: {terminal: alice, only: [bob]}}\n",
            "dir/x.yaml:6: steps[0].expect.heard.only[0]: bob says no tone; give a frequency",
        ),
    ] {
        assert_eq!(faults(text), [told], "{text}");
    }
}

#[test]
fn what_is_not_built_yet_is_refused_before_anything_starts() {
    assert_eq!(faults("- draw: {}\n"), ["dir/x.yaml:6: steps[0].draw: draw is not built yet: arrives with boards inside conferences"]);
}

#[test]
fn what_is_wrong_about_files_is_told() {
    let between = faults(
        "- share: {terminal: alice, paths: []}\n- download: {terminal: zoe, file: x}\n- expect: {event: {terminal: bob, is: recieved}}\n\
         - expect: {event: {is: received}}\n- expect: {file: {terminal: bob, name: x, absent: yes, sha256: 'HASH'}}\n"
            .replace("HASH", &"0a".repeat(32))
            .as_str(),
    );
    for told in [
        "names nothing to share",
        "\"zoe\" is no terminal",
        "\"recieved\" is none of called",
        "\"received\" is none of joined, left",
        "is either absent or something",
    ] {
        assert!(between.iter().any(|fault| fault.contains(told)), "{told} is missing in {between:#?}");
    }
    let values = faults("- share: {terminal: alice, paths: x, via: post}\n- expect: {file: {terminal: bob, name: x, sha256: 12}}\n");
    assert!(values[0].contains("there are reinvite and info") && values[1].contains("64 hexadecimal digits"), "{values:?}");
    let made = told(parse("files: [{name: a/b, size: 1MiB}, {name: x, size: none}]\nsteps: []\n"));
    assert!(made[0].contains("it has a folder") && made[1].contains("files[1].size"), "{made:?}");
    let made = told(parse("files: [{name: x, size: 4GiB}, {name: x, size: 1B}]\nsteps: []\n"));
    assert!(made[0].contains("\"x\" is taken") && made[1].contains("more than 4 GiB together"), "{made:?}");
    let roles = told(parse("server: {ephemeral: {roles: [ms, fs]}}\nsteps: []\n"));
    assert!(roles[0].contains("without the role as"), "{roles:?}");
}

#[test]
fn what_is_wrong_about_sending_is_told() {
    let told = faults(
        "- send: {terminal: alice, paths: x, to: bob}\n- send: {terminal: alice, paths: [], to: alice}\n\
         - send: {terminal: alice, paths: x, to: zoe}\n",
    );
    for wanted in ["send.to: bob has no account", "names nothing to send", "has the account alice, too", "\"zoe\" is no terminal"] {
        assert!(told.iter().any(|fault| fault.contains(wanted)), "{wanted} is missing in {told:#?}");
    }
    let who = faults("- send: {terminal: alice, paths: x, to: bob, applies: nobody}\n");
    assert!(who[0].contains("there are receiver and sender"), "{who:?}");
    let roles = parse(
        "server: {ephemeral: {roles: [as, ms]}}\nterminals: [{name: a, account: a}, {name: b, account: b}]\n\
         steps: [{send: {terminal: a, paths: x, to: b}}]\n",
    );
    let roles = self::told(roles);
    assert!(roles[0].contains("needs the role relay"), "{roles:?}");
}

#[test]
fn a_step_that_sends_says_what_to_whom_and_who_applies() {
    let accounts = "terminals: [{name: alice, account: a}, {name: bob, account: b}]\nsteps:\n";
    let scenario = parse(&format!(
        "{accounts}- send: {{terminal: alice, paths: [x, y], to: bob}}\n- send: {{terminal: bob, paths: z, to: alice, applies: sender}}\n"
    ));
    let described: Vec<String> = scenario.unwrap().steps.iter().map(|step| step.action.describe()).collect();
    assert_eq!(described, ["send x, y to bob (the receiver applies)", "send z to alice (the sender applies)"]);
}

#[test]
fn files_are_named_as_they_are_written_and_meant_from_the_files_folder() {
    let scenario = steps(
        "- share: {terminal: alice, paths: [slides.pdf, notes], via: info, to: bob}\n- download: {terminal: bob, file: slides.pdf}\n",
    );
    let Action::Share(share) = &scenario.steps[0].action else { panic!("a share") };
    assert_eq!((share.paths[0].text.as_str(), share.paths[1].path.as_path()), ("slides.pdf", Path::new("dir/notes")));
    let described: Vec<String> = scenario.steps.iter().map(|step| step.action.describe()).collect();
    assert_eq!(described, ["share slides.pdf, notes to bob (by INFO)", "download slides.pdf"]);
    assert_eq!(scenario.steps[1].action.terminal().map(ToString::to_string).as_deref(), Some("bob"));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let text = "- join: {terminal: alice, pin: 12}\n- wait: soon\n- join: alice\n  leave: alice\n- expect: {}\n- parallel: []\n- kick: {who: bob, gain: 3}\n- \
                expect: {event: {terminal: bob, is: left}}\n- expect: {packets: {terminal: bob}}\n- join: alice\n  exit: 99\n";
    let faults = faults(text);
    for (told, told_at) in [
        ("\"soon\" is not a duration", "steps[1]"),
        ("leave stands beside join", "steps[2]"),
        ("expects nothing; there are roster", "steps[3]"),
        ("has no steps", "steps[4]"),
        ("unknown key; known here: who, reason, conference", "steps[5].kick.gain"),
        ("\"99\" is not an exit code: there are 0 (done)", "steps[8].exit"),
    ] {
        assert!(faults.iter().any(|fault| fault.contains(told) && fault.contains(told_at)), "{told_at} {told} is missing in {faults:#?}");
    }
    // What is wrong between values is told once each value is sound.
    let between = self::faults(
        "- join: {terminal: alice, pin: 12}\n- expect: {event: {terminal: bob, is: left}}\n- expect: {packets: {terminal: bob}}\n\
         - expect: {state: {joined: yes}}\n- expect: {command: [rm, -rf]}\n- expect: {heard: {terminal: bob, silence: yes, above: -60}}\n",
    );
    for told in [
        "is no PIN: a PIN is 4 to",
        "\"left\" is none of called, ringing",
        "expects nothing",
        "joined needs a terminal",
        "one of our programs",
        "is not below what counts as heard",
    ] {
        assert!(between.iter().any(|fault| fault.contains(told)), "{told} is missing in {between:#?}");
    }
}

#[test]
fn a_step_without_a_conference_is_refused_where_none_is_named_for_all() {
    let told = told(parse("terminals: [{name: alice}]\nsteps:\n- join: alice\n- create: x\n"));
    assert_eq!(told, ["dir/x.yaml:3: steps[0].join: has no conference; name one here, or one for all steps at the top"]);
}

#[test]
fn terminals_have_names_of_their_own_and_accounts_to_register() {
    let told = told(parse("terminals: [{name: a}, {name: a}, {name: b, register: yes}, {name: a b}]\nsteps: []\n"));
    assert_eq!(told.len(), 1, "{told:?}");
    let told = self::told(parse("terminals: [{name: a}, {name: a}, {name: b, register: yes}]\nsteps: []\n"));
    assert!(told[0].contains("\"a\" is taken") && told[1].contains("needs an account"), "{told:?}");
}

#[test]
fn variables_stand_anywhere_and_the_command_line_wins() {
    let text = "vars: {room: one, who: alice, hz: 620}\nconference: ${room}\nterminals: [{name: \"${who}\"}]\nsteps:\n\
                - join: ${who}\n- expect: {heard: {terminal: \"${who}\", present: [\"${hz}\"]}}\n";
    let given = |pairs: &[&str]| pairs.iter().map(|pair| pair.parse::<Assignment>().unwrap()).collect::<Vec<_>>();
    let scenario = Scenario::parse(Path::new("x.yaml"), text, &given(&["room=two"])).unwrap();
    assert_eq!(scenario.conference.as_ref().map(ConferenceName::as_str), Some("two"));
    assert_eq!(scenario.vars.0["room"], "two");
    let Action::Expect(expect) = &scenario.steps[1].action else { panic!("an expectation") };
    let Expected::Heard(heard) = &expect.what else { panic!("of what is heard") };
    assert!(matches!(heard.present[..], [Sound::Tone(hz)] if hz.0 == 620.0));

    let told = told(Scenario::parse(Path::new("x.yaml"), text, &given(&["rom=two"])));
    assert_eq!(told, ["--var: vars.rom: no such variable; did you mean \"room\"?"]);
    let told = self::told(parse("vars: {room: one}\nsteps:\n- create: ${rom}\n"));
    assert_eq!(told, ["dir/x.yaml:3: steps[0].create: ${rom} is no variable; did you mean ${room}?"]);
}

#[test]
fn a_server_is_ephemeral_in_one_process_or_two_or_a_uri() {
    let server = |text: &str| parse(&format!("server: {text}\nsteps: []\n")).map(|scenario| scenario.server);
    assert!(matches!(server("ephemeral"), Ok(Server::Ephemeral(one)) if one.roles.is_none()));
    assert!(matches!(server("{ephemeral: {roles: [as, ms]}}"), Ok(Server::Ephemeral(two)) if two.roles.is_some()));
    assert!(matches!(server("sip:conf.example;transport=tcp"), Ok(Server::At(uri)) if uri.param("transport") == Some("tcp")));
    assert!(server("http://x").is_err() && server("{ephemeral: {rolls: [as]}}").is_err());
}

#[test]
fn paths_are_meant_from_the_files_folder() {
    let scenario = parse("terminals: [{name: a, microphone: talk.wav, record: out/a.wav}]\nsteps: []\n").unwrap();
    assert_eq!(scenario.terminals[0].microphone, Microphone::File("dir/talk.wav".into()));
    assert_eq!(scenario.terminals[0].record.as_deref(), Some(Path::new("dir/out/a.wav")));
}
