//! Going on in another process, and giving up: by which relay, and by which proxy.

use super::{
    relays::{proxy, relay},
    *,
};

/// A program that runs, and what it says.
struct Running {
    child: Child,
    events: BufReader<ChildStdout>,
}

impl Running {
    fn start(world: &World, args: &[&str]) -> Self {
        let mut fshare = world.fshare(&[&["--json"], args].concat());
        let mut child = fshare.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("fshare runs");
        let events = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, events }
    }

    /// Until bytes move.
    fn until_progress(&mut self) {
        let mut line = String::new();
        while !line.contains("\"progress\"") {
            line.clear();
            assert!(self.events.read_line(&mut line).expect("text") > 0, "it ended before it began: {}", self.said());
        }
    }

    fn said(&mut self) -> String {
        let mut said = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        said
    }

    fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("waited for");
    }

    /// It ends well; by which way it went.
    fn ends_well(mut self) -> String {
        let events: Vec<Value> =
            self.events.by_ref().lines().map(|line| serde_json::from_str(&line.expect("text")).expect("JSON")).collect();
        let said = self.said();
        assert_eq!(self.child.wait().expect("waited for").code(), Some(0), "{said}");
        events.last().expect("an event")["source"].as_str().expect("a way").to_owned()
    }
}

/// What was begun with these flags at either end, and both ends killed. Gives the code.
fn broken_off(world: &World, flags: &[&str]) -> String {
    fs::write(world.place.path("talk.bin"), bytes(6 << 20)).expect("written");
    let sending = world.send(&[&["talk.bin", "--limit", "2MiB/s"], flags].concat(), None);
    let code = sending.code.clone();
    let mut receiving = Running::start(world, &[&["recv", &code, "--yes", "--output", "out"], flags].concat());
    receiving.until_progress();
    receiving.kill();
    sending.kill();
    drop(sending.end());
    code
}

fn arrived(world: &World) -> bool {
    fs::read(world.place.path("out/talk.bin")).is_ok_and(|read| read == bytes(6 << 20))
}

#[test]
fn where_the_relay_has_moved_both_go_on_at_the_one_that_is_named_and_know_it_from_then_on() {
    let mut world = World::new("channel-moved");
    let code = broken_off(&world, &[]);
    world.server.process().kill();
    let moved = Server::start(&world.place, "moved", "roles: [relay]\n", &[]);
    let there = relay(&moved);
    let mut receiving = Running::start(&world, &["recv", &code, "--yes", "--output", "out", "--relay", &there]);
    let sending = Running::start(&world, &["resume", "send-", "--relay", &there]);
    receiving.until_progress();
    receiving.kill();
    sending.kill();
    // The environment still has the old one.
    let ends = [Running::start(&world, &["resume", "send-"]), Running::start(&world, &["resume", "recv-"])];
    for end in ends {
        end.ends_well();
    }
    assert!(arrived(&world));
}

#[test]
fn who_names_another_relay_than_the_other_end_is_at_finds_it_all_the_same() {
    let world = World::new("channel-two-places");
    broken_off(&world, &[]);
    let other = Server::start(&world.place, "other", "roles: [relay]\n", &[]);
    let receiving = Running::start(&world, &["resume", "recv-"]);
    let sending = Running::start(&world, &["resume", "send-", "--relay", &relay(&other)]);
    sending.ends_well();
    receiving.ends_well();
    assert!(arrived(&world));
}

#[test]
fn what_was_begun_by_a_proxy_goes_on_and_is_given_up_by_one_and_never_around_it() {
    let world = World::new("channel-proxy-again");
    let (address, asked) = proxy::start(proxy::Manner::Socks, true);
    let url = format!("socks5h://bob:secret@{address}");
    let code = broken_off(&world, &["--proxy", &url]);
    // Nobody gets to the relay while it is asked for without one.
    let attempts = world.server.metric("confkit_relay_connections_total");
    for args in [
        &["resume", "send-"][..],
        &["resume", "recv-"],
        &["recv", &code, "--yes", "--output", "out"],
        &["cancel", "send-"],
        &["cancel", "recv-"],
    ] {
        let refused = world.fshare(args).output().expect("fshare runs");
        assert_eq!(self::code(&refused), 2, "{args:?}: {}", said(&refused));
        let told = said(&refused);
        assert!(told.contains(&format!("the proxy socks5h://{address}")) && told.contains("--proxy URL"), "{args:?}: {told}");
        assert!(!told.contains("secret"), "{told}");
        assert_eq!(told.contains("--here"), args[0] == "cancel", "{told}");
    }
    assert_eq!(world.server.metric("confkit_relay_connections_total"), attempts);
    let kept: String =
        contents(&world.place.path(".local/state")).into_iter().map(|(_, read)| String::from_utf8_lossy(&read).into_owned()).collect();
    assert!(kept.contains(&address.to_string()) && !kept.contains("bob:"), "{kept}");

    let _ = asked.try_iter().count();
    let ends =
        [Running::start(&world, &["resume", "send-", "--proxy", &url]), Running::start(&world, &["resume", "recv-", "--proxy", &url])];
    for end in ends {
        assert_eq!(end.ends_well(), "relay");
    }
    // A control connection and one for data, of each.
    assert_eq!(asked.try_iter().count(), 4);
    assert!(arrived(&world));
}

#[test]
fn what_was_begun_by_a_proxy_goes_on_without_one_where_that_is_said_and_is_given_up_without_a_word() {
    let world = World::new("channel-proxy-none");
    let (address, _asked) = proxy::start(proxy::Manner::Http, false);
    let url = format!("http://{address}");
    broken_off(&world, &["--proxy", &url]);
    let given_up = world.fshare(&["--json", "cancel", "--here", "recv-"]).output().expect("fshare runs");
    assert_eq!(code(&given_up), 0, "{}", said(&given_up));
    assert!(said(&given_up).contains("\"told\":false"), "{}", said(&given_up));
    let alone = world.fshare(&["resume", "send-", "--proxy", "none", "--patience", "1s"]).output().expect("fshare runs");
    assert_eq!(code(&alone), 9, "{}", said(&alone));
}

#[test]
fn what_was_begun_by_a_proxy_keeps_nobody_from_its_code_when_that_is_chosen_again() {
    let world = World::new("channel-proxy-code-again");
    let (address, _asked) = proxy::start(proxy::Manner::Socks, true);
    let code = broken_off(&world, &["--proxy", &format!("socks5h://bob:secret@{address}")]);
    fs::write(world.place.path("other.bin"), bytes(10)).expect("written");
    let other = world.send(&["other.bin", "--code", &code], None);
    let received = world.recv(&[&code, "--yes", "--output", "elsewhere"]);
    assert_eq!(self::code(&received), 0, "{}", said(&received));
    assert!(said(&received).contains("no proxy is set now: looking for whoever"), "{}", said(&received));
    assert_eq!(other.end().0, 0);
    assert!(fs::read(world.place.path("elsewhere/other.bin")).expect("there") == bytes(10));
}
