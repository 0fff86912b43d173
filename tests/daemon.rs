//! `relayd` as a process: what it makes at its first start, who gets in, how it reloads, drains, and dies.

#![cfg(feature = "cli")]

#[path = "daemon/confctl.rs"]
mod confctl;
#[path = "daemon/harness.rs"]
mod harness;

use std::{
    fs,
    net::UdpSocket,
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram},
    path::Path,
    time::Duration,
};

use confkit::sip::message::Method;
use harness::{Daemon, PATIENCE, Phone, get, register, relayd, sample, wait_until};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o777
}

/// What is refused: exit code and what is said.
fn refused(args: &[&str]) -> (i32, String) {
    let anywhere = "[{address: '127.0.0.1:0'}]";
    let output = relayd(args).env("RELAYD_LISTEN_HTTP", anywhere).env("RELAYD_LISTEN_RELAY", anywhere).output().expect("relayd runs");
    (output.status.code().expect("an exit code"), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn an_ephemeral_daemon_is_ready_within_a_second_and_leaves_nothing_behind() {
    let start = || {
        let begun = confkit::clock::now();
        (Daemon::ephemeral(&["--user", "alice"]), begun.elapsed())
    };
    // The machine may be busy with something else; it is not three times in a row.
    let (daemon, took) = (0..3).map(|_| start()).min_by_key(|(_, took)| *took).expect("three starts");
    assert!(took < Duration::from_secs(1), "ready after {took:?}");
    let data = daemon.data_dir();
    assert_eq!((mode(&data), mode(&data.join("credentials.yaml"))), (0o700, 0o600));
    assert_eq!(daemon.ready["roles"], serde_json::json!(["as", "ms", "fs", "relay"]));
    assert_eq!(daemon.env("CONFKIT_USER"), "admin");
    assert_eq!(daemon.env("CONFKIT_HTTP"), daemon.ready["http"].as_str().expect("url"));
    assert!(fs::read_to_string(daemon.env("CONFKIT_CA")).expect("ca").starts_with("-----BEGIN CERTIFICATE-----"));
    daemon.terminate();
    assert!(!data.exists(), "the data goes with the process");
}

#[test]
fn users_of_the_credentials_file_get_in_and_others_do_not() {
    let daemon = Daemon::ephemeral(&["--user", "alice"]);
    for user in ["alice", "admin"] {
        assert_eq!(register(&daemon, user, &daemon.password(user)), 200, "{user}");
        assert_eq!(register(&daemon, user, "guess"), 401, "{user}");
    }
    assert_eq!(register(&daemon, "mallory", &daemon.password("alice")), 401);
}

#[test]
fn health_readiness_metrics_and_services_are_told_over_http() {
    let daemon = Daemon::ephemeral(&[]);
    assert_eq!(get(&daemon, "/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(get(&daemon, "/readyz"), (200, "ready\n".to_owned()));
    assert_eq!(get(&daemon, "/nothing").0, 404);
    let (_, services) = get(&daemon, "/.well-known/confkit");
    let services = confkit::conference::wire::services::Services::parse(services.as_bytes()).expect("a services document");
    assert_eq!((services.role.as_str(), services.realm.as_deref(), services.draining), ("as", Some("confkit"), false));
    assert_eq!(services.ca.as_deref().map(str::trim), Some(fs::read_to_string(daemon.env("CONFKIT_CA")).expect("ca").trim()));
    let (_, metrics) = get(&daemon, "/metrics");
    assert_eq!((sample(&metrics, "confkit_ready"), sample(&metrics, "confkit_accounts")), (1.0, 1.0));
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        assert!(value.parse::<f64>().is_ok() && name.starts_with(|c: char| c.is_ascii_lowercase()), "{line}");
    }
}

#[test]
fn roles_of_one_process_speak_sip_to_each_other() {
    let daemon = Daemon::ephemeral(&[]);
    // The application server asks by OPTIONS whether the media server lives.
    wait_until("the media server is asked", || {
        let metrics = get(&daemon, "/metrics").1;
        sample(&metrics, "confkit_sip_messages_in_total{role=\"ms\"}") >= 1.0
            && sample(&metrics, "confkit_sip_messages_in_total{role=\"as\"}") >= 1.0
    });
}

/// Where a daemon takes SIP by a transport.
fn uri(daemon: &Daemon, transport: &str) -> String {
    let member = if transport == "tls" { "sips" } else { "sip" };
    daemon.ready[member].as_str().expect("a URI").replace("transport=udp", &format!("transport={transport}"))
}

/// Calls a conference through an application server; while the call lasts, the media server carries it.
fn call_is_mixed(application: &Daemon, media: &Daemon) {
    let phone = Phone::new();
    assert_eq!(phone.call(application, "standup"), 200, "{}\n{}", application.log(), media.log());
    wait_until("the phone takes part", || sample(&get(application, "/metrics").1, "confkit_participants") == 1.0);
    assert_eq!(sample(&get(media, "/metrics").1, "confkit_media_legs"), 1.0);
}

#[test]
fn roles_of_two_processes_hold_a_conference_over_tcp() {
    let media = Daemon::with(&["--ephemeral", "--roles", "ms"], &[("RELAYD_CONTROLLERS", "127.0.0.1")]);
    let application = Daemon::with(&["--ephemeral", "--roles", "as"], &[("RELAYD_MEDIA_SERVERS", &uri(&media, "tcp"))]);
    assert_eq!((&application.ready["roles"], &media.ready["roles"]), (&serde_json::json!(["as"]), &serde_json::json!(["ms"])));
    call_is_mixed(&application, &media);
}

#[test]
fn a_media_server_refuses_an_application_server_that_it_does_not_know() {
    let media = Daemon::ephemeral(&["--roles", "ms"]);
    let stranger = Daemon::with(&["--ephemeral", "--roles", "as"], &[("RELAYD_MEDIA_SERVERS", &uri(&media, "tcp"))]);
    assert_eq!(Phone::new().call(&stranger, "standup"), 503);
    assert_eq!(sample(&get(&media, "/metrics").1, "confkit_media_legs"), 0.0);
}

#[test]
fn a_file_server_opens_a_port_for_its_application_server_and_closes_it_when_it_is_stopped() {
    let files = Daemon::with(&["--ephemeral", "--roles", "fs"], &[("RELAYD_CONTROLLERS", "127.0.0.1")]);
    let line = "m=application 4000 TCP/TLS/fileshare *\r\na=setup:active\r\na=sendonly\r\n";
    let answer = Phone::new().invite(&files, "conf=try", line);
    assert_eq!(answer.status, 200, "{}", files.log());
    let answer = String::from_utf8(answer.body.to_vec()).expect("text");
    assert!(
        answer.contains("a=setup:passive") && answer.contains("a=fingerprint:sha-256 ") && answer.contains("a=confkit-key:"),
        "{answer}"
    );
    let port = answer.split("m=application ").nth(1).and_then(|line| line.split(' ').next()).expect("a port");
    let stranger = || std::net::TcpStream::connect(format!("127.0.0.1:{port}"));
    // Somebody listens; whoever did not declare its port is closed at once.
    let closed = std::io::Read::read(&mut stranger().expect("it listens"), &mut [0; 1]);
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    let metrics = get(&files, "/metrics").1;
    assert_eq!(sample(&metrics, "confkit_file_shares"), 1.0);
    assert_eq!(sample(&metrics, "confkit_file_connections_refused_total{why=\"undeclared\"}"), 1.0);
    files.terminate();
    assert!(stranger().is_err(), "the port is closed");

    let alone = Daemon::ephemeral(&["--roles", "fs"]);
    assert_eq!(Phone::new().invite(&alone, "conf=try", line).status, 403, "nobody named this application server");
}

#[test]
fn roles_of_two_processes_know_each_other_by_certificate_over_tls() {
    let home = tempfile::tempdir().expect("directory");
    let data = home.path().join("as");
    // The first start makes the authority that the media server is then told of.
    Daemon::on(&data, &[]).terminate();
    let known = data.join("ca.pem").display().to_string();
    let media = Daemon::with(&["--ephemeral", "--roles", "ms"], &[("RELAYD_TLS_AUTHORITIES", &known)]);
    let (servers, authority) = (uri(&media, "tls"), media.env("CONFKIT_CA"));
    let http = ("RELAYD_LISTEN_HTTP", "[{address: '127.0.0.1:0'}]");
    let variables = [("RELAYD_MEDIA_SERVERS", &*servers), ("RELAYD_TLS_AUTHORITIES", &authority), http];
    let data = data.to_str().expect("path");
    let application = Daemon::with(&["--json", "--roles", "as", "--listen", "127.0.0.1:0", "--data-dir", data], &variables);
    call_is_mixed(&application, &media);
    drop(application);

    let stranger = Daemon::with(&["--ephemeral", "--roles", "as"], &variables[..2]);
    assert_eq!(Phone::new().call(&stranger, "standup"), 503, "a certificate of an authority that nobody named");
}

#[test]
fn the_first_start_makes_secrets_that_the_store_does_not_show_and_the_next_start_finds_them() {
    let home = tempfile::tempdir().expect("directory");
    let data = home.path().join("data");
    let daemon = Daemon::on(&data, &[]);
    let password = daemon.password("admin");
    assert_eq!(register(&daemon, "admin", &password), 200);
    for file in ["store.db", "seal.key", "ca.key", "ca.pem", "credentials.yaml", "lock"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
    let user = "admin".parse().expect("name");
    let given = confkit::account::Password::new(&password).expect("password");
    for algorithm in confkit::account::A1Algorithm::ALL {
        let hash = confkit::account::HashedA1::compute(algorithm, &user, "confkit", &given);
        for file in ["store.db", "store.db-wal"] {
            let Ok(bytes) = fs::read(data.join(file)) else { continue };
            for needle in [password.as_bytes(), hash.reveal(), hash.reveal_hex().as_bytes()] {
                assert!(!bytes.windows(needle.len()).any(|window| window == needle), "a secret is readable in {file}");
            }
        }
    }
    daemon.terminate();

    let kept = |file: &str| fs::read(data.join(file)).expect(file);
    let before = ["seal.key", "ca.pem", "credentials.yaml"].map(kept);
    let daemon = Daemon::on(&data, &[]);
    assert_eq!(["seal.key", "ca.pem", "credentials.yaml"].map(kept), before);
    assert_eq!(register(&daemon, "admin", &password), 200);
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let home = tempfile::tempdir().expect("directory");
    let data = home.path().join("data");
    let daemon = Daemon::on(&data, &["--user", "alice"]);
    let password = daemon.password("alice");
    assert_eq!(register(&daemon, "alice", &password), 200);
    daemon.kill();
    let daemon = Daemon::on(&data, &[]);
    wait_until("alice's contact is back", || sample(&get(&daemon, "/metrics").1, "confkit_contacts") == 1.0);
    assert_eq!(register(&daemon, "alice", &password), 200);
}

#[test]
fn two_daemons_on_one_data_directory_are_one_too_many() {
    let home = tempfile::tempdir().expect("directory");
    let data = home.path().join("data");
    let daemon = Daemon::on(&data, &[]);
    let (code, told) = refused(&["--listen", "127.0.0.1:0", "--data-dir", data.to_str().expect("path")]);
    assert_eq!(code, 5);
    assert!(told.contains(&format!("another relayd (process {})", daemon.pid())) && told.contains("--data-dir"), "{told}");
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("address").port();
    let home = tempfile::tempdir().expect("directory");
    let listen = format!("127.0.0.1:{port}");
    let (code, told) = refused(&["--listen", &listen, "--data-dir", home.path().join("data").to_str().expect("path")]);
    assert_eq!(code, 5);
    assert!(told.contains(&format!("port {port} (UDP at 127.0.0.1) is in use")) && told.contains("--listen"), "{told}");
}

#[test]
fn listening_wide_takes_tls_or_a_word_and_a_password_that_was_changed() {
    let home = tempfile::tempdir().expect("directory");
    let data = home.path().join("data");
    let data = data.to_str().expect("path");
    let config = home.path().join("relayd.yaml");
    let listen = |plain: &str| {
        let text = format!(
            "listen: {{sip: [{{transport: udp, address: '0.0.0.0:0', advertise: 127.0.0.1{plain}}}], http: [{{address: '127.0.0.1:0'}}]}}\n"
        );
        fs::write(&config, text).expect("written");
    };
    let config = config.to_str().expect("path");
    listen("");
    let (code, told) = refused(&["--config", config, "--data-dir", data]);
    assert_eq!(code, 2);
    assert!(told.contains("relayd.yaml:1: listen.sip[0].address: udp on 0.0.0.0:0 can be read by others"), "{told}");
    listen(", allow_plain: true");
    let (code, told) = refused(&["--config", config, "--data-dir", data]);
    assert_eq!(code, 2);
    assert!(told.contains("relayd user passwd admin"), "{told}");

    let mut passwd = relayd(&["user", "passwd", "admin", "--data-dir", data]);
    assert!(passwd.env("CONFKIT_PASSWORD", "correct horse battery staple").output().expect("relayd runs").status.success());
    let daemon = Daemon::with(&["--json", "--config", config, "--data-dir", data], &[]);
    assert_eq!(register(&daemon, "admin", "correct horse battery staple"), 200);
    let warned = daemon.log();
    assert!(warned.contains("SIP without TLS is listened for beyond this machine"), "it is logged loudly: {warned}");
}

#[test]
fn accounts_are_managed_while_the_daemon_runs_and_it_knows_them_at_once() {
    let home = tempfile::tempdir().expect("directory");
    let data = home.path().join("data");
    let daemon = Daemon::on(&data, &[]);
    let user = |args: &[&str], password: &str| {
        let mut command = relayd(&[&["--data-dir", data.to_str().expect("path"), "--json", "user"], args].concat());
        let output = command.env("CONFKIT_PASSWORD", password).output().expect("relayd runs");
        (output.status.code().expect("an exit code"), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(register(&daemon, "bob", "first"), 401);
    assert_eq!(user(&["add", "bob"], "first"), (0, "{\"name\":\"bob\",\"outcome\":\"added\",\"running\":true}\n".to_owned()));
    wait_until("bob is known", || register(&daemon, "bob", "first") == 200);
    assert_eq!(user(&["add", "bob"], "again").0, 5, "there is one already");
    assert_eq!(user(&["passwd", "bob"], "second").0, 0);
    wait_until("bob's password is changed", || register(&daemon, "bob", "second") == 200);
    assert_eq!(user(&["del", "bob"], "").0, 0);
    assert_eq!(user(&["del", "bob"], "").0, 4, "nobody is left to delete");
    assert_eq!(user(&["del", "admin"], "").0, 5, "the last administrator stays");
    wait_until("bob is forgotten", || sample(&get(&daemon, "/metrics").1, "confkit_accounts") == 1.0);
    let listed = user(&["list"], "").1;
    assert_eq!(listed, "{\"users\":[{\"name\":\"admin\",\"role\":\"admin\",\"initial_password\":true}]}\n");
}

#[test]
fn sighup_takes_what_is_right_and_keeps_the_old_where_it_is_wrong() {
    let home = tempfile::tempdir().expect("directory");
    let config = home.path().join("relayd.yaml");
    let (data, listen) = (home.path().join("data"), "127.0.0.1:0");
    fs::write(&config, "stop: {grace: 3s}\n").expect("written");
    let data = data.to_str().expect("path");
    let http = [("RELAYD_LISTEN_HTTP", "[{address: '127.0.0.1:0'}]")];
    let daemon = Daemon::with(&["--json", "--config", config.to_str().expect("path"), "--data-dir", data, "--listen", listen], &http);

    fs::write(&config, "stop: {grace: 4s}\nlimits: {calls: 7}\n").expect("written");
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    daemon.wait_for_log("read the accounts");
    let told = daemon.log();
    assert!(told.contains("\"message\":\"changed\",\"key\":\"stop.grace\""), "{told}");
    assert!(told.contains("this change takes effect at the next start\",\"key\":\"limits.calls\""), "{told}");

    fs::write(&config, "stop: {grase: 4s}\n").expect("written");
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    daemon.wait_for_log("did you mean \\\"grace\\\"");
    assert_eq!(get(&daemon, "/readyz").0, 200, "it goes on with the old");
}

#[test]
fn it_ends_with_its_standard_input_if_asked_to() {
    let mut daemon = Daemon::ephemeral(&["--until-eof"]);
    daemon.close_input();
    assert_eq!(daemon.wait(), 0);
}

#[test]
fn the_environment_file_is_for_shells_and_its_owner() {
    let home = tempfile::tempdir().expect("directory");
    let file = home.path().join("env");
    let daemon = Daemon::ephemeral(&["--env-file", file.to_str().expect("path")]);
    assert_eq!(mode(&file), 0o600);
    let script = format!(". {}; printf %s \"$CONFKIT_SERVER $CONFKIT_CREDENTIALS\"", file.display());
    let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("sh");
    let expected = format!("{} {}", daemon.env("CONFKIT_SERVER"), daemon.env("CONFKIT_CREDENTIALS"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn systemd_is_told_of_start_reload_and_stop() {
    let home = tempfile::tempdir().expect("directory");
    let path = home.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let told = || {
        let mut text = [0; 256];
        let len = socket.recv(&mut text).expect("systemd is told");
        String::from_utf8_lossy(&text[..len]).into_owned()
    };
    let mut daemon = Daemon::with(&["--ephemeral"], &[("NOTIFY_SOCKET", path.to_str().expect("path"))]);
    assert_eq!(told().trim(), "READY=1");
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    assert!(told().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(told().trim(), "READY=1");
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(told().trim(), "STOPPING=1");
    assert_eq!(daemon.wait(), 0);
}

#[test]
fn the_trace_is_a_ladder_and_a_capture_without_secrets() {
    let home = tempfile::tempdir().expect("directory");
    let ladder = home.path().join("sip.txt");
    let daemon = Daemon::ephemeral(&["--user", "alice", "--trace-sip", ladder.to_str().expect("path")]);
    assert_eq!(register(&daemon, "alice", &daemon.password("alice")), 200);
    daemon.terminate();
    let text = fs::read_to_string(&ladder).expect("a ladder");
    assert!(text.contains("REGISTER") && text.contains("200"), "{text}");
    let capture = fs::read(home.path().join("sip.txt.pcap")).expect("a capture");
    assert!(capture.len() > 24 && capture.windows(8).any(|window| window == b"REGISTER"));
    assert_eq!((mode(&ladder), mode(&home.path().join("sip.txt.pcap"))), (0o600, 0o600));
}

#[test]
fn a_daemon_that_drains_tells_participants_why_and_waits_for_their_answer() {
    let mut daemon = Daemon::ephemeral(&[]);
    let phone = Phone::new();
    assert_eq!(phone.call(&daemon, "standup"), 200);
    wait_until("the phone takes part", || sample(&get(&daemon, "/metrics").1, "confkit_participants") == 1.0);
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    let (bye, from) = phone.request();
    assert_eq!(bye.method, Method::Bye);
    let reason = bye.headers.get("Reason").expect("a Reason");
    assert!(reason.starts_with("SIP;cause=503") && reason.contains("stopping"), "{reason}");
    // While the BYE is unanswered the process is still there: it drains.
    assert_eq!(get(&daemon, "/readyz"), (503, "draining\n".to_owned()));
    assert_eq!(get(&daemon, "/healthz").0, 200);
    assert_eq!(Phone::new().call(&daemon, "late"), 503, "no new calls");
    phone.answer(&bye, from, 200, &[]);
    assert_eq!(daemon.wait(), 0);
}

#[test]
fn numbers_go_out_by_a_gateway_that_asks_for_its_password_and_gateways_come_in_where_guests_do_not() {
    let (gateway, home) = (Phone::new(), tempfile::tempdir().expect("directory"));
    let secret = home.path().join("secret");
    fs::write(&secret, "gateway's own\n").expect("written");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("mode");
    let config = home.path().join("relayd.yaml");
    let text = format!(
        "conference: {{guests: no}}\n\
         trunks: [{{name: gw, uri: 'sip:{}', addresses: [127.0.0.1], username: confkit, password_file: secret}}]\n\
         routes: [{{pattern: '+49*', trunk: gw}}]\n",
        gateway.own
    );
    fs::write(&config, &text).expect("written");
    let daemon = Daemon::ephemeral(&["--config", config.to_str().expect("path")]);
    let confctl = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_confctl"));
        let variables = ["CONFKIT_SERVER", "CONFKIT_USER", "CONFKIT_CREDENTIALS"].map(|name| (name, daemon.env(name)));
        command.args(args).env_clear().envs(variables).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command.spawn().expect("confctl starts")
    };
    assert_eq!(gateway.call(&daemon, "standup"), 200, "let in by its address: {}", daemon.log());

    let inviting = confctl(&["invite", "standup", "+49 30 123-45"]);
    let (invite, from) = gateway.request();
    assert_eq!((invite.method.clone(), invite.uri.to_string()), (Method::Invite, format!("sip:+493012345@{}", gateway.own)));
    gateway.answer(&invite, from, 407, &[("Proxy-Authenticate", "Digest realm=\"gw\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256")]);
    let (again, from) = loop {
        let (request, from) = gateway.request();
        if request.method == Method::Invite && request.headers.get("Proxy-Authorization").is_some() {
            break (request, from);
        }
    };
    let proof = again.headers.get("Proxy-Authorization").expect("a proof");
    assert!(proof.contains("username=\"confkit\"") && proof.contains("realm=\"gw\""), "{proof}");
    gateway.answer(&again, from, 486, &[]);
    assert_eq!(inviting.wait_with_output().expect("confctl ends").status.code(), Some(6), "busy");

    let refused = confctl(&["invite", "standup", "+33 1 23"]).wait_with_output().expect("confctl ends");
    let told = String::from_utf8_lossy(&refused.stderr).into_owned() + &String::from_utf8_lossy(&refused.stdout);
    assert!(refused.status.code() == Some(3) && told.contains("no route leads to the number +33123"), "{told}");
    drop(daemon);

    fs::write(&config, text.replace("addresses: [127.0.0.1]", "addresses: [192.0.2.1]")).expect("written");
    let daemon = Daemon::ephemeral(&["--config", config.to_str().expect("path")]);
    assert_eq!(Phone::new().call(&daemon, "standup"), 403, "a guest is not let in");
}

#[test]
fn a_first_start_that_fails_for_its_port_leaves_nothing_behind() {
    let home = tempfile::tempdir().expect("directory");
    let data = home.path().join("data");
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("address").to_string();
    let (code, told) = refused(&["--listen", &address, "--data-dir", data.to_str().expect("path")]);
    assert_eq!(code, 5, "{told}");
    assert!(!data.exists(), "{told}");
}

#[test]
fn a_password_is_not_asked_for_an_account_that_is_not_there() {
    let home = tempfile::tempdir().expect("directory");
    let data = home.path().join("data");
    Daemon::on(&data, &[]).terminate();
    let (code, told) = refused(&["user", "passwd", "nobody", "--data-dir", data.to_str().expect("path")]);
    assert_eq!(code, 4, "{told}");
    assert!(told.contains("nobody"), "{told}");
}
