//! Golden ladders of the relay of channels: script and expectation in one text, played on virtual time.
//!
//! ```text
//! # What this ladder shows.
//! limit quota 1                              a bound of this relay
//! until 60s
//!     0ms alice: connect 192.0.2.1           a terminal does something: script
//!     0ms alice: apply nameplate
//!     0ms relay -> alice allocated c1, 1     what the relay does: rendered
//! holds nothing                              what is left at the end: rendered
//! ```
//!
//! Terminals answer each `ping` at once, which is not written, until they are told to `fall silent`; what is sent to them is written at
//! once, until they are told to `stop reading`. Channels are called `c1`, `c2` in the order of their allocation. `BLESS=1` writes the
//! files, but never in CI.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    net::IpAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use confkit::channel::{
    ChannelNumber, Nameplate, PLACE_LEN, Peer, Place,
    relay::{Action, Anonymous, Applicant, ConnectionId, Flow, Leg, Relay, Settings},
    wire::{
        ChannelKey, Frame, Kind, Message, Proof, Role,
        proof::{Admission, Challenge, Purpose},
        request::{Apply, Enter, Join, Leave, Meet, Wanted},
    },
};

/// Compares every ladder of a folder with what the relay does, or writes them when `BLESS=1`.
pub fn check(folder: &str) {
    let bless = std::env::var("BLESS").is_ok_and(|value| value == "1");
    assert!(!(bless && std::env::var_os("CI").is_some()), "BLESS=1 is for people: CI only compares");
    let mut red = String::new();
    for (path, text) in files(folder) {
        let seen = play(&text);
        if seen != text && bless {
            fs::write(&path, &seen).expect("the ladder can be written");
        } else if seen != text {
            let _ = writeln!(red, "\n{}", path.display());
            for (expected, found) in text.lines().zip(seen.lines().chain(std::iter::repeat(""))).filter(|(a, b)| a != b).take(5) {
                let _ = writeln!(red, "  expected {expected}\n  seen     {found}");
            }
            let _ = write!(red, "the whole:\n{seen}");
        }
    }
    assert!(red.is_empty(), "ladders differ from what was seen (BLESS=1 accepts it):{red}");
}

fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ladders").join(folder);
    let mut paths: Vec<_> = fs::read_dir(&folder).expect("the folder of the ladders").map(|e| e.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "ladder"));
    paths.sort();
    assert!(!paths.is_empty(), "no ladder in {}", folder.display());
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).expect("the ladder can be read"))).collect()
}

/// A terminal's connection.
struct Line {
    id: ConnectionId,
    challenge: Challenge,
    proof: Option<Proof>,
    silent: bool,
    unread: Option<(usize, usize)>,
}

struct Run {
    relay: Relay,
    zero: Instant,
    now: Duration,
    lines: BTreeMap<String, Line>,
    connected: u64,
    channels: Vec<(ChannelNumber, ChannelKey)>,
    text: String,
}

/// Plays a script; the lines that begin with `relay ->` or hold ` saw ` are made anew.
pub fn play(script: &str) -> String {
    let (mut settings, mut until, mut head, mut steps) = (Settings::default(), Duration::ZERO, String::new(), Vec::new());
    settings.addresses = vec!["192.0.2.100:7000".to_owned()];
    let mut comments = String::new();
    for line in script.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["limit", name, value] => limit(&mut settings, name, value),
            ["until", end] => until = time(end),
            ["holds", ..] | [] => continue,
            [first, ..] if first.starts_with('#') => {
                if until > Duration::ZERO {
                    let _ = writeln!(comments, "{line}");
                    continue;
                }
            }
            [_, "relay", "->", ..] | [_, _, "saw", ..] => continue,
            [at, who, ..] if who.ends_with(':') => {
                let (_, text) = line.split_once(": ").expect("NAME: COMMAND");
                steps.push((time(at), who.trim_end_matches(':').to_owned(), text.to_owned(), std::mem::take(&mut comments)));
                continue;
            }
            _ => panic!("no such line: {line}"),
        }
        let _ = writeln!(head, "{line}");
    }
    let zero = confkit::clock::now();
    let mut run = Run {
        relay: Relay::new(settings, [7; 32]),
        zero,
        now: Duration::ZERO,
        lines: BTreeMap::new(),
        connected: 0,
        channels: Vec::new(),
        text: head,
    };
    for (at, who, text, comments) in steps {
        assert!(at >= run.now, "steps go on in time: {who}: {text}");
        run.wait_until(at);
        run.text.push_str(&comments);
        run.line(&format!("{who}: {text}"));
        run.obey(&who, &text);
        run.drain();
    }
    run.wait_until(until);
    run.text.push_str(&comments);
    let standing = run.relay.standing();
    let rest = [
        (standing.connections, "connections"),
        (standing.channels, "channels"),
        (standing.nameplates, "nameplates"),
        (standing.meetings, "places"),
    ];
    let rest: Vec<String> = rest.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let _ = writeln!(run.text, "holds {}", if rest.is_empty() { "nothing".to_owned() } else { rest.join(", ") });
    run.text
}

