//! Every torture message, sent to servers that run: over UDP, over TCP, and over the in-process transport.
//!
//! `tests/torture.rs` asks the parser and the user agent; here whole servers are asked, and an OPTIONS after each message asks whether they
//! go on. `cargo test --test torture_live -- --nocapture` prints what each message got. Where `CONFKIT_TORTURE_DIR` has the messages of RFC 4475
//! and RFC 5118, `docs/protocols/torture.md` is held equal to what they got; `BLESS=1` writes it anew.

#![cfg(feature = "cli")]

#[expect(dead_code, reason = "tests/daemon.rs uses the rest")]
#[path = "daemon/harness.rs"]
mod harness;
#[path = "torture/set.rs"]
mod set;
#[path = "torture/variants.rs"]
mod variants;
#[expect(dead_code, reason = "tests/hostile.rs uses the rest")]
#[path = "support/wire.rs"]
mod wire;

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
    fs,
    net::SocketAddr,
    path::Path,
    time::Duration,
};

use bytes::Bytes;
use confkit::{
    config::Sources,
    daemon::{self, App, Options},
    sip::{
        Hop, Transport,
        message::{Fault, Framing, Message, Method, Response, parse},
        transaction::response_hop,
        transport::LocalHub,
    },
};
use harness::Daemon;
use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::{Heard, Wire, another_host};

use set::Case;

/// Variants of each message.
const VARIANTS: u64 = 8;

/// How long an answer that must come may come after that to the OPTIONS behind it: it may have to ask the media server.
const LATE: Duration = Duration::from_secs(10);

/// Answers that the front-end gives by itself, to what it cannot make a request of.
const UNREAD: [u16; 4] = [400, 414, 505, 513];

/// Messages behind which another stands that is longer than it says: on a stream, what is left of it is no message.
const SHORT: [&str; 1] = ["dblreq"];

/// A server, and how to reach it.
enum Server {
    Udp(Daemon),
    Tcp(Daemon),
    Local(LocalHub),
}

/// What a message must get.
#[derive(Debug, Clone)]
struct Must {
    answer: Answer,
    end: End,
    /// The stream ends for what stands behind the message.
    behind: bool,
}

#[derive(Debug, Clone)]
enum Answer {
    None,
    /// One of these.
    One(Vec<u16>),
    /// Any final one that is not the front-end's.
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The next message is read.
    Open,
    /// The server closes the stream.
    Closed,
    /// The server waits for more of the message.
    Waits,
}

/// What a message got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Got {
    status: Option<u16>,
    end: End,
}

impl Server {
    async fn open(&self, message: &[u8]) -> Wire {
        match self {
            Self::Udp(daemon) => {
                let port = port_of_the_answer(message);
                for _ in 0..100 {
                    if let Ok(wire) = Wire::udp((another_host(), port).into(), daemon.sip()).await {
                        return wire;
                    }
                }
                panic!("port {port} is in use on all of loopback: its answer cannot be heard");
            }
            Self::Tcp(daemon) => Wire::tcp(another_host(), daemon.sip()).await.expect("connected"),
            Self::Local(hub) => Wire::stream(hub.connect("stranger", "as.invalid").expect("the role is there")),
        }
    }

    fn must(&self, case: &Case) -> Must {
        let stream = match self {
            Self::Udp(_) => "accept",
            Self::Tcp(_) | Self::Local(_) => &case.stream,
        };
        let (answer, end) = match stream {
            "accept" => (case.agent.as_str(), End::Open),
            "drop" => ("drop", End::Open),
            "wait" => ("drop", End::Waits),
            "close" => ("drop", End::Closed),
            other => other.strip_suffix("+close").map_or((other, End::Open), |status| (status, End::Closed)),
        };
        let (stream, behind) = (!matches!(self, Self::Udp(_)), SHORT.contains(&case.name.as_str()));
        let end = if stream && behind { End::Closed } else { end };
        let answer = match answer {
            "drop" | "silent" => Answer::None,
            "processed" => Answer::Any,
            statuses => Answer::One(statuses.split('|').map(|status| status.parse().expect("a status")).collect()),
        };
        Must { answer, end, behind }
    }

