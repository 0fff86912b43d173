//! What somebody between the two ends of a transfer can see: nothing of what is sent, not its name, and no key. Looked for in the memory of a real
//! `relayd` and in all that terminals and relay say to each other, while real `fshare`s transfer; and the same search finds what it looks for where
//! it is: in the sender's memory, and in the relay's when nobody seals.
//!
//! | what | shown by |
//! |---|---|
//! | content key, resume secret | a receiver by hand, which was given both by a real sender and so knows what to look for |
//! | name, plaintext | that, and two real `fshare`s |
//! | all of these, and the key of two users | `accounts`: a registered receiver by hand, in both embodiments; SIP is searched as well |
//! | that the search works | the sender; two terminals that carry plaintext; `scripts/relay-sees.sh`, by an `fshare` that does not seal |
//! | channel key, by TLS | a receiver by hand, which was given it; and the same without TLS, where it is found |
//! | what a wrong guess leaves | a guesser by hand |

#![cfg(feature = "cli")]

#[path = "channel_secrecy/accounts.rs"]
mod accounts;
#[path = "support/between.rs"]
#[expect(dead_code, reason = "shared with tests that meddle")]
mod between;
#[path = "support/memory.rs"]
mod memory;
#[path = "support/place.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod place;
#[expect(dead_code, reason = "shared with tests that use more of it")]
#[path = "support/running.rs"]
mod running;
#[path = "support/server.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod server;
#[path = "support/terminal.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod terminal;

use std::{fs, io::BufReader, process::ChildStdout};

use aws_lc_rs::hkdf;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::BytesMut;
use confkit::channel::{
    Code, Peer,
    client::{Connection, Relays},
    pake::{ExchangeError, Password},
    wire::{
        Reason, Role,
        letter::{Letter, Way},
        request::Apply,
    },
};
use confkit::sip::transport::{TlsMaterial, TlsStore};
use pakery_core::crypto::CpaceGroup as _;
use pakery_crypto::{P256Group, SPAKE2_P256_N_COMPRESSED};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use between::{Between, Honest};
use place::{PATIENCE, Place, Process, command};
use running::next_event;
use server::Server;
use terminal::Terminal;

const FSHARE: &str = env!("CARGO_BIN_EXE_fshare");
/// Bytes of the file: more than is searched for at a time.
const FILE: usize = 8 << 20;

/// A relay with somebody before it who hears all, and a file that is known by what is in it and by what it is called.
struct World {
    relay: Server,
    between: Between,
    name: String,
    marker: String,
    content: Vec<u8>,
    place: Place,
}

/// An `fshare` that runs.
struct Running {
    process: Process,
    events: BufReader<ChildStdout>,
}

impl World {
    async fn new(test: &str) -> Self {
        let place = Place::new(test);
        let relay = Server::start(&place, "relay", "roles: [relay]\n", &[]);
        let between = Between::new(relay.ready["relay"].as_str().expect("a relay"), |_| Box::new(Honest)).await;
        let (marker, name) = (format!("plaintext-{}", random()), format!("name-{}.txt", random()));
        let content = format!("{marker}\n").repeat(FILE / (marker.len() + 1)).into_bytes();
        fs::write(place.path(&name), &content).expect("written");
        Self { relay, between, name, marker, content, place }
    }

    fn start(&self, program: &str, name: &str, args: &[&str]) -> Running {
        let mut fshare = command(program);
        let home = self.place.folder(&format!("{name}-home"));
        fshare
            .current_dir(self.place.path(""))
            .env("HOME", home)
            .env("CONFKIT_RELAY", &self.between.address)
            .arg("--json")
            .args(args)
            .args(["--relay-only", "--patience", "0s"]);
        let (process, _, output) = Process::piped(&self.place, name, &mut fshare);
        Running { process, events: BufReader::new(output) }
    }

    /// The name of the file, and what is in it.
    fn plain(&self) -> [&[u8]; 2] {
        [self.name.as_bytes(), self.marker.as_bytes()]
    }

    /// Which of these the relay has in its memory, and which were heard on the way to and from it.
    fn seen(&mut self, wanted: &[&[u8]]) -> (Vec<bool>, Vec<bool>) {
        let (inside, _) = memory::search(self.relay.process().pid(), wanted);
        (inside, wanted.iter().map(|wanted| self.between.heard.any(|bytes| memory::holds(bytes, wanted))).collect())
    }

