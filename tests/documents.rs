//! Documents that cannot go stale: `docs/json.md` names exactly the fields that are serialized, `docs/dependencies.md` exactly the crates of
//! `Cargo.toml`, and every command line shown in a document is one that the programs accept.

#![cfg(feature = "cli")]

use std::{collections::BTreeSet, fs, path::Path};

use confkit::{
    cli::{
        confctl::{
            self,
            events::{Attended, Frequency, Heard, Played, Side, Watched},
            grant::Granted,
            message::Sent,
            ua::wire::{Happened, ShareStanding, Standing},
        },
        exit::{ExitCode, Failure},
        fshare::{
            self,
            channel::show::{Carried, ReceiverState},
            records, shares,
            show::{Fared, Moved, Received},
            unshare,
        },
        relayd, scenario,
    },
    conference::wire::{
        Timestamp,
        control::{self, CallState, Data, Details, ErrorCode, Given, Invitee, MediaServer, Participant, Preset, Role, Status, Summary},
    },
    daemon::Ready,
    id::UserName,
};
use serde::Serialize;
use serde_json::Value;

fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The cells of the rows of a document's tables, without header and rule, under each `##` heading.
fn rows(document: &str) -> Vec<(String, Vec<String>)> {
    let (mut heading, mut rows) = (String::new(), Vec::new());
    let mut before_rule = true;
    for line in document.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            heading = title.to_owned();
        }
        let Some(row) = line.strip_prefix("| ").or_else(|| line.strip_prefix("|-")) else {
            before_rule = true;
            continue;
        };
        if line.starts_with("|-") {
            before_rule = false;
        } else if !before_rule {
            rows.push((heading.clone(), row.trim_end_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()));
        }
    }
    rows
}

/// Every field of a value as a path: `roster[].id`. What stands in `whole` is not looked into.
fn paths(value: &Value, whole: &[&str]) -> BTreeSet<String> {
    fn walk(value: &Value, at: &str, whole: &[&str], found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) if !whole.contains(&at) => {
                for (name, value) in fields {
                    walk(value, &if at.is_empty() { name.clone() } else { format!("{at}.{name}") }, whole, found);
                }
            }
            Value::Array(items) if !whole.contains(&at) => {
                assert!(!items.is_empty(), "the sample of {at} is empty");
                items.iter().for_each(|item| walk(item, &format!("{at}[]"), whole, found));
            }
            _ => drop(found.insert(at.to_owned())),
        }
    }
    let mut found = BTreeSet::new();
    walk(value, "", whole, &mut found);
    found
}

/// Both sets hold the same; if not, only the difference is told.
#[track_caller]
fn same(document: &BTreeSet<String>, program: &BTreeSet<String>, what: &str) {
    let only = |these: &BTreeSet<String>, those: &BTreeSet<String>| these.difference(those).cloned().collect::<Vec<_>>();
    let (stale, missing) = (only(document, program), only(program, document));
    assert!(stale.is_empty() && missing.is_empty(), "{what}\n  only in the document: {stale:?}\n  not in the document: {missing:?}");
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("a sample serializes")
}

fn when() -> Timestamp {
    Timestamp::from_unix(1_700_000_000)
}

fn conference() -> Summary {
    Summary {
        name: "standup".into(),
        title: Some("Daily".into()),
        uri: "sip:standup@127.0.0.1".into(),
        participants: 3,
        max: Some(9),
        locked: false,
        pin: false,
        guests: true,
        rights: [("share".to_owned(), Preset::All), ("receive".to_owned(), Preset::All)].into(),
        created: when(),
        ends: Some(when()),
        owner: Some("alice".into()),
        media_server: Some("sip:ms".into()),
    }
}

fn given() -> Given {
    Given { right: "share".into(), who: "bob".into(), on: true }
}

fn participant() -> Participant {
    Participant {
        id: "p1".into(),
        uri: "sip:bob@127.0.0.1".into(),
        name: Some("Bob".into()),
        user: Some("bob".into()),
        role: Role::Member,
        state: CallState::Connected,
        dialed_out: false,
        joined: Some(when()),
        audio: true,
        muted: false,
        deaf: false,
        talking: true,
        gain_in_db: 0,
        gain_out_db: 0,
        codec: Some("PCMU".into()),
        agent: Some("baresip".into()),
    }
}

fn alice() -> UserName {
    "alice".parse().expect("a user name")
}