    /// Sends a message, and an OPTIONS behind it: what both got.
    async fn judge(&self, message: &[u8], must: &Must) -> Got {
        let mut wire = self.open(message).await;
        assert!(wire.send(message).await, "sent");
        let got = match must.end {
            End::Open => return self.judge_open(&mut wire, message, must).await,
            End::Closed => {
                if must.behind {
                    assert!(wire.send(Marker::new().options(&wire)).await, "sent");
                }
                let status = rest(&mut wire).await;
                Got { status, end: End::Closed }
            }
            End::Waits => {
                self.goes_on().await;
                let end = if wire.within(Duration::ZERO).await.is_none() { End::Waits } else { End::Closed };
                // What never comes is never answered.
                wire.finish().await;
                Got { status: rest(&mut wire).await, end }
            }
        };
        self.goes_on().await;
        got
    }

    async fn judge_open(&self, wire: &mut Wire, message: &[u8], must: &Must) -> Got {
        let marker = Marker::new();
        assert!(wire.send(marker.options(wire)).await, "sent");
        let (mut got, mut alive, mut answered) = (Got { status: None, end: End::Open }, false, None);
        while !alive || (got.status.is_none() && !matches!(must.answer, Answer::None)) {
            let patience = if alive { LATE } else { wire::PATIENCE };
            match wire.within(patience).await {
                Some(Some(Heard::Response(status, response))) if status >= 200 => {
                    if response.as_ref().is_some_and(|r| marker.is_of(r)) {
                        assert_eq!(status, 200, "OPTIONS");
                        alive = true;
                        continue;
                    }
                    let of = response.as_ref().map(|r| (r.call_id().map(str::to_owned), r.cseq()));
                    if let Some(before) = got.status {
                        // To a BYE of ours, or to the second message of two on one stream.
                        assert!(before == status || of != answered, "{before}, then {status} to {}", String::from_utf8_lossy(message));
                        continue;
                    }
                    (got.status, answered) = (Some(status), of);
                    if let Some(response) = response.filter(|r| status < 300 && r.cseq().is_some_and(|c| c.method == Method::Invite)) {
                        hang_up(wire, &response).await;
                    }
                }
                Some(Some(_)) => {}
                Some(None) => {
                    got.end = End::Closed;
                    self.goes_on().await;
                    break;
                }
                None => {
                    assert!(alive, "the server does not go on");
                    break;
                }
            }
        }
        got
    }

    /// The server answers an OPTIONS of somebody else.
    async fn goes_on(&self) {
        let mut wire = self.open(b"").await;
        let marker = Marker::new();
        assert!(wire.send(marker.options(&wire)).await, "sent");
        loop {
            match wire.next().await {
                Some(Heard::Response(200, Some(response))) if marker.is_of(&response) => return,
                Some(_) => {}
                None => panic!("the server does not go on"),
            }
        }
    }
}

/// An OPTIONS that its answer is known by.
struct Marker(String);

impl Marker {
    fn new() -> Self {
        Self(format!("{:016x}", rand::random::<u64>()))
    }

