//! Starting beside what is there already, and with what nobody meant.

use std::fs;

use crate::{
    call::Call,
    harness::{Daemon, relayd},
    tls,
};

/// What is refused: exit code and what is said.
fn refused(args: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let output = relayd(args).envs(variables.iter().copied()).output().expect("relayd runs");
    (output.status.code().expect("an exit code"), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_port_in_use_is_named_with_what_to_do_and_whoever_has_it_is_not_disturbed() {
    let daemon = Daemon::ephemeral(&[]);
    let mut call = Call::begin(&daemon).await;
    let sip = daemon.sip();
    let http = daemon.ready["http"].as_str().expect("http").trim_start_matches("http://").to_owned();
    let tls = tls(&daemon).to_string();
    let port = |address: &str| address.rsplit(':').next().expect("a port").to_owned();
    let free = "[{address: '127.0.0.1:0'}]";
    let listen = |transport: &str, address: &str| format!("[{{transport: {transport}, address: '{address}'}}]");
    let relay = daemon.ready["relay"].as_str().expect("relay").to_owned();
    let taken = |address: &str| format!("[{{address: '{address}'}}]");
    for (sip, http, relay, said, advice) in [
        (
            listen("udp", &sip.to_string()),
            free.to_owned(),
            free.to_owned(),
            format!("port {} (UDP at 127.0.0.1) is in use", sip.port()),
            "--listen",
        ),
        (
            listen("tcp", &sip.to_string()),
            free.to_owned(),
            free.to_owned(),
            format!("port {} (TCP at 127.0.0.1) is in use", sip.port()),
            "--listen",
        ),
        (listen("tls", &tls), free.to_owned(), free.to_owned(), format!("port {} (TLS at 127.0.0.1) is in use", port(&tls)), "--listen"),
        (listen("udp", "127.0.0.1:0"), taken(&http), free.to_owned(), format!("port {} is in use", port(&http)), "listen.http"),
        (listen("udp", "127.0.0.1:0"), free.to_owned(), taken(&relay), format!("port {} is in use", port(&relay)), "listen.relay"),
    ] {
        let home = tempfile::tempdir().expect("directory");
        let data = home.path().join("data");
        let (code, told) = refused(
            &["--data-dir", data.to_str().expect("path")],
            &[("RELAYD_LISTEN_SIP", &sip), ("RELAYD_LISTEN_HTTP", &http), ("RELAYD_LISTEN_RELAY", &relay)],
        );
        assert_eq!(code, 5, "{told}");
        assert!(told.contains(&said) && told.contains(advice), "{told}");
    }
    call.goes_on().await;
    call.end().await;
}

#[test]
fn typos_are_named_with_the_nearest_key_and_their_line() {
    let home = tempfile::tempdir().expect("directory");
    let file = home.path().join("relayd.yaml");
    for (text, told) in [
        ("lisen: {}\n", "relayd.yaml:1: lisen: unknown key; did you mean \"listen\"?"),
        ("limits:\n  conections: 5\n", "relayd.yaml:2: limits.conections: unknown key; did you mean \"connections\"?"),
        ("auth: {free_failure: 5}\n", "did you mean \"free_failures\"?"),
        ("listen:\n  sip:\n    - {transport: udp, adress: '127.0.0.1:5060'}\n", "did you mean \"address\"?"),
        ("media: {codecs: [pcmx]}\n", "pcmx"),
        ("stop: {grace: soon}\n", "\"soon\" is not a duration"),
        ("limits: {calls: [1, 2}\n", "at line 1"),
    ] {
        fs::write(&file, text).expect("written");
        let path = file.to_str().expect("path");
        for args in [&["check-config", path][..], &["--ephemeral", "--config", path]] {
            let (code, said) = refused(args, &[]);
            assert_eq!(code, 2, "{text}: {said}");
            assert!(said.contains(told), "{text}: {said}");
        }
    }
}