fn limit(settings: &mut Settings, name: &str, value: &str) {
    let limits = &mut settings.limits;
    let number = || value.parse::<usize>().expect("a number");
    match name {
        "anonymous" => {
            settings.anonymous = match value {
                "everybody" => Anonymous::Everybody,
                "nobody" => Anonymous::Nobody,
                _ => Anonymous::Loopback,
            }
        }
        "connections" => limits.connections = number(),
        "connections_per_address" => limits.connections_per_address = number(),
        "channels" => limits.channels = number(),
        "channels_per_user" => limits.channels_per_user = number(),
        "applications_per_minute" => limits.applications_per_minute = NonZeroU32::new(number() as u32).expect("not zero"),
        "letters" => limits.letters = number(),
        "waiting" => limits.waiting = time(value),
        _ => panic!("no such bound: {name}"),
    }
}

fn time(text: &str) -> Duration {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).expect("a unit"));
    let number: u64 = number.parse().expect("a number");
    match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        _ => panic!("no such unit: {text}"),
    }
}

impl Run {
    fn clock(&self) -> Instant {
        self.zero + self.now
    }

    fn line(&mut self, text: &str) {
        let _ = writeln!(self.text, "{:>8} {text}", format!("{}ms", self.now.as_millis()));
    }

    fn wait_until(&mut self, end: Duration) {
        while let Some(at) = self.relay.next_timeout().map(|at| at.saturating_duration_since(self.zero)).filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.relay.handle_timeout(self.clock());
            self.drain();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(action) = self.relay.poll_action() {
            match action {
                Action::Send { to, frame } => self.arrives(to, &frame),
                Action::Close { connection } => self.told(connection, "closes"),
                Action::Pause { connection } => self.told(connection, "reads no further"),
                Action::Resume { connection } => self.told(connection, "reads again"),
                Action::Pump { channel, stream, from, to, .. } => {
                    let to: Vec<String> = to.iter().map(|(seat, id)| format!("{} ({seat})", self.name(*id))).collect();
                    let text =
                        format!("relay -> carries stream {stream} of {}: {} to {}", self.called(channel), self.name(from), to.join(", "));
                    self.line(&text);
                }
            }
        }
        while self.relay.poll_event().is_some() {}
    }

    fn name(&self, id: ConnectionId) -> String {
        self.lines.iter().find(|(_, line)| line.id == id).map_or_else(|| format!("{id:?}"), |(name, _)| name.clone())
    }

    fn called(&self, channel: ChannelNumber) -> String {
        let at = self.channels.iter().position(|(number, _)| *number == channel);
        at.map_or_else(|| "another channel".to_owned(), |at| format!("c{}", at + 1))
    }

    fn told(&mut self, id: ConnectionId, what: &str) {
        let name = self.name(id);
        self.line(&format!("relay -> {name} {what}"));
    }

    fn arrives(&mut self, to: ConnectionId, frame: &Frame) {
        let (now, name) = (self.clock(), self.name(to));
        let message = Message::read(frame.clone()).expect("the relay speaks its own protocol");
        let line = self.lines.get_mut(&name).expect("a terminal");
        match &mut line.unread {
            Some((frames, bytes)) => (*frames, *bytes) = (*frames + 1, *bytes + frame.length()),
            None => self.relay.handle_written(now, to, 1, frame.length()),
        }
        let text = match &message {
            Message::Challenge(challenge) => {
                line.challenge = *challenge;
                return;
            }
            Message::Ping(echo) if !line.silent => {
                let pong = Message::Pong(*echo).to_frame();
                assert_eq!(self.relay.handle_frame(now, to, pong), None);
                return;
            }
            Message::Allocated(allocated) => {
                self.channels.push((allocated.channel, allocated.key.clone()));
                let nameplate = allocated.nameplate.map(|nameplate| format!(", nameplate {nameplate}")).unwrap_or_default();
                format!("{} at {}, for {} s{nameplate}", self.called(allocated.channel), allocated.addresses.join(" "), allocated.expires)
            }
            Message::Met(met) => format!("{}{}", met.peer, met.was.map(|was| format!(", who was {was}")).unwrap_or_default()),
            Message::Letter { peer, body } if body.len() > 100 => format!("from {peer}: {} bytes", body.len()),
            Message::Letter { peer, body } => format!("from {peer}: {}", String::from_utf8_lossy(body)),
            Message::Entered(entered) => {
                let present: Vec<String> = entered.present.iter().map(ToString::to_string).collect();
                format!("seat {}, present {}", entered.seat, present.join(" "))
            }
            Message::Pace(pace) => format!("{} waits {} ms", pace.seat, pace.waiting),
            Message::Gone(gone) => format!("{} {}: {}", gone.peer, gone.reason.as_str(), gone.text),
            Message::Refused(refused) => {
                let retry = refused.retry.map(|seconds| format!(" (retry in {seconds} s)")).unwrap_or_default();
                format!("{}: {}{retry}", refused.code.as_str(), refused.text)
            }
            Message::Joined | Message::Ping(_) | Message::Pong(_) => String::new(),
            other => panic!("the relay never says {other:?}"),
        };
        self.line(format!("relay -> {name} {} {text}", message.kind().name()).trim_end());
    }

