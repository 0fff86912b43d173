//! Golden ladders of how two users come to a channel by instant messages: script and expectation in one text, played on virtual time.
//!
//! ```text
//! # What this ladder shows.
//! applies receiver                           which embodiment
//! until 10s
//!     0ms alice: offer                       a user does something: script
//!     0ms alice -> as offer (step 1)         what the machines do: rendered
//!    20ms as -> bob offer                    a message takes 10 ms to the AS and 10 ms from there, the relay answers after 5 ms
//!    40ms as -> alice 200 offer
//! both have one key                          what is left at the end: rendered
//! ```
//!
//! `BLESS=1` writes the files, but never in CI.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use confkit::{
    account::{PublicKey, SigningKey},
    channel::{
        ChannelNumber,
        agreement::{Agreed, Facts},
        identity::{Own, Standing},
        invite::{Action, Answerer, Decision, Ending, MessageId, Offerer, Patience},
        wire::{
            ChannelKey, Role,
            direct::Call,
            pass::TransferId,
            transfer::{Applies, Body, Grant},
        },
    },
    id::UserName,
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;

const HOP: Duration = Duration::from_millis(10);
const RELAY: Duration = Duration::from_millis(5);
/// When the transaction of a message that was lost gives up (RFC 3261 §17.1.2.2).
const LOST: Duration = Duration::from_secs(32);

/// Compares every ladder with what the machines do, or writes them when `BLESS=1`.
pub fn check() {
    let bless = std::env::var("BLESS").is_ok_and(|value| value == "1");
    assert!(!(bless && std::env::var_os("CI").is_some()), "BLESS=1 is for people: CI only compares");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ladders/invite");
    let mut paths: Vec<_> = fs::read_dir(&folder).expect("the folder of the ladders").map(|e| e.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "ladder"));
    paths.sort();
    assert!(!paths.is_empty(), "no ladder in {}", folder.display());
    let mut red = String::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("the ladder can be read");
        let seen = play(&text);
        if seen != text && bless {
            fs::write(&path, &seen).expect("the ladder can be written");
        } else if seen != text {
            let _ = write!(red, "\n{}:\n{seen}", path.display());
        }
    }
    assert!(red.is_empty(), "ladders differ from what was seen (BLESS=1 accepts it):{red}");
}

/// What happens later.
enum Later {
    AtServer { from: &'static str, id: MessageId, body: Body },
    Arrives { from: &'static str, body: Body },
    Answered { to: &'static str, id: MessageId, status: u16, name: &'static str },
    Granted { to: &'static str },
}

#[derive(Default)]
struct World {
    sender_applies: bool,
    relay_refuses: Option<String>,
    relay_is_silent: bool,
    bob_is_away: bool,
    lost: Option<String>,
    altered: Option<String>,
    pinned: BTreeMap<String, PublicKey>,
}

struct Run {
    world: World,
    zero: Instant,
    now: Duration,
    alice: Option<Offerer>,
    bob: Option<Answerer>,
    later: BTreeMap<(Duration, u64), Later>,
    count: u64,
    agreed: Vec<Agreed>,
    text: String,
}

/// Plays a script; the lines that hold an arrow or end something are made anew.
fn play(script: &str) -> String {
    let (mut world, mut until, mut head, mut steps) = (World::default(), Duration::ZERO, String::new(), Vec::new());
    for line in script.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["applies", who] => world.sender_applies = who == "sender",
            ["relay", "refuses", ..] => world.relay_refuses = Some(line.trim_start_matches("relay refuses ").to_owned()),
            ["relay", "is", "silent"] => world.relay_is_silent = true,
            ["bob", "is", "away"] => world.bob_is_away = true,
            ["lost", name] => world.lost = Some(name.to_owned()),
            ["altered", name] => world.altered = Some(name.to_owned()),
            ["pinned", who, key] => {
                let key = if key == "right" { own(who).key.public() } else { SigningKey::from_seed(&[99; 32]).public() };
                world.pinned.insert(who.to_owned(), key);
            }
            ["until", end] => until = time(end),
            ["both", "have", ..] | ["nobody", ..] | [] => continue,
            [first, ..] if first.starts_with('#') => {}
            [at, who, ..] if who.ends_with(':') => {
                let (_, text) = line.split_once(": ").expect("NAME: COMMAND");
                steps.push((time(at), who.trim_end_matches(':').to_owned(), text.to_owned()));
                continue;
            }
            [_, _, "->" | "asks" | "ends:", ..] => continue,
            _ => panic!("no such line: {line}"),
        }
        let _ = writeln!(head, "{line}");
    }
    let zero = confkit::clock::now();
    let (later, agreed) = (BTreeMap::new(), Vec::new());
    let mut run = Run { world, zero, now: Duration::ZERO, alice: None, bob: None, later, count: 0, agreed, text: head };
    for (at, who, text) in steps {
        run.wait_until(at);
        run.line(&format!("{who}: {text}"));
        run.obey(&who, &text);
        run.drain();
    }
    run.wait_until(until);
    let call = Call { caller: Role::Receiver, hello: [0; 32], claim: [0; 32], stream: 0 };
    let shown: Vec<_> = run.agreed.iter().map(|agreed| *agreed.pairwise.prove(&call, Role::Sender).as_bytes()).collect();
    run.text.push_str(match shown[..] {
        [one, other] if one == other => "both have one key\n",
        [_, _] => "both have keys, and not the same\n",
        [_] => "nobody but one has a key\n",
        _ => "nobody has a key\n",
    });
    run.text
}

fn own(who: &str) -> Own {
    Own { user: user(who), key: SigningKey::from_seed(&[who.len() as u8; 32]) }
}

fn user(who: &str) -> UserName {
    who.parse().expect("a name")
}

fn time(text: &str) -> Duration {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).expect("a unit"));
    let number: u64 = number.parse().expect("a number");
    if unit == "ms" { Duration::from_millis(number) } else { Duration::from_secs(number) }
}