fn ready() -> Ready {
    let env = ["SERVER", "USER", "CREDENTIALS", "HTTP", "RELAY", "CA"].map(|name| (format!("CONFKIT_{name}"), "x".to_owned()));
    Ready {
        event: "ready",
        sip: Some("sip:x".into()),
        sips: Some("sip:x".into()),
        http: Some("http://x".into()),
        relay: Some("127.0.0.1:7420".into()),
        data_dir: "/x".into(),
        roles: vec!["as".into()],
        env: env.into(),
        listening: Vec::new(),
    }
}

fn terminal() -> Standing {
    Standing {
        name: "desk".into(),
        address: "sip:alice@127.0.0.1".into(),
        pid: 1,
        in_call: true,
        peer: Some("sip:standup@127.0.0.1".into()),
        muted: false,
        packets_received: 50,
        packets_sent: 50,
        packets_lost: 0,
        level_dbfs: Some(-20.0),
        shares: vec![ShareStanding { share: "share-1".into(), state: "shared".into(), bytes: Some(1), total: Some(2) }],
        happened: vec![Happened { at: when().to_string(), what: "joined".into(), text: "PCMU".into() }],
    }
}

fn granted() -> Granted {
    Granted { participants: vec![participant()], rights: conference().rights, given: vec![given()] }
}

fn details() -> Data {
    Data::Conference(Box::new(Details { summary: conference(), given: vec![given()], roster: vec![participant()] }))
}