    fn obey(&mut self, who: &str, text: &str) {
        let now = self.clock();
        let words: Vec<&str> = text.split_whitespace().collect();
        if who == "relay" {
            return self.obey_relay(now, &words);
        }
        if let ["connect", from] = words[..] {
            self.connected += 1;
            let id = ConnectionId(self.connected);
            let line = Line { id, challenge: [0; 32], proof: None, silent: false, unread: None };
            self.lines.insert(who.to_owned(), line);
            if let Err(why) = self.relay.handle_connected(now, id, from.parse::<IpAddr>().expect("an address")) {
                self.line(&format!("{who} saw its connection closed: {why}"));
            }
            return;
        }
        let id = self.lines.get(who).unwrap_or_else(|| panic!("{who} is not connected")).id;
        match words[..] {
            ["break"] => self.relay.handle_closed(now, id),
            ["fall", "silent"] => self.line_of(who).silent = true,
            ["stop", "reading"] => self.line_of(who).unread = Some((0, 0)),
            ["read", "again"] => {
                let (frames, bytes) = self.line_of(who).unread.take().expect("it does not read");
                self.relay.handle_written(now, id, frames, bytes);
            }
            ["take", bytes, "bytes"] => self.relay.handle_written(now, id, 0, bytes.parse().expect("a number")),
            ["apply", ref rest @ ..] => self.apply(now, id, rest),
            _ => {
                let frame = self.frame(who, &words, text);
                assert_eq!(self.relay.handle_frame(now, id, frame), None, "{text}");
            }
        }
    }

    fn obey_relay(&mut self, now: Instant, words: &[&str]) {
        match words {
            ["drain"] => self.relay.drain(),
            ["has", "carried", channel, stream] => {
                let channel = self.channel(channel).0;
                self.relay.handle_pumped(now, channel, stream.parse().expect("a stream"));
            }
            ["carries", channel, stream, legs @ ..] => {
                let legs = legs.chunks(2).map(|leg| {
                    // `990ms!`, or `990ms!300000`: with so many bytes.
                    let (waited, bytes) = leg[1].split_once('!').unwrap_or((leg[1], ""));
                    Leg {
                        seat: Peer(leg[0].parse().expect("a seat")),
                        bytes: bytes.parse().unwrap_or(0),
                        waited: time(waited),
                        behind: leg[1].contains('!'),
                    }
                });
                let flow = Flow { bytes: 1000, legs: legs.collect() };
                let channel = self.channel(channel).0;
                self.relay.handle_flow(now, channel, stream.parse().expect("a stream"), &flow);
            }
            _ => panic!("the relay cannot {words:?}"),
        }
    }