fn other(who: &str) -> &'static str {
    if who == "alice" { "bob" } else { "alice" }
}

fn step(body: &Body) -> &'static str {
    match body {
        Body::Offer(_) => " (step 1)",
        Body::Accepted(_) => " (step 2)",
        Body::Channel(_) => " (step 4)",
        Body::Declined(_) | Body::Cancelled(_) => "",
    }
}

fn shown(body: &Body) -> String {
    match body {
        Body::Declined(declined) => format!("declined {}: {}", declined.reason, declined.text),
        Body::Cancelled(cancelled) => format!("cancelled: {}", cancelled.text),
        other => other.name().to_owned(),
    }
}

impl Run {
    fn clock(&self) -> Instant {
        self.zero + self.now
    }

    fn line(&mut self, text: &str) {
        let _ = writeln!(self.text, "{:>8} {}", format!("{}ms", self.now.as_millis()), text.trim_end());
    }

    fn after(&mut self, wait: Duration, what: Later) {
        self.count += 1;
        self.later.insert((self.now + wait, self.count), what);
    }

    fn obey(&mut self, who: &str, text: &str) {
        let now = self.clock();
        let mut rng = ChaCha12Rng::from_seed([7; 32]);
        match (who, text.split_once(' ').unwrap_or((text, ""))) {
            ("alice", ("offer", _)) => {
                let applies = if self.world.sender_applies { Applies::Sender } else { Applies::Receiver };
                let facts = Facts { transfer: TransferId([1; 16]), count: 3, size: Some(99), kind: "files".to_owned(), applies };
                let (own, known) = (Arc::new(own("alice")), self.world.pinned.get("bob").copied());
                self.alice = Some(Offerer::new(now, own, user("bob"), facts, known, Patience::default(), &mut rng));
            }
            ("alice", ("cancel", why)) => self.alice.as_mut().expect("she has offered").cancel(why),
            ("bob", ("accept", _)) => self.bob.as_mut().expect("he was asked").handle_decision(now, Decision::Accept),
            ("bob", ("decline", why)) => {
                self.bob.as_mut().expect("he was asked").handle_decision(now, Decision::Decline(why.to_owned()));
            }
            ("bob", ("cancel", why)) => self.bob.as_mut().expect("he was asked").cancel(why),
            _ => panic!("no such command: {who}: {text}"),
        }
    }

    fn wait_until(&mut self, end: Duration) {
        loop {
            let timers = [self.alice.as_ref().and_then(Offerer::next_timeout), self.bob.as_ref().and_then(Answerer::next_timeout)];
            let timer = timers.into_iter().flatten().min().map(|at| at.saturating_duration_since(self.zero));
            let event = self.later.first_key_value().map(|((at, _), _)| *at);
            let Some(at) = [timer, event].into_iter().flatten().min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            if event == Some(at) {
                let (_, later) = self.later.pop_first().expect("it is there");
                self.happen(later);
            } else {
                let now = self.clock();
                self.alice.iter_mut().for_each(|alice| alice.handle_timeout(now));
                self.bob.iter_mut().for_each(|bob| bob.handle_timeout(now));
            }
            self.drain();
        }
        self.now = end;
    }

