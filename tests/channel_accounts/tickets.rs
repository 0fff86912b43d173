//! Who may have a channel where the relay gives them to accounts only.

use std::{fs, future::Future, pin::Pin, time::Duration};

use confkit::{
    account::{Audience, SigningKey, Ticket},
    channel::{
        client::{RelayError, Relays, Vouch, apply},
        wire::{
            proof::Challenge,
            request::{Apply, Ticket as Shown, ticket_action},
        },
    },
    clock,
};

use crate::{
    house::{House, Running, bytes, code, run, said},
    place::Place,
    server::Server,
};

#[test]
fn accounts_have_channels_where_nobody_else_has_for_users_and_by_codes() {
    let house = House::new("accounts-tickets", "relay: {anonymous: nobody}\n", &[]);
    fs::write(house.place.path("notes.txt"), b"notes").expect("written");
    for applies in ["receiver", "sender"] {
        let mut receiving = house.recv("bob", &["--from", "alice", "--yes", "--output", applies]);
        receiving.event("waiting");
        let sent = run(&mut house.fshare("alice", &["send", "notes.txt", "--to", "bob", "--applies", applies]));
        assert_eq!((code(&sent), receiving.end().0), (0, 0), "{}", said(&sent));
    }
    let relay = house.server.ready["relay"].as_str().expect("a relay");
    let mut sending = Running::start(house.fshare("alice", &["--json", "send", "notes.txt"]).env("CONFKIT_RELAY", relay));
    let shown = sending.event("code")["code"].as_str().expect("a code").to_owned();
    let received = run(house
        .fshare("bob", &["recv", &shown, "--yes", "--output", "code"])
        .env("CONFKIT_RELAY", relay)
        .env_remove("CONFKIT_USER")
        .env_remove("CONFKIT_CREDENTIALS"));
    assert_eq!((code(&received), sending.end().0), (0, 0), "{}", said(&received));
    let nobody = run(house
        .fshare("alice", &["send", "notes.txt"])
        .env("CONFKIT_RELAY", relay)
        .env_remove("CONFKIT_USER")
        .env_remove("CONFKIT_CREDENTIALS"));
    assert_eq!(code(&nobody), 3, "{}", said(&nobody));
    assert!(said(&nobody).contains("accounts only"), "{}", said(&nobody));
}

#[test]
fn what_breaks_off_goes_on_where_accounts_alone_have_channels() {
    let house = House::new("accounts-tickets-again", "relay: {anonymous: nobody}\n", &[]);
    fs::write(house.place.path("large.bin"), bytes(3 << 20)).expect("written");
    let relay = house.server.ready["relay"].as_str().expect("a relay");
    for to in [&[][..], &["--to", "bob"], &["--to", "bob", "--applies", "sender"]] {
        let output = format!("out-{}", to.len());
        let recv = |args: &[&str]| {
            let args = [&["--json", "recv", "--yes", "--output", &output], args].concat();
            Running::start(house.fshare("bob", &args).env("CONFKIT_RELAY", relay))
        };
        let waiting = (!to.is_empty()).then(|| {
            let mut waiting = recv(&["--from", "alice"]);
            waiting.event("waiting");
            waiting
        });
        let send = [&["--json", "send", "large.bin", "--limit", "1MiB/s", "--relay-only"], to].concat();
        let mut sending = Running::start(house.fshare("alice", &send).env("CONFKIT_RELAY", relay));
        let mut receiving = waiting.unwrap_or_else(|| recv(&[sending.event("code")["code"].as_str().expect("a code")]));
        receiving.event("begun");
        sending.event("begun");
        receiving.interrupt();
        let (ended, told) = receiving.end();
        let name = told.split_once("fshare resume ").map(|(_, name)| name.split(['"', ' ', '\n']).next().unwrap_or_default());
        let name = name.unwrap_or_else(|| panic!("it ended with {ended}, and says not how to go on: {told}"));
        let resumed = run(house.fshare("bob", &["resume", name]).env("CONFKIT_RELAY", relay));
        let (ended, told) = sending.end();
        assert_eq!((code(&resumed), ended), (0, 0), "{to:?}: {} {told}", said(&resumed));
        assert!(fs::read(house.place.path(&format!("{output}/large.bin"))).expect("there") == bytes(3 << 20), "{to:?}");
    }
}

