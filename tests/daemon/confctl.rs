//! What somebody sees who tries `confctl` on a server for the first time, and what goes wrong then.

use std::{
    io::{BufRead as _, BufReader},
    net::UdpSocket,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use super::harness::{Daemon, PATIENCE, wait_until};

struct Ran {
    code: i32,
    out: String,
    err: String,
}

/// The program, as an account of the server; as a guest without one.
fn confctl(server: &str, user: Option<(&str, &str)>, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_confctl"));
    command.args(args).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", env!("CARGO_TARGET_TMPDIR")).env("CONFKIT_SERVER", server);
    if let Some((user, password)) = user {
        command.env("CONFKIT_USER", user).env("CONFKIT_PASSWORD", password);
    }
    command.stdin(Stdio::null());
    command
}

fn ran(mut command: Command) -> Ran {
    let output = command.output().expect("confctl starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: output.status.code().expect("no signal ended it"), out: text(output.stdout), err: text(output.stderr) }
}

fn admin(daemon: &Daemon, args: &[&str]) -> Ran {
    ran(confctl(&daemon.env("CONFKIT_SERVER"), Some(("admin", &daemon.password("admin"))), args))
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port()
}

/// A command that goes on; `wait_for` reads its events up to one.
struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("confctl starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, lines }
    }

    fn wait_for(&mut self, event: &str) -> Value {
        for line in self.lines.by_ref() {
            let value: Value = serde_json::from_str(&line.expect("UTF-8")).expect("JSON");
            if value["event"] == event {
                return value;
            }
        }
        panic!("it ended without {event}");
    }

    fn end(mut self) -> (i32, String) {
        let begun = confkit::clock::now();
        let mut status = None;
        wait_until("confctl ends", || {
            status = self.child.try_wait().expect("waited for");
            status.is_some()
        });
        assert!(begun.elapsed() < PATIENCE);
        let mut err = String::new();
        std::io::Read::read_to_string(&mut self.child.stderr.take().expect("piped"), &mut err).expect("UTF-8");
        (status.and_then(|status| status.code()).expect("an exit code"), err)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn nobody_who_listens_is_no_server_that_says_503() {
    let port = free_port();
    for transport in ["", ";transport=tcp"] {
        let server = format!("sip:127.0.0.1:{port}{transport}");
        let user = Some(("alice", "secret"));
        for args in [&["list"][..], &["join", "standup"], &["watch", "standup"], &["message", "bob", "hello"]] {
            let told = ran(confctl(&server, user, args));
            assert_eq!(told.code, 7, "{args:?}: {}", told.err);
            assert!(told.err.contains(&format!("nobody answers at {server}: connection refused")), "{args:?}: {}", told.err);
            assert!(told.err.contains("is relayd running there?"), "{args:?}: {}", told.err);
        }
    }
}

#[test]
fn a_server_that_says_nothing_is_waited_for_as_long_as_was_asked() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let server = format!("sip:{}", silent.local_addr().expect("address"));
    for args in [&["message", "bob", "hello"][..], &["watch", "standup"]] {
        let begun = confkit::clock::now();
        let told = ran(confctl(&server, Some(("alice", "secret")), &[args, &["--timeout", "500ms"]].concat()));
        assert_eq!(told.code, 7, "{args:?}: {}", told.err);
        assert!(told.err.contains("in 500ms") && told.err.contains("is relayd running there?"), "{args:?}: {}", told.err);
        assert!(begun.elapsed() < PATIENCE, "{args:?}: after {:?}", begun.elapsed());
    }
}

#[test]
fn whom_the_server_cannot_reach_is_named_with_why() {
    let daemon = Daemon::ephemeral(&[]);
    assert_eq!(admin(&daemon, &["create", "standup"]).code, 0);
    let nobody = format!("sip:dave@127.0.0.1:{}", free_port());
    let told = admin(&daemon, &["invite", "standup", &nobody]);
    assert_eq!(told.code, 7, "{}", told.err);
    assert!(told.err.contains(&format!("{nobody} did not come: nobody listens there")), "{}", told.err);
    let told = admin(&daemon, &["message", "nobody", "hello"]);
    assert!(told.code == 4 || told.code == 7, "{}", told.err);
    assert!(
        told.err.contains("there is no user nobody (404)") || told.err.contains("nobody is not reachable at the moment (480)"),
        "{}",
        told.err
    );
}

#[test]
fn a_certificate_that_is_not_trusted_is_told_with_what_to_do() {
    let daemon = Daemon::ephemeral(&[]);
    let server = daemon.ready["sips"].as_str().expect("sips").to_owned();
    let user = daemon.password("admin");
    let list = |ca: &str| {
        let args = if ca.is_empty() { vec!["list"] } else { vec!["list", "--ca", ca] };
        ran(confctl(&server, Some(("admin", &user)), &args))
    };
    let told = list("");
    assert_eq!(told.code, 7, "{}", told.err);
    assert!(told.err.contains("the certificate of 127.0.0.1 is not trusted"), "{}", told.err);
    assert!(told.err.contains("give --ca DATA_DIR/ca.pem"), "{}", told.err);
    let told = list(&daemon.env("CONFKIT_CA"));
    assert_eq!((told.code, told.err.as_str()), (0, ""));

    let odd = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-certificate.pem");
    std::fs::write(&odd, "not PEM\n").expect("a file");
    let odd = odd.to_str().expect("path");
    let told = list(odd);
    assert_eq!(told.code, 2, "{}", told.err);
    assert!(told.err.contains(&format!("{odd} contains no PEM certificate")), "{}", told.err);
    assert_eq!(list("/nonexistent/ca.pem").code, 4);
}

#[test]
fn whoever_guesses_passwords_is_told_how_long_to_wait() {
    let daemon = Daemon::ephemeral(&[]);
    let server = daemon.env("CONFKIT_SERVER");
    let guesses: Vec<Ran> = (0..8).map(|_| ran(confctl(&server, Some(("admin", "a guess")), &["list"]))).collect();
    assert!(guesses.iter().all(|told| told.code == 3), "{:?}", guesses.iter().map(|told| &told.err).collect::<Vec<_>>());
    assert!(guesses[0].err.contains("refused the account or its password"), "{}", guesses[0].err);
    let barred = guesses.iter().find(|told| told.err.contains("too many wrong passwords from here; try again in "));
    assert!(barred.is_some(), "{}", guesses[7].err);
}

#[test]
fn whoever_has_no_pin_is_not_told_that_it_is_in() {
    let daemon = Daemon::ephemeral(&[]);
    let server = daemon.env("CONFKIT_SERVER");
    let mut create = confctl(&server, Some(("admin", &daemon.password("admin"))), &["create", "board"]);
    create.env("CONFKIT_PIN", "4711");
    assert_eq!(ran(create).code, 0);
    let join = |args: &[&str]| {
        let told = ran(confctl(&server, None, &[&["--json", "join", "board"], args].concat()));
        let events: Vec<String> = told
            .out
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["event"].as_str().expect("an event").to_owned())
            .collect();
        (told, events)
    };
    let (told, events) = join(&["--for", "1s"]);
    assert_eq!((told.code, events.join(" ").as_str()), (3, "calling pin-wanted left"), "{}", told.err);
    assert!(told.err.contains("--pin-file"), "{}", told.err);

    let (told, events) = join(&["--dtmf", "4711#", "--for", "4s"]);
    assert_eq!((told.code, events.join(" ").as_str()), (0, "calling pin-wanted joined left"), "{}", told.err);

    let (told, events) = join(&["--dtmf", "1#,1#,1#", "--for", "30s"]);
    assert_eq!((told.code, events.join(" ").as_str()), (3, "calling pin-wanted left"), "{}", told.err);
    assert!(told.err.contains("the PIN is wrong"), "{}", told.err);

    let mut shown = confctl(&server, None, &["--json", "join", "board", "--for", "1s"]);
    shown.env("CONFKIT_PIN", "4711");
    let told = ran(shown);
    assert!(told.code == 0 && told.out.contains("\"joined\"") && !told.out.contains("pin-wanted"), "{}{}", told.out, told.err);
}

#[test]
fn a_server_that_dies_is_noticed_by_who_takes_part_and_who_watches() {
    let daemon = Daemon::ephemeral(&[]);
    let server = daemon.env("CONFKIT_SERVER");
    let mut join = Running::start(confctl(&server, None, &["--json", "join", "standup", "--for", "1m"]));
    join.wait_for("joined");
    let mut watch = Running::start(confctl(&server, None, &["--json", "watch", "standup", "--for", "1m"]));
    watch.wait_for("state");
    daemon.kill();
    assert_eq!(join.wait_for("left")["by"], "them");
    let (code, err) = join.end();
    assert_eq!(code, 7, "{err}");
    assert!(err.contains("nothing received from") && err.contains("no longer answers"), "{err}");
    let (code, err) = watch.end();
    assert_eq!(code, 7, "{err}");
    assert!(err.contains("nobody answers at"), "{err}");
}

#[test]
fn a_good_bye_that_nobody_hears_is_no_success() {
    let daemon = Daemon::ephemeral(&[]);
    let server = daemon.env("CONFKIT_SERVER");
    let mut join = Running::start(confctl(&server, None, &["--json", "join", "standup", "--for", "2s"]));
    join.wait_for("joined");
    let mut watch = Running::start(confctl(&server, None, &["--json", "watch", "standup", "--for", "2s"]));
    watch.wait_for("state");
    daemon.kill();
    let (code, err) = join.end();
    assert_eq!(code, 7, "{err}");
    let (code, err) = watch.end();
    assert_eq!(code, 7, "{err}");
}

#[test]
fn whoever_is_removed_is_gone_and_watchers_learn_why() {
    let daemon = Daemon::ephemeral(&[]);
    let server = daemon.env("CONFKIT_SERVER");
    assert_eq!(admin(&daemon, &["create", "standup"]).code, 0);
    let mut join = Running::start(confctl(&server, None, &["--json", "join", "standup", "--for", "1m"]));
    join.wait_for("joined");
    let mut watch = Running::start(confctl(&server, None, &["--json", "watch", "standup", "--for", "1m"]));
    watch.wait_for("state");
    let told = admin(&daemon, &["--json", "kick", "standup", "guest-1"]);
    let kicked: Value = serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {}{}", told.out, told.err));
    assert_eq!(kicked["participants"][0]["state"], "disconnected");
    assert_eq!(watch.wait_for("left")["reason"], "removed from the conference");
    assert_eq!(join.wait_for("left")["reason"], "removed from the conference");
    assert_eq!(join.end().0, 6);
}

#[test]
fn quiet_is_quiet() {
    let daemon = Daemon::ephemeral(&[]);
    let server = daemon.env("CONFKIT_SERVER");
    let told = ran(confctl(&server, None, &["-q", "join", "standup", "--for", "1s"]));
    assert_eq!((told.code, told.out.as_str(), told.err.as_str()), (0, "", ""));
    let told = ran(confctl(&server, None, &["-q", "join", "standup", "--for", "1s", "--stats"]));
    assert!(told.code == 0 && told.out.contains("packets") && !told.out.contains("calling"), "{}", told.out);
}