    fn options(&self, wire: &Wire) -> String {
        let (via, id) = (wire.via(&self.0), &self.0);
        format!(
            "OPTIONS sip:as SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: <sip:tester@tester.invalid>;tag={id}\r\nTo: <sip:as>\r\n\
             Call-ID: {id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
    }

    fn is_of(&self, response: &Response) -> bool {
        response.call_id() == Some(self.0.as_str())
    }
}

/// The port that the answer to a datagram goes to (RFC 3261 §18.2.2): without `rport` that of the topmost Via, not ours. 0 where that can be
/// any: there is `rport`, or the Via cannot be read and the answer comes back to where the message came from.
fn port_of_the_answer(message: &[u8]) -> u16 {
    let via = match parse(&Bytes::copy_from_slice(message), Framing::Datagram) {
        Ok(Message::Request(request)) => request.via(),
        Err(Fault::Answer { response, .. }) => response.via(),
        Ok(Message::Response(_)) | Err(Fault::Drop(_)) => None,
    };
    let from = Hop::new(Transport::Udp, SocketAddr::from(([127, 0, 0, 1], 0)));
    via.and_then(|via| response_hop(&via, &from).socket()).map_or(0, |socket| socket.port())
}

/// The first final answer in what still comes until the stream ends.
async fn rest(wire: &mut Wire) -> Option<u16> {
    let mut status = None;
    while let Some(heard) = wire.next().await {
        if let Heard::Response(code, _) = heard
            && code >= 200
        {
            status.get_or_insert(code);
        }
    }
    status
}

/// Ends a call that was answered: ACK and BYE.
async fn hang_up(wire: &mut Wire, response: &Response) {
    let header = |name: &str| response.headers.get(name).unwrap_or_else(|| panic!("{name} in {response:?}")).to_owned();
    let target = response.contacts().next().map_or_else(|| "sip:as".to_owned(), |contact| contact.uri.to_string());
    let seq: u32 = response.cseq().expect("a CSeq").seq;
    let request = |wire: &Wire, method: &str, seq: u32| {
        format!(
            "{method} {target} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {seq} {method}\r\n\
             Content-Length: 0\r\n\r\n",
            wire.via(&format!("{:016x}", rand::random::<u64>())),
            header("From"),
            header("To"),
            header("Call-ID")
        )
    };
    let (ack, bye) = (request(wire, "ACK", seq), request(wire, "BYE", seq.wrapping_add(1)));
    assert!(wire.send(ack).await && wire.send(bye).await, "sent");
}

/// What a message got everywhere.
struct Row {
    name: String,
    must: [Must; 3],
    got: [Got; 3],
}

/// The three servers, alike but for the way to them. Each is one of its own: to one server, the same message by another way is the same
/// request, merged (RFC 3261 §8.2.2.2).
struct Servers {
    all: [Server; 3],
    app: tokio::task::JoinHandle<Result<(), daemon::DaemonError>>,
    stop: CancellationToken,
}

impl Servers {
    async fn start() -> Self {
        let app: App = daemon::build(Options { sources: Sources { ephemeral: true, ..Sources::default() }, ..Options::default() })
            .await
            .expect("the daemon starts inside this process, too");
        let (hub, stop) = (app.hub().clone(), CancellationToken::new());
        let app = TaskTracker::new().spawn(app.run(stop.clone()));
        Self { all: [Server::Udp(Daemon::ephemeral(&[])), Server::Tcp(Daemon::ephemeral(&[])), Server::Local(hub)], app, stop }
    }

    /// What each message gets from each; whatever its variants get otherwise is told in the second text.
    async fn judge(&self, cases: &[Case]) -> (Vec<Row>, String) {
        let mut known = BTreeSet::new();
        let messages: Vec<(&Case, Vec<Vec<u8>>)> = cases
            .iter()
            .map(|case| {
                let variants = (0..VARIANTS).map(|seed| variants::vary(&case.bytes, &mut ChaCha12Rng::seed_from_u64(seed)));
                let all = std::iter::once(case.bytes.clone()).chain(variants);
                (case, all.map(|message| apart(message, SHORT.contains(&case.name.as_str()), &mut known)).collect())
            })
            .collect();
        let [udp, tcp, local] = &self.all;
        let (udp, tcp, local) = tokio::join!(ask(udp, &messages), ask(tcp, &messages), ask(local, &messages));
        let (mut rows, mut wrong) = (Vec::new(), String::new());
        for (at, (case, tried)) in messages.iter().enumerate() {
            let must = [0, 1, 2].map(|server: usize| self.all[server].must(case));
            for (variant, message) in tried.iter().enumerate() {
                let got = [udp[at][variant], tcp[at][variant], local[at][variant]];
                if let Some(why) = fault(case, &must, &got) {
                    let text = String::from_utf8_lossy(message);
                    let _ = writeln!(wrong, "{} (variant {variant}): {why}\n{text}", case.name);
                    break;
                }
            }
            rows.push(Row { name: case.name.clone(), must, got: [udp[at][0], tcp[at][0], local[at][0]] });
        }
        (rows, wrong)
    }