    fn happen(&mut self, later: Later) {
        let now = self.clock();
        match later {
            Later::AtServer { from, id, body } => {
                let to = other(from);
                if to == "bob" && self.world.bob_is_away {
                    return self.after(HOP, Later::Answered { to: from, id, status: 480, name: body.name() });
                }
                let name = body.name();
                self.after(HOP, Later::Arrives { from, body });
                self.after(3 * HOP, Later::Answered { to: from, id, status: 200, name });
            }
            Later::Arrives { from, body } => {
                let to = other(from);
                let body = Body::parse(body.to_xml().as_bytes()).expect("it is read");
                self.line(&format!("as -> {to} {}", shown(&body)));
                match (to, body) {
                    ("bob", Body::Offer(offer)) if self.bob.is_none() => {
                        let mut rng = ChaCha12Rng::from_seed([8; 32]);
                        let (own, known) = (Arc::new(own("bob")), self.world.pinned.get("alice").copied());
                        self.bob = Some(Answerer::new(now, own, user("alice"), offer, known, Patience::default(), &mut rng));
                    }
                    ("bob", body) => drop(self.bob.as_mut().map(|bob| bob.handle_body(&user("alice"), body))),
                    (_, body) => drop(self.alice.as_mut().map(|alice| alice.handle_body(now, &user("bob"), body))),
                }
            }
            Later::Answered { to, id, status, name } => {
                self.line(&format!("as -> {to} {status} {name}"));
                match to {
                    "bob" => self.bob.as_mut().expect("he has sent").handle_sent(now, id, status),
                    _ => self.alice.as_mut().expect("she has sent").handle_sent(now, id, status),
                }
            }
            Later::Granted { to } => {
                let grant = Grant {
                    number: ChannelNumber(7),
                    addresses: vec!["192.0.2.100:7000".to_owned()],
                    key: ChannelKey::from_bytes([4; 32]),
                };
                let outcome = self.world.relay_refuses.clone().map_or(Ok(grant), Err);
                self.line(&format!(
                    "relay -> {to} {} (step 3)",
                    outcome.as_ref().map_or_else(|why| format!("refused: {why}"), |_| "allocated".to_owned())
                ));
                match to {
                    "bob" => self.bob.as_mut().expect("he has applied").handle_applied(now, outcome),
                    _ => self.alice.as_mut().expect("she has applied").handle_applied(now, outcome),
                }
            }
        }
    }

    fn drain(&mut self) {
        loop {
            let (who, action) = match (self.alice.as_mut().and_then(Offerer::poll_action), &mut self.bob) {
                (Some(action), _) => ("alice", action),
                (None, bob) => match bob.as_mut().and_then(Answerer::poll_action) {
                    Some(action) => ("bob", action),
                    None => return,
                },
            };
            self.carry_out(who, action);
        }
    }

    fn carry_out(&mut self, who: &'static str, action: Action) {
        match action {
            Action::Send { id, to, body } => {
                assert_eq!(to, user(other(who)));
                self.line(&format!("{who} -> as {}{}", shown(&body), step(&body)));
                if self.world.lost.as_deref() == Some(body.name()) {
                    return self.after(LOST, Later::Answered { to: who, id, status: 408, name: body.name() });
                }
                let altered = self.world.altered.as_deref() == Some(body.name());
                let body = if altered { alter(*body) } else { *body };
                self.after(HOP, Later::AtServer { from: who, id, body });
            }
            Action::Ask { offer, standing } => {
                let known = if standing == Standing::Known { "known" } else { "new" };
                let line = format!(
                    "{who} asks whether {} files of {} bytes from {}, who is {known}, are wanted (step 2)",
                    offer.count,
                    offer.size.unwrap_or(0),
                    offer.from
                );
                self.line(&line);
            }
            Action::Apply { peer, kind } => {
                self.line(&format!("{who} -> relay apply for {kind} with {peer} (step 2)"));
                if !self.world.relay_is_silent {
                    self.after(RELAY, Later::Granted { to: who });
                }
            }
            Action::Over(ending) => {
                let text = match ending {
                    Ending::Agreed { agreed, standing } => {
                        let known = if standing == Standing::Known { "known" } else { "new" };
                        let text = format!("agreed on channel {}, {} is {known}", agreed.grant.number, other(who));
                        self.agreed.push(*agreed);
                        text
                    }
                    Ending::Declined { reason, text } => format!("declined, {reason}: {text}"),
                    Ending::Offline => "offline".to_owned(),
                    Ending::Unreachable { status } => format!("unreachable: {status}"),
                    Ending::NoAnswer => "no answer".to_owned(),
                    Ending::Cancelled { ours, text } => format!("cancelled {}: {text}", if ours { "here" } else { "there" }),
                    Ending::NoChannel { text } => format!("no channel: {text}"),
                    Ending::Changed { .. } => format!("{} shows another identity than the pinned one", other(who)),
                    Ending::Forged(why) => why.to_string(),
                };
                self.line(&format!("{who} ends: {text}"));
            }
        }
    }
}

/// What an operator could change and hope that nobody sees.
fn alter(body: Body) -> Body {
    match body {
        Body::Offer(mut offer) => {
            offer.count = 1;
            Body::Offer(offer)
        }
        Body::Accepted(mut accepted) => {
            accepted.identity = SigningKey::from_seed(&[99; 32]).public();
            Body::Accepted(accepted)
        }
        Body::Channel(mut channel) => {
            channel.grant.addresses = vec!["192.0.2.66:7000".to_owned()];
            Body::Channel(channel)
        }
        other => other,
    }
}