    fn apply(&mut self, now: Instant, id: ConnectionId, words: &[&str]) {
        let (mut applicant, mut apply) =
            (Applicant::Anonymous, Apply { ticket: None, peer: None, kind: None, receivers: 1, nameplate: None });
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            match *word {
                "as" => applicant = Applicant::User(words.next().expect("a user").parse().expect("a user name")),
                "barred" => applicant = Applicant::Barred(words.next().expect("a user").parse().expect("a user name")),
                "unverified" => applicant = Applicant::Unverified("the ticket has expired: sign in again".to_owned()),
                "receivers" => apply.receivers = words.next().expect("a number").parse().expect("a number"),
                "nameplate" => {
                    let number = words.next_if(|word| word.parse::<u32>().is_ok());
                    apply.nameplate = Some(number.map_or(Wanted::Any(true), |number| Wanted::This(number.parse().expect("a nameplate"))));
                }
                other => panic!("apply does not know {other}"),
            }
        }
        if let Some(apply) = self.relay.handle_frame(now, id, Message::Apply(apply).to_frame()) {
            self.relay.handle_apply(now, id, applicant, &apply);
        }
    }

    fn frame(&mut self, who: &str, words: &[&str], text: &str) -> Frame {
        let message = match words {
            ["meet", "at", place, "as", role, rest @ ..] => {
                let place = match place.parse::<Nameplate>() {
                    Ok(nameplate) => Place::Nameplate(nameplate),
                    Err(_) => Place::Secret([place.len() as u8; PLACE_LEN]),
                };
                Message::Meet(Meet { place, role: role_of(role), wait: rest == ["and", "wait"] })
            }
            ["letter", "to", peer, "of", bytes, "bytes"] => {
                let body = vec![b'x'; bytes.parse().expect("a number")].into();
                Message::Letter { peer: Peer(peer.parse().expect("a number")), body }
            }
            ["letter", "to", peer, ..] => {
                let (_, body) = text.split_once(" with ").expect("letter to N with TEXT");
                Message::Letter { peer: Peer(peer.parse().expect("a number")), body: body.to_owned().into() }
            }
            ["enter", channel, "as", role, rest @ ..] => {
                let (number, key) = self.channel(channel);
                let (mut seat, mut key, mut copied) = (None, key, None);
                match rest {
                    ["seat", number] => seat = Some(Peer(number.parse().expect("a seat"))),
                    ["with", "a", "wrong", "key"] => key = ChannelKey::from_bytes([9; 32]),
                    ["with", "the", "proof", "of", other] => copied = self.lines[*other].proof,
                    [] => {}
                    other => panic!("enter does not know {other:?}"),
                }
                let purpose = Purpose::Enter { seat: seat.unwrap_or(Peer::SENDER) };
                let proof = self.prove(who, number, role_of(role), purpose, &key);
                Message::Enter(Enter { channel: number, role: role_of(role), proof: copied.unwrap_or(proof), seat })
            }
            ["join", channel, "seat", seat, "stream", stream, rest @ ..] => {
                let (channel, key) = self.channel(channel);
                let (seat, stream) = (Peer(seat.parse().expect("a seat")), stream.parse().expect("a stream"));
                let role = if seat == Peer::SENDER { Role::Sender } else { Role::Receiver };
                let to = rest.iter().skip(1).map(|seat| Peer(seat.parse().expect("a seat"))).collect();
                let proof = self.prove(who, channel, role, Purpose::Join { seat, stream }, &key);
                Message::Join(Join { channel, seat, stream, proof, to })
            }
            ["leave", reason, ..] => {
                let reason = serde_json::from_str(&format!("\"{}\"", reason.trim_end_matches(':'))).expect("a reason");
                Message::Leave(Leave::new(reason, text.split_once(": ").map_or("", |(_, why)| why)))
            }
            ["spent"] => Message::Spent { guess: None },
            ["spent", "by", peer] => Message::Spent { guess: Some(Peer(peer.parse().expect("a number"))) },
            ["ping"] => Message::Ping(*b"terminal"),
            ["say", name] => {
                let kind = Kind::ALL.into_iter().find(|kind| kind.name() == *name).expect("a type");
                return Frame { kind, peer: Peer(0), body: bytes::Bytes::from_static(b"nonsense") };
            }
            _ => panic!("terminals cannot {text}"),
        };
        message.to_frame()
    }

    fn prove(&mut self, who: &str, channel: ChannelNumber, role: Role, purpose: Purpose, key: &ChannelKey) -> Proof {
        let line = self.line_of(who);
        let proof = Admission { challenge: &line.challenge, channel, role, purpose }.prove(key);
        line.proof = Some(proof);
        proof
    }

    fn line_of(&mut self, who: &str) -> &mut Line {
        self.lines.get_mut(who).expect("a terminal")
    }

    fn channel(&self, name: &str) -> (ChannelNumber, ChannelKey) {
        let number = name.strip_prefix('c').and_then(|number| number.parse::<usize>().ok()).expect("c1");
        self.channels.get(number - 1).cloned().unwrap_or_else(|| (ChannelNumber(1), ChannelKey::from_bytes([1; 32])))
    }
}

fn role_of(text: &str) -> Role {
    match text {
        "sender" => Role::Sender,
        "receiver" => Role::Receiver,
        _ => panic!("no such role: {text}"),
    }
}