    /// Two `fshare`s, the file slowly from one to the other; what the relay sees of the name and the plaintext while it lasts and behind the end.
    fn transfer(&mut self, program: &str) -> Vec<(Vec<bool>, Vec<bool>)> {
        let name = self.name.clone();
        let mut sender = self.start(program, "sender", &["send", &name, "--limit", "4MiB/s", "--compress", "never"]);
        let code = sender.event("code")["code"].as_str().expect("a code").to_owned();
        let mut receiver = self.start(program, "receiver", &["recv", &code, "--yes", "--output", "in"]);
        receiver.event("progress");
        let wanted: Vec<Vec<u8>> = self.plain().map(<[u8]>::to_vec).into();
        let wanted: Vec<&[u8]> = wanted.iter().map(Vec::as_slice).collect();
        let during = self.seen(&wanted);
        let (inside, _) = memory::search(sender.process.pid(), &wanted);
        assert_eq!(inside, [true, true], "the search finds name and plaintext in the sender's memory");
        assert_eq!((receiver.end(), sender.end()), (0, 0), "{}{}", sender.process.log(), receiver.process.log());
        assert!(fs::read(self.place.path("in").join(&name)).expect("received") == self.content);
        vec![during, self.seen(&wanted)]
    }
}

impl Running {
    /// Waits for an event.
    fn event(&mut self, wanted: &str) -> Value {
        next_event(&mut self.events, wanted).unwrap_or_else(|| panic!("it ended before it told \"{wanted}\": {}", self.process.log()))
    }

    /// Its exit code.
    fn end(&mut self) -> i32 {
        self.process.wait(PATIENCE)
    }
}

