//! Golden ladders of both embodiments, end to end, as an outsider sees them: the SIP messages between each user and the application server,
//! and the frames between each of them and the relay, all by way of listeners that write down what passes.
//!
//! Messages of a user stand in their order, frames of a connection in that of each way: what goes two ways at once has none. Of what is carried names are shown,
//! and no values. `BLESS=1` writes the files, but never in CI.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex, OnceLock},
    thread,
};

use confkit::channel::wire::{Decoder, Kind, frame::MAX_BODY};
use serde_json::Value;

use crate::house::{House, Running, code, run, said};

/// What passed on one connection: to the relay, and back; messages of both ways in `up`.
#[derive(Default)]
struct Passed {
    up: Vec<String>,
    down: Vec<String>,
    /// Who is at the other end, as far as the connection tells.
    who: String,
}

type Book = Arc<Mutex<Vec<Arc<Mutex<Passed>>>>>;

/// Listens, passes everything on to `upstream`, and has it written down.
fn listen<W>(upstream: Arc<OnceLock<SocketAddr>>, writer: fn() -> W) -> (SocketAddr, Book)
where
    W: FnMut(&[u8], &mut Passed, bool) + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let book = Book::default();
    let entries = Arc::clone(&book);
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(upstream.wait()).expect("connected");
            let passed = Arc::new(Mutex::new(Passed::default()));
            entries.lock().expect("a book").push(Arc::clone(&passed));
            let (back, front) = (server.try_clone().expect("a socket"), client.try_clone().expect("a socket"));
            for (from, to, is_up) in [(client, server, true), (back, front, false)] {
                let (passed, mut write) = (Arc::clone(&passed), writer());
                thread::spawn(move || copy(from, to, |bytes| write(bytes, &mut passed.lock().expect("an entry"), is_up)));
            }
        }
    });
    (address, book)
}

fn copy(mut from: TcpStream, mut to: TcpStream, mut seen: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 65536];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        seen(&buffer[..read]);
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// MESSAGEs and their answers, but for challenges.
fn sip() -> impl FnMut(&[u8], &mut Passed, bool) + Send + 'static {
    let mut text = String::new();
    move |bytes, passed, is_up| {
        text.push_str(&String::from_utf8_lossy(bytes));
        while let Some(head) = text.find("\r\n\r\n") {
            let length = text[..head].lines().find_map(|line| line.strip_prefix("Content-Length:")?.trim().parse().ok()).unwrap_or(0);
            if text.len() < head + 4 + length {
                break;
            }
            let message: String = text.drain(..head + 4 + length).collect();
            let (head, body) = message.split_once("\r\n\r\n").expect("a head");
            let start = head.lines().next().unwrap_or_default();
            let line = match start.strip_prefix("SIP/2.0 ") {
                Some(status) if head.contains(" MESSAGE\r\n") => status.split(' ').next().unwrap_or_default().to_owned(),
                None if start.starts_with("MESSAGE ") => format!("MESSAGE {}", names_of_xml(body)),
                _ => continue,
            };
            let authorized = head.contains("Authorization:");
            // The challenge, and what was challenged, are the digest's matter.
            match line.as_str() {
                "401" => {}
                _ if is_up && line.starts_with("MESSAGE") && !authorized => {}
                _ => passed.up.push(arrow(is_up, &line)),
            }
        }
    }
}

fn arrow(is_up: bool, line: &str) -> String {
    format!("{} {line}", if is_up { "->" } else { "<-" })
}

/// The element of a body, and its attributes.
fn names_of_xml(body: &str) -> String {
    let element = body.split_once("?>").map_or(body, |(_, element)| element).trim_start().trim_start_matches('<');
    let (name, rest) = element.split_once(' ').unwrap_or((element, ""));
    let inside = rest.split('>').next().unwrap_or_default();
    let names: Vec<&str> =
        inside.split(' ').filter_map(|part| part.split_once('=')).map(|(name, _)| name).filter(|name| *name != "xmlns").collect();
    format!("{name} ({})", names.join(", "))
}

/// Frames, until the bytes are the sender's.
fn frames() -> impl FnMut(&[u8], &mut Passed, bool) + Send + 'static {
    let mut decoder = Decoder::default();
    decoder.set_limit(MAX_BODY);
    let mut over = false;
    move |mut bytes, passed, is_up| {
        while !over && !bytes.is_empty() {
            // As many as the decoder wants at once.
            let (now, rest) = bytes.split_at(1);
            decoder.room().extend_from_slice(now);
            bytes = rest;
            while let Some(frame) = decoder.next_frame().expect("frames") {
                over |= matches!(frame.kind, Kind::Join | Kind::Joined);
                let told = match frame.kind {
                    // When these come depends on who is first, and how fast.
                    Kind::Met | Kind::Gone | Kind::Ping | Kind::Pong | Kind::Pace => continue,
                    Kind::Letter => "letter, sealed".to_owned(),
                    kind => format!("{}{}", kind.name(), names_of_json(&frame.body, passed)),
                };
                let told = arrow(is_up, &told);
                let list = if is_up { &mut passed.up } else { &mut passed.down };
                if list.last() != Some(&told) {
                    list.push(told);
                }
            }
        }
    }
}