    async fn stop(self) {
        self.stop.cancel();
        self.app.await.expect("no panic").expect("it ends in order");
    }
}

async fn ask(server: &Server, messages: &[(&Case, Vec<Vec<u8>>)]) -> Vec<Vec<Got>> {
    let mut all = Vec::new();
    for (case, tried) in messages {
        let must = server.must(case);
        let mut got = Vec::new();
        for message in tried {
            got.push(server.judge(message, &must).await);
        }
        all.push(got);
    }
    all
}

/// What is wrong with what a message got.
fn fault(case: &Case, must: &[Must; 3], got: &[Got; 3]) -> Option<String> {
    let names = ["UDP", "TCP", "in-process"];
    for (name, (must, got)) in names.iter().zip(must.iter().zip(got)) {
        if !must.allows(*got) {
            return Some(format!("{must} was expected over {name}, and {got} came"));
        }
    }
    let [udp, tcp, local] = got;
    if tcp != local {
        return Some(format!("TCP got {tcp}, in-process {local}"));
    }
    // What only the end of a datagram tells, a stream cannot know.
    let alike = udp.status == tcp.status && (udp.end == tcp.end || must[1].behind);
    (case.datagram == case.stream && !alike).then(|| format!("UDP got {udp}, TCP {tcp}"))
}

/// The message as it is, or with a branch and Call-ID of its own where an earlier one has the same: to a server that would be the same
/// request again. Likewise for a second message `behind` it.
fn apart(mut message: Vec<u8>, behind: bool, known: &mut BTreeSet<String>) -> Vec<u8> {
    let unique = format!("n{}", known.len());
    if keys(&message).iter().flatten().any(|key| known.contains(key)) {
        message = variants::renumber(&message, unique.as_bytes());
    }
    known.extend(keys(&message).into_iter().flatten());
    let second = message.windows(4).position(|w| w == b"\r\n\r\n").filter(|_| behind);
    match second.and_then(|end| message[end..].windows(7).position(|w| w == b"z9hG4bK").map(|at| end + at + 7)) {
        Some(at) => [&message[..at], unique.as_bytes(), &message[at..]].concat(),
        None => message,
    }
}

/// What one request is told from another by: branch and Call-ID.
fn keys(message: &[u8]) -> [Option<String>; 2] {
    let headers = match parse(&Bytes::copy_from_slice(message), Framing::Datagram) {
        Ok(message) => message.headers().clone(),
        Err(Fault::Answer { response, .. }) => response.headers,
        Err(Fault::Drop(_)) => return [None, None],
    };
    let branch = headers.get("Via").and_then(|via| Some(via.split_once("branch=")?.1.split([';', ',']).next()?.to_owned()));
    [branch, headers.get("Call-ID").map(str::to_owned)]
}

impl Must {
    fn allows(&self, got: Got) -> bool {
        let status = match (&self.answer, got.status) {
            (Answer::None, status) => status.is_none(),
            (Answer::One(statuses), Some(status)) => statuses.contains(&status),
            (Answer::Any, Some(status)) => !UNREAD.contains(&status),
            (Answer::One(_) | Answer::Any, None) => false,
        };
        status && self.end == got.end
    }
}

fn end(f: &mut fmt::Formatter<'_>, answered: bool, end: End) -> fmt::Result {
    match (answered, end) {
        (true, End::Open) => Ok(()),
        (false, End::Open) => f.write_str("silence"),
        (true, End::Closed) => f.write_str(", closed"),
        (false, End::Closed) => f.write_str("closed"),
        (_, End::Waits) => f.write_str("waits"),
    }
}

impl fmt::Display for Must {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.answer {
            Answer::None => {}
            Answer::Any => f.write_str("processed")?,
            Answer::One(statuses) => f.write_str(&statuses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "))?,
        }
        end(f, !matches!(self.answer, Answer::None), self.end)
    }
}

impl fmt::Display for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(status) = self.status {
            write!(f, "{status}")?;
        }
        end(f, self.status.is_some(), self.end)
    }
}