fn random() -> String {
    hex(&confkit::clock::seed()[..12])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A key as it may stand somewhere.
fn forms(key: &[u8]) -> [Vec<u8>; 3] {
    [key.to_vec(), hex(key).into_bytes(), BASE64_URL_SAFE_NO_PAD.encode(key).into_bytes()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_relay_has_neither_keys_nor_name_nor_plaintext_of_what_passes_through_it() {
    let mut world = World::new("secrecy-keys").await;
    let name = world.name.clone();
    // Held to a speed, so that it is in the middle of it for long enough.
    let mut sender = world.start(FSHARE, "sender", &["send", &name, "--limit", "4MiB/s"]);
    let code: Code = sender.event("code")["code"].as_str().expect("a code").parse().expect("a code");
    let mut receiver = Terminal::receiver(&world.between.address, &code).await;
    let (offer, manifest) = receiver.offered().await;
    assert_eq!(manifest.entries()[0].path.as_str(), name);
    receiver.tell(&Letter::Accept { from: 0, way: Way::Relay, once: false, compression: None }).await;
    let (mut stream, mut first) = receiver.join(0).await;
    let opener = receiver.chunks();
    let mut came = Vec::new();
    while came.len() < FILE / 2 {
        came.extend(terminal::chunk(&mut stream, &mut first, &opener).await.expect("a chunk").1);
    }

    let keys = [forms(receiver.pass.content.as_bytes()), forms(receiver.pass.resume.as_bytes())].concat();
    let wanted: Vec<&[u8]> = keys.iter().map(Vec::as_slice).chain([name.as_bytes(), world.marker.as_bytes()]).collect::<Vec<_>>();
    let wanted: Vec<Vec<u8>> = wanted.into_iter().map(<[u8]>::to_vec).collect();
    let wanted: Vec<&[u8]> = wanted.iter().map(Vec::as_slice).collect();
    let (inside, _) = memory::search(sender.process.pid(), &wanted);
    let (raw, plain) = ([inside[0], inside[3]], &inside[6..]);
    assert_eq!((raw, plain), ([true; 2], &[true; 2][..]), "the sender has content key, resume secret, name and plaintext in its memory");
    let nothing = vec![false; wanted.len()];
    assert_eq!(world.seen(&wanted), (nothing.clone(), nothing.clone()), "in the relay's memory, and in its traffic");
    // What the relay does have is found in it by the same search: its own key, and what it says of the channel.
    let channel = receiver.pass.channel.to_string();
    assert_eq!(world.seen(&[&receiver.pass.key.as_bytes()[..], channel.as_bytes()]), (vec![true; 2], vec![false, true]));

    while let Some((header, plain)) = terminal::chunk(&mut stream, &mut first, &opener).await {
        came.extend(plain);
        if header.is_last() {
            break;
        }
    }
    assert!(came == world.content && offer.bytes == Some(came.len() as u64));
    while !matches!(receiver.hear().await.expect("the sender is there"), Letter::End(_)) {}
    receiver.tell(&Letter::Done { skipped: 0 }).await;
    receiver.leave(Reason::Done).await;
    assert_eq!(sender.end(), 0, "{}", sender.process.log());
    assert_eq!(world.seen(&wanted), (nothing.clone(), nothing), "nor when all is over");
}

/// By TLS the channel key is nowhere on the way: not in `allocated`, and not in the proofs on the plain data connections. The same search finds it where
/// the control connections are plain, and finds on either way what is no secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_tls_the_key_that_admits_to_a_channel_is_heard_by_nobody_on_the_way() {
    for (tls, heard) in [(false, true), (true, false)] {
        let place = Place::new(if tls { "secrecy-tls" } else { "secrecy-tls-not" });
        let configuration = format!("roles: [relay]\nlisten: {{relay: [{{address: '127.0.0.1:0', tls: {tls}}}]}}\n");
        let relay = Server::start(&place, "relay", &configuration, &[]);
        let at = relay.ready["relay"].as_str().expect("a relay").trim_start_matches("tls://");
        let between = Between::new(at, |_| Box::new(Honest)).await;
        let ca = relay.ready["env"]["CONFKIT_CA"].as_str().expect("an authority");
        let named = format!("{}{}", if tls { "tls://" } else { "" }, between.address);
        fs::write(place.path("notes.txt"), vec![7; 100_000]).expect("written");
        let mut fshare = command(FSHARE);
        fshare.current_dir(place.path("")).env("HOME", place.folder("home")).env("CONFKIT_RELAY", &named).env("CONFKIT_CA", ca);
        fshare.args(["--json", "send", "notes.txt", "--relay-only", "--patience", "0s"]);
        let (process, _, output) = Process::piped(&place, "sender", &mut fshare);
        let mut sender = Running { process, events: BufReader::new(output) };
        let code: Code = sender.event("code")["code"].as_str().expect("a code").parse().expect("a code");

        let roots = fs::read_to_string(ca).expect("an authority");
        let trust = TlsStore::new(&TlsMaterial { roots, ..TlsMaterial::default() }).expect("an authority");
        let relays = Relays::from(vec![named]).believing(trust.into());
        let control = Connection::open(&relays, PATIENCE).await.expect("a relay");
        let mut receiver = Terminal::receiver_on(control, &between.address, &code).await;
        receiver.offered().await;
        receiver.tell(&Letter::Accept { from: 0, way: Way::Relay, once: false, compression: None }).await;
        let (mut stream, mut first) = receiver.join(0).await;
        let opener = receiver.chunks();
        while let Some((header, _)) = terminal::chunk(&mut stream, &mut first, &opener).await {
            if header.is_last() {
                break;
            }
        }
        while !matches!(receiver.hear().await.expect("the sender is there"), Letter::End(_)) {}
        receiver.tell(&Letter::Done { skipped: 0 }).await;
        receiver.leave(Reason::Done).await;
        assert_eq!(sender.end(), 0, "{}", sender.process.log());

        let hears = |wanted: &[u8]| between.heard.any(|bytes| memory::holds(bytes, wanted));
        assert_eq!(forms(receiver.pass.key.as_bytes()).iter().any(|form| hears(form)), heard, "the channel key, TLS: {tls}");
        assert_eq!(hears(b"\"nameplate\""), heard, "who applies for what, TLS: {tls}");
        assert!(hears(receiver.pass.channel.to_string().as_bytes()), "the channel's number, by the data connections at least");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_two_terminals_of_ours_the_relay_sees_neither_name_nor_plaintext() {
    let mut world = World::new("secrecy-plain").await;
    for seen in world.transfer(FSHARE) {
        assert_eq!(seen, (vec![false; 2], vec![false; 2]), "name and plaintext, in the relay's memory, and in its traffic");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_terminals_do_not_seal_the_same_search_finds() {
    let mut world = World::new("secrecy-unsealed").await;
    let relay = world.between.address.clone();
    let (mut sender, mut receiver) = (terminal::open(&relay).await, terminal::open(&relay).await);
    sender.tell(&confkit::channel::wire::Message::Apply(Apply { ticket: None, peer: None, kind: None, receivers: 1, nameplate: None }));
    let confkit::channel::wire::Message::Allocated(allocated) = terminal::next(&mut sender).await.expect("a channel") else {
        panic!("a channel")
    };
    let (channel, key) = (allocated.channel, allocated.key);
    terminal::entered(&mut sender, channel, &key, Role::Sender).await.expect("let in");
    let (seat, _) = terminal::entered(&mut receiver, channel, &key, Role::Receiver).await.expect("let in");
    let ((mut out, _), _in): ((_, BytesMut), _) = tokio::join!(
        terminal::join(&relay, channel, &key, Peer::SENDER, 0, vec![seat]),
        terminal::join(&relay, channel, &key, seat, 0, Vec::new())
    );
    // As the sealed ones do, but for the seal; nobody reads it, so that it is on its way when it is looked for.
    out.write_all(format!("{}\n", world.name).as_bytes()).await.expect("sent");
    let content = world.content.clone();
    let before = world.between.heard.len();
    // Ended with the test.
    let mut writing = tokio::task::JoinSet::new();
    writing.spawn(async move { out.write_all(&content).await.map(|()| out) });
    let heard = world.between.heard.clone();
    tokio::task::spawn_blocking(move || place::wait_until(|| "bytes on their way".into(), || heard.len() > before + (1 << 20)))
        .await
        .expect("waited");
    let wanted = world.plain().map(<[u8]>::to_vec);
    let (inside, heard) = world.seen(&wanted.each_ref().map(Vec::as_slice));
    assert!(inside[1], "the plaintext is in the relay's memory");
    assert_eq!(heard, [true, true], "name and plaintext were heard");
}

/// The whole of it by a program that differs from `fshare` in nothing but that it does not seal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "scripts/relay-sees.sh builds an fshare that does not seal, and runs this"]
async fn an_fshare_that_does_not_seal_is_seen_by_the_relay() {
    let program = std::env::var("CONFKIT_UNSEALED_FSHARE").expect("CONFKIT_UNSEALED_FSHARE: scripts/relay-sees.sh builds it");
    let mut world = World::new("secrecy-unsealed-fshare").await;
    for seen in world.transfer(&program) {
        assert_eq!(seen, (vec![true; 2], vec![true; 2]), "name and plaintext, in the relay's memory, and in its traffic");
    }
}

/// What a guesser is left with, and that every code fits it. SPAKE2's share of the sender is pB = y·P + w·N for a random y: whatever the code, and so
/// w, there is exactly one y that gives the same pB, as P generates the whole group. Shown is what that rests on: that pB is all it got, beside what
/// does not depend on the code, and that for each of many codes pB − w·N is an element of the group other than zero, as y·P is. That finding y from it
/// is hard (and so, that w cannot be tested by what the guesser knows of its own share) is the assumption of RFC 9382, section 6, and not shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_guess_leaves_nothing_that_could_be_tested_offline() {
    let world = World::new("secrecy-guess").await;
    let name = world.name.clone();
    let mut sender = world.start(FSHARE, "sender", &["send", &name]);
    let right: Code = sender.event("code")["code"].as_str().expect("a code").parse().expect("a code");
    let wrong = another(&right);
    let mut control = terminal::open(&world.between.address).await;
    let mut letters = Vec::new();
    let ended = terminal::meet(&mut control, &Password::of_code(&wrong), |letter| letters.push(letter.clone())).await;
    assert_eq!(ended.err(), Some(ExchangeError::WrongGuess));
    assert_eq!(sender.end(), 3, "the code is spent: {}", sender.process.log());
    let [share] = &letters[..] else { panic!("one letter, and no confirmation: {letters:?}") };
    assert_eq!((share.len(), &share[..2]), (67, &[1, 2][..]), "the sender's share alone");
    let share = P256Group::from_bytes(&share[2..]).expect("a point of the curve");
    let n = P256Group::from_bytes(&SPAKE2_P256_N_COMPRESSED).expect("a point of the curve");
    let front = right.nameplate();
    for at in 0..64 {
        let candidate: Code = if at == 0 { right.clone() } else { Code::draw(front, 2, &mut terminal::rng()).expect("a code") };
        let w = P256Group::scalar_from_wide_bytes(&wide(candidate.as_str())).expect("a scalar");
        let rest = share.add(&n.scalar_mul(&w).negate());
        assert!(!rest.is_identity() && P256Group::from_bytes(&rest.to_bytes()).is_ok(), "the right code stands out, or {candidate:?} does");
    }
}

fn another(code: &Code) -> Code {
    loop {
        let drawn = Code::draw(code.nameplate(), 2, &mut terminal::rng()).expect("a code");
        if drawn.as_str() != code.as_str() {
            return drawn;
        }
    }
}

/// What becomes of a code before it is reduced to w: `docs/protocols/channel.md`, Codes.
fn wide(code: &str) -> [u8; 64] {
    struct Length;

    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            64
        }
    }

    let mut bytes = [0; 64];
    let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, b"confkit relay password v1").extract(code.as_bytes());
    secret.expand(&[], Length).expect("short").fill(&mut bytes).expect("as long as it is");
    bytes
}