/// The headings of `docs/json.md` that have a table, each with a full sample of what it describes, and the parts that have a heading of their own.
fn samples() -> Vec<(&'static str, Value, &'static [&'static str])> {
    let refused = control::Failure { candidates: vec!["p1".into()], ..control::Failure::new(ErrorCode::Declined, "busy") };
    let status = Status {
        version: "0.1.0".into(),
        uptime_seconds: 1,
        roles: vec!["as".into()],
        draining: false,
        conferences: 1,
        participants: 1,
        contacts: 1,
        media_servers: vec![MediaServer { uri: "sip:ms".into(), reachable: true, legs: 1, capacity: 2, load: 3 }],
    };
    let share = shares::Row {
        share: "share-1".into(),
        from: "sip:x".into(),
        own: true,
        entries: 1,
        bytes: Some(1),
        uploaded: Some(1),
        complete: true,
        finished: 1,
        members: 1,
        names: vec!["x".into()],
    };
    let transfer = records::Row {
        transfer: "share-1-x".into(),
        direction: "download",
        running: false,
        code: Some("7-crystal-window".into()),
        conference: Some("sip:x".into()),
        share: Some("share-1".into()),
        bytes: 1,
        total: Some(2),
        changed: when(),
        age: std::time::Duration::ZERO,
        folder: Some("x".into()),
        paths: vec!["x".into()],
    };
    let invited = Invitee { uri: "sip:bob@127.0.0.1".into(), participant: Some("p1".into()), failure: Some(refused) };
    vec![
        ("A conference", json(&Data::Created(Box::new(conference()))), &[]),
        ("A participant", json(&participant()), &[]),
        ("confctl list", json(&Data::Conferences { conferences: vec![conference()] }), &["conferences[]"]),
        ("confctl invite", json(&Data::Invited { invited: vec![invited] }), &[]),
        (
            "confctl kick, confctl mute, confctl unmute, confctl deaf, confctl undeaf, confctl volume",
            json(&Data::Participants { participants: vec![participant()] }),
            &["participants[]"],
        ),
        ("confctl grant, confctl revoke", json(&granted()), &["participants[]"]),
        ("confctl message", json(&Sent { to: "sip:bob@127.0.0.1".into(), status: 200 }), &[]),
        ("confctl status", json(&Data::Status(Box::new(status))), &[]),
        ("confctl ua", json(&terminal()), &[]),
        ("relayd user", json(&relayd::user::Done { name: alice(), outcome: "added", running: true }), &[]),
        (
            "relayd user list",
            json(&relayd::user::Listed { users: vec![relayd::user::Told { name: alice(), role: "user".into(), initial_password: false }] }),
            &[],
        ),
        ("fshare shares", json(&shares::Shares { shares: vec![share] }), &[]),
        ("fshare unshare", json(&unshare::Unshared { conference: "sip:x".into(), share: "share-1".into() }), &[]),
        (
            "fshare cancel",
            json(&records::Cancelled {
                transfer: "send-x".into(),
                direction: "send",
                bytes: 1,
                told: true,
                folder: Some("x".into()),
                paths: vec!["x".into()],
            }),
            &[],
        ),
        ("fshare status", json(&records::Known { transfers: vec![transfer] }), &[]),
        ("relayd check-config", json(&relayd::check_config::Checked { file: "x.yaml".into(), valid: true }), &[]),
    ]
}

/// One full sample of every event, under the heading of the command that prints it.
fn events() -> Vec<(&'static str, Value)> {
    let (at, name, reason) = (when(), || "standup".to_owned(), Some("because".to_owned()));
    let watched = [
        Watched::State {
            at,
            conference: name(),
            title: Some("Daily".into()),
            uri: "sip:standup@127.0.0.1".into(),
            locked: false,
            max: Some(20),
            roster: vec![participant()],
        },
        Watched::Joined { at, conference: name(), participant: participant() },
        Watched::Left { at, conference: name(), participant: participant(), reason: reason.clone() },
        Watched::Changed { at, conference: name(), participant: participant(), fields: vec!["muted".into()] },
        Watched::Talking { at, conference: name(), talkers: vec!["p1".into()] },
        Watched::Locked { at, conference: name() },
        Watched::Unlocked { at, conference: name() },
        Watched::Ended { at, conference: name(), reason: reason.clone() },
    ];
    let stats = Heard {
        seconds: 1.0,
        packets_received: 50,
        packets_sent: 50,
        packets_lost: 0,
        jitter_ms: 0.1,
        concealed_ms: 0.0,
        level_dbfs: Some(-20.0),
        frequencies: vec![Frequency { hz: 440.0, level_dbfs: -20.0 }],
    };
    let attended = [
        Attended::Calling { at, uri: "sip:x".into() },
        Attended::PinWanted { at, uri: "sip:x".into() },
        Attended::Joined { at, uri: "sip:x".into(), conference: true, codec: "PCMU".into() },
        Attended::Message { at, from: "sip:x".into(), text: "hello".into() },
        Attended::Left { at, by: Side::Them, reason: reason.clone(), stats: Some(stats) },
    ];
    let terminal = Some("alice".to_owned());
    let played = [
        Played::Started { scenario: "demo".into(), terminals: vec!["alice".into()] },
        Played::Step { at_ms: 1, number: 1, step: "join".into(), terminal: terminal.clone(), passed: false, message: reason },
        Played::Expectation { at_ms: 1, number: 2, terminal, expected: "620 Hz".into(), got: "silence".into(), passed: false },
        Played::Heard { terminal: "alice".into(), of: Some("bob".into()), hz: 620.0, level_dbfs: -20.0, heard: true },
        Played::File {
            terminal: "bob".into(),
            name: "slides.bin".into(),
            by: Some("alice".into()),
            bytes: 1,
            sha256: "x".into(),
            shared: "x".into(),
            same: true,
            seconds: 1.0,
        },
        Played::Sip { at_ms: 1.0, from: "alice".into(), to: "as".into(), message: "INVITE demo".into(), transport: "udp".into() },
        Played::Finished { seconds: 1.0, passed: 1, failed: 2 },
    ];
    let (share, some) = (|| "share-1".to_owned(), || Some("x".to_owned()));
    let moved = [
        Moved::Shared { at, share: share(), entries: 1, bytes: Some(1), files: None },
        Moved::Uploaded { at, share: share(), bytes: 1 },
        Moved::Finished {
            at,
            share: share(),
            members: vec![Fared { who: "bob".into(), state: "failed".into(), bytes: 1, reason: some() }],
            last: true,
        },
        Moved::Offered { at, share: share(), from: "sip:x".into(), entries: 1, bytes: Some(1), names: vec!["x".into()], wanted: true },
        Moved::Received { at, share: share(), bytes: 1, files: vec![Received { name: "x".into(), path: some(), blake3: some() }] },
        Moved::Progress { at, share: share(), bytes: 1, total: Some(1), rate: 1, eta: Some(1), source: "conference", retries: 1 },
        Moved::Waiting { at, share: share(), who: "sip:x".into(), bytes: 1, until: when() },
        Moved::Broken { at, share: share(), reason: "x".into(), again_in: 1.0 },
        Moved::Failed { at, share: share(), reason: "x".into(), transfer: some() },
    ];
    let carried = [
        Carried::Code { qr: None, text: false, at, code: "7-crystal-window".into(), relay: vec!["x".into()], files: 1, bytes: Some(1) },
        Carried::Offering { at, transfer: "1f".into(), to: "bob".into(), count: 1, bytes: Some(1) },
        Carried::Waiting { at, user: "bob".into(), from: some() },
        Carried::Invited { at, transfer: "1f".into(), from: "alice".into(), count: 1, bytes: Some(1), kind: "files".into() },
        Carried::Identity { at, contact: "alice@realm".into(), known: true, words: "x".into(), own_words: "x".into(), compare: true },
        Carried::Offered { at, files: 1, bytes: Some(1), names: vec!["x".into()] },
        Carried::Awaited { at, who: "sender" },
        Carried::Deciding { at },
        Carried::Guessed { at, receivers: 1, of: 3 },
        Carried::Missed { at, open: true },
        Carried::Paused { at, reason: "x".into(), again_in: 1 },
        Carried::Astray { at, reason: "x".into(), patience: 60 },
        Carried::Back { at },
        Carried::Begun { at, from: 1, source: "relay" },
        Carried::Receiver { at, receiver: 1, of: 3, state: ReceiverState::Failed, skipped: Some(1), reason: some() },
        Carried::Broken { at, reason: "x".into(), patience: 60 },
        Carried::Progress { at, bytes: 1, total: Some(1), rate: 1, eta: Some(1), source: "relay", file: some(), retries: 1, limited: true },
        Carried::Sent { at, bytes: 1, wire: 1, saved: None, files: 1, skipped: 1, seconds: 1.0, source: "relay", text: false },
        Carried::Text { at, text: "x".into() },
        Carried::Received {
            at,
            bytes: 1,
            files: vec![Received { name: "x".into(), path: some(), blake3: some() }],
            seconds: 1.0,
            source: "direct",
        },
    ];
    let of = |heading, values: Vec<Value>| values.into_iter().map(move |value| (heading, value));
    of("confctl watch", watched.iter().map(json).collect())
        .chain(of("confctl join", attended.iter().map(json).collect()))
        .chain(of("confctl run, confctl demo", played.iter().map(json).collect()))
        .chain(of("fshare share, fshare get, fshare resume", moved.iter().map(json).collect()))
        .chain(of("fshare send, fshare recv", carried.iter().map(json).collect()))
        .chain(of("relayd run", vec![json(&ready())]))
        .collect()
}

#[test]
fn json_fields_are_those_of_the_document() {
    let document = rows(&text("docs/json.md"));
    let told = |heading: &str| -> BTreeSet<String> {
        document
            .iter()
            .filter(|(h, cells)| h == heading && cells.len() == 2)
            .map(|(_, cells)| cells[0].trim_matches('`').to_owned())
            .collect()
    };
    for (heading, sample, whole) in samples() {
        same(&told(heading), &paths(&sample, whole), &format!("docs/json.md, {heading}"));
    }
    // The conference's own fields have their heading; beside them stands the roster.
    let mut shown = paths(&json(&details()), &["roster[]"]);
    assert!(told("A conference").iter().all(|field| shown.remove(field)));
    same(&told("confctl show, confctl lock, confctl unlock, confctl pin"), &shown, "docs/json.md, confctl show");
    assert_eq!(json(&Data::Done {}), serde_json::json!({}));
}

#[test]
fn json_events_are_those_of_the_document() {
    let document = rows(&text("docs/json.md"));
    let told: BTreeSet<String> = document
        .iter()
        .filter(|(_, cells)| cells.len() == 3 && !cells[0].bytes().all(|b| b.is_ascii_digit()))
        .map(|(heading, cells)| format!("{heading}: {} {}", cells[0].trim_matches('`'), cells[1].trim_matches('`')))
        .collect();
    let mut made = BTreeSet::new();
    for (heading, value) in events() {
        let event = value["event"].as_str().expect("an event says what it is").to_owned();
        let whole: &[&str] = &["participant", "roster[]"];
        let whole = if event == "state" { &["conference", "roster[]"][..] } else { whole };
        made.extend(paths(&value, whole).into_iter().filter(|path| path != "event").map(|path| format!("{heading}: {event} {path}")));
    }
    same(&told, &made, "docs/json.md, events");
}

#[test]
fn json_errors_are_those_of_the_document() {
    let document = rows(&text("docs/json.md"));
    let told: Vec<Vec<String>> = document
        .iter()
        .filter(|(_, cells)| cells.len() == 3 && cells[0].bytes().all(|b| b.is_ascii_digit()))
        .map(|(_, cells)| cells.clone())
        .collect();
    let codes: Vec<Vec<String>> =
        ExitCode::ALL.iter().map(|code| vec![code.number().to_string(), format!("`{}`", code.name()), code.meaning().to_owned()]).collect();
    assert_eq!(told, codes);

    let failure = Failure::ambiguous("bob", vec!["p1".into()]);
    let told: BTreeSet<&str> =
        document.iter().filter(|(h, cells)| h == "Errors" && cells.len() == 2).map(|(_, cells)| cells[0].trim_matches('`')).collect();
    let fields = ["error.code", "error.kind", "error.message", "error.hint", "error.details[]", "error.transfer", "error.retry"];
    assert_eq!(told, BTreeSet::from(fields));
    assert!(failure.hint.is_some() && !failure.details.is_empty());
}

#[test]
fn every_command_that_prints_json_is_in_the_document() {
    let document = text("docs/json.md");
    let headings: Vec<&str> = document.lines().filter_map(|line| line.strip_prefix("## ")).flat_map(|line| line.split(", ")).collect();
    // These print no JSON, or none that is built yet.
    let without = ["confctl completions", "relayd completions"];
    for program in [confctl::command(), relayd::command()] {
        for command in program.get_subcommands() {
            let name = format!("{} {}", program.get_name(), command.get_name());
            assert!(headings.contains(&name.as_str()) || without.contains(&name.as_str()), "docs/json.md does not tell what {name} prints");
        }
    }
}

#[test]
fn every_crate_has_its_line_in_the_document() {
    let told: BTreeSet<String> =
        rows(&text("docs/dependencies.md")).iter().map(|(_, cells)| cells[0].trim_matches('`').to_owned()).collect();
    let manifest = text("Cargo.toml");
    let mut named = BTreeSet::new();
    let mut section = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]")
            && let Some((name, _)) = line.split_once(" = ")
        {
            named.insert(name.to_owned());
        }
    }
    assert!(named.len() > 30, "Cargo.toml was not understood");
    same(&told, &named, "docs/dependencies.md and Cargo.toml");
}

