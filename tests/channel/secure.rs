//! Relays that are spoken to by TLS: what goes through them, and what is said where it cannot.

use std::time::Duration;

use confkit::sip::transport::Authority;

use super::{
    relays::{closed, mute, proxy, stranger},
    *,
};

/// A relay that speaks TLS.
const SECURE: &str = "roles: [relay]\nlisten: {relay: [{address: '127.0.0.1:0', tls: true}]}\n";

fn relay(server: &Server) -> &str {
    server.ready["relay"].as_str().expect("a relay")
}

#[test]
fn files_go_through_a_relay_by_tls_to_one_and_to_several_and_many_names_go_over_it() {
    let world = World::with("channel-secure", SECURE);
    assert!(relay(&world.server).starts_with("tls://127.0.0.1:"), "{}", world.server.ready);
    let folder = world.place.folder("many");
    // A manifest of more than the buffers of a connection hold.
    for at in 0..1000 {
        fs::write(folder.join(format!("{at:04}-{}", "x".repeat(150))), [at as u8; 3]).expect("written");
    }
    let big = bytes(3_000_001);
    fs::write(folder.join("big"), &big).expect("written");
    for receivers in [1, 2] {
        let several = receivers.to_string();
        let sending = world.send(&["many", "--relay-only", "--receivers", &several], None);
        let run = |at: usize| world.recv(&[&sending.code, "--yes", "--output", &format!("{receivers}-{at}")]);
        std::thread::scope(|scope| {
            let receiving: Vec<_> = (0..receivers).map(|at| scope.spawn(move || run(at))).collect();
            for received in receiving {
                let received = received.join().expect("it ends");
                assert_eq!(code(&received), 0, "{}", said(&received));
            }
        });
        let (ended, events, told) = sending.end();
        assert_eq!(ended, 0, "{told}");
        assert_eq!(events.last().expect("an event")["source"], "relay");
        for at in 0..receivers {
            assert!(contents(&world.place.path(&format!("{receivers}-{at}/many"))) == contents(&world.place.path("many")));
        }
    }
}

#[test]
fn a_relay_by_tls_is_reached_by_proxies_of_both_kinds_with_data_beside_it_the_same_way() {
    let world = World::with("channel-secure-proxy", SECURE);
    fs::write(world.place.path("notes.txt"), b"notes").expect("written");
    let port = relay(&world.server).rsplit_once(':').expect("a port").1.to_owned();
    // By a name that stands in the certificate, and that the proxy resolves.
    let (place, named) = (format!("localhost:{port}"), format!("tls://localhost:{port}"));
    for (at, (manner, scheme)) in [(proxy::Manner::Socks, "socks5h"), (proxy::Manner::Connect, "http")].into_iter().enumerate() {
        let (address, asked) = proxy::start(manner, true);
        let url = format!("{scheme}://bob:secret@{address}");
        let sending = world.send(&["notes.txt", "--proxy", &url, "--relay", &named], None);
        let received = world.recv(&[&sending.code, "--yes", "--output", &at.to_string()]);
        assert_eq!(code(&received), 0, "{url}: {}", said(&received));
        let (ended, events, told) = sending.end();
        assert_eq!(ended, 0, "{told}");
        assert_eq!(events.last().expect("an event")["source"], "relay");
        assert_eq!(asked.try_iter().collect::<Vec<_>>(), [place.clone(), place.clone()], "{url}");
    }
}

#[test]
fn what_is_gone_on_with_finds_its_relay_by_tls_again() {
    let world = World::with("channel-secure-resume", SECURE);
    fs::write(world.place.path("big"), bytes(6_000_000)).expect("written");
    let mut sending = world.fshare(&["--json", "send", "big", "--relay-only", "--limit", "2MiB/s", "--patience", "20s"]);
    let mut sending = sending.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("fshare runs");
    let mut events = BufReader::new(sending.stdout.take().expect("piped"));
    let mut line = String::new();
    events.read_line(&mut line).expect("an event");
    let told: Value = serde_json::from_str(&line).expect("JSON");
    let code_told = told["code"].as_str().expect("a code").to_owned();
    let mut receiving = world.fshare(&["--json", "recv", &code_told, "--yes", "--output", "out", "--relay-only"]);
    let mut receiving = receiving.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("fshare runs");
    let mut heard = BufReader::new(receiving.stdout.take().expect("piped"));
    let mut progress = String::new();
    while !progress.contains("\"progress\"") {
        progress.clear();
        assert!(heard.read_line(&mut progress).expect("text") > 0, "it ended");
    }
    kill(Pid::from_raw(receiving.id().try_into().expect("a pid")), Signal::SIGKILL).expect("killed");
    receiving.wait().expect("waited for");
    // The relay is in its record, and no flag names it.
    let again = world.fshare(&["recv", &code_told, "--yes", "--output", "out", "--relay-only"]).env_remove("CONFKIT_RELAY").output();
    let again = again.expect("fshare runs");
    assert_eq!(code(&again), 0, "{}", said(&again));
    std::io::copy(&mut events, &mut std::io::sink()).expect("read");
    assert!(sending.wait().expect("waited for").success());
    assert!(fs::read(world.place.path("out/big")).expect("there") == bytes(6_000_000));
}

