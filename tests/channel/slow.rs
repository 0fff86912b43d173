//! One of several receivers that takes nothing.

use super::*;

#[test]
fn one_of_several_receivers_that_holds_the_others_back_is_put_out_and_gets_the_rest_once_it_reads_again() {
    let place = Place::new("channel-slow");
    let world = World { server: Server::start(&place, "relay", "roles: [relay]\nrelay: {patience: 1s}\n", &[]), place };
    let content = bytes(24 << 20);
    fs::write(world.place.path("talk.bin"), &content).expect("written");
    let mut sending = world.send(&["talk.bin", "--receivers", "3", "--limit", "8MiB/s", "--compress", "never"], None);
    let mut receivers = ["one", "two", "stopped"].map(|folder| world.receiving(&[&sending.code, "--yes", "--output", folder]));
    let mut told = receivers.each_mut().map(events);
    event(&mut told[2], "progress");
    let signal = |signal| kill(Pid::from_raw(receivers[2].id().try_into().expect("a pid")), signal).expect("signalled");
    signal(Signal::SIGSTOP);
    let put_out = loop {
        let receiver = event(&mut sending.events, "receiver");
        if receiver["state"] != "joined" {
            break receiver;
        }
    };
    assert_eq!(put_out["state"], "broken");
    // And not for saying nothing, which is looked at later.
    assert!(put_out["reason"].as_str().is_some_and(|reason| reason.contains("too slow for the others")), "{put_out}");
    // The others get all of it before it goes on.
    for other in &mut told[..2] {
        event(other, "received");
    }
    signal(Signal::SIGCONT);
    let again = event(&mut told[2], "begun");
    assert!(again["from"].as_u64().is_some_and(|from| from > 0 && from < 24 << 20), "{again}");
    event(&mut told[2], "received");
    let ends = receivers.map(|child| child.wait_with_output().expect("ended"));
    assert_eq!(ends.each_ref().map(code), [0; 3], "{}", ends.iter().map(said).collect::<String>());
    let (ended, events, told) = sending.end();
    assert_eq!(ended, 0, "{told}");
    assert_eq!(events.iter().filter(|event| event["state"] == "done").count(), 3, "{events:?}");
    for folder in ["one", "two", "stopped"] {
        assert!(fs::read(world.place.path(folder).join("talk.bin")).expect("there") == content, "{folder}");
    }
}