#[test]
fn every_command_line_shown_in_a_document_is_accepted() {
    let programs = [confctl::command(), fshare::command(), relayd::command()];
    for document in ["README.md", "docs/ARCHITECTURE.md", "docs/json.md", "docs/operating.md", "docs/scenarios.md", "CONTRIBUTING.md"] {
        for line in text(document).lines().filter_map(|line| line.strip_prefix("$ ")) {
            let line = line.split(" #").next().unwrap_or_default().split(['|', '>', '&']).next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().map(|word| word.trim_matches(['\'', '"'])).collect();
            let Some(program) = programs.iter().find(|program| words.first() == Some(&program.get_name())) else { continue };
            if let Err(error) = program.clone().try_get_matches_from(&words) {
                panic!("{document}: `{line}` is refused: {error}");
            }
        }
    }
}

#[test]
fn every_make_target_that_a_document_names_is_there() {
    let makefile = text("Makefile");
    for document in ["README.md", "CONTRIBUTING.md", "docs/dependencies.md"] {
        let text = text(document);
        for target in text.split("make ").skip(1).map(|rest| rest.chars().take_while(char::is_ascii_lowercase).collect::<String>()) {
            let code =
                ["demo", "test", "lint", "fmt", "doc", "deny", "bench", "fuzz", "man", "setup", "install"].contains(&target.as_str());
            assert!(!code || makefile.contains(&format!("\n{target}:")), "{document}: make {target}");
        }
    }
}

#[test]
fn every_scenario_shown_in_a_document_is_accepted() {
    let mut found = 0;
    for document in ["README.md", "docs/scenarios.md"] {
        let text = text(document);
        for block in text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).filter(|block| block.contains("steps:")) {
            found += 1;
            if let Err(error) = scenario::Scenario::parse(Path::new(document), block, &[]) {
                panic!("{document}: {error}\n{block}");
            }
        }
    }
    assert!(found > 0, "no scenario was found");
}

#[test]
fn the_page_on_scenarios_has_every_key_and_every_verb() {
    let page = text("docs/scenarios.md");
    let told = |word: &str| page.contains(&format!("`{word}`"));
    let missing: Vec<String> =
        scenario::model::words().into_iter().filter(|word| !told(word) && !page.contains(&format!(" {word} "))).collect();
    assert!(missing.is_empty(), "docs/scenarios.md does not tell {missing:?}");
}