/// A ticket that is for the connection, or is not.
#[derive(Debug)]
struct Forger {
    seed: u8,
    age: Duration,
    action: fn(&Challenge) -> Option<String>,
}

impl Vouch for Forger {
    fn ticket(&self, challenge: Challenge) -> Pin<Box<dyn Future<Output = Option<Shown>> + Send + '_>> {
        let issued = clock::wall() - self.age;
        let ticket = Ticket::new("alice".parse().expect("a name"), Audience::Relay, (self.action)(&challenge), issued);
        let signed = ticket.sign(&SigningKey::from_seed(&[self.seed; 32])).expect("a ticket");
        Box::pin(async move { Some(Shown(signed.reveal().to_owned())) })
    }
}

#[tokio::test]
async fn a_ticket_admits_on_the_connection_that_it_is_for_and_in_its_time() {
    let place = Place::new("accounts-forged");
    let key = SigningKey::from_seed(&[7; 32]).public();
    let configuration = format!("roles: [relay]\nrelay: {{anonymous: nobody, ticket_key: \"{key}\"}}\n");
    let server = Server::start(&place, "relay", &configuration, &[]);
    let relays = Relays::from(vec![server.ready["relay"].as_str().expect("a relay").to_owned()]);
    let applied = async |account: Option<&dyn Vouch>| {
        let wanted = Apply { ticket: None, peer: Some("bob".to_owned()), kind: None, receivers: 1, nameplate: None };
        match apply(&relays, Duration::from_secs(10), account, wanted).await {
            Ok(_) => String::new(),
            Err(RelayError::Refused(refused)) => refused.text,
            Err(error) => panic!("{error}"),
        }
    };
    let here: fn(&Challenge) -> Option<String> = |challenge| Some(ticket_action(challenge));
    let (now, old) = (Duration::ZERO, Duration::from_secs(700));
    assert_eq!(applied(Some(&Forger { seed: 7, age: now, action: here })).await, "");
    for (forger, why) in [
        (Forger { seed: 8, age: now, action: here }, "is not signed by the server that this one trusts"),
        (Forger { seed: 7, age: old, action: here }, "has expired 100 s ago"),
        // Overheard on another connection, of this user or of another, and shown here.
        (Forger { seed: 7, age: now, action: |_| Some(ticket_action(&[9; 32])) }, "is for another action"),
        (Forger { seed: 7, age: now, action: |_| Some("apply".to_owned()) }, "is for another action"),
        (Forger { seed: 7, age: now, action: |_| None }, "is for another action"),
    ] {
        let told = applied(Some(&forger)).await;
        assert!(told.contains(why), "{told}");
    }
    assert!(applied(None).await.contains("accounts only"));
}

#[tokio::test]
async fn who_applies_for_a_user_too_often_waits_as_long_as_the_relay_asks_for_or_until_it_is_interrupted() {
    let house = House::new("accounts-rate", "", &[]);
    let server = Server::start(&house.place, "relay", "roles: [relay]\nrelay: {applications_per_minute: 8}\n", &[]);
    let relay = server.ready["relay"].as_str().expect("a relay");
    let relays = Relays::from(vec![relay.to_owned()]);
    let applied = async || {
        let wanted = Apply { ticket: None, peer: None, kind: None, receivers: 1, nameplate: None };
        apply(&relays, Duration::from_secs(10), None, wanted).await
    };
    fs::write(house.place.path("notes.txt"), b"notes").expect("written");
    let recv = || {
        Running::start(house.fshare("bob", &["--json", "recv", "--from", "alice", "--yes", "--output", "out"]).env("CONFKIT_RELAY", relay))
    };
    let send = || {
        let args = ["--json", "send", "notes.txt", "--to", "bob", "--applies", "sender"];
        Running::start(house.fshare("alice", &args).env("CONFKIT_RELAY", relay))
    };
    let mut receiving = recv();
    receiving.event("waiting");
    while applied().await.is_ok() {}
    let mut sending = send();
    let paused = sending.event("paused");
    assert!(paused["reason"].as_str().is_some_and(|why| why.contains("too many applications for channels")), "{paused}");
    sending.interrupt();
    assert_eq!(sending.end().0, 130);
    assert_ne!(receiving.end().0, 0, "it heard that nothing comes");
    let mut receiving = recv();
    receiving.event("waiting");
    let sending = send();
    let (ended, told) = sending.end();
    assert_eq!((ended, receiving.end().0), (0, 0), "{told}");
}