/// A relay with a certificate of an authority of the test's, for these names beside loopback's, that was issued so long ago; and where the authority is.
fn certified(world: &World, name: &str, listen: &str, age: Duration) -> (Server, String) {
    let then = confkit::clock::wall() - age;
    let authority = Authority::generate(then).expect("an authority");
    let issued = authority.issue(then, &["other.example".to_owned()], &[]).expect("a certificate");
    let path = |what: &str| world.place.path(&format!("{name}-{what}"));
    for (what, text) in [("ca", authority.certificate()), ("pem", &issued.chain), ("key", issued.key.expose())] {
        fs::write(path(what), text).expect("written");
    }
    fs::set_permissions(path("key"), fs::Permissions::from_mode(0o600)).expect("private");
    let shown = |what| path(what).display().to_string();
    let configuration = format!(
        "roles: [relay]\nlisten: {{relay: [{{address: '{listen}:0', tls: true}}]}}\ntls: {{certificate: '{}', key: '{}'}}\n",
        shown("pem"),
        shown("key")
    );
    (Server::start(&world.place, name, &configuration, &[]), shown("ca"))
}

#[test]
fn what_keeps_terminal_and_relay_from_each_other_is_said_with_whose_fault_it_is_and_what_to_do() {
    let world = World::with("channel-secure-wrong", SECURE);
    let plain = Server::start(&world.place, "plain", "roles: [relay]\n", &[]);
    let year = Duration::from_secs(366 * 24 * 3600);
    let (old, old_ca) = certified(&world, "old", "127.0.0.1", 2 * year);
    let (new, new_ca) = certified(&world, "new", "127.0.0.1", Duration::ZERO);
    let (other, other_ca) = certified(&world, "other", "127.0.0.2", Duration::ZERO);
    let (_kept, mute) = mute();
    let ca = world.server.ready["env"]["CONFKIT_CA"].as_str().expect("an authority").to_owned();
    let without = |relay: &str| relay.trim_start_matches("tls://").to_owned();
    let secure = relay(&world.server).to_owned();
    let empty = world.place.path("empty").display().to_string();
    fs::write(&empty, "").expect("written");
    for (relay, ca, expected, why, hint) in [
        (format!("tls://{}", relay(&plain)), &ca, 7, "speaks no TLS there", "listen.relay with tls: true"),
        (without(&secure), &ca, 3, "this relay is spoken to by TLS: name it tls://HOST:PORT", ""),
        (secure.clone(), &new_ca, 7, "is not trusted: no authority that is trusted here has signed it", "--ca FILE"),
        (relay(&new).to_owned(), &ca, 7, "is not trusted: no authority that is trusted here has signed it", "--ca FILE"),
        (relay(&old).to_owned(), &old_ca, 7, "is not trusted: it has expired", "the clock of this machine"),
        (relay(&other).to_owned(), &other_ca, 7, "is not trusted: it is for ", "as its certificate does"),
        (format!("tls://{}", stranger(b"HTTP/1.1 400 Bad Request\r\n\r\n")), &ca, 7, "a web server does", "check host and port"),
        (format!("tls://{}", stranger(b"")), &ca, 7, "closes the connection without a word", "check host and port"),
        (format!("tls://{mute}"), &ca, 7, "takes the connection and gives no answer in 2 s", "check host and port"),
        (format!("tls://{}", closed()), &ca, 7, "cannot be reached: ", "is relayd running there?"),
        (secure.clone(), &empty, 2, "contains no PEM certificate", "ca.pem"),
        (secure.clone(), &format!("{empty}-not-there"), 4, "empty-not-there", ""),
        ("https://relay.example".to_owned(), &ca, 2, "leave out https://, as in relay.example", ""),
        // And what is right is: the authority leads to it, and there is no such code.
        (relay(&new).to_owned(), &new_ca, 4, "", "ask for another"),
        (secure.clone(), &ca, 4, "", "ask for another"),
        // Where nothing is named by TLS nobody needs to be trusted.
        (relay(&plain).to_owned(), &format!("{empty}-not-there"), 4, "", "ask for another"),
    ] {
        let failed =
            world.fshare(&["recv", "7-zoo-zone", "--yes", "--timeout", "2s", "--relay", &relay, "--ca", ca]).output().expect("runs");
        assert_eq!(code(&failed), expected, "{relay}: {}", said(&failed));
        assert!(said(&failed).contains(why) && said(&failed).contains(hint), "{relay}: {}", said(&failed));
    }
    // Without any authority nobody is.
    let nobody = world.fshare(&["recv", "7-zoo-zone", "--yes"]).env_remove("CONFKIT_CA").output().expect("fshare runs");
    assert_eq!(code(&nobody), 7, "{}", said(&nobody));
    assert!(said(&nobody).contains("no authority that is trusted here"), "{}", said(&nobody));
}