fn names_of_json(body: &[u8], passed: &mut Passed) -> String {
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else { return String::new() };
    let seat = members.get("seat").and_then(Value::as_u64).filter(|_| members.contains_key("stream"));
    match (members.get("role").and_then(Value::as_str), seat) {
        (Some("sender"), _) => passed.who = "alice, control".to_owned(),
        (Some(_), _) => passed.who = "bob, control".to_owned(),
        (None, Some(0)) => passed.who = "alice, data".to_owned(),
        (None, Some(_)) => passed.who = "bob, data".to_owned(),
        (None, None) => {}
    }
    let names: Vec<&str> = members.keys().map(String::as_str).collect();
    format!(" ({})", names.join(", "))
}

fn played(applies: &str) -> String {
    let (to_server, to_relay) = (Arc::new(OnceLock::new()), Arc::new(OnceLock::new()));
    let (alice, alices) = listen(Arc::clone(&to_server), sip);
    let (bob, bobs) = listen(Arc::clone(&to_server), sip);
    let (relay, relays) = listen(Arc::clone(&to_relay), frames);
    let house = House::new(&format!("accounts-ladder-{applies}"), &format!("relay: {{advertise: [\"{relay}\"]}}\n"), &[]);
    to_server.set(house.server.address()).expect("set once");
    to_relay.set(house.server.ready["relay"].as_str().expect("a relay").parse().expect("an address")).expect("set once");
    fs::write(house.place.path("notes.txt"), b"see you at ten").expect("written");
    let server = |at: SocketAddr| format!("sip:localhost:{};transport=tcp", at.port());
    // Whose name is given is looked up beside it, and the answer comes when it comes.
    let args = ["--json", "recv", "--from", "anyone", "--yes", "--relay-only", "--output", "out"];
    let mut receiving = Running::start(house.fshare("bob", &args).env("CONFKIT_SERVER", server(bob)));
    receiving.event("waiting");
    let args = ["send", "notes.txt", "--to", "bob", "--applies", applies, "--relay-only"];
    let sent = run(house.fshare("alice", &args).env("CONFKIT_SERVER", server(alice)));
    assert_eq!((code(&sent), receiving.end().0), (0, 0), "{}", said(&sent));
    assert_eq!(fs::read(house.place.path("out/notes.txt")).expect("received"), b"see you at ten");

    let mut shown = BTreeMap::<String, (Vec<String>, Vec<String>)>::new();
    let of = [("1. alice and the application server", alices), ("2. bob and the application server", bobs)];
    let signalled = of.into_iter().flat_map(|(who, book)| take(&book).into_iter().map(move |passed| (who.to_owned(), passed)));
    let carried = take(&relays).into_iter().map(|passed| (format!("3. the relay and {}", passed.lock().expect("an entry").who), passed));
    for (who, passed) in signalled.chain(carried) {
        let passed = passed.lock().expect("an entry");
        let (up, down) = shown.entry(who).or_default();
        up.extend(passed.up.iter().cloned());
        down.extend(passed.down.iter().cloned());
    }
    let mut text = format!("# The {applies} applies: what an outsider sees of a file from alice to bob.\n");
    for (who, (up, down)) in shown.into_iter().filter(|(_, (up, down))| !(up.is_empty() && down.is_empty())) {
        let _ = writeln!(text, "\n{who}");
        for line in up.iter().chain(&down) {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

fn take(book: &Book) -> Vec<Arc<Mutex<Passed>>> {
    book.lock().expect("a book").clone()
}

#[test]
fn an_outsider_sees_the_same_of_each_embodiment_every_time() {
    let bless = std::env::var("BLESS").is_ok_and(|value| value == "1");
    assert!(!(bless && std::env::var_os("CI").is_some()), "BLESS=1 is for people: CI only compares");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ladders/accounts");
    for applies in ["receiver", "sender"] {
        let (seen, path) = (played(applies), folder.join(format!("{applies}_applies.ladder")));
        if bless {
            fs::create_dir_all(&folder).expect("a folder");
            fs::write(&path, &seen).expect("written");
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert!(seen == expected, "{} differs (BLESS=1 accepts it):\n{seen}", path.display());
    }
}