impl Row {
    /// What is expected: of streams only where that is something else.
    fn expected(&self) -> String {
        let [udp, stream, _] = self.must.each_ref().map(ToString::to_string);
        if udp == stream { udp } else { format!("{udp}; on streams {stream}") }
    }

    fn table(rows: &[Self]) -> String {
        let mut table = String::from("| Message | Expected | UDP | TCP | In-process |\n|---|---|---|---|---|\n");
        for row in rows {
            let [udp, tcp, local] = &row.got;
            let _ = writeln!(table, "| {} | {} | {udp} | {tcp} | {local} |", row.name, row.expected());
        }
        table
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_give_each_message_its_verdict_on_every_transport_and_go_on() {
    let servers = Servers::start().await;
    let (rows, mut wrong) = Box::pin(servers.judge(&set::own())).await;
    println!("{}", Row::table(&rows));
    match set::of_the_rfcs() {
        Some(cases) => {
            let (rows, also) = Box::pin(servers.judge(&cases)).await;
            println!("{}", Row::table(&rows));
            wrong.push_str(&also);
            if wrong.is_empty() {
                hold_equal(&rows, &cases);
            }
        }
        None => println!("CONFKIT_TORTURE_DIR is not set: only the messages of this project were sent"),
    }
    servers.stop().await;
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn the_document_has_a_row_for_every_message_of_the_rfcs() {
    let text = fs::read_to_string(document()).expect("docs/protocols/torture.md");
    let named: Vec<&str> = rows(&text).map(|row| row.split(" | ").next().unwrap_or_default()).collect();
    let names = [set::names("rfc4475.txt"), set::names("rfc5118.txt")].concat();
    assert_eq!(named, names);
}

/// Holds the document's table equal to what the messages got.
fn hold_equal(got: &[Row], cases: &[Case]) {
    let text = fs::read_to_string(document()).expect("docs/protocols/torture.md");
    let table: Vec<String> = got
        .iter()
        .zip(cases)
        .map(|(row, case)| {
            let [udp, tcp, local] = &row.got;
            format!("{} | {} | {} | {udp} | {tcp} | {local}", row.name, case.section, row.expected())
        })
        .collect();
    if std::env::var_os("BLESS").is_some() {
        let kept: Vec<&str> = text.lines().filter(|line| !is_row(line)).collect();
        let at = kept.iter().position(|line| line.starts_with("|---")).expect("a table") + 1;
        let (before, after) = kept.split_at(at);
        let lines = table.iter().map(|row| format!("| {row} |"));
        let lines: Vec<String> = before.iter().map(|&l| l.to_owned()).chain(lines).chain(after.iter().map(|&l| l.to_owned())).collect();
        fs::write(document(), lines.join("\n") + "\n").expect("written");
        return;
    }
    // A folder need not hold all of them.
    let name = |row: &str| row.split(" |").next().unwrap_or_default().to_owned();
    let here: Vec<&str> = rows(&text).filter(|row| table.iter().any(|got| name(got) == name(row))).collect();
    assert_eq!(here, table, "docs/protocols/torture.md is stale: BLESS=1 writes it anew");
}

fn document() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/protocols/torture.md")
}

fn is_row(line: &str) -> bool {
    line.starts_with("| ") && !line.starts_with("| Message")
}

fn rows(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| is_row(line)).map(|line| line.trim_start_matches("| ").trim_end_matches(" |"))
}
